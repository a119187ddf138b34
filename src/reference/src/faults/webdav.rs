//! Methods that do something else than they should, or say so in a way that misleads.

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};

use super::super::answers::Outcome;
use super::super::namespace::{Act, Change, Namespace, Obstacle};
use super::super::path::ObjectPath;
use super::super::scope::Action;
use super::super::token::Bearer;
use super::super::webdav::Content;
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "put-never-creates",
        about: "Uploads of new files are answered with 204.",
        clauses: &["DAV-01"],
        cases: &["webdav.put.statuses"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method.as_str() == "PUT" && response.status() == StatusCode::CREATED {
                    *response.status_mut() = StatusCode::NO_CONTENT;
                }
                response
            };
        }),
    },
    Fault {
        name: "put-no-parent-error",
        about: "PUT below a missing directory is a server error.",
        clauses: &["DAV-02"],
        cases: &["webdav.put.no-parent"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method.as_str() == "PUT" && response.status() == StatusCode::CONFLICT {
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                }
                response
            };
        }),
    },
    Fault {
        name: "if-none-match-ignored",
        about: "If-None-Match is not looked at.",
        clauses: &["DAV-04"],
        cases: &["webdav.put.if-none-match"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                parts.headers.remove("if-none-match");
            };
        }),
    },
    Fault {
        name: "content-range-ignored",
        about: "Content-Range is not looked at.",
        clauses: &["DAV-05", "DAV-23"],
        cases: &["webdav.put.content-range"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                parts.headers.remove("content-range");
            };
        }),
    },
    Fault {
        name: "empty-upload-forgotten",
        about: "Empty uploads are answered with 201 and not stored.",
        clauses: &["DAV-23"],
        cases: &[
            "webdav.put.empty",
            "digest.adler32.leading-zeros",
            "digest.upload.right",
            "tape.stage.unstageable",
            "capability.create.no-overwrite-empty",
            "capability.create.no-delete-special",
            "tpc.empty",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Put { content, .. } if content.is_empty() => Ok(Change::Created),
                _ => namespace.apply(act, &bearer.token_id),
            };
        }),
    },
    Fault {
        name: "cut-upload-kept",
        about: "What came of an upload that broke off is kept as the file.",
        clauses: &["DAV-23"],
        cases: &["webdav.put.cut", "webdav.put.cut-replacing"],
        apply: Apply::Element(|rules| {
            rules.broke_off = |bytes, _| (Some(bytes), None);
        }),
    },
    Fault {
        name: "create-mkcol-makes-file",
        about: "MKCOL with storage.create makes an empty file.",
        clauses: &["DAV-06", "JWT-2.2.1-06"],
        cases: &[
            "webdav.mkcol.shows",
            "capability.create.mkcol",
            "path.create.mkcol",
            "capability.create.leading-directories",
            "path.trailing-slash.create",
            "macaroon.path.missing-parents",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::MakeDirectory { path }
                    if !bearer.has(Action::Read) && bearer.has(Action::Create) =>
                {
                    namespace.apply(
                        &Act::Put {
                            path: path.clone(),
                            content: Bytes::new(),
                        },
                        &bearer.token_id,
                    )
                }
                _ => namespace.apply(act, &bearer.token_id),
            };
        }),
    },
    Fault {
        name: "mkcol-over-file",
        about: "MKCOL over a file makes a directory of it.",
        clauses: &["DAV-07"],
        cases: &["webdav.mkcol.exists"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                if let Act::MakeDirectory { path } = act
                    && namespace.get(path).is_some_and(|node| !node.is_directory())
                {
                    remove(namespace, path);
                }
                namespace.apply(act, &bearer.token_id)
            };
        }),
    },
    Fault {
        name: "mkcol-exists-forbidden",
        about: "MKCOL of what is there is answered with 403.",
        clauses: &["DAV-07"],
        cases: &["webdav.mkcol.exists"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method.as_str() == "MKCOL"
                    && response.status() == StatusCode::METHOD_NOT_ALLOWED
                {
                    *response.status_mut() = StatusCode::FORBIDDEN;
                }
                response
            };
        }),
    },
    Fault {
        name: "mkcol-no-parent-error",
        about: "MKCOL below a missing directory is a server error.",
        clauses: &["DAV-08"],
        cases: &["webdav.mkcol.no-parent"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method.as_str() == "MKCOL" && response.status() == StatusCode::CONFLICT {
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                }
                response
            };
        }),
    },
    Fault {
        name: "mkcol-body-refused-too-late",
        about: "MKCOL with a body is refused with 400.",
        clauses: &["DAV-09"],
        cases: &["webdav.mkcol.body"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method.as_str() == "MKCOL"
                    && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE
                {
                    *response.status_mut() = StatusCode::BAD_REQUEST;
                }
                response
            };
        }),
    },
    Fault {
        name: "delete-missing-is-done",
        about: "DELETE of something missing is answered with 204.",
        clauses: &["DAV-10", "DAV-19"],
        cases: &[
            "webdav.delete.file",
            "webdav.missing.delete",
            "tape.delete.gone",
            "tape.error.not-found",
        ],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method.as_str() == "DELETE" && response.status() == StatusCode::NOT_FOUND {
                    *response.status_mut() = StatusCode::NO_CONTENT;
                }
                response
            };
        }),
    },
    Fault {
        name: "delete-half",
        about: "DELETE of a directory removes the first files in it and is refused then.",
        clauses: &["DAV-11"],
        cases: &["webdav.delete.tree"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                if let Act::Delete { path } = act
                    && let Some(inner) = namespace.tree(path).map(|(inner, _)| inner.clone()).last()
                    && inner != *path
                {
                    remove(namespace, &inner);
                    return Err(Obstacle::NotEmpty);
                }
                namespace.apply(act, &bearer.token_id)
            };
        }),
    },
    Fault {
        name: "overwrite-ignored",
        about: "Overwrite is not looked at.",
        clauses: &["DAV-13", "DAV-29"],
        cases: &[
            "webdav.move.overwrite-f",
            "webdav.move.overwrite-odd",
            "webdav.copy.overwrite-odd",
            "tpc.overwrite.false",
            "tpc.overwrite.push",
            "tpc.overwrite.odd",
        ],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                parts.headers.remove("overwrite");
            };
        }),
    },
    Fault {
        name: "overwrite-absent-protects",
        about: "Without Overwrite, MOVE and COPY within the service replace nothing.",
        clauses: &["DAV-28"],
        cases: &[
            "webdav.move.overwrite-default",
            "webdav.copy.overwrite-default",
        ],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                if within(parts) && !parts.headers.contains_key("overwrite") {
                    let protects = HeaderValue::from_static("F");
                    parts.headers.insert("overwrite", protects);
                }
            };
        }),
    },
    Fault {
        name: "overwrite-letter-for-letter",
        about: "An Overwrite of MOVE and COPY within the service is T in upper case, or protects.",
        clauses: &["DAV-28"],
        cases: &[
            "webdav.move.overwrite-default",
            "webdav.copy.overwrite-default",
        ],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let word = parts.headers.get_mut("overwrite");
                if let Some(word) = word.filter(|word| *word == "t") {
                    *word = HeaderValue::from_static("F");
                }
            };
        }),
    },
    Fault {
        name: "overwrite-odd-replaces",
        about: "An Overwrite that is neither T nor F is taken for T by MOVE and COPY within the service.",
        clauses: &["DAV-29"],
        cases: &["webdav.move.overwrite-odd", "webdav.copy.overwrite-odd"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let word = parts.headers.get("overwrite");
                let odd = word.is_some_and(|word| !["T", "t", "F", "f"].iter().any(|w| word == w));
                if odd && within(parts) {
                    parts.headers.remove("overwrite");
                }
            };
        }),
    },
    Fault {
        name: "overwrite-first-counts",
        about: "Of two Overwrite headers MOVE and COPY within the service see the first.",
        clauses: &["DAV-29"],
        cases: &["webdav.move.overwrite-odd", "webdav.copy.overwrite-odd"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let first = parts.headers.get("overwrite").cloned();
                if let Some(first) = first.filter(|_| within(parts)) {
                    parts.headers.insert("overwrite", first);
                }
            };
        }),
    },
    Fault {
        name: "move-onto-loses",
        about: "MOVE over a file keeps the old one and drops the source.",
        clauses: &["DAV-12"],
        cases: &[
            "webdav.move.statuses",
            "webdav.move.overwrite-default",
            "webdav.move.overwrite-odd",
            "webdav.itself.move",
        ],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Move { from, to } if namespace.get(to).is_some() => {
                    remove(namespace, from);
                    Ok(Change::Replaced)
                }
                _ => namespace.apply(act, &bearer.token_id),
            };
        }),
    },
    Fault {
        name: "move-directory-empties",
        about: "A directory that was moved is empty at its new place, and gone at the old one.",
        clauses: &["DAV-32"],
        cases: &["webdav.move.directory"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| moved(namespace, act, bearer, |_| false);
        }),
    },
    Fault {
        name: "move-directory-is-shallow",
        about: "A directory that was moved has lost what its directories held.",
        clauses: &["DAV-32"],
        cases: &["webdav.move.directory"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| moved(namespace, act, bearer, |depth| depth < 2);
        }),
    },
    Fault {
        name: "move-directory-copies",
        about: "A directory that was moved is still there under its old name.",
        clauses: &["DAV-32"],
        cases: &["webdav.move.directory"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| match act {
                Act::Move { from, to } if namespace.has_full_directory(from) => {
                    let (from, to) = (from.clone(), to.clone());
                    let copy = Act::Copy {
                        from,
                        to,
                        deep: true,
                    };
                    namespace.apply(&copy, &bearer.token_id)
                }
                _ => namespace.apply(act, &bearer.token_id),
            };
        }),
    },
    Fault {
        name: "move-directory-half",
        about: "MOVE of a directory is refused after the first of its members has moved.",
        clauses: &["DAV-32", "DAV-30"],
        cases: &["webdav.move.directory", "webdav.itself.move"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                if let Act::Move { from, to } = act
                    && namespace.has_full_directory(from)
                {
                    let first = namespace.tree(from).map(|(path, _)| path.clone()).last();
                    let path = to.clone();
                    namespace.apply(&Act::MakeDirectory { path }, &bearer.token_id)?;
                    if let Some(path) = first {
                        namespace.apply(&Act::Delete { path }, &bearer.token_id)?;
                    }
                    return Err(Obstacle::NotEmpty);
                }
                namespace.apply(act, &bearer.token_id)
            };
        }),
    },
    Fault {
        name: "propfind-ill-formed-answered",
        about: "The body of a PROPFIND is not looked at.",
        clauses: &["DAV-31"],
        cases: &["webdav.propfind.ill-formed"],
        apply: Apply::Element(|rules| rules.reads_queries = false),
    },
    Fault {
        name: "move-no-parent-loses",
        about: "MOVE into a missing directory is a conflict, and the source is gone.",
        clauses: &["DAV-26"],
        cases: &["webdav.move.no-parent"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                let done = namespace.apply(act, &bearer.token_id);
                if let (Act::Move { from, .. }, Err(Obstacle::NoParent)) = (act, &done) {
                    remove(namespace, from);
                }
                done
            };
        }),
    },
    Fault {
        name: "move-makes-parents",
        about: "MOVE and COPY into a missing directory make it.",
        clauses: &["DAV-26"],
        cases: &["webdav.move.no-parent", "webdav.copy.no-parent"],
        apply: Apply::Element(|rules| {
            rules.act = |namespace, act, bearer| {
                if let Act::Move { to, .. } | Act::Copy { to, .. } = act
                    && let Some(parent) = to.parent()
                    && namespace.get(&parent).is_none()
                {
                    let made = Act::MakeDirectory { path: parent };
                    namespace.apply(&made, &bearer.token_id)?;
                }
                namespace.apply(act, &bearer.token_id)
            };
        }),
    },
    Fault {
        name: "move-no-parent-forbidden",
        about: "MOVE and COPY into a missing directory are answered with 403.",
        clauses: &["DAV-14"],
        cases: &["webdav.move.no-parent", "webdav.copy.no-parent"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                let moves = matches!(asked.method.as_str(), "MOVE" | "COPY");
                if moves && response.status() == StatusCode::CONFLICT {
                    *response.status_mut() = StatusCode::FORBIDDEN;
                }
                response
            };
        }),
    },
    Fault {
        name: "allow-missing",
        about: "405 does not name the methods that are allowed.",
        clauses: &["DAV-25"],
        cases: &["webdav.allow"],
        apply: Apply::Element(|rules| {
            rules.on_response = |_, mut response| {
                if response.status() == StatusCode::METHOD_NOT_ALLOWED {
                    response.headers_mut().remove("allow");
                }
                response
            };
        }),
    },
    Fault {
        name: "destination-host-ignored",
        about: "The host of a Destination is not looked at.",
        clauses: &["DAV-27"],
        cases: &["webdav.move.elsewhere"],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                let elsewhere = "https://elsewhere.example.org";
                let path = parts
                    .headers
                    .get("destination")
                    .and_then(|to| to.to_str().ok()?.strip_prefix(elsewhere))
                    .and_then(|path| path.parse().ok());
                if let Some(path) = path {
                    parts.headers.insert("destination", path);
                }
            };
        }),
    },
    Fault {
        name: "directories-look-like-files",
        about: "PROPFIND shows directories as empty files to tokens that only read.",
        clauses: &["DAV-15", "DAV-06"],
        cases: &[
            "webdav.propfind.directory",
            "webdav.mkcol.shows",
            "webdav.put.onto-empty-directory",
            "webdav.propfind.members",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, mut outcome| {
                if let Outcome::Properties(found) = &mut outcome
                    && told
                        .bearer
                        .is_some_and(|bearer| bearer.has_only(Action::Read))
                {
                    for property in found {
                        property.directory = false;
                    }
                }
                outcome
            };
        }),
    },
    Fault {
        name: "listing-cut",
        about: "PROPFIND leaves out the last member of a directory, to tokens that only read.",
        clauses: &["DAV-16"],
        cases: &[
            "webdav.propfind.members",
            "macaroon.issue.granted",
            "path.outside.listing",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, mut outcome| {
                if let Outcome::Properties(found) = &mut outcome
                    && found.len() > 1
                    && told
                        .bearer
                        .is_some_and(|bearer| bearer.has_only(Action::Read))
                {
                    found.pop();
                }
                outcome
            };
        }),
    },
    Fault {
        name: "propfind-missing-empty",
        about: "PROPFIND of something missing shows nothing, with 207.",
        clauses: &["DAV-16"],
        cases: &["webdav.propfind.missing"],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match told.bearer {
                Some(bearer)
                    if bearer.has_only(Action::Read)
                        && told.method == touchstone_model::Method::Propfind
                        && outcome.status() == StatusCode::NOT_FOUND =>
                {
                    Outcome::Properties(Vec::new())
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "infinity-is-error",
        about: "PROPFIND of infinite depth is a server error.",
        clauses: &["DAV-16"],
        cases: &["webdav.propfind.infinity"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked
                    .headers
                    .get("depth")
                    .is_some_and(|depth| depth == "infinity")
                {
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                }
                response
            };
        }),
    },
    Fault {
        name: "head-missing-is-there",
        about: "HEAD of something missing is answered with 200, to tokens that cannot write.",
        clauses: &["DAV-17", "DAV-19"],
        cases: &[
            "webdav.head.missing",
            "webdav.delete.file",
            "path.request.double-encoded",
        ],
        apply: Apply::Element(|rules| {
            rules.on_outcome = |told, outcome| match told.bearer {
                Some(bearer)
                    if bearer.has_only(Action::Read)
                        && told.method == touchstone_model::Method::Head
                        && outcome.status() == StatusCode::NOT_FOUND =>
                {
                    Outcome::Content(Content::whole(Bytes::new()))
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "range-ignored",
        about: "Range is not looked at.",
        clauses: &["DAV-18"],
        cases: &[
            "webdav.range.parts",
            "webdav.range.beyond",
            "capability.read.range",
            "connection.shared-cache",
            "digest.part",
        ],
        apply: Apply::Element(|rules| {
            rules.on_request = |parts| {
                parts.headers.remove("range");
            };
        }),
    },
    Fault {
        name: "range-brings-others",
        about: "A part from the end of a file is other bytes, and Content-Range is right.",
        clauses: &["DAV-23"],
        cases: &["webdav.range.parts"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                let range = asked.headers.get("range");
                let last = range
                    .and_then(|range| range.to_str().ok()?.strip_prefix("bytes=-"))
                    .and_then(|last| last.parse::<usize>().ok());
                if let Some(last) = last.filter(|last| *last < 100)
                    && response.status() == StatusCode::PARTIAL_CONTENT
                {
                    *response.body_mut() = vec![b'#'; last].into();
                }
                response
            };
        }),
    },
    Fault {
        name: "range-beyond-forbidden",
        about: "A range beyond the end is answered with 403.",
        clauses: &["DAV-18"],
        cases: &["webdav.range.beyond"],
        apply: Apply::Element(|rules| {
            rules.on_response = |_, mut response| {
                if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
                    *response.status_mut() = StatusCode::FORBIDDEN;
                }
                response
            };
        }),
    },
    Fault {
        name: "move-missing-forbidden",
        about: "MOVE of something missing is answered with 403.",
        clauses: &["DAV-19"],
        cases: &["webdav.missing.move"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method.as_str() == "MOVE" && response.status() == StatusCode::NOT_FOUND {
                    *response.status_mut() = StatusCode::FORBIDDEN;
                }
                response
            };
        }),
    },
    Fault {
        name: "options-without-class",
        about: "OPTIONS does not tell that WebDAV is spoken.",
        clauses: &["DAV-20"],
        cases: &["webdav.options", "bearer.oracle.looking"],
        apply: Apply::Element(|rules| {
            rules.on_response = |_, mut response| {
                response.headers_mut().remove("dav");
                response
            };
        }),
    },
    Fault {
        name: "options-names-nothing",
        about: "OPTIONS names no method.",
        clauses: &["DAV-20"],
        cases: &["webdav.options", "bearer.oracle.looking"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method == Method::OPTIONS {
                    response.headers_mut().remove("allow");
                }
                response
            };
        }),
    },
    Fault {
        name: "unknown-method-is-bad",
        about: "A method that is not known is a bad request.",
        clauses: &["DAV-21"],
        cases: &["webdav.unknown-method"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method.as_str() == "FOO" {
                    *response.status_mut() = StatusCode::BAD_REQUEST;
                }
                response
            };
        }),
    },
    Fault {
        name: "put-onto-directory-lies",
        about: "PUT onto a directory is answered with 204, and nothing happens.",
        clauses: &["DAV-03"],
        cases: &["webdav.put.onto-directory"],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method.as_str() == "PUT"
                    && response.status() == StatusCode::METHOD_NOT_ALLOWED
                {
                    *response.status_mut() = StatusCode::NO_CONTENT;
                }
                response
            };
        }),
    },
    Fault {
        name: "chunks-not-understood",
        about: "Uploads in chunks are refused with 411.",
        clauses: &["DAV-23"],
        cases: &[
            "webdav.put.chunked",
            "capability.create.no-overwrite-chunked",
            "capability.create.no-overwrite-empty",
        ],
        apply: Apply::Element(|rules| {
            rules.on_response = |asked, mut response| {
                if asked.method == Method::PUT && asked.headers.contains_key("transfer-encoding") {
                    *response.status_mut() = StatusCode::LENGTH_REQUIRED;
                }
                response
            };
        }),
    },
];

/// Moves a directory with those of its members only that are `kept`, given how deep below it they are.
fn moved(
    namespace: &mut Namespace,
    act: &Act,
    bearer: &Bearer,
    kept: fn(usize) -> bool,
) -> Result<Change, Obstacle> {
    let done = namespace.apply(act, &bearer.token_id)?;
    if let Act::Move { to, .. } = act {
        let lost = |path: &&ObjectPath| *path != to && !kept(path.depth() - to.depth());
        let tree = namespace.tree(to).map(|(path, _)| path);
        let lost: Vec<ObjectPath> = tree.filter(lost).cloned().collect();
        for path in lost {
            // What it was in may be gone already.
            let _ = namespace.apply(&Act::Delete { path }, "");
        }
    }
    Ok(done)
}

/// Whether it is a MOVE or COPY that says where to; clients of copies between servers send `Credential` as well.
fn within(parts: &Parts) -> bool {
    let names = |method: &str| parts.method.as_str() == method;
    let has = |name: &str| parts.headers.contains_key(name);
    (names("MOVE") || names("COPY")) && has("destination") && !has("source") && !has("credential")
}

/// Takes `path` away with everything below it.
fn remove(namespace: &mut Namespace, path: &ObjectPath) {
    // It is there.
    let _ = namespace.apply(&Act::Delete { path: path.clone() }, "");
}
