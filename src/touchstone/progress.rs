//! What goes on during a run, on standard error, for people who watch.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use touchstone_model::Event;
use touchstone_model::{CaseId, Verdict};
use touchstone_report::style::Style;
use touchstone_report::text::line;

const ENDPOINT_LINE: &str = "{prefix} {pos}/{len}  {wide_msg}";
const RUN_LINE: &str = "{prefix} {pos}/{len} cases, {elapsed}  {wide_msg}";

/// Shows one line for each endpoint that is at work, and one for the whole run. Shows nothing at
/// all when standard error is no terminal.
pub struct ProgressBars {
    bars: MultiProgress,
    style: Style,
    total: Option<ProgressBar>,
    counts: Counts,
    endpoints: HashMap<String, Lane>,
}

/// An endpoint at work.
struct Lane {
    bar: ProgressBar,
    cases: u64,
    counts: Counts,
    running: Vec<CaseId>,
}

/// Cases by verdict.
#[derive(Clone, Copy, Default)]
struct Counts {
    pass: usize,
    warn: usize,
    fail: usize,
    known: usize,
    error: usize,
    skip: usize,
}

impl ProgressBars {
    /// On standard error.
    pub fn stderr(style: Style) -> Self {
        Self::new(ProgressDrawTarget::stderr(), style)
    }

    /// On a target of the caller's choice.
    pub fn new(target: ProgressDrawTarget, style: Style) -> Self {
        Self {
            bars: MultiProgress::with_draw_target(target),
            style,
            total: None,
            counts: Counts::default(),
            endpoints: HashMap::new(),
        }
    }

    /// Takes the next event in.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::RunStarted(started) => {
                let mut cases = 0;
                for row in started.plan.rows() {
                    cases += row.cases.len();
                    self.endpoints.insert(row.name, Lane::new(row.cases.len()));
                }
                self.total = Some(self.start(cases));
            }
            Event::EndpointNoted { .. } => {}
            Event::EndpointReached { endpoint, .. } => self.show(endpoint),
            Event::EndpointUnreachable { endpoint, reason } => {
                let notice = format!("{}: not reached: {}", line(endpoint), line(reason));
                // Where nobody watches, the report tells it.
                let _ = self.bars.println(self.style.magenta(&notice));
            }
            Event::CaseStarted { endpoint, case, .. } => {
                if let Some(lane) = self.endpoints.get_mut(endpoint) {
                    lane.running.push(case.clone());
                    lane.refresh(self.style);
                }
            }
            Event::CaseFinished(result) => {
                let known = result.known.is_some();
                self.counts.add(result.verdict, known);
                if let Some(lane) = self.endpoints.get_mut(&result.endpoint) {
                    // With several partners a case runs more than once.
                    let mut running = lane.running.iter();
                    if let Some(index) = running.position(|case| *case == result.case) {
                        lane.running.remove(index);
                    }
                    lane.counts.add(result.verdict, known);
                    lane.bar.inc(1);
                    lane.refresh(self.style);
                }
                if let Some(total) = &self.total {
                    total.inc(1);
                    total.set_message(self.counts.show(self.style));
                }
            }
            Event::EndpointFinished { endpoint, .. } => {
                if let Some(lane) = self.endpoints.remove(endpoint) {
                    lane.bar.finish_and_clear();
                    self.bars.remove(&lane.bar);
                }
            }
            Event::RunInterrupted => {
                if let Some(total) = &self.total {
                    total.set_prefix(self.style.yellow("interrupted, cleaning up"));
                }
            }
            Event::TokensAsked(_) => {}
            Event::RunFinished { .. } => self.clear(),
        }
    }

    /// Takes every line off the screen.
    fn clear(&mut self) {
        for (_, lane) in self.endpoints.drain() {
            lane.bar.finish_and_clear();
        }
        if let Some(total) = self.total.take() {
            total.finish_and_clear();
        }
    }

    /// The line of the whole run, which stays the last.
    fn start(&self, cases: usize) -> ProgressBar {
        let total = self.bars.add(ProgressBar::new(cases as u64));
        total.set_style(template(RUN_LINE));
        total.set_prefix("total");
        if !self.bars.is_hidden() {
            total.enable_steady_tick(Duration::from_secs(1));
        }
        total
    }

    /// Puts the line of an endpoint above that of the run.
    fn show(&mut self, endpoint: &str) {
        let (Some(lane), Some(total)) = (self.endpoints.get_mut(endpoint), &self.total) else {
            return;
        };
        lane.bar = self.bars.insert_before(total, ProgressBar::new(lane.cases));
        lane.bar.set_style(template(ENDPOINT_LINE));
        lane.bar.set_prefix(self.style.bold(&line(endpoint)));
        lane.refresh(self.style);
    }
}

impl Drop for ProgressBars {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Lane {
    fn new(cases: usize) -> Self {
        Self {
            bar: ProgressBar::hidden(),
            cases: cases as u64,
            counts: Counts::default(),
            running: Vec::new(),
        }
    }

    /// Counts, and the case that has been running longest.
    fn refresh(&self, style: Style) {
        let mut message = self.counts.show(style);
        if let Some(first) = self.running.first() {
            let gap = if message.is_empty() { "" } else { "  " };
            message += &format!("{gap}{}", line(first.as_str()));
        }
        if self.running.len() > 1 {
            message += &format!(" and {} more", self.running.len() - 1);
        }
        self.bar.set_message(message);
    }
}

impl Counts {
    fn add(&mut self, verdict: Verdict, known: bool) {
        let count = match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Warn => &mut self.warn,
            Verdict::Fail if known => &mut self.known,
            Verdict::Fail => &mut self.fail,
            Verdict::Error => &mut self.error,
            Verdict::Skip => &mut self.skip,
        };
        *count += 1;
    }

    /// Only what there is.
    fn show(&self, style: Style) -> String {
        let paint = |paint: fn(Style, &str) -> String, number: usize, word: &str| {
            (number > 0).then(|| paint(style, &format!("{number} {word}")))
        };
        let parts = [
            paint(Style::green, self.pass, "pass"),
            paint(Style::yellow, self.warn, "warn"),
            paint(Style::red, self.fail, "fail"),
            paint(Style::yellow, self.known, "known"),
            paint(Style::magenta, self.error, "error"),
            paint(Style::dim, self.skip, "skip"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn template(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_model::sample;

    fn after(events: impl IntoIterator<Item = Event>) -> ProgressBars {
        let mut progress = ProgressBars::new(ProgressDrawTarget::hidden(), Style::Plain);
        for event in events {
            progress.take(&event);
        }
        progress
    }

    fn until(stop: fn(&Event) -> bool) -> ProgressBars {
        let mut over = false;
        after(sample::events().into_iter().take_while(|event| {
            let take = !over;
            over |= stop(event);
            take
        }))
    }

    #[test]
    fn lines_follow_the_run() {
        let progress = until(
            |event| matches!(event, Event::CaseStarted { case, .. } if case.as_str() == "capability.read.get"),
        );
        let lane = &progress.endpoints["se-alpha"];
        assert_eq!(
            lane.bar.message(),
            "1 warn, 1 fail, 1 error  capability.read.get"
        );
        assert_eq!(lane.bar.prefix(), "se-alpha");
        assert_eq!((lane.bar.position(), lane.bar.length()), (3, Some(8)));
        assert_eq!(progress.endpoints["se-beta"].bar.position(), 0);
        let total = progress.total.as_ref().unwrap();
        assert_eq!((total.position(), total.length()), (3, Some(24)));
        assert_eq!(total.message(), "1 warn, 1 fail, 1 error");
    }

    #[test]
    fn several_cases_at_once_are_told() {
        let mut progress = until(|event| matches!(event, Event::EndpointUnreachable { .. }));
        for case in ["audience.any", "capability.read.get", "path.outside.read"] {
            progress.take(&Event::CaseStarted {
                endpoint: "se-beta".into(),
                case: case.parse().unwrap(),
                partner: None,
            });
        }
        assert_eq!(
            progress.endpoints["se-beta"].bar.message(),
            "audience.any and 2 more"
        );
        progress.take(&Event::RunInterrupted);
        let total = progress.total.as_ref().unwrap();
        assert_eq!(total.prefix(), "interrupted, cleaning up");
    }

    #[test]
    fn a_finished_endpoint_has_no_line_and_a_finished_run_none_at_all() {
        let progress = until(|event| matches!(event, Event::EndpointFinished { .. }));
        assert!(!progress.endpoints.contains_key("se-alpha"));
        let mut total = progress.total.clone().unwrap();
        assert_eq!(total.position(), 8);
        assert!(!total.is_finished());
        drop(progress);
        assert!(total.is_finished());

        let mut progress = after(sample::events().into_iter().take(1));
        total = progress.total.clone().unwrap();
        for event in sample::events().iter().skip(1) {
            progress.take(event);
        }
        assert!(total.is_finished() && progress.endpoints.is_empty());
    }

    #[test]
    fn the_lines_are_legal() {
        for line in [ENDPOINT_LINE, RUN_LINE] {
            assert!(ProgressStyle::with_template(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn known_failures_are_no_failures_and_colour_is_a_choice() {
        let mut counts = Counts::default();
        counts.add(Verdict::Fail, true);
        counts.add(Verdict::Pass, true);
        assert_eq!(counts.show(Style::Plain), "1 pass, 1 known");
        assert!(counts.show(Style::Colour).contains("\x1b["));
    }
}
