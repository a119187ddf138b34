//! What a cell of the matrix says.

use crate::news::new_failure;
use touchstone_model::{CaseResult, RunRecord, Severity, Verdict};

/// The letter of a result in the data: `p`ass, `w`arn, `f`ail, `k`nown failure, unexpected pass `x`, `e`rror,
/// `s`kip; a capital where the run before this one said otherwise, and for a new failure.
pub(super) fn letter(record: &RunRecord, result: &CaseResult) -> char {
    let letter = match result.verdict {
        _ if result.unexpected_pass() => 'x',
        Verdict::Pass => 'p',
        Verdict::Warn => 'w',
        Verdict::Fail if result.red() => 'f',
        Verdict::Fail => 'k',
        Verdict::Error => 'e',
        Verdict::Skip => 's',
    };
    let changed = match result.red() {
        true => new_failure(record, result),
        false => changed(result),
    };
    if changed {
        letter.to_ascii_uppercase()
    } else {
        letter
    }
}

/// What stands for a letter on paper.
pub(super) fn symbol(letter: char) -> char {
    match letter {
        'p' | 'P' => '.',
        's' | 'S' => '-',
        'f' => 'F',
        'F' => 'N',
        'e' | 'E' => 'E',
        other => other.to_ascii_lowercase(),
    }
}

/// Whether the verdict of one that is not red, or whether it counted, differs from the run before.
fn changed(result: &CaseResult) -> bool {
    result.past.as_ref().is_some_and(|past| {
        past.before != result.verdict || result.verdict == Verdict::Fail && !past.known
    })
}

/// The gravest first.
pub(super) fn rank(record: &RunRecord, result: &CaseResult) -> u8 {
    let grave = match result.severity {
        Severity::Critical => 0,
        Severity::NotCritical => 1,
    };
    match result.verdict {
        Verdict::Fail if new_failure(record, result) => grave,
        Verdict::Fail if result.red() => 2 + grave,
        Verdict::Error => 4,
        _ if result.unexpected_pass() => 5,
        Verdict::Fail => 6,
        Verdict::Warn => 7,
        Verdict::Skip => 8,
        Verdict::Pass => 9,
    }
}
