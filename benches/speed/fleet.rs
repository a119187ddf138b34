//! Many endpoints in one process. The storage elements live in this process, so that the runner is measured alone.

use crate::measure::{Counts, measure as cost};
use crate::place::{Place, Tokens};
use crate::table::{Page, each, milliseconds, seconds};
use std::time::Duration;

/// What every endpoint is asked.
const CASES: [&str; 20] = [
    "audience.any",
    "audience.foreign.read",
    "audience.foreign.write",
    "capability.none.read",
    "capability.none.write",
    "capability.read.get",
    "capability.read.no-put",
    "capability.read.no-delete",
    "capability.create.put",
    "capability.create.no-overwrite",
    "capability.create.no-delete",
    "capability.modify.put",
    "capability.modify.delete",
    "capability.modify.mkcol",
    "capability.modify.move",
    "capability.modify.no-get",
    "group.member.read",
    "group.member.write",
    "path.outside.read",
    "path.sibling-prefix.read",
];

/// What a process may hold with a thousand endpoints, in MB.
const MEMORY: f64 = 300.0;

struct Row {
    endpoints: u32,
    wall: Duration,
    cpu: Duration,
}

pub fn measure(page: &mut Page, quick: bool) {
    let sizes: &[u32] = if quick { &[3, 30] } else { &[10, 100, 1000] };
    let mut rows = Vec::new();
    let mut measured = Vec::new();
    for &size in sizes {
        let mut place = Place::new(None);
        let endpoints: Vec<_> = (0..size)
            .map(|number| (format!("se-{number:04}"), place.storage(true)))
            .collect();
        place.endpoints(&endpoints, Tokens::Asked { key: false });
        let cost = cost(&place.run(&CASES));
        if ![0, 1, 3].contains(&cost.code) {
            page.note(&format!(
                "{size} endpoints ended with {}: {}",
                cost.code, cost.stderr
            ));
            continue;
        }
        let counts = Counts::read(&place.path("reports/run.json"));
        let requests = place.requests();
        let share = each(cost.cpu, requests);
        rows.push(vec![
            size.to_string(),
            seconds(cost.wall),
            seconds(cost.cpu),
            requests.to_string(),
            milliseconds(share),
            format!("{:.0} MB", cost.memory),
            cost.sockets.to_string(),
            counts.token_requests().to_string(),
            counts.verdicts(),
        ]);
        if Some(&size) == sizes.last() {
            page.target(
                &format!("(d) CPU per exchange, {size} endpoints"),
                "0.5 ms",
                milliseconds(share),
                share < Duration::from_micros(500),
            );
            page.target(
                &format!("(d) memory, {size} endpoints"),
                "300 MB",
                format!("{:.0} MB", cost.memory),
                cost.memory < MEMORY,
            );
            page.target(
                &format!("(d) sockets at most, {size} endpoints"),
                "8 each, and few beside",
                cost.sockets.to_string(),
                cost.sockets <= 8 * usize::try_from(size).unwrap_or(0) + 64,
            );
        }
        measured.push(Row {
            endpoints: size,
            wall: cost.wall,
            cpu: cost.cpu,
        });
    }
    let header = [
        "endpoints",
        "wall",
        "CPU",
        "exchanges",
        "CPU each",
        "memory",
        "sockets",
        "tokens",
        "verdicts",
    ];
    let title = format!("{} cases on many endpoints", CASES.len());
    page.table(&title, &header, &rows);
    for pair in measured.windows(2) {
        let grown = |of: fn(&Row) -> Duration| {
            let ratio = of(&pair[1]).as_secs_f64() / of(&pair[0]).as_secs_f64();
            ratio.ln() / (f64::from(pair[1].endpoints) / f64::from(pair[0].endpoints)).ln()
        };
        let cpu = grown(|row| row.cpu);
        let wall = grown(|row| row.wall);
        page.target(
            &format!(
                "(d) growth from {} to {} endpoints",
                pair[0].endpoints, pair[1].endpoints
            ),
            "exponent 1.1 at most",
            format!("CPU {cpu:.2}, wall {wall:.2}"),
            cpu <= 1.1,
        );
    }
}
