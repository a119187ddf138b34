//! Hosts where credentials may go, as globs.

use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};

/// The list below `key`.
pub(super) fn read(d: &mut Diagnostics<'_>, fields: &Fields<'_>, key: &str) -> Vec<String> {
    let items = fields
        .get(key)
        .and_then(|entry| entry.items(d))
        .unwrap_or_default();
    items
        .into_iter()
        .filter_map(|item| host_glob(d, item))
        .collect()
}

fn host_glob(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let glob = entry.text(d)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._*?[]{},!".contains(c);
    if !glob.chars().all(legal) {
        d.error(entry.mark(), "this is no pattern for a host")
            .help("write the host alone, such as `*.example.org`: no scheme, port or path");
        return None;
    }
    let matcher = match globset::Glob::new(glob) {
        Ok(parsed) => parsed.compile_matcher(),
        Err(error) => {
            d.error(
                entry.mark(),
                format!("this is no pattern: {}", error.kind()),
            );
            return None;
        }
    };
    // However it is written: hosts that have nothing in common.
    let strangers = [
        "gate.pool.example.net",
        "disk7.example.org",
        "se.hep.example.ch",
    ];
    if strangers
        .iter()
        .filter(|host| matcher.is_match(host))
        .count()
        > 1
    {
        d.note(entry.mark(), "this lets a redirect take tokens to any host");
    }
    Some(glob.to_owned())
}
