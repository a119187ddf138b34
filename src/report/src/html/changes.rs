//! What is different from the run before.

use crate::news;
use crate::text::{cap, line};
use touchstone_model::{CaseResult, RunRecord};

use super::mark;

/// How many of a kind are named.
const NAMED: usize = 40;
const SHORT: usize = 200;

/// The differences from the run before, by kind.
pub(super) struct Changes {
    pub(super) previous: String,
    pub(super) started: String,
    pub(super) kinds: Vec<Kind>,
    pub(super) software: Vec<Software>,
    pub(super) more_software: usize,
}

/// Differences of one kind.
pub(super) struct Kind {
    pub(super) class: &'static str,
    pub(super) title: &'static str,
    pub(super) count: usize,
    pub(super) named: Vec<Named>,
    pub(super) more: usize,
}

/// A result that changed.
pub(super) struct Named {
    pub(super) endpoint: String,
    pub(super) case: String,
    pub(super) title: String,
}

/// An endpoint whose software changed.
pub(super) struct Software {
    pub(super) endpoint: String,
    pub(super) before: String,
    pub(super) now: String,
}

impl Changes {
    /// `None` where the record knows of no run before.
    pub(super) fn new(record: &RunRecord) -> Option<Self> {
        let past = record.past.as_ref()?;
        let kind = |class, title, wanted: &dyn Fn(&CaseResult) -> bool| {
            let mut found: Vec<_> = record
                .results
                .iter()
                .filter(|result| wanted(result))
                .collect();
            found.sort_by_key(|result| mark::rank(record, result));
            let named = found.iter().take(NAMED).map(|result| Named {
                endpoint: line(&result.endpoint),
                case: line(&result.name()),
                title: line(&result.title),
            });
            Kind {
                class,
                title,
                count: found.len(),
                named: named.collect(),
                more: found.len().saturating_sub(NAMED),
            }
        };
        let kinds = vec![
            kind("f", "new failures", &|result| {
                news::new_failure(record, result)
            }),
            kind("e", "newly undecided", &|result| {
                news::new_error(record, result)
            }),
            kind("p", "fixed", &news::fixed),
        ];
        let mut software: Vec<Software> = news::new_software(record)
            .map(|(endpoint, before, now)| Software {
                endpoint: line(endpoint),
                before: line(&cap(before, SHORT)),
                now: line(&cap(now, SHORT)),
            })
            .collect();
        let more_software = software.len().saturating_sub(NAMED);
        software.truncate(NAMED);
        Some(Self {
            previous: line(past.previous.as_str()),
            started: format!("{:.0}", past.started),
            kinds,
            software,
            more_software,
        })
    }

    /// Whether there is no difference to tell of.
    pub(super) fn none(&self) -> bool {
        self.software.is_empty() && self.kinds.iter().all(|kind| kind.count == 0)
    }
}
