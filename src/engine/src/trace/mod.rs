//! Where the time of a run went: every span of it, as a tree.
//!
//! Whoever does something that takes time marks it with `span!`, a span of the `tracing` crate that only the
//! [`Collector`] sees. Without one a span costs nothing. Its fields hold names of ours, paths and numbers, never
//! what a server said.

mod chrome;
mod collect;
mod critical;

use std::time::Duration;

pub use chrome::chrome;
pub use collect::{Collector, only};
pub use critical::{Path, critical};

/// The target of these spans.
pub const TARGET: &str = "span";

/// A span for [`Collector`], with a kind and fields: `span!("case", name = %id)`.
#[macro_export]
macro_rules! span {
    ($kind:literal $(, $($field:tt)*)?) => {
        tracing::trace_span!(target: $crate::trace::TARGET, $kind $(, $($field)*)?)
    };
}
pub use crate::span;

/// A span of a run's time. Times are since the beginning of the trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanRecord {
    /// Within which other one, as an index; those come first.
    pub parent: Option<usize>,
    /// What kind of work it is.
    pub kind: &'static str,
    /// What exactly: a case's name, a method and a path.
    pub name: String,
    /// Whatever else is known, by name.
    pub fields: Vec<(&'static str, String)>,
    /// When it began.
    pub begin: Duration,
    /// When it ended.
    pub end: Duration,
    /// Whether it had not come to its end when the trace was written.
    pub open: bool,
}

/// On whom a span waits, apart from those within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// The storage element.
    Storage,
    /// An issuer.
    Issuer,
    /// Its turn: places, requests per second.
    Queue,
    /// A time that a case has to let pass.
    Pause,
    /// Nobody: touchstone works.
    Own,
}

impl Waiting {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Issuer => "issuer",
            Self::Queue => "queue",
            Self::Pause => "pauses",
            Self::Own => "touchstone",
        }
    }
}

impl SpanRecord {
    /// How long it took.
    pub fn duration(&self) -> Duration {
        self.end.saturating_sub(self.begin)
    }

    /// What it is called where its parent is not seen.
    pub fn label(&self) -> String {
        match self.name.is_empty() {
            true => self.kind.to_owned(),
            false => format!("{} {}", self.kind, self.name),
        }
    }
}

/// On whom a span waits; a connection is opened for the sake of what it is within.
fn waiting(spans: &[SpanRecord], index: usize) -> Waiting {
    let span = &spans[index];
    match (span.kind, span.parent) {
        ("connect", Some(parent)) => waiting(spans, parent),
        ("exchange", _) => Waiting::Storage,
        ("tokens" | "token" | "request", _) => Waiting::Issuer,
        ("queue", _) => Waiting::Queue,
        ("pause", _) => Waiting::Pause,
        _ => Waiting::Own,
    }
}
