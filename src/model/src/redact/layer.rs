use std::borrow::Cow;
use std::ops::Range;

use super::steps::counted;

/// A text as it is, or with something undone that a server or a program has made of it, and the way back to the
/// places in it.
///
/// Servers write what they echo as they like: `%2d`, `&#45;` or `\u002d` for `-`. Looking at what is meant finds all of
/// these spellings.
pub(super) struct Layer<'a> {
    bytes: Cow<'a, [u8]>,
    /// Which part of the text each byte stems from; `None` is the text itself.
    places: Option<Vec<Range<usize>>>,
}

/// What an escape stands for.
enum Meant {
    Byte(u8),
    Char(char),
    /// A character that makes no difference, or none.
    Nothing,
}

impl<'a> Layer<'a> {
    /// The text as it is.
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            bytes: Cow::Borrowed(text.as_bytes()),
            places: None,
        }
    }

    /// What is searched.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The part of the text that a part of the layer stems from; that part may not be empty.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        match &self.places {
            None => range,
            Some(places) => places[range.start].start..places[range.end - 1].end,
        }
    }

    /// The layer below, if anything is escaped here as URLs, HTML, JSON, C or Rust have it. What was escaped twice is
    /// two layers below.
    pub(super) fn unescaped(&self) -> Option<Layer<'static>> {
        let bytes = &*self.bytes;
        let mut starts = counted(bytes.iter())
            .enumerate()
            .filter(|(_, byte)| BEGINS.contains(byte));
        starts.find_map(|(at, _)| escape(bytes, at))?;
        let mut below = Undone::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let (meant, length) = escape(bytes, at).unwrap_or((Meant::Byte(bytes[at]), 1));
            let place = self.source(at..at + length);
            match meant {
                Meant::Byte(byte) => below.push(byte, &place),
                Meant::Char(char) => {
                    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                        below.push(byte, &place);
                    }
                }
                Meant::Nothing => {}
            }
            at += length;
        }
        Some(below.layer())
    }

    /// What these bytes of the layer stand for in base64, in either alphabet (RFC 4648 sections 4 and 5). What is not
    /// of it is left out, and so are `phase` characters of it at the beginning.
    pub(super) fn base64(&self, run: Range<usize>, phase: usize) -> Layer<'static> {
        let mut below = Undone::with_capacity(run.len() * 3 / 4);
        let (mut bits, mut first, mut last, mut count) = (0_u32, 0, 0, 0);
        let sextets = run.filter_map(|at| Some((at, sextet(self.bytes[at])?)));
        for (at, sextet) in counted(sextets).skip(phase) {
            if count == 0 {
                first = at;
            }
            (last, count) = (at, count + 1);
            bits = bits << 6 | u32::from(sextet);
            if count == 4 {
                below.octets(bits, 3, &self.source(first..last + 1));
                count = 0;
            }
        }
        // Two characters are one byte more, and three are two.
        if count >= 2 {
            let bits = bits << (6 * (4 - count));
            below.octets(bits, count - 1, &self.source(first..last + 1));
        }
        below.layer()
    }
}

/// Bytes of a layer as they come.
struct Undone {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Undone {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            places: Vec::with_capacity(bytes),
        }
    }

    fn push(&mut self, byte: u8, place: &Range<usize>) {
        self.bytes.push(byte);
        self.places.push(place.clone());
    }

    /// The first `count` of three bytes.
    fn octets(&mut self, bits: u32, count: usize, place: &Range<usize>) {
        let [_, octets @ ..] = bits.to_be_bytes();
        for octet in octets.into_iter().take(count) {
            self.push(octet, place);
        }
    }

    fn layer(self) -> Layer<'static> {
        Layer {
            bytes: Cow::Owned(self.bytes),
            places: Some(self.places),
        }
    }
}

/// With what escapes begin.
const BEGINS: &[u8] = b"%&\\0U";

/// What the escape at that place of a text stands for, and its length.
fn escape(text: &[u8], at: usize) -> Option<(Meant, usize)> {
    let rest = &text[at..];
    match rest.first()? {
        b'%' => Some((Meant::Byte(hex(rest.get(1..3)?)?), 3)),
        b'&' => entity(rest),
        b'\\' => backslash(rest),
        b'0' | b'U' => {
            let (meant, length) = number(rest)?;
            // Within base64 it is no number.
            let before = at.checked_sub(1).and_then(|before| text.get(before));
            let mut beside = before.into_iter().chain(rest.get(length));
            beside
                .all(|byte| sextet(*byte).is_none())
                .then_some((meant, length))
        }
        _ => None,
    }
}

/// `0x2d`, `U+002D`.
fn number(text: &[u8]) -> Option<(Meant, usize)> {
    match text.get(..2)? {
        b"0x" | b"0X" => Some((Meant::Byte(hex(text.get(2..4)?)?), 4)),
        b"U+" => {
            let digits = str::from_utf8(text.get(2..6)?).ok()?;
            Some((char_of(u32::from_str_radix(digits, 16).ok()?), 6))
        }
        _ => None,
    }
}

/// `&#45;`, `&#x2d;`, `&amp;`. All other names stand for nothing of which secrets are made.
fn entity(text: &[u8]) -> Option<(Meant, usize)> {
    /// Longer than any name or number that matters.
    const LONGEST: usize = 16;
    let end = counted(text.iter().take(LONGEST)).position(|byte| *byte == b';')?;
    let name = str::from_utf8(&text[1..end]).ok()?;
    let meant = match name.strip_prefix('#') {
        Some(number) => char_of(match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        }),
        None if name == "amp" => Meant::Byte(b'&'),
        None if name == "quot" => Meant::Byte(b'"'),
        None if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            Meant::Nothing
        }
        None => return None,
    };
    Some((meant, end + 1))
}

/// `\u002d`, `\u{2d}`, `\x2d`, `\055`, `\n`, `\"`, `\\`.
fn backslash(text: &[u8]) -> Option<(Meant, usize)> {
    let number = |digits: Range<usize>, radix| {
        let digits = str::from_utf8(text.get(digits)?).ok()?;
        u32::from_str_radix(digits, radix).ok()
    };
    Some(match *text.get(1)? {
        b'u' if text.get(2) == Some(&b'{') => {
            let end = text.iter().take(10).position(|byte| *byte == b'}')?;
            (char_of(number(3..end, 16)?), end + 1)
        }
        b'u' => (char_of(number(2..6, 16)?), 6),
        b'x' => (Meant::Byte(hex(text.get(2..4)?)?), 4),
        b'0'..=b'3' => (Meant::Byte(u8::try_from(number(1..4, 8)?).ok()?), 4),
        b'n' | b'r' | b't' | b'b' | b'f' => (Meant::Byte(b'\n'), 2),
        same @ (b'"' | b'\'' | b'\\' | b'/') => (Meant::Byte(same), 2),
        _ => return None,
    })
}

fn char_of(number: u32) -> Meant {
    char::from_u32(number).map_or(Meant::Nothing, Meant::Char)
}

/// The byte that two hexadecimal digits stand for.
fn hex(pair: &[u8]) -> Option<u8> {
    let [high, low] = *pair else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// What a character of base64 stands for, in both alphabets.
pub(super) fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
