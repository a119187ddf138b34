use core::net::IpAddr;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{ANY_AUDIENCE, Ability, Account, CaseId, DowntimeSource, Expresses, Place, Profile};

/// What `endpoints.yaml` says, checked: the storage to judge and the issuers to ask.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// By name.
    pub issuers: Vec<Arc<Issuer>>,
    /// In the order of the file.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Where it is said when endpoints are not to be judged.
    pub downtimes: Vec<DowntimeSource>,
}

impl Inventory {
    /// The issuer of that name.
    pub fn issuer(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.issuers.iter().find(|issuer| issuer.name == name)
    }
}

/// Somebody who issues tokens, and how they are obtained there.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its name in the inventory.
    pub name: String,
    /// The identifier, character by character as tokens carry it in `iss`.
    pub url: String,
    /// Where ordinary tokens come from; of several, the first one that may ask for what is needed.
    pub accounts: Vec<Account>,
    /// The keys with which any token can be made, when this is a test issuer of ours; the first one signs
    /// where none is asked for by kind.
    pub test_keys: Vec<TestKey>,
    /// Whom to trust in its TLS beside the system's roots.
    pub ca: Vec<Trust>,
    /// Hosts beside its own where its metadata may send credentials, as globs.
    pub credential_hosts: Vec<String>,
    /// How gently and how long to ask it.
    pub limits: IssuerLimits,
    /// What is known of it where it is judged itself.
    pub subject: IssuerSubject,
    /// Failures that somebody works on, where it is judged itself.
    pub known_failures: Vec<KnownFailure>,
}

impl Issuer {
    /// An issuer of which nothing but its URL is known.
    pub fn bare(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            accounts: Vec::new(),
            test_keys: Vec::new(),
            ca: Vec::new(),
            credential_hosts: Vec::new(),
            limits: IssuerLimits::default(),
            subject: IssuerSubject::default(),
            known_failures: Vec::new(),
        }
    }

    /// What tokens can be had from it, before anything was asked.
    pub fn abilities(&self) -> Abilities {
        let forge = !self.test_keys.is_empty();
        let can = |what: fn(Expresses) -> bool| {
            forge || self.accounts.iter().any(|a| what(a.source.expresses()))
        };
        Abilities {
            any: forge || !self.accounts.is_empty(),
            scopes: can(|source| source.scopes),
            audience: can(|source| source.audience),
            forge,
        }
    }
}

/// What tokens can be had from an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Any token at all.
    pub any: bool,
    /// Scopes and groups of our choice.
    pub scopes: bool,
    /// An audience of our choice.
    pub audience: bool,
    /// Claims that no honest issuer would sign.
    pub forge: bool,
}

/// How gently and how long to ask an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuerLimits {
    /// Token requests per second.
    pub rate: u32,
    /// For one request, answer included.
    pub answer: Duration,
    /// How long to go on asking one that is busy (429, 503).
    pub patience: Duration,
}

impl Default for IssuerLimits {
    fn default() -> Self {
        Self {
            rate: 5,
            answer: Duration::from_secs(20),
            patience: Duration::from_secs(60),
        }
    }
}

/// What is known of an issuer where it is judged itself: cases that need what is not said are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerSubject {
    /// Whether every run judges it, not only one with `--issuers`.
    pub always: bool,
    /// The profile version that it declares.
    pub profile: Option<Profile>,
    /// The name of its VO, with which all its groups begin.
    pub vo: Option<String>,
    /// Groups of the user (or client) that come with every request for groups, in the order of the issuer.
    pub default_groups: Vec<String>,
    /// Groups that come on request only.
    pub optional_groups: Vec<String>,
    /// A group that exists, and to which the user does not belong.
    pub foreign_group: Option<String>,
    /// Capability sets by group, complete: the group's name and its scopes.
    pub capability_sets: Vec<(String, Vec<String>)>,
}

/// Where a secret is. Never the YAML text itself.
#[derive(Clone, Debug)]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(PathBuf),
    /// Made by this process.
    Held(SecretString),
}

impl fmt::Display for SecretRef {
    /// Where it is, for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Held(_) => f.write_str("what was given"),
        }
    }
}

/// The signing key of a test issuer.
#[derive(Clone, Debug)]
pub struct TestKey {
    /// PEM, PKCS#8; EC P-256 signs ES256, RSA signs RS256.
    pub pem: SecretRef,
    /// The `kid` under which its public half is published; by default its RFC 7638 thumbprint.
    pub kid: Option<String>,
}

/// Whom to trust in TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A PEM file, or a directory as /etc/grid-security/certificates.
    Path(PathBuf),
    /// The same, whose revocation lists count after they are out of date as well.
    Lenient(PathBuf),
    /// PEM text of this process.
    Pem(String),
}

/// One SE's HTTPS door together with the area of a VO on it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name in reports.
    pub name: String,
    /// What the file says of it.
    pub description: Option<String>,
    /// Which software the file says it is.
    pub software: Option<String>,
    /// Scheme, host and port; no path.
    pub url: Url,
    /// Path prefix of the VO: empty for the root, otherwise `/…` without a trailing slash.
    pub area: String,
    /// Whose tokens it takes; the name is in the inventory.
    pub issuer: Option<String>,
    /// Whom to trust in its TLS beside the system's roots.
    pub ca: Vec<Trust>,
    /// The profile version that it declares.
    pub profile: Option<Profile>,
    /// The audiences that it declares; ordinary tokens have the first, and by default the one that everybody accepts.
    pub audience: Option<Vec<String>>,
    /// What it has or lacks.
    pub traits: Traits,
    /// Failures that somebody works on.
    pub known_failures: Vec<KnownFailure>,
    /// An area of another VO on the same service.
    pub second: Option<SecondArea>,
    /// How gently and how long to ask.
    pub limits: Limits,
    /// The endpoint from and to which it copies.
    pub tpc_partner: Option<String>,
    /// Whether each request to it needs a token of its own, since it refuses a `jti` that it has seen.
    pub fresh_tokens: bool,
    /// Hosts beside its own to which a redirect may take the token, as globs; what removes, moves or makes directories goes to no other.
    pub redirect_hosts: Vec<String>,
    /// The one address of its host to which connections go, where each address is judged on its own.
    pub address: Option<IpAddr>,
}

impl Endpoint {
    /// The same endpoint at one of its addresses, with a name of its own: `NAME@192.0.2.1`,
    /// `NAME@[2001:db8::1]`.
    pub fn at(&self, address: IpAddr) -> Self {
        let shown = match address {
            IpAddr::V4(four) => four.to_string(),
            IpAddr::V6(six) => format!("[{six}]"),
        };
        Self {
            name: format!("{}@{shown}", self.listed_name()),
            address: Some(address),
            ..self.clone()
        }
    }

    /// The name that the inventory has for it: without an address.
    pub fn listed_name(&self) -> &str {
        match self.address {
            Some(_) => self
                .name
                .rsplit_once('@')
                .map_or(&self.name, |(name, _)| name),
            None => &self.name,
        }
    }

    /// Scheme, host and port as an audience is written: no trailing slash, no default port.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// By what audiences it alone is meant, at least one: what it declares, otherwise its URL.
    pub fn own_audiences(&self) -> Vec<String> {
        let declared = self.audience.iter().flatten();
        let own: Vec<_> = declared
            .filter(|audience| *audience != ANY_AUDIENCE)
            .cloned()
            .collect();
        match own.is_empty() {
            true => vec![self.origin()],
            false => own,
        }
    }

    /// The URL of `path`, which is absolute on the service and already URL-escaped.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// The names of the issuers whose tokens it takes.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        let second = self.second.as_ref().map(|second| second.issuer.as_str());
        self.issuer.as_deref().into_iter().chain(second)
    }

    /// Where nothing may be written: the file that is there to be read, absolute on the service.
    pub fn existing(&self) -> Option<String> {
        let existing = self.traits.read_only.as_ref()?;
        Some(format!("{}{}", self.area, existing.path))
    }

    /// The directories, absolute on the service, in which a run makes its own: the area, and what is declared beside it.
    pub fn places(&self) -> Vec<String> {
        let area = &self.area;
        let groups = self.traits.groups.as_ref();
        let tape = self.traits.tape.as_ref();
        let below = groups.map(|groups| &groups.protected).into_iter();
        let below = below.chain(tape.map(|tape| &tape.path));
        std::iter::once(area.clone())
            .chain(below.map(|path| format!("{area}{path}")))
            .chain(self.second.as_ref().map(|second| second.path.clone()))
            .collect()
    }

    /// The URL of the area, without a trailing slash.
    pub fn area_url(&self) -> String {
        self.url_of(&self.area)
    }
}

/// An area of another VO on the same service, to see that the VOs are kept apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondArea {
    /// Its path, as [`Endpoint::area`].
    pub path: String,
    /// Whose tokens it takes; the name is in the inventory.
    pub issuer: String,
}

/// What an endpoint has or lacks. Cases that need what it lacks are skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// It has real directories.
    pub directories: bool,
    /// It accepts the audience that means everybody.
    pub any_audience: bool,
    /// It authorises by group where a token has no capability.
    pub groups: Option<Groups>,
    /// It copies from and to other servers (HTTP-TPC).
    pub third_party_copy: bool,
    /// It speaks the tape REST API.
    pub tape: Option<Tape>,
    /// It issues macaroons.
    pub macaroons: bool,
    /// It renames (MOVE).
    pub moves: bool,
    /// It tells what is where (PROPFIND).
    pub propfind: bool,
    /// It tells checksums.
    pub digests: bool,
    /// Everybody may read there, whatever token is shown.
    pub public_read: bool,
    /// Nothing may be written there; this file is there to be read.
    pub read_only: Option<Existing>,
    /// What is declared in so many words not to be there.
    pub denied: Vec<Ability>,
}

/// What of an endpoint goes to tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tape {
    /// Path of a directory below the area, `/…`, where we may write and whose files go to tape.
    pub path: String,
    /// Path of a file below the area, `/…`, that is on tape already.
    pub file: String,
}

/// A file that was there before us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Path below the area, `/…`; it lies in a directory.
    pub path: String,
    /// The Adler-32 checksum of its bytes.
    pub adler32: u32,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            directories: true,
            any_audience: true,
            groups: None,
            third_party_copy: true,
            tape: None,
            macaroons: false,
            moves: true,
            propfind: true,
            digests: true,
            public_read: false,
            read_only: None,
            denied: Vec::new(),
        }
    }
}

/// How an endpoint authorises groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// May read and write everywhere but below `protected`, which it may only read.
    pub member: String,
    /// May write below `protected` as well.
    pub privileged: String,
    /// Path below the area, `/…` without a trailing slash.
    pub protected: String,
}

impl Default for Groups {
    /// What the reference suite expects of every area.
    fn default() -> Self {
        Self {
            member: "/wlcg".into(),
            privileged: "/wlcg/test".into(),
            protected: "/protected".into(),
        }
    }
}

/// A failure that somebody works on: it is shown, and does not turn a run red.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownFailure {
    /// Which case.
    pub case: CaseId,
    /// Why it is known.
    pub reason: String,
    /// Where it is followed.
    pub ticket: Option<String>,
    /// The last day on which it counts as known.
    pub expires: Option<Date>,
    /// The line that says so.
    pub at: Place,
}

impl KnownFailure {
    /// Whether its last day is over.
    pub fn expired(&self, today: Date) -> bool {
        self.expires.is_some_and(|last| last < today)
    }
}

/// How gently and how long to ask an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Cases, and requests, at the same time.
    pub jobs: usize,
    /// Requests per second; a second's worth may go at once.
    pub rate: u32,
    /// For the whole preflight, answer included.
    pub preflight: Duration,
    /// Until TCP and TLS stand.
    pub connect: Duration,
    /// From the request to the head of the answer.
    pub first_byte: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// Until the answer to a COPY between servers begins, between two pieces of its report, and until the
    /// other side is left when the client hangs up.
    pub transfer: Duration,
    /// For one case, without its teardown.
    pub case: Duration,
    /// For all cases of the endpoint.
    pub endpoint: Duration,
    /// Bytes of a body that are read.
    pub body: usize,
    /// How long after its end a token may be taken; no file says otherwise.
    #[serde(skip)]
    pub lapse: Lapse,
}

/// For how long after its end a token may still be taken: clocks differ, and services keep for a while what they have found
/// out about a token (RFC 7519 section 4.1.4: "some small leeway, usually no more than a few minutes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapse {
    /// Nobody minds that.
    pub pass: Duration,
    /// Within that it is a warning, and later a failure.
    pub warn: Duration,
    /// So long is asked.
    pub poll: Duration,
    /// Between two requests.
    pub pause: Duration,
}

impl Default for Lapse {
    /// A minute of leeway and a cache of half a minute pass.
    fn default() -> Self {
        Self {
            pass: Duration::from_secs(90),
            warn: Duration::from_secs(300),
            poll: Duration::from_secs(310),
            pause: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Limits of time that matter to no test, however busy the machine is.
    pub fn patient() -> Self {
        const NEVER: Duration = Duration::from_secs(600);
        Self {
            preflight: NEVER,
            connect: NEVER,
            first_byte: NEVER,
            idle: NEVER,
            transfer: NEVER,
            case: NEVER,
            endpoint: NEVER,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            jobs: 48,
            rate: 1000,
            preflight: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            // XRootD puts a request off for 30 s where it has no room for one more checksum, and answers it then.
            first_byte: Duration::from_secs(45),
            idle: Duration::from_secs(15),
            transfer: Duration::from_secs(60),
            case: Duration::from_secs(120),
            endpoint: Duration::from_secs(900),
            body: 1 << 21,
            lapse: Lapse::default(),
        }
    }
}
