use super::*;
use crate::tests::{answer, leaning, plain};

/// Clause, level and what is told of a part that is answered with those bytes and that Content-Range, where a case about
/// `cited` asks for the last four of ten.
fn parted(cited: &str, bytes: &str, told: Option<&str>) -> Option<(String, Level, String)> {
    let mut bench = leaning(Level::Must);
    bench.case.clauses = vec![cited.parse().expect("a clause")];
    let file = State::File(b"0123456789".to_vec());
    let mut step = plain(Method::Get, bench.judge().at);
    step.headers.push(("Range".into(), "bytes=-4".into()));
    let mut part = answer(206, bytes.as_bytes());
    let told = told.map(|told| ("content-range".into(), told.into()));
    part.headers.extend(told);
    let found = read(bench.judge(), &step, Expect::Partial, &file, &part);
    let first = found.into_iter().next()?;
    Some((first.clause.to_string(), first.level, first.actual))
}

#[test]
fn wrong_bytes_that_are_called_right_are_worse_than_a_wrong_part() {
    let judged = |bytes, told| {
        let found = parted("OWN-1", bytes, told).expect("a finding");
        (found.0, found.1)
    };
    assert_eq!(
        judged("0123", Some("bytes 6-9/10")),
        ("DAV-23".into(), Level::Must)
    );
    let own = ("OWN-1".into(), Level::Must);
    assert_eq!(judged("0123", None), own);
    assert_eq!(judged("xxxx", Some("bytes 0-3/10")), own);
}

#[test]
fn what_is_said_of_a_part_is_told_by_the_case_about_parts() {
    // The length need not be told, and units have no case.
    for right in ["bytes 6-9/10", "bytes 6-9/*", "Bytes 6-9/10"] {
        assert_eq!(parted("DAV-18", "6789", Some(right)), None, "{right}");
    }
    for wrong in [
        None,
        Some("bytes 6-9/11"),
        Some("bytes 0-9/10"),
        Some("lines 6-9/10"),
        Some("bytes 6-99999999999999999999/10"),
    ] {
        let (clause, level, _) = parted("DAV-18", "6789", wrong).expect("a finding");
        assert_eq!(
            (clause.as_str(), level),
            ("DAV-18", Level::Should),
            "{wrong:?}"
        );
        let (clause, level, _) = parted("JWT-2.2.1-01", "6789", wrong).expect("a finding");
        assert_eq!(
            (clause.as_str(), level),
            ("DAV-18", Level::May),
            "{wrong:?}"
        );
    }
    // Another part that says which it is.
    let whole = parted("JWT-2.2.1-01", "0123456789", Some("bytes 0-9/10"));
    let (clause, level, told) = whole.expect("a finding");
    assert_eq!((clause.as_str(), level), ("DAV-18", Level::May));
    assert_eq!(told, "another part, called bytes 0-9/10");
}

#[test]
fn a_listing_is_told_that_shows_what_is_hidden() {
    let bench = leaning(Level::MustNot);
    let mut step = plain(Method::Propfind, bench.judge().at);
    step.tells.hidden = vec!["secret".to_owned()];
    let listing = |name: &str| {
        format!(
            "<d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>/d/{name}/</d:href></d:response></d:multistatus>"
        )
    };
    let told = |status, body: &str| shown(bench.judge(), &step, &answer(status, body.as_bytes()));
    let found = told(207, &listing("%73ecret")).expect("a finding");
    assert_eq!(found.actual, "a listing with secret");
    assert!(found.level.binding());
    for (status, body) in [
        (207, listing("a")),
        (403, listing("secret")),
        (207, "<".into()),
    ] {
        assert!(told(status, &body).is_none(), "{status} {body}");
    }
}

#[test]
fn a_refusal_tells_nothing_by_its_conditions() {
    let bench = leaning(Level::Must);
    let told = |expect, header: &str, status, range: &str| {
        let mut step = plain(Method::Get, bench.judge().at);
        step.headers = vec![(header.to_owned(), "*".to_owned())];
        let mut answer = answer(status, b"");
        answer.headers.push(("content-range".into(), range.into()));
        condition_told(bench.judge(), &step, expect, &answer).is_some()
    };
    for (header, status) in [
        ("If-None-Match", 304),
        ("if-match", 412),
        ("Overwrite", 412),
        ("Range", 416),
    ] {
        assert!(told(Expect::Denied, header, status, ""), "{header}");
        assert!(!told(Expect::Denied, "Accept", status, ""), "{header}");
        assert!(!told(Expect::Denied, header, 403, ""), "{header}");
        assert!(!told(Expect::PreconditionFailed, header, status, ""));
    }
    // A length in the answer tells as much.
    assert!(told(Expect::Unauthenticated, "Accept", 401, "bytes */87"));
    assert!(!told(Expect::Unauthenticated, "Accept", 401, "bytes */*"));
}
