//! What was found in a token, as text and as JSON. Everything in it may come from whoever wrote the token.

use serde_json::{Value, json};

use crate::token::Proof;
use crate::token::judge::{Entry, Inspection, Unreadable, Weight};

use super::style::Style;
use super::text::{cap, count, line};

/// Version of the JSON.
const SCHEMA: &str = "touchstone/token/1";
/// How much of one value the text shows.
const VALUE: usize = 400;
/// How many of each kind of line the text shows.
const LINES: usize = 60;

/// For people.
pub fn text(inspection: &Inspection, style: Style) -> String {
    let mut text = format!(
        "This is {}, {} long. It was judged by profile {} as of {}.\n",
        inspection.kind.words(),
        count(inspection.bytes, "byte"),
        inspection.profile,
        inspection.now,
    );
    members(&mut text, "Header", &inspection.header, style);
    members(&mut text, "Claims", &inspection.claims, style);
    text += &heading("It allows", style);
    listed(&mut text, &inspection.allows, |right| {
        format!("  - {}\n", line(right))
    });
    if !inspection.statements.is_empty() {
        text += &heading("Remarks", style);
        listed(&mut text, &inspection.statements, |statement| {
            let weight = format!("{:6}", statement.weight.as_str());
            let weight = match statement.weight {
                Weight::Must => style.red(&weight),
                Weight::Should => style.yellow(&weight),
                Weight::Note => style.dim(&weight),
            };
            let clause = match statement.clause {
                Some(clause) => format!(" ({clause})"),
                None => String::new(),
            };
            format!(
                "  {weight}  {}: {}{clause}\n          {}\n",
                line(&cap(&statement.about, VALUE)),
                line(&statement.wrong),
                line(&statement.means)
            )
        });
    }
    text += "\n";
    text += &match &inspection.proof {
        Proof::Verified { kid } => format!(
            "Signature: {} with the issuer's key {}.\n",
            style.green("verified"),
            line(kid)
        ),
        Proof::Wrong { reason, .. } => {
            format!("Signature: {}; {}.\n", style.red("wrong"), line(reason))
        }
        Proof::Unknown { reason } => {
            format!(
                "Signature: {}; {}.\n",
                style.yellow("not verified"),
                line(reason)
            )
        }
    };
    text += &verdict(inspection, style);
    if inspection
        .statements
        .iter()
        .any(|statement| statement.clause.is_some())
    {
        text += "`touchstone explain CLAUSE` tells what a clause says.\n";
    }
    text
}

/// The last line: right or wrong.
fn verdict(inspection: &Inspection, style: Style) -> String {
    let should = match inspection.count(Weight::Should) {
        0 => String::new(),
        number => format!(", {} not followed", count(number, "recommendation")),
    };
    match inspection.count(Weight::Must) {
        0 => format!(
            "{}: no requirement is broken{should}.\n",
            style.green("Right")
        ),
        number => format!(
            "{}: {} broken{should}.\n",
            style.red("Wrong"),
            count(number, "requirement")
        ),
    }
}

/// For somebody who has just obtained it.
pub fn brief(inspection: &Inspection) -> String {
    let mut text = format!("This is {}.\n", inspection.kind.words());
    let of = |name: &str| inspection.claims.iter().find(|entry| entry.name == name);
    for name in ["iss", "sub", "aud", "scope", "wlcg.groups", "jti", "exp"] {
        if let Some(entry) = of(name) {
            text += &format!("  {name:11}  {}\n", shown(entry));
        }
    }
    text += "It allows\n";
    listed(&mut text, &inspection.allows, |right| {
        format!("  - {}\n", line(right))
    });
    text
}

/// A text that is no JWT, for people.
pub fn unreadable(found: &Unreadable) -> String {
    let mut what = line(&found.what);
    if let Some(first) = what.get(..1) {
        what = format!("{}{}", first.to_uppercase(), &what[1..]);
    }
    format!("{what}.\n  {}\n", line(&found.means))
}

/// For machines: ASCII alone, so that no terminal is steered either.
pub fn json(inspection: &Inspection) -> String {
    let statements: Vec<Value> = inspection
        .statements
        .iter()
        .map(|statement| {
            json!({
                "about": statement.about,
                "clause": statement.clause,
                "weight": statement.weight.as_str(),
                "wrong": statement.wrong,
                "means": statement.means,
            })
        })
        .collect();
    let signature = match &inspection.proof {
        Proof::Verified { kid } => json!({"state": "verified", "kid": kid}),
        Proof::Wrong { reason, .. } => json!({"state": "wrong", "reason": reason}),
        Proof::Unknown { reason } => json!({"state": "not-verified", "reason": reason}),
    };
    ascii(&json!({
        "schema": SCHEMA,
        "kind": inspection.kind.as_str(),
        "profile": inspection.profile.as_str(),
        "at": inspection.now.to_string(),
        "bytes": inspection.bytes,
        "header": object(&inspection.header),
        "claims": object(&inspection.claims),
        "allows": inspection.allows,
        "statements": statements,
        "signature": signature,
        "right": inspection.right(),
    }))
}

/// The same for a text that is no JWT.
pub fn unreadable_json(found: &Unreadable) -> String {
    ascii(&json!({
        "schema": SCHEMA,
        "kind": found.class.as_str(),
        "what": found.what,
        "means": found.means,
        "right": false,
    }))
}

/// Of repeated members the last, as most readers have it.
fn object(entries: &[Entry]) -> Value {
    let members = entries
        .iter()
        .map(|entry| (entry.name.clone(), entry.value.clone()));
    Value::Object(members.collect())
}

fn ascii(value: &Value) -> String {
    let mut text = String::new();
    // `{:#}` of a value is pretty JSON, and cannot fail.
    for c in format!("{value:#}\n").chars() {
        match c {
            '\n' | ' '..='~' => text.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    text += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    text
}

fn heading(title: &str, style: Style) -> String {
    format!("\n{}\n", style.bold(title))
}

fn members(text: &mut String, title: &str, entries: &[Entry], style: Style) {
    *text += &heading(title, style);
    let name = |entry: &Entry| line(&cap(&entry.name, 60));
    let width = entries
        .iter()
        .take(LINES)
        .map(|entry| name(entry).chars().count());
    let width = width.max().unwrap_or_default();
    listed(text, entries, |entry| {
        format!("  {:width$}  {}\n", name(entry), shown(entry))
    });
}

fn shown(entry: &Entry) -> String {
    let value = line(&cap(&entry.value.to_string(), VALUE));
    match &entry.words {
        Some(words) => format!("{value} ({words})"),
        None => value,
    }
}

fn listed<T>(text: &mut String, items: &[T], line: impl Fn(&T) -> String) {
    for item in items.iter().take(LINES) {
        *text += &line(item);
    }
    if items.len() > LINES {
        *text += &format!("  … and {} more\n", items.len() - LINES);
    }
}
