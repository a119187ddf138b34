//! From `endpoints.yaml` and `suites/*.yaml` to typed values, or to every problem in them at once.
//!
//! A file becomes a tree that knows its lines (`yaml`); readers walk the tree, take typed values out
//! of it (`fields`) and leave what is wrong in one place (`diagnostics`), so that a problem never hides
//! the next one. Nothing is looked up beside the files themselves: neither secrets nor certificates.

mod accounts;
mod asks;
mod catalogue;
mod clauses;
mod covers;
mod diagnostics;
mod downtimes;
mod endpoints;
mod fields;
mod hosts;
mod inventory;
mod issuer_profile;
mod issuers;
mod known_failures;
mod limits;
mod macaroons;
mod paths;
mod preconditions;
mod problem;
mod raw;
mod read_only;
mod schema;
mod secrets;
mod source;
mod steps;
mod suggestions;
mod suites;
mod tape;
mod tape_area;
mod terms;
mod tokens;
mod transfers;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use catalogue::EMBEDDED;
pub use catalogue::{Catalogue, builtin_clauses, builtin_suites, load_catalogue};
pub use inventory::{Loaded, load_inventory};
pub use paths::{check_issuer_url, split_area_url};
pub use problem::{Problem, ProblemReport, ProblemSeverity, Problems, Spot};
pub use raw::{RawNode, RawValue, is_secret, load_raw};
pub use schema::{endpoints_schema, suite_schema};
pub use source::{FILE_CAP, SourceFile};
pub use suggestions::suggestion;
