use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::ExposeSecret;

use super::*;
use touchstone_model::redact::Redactor;
use touchstone_model::{
    ANY_AUDIENCE, Account, Alteration, Audience, ClientAuthentication, Inventory, Issuer,
    OAuthClient, SecretRef, Signature, TestKey, TokenRequest, TokenSource, Trust,
};
use touchstone_reference::{Authority, IssuerOptions};

/// The embedded issuer, and what a configuration says of it.
struct Bench {
    authority: Authority,
    embedded: touchstone_reference::ReferenceIssuer,
}

impl Bench {
    async fn new() -> Self {
        let authority = Authority::new().unwrap();
        let embedded =
            touchstone_reference::ReferenceIssuer::start(&authority, IssuerOptions::default())
                .await
                .unwrap();
        Self {
            authority,
            embedded,
        }
    }

    fn issuer(&self) -> Issuer {
        Issuer {
            accounts: vec![self.client(ClientAuthentication::Basic)],
            ca: vec![Trust::Pem(self.authority.ca_pem().to_owned())],
            ..Issuer::bare("iam", self.embedded.url())
        }
    }

    fn client(&self, authentication: fn(SecretRef) -> ClientAuthentication) -> Account {
        let secret = SecretRef::Held(self.embedded.client_secret().clone());
        Account::only(TokenSource::ClientCredentials(OAuthClient {
            id: SecretRef::Held(self.embedded.client_id().into()),
            authentication: authentication(secret),
        }))
    }

    fn key(&self) -> TestKey {
        TestKey {
            pem: SecretRef::Held(self.embedded.test_key_pem().clone()),
            kid: Some(self.embedded.test_key_id().to_owned()),
        }
    }
}

fn given(token: SecretString) -> Account {
    Account::only(TokenSource::Given {
        token: SecretRef::Held(token),
    })
}

fn broker(issuer: Issuer) -> Broker {
    let inventory = Inventory {
        downtimes: Vec::new(),
        issuers: vec![Arc::new(issuer)],
        endpoints: Vec::new(),
    };
    Broker::new(&inventory, &["iam"], &Redactor::default()).unwrap()
}

fn request(scopes: &str) -> TokenRequest {
    TokenRequest::good(
        "iam".into(),
        scopes.split_ascii_whitespace().map(str::to_owned).collect(),
        Audience::One(ANY_AUDIENCE.into()),
    )
}

async fn message(issuer: Issuer, request: &TokenRequest) -> String {
    broker(issuer)
        .token(request, Fit::Exact)
        .await
        .unwrap_err()
        .to_string()
}

#[tokio::test]
async fn client_credentials_bring_what_was_asked_for() {
    let bench = Bench::new().await;
    for authentication in [ClientAuthentication::Basic, ClientAuthentication::Body] {
        let mut issuer = bench.issuer();
        issuer.accounts = vec![bench.client(authentication)];
        let mut request = request("storage.read:/a storage.create:/b");
        request.audience = Audience::Many(vec![
            "https://a.example.org".into(),
            "https://b.example.org".into(),
        ]);
        request.groups = vec!["/wlcg/test".into()];
        let token = broker(issuer).token(&request, Fit::Exact).await.unwrap();
        let claims = claims(&token.secret).unwrap();
        assert_eq!(claims.text("iss"), Some(bench.embedded.url()));
        assert_eq!(claims.text("jti"), token.shown.jti.as_deref());
        assert!(token.shown.how.contains("grant_type=client_credentials"));
        assert!(!format!("{token:?}").contains(token.secret.expose_secret()));
    }
}

#[tokio::test]
async fn a_token_is_asked_for_once() {
    let bench = Bench::new().await;
    let broker = broker(bench.issuer());
    let (read, create) = (request("storage.read:/"), request("storage.create:/"));
    let asked = (0..40).map(|n| broker.token(if n % 2 == 0 { &read } else { &create }, Fit::Exact));
    let tokens = futures_util::future::join_all(asked).await;
    let ids: std::collections::BTreeSet<_> = tokens
        .into_iter()
        .map(|token| token.unwrap().shown.jti.clone())
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
}

#[tokio::test]
async fn altered_tokens_are_made_with_the_key_and_others_are_not() {
    let bench = Bench::new().await;
    let mut issuer = bench.issuer();
    let mut altered = request("storage.read:/");
    altered.claims = BTreeMap::from([
        ("aud".to_owned(), Alteration::Remove),
        ("exp".to_owned(), Alteration::FromNow(-600_000)),
        ("sub".to_owned(), Alteration::Value(42.into())),
    ]);
    let without = message(issuer.clone(), &altered).await;
    assert!(
        without.contains("only a test issuer whose key we hold"),
        "{without}"
    );
    issuer.test_keys = vec![bench.key()];
    let broker = broker(issuer);
    let made = claims(&broker.token(&altered, Fit::Exact).await.unwrap().secret).unwrap();
    assert_eq!(made.text("aud"), None);
    assert!(made.expires().unwrap() < jiff::Timestamp::now());
    assert_eq!(made.text("sub"), None, "it is a number");
    let honest = broker
        .token(&request("storage.read:/"), Fit::Exact)
        .await
        .unwrap();
    assert!(
        honest.shown.how.contains("client_credentials"),
        "it came from the issuer"
    );
}

#[tokio::test]
async fn a_key_alone_makes_all_tokens() {
    let bench = Bench::new().await;
    for pem in [bench.embedded.test_key_pem(), bench.embedded.rsa_key_pem()] {
        let mut issuer = bench.issuer();
        issuer.accounts.clear();
        issuer.test_keys = vec![TestKey {
            pem: SecretRef::Held(pem.clone()),
            kid: None,
        }];
        let token = broker(issuer)
            .token(&request("storage.read:/"), Fit::Exact)
            .await
            .unwrap();
        let header = jsonwebtoken::decode_header(token.secret.expose_secret()).unwrap();
        let kids = [bench.embedded.test_key_id(), bench.embedded.rsa_key_id()];
        assert!(
            kids.contains(&header.kid.unwrap().as_str()),
            "its thumbprint is the key's id"
        );
    }
    let mut issuer = bench.issuer();
    issuer.test_keys = vec![TestKey {
        pem: SecretRef::Held("no key".into()),
        kid: None,
    }];
    let inventory = Inventory {
        downtimes: Vec::new(),
        issuers: vec![Arc::new(issuer)],
        endpoints: Vec::new(),
    };
    let error = Broker::new(&inventory, &["iam"], &Redactor::default())
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("neither an EC P-256 nor an RSA private key"),
        "{error}"
    );
}

#[tokio::test]
async fn a_given_token_is_what_it_is() {
    let bench = Bench::new().await;
    let wide = request("storage.read:/ storage.modify:/");
    let token = broker(bench.issuer())
        .token(&wide, Fit::Exact)
        .await
        .unwrap();
    let mut issuer = bench.issuer();
    issuer.accounts = vec![given(token.secret.clone())];
    let broker = broker(issuer);
    broker.token(&wide, Fit::Exact).await.unwrap();
    broker
        .token(&request("storage.read:/x"), Fit::AtLeast)
        .await
        .unwrap();
    let refused = broker
        .token(&request("storage.read:/"), Fit::Exact)
        .await
        .unwrap_err();
    assert!(refused.refused());
    assert!(
        refused
            .to_string()
            .contains("the token also holds storage.modify:/; its source gives what it has"),
        "{refused}"
    );
}

/// The header of the token that is made for such a request, and how long its signature is.
async fn made(broker: &Broker, request: &TokenRequest) -> (serde_json::Value, usize) {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    let token = broker.token(request, Fit::Exact).await.unwrap();
    let parts = token.secret.expose_secret().split('.');
    let parts: Vec<_> = parts
        .map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap())
        .collect();
    (serde_json::from_slice(&parts[0]).unwrap(), parts[2].len())
}

#[tokio::test]
async fn each_forgery_has_the_key_that_it_is_about_whichever_comes_first() {
    let bench = Bench::new().await;
    let key = |pem: &SecretString| TestKey {
        pem: SecretRef::Held(pem.clone()),
        kid: None,
    };
    let (ec, rsa) = (bench.embedded.test_key_pem(), bench.embedded.rsa_key_pem());
    let (ec_id, rsa_id) = (bench.embedded.test_key_id(), bench.embedded.rsa_key_id());
    for keys in [[ec, rsa], [rsa, ec]] {
        let mut issuer = bench.issuer();
        issuer.accounts.clear();
        issuer.test_keys = keys.map(key).to_vec();
        let broker = broker(issuer);
        let of = |signature, kind| TokenRequest {
            signature,
            key: kind,
            ..request("storage.read:/")
        };
        // What is about the numbers of ES256 is made of a token with ES256.
        for signature in [Signature::Der, Signature::Order] {
            let (header, length) = made(&broker, &of(signature, None)).await;
            assert_eq!(header["kid"], ec_id);
            assert!((64..80).contains(&length), "{length}");
        }
        for (kind, id, other, length) in [
            (Signature::Es256, ec_id, "RS256", 256),
            (Signature::Rs256, rsa_id, "ES256", 64),
        ] {
            let (header, own) = made(&broker, &of(Signature::Flipped, Some(kind))).await;
            assert_eq!((header["kid"].as_str(), own), (Some(id), 320 - length));
            let (header, signed) = made(&broker, &of(Signature::Other, Some(kind))).await;
            assert_eq!(
                (header["kid"].as_str(), header["alg"].as_str(), signed),
                (Some(id), Some(other), length)
            );
            let mut altered = of(Signature::Good, Some(kind));
            let value = Alteration::Value("x".into());
            altered.header.insert("typ".to_owned(), value);
            let (header, signed) = made(&broker, &altered).await;
            assert_eq!((header["kid"].as_str(), signed), (Some(id), 320 - length));
        }
    }
    let mut issuer = bench.issuer();
    issuer.accounts.clear();
    issuer.test_keys = vec![key(ec)];
    let mut other = request("storage.read:/");
    other.signature = Signature::Other;
    let told = message(issuer, &other).await;
    assert!(told.contains("no second `test-key` is at hand"), "{told}");
}

/// Or the storage would refuse it for its age, and the case would pass for nothing.
#[tokio::test]
async fn what_is_made_of_a_token_lives_no_longer() {
    let bench = Bench::new().await;
    let good = broker(bench.issuer())
        .token(&request("storage.read:/"), Fit::Exact)
        .await
        .unwrap();
    let end = claims(&good.secret).unwrap().expires().unwrap();
    let mut unsigned = request("storage.read:/");
    unsigned.signature = Signature::Missing;

    let mut taken_apart = bench.issuer();
    taken_apart.accounts = vec![given(good.secret.clone())];
    let mut minted = bench.issuer();
    minted.test_keys = vec![bench.key()];
    for issuer in [taken_apart, minted] {
        let redactor = Redactor::default();
        let cache = cache::TokenCache::new(&Arc::new(issuer), &redactor).unwrap();
        let (made, renew) = cache
            .obtain(&unsigned, None, &redactor, cache::Age::Kept)
            .await
            .unwrap();
        assert!(claims(&made.secret).is_err(), "its end cannot be read");
        let renew = renew.expect("it has an end all the same");
        assert!(renew <= end, "{renew} is after {end}");
    }
}

#[tokio::test]
async fn what_goes_wrong_at_the_issuer_is_told() {
    let bench = Bench::new().await;
    let read = request("storage.read:/");

    let mut issuer = bench.issuer();
    issuer.accounts = vec![Account::only(TokenSource::ClientCredentials(OAuthClient {
        id: SecretRef::Held("nobody".into()),
        authentication: ClientAuthentication::Basic(SecretRef::Held("wrong".into())),
    }))];
    let text = message(issuer, &read).await;
    assert!(
        text.contains("it answered 401 \"invalid_client\"") && text.contains("check client id"),
        "{text}"
    );

    let mut issuer = bench.issuer();
    issuer.url = issuer.url.trim_end_matches('/').to_owned();
    let text = message(issuer, &read).await;
    assert!(
        text.contains("it calls itself") && text.contains("character by character"),
        "{text}"
    );

    let mut issuer = bench.issuer();
    issuer.ca.clear();
    let text = message(issuer, &read).await;
    assert!(
        text.contains("no connection") && text.contains("certificate"),
        "{text}"
    );

    let mut groups = request("storage.read:/");
    groups.groups = vec!["/other".into()];
    let error = broker(bench.issuer())
        .token(&groups, Fit::Exact)
        .await
        .unwrap_err();
    assert!(
        error.refused(),
        "it answered, and the answer was no: {error}"
    );

    let url = bench.embedded.url().to_owned();
    let issuer = bench.issuer();
    drop(bench.embedded);
    let text = message(issuer, &read).await;
    assert!(
        text.contains("no connection") && !text.contains(&url),
        "{text}"
    );
}

#[test]
fn missing_secrets_are_found_before_anything_is_sent() {
    let issuer = Issuer {
        accounts: vec![Account::only(TokenSource::Given {
            token: SecretRef::Env("TOUCHSTONE_NOT_SET".into()),
        })],
        ..Issuer::bare("iam", "https://iam.example.org/")
    };
    let inventory = Inventory {
        downtimes: Vec::new(),
        issuers: vec![Arc::new(issuer)],
        endpoints: Vec::new(),
    };
    let error = Broker::new(&inventory, &["iam"], &Redactor::default())
        .err()
        .unwrap();
    assert!(error.unset());
    assert_eq!(
        error.to_string(),
        "issuer `iam`: the environment variable TOUCHSTONE_NOT_SET is not set; it has to hold a token"
    );
    assert!(
        Broker::new(&inventory, &[], &Redactor::default()).is_ok(),
        "an unused issuer needs no secret"
    );
}
