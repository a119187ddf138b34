//! What people type and see.

pub mod progress;
pub mod write;
