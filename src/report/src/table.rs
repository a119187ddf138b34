//! The "Statistics by Tag" table that operations meetings read, with what it needs said below it.

use touchstone_model::{CaseResult, EndpointRecord, HostSeen, RunRecord, TagRow, Verdict};

use super::basis;
use super::style::Style;
use super::text::line;

/// Titles of the columns behind the tag.
const TITLES: [&str; 7] = ["Total", "Pass", "Warn", "Fail", "Error", "Skip", "Elapsed"];

/// Hosts behind an endpoint that are named.
const HOSTS: usize = 8;

/// The table and its footnotes.
pub fn write(record: &RunRecord, style: Style) -> String {
    let tags: Vec<String> = record.statistics.iter().map(|row| line(&row.tag)).collect();
    let cells: Vec<[String; 7]> = record.statistics.iter().map(cells).collect();
    let tag_width = tags
        .iter()
        .map(|tag| tag.chars().count())
        .fold("Statistics by Tag".len(), usize::max);
    let widths: [usize; 7] = std::array::from_fn(|column| {
        cells
            .iter()
            .map(|row| row[column].len())
            .fold(TITLES[column].len(), usize::max)
    });

    let mut heading = format!("{:tag_width$}", "Statistics by Tag");
    for (title, width) in TITLES.iter().zip(widths) {
        heading += &format!("  {title:>width$}");
    }
    let mut table = super::pairs::write(record, style)
        .map(|pairs| pairs + "\n")
        .unwrap_or_default();
    table += &style.bold(&heading);
    table += "\n";
    for ((tag, cells), row) in tags.iter().zip(&cells).zip(&record.statistics) {
        table += &format!("{tag:tag_width$}");
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            table += "  ";
            table += &coloured(style, TITLES[column], row, &format!("{cell:>width$}"));
        }
        table += "\n";
    }
    let notes = footnotes(record);
    if !notes.is_empty() {
        table += "\n";
    }
    for note in notes {
        table += &note;
        table += "\n";
    }
    table
}

/// Hours, minutes and seconds, as the reference suite's table has them.
pub fn elapsed(ms: u64) -> String {
    let seconds = ms / 1000;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn cells(row: &TagRow) -> [String; 7] {
    [
        row.total.to_string(),
        row.pass.to_string(),
        row.warn.to_string(),
        row.fail.to_string(),
        row.error.to_string(),
        row.skip.to_string(),
        elapsed(row.elapsed_ms),
    ]
}

fn coloured(style: Style, title: &str, row: &TagRow, cell: &str) -> String {
    match title {
        "Pass" if row.pass > 0 => style.green(cell),
        "Warn" if row.warn > 0 => style.yellow(cell),
        "Fail" if row.fail > row.known => style.red(cell),
        "Fail" if row.fail > 0 => style.yellow(cell),
        "Error" if row.error > 0 => style.magenta(cell),
        _ => cell.to_owned(),
    }
}

fn footnotes(record: &RunRecord) -> Vec<String> {
    let mut notes = Vec::new();
    if record.run.interrupted {
        notes.push("Interrupted: cases that did not finish count as errors.".to_owned());
    }
    notes.extend(record.run.notes.iter().map(|note| line(note)));
    if let Some(mode) = record.run.mode().description() {
        notes.push(format!("Judged {mode}"));
    }
    let bases = basis::total(record);
    if !bases.is_empty() {
        notes.push(format!("Failures by basis: {}", basis::words(bases)));
    }
    if bases.derived > 0 {
        notes.push(basis::DERIVED.to_owned());
    }
    for endpoint in &record.endpoints {
        if let Some(reason) = &endpoint.downtime {
            notes.push(format!(
                "Not judged: {} is {}",
                line(&endpoint.name),
                line(reason)
            ));
        }
        let told = endpoint.notes.iter();
        notes.extend(told.map(|note| format!("{}: {}", line(&endpoint.name), line(note))));
        if let Some(reason) = &endpoint.unreachable {
            notes.push(format!(
                "Not reached: {} ({})",
                line(&endpoint.name),
                line(reason)
            ));
        }
    }
    for endpoint in record.endpoints.iter().filter(|row| !row.hosts.is_empty()) {
        let name = line(&endpoint.name);
        notes.push(format!(
            "Hosts seen: behind {name}: {}",
            hosts(&endpoint.hosts)
        ));
    }
    let down = |endpoint: &EndpointRecord| endpoint.downtime.is_some();
    if !record.endpoints.is_empty() && record.endpoints.iter().all(down) {
        notes.push("Every endpoint is in downtime: nothing was judged.".to_owned());
    }
    for usage in &record.run.issuers {
        notes.push(format!(
            "Token requests: {} to {}, for {} distinct tokens",
            usage.requests,
            line(&usage.issuer),
            usage.distinct
        ));
    }
    let cases =
        |wanted: fn(&CaseResult) -> bool| record.results.iter().filter(|r| wanted(r)).count();
    let left: usize = record
        .results
        .iter()
        .map(|result| result.cleanup.len())
        .sum();
    let left_beyond: usize = record.endpoints.iter().map(|e| e.leftovers.len()).sum();
    for (number, what) in [
        (
            cases(|result| result.verdict == Verdict::Fail && !result.red()),
            "Known failures, which do not turn the run red",
        ),
        (
            cases(CaseResult::unexpected_pass),
            "Passed though listed as known failures; their entries can go",
        ),
        (
            cases(|result| result.flaky),
            "Cases with a request that was sent again after a transport error",
        ),
        (
            left + left_beyond,
            "Objects that could not be removed; `touchstone clean` tries again",
        ),
    ] {
        if number > 0 {
            notes.push(format!("{what}: {number}"));
        }
    }
    notes
}

/// `one:443 (12), two:443 (3) and 5 more`
fn hosts(seen: &[HostSeen]) -> String {
    let shown = seen.iter().take(HOSTS);
    let shown: Vec<_> = shown
        .map(|seen| format!("{} ({})", line(&seen.host), seen.exchanges))
        .collect();
    let rest = match seen.len().saturating_sub(HOSTS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(", ") + &rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn looks_like_the_old_one() {
        insta::assert_snapshot!(write(&sample::record(), Style::Plain), @r#"
Statistics by Tag  Total  Pass  Warn  Fail  Error  Skip   Elapsed
critical              18     5     0     2      5     6  00:00:02
not-critical           6     3     1     0      2     0  00:00:00
se-alpha               8     3     1     1      1     2  01:02:05
se-beta                8     5     0     1      0     2  00:04:46
se-gamma               8     0     0     0      6     2  00:00:10

Failures by basis: 1 stated
Not reached: se-gamma (connection refused)
Known failures, which do not turn the run red: 1
Passed though listed as known failures; their entries can go: 1
Objects that could not be removed; `touchstone clean` tries again: 3
"#);
    }

    #[test]
    fn colour_moves_no_column() {
        let record = sample::record();
        let coloured = write(&record, Style::Colour);
        let mut plain = String::new();
        for (n, part) in coloured.split('\x1b').enumerate() {
            plain += if n == 0 {
                part
            } else {
                part.split_once('m').unwrap().1
            };
        }
        assert_ne!(coloured, plain);
        assert_eq!(plain, write(&record, Style::Plain));
    }

    #[test]
    fn hours_go_on() {
        assert_eq!(elapsed(0), "00:00:00");
        assert_eq!(elapsed(3_599_999), "00:59:59");
        assert_eq!(elapsed(360_000_000), "100:00:00");
        assert!(elapsed(u64::MAX).ends_with(":51"));
    }

    #[test]
    fn an_empty_run_has_a_table() {
        let mut record = sample::record();
        record.results.clear();
        record.endpoints.clear();
        record.statistics.clear();
        assert_eq!(write(&record, Style::Plain).lines().count(), 1);
    }

    #[test]
    fn hosts_behind_a_redirector_are_told_up_to_a_number() {
        let mut record = sample::record();
        record.endpoints[0].hosts = (0..10)
            .map(|n| HostSeen {
                host: format!("d{n}\u{1b}[2J\n.example.org:1095"),
                exchanges: 10 - n,
            })
            .collect();
        let table = write(&record, Style::Plain);
        let note = table
            .lines()
            .find(|line| line.starts_with("Hosts seen: "))
            .unwrap();
        assert!(
            note.starts_with("Hosts seen: behind se-alpha: d0"),
            "{note}"
        );
        assert!(note.ends_with(":1095 (3) and 2 more"), "{note}");
        assert!(!table.contains('\u{1b}'));
    }
}
