//! The nouns of the field: plain data without I/O, known by every other room.

mod case;
mod clause;
mod endpoint;
mod exchange;
mod finding;
mod ids;
mod interface;
mod macaroon;
mod plan;
mod profile;
mod reading;
mod record;
mod source;
mod tape;
mod template;
mod texts;
mod token;
mod transfer;

pub use case::*;
pub use clause::*;
pub use endpoint::*;
pub use exchange::*;
pub use finding::*;
pub use ids::*;
pub use interface::*;
pub use macaroon::*;
pub use plan::*;
pub use profile::*;
pub use reading::*;
pub use record::*;
pub use source::*;
pub use tape::*;
pub use template::*;
pub use token::*;
pub use transfer::*;
