use std::fmt;

use serde_json::Value;

use super::Method;

/// A call of the WLCG Tape REST API v1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeCall {
    /// Which.
    pub operation: TapeOperation,
    /// The files that it is about. In a case: paths as its other paths, or `{nearline}`. In a plan:
    /// absolute on the service, as the API has them, which escapes nothing.
    pub files: Vec<String>,
    /// Those of `files` that the call must do nothing for, each on its own.
    pub except: Vec<String>,
    /// Whether the call may also be refused as a whole because of `except`.
    pub whole: bool,
    /// How many files beside them it names that are not there.
    pub further: usize,
    /// What is sent instead of the usual body; its texts may hold variables.
    pub json: Option<Value>,
    /// About which request.
    pub request: TapeRequest,
    /// Whether a poll is repeated until nothing of the request is open.
    pub settled: bool,
    /// Whether an error has to be one by RFC 7807.
    pub problem: bool,
}

/// The calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeOperation {
    /// Where the API is.
    Discover,
    /// Bring files to disk.
    Stage,
    /// How far it is.
    Poll,
    /// Give some files up.
    Cancel,
    /// The files need not stay on disk.
    Release,
    /// Give the whole request up.
    Delete,
    /// Where files are.
    Archiveinfo,
}

/// The request that a call is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TapeRequest {
    /// The last one that the case has staged.
    #[default]
    Last,
    /// One that nobody has staged.
    Unknown,
}

impl TapeOperation {
    /// Every call.
    pub const ALL: [Self; 7] = [
        Self::Discover,
        Self::Stage,
        Self::Poll,
        Self::Cancel,
        Self::Release,
        Self::Delete,
        Self::Archiveinfo,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Stage => "stage",
            Self::Poll => "poll",
            Self::Cancel => "cancel",
            Self::Release => "release",
            Self::Delete => "delete",
            Self::Archiveinfo => "archiveinfo",
        }
    }

    /// Its method on the wire.
    pub fn method(self) -> Method {
        match self {
            Self::Discover | Self::Poll => Method::Get,
            Self::Delete => Method::Delete,
            Self::Stage | Self::Cancel | Self::Release | Self::Archiveinfo => Method::Post,
        }
    }

    /// Whether it is about a request that was staged before.
    pub fn by_id(self) -> bool {
        matches!(
            self,
            Self::Poll | Self::Cancel | Self::Release | Self::Delete
        )
    }

    /// Whether it changes anything when it succeeds.
    pub fn changes(self) -> bool {
        matches!(
            self,
            Self::Stage | Self::Cancel | Self::Release | Self::Delete
        )
    }
}

impl fmt::Display for TapeOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
