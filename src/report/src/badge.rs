//! A badge for each endpoint, for web pages: SVG without scripts, fonts or pictures from elsewhere.

use super::File;
use super::health::{Health, HealthRow, part_of_cases, rows};
use super::text::{cap, count, file_name, line, xml};
use touchstone_model::RunRecord;

/// Behind the name.
const NAME: &str = "#333333";
/// How wide a character is at most, in pixels, at 11 pixels of height.
const WIDE: usize = 7;
/// How many bytes of a name are shown.
const SHOWN: usize = 60;

/// A badge for each endpoint: its name, and what the run found.
pub fn write(record: &RunRecord) -> Vec<File> {
    let day = record.run.started.strftime("%Y-%m-%d").to_string();
    let part = part_of_cases(record);
    let badge = |row: &HealthRow<'_>| File {
        name: format!("{}.svg", file_name(&row.endpoint.name)),
        content: Ok(badge(row, &part, &day)),
    };
    rows(record).iter().map(badge).collect()
}

/// `part` tells what the run has of the endpoint's cases, if not all of them.
fn badge(row: &HealthRow<'_>, part: &str, day: &str) -> String {
    let name = shown(&row.endpoint.name);
    let (mut state, colour) = state(row);
    if !part.is_empty() {
        state += &format!(" ({part})");
    }
    let left = width(&line(&cap(&row.endpoint.name, SHOWN)));
    let right = width(&state);
    let whole = left + right;
    let (first, second) = (left / 2, left + right / 2);
    let (first_text, second_text) = (left - 10, right - 10);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" viewBox="0 0 {whole} 20" role="img" aria-labelledby="title">
<title id="title">Tokens at {name}: {state} ({day})</title>
<rect width="{left}" height="20" fill="{NAME}"/>
<rect x="{left}" width="{right}" height="20" fill="{colour}"/>
<g fill="#ffffff" font-family="Verdana,DejaVu Sans,Arial,sans-serif" font-size="11" text-anchor="middle" aria-hidden="true">
<text x="{first}" y="14" textLength="{first_text}" lengthAdjust="spacingAndGlyphs">{name}</text>
<text x="{second}" y="14" textLength="{second_text}" lengthAdjust="spacingAndGlyphs">{state}</text>
</g>
</svg>
"##
    )
}

/// The words, and the colour behind them. Words alone tell it as well.
fn state(row: &HealthRow<'_>) -> (String, &'static str) {
    let totals = &row.totals;
    let health = row.health();
    let words = match health {
        Health::Critical => format!("{} failed", totals.fail.saturating_sub(totals.known)),
        Health::Unknown if row.endpoint.unreachable.is_some() => "unreachable".to_owned(),
        Health::Unknown if row.idle() => "not judged".to_owned(),
        Health::Unknown => format!("{} undecided", totals.error),
        Health::Warning if totals.warn > 0 => count(totals.warn, "warning"),
        Health::Warning => "passed with notes".to_owned(),
        Health::Ok if totals.known > 0 => count(totals.known, "known failure"),
        Health::Ok => format!("{} passed", totals.pass),
    };
    (words, colour(health))
}

fn colour(health: Health) -> &'static str {
    match health {
        Health::Ok => "#1a7f37",
        Health::Warning => "#8a5a00",
        Health::Critical => "#b3261e",
        Health::Unknown => "#5f6368",
    }
}

fn width(text: &str) -> usize {
    text.chars().count().max(1) * WIDE + 10
}

/// Text of an element.
fn shown(text: &str) -> String {
    let text = line(&cap(text, SHOWN));
    let text = xml(&text).replace('&', "&amp;");
    let text = text.replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use touchstone_model::Portion;

    #[test]
    fn a_badge_for_each_endpoint() {
        let files = write(&sample::record());
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["se-alpha.svg", "se-beta.svg", "se-gamma.svg"]);
        for file in &files {
            let svg = file.content.as_ref().unwrap();
            roxmltree::Document::parse(svg).unwrap();
        }
        insta::assert_snapshot!(files[0].content.as_ref().unwrap(), @r##"
        <svg xmlns="http://www.w3.org/2000/svg" width="132" height="20" viewBox="0 0 132 20" role="img" aria-labelledby="title">
        <title id="title">Tokens at se-alpha: 1 failed (2026-11-22)</title>
        <rect width="66" height="20" fill="#333333"/>
        <rect x="66" width="66" height="20" fill="#b3261e"/>
        <g fill="#ffffff" font-family="Verdana,DejaVu Sans,Arial,sans-serif" font-size="11" text-anchor="middle" aria-hidden="true">
        <text x="33" y="14" textLength="56" lengthAdjust="spacingAndGlyphs">se-alpha</text>
        <text x="99" y="14" textLength="56" lengthAdjust="spacingAndGlyphs">1 failed</text>
        </g>
        </svg>
        "##);
    }

    #[test]
    fn a_part_of_a_run_is_told_from_a_whole_one() {
        let mut record = sample::record();
        record.run.partial = vec![Portion::Cases, Portion::Endpoints];
        let files = write(&record);
        let svg = files[0].content.as_ref().unwrap();
        assert!(svg.contains(">1 failed (chosen cases)</text>"), "{svg}");
        record.run.partial = vec![Portion::Endpoints];
        let files = write(&record);
        let svg = files[0].content.as_ref().unwrap();
        assert!(svg.contains(">1 failed</text>"), "{svg}");
    }

    #[test]
    fn the_words_can_be_read_on_their_colours() {
        let part = |hex: &str| f64::from(u8::from_str_radix(hex, 16).unwrap()) / 255.0;
        let linear = |c: f64| match c <= 0.040_45 {
            true => c / 12.92,
            false => ((c + 0.055) / 1.055).powf(2.4),
        };
        let luminance = |colour: &str| {
            let [r, g, b] = [1, 3, 5].map(|at| linear(part(&colour[at..at + 2])));
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let states = [
            Health::Ok,
            Health::Warning,
            Health::Critical,
            Health::Unknown,
        ];
        for colour in states.map(colour).into_iter().chain([NAME]) {
            // WCAG 2.2, success criterion 1.4.3.
            let contrast = 1.05 / (luminance(colour) + 0.05);
            assert!(contrast >= 4.5, "{colour}: {contrast}");
        }
    }
}
