//! The totals, and a row for each endpoint.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::basis;
use crate::table::elapsed;
use crate::text::{cap, line};
use touchstone_model::{RunRecord, TagRow, Trend};

/// The height of a trend, and the width of one of its runs, in pixels.
const HIGH: usize = 18;
const STEP: usize = 5;
/// How much of a text from a server.
const SHORT: usize = 200;

/// Totals of a severity.
pub(super) struct Tile {
    pub(super) name: String,
    pub(super) total: usize,
    pub(super) numbers: Vec<Number>,
    pub(super) bar: Vec<Part>,
    pub(super) bar_text: String,
    pub(super) bases: String,
}

/// So many of one verdict.
pub(super) struct Number {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) count: usize,
}

/// A part of a bar, in thousandths of its length.
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A row of the table of endpoints.
pub(super) struct Endpoint {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) software: String,
    pub(super) profile: String,
    pub(super) unreachable: Option<String>,
    pub(super) notes: Vec<String>,
    pub(super) left: usize,
    pub(super) numbers: Vec<Number>,
    pub(super) bar: Vec<Part>,
    pub(super) bar_text: String,
    pub(super) bases: String,
    pub(super) elapsed: String,
    pub(super) trend: Option<Spark>,
}

/// A picture of the last runs, the present one at its end: a column for each, red failures below, errors above.
pub(super) struct Spark {
    pub(super) width: usize,
    pub(super) fail: String,
    pub(super) error: String,
    pub(super) clean: String,
    pub(super) text: String,
}

/// The totals by severity.
pub(super) fn tiles(record: &RunRecord) -> Vec<Tile> {
    let severities = record.statistics.iter().take(2);
    severities
        .map(|row| Tile {
            name: line(&row.tag),
            total: row.total,
            numbers: numbers(row),
            bar: bar(row),
            bar_text: words(row),
            bases: basis::words(row.bases),
        })
        .collect()
}

/// A row for each endpoint, in the order of the record.
pub(super) fn endpoints(record: &RunRecord) -> Vec<Endpoint> {
    let rows: HashMap<&str, &TagRow> = record
        .statistics
        .iter()
        .skip(2)
        .map(|row| (row.tag.as_str(), row))
        .collect();
    let past = record.past.iter().flat_map(|past| &past.trends);
    let trends: HashMap<&str, &Trend> =
        past.map(|trend| (trend.endpoint.as_str(), trend)).collect();
    let none = TagRow::default();
    let one = |(index, endpoint): (usize, &touchstone_model::EndpointRecord)| {
        let row = rows.get(endpoint.name.as_str()).copied().unwrap_or(&none);
        Endpoint {
            number: index + 1,
            name: line(&endpoint.name),
            url: line(&endpoint.url),
            software: endpoint
                .software
                .as_ref()
                .map(|text| short(text))
                .unwrap_or_default(),
            profile: endpoint.profile.to_string(),
            unreachable: endpoint.unreachable.as_ref().map(|text| short(text)),
            notes: endpoint.notes.iter().map(|text| short(text)).collect(),
            left: endpoint.leftovers.len(),
            numbers: numbers(row),
            bar: bar(row),
            bar_text: words(row),
            bases: basis::words(row.bases),
            elapsed: elapsed(row.elapsed_ms),
            trend: trends
                .get(endpoint.name.as_str())
                .map(|trend| spark(trend, row)),
        }
    };
    record.endpoints.iter().enumerate().map(one).collect()
}

fn short(text: &str) -> String {
    line(&cap(text.trim(), SHORT))
}

/// What has to be looked at first; then the rest.
fn numbers(row: &TagRow) -> Vec<Number> {
    [
        ("f", "fail", row.fail.saturating_sub(row.known)),
        ("k", "known", row.known),
        ("e", "error", row.error),
        ("w", "warn", row.warn),
        ("p", "pass", row.pass),
        ("s", "skip", row.skip),
    ]
    .map(|(class, word, count)| Number { class, word, count })
    .into()
}

/// The numbers as parts of a bar; rounded, so that the parts join.
fn bar(row: &TagRow) -> Vec<Part> {
    let numbers = numbers(row);
    // The numbers of a record that others made may be any.
    let all: u128 = numbers.iter().map(|number| number.count as u128).sum();
    let mut sum: u128 = 0;
    let mut parts = Vec::new();
    for Number { class, count, .. } in numbers {
        let place = |sum: u128| (sum * 1000).checked_div(all).unwrap_or_default() as usize;
        let from = place(sum);
        sum += count as u128;
        if count > 0 {
            parts.push(Part {
                class,
                from,
                to: place(sum),
            });
        }
    }
    parts
}

fn words(row: &TagRow) -> String {
    let numbers = numbers(row);
    let told = numbers.iter().filter(|number| number.count > 0);
    let told: Vec<String> = told.map(|n| format!("{} {}", n.count, n.word)).collect();
    match told.is_empty() {
        true => "nothing".to_owned(),
        false => told.join(", "),
    }
}

fn spark(trend: &Trend, now: &TagRow) -> Spark {
    let first = trend.runs.len().saturating_sub(Trend::SHOWN);
    let runs = trend.runs.iter().skip(first);
    let mut points: Vec<(usize, usize)> = runs
        .map(|point| (point.fail.saturating_sub(point.known), point.error))
        .collect();
    points.push((now.fail.saturating_sub(now.known), now.error));
    let most = points.iter().map(|(fail, error)| fail + error).max();
    let most = most.unwrap_or_default().max(1);
    let (mut fail, mut error, mut clean) = (String::new(), String::new(), String::new());
    for (index, (fails, errors)) in points.iter().enumerate() {
        let x = index * STEP;
        // What is there is seen, however little it is.
        let high = |count: usize| (count * HIGH).div_ceil(most).min(HIGH);
        let (red, both) = (high(*fails), high(fails + errors));
        let wide = STEP - 1;
        if red > 0 {
            _ = write!(fail, "M{x} {HIGH}h{wide}v-{red}h-{wide}z");
        }
        if both > red {
            _ = write!(error, "M{x} {}h{wide}v-{}h-{wide}z", HIGH - red, both - red);
        }
        if both == 0 {
            _ = write!(clean, "M{x} {HIGH}h{wide}v-2h-{wide}z");
        }
    }
    let told = points.iter().rev().take(5).rev();
    let told: Vec<String> = told
        .map(|(fails, errors)| format!("{fails}+{errors}"))
        .collect();
    Spark {
        width: points.len() * STEP,
        fail,
        error,
        clean,
        text: format!(
            "failures+errors in the last {} of {} runs, now at the end: {}",
            told.len(),
            points.len(),
            told.join(", ")
        ),
    }
}
