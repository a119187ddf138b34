//! Taking a run in, and letting old ones go.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use touchstone_model::{CaseId, CaseOutcome, EndpointOutcome, RunOutcome, RunRecord};

use super::letter::Found;
use super::{History, HistoryError, layout};

impl History {
    /// Takes a run in; one of the same id is replaced. Runs that began more than `keep` before it go; says how many.
    ///
    /// # Errors
    /// It could not be written; then all is as before.
    pub fn record(
        &mut self,
        record: &RunRecord,
        keep: Option<SignedDuration>,
    ) -> Result<usize, HistoryError> {
        let id = record.run.id.as_str();
        let outcome = RunOutcome::from(record);
        self.write(|transaction| {
            transaction.execute("DELETE FROM run WHERE id = ?1", [id])?;
            transaction.execute(
                "INSERT INTO run (id, started, duration, version, interrupted, partial) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    id,
                    layout::nanoseconds(record.run.started),
                    i64::try_from(record.run.duration_ms).unwrap_or(i64::MAX),
                    record.run.version,
                    record.run.interrupted,
                    record.run.is_partial(),
                ],
            )?;
            insert(transaction, transaction.last_insert_rowid(), &outcome)?;
            match keep.and_then(|keep| record.run.started.checked_sub(keep).ok()) {
                Some(oldest) => prune(transaction, oldest),
                None => Ok(0),
            }
        })
    }

    /// Lets the runs go that began before `oldest`, and gives the space back. Says how many.
    ///
    /// # Errors
    /// It could not be written.
    pub fn prune(&mut self, oldest: Timestamp) -> Result<usize, HistoryError> {
        let gone = self.write(|transaction| prune(transaction, oldest))?;
        self.connection
            .execute_batch("VACUUM")
            .map_err(|error| self.failed(error))?;
        Ok(gone)
    }

    /// All or nothing. Who writes is alone from the start, so that two who read first cannot block one another.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        let path = &self.path;
        let connection: &mut Connection = &mut self.connection;
        let all = || -> rusqlite::Result<T> {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        all().map_err(|error| HistoryError::of(path, error))
    }
}

fn prune(transaction: &Transaction<'_>, oldest: Timestamp) -> rusqlite::Result<usize> {
    let oldest = layout::nanoseconds(oldest);
    let gone = transaction.execute("DELETE FROM run WHERE started < ?1", [oldest])?;
    if gone > 0 {
        transaction.execute(
            "DELETE FROM cases WHERE number NOT IN (SELECT cases FROM result)",
            [],
        )?;
    }
    Ok(gone)
}

fn insert(transaction: &Transaction<'_>, run: i64, outcome: &RunOutcome) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare(
        "INSERT INTO result (run, place, endpoint, partner, software, cases, verdicts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut last: Option<(Vec<&CaseId>, i64)> = None;
    let mut place = 0;
    for endpoint in &outcome.endpoints {
        for (partner, cases) in by_partner(endpoint) {
            let ids: Vec<_> = cases.iter().map(|case| &case.case).collect();
            // Nearly always every endpoint has the same cases.
            let list = match last.take().filter(|(known, _)| *known == ids) {
                Some((_, list)) => list,
                None => list(transaction, &ids)?,
            };
            let verdicts: String = cases.iter().map(|case| letter(case)).collect();
            let (name, software) = (&endpoint.name, &endpoint.software);
            insert.execute(params![run, place, name, partner, software, list, verdicts])?;
            place += 1;
            last = Some((ids, list));
        }
    }
    Ok(())
}

/// The cases without a partner, then those with each partner; the partners change from run to run, their cases do not.
fn by_partner(endpoint: &EndpointOutcome) -> Vec<(Option<&str>, Vec<&CaseOutcome>)> {
    let mut parts: Vec<(Option<&str>, Vec<&CaseOutcome>)> = vec![(None, Vec::new())];
    for case in &endpoint.cases {
        let partner = case.partner.as_deref();
        match parts.iter_mut().rev().find(|(name, _)| *name == partner) {
            Some((_, cases)) => cases.push(case),
            None => parts.push((partner, vec![case])),
        }
    }
    parts
}

fn letter(case: &CaseOutcome) -> char {
    let found = Found {
        verdict: case.verdict,
        known: case.known,
    };
    found.letter()
}

/// The number of a list of cases, which is added if it is new.
fn list(transaction: &Transaction<'_>, ids: &[&CaseId]) -> rusqlite::Result<i64> {
    let ids = serde_json::to_string(ids)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let hash = Sha256::digest(&ids);
    let known = transaction
        .query_row(
            "SELECT number FROM cases WHERE hash = ?1",
            [hash.as_slice()],
            |row| row.get(0),
        )
        .optional()?;
    match known {
        Some(number) => Ok(number),
        None => {
            transaction.execute(
                "INSERT INTO cases (hash, ids) VALUES (?1, ?2)",
                params![hash.as_slice(), ids],
            )?;
            Ok(transaction.last_insert_rowid())
        }
    }
}
