//! Checksums that are wrong, missing, or told to those who may not see the file.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};

use super::super::answers::Outcome;
use super::super::scope::Action;
use super::{Apply, Fault};

const DIGEST: HeaderName = HeaderName::from_static("digest");
const WANT_DIGEST: HeaderName = HeaderName::from_static("want-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "digest-wrong",
        about: "The ADLER32 that HEAD tells is that of an empty file.",
        clauses: &["DIG-01", "DIG-02"],
        cases: &[
            "digest.adler32.head",
            "digest.adler32.replaced",
            "digest.preferences",
            "digest.create",
            "tpc.fts.success",
        ],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, response| {
                changed(asked, response, |asked, _| {
                    (asked.method == Method::HEAD).then(|| "adler32=00000001".to_owned())
                })
            }
        }),
    },
    Fault {
        name: "digest-without-zeros",
        about: "Leading zeros of an ADLER32 are left out, where there are four.",
        clauses: &["DIG-01"],
        cases: &["digest.adler32.leading-zeros"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, response| {
                changed(asked, response, |_, told| {
                    // One or two zeros come by chance, in cases that are about something else.
                    let digits = told.strip_prefix("adler32=0000")?;
                    Some(format!("adler32={}", digits.trim_start_matches('0')))
                })
            }
        }),
    },
    Fault {
        name: "digest-in-small-letters-only",
        about: "A digest whose name is asked for in capital letters is not known.",
        clauses: &["DIG-01"],
        cases: &["tpc.fts.success"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let wanted = parts.headers.get(WANT_DIGEST).map(HeaderValue::as_bytes);
                let capital = |wanted: &[u8]| wanted.iter().any(u8::is_ascii_uppercase);
                if wanted.is_some_and(capital) {
                    parts.headers.remove(WANT_DIGEST);
                }
            }
        }),
    },
    Fault {
        name: "digest-of-part",
        about: "The ADLER32 beside a part of a file is not that of the file.",
        clauses: &["DIG-01"],
        cases: &["digest.part"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, response| {
                let part = response.status() == StatusCode::PARTIAL_CONTENT;
                match part {
                    true => changed(asked, response, |_, _| Some("adler32=0a0b0c0d".to_owned())),
                    false => response,
                }
            }
        }),
    },
    Fault {
        name: "digest-takes-the-first",
        about: "Only the first of the wanted digests is looked at.",
        clauses: &["DIG-02"],
        cases: &["digest.preferences"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let wanted = parts.headers.get(WANT_DIGEST);
                let first = wanted
                    .and_then(|value| value.to_str().ok()?.split(',').next())
                    .and_then(|first| HeaderValue::from_str(first).ok());
                if let Some(first) = first {
                    parts.headers.insert(WANT_DIGEST, first);
                }
            }
        }),
    },
    Fault {
        name: "digest-unknown-is-bad",
        about: "Asking for an unknown digest alone is a bad request.",
        clauses: &["DIG-02"],
        cases: &["digest.unknown"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                let wanted = asked.headers.get(WANT_DIGEST);
                if wanted.is_some_and(|wanted| wanted == "no-such-algorithm") {
                    *response.status_mut() = StatusCode::BAD_REQUEST;
                }
                response
            }
        }),
    },
    Fault {
        name: "repr-digest-unstructured",
        about: "Repr-Digest lacks the colons of a byte sequence.",
        clauses: &["DIG-03"],
        cases: &[
            "digest.representation.adler",
            "digest.representation.sha-256",
        ],
        apply: Apply::Element(|rules| {
            rules.on_response = |_, mut response| {
                let told = response.headers().get(REPR_DIGEST);
                let plain = told
                    .and_then(|told| told.to_str().ok())
                    .and_then(|told| HeaderValue::from_str(&told.replace(':', "")).ok());
                if let Some(plain) = plain {
                    response.headers_mut().insert(REPR_DIGEST, plain);
                }
                response
            }
        }),
    },
    Fault {
        name: "upload-digest-mismatch-stays",
        about: "An upload that is not what its digest says is refused, and stays.",
        clauses: &["DAV-30"],
        cases: &["digest.upload.wrong", "digest.upload.content-md5"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                if announced(parts) {
                    for name in [DIGEST, REPR_DIGEST, CONTENT_MD5] {
                        parts.headers.remove(&name);
                    }
                }
            };
            rules.on_response = |asked, mut response| {
                if announced(asked) && response.status().is_success() {
                    *response.status_mut() = StatusCode::BAD_REQUEST;
                }
                response
            };
        }),
    },
    Fault {
        name: "upload-digest-mismatch-is-error",
        about: "An upload that is not what its digest says is a server error.",
        clauses: &["DIG-04"],
        cases: &["digest.upload.wrong", "digest.upload.content-md5"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                let told = [DIGEST, REPR_DIGEST, CONTENT_MD5]
                    .iter()
                    .any(|name| asked.headers.contains_key(name));
                if told && response.status() == StatusCode::BAD_REQUEST {
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                }
                response
            }
        }),
    },
    Fault {
        name: "upload-digest-not-wanted",
        about: "Uploads that announce a digest are refused.",
        clauses: &["DAV-23", "DIG-04"],
        cases: &["digest.upload.right"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                for name in [DIGEST, REPR_DIGEST, CONTENT_MD5] {
                    if parts.headers.contains_key(&name) {
                        let wrong = HeaderValue::from_static("adler=::, adler32=0");
                        parts.headers.insert(name, wrong);
                    }
                }
            }
        }),
    },
    Fault {
        name: "digest-told-to-strangers",
        about: "HEAD that asks for a digest is allowed to every good token.",
        clauses: &["DIG-05"],
        cases: &["digest.outside"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                parts.extensions.insert(Asking(
                    parts.method == Method::HEAD && parts.headers.contains_key(WANT_DIGEST),
                ));
            };
            rules.authenticate = |_, parts, bearer| {
                let asking = parts
                    .extensions
                    .get::<Asking>()
                    .is_some_and(|asking| asking.0);
                bearer.map(|mut bearer| {
                    if asking {
                        for capability in &mut bearer.scope.capabilities {
                            capability.path = Default::default();
                        }
                    }
                    bearer
                })
            };
        }),
    },
    Fault {
        name: "digest-needs-read",
        about: "Digests are told to tokens with storage.read only.",
        clauses: &["DIG-01"],
        cases: &["digest.create"],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match outcome {
                Outcome::Content(content)
                    if !told.bearer.is_some_and(|bearer| bearer.has(Action::Read)) =>
                {
                    Outcome::Content(content.without_digests())
                }
                other => other,
            }
        }),
    },
];

/// Whether a file is uploaded whose digest is announced: the suite always announces that of an empty one.
fn announced(asked: &Parts) -> bool {
    let mut names = [DIGEST, REPR_DIGEST, CONTENT_MD5].into_iter();
    let length = asked.headers.get(CONTENT_LENGTH);
    asked.method == Method::PUT
        && length.is_some_and(|length| length != "0")
        && names.any(|name| asked.headers.contains_key(name))
}

/// Whether the request wants a digest by HEAD.
#[derive(Clone)]
struct Asking(bool);

/// With another `Digest`, where `edit` has one for the one that is told.
fn changed(
    asked: &Parts,
    mut response: Response<Body>,
    edit: fn(&Parts, &str) -> Option<String>,
) -> Response<Body> {
    let told = response.headers().get(DIGEST);
    let edited = told
        .and_then(|told| edit(asked, told.to_str().ok()?))
        .and_then(|edited| HeaderValue::from_str(&edited).ok());
    if let Some(edited) = edited {
        response.headers_mut().insert(DIGEST, edited);
    }
    response
}
