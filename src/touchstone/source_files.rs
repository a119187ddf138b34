//! The files that the user names, read as text.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use touchstone_engine::files::open_regular;
use touchstone_yaml::{FILE_CAP, Problem, Problems, SourceFile};

/// Reads a file of at most [`FILE_CAP`] bytes of UTF-8.
pub fn read(path: &Path) -> Result<SourceFile, Problems> {
    let name = path.display().to_string();
    let refuse =
        |message: String, help: &str| Problems::from(Problem::of_file(&name, message, help));
    if path.to_str().is_none() {
        return Err(refuse("the file's name is not UTF-8".into(), "rename it"));
    }
    let mut bytes = Vec::new();
    open_regular(path)
        .and_then(|file| file.take(FILE_CAP as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => refuse(
                "there is no such file".into(),
                "name another one with --endpoints, or start from the example endpoints.yaml that the README shows; \
                 `touchstone demo` needs no file",
            ),
            ErrorKind::IsADirectory => refuse("this is a directory".into(), "name a file"),
            ErrorKind::PermissionDenied => {
                refuse(format!("it cannot be read: {error}"), "check its permissions")
            }
            _ => refuse(format!("it cannot be read: {error}"), "name another file"),
        })?;
    if bytes.len() > FILE_CAP {
        return Err(refuse(
            format!("it holds more than {} KiB", FILE_CAP >> 10),
            "split it into several files",
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceFile {
            name: name.into(),
            text: text.into(),
        }),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..good]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            Err(refuse(
                format!("line {line} is not UTF-8"),
                "save the file as UTF-8",
            ))
        }
    }
}

/// Reads every `*.yaml` and `*.yml` of a folder, in the order of their names.
pub fn read_folder(folder: &Path) -> Result<Vec<SourceFile>, Problems> {
    let name = folder.display().to_string();
    let refuse = |message: String| {
        Problems::from(Problem::of_file(
            &name,
            message,
            "name a folder with suite files",
        ))
    };
    let entries = std::fs::read_dir(folder)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .map_err(|error| refuse(format!("the folder cannot be read: {error}")))?;
    let mut files: Vec<PathBuf> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "yaml" || end == "yml")
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(refuse("there is no *.yaml file in this folder".into()));
    }
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        match read(&file) {
            Ok(source) => sources.push(source),
            Err(found) => problems.extend(found),
        }
    }
    Problems::none_of(problems).map(|()| sources)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn unreadable_files_say_why() {
        let folder = tempfile::tempdir().unwrap();
        let tell = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let problems = read(&path).unwrap_err();
            problems.iter().next().unwrap().message.clone()
        };
        assert_eq!(tell("latin", b"a: b\nc: \xe9\n"), "line 2 is not UTF-8");
        assert_eq!(
            tell("huge", &vec![b' '; FILE_CAP + 1]),
            "it holds more than 1024 KiB"
        );
        let missing = read(&folder.path().join("none.yaml"))
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("none.yaml: there is no such file"),
            "{missing}"
        );
        assert!(missing.contains("touchstone demo"), "{missing}");
        let directory = read(folder.path()).unwrap_err().to_string();
        assert!(directory.contains("this is a directory"), "{directory}");
    }

    #[test]
    fn folders_are_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let empty = read_folder(folder.path()).unwrap_err().to_string();
        assert!(empty.contains("no *.yaml file"), "{empty}");
        for name in ["b.yaml", "a.yml", "notes.txt"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let texts: Vec<_> = read_folder(folder.path())
            .unwrap()
            .into_iter()
            .map(|source| source.text)
            .collect();
        assert_eq!(texts, ["a.yml".into(), "b.yaml".into()] as [Arc<str>; 2]);
    }
}
