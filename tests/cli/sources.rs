//! `tests/sources`, which compares the quotations of the register with a copy of what they quote.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::test_bed::Ended;

/// Lines 929 to 976 of profile.md 1.3.
const EXCERPT: &str = "tests/corpus/sources/profile-929.md";
const FIRST: &str = "929";

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compare(excerpt: &Path) -> Ended {
    let mut command = Command::new(top().join("tests/sources"));
    command
        .args(["--from", FIRST])
        .arg(excerpt)
        .env("TOUCHSTONE", env!("CARGO_BIN_EXE_touchstone"));
    Ended::of(&mut command)
}

/// The excerpt with something else in place of `old`, which it has once.
fn changed(folder: &Path, old: &str, new: &str) -> PathBuf {
    let text = std::fs::read_to_string(top().join(EXCERPT)).expect("the excerpt");
    assert_eq!(text.matches(old).count(), 1, "{old}");
    let path = folder.join("profile.md");
    std::fs::write(&path, text.replace(old, new)).expect("a file");
    path
}

#[test]
fn an_unchanged_source_has_every_quotation_and_no_duty_that_is_not_quoted() {
    let ended = compare(&top().join(EXCERPT)).expect(0);
    let [told] = ended.stdout.lines().collect::<Vec<_>>()[..] else {
        panic!("{}", ended.stdout)
    };
    let rest = " quotations in place, 0 moved, 0 gone, 0 sentences with MUST that no clause quotes";
    let number = told
        .strip_prefix("profile-929.md: ")
        .and_then(|told| told.strip_suffix(rest));
    let number: usize = number.expect(told).parse().expect(told);
    assert!(number >= 15, "{told}");
}

#[test]
fn a_changed_sentence_is_told_with_the_clauses_that_quote_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed(
        folder.path(),
        "for these scopes, the token MUST be rejected.",
        "for these scopes, the token\nSHOULD be rejected.",
    );
    let told = compare(&path).expect(1).stdout;
    for clause in ["JWT-2.2.1-39", "JWT-2.2.3-04"] {
        let gone = told
            .lines()
            .find(|line| line.starts_with(&format!("gone     {clause}: ")));
        let gone = gone.unwrap_or_else(|| panic!("{clause}: {told}"));
        assert!(
            gone.contains("the token MUST be rejected.\" (line 97"),
            "{gone}"
        );
    }
    // What stands below has moved by the line that was added.
    let moved: Vec<_> = told
        .lines()
        .filter(|line| line.starts_with("moved "))
        .collect();
    assert!(
        moved
            .iter()
            .any(|line| line.contains("JWT-2.2.1-40: line 974 is now 975: ")),
        "{told}"
    );
    assert!(
        !moved.iter().any(|line| line.contains("JWT-2.2.1-09")),
        "{told}"
    );
}

#[test]
fn a_new_duty_is_told_and_other_markup_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed(
        folder.path(),
        "`$PATH` MUST be treated as an **exact** match",
        "<code>$PATH</code> MUST be treated as an _exact_ match",
    );
    assert!(
        compare(&path)
            .expect(0)
            .stdout
            .contains(", 0 moved, 0 gone, 0 sentences")
    );
    let path = changed(
        folder.path(),
        "* a file `/foo/bar`.",
        "* a file `/foo/bar`. Servers MUST NOT say why.",
    );
    let told = compare(&path).expect(0).stdout;
    let new = "uncited  line 968: Servers MUST NOT say why.";
    assert!(told.lines().any(|line| line == new), "{told}");
}
