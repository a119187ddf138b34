//! What `touchstone generate` makes, met by those who read it.

use std::path::Path;
use std::process::{Command, Output};

fn generate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
    let output = command.arg("generate").args(arguments).output();
    let output = output.expect("the binary starts");
    assert!(output.status.success(), "{output:?}");
    output
}

fn text(arguments: &[&str]) -> String {
    String::from_utf8(generate(arguments).stdout).expect("UTF-8")
}

/// Runs a tool that has to be there.
fn tool(name: &str, arguments: &[&str]) -> Output {
    Command::new(name)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("{name} is missing ({error}); tests/run installs it"))
}

#[test]
fn the_schemas_in_the_repository_are_those_of_the_binary() {
    for kind in ["endpoints", "suite", "run"] {
        let name = format!("docs/schemas/{kind}.schema.json");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == text(&["schema", kind]),
            "{name} is old; run: cargo run -- generate schema {kind} > {name}"
        );
    }
}

#[test]
fn the_shells_take_the_completions() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&["completions", shell]);
        assert!(
            script.contains("tpc-matrix"),
            "{shell}: an option is missing"
        );
        let path = folder.path().join(shell);
        let check = |script: &str| {
            std::fs::write(&path, script).expect("a file");
            tool(shell, &["-n", path.to_str().expect("UTF-8")])
        };
        let good = check(&script);
        assert!(good.status.success(), "{shell}: {good:?}");
        let bad = check(&format!("{script}\nif (\n"));
        assert!(!bad.status.success(), "{shell} takes anything");
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("completions");
    std::fs::write(&path, text(&["completions", "bash"])).expect("a file");
    let script = format!(
        "source {}
        COMP_WORDS=(touchstone run --tpc-m) COMP_CWORD=2
        _touchstone touchstone --tpc-m run
        echo \"${{COMPREPLY[*]}}\"",
        path.display()
    );
    let output = tool("bash", &["--norc", "-c", &script]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "--tpc-matrix",
        "{output:?}"
    );
}

#[test]
fn every_command_has_a_manual_page_that_man_reads_without_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man1");
    generate(&["man", pages.to_str().expect("UTF-8")]);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&pages).expect("the pages") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("UTF-8")
            .to_owned();
        let output = tool(
            "man",
            &[
                "--warnings",
                "--local-file",
                "-Tutf8",
                path.to_str().expect("UTF-8"),
            ],
        );
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{name}: {output:?}"
        );
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("touchstone"),
            "{name}"
        );
        names.push(name);
    }
    names.sort();
    for command in [
        "touchstone",
        "touchstone-run",
        "touchstone-serve-storage",
        "touchstone-generate-man",
    ] {
        let page = format!("{command}.1");
        assert!(names.contains(&page), "{page} is missing: {names:?}");
    }
    let broken = folder.path().join("broken.1");
    std::fs::write(&broken, ".TH X 1\n.SH NAME\n.NOSUCH thing\n").expect("a file");
    let output = tool(
        "man",
        &[
            "--warnings",
            "--local-file",
            "-Tutf8",
            broken.to_str().expect("UTF-8"),
        ],
    );
    assert!(!output.stderr.is_empty(), "man takes anything: {output:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let folder = file.path().join("man1");
    let output = Command::new(env!("CARGO_BIN_EXE_touchstone"))
        .args(["generate", "man"])
        .arg(&folder)
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains(&*folder.to_string_lossy()), "{told}");
}
