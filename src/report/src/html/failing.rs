//! The failures as a list: by case, since one case often fails at many endpoints.

use std::collections::HashMap;

use crate::spread::{Spread, Spreads};
use crate::text::{cap, line};
use crate::{detail, news};
use touchstone_model::{CaseResult, RunRecord, Severity};

use super::mark;

/// Bytes of texts in the list, and results of one case; the matrix and `run.json` have the others.
const BYTES: usize = 350_000;
const SHOWN: usize = 25;
const SHORT: usize = 300;
/// Quotations of one clause.
const QUOTED: usize = 3;

/// The failures that turn the run red, and how many found no room.
pub(super) struct Failing {
    pub(super) total: usize,
    pub(super) cases: Vec<Case>,
    pub(super) more: usize,
}

/// A case that failed.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) severity: Severity,
    pub(super) clause: String,
    pub(super) requirement: String,
    pub(super) text: Vec<String>,
    pub(super) spread: Option<Spread>,
    pub(super) count: usize,
    pub(super) at: Vec<At>,
    pub(super) more: usize,
}

/// Where it failed, and how.
pub(super) struct At {
    pub(super) endpoint: String,
    pub(super) new: bool,
    pub(super) since: Option<String>,
    pub(super) expected: String,
    pub(super) actual: String,
}

impl Failing {
    /// Cases with new failures first, then the critical ones, then what fails at most endpoints.
    pub(super) fn new(record: &RunRecord) -> Self {
        let mut places = HashMap::new();
        let mut groups: Vec<Vec<&CaseResult>> = Vec::new();
        for result in record.results.iter().filter(|result| result.red()) {
            let place = *places.entry(result.name()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.push(result),
                None => groups.push(vec![result]),
            }
        }
        for group in &mut groups {
            group.sort_by_key(|result| mark::rank(record, result));
        }
        groups.sort_by_key(|group| {
            let gravest = group.first().map(|result| mark::rank(record, result));
            (gravest, std::cmp::Reverse(group.len()))
        });
        let total = groups.iter().map(Vec::len).sum();
        let spreads = Spreads::of(record);
        let mut room = BYTES;
        let mut cases = Vec::new();
        let mut told = 0;
        for group in &groups {
            let Some(case) = case(record, group, &spreads, &mut room) else {
                break;
            };
            told += group.len();
            cases.push(case);
        }
        Self {
            total,
            cases,
            more: total - told,
        }
    }
}

fn case(
    record: &RunRecord,
    group: &[&CaseResult],
    spreads: &Spreads<'_>,
    room: &mut usize,
) -> Option<Case> {
    let first = group.first()?;
    let finding = first.findings.first();
    let text: Vec<String> = finding
        .into_iter()
        .flat_map(|finding| finding.text.iter().take(QUOTED))
        .map(|quotation| line(&cap(&quotation.to_string(), SHORT)))
        .collect();
    *room = room.checked_sub(text.iter().map(|text| weight(text)).sum())?;
    let mut at = Vec::new();
    for result in group.iter().take(SHOWN) {
        let one = place(record, result);
        let size = 200 + weight(&one.expected) + weight(&one.actual) + weight(&one.endpoint);
        match room.checked_sub(size) {
            Some(left) => *room = left,
            None if at.is_empty() => return None,
            None => break,
        }
        at.push(one);
    }
    Some(Case {
        name: line(&first.name()),
        title: line(&first.title),
        severity: first.severity,
        clause: finding.map(detail::clause).unwrap_or_default(),
        requirement: finding
            .map(|finding| line(&finding.requirement))
            .unwrap_or_default(),
        text,
        spread: spreads.get(first),
        count: group.len(),
        more: group.len() - at.len(),
        at,
    })
}

fn place(record: &RunRecord, result: &CaseResult) -> At {
    let finding = result.findings.first();
    let text = |text: &str| line(&cap(text.trim(), SHORT));
    At {
        endpoint: line(&result.endpoint),
        new: news::new_failure(record, result),
        since: result
            .past
            .as_ref()
            .map(|past| format!("{:.0}", past.since)),
        expected: finding
            .map(|finding| text(&finding.expected))
            .unwrap_or_default(),
        actual: finding
            .map(|finding| text(&finding.actual))
            .unwrap_or_default(),
    }
}

/// The bytes of a text as markup.
fn weight(text: &str) -> usize {
    let escaped = text.bytes().filter(|byte| b"<>&\"'".contains(byte)).count();
    text.len() + 4 * escaped
}
