//! Storage that breaks off in the middle of an upload.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::test_bed::TestBed;
use crate::common::wild::{Act, Wild};

use super::rows::{self, CASE, Row};

#[test]
fn an_upload_that_is_reset_halfway_decides_nothing() {
    let bed = TestBed::new();
    let table = [
        (
            "arrangement",
            0,
            "error what the case needs could not be arranged: PUT ",
        ),
        ("step", 1, "error PUT "),
        (
            "control",
            2,
            "error the control, the same PUT with a token that allows it, did not succeed",
        ),
    ];
    let rows = table.map(|(name, spared, _)| {
        let storage = bed.storage(&[]);
        let seen = AtomicUsize::new(0);
        let front = Wild::start(&bed, storage.port(), move |method, path| {
            let hit = method == "PUT" && path.ends_with("/f");
            match hit && seen.fetch_add(1, Ordering::SeqCst) >= spared {
                true => Act::Cut(40),
                false => Act::Pass,
            }
        });
        Row::new(name, front.url().to_owned(), storage, front)
    });
    let came = rows::run(&bed, &rows, &["--case", CASE]);
    for ((row, result), (_, spared, begin)) in rows.iter().zip(&came.results).zip(table) {
        let text = &result.text;
        assert!(text.starts_with(begin), "{}: {text}", row.name);
        assert!(text.contains(RESET), "{}: {text}", row.name);
        // What arranges may be sent again; a step is not, and neither is its control.
        let wanted = if spared == 0 { 2 } else { 1 };
        assert_eq!(row.front.broken(), wanted, "{}: {text}", row.name);
        result.expect_nothing_left(&row.name);
    }
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
}

const RESET: &str = "Connection reset by peer";

#[test]
fn an_upload_that_we_cut_may_be_reset_before_that() {
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    let seen = AtomicUsize::new(0);
    let front = Wild::start(&bed, storage.port(), move |method, path| {
        let first =
            method == "PUT" && path.ends_with("/new") && seen.fetch_add(1, Ordering::SeqCst) == 0;
        match first {
            true => Act::Cut(10),
            false => Act::Pass,
        }
    });
    let row = Row::new("cut", front.url().to_owned(), storage, front);
    let rows = [row];
    let came = rows::run(&bed, &rows, &["--case", "webdav.put.cut"]);
    assert_eq!(came.results[0].text, "pass");
    assert_eq!(rows[0].front.broken(), 1);
    came.results[0].expect_nothing_left("cut");
}
