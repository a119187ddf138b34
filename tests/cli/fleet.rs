//! Runs that several machines share, and endpoints with several addresses.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use crate::common::test_bed::{Ended, TestBed, read_record, source_file, verdicts};
use crate::common::waiting::{HANGS, NEVER};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use touchstone_engine::run::{self, Cancel, Ledger, Resources};
use touchstone_engine::token::Broker;
use touchstone_model::redact::Redactor;
use touchstone_model::{RunId, RunRecord};
use touchstone_report::record::Recorder;
use touchstone_suite::config::{load_catalogue, load_inventory};
use touchstone_suite::plan::{self, Material, Selection};

/// A text without the names of runs in it.
fn nameless(text: &str) -> String {
    let mut parts = text.split("touchstone-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let id = part.get(..23).and_then(|id| id.parse::<RunId>().ok());
        let rest = if id.is_some() { &part[23..] } else { part };
        format!("{text}touchstone-{rest}")
    })
}

/// All of a record that does not depend on the time, on the run's name, or on how often an issuer was asked.
fn timeless(record: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let of = |value: &Value, keys: &[&str]| {
        let fields = keys.iter().map(|key| {
            let field = match &value[*key] {
                Value::String(text) => json!(nameless(text)),
                other => other.clone(),
            };
            ((*key).to_owned(), field)
        });
        Value::Object(fields.collect())
    };
    let each = |values: &Value, keys: &[&str]| {
        let values = list(values);
        values
            .iter()
            .map(|value| of(value, keys))
            .collect::<Vec<_>>()
    };
    let results = list(&record["results"]);
    let results = results.iter().map(|result| {
        let told = of(
            result,
            &[
                "endpoint", "suite", "case", "partner", "title", "clauses", "severity", "verdict",
                "known", "reason", "at", "cleanup",
            ],
        );
        let findings = each(
            &result["findings"],
            &["clause", "level", "basis", "expected"],
        );
        let mut requests = each(&result["exchanges"], &["purpose", "method", "status"]);
        // What is arranged once, or asked of an issuer once, is told by the case that came first.
        requests.retain(|sent| matches!(sent["purpose"].as_str(), Some("step" | "control")));
        if told["endpoint"] == "issuer:lab" {
            requests.clear();
        }
        json!([told, findings, requests])
    });
    json!({
        "schema": record["schema"],
        "run": of(&record["run"], &["version", "strict", "interrupted", "pairs", "shard"]),
        "endpoints": each(
            &record["endpoints"],
            &["name", "kind", "url", "profile", "software", "unreachable", "leftovers", "hosts"],
        ),
        "results": results.collect::<Vec<_>>(),
        "statistics": each(
            &record["statistics"],
            &["tag", "total", "pass", "warn", "fail", "known", "error", "skip"],
        ),
    })
}

/// Runs every shard of `of`, each into a folder of its own; their names.
fn shards(bed: &TestBed, arguments: &[&str], of: usize) -> Vec<String> {
    let one = |index: usize| {
        let (shard, folder) = (format!("{index}/{of}"), format!("shard-{index}-of-{of}"));
        let mut all = arguments.to_vec();
        all.extend(["--shard", &shard, "--report-dir", &folder]);
        let ended = bed.run(&all);
        let told = format!("shard {shard}: ");
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
        let told = format!("reports of shard {shard}: {folder}");
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
        folder
    };
    (1..=of).map(one).collect()
}

/// Fails where the first difference of two values is.
fn expect_same(one: &Value, other: &Value, place: &str) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            for (key, value) in a {
                expect_same(value, &b[key], &format!("{place}.{key}"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (n, (a, b)) in a.iter().zip(b).enumerate() {
                expect_same(a, b, &format!("{place}[{n}]"));
            }
        }
        (one, other) => assert_eq!(one, other, "{place}"),
    }
}

#[test]
fn shards_joined_are_the_whole_run() {
    let bed = TestBed::new();
    let (one, two) = (bed.storage(&[]), bed.storage(&["create-overwrites"]));
    // No limit may be reached in one run and not in another.
    let limits = format!(
        "    limits: {{preflight: {NEVER}, connect: {NEVER}, first-byte: {NEVER}, idle: {NEVER}, case: {NEVER}, endpoint: 1h}}\n"
    );
    bed.endpoints(&[("one", one.url()), ("two", two.url())], &limits);
    let arguments = [
        "run",
        "--endpoint",
        "one",
        "two",
        "issuer:lab",
        "--deadline",
        "1h",
        // What a cover tells once depends on what the same machine has found before.
        "--quick",
    ];
    let whole = bed.run(&arguments).expect(1);
    assert!(!whole.stderr.contains("shard"), "{}", whole.stderr);
    let expected = timeless(&bed.record());
    let names = expected["endpoints"].as_array().expect("endpoints").iter();
    let names: Vec<_> = names.map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["one", "two", "issuer:lab"]);

    // With two shards whole rows are dealt, with four single cases.
    for of in [2, 4] {
        let mut folders = shards(&bed, &arguments, of);
        folders.reverse();
        let mut merge = vec!["merge"];
        merge.extend(folders.iter().map(String::as_str));
        let merged = bed.run(&merge).expect(1);
        let record = bed.record();
        expect_same(&timeless(&record), &expected, &format!("of {of}"));
        let id = record["run"]["id"].as_str().expect("an id");
        let folder = bed.path("reports").join(format!("{id}-merged"));
        assert_eq!(read_record(&folder.join("run.json")), record);
        for report in ["junit.xml", "table.txt"] {
            assert!(folder.join(report).is_file(), "{report}");
        }
        for stdout in [&whole.stdout, &merged.stdout] {
            assert!(
                stdout.contains("capability.create.no-overwrite"),
                "{stdout}"
            );
        }
        let judged = |folder: &String| {
            let record = read_record(&bed.path(folder).join("run.json"));
            let judged = verdicts(&record);
            assert_eq!(record["run"]["shard"]["of"], of);
            judged.len()
        };
        let sizes: Vec<_> = folders.iter().map(judged).collect();
        assert_eq!(sizes.iter().sum::<usize>(), verdicts(&record).len());
        let (least, most) = (sizes.iter().min(), sizes.iter().max());
        if of == 4 {
            assert!(most <= least.map(|least| least + 1).as_ref(), "{sizes:?}");
        }
    }
    assert_eq!(
        one.paths(),
        ["/wlcg/", "/wlcg/protected/", "/wlcg2/", "/wlcg2/protected/"]
    );
}

#[test]
fn one_endpoint_in_another_order_and_what_merge_refuses() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    let arguments = ["run", "--case", "capability.create.*", "--shuffle", "11"];
    bed.run(&arguments).expect(0);
    let expected = timeless(&bed.record());
    let folders = shards(&bed, &arguments, 4);
    let merge = |more: &[&str], folders: &[&str]| {
        let arguments = [&["merge"], folders, more].concat();
        bed.run(&arguments)
    };
    let folders: Vec<_> = folders.iter().map(String::as_str).collect();
    let file = format!("{}/run.json", folders[3]);
    let mixed = [folders[2], file.as_str(), folders[0], folders[1]];
    merge(&["--report-dir", "joined"], &mixed).expect(0);
    let joined = read_record(&bed.path("joined/run.json"));
    expect_same(&timeless(&joined), &expected, "one endpoint");

    let refused = |ended: Ended, parts: &[&str]| {
        let ended = ended.expect(2);
        assert_eq!(ended.stdout, "");
        for part in parts {
            assert!(
                ended.stderr.contains(part),
                "{part:?} is not in: {}",
                ended.stderr
            );
        }
    };
    refused(
        merge(&[], &folders[..2]),
        &["2 shards of 4 missing: 3/4, 4/4", "--partial"],
    );
    let partial = merge(&["--partial", "--report-dir", "part"], &folders[..2]).expect(0);
    assert!(
        partial.stderr.contains("without shard 3/4, 4/4: "),
        "{}",
        partial.stderr
    );
    refused(
        merge(&[], &["joined"]),
        &["joined/run.json: it is no shard"],
    );
    refused(merge(&[], &["nowhere"]), &["nowhere: ", "run.json"]);
    bed.write("broken.json", "{\"schema\": ");
    refused(merge(&[], &["broken.json"]), &["broken.json: not JSON"]);
    refused(
        merge(&["--report-dir", folders[0]], &folders),
        &[folders[0], "choose another folder"],
    );
    refused(
        merge(&[], &[folders[0], folders[0]]),
        &["it is shard 1/4, and so is"],
    );

    // More shards than cases: one has nothing to do, says so, and can be joined all the same.
    let one = ["run", "--case", "capability.create.no-overwrite"];
    let folders = shards_of_nothing(&bed, &one);
    refused(merge(&[], &[&folders[0], "shard-1-of-4"]), &["its plan is"]);
    let folders: Vec<_> = folders.iter().map(String::as_str).collect();
    merge(&["--report-dir", "single"], &folders).expect(0);
    let single = read_record(&bed.path("single/run.json"));
    assert_eq!(verdicts(&single).len(), 1);

    for (value, told) in [
        ("0/4", "1/4 to 4/4"),
        ("5/4", "1/4 to 4/4"),
        ("x", "for example 1/4"),
    ] {
        refused(
            bed.run(&["run", "--shard", value]),
            &["--shard <I/N>", told],
        );
    }
}

/// Runs two shards of one case; their folders.
fn shards_of_nothing(bed: &TestBed, arguments: &[&str]) -> [String; 2] {
    [("1/2", 0), ("2/2", 3)].map(|(shard, code)| {
        let folder = format!("single-{}", shard.replace('/', "-"));
        let more = ["--shard", shard, "--report-dir", &folder];
        let ended = bed.run(&[arguments, &more].concat()).expect(code);
        let told = ended.stderr.contains("has nothing to do");
        assert_eq!(told, code == 3, "{}", ended.stderr);
        folder
    })
}

/// Hands on what comes to `from` to `to`, for as long as the runtime lives.
async fn forward(from: SocketAddr, to: SocketAddr) {
    let listener = TcpListener::bind(from)
        .await
        .expect("the port is free on that address");
    tokio::spawn(async move {
        while let Ok((mut one, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut other) = TcpStream::connect(to).await {
                    let _ = tokio::io::copy_bidirectional(&mut one, &mut other).await;
                }
            });
        }
    });
}

fn port(url: &str) -> u16 {
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    port.expect("a port")
}

/// Runs `cases` at `addresses` of the endpoint `se`, as if its name resolved to them.
async fn run_at(folder: &Path, cases: &[&str], addresses: &[Ipv4Addr]) -> (RunRecord, String) {
    let catalogue = load_catalogue(&[]).expect("the suites");
    let source = source_file(&folder.join("endpoints.yaml"));
    let inventory = load_inventory(&source, &catalogue)
        .expect("endpoints")
        .inventory;
    let cases: Vec<_> = cases.iter().map(|case| (*case).to_owned()).collect();
    let mut selection = Selection::new(&["se".to_owned()], &cases).expect("patterns");
    let addresses = addresses.iter().copied().map(Into::into).collect();
    selection.addresses.insert("se".into(), addresses);
    let material = Material {
        suites: &catalogue.suites,
        clauses: &catalogue.clauses.clone().into(),
    };
    let started = "2026-11-22T07:28:48Z".parse().expect("a time");
    let id = RunId::new(started, 9);
    let plan = plan::plan(&inventory, &material, &selection, &id, started).expect("a plan");
    let redactor = Redactor::default();
    let ledger = folder.join("ledger.jsonl");
    let (_canceller, cancel) = Cancel::new();
    let resources = Resources {
        broker: Broker::new(&inventory, &["lab"], &redactor).expect("a broker"),
        redactor,
        ledger: Some(Ledger::create(&ledger, &id).expect("a ledger")),
        listener: None,
        side: None,
        cancel,
        deadline: HANGS,
    };
    let (sender, mut events) = mpsc::unbounded_channel();
    let running = tokio::spawn(run::run(Arc::new(plan), resources, sender));
    let mut recorder = Recorder::default();
    while let Some(event) = events.recv().await {
        recorder.take(event);
    }
    let _ledger = running.await.expect("it ends");
    let told = std::fs::read_to_string(&ledger).expect("the ledger");
    (recorder.finish().expect("a record"), told)
}

#[test]
fn each_address_is_judged_on_its_own() {
    let bed = TestBed::new();
    let good = bed.storage(&[]);
    let faulty = bed.storage(&["create-overwrites", "dots-climb-in-deletes"]);
    let (one, two) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    // The same port of two addresses, as behind one name.
    let from = (two, port(good.url())).into();
    let to = (one, port(faulty.url())).into();
    bed.runtime.block_on(forward(from, to));
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  lab:\n    url: {}\n    ca: ca.pem\n    test-key: {{file: key.pem, kid: {}}}\nendpoints:\n  se:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: lab\n    ca: ca.pem\n    known-failures:\n      - {{case: capability.create.put, reason: of all addresses}}\n",
            bed.issuer.url(),
            bed.issuer.test_key_id(),
            good.url(),
        ),
    );
    // The last is sent byte by byte, over connections of another client.
    let cases = [
        "capability.create.put",
        "capability.create.no-overwrite",
        "capability.create.no-delete",
        "path.request.dots-delete",
    ];
    let (record, ledger) = bed
        .runtime
        .block_on(run_at(bed.folder.path(), &cases, &[one, two]));
    let names: Vec<_> = record
        .endpoints
        .iter()
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(names, ["se@127.0.0.1", "se@127.0.0.2"]);
    for row in &record.endpoints {
        assert_eq!((&row.unreachable, row.leftovers.len()), (&None, 0));
        assert_eq!(row.url, format!("{}/wlcg", good.url()));
    }
    let mut failed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for result in &record.results {
        let (row, case) = (result.endpoint.as_str(), result.case.as_str());
        let verdict = result.verdict.as_str();
        assert!(
            matches!(verdict, "pass" | "fail" | "skip"),
            "{row}: {case} {verdict} {:?}",
            result.reason
        );
        assert_eq!(result.known.is_some(), case == "capability.create.put");
        if verdict == "fail" {
            failed.entry(row).or_default().push(case);
        }
    }
    let failed = failed.into_iter().collect::<Vec<_>>();
    let [("se@127.0.0.2", cases)] = &failed[..] else {
        panic!("{failed:?}")
    };
    for case in ["capability.create.no-overwrite", "path.request.dots-delete"] {
        assert!(cases.contains(&case), "{case}: {cases:?}");
    }
    // `clean` finds the endpoint by the name that the file has.
    assert!(
        ledger.contains("\"endpoint\":\"se\"") && !ledger.contains("se@"),
        "{ledger}"
    );
    for storage in [&good, &faulty] {
        assert_eq!(
            storage.paths(),
            ["/wlcg/", "/wlcg/protected/", "/wlcg2/", "/wlcg2/protected/"]
        );
    }
}

#[test]
fn the_command_line_looks_addresses_up() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let by_number = storage.url().replace("localhost", "127.0.0.1");
    let nowhere = "https://no-such-host.invalid:1";
    let endpoints = [
        ("named", storage.url()),
        ("numbered", &by_number),
        ("nowhere", nowhere),
    ];
    bed.endpoints(&endpoints, "");
    let arguments = ["run", "--each-address", "--case", "capability.create.*"];
    let ended = bed.run(&arguments).expect(3);
    assert!(
        ended
            .stderr
            .contains("nowhere: no address of no-such-host.invalid"),
        "{}",
        ended.stderr
    );
    let record = bed.record();
    let rows = record["endpoints"].as_array().expect("rows").iter();
    let rows: BTreeMap<_, _> = rows
        .map(|row| {
            (
                row["name"].as_str().unwrap_or_default(),
                &row["unreachable"],
            )
        })
        .collect();
    assert!(
        rows["named@127.0.0.1"].is_null() && rows["numbered"].is_null(),
        "{rows:?}"
    );
    assert!(
        rows["nowhere"].is_string() && !rows.contains_key("named"),
        "{rows:?}"
    );
    let judged = verdicts(&record).into_iter();
    let mut judged = judged.filter(|((row, _), _)| row == "named@127.0.0.1" || row == "numbered");
    assert!(judged.all(|(_, verdict)| verdict == "pass" || verdict == "skip"));
}
