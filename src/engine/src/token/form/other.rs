//! Texts that are found in the place of a token, and have none in them.

use serde_json::Value;

use super::{Form, Inside};

/// What shells and `jq` print where there is nothing.
const NOTHING: [&str; 6] = ["null", "none", "nil", "undefined", "true", "false"];
/// What names of files begin with; base64 may begin with a slash as well.
const FOLDERS: [&str; 9] = [
    "/tmp/", "/run/", "/home/", "/etc/", "/var/", "/root/", "/srv/", "~/", "./",
];
/// What a file begins with that somebody packed.
const PACKED: [&str; 2] = ["\u{1f}\u{fffd}", "PK\u{3}\u{4}"];

/// What the text is, where that can be told.
pub(super) fn of(text: &str) -> Option<Form> {
    page(text)
        .or_else(|| json(text))
        .or_else(|| binary(text))
        .or_else(|| word(text))
        .or_else(|| part(text))
}

fn form(what: impl Into<String>, mend: &str) -> Option<Form> {
    Some(Form {
        what: what.into(),
        mend: mend.to_owned(),
        inside: Inside::Nothing,
    })
}

fn page(text: &str) -> Option<Form> {
    let begins = |word: &str| {
        let begin = text.get(..word.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    };
    if ["<!doctype html", "<html", "<head", "<body"]
        .into_iter()
        .any(begins)
    {
        return form(
            "this is an HTML page, such as one for an error or a login, and no token",
            "see where it came from: whoever was asked for a token answered a browser",
        );
    }
    if begins("<?xml") {
        return form(
            "this is an XML document and no token",
            "see where it came from",
        );
    }
    if text.starts_with("-----BEGIN") {
        return form(
            "this is PEM: a certificate, proxy or key, and no token",
            "if it is a private key, it should not have come here",
        );
    }
    if begins("basic ") {
        return form(
            "these are credentials of the scheme `Basic`, a name and a password, and no token",
            "obtain a token with them",
        );
    }
    None
}

fn json(text: &str) -> Option<Form> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let document = match serde_json::from_str::<Value>(text) {
        Ok(document) => document,
        Err(error) if error.is_eof() => {
            return form(
                "this is JSON that was cut off, and no token",
                "take all of it, and the token out of it with `jq -r .access_token`",
            );
        }
        Err(_) => return None,
    };
    // The API of a token endpoint: the code is a word of its own (RFC 6749 section 5.2).
    let code = document.get("error").and_then(Value::as_str);
    let plain = |code: &&str| {
        let of_word = |c: char| c.is_ascii_lowercase() || c == '_';
        (1..=40).contains(&code.len()) && code.chars().all(of_word)
    };
    match code.filter(plain) {
        Some(code) => form(
            format!("this is the refusal of a token endpoint, `{code}`, and no token"),
            "see its error_description, and ask the endpoint for what it can give",
        ),
        // A JWS in another form, which is known elsewhere.
        None if document.get("payload").is_some() => None,
        None => form("this is JSON and no token", "look where it came from"),
    }
}

/// What is no text, or one in UTF-16, as far as it can be seen once it was read as UTF-8.
fn binary(text: &str) -> Option<Form> {
    let zeros = text.chars().filter(|c| *c == '\0').count();
    if zeros > 1 && zeros * 3 > text.chars().count() {
        return form(
            "this is text in UTF-16",
            "save the file as UTF-8 without a byte order mark",
        );
    }
    let packed = PACKED.into_iter().any(|begin| text.starts_with(begin));
    let strange = text.chars().filter(|c| *c == '\u{fffd}').count();
    (packed || strange > 0).then(|| {
        form(
            "this is no text: it has bytes that are no UTF-8",
            "see where it came from; a packed file has to be unpacked",
        )
    })?
}

fn word(text: &str) -> Option<Form> {
    if NOTHING
        .into_iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return form(
            "this is the word for nothing that programs such as `jq` print, and no token",
            "see what was looked for: it was not there",
        );
    }
    if FOLDERS.into_iter().any(|folder| text.starts_with(folder)) && !text.contains('\n') {
        return form(
            "this looks like the name of a file, and not like what is in it",
            "put the token itself there, or name the file where a file is expected",
        );
    }
    None
}

/// A JWT that was cut, by its beginning: that of a JSON object in base64.
fn part(text: &str) -> Option<Form> {
    if !text.starts_with("eyJ") || text.contains(char::is_whitespace) {
        return None;
    }
    if text.ends_with("...") || text.ends_with('…') {
        return form(
            "this is a token that was shortened for people: it ends in dots",
            "take all of the token",
        );
    }
    match text.split('.').count() {
        1 => form(
            "this is a part of a JWT alone: it has no dots",
            "take all of the token, three parts between dots",
        ),
        2 => form(
            "this is a JWT that was cut off: the last dot and what follows are missing",
            "take all of the token, three parts between dots",
        ),
        4 => form(
            "this has four parts between dots, and a JWT has three",
            "see whether two texts ran together",
        ),
        _ => None,
    }
}
