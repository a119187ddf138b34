//! One fixed run for the tests of every report: three endpoints, one of them out of reach, and
//! every verdict at least once.

use touchstone_model::sample::known_failure;
pub(crate) use touchstone_model::sample::{events, exchange, plan};
use touchstone_model::*;

use crate::record::Recorder;

/// The record of the run.
pub(crate) fn record() -> RunRecord {
    let mut recorder = Recorder::default();
    for event in events() {
        recorder.take(event);
    }
    recorder.finish().unwrap()
}

/// The same run with a history of three days: `capability.create.no-overwrite` has failed at se-beta since the first
/// of them, and fails at se-alpha for the first time; se-alpha has new software; se-gamma was never seen before.
pub(crate) fn with_past() -> RunRecord {
    let mut record = record();
    let days = [
        "2026-11-19T05:00:00Z",
        "2026-11-20T05:00:00Z",
        "2026-11-21T05:00:00Z",
    ]
    .map(|day| day.parse().unwrap());
    let point = |endpoint: &str, started| TrendPoint {
        run: RunId::new(started, 0xabc),
        started,
        software: (endpoint == "se-alpha").then(|| "ExampleStore/1.1".into()),
        pass: 5,
        warn: 0,
        fail: usize::from(endpoint == "se-beta"),
        known: usize::from(endpoint == "se-beta"),
        error: 0,
        skip: 2,
    };
    let trends = ["se-alpha", "se-beta"].map(|endpoint| Trend {
        endpoint: endpoint.into(),
        runs: days.map(|day| point(endpoint, day)).into(),
    });
    record.past = Some(Past {
        previous: RunId::new(days[2], 0xabc),
        started: days[2],
        trends: trends.into(),
    });
    for result in &mut record.results {
        let known = result.endpoint == "se-beta" && result.verdict == Verdict::Fail;
        let before = match result.verdict {
            Verdict::Skip => Verdict::Skip,
            Verdict::Fail if known => Verdict::Fail,
            _ => Verdict::Pass,
        };
        result.past = (result.endpoint != "se-gamma").then(|| CasePast {
            before,
            known,
            since: if before == result.verdict {
                days[0]
            } else {
                record.run.started
            },
            last_good: (before == Verdict::Pass).then_some(days[2]),
        });
    }
    record
}

/// The same run, in which the failure at se-alpha was known until three weeks before.
pub(crate) fn expired() -> RunRecord {
    let mut record = record();
    let failed = record.results.iter_mut().find(|result| result.red());
    failed.unwrap().expired = Some(KnownFailure {
        expires: Some("2026-11-01".parse().unwrap()),
        ..known_failure("capability.create.no-overwrite", 41)
    });
    record
}
