//! Defects that are looked at everywhere but in one operation: one for each row and for each column of the covers.

/// One fault for each line: a row and a column, the clause, and how the row's defect is overlooked there. Of which cover they are
/// stands before them.
macro_rules! overlooked {
    (in $cover:literal; $( $row:literal on $column:literal, $($clause:literal),+: $base:expr; )*) => {
        &[$(
            Fault {
                name: concat!("cover-", $row, "-on-", $column),
                about: concat!("What `cover.", $row, "` is about is overlooked in one operation, `", $column, "`."),
                clauses: &[$($clause),+],
                cases: &[concat!("cover.", $row, ".", $column)],
                apply: Apply::Overlooked(&Overlooked {
                    suite: "cover",
                    cover: Some($cover),
                    row: $row,
                    column: $column,
                    operation: $column,
                    base: $base,
                }),
            }
        ),*]
    };
}

mod pattern;
mod rights;
mod spelling;

use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;

use super::super::answers::Refusal;
use super::super::authorisation;
use super::super::operation;
use super::super::path::WrittenPath;
use super::super::rules::Rules;
use super::super::scope::{Action, Capability, Scope};
use super::super::token::Bearer;
use super::{Apply, Fault, fault};
use touchstone_model::{Audience, Case, Cell, Method};

/// Where a defect is overlooked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overlooked {
    /// The suite with the cover.
    pub suite: &'static str,
    /// The cover of which both are, where the suite has rows and columns of the same names in several.
    pub cover: Option<&'static str>,
    /// The row that has the defect.
    pub row: &'static str,
    /// The only column in which it is overlooked.
    pub column: &'static str,
    /// The operation that the column is about.
    pub operation: &'static str,
    pub(super) base: Base,
}

/// How it is overlooked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    /// As by the fault of that name.
    Of(&'static str),
    /// As these rules have it.
    By(fn(&mut Rules)),
    /// Not at all: what has to be allowed is refused, as these rules have it.
    Refused(fn(&mut Rules)),
    /// These rules resolve a spelling once the right was judged.
    Spelled(fn(&mut Rules)),
}

impl Overlooked {
    /// Whether a case is a cell of its row or of its column.
    pub fn concerns(&self, case: &Case) -> bool {
        let cell = case.cover.as_ref();
        let here = |cell: &&Cell| {
            case.suite == self.suite && self.cover.is_none_or(|cover| cell.cover == cover)
        };
        cell.filter(here)
            .is_some_and(|cell| cell.row == self.row || cell.column == self.column)
    }

    /// The operation of its column, as requests tell it: a column may say besides what a token is about.
    pub fn operation(&self) -> &'static str {
        match (self.operation, self.base) {
            // A look is refused only where both of its forms are.
            ("propfind-0", Base::Refused(_)) => operation::LOOK,
            ("move-onto" | "move-there-over", _) => "move-over",
            ("move-directory" | "move-there" | "move-there-directory" | "move-to", _) => "move",
            ("copy-there" | "copy-to", _) => "copy",
            ("copy-there-over", _) => "copy-over",
            // What a spelling hides is not known to be there.
            ("put-over", Base::Spelled(_)) => "put",
            (operation, _) => operation,
        }
    }

    /// What it makes of the rules, in its operation.
    pub fn apply(&self, rules: &mut Rules) {
        match self.base {
            Base::Of(name) => {
                if let Some(fault) = fault(name) {
                    fault.apply(rules);
                }
            }
            Base::By(apply) | Base::Refused(apply) | Base::Spelled(apply) => apply(rules),
        }
        // Uploads of parts are none of ours either.
        rules.takes_parts |= matches!(self.operation, "put-content-range" | "patch");
        // These are no methods of ours, unless somebody takes them for one.
        if matches!(self.operation, "post" | "patch" | "proppatch" | "lock") {
            rules.method = |name| match name {
                "POST" | "PATCH" | "PROPPATCH" | "LOCK" => Some(Method::Put),
                name => authorisation::method(name),
            };
        }
    }
}

pub(super) use rights::{CAPABILITIES, ENDS};
pub(super) use spelling::FAULTS as SPELLINGS;

pub(super) const FAULTS: &[Fault] = overlooked! {
    in "defects";
    "none" on "get-range", "RFC6750-05": Base::By(anybody);
    "garbage" on "get", "RFC6750-05": Base::By(any_text);
    "expired" on "get-ranges", "JWT-2.1.1-01": Base::Of("expired-accepted");
    "expired-five-minutes" on "delete", "JWT-2.1.1-01": Base::Of("expired-accepted");
    "expiry-absent" on "proppatch", "JWT-2.1.1-02": Base::Of("expiry-absent-accepted");
    "expiry-text" on "get-if-none-match", "JWT-2.1.1-02": Base::Of("expiry-text-accepted");
    "not-before" on "get-if-modified-since", "JWT-2.1.1-08": Base::Of("not-before-ignored");
    "issuer-foreign" on "get-digest", "JWT-2.1.1-22": Base::Of("issuer-ignored");
    "issuer-longer" on "head", "JWT-2.1.1-23": Base::Of("issuer-prefix-match");
    "issuer-absent" on "head-digest", "JWT-2.1.1-30": Base::Of("issuer-absent-accepted");
    "audience-foreign" on "propfind-0", "JWT-2.1.1-13": Base::By(another_audience);
    "audience-foreign-list" on "propfind-1", "JWT-2.1.1-14": Base::Of("audience-array-ignored");
    "audience-longer" on "propfind-infinity", "JWT-2.1.1-19": Base::By(lists_everything);
    "audience-number" on "put", "JWT-2.1.1-12": Base::Of("audience-no-text-accepted");
    "signature-flipped" on "put-over", "JWT-4.2-01", "JWT-4.2-07": Base::Of("signature-ignored");
    "signature-random" on "put-empty", "JWT-4.2-01", "JWT-4.2-07": Base::Of("signature-ignored");
    "signature-rogue" on "put-empty-over", "JWT-4.2-01", "JWT-4.2-07": Base::Of("signature-ignored");
    "signature-kept" on "put-chunked", "JWT-4.2-01", "JWT-4.2-07": Base::Of("signature-ignored");
    "unsecured" on "put-expect", "JWT-4.2-02": Base::Of("none-accepted");
    "unsecured-two-parts" on "put-if-match", "JWT-4.2-02": Base::Of("two-parts-accepted");
    "hmac-pem" on "put-if-none-match", "JWT-4.2-03": Base::Of("hmac-with-pem");
    "hmac-jwk" on "put-content-range", "JWT-4.2-03": Base::Of("hmac-with-jwk");
    "key-path" on "mkcol", "JWT-4.2-06": Base::Of("key-id-is-path");
    "key-in-header" on "move", "JWT-4.2-07": Base::Of("header-key-honoured");
    "no-capability" on "move-over", "JWT-2.2.1-38", "JWT-2.2.1-34", "JWT-2.2.1-35", "JWT-4.3.3-04": Base::By(whoever);
    "stage-alone" on "copy", "JWT-2.2.1-25", "JWT-2.2.1-02", "JWT-2.2.1-17", "JWT-2.2.1-18": Base::By(whatever);
    "poll-alone" on "copy-over", "JWT-2.2.1-25": Base::By(whatever);
    "scitokens" on "pull", "JWT-2.2.1-34": Base::Of("scitokens-scopes");
    "capability-longer" on "push", "JWT-2.2.1-34": Base::Of("longer-names");
    "capability-letters" on "get-range-suffix", "JWT-2.2.1-35": Base::Of("names-in-any-letters");
    "scope-elsewhere" on "delete-directory", "JWT-4.3.3-04": Base::Of("scp-honoured");
    "path-outside" on "delete-full", "JWT-2.2.1-14", "JWT-2.2.1-09", "JWT-2.2.1-35", "JWT-2.2.1-44": Base::By(wherever);
    "path-prefix" on "post", "JWT-2.2.1-09": Base::Of("scope-prefix-match");
    "path-letters" on "patch", "JWT-2.2.1-35", "JWT-2.2.1-09": Base::Of("path-letters-alike");
    "path-pattern" on "get-range-beyond", "JWT-2.2.1-44", "JWT-2.2.1-14", "JWT-2.2.1-09", "JWT-2.2.1-35": Base::By(wherever);
    "path-star" on "lock", "JWT-2.2.1-44": Base::Of("scope-is-a-glob");
    "path-class" on "get", "JWT-2.2.1-44", "JWT-2.2.1-12": Base::Of("scope-is-a-glob");
    "path-class-escaped" on "put", "JWT-2.2.1-44", "JWT-2.2.1-12": Base::Of("scope-is-a-glob");
    "path-question" on "get", "JWT-2.2.1-44", "JWT-2.2.1-12": Base::Of("scope-is-a-glob");
    "path-backslash" on "put", "JWT-2.2.1-44", "JWT-2.2.1-12": Base::Of("scope-is-a-glob");
    "path-plus" on "get", "JWT-2.2.1-44", "JWT-2.2.1-12": Base::By(pattern::expression);
    "path-dollar" on "put", "JWT-2.2.1-44", "JWT-2.2.1-12": Base::By(pattern::expression);
    "path-any" on "get", "JWT-2.2.1-44", "JWT-2.2.1-12": Base::By(pattern::expression);
    "path-alternatives" on "put", "JWT-2.2.1-44", "JWT-2.2.1-12": Base::By(pattern::expression);
    "path-below" on "put-over", "JWT-2.2.1-14", "JWT-2.2.1-12": Base::By(rights::above);
    "path-longer" on "delete", "JWT-2.2.1-14": Base::By(rights::longer);
    "group-child" on "head", "JWT-2.2.2-02": Base::Of("child-implies-member");
};

/// Whoever has no token may do everything.
fn anybody(rules: &mut Rules) {
    rules.authenticate = |_, _, verified| match verified {
        Err(Refusal::NoToken) => Ok(almighty()),
        verified => verified,
    };
    admitted(rules);
}

/// Whatever text there is for a token lets its bearer do everything, as long as it looks like none.
fn any_text(rules: &mut Rules) {
    rules.authenticate = |_, parts, verified| {
        let text = parts.headers.get(AUTHORIZATION);
        let strange = text.is_some_and(|text| !text.as_bytes().contains(&b'.'));
        match verified {
            Err(_) if strange => Ok(almighty()),
            verified => verified,
        }
    };
    admitted(rules);
}

/// What else is asked about a bearer speaks for somebody without a token.
fn admitted(rules: &mut Rules) {
    rules.audience_accepted = |bearer, own, method| {
        bearer.token_id.is_empty() || authorisation::audience_accepted(bearer, own, method)
    };
    rules.speaks_for =
        |bearer, area, _, _| bearer.token_id.is_empty() || bearer.issuer == area.issuer;
}

/// One who may read and modify everything. The id of the token, which every real one has, is empty.
pub(super) fn almighty() -> Bearer {
    let capability = |action| Capability {
        action,
        path: WrittenPath::default(),
    };
    Bearer {
        scope: Scope {
            capabilities: vec![capability(Action::Read), capability(Action::Modify)],
            elsewhere: false,
        },
        ..Bearer::default()
    }
}

/// A token for one other service counts here as well.
fn another_audience(rules: &mut Rules) {
    rules.audience_accepted = |bearer, own, method| {
        let other = Audience::One("https://elsewhere.example.org".to_owned());
        bearer.audience.as_ref() == Some(&other)
            || authorisation::audience_accepted(bearer, own, method)
    };
}

/// Whatever the capability, it is one for this.
fn whatever(rules: &mut Rules) {
    rules.permits = |_, _| true;
}

/// Whatever the path, it is the right one.
fn wherever(rules: &mut Rules) {
    rules.covers = |_, _| true;
}

/// Whoever has neither capabilities nor groups may do everything.
fn whoever(rules: &mut Rules) {
    rules.groups_permit = |groups, asserted, asked| {
        asserted.is_empty() || authorisation::groups_permit(groups, asserted, asked)
    };
}

/// What is asked for with all that lies below it is listed, and that for services whose names begin alike.
fn lists_everything(rules: &mut Rules) {
    if let Some(prefix) = fault("audience-prefix-match") {
        prefix.apply(rules);
    }
    rules.on_request = |parts| {
        parts.headers.insert("depth", HeaderValue::from_static("1"));
    };
}
