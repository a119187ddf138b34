//! The matrix of a run of all with all: who could copy what to whom.

use std::collections::BTreeMap;

use touchstone_model::{CaseResult, Method, Purpose, RunRecord, Verdict};

use super::style::Style;
use super::text::line;

/// Cases whose transfer is to fail: what it leaves, or who lets it pass, says nothing of the data that are to arrive.
const TO_FAIL: [&str; 2] = ["tpc.pair.no-credential", "tpc.fts.failure"];

/// What came of a pair: the pulls, then the pushes.
#[derive(Default)]
struct Cell {
    pull: Option<Came>,
    push: Option<Came>,
}

/// What came of a transfer that was to succeed, the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// Nobody tried.
    Skipped,
    /// The data arrived, whatever else was wrong.
    Arrived,
    /// Nobody knows.
    Undecided,
    /// They did not.
    Failed,
}

impl Came {
    fn of(result: &CaseResult) -> Self {
        match result.verdict {
            Verdict::Skip => Self::Skipped,
            Verdict::Error => Self::Undecided,
            Verdict::Pass | Verdict::Warn => Self::Arrived,
            Verdict::Fail if arrived(result) => Self::Arrived,
            Verdict::Fail => Self::Failed,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skip",
            Self::Arrived => "ok",
            Self::Undecided => "error",
            Self::Failed => "FAIL",
        }
    }
}

/// Whether the data of a failed case arrived: the observer found a file after the transfer, and it was the right one.
fn arrived(result: &CaseResult) -> bool {
    let exchanges: Vec<_> = (&result.exchanges).into_iter().collect();
    let Some(last) = exchanges
        .iter()
        .rposition(|one| one.purpose == Purpose::Step && one.method == Method::Copy)
    else {
        return false;
    };
    let there = exchanges.iter().skip(last + 1).any(|one| {
        let whole = one.method == Method::Get && one.status == Some(200);
        one.purpose == Purpose::Effect && whole
    });
    there && !result.findings.iter().any(|finding| finding.about_effect())
}

/// Sources in rows, destinations in columns; each cell tells whether the data arrived by pulls, which the destination
/// was asked for, and by pushes, which the source was asked for. `None` where a run had no pairs.
pub fn write(record: &RunRecord, style: Style) -> Option<String> {
    let pairs = record.run.pairs?;
    let names: Vec<&str> = record.endpoints.iter().map(|e| e.name.as_str()).collect();
    let mut cells: BTreeMap<(&str, &str), Cell> = BTreeMap::new();
    for result in &record.results {
        let Some(partner) = result.partner.as_deref() else {
            continue;
        };
        if TO_FAIL.contains(&result.case.as_str()) {
            continue;
        }
        let own = result.endpoint.as_str();
        let came = Some(Came::of(result));
        if result.case.as_str().ends_with(".push") {
            let cell = cells.entry((own, partner)).or_default();
            cell.push = cell.push.max(came);
        } else {
            let cell = cells.entry((partner, own)).or_default();
            cell.pull = cell.pull.max(came);
        }
    }
    let mut text = style.bold(&format!(
        "Whether data arrived, source in rows, destination in columns (pull/push; {} of {} pairs)",
        pairs.tried, pairs.of
    )) + "\n";
    let number = names.len().to_string().len();
    let label = |index: usize, name: &str| format!("{:>number$} {}", index + 1, line(name));
    let wide = |text: &str| text.chars().count();
    let rows = names
        .iter()
        .enumerate()
        .map(|(i, name)| wide(&label(i, name)));
    let first = rows.max().unwrap_or_default();
    let shown = |source: &str, destination: &str| match cells.get(&(source, destination)) {
        Some(cell) => format!("{}/{}", word(cell.pull), word(cell.push)),
        None => ".".to_owned(),
    };
    let all = names
        .iter()
        .flat_map(|one| names.iter().map(move |other| (one, other)));
    let widest = all.map(|(one, other)| wide(&shown(one, other))).max();
    let width = widest.unwrap_or_default().max(number);
    text += &" ".repeat(first);
    for index in 1..=names.len() {
        text += &format!("  {index:>width$}");
    }
    text += "\n";
    for (index, source) in names.iter().enumerate() {
        let label = label(index, source);
        text += &label;
        text += &" ".repeat(first - wide(&label));
        for destination in &names {
            let cell = shown(source, destination);
            let padded = format!("{cell:>width$}");
            let bad = cell.contains("FAIL") || cell.contains("error");
            text += "  ";
            text += &if bad { style.red(&padded) } else { padded };
        }
        text += "\n";
    }
    Some(text)
}

fn word(came: Option<Came>) -> &'static str {
    came.map_or(".", Came::word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use touchstone_model::PairCounts;

    /// What came of a case at `endpoint` with `partner`.
    fn result(endpoint: &str, partner: &str, case: &str, verdict: Verdict) -> CaseResult {
        let record = sample::record();
        CaseResult {
            endpoint: endpoint.into(),
            partner: Some(partner.into()),
            case: case.parse().unwrap(),
            verdict,
            ..record.results[0].clone()
        }
    }

    #[test]
    fn pulls_stand_at_the_source_that_they_are_from() {
        let mut record = sample::record();
        assert_eq!(write(&record, Style::Plain), None, "no pairs were tried");
        record.run.pairs = Some(PairCounts { tried: 3, of: 6 });
        record.results = vec![
            result("se-alpha", "se-beta", "tpc.pair.pull", Verdict::Fail),
            result("se-alpha", "se-beta", "tpc.fts.success", Verdict::Pass),
            result("se-alpha", "se-beta", "tpc.pair.push", Verdict::Pass),
            result("se-gamma", "se-beta", "tpc.pair.push", Verdict::Error),
            result("se-beta", "se-gamma", "tpc.pair.pull", Verdict::Skip),
        ];
        insta::assert_snapshot!(write(&record, Style::Plain).unwrap(), @"
        Whether data arrived, source in rows, destination in columns (pull/push; 3 of 6 pairs)
                             1           2           3
        1 se-alpha           .        ./ok           .
        2 se-beta       FAIL/.           .           .
        3 se-gamma           .  skip/error           .
        ");
    }

    #[test]
    fn a_cell_fails_only_where_data_did_not_arrive() {
        use touchstone_model::{Exchange, Finding};
        let cell = |results: &[CaseResult]| {
            let mut record = sample::record();
            record.run.pairs = Some(PairCounts { tried: 1, of: 6 });
            record.results = results.to_vec();
            let text = write(&record, Style::Plain).unwrap();
            let row = text.lines().nth(3).unwrap().to_owned();
            row.split_whitespace().nth(2).unwrap().to_owned()
        };
        let pull = |case: &str, verdict| result("se-alpha", "se-beta", case, verdict);
        // What a refused transfer has left is another matter.
        let refused = pull("tpc.pair.no-credential", Verdict::Fail);
        let failure = pull("tpc.fts.failure", Verdict::Fail);
        let good = pull("tpc.pair.pull", Verdict::Pass);
        assert_eq!(cell(&[good, refused.clone(), failure]), "ok/.");
        assert_eq!(
            cell(&[refused, pull("tpc.pair.pull", Verdict::Error)]),
            "error/."
        );
        // A failure of something else, with the file at its place.
        let any = sample::record();
        let sent = any
            .results
            .iter()
            .flat_map(|one| &one.exchanges)
            .next()
            .unwrap();
        let exchange = |purpose, method, status| Exchange {
            purpose,
            method,
            status: Some(status),
            ..sent.clone()
        };
        let failed = |seen: u16, expected: &str| {
            let found = any
                .results
                .iter()
                .find_map(|one| one.findings.first())
                .unwrap();
            CaseResult {
                exchanges: vec![
                    exchange(Purpose::Step, Method::Copy.into(), 201),
                    exchange(Purpose::Effect, Method::Get.into(), seen),
                ]
                .into(),
                findings: vec![Finding {
                    expected: expected.to_owned(),
                    ..found.clone()
                }],
                ..pull("tpc.fts.success", Verdict::Fail)
            }
        };
        assert_eq!(cell(&[failed(200, "the digest adler32=1")]), "ok/.");
        assert_eq!(cell(&[failed(404, "the digest adler32=1")]), "FAIL/.");
        let fragment = "the expected file of 5 bytes at /wlcg/f afterwards";
        assert_eq!(cell(&[failed(200, fragment)]), "FAIL/.");
        assert_eq!(cell(&[pull("tpc.pair.pull", Verdict::Fail)]), "FAIL/.");
    }
}
