//! Storage that is not who it says, cannot be talked to, or sends us elsewhere, seen through the real binary.

mod common;

#[path = "storage_trust/certificates.rs"]
mod certificates;
#[path = "storage_trust/rows.rs"]
mod rows;
