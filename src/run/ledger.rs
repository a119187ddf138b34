//! What a run may have created, written down before it is sent, so that even a killed run can be
//! cleaned up after.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::RunId;

/// An append-only file of JSON lines, and what is not yet removed.
#[derive(Clone, Debug)]
pub struct Ledger {
    run: RunId,
    path: Arc<Path>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// Whether the last line was not written to its end.
    torn: bool,
    left: Vec<Remaining>,
}

/// An object that a run may have left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remaining {
    /// Name of the endpoint.
    pub endpoint: String,
    /// URL of the endpoint's area, to find it again.
    pub area: String,
    /// Absolute below the area.
    pub path: String,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Run(RunId),
    Create(Remaining),
    Gone { endpoint: String, path: String },
}

/// Why there is no ledger. Nothing may be created then.
#[derive(Debug, Error)]
#[error("the ledger {path}: {source}; nothing is created on storage without it")]
pub struct LedgerError {
    path: PathBuf,
    source: std::io::Error,
}

impl Ledger {
    /// Begins the file at `path`, which must not exist yet.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path, run: &RunId) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(failed)?;
        // Held for as long as the run lives: `clean` leaves the ledger of a living run alone.
        file.lock().map_err(failed)?;
        let ledger = Self {
            run: run.clone(),
            path: Arc::from(path),
            inner: Arc::new(Mutex::new(Inner {
                file,
                torn: false,
                left: Vec::new(),
            })),
        };
        ledger.append(&Line::Run(run.clone()), true)?;
        Ok(ledger)
    }

    /// Reads what the run that wrote `path` left behind, in the order in which it was created.
    ///
    /// Lines that cannot be read, as a power cut or a full disk leaves them, are passed over: each of the
    /// others counts for itself.
    ///
    /// # Errors
    /// The file cannot be read or is no ledger.
    pub fn read(path: &Path) -> Result<(RunId, Vec<Remaining>), LedgerError> {
        let failed = |source| LedgerError {
            path: path.to_owned(),
            source,
        };
        let odd = |text: &str| failed(std::io::Error::other(text.to_owned()));
        let mut run = None;
        let mut left: Vec<Remaining> = Vec::new();
        for line in BufReader::new(File::open(path).map_err(failed)?).split(b'\n') {
            let line = line.map_err(failed)?;
            match serde_json::from_slice(&line) {
                Ok(Line::Run(id)) => run = Some(id),
                Ok(Line::Create(object)) => left.push(object),
                Ok(Line::Gone { endpoint, path }) => {
                    left.retain(|object| object.endpoint != endpoint || object.path != path);
                }
                Err(_) if run.is_some() => {}
                Err(_) => return Err(odd("it does not begin with the name of a run")),
            }
        }
        run.map(|run| (run, left)).ok_or_else(|| odd("it is empty"))
    }

    /// Writes down that `object` is about to be created. Only then may it be.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn will_create(&self, object: &Remaining) -> Result<(), LedgerError> {
        // Everything of a run lies below its directories: with these on disk, a power cut loses nothing.
        let root = object.path.rsplit('/').next().and_then(RunId::of_directory);
        self.append(&Line::Create(object.clone()), root.is_some())?;
        self.inner().left.push(object.clone());
        Ok(())
    }

    /// Writes down that an object is gone.
    pub fn gone(&self, endpoint: &str, path: &str) {
        let line = Line::Gone {
            endpoint: endpoint.to_owned(),
            path: path.to_owned(),
        };
        // At worst it is looked for once more.
        if let Err(error) = self.append(&line, false) {
            tracing::warn!("{error}");
        }
        self.inner()
            .left
            .retain(|object| object.endpoint != endpoint || object.path != path);
    }

    /// What is not yet removed.
    pub fn left(&self) -> Vec<Remaining> {
        self.inner().left.clone()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run that writes it.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Removes the file if nothing is left to remove on storage; says whether it did.
    pub fn close(self) -> bool {
        self.inner().left.is_empty() && std::fs::remove_file(&self.path).is_ok()
    }

    fn append(&self, line: &Line, to_disk: bool) -> Result<(), LedgerError> {
        let failed = |source| LedgerError {
            path: self.path.to_path_buf(),
            source,
        };
        let mut text = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
        text.push('\n');
        let mut inner = self.inner();
        if inner.torn {
            text.insert(0, '\n');
        }
        inner.torn = true;
        inner.file.write_all(text.as_bytes()).map_err(failed)?;
        inner.torn = false;
        if to_disk {
            inner.file.sync_data().map_err(failed)?;
        }
        Ok(())
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str) -> Remaining {
        Remaining {
            endpoint: "se".into(),
            area: "https://se.example.org/wlcg".into(),
            path: path.into(),
        }
    }

    #[test]
    fn what_is_not_gone_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let run: RunId = "20261122t072848z-4f2a9c".parse().unwrap();
        let ledger = Ledger::create(&path, &run).unwrap();
        for name in ["/a", "/a/f", "/a/g"] {
            ledger.will_create(&object(name)).unwrap();
        }
        ledger.gone("se", "/a/f");
        let left = vec![object("/a"), object("/a/g")];
        assert_eq!(Ledger::read(&path).unwrap(), (run.clone(), left.clone()));
        assert_eq!(ledger.left(), left);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(
            Ledger::read(&path).unwrap().1.len(),
            3,
            "a cut line is not believed"
        );
        assert!(!ledger.clone().close());
        for name in ["/a", "/a/g"] {
            ledger.gone("se", name);
        }
        assert!(ledger.close());
        assert!(!path.exists());
    }

    #[test]
    fn a_line_that_cannot_be_read_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let run: RunId = "20261122t072848z-4f2a9c".parse().unwrap();
        let ledger = Ledger::create(&path, &run).unwrap();
        ledger.will_create(&object("/a")).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"create\":{\"endp\n\xff\xfe\0\0\n\n[1]\n")
            .unwrap();
        ledger.will_create(&object("/a/f")).unwrap();
        let left = vec![object("/a"), object("/a/f")];
        assert_eq!(Ledger::read(&path).unwrap(), (run, left));
    }

    #[test]
    fn other_files_are_no_ledgers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for text in ["", "hello\n", "{\"create\": 1}\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(Ledger::read(&path).is_err(), "{text}");
        }
        assert!(Ledger::create(&path, &"20261122t072848z-4f2a9c".parse().unwrap()).is_err());
    }
}
