//! `touchstone prove` on a selection small enough for a test; CI runs it in full.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const SMALL: [&str; 4] = ["--fault", "create-*", "--case", "capability.create.*"];

fn prove(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_touchstone"))
        .arg("prove")
        .args(arguments)
        .current_dir(folder)
        .env("RUST_LOG", "trace")
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output, code: i32) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{stdout}");
    for text in [&stdout, &text(&output.stderr)] {
        assert!(!text.contains("eyJ"), "a token came out");
    }
    stdout
}

fn strings(value: &Value) -> Vec<&str> {
    let array = value.as_array().expect("an array");
    array.iter().filter_map(Value::as_str).collect()
}

#[test]
fn a_selection_is_proven_in_json_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = prove(folder.path(), &[&SMALL[..], &["--format", "json"]].concat());
    let proof: Value = serde_json::from_str(&stdout(&output, 0)).expect("JSON");
    assert_eq!(proof["schema"], "touchstone/proof/1");
    assert_eq!(
        (&proof["proven"], &proof["partial"]),
        (&true.into(), &true.into())
    );
    for list in [
        "uncaught",
        "missed",
        "idle",
        "not_green",
        "green",
        "collateral",
    ] {
        assert_eq!(proof[list], serde_json::json!([]), "{list}");
    }
    let faults = proof["faults"].as_array().expect("faults");
    assert!(faults.len() >= 10, "{}", faults.len());
    let mut caught = 0;
    for fault in faults {
        assert!(
            fault["fault"]
                .as_str()
                .is_some_and(|name| name.starts_with("create-"))
        );
        let failed = strings(&fault["failed"]);
        for case in strings(&fault["expected"]) {
            assert!(
                case.starts_with("capability.create.") && failed.contains(&case),
                "{fault}"
            );
            caught += 1;
        }
    }
    assert!(caught >= 5, "{caught}");
    let profiles: Vec<_> = proof["faultless"]
        .as_array()
        .expect("rows")
        .iter()
        .collect();
    assert_eq!(profiles.len(), 4);
    assert!(profiles.iter().all(|row| row["pass"].as_u64() > Some(0)));
    let left: Vec<_> = folder.path().read_dir().expect("the folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_table_tells_that_it_is_a_selection_and_reports_are_written_where_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = [
        "--fault",
        "create-overwrites",
        "--fault",
        "down",
        "--report-dir",
        "proof",
    ];
    let output = prove(folder.path(), &[&more[..], &SMALL[2..]].concat());
    let table = stdout(&output, 0);
    for text in [
        "create-overwrites  ",
        "down  would end with 3",
        "Only a selection",
        "Proven: 2 faults",
    ] {
        assert!(table.contains(text), "{text}: {table}");
    }
    let file = |name: &str| {
        std::fs::read_to_string(folder.path().join("proof").join(name)).expect("a report")
    };
    assert_eq!(file("proof.txt"), table);
    assert!(file("proof.json").contains("\"proven\": true"));
    let record: Value = serde_json::from_str(&file("run.json")).expect("JSON");
    assert_eq!(record["run"]["strict"], true);
    assert!(
        record["results"]
            .as_array()
            .expect("results")
            .iter()
            .any(|result| {
                result["exchanges"]
                    .as_array()
                    .is_some_and(|exchanges| !exchanges.is_empty())
            })
    );
}

/// Faults of every kind of decision, two of each family that the seed draws; and what cannot be left out.
fn drawn(seed: u64) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_touchstone"))
        .args(["list", "faults", "--format", "json"])
        .output()
        .expect("the binary runs");
    let listed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let names: Vec<&str> = listed
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|fault| fault["fault"].as_str())
        .collect();
    assert!(names.len() > 700, "{}", names.len());
    let mut state = seed;
    // SplitMix64.
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut chosen = vec!["deny-all".to_owned(), "connection-keeps-refusal".to_owned()];
    while chosen.len() < 10 {
        let at = usize::try_from(random() % names.len() as u64).expect("an index");
        let name = names[at].to_owned();
        // To wait for the client's patience takes longer than a test may; and which requests share a connection is chance.
        let left_out = ["hang-all", "down", "connection-stands-in"];
        if !chosen.contains(&name) && !left_out.contains(&name.as_str()) {
            chosen.push(name);
        }
    }
    chosen
}

/// Everything in a proof but how much was run, and how long it took.
fn shown(proof: &Path) -> Value {
    let text = std::fs::read_to_string(proof.join("proof.json")).expect("a proof");
    let mut proof: Value = serde_json::from_str(&text).expect("JSON");
    let members = proof.as_object_mut().expect("an object");
    for member in ["duration_ms", "run", "verdicts"] {
        assert!(members.remove(member).is_some(), "{member}");
    }
    proof
}

/// Another sample with `TOUCHSTONE_SEED=…`; all that there is with `TOUCHSTONE_SEED=all`, which takes long.
#[test]
fn what_is_left_out_would_not_have_changed_the_matrix() {
    let seed = std::env::var("TOUCHSTONE_SEED").unwrap_or_else(|_| "2026".to_owned());
    let mut arguments = Vec::new();
    if seed != "all" {
        arguments.push("--fault".to_owned());
        arguments.extend(drawn(seed.parse().expect("a number")));
        arguments.push("--case".to_owned());
        let cases = [
            "bearer.none.*",
            "connection.*-token",
            "issuer.endpoint.*",
            "macaroon.caveat.*",
            "path.sibling*",
            "tape.stage.*",
        ];
        arguments.extend(cases.map(str::to_owned));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [affected, all] = [&[][..], &["--all"]].map(|more| {
        let name = if more.is_empty() { "affected" } else { "all" };
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(["--report-dir", name]);
        arguments.extend(more);
        let output = prove(folder.path(), &arguments);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{told}");
        (shown(&folder.path().join(name)), told)
    });
    assert_eq!(affected.0, all.0, "TOUCHSTONE_SEED={seed}");
    let line = |told: &str| {
        let mut lines = told.lines().filter(|line| line.starts_with("Run: "));
        lines.next().map(str::to_owned).expect("how much was run")
    };
    assert!(line(&affected.1).ends_with("; the others cannot change"));
    assert!(line(&all.1).starts_with("Run: all "));
}

#[test]
fn patterns_without_a_match_are_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, told) in [
        (["--fault", "create-overwrite"], "create-overwrites"),
        (["--fault", "["], "no pattern"),
        (["--case", "no.such.case"], "no case matches"),
    ] {
        let output = prove(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(told), "{stderr}");
    }
}

/// Of a few faults, for each pair of which both have to be told.
const TWO_BY_TWO: [&str; 6] = ["--fault", "create-*", "put-*", "--pairs", "4", "--seed"];

#[test]
fn pairs_of_faults_are_drawn_by_seed_and_told_beside_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let proof = |seed: &str, more: &[&str]| {
        let output = prove(folder.path(), &[&TWO_BY_TWO[..], &[seed], more].concat());
        stdout(&output, 0)
    };
    let text = proof("5", &["--report-dir", "out"]);
    assert!(
        text.contains("Silenced by another one; this list has to be empty: 0")
            && text.contains("Proven: 4 pairs and")
            && text.contains("seed 5"),
        "{text}"
    );
    let record = folder.path().join("out/run.json");
    let services = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("a record");
        let record: Value = serde_json::from_str(&text).expect("JSON");
        let rows = record["endpoints"].as_array().expect("endpoints").clone();
        let names = rows.iter().map(|row| row["name"].to_string());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let first = services(&record);
    assert_eq!(first.iter().filter(|name| name.contains('+')).count(), 4);
    let written = std::fs::read_to_string(folder.path().join("out/pairs.txt"));
    assert!(written.expect("a text").contains("Proven: 4 pairs"));
    let text = proof("5", &["--report-dir", "again", "--format", "json"]);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["schema"], "touchstone/pairs/1");
    assert_eq!((&json["pairs"], &json["seed"]), (&4.into(), &5.into()));
    assert_eq!(services(&folder.path().join("again/run.json")), first);
    proof("6", &["--report-dir", "other"]);
    assert_ne!(services(&folder.path().join("other/run.json")), first);
}

#[test]
fn a_refusal_that_has_another_reason_is_no_evidence() {
    let rows = [
        (
            ["request-doubled-slashes-climb", "token-single-use"],
            "path.request.doubled-slash",
            "a token that is no longer good for what it was good for before",
        ),
        (
            ["tpc-part-is-whole", "scope-is-exact"],
            "tpc.failure.partial",
            "refused before the other side was asked",
        ),
        (
            ["tpc-certificate-name-ignored", "no-mkcol"],
            "tpc.certificate.other-name",
            "refused before the other side was asked",
        ),
        (
            ["tpc-empties-old", "modify-overwrites-not"],
            "tpc.failed-keeps",
            "refused before the other side was asked",
        ),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for ([one, other], case, told) in rows {
        let pair = ["--fault", one, other, "--pairs", "1"];
        let text = stdout(&prove(folder.path(), &pair), 0);
        let line = text.lines().map(str::trim).find(|line| {
            let mut words = line.split_whitespace();
            (words.next(), words.next()) == (Some("error"), Some(case))
        });
        assert!(line.is_some_and(|line| line.contains(told)), "{text}");
    }
}

#[test]
fn a_seed_without_pairs_and_pairs_of_one_fault_are_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, told) in [
        (&["--seed", "5"][..], "--pairs <N>"),
        (&["--pairs", "3", "--all"], "cannot be used with"),
        (
            &["--pairs", "3", "--fault", "create-overwrites"],
            "no two of these faults go together",
        ),
    ] {
        let output = prove(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(told), "{stderr}");
    }
}
