//! From text to a tree whose every key and value knows its line and column. Nothing else names the
//! YAML crate.
//!
//! The crate tells positions in its errors only. So the visitor here takes each scalar, and then
//! fails on purpose: the error that comes back carries the scalar's line and column, the scalar is
//! used up, and reading goes on behind it. One pass over the text finds every position. Lists and
//! mappings stand where their first key or value stands.
//!
//! Aliases mean what they mean in YAML, and what they bring stands where its anchor stands. There are
//! no merge keys (`<<`) and no tags. Sizes are capped: text, depth, keys, and values after aliases.

use std::collections::HashMap;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use crate::diagnostics::{Diagnostics, Mark};
use crate::source::{FILE_CAP, lines};
use crate::tree::{Key, Kind, Node, Position};

const DEPTH_CAP: usize = 20;
const KEY_CAP: usize = 200;
const NODE_CAP: usize = 100_000;
const BRACKET_CAP: usize = 200;

/// Ends the message of an error that only fetches a position.
const FETCH: char = '\u{1}';

/// The file's tree; `None` when it cannot be read at all, and then the reason is in `diagnostics`.
pub fn parse(diagnostics: &mut Diagnostics<'_>) -> Option<Node> {
    let text = diagnostics.source.body();
    if text.len() > FILE_CAP {
        diagnostics.error(None, format!("it holds more than {} KiB", FILE_CAP >> 10));
        return None;
    }
    if !printable(text, diagnostics) {
        return None;
    }
    if brackets(text) > BRACKET_CAP {
        diagnostics.error(None, TOO_DEEP);
        return None;
    }
    let mut tree = Tree {
        scalar: None,
        nodes: 0,
        starts: Vec::new(),
        complaints: Vec::new(),
        discarded: Vec::new(),
    };
    let root = Reader {
        tree: &mut tree,
        depth: 0,
    }
    .deserialize(serde_yaml::Deserializer::from_str(text));
    let root = tree.settle(root);
    tree.starts.sort_unstable();
    diagnostics.starts = tree.starts;
    for value in &tree.discarded {
        diagnostics.hide_if_discreet(value);
    }
    match root {
        Ok(root) => {
            for (mark, message) in tree.complaints {
                diagnostics.error(mark, message);
            }
            Some(root)
        }
        Err(error) => {
            complain(&error, text, diagnostics);
            None
        }
    }
}

/// How many brackets are open at the same time, those in comments and quotes counted as well.
///
/// The crate's effort grows with the square of it.
fn brackets(text: &str) -> usize {
    let mut open = 0_usize;
    let mut most = 0;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// Refuses what YAML does not allow in a text at all.
fn printable(text: &str, diagnostics: &mut Diagnostics<'_>) -> bool {
    let wrong = |c: char| {
        (c.is_control() && c != '\t') || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    if !text.chars().any(|c| wrong(c) && !matches!(c, '\n' | '\r')) {
        return true;
    }
    let mut good = true;
    for (index, line) in lines(text).into_iter().enumerate() {
        if let Some((column, c)) = line.chars().enumerate().find(|(_, c)| wrong(*c)) {
            let at = Position {
                line: index + 1,
                column: column + 1,
            };
            let message = format!("the character U+{:04X} cannot stand in YAML", c as u32);
            diagnostics.error(Mark { at, chars: 1 }, message);
            good = false;
        }
    }
    good
}

/// The place in the text, or its end: what is missing there is missed on a line that does not exist.
fn within(text: &str, line: usize, column: usize) -> Position {
    let lines = lines(text);
    let last = lines.get(line.max(1) - 1).or(lines.last());
    let end = last.map_or(0, |line| line.chars().count()) + 1;
    let column = if line > lines.len() {
        end
    } else {
        column.min(end)
    };
    Position {
        line: line.clamp(1, lines.len().max(1)),
        column: column.max(1),
    }
}

/// Says in words what the crate found.
fn complain(error: &serde_yaml::Error, text: &str, diagnostics: &mut Diagnostics<'_>) {
    let told = error.to_string();
    let mark = error.location().map(|location| Mark {
        at: within(text, location.line(), location.column()),
        chars: 1,
    });
    let mark = mark.or_else(|| {
        let second = |line: &&str| line.starts_with("---") || line.starts_with("...");
        let several = told.contains("more than one document");
        // Without such a line a text at the beginning is a document of its own.
        let index = lines(text).iter().rposition(second).unwrap_or_default();
        several.then(|| Mark {
            at: within(text, index + 1, 1),
            chars: 3,
        })
    });
    let here = mark.and_then(|mark| {
        let line = lines(text).get(mark.at.line - 1).copied()?;
        line.chars().nth(mark.at.column - 1)
    });
    // The crate's syntax messages are fixed sentences; those that could quote a value are replaced.
    let (message, help) = if told.contains(TOO_MUCH) {
        (TOO_MUCH.to_owned(), None)
    } else if told.contains("repetition limit") {
        ("the aliases repeat too much".to_owned(), None)
    } else if told.contains("recursion limit") {
        (TOO_DEEP.to_owned(), None)
    } else if told.contains("more than one document") {
        (
            "there is more than one document in the file".to_owned(),
            Some("remove the lines `---`, and text before the first key"),
        )
    } else if told.contains("invalid value") || told.contains("invalid type") {
        (
            "the value does not fit its tag".to_owned(),
            Some("remove the tag"),
        )
    } else {
        let place = error
            .location()
            .map(|at| format!(" at line {} column {}", at.line(), at.column()));
        let sentence = told.replacen(place.as_deref().unwrap_or_default(), "", 1);
        let help = match here {
            Some('\t') => Some("this is a tab; YAML is indented with spaces"),
            Some('@' | '`' | '%' | '&' | '*' | '!') => Some("put text that starts so in quotes"),
            _ if told.contains("mapping values") => {
                Some("check the indentation; text with `: ` in it has to be in quotes")
            }
            _ if told.contains("expected key") || told.contains("expected ':'") => {
                Some("check the indentation here and in the lines before")
            }
            _ if told.contains("expected ','") => Some("close the bracket"),
            _ if told.contains("unexpected end of stream") => Some("close the quotes"),
            _ => None,
        };
        (format!("this is not YAML: {sentence}"), help)
    };
    let draft = diagnostics.error(mark, message);
    if let Some(help) = help {
        draft.help(help);
    }
}

const TOO_MUCH: &str = "there are too many values in the file";
const TOO_DEEP: &str = "the nesting is too deep";

/// What the readers of one text share.
struct Tree {
    /// The scalar just read, until the error with its position has come back.
    scalar: Option<Kind>,
    nodes: usize,
    starts: Vec<Position>,
    complaints: Vec<(Mark, String)>,
    /// Values of keys that were there before; nobody will look at them.
    discarded: Vec<Node>,
}

impl Tree {
    /// Turns what a [`Reader`] gave back into a node.
    fn settle<E: Error>(&mut self, read: Result<Kind, E>) -> Result<Node, E> {
        match read {
            Ok(kind) => {
                let first = match &kind {
                    Kind::List(items) => items.first().map(|item| item.at),
                    Kind::Map(entries) => entries.first().map(|(key, _)| key.at),
                    _ => None,
                };
                let at = first.or(self.starts.last().copied());
                Ok(Node {
                    at: at.unwrap_or(Position::START),
                    kind,
                })
            }
            Err(error) => match self.scalar.take() {
                Some(kind) => {
                    let at = fetched(&error);
                    self.starts.push(at);
                    Ok(Node { at, kind })
                }
                None => Err(error),
            },
        }
    }

    fn complain(&mut self, mark: Mark, message: String) {
        self.complaints.push((mark, message));
    }
}

/// The position at the end of an error's message, which the crate leaves out for the very start.
fn fetched(error: &impl Error) -> Position {
    let told = error.to_string();
    let numbers = told
        .rsplit_once(FETCH)
        .and_then(|(_, place)| place.strip_prefix(" at line ")?.split_once(" column "));
    match numbers.map(|(line, column)| (line.parse(), column.parse())) {
        Some((Ok(line), Ok(column))) => Position { line, column },
        _ => Position::START,
    }
}

/// Reads one value: a list or mapping is given back, a scalar left in the tree with an error.
struct Reader<'t> {
    tree: &'t mut Tree,
    depth: usize,
}

impl Reader<'_> {
    fn scalar<E: Error>(self, kind: Kind) -> Result<Kind, E> {
        self.tree.nodes += 1;
        if self.tree.nodes > NODE_CAP {
            return Err(E::custom(TOO_MUCH));
        }
        self.tree.scalar = Some(kind);
        Err(E::custom(FETCH))
    }

    fn inner(&mut self) -> Reader<'_> {
        Reader {
            tree: &mut *self.tree,
            depth: self.depth + 1,
        }
    }

    /// Whether this list or mapping is too deep, or one too many.
    fn enter<E: Error>(&mut self) -> Result<bool, E> {
        self.tree.nodes += 1;
        if self.tree.nodes > NODE_CAP {
            return Err(E::custom(TOO_MUCH));
        }
        if self.depth > DEPTH_CAP {
            let at = self.tree.starts.last().copied().unwrap_or(Position::START);
            self.tree.complain(Mark { at, chars: 1 }, TOO_DEEP.into());
            return Ok(false);
        }
        Ok(true)
    }

    fn key(&mut self, node: Node) -> Option<Key> {
        let mark = node.mark();
        let (text, whole) = match node.kind {
            Kind::Text(text) => (text, true),
            Kind::Bool(value) => (value.to_string(), false),
            Kind::Integer(value) => (value.to_string(), false),
            Kind::Float(value) => (format!("{value:?}"), false),
            kind => {
                let message = format!("a key is text, found {}", kind.name());
                self.tree.complain(mark, message);
                return None;
            }
        };
        if !whole {
            self.tree.complain(
                mark,
                format!("a key is text; write \"{text}\" with the quotes"),
            );
        }
        if text.len() > KEY_CAP {
            self.tree
                .complain(mark, format!("a key has at most {KEY_CAP} bytes"));
            return None;
        }
        Some(Key { at: node.at, text })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Kind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_none<E: Error>(self) -> Result<Kind, E> {
        self.scalar(Kind::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        self.scalar(Kind::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kind, E> {
        self.scalar(Kind::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Kind, E> {
        self.scalar(Kind::Integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Kind, E> {
        self.scalar(Kind::Integer(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Kind, E> {
        self.scalar(Kind::Integer(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Kind, E> {
        self.scalar(Kind::Integer(value.try_into().unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kind, E> {
        self.scalar(Kind::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Kind, E> {
        self.scalar(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        if !self.enter()? {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Kind::List(items));
        }
        while let Some(read) = list.next_element_seed(self.inner()).transpose() {
            items.push(self.tree.settle(read)?);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        if !self.enter()? {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Kind::Map(entries));
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        while let Some(read) = map.next_key_seed(self.inner()).transpose() {
            let node = self.tree.settle(read)?;
            let Some(key) = self.key(node) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(self.inner());
            let value = self.tree.settle(value)?;
            if let Some(line) = seen.get(&key.text) {
                let message = format!(
                    "the key `{}` is there twice, first on line {line}",
                    key.text
                );
                self.tree.complain(key.mark(), message);
                self.tree.discarded.push(value);
                continue;
            }
            seen.insert(key.text.clone(), key.at.line);
            entries.push((key, value));
        }
        Ok(Kind::Map(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(mut self, tagged: A) -> Result<Kind, A::Error> {
        let (tag, value) = tagged.variant::<String>()?;
        let read = value.newtype_variant_seed(self.inner());
        let node = self.tree.settle(read)?;
        let tag: String = tag.chars().take(40).collect();
        self.tree
            .complain(node.mark(), format!("the tag `!{tag}` has no meaning here"));
        match node.kind {
            kind @ (Kind::List(_) | Kind::Map(_)) => Ok(kind),
            // Its position is fetched already, and fetched again on the way out.
            kind => {
                self.tree.starts.pop();
                self.scalar(kind)
            }
        }
    }
}
