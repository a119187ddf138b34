//! One fixed run for the tests of every crate: three endpoints, one of them out of reach, and every verdict at least
//! once. It is compiled with the rest, so that no crate needs another one built for its tests alone.

#![allow(
    clippy::unwrap_used,
    reason = "it is for tests, and what is written here parses"
)]

use std::sync::Arc;

use crate::*;

/// The cases of every endpoint: id, title, clause, severity, reason to skip.
const CASES: [(&str, &str, &str, Severity, Option<&str>); 8] = [
    (
        "audience.any",
        "The audience that means everybody is accepted",
        "JWT-2.1.1-17",
        Severity::NotCritical,
        None,
    ),
    (
        "audience.foreign.read",
        "A token for another service does not read",
        "JWT-2.1.1-13",
        Severity::Critical,
        None,
    ),
    (
        "capability.create.no-overwrite",
        "storage.create never replaces a file",
        "JWT-2.2.1-04",
        Severity::Critical,
        None,
    ),
    (
        "capability.read.get",
        "storage.read reads a file",
        "JWT-2.2.1-01",
        Severity::Critical,
        None,
    ),
    (
        "capability.read.missing",
        "A missing file is reported as missing to storage.read",
        "DAV-19",
        Severity::NotCritical,
        None,
    ),
    (
        "path.sibling-prefix.read",
        "A scope for /foo does not read below /foobar",
        "JWT-2.2.1-20",
        Severity::Critical,
        None,
    ),
    (
        "group.member.read",
        "A member of the group reads",
        "JWT-2.2.2-01",
        Severity::Critical,
        Some("the endpoint does not authorise groups"),
    ),
    (
        "group.protected.no-write",
        "A member of the group does not write below the protected path",
        "JWT-2.2.2-02",
        Severity::Critical,
        Some("the endpoint does not authorise groups"),
    ),
];

/// What the run sets out to do.
pub fn plan() -> Plan {
    let started = "2026-11-22T07:28:48Z".parse().unwrap();
    let endpoint = |name: &str| {
        let known = match name {
            "se-beta" => vec![
                known_failure("capability.create.no-overwrite", 41),
                known_failure("path.sibling-prefix.read", 44),
            ],
            _ => Vec::new(),
        };
        let cases = CASES.map(|(id, title, clause, severity, skip)| CasePlan {
            needs: Vec::new(),
            partner: None,
            case: Arc::new(Case {
                id: id.parse().unwrap(),
                suite: id.split('.').next().unwrap().into(),
                title: title.into(),
                risk: "Data are lost.".into(),
                clauses: vec![clause.parse().unwrap()],
                severity,
                profiles: (None, None),
                intrusive: false,
                issuer_path: false,
                slow: false,
                given: Vec::new(),
                steps: Vec::new(),
                asks: Vec::new(),
                cover: None,
                at: at(id, 10),
            }),
            known: known.iter().find(|k| k.case.as_str() == id).cloned(),
            expired: None,
            action: match skip {
                Some(reason) => Action::Skip(reason.into()),
                None => Action::Run(Script {
                    directories: Vec::new(),
                    given: Vec::new(),
                    steps: Vec::new(),
                    asks: Vec::new(),
                }),
            },
        });
        EndpointPlan {
            endpoint: Arc::new(Endpoint {
                name: name.into(),
                description: None,
                software: (name == "se-gamma").then(|| "OtherStore".into()),
                url: format!("https://{name}.example.org:8443").parse().unwrap(),
                area: "/wlcg".into(),
                issuer: Some("test".into()),
                ca: Vec::new(),
                profile: None,
                audience: None,
                traits: Traits::default(),
                known_failures: known,
                second: None,
                limits: Limits::default(),
                tpc_partner: None,
                fresh_tokens: false,
                redirect_hosts: Vec::new(),
                address: None,
            }),
            profile: Profile::V1_3,
            observer: None,
            second: None,
            tape: None,
            downtime: None,
            directory: "/touchstone-20261122t072848z-4f2a9c".into(),
            cases: cases.into(),
        }
    };
    Plan {
        issuers: Vec::new(),
        partners: Vec::new(),
        pairs: None,
        shard: None,
        chosen: Vec::new(),
        notes: Vec::new(),
        clauses: std::sync::Arc::from([]),
        run: RunId::new(started, 0x4f_2a9c),
        started,
        mode: Mode::Normal,
        ordered: false,
        endpoints: ["se-alpha", "se-beta", "se-gamma"].map(endpoint).into(),
    }
}

/// What happened.
pub fn events() -> Vec<Event> {
    let plan = Arc::new(plan());
    let mut events = vec![
        Event::RunStarted(RunStarted {
            plan: plan.clone(),
            version: "0.1.0".into(),
        }),
        Event::EndpointReached {
            endpoint: "se-alpha".into(),
            software: Some("ExampleStore/1.2".into()),
        },
        Event::EndpointReached {
            endpoint: "se-beta".into(),
            software: None,
        },
        Event::EndpointUnreachable {
            endpoint: "se-gamma".into(),
            reason: "connection refused".into(),
        },
    ];
    for planned in &plan.endpoints {
        let endpoint = &planned.endpoint.name;
        for case in &planned.cases {
            events.push(Event::CaseStarted {
                endpoint: endpoint.clone(),
                case: case.case.id.clone(),
                partner: case.partner.clone(),
            });
            let mut result = passed(endpoint, case);
            happen(&mut result, case);
            events.push(Event::CaseFinished(Box::new(result)));
        }
        events.push(Event::EndpointFinished {
            endpoint: endpoint.clone(),
            leftovers: match endpoint.as_str() {
                "se-beta" => vec![leftover("/wlcg/touchstone-20261122t072848z-4f2a9c")],
                _ => Vec::new(),
            },
            duration_ms: match endpoint.as_str() {
                "se-alpha" => 3_725_000,
                "se-beta" => 286_400,
                _ => 10_020,
            },
        });
    }
    events.push(Event::RunFinished {
        duration_ms: 3_726_000,
    });
    events
}

/// A result before anything happened.
pub fn passed(endpoint: &str, case: &CasePlan) -> CaseResult {
    CaseResult {
        endpoint: endpoint.into(),
        suite: case.case.suite.clone(),
        case: case.case.id.clone(),
        row: case.case.row(),
        partner: case.partner.clone(),
        title: case.case.title.clone(),
        clauses: case.case.clauses.clone(),
        severity: case.case.severity,
        verdict: Verdict::Pass,
        known: case.known.clone(),
        expired: case.expired.clone(),
        reason: None,
        past: None,
        findings: Vec::new(),
        exchanges: vec![exchange(endpoint, Method::Get, 200)].into(),
        flaky: false,
        cleanup: Vec::new(),
        at: case.case.at.clone(),
        duration_ms: 120,
    }
}

fn happen(result: &mut CaseResult, case: &CasePlan) {
    let endpoint = result.endpoint.clone();
    if let Action::Skip(reason) = &case.action {
        result.verdict = Verdict::Skip;
        result.reason = Some(reason.clone());
        result.exchanges = Exchanges::default();
        return;
    }
    match (endpoint.as_str(), case.case.id.as_str()) {
        ("se-gamma", _) => {
            result.verdict = Verdict::Error;
            result.reason = Some("unreachable: connection refused".into());
            result.exchanges = Exchanges::default();
        }
        (_, "capability.create.no-overwrite") => {
            result.verdict = Verdict::Fail;
            result.exchanges = vec![
                exchange(&endpoint, Method::Put, 201),
                exchange(&endpoint, Method::Get, 200),
            ]
            .into();
            result.findings = vec![
                finding(
                    result,
                    Level::MustNot,
                    "401 or 403, and nothing changed",
                    "201",
                    0,
                ),
                finding(
                    result,
                    Level::Should,
                    "the file as it was",
                    "the file has the new content",
                    0,
                ),
            ];
            result.cleanup = vec![leftover("/wlcg/touchstone-20261122t072848z-4f2a9c/c/f")];
        }
        ("se-alpha", "audience.any") => {
            result.verdict = Verdict::Warn;
            result.findings = vec![finding(result, Level::Should, "200", "206\x1b[31m ]]>", 0)];
        }
        ("se-alpha", "audience.foreign.read") => {
            result.verdict = Verdict::Error;
            result.reason = Some("the control failed: 500".into());
            result.exchanges = vec![exchange(&endpoint, Method::Get, 401), {
                let mut control = exchange(&endpoint, Method::Get, 500);
                control.purpose = Purpose::Control;
                control
            }]
            .into();
        }
        _ => {}
    }
}

/// An exchange with everything in it that a report may want.
pub fn exchange(endpoint: &str, method: Method, status: u16) -> Exchange {
    Exchange {
        purpose: Purpose::Step,
        method: method.into(),
        url: format!("https://{endpoint}.example.org:8443/wlcg/touchstone-x/f"),
        request_headers: vec![
            ("user-agent".into(), "touchstone/0.1.0 (run; case)".into()),
            ("content-type".into(), "text/plain".into()),
        ],
        request_body: (method == Method::Put).then(|| "it's new".into()),
        token: Some(TokenRef {
            what: "scope \"storage.create:/\", audience https://wlcg.cern.ch/jwt/v1/any".into(),
            issuer: "https://issuer.example.org/".into(),
            jti: Some("7c1f".into()),
            hash: "0123456789ab".into(),
            how: "oidc-token --scope storage.create:/ wlcg".into(),
        }),
        other: None,
        presented: None,
        status: Some(status),
        response_headers: vec![("content-length".into(), "5".into())],
        response_body: "hello".into(),
        response_bytes: 5,
        hops: Vec::new(),
        error: None,
        attempts: 1,
        started: "2026-11-22T07:28:50Z".parse().unwrap(),
        duration_ms: 31,
    }
}

fn finding(
    result: &CaseResult,
    level: Level,
    expected: &str,
    actual: &str,
    exchange: usize,
) -> Finding {
    Finding {
        clause: result.clauses[0].clone(),
        level,
        basis: if level.binding() {
            Basis::Stated
        } else {
            Basis::Derived
        },
        requirement: format!("{}.", result.title),
        text: quotations(result),
        expected: expected.into(),
        actual: actual.into(),
        at: at(result.case.as_str(), 21),
        exchange: Some(exchange),
    }
}

/// What the profile says, where it says so.
fn quotations(result: &CaseResult) -> Vec<Quotation> {
    let quoted = result.case.as_str() == "capability.create.no-overwrite";
    let quotation = Quotation {
        document: "profile".into(),
        title: "WLCG Common JWT Profiles 1.3".into(),
        place: "line 846".into(),
        quote: "This capability does not permit deleting, overwriting, or replacing stored data."
            .into(),
    };
    quoted.then_some(quotation).into_iter().collect()
}

/// A failure that is known, at this line of the inventory.
pub fn known_failure(case: &str, line: usize) -> KnownFailure {
    KnownFailure {
        case: case.parse().unwrap(),
        reason: "fixed in the next release".into(),
        ticket: Some("GGUS-1234".into()),
        expires: None,
        at: Place {
            file: "endpoints.yaml".into(),
            line,
        },
    }
}

fn leftover(path: &str) -> Leftover {
    Leftover {
        url: format!("https://se-beta.example.org:8443{path}"),
        reason: "DELETE answered 403".into(),
    }
}

fn at(case: &str, line: usize) -> Place {
    Place {
        file: format!("suites/{}.yaml", case.split('.').next().unwrap()).into(),
        line,
    }
}
