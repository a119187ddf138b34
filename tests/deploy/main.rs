//! What others read or run: reports before their readers, man pages, completions, and the files in `deploy/`.
//! `tests/run deploy` puts the readers and validators into place.

#[path = "../common/mod.rs"]
mod common;

mod consumers;
mod generate;
mod junit;
mod signals;
mod validators;
