//! Records of runs that nobody ran, as large and as hostile as a test wants them.

use serde_json::{Value, json};
use touchstone_model::RunRecord;

/// What a server may say to break out of a page.
pub const HOSTILE: &str = "</script><script>window.broken=1</script><img src=x onerror=window.broken=2>\
    \"'><svg onload=window.broken=3>{{7*7}}<!--\u{2028}\u{2029}\u{202e}\u{0}\u{1b}[31m\u{7}&lt;&#x27;${1}`\\";

/// The suites and cases of a report as large as the catalogue.
const SUITES: [&str; 10] = [
    "authentication",
    "audience",
    "capability",
    "path",
    "group",
    "connection",
    "webdav",
    "digest",
    "tpc",
    "tape",
];

fn endpoint(index: usize, text: &str) -> Value {
    let software = ["ExampleStore/1.2", "OtherStore 9.2.1", "ThirdStore v5"];
    json!({
        "name": format!("se-{index:03}.example.org"),
        "url": format!("https://se-{index:03}.example.org:8443/wlcg"),
        "profile": "1.3",
        "software": format!("{}{text}", software[index % 3]),
        "unreachable": (index % 50 == 7).then(|| format!("connection refused{text}")),
        "leftovers": if text.is_empty() { json!([]) } else { json!([{"url": text, "reason": text}]) },
        "duration_ms": 61_000 + 997 * index,
    })
}

/// An exchange with about so many bytes of body.
fn exchange(endpoint: usize, case: usize, text: &str, body: usize) -> Value {
    json!({
        "purpose": "step", "method": "PUT",
        "url": format!("https://se-{endpoint:03}.example.org:8443/wlcg/touchstone-x/{case}/f{text}"),
        "request_headers": [["user-agent", format!("touchstone/0.1.0 ({case}{text})")], ["content-type", "text/plain"]],
        "request_body": format!("replaced{text}"),
        "token": {"what": format!("scope \"storage.create:/\"{text}"), "issuer": "https://issuer.example.org/",
            "jti": format!("7c1f-{endpoint}-{case}{text}"), "hash": "0123456789ab",
            "how": format!("oidc-token --scope storage.create:/ wlcg{text}")},
        "status": 201,
        "response_headers": [["content-length", "5"], ["date", format!("Sun, 22 Nov 2026 07:{:02}:{:02} GMT", case % 60, endpoint % 60)],
            ["x-text", text]],
        "response_body": format!("{text}{}", format!("answer {endpoint} {case} ").repeat(body / 14)),
        "response_bytes": body,
        "hops": if text.is_empty() { json!([]) }
            else { json!([{"url": text, "status": 307, "location": text, "token_forwarded": false}]) },
        "error": (!text.is_empty()).then_some(text),
        "attempts": 1, "started": "2026-11-22T07:28:50Z", "duration_ms": 31,
    })
}

/// How a run of that size goes.
pub struct Plan {
    /// How many endpoints.
    pub endpoints: usize,
    /// How many cases each.
    pub cases: usize,
    /// In what every text ends that comes from a server.
    pub text: &'static str,
    /// The verdict of a case at an endpoint.
    pub verdict: fn(usize, usize) -> &'static str,
    /// Whether no two servers say the same.
    pub different: bool,
    /// How many bytes an answer has.
    pub body: usize,
}

/// Most pass, an endpoint in fifty is out of reach, and one case fails at a third of the endpoints.
pub fn usual(endpoint: usize, case: usize) -> &'static str {
    if endpoint % 50 == 7 {
        return "error";
    }
    match (endpoint * 7919 + case * 104_729) % 97 {
        0..=2 => "fail",
        3 => "error",
        4..=7 => "warn",
        8..=13 => "skip",
        _ if case == 17 && endpoint.is_multiple_of(3) => "fail",
        _ => "pass",
    }
}

fn result(plan: &Plan, endpoint: usize, case: usize) -> Value {
    let text = plan.text;
    let verdict = (plan.verdict)(endpoint, case);
    let suite = SUITES[case * SUITES.len() / plan.cases];
    let words = ["read", "write", "create", "missing", "foreign"];
    let letters = |mut number: usize| {
        let mut word = String::new();
        for _ in 0..3 {
            word.push(char::from(
                b'a' + u8::try_from(number % 26).expect("a letter"),
            ));
            number /= 26;
        }
        word
    };
    let id = format!("{suite}.{}.{}", letters(case), words[case % words.len()]);
    let known =
        (endpoint + case).is_multiple_of(11) && verdict == "fail" || (endpoint, case) == (1, 3);
    let finding = |level: &str, basis: &str| {
        let server = if plan.different {
            format!(" {endpoint} {case} {}", "different ".repeat(40))
        } else {
            String::new()
        };
        json!({"clause": format!("JWT-2.{}.1-{case:02}", case % 9), "level": level, "basis": basis,
            "requirement": "A server refuses what the token does not allow.",
            "expected": "401 or 403, and nothing changed", "actual": format!("201{text}{server}"),
            "at": {"file": format!("suites/{suite}.yaml"), "line": case + 1}, "exchange": 0})
    };
    let findings = match verdict {
        "fail" => json!([finding("MUST NOT", "stated"), finding("SHOULD", "derived")]),
        "warn" => json!([finding("SHOULD", "derived")]),
        _ => json!([]),
    };
    let before = if (endpoint + case).is_multiple_of(5) {
        "pass"
    } else {
        verdict
    };
    json!({
        "endpoint": format!("se-{endpoint:03}.example.org"), "suite": suite, "case": id,
        "title": format!("A token of kind {case} does what it may, and nothing else"),
        "clauses": [format!("JWT-2.{}.1-{case:02}", case % 9)],
        "severity": if case.is_multiple_of(3) { "not-critical" } else { "critical" },
        "verdict": verdict,
        "known": known.then(|| json!({"case": id, "reason": format!("fixed in the next release{text}"),
            "ticket": "GGUS-1234", "expires": "2027-01-31", "at": {"file": "endpoints.yaml", "line": 12}})),
        "reason": match verdict {
            "error" => json!(format!("the control failed: 500{text}")),
            "skip" => json!("the endpoint does not authorise groups"),
            _ => Value::Null,
        },
        "past": {"before": before, "since": if before == verdict { "2026-11-19T05:00:00Z" } else { "2026-11-22T07:28:48Z" },
            "last_good": "2026-11-18T05:00:00Z"},
        "findings": findings,
        "exchanges": if verdict == "skip" || verdict == "pass" { json!([]) }
            else { json!([exchange(endpoint, case, text, plan.body), exchange(endpoint, case, text, plan.body)]) },
        "cleanup": if text.is_empty() { json!([]) } else { json!([{"url": text, "reason": text}]) },
        "at": {"file": format!("suites/{suite}.yaml"), "line": case}, "duration_ms": 120 + case,
    })
}

fn trends(plan: &Plan) -> Value {
    let point = |endpoint: usize, day: usize| {
        json!({"run": format!("202611{day:02}t050000z-000abc"), "started": format!("2026-11-{day:02}T05:00:00Z"),
            "software": if day < 9 { format!("ExampleStore/1.1{}", plan.text) } else { format!("ExampleStore/1.2{}", plan.text) },
            "pass": plan.cases - 10, "warn": 1, "fail": (endpoint * day) % 7, "known": (endpoint * day) % 7 / 3,
            "error": usize::from((endpoint + day).is_multiple_of(4)), "skip": 2})
    };
    let trend = |endpoint: usize| {
        let runs: Vec<Value> = (1..22).map(|day| point(endpoint, day)).collect();
        json!({"endpoint": format!("se-{endpoint:03}.example.org"), "runs": runs})
    };
    json!({"previous": "20261121t050000z-000abc", "started": "2026-11-21T05:00:00Z",
        "trends": (0..plan.endpoints).map(trend).collect::<Vec<_>>()})
}

/// The record of the run, with a history of three weeks.
pub fn record(plan: &Plan) -> RunRecord {
    let endpoints: Vec<Value> = (0..plan.endpoints)
        .map(|index| endpoint(index, plan.text))
        .collect();
    let results: Vec<Value> = (0..plan.endpoints)
        .flat_map(|endpoint| (0..plan.cases).map(move |case| (endpoint, case)))
        .map(|(endpoint, case)| result(plan, endpoint, case))
        .collect();
    let record = json!({
        "schema": touchstone_model::RECORD_SCHEMA,
        "run": {"id": "20261122t072848z-4f2a9c", "version": "0.1.0", "strict": false, "started": "2026-11-22T07:28:48Z",
            "duration_ms": 3_726_000, "interrupted": !plan.text.is_empty()},
        "endpoints": endpoints, "results": results, "statistics": [], "past": trends(plan),
    });
    let mut record: RunRecord = serde_json::from_value(record).expect("a record");
    record.statistics = touchstone_report::record::statistics(&record.endpoints, &record.results);
    record
}
