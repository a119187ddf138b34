use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Basis, ClauseId, Place, Quotation};

/// How strong a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Level {
    /// Required.
    #[serde(rename = "MUST")]
    Must,
    /// Forbidden.
    #[serde(rename = "MUST NOT")]
    MustNot,
    /// Recommended.
    #[serde(rename = "SHOULD")]
    Should,
    /// Discouraged.
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
    /// Left open.
    #[serde(rename = "MAY")]
    May,
}

impl Level {
    /// Whether a violation is a failure; otherwise it is a warning.
    pub fn binding(self) -> bool {
        matches!(self, Self::Must | Self::MustNot)
    }

    /// The RFC 2119 word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::MustNot => "MUST NOT",
            Self::Should => "SHOULD",
            Self::ShouldNot => "SHOULD NOT",
            Self::May => "MAY",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a violation costs, in the two words of the reference suite.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Security or basic interoperability.
    Critical,
    /// Everything else.
    NotCritical,
}

impl Severity {
    /// `critical` or `not-critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::NotCritical => "not-critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a case says of an endpoint.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything as required.
    Pass,
    /// Only recommendations were missed.
    Warn,
    /// A requirement was missed.
    Fail,
    /// It could not be decided: network, issuer, arrangement or control.
    Error,
    /// It does not apply, for a reason that is told.
    Skip,
}

impl Verdict {
    /// Every verdict, in the order of the table's columns.
    pub const ALL: [Self; 5] = [Self::Pass, Self::Warn, Self::Fail, Self::Error, Self::Skip];

    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skip => "skip",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One deviation of a server from one clause. Data about the server, never an error of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The clause that was missed.
    pub clause: ClauseId,
    /// Its level.
    pub level: Level,
    /// Where its authority comes from.
    pub basis: Basis,
    /// Its sentence.
    pub requirement: String,
    /// What its sources say, word for word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<Quotation>,
    /// What would have been right.
    pub expected: String,
    /// What came instead.
    pub actual: String,
    /// The step in the suite file.
    pub at: Place,
    /// Which of the case's exchanges shows it, as an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<usize>,
}

impl Finding {
    /// How what was expected ends where it is about what is on storage after a step.
    pub const AFTERWARDS: &str = " afterwards";

    /// Whether it is an observation: told for information, below a warning. It changes no verdict.
    pub fn observation(&self) -> bool {
        self.level == Level::May
    }

    /// Whether it is about what was there after a step, and not about what was answered.
    pub fn about_effect(&self) -> bool {
        self.expected.ends_with(Self::AFTERWARDS)
    }
}
