use super::*;
use crate::sample;

fn content(files: &[File], name: &str) -> String {
    let file = files.iter().find(|file| file.name == name);
    let file = file.unwrap_or_else(|| panic!("{name} is not among {files:?}"));
    file.content.as_ref().unwrap().clone()
}

fn names_of(files: &[File]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

#[test]
fn it_reads_well() {
    let mut record = sample::with_past();
    record.endpoints[0].software = Some("dCache/9.2.19".into());
    let files = news(&record);
    assert_eq!(names_of(&files), ["se-alpha.txt", "se-gamma.txt"]);
    insta::assert_snapshot!(content(&files, "se-alpha.txt"), @r#"
    [token compliance] se-alpha: 1 MUST failure (capability.create.no-overwrite)

    touchstone, which judges how WLCG services treat tokens, found 1 missed requirement at this storage
    element, new since the run before (1 stated).

    Endpoint  se-alpha
    URL       https://se-alpha.example.org:8443/wlcg
    Software  dCache/9.2.19
    Profile   WLCG Common JWT Profile 1.3
    Time      2026-11-22 07:28 UTC (run 20261122t072848z-4f2a9c)

    1. capability.create.no-overwrite (critical)
       storage.create never replaces a file
       Since     this run; passed in the run before; it last passed in the run of 2026-11-21 05:00 UTC
       Spread    fails at every endpoint that was judged: doubt the clause first
       Clause    JWT-2.2.1-04 MUST NOT: storage.create never replaces a file.
       Text      "This capability does not permit deleting, overwriting, or replacing stored data."
                 (WLCG Common JWT Profiles 1.3, line 846)
       Request   PUT https://se-alpha.example.org:8443/wlcg/touchstone-x/f
       Expected  401 or 403, and nothing changed
       Got       201
       Again     curl -i -X PUT -H "Authorization: Bearer $TOKEN" -H 'content-type: text/plain' --data-binary 'it'\''s new' --url https://se-alpha.example.org:8443/wlcg/touchstone-x/f
       Token     scope "storage.create:/", audience https://wlcg.cern.ch/jwt/v1/any, issued by
                 https://issuer.example.org/: oidc-token --scope storage.create:/ wlcg
       Logged    2026-11-22T07:28:50Z, jti 7c1f, User-Agent touchstone/0.1.0 (run; case)
       Clause    JWT-2.2.1-04 SHOULD (derived): storage.create never replaces a file.
       Expected  the file as it was
       Got       the file has the new content
       Rerun     touchstone run --endpoint se-alpha --case capability.create.no-overwrite

    Undecided since this run, 1 case: audience.foreign.read.
    Reason    the control failed: 500

    Where to look in dCache
    Log       the .access file of the WebDAV door's domain: it has `sub` and `jti` of the token with
              each request
    Settings  for capability.*: `-prefix` and `-authz-id` of `gplazma.oidc.provider!NAME`, and the
              permissions of the user that it maps to
    Manual    https://www.dcache.org/manuals/Book-9.2/config-gplazma.shtml#oidc

    The curl lines work with such a token in $TOKEN; if curl does not trust the endpoint, add --capath
    /etc/grid-security/certificates. `touchstone explain capability.create.no-overwrite` tells what that
    case does and what its failure means in practice.
    "#);
}

#[test]
fn what_became_unreachable_has_words_of_its_own() {
    let files = news(&sample::with_past());
    insta::assert_snapshot!(content(&files, "se-gamma.txt"), @"
    [token compliance] se-gamma: not reachable

    touchstone, which judges how WLCG services treat tokens, could not judge this storage element. That
    says nothing about its compliance: please look whether the service is well.

    Endpoint  se-gamma
    URL       https://se-gamma.example.org:8443/wlcg
    Software  OtherStore
    Profile   WLCG Common JWT Profile 1.3
    Time      2026-11-22 07:28 UTC (run 20261122t072848z-4f2a9c)
    Reason    connection refused

    Undecided since this run, 6 cases: audience.any, audience.foreign.read,
    capability.create.no-overwrite, capability.read.get, capability.read.missing,
    path.sibling-prefix.read.
    Reason    unreachable: connection refused
    ");
}

#[test]
fn old_failures_are_told_only_when_asked_for() {
    let mut record = sample::with_past();
    for result in &mut record.results {
        if let (true, Some(past)) = (result.red(), &mut result.past) {
            past.before = Verdict::Fail;
            past.since = "2026-11-19T05:00:00Z".parse().unwrap();
            past.last_good = None;
        }
        if let (Verdict::Error, Some(past)) = (result.verdict, &mut result.past) {
            past.before = Verdict::Error;
        }
    }
    record
        .results
        .retain(|result| result.endpoint != "se-gamma");
    assert_eq!(names_of(&news(&record)), [""; 0]);
    let files = all(&record);
    assert_eq!(names_of(&files), ["se-alpha.txt"]);
    let text = content(&files, "se-alpha.txt");
    assert!(
        text.contains("Since     2026-11-19 05:00 UTC; no run is known in which it passed"),
        "{text}"
    );
    // A known failure that turns red, because its entry expired, is news.
    for result in &mut record.results {
        if let (true, Some(past)) = (result.red(), &mut result.past) {
            past.known = true;
        }
    }
    assert_eq!(names_of(&news(&record)), ["se-alpha.txt"]);
}

#[test]
fn without_a_past_all_failures_are_told_and_no_errors() {
    let files = news(&sample::record());
    assert_eq!(names_of(&files), ["se-alpha.txt"]);
    let text = content(&files, "se-alpha.txt");
    assert!(
        text.contains("this run; earlier ones are not known"),
        "{text}"
    );
    assert!(!text.contains("Undecided"), "{text}");
}

#[test]
fn names_become_files_of_their_own() {
    let mut record = sample::record();
    let (endpoint, result) = (record.endpoints[0].clone(), record.results[2].clone());
    record.endpoints.clear();
    record.results.clear();
    for name in ["a/b", "a:b", "A_B", "..", "../../x"] {
        let (mut endpoint, mut result) = (endpoint.clone(), result.clone());
        endpoint.name = name.into();
        result.endpoint = name.into();
        record.endpoints.push(endpoint);
        record.results.push(result);
    }
    let files = all(&record);
    let mut names = names_of(&files);
    assert!(names.contains(&"A_B.txt"), "{names:?}");
    assert!(
        !names
            .iter()
            .any(|name| name.contains(['/', ':']) || name.starts_with('.'))
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 5, "{names:?}");
}

#[test]
fn hostile_text_stays_in_its_line_and_many_failures_in_bounds() {
    let hostile = "\x1b[2J\u{202e}\r\n[token compliance] forged\n";
    let mut record = sample::with_past();
    for endpoint in &mut record.endpoints {
        endpoint.software = Some(hostile.repeat(1000));
        endpoint.unreachable = Some(hostile.repeat(1000));
    }
    let failed = record.results[2].clone();
    for result in &mut record.results {
        result.reason = Some(hostile.repeat(1000));
        result.exchanges.change(|exchange| {
            exchange.url += hostile;
            exchange.request_headers = vec![("user-agent".into(), hostile.into())];
            if let Some(token) = &mut exchange.token {
                token.jti = Some(hostile.into());
                token.how = hostile.into();
            }
        });
    }
    for n in 0..300 {
        let mut result = failed.clone();
        result.case = format!("suite.case-x{n}").parse().unwrap();
        for finding in &mut result.findings {
            finding.actual = hostile.repeat(1000);
            finding.exchange = Some(usize::MAX);
        }
        record.results.push(result);
    }
    for file in all(&record) {
        let text = file.content.unwrap();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!text.contains('\u{202e}'));
        let titles = text
            .lines()
            .filter(|line| line.starts_with("[token compliance]"));
        assert_eq!(titles.count(), 1);
        assert!(text.starts_with("[token compliance] se-"));
        assert!(text.len() < 60_000, "{}", text.len());
        let title = text.lines().next().unwrap();
        assert!(title.len() < 400, "{title}");
    }
}

#[test]
fn lines_are_broken_between_words() {
    let text = wrap(&"word ".repeat(60), "   ");
    assert!(text.lines().count() > 2);
    assert!(
        text.lines()
            .all(|line| line.len() <= WIDTH && line.starts_with("   word"))
    );
    let long = "x".repeat(300);
    assert_eq!(row("", "URL", &long), format!("URL       {long}\n"));
}

#[test]
fn an_issuer_that_gives_nothing_is_no_ticket_for_the_storage() {
    let mut record = sample::with_past();
    let of_beta = |r: &&mut CaseResult| r.endpoint == "se-beta" && r.verdict == Verdict::Pass;
    for result in record.results.iter_mut().filter(of_beta) {
        result.verdict = Verdict::Error;
        result.reason = Some("no token".into());
        result.exchanges = touchstone_model::Exchanges::default();
    }
    assert_eq!(names_of(&news(&record)), ["se-alpha.txt", "se-gamma.txt"]);
    let of_beta = |r: &&mut CaseResult| r.endpoint == "se-beta" && r.verdict == Verdict::Error;
    for result in record.results.iter_mut().filter(of_beta) {
        result.exchanges = vec![sample::exchange(
            "se-beta",
            touchstone_model::Method::Get,
            500,
        )]
        .into();
    }
    let text = content(&news(&record), "se-beta.txt");
    let title = text.lines().next().unwrap();
    assert_eq!(title, "[token compliance] se-beta: 5 cases undecided");
    assert!(text.contains("could in the run before"), "{text}");
}

#[test]
fn an_expired_known_failure_says_so() {
    let files = all(&sample::expired());
    let text = files[0].content.as_ref().unwrap();
    assert!(text.contains("known until 2026-11-01"), "{text}");
}
