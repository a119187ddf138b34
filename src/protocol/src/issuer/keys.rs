//! Words about the key set.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED,
    EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::document::members;
use super::{Flaw, Found, Mute, View, object, shown, value};

/// Members of keys that are nobody else's business (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const HOUR: i64 = 3600;

fn keys(view: &View<'_>) -> Result<Vec<Map<String, Value>>, Mute> {
    let members = members(view)?;
    let keys = members.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or_else(|| Mute::Undecided("its keys are no list".into()))?;
    Ok(keys.iter().filter_map(Value::as_object).cloned().collect())
}

fn text<'k>(key: &'k Map<String, Value>, name: &str) -> Option<&'k str> {
    key.get(name).and_then(Value::as_str)
}

fn bytes(key: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(key, name)?).ok()
}

/// How messages call a key.
fn named(key: &Map<String, Value>) -> String {
    match text(key, "kid") {
        Some(kid) => format!("the key {}", shown(kid)),
        None => "a key without kid".to_owned(),
    }
}

/// Whether signatures may be verified with it (RFC 7517 sections 4.2 and 4.3).
fn signs(key: &Map<String, Value>) -> bool {
    let verifies = |operations: &Value| {
        let mut all = operations.as_array().into_iter().flatten();
        all.any(|operation| operation == "verify")
    };
    key.get("use").is_none_or(|usage| usage == "sig") && key.get("key_ops").is_none_or(verifies)
}

pub(super) fn key_set(view: &View<'_>) -> Vec<Flaw> {
    let Some(answer) = view.answer() else {
        return Vec::new();
    };
    let right = "200 with a JSON object that has a list `keys`";
    if answer.status != 200 {
        return vec![Flaw::new(right, format!("{}", answer.status))];
    }
    let members = match object(answer) {
        Ok(members) => members,
        Err(reason) => return vec![Flaw::new(right, reason)],
    };
    let Some(keys) = members.get("keys").and_then(Value::as_array) else {
        return vec![Flaw::new(right, value(members.get("keys")))];
    };
    if keys.is_empty() {
        return vec![Flaw::new("at least one key", "none")];
    }
    let flaw = |key: &Value| match key.as_object() {
        None => Some(Flaw::new("each key an object", value(Some(key)))),
        Some(key) => malformed(key)
            .map(|wrong| Flaw::new("keys that decode", format!("{}: {wrong}", named(key)))),
    };
    keys.iter().filter_map(flaw).collect()
}

fn malformed(key: &Map<String, Value>) -> Option<String> {
    let undecoded = |names: &[&str]| {
        let wrong = names.iter().find(|name| {
            let bytes = bytes(key, name);
            bytes.is_none_or(|bytes| bytes.is_empty())
        });
        wrong.map(|name| format!("its `{name}` is no base64url"))
    };
    match text(key, "kty") {
        None => Some("it has no kty".into()),
        Some("RSA") => undecoded(&["n", "e"]),
        Some("EC") => undecoded(&["x", "y"]).or_else(|| off_curve(key)),
        Some("OKP") => undecoded(&["x"]),
        Some(_) => None,
    }
}

fn off_curve(key: &Map<String, Value>) -> Option<String> {
    let (curve, size): (&'static EcdsaVerificationAlgorithm, usize) = match text(key, "crv") {
        None => return Some("it has no crv".into()),
        Some("P-256") => (&ECDSA_P256_SHA256_FIXED, 32),
        Some("P-384") => (&ECDSA_P384_SHA384_FIXED, 48),
        Some("P-521") => (&ECDSA_P521_SHA512_FIXED, 66),
        Some(_) => return None,
    };
    let (x, y) = (bytes(key, "x")?, bytes(key, "y")?);
    if (x.len(), y.len()) != (size, size) {
        return Some(format!("its x and y do not have {size} bytes each"));
    }
    let point = [vec![4], x, y].concat();
    let off = ParsedPublicKey::new(curve, point).is_err();
    off.then(|| "its x and y are no point of the curve".to_owned())
}

pub(super) fn key_ids(view: &View<'_>) -> Found {
    let keys = keys(view)?;
    let mut flaws = Vec::new();
    let mut seen: Vec<(&str, Option<&str>)> = Vec::new();
    for key in &keys {
        let kind = text(key, "kty");
        match text(key, "kid").filter(|kid| !kid.is_empty()) {
            None if signs(key) => flaws.push(Flaw::new(
                "a kid for every signing key",
                value(key.get("kid")),
            )),
            None => {}
            Some(kid) => {
                let twice = || format!("{} twice", shown(kid));
                let flaw = || Flaw::new("each kid once", twice()).from("ISS-JWKS-07");
                let same = || seen.iter().filter(|(other, _)| *other == kid);
                if same().any(|(_, other)| *other == kind) {
                    flaws.push(flaw());
                } else if same().next().is_some() {
                    // The type tells which of them is meant (RFC 7517 section 4.5).
                    flaws.push(flaw().minor());
                }
                seen.push((kid, kind));
            }
        }
    }
    Ok(flaws)
}

pub(super) fn public_only(view: &View<'_>) -> Found {
    let keys = keys(view)?;
    let flaw = |key: &Map<String, Value>| {
        let member = PRIVATE.iter().find(|member| key.contains_key(**member));
        let actual = match (member, text(key, "kty")) {
            (Some(member), _) => format!("{} has the member `{member}`", named(key)),
            (None, Some("oct")) => format!("{} is symmetric", named(key)),
            _ => return None,
        };
        Some(Flaw::new("no private parts", actual))
    };
    Ok(keys.iter().filter_map(flaw).collect())
}

pub(super) fn strong_keys(view: &View<'_>) -> Found {
    let keys = keys(view)?;
    Ok(keys
        .iter()
        .filter(|key| signs(key))
        .filter_map(weak)
        .collect())
}

fn weak(key: &Map<String, Value>) -> Option<Flaw> {
    match text(key, "kty")? {
        "RSA" => {
            let (modulus, exponent) = (bytes(key, "n")?, bytes(key, "e")?);
            let bits = bits(&modulus);
            if bits < 2048 {
                let actual = format!("{} has {bits}", named(key));
                return Some(Flaw::new("at least 2048 bits", actual));
            }
            let exponent: Vec<u8> = exponent.into_iter().skip_while(|byte| *byte == 0).collect();
            let odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
            match exponent.as_slice() {
                [1, 0, 1] => None,
                [1] | [] => Some(Flaw::new("an exponent above 1", named(key))),
                _ if !odd => Some(Flaw::new("an odd exponent", named(key))),
                _ => Some(Flaw::new("the exponent 65537", named(key)).minor()),
            }
        }
        "EC" => match text(key, "crv")? {
            "P-256" => None,
            "P-384" | "P-521" => {
                Some(Flaw::new("the curve P-256", format!("{} has another", named(key))).minor())
            }
            other => {
                let actual = format!("{} has {}", named(key), shown(other));
                Some(Flaw::new("the curve P-256", actual))
            }
        },
        "oct" => None,
        other => {
            let actual = format!("{} is {}", named(key), shown(other));
            Some(Flaw::new("RSA or EC keys", actual).minor())
        }
    }
}

fn bits(number: &[u8]) -> usize {
    let digits: Vec<u8> = number
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    let first = digits
        .first()
        .map_or(0, |byte| 8 - byte.leading_zeros() as usize);
    (digits.len().max(1) - 1) * 8 + first
}

pub(super) fn usable_key(view: &View<'_>) -> Found {
    let keys = keys(view)?;
    let usable = |key: &Map<String, Value>| {
        let algorithm = text(key, "alg");
        let fits = |name: &str| algorithm.is_none_or(|algorithm| algorithm == name);
        signs(key)
            && match text(key, "kty") {
                Some("RSA") => fits("RS256"),
                Some("EC") => fits("ES256") && text(key, "crv") == Some("P-256"),
                _ => false,
            }
    };
    if keys.iter().any(usable) {
        return Ok(Vec::new());
    }
    let actual = format!("{} keys for other uses or algorithms", keys.len());
    Ok(vec![Flaw::new("a key for RS256 or ES256", actual)])
}

pub(super) fn kept_a_while(view: &View<'_>) -> Vec<Flaw> {
    let Some(answer) = view.answers.last().filter(|one| one.answer.status == 200) else {
        return Vec::new();
    };
    let right = "max-age or Expires of 1 to 6 hours";
    let cache = answer.answer.header("cache-control").unwrap_or_default();
    let cache = cache.to_ascii_lowercase();
    let mut directives = cache.split(',').map(str::trim);
    let seconds = directives
        .find_map(|directive| directive.strip_prefix("max-age="))
        .and_then(|text| text.trim_matches('"').parse::<i64>().ok())
        .or_else(|| {
            let expires = date(answer.answer.header("expires")?)?;
            let now = answer.answer.header("date").and_then(date);
            Some(expires.as_second() - now.unwrap_or(answer.at).as_second())
        });
    let forbidden = cache
        .split(',')
        .any(|directive| matches!(directive.trim(), "no-store" | "no-cache"));
    let actual = match seconds {
        _ if forbidden => "they may not be kept".to_owned(),
        None => "nothing says how long they may be kept".to_owned(),
        Some(seconds) if (HOUR..=6 * HOUR).contains(&seconds) => return Vec::new(),
        Some(seconds) => format!("{seconds} seconds"),
    };
    vec![Flaw::new(right, actual)]
}

fn date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp())
}
