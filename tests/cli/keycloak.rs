//! An issuer of the field that differs from the embedded one, and the verdicts that are right for it.

use std::collections::BTreeMap;

use crate::common::keycloak::{CLIENT, Exchange, Keycloak, SECRET, USER};
use crate::common::test_bed::{Ended, TestBed, outcomes, with};

const SECRET_VARIABLE: &str = "TOUCHSTONE_TEST_KEYCLOAK";

/// The outcome of each case about issuers, at an issuer whose client has these lines in its entry.
fn judged(bed: &TestBed, issuer: &Keycloak, scopes: &str) -> BTreeMap<String, String> {
    let (outcomes, code) = judged_as(bed, &issuer.url(), scopes, SECRET);
    assert!(matches!(code, Some(0 | 1)), "{outcomes:#?}");
    outcomes
}

/// The same under that URL, by a client with that secret, and the exit code.
fn judged_as(
    bed: &TestBed,
    url: &str,
    scopes: &str,
    secret: &str,
) -> (BTreeMap<String, String>, Option<i32>) {
    bed.write("user-token", USER);
    let client = format!("id: {CLIENT}, secret-env: {SECRET_VARIABLE}");
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  realm:\n    url: {}\n    ca: ca.pem\n    limits: {{rate: 10000}}\n    accounts:\n      service:\n        client-credentials: {{{client}}}\n{scopes}      user:\n        refresh-token: {{{client}, file: user-token}}\nendpoints:\n  se: {{endpoint: https://localhost:1, paths: {{wlcg: /wlcg}}}}\n",
            url
        ),
    );
    let mut command = bed.touchstone(&["run", "--case", "issuer.*", "--no-history"]);
    let ended = Ended::of(command.env(SECRET_VARIABLE, secret));
    (outcomes(&bed.record()), ended.code)
}

#[test]
fn a_realm_of_keycloak_gets_the_verdicts_that_are_right() {
    let bed = TestBed::new();
    let realm = Keycloak::start(&bed);
    let outcomes = judged(&bed, &realm, "");
    let of = |case: &str| outcomes.get(case).map_or("", String::as_str);
    let with = |verdict: &str| {
        let mut cases: Vec<&str> = outcomes
            .iter()
            .filter(|(_, outcome)| outcome.starts_with(verdict))
            .map(|(case, _)| case.as_str())
            .collect();
        cases.sort_unstable();
        cases
    };
    assert_eq!(
        with("fail"),
        ["issuer.exchange.wider.operation"],
        "{outcomes:#?}"
    );
    assert_eq!(with("error"), [""; 0], "{outcomes:#?}");
    assert_eq!(
        with("warn"),
        [
            "issuer.endpoint.error.secret",
            "issuer.endpoint.no-client",
            "issuer.keys.caching",
            "issuer.token.assurance",
            "issuer.token.audience.one",
            "issuer.token.audience.resource",
            "issuer.token.audience.two",
            "issuer.token.client",
        ],
        "{outcomes:#?}"
    );
    // The status is right, and the code alone is told.
    for case in ["issuer.endpoint.error.secret", "issuer.endpoint.no-client"] {
        assert_eq!(of(case), "warn  ISS-EP-02: `unauthorized_client`");
    }
    for case in ["issuer.groups.form", "issuer.groups.both"] {
        assert!(of(case).starts_with("skip  no groups came"), "{}", of(case));
    }
    assert_eq!(of("issuer.refresh.bearer"), "pass");
    // A realm knows its scopes by name: only cases about paths below ask for others.
    let unknown: Vec<&str> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.contains("Invalid scopes: storage."))
        .map(|(case, _)| case.as_str())
        .collect();
    for case in &unknown {
        let about_paths = [
            "issuer.capability.",
            "issuer.exchange.",
            "issuer.refresh.",
            "issuer.token.scope.",
            // The user's refresh token was given for groups alone.
            "issuer.groups.unasked",
        ];
        assert!(
            about_paths.iter().any(|begin| case.starts_with(begin)),
            "{case}: {}",
            of(case)
        );
    }
    let passed = with("pass");
    assert!(passed.len() >= 60, "{passed:#?}");
    for case in [
        "issuer.token.signed",
        "issuer.token.claims",
        "issuer.token.scope.form",
        "issuer.token.audience.any",
        "issuer.capability.one",
        "issuer.capability.several",
        "issuer.capability.nothing-more",
        "issuer.exchange.tampered",
        "issuer.endpoint.uncached",
    ] {
        assert_eq!(of(case), "pass", "{case}");
    }
}

#[test]
fn what_an_account_can_get_is_what_it_is_asked_for() {
    let bed = TestBed::new();
    let realm = Keycloak::start(&bed);
    let outcomes = judged(&bed, &realm, "        scopes: [\"storage.stage:/\"]\n");
    for case in ["issuer.token.signed", "issuer.capability.one"] {
        assert_eq!(outcomes[case], "pass", "{case}");
    }
    let record = bed.record();
    let results = record["results"].as_array().expect("results").iter();
    let one = results
        .filter(|result| result["case"] == "issuer.capability.one")
        .map(|result| result["exchanges"].to_string())
        .collect::<String>();
    assert!(one.contains("storage.stage"), "{one}");
    assert!(!one.contains("storage.read"), "{one}");
}

#[test]
fn a_client_that_the_issuer_does_not_take_blames_nobody() {
    let bed = TestBed::new();
    let realm = Keycloak::start(&bed);
    let (outcomes, code) = judged_as(&bed, &realm.url(), "", "not-the-secret-9c1f");
    assert_eq!(code, Some(3), "{outcomes:#?}");
    assert_eq!(with(&outcomes, "fail"), [""; 0], "{outcomes:#?}");
    let reason = "error the issuer does not accept the client: it answers 401 to a plain request for a token; check its id and secret";
    for case in [
        "issuer.token.signed",
        "issuer.endpoint.error.grant",
        "issuer.endpoint.error.scope",
        "issuer.endpoint.device",
        "issuer.capability.told.unknown",
        "issuer.revocation.unknown",
    ] {
        assert_eq!(outcomes[case], reason, "{case}");
    }
    // What is said to somebody else, or published, is judged.
    assert_eq!(outcomes["issuer.keys.set"], "pass");
    assert!(outcomes["issuer.endpoint.error.secret"].starts_with("warn"));
}

#[test]
fn a_refusal_without_a_body_is_a_refusal_and_told_where_errors_are_judged() {
    let bed = TestBed::new();
    let realm = Keycloak::curt(&bed);
    let outcomes = judged(&bed, &realm, "");
    assert_eq!(with(&outcomes, "error"), [""; 0], "{outcomes:#?}");
    assert_eq!(
        with(&outcomes, "fail"),
        [
            "issuer.endpoint.error.grant",
            "issuer.endpoint.error.scope",
            "issuer.endpoint.error.secret",
            "issuer.endpoint.no-client",
            "issuer.exchange.wider.operation",
        ],
        "{outcomes:#?}"
    );
    assert_eq!(
        outcomes["issuer.endpoint.error.secret"],
        "fail  ISS-EP-02: 401 with no JSON but an empty body"
    );
    assert_eq!(outcomes["issuer.exchange.tampered"], "pass");
    assert_eq!(outcomes["issuer.token.version.unknown"], "pass");
}

#[test]
fn another_slash_at_the_end_of_the_issuer_is_one_finding() {
    let bed = TestBed::new();
    let realm = Keycloak::start(&bed);
    let (outcomes, code) = judged_as(&bed, &format!("{}/", realm.url()), "", SECRET);
    assert_eq!(code, Some(1), "{outcomes:#?}");
    assert_eq!(
        with(&outcomes, "fail"),
        ["issuer.exchange.wider.operation", "issuer.metadata.issuer"],
        "{outcomes:#?}"
    );
    let told = &outcomes["issuer.metadata.issuer"];
    assert!(
        told.contains("by the slash at the end alone") && told.contains("endpoints file"),
        "{told}"
    );
    let exact = &outcomes["issuer.token.issuer.exact"];
    assert!(
        exact.starts_with("skip  put down to issuer.metadata.issuer"),
        "{exact}"
    );
}

#[test]
fn an_exchange_that_is_not_for_this_client_or_for_nobody_is_not_judged() {
    let bed = TestBed::new();
    for (exchange, skipped) in [
        (Exchange::Granted, None),
        (
            Exchange::Unauthorized,
            Some("the issuer did not give what was asked for: `unauthorized_client`"),
        ),
        (
            Exchange::Unnamed,
            Some(
                "its metadata do not name the grant `urn:ietf:params:oauth:grant-type:token-exchange`",
            ),
        ),
    ] {
        let realm = Keycloak::exchanging(&bed, exchange);
        let outcomes = judged(&bed, &realm, "");
        let exchanges = || {
            let all = outcomes.iter();
            all.filter(|(case, _)| case.starts_with("issuer.exchange."))
        };
        let broken = exchanges().filter(|(_, outcome)| outcome.starts_with("fail"));
        // Keycloak gives whatever the client may have.
        let broken: Vec<_> = broken.map(|(case, _)| case.as_str()).collect();
        let expected: &[&str] = match exchange {
            Exchange::Granted => &["issuer.exchange.wider.operation"],
            Exchange::Unauthorized | Exchange::Unnamed => &[],
        };
        assert_eq!(broken, expected, "{exchange:?}: {outcomes:#?}");
        let told = &outcomes["issuer.exchange.audience"];
        match skipped {
            None => assert_eq!(
                told,
                "skip  the issuer did not give what was asked for: `invalid_client` (`Audience not found`)"
            ),
            Some(reason) => {
                assert!(told.starts_with("skip") && told.contains(reason), "{told}");
                let judged = exchanges().filter(|(_, outcome)| !outcome.starts_with("skip"));
                // Whoever exchanges nothing gives nobody more than the token had.
                let refused = judged.filter(|(_, outcome)| *outcome != "pass");
                assert_eq!(refused.count(), 0, "{exchange:?}: {outcomes:#?}");
            }
        }
    }
}
