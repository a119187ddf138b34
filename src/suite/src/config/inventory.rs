use std::sync::Arc;

use super::catalogue::Catalogue;
use super::{downtimes, endpoints, issuers};
use touchstone_model::Inventory;
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields, names_secret};
use touchstone_yaml::parse as yaml;
use touchstone_yaml::problem::{Problem, Problems};
use touchstone_yaml::source::{SourceFile, lines};
use touchstone_yaml::tree::Kind;

pub(super) const KEYS: [&str; 5] = ["issuers", "endpoints", "downtimes", "oauth", "oidc-agent"];

/// A file that could be read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub inventory: Inventory,
    /// What its author may want to know.
    pub notes: Vec<Problem>,
}

/// Reads `endpoints.yaml`, or the file of the reference suite, which is a part of the same language.
///
/// Relative paths in it start at the file's folder. Cases of `known-failures` are looked up in the
/// catalogue.
pub fn load_inventory(source: &SourceFile, catalogue: &Catalogue) -> Result<Loaded, Problems> {
    let mut d = Diagnostics::discreet(source);
    let inventory = match yaml::parse(&mut d) {
        Some(root) if root.kind == Kind::Null => {
            d.error(None, "the file is empty")
                .help("it needs the key `endpoints`; the README has an example");
            None
        }
        Some(root) => Entry::root(&root)
            .fields(&mut d, "the file", &KEYS)
            .map(|file| read(&mut d, &file, catalogue)),
        None => {
            if may_hold_secret(source) {
                d.hide_all();
            }
            None
        }
    };
    let (problems, notes) = d.finish();
    Problems::none_of(problems).map(|()| Loaded {
        inventory: inventory.unwrap_or_default(),
        notes,
    })
}

fn read(d: &mut Diagnostics<'_>, file: &Fields<'_>, catalogue: &Catalogue) -> Inventory {
    let issuers = issuers::read(d, file, catalogue);
    if let Some(entry) = file.get("oidc-agent") {
        d.note(entry.key, "`oidc-agent` is not used")
            .help("name the source of the tokens under `issuers`");
    }
    let endpoints = file
        .require(d, "endpoints")
        .filter(|entry| {
            let empty = match &entry.value.kind {
                Kind::Map(entries) => entries.is_empty(),
                kind => *kind == Kind::Null,
            };
            if empty {
                d.error(entry.mark(), "there is no endpoint in `endpoints`")
                    .help("each is a name with at least the keys `endpoint` and `paths`");
            }
            !empty
        })
        .and_then(|entry| entry.named(d));
    let endpoints = endpoints.unwrap_or_default();
    let names: Vec<&str> = endpoints.iter().map(|entry| entry.name).collect();
    let downtimes = downtimes::read(d, file, &names);
    let endpoints = endpoints
        .iter()
        .filter_map(|entry| endpoints::read(d, *entry, &names, &issuers, catalogue))
        .map(Arc::new)
        .collect();
    Inventory {
        issuers: issuers.all,
        endpoints,
        downtimes,
    }
}

/// Whether a file that is no YAML looks as if a secret stood in it.
fn may_hold_secret(source: &SourceFile) -> bool {
    let mut reference = false;
    lines(source.body()).into_iter().any(|line| {
        if line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            // `oauth: {token: …}` of the reference suite holds none.
            reference = line.starts_with("oauth:");
        }
        !reference && keys(line).any(names_secret)
    })
}

/// The words before the colons of a line.
fn keys(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices(':').filter_map(|(colon, _)| {
        let before = line.get(..colon)?.trim_end_matches(['"', '\'', ' ', '\t']);
        before
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            .next()
    })
}
