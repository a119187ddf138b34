//! What the tests share.
#![allow(dead_code, reason = "every test program uses a part")]

pub mod agent;
pub mod bearer;
pub mod delay;
pub mod fleet;
pub mod issuer;
pub mod keycloak;
pub mod middle;
pub mod mytoken;
pub mod person;
pub mod sending;
pub mod signed;
pub mod site;
pub mod test_bed;
pub mod trouble;
pub mod vault;
pub mod waiting;
pub mod wild;
pub mod xrootd;
