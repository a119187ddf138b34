//! The examples of the RFCs, and what has to be refused.

use serde_json::json;

use super::*;

/// The payload of RFC 7515 appendices A.1 to A.5.
const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// RFC 7515 appendix A.1: the secret, header and signature.
const A1_SECRET: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const A1_HEADER: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
const A1_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Appendix A.2: the modulus, the private key as PKCS #8 instead of JWK, and the signature.
const A2_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const A2_PKCS8: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCh-BYK4uPJtGXOjS1lYmM2K5J9vinh8CR3_BYlzJChNuOL2TSXxbbqY913EeZ8dCn5VrD7io8ImtxLaYk8wTM_U-3QGbh3hCUv7JFP5IV3aVlL6kKA0ywPVb9ilE8TA5a8bpvfbr3SvaNnjuygxmj3AbONv_s4yDQs4v5tJ_reSlpIdJed1LnPmt7Ex1sFhSwsD174pcF1A5L5ROjtZMEQxrZHYJqkeDrrnGya11UxMFBji4NmXG9veoKjlnAqH2QbgtPr8jkiGUkftoaHLFcW9Qr4NY2ai50Xw0Byj3-H2JoY2PyrZ62EWQwuz3WTOTY8BwNNb2BvniHgVFbK5emhAgMBAAECggEAEq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQKBgQDgHMQQ60imZV1URk0KpLttoLhyt3SmqdEf_kgHePDdtzEafpAu-cS191R2JiuoF2yzWXnwFDcqGigp5BNr0AHQfD8_Lk8l1Mk09jxxCfui5nYooNyac8YFjm3vItzVCVDnEd3BbVWG8qf6deqElMGAg-C2V0L4oNXnP7LZcPAZRwKBgQC5A8R-CZW2MvRTLLHzwZkUXV866cff7tx6kqa0finGG0KgeqlaZPxgCZnFp7AeAcCMtiynVlJ7vMVgePsLq6XtON4tB5kP9jAPrq3rbAOal78eUH5OcED6eNuCV8ixEu1eWcPNCS_l1OW1EnXUEoEHKl54Xrrz2uNwkgMTP1FZ1wKBgAcCn1dwJKufzBWQxWQp1vsM5fggqPN1qGb5y0MAk3g7_Ls5bkUp5u9SN0Ai3Ya6hNnvWJMb7sXQX6U_zyO2M_hTip7tUeh7CXgwo59dkpN75gJLVds29-DAncu3KXU4f2Fa-7bLNrur53k8KwPOq2bbuTG69QtV7Jr5MR0AHWKNAoGBAIf_evpitUf-4JYbLpvNXWcY052Mpz22aR84mY3nh3F2LF2mjMJDpTg7FmuyPcVw6EcGyoAe9fa65iNqCq-jdw6PVNGo2hxfjSiZ8IIzHdsPXI89__pMjZcQK9r-CCoRjaZjOYiIDktVWZzmevJuv6WywUqd57LE3Zar3dLSIkx1AoGAIYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";
const A2_HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";
const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const A2_PEM: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj
NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz
P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo
9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB
EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX
FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp
oQIDAQAB
-----END PUBLIC KEY-----
";

/// Appendix A.3: the point, the private key as PKCS #8, and the signature.
const A3_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const A3_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const A3_PKCS8: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LKhRANCAAR_zc4ncPbEXUGDy-5v20t7WAczNXvp7xO6z248e9FURcfxRM0bvZt-hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt";
const A3_HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";
const A3_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const A3_PEM: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7
6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
-----END PUBLIC KEY-----
";

/// Appendix A.4: a token signed with ES512, of which no key here is.
const A4: &str = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

/// Appendix A.5: the header of an unsecured token.
const A5_HEADER: &str = "eyJhbGciOiJub25lIn0";

/// A key of the curve P-384.
const P384_PEM: &str = "\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE2KF+Vbji9HvDaf2WFmlc4nPc5OMHgwpl
9aSpqolnyYeu6nrTZWd6E7/WXD/lpmk5vcU1QsUhOlE0XbqCIKuyPHFlmk2FCzu6
/40DW9CKWesyCZyWqQSeTX1DXPZ1cTvI
-----END PUBLIC KEY-----
";

/// The payload of RFC 7520 section 4, and the modulus of section 3.4.
const FRODO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";
const BILBO_N: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";

/// The modulus of RFC 7638 section 3.1.
const THUMBPRINT_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn secret_of(text: &str) -> VerificationKey {
    VerificationKey::from_secret(&decode(text).unwrap())
}

fn rsa(n: &str) -> Jwk {
    Jwk::from_json(&json!({"kty": "RSA", "n": n, "e": "AQAB"})).unwrap()
}

fn p256() -> Jwk {
    Jwk::from_json(&json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y})).unwrap()
}

fn key_of(jwk: &Jwk) -> VerificationKey {
    VerificationKey::from_jwk(jwk).unwrap()
}

fn a2_signing_key() -> SigningKey {
    SigningKey::rsa_from_pkcs8(&decode(A2_PKCS8).unwrap()).unwrap()
}

fn a3_signing_key() -> SigningKey {
    SigningKey::p256_from_pkcs8(&decode(A3_PKCS8).unwrap()).unwrap()
}

/// The tokens of appendices A.1, A.2 and A.3 with their keys and algorithms.
fn examples() -> [(String, VerificationKey, Algorithm); 3] {
    let token = |header, signature| format!("{header}.{JOE}.{signature}");
    [
        (
            token(A1_HEADER, A1_SIGNATURE),
            secret_of(A1_SECRET),
            Algorithm::Hs256,
        ),
        (
            token(A2_HEADER, A2_SIGNATURE),
            key_of(&rsa(A2_N)),
            Algorithm::Rs256,
        ),
        (
            token(A3_HEADER, A3_SIGNATURE),
            key_of(&p256()),
            Algorithm::Es256,
        ),
    ]
}

#[test]
fn rfc_7515_examples_are_verified_and_read() {
    for (token, key, algorithm) in examples() {
        let token = CompactJws::split(&token).unwrap();
        assert!(token.is_signed_by(&key, algorithm), "{token:?}");
        assert_eq!(token.header().unwrap().alg, algorithm);
        let claims = json!({
            "iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true,
        });
        assert_eq!(Value::Object(token.claims().unwrap()), claims);
    }
    let typ = |token: &str| CompactJws::split(token).unwrap().header().unwrap().typ;
    let [(hs256, ..), (rs256, ..), _] = examples();
    assert_eq!(typ(&hs256).as_deref(), Some("JWT"));
    assert_eq!(typ(&rs256), None);
}

#[test]
fn rfc_7515_signatures_are_reproduced() {
    let signature = |key: &SigningKey, algorithm: Algorithm, header: &str| {
        let message = format!("{header}.{JOE}");
        encode(key.sign(algorithm, message.as_bytes()).unwrap())
    };
    let secret = SigningKey::from_secret(&decode(A1_SECRET).unwrap());
    let hs256 = signature(&secret, Algorithm::Hs256, A1_HEADER);
    assert_eq!(hs256, A1_SIGNATURE);
    let rs256 = signature(&a2_signing_key(), Algorithm::Rs256, A2_HEADER);
    assert_eq!(rs256, A2_SIGNATURE);
    // Another one each time, so that it can only be verified.
    let es256 = signature(&a3_signing_key(), Algorithm::Es256, A3_HEADER);
    assert_ne!(es256, A3_SIGNATURE);
    let message = format!("{A3_HEADER}.{JOE}");
    assert!(key_of(&p256()).verify(Algorithm::Es256, &message, &es256));
}

/// Sections 4.1 (RS256), 4.2 (PS384) and 4.4 (HS256).
#[test]
fn rfc_7520_examples_are_verified() {
    let bilbo = key_of(&rsa(BILBO_N));
    let secret = secret_of("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg");
    for (key, algorithm, kid, header, signature) in [
        (
            &bilbo,
            Algorithm::Rs256,
            "bilbo.baggins@hobbiton.example",
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
        ),
        (
            &bilbo,
            Algorithm::Ps384,
            "bilbo.baggins@hobbiton.example",
            "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
        ),
        (
            &secret,
            Algorithm::Hs256,
            "018c0ae5-4d9b-471b-bfd6-eef314bc7037",
            "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9",
            "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
        ),
    ] {
        let text = format!("{header}.{FRODO}.{signature}");
        let token = CompactJws::split(&text).unwrap();
        assert!(token.is_signed_by(key, algorithm), "{header}");
        let read = token.header().unwrap();
        assert_eq!((read.alg, read.kid.as_deref()), (algorithm, Some(kid)));
        assert_eq!(token.claims(), None, "the payload is a sentence");
        let other = format!("{header}.{JOE}.{signature}");
        let other = CompactJws::split(&other).unwrap();
        assert!(!other.is_signed_by(key, algorithm));
    }
}

#[test]
fn rfc_7638_thumbprint() {
    let jwk = json!({
        "kty": "RSA", "n": THUMBPRINT_N, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
    });
    let jwk = Jwk::from_json(&jwk).unwrap();
    assert_eq!(
        jwk.parameters.thumbprint(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    // Of `{"crv":"P-256","kty":"EC","x":"…","y":"…"}`, computed by hand.
    assert_eq!(
        p256().parameters.thumbprint(),
        "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
    );
}

#[test]
fn unsecured_tokens_are_refused() {
    for header in [A5_HEADER.to_owned(), encode(r#"{"alg":"NONE"}"#)] {
        let text = format!("{header}.{JOE}.");
        let token = CompactJws::split(&text).unwrap();
        assert_eq!(token.header(), None);
        for (_, key, algorithm) in examples() {
            assert!(!token.is_signed_by(&key, algorithm));
        }
    }
    for (text, key, algorithm) in examples() {
        let (message, _) = text.rsplit_once('.').unwrap();
        assert!(!key.verify(algorithm, message, ""), "an empty signature");
    }
}

#[test]
fn a_signature_counts_for_its_algorithm_and_key_alone() {
    let all = [
        "HS256", "HS384", "HS512", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256",
    ]
    .into_iter()
    .chain(["PS384", "PS512", "EdDSA"])
    .map(|name| Algorithm::from_name(name).unwrap());
    for (text, key, right) in examples() {
        let token = CompactJws::split(&text).unwrap();
        for algorithm in all.clone() {
            let verified = key.verify(algorithm, token.message, token.signature);
            assert_eq!(verified, algorithm == right, "{algorithm:?}");
            assert_eq!(token.is_signed_by(&key, algorithm), algorithm == right);
        }
        for (other, other_key, algorithm) in examples() {
            let own = other == text;
            assert_eq!(token.is_signed_by(&other_key, algorithm), own);
        }
    }
    // RFC 8725 section 2.1: the public key as a secret.
    let secret = SigningKey::from_secret(A2_PEM.as_bytes());
    let token = encode_token(&Header::new(Algorithm::Hs256), &Map::new(), &secret).unwrap();
    let token = CompactJws::split(&token).unwrap();
    assert!(token.is_signed_by(
        &VerificationKey::from_secret(A2_PEM.as_bytes()),
        Algorithm::Hs256
    ));
    assert!(!token.is_signed_by(&key_of(&rsa(A2_N)), Algorithm::Rs256));
    assert!(!token.is_signed_by(&key_of(&rsa(A2_N)), Algorithm::Hs256));
}

#[test]
fn wrong_signatures() {
    for (text, key, algorithm) in examples() {
        let (message, signature) = text.rsplit_once('.').unwrap();
        let bytes = decode(signature).unwrap();
        for place in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1;
            assert!(!key.verify(algorithm, message, &encode(bytes)), "{place}");
        }
        let zeros = vec![0; bytes.len()];
        for wrong in [
            encode(&bytes[1..]),
            encode(&bytes[..bytes.len() - 1]),
            encode([&bytes[..], &[0]].concat()),
            encode([&[0], &bytes[..]].concat()),
            encode(zeros),
            format!("{signature}="),
            format!("{signature}\n"),
            signature.replace('-', "+").replace('_', "/"),
            "!".to_owned(),
        ] {
            assert!(!key.verify(algorithm, message, &wrong), "{wrong}");
        }
        let changed = message.replacen('e', "f", 1);
        assert!(!key.verify(algorithm, &changed, signature));
    }
    // RFC 7515 appendix A.3.1 has the two numbers side by side, and no DER.
    let (_, key, algorithm) = &examples()[2];
    let raw = decode(A3_SIGNATURE).unwrap();
    let swapped = encode([&raw[32..], &raw[..32]].concat());
    assert!(!key.verify(*algorithm, &format!("{A3_HEADER}.{JOE}"), &swapped));
}

#[test]
fn tokens_are_split_from_their_end() {
    let parts = |token| {
        let token = CompactJws::split(token)?;
        Some([token.header, token.payload, token.signature, token.message])
    };
    assert_eq!(parts("a.b.c"), Some(["a", "b", "c", "a.b"]));
    assert_eq!(parts(".."), Some(["", "", "", "."]));
    for token in ["", "a", "a.b"] {
        assert_eq!(parts(token), None, "{token}");
    }
    let [(good, key, algorithm), ..] = examples();
    for text in [
        format!("{good}."),
        format!("e30.{good}"),
        format!(".{good}"),
    ] {
        let token = CompactJws::split(&text).unwrap();
        assert_eq!(token.header(), None, "{text}");
        assert!(!token.is_signed_by(&key, algorithm));
    }
}

#[test]
fn base64url_has_one_spelling() {
    for (bytes, text) in [
        (&[][..], ""),
        (&[0], "AA"),
        (&[0xff, 0xff], "__8"),
        // RFC 7515 appendix C.
        (&[3, 236, 255, 224, 193], "A-z_4ME"),
    ] {
        assert_eq!(encode(bytes), text);
        assert_eq!(decode(text).as_deref(), Some(bytes));
    }
    for text in [
        "A", "AA==", "AA=", "AB", "__9", "A-z/4ME", "A+z_4ME", " AA", "AA\n", "A A", "ä",
    ] {
        assert_eq!(decode(text), None, "{text:?}");
    }
}

#[test]
fn headers() {
    let read = |json: &str| Header::from_json(json.as_bytes());
    let header = read(r#"{"kid":"k","alg":"RS256","typ":"at+jwt","x":1}"#).unwrap();
    assert_eq!(header.alg, Algorithm::Rs256);
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(header.kid.as_deref(), Some("k"));
    for good in [
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"EdDSA","typ":null,"kid":null}"#,
        r#"{"alg":"ES256","x":1,"x":2}"#,
        r#"{"alg":"ES256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"ES256","x5c":[],"jku":"https://a/","jwk":{"kty":"OKP"}}"#,
        r#" {"alg" : "ES256"} "#,
    ] {
        assert!(read(good).is_some(), "{good}");
    }
    for bad in [
        "",
        "null",
        "[]",
        r#""ES256""#,
        "{}",
        r#"{"alg":null}"#,
        r#"{"alg":256}"#,
        r#"{"alg":["ES256"]}"#,
        r#"{"alg":"es256"}"#,
        r#"{"alg":"ES256 "}"#,
        r#"{"alg":"ES512"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"ES256","typ":["JWT"]}"#,
        r#"{"alg":"ES256","crit":"exp"}"#,
        r#"{"alg":"ES256","x5c":[1]}"#,
        r#"{"alg":"ES256","jku":{}}"#,
        r#"{"alg":"ES256","jwk":"key"}"#,
        r#"{"alg":"ES256","jwk":{"kid":1}}"#,
        r#"{"alg":"ES256"} x"#,
        r#"{"alg":"ES256""#,
        "{\"alg\":\"ES256\",\"kid\":\"\u{1}\"}",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
    assert_eq!(
        Header::from_json(b"{\"alg\":\"ES256\",\"kid\":\"\xff\"}"),
        None
    );
    assert_eq!(CompactJws::split(A4).unwrap().header(), None, "ES512");
}

#[test]
fn what_is_made_is_read_again() {
    let claims = json!({"sub": "ä\"\n", "exp": 1.5, "aud": ["a", "b"]});
    let claims = claims.as_object().unwrap();
    let secret = SigningKey::from_secret(b"");
    for (key, verifying, algorithms) in [
        (
            &secret,
            VerificationKey::from_secret(b""),
            &["HS256", "HS384", "HS512"][..],
        ),
        (&a3_signing_key(), key_of(&p256()), &["ES256"]),
        (
            &a2_signing_key(),
            key_of(&rsa(A2_N)),
            &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ),
    ] {
        for name in [
            "HS256", "HS384", "HS512", "ES256", "ES384", "RS256", "RS384", "RS512",
        ]
        .into_iter()
        .chain(["PS256", "PS384", "PS512", "EdDSA"])
        {
            let algorithm = Algorithm::from_name(name).unwrap();
            let header = Header {
                kid: Some("a\"b".to_owned()),
                ..Header::new(algorithm)
            };
            let made = encode_token(&header, claims, key);
            if !algorithms.contains(&name) {
                assert!(matches!(made, Err(KeyError::Algorithm(other)) if other == name));
                continue;
            }
            let made = made.unwrap();
            let token = CompactJws::split(&made).unwrap();
            assert!(token.is_signed_by(&verifying, algorithm), "{name}");
            assert_eq!(token.header(), Some(header));
            assert_eq!(token.claims().as_ref(), Some(claims));
        }
    }
    let header = Header::new(Algorithm::Es256);
    assert_eq!(header.to_json(), r#"{"typ":"JWT","alg":"ES256"}"#);
}

#[test]
fn claims_are_an_object() {
    let claims = |payload: &str| {
        let token = format!("e30.{payload}.");
        CompactJws::split(&token).unwrap().claims()
    };
    let twice = claims(&encode(r#"{"iss":"a","iss":"b"}"#)).unwrap();
    assert_eq!(twice["iss"], "b");
    for payload in [
        "",
        "e30=",
        "!",
        &encode("[]"),
        &encode("null"),
        &encode("{} {}"),
    ] {
        assert_eq!(claims(payload), None, "{payload}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(claims(&encode(deep)), None);
}

#[test]
fn public_halves() {
    let public = |key: SigningKey, algorithm| {
        Jwk::for_signatures(key.public_parameters().unwrap(), algorithm)
    };
    let jwk = public(a3_signing_key(), Algorithm::Es256);
    let kid = p256().parameters.thumbprint();
    let json = json!({
        "kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y, "use": "sig", "alg": "ES256", "kid": kid,
    });
    assert_eq!(jwk.to_json(), json);
    assert_eq!(Jwk::from_json(&json), Some(jwk));
    let jwk = public(a2_signing_key(), Algorithm::Rs256);
    let kid = rsa(A2_N).parameters.thumbprint();
    let json = json!({
        "kty": "RSA", "n": A2_N, "e": "AQAB", "use": "sig", "alg": "RS256", "kid": kid,
    });
    assert_eq!(jwk.to_json(), json);
    assert_eq!(Jwk::from_json(&json), Some(jwk));
    assert_eq!(SigningKey::from_secret(b"s").public_parameters(), None);
}

#[test]
fn keys_in_json() {
    let good = json!({
        "kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y, "kid": "k", "use": null,
        "key_ops": ["verify"], "x5c": ["MII"], "ext": true, "d": "secret",
    });
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        Jwk::from_json(&jwk)
    };
    let jwk = Jwk::from_json(&good).unwrap();
    assert_eq!(
        jwk.to_json(),
        json!({
            "kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y, "kid": "k", "key_ops": ["verify"],
            "x5c": ["MII"],
        })
    );
    for (name, value) in [
        ("kty", json!("OKP")),
        ("kty", json!("RSA")),
        ("kty", json!("ec")),
        ("kty", json!(null)),
        ("crv", json!("P-384")),
        ("x", json!(1)),
        ("y", json!(null)),
        ("kid", json!(1)),
        ("use", json!(["sig"])),
        ("alg", json!(256)),
        ("key_ops", json!("verify")),
        ("x5c", json!([1])),
        ("x5t", json!({})),
        ("x5t#S256", json!(true)),
        ("x5u", json!(0)),
    ] {
        assert_eq!(with(name, value.clone()), None, "{name} {value}");
    }
    assert_eq!(Jwk::from_json(&json!("key")), None);
    // What is base64url and no key is a key with which nothing is right.
    for (name, value, is_key) in [
        ("x", "AA", true),
        ("x", "", true),
        ("y", A3_X, true),
        ("x", "!", false),
        ("y", &format!("{A3_Y}="), false),
    ] {
        let key = VerificationKey::from_jwk(&with(name, json!(value)).unwrap());
        assert_eq!(key.is_some(), is_key, "{name} {value}");
        let message = format!("{A3_HEADER}.{JOE}");
        let verified = key.map(|key| key.verify(Algorithm::Es256, &message, A3_SIGNATURE));
        assert_ne!(verified, Some(true));
    }
}

/// RFC 7518 section 3.3: 2048 bits or more.
#[test]
fn weak_rsa_keys_verify_nothing() {
    let message = format!("{A2_HEADER}.{JOE}");
    for (n, e) in [
        (A2_N, "AQ"),
        (A2_N, ""),
        ("", "AQAB"),
        // 1024 bits, and a leading zero, which RFC 7518 section 6.3.1.1 forbids.
        (&A2_N[..171], "AQAB"),
        (&encode([&[0][..], &decode(A2_N).unwrap()].concat()), "AQAB"),
    ] {
        let jwk = Jwk::from_json(&json!({"kty": "RSA", "n": n, "e": e}));
        let key = VerificationKey::from_jwk(&jwk.unwrap());
        let verified = key.map(|key| key.verify(Algorithm::Rs256, &message, A2_SIGNATURE));
        assert_ne!(verified, Some(true), "{n} {e}");
    }
}

#[test]
fn public_keys_in_pem() {
    for (pem, header, signature, right) in [
        (A2_PEM, A2_HEADER, A2_SIGNATURE, Algorithm::Rs256),
        (A3_PEM, A3_HEADER, A3_SIGNATURE, Algorithm::Es256),
    ] {
        let (key, algorithm) = VerificationKey::from_pem(pem).unwrap();
        assert_eq!(algorithm, right);
        assert!(key.verify(algorithm, &format!("{header}.{JOE}"), signature));
        assert!(!key.verify(algorithm, &format!("{header}.{FRODO}"), signature));
    }
    let rejected = VerificationKey::from_pem(P384_PEM).err().unwrap();
    assert!(matches!(rejected, KeyError::Rejected(_)), "{rejected:?}");
    let private = A3_PEM.replace("PUBLIC", "PRIVATE");
    for pem in ["", "key", A3_PEM.trim_end_matches(['-', '\n']), &private] {
        let none = VerificationKey::from_pem(pem).err().unwrap();
        assert!(matches!(none, KeyError::Pem(_)), "{none:?}");
    }
}

#[test]
fn private_keys_of_another_type_are_refused_and_none_is_shown() {
    let (rsa, p256) = (decode(A2_PKCS8).unwrap(), decode(A3_PKCS8).unwrap());
    assert!(SigningKey::p256_from_pkcs8(&rsa).is_err());
    assert!(SigningKey::rsa_from_pkcs8(&p256).is_err());
    assert!(SigningKey::rsa_from_pkcs8(&rsa[..rsa.len() - 1]).is_err());
    let shown = format!(
        "{:?}",
        [
            SigningKey::from_secret(b"hunter2"),
            a2_signing_key(),
            a3_signing_key()
        ]
    );
    assert_eq!(
        shown,
        "[SigningKey(secret), SigningKey(RSA), SigningKey(P-256)]"
    );
}
