//! Which cases a fault can change, as the faultless services found out.

use std::collections::{BTreeMap, BTreeSet};

use touchstone_engine::http::Caller;
use touchstone_model::{Case, CaseId};
use touchstone_reference::Fault;

use super::whole;

/// What is to be done with a case at a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It may end otherwise than without the fault.
    Run,
    /// It ends as it does without the fault.
    Settled,
    /// It is nothing for this fault.
    Skip,
}

/// By fault, the cases that it can change.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// All cases, or only these.
    cases: BTreeMap<&'static str, Option<BTreeSet<CaseId>>>,
}

impl Affected {
    /// Of what probes found in that run. Whatever no case of the run has asked counts for all: the preflight, what
    /// the observer does for all cases together, keys that are fetched, the other side of a copy.
    pub(super) fn of(
        found: Vec<(Option<String>, Vec<&'static Fault>)>,
        run: &str,
        cases: &BTreeSet<CaseId>,
    ) -> Self {
        let mut affected = Self::default();
        for (agent, faults) in found {
            let caller = agent.as_deref().and_then(Caller::read);
            let case = caller
                .filter(|caller| caller.run == run)
                .and_then(|caller| caller.case.parse::<CaseId>().ok())
                .filter(|case| cases.contains(case));
            for fault in faults {
                let known = affected.cases.entry(fault.name);
                let known = known.or_insert_with(|| Some(BTreeSet::new()));
                match (&case, known) {
                    (Some(case), Some(known)) => drop(known.insert(case.clone())),
                    (None, known) => *known = None,
                    (Some(_), None) => {}
                }
            }
        }
        for (fault, cases) in &affected.cases {
            let all = cases.is_none();
            let cases = cases.as_ref().map_or(0, BTreeSet::len);
            tracing::debug!(fault, all, cases, "can change");
        }
        affected
    }

    fn changes(&self, fault: &Fault, case: &CaseId) -> bool {
        self.cases
            .get(fault.name)
            .is_some_and(|cases| cases.as_ref().is_none_or(|cases| cases.contains(case)))
    }

    /// What is to be done with that case. One that takes long was not asked about: it runs where it has to fail.
    pub(super) fn due(&self, fault: &Fault, case: &Case) -> Due {
        if super::unseen(fault, case).is_some() {
            Due::Skip
        } else if case.slow || case.cover.is_some() || whole(fault) || self.changes(fault, &case.id)
        {
            Due::Run
        } else {
            Due::Settled
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_reference::fault;

    fn agent(run: &str, case: &str) -> Option<String> {
        Some(Caller { run, case }.user_agent())
    }

    fn affected(found: &[(Option<String>, &str)]) -> Affected {
        let found = found
            .iter()
            .map(|(agent, name)| (agent.clone(), vec![fault(name).unwrap()]));
        let cases = ["path.a", "path.b"].map(|id| id.parse().unwrap());
        Affected::of(found.collect(), "r", &cases.into())
    }

    fn changed(affected: &Affected, name: &str) -> [bool; 2] {
        let fault = fault(name).unwrap();
        ["path.a", "path.b"].map(|id| affected.changes(fault, &id.parse().unwrap()))
    }

    #[test]
    fn a_case_is_changed_by_what_answers_it_otherwise() {
        let affected = affected(&[(agent("r", "path.a"), "put-lies")]);
        assert_eq!(changed(&affected, "put-lies"), [true, false]);
        assert_eq!(changed(&affected, "delete-lies"), [false, false]);
    }

    #[test]
    fn what_no_case_asked_changes_all() {
        for who in [
            None,
            agent("r", "preflight"),
            agent("r", "arrangement"),
            agent("another", "path.a"),
            Some("touchstone-reference/1.0".to_owned()),
            Some("curl".to_owned()),
        ] {
            let found = [
                (agent("r", "path.a"), "put-lies"),
                (who.clone(), "put-lies"),
            ];
            let affected = affected(&found);
            assert_eq!(changed(&affected, "put-lies"), [true, true], "{who:?}");
        }
    }
}
