//! Covers: cases that are made from a table, one for each pair of a row and a column.
//!
//! A row is what is wrong, or what is tried; a column is how it is asked. The reader lays what the cover, the column and
//! the row have for a case over one another, and hands the outcome to the reader of cases, as if it stood in the file.

use std::collections::BTreeSet;

use super::suites::{self, Known};
use touchstone_model::{Case, CaseId, Cell};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::suggestions::suggestion;
use touchstone_yaml::tree::{Key, Kind, Node};

pub(super) const KEYS: [&str; 6] = [
    "cover",
    "about",
    "new-connections",
    "cell",
    "rows",
    "columns",
];
/// What the cover, a column and a row may each have for a case.
pub(super) const PARTS: [&str; 11] = [
    "title",
    "risk",
    "clauses",
    "severity",
    "since",
    "until",
    "intrusive",
    "slow",
    "given",
    "step",
    "otherwise",
];
const CELL: [&str; 2] = ["with", "granted"];
const ROW: [&str; 8] = [
    "row",
    "says",
    "with",
    "like",
    "grants",
    "grants-like",
    "only",
    "except",
];
const COLUMN: [&str; 5] = ["column", "says", "with", "granted", "except"];

/// The keys of what each case of a cover has.
pub(super) fn cell_keys() -> Vec<&'static str> {
    [&CELL[..], &PARTS].concat()
}

/// The keys of a row. What is there before a step belongs to its column: the rows share it.
pub(super) fn row_keys() -> Vec<&'static str> {
    let parts = PARTS.into_iter().filter(|part| *part != "given");
    ROW.into_iter().chain(parts).collect()
}

/// The keys of a column.
pub(super) fn column_keys() -> Vec<&'static str> {
    [&COLUMN[..], &PARTS].concat()
}

/// What stands around the name of something that a row or column fills in.
const OPEN: &str = "<<";
const CLOSE: &str = ">>";

/// A row or a column.
struct Part<'n> {
    name: &'n str,
    says: &'n str,
    fields: Fields<'n>,
    entry: Entry<'n>,
}

/// Reads one cover into its cases, row by row.
pub(super) fn read(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    suite: Option<&str>,
    known: &mut Known,
) -> Vec<Case> {
    let before = d.problems();
    let Some(fields) = entry.fields(d, "a cover", &KEYS) else {
        return Vec::new();
    };
    let name = fields.require(d, "cover").and_then(|name| name.text(d));
    if let Some(about) = fields.require(d, "about") {
        about.text(d);
    }
    let cell = fields
        .get("cell")
        .and_then(|entry| entry.fields(d, "a cell", &cell_keys()));
    let columns = parts(d, &fields, "columns", "column", &column_keys());
    let rows = parts(d, &fields, "rows", "row", &row_keys());
    let names = Vec::from_iter(columns.iter().map(|column| column.name));
    let mut cases = Vec::new();
    let every = fields
        .get("new-connections")
        .and_then(|every| every.count(d));
    for (down, row) in rows.iter().enumerate() {
        let [grants, only, except] =
            ["grants", "only", "except"].map(|key| chosen(d, &row.fields, key, &names));
        let [like, grants_like] = ["like", "grants-like"].map(|key| like(d, &row.fields, key));
        for (across, column) in columns.iter().enumerate() {
            let out = column_leaves_out(d, column, row);
            let named =
                |set: &Option<BTreeSet<&str>>| set.as_ref().map(|set| set.contains(column.name));
            if out || named(&only) == Some(false) || named(&except) == Some(true) {
                continue;
            }
            // One that is wrong is wrong in each cell: it is told once.
            if d.problems() > before {
                return cases;
            }
            let granted = named(&grants) == Some(true);
            let Some(mut node) = laid(d, suite, &cell, column, row, granted) else {
                return cases;
            };
            if every.is_some_and(|every| (down + across) % every == 0) {
                over_new_connection(&mut node);
            }
            let made = Entry {
                name: "row",
                key: row.entry.key,
                value: &node,
            };
            let Some(case) = suites::case(d, made, suite, known) else {
                return cases;
            };
            let group = name.filter(|_| shares(&case));
            cases.push(Case {
                cover: Some(Cell {
                    cover: name.unwrap_or_default().to_owned(),
                    group: group.map(|name| format!("{}.{name}.{}", case.suite, column.name)),
                    row: row.name.to_owned(),
                    column: column.name.to_owned(),
                    // What has to be allowed is not shown by what had to be refused.
                    like: match granted {
                        true => grants_like.clone(),
                        false => like.clone(),
                    },
                }),
                ..case
            });
        }
    }
    cases
}

/// Whether a case leaves what is arranged as it was, so that others can have it as well.
fn shares(case: &Case) -> bool {
    let mut steps = case.steps.iter();
    steps.all(|step| step.expect.harmless() || !step.method.writes())
}

fn parts<'n>(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'n>,
    key: &str,
    what: &'static str,
    keys: &[&'static str],
) -> Vec<Part<'n>> {
    let Some(entry) = fields.require(d, key) else {
        return Vec::new();
    };
    let Some(items) = suites::some_items(d, entry) else {
        return Vec::new();
    };
    let mut parts: Vec<Part<'n>> = Vec::new();
    for item in items {
        let about = match what {
            "row" => "a row",
            _ => "a column",
        };
        let Some(fields) = item.fields(d, about, keys) else {
            continue;
        };
        let name = fields.require(d, what).and_then(|name| name.text(d));
        let says = fields.require(d, "says").and_then(|says| says.text(d));
        let (Some(name), Some(says)) = (name, says) else {
            continue;
        };
        if parts.iter().any(|part| part.name == name) {
            d.error(item.mark(), format!("the {what} `{name}` is there twice"));
        }
        parts.push(Part {
            name,
            says,
            fields,
            entry: item,
        });
    }
    parts
}

/// The columns that a row names under that key.
fn chosen<'n>(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'n>,
    key: &str,
    columns: &[&str],
) -> Option<BTreeSet<&'n str>> {
    let items = fields.get(key)?.items(d)?;
    let mut names = BTreeSet::new();
    for item in items {
        let Some(name) = item.text(d) else {
            continue;
        };
        if !columns.contains(&name) {
            let draft = d.error(item.mark(), format!("there is no column `{name}`"));
            if let Some(help) = suggestion(name, columns.iter().copied()) {
                draft.help(help);
            }
        }
        names.insert(name);
    }
    Some(names)
}

/// Whether a column has said that it is not for that row.
fn column_leaves_out(d: &mut Diagnostics<'_>, column: &Part<'_>, row: &Part<'_>) -> bool {
    let rows = column.fields.get("except").and_then(|entry| entry.items(d));
    let mut rows = rows.into_iter().flatten();
    rows.any(|entry| entry.text(d) == Some(row.name))
}

/// The cases of the lists that a row names under that key, which show the same as cells of it.
fn like(d: &mut Diagnostics<'_>, fields: &Fields<'_>, key: &str) -> Vec<CaseId> {
    let items = fields.get(key).and_then(|entry| entry.items(d));
    let mut ids = Vec::new();
    for item in items.into_iter().flatten() {
        let Some(text) = item.text(d) else { continue };
        match text.parse() {
            Ok(id) => ids.push(id),
            Err(reason) => {
                d.error(item.mark(), format!("`{text}` is no id of a case"))
                    .help(reason);
            }
        }
    }
    ids
}

/// The case of a column and a row, as it would stand in a file. Where the row grants the column, what the cover and the column
/// have for that lies over the rest.
fn laid(
    d: &mut Diagnostics<'_>,
    suite: Option<&str>,
    cell: &Option<Fields<'_>>,
    column: &Part<'_>,
    row: &Part<'_>,
    granted: bool,
) -> Option<Node> {
    let id = format!("{}.{}.{}", suite?, row.name, column.name);
    let allowed = [cell.as_ref(), Some(&column.fields)].map(|fields| {
        let entry = fields?.get("granted").filter(|_| granted)?;
        entry.fields(d, "what is granted", &PARTS)
    });
    if granted && allowed.iter().all(Option::is_none) {
        let message = format!("nothing says what it is that `{}` is granted", column.name);
        d.error(row.entry.mark(), message)
            .help("`granted` of the column says what its step expects then");
        return None;
    }
    let parts = [cell.as_ref(), Some(&column.fields), Some(&row.fields)];
    let levels: Vec<_> = parts
        .into_iter()
        .chain(allowed.iter().map(Option::as_ref))
        .flatten()
        .collect();
    let mut case = vec![(key(row, "id"), text(row, id))];
    let steps = lay(&levels, &mut case, column);
    if let Some(first) = steps.first() {
        let steps = Node {
            at: first.at,
            kind: Kind::List(steps),
        };
        case.push((key(column, "steps"), steps));
    }
    let mut names = vec![
        ("row", text(row, row.says.to_owned())),
        ("column", text(column, column.says.to_owned())),
    ];
    for fields in &levels {
        let given = fields.get("with").and_then(|entry| entry.named(d));
        for entry in given.into_iter().flatten() {
            names.retain(|(name, _)| *name != entry.name);
            names.push((entry.name, entry.value.clone()));
        }
    }
    let node = Node {
        at: row.entry.value.at,
        kind: Kind::Map(case),
    };
    Filled { names }.fill(d, row.entry, node)
}

/// Lays what each level has for a case over what those before it have. The steps come out by themselves: the one of the column,
/// and the one that is sent instead where that had its other outcome.
fn lay(levels: &[&Fields<'_>], case: &mut Vec<(Key, Node)>, column: &Part<'_>) -> Vec<Node> {
    let [mut step, mut otherwise]: [Option<Node>; 2] = [None, None];
    for fields in levels {
        for part in PARTS {
            let Some(entry) = fields.get(part) else {
                continue;
            };
            match part {
                "step" => step = Some(over(step, entry.value.clone())),
                "otherwise" => otherwise = Some(over(otherwise, entry.value.clone())),
                _ => {
                    case.retain(|(key, _)| key.text != part);
                    let at = Key {
                        at: entry.key.at,
                        text: part.to_owned(),
                    };
                    case.push((at, entry.value.clone()));
                }
            }
        }
    }
    let Some(mut step) = step else {
        return Vec::new();
    };
    if let Some(entry) = column.fields.get("step") {
        step.at = entry.value.at;
    }
    let second = otherwise.map(|otherwise| instead(&step, otherwise));
    let steps = std::iter::once(step).chain(second);
    steps.map(without_nothing).collect()
}

/// The step that is sent where `step` had its other outcome.
fn instead(step: &Node, otherwise: Node) -> Node {
    let at = otherwise.at;
    let mut second = over(Some(step.clone()), otherwise);
    second.at = at;
    if let Kind::Map(entries) = &mut second.kind {
        entries.retain(|(key, _)| key.text != "or");
        let key = Key {
            at,
            text: "otherwise".to_owned(),
        };
        let yes = Node {
            at,
            kind: Kind::Bool(true),
        };
        entries.push((key, yes));
    }
    second
}

/// A key of a step that is nothing is not there.
fn without_nothing(mut step: Node) -> Node {
    if let Kind::Map(entries) = &mut step.kind {
        entries.retain(|(_, node)| node.kind != Kind::Null);
    }
    step
}

/// Has the step of a case sent over a connection of its own, unless it says how it is to be sent.
fn over_new_connection(case: &mut Node) {
    let Kind::Map(entries) = &mut case.kind else {
        return;
    };
    let steps = entries.iter_mut().find(|(key, _)| key.text == "steps");
    let Some((
        _,
        Node {
            kind: Kind::List(steps),
            ..
        },
    )) = steps
    else {
        return;
    };
    for step in steps {
        if let Kind::Map(entries) = &mut step.kind
            && !entries.iter().any(|(key, _)| key.text == "kept")
        {
            let key = Key {
                at: step.at,
                text: "kept".to_owned(),
            };
            let no = Node {
                at: step.at,
                kind: Kind::Bool(false),
            };
            entries.push((key, no));
        }
    }
}

fn key(part: &Part<'_>, name: &str) -> Key {
    Key {
        at: part.entry.key.at,
        text: name.to_owned(),
    }
}

fn text(part: &Part<'_>, text: String) -> Node {
    Node {
        at: part.entry.value.at,
        kind: Kind::Text(text),
    }
}

/// What `upper` says, and of `lower` what it does not say otherwise.
fn over(lower: Option<Node>, upper: Node) -> Node {
    let Some(lower) = lower else {
        return upper;
    };
    match (lower.kind, upper.kind) {
        (Kind::Map(mut entries), Kind::Map(more)) => {
            for (key, node) in more {
                let place = entries.iter().position(|(known, _)| known.text == key.text);
                match place {
                    Some(place) => {
                        let (_, lower) = entries.remove(place);
                        entries.insert(place, (key, over(Some(lower), node)));
                    }
                    None => entries.push((key, node)),
                }
            }
            Node {
                at: lower.at,
                kind: Kind::Map(entries),
            }
        }
        (_, kind) => Node { at: upper.at, kind },
    }
}

/// What the names between `<<` and `>>` stand for.
struct Filled<'n> {
    names: Vec<(&'n str, Node)>,
}

/// So many names may stand in what names stand for: whoever needs more has gone round in a circle.
const NESTED: usize = 4;

impl Filled<'_> {
    fn fill(&self, d: &mut Diagnostics<'_>, row: Entry<'_>, node: Node) -> Option<Node> {
        self.filled(d, row, node, NESTED)
    }

    fn filled(
        &self,
        d: &mut Diagnostics<'_>,
        row: Entry<'_>,
        node: Node,
        deep: usize,
    ) -> Option<Node> {
        let at = node.at;
        let kind = match node.kind {
            Kind::Text(text) => self.text(d, row, &text, deep)?,
            Kind::List(items) => {
                let items = items
                    .into_iter()
                    .map(|item| self.filled(d, row, item, deep));
                Kind::List(items.collect::<Option<_>>()?)
            }
            Kind::Map(entries) => {
                let mut filled = Vec::with_capacity(entries.len());
                for (key, node) in entries {
                    let text = match key.text.contains(OPEN) {
                        true => self.words(d, row, &key.text, deep)?,
                        false => key.text,
                    };
                    let node = self.filled(d, row, node, deep)?;
                    filled.push((Key { at: key.at, text }, node));
                }
                Kind::Map(filled)
            }
            kind => kind,
        };
        Some(Node { at, kind })
    }

    /// A text that is nothing but a name is what the name stands for, whatever that is.
    fn text(
        &self,
        d: &mut Diagnostics<'_>,
        row: Entry<'_>,
        text: &str,
        deep: usize,
    ) -> Option<Kind> {
        let whole = text
            .strip_prefix(OPEN)
            .and_then(|text| text.strip_suffix(CLOSE))
            .filter(|name| !name.contains(OPEN));
        match whole {
            Some(name) => self.named(d, row, name, deep),
            None => self.words(d, row, text, deep).map(Kind::Text),
        }
    }

    fn words(
        &self,
        d: &mut Diagnostics<'_>,
        row: Entry<'_>,
        text: &str,
        deep: usize,
    ) -> Option<String> {
        let mut parts = text.split(OPEN);
        let mut words = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once(CLOSE).unwrap_or((part, ""));
            match &self.named(d, row, name, deep)? {
                Kind::Text(text) => words += text,
                Kind::Integer(number) => words += &number.to_string(),
                kind => {
                    let message = format!("`{name}` is {}, and stands in a text", kind.name());
                    d.error(row.mark(), message);
                    return None;
                }
            }
            words += rest;
        }
        Some(words)
    }

    /// What a name stands for, in which others may stand.
    fn named(
        &self,
        d: &mut Diagnostics<'_>,
        row: Entry<'_>,
        name: &str,
        deep: usize,
    ) -> Option<Kind> {
        let Some((_, node)) = self.names.iter().find(|(known, _)| *known == name) else {
            let message = format!("nothing says what `{OPEN}{name}{CLOSE}` stands for");
            let draft = d.error(row.mark(), message);
            let known = self.names.iter().map(|(name, _)| *name);
            match suggestion(name, known) {
                Some(help) => draft.help(help),
                None => draft.help("`with` of the row or the column names it"),
            };
            return None;
        };
        let Some(deeper) = deep.checked_sub(1) else {
            let message = format!("what `{OPEN}{name}{CLOSE}` stands for names itself");
            d.error(row.mark(), message);
            return None;
        };
        self.filled(d, row, node.clone(), deeper)
            .map(|node| node.kind)
    }
}
