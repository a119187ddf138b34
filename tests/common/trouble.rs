//! What every source of tokens has to survive: its answers, each seen through the real binary. Whatever
//! comes, the message names the issuer, what was asked, what came and what to do, and the storage element
//! is not blamed.

use serde_json::{Value, json};

use super::issuer::{Reply, ScriptedIssuer, unsigned};
use super::test_bed::{Ended, TestBed, expect_no_secret};
use super::waiting::HANGS;

/// The limit of an answer that never comes, in seconds; elsewhere it does not matter.
const LIMIT: u64 = 1;

/// What comes instead of a good token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// A no.
    Refused,
    /// An answer after the limit.
    Slow,
    /// Nobody is there.
    Down,
    /// A page for people, with a good status.
    Html,
    /// A token whose time is over.
    Expired,
    /// A token for other scopes than asked.
    OtherScope,
    /// A token for somebody else.
    OtherAudience,
    /// A token of another issuer.
    OtherIssuer,
}

impl Came {
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::Slow,
        Self::Down,
        Self::Html,
        Self::Expired,
        Self::OtherScope,
        Self::OtherAudience,
        Self::OtherIssuer,
    ];

    /// The token: good unless the trouble is in it.
    pub fn token(self, issuer: &str, scope: &str, audience: &str) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "wlcg.ver": "1.0",
            "iss": issuer,
            "sub": "somebody",
            "aud": audience,
            "scope": scope,
            "jti": uuid::Uuid::new_v4().to_string(),
            "iat": now,
            "nbf": now,
            "exp": now + 1200,
        });
        match self {
            Self::Expired => claims["exp"] = json!(now - 60),
            Self::OtherScope => claims["scope"] = json!("storage.read:/elsewhere"),
            Self::OtherAudience => claims["aud"] = json!("https://elsewhere.example"),
            Self::OtherIssuer => claims["iss"] = json!("https://elsewhere.example/"),
            Self::Refused | Self::Slow | Self::Down | Self::Html => {}
        }
        unsigned(&claims)
    }

    /// The answer of a server whose good answer is `good` with the token in it, and whose no is `no`.
    pub fn reply(self, good: &Value, no: Reply) -> Reply {
        match self {
            Self::Refused => no,
            Self::Slow => Reply::json(200, good).after(2 * HANGS),
            Self::Html => Reply::html(200, "<html><title>Log in</title></html>"),
            _ => Reply::json(200, good),
        }
    }
}

/// An issuer's entry in the endpoints file, as far as it differs, and what the binary needs for it.
#[derive(Default)]
pub struct Account {
    /// Lines with the key of the source, each indented by four.
    pub yaml: String,
    /// Variables of the environment.
    pub environment: Vec<(String, String)>,
    /// Kept until the binary has ended.
    pub keep: Vec<Box<dyn std::any::Any>>,
}

/// A kind of source as a row of the table.
pub struct Row<'a> {
    /// Its name as the endpoints file has it.
    pub name: &'a str,
    /// Sets it up so that this comes of it. The issuer's URL is that of the server.
    pub arrange: &'a dyn Fn(&TestBed, &ScriptedIssuer, Came) -> Account,
    /// What the message says of what came, each a part of it; an empty list where it cannot come.
    pub says: &'a dyn Fn(Came) -> &'static [&'static str],
}

/// What an OAuth token endpoint and others that answer like it are reported with.
pub fn usual(came: Came) -> &'static [&'static str] {
    match came {
        Came::Refused => &["invalid_scope", "not for you", "leave such cases out"],
        Came::Slow => &["no answer within 1s", "reachable from here"],
        Came::Down => &["no connection", "reachable from here"],
        Came::Html => &["text/html", "see what answers"],
        Came::Expired => &["the token has expired", "clocks"],
        Came::OtherScope => &["the token lacks storage.", "leave such cases out"],
        Came::OtherAudience => &["https://elsewhere.example", "ask whoever runs the issuer"],
        Came::OtherIssuer => &["https://elsewhere.example/", "character by character"],
    }
}

/// Runs the binary against a good storage element with tokens of each row, for everything that may come.
pub fn expect_sense(bed: &TestBed, rows: &[Row<'_>]) {
    let storage = bed.storage(&[]);
    for row in rows {
        for came in Came::ALL {
            let says = (row.says)(came);
            if says.is_empty() {
                continue;
            }
            let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
            let account = (row.arrange)(bed, &server, came);
            if came == Came::Down {
                server.stop();
            }
            let ended = run(bed, &server, &account, storage.url(), came);
            let what = format!("{} {came:?}", row.name);
            assert_eq!(ended.code, Some(3), "{what}: {ended:?}");
            judge(bed, row, came, &what);
            expect_no_secret(bed, &bed.texts(ended));
        }
    }
}

fn run(
    bed: &TestBed,
    server: &ScriptedIssuer,
    account: &Account,
    storage: &str,
    came: Came,
) -> Ended {
    let limit = match came {
        Came::Slow => LIMIT,
        _ => HANGS.as_secs(),
    };
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  testing:\n    url: {}\n    ca: ca.pem\n    limits: {{answer: {limit}s, patience: 1s}}\n{}endpoints:\n  se:\n    endpoint: {storage}\n    paths: {{wlcg: /wlcg}}\n    issuer: testing\n    ca: ca.pem\n",
            server.url(),
            account.yaml,
        ),
    );
    let mut command = bed.touchstone(&["run", "--case", "capability.read.get"]);
    command.envs(account.environment.iter().cloned());
    Ended::of(&mut command)
}

fn judge(bed: &TestBed, row: &Row<'_>, came: Came, what: &str) {
    let record = bed.record();
    let results = record["results"].as_array().expect("results");
    assert!(!results.is_empty(), "{what}");
    for result in results {
        let verdict = result["verdict"].as_str().expect("a verdict");
        assert!(matches!(verdict, "skip" | "error"), "{what}: {result}");
        let reason = result["reason"].as_str().expect("a reason");
        let parts = [format!("`testing` ({})", row.name), "storage.read:/".into()];
        let parts = parts.iter().map(String::as_str);
        for part in parts.chain((row.says)(came).iter().copied()) {
            assert!(
                reason.contains(part),
                "{what}: {part:?} is not in: {reason}"
            );
        }
    }
}
