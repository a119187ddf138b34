//! A COPY between servers in words.

use touchstone_model::{CopySide, Direction, Expect, Hearing, PeerBehaviour, There, Transfer};

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
        (_, CopySide::Url(_) | CopySide::Nobody) => {}
        (There::Nothing, _) => row("there", "no credential for it goes along"),
        (there, CopySide::Partner) => row(
            "there",
            &format!(
                "a token of its issuer with {} for the case's directory there, in TransferHeaderAuthorization",
                there.capability().unwrap_or_default()
            ),
        ),
        (there, CopySide::Itself | CopySide::Own) => row(
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
    let distrusted = matches!(&transfer.side, CopySide::Ours(part) if part.distrusted());
    match (expect, transfer.direction) {
        _ if distrusted => "our side is sent no request, and nothing is there afterwards",
        (Expect::Any, _) => "what our side is sent: no credential over plain http",
        _ if transfer.side == CopySide::Ours(PeerBehaviour::Elsewhere) => {
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

fn side(side: &CopySide) -> String {
    match side {
        CopySide::Partner => "another endpoint (`tpc-partner:`, or the first that is there)".into(),
        CopySide::Itself => {
            "the service itself, at 127.0.0.1 and its own port, with a file of the case".into()
        }
        CopySide::Own => "the service itself, by its own URL, with a file of the case".into(),
        CopySide::Url(url) => {
            format!("{url}, literally; nothing there is read or shown that is not ours")
        }
        CopySide::Both => "a server of ours, in Source and in Destination".into(),
        CopySide::Nobody => "neither Source nor Destination".into(),
        CopySide::Ours(part) => format!("a server of ours (`--listen`) {}", plays(*part)),
    }
}

fn plays(part: PeerBehaviour) -> &'static str {
    match part {
        PeerBehaviour::Good => "that does everything right",
        PeerBehaviour::Missing => "that answers 404 with a page of HTML",
        PeerBehaviour::Unauthorized => "that answers 401",
        PeerBehaviour::Forbidden => "that answers 403",
        PeerBehaviour::Failing => "that answers 500 with a page of HTML",
        PeerBehaviour::Cut => "that breaks the connection half-way",
        PeerBehaviour::Paced => "that takes more than a second",
        PeerBehaviour::Slow => "that takes more than half a minute",
        PeerBehaviour::Stalled => "that stops half-way and waits",
        PeerBehaviour::Trickling => "that sends a byte now and then, without end",
        PeerBehaviour::Silent => "that takes the request and never answers",
        PeerBehaviour::Undigested => "that tells no checksum",
        PeerBehaviour::Misdigested => "that tells a wrong checksum",
        PeerBehaviour::Misrepresented => "that tells a wrong Repr-Digest",
        PeerBehaviour::Elsewhere => "that redirects to another name or port of its own",
        PeerBehaviour::Cleartext => "that redirects to plain http",
        PeerBehaviour::Circling => "that redirects to itself for ever",
        PeerBehaviour::Untrusted => "whose certificate nobody trusted has signed",
        PeerBehaviour::Misnamed => "whose certificate is for another name",
        PeerBehaviour::Expired => "whose certificate has expired",
        PeerBehaviour::Occupied => "where there is a file already",
        PeerBehaviour::Empty => "whose file has no bytes",
        PeerBehaviour::Chunked => "that sends the data in chunks, without their length",
        PeerBehaviour::Partial => {
            "that answers 206 with the first half of the file, which nobody asked for"
        }
        PeerBehaviour::NoContent => "that answers 204 in place of the file",
        PeerBehaviour::Queried => "whose URL has a query, without which nobody is served",
        PeerBehaviour::Plain => "whose URL is one of plain http",
    }
}
