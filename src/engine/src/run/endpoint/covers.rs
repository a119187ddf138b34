//! The covers of an endpoint, once its other cases are judged: the cells that share what is arranged one after another, and
//! such groups side by side.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinSet};
use tracing::Instrument as _;

use crate::trace::span;
use touchstone_model::{Case, CaseId, Leftover, PlannedObject, Script, TokenRequest, Verdict};

use super::super::case::cover::{self, Member, Told};
use super::super::case::{self, Outcome};
use super::super::made::Made;
use super::{PANICKED, Ready, Visit, interrupted};

/// What is told where a service has asked for peace.
const PEACE: &str = "the service has asked to come back later (429 or 503), and is left in peace: run the covers again when it has less to do, or lower `rate` in its `limits`";

/// Of the defects that one operation overlooks so many are told: each makes that everything is arranged anew.
const ENOUGH: usize = 8;

/// Cells that share what is arranged, by the places of their cases in the plan.
type Group = Vec<(usize, Script)>;

/// The cells of a group that are not judged yet.
type Open = Arc<Mutex<Vec<usize>>>;

/// What keeps cells apart: who they belong to, what is there, and with which token the control is.
type Key<'s> = (&'s str, &'s [PlannedObject], Vec<&'s TokenRequest>);

/// What the cases of an endpoint leave behind for those that come later.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The cases of the lists that have failed.
    failing: Mutex<Vec<CaseId>>,
    /// The rows of covers of which a cell has failed.
    rows: Mutex<HashSet<String>>,
    /// The cells that were the first to be answered with a server error, with their column and the status.
    errors: Mutex<Vec<(String, u16, CaseId)>>,
    /// Whether the service has asked to come back later.
    busy: AtomicBool,
}

impl Heard {
    /// Takes in how a case ended, which is not put down to another one.
    pub(super) fn take(&self, case: &Case, outcome: &Outcome) {
        match (case.row(), outcome.verdict) {
            (None, Verdict::Fail | Verdict::Warn) => self.failing().push(case.id.clone()),
            (Some(row), Verdict::Fail) => drop(self.rows().insert(row)),
            _ => {}
        }
        if outcome.exchanges.iter().any(cover::asks_for_peace) {
            self.busy.store(true, Ordering::Relaxed);
        }
    }

    /// The cell that was answered so before; none where this one is the first.
    fn first_error(&self, column: &str, status: u16, case: &CaseId) -> Option<CaseId> {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(other, known, _): &&(String, u16, CaseId)| other == column && *known == status;
        let first = errors.iter().find(same).map(|(.., first)| first.clone());
        if first.is_none() {
            errors.push((column.to_owned(), status, case.clone()));
        }
        first
    }

    fn busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    fn rows(&self) -> MutexGuard<'_, HashSet<String>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failing(&self) -> MutexGuard<'_, Vec<CaseId>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// All cells, with at most so many groups at the same time: first those that only read.
    ///
    /// What a write changes that is let through has to be arranged anew for all others of its group. So the rows that have
    /// failed already are first in those that write.
    pub(super) async fn covers(
        &self,
        scripts: &[(usize, &Script)],
        jobs: usize,
        ready: &Arc<Ready>,
    ) {
        let scripts: Vec<_> = scripts
            .iter()
            .filter(|(index, _)| !self.is_shown_elsewhere(*index))
            .collect();
        let writes = |(_, script): &(usize, Script)| {
            let mut steps = script.steps.iter();
            steps.any(|step| step.method.writes())
        };
        let (mut writing, reading): (Vec<_>, Vec<_>) = self
            .groups(&scripts)
            .into_iter()
            .partition(|group| group.iter().any(writes));
        self.side_by_side(reading, jobs, ready).await;
        let failing = self.heard.rows().clone();
        for group in &mut writing {
            group.sort_by_key(|(index, _)| {
                let row = self.plan().cases[*index].case.row();
                !row.is_some_and(|row| failing.contains(&row))
            });
        }
        self.side_by_side(writing, jobs, ready).await;
    }

    /// So many groups at the same time, until all are through.
    async fn side_by_side(&self, groups: Vec<Group>, jobs: usize, ready: &Arc<Ready>) {
        let mut waiting = groups.into_iter();
        let mut running = JoinSet::new();
        let mut begun: HashMap<Id, (Arc<Made>, Open)> = HashMap::new();
        loop {
            while running.len() < jobs
                && let Some(group) = waiting.next()
            {
                let made = Arc::<Made>::default();
                let open = group.iter().map(|(index, _)| *index);
                let open = Arc::new(Mutex::new(open.collect::<Vec<_>>()));
                let visit = self.clone();
                let (kept, left, ready) = (made.clone(), open.clone(), Arc::clone(ready));
                let task = async move { visit.group(group, &ready, &kept, &left).await };
                let span = span!("cover");
                let id = running.spawn(task.instrument(span)).id();
                begun.insert(id, (made, open));
            }
            let Some(ended) = running.join_next_with_id().await else {
                return;
            };
            if let Err(error) = ended
                && let Some((made, open)) = begun.get(&error.id())
            {
                tracing::error!("a group of a cover panicked");
                let stayed = self.remove(ready, made, Some(&self.plan().directory), "covers");
                drop(stayed.await);
                let left =
                    std::mem::take(&mut *open.lock().unwrap_or_else(PoisonError::into_inner));
                for index in left {
                    let outcome = Outcome::undecided(Verdict::Error, PANICKED.into());
                    self.conclude(index, outcome, Duration::ZERO, Vec::new(), ready)
                        .await;
                }
            }
        }
    }

    /// The cells that share nothing and are still to be judged by themselves.
    pub(super) fn untold<'s>(&self, cells: Vec<(usize, &'s Script)>) -> Vec<(usize, &'s Script)> {
        let busy = self.heard.busy();
        let open = cells.into_iter().filter(|(index, _)| {
            if busy {
                let spared = Outcome::undecided(Verdict::Skip, PEACE.into());
                self.finish(*index, spared);
            }
            !busy && !self.is_shown_elsewhere(*index)
        });
        open.collect()
    }

    /// Those that share what is arranged, together.
    fn groups(&self, scripts: &[&(usize, &Script)]) -> Vec<Group> {
        let mut groups: Vec<(Key<'_>, Group)> = Vec::new();
        for (index, script) in scripts {
            let case = &self.plan().cases[*index].case;
            let cell = case.cover.as_ref();
            let Some(name) = cell.and_then(|cell| cell.group.as_deref()) else {
                continue;
            };
            let controls = script.steps.iter().filter_map(|step| step.control.as_ref());
            let mut controls = Vec::from_iter(controls);
            controls.dedup();
            let key = (name, script.given.as_slice(), controls);
            let member = (*index, (*script).clone());
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(member),
                None => groups.push((key, vec![member])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// One group. Where a request has changed something, those behind it have everything arranged anew.
    async fn group(&self, mut group: Group, ready: &Ready, made: &Made, open: &Mutex<Vec<usize>>) {
        let ended = |index: usize| {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|other| *other != index);
        };
        let mut failed: Vec<CaseId> = Vec::new();
        let (mut unoffered, mut stayed) = self.unoffered(&group, ready, made).await;
        while !group.is_empty() {
            let enough = || {
                let first = failed.first()?;
                Some(Outcome::undecided(
                    Verdict::Skip,
                    format!(
                        "put down to {first}: {} defects are overlooked by this operation already",
                        failed.len()
                    ),
                ))
            };
            let why = match () {
                () if failed.len() >= ENOUGH => enough(),
                () if self.shared.cancel.is_cancelled() => Some(interrupted()),
                () if self.heard.busy() => Some(Outcome::undecided(Verdict::Skip, PEACE.into())),
                () => unoffered.take(),
            };
            if let Some(why) = why {
                for (index, _) in group.drain(..) {
                    let reason = why.reason.clone().unwrap_or_default();
                    let outcome = Outcome {
                        stayed: std::mem::take(&mut stayed),
                        ..Outcome::undecided(why.verdict, reason)
                    };
                    self.finish(index, outcome);
                    ended(index);
                }
                return;
            }
            let members = Vec::from_iter(group.iter().map(|(index, script)| Member {
                plan: &self.plan().cases[*index],
                script,
            }));
            for member in &members {
                self.begins(member.plan);
            }
            let told = cover::run(&self.site(ready), &members, made).await;
            let root = Some(self.plan().directory.as_str());
            let over = told.len() == members.len()
                && told.iter().all(|told| matches!(told, Told::Ended(..)));
            stayed.extend(match over {
                true => self.remove(ready, made, root, "covers").await,
                false => self.clear(ready, made, root, "covers").await,
            });
            let done = told.len().max(1).min(group.len());
            let done: Vec<_> = group.drain(..done).collect();
            let mut told = told.into_iter();
            for (index, script) in done {
                let (outcome, elapsed) = match told.next() {
                    Some(Told::Ended(outcome, elapsed)) => (outcome, elapsed),
                    Some(Told::Again) => {
                        // Behind those that were not asked yet: each round tells of one at least.
                        group.push((index, script));
                        continue;
                    }
                    Some(Told::Alone) | None => {
                        let begun = Instant::now();
                        let plan = &self.plan().cases[index];
                        let outcome = case::run(&self.site(ready), plan, &script, made).await;
                        stayed.extend(self.clear(ready, made, root, "covers").await);
                        (outcome, begun.elapsed())
                    }
                };
                if outcome.verdict == Verdict::Fail {
                    failed.push(self.plan().cases[index].case.id.clone());
                }
                self.conclude(index, outcome, elapsed, std::mem::take(&mut stayed), ready)
                    .await;
                ended(index);
            }
        }
    }

    /// What comes of all of a group if the service does for nobody what it asks for, and need not; and what stayed.
    async fn unoffered(
        &self,
        group: &Group,
        ready: &Ready,
        made: &Made,
    ) -> (Option<Outcome>, Vec<Leftover>) {
        let optional = |(_, script): &&(usize, Script)| {
            let mut steps = script.steps.iter();
            steps.any(|step| step.optional)
        };
        let Some((index, script)) = group.iter().find(optional) else {
            return (None, Vec::new());
        };
        if self.shared.cancel.is_cancelled() || self.heard.busy() {
            return (None, Vec::new());
        }
        let plan = &self.plan().cases[*index];
        let why = cover::unoffered(&self.site(ready), Member { plan, script }, made).await;
        let root = Some(self.plan().directory.as_str());
        let stayed = self.clear(ready, made, root, "covers").await;
        let outcome = why.map(|why| Outcome::undecided(Verdict::Skip, why));
        (outcome, stayed)
    }

    /// Whether a case of the lists has shown by the same method what a cell would show; it is put down to that, unsent.
    fn is_shown_elsewhere(&self, index: usize) -> bool {
        let case = &self.plan().cases[index].case;
        let Some(cell) = &case.cover else {
            return false;
        };
        let asked = |other: &Case| {
            let words = |case: &Case| {
                let words = case
                    .steps
                    .iter()
                    .map(|step| (step.method, step.verb.clone()));
                words.collect::<Vec<_>>()
            };
            let own = words(case);
            words(other).iter().any(|word| own.contains(word))
        };
        let failing = self.heard.failing().clone();
        let plans = self.plan().cases.iter().map(|planned| &planned.case);
        let mut likes = plans.filter(|like| cell.like.contains(&like.id));
        let like = likes.find(|like| failing.contains(&like.id) && asked(like));
        let reason =
            like.map(|like| format!("put down to {}, which fails by the same method", like.id));
        if let Some(reason) = &reason {
            self.finish(index, Outcome::undecided(Verdict::Skip, reason.clone()));
        }
        reason.is_some()
    }

    /// Puts a server error down to the first cell that shows it by the same request: what is wrong with the token makes no
    /// difference then.
    pub(super) fn same_error(&self, case: &Case, outcome: Outcome) -> Outcome {
        let cell = case.cover.as_ref();
        let cell = cell.filter(|_| matches!(outcome.verdict, Verdict::Fail | Verdict::Warn));
        let finding = outcome
            .findings
            .iter()
            .find(|finding| finding.level.binding());
        let exchange = finding.and_then(|finding| outcome.exchanges.get(finding.exchange?));
        let status = exchange.and_then(|exchange| exchange.status);
        let (Some(cell), Some(status @ 500..)) = (cell, status) else {
            return outcome;
        };
        match self.heard.first_error(&cell.column, status, &case.id) {
            None => outcome,
            Some(first) => Outcome {
                verdict: Verdict::Skip,
                reason: Some(format!(
                    "put down to {first}: whatever is wrong with the token, the same request is answered {status}"
                )),
                findings: Vec::new(),
                ..outcome
            },
        }
    }
}

/// Whether a case has a place in a group of a cover.
pub(super) fn shares(case: &Case) -> bool {
    let cell = case.cover.as_ref();
    cell.is_some_and(|cell| cell.group.is_some())
}
