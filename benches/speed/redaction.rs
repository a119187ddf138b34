//! What it costs to keep secrets out of the record of a full run.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::Value;
use sha2::{Digest, Sha256};
use touchstone_model::redact::Redactor;

use crate::measure::measure as cost;
use crate::place::{Place, Tokens};
use crate::table::{Page, milliseconds};

/// Of so many measurements the fastest one counts.
const TIMES: usize = 5;
/// Bytes of the payload of a token.
const PAYLOAD: usize = 400;
/// Of the CPU of a run, at most.
const SHARE: f64 = 0.03;

pub fn measure(page: &mut Page, quick: bool) {
    let cases: &[&str] = if quick { &["capability.*"] } else { &[] };
    let mut place = Place::new(None);
    let url = place.storage(false);
    place.endpoints(&[("se".to_owned(), url)], Tokens::Made);
    let run = cost(&place.run(cases));
    let file = File::open(place.path("reports/run.json")).expect("a run record");
    let record: Value = serde_json::from_reader(BufReader::new(file)).expect("JSON");
    let mut exchanged = Exchanged::default();
    for result in record["results"].as_array().into_iter().flatten() {
        for exchange in result["exchanges"].as_array().into_iter().flatten() {
            exchanged.add(exchange);
        }
    }
    let Exchanged {
        texts,
        headers,
        tokens,
    } = &exchanged;
    let secrets: Vec<_> = tokens.iter().map(|hash| token(hash)).collect();
    let learned = fastest(|| {
        let redactor = Redactor::default();
        secrets.iter().for_each(|secret| redactor.add(secret));
    });
    let redactor = Redactor::default();
    secrets.iter().for_each(|secret| redactor.add(secret));
    let searched = fastest(|| {
        for text in texts {
            std::hint::black_box(redactor.text(text));
        }
        for fields in headers {
            std::hint::black_box(redactor.headers(fields));
        }
    });
    let fields = headers.iter().flatten();
    let bytes: usize = texts.iter().map(String::len).sum::<usize>()
        + fields
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
    let share = (learned + searched).div_duration_f64(run.cpu);
    let percent = format!("{:.1} %", share * 100.0);
    let row = vec![
        "reference SE, key of a test issuer".to_owned(),
        secrets.len().to_string(),
        milliseconds(learned),
        texts.len().to_string(),
        headers.iter().map(Vec::len).sum::<usize>().to_string(),
        format!("{} kB", bytes / 1000),
        milliseconds(searched),
        milliseconds(run.cpu),
        percent.clone(),
    ];
    let header = [
        "",
        "tokens",
        "to learn them",
        "texts",
        "header fields",
        "size",
        "to search them",
        "CPU of the run",
        "share",
    ];
    page.table(
        "Redaction of what a full run has exchanged",
        &header,
        &[row],
    );
    page.target("redaction, of a run's CPU", "3 %", percent, share < SHARE);
}

/// What a redactor is given in a run, as it stands in the record.
#[derive(Default)]
struct Exchanged {
    texts: Vec<String>,
    headers: Vec<Vec<(String, String)>>,
    /// Digests of the tokens.
    tokens: BTreeSet<String>,
}

impl Exchanged {
    fn add(&mut self, exchange: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let names = ["url", "request_body", "response_body", "error"];
        self.texts
            .extend(names.iter().filter_map(|name| text(&exchange[*name])));
        for hop in exchange["hops"].as_array().into_iter().flatten() {
            self.texts.extend(
                ["url", "location"]
                    .iter()
                    .filter_map(|name| text(&hop[*name])),
            );
        }
        for side in ["request_headers", "response_headers"] {
            let fields = exchange[side].as_array().into_iter().flatten();
            let fields = fields.filter_map(|field| Some((text(&field[0])?, text(&field[1])?)));
            self.headers.push(fields.collect());
        }
        for token in ["token", "other"] {
            self.tokens.extend(text(&exchange[token]["hash"]));
        }
    }
}

/// A token as long as usual, another one for each seed.
fn token(seed: &str) -> SecretString {
    let blocks = (0_u8..).map(|block| Sha256::digest([seed.as_bytes(), &[block]].concat()));
    let noise: Vec<u8> = blocks.flatten().take(PAYLOAD + 64).collect();
    let (payload, signature) = noise.split_at(PAYLOAD);
    let [payload, signature] = [payload, signature].map(|part| URL_SAFE_NO_PAD.encode(part));
    SecretString::from(format!(
        "eyJhbGciOiJFUzI1NiIsImtpZCI6ImtleSJ9.{payload}.{signature}"
    ))
}

fn fastest(mut what: impl FnMut()) -> Duration {
    let times = (0..TIMES).map(|_| {
        let begun = Instant::now();
        what();
        begun.elapsed()
    });
    times.min().unwrap_or_default()
}
