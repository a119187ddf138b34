use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use touchstone_model::ANY_AUDIENCE;
use touchstone_suite::config::load_catalogue;

const NOW: i64 = 1_764_000_300;

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn good() -> Value {
    json!({
        "wlcg.ver": "1.0", "iss": "https://iam.example.org/", "sub": "e1eb758b",
        "aud": ANY_AUDIENCE, "iat": NOW - 300, "nbf": NOW - 360, "exp": NOW + 3300,
        "jti": "0f3d4a55-5d5c-4b6c-a2a8", "scope": "storage.read:/a",
    })
}

fn token(header: &Value, payload: &Value) -> SecretString {
    format!("{}.{}.c2lnbmF0dXJl", encode(header), encode(payload)).into()
}

fn judged_by(profile: Profile, header: &Value, payload: &Value) -> Inspection {
    let token = decode(&token(header, payload)).expect("a JWT");
    let now = Timestamp::from_second(NOW).unwrap();
    judge(&token, SignatureCheck::unknown("not tried"), now, profile)
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "k", "typ": "JWT"})
}

/// A good token with these members changed; null takes one away.
fn with(changes: Value) -> Inspection {
    judged_by(Profile::default(), &header(), &changed(good(), &changes))
}

fn with_header(changes: Value) -> Inspection {
    judged_by(Profile::default(), &changed(header(), &changes), &good())
}

fn changed(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

/// `MUST clause, SHOULD clause …` of an inspection.
fn found(inspection: &Inspection) -> String {
    let statements = inspection.statements.iter().map(|statement| {
        let clause = statement.clause.unwrap_or("other");
        format!("{} {clause}", statement.weight.as_str())
    });
    statements.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_good_token_has_no_remarks() {
    assert_eq!(found(&with(json!({}))), "");
    for profile in Profile::ALL {
        assert_eq!(found(&judged_by(profile, &header(), &good())), "");
    }
    for typ in [json!("at+jwt"), json!("AT+JWT"), json!(null)] {
        assert_eq!(found(&with_header(json!({"typ": typ, "alg": "RS256"}))), "");
    }
}

#[test]
fn each_claim_has_its_rules() {
    let long = "s".repeat(256);
    let cases = [
        (json!({"iss": null}), "MUST JWT-2.1.1-30"),
        (json!({"iss": 7}), "MUST ISS-TOK-04"),
        (json!({"iss": "http://iam.example.org"}), "MUST ISS-TOK-04"),
        (json!({"iss": "https://h/?a=b"}), "MUST ISS-TOK-04"),
        (json!({"iss": "https://u@h/"}), "MUST ISS-TOK-04"),
        (json!({"iss": "iam"}), "MUST ISS-TOK-04"),
        (json!({"sub": null}), "MUST ISS-TOK-02"),
        (json!({"sub": ""}), "MUST ISS-TOK-02"),
        (json!({"sub": 42}), "MUST ISS-TOK-02"),
        (json!({"sub": long}), "MUST ISS-TOK-05"),
        (json!({"sub": "käthe"}), "MUST ISS-TOK-05"),
        (json!({"sub": "ada@example.org"}), "SHOULD ISS-TOK-06"),
        (json!({"sub": "0123456789abcdef@example.org"}), ""),
        (json!({"sub": "host:se.example.org"}), ""),
        (json!({"sub": "/DC=org/CN=Ada"}), "SHOULD ISS-TOK-06"),
        (json!({"aud": null}), "MUST JWT-2.1.1-12"),
        (json!({"aud": ""}), "MUST JWT-2.1.1-12"),
        (json!({"aud": []}), "MUST JWT-2.1.1-12"),
        (json!({"aud": {"a": 1}}), "MUST ISS-TOK-02"),
        (json!({"aud": ["https://a", 1]}), "MUST ISS-TOK-02"),
        (json!({"aud": ["https://a", "https://b:8443"]}), ""),
        (json!({"aud": "https://a/"}), "SHOULD ISS-TOK-14"),
        (json!({"aud": "https://a:443"}), "SHOULD ISS-TOK-14"),
        (json!({"aud": "https://A"}), "SHOULD ISS-TOK-14"),
        (
            json!({"aud": ["https://a", ANY_AUDIENCE]}),
            "note JWT-2.1.1-17",
        ),
        (json!({"exp": null}), "MUST JWT-2.1.1-02"),
        (json!({"exp": "1764003600"}), "MUST JWT-2.1.1-03"),
        (json!({"exp": NOW}), "MUST JWT-2.1.1-01, SHOULD ISS-TOK-08"),
        (
            json!({"exp": NOW + 1, "iat": NOW - 3600, "nbf": NOW - 3600}),
            "",
        ),
        (
            json!({"exp": (NOW + 3300) * 1000}),
            "SHOULD ISS-TOK-10, SHOULD ISS-TOK-08",
        ),
        (json!({"exp": NOW + 36_000}), "SHOULD ISS-TOK-08"),
        (json!({"exp": NOW + 30}), "SHOULD ISS-TOK-08"),
        (json!({"nbf": null}), ""),
        (json!({"nbf": "now"}), "MUST JWT-2.1.1-03"),
        (
            json!({"nbf": NOW + 30, "iat": NOW + 30}),
            "note JWT-2.1.1-06",
        ),
        (
            json!({"nbf": NOW + 61, "iat": NOW + 60}),
            "MUST JWT-2.1.1-04, SHOULD ISS-TOK-09",
        ),
        (json!({"nbf": NOW - 900}), "SHOULD ISS-TOK-09"),
        (json!({"iat": null}), "MUST ISS-TOK-02"),
        (json!({"iat": "now"}), "MUST ISS-TOK-02"),
        (json!({"iat": NOW + 90, "nbf": NOW}), "SHOULD ISS-TOK-10"),
        (json!({"jti": null}), "MUST ISS-TOK-02"),
        (json!({"jti": 9}), "MUST ISS-TOK-02"),
        (json!({"wlcg.ver": null}), "MUST ISS-TOK-02"),
        (json!({"wlcg.ver": "1.7"}), "SHOULD ISS-TOK-03"),
        (json!({"wlcg.ver": "2.0"}), "SHOULD ISS-TOK-03"),
        (json!({"wlcg.ver": "0.9"}), "SHOULD ISS-TOK-03"),
        (json!({"wlcg.ver": 1.0}), "MUST JWT-2.1.1-28"),
        (json!({"wlcg.ver": "1"}), "MUST JWT-2.1.1-28"),
        (json!({"wlcg.ver": "1.0 "}), "MUST JWT-2.1.1-28"),
        (json!({"acr": 1}), "SHOULD ISS-ASS-01"),
        (json!({"eduperson_assurance": "a"}), "SHOULD ISS-ASS-01"),
        (json!({"auth_time": "x"}), "MUST JWT-2.1.1-03"),
        (json!({"cnf": {}}), "note JWT-4.3.3-05"),
        (json!({"client_id": "c", "email": 1}), ""),
    ];
    for (changes, expected) in cases {
        assert_eq!(found(&with(changes.clone())), expected, "{changes}");
    }
}

#[test]
fn scopes_and_groups_have_their_rules() {
    let cases = [
        (json!({"scope": "storage.read"}), "MUST JWT-2.2.1-39"),
        (json!({"scope": "storage.read:"}), "MUST JWT-2.2.1-39"),
        (json!({"scope": "storage.read:a"}), "MUST ISS-TOK-12"),
        (json!({"scope": "storage.read:/a/../b"}), "MUST ISS-TOK-12"),
        (json!({"scope": "storage.read:/a//b"}), "MUST ISS-TOK-12"),
        (
            json!({"scope": "storage.read:/a/%2e%2E"}),
            "MUST ISS-TOK-12",
        ),
        (json!({"scope": "storage.read:/%41"}), "SHOULD ISS-TOK-12"),
        (json!({"scope": "storage.read:/a%2Fb"}), "note JWT-2.2.1-43"),
        (json!({"scope": "storage.read:/a/*"}), "note JWT-2.2.1-44"),
        (
            json!({"scope": "storage.write:/a"}),
            "SHOULD JWT-2.2.1-34, note JWT-2.2.1-38",
        ),
        (
            json!({"scope": "Storage.read:/a"}),
            "SHOULD JWT-2.2.1-35, note JWT-2.2.1-38",
        ),
        (
            json!({"scope": "storage.read:/a,storage.read:/b"}),
            "MUST ISS-TOK-11",
        ),
        (
            json!({"scope": "storage.read:/a\topenid"}),
            "MUST ISS-TOK-11, MUST ISS-TOK-12",
        ),
        (
            json!({"scope": "storage.read:/a  openid"}),
            "SHOULD ISS-TOK-11",
        ),
        (
            json!({"scope": "storage.read:/a storage.read:/a"}),
            "SHOULD ISS-TOK-11",
        ),
        (json!({"scope": ["storage.read:/a"]}), "MUST ISS-TOK-11"),
        (
            json!({"scope": "read:/a storage.read:/a"}),
            "note JWT-2.2.1-34",
        ),
        (json!({"scope": "storage.read:/a fts"}), "note JWT-2.2.1-33"),
        (json!({"scope": "openid"}), "note JWT-2.2.1-38"),
        (json!({"scope": "host.auth"}), ""),
        (json!({"scope": "compute.create"}), ""),
        (json!({"scope": null}), "SHOULD ISS-TOK-16"),
        (json!({"wlcg.groups": ["/wlcg"]}), "note JWT-2.2.3-01"),
        (
            json!({"scope": null, "wlcg.groups": ["/wlcg", "/wlcg/a.b_c-d"]}),
            "",
        ),
        (json!({"scope": null, "wlcg.groups": []}), ""),
        (
            json!({"scope": null, "wlcg.groups": "/wlcg"}),
            "MUST ISS-GRP-01",
        ),
        (
            json!({"scope": null, "wlcg.groups": ["/wlcg", 1]}),
            "MUST ISS-GRP-01",
        ),
        (
            json!({"scope": null, "wlcg.groups": ["/wlcg", "/wlcg"]}),
            "MUST ISS-GRP-01",
        ),
        (
            json!({"scope": null, "wlcg.groups": ["/wlcg", "/cms/a"]}),
            "MUST ISS-GRP-02",
        ),
        (
            json!({"scope": null, "groups": ["a"], "wlcg.groups": ["/a"]}),
            "note JWT-2.2.2-06",
        ),
    ];
    for (changes, expected) in cases {
        assert_eq!(found(&with(changes.clone())), expected, "{changes}");
    }
    for group in [
        "wlcg", "/", "/wlcg/", "//wlcg", "/-a", "/a b", "/ä", "/a/../b", "",
    ] {
        let inspection = with(json!({"scope": null, "wlcg.groups": [group]}));
        assert_eq!(found(&inspection), "MUST ISS-GRP-01", "{group}");
    }
}

#[test]
fn the_header_has_its_rules() {
    let cases = [
        (json!({"alg": null}), "MUST JWT-4.2-10"),
        (json!({"alg": 1}), "MUST JWT-4.2-10"),
        (json!({"alg": "none"}), "MUST JWT-4.2-02"),
        (json!({"alg": "NonE"}), "MUST JWT-4.2-02"),
        (json!({"alg": "HS256"}), "MUST JWT-4.2-03"),
        (json!({"alg": "PS256"}), "note JWT-4.2-15"),
        (json!({"alg": "es256"}), "MUST ISS-TOK-01"),
        (json!({"kid": null}), "MUST JWT-4.2-04"),
        (json!({"kid": ""}), "MUST JWT-4.2-04"),
        (json!({"kid": 1}), "MUST JWT-4.2-04"),
        (json!({"typ": "dpop+jwt"}), "SHOULD JWT-4.2-24"),
        (json!({"crit": ["b64"]}), "MUST JWT-4.2-11"),
        (json!({"jku": "https://h/"}), "note JWT-4.2-07"),
    ];
    for (changes, expected) in cases {
        assert_eq!(found(&with_header(changes.clone())), expected, "{changes}");
    }
}

#[test]
fn the_version_of_the_profile_matters() {
    let by = |profile, changes: Value| judged_by(profile, &header(), &changed(good(), &changes));
    let long = json!({"exp": NOW + 36_000});
    assert_eq!(found(&by(Profile::V1_0, long)), "MUST JWT-4.3.1-01");
    let short = json!({"exp": NOW + 30});
    assert_eq!(found(&by(Profile::V1_0, short)), "");
    let stage = json!({"scope": "storage.stage:/a"});
    let old = by(Profile::V1_1, stage.clone()).allows.remove(0);
    let new = by(Profile::V1_2, stage).allows.remove(0);
    assert!(old.ends_with("and to read it"), "{old}");
    assert!(new.ends_with("reading takes storage.read"), "{new}");
}

#[test]
fn what_is_refused_allows_nothing() {
    for (changes, why) in [
        (
            json!({"scope": "storage.read storage.read:/a"}),
            "`storage.read` has no path",
        ),
        (json!({"exp": NOW - 7200}), "it expired 2 h ago"),
        (json!({"nbf": NOW + 600}), "it is valid only in 10 min"),
    ] {
        let allows = with(changes).allows;
        let expected = format!("nothing, as storage has to refuse it ({why}); otherwise:");
        assert_eq!(allows[0], expected);
        assert_eq!(allows[1], "to read /a and everything below it");
    }
    // What only the issuer did wrong takes nothing away.
    assert_eq!(
        with(json!({"jti": null})).allows[0],
        "to read /a and everything below it"
    );
    let wrong = SignatureCheck::Wrong {
        clause: "JWT-4.2-01",
        reason: "the signature is not that of the key".into(),
    };
    let token = decode(&token(&header(), &good())).unwrap();
    let now = Timestamp::from_second(NOW).unwrap();
    let inspection = judge(&token, wrong, now, Profile::default());
    assert_eq!(found(&inspection), "MUST JWT-4.2-01");
    assert!(inspection.allows[0].starts_with("nothing, "));
}

#[test]
fn rights_are_told_in_words() {
    for (scope, words) in [
        ("storage.read:/", "to read everything"),
        ("storage.read:/d/", "to read everything below /d/"),
        (
            "storage.poll:/d",
            "to ask whether /d and everything below it is on disk or on tape, and nothing more",
        ),
        (
            "storage.create:/",
            "to create files and directories anywhere, with those that lead there, and to rename files; replacing, changing and deleting take storage.modify",
        ),
        ("compute.cancel", "to cancel jobs"),
    ] {
        assert_eq!(with(json!({"scope": scope})).allows[0], words);
    }
    let host = with(json!({"scope": "host.auth", "sub": "host:a.example.org"})).allows;
    assert!(host[0].contains("host:a.example.org"), "{host:?}");
    let several = with(json!({"aud": ["https://a", "https://b"]})).allows;
    assert!(
        several.contains(
            &"only at the services that call themselves https://a or https://b".to_owned()
        )
    );
}

#[test]
fn other_kinds_are_recognised() {
    let of = |header: Value, payload: Value| judged_by(Profile::default(), &header, &payload);
    // An IAM refresh token: unsigned, with a jti alone.
    let refresh = of(json!({"alg": "none"}), json!({"jti": "de7e6c4c"}));
    assert_eq!(
        (refresh.kind, found(&refresh)),
        (TokenKind::Refresh, "note ISS-REF-05".into())
    );
    let keycloak = of(
        header(),
        json!({"typ": "Offline", "iss": "https://h", "scope": "openid"}),
    );
    assert_eq!(keycloak.kind, TokenKind::Refresh);
    let mytoken = of(
        header(),
        json!({"token_type": "mytoken", "ver": "0.6", "iss": "https://h"}),
    );
    assert_eq!(
        (mytoken.kind, found(&mytoken)),
        (TokenKind::Mytoken, "note other".into())
    );
    let id = with(json!({"scope": null, "at_hash": "x", "aud": "client"}));
    assert_eq!(
        (id.kind, found(&id)),
        (TokenKind::Id, "note JWT-2.1.3-01".into())
    );
    let old = json!({"iss": "https://h", "exp": NOW + 900, "scope": "read:/x"});
    let old = of(header(), old);
    assert_eq!(
        (old.kind, found(&old)),
        (TokenKind::SciToken, "note JWT-2.1.1-27".into())
    );
    let new = json!({"iss": "https://h", "exp": NOW + 900, "scope": "read:/a/../b", "ver": "scitoken:2.0"});
    assert_eq!(
        found(&of(header(), new)),
        "MUST other, MUST other, note JWT-2.1.1-27"
    );
    let none = json!({"iss": "https://h", "exp": NOW + 900, "ver": "scitoken:3.0"});
    assert_eq!(
        found(&of(header(), none)),
        "MUST other, MUST other, note JWT-2.1.1-27"
    );
}

#[test]
fn what_is_no_jwt_is_recognised() {
    use crate::token::Macaroon;
    let mut macaroon = Macaroon::new(b"root", "https://se", "id").unwrap();
    macaroon.add("activity:LIST,DOWNLOAD").unwrap();
    let jwe = format!(
        "{}.a.b.c.d",
        encode(&json!({"alg": "RSA-OAEP", "enc": "A256GCM"}))
    );
    let unsigned = format!("{}.{}", encode(&header()), encode(&good()));
    let bad_payload = format!("{}.!!.c2ln", encode(&header()));
    let not_json = format!("{}.bm90IGpzb24.c2ln", encode(&header()));
    let array = format!("W10.{}.c2ln", encode(&good()));
    let second = URL_SAFE_NO_PAD.encode(b"\x02\x01\x03abc");
    let huge = "A".repeat(3 << 20);
    for (text, what, class) in [
        ("", "is empty", Class::NoToken),
        (
            macaroon.text().as_str(),
            "macaroon with the caveats: activity:LIST,DOWNLOAD",
            Class::Sealed,
        ),
        (second.as_str(), "second format", Class::Sealed),
        (jwe.as_str(), "a JWE", Class::Sealed),
        (unsigned.as_str(), "without its signature", Class::Broken),
        (
            bad_payload.as_str(),
            "payload is not base64url",
            Class::Broken,
        ),
        (
            not_json.as_str(),
            "payload is not a JSON object",
            Class::Broken,
        ),
        (array.as_str(), "header is not a JSON object", Class::Broken),
        ("Bearer eyJ.a.b", "header field", Class::NoToken),
        ("-----BEGIN CERTIFICATE-----", "PEM", Class::NoToken),
        (
            "{\"access_token\":\"x\"}",
            "answer of a token endpoint",
            Class::NoToken,
        ),
        (
            "{\"payload\":\"x\",\"signatures\":[]}",
            "JWS in JSON",
            Class::NoToken,
        ),
        ("{}", "is JSON", Class::NoToken),
        ("two words", "more than one word", Class::NoToken),
        ("hvs.CAESIJ", "Vault", Class::Sealed),
        ("6f1d4c0a-opaque", "no JWT", Class::Sealed),
        ("\0\x01\u{202e}", "no JWT", Class::Sealed),
        (huge.as_str(), "larger than 64 KiB", Class::NoToken),
    ] {
        let found = decode(&SecretString::from(text)).expect_err(what);
        assert!(found.what.contains(what), "{what}: {}", found.what);
        assert_eq!(found.class, class, "{what}");
        assert!(text.len() < 8 || !found.what.contains(text), "{what}");
    }
}

#[test]
fn loose_base64_and_repeated_members_are_told() {
    let payload = good().to_string();
    let payload = format!("{{\"scope\":\"storage.modify:/\",{}", &payload[1..]);
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let text = format!("{}.{payload}.c2ln", encode(&header()));
    let now = Timestamp::from_second(NOW).unwrap();
    let token = decode(&SecretString::from(text)).unwrap();
    let inspection = judge(&token, SignatureCheck::unknown(""), now, Profile::default());
    assert_eq!(found(&inspection), "SHOULD JWT-4.2-22");
    assert_eq!(inspection.allows[0], "to read /a and everything below it");
    let padded = STANDARD.encode(r#"{"alg":"ES256","kid":"k1"}"#);
    assert!(padded.ends_with('='));
    let padded = format!("{padded}.{}.c2ln", encode(&good()));
    let token = decode(&SecretString::from(padded)).expect("it is read leniently");
    let inspection = judge(&token, SignatureCheck::unknown(""), now, Profile::default());
    assert_eq!(found(&inspection), "MUST JWT-4.2-10");
}

/// Those about issuers (ISS-) come with the suites about issuers.
#[test]
fn the_clauses_are_those_of_the_register() {
    let sources = [
        include_str!("claims.rs"),
        include_str!("groups.rs"),
        include_str!("header.rs"),
        include_str!("kind.rs"),
        include_str!("scope.rs"),
        include_str!("times.rs"),
        include_str!("../verify.rs"),
    ];
    let register = load_catalogue(&[]).unwrap().clauses;
    let mut seen = 0;
    for source in sources {
        for (at, _) in source.match_indices("JWT-") {
            let id: String = source[at..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
                .collect();
            let id = id.trim_end_matches(['-', '.']);
            let clause = register.iter().find(|clause| clause.id.as_str() == id);
            assert!(clause.is_some(), "{id} is not in the register");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn durations_are_coarse() {
    for (seconds, words) in [
        (0.0, "0 s"),
        (119.4, "119 s"),
        (2280.0, "38 min"),
        (7200.0, "2 h"),
        (7500.0, "2 h 5 min"),
        (172_800.0, "2 days"),
        (-94_608_000.0, "3 years"),
        (f64::MAX, "584942417355 years"),
        (f64::NAN, "0 s"),
    ] {
        assert_eq!(duration(seconds), words);
    }
    let now = Timestamp::from_second(NOW).unwrap();
    assert_eq!(moment(f64::MAX, now), None);
}
