//! What in a token may be why a service refuses it that has to take it.

use crate::model::ANY_AUDIENCE;

use super::judge::decode;
use super::{Token, claims};

/// Longer ones do not fit in what some servers hold of a header.
const LONG: usize = 4096;

/// Something about a token that a service has to take, and that some do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The clause by which it has to.
    pub clause: &'static str,
    /// In words, clause included.
    pub what: String,
    /// Words of which one stands in what a service says of it.
    words: &'static [&'static str],
}

impl Cause {
    fn new(clause: &'static str, words: &'static [&'static str], what: &str) -> Self {
        Self {
            clause,
            what: format!("{what}: {clause}"),
            words,
        }
    }

    /// Whether the service itself names it; `said` are its own words.
    pub fn named(&self, said: &str) -> bool {
        let said = said.to_ascii_lowercase();
        let mut parts = said.split(|c: char| !c.is_ascii_alphanumeric());
        parts.any(|part| self.words.contains(&part))
    }
}

/// What of `token` may be the cause, the likeliest first; nothing of one that cannot be read.
pub fn causes(token: &Token) -> Vec<Cause> {
    let (Ok(decoded), Ok(claims)) = (decode(&token.secret), claims(&token.secret)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if decoded.claim("nbf").is_none() {
        let what = "the token has no nbf, which the profile allows";
        found.push(Cause::new("JWT-2.1.1-05", &["nbf"], what));
    }
    match decoded.header("alg").and_then(|alg| alg.as_str()) {
        Some("RS256") => found.push(Cause::new(
            "JWT-4.2-13",
            &["rs256", "algorithm", "alg"],
            "the token is signed with RS256, which every service takes",
        )),
        Some("ES256") => found.push(Cause::new(
            "JWT-4.2-14",
            &["es256", "algorithm", "alg"],
            "the token is signed with ES256, which every service takes",
        )),
        _ => {}
    }
    if claims.list("aud").into_iter().eq([ANY_AUDIENCE]) {
        let what = "the audience of the token is the one that means every service";
        found.push(Cause::new("JWT-2.1.1-17", &["audience", "aud"], what));
    }
    let scopes = claims.text("scope").unwrap_or_default();
    if scopes.split_ascii_whitespace().count() > 1 {
        let what = "the token has several scopes, which add up";
        found.push(Cause::new("JWT-2.2.1-31", &["scopes"], what));
    }
    if decoded.bytes > LONG {
        let what = format!("the token has {} bytes", decoded.bytes);
        let words = &["large", "long", "size"];
        found.push(Cause::new("JWT-2.2.1-51", words, &what));
    }
    found
}

/// What may be the cause of a refusal, in words for a message: what the service itself names, if it names something, and
/// otherwise all that comes into question. Nothing where nothing does.
pub fn cause(token: &Token, said: Option<&str>) -> Option<String> {
    let mut causes = causes(token);
    if let Some(said) = said
        && causes.iter().any(|cause| cause.named(said))
    {
        causes.retain(|cause| cause.named(said));
    }
    let causes: Vec<_> = causes.into_iter().map(|cause| cause.what).collect();
    match causes.as_slice() {
        [] => None,
        causes => Some(format!("what may be the cause: {}", causes.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    fn token(header: Value, payload: Value) -> Token {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        Token::of_text(&format!("{}.{}.AAAA", part(header), part(payload)))
    }

    #[test]
    fn what_the_service_names_is_told_alone() {
        let keycloak = token(
            json!({"alg": "RS256"}),
            json!({"aud": ANY_AUDIENCE, "scope": "storage.read:/ storage.modify:/", "exp": 1}),
        );
        let clauses: Vec<_> = causes(&keycloak).iter().map(|cause| cause.clause).collect();
        assert_eq!(
            clauses,
            ["JWT-2.1.1-05", "JWT-4.2-13", "JWT-2.1.1-17", "JWT-2.2.1-31"]
        );
        let said = "\"An error occurred while attempting to decode the Jwt: nbf claim not found in token\"";
        assert_eq!(
            cause(&keycloak, Some(said)).unwrap(),
            "what may be the cause: the token has no nbf, which the profile allows: JWT-2.1.1-05"
        );
        let told = cause(&keycloak, Some("\"Unauthorized\"")).unwrap();
        assert_eq!(told.matches("JWT-").count(), 4, "{told}");
        assert_eq!(cause(&keycloak, None).unwrap(), told);
    }

    #[test]
    fn nothing_is_blamed_that_is_as_everywhere() {
        let good = token(
            json!({"alg": "PS256"}),
            json!({"aud": ["https://se.example.org"], "scope": "storage.read:/", "nbf": 0}),
        );
        assert_eq!(causes(&good), []);
        assert_eq!(cause(&good, Some("no")), None);
        assert_eq!(cause(&Token::of_text("opaque"), None), None);
    }
}
