//! What a run has from earlier ones, and leaves to later ones. Trouble with it never costs a run its reports, and does
//! not change its exit code.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use touchstone_model::{RunRecord, Trend};
use touchstone_report::history::{History, HistoryError};
use touchstone_report::index::{self, IndexRow};
use touchstone_report::json;

use super::args::Remembering;
use super::{output, write};

/// Where runs leave their folders when nobody chose another one.
const REPORTS: &str = "reports";
/// The history there.
pub const HISTORY: &str = "reports/history.sqlite";
/// How often the index is written again because another run was recorded meanwhile.
const ATTEMPTS: usize = 8;

/// Where and how long runs are remembered.
pub struct Memory {
    file: PathBuf,
    keep: SignedDuration,
    /// The folder of the runs' folders, if its index is ours to write.
    index: Option<PathBuf>,
}

impl Memory {
    /// What the flags say, `usual` if nobody chose a folder for the reports; `None` for a run that is not remembered.
    pub fn of(flags: &Remembering, usual: bool) -> Option<Self> {
        let Remembering {
            no_history,
            history,
            history_days,
        } = flags;
        let file = match history {
            _ if *no_history => None,
            Some(file) => Some(file.clone()),
            // Beside a folder that somebody chose is not ours to write.
            None => usual.then(|| PathBuf::from(HISTORY)),
        };
        Some(Self {
            file: file?,
            keep: SignedDuration::from_hours(24 * i64::from(*history_days)),
            index: usual.then(|| PathBuf::from(REPORTS)),
        })
    }

    /// Fills in what earlier runs found, and takes the run in; says whether it did.
    pub fn take_in(&self, record: &mut RunRecord) -> bool {
        if !worth_remembering(record) {
            return false;
        }
        let taken = self.try_take_in(record);
        if let Err(error) = &taken {
            output::problem(&format!(
                "{error}. Later runs will not know of this one; its own reports are as usual"
            ));
        }
        taken.is_ok()
    }

    fn try_take_in(&self, record: &mut RunRecord) -> Result<(), Box<dyn std::error::Error>> {
        if let Some(folder) = self.file.parent() {
            write::create_folder(folder)?;
        }
        let mut history = History::open(&self.file)?;
        history.recall(record)?;
        let gone = history.record(record, Some(self.keep))?;
        if gone > 0 {
            output::note(&format!(
                "history: {} older than {} days forgotten",
                touchstone_report::text::count(gone, "run"),
                self.keep.as_hours() / 24
            ));
        }
        Ok(())
    }

    /// Writes the index of all runs, once the reports of this one are there.
    pub fn write_index(&self) {
        let Some(folder) = &self.index else { return };
        if let Err(error) = write_index(&self.file, folder) {
            output::problem(&error.to_string());
        }
    }
}

/// Whether later runs are compared with it: the merged run is, and not its shards.
fn worth_remembering(record: &RunRecord) -> bool {
    record.run.shard.is_none() && !record.results.is_empty()
}

/// Writes the page. While another run is recorded, which may have written it with less, it is written again.
fn write_index(file: &Path, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let history = History::read(file)?;
    for _ in 0..ATTEMPTS {
        let state = history.state()?;
        let page = index_page(&history, folder)?;
        write::write_file(&folder.join(index::FILE), page.as_bytes())?;
        if history.state()? == state {
            break;
        }
    }
    Ok(())
}

fn index_page(history: &History, folder: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let rows: Vec<_> = history
        .runs(index::RUNS)?
        .into_iter()
        .map(|run| {
            let place = folder.join(run.totals.run.as_str());
            IndexRow {
                page: place.join("report.html").is_file(),
                record: place.join(json::FILE).is_file(),
                run,
            }
        })
        .collect();
    Ok(index::write(&rows, &trends(history, &rows)?)?)
}

/// The trends of the endpoints that one of the last runs had.
fn trends(history: &History, rows: &[IndexRow]) -> Result<Vec<Trend>, HistoryError> {
    let oldest = rows
        .iter()
        .take(Trend::SHOWN)
        .map(|row| row.run.totals.started)
        .min();
    let mut trends = history.trends(&history.endpoints()?)?;
    trends.retain(|trend| trend.runs.last().map(|point| point.started) >= oldest);
    Ok(trends)
}
