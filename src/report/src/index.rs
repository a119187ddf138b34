//! `index.html` beside the folders of runs: the last runs, and how each endpoint has fared. A function of what the
//! history tells, not of a record.

use askama::Template;

use touchstone_model::{RunLine, Trend, TrendPoint};

use super::FormatError;
use super::table::elapsed;
use super::text::{count, line};

/// The name of the file.
pub const FILE: &str = "index.html";

/// The most runs that it lists.
pub const RUNS: usize = 200;

/// A run, and what is left of its folder.
#[derive(Clone, Debug)]
pub struct IndexRow {
    /// The run.
    pub run: RunLine,
    /// Whether its folder has a `report.html`.
    pub page: bool,
    /// Whether its folder has a `run.json`.
    pub record: bool,
}

/// The page: `rows` newest first, of which [`RUNS`] are shown.
pub fn write(rows: &[IndexRow], trends: &[Trend]) -> Result<String, FormatError> {
    let runs: Vec<_> = rows.iter().take(RUNS).map(RunRow::of).collect();
    let page = Page {
        about: format!("The last {}, the newest first.", count(runs.len(), "run")),
        runs,
        endpoints: trends.iter().filter_map(EndpointRow::of).collect(),
    };
    page.render()
        .map_err(|error| FormatError::new("index.html", error))
}

#[derive(Template)]
#[template(path = "index/page.html")]
struct Page<'a> {
    about: String,
    runs: Vec<RunRow<'a>>,
    endpoints: Vec<EndpointRow<'a>>,
}

struct RunRow<'a> {
    id: String,
    interrupted: bool,
    partial: bool,
    datetime: String,
    began: String,
    took: String,
    endpoints: usize,
    totals: &'a TrendPoint,
    red: bool,
    told: String,
    bars: Vec<Bar>,
    page: bool,
    record: bool,
}

struct EndpointRow<'a> {
    name: String,
    software: String,
    began: String,
    last: &'a TrendPoint,
    red: bool,
    failing: String,
    told: String,
    bars: Vec<Bar>,
}

/// A rectangle of a drawing, in its units.
struct Bar {
    class: &'static str,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// Width and height of a run's bar.
const BAR: (usize, usize) = (200, 16);
/// The line of a trend, and the most that a bar goes below it.
const LINE: (usize, usize) = (8, 15);

impl<'a> RunRow<'a> {
    fn of(row: &'a IndexRow) -> Self {
        let totals = &row.run.totals;
        Self {
            id: line(totals.run.as_str()),
            interrupted: row.run.interrupted,
            partial: row.run.partial && !row.run.interrupted,
            datetime: totals.started.to_string(),
            began: began(totals),
            took: elapsed(row.run.duration_ms),
            endpoints: row.run.endpoints,
            totals,
            red: red(totals) > 0,
            told: tooltip(totals),
            bars: bars(totals),
            page: row.page,
            record: row.record,
        }
    }
}

impl<'a> EndpointRow<'a> {
    fn of(trend: &'a Trend) -> Option<Self> {
        let last = trend.runs.last()?;
        let failing = trend.runs.iter().filter(|point| red(point) > 0).count();
        let failing = format!("{failing} of the last {}", trend.runs.len());
        Some(Self {
            name: line(&trend.endpoint),
            software: line(last.software.as_deref().unwrap_or_default()),
            began: began(last),
            last,
            red: red(last) > 0,
            told: format!("last run: {}; runs with failures: {failing}", tooltip(last)),
            failing,
            bars: spark(&trend.runs),
        })
    }
}

/// Failures that nobody has announced.
fn red(point: &TrendPoint) -> usize {
    point.fail.saturating_sub(point.known)
}

fn all(point: &TrendPoint) -> usize {
    point.pass + point.warn + point.fail + point.error + point.skip
}

fn began(point: &TrendPoint) -> String {
    point.started.strftime("%Y-%m-%d %H:%M").to_string()
}

fn tooltip(point: &TrendPoint) -> String {
    format!(
        "{} passed, {} with warnings, {} failed, {} of these known, {} undecided, {} skipped",
        point.pass, point.warn, point.fail, point.known, point.error, point.skip
    )
}

/// Parts of a run, as wide as they are large, as high as they are grave. None that is there is too narrow to be seen.
fn bars(point: &TrendPoint) -> Vec<Bar> {
    let parts = [
        ("fail", red(point), 16),
        ("known", point.known, 13),
        ("error", point.error, 11),
        ("warn", point.warn, 8),
        ("pass", point.pass, 6),
        ("skip", point.skip, 2),
    ];
    let there = parts.iter().filter(|(_, number, _)| *number > 0);
    const LEAST: usize = 3;
    let room = BAR.0 - LEAST * there.clone().count();
    let all = all(point).max(1);
    let mut x = 0;
    there
        .map(|(class, number, height)| {
            let width = LEAST + room * number / all;
            let bar = Bar {
                class,
                x,
                y: BAR.1 - height,
                width,
                height: *height,
            };
            x += width;
            bar
        })
        .collect()
}

/// For each run what passed above a line, and what failed or was undecided below it.
fn spark(points: &[TrendPoint]) -> Vec<Bar> {
    let missing = Trend::SHOWN.saturating_sub(points.len());
    let mut bars = Vec::new();
    for (place, point) in points.iter().take(Trend::SHOWN).enumerate() {
        let x = 5 * (missing + place);
        let judged = all(point).saturating_sub(point.skip).max(1);
        // At least a pixel of what there is.
        let part = |number: usize, most: usize| (most * number).div_ceil(judged).min(most);
        let (line, most) = LINE;
        let good = part(point.pass + point.warn, line);
        let (red, error) = (part(red(point), most), part(point.error, most));
        for (class, y, height) in [
            ("pass", line - good, good),
            ("fail", line + 1, red),
            ("error", line + 1 + red, error.min(most.saturating_sub(red))),
        ] {
            if height > 0 {
                bars.push(Bar {
                    class,
                    x,
                    y,
                    width: 4,
                    height,
                });
            }
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use touchstone_model::RunId;

    const HOSTILE: &str =
        "</td><script>alert(1)</script>\" onload=\"x\" '&amp; {{ 7*7 }} \u{202e}\x1b[31m]]>";

    fn row(point: &TrendPoint, page: bool, record: bool) -> IndexRow {
        IndexRow {
            run: RunLine {
                totals: point.clone(),
                duration_ms: 61_000,
                version: "1.0".into(),
                interrupted: !record,
                partial: !page,
                endpoints: 2,
            },
            page,
            record,
        }
    }

    fn trends() -> Vec<Trend> {
        sample::with_past().past.unwrap().trends
    }

    /// The page without what HTML has and XML has not.
    fn xml(html: &str) -> String {
        let html = html.replace("<!DOCTYPE html>", "");
        let mut xml = String::new();
        for line in html.lines() {
            xml += line;
            if line.starts_with("<meta") {
                xml.truncate(xml.len() - 1);
                xml += "/>";
            }
            xml += "\n";
        }
        xml
    }

    #[test]
    fn runs_and_endpoints_are_listed() {
        let trends = trends();
        let [first, .., last] = &trends[0].runs[..] else {
            panic!()
        };
        let rows = [row(last, true, true), row(first, false, false)];
        let html = write(&rows, &trends).unwrap();
        for text in [
            "The last 2 runs, the newest first.",
            "<html lang=\"en\">",
            "<a href=\"20261121t050000z-000abc/report.html\"",
            "<a href=\"20261121t050000z-000abc/run.json\"",
            ">20261119t050000z-000abc (interrupted)</th>",
            ">not here</td>",
            "00:01:01",
            "2026-11-21 05:00",
            "<th scope=\"row\">se-beta</th>",
            "0 of the last 3",
            "5 passed, 0 with warnings, 0 failed",
        ] {
            assert!(html.contains(text), "{text}\n{html}");
        }
        let newest = html.find("20261121t050000z").unwrap();
        assert!(newest < html.find("20261119t050000z").unwrap());
        assert!(
            !html.contains("<script") && !html.contains("http://") && !html.contains("https://")
        );
        let page = xml(&html);
        let document = roxmltree::Document::parse(&page).unwrap();
        for cell in document
            .descendants()
            .filter(|node| node.has_tag_name("th"))
        {
            assert!(cell.attribute("scope").is_some());
        }
        for drawing in document
            .descendants()
            .filter(|node| node.has_tag_name("svg"))
        {
            assert!(drawing.attribute("aria-label").is_some());
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let mut trends = trends();
        trends[0].endpoint = HOSTILE.into();
        for point in &mut trends[0].runs {
            point.software = Some(HOSTILE.into());
        }
        let html = write(&[], &trends).unwrap();
        let page = xml(&html);
        let document = roxmltree::Document::parse(&page).unwrap();
        assert!(
            !document
                .descendants()
                .any(|node| node.has_tag_name("script"))
        );
        assert!(!html.contains(['\x1b', '\u{202e}']));
        let cells = document.descendants().filter_map(|node| node.text());
        let shown = cells.filter(|text| text.contains("<script>alert(1)</script>"));
        assert!(shown.count() >= 2);
    }

    #[test]
    fn it_stays_small() {
        let mut point = trends()[0].runs[0].clone();
        point.software = Some("ExampleStore/1.1".into());
        let rows = vec![row(&point, true, true); 500];
        let trend = Trend {
            endpoint: "se-some.example.org".into(),
            runs: vec![point; Trend::SHOWN],
        };
        let html = write(&rows, &vec![trend; 200]).unwrap();
        assert_eq!(html.matches("/report.html\"").count(), RUNS);
        assert!(html.len() < 2 << 20, "{} bytes", html.len());
    }

    #[test]
    fn nothing_that_is_there_is_too_small_to_see() {
        let point = TrendPoint {
            run: RunId::new("2026-11-22T07:28:48Z".parse().unwrap(), 1),
            started: "2026-11-22T07:28:48Z".parse().unwrap(),
            software: None,
            pass: 100_000,
            warn: 1,
            fail: 2,
            known: 1,
            error: 1,
            skip: 1,
        };
        let bars = bars(&point);
        assert_eq!(bars.len(), 6);
        let mut end = 0;
        for bar in &bars {
            assert!(bar.width >= 3 && bar.x == end && bar.y + bar.height == BAR.1);
            end += bar.width;
        }
        assert!((BAR.0 - 6..=BAR.0).contains(&end), "{end}");
        let classes: Vec<_> = spark(&[point]).iter().map(|bar| bar.class).collect();
        assert_eq!(classes, ["pass", "fail", "error"]);
        assert!(spark(&[]).is_empty());
    }
}
