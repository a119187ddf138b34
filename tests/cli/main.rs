//! The program as its users meet it: every command, what it reads and writes, whom it asks for tokens. Needs nothing
//! but what a build needs.

#[path = "../common/mod.rs"]
mod common;

mod architecture;
mod broken;
mod commands;
mod coverage;
mod covers;
mod declared;
mod delayed;
mod diff;
mod downtimes;
mod faults;
mod fleet;
mod gentle;
mod golden;
mod history;
mod import;
mod keycloak;
mod lawful;
mod likes;
mod oauth_sources;
mod other_sources;
mod preflight;
mod prove;
mod read_only;
mod reports;
mod roles;
mod source_answers;
mod sources;
mod tape;
mod terms;
mod token_login;
mod tokens;
mod trace;
mod verdicts;
