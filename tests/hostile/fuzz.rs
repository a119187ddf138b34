//! Everything that reads what others wrote, against inputs that nobody would write.
//!
//! Each target is a function of bytes. Its inputs are those of `tests/corpus/<target>/`, all of which are tried
//! each time, then mutations of them and generated ones: the same in every run, so that nothing fails by
//! chance. `TOUCHSTONE_FUZZ=100000` tries so many for each target, `TOUCHSTONE_FUZZ_SEED=7` tries others. What
//! fails is written to the corpus, and from then on tried each time.

mod engine;
mod files;
mod mutate;
mod network;
mod records;
mod tokens;
