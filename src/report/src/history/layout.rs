//! The tables, and how those of older versions become the present ones.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, TransactionBehavior};

use touchstone_model::RunId;

use super::HistoryError;

/// What the header of the file says of whose it is: `tstn`.
const OURS: i64 = 0x7473_746e;

/// What leads from each version of the layout to the next one; the first from nothing.
const STEPS: &[&str] = &["
    CREATE TABLE run (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        started INTEGER NOT NULL,       -- nanoseconds since 1970
        duration INTEGER NOT NULL,      -- milliseconds
        version TEXT NOT NULL,          -- of touchstone
        interrupted INTEGER NOT NULL
    );
    CREATE INDEX run_started ON run (started);
    CREATE TABLE cases (
        number INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,      -- SHA-256 of `ids`
        ids TEXT NOT NULL               -- a JSON array
    );
    CREATE TABLE result (
        run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
        place INTEGER NOT NULL,         -- in the order of the record
        endpoint TEXT NOT NULL,
        partner TEXT,                   -- of third-party copies, where it was prescribed
        software TEXT,
        cases INTEGER NOT NULL,
        verdicts TEXT NOT NULL          -- a letter for each of the cases: P W F K E S
    );
    CREATE INDEX result_run ON result (run, place);
    CREATE INDEX result_endpoint ON result (endpoint, run);
", "
    ALTER TABLE run ADD COLUMN partial INTEGER NOT NULL DEFAULT 0;  -- whether it had some of the cases or endpoints alone
    UPDATE run SET partial = interrupted;
"];

/// The version that this program writes.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// The version of a file; 0 of a new one.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<i64, HistoryError> {
    let read = || -> rusqlite::Result<_> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let count = |what| {
            let query = format!("SELECT count(*) FROM sqlite_schema WHERE {what}");
            connection.query_row(&query, [], |row| row.get::<_, i64>(0))
        };
        // Statements of somebody else, which may never end.
        if count("type IN ('view', 'trigger') OR sql LIKE 'CREATE VIRTUAL %'")? > 0 {
            return Ok((0, 0, 1));
        }
        Ok((
            pragma("application_id")?,
            pragma("user_version")?,
            count("true")?,
        ))
    };
    match read().map_err(|error| HistoryError::of(path, error))? {
        (OURS, found, _) if found > NEWEST => Err(HistoryError::Newer {
            path: path.to_owned(),
            found,
            known: NEWEST,
        }),
        (OURS, found @ 1.., _) => Ok(found),
        (0, 0, 0i64) => Ok(0),
        _ => Err(HistoryError::Foreign(path.to_owned())),
    }
}

/// Makes the tables, or brings them up to date.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), HistoryError> {
    if version(connection, path)? == NEWEST {
        return Ok(());
    }
    let failed = |error| HistoryError::of(path, error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    // Another run may have done it while this one waited.
    let found = version(&transaction, path)?;
    for (step, number) in STEPS.iter().zip(1..).filter(|(_, number)| *number > found) {
        transaction.execute_batch(step).map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", number)
            .map_err(failed)?;
    }
    transaction
        .pragma_update(None, "application_id", OURS)
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Reads a run id.
pub(super) fn run_id(row: &Row<'_>, column: usize) -> rusqlite::Result<RunId> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: &str| wrong(column, error))
}

/// Reads a time.
pub(super) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let nanoseconds: i64 = row.get(column)?;
    Timestamp::from_nanosecond(nanoseconds.into()).map_err(|error| wrong(column, error))
}

/// A time as it is stored; the years until 2262 can be.
pub(super) fn nanoseconds(timestamp: Timestamp) -> i64 {
    i64::try_from(timestamp.as_nanosecond()).unwrap_or(i64::MAX)
}

/// What a column holds cannot be.
pub(super) fn wrong(
    column: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
