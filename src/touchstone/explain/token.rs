//! Tokens in words: what they are, and how to obtain them.

use std::fmt::Write;

use touchstone_model::{
    ANY_AUDIENCE, Audience, Credential, Means, Signature, Template, TokenTemplate, altered,
};

/// A credential, in words.
pub(super) fn credential(credential: &Credential<TokenTemplate>) -> String {
    match credential {
        Credential::None => "no token".into(),
        Credential::Text(text) => format!(
            "the text {:?} ({} bytes) instead of a token",
            text.chars().take(60).collect::<String>(),
            text.len()
        ),
        Credential::Token(asked) => token(asked),
        Credential::Macaroon(presented) => {
            format!("the macaroon that was issued last{presented}")
        }
    }
}

/// A token, in words.
pub(super) fn token(token: &TokenTemplate) -> String {
    let mut parts = Vec::new();
    let scope = token.scope.to_string();
    if !scope.is_empty() {
        parts.push(format!("scope \"{scope}\""));
    } else if token.groups.is_empty() && !token.claims.contains_key("scope") {
        parts.push("no scope".into());
    }
    if !token.groups.is_empty() {
        parts.push(format!("groups {}", list(&token.groups)));
    }
    match &token.audience {
        None => {}
        Some(Audience::One(one)) => parts.push(format!("audience {one}")),
        Some(Audience::Many(many)) => parts.push(format!("audiences [{}]", list(many))),
    }
    parts.extend(altered(&token.claims));
    parts.extend(altered(&token.header).map(|text| format!("header {text}")));
    parts.extend(
        token
            .repeated
            .iter()
            .map(|(claim, value)| format!("{claim} = {value} once more at the end")),
    );
    if !token.trailing.is_empty() {
        parts.push(format!("with {:?} behind the payload", token.trailing));
    }
    match token.key {
        Some(Signature::Rs256) => parts.push("with the issuer's RSA key".into()),
        Some(_) => parts.push("with the issuer's EC key".into()),
        None => {}
    }
    if let Some(words) = signature(token.signature) {
        parts.push(words.into());
    }
    if token.second {
        parts.push("of the second area's issuer".into());
    }
    format!("a token: {}", parts.join(", "))
}

/// How a token is signed, where not as it should be.
fn signature(signature: Signature) -> Option<&'static str> {
    Some(match signature {
        Signature::Good => return None,
        Signature::Es256 => "signed with ES256",
        Signature::Rs256 => "signed with RS256",
        Signature::Kept => "with the signature of the unaltered token",
        Signature::Flipped => "with one bit of the signature changed",
        Signature::Random => "with random bytes for a signature",
        Signature::Zero => "with zeros for a signature",
        Signature::Empty => "with nothing after the last dot",
        Signature::Missing => "without the last dot and the signature",
        Signature::Short => "with the last byte of the signature cut off",
        Signature::Long => "with one byte more in the signature",
        Signature::Der => "with the ES256 signature in DER",
        Signature::Spaced => "with a space in the middle of the signature",
        Signature::Standard => "with the signature in the alphabet of plain base64",
        Signature::Other => {
            "signed with a key of the issuer that is another one than the header names"
        }
        Signature::Order => "with the order of the curve for both numbers of the signature",
        Signature::Rogue => "signed with a key that no issuer has published",
        Signature::HmacPem => "with an HMAC whose secret is the issuer's public key in PEM",
        Signature::HmacPemBare => {
            "with an HMAC whose secret is the issuer's public key in PEM without its last line end"
        }
        Signature::HmacDer => "with an HMAC whose secret is the issuer's public key in DER",
        Signature::HmacJwk => "with an HMAC whose secret is the issuer's JWK",
        Signature::HmacEmpty => "with an HMAC whose secret is empty",
        Signature::HmacKid => "with an HMAC whose secret is the key id",
        Signature::Second => "signed with the key of the second area's issuer",
    })
}

/// How to come by the tokens of a case, kind by kind. A run prints the same with everything filled in.
pub(super) fn obtain<'a>(tokens: impl Iterator<Item = &'a TokenTemplate>) -> String {
    let mut kinds: Vec<Means> = Vec::new();
    let mut others: Vec<&'static str> = Vec::new();
    let (mut default_audience, mut groups) = (false, false);
    for token in tokens {
        let issuer = if token.second {
            "{second-issuer}"
        } else {
            "{issuer}"
        };
        let means = token.means();
        if means <= Means::PublicKey {
            // Whatever is made of it, it begins as a good token.
            kinds.push(Means::Honest);
            default_audience |= token.audience.is_none();
            groups |= !token.groups.is_empty();
            if !others.contains(&issuer) {
                others.push(issuer);
            }
        }
        kinds.push(means);
    }
    kinds.sort();
    kinds.dedup();
    let mut text = String::new();
    for means in kinds {
        match means {
            Means::Honest => {
                for issuer in &others {
                    let _ = writeln!(
                        text,
                        "  A good token is what {issuer} gives for the scope and the audience, at its token endpoint:\n    curl -s -u \"$CLIENT_ID:$CLIENT_SECRET\" -d grant_type=client_credentials --data-urlencode \"scope=$SCOPE\" --data-urlencode \"audience=$AUDIENCE\" \"$TOKEN_ENDPOINT\""
                    );
                }
                if default_audience {
                    let _ = writeln!(
                        text,
                        "  Where no audience is named, it is the endpoint's `audience:`, usually {ANY_AUDIENCE}."
                    );
                }
                if groups {
                    text.push_str("  Groups are asked for with the scope `wlcg.groups:` and the group.\n");
                }
            }
            Means::Tampering => text.push_str(
                "  What else is said is changed in a good token afterwards; that needs no key.\n",
            ),
            Means::EcToken => text.push_str(
                "  The signature is changed in a good token that was signed with ES256; that needs no key.\n",
            ),
            Means::PublicKey => text.push_str(
                "  The HMAC is made with the public key that the issuer publishes; touchstone takes it from `test-key:`.\n",
            ),
            Means::Key => text.push_str(&by_key("the key of a test issuer")),
            Means::EcKey => text.push_str(&by_key("the EC P-256 key of a test issuer")),
            Means::RsaKey => text.push_str(&by_key("the RSA key of a test issuer")),
            Means::SecondKey => {
                text.push_str(&by_key("the key of a test issuer for the second area"));
            }
        }
    }
    text
}

fn by_key(key: &str) -> String {
    format!(
        "  No honest issuer gives the altered ones: they are signed with {key} that the storage element trusts\n    (`test-key:` or --test-issuer-key; `touchstone serve issuer` is one).\n"
    )
}

fn list(templates: &[Template]) -> String {
    let texts: Vec<_> = templates.iter().map(Template::to_string).collect();
    texts.join(", ")
}
