//! What others publish about storage, in our words. Pure: text goes in, values or text come out.

mod cric;
pub mod downtimes;
mod file;
mod osdf;
mod robot;

use serde_json::Value;

use touchstone_yaml::{Problems, SourceFile};

/// The most that a file of CRIC or OSG may hold, in bytes.
pub const LARGEST: usize = 64 << 20;

/// Bytes of a single text that are looked at.
const LONGEST: usize = 1000;
/// Names that are listed in a remark.
const LISTED: usize = 20;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `variables.yaml` of the reference suite.
    Robot,
    /// Storage of WLCG CRIC, in JSON.
    Cric,
    /// Namespaces of the OSDF as OSG topology serves them, in JSON.
    Osg,
}

impl Origin {
    /// The name for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Robot => "the reference suite",
            Self::Cric => "WLCG CRIC",
            Self::Osg => "OSG topology",
        }
    }
}

/// What came of a file.
#[derive(Clone, Debug)]
pub struct Imported {
    /// An `endpoints.yaml`.
    pub text: String,
    /// Endpoints in it.
    pub endpoints: usize,
    /// Remarks in it on what was not carried over.
    pub left: usize,
    /// Of these, the entries that were left out as a whole, with the reason.
    pub left_out: Vec<String>,
}

/// Why nothing came of a file.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Its YAML is wrong.
    #[error("{0}")]
    Yaml(Problems),
    /// Its JSON is wrong.
    #[error(
        "{file}:{line}:{column}: this is not JSON: {message}; save the answer of the registry as it came"
    )]
    Json {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// It is something else, or nothing in it can be used.
    #[error("{file}: {message}")]
    Useless {
        /// The file.
        file: String,
        /// What it is, and what was expected.
        message: String,
    },
}

/// Makes an `endpoints.yaml` of the file, with a remark at its place on everything that was not carried over.
///
/// # Errors
/// It is not what it should be, or holds no endpoint that can be used.
pub fn import(origin: Origin, source: &SourceFile) -> Result<Imported, ImportError> {
    let useless = |message: String| ImportError::Useless {
        file: source.name.to_string(),
        message,
    };
    let made = match origin {
        Origin::Robot => {
            let root = touchstone_yaml::load_raw(source).map_err(ImportError::Yaml)?;
            robot::read(&root).map_err(useless)?
        }
        Origin::Cric => cric::read(&json(source)?).map_err(useless)?,
        Origin::Osg => osdf::read(&json(source)?).map_err(useless)?,
    };
    if made.overfull {
        return Err(useless(
            "there is more in it than a file of ours can hold; ask the registry for a part of it"
                .into(),
        ));
    }
    let file = source.name.rsplit('/').next().unwrap_or_default();
    let imported = made.write(origin, file);
    if imported.endpoints == 0 {
        let first = made.remarks().next().map(|one| format!("; first: {one}"));
        return Err(useless(format!(
            "no storage element with an https door in it{}",
            first.unwrap_or_default()
        )));
    }
    if imported.text.len() > touchstone_yaml::FILE_CAP {
        return Err(useless(format!(
            "{} endpoints make a file larger than {} KiB; ask the registry for a part of them",
            imported.endpoints,
            touchstone_yaml::FILE_CAP >> 10
        )));
    }
    Ok(imported)
}

fn json(source: &SourceFile) -> Result<Value, ImportError> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    serde_json::from_str(text).map_err(|error| {
        let place = format!(" at line {} column {}", error.line(), error.column());
        ImportError::Json {
            file: source.name.to_string(),
            line: error.line(),
            column: error.column().max(1),
            message: error.to_string().replace(&place, ""),
        }
    })
}

/// A member that is a text with something in it, and not endlessly much.
fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    let text = object.get(name)?.as_str()?.trim();
    (1..=LONGEST).contains(&text.len()).then_some(text)
}

/// The beginning of a name.
fn short(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST))
        .unwrap_or_default()
}

/// The text in one line, without control characters, cut at so many characters.
fn one_line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let steering = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
    };
    let mut kept: String = line
        .chars()
        .take(most)
        .map(|c| if steering(c) { '\u{fffd}' } else { c })
        .collect();
    if line.chars().nth(most).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests;
