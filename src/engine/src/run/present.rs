//! How a request that only the byte-exact client can send carries its credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use url::Url;

use crate::token::Token;
use touchstone_model::{
    Answer, Credential, Endpoint, Exchange, Finding, Hop, Method, RawOptions, StepPlan,
    TokenRequest,
};
use touchstone_protocol::Judge;

/// Headers that a step has whatever client sends it.
pub(super) fn headers(endpoint: &Endpoint, step: &StepPlan) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let given = |name: &str| {
        step.headers
            .iter()
            .any(|(given, _)| given.eq_ignore_ascii_case(name))
    };
    match (step.method, &step.destination) {
        (Method::Move | Method::Copy, Some(path)) if !given("destination") => {
            headers.push(("Destination".to_owned(), endpoint.url_of(path)));
        }
        (Method::Propfind, _) if !given("depth") => {
            headers.push(("Depth".to_owned(), "0".to_owned()));
        }
        _ => {}
    }
    headers.extend(step.headers.iter().cloned());
    headers
}

/// What stands in a header for the credential as the password of somebody (RFC 7617 section 2).
const BASIC: &str = "{basic}";
/// Whose password it is.
const USER: &str = "touchstone";

/// What stands in a header for the entity tag of the step's object.
const TAG: &str = "{etag}";

/// The entity tag that an answer tells of an object, where it is one that If-Match knows (RFC 9110 section 13.1.1).
pub(super) fn strong_tag(answer: &Answer) -> Option<&str> {
    let tag = answer.header("etag")?.trim();
    (answer.success() && tag.starts_with('"')).then_some(tag)
}

/// Puts the entity tag that was told into the headers that ask for it; whatever is there has a star for one.
pub(super) fn fill_tag(headers: &mut [(String, String)], tag: Option<&String>) {
    let tag = tag.map_or("*", String::as_str);
    for (_, value) in headers {
        *value = value.replace(TAG, tag);
    }
}

/// Where a redirect led, without the query, which may be a credential, and without user and password, which are one.
pub(super) fn place(hop: &Hop) -> Option<String> {
    let mut place = Url::parse(&hop.url).ok()?.join(&hop.location).ok()?;
    place.set_query(None);
    place.set_fragment(None);
    place.set_username("").ok()?;
    place.set_password(None).ok()?;
    Some(place.into())
}

/// The lines that present the credentials, and the target with its query.
pub(super) fn presented(
    wire: &RawOptions<Credential<TokenRequest>>,
    path: &str,
    token: Option<&Token>,
    other: Option<&Token>,
) -> (Vec<(String, String)>, String) {
    let secret = |token: Option<&Token>| {
        token
            .map(|t| t.secret.expose_secret().to_owned())
            .unwrap_or_default()
    };
    let basic = STANDARD.encode(format!("{USER}:{}", secret(token)));
    let texts = [&secret(token), &secret(other), &basic];
    let (lines, target) = filled(wire, path, token, texts.map(String::as_str));
    let headers = lines
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| {
            let value = value.strip_prefix(' ').unwrap_or(value);
            (name.to_owned(), value.to_owned())
        });
    (headers.collect(), target)
}

/// Shows in the record how the credentials were presented, with `$TOKEN` and `$OTHER` in their places.
pub(super) fn show(
    exchange: &mut Exchange,
    endpoint: &Endpoint,
    wire: &RawOptions<Credential<TokenRequest>>,
    path: &str,
    tokens: [Option<&Token>; 2],
) {
    let [token, other] = tokens;
    exchange.token = token.map(|token| token.shown.clone());
    exchange.other = other.map(|other| other.shown.clone());
    if wire.present.is_none() && wire.query.is_none() {
        return;
    }
    let basic = format!(r#"$(printf %s "{USER}:$TOKEN" | base64 -w0)"#);
    let (lines, target) = filled(wire, path, token, ["$TOKEN", "$OTHER", &basic]);
    let shown = |name: &str| {
        let mut names = lines.iter().filter_map(|line| line.split(':').next());
        names.any(|line| line.eq_ignore_ascii_case(name))
    };
    exchange.request_headers.retain(|(name, _)| !shown(name));
    exchange.url = endpoint.url_of(&target);
    exchange.presented = Some(lines);
}

/// Shows in the record which credentials a COPY between servers carried.
pub(super) fn show_other(exchange: &mut Exchange, token: Option<&Token>, other: Option<&Token>) {
    let Some(other) = other else {
        return;
    };
    exchange
        .request_headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case("transferheaderauthorization"));
    exchange.other = Some(other.shown.clone());
    let own = token.map(|_| "Authorization: Bearer $TOKEN".to_owned());
    let there = "TransferHeaderAuthorization: Bearer $OTHER".to_owned();
    exchange.presented = Some(own.into_iter().chain([there]).collect());
}

/// The lines and the target, with these texts for the credentials.
fn filled(
    wire: &RawOptions<Credential<TokenRequest>>,
    path: &str,
    credential: Option<&Token>,
    [token, other, basic]: [&str; 3],
) -> (Vec<String>, String) {
    let fill = |text: &str| {
        let text = text.replace("{token}", token).replace("{other}", other);
        text.replace(BASIC, basic)
    };
    let usual = || {
        credential
            .map(|_| "Authorization: Bearer {token}".to_owned())
            .into_iter()
            .collect()
    };
    let lines: Vec<String> = match (&wire.present, &wire.query) {
        (Some(lines), _) => lines.clone(),
        (None, Some(_)) => Vec::new(),
        (None, None) => usual(),
    };
    let target = wire.target.as_deref().unwrap_or(path);
    let target = match &wire.query {
        Some(query) => format!("{target}?{}", fill(query)),
        None => target.to_owned(),
    };
    (lines.iter().map(|line| fill(line)).collect(), target)
}

fn texts<'t>(tokens: &[Option<&'t Token>; 2]) -> Vec<&'t str> {
    let tokens = tokens.iter().flatten();
    tokens.map(|token| token.secret.expose_secret()).collect()
}

/// Whether the answer repeats one of the credentials.
pub(super) fn echo(
    judge: Judge<'_>,
    answer: &Answer,
    tokens: [Option<&Token>; 2],
) -> Option<Finding> {
    touchstone_protocol::echo(judge, &texts(&tokens), answer)
}

/// The same of the answer to a COPY between servers, which has two of them.
pub(super) fn repeated(
    judge: Judge<'_>,
    answer: &Answer,
    tokens: [Option<&Token>; 2],
) -> Option<Finding> {
    touchstone_protocol::repeated(judge, &texts(&tokens), answer)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use touchstone_model::TokenRef;

    fn token(text: &str) -> Token {
        Token::new(
            SecretString::from(text),
            TokenRef {
                what: String::new(),
                issuer: String::new(),
                jti: None,
                hash: String::new(),
                how: String::new(),
            },
        )
    }

    fn wire(present: Option<&[&str]>, query: Option<&str>) -> RawOptions<Credential<TokenRequest>> {
        RawOptions {
            target: None,
            present: present.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()),
            query: query.map(str::to_owned),
            other: Credential::None,
            expect_continue: false,
            http_1_0: false,
            kept: false,
            cut: None,
            chunked: false,
        }
    }

    #[test]
    fn credentials_stand_where_they_are_asked_for() {
        let (one, two) = (token("T"), token("O"));
        let both = |wire: &RawOptions<_>| presented(wire, "/f", Some(&one), Some(&two));
        let header = |value: &str| vec![("Authorization".to_owned(), value.to_owned())];
        assert_eq!(both(&wire(None, None)), (header("Bearer T"), "/f".into()));
        assert_eq!(
            both(&wire(None, Some("access_token={token}"))),
            (vec![], "/f?access_token=T".into())
        );
        let password = ["Authorization: Basic {basic}"];
        let (headers, _) = both(&wire(Some(&password), None));
        // What `printf touchstone:T | base64` prints.
        assert_eq!(headers, header("Basic dG91Y2hzdG9uZTpU"));
        let lines = [
            "Authorization: bearer {token}",
            "authorization: Bearer {other}",
        ];
        let (headers, target) = both(&wire(Some(&lines), None));
        assert_eq!(headers[0].1, "bearer T");
        assert_eq!(
            headers[1],
            ("authorization".to_owned(), "Bearer O".to_owned())
        );
        assert_eq!(target, "/f");
        assert_eq!(presented(&wire(None, None), "/f", None, None).0, vec![]);
    }

    #[test]
    fn only_a_strong_tag_is_put_where_it_is_asked_for() {
        let answer = |status, tag: &str| Answer {
            status,
            headers: vec![("etag".to_owned(), tag.to_owned())],
            ..Answer::default()
        };
        assert_eq!(strong_tag(&answer(200, " \"1\"")), Some("\"1\""));
        assert_eq!(strong_tag(&answer(200, "W/\"1\"")), None);
        assert_eq!(strong_tag(&answer(403, "\"1\"")), None);
        let filled = |tag: Option<&String>| {
            let mut headers = vec![("If-Match".to_owned(), "{etag}".to_owned())];
            fill_tag(&mut headers, tag);
            headers[0].1.clone()
        };
        assert_eq!(filled(Some(&"\"1\"".to_owned())), "\"1\"");
        assert_eq!(filled(None), "*");
    }

    #[test]
    fn a_place_has_no_credential() {
        for (location, wanted) in [
            ("/x/f?ticket=1#part", Some("https://se.example.org/x/f")),
            (
                "https://pool.example.org:1095/f?authz=T",
                Some("https://pool.example.org:1095/f"),
            ),
            (
                "https://user:password@pool.example.org/f",
                Some("https://pool.example.org/f"),
            ),
            ("https://", None),
        ] {
            let hop = Hop {
                url: "https://se.example.org/f?a=b".into(),
                status: 307,
                location: location.into(),
                token_forwarded: false,
            };
            assert_eq!(place(&hop).as_deref(), wanted, "{location}");
        }
    }
}
