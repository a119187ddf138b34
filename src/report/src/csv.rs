//! CSV (RFC 4180) for spreadsheets and scripts: a row for each result.

use std::collections::HashMap;

use touchstone_model::{CaseResult, EndpointRecord, RunRecord, Verdict};

use super::FormatError;
use super::spread::Spreads;
use super::text::{cap, terminal};

/// Names of the columns. New ones are added behind them.
const COLUMNS: [&str; 24] = [
    "run",
    "started",
    "endpoint",
    "url",
    "software",
    "profile",
    "suite",
    "case",
    "partner",
    "severity",
    "verdict",
    "known",
    "ticket",
    "reason",
    "clauses",
    "clause",
    "level",
    "expected",
    "actual",
    "since",
    "duration_ms",
    "basis",
    "text",
    "spread",
];
/// Spreadsheets take no more than 32767 characters into a cell.
const CELL: usize = 8 * 1024;

/// The record as CSV with a line of titles. `clause`, `level`, `expected`, `actual` and `text`, what the source says, are
/// those of the gravest finding; `since` is the start of the first run with the present verdict. `basis` is the firmest of
/// the clauses for which a case failed, and `spread` tells whether it fails at every endpoint or with one software only.
pub fn write(record: &RunRecord) -> Result<String, FormatError> {
    let endpoints: HashMap<&str, &EndpointRecord> = record
        .endpoints
        .iter()
        .map(|endpoint| (endpoint.name.as_str(), endpoint))
        .collect();
    let spreads = Spreads::of(record);
    let mut text = COLUMNS.join(",") + "\r\n";
    for result in &record.results {
        let endpoint = endpoints.get(result.endpoint.as_str()).copied();
        let cells = row(record, endpoint, result, &spreads).map(|cell| field(&cell));
        text += &cells.join(",");
        text += "\r\n";
    }
    Ok(text)
}

fn row(
    record: &RunRecord,
    endpoint: Option<&EndpointRecord>,
    result: &CaseResult,
    spreads: &Spreads<'_>,
) -> [String; COLUMNS.len()] {
    let optional = |text: Option<&String>| text.cloned().unwrap_or_default();
    let known = result.known.as_ref().filter(|_| {
        // An entry for a case that passes says nothing of this result.
        result.verdict == Verdict::Fail && !result.red()
    });
    let finding = result.findings.first();
    let clauses: Vec<_> = result.clauses.iter().map(|id| id.as_str()).collect();
    [
        record.run.id.to_string(),
        record.run.started.to_string(),
        result.endpoint.clone(),
        optional(endpoint.map(|endpoint| &endpoint.url)),
        optional(endpoint.and_then(|endpoint| endpoint.software.as_ref())),
        endpoint.map_or_else(String::new, |endpoint| endpoint.profile.to_string()),
        result.suite.clone(),
        result.case.to_string(),
        optional(result.partner.as_ref()),
        result.severity.to_string(),
        result.verdict.to_string(),
        optional(known.map(|known| &known.reason)),
        optional(known.and_then(|known| known.ticket.as_ref())),
        optional(result.reason.as_ref()),
        clauses.join(" "),
        finding.map_or_else(String::new, |finding| finding.clause.to_string()),
        finding.map_or_else(String::new, |finding| finding.level.to_string()),
        optional(finding.map(|finding| &finding.expected)),
        optional(finding.map(|finding| &finding.actual)),
        (result.past.as_ref()).map_or_else(String::new, |past| past.since.to_string()),
        result.duration_ms.to_string(),
        result
            .basis()
            .map_or_else(String::new, |basis| basis.as_str().to_owned()),
        finding
            .and_then(|finding| finding.text.first())
            .map_or_else(String::new, ToString::to_string),
        spreads
            .get(result)
            .map_or_else(String::new, |spread| spread.as_str().to_owned()),
    ]
}

/// A field that no reader takes for more than one, and no spreadsheet for a formula.
fn field(text: &str) -> String {
    let shown = terminal(&cap(text, CELL));
    let shown = if formula(text) {
        format!("'{shown}")
    } else {
        shown
    };
    if shown.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", shown.replace('"', "\"\""))
    } else {
        shown
    }
}

/// Whether a spreadsheet may calculate it: those that skip blanks, or read wide characters, are counted in.
fn formula(text: &str) -> bool {
    text.starts_with(['\t', '\r', '\n'])
        || text
            .trim_start()
            .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_row_for_each_result() {
        let text = write(&sample::with_past()).unwrap();
        assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
        insta::assert_snapshot!(text.replace("\r\n", "\n"), @r#"
        run,started,endpoint,url,software,profile,suite,case,partner,severity,verdict,known,ticket,reason,clauses,clause,level,expected,actual,since,duration_ms,basis,text,spread
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-alpha,https://se-alpha.example.org:8443/wlcg,ExampleStore/1.2,1.3,audience,audience.any,,not-critical,warn,,,,JWT-2.1.1-17,JWT-2.1.1-17,SHOULD,200,206\u{1b}[31m ]]>,2026-11-22T07:28:48Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-alpha,https://se-alpha.example.org:8443/wlcg,ExampleStore/1.2,1.3,audience,audience.foreign.read,,critical,error,,,the control failed: 500,JWT-2.1.1-13,,,,,2026-11-22T07:28:48Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-alpha,https://se-alpha.example.org:8443/wlcg,ExampleStore/1.2,1.3,capability,capability.create.no-overwrite,,critical,fail,,,,JWT-2.2.1-04,JWT-2.2.1-04,MUST NOT,"401 or 403, and nothing changed",201,2026-11-22T07:28:48Z,120,stated,"""This capability does not permit deleting, overwriting, or replacing stored data."" (WLCG Common JWT Profiles 1.3, line 846)",everywhere
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-alpha,https://se-alpha.example.org:8443/wlcg,ExampleStore/1.2,1.3,capability,capability.read.get,,critical,pass,,,,JWT-2.2.1-01,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-alpha,https://se-alpha.example.org:8443/wlcg,ExampleStore/1.2,1.3,capability,capability.read.missing,,not-critical,pass,,,,DAV-19,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-alpha,https://se-alpha.example.org:8443/wlcg,ExampleStore/1.2,1.3,path,path.sibling-prefix.read,,critical,pass,,,,JWT-2.2.1-20,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-alpha,https://se-alpha.example.org:8443/wlcg,ExampleStore/1.2,1.3,group,group.member.read,,critical,skip,,,the endpoint does not authorise groups,JWT-2.2.2-01,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-alpha,https://se-alpha.example.org:8443/wlcg,ExampleStore/1.2,1.3,group,group.protected.no-write,,critical,skip,,,the endpoint does not authorise groups,JWT-2.2.2-02,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-beta,https://se-beta.example.org:8443/wlcg,,1.3,audience,audience.any,,not-critical,pass,,,,JWT-2.1.1-17,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-beta,https://se-beta.example.org:8443/wlcg,,1.3,audience,audience.foreign.read,,critical,pass,,,,JWT-2.1.1-13,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-beta,https://se-beta.example.org:8443/wlcg,,1.3,capability,capability.create.no-overwrite,,critical,fail,fixed in the next release,GGUS-1234,,JWT-2.2.1-04,JWT-2.2.1-04,MUST NOT,"401 or 403, and nothing changed",201,2026-11-19T05:00:00Z,120,stated,"""This capability does not permit deleting, overwriting, or replacing stored data."" (WLCG Common JWT Profiles 1.3, line 846)",everywhere
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-beta,https://se-beta.example.org:8443/wlcg,,1.3,capability,capability.read.get,,critical,pass,,,,JWT-2.2.1-01,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-beta,https://se-beta.example.org:8443/wlcg,,1.3,capability,capability.read.missing,,not-critical,pass,,,,DAV-19,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-beta,https://se-beta.example.org:8443/wlcg,,1.3,path,path.sibling-prefix.read,,critical,pass,,,,JWT-2.2.1-20,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-beta,https://se-beta.example.org:8443/wlcg,,1.3,group,group.member.read,,critical,skip,,,the endpoint does not authorise groups,JWT-2.2.2-01,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-beta,https://se-beta.example.org:8443/wlcg,,1.3,group,group.protected.no-write,,critical,skip,,,the endpoint does not authorise groups,JWT-2.2.2-02,,,,,2026-11-19T05:00:00Z,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-gamma,https://se-gamma.example.org:8443/wlcg,OtherStore,1.3,audience,audience.any,,not-critical,error,,,unreachable: connection refused,JWT-2.1.1-17,,,,,,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-gamma,https://se-gamma.example.org:8443/wlcg,OtherStore,1.3,audience,audience.foreign.read,,critical,error,,,unreachable: connection refused,JWT-2.1.1-13,,,,,,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-gamma,https://se-gamma.example.org:8443/wlcg,OtherStore,1.3,capability,capability.create.no-overwrite,,critical,error,,,unreachable: connection refused,JWT-2.2.1-04,,,,,,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-gamma,https://se-gamma.example.org:8443/wlcg,OtherStore,1.3,capability,capability.read.get,,critical,error,,,unreachable: connection refused,JWT-2.2.1-01,,,,,,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-gamma,https://se-gamma.example.org:8443/wlcg,OtherStore,1.3,capability,capability.read.missing,,not-critical,error,,,unreachable: connection refused,DAV-19,,,,,,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-gamma,https://se-gamma.example.org:8443/wlcg,OtherStore,1.3,path,path.sibling-prefix.read,,critical,error,,,unreachable: connection refused,JWT-2.2.1-20,,,,,,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-gamma,https://se-gamma.example.org:8443/wlcg,OtherStore,1.3,group,group.member.read,,critical,skip,,,the endpoint does not authorise groups,JWT-2.2.2-01,,,,,,120,,,
        20261122t072848z-4f2a9c,2026-11-22T07:28:48Z,se-gamma,https://se-gamma.example.org:8443/wlcg,OtherStore,1.3,group,group.protected.no-write,,critical,skip,,,the endpoint does not authorise groups,JWT-2.2.2-02,,,,,,120,,,
        "#);
    }

    #[test]
    fn formulas_are_defused() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'    =1"),
            ("\r=1", "'\\u{d}=1"),
            ("  =1", "'  =1"),
            ("＝1", "'＝1"),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
            ("a=1", "a=1"),
            ("", ""),
            ("a\nb", "\"a\nb\""),
            ("a\0b\u{202e}", "a\\u{0}b\\u{202e}"),
        ] {
            assert_eq!(field(text), expected, "{text:?}");
        }
        assert!(field(&"x".repeat(1 << 20)).len() < CELL + 40);
    }
}
