use super::*;
use crate::sample;
use touchstone_model::Verdict;

/// What stands between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.split_once(from).unwrap().1;
    start.split_once(to).unwrap().0
}

fn data(html: &str) -> serde_json::Value {
    let json = between(
        html,
        "<script type=\"application/json\" id=\"data\">",
        "</script>",
    );
    serde_json::from_str(json).unwrap()
}

/// The text of a part, a line for each line that has any.
fn words(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text += before;
        let (tag, behind) = after.split_once('>').unwrap();
        text += if tag.starts_with("/t") || tag.starts_with("title") {
            " "
        } else {
            ""
        };
        rest = behind;
    }
    let text = (text + rest).replace("&#39;", "'");
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The sample with this text wherever one may come from a server.
fn poisoned(hostile: &str) -> RunRecord {
    let mut record = sample::with_past();
    for endpoint in &mut record.endpoints {
        endpoint.software = Some(hostile.into());
        endpoint.unreachable = Some(hostile.into());
        for left in &mut endpoint.leftovers {
            left.reason = hostile.into();
        }
    }
    let trends = &mut record.past.as_mut().unwrap().trends;
    for point in trends.iter_mut().flat_map(|trend| &mut trend.runs) {
        point.software = Some(format!("{hostile} before"));
    }
    for result in &mut record.results {
        result.reason = Some(hostile.into());
        if let Some(known) = &mut result.known {
            known.reason = hostile.into();
        }
        for finding in &mut result.findings {
            finding.expected = hostile.into();
            finding.actual = hostile.into();
        }
        result.exchanges.change(|exchange| {
            exchange.url = hostile.into();
            exchange.error = Some(hostile.into());
            exchange.request_body = Some(hostile.into());
            exchange.request_headers = vec![(hostile.into(), hostile.into())];
            exchange.response_body = hostile.into();
            exchange.response_headers = vec![(hostile.into(), hostile.into())];
            if let Some(token) = &mut exchange.token {
                token.what = hostile.into();
                token.issuer = hostile.into();
                token.jti = Some(hostile.into());
            }
        });
        for left in &mut result.cleanup {
            left.url = hostile.into();
        }
    }
    record
}

/// Every tag with the names of its attributes, outside of style and scripts.
fn skeleton(html: &str) -> Vec<String> {
    let mut rest = html;
    let mut tags = Vec::new();
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, behind) = after.split_once('>').unwrap();
        let mut odd = true;
        let names: String = tag
            .split('"')
            .filter(|_| {
                std::mem::replace(&mut odd, false) || {
                    odd = true;
                    false
                }
            })
            .collect();
        tags.push(names);
        let raw = ["style", "script"]
            .into_iter()
            .find(|name| tag.starts_with(name));
        rest = match raw {
            Some(name) => behind.split_once(&format!("</{name}")).unwrap().1,
            None => behind,
        };
    }
    tags
}

#[test]
fn it_reads_well() {
    let html = write(&sample::with_past()).unwrap();
    let summary = between(&html, "<main>", "<section id=\"matrix\"");
    insta::assert_snapshot!(words(summary), @"
    Summary
    critical 18
    1 fail, 1 known, 5 error, 5 pass, 6 skip
    fail1known1error5warn0pass5skip6fail by basis: 1 stated
    not-critical 6
    2 error, 1 warn, 3 pass
    fail0known0error2warn1pass3skip0
    Since the run before 20261121t050000z-000abc, 2026-11-21T05:00:00Z
    1 new failures
    se-alpha · capability.create.no-overwrite storage.create never replaces a file
    7 newly undecided
    se-alpha · audience.foreign.read A token for another service does not read
    se-gamma · audience.any The audience that means everybody is accepted
    se-gamma · audience.foreign.read A token for another service does not read
    se-gamma · capability.create.no-overwrite storage.create never replaces a file
    se-gamma · capability.read.get storage.read reads a file
    se-gamma · capability.read.missing A missing file is reported as missing to storage.read
    se-gamma · path.sibling-prefix.read A scope for /foo does not read below /foobar
    1 other software
    se-alpha: ExampleStore/1.1 → ExampleStore/1.2
    Endpoints
    # endpoint software profile results
    fail known error warn pass skip trend time
    1 se-alpha https://se-alpha.example.org:8443/wlcgfail by basis: 1 stated
    ExampleStore/1.2 1.3 1 fail, 1 error, 1 warn, 3 pass, 2 skip 1 0 1 1 3 2 failures+errors in the last 4 of 4 runs, now at the end: 0+0, 0+0, 0+0, 1+1
    01:02:05
    2 se-beta https://se-beta.example.org:8443/wlcg1 left behind
    1.3 1 known, 5 pass, 2 skip 0 1 0 0 5 2 failures+errors in the last 4 of 4 runs, now at the end: 0+0, 0+0, 0+0, 0+0
    00:04:46
    3 se-gamma https://se-gamma.example.org:8443/wlcgunreachable: connection refused
    OtherStore 1.3 6 error, 2 skip 0 0 6 0 0 2 first run
    00:00:10
    ");
    let failures = between(&html, "<section id=\"failures\"", "</main>");
    insta::assert_snapshot!(words(failures), @r#"
    aria-labelledby="h-failures">
    Failures 1
    capability.create.no-overwrite critical 1 everywhere
    storage.create never replaces a file JWT-2.2.1-04 MUST NOT: storage.create never replaces a file.&#34;This capability does not permit deleting, overwriting, or replacing stored data.&#34; (WLCG Common JWT Profiles 1.3, line 846)
    endpoint since expected actual
    se-alpha new 2026-11-22T07:28:48Z 401 or 403, and nothing changed 201
    Matrix in letters
    . pass, w warn, F fail, N new failure, k known failure, x passed though known as failure, E error, - skip. Columns are the numbers of the endpoints, read downwards.
    Endpoints 1 to 3
    123
    audience.any w.E
    audience.foreign.read E.E
    capability.create.no-overwrite NkE
    capability.read.get ..E
    capability.read.missing ..E
    path.sibling-prefix.read .xE
    group.member.read ---
    group.protected.no-write ---
    "#);
    insta::assert_snapshot!(serde_json::to_string(&data(&html)["cases"]).unwrap().replace("],[", "],\n["), @r#"
    [[8,9,10,false,[11],"Wpe"],
    [12,9,13,true,[14],"Epe"],
    [15,16,17,true,[18],"Fke"],
    [19,16,20,true,[21],"ppe"],
    [22,16,23,false,[24],"ppe"],
    [25,26,27,true,[28],"pxe"],
    [29,30,31,true,[32],"sss"],
    [33,30,34,true,[35],"sss"]]
    "#);
}

#[test]
fn details_are_there_for_what_did_not_simply_pass() {
    let record = sample::with_past();
    let data = data(&write(&record).unwrap());
    let not_plain = |result: &&touchstone_model::CaseResult| {
        result.verdict != Verdict::Pass || result.unexpected_pass()
    };
    let details = data["details"].as_array().unwrap();
    assert_eq!(
        details.len(),
        record.results.iter().filter(not_plain).count()
    );
    let strings = data["strings"].to_string();
    for part in [
        "curl -i -X PUT",
        "$TOKEN",
        "oidc-token --scope",
        "the control failed: 500",
        "jti 7c1f",
        "suites/capability.yaml:21",
        "GGUS-1234",
        "DELETE answered 403",
        "the file as it was",
    ] {
        assert!(strings.contains(part), "{part}");
    }
    let all: Vec<&str> = data["strings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|text| text.as_str())
        .collect();
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "every text once");
}

#[test]
fn nothing_is_loaded_and_nothing_else_runs() {
    let html = write(&sample::with_past()).unwrap();
    let policy = between(&html, "Content-Security-Policy\" content=\"", "\"").replace("&#39;", "'");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"));
    let style = between(&html, "<style>", "</style>");
    let script = between(&html, "<script>", "</script>");
    assert!(
        policy.contains(&hash(style)) && policy.contains(&hash(script)),
        "the browser sees the same bytes"
    );
    for tag in skeleton(&html) {
        assert!(
            !tag.contains("src=") && !tag.contains(" on") && !tag.contains("style="),
            "{tag}"
        );
    }
    assert!(!style.contains("url(") && !style.contains("@import"));
    for way in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
    ] {
        assert!(!script.contains(way), "{way}");
    }
}

#[test]
fn hostile_servers_break_nothing() {
    let plain = skeleton(&write(&poisoned("harmless")).unwrap());
    for hostile in [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"'><svg onload=alert(1)>",
        "<!--<script>",
        "]]>{{ x }}{% y %}",
        "\u{202e}\u{2066}\u{2028}\u{2029}\u{0}\u{1b}[31m\u{85}\u{feff}",
        "&lt;&#x3c;\\u003c\\",
    ] {
        let html = write(&poisoned(hostile)).unwrap();
        assert_eq!(skeleton(&html), plain, "{hostile:?}");
        assert!(html.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!html.contains(['\u{202e}', '\u{2028}', '\u{2029}', '\u{feff}']));
        let shown = crate::text::line(hostile);
        let strings = data(&html)["strings"].clone();
        assert!(
            strings
                .as_array()
                .unwrap()
                .iter()
                .any(|text| text.as_str() == Some(&shown)),
            "it comes back as it was"
        );
    }
}

#[test]
fn large_texts_are_cut() {
    let html = write(&poisoned(&"<\"\u{7} a lot".repeat(30_000))).unwrap();
    assert!(html.len() < 2_000_000, "{}", html.len());
    assert!(html.contains("more bytes)"));
}

#[test]
fn the_gravest_stay_when_there_is_no_room() {
    let mut record = sample::record();
    let failed = record.results.iter().find(|r| r.red()).unwrap().clone();
    let template = record.endpoints[0].clone();
    record.endpoints.clear();
    record.results.clear();
    for index in 0..200 {
        record.endpoints.push(touchstone_model::EndpointRecord {
            name: format!("se-{index}"),
            ..template.clone()
        });
    }
    for index in 0..4_000 {
        let mut result = failed.clone();
        result.endpoint = format!("se-{}", index % 200);
        result.case = format!("capability.case{}", index / 200).parse().unwrap();
        result.verdict = if index < 3_800 {
            Verdict::Warn
        } else {
            Verdict::Fail
        };
        for finding in &mut result.findings {
            finding.actual = format!("{index} {}", "x".repeat(900));
        }
        result.exchanges.change(|exchange| {
            exchange.response_body = format!("{index} {}", "y".repeat(5_000));
        });
        record.results.push(result);
    }
    record.statistics = crate::record::statistics(&record.endpoints, &record.results);
    let html = write(&record).unwrap();
    assert!(html.len() < 5_000_000, "{}", html.len());
    assert!(html.contains("To keep this page small it leaves out the details of "));
    let data = data(&html);
    let details = data["details"].as_array().unwrap();
    assert!(details.len() > 500 && details.len() < 4_000);
    for detail in details.iter().take(100) {
        assert!(detail[0] == 19, "failures go first");
        assert!(detail[6].is_array(), "with what was sent");
    }
}

#[test]
fn odd_records_have_a_page() {
    let mut record = sample::record();
    record.run.duration_ms = u64::MAX;
    record.run.interrupted = true;
    record.results[0].endpoint = "nobody".into();
    assert!(write(&record).unwrap().contains("Interrupted."));
    record.endpoints.clear();
    record.results.clear();
    record.statistics.clear();
    assert!(write(&record).unwrap().ends_with("</html>\n"));
}

#[test]
fn an_expired_known_failure_says_so() {
    let record = sample::expired();
    let html = write(&record).unwrap();
    assert!(html.contains("known until 2026-11-01 (GGUS-1234): expired; renew the entry at"));
}
