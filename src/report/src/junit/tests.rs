use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::*;
use crate::sample;

fn count_of(document: &Document, name: &str) -> usize {
    let named = |node: &Node| node.has_tag_name(name);
    document.descendants().filter(named).count()
}

/// The elements that a record has to make, whatever the texts in it.
fn check(record: &RunRecord) -> String {
    let text = write(record).unwrap();
    let document = Document::parse(&text).unwrap();
    let results = |wanted: fn(&CaseResult) -> bool| {
        record
            .results
            .iter()
            .filter(|result| wanted(result))
            .count()
    };
    assert_eq!(count_of(&document, "testsuite"), record.endpoints.len());
    assert_eq!(count_of(&document, "testcase"), record.results.len());
    assert_eq!(count_of(&document, "failure"), results(CaseResult::red));
    assert_eq!(
        count_of(&document, "error"),
        results(|r| r.verdict == Verdict::Error)
    );
    assert_eq!(
        count_of(&document, "skipped"),
        results(|r| r.verdict == Verdict::Skip || (r.verdict == Verdict::Fail && !r.red()))
    );
    assert_eq!(
        document.descendants().filter(Node::is_element).count(),
        1 + [
            "testsuite",
            "testcase",
            "failure",
            "error",
            "skipped",
            "system-out"
        ]
        .map(|name| count_of(&document, name))
        .iter()
        .sum::<usize>()
    );
    text
}

/// The record with this text wherever one may come from a server.
fn poisoned(hostile: &str) -> RunRecord {
    let mut record = sample::record();
    for endpoint in &mut record.endpoints {
        endpoint.software = Some(hostile.into());
        if let Some(reason) = &mut endpoint.unreachable {
            *reason = hostile.into();
        }
        for left in &mut endpoint.leftovers {
            left.reason = hostile.into();
        }
    }
    for result in &mut record.results {
        if let Some(reason) = &mut result.reason {
            *reason = hostile.into();
        }
        for finding in &mut result.findings {
            finding.expected = hostile.into();
            finding.actual = hostile.into();
        }
        result.exchanges.change(|exchange| {
            exchange.response_body = hostile.into();
            exchange.response_headers = vec![(hostile.into(), hostile.into())];
            exchange.request_body = Some(hostile.into());
            exchange.error = Some(hostile.into());
        });
        for left in &mut result.cleanup {
            left.url = hostile.into();
        }
    }
    record
}

#[test]
fn every_verdict_has_its_element() {
    let text = check(&sample::record());
    let document = Document::parse(&text).unwrap();
    let case = |class: &str, name: &str| {
        document
            .descendants()
            .find(|node| {
                node.attribute("classname") == Some(class) && node.attribute("name") == Some(name)
            })
            .unwrap()
    };
    let child = |node: Node<'_, '_>, name: &str| {
        node.children()
            .find(|child| child.has_tag_name(name))
            .map(|child| {
                let message = child.attribute("message").unwrap_or_default();
                let kind = child.attribute("type").unwrap_or_default();
                format!("{kind}|{message}|{}", child.text().unwrap_or_default())
            })
    };

    let failed = case("se-alpha.capability", "capability.create.no-overwrite");
    let failure = child(failed, "failure").unwrap();
    assert!(
        failure.starts_with(
            "JWT-2.2.1-04 MUST NOT|storage.create never replaces a file: expected 401 or 403, and \
         nothing changed; actual 201 (and 1 more finding)|JWT-2.2.1-04 MUST NOT"
        ),
        "{failure}"
    );
    assert!(failure.contains("curl -i -X PUT"));
    assert!(failure.contains("at        suites/capability.yaml:21\n"));
    assert_eq!(failed.attribute("time"), Some("0.12"));
    let out = child(failed, "system-out").unwrap();
    assert!(
        out.contains("could not be removed") && out.contains("< 201\n"),
        "{out}"
    );

    let known = child(
        case("se-beta.capability", "capability.create.no-overwrite"),
        "skipped",
    );
    assert_eq!(
        known.as_deref(),
        Some("known-failure|known failure: fixed in the next release (GGUS-1234)|")
    );
    let skipped = child(case("se-beta.group", "group.member.read"), "skipped");
    assert_eq!(
        skipped.as_deref(),
        Some("skip|the endpoint does not authorise groups|")
    );
    let error = child(case("se-alpha.audience", "audience.foreign.read"), "error");
    assert_eq!(error.as_deref(), Some("error|the control failed: 500|"));
    let warned = case("se-alpha.audience", "audience.any");
    let out = child(warned, "system-out").unwrap();
    assert!(
        out.contains("SHOULD") && out.contains("206\\u{1b}[31m ]]>"),
        "{out}"
    );
    let unexpected = child(
        case("se-beta.path", "path.sibling-prefix.read"),
        "system-out",
    );
    assert!(
        unexpected
            .unwrap()
            .contains("though listed as a known failure")
    );
    assert_eq!(
        case("se-alpha.capability", "capability.read.get")
            .children()
            .count(),
        0
    );
}

#[test]
fn suites_say_where_and_when() {
    let text = check(&sample::record());
    let document = Document::parse(&text).unwrap();
    let suite = document
        .descendants()
        .find(|node| node.has_tag_name("testsuite"))
        .unwrap();
    assert_eq!(suite.attribute("name"), Some("se-alpha"));
    assert_eq!(suite.attribute("hostname"), Some("se-alpha.example.org"));
    assert_eq!(suite.attribute("timestamp"), Some("2026-11-22T07:28:48Z"));
    assert_eq!(suite.attribute("tests"), Some("8"));
    assert_eq!(suite.attribute("failures"), Some("1"));
}

#[test]
fn hostile_servers_forge_nothing() {
    let invalid = String::from_utf8_lossy(b"\xff\xfe]]\xc3>").into_owned();
    for hostile in [
        "]]>",
        "]]></system-out><failure message=\"forged\"/><system-out><![CDATA[",
        "<failure>&lt;&amp;\"'",
        "\0\x1b[31m\u{ffff}\u{b}",
        "<!DOCTYPE x [<!ENTITY a \"b\">]>&a;",
        &invalid,
    ] {
        check(&poisoned(hostile));
    }
    let text = check(&poisoned(&"]]>\0 a megabyte".repeat(70_000)));
    assert!(text.len() < 1 << 20, "{}", text.len());
}

#[test]
fn odd_numbers_do_no_harm() {
    let mut record = sample::record();
    record.run.started = jiff::Timestamp::MIN;
    record.endpoints[0].url = "no url".into();
    for result in &mut record.results {
        result.duration_ms = u64::MAX;
        result.findings.clear();
    }
    check(&record);
    record.run.started = jiff::Timestamp::MAX;
    check(&record);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_survives(text in "(?s)(.|\\]\\]>|<failure/>|&|\0|\x1b){0,40}") {
        check(&poisoned(&text));
    }
}
