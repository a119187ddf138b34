use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CaseId, ClauseId, Interface, IssuerStep, Method, Presented, Profile, Severity, Template,
    TokenTemplate,
};

/// A file and a line in it, for messages that point at the text a user can change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
    /// The first and last profile version that it applies to, beside what its clause says.
    pub profiles: (Option<Profile>, Option<Profile>),
    /// Whether it could hurt a service, so that it runs only when asked for.
    pub intrusive: bool,
    /// Whether it shows something only where the issuer of the second area has a path in its URL.
    pub issuer_path: bool,
    /// Whether it takes long, so that it runs only when asked for.
    pub slow: bool,
    /// What the observer arranges before the steps.
    pub given: Vec<Arrangement>,
    /// What is sent and expected, in order.
    pub steps: Vec<Step>,
    /// For a case about an issuer, instead of `given` and `steps`: what is asked, in order.
    pub asks: Vec<IssuerStep>,
    /// Its place in a table, where it was made from one.
    pub cover: Option<Cell>,
    /// Where it starts in its file.
    pub at: Place,
}

/// The place of a case in the table from which it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The name of the table.
    pub cover: String,
    /// Those that ask for the same, each with something else that is wrong, and share what is arranged; none for a case
    /// that changes it.
    pub group: Option<String>,
    /// What is wrong, or tried.
    pub row: String,
    /// How it is asked.
    pub column: String,
    /// The cases of lists that show the same where they ask in the same way.
    pub like: Vec<CaseId>,
}

impl Case {
    /// What its id has in common with those of the other cells of its row.
    pub fn row(&self) -> Option<String> {
        let cell = self.cover.as_ref()?;
        Some(format!("{}.{}", self.suite, cell.row))
    }
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
    /// Whom it speaks to.
    pub interface: Interface,
    /// The request's method.
    pub method: Method,
    /// The object, relative to the case's directory unless it starts with a variable.
    pub path: Template,
    /// Where a MOVE or COPY goes.
    pub destination: Option<Template>,
    /// What stands on the wire instead of the method.
    pub verb: Option<String>,
    /// A word that makes the content of a PUT another one than that of the file before it; empty for
    /// an empty file.
    pub body: String,
    /// What the content of a PUT or of a pull looks like.
    pub filling: Filling,
    /// A body as it stands, for any method, instead of a file's content.
    pub content: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// What only the byte-exact client can send.
    pub wire: Option<RawOptions<Credential<TokenTemplate>>>,
    /// Seconds to wait before it.
    pub wait: u64,
    /// Whether a service need not offer it: where the answer to it, or to its control, says so, the case
    /// is skipped. A pull that ought to fail is skipped where the service asks for no checksum.
    pub optional: bool,
    /// Whether it goes to where the step before was redirected to, without the query.
    pub redirected: bool,
    /// The credential.
    pub token: Credential<TokenTemplate>,
    /// The word for what is right.
    pub expect: Expect,
    /// What an `ok` answer tells beside.
    pub tells: Tells,
    /// By what it is judged, where that is not the case's first clause and the word alone.
    pub terms: StepTerms,
    /// With which token the very same request has to succeed, when a denial is expected.
    pub control: Option<TokenTemplate>,
    /// Its line in the suite file.
    pub at: Place,
}

/// What the content of a file looks like that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filling {
    /// A short line.
    #[default]
    Line,
    /// Each value that a byte can have, and ends of lines of all kinds.
    EveryByte,
    /// Somewhat more than 1 MiB.
    Large,
}

/// By what a step is judged, beside the word for what is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepTerms {
    /// The clause that its findings cite, where it is not the first one of its case.
    pub clause: Option<ClauseId>,
    /// Another outcome with which the case goes on.
    pub or: Option<Alternative>,
    /// Whether it is sent only where the last step with another outcome had that; between the two are only such steps.
    pub otherwise: bool,
    /// How it is asked for with a token that is over: clocks differ, and answers are kept for a while.
    pub lapse: Option<Lapsing>,
}

/// How something is asked for with a token that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapsing {
    /// Until the service has noticed it.
    Polled,
    /// Once, after another token of the same end, which had not been used before, was refused.
    Once,
}

/// Another outcome of a step than the one that is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The word for it.
    pub expect: Expect,
    /// The clause that it breaks; none if it is as lawful as the first.
    pub clause: Option<ClauseId>,
}

/// What a request brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential<T> {
    /// No credential.
    None,
    /// A text that is no token.
    Text(String),
    /// A token.
    Token(T),
    /// The macaroon that the case was given last.
    Macaroon(Presented),
}

impl<T> Credential<T> {
    /// The token, if it is one.
    pub fn token(&self) -> Option<&T> {
        match self {
            Self::Token(token) => Some(token),
            Self::None | Self::Text(_) | Self::Macaroon(_) => None,
        }
    }
}

/// What only the byte-exact client can send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawOptions<C> {
    /// The path as it stands on the wire, below the case's directory; or below the service where it
    /// starts with a slash; or a URL, which is the absolute form of RFC 9112 section 3.2.2.
    pub target: Option<String>,
    /// Header lines in which `{token}` and `{other}` stand for the credentials, and `{basic}` for the first one as the password
    /// of RFC 7617, instead of `Authorization: Bearer {token}`.
    pub present: Option<Vec<String>>,
    /// The query, in which `{token}` and `{other}` stand for the credentials.
    pub query: Option<String>,
    /// The credential that `{other}` stands for.
    pub other: C,
    /// `Expect: 100-continue`.
    pub expect_continue: bool,
    /// HTTP/1.0 in the request line.
    pub http_1_0: bool,
    /// On the case's one connection, which is kept open.
    pub kept: bool,
    /// How many bytes of the body are sent before the connection is closed.
    pub cut: Option<usize>,
    /// `Transfer-Encoding: chunked`.
    pub chunked: bool,
}

/// What an answer that is `ok` has to tell beside the bytes or the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tells {
    /// The header field with the file's digest: `adler32` or `sha-256` for `Digest` (RFC 3230).
    pub digest: Option<String>,
    /// Names of the members that a listing has to show, in any order.
    pub members: Vec<String>,
    /// Names of members that a listing must not show.
    pub hidden: Vec<String>,
    /// What a 401 has to say in `WWW-Authenticate`: `bearer` offers the scheme without an error,
    /// `invalid_token` names that error (RFC 6750 section 3).
    pub challenge: Option<String>,
    /// Status and length are those of the step before.
    pub alike: bool,
    /// A 405 has to name the methods that are allowed.
    pub allow: bool,
}

/// The words for what a step expects. `check::word` defines each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Anything but a server error: what is found is told and not judged.
    Any,
    /// The request makes no sense.
    BadRequest,
    /// What is there does not fit.
    Conflict,
    /// Something new came to be.
    Created,
    /// Something new came to be, its parents too, or nothing because they are missing.
    CreatedOrConflict,
    /// The object is gone.
    Deleted,
    /// The object is gone with everything below it, or nothing is.
    DeletedOrRefused,
    /// A good token without the right for this.
    Denied,
    /// Something is there already.
    Exists,
    /// A transfer does not come about, whoever notices it, and leaves nothing.
    Failed,
    /// The members of a directory.
    Listed,
    /// The method is not for this, or not known.
    NotAllowed,
    /// Nothing there, and the bearer may know it.
    NotFound,
    /// The object can be read or looked at.
    Ok,
    /// The object can be read, or nobody knows it by that name.
    OkOrNotFound,
    /// A part of a file, as `Range` asks.
    Partial,
    /// A condition of the request does not hold.
    PreconditionFailed,
    /// Any refusal, with nothing changed.
    Refused,
    /// Something that was there has a new content.
    Replaced,
    /// A token that is no good for this service, or none at all.
    Unauthenticated,
    /// A range beyond the end.
    Unsatisfiable,
    /// A body of a kind that is not understood.
    UnsupportedType,
}

impl Expect {
    /// Every word.
    pub const ALL: [Self; 22] = [
        Self::Any,
        Self::BadRequest,
        Self::Conflict,
        Self::Created,
        Self::CreatedOrConflict,
        Self::Deleted,
        Self::DeletedOrRefused,
        Self::Denied,
        Self::Exists,
        Self::Failed,
        Self::Listed,
        Self::NotAllowed,
        Self::NotFound,
        Self::Ok,
        Self::OkOrNotFound,
        Self::Partial,
        Self::PreconditionFailed,
        Self::Refused,
        Self::Replaced,
        Self::Unauthenticated,
        Self::Unsatisfiable,
        Self::UnsupportedType,
    ];

    /// The word as suite files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::BadRequest => "bad-request",
            Self::Conflict => "conflict",
            Self::Created => "created",
            Self::CreatedOrConflict => "created-or-conflict",
            Self::Deleted => "deleted",
            Self::DeletedOrRefused => "deleted-or-refused",
            Self::Denied => "denied",
            Self::Exists => "exists",
            Self::Failed => "failed",
            Self::Listed => "listed",
            Self::NotAllowed => "not-allowed",
            Self::NotFound => "not-found",
            Self::Ok => "ok",
            Self::OkOrNotFound => "ok-or-not-found",
            Self::Partial => "partial",
            Self::PreconditionFailed => "precondition-failed",
            Self::Refused => "refused",
            Self::Replaced => "replaced",
            Self::Unauthenticated => "unauthenticated",
            Self::Unsatisfiable => "unsatisfiable",
            Self::UnsupportedType => "unsupported-type",
        }
    }

    /// Whether the word says that a credential is not enough, so that a control is needed.
    pub fn refusal(self) -> bool {
        matches!(self, Self::Denied | Self::Unauthenticated)
    }

    /// Whether the word says that the request is refused, be it for its credential or for what it asks.
    pub fn any_refusal(self) -> bool {
        self.refusal() || self == Self::Refused
    }

    /// Whether the word says that nothing changes, whatever the method.
    pub fn harmless(self) -> bool {
        match self {
            Self::BadRequest
            | Self::Conflict
            | Self::Denied
            | Self::Exists
            | Self::Failed
            | Self::NotAllowed
            | Self::NotFound
            | Self::PreconditionFailed
            | Self::Refused
            | Self::Unauthenticated
            | Self::UnsupportedType => true,
            Self::Any
            | Self::Created
            | Self::CreatedOrConflict
            | Self::Deleted
            | Self::DeletedOrRefused
            | Self::Listed
            | Self::Ok
            | Self::OkOrNotFound
            | Self::Partial
            | Self::Replaced
            | Self::Unsatisfiable => false,
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
