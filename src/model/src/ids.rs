use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::marker::lower_hex;

/// Permanent name of a case: `suite.words.more-words`, lower case, never a number.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String")]
pub struct CaseId(String);

impl CaseId {
    /// The id as written in the suite file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CaseId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let component = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && !part.ends_with('-')
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if text.contains('.') && text.len() <= 80 && text.split('.').all(component) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a case id is dotted lower-case words, such as `path.outside.read`")
        }
    }
}

impl TryFrom<String> for CaseId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|expected| wrong(&text, expected))
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Permanent name of one normative statement, such as `JWT-2.2.1-04`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String")]
pub struct ClauseId(String);

impl ClauseId {
    /// The id as written in the register.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClauseId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        if text.contains('-') && text.len() <= 40 && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a clause id looks like `JWT-2.2.1-04`")
        }
    }
}

impl TryFrom<String> for ClauseId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|expected| wrong(&text, expected))
    }
}

impl fmt::Display for ClauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of one run: its start in UTC and a random tail, `20261122t072848z-4f2a9c`.
///
/// Lower case and free of characters that need escaping, because it becomes a directory name on
/// storage elements.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String")]
pub struct RunId(String);

impl RunId {
    /// Characters of a name.
    pub const LENGTH: usize = 23;

    /// The name of a run that starts at `start`; `tail` distinguishes runs of one second.
    pub fn new(start: Timestamp, tail: u32) -> Self {
        Self(format!("{}-{:06x}", stamp(start), tail & 0x00ff_ffff))
    }

    /// The id as it appears in directory names.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the run started, read back from the name.
    pub fn started(&self) -> Option<Timestamp> {
        let stamp = self.0.get(..16)?;
        jiff::civil::DateTime::strptime("%Y%m%dt%H%M%Sz", stamp)
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    }
}

impl FromStr for RunId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Self(text.to_owned());
        let tail = text.get(16..).and_then(|rest| rest.strip_prefix('-'));
        match tail {
            // Times can be written in several ways, and names in one.
            Some(tail)
                if text.len() == Self::LENGTH
                    && tail.bytes().all(lower_hex)
                    && id.started().is_some_and(|at| stamp(at) == text[..16]) =>
            {
                Ok(id)
            }
            _ => Err("a run id looks like `20261122t072848z-4f2a9c`"),
        }
    }
}

/// What is wrong with an id that was read.
fn wrong(text: &str, expected: &str) -> String {
    /// Longer than any id.
    const SHOWN: usize = 100;
    let shown: String = text.chars().take(SHOWN).collect();
    format!("{shown:?}, but {expected}")
}

/// A time as names have it.
fn stamp(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    time.strftime("%Y%m%dt%H%M%Sz").to_string()
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|expected| wrong(&text, expected))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_tell_their_start() {
        let start: Timestamp = "2026-11-22T07:28:48Z".parse().unwrap();
        let id = RunId::new(start, 0x4f_2a9c);
        assert_eq!(id.as_str(), "20261122t072848z-4f2a9c");
        assert_eq!(id.started(), Some(start));
        for wrong in [
            "",
            "20261399t072848z-4f2a9c",
            "20261122t072848z-4F2A9C",
            "20261122t072848z-4f2a9",
            "20261122t072848z-4f2a9c0",
            "20261122t07284 z-4f2a9c",
            "20261122T072848Z-4f2a9c",
            "20261122t072848z-4f2a9é",
        ] {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn case_ids_are_semantic() {
        assert!("path.sibling-prefix.read".parse::<CaseId>().is_ok());
        for wrong in [
            "path",
            "Path.read",
            "path.1",
            "path..read",
            "path.read-",
            "a/b.c",
            "",
        ] {
            assert!(wrong.parse::<CaseId>().is_err(), "{wrong}");
        }
    }
}
