use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Exchange;

/// What was sent and what came, in order. Kept packed: a run of a fleet has millions of them, and looks at few again.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Exchanges {
    count: usize,
    /// JSON, compressed (LZ4 block format).
    packed: Box<[u8]>,
}

impl Exchanges {
    /// How many.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them.
    pub fn list(&self) -> Vec<Exchange> {
        if self.is_empty() {
            return Vec::new();
        }
        // Nothing but `from` packs, so that what is unpacked is what was packed.
        let json = lz4_flex::decompress_size_prepended(&self.packed).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }

    /// The one at that place.
    pub fn get(&self, index: usize) -> Option<Exchange> {
        (index < self.count)
            .then(|| self.list().into_iter().nth(index))
            .flatten()
    }

    /// The last one.
    pub fn last(&self) -> Option<Exchange> {
        self.list().pop()
    }

    /// Applies `change` to each exchange.
    pub fn change(&mut self, change: impl FnMut(&mut Exchange)) {
        let mut list = self.list();
        list.iter_mut().for_each(change);
        *self = list.into();
    }
}

impl From<Vec<Exchange>> for Exchanges {
    fn from(list: Vec<Exchange>) -> Self {
        if list.is_empty() {
            return Self::default();
        }
        match serde_json::to_vec(&list) {
            Ok(json) => Self {
                count: list.len(),
                packed: lz4_flex::compress_prepend_size(&json).into(),
            },
            // Exchanges are maps of texts and numbers, which JSON can always say.
            Err(_) => Self::default(),
        }
    }
}

impl IntoIterator for &Exchanges {
    type Item = Exchange;
    type IntoIter = std::vec::IntoIter<Exchange>;

    fn into_iter(self) -> Self::IntoIter {
        self.list().into_iter()
    }
}

impl fmt::Debug for Exchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list().fmt(f)
    }
}

impl Serialize for Exchanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Exchanges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(<Self as From<Vec<Exchange>>>::from)
    }
}

impl JsonSchema for Exchanges {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Exchanges".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Exchange>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let one = crate::sample::exchange("se", crate::Method::Get, 200);
        let mut list = vec![one; 20];
        list[7].response_body = "\u{202e}\"\\\u{0}".repeat(10_000);
        let packed = Exchanges::from(list.clone());
        assert_eq!((packed.len(), packed.is_empty()), (20, false));
        assert_eq!(packed.list(), list);
        assert_eq!(packed.get(7).as_ref(), list.get(7));
        assert_eq!((packed.get(20), packed.last()), (None, list.pop()));
        let json = serde_json::to_string(&packed).unwrap();
        assert_eq!(
            serde_json::from_str::<Exchanges>(&json).unwrap().list(),
            packed.list()
        );
        assert!(packed.packed.len() * 10 < json.len());
        assert_eq!(Exchanges::from(Vec::new()), Exchanges::default());
        assert!(Exchanges::default().list().is_empty());
    }
}
