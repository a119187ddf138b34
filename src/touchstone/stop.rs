//! Signals: the first one stops a run and lets it tear down, the second one ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use touchstone_engine::run::{Cancel, Canceller};

use super::{exit, output};

/// Listens to SIGINT, SIGTERM and SIGHUP for as long as it lives.
pub struct Stop {
    cancel: Cancel,
    over: Arc<AtomicBool>,
    listening: JoinHandle<()>,
}

impl Stop {
    /// Begins to listen: from here on no first signal ends the process by itself.
    pub fn listen() -> Self {
        let (canceller, cancel) = Cancel::new();
        let over = Arc::new(AtomicBool::new(false));
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let streams = kinds.into_iter().filter_map(|kind| signal(kind).ok());
        let listening = tokio::spawn(heed(streams.collect(), canceller, Arc::clone(&over)));
        Self {
            cancel,
            over,
            listening,
        }
    }

    /// Tells a run that it is to end.
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Storage is done with, and reports are written.
    pub fn over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn heed(streams: Vec<Signal>, canceller: Canceller, over: Arc<AtomicBool>) {
    let (sender, mut heard) = mpsc::unbounded_channel();
    for mut stream in streams {
        let sender = sender.clone();
        tokio::spawn(
            async move { while stream.recv().await.is_some() && sender.send(()).is_ok() {} },
        );
    }
    let over = || over.load(Ordering::Relaxed);
    if heard.recv().await.is_some() {
        output::note(match over() {
            false => {
                "stopping: running cases end, and what they made is removed; once more to stop at once"
            }
            true => "the run is over, and its reports are being written; once more to stop at once",
        });
        canceller.cancel();
    }
    if heard.recv().await.is_some() {
        output::note(match over() {
            false => "stopped; `touchstone clean` removes what is left on storage",
            true => "stopped; reports may be missing",
        });
        #[expect(clippy::exit, reason = "somebody asked twice")]
        std::process::exit(exit::INTERRUPTED.into());
    }
}
