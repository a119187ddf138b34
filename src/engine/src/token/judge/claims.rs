use serde_json::Value;
use url::Url;

use touchstone_model::ANY_AUDIENCE;

use super::{Remarks, TokenKind, times};

pub(super) const ISSUERS_DUTY: &str = "the profile asks the issuer for it";

pub(super) fn judge(remarks: &mut Remarks<'_>) {
    what(remarks);
    version(remarks);
    issuer(remarks);
    subject(remarks);
    audience(remarks);
    times::judge(remarks);
    identifier(remarks);
    assurance(remarks);
    others(remarks);
}

fn what(remarks: &mut Remarks<'_>) {
    match remarks.kind {
        TokenKind::Id => remarks.note(
            "token",
            "JWT-2.1.3-01",
            "it is an ID token: it tells a client who has logged in",
            "it is not for services; storage has to refuse it, whatever groups it names",
        ),
        TokenKind::Entitlements => remarks.note(
            "eduperson_entitlement",
            "JWT-2.2.2-06",
            "its groups are entitlements (AARC-G002, AARC-G069), not wlcg.groups",
            "WLCG storage takes them for nothing, unless it was configured to map them",
        ),
        _ => {}
    }
}

fn version(remarks: &mut Remarks<'_>) {
    let Some(version) = remarks.token.claim("wlcg.ver") else {
        remarks.must(
            "wlcg.ver",
            "ISS-TOK-02",
            "it has no wlcg.ver, so it is no WLCG token",
            "storage should refuse it (JWT-2.1.1-27); at IAM the client needs the profile `wlcg`, or asks for the scope `wlcg`",
        );
        return;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = version.as_str().and_then(|text| text.split_once('.'));
    match parts {
        Some((major, minor)) if digits(major) && digits(minor) => {
            // Which major versions a service knows is its own affair; that it refuses all others is judged there.
            let fix = match major.trim_start_matches('0') {
                "1" => {
                    "all tokens say 1.0 until all software has been upgraded: old software refuses others; what knows profile 1.1 or later accepts it (JWT-4.3.3-01)"
                }
                _ => {
                    "all tokens say 1.0; storage refuses a major version that it does not know (JWT-4.3.3-02)"
                }
            };
            if version.as_str() != Some("1.0") {
                let what = format!("wlcg.ver is {}", shown(version));
                remarks.should("wlcg.ver", "ISS-TOK-03", what, fix);
            }
        }
        _ => remarks.must(
            "wlcg.ver",
            "JWT-2.1.1-28",
            format!(
                "wlcg.ver is {}, not a string of digits, a dot and digits",
                shown(version)
            ),
            "it has to be \"1.0\"; storage has to refuse it",
        ),
    }
}

pub(super) fn issuer(remarks: &mut Remarks<'_>) {
    let wrong = match remarks.token.claim("iss") {
        None => {
            remarks.must(
                "iss",
                "JWT-2.1.1-30",
                "it has no iss",
                "nobody can know whose key it was signed with; storage has to refuse it",
            );
            return;
        }
        Some(Value::String(text)) => match Url::parse(text) {
            Ok(url) if url.scheme() != "https" => "is not an https URL",
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "has a query or a fragment"
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => "has a user name",
            Ok(_) => return,
            Err(_) => "is no URL",
        },
        Some(_) => "is no string",
    };
    remarks.must(
        "iss",
        "ISS-TOK-04",
        format!("iss {wrong}"),
        "keys are looked up below this URL, over https alone; storage cannot trust it",
    );
}

fn subject(remarks: &mut Remarks<'_>) {
    match remarks.token.claim("sub") {
        None => remarks.must(
            "sub",
            "ISS-TOK-02",
            "it has no sub",
            format!("{ISSUERS_DUTY}; without it nobody can be traced or suspended, and storage should refuse it (JWT-2.1.1-09)"),
        ),
        Some(Value::String(sub)) if sub.is_empty() => remarks.must(
            "sub",
            "ISS-TOK-02",
            "sub is empty",
            "nobody can be traced or suspended; storage should refuse it (JWT-2.1.1-09)",
        ),
        Some(Value::String(sub)) if !sub.is_ascii() || sub.len() > 255 => remarks.must(
            "sub",
            "ISS-TOK-05",
            "sub is not ASCII, or longer than 255 characters",
            "services may cut or refuse it",
        ),
        Some(Value::String(sub)) if personal(sub) => remarks.should(
            "sub",
            "ISS-TOK-06",
            "sub looks like an e-mail address or a certificate's name",
            "every service that sees the token learns who the person is",
        ),
        Some(Value::String(_)) => {}
        Some(_) => remarks.must(
            "sub",
            "ISS-TOK-02",
            "sub is no string",
            "storage should refuse it (JWT-2.1.1-09)",
        ),
    }
}

fn personal(sub: &str) -> bool {
    // Scoped identifiers have that form as well, and their first part tells nothing.
    let opaque = |user: &str| {
        user.len() >= 16
            && user
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    let mail = sub
        .split_once('@')
        .is_some_and(|(user, host)| !opaque(user) && host.contains('.'));
    let name = sub.to_ascii_uppercase();
    mail || name.starts_with("/DC=") || name.starts_with("CN=") || name.contains("/CN=")
}

fn audience(remarks: &mut Remarks<'_>) {
    let token = remarks.token;
    match token.claim("aud") {
        None => {
            remarks.must(
                "aud",
                "JWT-2.1.1-12",
                "it has no aud",
                format!("that does not mean that it is for everybody ({ANY_AUDIENCE} means that): storage has to refuse it; at most issuers the request names the audience"),
            );
            return;
        }
        Some(Value::String(one)) if !one.is_empty() => {}
        Some(Value::Array(many))
            if !many.is_empty()
                && many
                    .iter()
                    .all(|one| one.as_str().is_some_and(|text| !text.is_empty())) => {}
        Some(Value::String(_)) => return empty_audience(remarks),
        Some(Value::Array(many)) if many.is_empty() => return empty_audience(remarks),
        Some(_) => {
            remarks.must(
                "aud",
                "ISS-TOK-02",
                "aud is neither a string nor an array of strings",
                "no service will find itself in it",
            );
            return;
        }
    }
    for audience in token.list("aud") {
        if let Some(wrong) = unnormalised(audience) {
            remarks.should(
                "aud",
                "ISS-TOK-14",
                format!("`{audience}` {wrong}"),
                "audiences are compared character by character: a service that calls itself otherwise refuses it (JWT-2.1.1-20)",
            );
        }
    }
    let audiences = token.list("aud");
    if audiences.len() > 1 && audiences.contains(&ANY_AUDIENCE) {
        remarks.note(
            "aud",
            "JWT-2.1.1-17",
            "it is for everybody, and for others besides",
            "the others restrict nothing",
        );
    }
}

fn empty_audience(remarks: &mut Remarks<'_>) {
    remarks.must(
        "aud",
        "JWT-2.1.1-12",
        "aud is empty",
        "it is for nobody; storage has to refuse it",
    );
}

/// What an https audience has that RFC 3986 section 6 takes away.
fn unnormalised(audience: &str) -> Option<&'static str> {
    if audience == ANY_AUDIENCE {
        return None;
    }
    let rest = audience.strip_prefix("https://")?;
    let host = rest.split('/').next().unwrap_or_default();
    if audience.ends_with('/') {
        Some("has a slash at its end")
    } else if host.ends_with(":443") {
        Some("has the port that https has anyway")
    } else if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some("has capitals in the name of the host")
    } else {
        None
    }
}

fn identifier(remarks: &mut Remarks<'_>) {
    let wrong = match remarks.token.claim("jti") {
        None => "it has no jti",
        Some(Value::String(text)) if !text.is_empty() => return,
        Some(_) => "jti is not a string, or empty",
    };
    remarks.must(
        "jti",
        "ISS-TOK-02",
        wrong,
        "it cannot be traced through logs; storage should refuse it (JWT-2.1.1-10)",
    );
}

fn assurance(remarks: &mut Remarks<'_>) {
    let token = remarks.token;
    if let Some(value) = token.claim("eduperson_assurance")
        && !value
            .as_array()
            .is_some_and(|many| many.iter().all(Value::is_string))
    {
        remarks.should(
            "eduperson_assurance",
            "ISS-ASS-01",
            "eduperson_assurance is not an array of strings",
            "services that look for an assurance profile will not find it",
        );
    }
    if token.claim("acr").is_some_and(|value| !value.is_string()) {
        remarks.should(
            "acr",
            "ISS-ASS-01",
            "acr is no string",
            "services that look for the kind of login will not find it",
        );
    }
}

fn others(remarks: &mut Remarks<'_>) {
    if remarks.token.claim("cnf").is_some() {
        remarks.note(
            "cnf",
            "JWT-4.3.3-05",
            "it is bound to a key of its holder (cnf)",
            "the profile does not know that: storage takes it from whoever has it",
        );
    }
}

/// A value as JSON, cut where it is long.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
