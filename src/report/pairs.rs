//! The matrix of a run of all with all: who could copy what to whom.

use std::collections::BTreeMap;

use crate::model::{CaseResult, RunRecord, Verdict};

use super::style::Style;
use super::text::line;

/// What came of a pair: the pulls, then the pushes.
#[derive(Default)]
struct Cell {
    pull: Option<Verdict>,
    push: Option<Verdict>,
}

/// Sources in rows, destinations in columns; each cell has what came of the pulls, which the destination
/// was asked for, and of the pushes, which the source was asked for. `None` where a run had no pairs.
pub fn write(record: &RunRecord, style: Style) -> Option<String> {
    let pairs = record.run.pairs?;
    let names: Vec<&str> = record.endpoints.iter().map(|e| e.name.as_str()).collect();
    let mut cells: BTreeMap<(&str, &str), Cell> = BTreeMap::new();
    for result in &record.results {
        let Some(partner) = result.partner.as_deref() else {
            continue;
        };
        let own = result.endpoint.as_str();
        if result.case.as_str().ends_with(".push") {
            let cell = cells.entry((own, partner)).or_default();
            cell.push = worst(cell.push, result);
        } else {
            let cell = cells.entry((partner, own)).or_default();
            cell.pull = worst(cell.pull, result);
        }
    }
    let mut text = style.bold(&format!(
        "Transfers, source in rows, destination in columns (pull/push; {} of {} pairs)",
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

/// The graver of the two.
fn worst(known: Option<Verdict>, result: &CaseResult) -> Option<Verdict> {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Skip => 0,
        Verdict::Pass => 1,
        Verdict::Warn => 2,
        Verdict::Error => 3,
        Verdict::Fail => 4,
    };
    let graver = |known: &Verdict| rank(*known) >= rank(result.verdict);
    Some(known.filter(graver).unwrap_or(result.verdict))
}

fn word(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None => ".",
        Some(Verdict::Pass) => "ok",
        Some(Verdict::Warn) => "warn",
        Some(Verdict::Fail) => "FAIL",
        Some(Verdict::Error) => "error",
        Some(Verdict::Skip) => "skip",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Pairs;
    use crate::report::sample;

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
        record.run.pairs = Some(Pairs { tried: 3, of: 6 });
        record.results = vec![
            result("se-alpha", "se-beta", "tpc.pair.pull", Verdict::Fail),
            result("se-alpha", "se-beta", "tpc.fts.success", Verdict::Pass),
            result("se-alpha", "se-beta", "tpc.pair.push", Verdict::Pass),
            result("se-gamma", "se-beta", "tpc.pair.push", Verdict::Error),
            result("se-beta", "se-gamma", "tpc.pair.pull", Verdict::Skip),
        ];
        insta::assert_snapshot!(write(&record, Style::Plain).unwrap(), @"
        Transfers, source in rows, destination in columns (pull/push; 3 of 6 pairs)
                             1           2           3
        1 se-alpha           .        ./ok           .
        2 se-beta       FAIL/.           .           .
        3 se-gamma           .  skip/error           .
        ");
    }
}
