use std::fmt;

use super::Method;

/// A COPY between two servers (HTTP-TPC). The step's path is the object at the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which way the data go.
    pub direction: Direction,
    /// Who the other side is.
    pub side: CopySide,
    /// What the credential for the other side allows there.
    pub there: There,
    /// Header fields that our side has to hear, by name, or by names of which one is enough.
    pub heard: Vec<(String, Hearing)>,
    /// Values of header fields that our side must not hear.
    pub unheard: Vec<(String, String)>,
    /// What is asked of the report beside how it ended.
    pub report: ReportDemand,
    /// Whether the client hangs up once half of the data are on their way.
    pub hang_up: bool,
    /// Whether the case is about where the service redirects a COPY to, and skipped where it does not.
    pub redirecting: bool,
}

/// Which way the data of a COPY go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The endpoint fetches (`Source`).
    Pull,
    /// The endpoint sends (`Destination`).
    Push,
}

/// The other side of a COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopySide {
    /// A server of ours, which plays a part.
    Ours(PeerBehaviour),
    /// Another endpoint.
    Partner,
    /// The endpoint itself, at the loopback address of its machine, with a file that the case has arranged beside what it asks for.
    Itself,
    /// The endpoint by its own URL, with a file that the case has arranged beside what it asks for.
    Own,
    /// Whatever this names, literally.
    Url(String),
    /// A server of ours in one header, and once more in the other.
    Both,
    /// Nobody.
    Nobody,
}

/// What our side does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerBehaviour {
    /// What is right.
    Good,
    /// The object is not there, in a page of HTML.
    Missing,
    /// The credential is refused with 401.
    Unauthorized,
    /// The credential is refused with 403.
    Forbidden,
    /// It fails with 500 and a page of HTML.
    Failing,
    /// The connection breaks half-way.
    Cut,
    /// Good, in pieces over more than a second.
    Paced,
    /// Good, in pieces over more than half a minute.
    Slow,
    /// Half of the data, then nothing, until somebody hangs up.
    Stalled,
    /// A byte now and then, without end.
    Trickling,
    /// It takes the request and never answers.
    Silent,
    /// It tells no digest.
    Undigested,
    /// It tells a digest of other data.
    Misdigested,
    /// It tells a `Repr-Digest` of other data.
    Misrepresented,
    /// It redirects to another name of itself, over TLS.
    Elsewhere,
    /// It redirects to plain http.
    Cleartext,
    /// It redirects to itself for ever.
    Circling,
    /// Its certificate is signed by nobody that is trusted.
    Untrusted,
    /// Its certificate is for another name.
    Misnamed,
    /// Its certificate has expired.
    Expired,
    /// There is something already at the place where a file is to be sent.
    Occupied,
    /// The object has no bytes.
    Empty,
    /// The data come in chunks, without their length.
    Chunked,
    /// Who asks for the whole gets its first half, which is told (206).
    Partial,
    /// It answers 204 in place of the object.
    NoContent,
    /// Its address has a query, without which nobody is served.
    Queried,
    /// Its address is one of plain http.
    Plain,
}

impl PeerBehaviour {
    /// Every part with its word.
    pub const ALL: [(&'static str, Self); 27] = [
        ("good", Self::Good),
        ("missing", Self::Missing),
        ("unauthorized", Self::Unauthorized),
        ("forbidden", Self::Forbidden),
        ("failing", Self::Failing),
        ("cut", Self::Cut),
        ("paced", Self::Paced),
        ("slow", Self::Slow),
        ("stalled", Self::Stalled),
        ("trickling", Self::Trickling),
        ("silent", Self::Silent),
        ("undigested", Self::Undigested),
        ("misdigested", Self::Misdigested),
        ("misrepresented", Self::Misrepresented),
        ("elsewhere", Self::Elsewhere),
        ("cleartext", Self::Cleartext),
        ("circling", Self::Circling),
        ("untrusted", Self::Untrusted),
        ("misnamed", Self::Misnamed),
        ("expired", Self::Expired),
        ("occupied", Self::Occupied),
        ("empty", Self::Empty),
        ("chunked", Self::Chunked),
        ("partial", Self::Partial),
        ("no-content", Self::NoContent),
        ("queried", Self::Queried),
        ("plain", Self::Plain),
    ];

    /// Whether it can be played for that direction.
    pub fn plays(self, direction: Direction) -> bool {
        match self {
            Self::Cut
            | Self::Paced
            | Self::Slow
            | Self::Stalled
            | Self::Trickling
            | Self::Misrepresented
            | Self::Empty
            | Self::Chunked
            | Self::Partial
            | Self::NoContent => direction == Direction::Pull,
            Self::Occupied => direction == Direction::Push,
            Self::Good
            | Self::Missing
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Failing
            | Self::Silent
            | Self::Undigested
            | Self::Misdigested
            | Self::Elsewhere
            | Self::Cleartext
            | Self::Circling
            | Self::Untrusted
            | Self::Misnamed
            | Self::Expired
            | Self::Queried
            | Self::Plain => true,
        }
    }

    /// Whether nobody who looks at certificates says anything to it.
    pub fn distrusted(self) -> bool {
        matches!(self, Self::Untrusted | Self::Misnamed | Self::Expired)
    }
}

impl fmt::Display for PeerBehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::ALL.iter().find(|(_, part)| part == self);
        f.write_str(word.map_or("", |(word, _)| word))
    }
}

/// What the credential for the other side allows there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// There is no credential.
    Nothing,
    /// Reading.
    Read,
    /// Making something new.
    Create,
    /// Changing what is there.
    Modify,
}

impl There {
    /// The capability's name, without its path.
    pub fn capability(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Read => Some("storage.read"),
            Self::Create => Some("storage.create"),
            Self::Modify => Some("storage.modify"),
        }
    }
}

/// What our side has to hear in a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Anything.
    Present,
    /// This.
    Value(String),
    /// The credential for our side, as a bearer token.
    Credential,
}

/// What is asked of the report of a COPY beside how it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportDemand {
    /// Markers that are complete and in order.
    pub markers: bool,
    /// The connections of the transfer in each of them.
    pub connections: bool,
    /// The answer begins before the transfer ends.
    pub early: bool,
}

/// A request that arrived at our side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRequest {
    /// The method on the wire.
    pub method: String,
    /// The target on the wire.
    pub target: String,
    /// Names in lower case, values as text, in order.
    pub headers: Vec<(String, String)>,
    /// Whether it came over TLS.
    pub secure: bool,
    /// What came in the body, as far as it is kept.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl PeerRequest {
    /// Whether it asks for data, or brings some.
    pub fn carries_data(&self) -> bool {
        self.method == Method::Get.as_str() || self.method == Method::Put.as_str()
    }
}
