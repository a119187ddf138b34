//! Imports with the real binary: what comes out is a file that it reads, and what goes wrong is told.

use std::path::Path;
use std::process::Command;

use crate::common::test_bed::Ended;

fn touchstone(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
    let command = command.args(arguments).current_dir(folder);
    Ended::of(
        command
            .env_remove("RUST_LOG")
            .env_remove("TOUCHSTONE_ENDPOINTS"),
    )
}

fn example(name: &str) -> String {
    format!("{}/tests/import/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn what_is_imported_is_checked_and_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    for (kind, name, endpoints) in [
        ("robot", "variables.yaml", 4),
        ("cric", "cric.json", 4),
        ("osg", "osdf.json", 3),
    ] {
        let made = format!("{kind}.yaml");
        let arguments = ["import", kind, &example(name), "-o", &made];
        let ended = touchstone(folder.path(), &arguments).expect(0);
        assert!(
            ended.stderr.contains(&format!("{endpoints} endpoints and")),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "");
        let printed = touchstone(folder.path(), &arguments[..3]).expect(0);
        let file = std::fs::read_to_string(folder.path().join(&made)).expect("the file");
        assert_eq!(printed.stdout, file);
        assert!(!file.contains("do-not-carry-me"), "{file}");
        let ended = touchstone(folder.path(), &["check", "-e", &made]).expect(0);
        assert!(
            ended
                .stdout
                .starts_with(&format!("ok: {endpoints} endpoints")),
            "{}",
            ended.stdout
        );
        let again = touchstone(folder.path(), &arguments).expect(2);
        assert!(
            again.stderr.contains("is there already"),
            "{}",
            again.stderr
        );
    }
}

#[test]
fn what_cannot_be_imported_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let huge = std::fs::File::create(folder.path().join("huge.json")).expect("a file");
    huge.set_len((64 << 20) + 1).expect("a large file");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
    };
    write("broken.json", b"{\n  \"a\": [\x1b}\n");
    write("latin.yaml", b"endpoints: \xe9\n");
    write("secret.yaml", b"endpoints: {se: {token: do-not-show-me");
    for (kind, file, told) in [
        ("cric", "huge.json", "huge.json: it holds more than 64 MiB"),
        (
            "cric",
            "missing.json",
            "missing.json: there is no such file",
        ),
        ("cric", ".", ".: it cannot be read: is a directory"),
        ("osg", "broken.json", "broken.json:2:9: this is not JSON"),
        ("robot", "latin.yaml", "latin.yaml: it is not UTF-8"),
        ("robot", "secret.yaml", "this is not YAML"),
        ("robot", "broken.json", "U+001B cannot stand in YAML"),
    ] {
        let ended = touchstone(folder.path(), &["import", kind, file, "-o", "out.yaml"]).expect(2);
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        assert!(!ended.stderr.contains("do-not-show-me"), "{}", ended.stderr);
        assert!(!folder.path().join("out.yaml").exists());
    }
}
