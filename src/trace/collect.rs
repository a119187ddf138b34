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

use super::{Stretch, TARGET};

/// Longer names and fields are cut: paths may be as long as a case likes.
const LONGEST: usize = 200;

/// Takes every stretch down, whichever thread it is on.
#[derive(Clone, Debug)]
pub struct Collector {
    begun: Instant,
    all: Arc<Mutex<Vec<Taken>>>,
}

#[derive(Debug)]
struct Taken {
    stretch: Stretch,
    /// Whether an end is known: that of the last time it was worked on.
    ended: bool,
}

/// Where a span's stretch is.
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
    /// The part of the log's subscriber that sees the stretches and nothing else.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        self.clone().with_filter(only(true))
    }

    /// All that was taken down until now, each behind what it is within.
    pub fn stretches(&self) -> Vec<Stretch> {
        let now = self.begun.elapsed();
        let all = self.all();
        let stretches = all.iter().map(|taken| {
            let mut stretch = taken.stretch.clone();
            if stretch.open {
                stretch.end = now;
            }
            stretch
        });
        stretches.collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Taken>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stretches alone, or all but them.
pub fn only<S>(stretches: bool) -> impl Filter<S> {
    filter_fn(move |metadata: &Metadata<'_>| (metadata.target() == TARGET) == stretches)
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
        let mut stretch = Stretch {
            parent,
            kind: attributes.metadata().name(),
            open: true,
            ..Stretch::default()
        };
        attributes.record(&mut Fields(&mut stretch));
        let mut all = self.all();
        stretch.begin = self.begun.elapsed();
        span.extensions_mut().insert(Place(all.len()));
        all.push(Taken {
            stretch,
            ended: false,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.change(id, &context, |taken, _| {
            values.record(&mut Fields(&mut taken.stretch));
        });
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.change(id, &context, |taken, now| {
            taken.stretch.end = now;
            taken.ended = true;
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.change(&id, &context, |taken, now| {
            taken.stretch.open = false;
            // What is within it may have lived longer than itself.
            if !taken.ended {
                taken.stretch.end = now;
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

/// Puts fields into a stretch.
struct Fields<'a>(&'a mut Stretch);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value = crate::http::excerpt(value, LONGEST);
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
    use crate::trace::stretch;

    #[test]
    fn stretches_are_taken_down_as_a_tree() {
        let collector = Collector::default();
        let subscriber = tracing_subscriber::registry().with(collector.layer());
        with_default(subscriber, || {
            let case = stretch!("case", name = "a.b", status = tracing::field::Empty);
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.build().unwrap();
            runtime.block_on(
                async {
                    tracing::info_span!("of the log");
                    let inner = stretch!("exchange", name = "GET /f", status = 200);
                    async {}.instrument(inner).await;
                }
                .instrument(case.clone()),
            );
            case.record("status", 7);
            let _open = stretch!("queue");
            let stretches = collector.stretches();
            let kinds: Vec<_> = stretches
                .iter()
                .map(|stretch| (stretch.kind, stretch.parent, stretch.open))
                .collect();
            assert_eq!(
                kinds,
                [
                    ("case", None, true),
                    ("exchange", Some(0), false),
                    ("queue", None, true)
                ]
            );
            assert_eq!(stretches[0].name, "a.b");
            assert_eq!(stretches[0].fields, [("status", "7".to_owned())]);
            assert!(stretches[1].begin >= stretches[0].begin);
            assert!(stretches[1].end <= stretches[0].end);
        });
        let closed = collector.stretches();
        assert!(closed.iter().all(|stretch| !stretch.open), "{closed:?}");
    }

    #[test]
    fn one_that_lives_on_within_another_does_not_make_it_longer() {
        let collector = Collector::default();
        let subscriber = tracing_subscriber::registry().with(collector.layer());
        with_default(subscriber, || {
            let outer = stretch!("exchange");
            let inner = outer.in_scope(|| stretch!("connect"));
            drop(outer);
            inner.in_scope(|| std::thread::sleep(std::time::Duration::from_millis(5)));
            drop(inner);
        });
        let [outer, inner] = &collector.stretches()[..] else {
            panic!("two stretches");
        };
        assert!(inner.end > outer.end, "{outer:?} {inner:?}");
    }
}
