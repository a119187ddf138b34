use std::collections::{HashMap, HashSet};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

use super::REDACTED;
use super::steps::counted;
use super::windows::Windows;

/// By how many bytes forms are looked up; nothing shorter is taken.
const HEAD: usize = 4;
/// Letters and digits by which a secret is told whatever stands between them.
const ENOUGH: usize = 16;
/// Characters of base64 that stand for three bytes.
const QUANTUM: usize = 4;

/// The secrets that were told: pieces of the long ones, and the forms in which short ones may come back.
#[derive(Default)]
pub(super) struct Known {
    by_head: HashMap<[u8; HEAD], Vec<Form>>,
    /// Whether some form starts with these two bytes: spares nearly every look into the map.
    starts: Starts,
    /// Pieces of them.
    pub(super) windows: Windows,
    /// Digests of what was taken in: tokens of one issuer begin alike, and comparing each with all takes long.
    taken: HashSet<[u8; 32]>,
}

/// What was taken in.
#[derive(Clone, Copy)]
enum Taken {
    Secret,
    Form,
}

/// One spelling of a secret.
struct Form {
    bytes: SecretSlice<u8>,
    /// Whether it is base64, in which the neighbouring characters hold bits of it as well.
    base64: bool,
}

impl Known {
    /// Takes a secret in.
    pub(super) fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if REDACTED.contains(secret) || !self.is_new(Taken::Secret, secret.as_bytes()) {
            return;
        }
        let own = confidential(secret);
        self.windows.add(&own.concat());
        // A wrap is one of many places where a key is cut: in logs each line stands alone.
        own.iter().for_each(|line| self.windows.add(line));
        if is_short(secret) {
            self.insert_text(secret);
            self.insert_base64(secret.as_bytes());
            self.insert_base64(form_encoded(secret).as_bytes());
        }
    }

    /// Takes in what Basic authentication makes of a name and a secret.
    pub(super) fn add_pair(&mut self, id: &str, secret: &str) {
        let secret = secret.trim();
        if is_short(secret) {
            self.insert_base64(format!("{id}:{secret}").as_bytes());
            self.insert_base64(format!("{}:{}", form_encoded(id), form_encoded(secret)).as_bytes());
        }
    }

    /// Tells where a short secret stands in full.
    pub(super) fn find(&self, text: &[u8], mut hit: impl FnMut(Range<usize>)) {
        if self.by_head.is_empty() {
            return;
        }
        for (at, head) in counted(text.array_windows::<HEAD>()).enumerate() {
            if !self.starts.contains(*head) {
                continue;
            }
            for form in counted(self.by_head.get(head).into_iter().flatten()) {
                let bytes = form.bytes.expose_secret();
                let end = at + bytes.len();
                let same = counted(bytes.iter().zip(&text[at..])).all(|(one, other)| one == other);
                if same && end <= text.len() {
                    hit(if form.base64 {
                        base64_around(text, at..end)
                    } else {
                        at..end
                    });
                }
            }
        }
    }

    /// A secret of one line as it is, and as forms, Rust and JSON spell it.
    fn insert_text(&mut self, secret: &str) {
        self.insert(secret.as_bytes(), false);
        self.insert(secret.replace(' ', "+").as_bytes(), false);
        self.insert(secret.escape_debug().to_string().as_bytes(), false);
        self.insert(json_escaped(secret).as_bytes(), false);
    }

    /// The three ways in which base64 can fall on the bytes, in both alphabets, without the
    /// characters that depend on the neighbours.
    fn insert_base64(&mut self, bytes: &[u8]) {
        for before in 0..3 {
            let mut shifted = vec![0; before];
            shifted.extend_from_slice(bytes);
            let first = (before * 8).div_ceil(6);
            let last = shifted.len() * 8 / 6;
            for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                if let Some(certain) = alphabet.encode(&shifted).as_bytes().get(first..last) {
                    self.insert(certain, true);
                }
            }
        }
    }

    fn insert(&mut self, bytes: &[u8], base64: bool) {
        let Some(head) = bytes.first_chunk::<HEAD>() else {
            return;
        };
        if self.is_new(Taken::Form, bytes) {
            self.by_head.entry(*head).or_default().push(Form {
                bytes: SecretSlice::from(bytes.to_vec()),
                base64,
            });
            self.starts.insert(*head);
        }
    }

    /// Whether it is the first time, from now on not any more.
    fn is_new(&mut self, what: Taken, bytes: &[u8]) -> bool {
        let mut digest = Sha256::new();
        digest.update([what as u8]);
        digest.update(bytes);
        self.taken.insert(digest.finalize().into())
    }
}

/// A set of pairs of bytes.
struct Starts(Vec<bool>);

impl Starts {
    fn insert(&mut self, head: [u8; HEAD]) {
        if let Some(start) = self.0.get_mut(Self::index(head)) {
            *start = true;
        }
    }

    fn contains(&self, head: [u8; HEAD]) -> bool {
        self.0.get(Self::index(head)).copied().unwrap_or_default()
    }

    fn index(head: [u8; HEAD]) -> usize {
        usize::from(u16::from_be_bytes([head[0], head[1]]))
    }
}

impl Default for Starts {
    fn default() -> Self {
        Self(vec![false; 1 << 16])
    }
}

/// Whether a secret has so few letters and digits that these may not tell it.
fn is_short(secret: &str) -> bool {
    let letters = |line: &&str| line.bytes().filter(u8::is_ascii_alphanumeric).count();
    confidential(secret).iter().map(letters).sum::<usize>() < ENOUGH
}

/// The lines of a secret without what everybody may see of it: the armour of PEM (RFC 7468), and with what the header of a JWS or JWE
/// (RFC 7515 section 4) begins, which is its algorithm and the same for many.
fn confidential(secret: &str) -> Vec<&str> {
    /// Characters of base64 for `{"alg":"ES256"`.
    const ALGORITHM: usize = 19;
    let own = match secret.split_at_checked(ALGORITHM) {
        Some((header, rest)) if header.starts_with("eyJ") && rest.contains('.') => rest,
        _ => secret,
    };
    let lines = own.lines().map(str::trim);
    lines.filter(|line| !line.starts_with("-----")).collect()
}

/// The range with the base64 beside it that may hold bits of the same bytes, padding included.
fn base64_around(text: &[u8], range: Range<usize>) -> Range<usize> {
    let legal = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let before = counted(text[..range.start].iter().rev().take(QUANTUM));
    let after = counted(text[range.end..].iter().take(QUANTUM));
    range.start - before.take_while(legal).count()..range.end + after.take_while(legal).count()
}

/// As `application/x-www-form-urlencoded` has it (RFC 6749 appendix B).
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_default()
        .to_owned()
}
