//! What a cell of the matrix says.

use crate::model::{CaseResult, Severity, Verdict};

/// The letter of a result in the data: `p`ass, `w`arn, `f`ail, `k`nown failure, unexpected pass `x`, `e`rror,
/// `s`kip; a capital where the run before this one said otherwise.
pub(super) fn letter(result: &CaseResult) -> char {
    let letter = match result.verdict {
        _ if result.unexpected_pass() => 'x',
        Verdict::Pass => 'p',
        Verdict::Warn => 'w',
        Verdict::Fail if result.red() => 'f',
        Verdict::Fail => 'k',
        Verdict::Error => 'e',
        Verdict::Skip => 's',
    };
    if changed(result) {
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

/// Whether the verdict, or whether it counts, differs from the run before.
pub(super) fn changed(result: &CaseResult) -> bool {
    result.past.as_ref().is_some_and(|past| {
        past.before != result.verdict
            || result.verdict == Verdict::Fail && past.known == result.red()
    })
}

/// Whether it turns the run red and did not before.
pub(super) fn newly_red(result: &CaseResult) -> bool {
    result.red() && changed(result)
}

/// The gravest first.
pub(super) fn rank(result: &CaseResult) -> u8 {
    let grave = match result.severity {
        Severity::Critical => 0,
        Severity::NotCritical => 1,
    };
    match result.verdict {
        Verdict::Fail if newly_red(result) => grave,
        Verdict::Fail if result.red() => 2 + grave,
        Verdict::Error => 4,
        _ if result.unexpected_pass() => 5,
        Verdict::Fail => 6,
        Verdict::Warn => 7,
        Verdict::Skip => 8,
        Verdict::Pass => 9,
    }
}
