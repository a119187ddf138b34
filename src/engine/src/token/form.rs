//! Forms in which people have a token that are not the token itself: in quotes, behind `Bearer`, in the answer of a
//! token endpoint. A server that is sent one of them says that the token is bad, and the token is not.

mod around;
mod other;

use std::fmt;

use secrecy::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

use super::discovery::b64token;
use super::judge::{Decoded, decode, decode_claims, decode_unsigned};
use around::{jwt, tokens};

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

/// Why `text` cannot be presented as a bearer token, and how one is had of it.
///
/// # Errors
/// In words, with nothing of the text.
pub fn presentable(text: &str) -> Result<(), String> {
    let told = |form: Form| format!("{}; {}", form.what, form.mend);
    match of(text) {
        Some(form) => Err(told(form)),
        None if b64token(text) => match decode(&SecretString::from(text)) {
            Ok(token) => match token.cut() {
                Some(cut) => Err(format!("this is a JWT, and {cut}; take all of the token")),
                None => Ok(()),
            },
            // What cannot be read may be an opaque token, unless it is plainly a JWT that was damaged.
            Err(broken) if jwt(text) => Err(format!("{}; take all of the token", broken.what)),
            Err(_) => Ok(()),
        },
        None => Err("it has characters that no bearer token has (RFC 6750 section 2.1)".into()),
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
        let form = without_signature(&rest).or_else(|| several(&rest));
        return form.or_else(|| other::of(&rest));
    }
    if !b64token(&rest)
        && let Some(form) = other::of(&rest)
    {
        return Some(form);
    }
    let inside = match b64token(&rest) {
        true => Inside::Token(SecretString::from(rest.as_str())),
        false => without_signature(&rest).map_or(Inside::Nothing, |form| form.inside),
    };
    let all = |text: fn(&Wrapping) -> String| found.iter().map(text).collect::<Vec<_>>();
    Some(Form {
        what: format!(
            "this is not the token alone: {}",
            once(all(Wrapping::what)).join(", and ")
        ),
        mend: once(all(Wrapping::mend)).join("; "),
        inside,
    })
}

/// Without those that were there before.
fn once(texts: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        if !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept
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
    Member(String),
    Escapes,
    Folded(usize),
    Other,
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
            Self::Member(path) => format!("it is JSON, in which the token is at `{path}`"),
            Self::Escapes => "it has the percent escapes of URLs".into(),
            Self::Folded(lines) => format!("it is cut into {lines} lines"),
            Self::Other => "other text stands around it".into(),
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
            Self::Member(path) if path.contains('…') => "take it out of there".into(),
            Self::Member(path) => format!("take it out with `jq -r '{path}'`"),
            Self::Escapes => "undo them".into(),
            Self::Folded(_) => "join them with `tr -d '\\n'`".into(),
            Self::Other => "keep the token alone".into(),
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
    if let Some((path, token)) = around::member(text) {
        return Some((Wrapping::Member(path), token));
    }
    escaped(text)
        .or_else(|| folded(text))
        .or_else(|| match tokens(text).as_slice() {
            [token] => plain(Wrapping::Other, token),
            _ => None,
        })
}

/// A JWT as programs write it into URLs and forms.
fn escaped(text: &str) -> Option<(Wrapping, Zeroizing<String>)> {
    if !text.contains('%') || text.contains(char::is_whitespace) {
        return None;
    }
    let opened = percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .ok()?;
    let opened = Zeroizing::new(opened.into_owned());
    jwt(&opened).then_some((Wrapping::Escapes, opened))
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
    (named && of_token).then(|| match value.split_once('&') {
        // What follows are other members of a form.
        Some((token, _)) if jwt(token) => token,
        _ => value.trim_end_matches(';'),
    })
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

/// Several tokens in one text.
fn several(text: &str) -> Option<Form> {
    let found = tokens(text).len();
    (found > 1).then(|| Form {
        what: format!("these are {found} tokens, where one is expected"),
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
            part(&"S".repeat(64))
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
            (token.replace('.', "%2E"), "percent escapes"),
            (
                format!("access_token={token}&token_type=Bearer"),
                "assignment",
            ),
            (format!(r#"{{"token": "{token}"}}"#), "`.token`"),
            (
                format!(r#"[{{"data": {{"access_token": "{token}"}}}}]"#),
                "`[0].data.access_token`",
            ),
            (format!(r#"{{"a b": "{token}"}}"#), "`.…`"),
            (format!("# mine\n{token}\n"), "other text"),
            (format!("token: {token}"), "other text"),
            (format!("access_token: \"{token}\""), "other text"),
            (format!("got {token}.\nexpires in 3600"), "other text"),
            (
                format!("curl -H 'Authorization: Bearer {token}' https://h/"),
                "other text",
            ),
            (
                format!("https://h/cb#access_token={token}&state=x"),
                "other text",
            ),
            (format!("<{token}>"), "other text"),
            (format!("\"{token}"), "other text"),
            (format!("{token}\u{200b}"), "other text"),
            (
                format!(r#"{{"access_token": "{token}", "exp"#),
                "other text",
            ),
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
    fn what_is_no_token_is_told_by_what_it_is() {
        let token = token();
        let begin = &token[..50];
        for (text, what) in [
            (
                "<!DOCTYPE html>\n<html><body>401</body></html>",
                "HTML page",
            ),
            ("<html>\r\n</html>", "HTML page"),
            ("<?xml version=\"1.0\"?><a/>", "XML document"),
            ("-----BEGIN CERTIFICATE-----\nMIIB", "PEM"),
            ("Authorization: Basic eDp5", "scheme `Basic`"),
            (
                r#"{"error":"invalid_client"}"#,
                "refusal of a token endpoint, `invalid_client`",
            ),
            (r#"{"error":"Not a code eyJ"}"#, "JSON"),
            (r#"[{"a": 1}]"#, "JSON"),
            (r#"{"a": "#, "JSON that was cut off"),
            ("t\0o\0k\0e\0n\0", "UTF-16"),
            ("a\u{fffd}b", "no text"),
            ("null", "word for nothing"),
            ("/tmp/bt_u1000", "name of a file"),
            (begin, "cut off"),
            (&token[..12], "no dots"),
            (&format!("{begin}..."), "shortened"),
            (&format!("{token}.x"), "four parts"),
            (&format!("{token},{token}"), "2 tokens"),
            (
                &format!("{{\"a\":\"{token}\",\"b\":\"{token}\"}}"),
                "2 tokens",
            ),
        ] {
            let form = of(text).expect(text);
            assert!(form.what.contains(what), "{text}\n{}", form.what);
            assert!(matches!(form.inside, Inside::Nothing), "{text}");
            let told = presentable(text).expect_err(text);
            assert!(told.contains(&form.mend) && !told.contains("eyJ"), "{told}");
        }
    }

    #[test]
    fn a_signature_of_another_length_was_cut_off() {
        let token = token();
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        assert!(presentable("opaque-0123456789").is_ok());
        for (signature, told) in [
            (86, None),
            (84, Some("63 bytes, where ES256 has 64")),
            (85, Some("signature is not base64url")),
            (20, Some("15 bytes, where ES256 has 64")),
            (342, Some("256 bytes, where ES256 has 64")),
            (0, Some("without its signature")),
        ] {
            let text = format!("{unsigned}.{}", "A".repeat(signature));
            match (presentable(&text), told) {
                (Ok(()), None) => {}
                (Err(reason), Some(told)) => assert!(reason.contains(told), "{reason}"),
                other => panic!("{signature}: {other:?}"),
            }
        }
        let rsa = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
        let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://h/"}"#);
        let of_length = |length| format!("{rsa}.{payload}.{}", "A".repeat(length));
        assert!(presentable(&of_length(342)).is_ok());
        assert!(presentable(&of_length(683)).is_ok());
        let reason = presentable(&of_length(300)).unwrap_err();
        assert!(reason.contains("at least 256"), "{reason}");
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
            "https://h/a?x=1",
            "eyJhbGciOiJFUzI1NiJ9==.eyJpc3MiOiJ4In0=.c2ln=",
        ] {
            assert!(of(text).is_none(), "{text}");
        }
        let two = of(&format!("{token}\n{token}")).unwrap();
        assert!(two.what.contains("2 tokens"), "{}", two.what);
    }
}
