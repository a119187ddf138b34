use secrecy::SecretString;

use super::*;
use crate::config::{Catalogue, EMBEDDED};
use touchstone_model::{
    Account, Affected, Alteration, ClientAuthentication, Downtime, Groups, Issuer, Limits,
    OAuthClient, Place, PlannedObject, Script, SecondArea, SecretRef, State, StepPlan, Tape,
    TestKey, TokenSource, Traits,
};

mod fleet;

const START: &str = "2026-11-22T07:28:48Z";

fn endpoint(name: &str) -> Endpoint {
    Endpoint {
        name: name.into(),
        description: None,
        software: None,
        url: "https://se.example.org:8443".parse().unwrap(),
        area: "/wlcg".into(),
        issuer: Some("iam".into()),
        ca: Vec::new(),
        profile: None,
        audience: None,
        traits: Traits {
            groups: Some(Groups::default()),
            tape: Some(Tape {
                path: "/nearline".into(),
                file: "/nearline/some-file".into(),
            }),
            macaroons: true,
            ..Traits::default()
        },
        known_failures: Vec::new(),
        second: Some(SecondArea {
            path: "/wlcg2".into(),
            issuer: "neighbour".into(),
        }),
        limits: Limits::default(),
        tpc_partner: Some(name.into()),
        fresh_tokens: false,
        redirect_hosts: Vec::new(),
        address: None,
    }
}

fn issuer(test_key: bool) -> Issuer {
    let held = || SecretRef::Held(SecretString::from("x"));
    Issuer {
        accounts: vec![Account::only(TokenSource::ClientCredentials(OAuthClient {
            id: held(),
            authentication: ClientAuthentication::Basic(held()),
        }))],
        test_keys: test_key
            .then(|| TestKey {
                pem: held(),
                kid: None,
            })
            .into_iter()
            .collect(),
        ..Issuer::bare("iam", "https://iam.example.org/")
    }
}

/// Cases that could hurt and those that take long, too.
fn everything() -> Selection {
    let mut selection = Selection::default();
    selection.intrusive = true;
    selection.slow = true;
    selection.listen = true;
    selection.side = true;
    selection
}

struct Bench {
    inventory: Inventory,
    catalogue: Catalogue,
    selection: Selection,
}

impl Bench {
    fn new(endpoint: Endpoint, issuer: Issuer) -> Self {
        Self {
            inventory: Inventory {
                downtimes: Vec::new(),
                issuers: vec![
                    Arc::new(Issuer {
                        name: "neighbour".into(),
                        url: "https://iam.example.org/neighbour".into(),
                        ..self::issuer(true)
                    }),
                    Arc::new(issuer),
                ],
                endpoints: vec![Arc::new(endpoint)],
            },
            catalogue: EMBEDDED.clone(),
            selection: everything(),
        }
    }

    fn plan(&self) -> Result<Plan, SelectionError> {
        let started: Timestamp = START.parse().unwrap();
        let material = Material {
            suites: &self.catalogue.suites,
            clauses: &self.catalogue.clauses.clone().into(),
        };
        plan(
            &self.inventory,
            &material,
            &self.selection,
            &RunId::new(started, 1),
            started,
        )
    }

    fn case(&self, id: &str) -> CasePlan {
        let plan = self.plan().unwrap();
        plan.endpoints[0]
            .cases
            .iter()
            .find(|case| case.case.id.as_str() == id)
            .unwrap()
            .clone()
    }

    fn script(&self, id: &str) -> Script {
        match self.case(id).action {
            Action::Run(script) => script,
            Action::Skip(reason) => panic!("{id}: {reason}"),
        }
    }

    fn skipped(&self) -> Vec<(String, String)> {
        let plan = self.plan().unwrap();
        plan.endpoints[0]
            .cases
            .iter()
            .filter_map(|case| match &case.action {
                Action::Skip(reason) => Some((case.case.id.to_string(), reason.clone())),
                Action::Run(_) => None,
            })
            .collect()
    }
}

#[test]
fn variables_are_filled_in() {
    let bench = Bench::new(endpoint("se"), issuer(true));
    let script = bench.script("path.outside.read");
    let run: RunId = "20261122t072848z-000001".parse().unwrap();
    let dir = format!("/wlcg/{}/path.outside.read", Marker::new(&run, &["se"]));
    assert_eq!(script.directories, std::slice::from_ref(&dir));
    let states: Vec<_> = script
        .given
        .iter()
        .map(|object| (object.path.as_str(), matches!(object.state, State::File(_))))
        .collect();
    let at = |name: &str| format!("{dir}/{name}");
    assert_eq!(
        states,
        [
            (at("a").as_str(), false),
            (&at("b"), false),
            (&at("b/f"), true)
        ]
    );
    let step = &script.steps[0];
    assert_eq!(step.path, at("b/f"));
    assert_eq!(
        step.token.token().unwrap().scopes,
        [format!("storage.read:{}/a", &dir[5..])]
    );
    assert_eq!(
        step.control.as_ref().unwrap().scopes,
        [format!("storage.read:{}/b", &dir[5..])]
    );
    let audience = bench.script("audience.own-url").steps[0]
        .token
        .token()
        .unwrap()
        .clone()
        .audience;
    assert_eq!(
        audience,
        Audience::One("https://se.example.org:8443".into())
    );
}

#[test]
fn arrays_hold_each_audience_that_the_endpoint_declares() {
    let tried = |declared: Option<&[&str]>| {
        let mut endpoint = endpoint("se");
        endpoint.audience =
            declared.map(|declared| declared.iter().map(|one| (*one).to_owned()).collect());
        let script = Bench::new(endpoint, issuer(true)).script("audience.array.last");
        let last = |step: &StepPlan| {
            let audience = &step.token.token().unwrap().audience;
            audience.each().last().unwrap().clone()
        };
        script.steps.iter().map(last).collect::<Vec<_>>()
    };
    let url = "https://se.example.org:8443";
    assert_eq!(tried(None), [url]);
    assert_eq!(tried(Some(&["LIGO"])), ["LIGO"]);
    assert_eq!(tried(Some(&["IceCube", "NRP"])), ["IceCube", "NRP"]);
    // The one for everybody is in an array of a case of its own.
    assert_eq!(tried(Some(&[touchstone_model::ANY_AUDIENCE])), [url]);
}

#[test]
fn protected_cases_have_a_directory_there_too() {
    let script =
        Bench::new(endpoint("se"), issuer(true)).script("group.protected.member-no-delete");
    let run: RunId = "20261122t072848z-000001".parse().unwrap();
    let own = Marker::new(&run, &["se", "group.protected.member-no-delete"]);
    let protected = format!("/wlcg/protected/{own}");
    assert_eq!(script.directories[1], protected);
    assert_eq!(script.given.len(), 1);
    assert_eq!(script.given[0].path, format!("{protected}/f"));
    assert_eq!(script.steps[0].token.token().unwrap().groups, ["/wlcg"]);
}

#[test]
fn contents_differ_from_object_to_object() {
    let script = Bench::new(endpoint("se"), issuer(true)).script("capability.create.no-overwrite");
    let [
        PlannedObject {
            state: State::File(given),
            ..
        },
    ] = script.given.as_slice()
    else {
        panic!("one file is given");
    };
    let written = script.steps[0].body.as_ref().unwrap();
    assert_ne!(given, written);
    assert!(given.len() < 200 && given.is_ascii());
}

#[test]
fn no_two_cases_share_a_directory() {
    let plan = Bench::new(endpoint("se"), issuer(true)).plan().unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for case in &plan.endpoints[0].cases {
        let Action::Run(script) = &case.action else {
            panic!("all of them run")
        };
        let group = case.case.cover.as_ref().and_then(|cell| cell.group.clone());
        for directory in &script.directories {
            let new = seen.insert(directory.clone(), group.clone());
            // Those of a group share what is there.
            let shared = |other: Option<String>| other.is_some() && other == group;
            assert!(new.is_none_or(shared), "{directory}");
        }
        let paths = script.given.iter().map(|object| &object.path);
        let steps = script
            .steps
            .iter()
            .flat_map(|s| std::iter::once(&s.path).chain(&s.destination));
        for path in paths.chain(steps) {
            let own = script
                .directories
                .iter()
                .any(|d| path.starts_with(&format!("{d}/")));
            assert!(own, "{}: {path}", case.case.id);
        }
    }
}

#[test]
fn what_a_case_needs_is_inferred() {
    let none = Bench::new(endpoint("se"), issuer(true)).skipped();
    assert_eq!(none, []);
    let forged = Bench::new(endpoint("se"), issuer(false)).skipped();
    let (_, reason) = forged
        .iter()
        .find(|(case, _)| case == "audience.absent")
        .unwrap();
    assert!(reason.starts_with("needs a token with no aud, which only a test issuer"));

    let mut bare = endpoint("se");
    bare.traits = Traits {
        directories: false,
        any_audience: false,
        ..Traits::default()
    };
    let bench = Bench::new(bare, issuer(true));
    let reasons = bench.skipped();
    let of = |id: &str| {
        reasons
            .iter()
            .find(|(case, _)| case == id)
            .map(|(_, r)| r.as_str())
    };
    assert!(of("group.member.read").unwrap().contains("group"));
    assert!(
        of("macaroon.issue.no-token")
            .unwrap()
            .contains("macaroons: true")
    );
    assert!(
        of("macaroon.forged.key")
            .unwrap()
            .contains("macaroons: true")
    );
    assert!(
        of("capability.create.mkcol")
            .unwrap()
            .contains("no directories")
    );
    assert!(
        of("audience.any")
            .unwrap()
            .contains("does not accept the audience")
    );
    assert_eq!(of("audience.own-url"), None);
    let script = bench.script("path.directory.read");
    assert!(script.directories.is_empty());
    assert_eq!(script.given.len(), 1, "the file alone, no directory for it");
    let audience = &script.steps[0].token.token().unwrap().audience;
    assert_eq!(
        *audience,
        Audience::One("https://se.example.org:8443".into())
    );
}

#[test]
fn without_tokens_everything_is_skipped_with_a_reason() {
    let mut silent = issuer(false);
    silent.accounts.clear();
    let bench = Bench::new(endpoint("se"), silent);
    let skipped = bench.skipped();
    let storage = bench.catalogue.cases().filter(|case| case.asks.is_empty());
    assert_eq!(skipped.len(), storage.count());
    assert!(
        skipped[0]
            .1
            .contains("no way to obtain tokens of the issuer `iam`")
    );
    let mut orphan = endpoint("se");
    orphan.issuer = None;
    let skipped = Bench::new(orphan, issuer(true)).skipped();
    assert!(skipped[0].1.starts_with("the endpoint has no issuer"));
}

#[test]
fn older_profiles_are_not_judged_by_newer_rules() {
    let mut old = endpoint("se");
    old.profile = Some(Profile::V1_0);
    let mut bench = Bench::new(old, issuer(true));
    let reasons = bench.skipped();
    let sibling = reasons
        .iter()
        .find(|(case, _)| case == "path.sibling-prefix.read")
        .unwrap();
    assert_eq!(
        sibling.1,
        "JWT-2.2.1-09 is a rule since profile 1.1; the endpoint is judged by 1.0"
    );
    bench.selection.profile = Some(Profile::V1_3);
    assert_eq!(bench.skipped(), []);
}

#[test]
fn known_failures_count_until_they_expire() {
    let known = |expires: Option<&str>| {
        let mut endpoint = endpoint("se");
        endpoint.known_failures = vec![KnownFailure {
            case: "capability.read.get".parse().unwrap(),
            reason: "being repaired".into(),
            ticket: None,
            expires: expires.map(|day| day.parse().unwrap()),
            at: Place {
                file: "endpoints.yaml".into(),
                line: 3,
            },
        }];
        let case = Bench::new(endpoint, issuer(true)).case("capability.read.get");
        (case.known.is_some(), case.expired.is_some())
    };
    assert_eq!(known(None), (true, false));
    assert_eq!(known(Some("2026-11-22")), (true, false), "the last day");
    assert_eq!(known(Some("2026-11-21")), (false, true));
}

#[test]
fn patterns_select_and_must_match() {
    let mut bench = Bench::new(endpoint("se-alpha"), issuer(true));
    let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    bench.selection = Selection::new(
        &texts(&["se-*"]),
        &texts(&["path.outside.*", "group.member.read"]),
    )
    .unwrap();
    let plan = bench.plan().unwrap();
    let ids: Vec<_> = plan.endpoints[0]
        .cases
        .iter()
        .map(|case| case.case.id.as_str())
        .collect();
    assert!(ids.len() > 6);
    assert!(
        ids.iter()
            .all(|id| id.starts_with("path.outside.") || *id == "group.member.read")
    );
    bench.selection = Selection::new(&[], &texts(&["nothing.*"])).unwrap();
    assert!(matches!(
        bench.plan(),
        Err(SelectionError::Nothing { what: "case", .. })
    ));
    assert!(Selection::new(&texts(&["[a"]), &[]).is_err());
}

#[test]
fn issuers_are_selected_by_the_name_that_reports_have() {
    let mut bench = Bench::new(endpoint("se"), issuer(true));
    let mut select = |pattern: &str| {
        bench.selection = Selection::new(&[pattern.to_owned()], &[]).unwrap();
        let plan = bench.plan()?;
        Ok::<_, SelectionError>(plan.rows().map(|row| row.name).collect::<Vec<_>>())
    };
    assert_eq!(select("issuer:iam").unwrap(), ["issuer:iam"]);
    assert_eq!(select("*").unwrap(), ["se"], "nobody asked for issuers");
    assert!(select("issuer:nobody").is_err());
}

#[test]
fn who_cannot_reach_our_listener_is_not_asked_about_it() {
    let id = "authentication.issuer.foreign.unasked.read";
    let mut bench = Bench::new(endpoint("far"), issuer(true));
    bench.selection.listen = false;
    let skipped = bench.skipped();
    assert!(
        skipped
            .iter()
            .all(|(_, reason)| reason.contains("--listen"))
    );
    let unasked = skipped.iter().filter(|(case, _)| case.contains("unasked"));
    assert_eq!(unasked.count(), 4, "{skipped:?}");
    // A listener alone is not yet another side that storage would trust.
    bench.selection.listen = true;
    bench.selection.side = false;
    let skipped = bench.skipped();
    assert!(skipped.iter().all(|(case, _)| case.starts_with("tpc.")));
    assert!(skipped.len() > 40 && skipped.iter().all(|(_, why)| why.contains("--listen-key")));
    for here in [
        "https://localhost:8443",
        "https://127.0.0.1",
        "https://[::1]:1",
    ] {
        let near = Endpoint {
            url: here.parse().unwrap(),
            ..endpoint("near")
        };
        let mut bench = Bench::new(near, issuer(true));
        bench.selection.listen = false;
        // The origin is not known before the case runs.
        let script = bench.script(id);
        let token = script.steps[0].token.token().unwrap();
        let wanted = Alteration::Value("{listener}/".into());
        assert_eq!(token.claims["iss"], wanted, "{here}");
    }
}

#[test]
fn everybody_copies_with_everybody_or_with_a_sample() {
    let mut bench = Bench::new(endpoint("one"), issuer(true));
    for name in ["two", "two.b", "two-b"] {
        bench.inventory.endpoints.push(Arc::new(endpoint(name)));
    }
    let mut silent = endpoint("silent");
    silent.traits.third_party_copy = false;
    bench.inventory.endpoints.push(Arc::new(silent));
    let planned = |bench: &Bench| {
        let plan = bench.plan().unwrap();
        let pairs: Vec<_> = plan
            .endpoints
            .iter()
            .flat_map(|endpoint| {
                let name = endpoint.endpoint.name.clone();
                let cases = endpoint.cases.iter();
                let cases = cases.filter(|case| case.case.id.as_str() == "tpc.pair.pull");
                cases.map(move |case| (name.clone(), case.partner.clone().unwrap()))
            })
            .collect();
        (pairs, plan.pairs.unwrap())
    };
    bench.selection.pairs = Some(100);
    let (all, counted) = planned(&bench);
    assert_eq!((counted.tried, counted.of, all.len()), (12, 12, 12));
    assert!(
        all.iter()
            .all(|(one, other)| one != other && other != "silent")
    );
    bench.selection.pairs = Some(5);
    let (some, counted) = planned(&bench);
    assert_eq!((counted.tried, counted.of, some.len()), (5, 12, 5));
    assert!(some.iter().all(|pair| all.contains(pair)));
    assert_eq!(planned(&bench).0, some, "a run knows its sample");
    // Nothing is said of any other case.
    assert_eq!(bench.plan().unwrap().chosen, [Portion::Cases]);

    // A case that runs with several partners has a directory for each.
    let plan = bench.plan().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let cases = plan.endpoints.iter().flat_map(|endpoint| &endpoint.cases);
    for case in cases {
        let Action::Run(script) = &case.action else {
            panic!("{}", case.case.id)
        };
        let own = script.directories.first().unwrap().clone();
        assert!(own.contains(".with-"), "{own}");
        let endpoints = plan.endpoints.iter();
        let owner = endpoints
            .filter(|e| e.cases.iter().any(|c| std::ptr::eq(c, case)))
            .map(|e| e.endpoint.name.clone());
        assert!(seen.insert((owner.collect::<Vec<_>>(), own)));
    }
}

#[test]
fn endpoints_in_downtime_are_left_alone() {
    let mut bench = Bench::new(endpoint("se-one"), issuer(true));
    for name in ["se-two", "se-three"] {
        let mut other = endpoint(name);
        other.url = format!("https://{name}.example.org:8443").parse().unwrap();
        other.tpc_partner = (name == "se-three").then(|| "se-one".into());
        bench.inventory.endpoints.push(Arc::new(other));
    }
    let host = bench.inventory.endpoints[0]
        .url
        .host_str()
        .unwrap()
        .to_owned();
    let downtime = |of, until: &str| Downtime {
        of,
        from: "2026-01-01T00:00:00Z".parse().unwrap(),
        until: until.parse().unwrap(),
        reason: "new disks".into(),
        source: "somebody".into(),
    };
    bench.selection.downtimes = vec![
        downtime(Affected::Hosts(vec![host]), "2999-01-01T00:00:00Z"),
        downtime(
            Affected::Endpoints(vec!["se-*".into()]),
            "2026-01-02T00:00:00Z",
        ),
    ];
    let plan = bench.plan().unwrap();
    let reason = "in downtime until 2999-01-01T00:00Z: new disks (somebody)";
    let [one, two, three] = plan.endpoints.as_slice() else {
        panic!("three endpoints")
    };
    assert_eq!(one.downtime.as_deref(), Some(reason));
    let skipped = |case: &CasePlan| matches!(&case.action, Action::Skip(why) if why == reason);
    assert!(one.cases.iter().all(skipped));
    assert_eq!(two.downtime, None, "its downtime is over");
    assert!(
        two.cases
            .iter()
            .any(|case| matches!(case.action, Action::Run(_)))
    );
    let partners: Vec<_> = plan
        .partners
        .iter()
        .map(|one| one.endpoint.name.as_str())
        .collect();
    assert_eq!(partners, ["se-two", "se-three"]);
    let with_partner = three.cases.iter().filter(|case| case.partner.is_some());
    let told = format!("its partner `se-one` is {reason}");
    let mut cases = 0;
    for case in with_partner {
        assert!(
            matches!(&case.action, Action::Skip(why) if *why == told),
            "{:?}",
            case.action
        );
        cases += 1;
    }
    assert!(cases > 0);

    bench.selection.pairs = Some(100);
    let plan = bench.plan().unwrap();
    assert_eq!(plan.pairs.unwrap().of, 2);
}
