use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, thread};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::letter::Found;
use super::{History, HistoryError, LATEST, PREVIOUS};
use crate::sample;
use touchstone_model::{CaseResult, KnownFailure, Portion, RunId, RunOutcome, RunRecord, Verdict};

const CASE: &str = "capability.read.get";

fn day(number: i64) -> Timestamp {
    let first: Timestamp = "2026-01-01T05:00:00Z".parse().unwrap();
    first + SignedDuration::from_hours(24 * number)
}

fn id(number: i64) -> RunId {
    RunId::new(day(number), u32::try_from(number).unwrap())
}

/// The sample's run as if it had been on that day.
fn run(number: i64) -> RunRecord {
    let mut record = sample::record();
    record.run.id = id(number);
    record.run.started = day(number);
    record
}

/// A run of one case at one endpoint with the verdict of that letter; `.` is a run without the case, and a small
/// letter an interrupted run.
fn one(number: i64, letter: char) -> RunRecord {
    let mut record = run(number);
    record.endpoints.truncate(1);
    record.endpoints[0].name = "se".into();
    record
        .results
        .retain(|result| result.endpoint == "se-alpha" && result.case.as_str() == CASE);
    record.run.interrupted = letter.is_lowercase();
    match Found::of(letter.to_ascii_uppercase() as u8) {
        Some(found) => {
            let result = &mut record.results[0];
            result.endpoint = "se".into();
            result.verdict = found.verdict;
            result.known = found.known.then(known);
        }
        None => record.results.clear(),
    }
    record
}

fn known() -> KnownFailure {
    sample::record()
        .results
        .iter()
        .find_map(|result| result.known.clone())
        .unwrap()
}

/// A history in a folder of its own.
fn begun() -> (TempDir, History) {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(&folder.path().join("history.sqlite")).unwrap();
    (folder, history)
}

fn fill(history: &mut History, letters: &str) {
    for (number, letter) in (0..).zip(letters.chars()) {
        history.record(&one(number, letter), None).unwrap();
    }
}

#[test]
fn a_run_comes_back() {
    let (_folder, mut history) = begun();
    let mut record = run(0);
    record.endpoints[0].software = Some("<script>'; DROP TABLE run; --\0".into());
    record.endpoints[1].software = Some("é".repeat(500));
    record.endpoints[2].name = "nothing judged".into();
    record
        .results
        .retain(|result| result.endpoint != "se-gamma");
    history.record(&record, None).unwrap();
    history.record(&run(1), None).unwrap();
    let outcome = history.outcome(record.run.id.as_str()).unwrap();
    assert_eq!(outcome, RunOutcome::from(&record));
    assert_eq!(outcome.endpoints[1].software.as_ref().unwrap().len(), 200);
    assert_eq!(outcome.endpoints[2].cases, []);
    let letters: BTreeSet<_> = outcome
        .endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.cases)
        .map(|case| (case.verdict, case.known))
        .collect();
    assert_eq!(letters.len(), 6, "every letter was there");
}

#[test]
fn cases_with_partners_come_back_partner_by_partner() {
    let (_folder, mut history) = begun();
    let mut record = run(0);
    record.endpoints.truncate(1);
    record
        .results
        .retain(|result| result.endpoint == "se-alpha");
    for (number, result) in record.results.iter_mut().enumerate() {
        result.partner = ["one", "two"]
            .get(number % 3)
            .map(|name| (*name).to_owned());
    }
    history.record(&record, None).unwrap();
    let sorted = |outcome: &RunOutcome| {
        let mut cases = outcome.endpoints[0].cases.clone();
        cases.sort_by_key(|case| (case.partner.clone(), case.case.clone()));
        cases
    };
    let outcome = history.outcome(LATEST).unwrap();
    assert_eq!(sorted(&outcome), sorted(&RunOutcome::from(&record)));
    let mut later = record.clone();
    later.run.id = id(1);
    later.run.started = day(1);
    history.recall(&mut later).unwrap();
    for (result, before) in later.results.iter().zip(&record.results) {
        assert_eq!(result.past.as_ref().unwrap().before, before.verdict);
    }
    let totals = &history.runs(1).unwrap()[0].totals;
    let trend = &later.past.as_ref().unwrap().trends[0].runs[0];
    assert_eq!(totals.pass + totals.warn, trend.pass + trend.warn);
}

#[test]
fn the_same_list_of_cases_stands_once() {
    let (_folder, mut history) = begun();
    for number in 0..5 {
        history.record(&run(number), None).unwrap();
    }
    let lists: i64 = history
        .connection
        .query_row("SELECT count(*) FROM cases", [], |row| row.get(0))
        .unwrap();
    assert_eq!(lists, 1);
}

#[test]
fn a_run_that_is_recorded_again_replaces_itself() {
    let (_folder, mut history) = begun();
    history.record(&one(0, 'F'), None).unwrap();
    history.record(&one(0, 'P'), None).unwrap();
    assert_eq!(history.runs(9).unwrap().len(), 1);
    let outcome = history.outcome(LATEST).unwrap();
    assert_eq!(outcome.endpoints[0].cases[0].verdict, Verdict::Pass);
    let rows: i64 = history
        .connection
        .query_row("SELECT count(*) FROM result", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn what_a_case_had_before_is_told() {
    // Earlier runs, the present verdict, and then: before, since which run, last good.
    for (earlier, now, before, since, last_good) in [
        ("", 'P', None, 0, None),
        ("P", 'P', Some('P'), 0, Some(0)),
        ("PF", 'F', Some('F'), 1, Some(0)),
        ("PP", 'F', Some('P'), 2, Some(1)),
        ("FPF", 'F', Some('F'), 2, Some(1)),
        ("PW", 'W', Some('W'), 1, Some(1)),
        ("PW", 'P', Some('W'), 2, Some(1)),
        // Downtime and an endpoint out of reach end no series.
        ("PFES", 'F', Some('S'), 1, Some(0)),
        ("PESE", 'P', Some('E'), 0, Some(0)),
        ("FEPE", 'F', Some('E'), 4, Some(2)),
        ("EE", 'F', Some('E'), 2, None),
        ("PESE", 'E', Some('E'), 1, Some(0)),
        ("SES", 'S', Some('S'), 2, None),
        // A failure that becomes known is the same failure.
        ("PFK", 'F', Some('K'), 1, Some(0)),
        ("PFF", 'K', Some('F'), 1, Some(0)),
        // Runs without the case are stepped over.
        ("PF..", 'F', Some('F'), 1, Some(0)),
        ("..", 'F', None, 0, None),
        // What an interrupted run decided counts.
        ("PFe", 'F', Some('F'), 1, Some(0)),
        ("FFp", 'F', Some('P'), 3, Some(2)),
        ("Pe", 'E', Some('P'), 2, Some(0)),
    ] {
        let (_folder, mut history) = begun();
        fill(&mut history, earlier);
        let number = i64::try_from(earlier.len()).unwrap();
        let mut record = one(number, now);
        // Later ones are none of its business.
        history.record(&one(number + 1, 'W'), None).unwrap();
        history.record(&record, None).unwrap();
        history.recall(&mut record).unwrap();
        let past = record.results[0].past.clone();
        let told = past.map(|past| {
            let found = Found {
                verdict: past.before,
                known: past.known,
            };
            (Some(found.letter()), past.since, past.last_good)
        });
        let expected = before.map(|before| (Some(before), day(since), last_good.map(day)));
        assert_eq!(told, expected, "{earlier} then {now}");
    }
}

#[test]
fn interrupted_runs_are_neither_previous_nor_points() {
    let (_folder, mut history) = begun();
    fill(&mut history, "PFe");
    let mut other = one(3, 'P');
    other.endpoints[0].name = "elsewhere".into();
    other.results[0].endpoint = "elsewhere".into();
    history.record(&other, None).unwrap();
    let mut record = one(4, 'F');
    history.recall(&mut record).unwrap();
    let past = record.past.unwrap();
    assert_eq!((past.previous, past.started), (id(1), day(1)));
    let [trend] = &past.trends[..] else { panic!() };
    let points: Vec<_> = trend
        .runs
        .iter()
        .map(|point| (point.run.clone(), point.pass, point.fail))
        .collect();
    assert_eq!(points, [(id(0), 1, 0), (id(1), 0, 1)]);
    assert_eq!(trend.endpoint, "se");
}

/// A run of the cases with these letters at one endpoint, of all cases or of a part.
fn few(number: i64, letters: &str, partial: bool) -> RunRecord {
    let mut record = one(number, 'P');
    let template = record.results[0].clone();
    record.results = letters
        .char_indices()
        .filter_map(|(place, letter)| {
            let found = Found::of(letter as u8)?;
            let mut result = template.clone();
            result.case = format!("test.case.n{place}").parse().unwrap();
            result.verdict = found.verdict;
            result.known = found.known.then(known);
            Some(result)
        })
        .collect();
    record.run.partial.extend(partial.then_some(Portion::Cases));
    record
}

fn letters(outcome: &RunOutcome) -> String {
    let mut cases = outcome.endpoints[0].cases.clone();
    cases.sort_by_key(|case| case.case.clone());
    let found = |case: &touchstone_model::CaseOutcome| Found {
        verdict: case.verdict,
        known: case.known,
    };
    cases.iter().map(|case| found(case).letter()).collect()
}

#[test]
fn runs_of_a_part_are_neither_latest_nor_previous() {
    let (_folder, mut history) = begun();
    history.record(&few(0, "FFFP", false), None).unwrap();
    history.record(&few(1, ".P..", true), None).unwrap();
    history.record(&few(2, "FFFP", false), None).unwrap();
    history.record(&few(3, "P...", true), None).unwrap();
    let named = |history: &History, name: &str| history.outcome(name).unwrap();
    let (latest, previous) = (named(&history, LATEST), named(&history, PREVIOUS));
    assert_eq!((latest.run, previous.run), (id(2), id(0)));
    assert!(!latest.partial && named(&history, id(3).as_str()).partial);
    // Each case is compared with its own last verdict.
    assert_eq!(letters(&history.base(PREVIOUS).unwrap()), "FPFP");
    assert_eq!(letters(&history.base(LATEST).unwrap()), "FFFP");
    assert_eq!(letters(&history.base(id(3).as_str()).unwrap()), "PFFP");
    assert_eq!(letters(&history.base(id(0).as_str()).unwrap()), "FFFP");
    let trends = history.trends(&["se".to_owned()]).unwrap();
    let points: Vec<_> = trends[0].runs.iter().map(|point| &point.run).collect();
    assert_eq!(points, [&id(0), &id(2)]);
    let parts: Vec<_> = history
        .runs(9)
        .unwrap()
        .iter()
        .map(|run| run.partial)
        .collect();
    assert_eq!(parts, [true, false, true, false]);
    let mut next = few(4, "FFFP", false);
    history.recall(&mut next).unwrap();
    let past = next.past.unwrap();
    assert_eq!((past.previous, past.trends[0].runs.len()), (id(2), 2));
    let since: Vec<_> = next
        .results
        .iter()
        .map(|one| one.past.as_ref().unwrap().since)
        .collect();
    // The first was good in the rerun, the second in the one before that.
    assert_eq!(since, [day(4), day(2), day(0), day(0)]);
}

#[test]
fn where_each_run_had_a_part_the_last_ones_count() {
    let (_folder, mut history) = begun();
    history.record(&few(0, "FFP", true), None).unwrap();
    history.record(&few(1, "P..", true), None).unwrap();
    assert_eq!(history.outcome(LATEST).unwrap().run, id(1));
    assert_eq!(history.outcome(PREVIOUS).unwrap().run, id(0));
    history.record(&few(2, "PFP", true), None).unwrap();
    assert_eq!(letters(&history.base(PREVIOUS).unwrap()), "PFP");
    let trends = history.trends(&["se".to_owned()]).unwrap();
    assert_eq!(trends[0].runs.len(), 3);
    history.record(&few(3, "PPP", false), None).unwrap();
    assert_eq!(history.outcome(LATEST).unwrap().run, id(3));
    let error = history.outcome(PREVIOUS).unwrap_err().to_string();
    assert!(error.contains("too few runs came to their end"), "{error}");
}

#[test]
fn a_history_of_the_first_layout_is_brought_up_to_date() {
    let (folder, mut history) = begun();
    fill(&mut history, "PFf");
    history
        .connection
        .execute_batch("ALTER TABLE run DROP COLUMN partial; PRAGMA user_version = 1;")
        .unwrap();
    drop(history);
    let history = History::read(&folder.path().join("history.sqlite")).unwrap();
    let parts: Vec<_> = history
        .runs(9)
        .unwrap()
        .iter()
        .map(|run| run.partial)
        .collect();
    assert_eq!(parts, [true, false, false]);
    assert_eq!(history.outcome(LATEST).unwrap().run, id(1));
}

#[test]
fn the_first_run_has_no_past() {
    let (_folder, history) = begun();
    let mut record = run(0);
    history.recall(&mut record).unwrap();
    assert!(record.past.is_none());
    assert!(record.results.iter().all(|result| result.past.is_none()));
}

#[test]
fn a_trend_is_short() {
    let (_folder, mut history) = begun();
    fill(&mut history, &"PF".repeat(20));
    let mut record = one(40, 'F');
    history.recall(&mut record).unwrap();
    let trend = &record.past.unwrap().trends[0];
    assert_eq!(trend.runs.len(), 30);
    assert_eq!(
        (&trend.runs[0].run, &trend.runs[29].run),
        (&id(10), &id(39))
    );
    assert_eq!(
        &history.trends(&["se".into(), "none".into()]).unwrap(),
        std::slice::from_ref(trend)
    );
}

#[test]
fn old_runs_go() {
    let (_folder, mut history) = begun();
    history.record(&one(0, 'P'), None).unwrap();
    history.record(&run(5), None).unwrap();
    let keep = Some(SignedDuration::from_hours(24 * 10));
    assert_eq!(history.record(&run(10), keep).unwrap(), 0);
    assert_eq!(history.record(&run(11), keep).unwrap(), 1);
    let lists: i64 = history
        .connection
        .query_row("SELECT count(*) FROM cases", [], |row| row.get(0))
        .unwrap();
    assert_eq!(lists, 1, "the list of the oldest is gone");
    assert_eq!(history.prune(day(11)).unwrap(), 2);
    let left: Vec<_> = history.runs(9).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].totals.run, id(11));
    assert_eq!(history.outcome(LATEST).unwrap(), RunOutcome::from(&run(11)));
}

#[test]
fn runs_are_named_by_id_beginning_or_place() {
    let (_folder, mut history) = begun();
    let error = history.outcome(LATEST).unwrap_err().to_string();
    assert!(
        error.ends_with("has no run `latest` yet: too few runs came to their end"),
        "{error}"
    );
    fill(&mut history, "PFWe");
    let name = |name: &str| history.outcome(name).map(|outcome| outcome.run);
    assert_eq!(name(LATEST).unwrap(), id(2));
    assert_eq!(name(PREVIOUS).unwrap(), id(1));
    assert_eq!(name("20260103").unwrap(), id(2));
    assert_eq!(name(id(3).as_str()).unwrap(), id(3));
    for (wrong, expected) in [
        (
            "2027",
            "has no run `2027`; `touchstone history` lists its runs",
        ),
        (
            "202601",
            "has no run `202601` alone: several begin like that, such as 20260104",
        ),
        ("", "has no run `` alone"),
        ("%", "has no run `%`;"),
    ] {
        let error = name(wrong).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn runs_are_listed_with_totals() {
    let (_folder, mut history) = begun();
    history.record(&run(0), None).unwrap();
    history.record(&one(1, 'k'), None).unwrap();
    let [last, first] = &history.runs(9).unwrap()[..] else {
        panic!()
    };
    assert!(last.interrupted && !first.interrupted);
    assert_eq!(
        (last.endpoints, last.totals.fail, last.totals.known),
        (1, 1, 1)
    );
    let record = run(0);
    let count =
        |wanted: fn(&CaseResult) -> bool| record.results.iter().filter(|r| wanted(r)).count();
    assert_eq!(first.endpoints, 3);
    assert_eq!(first.totals.pass, count(|r| r.verdict == Verdict::Pass));
    assert_eq!(first.totals.fail, count(|r| r.verdict == Verdict::Fail));
    assert_eq!(
        first.totals.known,
        count(|r| r.verdict == Verdict::Fail && !r.red())
    );
    assert_eq!(first.totals.error, count(|r| r.verdict == Verdict::Error));
    assert_eq!(
        (&first.version, first.duration_ms),
        (&record.run.version, record.run.duration_ms)
    );
    assert_eq!(
        history.endpoints().unwrap(),
        ["se", "se-alpha", "se-beta", "se-gamma"]
    );
}

#[test]
fn the_history_of_a_case_is_a_strip() {
    let (_folder, mut history) = begun();
    fill(&mut history, "PWPFE.SKeF");
    let [case] = &history.cases("se", 8).unwrap()[..] else {
        panic!()
    };
    assert_eq!(case.strip, "PFE-SK-F");
    assert_eq!((case.verdict, case.known), (Verdict::Fail, false));
    assert_eq!((case.since, case.last_good), (day(3), Some(day(2))));
    assert_eq!(case.changes, 1);
    let [case] = &history.cases("se", 99).unwrap()[..] else {
        panic!()
    };
    assert_eq!((case.strip.as_str(), case.changes), ("PWPFE-SK-F", 3));
    assert_eq!(history.cases("nobody", 9).unwrap(), []);
    fill(&mut history, "P.........");
    assert_eq!(history.cases("se", 8).unwrap(), [], "the case is no more");
}

#[test]
fn two_runs_at_once_are_both_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite");
    thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..3 {
                    let mut history = History::open(path).unwrap();
                    let mut record = run(10 * writer + number);
                    history.recall(&mut record).unwrap();
                    history
                        .record(&record, Some(SignedDuration::from_hours(24 * 400)))
                        .unwrap();
                }
            });
        }
    });
    let history = History::read(&path).unwrap();
    assert_eq!(history.runs(99).unwrap().len(), 12);
    for line in history.runs(99).unwrap() {
        let outcome = history.outcome(line.totals.run.as_str()).unwrap();
        assert_eq!(outcome.endpoints, RunOutcome::from(&run(0)).endpoints);
    }
}

#[test]
fn somebody_elses_writing_is_noticed() {
    let (_folder, mut history) = begun();
    let before = history.state().unwrap();
    history.record(&run(0), None).unwrap();
    assert_eq!(history.state().unwrap(), before);
    let mut other = History::open(history.path()).unwrap();
    other.record(&run(1), None).unwrap();
    assert_ne!(history.state().unwrap(), before);
}

/// Whatever is asked of the file is refused, and it is as before.
fn refused(path: &Path, expected: &str) {
    let before = fs::read(path).ok();
    let opened = History::open(path).and_then(|mut history| {
        history.recall(&mut run(99))?;
        history.record(&run(99), None)
    });
    let read = History::read(path).and_then(|history| history.outcome(LATEST));
    for error in [opened.unwrap_err(), read.unwrap_err()] {
        let error = error.to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    assert_eq!(fs::read(path).ok(), before, "nothing was written");
}

#[test]
fn broken_files_are_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite");
    fs::write(
        &path,
        "no database at all, but long enough to be looked at ".repeat(99),
    )
    .unwrap();
    refused(
        &path,
        "damaged, or no history at all: file is not a database; move it away",
    );

    fs::remove_file(&path).unwrap();
    let mut history = History::open(&path).unwrap();
    for number in 0..20 {
        history.record(&run(number), None).unwrap();
    }
    drop(history);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refused(&path, "is damaged");

    let mut torn = whole.clone();
    torn[4096..].fill(0xff);
    fs::write(&path, torn).unwrap();
    refused(&path, "is damaged");

    fs::write(&path, &whole).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute("UPDATE result SET verdicts = 'PPx'", [])
        .unwrap();
    let error = History::read(&path).unwrap().outcome(LATEST).unwrap_err();
    assert!(
        error.to_string().contains("are not those of its cases"),
        "{error}"
    );
    other
        .execute(
            "UPDATE run SET id = 'x' WHERE id = (SELECT max(id) FROM run)",
            [],
        )
        .unwrap();
    assert!(matches!(
        History::read(&path).unwrap().runs(1),
        Err(HistoryError::Damaged { .. })
    ));
    other.execute("DROP TABLE cases", []).unwrap();
    refused(&path, "is damaged");
}

#[test]
fn other_databases_and_newer_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.sqlite");
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE run (x)").unwrap();
    refused(&path, "is a database, but no history of touchstone");

    let path = folder.path().join("newer.sqlite");
    drop(History::open(&path).unwrap());
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    refused(
        &path,
        "was written by a newer touchstone: its layout is 7, and this one knows those up to 2",
    );
}

#[test]
fn places_where_no_file_can_be_are_told() {
    let folder = tempfile::tempdir().unwrap();
    refused(folder.path(), "cannot use the history");
    let missing = folder.path().join("none.sqlite");
    let error = History::read(&missing).unwrap_err().to_string();
    assert!(
        error.contains("there is no history at") && error.contains("touchstone run"),
        "{error}"
    );
    assert!(!missing.exists(), "reading makes no file");
    let error = History::open(&folder.path().join("no/folder/x.sqlite")).unwrap_err();
    assert!(matches!(error, HistoryError::Unusable { .. }), "{error}");
}

#[test]
fn an_empty_file_becomes_a_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite");
    fs::write(&path, "").unwrap();
    assert!(matches!(
        History::read(&path),
        Err(HistoryError::Missing(_))
    ));
    let mut history = History::open(&path).unwrap();
    history.record(&run(0), None).unwrap();
    assert_eq!(History::read(&path).unwrap().runs(9).unwrap().len(), 1);
}

#[test]
fn a_run_that_was_killed_while_it_wrote_is_undone() {
    let (folder, mut history) = begun();
    history.record(&run(0), None).unwrap();
    let writer = rusqlite::Connection::open(history.path()).unwrap();
    // With hardly any cache it writes to the file before it has finished.
    writer
        .execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE")
        .unwrap();
    for number in 0..20 {
        writer
            .execute(
                "UPDATE result SET software = ?1 || hex(zeroblob(2000))",
                [number],
            )
            .unwrap();
    }
    let killed = folder.path().join("killed.sqlite");
    fs::copy(history.path(), &killed).unwrap();
    let journal = |path: &Path| path.with_extension("sqlite-journal");
    fs::copy(journal(history.path()), journal(&killed)).unwrap();
    writer.execute_batch("ROLLBACK").unwrap();
    let outcome = History::read(&killed).unwrap().outcome(LATEST).unwrap();
    assert_eq!(outcome, RunOutcome::from(&run(0)));
    assert!(!journal(&killed).exists());
}

#[test]
fn statements_of_somebody_else_are_not_carried_out() {
    let endless = "CREATE VIEW more AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c";
    let trigger = "CREATE TRIGGER more AFTER INSERT ON run BEGIN DELETE FROM result; END";
    for (statement, replaced) in [(endless, true), (endless, false), (trigger, false)] {
        let (folder, history) = begun();
        let path = history.path().to_owned();
        let statement = match replaced {
            true => format!("DROP TABLE run; {}", statement.replace(" more ", " run ")),
            false => statement.to_owned(),
        };
        history.connection.execute_batch(&statement).unwrap();
        drop(history);
        for opened in [History::read(&path), History::open(&path)] {
            let error = opened.map(drop).unwrap_err();
            assert!(matches!(error, HistoryError::Foreign(_)), "{error}");
        }
        drop(folder);
    }
}

#[test]
fn a_pipe_is_no_history() {
    for end in ["", "-journal", "-wal"] {
        let (_folder, history) = begun();
        let path = history.path().to_owned();
        drop(history);
        let mut pipe = path.clone().into_os_string();
        pipe.push(end);
        let _ = std::fs::remove_file(&pipe);
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for opened in [History::read(&path), History::open(&path)] {
            let error = opened.map(drop).unwrap_err().to_string();
            assert!(error.contains("it is no regular file"), "{end}: {error}");
        }
    }
}
