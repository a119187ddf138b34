//! What a run may have created, written down before it is sent, so that even a killed run can be
//! cleaned up after.

use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::open_regular;
use touchstone_model::{Marker, RunId};

/// How the names of files begin that are not yet ledgers.
pub const BEGUN: &str = ".ledger-";

/// Bytes of a ledger that are read: several times what a run with all endpoints of the grid writes.
const LARGEST: u64 = 64 << 20;

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
    /// Whether the last line may be there in part.
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

/// What a ledger says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerSummary {
    /// The run that wrote it; `None` if it ended before it could create anything.
    pub run: Option<RunId>,
    /// What is not yet removed, in the order in which it was created.
    pub left: Vec<Remaining>,
    /// How many lines could not be read.
    pub unreadable: usize,
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
#[error(
    "the ledger {path}: {source}; nothing is created on storage without it, so check the permissions and the free space of its folder, or choose another with --report-dir"
)]
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
        // Whoever finds it under its name finds it locked, and with the name of its run.
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let begun = tempfile::Builder::new()
            .prefix(BEGUN)
            .append(true)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(failed)?;
        // Held for as long as the run lives: `clean` leaves the ledger of a living run alone.
        begun.as_file().lock().map_err(failed)?;
        let mut text = text(&Line::Run(run.clone())).map_err(failed)?;
        text.push('\n');
        begun.as_file().write_all(text.as_bytes()).map_err(failed)?;
        begun.as_file().sync_data().map_err(failed)?;
        let file = begun
            .persist_noclobber(path)
            .map_err(|error| failed(error.error))?;
        Ok(Self {
            run: run.clone(),
            path: Arc::from(path),
            inner: Arc::new(Mutex::new(Inner {
                file,
                torn: false,
                left: Vec::new(),
            })),
        })
    }

    /// Reads what the run that wrote `path` left behind.
    ///
    /// Lines that cannot be read are left out: a line that was cut off stands for nothing, because what it would name
    /// is created only after the whole line is there.
    ///
    /// # Errors
    /// The file cannot be read or is no ledger.
    pub fn read(path: &Path) -> Result<LedgerSummary, LedgerError> {
        let failed = |source| LedgerError {
            path: path.to_owned(),
            source,
        };
        let content = whole(path).map_err(failed)?;
        let mut lines = content.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let mut account = match serde_json::from_slice(first) {
            Ok(Line::Run(run)) => LedgerSummary {
                run: Some(run),
                ..LedgerSummary::default()
            },
            // The power failed before anything was created.
            _ if content.iter().all(|byte| matches!(byte, 0 | b'\n')) => {
                return Ok(LedgerSummary::default());
            }
            _ => {
                let odd = "it does not begin with the name of a run";
                return Err(failed(std::io::Error::other(odd)));
            }
        };
        // By what they are called, so that whoever fills a ledger costs no more time than it has lines.
        let mut left: Vec<Option<Remaining>> = Vec::new();
        let mut by_name: HashMap<(String, String), Vec<usize>> = HashMap::new();
        for line in lines.filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(Line::Create(object)) => {
                    let name = (object.endpoint.clone(), object.path.clone());
                    by_name.entry(name).or_default().push(left.len());
                    left.push(Some(object));
                }
                Ok(Line::Gone { endpoint, path }) => {
                    let gone = by_name.remove(&(endpoint, path)).unwrap_or_default();
                    gone.into_iter().for_each(|at| left[at] = None);
                }
                Ok(Line::Run(_)) | Err(_) => account.unreadable += 1,
            }
        }
        account.left = left.into_iter().flatten().collect();
        Ok(account)
    }

    /// Writes down that `object` is about to be created. Only then may it be.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn will_create(&self, object: &Remaining) -> Result<(), LedgerError> {
        // Everything of a run lies below its directories: with these on disk, a power cut loses nothing.
        let root = object.path.rsplit('/').next().and_then(Marker::parse);
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
        let text = text(line).map_err(failed)?;
        let mut inner = self.inner();
        // What a full disk has left of a line does not spoil the next one.
        let begin = if inner.torn { "\n" } else { "" };
        let written = inner.file.write_all(format!("{begin}{text}\n").as_bytes());
        inner.torn = written.is_err();
        written.map_err(failed)?;
        if to_disk {
            inner.file.sync_data().map_err(failed)?;
        }
        Ok(())
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is in the file.
fn whole(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut file = open_regular(path)?.take(LARGEST + 1);
    file.read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        let large = format!("it has more than {LARGEST} bytes, which no run writes");
        return Err(std::io::Error::other(large));
    }
    Ok(content)
}

fn text(line: &Line) -> std::io::Result<String> {
    serde_json::to_string(line).map_err(std::io::Error::other)
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
        let account = Ledger::read(&path).unwrap();
        assert_eq!(
            (account.run, account.left),
            (Some(run.clone()), left.clone())
        );
        assert_eq!(account.unreadable, 0);
        assert_eq!(ledger.left(), left);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        let cut = Ledger::read(&path).unwrap();
        assert_eq!(cut.left.len(), 3, "a cut line is not believed");
        assert_eq!(cut.unreadable, 1);
        assert!(!ledger.clone().close());
        for name in ["/a", "/a/g"] {
            ledger.gone("se", name);
        }
        assert!(ledger.close());
        assert!(!path.exists());
    }

    #[test]
    fn garbage_between_lines_hides_none_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let run: RunId = "20261122t072848z-4f2a9c".parse().unwrap();
        let ledger = Ledger::create(&path, &run).unwrap();
        ledger.will_create(&object("/a")).unwrap();
        let garbage = b"{\"create\":{\"endpo\n\xff\xfe\0\n\n";
        ledger.inner().file.write_all(garbage).unwrap();
        ledger.will_create(&object("/b")).unwrap();
        let account = Ledger::read(&path).unwrap();
        assert_eq!(account.left, [object("/a"), object("/b")]);
        assert_eq!(account.unreadable, 2);
        for text in ["", "\n", "\0\0\0"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Ledger::read(&path).unwrap(), LedgerSummary::default());
        }
    }

    #[test]
    fn other_files_are_no_ledgers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for text in ["hello\n", "{\"create\": 1}\n", "\0\0x"] {
            std::fs::write(&path, text).unwrap();
            assert!(Ledger::read(&path).is_err(), "{text}");
        }
        assert!(Ledger::create(&path, &"20261122t072848z-4f2a9c".parse().unwrap()).is_err());
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(LARGEST + 1).unwrap();
        let large = Ledger::read(&path).unwrap_err().to_string();
        assert!(large.contains("which no run writes"), "{large}");
    }
}
