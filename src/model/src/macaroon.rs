use std::fmt;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Serialize};

/// What is asked of a service that issues macaroons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacaroonRequest {
    /// What the macaroon allows; as the service pleases if there are none.
    pub activities: Vec<String>,
    /// How long it is good, as a duration of ISO 8601; empty to ask for none.
    pub validity: String,
    /// Further caveats; in a suite's case they may hold variables.
    pub caveats: Vec<String>,
    /// In which way it is asked for.
    pub flavour: Flavour,
}

impl MacaroonRequest {
    /// Every caveat that is asked for.
    pub fn all_caveats(&self) -> Vec<String> {
        let activities = (!self.activities.is_empty())
            .then(|| format!("activity:{}", self.activities.join(",")));
        activities.into_iter().chain(self.caveats.clone()).collect()
    }
}

/// A duration of ISO 8601 without months and years; days have 24 hours.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    // jiff takes other ways to write one as well.
    let iso = text.starts_with('P');
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .ok()
        .filter(|_| iso)
}

/// In which way a macaroon is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// JSON of the type `application/macaroon-request`, sent to the path itself.
    #[default]
    Native,
    /// The form of OAuth client credentials, sent to the token endpoint that the service names.
    Oauth,
}

/// The macaroon that the case was given last, and what its holder does to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presented {
    /// Caveats that are appended; in a suite's case they may hold variables.
    pub add: Vec<String>,
    /// What is forged afterwards.
    pub tamper: Option<Tampering>,
}

/// How somebody forges a macaroon who does not know its root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tampering {
    /// One bit of the signature is another.
    Signature,
    /// The last caveat about activities names them all.
    Caveat,
    /// The last byte of the identifier is another.
    Identifier,
    /// The last caveat is gone.
    DropCaveat,
    /// It is signed anew, with an empty key.
    Key,
}

impl Tampering {
    /// Every way.
    pub const ALL: [Self; 5] = [
        Self::Signature,
        Self::Caveat,
        Self::Identifier,
        Self::DropCaveat,
        Self::Key,
    ];

    /// The word as suite files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Caveat => "caveat",
            Self::Identifier => "identifier",
            Self::DropCaveat => "drop-caveat",
            Self::Key => "key",
        }
    }
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature => "with one bit of the signature changed",
            Self::Caveat => "with a caveat about activities that names them all in its place",
            Self::Identifier => "with another identifier",
            Self::DropCaveat => "without its last caveat",
            Self::Key => "signed anew with an empty key",
        })
    }
}

impl fmt::Display for Presented {
    /// What is special about it; nothing if it is as it came.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.add.is_empty() {
            write!(f, ", with {} appended", self.add.join(" and "))?;
        }
        match self.tamper {
            Some(tamper) => write!(f, ", {tamper}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_iso_8601() {
        for (text, seconds) in [
            ("PT10M", Some(600)),
            ("PT1H30M5S", Some(5405)),
            ("P1D", Some(86_400)),
            ("P1DT1S", Some(86_401)),
            ("PT0S", Some(0)),
            ("P1M", None),
            ("10 minutes", None),
            ("-PT5M", None),
            ("forever", None),
            ("", None),
        ] {
            assert_eq!(duration(text).map(|it| it.as_secs()), seconds, "{text}");
        }
    }
}
