//! YAML files as trees that know their lines, and everything that is wrong with a file at once.
//!
//! | module | what it knows |
//! |---|---|
//! | [`source`] | the text of a file and its lines |
//! | [`parse`] | text to a tree, within limits; alone names the YAML crate |
//! | [`tree`] | values with their positions |
//! | [`fields`] | typed values out of a tree |
//! | [`diagnostics`] | where what is wrong is collected |
//! | [`problem`] | what is wrong, as it is shown |
//! | [`raw`] | a file as what it says, for readers that take what they know |
//! | [`suggestions`] | "did you mean" |

pub mod diagnostics;
pub mod fields;
pub mod parse;
pub mod problem;
pub mod raw;
pub mod source;
pub mod suggestions;
pub mod tree;

pub use problem::{Problem, ProblemReport, ProblemSeverity, Problems, Spot};
pub use raw::{RawNode, RawValue, is_secret, load_raw};
pub use source::{FILE_CAP, SourceFile};
pub use suggestions::suggestion;
