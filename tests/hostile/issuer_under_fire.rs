//! Issuers in trouble at the start and in the middle of a run, and before a whole run, seen through the real binary.

mod answers;
mod broken;
mod certificates;
mod clocks;
mod keys;
mod metadata;
mod observer;
mod site;
