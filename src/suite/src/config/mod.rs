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
mod downtimes;
mod endpoints;
mod hosts;
mod inventory;
mod issuer_profile;
mod issuers;
mod known_failures;
mod limits;
mod macaroons;
mod paths;
mod preconditions;
mod read_only;
mod schema;
mod secrets;
mod steps;
mod suites;
mod tape;
mod tape_area;
mod terms;
mod tokens;
mod transfers;

#[cfg(test)]
mod tests;

pub use catalogue::EMBEDDED;
pub use catalogue::{Catalogue, builtin_clauses, builtin_suites, load_catalogue};
pub use inventory::{Loaded, load_inventory};
pub use paths::{check_issuer_url, split_area_url};
pub use schema::{endpoints_schema, suite_schema};
