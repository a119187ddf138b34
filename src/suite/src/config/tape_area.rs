//! `traits: {tape: …}`: what of an endpoint goes to tape.

use super::issuers::refused;
use super::paths;
use touchstone_model::Tape;
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::tree::Kind;

pub(super) const KEYS: [&str; 2] = ["path", "file"];
const HELP: &str = "write `tape: {path: /nearline, file: /nearline/some-file}`, both below the area: a directory where the cases may write and whose files go to tape, and a file that is on tape already";

/// Reads `false`, or the path and the file.
pub(super) fn read(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Option<Tape>> {
    match entry.value.kind {
        Kind::Bool(false) => return Some(None),
        Kind::Map(_) => {}
        _ => {
            d.error(entry.mark(), "`tape`: expected `false` or a mapping")
                .help(HELP);
            return None;
        }
    }
    let fields = entry.fields(d, "`tape`", &KEYS)?;
    let [path, file] = KEYS.map(|key| below_area(d, &fields, key));
    Some(Some(Tape {
        path: path?,
        file: file?,
    }))
}

fn below_area(d: &mut Diagnostics<'_>, fields: &Fields<'_>, key: &str) -> Option<String> {
    let entry = fields.require(d, key)?;
    let text = entry.text(d)?;
    if key == "file" && text.ends_with('/') {
        d.error(entry.mark(), "this is a directory; a file is needed");
        return None;
    }
    let path = refused(d, entry, paths::area(text))?;
    if path.is_empty() {
        d.error(entry.mark(), format!("`{key}` cannot be the whole area"))
            .help(HELP);
        return None;
    }
    Some(path)
}
