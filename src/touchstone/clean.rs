use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use touchstone_engine::files::open_regular;
use touchstone_engine::http::{Caller, Client, Guard, HostLimiter};
use touchstone_engine::run::{
    BEGUN, Cleaner, Ledger, LedgerSummary, MadeObject, Patience, Remaining, Removed,
};
use touchstone_engine::token::{Broker, Token};
use touchstone_model::redact::Redactor;
use touchstone_model::{Endpoint, Inventory, RunId};
use touchstone_report::text::{count, line};
use touchstone_suite::plan;

use super::args::CleanArgs;
use super::output::{self, Failed};
use super::{exit, inputs};

/// For what is left at one endpoint: servers that remove no directory with its members want a request for each.
const PATIENCE: Duration = Duration::from_secs(600);

/// So many leftovers of an endpoint are shown one by one.
const SHOWN: usize = 100;

/// `touchstone clean`
pub async fn main(arguments: &CleanArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let catalogue = inputs::catalogue(arguments.files.suites.as_deref())?;
    let inventory = inputs::inventory(&arguments.files, &arguments.target, &catalogue)?;
    let names: Vec<_> = inventory
        .issuers
        .iter()
        .map(|issuer| issuer.name.as_str())
        .collect();
    let broker = Broker::new(&inventory, &names, redactor)
        .map_err(|error| Failed::Usage(error.to_string()))?;
    let sweeper = Sweeper {
        inventory: &inventory,
        broker: &broker,
        redactor,
    };
    let mut tidy = true;
    let mut living = Vec::new();
    let before = arguments.older_than.map(|age| {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN)
    });
    let old = |run: &RunId| {
        run.started()
            .zip(before)
            .is_some_and(|(at, before)| at < before)
    };
    remove_unborn(&arguments.report_dir);
    for path in ledgers(&arguments.report_dir) {
        let run = run_of(&path);
        // Whoever may read a ledger can lock it: that alone keeps nobody from cleaning up for ever.
        let anyway = arguments.force || run.as_ref().is_some_and(old);
        match hold(&path) {
            Hold::Free(_held) => tidy &= sweeper.ledger(&path).await?,
            Hold::Gone => {}
            Hold::Taken if anyway => tidy &= sweeper.ledger(&path).await?,
            Hold::Taken => {
                output::note(&format!(
                    "{}: its run is still going on, or somebody else has locked it; it is left alone, until it is older than `--older-than` or with `--force`",
                    path.display()
                ));
                living.push(run);
            }
        }
    }
    if let Some(before) = before {
        let living: Vec<_> = living.iter().flatten().cloned().collect();
        for endpoint in &inventory.endpoints {
            tidy &= sweeper.endpoint(endpoint, before, &living).await?;
        }
    }
    if tidy {
        let but = match living.len() {
            0 => String::new(),
            1 => " but by the run that seems to go on".to_owned(),
            number => format!(" but by the {number} runs that seem to go on"),
        };
        output::result(&format!("nothing is left behind{but}\n"))?;
    }
    Ok(match tidy && living.is_empty() {
        true => exit::OK,
        false => exit::UNDECIDED,
    })
}

/// The ledgers of runs whose reports are in `folder` or directly below it.
fn ledgers(folder: &Path) -> Vec<PathBuf> {
    files(folder, |name| {
        name.strip_prefix("ledger-")
            .is_some_and(|rest| rest.ends_with(".jsonl"))
    })
}

/// Removes ledgers that got no name, because their runs were killed before they could create anything.
fn remove_unborn(folder: &Path) {
    for path in files(folder, |name| name.starts_with(BEGUN)) {
        if matches!(hold(&path), Hold::Free(_)) {
            // Another time, then.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The files in `folder` or directly below it whose names are `wanted`.
fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let read = std::fs::read_dir(folder).into_iter().flatten().flatten();
        // `latest` points to one of the others.
        read.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()))
            .map(|entry| entry.path())
            .collect()
    };
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(&wanted)
    };
    let top = entries(folder);
    let below = top
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|path| entries(path));
    let mut found: Vec<_> = top.iter().cloned().chain(below).filter(named).collect();
    found.sort();
    found
}

struct Sweeper<'a> {
    inventory: &'a Inventory,
    broker: &'a Broker,
    redactor: &'a Redactor,
}

impl Sweeper<'_> {
    /// Finishes what the run that wrote the ledger could not; says whether nothing is left.
    async fn ledger(&self, path: &Path) -> Result<bool, Failed> {
        let shown = path.display();
        let account = match Ledger::read(path) {
            Ok(account) => account,
            Err(error) => {
                output::problem(&error.to_string());
                return Ok(false);
            }
        };
        let LedgerSummary {
            run,
            left,
            unreadable,
        } = account;
        if unreadable > 0 {
            output::note(&format!(
                "{shown}: {} could not be read; what they would name was not created",
                count(unreadable, "line")
            ));
        }
        let mut tidy = true;
        let mut areas: Vec<_> = left
            .iter()
            .map(|object| (&object.endpoint, &object.area))
            .collect();
        areas.sort();
        areas.dedup();
        for (name, area) in areas {
            let known = self.inventory.endpoints.iter();
            let Some(endpoint) = known
                .into_iter()
                .find(|e| e.name == *name && e.area_url() == *area)
            else {
                output::problem(&format!(
                    "{shown} names the endpoint `{}` with the area {}, which the configuration does not; give the one with which the run was made",
                    line(name),
                    line(area),
                ));
                tidy = false;
                continue;
            };
            let of_area = |object: &&Remaining| object.endpoint == *name && object.area == *area;
            let paths: Vec<_> = left
                .iter()
                .filter(of_area)
                .map(|object| object.path.as_str())
                .collect();
            // Before its first line is there, nothing is created.
            let Some(run) = &run else {
                continue;
            };
            tidy &= self.remove(endpoint, run, &paths).await?;
        }
        if tidy && let Err(error) = std::fs::remove_file(path) {
            output::problem(&format!("cannot remove {shown}: {error}"));
            tidy = false;
        }
        Ok(tidy)
    }

    /// Looks on the storage itself for the directories of runs that began before `before`, but for the living ones.
    async fn endpoint(
        &self,
        endpoint: &Endpoint,
        before: Timestamp,
        living: &[RunId],
    ) -> Result<bool, Failed> {
        if endpoint.traits.read_only.is_some() {
            return Ok(true);
        }
        let (client, token, second) = match self.access(endpoint).await {
            Ok(access) => access,
            Err(reason) => return Ok(untidy(endpoint, &reason)),
        };
        let caller = Caller {
            run: "clean",
            case: "older-than",
        };
        let cleaner = Cleaner {
            client: &client,
            endpoint,
            caller,
            token: &token,
            second: second.as_ref(),
            patience: &Patience::new(PATIENCE),
        };
        let mut tidy = true;
        for parent in endpoint.places() {
            let parent = if parent.is_empty() {
                "/"
            } else {
                parent.as_str()
            };
            let marked = match cleaner.marked(parent).await {
                Ok(marked) => marked,
                Err(reason) => {
                    tidy = untidy(endpoint, &reason);
                    continue;
                }
            };
            for name in &marked.alike {
                output::note(&format!(
                    "{}: {}/{} is called like the directory of a run, but touchstone makes no such name; it is left alone",
                    endpoint.name,
                    parent.trim_end_matches('/'),
                    line(name)
                ));
            }
            let mut old: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for (run, path) in marked.ours {
                if !living.contains(&run) && run.started().is_some_and(|at| at < before) {
                    old.entry(run).or_default().push(path);
                }
            }
            let mut removed = Removed::default();
            for (run, paths) in &old {
                let client = client.guarded(Guard::of_run(endpoint, run, std::iter::empty()));
                let cleaner = Cleaner {
                    client: &client,
                    ..cleaner
                };
                let paths: Vec<_> = paths.iter().map(|path| MadeObject::at(path)).collect();
                let of_run = cleaner.remove(&paths, None, None).await;
                removed.stayed.extend(of_run.stayed);
                removed.elsewhere.extend(of_run.elsewhere);
            }
            tidy &= report(endpoint, old.values().map(Vec::len).sum(), &removed)?;
        }
        Ok(tidy)
    }

    async fn remove(
        &self,
        endpoint: &Endpoint,
        run: &RunId,
        paths: &[&str],
    ) -> Result<bool, Failed> {
        let (client, token, second) = match self.access(endpoint).await {
            Ok(access) => access,
            Err(reason) => return Ok(untidy(endpoint, &reason)),
        };
        let caller = Caller {
            run: run.as_str(),
            case: "clean",
        };
        let cleaner = Cleaner {
            client: &client.guarded(Guard::of_run(endpoint, run, std::iter::empty())),
            endpoint,
            caller,
            token: &token,
            second: second.as_ref(),
            patience: &Patience::new(PATIENCE),
        };
        let objects: Vec<_> = paths.iter().copied().map(MadeObject::at).collect();
        let removed = cleaner.remove(&objects, None, None).await;
        report(endpoint, paths.len(), &removed)
    }

    async fn access(&self, endpoint: &Endpoint) -> Result<(Client, Token, Option<Token>), String> {
        if endpoint.traits.read_only.is_some() {
            return Err("the endpoint is declared read-only, so nothing is removed there".into());
        }
        let limiter = Arc::new(HostLimiter::new(&endpoint.limits));
        let client = Client::new(endpoint, &limiter, self.redactor, Guard::nothing());
        let client = client.map_err(|error| error.to_string())?;
        let request = plan::observer(self.inventory, endpoint)
            .ok_or("there is no way to obtain a token for it")?;
        let token = self
            .broker
            .observers(endpoint, &request)
            .await
            .map_err(|error| error.to_string())?;
        let second = match plan::second_observer(self.inventory, endpoint) {
            Some(request) => self.broker.observers(endpoint, &request).await.ok(),
            None => None,
        };
        Ok((client, token, second))
    }
}

/// Who has a ledger.
enum Hold {
    /// We, for as long as the file lives, or nobody can: reading it tells why.
    Free(Option<File>),
    /// Its run, or another `clean`.
    Taken,
    /// Nobody: its run has ended meanwhile.
    Gone,
}

fn hold(path: &Path) -> Hold {
    match open_regular(path) {
        Ok(file) if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) => Hold::Taken,
        // It was removed before it was locked.
        Ok(_) if !path.exists() => Hold::Gone,
        Ok(file) => Hold::Free(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Hold::Gone,
        Err(_) => Hold::Free(None),
    }
}

/// The run whose ledger has that name.
fn run_of(path: &Path) -> Option<RunId> {
    let name = path.file_name()?.to_str()?;
    let run = name.strip_prefix("ledger-")?.strip_suffix(".jsonl")?;
    run.parse().ok()
}

fn untidy(endpoint: &Endpoint, reason: &str) -> bool {
    output::problem(&format!("{}: {}", endpoint.name, line(reason)));
    false
}

fn report(endpoint: &Endpoint, asked: usize, removed: &Removed) -> Result<bool, Failed> {
    let Removed { stayed, elsewhere } = removed;
    let own = endpoint.origin();
    let elsewhere: Vec<_> = elsewhere.iter().filter(|place| **place != own).collect();
    let mut text = String::new();
    if asked > 0 {
        let _ = writeln!(
            text,
            "{}: {} of {asked} removed",
            endpoint.name,
            asked - stayed.len()
        );
    }
    for leftover in stayed.iter().take(SHOWN) {
        let _ = writeln!(
            text,
            "  {}: {}",
            line(&leftover.url),
            line(&leftover.reason)
        );
    }
    if stayed.len() > SHOWN {
        let _ = writeln!(text, "  and {} more", stayed.len() - SHOWN);
    }
    for place in elsewhere {
        let _ = writeln!(text, "  removed at {place}, to which it redirects");
    }
    output::result(&text)?;
    Ok(stayed.is_empty())
}
