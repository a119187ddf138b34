use core::net::IpAddr;

/// Somebody who came to a server of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Whence.
    pub from: IpAddr,
    /// What came of it.
    pub what: Touch,
}

/// What came over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Nothing so far.
    Connected,
    /// The beginning of a TLS handshake (RFC 8446 section 5.1).
    Handshake,
    /// A request for what the token alone names.
    Asked(String),
    /// Something else.
    Strange(String),
}
