use super::*;
use crate::sample;
use crate::style::Style;
use touchstone_model::Clause;

/// Two cases; `path.new` judges a rule of profile 1.2. `path.old` expects a refusal.
fn plan() -> Plan {
    let mut plan = sample::plan();
    let mut case = |id: &str, clause: &str, since, refuses: bool| {
        plan.clauses = plan
            .clauses
            .iter()
            .cloned()
            .chain([Clause {
                id: clause.parse().unwrap(),
                source: "a test".into(),
                since: Some(since),
                basis: touchstone_model::Basis::Stated,
                level: touchstone_model::Level::Must,
                severity: touchstone_model::Severity::Critical,
                requirement: "It is so.".into(),
                untestable: None,
                text: Vec::new(),
            }])
            .collect();
        let mut planned = plan.endpoints[0].cases[0].clone();
        let case = std::sync::Arc::make_mut(&mut planned.case);
        case.id = id.parse().unwrap();
        case.clauses = vec![clause.parse().unwrap()];
        if refuses {
            case.steps.push(refusal());
        }
        planned
    };
    let cases = vec![
        case("path.old", "T-1", Profile::V1_0, true),
        case("path.new", "T-2", Profile::V1_2, false),
    ];
    plan.endpoints.truncate(1);
    plan.endpoints[0].cases = cases;
    plan
}

fn refusal() -> touchstone_model::Step {
    touchstone_model::Step {
        interface: touchstone_model::Interface::Webdav,
        method: touchstone_model::Method::Get,
        path: touchstone_model::Template::parse("f").unwrap(),
        destination: None,
        verb: None,
        body: String::new(),
        filling: Default::default(),
        content: None,
        headers: Vec::new(),
        wire: None,
        wait: 0,
        optional: false,
        redirected: false,
        token: touchstone_model::Credential::None,
        expect: touchstone_model::Expect::Denied,
        tells: touchstone_model::Tells::default(),
        terms: touchstone_model::StepTerms::default(),
        control: None,
        at: touchstone_model::Place {
            file: "suites/path.yaml".into(),
            line: 1,
        },
    }
}

fn fault(name: &str, clauses: &[&str], cases: &[&str]) -> Trial {
    Trial {
        name: name.into(),
        about: "It errs.".into(),
        subject: ProofSubject::Fault {
            clauses: clauses.iter().map(|id| id.parse().unwrap()).collect(),
            cases: cases.iter().map(|id| id.parse().unwrap()).collect(),
            wide: false,
        },
        settled: None,
    }
}

fn faultless(version: Profile) -> Trial {
    Trial {
        name: format!("faultless-{version}"),
        about: String::new(),
        subject: ProofSubject::Faultless,
        settled: None,
    }
}

fn service(exit: u8) -> Trial {
    Trial {
        name: "deny-all".into(),
        about: "It denies.".into(),
        subject: ProofSubject::Service { exit },
        settled: None,
    }
}

/// The proof from `(storage element, verdict of path.old, verdict of path.new)`.
fn proof(trials: &[Trial], verdicts: &[(&str, Verdict, Verdict)], partial: bool) -> ProofMatrix {
    let mut record = sample::record();
    let result = record.results[0].clone();
    let endpoint = record.endpoints[0].clone();
    record.results.clear();
    record.endpoints.clear();
    for (name, old, new) in verdicts {
        let mut endpoint = endpoint.clone();
        endpoint.name = (*name).into();
        endpoint.profile = match name.strip_prefix("faultless-") {
            Some(version) => version.parse().unwrap(),
            None => Profile::V1_3,
        };
        record.endpoints.push(endpoint);
        for (case, verdict) in [("path.old", old), ("path.new", new)] {
            let mut result = result.clone();
            result.endpoint = (*name).into();
            result.case = case.parse().unwrap();
            result.verdict = *verdict;
            result.reason = (*verdict == Verdict::Error).then(|| "no network".into());
            record.results.push(result);
        }
    }
    let effort = Effort {
        run: 10,
        verdicts: 12,
    };
    ProofMatrix::new(&plan(), &record, trials, partial, effort)
}

const PASS: Verdict = Verdict::Pass;
const FAIL: Verdict = Verdict::Fail;
const ERROR: Verdict = Verdict::Error;
const SKIP: Verdict = Verdict::Skip;

/// A proof in which nothing is missing.
fn good() -> (Vec<Trial>, Vec<(&'static str, Verdict, Verdict)>) {
    let trials = vec![
        fault("old", &["T-1"], &["path.old"]),
        fault("new", &["T-2"], &["path.new"]),
        service(3),
        faultless(Profile::V1_1),
        faultless(Profile::V1_3),
    ];
    let verdicts = vec![
        ("old", FAIL, PASS),
        ("new", ERROR, FAIL),
        ("deny-all", ERROR, ERROR),
        ("faultless-1.1", PASS, SKIP),
        ("faultless-1.3", PASS, PASS),
    ];
    (trials, verdicts)
}

/// The good proof with other verdicts for one storage element.
fn with(name: &'static str, old: Verdict, new: Verdict) -> ProofMatrix {
    let (trials, mut verdicts) = good();
    let row = verdicts.iter_mut().find(|row| row.0 == name).unwrap();
    *row = (name, old, new);
    proof(&trials, &verdicts, false)
}

/// Which of the lists hold something.
fn lists(proof: &ProofMatrix) -> Vec<&'static str> {
    let filled = [
        ("uncaught", proof.uncaught.len()),
        ("missed", proof.missed.len()),
        ("idle", proof.idle.len()),
        ("not green", proof.not_green.len()),
        ("green", proof.green.len()),
        ("collateral", proof.collateral.len()),
    ];
    let filled = filled.iter().filter(|(_, length)| *length > 0);
    let names: Vec<_> = filled.map(|(name, _)| *name).collect();
    assert_eq!(proof.proven, names.is_empty());
    names
}

fn id(case: &str) -> CaseId {
    case.parse().unwrap()
}

#[test]
fn a_proof_has_empty_lists() {
    let (trials, verdicts) = good();
    let proof = proof(&trials, &verdicts, false);
    assert!(lists(&proof).is_empty(), "{proof:#?}");
    assert_eq!((proof.cases, proof.undecided), (2, 1));
    assert_eq!(proof.faults[0].failed, [id("path.old")]);
    assert_eq!(proof.faults[1].errors, [id("path.old")]);
    let row = &proof.faultless[0];
    assert_eq!((row.profile, row.pass, row.skip), (Profile::V1_1, 1, 1));
}

#[test]
fn a_fault_that_nobody_catches_is_uncaught_and_its_cases_are_idle() {
    let proof = with("old", PASS, PASS);
    assert_eq!(lists(&proof), ["uncaught", "missed", "idle"]);
    assert_eq!(proof.uncaught, ["old"]);
    assert_eq!(proof.idle, [id("path.old")]);
    assert_eq!(proof.missed[0].verdict, Some(PASS));
}

#[test]
fn an_undecided_case_did_not_catch_its_fault() {
    let proof = with("old", ERROR, PASS);
    assert_eq!(proof.uncaught, ["old"]);
    assert_eq!(proof.missed[0].why, "no network");
    assert_eq!(proof.undecided, 1, "it is missed, not a consequence");
}

#[test]
fn each_named_case_has_to_fail() {
    let (mut trials, verdicts) = good();
    trials[0] = fault("old", &["T-1"], &["path.old", "path.new"]);
    let proof = proof(&trials, &verdicts, false);
    assert_eq!(lists(&proof), ["missed"]);
    assert_eq!(proof.missed[0].case, id("path.new"));
}

#[test]
fn a_named_case_that_does_not_exist_is_missed() {
    let (mut trials, verdicts) = good();
    trials[0] = fault("old", &["T-1"], &["path.old", "path.gone"]);
    let whole = proof(&trials, &verdicts, false);
    assert_eq!(lists(&whole), ["missed"]);
    assert_eq!(whole.missed[0].verdict, None);
    // Among a selection of cases it is one that was not selected.
    assert!(lists(&proof(&trials, &verdicts, true)).is_empty());
}

#[test]
fn a_fault_without_cases_is_uncaught() {
    let (mut trials, verdicts) = good();
    trials.push(fault("lonely", &["T-1"], &[]));
    assert_eq!(lists(&proof(&trials, &verdicts, false)), ["uncaught"]);
}

#[test]
fn a_case_that_fails_on_no_fault_is_idle_unless_its_faults_were_not_selected() {
    let (mut trials, verdicts) = good();
    trials.remove(1);
    let whole = proof(&trials, &verdicts, false);
    assert_eq!(lists(&whole), ["idle"]);
    assert_eq!(whole.idle, [id("path.new")]);
    assert!(lists(&proof(&trials, &verdicts, true)).is_empty());
}

#[test]
fn the_faultless_storage_element_passes_and_skips_only_what_is_newer() {
    for verdict in [FAIL, ERROR, SKIP, Verdict::Warn] {
        let proof = with("faultless-1.3", PASS, verdict);
        assert_eq!(lists(&proof), ["not green"], "{verdict}");
        assert_eq!(proof.not_green[0].case, id("path.new"));
    }
    assert_eq!(lists(&with("faultless-1.1", SKIP, SKIP)), ["not green"]);
    assert!(lists(&with("faultless-1.1", PASS, PASS)).is_empty());
}

#[test]
fn a_service_out_of_order_never_looks_good() {
    let denial = with("deny-all", PASS, ERROR);
    assert_eq!(lists(&denial), ["green"]);
    assert_eq!(denial.services[0].passed, [id("path.old")]);
    // What is not a denial may pass there.
    assert!(lists(&with("deny-all", ERROR, PASS)).is_empty());
    let (mut trials, verdicts) = good();
    trials[2] = service(0);
    assert_eq!(lists(&proof(&trials, &verdicts, false)), ["green"]);
}

#[test]
fn a_selection_without_a_denial_says_nothing_of_a_service_out_of_order() {
    let (mut trials, mut verdicts) = good();
    trials[2] = service(0);
    let mut selected = |old| {
        verdicts[2] = ("deny-all", old, PASS);
        proof(&trials, &verdicts, true).green.len()
    };
    assert_eq!(selected(SKIP), 0);
    // A failure that a run which is not strict counts as a warning.
    assert_eq!(selected(FAIL), 1);
    assert_eq!(selected(PASS), 1);
}

#[test]
fn what_fails_beside_the_clauses_of_a_fault_is_collateral() {
    let wrong = with("old", FAIL, FAIL);
    assert_eq!(lists(&wrong), ["collateral"]);
    assert_eq!(wrong.collateral[0].case, id("path.new"));
    let (mut trials, mut verdicts) = good();
    verdicts[0] = ("old", FAIL, FAIL);
    trials[0] = fault("old", &["T-1", "T-2"], &["path.old"]);
    assert!(lists(&proof(&trials, &verdicts, false)).is_empty());
    trials[0] = fault("old", &["T-1"], &["path.old", "path.new"]);
    assert!(lists(&proof(&trials, &verdicts, false)).is_empty());
}

#[test]
fn people_see_the_matrix_and_the_lists() {
    let (mut trials, mut verdicts) = good();
    trials[0] = fault("old", &["T-1"], &["path.old", "path.gone"]);
    trials[2] = service(0);
    verdicts[0] = ("old", FAIL, FAIL);
    verdicts[1] = ("new", ERROR, ERROR);
    let proof = proof(&trials, &verdicts, false);
    let plain = table(&proof, Style::Plain);
    insta::assert_snapshot!(plain, @r#"
Fault  Caught by
old    1/2  path.old; also path.new
new    0/1

Out of order as a whole
deny-all  would end with 0

Faultless
profile 1.1  1 case passed, 1 skipped as newer
profile 1.3  2 cases passed

These lists have to be empty
  Faults that no case caught that they name: 1
    new
  Cases that did not fail on a fault that names them: 2
    path.gone on old: absent (there is no such case)
    path.new on new: error (no network)
  Cases that fail on no fault: 0
  Cases that do not pass on the faultless storage element: 0
  Services out of order that look good: 1
    deny-all
  Cases that fail on a fault that names neither them nor their clauses: 1
    path.new on old: fail (JWT-2.1.1-17: expected 200, but 206\u{1b}[31m ]]>)

Undecided on faults that do not name them, as a consequence: 1 case
Run: 10 of 12 verdicts; the others cannot change
Not proven: 3 faults and 2 cases in 01:02:06
"#);
    assert!(!plain.contains('\x1b') && table(&proof, Style::Colour).contains('\x1b'));
}

#[test]
fn programs_see_the_same() {
    let (trials, verdicts) = good();
    let json = proof(&trials, &verdicts, true).json().unwrap();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["schema"], PROOF_SCHEMA);
    assert_eq!(value["partial"], true);
    assert_eq!(value["faults"][1]["expected"][0], "path.new");
    assert_eq!(value["faultless"][0]["profile"], "1.1");
    assert_eq!(value["idle"], serde_json::json!([]));
    assert_eq!(
        (&value["run"], &value["verdicts"]),
        (&10.into(), &12.into())
    );
}

/// The good proof, in which the fault `old` has no storage element, for its cases end as on that other one.
fn settled(like: &str) -> ProofMatrix {
    let (mut trials, mut verdicts) = good();
    trials[0].settled = Some(Settled {
        like: like.into(),
        cases: ["path.old", "path.new"]
            .map(|id| id.parse().unwrap())
            .into(),
    });
    verdicts.remove(0);
    proof(&trials, &verdicts, false)
}

#[test]
fn what_cannot_change_is_taken_over_and_missed_where_it_has_to_fail() {
    let proof = settled("faultless-1.3");
    assert_eq!(lists(&proof), ["uncaught", "missed", "idle"]);
    assert_eq!(proof.uncaught, ["old"]);
    let [missed] = proof.missed.as_slice() else {
        panic!("{:?}", proof.missed);
    };
    assert_eq!(
        (missed.case.as_str(), missed.verdict),
        ("path.old", Some(PASS))
    );
    assert!(missed.why.starts_with("not run: "), "{}", missed.why);
    assert_eq!(proof.faults[0].failed, []);
    // What fails without the fault fails with it.
    let proof = settled("new");
    assert_eq!(proof.faults[0].failed, proof.faults[1].failed);
    assert_eq!(proof.faults[0].errors, proof.faults[1].errors);
}
