//! Contents that are not stored as they came, what stays of those that were there before, and directories that give way to
//! files.

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode};

use super::super::namespace::{Act, Change, Namespace, Obstacle};
use super::super::path::ObjectPath;
use super::super::token::Bearer;
use super::{Apply, Fault};
use touchstone_model::Method;

/// Buffers of this size are what software likes to have.
const BUFFER: usize = 1 << 20;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "ends-of-lines-are-changed",
        about: "Uploads lose the carriage returns before their line feeds.",
        clauses: &["DAV-23"],
        cases: &["webdav.put.every-byte"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                stored(namespace, act, bearer, |_, content| {
                    let mut kept = Vec::with_capacity(content.len());
                    for (at, byte) in content.iter().enumerate() {
                        if *byte != b'\r' || content.get(at + 1) != Some(&b'\n') {
                            kept.push(*byte);
                        }
                    }
                    kept.into()
                })
            };
        }),
    },
    Fault {
        name: "content-ends-at-nul",
        about: "Uploads end at the first byte that is 0.",
        clauses: &["DAV-23"],
        cases: &["webdav.put.every-byte"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                stored(namespace, act, bearer, |_, content| {
                    let end = content.iter().position(|byte| *byte == 0);
                    content.slice(..end.unwrap_or(content.len()))
                })
            };
        }),
    },
    Fault {
        name: "content-ends-at-buffer",
        about: "Of an upload the first MiB is stored.",
        clauses: &["DAV-23", "TPC-10"],
        cases: &["webdav.put.large", "tpc.overwrite.longer"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                stored(namespace, act, bearer, |_, content| {
                    content.slice(..content.len().min(BUFFER))
                })
            };
        }),
    },
    Fault {
        name: "replaced-file-keeps-its-end",
        about: "An upload over a file that was longer than 1 MiB leaves the end of that.",
        clauses: &["DAV-23", "TPC-10"],
        cases: &["webdav.put.large", "tpc.overwrite.longer"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                stored(namespace, act, bearer, |old, content| {
                    let rest = old.filter(|old| old.len() > BUFFER);
                    let rest = rest.and_then(|old| old.get(content.len()..));
                    [content, rest.unwrap_or_default()].concat().into()
                })
            };
        }),
    },
    Fault {
        name: "empty-directory-turns-into-file",
        about: "PUT onto an empty directory is refused, and there is a file in its place.",
        clauses: &["DAV-03"],
        cases: &["webdav.put.onto-empty-directory"],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                let path = failed.path.clone();
                let empty = is_directory(namespace, &path) && !namespace.has_full_directory(&path);
                if failed.method == Method::Put && !failed.denied() && empty {
                    let content = Bytes::new();
                    for act in [
                        Act::Delete { path: path.clone() },
                        Act::Put { path, content },
                    ] {
                        // It is there.
                        let _ = namespace.apply(&act, "");
                    }
                }
                None
            };
        }),
    },
    Fault {
        name: "if-match-ignored",
        about: "If-Match is not looked at.",
        clauses: &["DAV-35"],
        cases: &["webdav.put.if-match", "webdav.delete.if-match"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                parts.headers.remove("if-match");
            };
        }),
    },
    Fault {
        name: "depth-0-lists",
        about: "PROPFIND with a depth of 0 is answered as with one of 1.",
        clauses: &["DAV-16"],
        cases: &["webdav.propfind.members"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                if let Some(depth) = parts.headers.get_mut("depth")
                    && depth == "0"
                {
                    *depth = HeaderValue::from_static("1");
                }
            };
        }),
    },
    Fault {
        name: "move-onto-directory-empties-it",
        about: "MOVE of a file onto a directory is refused after what the directory held has gone.",
        clauses: &["DAV-12", "DAV-30"],
        cases: &["webdav.move.onto-directory"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Move { from, to }
                    if !is_directory(namespace, from) && namespace.has_full_directory(to) =>
                {
                    emptied(namespace, to);
                    Err(Obstacle::NotEmpty)
                }
                _ => namespace.apply(act, &bearer.token_id),
            };
        }),
    },
    Fault {
        name: "overwrite-f-empties-directories",
        about: "MOVE onto a directory with Overwrite: F is answered 412, and what the directory held has gone.",
        clauses: &["DAV-13"],
        cases: &["webdav.move.onto-directory"],
        apply: Apply::Element(|rules| {
            rules.failed = |namespace, failed| {
                let renames = failed.method == Method::Move && failed.protects;
                if renames
                    && failed.status == StatusCode::PRECONDITION_FAILED
                    && let Some(to) = failed.destination
                    && is_directory(namespace, to)
                {
                    emptied(namespace, to);
                }
                None
            };
        }),
    },
];

fn is_directory(namespace: &Namespace, path: &ObjectPath) -> bool {
    namespace.get(path).is_some_and(|node| node.is_directory())
}

/// Takes away what is in a directory.
fn emptied(namespace: &mut Namespace, path: &ObjectPath) {
    let acts = [
        Act::Delete { path: path.clone() },
        Act::MakeDirectory { path: path.clone() },
    ];
    for act in acts {
        // It is there.
        let _ = namespace.apply(&act, "");
    }
}

/// Does what is to be done; what is stored of an upload `keeps` makes of the file that was there, if one was, and of what
/// came.
fn stored(
    namespace: &mut Namespace,
    act: &Act,
    bearer: &Bearer,
    keeps: fn(Option<&Bytes>, &Bytes) -> Bytes,
) -> Result<Change, Obstacle> {
    match act {
        Act::Put { path, content } => {
            let old = namespace.get(path).and_then(|node| node.content.as_ref());
            let content = keeps(old, content);
            let path = path.clone();
            namespace.apply(&Act::Put { path, content }, &bearer.token_id)
        }
        _ => namespace.apply(act, &bearer.token_id),
    }
}
