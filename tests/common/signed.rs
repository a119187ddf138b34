//! Tokens that an issuer of ours could have given: what stands behind mytoken and Vault.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use touchstone_model::ANY_AUDIENCE;
use touchstone_reference::ReferenceIssuer;

use super::test_bed::TestBed;

/// Makes a token for a scope and an audience, each a list with spaces.
pub type Give = Box<dyn Fn(&str, &str) -> String + Send + Sync>;

/// Tokens with the key of `issuer`.
pub fn signer(issuer: &ReferenceIssuer) -> Give {
    altering(issuer, |_| {})
}

/// The same, with other claims.
pub fn altering(issuer: &ReferenceIssuer, alter: fn(&mut Value)) -> Give {
    let pem = issuer.test_key_pem().expose_secret().as_bytes();
    let key = EncodingKey::from_ec_pem(pem).expect("a key");
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(issuer.test_key_id().to_owned());
    let url = issuer.url().to_owned();
    Box::new(move |scope, audience| {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "wlcg.ver": "1.0",
            "iss": url,
            "sub": "somebody",
            "aud": audience,
            "scope": scope,
            "jti": uuid::Uuid::new_v4().to_string(),
            "iat": now,
            "nbf": now,
            "exp": now + 1200,
        });
        alter(&mut claims);
        encode(&header, &claims, &key).expect("a token")
    })
}

/// One endpoint, `se`, with these traits and a token that has no `nbf`, and nobody who could make others.
pub fn without_not_before(bed: &TestBed, url: &str, traits: &str) {
    let give = altering(&bed.issuer, |claims| {
        claims.as_object_mut().expect("claims").remove("nbf");
    });
    let token = give("storage.read:/ storage.modify:/", ANY_AUDIENCE);
    bed.write("token", &token);
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  lab: {{url: \"{}\", ca: ca.pem, token-file: token}}\nendpoints:\n  se: {{endpoint: \"{url}\", paths: {{wlcg: /wlcg}}, ca: ca.pem, traits: {{{traits}}}}}\n",
            bed.issuer.url()
        ),
    );
}
