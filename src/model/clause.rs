use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClauseId, Level, Profile, Severity};

/// One normative statement that can be checked from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// Permanent id.
    pub id: ClauseId,
    /// Document and section that it comes from.
    pub source: String,
    /// First profile version with this rule; `None` when another specification has it.
    pub since: Option<Profile>,
    /// Whether the source says it, or the suite reads it so.
    pub basis: Basis,
    /// How strong it is.
    pub level: Level,
    /// What a violation costs.
    pub severity: Severity,
    /// The rule in one sentence of our own.
    pub requirement: String,
    /// Why no case can judge it from outside, where that is so.
    pub untestable: Option<String>,
}

/// Where the authority of a clause comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The profile says it.
    Stated,
    /// An RFC that the profile builds on says it.
    Rfc,
    /// It follows from the text, or the suite asks for it in the interest of security.
    Derived,
}

impl Basis {
    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Rfc => "from an RFC",
            Self::Derived => "derived",
        }
    }

    /// What follows the level of a clause in reports, so that our reading is not taken for a norm.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Stated | Self::Rfc => "",
            Self::Derived => " (derived)",
        }
    }
}
