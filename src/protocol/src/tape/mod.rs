//! Answers of the WLCG Tape REST API v1: what they have to say, and what they give away.

mod discovery;
mod errors;
mod localities;
mod progress;
mod statuses;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use touchstone_model::Answer;

pub use discovery::{TapeApi, discovery, tape_api};
pub use errors::problem;
pub use localities::{Locality, archiveinfo, came_to_disk, left_disk, localities};
pub use progress::{FileEntry, FileState, RecallProgress, Transitions, progress, read_progress};
pub use statuses::{staged, tape_expected_status, tape_status};

/// No more findings of one kind than this: an answer may be full of them.
const FINDINGS: usize = 8;
/// Characters of a text of the server's that are shown.
const SHOWN: usize = 80;

/// The body as JSON; the error says what it is instead.
fn json(answer: &Answer) -> Result<Value, String> {
    if answer.truncated {
        return Err(format!(
            "a body of more than {} bytes, which is not read",
            answer.body.len()
        ));
    }
    serde_json::from_slice(&answer.body).map_err(|_| "a body that is no JSON".to_owned())
}

fn object(answer: &Answer) -> Result<Map<String, Value>, String> {
    match json(answer)? {
        Value::Object(members) => Ok(members),
        _ => Err("JSON that is no object".into()),
    }
}

/// A text of the server's, short and without surprises.
fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug())
}

/// A value of the server's, short.
fn value(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(value) => shown(&value.to_string()),
    }
}

/// A path without what means nothing in it: the API says that paths are cleaned, and leaves open which
/// spelling comes back.
fn plain(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}
