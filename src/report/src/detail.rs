//! One case in full: shared by the reports that show more than its verdict.

use touchstone_model::{CaseResult, Exchange, Finding, KnownFailure, Quotation};

use super::curl::{curl, obtain};
use super::style::Style;
use super::text::{cap, line, terminal};

/// How much of one body is shown.
const BODY: usize = 2000;

/// What was found: for each finding the clause, what was required, expected and seen, the step, and
/// how to see it again. Every line starts with `indent`.
pub(super) fn findings(result: &CaseResult, indent: &str, style: Style) -> String {
    let mut text = String::new();
    let mut shown = Vec::new();
    for (n, finding) in result.findings.iter().enumerate() {
        if n > 0 {
            text += "\n";
        }
        let clause = clause(finding);
        text += &format!(
            "{indent}{}  {}\n",
            style.bold(&clause),
            line(&finding.requirement)
        );
        for quotation in self::text(result, n) {
            text += &row(indent, style, "text", &line(&quotation.to_string()));
        }
        text += &row(indent, style, "expected", &line(&finding.expected));
        text += &row(indent, style, "actual", &line(&finding.actual));
        text += &row(indent, style, "at", &line(&finding.at.to_string()));
        let exchange = exchange(result, finding).filter(|_| !shown.contains(&finding.exchange));
        if let Some(exchange) = exchange {
            shown.push(finding.exchange);
            text += &again(&exchange, indent, style);
        }
    }
    text
}

/// What the sources of the nth finding's clause say; nothing where an earlier finding has told it.
pub(super) fn text(result: &CaseResult, nth: usize) -> &[Quotation] {
    let Some(finding) = result.findings.get(nth) else {
        return &[];
    };
    let mut before = result.findings.iter().take(nth);
    match before.any(|other| other.clause == finding.clause) {
        true => &[],
        false => &finding.text,
    }
}

/// The clause of a finding and its level; marked where it is our reading of the sources.
pub(super) fn clause(finding: &Finding) -> String {
    let mark = finding.basis.mark();
    format!("{} {}{mark}", line(finding.clause.as_str()), finding.level)
}

/// How to send a request again, and where to look for it in the logs of the site.
pub(super) fn again(exchange: &Exchange, indent: &str, style: Style) -> String {
    let mut text = String::new();
    for (number, command) in curl(exchange).iter().enumerate() {
        let label = if number == 0 { "try" } else { "then" };
        text += &row(indent, style, label, &terminal(command));
    }
    let mut logged = format!("{:.0}", exchange.started);
    if let Some(token) = &exchange.token {
        text += &row(indent, style, "token", &line(&obtain(token)));
        if let Some(jti) = &token.jti {
            logged += &format!(", jti {}", line(jti));
        }
    }
    if let Some(other) = &exchange.other {
        text += &row(indent, style, "other", &line(&obtain(other)));
    }
    text + &row(indent, style, "logged", &logged)
}

/// Everything that was sent and came, for files; long bodies are cut.
pub(super) fn exchanges(result: &CaseResult) -> String {
    let mut text = String::new();
    for exchange in &result.exchanges {
        let url = line(&exchange.url);
        text += &format!(
            "\n{}: {} {url}\n",
            exchange.purpose.as_str(),
            exchange.method
        );
        text += &fields(">", &exchange.request_headers);
        if let Some(token) = &exchange.token {
            text += &format!(
                "> token: {}, sha256 {}\n",
                line(&token.what),
                line(&token.hash)
            );
        }
        if let Some(body) = &exchange.request_body {
            text += &format!("\n{}\n\n", cap(body, BODY));
        }
        for hop in &exchange.hops {
            text += &format!("< {} to {}\n", hop.status, line(&hop.location));
        }
        match (exchange.status, &exchange.error) {
            (Some(status), _) => text += &format!("< {status}\n"),
            (None, Some(error)) => text += &format!("no answer: {}\n", line(error)),
            (None, None) => text += "no answer\n",
        }
        text += &fields("<", &exchange.response_headers);
        if !exchange.response_body.is_empty() {
            text += &format!("\n{}\n", cap(&exchange.response_body, BODY));
        }
    }
    text
}

/// Why a failure is known, in one line.
pub(super) fn known(known: &KnownFailure) -> String {
    let mut text = line(&known.reason);
    if let Some(ticket) = &known.ticket {
        text += &format!(" ({})", line(ticket));
    }
    if let Some(day) = known.expires {
        text += &format!(", until {day}");
    }
    text
}

/// That a failure was known and is so no longer, in one line; nothing where it never was.
pub(super) fn expired(result: &CaseResult) -> Option<String> {
    let entry = result.expired.as_ref()?;
    let mut text = "known".to_owned();
    if let Some(day) = entry.expires {
        text += &format!(" until {day}");
    }
    if let Some(ticket) = &entry.ticket {
        text += &format!(" ({})", line(ticket));
    }
    let at = line(&entry.at.to_string());
    Some(format!(
        "{text}: expired; renew the entry at {at} or have it fixed"
    ))
}

fn exchange(result: &CaseResult, finding: &Finding) -> Option<Exchange> {
    result.exchanges.get(finding.exchange?)
}

fn row(indent: &str, style: Style, name: &str, value: &str) -> String {
    format!("{indent}{}{value}\n", style.dim(&format!("{name:10}")))
}

fn fields(mark: &str, headers: &[(String, String)]) -> String {
    headers
        .iter()
        .map(|(name, value)| format!("{mark} {}: {}\n", line(name), line(value)))
        .collect()
}
