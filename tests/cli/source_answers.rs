//! What each source of tokens says when it gives none, one by one: the message repeats it, and says what to do.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::agent::{FakeAgent, Says};
use crate::common::issuer::{Reply, ScriptedIssuer};
use crate::common::mytoken::{ACCESS, CONFIGURATION, Mytoken};
use crate::common::signed::signer;
use crate::common::site::{ask, broker, broker_within, expect_parts, request, told};
use crate::common::test_bed::TestBed;
use crate::common::trouble::Came;
use crate::common::vault::{Credential, errors};
use crate::common::waiting::wait_until;
use secrecy::ExposeSecret;
use serde_json::json;
use touchstone_engine::token::Fit;
use touchstone_model::{MytokenRef, SecretRef, TokenSource};

#[test]
fn who_waits_for_its_turn_at_an_agent_does_not_spend_its_time_there() {
    const LIMIT: Duration = Duration::from_millis(500);
    let bed = TestBed::new();
    let socket = bed.path("agent.sock");
    let agent = FakeAgent::start(&bed.runtime, &socket, |_| Says::Silence);
    let source = TokenSource::OidcAgent {
        account: None,
        socket: Some(socket.clone()),
    };
    let broker = {
        let _inside = bed.runtime.enter();
        broker_within(&bed, source, LIMIT)
    };
    let asked = ["storage.read:/a", "storage.read:/b", "storage.read:/c"];
    let asked = asked.map(|scope| request(scope, "https://se.example.org"));
    let begun = Instant::now();
    let tokens = asked
        .each_ref()
        .map(|request| broker.token(request, Fit::Exact));
    let told = bed.runtime.block_on(futures_util::future::join_all(tokens));
    for error in told {
        let error = error.expect_err("no token").to_string();
        assert!(error.contains("gave no answer within 500ms"), "{error}");
    }
    // One after another, as the agent serves them: each had all of its time.
    let all = LIMIT * u32::try_from(agent.asked().len()).expect("it is small");
    assert_eq!(agent.asked().len(), asked.len());
    assert!(begun.elapsed() >= all, "{:?}", begun.elapsed());
}

const PAGE: &str = "<html>\n<title>Log in</title>\n</html>\n";

#[test]
fn what_an_agent_says_is_told_with_what_to_do() {
    let bed = TestBed::new();
    let socket = bed.path("agent.sock");
    let source = || TokenSource::OidcAgent {
        account: Some("wlcg".into()),
        socket: Some(socket.clone()),
    };
    let text = |text: &str| Says::Text(text.into(), Duration::ZERO);
    let long = "x".repeat(300 << 10);
    let token = signer(&bed.issuer)("storage.read:/a", "https://se.example.org");
    let rows: Vec<(Says, &[&str])> = vec![
        (
            Says::failure("Agent locked", ""),
            &["\"Agent locked\"", "unlock it with `oidc-add -X`"],
        ),
        (
            Says::failure("Account not loaded", ""),
            &["Account not loaded", "oidc-add wlcg", "oidc-add -l"],
        ),
        (
            Says::failure("No account configured with that short name", ""),
            &["No account configured", "oidc-add wlcg"],
        ),
        (
            Says::failure(
                "invalid_grant: token revoked",
                "Try:\n\toidc-gen wlcg --reauthenticate",
            ),
            &[
                "token revoked",
                "(\"Try:\\n\\toidc-gen",
                "`oidc-gen wlcg --reauthenticate`",
            ],
        ),
        (
            Says::failure("operation forbidden", ""),
            &["operation forbidden", "question on the screen"],
        ),
        (
            Says::failure("Could not connect to url", "https://\u{1b}[31miss"),
            &[
                "Could not connect",
                "\\u{1b}[31miss",
                "`oidc-token wlcg -s storage.read:/a --aud=https://se.example.org`",
            ],
        ),
        (
            Says::failure("Bad Request: No request type.", ""),
            &["oidc-agent --version"],
        ),
        (
            text("{\"status\":\"success\"}"),
            &["answered \"success\" without a token"],
        ),
        (
            text("{\"status\":17}"),
            &["13 bytes that are no answer of an agent"],
        ),
        (text("[]"), &["2 bytes that are no answer"]),
        (text(""), &["closed the connection without an answer"]),
        (text("{\"status\":\"succ"), &["no answer of an agent"]),
        (text(&long), &["sent more than 262144 bytes"]),
        (
            Says::token(&token, "https://elsewhere.example/"),
            &[
                "its account `wlcg` is one at \"https://elsewhere.example/\"",
                "oidc-add -l",
            ],
        ),
    ];
    for (says, parts) in rows {
        let says = Mutex::new(Some(says));
        let _agent = FakeAgent::start(&bed.runtime, &socket, move |_| {
            let mut says = says.lock().expect("an answer");
            says.take().unwrap_or(Says::Silence)
        });
        let told = told(&bed, source());
        expect_parts(&told, parts);
        assert!(!told.contains(&token) && told.len() < 1500, "{told}");
    }

    // An answer is one when it is complete: nobody has to close.
    let answer =
        json!({"status": "success", "access_token": token, "expires_at": 1, "new": {"a": 1}});
    let agent = FakeAgent::start(&bed.runtime, &socket, move |_| {
        Says::Slowly(answer.to_string())
    });
    ask(&bed, source(), "storage.read:/a", "https://se.example.org").expect("a token");
    assert_eq!(agent.asked().len(), 1);
}

/// How a mytoken differs from a good one, and what is said of it.
type Changed<'a> = (&'a dyn Fn(&mut Mytoken), &'a [&'a str]);

#[test]
fn what_a_mytoken_server_says_is_told_with_what_to_do() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    let source = || TokenSource::Mytoken {
        server: server.origin().into(),
        mytoken: MytokenRef::File(bed.path("my")),
    };
    let play = |change: &dyn Fn(&mut Mytoken)| {
        let mut mytoken = Mytoken::new(bed.issuer.url(), signer(&bed.issuer));
        bed.write("my", &mytoken.current);
        change(&mut mytoken);
        let secret = std::fs::read_to_string(bed.path("my")).expect("the file");
        server.script(Mytoken::played(
            Arc::new(Mutex::new(mytoken)),
            server.origin(),
        ));
        let told = told(&bed, source());
        assert!(!told.contains(secret.trim()), "{told}");
        told
    };
    let again = "with the capability AT: `mytoken MT`";
    let rows: [Changed<'_>; 8] = [
        (
            &|mytoken| mytoken.spent = vec![std::mem::take(&mut mytoken.current)],
            &["401 \"invalid_token\";", again],
        ),
        (
            &|mytoken| mytoken.current = "another".into(),
            &["token not valid", again],
        ),
        (
            &|mytoken| mytoken.capable = false,
            &["403 \"insufficient_capabilities\"", again],
        ),
        (
            &|mytoken| mytoken.restricted = Some(vec!["storage.read:/b".into()]),
            &[
                "403 \"usage_restricted\"",
                "make one that may, or leave such cases out",
            ],
        ),
        (
            &|mytoken| mytoken.issuer = "https://elsewhere.example/".into(),
            &["token not for specified issuer", "character by character"],
        ),
        (
            &|mytoken| mytoken.refused = Some((400, "invalid_scope: not for you")),
            &[
                "400 \"oidc_error\" (\"invalid_scope: not for you\")",
                "leave such cases out",
            ],
        ),
        (
            &|mytoken| mytoken.refused = Some((401, "invalid_grant: revoked")),
            &["invalid_grant: revoked", "its refresh token is void"],
        ),
        (
            &|_| bed.write("my", "ABCD1234"),
            &["something shorter than any mytoken", "`mytoken store`"],
        ),
    ];
    for (change, parts) in rows {
        expect_parts(&play(change), parts);
    }

    // Told when it is needed, for it may have been lost half-way in a rotation.
    std::fs::remove_file(bed.path("my")).expect("it goes");
    expect_parts(
        &told(&bed, source()),
        &["cannot read", "my", "a mytoken into that file"],
    );

    // What is around it.
    bed.write("my", &"m".repeat(64));
    let no = Reply::json(503, &json!({})).header("retry-after", "3600");
    for (path, reply, parts) in [
        (ACCESS, no, &["answered 503", "asks to wait 1h"][..]),
        (ACCESS, Reply::html(502, PAGE), &["502 with", "text/html"]),
        (
            ACCESS,
            Reply::json(200, &json!({"token_type": "Bearer"})),
            &["no access_token in JSON"],
        ),
        (
            CONFIGURATION,
            Reply::html(200, PAGE),
            &["no configuration in JSON", "see to `server`"],
        ),
        (
            CONFIGURATION,
            Reply::html(502, PAGE),
            &["answered 502", "is up and reachable"],
        ),
        (
            CONFIGURATION,
            Reply::json(
                200,
                &json!({"access_token_endpoint": "http://localhost/token"}),
            ),
            &[
                "no access token endpoint with https",
                "a mytoken goes nowhere else",
            ],
        ),
    ] {
        let mytoken = Mytoken::new(bed.issuer.url(), signer(&bed.issuer));
        let play = Mytoken::played(Arc::new(Mutex::new(mytoken)), server.origin());
        server.script(move |asked| match asked.path == path {
            true => Some(reply.clone()),
            false => play(asked),
        });
        expect_parts(&told(&bed, source()), parts);
    }
}

#[test]
fn what_vault_says_is_told_with_what_to_do() {
    let bed = TestBed::new();
    let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    let token = "hvs.a-vault-token-of-this-test";
    let credential = |refused| Credential {
        issuer: "wlcg".into(),
        credkey: "robot/gpvm01.example.org".into(),
        role: "default".into(),
        token: token.into(),
        give: signer(&bed.issuer),
        refused,
    };
    let source = |credkey: &str| TokenSource::Vault {
        server: format!("{}/", server.origin()),
        issuer: "wlcg".into(),
        role: "default".into(),
        credkey: Some(credkey.into()),
        token: Some(bed.path("vt")),
    };
    let (own, renew) = (
        "robot/gpvm01.example.org",
        "`htgettoken -a https://localhost:",
    );
    let ask = |credkey| {
        ask(
            &bed,
            source(credkey),
            "storage.read:/a storage.read:/b",
            "https://se",
        )
    };
    let told = |credkey| told(&bed, source(credkey));

    let good = credential(None);
    server.script(move |asked| good.played(asked));
    expect_parts(
        &told(own),
        &["cannot read", "a Vault token", renew, "--credkey=robot/"],
    );
    bed.write("vt", token);
    ask(own).expect("a token");
    let path = server.asked().pop().expect("a request").path;
    assert_eq!(
        path,
        "/v1/secret/oauth/sts/wlcg/robot/gpvm01.example.org:default"
    );

    expect_parts(
        &told("somebody"),
        &["403 \"1 error occurred: * permission denied\"", renew],
    );
    bed.write("vt", "hvs.expired-expired-expired");
    let expired = told(own);
    expect_parts(
        &expired,
        &[
            "permission denied * invalid token",
            "has expired",
            renew,
            "--vaulttokenfile=",
        ],
    );
    assert!(!expired.contains("hvs."), "{expired}");
    // htgettoken ran beside us.
    bed.write("vt", token);
    ask(own).expect("a token");

    for (says, parts) in [
        (
            "exchange failed: oauth2: \"invalid_scope\"",
            &["invalid_scope", "leave such cases out"][..],
        ),
        (
            "token expired",
            &[
                "400 \"token expired\"",
                "refresh token that Vault keeps",
                renew,
            ],
        ),
    ] {
        let credential = credential(Some(says));
        server.script(move |asked| credential.played(asked));
        expect_parts(&told(own), parts);
    }
    let sealed = ["Vault is sealed"];
    for (reply, parts) in [
        (
            errors(404, &[]),
            &[
                "answered 404;",
                "keeps no credential under that credkey",
                renew,
            ][..],
        ),
        (
            errors(503, &sealed),
            &["503 \"Vault is sealed\"", "try again later"],
        ),
        (
            errors(500, &["1 error occurred"]),
            &["answered 500", "tell whoever runs Vault"],
        ),
        (
            Reply::html(404, PAGE),
            &["which Vault does not", "see what answers at `server`"],
        ),
        (
            Reply::json(200, &json!({"data": {}})),
            &["no data.access_token in JSON"],
        ),
    ] {
        server.script(move |_| Some(reply.clone()));
        expect_parts(&told(own), parts);
    }
}

#[test]
fn what_a_program_does_is_told_with_what_to_do() {
    let bed = TestBed::new();
    let script = |text: &str| TokenSource::Command {
        environment: Vec::new(),
        words: ["sh", "-c", text, "get", "{scopes}"]
            .map(str::to_owned)
            .to_vec(),
    };
    let token = signer(&bed.issuer)("storage.read:/a", "https://se.example.org");
    let twice = format!("echo {token}; echo {token}");
    let noisy = format!("echo {token}; echo {token} >&2; exit 1");
    for (text, parts) in [
        (
            "exit 0",
            &["printed nothing", "a token and nothing else"][..],
        ),
        (
            "echo failed",
            &["printed a line of 6 bytes that is no token"],
        ),
        (
            "echo 'Your token is here: abc'",
            &["printed a line of 23 bytes that is no token"],
        ),
        (&twice, &["these are 2 tokens, where one is expected"]),
        (
            "head -c 70000 /dev/zero; sleep 60 & wait",
            &["printed more than 64 KiB, and was killed"],
        ),
        ("kill -9 $$", &["ended with signal 9"]),
        (
            "seq 100000 >&2; exit 7",
            &["exit code 7", "\"99998 / 99999 / 100000\""],
        ),
        (&noisy, &["exit code 1", "[redacted]"]),
        ("cat; exit 4", &["exit code 4;"]),
    ] {
        let told = told(&bed, script(text));
        expect_parts(&told, parts);
        let shown = told.replace(text, "");
        assert!(!shown.contains(&token), "{shown}");
    }
    // What it started goes with it.
    let begun = format!("sleep 600 & echo $! > {}; yes", bed.path("pid").display());
    expect_parts(&told(&bed, script(&begun)), &["and was killed"]);
    let pid = std::fs::read_to_string(bed.path("pid")).expect("its pid");
    let stat = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // Gone, or dead and not yet fetched by the system.
    wait_until("what a command started outlives it", || {
        stat().is_err() || stat().is_ok_and(|stat| stat.contains(") Z "))
    });

    let folder = TokenSource::Command {
        environment: Vec::new(),
        words: vec![bed.path("").display().to_string()],
    };
    expect_parts(
        &told(&bed, folder),
        &["cannot be started", "begins with `#!`"],
    );
    let good = script(&format!(
        "test \"$1\" = storage.read:/a; echo '  {token}'; echo done >&2"
    ));
    ask(&bed, good, "storage.read:/a", "https://se.example.org").expect("a token");
}

/// Cron renews it: whoever has waited for hours gets the new one.
#[test]
fn files_are_read_again_when_their_token_is_over() {
    let bed = TestBed::new();
    let path = bed.path("token");
    let source = TokenSource::Given {
        token: SecretRef::File(path.clone()),
    };
    let (scope, audience) = ("storage.read:/a", "https://se.example.org");
    let url = bed.issuer.url();
    let write = |text: &str| std::fs::write(&path, text).expect("the file");
    let old = Came::Expired.token(url, scope, audience);
    write(&old);
    let broker = {
        let _inside = bed.runtime.enter();
        broker(&bed, source)
    };
    let get = || {
        let request = request(scope, audience);
        bed.runtime.block_on(broker.token(&request, Fit::Exact))
    };
    let error = get().expect_err("it has expired").to_string();
    expect_parts(&error, &["`lab` (token-file)", "the token has expired"]);

    let new = Came::Html.token(url, scope, audience);
    write(&new);
    assert_eq!(get().expect("a token").secret.expose_secret(), new);

    // While it is written, and when it is gone, the one from before serves.
    let other = request(scope, audience);
    for broken in [Some(""), Some("eyJhb"), None] {
        match broken {
            Some(text) => write(text),
            None => std::fs::remove_file(&path).expect("it goes"),
        }
        let fresh = bed.runtime.block_on(broker.fresh(&other, Fit::Exact));
        let fresh = fresh.unwrap_or_else(|error| panic!("{broken:?}: {error}"));
        assert_eq!(fresh.secret.expose_secret(), new);
    }
}
