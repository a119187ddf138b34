//! One step in words: what is sent, what is right, how it is proven.

use std::fmt::Write;
use touchstone_model::{
    Credential, Expect, Filling, Flavour, Interface, Lapse, Lapsing, MacaroonRequest, Method, Step,
    TokenTemplate, Variable,
};

use super::tape;
use super::token::{credential, token};
use super::transfer;

/// Appends what there is to say of `step`.
pub(super) fn explain(text: &mut String, step: &Step) {
    let to = step
        .destination
        .as_ref()
        .map(|to| format!(" to {to}"))
        .unwrap_or_default();
    let copied = match &step.interface {
        Interface::Transfer(copied) => Some(copied),
        Interface::Webdav | Interface::Tape(_) | Interface::Macaroons(_) => None,
    };
    let _ = match copied {
        Some(copied) => writeln!(
            text,
            "  {}",
            transfer::title(&step.path.to_string(), copied)
        ),
        None => writeln!(text, "  {} {}{to}", step.method, step.path),
    };
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "    {name:10}{value}");
    };
    if let Interface::Tape(call) = &step.interface {
        tape::shape(&mut row, call);
    }
    if step.optional {
        row(
            "skipped",
            match copied {
                Some(_) => "where the service asks the other side for no checksum",
                None => "where the service does not offer it (405 or 501)",
            },
        );
    }
    if step.redirected {
        row(
            "sent to",
            "where the step before was redirected to, without the query; without a redirect the case is skipped",
        );
    }
    if step.terms.otherwise {
        row("sent", "only where the step before had its other outcome");
    }
    if step.wait > 0 {
        row("after", &format!("waiting for {} s", step.wait));
    }
    row("with", &credential(&step.token));
    if let Interface::Macaroons(request) = &step.interface {
        row("asks for", &macaroon(request));
    }
    shape(&mut row, step);
    let (expected, proof) = match &step.interface {
        Interface::Transfer(copied) => {
            transfer::rows(&mut row, copied);
            (
                transfer::expected(step.expect),
                transfer::proof(copied, step.expect).to_owned(),
            )
        }
        Interface::Tape(call) => (tape::expected(step, call), tape::proof(step, call)),
        Interface::Webdav | Interface::Macaroons(_) => (expected(step), proof(step)),
    };
    row("expected", &expected);
    if let Some(or) = &step.terms.or {
        let right = statuses(touchstone_protocol::expected_status(or.expect, step.method).right);
        let right = match or.expect {
            Expect::Refused => "any other refusal".to_owned(),
            word => format!("{word} ({right})"),
        };
        row(
            "or",
            &match &or.clause {
                None => right,
                Some(clause) => format!("{right}, which is a finding of {clause}"),
            },
        );
    }
    if let Some(clause) = &step.terms.clause {
        row("clause", clause.as_str());
    }
    match step.terms.lapse {
        Some(Lapsing::Polled) => {
            let lapse = Lapse::default();
            row(
                "repeated",
                &format!(
                    "every {} s until it is refused: within {} s of the token's end is right, within {} s a warning, later a failure",
                    lapse.pause.as_secs(),
                    lapse.pass.as_secs(),
                    lapse.warn.as_secs(),
                ),
            );
        }
        Some(Lapsing::Once) => row(
            "told",
            "for how many seconds the token has been over where it is still taken",
        ),
        None => {}
    }
    row("proof", &proof);
    let named = |asked: &TokenTemplate| asked.variables().any(|v| v == Variable::Listener);
    if step.token.token().is_some_and(named) {
        row("", "nobody has connected to {listener}");
    }
    if let Some(control) = &step.control {
        let plain = match &step.wire {
            Some(_) => "the request, sent in the usual way,",
            None => "the same request",
        };
        row(
            "control",
            &format!("{plain} with {} has to succeed", token(control)),
        );
    }
}

/// What a macaroon is asked for.
fn macaroon(request: &MacaroonRequest) -> String {
    let mut text = "a macaroon".to_owned();
    let caveats = request.all_caveats();
    if !caveats.is_empty() {
        let caveats: Vec<_> = caveats
            .iter()
            .map(|one| one.escape_debug().to_string())
            .collect();
        let _ = write!(text, " with {}", caveats.join(" and "));
    }
    if !request.validity.is_empty() {
        let _ = write!(text, ", good for {}", request.validity);
    }
    if request.flavour == Flavour::Oauth {
        text.push_str(", at the token endpoint of the service; without one the case is skipped");
    }
    text
}

/// What is unusual about the request.
fn shape(row: &mut impl FnMut(&str, &str), step: &Step) {
    if let Some(verb) = &step.verb {
        row("method", &format!("{verb} on the wire"));
    }
    for (name, value) in &step.headers {
        row("header", &format!("{name}: {value}"));
    }
    match (&step.content, step.method) {
        (Some(content), _) => row("body", &format!("{:?}", excerpt(content))),
        (None, Method::Put) if step.body.is_empty() => row("body", "none: an empty file"),
        (None, _) if step.filling == Filling::EveryByte => {
            row("body", "each value that a byte can have, and ends of lines")
        }
        (None, _) if step.filling == Filling::Large => row("body", "more than 1 MiB"),
        (None, Method::Put) => row("body", "a line that stands nowhere else"),
        _ => {}
    }
    let Some(wire) = &step.wire else { return };
    if let Some(target) = &wire.target {
        let from = match target.chars().next() {
            Some('/') => "from the root of the service",
            Some('{') => "as it stands",
            _ => "below the case's directory",
        };
        row("sent as", &format!("{target}   byte for byte, {from}"));
    }
    for line in wire.present.iter().flatten() {
        row("header", line);
    }
    if let Some(query) = &wire.query {
        row("query", &format!("?{query}"));
    }
    if wire.query.is_some() && wire.present.is_none() {
        row("header", "no Authorization");
    }
    if wire.other != Credential::None {
        row(
            "and",
            &format!("{}, where {{other}} stands", credential(&wire.other)),
        );
    }
    for (set, words) in [
        (
            wire.expect_continue,
            "with Expect: 100-continue; the body waits for the answer",
        ),
        (wire.http_1_0, "as HTTP/1.0"),
        (
            wire.kept,
            "on the case's one connection, which is kept open",
        ),
        (wire.chunked, "chunked, without its length"),
    ] {
        if set {
            row("sent", words);
        }
    }
    if let Some(bytes) = wire.cut {
        row(
            "sent",
            &format!("broken off after {bytes} bytes of the body"),
        );
    }
}

fn statuses(some: &[u16]) -> String {
    let some: Vec<_> = some.iter().map(u16::to_string).collect();
    some.join(" or ")
}

/// What is right and what is tolerated.
fn expected(step: &Step) -> String {
    let word = touchstone_protocol::expected_status(step.expect, step.method);
    let meant = match step.expect {
        Expect::Any => "whatever but a server error; it is told and not judged".to_owned(),
        Expect::Refused => "any refusal, 4xx or 501".to_owned(),
        _ => {
            let tolerated = match (step.expect.refusal(), word.tolerated) {
                (true, _) => "; another refusal (4xx) is a warning".to_owned(),
                (false, []) => String::new(),
                (false, many) if many.len() > 4 => "; another refusal (4xx) is a warning".into(),
                (false, some) => format!("; {} is a warning", statuses(some)),
            };
            format!("{}{tolerated}", statuses(word.right))
        }
    };
    let challenge = match step.tells.challenge.as_deref() {
        None => "",
        Some("invalid_token") => "; a 401 names the error invalid_token",
        Some(_) => "; a 401 offers Bearer without an error",
    };
    let alike = match step.tells.alike {
        true => "; status and length are those of the step before",
        false => "",
    };
    let allow = match step.tells.allow {
        true => "; a 405 names the allowed methods",
        false => "",
    };
    format!("{} ({meant}{challenge}{alike}{allow})", step.expect)
}

/// How the step is proven beyond its status.
fn proof(step: &Step) -> String {
    let asks = matches!(step.interface, Interface::Macaroons(_));
    let mut proof = match (step.expect, step.method) {
        (Expect::Ok, _) if asks => "a macaroon is in the answer",
        (expect, _) if asks && expect.refusal() => "no macaroon is in the answer",
        (Expect::Any, _) => "none is asked for",
        (expect, method) if expect.harmless() && method.writes() => {
            "nothing has changed, as the observer sees by reading it back"
        }
        (expect, _) if expect.refusal() => {
            "neither bytes nor checksum of the file are in the answer"
        }
        (expect, _) if expect.harmless() => "the status",
        (Expect::Partial, _) => "the bytes are those of the range",
        (Expect::Unsatisfiable, _) => "the status",
        (Expect::Listed, _) => "the members are all there",
        (_, Method::Get) => "the bytes are those that were stored",
        (_, Method::Head | Method::Propfind) => {
            "the size is that of the file, or it is a directory"
        }
        (Expect::DeletedOrRefused | Expect::CreatedOrConflict, _) => {
            "what the status says is what has happened, as the observer sees by reading it back"
        }
        (_, method) if method.writes() => {
            "it really happened, as the observer sees by reading it back"
        }
        (_, _) => "the status, and what the answer offers",
    }
    .to_owned();
    if !step.tells.members.is_empty() {
        let _ = write!(proof, ": {}", step.tells.members.join(", "));
    }
    if !step.tells.hidden.is_empty() {
        let _ = write!(
            proof,
            "; no listing shows {}",
            step.tells.hidden.join(" or ")
        );
    }
    if let Some(algorithm) = step.tells.digest.as_deref().filter(|name| *name != "none") {
        let _ = write!(proof, "; the checksum {algorithm} is right");
    }
    proof
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
