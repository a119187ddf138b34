//! JSON Schemas of the files that people write, for completion and checks in editors.
//!
//! They are made from the key tables and word lists of the readers, so that a key can neither be missing here nor be
//! left over. What needs more than one place of a file, such as names that refer to each other, only the readers judge.

mod endpoints;
mod shape;
mod suite;

#[cfg(test)]
mod tests;

use serde_json::Value;

/// The schema of `endpoints.yaml` (JSON Schema, draft 7).
pub fn endpoints_schema() -> Value {
    endpoints::schema()
}

/// The schema of suites and registers of clauses (JSON Schema, draft 7).
pub fn suite_schema() -> Value {
    suite::schema()
}
