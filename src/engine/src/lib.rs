//! Carries a plan out.
//!
//! | module | what it knows |
//! |---|---|
//! | [`http`] | exchanges with storage elements: clients, limits, redirects, TLS |
//! | [`token`] | sources of tokens, the broker, minted tokens, what is in a token and whether it is right |
//! | [`run`] | runs the cases, looks at their effects, and tears down |
//! | [`trace`] | where the time of a run went, and what it waited for |
//! | [`files`] | how a local file is opened that may be anything |
//!
//! A new token source is a file in `token/source/` and an arm in its `open`.

pub mod files;
pub mod http;
pub mod run;
pub mod token;
pub mod trace;

#[cfg(test)]
#[path = "../../../tests/common/waiting.rs"]
#[allow(dead_code, reason = "the tests outside use other parts of it")]
mod waiting;
