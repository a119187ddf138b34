//! What a service says for itself when it refuses something. It comes from the network: cut, and escaped.

use serde_json::{Map, Value};

use touchstone_model::Answer;

use super::bearer::bearer_parameters;

/// Characters of it that are told.
const LONGEST: usize = 200;
/// Bytes of a body that are looked at.
const LOOKED_AT: usize = 16 << 10;

/// The service's own words about a refusal, in one line: `error_description` of the challenge (RFC 6750 section 3), what a
/// JSON body has for people (RFC 9457 section 3.1), or the first line of a body that is text.
pub fn said(answer: &Answer) -> Option<String> {
    let words = described(answer).or_else(|| written(answer))?;
    Some(format!("\"{}\"", shown(&words)))
}

/// What the challenge says: the description, or the code where there is none.
fn described(answer: &Answer) -> Option<String> {
    let challenges = answer.headers.iter();
    let challenges = challenges.filter(|(name, _)| name == "www-authenticate");
    let told: Vec<&str> = challenges.map(|(_, value)| value.as_str()).collect();
    let parameters = bearer_parameters(&told.join(", "))?;
    let named = |wanted: &str| {
        let found = parameters.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone())
    };
    named("error_description").filter(|words| !words.trim().is_empty())
}

fn written(answer: &Answer) -> Option<String> {
    let body = answer.body.get(..LOOKED_AT.min(answer.body.len()))?;
    let text = String::from_utf8_lossy(body);
    if let Ok(Value::Object(members)) = serde_json::from_str(&text) {
        return in_json(&members);
    }
    let html = text.contains("<html") || text.contains("<HTML") || text.contains("<!DOCTYPE");
    let text = match html {
        true => titled(&text)?.to_owned(),
        false => text.into_owned(),
    };
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty())?;
    // Bytes of a file, or markup that is no page, tell nobody anything.
    let words = first.chars().filter(|c| c.is_alphabetic()).count();
    (words > 1 && !first.starts_with('<') && !first.contains('\u{fffd}')).then(|| first.to_owned())
}

/// The member of an object that is for people.
fn in_json(members: &Map<String, Value>) -> Option<String> {
    let names = ["error_description", "detail", "message", "title", "error"];
    let mut found = names.iter().filter_map(|name| members.get(*name)?.as_str());
    found
        .find(|words| !words.trim().is_empty())
        .map(str::to_owned)
}

/// The title of a page, or its first heading.
fn titled(page: &str) -> Option<&str> {
    ["h1", "title"].iter().find_map(|tag| {
        let (_, rest) = page.split_once(&format!("<{tag}>"))?;
        let (words, _) = rest.split_once("</")?;
        let plain = !words.trim().is_empty() && !words.contains('<');
        plain.then(|| words.trim())
    })
}

fn shown(words: &str) -> String {
    let cut: String = words.trim().chars().take(LONGEST).collect();
    let more = match cut.len() < words.trim().len() {
        true => "…",
        false => "",
    };
    let escaped: String = cut
        .chars()
        .flat_map(|c| match c {
            '\'' | '"' => vec![c],
            _ => c.escape_debug().collect(),
        })
        .collect();
    escaped + more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(challenge: Option<&str>, body: &str) -> Option<String> {
        said(&Answer {
            status: 401,
            headers: challenge
                .iter()
                .map(|text| ("www-authenticate".to_owned(), (*text).to_owned()))
                .collect(),
            body: body.into(),
            ..Answer::default()
        })
    }

    #[test]
    fn the_services_own_words_are_found() {
        let storm = "Bearer error=\"invalid_token\", error_description=\"An error occurred while attempting to decode the Jwt: nbf claim not found in token\", error_uri=\"https://tools.ietf.org/html/rfc6750#section-3.1\"";
        let told = answer(Some(storm), "").unwrap();
        assert!(
            told.ends_with("Jwt: nbf claim not found in token\""),
            "{told}"
        );
        for (challenge, body, wanted) in [
            (
                None,
                "\n  insufficient scope \nmore",
                Some("\"insufficient scope\""),
            ),
            (
                Some("Bearer realm=\"x\""),
                "no such right",
                Some("\"no such right\""),
            ),
            (
                None,
                r#"{"error": "e", "detail": "expired"}"#,
                Some("\"expired\""),
            ),
            (None, r#"{"error": {"a": 1}}"#, None),
            (
                None,
                "<html><body><h1>Forbidden</h1></body></html>",
                Some("\"Forbidden\""),
            ),
            (None, "<!DOCTYPE html><html><head></head></html>", None),
            (None, "<d:error/>", None),
            (None, "", None),
            (None, "\u{1}\u{2}", None),
        ] {
            assert_eq!(answer(challenge, body).as_deref(), wanted, "{body}");
        }
    }

    #[test]
    fn what_it_says_is_cut_and_steers_nothing() {
        let told = answer(None, &format!("no\u{1b}[31m\u{202e}{}", "x".repeat(10_000))).unwrap();
        assert!(told.chars().count() < 240, "{}", told.len());
        assert!(
            !told.contains('\u{1b}') && !told.contains('\u{202e}'),
            "{told}"
        );
        let told = answer(Some("Bearer error_description=\"a\u{9b}2J\""), "");
        assert_eq!(told.as_deref(), Some("\"a\\u{9b}2J\""));
    }
}
