//! Everything that reads what others wrote, against inputs that nobody would write.
//!
//! Each target is a function of bytes. Its inputs are those of `tests/corpus/<target>/`, all of which are tried
//! each time, then mutations of them and generated ones: the same in every run, so that nothing fails by
//! chance. `TOUCHSTONE_FUZZ=100000` tries so many for each target, `TOUCHSTONE_FUZZ_SEED=7` tries others. What
//! fails is written to the corpus, and from then on tried each time.

mod common;
#[path = "fuzz/engine.rs"]
mod engine;
#[path = "fuzz/files.rs"]
mod files;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/network.rs"]
mod network;
#[path = "fuzz/records.rs"]
mod records;
#[path = "fuzz/tokens.rs"]
mod tokens;
