//! A YAML file as what it says, for readers that take what they know of it and leave the rest.

use crate::diagnostics::Diagnostics;
use crate::fields::names_secret;
use crate::parse;
use crate::problem::{Problem, Problems};
use crate::source::SourceFile;
use crate::tree::{Kind, Node};

/// A value and its line.
#[derive(Clone, Debug, PartialEq)]
pub struct RawNode {
    /// Counted from 1.
    pub line: usize,
    /// The value.
    pub value: RawValue,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum RawValue {
    /// Nothing.
    Null,
    /// Text, or what stands for a number or a truth as text.
    Text(String),
    /// A list.
    List(Vec<RawNode>),
    /// A mapping in its order, no key twice.
    Map(Vec<(String, RawNode)>),
}

impl RawNode {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            RawValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if it is a mapping.
    pub fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            RawValue::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of that key, if it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let mut entries = self.entries().iter();
        entries
            .find(|(name, _)| name == key)
            .map(|(_, plain)| plain)
    }
}

/// Reads a file in which secrets may stand: no message shows a line of it.
///
/// # Errors
/// It is no YAML, or a key is there twice.
pub fn load_raw(source: &SourceFile) -> Result<RawNode, Problems> {
    let mut d = Diagnostics::discreet(source);
    d.hide_all();
    let root = parse::parse(&mut d);
    let (problems, _) = d.finish();
    Problems::none_of(problems)?;
    root.map(|root| plain(&root)).ok_or_else(|| {
        Problem::of_file(&source.name, "it cannot be read", "save it as YAML").into()
    })
}

fn plain(node: &Node) -> RawNode {
    let value = match &node.kind {
        Kind::Null => RawValue::Null,
        Kind::Bool(value) => RawValue::Text(value.to_string()),
        Kind::Integer(value) => RawValue::Text(value.to_string()),
        Kind::Float(value) => RawValue::Text(value.to_string()),
        Kind::Text(text) => RawValue::Text(text.clone()),
        Kind::List(items) => RawValue::List(items.iter().map(plain).collect()),
        Kind::Map(entries) => RawValue::Map(
            entries
                .iter()
                .map(|(key, value)| (key.text.clone(), plain(value)))
                .collect(),
        ),
    };
    RawNode {
        line: node.at.line,
        value,
    }
}

/// Whether a key is one under which people put secrets.
pub fn is_secret(key: &str) -> bool {
    names_secret(key)
}
