//! The words for what a step expects, each defined once: what is right, what is tolerated with a
//! warning, and what fails.

use crate::model::{Answer, Expect, Finding, Method};

use super::Judge;

/// What a word means for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Statuses that are right.
    pub right: &'static [u16],
    /// Statuses that are tolerated, with a warning that cites `clause`.
    pub tolerated: &'static [u16],
    /// The clause about the status, where it is not the case's own.
    pub clause: Option<&'static str>,
}

/// The definition of `expect` for `method`.
pub fn word(expect: Expect, method: Method) -> Word {
    let (right, tolerated, clause): (&[u16], &[u16], _) = match (expect, method) {
        // What is refused may also be hidden or said to conflict: the effect check decides about security.
        (Expect::Denied, _) => (&[403], REFUSALS, Some("RFC6750-06")),
        (Expect::Unauthenticated, _) => (&[401], REFUSALS, Some("RFC6750-05")),
        (Expect::Ok, Method::Propfind) => (&[207], &[], None),
        (Expect::Ok, _) => (&[200], &[], None),
        (Expect::NotFound, _) => (&[404], &[410], Some("DAV-19")),
        (Expect::Deleted, _) => (&[200, 204], &[202], Some("DAV-10")),
        (Expect::Created, Method::Mkcol) => (&[201], &[200, 204], Some("DAV-06")),
        (Expect::Created, Method::Move) => (&[201], &[200, 204], Some("DAV-12")),
        (Expect::Created, _) => (&[201], &[200, 204], Some("DAV-01")),
        (Expect::Replaced, Method::Move) => (&[204], &[200, 201], Some("DAV-12")),
        (Expect::Replaced, _) => (&[200, 204], &[201], Some("DAV-01")),
    };
    Word {
        right,
        tolerated,
        clause,
    }
}

/// Every way to say no.
const REFUSALS: &[u16] = &[
    400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 423, 431,
];

/// What a status means for a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// As expected, perhaps with a warning; effects and contents are still to be looked at.
    Holds(Option<Finding>),
    /// Not as expected.
    Broken(Finding),
    /// It says nothing about the case.
    Undecided(String),
}

/// Judges the status of `answer` to a `method` request that expects `expect`.
pub fn status(judge: Judge<'_>, expect: Expect, method: Method, answer: &Answer) -> Ruling {
    let word = word(expect, method);
    let expected = describe(&word);
    let actual = format!("{method} was answered {}", reason(answer.status));
    if word.right.contains(&answer.status) {
        return Ruling::Holds(None);
    }
    match answer.status {
        429 | 503 if answer.header("retry-after").is_some() => Ruling::Undecided(format!(
            "the endpoint asked to come back later ({})",
            reason(answer.status)
        )),
        status if word.tolerated.contains(&status) => {
            Ruling::Holds(Some(judge.status(word.clause, expected, actual)))
        }
        500.. if expect.refusal() => Ruling::Broken(judge.of("RFC6750-18", expected, actual)),
        429 | 100..200 | 300..400 => Ruling::Undecided(actual),
        _ => Ruling::Broken(match (expect, word.clause) {
            // Where the object is missing, the status is all there is to judge.
            (Expect::NotFound, Some(clause)) => judge.of(clause, expected, actual),
            _ => judge.own(expected, actual),
        }),
    }
}

fn describe(word: &Word) -> String {
    let right: Vec<_> = word.right.iter().map(|status| reason(*status)).collect();
    right.join(" or ")
}

/// `403 Forbidden`.
fn reason(status: u16) -> String {
    let phrase = match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        507 => "Insufficient Storage",
        _ => return status.to_string(),
    };
    format!("{status} {phrase}")
}
