//! A run on one screen, in GitHub-flavoured Markdown: for minutes and chats.
//!
//! Text from servers and files stands in code spans: there nothing is a link, a mention, an issue number or HTML.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use touchstone_model::{
    CaseResult, ClauseId, EndpointRecord, Finding, Mode, Portion, RunRecord, TagRow, Verdict,
};

use super::basis;
use super::news;
use super::spread::{self, Spread, Spreads};
use super::table::elapsed;
use super::text::{cap, count, line};

/// How many cases a line about changes names.
const NAMED: usize = 3;
/// How many clauses are shown.
const CLAUSES: usize = 5;
/// How many kinds of software are shown.
const SOFTWARE: usize = 6;
/// How many endpoints out of reach are named.
const UNREACHED: usize = 4;
/// How many bytes of a text that is not ours are shown.
const VALUE: usize = 120;

/// The summary of a run.
pub fn write(record: &RunRecord) -> String {
    let mut text = heading(record) + &totals(record);
    for part in [
        changes(record),
        clauses(record),
        spreads(record),
        software(record),
        unreached(record),
        noted(record),
    ] {
        if !part.is_empty() {
            text += "\n";
            text += &part;
        }
    }
    text
}

/// A text that stays as it is, wherever it comes from. Not for tables.
pub fn code(text: &str) -> String {
    fenced(text, VALUE)
}

/// The same, of so many bytes of the text.
fn fenced(text: &str, bytes: usize) -> String {
    let text = line(&cap(text, bytes));
    if text.is_empty() {
        return "(nothing)".into();
    }
    let longest = text.split(|c| c != '`').map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or_default() + 1);
    let edge = |c: Option<char>| c.is_none_or(|c| c == '`' || c == ' ');
    let pad = match edge(text.chars().next()) || edge(text.chars().last()) {
        true => " ",
        false => "",
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The same for a cell of a table.
pub fn cell(text: &str) -> String {
    unbarred(&code(text))
}

/// Without bars that would end a cell.
fn unbarred(text: &str) -> String {
    // Parsers disagree about a backslash before an escaped bar.
    text.replace("\\|", "\\ |").replace('|', "\\|")
}

/// A sentence, in code only where anything in it could be more than text. Not for tables.
pub fn prose(text: &str) -> String {
    match harmless(text) {
        Some(text) => text,
        None => code(text),
    }
}

/// The same for a cell of a table.
fn prose_cell(text: &str) -> String {
    match harmless(text) {
        Some(text) => text,
        None => cell(text),
    }
}

fn harmless(text: &str) -> Option<String> {
    let text = line(&cap(text, 4 * VALUE));
    let hash = |word: &str| word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let active = text.contains(|c| "@#!$~%&^`<>[]\\|{}".contains(c))
        || ["://", "www.", "gh-"]
            .iter()
            .any(|link| text.to_lowercase().contains(link))
        || text.split(|c: char| !c.is_alphanumeric()).any(hash)
        || !text.starts_with(char::is_alphabetic);
    (!active).then(|| text.replace('*', "\\*").replace('_', "\\_"))
}

fn heading(record: &RunRecord) -> String {
    let red = red(record);
    let sum = |field: fn(&TagRow) -> usize| severities(record).map(field).sum::<usize>();
    let (total, errors) = (sum(|row| row.total), sum(|row| row.error));
    let verdict = match (red, errors) {
        _ if total == sum(|row| row.skip) => "nothing was judged".into(),
        (0, 0) => "everything required passed".to_owned(),
        (0, errors) => format!(
            "no failures, {errors} of {} undecided",
            count(total, "case")
        ),
        (red, 0) => count(red, "failure"),
        (red, errors) => format!("{}, {errors} undecided", count(red, "failure")),
    };
    let run = &record.run;
    let interrupted = match Portion::listed(&run.partial).as_str() {
        "" if run.interrupted => ", interrupted".to_owned(),
        "" => String::new(),
        "interrupted" => ", interrupted".to_owned(),
        portions => format!(", a part ({portions})"),
    };
    let mode = match run.mode() {
        Mode::Lenient => ", lenient",
        Mode::Normal => "",
        Mode::Strict => ", strict",
    };
    format!(
        "### touchstone: {verdict}\n\nRun {} of {}, {} long, {}{mode}{interrupted}.\n\n",
        code(run.id.as_str()),
        minute(run.started),
        elapsed(run.duration_ms),
        count(record.endpoints.len(), "endpoint"),
    )
}

fn totals(record: &RunRecord) -> String {
    let mut text = "| | Total | Pass | Warn | Fail | of these known | stated | rfc | derived | Error | Skip |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for row in severities(record) {
        let bases = row.bases;
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            row.tag,
            row.total,
            row.pass,
            row.warn,
            row.fail,
            row.known,
            bases.stated,
            bases.rfc,
            bases.derived,
            row.error,
            row.skip
        );
    }
    if basis::total(record).derived > 0 {
        text += &format!("\n{}.\n", basis::DERIVED);
    }
    text
}

/// The rows of the statistics that sum up all endpoints.
fn severities(record: &RunRecord) -> impl Iterator<Item = &TagRow> {
    let rows = record.statistics.iter();
    rows.filter(|row| matches!(row.tag.as_str(), "critical" | "not-critical"))
        .take(2)
}

fn red(record: &RunRecord) -> usize {
    severities(record)
        .map(|row| row.fail.saturating_sub(row.known))
        .sum()
}

fn changes(record: &RunRecord) -> String {
    let Some(past) = &record.past else {
        return String::new();
    };
    let mut lines = Vec::new();
    for (wanted, what) in [
        (
            news::new_failure as fn(&RunRecord, &CaseResult) -> bool,
            "new failure",
        ),
        (|_, result| news::fixed(result), "fixed case"),
        (news::new_error, "new error"),
    ] {
        let cases = record.results.iter().filter(|r| wanted(record, r));
        let cases: Vec<String> = cases
            .map(|result| format!("{} {}", code(&result.endpoint), code(&result.name())))
            .collect();
        if !cases.is_empty() {
            lines.push(format!(
                "- {}: {}",
                count(cases.len(), what),
                some(&cases, NAMED)
            ));
        }
    }
    let changed: Vec<String> = news::new_software(record)
        .map(|(endpoint, before, now)| {
            format!("{} {} (was {})", code(endpoint), code(now), code(before))
        })
        .collect();
    if !changed.is_empty() {
        let number = count(changed.len(), "endpoint");
        lines.push(format!(
            "- other software at {number}: {}",
            some(&changed, NAMED)
        ));
    }
    if lines.is_empty() {
        lines.push("- nothing".into());
    }
    format!(
        "**Changed** since the run {} of {}\n\n{}\n",
        code(past.previous.as_str()),
        minute(past.started),
        lines.join("\n")
    )
}

fn clauses(record: &RunRecord) -> String {
    let mut missed: BTreeMap<&ClauseId, (BTreeSet<&str>, &Finding)> = BTreeMap::new();
    for result in record.results.iter().filter(|result| result.red()) {
        // With `--strict` recommendations fail as well; then the gravest finding is why.
        let binding = result.findings.iter().filter(|f| f.level.binding());
        let reasons: Vec<_> = match binding.clone().next() {
            Some(_) => binding.collect(),
            None => result.findings.iter().take(1).collect(),
        };
        for finding in reasons {
            let entry = missed.entry(&finding.clause);
            let entry = entry.or_insert_with(|| (BTreeSet::new(), finding));
            entry.0.insert(&result.endpoint);
        }
    }
    if missed.is_empty() {
        return String::new();
    }
    let mut missed: Vec<_> = missed.into_iter().collect();
    missed.sort_by_key(|(_, (endpoints, _))| std::cmp::Reverse(endpoints.len()));
    let mut text = "| Endpoints | Most missed clauses | | |\n|--:|---|---|---|\n".to_owned();
    for (clause, (endpoints, finding)) in missed.iter().take(CLAUSES) {
        text += &format!(
            "| {} | {} | {} | {} |\n",
            endpoints.len(),
            cell(clause.as_str()),
            prose_cell(&finding.requirement),
            source(finding)
        );
    }
    if missed.len() > CLAUSES {
        text += &format!("| | and {} more | | |\n", missed.len() - CLAUSES);
    }
    text
}

/// The words of the source, or that there are none.
fn source(finding: &Finding) -> String {
    match finding.text.first() {
        Some(quotation) => unbarred(&fenced(&quotation.to_string(), 3 * VALUE)),
        None => finding.basis.as_str().to_owned(),
    }
}

/// The cases whose failures say more together than each alone.
fn spreads(record: &RunRecord) -> String {
    let spreads = Spreads::of(record);
    let mut text = String::new();
    for (spread, what) in [
        (
            Spread::Everywhere,
            "**Everywhere**, so doubt the clause before the services",
        ),
        (
            Spread::OnlyHere,
            "**Only here**, with one software of several",
        ),
    ] {
        let results = record.results.iter();
        let of = results.filter(|result| spreads.get(result) == Some(spread));
        let cases: BTreeSet<String> = of.map(|result| code(result.case.as_str())).collect();
        if !cases.is_empty() {
            let cases: Vec<String> = cases.into_iter().collect();
            text += &format!("- {what}: {}\n", some(&cases, NAMED));
        }
    }
    text
}

/// How the endpoints with one kind of software fared.
#[derive(Default)]
struct Kin {
    endpoints: usize,
    red: usize,
    warn: usize,
    error: usize,
}

fn software(record: &RunRecord) -> String {
    let mut kinds: BTreeMap<String, Kin> = BTreeMap::new();
    let mut kind_of: HashMap<&str, String> = HashMap::new();
    for endpoint in &record.endpoints {
        let kind = family(endpoint);
        kinds.entry(kind.clone()).or_default().endpoints += 1;
        kind_of.insert(&endpoint.name, kind);
    }
    for result in &record.results {
        let kind = kind_of.get(result.endpoint.as_str());
        if let Some(kin) = kind.and_then(|kind| kinds.get_mut(kind)) {
            kin.red += usize::from(result.red());
            kin.warn += usize::from(result.verdict == Verdict::Warn);
            kin.error += usize::from(result.verdict == Verdict::Error);
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    if kinds.is_empty() {
        return String::new();
    }
    kinds.sort_by_key(|(_, kin)| std::cmp::Reverse(kin.endpoints));
    let mut text =
        "| Software | Endpoints | Failures | Warnings | Errors |\n|---|--:|--:|--:|--:|\n"
            .to_owned();
    let rest = kinds.split_off(kinds.len().min(SOFTWARE));
    let row = |name: &str, kin: &Kin| {
        format!(
            "| {name} | {} | {} | {} | {} |\n",
            kin.endpoints, kin.red, kin.warn, kin.error
        )
    };
    for (name, kin) in &kinds {
        text += &row(&prose_cell(name), kin);
    }
    if !rest.is_empty() {
        let name = format!("and {} more", rest.len());
        let sum = rest.iter().fold(Kin::default(), |sum, (_, kin)| Kin {
            endpoints: sum.endpoints + kin.endpoints,
            red: sum.red + kin.red,
            warn: sum.warn + kin.warn,
            error: sum.error + kin.error,
        });
        text += &row(&name, &sum);
    }
    text
}

/// The name of an endpoint's software, without its version.
fn family(endpoint: &EndpointRecord) -> String {
    match endpoint.kind.is_storage() {
        true => spread::family(endpoint).unwrap_or_else(|| "not known".into()),
        false => "token issuers".into(),
    }
}

fn unreached(record: &RunRecord) -> String {
    let unreached: Vec<String> = record
        .endpoints
        .iter()
        .filter_map(|endpoint| {
            let reason = endpoint.unreachable.as_deref()?;
            Some(format!("{} ({})", code(&endpoint.name), code(reason)))
        })
        .collect();
    if unreached.is_empty() {
        return String::new();
    }
    format!("**Not reached**: {}\n", some(&unreached, UNREACHED))
}

/// What has to be known of endpoints as a whole.
fn noted(record: &RunRecord) -> String {
    let endpoints = record.endpoints.iter();
    let noted = endpoints.flat_map(|endpoint| {
        let notes = endpoint.notes.iter();
        notes.map(|note| format!("{}: {}", code(&endpoint.name), code(note)))
    });
    let noted: Vec<_> = noted.collect();
    match noted.is_empty() {
        true => String::new(),
        false => format!("**Notes**: {}\n", some(&noted, UNREACHED)),
    }
}

fn some(all: &[String], shown: usize) -> String {
    let named = all[..all.len().min(shown)].join(", ");
    match all.len().saturating_sub(shown) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn minute(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    time.strftime("%F %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
