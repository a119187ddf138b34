//! Downtimes as GOCDB and OSG topology publish them, both in XML from the network.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use roxmltree::{Document, Node, ParsingOptions};
use url::Url;

use super::one_line;
use touchstone_model::{Affected, Downtime, FeedKind, tangled};

/// Larger than any list of downtimes, in bytes.
pub const LARGEST: usize = 10 << 20;
/// More nodes than there are in any list of that size that makes sense.
const NODES: u32 = 1_000_000;
/// More downtimes than there are sites in the world.
const ENTRIES: usize = 100_000;
/// Characters of a description that are kept.
const DESCRIPTION: usize = 300;

/// What a list says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedDowntimes {
    /// Outages, whenever they are.
    pub downtimes: Vec<Downtime>,
    /// Entries that make no sense.
    pub unreadable: usize,
}

/// Reads a list.
///
/// # Errors
/// It is none of that kind.
pub fn read(kind: FeedKind, text: &str) -> Result<PublishedDowntimes, String> {
    if text.len() > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    if let Some(why) = tangled(text) {
        return Err(why.into());
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: NODES,
        ..ParsingOptions::default()
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = Document::parse_with_options(text, options).map_err(|error| {
        format!(
            "it is not well-formed XML ({})",
            one_line(&error.to_string(), DESCRIPTION)
        )
    })?;
    let root = document.root_element();
    let (expected, name, entry): (_, _, fn(Node<'_, '_>) -> Entry) = match kind {
        FeedKind::Gocdb => ("results", "DOWNTIME", gocdb),
        FeedKind::Osg => ("Downtimes", "Downtime", osg),
    };
    if root.tag_name().name() != expected {
        return Err(format!(
            "it is no list of downtimes of {}: it begins with <{}> instead of <{expected}>",
            kind.as_str(),
            one_line(root.tag_name().name(), 40)
        ));
    }
    let mut published = PublishedDowntimes::default();
    let entries = root.descendants().filter(|node| node.has_tag_name(name));
    for node in entries.take(ENTRIES) {
        match entry(node) {
            Entry::Outage(downtime) => published.downtimes.push(downtime),
            Entry::Harmless => {}
            Entry::Unreadable => published.unreadable += 1,
        }
    }
    Ok(published)
}

/// What an entry of a list says.
enum Entry {
    Outage(Downtime),
    /// Nothing that keeps storage from being judged.
    Harmless,
    Unreadable,
}

fn gocdb(node: Node<'_, '_>) -> Entry {
    // The other severity is WARNING: the service is there.
    if child(node, "SEVERITY") != Some("OUTAGE") {
        return Entry::Harmless;
    }
    let second = |name| Timestamp::from_second(child(node, name)?.parse().ok()?).ok();
    let affected = node.descendants().filter(|node| node.has_tag_name("URL"));
    let affected = affected.filter_map(|node| host_of(node.text()?.trim()));
    let own = child(node, "HOSTNAME").map(ToOwned::to_owned);
    let page = child(node, "GOCDB_PORTAL_URL").unwrap_or_default();
    outage(
        own.into_iter().chain(affected),
        (second("START_DATE"), second("END_DATE")),
        child(node, "DESCRIPTION"),
        format!("GOCDB {}", one_line(page, DESCRIPTION)),
    )
}

/// The host of a service endpoint: people write URLs of all kinds, hosts with a port, and hosts alone.
fn host_of(endpoint: &str) -> Option<String> {
    let url = match endpoint.contains("://") {
        true => Url::parse(endpoint).ok()?,
        false => Url::parse(&format!("https://{endpoint}")).ok()?,
    };
    let host = url.host_str()?;
    // A word such as "n/a" is no host.
    (endpoint.contains("://") || host.contains(['.', ':'])).then(|| host.to_owned())
}

fn osg(node: Node<'_, '_>) -> Entry {
    // "Intermittent Outage" and "No Significant Outage Expected" leave the service there.
    if !matches!(child(node, "Severity"), Some("Outage" | "Severe")) {
        return Entry::Harmless;
    }
    let name = child(node, "ResourceName").unwrap_or_default();
    let time = |name| osg_time(child(node, name)?);
    outage(
        child(node, "ResourceFQDN")
            .map(ToOwned::to_owned)
            .into_iter(),
        (time("StartTime"), time("EndTime")),
        child(node, "Description"),
        format!("OSG topology, resource {}", one_line(name, 80)),
    )
}

fn outage(
    hosts: impl Iterator<Item = String>,
    (from, until): (Option<Timestamp>, Option<Timestamp>),
    description: Option<&str>,
    source: String,
) -> Entry {
    let mut hosts: Vec<String> = hosts.map(|host| plain_host(&host)).collect();
    hosts.retain(|host| !host.is_empty());
    hosts.sort_unstable();
    hosts.dedup();
    match (from, until) {
        (Some(from), Some(until)) if from < until && !hosts.is_empty() => Entry::Outage(Downtime {
            of: Affected::Hosts(hosts),
            from,
            until,
            reason: one_line(description.unwrap_or("no description"), DESCRIPTION),
            source: source.trim_end().to_owned(),
        }),
        _ => Entry::Unreadable,
    }
}

/// Such as `Nov 22, 2026 20:00 PM UTC`: hours to 24 and the half of the day as well.
fn osg_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let text = text
        .strip_suffix("UTC")
        .or(text.strip_suffix("GMT"))?
        .trim_end();
    let (text, afternoon) = match (text.strip_suffix("AM"), text.strip_suffix("PM")) {
        (Some(text), _) => (text.trim_end(), Some(false)),
        (_, Some(text)) => (text.trim_end(), Some(true)),
        _ => (text, None),
    };
    let time = DateTime::strptime("%b %d, %Y %H:%M", text).ok()?;
    let hour = match (time.hour(), afternoon) {
        (hour @ 1..=11, Some(true)) => hour + 12,
        (12, Some(false)) => 0,
        (hour, _) => hour,
    };
    let time = time
        .date()
        .to_datetime(Time::new(hour, time.minute(), 0, 0).ok()?);
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = node.children().find(|node| node.has_tag_name(name))?;
    child.text().map(str::trim).filter(|text| !text.is_empty())
}

/// A host as URLs have it.
pub fn plain_host(host: &str) -> String {
    host.trim().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
