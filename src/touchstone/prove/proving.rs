//! The runs of a proof.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use touchstone_model::Event;
use touchstone_model::redact::Redactor;
use touchstone_model::{
    Action, Case, CaseId, CasePlan, Exchanges, Interface, Inventory, Lapse, Mode, Plan, Profile,
    RunRecord,
};
use touchstone_reference::{Fault, Sensitivity, fault};
use touchstone_report::matrix::{Effort, Settled, Trial};
use touchstone_report::record::{self, Recorder};
use touchstone_suite::config::Catalogue;

use super::super::args::ProveArgs;
use super::super::output::{self, Failed};
use super::super::progress::ProgressBars;
use super::super::run;
use super::super::stop::Stop;
use super::super::test_bed::{PARTNER, Service, TestBed, TestBedOptions};
use super::affected::{Affected, Due};
use super::pairs::of_name;
use super::{faultless, trials, unseen, whole};

/// For everything; far beyond what it takes.
const DEADLINE: Duration = Duration::from_secs(3600);

/// How long the storage elements of faults may be silent in a transfer, unless they are to be for long:
/// they are on this machine.
const SILENCE: Duration = Duration::from_secs(5);

/// How long after its end a token may be taken by the storage elements of faults: none of them has a clock of its own.
const LAPSE: Lapse = Lapse {
    pass: Duration::from_secs(2),
    warn: Duration::from_secs(3),
    poll: Duration::from_secs(4),
    pause: Duration::from_secs(1),
};

/// How many cases at the same time, at least, where faults are asked beside: nobody else is on trial then.
const PROBED_JOBS: usize = 16;

/// What a proof needs.
pub(super) struct Proving<'a> {
    pub arguments: &'a ProveArgs,
    pub redactor: &'a Redactor,
    pub catalogue: &'a Catalogue,
    /// The cases that take long.
    pub slow: Vec<&'a str>,
    pub stop: Stop,
}

/// What it is made from.
pub(super) struct Proven {
    /// Whose first endpoint and issuer have all cases.
    pub plan: Arc<Plan>,
    pub record: RunRecord,
    pub trials: Vec<Trial>,
    pub effort: Effort,
}

impl Proving<'_> {
    /// Every case at every fault; `None` if somebody stops it.
    pub async fn everything(&self, faults: &[&'static Fault]) -> Result<Option<Proven>, Failed> {
        let bed = TestBed::start(self.options(faults, &Profile::ALL)).await?;
        let mut plan = self.plan(&bed, HashMap::new())?;
        hurry(&mut plan);
        let ran = sent(&plan);
        let plan = Arc::new(plan);
        let record = self.run(&bed, Arc::clone(&plan)).await?;
        Ok(record.map(|record| Proven {
            plan,
            trials: trials(faults, &record, &[]),
            record,
            effort: Effort {
                run: ran,
                verdicts: ran,
            },
        }))
    }

    /// What faults can change, once the faultless were asked what that is; `None` if somebody stops it.
    pub async fn what_can_change(
        &self,
        faults: &[&'static Fault],
    ) -> Result<Option<Proven>, Failed> {
        let newest = Profile::default();
        let sensitivity = faults.iter().copied().filter(|fault| !whole(fault));
        let sensitivity = Arc::new(Sensitivity::new(sensitivity.collect()));
        let probed = || {
            vec![Service {
                profile: Some(newest),
                probe: Some(Arc::clone(&sensitivity)),
                ..Service::new(faultless(newest))
            }]
        };
        let bed = TestBed::start(TestBedOptions {
            storages: probed(),
            issuers: probed(),
        });
        let bed = bed.await?;
        let whole_plan = self.plan(&bed, HashMap::new())?;
        let mut plan = whole_plan.clone();
        for planned in &mut plan.endpoints {
            let endpoint = Arc::make_mut(&mut planned.endpoint);
            endpoint.limits.jobs = endpoint.limits.jobs.max(PROBED_JOBS);
        }
        retain(&mut plan, |_, case| !later(case));
        let run = plan.run.clone();
        let first = sent(&plan);
        let Some(first_record) = self.run(&bed, Arc::new(plan)).await? else {
            return Ok(None);
        };
        drop(bed);
        let planned = whole_plan.rows().flat_map(|row| row.cases);
        let planned: Vec<_> = planned.collect();
        let ids = planned.iter().map(|planned| planned.case.id.clone());
        let affected = Affected::of(sensitivity.found(), run.as_str(), &ids.collect());
        let due = |fault: &Fault, due: Due| {
            let cases = planned.iter().copied();
            let of_that = cases.filter(|planned| affected.due(fault, &planned.case) == due);
            of_that.collect::<Vec<_>>()
        };
        let mut spared = 0;
        let settled = faults.iter().map(|fault| {
            let settled = due(fault, Due::Settled);
            spared += settled.iter().filter(|planned| runs(planned)).count();
            let cases = settled.iter().map(|planned| planned.case.id.clone());
            Settled {
                like: faultless(newest),
                cases: cases.collect(),
            }
        });
        let settled: Vec<_> = settled.collect();
        let mut open: Vec<_> = faults
            .iter()
            .map(|fault| (*fault, due(fault, Due::Run)))
            .filter(|(_, cases)| !cases.is_empty())
            .collect();
        // Those that are waited for first, then those that have most to do, or the run waits for them at its end.
        open.sort_by_key(|(_, cases)| {
            let waits = cases.iter().any(|planned| waits(&planned.case));
            (!waits, Reverse(cases.len()))
        });
        let ids = |cases: &[&CasePlan]| cases.iter().map(|case| case.case.id.clone()).collect();
        let chosen = open
            .iter()
            .map(|(fault, cases)| (fault.name.to_owned(), ids(cases)));
        let mut chosen: HashMap<String, HashSet<CaseId>> = chosen.collect();
        let rest = planned.iter().filter(|planned| later(&planned.case));
        chosen.insert(faultless(newest), ids(&rest.copied().collect::<Vec<_>>()));
        let open: Vec<_> = open.into_iter().map(|(fault, _)| fault).collect();
        let bed = TestBed::start(self.options(&open, &Profile::ALL)).await?;
        let mut plan = self.plan(&bed, chosen.clone())?;
        retain(&mut plan, |name, case| {
            chosen
                .get(name)
                .is_none_or(|cases| cases.contains(&case.id))
        });
        let second = sent(&plan);
        let Some(record) = self.run(&bed, Arc::new(plan)).await? else {
            return Ok(None);
        };
        let record = joined(first_record, record);
        Ok(Some(Proven {
            plan: Arc::new(whole_plan),
            trials: trials(faults, &record, &settled),
            record,
            effort: Effort {
                run: first + second,
                verdicts: first + second + spared,
            },
        }))
    }

    /// All cases at all who are on that stage; at storage elements that are named, only those.
    pub(super) fn plan(
        &self,
        bed: &TestBed,
        chosen: HashMap<String, HashSet<CaseId>>,
    ) -> Result<Plan, Failed> {
        let mut selection = run::selection(&bed.judged(), &self.arguments.cases)?;
        // A missed recommendation has to be seen as well, and is a mere warning otherwise.
        selection.mode = Mode::Strict;
        selection.intrusive = true;
        selection.slow = true;
        selection.side = true;
        selection.itself = true;
        selection.on_trial = bed.issuers_on_trial();
        selection.chosen = chosen;
        let inventory = self.inventory(bed)?;
        run::plan(&inventory, self.catalogue, &selection)
    }

    fn inventory(&self, bed: &TestBed) -> Result<Inventory, Failed> {
        let mut inventory = bed.inventory()?;
        for endpoint in inventory.endpoints.iter_mut().map(Arc::make_mut) {
            // All others share the partner.
            if endpoint.name != PARTNER {
                endpoint.limits.jobs = self.arguments.jobs.into();
            }
            endpoint.limits.lapse = LAPSE;
            let hurried =
                |fault: &'static Fault| !fault.cases.iter().any(|case| self.slow.contains(case));
            let mut faults = of_name(&endpoint.name).peekable();
            if faults.peek().is_some() && faults.all(hurried) {
                endpoint.limits.transfer = SILENCE;
            }
        }
        Ok(inventory)
    }

    /// Carries a plan out; `None` if somebody stops it.
    pub(super) async fn run(
        &self,
        bed: &TestBed,
        plan: Arc<Plan>,
    ) -> Result<Option<RunRecord>, Failed> {
        let mut progress = ProgressBars::stderr(output::style_of_stderr());
        let mut recorder = Recorder::default();
        let work = run::Work {
            plan,
            inventory: &self.inventory(bed)?,
            folder: None,
            listener: bed.listener()?,
            side: Some(bed.side()),
            deadline: DEADLINE,
            redactor: self.redactor,
        };
        let keep = self.arguments.report_dir.is_some();
        work.carry_out(&self.stop, |event| {
            watch(&mut progress, &event);
            recorder.take(if keep {
                event
            } else {
                without_exchanges(event)
            });
        })
        .await?;
        let record = recorder.finish().ok_or_else(run::no_record)?;
        Ok((!record.run.interrupted).then_some(record))
    }

    /// Everybody has a storage element or an issuer of their own. Those that are waited for come first.
    fn options(&self, faults: &[&'static Fault], versions: &[Profile]) -> TestBedOptions {
        let slow = |fault: &Fault| self.slow.iter().any(|case| fault.cases.contains(case));
        let waited_for = |fault: &&Fault| whole(fault) || slow(fault);
        let services = |faults: Vec<&'static Fault>| {
            let (first, rest): (Vec<_>, Vec<_>) = faults.into_iter().partition(waited_for);
            let faultless = versions.iter().map(|version| Service {
                profile: Some(*version),
                ..Service::new(faultless(*version))
            });
            let faulty = |faults: Vec<&'static Fault>| {
                faults.into_iter().map(|fault| Service {
                    faults: vec![fault],
                    ..Service::new(fault.name)
                })
            };
            faulty(first).chain(faultless).chain(faulty(rest)).collect()
        };
        let (issuers, storages) = faults.iter().partition(|fault| fault.of_issuer());
        TestBedOptions {
            storages: services(storages),
            issuers: services(issuers),
        }
    }
}

/// Whether a case lets time pass, or asks for something that takes its time.
fn waits(case: &Case) -> bool {
    let mut steps = case.steps.iter();
    case.slow || steps.any(|step| step.wait > 0 || matches!(step.interface, Interface::Tape(_)))
}

/// Whether a case is none for those who ask faults beside: it takes long, or only a few faults can change it.
fn later(case: &Case) -> bool {
    case.slow || case.cover.is_some()
}

/// For how many cases of a plan something is sent.
pub(super) fn sent(plan: &Plan) -> usize {
    let cases = plan.rows().flat_map(|row| row.cases);
    cases.filter(|planned| runs(planned)).count()
}

fn runs(planned: &CasePlan) -> bool {
    matches!(planned.action, Action::Run(_))
}

/// The cases of everybody in a plan, with the name.
fn each(plan: &mut Plan) -> impl Iterator<Item = (&str, &mut Vec<CasePlan>)> {
    let storages = plan.endpoints.iter_mut();
    let storages = storages.map(|planned| (planned.endpoint.name.as_str(), &mut planned.cases));
    let issuers = plan.issuers.iter_mut();
    storages.chain(issuers.map(|planned| (planned.issuer.name.as_str(), &mut planned.cases)))
}

/// Leaves only those cases in a plan.
pub(super) fn retain(plan: &mut Plan, keep: impl Fn(&str, &Case) -> bool) {
    for (name, cases) in each(plan) {
        cases.retain(|planned| keep(name, &planned.case));
    }
}

/// Both parts of a proof in one record: a faultless one may have cases in each.
pub(super) fn joined(first: RunRecord, mut second: RunRecord) -> RunRecord {
    for one in first.endpoints {
        match second
            .endpoints
            .iter_mut()
            .find(|other| other.name == one.name)
        {
            Some(other) => other.duration_ms = other.duration_ms.saturating_add(one.duration_ms),
            None => second.endpoints.push(one),
        }
    }
    second.results.extend(first.results);
    second.run.duration_ms = second.run.duration_ms.saturating_add(first.run.duration_ms);
    second.run.started = first.run.started;
    second.statistics = record::statistics(&second.endpoints, &second.results);
    second
}

/// Lets cases run only where they can see something, and slow ones only where they have to fail, and on the
/// faultless.
fn hurry(plan: &mut Plan) {
    for (name, cases) in each(plan) {
        let Some(fault) = fault(name) else {
            continue;
        };
        for planned in cases {
            if let Some(reason) = unseen(fault, &planned.case) {
                planned.action = Action::Skip(reason.into());
            }
        }
    }
}

/// One line for the whole: a line for each storage element would fill the screen.
fn watch(progress: &mut ProgressBars, event: &Event) {
    match event {
        Event::RunStarted(_)
        | Event::CaseFinished(_)
        | Event::RunInterrupted
        | Event::RunFinished { .. } => progress.take(event),
        Event::EndpointReached { .. }
        | Event::EndpointNoted { .. }
        | Event::EndpointUnreachable { .. }
        | Event::CaseStarted { .. }
        | Event::EndpointFinished { .. }
        | Event::TokensAsked(_) => {}
    }
}

/// Exchanges are most of a record, and the matrix needs none.
fn without_exchanges(mut event: Event) -> Event {
    if let Event::CaseFinished(result) = &mut event {
        result.exchanges = Exchanges::default();
    }
    event
}
