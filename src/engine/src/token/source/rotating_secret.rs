//! A secret that a server replaces while it is used, such as a refresh token: in a file that holds the
//! old one or the new one whole, whatever happens, and that several processes may use.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, MutexGuard};

use crate::token::load;
use crate::token::shown;
use touchstone_model::SecretRef;
use touchstone_model::redact::Redactor;

/// How long other processes may take.
const LOCK_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a file system may take.
const DISK_TIMEOUT: Duration = Duration::from_secs(30);
/// As [`load`] has it.
const MAX_BYTES: usize = 64 * 1024;
/// How many links to links are followed.
const MAX_LINKS: usize = 16;

/// What went wrong, and what to do.
pub type RotationProblem = (String, String);

/// The file. Whoever uses it takes a [`Turn`].
pub struct RotatingSecret {
    path: PathBuf,
    /// What it holds, for messages: "a refresh token".
    what: &'static str,
    redactor: Redactor,
    unwritten: Mutex<Option<Unwritten>>,
}

/// What could not be written.
struct Unwritten {
    /// What the file held then.
    old: Option<SecretString>,
    new: SecretString,
}

/// Nobody else in this process or another one uses the file until this is dropped.
pub struct RotatingSecretGuard<'a> {
    secret: &'a RotatingSecret,
    unwritten: MutexGuard<'a, Option<Unwritten>>,
    places: Places,
    _lock: Option<File>,
}

impl RotatingSecret {
    /// The secret in this file, which need not be there yet.
    pub fn new(path: &Path, what: &'static str, redactor: &Redactor) -> Self {
        Self {
            path: path.to_owned(),
            what,
            redactor: redactor.clone(),
            unwritten: Mutex::default(),
        }
    }

    /// Where it is, as configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file can be replaced, before somebody goes to the trouble of getting a new secret.
    pub async fn writable(&self) -> Result<(), RotationProblem> {
        let path = self.path.clone();
        let probe = move || tempfile::NamedTempFile::new_in(Places::of(&path)?.folder).map(drop);
        self.disk("write", probe).await
    }

    /// Waits until nobody else uses the file.
    pub async fn lock(&self) -> Result<RotatingSecretGuard<'_>, RotationProblem> {
        let unwritten = self.unwritten.lock().await;
        let path = self.path.clone();
        let places = self.disk("find", move || Places::of(&path)).await?;
        let lock = self.lock_file(&places).await?;
        Ok(RotatingSecretGuard {
            secret: self,
            unwritten,
            places,
            _lock: lock,
        })
    }

    /// Where no lock can be had, for instance in a folder that cannot be written, there is none.
    async fn lock_file(&self, places: &Places) -> Result<Option<File>, RotationProblem> {
        let shown = places.lock.display();
        let name = places.lock.clone();
        let Ok(file) = self.disk("lock", move || open_lock(&name)).await else {
            tracing::debug!(file = %shown, "no lock file");
            return Ok(None);
        };
        // Waiting threads are woken in turn; asking again and again would let others always be quicker.
        let waiting = tokio::task::spawn_blocking(move || hold(file));
        match tokio::time::timeout(LOCK_TIMEOUT, waiting).await {
            Ok(Ok(Ok(file))) => Ok(Some(file)),
            Ok(_) => {
                tracing::debug!(file = %shown, "no lock");
                Ok(None)
            }
            Err(_) => {
                let came = format!("another process keeps {shown} locked");
                Err((came, format!("see which process holds it: `fuser {shown}`")))
            }
        }
    }

    /// File systems may hang.
    async fn disk<T: Send + 'static>(
        &self,
        verb: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, RotationProblem> {
        let work = tokio::task::spawn_blocking(work);
        let reason = match tokio::time::timeout(DISK_TIMEOUT, work).await {
            Ok(Ok(Ok(done))) => return Ok(done),
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(_)) => "the thread for it died".into(),
            Err(_) => format!(
                "it took longer than {}",
                humantime::format_duration(DISK_TIMEOUT)
            ),
        };
        let came = format!("cannot {verb} {}: {reason}", shown(&self.path));
        Err((came, "see to its folder and its permissions".into()))
    }
}

impl RotatingSecretGuard<'_> {
    /// The secret as it is now. The redactor knows it.
    pub async fn read(&mut self) -> Result<SecretString, RotationProblem> {
        let (kept, places) = (self.secret, self.places.clone());
        let file = kept.disk("look at", move || Ok(places.mend())).await?;
        let held = kept.load(&file).await;
        if let Some(unwritten) = self.unwritten.take() {
            let old = unwritten.old.as_ref().map(ExposeSecret::expose_secret);
            if held.as_ref().ok().map(ExposeSecret::expose_secret) == old {
                let new = unwritten.new.clone();
                *self.unwritten = Some(unwritten);
                // Whatever was in the way may be gone.
                if self.write(&new).await.is_ok() {
                    *self.unwritten = None;
                }
                return Ok(new);
            }
        }
        held
    }

    /// Puts a new secret in the place of the old one. What cannot be written is remembered, so that
    /// [`Self::read`] gives it as long as this process lives; the error says that.
    pub async fn replace(&mut self, new: &SecretString) -> Result<(), RotationProblem> {
        self.secret.redactor.add(new);
        if let Err(problem) = fits(new.expose_secret()) {
            let what = self.secret.what;
            let came = format!("the old one may be void, and what came as {what} {problem}");
            return Err((came, "tell whoever runs the server".into()));
        }
        let Err((reason, _)) = self.write(new).await else {
            *self.unwritten = None;
            return Ok(());
        };
        let kept = self.secret;
        if self.unwritten.is_none() {
            let old = kept.load(&self.places.file).await.ok();
            let new = new.clone();
            *self.unwritten = Some(Unwritten { old, new });
        } else if let Some(unwritten) = self.unwritten.as_mut() {
            unwritten.new = new.clone();
        }
        let place = match self.places.complete() {
            true => format!("it is in {}", self.places.new.display()),
            false => "it is in the memory of this process alone".into(),
        };
        let came = format!(
            "the old one may be void, and the new one, {}, could not be kept: {reason}; {place}",
            kept.what
        );
        let help = format!(
            "see to it that {} and its folder can be written, and get {} anew if it is void",
            shown(&kept.path),
            kept.what
        );
        Err((came, help))
    }

    async fn write(&self, new: &SecretString) -> Result<(), RotationProblem> {
        let (places, new) = (self.places.clone(), new.clone());
        self.secret.disk("write", move || places.write(&new)).await
    }
}

impl RotatingSecret {
    async fn load(&self, file: &Path) -> Result<SecretString, RotationProblem> {
        let (place, what) = (SecretRef::File(file.to_owned()), self.what);
        let work = move || Ok(load(&place, what));
        let read = self.disk("read", work).await?;
        let secret = read.map_err(|error| {
            let help = format!("put {} into that file, readable by you alone", self.what);
            (error.to_string(), help)
        })?;
        self.redactor.add(&secret);
        Ok(secret)
    }
}

/// Whether [`load`] gives it back as it is.
fn fits(secret: &str) -> Result<(), &'static str> {
    match secret {
        "" => Err("is empty"),
        secret if secret.trim() != secret => Err("has white space around it"),
        secret if secret.len() > MAX_BYTES => Err("is longer than 64 KiB"),
        _ => Ok(()),
    }
}

/// The files around a secret, all in one folder.
#[derive(Clone)]
struct Places {
    folder: PathBuf,
    file: PathBuf,
    /// The next secret, until it takes the file's place. Complete when it ends in a line end.
    new: PathBuf,
    lock: PathBuf,
}

impl Places {
    /// A link stays, and what it points to is replaced.
    fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let Ok(target) = fs::read_link(&path) else {
                break;
            };
            path = path.parent().unwrap_or(Path::new("")).join(target);
        }
        let none = || io::Error::new(ErrorKind::InvalidInput, "it is no name of a file");
        let name = path.file_name().ok_or_else(none)?;
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.canonicalize()?,
            _ => Path::new(".").canonicalize()?,
        };
        let beside = |end: &str| {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(end);
            folder.join(hidden)
        };
        Ok(Self {
            file: folder.join(name),
            new: beside(".new"),
            lock: beside(".lock"),
            folder,
        })
    }

    /// The new secret is on disk before the old one goes.
    fn write(&self, secret: &SecretString) -> io::Result<()> {
        absent(fs::remove_file(&self.new))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.new)?;
        if let Ok(old) = fs::metadata(&self.file) {
            // Root may write what belongs to somebody else; nobody else can give it away.
            let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
        }
        file.write_all(secret.expose_secret().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        drop(file);
        self.settle()
    }

    fn settle(&self) -> io::Result<()> {
        fs::rename(&self.new, &self.file)?;
        // Some file systems cannot do that for a folder; the secret is in its place all the same.
        if let Err(error) = File::open(&self.folder).and_then(|folder| folder.sync_all()) {
            tracing::debug!(folder = %self.folder.display(), %error, "not synchronised");
        }
        Ok(())
    }

    /// Ends what a process that was killed has begun, and says where the newest secret is.
    fn mend(&self) -> PathBuf {
        if self.newer().unwrap_or(false) && self.complete() && self.settle().is_err() {
            return self.new.clone();
        }
        self.file.clone()
    }

    /// Whether a secret was written after that in the file, by whoever wrote that.
    fn newer(&self) -> io::Result<bool> {
        let new = fs::symlink_metadata(&self.new)?;
        match fs::metadata(&self.file) {
            Ok(old) => Ok(old.modified()? <= new.modified()? && old.uid() == new.uid()),
            Err(error) => Ok(error.kind() == ErrorKind::NotFound),
        }
    }

    fn complete(&self) -> bool {
        let ours = fs::symlink_metadata(&self.new)
            .is_ok_and(|new| new.is_file() && new.mode() & 0o077 == 0);
        ours && fs::read(&self.new).is_ok_and(|text| text.len() > 1 && text.ends_with(b"\n"))
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        // A pipe in its place would wait for a reader.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

fn hold(file: File) -> io::Result<File> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other.map(|()| file),
        }
    }
}

fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Arc;

    use super::*;

    fn kept(path: &Path) -> RotatingSecret {
        RotatingSecret::new(path, "a refresh token", &Redactor::default())
    }

    async fn read(kept: &RotatingSecret) -> String {
        let mut turn = kept.lock().await.unwrap();
        let secret = turn.read().await.unwrap();
        secret.expose_secret().to_owned()
    }

    async fn replace(kept: &RotatingSecret, new: &str) -> Result<(), RotationProblem> {
        kept.lock().await.unwrap().replace(&new.into()).await
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[tokio::test]
    async fn the_new_one_takes_the_place_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "  the-old-one\n\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let redactor = Redactor::default();
        let kept = RotatingSecret::new(&path, "a refresh token", &redactor);
        assert_eq!(read(&kept).await, "the-old-one");
        replace(&kept, "the-new-one").await.unwrap();
        assert_eq!(text(&path), "the-new-one\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read(&kept).await, "the-new-one");
        for secret in ["the-old-one", "the-new-one"] {
            assert_eq!(redactor.text(secret), "[redacted]");
        }
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "the file and its lock: {names:?}");
    }

    #[tokio::test]
    async fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("there")).unwrap();
        let target = folder.path().join("there/secret");
        let path = folder.path().join("link");
        symlink("there/secret", &path).unwrap();
        let kept = kept(&path);
        let error = kept.lock().await.unwrap().read().await.unwrap_err();
        assert!(error.0.contains("there/secret"), "{error:?}");
        for new in ["first-one", "second-one"] {
            replace(&kept, new).await.unwrap();
            assert_eq!(read(&kept).await, new);
            assert_eq!(text(&target).trim(), new);
            assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        }
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_used_if_it_is_whole_and_newer() {
        let folder = tempfile::tempdir().unwrap();
        let (path, new) = (
            folder.path().join("secret"),
            folder.path().join(".secret.new"),
        );
        let leave = |text: &str| {
            fs::write(&new, text).unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        };
        fs::write(&path, "the-old-one").unwrap();
        leave("the-new-o");
        assert_eq!(read(&kept(&path)).await, "the-old-one");
        leave("the-new-one\n");
        assert_eq!(read(&kept(&path)).await, "the-new-one");
        assert_eq!(text(&path), "the-new-one\n");
        assert!(!new.exists());
        leave("a-stale-one\n");
        let past = std::time::SystemTime::now() - Duration::from_secs(60);
        File::open(&new).unwrap().set_modified(past).unwrap();
        assert_eq!(read(&kept(&path)).await, "the-new-one");
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&kept(&path)).await, "a-stale-one");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_said_and_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "the-old-one").unwrap();
        // Root may write everywhere, but nobody replaces a directory by a file.
        let obstacle = folder.path().join(".secret.new");
        fs::create_dir_all(obstacle.join("x")).unwrap();
        let kept = kept(&path);
        let (came, help) = replace(&kept, "the-new-one").await.unwrap_err();
        assert!(
            came.contains("in the memory of this process alone"),
            "{came}"
        );
        assert!(help.contains("can be written"), "{help}");
        assert!(!format!("{came}{help}").contains("the-new-one"));
        assert_eq!(text(&path), "the-old-one");
        assert_eq!(read(&kept).await, "the-new-one");
        fs::remove_dir_all(&obstacle).unwrap();
        assert_eq!(read(&kept).await, "the-new-one");
        assert_eq!(
            text(&path),
            "the-new-one\n",
            "it was written when it could be"
        );

        fs::create_dir_all(obstacle.join("x")).unwrap();
        assert!(replace(&kept, "the-third-one").await.is_err());
        assert!(replace(&kept, "the-fourth-one").await.is_err());
        assert_eq!(read(&kept).await, "the-fourth-one");
        fs::write(&path, "somebody-elses").unwrap();
        assert_eq!(
            read(&kept).await,
            "somebody-elses",
            "it was put there later"
        );
        assert_eq!(read(&kept).await, "somebody-elses");
    }

    #[tokio::test]
    async fn what_could_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "the-old-one").unwrap();
        for odd in ["", " x", "x\n", &"x".repeat(MAX_BYTES + 1)] {
            assert!(replace(&kept(&path), odd).await.is_err());
            assert_eq!(text(&path), "the-old-one");
        }
        let long = "x".repeat(MAX_BYTES);
        replace(&kept(&path), &long).await.unwrap();
        assert_eq!(read(&kept(&path)).await, long);
    }

    #[tokio::test]
    async fn what_cannot_take_its_place_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::create_dir_all(path.join("x")).unwrap();
        let (came, _) = replace(&kept(&path), "the-new-one").await.unwrap_err();
        let beside = folder.path().join(".secret.new");
        assert!(came.contains(&beside.display().to_string()), "{came}");
        assert_eq!(text(&beside), "the-new-one\n");
        assert_eq!(
            read(&kept(&path)).await,
            "the-new-one",
            "by another process"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_uses_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "1000").unwrap();
        // As in several processes: what excludes them is the file's lock.
        let users: Vec<_> = (0..4).map(|_| Arc::new(kept(&path))).collect();
        let tasks: Vec<_> = (0..40)
            .map(|n: usize| {
                let kept = Arc::clone(&users[n % users.len()]);
                tokio::spawn(async move {
                    let mut turn = kept.lock().await.unwrap();
                    let secret = turn.read().await.unwrap();
                    let number: u32 = secret.expose_secret().parse().unwrap();
                    tokio::task::yield_now().await;
                    let next = (number + 1).to_string();
                    turn.replace(&next.into()).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(text(&path), "1040\n");
    }
}
