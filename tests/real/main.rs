//! The program with software that nobody here wrote: XRootD, oidc-agent, and an OpenID provider of npm. `tests/run real`
//! puts them into place.

#[path = "../common/mod.rs"]
mod common;

mod agent;
mod harness;
mod likes;
mod provider;
mod transfers;
mod xrootd;
