//! What becomes of a run when its own machine fails it, or somebody ends it: signals, disks, streams, files, clocks.

mod common;

#[path = "us_under_fire/clock.rs"]
mod clock;
#[path = "us_under_fire/disk.rs"]
mod disk;
#[path = "us_under_fire/fire.rs"]
mod fire;
#[path = "us_under_fire/folder.rs"]
mod folder;
#[path = "us_under_fire/killed.rs"]
mod killed;
#[path = "us_under_fire/open_files.rs"]
mod open_files;
#[path = "us_under_fire/signals.rs"]
mod signals;
#[path = "us_under_fire/surroundings.rs"]
mod surroundings;
