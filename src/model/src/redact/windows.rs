//! Pieces of secrets, in whatever a server has made of them.
//!
//! Texts and secrets are compared by their letters and digits alone, in lower case: line wraps, spaces, quotes, masks and
//! cases make no difference. A piece as long as a window gives a secret away wherever it stands, forwards or backwards, as it is,
//! turned by 13 letters, in hexadecimal, as a list of numbers or in base64.

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::layer::{Layer, sextet};
use super::steps::counted;

/// Characters of a window.
const WINDOW: usize = 12;
/// From one window of a secret to the next, so that each piece of 16 characters has one in it.
const STRIDE: usize = 5;
/// What a mask leaves out at the end of a secret, or a cut.
const MASK: usize = 4;
/// A secret of fewer letters and digits is told by nearly all of it alone.
const WINDOW_AND_MASK: usize = WINDOW + MASK;
/// Nothing shorter is looked for here.
const SHORTEST: usize = 8;
/// How often base64 may have been applied.
const TWICE: usize = 2;
/// Bits of the sieve before the pieces themselves.
const SIEVE: u32 = 22;
/// Codes of the digits of hexadecimal numbers are at most that.
const HEX: u8 = 16;
/// Bits of a letter or digit. Four of them share theirs with others, so that a window and its length are 61 bits.
const BITS: usize = 5;

/// All pieces of all secrets.
#[derive(Default)]
pub(super) struct Windows {
    /// How long they are.
    lengths: Vec<usize>,
    /// A number for each.
    pieces: FxHashSet<u64>,
    /// Spares nearly every look at the pieces: a bit for each of them.
    sieve: Vec<u64>,
}

/// The last letters of a text, of which each new one may complete a piece.
#[derive(Clone, Copy, Default)]
struct Tail {
    window: u64,
    /// Where the last ones began.
    starts: [usize; 16],
    count: usize,
}

impl Windows {
    /// Takes a secret in.
    pub(super) fn add(&mut self, secret: &str) {
        let letters: Vec<(usize, u8)> = secret
            .bytes()
            .map(code)
            .enumerate()
            .filter(|(_, code)| *code > 0)
            .collect();
        let all = letters.len();
        let (length, stride) = match all {
            0..SHORTEST => return,
            // With its end masked, it is told by the rest.
            SHORTEST..WINDOW_AND_MASK => (SHORTEST.max(all - MASK), 1),
            _ => (WINDOW, STRIDE),
        };
        let last = all - length;
        for start in (0..=last).step_by(stride).chain([last]) {
            let piece = &letters[start..start + length];
            if stride == 1 && is_word(secret, piece) {
                continue;
            }
            self.insert(piece);
        }
        if length < WINDOW {
            self.insert(&letters[..all.min(WINDOW)]);
            self.insert(&letters[all - all.min(WINDOW)..]);
        }
    }

    /// Takes a piece in: as it is, turned by 13 letters, and backwards.
    fn insert(&mut self, piece: &[(usize, u8)]) {
        if !self.lengths.contains(&piece.len()) {
            self.lengths.push(piece.len());
        }
        if self.sieve.is_empty() {
            self.sieve = vec![0; 1 << (SIEVE - 6)];
        }
        self.insert_window(piece.iter().map(|(_, code)| *code));
        self.insert_window(piece.iter().map(|(_, code)| turned(*code)));
        self.insert_window(piece.iter().rev().map(|(_, code)| *code));
    }

    fn insert_window(&mut self, codes: impl ExactSizeIterator<Item = u8>) {
        let length = codes.len();
        let window = codes.fold(0, |window, code| window << BITS | folded(code));
        let piece = mixed(window, length);
        let (word, bit) = place(piece);
        self.sieve[word] |= bit;
        self.pieces.insert(piece);
    }

    /// Whether the last letters of `window` are a piece of that length.
    fn contains(&self, window: u64, length: usize) -> bool {
        let mask = (1 << (BITS * length)) - 1;
        let piece = mixed(window & mask, length);
        let (word, bit) = place(piece);
        self.sieve[word] & bit != 0 && self.pieces.contains(&piece)
    }

    /// Tells where a piece of a secret stands, by its place in the text.
    pub(super) fn find(&self, text: &Layer<'_>, mut hit: impl FnMut(Range<usize>)) {
        let shortest = self.lengths.iter().min();
        if shortest.is_some_and(|shortest| text.bytes().len() >= *shortest) {
            self.search(text, &mut hit);
            self.search_base64(text, TWICE, &mut hit);
        }
    }

    /// As letters and digits, in hexadecimal, or as a list of numbers.
    fn search(&self, text: &Layer<'_>, hit: &mut dyn FnMut(Range<usize>)) {
        let mut hit = |range| hit(text.source(range));
        let bytes = text.bytes();
        let (mut window, mut count) = (0_u64, 0);
        let (mut digits, mut most) = (0, 0);
        for (at, byte) in counted(bytes.iter()).enumerate() {
            let code = code(*byte);
            if code == 0 {
                continue;
            }
            window = window << BITS | folded(code);
            count += 1;
            digits = if code <= HEX { digits + 1 } else { 0 };
            most = most.max(digits);
            for length in &self.lengths {
                if count >= *length && self.contains(window, *length) {
                    hit(began(bytes, at, *length)..at + 1);
                }
            }
        }
        if most >= 2 * SHORTEST {
            self.search_hex(bytes, &mut hit);
        }
        self.search_numbers(bytes, &mut hit);
    }

    /// As pairs of hexadecimal digits, which may begin at each of them.
    fn search_hex(&self, text: &[u8], hit: &mut dyn FnMut(Range<usize>)) {
        let mut pairs = [Tail::default(); 2];
        let mut digits = 0;
        let mut before = (0, 0);
        for (at, byte) in counted(text.iter()).enumerate() {
            let code = code(*byte);
            if code == 0 {
                continue;
            }
            if code > HEX {
                digits = 0;
                continue;
            }
            digits += 1;
            match digits {
                1 => pairs.iter_mut().for_each(|tail| tail.count = 0),
                _ => {
                    let byte = (before.1 - 1) << 4 | (code - 1);
                    let pairs = &mut pairs[digits % 2];
                    self.push(pairs, self::code(byte), before.0..at + 1, hit);
                }
            }
            before = (at, code);
        }
    }

    /// `[101, 121, 74]`, and what else has numbers of bytes one after another.
    fn search_numbers(&self, text: &[u8], hit: &mut dyn FnMut(Range<usize>)) {
        /// Characters between two numbers, at most.
        const BETWEEN: usize = 4;
        let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
        // Each letter's has two.
        if digits < 2 * SHORTEST {
            return;
        }
        let mut tail = Tail::default();
        let mut number: Option<u16> = None;
        let (mut start, mut end) = (0, 0);
        for (at, byte) in counted(text.iter().chain(b" ")).enumerate() {
            if let digit @ b'0'..=b'9' = byte {
                if number.is_none() {
                    start = at;
                }
                let value = number.unwrap_or_default().saturating_mul(10);
                number = Some(value.saturating_add(u16::from(digit - b'0')));
                continue;
            }
            if let Some(number) = number.take() {
                if start - end > BETWEEN {
                    tail.count = 0;
                }
                match u8::try_from(number) {
                    Ok(byte) => self.push(&mut tail, code(byte), start..at, hit),
                    Err(_) => tail.count = 0,
                }
                end = at;
            }
            if byte.is_ascii_alphabetic() {
                tail.count = 0;
            }
        }
    }

    fn search_base64(&self, text: &Layer<'_>, times: usize, hit: &mut dyn FnMut(Range<usize>)) {
        for decoded in base64(text) {
            self.search(&decoded, hit);
            if let Some(below) = decoded.unescaped() {
                self.search(&below, hit);
            }
            let bytes = counted(decoded.bytes().iter());
            let again = bytes.filter(|byte| sextet(**byte).is_some()).count();
            if times > 1 && 2 * again >= decoded.bytes().len() {
                self.search_base64(&decoded, times - 1, hit);
            }
        }
    }

    /// Adds a letter to those before it, and tells of the piece that ends with it.
    #[inline]
    fn push(
        &self,
        tail: &mut Tail,
        code: u8,
        place: Range<usize>,
        hit: &mut dyn FnMut(Range<usize>),
    ) {
        if code == 0 {
            return;
        }
        tail.window = tail.window << BITS | folded(code);
        tail.starts[tail.count % 16] = place.start;
        tail.count += 1;
        for length in &self.lengths {
            if tail.count >= *length && self.contains(tail.window, *length) {
                hit(tail.starts[(tail.count - length) % 16]..place.end);
            }
        }
    }
}

/// What the parts of a text stand for that may be base64, in each of its phases.
pub(super) fn base64<'t>(text: &'t Layer<'_>) -> impl Iterator<Item = Layer<'static>> + 't {
    let runs = base64_runs(text.bytes()).into_iter();
    runs.flat_map(move |run| (0..4).map(move |phase| text.base64(run.clone(), phase)))
}

/// Where the last so many letters and digits up to `end` begin.
fn began(text: &[u8], end: usize, letters: usize) -> usize {
    let before = counted(text[..=end].iter()).enumerate().rev();
    let mut letters = before
        .filter(|(_, byte)| code(**byte) > 0)
        .skip(letters - 1);
    letters.next().map_or(0, |(at, _)| at)
}

/// Parts of a text that may be base64, wrapped or not, of text that holds a piece.
fn base64_runs(text: &[u8]) -> Vec<Range<usize>> {
    /// Characters without a space or the end of a line among them, at least: words are shorter, lines are not.
    const UNBROKEN: usize = SHORTEST * 4 / 3 + 1;
    let mut runs = Vec::new();
    if text.len() < UNBROKEN || !text.iter().any(u8::is_ascii_uppercase) {
        return runs;
    }
    let (mut start, mut word, mut longest) = (0, 0, 0);
    let (mut upper, mut lower) = (false, false);
    for (at, byte) in counted(text.iter().chain(b".")).enumerate() {
        if sextet(*byte).is_some() {
            word += 1;
            longest = longest.max(word);
            upper |= byte.is_ascii_uppercase();
            lower |= byte.is_ascii_lowercase();
            continue;
        }
        word = 0;
        if *byte > b' ' {
            // Base64 of text has letters of both cases; paths and names, of which most texts consist, have one.
            if longest >= UNBROKEN && upper && lower {
                runs.push(start..at);
            }
            (start, longest, upper, lower) = (at + 1, 0, false, false);
        }
    }
    runs
}

/// Whether a piece is a word, as prose may have it as well: letters next to each other, none but the first a capital.
fn is_word(secret: &str, piece: &[(usize, u8)]) -> bool {
    let (Some((first, _)), Some((last, _))) = (piece.first(), piece.last()) else {
        return false;
    };
    let bytes = &secret.as_bytes()[*first..=*last];
    let rest = bytes.iter().skip(1).all(u8::is_ascii_lowercase);
    rest && bytes[0].is_ascii_alphabetic()
}

/// Digits are 1 to 10, letters of either case 11 to 36; everything else makes no difference and is 0.
fn code(byte: u8) -> u8 {
    const CODES: [u8; 256] = {
        let mut codes = [0; 256];
        let mut code = 0;
        while code < 10 {
            codes[b'0' as usize + code] = 1 + code as u8;
            code += 1;
        }
        let mut code = 0;
        while code < 26 {
            codes[b'a' as usize + code] = 11 + code as u8;
            codes[b'A' as usize + code] = 11 + code as u8;
            code += 1;
        }
        codes
    };
    CODES[usize::from(byte)]
}

/// The code in as few bits as a window has for each.
fn folded(code: u8) -> u64 {
    u64::from(code) % (1 << BITS)
}

/// The letter 13 places on.
fn turned(code: u8) -> u8 {
    match code {
        11.. => (code - 11 + 13) % 26 + 11,
        digit => digit,
    }
}

/// A number for a piece of that length alone, its bits mixed.
fn mixed(window: u64, length: usize) -> u64 {
    // Fibonacci hashing.
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let marked = window | 1 << (BITS * length);
    (marked ^ marked >> 29).wrapping_mul(GOLDEN)
}

/// Where the sieve has a piece: a word, and a bit of it.
fn place(piece: u64) -> (usize, u64) {
    let at = piece >> (64 - SIEVE);
    ((at >> 6) as usize, 1 << (at & 63))
}
