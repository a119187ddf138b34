//! `traits: {read-only: …}`: the file that is there to be read.

use super::issuers::refused;
use super::paths;
use touchstone_model::Existing;
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::Entry;
use touchstone_yaml::suggestions::listed;
use touchstone_yaml::tree::Kind;

pub(super) const KEYS: [&str; 2] = ["file", "checksum"];

/// Reads `false`, or the file with its checksum.
pub(super) fn read(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Option<Existing>> {
    match entry.value.kind {
        Kind::Bool(false) => return Some(None),
        Kind::Map(_) => {}
        _ => {
            d.error(entry.mark(), "`read-only`: expected `false` or a mapping")
                .help(format!(
                    "nothing is written there, so a file that exists has to be named: the mapping has the keys {}",
                    listed(&KEYS)
                ));
            return None;
        }
    }
    let fields = entry.fields(d, "`read-only`", &KEYS)?;
    let path = fields.require(d, "file").and_then(|entry| file(d, entry));
    let adler32 = fields
        .require(d, "checksum")
        .and_then(|entry| checksum(d, entry));
    Some(Some(Existing {
        path: path?,
        adler32: adler32?,
    }))
}

fn file(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let text = entry.text(d)?;
    if text.ends_with('/') {
        d.error(entry.mark(), "this is a directory; a file is needed")
            .help("name a file of a few hundred bytes, by its path below the area");
        return None;
    }
    let path = refused(d, entry, paths::area(text))?;
    if path.matches('/').count() < 2 {
        d.error(entry.mark(), "the file lies directly in the area")
            .help("name one in a directory, so that scopes for that directory can be tried");
        return None;
    }
    Some(path)
}

/// Adler-32 in hexadecimal digits, as catalogues of files have it.
fn checksum(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<u32> {
    let text = entry.text(d)?;
    let help = "write it like adler32:0a1b2c3d";
    let Some((algorithm, digits)) = text.split_once(':') else {
        d.error(entry.mark(), "the checksum does not name its algorithm")
            .help(help);
        return None;
    };
    if !algorithm.eq_ignore_ascii_case("adler32") {
        d.error(
            entry.mark(),
            format!("`{}` is no algorithm known here", algorithm.escape_debug()),
        )
        .help(help);
        return None;
    }
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = (hex && digits.len() <= 8)
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten();
    if value.is_none() {
        d.error(entry.mark(), "an Adler-32 has up to 8 hexadecimal digits")
            .help(help);
    }
    value
}
