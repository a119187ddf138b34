//! Under test, how many bytes a search has looked at: hostile text must not make it look at each of them again and
//! again, and a count says so on any machine.

#[cfg(not(test))]
#[inline]
pub(super) fn counted<I: Iterator>(bytes: I) -> I {
    bytes
}

#[cfg(test)]
pub(super) use counting::{counted, taken};

#[cfg(test)]
mod counting {
    use std::cell::Cell;
    use std::iter::Inspect;

    thread_local! {
        static TAKEN: Cell<u64> = const { Cell::new(0) };
    }

    /// The same items; each that is looked at counts.
    pub(in crate::redact) fn counted<I: Iterator>(bytes: I) -> Inspect<I, fn(&I::Item)> {
        bytes.inspect(|_| TAKEN.set(TAKEN.get() + 1))
    }

    /// The steps that `search` takes on this thread.
    pub(in crate::redact) fn taken(search: impl FnOnce()) -> u64 {
        let before = TAKEN.get();
        search();
        TAKEN.get() - before
    }
}
