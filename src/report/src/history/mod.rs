//! What earlier runs found: each run's verdicts in one SQLite file. The only room that names the database crate.
//!
//! A row for each run and endpoint holds a letter for each case; the list of case ids stands once for all rows that
//! have the same. The file has a rollback journal, not a write-ahead log: the latter needs memory that all processes
//! share, so that it fails where the folder is on a network file system and two machines write. A second run waits
//! until the first one has written.

mod error;
mod layout;
mod letter;
mod look;
mod recall;
mod record;
mod track;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row};

use touchstone_model::{RunId, TrendPoint};

pub use error::HistoryError;
pub use look::{CaseHistory, LATEST, PREVIOUS};

use letter::Tally;

/// How long one waits for another that writes.
const PATIENCE: Duration = Duration::from_secs(15);

/// An open history.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    connection: Connection,
}

/// Whether it is a regular file that can be read: to open a pipe would wait for its writer.
fn readable(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => File::open(path).map(drop),
        (_, true) => Err(ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::other("it is no regular file")),
    }
}

impl History {
    /// Opens a history to write to. One that is missing is made, one of an older version is brought up to date.
    ///
    /// # Errors
    /// What stands there is no history, is damaged, is newer than this program, or cannot be written. It is left as
    /// it is.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut history = Self::connect(path, flags)?;
        layout::prepare(&mut history.connection, path)?;
        Ok(history)
    }

    /// Opens a history that is there, to read from it.
    ///
    /// # Errors
    /// As [`History::open`], and where there is none.
    pub fn read(path: &Path) -> Result<Self, HistoryError> {
        if let Err(source) = std::fs::metadata(path) {
            return Err(HistoryError::unreadable(path, source));
        }
        let history = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        match layout::version(&history.connection, path) {
            Ok(layout::NEWEST) => Ok(history),
            Ok(0) => Err(HistoryError::Missing(path.to_owned())),
            // Of an older version, or with the journal of a run that was killed: only who may write can put it right.
            Ok(_) | Err(HistoryError::Unusable { .. }) => Self::open(path),
            Err(error) => Err(error),
        }
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, HistoryError> {
        // The database opens what lies beside it as well.
        for end in ["", "-journal", "-wal"] {
            let mut beside = path.as_os_str().to_owned();
            beside.push(end);
            match readable(Path::new(&beside)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(HistoryError::unreadable(path, error)),
            }
        }
        // No name of a file is special, not even `:memory:`.
        let place = Path::new(".").join(path);
        let connection =
            Connection::open_with_flags(place, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(|error| HistoryError::of(path, error))?;
        let set = || {
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "trusted_schema", false)?;
            connection.pragma_update(None, "cell_size_check", true)
        };
        set().map_err(|error| HistoryError::of(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number that is another one after somebody else has written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn state(&self) -> Result<i64, HistoryError> {
        let read = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0));
        read.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: rusqlite::Error) -> HistoryError {
        HistoryError::of(&self.path, error)
    }
}

/// A row's run, as all queries of rows name it.
struct Stamp {
    run: RunId,
    started: jiff::Timestamp,
    interrupted: bool,
    /// Whether it had some of the cases or endpoints alone.
    partial: bool,
}

impl Stamp {
    /// The columns that [`Stamp::of`] reads, the first of all.
    const COLUMNS: &str = "run.id, run.started, run.interrupted, run.partial";
    /// How many these are.
    const WIDTH: usize = 4;
    /// The condition of runs that speak for all cases and endpoints; where none does, of those that came to their end.
    const WHOLE: &str = "NOT run.interrupted AND (NOT run.partial OR NOT EXISTS (SELECT 1 FROM run AS other WHERE NOT other.partial))";

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            run: layout::run_id(row, 0)?,
            started: layout::timestamp(row, 1)?,
            interrupted: row.get(2)?,
            partial: row.get(3)?,
        })
    }

    fn point(&self, software: Option<String>, tally: Tally) -> TrendPoint {
        TrendPoint {
            run: self.run.clone(),
            started: self.started,
            software,
            pass: tally.pass,
            warn: tally.warn,
            fail: tally.fail,
            known: tally.known,
            error: tally.error,
            skip: tally.skip,
        }
    }
}
