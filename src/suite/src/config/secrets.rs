//! Where secrets are, never what they are.

use std::path::PathBuf;

use secrecy::SecretString;

use touchstone_model::{SecretRef, Trust};
use touchstone_yaml::diagnostics::{Diagnostics, Draft};
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::tree::Kind;

/// The name of an environment variable.
fn variable(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match &entry.value.kind {
        Kind::Text(name)
            if name.chars().all(legal) && name.starts_with(|c: char| !c.is_ascii_digit()) =>
        {
            Some(name.to_owned())
        }
        _ => {
            unshown(d, entry, "name of an environment variable")
                .help("name the variable that holds it, such as TOUCHSTONE_SECRET, without `$`");
            None
        }
    }
}

/// Names of environment variables.
pub(super) fn variables(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Vec<String>> {
    let names: Vec<_> = entry
        .one_or_more()
        .into_iter()
        .map(|entry| variable(d, entry))
        .collect();
    names.into_iter().collect()
}

/// Refuses a value that may be the secret itself.
fn unshown<'d>(d: &'d mut Diagnostics<'_>, entry: Entry<'_>, what: &str) -> &'d mut Draft {
    d.hide(entry.value);
    d.error(
        entry.key,
        format!("the value of `{}` is no {what}", entry.name),
    )
}

/// A path, relative to the folder of the file.
pub(super) fn file(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<PathBuf> {
    let path = entry.text(d)?;
    if path.starts_with("~/") || path.contains('$') {
        d.error(
            entry.mark(),
            "neither `~` nor variables are expanded in paths",
        )
        .help("write the path out; it may be relative to the folder of this file");
        return None;
    }
    Some(d.source.beside(path))
}

/// The secret that is named under `<what>-env` or `<what>-file`.
pub(super) fn of(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<SecretRef> {
    if entry.name.ends_with("-env") {
        variable(d, entry).map(SecretRef::Env)
    } else if !matches!(&entry.value.kind, Kind::Text(path) if !path.starts_with("eyJ")) {
        unshown(d, entry, "path of a file").help("name the file that holds it");
        None
    } else {
        file(d, entry).map(SecretRef::File)
    }
}

/// A client's id, which is no secret and may stand in the file.
pub(super) fn client_id(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<SecretRef> {
    let entry = fields.one_of(d, &["id", "id-env", "id-file"], true)?;
    if entry.name == "id" {
        return entry
            .text(d)
            .map(|id| SecretRef::Held(SecretString::from(id)));
    }
    of(d, entry)
}

/// What `crl` says.
pub(super) const LISTS: [(&str, ToTrust); 2] =
    [("strict", Trust::Path), ("lenient", Trust::Lenient)];
type ToTrust = fn(PathBuf) -> Trust;

/// A path or a list of them, and what is to be done about revocation lists that are out of date.
pub(super) fn trust(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Vec<Trust>> {
    let trust: ToTrust = match fields.get("crl") {
        Some(entry) => entry.word(d, &LISTS)?,
        None => Trust::Path,
    };
    let Some(entry) = fields.get("ca") else {
        if let Some(entry) = fields.get("crl") {
            d.error(entry.key, "`crl` stands beside no `ca`")
                .help("it is about the revocation lists in a directory that `ca` names");
            return None;
        }
        return Some(Vec::new());
    };
    let paths: Vec<Option<Trust>> = entry
        .one_or_more()
        .into_iter()
        .map(|entry| file(d, entry).map(trust))
        .collect();
    paths.into_iter().collect()
}
