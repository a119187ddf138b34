//! Who may know whom: the manifests and the sources keep what docs/architecture.md promises.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common::test_bed::Ended;

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

/// The crates of the workspace without the prefix of their names, and those that each depends on: always, and in tests.
fn manifests() -> BTreeMap<String, [BTreeSet<String>; 2]> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "metadata",
        "--no-deps",
        "--offline",
        "--locked",
        "--format-version=1",
    ];
    let mut command = Command::new(cargo);
    let command = command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let metadata = Ended::of(command).expect(0).stdout;
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let short = |package: &Value| {
        let name = package["name"].as_str().expect("a name");
        name.trim_start_matches("wlcg-")
            .trim_start_matches("touchstone-")
            .to_owned()
    };
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("a list").iter();
            let inner = dependencies.filter(|dependency| dependency["path"].is_string());
            let mut arrows = [BTreeSet::new(), BTreeSet::new()];
            for dependency in inner {
                let kind = usize::from(dependency["kind"] == "dev");
                arrows[kind].insert(short(dependency));
            }
            (short(package), arrows)
        })
        .collect()
}

/// The table of arrows in docs/architecture.md.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = fs::read_to_string(path).expect("the page");
    let (_, arrows) = page.split_once("\n## Arrows\n").expect("the section");
    let rows = arrows.lines().filter(|line| line.starts_with("| `"));
    let names = |cell: &str| -> Vec<String> {
        let quoted = cell.split('`').skip(1).step_by(2);
        quoted.map(str::to_owned).collect()
    };
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|');
        let [name] = <[String; 1]>::try_from(names(cells.next().expect("a crate")))
            .expect("one crate in the first column");
        (
            name,
            names(cells.next().expect("its arrows"))
                .into_iter()
                .collect(),
        )
    })
    .collect()
}

#[test]
fn the_manifests_have_the_arrows_of_the_table_and_no_others() {
    let (table, manifests) = (table(), manifests());
    assert!(table.len() > 5);
    let crates = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        crates(table.keys().collect()),
        crates(manifests.keys().collect())
    );
    for (name, [always, _]) in &manifests {
        let beyond: Vec<_> = always.difference(&table[name]).collect();
        assert_eq!(
            beyond,
            Vec::<&String>::new(),
            "{name} depends on what docs/architecture.md does not allow"
        );
    }
}

#[test]
fn no_crate_depends_on_itself_not_even_in_tests() {
    let manifests = manifests();
    for name in manifests.keys() {
        let mut seen = BTreeSet::new();
        let [always, tests] = &manifests[name];
        let mut next: Vec<&String> = always.iter().chain(tests).collect();
        while let Some(other) = next.pop() {
            assert_ne!(other, name, "{name} is built twice for its own tests");
            if seen.insert(other) {
                let [always, tests] = &manifests[other];
                next.extend(always.iter().chain(tests));
            }
        }
    }
}

/// The code of a crate without its tests: each line with its file and number.
fn code_of(name: &str) -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lines = Vec::new();
    for path in sources(&top.join(name)) {
        let inner = path.strip_prefix(&top).expect("below src");
        let tests = |part: &std::ffi::OsStr| part.to_string_lossy().starts_with("tests");
        if inner.iter().any(tests) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let code = text.split("#[cfg(test)]\nmod tests {").next();
        for (number, line) in code.unwrap_or_default().lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            let place = format!("{}:{}", inner.display(), number + 1);
            lines.push((place, line.to_owned()));
        }
    }
    assert!(!lines.is_empty(), "{name} has code");
    lines
}

/// Where one of `names` stands in the code of a crate.
fn mentions(name: &str, names: &[&str]) -> Vec<String> {
    let lines = code_of(name).into_iter();
    let found = lines.filter(|(_, line)| names.iter().any(|name| line.contains(name)));
    found
        .map(|(place, line)| format!("{place}: {}", line.trim()))
        .collect()
}

#[test]
fn what_is_pure_opens_no_file_and_no_socket() {
    let outside = ["std::fs", "std::net", "tokio", "reqwest", "hyper", "rustix"];
    for name in ["model", "yaml", "protocol", "suite"] {
        // An address is no socket.
        let mut found = mentions(name, &outside);
        found.retain(|line| !line.contains("std::net::IpAddr"));
        assert_eq!(found, NOTHING, "{name}");
    }
    let found = mentions("report", &["tokio", "reqwest", "hyper", "std::net"]);
    assert_eq!(found, NOTHING);
}

#[test]
fn one_crate_names_the_yaml_library_and_one_module_the_database() {
    let crates = manifests().into_keys();
    for name in crates {
        let yaml = mentions(&name, &["serde_yaml"]);
        assert_eq!(yaml.is_empty(), name != "yaml", "{yaml:?}");
        let database = mentions(&name, &["rusqlite"]);
        assert_eq!(database.is_empty(), name != "report", "{database:?}");
        let history = |line: &String| line.starts_with("report/src/history/");
        assert!(database.iter().all(history), "{database:?}");
    }
}

#[test]
fn only_the_program_prints() {
    for name in [
        "model",
        "suite",
        "engine",
        "report",
        "reference",
        "protocol",
    ] {
        let found = mentions(name, &["indicatif", "clap::"]);
        assert_eq!(found, NOTHING, "{name}");
    }
}

/// What `pub struct Name`, and the like, defines.
fn defined(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let (kind, rest) = rest.split_once(' ')?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    ["struct", "enum", "trait", "type", "union"]
        .contains(&kind)
        .then(|| &rest[..end.unwrap_or(rest.len())])
}

#[test]
fn a_public_type_name_occurs_once() {
    assert_eq!(defined("    pub struct Wire<'a>(Arc<Door>);"), Some("Wire"));
    assert_eq!(defined("pub(super) struct State {"), None);
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in manifests().into_keys() {
        for (place, line) in code_of(&name) {
            if let Some(defined) = defined(&line) {
                places.entry(defined.to_owned()).or_default().push(place);
            }
        }
    }
    assert!(places.len() > 300, "{} types", places.len());
    places.retain(|_, places| places.len() > 1);
    assert_eq!(places, BTreeMap::new());
}

const NOTHING: [String; 0] = [];

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
