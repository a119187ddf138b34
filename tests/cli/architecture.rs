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

/// The files that are the sources of a test program or of the crate.
fn all_sources() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    [top.join("src"), top.join("tests")]
        .iter()
        .flat_map(|folder| sources(folder))
        .collect()
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
        "rustix",
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
        "rustix",
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

/// What a test does instead of saying how soon something has to be over.
const INSTEAD: &str = "a busy machine is no failure: count what has to be bounded, let a peer stay silent for ever so \
    that whoever waits for it hangs, or measure it in benches/; what ends a test that hangs is in tests/common/waiting.rs";

/// The test code of the project: its files, and what of each is test code, each line with its number.
fn test_code() -> Vec<(PathBuf, Vec<(usize, String)>)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let numbered = |text: &str, first: usize| {
        let lines = text.lines().enumerate();
        lines
            .map(|(index, line)| (first + index, line.to_owned()))
            .collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for path in all_sources() {
        let text = fs::read_to_string(&path).expect("a source");
        let inner = path.strip_prefix(top).expect("below the top").to_owned();
        let whole = inner.components().any(|part| {
            let name = part.as_os_str().to_string_lossy();
            name == "tests" || name == "tests.rs"
        });
        let begin = match whole {
            true => Some(0),
            false => text.find("#[cfg(test)]\nmod tests {"),
        };
        if let Some(begin) = begin {
            let first = text[..begin].lines().count() + 1;
            found.push((inner, numbered(&text[begin..], first)));
        }
    }
    found
}

/// Whether a line of a test says how soon something has to be over.
fn bounds_time(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    // What ends a test that hangs.
    if code.contains("HANGS") {
        return false;
    }
    let below = |name: &str| {
        code.match_indices(name).any(|(at, _)| {
            let rest = code[at + name.len()..].trim_start();
            rest.starts_with('<') && !rest.starts_with("<'")
        })
    };
    let compared = [
        "elapsed()",
        "elapsed",
        "took",
        "duration_ms",
        "Instant::now()",
    ];
    let waits = ["time::timeout(", "timeout_at(", "recv_timeout("];
    compared.iter().any(|name| below(name))
        || code.contains("Instant::now() >")
        || waits.iter().any(|name| code.contains(name))
}

#[test]
fn no_test_says_how_soon_something_is_over() {
    let mut found = Vec::new();
    let mut read = 0;
    for (path, lines) in test_code() {
        read += lines.len();
        // The one place for it, and this one.
        if path.ends_with("common/waiting.rs") || path.ends_with("architecture.rs") {
            continue;
        }
        let bounds = lines.iter().filter(|(_, line)| bounds_time(line));
        found.extend(
            bounds.map(|(number, line)| format!("{}:{number}: {}", path.display(), line.trim())),
        );
    }
    assert!(read > 10_000, "the tests are there: {read} lines");
    assert_eq!(found, NOTHING, "{INSTEAD}");
}

#[test]
fn what_says_how_soon_is_told_from_what_does_not() {
    for line in [
        "assert!(begun.elapsed() < Duration::from_secs(20));",
        "begun.elapsed() <= LIMIT,",
        "assert!(took < Duration::from_secs(60), \"{took:?}\");",
        "outcome.exchange.duration_ms < 1000,",
        "while Instant::now() < deadline {",
        "if Instant::now() > deadline {",
        "let came = tokio::time::timeout(Duration::from_secs(3), coming).await;",
    ] {
        assert!(bounds_time(line), "{line}");
    }
    for line in [
        "assert!(begun.elapsed() >= Duration::from_secs(1));",
        "let deadline = Instant::now() + HANGS;",
        "while child.alive() && begun.elapsed() < HANGS {",
        "// it took < 3 s",
    ] {
        assert!(!bounds_time(line), "{line}");
    }
}

/// `text`s in backticks that could be the name of a test.
fn names_of_tests(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let name = |text: &&str| {
        text.matches('_').count() > 1
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    quoted.filter(name).collect()
}

#[test]
fn the_tests_that_are_named_in_the_documentation_exist() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/under-fire.md");
    let told = fs::read_to_string(path).expect("the page");
    let named = names_of_tests(&told);
    assert!(named.len() > 50, "{} tests are named", named.len());
    let code: String = all_sources()
        .iter()
        .map(|path| fs::read_to_string(path).expect("a source"))
        .collect();
    let missing = named
        .iter()
        .filter(|name| !code.contains(&format!("fn {name}(")));
    assert_eq!(missing.collect::<Vec<_>>(), [&""; 0]);
}
