//! What the process wants of the system it runs on.

use rustix::process::{Resource, Signal, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Raises the number of open files as far as it may be raised: many systems give 1024 to start with, and a fleet needs
/// more. Where it cannot be raised, what comes of it is told where it comes.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Has a file that may not become larger be an error of its writing, and not the end of the process. Needs a runtime.
pub fn survive_large_files() {
    // The handler stays when the stream is dropped.
    let _ = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
}
