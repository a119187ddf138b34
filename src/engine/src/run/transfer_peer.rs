//! Our own other side of a COPY: a source and a sink that tell what they were asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::Notify;

use touchstone_model::{Marker, PeerBehaviour, PeerRequest};

/// Lets us play the other side of transfers.
#[async_trait]
pub trait TransferPeer: Send + Sync {
    /// A scene of its own; it ends when dropped.
    ///
    /// # Errors
    /// Why it cannot be played, in words.
    async fn open(&self, play: PeerOptions) -> Result<Box<dyn PeerSession>, String>;
}

/// What is to be played.
pub struct PeerOptions {
    /// How we behave.
    pub behaviour: PeerBehaviour,
    /// Stands in its address, as in all to which something is written.
    pub marker: Marker,
    /// What can be fetched.
    pub content: Vec<u8>,
    /// The bearer token without which nobody is served.
    pub credential: Option<SecretString>,
}

/// A scene that is on.
#[async_trait]
pub trait PeerSession: Send + Sync {
    /// Where the object is.
    fn url(&self) -> &str;
    /// What was asked so far, in order.
    fn requests(&self) -> Vec<PeerRequest>;
    /// When the last byte was on its way.
    fn finished(&self) -> Option<Instant>;
    /// Told once half of the data are on their way.
    fn halfway(&self) -> Arc<Notify>;
    /// Whether everybody has gone within `patience`.
    async fn is_abandoned(&self, patience: Duration) -> bool;
}
