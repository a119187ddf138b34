use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files::open_regular;
use touchstone_model::SecretRef;

use super::form;

/// Larger than any token or key.
const LARGEST: u64 = 64 * 1024;

/// Why a secret cannot be read.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The environment lacks it.
    #[error("the environment variable {0} is not set; it has to hold {1}")]
    Unset(String, &'static str),
    /// The file cannot be read.
    #[error("cannot read {}, which has to hold {what}: {source}", shown(path))]
    File {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// There is nothing in it, or too much.
    #[error("{place} does not hold {what}: {problem}")]
    Content {
        /// Where it was looked for.
        place: String,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Reads a secret; `what` says in messages what it is. White space around it is dropped.
///
/// # Errors
/// Names the place, and never the content.
pub fn load(secret: &SecretRef, what: &'static str) -> Result<SecretString, SecretError> {
    let (place, text) = match secret {
        SecretRef::Held(secret) => return Ok(secret.clone()),
        SecretRef::Env(name) => {
            let text = std::env::var_os(name);
            let text = text.ok_or_else(|| SecretError::Unset(name.clone(), what))?;
            (
                format!("the environment variable {name}"),
                Zeroizing::new(text.into_encoded_bytes()),
            )
        }
        SecretRef::File(path) => {
            let failed = |source| SecretError::File {
                path: path.clone(),
                what,
                source,
            };
            let file = open_regular(path).map_err(failed)?;
            tell_if_open(&file, path, what);
            // It never grows: what it left behind would not be overwritten.
            let mut text = Zeroizing::new(Vec::with_capacity(LARGEST as usize + 1));
            file.take(LARGEST + 1)
                .read_to_end(&mut text)
                .map_err(failed)?;
            (path.display().to_string(), text)
        }
    };
    let content = |problem: &str| SecretError::Content {
        place: place.clone(),
        what,
        problem: problem.to_owned(),
    };
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(content(
            "this is text in UTF-16; save the file as UTF-8 without a byte order mark",
        ));
    }
    let Ok(text) = std::str::from_utf8(&text) else {
        return Err(content("this is no text: it has bytes that are no UTF-8"));
    };
    match text.trim() {
        "" => Err(content("it is empty")),
        text if text.len() as u64 > LARGEST => Err(content("it is larger than 64 KiB")),
        text => Ok(SecretString::from(text)),
    }
}

/// Reads a bearer token, which is checked as discovery checks it: a server would take quotes or a `Bearer` that was kept
/// with it for a bad token.
///
/// # Errors
/// Names the place and what stands there instead, and never the content.
pub fn load_bearer(secret: &SecretRef, what: &'static str) -> Result<SecretString, SecretError> {
    let token = load(secret, what)?;
    let Err(problem) = form::presentable(token.expose_secret()) else {
        return Ok(token);
    };
    Err(SecretError::Content {
        place: secret.to_string(),
        what,
        problem,
    })
}

/// The path of a file that is to hold a secret, for messages. Whoever mistakes `secret-file` for the place of the secret has
/// written it there: what names no file and does not look like the name of one is not shown whole.
pub(super) fn shown(path: &Path) -> String {
    /// Hardly a secret is so short.
    const SHORT: usize = 9;
    const NAMES: [&str; 8] = ["pem", "key", "txt", "token", "jwt", "secret", "crt", "json"];
    let there = path.ancestors().find(|above| above.exists());
    let there = there.unwrap_or(Path::new(""));
    let rest = path.strip_prefix(there).unwrap_or(path);
    let text = rest.display().to_string();
    let count = text.chars().count();
    let end = rest.extension().and_then(|end| end.to_str());
    let named = rest.components().count() == 1 && end.is_some_and(|end| NAMES.contains(&end));
    if count < SHORT || named {
        return path.display().to_string();
    }
    let begin: String = text.chars().take(3).collect();
    format!(
        "{} ({count} characters, of which the last are not shown in case they are the secret itself)",
        there.join(format!("{begin}…")).display()
    )
}

/// Warns of a file that is not its owner's and group's alone, once for each.
fn tell_if_open(file: &File, path: &Path, what: &str) {
    static TOLD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let Ok(metadata) = file.metadata() else {
        return;
    };
    let mode = metadata.mode() & 0o777;
    if !metadata.is_file() || mode & 0o007 == 0 {
        return;
    }
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.insert(path.to_owned()) {
        let path = path.display();
        tracing::warn!(
            "{path} has the mode {mode:03o}: every user of this machine may use {what} in it; `chmod 600 {path}`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_trimmed_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, " value\n").unwrap();
        let secret = SecretRef::File(path.clone());
        assert_eq!(load(&secret, "a token").unwrap().expose_secret(), "value");
        std::fs::write(&path, "\n").unwrap();
        assert!(
            load(&secret, "a token")
                .unwrap_err()
                .to_string()
                .ends_with("it is empty")
        );
        std::fs::write(&path, "x".repeat(70_000)).unwrap();
        assert!(
            load(&secret, "a token")
                .unwrap_err()
                .to_string()
                .contains("larger than")
        );
        std::fs::remove_file(&path).unwrap();
        assert!(
            load(&secret, "a token")
                .unwrap_err()
                .to_string()
                .starts_with("cannot read")
        );
    }

    #[test]
    fn what_is_no_bearer_token_is_refused_with_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let secret = SecretRef::File(path.clone());
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            load_bearer(&secret, "a token").map_err(|error| error.to_string())
        };
        assert_eq!(
            read("a.b-_~+/==\r\n").unwrap().expose_secret(),
            "a.b-_~+/=="
        );
        for (text, says) in [
            ("\"s3cret.s3cret.s3cret\"", "quotes"),
            ("Bearer s3cret.s3cret.s3cret", "`Bearer`"),
            ("\u{feff}s3cret", "byte order mark"),
            ("{\"access_token\":\"s3cret\"}", "member access_token"),
            ("s3cret s3cret", "characters"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains("token does not hold a token: "), "{error}");
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn what_may_be_the_secret_itself_is_not_shown_whole() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("wlcg-client-secret");
        std::fs::write(&there, "x").unwrap();
        assert_eq!(shown(&there), there.display().to_string());
        for name in ["missing", "missing-client.pem", "no/where"] {
            let path = folder.path().join(name);
            assert_eq!(shown(&path), path.display().to_string());
        }
        for secret in [
            "hunter2hunter2",
            "correcthorsebatterystaple",
            "aB3dE5gH7jK9mN1pQ3sT5vW7/yZ1=",
            "kJ8s9dQ2/3kd9sLqPzXw81",
            "hunter2Secret.Passw",
        ] {
            let told = shown(&folder.path().join(secret));
            assert!(!told.contains(&secret[4..]), "{told}");
            assert!(!told.contains(&secret[..8]), "{told}");
        }
    }
}
