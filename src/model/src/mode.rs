use super::{Basis, Finding, Verdict};

/// How much a missed clause weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Only what a source says in so many words is required: clauses that are our reading count as recommendations.
    Lenient,
    /// Requirements fail, recommendations warn.
    #[default]
    Normal,
    /// Recommendations count as requirements.
    Strict,
}

impl Mode {
    /// Whether a finding makes its case fail.
    pub fn fails(self, finding: &Finding) -> bool {
        match self {
            Self::Lenient => finding.level.binding() && finding.basis != Basis::Derived,
            Self::Normal => finding.level.binding(),
            Self::Strict => !finding.observation(),
        }
    }

    /// The verdict of a case that was decided.
    pub fn verdict(self, findings: &[Finding]) -> Verdict {
        let mut judged = findings
            .iter()
            .filter(|finding| !finding.observation())
            .peekable();
        if judged.peek().is_none() {
            Verdict::Pass
        } else if judged.any(|finding| self.fails(finding)) {
            Verdict::Fail
        } else {
            Verdict::Warn
        }
    }

    /// What it changes, for reports; nothing where it changes nothing.
    pub fn description(self) -> Option<&'static str> {
        match self {
            Self::Lenient => Some("lenient: derived requirements count as recommendations"),
            Self::Normal => None,
            Self::Strict => Some("strict: recommendations count as requirements"),
        }
    }

    /// The option of `touchstone run` for it, a space in front; nothing where none is needed.
    pub fn option(self) -> &'static str {
        match self {
            Self::Lenient => " --lenient",
            Self::Normal => "",
            Self::Strict => " --strict",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Place};

    fn finding(level: Level, basis: Basis) -> Finding {
        Finding {
            clause: "JWT-2.1.1-01".parse().unwrap(),
            level,
            basis,
            requirement: String::new(),
            text: Vec::new(),
            expected: String::new(),
            actual: String::new(),
            at: Place {
                file: "suites/x.yaml".into(),
                line: 1,
            },
            exchange: None,
        }
    }

    #[test]
    fn a_reading_of_ours_fails_unless_the_mode_is_lenient() {
        use Verdict::{Fail, Pass, Warn};
        for (level, basis, verdicts) in [
            (Level::Must, Basis::Stated, [Fail, Fail, Fail]),
            (Level::MustNot, Basis::Rfc, [Fail, Fail, Fail]),
            (Level::MustNot, Basis::Derived, [Warn, Fail, Fail]),
            (Level::Should, Basis::Stated, [Warn, Warn, Fail]),
            (Level::ShouldNot, Basis::Derived, [Warn, Warn, Fail]),
            (Level::May, Basis::Stated, [Pass, Pass, Pass]),
        ] {
            let findings = [finding(Level::May, Basis::Stated), finding(level, basis)];
            let modes = [Mode::Lenient, Mode::Normal, Mode::Strict];
            let found = modes.map(|mode| mode.verdict(&findings));
            assert_eq!(found, verdicts, "{level} {basis:?}");
        }
        assert_eq!(Mode::Strict.verdict(&[]), Pass);
        let both = [
            finding(Level::Must, Basis::Derived),
            finding(Level::Must, Basis::Rfc),
        ];
        assert_eq!(Mode::Lenient.verdict(&both), Fail);
    }
}
