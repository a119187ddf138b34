//! A tape REST API that allows too much or too little, or says something else than it does.

use axum::http::StatusCode;
use serde_json::json;

use super::super::path::ObjectPath;
use super::super::scope::Action;
use super::super::tape::{Ask, EntryState, Named, TapeError, named};
use super::super::token::{Bearer, TokenRules};
use super::{Apply, Fault};
use touchstone_model::TapeOperation::{
    self, Archiveinfo, Cancel, Delete, Discover, Poll, Release, Stage,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "tape-stage-forgets",
        about: "A staged request is not kept.",
        clauses: &["TAPE-03"],
        cases: &[
            "tape.stage.granted",
            "tape.stage.outside",
            "tape.stage.sibling-prefix",
            "tape.stage.mixed",
            "tape.stage.dots",
            "tape.stage.slashes",
            "tape.stage.unstageable",
            "tape.stage.on-disk",
            "tape.stage.other-metadata",
            "tape.stage.unknown-members",
            "tape.poll.progress",
            "tape.poll.entries",
            "tape.poll.with-poll",
            "tape.request.stage-alone",
            "tape.request.no-token",
            "tape.request.other-path",
            "tape.request.read",
            "tape.request.other-issuer",
            "tape.request.other-subject",
            "tape.cancel.needs-stage",
            "tape.release.needs-stage",
            "tape.delete.needs-stage",
            "tape.cancel.stranger",
            "tape.delete.gone",
            "tape.release.request",
        ],
        apply: Apply::Tape(|rules| rules.keeps = false),
    },
    Fault {
        name: "tape-stage-needs-read",
        about: "Staging needs storage.read besides storage.stage, for whatever path.",
        clauses: &["TAPE-03", "TAPE-09"],
        cases: &[
            "tape.stage.granted",
            "tape.stage.outside",
            "tape.stage.sibling-prefix",
            "tape.stage.mixed",
            "tape.stage.dots",
            "tape.stage.slashes",
            "tape.stage.unstageable",
            "tape.stage.on-disk",
            "tape.stage.other-metadata",
            "tape.stage.unknown-members",
            "tape.poll.progress",
            "tape.poll.entries",
            "tape.delete.gone",
        ],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| {
                let observer = ask.bearer.has(Action::Poll);
                may && (ask.operation != Stage || observer || ask.bearer.has(Action::Read))
            };
        }),
    },
    Fault {
        name: "tape-stage-root-only",
        about: "Staging works only with a storage.stage for the whole area.",
        clauses: &["TAPE-03"],
        cases: &[
            "tape.stage.granted",
            "tape.stage.outside",
            "tape.stage.sibling-prefix",
            "tape.stage.mixed",
            "tape.stage.dots",
            "tape.stage.slashes",
            "tape.stage.unstageable",
            "tape.stage.on-disk",
            "tape.stage.other-metadata",
            "tape.stage.unknown-members",
            "tape.poll.progress",
            "tape.poll.entries",
            "tape.request.stage-alone",
            "tape.delete.gone",
        ],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| {
                let root = |bearer: &Bearer| {
                    let mut all = bearer.capabilities().iter();
                    all.any(|one| one.action == Action::Stage && one.path.path.is_root())
                };
                may && (ask.operation != Stage || root(ask.bearer))
            };
        }),
    },
    Fault {
        name: "tape-nearline-fails",
        about: "What was written long ago cannot be staged.",
        clauses: &["TAPE-03"],
        cases: &["tape.stage.nearline"],
        apply: Apply::Tape(|rules| {
            rules.takes = |entry, path| match path.names() {
                [_, nearline, _] if nearline == "nearline" => EntryState::Failed("lost"),
                _ => entry,
            };
        }),
    },
    Fault {
        name: "tape-stage-with-read",
        about: "storage.read stages.",
        clauses: &["TAPE-04"],
        cases: &["tape.stage.no-read"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Stage, Action::Read)),
    },
    Fault {
        name: "tape-stage-with-create",
        about: "storage.create stages.",
        clauses: &["TAPE-04"],
        cases: &["tape.stage.no-write"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Stage, Action::Create)),
    },
    Fault {
        name: "tape-stage-with-modify",
        about: "storage.modify stages.",
        clauses: &["TAPE-04"],
        cases: &["tape.stage.no-write"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Stage, Action::Modify)),
    },
    Fault {
        name: "tape-stage-with-compute",
        about: "Capabilities for computing stage.",
        clauses: &["TAPE-04"],
        cases: &["tape.stage.no-compute"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| {
                may || (ask.operation == Stage
                    && ask.bearer.scope.elsewhere
                    && ask.bearer.capabilities().is_empty())
            };
        }),
    },
    Fault {
        name: "tape-stage-without-token",
        about: "Nobody needs a token to stage.",
        clauses: &["TAPE-04"],
        cases: &["tape.stage.no-token"],
        apply: Apply::Tape(|rules| {
            rules.anonymous = |operation| operation == Stage;
            rules.may = |ask, may| may || (ask.operation == Stage && ask.nobody());
        }),
    },
    Fault {
        name: "tape-stage-with-poll",
        about: "storage.poll stages.",
        clauses: &["TAPE-11", "TAPE-04"],
        cases: &["tape.stage.no-poll", "tape.error.denied"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Stage, Action::Poll)),
    },
    Fault {
        name: "tape-denied-stages",
        about: "Staging without the right is refused, and done all the same.",
        clauses: &["TAPE-04", "TAPE-05", "TAPE-11"],
        cases: &["tape.stage.no-read", "tape.error.denied"],
        apply: Apply::Tape(|rules| rules.does = |operation, may| may || operation == Stage),
    },
    Fault {
        name: "tape-denied-names-request",
        about: "Staging without the right is refused, and the refusal names a request that is there.",
        clauses: &["TAPE-04"],
        cases: &[
            "tape.stage.no-read",
            "tape.stage.outside",
            "tape.stage.sibling-prefix",
            "tape.stage.dots",
            "tape.error.denied",
        ],
        apply: Apply::Tape(|rules| rules.queues_denied = true),
    },
    Fault {
        name: "tape-audience-ignored-to-stage",
        about: "Staging asks for no audience.",
        clauses: &["TAPE-04", "TAPE-25"],
        cases: &["tape.stage.other-audience"],
        apply: Apply::Tape(|rules| rules.audience_of = |operation| operation != Stage),
    },
    Fault {
        name: "tape-stage-anywhere",
        about: "The path of storage.stage is not looked at when files are staged.",
        clauses: &["TAPE-05"],
        cases: &["tape.stage.outside"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Stage, Action::Stage)),
    },
    Fault {
        name: "tape-stage-by-prefix",
        about: "The path of storage.stage is compared as text when files are staged.",
        clauses: &["TAPE-05"],
        cases: &["tape.stage.sibling-prefix"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| {
                let path = ask.below.map(ToString::to_string).unwrap_or_default();
                let mut all = ask.bearer.capabilities().iter();
                may || all.any(|one| {
                    ask.operation == Stage
                        && one.action == Action::Stage
                        && path.starts_with(&one.path.path.to_string())
                })
            };
        }),
    },
    Fault {
        name: "tape-mixed-stages-all",
        about: "Whoever may stage the first file of a list may stage all of them.",
        clauses: &["TAPE-05"],
        cases: &["tape.stage.mixed"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| may || (ask.operation == Stage && ask.allowed > 0);
        }),
    },
    Fault {
        name: "tape-dots-judged-unclean",
        about: "Rights to stage are judged by a path before its dot segments are cleaned.",
        clauses: &["TAPE-19", "TAPE-05"],
        cases: &["tape.stage.dots"],
        apply: Apply::Tape(|rules| {
            rules.names = |operation, text| match operation {
                Stage => unclean(text),
                _ => named(text),
            };
        }),
    },
    Fault {
        name: "tape-locate-judged-unclean",
        about: "Rights to ask where files are are judged by a path before its dot segments are cleaned.",
        clauses: &["TAPE-13", "TAPE-19"],
        cases: &["tape.archiveinfo.dots"],
        apply: Apply::Tape(|rules| {
            rules.names = |operation, text| match operation {
                Archiveinfo => unclean(text),
                _ => named(text),
            };
        }),
    },
    Fault {
        name: "tape-slashes-kept",
        about: "A path with doubled slashes is no path.",
        clauses: &["TAPE-19"],
        cases: &["tape.stage.slashes"],
        apply: Apply::Tape(|rules| {
            rules.names = |_, text| match text.contains("//") {
                true => None,
                false => named(text),
            };
        }),
    },
    Fault {
        name: "tape-poll-goes-back",
        about: "A file that is there is SUBMITTED again with the next poll.",
        clauses: &["TAPE-07"],
        cases: &["tape.poll.entries"],
        apply: Apply::Tape(|rules| rules.goes_back = true),
    },
    Fault {
        name: "tape-id-is-enough-to-poll",
        about: "Who knows the id of a request polls it with any token.",
        clauses: &["TAPE-08"],
        cases: &["tape.request.other-path"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || ask.operation == Poll),
    },
    Fault {
        name: "tape-id-is-enough-to-cancel",
        about: "Who knows the id of a request cancels it with any storage.stage.",
        clauses: &["TAPE-08"],
        cases: &["tape.request.other-path"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Cancel, Action::Stage)),
    },
    Fault {
        name: "tape-id-is-enough-to-release",
        about: "Who knows the id of a request releases its files with any token.",
        clauses: &["TAPE-08", "TAPE-22"],
        cases: &["tape.request.other-path"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || ask.operation == Release),
    },
    Fault {
        name: "tape-id-is-enough-to-delete",
        about: "Who knows the id of a request deletes it with storage.stage of another issuer.",
        clauses: &["TAPE-08"],
        cases: &["tape.request.other-issuer"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| {
                let other = ask.bearer.issuer.ends_with("/neighbour");
                may || (other && with(ask, Delete, Action::Stage))
            };
        }),
    },
    Fault {
        name: "tape-id-is-enough-without-token",
        about: "Who knows the id of a request polls it without a token.",
        clauses: &["TAPE-08"],
        cases: &["tape.request.no-token"],
        apply: Apply::Tape(|rules| {
            rules.anonymous = |operation| operation == Poll;
            rules.may = |ask, may| may || (ask.operation == Poll && ask.nobody());
        }),
    },
    Fault {
        name: "tape-read-cancels",
        about: "storage.read cancels.",
        clauses: &["TAPE-08"],
        cases: &["tape.request.read"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Cancel, Action::Read)),
    },
    Fault {
        name: "tape-denied-cancels",
        about: "To cancel without the right is refused, and done all the same.",
        clauses: &["TAPE-08", "TAPE-11"],
        cases: &["tape.request.read"],
        apply: Apply::Tape(|rules| rules.does = |operation, may| may || operation == Cancel),
    },
    Fault {
        name: "tape-denied-deletes",
        about: "To delete a request without the right is refused, and done all the same.",
        clauses: &["TAPE-08", "TAPE-11"],
        cases: &["tape.request.read"],
        apply: Apply::Tape(|rules| rules.does = |operation, may| may || operation == Delete),
    },
    Fault {
        name: "tape-denied-releases",
        about: "To release without the right is refused, and done all the same.",
        clauses: &["TAPE-11", "TAPE-22"],
        cases: &["tape.release.needs-stage"],
        apply: Apply::Tape(|rules| rules.does = |operation, may| may || operation == Release),
    },
    Fault {
        name: "tape-other-subject-breaks",
        about: "A poll with another token than that which staged breaks the service, as long as nothing is there.",
        clauses: &["TAPE-08"],
        cases: &["tape.request.other-subject", "tape.poll.with-poll"],
        apply: Apply::Tape(|rules| rules.breaks_for_others = true),
    },
    Fault {
        name: "tape-stage-does-not-cancel",
        about: "To cancel needs storage.modify besides storage.stage.",
        clauses: &["TAPE-09"],
        cases: &["tape.request.stage-alone", "tape.cancel.stranger"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| may && !lacks(ask, Cancel, Action::Modify)
        }),
    },
    Fault {
        name: "tape-stage-does-not-release",
        about: "To release needs storage.modify besides storage.stage.",
        clauses: &["TAPE-09", "TAPE-22"],
        cases: &["tape.request.stage-alone"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| may && !lacks(ask, Release, Action::Modify)
        }),
    },
    Fault {
        name: "tape-stage-does-not-poll",
        about: "To poll a request needs storage.poll besides storage.stage.",
        clauses: &["TAPE-09"],
        cases: &[
            "tape.request.stage-alone",
            "tape.stage.nearline",
            "tape.stage.mixed",
            "tape.stage.slashes",
            "tape.stage.unstageable",
            "tape.stage.on-disk",
            "tape.poll.progress",
            "tape.poll.entries",
        ],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may && !lacks(ask, Poll, Action::Poll)),
    },
    Fault {
        name: "tape-poll-does-not-locate",
        about: "storage.poll alone does not tell where files are.",
        clauses: &["TAPE-10"],
        cases: &[
            "tape.archiveinfo.poll",
            "tape.archiveinfo.outside",
            "tape.archiveinfo.outside-alone",
            "tape.archiveinfo.dots",
            "tape.archiveinfo.missing",
            "tape.archiveinfo.many",
            "tape.token.endpoint-audience",
        ],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| {
                may && !(ask.operation == Archiveinfo && ask.bearer.has_only(Action::Poll))
            };
        }),
    },
    Fault {
        name: "tape-poll-cancels",
        about: "storage.poll cancels.",
        clauses: &["TAPE-11"],
        cases: &["tape.cancel.needs-stage"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Cancel, Action::Poll)),
    },
    Fault {
        name: "tape-poll-releases",
        about: "storage.poll releases.",
        clauses: &["TAPE-11", "TAPE-22"],
        cases: &["tape.release.needs-stage"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Release, Action::Poll)),
    },
    Fault {
        name: "tape-poll-deletes",
        about: "storage.poll deletes requests.",
        clauses: &["TAPE-11"],
        cases: &["tape.delete.needs-stage"],
        apply: Apply::Tape(|rules| rules.may = |ask, may| may || with(ask, Delete, Action::Poll)),
    },
    Fault {
        name: "tape-metadata-without-locality",
        about: "storage.create does not tell where files are.",
        clauses: &["TAPE-12"],
        cases: &["tape.archiveinfo.metadata"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| {
                may && !(ask.operation == Archiveinfo && ask.bearer.has_only(Action::Create))
            };
        }),
    },
    Fault {
        name: "tape-locality-outside",
        about: "Where files outside the path are is told beside those inside.",
        clauses: &["TAPE-13"],
        cases: &["tape.archiveinfo.outside"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| may || (ask.operation == Archiveinfo && ask.allowed > 0);
        }),
    },
    Fault {
        name: "tape-locality-anywhere",
        about: "The path of storage.poll is not looked at when one asks where files are.",
        clauses: &["TAPE-13"],
        cases: &["tape.archiveinfo.outside-alone"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| may || with(ask, Archiveinfo, Action::Poll)
        }),
    },
    Fault {
        name: "tape-too-many-paths",
        about: "A call with more than 1000 paths is refused.",
        clauses: &["TAPE-15"],
        cases: &["tape.archiveinfo.many"],
        apply: Apply::Tape(|rules| rules.most_paths = 1000),
    },
    Fault {
        name: "tape-directory-fails-request",
        about: "A directory among the files makes the request fail.",
        clauses: &["TAPE-16"],
        cases: &["tape.stage.unstageable"],
        apply: Apply::Tape(|rules| {
            rules.refuses = |state| state == EntryState::Failed("it is a directory")
        }),
    },
    Fault {
        name: "tape-empty-never-ends",
        about: "An empty file is staged and never comes.",
        clauses: &["TAPE-16"],
        cases: &["tape.stage.unstageable"],
        apply: Apply::Tape(|rules| {
            rules.takes = |entry, _| match entry {
                EntryState::Failed("it is empty") => EntryState::OnDisk,
                _ => entry,
            };
        }),
    },
    Fault {
        name: "tape-on-disk-refused",
        about: "To stage a file that is on disk already is refused.",
        clauses: &["TAPE-17"],
        cases: &["tape.stage.on-disk"],
        apply: Apply::Tape(|rules| rules.refuses = |state| state == EntryState::OnDisk),
    },
    Fault {
        name: "tape-on-disk-fails",
        about: "A file that is on disk already ends in an error.",
        clauses: &["TAPE-17"],
        cases: &["tape.stage.on-disk"],
        apply: Apply::Tape(|rules| {
            rules.takes = |entry, _| match entry {
                EntryState::OnDisk => EntryState::Failed("it is on disk already"),
                _ => entry,
            };
        }),
    },
    Fault {
        name: "tape-other-metadata-refused",
        about: "Metadata for another site make a request fail.",
        clauses: &["TAPE-18"],
        cases: &["tape.stage.other-metadata"],
        apply: Apply::Tape(|rules| {
            rules.understands = |_, body| {
                let metadata = &body["files"][0]["targetedMetadata"];
                unless(metadata.get("other-site").is_some())
            };
        }),
    },
    Fault {
        name: "tape-unknown-members-refused",
        about: "A member that nobody knows makes a request fail.",
        clauses: &["TAPE-27"],
        cases: &["tape.stage.unknown-members"],
        apply: Apply::Tape(|rules| {
            rules.understands = |operation, body| {
                let members = body.as_object().map_or(0, |members| members.len());
                unless(operation == Stage && members > 1)
            };
        }),
    },
    Fault {
        name: "tape-cancel-half",
        about: "A cancel that names a stranger fails after it has cancelled the members.",
        clauses: &["TAPE-20"],
        cases: &["tape.cancel.stranger"],
        apply: Apply::Tape(|rules| rules.cancels_members_first = true),
    },
    Fault {
        name: "tape-cancel-lies",
        about: "A cancel is answered with 200, and nothing is cancelled.",
        clauses: &["TAPE-20", "TAPE-09"],
        cases: &["tape.cancel.stranger", "tape.request.stage-alone"],
        apply: Apply::Tape(|rules| rules.does = |operation, may| may && operation != Cancel),
    },
    Fault {
        name: "tape-deleted-stays",
        about: "A deleted request can still be polled.",
        clauses: &["TAPE-21"],
        cases: &[
            "tape.delete.gone",
            "tape.stage.mixed",
            "tape.request.stage-alone",
            "tape.request.no-token",
            "tape.request.other-path",
            "tape.request.read",
            "tape.request.other-issuer",
        ],
        apply: Apply::Tape(|rules| rules.forgets = false),
    },
    Fault {
        name: "tape-lifetime-refused",
        about: "A request that says how long it needs its files is refused.",
        clauses: &["TAPE-03", "TAPE-24"],
        cases: &["tape.stage.lifetime"],
        apply: Apply::Tape(|rules| {
            rules.understands = |_, body| unless(body["files"][0]["diskLifetime"] == json!("PT1H"));
        }),
    },
    Fault {
        name: "tape-audience-ignored",
        about: "The tape REST API asks for no audience where one asks where files are.",
        clauses: &["TAPE-25"],
        cases: &["tape.token.other-audience", "tape.token.no-audience"],
        apply: Apply::Tape(|rules| rules.audience_of = |operation| operation != Archiveinfo),
    },
    Fault {
        name: "tape-times-ignored",
        about: "The tape REST API looks at neither exp nor nbf.",
        clauses: &["TAPE-25"],
        cases: &["tape.token.expired", "tape.token.not-yet-valid"],
        apply: Apply::Tape(|rules| {
            rules.token = Some(TokenRules {
                claim: |name, jws, now| {
                    matches!(name, "exp" | "nbf") || (TokenRules::default().claim)(name, jws, now)
                },
                ..TokenRules::default()
            });
        }),
    },
    Fault {
        name: "tape-version-ignored",
        about: "The tape REST API does not look at wlcg.ver.",
        clauses: &["TAPE-25"],
        cases: &["tape.token.version"],
        apply: Apply::Tape(|rules| {
            rules.token = Some(TokenRules {
                claim: |name, jws, now| {
                    name == "wlcg.ver" || (TokenRules::default().claim)(name, jws, now)
                },
                ..TokenRules::default()
            });
        }),
    },
    Fault {
        name: "tape-signature-ignored",
        about: "The tape REST API does not verify signatures.",
        clauses: &["TAPE-25"],
        cases: &["tape.token.signature"],
        apply: Apply::Tape(|rules| {
            rules.token = Some(TokenRules {
                signed: |_, _| true,
                ..TokenRules::default()
            });
        }),
    },
    Fault {
        name: "tape-locates-without-token",
        about: "Nobody needs a token to ask where files are.",
        clauses: &["TAPE-25"],
        cases: &["tape.token.absent", "tape.error.denied"],
        apply: Apply::Tape(|rules| {
            rules.anonymous = |operation| matches!(operation, Archiveinfo | Discover);
            rules.may = |ask, may| may || (ask.operation == Archiveinfo && ask.nobody());
        }),
    },
    Fault {
        name: "tape-locates-with-any-token",
        about: "Any token of the VO tells where files are.",
        clauses: &["TAPE-25"],
        cases: &["tape.token.no-capability"],
        apply: Apply::Tape(|rules| {
            rules.may = |ask, may| {
                may || (ask.operation == Archiveinfo
                    && !ask.nobody()
                    && !ask.bearer.has_capability())
            };
        }),
    },
    Fault {
        name: "tape-own-audience-refused",
        about: "The tape REST API takes only the audience that means everybody.",
        clauses: &["TAPE-26"],
        cases: &["tape.token.endpoint-audience"],
        apply: Apply::Tape(|rules| {
            rules.audience = Some(|bearer, own, method| {
                let usual = super::super::authorisation::audience_accepted;
                usual(bearer, &[], method) && !own.is_empty()
            });
        }),
    },
];

/// Whether the call is that one, and the token has such a capability for whatever path.
fn with(ask: &Ask, operation: TapeOperation, action: Action) -> bool {
    ask.operation == operation && ask.bearer.has(action)
}

/// Whether the call is that one, and the token has no such capability.
fn lacks(ask: &Ask, operation: TapeOperation, action: Action) -> bool {
    // The observer has both; the runner needs it.
    let observer = ask.bearer.has(Action::Stage) && ask.bearer.has(Action::Poll);
    ask.operation == operation && !observer && !ask.bearer.has(action)
}

fn unless(wrong: bool) -> Result<(), TapeError> {
    match wrong {
        true => Err(TapeError::Wrong(
            StatusCode::BAD_REQUEST,
            "the call is not understood",
        )),
        false => Ok(()),
    }
}

/// Judged by what is written, acted upon by what it means.
fn unclean(text: &str) -> Option<Named> {
    let written = text.split('/').filter(|name| !name.is_empty());
    let judged = ObjectPath::of(written.map(ToOwned::to_owned).collect());
    named(text).map(|named| Named { judged, ..named })
}
