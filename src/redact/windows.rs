//! Pieces of secrets, in whatever a server has made of them.
//!
//! Text and secrets are brought into one form: letters and digits alone, in lower case, with escapes undone. Line wraps, spaces,
//! quotes, masks, cases, JSON, HTML and URLs make no difference there. Codings of bytes (hexadecimal, base64, lists of numbers)
//! are undone beside it. A piece as long as a window gives a secret away wherever it stands.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::steps::counted;

/// Characters of a window, at most.
const WINDOW: usize = 12;
/// From one window of a secret to the next, so that each piece of 16 characters has one in it.
const STRIDE: usize = 5;
/// Nothing shorter is told by a piece.
const SHORTEST: usize = 8;
/// How often base64 may have been applied.
const TWICE: usize = 2;
/// Bits of the sieve before the windows themselves.
const SIEVE: u32 = 22;

/// All windows of all secrets, by their length.
#[derive(Default)]
pub(super) struct Windows(BTreeMap<usize, Pieces>);

struct Pieces {
    all: HashSet<u128>,
    sieve: Vec<u64>,
}

/// Characters that count, each with the part of the text that it stems from.
#[derive(Default)]
struct Canonical {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

/// A character of a text with its escapes undone.
struct Unescaped {
    byte: u8,
    place: Range<usize>,
}

impl Windows {
    /// Takes a secret in.
    pub(super) fn add(&mut self, secret: &str) {
        let plain: Vec<u8> = secret.bytes().filter_map(letter).collect();
        let length = match plain.len() {
            0..SHORTEST => return,
            short @ SHORTEST..16 => SHORTEST.max(short - 4),
            _ => WINDOW,
        };
        let stride = if length < WINDOW { 1 } else { STRIDE };
        let pieces = self.0.entry(length).or_default();
        let turned = plain.iter().map(|byte| match byte {
            b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
            digit => *digit,
        });
        let forms = [
            turned.collect(),
            plain.iter().rev().copied().collect(),
            plain,
        ];
        for form in &forms {
            let last = form.len() - length;
            let starts = (0..=last).step_by(stride).chain([last]);
            for start in starts {
                pieces.insert(&form[start..start + length]);
            }
        }
    }

    /// Tells where a piece of a secret stands.
    pub(super) fn find(&self, text: &[u8], mut hit: impl FnMut(Range<usize>)) {
        if self.0.is_empty() {
            return;
        }
        let unescaped = unescaped(text);
        let plain = Canonical::of(&unescaped);
        self.search(&plain, &mut hit);
        for digits in runs(&plain, |byte| byte.is_ascii_hexdigit()) {
            for phase in 0..2 {
                self.search(
                    &plain.bytes_of_hex(digits.start + phase..digits.end),
                    &mut hit,
                );
            }
        }
        self.search_numbers(text, &mut hit);
        self.search_base64(&unescaped, TWICE, &mut hit);
    }

    fn search(&self, text: &Canonical, hit: &mut impl FnMut(Range<usize>)) {
        for (length, pieces) in &self.0 {
            let mask = (1_u128 << (8 * length)) - 1;
            let mut window = 0_u128;
            for (at, byte) in counted(text.bytes.iter()).enumerate() {
                window = (window << 8 | u128::from(*byte)) & mask;
                if at + 1 >= *length && pieces.contains(window) {
                    hit(text.places[at + 1 - length].start..text.places[at].end);
                }
            }
        }
    }

    /// `[101, 121, 74]`, and what else has numbers of bytes one after another.
    fn search_numbers(&self, text: &[u8], hit: &mut impl FnMut(Range<usize>)) {
        let mut run = Canonical::default();
        let mut end = 0;
        let mut at = 0;
        while at < text.len() {
            let digits = counted(text[at..].iter().take(4))
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            let next = at + digits.max(1);
            if digits == 0 && !text[at].is_ascii_alphabetic() {
                at = next;
                continue;
            }
            let number = str::from_utf8(&text[at..at + digits]).ok();
            let byte = number.and_then(|number| number.parse::<u8>().ok());
            let apart = at - end;
            if byte.is_none() || apart > 4 || apart == 0 {
                self.search(&std::mem::take(&mut run), hit);
            }
            if let Some(byte) = byte {
                run.push(byte, &(at..next));
                end = next;
            }
            at = next;
        }
        self.search(&run, hit);
    }

    fn search_base64(&self, text: &[Unescaped], times: usize, hit: &mut impl FnMut(Range<usize>)) {
        let mut rest = text;
        while let Some(start) = counted(rest.iter()).position(|one| sextet(one.byte).is_some()) {
            let wrapped = |one: &&Unescaped| sextet(one.byte).is_some() || one.byte <= b' ';
            let length = counted(rest[start..].iter()).take_while(wrapped).count();
            let run = &rest[start..start + length];
            rest = &rest[start + length..];
            let sextets: Vec<_> = run.iter().filter(|one| one.byte > b' ').collect();
            // Base64 of text has letters of both cases; paths and names, of which most texts consist, have one.
            let has = |legal: fn(&u8) -> bool| sextets.iter().any(|one| legal(&one.byte));
            let both = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
            if sextets.len() < SHORTEST + 2 || !both {
                continue;
            }
            for phase in 0..4 {
                let decoded: Vec<_> = counted(sextets[phase..].chunks_exact(4))
                    .flat_map(octets)
                    .collect();
                self.search(&Canonical::of(&decoded), hit);
                let again = decoded.iter().filter(|one| sextet(one.byte).is_some());
                if times > 1 && 2 * again.count() >= decoded.len() {
                    self.search_base64(&decoded, times - 1, hit);
                }
            }
        }
    }
}

impl Default for Pieces {
    fn default() -> Self {
        Self {
            all: HashSet::new(),
            sieve: vec![0; 1 << (SIEVE - 6)],
        }
    }
}

impl Pieces {
    fn insert(&mut self, piece: &[u8]) {
        let window = piece
            .iter()
            .fold(0, |window, byte| window << 8 | u128::from(*byte));
        let (word, bit) = place(window);
        self.sieve[word] |= bit;
        self.all.insert(window);
    }

    fn contains(&self, window: u128) -> bool {
        let (word, bit) = place(window);
        self.sieve[word] & bit != 0 && self.all.contains(&window)
    }
}

/// Where the sieve has a window: a word, and a bit of it.
fn place(window: u128) -> (usize, u64) {
    // Fibonacci hashing, of both halves.
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let [high, low] = [window >> 64, window & u128::from(u64::MAX)];
    let both = high.wrapping_mul(u128::from(GOLDEN)) ^ low;
    let mixed = (both as u64 ^ (both >> 64) as u64).wrapping_mul(GOLDEN) >> (64 - SIEVE);
    ((mixed >> 6) as usize, 1 << (mixed & 63))
}

impl Canonical {
    fn of(text: &[Unescaped]) -> Self {
        let mut canonical = Self::default();
        for one in counted(text.iter()) {
            canonical.push(one.byte, &one.place);
        }
        canonical
    }

    fn push(&mut self, byte: u8, place: &Range<usize>) {
        if let Some(letter) = letter(byte) {
            self.bytes.push(letter);
            self.places.push(place.clone());
        }
    }

    /// What pairs of hexadecimal digits stand for.
    fn bytes_of_hex(&self, digits: Range<usize>) -> Self {
        let mut decoded = Self::default();
        let pairs = self.bytes[digits.clone()].chunks_exact(2);
        for (pair, at) in counted(pairs).zip((digits.start..).step_by(2)) {
            if let Some(byte) = hex(pair) {
                decoded.push(byte, &(self.places[at].start..self.places[at + 1].end));
            }
        }
        decoded
    }
}

/// The longest parts of a text that have only such characters, and are long enough to hold a piece.
fn runs(text: &Canonical, legal: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for (at, byte) in counted(text.bytes.iter()).chain([&b' ']).enumerate() {
        if !legal(*byte) {
            if at - start >= 2 * SHORTEST {
                runs.push(start..at);
            }
            start = at + 1;
        }
    }
    runs
}

/// The letter or digit in lower case; everything else makes no difference.
fn letter(byte: u8) -> Option<u8> {
    byte.is_ascii_alphanumeric()
        .then(|| byte.to_ascii_lowercase())
}

/// The text with the escapes of URLs, HTML, JSON, C and Rust undone, however often they were applied.
fn unescaped(text: &[u8]) -> Vec<Unescaped> {
    let mut all = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let (byte, length) = match text[at] {
            b'%' => percent(&text[at..]),
            b'&' => entity(&text[at..]),
            b'\\' => backslash(&text[at..]),
            byte => (Some(byte), 1),
        };
        if let Some(byte) = byte {
            all.push(Unescaped {
                byte,
                place: at..at + length,
            });
        }
        at += length;
    }
    all
}

/// `%2d`, `%252d`, `%25252d`.
fn percent(text: &[u8]) -> (Option<u8>, usize) {
    let mut at = 1;
    let digits = |at: usize| text.get(at..at + 2).and_then(hex);
    while digits(at) == Some(b'%') && digits(at + 2).is_some() {
        at += 2;
    }
    match digits(at) {
        Some(byte) => (Some(byte), at + 2),
        None => (None, 1),
    }
}

/// `&#45;`, `&#x2d;`, `&amp;#45;`; a name stands for no letter.
fn entity(text: &[u8]) -> (Option<u8>, usize) {
    const AMP: &[u8] = b"amp;";
    /// Longer than any name or number that matters.
    const LONGEST: usize = 8;
    let mut at = 1;
    while text[at..].starts_with(AMP) {
        at += AMP.len();
    }
    let rest = &text[at..];
    let Some(end) = counted(rest.iter().take(LONGEST)).position(|byte| *byte == b';') else {
        return (None, at);
    };
    let name = str::from_utf8(&rest[..end]).unwrap_or_default();
    let number = name.strip_prefix('#');
    let value = number.and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    });
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    match value {
        Some(value) => (u8::try_from(value).ok(), at + end + 1),
        None if named => (None, at + end + 1),
        None => (None, at),
    }
}

/// `\u002d`, `\u{2d}`, `\x2d`, `\055`, `\n`, with any number of backslashes.
fn backslash(text: &[u8]) -> (Option<u8>, usize) {
    let at = counted(text.iter())
        .take_while(|byte| **byte == b'\\')
        .count();
    let rest = &text[at..];
    let number = |digits: Option<&[u8]>, radix| {
        let digits = str::from_utf8(digits?).ok()?;
        u32::from_str_radix(digits, radix).ok()
    };
    let (value, length) = match rest.first() {
        Some(b'u') if rest.get(1) == Some(&b'{') => {
            let end = rest
                .iter()
                .take(10)
                .position(|byte| *byte == b'}')
                .unwrap_or(1);
            (number(rest.get(2..end), 16), end + 1)
        }
        Some(b'u') => (number(rest.get(1..5), 16), 5),
        Some(b'x') => (number(rest.get(1..3), 16), 3),
        Some(b'0'..=b'3') => (number(rest.get(..3), 8), 3),
        Some(b'n' | b'r' | b't' | b'b' | b'f') => return (None, at + 1),
        _ => (None, 0),
    };
    match value {
        Some(value) => (u8::try_from(value).ok(), at + length),
        None => (None, at),
    }
}

/// The byte that two hexadecimal digits stand for.
pub(super) fn hex(pair: &[u8]) -> Option<u8> {
    let [high, low] = *pair else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// What a character of base64 stands for, in both alphabets (RFC 4648 sections 4 and 5).
fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// What four characters of base64 stand for.
fn octets(quantum: &[&Unescaped]) -> [Unescaped; 3] {
    let bits = quantum.iter().fold(0_u32, |bits, one| {
        bits << 6 | u32::from(sextet(one.byte).unwrap_or_default())
    });
    let [_, octets @ ..] = bits.to_be_bytes();
    let (first, last) = (quantum.first(), quantum.last());
    let place = first.map_or(0, |one| one.place.start)..last.map_or(0, |one| one.place.end);
    octets.map(|byte| Unescaped {
        byte,
        place: place.clone(),
    })
}
