//! Macaroons in format version 1 of libmacaroons, which is what storage elements issue and what clients send back:
//! a chain of packets, written in base64url.
//!
//! A packet is four hexadecimal digits that give its whole length, a key, a space, a value and a newline. A macaroon
//! is a `location`, an `identifier`, any number of `cid` (one first-party caveat each) and a `signature`, in that
//! order. The signature is an HMAC-SHA-256 of the identifier under a key that is derived from the root key, then of
//! each caveat under the signature so far, so that every holder can append a caveat and nobody can take one away
//! (libmacaroons, `README` and `macaroons.c`; Birgisson et al., NDSS 2014, section III).

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Longer texts are refused before they are decoded.
const MAX_TEXT: usize = 32 * 1024;
/// The longest packet that libmacaroons reads or writes.
const MAX_PACKET: usize = 32 * 1024;
/// How many hexadecimal digits the length of a packet has.
const LENGTH_DIGITS: usize = 4;
const SIGNATURE_LENGTH: usize = 32;
/// The HMAC key that turns a root key of any length into one of 32 bytes (libmacaroons, `generate_derived_key`).
const DERIVATION: &[u8] = b"macaroons-key-generator";

/// A macaroon with first-party caveats alone.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Macaroon {
    location: Vec<u8>,
    identifier: Vec<u8>,
    caveats: Vec<String>,
    signature: [u8; SIGNATURE_LENGTH],
}

/// Why a text is no macaroon of this kind, or why one cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MacaroonError {
    /// The text is longer than 32 KiB.
    TextTooLong,
    /// The text is no base64, in the alphabet for URLs or in the standard one.
    Encoding,
    /// A packet is cut off, or its length, its key or its end is not where it has to be.
    Packet,
    /// The packets are not those of a macaroon, or stand in another order.
    Order,
    /// A caveat is to be discharged by a third party.
    ThirdParty,
    /// A caveat is not UTF-8.
    CaveatEncoding,
    /// The signature is not 32 bytes long.
    SignatureLength,
    /// A value does not fit into a packet.
    PacketTooLong,
}

impl Macaroon {
    /// A macaroon without caveats, made from a root key.
    ///
    /// # Errors
    ///
    /// [`MacaroonError::PacketTooLong`] if the location or the identifier does not fit into a packet.
    pub(super) fn new(
        root_key: &[u8],
        location: &str,
        identifier: &str,
    ) -> Result<Self, MacaroonError> {
        Packet::new(Key::Location, location.as_bytes())?;
        Packet::new(Key::Identifier, identifier.as_bytes())?;
        Ok(Self {
            location: location.as_bytes().to_vec(),
            identifier: identifier.as_bytes().to_vec(),
            caveats: Vec::new(),
            signature: first_signature(root_key, identifier.as_bytes()),
        })
    }

    /// Reads a macaroon that anybody may have written. Whether it is genuine is for [`verify`](Self::verify) to say.
    ///
    /// Padding may be there or not, and both alphabets of base64 are read, as libmacaroons does.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it. Format version 2 is refused as [`MacaroonError::Packet`] or
    /// [`MacaroonError::Encoding`].
    pub(super) fn parse(text: &str) -> Result<Self, MacaroonError> {
        if text.len() > MAX_TEXT {
            return Err(MacaroonError::TextTooLong);
        }
        let bytes = decode(text)?;
        let mut packets = Packets(&bytes);
        let mut next = || packets.next().ok_or(MacaroonError::Order)?;
        let location = next()?.value_of(Key::Location)?;
        let identifier = next()?.value_of(Key::Identifier)?;
        let mut caveats = Vec::new();
        let signature = loop {
            let packet = next()?;
            match packet.key {
                Key::Caveat => {
                    let text = std::str::from_utf8(packet.value);
                    caveats.push(text.map_err(|_| MacaroonError::CaveatEncoding)?.to_owned());
                }
                Key::VerificationId | Key::CaveatLocation => return Err(MacaroonError::ThirdParty),
                Key::Signature => break packet.value,
                Key::Location | Key::Identifier => return Err(MacaroonError::Order),
            }
        };
        if packets.next().is_some() {
            return Err(MacaroonError::Order);
        }
        Ok(Self {
            location: location.to_vec(),
            identifier: identifier.to_vec(),
            caveats,
            signature: signature
                .try_into()
                .map_err(|_| MacaroonError::SignatureLength)?,
        })
    }

    /// The text that is sent: base64url without padding.
    pub(super) fn serialize(&self) -> String {
        let caveats = self.caveats.iter();
        let caveats = caveats.map(|caveat| (Key::Caveat, caveat.as_bytes()));
        let head = [
            (Key::Location, &*self.location),
            (Key::Identifier, &*self.identifier),
        ];
        let packets = head
            .into_iter()
            .chain(caveats)
            .chain([(Key::Signature, &self.signature[..])]);
        let bytes: Vec<u8> = packets
            .flat_map(|(key, value)| Packet { key, value }.to_bytes())
            .collect();
        engine(&URL_SAFE).encode(bytes)
    }

    /// The name by which its issuer knows it.
    pub(super) fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// The caveats, in the order in which they were added. Any holder may have written them.
    pub(super) fn caveats(&self) -> &[String] {
        &self.caveats
    }

    pub(super) fn signature(&self) -> &[u8; SIGNATURE_LENGTH] {
        &self.signature
    }

    /// The same macaroon with another signature, right or wrong.
    pub(super) fn with_signature(&self, signature: [u8; SIGNATURE_LENGTH]) -> Self {
        Self {
            signature,
            ..self.clone()
        }
    }

    /// Appends a first-party caveat, for which no root key is needed.
    ///
    /// # Errors
    ///
    /// [`MacaroonError::PacketTooLong`] if it does not fit into a packet.
    pub(super) fn add_caveat(&mut self, caveat: &str) -> Result<(), MacaroonError> {
        Packet::new(Key::Caveat, caveat.as_bytes())?;
        self.signature = hmac_sha256(&self.signature, caveat.as_bytes());
        self.caveats.push(caveat.to_owned());
        Ok(())
    }

    /// Whether the macaroon was made from this root key, its caveats are those that were added since, and each of
    /// them is satisfied.
    ///
    /// No caveat is asked about unless the signature is right.
    pub(super) fn verify(&self, root_key: &[u8], satisfied: impl FnMut(&str) -> bool) -> bool {
        let first = first_signature(root_key, &self.identifier);
        let mut caveats = self.caveats.iter().map(String::as_str);
        let right = caveats.clone().fold(first, |signature, caveat| {
            hmac_sha256(&signature, caveat.as_bytes())
        });
        constant_time::verify_slices_are_equal(&right, &self.signature).is_ok()
            && caveats.all(satisfied)
    }
}

impl fmt::Debug for Macaroon {
    /// Leaves the signature out: whoever has it bears the macaroon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Macaroon")
            .field("identifier", &String::from_utf8_lossy(&self.identifier))
            .field("caveats", &self.caveats)
            .finish_non_exhaustive()
    }
}

/// The keys of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Location,
    Identifier,
    /// A caveat.
    Caveat,
    /// The encrypted root key of the caveat before it, which a third party discharges.
    VerificationId,
    /// Where that third party is.
    CaveatLocation,
    Signature,
}

impl Key {
    const ALL: [Self; 6] = [
        Self::Location,
        Self::Identifier,
        Self::Caveat,
        Self::VerificationId,
        Self::CaveatLocation,
        Self::Signature,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::Identifier => "identifier",
            Self::Caveat => "cid",
            Self::VerificationId => "vid",
            Self::CaveatLocation => "cl",
            Self::Signature => "signature",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packet<'a> {
    key: Key,
    value: &'a [u8],
}

impl<'a> Packet<'a> {
    /// A packet, if it is short enough to be written.
    fn new(key: Key, value: &'a [u8]) -> Result<Self, MacaroonError> {
        let packet = Self { key, value };
        match packet.length() <= MAX_PACKET {
            true => Ok(packet),
            false => Err(MacaroonError::PacketTooLong),
        }
    }

    /// The bytes that it takes: digits, key, space, value and newline.
    fn length(&self) -> usize {
        LENGTH_DIGITS + self.key.name().len() + 1 + self.value.len() + 1
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = format!("{:04x}{} ", self.length(), self.key.name()).into_bytes();
        bytes.extend_from_slice(self.value);
        bytes.push(b'\n');
        bytes
    }

    fn value_of(self, key: Key) -> Result<&'a [u8], MacaroonError> {
        match self.key == key {
            true => Ok(self.value),
            false => Err(MacaroonError::Order),
        }
    }

    /// The packet without its length and its newline. The value may have spaces and newlines of its own.
    fn from_line(line: &'a [u8]) -> Option<Self> {
        Key::ALL.into_iter().find_map(|key| {
            let value = line.strip_prefix(key.name().as_bytes())?;
            let value = value.strip_prefix(b" ")?;
            Some(Self { key, value })
        })
    }
}

/// The packets that bytes consist of; it ends after the first that is broken.
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, MacaroonError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let packet = packet_length(bytes)
            .and_then(|length| bytes.split_at_checked(length))
            .and_then(|(packet, rest)| {
                self.0 = rest;
                packet.get(LENGTH_DIGITS..)?.strip_suffix(b"\n")
            })
            .and_then(Packet::from_line);
        Some(packet.ok_or(MacaroonError::Packet))
    }
}

/// The length that the packet at the beginning of `bytes` says to have.
fn packet_length(bytes: &[u8]) -> Option<usize> {
    let (digits, _) = bytes.split_first_chunk::<LENGTH_DIGITS>()?;
    digits.iter().try_fold(0, |length, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(length << 4 | digit as usize)
    })
}

/// The signature of a macaroon without caveats.
fn first_signature(root_key: &[u8], identifier: &[u8]) -> [u8; SIGNATURE_LENGTH] {
    // HMAC pads a short key with zeros (RFC 2104 section 2), as libmacaroons pads this one by hand.
    let derived = hmac_sha256(DERIVATION, root_key);
    hmac_sha256(&derived, identifier)
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; SIGNATURE_LENGTH] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut signature = [0; SIGNATURE_LENGTH];
    signature.copy_from_slice(tag.as_ref());
    signature
}

fn engine(alphabet: &base64::alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

fn decode(text: &str) -> Result<Vec<u8>, MacaroonError> {
    engine(&URL_SAFE)
        .decode(text)
        .or_else(|_| engine(&STANDARD).decode(text))
        .map_err(|_| MacaroonError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT_KEY: &[u8] = b"this is our super secret key; only we should know it";
    const LOCATION: &str = "http://mybank/";
    const IDENTIFIER: &str = "we used our secret key";

    /// Caveats, signature and, where it is published as well, text of the examples in the README of libmacaroons
    /// (`account`, `time` and `email`) and in the tests of pymacaroons.
    const EXAMPLES: [(&[&str], &str, Option<&str>); 6] = [
        (
            &[],
            "e3d9e02908526c4c0039ae15114115d97fdd68bf2ba379b342aaf0f617d0552f",
            Some(
                "MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsvCjAwMjZpZGVudGlmaWVyIHdlIHVzZWQgb3VyIHNlY3JldCBrZXkKMDAyZnNpZ25hdHVyZSDj2eApCFJsTAA5rhURQRXZf91ovyujebNCqvD2F9BVLwo",
            ),
        ),
        (
            &["test = caveat"],
            "197bac7a044af33332865b9266e26d493bdd668a660e44d88ce1a998c23dbd67",
            Some(
                "MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsvCjAwMjZpZGVudGlmaWVyIHdlIHVzZWQgb3VyIHNlY3JldCBrZXkKMDAxNmNpZCB0ZXN0ID0gY2F2ZWF0CjAwMmZzaWduYXR1cmUgGXusegRK8zMyhluSZuJtSTvdZopmDkTYjOGpmMI9vWcK",
            ),
        ),
        (
            &["account = 3735928559"],
            "1efe4763f290dbce0c1d08477367e11f4eee456a64933cf662d79772dbb82128",
            Some(
                "MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsvCjAwMjZpZGVudGlmaWVyIHdlIHVzZWQgb3VyIHNlY3JldCBrZXkKMDAxZGNpZCBhY2NvdW50ID0gMzczNTkyODU1OQowMDJmc2lnbmF0dXJlIB7-R2PykNvODB0IR3Nn4R9O7kVqZJM89mLXl3LbuCEoCg",
            ),
        ),
        (
            &["account = 3735928559", "time < 2020-01-01T00:00"],
            "b5f06c8c8ef92f6c82c6ff282cd1f8bd1849301d09a2db634ba182536a611c49",
            None,
        ),
        (
            &[
                "account = 3735928559",
                "time < 2020-01-01T00:00",
                "email = alice@example.org",
            ],
            "ddf553e46083e55b8d71ab822be3d8fcf21d6bf19c40d617bb9fb438934474b6",
            Some(
                "MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsvCjAwMjZpZGVudGlmaWVyIHdlIHVzZWQgb3VyIHNlY3JldCBrZXkKMDAxZGNpZCBhY2NvdW50ID0gMzczNTkyODU1OQowMDIwY2lkIHRpbWUgPCAyMDIwLTAxLTAxVDAwOjAwCjAwMjJjaWQgZW1haWwgPSBhbGljZUBleGFtcGxlLm9yZwowMDJmc2lnbmF0dXJlIN31U-Rgg-VbjXGrgivj2PzyHWvxnEDWF7uftDiTRHS2Cg",
            ),
        ),
        // An older version of that README.
        (
            &[
                "account = 3735928559",
                "time < 2015-01-01T00:00",
                "email = alice@example.org",
            ],
            "882e6d59496ed5245edb7ab5b8839ecd63e5d504e54839804f164070d8eed952",
            None,
        ),
    ];

    /// From the same README: the caveats of 2015 with a signature that somebody made up.
    const FORGED: &str = "MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsvCjAwMjZpZGVudGlmaWVyIHdlIHVzZWQgb3VyIHNlY3JldCBrZXkKMDAxZGNpZCBhY2NvdW50ID0gMzczNTkyODU1OQowMDIwY2lkIHRpbWUgPCAyMDE1LTAxLTAxVDAwOjAwCjAwMjJjaWQgZW1haWwgPSBhbGljZUBleGFtcGxlLm9yZwowMDJmc2lnbmF0dXJlID8f19FL+bkC9p/aoMmIecC7GxdOcLVyUnrv6lJMM7NSCg==";

    fn example(caveats: &[&str]) -> Macaroon {
        let mut macaroon = Macaroon::new(ROOT_KEY, LOCATION, IDENTIFIER).unwrap();
        for caveat in caveats {
            macaroon.add_caveat(caveat).unwrap();
        }
        macaroon
    }

    fn encode(bytes: &[u8]) -> String {
        engine(&URL_SAFE).encode(bytes)
    }

    /// A text of packets, each with its right length.
    fn packets(packets: &[(&str, &[u8])]) -> String {
        let packets = packets.iter().map(|(key, value)| {
            let length = LENGTH_DIGITS + key.len() + value.len() + 2;
            [format!("{length:04x}{key} ").as_bytes(), value, b"\n"].concat()
        });
        encode(&packets.collect::<Vec<_>>().concat())
    }

    #[test]
    fn published_examples() {
        for (caveats, signature, text) in EXAMPLES {
            let macaroon = example(caveats);
            let hex: String = macaroon
                .signature
                .map(|byte| format!("{byte:02x}"))
                .concat();
            assert_eq!(hex, signature, "{caveats:?}");
            if let Some(text) = text {
                assert_eq!(macaroon.serialize(), text);
            }
            let read = Macaroon::parse(&macaroon.serialize()).unwrap();
            assert_eq!(read, macaroon);
            assert_eq!(read.location, LOCATION.as_bytes());
            assert_eq!(read.identifier(), IDENTIFIER.as_bytes());
            assert_eq!(read.caveats(), caveats);
            assert!(read.verify(ROOT_KEY, |caveat| caveats.contains(&caveat)));
        }
    }

    #[test]
    fn either_alphabet_with_padding_or_without() {
        let macaroon = example(&["email = alice@example.org"; 2]);
        let text = macaroon.serialize();
        let standard = text.replace('-', "+").replace('_', "/");
        assert_ne!(text, standard, "it has such letters");
        let padding = "=".repeat(text.len().next_multiple_of(4) - text.len());
        for text in [
            format!("{text}{padding}"),
            format!("{standard}{padding}"),
            standard,
        ] {
            assert_eq!(Macaroon::parse(&text).as_ref(), Ok(&macaroon));
        }
        let mixed = format!("{}-+", &text[..text.len() - 2]);
        assert_eq!(Macaroon::parse(&mixed), Err(MacaroonError::Encoding));
    }

    #[test]
    fn every_caveat_has_to_be_satisfied() {
        let macaroon = example(&["account = 1", "email = a"]);
        assert!(macaroon.verify(ROOT_KEY, |_| true));
        assert!(!macaroon.verify(ROOT_KEY, |caveat| caveat.starts_with("account")));
        assert!(!macaroon.verify(ROOT_KEY, |caveat| caveat.starts_with("email")));
        let mut asked = Vec::new();
        macaroon.verify(ROOT_KEY, |caveat| {
            asked.push(caveat.to_owned());
            true
        });
        assert_eq!(asked, macaroon.caveats());
        let mut asked = false;
        assert!(!macaroon.verify(b"another key", |_| {
            asked = true;
            true
        }));
        assert!(!asked, "nothing is asked of a forged one");
    }

    #[test]
    fn whatever_is_changed_makes_the_signature_wrong() {
        let good = example(&["account = 1", "email = a"]);
        let change = |change: fn(&mut Macaroon)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed
        };
        for changed in [
            change(|one| one.identifier.push(b'!')),
            change(|one| one.caveats[0].push('!')),
            change(|one| one.caveats[1] = "email = b".to_owned()),
            change(|one| one.caveats.swap(0, 1)),
            change(|one| drop(one.caveats.pop())),
            change(|one| drop(one.caveats.remove(0))),
            change(|one| one.caveats.push("admin".to_owned())),
            change(|one| one.caveats = vec!["account = 1email = a".to_owned()]),
        ] {
            assert!(!changed.verify(ROOT_KEY, |_| true), "{changed:?}");
        }
        for bit in 0..8 * SIGNATURE_LENGTH {
            let mut signature = *good.signature();
            signature[bit / 8] ^= 1 << (bit % 8);
            assert!(!good.with_signature(signature).verify(ROOT_KEY, |_| true));
        }
        // The location is a hint, and is not signed.
        assert!(change(|one| one.location.clear()).verify(ROOT_KEY, |_| true));
        let forged = Macaroon::parse(FORGED).unwrap();
        assert_eq!(forged.caveats().len(), 3);
        assert!(!forged.verify(ROOT_KEY, |_| true));
    }

    #[test]
    fn what_is_no_macaroon_of_this_kind() {
        use MacaroonError::*;
        let (location, identifier) = (("location", &b"l"[..]), ("identifier", &b"i"[..]));
        let signature = ("signature", &[0; 32][..]);
        assert!(Macaroon::parse(&packets(&[location, identifier, signature])).is_ok());
        for (text, error) in [
            (String::new(), Order),
            ("{\"v\":2}".to_owned(), Encoding),
            ("eyJhbGciOiJub25lIn0.e30.".to_owned(), Encoding),
            ("A".repeat(MAX_TEXT + 1), TextTooLong),
            (packets(&[]), Order),
            (packets(&[location]), Order),
            (packets(&[location, identifier]), Order),
            (packets(&[identifier, location, signature]), Order),
            (packets(&[identifier, signature]), Order),
            (packets(&[location, location, identifier, signature]), Order),
            (
                packets(&[location, identifier, identifier, signature]),
                Order,
            ),
            (
                packets(&[location, identifier, signature, signature]),
                Order,
            ),
            (
                packets(&[location, identifier, signature, ("cid", b"c")]),
                Order,
            ),
            (
                packets(&[location, identifier, ("cid", b"\xff"), signature]),
                CaveatEncoding,
            ),
            (
                packets(&[
                    location,
                    identifier,
                    ("cid", b"c"),
                    ("vid", b"v"),
                    signature,
                ]),
                ThirdParty,
            ),
            (
                packets(&[location, identifier, ("cl", b"l"), signature]),
                ThirdParty,
            ),
            (
                packets(&[location, identifier, ("Cid", b"c"), signature]),
                Packet,
            ),
            (
                packets(&[location, identifier, ("signature", &[0; 31])]),
                SignatureLength,
            ),
            (
                packets(&[location, identifier, ("signature", &[0; 33])]),
                SignatureLength,
            ),
            // Format version 2 begins with its number.
            (
                encode(b"\x02\x01\x0ehttp://mybank/\x02\x01i\0\0\x06\x20"),
                Packet,
            ),
        ] {
            assert_eq!(Macaroon::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn lengths_that_lie() {
        for bytes in [
            &b"000"[..],
            b"0000location l\n",
            b"0004location l\n",
            b"0005\n",
            b"000elocation l\n",
            b"0010location l\n",
            b"0010location l\n0",
            b"ffff",
            b"fffflocation l\n",
            b"-00flocation l\n",
            b"+00flocation l\n",
            b" 00flocation l\n",
            b"0x0flocation l\n",
            b"000flocation\nl\n",
            b"000flocation l ",
            b"\xd9\xa3\xd9\xa3location l\n",
        ] {
            let refused = Macaroon::parse(&encode(bytes));
            let shown = bytes.escape_ascii();
            assert_eq!(refused, Err(MacaroonError::Packet), "{shown}");
        }
        let right = Macaroon::parse(&encode(b"000Flocation l\n"));
        assert_eq!(right, Err(MacaroonError::Order), "the rest is missing");
    }

    #[test]
    fn cut_anywhere_it_is_none() {
        let text = example(&["test = caveat"]).serialize();
        let bytes = decode(&text).unwrap();
        for end in 0..bytes.len() {
            let cut = Macaroon::parse(&encode(&bytes[..end]));
            assert!(
                matches!(cut, Err(MacaroonError::Packet | MacaroonError::Order)),
                "{end}: {cut:?}"
            );
        }
    }

    #[test]
    fn a_caveat_may_look_like_packets() {
        let tricky = "a b\n0012cid admin = 1\n002fsignature ";
        let macaroon = example(&[tricky, ""]);
        let read = Macaroon::parse(&macaroon.serialize()).unwrap();
        assert_eq!(read.caveats(), [tricky, ""]);
        assert!(read.verify(ROOT_KEY, |_| true));
    }

    #[test]
    fn what_does_not_fit_into_a_packet_is_not_made() {
        let longest = MAX_PACKET - "0000cid \n".len();
        let mut macaroon = example(&[]);
        assert_eq!(macaroon.add_caveat(&"x".repeat(longest)), Ok(()));
        let too_long = macaroon.add_caveat(&"x".repeat(longest + 1));
        assert_eq!(too_long, Err(MacaroonError::PacketTooLong));
        assert_eq!(macaroon.caveats().len(), 1);
        let long = "x".repeat(MAX_PACKET);
        for (location, identifier) in [(&*long, "i"), ("l", &*long)] {
            let refused = Macaroon::new(ROOT_KEY, location, identifier);
            assert_eq!(refused, Err(MacaroonError::PacketTooLong));
        }
    }

    #[test]
    fn the_signature_is_not_shown() {
        let shown = format!("{:?}", example(&["test = caveat"]));
        assert!(shown.contains("test = caveat") && !shown.contains("signature"));
    }

    proptest! {
        #[test]
        fn hostile_bytes_make_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Macaroon::parse(&encode(&bytes));
            let _ = Macaroon::parse(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn one_that_is_read_is_written_the_same(
            place in 0usize..200, byte in any::<u8>(),
        ) {
            let mut bytes = decode(&example(&["test = caveat"]).serialize()).unwrap();
            let place = place % bytes.len();
            bytes[place] = byte;
            if let Ok(read) = Macaroon::parse(&encode(&bytes)) {
                prop_assert_eq!(Macaroon::parse(&read.serialize()), Ok(read));
            }
        }
    }
}
