//! What a capability gives beyond, or short of, what the profile promises: in one operation.

use super::super::super::authorisation::{self, Operation, Question};
use super::super::super::path::WrittenPath;
use super::super::super::rules::Rules;
use super::super::super::scope::Action;
use super::super::{Apply, Fault};
use super::{Base, Overlooked};
use touchstone_model::Method;

pub(in super::super) const CAPABILITIES: &[Fault] = overlooked! {
    in "capabilities";
    "read-object" on "put-over", "JWT-2.2.1-02": Base::By(read_does_all);
    "read-directory" on "mkcol", "JWT-2.2.1-02": Base::By(read_does_all);
    "read-directory" on "move-directory", "JWT-2.2.1-02": Base::By(read_does_all);
    "read-ancestor" on "get", "JWT-2.2.1-10": Base::Refused(only_in_its_directory);
    "read-ancestor" on "propfind-0", "JWT-2.2.1-28", "JWT-2.2.1-10": Base::Refused(only_in_its_directory);
    "read-root" on "move-onto", "JWT-2.2.1-02": Base::By(read_does_all);
    "read-sibling" on "get", "JWT-2.2.1-14": Base::By(beside);
    "read-slash" on "head", "JWT-2.2.1-12": Base::By(slash_ignored);
    "create-object" on "get-range", "JWT-2.2.1-18": Base::By(create_does_all);
    "create-object" on "propfind-0", "JWT-2.2.1-28", "JWT-2.2.1-10": Base::Refused(not_by_its_name);
    "create-directory" on "move-over", "JWT-2.2.1-20": Base::By(create_does_all);
    "create-ancestor" on "delete", "JWT-2.2.1-05": Base::By(create_does_all);
    "create-root" on "delete-directory", "JWT-2.2.1-05": Base::By(create_does_all);
    "create-sibling" on "put", "JWT-2.2.1-14": Base::By(beside);
    "create-prefix" on "mkcol", "JWT-2.2.1-09": Base::Of("scope-prefix-match");
    "create-slash" on "put", "JWT-2.2.1-12": Base::By(slash_ignored);
    "create-longer" on "mkcol", "JWT-2.2.1-14": Base::By(longer);
    "modify-object" on "get", "JWT-2.2.1-17": Base::By(modify_does_all);
    "modify-object" on "put-over", "JWT-2.2.1-10": Base::Refused(not_by_its_name);
    "modify-directory" on "move", "JWT-2.2.1-10", "JWT-2.2.1-19": Base::Refused(only_everywhere);
    "modify-ancestor" on "delete", "JWT-2.2.1-10": Base::Refused(only_in_its_directory);
    "modify-root" on "get-range", "JWT-2.2.1-17": Base::By(modify_does_all);
    "modify-root" on "copy", "JWT-2.2.1-17": Base::By(modify_does_all);
    "modify-sibling" on "put-over", "JWT-2.2.1-14": Base::By(beside);
    "modify-slash" on "delete", "JWT-2.2.1-12": Base::By(slash_ignored);
    "stage-object" on "put", "JWT-2.2.1-25": Base::By(stage_does_all);
    "stage-directory" on "delete", "JWT-2.2.1-25": Base::By(stage_does_all);
    "stage-root" on "get-range", "JWT-2.2.1-24": Base::By(stage_does_all);
    "stage-sibling" on "head", "JWT-2.2.1-14": Base::By(beside);
    "stage-prefix" on "propfind-0", "JWT-2.2.1-09": Base::Of("scope-prefix-match");
    "stage-slash" on "head", "JWT-2.2.1-12": Base::By(slash_ignored);
    "stage-longer" on "propfind-0", "JWT-2.2.1-14": Base::By(longer);
    "poll-object" on "delete", "JWT-2.2.1-25": Base::By(poll_does_all);
};

pub(in super::super) const ENDS: &[Fault] = overlooked! {
    in "ends";
    "source-alone" on "move-there", "JWT-2.2.1-21", "JWT-2.2.1-12": Base::By(puts_anywhere);
    "destination-alone" on "move-there-over", "JWT-2.2.1-21": Base::By(takes_from_anywhere);
    "read-and-create" on "move-there", "JWT-2.2.1-21", "JWT-2.2.1-02": Base::By(read_takes_away);
    "read-and-modify" on "move-there-directory", "JWT-2.2.1-21", "JWT-2.2.1-02": Base::By(read_takes_away);
    "stage-and-modify" on "move-there-over", "JWT-2.2.1-21", "JWT-2.2.1-25": Base::By(stage_does_all);
    "create-and-create" on "move-there-over", "JWT-2.2.1-20": Base::By(create_does_all);
    "modify-and-create" on "move-there-over", "JWT-2.2.1-20": Base::By(create_does_all);
    "modify-and-create" on "move-there", "JWT-2.2.1-10", "JWT-2.2.1-19": Base::Refused(only_everywhere);
    "modify-and-modify" on "copy-there", "DAV-22", "JWT-2.2.1-17": Base::By(modify_does_all);
    "very-objects" on "copy-there-over", "DAV-22", "JWT-2.2.1-14": Base::By(beside);
    "very-objects" on "move-there", "JWT-2.2.1-10", "JWT-2.2.1-19": Base::Refused(not_by_its_name);
    "destination-slash" on "move-there", "JWT-2.2.1-12": Base::By(slash_ignored);
    "destination-prefix" on "move-there-directory", "JWT-2.2.1-09": Base::Of("scope-prefix-match");
    "destination-longer" on "copy-there-over", "JWT-2.2.1-14", "DAV-22": Base::By(longer);
};

/// What each capability would allow if it allowed everything.
macro_rules! does_all {
    ($( $name:ident($action:ident) )*) => { $(
        fn $name(rules: &mut Rules) {
            rules.permits = |action, asked| {
                action == Action::$action || authorisation::permits(action, asked)
            };
        }
    )* };
}

does_all! {
    read_does_all(Read)
    create_does_all(Create)
    modify_does_all(Modify)
    stage_does_all(Stage)
    poll_does_all(Poll)
}

/// Who may read may take away from its name what is read.
fn read_takes_away(rules: &mut Rules) {
    rules.permits = |action, asked| {
        (action == Action::Read && taking(asked)) || authorisation::permits(action, asked)
    };
}

/// A right for an object is one for those beside it.
fn beside(rules: &mut Rules) {
    rules.covers = |scope, asked| {
        let alike = |one: &str, other: &str| one.starts_with(other) || other.starts_with(one);
        let (own, other) = (scope.path.to_string(), asked.path.to_string());
        let beside = scope.path.parent() == asked.path.parent() && !alike(&own, &other);
        beside || authorisation::covers(scope, asked)
    };
}

/// That a path ends with a slash is overlooked.
fn slash_ignored(rules: &mut Rules) {
    rules.covers = |scope, asked| {
        let path = scope.path.clone();
        let plain = WrittenPath { path, slash: false };
        authorisation::covers(&plain, asked)
    };
}

/// A right for an object is one for those whose names begin its own.
pub(super) fn longer(rules: &mut Rules) {
    rules.covers = |scope, asked| {
        let (own, other) = (scope.path.to_string(), asked.path.to_string());
        let below = scope.path.starts_with(asked.path);
        (own.starts_with(&other) && !below) || authorisation::covers(scope, asked)
    };
}

/// A right for an object is one for what leads to it.
pub(super) fn above(rules: &mut Rules) {
    rules.covers =
        |scope, asked| scope.path.starts_with(asked.path) || authorisation::covers(scope, asked);
}

/// A path reaches no deeper than into the directory that it names.
fn only_in_its_directory(rules: &mut Rules) {
    rules.covers = |scope, asked| {
        let near = asked.path.depth() <= scope.path.depth().saturating_add(1);
        (near || scope.path.is_root()) && authorisation::covers(scope, asked)
    };
}

/// A path covers what is below it, and not the object of its name.
fn not_by_its_name(rules: &mut Rules) {
    rules.covers = |scope, asked| *asked.path != scope.path && authorisation::covers(scope, asked);
}

/// Only a right for everything counts.
fn only_everywhere(rules: &mut Rules) {
    rules.covers = |scope, asked| scope.path.is_root() && authorisation::covers(scope, asked);
}

/// Where a MOVE or COPY goes needs no right for that place.
fn puts_anywhere(rules: &mut Rules) {
    rules.covers = |scope, asked| {
        let placing = matches!(asked.method, Method::Move | Method::Copy) && !taking(asked);
        (placing && asked.operation != Operation::Read) || authorisation::covers(scope, asked)
    };
}

/// Where a MOVE comes from needs no right for that place.
fn takes_from_anywhere(rules: &mut Rules) {
    rules.covers = |scope, asked| taking(asked) || authorisation::covers(scope, asked);
}

fn taking(asked: &Question) -> bool {
    matches!(
        asked.operation,
        Operation::RenameFile | Operation::RenameDirectory
    )
}
