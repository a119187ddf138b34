use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::{SpanRecord, TARGET};

/// Longer names and fields are cut: paths may be as long as a case likes.
const LONGEST: usize = 200;

/// Takes every span down, whichever thread it is on.
#[derive(Clone, Debug)]
pub struct Collector {
    begun: Instant,
    all: Arc<Mutex<Vec<Taken>>>,
}

#[derive(Debug)]
struct Taken {
    span: SpanRecord,
    /// Whether an end is known: that of the last time it was worked on.
    ended: bool,
}

/// Where the record of a span is.
struct Place(usize);

impl Default for Collector {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            all: Arc::default(),
        }
    }
}

impl Collector {
    /// The part of the log's subscriber that sees the spans and nothing else.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        self.clone().with_filter(only(true))
    }

    /// All that was taken down until now, each behind what it is within.
    pub fn spans(&self) -> Vec<SpanRecord> {
        let now = self.begun.elapsed();
        let all = self.all();
        let spans = all.iter().map(|taken| {
            let mut span = taken.span.clone();
            if span.open {
                span.end = now;
            }
            span
        });
        spans.collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Taken>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The spans alone, or all but them.
pub fn only<S>(spans: bool) -> impl Filter<S> {
    filter_fn(move |metadata: &Metadata<'_>| (metadata.target() == TARGET) == spans)
}

impl<S> Layer<S> for Collector
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let parent = span.parent().and_then(|parent| {
            let extensions = parent.extensions();
            extensions.get::<Place>().map(|place| place.0)
        });
        let mut record = SpanRecord {
            parent,
            kind: attributes.metadata().name(),
            open: true,
            ..SpanRecord::default()
        };
        attributes.record(&mut Fields(&mut record));
        let mut all = self.all();
        record.begin = self.begun.elapsed();
        span.extensions_mut().insert(Place(all.len()));
        all.push(Taken {
            span: record,
            ended: false,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.change(id, &context, |taken, _| {
            values.record(&mut Fields(&mut taken.span));
        });
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.change(id, &context, |taken, now| {
            taken.span.end = now;
            taken.ended = true;
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.change(&id, &context, |taken, now| {
            taken.span.open = false;
            // What is within it may have lived longer than itself.
            if !taken.ended {
                taken.span.end = now;
            }
        });
    }
}

impl Collector {
    fn change<S>(
        &self,
        id: &Id,
        context: &Context<'_, S>,
        change: impl FnOnce(&mut Taken, std::time::Duration),
    ) where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let place = context.span(id).and_then(|span| {
            let extensions = span.extensions();
            extensions.get::<Place>().map(|place| place.0)
        });
        let mut all = self.all();
        if let Some(taken) = place.and_then(|place| all.get_mut(place)) {
            change(taken, self.begun.elapsed());
        }
    }
}

/// Puts fields into a span.
struct Fields<'a>(&'a mut SpanRecord);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value = touchstone_model::excerpt(value, LONGEST);
        match field.name() {
            "name" => self.0.name = value,
            other => self.0.fields.push((other, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Instrument as _;
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::trace::span;

    #[test]
    fn spans_are_taken_down_as_a_tree() {
        let collector = Collector::default();
        let subscriber = tracing_subscriber::registry().with(collector.layer());
        with_default(subscriber, || {
            let case = span!("case", name = "a.b", status = tracing::field::Empty);
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.build().unwrap();
            runtime.block_on(
                async {
                    tracing::info_span!("of the log");
                    let inner = span!("exchange", name = "GET /f", status = 200);
                    async {}.instrument(inner).await;
                }
                .instrument(case.clone()),
            );
            case.record("status", 7);
            let _open = span!("queue");
            let spans = collector.spans();
            let kinds: Vec<_> = spans
                .iter()
                .map(|span| (span.kind, span.parent, span.open))
                .collect();
            assert_eq!(
                kinds,
                [
                    ("case", None, true),
                    ("exchange", Some(0), false),
                    ("queue", None, true)
                ]
            );
            assert_eq!(spans[0].name, "a.b");
            assert_eq!(spans[0].fields, [("status", "7".to_owned())]);
            assert!(spans[1].begin >= spans[0].begin);
            assert!(spans[1].end <= spans[0].end);
        });
        let closed = collector.spans();
        assert!(closed.iter().all(|span| !span.open), "{closed:?}");
    }

    #[test]
    fn one_that_lives_on_within_another_does_not_make_it_longer() {
        let collector = Collector::default();
        let subscriber = tracing_subscriber::registry().with(collector.layer());
        with_default(subscriber, || {
            let outer = span!("exchange");
            let inner = outer.in_scope(|| span!("connect"));
            drop(outer);
            inner.in_scope(|| std::thread::sleep(std::time::Duration::from_millis(5)));
            drop(inner);
        });
        let [outer, inner] = &collector.spans()[..] else {
            panic!("two spans");
        };
        assert!(inner.end > outer.end, "{outer:?} {inner:?}");
    }
}
