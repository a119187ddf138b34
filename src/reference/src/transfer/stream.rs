use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::super::element::Element;
use super::super::probe::Caller;
use super::progress::Progress;
use super::{Direction, Ended};

/// A transfer in the background; it ends when nobody waits for it any more.
pub(super) struct Running {
    /// Gone once it has ended.
    task: Option<JoinHandle<Ended>>,
    abandons: bool,
}

/// Tells how a transfer goes, marker by marker, and what came of it.
pub(super) struct Telling {
    element: Arc<Element>,
    direction: Direction,
    running: Running,
    progress: Arc<Progress>,
    ticks: Interval,
    /// How many markers there could have been.
    told: u32,
    ended: Option<Ended>,
    over: bool,
}

/// What a performance marker tells.
pub(in super::super) struct Moment {
    /// Seconds since 1970.
    pub(in super::super) timestamp: i64,
    /// Which marker of the stream it is, from 0.
    pub(in super::super) number: u32,
    pub(in super::super) bytes: u64,
    /// The other end of the connection, if there is one yet.
    pub(in super::super) peer: Option<SocketAddr>,
}

impl Running {
    pub(super) fn new(task: JoinHandle<Ended>, abandons: bool) -> Self {
        Self {
            task: Some(task),
            abandons,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task
            && self.abandons
        {
            task.abort();
        }
    }
}

impl Telling {
    pub(super) fn new(
        element: &Arc<Element>,
        direction: Direction,
        running: Running,
        progress: Arc<Progress>,
    ) -> Self {
        let pause = element.transfers.options.interval;
        let pause = pause.max(Duration::from_millis(1));
        let mut ticks = interval_at(Instant::now() + pause, pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            element: Arc::clone(element),
            direction,
            running,
            progress,
            ticks,
            told: 0,
            ended: None,
            over: false,
        }
    }

    /// The same once the transfer is over.
    pub(super) async fn after_the_end(mut self) -> Self {
        self.ended = Some(self.running.ended().await);
        self
    }

    pub(super) fn into_body(self) -> Body {
        // What a hook says here is said to whom the stream is for.
        let caller = Caller::current();
        let next = move |telling: Self| caller.clone().serve(telling.next());
        Body::from_stream(stream::unfold(self, next))
    }

    /// The next marker, or the last one and the last line; the first marker comes with the connection.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        while !self.over {
            let ended = match self.ended.take() {
                Some(ended) => Some(ended),
                None => tokio::select! {
                    ended = self.running.ended() => Some(ended),
                    () = self.progress.connected(), if self.told == 0 => None,
                    _ = self.ticks.tick() => None,
                },
            };
            let mut text = String::new();
            // The last marker says how much there was; after a failure nobody has use for it.
            if self.told == 0 || !matches!(ended, Some(Err(_))) {
                text = self.marker();
            }
            if let Some(ended) = ended {
                self.over = true;
                text.push_str(&self.element.rules.transfer().last(self.direction, &ended));
            }
            if !text.is_empty() {
                return Some((Ok(text.into()), self));
            }
        }
        None
    }

    fn marker(&mut self) -> String {
        let moment = Moment {
            timestamp: jiff::Timestamp::now().as_second(),
            number: self.told,
            bytes: self.progress.bytes(),
            peer: self.progress.peer(),
        };
        self.told = self.told.saturating_add(1);
        let rules = self.element.rules.transfer();
        let bytes = rules.progress(&moment);
        let moment = Moment { bytes, ..moment };
        rules.marker(&moment, marker(&moment))
    }
}

impl Running {
    /// What came of it; told once.
    async fn ended(&mut self) -> Ended {
        let Some(task) = &mut self.task else {
            return std::future::pending().await;
        };
        let ended = task.await;
        self.task = None;
        ended.unwrap_or_else(|_| Err("the transfer broke down".into()))
    }
}

/// One marker, with the address of the other side as soon as there is one.
fn marker(moment: &Moment) -> String {
    let connections = moment
        .peer
        .map(|peer| format!("\tRemoteConnections: tcp:{peer}\n"))
        .unwrap_or_default();
    format!(
        "Perf Marker\n\tTimestamp: {}\n\tStripe Index: 0\n\tStripe Bytes Transferred: {}\n\
         \tTotal Stripe Count: 1\n{connections}End\n",
        moment.timestamp, moment.bytes
    )
}

/// The last line.
pub(in super::super) fn last(_: Direction, ended: &Ended) -> String {
    match ended {
        Ok(_) => "success: Created\n".into(),
        Err(failure) => format!("failure: {}\n", failure.0),
    }
}
