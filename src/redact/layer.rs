use std::borrow::Cow;
use std::ops::Range;

use super::windows::hex;

/// A text as it is, or with its percent-encoding undone, and the way back to the places in it.
///
/// Servers encode what they echo as they like: `%2d` for `-`, or not, in either case. Looking at the
/// decoded text finds all of these spellings.
pub(super) struct Layer<'a> {
    bytes: Cow<'a, [u8]>,
    /// Where each byte, and the end, lies in the text; `None` is the text itself.
    places: Option<Vec<usize>>,
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

    /// The part of the text that a part of the layer stems from.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        match &self.places {
            None => range,
            Some(places) => places[range.start]..places[range.end],
        }
    }

    /// The layer below, if anything is percent-encoded here.
    pub(super) fn decoded(self) -> Option<Layer<'static>> {
        let bytes = &self.bytes;
        (0..bytes.len()).find_map(|at| escape(bytes, at))?;
        let mut decoded = Vec::with_capacity(bytes.len());
        let mut places = Vec::with_capacity(bytes.len() + 1);
        let mut at = 0;
        while at < bytes.len() {
            places.push(self.source(at..at).start);
            match escape(bytes, at) {
                Some(byte) => {
                    decoded.push(byte);
                    at += 3;
                }
                None => {
                    decoded.push(bytes[at]);
                    at += 1;
                }
            }
        }
        places.push(self.source(at..at).start);
        Some(Layer {
            bytes: Cow::Owned(decoded),
            places: Some(places),
        })
    }
}

/// The byte that `%XX` at this place stands for.
fn escape(bytes: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = *bytes.get(at..at + 3)? else {
        return None;
    };
    hex(&[high, low])
}
