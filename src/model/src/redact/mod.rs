//! The one place that knows what is secret.
//!
//! Whoever obtains, reads or makes a secret tells the [`Redactor`]; whoever keeps or shows text that
//! came from outside asks it. Two nets lie one behind the other: the secrets that were told, in
//! every form in which they are likely to come back, and what looks like a credential though nobody
//! told of it.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

mod forms;
mod layer;
mod patterns;
mod steps;
mod windows;

use forms::Known;
use layer::Layer;
use steps::counted;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Header fields, in lower case, whose values are never kept.
const SECRET_HEADERS: [&str; 8] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "transferheaderauthorization",
    "x-api-key",
    "x-auth-token",
    "x-vault-token",
];

/// Names of header fields that nearly every exchange has, and that are not searched each time; their values are.
const USUAL_HEADERS: [&str; 12] = [
    "accept",
    "allow",
    "connection",
    "content-length",
    "content-type",
    "date",
    "depth",
    "destination",
    "etag",
    "last-modified",
    "server",
    "www-authenticate",
];

/// How often a text may have been escaped, less one, and is still understood.
const LAYERS: usize = 8;

/// Knows the secrets of this process and takes them out of text. Clones share what they know.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Known>>,
}

impl Redactor {
    /// Makes a secret known, from now on and for every clone.
    ///
    /// White space around it is no part of it. Fewer than four bytes are not taken: to black them
    /// out everywhere would tell what they are.
    pub fn add(&self, secret: &SecretString) {
        self.write(|known| known.add(secret.expose_secret()));
    }

    /// Makes a secret known together with the name that it belongs to, as Basic authentication
    /// sends the two (RFC 7617; RFC 6749 section 2.3.1 encodes each of them first).
    pub fn add_pair(&self, id: &str, secret: &SecretString) {
        self.write(|known| {
            known.add(secret.expose_secret());
            known.add_pair(id, secret.expose_secret());
        });
    }

    /// The text without any secret.
    pub fn text(&self, text: &str) -> String {
        let mut found = Vec::new();
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let mut layer = Some(Layer::of(text));
            for _ in 0..LAYERS {
                let Some(current) = layer else { break };
                known.find(current.bytes(), |hit| found.push(current.source(hit)));
                known.windows.find(&current, |hit| found.push(hit));
                patterns::find(current.bytes(), |hit| found.push(current.source(hit)));
                layer = current.unescaped();
            }
        }
        replace(text, found)
    }

    /// The header fields, each with name and value redacted; those that carry nothing but credentials
    /// keep only their names.
    pub fn headers(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        headers
            .iter()
            .map(|(name, value)| {
                let value = if secret_header(name) {
                    REDACTED.to_owned()
                } else {
                    self.text(value)
                };
                let name = match USUAL_HEADERS.contains(&name.as_str()) {
                    true => name.clone(),
                    false => self.text(name),
                };
                (name, value)
            })
            .collect()
    }

    fn write(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// Whether a header field carries nothing but a credential.
pub fn secret_header(name: &str) -> bool {
    SECRET_HEADERS
        .iter()
        .any(|secret| secret.eq_ignore_ascii_case(name))
}

/// Whether these bytes stand in a text, as they are, with escapes undone or in base64. No bytes stand nowhere.
pub fn stands_in(bytes: &[u8], text: &[u8]) -> bool {
    if bytes.is_empty() {
        return false;
    }
    let text = String::from_utf8_lossy(text);
    let within = |layer: &Layer<'_>| {
        let mut windows = counted(layer.bytes().windows(bytes.len()));
        windows.any(|window| window == bytes)
    };
    let mut layer = Some(Layer::of(&text));
    for _ in 0..LAYERS {
        let Some(current) = layer else { break };
        if within(&current) || windows::base64(&current).any(|layer| within(&layer)) {
            return true;
        }
        layer = current.unescaped();
    }
    false
}

/// Puts one [`REDACTED`] in the place of each run of ranges that overlap or touch.
fn replace(text: &str, mut found: Vec<Range<usize>>) -> String {
    if found.is_empty() {
        return text.to_owned();
    }
    found.sort_unstable_by_key(|range| range.start);
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    let mut ranges = found.into_iter().peekable();
    while let Some(mut range) = ranges.next() {
        while let Some(next) = ranges.next_if(|next| next.start <= range.end) {
            range.end = range.end.max(next.end);
        }
        let (start, end) = (
            text.floor_char_boundary(range.start),
            text.ceil_char_boundary(range.end),
        );
        clean.push_str(text.get(done..start).unwrap_or_default());
        clean.push_str(REDACTED);
        done = end;
    }
    clean.push_str(text.get(done..).unwrap_or_default());
    clean
}

#[cfg(test)]
mod tests;
