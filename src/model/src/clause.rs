use std::fmt;

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
    /// What its sources say, word for word; without it the clause is our reading.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<Quotation>,
}

/// A document from which clauses are quoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// What the register calls it.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// Its file in the repository where it is kept, if it is kept in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The commit of that repository from which the quotations are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Where it can be read.
    pub url: String,
}

/// What a document says, word for word but for markup and line breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quotation {
    /// What the register calls the document.
    pub document: String,
    /// What the document is called.
    pub title: String,
    /// Where it stands there: a line or a section.
    pub place: String,
    /// The words.
    pub quote: String,
}

impl fmt::Display for Quotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            title,
            place,
            quote,
            ..
        } = self;
        write!(f, "\"{quote}\" ({title}, {place})")
    }
}

/// Where the authority of a clause comes from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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
    /// Every basis, the firmest first.
    pub const ALL: [Self; 3] = [Self::Stated, Self::Rfc, Self::Derived];

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
