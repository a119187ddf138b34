use std::fmt;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::token::discovery::b64token;
use crate::token::{Macaroon, MacaroonError, form};

/// Texts that are longer are no tokens.
pub(super) const LARGEST: usize = 64 * 1024;

/// A JWS in compact form (RFC 7515 section 7.1), taken apart, and not yet believed.
#[derive(Clone)]
pub struct Decoded {
    /// The members of the header, in their order, repeated ones as well.
    pub header: Vec<(String, Value)>,
    /// The claims, likewise.
    pub payload: Vec<(String, Value)>,
    /// How many bytes the token has.
    pub bytes: usize,
    /// Header and payload as they were signed.
    pub(in crate::token) message: SecretString,
    /// The signature, base64url.
    pub(in crate::token) signature: SecretString,
    /// Which parts are encoded as RFC 7515 does not allow.
    pub(super) sloppy: Vec<&'static str>,
    /// Whether it has a signature; otherwise this is only what a token says.
    pub(super) signed: bool,
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded").finish_non_exhaustive()
    }
}

impl Decoded {
    /// A member of the header; of repeated ones the last.
    pub fn header(&self, name: &str) -> Option<&Value> {
        last(&self.header, name)
    }

    /// A claim; of repeated ones the last.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        last(&self.payload, name)
    }

    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }

    /// A claim that is a time: seconds since 1970.
    pub(super) fn seconds(&self, name: &str) -> Option<f64> {
        self.claim(name)?.as_f64()
    }

    /// The strings of a claim that is one or an array of them.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        match self.claim(name) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn unsigned(header: Vec<(String, Value)>, payload: Vec<(String, Value)>, bytes: usize) -> Self {
        Self {
            header,
            payload,
            bytes,
            message: SecretString::default(),
            signature: SecretString::default(),
            sloppy: Vec::new(),
            signed: false,
        }
    }

    /// Whether it has a signature; otherwise this is only what a token says.
    pub fn signed(&self) -> bool {
        self.signed
    }

    /// What is wrong with the length of the signature, whosever it is: each algorithm has its own (RFC 7518 sections 3.3 to
    /// 3.5, RFC 8037 section 3.1).
    pub fn cut(&self) -> Option<String> {
        let alg = self.header("alg")?.as_str()?;
        let text = self.signature.expose_secret();
        if !self.signed {
            return None;
        }
        if text.is_empty() && !alg.eq_ignore_ascii_case("none") {
            return Some("its signature is missing: nothing follows the last dot".into());
        }
        let whole = match alg {
            "ES256" | "EdDSA" => 64,
            "ES384" => 96,
            "ES512" => 132,
            // As long as the key, which has at least 2048 bits.
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => 256,
            _ => return None,
        };
        // A character of base64 is six bits; what is left over is no byte.
        let bytes = text.trim_end_matches('=').len() * 6 / 8;
        let right = match (alg, bytes) {
            ("EdDSA", 114) => true,
            (alg, bytes) if alg.starts_with(['R', 'P']) => bytes >= whole,
            (_, bytes) => bytes == whole,
        };
        let least = match alg.starts_with(['R', 'P']) {
            true => "at least ",
            false => "",
        };
        (!right).then(|| {
            format!("its signature has {bytes} bytes, where {alg} has {least}{whole}: it was cut off, or is none")
        })
    }

    /// The signature, which nothing may show.
    pub fn signature(&self) -> &SecretString {
        &self.signature
    }
}

fn last<'a>(members: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    let mut members = members.iter().rev();
    members
        .find(|(member, _)| member == name)
        .map(|(_, value)| value)
}

/// A text that is no JWS which can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What it is, or is not, in a sentence; nothing of the text is in it, but caveats of a macaroon are.
    pub what: String,
    /// What follows.
    pub means: String,
    /// Which sort of other thing it is.
    pub class: Class,
}

/// What a text is that is no JWS which can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It wants to be a JWT, and is a broken one.
    Broken,
    /// It may be a credential that others can judge.
    Sealed,
    /// It is no credential in the form in which one is presented.
    NoToken,
}

impl Class {
    /// The word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken-jwt",
            Self::Sealed => "other-credential",
            Self::NoToken => "no-token",
        }
    }
}

impl Unreadable {
    fn none(what: impl Into<String>, means: &str) -> Self {
        Self {
            what: what.into(),
            means: means.to_owned(),
            class: Class::NoToken,
        }
    }

    fn sealed(what: impl Into<String>, means: &str) -> Self {
        Self {
            class: Class::Sealed,
            ..Self::none(what, means)
        }
    }

    fn broken(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            means: "no service can read it; storage has to refuse it".into(),
            class: Class::Broken,
        }
    }
}

/// Takes a token apart, and recognises what is none.
///
/// # Errors
/// It is no JWS in compact form.
pub fn decode(token: &SecretString) -> Result<Decoded, Unreadable> {
    let text = token.expose_secret().trim();
    if text.len() > LARGEST {
        return Err(Unreadable::none(
            "this is larger than 64 KiB and no token",
            "HTTP servers refuse headers of that size",
        ));
    }
    if !b64token(text)
        && let Some(form) = form::of(text)
    {
        return Err(Unreadable::none(form.what, &form.mend));
    }
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err(other(text, &parts));
    };
    if text.contains(char::is_whitespace) {
        return Err(other(text, &parts));
    }
    let mut sloppy = Vec::new();
    let mut open = |what: &'static str, part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok().or_else(|| {
            sloppy.push(what);
            leniently(part)
        });
        bytes.ok_or_else(|| {
            Unreadable::broken(&format!(
                "this has the form of a JWT, but its {what} is not base64url"
            ))
        })
    };
    let header = open("header", header)?;
    let payload = open("payload", payload)?;
    open("signature", signature)?;
    let header = members(&header).ok_or_else(|| {
        Unreadable::broken("this has the form of a JWT, but its header is not a JSON object")
    })?;
    let payload = members(&payload).ok_or_else(|| {
        Unreadable::broken("this has the form of a JWT, but its payload is not a JSON object")
    })?;
    let message = text.rsplit_once('.').map_or("", |(message, _)| message);
    Ok(Decoded {
        header,
        payload,
        bytes: text.len(),
        message: message.into(),
        signature: (*signature).into(),
        sloppy,
        signed: true,
    })
}

/// What a token says whose signature was cut off, with the last dot or without it.
pub(in crate::token) fn decode_unsigned(text: &str) -> Option<Decoded> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let (header, payload) = text.split_once('.')?;
    if payload.contains('.') || text.len() > LARGEST {
        return None;
    }
    let open = |part: &str| leniently(part).as_deref().and_then(members);
    // An unsecured JWT has no signature, and is whole (RFC 7519 section 6).
    let header = open(header)?;
    if last(&header, "alg").and_then(Value::as_str) == Some("none") {
        return None;
    }
    Some(Decoded::unsigned(header, open(payload)?, text.len()))
}

/// What a token says, decoded by somebody else: JSON objects.
pub(in crate::token) fn decode_claims(
    header: Option<String>,
    claims: impl AsRef<str>,
) -> Option<Decoded> {
    let claims = claims.as_ref();
    let header = match header {
        Some(header) => members(header.as_bytes())?,
        None => Vec::new(),
    };
    Some(Decoded::unsigned(
        header,
        members(claims.as_bytes())?,
        claims.len(),
    ))
}

/// Padded, or in the other alphabet.
fn leniently(part: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let mut alphabets = [URL_SAFE, STANDARD].into_iter();
    alphabets.find_map(|alphabet| GeneralPurpose::new(&alphabet, config).decode(part).ok())
}

/// What the text is, if it is no JWS.
fn other(text: &str, parts: &[&str]) -> Unreadable {
    if text.is_empty() {
        return Unreadable::none("there is no token: the text is empty", "obtain one first");
    }
    if text.starts_with("-----BEGIN") {
        return Unreadable::none(
            "this is PEM: a certificate, proxy or key, and no token",
            "if it is a private key, it should not have come here",
        );
    }
    match Macaroon::parse(text) {
        Ok(macaroon) => {
            let caveats = macaroon.caveats();
            let restricted = match caveats {
                [] => "without any caveat".to_owned(),
                some => format!("with the caveats: {}", some.join("; ")),
            };
            return Unreadable::sealed(
                format!("this is a macaroon {restricted}"),
                "it is no JWT: the storage element that made it alone can judge it, by its caveats",
            );
        }
        Err(MacaroonError::Caveats) => {
            return Unreadable::sealed(
                "this is a macaroon with caveats that a third party discharges",
                "it is no JWT: the service that made it alone can judge it",
            );
        }
        Err(MacaroonError::Second) if !text.starts_with('{') => {
            return Unreadable::sealed(
                "this is a macaroon in the second format of libmacaroons",
                "it is no JWT: the service that made it alone can judge it",
            );
        }
        Err(_) => {}
    }
    if text.starts_with('{') {
        let members = members(text.as_bytes()).unwrap_or_default();
        let has = |name: &str| members.iter().any(|(member, _)| member == name);
        return if has("payload") {
            Unreadable::none(
                "this is a JWS in JSON",
                "bearer tokens are JWS in compact form (RFC 7519 section 1)",
            )
        } else {
            Unreadable::none("this is JSON and no token", "look where it came from")
        };
    }
    if let [header, _, _, _, _] = parts
        && let Some(header) = leniently(header).as_deref().and_then(members)
        && header.iter().any(|(name, _)| name == "enc")
    {
        return Unreadable::sealed(
            "this is a JWE: an encrypted token",
            "who has its key alone can read it; the profile has signed tokens only",
        );
    }
    if text.contains(char::is_whitespace) {
        return Unreadable::none(
            "this is more than one word and no token",
            "a token has no white space (RFC 6750 section 2.1)",
        );
    }
    if parts.len() == 2 && leniently(parts[0]).as_deref().and_then(members).is_some() {
        return Unreadable::broken(
            "this is a JWT without its signature: the last dot and what follows are missing",
        );
    }
    if text.starts_with("hvs.") || text.starts_with("s.") {
        return Unreadable::sealed(
            "this looks like a token of Vault",
            "it opens Vault, from which a bearer token can be had; storage cannot read it",
        );
    }
    Unreadable::sealed(
        "this is no JWT: it does not have three parts between dots",
        "it may be an opaque token, which its issuer alone can judge (RFC 7662); storage that follows the profile cannot read it",
    )
}

/// The members of a JSON object in their order, repeated ones as well.
fn members(bytes: &[u8]) -> Option<Vec<(String, Value)>> {
    serde_json::from_slice::<Members>(bytes)
        .ok()
        .map(|members| members.0)
}

struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
