//! The block of JSON from which the script draws: arrays instead of objects, every text once.
//!
//! The shapes are those of the types below, in their order; a number stands for a text in `strings`.

use std::collections::HashMap;

use serde::Serialize;

use crate::FormatError;
use crate::curl::{curl, obtain};
use crate::detail;
use crate::text::{cap, count, line, terminal};
use touchstone_model::{CaseResult, Exchange, Finding, Purpose, RunRecord, Verdict};

use super::grid::Grid;
use super::mark;

/// Bytes for what was found; then, with the exchanges, for all details.
const FOUND: usize = 1_700_000;
const DETAILS: usize = 3_000_000;
/// Bytes for the exchanges of one case, and how many of them.
const CASE: usize = 30_000;
const EXCHANGES: usize = 12;
/// How many findings of one case, and how many objects that stayed behind.
const FINDINGS: usize = 12;
/// How much of one body, how many header fields.
const BODY: usize = 1_000;
const FIELDS: usize = 40;
/// How much of one header field, and of a title or a name.
const SHORT: usize = 300;

/// The block, and what it does not have.
pub(super) struct Data {
    pub(super) json: String,
    pub(super) left_out: Option<String>,
}

type Text = usize;

#[derive(Serialize)]
struct Block {
    endpoints: Vec<Endpoint>,
    cases: Vec<Row>,
    found: Vec<serde_json::Value>,
    details: Vec<Detail>,
    strings: Vec<String>,
}

/// Name, software, URL.
#[derive(Serialize)]
struct Endpoint(Text, Option<Text>, Text);

/// Name, suite, title, whether it is critical, clauses, a letter for each endpoint.
#[derive(Serialize)]
struct Row(Text, Text, Text, bool, Vec<Text>, String);

/// Row, column, index in `found`, since, last good, milliseconds, exchanges, how many of them are not here.
#[derive(Serialize)]
struct Detail(
    usize,
    usize,
    usize,
    Option<Text>,
    Option<Text>,
    u64,
    Option<Vec<Sent>>,
    usize,
);

/// Reason, known failure and its line, whether flaky, findings, what stayed behind.
#[derive(Serialize)]
struct Found(
    Option<Text>,
    Option<(Text, Text)>,
    bool,
    Vec<Deviation>,
    Vec<Text>,
);

/// Clause with level, requirement, expected, actual, place, exchange, what the sources say.
#[derive(Serialize)]
struct Deviation(Text, Text, Text, Text, Text, Option<usize>, Vec<Text>);

/// Index, purpose, method, URL, status, error, attempts, start, milliseconds, request header, request body, token,
/// hops, response header, response body, its bytes, curl, how to obtain the tokens, what to look for in logs.
#[derive(Serialize)]
struct Sent(
    usize,
    Text,
    Text,
    Text,
    Option<u16>,
    Option<Text>,
    u32,
    Text,
    u64,
    Vec<Text>,
    Option<Text>,
    Option<Text>,
    Vec<Text>,
    Vec<Text>,
    Option<Text>,
    u64,
    Option<Text>,
    Vec<Text>,
    Text,
);

/// Every text once; the newest can be taken back.
#[derive(Default)]
struct Strings {
    all: Vec<String>,
    known: HashMap<String, Text>,
    bytes: usize,
}

impl Strings {
    fn add(&mut self, text: impl Into<String>) -> Text {
        let text = text.into();
        if let Some(known) = self.known.get(&text) {
            return *known;
        }
        self.bytes += cost(&text);
        self.all.push(text.clone());
        self.known.insert(text, self.all.len() - 1);
        self.all.len() - 1
    }

    fn back_to(&mut self, length: usize) {
        for text in self.all.drain(length..) {
            self.bytes -= cost(&text);
            self.known.remove(&text);
        }
    }
}

/// The bytes of a text as it stands in the page.
fn cost(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'<' => 5,
        b'"' | b'\\' | b'\n' => 1,
        _ => 0,
    };
    text.len() + text.bytes().map(escaped).sum::<usize>() + 3
}

/// The record as a block that may stand in a `script` element.
pub(super) fn write(record: &RunRecord, grid: &Grid) -> Result<Data, FormatError> {
    let mut strings = Strings::default();
    let endpoints = record.endpoints.iter().map(|endpoint| {
        Endpoint(
            strings.add(short(&endpoint.name)),
            endpoint
                .software
                .as_ref()
                .map(|text| strings.add(short(text))),
            strings.add(line(&endpoint.url)),
        )
    });
    let endpoints = endpoints.collect();
    let cells = grid.cells(record, '.', |result| mark::letter(record, result));
    let rows = grid.rows.iter().zip(cells).map(|(result, cells)| {
        Row(
            strings.add(line(&result.name())),
            strings.add(line(&result.suite)),
            strings.add(line(&result.title)),
            result.severity == touchstone_model::Severity::Critical,
            result
                .clauses
                .iter()
                .map(|id| strings.add(line(id.as_str())))
                .collect(),
            cells.into_iter().collect(),
        )
    });
    let cases = rows.collect();
    let mut details = Details {
        start: strings.bytes,
        strings,
        found: Vec::new(),
        known: HashMap::new(),
        details: Vec::new(),
        spent: 0,
    };
    let left_out = details.fill(record, grid)?;
    let block = Block {
        endpoints,
        cases,
        found: details.found,
        details: details.details,
        strings: details.strings.all,
    };
    let json = serde_json::to_string(&block).map_err(broken)?;
    // `<` would let a text end the element; the two separators are line ends to old readers of scripts.
    let json = json
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    Ok(Data { json, left_out })
}

struct Details {
    strings: Strings,
    /// What the texts cost before the details.
    start: usize,
    found: Vec<serde_json::Value>,
    /// Place in `found` by its JSON.
    known: HashMap<String, usize>,
    details: Vec<Detail>,
    /// Bytes of what is no text.
    spent: usize,
}

impl Details {
    /// Everything that did not simply pass, the gravest first, until the budget is spent.
    fn fill(&mut self, record: &RunRecord, grid: &Grid) -> Result<Option<String>, FormatError> {
        let mut order: Vec<_> = record
            .results
            .iter()
            .zip(&grid.places)
            .filter_map(|(result, place)| Some((result, (*place)?)))
            .filter(|(result, _)| result.verdict != Verdict::Pass || result.unexpected_pass())
            .collect();
        order.sort_by_key(|(result, _)| mark::rank(record, result));
        let mut shown = Vec::new();
        for (result, place) in &order {
            if !self.found(result, *place)? {
                break;
            }
            shown.push(*result);
        }
        let mut bare = 0;
        let mut full = false;
        for (index, result) in shown.iter().enumerate() {
            if result.exchanges.is_empty() {
                continue;
            }
            full = full || !self.exchanges(result, index)?;
            bare += usize::from(full);
        }
        let missing = order.len() - shown.len();
        let mut parts = Vec::new();
        if missing > 0 {
            parts.push(format!("the details of {}", count(missing, "result")));
        }
        if bare > 0 {
            parts.push(format!("the exchanges of {}", count(bare, "result")));
        }
        Ok((!parts.is_empty()).then(|| parts.join(" and ")))
    }

    fn bytes(&self) -> usize {
        self.spent + self.strings.bytes - self.start
    }

    /// Adds what was found; `false` if there is no room for it.
    fn found(&mut self, result: &CaseResult, place: (usize, usize)) -> Result<bool, FormatError> {
        let length = self.strings.all.len();
        let strings = &mut self.strings;
        let findings = result.findings.iter().take(FINDINGS);
        let reason = result.reason.as_deref().map(line);
        let found = Found(
            detail::expired(result)
                .or(reason)
                .map(|text| strings.add(text)),
            result.known.as_ref().map(|known| {
                let at = strings.add(line(&known.at.to_string()));
                (strings.add(detail::known(known)), at)
            }),
            result.flaky,
            findings
                .map(|finding| deviation(strings, finding))
                .collect(),
            result
                .cleanup
                .iter()
                .take(FINDINGS)
                .map(|left| strings.add(format!("{}: {}", line(&left.url), line(&left.reason))))
                .collect(),
        );
        let value = serde_json::to_value(&found).map_err(broken)?;
        let json = value.to_string();
        let known = self.known.get(&json).copied();
        let past = result.past.as_ref();
        let detail = Detail(
            place.0,
            place.1,
            known.unwrap_or(self.found.len()),
            past.map(|past| strings.add(format!("{:.0}", past.since))),
            past.and_then(|past| past.last_good)
                .map(|good| strings.add(format!("{good:.0}"))),
            result.duration_ms,
            None,
            result.exchanges.len(),
        );
        let mut spent = serde_json::to_string(&detail).map_err(broken)?.len() + 1;
        if known.is_none() {
            spent += json.len() + 1;
        }
        if self.bytes() + spent > FOUND {
            self.strings.back_to(length);
            return Ok(false);
        }
        self.spent += spent;
        if known.is_none() {
            self.known.insert(json, self.found.len());
            self.found.push(value);
        }
        self.details.push(detail);
        Ok(true)
    }

    /// Adds the exchanges of the case at that place in `details`; `false` if there is no room for them.
    fn exchanges(&mut self, result: &CaseResult, index: usize) -> Result<bool, FormatError> {
        let length = self.strings.all.len();
        let before = self.strings.bytes;
        let mut spent = 0;
        let named = |index: &usize| result.findings.iter().any(|f| f.exchange == Some(*index));
        // Those that show what was found go first, and then the last ones, which decided.
        let exchanges = result.exchanges.list();
        let mut order: Vec<usize> = (0..exchanges.len()).collect();
        order.sort_by_key(|index| (!named(index), std::cmp::Reverse(*index)));
        let mut sent = Vec::new();
        for index in order.into_iter().take(EXCHANGES) {
            let Some(exchange) = exchanges.get(index) else {
                continue;
            };
            let kept = self.strings.all.len();
            let one = self.sent(exchange, index, named(&index));
            let size = serde_json::to_string(&one).map_err(broken)?.len() + 1;
            if spent + size + self.strings.bytes - before > CASE && !sent.is_empty() {
                self.strings.back_to(kept);
                break;
            }
            spent += size;
            sent.push(one);
        }
        if self.bytes() + spent > DETAILS {
            self.strings.back_to(length);
            return Ok(false);
        }
        self.spent += spent;
        sent.sort_by_key(|sent| sent.0);
        if let Some(detail) = self.details.get_mut(index) {
            detail.7 = exchanges.len() - sent.len();
            detail.6 = Some(sent);
        }
        Ok(true)
    }

    fn sent(&mut self, exchange: &Exchange, index: usize, named: bool) -> Sent {
        let strings = &mut self.strings;
        let judged = named || matches!(exchange.purpose, Purpose::Step | Purpose::Control);
        let mut logged = format!("{:.0}", exchange.started);
        if let Some(jti) = exchange.token.as_ref().and_then(|token| token.jti.as_ref()) {
            logged += &format!(", jti {}", line(jti));
        }
        let hop = |hop: &touchstone_model::Hop| {
            let token = if hop.token_forwarded {
                ", with the token"
            } else {
                ""
            };
            format!("{} to {}{token}", hop.status, short(&hop.location))
        };
        let tokens = [&exchange.token, &exchange.other].into_iter().flatten();
        Sent(
            index,
            strings.add(exchange.purpose.as_str()),
            strings.add(line(exchange.method.as_str())),
            strings.add(line(&exchange.url)),
            exchange.status,
            exchange.error.as_ref().map(|text| strings.add(line(text))),
            exchange.attempts,
            strings.add(format!("{:.0}", exchange.started)),
            exchange.duration_ms,
            fields(strings, &exchange.request_headers),
            exchange
                .request_body
                .as_ref()
                .map(|text| strings.add(body(text))),
            exchange.token.as_ref().map(|token| {
                strings.add(format!(
                    "{}, sha256 {}",
                    line(&token.what),
                    line(&token.hash)
                ))
            }),
            exchange
                .hops
                .iter()
                .take(FIELDS)
                .map(|at| strings.add(hop(at)))
                .collect(),
            fields(strings, &exchange.response_headers),
            (!exchange.response_body.is_empty())
                .then(|| strings.add(body(&exchange.response_body))),
            exchange.response_bytes,
            judged.then(|| {
                let commands = curl(exchange);
                let commands: Vec<_> = commands.iter().map(|command| terminal(command)).collect();
                strings.add(commands.join("\n"))
            }),
            match judged {
                true => tokens
                    .map(|token| strings.add(line(&obtain(token))))
                    .collect(),
                false => Vec::new(),
            },
            strings.add(logged),
        )
    }
}

fn deviation(strings: &mut Strings, finding: &Finding) -> Deviation {
    Deviation(
        strings.add(detail::clause(finding)),
        strings.add(line(&finding.requirement)),
        strings.add(line(&finding.expected)),
        strings.add(line(&finding.actual)),
        strings.add(line(&finding.at.to_string())),
        finding.exchange,
        finding
            .text
            .iter()
            .map(|quotation| strings.add(short(&quotation.to_string())))
            .collect(),
    )
}

fn fields(strings: &mut Strings, headers: &[(String, String)]) -> Vec<Text> {
    headers
        .iter()
        .take(FIELDS)
        .map(|(name, value)| strings.add(format!("{}: {}", short(name), short(value))))
        .collect()
}

fn body(text: &str) -> String {
    terminal(&cap(text, BODY).replace("\r\n", "\n"))
}

fn short(text: &str) -> String {
    line(&cap(text.trim(), SHORT))
}

fn broken(error: serde_json::Error) -> FormatError {
    FormatError::new("HTML", error)
}
