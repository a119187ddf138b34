//! What becomes of a run when its own machine fails it, or somebody ends it: signals, disks, streams, files, clocks.

mod clock;
mod disk;
mod fire;
mod folder;
mod killed;
mod open_files;
mod signals;
mod surroundings;
