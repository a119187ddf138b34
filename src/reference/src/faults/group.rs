//! What groups allow.

use super::super::authorisation::{Operation, Question, groups_permit, looks, protected};
use super::{Apply, Fault};
use touchstone_model::Groups;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "groups-ignored",
        about: "Groups give nothing.",
        clauses: &["JWT-2.2.2-01"],
        cases: &["group.member.read"],
        apply: Apply::Element(|rules| rules.groups_permit = |_, _, _| false),
    },
    Fault {
        name: "groups-read-not",
        about: "Members do not read outside the protected path.",
        clauses: &["JWT-2.2.2-01"],
        cases: &["group.member.read", "group.other-scopes"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (asked.operation != Operation::Read || protected(groups, asked))
                    && groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "groups-write-not",
        about: "Members write nothing.",
        clauses: &["JWT-2.2.2-01"],
        cases: &["group.member.write", "group.other-scopes"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (looks(asked.operation) || privileged(groups, asserted))
                    && groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "protected-closed-to-members",
        about: "Members do not read in the protected path.",
        clauses: &["JWT-2.2.2-01"],
        cases: &["group.protected.member-read"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (privileged(groups, asserted) || !protected(groups, asked))
                    && groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "protected-open",
        about: "Members upload into the protected path.",
        clauses: &["JWT-2.2.2-03"],
        cases: &["group.protected.member-no-write"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                member_in_protected(groups, asserted, asked, Operation::Create)
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "protected-delete-open",
        about: "Members delete in the protected path.",
        clauses: &["JWT-2.2.2-03"],
        cases: &["group.protected.member-no-delete"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                member_in_protected(groups, asserted, asked, Operation::Delete)
                    || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "group-implies-child",
        about: "A parent group counts as each of its children.",
        clauses: &["JWT-2.2.2-03"],
        cases: &[
            "group.protected.member-no-write",
            "group.protected.member-no-delete",
        ],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                member(groups, asserted) || groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "protected-closed",
        about: "Nobody writes in the protected path by group.",
        clauses: &["JWT-2.2.2-01"],
        cases: &["group.protected.privileged", "group.any-order"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                (looks(asked.operation) || !protected(groups, asked))
                    && groups_permit(groups, asserted, asked)
            }
        }),
    },
    Fault {
        name: "protected-never-read",
        about: "The privileged group does not read what it writes.",
        clauses: &["JWT-2.2.2-01"],
        cases: &["group.protected.privileged"],
        apply: Apply::Element(|rules| {
            rules.groups_permit = |groups, asserted, asked| {
                !(privileged(groups, asserted) && asked.operation == Operation::Read)
                    && groups_permit(groups, asserted, asked)
            }
        }),
    },
];

pub(super) fn member(groups: &Groups, asserted: &[String]) -> bool {
    asserted.contains(&groups.member)
}

fn privileged(groups: &Groups, asserted: &[String]) -> bool {
    asserted.contains(&groups.privileged)
}

/// Whether a member who is no more than that asks for this in the protected path.
pub(super) fn member_in_protected(
    groups: &Groups,
    asserted: &[String],
    asked: &Question,
    operation: Operation,
) -> bool {
    member(groups, asserted) && asked.operation == operation && protected(groups, asked)
}
