//! A COPY between servers in words.

use crate::model::{Direction, Expect, Hearing, Part, Side, There, Transfer};

/// What is done, in a line: the head of the step.
pub(super) fn title(path: &str, transfer: &Transfer) -> String {
    match transfer.direction {
        Direction::Pull => format!("COPY {path}, which the service fetches (Source)"),
        Direction::Push => format!("COPY {path}, which the service sends (Destination)"),
    }
}

/// The rows about the other side.
pub(super) fn rows(row: &mut impl FnMut(&str, &str), transfer: &Transfer) {
    row("far side", &side(&transfer.side));
    match (transfer.there, &transfer.side) {
        (_, Side::Url(_) | Side::Nobody) => {}
        (There::Nothing, _) => row("there", "no credential for it goes along"),
        (there, Side::Partner) => row(
            "there",
            &format!(
                "a token of its issuer with {} for the case's directory there, in TransferHeaderAuthorization",
                there.capability().unwrap_or_default()
            ),
        ),
        (there, Side::Itself | Side::Own) => row(
            "there",
            &format!(
                "a token with {} for the case's directory, in TransferHeaderAuthorization",
                there.capability().unwrap_or_default()
            ),
        ),
        (_, _) => row(
            "there",
            "a made-up credential, in TransferHeaderAuthorization; without it we serve nobody",
        ),
    }
    for (name, hearing) in &transfer.heard {
        let value = match hearing {
            Hearing::Present => String::new(),
            Hearing::Value(value) => format!(": {value}"),
            Hearing::Credential => ": Bearer and the credential for it".into(),
        };
        row("gets", &format!("{name}{value}"));
    }
    for (name, value) in &transfer.unheard {
        row("gets not", &format!("{name}: {value}"));
    }
    if transfer.hang_up {
        row("hung up", "once half of the data are on their way");
    }
    if transfer.redirecting {
        row("skipped", "where the service does not redirect a COPY");
    }
    for (asked, words) in [
        (
            transfer.report.markers,
            "complete markers, at least every 30 s, as text/perf-marker-stream",
        ),
        (
            transfer.report.connections,
            "RemoteConnections in the markers",
        ),
        (transfer.report.early, "202 before the transfer ends"),
    ] {
        if asked {
            row("report", words);
        }
    }
}

/// What is right.
pub(super) fn expected(expect: Expect) -> String {
    let meant = match expect {
        Expect::Any => "whatever but a server error; it is told and not judged",
        Expect::Created | Expect::Replaced => "2xx, and `success` in the report",
        Expect::Failed => "a refusal by status, or `failure` in the report",
        Expect::PreconditionFailed => "412, or `failure` in the report",
        _ => "a refusal by status; `failure` in the report of a 2xx is a warning",
    };
    format!("{expect} ({meant})")
}

/// How it is proven.
pub(super) fn proof(transfer: &Transfer, expect: Expect) -> &'static str {
    let distrusted = matches!(&transfer.side, Side::Ours(part) if part.distrusted());
    match (expect, transfer.direction) {
        _ if distrusted => "our side is sent no request, and nothing is there afterwards",
        (Expect::Any, _) => "what our side is sent: no credential over plain http",
        _ if transfer.side == Side::Ours(Part::Elsewhere) => {
            "the bytes have arrived, and the credential was not sent on to the other origin"
        }
        (Expect::Failed, Direction::Pull) => {
            "nothing has changed, as the observer sees by reading it back; if our side was not asked, the same COPY succeeds with nothing wrong there"
        }
        (Expect::Failed, Direction::Push) => {
            "the report does not tell a success; if our side was not asked, the same COPY succeeds with nothing wrong there"
        }
        (expect, _) if expect.harmless() => {
            "the other side is sent no request, and nothing has changed"
        }
        (_, Direction::Pull) => "the observer reads back the bytes of the other side",
        (_, Direction::Push) => "the bytes of the file have arrived at the other side",
    }
}

fn side(side: &Side) -> String {
    match side {
        Side::Partner => "another endpoint (`tpc-partner:`, or the first that is there)".into(),
        Side::Itself => {
            "the service itself, at 127.0.0.1 and its own port, with a file of the case".into()
        }
        Side::Own => "the service itself, by its own URL, with a file of the case".into(),
        Side::Url(url) => {
            format!("{url}, literally; nothing there is read or shown that is not ours")
        }
        Side::Both => "a server of ours, in Source and in Destination".into(),
        Side::Nobody => "neither Source nor Destination".into(),
        Side::Ours(part) => format!("a server of ours (`--listen`) {}", plays(*part)),
    }
}

fn plays(part: Part) -> &'static str {
    match part {
        Part::Good => "that does everything right",
        Part::Missing => "that answers 404 with a page of HTML",
        Part::Unauthorized => "that answers 401",
        Part::Forbidden => "that answers 403",
        Part::Failing => "that answers 500 with a page of HTML",
        Part::Cut => "that breaks the connection half-way",
        Part::Paced => "that takes more than a second",
        Part::Slow => "that takes more than half a minute",
        Part::Stalled => "that stops half-way and waits",
        Part::Trickling => "that sends a byte now and then, without end",
        Part::Silent => "that takes the request and never answers",
        Part::Undigested => "that tells no checksum",
        Part::Misdigested => "that tells a wrong checksum",
        Part::Misrepresented => "that tells a wrong Repr-Digest",
        Part::Elsewhere => "that redirects to another name or port of its own",
        Part::Cleartext => "that redirects to plain http",
        Part::Circling => "that redirects to itself for ever",
        Part::Untrusted => "whose certificate nobody trusted has signed",
        Part::Misnamed => "whose certificate is for another name",
        Part::Expired => "whose certificate has expired",
        Part::Occupied => "where there is a file already",
        Part::Empty => "whose file has no bytes",
        Part::Chunked => "that sends the data in chunks, without their length",
        Part::Partial => "that answers 206 with the first half of the file, which nobody asked for",
        Part::NoContent => "that answers 204 in place of the file",
        Part::Queried => "whose URL has a query, without which nobody is served",
        Part::Plain => "whose URL is one of plain http",
    }
}
