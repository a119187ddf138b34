//! All cases on one endpoint.

use std::time::Duration;

use crate::common::xrootd;
use crate::measure::{Cost, Counts, measure as cost};
use crate::place::{Place, Tokens};
use crate::table::{Page, TRACE, each, milliseconds, seconds};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Software {
    Reference,
    Xrootd,
}

pub fn measure(page: &mut Page, round_trip: Option<Duration>, quick: bool) {
    let cases: &[&str] = if quick { &["capability.*"] } else { &[] };
    let ways = [
        ("key of a test issuer", Tokens::Made),
        ("5 tokens per second", Tokens::Asked { key: true }),
    ];
    let mut rows = Vec::new();
    let far = if round_trip.is_some() {
        "40 ms"
    } else {
        "loopback"
    };
    for software in [Software::Reference, Software::Xrootd] {
        let name = match software {
            Software::Reference => "reference SE",
            Software::Xrootd => "XRootD",
        };
        if software == Software::Xrootd
            && let Err(missing) = xrootd::available()
        {
            page.note(&format!("XRootD is left out. {missing}"));
            continue;
        }
        // Most cases have tokens of their own: asked gently, they take a minute and more, whatever the storage is.
        let gently = usize::from(software == Software::Xrootd);
        for (how, tokens) in &ways[..=gently] {
            let tokens = *tokens;
            let near = run(software, round_trip, tokens, cases, &[]);
            // Without a delay nothing stands between that could count, so that it runs again behind relays.
            let counted = match (round_trip, tokens) {
                (Some(_), _) | (None, Tokens::Asked { .. }) => None,
                _ => Some(run(software, Some(Duration::ZERO), tokens, cases, &[])),
            };
            let connections = counted.as_ref().unwrap_or(&near).connections;
            let count = |number: usize| match number {
                0 => String::new(),
                number => number.to_string(),
            };
            let exchanges = near.counts.exchanges();
            rows.push(vec![
                format!("{name}, {how}"),
                near.counts.ran().to_string(),
                seconds(near.cost.wall),
                seconds(near.cost.cpu),
                exchanges.to_string(),
                milliseconds(each(near.cost.cpu, exchanges)),
                format!("{:.0} MB", near.cost.memory),
                count(connections.0),
                near.counts.token_requests().to_string(),
                count(connections.1),
            ]);
            if round_trip.is_some() {
                page.target(
                    &format!("(b) full suite, {name}, {far}, {how}"),
                    "6 s",
                    seconds(near.cost.wall),
                    near.cost.wall < Duration::from_secs(6),
                );
            }
            let share = milliseconds(each(near.cost.cpu, exchanges));
            page.target(
                &format!("(b) CPU per exchange, {name}, {far}, {how}"),
                "0.5 ms",
                share,
                each(near.cost.cpu, exchanges) < Duration::from_micros(500),
            );
        }
    }
    let header = [
        "",
        "cases",
        "wall",
        "CPU",
        "exchanges",
        "CPU each",
        "memory",
        "connections",
        "tokens",
        "to issuer",
    ];
    page.table(&format!("All cases, one endpoint, {far}"), &header, &rows);
    // Drawing it costs something: another run.
    let drawn = run(Software::Reference, round_trip, Tokens::Made, cases, &TRACE);
    page.critical_path("reference SE, key of a test issuer", &drawn.cost.stderr);
}

struct Ran {
    cost: Cost,
    counts: Counts,
    /// To storage, and to the issuer, where somebody counted.
    connections: (usize, usize),
}

fn run(
    software: Software,
    round_trip: Option<Duration>,
    tokens: Tokens,
    cases: &[&str],
    more: &[&str],
) -> Ran {
    let mut place = Place::new(round_trip);
    let url = match software {
        Software::Reference => place.storage(false),
        Software::Xrootd => place.xrootd(),
    };
    place.endpoints(&[("se".to_owned(), url)], tokens);
    let cost = cost(place.run(cases).args(more));
    let ended = [0, 1, 3].contains(&cost.code);
    assert!(ended, "exit code {}: {}", cost.code, cost.stderr);
    Ran {
        counts: Counts::read(&place.path("reports/run.json")),
        connections: (place.connections(), place.issuer_connections()),
        cost,
    }
}
