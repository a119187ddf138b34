use std::fmt::Write;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::http::{Caller, Client, Manners};
use crate::model::{Endpoint, Inventory, Leftover, RunId};
use crate::plan;
use crate::redact::Redactor;
use crate::report::text::{count, line};
use crate::run::{Account, BEGUN, Cleaner, Ledger, Remaining};
use crate::token::{Broker, Token};

use super::args::CleanArgs;
use super::output::{self, Failed};
use super::{exit, inputs};

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
    remove_unborn(&arguments.report_dir);
    for path in ledgers(&arguments.report_dir) {
        match hold(&path) {
            Hold::Free(_held) => tidy &= sweeper.ledger(&path).await?,
            Hold::Gone => {}
            Hold::Taken => {
                output::note(&format!(
                    "{}: its run is still going on, or somebody cleans up after it; it is left alone",
                    path.display()
                ));
                living.extend(run_of(&path));
            }
        }
    }
    if let Some(age) = arguments.older_than {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        let before = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN);
        for endpoint in &inventory.endpoints {
            tidy &= sweeper.endpoint(endpoint, before, &living).await?;
        }
    }
    if tidy {
        let but = match living.len() {
            0 => String::new(),
            1 => " but by the run that goes on".to_owned(),
            number => format!(" but by the {number} runs that go on"),
        };
        output::result(&format!("nothing is left behind{but}\n"))?;
    }
    Ok(if tidy { exit::OK } else { exit::UNDECIDED })
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
        let Account {
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
            tidy &= self.remove(endpoint, run.as_ref(), &paths).await?;
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
        };
        let area = &endpoint.area;
        let protected = endpoint.traits.groups.as_ref();
        let protected = protected.map(|groups| format!("{area}{}", groups.protected));
        let second = endpoint.second.as_ref().map(|second| second.path.clone());
        let mut tidy = true;
        let tape = endpoint.traits.tape.as_ref();
        let tape = tape.map(|tape| format!("{area}{}", tape.path));
        let elsewhere = protected.into_iter().chain(tape).chain(second);
        for parent in std::iter::once(area.clone()).chain(elsewhere) {
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
            let old: Vec<_> = marked
                .into_iter()
                .filter(|(run, _)| !living.contains(run))
                .filter(|(run, _)| run.started().is_some_and(|started| started < before))
                .map(|(_, path)| path)
                .collect();
            let stayed = cleaner.remove(old.iter().map(String::as_str), None).await;
            tidy &= report(endpoint, old.len(), &stayed)?;
        }
        Ok(tidy)
    }

    async fn remove(
        &self,
        endpoint: &Endpoint,
        run: Option<&RunId>,
        paths: &[&str],
    ) -> Result<bool, Failed> {
        let (client, token, second) = match self.access(endpoint).await {
            Ok(access) => access,
            Err(reason) => return Ok(untidy(endpoint, &reason)),
        };
        let caller = Caller {
            run: run.map_or("clean", RunId::as_str),
            case: "clean",
        };
        let cleaner = Cleaner {
            client: &client,
            endpoint,
            caller,
            token: &token,
            second: second.as_ref(),
        };
        let stayed = cleaner.remove(paths.iter().copied(), None).await;
        report(endpoint, paths.len(), &stayed)
    }

    async fn access(&self, endpoint: &Endpoint) -> Result<(Client, Token, Option<Token>), String> {
        if endpoint.traits.read_only.is_some() {
            return Err("the endpoint is declared read-only, so nothing is removed there".into());
        }
        let manners = Arc::new(Manners::new(&endpoint.limits));
        let client = Client::new(endpoint, &manners, self.redactor);
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
    match File::open(path) {
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

fn report(endpoint: &Endpoint, asked: usize, stayed: &[Leftover]) -> Result<bool, Failed> {
    let mut text = String::new();
    if asked > 0 {
        let _ = writeln!(
            text,
            "{}: {} of {asked} removed",
            endpoint.name,
            asked - stayed.len()
        );
    }
    for leftover in stayed {
        let _ = writeln!(
            text,
            "  {}: {}",
            line(&leftover.url),
            line(&leftover.reason)
        );
    }
    output::result(&text)?;
    Ok(stayed.is_empty())
}
