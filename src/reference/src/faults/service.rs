//! Services that are out of order as a whole: no run against them may look good.

use axum::http::StatusCode;

use super::super::rules::Service;
use super::{Apply, Fault};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "deny-all",
        about: "Everything is answered with 403.",
        clauses: &[],
        cases: &[],
        apply: Apply::Element(|rules| rules.service = Service::Deaf(StatusCode::FORBIDDEN)),
    },
    Fault {
        name: "not-found-all",
        about: "Everything is answered with 404.",
        clauses: &[],
        cases: &[],
        apply: Apply::Element(|rules| rules.service = Service::Deaf(StatusCode::NOT_FOUND)),
    },
    Fault {
        name: "error-all",
        about: "Everything is answered with 500.",
        clauses: &[],
        cases: &[],
        apply: Apply::Element(|rules| {
            rules.service = Service::Deaf(StatusCode::INTERNAL_SERVER_ERROR)
        }),
    },
    Fault {
        name: "empty-ok-all",
        about: "Everything is answered with 200 and an empty body.",
        clauses: &[],
        cases: &[],
        apply: Apply::Element(|rules| rules.service = Service::Deaf(StatusCode::OK)),
    },
    Fault {
        name: "allow-all",
        about: "Everything is allowed, with any token and without one.",
        clauses: &[],
        cases: &[],
        apply: Apply::Element(|rules| rules.service = Service::Open),
    },
    Fault {
        name: "hang-all",
        about: "Connections are accepted and requests never answered.",
        clauses: &[],
        cases: &[],
        apply: Apply::Element(|rules| rules.service = Service::Silent),
    },
    Fault {
        name: "down",
        about: "Nothing listens on the port.",
        clauses: &[],
        cases: &[],
        apply: Apply::Element(|rules| rules.service = Service::Down),
    },
];
