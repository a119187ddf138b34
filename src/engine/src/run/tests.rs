mod deleting;

use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::waiting::HANGS;
use touchstone_model::{
    Endpoint, Groups, Inventory, Issuer, Limits, RunId, RunRecord, SecretRef, TestKey, Traits,
    Trust, Verdict,
};
use touchstone_reference::{Authority, IssuerOptions, Storage, StorageOptions};
use touchstone_report::record::Recorder;
use touchstone_suite::config::EMBEDDED;
use touchstone_suite::plan::{self, Material, Selection};

/// The case that panics in tests, in the middle of the others.
pub(super) const PANICS: &str = "capability.modify.put";

/// Runs the suite against the reference storage element with `limits`.
async fn judged(
    limits: Limits,
    cancel: Cancel,
    deadline: Duration,
) -> (RunRecord, Vec<String>, bool) {
    let folder = tempfile::tempdir().unwrap();
    let (record, left, ledger) = judged_with(limits, cancel, deadline, |run| {
        Some(Ledger::create(&folder.path().join("ledger.jsonl"), run).unwrap())
    })
    .await;
    (record, left, ledger.unwrap().close())
}

async fn judged_with(
    limits: Limits,
    cancel: Cancel,
    deadline: Duration,
    ledger: impl FnOnce(&RunId) -> Option<Ledger>,
) -> (RunRecord, Vec<String>, Option<Ledger>) {
    let authority = Authority::new().unwrap();
    let issuer = touchstone_reference::ReferenceIssuer::start(&authority, IssuerOptions::default())
        .await
        .unwrap();
    let options = StorageOptions {
        issuer: issuer.url().to_owned(),
        issuer_ca_pem: authority.ca_pem().to_owned(),
        ..StorageOptions::default()
    };
    let storage = Storage::start(&authority, options).await.unwrap();
    let ca = vec![Trust::Pem(authority.ca_pem().to_owned())];
    let inventory = Inventory {
        downtimes: Vec::new(),
        issuers: vec![Arc::new(Issuer {
            test_keys: vec![TestKey {
                pem: SecretRef::Held(issuer.test_key_pem().clone()),
                kid: None,
            }],
            ca: ca.clone(),
            ..Issuer::bare("test", issuer.url())
        })],
        endpoints: vec![Arc::new(Endpoint {
            name: "se".into(),
            description: None,
            software: None,
            url: storage.url().parse().unwrap(),
            area: "/wlcg".into(),
            issuer: Some("test".into()),
            ca,
            profile: None,
            audience: None,
            traits: Traits {
                groups: Some(Groups::default()),
                macaroons: true,
                ..Traits::default()
            },
            known_failures: Vec::new(),
            second: None,
            limits,
            tpc_partner: None,
            fresh_tokens: false,
            redirect_hosts: Vec::new(),
            address: None,
        })],
    };
    let catalogue = &*EMBEDDED;
    let started = Timestamp::now();
    let run_id = RunId::new(started, 7);
    let material = Material {
        suites: &catalogue.suites,
        clauses: &catalogue.clauses.clone().into(),
    };
    let plan = plan::plan(&inventory, &material, &some(), &run_id, started).unwrap();
    let redactor = Redactor::default();
    let resources = Resources {
        broker: Broker::new(&inventory, &["test"], &redactor).unwrap(),
        redactor,
        ledger: ledger(&run_id),
        listener: None,
        side: None,
        cancel,
        deadline,
    };
    let (sender, mut events) = mpsc::unbounded_channel();
    let running = tokio::spawn(run(Arc::new(plan), resources, sender));
    let mut recorder = Recorder::default();
    while let Some(event) = events.recv().await {
        recorder.take(event);
    }
    let ledger = running.await.unwrap();
    (recorder.finish().unwrap(), storage.paths(), ledger)
}

/// Enough to see the runner at work.
fn some() -> Selection {
    let cases = [
        "audience.*",
        "capability.read.*",
        "capability.modify.*",
        "group.member.*",
    ];
    let cases: Vec<String> = cases
        .into_iter()
        .chain([PANICS])
        .map(str::to_owned)
        .collect();
    Selection::new(&[], &cases).unwrap()
}

/// Whatever a case writes to lies where the guard of its run lets it.
#[test]
fn the_guard_permits_every_path_of_a_plan() {
    let authority = Authority::new().unwrap();
    let endpoint = crate::http::tests::endpoint(&authority, 8443, Limits::default());
    let traits = Traits {
        groups: Some(Groups::default()),
        macaroons: true,
        ..Traits::default()
    };
    let endpoint = Arc::new(Endpoint {
        area: "/wlcg".into(),
        issuer: Some("test".into()),
        traits,
        ..endpoint
    });
    let issuer = Issuer {
        test_keys: vec![TestKey {
            pem: SecretRef::Held("x".to_owned().into()),
            kid: None,
        }],
        ..Issuer::bare("test", "https://iam.example.org/")
    };
    let inventory = Inventory {
        downtimes: Vec::new(),
        issuers: vec![Arc::new(issuer)],
        endpoints: vec![Arc::clone(&endpoint)],
    };
    let material = Material {
        suites: &EMBEDDED.suites,
        clauses: &EMBEDDED.clauses.clone().into(),
    };
    let started = Timestamp::now();
    let run = RunId::new(started, 7);
    let all = Selection::new(&[], &[]).unwrap();
    let plan = plan::plan(&inventory, &material, &all, &run, started).unwrap();
    let guard = crate::http::Guard::of_run(&endpoint, &run, std::iter::empty());
    let mut paths = 0;
    for case in &plan.endpoints[0].cases {
        let touchstone_model::Action::Run(script) = &case.action else {
            continue;
        };
        let given = script.given.iter().map(|object| &object.path);
        let steps = script.steps.iter();
        let steps = steps.flat_map(|s| std::iter::once(&s.path).chain(&s.destination));
        for path in given.chain(steps) {
            assert_eq!(
                guard.permits(&endpoint.url_of(path)),
                Ok(()),
                "{}",
                case.case.id
            );
            paths += 1;
        }
    }
    assert!(paths > 1000, "{paths} paths");
}

const EMPTY: [&str; 2] = ["/wlcg/", "/wlcg/protected/"];

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_the_error_of_its_case_and_is_torn_down() {
    let (_canceller, cancel) = Cancel::new();
    let (record, left, tidy) = judged(Limits::patient(), cancel, HANGS).await;
    for result in &record.results {
        let expected = if result.case.as_str() == PANICS {
            Verdict::Error
        } else {
            Verdict::Pass
        };
        assert_eq!(
            result.verdict, expected,
            "{}: {:?}",
            result.case, result.reason
        );
        let told = result.reason.as_deref().unwrap_or_default();
        assert_eq!(
            told.contains("touchstone itself failed in this case"),
            expected == Verdict::Error,
            "{told}"
        );
    }
    assert_eq!(left, EMPTY);
    assert!(tidy, "the ledger is empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_after_the_deadline_and_everything_is_torn_down() {
    let (_canceller, cancel) = Cancel::new();
    let (record, left, tidy) = judged(Limits::patient(), cancel, Duration::ZERO).await;
    assert!(
        record
            .results
            .iter()
            .all(|result| result.verdict == Verdict::Error)
    );
    assert_eq!(left, EMPTY);
    assert!(tidy);
    let (_canceller, cancel) = Cancel::new();
    let limits = Limits {
        case: Duration::from_nanos(1),
        ..Limits::patient()
    };
    let (record, left, _) = judged(limits, cancel, HANGS).await;
    for result in record
        .results
        .iter()
        .filter(|result| result.case.as_str() != PANICS)
    {
        let reason = result.reason.as_deref().unwrap_or_default();
        assert!(
            reason.contains("the time for this case is over"),
            "{}: {reason}",
            result.case
        );
    }
    assert_eq!(left, EMPTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_judges_nothing_more_and_is_torn_down() {
    let (canceller, cancel) = Cancel::new();
    canceller.cancel();
    let (record, left, tidy) = judged(Limits::patient(), cancel, HANGS).await;
    assert!(record.run.interrupted);
    assert!(
        record
            .results
            .iter()
            .all(|result| result.verdict == Verdict::Error)
    );
    assert_eq!(left, EMPTY);
    assert!(tidy);
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_is_thrown_away_is_not_cleaned_up() {
    let (_canceller, cancel) = Cancel::new();
    let (record, left, ledger) = judged_with(Limits::patient(), cancel, HANGS, |_| None).await;
    let passed = |verdict| verdict == Verdict::Pass;
    let count = record.results.iter().filter(|r| passed(r.verdict)).count();
    assert_eq!(
        count,
        record.results.len() - 1,
        "all but the one that panics"
    );
    assert!(left.len() > record.results.len() && ledger.is_none());
}
