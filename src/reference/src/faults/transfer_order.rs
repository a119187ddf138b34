//! Third-party copies that misread what is asked for.

use axum::body::{Body, Bytes};
use axum::http::{Response, header};
use url::Url;

use super::super::transfer::{Direction, order};
use super::{Apply, Fault};

/// What was never fetched from anywhere.
const IMAGINED: Bytes = Bytes::from_static(b"touchstone");

/// The cases that send what a transfer service does.
const TRANSFER_SERVICE: &[&str] = &["tpc.fts.pull", "tpc.fts.push", "tpc.fts.success"];

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "tpc-both-ways-push",
        about: "A COPY with Source and Destination is a push.",
        clauses: &["TPC-07"],
        cases: &["tpc.both-ways"],
        apply: Apply::Transfer(|rules| {
            rules.asks = |source, destination| match (source, destination) {
                (true, true) => Ok(Direction::Push),
                _ => order::direction(source, destination),
            };
        }),
    },
    Fault {
        name: "tpc-both-ways-pull",
        about: "A COPY with Source and Destination is a pull.",
        clauses: &["TPC-07"],
        cases: &["tpc.both-ways"],
        apply: Apply::Transfer(|rules| {
            rules.asks = |source, destination| match (source, destination) {
                (true, true) => Ok(Direction::Pull),
                _ => order::direction(source, destination),
            };
        }),
    },
    Fault {
        name: "tpc-no-way-pull",
        about: "A COPY without Source and Destination fetches something.",
        clauses: &["TPC-07"],
        cases: &["tpc.no-way"],
        apply: Apply::Transfer(|rules| {
            rules.asks = |source, destination| match (source, destination) {
                (false, false) => Ok(Direction::Pull),
                _ => order::direction(source, destination),
            };
            rules.understands = |named| match named {
                None => nowhere(),
                named => order::understands(named),
            };
            rules.imagines = imagined_if_nowhere;
        }),
    },
    Fault {
        name: "tpc-malformed-source-guessed",
        about: "A Source that is no URL is taken for a path.",
        clauses: &["TPC-11"],
        cases: &["tpc.malformed.source"],
        apply: Apply::Transfer(|rules| {
            rules.understands =
                |named| order::understands(named).or_else(|| named.and_then(|_| nowhere()));
            rules.imagines = imagined_if_nowhere;
        }),
    },
    Fault {
        name: "tpc-odd-verification-ignored",
        about: "A RequireChecksumVerification that makes no sense is ignored.",
        clauses: &["TPC-11"],
        cases: &["tpc.malformed.checksum"],
        apply: Apply::Transfer(|rules| {
            rules.verification = |value| Ok(order::verification(value).unwrap_or_default());
        }),
    },
    Fault {
        name: "tpc-verification-inverted",
        about: "RequireChecksumVerification false verifies, and true does not.",
        clauses: &["TPC-19"],
        cases: &["tpc.checksum.required", "tpc.checksum.not-required"],
        apply: Apply::Transfer(|rules| {
            rules.verification = |value| Ok(order::verification(value)? != value.is_some());
        }),
    },
    Fault {
        name: "tpc-verification-false-unknown",
        about: "RequireChecksumVerification false is refused.",
        clauses: &["TPC-01", "TPC-19"],
        cases: &[
            "tpc.fts.success",
            "tpc.checksum.not-required",
            "tpc.fts.pull",
            "tpc.fts.push",
        ],
        apply: Apply::Transfer(|rules| {
            rules.verification = |value| match (value, order::verification(value)?) {
                (Some(_), false) => Err("RequireChecksumVerification is true"),
                (_, wanted) => Ok(wanted),
            };
        }),
    },
    Fault {
        name: "tpc-odd-streams-ignored",
        about: "A number of streams that is none is ignored.",
        clauses: &["TPC-11"],
        cases: &["tpc.malformed.streams"],
        apply: Apply::Transfer(|rules| {
            rules.streams = |value| Ok(order::streams(value).unwrap_or(1));
        }),
    },
    Fault {
        name: "tpc-negative-streams-accepted",
        about: "A number of streams below zero is ignored.",
        clauses: &["TPC-11"],
        cases: &["tpc.malformed.streams"],
        apply: Apply::Transfer(|rules| {
            rules.streams = |value| order::streams(value.map(|text| text.trim_start_matches('-')));
        }),
    },
    Fault {
        name: "tpc-streams-zero-refused",
        about: "A number of streams that is 0, as transfer services send it, is refused.",
        clauses: &["TPC-32", "TPC-01", "TPC-02"],
        cases: TRANSFER_SERVICE,
        apply: Apply::Transfer(|rules| {
            rules.streams = |value| match value {
                Some("0") => Err("X-Number-Of-Streams is a positive number"),
                value => order::streams(value),
            };
        }),
    },
    Fault {
        name: "tpc-streams-zero-brings-nothing",
        about: "In 0 streams nothing is pulled, and that is called a success.",
        clauses: &["TPC-32", "TPC-01"],
        cases: &["tpc.fts.pull", "tpc.fts.success", "tpc.fts.failure"],
        apply: Apply::Transfer(|rules| {
            rules.streams = |value| match value {
                Some("0") => Ok(0),
                value => order::streams(value),
            };
            rules.stores = |bytes, streams| match streams {
                0 => Bytes::new(),
                _ => bytes,
            };
        }),
    },
    Fault {
        name: "tpc-secure-redirection-refused",
        about: "A COPY that asks for a redirect over TLS only is refused.",
        clauses: &["TPC-32", "TPC-01", "TPC-02"],
        cases: TRANSFER_SERVICE,
        apply: Apply::Transfer(|rules| {
            rules.detour = |parts| match parts.headers.contains_key("secure-redirection") {
                true => refused(),
                false => order::sent_on(parts),
            };
        }),
    },
    Fault {
        name: "tpc-keep-alive-empty-refused",
        about: "A COPY with a Keep-Alive that says nothing is refused.",
        clauses: &["TPC-32", "TPC-01", "TPC-02"],
        cases: TRANSFER_SERVICE,
        apply: Apply::Transfer(|rules| {
            rules.detour = |parts| {
                let kept = parts
                    .headers
                    .get(header::HeaderName::from_static("keep-alive"));
                match kept.is_some_and(|kept| kept.is_empty()) {
                    true => refused(),
                    false => order::sent_on(parts),
                }
            };
        }),
    },
    Fault {
        name: "tpc-streams-refused",
        about: "More than one stream is refused.",
        clauses: &["TPC-25"],
        cases: &["tpc.streams"],
        apply: Apply::Transfer(|rules| {
            rules.streams = |value| match order::streams(value)? {
                1 => Ok(1),
                _ => Err("X-Number-Of-Streams is 1"),
            };
        }),
    },
    Fault {
        name: "tpc-streams-mixed-up",
        about: "What comes in several streams is put together in the wrong order.",
        clauses: &["TPC-25", "TPC-01"],
        cases: &["tpc.streams"],
        apply: Apply::Transfer(|rules| {
            rules.stores = |bytes, streams| {
                let middle = match streams {
                    1 => 0,
                    _ => bytes.len() / 2,
                };
                [bytes.slice(middle..), bytes.slice(..middle)]
                    .concat()
                    .into()
            };
        }),
    },
    Fault {
        name: "tpc-credential-unread",
        about: "Credential is not looked at.",
        clauses: &["TPC-11"],
        cases: &["tpc.malformed.credential"],
        apply: Apply::Transfer(|rules| rules.credential = |_| Ok(())),
    },
    Fault {
        name: "tpc-credential-needed",
        about: "A COPY without Credential is refused.",
        clauses: &["TPC-24"],
        cases: &["tpc.credential.absent"],
        apply: Apply::Transfer(|rules| {
            rules.credential = |value| match value {
                None => Err("Credential is none"),
                value => order::credential(value),
            };
        }),
    },
    Fault {
        name: "tpc-credential-none-refused",
        about: "Nothing is transferred without delegation.",
        clauses: &["TPC-24"],
        cases: &[
            "tpc.pull",
            "tpc.push",
            "tpc.pair.pull",
            "tpc.pair.push",
            "tpc.fts.success",
            "tpc.early",
            "tpc.markers",
            "tpc.markers.connections",
            "tpc.overwrite.false",
            "tpc.overwrite.true",
            "tpc.forward.pull",
            "tpc.forward.push",
            "tpc.framing.pull",
            "tpc.framing.push",
            "tpc.checksum.not-required",
            "tpc.checksum.right",
            "tpc.credential.none",
            "tpc.streams",
        ],
        apply: Apply::Transfer(|rules| {
            rules.credential = |value| match value {
                Some(_) => Err("Credential is gridsite"),
                None => Ok(()),
            };
        }),
    },
    Fault {
        name: "tpc-redirects-to-http",
        about: "A COPY of what is in the pool is redirected to plain http.",
        clauses: &["TPC-23"],
        cases: &["tpc.redirected"],
        apply: Apply::Transfer(|rules| {
            rules.detour = |parts| {
                let host = parts.headers.get(header::HOST)?.to_str().ok()?;
                let location = format!("http://{host}{}", order::pooled(parts)?);
                let response = Response::builder().status(307);
                let response = response.header(header::LOCATION, location);
                response.body("".into()).ok()
            };
        }),
    },
    Fault {
        name: "tpc-redirects-to-nobody",
        about: "A COPY of what is in the pool is redirected to where nobody does it.",
        clauses: &["TPC-23"],
        cases: &["tpc.redirected"],
        apply: Apply::Transfer(|rules| {
            rules.detour = |parts| match order::sent_on(parts) {
                Some(response) => Some(response),
                None if parts.uri.query().is_some() => {
                    Response::builder().status(403).body("".into()).ok()
                }
                None => None,
            };
        }),
    },
    Fault {
        name: "tpc-reads-files",
        about: "A pull from a file URL reads files of the machine.",
        clauses: &["TPC-16"],
        cases: &["tpc.scheme.file"],
        apply: Apply::Transfer(|rules| {
            rules.accepts = |url| url.scheme() == "file" || order::accepts(url);
            rules.imagines = |url| imagined(url.scheme() == "file");
        }),
    },
    Fault {
        name: "tpc-reads-devices",
        about: "A pull from a file URL below /dev reads a device.",
        clauses: &["TPC-16"],
        cases: &["tpc.scheme.file"],
        apply: Apply::Transfer(|rules| {
            rules.accepts = |url| device(url) || order::accepts(url);
            rules.imagines = |url| device(url).then(Bytes::new);
        }),
    },
    Fault {
        name: "tpc-ftp-accepted",
        about: "A pull from an FTP server is done.",
        clauses: &["TPC-16"],
        cases: &["tpc.scheme.other"],
        apply: Apply::Transfer(|rules| {
            rules.accepts = |url| url.scheme() == "ftp" || order::accepts(url);
            rules.imagines = |url| imagined(url.scheme() == "ftp");
        }),
    },
    Fault {
        name: "tpc-any-scheme-accepted",
        about: "A pull from a URL with a scheme that nobody knows is done.",
        clauses: &["TPC-16"],
        cases: &["tpc.scheme.other"],
        apply: Apply::Transfer(|rules| {
            rules.accepts = |url| !known(url) || order::accepts(url);
            rules.imagines = |url| imagined(!known(url));
        }),
    },
    Fault {
        name: "tpc-user-accepted",
        about: "A pull from a URL with a user and a password is done.",
        clauses: &["TPC-16"],
        cases: &["tpc.scheme.user"],
        apply: Apply::Transfer(|rules| {
            rules.accepts = |url| !url.username().is_empty() || order::accepts(url);
            rules.imagines = |url| imagined(!url.username().is_empty());
        }),
    },
    Fault {
        name: "tpc-itself-asked",
        about: "A pull from the service itself, at the loopback address of its machine, is done.",
        clauses: &["TPC-17"],
        cases: &["tpc.private"],
        apply: Apply::Transfer(|rules| rules.accepts_itself = true),
    },
];

fn refused() -> Option<Response<Body>> {
    Response::builder().status(400).body(Body::empty()).ok()
}

/// An address that is nobody's (RFC 6761 section 6.4).
fn nowhere() -> Option<Url> {
    Url::parse("https://touchstone.invalid/").ok()
}

fn imagined_if_nowhere(url: &Url) -> Option<Bytes> {
    let nowhere = nowhere();
    imagined(nowhere.is_some_and(|nowhere| nowhere.host() == url.host()))
}

fn imagined(done: bool) -> Option<Bytes> {
    done.then_some(IMAGINED)
}

fn device(url: &Url) -> bool {
    url.scheme() == "file" && url.path().starts_with("/dev/")
}

fn known(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https" | "ftp" | "file")
}
