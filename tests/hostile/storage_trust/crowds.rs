//! Storage that takes only so many connections at a time.

use crate::common::test_bed::TestBed;

use super::gate::{Beyond, Fate, Gate};
use super::rows::{self, Row};

const CASES: [&str; 8] = [
    "--case",
    "capability.create.put",
    "--case",
    "capability.create.no-overwrite",
    "--case",
    "capability.create.no-get",
    "--case",
    "capability.create.mkcol",
];

const FEW: &str = "; it was there before: if it takes only a few connections at a time, lower `jobs` in its `limits`";
const ONE: &str = "; it was there before: if it takes only one connection at a time, it cannot be judged: two are needed";

#[test]
fn storage_with_few_connections_is_judged_or_told() {
    let bed = TestBed::new();
    let (mut rows, mut limits) = (Vec::new(), Vec::new());
    for beyond in [Beyond::Reset, Beyond::Ignore, Beyond::Wait] {
        for (limit, jobs) in [(1, 8), (2, 8), (4, 8), (1, 1), (4, 1)] {
            let storage = bed.storage(&[]);
            let front = Gate::limited(&bed, "127.0.0.1:0", &storage, Fate::Pass, limit, beyond);
            let name = format!("{limit}-{beyond:?}-{jobs}").to_lowercase();
            let row = Row::new(&name, front.url("localhost"), storage, front);
            // Where there are too few, those beyond wait for as long as a connection may take.
            let connect = match limit < jobs.max(2) {
                true => ", connect: 5s",
                false => "",
            };
            rows.push(Row {
                jobs,
                limits: connect,
                ..row
            });
            limits.push(limit);
        }
    }
    let came = rows::run(&bed, &rows, &CASES);
    for ((row, result), limit) in rows.iter().zip(&came.results).zip(limits) {
        assert!(row.front.most() <= limit, "{}", row.name);
        assert_eq!(result.all.len(), CASES.len() / 2, "{:?}", result.all);
        let told = match row.jobs {
            1 => ONE,
            _ => FEW,
        };
        let mut undecided = 0;
        for text in &result.all {
            if text != "pass" {
                undecided += 1;
                assert!(text.starts_with("error "), "{}: {text}", row.name);
                assert!(text.contains("no connection"), "{}: {text}", row.name);
                assert!(text.ends_with(told), "{}: {text}", row.name);
            }
        }
        assert_eq!(
            undecided > 0,
            limit < row.jobs.max(2),
            "{}: {:?}",
            row.name,
            result.all
        );
        result.expect_nothing_left(&row.name);
    }
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
}
