//! Where several endpoints were judged: whether a case fails at all of them, or with one software only.

use std::collections::{BTreeSet, HashMap};

use touchstone_model::{CaseResult, EndpointRecord, RunRecord, Verdict};

use super::text::cap;

/// How far a failure is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Every endpoint that was judged fails, and there are several.
    Everywhere,
    /// Of several kinds of software only one fails.
    OnlyHere,
}

impl Spread {
    /// The words for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::OnlyHere => "only here",
        }
    }

    /// What follows from it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Everywhere => "fails at every endpoint that was judged: doubt the clause first",
            Self::OnlyHere => "fails with this software only",
        }
    }
}

/// The cases of a record whose failures say more together than each alone.
#[derive(Debug, Default)]
pub struct Spreads<'a> {
    cases: HashMap<&'a str, Spread>,
}

/// What a case came to at all endpoints.
#[derive(Default)]
struct Seen<'a> {
    /// URLs of the endpoints that were judged: those of one host's addresses are the same.
    judged: BTreeSet<&'a str>,
    /// Whether one of them did not fail.
    passed: bool,
    /// The software of all that were judged, and of those that failed.
    kinds: BTreeSet<&'a str>,
    guilty: BTreeSet<&'a str>,
}

impl<'a> Spreads<'a> {
    /// Those of the record. Results with a prescribed partner are left out: either of the two may be to blame.
    pub fn of(record: &'a RunRecord) -> Self {
        let endpoints: HashMap<&str, (&str, String)> = record
            .endpoints
            .iter()
            .map(|endpoint| {
                // Where nobody knows the software, each endpoint has its own.
                let own = || format!("that of {}", endpoint.name);
                let kind = family(endpoint).unwrap_or_else(own);
                (endpoint.name.as_str(), (endpoint.url.as_str(), kind))
            })
            .collect();
        let mut seen: HashMap<&str, Seen<'_>> = HashMap::new();
        for result in record.results.iter().filter(|r| r.partner.is_none()) {
            let fails = match result.verdict {
                Verdict::Fail => true,
                Verdict::Pass | Verdict::Warn => false,
                Verdict::Error | Verdict::Skip => continue,
            };
            let Some((url, kind)) = endpoints.get(result.endpoint.as_str()) else {
                continue;
            };
            let seen = seen.entry(result.case.as_str()).or_default();
            seen.judged.insert(url);
            seen.kinds.insert(kind);
            if fails {
                seen.guilty.insert(kind);
            } else {
                seen.passed = true;
            }
        }
        let cases = seen.into_iter();
        Self {
            cases: cases
                .filter_map(|(case, seen)| Some((case, seen.spread()?)))
                .collect(),
        }
    }

    /// How far the failure of a result is spread; nothing of one that did not fail.
    pub fn get(&self, result: &CaseResult) -> Option<Spread> {
        let spread = self.cases.get(result.case.as_str()).copied();
        spread.filter(|_| result.verdict == Verdict::Fail && result.partner.is_none())
    }
}

impl Seen<'_> {
    fn spread(&self) -> Option<Spread> {
        let everywhere = self.judged.len() > 1 && !self.passed;
        let alone = self.kinds.len() > 1 && self.guilty.len() == 1;
        match (everywhere, alone) {
            (true, _) => Some(Spread::Everywhere),
            (false, true) => Some(Spread::OnlyHere),
            (false, false) => None,
        }
    }
}

/// The name of an endpoint's software, without its version, where it is known.
pub fn family(endpoint: &EndpointRecord) -> Option<String> {
    let software = endpoint.software.as_deref().unwrap_or_default();
    let name = software.split(['/', '(']).next().unwrap_or_default();
    let version = |word: &&str| {
        let word = word.trim_start_matches(['v', 'V']);
        !word.starts_with(|c: char| c.is_ascii_digit())
    };
    let words: Vec<&str> = name
        .split_whitespace()
        .take_while(version)
        .take(4)
        .collect();
    match words.join(" ") {
        unknown if unknown.is_empty() => None,
        name => Some(cap(&name, 40).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const CASE: &str = "capability.read.get";

    /// The sample with this software and these verdicts of one case at its three endpoints.
    fn record(software: [Option<&str>; 3], verdicts: [Verdict; 3]) -> RunRecord {
        let mut record = sample::record();
        for (endpoint, software) in record.endpoints.iter_mut().zip(software) {
            endpoint.software = software.map(str::to_owned);
        }
        let results = record.results.iter_mut();
        let of_case = results.filter(|result| result.case.as_str() == CASE);
        for (result, verdict) in of_case.zip(verdicts) {
            result.verdict = verdict;
        }
        record
    }

    fn spreads(record: &RunRecord) -> Vec<Option<Spread>> {
        let spreads = Spreads::of(record);
        let results = record.results.iter();
        let of_case = results.filter(|result| result.case.as_str() == CASE);
        of_case.map(|result| spreads.get(result)).collect()
    }

    #[test]
    fn what_fails_everywhere_or_with_one_software_only_is_marked() {
        use Verdict::{Error, Fail, Pass, Skip, Warn};
        let (all, one) = (Some(Spread::Everywhere), Some(Spread::OnlyHere));
        let differ = [Some("A/1"), Some("B/2.1"), Some("C")];
        let two_alike = [Some("A/1"), Some("A/2"), Some("B")];
        let unknown = [None, None, Some("B")];
        let alike = [Some("A/1"); 3];
        for (software, verdicts, expected) in [
            (differ, [Fail, Fail, Fail], [all, all, all]),
            (differ, [Fail, Fail, Error], [all, all, None]),
            (differ, [Fail, Skip, Error], [None, None, None]),
            (differ, [Fail, Fail, Pass], [None, None, None]),
            (differ, [Fail, Pass, Warn], [one, None, None]),
            (two_alike, [Fail, Fail, Pass], [one, one, None]),
            (two_alike, [Fail, Pass, Pass], [one, None, None]),
            (alike, [Fail, Pass, Pass], [None, None, None]),
            (alike, [Fail, Fail, Fail], [all, all, all]),
            (unknown, [Fail, Fail, Pass], [None, None, None]),
            (unknown, [Fail, Pass, Pass], [one, None, None]),
        ] {
            let found = spreads(&record(software, verdicts));
            assert_eq!(found, expected, "{software:?} {verdicts:?}");
        }
    }

    #[test]
    fn addresses_of_one_host_are_one_endpoint_and_partners_are_left_out() {
        use Verdict::Fail;
        let mut same = record([Some("A/1"); 3], [Fail; 3]);
        let url = same.endpoints[0].url.clone();
        for endpoint in &mut same.endpoints {
            endpoint.url = url.clone();
        }
        assert_eq!(spreads(&same), [None; 3]);
        let mut pairs = record([Some("A/1"); 3], [Fail; 3]);
        for result in &mut pairs.results {
            result.partner = Some("se-beta".into());
        }
        assert_eq!(spreads(&pairs), [None; 3]);
    }
}
