//! touchstone judges how WLCG storage treats tokens.
//!
//! Data flows one way:
//!
//! ```text
//! endpoints.yaml + suites/*.yaml + flags
//!   -> config  (parse, refuse with file:line:column)        -> Inventory, Catalogue
//!   -> plan    (endpoints x cases, select, expand, order)   -> Plan            pure
//!   -> run     (tokens, http, teardown)                     -> Event stream
//!   -> report::record (fold the events)                     -> RunRecord       pure
//!   -> report  (every format is a pure function of the record)
//!                                \-> live progress reads the same events
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`model`] | the nouns; known by all, knows nobody |
//! | [`config`] | YAML to typed values, with diagnostics; alone names the YAML crate |
//! | [`files`] | how a local file is opened that may be anything |
//! | [`plan`] | what a run will do, decided before it starts |
//! | [`token`] | sources, the broker, minted tokens, what is in a token and whether it is right |
//! | [`http`] | exchanges with storage elements |
//! | [`check`] | expectation and answer in, findings out |
//! | [`import`] | what others publish about storage, in our words |
//! | [`run`] | carries a plan out and tears down |
//! | [`history`] | what earlier runs found, in a file; alone names the database crate |
//! | [`report`] | the run record in every format |
//! | [`trace`] | where the time of a run went, and what it waited for |
//! | [`mod@reference`] | the embedded issuer and storage element, their faults, and the servers that we play beside them |
//! | [`cli`] | the commands; alone prints and decides exit codes |
//!
//! A new case is a few lines in `suites/`; a new token source is a file in [`token`]; a new report is
//! a file in [`report`]; a new fault is an entry in [`mod@reference`].

pub mod check;
pub mod cli;
pub mod config;
pub mod files;
pub mod history;
pub mod http;
pub mod import;
pub mod model;
pub mod plan;
pub mod reference;
pub mod report;
pub mod run;
pub mod token;
pub mod trace;

#[cfg(test)]
#[path = "../tests/common/waiting.rs"]
#[allow(dead_code, reason = "the tests outside use other parts of it")]
mod waiting;
