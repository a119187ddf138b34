//! Issuers in trouble at the start and in the middle of a run, and before a whole run, seen through the real binary.

mod common;

#[path = "issuer_under_fire/answers.rs"]
mod answers;
#[path = "issuer_under_fire/broken.rs"]
mod broken;
#[path = "issuer_under_fire/certificates.rs"]
mod certificates;
#[path = "issuer_under_fire/clocks.rs"]
mod clocks;
#[path = "issuer_under_fire/keys.rs"]
mod keys;
#[path = "issuer_under_fire/metadata.rs"]
mod metadata;
#[path = "issuer_under_fire/observer.rs"]
mod observer;
#[path = "issuer_under_fire/site.rs"]
mod site;
