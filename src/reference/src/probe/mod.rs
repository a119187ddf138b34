//! Which faults can change what: every call of a hook of the faultless service is also put to the versions of
//! it that faults have, beside, without effect.
//!
//! A fault can change a request only if one of its hooks would have answered otherwise in it: up to the first such
//! answer everything is as without the fault. Who asked is told by the request's `User-Agent`; what nobody in
//! particular asked, such as a task that no request has begun, is for the reader to count for everybody.

mod compare;
mod hooks;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};

use super::faults::Fault;
use super::operation;

pub(super) use compare::{Compare, Duplicate};
pub(super) use hooks::hooks;

tokio::task_local! {
    static CALLER: Caller;
    static OPERATION: Option<&'static str>;
}

/// On whose behalf a service is at work: the `User-Agent` of the request, if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caller(Option<Arc<str>>);

impl Caller {
    fn of(headers: &HeaderMap) -> Self {
        let mut agents = headers.get_all(header::USER_AGENT).iter();
        let agent = agents.next().and_then(|agent| agent.to_str().ok());
        Self(agent.filter(|_| agents.next().is_none()).map(Arc::from))
    }

    /// Who is served right now; nobody in particular outside of a request.
    pub(super) fn current() -> Self {
        CALLER.try_with(Clone::clone).unwrap_or_default()
    }

    /// What `work` comes to, which is done for this one wherever it runs.
    pub(super) fn serve<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CALLER.scope(self, work)
    }
}

/// What was found out: by `User-Agent`, the faults that would have answered otherwise at least once.
///
/// One may be shared by the probes of several services.
#[derive(Debug)]
pub struct Sensitivity {
    faults: Vec<&'static Fault>,
    /// By the position of the fault.
    found: Mutex<BTreeMap<Caller, BTreeSet<usize>>>,
}

impl Sensitivity {
    /// For these faults; nothing is known of others afterwards.
    pub fn new(faults: Vec<&'static Fault>) -> Self {
        Self {
            faults,
            found: Mutex::default(),
        }
    }

    /// Each `User-Agent` that has asked, with the faults that would have answered it otherwise; without one, what
    /// nobody in particular has asked.
    pub fn found(&self) -> Vec<(Option<String>, Vec<&'static Fault>)> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let row = |(Caller(agent), faults): (&Caller, &BTreeSet<usize>)| {
            let faults = faults.iter().filter_map(|at| self.faults.get(*at).copied());
            (agent.as_deref().map(ToOwned::to_owned), faults.collect())
        };
        found.iter().map(row).collect()
    }

    fn note(&self, caller: &Caller, fault: usize) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.entry(caller.clone()).or_default().insert(fault);
    }

    /// Those of `faults` of which it is not known yet that they answer `caller` otherwise.
    fn open(&self, caller: &Caller, faults: &[usize]) -> Vec<usize> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = found.get(caller);
        let open = |fault: &&usize| known.is_none_or(|known| !known.contains(fault));
        faults.iter().filter(open).copied().collect()
    }
}

/// Of a hook: the name of the part of the rules, and its own.
type Place = (&'static str, &'static str);

/// The whole rules of each fault, to be asked beside the right ones.
pub(super) struct Probe<W> {
    sensitivity: Arc<Sensitivity>,
    /// With the position of the fault.
    versions: Vec<(usize, W)>,
    /// Which versions have another hook, by part and name of it: positions among them.
    others: Mutex<HashMap<Place, Arc<[usize]>>>,
}

impl<W> Probe<W> {
    /// `version` makes the rules of a fault, if it is one of this service.
    pub(super) fn new(
        sensitivity: Arc<Sensitivity>,
        version: impl Fn(&'static Fault) -> Option<W>,
    ) -> Self {
        let faults = sensitivity.faults.iter().enumerate();
        let versions = faults.filter_map(|(at, fault)| Some((at, version(fault)?)));
        Self {
            versions: versions.collect(),
            sensitivity,
            others: Mutex::default(),
        }
    }
}

/// The rules of a service; with a probe, those of faults beside.
pub(super) struct Ruled<W> {
    right: W,
    chain: Chain<W>,
    probe: Option<Probe<W>>,
}

/// Several deviations of one service: the rules of each alone. What it does is what they come to together.
///
/// What is passed on or edited goes through each of them, in their order, so that each has the one before it for its
/// default. Of the answers to one question the last counts that differs from the right one: what adds up there is what
/// each would change alone. None costs nothing, and neither does one, whose rules then are those of the service.
struct Chain<W>(Vec<Version<W>>);

/// The rules of a deviation.
pub(super) struct Version<W> {
    pub(super) rules: W,
    /// The only operation that it is about; all where it names none.
    pub(super) only: Option<&'static str>,
}

/// Rules of which two versions cannot always be followed together.
pub(super) trait Excludes {
    /// The decision of which these two versions want different things, neither of which is the right one.
    fn excluded(&self, one: &Self, other: &Self) -> Option<&'static str>;
}

impl<W> Ruled<W> {
    pub(super) fn new(right: W, probe: Option<Probe<W>>) -> Self {
        Self {
            right,
            chain: Chain(Vec::new()),
            probe,
        }
    }

    /// The same with the rules of so many deviations, each of them alone.
    pub(super) fn deviating(mut self, mut versions: Vec<Version<W>>) -> Self {
        match (versions.pop(), versions.is_empty()) {
            (Some(Version { rules, only: None }), true) => self.right = rules,
            (last, _) => {
                versions.extend(last);
                self.chain = Chain(versions);
            }
        }
        self
    }

    /// The hooks of a part of the rules.
    pub(super) fn part<R>(&self, part: Part<W, R>) -> Hooks<'_, W, R> {
        Hooks { ruled: self, part }
    }

    /// Whether faults are asked beside.
    pub(super) fn probed(&self) -> bool {
        self.probe.is_some()
    }

    /// Whether it matters which operation is asked for.
    pub(super) fn asks_operation(&self) -> bool {
        self.chain.0.iter().any(|version| version.only.is_some())
    }

    /// Serves whoever sent a request with these headers, for an operation of that name.
    pub(super) async fn serve<F: Future>(
        &self,
        headers: &HeaderMap,
        operation: Option<&'static str>,
        work: F,
    ) -> F::Output {
        if operation.is_some() {
            OPERATION.scope(operation, work).await
        } else if self.probed() {
            Caller::of(headers).serve(work).await
        } else {
            work.await
        }
    }
}

impl<W> std::fmt::Debug for Ruled<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ruled").finish_non_exhaustive()
    }
}

/// Where in the rules of a service `W` the rules `R` are.
pub(super) struct Part<W, R> {
    /// Another one for each place.
    pub(super) name: &'static str,
    pub(super) of: fn(&W) -> &R,
}

/// The hooks of one part of the rules, each a method that is to be called in place of the function it holds.
pub(super) struct Hooks<'a, W, R> {
    ruled: &'a Ruled<W>,
    part: Part<W, R>,
}

impl<W, R> Clone for Part<W, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W, R> Copy for Part<W, R> {}

impl<W, R> Clone for Hooks<'_, W, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W, R> Copy for Hooks<'_, W, R> {}

/// Whether two versions of some rules differ in a hook.
pub(super) type Differs<R> = fn(&R, &R) -> bool;

impl<'a, W, R: 'a> Hooks<'a, W, R> {
    /// The right rules, for who puts the call to the others as well.
    pub(super) fn right(self) -> &'a R {
        (self.part.of)(&self.ruled.right)
    }

    /// The deviations that have another hook.
    fn deviations(self, differs: Differs<R>) -> impl Iterator<Item = &'a R> {
        let asked = OPERATION
            .try_with(|operation| *operation)
            .unwrap_or_default();
        let chain = self.ruled.chain.0.iter();
        let about = move |whole| asked.is_some_and(|asked| operation::within(asked, whole));
        let chain = chain.filter(move |version| version.only.is_none_or(about));
        let rules = chain.map(move |version| (self.part.of)(&version.rules));
        rules.filter(move |rules| differs(self.right(), rules))
    }

    /// The rules whose hook counts: of those that deviate the last whose answer differs from the right one.
    pub(super) fn decisive<T: Compare>(
        self,
        differs: Differs<R>,
        mut answer: impl FnMut(&'a R) -> T,
    ) -> &'a R {
        let mut counts = self.right();
        let mut right = None;
        for rules in self.deviations(differs) {
            let right = right.get_or_insert_with(|| answer(self.right()));
            if !right.same(answer(rules)) {
                counts = rules;
            }
        }
        counts
    }

    /// The rules whose hooks what is passed on goes through, in their order.
    pub(super) fn links(self, differs: Differs<R>) -> Vec<&'a R> {
        let mut links: Vec<_> = self.deviations(differs).collect();
        if links.is_empty() {
            links.push(self.right());
        }
        links
    }

    /// The only rules that deviate in that hook, as others are excluded.
    pub(super) fn only(self, differs: Differs<R>) -> &'a R {
        self.deviations(differs).last().unwrap_or(self.right())
    }

    /// The versions that have another hook of that name and of which it is still open whether they answer the
    /// caller otherwise.
    pub(super) fn beside(
        self,
        hook: &'static str,
        differs: Differs<R>,
    ) -> Option<Beside<'a, W, R>> {
        let probe = self.ruled.probe.as_ref()?;
        let others = self.positions(probe, hook, differs);
        if others.is_empty() {
            return None;
        }
        let caller = Caller::current();
        let fault = |at: &usize| Some(probe.versions.get(*at)?.0);
        let faults: Vec<_> = others.iter().filter_map(fault).collect();
        let open = probe.sensitivity.open(&caller, &faults);
        (!open.is_empty()).then_some(Beside {
            hooks: self,
            probe,
            caller,
            open,
        })
    }

    /// All versions that have another hook of that name, by the position of the fault.
    pub(super) fn others(self, hook: &'static str, differs: Differs<R>) -> Vec<(usize, &'a R)> {
        let Some(probe) = &self.ruled.probe else {
            return Vec::new();
        };
        let others = self.positions(probe, hook, differs);
        let versions = others.iter().filter_map(|at| probe.versions.get(*at));
        versions
            .map(|(fault, rules)| (*fault, (self.part.of)(rules)))
            .collect()
    }

    fn positions(self, probe: &Probe<W>, hook: &'static str, differs: Differs<R>) -> Arc<[usize]> {
        let mut known = probe.others.lock().unwrap_or_else(PoisonError::into_inner);
        let others = known.entry((self.part.name, hook)).or_insert_with(|| {
            let rules = probe.versions.iter().map(|(_, rules)| rules).enumerate();
            let other = |rules| differs(self.right(), (self.part.of)(rules));
            let others = rules.filter(|(_, rules)| other(rules));
            others.map(|(at, _)| at).collect()
        });
        Arc::clone(others)
    }

    /// Takes down that the fault at that position answers the caller otherwise.
    pub(super) fn otherwise(self, fault: usize) {
        if let Some(probe) = &self.ruled.probe {
            probe.sensitivity.note(&Caller::current(), fault);
        }
    }

    /// Takes down that the hook was called, for all that have another one: nobody can say what they would have done.
    pub(super) fn called(self, hook: &'static str, differs: Differs<R>) {
        if let Some(beside) = self.beside(hook, differs) {
            for fault in &beside.open {
                beside.probe.sensitivity.note(&beside.caller, *fault);
            }
        }
    }
}

/// Versions of a hook that are to be asked.
pub(super) struct Beside<'a, W, R> {
    hooks: Hooks<'a, W, R>,
    probe: &'a Probe<W>,
    caller: Caller,
    /// By the position of the fault.
    open: Vec<usize>,
}

impl<W, R> Beside<'_, W, R> {
    /// Takes down for which versions of the rules the answer is another one than that of the right ones. Those that
    /// keep something are not asked, and counted.
    pub(super) fn compare<T: Compare>(&self, mut answer: impl FnMut(&R) -> T) {
        let mut right = answer(self.hooks.right());
        for (fault, rules) in &self.probe.versions {
            if self.open.binary_search(fault).is_err() {
                continue;
            }
            let keeps = self.probe.sensitivity.faults.get(*fault);
            let keeps = keeps.is_none_or(|fault| fault.keeps());
            if keeps || !right.same(answer((self.hooks.part.of)(rules))) {
                self.probe.sensitivity.note(&self.caller, *fault);
            }
        }
    }
}

/// A decision as its definition lists it.
#[cfg(test)]
pub(super) struct Hook<R> {
    pub(super) name: &'static str,
    /// How it is probed.
    pub(super) kind: &'static str,
    pub(super) differs: Differs<R>,
}
