use touchstone_model::{Expect, Finding, Interface, Method, State, StepPlan};

use super::Judge;
use super::role::confirmed;

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

/// A write whose effect is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// The step that it is, or whose control it is.
    pub step: &'a StepPlan,
    /// What was expected of it.
    pub expect: Expect,
    /// The status with which it was answered; 0 if it was not.
    pub answered: u16,
}

/// Judges what is really at `path` after a write.
pub fn effect(
    judge: Judge<'_>,
    tried: Tried<'_>,
    path: &str,
    expected: &State,
    observed: &Observed,
) -> Option<Finding> {
    if observed.is(expected) {
        return None;
    }
    let wanted = format!("{} at {path}{}", wanted(expected), Finding::AFTERWARDS);
    let seen = observed.describe(expected);
    let actual = match tried.answered {
        0 => format!("there is {seen}"),
        answered => format!("the answer was {answered}, and there is {seen}"),
    };
    // What was merely accepted may still come about (RFC 9110 section 15.3.3); a COPY tells it in its report.
    let transfer = matches!(tried.step.interface, Interface::Transfer(_));
    let accepted = tried.answered == 202 && !transfer;
    Some(if part_for_whole(tried.step, observed) {
        judge.of("DAV-23", wanted, actual)
    } else if accepted {
        judge.own(wanted, actual)
    } else if !tried.expect.harmless() {
        let clause = confirmed(&tried.step.interface, tried.step.method);
        judge.harm(clause, wanted, actual)
    } else if tried.answered >= 400 {
        judge.harm("DAV-30", wanted, actual)
    } else {
        judge.own(wanted, actual)
    })
}

/// Judges an object that was to be arranged, and that is not there although the service has said that it had made it.
pub fn unconfirmed(
    judge: Judge<'_>,
    path: &str,
    expected: &State,
    observed: &Observed,
) -> Option<Finding> {
    let method = match expected {
        State::Directory => Method::Mkcol,
        State::Absent | State::File(_) => Method::Put,
    };
    (!observed.is(expected)).then(|| {
        judge.of(
            confirmed(&Interface::Webdav, method),
            format!("{} at {path}{}", wanted(expected), Finding::AFTERWARDS),
            format!(
                "{method} was answered with a success, and there is {}",
                observed.describe(expected)
            ),
        )
    })
}

fn wanted(expected: &State) -> String {
    match expected {
        State::Absent => "nothing".to_owned(),
        State::Directory => "a directory".to_owned(),
        State::File(bytes) => format!("the expected file of {} bytes", bytes.len()),
    }
}

/// Whether an upload of a part has taken the place of the whole file (RFC 9110 section 14.5): what is read is not what anybody stored.
fn part_for_whole(step: &StepPlan, observed: &Observed) -> bool {
    let mut names = step.headers.iter().map(|(name, _)| name);
    let part = names.any(|name| name.eq_ignore_ascii_case("content-range"));
    let stored = |seen: &Vec<u8>| step.body.as_ref() == Some(seen);
    let whole = matches!(observed, Observed::Present(seen) if stored(seen));
    part && whole && step.method == Method::Put
}

/// An upload whose body was asked for and then refused.
pub fn early_body(judge: Judge<'_>) -> Finding {
    judge.of(
        "RFC6750-19",
        "the refusal, before the body is asked for",
        "100 Continue, and the refusal after the body",
    )
}
