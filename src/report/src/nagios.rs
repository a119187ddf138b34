//! What a Nagios plugin prints, and lines for passive checks.

use touchstone_model::{CaseResult, RunRecord, TagRow};

use super::FormatError;
use super::health::{Health, HealthRow, overall, part_of_cases, rows, short};
use super::text::{cap, count, line};

/// NRPE and Nagios keep no more than 4 KiB of a plugin's output.
const OUTPUT: usize = 4000;
/// How many bytes the text of the first line, and each further line, may have.
const LINE: usize = 600;

/// The output of a plugin: a line with the state of all endpoints together and the numbers, then one for each endpoint
/// that is not simply well, and for each failure, as far as there is room.
pub fn write(record: &RunRecord) -> Result<String, FormatError> {
    let rows = rows(record);
    let mut text = format!(
        "{} - {}|{}\n",
        overall(&rows).as_str(),
        cut(&(part(record) + &summary(&rows))),
        performance(record, &rows)
    );
    let lines = long_text(&rows);
    for (number, line) in lines.iter().enumerate() {
        let more = format!(
            "… {} in the other reports\n",
            count(lines.len() - number, "more line")
        );
        let line = cut(line) + "\n";
        let last = number + 1 == lines.len();
        if text.len() + line.len() + if last { 0 } else { more.len() } > OUTPUT {
            text += &more;
            break;
        }
        text += &line;
    }
    Ok(text)
}

/// What the plugin's exit code says.
pub fn health(record: &RunRecord) -> Health {
    overall(&rows(record))
}

/// The line of a plugin that could not do its work.
pub fn unknown(reason: &str) -> String {
    format!("{} - {}\n", Health::Unknown.as_str(), cut(&line(reason)))
}

/// A line for the external command file of Nagios for each endpoint: the host is that of the endpoint's URL, the
/// service is called `touchstone-` and the endpoint.
pub fn passive(record: &RunRecord) -> Result<String, FormatError> {
    let took = i64::try_from(record.run.duration_ms / 1000).unwrap_or_default();
    let ended = record.run.started.as_second().saturating_add(took);
    let lines = rows(record).into_iter().map(|row| {
        let url = url::Url::parse(&row.endpoint.url).ok();
        let host = url.as_ref().and_then(url::Url::host_str);
        let health = row.health();
        format!(
            "[{ended}] PROCESS_SERVICE_CHECK_RESULT;{};touchstone-{};{};{} - {}|{}\n",
            object(host.unwrap_or(&row.endpoint.name)),
            object(&row.endpoint.name),
            health.code(),
            health.as_str(),
            cut(&(part(record) + &row.why())).replace(';', ","),
            numbers(&row.totals).replace(";;;0", ""),
        )
    });
    Ok(lines.collect())
}

/// What is said first of a run that does not speak for all cases of its endpoints.
fn part(record: &RunRecord) -> String {
    match part_of_cases(record).as_str() {
        "" => String::new(),
        portions => format!("part of a run ({portions}), "),
    }
}

fn summary(rows: &[HealthRow<'_>]) -> String {
    if let [row] = rows {
        return format!("{}: {}", line(&row.endpoint.name), row.why());
    }
    let mut parts = Vec::new();
    for health in [
        Health::Critical,
        Health::Unknown,
        Health::Warning,
        Health::Ok,
    ] {
        let these = rows.iter().filter(|row| row.health() == health);
        let these: Vec<_> = these.map(|row| line(&row.endpoint.name)).collect();
        if these.is_empty() {
            continue;
        }
        let mut part = format!("{} {}", these.len(), health.as_str().to_lowercase());
        if health != Health::Ok {
            let more = if these.len() > 3 { " …" } else { "" };
            let named: Vec<_> = these.into_iter().take(3).collect();
            part += &format!(" ({}{more})", named.join(" "));
        }
        parts.push(part);
    }
    match parts.is_empty() {
        true => "nothing was judged".to_owned(),
        false => format!("{}: {}", count(rows.len(), "endpoint"), parts.join(", ")),
    }
}

fn long_text(rows: &[HealthRow<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut worst: Vec<_> = rows.iter().collect();
    worst.sort_by_key(|row| std::cmp::Reverse(row.health()));
    // With one endpoint the first line has said it.
    if rows.len() > 1 {
        let told = worst.iter().filter(|row| row.health() > Health::Ok);
        lines.extend(told.map(|row| {
            let name = line(&row.endpoint.name);
            format!("{} {name}: {}", row.health().as_str(), row.why())
        }));
    }
    for row in worst {
        let red = row.results.iter().filter(|result| result.red());
        lines.extend(red.map(|result| failure(result)));
    }
    lines
}

fn failure(result: &CaseResult) -> String {
    let name = format!("{} {}", line(&result.endpoint), line(&result.name()));
    match result.findings.first() {
        Some(finding) => format!(
            "{name}: {} {}, expected {}, actual {}",
            line(finding.clause.as_str()),
            finding.level,
            short(&finding.expected),
            short(&finding.actual)
        ),
        None => format!("{name}: {}", short(&result.title)),
    }
}

fn performance(record: &RunRecord, rows: &[HealthRow<'_>]) -> String {
    let mut sum = TagRow::default();
    for TagRow {
        pass,
        warn,
        fail,
        known,
        bases,
        error,
        skip,
        ..
    } in rows.iter().map(|row| &row.totals)
    {
        sum.pass += pass;
        sum.warn += warn;
        sum.fail += fail;
        sum.known += known;
        sum.bases = sum.bases.and(*bases);
        sum.error += error;
        sum.skip += skip;
    }
    let unreachable = rows.iter().filter(|row| row.endpoint.unreachable.is_some());
    format!(
        "{} 'endpoints'={};;;0 'unreachable'={};;;0 'duration'={}.{:03}s;;;0",
        numbers(&sum),
        rows.len(),
        unreachable.count(),
        record.run.duration_ms / 1000,
        record.run.duration_ms % 1000,
    )
}

fn numbers(row: &TagRow) -> String {
    let unannounced = row.fail.saturating_sub(row.known);
    let numbers = [
        ("pass", row.pass),
        ("warn", row.warn),
        ("fail", unannounced),
        ("known", row.known),
        ("error", row.error),
        ("skip", row.skip),
    ];
    let numbers = numbers.into_iter().chain(row.bases.all());
    let numbers: Vec<String> = numbers
        .map(|(label, number)| format!("'{label}'={number};;;0"))
        .collect();
    numbers.join(" ")
}

/// Text that neither begins performance data nor a tag on a page, and is not too long.
fn cut(text: &str) -> String {
    let harmless: String = text
        .chars()
        .map(|c| match c {
            '|' => '¦',
            '<' => '‹',
            '>' => '›',
            _ => c,
        })
        .collect();
    cap(&harmless, LINE).into_owned()
}

/// A name as Nagios allows them for hosts and services.
fn object(name: &str) -> String {
    line(name)
        .chars()
        .map(|c| {
            let legal = c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '/');
            if legal { c } else { '_' }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use touchstone_model::Verdict;

    #[test]
    fn the_state_the_numbers_and_what_is_wrong() {
        insta::assert_snapshot!(write(&sample::record()).unwrap(), @"
        CRITICAL - 3 endpoints: 1 critical (se-alpha), 1 unknown (se-gamma), 1 warning (se-beta)|'pass'=8;;;0 'warn'=1;;;0 'fail'=1;;;0 'known'=1;;;0 'error'=7;;;0 'skip'=6;;;0 'stated'=1;;;0 'rfc'=0;;;0 'derived'=0;;;0 'endpoints'=3;;;0 'unreachable'=1;;;0 'duration'=3726.000s;;;0
        CRITICAL se-alpha: 1 failed (capability.create.no-overwrite), 1 undecided (audience.foreign.read), 1 with warnings (audience.any), 1 with objects left behind (capability.create.no-overwrite), 3 of 8 passed, 2 skipped
        UNKNOWN se-gamma: unreachable: connection refused, 6 undecided, 0 of 8 passed, 2 skipped
        WARNING se-beta: 1 with objects left behind (capability.create.no-overwrite), 1 more object left behind, 1 failed as known (capability.create.no-overwrite), 1 passed though known to fail (path.sibling-prefix.read), 5 of 8 passed, 2 skipped
        se-alpha capability.create.no-overwrite: JWT-2.2.1-04 MUST NOT, expected 401 or 403, and nothing changed, actual 201
        ");
    }

    #[test]
    fn of_one_endpoint_the_first_line_tells_everything() {
        let mut record = sample::record();
        record.endpoints.truncate(1);
        insta::assert_snapshot!(write(&record).unwrap(), @"
        CRITICAL - se-alpha: 1 failed (capability.create.no-overwrite), 1 undecided (audience.foreign.read), 1 with warnings (audience.any), 1 with objects left behind (capability.create.no-overwrite), 3 of 8 passed, 2 skipped|'pass'=3;;;0 'warn'=1;;;0 'fail'=1;;;0 'known'=0;;;0 'error'=1;;;0 'skip'=2;;;0 'stated'=1;;;0 'rfc'=0;;;0 'derived'=0;;;0 'endpoints'=1;;;0 'unreachable'=0;;;0 'duration'=3726.000s;;;0
        se-alpha capability.create.no-overwrite: JWT-2.2.1-04 MUST NOT, expected 401 or 403, and nothing changed, actual 201
        ");
        for result in &mut record.results {
            result.verdict = Verdict::Pass;
            result.cleanup.clear();
        }
        assert!(write(&record).unwrap().starts_with("OK - se-alpha: "));
        assert_eq!(health(&record).code(), 0);
    }

    #[test]
    fn a_line_for_each_endpoint() {
        insta::assert_snapshot!(passive(&sample::record()).unwrap(), @"
        [1795336254] PROCESS_SERVICE_CHECK_RESULT;se-alpha.example.org;touchstone-se-alpha;2;CRITICAL - 1 failed (capability.create.no-overwrite), 1 undecided (audience.foreign.read), 1 with warnings (audience.any), 1 with objects left behind (capability.create.no-overwrite), 3 of 8 passed, 2 skipped|'pass'=3 'warn'=1 'fail'=1 'known'=0 'error'=1 'skip'=2 'stated'=1 'rfc'=0 'derived'=0
        [1795336254] PROCESS_SERVICE_CHECK_RESULT;se-beta.example.org;touchstone-se-beta;1;WARNING - 1 with objects left behind (capability.create.no-overwrite), 1 more object left behind, 1 failed as known (capability.create.no-overwrite), 1 passed though known to fail (path.sibling-prefix.read), 5 of 8 passed, 2 skipped|'pass'=5 'warn'=0 'fail'=0 'known'=1 'error'=0 'skip'=2 'stated'=0 'rfc'=0 'derived'=0
        [1795336254] PROCESS_SERVICE_CHECK_RESULT;se-gamma.example.org;touchstone-se-gamma;3;UNKNOWN - unreachable: connection refused, 6 undecided, 0 of 8 passed, 2 skipped|'pass'=0 'warn'=0 'fail'=0 'known'=0 'error'=6 'skip'=2 'stated'=0 'rfc'=0 'derived'=0
        ");
    }

    #[test]
    fn much_text_is_cut_between_lines() {
        let mut record = sample::record();
        for result in &mut record.results {
            result.verdict = Verdict::Fail;
            result.known = None;
            result.title = "x".repeat(4000);
        }
        let text = write(&record).unwrap();
        assert!(text.len() <= 4096 && text.len() > 2000, "{}", text.len());
        let last = text.lines().last().unwrap();
        assert!(
            last.starts_with("… ") && last.contains("more lines"),
            "{last}"
        );
    }

    #[test]
    fn an_empty_run_is_unknown() {
        let mut record = sample::record();
        record.endpoints.clear();
        record.results.clear();
        record.statistics.clear();
        assert!(
            write(&record)
                .unwrap()
                .starts_with("UNKNOWN - nothing was judged|")
        );
        assert_eq!(passive(&record).unwrap(), "");
        assert_eq!(unknown("a|b\nc"), "UNKNOWN - a¦b\\nc\n");
    }
}
