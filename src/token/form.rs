//! Forms in which people have a token that are not the token itself: in quotes, behind `Bearer`, in the answer of a
//! token endpoint. A server that is sent one of them says that the token is bad, and the token is not.

use std::fmt;

use secrecy::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

use super::discovery::b64token;
use super::judge::{Decoded, decode_claims, decode_unsigned};

/// More wrappings than anybody puts around each other.
const DEEPEST: usize = 8;
/// Members of the query of a URL that hold a token (RFC 6750 section 2.3, and what storage elements know).
const IN_QUERY: [&str; 2] = ["authz", "access_token"];
/// Claims by which a JSON object is known to be what a token says.
const CLAIMS: [&str; 7] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "scope",
    "wlcg.ver",
    "wlcg.groups",
];

/// What a text is that has a token in it, or what a token says, and is none. Its texts hold nothing of the token.
#[derive(Debug)]
pub struct Form {
    /// What it is instead, a clause that begins with "this is".
    pub what: String,
    /// How the token alone is had of it.
    pub mend: String,
    /// What was found in it.
    pub inside: Inside,
}

/// What is inside of another form.
pub enum Inside {
    /// A bearer token.
    Token(SecretString),
    /// The claims of one, or header and claims; no signature.
    Said(Box<Decoded>),
    /// Nothing that can be looked into.
    Nothing,
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Said(_) => "Said",
            Self::Nothing => "Nothing",
        })
    }
}

/// The form that `text` has; `None` where it is what a bearer token may be, or nothing that is known.
pub fn of(text: &str) -> Option<Form> {
    let mut rest = Zeroizing::new(text.trim().to_owned());
    let mut found: Vec<Wrapping> = Vec::new();
    while !b64token(&rest) && found.len() < DEEPEST {
        let Some((wrapping, inner)) = unwrapped(&rest) else {
            break;
        };
        found.push(wrapping);
        rest = Zeroizing::new(inner.trim().to_owned());
    }
    if found.is_empty() {
        return without_signature(&rest).or_else(|| several(&rest));
    }
    let inside = match b64token(&rest) {
        true => Inside::Token(SecretString::from(rest.as_str())),
        false => without_signature(&rest).map_or(Inside::Nothing, |form| form.inside),
    };
    let all = |text: fn(&Wrapping) -> String| found.iter().map(text).collect::<Vec<_>>();
    Some(Form {
        what: format!(
            "this is not the token alone: {}",
            all(Wrapping::what).join(", and ")
        ),
        mend: all(Wrapping::mend).join("; "),
        inside,
    })
}

/// What may stand around a token.
enum Wrapping {
    Mark,
    Quotes,
    Assignment,
    Field,
    Scheme,
    Query(&'static str),
    Answer,
    Folded(usize),
}

impl Wrapping {
    fn what(&self) -> String {
        match self {
            Self::Mark => "a byte order mark stands before it".into(),
            Self::Quotes => "quotes stand around it".into(),
            Self::Assignment => "an assignment of the shell stands before it".into(),
            Self::Field => "the name of the header field, `Authorization:`, stands before it".into(),
            Self::Scheme => "the scheme of the header field, `Bearer`, stands before it".into(),
            Self::Query(name) => format!("it stands in a URL, as `{name}` of the query"),
            Self::Answer => {
                "it is JSON, the whole answer of a token endpoint: the token is its member access_token"
                    .into()
            }
            Self::Folded(lines) => format!("it is cut into {lines} lines"),
        }
    }

    fn mend(&self) -> String {
        match self {
            Self::Mark => "save the file as UTF-8 without a byte order mark".into(),
            Self::Quotes => "leave out the quotes, as `jq -r` does".into(),
            Self::Assignment => "keep only what stands behind the `=`".into(),
            Self::Field => "leave out `Authorization:`".into(),
            Self::Scheme => "leave out `Bearer` and the space behind it".into(),
            Self::Query(name) => {
                format!("keep the value of `{name}` alone, with percent escapes undone")
            }
            Self::Answer => "take it out with `jq -r .access_token`".into(),
            Self::Folded(_) => "join them with `tr -d '\\n'`".into(),
        }
    }
}

/// The outermost wrapping, and what is in it.
fn unwrapped(text: &str) -> Option<(Wrapping, Zeroizing<String>)> {
    let plain = |wrapping, text: &str| Some((wrapping, Zeroizing::new(text.to_owned())));
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        return plain(Wrapping::Mark, rest);
    }
    if let Some(rest) = quoted(text) {
        return plain(Wrapping::Quotes, rest);
    }
    if let Some(rest) = after_word(text, "authorization:") {
        return plain(Wrapping::Field, rest);
    }
    for scheme in ["bearer ", "bearer\t", "bearer%20", "bearer:"] {
        if let Some(rest) = after_word(text, scheme) {
            return plain(Wrapping::Scheme, rest);
        }
    }
    if let Some(rest) = assigned(text) {
        return plain(Wrapping::Assignment, rest);
    }
    if let Some((name, value)) = in_query(text) {
        return Some((Wrapping::Query(name), value));
    }
    if let Some(token) = answered(text) {
        return Some((Wrapping::Answer, token));
    }
    folded(text)
}

fn quoted(text: &str) -> Option<&str> {
    ['"', '\'', '`']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

/// What follows `word`, which is in lower case and stands at the beginning in any.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let begin = text.get(..word.len())?;
    begin
        .eq_ignore_ascii_case(word)
        .then(|| &text[word.len()..])
}

/// The value of `export NAME=…`, or of `NAME=…` where the name is that of a token.
fn assigned(text: &str) -> Option<&str> {
    let after = |word| text.strip_prefix(word).map(str::trim_start);
    let exported = ["export ", "set ", "declare -x "]
        .into_iter()
        .find_map(after);
    let (name, value) = exported.unwrap_or(text).split_once('=')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = !name.is_empty() && name.chars().all(legal);
    let of_token = exported.is_some() || name.to_ascii_uppercase().contains("TOKEN");
    (named && of_token).then(|| value.trim_end_matches(';'))
}

/// The token in the query of a URL, or of the end of one.
fn in_query(text: &str) -> Option<(&'static str, Zeroizing<String>)> {
    if text.contains(char::is_whitespace) {
        return None;
    }
    let (before, query) = text.split_once('?').unwrap_or(("", text));
    if !before.is_empty() && !before.contains('/') {
        return None;
    }
    let query = query.split('#').next().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).find_map(|(name, value)| {
        let known = IN_QUERY.into_iter().find(|known| *known == name)?;
        Some((known, Zeroizing::new(value.into_owned())))
    })
}

/// The access token of a token endpoint's answer (RFC 6749 section 5.1).
fn answered(text: &str) -> Option<Zeroizing<String>> {
    let members: Value = text
        .starts_with('{')
        .then(|| serde_json::from_str(text).ok())??;
    let token = members.get("access_token")?.as_str()?;
    Some(Zeroizing::new(token.to_owned()))
}

/// A JWT that was wrapped as mail and terminals wrap long lines.
fn folded(text: &str) -> Option<(Wrapping, Zeroizing<String>)> {
    let lines: Vec<&str> = text.split_ascii_whitespace().collect();
    if lines.len() < 2 || lines.len() != text.lines().count() || lines.iter().any(|line| jwt(line))
    {
        return None;
    }
    let whole = Zeroizing::new(lines.concat());
    jwt(&whole).then_some((Wrapping::Folded(lines.len()), whole))
}

/// Whether it has the form of a JWT: three parts, the first of which begins as a JSON object does in base64.
fn jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3 && b64token(text)
}

/// Several tokens in one text.
fn several(text: &str) -> Option<Form> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let tokens = words.iter().filter(|word| jwt(word)).count();
    (tokens > 1 && tokens == words.len()).then(|| Form {
        what: format!("these are {tokens} tokens, where one is expected"),
        mend: "keep the one that is meant".into(),
        inside: Inside::Nothing,
    })
}

/// What a token says, decoded, or a token whose signature was cut off.
fn without_signature(text: &str) -> Option<Form> {
    if let Some(decoded) = decode_unsigned(text) {
        return Some(Form {
            what: "this is a JWT without its signature: the last dot and what follows are missing"
                .into(),
            mend: "no service can read it; take all of the token".into(),
            inside: Inside::Said(Box::new(decoded)),
        });
    }
    let (header, claims) = said(text)?;
    let known = |name: &&str| claims.get(*name).is_some();
    if !CLAIMS.iter().any(known) {
        return None;
    }
    let decoded = decode_claims(
        header.map(|header| header.to_string()),
        text_of(text, &claims),
    )?;
    Some(Form {
        what: "this is what a token says, decoded: it has no signature any more".into(),
        mend: "no service takes it for a token; present the token of which it was made, three parts between dots"
            .into(),
        inside: Inside::Said(Box::new(decoded)),
    })
}

/// The claims as they stand in `text`, so that repeated ones are seen, where they are all that is in it.
fn text_of<'a>(text: &'a str, claims: &Value) -> std::borrow::Cow<'a, str> {
    match serde_json::from_str::<Value>(text) {
        Ok(whole) if whole == *claims => text.into(),
        _ => claims.to_string().into(),
    }
}

/// The objects of a decoded token: the claims alone, header and claims one after the other, or both as members.
fn said(text: &str) -> Option<(Option<Value>, Value)> {
    if !text.starts_with('{') {
        return None;
    }
    let objects: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .take(3)
        .collect();
    match objects.ok()?.as_slice() {
        [header, claims] if header.get("alg").is_some() && claims.is_object() => {
            Some((Some(header.clone()), claims.clone()))
        }
        [both] if both.get("payload").is_some_and(Value::is_object) => {
            let header = both.get("header").filter(|header| header.is_object());
            Some((header.cloned(), both["payload"].clone()))
        }
        [claims] if claims.is_object() => Some((None, claims.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use secrecy::ExposeSecret;

    use super::*;

    fn token() -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let payload = r#"{"iss":"https://h/","scope":"storage.read:/","exp":1}"#;
        format!(
            "{}.{}.{}",
            part(r#"{"alg":"ES256","kid":"k"}"#),
            part(payload),
            part(&"signature-".repeat(6))
        )
    }

    #[test]
    fn tokens_that_are_wrapped_are_found() {
        let token = token();
        let (begin, end) = token.split_at(60);
        for (text, what) in [
            (format!("\"{token}\"\n"), "quotes"),
            (format!("'{token}'"), "quotes"),
            (format!("Bearer {token}"), "`Bearer`"),
            (
                format!("authorization: bearer {token}\r\n"),
                "`Authorization:`",
            ),
            (format!("\u{feff}{token}"), "byte order mark"),
            (format!("\u{feff}\"Bearer {token}\""), "`Bearer`"),
            (format!("export BEARER_TOKEN={token}"), "assignment"),
            (format!("BEARER_TOKEN='{token}';"), "assignment"),
            (format!("https://h/a?x=1&authz=Bearer%20{token}"), "`authz`"),
            (format!("xroots://h//a/?authz={token}&y=2#z"), "`authz`"),
            (format!("?access_token={token}"), "`access_token`"),
            (
                format!(r#"{{"access_token": "{token}", "expires_in": 1200}}"#),
                "access_token",
            ),
            (format!("{begin}\n{end}\n"), "2 lines"),
        ] {
            let form = of(&text).expect(&text);
            assert!(form.what.contains(what), "{text}\n{}", form.what);
            assert!(!form.mend.is_empty());
            let Inside::Token(inside) = form.inside else {
                panic!("{text}");
            };
            assert_eq!(inside.expose_secret(), token, "{text}");
            let told = format!("{} {}", form.what, form.mend);
            assert!(!told.contains("eyJ"), "{told}");
        }
    }

    #[test]
    fn what_a_token_says_is_read_without_its_signature() {
        let token = token();
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        let header = r#"{"alg":"ES256","kid":"k"}"#;
        let claims = r#"{"iss":"https://h/","scope":"storage.read:/","exp":1,"exp":2}"#;
        for (text, headers, members) in [
            (unsigned.to_owned(), 2, 3),
            (format!("{unsigned}."), 2, 3),
            (claims.to_owned(), 0, 4),
            (format!("{header}\n{claims}"), 2, 3),
            (format!(r#"{{"header":{header},"payload":{claims}}}"#), 2, 3),
        ] {
            let Some(Inside::Said(decoded)) = of(&text).map(|form| form.inside) else {
                panic!("{text}");
            };
            assert_eq!(decoded.header.len(), headers, "{text}");
            assert_eq!(decoded.payload.len(), members, "{text}");
        }
    }

    #[test]
    fn tokens_and_other_texts_have_no_such_form() {
        let token = token();
        for text in [
            token.as_str(),
            "opaque-0123456789",
            "",
            "two words",
            "a\nb",
            "a=b",
            "{\"access_token\":1}",
            "{\"error\":\"invalid_scope\"}",
            "{",
            "https://h/a?x=1",
            "eyJhbGciOiJFUzI1NiJ9==.eyJpc3MiOiJ4In0=.c2ln=",
        ] {
            assert!(of(text).is_none(), "{text}");
        }
        let two = of(&format!("{token}\n{token}")).unwrap();
        assert!(two.what.contains("2 tokens"), "{}", two.what);
        let empty = of("Authorization: Basic eDp5").unwrap();
        assert!(matches!(empty.inside, Inside::Nothing));
    }
}
