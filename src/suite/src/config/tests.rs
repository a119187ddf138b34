//! What people read when their files are wrong.

mod accounts;
mod asks;
mod catalogue;
mod covers;
mod downtimes;
mod golden;
mod hostile;
mod hosts;
mod inventory;
mod known;
mod macaroons;
mod tape;
mod terms;
mod transfers;
