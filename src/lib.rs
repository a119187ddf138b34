//! Compliance suite for tokens at WLCG storage.
pub mod model;
pub mod reference;
pub mod run;
