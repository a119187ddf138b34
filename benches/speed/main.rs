//! How fast is it? One command, one page: `cargo bench --bench speed`. What the sections mean stands in
//! docs/performance.md.

#[path = "../../tests/common/mod.rs"]
mod common;

mod fleet;
mod full;
mod machine;
mod measure;
mod place;
mod redaction;
mod reference_suite;
mod serial;
mod small;
mod table;

use std::io::Write;
use std::time::Duration;

use table::Page;

const USAGE: &str = "\
cargo bench --bench speed                       everything, in about ten minutes on two cores
cargo bench --bench speed -- SECTION…           only these: reference-suite full delayed fleet redaction prove small
cargo bench --bench speed -- --quick            a tenth of everything, to see that it works
cargo bench --bench speed -- --markdown         tables for docs/performance.md
cargo bench --bench speed -- relay PORT 40ms    a relay in front of a port of this machine, until interrupted

TOUCHSTONE_MEASURED=FILE in the environment measures another build than this one.";

const SECTIONS: [&str; 7] = [
    "reference-suite",
    "full",
    "delayed",
    "fleet",
    "redaction",
    "prove",
    "small",
];

/// The round trip of the delayed sections.
const ROUND_TRIP: Duration = Duration::from_millis(40);

fn main() -> std::process::ExitCode {
    // Cargo adds its own argument.
    let arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let (flags, words): (Vec<_>, Vec<_>) = arguments.partition(|word| word.starts_with('-'));
    if let [relay, port, round_trip] = &words[..]
        && relay == "relay"
    {
        return small::relay(port, round_trip);
    }
    let unknown = |word: &&String| !SECTIONS.contains(&word.as_str());
    let known = ["--quick", "--markdown"];
    let odd = |flag: &&String| !known.contains(&flag.as_str());
    if words.iter().find(unknown).is_some() || flags.iter().find(odd).is_some() {
        say(USAGE);
        return std::process::ExitCode::from(2);
    }
    let quick = flags.iter().any(|flag| flag == "--quick");
    let wanted = |section: &str| words.is_empty() || words.iter().any(|word| word == section);
    measure::raise_descriptors();
    let mut page = Page::new(flags.iter().any(|flag| flag == "--markdown"));
    page.note(&machine::description());
    if quick {
        page.note("A quick run: too small to be compared with what is to be reached.");
    }
    if wanted("reference-suite") {
        reference_suite::measure(&mut page, None, quick);
    }
    if wanted("full") {
        full::measure(&mut page, None, quick);
    }
    if wanted("delayed") {
        reference_suite::measure(&mut page, Some(ROUND_TRIP), quick);
        full::measure(&mut page, Some(ROUND_TRIP), quick);
    }
    if wanted("fleet") {
        fleet::measure(&mut page, quick);
    }
    if wanted("redaction") {
        redaction::measure(&mut page, quick);
    }
    if wanted("prove") {
        small::prove(&mut page, quick);
    }
    if wanted("small") {
        small::measure(&mut page, quick);
    }
    if !quick {
        page.targets();
    }
    std::process::ExitCode::SUCCESS
}

/// Prints a line; a reader that has gone away is no error.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
