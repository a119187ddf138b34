//! The nouns of the field: plain data without I/O, known by every other room.

mod case;
mod clause;
mod endpoint;
mod exchange;
mod finding;
mod ids;
mod plan;
mod profile;
mod reading;
mod record;
mod template;
mod texts;
mod token;

pub use case::*;
pub use clause::*;
pub use endpoint::*;
pub use exchange::*;
pub use finding::*;
pub use ids::*;
pub use plan::*;
pub use profile::*;
pub use reading::*;
pub use record::*;
pub use template::*;
pub use token::*;
