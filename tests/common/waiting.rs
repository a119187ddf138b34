//! How long tests wait. What is waited for comes in its own time, on a slow or busy machine much later: no test says
//! how soon, and only one that hangs is ended.

use std::future::Future;
use std::time::{Duration, Instant};

/// After so long a test hangs: far beyond what anything here takes on a machine that is ten times slower.
pub const HANGS: Duration = Duration::from_secs(600);

/// [`HANGS`] as the endpoints file spells it: for limits that do not matter to a test.
pub const NEVER: &str = "10m";

/// What comes, and fails with `what` when the test hangs.
///
/// # Panics
/// It did not come within [`HANGS`].
pub async fn awaited<F: Future>(what: &str, coming: F) -> F::Output {
    let came = tokio::time::timeout(HANGS, coming).await;
    came.unwrap_or_else(|_| panic!("it hangs: {what}"))
}

/// Whether it has not come by now: what waits for somebody else waits for ever.
pub async fn still_waits<F: Future>(coming: F) -> bool {
    let moment = Duration::from_millis(50);
    tokio::time::timeout(moment, coming).await.is_err()
}

/// How often is looked whether something has come.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until `holds`, and fails with `what` when the test hangs.
///
/// # Panics
/// It did not hold within [`HANGS`].
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_telling(|| what.to_owned(), holds);
}

/// The same, where what is told is found out only then.
///
/// # Panics
/// It did not hold within [`HANGS`].
pub fn wait_telling(what: impl Fn() -> String, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < HANGS, "it hangs: {}", what());
        std::thread::sleep(LOOK);
    }
}
