use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use sha2::{Digest, Sha256};

use touchstone_model::redact::stands_in;
use touchstone_model::{
    Answer, BrokeOff, Expect, Finding, Interface, Level, Method, State, StepPlan,
};

use super::expectation::{Ruling, describe, expected_status, reason};
use super::propfind::properties;
use super::role::confirmed;
use super::{Judge, Observed};

/// Judges what a granted GET, HEAD, PROPFIND or OPTIONS says of an object whose state is known.
pub fn read(
    judge: Judge<'_>,
    step: &StepPlan,
    expect: Expect,
    known: &State,
    answer: &Answer,
) -> Vec<Finding> {
    let bytes: &[u8] = match known {
        State::File(bytes) => bytes,
        State::Absent | State::Directory => &[],
    };
    let found = match (step.method, expect) {
        // Whatever a word that is no method brings is not what a read brings.
        _ if step.verb.is_some() => None,
        (Method::Get, Expect::Partial) => part(judge, step, bytes, answer),
        (Method::Get, _) => content(judge, bytes, known, answer),
        (Method::Head, _) => length(judge, bytes, known, answer),
        (Method::Propfind, Expect::Listed) => listing(judge, step, answer),
        (Method::Propfind, _) => size(judge, step, bytes, known, answer),
        (Method::Options, _) => offers(judge, answer),
        _ => None,
    };
    found
        .into_iter()
        .chain(digest(judge, step, bytes, answer))
        .collect()
}

/// A request whose answer broke off each time that it was sent: nobody knows what came of a change, and what was asked for is not
/// there to be read.
pub fn broke_off(judge: Judge<'_>, method: Method, broke: BrokeOff) -> Finding {
    let clause = match method {
        Method::Propfind => "DAV-15",
        method => confirmed(&Interface::Webdav, method),
    };
    judge.of(
        clause,
        "an answer that comes to its end",
        format!("{method} {broke}, twice"),
    )
}

fn content(judge: Judge<'_>, bytes: &[u8], known: &State, answer: &Answer) -> Option<Finding> {
    let seen = Observed::Present(answer.body.clone());
    (matches!(known, State::File(_)) && (answer.truncated || answer.body != bytes)).then(|| {
        judge.harm(
            "DAV-23",
            format!("the {} bytes that were stored", bytes.len()),
            format!("200 OK with {}", seen.describe(known)),
        )
    })
}

/// The part that `Range` asks for (RFC 9110 section 14).
fn part(judge: Judge<'_>, step: &StepPlan, bytes: &[u8], answer: &Answer) -> Option<Finding> {
    if answer.status == 200 {
        return (answer.body != bytes)
            .then(|| judge.harm("DAV-23", "the whole file with 200", "200 with other bytes"));
    }
    let range = step
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("range"))?;
    let (first, last) = range.1.strip_prefix("bytes=")?.split_once('-')?;
    let end = bytes.len();
    let (from, to) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(end)),
        (Ok(first), Err(_)) => (first, end),
        (Err(_), Ok(last)) => (end.saturating_sub(last), end),
        (Err(_), Err(_)) => return None,
    };
    let wanted = bytes.get(from..to)?;
    let field = format!("bytes {from}-{}/{end}", to.saturating_sub(1));
    let told = answer.header("content-range").unwrap_or("none");
    let called = called(told, end);
    let right = called == Some((from, to));
    if answer.body != wanted {
        let expected = format!("the {} bytes from {from}", wanted.len());
        let other = answer.body.len();
        // A client that is told which part it gets can tell; one that is told the right part takes the bytes for it.
        let honest = called.and_then(|(from, to)| bytes.get(from..to)) == Some(&answer.body[..]);
        return Some(match (right, honest) {
            (true, _) => judge.of(
                "DAV-23",
                expected,
                format!("{other} other bytes, called {told}"),
            ),
            (false, true) => judge.status(
                Some("DAV-18"),
                expected,
                format!("another part, called {told}"),
            ),
            (false, false) => judge.own(expected, format!("{other} other bytes")),
        });
    }
    (!right).then(|| {
        judge.status(
            Some("DAV-18"),
            format!("Content-Range: {field}"),
            format!("Content-Range: {told}"),
        )
    })
}

/// The part that a Content-Range names, of a whole of `end` bytes or of a length that it does not tell (RFC 9110 sections 14.1
/// and 14.4): from where, and where the rest begins.
fn called(told: &str, end: usize) -> Option<(usize, usize)> {
    let (unit, told) = told.trim().split_once(' ')?;
    let (range, whole) = told.trim().split_once('/')?;
    let known = whole == "*" || whole.parse() == Ok(end);
    let (first, last) = range.split_once('-')?;
    let past: usize = last.parse::<usize>().ok()?.checked_add(1)?;
    let part = (first.parse().ok()?, past);
    (known && unit.eq_ignore_ascii_case("bytes")).then_some(part)
}

fn length(judge: Judge<'_>, bytes: &[u8], known: &State, answer: &Answer) -> Option<Finding> {
    let length = answer.header("content-length");
    let right = length.is_some_and(|text| text.trim() == bytes.len().to_string());
    (matches!(known, State::File(_)) && !right).then(|| {
        let expected = format!("Content-Length: {}", bytes.len());
        match length {
            Some(text) => judge.of("DAV-17", expected, format!("Content-Length: {text}")),
            // RFC 9110 sections 8.6 and 9.3.2 only recommend to tell it.
            None => judge.status(Some("DAV-17"), expected, "no Content-Length".to_owned()),
        }
    })
}

fn size(
    judge: Judge<'_>,
    step: &StepPlan,
    bytes: &[u8],
    known: &State,
    answer: &Answer,
) -> Option<Finding> {
    let directory = *known == State::Directory;
    let expected = match directory {
        true => "a collection".to_owned(),
        false => format!("getcontentlength of {}", bytes.len()),
    };
    let members = match properties(&answer.body) {
        Ok(members) => members,
        Err(reason) => return Some(judge.of("DAV-15", expected, reason)),
    };
    // Where a step names no depth, 0 is asked for.
    let mut headers = step.headers.iter();
    let depth = headers.find(|(name, _)| name.eq_ignore_ascii_case("depth"));
    if depth.is_none_or(|(_, depth)| depth == "0")
        && let [_, more, ..] = members.as_slice()
    {
        let actual = format!("{} as well", more.name);
        return Some(judge.of(
            "DAV-16",
            "what was asked for alone, as its depth is 0",
            actual,
        ));
    }
    let seen = members.first();
    let right = match directory {
        true => seen.is_some_and(|seen| seen.collection),
        false => {
            seen.is_some_and(|seen| seen.length == Some(bytes.len() as u64) && !seen.collection)
        }
    };
    (!right).then(|| {
        let told = match seen {
            Some(seen) if seen.collection => "a collection".to_owned(),
            Some(seen) => match seen.length {
                Some(length) => format!("getcontentlength of {length}"),
                None => "no getcontentlength".to_owned(),
            },
            None => "no member".to_owned(),
        };
        judge.of("DAV-15", expected, told)
    })
}

/// What a listing shows of others.
pub fn shown(judge: Judge<'_>, step: &StepPlan, answer: &Answer) -> Option<Finding> {
    if step.tells.hidden.is_empty() || !answer.success() {
        return None;
    }
    let members = properties(&answer.body).ok()?;
    let mut names = members.iter().map(|member| &member.name);
    let shown = names.find(|name| step.tells.hidden.contains(name))?;
    let expected = format!(
        "a refusal, or a listing without {}",
        step.tells.hidden.join(" and ")
    );
    Some(judge.own(expected, format!("a listing with {shown}")))
}

fn listing(judge: Judge<'_>, step: &StepPlan, answer: &Answer) -> Option<Finding> {
    let expected = format!("the members {}", step.tells.members.join(", "));
    let members = match properties(&answer.body) {
        Ok(members) => members,
        Err(reason) => return Some(judge.harm("DAV-16", expected, reason)),
    };
    let shown = |name: &String| members.iter().any(|member| member.name == *name);
    let missing: Vec<_> = step
        .tells
        .members
        .iter()
        .filter(|name| !shown(name))
        .cloned()
        .collect();
    (!missing.is_empty()).then(|| {
        let actual = format!("{} not shown", missing.join(", "));
        judge.harm("DAV-16", expected, actual)
    })
}

fn offers(judge: Judge<'_>, answer: &Answer) -> Option<Finding> {
    let class = answer
        .header("dav")
        .is_some_and(|dav| dav.split(',').any(|class| class.trim() == "1"));
    let methods = answer
        .header("allow")
        .is_some_and(|allow| allow.contains("PROPFIND"));
    (!class || !methods).then(|| {
        judge.of(
            "DAV-20",
            "DAV: 1 and Allow with PROPFIND",
            format!(
                "DAV: {}, Allow: {}",
                answer.header("dav").unwrap_or("none"),
                answer.header("allow").unwrap_or("none")
            ),
        )
    })
}

/// The digest that the step wants told (RFC 3230 section 4.3.2).
fn digest(judge: Judge<'_>, step: &StepPlan, bytes: &[u8], answer: &Answer) -> Option<Finding> {
    let algorithm = step.tells.digest.as_deref()?;
    if algorithm == "none" {
        return None;
    }
    // RFC 9530 section 2 has other names and a structured field.
    let (field, wanted) = match algorithm.strip_prefix("repr-") {
        Some(name) => (
            "Repr-Digest",
            format!("{name}=:{}:", value(algorithm, bytes)),
        ),
        None => ("Digest", format!("{algorithm}={}", value(algorithm, bytes))),
    };
    let told = answer.header(&field.to_ascii_lowercase());
    if told.is_none() && step.expect == Expect::Partial {
        // Beside a part it need not be told.
        return None;
    }
    let same = |one: &str| match algorithm {
        "adler32" => one.trim().eq_ignore_ascii_case(&wanted),
        _ => one.trim() == wanted,
    };
    let right = told.is_some_and(|told| told.split(',').any(same));
    if right {
        return None;
    }
    let expected = format!("{field}: {wanted}");
    // Whoever may look need not be told a checksum: that is for the clauses about checksums.
    let own = &judge.case.clauses[0];
    let clause = match own.as_str().starts_with("DIG-") {
        true => own.as_str(),
        false => "DIG-01",
    };
    Some(match told {
        // A checksum need not be told, but one that is told has to be right.
        Some(told) => Finding {
            level: Level::Must,
            ..judge.of(clause, expected, format!("{field}: {told}"))
        },
        None => judge.of(clause, expected, format!("no {field}")),
    })
}

fn value(algorithm: &str, bytes: &[u8]) -> String {
    match algorithm {
        "sha-256" | "repr-sha-256" => STANDARD.encode(Sha256::digest(bytes)),
        "repr-adler" => STANDARD.encode(adler2::adler32_slice(bytes).to_be_bytes()),
        _ => adler32(bytes),
    }
}

fn adler32(bytes: &[u8]) -> String {
    format!("{:08x}", adler2::adler32_slice(bytes))
}

/// Judges whether a refusal gives away what it refuses: the file's bytes in the answer's body or headers, as they are, compressed or
/// in base64; of a listing, what properties something has.
pub fn leak(judge: Judge<'_>, method: Method, known: &State, answer: &Answer) -> Option<Finding> {
    if method == Method::Propfind && !answer.success() {
        let members = properties(&answer.body).unwrap_or_default();
        let mut told = members.iter();
        let told = told.find(|member| member.collection || member.length.is_some());
        if let Some(told) = told {
            let shown = format!("the answer, {}, tells of {}", answer.status, told.name);
            return Some(judge.own("no property of anything in the answer", shown));
        }
    }
    let State::File(bytes) = known else {
        return None;
    };
    let told = ["digest", "repr-digest"]
        .into_iter()
        .filter_map(|name| answer.header(name));
    let gives_away = |told: &str| {
        told.to_ascii_lowercase().contains(&adler32(bytes))
            || ["sha-256", "repr-adler"]
                .into_iter()
                .any(|algorithm| told.contains(&value(algorithm, bytes)))
    };
    if !bytes.is_empty() && told.into_iter().any(gives_away) {
        return Some(judge.own(
            "no checksum of the file in the answer",
            "the answer has its checksum",
        ));
    }
    let secret = telling(bytes)?;
    let told = |place: String| {
        judge.own(
            "no byte of the file in the answer",
            format!("the answer, {}, holds {place}", answer.status),
        )
    };
    let field = answer.headers.iter().find(|(name, value)| {
        [name, value]
            .iter()
            .any(|text| stands_in(secret, text.as_bytes()))
    });
    let content = "the content of the file";
    if stands_in(secret, &answer.body) {
        Some(told(content.to_owned()))
    } else if stands_in(secret, &inflated(&answer.body)) {
        Some(told(format!("{content}, compressed")))
    } else {
        field.map(|(name, _)| told(format!("{content} in `{name}`")))
    }
}

/// Header fields that make a request depend on what is there (RFC 9110 sections 13.1 and 14.2, RFC 4918 section 10.6).
const CONDITIONS: [(&str, &[u16]); 7] = [
    ("if-match", &[412]),
    ("if-none-match", &[304, 412]),
    ("if-modified-since", &[304]),
    ("if-unmodified-since", &[412]),
    ("if", &[412]),
    ("overwrite", &[412]),
    ("range", &[416]),
];

/// Whether a header field makes a request depend on what is there.
pub fn is_condition(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CONDITIONS.iter().any(|(known, _)| *known == name)
}

/// What a refusal has told of the object because it looked at a condition first: "A server MUST ignore all received
/// preconditions if its response to the same request without those conditions [...] would have been a status code other
/// than a 2xx (Successful) or 412" (RFC 9110 section 13.2.1). So does a length in `Content-Range`.
pub fn condition_told(
    judge: Judge<'_>,
    step: &StepPlan,
    expect: Expect,
    answer: &Answer,
) -> Option<Finding> {
    if !expect.refusal() {
        return None;
    }
    let condition = step.headers.iter().find(|(name, _)| {
        let name = name.to_ascii_lowercase();
        CONDITIONS
            .iter()
            .any(|(known, statuses)| *known == name && statuses.contains(&answer.status))
    });
    let length = answer
        .header("content-range")
        .and_then(|range| range.rsplit_once('/'))
        .map(|(_, length)| length.trim())
        .filter(|length| !length.is_empty() && *length != "*" && !answer.success());
    let told = match (condition, length) {
        (Some((name, _)), _) => format!(
            "{} was answered {}: what is there was looked at for `{name}` before the credential",
            step.method,
            reason(answer.status)
        ),
        (None, Some(_)) => format!(
            "the answer, {}, tells the length of the file in `Content-Range`",
            answer.status
        ),
        (None, None) => return None,
    };
    Some(judge.own("a refusal that tells nothing about the object", told))
}

/// A refusal to read that came as a redirect: to a page where people log in, for instance, which answers 200. Nothing is given away
/// where the answer is not the file that was asked for. `None` where the status decides as usual.
pub fn sent_on(
    judge: Judge<'_>,
    expect: Expect,
    method: Method,
    known: &State,
    answer: &Answer,
) -> Option<Ruling> {
    let State::File(bytes) = known else {
        return None;
    };
    if bytes.is_empty() || !expect.refusal() || !answer.success() {
        return None;
    }
    let part = || {
        bytes
            .windows(answer.body.len())
            .any(|part| part == answer.body)
    };
    let other = match method {
        Method::Get => {
            leak(judge, method, known, answer).is_none() && (answer.body.is_empty() || !part())
        }
        Method::Head => {
            let length = answer.header("content-length");
            length.is_some_and(|length| length != bytes.len().to_string())
        }
        Method::Propfind => properties(&answer.body).is_err(),
        _ => false,
    };
    let word = expected_status(expect, method);
    let actual = format!(
        "{method} was redirected to what is not the file, which answered {}",
        reason(answer.status)
    );
    other.then(|| Ruling::Holds(Some(judge.status(word.clause, describe(&word), actual))))
}

/// What a compressed body holds (RFC 1950, RFC 1952), up to a cap; nothing if it is not compressed.
fn inflated(body: &[u8]) -> Vec<u8> {
    /// More than any file of ours.
    const MOST: u64 = 1 << 20;
    let mut plain = Vec::new();
    // What was cut or is damaged gives what comes before that.
    let _ = match body {
        [0x1f, 0x8b, ..] => MultiGzDecoder::new(body).take(MOST).read_to_end(&mut plain),
        [first, second, ..]
            if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0 =>
        {
            ZlibDecoder::new(body).take(MOST).read_to_end(&mut plain)
        }
        // Some servers call this deflate (RFC 9110 section 8.4.1.2); of what is no such thing, it makes a few bytes at most.
        _ => DeflateDecoder::new(body).take(MOST).read_to_end(&mut plain),
    };
    plain
}

/// What of a content no message repeats by chance: the last word, with which every content of ours ends;
/// of a file that was there before, some bytes of its end.
fn telling(bytes: &[u8]) -> Option<&[u8]> {
    const LEAST: usize = 16;
    const WORD: usize = 64;
    /// Pages of one server end alike, and not for so long.
    const END: usize = 200;
    let word = bytes.rsplit(|b| *b == b' ').find(|word| !word.is_empty())?;
    let ours = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    if (LEAST..=WORD).contains(&word.len()) && word.iter().all(ours) {
        return Some(word);
    }
    let end = &bytes[bytes.len().saturating_sub(END)..];
    let plain = end.iter().all(|byte| Some(byte) == end.first());
    (end.len() >= LEAST && !plain).then_some(end)
}

#[cfg(test)]
mod tests;
