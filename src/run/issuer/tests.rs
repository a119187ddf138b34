//! The suite for issuers against the embedded issuer, its faults, and issuers that are no good at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::config::load_catalogue;
use crate::model::{
    Account, CaseResult, ClientAuthentication, Inventory, Issuer, IssuerLimits, IssuerSubject,
    OAuthClient, Profile, RunId, RunRecord, SecretRef, TestKey, TokenSource, Trust, Verdict,
};
use crate::plan::{self, Material, Selection};
use crate::redact::Redactor;
use crate::reference::{self, Authority, Fault, IssuerOptions};
use crate::report::record::Recorder;
use crate::run::{self, Cancel, Resources};
use crate::token::Broker;

const CONSENT: &str = "openid offline_access wlcg wlcg:1.0 wlcg.groups wlcg.groups:/wlcg/test wlcg.groups:/wlcg/alpha storage.read:/ storage.create:/ storage.modify:/ compute.read";

/// The embedded issuer as an inventory has it, and the folder with the user's refresh token.
struct Lab {
    issuer: reference::Issuer,
    inventory: Inventory,
    folder: tempfile::TempDir,
}

fn options() -> IssuerOptions {
    let set = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
    IssuerOptions {
        path: "/vo".into(),
        optional_groups: vec!["/wlcg/test".into(), "/wlcg/alpha".into()],
        capability_sets: BTreeMap::from([
            (
                "/wlcg/test".into(),
                set(&["storage.read:/", "compute.read"]),
            ),
            ("/wlcg/alpha".into(), set(&["storage.create:/alpha"])),
            ("/wlcg/secret".into(), set(&["storage.modify:/"])),
        ]),
        ..IssuerOptions::default()
    }
}

fn subject() -> IssuerSubject {
    let set = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
    IssuerSubject {
        always: true,
        vo: Some("wlcg".into()),
        default_groups: vec!["/wlcg".into()],
        optional_groups: vec!["/wlcg/test".into(), "/wlcg/alpha".into()],
        foreign_group: Some("/wlcg/secret".into()),
        capability_sets: vec![
            (
                "/wlcg/test".into(),
                set(&["storage.read:/", "compute.read"]),
            ),
            ("/wlcg/alpha".into(), set(&["storage.create:/alpha"])),
        ],
    }
}

async fn lab(faults: Vec<&'static Fault>) -> Lab {
    let authority = Authority::new().unwrap();
    let options = IssuerOptions {
        faults,
        ..options()
    };
    let issuer = reference::Issuer::start(&authority, options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("refresh-token");
    let token = issuer.refresh_token(CONSENT).unwrap();
    std::fs::write(&file, secrecy::ExposeSecret::expose_secret(&token)).unwrap();
    let client = |id: &str, secret: &secrecy::SecretString| OAuthClient {
        id: SecretRef::Held(id.into()),
        authentication: ClientAuthentication::Basic(SecretRef::Held(secret.clone())),
    };
    let account = |name: &str, source| Account {
        name: name.into(),
        source,
        scopes: None,
        groups: None,
    };
    let first = client(issuer.client_id(), issuer.client_secret());
    let narrow = client(issuer.narrow_client_id(), issuer.narrow_client_secret());
    let accounts = vec![
        account("client", TokenSource::ClientCredentials(first.clone())),
        Account {
            scopes: Some(vec!["storage.read:/a".into()]),
            ..account("narrow", TokenSource::ClientCredentials(narrow))
        },
        account(
            "user",
            TokenSource::RefreshToken {
                client: first,
                file,
            },
        ),
    ];
    let inventory = Inventory {
        issuers: vec![Arc::new(Issuer {
            accounts,
            test_keys: vec![TestKey {
                pem: SecretRef::Held(issuer.test_key_pem().clone()),
                kid: Some(issuer.test_key_id().to_owned()),
            }],
            ca: vec![Trust::Pem(authority.ca_pem().to_owned())],
            limits: IssuerLimits {
                rate: 1000,
                ..IssuerLimits::default()
            },
            subject: subject(),
            ..Issuer::bare("test", issuer.url())
        })],
        endpoints: Vec::new(),
    };
    Lab {
        issuer,
        inventory,
        folder,
    }
}

fn all() -> Selection {
    let mut all = Selection::new(&[], &["issuer.*".to_owned()]).unwrap();
    all.slow = true;
    all.intrusive = true;
    all
}

async fn judged(inventory: &Inventory, selection: &Selection, redactor: Redactor) -> RunRecord {
    let catalogue = load_catalogue(&[]).unwrap_or_else(|problems| panic!("{problems}"));
    let started = Timestamp::now();
    let run_id = RunId::new(started, 7);
    let material = Material {
        suites: &catalogue.suites,
        clauses: &catalogue.clauses.clone().into(),
    };
    let plan = plan::plan(inventory, &material, selection, &run_id, started).unwrap();
    let (_keep, cancel) = Cancel::new();
    let resources = Resources {
        broker: Broker::new(inventory, &[], &redactor).unwrap(),
        redactor,
        ledger: None,
        listener: None,
        side: None,
        cancel,
        deadline: Duration::from_secs(300),
    };
    let (sender, mut events) = mpsc::unbounded_channel();
    let running = tokio::spawn(run::run(Arc::new(plan), resources, sender));
    let mut recorder = Recorder::default();
    while let Some(event) = events.recv().await {
        recorder.take(event);
    }
    running.await.unwrap();
    recorder.finish().unwrap()
}

fn told(result: &CaseResult) -> String {
    let findings = result.findings.iter();
    let findings: Vec<_> = findings
        .map(|finding| format!("expected {}, but {}", finding.expected, finding.actual))
        .collect();
    format!(
        "{} {}: {} {}",
        result.case,
        result.verdict,
        result.reason.as_deref().unwrap_or_default(),
        findings.join("; ")
    )
}

#[tokio::test]
async fn the_embedded_issuer_does_everything_right() {
    let lab = lab(Vec::new()).await;
    let redactor = Redactor::default();
    let record = judged(&lab.inventory, &all(), redactor).await;
    let odd: Vec<String> = record
        .results
        .iter()
        .filter(|result| result.verdict != Verdict::Pass)
        .map(told)
        .collect();
    assert!(odd.is_empty(), "{}", odd.join("\n"));
    assert!(record.results.len() >= 90);
    let row = &record.endpoints[0];
    assert_eq!(
        (row.name.as_str(), row.url.as_str()),
        ("issuer:test", lab.issuer.url())
    );
    assert!(!row.kind.is_storage());
}

/// Prints, for each fault of the issuer, the cases that catch it; `cargo test … -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a table for people"]
async fn faults_and_what_catches_them() {
    let mut text = String::new();
    for fault in reference::faults() {
        if !fault.name.starts_with("issuer-") {
            continue;
        }
        let lab = lab(vec![fault]).await;
        let mut selection = all();
        selection.strict = true;
        let record = judged(&lab.inventory, &selection, Redactor::default()).await;
        let results = record.results.iter();
        let of = |verdict| {
            let results = results
                .clone()
                .filter(move |result| result.verdict == verdict);
            results
                .map(|result| result.case.to_string())
                .collect::<Vec<_>>()
        };
        let failed = of(Verdict::Fail);
        text += &format!(
            "{}\t{}\t{}\t{}\t{}\n",
            fault.name,
            fault.clauses.join(","),
            failed.join(","),
            of(Verdict::Error).join(","),
            of(Verdict::Skip).join(","),
        );
    }
    std::fs::write("/tmp/issgen/faults.tsv", text).unwrap();
}
