use crate::model::{Finding, State};

use super::Judge;

/// What the observer found at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Nothing.
    Absent,
    /// A directory.
    Directory,
    /// A file with these bytes, as far as they were read.
    Present(Vec<u8>),
    /// A file of this many bytes, which was not read.
    Sized(Option<u64>),
}

impl Observed {
    /// Whether it is what was expected.
    pub fn is(&self, expected: &State) -> bool {
        match (self, expected) {
            (Self::Absent, State::Absent) | (Self::Directory, State::Directory) => true,
            (Self::Present(seen), State::File(bytes)) => seen == bytes,
            _ => false,
        }
    }

    /// What it is, in words, where `expected` was expected.
    pub fn describe(&self, expected: &State) -> String {
        match (self, expected) {
            (Self::Absent, _) => "nothing".into(),
            (Self::Directory, _) => "a directory".into(),
            (Self::Present(seen), State::File(bytes)) if seen == bytes => {
                "the bytes that were stored".into()
            }
            (Self::Present(seen), State::File(_)) if seen.is_empty() => "an empty file".into(),
            (Self::Present(seen), State::File(_)) => format!("{} other bytes", seen.len()),
            (Self::Present(seen), _) => format!("a file of {} bytes", seen.len()),
            (Self::Sized(Some(length)), _) => format!("a file of {length} bytes"),
            (Self::Sized(None), _) => "a file".into(),
        }
    }
}

/// Judges what is really at `path` after a write that was answered `answered`.
pub fn effect(
    judge: Judge<'_>,
    path: &str,
    expected: &State,
    observed: &Observed,
    answered: u16,
) -> Option<Finding> {
    (!observed.is(expected)).then(|| {
        let wanted = match expected {
            State::Absent => "nothing".to_owned(),
            State::Directory => "a directory".to_owned(),
            State::File(bytes) => format!("the expected file of {} bytes", bytes.len()),
        };
        judge.own(
            format!("{wanted} at {path}{}", Finding::AFTERWARDS),
            match answered {
                0 => format!("there is {}", observed.describe(expected)),
                _ => format!(
                    "the answer was {answered}, and there is {}",
                    observed.describe(expected)
                ),
            },
        )
    })
}

/// An upload whose body was asked for and then refused.
pub fn early_body(judge: Judge<'_>) -> Finding {
    judge.of(
        "RFC6750-19",
        "the refusal, before the body is asked for",
        "100 Continue, and the refusal after the body",
    )
}
