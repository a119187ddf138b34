use super::*;
use crate::sample;
use touchstone_model::{Hop, HostSeen, Leftover};

/// The sample as if it had run in `of` shards.
fn shards(of: usize) -> Vec<ShardRecord> {
    let whole = sample::record();
    let (rows, cases) = (whole.endpoints.len(), whole.results.len());
    let part = |index: usize| {
        let mut record = whole.clone();
        let shard = Shard {
            index,
            of,
            plan: "0123456789abcdef".into(),
            rows,
            cases,
        };
        if shard.by_case() {
            record.results = every(whole.results.iter(), index, of);
        } else {
            record.endpoints = every(whole.endpoints.iter(), index, of);
            let names: Vec<_> = record.endpoints.iter().map(|row| &row.name).collect();
            record
                .results
                .retain(|result| names.contains(&&result.endpoint));
        }
        record.statistics = statistics(&record.endpoints, &record.results);
        record.run.shard = Some(shard);
        let later = SignedDuration::from_secs(i64::try_from(index).unwrap());
        record.run.started = whole.run.started.checked_sub(later).unwrap();
        ShardRecord {
            name: format!("{index}.json"),
            record,
        }
    };
    (1..=of).map(part).collect()
}

fn every<'a, T: Clone + 'a>(all: impl Iterator<Item = &'a T>, index: usize, of: usize) -> Vec<T> {
    all.skip(index - 1).step_by(of).cloned().collect()
}

fn refused(parts: Vec<ShardRecord>) -> String {
    merge(parts, false).unwrap_err().to_string()
}

#[test]
fn shards_in_any_order_and_number_make_the_whole() {
    let whole = sample::record();
    for of in [1, 2, 3, 4, 7, whole.results.len() + 5] {
        let mut parts = shards(of);
        parts.reverse();
        let merged = merge(parts, false).unwrap();
        assert_eq!((merged.missing.len(), merged.cases_missing), (0, 0));
        let record = merged.record;
        assert_eq!(record.results, whole.results, "{of}");
        assert_eq!(record.endpoints, whole.endpoints, "{of}");
        assert_eq!(record.statistics, whole.statistics, "{of}");
        assert_eq!(record.run.shard, None);
        let lasted = SignedDuration::from_secs(i64::try_from(of).unwrap());
        assert_eq!(
            record.run.started,
            whole.run.started.checked_sub(lasted).unwrap()
        );
        // The first shard to begin was the last to be numbered.
        let last = (u64::try_from(of).unwrap() - 1) * 1000;
        assert_eq!(record.run.duration_ms, whole.run.duration_ms + last);
        for usage in &whole.run.issuers {
            let one = record
                .run
                .issuers
                .iter()
                .find(|one| one.issuer == usage.issuer);
            assert_eq!(one.unwrap().requests, usage.requests * of);
        }
    }
}

#[test]
fn rows_that_shards_share_are_joined() {
    let mut parts = shards(4);
    let leftover = |url: &str| Leftover {
        url: url.into(),
        reason: "403".into(),
    };
    parts[0].record.endpoints[2].software = Some("as the file says".into());
    parts[1].record.endpoints[2].unreachable = None;
    parts[1].record.endpoints[2].software = Some("Server/1".into());
    parts[2].record.endpoints[2].unreachable = Some("no answer in time".into());
    parts[2].record.endpoints[0].leftovers = vec![leftover("https://h/a")];
    parts[3].record.endpoints[0].leftovers = vec![leftover("https://h/a"), leftover("https://h/b")];
    parts[3].record.endpoints[0].duration_ms = u64::MAX;
    parts[3].record.run.interrupted = true;
    let own = parts[0].record.endpoints[0].url.clone();
    for part in &mut parts {
        let mut results = part.record.results.iter_mut();
        let results = results.find(|r| !r.exchanges.is_empty() && own.contains(&r.endpoint));
        let Some(result) = results else {
            continue;
        };
        result.exchanges.change(|exchange| {
            exchange.url = own.clone();
            exchange.status = Some(200);
            exchange.error = None;
            exchange.hops = vec![Hop {
                url: own.clone(),
                status: 307,
                location: "https://d1.example.org/".into(),
                token_forwarded: false,
            }];
        });
    }
    let record = merge(parts, false).unwrap().record;
    let [first, _, third] = &record.endpoints[..] else {
        panic!("three rows")
    };
    assert_eq!(third.software.as_deref(), Some("Server/1"));
    let told = third.unreachable.as_deref().unwrap();
    assert_eq!(told, "connection refused; no answer in time");
    assert_eq!(
        first.leftovers.len(),
        sample::record().endpoints[0].leftovers.len() + 2
    );
    assert_eq!(first.duration_ms, u64::MAX);
    assert!(record.run.interrupted);
    let [HostSeen { host, exchanges }] = &first.hosts[..] else {
        panic!("{:?}", first.hosts)
    };
    assert!(host == "d1.example.org:443" && *exchanges > 0);
}

#[test]
fn what_does_not_belong_together_is_not_joined() {
    assert_eq!(merge(Vec::new(), true).unwrap_err(), MergeError::Nothing);
    let mut parts = shards(3);
    parts[1].record.run.shard = None;
    assert!(refused(parts).starts_with("2.json: it is no shard"));

    let mut parts = shards(3);
    let shard = parts[2].record.run.shard.as_mut().unwrap();
    shard.plan = "fedcba\u{1b}[2J".into();
    let told = refused(parts);
    assert!(told.starts_with("3.json: its plan is fedcba"), "{told}");
    assert!(told.contains("1.json is 0123456789abcdef (1/3)") && !told.contains('\u{1b}'));
    let mut parts = shards(3);
    parts.extend(shards(4).pop());
    assert!(refused(parts).contains("(4/4)"));

    let mut parts = shards(3);
    parts.extend(shards(3).pop());
    let told = refused(parts);
    assert_eq!(
        told,
        "3.json: it is shard 3/3, and so is 3.json; leave one of them out"
    );
}

#[test]
fn missing_shards_are_listed_or_left_out() {
    for of in [3, 4] {
        let all = || shards(of).into_iter().filter(|part| part.name != "2.json");
        let told = refused(all().collect());
        let start = format!("1 shard of {of} missing: 2/{of}; ");
        assert!(
            told.starts_with(&start) && told.contains("--partial"),
            "{told}"
        );
        let merged = merge(all().collect(), true).unwrap();
        assert_eq!(merged.missing, [2]);
        let whole = sample::record();
        let record = merged.record;
        assert_eq!(
            record.results.len() + merged.cases_missing,
            whole.results.len()
        );
        // What is there is in the order of the whole.
        let mut rest = whole.results.iter();
        for result in &record.results {
            assert!(rest.any(|other| other == result), "{}", result.case);
        }
        let total: usize = record.statistics.iter().take(2).map(|row| row.total).sum();
        assert_eq!(total, record.results.len());
    }
    let many = shards(90).into_iter().take(1).collect();
    let told = refused(many);
    assert!(told.contains("21/90, and 69 more"), "{told}");
}

/// Into how many shards, what is changed in the first one, and what is told.
type Change = (usize, fn(&mut RunRecord), &'static str);

#[test]
fn records_that_were_changed_are_refused() {
    let changes: [Change; 8] = [
        (
            4,
            |record| {
                record.results.pop();
            },
            "and here are",
        ),
        (
            3,
            |record| {
                record.endpoints.clear();
            },
            "has 1 rows, and here are 0",
        ),
        (
            2,
            |record| {
                record.results.pop();
            },
            "all shards together",
        ),
        (
            2,
            |record| record.results[0].endpoint = "x\u{1b}".into(),
            "none of its rows",
        ),
        (
            4,
            |record| {
                record.results[1] = record.results[0].clone();
            },
            "is there twice",
        ),
        (
            3,
            |record| {
                let other = sample::record();
                record.endpoints[0] = other.endpoints[1].clone();
                record.results.clear();
            },
            "as well",
        ),
        (
            3,
            |record| record.run.shard.as_mut().unwrap().index = 0,
            "there is no shard 0/3",
        ),
        (
            3,
            |record| record.run.shard.as_mut().unwrap().index = 4,
            "there is no shard 4/3",
        ),
    ];
    for (number, (of, change, expected)) in changes.into_iter().enumerate() {
        let mut parts = shards(of);
        change(&mut parts[0].record);
        let told = refused(parts);
        assert!(
            told.contains(".json: ") && told.contains(expected),
            "{number}: {told}"
        );
        assert!(!told.contains('\u{1b}'), "{told}");
    }
    let mut parts = shards(3);
    for part in &mut parts {
        let shard = part.record.run.shard.as_mut().unwrap();
        (shard.of, shard.rows, shard.cases) = (usize::MAX, usize::MAX, usize::MAX);
    }
    assert!(refused(parts).contains("there is no shard 1/"));
    let mut parts = shards(3);
    for part in &mut parts {
        let shard = part.record.run.shard.as_mut().unwrap();
        (shard.rows, shard.cases) = (usize::MAX, usize::MAX);
    }
    assert!(refused(parts).contains("and here are 1"));
}
