//! A text for the helpdesk for each endpoint with something to tell: its first line is the title.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use touchstone_model::{
    CaseResult, EndpointRecord, Exchange, Finding, RunRecord, Verdict, shell_word,
};

use super::File;
use super::basis;
use super::curl::{curl, obtain};
use super::detail;
use super::hints::Hints;
use super::news;
use super::spread::Spreads;
use super::text::{cap, count, file_name, line, terminal};

/// Failures that are told in full.
const IN_FULL: usize = 12;
/// How many cases the title names.
const IN_TITLE: usize = 3;
/// How many cases a list names.
const NAMED: usize = 20;
/// How many bytes of a value are shown.
const VALUE: usize = 600;
/// The column where lines are broken, where that is possible.
const WIDTH: usize = 100;

/// Tickets about what is new since the last run; of a run without past, about all failures.
pub fn news(record: &RunRecord) -> Vec<File> {
    tickets(record, |result| {
        record.past.is_none() || news::new_failure(record, result)
    })
}

/// Tickets about everything that fails, except for known failures.
pub fn all(record: &RunRecord) -> Vec<File> {
    tickets(record, |_| true)
}

fn tickets(record: &RunRecord, wanted: impl Fn(&CaseResult) -> bool) -> Vec<File> {
    let spreads = Spreads::of(record);
    let texts = record.endpoints.iter().filter_map(|endpoint| {
        let of = || {
            record
                .results
                .iter()
                .filter(|r| r.endpoint == endpoint.name)
        };
        let ticket = Ticket {
            record,
            spreads: &spreads,
            endpoint,
            failures: of().filter(|r| r.red() && wanted(r)).collect(),
            others: of().filter(|r| r.red() && !wanted(r)).collect(),
            errors: of().filter(|r| news::new_error(record, r)).collect(),
        };
        ticket.write().map(|text| (endpoint, text))
    });
    texts
        .map(|(endpoint, text)| File {
            name: format!("{}.txt", file_name(&endpoint.name)),
            content: Ok(text),
        })
        .collect()
}

struct Ticket<'a> {
    record: &'a RunRecord,
    spreads: &'a Spreads<'a>,
    endpoint: &'a EndpointRecord,
    /// These it is about.
    failures: Vec<&'a CaseResult>,
    /// Failures that are no news.
    others: Vec<&'a CaseResult>,
    /// Undecided now, and not before.
    errors: Vec<&'a CaseResult>,
}

impl Ticket<'_> {
    /// `None` where there is nothing to tell.
    fn write(&self) -> Option<String> {
        if self.failures.is_empty() && !self.out_of_order() {
            return None;
        }
        let mut text = format!("[token compliance] {}\n\n", self.title());
        text += &wrap(&self.opening(), "");
        text += "\n";
        text += &self.about();
        for (n, result) in self.failures.iter().take(IN_FULL).enumerate() {
            text += &format!("\n{}", self.failure(n + 1, result));
        }
        let rest = self.failures.get(IN_FULL..).unwrap_or_default();
        for (results, what) in [
            (rest, "Further failures"),
            (
                &self.others[..],
                "Failures since an earlier run, not told again",
            ),
        ] {
            if !results.is_empty() {
                text += "\n";
                text += &wrap(&format!("{what}: {}.", names(results, NAMED)), "");
            }
        }
        text += &self.undecided();
        if !self.failures.is_empty() {
            text += &self.hints();
            text += &self.again();
        }
        Some(text)
    }

    /// Whether the endpoint itself, and not our issuer or we, became unable to be judged.
    fn out_of_order(&self) -> bool {
        let judged = self.record.results.iter().filter(|result| {
            result.endpoint == self.endpoint.name && result.verdict != Verdict::Skip
        });
        let answered = self.errors.iter().filter(|r| !r.exchanges.is_empty());
        match &self.endpoint.unreachable {
            Some(_) => !self.errors.is_empty(),
            None => 2 * answered.count() > judged.count(),
        }
    }

    fn title(&self) -> String {
        let name = line(&cap(&self.endpoint.name, 100));
        match (self.failures.len(), &self.endpoint.unreachable) {
            (0, Some(_)) => format!("{name}: not reachable"),
            (0, None) => format!("{name}: {} undecided", count(self.errors.len(), "case")),
            (number, _) => {
                let ids = names(&self.failures, IN_TITLE);
                format!("{name}: {} ({ids})", count(number, "MUST failure"))
            }
        }
    }

    fn opening(&self) -> String {
        let what = match self.endpoint.kind.is_storage() {
            true => "storage element",
            false => "token issuer",
        };
        if self.failures.is_empty() {
            let before = match self.errors.iter().any(|result| result.past.is_some()) {
                true => ", and could in the run before",
                false => "",
            };
            let how = match &self.endpoint.unreachable {
                Some(_) => "could not judge",
                None => "could hardly judge",
            };
            return format!(
                "touchstone, which judges how WLCG services treat tokens, {how} this {what}{before}. That says nothing \
                 about its compliance: please look whether the service is well."
            );
        }
        let new = |result: &&CaseResult| news::new_failure(self.record, result);
        let news = match self.failures.iter().all(new) {
            true => ", new since the run before",
            false => "",
        };
        let bases = basis::among(self.failures.iter().copied());
        let reading = match bases.derived {
            0 => "",
            _ => {
                " What is derived is our reading of the sources and no letter of them: please tell us where it is wrong."
            }
        };
        format!(
            "touchstone, which judges how WLCG services treat tokens, found {} at this {what}{news} ({}).{reading}",
            count(self.failures.len(), "missed requirement"),
            basis::words(bases)
        )
    }

    /// Of what the ticket is.
    fn about(&self) -> String {
        let (record, endpoint) = (self.record, self.endpoint);
        let name = match endpoint.kind.is_storage() {
            true => "Endpoint",
            false => "Issuer",
        };
        let mut text = row("", name, &endpoint.name) + &row("", "URL", &endpoint.url);
        text += &row(
            "",
            "Software",
            endpoint.software.as_deref().unwrap_or("not known"),
        );
        text += &row(
            "",
            "Profile",
            &format!("WLCG Common JWT Profile {}", endpoint.profile),
        );
        let run = &record.run;
        let when = format!("{} (run {})", minute(run.started), run.id);
        text += &row("", "Time", &when);
        if let Some(mode) = run.mode().description() {
            text += &row("", "Mode", mode);
        }
        if let Some(reason) = &endpoint.unreachable {
            text += &row("", "Reason", reason);
        }
        for note in &endpoint.notes {
            text += &row("", "Note", note);
        }
        text
    }

    fn failure(&self, number: usize, result: &CaseResult) -> String {
        let indent = "   ";
        let mut text = format!("{number}. {} ({})\n", line(&result.name()), result.severity);
        text += &wrap(&line(&result.title), indent);
        text += &row(indent, "Since", &self.since(result));
        if let Some(expired) = detail::expired(result) {
            text += &row(indent, "Known", &expired);
        }
        let mut shown: Vec<usize> = Vec::new();
        if let Some(spread) = self.spreads.get(result) {
            text += &row(indent, "Spread", spread.meaning());
        }
        for (nth, finding) in result.findings.iter().enumerate() {
            text += &row(
                indent,
                "Clause",
                &format!("{}: {}", detail::clause(finding), finding.requirement),
            );
            for quotation in detail::text(result, nth) {
                text += &row(indent, "Text", &quotation.to_string());
            }
            let exchange = exchange(result, finding).filter(|(at, _)| !shown.contains(at));
            if let Some((_, exchange)) = &exchange {
                let request = format!("{} {}", exchange.method, exchange.url);
                text += &row(indent, "Request", &request);
            }
            text += &row(indent, "Expected", &finding.expected);
            text += &row(indent, "Got", &finding.actual);
            if let Some((at, exchange)) = exchange {
                shown.push(at);
                text += &reproduce(&exchange, indent);
            }
        }
        text + &unbroken(indent, "Rerun", &self.rerun(result))
    }

    fn since(&self, result: &CaseResult) -> String {
        let started = self.record.run.started;
        match (&result.past, &self.record.past) {
            (Some(past), _) => {
                let since = match past.since >= started {
                    true => format!(
                        "this run; {} in the run before",
                        before(past.before, past.known)
                    ),
                    false => minute(past.since),
                };
                match past.last_good {
                    Some(good) => format!("{since}; it last passed in the run of {}", minute(good)),
                    None => format!("{since}; no run is known in which it passed"),
                }
            }
            (None, Some(_)) => "this run, the first with this case here".into(),
            (None, None) => "this run; earlier ones are not known".into(),
        }
    }

    fn rerun(&self, result: &CaseResult) -> String {
        let (endpoint, case) = (line(&result.endpoint), line(result.case.as_str()));
        format!(
            "touchstone run --endpoint {} --case {}{}",
            shell_word(&endpoint),
            shell_word(&case),
            self.record.run.mode().option()
        )
    }

    /// What could be judged before and cannot now.
    fn undecided(&self) -> String {
        if self.errors.is_empty() {
            return String::new();
        }
        let mut text = "\n".to_owned();
        let number = count(self.errors.len(), "case");
        let names = names(&self.errors, NAMED);
        text += &wrap(&format!("Undecided since this run, {number}: {names}."), "");
        if let Some(reason) = self
            .errors
            .first()
            .and_then(|first| first.reason.as_deref())
        {
            text += &row("", "Reason", reason);
        }
        let last = self
            .errors
            .iter()
            .find_map(|result| result.exchanges.last());
        if let Some(exchange) = last.filter(|_| self.failures.is_empty()) {
            text += &reproduce(&exchange, "");
        }
        text
    }

    fn hints(&self) -> String {
        let software = self.endpoint.software.as_deref().unwrap_or_default();
        let Some(hints) = Hints::of(software).filter(|_| self.endpoint.kind.is_storage()) else {
            return String::new();
        };
        let mut text = format!("\nWhere to look in {}\n", hints.software);
        text += &row("", "Log", hints.log);
        let mut suites: Vec<&str> = Vec::new();
        for result in &self.failures {
            if !suites.contains(&result.suite.as_str()) {
                suites.push(&result.suite);
            }
        }
        for suite in suites {
            if let Some(look) = hints.look(suite) {
                text += &row("", "Settings", &format!("for {suite}.*: {look}"));
            }
        }
        text + &row("", "Manual", hints.documentation)
    }

    fn again(&self) -> String {
        let case = self.failures.first();
        let case = case.map(|result| shell_word(&line(result.case.as_str())));
        "\n".to_owned()
            + &wrap(
                &format!(
                    "The curl lines work with such a token in $TOKEN; if curl does not trust the endpoint, add \
                     --capath /etc/grid-security/certificates. `touchstone explain {}` tells what that case does and \
                     what its failure means in practice.",
                    case.unwrap_or_default()
                ),
                "",
            )
    }
}

/// How to send a request again, and where it is in the logs.
fn reproduce(exchange: &Exchange, indent: &str) -> String {
    let mut text = String::new();
    for (number, command) in curl(exchange).iter().enumerate() {
        let label = if number == 0 { "Again" } else { "Then" };
        text += &unbroken(indent, label, &terminal(command));
    }
    let mut logged = format!("{:.0}", exchange.started);
    for (name, token) in [("Token", &exchange.token), ("Other", &exchange.other)] {
        if let Some(token) = token {
            text += &row(indent, name, &obtain(token));
            if let Some(jti) = &token.jti {
                logged += &format!(", jti {jti}");
            }
        }
    }
    let agent = exchange.request_headers.iter();
    if let Some((_, agent)) = agent.clone().find(|(name, _)| name == "user-agent") {
        logged += &format!(", User-Agent {agent}");
    }
    text + &row(indent, "Logged", &logged)
}

fn exchange(result: &CaseResult, finding: &Finding) -> Option<(usize, Exchange)> {
    let at = finding.exchange?;
    Some((at, result.exchanges.get(at)?))
}

fn before(verdict: Verdict, known: bool) -> &'static str {
    match verdict {
        Verdict::Pass => "passed",
        Verdict::Warn => "passed with warnings",
        Verdict::Fail if known => "a known failure",
        Verdict::Fail => "failed",
        Verdict::Error => "undecided",
        Verdict::Skip => "skipped",
    }
}

fn names(results: &[&CaseResult], shown: usize) -> String {
    let names = results
        .iter()
        .take(shown)
        .map(|result| line(&result.name()));
    let mut names: Vec<String> = names.collect();
    if results.len() > shown {
        names.push(format!("and {} more", results.len() - shown));
    }
    names.join(", ")
}

/// A name and a value that may come from anywhere.
fn row(indent: &str, name: &str, value: &str) -> String {
    let value = line(&cap(value, VALUE));
    hang(
        &format!("{indent}{name:10}"),
        &value,
        &format!("{indent}{:10}", ""),
    )
}

/// The same for what has to be copied whole.
fn unbroken(indent: &str, name: &str, value: &str) -> String {
    format!("{indent}{name:10}{value}\n")
}

/// A paragraph.
fn wrap(text: &str, indent: &str) -> String {
    hang(indent, text, indent)
}

/// Breaks lines between words; later lines begin with `indent`.
fn hang(first: &str, text: &str, indent: &str) -> String {
    let mut lines = Vec::new();
    let mut current = first.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        let fits = current.chars().count() + 1 + word.chars().count() <= WIDTH;
        match (empty, fits) {
            (true, _) => {}
            (false, true) => current.push(' '),
            (false, false) => {
                lines.push(std::mem::replace(&mut current, indent.to_owned()));
            }
        }
        current += word;
        empty = false;
    }
    lines.push(current);
    lines.join("\n") + "\n"
}

fn minute(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    time.strftime("%F %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
