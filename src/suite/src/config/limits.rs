//! How gently and how long endpoints and issuers are asked.

use std::time::Duration;

use touchstone_model::{IssuerLimits, Limits};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::tree::Kind;

pub(super) const KEYS: [&str; 10] = [
    "jobs",
    "rate",
    "preflight",
    "connect",
    "first-byte",
    "idle",
    "transfer",
    "case",
    "endpoint",
    "body",
];

pub(super) const ISSUER_KEYS: [&str; 3] = ["rate", "answer", "patience"];

/// Longer than any run, and short enough for every clock.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reads `limits`; what it does not name keeps its default.
pub(super) fn read(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Limits> {
    let fields = entry.fields(d, "`limits`", &KEYS)?;
    let usual = Limits::default();
    Some(Limits {
        jobs: count(d, &fields, "jobs", usual.jobs),
        rate: rate(d, &fields, usual.rate),
        preflight: duration(d, &fields, "preflight", usual.preflight),
        connect: duration(d, &fields, "connect", usual.connect),
        first_byte: duration(d, &fields, "first-byte", usual.first_byte),
        idle: duration(d, &fields, "idle", usual.idle),
        transfer: duration(d, &fields, "transfer", usual.transfer),
        case: duration(d, &fields, "case", usual.case),
        endpoint: duration(d, &fields, "endpoint", usual.endpoint),
        body: count(d, &fields, "body", usual.body),
        lapse: usual.lapse,
    })
}

/// Reads `limits` of an issuer.
pub(super) fn of_issuer(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<IssuerLimits> {
    let fields = entry.fields(d, "`limits` of an issuer", &ISSUER_KEYS)?;
    let usual = IssuerLimits::default();
    Some(IssuerLimits {
        rate: rate(d, &fields, usual.rate),
        answer: duration(d, &fields, "answer", usual.answer),
        patience: duration(d, &fields, "patience", usual.patience),
    })
}

// A problem ends the loading, so that what is used in a wrong value's place does not matter.

fn count(d: &mut Diagnostics<'_>, fields: &Fields<'_>, name: &str, usual: usize) -> usize {
    fields
        .get(name)
        .and_then(|entry| entry.count(d))
        .unwrap_or(usual)
}

fn rate(d: &mut Diagnostics<'_>, fields: &Fields<'_>, usual: u32) -> u32 {
    let rate = count(d, fields, "rate", usual as usize);
    u32::try_from(rate).unwrap_or(u32::MAX)
}

fn duration(d: &mut Diagnostics<'_>, fields: &Fields<'_>, name: &str, usual: Duration) -> Duration {
    fields
        .get(name)
        .and_then(|entry| one(d, entry))
        .unwrap_or(usual)
}

/// Reads one duration.
pub(super) fn one(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Duration> {
    if let Kind::Integer(number) = entry.value.kind {
        d.error(entry.mark(), format!("`{}` needs a unit", entry.name))
            .help(format!("write `{number}s` for seconds"));
        return None;
    }
    let text = entry.text(d)?;
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() => {
            d.error(entry.mark(), format!("`{}` cannot be zero", entry.name));
            None
        }
        Ok(duration) if duration > LONGEST => {
            d.error(entry.mark(), format!("`{}` is at most 7 days", entry.name));
            None
        }
        Ok(duration) => Some(duration),
        Err(_) => {
            d.error(entry.mark(), format!("`{text}` is no duration"))
                .help("write it like `500ms`, `10s` or `2m`");
            None
        }
    }
}
