use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::Catalogue;
use crate::model::{Inventory, Plan, RunId, RunRecord, Verdict};
use crate::plan::{self, Material, Selection, SelectionError};
use crate::redact::Redactor;
use crate::report;
use crate::report::record::Recorder;
use crate::run::{self, Cancel, Canceller, Ledger, Resources};
use crate::token::Broker;

use super::args::{Judging, RunArgs};
use super::output::{self, Failed};
use super::progress::Progress;
use super::{exit, inputs, write};

/// `touchstone run`
pub async fn main(arguments: &RunArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let catalogue = inputs::catalogue(arguments.files.suites.as_deref())?;
    let inventory = inputs::inventory(&arguments.files, &arguments.target, &catalogue)?;
    judge(
        inventory,
        &catalogue,
        &arguments.only,
        &arguments.judging,
        redactor,
    )
    .await
}

/// Plans, runs, prints and writes: what `run` and `demo` have in common.
pub async fn judge(
    mut inventory: Inventory,
    catalogue: &Catalogue,
    only: &[String],
    judging: &Judging,
    redactor: &Redactor,
) -> Result<u8, Failed> {
    if let Some(jobs) = judging.jobs {
        for endpoint in inventory.endpoints.iter_mut().map(Arc::make_mut) {
            endpoint.limits.jobs = jobs.into();
        }
    }
    let plan = plan(&inventory, catalogue, only, judging)?;
    let issuers: Vec<_> = plan
        .endpoints
        .iter()
        .flat_map(|endpoint| {
            let second = endpoint.endpoint.second.as_ref();
            let second = second.map(|second| second.issuer.as_str());
            endpoint
                .endpoint
                .issuer
                .as_deref()
                .into_iter()
                .chain(second)
        })
        .collect();
    let broker = Broker::new(&inventory, &issuers, redactor)
        .map_err(|error| Failed::Usage(error.to_string()))?;
    let folder = Folder::new(judging.report_dir.as_deref(), &plan.run);
    write::create_folder(&folder.path).map_err(|error| Failed::Undecided(error.to_string()))?;
    let ledger = Ledger::create(&folder.path.join(ledger_name(&plan.run)), &plan.run)
        .map_err(|error| Failed::Undecided(error.to_string()))?;
    let (canceller, cancel) = Cancel::new();
    let signals = tokio::spawn(on_signals(canceller));
    let (sender, events) = mpsc::unbounded_channel();
    let resources = Resources {
        broker,
        redactor: redactor.clone(),
        ledger,
        cancel,
        deadline: judging.deadline,
    };
    let running = tokio::spawn(run::run(Arc::new(plan), resources, sender));
    let record = watch(events).await;
    let ledger = running.await;
    signals.abort();
    let record =
        record.ok_or_else(|| Failed::Undecided("the run ended without a record".into()))?;
    let mut code = exit_code(&record);
    let style = output::style_of_stdout();
    let printed = output::result(&report::failures::write(&record, style))
        .and_then(|()| output::result(&report::table::write(&record, style)));
    if !folder.write(&record) && code == exit::OK {
        code = exit::REPORT;
    }
    finish(ledger.ok());
    // The reports are there even when nobody reads stdout to its end.
    printed.map(|()| code)
}

fn plan(
    inventory: &Inventory,
    catalogue: &Catalogue,
    only: &[String],
    judging: &Judging,
) -> Result<Plan, Failed> {
    let mut selection = Selection::new(only, &judging.cases).map_err(selected_nothing)?;
    selection.profile = judging.profile;
    selection.strict = judging.strict;
    selection.intrusive = judging.intrusive;
    selection.slow = judging.slow;
    let material = Material {
        suites: &catalogue.suites,
        clauses: &catalogue.clauses.clone().into(),
    };
    let started = Timestamp::now();
    let tail = uuid::Uuid::new_v4().as_fields().0;
    plan::plan(
        inventory,
        &material,
        &selection,
        &RunId::new(started, tail),
        started,
    )
    .map_err(selected_nothing)
}

fn selected_nothing(error: SelectionError) -> Failed {
    Failed::Usage(match &error {
        SelectionError::Pattern(..) => error.to_string(),
        SelectionError::Nothing {
            what,
            pattern,
            names,
        } => inputs::unknown(&error.to_string(), pattern, names, &format!("{what}s")),
    })
}

/// Live progress and the record, from the same events.
async fn watch(mut events: mpsc::UnboundedReceiver<run::event::Event>) -> Option<RunRecord> {
    let mut progress = Progress::stderr(output::style_of_stderr());
    let mut recorder = Recorder::default();
    while let Some(event) = events.recv().await {
        progress.take(&event);
        recorder.take(event);
    }
    drop(progress);
    recorder.finish()
}

/// The first signal stops the run and lets it tear down; the second one ends it at once.
async fn on_signals(canceller: Canceller) {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let (sender, mut heard) = mpsc::unbounded_channel();
    for kind in kinds {
        let Ok(mut stream) = signal(kind) else {
            continue;
        };
        let sender = sender.clone();
        tokio::spawn(
            async move { while stream.recv().await.is_some() && sender.send(()).is_ok() {} },
        );
    }
    if heard.recv().await.is_some() {
        output::note(
            "stopping: running cases end, and what they made is removed; once more to stop at once",
        );
        canceller.cancel();
    }
    if heard.recv().await.is_some() {
        output::note("stopped; `touchstone clean` removes what is left on storage");
        #[expect(clippy::exit, reason = "somebody asked twice")]
        std::process::exit(exit::INTERRUPTED.into());
    }
}

/// What the record means for whoever waits for the exit code.
pub fn exit_code(record: &RunRecord) -> u8 {
    let undecided = |verdict| verdict == Verdict::Error;
    let judged = |verdict| matches!(verdict, Verdict::Pass | Verdict::Warn | Verdict::Fail);
    if record.run.interrupted {
        exit::INTERRUPTED
    } else if record.results.iter().any(|result| result.red()) {
        exit::FAILED
    } else if record
        .results
        .iter()
        .any(|result| undecided(result.verdict))
        || !record.results.iter().any(|result| judged(result.verdict))
    {
        exit::UNDECIDED
    } else {
        exit::OK
    }
}

/// Name of the ledger file of a run.
fn ledger_name(run: &RunId) -> String {
    format!("ledger-{run}.jsonl")
}

/// Where a run's reports go.
struct Folder {
    path: PathBuf,
    /// Whether `latest` beside it points to it: when nobody chose another folder.
    newest: bool,
}

impl Folder {
    fn new(chosen: Option<&Path>, run: &RunId) -> Self {
        match chosen {
            Some(path) => Self {
                path: path.to_owned(),
                newest: false,
            },
            None => Self {
                path: Path::new("reports").join(run.as_str()),
                newest: true,
            },
        }
    }

    /// Writes every report, whatever becomes of the others; says whether all were written.
    fn write(&self, record: &RunRecord) -> bool {
        let mut written = true;
        for result in write::write_all(&self.path, report::files(record)) {
            if let Err(error) = result {
                output::problem(&error.to_string());
                written = false;
            }
        }
        if self.newest
            && let Err(error) = write::point_latest(&self.path)
        {
            output::problem(&error.to_string());
            written = false;
        }
        if written {
            output::note(&format!("reports: {}", self.path.display()));
        }
        written
    }
}

fn finish(ledger: Option<Ledger>) {
    let Some(ledger) = ledger else { return };
    let left = ledger.left().len();
    let path = ledger.path().display().to_string();
    if !ledger.close() && left > 0 {
        output::note(&format!(
            "{left} objects could not be removed from storage; `touchstone clean` tries again (ledger: {path})"
        ));
    }
}
