//! `touchstone prove`: mutation testing of the suite.

use std::sync::Arc;
use std::time::Duration;

use crate::check;
use crate::model::{Action, CaseResult, Exchanges, Plan, Profile, RunRecord, Verdict};
use crate::plan;
use crate::redact::Redactor;
use crate::reference::{Fault, fault, faults};
use crate::report::json;
use crate::report::matrix::{self, Proof, Subject, Trial};
use crate::report::record::Recorder;
use crate::report::style::Style;
use crate::report::{self, File};
use crate::run::event::Event;

use super::args::{Format, ProveArgs};
use super::output::{self, Failed};
use super::progress::Progress;
use super::stage::{Cast, PARTNER, Role, Stage};
use super::stop::Stop;
use super::{exit, inputs, run, write};

/// For everything; far beyond what it takes.
const DEADLINE: Duration = Duration::from_secs(3600);

/// How long the storage elements of faults may be silent in a transfer, unless they are to be for long:
/// they are on this machine.
const SILENCE: Duration = Duration::from_secs(5);

/// `touchstone prove`
pub async fn main(arguments: &ProveArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let faults = selected(&arguments.faults)?;
    let catalogue = inputs::catalogue(None)?;
    let slow = catalogue.cases().filter(|case| case.slow);
    let slow: Vec<_> = slow.map(|case| case.id.as_str()).collect();
    let stage = Stage::start(cast(&faults, &slow)).await?;
    let mut selection = run::selection(&stage.judged(), &arguments.cases)?;
    // A missed recommendation has to be seen as well, and is a mere warning otherwise.
    selection.strict = true;
    selection.intrusive = true;
    selection.slow = true;
    selection.side = true;
    selection.on_trial = stage.issuers_on_trial();
    let mut inventory = stage.inventory()?;
    for endpoint in inventory.endpoints.iter_mut().map(Arc::make_mut) {
        // All others share the partner.
        if endpoint.name != PARTNER {
            endpoint.limits.jobs = arguments.jobs.into();
        }
        let hurried = |fault: &Fault| !fault.cases.iter().any(|case| slow.contains(case));
        if fault(&endpoint.name).is_some_and(hurried) {
            endpoint.limits.transfer = SILENCE;
        }
    }
    let mut plan = run::plan(&inventory, &catalogue, &selection)?;
    hurry(&mut plan);
    let plan = Arc::new(plan);
    let mut progress = Progress::stderr(output::style_of_stderr());
    let mut recorder = Recorder::default();
    let work = run::Work {
        plan: Arc::clone(&plan),
        inventory: &inventory,
        folder: None,
        listener: stage.listener()?,
        side: Some(stage.side()),
        deadline: DEADLINE,
        redactor,
    };
    let keep = arguments.report_dir.is_some();
    work.carry_out(&Stop::listen(), |event| {
        watch(&mut progress, &event);
        recorder.take(if keep {
            event
        } else {
            without_exchanges(event)
        });
    })
    .await?;
    drop(progress);
    let record = recorder.finish().ok_or_else(run::no_record)?;
    if record.run.interrupted {
        output::note("interrupted: nothing is proven");
        return Ok(exit::INTERRUPTED);
    }
    let partial = !(arguments.faults.is_empty() && arguments.cases.is_empty());
    let proof = Proof::new(&plan, &record, &trials(&faults, &record), partial);
    conclude(arguments, &proof, &record)
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
    let storages = plan.endpoints.iter_mut();
    let storages = storages.map(|planned| (&planned.endpoint.name, &mut planned.cases));
    let issuers = plan.issuers.iter_mut();
    let issuers = issuers.map(|planned| (&planned.issuer.name, &mut planned.cases));
    for (name, cases) in storages.chain(issuers) {
        let Some(fault) = fault(name) else {
            continue;
        };
        for planned in cases {
            let case = &planned.case;
            if !fault.concerns(case) {
                planned.action = Action::Skip("it does not use what the fault is about".into());
            } else if case.slow && !fault.cases.contains(&case.id.as_str()) {
                planned.action = Action::Skip("it takes long, and the fault is another".into());
            }
        }
    }
}

/// Whether a fault puts the whole service out of order, so that it violates no clause in particular.
fn whole(fault: &Fault) -> bool {
    fault.clauses.is_empty() && fault.cases.is_empty()
}

/// Everybody has a storage element or an issuer of their own. Those that are waited for come first.
fn cast(faults: &[&'static Fault], slow: &[&str]) -> Cast {
    let waited_for =
        |fault: &&Fault| whole(fault) || slow.iter().any(|case| fault.cases.contains(case));
    let roles = |faults: Vec<&'static Fault>| {
        let (first, rest): (Vec<_>, Vec<_>) = faults.into_iter().partition(waited_for);
        let faultless = Profile::ALL.map(|version| Role {
            profile: Some(version),
            ..Role::new(faultless(version))
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

/// No fault has a dot in its name.
fn faultless(version: Profile) -> String {
    format!("faultless-{version}")
}

/// What is to be shown, in the order in which `list faults` has it.
fn trials(faults: &[&Fault], record: &RunRecord) -> Vec<Trial> {
    let faulty = faults.iter().map(|fault| Trial {
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
