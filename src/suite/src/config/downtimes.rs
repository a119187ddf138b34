//! The `downtimes` of an inventory: what its author declares, and where others publish theirs.

use std::time::Duration;

use globset::Glob;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use url::Url;

use super::{limits, secrets};
use touchstone_model::{
    Affected, Downtime, DowntimeFeed, DowntimeSource, FeedKind, FeedPlace, Place,
};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::suggestions::suggestion;

pub(super) const KEYS: [&str; 9] = [
    "gocdb", "osg", "ca", "crl", "answer", "endpoint", "from", "until", "reason",
];
const FEEDS: [(&str, FeedKind); 2] = [("gocdb", FeedKind::Gocdb), ("osg", FeedKind::Osg)];
const OF_FEEDS: [&str; 3] = ["ca", "crl", "answer"];
const OF_DECLARED: [&str; 3] = ["from", "until", "reason"];
/// For a list, answer included.
const ANSWER: Duration = Duration::from_secs(20);
/// Characters of a reason that are kept.
const REASON: usize = 300;

/// Reads `downtimes`; `names` are those of the endpoints.
pub(super) fn read(
    d: &mut Diagnostics<'_>,
    file: &Fields<'_>,
    names: &[&str],
) -> Vec<DowntimeSource> {
    let items = file
        .get("downtimes")
        .filter(|entry| !entry.is_null())
        .and_then(|entry| entry.items(d))
        .unwrap_or_default();
    items
        .into_iter()
        .filter_map(|item| one(d, item, names))
        .collect()
}

fn one(d: &mut Diagnostics<'_>, entry: Entry<'_>, names: &[&str]) -> Option<DowntimeSource> {
    let fields = entry.fields(d, "a downtime", &KEYS)?;
    let kind = fields.one_of(d, &["endpoint", "gocdb", "osg"], true)?;
    let others: &[&str] = match kind.name {
        "endpoint" => &OF_FEEDS,
        _ => &OF_DECLARED,
    };
    for other in others.iter().filter_map(|name| fields.get(name)) {
        d.error(
            other.key,
            format!("`{}` has no meaning beside `{}`", other.name, kind.name),
        );
    }
    let feed = FEEDS.iter().find(|(name, _)| *name == kind.name);
    match feed {
        Some((_, feed)) => published(d, &fields, kind, *feed).map(DowntimeSource::Feed),
        None => declared(d, &fields, kind, names).map(DowntimeSource::Declared),
    }
}

fn published(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    entry: Entry<'_>,
    kind: FeedKind,
) -> Option<DowntimeFeed> {
    let text = entry.text(d)?;
    let place = if text.contains("://") {
        let url = Url::parse(text).ok().filter(|url| {
            url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
        });
        if url.is_none() {
            d.hide(entry.value);
            d.error(entry.key, format!("`{}` is no https URL", entry.name))
                .help("write https://…, without a user in it, or the path of a file");
        }
        FeedPlace::Url(url?)
    } else {
        FeedPlace::File(d.source.beside(text))
    };
    let ca = secrets::trust(d, fields);
    let answer = fields.get("answer").map(|entry| limits::one(d, entry));
    Some(DowntimeFeed {
        kind,
        place,
        ca: ca?,
        answer: answer.unwrap_or(Some(ANSWER))?,
    })
}

fn declared(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    entry: Entry<'_>,
    names: &[&str],
) -> Option<Downtime> {
    let patterns: Vec<_> = entry
        .one_or_more()
        .into_iter()
        .map(|entry| pattern(d, entry, names))
        .collect();
    let from = match fields.get("from") {
        Some(entry) => time(d, entry, false),
        None => Some(Timestamp::MIN),
    };
    let until_at = fields.require(d, "until");
    let until = until_at.and_then(|entry| time(d, entry, true));
    let reason = fields.require(d, "reason").and_then(|entry| entry.text(d));
    if let (Some(from), Some(until), Some(entry)) = (from, until, until_at)
        && until <= from
    {
        d.error(entry.mark(), "`until` is not after `from`")
            .help("a day alone counts as a whole");
        return None;
    }
    let place = Place {
        file: d.source.name.clone(),
        line: entry.key.at.line,
    };
    let reason: Vec<&str> = reason?.split_whitespace().collect();
    let patterns: Option<Vec<String>> = patterns.into_iter().collect();
    Some(Downtime {
        of: Affected::Endpoints(patterns?),
        from: from?,
        until: until?,
        reason: reason.join(" ").chars().take(REASON).collect(),
        source: place.to_string(),
    })
}

fn pattern(d: &mut Diagnostics<'_>, entry: Entry<'_>, names: &[&str]) -> Option<String> {
    let text = entry.text(d)?;
    let matcher = match Glob::new(text) {
        Ok(glob) => glob.compile_matcher(),
        Err(error) => {
            d.error(
                entry.mark(),
                format!("this is no pattern: {}", error.kind()),
            );
            return None;
        }
    };
    if !names.iter().any(|name| matcher.is_match(name)) {
        let draft = d.error(entry.mark(), format!("no endpoint matches `{text}`"));
        if let Some(help) = suggestion(text, names.iter().copied()) {
            draft.help(help);
        }
        return None;
    }
    Some(text.to_owned())
}

/// A point in time; of a day its first one, or with `end` the first one after it.
fn time(d: &mut Diagnostics<'_>, entry: Entry<'_>, end: bool) -> Option<Timestamp> {
    let text = entry.text(d)?;
    let day = || {
        let day: Date = text.parse().ok()?;
        // The length keeps out times of the day without an offset, which the parser would drop.
        (text.len() == "2027-01-31".len()).then_some(())?;
        let day = if end {
            day.checked_add(1.day()).ok()?
        } else {
            day
        };
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let time = text.parse().ok().or_else(day);
    if time.is_none() {
        d.error(entry.mark(), format!("`{text}` is no point in time"))
            .help("write it like 2027-01-31T08:00Z, or a day like 2027-01-31");
    }
    time
}
