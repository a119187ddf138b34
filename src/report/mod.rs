//! Reports: what a run found, for every kind of reader.
//!
//! A report is a pure function of the [`RunRecord`]: no network, no clock, no file, no setting that
//! is not in the record. It can therefore be made again from a saved record, and tested from a fixed
//! one. Totals are in the record; no report counts for itself.
//!
//! To add one, write one file with a function from the record to text, and call it in [`files()`] if
//! it belongs to the files that every run leaves. Text that came from a server passes [`text`] on
//! its way, because it may hold anything.

use crate::model::RunRecord;

pub mod curl;
mod detail;
pub mod failures;
pub mod json;
pub mod junit;
pub mod matrix;
pub mod pairs;
pub mod record;
pub mod style;
pub mod table;
pub mod text;
pub mod token;

#[cfg(test)]
pub(crate) mod sample;

use style::Style;

/// A report that is to become a file.
#[derive(Debug)]
pub struct File {
    /// Its name in the folder of reports.
    pub name: &'static str,
    /// What it holds, or why it could not be made.
    pub content: Result<String, FormatError>,
}

/// A record that a format cannot express.
#[derive(Debug, thiserror::Error)]
#[error("{format} cannot express this run: {reason}")]
pub struct FormatError {
    format: &'static str,
    reason: String,
}

impl FormatError {
    fn new(format: &'static str, reason: impl ToString) -> Self {
        Self {
            format,
            reason: reason.to_string(),
        }
    }
}

/// The files that every run leaves. One that cannot be made does not keep the others back.
pub fn files(record: &RunRecord) -> Vec<File> {
    vec![
        File {
            name: "run.json",
            content: json::write(record),
        },
        File {
            name: "junit.xml",
            content: junit::write(record),
        },
        File {
            name: "table.txt",
            content: Ok(table::write(record, Style::Plain)),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_leaves_its_files_without_colour() {
        let files = files(&sample::record());
        let names: Vec<_> = files.iter().map(|file| file.name).collect();
        assert_eq!(names, ["run.json", "junit.xml", "table.txt"]);
        for file in files {
            let content = file.content.unwrap();
            assert!(content.ends_with('\n') && !content.contains('\x1b'));
        }
    }
}
