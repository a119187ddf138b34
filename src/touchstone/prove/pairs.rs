//! Faults two by two: whether one hides another.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use touchstone_model::{CaseId, ISSUER, Profile, RunRecord};
use touchstone_reference::{Fault, compatible};
use touchstone_report::matrix::{Both, Fared, Judged, PairsProof};

use super::super::output::Failed;
use super::super::test_bed::{Service, TestBed, TestBedOptions};
use super::proving::{Proving, retain, sent};
use super::whole;

/// How many pairs are on trial at the same time: each has a service of its own.
const BATCH: usize = 250;
/// Draws for each pair that is wanted, before there are taken to be no more.
const DRAWS: usize = 64;

/// Two faults of one service.
pub(super) type Pair = [&'static Fault; 2];

/// As many pairs as wanted, if there are so many: the same for the same seed and faults. Both are of the storage element, or both
/// of the issuer, and do not exclude each other.
pub(super) fn drawn(faults: &[&'static Fault], wanted: usize, seed: u64) -> Vec<Pair> {
    let alone = |fault: &&&Fault| !whole(fault);
    let pool: Vec<_> = faults.iter().filter(alone).copied().collect();
    let mut dice = Dice(seed);
    let mut seen = BTreeSet::new();
    let mut pairs = Vec::new();
    for _ in 0..wanted.saturating_mul(DRAWS) {
        if pairs.len() == wanted || pool.len() < 2 {
            break;
        }
        let (one, other) = (dice.below(pool.len()), dice.below(pool.len()));
        let (one, other) = (one.min(other), one.max(other));
        let pair = [pool[one], pool[other]];
        if one != other
            && pair[0].of_issuer() == pair[1].of_issuer()
            && seen.insert((one, other))
            && compatible(&pair).is_ok()
        {
            pairs.push(pair);
        }
    }
    pairs
}

/// Random numbers that stay what they are for a seed: `SplitMix64` (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The bias is far below what anybody would notice: there are some hundred faults.
        usize::try_from(mixed % bound as u64).unwrap_or_default()
    }
}

/// The name of the service that has both; no fault has such a character in its name.
fn name(pair: &Pair) -> String {
    format!("{}+{}", pair[0].name, pair[1].name)
}

/// The faults of the service of that name.
pub(super) fn of_name(name: &str) -> impl Iterator<Item = &'static Fault> {
    name.split('+').filter_map(touchstone_reference::fault)
}

impl Proving<'_> {
    /// The cases of both at each pair; `None` if somebody stops it. The second value has the exchanges.
    pub async fn pairs(
        &self,
        pairs: &[Pair],
        seed: u64,
    ) -> Result<Option<(PairsProof, Option<RunRecord>)>, Failed> {
        let mut proof = PairsProof::new(seed);
        let mut whole: Option<RunRecord> = None;
        for batch in pairs.chunks(BATCH) {
            let Some((record, run)) = self.batch(batch).await? else {
                return Ok(None);
            };
            let mut results: HashMap<_, Vec<_>> = HashMap::new();
            for result in &record.results {
                let service = result.endpoint.strip_prefix(ISSUER);
                let service = service.unwrap_or(&result.endpoint);
                results.entry(service).or_default().push(result);
            }
            proof.run += run;
            proof.duration_ms = proof.duration_ms.saturating_add(record.run.duration_ms);
            for pair in batch {
                let of_pair = results.get(name(pair).as_str());
                let fared = pair.map(|fault| Fared {
                    fault: fault.name.to_owned(),
                    cases: self
                        .tellers(fault)
                        .filter_map(|case| {
                            let mut results = of_pair.into_iter().flatten();
                            let result = results.find(|result| result.case.as_str() == case)?;
                            Some(Judged::of(result))
                        })
                        .collect(),
                });
                // Of a fault none of whose cases was selected nothing can be said.
                if fared.iter().all(|fared| !fared.cases.is_empty()) {
                    proof.take(Both(fared));
                }
            }
            whole = Some(match whole {
                Some(before) => super::proving::joined(before, record),
                None => record,
            });
        }
        Ok(Some((proof, whole)))
    }

    async fn batch(&self, pairs: &[Pair]) -> Result<Option<(RunRecord, usize)>, Failed> {
        let services = |issuers: bool| {
            let pairs = pairs
                .iter()
                .filter(move |pair| pair[0].of_issuer() == issuers);
            pairs.map(|pair| Service {
                faults: pair.to_vec(),
                profile: Some(Profile::default()),
                ..Service::new(name(pair))
            })
        };
        let bed = TestBed::start(TestBedOptions {
            storages: services(false).collect(),
            issuers: services(true).collect(),
        });
        let bed = bed.await?;
        let chosen = pairs.iter().map(|pair| {
            let cases = pair.iter().flat_map(|fault| self.tellers(fault));
            let cases: HashSet<CaseId> = cases.flat_map(str::parse).collect();
            (name(pair), cases)
        });
        let chosen: HashMap<_, _> = chosen.collect();
        let mut plan = self.plan(&bed, chosen.clone())?;
        retain(&mut plan, |service, case| {
            chosen
                .get(service)
                .is_some_and(|cases| cases.contains(&case.id))
        });
        let run = sent(&plan);
        let record = self.run(&bed, Arc::new(plan)).await?;
        Ok(record.map(|record| (record, run)))
    }

    /// The cases that have to tell a fault: of those that take long only where there are no others.
    fn tellers(&self, fault: &'static Fault) -> impl Iterator<Item = &'static str> {
        let quick = |case: &&str| !self.slow.contains(case);
        let some = fault.cases.iter().any(&quick);
        let cases = fault.cases.iter().copied();
        let due: Vec<_> = cases.filter(|case| !some || quick(case)).collect();
        due.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_reference::faults;

    #[test]
    fn the_same_seed_draws_the_same_pairs_of_faults_that_go_together() {
        let all: Vec<_> = faults().iter().collect();
        let names = |seed| {
            let pairs = drawn(&all, 300, seed);
            pairs.iter().map(name).collect::<Vec<_>>()
        };
        let first = names(7);
        assert_eq!(first, names(7));
        assert_ne!(first, names(8));
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 300);
        for pair in drawn(&all, 300, 7) {
            assert_eq!(compatible(&pair), Ok(()));
            assert_eq!(pair[0].of_issuer(), pair[1].of_issuer());
            assert_eq!(of_name(&name(&pair)).collect::<Vec<_>>().len(), 2);
        }
    }

    #[test]
    fn there_are_no_more_pairs_than_there_are() {
        let few: Vec<_> = faults()
            .iter()
            .filter(|fault| fault.name.starts_with("put-"))
            .collect();
        let most = few.len() * (few.len() - 1) / 2;
        let pairs = drawn(&few, 10_000, 1);
        assert!(!pairs.is_empty() && pairs.len() <= most, "{}", pairs.len());
        assert!(drawn(&few[..1], 5, 1).is_empty());
    }
}
