//! What it remembers, for as long as it runs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::mint::Holder;
use super::scope::Granted;

/// Entries of each kind; beyond them the oldest is forgotten.
const MOST: usize = 20_000;

/// What it remembers.
#[derive(Default)]
pub(super) struct Store {
    state: Mutex<State>,
}

/// The same, held.
#[derive(Default)]
pub(super) struct State {
    /// Refresh tokens by their id.
    pub(super) refresh: Capped<Refresh>,
    /// Access tokens that count no more, by their id.
    pub(super) revoked: Capped<()>,
    /// Device codes.
    pub(super) devices: Capped<Device>,
    /// Ids of assertions that were used, with their client's name.
    pub(super) assertions: Capped<i64>,
}

/// A refresh token.
#[derive(Clone)]
pub(super) struct Refresh {
    /// All that came from one decision of the user.
    pub(super) family: String,
    pub(super) client: String,
    pub(super) holder: Holder,
    pub(super) granted: Granted,
    /// When another took its place.
    pub(super) replaced: Option<Instant>,
}

/// A device that waits for its user (RFC 8628).
#[derive(Clone)]
pub(super) struct Device {
    pub(super) user_code: String,
    pub(super) client: String,
    pub(super) granted: Granted,
    pub(super) nonce: Option<String>,
    pub(super) end: Instant,
    pub(super) polled: Option<Instant>,
    pub(super) decision: Decision,
}

/// What the user said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Open,
    /// With the time of the login, in seconds since 1970.
    Approved(i64),
    Denied,
}

impl Store {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The device whose code of that form the user typed, if it still waits.
    pub(super) fn device_of(&mut self, user_code: &str) -> Option<&mut Device> {
        let same = |typed: &str, known: &str| {
            let letters = |text: &str| -> String {
                let letters = text.chars().filter(char::is_ascii_alphanumeric);
                letters.map(|c| c.to_ascii_uppercase()).collect()
            };
            letters(typed) == letters(known)
        };
        self.devices.entries.values_mut().find(|device| {
            same(user_code, &device.user_code)
                && device.end > Instant::now()
                && device.decision == Decision::Open
        })
    }

    /// Makes a whole family of refresh tokens useless.
    pub(super) fn forget_family(&mut self, family: &str) {
        self.refresh.retain(|entry| entry.family != family);
    }
}

impl Refresh {
    /// Whether it still works, once another took its place.
    pub(super) fn alive(&self, grace: Duration) -> bool {
        self.replaced.is_none_or(|at| at.elapsed() < grace)
    }
}

/// A map that forgets the oldest entries.
pub(super) struct Capped<T> {
    entries: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Default for Capped<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Capped<T> {
    /// Puts something there that was not there.
    pub(super) fn insert(&mut self, key: String, value: T) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&T> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        self.entries.get_mut(key)
    }

    pub(super) fn remove(&mut self, key: &str) {
        // Its place in the order goes when the order is full.
        self.entries.remove(key);
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.entries.retain(|_, value| keep(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut capped = Capped::default();
        for number in 0..=MOST {
            capped.insert(number.to_string(), number);
        }
        assert_eq!(capped.get("0"), None);
        assert_eq!(capped.get("1"), Some(&1));
        assert_eq!(capped.entries.len(), MOST);
    }
}
