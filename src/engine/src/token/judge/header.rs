use serde_json::Value;

use super::Remarks;

/// Algorithms with a shared secret.
const SHARED: [&str; 3] = ["HS256", "HS384", "HS512"];
/// Asymmetric ones that services may know (RFC 7518 section 3.1, RFC 8037).
const OTHERS: [&str; 8] = [
    "RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "EdDSA",
];
/// Where the header would let a verifier look for keys.
const PLACES: [&str; 4] = ["jku", "jwk", "x5u", "x5c"];
/// Types under which access tokens go (RFC 9068 section 2.1).
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

pub(super) fn judge(remarks: &mut Remarks<'_>) {
    form(remarks);
    if remarks.kind.signed() {
        algorithm(remarks);
        key(remarks);
        others(remarks);
    }
}

/// What the text itself is like.
fn form(remarks: &mut Remarks<'_>) {
    let token = remarks.token;
    if !token.sloppy.is_empty() {
        remarks.must(
            "token",
            "JWT-4.2-10",
            format!(
                "the {} is base64 with padding, stray bits or the wrong alphabet",
                token.sloppy.join(" and the ")
            ),
            "a JWS has base64url without padding (RFC 7515 section 2); storage has to refuse it",
        );
    }
    for (part, members) in [("header", &token.header), ("payload", &token.payload)] {
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let mut repeated: Vec<&str> = names
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0])
            .collect();
        repeated.dedup();
        for name in repeated {
            remarks.should(
                name,
                "JWT-4.2-22",
                format!("`{name}` stands in the {part} more than once"),
                "one service takes the first and another the last; here the last was taken",
            );
        }
    }
    if remarks.kind.access() {
        let advice = "libraries and HTTP servers have limits; ask for fewer scopes or groups";
        match token.bytes {
            4097.. => remarks.should(
                "token",
                "ISS-TOK-17",
                format!("it has {} bytes", token.bytes),
                advice,
            ),
            2049.. => remarks.note(
                "token",
                "ISS-TOK-17",
                format!(
                    "it has {} bytes, more than the 2 KiB that a token should do with",
                    token.bytes
                ),
                advice,
            ),
            _ => {}
        }
    }
}

fn algorithm(remarks: &mut Remarks<'_>) {
    match remarks.token.header("alg") {
        Some(Value::String(alg)) => match alg.as_str() {
            "RS256" | "ES256" => {}
            none if none.eq_ignore_ascii_case("none") => remarks.must(
                "alg",
                "JWT-4.2-02",
                "it is not signed: alg is none",
                "anybody could have written it; storage has to refuse it",
            ),
            shared if SHARED.contains(&shared) => remarks.must(
                "alg",
                "JWT-4.2-03",
                format!("{shared} signs with a shared secret"),
                "whoever can verify it can forge it; storage has to refuse it",
            ),
            other if OTHERS.contains(&other) => remarks.note(
                "alg",
                "JWT-4.2-15",
                format!("it is signed with {other}"),
                "every service knows RS256 and ES256, and need not know this one",
            ),
            unknown => {
                let wrong = format!("`{unknown}` is no signature algorithm that is known");
                remarks.must("alg", "ISS-TOK-01", wrong, "no service can verify it");
            }
        },
        Some(_) => remarks.must(
            "alg",
            "JWT-4.2-10",
            "alg is no string",
            "it is no proper JWS; storage has to refuse it",
        ),
        None => remarks.must(
            "alg",
            "JWT-4.2-10",
            "it has no alg",
            "it is no proper JWS; storage has to refuse it",
        ),
    }
}

fn key(remarks: &mut Remarks<'_>) {
    match remarks.token.header("kid") {
        Some(Value::String(kid)) if !kid.is_empty() => {}
        Some(_) => remarks.must(
            "kid",
            "JWT-4.2-04",
            "kid names no key: it is not a string, or empty",
            "the key is found by this name alone; storage cannot verify the token",
        ),
        None => remarks.must(
            "kid",
            "JWT-4.2-04",
            "it has no kid",
            "the key is found by this name alone; storage cannot verify the token",
        ),
    }
}

fn others(remarks: &mut Remarks<'_>) {
    if let Some(Value::String(typ)) = remarks.token.header("typ")
        && !TYPES.contains(&typ.to_ascii_lowercase().as_str())
    {
        remarks.should(
            "typ",
            "JWT-4.2-24",
            format!("it declares itself to be `{typ}`"),
            "access tokens are JWT or at+jwt; storage should not take another kind for one",
        );
    }
    if remarks.token.header("crit").is_some() {
        remarks.must(
            "crit",
            "JWT-4.2-11",
            "it demands an extension of JWS",
            "the profile has none; storage that does not know it has to refuse the token (RFC 7515 section 4.1.11)",
        );
    }
    for place in PLACES {
        if remarks.token.header(place).is_some() {
            remarks.note(
                place,
                "JWT-4.2-07",
                format!("the header brings a key or names a place for one ({place})"),
                "storage has to take keys from the issuer's key set alone, and must not look there",
            );
        }
    }
}
