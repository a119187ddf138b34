//! Files that people write or fetch: endpoints, suites, and what registries publish.

use std::sync::LazyLock;

use miette::GraphicalReportHandler;
use touchstone_model::FeedKind;
use touchstone_suite::config::{Catalogue, load_catalogue, load_inventory};
use touchstone_suite::import::{self, Origin, downtimes};
use touchstone_yaml::{Problems, SourceFile};

use super::engine::Target;

/// More than all problems of one file may fill, in bytes.
const LONGEST_TELLING: usize = 1 << 20;

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| load_catalogue(&[]).expect("the suites of the binary"));

fn source(name: &str, input: &[u8]) -> Option<SourceFile> {
    Some(SourceFile {
        name: name.into(),
        text: std::str::from_utf8(input).ok()?.into(),
    })
}

/// Each problem has its place in the file, and can be shown in both ways.
fn judge(source: &SourceFile, problems: &Problems) -> String {
    let text = source
        .text
        .trim_start_matches('\u{feff}')
        .replace("\r\n", "\n");
    let ends = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let lines: Vec<&str> = text.split(ends).collect();
    let mut drawn = String::new();
    for problem in problems {
        if let Some(spot) = problem
            .spot
            .as_ref()
            .filter(|_| problem.file == source.name)
        {
            assert!((1..=lines.len()).contains(&spot.line), "{problem}");
            let columns = lines[spot.line - 1].chars().count() + 1;
            assert!((1..=columns).contains(&spot.column), "{problem}");
            assert!(spot.length >= 1, "{problem}");
        }
        let told = problem.to_string();
        assert!(!told.contains(['\x1b', '\0', '\u{202e}']), "{told:?}");
        GraphicalReportHandler::new()
            .render_report(&mut drawn, &problem.report())
            .expect("a drawing");
    }
    let told = problems.to_string();
    assert!(
        told.len() + drawn.len() < LONGEST_TELLING,
        "{} bytes",
        told.len()
    );
    let first = problems.iter().next().expect("a problem");
    first.message.clone()
}

/// A file with the problem at its place: line and column are promised.
fn placed(problems: &Problems) {
    for problem in problems {
        let whole = ["aliases repeat", "too deep"];
        let whole = whole.iter().any(|part| problem.message.contains(part));
        assert!(whole || problem.spot.is_some(), "{problem}");
    }
}

const YAML: &[&str] = &[
    "&a ",
    "*a",
    "<<: *a",
    "!!int ",
    "!!binary ",
    "!x ",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "|\n",
    ">-\n",
    "{",
    "}",
    "[",
    "]",
    "null",
    "~",
    "yes",
    "0x7f",
    "0o17",
    ".inf",
    ".nan",
    "2026-11-22",
    "\"\\x00\"",
    ": ",
    "- ",
    "  ",
    "\t",
    "#",
    "endpoints:",
    "issuers:",
    "paths:",
    "url:",
    "limits:",
    "traits:",
    "ca:",
    "known-failures:",
    "secret-env:",
    "judge:",
    "client-credentials:",
    "test-key:",
    "accounts:",
    "downtimes:",
    "redirect-hosts:",
    "{dir}",
    "{a..b}",
    "1d",
    "99999999999h",
];
const YAML_TEXT: &str = "([a-z-]{1,12}: ?([a-z0-9/:.~*&!\\[\\]{}, \"'-]{0,20})?\n( {0,6}(- )?[a-z-]{1,9}: ?[a-z0-9/:.]{0,12}\n){0,4}){0,12}";

#[test]
fn endpoints() {
    let target = Target {
        name: "endpoints",
        seeds: vec![include_bytes!("../../../endpoints.yaml").to_vec()],
        words: YAML,
        grammar: YAML_TEXT,
        inputs: 400,
        longest: 24 << 10,
    };
    target.fuzz(|input| {
        let Some(source) = source("endpoints.yaml", input) else {
            return "no text".into();
        };
        match load_inventory(&source, &CATALOGUE) {
            Ok(loaded) => format!("{} endpoints", loaded.inventory.endpoints.len().min(2)),
            Err(problems) => judge(&source, &problems),
        }
    });
}

#[test]
fn suites() {
    const WORDS: &[&str] = &[
        "suite:",
        "about:",
        "cases:",
        "id:",
        "title:",
        "clauses:",
        "severity:",
        "given:",
        "steps:",
        "put:",
        "get:",
        "copy:",
        "token:",
        "expect:",
        "control:",
        "denied",
        "none",
        "raw:",
        "matrix:",
        "{dir}",
        "claims:",
        "headers:",
        "body:",
        "&a ",
        "*a",
        "<<: *a",
        "!!set ",
        "- ",
        "  ",
        "\n",
        "asks:",
        "repeat: 99999999999",
        "..",
        "%2e%2e/",
    ];
    let target = Target {
        name: "suites",
        seeds: Vec::new(),
        words: WORDS,
        grammar: YAML_TEXT,
        inputs: 25,
        longest: 8 << 10,
    };
    target.fuzz(|input| {
        let Some(source) = source("site.yaml", input) else {
            return "no text".into();
        };
        match load_catalogue(std::slice::from_ref(&source)) {
            Ok(_) => "suites".into(),
            Err(problems) => judge(&source, &problems),
        }
    });
}

#[test]
fn robot() {
    imports("robot", Origin::Robot, YAML, YAML_TEXT);
}

const JSON_TEXT: &str = "\\{(\"[a-z_]{1,9}\": ?(\"[a-z:/.]{0,20}\"|[0-9]{1,20}|\\[[0-9, ]{0,9}\\]|null|\\{\\}),?){0,9}\\}";

#[test]
fn cric() {
    const WORDS: &[&str] = &[
        "\"protocols\":",
        "\"endpoint\":",
        "\"https\"",
        "https://",
        "davs://",
        "\"arprotocols\":",
        "\"vo_name\":",
        "null",
        "[]",
        "{}",
        "\"rse\":",
        "\"state\":",
        "\\u0000",
        "\\ud83d",
        "\"impl\":",
        "\"path\":",
        "//",
        ":0",
        ":65536",
        "@",
        "[::1]",
    ];
    imports("cric", Origin::Cric, WORDS, JSON_TEXT);
}

#[test]
fn osdf() {
    const WORDS: &[&str] = &[
        "\"namespaces\":",
        "\"caches\":",
        "\"origins\":",
        "\"issuer\":",
        "\"base_path\":",
        "https://",
        "null",
        "[]",
        "{}",
        "//",
        "\"path\":",
        "\"scitokens\":",
        "\"endpoint\":",
        "\\u0000",
        ":0",
        ":65536",
        "@",
        "[::1]",
        "..",
        "\"restricted_path\":",
    ];
    imports("osdf", Origin::Osg, WORDS, JSON_TEXT);
}

/// What is made of a file is a file that we take ourselves.
fn imports(name: &str, origin: Origin, words: &[&str], grammar: &str) {
    let target = Target {
        name,
        seeds: Vec::new(),
        words,
        grammar,
        inputs: 300,
        longest: 24 << 10,
    };
    target.fuzz(|input| {
        let Some(source) = source("theirs", input) else {
            return "no text".into();
        };
        match import::import(origin, &source) {
            Err(import::ImportError::Yaml(problems)) => {
                placed(&problems);
                judge(&source, &problems)
            }
            Err(error) => {
                let told = error.to_string();
                assert!(told.len() < 8 << 10, "{} bytes", told.len());
                told
            }
            Ok(imported) => {
                let ours = SourceFile {
                    name: "endpoints.yaml".into(),
                    text: imported.text.into(),
                };
                if let Err(problems) = load_inventory(&ours, &CATALOGUE) {
                    panic!("made of it:\n{}\n{problems}", ours.text);
                }
                format!("imported, left {}", imported.left.min(1) == 1)
            }
        }
    });
}

#[test]
fn downtimes_of_gocdb() {
    published("gocdb", FeedKind::Gocdb);
}

#[test]
fn downtimes_of_osg() {
    published("osg", FeedKind::Osg);
}

fn published(name: &str, kind: FeedKind) {
    const WORDS: &[&str] = &[
        "<!DOCTYPE a [<!ENTITY b \"cc\"><!ENTITY c \"&b;&b;\">]>",
        "&b;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?x?>",
        "&#0;",
        "&#x110000;",
        "<DOWNTIME>",
        "</DOWNTIME>",
        "<START_DATE>",
        "<END_DATE>",
        "<Downtime>",
        "<StartTime>",
        "<EndTime>",
        "<HOSTNAME>",
        "<SEVERITY>OUTAGE</SEVERITY>",
        " xmlns=\"x\"",
        "xmlns:a=\"\"",
        "9999-12-31",
        "Feb 30, 2026 25:61 PM UTC",
    ];
    let target = Target {
        name,
        seeds: Vec::new(),
        words: WORDS,
        grammar: "<[a-zA-Z]{1,8}( [a-z:]{1,6}=\"[a-z&;#0-9]{0,9}\"){0,2}>([a-z0-9 &;:-]{0,20}(<[A-Z]{1,9}/>)?){0,9}</[a-zA-Z]{1,8}>",
        inputs: 700,
        longest: 24 << 10,
    };
    target.fuzz(|input| {
        let Ok(text) = std::str::from_utf8(input) else {
            return "no text".into();
        };
        match downtimes::read(kind, text) {
            Err(reason) => {
                assert!(reason.len() < 1 << 10, "{} bytes", reason.len());
                reason
            }
            Ok(found) => {
                for downtime in &found.downtimes {
                    assert!(downtime.from <= downtime.until, "{downtime:?}");
                }
                format!(
                    "{} {}",
                    found.downtimes.len().min(1) == 1,
                    found.unreadable.min(1) == 1
                )
            }
        }
    });
}
