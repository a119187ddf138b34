//! What a storage element may have or lack: the same words for the traits that declare it, for the preflight that finds it
//! out, and for the cases that need it.

use super::{Endpoint, Method};

/// Something that a service need not have for most cases to make sense, and that some cases need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// MKCOL, and with it real directories (RFC 4918 section 9.3).
    Directories,
    /// PROPFIND (RFC 4918 section 9.1).
    Propfind,
    /// MOVE (RFC 4918 section 9.9).
    Move,
    /// COPY from and to other servers (HTTP-TPC).
    ThirdPartyCopy,
    /// Authorisation by the groups of a token (profile 2.2.2).
    Groups,
    /// Checksums on request (RFC 3230).
    Digests,
    /// Macaroons for tokens.
    Macaroons,
    /// The tape REST API.
    Tape,
}

impl Ability {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Directories,
        Self::Propfind,
        Self::Move,
        Self::ThirdPartyCopy,
        Self::Groups,
        Self::Digests,
        Self::Macaroons,
        Self::Tape,
    ];

    /// The trait that declares it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Directories => "directories",
            Self::Propfind => "propfind",
            Self::Move => "move",
            Self::ThirdPartyCopy => "third-party-copy",
            Self::Groups => "groups",
            Self::Digests => "digests",
            Self::Macaroons => "macaroons",
            Self::Tape => "tape",
        }
    }

    /// The line that says that a service does not have it.
    pub fn denied(self) -> String {
        format!("`traits: {{{}: false}}`", self.key())
    }

    /// What the service does not do that lacks it, after "it".
    pub fn lacking(self) -> &'static str {
        match self {
            Self::Directories => "makes no directories (MKCOL)",
            Self::Propfind => "has no PROPFIND",
            Self::Move => "has no MOVE",
            Self::ThirdPartyCopy => "copies from and to no other server (COPY)",
            Self::Groups => "authorises nobody by group",
            Self::Digests => "tells no checksums",
            Self::Macaroons => "issues no macaroons",
            Self::Tape => "has no tape REST API",
        }
    }

    /// The method that comes with it, which `Allow` names.
    pub fn method(self) -> Option<Method> {
        match self {
            Self::Directories => Some(Method::Mkcol),
            Self::Propfind => Some(Method::Propfind),
            Self::Move => Some(Method::Move),
            Self::ThirdPartyCopy => Some(Method::Copy),
            Self::Groups | Self::Digests | Self::Macaroons | Self::Tape => None,
        }
    }

    /// The case that is there to tell that it is missing; where that is not asked for, another one that needs it does.
    pub fn witness(self) -> &'static str {
        match self {
            Self::Directories => "webdav.mkcol.shows",
            Self::Propfind => "webdav.propfind.directory",
            Self::Move => "webdav.move.statuses",
            Self::ThirdPartyCopy => "tpc.pull",
            Self::Groups => "group.member.read",
            Self::Digests => "digest.adler32.head",
            Self::Macaroons => "macaroon.issue.granted",
            Self::Tape => "tape.discovery.document",
        }
    }

    /// Whether the inventory says that `endpoint` has it, or does not say that it has not.
    pub fn declared(self, endpoint: &Endpoint) -> bool {
        let traits = &endpoint.traits;
        match self {
            Self::Directories => traits.directories,
            Self::Propfind => traits.propfind,
            Self::Move => traits.moves,
            Self::ThirdPartyCopy => traits.third_party_copy,
            Self::Groups => traits.groups.is_some(),
            Self::Digests => traits.digests,
            Self::Macaroons => traits.macaroons,
            Self::Tape => traits.tape.is_some(),
        }
    }
}
