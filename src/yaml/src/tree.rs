//! A file as a tree whose every key and value knows its line and column.

use crate::diagnostics::Mark;

/// A place in a text, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Position {
    /// The beginning of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub at: Position,
    /// What it is.
    pub kind: Kind,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text, quoted or not.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// No key twice.
    Map(Vec<(Key, Node)>),
}

/// The key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Where it begins.
    pub at: Position,
    /// Its text.
    pub text: String,
}

impl Key {
    /// What a diagnostic points at.
    pub fn mark(&self) -> Mark {
        Mark {
            at: self.at,
            chars: self.text.chars().count(),
        }
    }
}

impl Node {
    /// What a diagnostic points at.
    pub fn mark(&self) -> Mark {
        let chars = match &self.kind {
            Kind::Text(text) if !text.contains('\n') => text.chars().count(),
            _ => 0,
        };
        Mark { at: self.at, chars }
    }

    /// Whether it is a list or mapping with nothing in it, which has no place of its own.
    pub fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::List(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// Where its last part starts.
    pub fn last(&self) -> Position {
        let inner = match &self.kind {
            Kind::List(items) => items.iter().map(Self::last).max(),
            Kind::Map(entries) => entries
                .iter()
                .map(|(key, node)| node.last().max(key.at))
                .max(),
            _ => None,
        };
        inner.unwrap_or(self.at).max(self.at)
    }
}

impl Kind {
    /// The word for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(true) => "`true`",
            Self::Bool(false) => "`false`",
            Self::Integer(_) => "a number",
            Self::Float(_) => "a decimal number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}
