//! What the service does not have at all, and what it does not take of any token: a run finds it out before its cases, and
//! works with what there is.

use axum::body::Body;
use axum::http::header::{ALLOW, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{self, Response};

use super::super::authorisation::{
    Operation, Question, allows, audience_accepted, looks, method as known_method,
};
use super::super::namespace::Act;
use super::super::scope::Action;
use super::super::token::{Bearer, TokenRules};
use super::{Apply, Fault};
use touchstone_model::{ANY_AUDIENCE, Audience, Method};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "no-mkcol",
        about: "MKCOL is not known; uploads make the directories above them.",
        clauses: &["DAV-06"],
        cases: &[
            "webdav.mkcol.shows",
            "tpc.pull",
            "tpc.pair.pull",
            "tpc.early",
            "tpc.markers",
            "tpc.markers.connections",
            "tpc.forward.pull",
            "tpc.framing.pull",
            "tpc.checksum.not-required",
            "tpc.checksum.right",
            "tpc.credential.none",
            "tpc.credential.absent",
            "tpc.streams",
            "tpc.fts.pull",
            "tpc.redirect.pull",
            "tpc.query.pull",
            "tpc.empty",
            "tpc.chunked",
        ],
        apply: Apply::Element(|rules| {
            rules.method = |name| known_method(name).filter(|method| *method != Method::Mkcol);
            rules.makes_parents = true;
            rules.act = |namespace, act, bearer| {
                if let Act::Put { path, .. } = act
                    && let Some(parent) = path.parent()
                {
                    namespace.make_directories(&parent);
                }
                namespace.apply(act, &bearer.token_id)
            };
        }),
    },
    Fault {
        name: "no-move",
        about: "MOVE is not known.",
        clauses: &["DAV-12"],
        cases: &["webdav.move.statuses"],
        apply: Apply::Element(|rules| {
            rules.method = |name| known_method(name).filter(|method| *method != Method::Move);
            rules.on_response = |asked, response| offering(asked, response, "MOVE");
        }),
    },
    Fault {
        name: "no-propfind",
        about: "PROPFIND is not known.",
        clauses: &["DAV-15", "DAV-20"],
        cases: &["webdav.propfind.directory"],
        apply: Apply::Element(|rules| {
            rules.method = |name| known_method(name).filter(|method| *method != Method::Propfind);
            rules.on_response = |asked, response| offering(asked, response, "PROPFIND");
        }),
    },
    Fault {
        name: "no-copy",
        about: "COPY is not known.",
        clauses: &["TPC-01"],
        cases: &["tpc.pull", "webdav.copy.no-parent"],
        apply: Apply::Element(|rules| {
            rules.method = |name| known_method(name).filter(|method| *method != Method::Copy);
            rules.on_response = |asked, response| offering(asked, response, "COPY");
        }),
    },
    Fault {
        name: "no-digests",
        about: "No checksum is told.",
        clauses: &["DIG-01"],
        cases: &["digest.adler32.head"],
        apply: Apply::Element(|rules| {
            rules.on_response = |_, mut response| {
                for name in ["digest", "repr-digest"] {
                    response.headers_mut().remove(HeaderName::from_static(name));
                }
                response
            }
        }),
    },
    Fault {
        name: "everybody-reads",
        about: "Nobody looks at the tokens of those who only look.",
        clauses: &["RFC6750-03"],
        cases: &[
            "bearer.none.get",
            "tape.stage.other-audience",
            "tape.request.no-token",
            "tape.request.other-path",
            "tape.request.read",
            "tape.request.other-issuer",
            "tape.archiveinfo.outside",
            "tape.archiveinfo.outside-alone",
            "tape.archiveinfo.dots",
            "tape.token.other-audience",
            "tape.token.no-audience",
            "tape.token.no-capability",
            "bearer.oracle.looking",
        ],
        apply: Apply::Element(|rules| {
            rules.authenticate = |_, parts, verified| match verified {
                Err(_) if reads(parts) => Ok(Bearer::default()),
                verified => verified,
            };
            rules.audience_accepted =
                |bearer, own, method| !method.writes() || audience_accepted(bearer, own, method);
            rules.speaks_for =
                |bearer, area, _, asked| looks(asked.operation) || bearer.issuer == area.issuer;
            rules.allows = |rules, bearer, groups, asked| {
                looking(asked) || allows(rules, bearer, groups, asked)
            };
        }),
    },
    Fault {
        name: "takes-rs256-only",
        about: "Tokens that are signed with ES256 are refused.",
        clauses: &["JWT-4.2-14", "JWT-4.2-16"],
        cases: &[
            "authentication.algorithm.es256",
            "authentication.algorithm.both",
        ],
        apply: Apply::Element(|rules| {
            rules.token.member = |name, jws| {
                (name != "alg" || jws.algorithm() != "ES256")
                    && (TokenRules::default().member)(name, jws)
            }
        }),
    },
    Fault {
        name: "takes-own-audience-only",
        about: "The audience that means every service is a foreign one.",
        clauses: &["JWT-2.1.1-17"],
        cases: &["audience.any", "audience.any.in-array"],
        apply: Apply::Element(|rules| {
            rules.audience_accepted = |bearer, own, method| {
                let audience = bearer.audience.as_ref().map(|audience| {
                    let named = audience.each().iter();
                    Audience::Many(named.filter(|one| *one != ANY_AUDIENCE).cloned().collect())
                });
                let bearer = Bearer {
                    audience,
                    ..bearer.clone()
                };
                audience_accepted(&bearer, own, method)
            }
        }),
    },
    Fault {
        name: "takes-first-scope-only",
        about: "Of the capabilities of a token the first one counts.",
        clauses: &["JWT-2.2.1-31"],
        cases: &[
            "capability.several.add-up",
            "webdav.copy.overwrite-odd",
            "capability.several.any-order",
            "capability.several.hundred",
            "capability.any-owner",
            "webdav.copy.statuses",
            "webdav.copy.no-parent",
            "macaroon.activity.granted",
            "webdav.missing.copy-onto",
        ],
        apply: Apply::Element(|rules| {
            rules.token.scope = |claim, claims| {
                let mut scope = (TokenRules::default().scope)(claim, claims)?;
                scope.capabilities.truncate(1);
                Some(scope)
            }
        }),
    },
    Fault {
        name: "modify-makes-nothing",
        about: "What is new needs storage.create, whatever else a token holds.",
        clauses: &["JWT-2.2.1-15", "JWT-2.2.1-16"],
        cases: &["capability.modify.put", "capability.modify.create-superset"],
        apply: Apply::Element(|rules| {
            rules.allows = |rules, bearer, groups, asked| {
                let new = matches!(
                    asked.operation,
                    Operation::Create | Operation::MakeDirectory
                );
                let unable = bearer.has(Action::Modify) && !bearer.has(Action::Create);
                !(new && unable) && allows(rules, bearer, groups, asked)
            }
        }),
    },
];

/// The answer to OPTIONS without a method.
fn offering(asked: &Parts, mut response: Response<Body>, without: &str) -> Response<Body> {
    if asked.method == http::Method::OPTIONS
        && let Some(allow) = response.headers().get(ALLOW)
        && let Ok(allow) = allow.to_str()
    {
        let kept = allow.split(", ").filter(|method| *method != without);
        let kept = kept.collect::<Vec<_>>().join(", ");
        if let Ok(kept) = HeaderValue::from_str(&kept) {
            response.headers_mut().insert(ALLOW, kept);
        }
    }
    response
}

/// Whether nothing is written by what only looks at this.
fn looking(asked: &Question) -> bool {
    !asked.method.writes() && looks(asked.operation)
}

fn reads(parts: &Parts) -> bool {
    matches!(parts.method.as_str(), "GET" | "HEAD" | "PROPFIND")
}
