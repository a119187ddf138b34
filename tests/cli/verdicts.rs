//! Each verdict has the level of the clause that it cites, and cites the clause that was broken: what is only recommended warns, what
//! follows from several sentences is one finding, and what is open is told and not judged.

use std::collections::BTreeMap;

use crate::common::test_bed::TestBed;

/// What a run of these cases says about a storage element with this fault; not strict.
fn judged(fault: &str, cases: &[&str]) -> BTreeMap<String, String> {
    let bed = TestBed::new();
    let storage = bed.storage(&[fault]);
    bed.judge(storage.url(), "", cases, &[]).0
}

/// Fails unless each case has its verdict, and a finding that begins so.
fn expect(fault: &str, wanted: &[(&str, &str, &str)]) {
    let cases: Vec<_> = wanted.iter().map(|(case, ..)| *case).collect();
    let outcomes = judged(fault, &cases);
    for (case, verdict, finding) in wanted {
        let outcome = outcomes.get(*case).expect("its outcome");
        assert!(
            outcome.starts_with(verdict) && outcome.contains(finding),
            "{fault}: {case}: {outcome}"
        );
    }
}

#[test]
fn a_type_that_the_profile_does_not_mention_is_a_recommendation() {
    expect(
        "type-jwt-only",
        &[("authentication.header.type", "warn", "JWT-4.2-25: ")],
    );
    expect(
        "type-required",
        &[("authentication.header.type", "fail", "JWT-4.2-23: ")],
    );
}

#[test]
fn a_look_by_one_of_two_methods_is_enough() {
    expect(
        "propfind-refused",
        &[("capability.read.propfind", "pass", "")],
    );
    expect(
        "head-refused",
        &[(
            "capability.read.head",
            "fail",
            "DAV-24: HEAD was answered 403",
        )],
    );
    expect(
        "read-stats-not",
        &[("capability.read.propfind", "fail", "JWT-2.2.1-28: ")],
    );
}

#[test]
fn a_scope_without_a_path_spoils_the_whole_token() {
    expect(
        "pathless-skipped",
        &[
            ("capability.no-path.read", "pass", ""),
            (
                "capability.no-path.beside.read",
                "fail",
                "JWT-2.2.1-39: GET was answered 200",
            ),
            (
                "capability.no-path.beside.write",
                "fail",
                "JWT-2.2.1-39: PUT was answered 201",
            ),
        ],
    );
}

#[test]
fn groups_beside_a_malformed_path_are_another_matter_than_beside_none() {
    expect(
        "broken-capability-skipped",
        &[
            ("group.broken-capability.no-path", "fail", "JWT-2.2.3-04: "),
            ("group.broken-capability.relative", "warn", "JWT-2.2.3-08: "),
        ],
    );
}

#[test]
fn a_missing_challenge_fails_and_an_error_in_it_warns() {
    expect(
        "challenge-blames-no-token",
        &[("bearer.challenge.write", "warn", "RFC6750-22: ")],
    );
    expect(
        "challenge-basic",
        &[("bearer.challenge.write", "fail", "RFC6750-04: ")],
    );
}

#[test]
fn the_audience_that_means_everybody_is_a_recommendation() {
    expect(
        "audience-any-refused",
        &[("audience.any", "warn", "JWT-2.1.1-17: ")],
    );
}

#[test]
fn the_next_major_version_is_told_and_not_judged() {
    expect(
        "version-minor-compared-as-text",
        &[("authentication.version.major", "fail", "JWT-4.3.3-02: ")],
    );
    let right = judged("allow-missing", &["authentication.version.major"]);
    let told = &right["authentication.version.major"];
    assert!(told.starts_with("pass"), "{told}");
}

#[test]
fn statuses_of_move_warn_and_what_it_does_fails() {
    expect(
        "move-no-parent-forbidden",
        &[
            (
                "webdav.move.no-parent",
                "warn",
                "DAV-14: MOVE was answered 403",
            ),
            (
                "webdav.copy.no-parent",
                "warn",
                "DAV-14: COPY was answered 403",
            ),
        ],
    );
    expect(
        "move-makes-parents",
        &[
            (
                "webdav.move.no-parent",
                "fail",
                "DAV-26: MOVE was answered 201",
            ),
            (
                "webdav.copy.no-parent",
                "fail",
                "DAV-26: COPY was answered 201",
            ),
        ],
    );
    expect(
        "destination-host-ignored",
        &[(
            "webdav.move.elsewhere",
            "fail",
            "DAV-27: MOVE was answered 201",
        )],
    );
}

#[test]
fn a_405_without_allow_is_a_finding_of_its_own() {
    expect(
        "allow-missing",
        &[
            (
                "webdav.allow",
                "fail",
                "DAV-25: 405 Method Not Allowed without Allow",
            ),
            ("webdav.unknown-method", "pass", ""),
        ],
    );
}

#[test]
fn only_who_says_that_a_missing_file_was_there_fails() {
    expect(
        "delete-missing-is-done",
        &[(
            "webdav.missing.delete",
            "fail",
            "DAV-19: DELETE was answered 204",
        )],
    );
}

#[test]
fn a_copy_both_ways_is_judged_without_a_side_of_ours() {
    for fault in ["tpc-both-ways-pull", "tpc-both-ways-push"] {
        expect(fault, &[("tpc.both-ways", "warn", "TPC-22: ")]);
    }
    expect("tpc-no-way-pull", &[("tpc.both-ways", "pass", "")]);
}
