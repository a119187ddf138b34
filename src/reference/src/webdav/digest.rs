//! Digests of files in headers: RFC 3230 and RFC 5843, and RFC 9530.

use axum::http::{HeaderMap, HeaderName, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::super::answers::Outcome;

/// The digests that can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Adler32,
    Sha256,
}

/// The header field with digests of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// RFC 3230.
    Digest,
    /// RFC 9530.
    Representation,
}

impl Field {
    /// Its name.
    pub(super) fn name(self) -> HeaderName {
        HeaderName::from_static(match self {
            Self::Digest => "digest",
            Self::Representation => "repr-digest",
        })
    }

    /// The field that asks for it.
    pub(super) fn wish(self) -> &'static str {
        match self {
            Self::Digest => "want-digest",
            Self::Representation => "want-repr-digest",
        }
    }

    /// The digests that such a wish is for.
    pub(super) fn wanted(self, wish: &str) -> Vec<Algorithm> {
        match self {
            Self::Digest => wanted(wish),
            Self::Representation => wanted_representation(wish),
        }
    }

    /// One digest of `bytes` as the field has it.
    pub(super) fn member(self, algorithm: Algorithm, bytes: &[u8]) -> String {
        match self {
            Self::Digest => algorithm.of(bytes),
            Self::Representation => algorithm.of_representation(bytes),
        }
    }
}

/// The digests in a `Want-Digest` that can be had and are not ruled out by `q=0`.
fn wanted(header: &str) -> Vec<Algorithm> {
    let mut found = Vec::new();
    for item in header.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let algorithm = match parts.next().map(str::to_ascii_lowercase).as_deref() {
            Some("adler32") => Algorithm::Adler32,
            Some("sha-256") => Algorithm::Sha256,
            _ => continue,
        };
        let refused = parts
            .filter_map(|parameter| parameter.strip_prefix("q="))
            .any(|q| q.parse() == Ok(0.0));
        if !refused && !found.contains(&algorithm) {
            found.push(algorithm);
        }
    }
    found
}

/// Those in a `Want-Repr-Digest`, a dictionary with preferences from 0 to 10 (RFC 9530 section 4).
fn wanted_representation(header: &str) -> Vec<Algorithm> {
    let mut found = Vec::new();
    for item in header.split(',') {
        let (name, preference) = item.split_once('=').unwrap_or((item, ""));
        let Some(algorithm) = representation(name) else {
            continue;
        };
        let wanted = preference.trim().parse::<u8>();
        if wanted.is_ok_and(|wanted| (1..=10).contains(&wanted)) && !found.contains(&algorithm) {
            found.push(algorithm);
        }
    }
    found
}

/// Refuses an upload that is not what its `Digest`, `Repr-Digest` or `Content-MD5` says; unknown algorithms say nothing.
pub(in super::super) fn matches_digests(headers: &HeaderMap, body: &[u8]) -> Result<(), Outcome> {
    match digests_fit(headers, body) {
        Some(false) => Err(Outcome::text(
            StatusCode::BAD_REQUEST,
            "the body is not what its digest says\n",
        )),
        _ => Ok(()),
    }
}

/// Whether `body` is what `Digest`, `Repr-Digest` and `Content-MD5` (RFC 1864) say; `None` if they say nothing that is understood.
pub(in super::super) fn digests_fit(headers: &HeaderMap, body: &[u8]) -> Option<bool> {
    let items = |name| {
        let values = headers.get_all(name).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|item| item.trim().split_once('='))
    };
    let plain = items("digest").filter_map(|(name, told)| {
        Some(match wanted(name).first()? {
            Algorithm::Adler32 => told.eq_ignore_ascii_case(&Algorithm::Adler32.value(body)),
            algorithm => told == algorithm.value(body),
        })
    });
    let representation = items("repr-digest")
        .filter_map(|(name, told)| Some(told == representation(name)?.representation_value(body)));
    let md5 = headers.get_all("content-md5").iter();
    let md5 =
        md5.map(|told| told.as_bytes() == BASE64_STANDARD.encode(Md5::digest(body)).as_bytes());
    plain
        .chain(representation)
        .chain(md5)
        .reduce(|one, other| one && other)
}

/// The headers that tell the Adler-32 of `body`.
pub(in super::super) fn digests(body: &[u8]) -> [(HeaderName, String); 2] {
    [Field::Digest, Field::Representation]
        .map(|field| (field.name(), field.member(Algorithm::Adler32, body)))
}

/// The algorithm of that key in the registry of RFC 9530 section 7.2.
fn representation(name: &str) -> Option<Algorithm> {
    match name.trim() {
        "adler" => Some(Algorithm::Adler32),
        "sha-256" => Some(Algorithm::Sha256),
        _ => None,
    }
}

impl Algorithm {
    /// The digest as a `Digest` header has it.
    fn of(self, bytes: &[u8]) -> String {
        let name = match self {
            Self::Adler32 => "adler32",
            Self::Sha256 => "sha-256",
        };
        format!("{name}={}", self.value(bytes))
    }

    /// The digest as a `Repr-Digest` header has it.
    fn of_representation(self, bytes: &[u8]) -> String {
        let name = match self {
            Self::Adler32 => "adler",
            Self::Sha256 => "sha-256",
        };
        format!("{name}={}", self.representation_value(bytes))
    }

    fn value(self, bytes: &[u8]) -> String {
        match self {
            Self::Adler32 => format!("{:08x}", adler2::adler32_slice(bytes)),
            Self::Sha256 => BASE64_STANDARD.encode(Sha256::digest(bytes)),
        }
    }

    fn representation_value(self, bytes: &[u8]) -> String {
        let encoded = match self {
            Self::Adler32 => BASE64_STANDARD.encode(adler2::adler32_slice(bytes).to_be_bytes()),
            Self::Sha256 => BASE64_STANDARD.encode(Sha256::digest(bytes)),
        };
        format!(":{encoded}:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests() {
        assert_eq!(
            wanted("md5, SHA-256;q=0.5, adler32;q=0"),
            [Algorithm::Sha256]
        );
        assert_eq!(wanted("crc32"), []);
        // Adler-32 of "a" begins with zeros.
        assert_eq!(Algorithm::Adler32.of(b"a"), "adler32=00620062");
        assert_eq!(
            Algorithm::Sha256.of(b""),
            "sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn representation_digests() {
        assert_eq!(
            wanted_representation("md5=9, adler=10, sha-256=0, adler=1"),
            [Algorithm::Adler32]
        );
        assert_eq!(wanted_representation("sha-256, adler=11"), []);
        assert_eq!(
            Algorithm::Adler32.of_representation(b"a"),
            "adler=:AGIAYg==:"
        );
    }

    #[test]
    fn uploads_are_what_their_digests_say() {
        let good = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            matches_digests(&headers, b"a").is_ok()
        };
        assert!(good("digest", "md5=x, ADLER32=00620062"));
        assert!(!good("digest", "adler32=00000001"));
        assert!(!good("digest", "adler32=620062"));
        assert!(good("repr-digest", "unknown=1, adler=:AGIAYg==:"));
        assert!(!good("repr-digest", "adler=:AAAAAQ==:"));
        assert!(!good("repr-digest", "sha-256=:AAAAAQ==:"));
        assert!(good("content-md5", "DMF1ucDxtqgxw5niaXcmYQ=="));
        assert!(!good("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="));
        assert!(good("x-other", "adler32=1"));
    }
}
