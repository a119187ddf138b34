//! What a person needs at the end of a run: every case that did not pass, why, and what to do next.

use std::collections::HashMap;

use touchstone_model::{CaseResult, EndpointRecord, Leftover, RunRecord, Verdict, shell_word};

use super::alike;
use super::detail;
use super::spread::Spreads;
use super::style::Style;
use super::text::{count, line};

/// Stands before everything that belongs to a case.
const INDENT: &str = "         ";
/// How many names or objects a group shows; `run.json` has them all.
const SHOWN: usize = 6;

/// The cases that did not simply pass, by endpoint. Empty if there is nothing to tell.
pub fn write(record: &RunRecord, style: Style) -> String {
    let spreads = Spreads::of(record);
    let sections: Vec<String> = record
        .endpoints
        .iter()
        .filter_map(|endpoint| section(record, endpoint, &spreads, style))
        .collect();
    if sections.is_empty() {
        return String::new();
    }
    sections.concat() + &next(record, style)
}

fn section(
    record: &RunRecord,
    endpoint: &EndpointRecord,
    spreads: &Spreads<'_>,
    style: Style,
) -> Option<String> {
    let results: Vec<&CaseResult> = record
        .results
        .iter()
        .filter(|result| result.endpoint == endpoint.name)
        .collect();
    let of = |verdict| {
        results
            .iter()
            .copied()
            .filter(move |result| result.verdict == verdict)
    };
    let mut text = String::new();
    for note in &endpoint.notes {
        text += &format!("  {}  {}\n\n", style.yellow("NOTE "), line(note));
    }
    for (result, more) in rows(of(Verdict::Fail).filter(|result| result.red())) {
        text += &in_full(result, &more, &style.red("FAIL "), spreads, style);
    }
    for (result, more) in rows(of(Verdict::Warn)) {
        text += &in_full(result, &more, &style.yellow("WARN "), spreads, style);
    }
    for result in of(Verdict::Fail).filter(|result| !result.red()) {
        text += &known_failure(result, style);
    }
    for result in results.iter().filter(|result| result.unexpected_pass()) {
        text += &unexpected_pass(result, style);
    }
    text += &groups(of(Verdict::Error), &style.magenta("ERROR"), style);
    match &endpoint.downtime {
        Some(reason) => text += &downtime(reason, of(Verdict::Skip).count(), style),
        None => text += &groups(of(Verdict::Skip), &style.dim("SKIP "), style),
    }
    text += &leftovers(&results, endpoint, style);
    (!text.is_empty()).then(|| heading(endpoint, style) + &text)
}

fn heading(endpoint: &EndpointRecord, style: Style) -> String {
    let software = match &endpoint.software {
        Some(software) => format!("{}, ", line(software)),
        None => String::new(),
    };
    format!(
        "{}  {}  ({software}profile {})\n\n",
        style.bold(&line(&endpoint.name)),
        line(&endpoint.url),
        endpoint.profile
    )
}

/// Each case that is told of, and the other cells of its row in a cover that judge the same: what was wrong there is the same,
/// asked for otherwise.
fn rows<'a>(
    results: impl Iterator<Item = &'a CaseResult>,
) -> Vec<(&'a CaseResult, Vec<&'a CaseResult>)> {
    let mut rows: Vec<(&CaseResult, Vec<&CaseResult>)> = Vec::new();
    for result in results {
        let row = result.row.as_ref();
        let same = |(first, _): &&mut (&CaseResult, _)| {
            row.is_some() && first.row.as_ref() == row && first.clauses == result.clauses
        };
        match rows.iter_mut().find(same) {
            Some((_, more)) => more.push(result),
            None => rows.push((result, Vec::new())),
        }
    }
    rows
}

fn in_full(
    result: &CaseResult,
    more: &[&CaseResult],
    mark: &str,
    spreads: &Spreads<'_>,
    style: Style,
) -> String {
    let others = more.iter().map(|result| line(&result.name()));
    let others: Vec<_> = others.collect();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!("{INDENT}{}: {}\n", style.bold("also"), some(&others, ", ")),
    };
    let expired = detail::expired(result).filter(|_| result.red());
    let expired = expired.map(|expired| format!("{INDENT}{expired}\n"));
    let spread = spreads.get(result);
    let spread = spread.map(|spread| {
        format!(
            "{INDENT}{}: {}\n",
            style.bold(spread.as_str()),
            spread.meaning()
        )
    });
    format!(
        "  {mark}  {}  {}\n{INDENT}{}\n{others}{}{}\n{}\n",
        style.bold(&line(&result.name())),
        result.severity,
        line(&result.title),
        expired.unwrap_or_default(),
        spread.unwrap_or_default(),
        detail::findings(result, INDENT, style)
    )
}

fn known_failure(result: &CaseResult, style: Style) -> String {
    let known = result.known.as_ref().map(detail::known).unwrap_or_default();
    let mut text = format!(
        "  {}  {}  {}\n{INDENT}known failure: {known}\n",
        style.yellow("KNOWN"),
        style.bold(&line(&result.name())),
        result.severity,
    );
    for finding in &result.findings {
        text += &format!(
            "{INDENT}{}: expected {}; actual {}\n",
            detail::clause(finding),
            line(&finding.expected),
            line(&finding.actual)
        );
    }
    text + "\n"
}

fn unexpected_pass(result: &CaseResult, style: Style) -> String {
    let Some(known) = &result.known else {
        return String::new();
    };
    format!(
        "  {}  {}  {}\n{INDENT}passed, though listed as a known failure: {}\n\
         {INDENT}remove the entry at {}\n\n",
        style.green("PASS "),
        style.bold(&line(&result.name())),
        result.severity,
        detail::known(known),
        line(&known.at.to_string())
    )
}

/// One paragraph for each kind of reason, in the order in which they first occur; the first reason of each stands for it.
fn groups<'a>(results: impl Iterator<Item = &'a CaseResult>, mark: &str, style: Style) -> String {
    let mut groups: Vec<(&str, Vec<&CaseResult>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for result in results {
        let reason = result.reason.as_deref().unwrap_or("no reason was given");
        let place = *places.entry(alike::kind(reason)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, members)) => members.push(result),
            None => groups.push((reason, vec![result])),
        }
    }
    let mut text = String::new();
    for (reason, members) in groups {
        let ids: Vec<String> = members.iter().map(|result| line(&result.name())).collect();
        text += &format!(
            "  {mark}  {}: {}\n{INDENT}{}\n",
            count(members.len(), "case"),
            line(reason),
            some(&ids, ", ")
        );
        // What went wrong last is what left the case undecided.
        let undecided = members
            .iter()
            .find(|result| result.verdict == Verdict::Error);
        if let Some(exchange) = undecided.and_then(|result| result.exchanges.last()) {
            text += &detail::again(&exchange, INDENT, style);
        }
        text += "\n";
    }
    text
}

/// One line instead of a skip for each case.
fn downtime(reason: &str, cases: usize, style: Style) -> String {
    format!(
        "  {}  {}\n{INDENT}nothing was sent there; {} not judged\n\n",
        style.dim("DOWN "),
        line(reason),
        count(cases, "case")
    )
}

fn leftovers(results: &[&CaseResult], endpoint: &EndpointRecord, style: Style) -> String {
    let left: Vec<String> = results
        .iter()
        .flat_map(|result| &result.cleanup)
        .chain(&endpoint.leftovers)
        .map(|Leftover { url, reason }| format!("{}: {}", line(url), line(reason)))
        .collect();
    if left.is_empty() {
        return String::new();
    }
    format!(
        "  {}  {} could not be removed\n{INDENT}{}\n\n",
        style.yellow("LEFT "),
        count(left.len(), "object"),
        some(&left, &format!("\n{INDENT}"))
    )
}

/// The first few, and how many there are beside them.
fn some(all: &[String], separator: &str) -> String {
    let shown = &all[..all.len().min(SHOWN)];
    match all.len() - shown.len() {
        0 => shown.join(separator),
        more => format!("{}{separator}and {more} more", shown.join(separator)),
    }
}

fn next(record: &RunRecord, style: Style) -> String {
    let mut steps = Vec::new();
    let results = || record.results.iter();
    let missed = results()
        .find(|result| result.red())
        .or_else(|| results().find(|result| result.verdict == Verdict::Warn));
    if let Some(result) = missed {
        let (endpoint, case) = (line(&result.endpoint), line(result.case.as_str()));
        let (endpoint, case) = (shell_word(&endpoint), shell_word(&case));
        steps.push(format!(
            "touchstone explain {case}\n      says what the case tests and what its failure means in practice"
        ));
        steps.push(format!(
            "touchstone run --endpoint {endpoint} --case {case}{}\n      repeats it alone",
            record.run.mode().option()
        ));
    }
    if missed.is_some() || results().any(|result| result.verdict == Verdict::Error) {
        steps.push(
            "A curl line works once the token is in $TOKEN; if curl does not trust the endpoint, add\n      \
             --cacert FILE, or --capath /etc/grid-security/certificates"
                .to_owned(),
        );
    }
    if results().any(|result| result.verdict == Verdict::Error) {
        steps.push(
            "touchstone check --connect\n      \
             tests network and tokens: an error is no statement about the endpoint's compliance"
                .to_owned(),
        );
    }
    let left = results().any(|result| !result.cleanup.is_empty())
        || record.endpoints.iter().any(|e| !e.leftovers.is_empty());
    if left {
        steps.push("touchstone clean\n      removes what was left behind".to_owned());
    }
    if steps.is_empty() {
        return String::new();
    }
    format!(
        "{}\n\n  - {}\n\n",
        style.bold("What next"),
        steps.join("\n  - ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn it_reads_well() {
        insta::assert_snapshot!(write(&sample::record(), Style::Plain), @r#"
se-alpha  https://se-alpha.example.org:8443/wlcg  (ExampleStore/1.2, profile 1.3)

  FAIL   capability.create.no-overwrite  critical
         storage.create never replaces a file
         everywhere: fails at every endpoint that was judged: doubt the clause first

         JWT-2.2.1-04 MUST NOT  storage.create never replaces a file.
         text      "This capability does not permit deleting, overwriting, or replacing stored data." (WLCG Common JWT Profiles 1.3, line 846)
         expected  401 or 403, and nothing changed
         actual    201
         at        suites/capability.yaml:21
         try       curl -i -X PUT -H "Authorization: Bearer $TOKEN" -H 'content-type: text/plain' --data-binary 'it'\''s new' --url https://se-alpha.example.org:8443/wlcg/touchstone-x/f
         token     scope "storage.create:/", audience https://wlcg.cern.ch/jwt/v1/any, issued by https://issuer.example.org/: oidc-token --scope storage.create:/ wlcg
         logged    2026-11-22T07:28:50Z, jti 7c1f

         JWT-2.2.1-04 SHOULD (derived)  storage.create never replaces a file.
         expected  the file as it was
         actual    the file has the new content
         at        suites/capability.yaml:21

  WARN   audience.any  not-critical
         The audience that means everybody is accepted

         JWT-2.1.1-17 SHOULD (derived)  The audience that means everybody is accepted.
         expected  200
         actual    206\u{1b}[31m ]]>
         at        suites/audience.yaml:21
         try       curl -i -H "Authorization: Bearer $TOKEN" -H 'content-type: text/plain' --url https://se-alpha.example.org:8443/wlcg/touchstone-x/f
         token     scope "storage.create:/", audience https://wlcg.cern.ch/jwt/v1/any, issued by https://issuer.example.org/: oidc-token --scope storage.create:/ wlcg
         logged    2026-11-22T07:28:50Z, jti 7c1f

  ERROR  1 case: the control failed: 500
         audience.foreign.read
         try       curl -i -H "Authorization: Bearer $TOKEN" -H 'content-type: text/plain' --url https://se-alpha.example.org:8443/wlcg/touchstone-x/f
         token     scope "storage.create:/", audience https://wlcg.cern.ch/jwt/v1/any, issued by https://issuer.example.org/: oidc-token --scope storage.create:/ wlcg
         logged    2026-11-22T07:28:50Z, jti 7c1f

  SKIP   2 cases: the endpoint does not authorise groups
         group.member.read, group.protected.no-write

  LEFT   1 object could not be removed
         https://se-beta.example.org:8443/wlcg/touchstone-20261122t072848z-4f2a9c/c/f: DELETE answered 403

se-beta  https://se-beta.example.org:8443/wlcg  (profile 1.3)

  KNOWN  capability.create.no-overwrite  critical
         known failure: fixed in the next release (GGUS-1234)
         JWT-2.2.1-04 MUST NOT: expected 401 or 403, and nothing changed; actual 201
         JWT-2.2.1-04 SHOULD (derived): expected the file as it was; actual the file has the new content

  PASS   path.sibling-prefix.read  critical
         passed, though listed as a known failure: fixed in the next release (GGUS-1234)
         remove the entry at endpoints.yaml:44

  SKIP   2 cases: the endpoint does not authorise groups
         group.member.read, group.protected.no-write

  LEFT   2 objects could not be removed
         https://se-beta.example.org:8443/wlcg/touchstone-20261122t072848z-4f2a9c/c/f: DELETE answered 403
         https://se-beta.example.org:8443/wlcg/touchstone-20261122t072848z-4f2a9c: DELETE answered 403

se-gamma  https://se-gamma.example.org:8443/wlcg  (OtherStore, profile 1.3)

  ERROR  6 cases: unreachable: connection refused
         audience.any, audience.foreign.read, capability.create.no-overwrite, capability.read.get, capability.read.missing, path.sibling-prefix.read

  SKIP   2 cases: the endpoint does not authorise groups
         group.member.read, group.protected.no-write

What next

  - touchstone explain capability.create.no-overwrite
      says what the case tests and what its failure means in practice
  - touchstone run --endpoint se-alpha --case capability.create.no-overwrite
      repeats it alone
  - A curl line works once the token is in $TOKEN; if curl does not trust the endpoint, add
      --cacert FILE, or --capath /etc/grid-security/certificates
  - touchstone check --connect
      tests network and tokens: an error is no statement about the endpoint's compliance
  - touchstone clean
      removes what was left behind
"#);
    }

    #[test]
    fn a_downtime_is_one_line() {
        let mut record = sample::record();
        let reason = "in downtime until 2026-11-23T08:00Z: new\ndisks (GOCDB)";
        for endpoint in &mut record.endpoints {
            endpoint.downtime = Some(reason.into());
        }
        record.run.notes = vec!["Downtimes of GOCDB are\x1b not known".into()];
        for result in &mut record.results {
            result.verdict = Verdict::Skip;
            result.reason = Some(reason.into());
            result.findings.clear();
            result.cleanup.clear();
            result.known = None;
        }
        let text = write(&record, Style::Plain);
        let told = "DOWN   in downtime until 2026-11-23T08:00Z: new\\ndisks (GOCDB)";
        assert_eq!(text.matches(told).count(), 3, "{text}");
        assert!(!text.contains("SKIP"), "{text}");
        let table = crate::table::write(&record, Style::Plain);
        assert!(table.contains("Every endpoint is in downtime"), "{table}");
        assert!(
            table.contains("Downtimes of GOCDB are\\u{1b} not known"),
            "{table}"
        );
        let back = crate::json::write(&record).unwrap();
        let back = crate::json::read(&back).unwrap();
        assert_eq!(back.run.notes, record.run.notes);
        assert_eq!(back.endpoints, record.endpoints);
    }

    #[test]
    fn an_expired_entry_protects_no_longer_and_says_so() {
        let mut record = sample::record();
        for result in &mut record.results {
            let mut entry = result.known.take();
            if let Some(entry) = &mut entry {
                entry.expires = Some("2026-01-31".parse().unwrap());
            }
            result.expired = entry;
        }
        let text = write(&record, Style::Plain);
        assert!(!text.contains("KNOWN"), "{text}");
        let told = "known until 2026-01-31 (GGUS-1234): expired; renew the entry at endpoints.yaml:41 or have it fixed";
        let told: Vec<&str> = text.lines().filter(|line| line.contains(told)).collect();
        assert_eq!(told.len(), 1, "{text}");
        let junit = crate::junit::write(&record).unwrap();
        assert_eq!(junit.matches("(GGUS-1234): expired").count(), 2, "{junit}");
    }

    #[test]
    fn a_green_run_has_nothing_to_tell() {
        let mut record = sample::record();
        record.endpoints.truncate(1);
        record
            .results
            .retain(|r| r.endpoint == "se-alpha" && r.verdict == Verdict::Pass);
        assert!(!record.results.is_empty());
        assert_eq!(write(&record, Style::Plain), "");
    }

    #[test]
    fn servers_do_not_steer_the_terminal() {
        let mut record = sample::record();
        let hostile = "\x1b]0;x\x07\u{202e}\r\nFAIL  forged\u{9b}2J";
        for result in &mut record.results {
            result.reason = result.reason.as_ref().map(|_| hostile.into());
            for finding in &mut result.findings {
                finding.actual = hostile.repeat(100_000);
                finding.exchange = Some(usize::MAX);
            }
            for left in &mut result.cleanup {
                left.reason = hostile.into();
            }
            result.exchanges.change(|exchange| {
                exchange.url += hostile;
            });
        }
        record.endpoints[0].software = Some(hostile.into());
        let text = write(&record, Style::Plain);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!text.contains('\u{202e}'));
        assert!(text.len() < 40_000, "{}", text.len());
        let forged = text.lines().filter(|line| line.starts_with("FAIL"));
        assert_eq!(forged.count(), 0);
    }

    #[test]
    fn many_skips_do_not_flood() {
        let mut record = sample::record();
        let skip = record
            .results
            .iter()
            .find(|r| r.verdict == Verdict::Skip)
            .unwrap()
            .clone();
        record.results = vec![skip; 40];
        record.endpoints.truncate(1);
        let text = write(&record, Style::Plain);
        assert!(text.contains("40 cases: ") && text.contains("and 34 more"));
        assert!(text.lines().count() < 6, "{text}");
    }
}
