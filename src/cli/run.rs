use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::Catalogue;
use crate::model::{CaseResult, Inventory, Plan, RunId, RunRecord, Verdict};
use crate::plan::{self, Material, Selection, SelectionError};
use crate::redact::Redactor;
use crate::reference::{Authority, ReferenceError};
use crate::report;
use crate::report::record::Recorder;
use crate::run::event::Event;
use crate::run::{self, Cancel, Canceller, Ledger, Listener, OtherSide, Resources};
use crate::token::Broker;

use super::args::{Judging, RunArgs};
use super::listen::listener;
use super::output::{self, Failed};
use super::progress::Progress;
use super::{downtimes, exit, inputs, listen, write};

/// `touchstone run`
pub async fn main(arguments: &RunArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let catalogue = inputs::catalogue(arguments.files.suites.as_deref())?;
    let inventory = inputs::inventory(&arguments.files, &arguments.target, &catalogue)?;
    let failed = |error: ReferenceError| Failed::Undecided(error.to_string());
    let authority = Authority::new().map_err(failed)?;
    let ears = Ears {
        listener: listener(&authority, arguments.listen.as_ref())?,
        everywhere: arguments.listen.is_some(),
        side: listen::given_side(arguments)?,
        pairs: arguments.tpc_matrix.then(|| arguments.tpc_pairs.get()),
        issuers: arguments.issuers,
        on_trial: Vec::new(),
    };
    judge(
        inventory,
        &catalogue,
        &arguments.only,
        &arguments.judging,
        ears,
        redactor,
    )
    .await
}

/// Who plays along beside the endpoints, and how.
pub struct Ears {
    /// Opens them.
    pub listener: Arc<dyn Listener>,
    /// Whether all storage can reach them, or only that on this machine.
    pub everywhere: bool,
    /// Our own other side of transfers, where storage trusts its certificate.
    pub side: Option<Arc<dyn OtherSide>>,
    /// With `--tpc-matrix`, the most ordered pairs.
    pub pairs: Option<usize>,
    /// Whether the issuers are judged, whatever the file says.
    pub issuers: bool,
    /// Those that are judged in any case.
    pub on_trial: Vec<String>,
}

/// Plans, runs, prints and writes: what `run` and `demo` have in common.
pub async fn judge(
    mut inventory: Inventory,
    catalogue: &Catalogue,
    only: &[String],
    judging: &Judging,
    ears: Ears,
    redactor: &Redactor,
) -> Result<u8, Failed> {
    if let Some(jobs) = judging.jobs {
        for endpoint in inventory.endpoints.iter_mut().map(Arc::make_mut) {
            endpoint.limits.jobs = jobs.into();
        }
    }
    let mut selection = selection(only, &judging.cases)?;
    selection.profile = judging.profile;
    selection.strict = judging.strict;
    selection.intrusive = judging.intrusive;
    selection.slow = judging.slow;
    selection.shuffle = judging.shuffle;
    selection.listen = ears.everywhere;
    selection.side = ears.side.is_some();
    selection.pairs = ears.pairs;
    selection.issuers = ears.issuers;
    selection.on_trial = ears.on_trial;
    let (downtimes, notes) = downtimes::all(&inventory).await;
    selection.downtimes = downtimes;
    let mut plan = plan(&inventory, catalogue, &selection)?;
    plan.notes = notes;
    let folder = Folder::new(judging.report_dir.as_deref(), &plan.run);
    let mut progress = Progress::stderr(output::style_of_stderr());
    let mut recorder = Recorder::default();
    let work = Work {
        plan: Arc::new(plan),
        inventory: &inventory,
        folder: Some(&folder.path),
        listener: ears.listener,
        side: ears.side,
        deadline: judging.deadline,
        redactor,
    };
    let ledger = work
        .carry_out(|event| {
            progress.take(&event);
            recorder.take(event);
        })
        .await?;
    drop(progress);
    let record = recorder.finish().ok_or_else(no_record)?;
    let mut code = exit_code(record.run.interrupted, &record.results);
    let style = output::style_of_stdout();
    let printed = output::result(&report::failures::write(&record, style))
        .and_then(|()| output::result(&report::table::write(&record, style)));
    if !folder.write(&record) && code == exit::OK {
        code = exit::REPORT;
    }
    finish(ledger);
    // The reports are there even when nobody reads stdout to its end.
    printed.map(|()| code)
}

/// A selection by patterns.
pub fn selection(endpoints: &[String], cases: &[String]) -> Result<Selection, Failed> {
    Selection::new(endpoints, cases).map_err(selected_nothing)
}

/// A plan that starts now.
pub fn plan(
    inventory: &Inventory,
    catalogue: &Catalogue,
    selection: &Selection,
) -> Result<Plan, Failed> {
    let material = Material {
        suites: &catalogue.suites,
        clauses: &catalogue.clauses.clone().into(),
    };
    let started = Timestamp::now();
    let run = RunId::new(started, uuid::Uuid::new_v4().as_fields().0);
    plan::plan(inventory, &material, selection, &run, started).map_err(selected_nothing)
}

/// What a wrong pattern is answered with.
pub fn selected_nothing(error: SelectionError) -> Failed {
    Failed::Usage(match &error {
        SelectionError::Pattern(..) => error.to_string(),
        SelectionError::Nothing {
            what,
            pattern,
            names,
        } => inputs::unknown(&error.to_string(), pattern, names, &format!("{what}s")),
    })
}

/// What is to be done, and with what.
pub struct Work<'a> {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Whom to ask for tokens.
    pub inventory: &'a Inventory,
    /// Where the ledger goes, made if it is missing; `None` if the storage is thrown away afterwards.
    pub folder: Option<&'a Path>,
    /// The servers to which tokens point.
    pub listener: Arc<dyn Listener>,
    /// Our own other side of transfers.
    pub side: Option<Arc<dyn OtherSide>>,
    /// For the whole run; teardown comes after it.
    pub deadline: Duration,
    /// Learns the secrets.
    pub redactor: &'a Redactor,
}

impl Work<'_> {
    /// Does it, and hands `sink` every event. Signals end it early. The ledger says what is left.
    pub async fn carry_out(self, mut sink: impl FnMut(Event)) -> Result<Option<Ledger>, Failed> {
        let issuers: Vec<_> = self
            .plan
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.downtime.is_none())
            .flat_map(|endpoint| endpoint.endpoint.issuers())
            .collect();
        let partners = self.plan.partners.iter();
        let also: Vec<_> = partners
            .map(|partner| partner.observer.issuer.as_str())
            .collect();
        let broker = Broker::new(self.inventory, &issuers, self.redactor)
            .map_err(|error| Failed::Usage(error.to_string()))?
            .also(self.inventory, &also);
        let ledger = match self.folder {
            Some(folder) => Some(ledger(folder, &self.plan.run)?),
            None => None,
        };
        let (canceller, cancel) = Cancel::new();
        let signals = tokio::spawn(on_signals(canceller));
        let (sender, mut events) = mpsc::unbounded_channel();
        let resources = Resources {
            broker,
            redactor: self.redactor.clone(),
            ledger,
            listener: Some(self.listener),
            side: self.side,
            cancel,
            deadline: self.deadline,
        };
        let running = tokio::spawn(run::run(self.plan, resources, sender));
        while let Some(event) = events.recv().await {
            sink(event);
        }
        let ledger = running.await;
        signals.abort();
        Ok(ledger.ok().flatten())
    }
}

fn ledger(folder: &Path, run: &RunId) -> Result<Ledger, Failed> {
    let failed = |error: &dyn std::error::Error| Failed::Undecided(error.to_string());
    write::create_folder(folder).map_err(|error| failed(&error))?;
    Ledger::create(&folder.join(format!("ledger-{run}.jsonl")), run).map_err(|error| failed(&error))
}

/// The run broke off before its first event.
pub fn no_record() -> Failed {
    Failed::Undecided("the run ended without a record".into())
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

/// What results mean for whoever waits for the exit code.
pub fn exit_code(interrupted: bool, results: &[CaseResult]) -> u8 {
    let any = |verdicts: &[Verdict]| {
        results
            .iter()
            .any(|result| verdicts.contains(&result.verdict))
    };
    if interrupted {
        exit::INTERRUPTED
    } else if results.iter().any(CaseResult::red) {
        exit::FAILED
    } else if any(&[Verdict::Error]) || !any(&[Verdict::Pass, Verdict::Warn, Verdict::Fail]) {
        exit::UNDECIDED
    } else {
        exit::OK
    }
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
        let mut written = write_reports(&self.path, report::files(record));
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

/// Writes the files, whatever becomes of single ones; says whether all were written.
pub fn write_reports(folder: &Path, files: Vec<report::File>) -> bool {
    let mut written = true;
    for result in write::write_all(folder, files) {
        if let Err(error) = result {
            output::problem(&error.to_string());
            written = false;
        }
    }
    written
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
