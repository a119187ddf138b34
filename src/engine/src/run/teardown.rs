//! Removes what a run made, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use crate::http::{Caller, Client};
use crate::token::Token;
use touchstone_model::{Answer, Endpoint, Exchange, Leftover, Marker, Method, Purpose, RunId};
use touchstone_protocol::{Properties, properties};

use super::case::{depth, observer_of};
use super::ledger::Ledger;
use super::made::MadeObject;
use super::observer::Observer;

/// How often an object is asked to go away.
const TRIES: u32 = 3;
/// For all that the teardown of a case or an endpoint removes.
const TEARDOWN: Duration = Duration::from_secs(60);
/// As long as nothing goes.
const STANDSTILL: Duration = Duration::from_secs(60);
/// Objects that are removed side by side. What a hostile listing has below each of them is in memory at once.
const SIDE_BY_SIDE: usize = 8;
/// Members of one of them.
const MEMBERS: usize = 4;
const OVER: &str = "the time for teardown is over";
/// What stands before the reason why something is there that is in the way.
const BELOW: &str = "; below it: ";
/// How deep leftovers are followed; nothing of ours is deeper.
const DEPTH: usize = 16;

/// What a path component may hold as it is (RFC 3986 section 3.3).
const COMPONENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b';')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Removes objects below one endpoint's area.
pub struct Cleaner<'a> {
    /// The way there.
    pub client: &'a Client,
    /// Where.
    pub endpoint: &'a Endpoint,
    /// On whose behalf.
    pub caller: Caller<'a>,
    /// The observer's token.
    pub token: &'a Token,
    /// The one of the second area.
    pub second: Option<&'a Token>,
    /// How long it may take.
    pub patience: &'a Patience,
}

/// How long removals may take that belong together.
#[derive(Debug)]
pub struct Patience {
    deadline: Instant,
    /// When something went the last time.
    progress: Mutex<Instant>,
}

/// What lies directly below a directory and begins with what begins the names of ours.
#[derive(Debug, Default)]
pub struct Marked {
    /// Directories of runs, each with its run and its path on the service.
    pub ours: Vec<(RunId, String)>,
    /// Names that touchstone does not make.
    pub alike: Vec<String>,
}

/// How a removal ended.
#[derive(Debug, Default)]
pub struct Removed {
    /// What is still there, or may be.
    pub stayed: Vec<Leftover>,
    /// The servers to which the endpoint has redirected what removes.
    pub elsewhere: BTreeSet<String>,
}

/// What a look has shown.
enum Seen {
    Absent,
    Present,
    /// The service lets nobody look, for this reason.
    Hidden(String),
    /// No look came about, for this reason.
    Unseen(String),
}

impl Patience {
    /// At most `whole`, and less where nothing goes.
    pub fn new(whole: Duration) -> Self {
        let now = Instant::now();
        Self {
            deadline: now + whole,
            progress: Mutex::new(now),
        }
    }

    /// For the teardown of a case or an endpoint.
    pub fn of_teardown() -> Self {
        Self::new(TEARDOWN)
    }

    fn progress(&self) -> MutexGuard<'_, Instant> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || self.progress().elapsed() >= STANDSTILL
    }
}

impl Cleaner<'_> {
    /// Removes `objects`, the deepest first and those of one depth side by side, each with what is below it, and looks whether
    /// they are gone. What lies below another of them, or below `root`, which is removed later, is not looked at.
    pub async fn remove(
        &self,
        objects: &[MadeObject<'_>],
        root: Option<&str>,
        ledger: Option<&Ledger>,
    ) -> Removed {
        let elsewhere = Mutex::default();
        let mut levels: BTreeMap<usize, Vec<MadeObject<'_>>> = BTreeMap::new();
        for object in objects {
            levels.entry(depth(object.path)).or_default().push(*object);
        }
        let (mut gone, mut stayed) = (Vec::new(), Vec::new());
        let note = |path| {
            if let Some(ledger) = ledger {
                ledger.gone(self.endpoint.listed_name(), path);
            }
        };
        for level in levels.into_values().rev() {
            let removed = Vec::from_iter(level.iter().map(async |object| {
                let mut above = objects.iter().map(|other| other.path).chain(root);
                let covered = self.endpoint.traits.directories
                    && above.any(|above| is_below(object.path, above));
                let task = Task {
                    look: !covered,
                    elsewhere: &elsewhere,
                };
                let removed = self.object(object, &task).await;
                if removed.is_ok() {
                    note(object.path);
                }
                (object.path, removed)
            }));
            let removed = stream::iter(removed).buffered(SIDE_BY_SIDE);
            for (path, removed) in removed.collect::<Vec<_>>().await {
                match removed {
                    Ok(()) => gone.push(path),
                    Err(reason) => stayed.push((path, reason)),
                }
            }
        }
        let mut leftovers = Vec::new();
        for (path, reason) in stayed {
            // Its directory may have taken it along.
            let above = gone.iter().any(|above| is_below(path, above));
            let look = above && !self.patience.is_over();
            if look && matches!(self.seen(&self.observer(path), path).await, Seen::Absent) {
                note(path);
            } else {
                let url = self.endpoint.url_of(path);
                leftovers.push(Leftover { url, reason });
            }
        }
        Removed {
            stayed: leftovers,
            elsewhere: elsewhere
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The directories of runs directly below `parent`, a path on the service, and what is called like one.
    ///
    /// # Errors
    /// The listing cannot be had.
    pub async fn marked(&self, parent: &str) -> Result<Marked, String> {
        let observer = self.observer(parent);
        let mut marked = Marked::default();
        let members = self.members(&observer, parent).await?;
        // However long that took.
        *self.patience.progress() = Instant::now();
        for name in members {
            match Marker::parse(&name) {
                Some(marker) => {
                    let path = format!("{}/{name}", parent.trim_end_matches('/'));
                    marked.ours.push((marker.run().clone(), path));
                }
                None if Marker::resembles(&name) => marked.alike.push(name),
                None => {}
            }
        }
        Ok(marked)
    }

    async fn object(&self, object: &MadeObject<'_>, task: &Task<'_>) -> Result<(), String> {
        if object.refused {
            // Nothing was made, says the service. Where it does not let us look either, there is nothing else to go by.
            let observer = self.observer(object.path);
            match self.seen(&observer, object.path).await {
                Seen::Absent | Seen::Hidden(_) => return Ok(()),
                Seen::Present | Seen::Unseen(_) => {}
            }
        }
        self.tree(object.path, task, DEPTH).await
    }

    async fn tree(&self, path: &str, task: &Task<'_>, depth: usize) -> Result<(), String> {
        if self.patience.is_over() {
            return Err(OVER.to_owned());
        }
        let url = self.endpoint.url_of(path);
        self.client.guard().permits(&url)?;
        let observer = self.observer(path);
        let mut reason = String::new();
        let mut emptied = false;
        for attempt in 0..TRIES {
            if attempt > 0 && self.patience.is_over() {
                return Err(format!("{reason}; {OVER}"));
            }
            if attempt > 0 && !emptied {
                tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            }
            emptied = false;
            let mut log = Vec::new();
            let sent = observer.send(Purpose::Teardown, Method::Delete, path, &[], None, &mut log);
            let sent = sent.await;
            if sent.as_ref().is_ok_and(Answer::success) {
                task.note(&log);
                *self.patience.progress() = Instant::now();
            }
            match sent {
                // What lies below something that is looked at later is believed to be gone until then.
                Ok(answer) if !task.look && matches!(answer.status, 200 | 204 | 404 | 410) => {
                    return Ok(());
                }
                Ok(answer) => reason = format!("DELETE was answered {}", answer.status),
                Err(error) => reason = error,
            }
            match self.seen(&observer, path).await {
                Seen::Absent => return Ok(()),
                Seen::Present => reason.push_str(", and it is still there"),
                Seen::Hidden(why) | Seen::Unseen(why) => {
                    reason.push_str(&format!(
                        ", and whether it is still there cannot be seen: {why}"
                    ));
                }
            }
            if depth == 0 {
                continue;
            }
            // A directory that is not empty: something came to be that nobody asked for, or it has to be emptied first.
            if let Ok(members) = self.members(&observer, path).await {
                emptied = !members.is_empty();
                // Their directory is looked at afterwards.
                let below = Task {
                    look: false,
                    ..*task
                };
                let removed = Vec::from_iter(members.iter().map(async |name| {
                    let member = format!("{path}/{}", utf8_percent_encode(name, COMPONENT));
                    Box::pin(self.tree(&member, &below, depth - 1)).await
                }));
                let side_by_side = if depth == DEPTH { MEMBERS } else { 1 };
                let removed = stream::iter(removed).buffered(side_by_side);
                let removed: Vec<_> = removed.collect().await;
                if let Some(why) = removed.into_iter().find_map(Result::err) {
                    let why = why.rsplit(BELOW).next().unwrap_or_default();
                    return Err(format!("{reason}{BELOW}{why}"));
                }
            }
        }
        Err(reason)
    }

    /// Whether something is at `path`: where a status says that it is gone, or was never made, this tells.
    async fn seen(&self, observer: &Observer<'_>, path: &str) -> Seen {
        let depth = [("depth".to_owned(), "0".to_owned())];
        let mut ways: [(Method, &[_]); 2] = [(Method::Propfind, &depth), (Method::Head, &[])];
        let traits = &self.endpoint.traits;
        if !traits.directories || !traits.propfind {
            ways.reverse();
        }
        let mut reasons = Vec::new();
        for (method, headers) in ways {
            let mut log = Vec::new();
            let sent = observer.send(Purpose::Teardown, method, path, headers, None, &mut log);
            match sent.await {
                Ok(answer) if matches!(answer.status, 404 | 410) => return Seen::Absent,
                Ok(answer) if answer.success() => return Seen::Present,
                Ok(answer) => reasons.push(format!("{method} was answered {}", answer.status)),
                Err(reason) => return Seen::Unseen(reason),
            }
        }
        Seen::Hidden(reasons.join(", "))
    }

    /// Names of what is directly in `path`; names that could lead elsewhere are left out.
    async fn members(&self, observer: &Observer<'_>, path: &str) -> Result<Vec<String>, String> {
        let headers = [("depth".to_owned(), "1".to_owned())];
        let answer = observer
            .send(
                Purpose::Teardown,
                Method::Propfind,
                path,
                &headers,
                None,
                &mut Vec::new(),
            )
            .await?;
        // Where nothing is, nothing is left.
        if matches!(answer.status, 404 | 410) {
            return Ok(Vec::new());
        }
        if answer.status != 207 {
            return Err(format!("PROPFIND {path} was answered {}", answer.status));
        }
        let own = path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let mut members = properties(&answer.body)?;
        // The collection itself is among them, in any place; where it is called otherwise, it is the first one.
        let itself = members.iter().position(|member| member.name == own);
        let first = |member: &Properties| member.collection && !Marker::resembles(&member.name);
        match itself {
            Some(itself) => drop(members.remove(itself)),
            None if members.first().is_some_and(first) => drop(members.remove(0)),
            None => {}
        }
        Ok(members
            .into_iter()
            .map(|member| member.name)
            .filter(|name| !name.is_empty() && name != "." && name != ".." && !name.contains('/'))
            .collect())
    }

    fn observer(&self, path: &str) -> Observer<'_> {
        Observer {
            client: self.client,
            endpoint: self.endpoint,
            caller: self.caller,
            token: observer_of(self.endpoint, path, self.token, self.second),
            deadline: self.patience.deadline,
        }
    }
}

/// What one removal has in common.
struct Task<'a> {
    /// Whether to look what is really there.
    look: bool,
    elsewhere: &'a Mutex<BTreeSet<String>>,
}

impl Task<'_> {
    /// Remembers where something was removed that was asked for at the endpoint.
    fn note(&self, log: &[Exchange]) {
        let last = log.last().and_then(|exchange| exchange.hops.last());
        // After 303 there was only a look.
        let last = last.filter(|hop| hop.status != 303);
        let place = last.and_then(|hop| Url::parse(&hop.url).ok()?.join(&hop.location).ok());
        if let Some(place) = place {
            let mut elsewhere = self
                .elsewhere
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            elsewhere.insert(place.origin().ascii_serialization());
        }
    }
}

/// Whether `path` lies below `above`.
fn is_below(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.starts_with('/'))
}
