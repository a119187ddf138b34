use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CaseId, ClauseId, Method, Severity, Template, TokenTemplate};

/// A file and a line in it, for messages that point at the text a user can change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file as the user knows it; `suites/…` for the ones inside the binary.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One file of cases.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name, with which the ids of its cases start.
    pub name: String,
    /// What it is about, in a line.
    pub about: String,
    /// Its cases in the order of the file.
    pub cases: Vec<Arc<Case>>,
}

/// One test.
#[derive(Clone, Debug)]
pub struct Case {
    /// Permanent id.
    pub id: CaseId,
    /// The suite it stands in.
    pub suite: String,
    /// What a conforming server does, in one line.
    pub title: String,
    /// What a failure means in practice, in plain words.
    pub risk: String,
    /// The clauses it judges; the first is the one that its security findings cite.
    pub clauses: Vec<ClauseId>,
    /// What a failure costs.
    pub severity: Severity,
    /// What the observer arranges before the steps.
    pub given: Vec<Arrangement>,
    /// What is sent and expected, in order.
    pub steps: Vec<Step>,
    /// Where it starts in its file.
    pub at: Place,
}

/// An object that has to be there before the steps; missing parents are made as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// A file with a content of its own.
    File(Template),
    /// An empty directory.
    Directory(Template),
}

impl Arrangement {
    /// Its path, relative to the case's directory unless it starts with a variable.
    pub fn path(&self) -> &Template {
        match self {
            Self::File(path) | Self::Directory(path) => path,
        }
    }
}

/// One request with its expectation.
#[derive(Clone, Debug)]
pub struct Step {
    /// The request's method.
    pub method: Method,
    /// The object, relative to the case's directory unless it starts with a variable.
    pub path: Template,
    /// Where a MOVE goes.
    pub destination: Option<Template>,
    /// A word that makes the content of a PUT another one than that of the file before it.
    pub body: String,
    /// The credential; `None` sends no `Authorization`.
    pub token: Option<TokenTemplate>,
    /// The word for what is right.
    pub expect: Expect,
    /// With which token the very same request has to succeed, when a denial is expected.
    pub control: Option<TokenTemplate>,
    /// Its line in the suite file.
    pub at: Place,
}

/// The words for what a step expects. `check::word` defines each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Something new came to be.
    Created,
    /// The object is gone.
    Deleted,
    /// A good token without the right for this.
    Denied,
    /// Nothing there, and the bearer may know it.
    NotFound,
    /// The object can be read or looked at.
    Ok,
    /// Something that was there has a new content.
    Replaced,
    /// A token that is no good for this service, or none at all.
    Unauthenticated,
}

impl Expect {
    /// Every word.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Deleted,
        Self::Denied,
        Self::NotFound,
        Self::Ok,
        Self::Replaced,
        Self::Unauthenticated,
    ];

    /// The word as suite files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Deleted => "deleted",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::Ok => "ok",
            Self::Replaced => "replaced",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// Whether the word says that access is refused, so that a control is needed.
    pub fn refusal(self) -> bool {
        matches!(self, Self::Denied | Self::Unauthenticated)
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
