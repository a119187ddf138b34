//! The program with software that nobody here wrote: XRootD, oidc-agent, an OpenID provider of npm, and clients of storage.
//! `tests/run real` puts them into place.

#[path = "../common/mod.rs"]
mod common;

mod agent;
mod clients;
mod front;
mod harness;
mod likes;
mod provider;
mod transfers;
mod xrootd;
