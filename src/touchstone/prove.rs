//! `touchstone prove`: mutation testing of the suite.
use touchstone_model::redact::Redactor;
use touchstone_model::{Case, CaseResult, Mode, Profile, RunRecord, Verdict};
use touchstone_reference::{Fault, faults};
use touchstone_report::File;
use touchstone_report::json;
use touchstone_report::matrix::{self, ProofMatrix, ProofSubject, Settled, Trial};
use touchstone_report::style::Style;
use touchstone_suite::plan;

use super::args::{OutputFormat, ProveArgs};
use super::output::{self, Failed};
use super::stop::Stop;
use super::{exit, inputs, run, write};

mod affected;
mod pairs;
mod proving;

use proving::{Proven, Proving};

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
    if let Some(wanted) = arguments.pairs {
        return two_by_two(&proving, &faults, wanted).await;
    }
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
    let proof = ProofMatrix::new(&plan, &record, &trials, partial, effort);
    conclude(arguments, &proof, &record)
}

/// Whether a fault hides another one.
async fn two_by_two(
    proving: &Proving<'_>,
    faults: &[&'static Fault],
    wanted: u32,
) -> Result<u8, Failed> {
    let arguments = proving.arguments;
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let drawn = pairs::drawn(faults, wanted, arguments.seed);
    if drawn.is_empty() {
        return Err(Failed::Usage("no two of these faults go together".into()));
    }
    if drawn.len() < wanted {
        output::note(&format!("{} pairs were found", drawn.len()));
    }
    let Some((proof, record)) = proving.pairs(&drawn, arguments.seed).await? else {
        output::note("interrupted: nothing is proven");
        return Ok(exit::INTERRUPTED);
    };
    let told = Told {
        proven: proof.proven,
        json: proof.json(),
        table: &|style| proof.table(style),
        name: "pairs",
        record: record.as_ref(),
    };
    tell(arguments, told)
}

/// The faults that match one of the patterns; without a pattern, all.
fn selected(patterns: &[String]) -> Result<Vec<&'static Fault>, Failed> {
    let all: Vec<_> = faults().iter().collect();
    plan::patterns(patterns)
        .and_then(|patterns| plan::pick("fault", &patterns, &all, |fault| fault.name))
        .map_err(run::selected_nothing)
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
            true => ProofSubject::Service {
                exit: exit_alone(fault.name, record),
            },
            false => ProofSubject::Fault {
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
        subject: ProofSubject::Faultless,
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
            (Verdict::Fail, None) => touchstone_protocol::verdict(&result.findings, Mode::Normal),
            (verdict, _) => verdict,
        },
        ..result.clone()
    });
    run::exit_code(false, &lenient.collect::<Vec<_>>())
}

fn conclude(arguments: &ProveArgs, proof: &ProofMatrix, record: &RunRecord) -> Result<u8, Failed> {
    let told = Told {
        proven: proof.proven,
        json: proof.json(),
        table: &|style| matrix::table(proof, style),
        name: "proof",
        record: Some(record),
    };
    tell(arguments, told)
}

/// What a proof says.
struct Told<'a> {
    proven: bool,
    json: Result<String, touchstone_report::FormatError>,
    table: &'a dyn Fn(Style) -> String,
    /// Of its files.
    name: &'a str,
    record: Option<&'a RunRecord>,
}

fn tell(arguments: &ProveArgs, told: Told<'_>) -> Result<u8, Failed> {
    let undecided = |error: &touchstone_report::FormatError| Failed::Undecided(error.to_string());
    let printed = output::result(&match arguments.format {
        OutputFormat::Table => (told.table)(output::style_of_stdout()),
        OutputFormat::Json => told.json.as_ref().map_err(undecided)?.clone(),
    });
    let proven = told.proven;
    let mut written = true;
    if let Some(folder) = &arguments.report_dir {
        written = write::reports(folder, files(told));
        if written {
            output::note(&format!("reports: {}", folder.display()));
        }
    }
    let code = match (proven, written) {
        (false, _) => exit::FAILED,
        (true, false) => exit::REPORT,
        (true, true) => exit::OK,
    };
    printed.map(|()| code)
}

fn files(told: Told<'_>) -> Vec<File> {
    let proof = [
        File {
            name: format!("{}.json", told.name),
            content: told.json,
        },
        File {
            name: format!("{}.txt", told.name),
            content: Ok((told.table)(Style::Plain)),
        },
    ];
    let record = told.record.map(|record| File {
        name: json::FILE.to_owned(),
        content: touchstone_report::json::write(record),
    });
    proof.into_iter().chain(record).collect()
}
