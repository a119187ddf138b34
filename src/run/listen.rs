//! A server of ours to which tokens point, and which nobody should ever ask.

use async_trait::async_trait;

use crate::model::{Contact, LISTENER, LISTENER_HOST, Script};

/// Opens such servers.
#[async_trait]
pub trait Listener: Send + Sync {
    /// One for a case of its own; it listens until the ear is dropped.
    ///
    /// # Errors
    /// Why there is none, in words.
    async fn open(&self) -> Result<Box<dyn Ear>, String>;
}

/// Hears who connects.
pub trait Ear: Send + Sync {
    /// Its URL without a slash at the end; nobody can guess its path.
    fn origin(&self) -> &str;
    /// Who came so far, and what for, in order.
    fn heard(&self) -> Vec<Contact>;
}

/// Whether `script` has a token that points to the listener.
pub(super) fn needed(script: &Script) -> bool {
    let mut needed = false;
    let _ = script.with_texts(&mut |text| {
        needed |= text.contains(LISTENER) || text.contains(LISTENER_HOST);
        String::new()
    });
    needed
}

/// `script` with the listener's URL filled in.
pub(super) fn fill(script: &Script, origin: &str) -> Script {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    script.with_texts(&mut |text| text.replace(LISTENER, origin).replace(LISTENER_HOST, host))
}
