//! What a COPY between servers was answered, and what our side heard of it.

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use touchstone_model::{
    Answer, BrokeOff, CopySide, Direction, Exchange, Expect, Finding, Hearing, Interface, Level,
    Method, PeerBehaviour, PeerRequest, State, Transfer,
};

use super::report::{Ending, afterwards, ending, markers};
use super::{Judge, Observed, Ruling, StepRole, Tried, expectation, warning};

/// Characters of an answer that are told.
const TOLD: usize = 200;
/// A transfer that is silent for longer is given up by those who ordered it.
const SILENCE: Duration = Duration::from_secs(30);

/// Judges how the COPY that was answered so ended.
pub fn ended(judge: Judge<'_>, expect: Expect, answer: &Answer) -> Ruling {
    let actual = |text: &str| format!("COPY was answered {} and `{text}`", answer.status);
    match ending(answer) {
        Ending::Refused(status) if expect == Expect::Failed && status >= 400 => Ruling::Holds(None),
        Ending::Refused(_) => expectation::status(judge, expect, Method::Copy, answer),
        Ending::Untold(what) => {
            let untold = judge.of(
                "TPC-06",
                "a line, `success: …` or `failure: …`",
                format!("COPY was answered {}, and {what}", answer.status),
            );
            match judge.cites("TPC-06") {
                true => Ruling::Broken(untold),
                // The cases about reports tell it; elsewhere it counts what has come of the transfer.
                false => Ruling::Holds(Some(super::observed(untold))),
            }
        }
        Ending::Succeeded => match expect {
            Expect::Created | Expect::Replaced => Ruling::Holds(None),
            Expect::Any => Ruling::Holds(Some(judge.note(actual("success")))),
            _ => Ruling::Broken(
                judge.own("a refusal, or a failure in the report", actual("success")),
            ),
        },
        Ending::Failed(text) => match expect {
            Expect::Created | Expect::Replaced => {
                let expected = "success in the report";
                match judge.role {
                    StepRole::Control(see) => expectation::unfit(expected, &actual(&text), see),
                    _ => Ruling::Broken(judge.own(expected, actual(&text))),
                }
            }
            Expect::Failed | Expect::PreconditionFailed => Ruling::Holds(None),
            Expect::Any => Ruling::Holds(Some(judge.note(actual(&text)))),
            _ => Ruling::Holds(Some(judge.status(
                Some("TPC-22"),
                format!(
                    "{} as status",
                    expectation::describe(&expectation::expected_status(expect, Method::Copy))
                ),
                actual(&text),
            ))),
        },
    }
}

/// A COPY whose answer broke off each time that it was asked for: nobody can tell how the transfer ended.
pub fn untold(judge: Judge<'_>, broke: BrokeOff) -> Finding {
    judge.of(
        "TPC-06",
        "a line that tells how the transfer ended",
        format!("COPY {broke}, twice"),
    )
}

/// Judges what is asked of the report beside the line that tells how it ended. `over` tells whether our side had sent
/// everything when the head of the answer was there, and `now` what time it is.
pub fn reported(
    judge: Judge<'_>,
    transfer: &Transfer,
    answer: &Answer,
    over: Option<bool>,
    now: Timestamp,
) -> Vec<Finding> {
    let demand = transfer.report;
    let mut findings = Vec::new();
    if !answer.success() {
        return findings;
    }
    if let (Ending::Failed(_), more @ 1..) = (ending(answer), afterwards(answer)) {
        let more = match more {
            1 => "a further line follows".to_owned(),
            more => format!("{more} further lines follow"),
        };
        findings.push(judge.note(format!("{more} the one that tells the failure")));
    }
    let found = markers(answer, now);
    if demand.early {
        if over == Some(true) {
            findings.push(judge.of(
                "TPC-03",
                "202 Accepted before the transfer ends",
                format!("{} after everything was sent", answer.status),
            ));
        } else if answer.status != 202 {
            findings.push(judge.note(format!("COPY was answered {}", answer.status)));
        }
    }
    if demand.markers {
        findings.extend(kind(judge, answer));
        if found.carriage_returns {
            findings.push(judge.of(
                "TPC-04",
                "lines that a line feed alone ends",
                "lines that a carriage return and a line feed end",
            ));
        }
        if found.count == 0 {
            findings.push(judge.of("TPC-05", "markers while the transfer runs", "no marker"));
        }
        if answer.pause > SILENCE {
            findings.push(judge.of(
                "TPC-05",
                "a marker at least every 30 s",
                format!("nothing for {} s", answer.pause.as_secs()),
            ));
        }
        for problem in &found.problems {
            let expected = "`Perf Marker`, its four numbers, `End`; bytes that never become fewer";
            findings.push(judge.of("TPC-05", expected, problem.as_str()));
        }
    }
    if demand.connections {
        if found.connected == 0 {
            findings.push(judge.of("TPC-26", "RemoteConnections in the markers", "none"));
        }
        for odd in &found.odd_connections {
            let expected = "tcp:address:port, separated by commas";
            findings.push(judge.of("TPC-26", expected, format!("`{odd}`")));
        }
    }
    findings
}

/// The type of a report.
fn kind(judge: Judge<'_>, answer: &Answer) -> Option<Finding> {
    let value = answer.header("content-type").unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("text/perf-marker-stream") {
        return None;
    }
    if essence.eq_ignore_ascii_case("text/plain") {
        return Some(judge.note("the report is text/plain".into()));
    }
    let actual = match value {
        "" => "no Content-Type".to_owned(),
        value => format!("Content-Type: {value}"),
    };
    Some(judge.of("TPC-04", "Content-Type: text/perf-marker-stream", actual))
}

/// Judges what our side heard of a COPY that is to end as `expect` says, and whose own token is `token`.
/// `sent` are the bytes that a push has to bring.
pub fn heard(
    judge: Judge<'_>,
    transfer: &Transfer,
    expect: Expect,
    heard: &[PeerRequest],
    secrets: &Secrets<'_>,
    sent: Option<&[u8]>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(leaked(judge, heard, secrets.token));
    let distrusted = matches!(&transfer.side, CopySide::Ours(part) if part.distrusted());
    if distrusted && let Some(first) = heard.first() {
        let what = format!("our side was sent {} all the same", first.method);
        findings.push(judge.own("a certificate that does not hold ends the transfer", what));
    }
    // Whether there is something at the destination may be looked at late.
    let refused =
        expect.harmless() && !matches!(expect, Expect::Failed | Expect::PreconditionFailed);
    if refused && let Some(first) = heard.first() {
        findings.push(contacted(judge, transfer.direction, expect, heard, first));
    }
    findings.extend(cleartext(judge, transfer, heard));
    findings.extend(entrusted(judge, transfer, heard, secrets.credential));
    if refused || distrusted {
        return findings;
    }
    findings.extend(demanded(judge, transfer, heard, secrets.credential));
    if let Some(sent) = sent.filter(|_| matches!(expect, Expect::Created | Expect::Replaced)) {
        findings.extend(arrived(judge, heard, sent));
    }
    findings
}

/// What must not, and what has to arrive at our side.
pub struct Secrets<'a> {
    /// The token of the COPY itself.
    pub token: Option<&'a str>,
    /// The credential for our side.
    pub credential: Option<&'a str>,
}

/// Whether the token of the COPY itself went on to the other side.
fn leaked(judge: Judge<'_>, heard: &[PeerRequest], token: Option<&str>) -> Option<Finding> {
    let token = token.filter(|token| !token.is_empty())?;
    let place = heard.iter().find_map(|heard| {
        if heard.target.contains(token) {
            return Some("the target".to_owned());
        }
        let mut headers = heard.headers.iter();
        let (name, _) = headers.find(|(_, value)| value.contains(token))?;
        Some(format!("`{name}`"))
    })?;
    Some(judge.of(
        "TPC-14",
        "the token of the COPY stays where it was sent",
        format!("our side was sent it in {place}"),
    ))
}

/// A request that should never have been made. Asking before the right is clear is a matter of its own,
/// whatever else the case is about; sending data is not.
fn contacted(
    judge: Judge<'_>,
    direction: Direction,
    expect: Expect,
    heard: &[PeerRequest],
    first: &PeerRequest,
) -> Finding {
    let bytes: usize = heard.iter().map(|heard| heard.body.len()).sum();
    let expected = "no request to the other side";
    match direction {
        Direction::Pull if expect.refusal() => {
            let finding = judge.of(
                "TPC-08",
                expected,
                format!("our side was asked {}", first.method),
            );
            match judge.cites("TPC-08") {
                true => finding,
                false => Finding {
                    level: Level::Should,
                    ..finding
                },
            }
        }
        Direction::Push if bytes > 0 => judge.own(
            expected,
            format!("our side was sent {bytes} bytes of the file"),
        ),
        // Looking before the right was checked does no harm when the right is to read the local file.
        Direction::Push if !first.carries_data() => judge.status(
            None,
            expected.to_owned(),
            format!("our side was asked {}", first.method),
        ),
        _ => judge.own(expected, format!("our side was asked {}", first.method)),
    }
}

/// A credential that came over plain http.
fn cleartext(judge: Judge<'_>, transfer: &Transfer, heard: &[PeerRequest]) -> Option<Finding> {
    if !matches!(
        transfer.side,
        CopySide::Ours(PeerBehaviour::Cleartext | PeerBehaviour::Plain)
    ) {
        return None;
    }
    let carried = |heard: &&PeerRequest| {
        heard
            .headers
            .iter()
            .any(|(name, _)| name == "authorization")
    };
    let first = heard.iter().filter(|heard| !heard.secure).find(carried)?;
    Some(judge.of(
        "TPC-29",
        "no credential over plain http",
        format!("{} with Authorization over plain http", first.method),
    ))
}

/// A credential that went along to the other origin to which our side redirects.
fn entrusted(
    judge: Judge<'_>,
    transfer: &Transfer,
    heard: &[PeerRequest],
    credential: Option<&str>,
) -> Option<Finding> {
    if transfer.side != CopySide::Ours(PeerBehaviour::Elsewhere) {
        return None;
    }
    let credential = credential.filter(|text| !text.is_empty())?;
    let first = heard.first()?;
    let elsewhere = heard.iter().filter(|heard| heard.target != first.target);
    let place = elsewhere
        .flat_map(|heard| &heard.headers)
        .find(|(_, value)| value.contains(credential))
        .map(|(name, _)| name)?;
    Some(judge.of(
        "TPC-35",
        "no credential at the origin that a redirect leads to",
        format!("it was sent there in `{place}`"),
    ))
}

/// The header fields that have to arrive, and those that must not.
fn demanded(
    judge: Judge<'_>,
    transfer: &Transfer,
    heard: &[PeerRequest],
    credential: Option<&str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = |names: &str, fits: &dyn Fn(&str) -> bool| {
        let named = |name: &str| names.split('|').any(|one| one.trim() == name);
        heard
            .iter()
            .flat_map(|heard| &heard.headers)
            .any(|(name, value)| named(name) && fits(value))
    };
    for (name, hearing) in &transfer.heard {
        let (right, what) = match hearing {
            Hearing::Present => (found(name, &|_| true), format!("`{name}`")),
            Hearing::Value(wanted) => (
                found(name, &|value| value == wanted),
                format!("`{name}: {wanted}`"),
            ),
            Hearing::Credential => {
                let bearer = credential.map(|text| format!("Bearer {text}"));
                (
                    found(name, &|value| Some(value) == bearer.as_deref()),
                    format!("`{name}` with the credential for it"),
                )
            }
        };
        if !right {
            let actual = match heard.len() {
                0 => "no request".to_owned(),
                _ => "requests without it".to_owned(),
            };
            findings.push(judge.own(format!("our side is sent {what}"), actual));
        }
    }
    for (name, value) in &transfer.unheard {
        if found(name, &|heard| heard.eq_ignore_ascii_case(value)) {
            let expected = format!("`{name}: {value}` is not sent on");
            findings.push(judge.own(expected, "our side was sent it"));
        }
    }
    findings
}

/// Whether a push that was told to be complete brought everything.
fn arrived(judge: Judge<'_>, heard: &[PeerRequest], sent: &[u8]) -> Option<Finding> {
    let put = heard.iter().rev().find(|heard| heard.method == "PUT");
    let actual = match put {
        None => "no PUT".to_owned(),
        Some(put) if put.complete && put.body == sent => return None,
        Some(put) if !put.complete => format!("{} bytes, and no end", put.body.len()),
        Some(put) if put.body.len() == sent.len() => format!("{} other bytes", sent.len()),
        Some(put) => format!("{} bytes", put.body.len()),
    };
    let expected = format!("the {} bytes of the file at our side", sent.len());
    Some(judge.harm("TPC-06", expected, actual))
}

/// A transfer that goes on, although the client hung up.
pub fn goes_on(judge: Judge<'_>, waited: Duration) -> Finding {
    judge.own(
        "the transfer ends when the client hangs up",
        format!(
            "our side still has the connection after {} s",
            waited.as_secs()
        ),
    )
}

/// Whether somebody who fetched data wanted to know their checksum.
pub fn asked_for_digest(heard: &[PeerRequest]) -> bool {
    let mut headers = heard.iter().flat_map(|heard| &heard.headers);
    headers.any(|(name, _)| matches!(name.as_str(), "want-digest" | "want-repr-digest"))
}

/// A COPY that was sent to plain http: what it carries would go in the clear.
pub fn redirected_copy(judge: Judge<'_>, exchange: &Exchange) -> Option<Finding> {
    let plain = |to: &&str| {
        let scheme = to.trim_start().get(..5);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"))
    };
    let mut places = exchange.hops.iter().map(|hop| hop.location.as_str());
    let to = places.find(plain)?;
    Some(judge.of(
        "TPC-23",
        "a redirect to https",
        format!("a redirect to {to}"),
    ))
}

/// What an answer tells of a connection that did not come about, or of a certificate: where it was to go, somebody went.
pub fn tried(judge: Judge<'_>, answer: &Answer) -> Option<Finding> {
    const PHRASES: [&str; 8] = [
        "certificate",
        "connection refused",
        "connection reset",
        "connection timed out",
        "failed to connect",
        "could not connect",
        "couldn't connect",
        "handshake",
    ];
    let body = String::from_utf8_lossy(&answer.body);
    let text = match ending(answer) {
        Ending::Failed(text) => text,
        Ending::Refused(_) => body.lines().next().unwrap_or_default().to_owned(),
        Ending::Succeeded | Ending::Untold(_) => return None,
    };
    let lower = text.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    let went = PHRASES.iter().any(|phrase| lower.contains(phrase))
        || words.any(|word| matches!(word, "ssl" | "tls"));
    let told: String = text.chars().take(TOLD).collect();
    went.then(|| judge.note(format!("it tried: `{told}`")))
}

/// What a COPY that failed has left where nothing was, which is a matter of its own, whatever else the case is about: an empty file,
/// and where the transfer was let to begin, whatever came. `None` where what is there is no such thing.
pub fn remains(
    judge: Judge<'_>,
    tried: Tried<'_>,
    answer: &Answer,
    (expected, observed): (&State, &Observed),
    finding: &Finding,
) -> Option<Finding> {
    if *expected != State::Absent || !matches!(tried.step.interface, Interface::Transfer(_)) {
        return None;
    }
    let empty = match observed {
        Observed::Sized(Some(0)) => true,
        Observed::Present(bytes) => bytes.is_empty(),
        _ => false,
    };
    let left = match ending(answer) {
        Ending::Failed(_) => empty || tried.expect == Expect::Failed,
        Ending::Refused(status) => status >= 400 && tried.expect == Expect::Failed,
        Ending::Untold(_) => tried.expect == Expect::Failed,
        Ending::Succeeded => false,
    };
    if !(tried.expect.harmless() && left) {
        return None;
    }
    let about = judge.of("TPC-20", &*finding.expected, &*finding.actual);
    Some(match judge.cites("TPC-20") {
        true => about,
        false => warning(about),
    })
}
