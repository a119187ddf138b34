//! Imitations of real software: touchstone's verdicts there are those that are right for the software itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::common::test_bed::{Ended, TestBed, verdicts};

const STORM: &str = "storm-webdav-1.9";

/// What is right for each case at StoRM WebDAV 1.9.0-rc3, and what was said of it when it was first judged there.
const TRUTH: &str = include_str!("../corpus/likes/storm-webdav-1.9.tsv");

/// Cases of the table that cannot be judged at the imitation, and why.
const CANNOT_RUN: &[(&str, &str)] = &[];

/// A line of the table: the case, and the verdicts that are right.
struct Row {
    case: &'static str,
    right: Vec<&'static str>,
}

/// The lines of the table.
fn truth() -> Vec<Row> {
    let rows = TRUTH.lines().skip(1).map(|line| {
        let columns: Vec<_> = line.split('\t').collect();
        let [case, _, right, _] = columns[..] else {
            panic!("four columns: {line}");
        };
        let right = right.split('|').collect();
        Row { case, right }
    });
    rows.collect()
}

/// What `demo` says of each case at the imitation of that name, with why.
fn judged(like: &str) -> BTreeMap<String, (String, String)> {
    let bed = TestBed::new();
    let ended = bed.run(&["demo", "--like", like, "--quick"]);
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
    let record = bed.record();
    let results = record["results"].as_array().expect("results").iter();
    results
        .filter(|result| result["endpoint"] == like)
        .map(|result| {
            let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
            let why = format!("{} {}", text("reason"), result["findings"]);
            (text("case"), (text("verdict"), why))
        })
        .collect()
}

#[test]
fn verdicts_at_the_imitation_of_storm_are_those_of_the_truth_table() {
    let judged = judged(STORM);
    let rows = truth();
    assert!(rows.len() > 370, "{}", rows.len());
    let mut wrong = Vec::new();
    for Row { case, right } in &rows {
        if CANNOT_RUN.iter().any(|(other, _)| other == case) {
            continue;
        }
        match judged.get(*case) {
            None => wrong.push(format!("{case}: not judged")),
            Some((verdict, why)) if !right.contains(&verdict.as_str()) => {
                wrong.push(format!("{case}: {verdict}, right is {right:?}: {why}"));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_excepted_is_in_the_table() {
    let cases: BTreeSet<_> = truth().into_iter().map(|row| row.case).collect();
    for (case, why) in CANNOT_RUN {
        assert!(cases.contains(case) && !why.is_empty(), "{case}");
    }
}

#[test]
fn imitations_are_listed_with_where_their_facts_are_from() {
    let bed = TestBed::new();
    let ended = bed.run(&["list", "likes", "--format", "json"]).expect(0);
    let likes: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let likes = likes.as_array().expect("a list");
    let storm = likes.iter().find(|like| like["like"] == STORM);
    let storm = storm.expect("the imitation of StoRM");
    assert!(
        storm["source"]
            .as_str()
            .is_some_and(|text| text.contains("StoRM WebDAV 1.9.0-rc3"))
    );
    let deviations = storm["deviations"].as_array().expect("a list");
    assert!(deviations.contains(&"version-exact".into()), "{storm}");
    let table = bed.run(&["list", "likes"]).expect(0).stdout;
    for like in likes {
        let name = like["like"].as_str().expect("a name");
        assert!(
            table
                .lines()
                .any(|line| line.trim_start().starts_with(name)),
            "{table}"
        );
    }
}

#[test]
fn an_unknown_imitation_is_refused_with_those_that_there_are() {
    let bed = TestBed::new();
    for command in [&["demo"][..], &["serve", "storage"]] {
        let ended = bed.run(&[command, &["--like", "storm-webdav-1.8"]].concat());
        let Ended { stderr, .. } = ended.expect(2);
        assert!(
            stderr.contains("there is no imitation `storm-webdav-1.8`"),
            "{stderr}"
        );
        assert!(stderr.contains("touchstone list likes"), "{stderr}");
        assert!(stderr.contains(STORM), "{stderr}");
    }
}

#[test]
fn what_excludes_each_other_is_refused() {
    let bed = TestBed::new();
    for (arguments, why) in [
        (
            &["demo", "--fault", "put-lies", "--fault", "put-lies"][..],
            "`put-lies` and `put-lies` cannot be had together: the same twice",
        ),
        (
            &["demo", "--fault", "down", "--fault", "put-lies"],
            "`down` puts the whole storage element out of order: nothing would be seen of `put-lies`",
        ),
        (
            &["serve", "storage", "--like", STORM, "--fault", "error-all"],
            "`error-all` puts the whole storage element out of order",
        ),
        (
            &[
                "serve",
                "issuer",
                "--fault",
                "issuer-token-lives-a-week",
                "--fault",
                "issuer-token-lives-minutes",
            ],
            "cannot be had together: both decide `lifetime`",
        ),
    ] {
        let Ended { stderr, .. } = bed.run(arguments).expect(2);
        assert!(stderr.contains(why), "{stderr}");
    }
}

/// Two faults of one service are both seen.
#[test]
fn a_demo_of_two_faults_finds_both() {
    let bed = TestBed::new();
    let arguments = [
        "demo",
        "--fault",
        "stage-reads",
        "--fault",
        "poll-reads",
        "--case",
        "capability.*.no-get*",
    ];
    bed.run(&arguments).expect(1);
    let verdicts = verdicts(&bed.record());
    for case in [
        "capability.stage.no-get-version-1-2",
        "capability.poll.no-get",
    ] {
        let verdict = &verdicts[&("faulty".to_owned(), case.to_owned())];
        assert_eq!(verdict, "fail", "{case}");
    }
}
