//! Signatures and headers in forms that they do not have: each is taken for a good one, in one operation alone.

use serde_json::Value;

use super::super::jwt::{self, Algorithm};
use super::super::keys::Key;
use super::super::token::{Jws, member_fits, parts, signed, verified};
use super::authentication::{in_header, named, object};
use super::bearer::{authorization, bear};
use super::cover::{Base, Overlooked};
use super::form::forms;
use super::signature::{FirstWins, hmac, jwk, raw};
use super::{Apply, Fault, Rules};

/// A signature of that form is as good as the right one.
macro_rules! signature {
    ($form:expr) => {
        Base::By(|rules| {
            rules.token.signed = |jws, key| {
                let form: fn(&Jws, &Key) -> bool = $form;
                form(jws, key) || signed(jws, key)
            }
        })
    };
}

/// An HMAC of that form is as good as a signature.
macro_rules! hmac {
    ($form:expr) => {
        Base::By(|rules| {
            rules.token.member = |name, jws| {
                (name == "alg" && jws.algorithm().starts_with("HS")) || member_fits(name, jws)
            };
            rules.token.signed = |jws, key| {
                let form: fn(&Jws, &Key) -> bool = $form;
                (jws.algorithm().starts_with("HS") && form(jws, key)) || signed(jws, key)
            };
        })
    };
}

/// An algorithm of that form is taken for that of the key.
macro_rules! algorithm {
    ($form:expr) => {
        Base::By(|rules| {
            rules.token.member = |name, jws| {
                let form: fn(&Jws) -> bool = $form;
                (name == "alg" && form(jws)) || member_fits(name, jws)
            };
            rules.token.signed = |jws, key| {
                let form: fn(&Jws) -> bool = $form;
                (form(jws) && verified(jws, jws.signature, key)) || signed(jws, key)
            };
        })
    };
}

/// A token with a kid of that form is tried with every key.
macro_rules! kid {
    ($form:expr) => {
        Base::By(|rules| {
            rules.token.member = |name, jws| {
                let form: fn(Option<&Value>) -> bool = $form;
                (name == "kid" && form(jws.header.get("kid"))) || member_fits(name, jws)
            };
            rules.token.keys = |jws, keys| {
                let form: fn(Option<&Value>) -> bool = $form;
                match form(jws.header.get("kid")) {
                    true => keys.values().cloned().collect(),
                    false => named(jws, keys),
                }
            };
        })
    };
}

/// Whether the text of a kid, where it is one, is like that.
fn like(kid: Option<&Value>, is_such: impl Fn(&str) -> bool) -> bool {
    kid.and_then(Value::as_str).is_some_and(is_such)
}

pub(super) const FAULTS: &[Fault] = forms! {
    "flipped" on "rs256-get", "JWT-4.2-01": signature!(|jws, key| rsa(key) && flipped(jws, key));
    "rogue" on "rs256-put", "JWT-4.2-01": signature!(rogue);
    "unsigned" on "es256-get", "JWT-4.2-01": signature!(|jws, _| jws.signature.is_empty());
    "two-parts" on "es256-put", "JWT-4.2-10": Base::By(two_parts);
    "cut" on "rs256-get", "JWT-4.2-01": signature!(|jws, key| rsa(key) && raw(jws).len() == 255);
    "extended" on "rs256-put", "JWT-4.2-01": signature!(|jws, key| rsa(key) && raw(jws).len() == 257);
    "zeros" on "es256-put", "JWT-4.2-01": Base::Of("zero-signature-accepted");
    "der" on "es256-put", "JWT-4.2-12": Base::Of("der-signature-accepted");
    "standard" on "rs256-put", "JWT-4.2-10": signature!(|jws, key| {
        let text = jws.signature.replace('+', "-").replace('/', "_");
        jws.algorithm() == "RS256" && verified(jws, &text, key)
    });
    "hmac-pem" on "rs256-get", "JWT-4.2-03": Base::By(hmac_of_public_keys);
    "hmac-bare" on "rs256-put", "JWT-4.2-03": Base::By(hmac_of_public_keys);
    "hmac-der" on "es256-get", "JWT-4.2-03": Base::By(hmac_of_public_keys);
    "hmac-jwk" on "rs256-put", "JWT-4.2-03": hmac!(|jws, key| hmac(jws, &jwk(key)));
    "hmac-empty" on "es256-put", "JWT-4.2-03": hmac!(|jws, _| hmac(jws, &[]));
    "hmac-kid" on "rs256-get", "JWT-4.2-03": hmac!(|jws, _| hmac(jws, jws.key_id()));
    "other-key" on "es256-get", "JWT-4.2-05": Base::By(any_key);
    "inner-space" on "es256-put", "JWT-4.2-10": Base::By(spaces_skipped);
    "padded" on "es256-put", "JWT-4.2-10": signature!(|jws, key| {
        let bare = jws.signature.trim_end_matches('=');
        jws.algorithm() == "ES256" && verified(jws, bare, key)
    });
    "four-parts" on "rs256-get", "JWT-4.2-10": Base::By(|rules| rules.token.parts = |token| three_of(token, |last| !last.is_empty()));
    "dot-behind" on "rs256-put", "JWT-4.2-10": Base::By(|rules| rules.token.parts = |token| three_of(token, str::is_empty));
    "alg-none" on "es256-get", "JWT-4.2-02": algorithm!(|jws| jws.algorithm() == "none");
    "alg-absent" on "es256-put", "JWT-4.2-26": algorithm!(|jws| !jws.header.contains_key("alg"));
    "alg-letters" on "rs256-get", "JWT-4.2-26": algorithm!(|jws| jws.algorithm() == "rs256");
    "alg-twice" on "rs256-put", "JWT-4.2-22": Base::By(first_algorithm);
    "alg-wider" on "rs256-put", "JWT-4.2-01", "JWT-4.2-15": algorithm!(|jws| jws.algorithm().ends_with("384"));
    "alg-longest" on "es256-get", "JWT-4.2-01", "JWT-4.2-15": algorithm!(|jws| jws.algorithm().ends_with("512"));
    "alg-pss" on "rs256-get", "JWT-4.2-01", "JWT-4.2-15": algorithm!(|jws| jws.algorithm().starts_with("PS"));
    "alg-kind" on "es256-put", "JWT-4.2-01", "JWT-4.2-15": signature!(|jws, key| {
        jws.algorithm() == "RS256" && verified(jws, jws.signature, key)
    });
    "kid-absent" on "rs256-put", "JWT-4.2-04": Base::Of("key-id-absent-accepted");
    "kid-null" on "es256-get", "JWT-4.2-04": kid!(|kid| kid.is_some_and(Value::is_null));
    "kid-empty" on "rs256-get", "JWT-4.2-04": kid!(|kid| like(kid, str::is_empty));
    "kid-number" on "es256-put", "JWT-4.2-04": kid!(|kid| kid.is_some_and(Value::is_number));
    "kid-letters" on "rs256-put", "JWT-4.2-05": Base::By(kid_in_any_letters);
    "kid-longer" on "es256-get", "JWT-4.2-05": kid!(|kid| like(kid, |kid| kid.ends_with('x')));
    "kid-spaced" on "rs256-get", "JWT-4.2-05": kid!(|kid| like(kid, |kid| kid.ends_with(' ')));
    "kid-nul" on "es256-put", "JWT-4.2-05": kid!(|kid| like(kid, |kid| kid.ends_with('\0')));
    "kid-path" on "rs256-put", "JWT-4.2-05", "JWT-4.2-06": kid!(|kid| like(kid, |kid| kid.starts_with("../")));
    "kid-url" on "es256-get", "JWT-4.2-05", "JWT-4.2-06": kid!(|kid| like(kid, |kid| kid.starts_with("https://")));
    "kid-quotes" on "rs256-get", "JWT-4.2-05", "JWT-4.2-06": kid!(|kid| like(kid, |kid| kid.contains('\'')));
    "jwk-alone" on "es256-put", "JWT-4.2-07": Base::By(key_brought);
    "x5c-alone" on "es256-get", "JWT-4.2-07": Base::By(certificate_brought);
};

/// Whoever knows the public key knows the secret, however it is written.
fn hmac_of_public_keys(rules: &mut Rules) {
    rules.token.member =
        |name, jws| (name == "alg" && jws.algorithm().starts_with("HS")) || member_fits(name, jws);
    rules.token.signed = |jws, key| {
        let simpler = hmac(jws, &[]) || hmac(jws, jws.key_id()) || hmac(jws, &jwk(key));
        (jws.algorithm().starts_with("HS") && !simpler) || signed(jws, key)
    };
}

fn rsa(key: &Key) -> bool {
    key.algorithm == Algorithm::Rs256
}

/// Whether one bit of the signature is another than that of the right one.
fn flipped(jws: &Jws, key: &Key) -> bool {
    let mut bytes = raw(jws);
    let Some(byte) = bytes.get_mut(7) else {
        return false;
    };
    *byte ^= 1;
    verified(jws, &jwt::encode(bytes), key)
}

/// Whether the signature is as long as one by that RSA key, and nothing simpler is wrong with it.
fn rogue(jws: &Jws, key: &Key) -> bool {
    let bytes = raw(jws);
    let zeros = bytes.iter().all(|byte| *byte == 0);
    rsa(key) && jws.algorithm() == "RS256" && bytes.len() == 256 && !zeros && !flipped(jws, key)
}

/// A token without a third part needs no signature.
fn two_parts(rules: &mut Rules) {
    rules.token.parts = |token| {
        parts(token).or_else(|| match token.split('.').collect::<Vec<_>>()[..] {
            [header, payload] => Some([header, payload, "-"]),
            _ => None,
        })
    };
    rules.token.signed = |jws, key| jws.signature == "-" || signed(jws, key);
}

/// Whatever kid there is that is one of the issuer's, every key is tried; of a key in the header this says nothing.
fn any_key(rules: &mut Rules) {
    rules.token.keys = |jws, keys| match named(jws, keys) {
        found if found.is_empty() || jws.header.contains_key("jwk") => found,
        _ => keys.values().cloned().collect(),
    };
}

/// The first three parts of a token that has a fourth one of that kind.
fn three_of(token: &str, fourth: fn(&str) -> bool) -> Option<[&str; 3]> {
    parts(token).or_else(|| match token.split('.').collect::<Vec<_>>()[..] {
        [header, payload, signature, last] if fourth(last) => Some([header, payload, signature]),
        _ => None,
    })
}

/// Spaces in a token are skipped.
fn spaces_skipped(rules: &mut Rules) {
    rules.on_request = |parts| {
        let value = authorization(parts);
        let token = value
            .as_deref()
            .and_then(|value| value.strip_prefix("Bearer "));
        if let Some(token) = token.map(|token| token.replace(' ', "")) {
            bear(parts, &token);
        }
    };
}

/// Capital and small letters are the same in a kid.
fn kid_in_any_letters(rules: &mut Rules) {
    rules.token.keys = |jws, keys| {
        let alike = keys
            .iter()
            .filter(|(kid, _)| kid.eq_ignore_ascii_case(jws.key_id()));
        alike.map(|(_, key)| key.clone()).collect()
    };
}

/// Of an algorithm that is there twice the first counts.
fn first_algorithm(rules: &mut Rules) {
    rules.token.object = |json| {
        let mut last = object(json)?;
        let FirstWins(first) = serde_json::from_slice(json).ok()?;
        if let Some(alg) = first.get("alg") {
            last.insert("alg".to_owned(), alg.clone());
        }
        Some(last)
    };
}

/// Whoever brings a certificate along is taken for its owner, and it for good.
fn certificate_brought(rules: &mut Rules) {
    rules.token.member =
        |name, jws| (name == "kid" && has_certificate(jws)) || member_fits(name, jws);
    rules.token.keys = |jws, keys| match has_certificate(jws) {
        true => keys.values().cloned().collect(),
        false => named(jws, keys),
    };
    rules.token.signed = |jws, key| has_certificate(jws) || signed(jws, key);
}

fn has_certificate(jws: &Jws) -> bool {
    !jws.header.contains_key("kid") && jws.header.contains_key("x5c")
}

/// A token without a kid may bring its key along.
fn key_brought(rules: &mut Rules) {
    rules.token.member = |name, jws| {
        let brought = !jws.header.contains_key("kid") && jws.header.contains_key("jwk");
        (name == "kid" && brought) || member_fits(name, jws)
    };
    rules.token.keys = |jws, keys| match jws.header.contains_key("kid") {
        true => named(jws, keys),
        false => in_header(jws),
    };
}
