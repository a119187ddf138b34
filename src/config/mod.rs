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
mod existing;
mod fields;
mod hosts;
mod inventory;
mod issuers;
mod known;
mod limits;
mod macaroons;
mod nearline;
mod objects;
mod paths;
mod plain;
mod problem;
mod schema;
mod secrets;
mod source;
mod steps;
mod subject;
mod suites;
mod tape;
mod terms;
mod tokens;
mod transfers;
mod tree;
mod words;
mod yaml;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use catalogue::EMBEDDED;
pub use catalogue::{Catalogue, builtin_clauses, builtin_suites, load_catalogue};
pub use inventory::{Loaded, load_inventory};
pub use paths::{check_issuer_url, split_area_url};
pub use plain::{Plain, PlainValue, is_secret, load_plain};
pub use problem::{Problem, ProblemReport, Problems, Spot, Weight};
pub use schema::{endpoints_schema, suite_schema};
pub use source::{FILE_CAP, Source};
pub use words::suggestion;
