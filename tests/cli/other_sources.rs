//! Tokens from elsewhere than an issuer's token endpoint: oidc-agent, discovery, mytoken, Vault, a program, a
//! file. mytoken and Vault are played by servers that follow their sources; the real oidc-agent is in
//! `agent.rs`.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::agent::{FakeAgent, Says};
use crate::common::issuer::{Reply, ScriptedIssuer};
use crate::common::mytoken::{ACCESS, Mytoken};
use crate::common::signed::signer;
use crate::common::site::site;
use crate::common::test_bed::{Ended, SECRET, TestBed, expect_no_secret, verdicts};
use crate::common::trouble::{Account, Came, Row, expect_sense, usual};
use crate::common::vault::Credential;
use secrecy::ExposeSecret;
use serde_json::json;

/// Longer than the limit in the table of troubles.
const SLOW: Duration = Duration::from_secs(4);
const PAGE: &str = "<html>\n<title>Log in</title>\n</html>\n";

// What each source says of each trouble.

fn says(came: Came, row: &[(Came, &'static [&'static str])]) -> &'static [&'static str] {
    let own = row.iter().find(|(one, _)| *one == came);
    own.map_or_else(|| usual(came), |(_, parts)| *parts)
}

fn oidc_agent(bed: &TestBed, server: &ScriptedIssuer, came: Came) -> Account {
    let socket = bed.path("agent.sock");
    let url = server.url();
    let agent = FakeAgent::start(&bed.runtime, &socket, move |asked| {
        let said = |name: &str| asked[name].as_str().unwrap_or_default();
        let token = came.token(&url, said("scope"), said("audience"));
        match came {
            Came::Refused => Says::failure("invalid_scope: not for you", "ask the admins"),
            Came::Slow => Says::Text("{}".into(), SLOW),
            Came::Html => Says::Text(PAGE.into(), Duration::ZERO),
            _ => Says::token(&token, &url),
        }
    });
    let keep: Box<dyn std::any::Any> = match came {
        Came::Down => {
            drop(agent);
            Box::new(())
        }
        _ => Box::new(agent),
    };
    Account {
        yaml: "    oidc-agent: {account: wlcg}\n".into(),
        environment: vec![("OIDC_SOCK".into(), socket.display().to_string())],
        keep: vec![keep],
    }
}

#[test]
fn troubles_of_oidc_agent_are_told() {
    let row = Row {
        name: "oidc-agent",
        arrange: &oidc_agent,
        says: &|came| {
            says(
                came,
                &[
                    (
                        Came::Refused,
                        &[
                            "invalid_scope: not for you",
                            "ask the admins",
                            "leave such cases out",
                        ],
                    ),
                    (
                        Came::Slow,
                        &["gave no answer within 1s", "it may ask for a password"],
                    ),
                    (
                        Came::Down,
                        &["no agent listens at", "OIDC_SOCK", "oidc-add wlcg"],
                    ),
                    (
                        Came::Html,
                        &["no answer of an agent", "oidc-agent --status"],
                    ),
                ],
            )
        },
    };
    expect_sense(&TestBed::new(), &[row]);
}

/// Tokens that somebody else obtained hold what they hold.
const EVERYTHING: &str = "storage.read:/ storage.modify:/ storage.create:/";

fn lying(bed: &TestBed, server: &ScriptedIssuer, came: Came) -> String {
    let text = match came {
        Came::Html => PAGE.to_owned(),
        _ => came.token(&server.url(), EVERYTHING, "https://wlcg.cern.ch/jwt/v1/any"),
    };
    bed.write("token", &text);
    let path = bed.path("token");
    if came == Came::Down {
        std::fs::remove_file(&path).expect("the file goes");
    }
    path.display().to_string()
}

fn discovery(bed: &TestBed, server: &ScriptedIssuer, came: Came) -> Account {
    let path = lying(bed, server, came);
    Account {
        yaml: "    bearer-token-discovery: true\n".into(),
        environment: vec![
            ("BEARER_TOKEN".into(), String::new()),
            ("BEARER_TOKEN_FILE".into(), path),
        ],
        ..Account::default()
    }
}

fn file(bed: &TestBed, server: &ScriptedIssuer, came: Came) -> Account {
    lying(bed, server, came);
    Account {
        yaml: "    token-file: token\n".into(),
        ..Account::default()
    }
}

#[test]
fn troubles_of_tokens_that_lie_around_are_told() {
    let scope: &[&str] = &["the token", "use one that can be asked for scopes"];
    let discovered = Row {
        name: "bearer-token-discovery",
        arrange: &discovery,
        says: &|came| {
            says(
                came,
                &[
                    (Came::Refused, &[]),
                    (Came::Slow, &[]),
                    (
                        Came::Down,
                        &[
                            "BEARER_TOKEN_FILE names",
                            "cannot be read",
                            "put a token there",
                        ],
                    ),
                    (Came::Html, &["holds no bearer token", "put a token there"]),
                    (Came::OtherScope, scope),
                    (Came::OtherAudience, &["https://elsewhere.example"]),
                ],
            )
        },
    };
    let filed = Row {
        name: "token-file",
        arrange: &file,
        says: &|came| {
            says(
                came,
                &[
                    (Came::Refused, &[]),
                    (Came::Slow, &[]),
                    // Told before anything is sent.
                    (Came::Down, &[]),
                    (Came::Html, &[]),
                    (Came::OtherScope, scope),
                    (Came::OtherAudience, &["https://elsewhere.example"]),
                ],
            )
        },
    };
    expect_sense(&TestBed::new(), &[discovered, filed]);
}

fn mytoken(bed: &TestBed, server: &ScriptedIssuer, came: Came) -> Account {
    let url = server.url();
    let issuer = url.clone();
    let give = Box::new(move |scope: &str, audience: &str| came.token(&issuer, scope, audience));
    let mut mytoken = Mytoken::new(&url, give);
    if came == Came::Refused {
        mytoken.restricted = Some(vec!["openid".into()]);
    }
    bed.write("my", &mytoken.current);
    let play = Mytoken::played(Arc::new(Mutex::new(mytoken)), server.origin());
    server.script(
        move |asked| match (play(asked)?, came, asked.path == ACCESS) {
            (reply, Came::Slow, true) => Some(reply.after(SLOW)),
            (_, Came::Html, true) => Some(Reply::html(200, PAGE)),
            (reply, _, _) => Some(reply),
        },
    );
    Account {
        yaml: format!(
            "    mytoken: {{server: '{}', mytoken-file: my}}\n",
            server.origin()
        ),
        ..Account::default()
    }
}

#[test]
fn troubles_of_mytoken_are_told() {
    let row = Row {
        name: "mytoken",
        arrange: &mytoken,
        says: &|came| {
            says(
                came,
                &[
                    (
                        Came::Refused,
                        &[
                            "usage_restricted",
                            "restrictions of this token",
                            "leave such cases out",
                        ],
                    ),
                    (
                        Came::Slow,
                        &["is silent: no answer within 1s", "reachable from here"],
                    ),
                    (Came::Down, &["is silent", "reachable from here"]),
                ],
            )
        },
    };
    expect_sense(&TestBed::new(), &[row]);
}

fn vault(bed: &TestBed, server: &ScriptedIssuer, came: Came) -> Account {
    let url = server.url();
    bed.write("vt", "hvs.a-vault-token-of-this-test\n");
    let credential = Credential {
        issuer: "wlcg".into(),
        credkey: "somebody".into(),
        role: "default".into(),
        token: "hvs.a-vault-token-of-this-test".into(),
        give: Box::new(move |scope, audience| came.token(&url, scope, audience)),
        refused: (came == Came::Refused)
            .then_some("exchange failed: oauth2: \"invalid_scope\" \"not for you\""),
    };
    server.script(move |asked| match (credential.played(asked)?, came) {
        (reply, Came::Slow) => Some(reply.after(SLOW)),
        (_, Came::Html) => Some(Reply::html(200, PAGE)),
        (reply, _) => Some(reply),
    });
    Account {
        yaml: format!(
            "    vault: {{server: '{}', issuer: wlcg, credkey: somebody, token-file: vt}}\n",
            server.origin()
        ),
        ..Account::default()
    }
}

#[test]
fn troubles_of_vault_are_told() {
    let row = Row {
        name: "vault",
        arrange: &vault,
        says: &|came| {
            says(
                came,
                &[
                    (
                        Came::Refused,
                        &["exchange failed", "invalid_scope", "leave such cases out"],
                    ),
                    (
                        Came::Slow,
                        &["is silent: no answer within 1s", "reachable from here"],
                    ),
                    (Came::Down, &["is silent", "reachable from here"]),
                ],
            )
        },
    };
    expect_sense(&TestBed::new(), &[row]);
}

/// A program as somebody may have it.
fn command(bed: &TestBed, server: &ScriptedIssuer, came: Came) -> Account {
    let token = came.token(&server.url(), "SCOPE", "AUDIENCE");
    let claims: Vec<_> = token.split('.').collect();
    let script = match came {
        Came::Refused => "echo 'one moment' >&2\necho 'not for you' >&2\nexit 3\n".to_owned(),
        Came::Slow => "exec sleep 30\n".to_owned(),
        Came::Html => format!("cat <<'END'\n{PAGE}END\n"),
        _ => format!(
            "claims=$(echo '{}' | tr '_-' '/+' | base64 -di | sed \"s|SCOPE|$1|; s|AUDIENCE|$2|\" | base64 -w0 | tr '/+' '_-' | tr -d =)\necho \"{}.$claims.{}\"\n",
            claims[1], claims[0], claims[2]
        ),
    };
    bed.write("get", &script);
    let program = match came {
        Came::Down => "no-such-program-anywhere",
        _ => "sh",
    };
    Account {
        yaml: format!("    command: [{program}, get, '{{scopes}}', '{{audience}}']\n"),
        ..Account::default()
    }
}

#[test]
fn troubles_of_a_command_are_told() {
    let row = Row {
        name: "command",
        arrange: &command,
        says: &|came| {
            says(
                came,
                &[
                    (
                        Came::Refused,
                        &[
                            "exit code 3",
                            "\"one moment / not for you\"",
                            "see what it does: `sh get 'storage.",
                        ],
                    ),
                    (
                        Came::Slow,
                        &[
                            "did not end within 1s, and was killed",
                            "see whether it waits",
                        ],
                    ),
                    (
                        Came::Down,
                        &[
                            "there is no program `no-such-program-anywhere`",
                            "install it",
                        ],
                    ),
                    (
                        Came::Html,
                        &["is no token: this is an HTML page", "the token alone"],
                    ),
                ],
            )
        },
    };
    expect_sense(&TestBed::new(), &[row]);
}

// A good token of each opens a storage element, and no secret is anywhere, however loud the log.

/// What a run has left behind.
struct Left {
    record: String,
    stderr: String,
}

/// Cases with tokens of several scopes.
const NARROW: [&str; 3] = [
    "capability.read.get",
    "capability.create.put",
    "path.sibling-prefix.read",
];
/// Cases for which any token that opens everything will do.
const WIDE: [&str; 3] = [
    "bearer.none.put",
    "bearer.challenge.read",
    "authentication.signature.flipped",
];

/// Runs cases there, which pass. `secrets` are in no output.
fn opens(bed: &TestBed, cases: &[&str], environment: &[(&str, String)], secrets: &[&str]) -> Left {
    let mut command = bed.touchstone(&[&["run", "--case"], cases].concat());
    command.env("RUST_LOG", "trace");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let ended = Ended::of(&mut command).expect(0);
    let (record, stderr) = (bed.record(), ended.stderr.clone());
    let verdicts = verdicts(&record);
    assert!(verdicts.len() >= 3, "{verdicts:?}");
    for (case, verdict) in &verdicts {
        assert_eq!(verdict, "pass", "{case:?}");
    }
    assert!(stderr.contains("TRACE"), "the log is loud");
    let texts = bed.texts(ended);
    for (name, text) in &texts {
        for secret in secrets {
            assert!(!text.contains(secret), "a secret is in {name}");
        }
    }
    expect_no_secret(bed, &texts);
    Left {
        record: record.to_string(),
        stderr,
    }
}

#[test]
fn oidc_agent_gives_what_is_asked() {
    let bed = TestBed::new();
    let (socket, give) = (bed.path("agent.sock"), signer(&bed.issuer));
    // The agent ends the issuer's URL with a slash of its own.
    let url = format!("{}/", bed.issuer.url().trim_end_matches('/'));
    let agent = FakeAgent::start(&bed.runtime, &socket, move |asked| {
        let said = |name: &str| asked[name].as_str().unwrap_or_default();
        Says::token(&give(said("scope"), said("audience")), &url)
    });
    let source = format!(
        "oidc-agent: {{account: wlcg, socket: {}}}",
        socket.display()
    );
    let _storage = site(&bed, &source);
    let left = opens(&bed, &NARROW, &[("OIDC_SOCK", "/nowhere".into())], &[]);
    assert!(
        left.record.contains("TOKEN=$(oidc-token wlcg -s "),
        "{}",
        left.record
    );
    let asked = agent.asked();
    assert!(!asked.is_empty());
    for asked in asked {
        assert_eq!(asked["request"], "access_token");
        assert_eq!(asked["account"], "wlcg");
        assert_eq!(asked["application_hint"], "touchstone");
        assert!(asked["min_valid_period"].is_u64());
        assert!(asked.get("issuer").is_none(), "one of the two: {asked}");
        assert!(
            asked["audience"]
                .as_str()
                .is_some_and(|text| text.starts_with("https://"))
        );
    }
}

#[test]
fn mytoken_gives_what_is_asked_and_the_next_one_is_kept() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    let mut mytoken = Mytoken::new(bed.issuer.url(), signer(&bed.issuer));
    mytoken.rotates = true;
    let first = mytoken.current.clone();
    bed.write("my", &format!("{first}\n"));
    let mytoken = Arc::new(Mutex::new(mytoken));
    server.script(Mytoken::played(Arc::clone(&mytoken), server.origin()));
    let source = format!(
        "mytoken: {{server: '{}/', mytoken-file: my}}",
        server.origin()
    );
    let _storage = site(&bed, &source);
    let left = opens(&bed, &NARROW, &[], &[&first]);
    assert!(
        left.record.contains("mytoken AT --MT-file="),
        "{}",
        left.record
    );

    let mytoken = mytoken.lock().expect("a mytoken");
    assert!(mytoken.spent.len() > 2, "one for each token");
    let kept = std::fs::read_to_string(bed.path("my")).expect("the file");
    assert_eq!(kept.trim(), mytoken.current);
    let asked: Vec<_> = server.asked();
    assert_eq!(asked.iter().filter(|asked| asked.path != ACCESS).count(), 1);
    let exchanges = asked.iter().filter(|asked| asked.path == ACCESS);
    for asked in exchanges {
        let asked = asked.json();
        assert_eq!(asked["oidc_issuer"], bed.issuer.url());
        assert_eq!(asked["comment"], "touchstone");
    }
    // What was rotated in between is as secret as the first.
    for spent in mytoken.spent.iter().chain([&mytoken.current]) {
        assert!(!left.record.contains(spent.as_str()) && !left.stderr.contains(spent.as_str()));
    }
}

#[test]
fn a_mytoken_in_the_environment_cannot_be_kept_and_that_is_told() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    let mut mytoken = Mytoken::new(bed.issuer.url(), signer(&bed.issuer));
    mytoken.rotates = true;
    let first = mytoken.current.clone();
    server.script(Mytoken::played(
        Arc::new(Mutex::new(mytoken)),
        server.origin(),
    ));
    let source = format!(
        "mytoken: {{server: '{}', mytoken-env: MY}}",
        server.origin()
    );
    let _storage = site(&bed, &source);
    let left = opens(&bed, &NARROW, &[("MY", first.clone())], &[&first]);
    assert!(
        left.stderr.contains("the mytoken in MY was rotated"),
        "{}",
        left.stderr
    );
    // The first one is void now.
    let mut command = bed.touchstone(&["run", "--case", "capability.read.get"]);
    let ended = Ended::of(command.env("MY", &first)).expect(3);
    let record = bed.record().to_string();
    assert!(record.contains("invalid_token"), "{record}");
    assert!(!record.contains(&first) && !ended.stderr.contains(&first));
}

#[test]
fn vault_gives_what_is_asked() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    let token = "hvs.CAESIJ-a-vault-token-of-this-test".to_owned();
    let credential = Credential {
        issuer: "wlcg".into(),
        credkey: "somebody@example.org".into(),
        role: "production".into(),
        token: token.clone(),
        give: signer(&bed.issuer),
        refused: None,
    };
    server.script(move |asked| credential.played(asked));
    // Both as htgettoken leaves them.
    bed.write("vt", &format!("{token}\n"));
    let folder = bed.path("home/.config/htgettoken");
    std::fs::create_dir_all(&folder).expect("a folder");
    bed.write(
        "home/.config/htgettoken/credkey-wlcg-production",
        "somebody@example.org\n",
    );
    let source = format!(
        "vault: {{server: '{}', issuer: wlcg, role: production, token-file: vt}}",
        server.origin()
    );
    let home = ("HOME", bed.path("home").display().to_string());
    let _storage = site(&bed, &source);
    let left = opens(&bed, &NARROW, &[home], &[&token]);
    assert!(
        left.record.contains("-i wlcg -r production"),
        "{}",
        left.record
    );
    let asked = server.asked();
    assert!(!asked.is_empty());
    for asked in asked {
        assert_eq!(
            asked.path,
            "/v1/secret/oauth/sts/wlcg/somebody@example.org:production"
        );
        let said = asked.parameters();
        let names: Vec<_> = said.keys().map(String::as_str).collect();
        assert_eq!(names, ["audiences", "minimum_seconds", "scopes"]);
        assert!(!said["scopes"].contains(' '), "lists have commas: {said:?}");
    }
}

#[test]
fn a_command_gives_what_is_asked() {
    let bed = TestBed::new();
    let secret = bed.issuer.client_secret().expose_secret().to_owned();
    bed.write(
        "get",
        "set -e\nanswer=$(curl -sS --cacert ca.pem -u \"touchstone:$SECRET\" -d grant_type=client_credentials --data-urlencode \"scope=$1\" --data-urlencode \"audience=$2\" \"$3token\")\necho \"$answer\" | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/'\necho done >&2\n",
    );
    let source =
        "command: [sh, get, '{scopes}', '{audience}', '{issuer}']\n    environment: SECRET";
    let _storage = site(&bed, source);
    let left = opens(&bed, &NARROW, &[("SECRET", secret.clone())], &[&secret]);
    assert!(left.record.contains("TOKEN=$(sh get "), "{}", left.record);
}

#[test]
fn tokens_that_lie_around_open_what_they_open() {
    let bed = TestBed::new();
    let token = signer(&bed.issuer)(EVERYTHING, "https://wlcg.cern.ch/jwt/v1/any");
    let uid = std::fs::metadata(bed.path("ca.pem")).expect("a file").uid();
    bed.write("token", &format!(" {token}\n"));
    bed.write(&format!("bt_u{uid}"), &format!("{token}\n"));
    for name in ["token".to_owned(), format!("bt_u{uid}")] {
        let readable = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(bed.path(&name), readable).expect("its mode");
    }
    let place = |name: &str| bed.path(name).display().to_string();
    let nowhere = || {
        let names = ["BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR"];
        names.map(|name| (name, String::new())).to_vec()
    };
    for (source, variable, value) in [
        (
            "bearer-token-discovery: true",
            "BEARER_TOKEN",
            format!("{token}\n"),
        ),
        (
            "bearer-token-discovery: true",
            "BEARER_TOKEN_FILE",
            place("token"),
        ),
        ("bearer-token-discovery: true", "XDG_RUNTIME_DIR", place("")),
        ("token-env: MINE", "MINE", token.clone()),
        ("token-file: token", "MINE", String::new()),
    ] {
        let _storage = site(&bed, source);
        let mut environment = nowhere();
        environment.push((variable, value));
        let left = opens(&bed, &WIDE, &environment, &[&token]);
        let noted = left
            .stderr
            .contains("others than its owner may use this token");
        let found = matches!(variable, "BEARER_TOKEN_FILE" | "XDG_RUNTIME_DIR");
        assert_eq!(noted, found, "{source} {variable}");
    }
}

/// Servers that repeat what they were given, and whatever else goes wrong: no secret comes back to light.
#[test]
fn no_secret_of_any_source_is_in_any_output() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    let secret = format!("canary{}", uuid::Uuid::new_v4().simple());
    let socket = bed.path("agent.sock");
    let shown = secret.clone();
    let _agent = FakeAgent::start(&bed.runtime, &socket, move |asked| {
        // A token in the wrong place, with a word that only its claims have.
        let token = Came::Html.token(&shown, "a", "b");
        Says::failure(&format!("no, {token}"), &asked.to_string())
    });
    // Whatever comes is sent back in every way.
    server.script(|asked| {
        let vault = asked
            .headers
            .get("x-vault-token")
            .map(|value| format!("{value:?}"));
        let said = format!(
            "{} {} {}",
            asked.body,
            asked.query,
            vault.unwrap_or_default()
        );
        let body = json!({"error": "invalid_request", "error_description": said, "errors": [said]});
        match asked.path.as_str() {
            crate::common::mytoken::CONFIGURATION => None,
            _ => Some(Reply::json(400, &body).header("x-echo", &said.replace('\n', " "))),
        }
        .or_else(|| {
            let host = asked
                .headers
                .get("host")
                .and_then(|host| host.to_str().ok());
            let endpoint = format!("https://{}{ACCESS}", host.unwrap_or_default());
            Some(Reply::json(
                200,
                &json!({"access_token_endpoint": endpoint}),
            ))
        })
    });
    let token = Came::OtherIssuer.token("", "a", "b");
    let claims = token.split('.').nth(1).expect("claims").to_owned();
    bed.write("secret", &secret);
    bed.write("token", &token);
    bed.write(
        "get",
        "echo \"$SECRET\"; echo \"said $SECRET\" >&2; exit 1\n",
    );
    let origin = server.origin();
    for source in [
        "oidc-agent: {account: wlcg}".to_owned(),
        format!("mytoken: {{server: '{origin}', mytoken-file: secret}}"),
        format!("mytoken: {{server: '{origin}', mytoken-env: SECRET}}"),
        format!("vault: {{server: '{origin}', issuer: wlcg, credkey: me, token-file: secret}}"),
        "command: [sh, get]".to_owned(),
        "token-file: token".to_owned(),
        "token-env: TOKEN".to_owned(),
        "token-file: secret".to_owned(),
        "bearer-token-discovery: true".to_owned(),
    ] {
        bed.write(
            "endpoints.yaml",
            &format!(
                "issuers:\n  lab:\n    url: {}\n    ca: ca.pem\n    {source}\nendpoints:\n  se:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: lab\n    ca: ca.pem\n",
                bed.issuer.url(),
                storage.url(),
            ),
        );
        let mut command = bed.touchstone(&["run", "--case", "capability.read.get"]);
        command
            .env("RUST_LOG", "trace")
            .env("OIDC_SOCK", &socket)
            .env("SECRET", &secret)
            .env("TOKEN", &token)
            .env("BEARER_TOKEN", &secret);
        let ended = Ended::of(&mut command).expect(3);
        let texts = bed.texts(ended);
        expect_no_secret(&bed, &texts);
        for (name, text) in texts {
            let found = text.find(&secret).or_else(|| text.find(&claims));
            let before = found.map(|at| text.get(at.saturating_sub(200)..at));
            assert!(
                before.is_none(),
                "{source}: a secret is in {name} after {before:?}"
            );
        }
    }
}

/// The environment of a run holds the secrets of all issuers.
#[test]
fn a_command_gets_no_secret_of_another_issuer() {
    let bed = TestBed::new();
    bed.write("get", "env > environment.txt\n");
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  lab:\n    url: {}\n    ca: ca.pem\n    command: [sh, get]\n    environment: [WANTED]\nendpoints:\n  se: {{endpoint: 'https://localhost:1', paths: {{wlcg: /wlcg}}, issuer: lab}}\n",
            bed.issuer.url()
        ),
    );
    let mut command = bed.touchstone(&["token", "get", "--issuer", "lab"]);
    command
        .env("WANTED", "wanted-value")
        .env("BEARER_TOKEN", "another-value")
        .env("VAULT_TOKEN", "another-value")
        .env("XDG_RUNTIME_DIR", "/run/user/1")
        .env("SSL_CERT_DIR", "/certificates")
        .env("OIDC_SOCK", "/run/agent")
        .env("KRB5CCNAME", "FILE:/tmp/krb5cc");
    let ended = Ended::of(&mut command);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let environment = std::fs::read_to_string(bed.path("environment.txt")).expect("it ran");
    for there in [
        "WANTED=wanted-value",
        "PATH=",
        "XDG_RUNTIME_DIR=/run/user/1",
        "SSL_CERT_DIR=/certificates",
        "OIDC_SOCK=/run/agent",
        "KRB5CCNAME=FILE:/tmp/krb5cc",
    ] {
        assert!(environment.contains(there), "{there}: {environment}");
    }
    for not in ["another-value", SECRET, "CARGO"] {
        assert!(!environment.contains(not), "{not}: {environment}");
    }
}

/// Whoever takes `secret-file` for the place of the secret itself.
#[test]
fn a_secret_in_the_place_of_a_path_is_not_shown() {
    for (key, secret) in [
        (
            "client-credentials: {id: me, secret-file: %}",
            "hunter2hunter2",
        ),
        (
            "client-credentials: {id: me, secret-file: %}",
            "correcthorsebatterystaple",
        ),
        ("token-file: %", "MDAxY2xvY2F0aW9uIGh0dHBz"),
        (
            "refresh-token: {file: %, id: me, authentication: none}",
            "1a2b3c4d-5e6f-7a8b",
        ),
        (
            "mytoken: {server: 'https://localhost:1', mytoken-file: %}",
            "ksaoZ8ahsdf7Ahs",
        ),
    ] {
        let bed = TestBed::new();
        let source = key.replace('%', secret);
        bed.write(
            "endpoints.yaml",
            &format!(
                "issuers:\n  lab:\n    url: {}\n    ca: ca.pem\n    {source}\nendpoints:\n  se: {{endpoint: 'https://localhost:1', paths: {{wlcg: /wlcg}}, issuer: lab}}\n",
                bed.issuer.url()
            ),
        );
        for arguments in [
            &["check"][..],
            &["token", "get", "--issuer", "lab"],
            &["run", "--no-history", "--report-dir", "reports"],
        ] {
            let mut command = bed.touchstone(arguments);
            let ended = Ended::of(command.env("RUST_LOG", "trace"));
            let (out, err) = (ended.stdout.clone(), ended.stderr.clone());
            let mut texts = vec![("stdout".to_owned(), out), ("stderr".to_owned(), err)];
            if bed.path("reports").exists() {
                texts = bed.texts(ended);
            }
            for (name, text) in texts {
                assert!(!text.contains(secret), "{key} {arguments:?} {name}: {text}");
            }
        }
    }
}
