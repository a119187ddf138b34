//! What may have come to be on storage, and what the service said of it.

use std::sync::{Mutex, PoisonError};

use super::observer::NotMade;

/// What a case may have made at an endpoint, or the run before its cases.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    path: String,
    /// Requests that could have made it.
    sent: usize,
    /// Of them those of which the service said that they made nothing.
    refused: usize,
}

/// An object that is to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeObject<'a> {
    /// Absolute on the service.
    pub path: &'a str,
    /// Whether the service has said each time that it made nothing.
    pub refused: bool,
}

impl<'a> MadeObject<'a> {
    /// One that may be there.
    pub fn at(path: &'a str) -> Self {
        Self {
            path,
            refused: false,
        }
    }
}

impl<'a> From<&'a (String, bool)> for MadeObject<'a> {
    fn from((path, refused): &'a (String, bool)) -> Self {
        Self {
            path,
            refused: *refused,
        }
    }
}

impl Made {
    /// Whether anything was sent that could make it.
    pub fn knows(&self, path: &str) -> bool {
        self.entries().iter().any(|entry| entry.path == path)
    }

    /// A request is about to be sent that could make `path`.
    pub fn sending(&self, path: &str) {
        let mut entries = self.entries();
        match entries.iter_mut().find(|entry| entry.path == path) {
            Some(entry) => entry.sent += 1,
            None => entries.push(Entry {
                path: path.to_owned(),
                sent: 1,
                refused: 0,
            }),
        }
    }

    /// It was answered with `status`.
    pub fn answered(&self, path: &str, status: u16) {
        if (400..500).contains(&status) {
            let mut entries = self.entries();
            if let Some(entry) = entries.iter_mut().find(|entry| entry.path == path) {
                entry.refused += 1;
            }
        }
    }

    /// Takes in why `path` was not made; says whether something of somebody else is there, which is none of ours to remove.
    pub fn not_made(&self, path: &str, why: &NotMade) -> bool {
        if why.taken {
            self.entries().retain(|entry| entry.path != path);
        } else if let Some(status) = why.status {
            self.answered(path, status);
        }
        why.taken
    }

    /// Each path, and whether the service has said each time that it made nothing; from then on nothing is known.
    pub fn take(&self) -> Vec<(String, bool)> {
        let entries = std::mem::take(&mut *self.entries());
        entries
            .into_iter()
            .map(|entry| (entry.path, entry.refused >= entry.sent))
            .collect()
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
