use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use touchstone_engine::run::{self, CallbackServers, Ledger, Resources, TransferPeer};
use touchstone_engine::token::Broker;
use touchstone_engine::trace::span;
use touchstone_model::Event;
use touchstone_model::redact::Redactor;
use touchstone_model::{CaseResult, Inventory, Plan, RunId, RunRecord, Shard, Verdict};
use touchstone_reference::{Authority, ReferenceError};
use touchstone_report::json;
use touchstone_report::record::Recorder;
use touchstone_report::text::count;
use touchstone_suite::config::Catalogue;
use touchstone_suite::plan::{self, Material, Selection, SelectionError, ShardPart};

use super::args::{Judging, RunArgs};
use super::formats::Output;
use super::output::{self, Failed};
use super::progress::ProgressBars;
use super::remember::Memory;
use super::servers::listener;
use super::stop::Stop;
use super::{addresses, downtimes, exit, inputs, servers, write};

/// `touchstone run`
pub async fn main(arguments: &RunArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let catalogue = inputs::catalogue(arguments.files.suites.as_deref())?;
    let inventory = inputs::inventory(&arguments.files, &arguments.target, &catalogue)?;
    let failed = |error: ReferenceError| Failed::Undecided(error.to_string());
    let authority = Authority::new().map_err(failed)?;
    let callbacks = CallbackAddresses {
        listener: listener(&authority, arguments.listen.as_ref())?,
        everywhere: arguments.listen.is_some(),
        side: servers::given_side(arguments)?,
        pairs: arguments.tpc_matrix.then(|| arguments.tpc_pairs.get()),
        issuers: arguments.issuers,
        on_trial: Vec::new(),
        shard: arguments.shard,
        each_address: arguments.each_address,
    };
    judge(
        inventory,
        &catalogue,
        &arguments.only,
        &arguments.judging,
        callbacks,
        Memory::of(
            &arguments.remembering,
            arguments.judging.report_dir.is_none(),
        ),
        redactor,
    )
    .await
}

/// Who plays along beside the endpoints, and how.
pub struct CallbackAddresses {
    /// Opens them.
    pub listener: Arc<dyn CallbackServers>,
    /// Whether all storage can reach them, or only that on this machine.
    pub everywhere: bool,
    /// Our own other side of transfers, where storage trusts its certificate.
    pub side: Option<Arc<dyn TransferPeer>>,
    /// With `--tpc-matrix`, the most ordered pairs.
    pub pairs: Option<usize>,
    /// Whether the issuers are judged, whatever the file says.
    pub issuers: bool,
    /// Those that are judged in any case.
    pub on_trial: Vec<String>,
    /// Only this part of the run.
    pub shard: Option<ShardPart>,
    /// Whether every address of an endpoint is judged on its own.
    pub each_address: bool,
}

/// Plans, runs, prints and writes: what `run` and `demo` have in common.
pub async fn judge(
    mut inventory: Inventory,
    catalogue: &Catalogue,
    only: &[String],
    judging: &Judging,
    callbacks: CallbackAddresses,
    memory: Option<Memory>,
    redactor: &Redactor,
) -> Result<u8, Failed> {
    let stop = Stop::listen();
    let output = Output::of_run(&judging.formats)?;
    if let Some(jobs) = judging.jobs {
        for endpoint in inventory.endpoints.iter_mut().map(Arc::make_mut) {
            endpoint.limits.jobs = jobs.into();
        }
    }
    let mut selection = selection(only, &judging.cases)?;
    selection.profile = judging.profile;
    selection.mode = judging.weight.mode();
    selection.intrusive = judging.intrusive;
    selection.slow = judging.slow;
    selection.quick = judging.quick;
    selection.shuffle = judging.shuffle;
    selection.listen = callbacks.everywhere;
    selection.side = callbacks.side.is_some();
    selection.pairs = callbacks.pairs;
    selection.issuers = callbacks.issuers;
    selection.on_trial = callbacks.on_trial;
    selection.shard = callbacks.shard;
    if callbacks.each_address {
        let chosen = selection.endpoints(&inventory).map_err(selected_nothing)?;
        selection.addresses = unless_stopped(&stop, addresses::of(&chosen)).await?;
    }
    let (downtimes, notes) = unless_stopped(&stop, downtimes::all(&inventory)).await?;
    selection.downtimes = downtimes;
    let mut plan = plan(&inventory, catalogue, &selection)?;
    plan.notes = notes;
    if let Some(shard) = &plan.shard {
        tell(shard, &plan);
    }
    let folder = Folder::new(judging.report_dir.as_deref(), plan.run.as_str());
    let mut progress = ProgressBars::stderr(output::style_of_stderr());
    let mut recorder = Recorder::default();
    let work = Work {
        plan: Arc::new(plan),
        inventory: &inventory,
        folder: Some(&folder.path),
        listener: callbacks.listener,
        side: callbacks.side,
        deadline: judging.deadline,
        redactor,
    };
    let ledger = work
        .carry_out(&stop, |event| {
            progress.take(&event);
            recorder.take(event);
        })
        .await?;
    stop.over();
    drop(progress);
    let left = ledger.and_then(close);
    let record = recorder.finish().ok_or_else(no_record)?;
    let code = conclude(record, &folder, &output, memory).await;
    if let Some(left) = left {
        output::note(&left);
    }
    code
}

/// What `work` comes to, unless a signal comes first.
async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Result<T, Failed> {
    let cancel = stop.cancel();
    tokio::select! {
        done = work => Ok(done),
        () = cancel.cancelled() => Err(Failed::Interrupted),
    }
}

/// Remembers, writes and prints what a run found: its exit code.
pub async fn conclude(
    mut record: RunRecord,
    folder: &Folder,
    output: &Output,
    memory: Option<Memory>,
) -> Result<u8, Failed> {
    let memory = memory.filter(|memory| memory.take_in(&mut record));
    let code = exit_code(record.run.interrupted, &record.results);
    // The reports are there even when nobody reads stdout to its end.
    let writing = folder.write(&record, output);
    let written = writing.instrument(span!("reports")).await;
    if let Some(memory) = memory {
        memory.write_index();
    }
    if !written && !folder.has_record_of(&record) {
        write::keep_record(&record);
    }
    let printed = match output.print(&record, code, written) {
        // Whoever reads stdout may have enough of it; what was found is no other for that.
        Err(Failed::BrokenPipe) => Ok(code),
        Err(Failed::Undecided(message)) => {
            output::problem(&message);
            Ok(if code == exit::OK { exit::REPORT } else { code })
        }
        printed => printed,
    };
    if written {
        let shard = record.run.shard.as_ref();
        let whose = shard.map_or_else(String::new, |shard| format!(" of shard {shard}"));
        output::note(&format!("reports{whose}: {}", folder.path.display()));
    }
    printed
}

/// Says what of the run this shard is.
fn tell(shard: &Shard, plan: &Plan) {
    let rows = plan.rows().filter(|row| !row.cases.is_empty());
    let own: usize = plan.rows().map(|row| row.cases.len()).sum();
    output::note(&match own {
        0 => format!(
            "shard {shard} has nothing to do: the whole run has {} in {}; take fewer shards",
            count(shard.cases, "case"),
            count(shard.rows, "row")
        ),
        _ => format!(
            "shard {shard}: {own} of {} in {} of {}, plan {}",
            count(shard.cases, "case"),
            rows.count(),
            count(shard.rows, "row"),
            shard.plan
        ),
    });
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
    pub listener: Arc<dyn CallbackServers>,
    /// Our own other side of transfers.
    pub side: Option<Arc<dyn TransferPeer>>,
    /// For the whole run; teardown comes after it.
    pub deadline: Duration,
    /// Learns the secrets.
    pub redactor: &'a Redactor,
}

impl Work<'_> {
    /// Does it, and hands `sink` every event. `stop` ends it early. The ledger says what is left.
    pub async fn carry_out(
        self,
        stop: &Stop,
        mut sink: impl FnMut(Event),
    ) -> Result<Option<Ledger>, Failed> {
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
        if stop.cancel().is_cancelled() {
            return Err(Failed::Interrupted);
        }
        let ledger = match self.folder {
            Some(folder) => Some(ledger(folder, &self.plan.run)?),
            None => None,
        };
        let (sender, mut events) = mpsc::unbounded_channel();
        let resources = Resources {
            broker,
            redactor: self.redactor.clone(),
            ledger,
            listener: Some(self.listener),
            side: self.side,
            cancel: stop.cancel(),
            deadline: self.deadline,
        };
        let running = run::run(self.plan, resources, sender);
        let running = tokio::spawn(running.in_current_span());
        while let Some(event) = events.recv().await {
            sink(event);
        }
        Ok(running.await.ok().flatten())
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
pub struct Folder {
    path: PathBuf,
    /// Whether `latest` beside it points to it: when nobody chose another folder.
    newest: bool,
}

impl Folder {
    /// The chosen one, or `name` below `reports`.
    pub fn new(chosen: Option<&Path>, name: &str) -> Self {
        match chosen {
            Some(path) => Self {
                path: path.to_owned(),
                newest: false,
            },
            None => Self {
                path: Path::new("reports").join(name),
                newest: true,
            },
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the record of that run is there.
    fn has_record_of(&self, record: &RunRecord) -> bool {
        std::fs::read_to_string(self.path.join(json::FILE))
            .is_ok_and(|text| text.contains(record.run.id.as_str()))
    }

    /// Writes every report, whatever becomes of the others; says whether all were written.
    async fn write(&self, record: &RunRecord, output: &Output) -> bool {
        // Of two runs with one folder, the later one's reports are there, and not some of each.
        let _turn = write::turn(&self.path).await;
        let mut written = output.write(record, Some(&self.path)).await;
        // `latest` speaks for the whole, and a part takes the place of nothing but another part.
        let worthy = !record.run.is_partial() || !write::latest_is_whole(&self.path);
        if self.newest
            && worthy
            && let Err(error) = write::point_latest(&self.path)
        {
            output::problem(&error.to_string());
            written = false;
        }
        written
    }
}

/// Removes the ledger if nothing is left on storage, and says otherwise what is to be done.
fn close(ledger: Ledger) -> Option<String> {
    let left = ledger.left().len();
    let path = ledger.path().display().to_string();
    (!ledger.close() && left > 0).then(|| {
        format!(
            "{left} objects could not be removed from storage; `touchstone clean` tries again (ledger: {path})"
        )
    })
}
