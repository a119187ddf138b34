//! Compliance suite for tokens at WLCG storage.
pub mod config;
pub mod model;
pub mod run;
