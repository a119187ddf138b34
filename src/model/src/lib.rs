//! The nouns of the field: plain data without I/O, known by every other crate.
//!
//! | modules | what they hold |
//! |---|---|
//! | `case`, `issuer_step`, `interface`, `transfer`, `tape`, `macaroon`, `template` | what a suite asks: cases, their steps and expectations |
//! | `clause`, `profile`, `finding` | the register of clauses, and what is found about them |
//! | `endpoint`, `source`, `downtime`, `ability` | what `endpoints.yaml` says of storage and issuers |
//! | `plan`, `map_texts`, `marker`, `ids` | what a run sets out to do, and how its objects are named |
//! | `exchange`, `exchanges`, `token`, `bearer_token`, `contact`, `request_shape` | what is sent and what comes back |
//! | `event`, `record`, `run_history`, `mode` | what a run tells while it goes on, and its record |
//! | [`redact`], `excerpt`, `invisible`, `shell`, `xml` | what is done to text that came from outside |
//! | [`sample`] | a fixed run for the tests of every crate |
//!
//! Everything but the two public modules is exported from here.

mod ability;
mod bearer_token;
mod case;
mod clause;
mod contact;
mod downtime;
mod endpoint;
mod event;
mod excerpt;
mod exchange;
mod exchanges;
mod finding;
mod ids;
mod interface;
mod invisible;
mod issuer_step;
mod macaroon;
mod map_texts;
mod marker;
mod mode;
mod plan;
mod profile;
mod record;
pub mod redact;
mod request_shape;
mod run_history;
pub mod sample;
mod shell;
mod source;
mod tape;
mod template;
mod token;
mod transfer;
mod xml;

pub use ability::*;
pub use bearer_token::BearerToken;
pub use case::*;
pub use clause::*;
pub use contact::*;
pub use downtime::*;
pub use endpoint::*;
pub use event::*;
pub use excerpt::excerpt;
pub use exchange::*;
pub use exchanges::Exchanges;
pub use finding::*;
pub use ids::*;
pub use interface::*;
pub use invisible::is_invisible_or_control;
pub use issuer_step::*;
pub use macaroon::*;
pub use marker::{MARKER, Marker};
pub use mode::Mode;
pub use plan::*;
pub use profile::*;
pub use record::*;
pub use request_shape::*;
pub use run_history::*;
pub use shell::*;
pub use source::*;
pub use tape::*;
pub use template::*;
pub use token::*;
pub use transfer::*;
pub use xml::tangled;
