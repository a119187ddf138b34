//! The `known-failures` of endpoints and issuers.

use std::sync::Arc;

use jiff::civil::Date;

use super::catalogue::Catalogue;
use touchstone_model::{CaseId, KnownFailure, Place};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::suggestions::suggestion;
use touchstone_yaml::tree::Kind;

pub(super) const KEYS: [&str; 4] = ["case", "reason", "ticket", "expires"];

/// Whose failures they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Endpoint,
    Issuer,
}

/// Reads `known-failures`.
pub(super) fn read(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    of: Of,
    catalogue: &Catalogue,
) -> Vec<KnownFailure> {
    let items = fields
        .get("known-failures")
        .and_then(|entry| entry.items(d))
        .unwrap_or_default();
    let mut failures: Vec<KnownFailure> = Vec::new();
    for item in items {
        let Some(failure) = one(d, item, of, catalogue) else {
            continue;
        };
        if let Some(first) = failures.iter().find(|first| first.case == failure.case) {
            d.error(
                item.key,
                format!(
                    "`{}` is known already, on line {}",
                    failure.case, first.at.line
                ),
            );
        }
        failures.push(failure);
    }
    failures
}

fn one(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    of: Of,
    catalogue: &Catalogue,
) -> Option<KnownFailure> {
    let fields = entry.fields(d, "a known failure", &KEYS)?;
    let case = fields
        .require(d, "case")
        .and_then(|entry| case(d, entry, of, catalogue));
    let reason = fields.require(d, "reason").and_then(|entry| entry.text(d));
    let ticket = fields
        .get("ticket")
        .and_then(|entry| match entry.value.kind {
            Kind::Integer(number) => Some(number.to_string()),
            _ => entry.text(d).map(ToOwned::to_owned),
        });
    let expires = fields.get("expires").and_then(|entry| date(d, entry));
    Some(KnownFailure {
        case: case?,
        reason: reason?.to_owned(),
        ticket,
        expires,
        at: Place {
            file: Arc::clone(&d.source.name),
            line: entry.key.at.line,
        },
    })
}

fn case(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    of: Of,
    catalogue: &Catalogue,
) -> Option<CaseId> {
    let text = entry.text(d)?;
    if text.contains(['*', '?', '[']) {
        d.error(entry.mark(), "a known failure names one case, not several")
            .help("a pattern would hide failures that nobody knows yet");
        return None;
    }
    let id: Option<CaseId> = text.parse().ok();
    let Some(case) = id.as_ref().and_then(|id| catalogue.case(id)) else {
        let draft = d.error(entry.mark(), format!("there is no case `{text}`"));
        match suggestion(text, catalogue.cases().map(|case| case.id.as_str())) {
            Some(help) => draft.help(help),
            None => draft.help("`touchstone list cases` shows them"),
        };
        return None;
    };
    let about_issuers = !case.asks.is_empty();
    if about_issuers != (of == Of::Issuer) {
        let (about, place) = match about_issuers {
            true => ("issuers", "an issuer's entry below `issuers`"),
            false => ("storage", "an endpoint's entry below `endpoints`"),
        };
        d.error(entry.mark(), format!("`{text}` is about {about}"))
            .help(format!("it is known to fail in {place}"));
        return None;
    }
    id
}

fn date(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Date> {
    let text = entry.text(d)?;
    // The length keeps out times of the day, which the parser would drop.
    let date = text
        .parse()
        .ok()
        .filter(|_| text.len() == "2027-01-31".len());
    if date.is_none() {
        d.error(entry.mark(), format!("`{text}` is no day"))
            .help("write it like 2027-01-31");
    }
    date
}
