//! The run as one page that asks nobody for anything: no font, no picture, no script from elsewhere.
//!
//! What a person without JavaScript or with paper needs is in the page as it is: totals, changes, failures, the
//! matrix in letters. The matrix to click in is drawn by a script from one block of JSON (`data`), which has a
//! budget: a page stays below five megabytes however much went wrong, and says what it left out. Text from servers
//! is made visible by [`super::text`] and then escaped by the template, or by JSON; the script never makes markup of it.

use askama::Template;
use sha2::{Digest, Sha256};

use touchstone_model::{Portion, RunRecord};

use super::FormatError;
use super::basis;
use super::table::elapsed;
use super::text::{count, line};

mod changes;
mod data;
mod failing;
mod grid;
mod mark;
mod paper;
mod summary;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/page.js");

#[derive(Template)]
#[template(path = "html/page.html")]
struct Page {
    policy: String,
    style: &'static str,
    script: &'static str,
    run: String,
    started: String,
    facts: Vec<String>,
    interrupted: bool,
    part: String,
    tiles: Vec<summary::Tile>,
    /// Whether something failed by our reading alone.
    derived: bool,
    endpoints: Vec<summary::Endpoint>,
    trends: bool,
    changes: Option<changes::Changes>,
    failing: failing::Failing,
    paper: Vec<paper::Sheet>,
    left_out: Option<String>,
    data: String,
}

/// The record as a page.
pub fn write(record: &RunRecord) -> Result<String, FormatError> {
    let grid = grid::Grid::new(record);
    let data = data::write(record, &grid)?;
    let page = Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        run: line(record.run.id.as_str()),
        started: format!("{:.0}", record.run.started),
        facts: facts(record, &grid),
        interrupted: record.run.interrupted,
        part: Portion::listed(&record.run.partial),
        tiles: summary::tiles(record),
        derived: basis::total(record).derived > 0,
        endpoints: summary::endpoints(record),
        trends: record.past.is_some(),
        changes: changes::Changes::new(record),
        failing: failing::Failing::new(record),
        paper: paper::sheets(record, &grid),
        left_out: data.left_out,
        data: data.json,
    };
    page.render()
        .map(|text| text.trim_end().to_owned() + "\n")
        .map_err(|error| FormatError::new("HTML", error))
}

/// Nothing is loaded, and of what is written in the page only its own script and style count.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

/// A source expression of CSP level 2 section 4.2 for an inline element.
fn hash(text: &str) -> String {
    use base64::Engine as _;
    let digest = Sha256::digest(text.as_bytes());
    let encoded = base64::engine::general_purpose::STANDARD.encode(digest);
    format!("sha256-{encoded}")
}

fn facts(record: &RunRecord, grid: &grid::Grid) -> Vec<String> {
    let run = &record.run;
    let mut facts = vec![
        format!("took {}", elapsed(run.duration_ms)),
        count(record.endpoints.len(), "endpoint"),
        count(grid.rows.len(), "case"),
        count(record.results.len(), "result"),
        format!("touchstone {}", line(&run.version)),
    ];
    if let Some(mode) = run.mode().description() {
        facts.push(mode.to_owned());
    }
    if let Some(pairs) = run.pairs {
        facts.push(format!("{} of {} pairs tried", pairs.tried, pairs.of));
    }
    facts
}

#[cfg(test)]
mod tests;
