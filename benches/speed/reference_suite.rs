//! The cases that ask what the reference suite's tests ask, on a real XRootD, and the same requests one after another.

use std::fs::File;
use std::io::BufReader;
use std::time::Duration;

use touchstone_model::RunRecord;

use crate::common::xrootd;
use crate::measure::{Cost, Counts, measure as cost};
use crate::place::{Place, Tokens};
use crate::serial;
use crate::table::{Page, TRACE, seconds};

/// In the order of the reference suite's tests.
const CASES: [&str; 32] = [
    "audience.foreign.read",
    "audience.foreign.write",
    "audience.own-url",
    "audience.array.first",
    "audience.foreign-array.read",
    "audience.foreign-array.write",
    "capability.none.read",
    "capability.none.write",
    "group.member.read",
    "group.member.write",
    "capability.modify.put",
    "capability.modify.delete",
    "capability.modify.mkcol",
    "capability.read.get",
    "capability.read.no-put",
    "capability.modify.no-get",
    "capability.create.no-get",
    "capability.create.no-overwrite",
    "capability.create.no-delete",
    "group.protected.member-read",
    "group.protected.member-no-write",
    "group.protected.privileged",
    "path.outside.read",
    "path.outside.put",
    "path.directory.read",
    "path.directory.write",
    "path.sibling-prefix.read",
    "path.create.mkcol",
    "path.sibling-prefix.mkcol",
    "path.file.other",
    "path.trailing-slash.read",
    "path.trailing-slash.not-a-file",
];

/// The middle of so many runs counts.
const RUNS: usize = 5;

pub fn measure(page: &mut Page, round_trip: Option<Duration>, quick: bool) {
    let title = match round_trip {
        None => "The reference suite's cases, one XRootD on loopback".to_owned(),
        Some(time) => format!(
            "The reference suite's cases, one XRootD, {} ms round trip",
            time.as_millis()
        ),
    };
    if let Err(missing) = xrootd::available() {
        page.note(&format!("{title}: left out. {missing}"));
        return;
    }
    exist();
    let cases = &CASES[..if quick { 4 } else { CASES.len() }];
    let mut place = Place::new(round_trip);
    let url = place.xrootd();
    let endpoints = [("xrootd".to_owned(), url)];

    let (polite, _) = median(&place, &endpoints, Tokens::Asked { key: false }, cases);
    let (eager, counts) = median(&place, &endpoints, Tokens::AskedAtOnce, cases);
    let file = File::open(place.path("reports/run.json")).expect("a record");
    let record: RunRecord = serde_json::from_reader(BufReader::new(file)).expect("a record");
    let (made, made_counts) = median(&place, &endpoints, Tokens::Made, cases);
    let serial = serial::repeat(&place, &record);

    let ratio = |cost: &Cost| serial.wall.as_secs_f64() / cost.wall.as_secs_f64();
    let row = |name: &str, cost: &Cost, counts: &Counts| {
        vec![
            name.to_owned(),
            counts.exchanges().to_string(),
            counts.token_requests().to_string(),
            seconds(cost.wall),
            format!("{:.1}", ratio(cost)),
            seconds(cost.cpu),
        ]
    };
    let rows = [
        vec![
            "curl, one after another".into(),
            serial.requests.to_string(),
            serial.tokens.to_string(),
            seconds(serial.wall),
            "1.0".into(),
            String::new(),
        ],
        row("touchstone, 5 tokens per second", &polite, &counts),
        row("touchstone, issuer without a limit", &eager, &counts),
        row("touchstone, key of a test issuer", &made, &made_counts),
    ];
    let header = ["", "requests", "tokens", "wall", "times faster", "CPU"];
    page.table(&title, &header, &rows);
    page.note(&format!(
        "{} cases: {}. Of curl's answers {} of {} had the same status. Touchstone's teardown and reports are in its time and not among its requests.",
        cases.len(),
        counts.verdicts(),
        serial.same,
        serial.requests
    ));
    // The file still gives the key of the test issuer.
    let drawn = cost(place.run(cases).args(TRACE));
    page.critical_path("key of a test issuer", &drawn.stderr);
    let least = if round_trip.is_some() { 20.0 } else { 40.0 };
    for (name, cost) in [
        ("5 tokens per second", &polite),
        ("issuer without a limit", &eager),
        ("key of a test issuer", &made),
    ] {
        let what = match round_trip {
            None => format!("(a) faster than serial, loopback, {name}"),
            Some(_) => format!("(a) faster than serial, 40 ms, {name}"),
        };
        let measured = format!("{:.1} times", ratio(cost));
        page.target(
            &what,
            &format!("{least} times"),
            measured,
            ratio(cost) >= least,
        );
    }
}

fn median(
    place: &Place,
    endpoints: &[(String, String)],
    tokens: Tokens,
    cases: &[&str],
) -> (Cost, Counts) {
    place.endpoints(endpoints, tokens);
    let mut costs: Vec<Cost> = (0..RUNS).map(|_| cost(&place.run(cases))).collect();
    let bad = costs.iter().find(|cost| ![0, 1, 3].contains(&cost.code));
    if let Some(cost) = bad {
        panic!("exit code {}: {}{}", cost.code, cost.stdout, cost.stderr);
    }
    costs.sort_by_key(|cost| cost.wall);
    let counts = Counts::read(&place.path("reports/run.json"));
    (costs.swap_remove(RUNS / 2), counts)
}

/// A case that is gone would make the comparison smaller, silently.
fn exist() {
    let catalogue = touchstone_suite::config::load_catalogue(&[]).expect("the embedded suites");
    for id in CASES {
        let there = catalogue.cases().any(|case| case.id.to_string() == id);
        assert!(there, "there is no case {id} any more");
    }
}
