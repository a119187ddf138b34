//! The suite for issuers against the embedded issuer, its faults, and issuers that are no good at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::run::{self, Cancel, Resources};
use crate::token::Broker;
use crate::waiting::HANGS;
use touchstone_model::redact::Redactor;
use touchstone_model::{
    Account, CaseResult, ClientAuthentication, Inventory, Issuer, IssuerLimits, IssuerSubject,
    OAuthClient, RunId, RunRecord, SecretRef, TestKey, TokenSource, Trust, Verdict,
};
use touchstone_reference::{Authority, Fault, IssuerOptions};
use touchstone_report::record::Recorder;
use touchstone_suite::config::EMBEDDED;
use touchstone_suite::plan::{self, Material, Selection};

const CONSENT: &str = "openid offline_access wlcg wlcg:1.0 wlcg.groups wlcg.groups:/wlcg/test wlcg.groups:/wlcg/alpha storage.read:/ storage.create:/ storage.modify:/ compute.read";

/// The embedded issuer as an inventory has it, and the folder with the user's refresh token.
struct Lab {
    issuer: touchstone_reference::ReferenceIssuer,
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
        profile: None,
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
    let issuer = touchstone_reference::ReferenceIssuer::start(&authority, options)
        .await
        .unwrap();
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
        downtimes: Vec::new(),
        issuers: vec![Arc::new(Issuer {
            accounts,
            test_keys: vec![TestKey {
                pem: SecretRef::Held(issuer.test_key_pem().clone()),
                kid: Some(issuer.test_key_id().to_owned()),
            }],
            ca: vec![Trust::Pem(authority.ca_pem().to_owned())],
            limits: IssuerLimits {
                rate: 1000,
                answer: HANGS,
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
    let catalogue = &*EMBEDDED;
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
        deadline: HANGS,
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

/// Marks an answer that never comes.
const NEVER: &str = "x-never";

/// An issuer that answers everything with what `answer` makes, over TLS; and how it is asked.
async fn scripted(
    answer: fn(&str, &str) -> axum::response::Response,
) -> (Inventory, axum_server::Handle<std::net::SocketAddr>) {
    let authority = Authority::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let origin = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let base = origin.clone();
    let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let path = request.uri().path().to_owned();
        let made = answer(&base, &path);
        async move {
            if made.headers().contains_key(NEVER) {
                std::future::pending::<()>().await;
            }
            made
        }
    });
    let handle = axum_server::Handle::new();
    let made = authority.certificate().unwrap();
    let key = secrecy::ExposeSecret::expose_secret(&made.key_pem).as_bytes();
    let chain = made.certificate_pem.as_bytes();
    let tls = axum_server::tls_rustls::RustlsConfig::from_pem(chain.to_vec(), key.to_vec());
    let server = axum_server::from_tcp_rustls(listener, tls.await.unwrap()).unwrap();
    tokio::spawn(
        server
            .handle(handle.clone())
            .serve(router.into_make_service()),
    );
    let inventory = aimed(&format!("{origin}/"), authority.ca_pem());
    (inventory, handle)
}

fn aimed(url: &str, ca: &str) -> Inventory {
    let client = OAuthClient {
        id: SecretRef::Held("canary-id".into()),
        authentication: ClientAuthentication::Basic(SecretRef::Held("canary-secret".into())),
    };
    Inventory {
        downtimes: Vec::new(),
        issuers: vec![Arc::new(Issuer {
            accounts: vec![Account::only(TokenSource::ClientCredentials(client))],
            ca: vec![Trust::Pem(ca.to_owned())],
            limits: IssuerLimits {
                rate: 1000,
                answer: HANGS,
                patience: Duration::ZERO,
            },
            ..Issuer::bare("test", url)
        })],
        endpoints: Vec::new(),
    }
}

fn response(
    status: u16,
    kind: &str,
    body: impl Into<axum::body::Body>,
) -> axum::response::Response {
    let builder = axum::http::Response::builder().status(status);
    builder
        .header("content-type", kind)
        .body(body.into())
        .unwrap()
}

/// Metadata whose endpoints are all there.
fn metadata(origin: &str) -> axum::response::Response {
    let document = serde_json::json!({
        "issuer": format!("{origin}/"), "jwks_uri": format!("{origin}/jwk"),
        "token_endpoint": format!("{origin}/token"),
    });
    response(200, "application/json", document.to_string())
}

fn count(record: &RunRecord, verdict: Verdict) -> usize {
    let results = record.results.iter();
    results.filter(|result| result.verdict == verdict).count()
}

fn of<'r>(record: &'r RunRecord, case: &str) -> &'r CaseResult {
    let mut results = record.results.iter();
    results.find(|result| result.case.as_str() == case).unwrap()
}

#[tokio::test]
async fn an_issuer_that_is_down_is_found_out_once() {
    let inventory = aimed("https://127.0.0.1:9/", Authority::new().unwrap().ca_pem());
    let record = judged(&inventory, &all(), Redactor::default()).await;
    assert_eq!(
        count(&record, Verdict::Error) + count(&record, Verdict::Skip),
        record.results.len()
    );
    assert!(count(&record, Verdict::Error) > 50);
    let reason = of(&record, "issuer.token.signed")
        .reason
        .as_deref()
        .unwrap();
    assert!(reason.starts_with("unreachable: "), "{reason}");
    let undecided = record.results.iter();
    let undecided = undecided.filter(|result| result.verdict == Verdict::Error);
    let mut sent = Vec::new();
    for result in undecided {
        assert_eq!(result.reason.as_deref(), Some(reason), "{}", result.case);
        sent.extend(result.exchanges.list());
    }
    // Each shows the one exchange that was.
    sent.dedup();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(record.endpoints[0].unreachable.is_some());
}

#[tokio::test]
async fn pages_for_people_are_no_metadata() {
    let page = |_: &str, _: &str| response(200, "text/html", "<html>\u{1b}[31m log in</html>");
    let (inventory, handle) = scripted(page).await;
    let record = judged(&inventory, &all(), Redactor::default()).await;
    handle.shutdown();
    assert_eq!(
        of(&record, "issuer.metadata.published").verdict,
        Verdict::Fail
    );
    assert_eq!(
        of(&record, "issuer.metadata.issuer").verdict,
        Verdict::Error
    );
    assert_eq!(of(&record, "issuer.keys.set").verdict, Verdict::Error);
    assert_eq!(of(&record, "issuer.token.signed").verdict, Verdict::Error);
    assert_eq!(count(&record, Verdict::Fail), 1);
    let failures =
        touchstone_report::failures::write(&record, touchstone_report::style::Style::Plain);
    assert!(!failures.contains('\u{1b}'), "{failures}");
}

#[tokio::test]
async fn nothing_hangs_and_nothing_is_read_for_ever() {
    let odd = |origin: &str, path: &str| match path {
        "/.well-known/openid-configuration" => metadata(origin),
        "/jwk" => response(200, "application/json", vec![b' '; 5 << 20]),
        _ => {
            let mut never = response(200, "application/json", "{}");
            never.headers_mut().insert(NEVER, "1".parse().unwrap());
            never
        }
    };
    let (mut inventory, handle) = scripted(odd).await;
    let mut issuer = (*inventory.issuers[0]).clone();
    // Each of these waits so long for what never comes.
    issuer.limits.answer = Duration::from_secs(2);
    let cases = [
        "issuer.metadata.*",
        "issuer.keys.*",
        "issuer.token.s*",
        "issuer.exchange.narrower",
        "issuer.revocation.unknown",
        "issuer.endpoint.reply",
    ];
    let selection = Selection::new(&[], &cases.map(str::to_owned)).unwrap();
    inventory.issuers = vec![Arc::new(issuer)];
    let record = judged(&inventory, &selection, Redactor::default()).await;
    handle.shutdown();
    assert_eq!(of(&record, "issuer.keys.set").verdict, Verdict::Fail);
    let slow = of(&record, "issuer.token.signed");
    assert_eq!(slow.verdict, Verdict::Error);
    assert!(
        slow.reason
            .as_deref()
            .unwrap()
            .contains("no whole answer within")
    );
}

#[tokio::test]
async fn credentials_follow_no_redirect_and_appear_nowhere() {
    let astray = |origin: &str, path: &str| match path {
        "/.well-known/openid-configuration" => metadata(origin),
        "/jwk" => response(200, "application/json", r#"{"keys":[]}"#),
        "/token" => {
            let mut away = response(
                307,
                "text/plain",
                "canary-secret canary-token access_token=canary-token",
            );
            away.headers_mut()
                .insert("location", "https://localhost:9/stolen".parse().unwrap());
            away
        }
        _ => response(404, "text/plain", ""),
    };
    let (inventory, handle) = scripted(astray).await;
    let record = judged(&inventory, &all(), Redactor::default()).await;
    handle.shutdown();
    assert_eq!(of(&record, "issuer.token.signed").verdict, Verdict::Error);
    assert_eq!(of(&record, "issuer.keys.set").verdict, Verdict::Fail);
    let mut written = format!("{record:?}");
    let formats = touchstone_report::FORMATS.iter();
    for file in formats.flat_map(|format| format.files(&record)) {
        written += &file.content.unwrap();
    }
    written += &touchstone_report::failures::write(&record, touchstone_report::style::Style::Plain);
    for secret in ["canary-secret", "canary-token"] {
        assert!(!written.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn no_secret_of_the_user_is_shown_and_the_own_refresh_token_stays_good() {
    let lab = lab(Vec::new()).await;
    let file = lab.folder.path().join("refresh-token");
    let before = std::fs::read_to_string(&file).unwrap();
    let selection = Selection::new(
        &[],
        &["issuer.re*".to_owned(), "issuer.groups.*".to_owned()],
    );
    let record = judged(&lab.inventory, &selection.unwrap(), Redactor::default()).await;
    let after = std::fs::read_to_string(&file).unwrap();
    assert_ne!(before.trim(), after.trim(), "the issuer replaces it");
    let written = format!(
        "{record:?}{}",
        touchstone_report::json::write(&record).unwrap()
    );
    let secrets = [
        before.trim(),
        after.trim(),
        secrecy::ExposeSecret::expose_secret(lab.issuer.client_secret()),
    ];
    for secret in secrets {
        assert!(!written.contains(secret));
    }
    let parts = written.split("eyJ").count();
    assert_eq!(parts, 1, "no JWT is there");
    // It was never revoked: another run finds it good.
    let again = Selection::new(&[], &["issuer.token.identity".to_owned()]).unwrap();
    let record = judged(&lab.inventory, &again, Redactor::default()).await;
    assert_eq!(
        record.results[0].verdict,
        Verdict::Pass,
        "{}",
        told(&record.results[0])
    );
}

#[tokio::test]
async fn what_is_not_declared_is_skipped_with_what_to_write() {
    let lab = lab(Vec::new()).await;
    let mut issuer = (*lab.inventory.issuers[0]).clone();
    issuer.subject = IssuerSubject::default();
    issuer.accounts.truncate(1);
    let inventory = Inventory {
        downtimes: Vec::new(),
        issuers: vec![Arc::new(issuer)],
        endpoints: Vec::new(),
    };
    let record = judged(&inventory, &all(), Redactor::default()).await;
    for (case, part) in [
        ("issuer.groups.default", "`default-groups: [/vo]"),
        ("issuer.groups.vo", "`vo: NAME`"),
        ("issuer.capability.set", "`capability-sets:"),
        (
            "issuer.capability.narrow.root",
            "`scopes: [\"storage.read:/path\"]`",
        ),
        ("issuer.refresh.narrower", "`touchstone token login test`"),
        (
            "issuer.refresh.other-client",
            "`touchstone token login test`",
        ),
    ] {
        let result = of(&record, case);
        assert_eq!(result.verdict, Verdict::Skip, "{}", told(result));
        assert!(
            result.reason.as_deref().unwrap().contains(part),
            "{}",
            told(result)
        );
    }
    assert!(count(&record, Verdict::Pass) > 60);
    assert_eq!(
        count(&record, Verdict::Fail) + count(&record, Verdict::Error),
        0
    );
}
