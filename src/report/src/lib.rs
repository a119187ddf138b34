//! Reports: what a run found, for every kind of reader.
//!
//! A report is a pure function of the [`RunRecord`]: no network, no clock, no file, no setting that
//! is not in the record. It can therefore be made again from a saved record, and tested from a fixed
//! one. Totals are in the record; no report counts for itself.
//!
//! | modules | what they hold |
//! |---|---|
//! | [`record`], [`merge`], [`mode`] | the record: folded from events, joined from shards, judged by another mode |
//! | [`json`], [`junit`], [`html`], [`table`], [`markdown`], [`ticket`], [`csv`], [`prometheus`], [`nagios`], [`monit`], [`badge`] | a format each |
//! | [`failures`], `detail`, [`curl`], [`hints`], [`spread`], [`basis`], [`news`], [`health`] | parts that several formats share |
//! | [`diff`], [`brief`], [`index`] | two runs compared, and the page of many runs |
//! | [`matrix`], [`pairs`] | the proof, and the matrix of transfers |
//! | [`history`] | earlier runs in SQLite |
//! | [`text`], [`style`] | what text passes on its way into a report |
//!
//! To add a format, write one file with a function from the record to text, and name it in [`FORMATS`]. Text that came
//! from a server passes [`text`] on its way, because it may hold anything.

use std::io;

use touchstone_model::RunRecord;

mod alike;
pub mod badge;
pub mod basis;
pub mod brief;
pub mod csv;
pub mod curl;
mod detail;
pub mod diff;
pub mod failures;
pub mod health;
pub mod hints;
pub mod history;
pub mod html;
pub mod index;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod matrix;
pub mod merge;
pub mod mode;
pub mod monit;
pub mod nagios;
pub mod news;
pub mod pairs;
pub mod prometheus;
pub mod record;
pub mod spread;
pub mod style;
pub mod table;
pub mod text;
pub mod ticket;

#[cfg(test)]
pub(crate) mod sample;

use style::Style;

/// A kind of report.
#[derive(Debug)]
pub struct ReportFormat {
    /// What it is called with `--format`.
    pub name: &'static str,
    /// For whom it is, in a few words.
    pub about: &'static str,
    /// Its file in the folder of a run; for [`Made::Each`], a folder there.
    pub file: &'static str,
    /// Whether every run leaves it.
    pub usual: bool,
    /// How it is made.
    pub made: Made,
}

/// How a report is made from a record.
#[derive(Clone, Copy, Debug)]
pub enum Made {
    /// As one text.
    One(fn(&RunRecord) -> Result<String, FormatError>),
    /// As one text, piece by piece, for it may be larger than the record in memory.
    Streamed(Stream),
    /// As a file for each endpoint; their names are relative to the folder.
    Each(fn(&RunRecord) -> Vec<File>),
}

/// Writes a report.
pub type Stream = fn(&RunRecord, &mut dyn io::Write) -> io::Result<()>;

/// Every format, in the order of the documentation.
pub const FORMATS: &[ReportFormat] = &[
    ReportFormat {
        name: "json",
        about: "the run record itself: all other formats are made from it",
        file: json::FILE,
        usual: true,
        made: Made::Streamed(json::stream),
    },
    ReportFormat {
        name: "junit",
        about: "JUnit XML for CI",
        file: "junit.xml",
        usual: true,
        made: Made::One(junit::write),
    },
    ReportFormat {
        name: "html",
        about: "a page for browsers: summary, matrix to filter and to open, failures",
        file: "report.html",
        usual: true,
        made: Made::One(html::write),
    },
    ReportFormat {
        name: "table",
        about: "the tables as they are printed",
        file: "table.txt",
        usual: true,
        made: Made::One(|record| Ok(table::write(record, Style::Plain))),
    },
    ReportFormat {
        name: "markdown",
        about: "a summary on one screen, for minutes and chats",
        file: "summary.md",
        usual: true,
        made: Made::One(|record| Ok(markdown::write(record))),
    },
    ReportFormat {
        name: "ticket",
        about: "a text for the helpdesk for each endpoint, about what is new since the last run",
        file: "tickets",
        usual: true,
        made: Made::Each(ticket::news),
    },
    ReportFormat {
        name: "tickets-all",
        about: "the same about everything that fails, new or not",
        file: "tickets-all",
        usual: false,
        made: Made::Each(ticket::all),
    },
    ReportFormat {
        name: "csv",
        about: "a row for each result, for spreadsheets",
        file: "results.csv",
        usual: false,
        made: Made::One(csv::write),
    },
    ReportFormat {
        name: "prometheus",
        about: "gauges for the textfile collector of Prometheus' node exporter",
        file: "touchstone.prom",
        usual: false,
        made: Made::One(prometheus::write),
    },
    ReportFormat {
        name: "nagios",
        about: "the output of a Nagios plugin; without a path to stdout, with Nagios' exit code",
        file: "nagios.txt",
        usual: false,
        made: Made::One(nagios::write),
    },
    ReportFormat {
        name: "nagios-passive",
        about: "a passive check result for each endpoint, for Nagios' command file",
        file: "nagios-passive.txt",
        usual: false,
        made: Made::One(nagios::passive),
    },
    ReportFormat {
        name: "monit",
        about: "an array of flat JSON objects, for MONIT",
        file: "monit.json",
        usual: false,
        made: Made::One(monit::write),
    },
    ReportFormat {
        name: "badge",
        about: "a picture for each endpoint, for web pages",
        file: "badges",
        usual: false,
        made: Made::Each(badge::write),
    },
];

impl ReportFormat {
    /// Its files, named relative to the folder of the run.
    pub fn files(&self, record: &RunRecord) -> Vec<File> {
        match self.made {
            Made::Each(write) => write(record)
                .into_iter()
                .map(|file| File {
                    name: format!("{}/{}", self.file, file.name),
                    content: file.content,
                })
                .collect(),
            Made::One(_) | Made::Streamed(_) => vec![File {
                name: self.file.to_owned(),
                content: self.text(record),
            }],
        }
    }

    /// Whether it is one file.
    pub fn single(&self) -> bool {
        !matches!(self.made, Made::Each(_))
    }

    /// The text of one that is a single file.
    ///
    /// # Errors
    /// The format cannot express the run, or makes several files.
    pub fn text(&self, record: &RunRecord) -> Result<String, FormatError> {
        match self.made {
            Made::One(write) => write(record),
            Made::Streamed(write) => {
                let mut text = Vec::new();
                write(record, &mut text)
                    .map_err(|error| FormatError::new(self.name, error))
                    .and_then(|()| {
                        String::from_utf8(text).map_err(|error| FormatError::new(self.name, error))
                    })
            }
            Made::Each(_) => Err(FormatError::new(self.name, "it makes several files")),
        }
    }
}

/// A report that is to become a file.
#[derive(Debug)]
pub struct File {
    /// Its path below the folder of the run, of harmless characters.
    pub name: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_leaves_its_files_without_colour() {
        let usual = FORMATS.iter().filter(|format| format.usual);
        let files: Vec<_> = usual
            .flat_map(|format| format.files(&sample::record()))
            .collect();
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "run.json",
                "junit.xml",
                "report.html",
                "table.txt",
                "summary.md",
                "tickets/se-alpha.txt"
            ]
        );
        for file in files {
            let content = file.content.unwrap();
            assert!(content.ends_with('\n') && !content.contains('\x1b'));
        }
    }

    #[test]
    fn what_earlier_runs_found_is_in_the_record() {
        let record = sample::with_past();
        let back = json::read(&json::write(&record).unwrap()).unwrap();
        assert_eq!(back.past, record.past);
        assert_eq!(back.results, record.results);
    }
}
