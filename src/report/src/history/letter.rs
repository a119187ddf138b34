//! Verdicts as letters.

use touchstone_model::Verdict;

/// A verdict, and whether it is a failure that was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub verdict: Verdict,
    pub known: bool,
}

impl Found {
    pub(super) fn letter(self) -> char {
        match self.verdict {
            Verdict::Pass => 'P',
            Verdict::Warn => 'W',
            Verdict::Fail if self.known => 'K',
            Verdict::Fail => 'F',
            Verdict::Error => 'E',
            Verdict::Skip => 'S',
        }
    }

    pub(super) fn of(letter: u8) -> Option<Self> {
        let verdict = match letter {
            b'P' => Verdict::Pass,
            b'W' => Verdict::Warn,
            b'F' | b'K' => Verdict::Fail,
            b'E' => Verdict::Error,
            b'S' => Verdict::Skip,
            _ => return None,
        };
        Some(Self {
            verdict,
            known: letter == b'K',
        })
    }
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub pass: usize,
    pub warn: usize,
    pub fail: usize,
    pub known: usize,
    pub error: usize,
    pub skip: usize,
}

impl Tally {
    /// Counts letters in; unknown ones count for nothing.
    pub(super) fn count(&mut self, letters: &str) {
        let of = |letter: u8| letters.bytes().filter(|byte| *byte == letter).count();
        let known = of(b'K');
        self.pass += of(b'P');
        self.warn += of(b'W');
        self.fail += of(b'F') + known;
        self.known += known;
        self.error += of(b'E');
        self.skip += of(b'S');
    }
}
