//! Helpers of faults that misread scopes.

use serde_json::Value;

use super::super::scope::{Scope, claimed};

/// The text of a scope claim.
pub(super) fn text_of(claim: Option<&Value>) -> &str {
    claim.and_then(Value::as_str).unwrap_or_default()
}

/// The claim as if it had another text.
pub(super) fn rewritten(claim: Option<&Value>, rewrite: fn(&str) -> String) -> Option<Scope> {
    match claim.and_then(Value::as_str) {
        Some(text) => Scope::parse(&rewrite(text)),
        None => claimed(claim),
    }
}
