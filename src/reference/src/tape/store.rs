use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::path::ObjectPath;

/// Looks at a request until its files are being fetched, and until they are there.
const STARTED: u32 = 2;
const COMPLETED: u32 = 6;
/// Requests that are kept.
pub(super) const MAX_REQUESTS: usize = 10_000;

/// The directory whose files go to tape, and what is being fetched.
pub(crate) struct Nearline {
    /// In the namespace.
    pub(super) directory: ObjectPath,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Files of the nearline directory that are on disk as well.
    pub(super) staged: BTreeSet<ObjectPath>,
    pub(super) requests: BTreeMap<String, Recall>,
}

/// A request to bring files to disk.
pub(super) struct Recall {
    created: i64,
    looks: u32,
    /// `jti` of the token that has staged it.
    pub(super) made_with: String,
    pub(super) files: Vec<Entry>,
}

/// One of its files.
#[derive(Clone)]
pub(crate) struct Entry {
    /// As the API names it.
    pub(super) path: String,
    pub(super) object: ObjectPath,
    pub(super) state: EntryState,
    /// Whether it need not stay on disk any more.
    pub(super) released: bool,
}

/// How far a file of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryState {
    /// It was there when it was asked for.
    OnDisk,
    /// It is being fetched.
    Pending,
    Cancelled,
    Completed,
    /// It will not be fetched, for that reason.
    Failed(&'static str),
}

impl Nearline {
    pub(crate) fn new(directory: ObjectPath) -> Self {
        Self {
            directory,
            state: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recall {
    pub(super) fn new(files: Vec<Entry>, made_with: &str) -> Self {
        Self {
            created: Timestamp::now().as_millisecond(),
            looks: 0,
            made_with: made_with.to_owned(),
            files,
        }
    }

    /// Each look brings the files nearer; returns those that are there now.
    pub(super) fn look(&mut self) -> Vec<ObjectPath> {
        self.looks = self.looks.saturating_add(1);
        if self.looks < COMPLETED {
            return Vec::new();
        }
        let mut come = Vec::new();
        for entry in &mut self.files {
            if entry.state == EntryState::Pending {
                entry.state = EntryState::Completed;
                come.push(entry.object.clone());
            }
        }
        come
    }

    /// Whether a file has come.
    pub(super) fn arrived(&self) -> bool {
        let mut files = self.files.iter();
        files.any(|entry| entry.state == EntryState::Completed)
    }

    /// As the API tells it.
    pub(super) fn tell(&self, id: &str) -> Value {
        let file = |entry: &Entry| {
            let path = &entry.path;
            let with = |state: &str| json!({"path": path, "state": state});
            match entry.state {
                EntryState::OnDisk => json!({"path": path, "onDisk": true}),
                EntryState::Pending if self.looks < STARTED => with("SUBMITTED"),
                EntryState::Pending => {
                    json!({"path": path, "state": "STARTED", "startedAt": self.created})
                }
                EntryState::Cancelled => with("CANCELLED"),
                EntryState::Completed => json!({
                    "path": path, "state": "COMPLETED",
                    "startedAt": self.created, "finishedAt": self.created,
                }),
                EntryState::Failed(why) => {
                    json!({"path": path, "state": "FAILED", "error": why})
                }
            }
        };
        let files: Vec<Value> = self.files.iter().map(file).collect();
        json!({"id": id, "createdAt": self.created, "startedAt": self.created, "files": files})
    }
}
