//! The program under fire: input that nobody would write, servers that break exchanges, issuers in trouble, a machine
//! that fails. `docs/under-fire.md` tells what was done and what it did.

#[path = "../common/mod.rs"]
mod common;

mod echo;
mod fuzz;
mod hostile_text;
mod issuer_under_fire;
mod listener;
mod local_files;
mod safe_hands;
mod storage_trust;
mod storage_under_fire;
mod transfers_hostile;
mod us_under_fire;
