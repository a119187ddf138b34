//! What in a token may be why a service refuses it that has to take it.

use touchstone_model::ANY_AUDIENCE;

use super::judge::decode;
use super::{Token, claims};

/// Longer ones do not fit in what some servers hold of a header.
const LONG: usize = 4096;
/// Characters of a value that are shown.
const SHOWN: usize = 100;

/// Something about a token that a service has to take, and that some do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The clause by which it has to.
    pub clause: &'static str,
    /// In words, clause included.
    pub what: String,
    /// Words of which one stands in what a service says of it.
    words: &'static [&'static str],
    /// Whether it comes into question where the service names nothing.
    always: bool,
}

impl Cause {
    fn new(clause: &'static str, words: &'static [&'static str], what: &str) -> Self {
        Self {
            clause,
            what: format!("{what}: {clause}"),
            words,
            always: true,
        }
    }

    /// One for which no clause has the service to blame.
    fn ours(always: bool, words: &'static [&'static str], what: String) -> Self {
        Self {
            clause: "",
            what,
            words,
            always,
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
        let mut cause = Cause::new("JWT-2.1.1-17", &["audience", "aud"], what);
        cause.what += " (the endpoint's own URL may be refused as well: `audience:` declares by which other name it knows itself)";
        found.push(cause);
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
    let named = |cause: &Cause| said.is_some_and(|said| cause.named(said));
    let mut causes = causes(token);
    let mut others = others(token);
    if causes.iter().chain(&others).any(named) {
        causes.retain(named);
        others.retain(named);
    } else {
        others.retain(|cause| cause.always);
    }
    let causes: Vec<_> = others
        .into_iter()
        .chain(causes)
        .map(|cause| cause.what)
        .collect();
    match causes.as_slice() {
        [] => None,
        causes => Some(format!("what may be the cause: {}", causes.join("; "))),
    }
}

/// What a service rightly refuses: these are looked for where the files and the service are set up.
fn others(token: &Token) -> Vec<Cause> {
    let (Ok(decoded), Ok(claims)) = (decode(&token.secret), claims(&token.secret)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    match decoded.cut() {
        Some(cut) => found.push(Cause::ours(true, &["signature", "signed"], cut)),
        None => found.push(Cause::ours(
            false,
            &["signature", "signed", "key", "keys", "kid", "jwk", "jwks"],
            "the service cannot verify the signature: it may not get at the keys of the issuer, or keep old ones".into(),
        )),
    }
    let issuer = short(claims.text("iss").unwrap_or_default());
    found.push(Cause::ours(
        false,
        &["issuer", "issuers", "iss"],
        format!(
            "the service does not trust the issuer {issuer}, or knows it by another URL: a slash at the end counts"
        ),
    ));
    found.push(Cause::ours(
        false,
        &["expired", "exp"],
        "the token has expired for the service: compare the clocks".into(),
    ));
    let audiences = claims.list("aud");
    if !audiences.is_empty() && !audiences.contains(ANY_AUDIENCE) {
        let audiences: Vec<_> = audiences.into_iter().map(short).collect();
        found.push(Cause::ours(
            true,
            &["audience", "audiences", "aud"],
            format!(
                "the service may not know the audience {}, which the endpoint's `audience` or its URL is",
                audiences.join(" and ")
            ),
        ));
    }
    found
}

/// A value of a token, for a message.
fn short(text: &str) -> String {
    let text: String = text.chars().take(SHOWN).collect();
    format!("`{}`", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::*;

    fn token(header: Value, payload: Value) -> Token {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signature = "A".repeat(342);
        Token::of_text(&format!("{}.{}.{signature}", part(header), part(payload)))
    }

    #[test]
    fn what_the_service_says_of_issuer_signature_and_audience_is_heard() {
        let payload = json!({"iss": "https://h/vo", "aud": "NRP", "scope": "storage.read:/ storage.modify:/", "nbf": 0});
        let good = token(json!({"alg": "RS256"}), payload.clone());
        for (said, told) in [
            (
                "its issuer is not trusted",
                "does not trust the issuer `https://h/vo`",
            ),
            ("Bad signature", "cannot verify the signature"),
            (
                "Signed JWT rejected: no matching key(s) found",
                "cannot verify the signature",
            ),
            ("token expired", "compare the clocks"),
            ("wrong aud", "the audience `NRP`"),
        ] {
            let cause = cause(&good, Some(said)).unwrap();
            assert!(cause.contains(told), "{said}: {cause}");
            assert!(!cause.contains("JWT-"), "{said}: {cause}");
        }
        // Where nothing is named, what is unlikely is not told.
        let told = cause(&good, None).unwrap();
        assert!(
            told.contains("the audience `NRP`") && told.contains("JWT-4.2-13"),
            "{told}"
        );
        assert!(
            !told.contains("trust") && !told.contains("clocks"),
            "{told}"
        );
        let cut = token(json!({"alg": "RS512"}), payload.clone());
        let (text, _) = cut.secret.expose_secret().rsplit_once('.').unwrap();
        let cut = Token::of_text(&format!("{text}.AAAA"));
        let told = cause(&cut, Some("its signature is wrong")).unwrap();
        assert_eq!(
            told,
            "what may be the cause: its signature has 3 bytes, where RS512 has at least 256: it was cut off, or is none"
        );
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
        let told = cause(&good, Some("no")).unwrap();
        assert!(told.contains("`https://se.example.org`"), "{told}");
        assert!(!told.contains("JWT-") && !told.contains(';'), "{told}");
        assert_eq!(cause(&Token::of_text("opaque"), None), None);
    }
}
