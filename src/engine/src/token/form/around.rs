//! Texts of which a token is a part: members of JSON, lines of logs and of shells.

use serde_json::Value;
use zeroize::Zeroizing;

use super::super::discovery::b64token;

/// Longer ones are no header and no claims in base64.
const SHORTEST: usize = 10;

/// Whether it has the form of a JWT: three parts, the first of which begins as a JSON object does in base64.
pub(super) fn jwt(text: &str) -> bool {
    let mut parts = text.split('.');
    let full = |part: &str| part.len() >= SHORTEST;
    text.starts_with("eyJ")
        && b64token(text)
        && parts.next().is_some_and(full)
        && parts.next().is_some_and(full)
        && parts.next().is_some()
        && parts.next().is_none()
}

/// Every JWT that stands in `text`, with what no JWT has around it.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let of_jwt = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.split(|c: char| !of_jwt(c))
        .map(|run| run.trim_end_matches('.'))
        .filter(|run| jwt(run))
        .collect()
}

/// The one JWT in a JSON document, and how `jq` finds it; nothing where there are several.
pub(super) fn member(text: &str) -> Option<(String, Zeroizing<String>)> {
    let document: Value = text
        .starts_with(['{', '['])
        .then(|| serde_json::from_str(text).ok())??;
    let mut found = Vec::new();
    search(&document, String::new(), &mut found);
    match found.as_slice() {
        [(path, token)] => Some((path.clone(), Zeroizing::new((*token).to_owned()))),
        _ => None,
    }
}

fn search<'a>(value: &'a Value, path: String, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) if jwt(text) => found.push((path, text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                search(item, format!("{path}[{index}]"), found);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                search(value, format!("{path}.{}", shown(name)), found);
            }
        }
        _ => {}
    }
}

/// The name of a member as `jq` takes it; others than plain ones are somebody's text.
fn shown(name: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match begins && name.len() <= 40 && name.chars().all(plain) {
        true => name,
        false => "…",
    }
}
