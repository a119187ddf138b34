//! Endpoints in downtime are not asked anything, and a list that cannot be had costs no run: seen with the
//! real binary.

use crate::common::issuer::{Reply, ScriptedIssuer};
use crate::common::test_bed::{Ended, TestBed, verdicts};
use crate::common::waiting::{HANGS, NEVER};

/// GOCDB's list, with localhost in an outage that is going on.
fn gocdb() -> String {
    let now = jiff::Timestamp::now().as_second();
    include_str!("../downtimes/gocdb.xml")
        .replace("SE-one.example.org", "LOCALHOST")
        .replace("1795334400", &(now - 3600).to_string())
        .replace("1795420800", &(now + 3600).to_string())
}

/// Runs against one endpoint at that URL, with these downtimes.
fn run(bed: &TestBed, url: &str, downtimes: &str) -> Ended {
    bed.endpoints(&[("se", url)], "");
    let file = std::fs::read_to_string(bed.path("endpoints.yaml")).expect("the file");
    bed.write("endpoints.yaml", &format!("downtimes:\n{downtimes}{file}"));
    bed.run(&["run", "--case", "capability.read.*"])
}

fn expect_alone(bed: &TestBed, ended: Ended) {
    let ended = ended.expect(3);
    let told = "in downtime until ";
    assert_eq!(
        ended.stdout.matches("  DOWN   in downtime until ").count(),
        1
    );
    assert!(ended.stdout.contains("Every endpoint is in downtime"));
    let record = bed.record();
    let downtime = record["endpoints"][0]["downtime"]
        .as_str()
        .expect("a downtime");
    assert!(downtime.starts_with(told), "{downtime}");
    assert!(verdicts(&record).values().all(|verdict| verdict == "skip"));
    let results = record["results"].as_array().expect("results");
    assert!(results.len() > 3);
    assert!(results.iter().all(|result| result["reason"] == downtime));
    assert!(record["run"]["issuers"].is_null(), "no token was asked for");
}

#[test]
fn storage_in_downtime_is_not_contacted() {
    let bed = TestBed::new();
    let storage = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
    let url = storage.url().trim_end_matches('/').to_owned();
    let manual = "  - {endpoint: s*, until: 2999-12-31, reason: new disks}\n";
    let ended = run(&bed, &url, manual);
    assert!(
        ended.stdout.contains("new disks (endpoints.yaml:2)"),
        "{}",
        ended.stdout
    );
    expect_alone(&bed, ended);

    bed.write("gocdb.xml", &gocdb());
    let ended = run(&bed, &url, "  - gocdb: gocdb.xml\n");
    assert!(
        ended.stderr.contains("1 outage could not be read"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stdout
            .contains("New disk servers & a new kernel (GOCDB https://goc")
    );
    expect_alone(&bed, ended);

    let feed = ScriptedIssuer::start(&bed.runtime, &bed.authority, |asked| {
        assert_eq!(asked.query, "method=get_downtime&ongoing_only=yes");
        Some(Reply::html(200, &gocdb()))
    });
    let listed = format!(
        "  - gocdb: {}gocdbpi/public/?method=get_downtime&ongoing_only=yes\n    ca: ca.pem\n",
        with_slash(&feed.url())
    );
    expect_alone(&bed, run(&bed, &url, &listed));
    assert_eq!(feed.asked().len(), 1);
    assert!(storage.asked().is_empty(), "{:?}", storage.asked());
}

fn with_slash(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

#[test]
fn a_list_that_cannot_be_had_does_not_cost_the_run() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let feed = ScriptedIssuer::start(&bed.runtime, &bed.authority, |asked| {
        let reply = match asked.path.as_str() {
            "/broken" => Reply::html(200, "<results><DOWNTIME>"),
            "/page" => Reply::html(200, "<html>Log in</html>"),
            "/moved" => Reply::html(302, "").header("location", "https://elsewhere.example/"),
            "/large" => Reply::html(200, &" ".repeat(11 << 20)),
            _ => Reply::html(200, "").after(2 * HANGS),
        };
        Some(reply)
    });
    let url = with_slash(&feed.url());
    let mut listed = String::from("  - osg: missing.xml\n  - osg: .\n");
    for path in ["broken", "page", "moved", "large", "hanging?key=5ecret"] {
        let answer = if path.starts_with("hanging") {
            "2s"
        } else {
            NEVER
        };
        listed += &format!("  - {{gocdb: \"{url}{path}\", ca: ca.pem, answer: {answer}}}\n");
    }
    listed += &format!("  - {{gocdb: \"{url}untrusted\"}}\n");
    let ended = run(&bed, storage.url(), &listed).expect(0);
    let record = bed.record();
    let notes = record["run"]["notes"].as_array().expect("notes");
    let notes: Vec<&str> = notes
        .iter()
        .map(|note| note.as_str().expect("text"))
        .collect();
    assert_eq!(notes.len(), 8, "{notes:#?}");
    for (note, part) in notes.iter().zip([
        "No such file",
        "is a directory",
        "not well-formed XML",
        "begins with <html>",
        "the answer was 302; it points to https://elsewhere.example/",
        "larger than 10 MiB",
        "no whole answer within 2s",
        "certificate",
    ]) {
        assert!(note.contains(part), "{note}");
        assert!(note.ends_with("the run goes on without them"), "{note}");
        assert!(!note.contains("5ecret"), "{note}");
        assert!(ended.stderr.contains(note), "{}", ended.stderr);
        assert!(ended.stdout.contains(note), "{}", ended.stdout);
    }
}
