//! Compliance suite for tokens at WLCG storage.
pub mod model;
pub mod run;
