//! The HTML report in a real Chromium: what a reader does with it, what a hostile server cannot do with it, and
//! whether it is accessible. `tests/run` puts the browser and its driver into place.

#[path = "../common/mod.rs"]
mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::fleet::{HOSTILE, Plan, record, usual};

fn target(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(folder)
}

/// Where `tests/run` has installed the driver, with the script beside its modules.
fn driver() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let folder = target("browser");
    let lock = |folder: &Path| std::fs::read(folder.join("package-lock.json")).unwrap_or_default();
    assert!(
        folder.join("node_modules").is_dir() && lock(&folder) == lock(&source),
        "the driver of the browser is not installed in {}: run tests/run",
        folder.display()
    );
    for script in ["page.mjs", "reader.mjs", "hostile.mjs", "large.mjs"] {
        std::fs::copy(source.join(script), folder.join(script)).expect("a copy of the script");
    }
    folder
}

/// The page of a record, in a file that CI keeps.
fn page(name: &str, plan: &Plan) -> PathBuf {
    let file = target("browser").join(format!("{name}.html"));
    let html = touchstone_report::html::write(&record(plan)).expect("a page");
    assert!(html.len() < 5_000_000, "{name}: {} bytes", html.len());
    std::fs::write(&file, html).expect("the page is written");
    file
}

/// Runs a script on a page, and tells what it says.
fn browse(script: &str, page: &Path) {
    let folder = driver();
    let output = Command::new("node")
        .arg(folder.join(script))
        .arg(page)
        .output()
        .expect("node runs (Debian package nodejs)");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{script}: {said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::io::stdout()
        .write_all(&output.stdout)
        .expect("what it measured is told");
}

#[test]
fn a_reader_filters_opens_and_links() {
    driver();
    let plan = Plan {
        endpoints: 4,
        cases: 40,
        text: "",
        verdict: usual,
        different: false,
        body: 200,
    };
    browse("reader.mjs", &page("small", &plan));
}

#[test]
fn servers_run_nothing_in_the_page() {
    driver();
    let verdict = |endpoint: usize, case: usize| {
        ["fail", "warn", "error", "skip", "pass"][(endpoint + case) % 5]
    };
    let plan = Plan {
        endpoints: 3,
        cases: 12,
        text: HOSTILE,
        verdict,
        different: false,
        body: 2_000,
    };
    browse("hostile.mjs", &page("hostile", &plan));
}

#[test]
fn two_hundred_endpoints_open_at_once() {
    driver();
    let plan = Plan {
        endpoints: 200,
        cases: 300,
        text: "",
        verdict: usual,
        different: false,
        body: 400,
    };
    browse("large.mjs", &page("large", &plan));
}

#[test]
fn a_fleet_that_fails_everything_stays_small() {
    driver();
    let plan = Plan {
        endpoints: 200,
        cases: 300,
        text: "<&\"\u{7}",
        verdict: |_, _| "fail",
        different: true,
        body: 600,
    };
    browse("large.mjs", &page("disaster", &plan));
}
