//! One record of the shards of a run, as if it had been whole.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use jiff::SignedDuration;

use touchstone_model::{
    CaseResult, EndpointRecord, IssuerUse, MAX_SHARDS, Portion, RunInfo, RunRecord, Shard, Verdict,
    millis,
};

use super::record::{hosts, statistics};
use super::text::{count, line};

/// The record of a shard, and what it is called in messages.
#[derive(Debug)]
pub struct ShardRecord {
    /// Its file.
    pub name: String,
    /// What the shard found.
    pub record: RunRecord,
}

/// What the shards make together.
#[derive(Debug)]
pub struct Merged {
    /// The record.
    pub record: RunRecord,
    /// The shards that are missing, by number.
    pub missing: Vec<usize>,
    /// How many cases these have, as far as is known.
    pub cases_missing: usize,
}

/// Why records cannot be joined. Names come from the caller, everything else is shown on one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("nothing to merge; give the run.json of each shard, or its folder")]
    Nothing,
    /// A record of a whole run.
    #[error(
        "{0}: it is no shard but the record of a whole run; only what `run --shard I/N` leaves can be merged"
    )]
    Whole(String),
    /// A record with numbers that no run leaves.
    #[error(
        "{name}: {what}; the file was changed or is damaged, so take the one that the run left"
    )]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// Shards of two runs.
    #[error(
        "{name}: its plan is {plan}, and that of {other} is {other_plan}; shards can be joined that ran with the same version, endpoints, cases and options"
    )]
    Plans {
        /// The file.
        name: String,
        /// Its plan, and which shard of it.
        plan: String,
        /// The first file.
        other: String,
        /// The same of that.
        other_plan: String,
    },
    /// The same twice.
    #[error("{name}: it is shard {shard}, and so is {other}; leave one of them out")]
    Twice {
        /// The file.
        name: String,
        /// Its place.
        shard: String,
        /// The other file.
        other: String,
    },
    /// Not all are there.
    #[error(
        "{} of {of} missing: {}; give these as well, or join without their cases with --partial",
        count(.missing.len(), "shard"),
        list(.missing, *.of)
    )]
    Missing {
        /// Those that are.
        missing: Vec<usize>,
        /// How many shards there should be.
        of: usize,
    },
}

/// `2/4, 3/4`
pub fn list(shards: &[usize], of: usize) -> String {
    const SHOWN: usize = 20;
    let mut shown: Vec<_> = shards
        .iter()
        .take(SHOWN)
        .map(|n| format!("{n}/{of}"))
        .collect();
    if shards.len() > SHOWN {
        shown.push(format!("and {} more", shards.len() - SHOWN));
    }
    shown.join(", ")
}

/// Joins the shards of one run, given in any order. With `partial` some may be missing.
///
/// # Errors
/// They are not the shards of one run, or not all of them.
pub fn merge(parts: Vec<ShardRecord>, partial: bool) -> Result<Merged, MergeError> {
    let (whole, mut parts) = sorted(parts)?;
    let there: BTreeSet<usize> = parts.iter().map(|(shard, _)| shard.index).collect();
    let missing: Vec<usize> = (1..=whole.of).filter(|n| !there.contains(n)).collect();
    if !missing.is_empty() && !partial {
        return Err(MergeError::Missing {
            missing,
            of: whole.of,
        });
    }
    for (shard, part) in &parts {
        check(shard, part)?;
    }
    distinct(&parts)?;
    let mut run = info(&parts).ok_or(MergeError::Nothing)?;
    run.partial
        .extend((!missing.is_empty()).then_some(Portion::Shard));
    let (mut endpoints, results) = match whole.by_case() {
        true => by_case(&mut parts),
        false => by_row(&mut parts),
    };
    let mut own: HashMap<&str, Vec<&CaseResult>> = HashMap::new();
    for result in &results {
        own.entry(&result.endpoint).or_default().push(result);
    }
    for endpoint in &mut endpoints {
        let own = own.remove(endpoint.name.as_str()).unwrap_or_default();
        endpoint.hosts = hosts(&endpoint.url, own);
    }
    Ok(Merged {
        cases_missing: whole.cases.saturating_sub(results.len()),
        record: RunRecord {
            schema: touchstone_model::RECORD_SCHEMA.to_owned(),
            run,
            statistics: statistics(&endpoints, &results),
            endpoints,
            results,
            past: None,
        },
        missing,
    })
}

/// The shards in their order, with what they say of the whole.
fn sorted(parts: Vec<ShardRecord>) -> Result<(Shard, Vec<(Shard, ShardRecord)>), MergeError> {
    let plan = |shard: &Shard| format!("{} ({shard})", line(&shard.plan));
    let mut sorted: Vec<(Shard, ShardRecord)> = Vec::with_capacity(parts.len());
    for part in parts {
        let Some(shard) = part.record.run.shard.clone() else {
            return Err(MergeError::Whole(part.name));
        };
        if let Some((first, other)) = sorted.first() {
            let of_one = (first.of, first.rows, first.cases, &first.plan)
                == (shard.of, shard.rows, shard.cases, &shard.plan);
            if !of_one {
                return Err(MergeError::Plans {
                    name: part.name,
                    plan: plan(&shard),
                    other: other.name.clone(),
                    other_plan: plan(first),
                });
            }
        }
        if shard.index == 0 || shard.index > shard.of || shard.of > MAX_SHARDS {
            return Err(MergeError::Damaged {
                name: part.name,
                what: format!("there is no shard {shard}"),
            });
        }
        if let Some((_, other)) = sorted.iter().find(|(other, _)| other.index == shard.index) {
            return Err(MergeError::Twice {
                name: part.name,
                shard: shard.to_string(),
                other: other.name.clone(),
            });
        }
        sorted.push((shard, part));
    }
    sorted.sort_by_key(|(shard, _)| shard.index);
    let (first, _) = sorted.first().ok_or(MergeError::Nothing)?;
    Ok((first.clone(), sorted))
}

/// Whether the shard has as much as was dealt to it.
fn check(shard: &Shard, part: &ShardRecord) -> Result<(), MergeError> {
    let record = &part.record;
    let damaged = |what: String| {
        Err(MergeError::Damaged {
            name: part.name.clone(),
            what,
        })
    };
    let (rows, cases) = (record.endpoints.len(), record.results.len());
    let dealt = |all: usize| all / shard.of + usize::from(all % shard.of >= shard.index);
    let wanted = match shard.by_case() {
        true => shard.rows,
        false => dealt(shard.rows),
    };
    if rows != wanted {
        return damaged(format!(
            "shard {shard} has {wanted} rows, and here are {rows}"
        ));
    }
    if shard.by_case() && cases != dealt(shard.cases) {
        let wanted = dealt(shard.cases);
        return damaged(format!(
            "shard {shard} has {wanted} cases, and here are {cases}"
        ));
    }
    if cases > shard.cases {
        let most = shard.cases;
        return damaged(format!(
            "the whole run has {most} cases, and here are {cases}"
        ));
    }
    let rows: HashSet<&str> = record
        .endpoints
        .iter()
        .map(|row| row.name.as_str())
        .collect();
    let mut results = record.results.iter();
    match results.find(|result| !rows.contains(result.endpoint.as_str())) {
        Some(stranger) => damaged(format!(
            "it has a result of `{}`, which is none of its rows",
            line(&stranger.endpoint)
        )),
        None => Ok(()),
    }
}

/// Nothing was judged by two shards, and all that were dealt are there.
fn distinct(parts: &[(Shard, ShardRecord)]) -> Result<(), MergeError> {
    let mut seen = HashSet::new();
    let mut rows = HashSet::new();
    for (shard, part) in parts {
        let damaged = |what: String| MergeError::Damaged {
            name: part.name.clone(),
            what,
        };
        for row in &part.record.endpoints {
            if !rows.insert(row.name.as_str()) && !shard.by_case() {
                let name = line(&row.name);
                return Err(damaged(format!(
                    "another shard has the row `{name}` as well"
                )));
            }
        }
        for result in &part.record.results {
            let key = (&result.endpoint, &result.case, &result.partner);
            if !seen.insert(key) {
                let (row, case) = (line(&result.endpoint), result.name());
                return Err(damaged(format!("{case} at `{row}` is there twice")));
            }
        }
    }
    match parts.last() {
        Some((shard, part)) if parts.len() == shard.of && seen.len() != shard.cases => {
            Err(MergeError::Damaged {
                name: part.name.clone(),
                what: format!(
                    "the whole run has {}, and all shards together have {}",
                    count(shard.cases, "case"),
                    seen.len()
                ),
            })
        }
        _ => Ok(()),
    }
}

/// What ran, when and how.
fn info(parts: &[(Shard, ShardRecord)]) -> Option<RunInfo> {
    let runs = || parts.iter().map(|(_, part)| &part.record.run);
    let earliest = runs().min_by_key(|run| (run.started, run.id.clone()))?;
    let end = |run: &RunInfo| {
        let lasted = i64::try_from(run.duration_ms).unwrap_or(i64::MAX);
        let lasted = SignedDuration::from_millis(lasted);
        run.started.saturating_add(lasted).unwrap_or(run.started)
    };
    let latest = runs().map(end).max()?;
    let lasted = latest.duration_since(earliest.started);
    let mut issuers: Vec<IssuerUse> = Vec::new();
    for usage in runs().flat_map(|run| &run.issuers) {
        match issuers.iter_mut().find(|one| one.issuer == usage.issuer) {
            Some(one) => {
                one.requests = one.requests.saturating_add(usage.requests);
                one.distinct = one.distinct.saturating_add(usage.distinct);
            }
            None => issuers.push(usage.clone()),
        }
    }
    let mut notes: Vec<String> = Vec::new();
    for note in runs().flat_map(|run| &run.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    // What each shard left out, all of them did; that it was one of them is over.
    let mut partial: Vec<_> = runs().flat_map(|run| run.partial.clone()).collect();
    partial.retain(|portion| *portion != Portion::Shard);
    partial.sort_unstable();
    partial.dedup();
    Some(RunInfo {
        partial,
        duration_ms: millis(lasted.unsigned_abs()),
        interrupted: runs().any(|run| run.interrupted),
        issuers,
        notes,
        shard: None,
        ..earliest.clone()
    })
}

/// Row k is the next one of shard k mod N + 1, with its results.
fn by_row(parts: &mut [(Shard, ShardRecord)]) -> (Vec<EndpointRecord>, Vec<CaseResult>) {
    let mut piles: Vec<_> = parts
        .iter_mut()
        .map(|(_, part)| {
            let mut results: HashMap<String, Vec<CaseResult>> = HashMap::new();
            for result in std::mem::take(&mut part.record.results) {
                results
                    .entry(result.endpoint.clone())
                    .or_default()
                    .push(result);
            }
            let rows = std::mem::take(&mut part.record.endpoints);
            let rows = rows.into_iter().map(move |row| {
                let own = results.remove(&row.name).unwrap_or_default();
                (row, own)
            });
            rows.collect::<VecDeque<_>>()
        })
        .collect();
    let (endpoints, results): (Vec<_>, Vec<_>) = in_turn(&mut piles).into_iter().unzip();
    (endpoints, results.into_iter().flatten().collect())
}

/// Case k is the next one of shard k mod N + 1; every shard has every row.
fn by_case(parts: &mut [(Shard, ShardRecord)]) -> (Vec<EndpointRecord>, Vec<CaseResult>) {
    let mut joined: Vec<Joined> = Vec::new();
    for (_, part) in parts.iter_mut() {
        let judged: HashSet<&str> = part
            .record
            .results
            .iter()
            .filter(|result| result.verdict != Verdict::Skip)
            .map(|result| result.endpoint.as_str())
            .collect();
        for row in std::mem::take(&mut part.record.endpoints) {
            // The server itself tells its software, to whom reached it; others have it from the file.
            let met = row.unreachable.is_none() && judged.contains(row.name.as_str());
            match joined.iter_mut().find(|one| one.row.name == row.name) {
                Some(one) => one.add(row, met),
                None => joined.push(Joined { row, met }),
            }
        }
    }
    let piles = parts.iter_mut();
    let mut piles: Vec<VecDeque<_>> = piles
        .map(|(_, part)| std::mem::take(&mut part.record.results).into())
        .collect();
    let rows = joined.into_iter().map(|one| one.row).collect();
    (rows, in_turn(&mut piles))
}

/// One of each pile, as they were dealt, until all are empty.
fn in_turn<T>(piles: &mut [VecDeque<T>]) -> Vec<T> {
    let mut all = Vec::with_capacity(piles.iter().map(VecDeque::len).sum());
    while piles.iter().any(|pile| !pile.is_empty()) {
        all.extend(piles.iter_mut().filter_map(VecDeque::pop_front));
    }
    all
}

/// A row of several shards.
struct Joined {
    row: EndpointRecord,
    /// Whether the software is what the server said.
    met: bool,
}

impl Joined {
    fn add(&mut self, other: EndpointRecord, met: bool) {
        let row = &mut self.row;
        if row.software.is_none() || met && !self.met && other.software.is_some() {
            row.software = other.software;
        }
        self.met |= met;
        row.unreachable = match (row.unreachable.take(), other.unreachable) {
            (Some(one), Some(two)) if !one.contains(&two) => Some(format!("{one}; {two}")),
            (one, two) => one.or(two),
        };
        for leftover in other.leftovers {
            if !row.leftovers.contains(&leftover) {
                row.leftovers.push(leftover);
            }
        }
        row.duration_ms = row.duration_ms.max(other.duration_ms);
    }
}

#[cfg(test)]
mod tests;
