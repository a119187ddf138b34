//! What was found in a token, as text and as JSON. Everything in it may come from whoever wrote the token.

use serde_json::{Value, json};

use touchstone_engine::token::SignatureCheck;
use touchstone_engine::token::form::Form;
use touchstone_engine::token::judge::{Inspection, StatementWeight, TokenMember, Unreadable};

use touchstone_report::style::Style;
use touchstone_report::text::{cap, count, line};

/// Version of the JSON.
const SCHEMA: &str = "touchstone/token/1";
/// How much of one value the text shows.
const VALUE: usize = 400;
/// How many of each kind of line the text shows.
const LINES: usize = 60;

/// For people.
pub fn text(inspection: &Inspection, style: Style) -> String {
    let kind = inspection.kind.words();
    let mut text = match inspection.signed {
        true => format!("This is {kind}, {} long.", count(inspection.bytes, "byte")),
        false => format!("This is what {} says.", kind),
    };
    text += &format!(
        " It was judged by profile {} as of {}.\n",
        inspection.profile, inspection.now
    );
    if inspection.signed || !inspection.header.is_empty() {
        members(&mut text, "Header", &inspection.header, style);
    }
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
                StatementWeight::Must => style.red(&weight),
                StatementWeight::Should => style.yellow(&weight),
                StatementWeight::Note => style.dim(&weight),
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
        SignatureCheck::Verified { kid } => format!(
            "Signature: {} with the issuer's key {}.\n",
            style.green("verified"),
            line(kid)
        ),
        SignatureCheck::Wrong { reason, .. } => {
            format!("Signature: {}; {}.\n", style.red("wrong"), line(reason))
        }
        SignatureCheck::Issuer { reason, .. } | SignatureCheck::Unknown { reason } => {
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
    let should = match inspection.count(StatementWeight::Should) {
        0 => String::new(),
        number => format!(", {} not followed", count(number, "recommendation")),
    };
    match inspection.count(StatementWeight::Must) {
        // What is wrong is the issuer's, and is said in the line before.
        0 if matches!(inspection.proof, SignatureCheck::Issuer { .. }) => format!(
            "{}: no service can verify it until its issuer answers otherwise{should}.\n",
            style.yellow("In doubt")
        ),
        0 if !inspection.signed => format!(
            "{}: what it says breaks no requirement{should}; whether it was a good token, nobody can tell without its signature.\n",
            style.yellow("In doubt")
        ),
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

/// What a text is that holds a token and is none, and how the token alone is had of it.
pub fn mend(found: &Form) -> String {
    format!("{}.\n  {}.\n", sentence(&found.what), sentence(&found.mend))
}

/// A text that is no JWT, for people.
pub fn unreadable(found: &Unreadable) -> String {
    format!("{}.\n  {}\n", sentence(&found.what), line(&found.means))
}

/// With a capital at its beginning.
fn sentence(text: &str) -> String {
    let text = line(text);
    match text.get(..1) {
        Some(first) => format!("{}{}", first.to_uppercase(), &text[1..]),
        None => text,
    }
}

/// For machines: ASCII alone, so that no terminal is steered either.
pub fn json(inspection: &Inspection) -> String {
    ascii(&document(inspection))
}

/// The same of what stands within another form.
pub fn json_within(inspection: &Inspection, form: &Form) -> String {
    let mut whole = document(inspection);
    whole["form"] = json!({"what": form.what, "mend": form.mend});
    ascii(&whole)
}

fn document(inspection: &Inspection) -> Value {
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
        SignatureCheck::Verified { kid } => json!({"state": "verified", "kid": kid}),
        SignatureCheck::Wrong { reason, .. } => json!({"state": "wrong", "reason": reason}),
        SignatureCheck::Issuer { reason, .. } | SignatureCheck::Unknown { reason } => {
            json!({"state": "not-verified", "reason": reason})
        }
    };
    json!({
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
    })
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
fn object(entries: &[TokenMember]) -> Value {
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

fn members(text: &mut String, title: &str, entries: &[TokenMember], style: Style) {
    *text += &heading(title, style);
    let name = |entry: &TokenMember| line(&cap(&entry.name, 60));
    let width = entries
        .iter()
        .take(LINES)
        .map(|entry| name(entry).chars().count());
    let width = width.max().unwrap_or_default();
    listed(text, entries, |entry| {
        format!("  {:width$}  {}\n", name(entry), shown(entry))
    });
}

fn shown(entry: &TokenMember) -> String {
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

#[cfg(test)]
mod tests;
