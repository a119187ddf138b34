//! Tokens that no honest issuer would give: altered, and signed or mangled in every way.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value, json};

use touchstone_model::{Alteration, GOOD, SWAPPED, Signature, TOGGLED, TokenRequest};

use super::key::SigningKey;

/// The order of the curve P-256 (FIPS 186-5).
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// Header and payload of a token, to be altered.
pub(super) struct Parts {
    pub header: Map<String, Value>,
    pub payload: Map<String, Value>,
    /// The signature that it came with; empty for one that is made from nothing.
    pub signature: Vec<u8>,
    /// Header and payload as they came, which is what the signature is about.
    pub message: Option<String>,
}

impl Parts {
    /// Takes a good token apart.
    ///
    /// # Errors
    /// It is no JWS.
    pub fn of(token: &str) -> Result<Self, String> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            return Err("the token does not have three parts".into());
        };
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| "the token is not base64url".to_owned())
        };
        let object = |part: &str| match serde_json::from_slice(&decode(part)?) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err("the token's header or payload is no JSON object".to_owned()),
        };
        Ok(Self {
            header: object(header)?,
            payload: object(payload)?,
            signature: decode(signature)?,
            message: Some(format!("{header}.{payload}")),
        })
    }

    /// The name of the key that signed it, as its header says.
    pub fn key_id(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }
}

/// Alters `parts` as `request` asks, and signs it with `key` or mangles its signature. `key` is the other one for
/// [`Signature::Other`].
///
/// # Errors
/// What `request` asks for cannot be made with what is at hand; in words.
pub(super) fn forge(
    mut parts: Parts,
    request: &TokenRequest,
    key: Option<&SigningKey>,
) -> Result<String, String> {
    let now = Timestamp::now().as_millisecond();
    let before = (parts.header.clone(), parts.payload.clone());
    let rogue = match request.signature {
        Signature::Rogue => Some(SigningKey::rogue(match request.key {
            Some(Signature::Rs256) => Algorithm::RS256,
            _ => Algorithm::ES256,
        })?),
        _ => None,
    };
    // The algorithm of whoever signs, unless the header is asked to say something else.
    let signer = key.filter(|_| signs(request.signature));
    if let Some(signer) = rogue.or(signer) {
        parts.header.insert("alg".into(), json!(signer.name()));
        if rogue.is_none() && request.signature != Signature::Other {
            parts.header.insert("kid".into(), json!(signer.id));
        }
    }
    if hmac(request.signature) {
        parts.header.insert("alg".into(), json!("HS256"));
    }
    alter(&mut parts.header, &request.header, now)?;
    alter(&mut parts.payload, &request.claims, now)?;
    if let Some(rogue) = rogue {
        if parts.header.get("x5c") == Some(&json!("rogue")) {
            let chain = json!([rogue.certificate()?]);
            parts.header.insert("x5c".into(), chain);
        }
        for (member, wrap) in [("jwk", false), ("jwks", true)] {
            if parts.header.get(member) == Some(&json!("rogue")) {
                let jwk = rogue.jwk.clone();
                parts.header.insert(
                    member.into(),
                    if wrap { json!({ "keys": [jwk] }) } else { jwk },
                );
            }
        }
    }
    let header = written(&parts.header, &request.header);
    let payload = repeated(&written(&parts.payload, &request.claims), request);
    let encoded = || {
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        )
    };
    // Where only the signature is mangled, the rest stays byte for byte, lest it be wrong as well.
    let message = match parts.message.take() {
        Some(message)
            if (&parts.header, &parts.payload) == (&before.0, &before.1)
                && request.repeated.is_empty()
                && request.trailing.is_empty()
                && ![&request.header, &request.claims].into_iter().any(raw) =>
        {
            message
        }
        _ => encoded(),
    };
    let own = || key.ok_or_else(|| lacking(request.signature).to_owned());
    let encoded = |bytes: Vec<u8>| Ok::<_, String>(URL_SAFE_NO_PAD.encode(bytes));
    let signature = match request.signature {
        Signature::Good
        | Signature::Es256
        | Signature::Rs256
        | Signature::Other
        | Signature::Second => own()?.sign(&message),
        Signature::Rogue => rogue.map_or_else(|| Err(String::new()), |rogue| rogue.sign(&message)),
        Signature::Missing => return Ok(message),
        Signature::Empty => Ok(String::new()),
        Signature::Kept => encoded(parts.signature),
        Signature::Flipped => encoded(flipped(parts.signature)),
        Signature::Random => encoded(random(parts.signature.len())),
        Signature::Zero => encoded(vec![0; parts.signature.len()]),
        Signature::Short => encoded(
            parts
                .signature
                .split_last()
                .map_or_else(Vec::new, |(_, rest)| rest.to_vec()),
        ),
        Signature::Long => encoded([parts.signature, vec![0]].concat()),
        Signature::Standard => match encoded(parts.signature)? {
            // It would be a good token.
            text if !text.contains(['-', '_']) => {
                Err("the signature is the same in every base64".to_owned())
            }
            text => Ok(text.replace('-', "+").replace('_', "/")),
        },
        Signature::Spaced => encoded(parts.signature).map(|text| {
            let (begin, end) = text.split_at(text.len() / 2);
            format!("{begin} {end}")
        }),
        Signature::Der => encoded(der(&ecdsa(&parts.signature)?)),
        Signature::Order => {
            ecdsa(&parts.signature).and_then(|_| encoded([order(), order()].concat()))
        }
        Signature::HmacPem => mac(&message, own()?.pem.as_bytes(), &parts.header),
        Signature::HmacPemBare => mac(&message, own()?.pem.trim_end().as_bytes(), &parts.header),
        Signature::HmacDer => mac(&message, &own()?.der, &parts.header),
        Signature::HmacJwk => mac(&message, own()?.jwk.to_string().as_bytes(), &parts.header),
        Signature::HmacEmpty => mac(&message, b"", &parts.header),
        Signature::HmacKid => {
            let kid = parts
                .header
                .get("kid")
                .and_then(Value::as_str)
                .unwrap_or_default();
            mac(&message, kid.as_bytes(), &parts.header)
        }
    }?;
    Ok(format!("{message}.{signature}"))
}

fn signs(signature: Signature) -> bool {
    matches!(
        signature,
        Signature::Good
            | Signature::Es256
            | Signature::Rs256
            | Signature::Other
            | Signature::Second
    )
}

/// What is said where the key that signs is none of those at hand.
fn lacking(signature: Signature) -> &'static str {
    match signature {
        Signature::Other => "no second `test-key` is at hand",
        _ => "the issuer's key is not at hand",
    }
}

fn hmac(signature: Signature) -> bool {
    matches!(
        signature,
        Signature::HmacPem
            | Signature::HmacPemBare
            | Signature::HmacDer
            | Signature::HmacJwk
            | Signature::HmacEmpty
            | Signature::HmacKid
    )
}

fn alter<'a>(
    members: &mut Map<String, Value>,
    alterations: impl IntoIterator<Item = (&'a String, &'a Alteration)>,
    now: i64,
) -> Result<(), String> {
    for (name, alteration) in alterations {
        match alteration {
            Alteration::Remove => {
                members.remove(name);
            }
            Alteration::FromNow(thousandths) => {
                let at = now
                    .div_euclid(1000)
                    .saturating_mul(1000)
                    .saturating_add(*thousandths);
                let value = if at % 1000 == 0 {
                    json!(at / 1000)
                } else {
                    json!(at as f64 / 1000.0)
                };
                members.insert(name.clone(), value);
            }
            Alteration::Value(value) => {
                members.insert(name.clone(), value.clone());
            }
            // Its text comes in when all is written.
            Alteration::Raw(_) => {
                members.insert(name.clone(), Value::Null);
            }
            Alteration::Edited(text) => {
                let good = members.get(name).and_then(Value::as_str);
                let good = good.ok_or_else(|| format!("the token's {name} is no text"))?;
                let edited = edited(text, good);
                // It would be a good token.
                if edited == good {
                    return Err(format!("the token's {name} cannot be written otherwise"));
                }
                members.insert(name.clone(), Value::String(edited));
            }
        }
    }
    Ok(())
}

/// A text with what stands in it for the value of a good token.
fn edited(text: &str, good: &str) -> String {
    let swapped = |c: char| match c.is_ascii_lowercase() {
        true => c.to_ascii_uppercase(),
        false => c.to_ascii_lowercase(),
    };
    let toggled = match good.strip_suffix('/') {
        Some(bare) => bare.to_owned(),
        None => format!("{good}/"),
    };
    text.replace(SWAPPED, &good.chars().map(swapped).collect::<String>())
        .replace(TOGGLED, &toggled)
        .replace(GOOD, good)
}

fn raw(alterations: &BTreeMap<String, Alteration>) -> bool {
    let mut all = alterations.values();
    all.any(|alteration| matches!(alteration, Alteration::Raw(_)))
}

/// The text of an object, with those members as they stand that no JSON library writes so.
fn written(members: &Map<String, Value>, alterations: &BTreeMap<String, Alteration>) -> String {
    let member = |(name, value): (&String, &Value)| match alterations.get(name) {
        Some(Alteration::Raw(text)) => format!("{}:{text}", json!(name)),
        _ => format!("{}:{value}", json!(name)),
    };
    let members: Vec<_> = members.iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

/// The payload's text with some members once more at its end, and something behind it, which no JSON library writes.
fn repeated(payload: &str, request: &TokenRequest) -> String {
    let mut text = payload.strip_suffix('}').unwrap_or(payload).to_owned();
    for (name, value) in &request.repeated {
        text.push_str(&format!(",{}:{value}", json!(name)));
    }
    text.push('}');
    text.push_str(&request.trailing);
    text
}

fn flipped(mut signature: Vec<u8>) -> Vec<u8> {
    if let Some(byte) = signature.get_mut(7) {
        *byte ^= 1;
    }
    signature
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        bytes.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The two numbers of an ES256 signature.
fn ecdsa(signature: &[u8]) -> Result<(&[u8], &[u8]), String> {
    signature
        .split_at_checked(32)
        .filter(|(_, s)| s.len() == 32)
        .ok_or_else(|| "the issuer does not sign with ES256".to_owned())
}

/// `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279 section 2.2.3).
fn der((r, s): &(&[u8], &[u8])) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let start = number
            .iter()
            .position(|b| *b != 0)
            .unwrap_or(number.len() - 1);
        let digits = &number[start..];
        let pad = digits[0] & 0x80 != 0;
        let length = (digits.len() + usize::from(pad)) as u8;
        let mut bytes = vec![2, length];
        bytes.extend(pad.then_some(0));
        bytes.extend_from_slice(digits);
        bytes
    };
    let inner = [integer(r), integer(s)].concat();
    [vec![0x30, inner.len() as u8], inner].concat()
}

fn order() -> Vec<u8> {
    let digit = |at: usize| {
        ORDER
            .get(at..at + 2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
    };
    (0..ORDER.len()).step_by(2).filter_map(digit).collect()
}

fn mac(message: &str, secret: &[u8], header: &Map<String, Value>) -> Result<String, String> {
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        Some("HS384") => Algorithm::HS384,
        Some("HS512") => Algorithm::HS512,
        _ => Algorithm::HS256,
    };
    jsonwebtoken::crypto::sign(
        message.as_bytes(),
        &EncodingKey::from_secret(secret),
        algorithm,
    )
    .map_err(|error| format!("the HMAC cannot be made: {error}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;
    use touchstone_model::{ANY_AUDIENCE, Audience};

    struct Bench {
        key: SigningKey,
        request: TokenRequest,
    }

    impl Bench {
        fn new() -> Self {
            let audience = Audience::One(ANY_AUDIENCE.into());
            Self {
                key: SigningKey::generate("own", Algorithm::ES256).unwrap(),
                request: TokenRequest::good("iam".into(), vec!["storage.read:/".into()], audience),
            }
        }

        fn parts(&self) -> Parts {
            let exp = Timestamp::now().as_second() + 600;
            let header = json!({"alg": "ES256", "kid": "k", "typ": "JWT"});
            let payload =
                json!({"iss": "https://iam.example.org/", "scope": "storage.read:/", "exp": exp});
            let (Value::Object(header), Value::Object(payload)) = (header, payload) else {
                panic!()
            };
            Parts {
                header,
                payload,
                signature: Vec::new(),
                message: None,
            }
        }

        /// The good token, taken apart.
        fn good(&self) -> Parts {
            Parts::of(&forge(self.parts(), &self.request, Some(&self.key)).unwrap()).unwrap()
        }

        fn make(&self, signature: Signature) -> String {
            let request = TokenRequest {
                signature,
                ..self.request.clone()
            };
            forge(self.good(), &request, Some(&self.key)).unwrap()
        }

        fn verifies(&self, token: &str) -> bool {
            let key = DecodingKey::from_jwk(&serde_json::from_value(self.key.jwk.clone()).unwrap())
                .unwrap();
            let mut validation = Validation::new(Algorithm::ES256);
            validation.validate_aud = false;
            jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
        }
    }

    #[test]
    fn only_the_key_makes_a_signature_that_verifies() {
        let bench = Bench::new();
        // Not each signature has a letter that is another one in plain base64, which has a test of its own.
        let always = |signature: &Signature| *signature != Signature::Standard;
        for signature in Signature::ALL.into_iter().filter(always) {
            let good = matches!(
                signature,
                Signature::Good
                    | Signature::Es256
                    | Signature::Rs256
                    | Signature::Second
                    | Signature::Kept
                    // No other key than that one is at hand.
                    | Signature::Other
            );
            let token = bench.make(signature);
            assert_eq!(bench.verifies(&token), good, "{}", signature.as_str());
        }
    }

    #[test]
    fn altered_payloads_do_not_go_with_the_kept_signature() {
        let bench = Bench::new();
        let mut request = bench.request.clone();
        request.signature = Signature::Kept;
        request
            .claims
            .insert("scope".into(), Alteration::Value(json!("storage.modify:/")));
        assert!(!bench.verifies(&forge(bench.good(), &request, None).unwrap()));
        request.signature = Signature::Good;
        assert!(bench.verifies(&forge(bench.good(), &request, Some(&bench.key)).unwrap()));
        assert!(
            forge(bench.good(), &request, None).is_err(),
            "without the key it cannot be made"
        );
    }

    #[test]
    fn members_are_removed_changed_and_repeated() {
        let bench = Bench::new();
        let mut request = bench.request.clone();
        request.header = BTreeMap::from([
            ("typ".to_owned(), Alteration::Remove),
            ("alg".to_owned(), Alteration::Value(json!("none"))),
        ]);
        request
            .claims
            .insert("nbf".into(), Alteration::FromNow(1500));
        request
            .claims
            .insert("exp".into(), Alteration::FromNow(600_000));
        request
            .repeated
            .insert("scope".into(), json!("storage.modify:/"));
        request.signature = Signature::Empty;
        let token = forge(bench.good(), &request, None).unwrap();
        assert!(token.ends_with('.'));
        let parts = Parts::of(&token).unwrap();
        assert_eq!(parts.header.get("typ"), None);
        assert_eq!(parts.header["alg"], "none");
        assert!(parts.payload["nbf"].is_f64() && parts.payload["exp"].is_i64());
        assert_eq!(
            parts.payload["scope"], "storage.modify:/",
            "a reader takes the last one"
        );
        let text = URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap();
        assert_eq!(
            String::from_utf8(text)
                .unwrap()
                .matches("\"scope\":")
                .count(),
            2
        );
    }

    /// The payload as it stands in the token.
    fn payload(token: &str) -> String {
        let part = token.split('.').nth(1).unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn what_no_library_writes_stands_in_the_payload_as_it_was_asked_for() {
        let bench = Bench::new();
        let mut request = bench.request.clone();
        for (claim, text) in [("exp", "1.0E9"), ("nbf", "18446744073709551616")] {
            request
                .claims
                .insert(claim.to_owned(), Alteration::Raw(text.to_owned()));
        }
        request.trailing = r#"{"scope":"storage.modify:/"}"#.to_owned();
        request.repeated.insert("aud".to_owned(), json!(["x"]));
        let token = forge(bench.good(), &request, Some(&bench.key)).unwrap();
        let text = payload(&token);
        assert!(text.contains(r#""exp":1.0E9,"#), "{text}");
        assert!(text.contains(r#""nbf":18446744073709551616,"#), "{text}");
        let end = r#","aud":["x"]}{"scope":"storage.modify:/"}"#;
        assert!(text.ends_with(end), "{text}");
        // All of it is signed.
        let (message, signature) = token.rsplit_once('.').unwrap();
        assert_eq!(bench.key.sign(message).unwrap().len(), signature.len());
        request.signature = Signature::Kept;
        request.claims.clear();
        request.repeated.clear();
        let kept = forge(bench.good(), &request, None).unwrap();
        assert!(payload(&kept).ends_with(&request.trailing));
    }

    #[test]
    fn texts_are_made_of_what_a_good_token_has_and_differ_from_it() {
        for (text, good, wanted) in [
            ("../{good}", "Key-1", "../Key-1"),
            ("{swapped}", "Key-1", "kEY-1"),
            ("{toggled}", "https://i/vo", "https://i/vo/"),
            ("{toggled}", "https://i/vo/", "https://i/vo"),
        ] {
            assert_eq!(edited(text, good), wanted);
        }
        let bench = Bench::new();
        let mut request = bench.request.clone();
        let edited = |text: &str| Alteration::Edited(text.to_owned());
        request.header.insert("kid".into(), edited("{good}x"));
        let token = forge(bench.good(), &request, Some(&bench.key)).unwrap();
        assert_eq!(Parts::of(&token).unwrap().key_id(), Some("ownx"));
        // What cannot be written otherwise would be a good token.
        request.header.insert("kid".into(), edited("{good}"));
        let told = forge(bench.good(), &request, Some(&bench.key)).unwrap_err();
        assert_eq!(told, "the token's kid cannot be written otherwise");
        request.header.insert("kid".into(), edited("{good}x"));
        request.claims.insert("exp".into(), edited("{good}x"));
        assert!(forge(bench.good(), &request, Some(&bench.key)).is_err());
    }

    #[test]
    fn a_token_of_another_key_names_the_one_that_did_not_sign_it() {
        let bench = Bench::new();
        let other = SigningKey::generate("other", Algorithm::RS256).unwrap();
        let request = TokenRequest {
            signature: Signature::Other,
            ..bench.request.clone()
        };
        let token = forge(bench.good(), &request, Some(&other)).unwrap();
        let parts = Parts::of(&token).unwrap();
        assert_eq!(
            (parts.key_id(), parts.header["alg"].as_str()),
            (Some("own"), Some("RS256"))
        );
        let (message, signature) = token.rsplit_once('.').unwrap();
        // RSA signs the same in the same way.
        assert_eq!(other.sign(message).unwrap(), signature);
        assert!(forge(bench.good(), &request, None).is_err());
    }

    #[test]
    fn a_signature_in_plain_base64_is_another_text() {
        let bench = Bench::new();
        let rsa = SigningKey::generate("own", Algorithm::RS256).unwrap();
        let of = |signature| TokenRequest {
            signature,
            key: Some(Signature::Rs256),
            ..bench.request.clone()
        };
        let good = forge(bench.parts(), &of(Signature::Good), Some(&rsa)).unwrap();
        let mut parts = Parts::of(&good).unwrap();
        let token = forge(Parts::of(&good).unwrap(), &of(Signature::Standard), None).unwrap();
        assert_ne!(token, good);
        assert_eq!(token.replace('+', "-").replace('/', "_"), good);
        // One of zeros has no letter that is another one there.
        parts.signature = vec![0; 256];
        assert!(forge(parts, &of(Signature::Standard), None).is_err());
    }

    #[test]
    fn a_rogue_key_is_of_the_kind_that_the_token_is_about() {
        let bench = Bench::new();
        let request = TokenRequest {
            signature: Signature::Rogue,
            key: Some(Signature::Rs256),
            ..bench.request.clone()
        };
        let token = forge(bench.good(), &request, None).unwrap();
        let parts = Parts::of(&token).unwrap();
        assert_eq!(parts.header["alg"], "RS256");
        assert_eq!(parts.signature.len(), 256);
    }

    #[test]
    fn what_is_not_altered_stays_byte_for_byte() {
        let bench = Bench::new();
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT", "alg":"ES256"}"#),
            URL_SAFE_NO_PAD.encode(r#"{"sub":"s","aud":"a"}"#)
        );
        let token = format!("{message}.{}", bench.key.sign(&message).unwrap());
        let mut request = bench.request.clone();
        request.signature = Signature::Kept;
        let made =
            |request: &TokenRequest| forge(Parts::of(&token).unwrap(), request, None).unwrap();
        assert_eq!(made(&request), token);
        request.signature = Signature::Der;
        assert!(made(&request).starts_with(&format!("{message}.")));
        let other = Alteration::Value(json!("b"));
        request.claims.insert("aud".into(), other);
        assert!(!made(&request).starts_with(&message));
    }

    #[test]
    fn der_numbers_are_positive_and_short() {
        let mut r = [0; 32];
        r[31] = 1;
        let s = [0x80; 32];
        let der = der(&(&r, &s));
        assert_eq!(&der[..7], [0x30, 38, 2, 1, 1, 2, 33]);
        assert_eq!(der.len(), 40);
        assert_eq!(order().len(), 32);
    }

    #[test]
    fn a_rogue_key_is_in_the_header_where_asked_for() {
        let bench = Bench::new();
        let mut request = bench.request.clone();
        request.signature = Signature::Rogue;
        request
            .header
            .insert("jwk".into(), Alteration::Value(json!("rogue")));
        request
            .header
            .insert("x5c".into(), Alteration::Value(json!("rogue")));
        let parts = Parts::of(&forge(bench.good(), &request, None).unwrap()).unwrap();
        assert_eq!(parts.header["jwk"]["kty"], "EC");
        let certificate = parts.header["x5c"][0].as_str().unwrap();
        let certificate = base64::prelude::BASE64_STANDARD
            .decode(certificate)
            .unwrap();
        let rogue = SigningKey::rogue(Algorithm::ES256).unwrap();
        let mut keys = certificate.windows(rogue.der.len());
        assert!(keys.any(|part| part == rogue.der), "it is of that key");
        assert_eq!(
            parts.header["kid"], bench.key.id,
            "it claims to be the issuer's"
        );
    }
}
