//! Where a token lies for tools to find it: WLCG Bearer Token Discovery 1.0.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files::open_regular;

use super::form;

/// Larger than any token.
const LARGEST: u64 = 64 * 1024;
/// What C calls white space in its first locale (C99 section 7.4.1.10).
const SPACE: [char; 6] = [' ', '\x0c', '\n', '\r', '\t', '\x0b'];

/// A token that lay where it should.
#[derive(Clone, Debug)]
pub struct Found {
    /// It, without white space around it.
    pub token: SecretString,
    /// Where it lay, in words.
    pub place: String,
    /// What its owner should know about the place, a sentence each.
    pub notes: Vec<String>,
}

/// Why none was found. The messages hold nothing of what was found instead.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// No place holds one.
    #[error(
        "no token was found: BEARER_TOKEN and BEARER_TOKEN_FILE are not set or empty, and there is none in {0}"
    )]
    Nowhere(String),
    /// A place holds something else; the specification says to stop there.
    #[error("{0} holds no bearer token: {1}")]
    Invalid(String, String),
    /// A place holds more than any token.
    #[error("{0} holds no bearer token: it is larger than 64 KiB")]
    Large(String),
    /// There is a file, or there should be one, and it cannot be read.
    #[error("{place} cannot be read: {source}")]
    Unreadable {
        /// Which.
        place: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Looks for a token in BEARER_TOKEN, the file of BEARER_TOKEN_FILE, `bt_u<uid>` in XDG_RUNTIME_DIR, and
/// `bt_u<uid>` in `temporary`, in this order.
///
/// An empty place is passed over. So are the last two files where they are missing; the one of
/// BEARER_TOKEN_FILE was named by somebody, and another token in its stead would surprise.
///
/// # Errors
/// There is none, or what is there is none.
pub fn discover(
    environment: &dyn Fn(&str) -> Option<OsString>,
    uid: u32,
    temporary: &Path,
) -> Result<Found, DiscoveryError> {
    if let Some(value) = environment("BEARER_TOKEN") {
        let place = "the environment variable BEARER_TOKEN".to_owned();
        if value.len() as u64 > LARGEST {
            return Err(DiscoveryError::Large(place));
        }
        if let Some(token) = token(value.as_encoded_bytes(), &place)? {
            let notes = Vec::new();
            return Ok(Found {
                token,
                place,
                notes,
            });
        }
    }
    if let Some(name) = environment("BEARER_TOKEN_FILE").filter(|name| !name.is_empty()) {
        let path = PathBuf::from(name);
        let place = format!("{}, which BEARER_TOKEN_FILE names,", path.display());
        if let Some(found) = in_file(&path, &place, uid)? {
            return Ok(found);
        }
    }
    let runtime = environment("XDG_RUNTIME_DIR").filter(|name| !name.is_empty());
    let folders = runtime.map(PathBuf::from).into_iter();
    let mut looked = Vec::new();
    for folder in folders.chain([temporary.to_owned()]) {
        let path = folder.join(format!("bt_u{uid}"));
        let place = path.display().to_string();
        match in_file(&path, &place, uid) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(DiscoveryError::Unreadable { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        looked.push(place);
    }
    Err(DiscoveryError::Nowhere(looked.join(" or ")))
}

fn in_file(path: &Path, place: &str, uid: u32) -> Result<Option<Found>, DiscoveryError> {
    let unreadable = |source| DiscoveryError::Unreadable {
        place: place.to_owned(),
        source,
    };
    let file = open_regular(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(DiscoveryError::Large(place.to_owned()));
    }
    let Some(token) = token(&bytes, place)? else {
        return Ok(None);
    };
    let mut notes = Vec::new();
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        notes.push(format!(
            "{} has the mode {mode:03o}: others than its owner may use this token; chmod 600 keeps it to you",
            path.display()
        ));
    }
    if metadata.uid() != uid {
        notes.push(format!(
            "{} belongs to the user {}, not to you ({uid}): whoever that is chose this token",
            path.display(),
            metadata.uid()
        ));
    }
    Ok(Some(Found {
        token,
        place: place.trim_end_matches(',').to_owned(),
        notes,
    }))
}

/// The content without white space around it; `None` when nothing is left.
fn token(bytes: &[u8], place: &str) -> Result<Option<SecretString>, DiscoveryError> {
    // What is no UTF-8 is no token either, and is told so.
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    match text.trim_matches(SPACE) {
        "" => Ok(None),
        text => match form::presentable(text) {
            Ok(()) => Ok(Some(SecretString::from(text))),
            Err(problem) => Err(DiscoveryError::Invalid(place.to_owned(), problem)),
        },
    }
}

/// RFC 6750 section 2.1.
pub(super) fn b64token(text: &str) -> bool {
    let text = text.trim_end_matches('=').as_bytes();
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !text.is_empty() && text.iter().all(legal)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    const ME: u32 = 1221;

    /// A run-time and a temporary directory, and an environment.
    struct Place {
        folder: tempfile::TempDir,
        environment: BTreeMap<&'static str, OsString>,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for name in ["run", "tmp"] {
                std::fs::create_dir(folder.path().join(name)).unwrap();
            }
            let environment =
                BTreeMap::from([("XDG_RUNTIME_DIR", folder.path().join("run").into())]);
            Self {
                folder,
                environment,
            }
        }

        fn write(&self, name: &str, content: &[u8]) -> PathBuf {
            let path = self.folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        }

        fn discover(&self) -> Result<Found, DiscoveryError> {
            let environment = |name: &str| self.environment.get(name).cloned();
            discover(&environment, ME, &self.folder.path().join("tmp"))
        }

        fn found(&self) -> (String, String) {
            let found = self.discover().unwrap();
            (found.token.expose_secret().to_owned(), found.place)
        }

        fn error(&self) -> String {
            self.discover().unwrap_err().to_string()
        }
    }

    #[test]
    fn the_places_come_in_their_order_and_empty_ones_are_passed_over() {
        let mut place = Place::new();
        let tmp = place.write("tmp/bt_u1221", b"four");
        let run = place.write("run/bt_u1221", b"three");
        let named = place.write("named", b"two");
        place.environment.insert("BEARER_TOKEN", "one".into());
        place
            .environment
            .insert("BEARER_TOKEN_FILE", named.clone().into());

        let (token, from) = place.found();
        assert_eq!(token, "one");
        assert_eq!(from, "the environment variable BEARER_TOKEN");

        place.environment.insert("BEARER_TOKEN", " \n".into());
        let (token, from) = place.found();
        assert_eq!(token, "two");
        assert!(from.contains("which BEARER_TOKEN_FILE names"), "{from}");

        std::fs::write(named, " \t").unwrap();
        assert_eq!(place.found(), ("three".into(), run.display().to_string()));
        std::fs::write(run, "").unwrap();
        assert_eq!(place.found(), ("four".into(), tmp.display().to_string()));
        std::fs::write(&tmp, "\n").unwrap();
        let error = place.error();
        assert!(error.starts_with("no token was found"), "{error}");
        assert!(error.ends_with(&tmp.display().to_string()), "{error}");
    }

    #[test]
    fn missing_files_are_passed_over_unless_somebody_named_them() {
        let mut place = Place::new();
        place.write("tmp/bt_u1221", b"four");
        assert_eq!(place.found().0, "four");
        place.environment.remove("XDG_RUNTIME_DIR");
        assert_eq!(place.found().0, "four");
        place.environment.insert("XDG_RUNTIME_DIR", "".into());
        assert_eq!(place.found().0, "four");
        let gone = place.folder.path().join("gone");
        place.environment.insert("BEARER_TOKEN_FILE", gone.into());
        let error = place.error();
        assert!(
            error.contains("BEARER_TOKEN_FILE") && error.contains("cannot be read"),
            "{error}"
        );
        place.environment.insert("BEARER_TOKEN_FILE", "".into());
        assert_eq!(place.found().0, "four");
    }

    #[test]
    fn somebody_elses_file_name_is_not_looked_at() {
        let place = Place::new();
        place.write("tmp/bt_u1222", b"other");
        place.write("tmp/bt_u1221-fife-CMS", b"other");
        assert!(matches!(place.discover(), Err(DiscoveryError::Nowhere(_))));
    }

    #[test]
    fn white_space_is_what_c_calls_so() {
        let place = Place::new();
        place.write("run/bt_u1221", b" \x0c\n\r\t\x0btoken\x0b\t\r\n\x0c ");
        assert_eq!(place.found().0, "token");
        // Other scripts' spaces are no white space there, and no part of a token.
        for odd in ["\u{a0}token", "token\u{2003}", "token\0", "\u{feff}token"] {
            place.write("run/bt_u1221", odd.as_bytes());
            assert!(place.error().contains("no bearer token"), "{odd:?}");
        }
    }

    #[test]
    fn what_is_no_token_ends_the_search() {
        let mut place = Place::new();
        place.write("tmp/bt_u1221", b"four");
        for odd in [
            &b"two words"[..],
            b"a\nb",
            b"=",
            b"a=b",
            b"{\"access_token\":1}",
            b"\xff\xfe",
        ] {
            place.write("run/bt_u1221", odd);
            let error = place.error();
            assert!(
                error.contains("run/bt_u1221 holds no bearer token"),
                "{error}"
            );
            assert!(!error.contains("words"), "{error}");
        }
        place
            .environment
            .insert("BEARER_TOKEN", "Bearer abc".into());
        assert!(place.error().contains("BEARER_TOKEN holds no bearer token"));
        place
            .environment
            .insert("BEARER_TOKEN", "a.b-_~+/==".into());
        assert_eq!(place.found().0, "a.b-_~+/==");
    }

    #[test]
    fn files_are_capped_and_have_to_be_files() {
        let mut place = Place::new();
        place.write("tmp/bt_u1221", b"four");
        place.write("run/bt_u1221", "x".repeat(70_000).as_bytes());
        assert!(place.error().ends_with("larger than 64 KiB"));
        place.write("run/bt_u1221", "x".repeat(65_536).as_bytes());
        assert_eq!(place.found().0.len(), 65_536);
        let folder = place.folder.path().join("run");
        place.environment.insert("BEARER_TOKEN_FILE", folder.into());
        assert!(place.error().ends_with("is a directory"));
        place
            .environment
            .insert("BEARER_TOKEN", "x".repeat(70_000).into());
        assert!(place.error().ends_with("larger than 64 KiB"));
    }

    #[test]
    fn a_file_that_others_may_read_is_remarked_on() {
        let place = Place::new();
        let path = place.write("run/bt_u1221", b"token");
        let uid = std::fs::metadata(&path).unwrap().uid();
        let notes = || {
            let environment = |name: &str| place.environment.get(name).cloned();
            let mine = path.with_file_name(format!("bt_u{uid}"));
            if mine != path {
                std::fs::copy(&path, mine).unwrap();
            }
            discover(&environment, uid, Path::new("/nowhere"))
                .unwrap()
                .notes
        };
        assert_eq!(notes(), [""; 0]);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(notes()[0].contains("has the mode 644"), "{:?}", notes());
        if uid != ME {
            let notes = place.discover().unwrap().notes;
            assert!(notes[1].contains("belongs to the user"), "{notes:?}");
        }
    }
}
