//! Where each result stands: cases in rows, endpoints in columns.

use std::collections::HashMap;

use touchstone_model::{CaseResult, RunRecord};

/// The rows, and the place of every result.
pub(super) struct Grid<'a> {
    /// One result of each row, for what all of them share.
    pub(super) rows: Vec<&'a CaseResult>,
    /// For each result of the record its row and column; `None` if its endpoint is not in the record.
    pub(super) places: Vec<Option<(usize, usize)>>,
}

impl<'a> Grid<'a> {
    /// Rows in the order of the plan, those of one suite together.
    pub(super) fn new(record: &'a RunRecord) -> Self {
        let columns: HashMap<&str, usize> = record
            .endpoints
            .iter()
            .enumerate()
            .map(|(column, endpoint)| (endpoint.name.as_str(), column))
            .collect();
        let mut suites = HashMap::new();
        let mut seen = HashMap::new();
        let mut found: Vec<(usize, &CaseResult)> = Vec::new();
        for result in &record.results {
            let next = suites.len();
            let suite = *suites.entry(result.suite.as_str()).or_insert(next);
            seen.entry(key(result)).or_insert_with(|| {
                found.push((suite, result));
            });
        }
        found.sort_by_key(|(suite, _)| *suite);
        let rows: Vec<&CaseResult> = found.into_iter().map(|(_, result)| result).collect();
        let at: HashMap<_, _> = rows
            .iter()
            .enumerate()
            .map(|(row, result)| (key(result), row))
            .collect();
        let place = |result: &CaseResult| {
            let row = *at.get(&key(result))?;
            Some((row, *columns.get(result.endpoint.as_str())?))
        };
        let places = record.results.iter().map(place).collect();
        Self { rows, places }
    }

    /// For each row a character for each column, `fill` where there is no result.
    pub(super) fn cells(
        &self,
        record: &RunRecord,
        fill: char,
        cell: impl Fn(&CaseResult) -> char,
    ) -> Vec<Vec<char>> {
        let mut cells = vec![vec![fill; record.endpoints.len()]; self.rows.len()];
        for (result, place) in record.results.iter().zip(&self.places) {
            let found = place.and_then(|(row, column)| cells.get_mut(row)?.get_mut(column));
            if let Some(found) = found {
                *found = cell(result);
            }
        }
        cells
    }
}

fn key(result: &CaseResult) -> (&str, Option<&str>) {
    (result.case.as_str(), result.partner.as_deref())
}
