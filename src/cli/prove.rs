//! `touchstone prove`: mutation testing of the suite.

use std::sync::Arc;
use std::time::Duration;

use crate::check;
use crate::config::Catalogue;
use crate::model::{
    Action, Case, CasePlan, CaseResult, Exchanges, Inventory, Plan, Profile, RunRecord, Verdict,
};
use crate::plan;
use crate::redact::Redactor;
use crate::reference::{Fault, Sensitivity, fault, faults};
use crate::report::json;
use crate::report::matrix::{self, Effort, Proof, Settled, Subject, Trial};
use crate::report::record::{self, Recorder};
use crate::report::style::Style;
use crate::report::{self, File};
use crate::run::event::Event;

use super::args::{Format, ProveArgs};
use super::output::{self, Failed};
use super::progress::Progress;
use super::stage::{Cast, PARTNER, Role, Stage};
use super::stop::Stop;
use super::{exit, inputs, run, write};

mod affected;

use affected::{Affected, Due};

/// For everything; far beyond what it takes.
const DEADLINE: Duration = Duration::from_secs(3600);

/// How long the storage elements of faults may be silent in a transfer, unless they are to be for long:
/// they are on this machine.
const SILENCE: Duration = Duration::from_secs(5);

/// How many cases at the same time, at least, where faults are asked beside: nobody else is on trial then.
const PROBED_JOBS: usize = 16;

/// `touchstone prove`
pub async fn main(arguments: &ProveArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let faults = selected(&arguments.faults)?;
    let catalogue = inputs::catalogue(None)?;
    let slow = catalogue.cases().filter(|case| case.slow);
    let proving = Proving {
        arguments,
        redactor,
        catalogue: &catalogue,
        slow: slow.map(|case| case.id.as_str()).collect(),
        stop: Stop::listen(),
    };
    let proven = match arguments.all {
        true => proving.everything(&faults).await?,
        false => proving.what_can_change(&faults).await?,
    };
    let Some(Proven {
        plan,
        record,
        trials,
        effort,
    }) = proven
    else {
        output::note("interrupted: nothing is proven");
        return Ok(exit::INTERRUPTED);
    };
    let partial = !(arguments.faults.is_empty() && arguments.cases.is_empty());
    let proof = Proof::new(&plan, &record, &trials, partial, effort);
    conclude(arguments, &proof, &record)
}

/// What a proof needs.
struct Proving<'a> {
    arguments: &'a ProveArgs,
    redactor: &'a Redactor,
    catalogue: &'a Catalogue,
    /// The cases that take long.
    slow: Vec<&'a str>,
    stop: Stop,
}

/// What it is made from.
struct Proven {
    /// Whose first endpoint and issuer have all cases.
    plan: Arc<Plan>,
    record: RunRecord,
    trials: Vec<Trial>,
    effort: Effort,
}

impl Proving<'_> {
    /// Every case at every fault; `None` if somebody stops it.
    async fn everything(&self, faults: &[&'static Fault]) -> Result<Option<Proven>, Failed> {
        let stage = Stage::start(self.cast(faults, &Profile::ALL)).await?;
        let mut plan = self.plan(&stage)?;
        hurry(&mut plan);
        let ran = sent(&plan);
        let plan = Arc::new(plan);
        let record = self.run(&stage, Arc::clone(&plan)).await?;
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
    async fn what_can_change(&self, faults: &[&'static Fault]) -> Result<Option<Proven>, Failed> {
        let newest = Profile::default();
        let sensitivity = faults.iter().copied().filter(|fault| !whole(fault));
        let sensitivity = Arc::new(Sensitivity::new(sensitivity.collect()));
        let probed = || {
            vec![Role {
                profile: Some(newest),
                probe: Some(Arc::clone(&sensitivity)),
                ..Role::new(faultless(newest))
            }]
        };
        let stage = Stage::start(Cast {
            storages: probed(),
            issuers: probed(),
        });
        let stage = stage.await?;
        let whole_plan = self.plan(&stage)?;
        let mut plan = whole_plan.clone();
        for planned in &mut plan.endpoints {
            let endpoint = Arc::make_mut(&mut planned.endpoint);
            endpoint.limits.jobs = endpoint.limits.jobs.max(PROBED_JOBS);
        }
        retain(&mut plan, |_, case| !case.slow);
        let run = plan.run.clone();
        let first = sent(&plan);
        let Some(first_record) = self.run(&stage, Arc::new(plan)).await? else {
            return Ok(None);
        };
        drop(stage);
        let cases: Vec<_> = whole_plan
            .rows()
            .flat_map(|row| row.cases)
            .map(|case| &case.case)
            .collect();
        let ids = cases.iter().map(|case| case.id.clone()).collect();
        let affected = Affected::of(sensitivity.found(), run.as_str(), &ids);
        let settled: Vec<_> = faults
            .iter()
            .map(|fault| Settled {
                like: faultless(newest),
                cases: cases
                    .iter()
                    .filter(|case| affected.due(fault, case) == Due::Settled)
                    .map(|case| case.id.clone())
                    .collect(),
            })
            .collect();
        let open: Vec<_> = faults
            .iter()
            .copied()
            .filter(|fault| {
                cases
                    .iter()
                    .any(|case| affected.due(fault, case) == Due::Run)
            })
            .collect();
        let stage = Stage::start(self.cast(&open, &Profile::ALL)).await?;
        let mut plan = self.plan(&stage)?;
        let newest = faultless(newest);
        retain(&mut plan, |name, case| match fault(name) {
            Some(fault) => affected.due(fault, case) == Due::Run,
            None => case.slow || name != newest,
        });
        let second = sent(&plan);
        let Some(record) = self.run(&stage, Arc::new(plan)).await? else {
            return Ok(None);
        };
        let record = joined(first_record, record);
        let verdicts = settled
            .iter()
            .map(|settled| settled.cases.len())
            .sum::<usize>();
        Ok(Some(Proven {
            plan: Arc::new(whole_plan),
            trials: trials(faults, &record, &settled),
            record,
            effort: Effort {
                run: first + second,
                verdicts: first + second + verdicts,
            },
        }))
    }

    /// All cases at all who are on that stage.
    fn plan(&self, stage: &Stage) -> Result<Plan, Failed> {
        let mut selection = run::selection(&stage.judged(), &self.arguments.cases)?;
        // A missed recommendation has to be seen as well, and is a mere warning otherwise.
        selection.strict = true;
        selection.intrusive = true;
        selection.slow = true;
        selection.side = true;
        selection.on_trial = stage.issuers_on_trial();
        let inventory = self.inventory(stage)?;
        run::plan(&inventory, self.catalogue, &selection)
    }

    fn inventory(&self, stage: &Stage) -> Result<Inventory, Failed> {
        let mut inventory = stage.inventory()?;
        for endpoint in inventory.endpoints.iter_mut().map(Arc::make_mut) {
            // All others share the partner.
            if endpoint.name != PARTNER {
                endpoint.limits.jobs = self.arguments.jobs.into();
            }
            let hurried = |fault: &Fault| !fault.cases.iter().any(|case| self.slow.contains(case));
            if fault(&endpoint.name).is_some_and(hurried) {
                endpoint.limits.transfer = SILENCE;
            }
        }
        Ok(inventory)
    }

    /// Carries a plan out; `None` if somebody stops it.
    async fn run(&self, stage: &Stage, plan: Arc<Plan>) -> Result<Option<RunRecord>, Failed> {
        let mut progress = Progress::stderr(output::style_of_stderr());
        let mut recorder = Recorder::default();
        let work = run::Work {
            plan,
            inventory: &self.inventory(stage)?,
            folder: None,
            listener: stage.listener()?,
            side: Some(stage.side()),
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
    fn cast(&self, faults: &[&'static Fault], versions: &[Profile]) -> Cast {
        let slow = |fault: &Fault| self.slow.iter().any(|case| fault.cases.contains(case));
        let waited_for = |fault: &&Fault| whole(fault) || slow(fault);
        let roles = |faults: Vec<&'static Fault>| {
            let (first, rest): (Vec<_>, Vec<_>) = faults.into_iter().partition(waited_for);
            let faultless = versions.iter().map(|version| Role {
                profile: Some(*version),
                ..Role::new(faultless(*version))
            });
            let faulty = |faults: Vec<&'static Fault>| {
                faults.into_iter().map(|fault| Role {
                    faults: vec![fault],
                    ..Role::new(fault.name)
                })
            };
            faulty(first).chain(faultless).chain(faulty(rest)).collect()
        };
        let (issuers, storages) = faults.iter().partition(|fault| fault.of_issuer());
        Cast {
            storages: roles(storages),
            issuers: roles(issuers),
        }
    }
}

/// For how many cases of a plan something is sent.
fn sent(plan: &Plan) -> usize {
    let cases = plan.rows().flat_map(|row| row.cases);
    cases
        .filter(|planned| matches!(planned.action, Action::Run(_)))
        .count()
}

/// The cases of everybody in a plan, with the name.
fn each(plan: &mut Plan) -> impl Iterator<Item = (&str, &mut Vec<CasePlan>)> {
    let storages = plan.endpoints.iter_mut();
    let storages = storages.map(|planned| (planned.endpoint.name.as_str(), &mut planned.cases));
    let issuers = plan.issuers.iter_mut();
    storages.chain(issuers.map(|planned| (planned.issuer.name.as_str(), &mut planned.cases)))
}

/// Leaves only those cases in a plan.
fn retain(plan: &mut Plan, keep: impl Fn(&str, &Case) -> bool) {
    for (name, cases) in each(plan) {
        cases.retain(|planned| keep(name, &planned.case));
    }
}

/// Both parts of a proof in one record: a faultless one may have cases in each.
fn joined(first: RunRecord, mut second: RunRecord) -> RunRecord {
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

/// The faults that match one of the patterns; without a pattern, all.
fn selected(patterns: &[String]) -> Result<Vec<&'static Fault>, Failed> {
    let all: Vec<_> = faults().iter().collect();
    plan::patterns(patterns)
        .and_then(|patterns| plan::pick("fault", &patterns, &all, |fault| fault.name))
        .map_err(run::selected_nothing)
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

/// Why a case does not run at a fault in any case.
fn unseen(fault: &Fault, case: &Case) -> Option<&'static str> {
    if !fault.concerns(case) {
        Some("it does not use what the fault is about")
    } else if case.slow && !fault.cases.contains(&case.id.as_str()) {
        Some("it takes long, and the fault is another")
    } else {
        None
    }
}

/// Whether a fault puts the whole service out of order, so that it violates no clause in particular.
fn whole(fault: &Fault) -> bool {
    fault.clauses.is_empty() && fault.cases.is_empty()
}

/// No fault has a dot in its name.
fn faultless(version: Profile) -> String {
    format!("faultless-{version}")
}

/// What is to be shown, in the order in which `list faults` has it.
///
/// `settled` has what was not run at each fault, in the order of `faults`, or nothing if all was run.
fn trials(faults: &[&Fault], record: &RunRecord, settled: &[Settled]) -> Vec<Trial> {
    let faulty = faults.iter().enumerate().map(|(at, fault)| Trial {
        settled: settled.get(at).cloned(),
        name: fault.name.to_owned(),
        about: fault.about.to_owned(),
        subject: match whole(fault) {
            true => Subject::Service {
                exit: exit_alone(fault.name, record),
            },
            false => Subject::Fault {
                // Tests of the faults see to it that each of these is an id.
                clauses: fault.clauses.iter().flat_map(|id| id.parse()).collect(),
                cases: fault.cases.iter().flat_map(|id| id.parse()).collect(),
                wide: fault.wide(),
            },
        },
    });
    let faultless = Profile::ALL.map(|version| Trial {
        name: faultless(version),
        about: String::new(),
        subject: Subject::Faultless,
        settled: None,
    });
    faulty.chain(faultless).collect()
}

/// What an ordinary run, not a strict one, against that storage element alone would end with.
fn exit_alone(name: &str, record: &RunRecord) -> u8 {
    let results = record
        .results
        .iter()
        .filter(|result| result.endpoint == name);
    let lenient = results.map(|result| CaseResult {
        verdict: match (result.verdict, &result.reason) {
            (Verdict::Fail, None) => check::verdict(&result.findings, false),
            (verdict, _) => verdict,
        },
        ..result.clone()
    });
    run::exit_code(false, &lenient.collect::<Vec<_>>())
}

/// One line for the whole: a line for each storage element would fill the screen.
fn watch(progress: &mut Progress, event: &Event) {
    match event {
        Event::RunStarted(_)
        | Event::CaseFinished(_)
        | Event::RunInterrupted
        | Event::RunFinished { .. } => progress.take(event),
        Event::EndpointReached { .. }
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

fn conclude(arguments: &ProveArgs, proof: &Proof, record: &RunRecord) -> Result<u8, Failed> {
    let undecided = |error: report::FormatError| Failed::Undecided(error.to_string());
    let printed = output::result(&match arguments.format {
        Format::Table => matrix::table(proof, output::style_of_stdout()),
        Format::Json => proof.json().map_err(undecided)?,
    });
    let mut written = true;
    if let Some(folder) = &arguments.report_dir {
        written = write::reports(folder, files(proof, record));
        if written {
            output::note(&format!("reports: {}", folder.display()));
        }
    }
    let code = match (proof.proven, written) {
        (false, _) => exit::FAILED,
        (true, false) => exit::REPORT,
        (true, true) => exit::OK,
    };
    printed.map(|()| code)
}

fn files(proof: &Proof, record: &RunRecord) -> Vec<File> {
    vec![
        File {
            name: "proof.json".to_owned(),
            content: proof.json(),
        },
        File {
            name: "proof.txt".to_owned(),
            content: Ok(matrix::table(proof, Style::Plain)),
        },
        File {
            name: json::FILE.to_owned(),
            content: report::json::write(record),
        },
    ]
}
