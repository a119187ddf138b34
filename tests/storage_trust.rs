//! Storage that is not who it says, cannot be talked to, or sends us elsewhere, seen through the real binary.

mod common;

#[path = "storage_trust/bodies.rs"]
mod bodies;
#[path = "storage_trust/certificates.rs"]
mod certificates;
#[path = "storage_trust/crowds.rs"]
mod crowds;
#[path = "storage_trust/elsewhere.rs"]
mod elsewhere;
#[path = "storage_trust/gate.rs"]
mod gate;
#[path = "storage_trust/places.rs"]
mod places;
#[path = "storage_trust/redirects.rs"]
mod redirects;
#[path = "storage_trust/rows.rs"]
mod rows;
#[path = "storage_trust/tls.rs"]
mod tls;
