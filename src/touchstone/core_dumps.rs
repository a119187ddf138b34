//! No image of the process's memory, in which its tokens stand, is ever written or shown.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Has no core written when the process crashes, and lets no process of the same user look into its memory. To be
/// called before any secret is read. Where the platform refuses, the run goes on and the log says so.
pub fn disable() {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, nothing) {
        tracing::debug!("core dumps stay as they are: {error}");
    }
    // A core that is piped to a program heeds no limit.
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::debug!("the memory may be looked at: {error}");
    }
}
