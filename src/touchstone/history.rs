use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use touchstone_model::{RunLine, RunOutcome, Verdict};
use touchstone_report::history::{CaseHistory, History, HistoryError};
use touchstone_report::style::Style;
use touchstone_report::table::elapsed;
use touchstone_report::text::{count, line};
use touchstone_suite::plan::{SelectionError, patterns, pick};

use super::args::{HistoryArgs, OutputFormat};
use super::output::{self, Failed};
use super::{exit, run};

/// `touchstone history`
pub fn main(arguments: &HistoryArgs) -> Result<u8, Failed> {
    if let Some(age) = arguments.prune {
        return prune(&arguments.history, age);
    }
    let history = History::read(&arguments.history).map_err(failed)?;
    let last = usize::try_from(arguments.last).unwrap_or(usize::MAX);
    let text = if arguments.endpoints.is_empty() && arguments.cases.is_empty() {
        let runs = history.runs(last).map_err(failed)?;
        match arguments.format {
            OutputFormat::Table => run_table(&runs),
            OutputFormat::Json => touchstone_report::text::json(format!("{:#}\n", json!(runs))),
        }
    } else {
        let cases = cases(&history, arguments, last)?;
        match arguments.format {
            OutputFormat::Table => case_table(&cases, output::style_of_stdout()),
            OutputFormat::Json => {
                let values: Vec<_> = cases.iter().map(case_json).collect();
                touchstone_report::text::json(format!("{:#}\n", Value::from(values)))
            }
        }
    };
    output::result(&text)?;
    Ok(exit::OK)
}

/// What a run of the history said; `name` is its id, the beginning of one, `latest` or `previous`.
///
/// # Errors
/// There is no such history or no such run, in a sentence that says what to do.
pub fn outcome(history_file: &Path, name: &str) -> Result<RunOutcome, Failed> {
    History::read(history_file)
        .and_then(|history| history.outcome(name))
        .map_err(failed)
}

/// The same with what was known of the cases that the run did not have, for a later one to be compared with.
///
/// # Errors
/// As [`outcome`].
pub fn base(history_file: &Path, name: &str) -> Result<RunOutcome, Failed> {
    History::read(history_file)
        .and_then(|history| history.base(name))
        .map_err(failed)
}

fn failed(error: HistoryError) -> Failed {
    match error {
        HistoryError::Busy(_) | HistoryError::Damaged { .. } | HistoryError::Unusable { .. } => {
            Failed::Undecided(error.to_string())
        }
        _ => Failed::Usage(error.to_string()),
    }
}

fn prune(file: &Path, age: std::time::Duration) -> Result<u8, Failed> {
    // Opening to write would make one that is missing.
    History::read(file).map_err(failed)?;
    let oldest = SignedDuration::try_from(age)
        .ok()
        .and_then(|age| Timestamp::now().checked_sub(age).ok())
        .ok_or_else(|| Failed::Usage("--prune: nothing is that old".into()))?;
    let gone = History::open(file)
        .and_then(|mut history| history.prune(oldest))
        .map_err(failed)?;
    output::result(&format!("{} forgotten\n", count(gone, "run")))?;
    Ok(exit::OK)
}

/// The histories of the chosen cases at the chosen endpoints.
fn cases(
    history: &History,
    arguments: &HistoryArgs,
    last: usize,
) -> Result<Vec<CaseHistory>, Failed> {
    let wanted = patterns(&arguments.endpoints).map_err(run::selected_nothing)?;
    let wanted_cases = patterns(&arguments.cases).map_err(run::selected_nothing)?;
    let names = history.endpoints().map_err(failed)?;
    let names: Vec<_> = names.iter().collect();
    let chosen = pick("endpoint", &wanted, &names, String::as_str)
        .map_err(|error| nothing(error, history))?;
    let mut all = Vec::new();
    for endpoint in chosen {
        all.extend(history.cases(endpoint, last).map_err(failed)?);
    }
    let all: Vec<_> = all.iter().collect();
    let chosen = pick("case", &wanted_cases, &all, |case| case.case.as_str())
        .map_err(|error| nothing(error, history))?;
    Ok(chosen.into_iter().cloned().collect())
}

/// What a pattern is answered with that matches nothing which any run had.
fn nothing(error: SelectionError, history: &History) -> Failed {
    let SelectionError::Nothing { pattern, names, .. } = &error else {
        return run::selected_nothing(error);
    };
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let hint = touchstone_yaml::suggestion(pattern, names)
        .map(|hint| format!("; {hint}"))
        .unwrap_or_default();
    Failed::Usage(format!(
        "{error} in the history {}{hint}",
        history.path().display()
    ))
}

fn run_table(runs: &[RunLine]) -> String {
    if runs.is_empty() {
        return "no runs yet\n".to_owned();
    }
    let head = [
        "RUN",
        "BEGAN",
        "TOOK",
        "ENDPOINTS",
        "PASS",
        "WARN",
        "FAIL",
        "KNOWN",
        "ERROR",
        "SKIP",
        "",
    ];
    let rows = runs.iter().map(|run| {
        let totals = &run.totals;
        let number = |number: usize| number.to_string();
        vec![
            totals.run.to_string(),
            minute(totals.started),
            elapsed(run.duration_ms),
            number(run.endpoints),
            number(totals.pass),
            number(totals.warn),
            number(totals.fail),
            number(totals.known),
            number(totals.error),
            number(totals.skip),
            match (run.interrupted, run.partial) {
                (true, _) => "interrupted",
                (false, true) => "part",
                (false, false) => "",
            }
            .to_owned(),
        ]
    });
    columns(&head, 3..10, rows.collect())
}

fn case_table(cases: &[CaseHistory], style: Style) -> String {
    if cases.is_empty() {
        return "no run had any of these\n".to_owned();
    }
    let head = [
        "ENDPOINT",
        "CASE",
        "VERDICT",
        "SINCE",
        "LAST GOOD",
        "CHANGES",
        "RUNS",
    ];
    let rows = cases.iter().map(|case| {
        let name = match &case.partner {
            Some(partner) => format!("{} with {partner}", case.case),
            None => case.case.to_string(),
        };
        vec![
            line(&case.endpoint),
            line(&name),
            verdict_name(case).to_owned(),
            minute(case.since),
            case.last_good.map_or("never".to_owned(), minute),
            case.changes.to_string(),
            case.strip.clone(),
        ]
    });
    let legend = "RUNS, oldest first: P pass, W warn, F fail, K known failure, E error, S skip, - not there. CHANGES are those in between, errors and skips aside.";
    let table = columns(&head, 5..6, rows.collect());
    format!("{table}\n{}\n", style.dim(legend))
}

fn verdict_name(case: &CaseHistory) -> &'static str {
    match (case.verdict, case.known) {
        (Verdict::Fail, true) => "known",
        (verdict, _) => verdict.as_str(),
    }
}

fn case_json(case: &CaseHistory) -> Value {
    json!({
        "endpoint": case.endpoint, "case": case.case, "partner": case.partner,
        "verdict": case.verdict, "known": case.known, "since": case.since,
        "last_good": case.last_good, "changes": case.changes, "runs": case.strip,
    })
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// Aligned columns, those of `numbers` to the right.
fn columns(head: &[&str], numbers: std::ops::Range<usize>, rows: Vec<Vec<String>>) -> String {
    let mut widths: Vec<usize> = head.iter().map(|title| title.len()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head = head.iter().map(|title| (*title).to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(head).chain(rows) {
        let mut drawn = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let width = *width;
            if numbers.contains(&column) {
                drawn += &format!("{cell:>width$}  ");
            } else {
                drawn += &format!("{cell:width$}  ");
            }
        }
        text += drawn.trim_end();
        text += "\n";
    }
    text
}
