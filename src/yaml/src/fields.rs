//! Typed access to the tree of a file: each wrong type, missing or unknown key becomes a problem.

use crate::diagnostics::{Diagnostics, Mark};
use crate::suggestions::{listed, nearest, suggestion};
use crate::tree::{Kind, Node};

const TEXT: &str = "text";
const FLAG: &str = "`true` or `false`";

/// Keys under which people put secrets. None of them is a key of ours where they do.
const SECRETS: [&str; 18] = [
    "access-token",
    "bearer",
    "bearer-token",
    "client-password",
    "client-secret",
    "credential",
    "jwk",
    "key",
    "passphrase",
    "passwd",
    "password",
    "pem",
    "private-key",
    "pwd",
    "refresh-token",
    "secret",
    "secret-key",
    "token",
];

/// Whether a key is one under which people put secrets.
pub fn names_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace('_', "-");
    SECRETS.contains(&key.as_str())
}

/// A value together with the name under which messages speak of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'n> {
    /// Its key; for an item of a list the key of the list.
    pub name: &'n str,
    /// The key.
    pub key: Mark,
    /// Its value.
    pub value: &'n Node,
}

impl<'n> Entry<'n> {
    /// The whole file.
    pub fn root(node: &'n Node) -> Self {
        Self {
            name: "file",
            key: node.mark(),
            value: node,
        }
    }

    /// What to point at: the value if it is a single one, otherwise the key.
    pub fn mark(self) -> Mark {
        match self.value.kind {
            Kind::Null | Kind::List(_) | Kind::Map(_) => self.key,
            _ => self.value.mark(),
        }
    }

    /// Whether there is no value.
    pub fn is_null(self) -> bool {
        self.value.kind == Kind::Null
    }

    fn wrong(self, d: &mut Diagnostics<'_>, expected: &str) {
        let name = self.name;
        let draft = match &self.value.kind {
            Kind::Null => d.error(
                self.mark(),
                format!("`{name}` has no value; expected {expected}"),
            ),
            kind => {
                let found = kind.name();
                d.error(
                    self.mark(),
                    format!("`{name}`: expected {expected}, found {found}"),
                )
            }
        };
        match &self.value.kind {
            Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) if expected == TEXT => {
                draft.help("put it in quotes");
            }
            Kind::Text(text) if expected == FLAG => match text.to_lowercase().as_str() {
                "yes" | "on" => drop(draft.help("write `true`")),
                "no" | "off" => drop(draft.help("write `false`")),
                _ => {}
            },
            _ => {}
        }
    }

    /// Text that is not empty.
    pub fn text(self, d: &mut Diagnostics<'_>) -> Option<&'n str> {
        match &self.value.kind {
            Kind::Text(text) if text.trim().is_empty() => {
                d.error(self.mark(), format!("`{}` is empty", self.name));
                None
            }
            Kind::Text(text) => Some(text),
            _ => {
                self.wrong(d, TEXT);
                None
            }
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(self, d: &mut Diagnostics<'_>, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(d)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let draft = d.error(self.mark(), format!("`{}` cannot be `{text}`", self.name));
            if let Some(help) = suggestion(text, names) {
                draft.help(help);
            }
        }
        found.map(|(_, value)| *value)
    }

    /// The value as `true` or `false`; a diagnostic where it is neither.
    pub fn boolean(self, d: &mut Diagnostics<'_>) -> Option<bool> {
        match self.value.kind {
            Kind::Bool(value) => Some(value),
            _ => {
                self.wrong(d, FLAG);
                None
            }
        }
    }

    /// A whole number of at least 1.
    pub fn count(self, d: &mut Diagnostics<'_>) -> Option<usize> {
        match self.value.kind {
            Kind::Integer(number) => {
                let count = usize::try_from(number).ok().filter(|count| *count > 0);
                if count.is_none() {
                    d.error(self.mark(), format!("`{}` has to be at least 1", self.name));
                }
                count
            }
            _ => {
                self.wrong(d, "a whole number");
                None
            }
        }
    }

    /// The items of a list.
    pub fn items(self, d: &mut Diagnostics<'_>) -> Option<Vec<Self>> {
        match &self.value.kind {
            Kind::List(items) => Some(items.iter().map(|item| self.item(item)).collect()),
            _ => {
                self.wrong(d, "a list");
                None
            }
        }
    }

    /// The items of a list, or the value itself.
    pub fn one_or_more(self) -> Vec<Self> {
        match &self.value.kind {
            Kind::List(items) => items.iter().map(|item| self.item(item)).collect(),
            _ => vec![self],
        }
    }

    fn item(self, item: &'n Node) -> Self {
        Self {
            name: self.name,
            key: item.mark(),
            value: item,
        }
    }

    /// The entries of a mapping whose keys are names that the author chose.
    pub fn named(self, d: &mut Diagnostics<'_>) -> Option<Vec<Self>> {
        match &self.value.kind {
            Kind::Map(entries) => Some(
                entries
                    .iter()
                    .map(|(key, value)| Entry {
                        name: &key.text,
                        key: key.mark(),
                        value,
                    })
                    .collect(),
            ),
            _ => {
                self.wrong(d, "a mapping");
                None
            }
        }
    }

    /// The entries of a mapping whose keys are `known`; `what` it is says the message.
    pub fn fields(
        self,
        d: &mut Diagnostics<'_>,
        what: &'static str,
        known: &[&'static str],
    ) -> Option<Fields<'n>> {
        let Kind::Map(_) = &self.value.kind else {
            let found = self.value.kind.name();
            d.error(self.mark(), format!("{what} is a mapping, found {found}"))
                .help(format!("its keys are {}", listed(known)));
            return None;
        };
        let entries = self.named(d)?;
        let (entries, unknown): (Vec<Self>, Vec<Self>) = entries
            .into_iter()
            .partition(|entry| known.contains(&entry.name));
        let meant = unknown
            .into_iter()
            .filter_map(|entry| entry.unknown(d, what, known))
            .collect();
        Some(Fields {
            what,
            at: self.key,
            entries,
            meant,
        })
    }

    /// Says so, and which key was meant.
    fn unknown(
        self,
        d: &mut Diagnostics<'_>,
        what: &str,
        known: &[&'static str],
    ) -> Option<&'static str> {
        let name = self.name;
        d.hide_if_discreet(self.value);
        if names_secret(name) {
            d.error(
                self.key,
                format!("a secret (`{name}`) does not belong into this file"),
            )
            .help(secret_help(known));
            return None;
        }
        let draft = d.error(self.key, format!("{what} has no key `{name}`"));
        if let Some(help) = suggestion(name, known.iter().copied()) {
            draft.help(help);
        }
        nearest(name, known.iter().copied())
    }
}

fn secret_help(known: &[&'static str]) -> String {
    let places: Vec<&str> = known
        .iter()
        .copied()
        .filter(|key| (key.ends_with("-env") || key.ends_with("-file")) && !key.starts_with("id-"))
        .collect();
    let keys = match places.as_slice() {
        [] => "the keys of `issuers`".to_owned(),
        places => listed(places),
    };
    format!("secrets come from the environment or from a file of their own: see {keys}")
}

/// The entries of a mapping whose keys are known.
#[derive(Debug)]
pub struct Fields<'n> {
    what: &'static str,
    /// Where the mapping starts, or its key.
    pub at: Mark,
    entries: Vec<Entry<'n>>,
    /// Keys that are misspelt, so that nobody needs to hear that they are missing.
    meant: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The entry of that name, if it is there.
    pub fn get(&self, name: &str) -> Option<Entry<'n>> {
        self.entries
            .iter()
            .find(|entry| entry.name == name)
            .copied()
    }

    /// Whether the key is missing only because it is misspelt.
    pub fn misspelt(&self, name: &str) -> bool {
        self.meant.contains(&name)
    }

    /// The entry of that name, which has to be there.
    pub fn require(&self, d: &mut Diagnostics<'_>, name: &str) -> Option<Entry<'n>> {
        let entry = self.get(name);
        if entry.is_none() && !self.misspelt(name) {
            d.error(self.at, format!("{} needs the key `{name}`", self.what));
        }
        entry
    }

    /// The one entry that is there of several; `needed` says whether there has to be one.
    pub fn one_of(
        &self,
        d: &mut Diagnostics<'_>,
        names: &[&str],
        needed: bool,
    ) -> Option<Entry<'n>> {
        let found: Vec<_> = names.iter().filter_map(|name| self.get(name)).collect();
        match found.as_slice() {
            [] => {
                if needed && !names.iter().any(|name| self.misspelt(name)) {
                    let names = listed(names).replace(" and ", " or ");
                    d.error(
                        self.at,
                        format!("{} needs one of the keys {names}", self.what),
                    );
                }
                None
            }
            [one] => Some(*one),
            [first, second, ..] => {
                let message = format!("`{}` and `{}` exclude each other", first.name, second.name);
                d.error(second.key, message);
                None
            }
        }
    }
}
