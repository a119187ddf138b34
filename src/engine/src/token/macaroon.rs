//! Macaroons in the first binary format of libmacaroons, with first-party caveats: what XRootD and
//! dCache give out. Written by hand because what is tested needs forged ones, which no library makes.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use thiserror::Error;

use touchstone_model::Tampering;

/// Longer texts are not looked into.
const MAX_TEXT: usize = 32 << 10;
/// The longest packet that libmacaroons reads.
const MAX_PACKET: usize = 32_768;
/// The digits of a packet's length, the space and the line end.
const FRAME: usize = 4 + 1 + 1;
/// From which the key of the chain is made (libmacaroons).
const KEY_GENERATOR: &[u8; 32] = b"macaroons-key-generator\0\0\0\0\0\0\0\0\0";
/// Rights that somebody would write into a caveat who could.
const EVERYTHING: &str =
    "activity:DOWNLOAD,UPLOAD,DELETE,MANAGE,LIST,READ_METADATA,UPDATE_METADATA,STAGE";

/// A macaroon, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Macaroon {
    location: Vec<u8>,
    identifier: Vec<u8>,
    caveats: Vec<String>,
    signature: [u8; 32],
}

/// Why a text is no macaroon that can be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MacaroonError {
    /// It is not base64url, or something else within.
    #[error("it is no macaroon in the first format of libmacaroons")]
    Format,
    /// It is in the second format, binary or JSON.
    #[error("it is a macaroon in the second format of libmacaroons")]
    Second,
    /// It has caveats that somebody else discharges, or that are not text.
    #[error("it has caveats that are not first-party text")]
    Caveats,
    /// It, or a part of it, is too long.
    #[error("it is too long")]
    TooLong,
}

impl Macaroon {
    /// A new one without caveats, from a root key.
    ///
    /// # Errors
    /// Location or identifier is too long.
    pub fn new(root: &[u8], location: &str, identifier: &str) -> Result<Self, MacaroonError> {
        fits("location", location.len())?;
        fits("identifier", identifier.len())?;
        Ok(Self {
            location: location.into(),
            identifier: identifier.into(),
            caveats: Vec::new(),
            signature: mac(&mac(KEY_GENERATOR, root), identifier.as_bytes()),
        })
    }

    /// Takes a text apart that anybody may have written. Whether it is genuine, [`Self::verify`] tells.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, MacaroonError> {
        if text.len() > MAX_TEXT {
            return Err(MacaroonError::TooLong);
        }
        if text.trim_start().starts_with('{') {
            return Err(MacaroonError::Second);
        }
        let bytes = decode(text).ok_or(MacaroonError::Format)?;
        if bytes.first() == Some(&2) {
            return Err(MacaroonError::Second);
        }
        let mut rest = bytes.as_slice();
        let location = packet(&mut rest, "location")?.to_vec();
        let identifier = packet(&mut rest, "identifier")?.to_vec();
        let mut caveats = Vec::new();
        loop {
            match any_packet(&mut rest)? {
                (b"cid", caveat) => {
                    let caveat = std::str::from_utf8(caveat);
                    caveats.push(caveat.map_err(|_| MacaroonError::Caveats)?.to_owned());
                }
                (b"vid" | b"cl", _) => return Err(MacaroonError::Caveats),
                (b"signature", signature) if rest.is_empty() => {
                    return Ok(Self {
                        location,
                        identifier,
                        caveats,
                        signature: signature.try_into().map_err(|_| MacaroonError::Format)?,
                    });
                }
                _ => return Err(MacaroonError::Format),
            }
        }
    }

    /// As it is sent: base64url without padding.
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, "location", &self.location);
        write(&mut bytes, "identifier", &self.identifier);
        for caveat in &self.caveats {
            write(&mut bytes, "cid", caveat.as_bytes());
        }
        write(&mut bytes, "signature", &self.signature);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Which secret of its issuer it was made from.
    pub fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// Its caveats, in order. They are what whoever held it wrote.
    pub fn caveats(&self) -> &[String] {
        &self.caveats
    }

    /// Appends a caveat, as every holder may.
    ///
    /// # Errors
    /// It is too long.
    pub fn add(&mut self, caveat: &str) -> Result<(), MacaroonError> {
        fits("cid", caveat.len())?;
        self.signature = mac(&self.signature, caveat.as_bytes());
        self.caveats.push(caveat.to_owned());
        Ok(())
    }

    /// Whether it was made from this root key, and nothing was changed or taken away since.
    pub fn verify(&self, root: &[u8]) -> bool {
        let expected = self.chained(root);
        constant_time::verify_slices_are_equal(&expected, &self.signature).is_ok()
    }

    /// It, as somebody forges it who does not know the root key.
    pub fn tampered(&self, tampering: Tampering) -> Self {
        let mut forged = self.clone();
        match tampering {
            Tampering::Signature => forged.signature[31] ^= 1,
            Tampering::Caveat => {
                let activity = |caveat: &&mut String| caveat.starts_with("activity:");
                match forged.caveats.iter_mut().rfind(activity) {
                    Some(caveat) => EVERYTHING.clone_into(caveat),
                    None => forged.caveats.push(EVERYTHING.to_owned()),
                }
            }
            Tampering::Identifier => match forged.identifier.last_mut() {
                Some(last) => *last = if *last == b'0' { b'1' } else { b'0' },
                None => forged.identifier.push(b'0'),
            },
            Tampering::DropCaveat => {
                forged.caveats.pop();
            }
            Tampering::Key => forged.signature = self.chained(b""),
        }
        forged
    }

    /// The signature that it has to have.
    fn chained(&self, root: &[u8]) -> [u8; 32] {
        let first = mac(&mac(KEY_GENERATOR, root), &self.identifier);
        let caveats = self.caveats.iter();
        caveats.fold(first, |key, caveat| mac(&key, caveat.as_bytes()))
    }
}

impl fmt::Debug for Macaroon {
    /// Without anything that could be used.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Macaroon")
            .field("caveats", &self.caveats)
            .finish_non_exhaustive()
    }
}

/// Either alphabet, with padding or without, as libmacaroons takes it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [URL_SAFE, STANDARD]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

/// The value of the next packet, which has to have that key.
fn packet<'a>(rest: &mut &'a [u8], wanted: &str) -> Result<&'a [u8], MacaroonError> {
    let (key, value) = any_packet(rest)?;
    (key == wanted.as_bytes())
        .then_some(value)
        .ok_or(MacaroonError::Format)
}

/// Key and value of the next packet: its length in four hexadecimal digits, key, space, value, line end.
fn any_packet<'a>(rest: &mut &'a [u8]) -> Result<(&'a [u8], &'a [u8]), MacaroonError> {
    let split = |bytes: &'a [u8]| {
        let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
        // `from_str_radix` would take a sign.
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let length = usize::from_str_radix(digits, 16).ok()?;
        let (packet, after) = bytes.split_at_checked(length)?;
        let line = packet.get(4..)?.strip_suffix(b"\n")?;
        let space = line.iter().position(|byte| *byte == b' ')?;
        hexadecimal.then_some(((&line[..space], &line[space + 1..]), after))
    };
    let (found, after) = split(rest).ok_or(MacaroonError::Format)?;
    *rest = after;
    Ok(found)
}

fn write(bytes: &mut Vec<u8>, key: &str, value: &[u8]) {
    let length = FRAME + key.len() + value.len();
    bytes.extend_from_slice(format!("{length:04x}{key} ").as_bytes());
    bytes.extend_from_slice(value);
    bytes.push(b'\n');
}

/// Whether a value is short enough for a packet.
fn fits(key: &str, length: usize) -> Result<(), MacaroonError> {
    (FRAME + key.len() + length <= MAX_PACKET)
        .then_some(())
        .ok_or(MacaroonError::TooLong)
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT: &[u8] = b"this is our super secret key; only we should know it";
    /// Made by pymacaroons 0.13 from that key.
    const KNOWN: [&str; 3] = [
        "MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsvCjAwMjZpZGVudGlmaWVyIHdlIHVzZWQgb3VyIHNlY3JldCBrZXkKMDAyZnNpZ25hdHVyZSDj2eApCFJsTAA5rhURQRXZf91ovyujebNCqvD2F9BVLwo",
        "MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsvCjAwMjZpZGVudGlmaWVyIHdlIHVzZWQgb3VyIHNlY3JldCBrZXkKMDAxNmNpZCB0ZXN0ID0gY2F2ZWF0CjAwMmZzaWduYXR1cmUgGXusegRK8zMyhluSZuJtSTvdZopmDkTYjOGpmMI9vWcK",
        "MDAxY2xvY2F0aW9uIGh0dHA6Ly9teWJhbmsvCjAwMjZpZGVudGlmaWVyIHdlIHVzZWQgb3VyIHNlY3JldCBrZXkKMDAxNmNpZCB0ZXN0ID0gY2F2ZWF0CjAwMWZjaWQgYWN0aXZpdHk6RE9XTkxPQUQsTElTVAowMDI0Y2lkIGJlZm9yZToyMDMwLTAxLTAxVDAwOjAwOjAwWgowMDJmc2lnbmF0dXJlICgpY-gIZ7AF4icMBYYji2A14qWipDvTR5MOadKAlO3oCg",
    ];

    fn sample(caveats: &[&str]) -> Macaroon {
        let mut made = Macaroon::new(ROOT, "http://mybank/", "we used our secret key").unwrap();
        for caveat in caveats {
            made.add(caveat).unwrap();
        }
        made
    }

    #[test]
    fn they_are_those_of_another_implementation() {
        for (text, caveats) in KNOWN.iter().zip([
            &[][..],
            &["test = caveat"],
            &[
                "test = caveat",
                "activity:DOWNLOAD,LIST",
                "before:2030-01-01T00:00:00Z",
            ],
        ]) {
            assert_eq!(sample(caveats).text(), *text);
            let read = Macaroon::parse(text).unwrap();
            assert_eq!(read.caveats(), caveats);
            assert_eq!(read.identifier(), b"we used our secret key");
            assert!(read.verify(ROOT) && !read.verify(b"another"));
            let padding = "=".repeat(text.len().wrapping_neg() % 4);
            let padded = format!("{text}{padding}");
            assert_eq!(Macaroon::parse(&padded).as_ref(), Ok(&read));
            let standard = text.replace('-', "+").replace('_', "/");
            assert_eq!(Macaroon::parse(&standard), Ok(read));
        }
    }

    #[test]
    fn every_forgery_is_another_macaroon_and_not_genuine() {
        let good = sample(&["activity:DOWNLOAD", "before:2030-01-01T00:00:00Z"]);
        for tampering in Tampering::ALL {
            let forged = good.tampered(tampering);
            assert_ne!(forged.text(), good.text(), "{tampering:?}");
            assert!(!forged.verify(ROOT), "{tampering:?}");
            assert_eq!(Macaroon::parse(&forged.text()), Ok(forged), "{tampering:?}");
        }
        let forged = good.tampered(Tampering::Caveat);
        assert!(forged.caveats()[0].contains("UPLOAD") && forged.caveats().len() == 2);
        assert!(good.tampered(Tampering::DropCaveat).caveats() == ["activity:DOWNLOAD"]);
        assert!(good.tampered(Tampering::Key).verify(b""));
    }

    #[test]
    fn what_is_none_is_told_apart() {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let packets = |packets: &[(&str, &[u8])]| {
            let mut bytes = Vec::new();
            for (key, value) in packets {
                write(&mut bytes, key, value);
            }
            encode(&bytes)
        };
        let head: [(&str, &[u8]); 2] = [("location", b"l"), ("identifier", b"i")];
        let end: (&str, &[u8]) = ("signature", &[0; 32]);
        let with = |more: &[(&str, &[u8])]| packets(&[&head[..], more].concat());
        assert!(Macaroon::parse(&with(&[end])).is_ok());
        for (text, error) in [
            (String::new(), MacaroonError::Format),
            ("eyJhbGciOiJub25lIn0.e30.".into(), MacaroonError::Format),
            ("{\"v\":2}".into(), MacaroonError::Second),
            (encode(b"\x02\x01\x00"), MacaroonError::Second),
            ("A".repeat(MAX_TEXT + 1), MacaroonError::TooLong),
            (encode(b"ffff"), MacaroonError::Format),
            (encode(b"0000location l\n"), MacaroonError::Format),
            (encode(b"+00alocation l\n"), MacaroonError::Format),
            (packets(&[head[1], head[0], end]), MacaroonError::Format),
            (with(&[]), MacaroonError::Format),
            (with(&[("signature", &[0; 31])]), MacaroonError::Format),
            (with(&[end, end]), MacaroonError::Format),
            (with(&[("cid", b"\xff"), end]), MacaroonError::Caveats),
            (
                with(&[("cid", b"x"), ("vid", b"v"), end]),
                MacaroonError::Caveats,
            ),
        ] {
            assert_eq!(Macaroon::parse(&text), Err(error), "{text:.60}");
        }
        let mut long = sample(&[]);
        assert_eq!(
            long.add(&"x".repeat(MAX_PACKET)),
            Err(MacaroonError::TooLong)
        );
        assert_eq!(long, sample(&[]));
    }

    #[test]
    fn it_shows_nothing_that_could_be_used() {
        let shown = format!("{:?}", sample(&["a"]));
        assert_eq!(shown, "Macaroon { caveats: [\"a\"], .. }");
    }

    proptest! {
        #[test]
        fn whatever_is_added_comes_back(caveats in proptest::collection::vec("(?s).{0,40}", 0..6)) {
            let mut made = Macaroon::new(ROOT, "se", "id").unwrap();
            for caveat in &caveats {
                made.add(caveat).unwrap();
            }
            let read = Macaroon::parse(&made.text()).unwrap();
            prop_assert_eq!(read.caveats(), &caveats[..]);
            prop_assert!(read.verify(ROOT));
        }

        #[test]
        fn hostile_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0..200_usize) {
            let _ = Macaroon::parse(&BASE64_URL_SAFE_NO_PAD.encode(&bytes));
            let mut spoilt = BASE64_URL_SAFE_NO_PAD.decode(KNOWN[2]).unwrap();
            let end = bytes.len().min(spoilt.len().saturating_sub(at));
            spoilt[at..at + end].copy_from_slice(&bytes[..end]);
            if let Ok(read) = Macaroon::parse(&BASE64_URL_SAFE_NO_PAD.encode(&spoilt)) {
                let genuine = read.text() == KNOWN[2];
                // What is no part of the chain is a hint, and anybody may change it.
                prop_assert_eq!(read.verify(ROOT), genuine || read.location != b"http://mybank/");
            }
        }
    }
}
