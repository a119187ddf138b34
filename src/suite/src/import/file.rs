//! An `endpoints.yaml` in the making.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Imported, Origin, one_line};

/// More endpoints and remarks than our own file can hold.
const ENTRIES: usize = 10_000;
/// Characters of a text that are carried over.
const MOST: usize = 200;
/// An issuer that nobody has: such names never resolve (RFC 2606 section 2).
const NOBODY: (&str, &str) = ("to-be-named", "https://issuer.invalid/");
/// The issuers of the LHC experiments and of those who test.
const KNOWN: [(&str, &str); 6] = [
    ("alice", "https://alice-auth.cern.ch/"),
    ("atlas", "https://atlas-auth.cern.ch/"),
    ("cms", "https://cms-auth.cern.ch/"),
    ("dteam", "https://dteam-auth.cern.ch/"),
    ("lhcb", "https://lhcb-auth.cern.ch/"),
    ("wlcg", "https://wlcg.cloud.cnaf.infn.it/"),
];

/// The issuer of a VO that everybody knows, by its name in small letters.
pub(super) fn known_issuer(vo: &str) -> Option<(&'static str, &'static str)> {
    KNOWN.into_iter().find(|(name, _)| *name == vo)
}

/// What is to be written, in its order.
#[derive(Default)]
pub(super) struct File {
    /// Remarks on the file as a whole.
    pub notes: Vec<String>,
    entries: Vec<Entry>,
    issuers: Vec<Issuer>,
    issuer_names: Names,
    /// Whether more was found than can be written.
    pub overfull: bool,
}

/// Names that are taken, and the last number behind each.
#[derive(Default)]
struct Names(BTreeMap<String, u32>);

impl Names {
    /// The name, or with a number behind it.
    fn take(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        while self.0.contains_key(&free) {
            let last = self.0.entry(name.to_owned()).or_insert(1);
            *last += 1;
            free = format!("{name}-{last}");
        }
        self.0.insert(free.clone(), 1);
        free
    }
}

enum Entry {
    Endpoint(Endpoint),
    /// Something that was not carried over, and why.
    Left(String),
}

struct Issuer {
    name: String,
    url: String,
    /// Whether we and not the file have said who it is.
    proposed: bool,
}

/// A storage element with its area.
#[derive(Default)]
pub(super) struct Endpoint {
    /// As the file has it.
    pub name: String,
    /// What was not carried over, or guessed.
    pub remarks: Vec<String>,
    pub description: Option<String>,
    pub software: Option<String>,
    /// Scheme, host and port.
    pub endpoint_url: String,
    /// `/…`
    pub area: String,
    /// The name that [`File::issuer`] or [`File::proposed`] gave.
    pub issuer: Option<String>,
}

impl File {
    pub fn endpoint(&mut self, endpoint: Endpoint) {
        self.push(Entry::Endpoint(endpoint));
    }

    pub fn left(&mut self, what: &str, reason: &str) {
        let text = one_line(&format!("{what}: {reason}"), 2 * MOST);
        self.push(Entry::Left(text));
    }

    fn push(&mut self, entry: Entry) {
        match self.entries.len() < ENTRIES {
            true => self.entries.push(entry),
            false => self.overfull = true,
        }
    }

    /// An issuer that the file names; its name here.
    pub fn issuer(&mut self, name: &str, url: &str) -> String {
        self.add(name, url, false)
    }

    /// An issuer that we propose.
    pub fn proposed(&mut self, (name, url): (&str, &str)) -> String {
        self.add(name, url, true)
    }

    fn add(&mut self, name: &str, url: &str, proposed: bool) -> String {
        if let Some(known) = self.issuers.iter().find(|issuer| issuer.url == url) {
            return known.name.clone();
        }
        if self.overfull {
            return NOBODY.0.to_owned();
        }
        let name = self.issuer_names.take(&legal(name));
        self.issuers.push(Issuer {
            name: name.clone(),
            url: url.to_owned(),
            proposed,
        });
        name
    }

    /// What was not carried over as a whole.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Left(text) => Some(text.clone()),
            Entry::Endpoint(_) => None,
        })
    }

    pub fn write(&self, origin: Origin, file: &str) -> Imported {
        let mut text = String::new();
        comment(
            &mut text,
            "",
            &format!(
                "Made of {file}, which {} publishes, by `touchstone import`.",
                origin.as_str()
            ),
        );
        comment(
            &mut text,
            "",
            "What could not be carried over is said in its place. `touchstone check -e FILE` reads the file.",
        );
        for note in &self.notes {
            comment(&mut text, "", note);
        }
        let mut body = String::from("\nendpoints:\n");
        let mut names = Names::default();
        // Rows of the table.
        names.take("critical");
        names.take("not-critical");
        let (mut endpoints, mut left, mut nameless) = (0, 0, false);
        for entry in &self.entries {
            match entry {
                Entry::Endpoint(endpoint) => {
                    endpoints += 1;
                    nameless |= endpoint.issuer.is_none();
                    left += self.one(&mut body, endpoint, &mut names);
                }
                Entry::Left(what) => {
                    left += 1;
                    comment(&mut body, "  ", &format!("Left out: {what}"));
                }
            }
        }
        self.issuers(&mut text, nameless);
        Imported {
            text: text + &body,
            endpoints,
            left,
            left_out: self.remarks().collect(),
        }
    }

    fn issuers(&self, text: &mut String, nameless: bool) {
        text.push('\n');
        comment(
            text,
            "",
            "How to obtain an issuer's tokens stands in its entry, such as",
        );
        comment(
            text,
            "",
            "  client-credentials: { id: touchstone, secret-env: NAME_OF_A_VARIABLE }",
        );
        comment(
            text,
            "",
            "docs/token-sources.md has every way. Secrets never stand in this file.",
        );
        text.push_str("issuers:\n");
        let nobody = Issuer {
            name: NOBODY.0.into(),
            url: NOBODY.1.into(),
            proposed: false,
        };
        for issuer in self.issuers.iter().chain(nameless.then_some(&nobody)) {
            if issuer.proposed {
                comment(
                    text,
                    "  ",
                    "Proposed for its VO: compare the URL with `iss` in a token.",
                );
            }
            if issuer.name == nobody.name {
                comment(
                    text,
                    "  ",
                    "Stands for issuers that the source does not name: describe them, and name them at the endpoints.",
                );
            }
            let (name, url) = (scalar(&issuer.name), scalar(&issuer.url));
            let _ = writeln!(text, "  {name}:\n    url: {url}");
        }
    }

    /// Writes an endpoint; says how many remarks it has.
    fn one(&self, text: &mut String, endpoint: &Endpoint, names: &mut Names) -> usize {
        let mut remarks = endpoint.remarks.clone();
        let plain = legal(&endpoint.name);
        let name = names.take(&plain);
        if plain != endpoint.name {
            remarks.push(format!("called `{}` there", endpoint.name));
        } else if name != plain {
            remarks.push(format!("the name `{plain}` is taken already"));
        }
        for remark in &remarks {
            comment(text, "  ", remark);
        }
        let _ = writeln!(text, "  {}:", scalar(&name));
        for (key, value) in [
            ("desc", &endpoint.description),
            ("type", &endpoint.software),
        ] {
            if let Some(value) = value.as_deref().filter(|value| !value.trim().is_empty()) {
                let _ = writeln!(text, "    {key}: {}", scalar(&one_line(value, MOST)));
            }
        }
        let issuer = endpoint.issuer.as_deref().unwrap_or(NOBODY.0);
        let _ = writeln!(
            text,
            "    endpoint: {}\n    paths: {{ wlcg: {} }}\n    issuer: {}",
            scalar(&endpoint.endpoint_url),
            scalar(&endpoint.area),
            scalar(issuer)
        );
        remarks.len()
    }
}

fn comment(text: &mut String, indent: &str, line: &str) {
    // The indentation of an example is kept.
    let inner = line.len() - line.trim_start().len();
    let _ = writeln!(
        text,
        "{indent}# {}{}",
        " ".repeat(inner),
        one_line(line, 2 * MOST)
    );
}

/// A name that our file may have: letters, digits, `.`, `_` and `-`, at most 70 of them.
fn legal(name: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name
        .chars()
        .map(|c| if good(c) { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(70)
        .collect();
    let name = name.trim_end_matches(['-', '.', '_']);
    match name {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}

/// A text as YAML has it, in quotes unless nothing in it could be taken for something else.
pub(super) fn scalar(text: &str) -> String {
    let words = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan",
    ];
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    let lower = text.to_ascii_lowercase();
    let (port, rest) = match text.strip_prefix("https://") {
        Some(rest) => (!rest.ends_with(':'), rest),
        None => (false, text),
    };
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && rest.chars().all(|c| harmless(c) || port && c == ':')
        && !words.contains(&lower.as_str());
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control()
                || matches!(
                    c,
                    '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                ) =>
            {
                let _ = write!(quoted, "\\u{:04x}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
