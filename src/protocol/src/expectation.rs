//! The words for what a step expects, each defined once: what is right, what is tolerated with a
//! warning, and what fails.

use touchstone_model::{Answer, Expect, Finding, Level, Method};

use super::role::{Blame, StepRole};
use super::{Judge, observed, warning};

/// What a word means for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedStatus {
    /// Statuses that are right.
    pub right: &'static [u16],
    /// Statuses that are tolerated, with a warning that cites `clause`.
    pub tolerated: &'static [u16],
    /// The clause about the status, where it is not the case's own.
    pub clause: Option<&'static str>,
}

/// The definition of `expect` for `method`.
pub fn expected_status(expect: Expect, method: Method) -> ExpectedStatus {
    let (right, tolerated, clause): (&[u16], &[u16], _) = match (expect, method) {
        // What is refused may also be hidden or said to conflict: the effect check decides about security.
        (Expect::Denied, _) => (&[403], REFUSALS, Some("RFC6750-06")),
        (Expect::Unauthenticated, _) => (&[401], REFUSALS, Some("RFC6750-05")),
        // Nothing is judged but that it is no server error.
        (Expect::Any, _) => (&[], &[], None),
        (Expect::BadRequest, _) => (&[400], REFUSALS, None),
        (Expect::Conflict, _) => (&[409], REFUSALS, None),
        (Expect::CreatedOrConflict, _) => (&[201, 409], &[200, 204, 404, 405], None),
        (Expect::Failed, _) => (REFUSED, &[], None),
        (Expect::Exists, _) => (&[405], REFUSALS, None),
        (Expect::Listed, _) => (&[207], &[], None),
        (Expect::NotAllowed, _) => (&[405, 501], REFUSALS, None),
        (Expect::Partial, _) => (&[206], &[200], None),
        (Expect::PreconditionFailed, _) => (&[412], REFUSALS, None),
        // 502 is what RFC 4918 section 9.9.4 has for a destination elsewhere.
        (Expect::Refused, Method::Move | Method::Copy) => (REFUSED_OR_ELSEWHERE, &[], None),
        (Expect::Refused, _) => (REFUSED, &[], None),
        (Expect::Unsatisfiable, _) => (&[416], &[200, 400], None),
        (Expect::UnsupportedType, _) => (&[415], REFUSALS, None),
        (Expect::Ok, Method::Options) => (&[200, 204], &[], None),
        (Expect::Ok, Method::Propfind) => (&[207], &[], None),
        (Expect::Ok, _) => (&[200], &[], None),
        (Expect::OkOrNotFound, _) => (&[200, 404], &[400], None),
        (Expect::NotFound, _) => (&[404], &[], Some("DAV-19")),
        (Expect::Deleted, _) => (&[200, 204], &[202], Some("DAV-10")),
        (Expect::DeletedOrRefused, _) => (&[200, 204, 403, 405, 409], &[202, 400, 412, 422], None),
        (Expect::Created, Method::Mkcol) => (&[201], &[200, 204], Some("DAV-06")),
        (Expect::Created, Method::Move) => (&[201], &[200, 204], Some("DAV-12")),
        (Expect::Created, Method::Copy) => (&[201], &[200, 204], Some("DAV-22")),
        (Expect::Created, _) => (&[201], &[200, 204], Some("DAV-01")),
        (Expect::Replaced, Method::Move) => (&[204], &[200, 201], Some("DAV-12")),
        (Expect::Replaced, Method::Copy) => (&[204], &[200, 201], Some("DAV-22")),
        (Expect::Replaced, _) => (&[200, 204], &[201], Some("DAV-01")),
    };
    ExpectedStatus {
        right,
        tolerated,
        clause,
    }
}

/// Every way to say no.
pub(super) const REFUSALS: &[u16] = &[
    400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 423, 431,
];

/// The same, and that it is not implemented.
pub(super) const REFUSED: &[u16] = &[
    400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 414, 415, 416, 422, 423, 424, 426, 431, 501,
];

/// The same, and that the destination is elsewhere.
const REFUSED_OR_ELSEWHERE: &[u16] = &[
    400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 414, 415, 416, 422, 423, 424, 426, 431, 501,
    502,
];

/// Whether a status says nothing about the request: that it came too early or to somebody else, that there is no time for it now, or
/// that there is no room for it, which "is considered to be temporary", or that something between the client and the service has
/// answered (RFC 9110 section 15, RFC 4918 section 11.5, RFC 6585, RFC 8470).
pub(super) fn decides_nothing(status: u16) -> bool {
    matches!(
        status,
        407 | 408 | 421 | 425 | 429 | 502 | 503 | 504 | 507 | 511
    )
}

/// The case that tells that a service does not have the method `asked`, and the clause that it cites.
fn about_the_method(asked: &str) -> Option<(&'static str, &'static str)> {
    match asked {
        "MKCOL" => Some(("webdav.mkcol.shows", "DAV-06")),
        "MOVE" => Some(("webdav.move.statuses", "DAV-12")),
        "PROPFIND" => Some(("webdav.propfind.directory", "DAV-15")),
        _ => None,
    }
}

/// Whether `asked` is a method that storage elements have, or a call of one of their interfaces.
fn known_method(asked: &str) -> bool {
    !asked.bytes().all(|byte| byte.is_ascii_uppercase()) || METHODS.contains(&asked)
}

const METHODS: &[&str] = &[
    "COPY", "DELETE", "GET", "HEAD", "MKCOL", "MOVE", "OPTIONS", "POST", "PROPFIND", "PUT",
];

/// What a status means for a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// As expected, perhaps with a warning; effects and contents are still to be looked at.
    Holds(Option<Finding>),
    /// Not as expected.
    Broken(Finding),
    /// What it should have shown is not shown, for this reason; another case judges that.
    Unfit(String),
    /// It says nothing about the case.
    Undecided(String),
}

/// Judges the status of `answer` to a `method` request that expects `expect`.
pub fn status(judge: Judge<'_>, expect: Expect, method: Method, answer: &Answer) -> Ruling {
    sent_status(judge, expect, (method, method.as_str()), answer)
}

/// The same where another word than the method's own was sent in its place.
pub fn sent_status(
    judge: Judge<'_>,
    expect: Expect,
    (method, sent): (Method, &str),
    answer: &Answer,
) -> Ruling {
    let mut word = expected_status(expect, method);
    // That it was made in other words than 201 is told by the case about that.
    if expect == Expect::CreatedOrConflict && answer.success() {
        word = ExpectedStatus {
            right: word.right,
            ..self::expected_status(Expect::Created, method)
        };
    }
    ruled(judge, expect, &word, sent, answer)
}

/// The same with another definition of the word, for what was `asked`.
pub(super) fn ruled(
    judge: Judge<'_>,
    expect: Expect,
    word: &ExpectedStatus,
    asked: &str,
    answer: &Answer,
) -> Ruling {
    let expected = describe(word);
    let actual = format!("{asked} was answered {}", reason(answer.status));
    if word.right.contains(&answer.status) {
        return Ruling::Holds(None);
    }
    // RFC 4918 sections 9.8.5 and 9.9.4: the server of the destination says no.
    let elsewhere = answer.status == 502 && matches!(asked, "COPY" | "MOVE");
    match answer.status {
        429 | 503 if answer.header("retry-after").is_some() => Ruling::Undecided(format!(
            "the endpoint asked to come back later ({})",
            reason(answer.status)
        )),
        status if word.tolerated.contains(&status) => {
            Ruling::Holds(Some(judge.status(word.clause, expected, actual)))
        }
        // The request is refused all the same, by the other server.
        502 if elsewhere && (expect.harmless() || expect == Expect::Any) => {
            Ruling::Holds(Some(observed(judge.own(expected, actual))))
        }
        507 => Ruling::Undecided(format!("{actual}: the service has no space left for it")),
        status if decides_nothing(status) && !elsewhere => Ruling::Undecided(actual),
        // What is not there is not had, whatever the status; only who says that it was there fails.
        400..500 if expect == Expect::NotFound => {
            Ruling::Holds(Some(judge.status(word.clause, expected, actual)))
        }
        // What a client may not do is refused all the same; the effect check decides about harm.
        500.. if expect.harmless() && !expect.refusal() => {
            Ruling::Holds(Some(judge.status(word.clause, expected, actual)))
        }
        status if expect == Expect::Any && (200..500).contains(&status) => {
            Ruling::Holds(Some(judge.note(actual)))
        }
        // RFC 9110 section 9.1: what a method that is not known should be answered.
        501 if expect == Expect::Any && !known_method(asked) => {
            Ruling::Holds(Some(judge.note(actual)))
        }
        // Who does not know a method need not look at the credential (RFC 9110 section 15.6.2).
        501 if expect.refusal() => Ruling::Holds(Some(judge.status(word.clause, expected, actual))),
        500.. if expect.refusal() => Ruling::Broken(judge.of("RFC6750-18", expected, actual)),
        500.. if expect == Expect::Any => server_error(judge, actual),
        301 | 302 | 303 | 307 | 308 if answer.header("location").is_none() => {
            Ruling::Undecided(format!("{actual} without saying where to (Location)"))
        }
        100..200 | 300..400 => Ruling::Undecided(actual),
        405 | 501 if judge.role == StepRole::Permitted => match about_the_method(asked) {
            // Whatever else was to be allowed: what is not there is told once.
            Some((see, clause)) if !judge.cites(clause) => unfit(&expected, &actual, see),
            _ => Ruling::Broken(judge.own(expected, actual)),
        },
        status => match judge.role {
            StepRole::Control(see) => unfit(&expected, &actual, see),
            // What is gone has been destroyed by what the case has tried.
            StepRole::Witness(see) if !matches!(status, 404 | 410) => {
                unfit(&expected, &actual, see)
            }
            _ => Ruling::Broken(judge.own(expected, actual)),
        },
    }
}

/// A request that was to show that what the case judges means something, and that was not answered so.
pub(super) fn unfit(expected: &str, actual: &str, see: &str) -> Ruling {
    Ruling::Unfit(format!(
        "{actual}, where {expected} was expected (see {see})"
    ))
}

/// A server error where every other answer is as good.
fn server_error(judge: Judge<'_>, actual: String) -> Ruling {
    let expected = "no server error";
    let own = judge.own(expected, &*actual);
    match judge.role {
        StepRole::Open(Blame::Credential) => {
            Ruling::Broken(judge.of("RFC6750-18", expected, actual))
        }
        StepRole::Open(Blame::Control(see)) => {
            unfit("an answer without a server error", &actual, see)
        }
        StepRole::Open(Blame::Nobody) => Ruling::Holds(Some(observed(own))),
        // That nothing forbidden comes of it is what matters, and has to be seen elsewhere.
        _ if matches!(own.level, Level::MustNot | Level::ShouldNot) => {
            Ruling::Holds(Some(observed(own)))
        }
        // What is left open is answered in some way all the same.
        _ if own.level == Level::May => Ruling::Holds(Some(warning(own))),
        _ => Ruling::Broken(own),
    }
}

pub(super) fn describe(word: &ExpectedStatus) -> String {
    if word.right.len() > 8 {
        return "a refusal (4xx or 501)".into();
    }
    let right: Vec<_> = word.right.iter().map(|status| reason(*status)).collect();
    right.join(" or ")
}

/// A status with its words: `403 Forbidden`.
pub fn reason(status: u16) -> String {
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

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use super::*;

    #[test]
    fn a_method_that_is_not_known_may_be_called_so() {
        let bench = Bench::builtin();
        let answer = Answer {
            status: 501,
            ..Answer::default()
        };
        let ruled = |sent| sent_status(bench.judge(), Expect::Any, (Method::Get, sent), &answer);
        let Ruling::Holds(Some(note)) = ruled("FOO") else {
            panic!("501 is what RFC 9110 section 9.1 has for it");
        };
        assert_eq!(note.level, Level::May);
        assert!(matches!(ruled("GET"), Ruling::Broken(_)));
    }
}
