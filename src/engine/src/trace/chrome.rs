//! The Trace Event Format of Chrome, which Perfetto and others draw: a JSON object with `traceEvents`, times in
//! microseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::critical::whose;
use super::{Path, SpanRecord, waiting};

/// The row of the critical path, and of what belongs to no endpoint.
const OWN: usize = 0;

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "displayTimeUnit")]
    unit: &'a str,
    #[serde(rename = "traceEvents")]
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
    name: String,
    /// On whom it waits.
    cat: &'a str,
    /// `X` is a span with its duration, `M` a name.
    ph: &'a str,
    ts: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u128>,
    pid: usize,
    tid: usize,
    args: BTreeMap<&'a str, String>,
}

/// Writes spans and their critical path: a process for each endpoint and issuer, whose threads are as many as
/// things happened there side by side.
///
/// # Errors
/// None is known; serialising could fail in theory.
pub fn chrome(spans: &[SpanRecord], path: &Path) -> Result<String, serde_json::Error> {
    let mut events = vec![named(OWN, "touchstone")];
    events.push(thread(OWN, 0, "critical path"));
    for leg in &path.legs {
        let mut drawn = event(spans, leg.span, (leg.begin, leg.end), OWN, 0);
        drawn.args.insert("of", whose(spans, leg.span));
        events.push(drawn);
    }
    let mut processes = vec![OWN; spans.len()];
    let mut lanes: Vec<Lanes> = vec![Lanes::default()];
    let mut place = vec![0; spans.len()];
    let mut order: Vec<usize> = (0..spans.len()).collect();
    // What holds others comes before them.
    order.sort_by_key(|&index| (spans[index].begin, index));
    for index in order {
        let span = &spans[index];
        let parent = span.parent;
        processes[index] = match span.kind {
            "endpoint" | "issuer" => {
                lanes.push(Lanes::default());
                events.push(named(lanes.len() - 1, &span.label()));
                lanes.len() - 1
            }
            _ => parent.map_or(OWN, |parent| processes[parent]),
        };
        let process = processes[index];
        let with = parent.filter(|&parent| processes[parent] == process);
        let lane = lanes[process].take(index, with.map(|parent| place[parent]), with, spans);
        place[index] = lane;
        // The first thread of the first process is the path.
        let tid = if process == OWN { lane + 1 } else { lane };
        let time = (span.begin, span.end);
        events.push(event(spans, index, time, process, tid));
    }
    serde_json::to_string(&Document { unit: "ms", events })
}

fn event<'a>(
    spans: &'a [SpanRecord],
    index: usize,
    (begin, end): (Duration, Duration),
    pid: usize,
    tid: usize,
) -> Event<'a> {
    let span = &spans[index];
    let mut args: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &span.fields {
        args.insert(name, value.clone());
    }
    if span.open {
        args.insert("open", "it had not ended".into());
    }
    Event {
        name: span.label(),
        cat: waiting(spans, index).as_str(),
        ph: "X",
        ts: begin.as_micros(),
        dur: Some(end.as_micros().saturating_sub(begin.as_micros())),
        pid,
        tid,
        args,
    }
}

fn named(pid: usize, name: &str) -> Event<'static> {
    meta("process_name", pid, 0, name)
}

fn thread(pid: usize, tid: usize, name: &str) -> Event<'static> {
    meta("thread_name", pid, tid, name)
}

fn meta(what: &str, pid: usize, tid: usize, name: &str) -> Event<'static> {
    Event {
        name: what.to_owned(),
        cat: "",
        ph: "M",
        ts: 0,
        dur: None,
        pid,
        tid,
        args: BTreeMap::from([("name", name.to_owned())]),
    }
}

/// The threads of a process. What is drawn on one has to lie within what is below it, or beside it.
#[derive(Default)]
struct Lanes(Vec<Vec<usize>>);

impl Lanes {
    /// A lane for a span: that of what it is within if nothing is in its way there, otherwise a free one.
    fn take(
        &mut self,
        index: usize,
        lane: Option<usize>,
        within: Option<usize>,
        spans: &[SpanRecord],
    ) -> usize {
        let span = &spans[index];
        for lane in &mut self.0 {
            while lane
                .last()
                .is_some_and(|&last| spans[last].end <= span.begin)
            {
                lane.pop();
            }
        }
        let fits = |lane: &usize| {
            let below = self.0[*lane].last();
            below.copied() == within && below.is_some_and(|&b| spans[b].end >= span.end)
        };
        let free = lane
            .filter(fits)
            .or_else(|| self.0.iter().position(Vec::is_empty));
        let lane = free.unwrap_or_else(|| {
            self.0.push(Vec::new());
            self.0.len() - 1
        });
        self.0[lane].push(index);
        lane
    }
}
