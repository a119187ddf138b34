//! Reports to disk: whole or not at all, and each for itself.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tempfile::NamedTempFile;

use touchstone_engine::files::open_regular;
use touchstone_model::RunRecord;
use touchstone_report::brief::Brief;
use touchstone_report::{File, FormatError, Stream, json};

use super::output;

/// How long a run waits for another one that writes its reports into the same folder.
const TURN: Duration = Duration::from_secs(10);
/// Between two looks whether it has.
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes that are written at a time.
const BUFFER: usize = 256 << 10;

/// The link beside the folders of runs that points to the newest.
const LATEST: &str = "latest";

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder could not be made.
    #[error("cannot make the folder {}: {source}; choose another with --report-dir", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be written. What stood there before still does.
    #[error(
        "cannot write {}: {source}; check the permissions and the free space of its folder, or choose another with --report-dir",
        path.display()
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The report could not be made.
    #[error("cannot write {}: {source}; run.json has everything that it would say", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// The link to the newest run could not be set.
    #[error(
        "cannot let {} point to this run: {source}; remove it if it is no symbolic link",
        path.display()
    )]
    Latest {
        /// The link.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes a folder and its parents, if they are missing.
pub fn create_folder(path: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(path).map_err(|source| WriteError::Folder {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file whole or not at all: a reader sees the old content or the new one, even after a
/// power cut.
pub fn write_file(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    // As any new file: what the umask leaves of it.
    write_as(path, content, 0o666)
}

/// The same for nobody else to read.
pub fn write_secret(path: &Path, secret: &SecretString) -> Result<(), WriteError> {
    write_as(path, secret.expose_secret().as_bytes(), 0o600)
}

/// Writes a report piece by piece, into a folder that is made if it is missing.
pub fn write_stream(path: &Path, record: &RunRecord, stream: Stream) -> Result<(), WriteError> {
    create_folder(folder_of(path))?;
    write_with(path, 0o666, |to| stream(record, to))
}

fn write_as(path: &Path, content: &[u8], mode: u32) -> Result<(), WriteError> {
    write_with(path, mode, |to| to.write_all(content))
}

fn write_with(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    replace(folder_of(path), path, mode, fill).map_err(|source| WriteError::File {
        path: path.to_owned(),
        source,
    })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Writes each of the files into `folder`, which is made if it is missing. One that fails does not
/// keep the others back; the results are in the order of the files.
pub fn write_all(folder: &Path, files: Vec<File>) -> Vec<Result<PathBuf, WriteError>> {
    files
        .into_iter()
        .map(|file| {
            let path = folder.join(file.name);
            match file.content {
                Ok(content) => {
                    create_folder(path.parent().unwrap_or(folder))?;
                    write_file(&path, content.as_bytes())?;
                    Ok(path)
                }
                Err(source) => Err(WriteError::Format { path, source }),
            }
        })
        .collect()
}

/// The same, tells what could not be written, and says whether all were.
pub fn reports(folder: &Path, files: Vec<File>) -> bool {
    let mut written = true;
    for result in write_all(folder, files) {
        if let Err(error) = result {
            output::problem(&error.to_string());
            written = false;
        }
    }
    written
}

/// Writes a report piece by piece, tells if that fails, and says whether it is there.
pub fn streamed(path: &Path, record: &RunRecord, stream: Stream) -> bool {
    let written = write_stream(path, record, stream);
    if let Err(error) = &written {
        output::problem(&error.to_string());
    }
    written.is_ok()
}

/// Waits until no other run writes its reports into `folder`, for a while; they stay away for as long as the file lives.
pub async fn turn(folder: &Path) -> Option<fs::File> {
    create_folder(folder).ok()?;
    let folder = fs::File::open(folder).ok()?;
    let waiting = async {
        while matches!(folder.try_lock(), Err(fs::TryLockError::WouldBlock)) {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(TURN, waiting).await.ok()?;
    Some(folder)
}

/// Puts the record of a run somewhere else when its folder does not take it, and tells where.
pub fn keep_record(record: &RunRecord) {
    let kept = || {
        let mut file = tempfile::Builder::new()
            .prefix(&format!("touchstone-{}-", record.run.id))
            .suffix(".json")
            .tempfile()?;
        fill(&mut file, |to| json::stream(record, to))?;
        let (_, path) = file.keep()?;
        io::Result::Ok(path)
    };
    match kept() {
        Ok(path) => output::note(&format!(
            "the run record is kept in {}; `touchstone report --from` that file makes all reports",
            path.display()
        )),
        Err(error) => output::problem(&format!(
            "the run record cannot be kept in {} either: {error}; what is printed is all that is left of the run",
            std::env::temp_dir().display()
        )),
    }
}

/// Whether `latest`, beside the folder of a run, points to another run, of all cases at all endpoints.
pub fn latest_is_whole(run: &Path) -> bool {
    let latest = run.parent().unwrap_or(Path::new(".")).join(LATEST);
    let itself = |link: PathBuf| Some(link.as_os_str()) == run.file_name();
    if fs::read_link(&latest).is_ok_and(itself) {
        return false;
    }
    let record = open_regular(&latest.join(json::FILE)).map(io::BufReader::new);
    let brief = record.ok().and_then(|file| Brief::read(file).ok());
    brief.is_some_and(|brief| !brief.is_partial())
}

/// Lets `latest`, beside the folder of a run, point to it.
pub fn point_latest(run: &Path) -> Result<(), WriteError> {
    let parent = run.parent().unwrap_or(Path::new("."));
    let path = parent.join(LATEST);
    link(parent, run.file_name(), &path).map_err(|source| WriteError::Latest { path, source })
}

fn replace(
    folder: &Path,
    path: &Path,
    mode: u32,
    content: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".touchstone-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    fill(&mut file, content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // Without this the new name may be gone after a power cut.
    fs::File::open(folder)?.sync_all()
}

fn fill(
    file: &mut NamedTempFile,
    content: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(BUFFER, file);
    content(&mut file)?;
    file.flush()
}

fn link(parent: &Path, target: Option<&OsStr>, path: &Path) -> io::Result<()> {
    let target = target.ok_or(io::ErrorKind::InvalidInput)?;
    let parent = match parent == Path::new("") {
        true => Path::new("."),
        false => parent,
    };
    tempfile::Builder::new()
        .prefix(".latest-")
        .make_in(parent, |new| symlink(target, new))?
        .into_temp_path()
        .persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &'static str, content: &str) -> File {
        File {
            name: name.to_owned(),
            content: Ok(content.into()),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_replace_older_ones_and_leave_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        for content in ["one", "two"] {
            let results = write_all(&path, vec![file("x.txt", content), file("y.txt", "y")]);
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            assert_eq!(fs::read_to_string(path.join("x.txt")).unwrap(), content);
        }
        assert_eq!(names(&path), ["x.txt", "y.txt"]);
        let mode = fs::metadata(path.join("x.txt"))
            .unwrap()
            .permissions()
            .mode();
        let usual = path.join("usual");
        fs::write(&usual, "").unwrap();
        assert_eq!(mode, fs::metadata(usual).unwrap().permissions().mode());
    }

    #[test]
    fn one_that_fails_does_not_starve_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("taken/inside")).unwrap();
        let results = write_all(path, vec![file("taken", "x"), file("y.txt", "y")]);
        let error = results[0].as_ref().unwrap_err().to_string();
        assert!(
            error.contains("/taken: ") && error.contains("--report-dir"),
            "{error}"
        );
        assert_eq!(results[1].as_ref().unwrap(), &path.join("y.txt"));
        assert_eq!(names(path), ["taken", "y.txt"]);
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::write(&taken, "").unwrap();
        let results = write_all(&taken.join("run"), vec![file("x.txt", "x")]);
        let error = results[0].as_ref().unwrap_err();
        assert!(matches!(error, WriteError::Folder { .. }), "{error}");
        assert!(error.to_string().contains("taken/run"), "{error}");
    }

    #[test]
    fn latest_points_to_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        for run in ["one", "two"] {
            let run = folder.path().join(run);
            create_folder(&run).unwrap();
            write_file(&run.join("x.txt"), run.as_os_str().as_encoded_bytes()).unwrap();
            point_latest(&run).unwrap();
        }
        let latest = folder.path().join(LATEST);
        assert_eq!(fs::read_link(&latest).unwrap(), Path::new("two"));
        assert!(
            fs::read_to_string(latest.join("x.txt"))
                .unwrap()
                .ends_with("two")
        );
        assert_eq!(names(folder.path()), ["latest", "one", "two"]);
    }

    #[test]
    fn a_folder_called_latest_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("latest/precious")).unwrap();
        let error = point_latest(&folder.path().join("one")).unwrap_err();
        assert!(error.to_string().contains("remove it"), "{error}");
        assert_eq!(names(folder.path()), ["latest"]);
        assert!(folder.path().join("latest/precious").exists());
    }
}
