use super::{MacaroonRequest, TapeCall, Transfer};

/// Which of a storage element's interfaces a step speaks to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// The methods of HTTP and WebDAV.
    #[default]
    Webdav,
    /// COPY from or to another server.
    Transfer(Transfer),
    /// The tape REST API.
    Tape(TapeCall),
    /// The request for a macaroon.
    Macaroons(MacaroonRequest),
}
