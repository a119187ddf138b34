use proptest::prelude::*;

use super::*;
use crate::sample;
use crate::style::Style;
use touchstone_model::RunRecord;

fn outcome(record: &RunRecord) -> RunOutcome {
    RunOutcome::from(record)
}

/// The run before that of the sample, to which all of its changes lead.
fn older() -> RunRecord {
    let mut record = sample::record();
    record.run.id = "20261121t050000z-000abc".parse().unwrap();
    record.run.started = "2026-11-21T05:00:00Z".parse().unwrap();
    record.endpoints[0].software = Some("ExampleStore/1.1".into());
    record.endpoints[2].name = "se-delta".into();
    for result in &mut record.results {
        match (result.endpoint.as_str(), result.case.as_str()) {
            ("se-alpha", "capability.create.no-overwrite" | "audience.any") => {
                result.verdict = Verdict::Pass;
            }
            ("se-alpha", "path.sibling-prefix.read") => result.verdict = Verdict::Fail,
            ("se-alpha", "group.member.read") => result.verdict = Verdict::Pass,
            ("se-beta", "capability.create.no-overwrite") => result.known = None,
            ("se-gamma", _) => result.endpoint = "se-delta".into(),
            _ => {}
        }
    }
    record
}

fn compared() -> Comparison {
    let new = sample::record();
    compare(&outcome(&older()), &outcome(&new), &Details::from(&new))
}

#[test]
fn the_mail_reads_well() {
    insta::assert_snapshot!(text(&compared(), Style::Plain), @"
    touchstone: 1 new failure, 1 fixed, 0 still failing, 6 new errors (run 20261122t072848z-4f2a9c vs 20261121t050000z-000abc)

    se-alpha  https://se-alpha.example.org:8443/wlcg

      software: ExampleStore/1.2, before ExampleStore/1.1
      NEW    capability.create.no-overwrite  critical  (passed before)
             JWT-2.2.1-04 MUST NOT  storage.create never replaces a file.
             expected 401 or 403, and nothing changed; actual 201
             touchstone explain capability.create.no-overwrite
             touchstone run --endpoint se-alpha --case capability.create.no-overwrite
      WARN   1 case with new warnings: audience.any
      FIXED  1 case fixed: path.sibling-prefix.read
      ERROR  1 case still undecided (the control failed: 500): audience.foreign.read
      GONE   1 case no longer judged (the endpoint does not authorise groups): group.member.read

    se-beta  https://se-beta.example.org:8443/wlcg

      KNOWN  1 case failing, newly listed as known: capability.create.no-overwrite

    se-gamma  https://se-gamma.example.org:8443/wlcg

      new: the run before did not have it
      not reached: connection refused
      ERROR  6 cases newly undecided (unreachable: connection refused): audience.any, audience.foreign.read, capability.create.no-overwrite, capability.read.get, capability.read.missing, path.sibling-prefix.read

    se-delta

      gone: only the run before had it
      GONE   6 cases no longer judged

    Totals: 1 new failure, 1 fixed, 0 still failing, 6 new errors, 1 still undecided, 1 with new warnings, 1 newly listed as known, 7 no longer judged, 1 new endpoint, 1 missing endpoint, 1 changed software version

    What next

      - tickets/ beside the new run's run.json has a text for the helpdesk for each endpoint with new failures
      - touchstone check --connect tests network and tokens: an error says nothing about compliance
      - Tickets about what is fixed can be closed
    ");
}

#[test]
fn the_minutes_read_well() {
    insta::assert_snapshot!(markdown(&compared()), @"
    ### touchstone: 1 new failure, 1 fixed, 0 still failing, 6 new errors

    Run `20261122t072848z-4f2a9c` of 2026-11-22 07:28 UTC against `20261121t050000z-000abc` of 2026-11-21 05:00 UTC.

    **`se-alpha`**

    - software: ExampleStore/1.2, before ExampleStore/1.1
    - **new failure** `capability.create.no-overwrite`: `JWT-2.2.1-04` MUST NOT storage.create never replaces a file. Expected `401 or 403, and nothing changed`; actual `201` (passed before)
    - 1 case with new warnings: `audience.any`
    - 1 case fixed: `path.sibling-prefix.read`
    - 1 case still undecided (`the control failed: 500`): `audience.foreign.read`
    - 1 case no longer judged (`the endpoint does not authorise groups`): `group.member.read`

    **`se-beta`**

    - 1 case failing, newly listed as known: `capability.create.no-overwrite`

    **`se-gamma`**

    - new: the run before did not have it
    - not reached: connection refused
    - 6 cases newly undecided (`unreachable: connection refused`): `audience.any`, `audience.foreign.read`, `capability.create.no-overwrite`, `capability.read.get`, `capability.read.missing`, `path.sibling-prefix.read`

    **`se-delta`**

    - gone: only the run before had it
    - 6 cases no longer judged

    Totals: 1 new failure, 1 fixed, 0 still failing, 6 new errors, 1 still undecided, 1 with new warnings, 1 newly listed as known, 7 no longer judged, 1 new endpoint, 1 missing endpoint, 1 changed software version
    ");
}

#[test]
fn machines_read_the_same() {
    let value: serde_json::Value = serde_json::from_str(&json(&compared()).unwrap()).unwrap();
    assert_eq!(value["schema"], DIFF_SCHEMA);
    assert_eq!(value["same"], false);
    insta::assert_json_snapshot!(value["totals"], @r#"
    {
      "fixed": 1,
      "gone_endpoints": 1,
      "new_endpoints": 1,
      "new_errors": 6,
      "new_failures": 1,
      "new_software": 1,
      "not_judged": 7,
      "now_known": 1,
      "still_failing": 0,
      "still_undecided": 1,
      "worsened": 1
    }
    "#);
    assert_eq!(value["endpoints"][0]["cases"][0]["kind"], "new-failure");
    assert_eq!(value["endpoints"][0]["cases"][0]["before"], "pass");
    assert_eq!(
        value["endpoints"][0]["cases"][0]["detail"]["finding"]["level"],
        "MUST NOT"
    );
}

#[test]
fn a_run_is_not_compared_with_itself() {
    let new = outcome(&sample::record());
    let same = compare(&new, &new, &Details::default());
    assert!(same.same && !same.new_failures());
    let said = text(&same, Style::Plain);
    assert!(
        said.starts_with(
            "touchstone: a run compared with itself, nothing new (run 20261122t072848z-4f2a9c)\n"
        ),
        "{said}"
    );
    assert!(said.contains("Name an older run first."), "{said}");
}

#[test]
fn the_wrong_order_is_seen() {
    let (old, new) = (outcome(&sample::record()), outcome(&older()));
    let said = text(&compare(&old, &new, &Details::default()), Style::Plain);
    assert!(said.contains("is the order right?"), "{said}");
}

#[test]
fn what_was_known_and_is_no_longer_is_a_new_failure() {
    let old = sample::record();
    let mut new = sample::record();
    new.run.id = "20261123t072848z-4f2a9c".parse().unwrap();
    for result in &mut new.results {
        result.known = None;
    }
    let found = compare(&outcome(&old), &outcome(&new), &Details::from(&new));
    assert_eq!(found.totals.new_failures, 1);
    let said = text(&found, Style::Plain);
    assert!(
        said.contains("was a known failure; its entry has expired or gone"),
        "{said}"
    );
}

#[test]
fn an_endpoint_that_is_new_and_red_counts() {
    let new = sample::record();
    let mut old = older();
    old.endpoints.remove(0);
    old.results.retain(|result| result.endpoint != "se-alpha");
    let found = compare(&outcome(&old), &outcome(&new), &Details::from(&new));
    assert_eq!(found.endpoints[0].name, "se-alpha");
    assert_eq!(found.endpoints[0].presence, Presence::New);
    assert_eq!(found.totals.new_failures, 1);
    assert!(text(&found, Style::Plain).contains("was not there before"));
}

#[test]
fn pairs_that_were_not_drawn_are_no_news() {
    let new = sample::record();
    let mut old = older();
    let mut pair = old.results[2].clone();
    pair.partner = Some("se-beta".into());
    old.results.push(pair);
    let missing = compare(&outcome(&old), &outcome(&new), &Details::default());
    assert_eq!(missing.totals.not_judged, compared().totals.not_judged);
}

#[test]
fn a_large_disaster_is_still_a_mail() {
    let mut new = sample::record();
    let mut old = sample::record();
    old.run.id = "20261121t050000z-000abc".parse().unwrap();
    let (endpoint, result) = (new.endpoints[0].clone(), new.results[2].clone());
    for record in [&mut new, &mut old] {
        record.endpoints.clear();
        record.results.clear();
    }
    for e in 0..200 {
        let name = format!("se-{e:03}");
        for c in 0..300 {
            let mut result = result.clone();
            result.endpoint = name.clone();
            result.case = format!("suite.case-x{c}").parse().unwrap();
            new.results.push(result.clone());
            result.verdict = Verdict::Pass;
            old.results.push(result);
        }
        for record in [&mut new, &mut old] {
            let mut endpoint = endpoint.clone();
            endpoint.name = name.clone();
            record.endpoints.push(endpoint);
        }
    }
    let found = compare(&outcome(&old), &outcome(&new), &Details::from(&new));
    assert_eq!(found.totals.new_failures, 60_000);
    let said = text(&found, Style::Plain);
    assert!(said.lines().count() < 500, "{}", said.lines().count());
    assert!(
        said.contains("and 160 more endpoints with changes"),
        "{said}"
    );
    assert!(markdown(&found).lines().count() < 300);
}

#[test]
fn servers_do_not_steer_the_terminal() {
    let hostile = "\x1b]0;x\x07\u{202e}\r\n  NEW    forged\u{9b}2J";
    let mut new = sample::record();
    for endpoint in &mut new.endpoints {
        endpoint.software = Some(hostile.into());
        endpoint.unreachable = Some(hostile.into());
    }
    for result in &mut new.results {
        result.reason = Some(hostile.into());
        for finding in &mut result.findings {
            finding.actual = hostile.repeat(10_000);
        }
    }
    let found = compare(&outcome(&older()), &outcome(&new), &Details::from(&new));
    let said = text(&found, Style::Plain);
    assert!(said.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(!said.contains('\u{202e}'));
    let forged = said
        .lines()
        .filter(|line| line.trim().starts_with("NEW    forged"));
    assert_eq!(forged.count(), 0);
    assert!(said.len() < 10_000, "{}", said.len());
}

fn any_case() -> impl Strategy<Value = CaseOutcome> {
    let case = prop::sample::select(vec!["a.one", "a.two", "a.three"]);
    let verdict = prop::sample::select(Verdict::ALL.to_vec());
    let partner = prop::option::of(Just("other".to_owned()));
    (case, verdict, any::<bool>(), partner).prop_map(|(case, verdict, known, partner)| {
        CaseOutcome {
            case: case.parse().unwrap(),
            partner,
            verdict,
            known: known && verdict == Verdict::Fail,
        }
    })
}

fn any_run(id: &'static str) -> impl Strategy<Value = RunOutcome> {
    let cases = prop::collection::vec(any_case(), 0..6).prop_map(|mut cases| {
        cases.sort_by(|a, b| key(a).cmp(&key(b)));
        cases.dedup_by(|a, b| key(a) == key(b));
        cases
    });
    prop::collection::btree_map("se-[ab]", cases, 0..3).prop_map(move |endpoints| RunOutcome {
        run: id.parse().unwrap(),
        started: "2026-11-21T05:00:00Z".parse().unwrap(),
        partial: false,
        endpoints: endpoints
            .into_iter()
            .map(|(name, cases)| EndpointOutcome {
                name,
                software: None,
                cases,
            })
            .collect(),
    })
}

/// Endpoint, case and partner of the changes that are wanted.
fn those(found: &Comparison, wanted: fn(&CaseChange) -> bool) -> Vec<(String, String)> {
    let mut those: Vec<_> = found
        .endpoints
        .iter()
        .flat_map(|endpoint| {
            let cases = endpoint.cases.iter().filter(|change| wanted(change));
            cases.map(|change| (endpoint.name.clone(), change.name()))
        })
        .collect();
    those.sort();
    those
}

proptest! {
    #[test]
    fn nothing_is_new_against_itself(run in any_run("20261121t050000z-000abc")) {
        let found = compare(&run, &run, &Details::default());
        let quiet = Totals {
            still_failing: found.totals.still_failing,
            still_undecided: found.totals.still_undecided,
            ..Totals::default()
        };
        prop_assert_eq!(found.totals, quiet);
        let red = run.endpoints.iter().flat_map(|e| &e.cases).filter(|c| c.red()).count();
        prop_assert_eq!(found.totals.still_failing, red);
    }

    #[test]
    fn what_breaks_one_way_is_fixed_the_other(
        a in any_run("20261121t050000z-000abc"),
        b in any_run("20261122t050000z-000abc"),
    ) {
        let (there, back) = (
            compare(&a, &b, &Details::default()),
            compare(&b, &a, &Details::default()),
        );
        let broken = those(&there, |c| {
            c.kind == ChangeKind::NewFailure && matches!(c.before, Some(Verdict::Pass | Verdict::Warn))
        });
        let fixed = those(&back, |c| c.kind == ChangeKind::Fixed && !c.known_before);
        prop_assert_eq!(broken, fixed);
        // Whatever is red now is new or was red before, and is told once.
        let red: usize = b.endpoints.iter().flat_map(|e| &e.cases).filter(|c| c.red()).count();
        prop_assert_eq!(there.totals.new_failures + there.totals.still_failing, red);
        prop_assert_eq!(there.totals.still_failing, back.totals.still_failing);
    }
}
