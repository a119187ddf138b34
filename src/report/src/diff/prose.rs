//! A comparison in words: plain text for a mail or a terminal, and Markdown.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::brief::FindingDetail;
use crate::markdown::{code, prose};
use crate::style::Style;
use crate::text::{cap, count, line};
use touchstone_model::{Verdict, shell_word};

use super::{CaseChange, ChangeKind, Comparison, EndpointChanges, Presence};

/// New failures of one endpoint that are told in full.
const IN_FULL: usize = 8;
/// The same for all endpoints together.
const IN_FULL_ALL: usize = 40;
/// How many cases a line names.
const NAMED: usize = 8;
/// How many endpoints have a section.
const SECTIONS: usize = 40;
/// How many bytes of what was expected, and of what came, are shown.
const VALUE: usize = 200;
/// Stands before everything that belongs to a case.
const INDENT: &str = "         ";

/// For a mail or a terminal. The first line can be the subject.
pub fn text(comparison: &Comparison, style: Style) -> String {
    let mut text = style.bold(&subject(comparison)) + "\n";
    if let Some(remark) = remark(comparison) {
        text += &format!("\n{remark}\n");
    }
    let mut left = IN_FULL_ALL;
    for endpoint in comparison.endpoints.iter().take(SECTIONS) {
        text += "\n";
        text += &section(endpoint, &mut left, style);
    }
    if comparison.endpoints.len() > SECTIONS {
        let rest = comparison.endpoints.len() - SECTIONS;
        text += &format!("\nand {} with changes\n", count(rest, "more endpoint"));
    }
    text + &format!("\nTotals: {}\n", totals(comparison)) + &next(comparison, style)
}

/// For minutes and chats.
pub fn markdown(comparison: &Comparison) -> String {
    let (_, numbers) = numbers(comparison);
    let mut text = format!("### touchstone: {numbers}\n\n");
    text += &format!(
        "Run {} of {} against {} of {}.\n",
        code(comparison.new.run.as_str()),
        minute(comparison.new.started),
        code(comparison.old.run.as_str()),
        minute(comparison.old.started)
    );
    if let Some(remark) = remark(comparison) {
        text += &format!("\n{}\n", prose(&remark));
    }
    let mut left = IN_FULL_ALL;
    for endpoint in comparison.endpoints.iter().take(SECTIONS) {
        text += "\n";
        text += &markdown_section(endpoint, &mut left);
    }
    if comparison.endpoints.len() > SECTIONS {
        let rest = comparison.endpoints.len() - SECTIONS;
        text += &format!("\nand {} with changes\n", count(rest, "more endpoint"));
    }
    text + &format!("\nTotals: {}\n", totals(comparison))
}

/// The line by which a mail is found again.
fn subject(comparison: &Comparison) -> String {
    let (same, numbers) = numbers(comparison);
    let (new, old) = (comparison.new.run.as_str(), comparison.old.run.as_str());
    match same {
        true => format!("touchstone: {numbers} (run {})", line(new)),
        false => format!("touchstone: {numbers} (run {} vs {})", line(new), line(old)),
    }
}

/// Whether it is one and the same run, and what the subject says.
fn numbers(comparison: &Comparison) -> (bool, String) {
    let totals = &comparison.totals;
    if comparison.same {
        return (true, "a run compared with itself, nothing new".into());
    }
    let mut parts = vec![
        count(totals.new_failures, "new failure"),
        format!("{} fixed", totals.fixed),
        format!("{} still failing", totals.still_failing),
    ];
    if totals.new_errors > 0 {
        parts.push(count(totals.new_errors, "new error"));
    }
    (false, parts.join(", "))
}

fn remark(comparison: &Comparison) -> Option<String> {
    if comparison.same {
        return Some(
            "Both are the same run, so nothing can have changed. Name an older run first.".into(),
        );
    }
    let (old, new) = (comparison.old.started, comparison.new.started);
    if new < old {
        return Some(format!(
            "The second run began before the first one ({} and {}): is the order right?",
            minute(new),
            minute(old)
        ));
    }
    let part = comparison.new.partial.then(|| {
        "The second run had some of the cases or endpoints alone: nothing is said of the others.".to_owned()
    });
    let nothing = comparison.endpoints.is_empty();
    let nothing = nothing.then(|| "Nothing changed, and nothing fails.".to_owned());
    match (part, nothing) {
        (Some(part), Some(nothing)) => Some(format!("{part} {nothing}")),
        (part, nothing) => part.or(nothing),
    }
}

fn section(endpoint: &EndpointChanges, left: &mut usize, style: Style) -> String {
    let mut heading = style.bold(&line(&endpoint.name));
    if let Some(detail) = &endpoint.detail {
        heading += &format!("  {}", line(&detail.url));
    }
    let mut text = heading + "\n\n";
    for note in notes(endpoint) {
        text += &format!("  {note}\n");
    }
    let (full, brief) = failures(endpoint, left);
    for change in &full {
        text += &failure(endpoint, change, style);
    }
    if !brief.is_empty() {
        let what = match full.len() {
            0 => count(brief.len(), "new failure"),
            _ => count(brief.len(), "more new failure"),
        };
        let names = names(&brief, line);
        text += &format!("  {}  {what}: {names}\n", style.red("NEW  "));
    }
    for (kind, mark) in [
        (ChangeKind::Worsened, style.yellow("WARN ")),
        (ChangeKind::Fixed, style.green("FIXED")),
        (ChangeKind::StillFailing, style.red("STILL")),
        (ChangeKind::NowKnown, style.yellow("KNOWN")),
        (ChangeKind::NewError, style.magenta("ERROR")),
        (ChangeKind::StillUndecided, style.magenta("ERROR")),
        (ChangeKind::NotJudged, style.dim("GONE ")),
    ] {
        let changes = of(endpoint, kind);
        if let Some(words) = group(endpoint, kind, &changes, line) {
            text += &format!("  {mark}  {words}\n");
        }
    }
    text
}

fn markdown_section(endpoint: &EndpointChanges, left: &mut usize) -> String {
    let mut text = format!("**{}**\n\n", code(&endpoint.name));
    for note in notes(endpoint) {
        text += &format!("- {}\n", prose(&note));
    }
    let (full, brief) = failures(endpoint, left);
    for change in &full {
        text += &format!("- **new failure** {}", code(&change.name()));
        if let Some(finding) = change.detail.as_ref().and_then(|d| d.finding.as_ref()) {
            text += &format!(
                ": {} {} {} Expected {}; actual {}",
                code(&finding.clause),
                finding.level,
                prose(&shown(&finding.requirement)),
                code(&shown(&finding.expected)),
                code(&shown(&finding.actual))
            );
        }
        text += &format!(" ({})\n", before(change));
    }
    if !brief.is_empty() {
        let names = names(&brief, code);
        text += &format!(
            "- **{}**: {names}\n",
            count(brief.len(), "more new failure")
        );
    }
    for kind in [
        ChangeKind::Worsened,
        ChangeKind::Fixed,
        ChangeKind::StillFailing,
        ChangeKind::NowKnown,
        ChangeKind::NewError,
        ChangeKind::StillUndecided,
        ChangeKind::NotJudged,
    ] {
        if let Some(words) = group(endpoint, kind, &of(endpoint, kind), code) {
            text += &format!("- {words}\n");
        }
    }
    text
}

/// What there is to say of the endpoint itself.
fn notes(endpoint: &EndpointChanges) -> Vec<String> {
    let mut notes = Vec::new();
    match endpoint.presence {
        Presence::Both => {}
        Presence::New => notes.push("new: the run before did not have it".to_owned()),
        Presence::Gone => notes.push("gone: only the run before had it".to_owned()),
    }
    if let (Some(before), Some(now)) = (&endpoint.software_before, &endpoint.software) {
        notes.push(format!(
            "software: {}, before {}",
            shown(now),
            shown(before)
        ));
    }
    let unreachable = endpoint
        .detail
        .as_ref()
        .and_then(|d| d.unreachable.as_ref());
    if let Some(reason) = unreachable {
        notes.push(format!("not reached: {}", shown(reason)));
    }
    notes
}

/// The new failures that are told in full, and the others.
fn failures<'a>(
    endpoint: &'a EndpointChanges,
    left: &mut usize,
) -> (Vec<&'a CaseChange>, Vec<&'a CaseChange>) {
    let mut full = of(endpoint, ChangeKind::NewFailure);
    let brief = full.split_off(full.len().min(IN_FULL).min(*left));
    *left -= full.len();
    (full, brief)
}

fn failure(endpoint: &EndpointChanges, change: &CaseChange, style: Style) -> String {
    let severity = match &change.detail {
        Some(detail) => format!("  {}", detail.severity),
        None => String::new(),
    };
    let mut text = format!(
        "  {}  {}{severity}  ({})\n",
        style.red("NEW  "),
        style.bold(&line(&change.name())),
        before(change)
    );
    if let Some(finding) = change.detail.as_ref().and_then(|d| d.finding.as_ref()) {
        text += &format!(
            "{INDENT}{}  {}\n{INDENT}expected {}; actual {}\n",
            clause(finding),
            shown(&finding.requirement),
            shown(&finding.expected),
            shown(&finding.actual)
        );
    }
    let (name, case) = (line(&endpoint.name), line(change.case.as_str()));
    text + &format!(
        "{INDENT}touchstone explain {0}\n{INDENT}touchstone run --endpoint {1} --case {0}\n",
        shell_word(&case),
        shell_word(&name)
    )
}

/// What it was in the run before.
fn before(change: &CaseChange) -> String {
    match change.before {
        None => "was not there before".into(),
        Some(Verdict::Fail) if change.known_before => {
            "was a known failure; its entry has expired or gone".into()
        }
        Some(Verdict::Error) => "was undecided before".into(),
        Some(Verdict::Skip) => "was skipped before".into(),
        Some(Verdict::Pass) => "passed before".into(),
        Some(Verdict::Warn) => "passed with warnings before".into(),
        Some(Verdict::Fail) => "failed before".into(),
    }
}

fn clause(finding: &FindingDetail) -> String {
    let mark = finding.basis.mark();
    format!("{} {}{mark}", line(&finding.clause), finding.level)
}

/// One line for all changes of a kind; nothing where there are none.
fn group(
    endpoint: &EndpointChanges,
    kind: ChangeKind,
    changes: &[&CaseChange],
    quote: fn(&str) -> String,
) -> Option<String> {
    let first = *changes.first()?;
    let number = count(changes.len(), "case");
    // Of an endpoint that is not there, the number says everything.
    if endpoint.presence == Presence::Gone {
        return Some(format!("{number} no longer judged"));
    }
    let reason = first.detail.as_ref().and_then(|d| d.reason.as_deref());
    let reason = reason.map(|reason| format!(" ({})", quote(&shown(reason))));
    let (what, reason) = match kind {
        ChangeKind::NewFailure => ("new failures", None),
        ChangeKind::Worsened => ("with new warnings", None),
        ChangeKind::Fixed => ("fixed", None),
        ChangeKind::StillFailing => ("still failing", None),
        ChangeKind::NowKnown => ("failing, newly listed as known", None),
        ChangeKind::NewError => ("newly undecided", reason),
        ChangeKind::StillUndecided => ("still undecided", reason),
        ChangeKind::NotJudged => ("no longer judged", reason),
    };
    let names = names(changes, quote);
    Some(format!(
        "{number} {what}{}: {names}",
        reason.unwrap_or_default()
    ))
}

/// The first few by name, with what is known of their past.
fn names(changes: &[&CaseChange], quote: fn(&str) -> String) -> String {
    let named = changes.iter().take(NAMED).map(|change| {
        let name = quote(&change.name());
        let since = change.detail.as_ref().and_then(|detail| detail.since);
        match (change.kind, since) {
            (ChangeKind::StillFailing, Some(since)) => format!("{name} (since {})", day(since)),
            (ChangeKind::Fixed, _) if change.known_before => {
                format!("{name} (a known failure, its entry can go)")
            }
            _ => name,
        }
    });
    let mut named: Vec<String> = named.collect();
    if changes.len() > NAMED {
        named.push(format!("and {} more", changes.len() - NAMED));
    }
    named.join(", ")
}

fn of(endpoint: &EndpointChanges, kind: ChangeKind) -> Vec<&CaseChange> {
    let cases = endpoint.cases.iter();
    cases.filter(|change| change.kind == kind).collect()
}

fn totals(comparison: &Comparison) -> String {
    let totals = &comparison.totals;
    let mut parts = vec![
        count(totals.new_failures, "new failure"),
        format!("{} fixed", totals.fixed),
        format!("{} still failing", totals.still_failing),
        count(totals.new_errors, "new error"),
    ];
    for (number, what) in [
        (totals.still_undecided, "still undecided"),
        (totals.worsened, "with new warnings"),
        (totals.now_known, "newly listed as known"),
        (totals.not_judged, "no longer judged"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    for (number, what) in [
        (totals.new_endpoints, "new endpoint"),
        (totals.gone_endpoints, "missing endpoint"),
        (totals.new_software, "changed software version"),
    ] {
        if number > 0 {
            parts.push(count(number, what));
        }
    }
    parts.join(", ")
}

fn next(comparison: &Comparison, style: Style) -> String {
    let totals = &comparison.totals;
    let mut steps = Vec::new();
    if totals.new_failures > 0 {
        steps.push(
            "tickets/ beside the new run's run.json has a text for the helpdesk for each endpoint with new failures",
        );
    }
    if totals.new_errors > 0 {
        steps.push("touchstone check --connect tests network and tokens: an error says nothing about compliance");
    }
    if totals.fixed > 0 {
        steps.push("Tickets about what is fixed can be closed");
    }
    if steps.is_empty() {
        return String::new();
    }
    format!(
        "\n{}\n\n  - {}\n",
        style.bold("What next"),
        steps.join("\n  - ")
    )
}

fn shown(text: &str) -> String {
    line(&cap(text, VALUE))
}

fn day(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%F").to_string()
}

fn minute(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    time.strftime("%F %H:%M UTC").to_string()
}
