//! The embedded issuer and the embedded storage element, with the faults that they can have.
//!
//! Both speak HTTPS on loopback with certificates of their own [`Authority`] and end when they are
//! dropped. The storage element is a pipeline of small decisions; a [`Fault`] replaces one
//! of them, so that the rest of the code never mentions misbehaviour.
//!
//! | modules | what they do |
//! |---|---|
//! | `storage`, `server`, `authority` | start a storage element on a port of its own, with TLS |
//! | `element`, `operation`, `path`, `answers` | take a request from its head to its answer |
//! | `token`, `keys`, `jwt`, `scope`, `authorisation` | verify a token and decide what its bearer may do |
//! | `webdav`, `namespace`, `pool` | carry out what is allowed, in memory |
//! | `transfer`, `tape`, `macaroons`, `macaroon` | third-party copies, the tape REST API, macaroons |
//! | `issuer` | the embedded issuer |
//! | `rules` | the decisions that a fault may replace, with the right ones as defaults |
//! | `faults`, `likes` | the faults, a file for each subject, and imitations of real software |
//! | `probe` | which faults would have answered otherwise, so that `prove` runs no more than it has to |
//! | `peer`, `callback` | the other side of transfers, and the server that nobody should ask |
//!
//! To add a fault, add an entry to a file of `faults/`; `touchstone prove --fault NAME` shows which cases catch it.

mod answers;
mod authorisation;
mod authority;
mod callback;
mod element;
mod faults;
mod issuer;
mod jwt;
mod keys;
mod likes;
mod macaroon;
mod macaroons;
mod namespace;
mod operation;
mod path;
mod peer;
mod pool;
mod probe;
mod rules;
mod scope;
mod server;
mod storage;
mod tape;
mod token;
mod transfer;
mod webdav;

#[cfg(test)]
mod tests;

#[cfg(test)]
#[path = "../../../tests/common/waiting.rs"]
#[allow(dead_code, reason = "the tests outside use other parts of it")]
mod waiting;

pub use authority::{Authority, ServerCertificate};
pub use callback::{CallbackHost, ListeningCallback};
pub use faults::{Fault, compatible, fault, faults};
pub use issuer::{IssuerOptions, ReferenceIssuer};
pub use likes::{Like, like, likes};
pub use peer::{Identity, OpenedPeer, TransferPeerOptions, TransferPeerServer};
pub use probe::Sensitivity;
pub use storage::{Area, Storage, StorageOptions};
pub use transfer::TransferOptions;

/// Why an embedded service could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The port is taken, or not ours to use.
    #[error("cannot listen on port {port} of the loopback interface")]
    Bind {
        /// The port that was asked for; 0 is any.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate or a key for one could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// An option that makes no sense.
    #[error("{0}")]
    Option(String),
    /// A signing key could not be used.
    #[error("cannot use a signing key")]
    SigningKey(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// TLS could not be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

impl From<jwt::KeyError> for ReferenceError {
    fn from(error: jwt::KeyError) -> Self {
        Self::SigningKey(error.into())
    }
}

impl From<rustls::Error> for ReferenceError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error.to_string())
    }
}
