//! Third-party copies that need too little, or are sent away too late.

use axum::body::Bytes;
use axum::http::request::Parts;

use super::super::authorisation::{Operation, uploading};
use super::super::namespace::{Act, Node};
use super::super::scope::Action;
use super::super::transfer::rules::Scrutiny;
use super::super::transfer::{Direction, order};
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "tpc-pull-unauthorised",
        about: "A pull of a new file needs no right.",
        clauses: &["TPC-08"],
        cases: &[
            "tpc.pull.no-read",
            "tpc.pull.no-stage",
            "tpc.pull.outside",
            "tpc.pull.sibling",
        ],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, node, _| never(pulls_new(direction, node));
        }),
    },
    Fault {
        name: "tpc-pull-needs-stat",
        about: "A pull needs no more than the right to see metadata.",
        clauses: &["TPC-08", "TPC-09"],
        cases: &[
            "tpc.pull.no-read",
            "tpc.pull.no-stage",
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
        ],
        apply: Apply::Transfer(|rules| {
            rules.needs = |direction, node| match direction {
                Direction::Pull => Operation::Stat,
                Direction::Push => needs(direction, node),
            };
        }),
    },
    Fault {
        name: "tpc-pull-with-read",
        about: "A pull of a new file is done with storage.read.",
        clauses: &["TPC-08"],
        cases: &["tpc.pull.no-read"],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, node, bearer| {
                never(pulls_new(direction, node) && bearer.has_only(Action::Read))
            };
        }),
    },
    Fault {
        name: "tpc-pull-with-stage",
        about: "A pull of a new file is done with storage.stage.",
        clauses: &["TPC-08"],
        cases: &["tpc.pull.no-stage"],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, node, bearer| {
                never(pulls_new(direction, node) && bearer.has_only(Action::Stage))
            };
        }),
    },
    Fault {
        name: "tpc-pull-anywhere",
        about: "The path of storage.create is not looked at for a pull of a new file.",
        clauses: &["TPC-08", "JWT-2.2.1-09"],
        cases: &["tpc.pull.outside", "tpc.pull.sibling"],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, node, bearer| {
                never(pulls_new(direction, node) && bearer.has(Action::Create))
            };
        }),
    },
    Fault {
        name: "tpc-pull-connects-first",
        about: "The right to a new file is asked for once its data were pulled.",
        clauses: &["TPC-08"],
        cases: &[
            "tpc.pull.no-read",
            "tpc.pull.no-stage",
            "tpc.pull.outside",
            "tpc.pull.sibling",
        ],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, node, _| match pulls_new(direction, node) {
                true => Scrutiny::Afterwards,
                false => Scrutiny::First,
            };
        }),
    },
    Fault {
        name: "tpc-pull-tells-denial-late",
        about: "A pull of a new file without the right to is told as a failure in the report.",
        clauses: &["TPC-22"],
        cases: &["tpc.pull.no-read"],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, node, _| in_stream(pulls_new(direction, node));
        }),
    },
    Fault {
        name: "tpc-pull-without-token",
        about: "A pull needs no token.",
        clauses: &["TPC-08"],
        cases: &["tpc.pull.no-token"],
        apply: Apply::Transfer(|rules| {
            rules.unasked = |parts| anonymous(parts, "source");
            rules.scrutiny = |_, _, bearer| never(bearer.issuer.is_empty());
        }),
    },
    Fault {
        name: "tpc-pull-any-audience",
        about: "A pull is done with tokens for other services.",
        clauses: &["TPC-08"],
        cases: &["tpc.pull.other-audience"],
        apply: Apply::Transfer(|rules| {
            rules.any_audience = |parts| parts.headers.contains_key("source");
        }),
    },
    Fault {
        name: "tpc-create-replaces",
        about: "A pull with storage.create replaces a file.",
        clauses: &["TPC-09"],
        cases: &["tpc.create-keeps", "tpc.create-keeps.overwrite"],
        apply: Apply::Transfer(|rules| {
            rules.needs = |direction, node| match direction {
                Direction::Pull => Operation::Create,
                Direction::Push => needs(direction, node),
            };
        }),
    },
    Fault {
        name: "tpc-overwrite-needs-no-right",
        about: "A pull with Overwrite T needs no right to what it replaces.",
        clauses: &["TPC-09"],
        cases: &["tpc.create-keeps.overwrite"],
        apply: Apply::Transfer(|rules| {
            rules.unasked = |parts| {
                let overwrite = parts.headers.get("overwrite");
                parts.headers.contains_key("source") && overwrite.is_some_and(|word| word == "T")
            };
            rules.scrutiny = |_, _, bearer| never(bearer.issuer.is_empty());
        }),
    },
    Fault {
        name: "tpc-create-empties-old",
        about: "A pull empties the old file before it asks whether the new one may replace it.",
        clauses: &["TPC-09"],
        cases: &[
            "tpc.create-keeps",
            "tpc.create-keeps.overwrite",
            "tpc.create-keeps.broken",
            "tpc.failed-keeps",
        ],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny =
                |direction, node, _| match direction == Direction::Pull && node.is_some() {
                    true => Scrutiny::Afterwards,
                    false => Scrutiny::First,
                };
            rules.prepares = |namespace, path| {
                if namespace.get(path).is_some() {
                    let (path, content) = (path.clone(), Bytes::new());
                    let _ = namespace.apply(&Act::Put { path, content }, "");
                }
            };
        }),
    },
    Fault {
        name: "tpc-empties-old",
        about: "A pull empties the old file before it has anything of the new one.",
        clauses: &["TPC-37"],
        cases: &["tpc.failed-keeps"],
        apply: Apply::Transfer(|rules| {
            rules.prepares = |namespace, path| {
                if namespace.get(path).is_some() {
                    let (path, content) = (path.clone(), Bytes::new());
                    let _ = namespace.apply(&Act::Put { path, content }, "");
                }
            };
        }),
    },
    Fault {
        name: "tpc-overwrite-ignored",
        about: "Overwrite is not looked at: everything is replaced.",
        clauses: &["TPC-10", "TPC-11"],
        cases: &[
            "tpc.overwrite.false",
            "tpc.overwrite.push",
            "tpc.overwrite.odd",
        ],
        apply: Apply::Transfer(|rules| rules.overwrite = |_| Ok(true)),
    },
    Fault {
        name: "tpc-overwrite-inverted",
        about: "Overwrite T protects, and F replaces.",
        clauses: &["TPC-10"],
        cases: &[
            "tpc.overwrite.false",
            "tpc.overwrite.true",
            "tpc.overwrite.push",
        ],
        apply: Apply::Transfer(|rules| {
            rules.overwrite = |value| {
                let replaces = order::overwrite(value)?;
                Ok(replaces == value.is_none())
            };
        }),
    },
    Fault {
        name: "tpc-overwrite-absent-protects",
        about: "Without Overwrite a transfer replaces nothing.",
        clauses: &["TPC-10"],
        cases: &["tpc.overwrite.true"],
        apply: Apply::Transfer(|rules| {
            rules.overwrite = |value| order::overwrite(Some(value.unwrap_or("F")));
        }),
    },
    Fault {
        name: "tpc-overwrite-false-unknown",
        about: "Overwrite F is refused as a value that makes no sense.",
        clauses: &["TPC-10"],
        cases: &["tpc.overwrite.false"],
        apply: Apply::Transfer(|rules| {
            rules.overwrite = |value| match order::overwrite(value)? {
                true => Ok(true),
                false => Err("Overwrite is T"),
            };
        }),
    },
    Fault {
        name: "tpc-overwrite-odd-replaces",
        about: "An Overwrite that is neither T nor F is taken for T.",
        clauses: &["TPC-11"],
        cases: &["tpc.overwrite.odd"],
        apply: Apply::Transfer(|rules| {
            rules.overwrite = |value| Ok(order::overwrite(value).unwrap_or(true));
        }),
    },
    Fault {
        name: "tpc-push-overwrites",
        about: "A push with Overwrite F does not care for what is at the other side.",
        clauses: &["TPC-10"],
        cases: &["tpc.overwrite.push"],
        apply: Apply::Transfer(|rules| {
            rules.looks_first = false;
            rules.conditional = false;
        }),
    },
    Fault {
        name: "tpc-push-unauthorised",
        about: "A push needs no right.",
        clauses: &["TPC-12", "JWT-2.2.1-17", "JWT-2.2.1-18"],
        cases: &[
            "tpc.push.no-create",
            "tpc.push.no-modify",
            "tpc.push.no-stage",
            "tpc.push.outside",
            "tpc.echo",
        ],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, _, _| never(direction == Direction::Push);
        }),
    },
    Fault {
        name: "tpc-push-with-create",
        about: "A push is done with storage.create.",
        clauses: &["TPC-12", "JWT-2.2.1-18"],
        cases: &["tpc.push.no-create", "tpc.echo"],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, _, bearer| {
                never(direction == Direction::Push && bearer.has_only(Action::Create))
            };
        }),
    },
    Fault {
        name: "tpc-push-with-modify",
        about: "A push needs no more than the right to list.",
        clauses: &["TPC-12", "JWT-2.2.1-17"],
        cases: &["tpc.push.no-modify"],
        apply: Apply::Transfer(|rules| {
            rules.needs = |direction, node| match direction {
                Direction::Pull => needs(direction, node),
                Direction::Push => Operation::List,
            };
        }),
    },
    Fault {
        name: "tpc-push-with-stage",
        about: "A push is done with storage.stage.",
        clauses: &["TPC-12"],
        cases: &["tpc.push.no-stage"],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, _, bearer| {
                never(direction == Direction::Push && bearer.has(Action::Stage))
            };
        }),
    },
    Fault {
        name: "tpc-push-anywhere",
        about: "The path of storage.read is not looked at for a push.",
        clauses: &["TPC-12"],
        cases: &["tpc.push.outside"],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, _, bearer| {
                never(direction == Direction::Push && bearer.has(Action::Read))
            };
        }),
    },
    Fault {
        name: "tpc-push-sends-first",
        about: "The right to read is asked for once the file was pushed.",
        clauses: &["TPC-12"],
        cases: &[
            "tpc.push.no-create",
            "tpc.push.no-modify",
            "tpc.push.no-stage",
            "tpc.push.outside",
            "tpc.echo",
        ],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny = |direction, _, _| match direction {
                Direction::Pull => Scrutiny::First,
                Direction::Push => Scrutiny::Afterwards,
            };
        }),
    },
    Fault {
        name: "tpc-push-without-token",
        about: "A push needs no token.",
        clauses: &["TPC-12"],
        cases: &["tpc.push.no-token"],
        apply: Apply::Transfer(|rules| {
            rules.unasked = |parts| anonymous(parts, "destination");
            rules.scrutiny = |_, _, bearer| never(bearer.issuer.is_empty());
        }),
    },
    Fault {
        name: "tpc-push-missing-in-stream",
        about: "A push of a missing file is told as a failure in the report.",
        clauses: &["TPC-22"],
        cases: &["tpc.push.missing"],
        apply: Apply::Transfer(|rules| {
            rules.scrutiny =
                |direction, node, _| in_stream(direction == Direction::Push && node.is_none());
        }),
    },
];

/// The right one.
fn needs(direction: Direction, node: Option<&Node>) -> Operation {
    match direction {
        Direction::Pull => uploading(node),
        Direction::Push => Operation::Read,
    }
}

fn pulls_new(direction: Direction, node: Option<&Node>) -> bool {
    direction == Direction::Pull && node.is_none()
}

fn never(neglected: bool) -> Scrutiny {
    match neglected {
        true => Scrutiny::Never,
        false => Scrutiny::First,
    }
}

fn in_stream(late: bool) -> Scrutiny {
    match late {
        true => Scrutiny::InStream,
        false => Scrutiny::First,
    }
}

/// Whether a COPY with that header has no token.
fn anonymous(parts: &Parts, header: &str) -> bool {
    let headers = &parts.headers;
    parts.method.as_str() == "COPY"
        && headers.contains_key(header)
        && !headers.contains_key("authorization")
}
