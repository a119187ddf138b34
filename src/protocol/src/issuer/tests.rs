use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use touchstone_model::{
    Case, ExchangeStep, IssuerRequest, Mode, Place, PublishedDocument, RefreshStep, RevocationStep,
    RevokedToken, SubjectToken, TokenStep, Verdict,
};

const ISSUER: &str = "https://iam.example.org/";
const NOW: i64 = 1_800_000_000;

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.as_bytes().to_vec(),
        ..Answer::default()
    }
}

fn error(code: &str) -> Answer {
    answer(400, &json!({ "error": code }).to_string())
}

fn jwt(claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({"alg": "ES256", "kid": "k"});
    format!("{}.{}.c2ln", encode(&header), encode(claims))
}

/// The claims of a good token with some in the places of others; null removes.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": "me", "iss": ISSUER, "wlcg.ver": "1.0", "aud": "https://wlcg.cern.ch/jwt/v1/any",
        "jti": "3f9c21d47b6e4a55", "iat": NOW, "nbf": NOW - 60, "exp": NOW + 3600,
        "scope": "storage.read:/a",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn reply(claims: &Value, changes: Value) -> Answer {
    let mut reply =
        json!({"access_token": jwt(claims), "token_type": "Bearer", "expires_in": 3600});
    for (name, value) in changes.as_object().unwrap() {
        reply[name] = value.clone();
    }
    let mut answer = answer(200, &reply.to_string());
    answer
        .headers
        .push(("cache-control".into(), "no-store".into()));
    answer
}

fn at() -> Place {
    Place {
        file: "x".into(),
        line: 1,
    }
}

struct Bench {
    ask: IssuerStep,
    subject: IssuerSubject,
    account: Option<Account>,
    metadata: Option<Value>,
    keys: Option<Value>,
    before: Vec<Jwt>,
    held: Option<Jwt>,
    profile: Profile,
}

impl Bench {
    fn new(what: IssuerRequest) -> Self {
        Self {
            ask: IssuerStep {
                what,
                expect: Vec::new(),
                optional: false,
                at: at(),
            },
            subject: IssuerSubject {
                vo: Some("wlcg".into()),
                default_groups: vec!["/wlcg".into()],
                optional_groups: vec!["/wlcg/b".into(), "/wlcg/a".into()],
                capability_sets: vec![("/wlcg/b".into(), vec!["storage.read:/b".into()])],
                ..IssuerSubject::default()
            },
            account: None,
            metadata: None,
            keys: None,
            before: Vec::new(),
            held: None,
            profile: Profile::default(),
        }
    }

    fn scope(scope: &str) -> Self {
        Self::new(IssuerRequest::Token(TokenStep {
            scope: Some(scope.into()),
            times: 1,
            ..TokenStep::default()
        }))
    }

    /// What the word says: `pass`, `warn`, `fail`, `skip` or `error`, or the reason.
    fn says(&mut self, word: IssuerExpectation, answers: &[Answer]) -> String {
        self.ask.expect = vec![word];
        let answers: Vec<_> = answers
            .iter()
            .map(|answer| Answered {
                grant: grant(answer),
                answer: answer.clone(),
                at: Timestamp::from_second(NOW).unwrap(),
                exchange: 0,
            })
            .collect();
        let view = View {
            issuer: ISSUER,
            profile: self.profile,
            subject: &self.subject,
            ask: &self.ask,
            account: self.account.as_ref(),
            client: Some("me"),
            metadata: self.metadata.as_ref(),
            keys: self.keys.as_ref(),
            answers: &answers,
            before: &self.before,
            held: self.held.as_ref(),
            refresh: None,
        };
        let bench = crate::tests::Bench::builtin();
        let case = Case {
            id: "issuer.token.signed".parse().unwrap(),
            clauses: vec!["ISS-TOK-01".parse().unwrap()],
            ..bench.case
        };
        let (findings, mute) = super::ask(&case, &crate::tests::register::CLAUSES, &view);
        match mute {
            Some(Mute::Skip(_)) => "skip".into(),
            Some(Mute::Undecided(_)) => "error".into(),
            None => match crate::verdict(&findings, Mode::Normal) {
                Verdict::Pass => "pass".into(),
                verdict => verdict.to_string(),
            },
        }
    }
}

/// Word, claims that differ from good ones, and what the word says of them.
#[test]
fn claims_are_judged() {
    use IssuerExpectation as W;
    let long = "x".repeat(256);
    for (word, changes, verdict) in [
        (W::Claims, json!({}), "pass"),
        (W::Claims, json!({"aud": ["a", "b"]}), "pass"),
        (W::Claims, json!({"aud": [1]}), "fail"),
        (W::Claims, json!({"exp": "1800003600"}), "fail"),
        (W::Claims, json!({"jti": null}), "fail"),
        (W::Version, json!({}), "pass"),
        (W::Version, json!({"wlcg.ver": "1.3"}), "warn"),
        (W::Version, json!({"wlcg.ver": "2.0"}), "fail"),
        (W::Version, json!({"wlcg.ver": 1.0}), "fail"),
        (W::Version, json!({"wlcg.ver": "1."}), "fail"),
        (W::KnownVersion, json!({"wlcg.ver": "9.9"}), "fail"),
        (W::KnownVersion, json!({}), "pass"),
        (W::IssuerUrl, json!({}), "pass"),
        (
            W::IssuerUrl,
            json!({"iss": "http://iam.example.org/"}),
            "fail",
        ),
        (
            W::IssuerUrl,
            json!({"iss": "https://iam.example.org/?a"}),
            "fail",
        ),
        (W::IssuerExact, json!({}), "pass"),
        (
            W::IssuerExact,
            json!({"iss": "https://iam.example.org"}),
            "fail",
        ),
        (W::SubjectForm, json!({}), "pass"),
        (W::SubjectForm, json!({"sub": "é"}), "fail"),
        (W::SubjectForm, json!({"sub": long}), "fail"),
        (W::SubjectForm, json!({"sub": ""}), "fail"),
        (W::Anonymous, json!({"sub": "7d3c-1f6e"}), "pass"),
        (W::Anonymous, json!({"sub": "me@example.org"}), "fail"),
        (W::Anonymous, json!({"sub": "/DC=org/CN=Me"}), "fail"),
        (W::Lifetime, json!({}), "pass"),
        (W::Lifetime, json!({"exp": NOW + 900}), "pass"),
        (W::Lifetime, json!({"exp": NOW + 100_000}), "fail"),
        (W::NotBefore, json!({"nbf": null}), "pass"),
        (W::NotBefore, json!({}), "pass"),
        (W::NotBefore, json!({"nbf": NOW + 1}), "fail"),
        (W::NotBefore, json!({"nbf": NOW - 301}), "fail"),
        (W::IssuedNow, json!({}), "pass"),
        (W::IssuedNow, json!({"iat": NOW - 61}), "fail"),
        (W::ExpiresIn, json!({}), "pass"),
        (W::ExpiresIn, json!({"exp": NOW + 3594}), "fail"),
        (W::HasAudience, json!({}), "pass"),
        (W::HasAudience, json!({"aud": []}), "fail"),
        (W::HasAudience, json!({"aud": null}), "fail"),
        (W::HasRights, json!({"scope": null}), "fail"),
        (
            W::HasRights,
            json!({"scope": null, "wlcg.groups": ["/wlcg"]}),
            "pass",
        ),
        (W::Small, json!({}), "pass"),
        (W::Small, json!({"more": "x".repeat(2000)}), "fail"),
        (W::ClientSubject, json!({}), "pass"),
        (W::ClientSubject, json!({"sub": "you"}), "fail"),
        (W::ScopeForm, json!({"scope": "a b"}), "pass"),
        (W::ScopeForm, json!({"scope": "a  b"}), "fail"),
        (W::ScopeForm, json!({"scope": "a a"}), "fail"),
        (W::ScopeForm, json!({"scope": ["a"]}), "fail"),
        (
            W::ScopeForm,
            json!({"scope": "storage.read:/a,storage.read:/b"}),
            "fail",
        ),
        (W::StoragePaths, json!({}), "pass"),
        (W::StoragePaths, json!({"scope": "storage.read:/"}), "pass"),
        (W::StoragePaths, json!({"scope": "storage.read"}), "fail"),
        (
            W::StoragePaths,
            json!({"scope": "storage.read:/a//b"}),
            "fail",
        ),
        (
            W::StoragePaths,
            json!({"scope": "storage.read:/a/%2E./b"}),
            "fail",
        ),
        (
            W::StoragePaths,
            json!({"scope": "storage.read:/a%2"}),
            "fail",
        ),
        (W::ScopeAsAsked, json!({}), "pass"),
        (
            W::ScopeAsAsked,
            json!({"scope": "storage.read:/a storage.read:/"}),
            "fail",
        ),
        (
            W::NoMore,
            json!({"scope": "openid storage.read:/a/b"}),
            "pass",
        ),
        (W::NoMore, json!({"scope": "storage.read:/ab"}), "fail"),
        (W::NoMore, json!({"scope": "STORAGE.READ:/a"}), "fail"),
        (W::NoMore, json!({"scope": "storage.read:/a/../b"}), "fail"),
        (W::NoMore, json!({"wlcg.groups": ["/wlcg"]}), "fail"),
        (W::HostScope, json!({}), "fail"),
        (W::HostScope, json!({"scope": "host.auth"}), "pass"),
        (W::NoGroups, json!({}), "pass"),
        (W::NoGroups, json!({"wlcg.groups": ["/wlcg"]}), "fail"),
        (
            W::GroupsForm,
            json!({"wlcg.groups": ["/wlcg", "/wlcg/a-b_c.d"]}),
            "pass",
        ),
        (W::GroupsForm, json!({"wlcg.groups": ["wlcg"]}), "fail"),
        (W::GroupsForm, json!({"wlcg.groups": "/wlcg"}), "fail"),
        (
            W::GroupsForm,
            json!({"wlcg.groups": ["/wlcg", "/wlcg"]}),
            "fail",
        ),
        (W::GroupsForm, json!({"wlcg.groups": ["/wlcg/"]}), "fail"),
        (
            W::GroupsOfVo,
            json!({"wlcg.groups": ["/wlcg", "/wlcg/a"]}),
            "pass",
        ),
        (W::GroupsOfVo, json!({"wlcg.groups": ["/wlcgx"]}), "fail"),
        (
            W::NoForeignGroups,
            json!({"wlcg.groups": ["/wlcg/a"]}),
            "pass",
        ),
        (
            W::NoForeignGroups,
            json!({"wlcg.groups": ["/WLCG"]}),
            "fail",
        ),
        (W::Assurance, json!({}), "fail"),
        (
            W::Assurance,
            json!({"acr": "x", "eduperson_assurance": ["https://refeds.org/a"]}),
            "pass",
        ),
    ] {
        let claims = claims(changes);
        let says = Bench::scope("storage.read:/a").says(word, &[reply(&claims, json!({}))]);
        assert_eq!(says, verdict, "{} of {claims}", word.as_str());
    }
}

#[test]
fn eight_hours_are_too_long_for_the_first_version_alone() {
    let answers = [reply(&claims(json!({"exp": NOW + 8 * 3600})), json!({}))];
    let mut bench = Bench::scope("a");
    bench.profile = Profile::V1_0;
    assert_eq!(bench.says(IssuerExpectation::Lifetime, &answers), "fail");
}

#[test]
fn replies_are_judged() {
    use IssuerExpectation as W;
    let good = reply(&claims(json!({})), json!({}));
    let html = Answer {
        headers: vec![("content-type".into(), "text/html".into())],
        ..answer(200, "<html>")
    };
    let mut cached = good.clone();
    cached.headers.pop();
    let busy = answer(503, "");
    for (word, answer, verdict) in [
        (W::Reply, &good, "pass"),
        (
            W::Reply,
            &reply(&claims(json!({})), json!({"token_type": "bearer"})),
            "pass",
        ),
        (
            W::Reply,
            &reply(&claims(json!({})), json!({"token_type": "JWT"})),
            "fail",
        ),
        (W::Reply, &html, "fail"),
        (W::Reply, &error("invalid_scope"), "skip"),
        (W::Reply, &busy, "error"),
        (W::Uncached, &good, "pass"),
        (W::Uncached, &cached, "fail"),
        (W::Uncached, &html, "error"),
        (W::Granted, &good, "pass"),
        (W::Granted, &error("invalid_scope"), "fail"),
        (W::Granted, &html, "error"),
        (W::Refused, &good, "fail"),
        (W::Refused, &error("invalid_grant"), "pass"),
        (W::Refused, &busy, "error"),
        (W::Refused, &html, "error"),
        (W::ErrorJson, &error("invalid_grant"), "pass"),
        (W::ErrorJson, &error("nonsense"), "fail"),
        (
            W::ErrorJson,
            &answer(500, r#"{"error":"invalid_grant"}"#),
            "fail",
        ),
        (
            W::ErrorJson,
            &answer(401, r#"{"error":"invalid_client"}"#),
            "pass",
        ),
        (
            W::ErrorJson,
            &answer(401, r#"{"error":"invalid_scope"}"#),
            "fail",
        ),
        (W::ErrorJson, &answer(400, "no"), "fail"),
        (W::InvalidGrant, &error("invalid_grant"), "pass"),
        (W::InvalidGrant, &error("invalid_scope"), "warn"),
        (W::AccessDenied, &error("access_denied"), "pass"),
        (W::AccessDenied, &error("invalid_scope"), "warn"),
        (W::AccessDenied, &good, "fail"),
        (
            W::AccessDenied,
            &reply(&claims(json!({})), json!({"scope": "openid"})),
            "warn",
        ),
        (W::DifferenceTold, &error("invalid_scope"), "pass"),
        (W::DifferenceTold, &good, "fail"),
        (
            W::DifferenceTold,
            &reply(&claims(json!({})), json!({"scope": "storage.read:/a"})),
            "pass",
        ),
        (
            W::DifferenceTold,
            &reply(&claims(json!({})), json!({"scope": "storage.read:/"})),
            "fail",
        ),
        // Whoever is no client at all was found out by a plain request before.
        (W::Signed, &error("invalid_client"), "skip"),
        (W::Claims, &error("invalid_scope"), "skip"),
    ] {
        let says = Bench::scope("storage.read:/a storage.read:/b")
            .says(word, std::slice::from_ref(answer));
        assert_eq!(says, verdict, "{} of {answer:?}", word.as_str());
    }
}

#[test]
fn groups_follow_the_request() {
    let groups = |list: &[&str]| [reply(&claims(json!({ "wlcg.groups": list })), json!({}))];
    let order = IssuerExpectation::GroupsInOrder;
    for (scope, right) in [
        ("wlcg.groups", &["/wlcg"][..]),
        (
            "wlcg.groups:/wlcg/b wlcg.groups:/wlcg/a",
            &["/wlcg/b", "/wlcg/a", "/wlcg"],
        ),
        ("wlcg.groups wlcg.groups:/wlcg/b", &["/wlcg", "/wlcg/b"]),
        ("wlcg.groups:/wlcg/b wlcg.groups", &["/wlcg/b", "/wlcg"]),
        (
            "wlcg.groups:/wlcg wlcg.groups:/wlcg/b",
            &["/wlcg", "/wlcg/b"],
        ),
    ] {
        assert_eq!(
            Bench::scope(scope).says(order, &groups(right)),
            "pass",
            "{scope}"
        );
        let mut other: Vec<&str> = right.to_vec();
        other.reverse();
        let reversed = Bench::scope(scope).says(IssuerExpectation::GroupsAsAsked, &groups(&other));
        assert_eq!(reversed, "pass", "{scope}");
        if right.len() > 1 {
            assert_eq!(
                Bench::scope(scope).says(order, &groups(&other)),
                "fail",
                "{scope}"
            );
        }
        let more = [right, &["/wlcg/x"]].concat();
        assert_eq!(
            Bench::scope(scope).says(IssuerExpectation::GroupsAsAsked, &groups(&more)),
            "fail"
        );
    }
}

#[test]
fn audiences_are_compared_as_urls() {
    let says = |asked: &[&str], got: Value| {
        let mut bench = Bench::new(IssuerRequest::Token(TokenStep {
            audience: asked.iter().map(|one| (*one).to_owned()).collect(),
            ..TokenStep::default()
        }));
        bench.says(
            IssuerExpectation::AudienceAsAsked,
            &[reply(&claims(json!({ "aud": got })), json!({}))],
        )
    };
    assert_eq!(
        says(&["https://SE.example:443"], json!("https://se.example/")),
        "pass"
    );
    assert_eq!(
        says(&["https://se.example"], json!(["https://se.example"])),
        "warn"
    );
    assert_eq!(
        says(&["https://se.example:8443"], json!("https://se.example")),
        "fail"
    );
    assert_eq!(
        says(
            &["https://a", "https://b"],
            json!(["https://b", "https://a"])
        ),
        "pass"
    );
    assert_eq!(
        says(&["https://a", "https://b"], json!(["https://a"])),
        "fail"
    );
}

#[test]
fn ids_are_told_apart() {
    let ids = |ids: &[&str]| {
        let answers: Vec<_> = ids
            .iter()
            .map(|id| reply(&claims(json!({ "jti": id })), json!({})))
            .collect();
        Bench::scope("a").says(IssuerExpectation::UniqueIds, &answers)
    };
    assert_eq!(
        ids(&["3f9c21d47b6e4a5577aa", "90b1e6c2d3f4a5b6c7d8", "a1"]),
        "pass"
    );
    assert_eq!(
        ids(&["3f9c21d47b6e4a5577aa", "3f9c21d47b6e4a5577aa"]),
        "fail"
    );
    assert_eq!(ids(&["1", "2", "3"]), "warn");
    assert_eq!(ids(&["x"]), "error");
}

#[test]
fn tokens_made_of_others_are_not_wider() {
    let held = Jwt::of(&jwt(&claims(json!({})))).unwrap();
    for what in [
        IssuerRequest::Exchange(ExchangeStep {
            subject: SubjectToken::Last,
            scope: None,
            audience: Vec::new(),
        }),
        IssuerRequest::Refresh(RefreshStep {
            token: touchstone_model::SpareToken::Last,
            scope: None,
            proof: touchstone_model::ClientProof::Good,
        }),
    ] {
        let mut bench = Bench::new(what);
        bench.held = Some(held.clone());
        let mut says = |changes: Value| {
            bench.says(
                IssuerExpectation::NotWider,
                &[reply(&claims(changes), json!({}))],
            )
        };
        assert_eq!(says(json!({"scope": "storage.read:/a/b"})), "pass");
        assert_eq!(says(json!({"scope": "storage.read:/ab"})), "fail");
        assert_eq!(says(json!({"scope": "storage.modify:/a"})), "fail");
        assert_eq!(says(json!({"wlcg.groups": ["/wlcg"]})), "fail");
        assert_eq!(
            bench.says(IssuerExpectation::NotWider, &[error("invalid_scope")]),
            "pass"
        );
        bench.held = None;
        let good = [reply(&claims(json!({})), json!({}))];
        assert_eq!(bench.says(IssuerExpectation::NotWider, &good), "error");
    }
}

#[test]
fn an_exchange_that_a_client_may_not_make_is_not_judged() {
    let mut exchange = Bench::new(IssuerRequest::Exchange(ExchangeStep {
        subject: SubjectToken::Last,
        scope: Some("storage.read:/a".into()),
        audience: Vec::new(),
    }));
    let word = IssuerExpectation::Granted;
    for code in ["unauthorized_client", "unsupported_grant_type"] {
        assert_eq!(exchange.says(word, &[error(code)]), "skip", "{code}");
    }
    for code in ["invalid_scope", "invalid_request", "access_denied"] {
        assert_eq!(exchange.says(word, &[error(code)]), "fail", "{code}");
    }
    let good = reply(&claims(json!({})), json!({}));
    assert_eq!(exchange.says(word, &[good]), "pass");
    // That is about exchanges alone.
    let mut token = Bench::scope("storage.read:/a");
    for code in ["unauthorized_client", "unsupported_grant_type"] {
        assert_eq!(token.says(word, &[error(code)]), "fail", "{code}");
    }
}

#[test]
fn entitlements_and_sets_are_bounds() {
    let mut bench = Bench::scope("wlcg.capabilityset:/wlcg/b storage.read:/x");
    let set = |scope: &str| [reply(&claims(json!({ "scope": scope })), json!({}))];
    let word = IssuerExpectation::SetComplete;
    assert_eq!(
        bench.says(word, &set("storage.read:/b storage.read:/x")),
        "pass"
    );
    assert_eq!(bench.says(word, &set("storage.read:/x")), "fail");
    let more = "storage.read:/b storage.read:/x storage.modify:/";
    assert_eq!(bench.says(word, &set(more)), "fail");
    assert_eq!(
        bench.says(IssuerExpectation::NotBeyond, &set("storage.read:/x")),
        "skip"
    );
    let source = touchstone_model::TokenSource::BearerDiscovery;
    bench.account = Some(Account {
        scopes: Some(vec!["storage.read:/x".into()]),
        ..Account::only(source)
    });
    assert_eq!(
        bench.says(IssuerExpectation::NotBeyond, &set("storage.read:/x/y")),
        "pass"
    );
    assert_eq!(
        bench.says(IssuerExpectation::NotBeyond, &set("storage.read:/xy")),
        "fail"
    );
    assert_eq!(bench.says(IssuerExpectation::NoSet, &set("openid")), "pass");
    assert_eq!(
        bench.says(IssuerExpectation::NoSet, &set("storage.read:/b")),
        "fail"
    );
}

#[test]
fn metadata_are_judged() {
    use IssuerExpectation as W;
    let good = json!({
        "issuer": ISSUER, "jwks_uri": "https://iam.example.org/jwk",
        "token_endpoint": "https://iam.example.org/token",
        "grant_types_supported": [
            "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "scopes_supported": ["openid", "storage.read:/"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    });
    for (word, member, value, verdict) in [
        (W::Document, "x", json!(1), "pass"),
        (W::NamesIssuer, "x", json!(1), "pass"),
        (
            W::NamesIssuer,
            "issuer",
            json!("https://iam.example.org"),
            "fail",
        ),
        (W::NamesKeys, "jwks_uri", json!("/jwk"), "fail"),
        (W::NamesKeys, "x", json!(1), "pass"),
        (W::HttpsOnly, "x_endpoint", json!("http://x/"), "fail"),
        (W::HttpsOnly, "x_endpoint", json!("https://u:p@x/"), "fail"),
        (W::HttpsOnly, "x_uri", json!("http://x/"), "pass"),
        (W::NamesGrants, "x", json!(1), "pass"),
        (
            W::NamesGrants,
            "grant_types_supported",
            json!(["refresh_token"]),
            "fail",
        ),
        (W::NamesScopes, "x", json!(1), "pass"),
        (W::NamesScopes, "scopes_supported", json!(["a b"]), "fail"),
        (
            W::NamesScopes,
            "scopes_supported",
            json!(["a", "a"]),
            "fail",
        ),
        (W::NamesScopes, "scopes_supported", json!("a"), "fail"),
        (W::NamesAuthentication, "x", json!(1), "pass"),
        (
            W::NamesAuthentication,
            "token_endpoint_auth_methods_supported",
            json!(["none"]),
            "fail",
        ),
        (W::NamesRevocation, "x", json!(1), "fail"),
        (W::NotServed, "x", json!(1), "fail"),
        (W::SameIfServed, "x", json!(1), "warn"),
        (W::Same, "x", json!(1), "fail"),
    ] {
        let mut document = good.clone();
        document[member] = value;
        let mut bench = Bench::new(IssuerRequest::Metadata(PublishedDocument::Shared));
        bench.metadata = Some(good.clone());
        let says = bench.says(word, &[answer(200, &document.to_string())]);
        assert_eq!(says, verdict, "{} of {document}", word.as_str());
    }
    let mut bench = Bench::new(IssuerRequest::Metadata(PublishedDocument::Shared));
    bench.metadata = Some(good.clone());
    let same = [answer(200, &good.to_string())];
    assert_eq!(bench.says(W::Same, &same), "pass");
    assert_eq!(bench.says(W::SameIfServed, &[answer(404, "")]), "pass");
    assert_eq!(bench.says(W::NotServed, &[answer(301, "")]), "pass");
    for odd in [answer(404, ""), answer(200, "<html>"), answer(200, "[]")] {
        assert_eq!(bench.says(W::Document, std::slice::from_ref(&odd)), "fail");
        assert_eq!(bench.says(W::NamesIssuer, &[odd]), "error");
    }
}

#[test]
fn keys_are_judged() {
    use IssuerExpectation as W;
    let pem = rcgen::KeyPair::generate().unwrap();
    let key = jsonwebtoken::EncodingKey::from_ec_pem(pem.serialize_pem().as_bytes()).unwrap();
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::ES256);
    let mut good = json!(jwk.unwrap());
    good["kid"] = json!("k");
    let rsa = |bits: usize, exponent: &str| {
        let modulus = URL_SAFE_NO_PAD.encode(vec![0xff; bits / 8]);
        json!({"kty": "RSA", "kid": "r", "n": modulus, "e": exponent})
    };
    let with = |member: &str, value: Value| {
        let mut key = good.clone();
        key[member] = value;
        key
    };
    let mut of_another_type = rsa(2048, "AQAB");
    of_another_type["kid"] = good["kid"].clone();
    let zero = URL_SAFE_NO_PAD.encode([1; 32]);
    for (word, keys, verdict) in [
        (W::KeySet, json!([good]), "pass"),
        (W::KeySet, json!([]), "fail"),
        (W::KeySet, json!([with("x", json!(zero))]), "fail"),
        (W::KeySet, json!([with("x", json!("AQ=="))]), "fail"),
        (W::KeySet, json!([with("kty", Value::Null)]), "fail"),
        (W::KeyIds, json!([good, rsa(2048, "AQAB")]), "pass"),
        (W::KeyIds, json!([good, good]), "fail"),
        (W::KeyIds, json!([good, of_another_type]), "warn"),
        (W::KeyIds, json!([with("kid", Value::Null)]), "fail"),
        (W::PublicOnly, json!([good]), "pass"),
        (W::PublicOnly, json!([with("d", json!("AA"))]), "fail"),
        (W::PublicOnly, json!([{"kty": "oct", "kid": "o"}]), "fail"),
        (W::StrongKeys, json!([good, rsa(2048, "AQAB")]), "pass"),
        (W::StrongKeys, json!([rsa(1024, "AQAB")]), "fail"),
        (W::StrongKeys, json!([rsa(2048, "AQ")]), "fail"),
        (W::StrongKeys, json!([rsa(2048, "BA")]), "fail"),
        (W::StrongKeys, json!([rsa(2048, "Aw")]), "warn"),
        (
            W::StrongKeys,
            json!([with("crv", json!("secp256k1"))]),
            "fail",
        ),
        (W::UsableKey, json!([good]), "pass"),
        (W::UsableKey, json!([with("alg", json!("ES384"))]), "fail"),
        (W::UsableKey, json!([with("use", json!("enc"))]), "fail"),
        (
            W::UsableKey,
            json!([with("key_ops", json!(["verify", "sign"]))]),
            "pass",
        ),
        (
            W::UsableKey,
            json!([with("key_ops", json!(["encrypt"]))]),
            "fail",
        ),
        (
            W::UsableKey,
            json!([with("key_ops", json!("verify"))]),
            "fail",
        ),
    ] {
        let body = json!({ "keys": keys }).to_string();
        let says = Bench::new(IssuerRequest::Keys(PublishedDocument::Shared))
            .says(word, &[answer(200, &body)]);
        assert_eq!(says, verdict, "{} of {body}", word.as_str());
    }
    for (header, value, verdict) in [
        ("cache-control", "public, max-age=3600", "pass"),
        ("cache-control", "max-age=60", "fail"),
        ("cache-control", "max-age=31536000", "fail"),
        ("cache-control", "no-store", "fail"),
        ("expires", "Fri, 15 Jan 2027 10:00:00 GMT", "pass"),
        ("x", "y", "fail"),
    ] {
        let mut answer = answer(200, r#"{"keys":[]}"#);
        answer.headers.push((header.into(), value.into()));
        let says = Bench::new(IssuerRequest::Keys(PublishedDocument::Shared))
            .says(W::KeptAWhile, &[answer]);
        assert_eq!(says, verdict, "{header}: {value}");
    }
}

#[test]
fn what_is_beside_the_token_endpoint_is_judged() {
    use IssuerExpectation as W;
    let mut revoke = Bench::new(IssuerRequest::Revoke(RevocationStep {
        token: RevokedToken::Unknown,
        proof: touchstone_model::ClientProof::None,
    }));
    assert_eq!(revoke.says(W::Refused, &[answer(200, "")]), "fail");
    assert_eq!(revoke.says(W::Refused, &[error("invalid_client")]), "pass");
    assert_eq!(revoke.says(W::Accepted, &[answer(200, "")]), "pass");
    assert_eq!(revoke.says(W::Accepted, &[error("x")]), "fail");
    let mut device = Bench::new(IssuerRequest::Device {
        scope: "openid".into(),
    });
    let good = json!({"device_code": "d", "user_code": "u", "verification_uri": "https://x/", "expires_in": 600});
    assert_eq!(
        device.says(W::DeviceReply, &[answer(200, &good.to_string())]),
        "pass"
    );
    let mut bare = good.clone();
    bare["user_code"] = Value::Null;
    assert_eq!(
        device.says(W::DeviceReply, &[answer(200, &bare.to_string())]),
        "fail"
    );
    let mut poll = Bench::new(IssuerRequest::Poll);
    assert_eq!(
        poll.says(W::Pending, &[error("authorization_pending")]),
        "pass"
    );
    assert_eq!(poll.says(W::Pending, &[error("access_denied")]), "fail");
    assert_eq!(
        poll.says(W::Pending, &[reply(&claims(json!({})), json!({}))]),
        "fail"
    );
    let mut userinfo = Bench::new(IssuerRequest::Userinfo(
        touchstone_model::UserInfoBearer::Refresh,
    ));
    assert_eq!(
        userinfo.says(W::Unauthenticated, &[answer(401, "")]),
        "pass"
    );
    assert_eq!(
        userinfo.says(W::Unauthenticated, &[answer(200, "{}")]),
        "fail"
    );
}

#[test]
fn tokens_stay_out_of_what_is_kept() {
    let answer = reply(
        &claims(json!({})),
        json!({"refresh_token": "canary-refresh", "id_token": "canary.id"}),
    );
    let grant = grant(&answer).unwrap();
    let shown = format!("{grant:?}");
    assert!(
        !shown.contains("canary") && !shown.contains("eyJ"),
        "{shown}"
    );
    assert!(!grant.members.contains_key("access_token"));
}
