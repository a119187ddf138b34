//! What a token says, whether the profile lets it say so, and what it allows. Pure: the clock and the
//! issuer's keys are the caller's.

mod allows;
mod claims;
mod decode;
mod durations;
mod groups;
mod header;
mod kind;
mod scope;
mod times;

use jiff::Timestamp;
use serde_json::Value;

use touchstone_model::Profile;

use super::verify::SignatureCheck;

pub use decode::{Class, Decoded, Unreadable, decode};
pub(super) use decode::{decode_claims, decode_unsigned};
pub use durations::{duration, moment};
pub use kind::TokenKind;

#[cfg(test)]
mod tests;

/// How much a statement weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatementWeight {
    /// A requirement is broken.
    Must,
    /// A recommendation is not followed.
    Should,
    /// Nothing is wrong, but worth to know.
    Note,
}

impl StatementWeight {
    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::Note => "note",
        }
    }
}

/// One remark about a token. Its texts may repeat what the token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The claim, or the part, that it is about.
    pub about: String,
    /// The clause of the register; `None` where another specification rules.
    pub clause: Option<&'static str>,
    /// How much it weighs.
    pub weight: StatementWeight,
    /// What is wrong, or what is.
    pub wrong: String,
    /// What follows from it.
    pub means: String,
}

/// A member of the header or of the payload.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenMember {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// The value in words, where it needs some.
    pub words: Option<String>,
}

/// Everything that is known of a token without showing it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What it is.
    pub kind: TokenKind,
    /// By which version of the profile it was judged.
    pub profile: Profile,
    /// For which moment.
    pub now: Timestamp,
    /// How many bytes it has.
    pub bytes: usize,
    /// Whether it has a signature; otherwise this is only what a token says, which anybody can have written.
    pub signed: bool,
    /// The JOSE header, in its order.
    pub header: Vec<TokenMember>,
    /// The payload, in its order.
    pub claims: Vec<TokenMember>,
    /// Whether the signature is the issuer's.
    pub proof: SignatureCheck,
    /// What is remarked, the gravest first.
    pub statements: Vec<Statement>,
    /// What it allows, a phrase each.
    pub allows: Vec<String>,
}

impl Inspection {
    /// Whether no requirement is broken.
    pub fn right(&self) -> bool {
        self.count(StatementWeight::Must) == 0
    }

    /// Passes every text that the token may have had a hand in through `gate`.
    pub fn pass(&mut self, filter: &dyn Fn(&str) -> String) {
        for entry in self.header.iter_mut().chain(&mut self.claims) {
            pass(&entry.name, &mut entry.value, filter);
            entry.name = filter(&entry.name);
        }
        for statement in &mut self.statements {
            for text in [
                &mut statement.about,
                &mut statement.wrong,
                &mut statement.means,
            ] {
                *text = filter(text);
            }
        }
        for phrase in &mut self.allows {
            *phrase = filter(phrase);
        }
        match &mut self.proof {
            SignatureCheck::Verified { kid: text }
            | SignatureCheck::Wrong { reason: text, .. }
            | SignatureCheck::Issuer { reason: text, .. }
            | SignatureCheck::Unknown { reason: text } => *text = filter(text),
        }
    }

    /// How many remarks there are of that weight.
    pub fn count(&self, weight: StatementWeight) -> usize {
        self.statements
            .iter()
            .filter(|statement| statement.weight == weight)
            .count()
    }
}

/// A text passes together with its name, which may be that of a credential.
fn pass(name: &str, value: &mut Value, filter: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => {
            let passed = filter(&format!("{name}={text}"));
            *text = match passed
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('='))
            {
                Some(rest) => rest.to_owned(),
                None => filter(text),
            };
        }
        Value::Array(items) => items.iter_mut().for_each(|item| pass(name, item, filter)),
        Value::Object(members) => {
            let passed = std::mem::take(members)
                .into_iter()
                .map(|(name, mut value)| {
                    pass(&name, &mut value, filter);
                    (filter(&name), value)
                });
            *members = passed.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Judges a token that could be decoded, as of `now`.
pub fn judge(
    token: &Decoded,
    proof: SignatureCheck,
    now: Timestamp,
    profile: Profile,
) -> Inspection {
    let kind = TokenKind::of(token);
    let mut remarks = Remarks::new(token, now, profile, kind);
    // What somebody has decoded may have lost its header.
    if token.signed || !token.header.is_empty() {
        header::judge(&mut remarks);
    }
    remarks.proof(&proof);
    if kind.judged() {
        claims::judge(&mut remarks);
        let scopes = scope::judge(&mut remarks);
        groups::judge(&mut remarks);
        scope::any(&mut remarks, &scopes);
    } else {
        kind::judge(&mut remarks);
    }
    let mut statements = remarks.statements;
    // A stable sort: equals stay in the order of the token's parts.
    statements.sort_by_key(|statement| statement.weight);
    Inspection {
        kind,
        profile,
        now,
        bytes: token.bytes,
        signed: token.signed,
        header: durations::entries(&token.header, now),
        claims: durations::entries(&token.payload, now),
        allows: allows::allows(token, kind, &statements, now, profile),
        proof,
        statements,
    }
}

/// Statements as they are found, and what they are found in.
struct Remarks<'a> {
    token: &'a Decoded,
    now: Timestamp,
    profile: Profile,
    kind: TokenKind,
    statements: Vec<Statement>,
}

impl<'a> Remarks<'a> {
    fn new(token: &'a Decoded, now: Timestamp, profile: Profile, kind: TokenKind) -> Self {
        Self {
            token,
            now,
            profile,
            kind,
            statements: Vec::new(),
        }
    }

    fn must(
        &mut self,
        about: &str,
        clause: &'static str,
        wrong: impl Into<String>,
        means: impl Into<String>,
    ) {
        self.add(StatementWeight::Must, about, Some(clause), wrong, means);
    }

    fn should(
        &mut self,
        about: &str,
        clause: &'static str,
        wrong: impl Into<String>,
        means: impl Into<String>,
    ) {
        self.add(StatementWeight::Should, about, Some(clause), wrong, means);
    }

    fn note(
        &mut self,
        about: &str,
        clause: &'static str,
        wrong: impl Into<String>,
        means: impl Into<String>,
    ) {
        self.add(StatementWeight::Note, about, Some(clause), wrong, means);
    }

    fn add(
        &mut self,
        weight: StatementWeight,
        about: &str,
        clause: Option<&'static str>,
        wrong: impl Into<String>,
        means: impl Into<String>,
    ) {
        self.statements.push(Statement {
            about: about.to_owned(),
            clause,
            weight,
            wrong: wrong.into(),
            means: means.into(),
        });
    }

    fn proof(&mut self, proof: &SignatureCheck) {
        match proof {
            SignatureCheck::Wrong { clause, reason } => self.must(
                "signature",
                clause,
                reason.clone(),
                "nobody can know who wrote this token; storage has to refuse it",
            ),
            SignatureCheck::Issuer {
                clause: Some(clause),
                reason,
            } => self.must(
                "issuer",
                clause,
                reason.clone(),
                "the token may be good, but no service can verify it until its issuer is mended",
            ),
            SignatureCheck::Issuer { clause: None, .. }
            | SignatureCheck::Verified { .. }
            | SignatureCheck::Unknown { .. } => {}
        }
    }
}
