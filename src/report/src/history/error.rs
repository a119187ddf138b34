use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use super::PATIENCE;

/// Why the history is of no use. The file itself is never removed or replaced.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// No run has written one.
    #[error(
        "there is no history at {}; `touchstone run` begins one, and --history names another file",
        .0.display()
    )]
    Missing(PathBuf),
    /// It was written by a newer program.
    #[error(
        "the history {} was written by a newer touchstone: its layout is {found}, and this one knows those up to {known}; use the newer one, or name another file with --history",
        path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// It is the database of another program.
    #[error(
        "{} is a database, but no history of touchstone; name another file with --history",
        .0.display()
    )]
    Foreign(PathBuf),
    /// It is no database, or a broken one.
    #[error(
        "the history {} is damaged, or no history at all: {what}; move it away, and the next run begins a new one",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What was found out.
        what: String,
    },
    /// Others kept it locked.
    #[error(
        "the history {} was locked by another process for {} s; is a run stuck, or does its file system know no locks?",
        .0.display(), PATIENCE.as_secs()
    )]
    Busy(PathBuf),
    /// It cannot be opened, read or written.
    #[error(
        "cannot use the history {}: {what}; check the permissions and the free space of its folder, or name another file with --history",
        path.display()
    )]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        what: String,
    },
    /// It has no run of that name.
    #[error("the history {} has no run `{name}`{hint}", path.display())]
    NoRun {
        /// Which history.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// What would have been right, to be printed behind the rest.
        hint: String,
    },
}

impl HistoryError {
    /// What an error of the database means for whoever gave its file.
    pub(super) fn of(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(path),
            // `Unknown` is what a table or column that is missing leads to.
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
            | None => Self::Damaged {
                path,
                what: error.to_string(),
            },
            Some(_) => Self::Unusable {
                path,
                what: error.to_string(),
            },
        }
    }

    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(path),
            _ => Self::Unusable {
                path,
                what: source.to_string(),
            },
        }
    }
}
