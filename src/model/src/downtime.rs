use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use super::Trust;

/// A time in which somebody has said that storage is not to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downtime {
    /// What is down.
    pub of: Affected,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end, from which on everything is judged again.
    pub until: Timestamp,
    /// What is being done, in one line.
    pub reason: String,
    /// Who says so: a place in a file, or the registry and its page.
    pub source: String,
}

/// What is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// Everything on these hosts, in lower case.
    Hosts(Vec<String>),
    /// The endpoints whose names match these patterns.
    Endpoints(Vec<String>),
}

/// Where downtimes are declared.
#[derive(Clone, Debug)]
pub enum DowntimeSource {
    /// In the inventory itself.
    Declared(Downtime),
    /// By somebody who publishes them.
    Feed(DowntimeFeed),
}

/// A published list of downtimes.
#[derive(Clone, Debug)]
pub struct DowntimeFeed {
    /// Its language.
    pub kind: FeedKind,
    /// Where it is.
    pub place: FeedPlace,
    /// Whom to trust in its TLS beside the system's roots.
    pub ca: Vec<Trust>,
    /// For the request, answer included.
    pub answer: Duration,
}

/// Who publishes downtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedKind {
    /// GOCDB, method `get_downtime` of its programmatic interface.
    Gocdb,
    /// OSG topology, `rgdowntime`.
    Osg,
}

impl FeedKind {
    /// The name for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gocdb => "GOCDB",
            Self::Osg => "OSG topology",
        }
    }
}

/// Where a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedPlace {
    /// Behind this URL, which is https.
    Url(Url),
    /// In this file.
    File(PathBuf),
}
