//! The run record, folded from the events of a run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use url::Url;

use touchstone_model::{
    Action, CaseId, CasePlan, CaseResult, EndpointRecord, Exchanges, HostSeen, IssuerUse, Leftover,
    Mode, Portion, RECORD_SCHEMA, RunInfo, RunRecord, Severity, TagRow, Verdict,
};
use touchstone_model::{Event, RunStarted};

use super::text::cap;

/// Takes the events of a run in and makes its record.
#[derive(Default)]
pub struct Recorder {
    started: Option<RunStarted>,
    endpoints: HashMap<String, Seen>,
    begun: HashSet<Key>,
    results: HashMap<Key, CaseResult>,
    issuers: Vec<IssuerUse>,
    interrupted: bool,
    duration_ms: Option<u64>,
}

/// Endpoint, case and partner.
type Key = (String, CaseId, Option<String>);

/// What the events told of an endpoint.
#[derive(Default)]
struct Seen {
    software: Option<String>,
    unreachable: Option<String>,
    notes: Vec<String>,
    leftovers: Vec<Leftover>,
    duration_ms: u64,
}

impl Recorder {
    /// Takes the next event in.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::RunStarted(started) => self.started = Some(started),
            Event::EndpointReached { endpoint, software } => {
                self.endpoints.entry(endpoint).or_default().software = software;
            }
            Event::EndpointUnreachable { endpoint, reason } => {
                self.endpoints.entry(endpoint).or_default().unreachable = Some(reason);
            }
            Event::EndpointNoted { endpoint, note } => {
                let notes = &mut self.endpoints.entry(endpoint).or_default().notes;
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            Event::CaseStarted {
                endpoint,
                case,
                partner,
            } => {
                self.begun.insert((endpoint, case, partner));
            }
            Event::CaseFinished(result) => {
                let partner = result.partner.clone();
                let key = (result.endpoint.clone(), result.case.clone(), partner);
                self.results.insert(key, *result);
            }
            Event::EndpointFinished {
                endpoint,
                leftovers,
                duration_ms,
            } => {
                let seen = self.endpoints.entry(endpoint).or_default();
                seen.leftovers = leftovers;
                seen.duration_ms = duration_ms;
            }
            Event::TokensAsked(issuers) => self.issuers = issuers,
            Event::RunInterrupted => self.interrupted = true,
            Event::RunFinished { duration_ms } => self.duration_ms = Some(duration_ms),
        }
    }

    /// The record: every case of the plan, in its order, even if the run ended early. `None` if no
    /// run ever started.
    pub fn finish(mut self) -> Option<RunRecord> {
        let RunStarted { plan, version } = self.started.take()?;
        let mut endpoints = Vec::with_capacity(plan.rows().count());
        let mut results = Vec::new();
        for row in plan.rows() {
            let seen = self.endpoints.remove(&row.name).unwrap_or_default();
            let first = results.len();
            for case in row.cases {
                results.push(self.result(&row.name, case, &seen));
            }
            let own = results.get(first..).unwrap_or_default();
            endpoints.push(EndpointRecord {
                name: row.name,
                kind: row.kind,
                profile: row.profile,
                software: seen.software.or(row.software),
                downtime: row.downtime,
                unreachable: seen.unreachable,
                notes: seen.notes,
                leftovers: seen.leftovers,
                hosts: hosts(&row.url, own),
                url: row.url,
                duration_ms: seen.duration_ms,
            });
        }
        let longest = endpoints.iter().map(|endpoint| endpoint.duration_ms).max();
        let interrupted = self.interrupted || self.duration_ms.is_none();
        let mut partial = plan.chosen.clone();
        partial.extend(interrupted.then_some(Portion::Interrupted));
        partial.extend(plan.shard.as_ref().map(|_| Portion::Shard));
        Some(RunRecord {
            schema: RECORD_SCHEMA.to_owned(),
            run: RunInfo {
                id: plan.run.clone(),
                version,
                strict: plan.mode == Mode::Strict,
                lenient: plan.mode == Mode::Lenient,
                started: plan.started,
                duration_ms: self.duration_ms.or(longest).unwrap_or_default(),
                interrupted,
                partial,
                issuers: self.issuers,
                pairs: plan.pairs,
                shard: plan.shard.clone(),
                notes: plan.notes.clone(),
            },
            statistics: statistics(&endpoints, &results),
            past: None,
            endpoints,
            results,
        })
    }

    /// What came of a case, or why nothing did.
    fn result(&mut self, row: &str, case: &CasePlan, seen: &Seen) -> CaseResult {
        let key = (row.to_owned(), case.case.id.clone(), case.partner.clone());
        if let Some(result) = self.results.remove(&key) {
            return result;
        }
        let (verdict, reason) = match (&case.action, &seen.unreachable) {
            (Action::Skip(reason), _) => (Verdict::Skip, reason.clone()),
            (Action::Run(_), Some(reason)) => (Verdict::Error, format!("unreachable: {reason}")),
            (Action::Run(_), None) if self.begun.contains(&key) => {
                (Verdict::Error, "interrupted while it ran".to_owned())
            }
            (Action::Run(_), None) => (Verdict::Error, "interrupted before it ran".to_owned()),
        };
        CaseResult {
            endpoint: key.0,
            suite: case.case.suite.clone(),
            case: key.1,
            row: case.case.row(),
            partner: key.2,
            title: case.case.title.clone(),
            clauses: case.case.clauses.clone(),
            severity: case.case.severity,
            verdict,
            known: case.known.clone(),
            expired: case.expired.clone(),
            reason: Some(reason),
            past: None,
            findings: Vec::new(),
            exchanges: Exchanges::default(),
            flaky: false,
            cleanup: Vec::new(),
            at: case.case.at.clone(),
            duration_ms: 0,
        }
    }
}

/// Who answered for the endpoint at `url` after it had redirected there, as its results tell.
pub fn hosts<'a>(url: &str, results: impl IntoIterator<Item = &'a CaseResult>) -> Vec<HostSeen> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let Some(own) = host(url, None) else {
        return Vec::new();
    };
    for exchange in results.into_iter().flat_map(|result| &result.exchanges) {
        // The other endpoint of a transfer may redirect as well.
        if exchange.hops.is_empty() || host(&exchange.url, None).as_ref() != Some(&own) {
            continue;
        }
        // Where the last one leads, nobody answered if there is no answer.
        let broken = exchange.status.is_none() || exchange.error.is_some();
        let answered = exchange.hops.len() - usize::from(broken);
        let hops = exchange.hops.iter().take(answered);
        let there = hops.filter_map(|hop| host(&hop.location, Some(&hop.url)));
        let there: BTreeSet<_> = there.filter(|host| *host != own).collect();
        for host in there {
            // What a hostile one makes up beyond that, nobody misses.
            if seen.len() < HostSeen::MOST || seen.contains_key(&host) {
                *seen.entry(host).or_default() += 1;
            }
        }
    }
    let seen = seen.into_iter();
    let mut seen: Vec<_> = seen
        .map(|(host, exchanges)| HostSeen { host, exchanges })
        .collect();
    seen.sort_by_key(|seen| Reverse(seen.exchanges));
    seen
}

/// Host and port of a URL, which may be relative to another.
fn host(url: &str, base: Option<&str>) -> Option<String> {
    let base = base.and_then(|base| Url::parse(base).ok());
    let url = Url::options().base_url(base.as_ref()).parse(url).ok()?;
    let port = url.port_or_known_default()?;
    Some(format!("{}:{port}", cap(url.host_str()?, HOST)))
}

/// Bytes of a host that are kept: no name of the DNS is longer.
const HOST: usize = 253;

/// The totals: `critical`, `not-critical`, then each endpoint.
///
/// Every result is looked at once and belongs to one of the endpoints.
pub fn statistics(endpoints: &[EndpointRecord], results: &[CaseResult]) -> Vec<TagRow> {
    let row = |tag: &str, elapsed_ms| TagRow {
        tag: tag.to_owned(),
        elapsed_ms,
        ..TagRow::default()
    };
    let mut severities = [Severity::Critical, Severity::NotCritical].map(|s| row(s.as_str(), 0));
    let mut by_endpoint: Vec<_> = endpoints
        .iter()
        .map(|endpoint| row(&endpoint.name, endpoint.duration_ms))
        .collect();
    let places: HashMap<&str, usize> = endpoints
        .iter()
        .enumerate()
        .map(|(place, endpoint)| (endpoint.name.as_str(), place))
        .collect();
    for result in results {
        let severity = match result.severity {
            Severity::Critical => &mut severities[0],
            Severity::NotCritical => &mut severities[1],
        };
        severity.count(result);
        severity.elapsed_ms = severity.elapsed_ms.saturating_add(result.duration_ms);
        let place = places.get(result.endpoint.as_str());
        if let Some(row) = place.and_then(|place| by_endpoint.get_mut(*place)) {
            row.count(result);
        }
    }
    severities.into_iter().chain(by_endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use touchstone_model::{Exchange, Hop};

    fn fold(events: impl IntoIterator<Item = Event>) -> Option<RunRecord> {
        let mut recorder = Recorder::default();
        for event in events {
            recorder.take(event);
        }
        recorder.finish()
    }

    fn ids(record: &RunRecord) -> Vec<String> {
        let id = |result: &CaseResult| format!("{}/{}", result.endpoint, result.case);
        record.results.iter().map(id).collect()
    }

    #[test]
    fn the_order_is_that_of_the_plan() {
        let forwards = fold(sample::events()).unwrap();
        let mut events = sample::events();
        let last = events.len() - 1;
        events[1..last].reverse();
        let backwards = fold(events).unwrap();
        assert_eq!(ids(&forwards), ids(&backwards));
        assert_eq!(forwards.results, backwards.results);
        assert_eq!(forwards.statistics, backwards.statistics);
        let planned: usize = sample::plan().endpoints.iter().map(|e| e.cases.len()).sum();
        assert_eq!(forwards.results.len(), planned);
    }

    #[test]
    fn totals_add_up() {
        let record = sample::record();
        let [critical, not_critical, endpoints @ ..] = &record.statistics[..] else {
            panic!("{:?}", record.statistics)
        };
        assert_eq!(
            (critical.tag.as_str(), not_critical.tag.as_str()),
            ("critical", "not-critical")
        );
        let names: Vec<_> = endpoints.iter().map(|row| row.tag.as_str()).collect();
        assert_eq!(names, ["se-alpha", "se-beta", "se-gamma"]);
        for column in [
            |row: &TagRow| row.total,
            |row: &TagRow| row.fail,
            |row: &TagRow| row.known,
            |row: &TagRow| row.error,
            |row: &TagRow| row.pass + row.warn + row.skip,
        ] {
            let all: usize = endpoints.iter().map(column).sum();
            assert!(all > 0);
            assert_eq!(all, column(critical) + column(not_critical));
        }
        assert_eq!(endpoints[0].elapsed_ms, 3_725_000);
        assert_eq!(
            critical.elapsed_ms + not_critical.elapsed_ms,
            record.results.iter().map(|r| r.duration_ms).sum::<u64>()
        );
    }

    #[test]
    fn an_interrupted_run_has_every_case() {
        let mut events = sample::events();
        events.truncate(4);
        events.push(Event::CaseStarted {
            endpoint: "se-beta".into(),
            case: "path.sibling-prefix.read".parse().unwrap(),
            partner: None,
        });
        events.push(Event::RunInterrupted);
        let record = fold(events).unwrap();
        assert!(record.run.interrupted);
        assert_eq!(ids(&record), ids(&sample::record()));
        let of = |endpoint: &str, case: &str| {
            let found = record
                .results
                .iter()
                .find(|result| result.endpoint == endpoint && result.case.as_str() == case)
                .unwrap();
            (found.verdict, found.reason.clone().unwrap())
        };
        assert_eq!(
            of("se-beta", "capability.create.no-overwrite"),
            (Verdict::Error, "interrupted before it ran".to_owned())
        );
        assert_eq!(
            of("se-beta", "path.sibling-prefix.read"),
            (Verdict::Error, "interrupted while it ran".to_owned())
        );
        assert_eq!(of("se-alpha", "group.member.read").0, Verdict::Skip);
        let gamma = of("se-gamma", "audience.any");
        assert_eq!(gamma.0, Verdict::Error);
        assert_eq!(record.statistics[4].error, record.statistics[4].total - 2);
    }

    #[test]
    fn a_run_that_broke_off_counts_as_interrupted() {
        let mut events = sample::events();
        events.pop();
        let record = fold(events).unwrap();
        assert!(record.run.interrupted);
        assert_eq!(record.run.duration_ms, 3_725_000);
        assert!(!sample::record().run.interrupted);
    }

    #[test]
    fn no_run_no_record() {
        assert!(fold([]).is_none());
        assert!(fold([Event::RunInterrupted]).is_none());
    }

    fn exchange(url: &str, hops: &[(&str, &str)], status: Option<u16>) -> Exchange {
        let record = sample::record();
        let mut exchanges = record.results.iter().flat_map(|result| &result.exchanges);
        let hops = hops.iter().map(|(from, to)| Hop {
            url: (*from).into(),
            status: 307,
            location: (*to).into(),
            token_forwarded: false,
        });
        Exchange {
            url: url.into(),
            hops: hops.collect(),
            status,
            error: None,
            ..exchanges.next().unwrap()
        }
    }

    #[test]
    fn hosts_behind_a_redirector_are_those_that_answered() {
        const OWN: &str = "https://se.example.org:8443/f";
        const ONE: &str = "https://d1.example.org:1095/f?authz=x";
        const TWO: &str = "https://d2.example.org/f";
        let mut result = sample::record().results[0].clone();
        result.exchanges = vec![
            exchange(OWN, &[], Some(200)),
            exchange(OWN, &[(OWN, ONE)], Some(200)),
            exchange(OWN, &[(OWN, ONE), (ONE, TWO)], Some(200)),
            // Nobody answered at the second.
            exchange(OWN, &[(OWN, ONE), (ONE, TWO)], None),
            // Its own host and relative places are no others.
            exchange(
                OWN,
                &[(OWN, "/f/"), (OWN, "https://se.example.org:8443/g")],
                Some(200),
            ),
            // A partner of a transfer has pools of its own.
            exchange(
                "https://other.example.org/f",
                &[("https://other.example.org/f", TWO)],
                Some(200),
            ),
            exchange(
                OWN,
                &[(OWN, "http://"), (OWN, "//d2.example.org/\u{202e}")],
                Some(200),
            ),
        ]
        .into();
        let seen = hosts("https://se.example.org:8443/wlcg", [&result]);
        let seen: Vec<_> = seen
            .iter()
            .map(|seen| (seen.host.as_str(), seen.exchanges))
            .collect();
        assert_eq!(
            seen,
            [("d1.example.org:1095", 3), ("d2.example.org:443", 2)]
        );
    }

    #[test]
    fn made_up_hosts_are_capped() {
        let mut result = sample::record().results[0].clone();
        let own = "https://se.example.org/";
        let made_up = (0..1000).map(|n| format!("https://{n}{}.example.org/", "x".repeat(2000)));
        result.exchanges = made_up
            .map(|there| exchange(own, &[(own, &there)], Some(200)))
            .collect::<Vec<_>>()
            .into();
        let seen = hosts(own, [&result]);
        assert_eq!(seen.len(), HostSeen::MOST);
        assert!(seen.iter().all(|seen| seen.host.len() < 300));
    }
}
