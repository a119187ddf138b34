//! Third-party copies that keep, send or tell something else than what there was.

use axum::body::Bytes;
use axum::http::StatusCode;

use super::super::authorisation::{Operation, uploading};
use super::super::namespace::Change;
use super::super::transfer::rules::{Witness, convinced};
use super::super::transfer::{Direction, stream};
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "tpc-pull-truncates",
        about: "A pull stores all but the last byte.",
        clauses: &["TPC-01", "TPC-06"],
        cases: &[
            "tpc.pull",
            "tpc.pair.pull",
            "tpc.fts.success",
            "tpc.fts.failure",
            "tpc.early",
            "tpc.markers",
            "tpc.markers.connections",
            "tpc.overwrite.false",
            "tpc.overwrite.true",
            "tpc.forward.pull",
            "tpc.own-token.pull",
            "tpc.framing.pull",
            "tpc.checksum.not-required",
            "tpc.checksum.right",
            "tpc.failure.missing",
            "tpc.failure.cut",
            "tpc.credential.none",
            "tpc.credential.absent",
            "tpc.streams",
        ],
        apply: Apply::Transfer(|rules| {
            rules.stores = |bytes, _| bytes.slice(..bytes.len().saturating_sub(1));
        }),
    },
    Fault {
        name: "tpc-push-truncates",
        about: "A push sends all but the last byte.",
        clauses: &["TPC-02", "TPC-06"],
        cases: &[
            "tpc.push.missing",
            "tpc.push",
            "tpc.pair.push",
            "tpc.forward.push",
            "tpc.own-token.push",
            "tpc.framing.push",
            "tpc.redirected",
            "tpc.query.push",
        ],
        apply: Apply::Transfer(|rules| {
            rules.sends = |bytes| bytes.slice(..bytes.len().saturating_sub(1));
        }),
    },
    Fault {
        name: "tpc-replaced-told-as-failure",
        about: "A pull that replaces a file is told as a failure.",
        clauses: &["TPC-06", "TPC-10"],
        cases: &["tpc.overwrite.true"],
        apply: Apply::Transfer(|rules| {
            rules.last = |direction, ended| match ended {
                Ok(Change::Replaced) => "failure: it was there\n".into(),
                _ => stream::last(direction, ended),
            };
        }),
    },
    Fault {
        name: "tpc-push-claims-success",
        about: "A push is told as a success whatever came of it.",
        clauses: &["TPC-06"],
        cases: &[
            "tpc.overwrite.push",
            "tpc.certificate.push",
            "tpc.failure.push",
            "tpc.echo",
        ],
        apply: Apply::Transfer(|rules| {
            rules.last = |direction, ended| match direction {
                Direction::Pull => stream::last(direction, ended),
                Direction::Push => stream::last(direction, &Ok(Change::Created)),
            };
        }),
    },
    Fault {
        name: "tpc-pull-claims-success",
        about: "A pull is told as a success whatever came of it.",
        clauses: &["TPC-06", "TPC-20"],
        cases: &[
            "tpc.pair.no-credential",
            "tpc.fts.failure",
            "tpc.certificate.untrusted",
            "tpc.certificate.other-name",
            "tpc.certificate.expired",
            "tpc.checksum.required",
            "tpc.checksum.wrong",
            "tpc.checksum.wrong.representation",
            "tpc.failure.missing",
            "tpc.failure.refused",
            "tpc.failure.error",
            "tpc.failure.cut",
            "tpc.failure.circle",
            "tpc.failed-keeps",
            "tpc.own-files",
            "tpc.echo",
        ],
        apply: Apply::Transfer(|rules| {
            rules.last = |direction, ended| match direction {
                Direction::Pull => stream::last(direction, &Ok(Change::Created)),
                Direction::Push => stream::last(direction, ended),
            };
        }),
    },
    Fault {
        name: "tpc-circle-told-as-success",
        about: "A pull that is redirected too often is told as a success.",
        clauses: &["TPC-20"],
        cases: &["tpc.failure.circle"],
        apply: Apply::Transfer(|rules| {
            rules.last = |direction, ended| match ended {
                Err(failure) if failure.reason().contains("too often") => {
                    stream::last(direction, &Ok(Change::Created))
                }
                _ => stream::last(direction, ended),
            };
        }),
    },
    Fault {
        name: "tpc-failure-untold",
        about: "The report of a transfer that failed just ends.",
        clauses: &["TPC-06"],
        cases: &[
            "tpc.pair.no-credential",
            "tpc.fts.failure",
            "tpc.failure.missing",
            "tpc.failure.refused",
            "tpc.failure.error",
            "tpc.failure.cut",
            "tpc.failure.circle",
            "tpc.failure.push",
        ],
        apply: Apply::Transfer(|rules| {
            rules.last = |direction, ended| match ended {
                Ok(_) => stream::last(direction, ended),
                Err(_) => String::new(),
            };
        }),
    },
    Fault {
        name: "tpc-push-success-untold",
        about: "The report of a push that worked just ends.",
        clauses: &["TPC-02", "TPC-06"],
        cases: &["tpc.push"],
        apply: Apply::Transfer(|rules| {
            rules.last = |direction, ended| match (direction, ended) {
                (Direction::Push, Ok(_)) => String::new(),
                _ => stream::last(direction, ended),
            };
        }),
    },
    Fault {
        name: "tpc-push-told-twice",
        about: "The report of a push that failed ends with a success, and then with a failure.",
        clauses: &["TPC-06"],
        cases: &[
            "tpc.overwrite.push",
            "tpc.certificate.push",
            "tpc.failure.push",
            "tpc.echo",
        ],
        apply: Apply::Transfer(|rules| {
            rules.last = |direction, ended| {
                let line = stream::last(direction, ended);
                match (direction, ended) {
                    (Direction::Push, Err(_)) => format!("success: Created\n{line}"),
                    _ => line,
                }
            };
        }),
    },
    Fault {
        name: "tpc-answers-late",
        about: "A COPY is answered once the transfer is over.",
        clauses: &["TPC-03"],
        cases: &["tpc.early"],
        apply: Apply::Transfer(|rules| rules.early = false),
    },
    Fault {
        name: "tpc-report-is-html",
        about: "The report is of type text/html.",
        clauses: &["TPC-04"],
        cases: &["tpc.markers"],
        apply: Apply::Transfer(|rules| rules.media_type = "text/html"),
    },
    Fault {
        name: "tpc-no-markers",
        about: "The report has no markers.",
        clauses: &["TPC-05", "TPC-26"],
        cases: &["tpc.markers", "tpc.markers.connections"],
        apply: Apply::Transfer(|rules| rules.marker = |_, _| String::new()),
    },
    Fault {
        name: "tpc-one-marker",
        about: "After the first marker the report is silent until the transfer ends.",
        clauses: &["TPC-05"],
        cases: &["tpc.markers.regular"],
        apply: Apply::Transfer(|rules| {
            rules.marker = |moment, text| match moment.number {
                0 => text,
                _ => String::new(),
            };
        }),
    },
    Fault {
        name: "tpc-marker-without-timestamp",
        about: "Markers do not tell the time.",
        clauses: &["TPC-05"],
        cases: &["tpc.markers"],
        apply: Apply::Transfer(|rules| rules.marker = |_, text| without(&text, "Timestamp")),
    },
    Fault {
        name: "tpc-marker-without-stripes",
        about: "Markers do not tell how many stripes there are.",
        clauses: &["TPC-05"],
        cases: &["tpc.markers"],
        apply: Apply::Transfer(|rules| {
            rules.marker = |_, text| without(&text, "Total Stripe Count")
        }),
    },
    Fault {
        name: "tpc-marker-without-end",
        about: "Markers do not end.",
        clauses: &["TPC-05"],
        cases: &["tpc.markers", "tpc.markers.connections"],
        apply: Apply::Transfer(|rules| rules.marker = |_, text| without(&text, "End")),
    },
    Fault {
        name: "tpc-marker-counts-down",
        about: "Markers tell how many bytes are still to come.",
        clauses: &["TPC-05"],
        cases: &["tpc.markers"],
        apply: Apply::Transfer(|rules| {
            rules.progress =
                |moment| 1_000_000_000_u64.saturating_sub(moment.bytes + u64::from(moment.number));
        }),
    },
    Fault {
        name: "tpc-marker-in-milliseconds",
        about: "Markers tell the time in milliseconds.",
        clauses: &["TPC-05"],
        cases: &["tpc.markers"],
        apply: Apply::Transfer(|rules| {
            rules.marker = |moment, text| {
                let line = |unit| format!("Timestamp: {}{unit}\n", moment.timestamp);
                text.replace(&line(""), &line("000"))
            };
        }),
    },
    Fault {
        name: "tpc-marker-lines-return",
        about: "A carriage return stands before each line feed of a marker.",
        clauses: &["TPC-04"],
        cases: &["tpc.markers"],
        apply: Apply::Transfer(|rules| {
            rules.marker = |_, text| text.replace('\n', "\r\n");
        }),
    },
    Fault {
        name: "tpc-empty-fails",
        about: "A pull that brings no bytes is told as a failure.",
        clauses: &["TPC-01"],
        cases: &["tpc.empty"],
        apply: Apply::Transfer(|rules| rules.whole = |_, came, cut| !cut && came > 0),
    },
    Fault {
        name: "tpc-chunked-fails",
        about: "A pull of data whose length is not told fails.",
        clauses: &["TPC-01"],
        cases: &["tpc.chunked"],
        apply: Apply::Transfer(|rules| {
            rules.whole = |announced, came, cut| !cut && announced == Some(came);
        }),
    },
    Fault {
        name: "tpc-part-is-whole",
        about: "A pull takes the part that came with 206 for the whole.",
        clauses: &["TPC-06", "TPC-20"],
        cases: &["tpc.failure.partial"],
        apply: Apply::Transfer(|rules| {
            rules.succeeded =
                |direction, status| takes(direction, status, StatusCode::PARTIAL_CONTENT);
        }),
    },
    Fault {
        name: "tpc-nothing-is-empty",
        about: "A pull that is answered 204 stores an empty file.",
        clauses: &["TPC-06", "TPC-20"],
        cases: &["tpc.failure.no-content"],
        apply: Apply::Transfer(|rules| {
            rules.succeeded = |direction, status| takes(direction, status, StatusCode::NO_CONTENT);
        }),
    },
    Fault {
        name: "tpc-no-connections",
        about: "Markers tell no connections.",
        clauses: &["TPC-26"],
        cases: &["tpc.markers.connections"],
        apply: Apply::Transfer(|rules| {
            rules.marker = |_, text| without(&text, "RemoteConnections");
        }),
    },
    Fault {
        name: "tpc-odd-connections",
        about: "Markers tell connections without their protocol.",
        clauses: &["TPC-26"],
        cases: &["tpc.markers.connections"],
        apply: Apply::Transfer(|rules| {
            rules.marker = |_, text| text.replace("tcp:", "");
        }),
    },
    Fault {
        name: "tpc-stores-page-of-missing",
        about: "A pull stores the page that came with 404.",
        clauses: &["TPC-20", "TPC-06"],
        cases: &["tpc.failure.missing", "tpc.failed-keeps", "tpc.echo"],
        apply: Apply::Transfer(|rules| {
            rules.succeeded = |direction, status| takes(direction, status, StatusCode::NOT_FOUND);
        }),
    },
    Fault {
        name: "tpc-stores-page-of-refusal",
        about: "A pull stores the page that came with 401.",
        clauses: &["TPC-20", "TPC-06"],
        cases: &[
            "tpc.pair.no-credential",
            "tpc.failure.refused",
            "tpc.own-files",
        ],
        apply: Apply::Transfer(|rules| {
            rules.succeeded =
                |direction, status| takes(direction, status, StatusCode::UNAUTHORIZED);
        }),
    },
    Fault {
        name: "tpc-stores-page-of-denial",
        about: "A pull stores the page that came with 403.",
        clauses: &["TPC-20", "TPC-06"],
        cases: &["tpc.failure.refused", "tpc.echo"],
        apply: Apply::Transfer(|rules| {
            rules.succeeded = |direction, status| takes(direction, status, StatusCode::FORBIDDEN);
        }),
    },
    Fault {
        name: "tpc-stores-page-of-error",
        about: "A pull stores the page that came with 500.",
        clauses: &["TPC-20", "TPC-06"],
        cases: &["tpc.failure.error"],
        apply: Apply::Transfer(|rules| {
            rules.succeeded =
                |direction, status| takes(direction, status, StatusCode::INTERNAL_SERVER_ERROR);
        }),
    },
    Fault {
        name: "tpc-push-refusal-taken",
        about: "A push that was answered with 403 is told as a success.",
        clauses: &["TPC-06"],
        cases: &["tpc.failure.push"],
        apply: Apply::Transfer(|rules| {
            rules.succeeded = |direction, status| match direction {
                Direction::Pull => status == StatusCode::OK,
                Direction::Push => status.is_success() || status == StatusCode::FORBIDDEN,
            };
        }),
    },
    Fault {
        name: "tpc-cut-accepted",
        about: "A pull whose connection breaks stores what there was until then.",
        clauses: &["TPC-20", "TPC-06"],
        cases: &["tpc.fts.failure", "tpc.failure.cut", "tpc.failed-keeps"],
        apply: Apply::Transfer(|rules| {
            rules.whole = |_, _, _| true;
            rules.convinced = |witness, needed, fits| match needed {
                true => convinced(witness, needed, fits),
                false => Ok(()),
            };
        }),
    },
    Fault {
        name: "tpc-leaves-fragment",
        about: "A pull whose connection breaks is told as a failure, and leaves a fragment.",
        clauses: &["TPC-20"],
        cases: &["tpc.fts.failure", "tpc.failure.cut", "tpc.failed-keeps"],
        apply: Apply::Transfer(|rules| {
            rules.leaves = |reason, bytes| kept(reason?.reason(), "broke off", bytes);
        }),
    },
    Fault {
        name: "tpc-leaves-empty",
        about: "A pull of a missing file is told as a failure, and leaves an empty one.",
        clauses: &["TPC-20"],
        cases: &["tpc.failure.missing", "tpc.failed-keeps", "tpc.echo"],
        apply: Apply::Transfer(|rules| {
            rules.leaves = |reason, bytes| kept(reason?.reason(), "404", bytes);
        }),
    },
    Fault {
        name: "tpc-no-second-try",
        about: "A pull that failed leaves an empty file, and with a file there that is empty nobody can try again.",
        clauses: &["TPC-20", "TPC-31"],
        cases: &[
            "tpc.failure.missing",
            "tpc.failure.cut",
            "tpc.failed-keeps",
            "tpc.echo",
        ],
        apply: Apply::Transfer(|rules| {
            rules.leaves = |reason, _| {
                let reason = reason?.reason();
                let left = ["404", "broke off"].iter().any(|why| reason.contains(why));
                left.then(Bytes::new)
            };
            rules.needs = |direction, node| {
                let empty = node.and_then(|node| node.content.as_ref());
                match (direction, empty.is_some_and(Bytes::is_empty)) {
                    (Direction::Pull, true) => Operation::Read,
                    (Direction::Pull, false) => uploading(node),
                    (Direction::Push, _) => Operation::Read,
                }
            };
        }),
    },
    Fault {
        name: "tpc-leaves-circle",
        about: "A pull that is redirected too often leaves an empty file.",
        clauses: &["TPC-20"],
        cases: &["tpc.failure.circle"],
        apply: Apply::Transfer(|rules| {
            rules.leaves = |reason, bytes| kept(reason?.reason(), "too often", bytes);
        }),
    },
    Fault {
        name: "tpc-leaves-mismatch",
        about: "A pull whose checksum is another is told as a failure, and leaves the file.",
        clauses: &["TPC-19"],
        cases: &["tpc.checksum.wrong", "tpc.checksum.wrong.representation"],
        apply: Apply::Transfer(|rules| {
            rules.leaves = |reason, bytes| kept(reason?.reason(), "mismatch", bytes);
        }),
    },
    Fault {
        name: "tpc-missing-digest-accepted",
        about: "A transfer that has to be verified works without a checksum of the source.",
        clauses: &["TPC-19"],
        cases: &["tpc.checksum.required"],
        apply: Apply::Transfer(|rules| {
            rules.convinced = |witness, _, fits| convinced(witness, false, fits);
        }),
    },
    Fault {
        name: "tpc-wrong-digest-accepted",
        about: "A transfer that has to be verified works with another checksum of the source.",
        clauses: &["TPC-19"],
        cases: &["tpc.checksum.wrong", "tpc.checksum.wrong.representation"],
        apply: Apply::Transfer(|rules| {
            rules.convinced = |witness, needed, fits| match witness {
                Witness::OtherSide(Direction::Pull) => {
                    convinced(witness, needed, fits.map(|_| true))
                }
                _ => convinced(witness, needed, fits),
            };
        }),
    },
    Fault {
        name: "tpc-digest-always-needed",
        about: "No transfer works without a checksum of the source.",
        clauses: &["TPC-19"],
        cases: &["tpc.checksum.not-required"],
        apply: Apply::Transfer(|rules| {
            rules.convinced = |witness, needed, fits| match witness {
                Witness::OtherSide(_) => convinced(witness, true, fits),
                Witness::Client => convinced(witness, needed, fits),
            };
        }),
    },
    Fault {
        name: "tpc-pull-goes-on",
        about: "A pull goes on when the client hangs up.",
        clauses: &["TPC-21"],
        cases: &["tpc.hang-up.pull"],
        apply: Apply::Transfer(|rules| {
            rules.abandons = |direction| direction != Direction::Pull;
        }),
    },
    Fault {
        name: "tpc-push-goes-on",
        about: "A push goes on when the client hangs up.",
        clauses: &["TPC-21"],
        cases: &["tpc.hang-up.push"],
        apply: Apply::Transfer(|rules| {
            rules.abandons = |direction| direction != Direction::Push;
        }),
    },
    Fault {
        name: "tpc-hang-up-leaves-fragment",
        about: "A pull that ends because the client hung up leaves a fragment.",
        clauses: &["TPC-21"],
        cases: &["tpc.hang-up.pull"],
        apply: Apply::Transfer(|rules| {
            rules.leaves = |reason, bytes| match reason {
                None => Some(Bytes::copy_from_slice(bytes)),
                Some(_) => None,
            };
        }),
    },
];

/// The marker without the line that begins so.
fn without(text: &str, key: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.trim().starts_with(key)).collect()
}

/// Whether a transfer goes on after that status; one more than it should in a pull.
fn takes(direction: Direction, status: StatusCode, more: StatusCode) -> bool {
    match direction {
        Direction::Pull => status == StatusCode::OK || status == more,
        Direction::Push => status.is_success(),
    }
}

/// What has come by then, if the reason is that one.
fn kept(reason: &str, wanted: &str, bytes: &[u8]) -> Option<Bytes> {
    reason
        .contains(wanted)
        .then(|| Bytes::copy_from_slice(bytes))
}
