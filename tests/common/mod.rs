//! What the tests share.
#![allow(
    dead_code,
    reason = "every test file is a crate of its own and uses a part"
)]

pub mod issuer;
pub mod lab;
pub mod trouble;
pub mod xrootd;
