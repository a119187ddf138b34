//! Compliance suite for tokens at WLCG storage.
pub mod cli;
pub mod config;
pub mod model;
pub mod redact;
pub mod reference;
pub mod report;
pub mod run;
