//! A secret in a file that somebody else writes anew while we run.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use crate::token::shown;
use crate::token::{SecretError, load, load_bearer};
use touchstone_model::SecretRef;

/// What the file holds now; `what` says in messages what it has to be. Only a regular file is read, for a
/// pipe would wait for its writer, and no longer than `deadline`, for file systems may hang.
pub(super) async fn read(
    path: &Path,
    what: &'static str,
    deadline: Duration,
) -> Result<SecretString, String> {
    with(load, path, what, deadline).await
}

/// The same of a bearer token, which has to have its form.
pub(super) async fn bearer(
    path: &Path,
    what: &'static str,
    deadline: Duration,
) -> Result<SecretString, String> {
    with(load_bearer, path, what, deadline).await
}

async fn with(
    load: fn(&SecretRef, &'static str) -> Result<SecretString, SecretError>,
    path: &Path,
    what: &'static str,
    deadline: Duration,
) -> Result<SecretString, String> {
    let owned = path.to_owned();
    let work = tokio::task::spawn_blocking(move || {
        load(&SecretRef::File(owned), what).map_err(|error| error.to_string())
    });
    match tokio::time::timeout(deadline, work).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(format!(
            "cannot read {}: the thread for it died",
            shown(path)
        )),
        Err(_) => Err(format!(
            "cannot read {}: it took longer than {}",
            shown(path),
            humantime::format_duration(deadline)
        )),
    }
}

/// Whether it can be read again: what comes from a pipe is gone.
pub(super) fn regular(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}
