use crate::model::{Answer, Finding, Method, State};

use super::propfind::properties;
use super::{Judge, Observed};

/// Judges what a granted GET, HEAD or PROPFIND says of an object whose state is known.
pub fn read(judge: Judge<'_>, method: Method, known: &State, answer: &Answer) -> Option<Finding> {
    match (method, known) {
        (Method::Get, State::File(bytes)) => {
            let seen = Observed::Present(answer.body.clone());
            (answer.truncated || answer.body != *bytes).then(|| {
                judge.own(
                    format!("the {} bytes that were stored", bytes.len()),
                    format!("200 OK with {}", seen.describe(known)),
                )
            })
        }
        (Method::Head, State::File(bytes)) => {
            let length = answer.header("content-length");
            let right = length.is_some_and(|text| text.trim() == bytes.len().to_string());
            (!right).then(|| {
                judge.of(
                    "DAV-17",
                    format!("Content-Length: {}", bytes.len()),
                    match length {
                        Some(text) => format!("Content-Length: {text}"),
                        None => "no Content-Length".to_owned(),
                    },
                )
            })
        }
        (Method::Propfind, State::File(bytes)) => {
            let expected = format!("getcontentlength of {}", bytes.len());
            match properties(&answer.body) {
                Err(reason) => Some(judge.of("DAV-15", expected, reason)),
                Ok(members) => {
                    let seen = members.first().and_then(|first| first.length);
                    (seen != Some(bytes.len() as u64)).then(|| {
                        judge.of(
                            "DAV-15",
                            expected,
                            match seen {
                                Some(seen) => format!("getcontentlength of {seen}"),
                                None => "no getcontentlength".to_owned(),
                            },
                        )
                    })
                }
            }
        }
        _ => None,
    }
}

/// Judges whether a refusal gives away what it refuses: the file's bytes in the answer's body.
pub fn leak(judge: Judge<'_>, known: &State, answer: &Answer) -> Option<Finding> {
    let State::File(bytes) = known else {
        return None;
    };
    // Every content ends with a word of its own, which no message repeats by chance.
    let secret = bytes.rsplit(|b| *b == b' ').find(|word| !word.is_empty())?;
    answer
        .body
        .windows(secret.len())
        .any(|window| window == secret)
        .then(|| {
            judge.own(
                "no byte of the file in the answer",
                format!(
                    "the answer, {}, holds the content of the file",
                    answer.status
                ),
            )
        })
}
