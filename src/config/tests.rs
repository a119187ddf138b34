//! What people read when their files are wrong.

mod accounts;
mod asks;
mod catalogue;
mod hostile;
mod inventory;
mod macaroons;
mod tape;
mod transfers;
