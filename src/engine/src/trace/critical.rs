//! The chain of spans that the run waited for: whatever is not on it could take no time at all, and the run
//! would take as long.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::{SpanRecord, Waiting, waiting};

/// Lines of the text; what is more is told in one.
const LINES: usize = 12;

/// A part of the path: a span for as long as nothing within it was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its index.
    pub span: usize,
    /// From when.
    pub begin: Duration,
    /// Until when.
    pub end: Duration,
}

/// The critical path of all spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// In the order of time, without gaps.
    pub legs: Vec<Leg>,
}

/// Goes from the end of the first span, which holds all others, to its beginning: always to what ended last
/// before it could go on.
pub fn critical(spans: &[SpanRecord]) -> Path {
    let mut within: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    for (index, span) in spans.iter().enumerate() {
        // Nobody waited for what outlives that which it began in.
        if let Some(parent) = span.parent
            && span.end <= spans[parent].end
        {
            within[parent].push(index);
        }
    }
    for inner in &mut within {
        inner.sort_by_key(|&index| (spans[index].end, spans[index].duration()));
    }
    let mut path = Path::default();
    let mut waiting: Vec<(usize, Duration)> = Vec::new();
    if let Some(all) = spans.first() {
        waiting.push((0, all.end));
    }
    while let Some((index, until)) = waiting.pop() {
        let span = &spans[index];
        let inner = &mut within[index];
        while inner.last().is_some_and(|&last| spans[last].end > until) {
            inner.pop();
        }
        let from = match inner.pop() {
            Some(last) => {
                waiting.push((index, spans[last].begin));
                waiting.push((last, spans[last].end));
                spans[last].end
            }
            None => span.begin,
        };
        if from < until {
            path.legs.push(Leg {
                span: index,
                begin: from,
                end: until,
            });
        }
    }
    path.legs.reverse();
    path
}

/// What is said of consecutive legs that belong to the same thing.
struct Line {
    what: String,
    took: Duration,
    on: BTreeMap<Waiting, Duration>,
}

impl Path {
    /// For people: what was waited for one after another, and on whom.
    pub fn text(&self, spans: &[SpanRecord]) -> String {
        let mut lines: Vec<Line> = Vec::new();
        for leg in &self.legs {
            let what = whose(spans, leg.span);
            if lines.last().is_none_or(|line| line.what != what) {
                lines.push(Line {
                    what,
                    took: Duration::ZERO,
                    on: BTreeMap::new(),
                });
            }
            if let Some(line) = lines.last_mut() {
                let took = leg.end.saturating_sub(leg.begin);
                line.took += took;
                *line.on.entry(waiting(spans, leg.span)).or_default() += took;
            }
        }
        let mut text = format!("critical path, {}:\n", seconds(total(&lines)));
        let shown = match lines.len() > LINES {
            true => LINES - 1,
            false => lines.len(),
        };
        // The longest ones, in their order.
        let mut longest: Vec<usize> = (0..lines.len()).collect();
        longest.sort_by_key(|&line| std::cmp::Reverse(lines[line].took));
        longest.truncate(shown);
        longest.sort_unstable();
        for &line in &longest {
            let line = &lines[line];
            let _ = writeln!(
                text,
                "  {:>9}  {}  ({})",
                seconds(line.took),
                line.what,
                words(&line.on)
            );
        }
        if shown < lines.len() {
            let told: Duration = longest.iter().map(|&line| lines[line].took).sum();
            let (rest, count) = (total(&lines) - told, lines.len() - shown);
            let _ = writeln!(text, "  {:>9}  in {count} shorter ones", seconds(rest));
        }
        let mut on: BTreeMap<Waiting, Duration> = BTreeMap::new();
        for (waiting, took) in lines.iter().flat_map(|line| &line.on) {
            *on.entry(*waiting).or_default() += *took;
        }
        let _ = writeln!(text, "of that: {}", words(&on));
        let cases = spans.iter().filter(|span| span.kind == "case");
        if let Some(case) = cases.max_by_key(|case| case.duration()) {
            let _ = writeln!(
                text,
                "the longest chain of one case: {}, {}",
                seconds(case.duration()),
                case.name
            );
        }
        text
    }
}

fn total(lines: &[Line]) -> Duration {
    lines.iter().map(|line| line.took).sum()
}

/// The endpoint and the case or phase to which a span belongs.
pub(super) fn whose(spans: &[SpanRecord], index: usize) -> String {
    let mut chain = vec![&spans[index]];
    while let Some(parent) = chain[chain.len() - 1].parent {
        chain.push(&spans[parent]);
    }
    let place = |span: &&&SpanRecord| matches!(span.kind, "endpoint" | "issuer");
    match chain.iter().position(|span| place(&span)) {
        Some(0) => chain[0].label(),
        Some(at) => format!("{}: {}", chain[at].name, chain[at - 1].label()),
        None if chain.len() > 1 => chain[chain.len() - 2].label(),
        None => "touchstone".to_owned(),
    }
}

fn words(on: &BTreeMap<Waiting, Duration>) -> String {
    let words: Vec<_> = on
        .iter()
        .map(|(waiting, took)| format!("{} {}", waiting.as_str(), seconds(*took)))
        .collect();
    words.join(", ")
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(
        parent: impl Into<Option<usize>>,
        kind: &'static str,
        name: &str,
        begin: u64,
        end: u64,
    ) -> SpanRecord {
        SpanRecord {
            parent: parent.into(),
            kind,
            name: name.into(),
            begin: Duration::from_millis(begin),
            end: Duration::from_millis(end),
            ..SpanRecord::default()
        }
    }

    fn legs(spans: &[SpanRecord]) -> Vec<(usize, u128, u128)> {
        let path = critical(spans);
        let legs = path.legs.iter();
        legs.map(|leg| (leg.span, leg.begin.as_millis(), leg.end.as_millis()))
            .collect()
    }

    #[test]
    fn the_path_is_what_ended_last_before_one_could_go_on() {
        let spans = [
            at(None, "run", "", 0, 100),
            at(0, "endpoint", "se", 10, 90),
            at(1, "case", "short", 20, 50),
            at(1, "case", "long", 20, 80),
            at(3, "exchange", "PUT /f", 30, 60),
            // Began when the short one had ended, and ended before the long one.
            at(1, "case", "late", 50, 70),
        ];
        assert_eq!(
            legs(&spans),
            [
                (0, 0, 10),
                (1, 10, 20),
                (3, 20, 30),
                (4, 30, 60),
                (3, 60, 80),
                (1, 80, 90),
                (0, 90, 100)
            ]
        );
        let text = critical(&spans).text(&spans);
        for part in [
            "critical path, 0.100 s:",
            "0.060 s  se: case long  (storage 0.030 s, touchstone 0.030 s)",
            "of that: storage 0.030 s, touchstone 0.070 s",
            "the longest chain of one case: 0.060 s, long",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn cases_one_after_another_are_all_on_it() {
        let spans = [
            at(None, "run", "", 0, 30),
            at(0, "endpoint", "se", 0, 30),
            at(1, "case", "first", 0, 10),
            at(1, "case", "second", 10, 20),
            at(1, "case", "third", 20, 30),
        ];
        assert_eq!(legs(&spans), [(2, 0, 10), (3, 10, 20), (4, 20, 30)]);
    }

    #[test]
    fn nobody_waits_for_what_lives_on() {
        let spans = [
            at(None, "run", "", 0, 30),
            at(0, "exchange", "GET /", 0, 20),
            at(1, "connect", "", 5, 25),
        ];
        assert_eq!(legs(&spans), [(1, 0, 20), (0, 20, 30)]);
    }

    #[test]
    fn a_long_path_is_told_shortly() {
        let mut spans = vec![
            at(None, "run", "", 0, 1000),
            at(0, "endpoint", "se", 0, 1000),
        ];
        spans.extend((0..100).map(|n| at(1, "case", &format!("c{n}"), n * 10, n * 10 + 10)));
        let text = critical(&spans).text(&spans);
        assert_eq!(text.lines().count(), LINES + 3, "{text}");
        assert!(text.contains("0.890 s  in 89 shorter ones"), "{text}");
    }

    #[test]
    fn nothing_has_no_path() {
        assert_eq!(critical(&[]), Path::default());
    }
}
