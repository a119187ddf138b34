//! Dividing a plan among several machines, and putting the parts in order again.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use touchstone_model::{Action, MAX_SHARDS, Plan, PlanRow, Shard};

/// One of several parts of a run, as `2/4` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardPart {
    index: usize,
    of: usize,
}

impl FromStr for ShardPart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/').and_then(|(index, of)| {
            let number = |text: &str| {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| text.parse::<usize>().ok()).flatten()
            };
            Some((number(index)?, number(of)?))
        });
        match numbers {
            None => Err("a shard is written I/N, for example 1/4".into()),
            Some((_, of)) if of == 0 || of > MAX_SHARDS => {
                Err(format!("N, the number of shards, is 1 to {MAX_SHARDS}"))
            }
            Some((index, of)) if index == 0 || index > of => Err(format!(
                "I counts from 1, so the shards are 1/{of} to {of}/{of}"
            )),
            Some((index, of)) => Ok(Self { index, of }),
        }
    }
}

impl fmt::Display for ShardPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// Leaves of `plan` what belongs to `part`.
///
/// Whole rows are dealt where there are enough of them, so that every endpoint has one visitor. Of
/// fewer rows the single cases are dealt, and every shard keeps all rows.
pub(super) fn deal(plan: &mut Plan, part: ShardPart) {
    let shard = Shard {
        index: part.index,
        of: part.of,
        plan: fingerprint(plan),
        rows: plan.rows().count(),
        cases: plan.rows().map(|row| row.cases.len()).sum(),
    };
    let mut count = 0;
    let mut mine = move || {
        let dealt = count % part.of + 1 == part.index;
        count += 1;
        dealt
    };
    if shard.by_case() {
        let endpoints = plan.endpoints.iter_mut().map(|planned| &mut planned.cases);
        let issuers = plan.issuers.iter_mut().map(|planned| &mut planned.cases);
        endpoints
            .chain(issuers)
            .for_each(|cases| cases.retain(|_| mine()));
    } else {
        plan.endpoints.retain(|_| mine());
        plan.issuers.retain(|_| mine());
    }
    plan.shard = Some(shard);
}

/// What is the same in all shards of a run, and in no other run's: who is judged, by what, and how.
fn fingerprint(plan: &Plan) -> String {
    let mut hasher = Sha256::new();
    let mut add = |text: &str| {
        // No two lists of texts look alike.
        hasher.update(text.len().to_be_bytes());
        hasher.update(text.as_bytes());
    };
    add(env!("CARGO_PKG_VERSION"));
    add(plan.mode.option());
    for PlanRow {
        kind,
        name,
        profile,
        cases,
        ..
    } in plan.rows()
    {
        add(if kind.is_storage() {
            "storage"
        } else {
            "issuer"
        });
        add(&name);
        add(&profile.to_string());
        for planned in cases {
            add(planned.case.id.as_str());
            add(planned.partner.as_deref().unwrap_or_default());
            add(match planned.action {
                Action::Run(_) => "run",
                Action::Skip(_) => "skip",
            });
        }
    }
    let digest = hasher.finalize();
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    digits.take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_number_of_a_number() {
        let part: ShardPart = "2/4".parse().unwrap();
        assert_eq!((part.index, part.of), (2, 4));
        assert_eq!(part.to_string(), "2/4");
        for (wrong, told) in [
            ("x", "I/N, for example 1/4"),
            ("", "I/N"),
            ("1", "I/N"),
            ("1/", "I/N"),
            ("/4", "I/N"),
            ("+1/4", "I/N"),
            ("-1/4", "I/N"),
            ("1/2/3", "I/N"),
            (" 1/4", "I/N"),
            ("0/4", "the shards are 1/4 to 4/4"),
            ("5/4", "the shards are 1/4 to 4/4"),
            ("1/0", "is 1 to 10000"),
            ("1/10001", "is 1 to 10000"),
            ("1/99999999999999999999999", "I/N"),
        ] {
            let error = wrong.parse::<ShardPart>().unwrap_err();
            assert!(error.contains(told), "{wrong}: {error}");
        }
    }
}
