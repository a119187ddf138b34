use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// How far a transfer has come.
#[derive(Default)]
pub(super) struct Progress {
    bytes: AtomicU64,
    peer: Mutex<Option<SocketAddr>>,
    connected: Notify,
}

impl Progress {
    /// So many bytes have gone over, counted from the start; never fewer than before.
    pub(super) fn reach(&self, bytes: usize) {
        self.bytes.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// There is a connection to the other side.
    pub(super) fn connect(&self, peer: SocketAddr) {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = Some(peer);
        self.connected.notify_one();
    }

    /// The other end of the last connection.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until there is a connection.
    pub(super) async fn connected(&self) {
        self.connected.notified().await;
    }
}
