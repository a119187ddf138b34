//! A YAML file as what it says, for readers that take what they know of it and leave the rest.

use super::diagnostics::Diagnostics;
use super::fields::names_secret;
use super::problem::{Problem, Problems};
use super::source::Source;
use super::tree::{Kind, Node};
use super::yaml;

/// A value and its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// Counted from 1.
    pub line: usize,
    /// The value.
    pub value: PlainValue,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum PlainValue {
    /// Nothing.
    Null,
    /// Text, or what stands for a number or a truth as text.
    Text(String),
    /// A list.
    List(Vec<Plain>),
    /// A mapping in its order, no key twice.
    Map(Vec<(String, Plain)>),
}

impl Plain {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            PlainValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if it is a mapping.
    pub fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            PlainValue::Map(entries) => entries,
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
pub fn load_plain(source: &Source) -> Result<Plain, Problems> {
    let mut d = Diagnostics::discreet(source);
    d.hide_all();
    let root = yaml::parse(&mut d);
    let (problems, _) = d.finish();
    Problems::none_of(problems)?;
    root.map(|root| plain(&root)).ok_or_else(|| {
        Problem::of_file(&source.name, "it cannot be read", "save it as YAML").into()
    })
}

fn plain(node: &Node) -> Plain {
    let value = match &node.kind {
        Kind::Null => PlainValue::Null,
        Kind::Bool(value) => PlainValue::Text(value.to_string()),
        Kind::Integer(value) => PlainValue::Text(value.to_string()),
        Kind::Float(value) => PlainValue::Text(value.to_string()),
        Kind::Text(text) => PlainValue::Text(text.clone()),
        Kind::List(items) => PlainValue::List(items.iter().map(plain).collect()),
        Kind::Map(entries) => PlainValue::Map(
            entries
                .iter()
                .map(|(key, value)| (key.text.clone(), plain(value)))
                .collect(),
        ),
    };
    Plain {
        line: node.at.line,
        value,
    }
}

/// Whether a key is one under which people put secrets.
pub fn is_secret(key: &str) -> bool {
    names_secret(key)
}
