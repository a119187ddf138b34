//! Who may know whom. The `use` lines and paths of the sources keep the promises of the crate's front page.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every place below `rooms` where one of `names` is spoken of, comments and tests aside.
fn mentions(rooms: &[&str], names: &[&str]) -> Vec<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut read = 0;
    for room in rooms {
        let place = top.join(room);
        let files = if place.is_dir() {
            sources(&place)
        } else {
            vec![place]
        };
        for path in files {
            let inner = path.strip_prefix(&top).expect("below src");
            if inner
                .components()
                .any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
            {
                continue;
            }
            read += 1;
            let text = fs::read_to_string(&path).expect("a source");
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let line = line.split("//").next().unwrap_or_default();
                for name in names {
                    if line.contains(name) {
                        found.push(format!("{}:{}: {name}", inner.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(read >= rooms.len(), "the rooms are there");
    found
}

const ROOMS: [&str; 15] = [
    "check",
    "cli",
    "config",
    "history",
    "http",
    "import",
    "model",
    "plan",
    "redact",
    "reference",
    "report",
    "run",
    "token",
    "lib.rs",
    "redact.rs",
];

const NOTHING: [String; 0] = [];

#[test]
fn the_model_knows_nobody() {
    let others = [
        "crate::check",
        "crate::cli",
        "crate::config",
        "crate::history",
        "crate::http",
        "crate::plan",
        "crate::redact",
        "crate::reference",
        "crate::report",
        "crate::run",
        "crate::token",
        "tokio",
        "reqwest",
        "hyper",
        "std::fs",
        "std::net",
    ];
    assert_eq!(mentions(&["model"], &others), NOTHING);
}

#[test]
fn the_pure_rooms_do_not_know_the_network() {
    let network = [
        "tokio",
        "reqwest",
        "hyper",
        "rustls",
        "std::net",
        "std::fs",
        "crate::history",
        "crate::http",
        "crate::cli",
    ];
    assert_eq!(
        mentions(&["check", "import", "plan", "report"], &network),
        NOTHING
    );
}

#[test]
fn one_file_knows_the_yaml_crate() {
    let everywhere = mentions(&ROOMS, &["serde_yaml"]);
    assert!(!everywhere.is_empty());
    for place in everywhere {
        assert!(place.starts_with("config/yaml.rs:"), "{place}");
    }
}

#[test]
fn one_room_knows_the_database_crate() {
    let others = ROOMS.into_iter().filter(|room| *room != "history");
    let others: Vec<_> = others.collect();
    assert_eq!(mentions(&others, &["rusqlite"]), NOTHING);
    let strangers = ["tokio", "reqwest", "hyper", "std::net", "crate::cli"];
    assert_eq!(mentions(&["history"], &strangers), NOTHING);
    assert_ne!(mentions(&["history"], &["rusqlite"]), NOTHING);
}

#[test]
fn the_reference_is_for_commands_and_tests() {
    let rooms = [
        "check", "config", "history", "http", "model", "plan", "report", "run", "token",
    ];
    assert_eq!(mentions(&rooms, &["reference::"]), NOTHING);
}

#[test]
fn diagnostics_are_drawn_where_files_are_read_and_printed() {
    let rooms = [
        "check",
        "history",
        "http",
        "model",
        "plan",
        "reference",
        "report",
        "run",
        "token",
    ];
    assert_eq!(
        mentions(&rooms, &["miette", "indicatif", "clap::"]),
        NOTHING
    );
}
