use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::{Template, Variable};

/// The audience that every relying party accepts (profile 2.1.1).
pub const ANY_AUDIENCE: &str = "https://wlcg.cern.ch/jwt/v1/any";

/// The token that a step asks for, as its suite file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTemplate {
    /// Space-separated scopes.
    pub scope: Template,
    /// Whom it is for; `None` is the endpoint's usual audience.
    pub audience: Option<Audience<Template>>,
    /// Groups to assert.
    pub groups: Vec<Template>,
    /// Claims that differ from a good token's.
    pub claims: BTreeMap<String, Alteration>,
}

impl TokenTemplate {
    /// The variables anywhere in it.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        let audience: &[Template] = match &self.audience {
            None => &[],
            Some(Audience::One(one)) => std::slice::from_ref(one),
            Some(Audience::Many(many)) => many,
        };
        std::iter::once(&self.scope)
            .chain(audience)
            .chain(&self.groups)
            .flat_map(Template::variables)
    }
}

/// `aud` is a string or an array of strings; the difference is part of what is tested.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience<T> {
    /// A single string.
    One(T),
    /// An array.
    Many(Vec<T>),
}

impl Audience<String> {
    /// Each audience, in order.
    pub fn each(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// The claim's value.
    pub fn to_json(&self) -> Value {
        match self {
            Self::One(one) => Value::from(one.as_str()),
            Self::Many(many) => Value::from(many.clone()),
        }
    }
}

impl fmt::Display for Audience<String> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(one) => f.write_str(one),
            Self::Many(many) => write!(f, "[{}]", many.join(", ")),
        }
    }
}

/// How one claim differs from that of a good token. Only an issuer whose key we hold can do it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Alteration {
    /// The claim is absent.
    Remove,
    /// A time, in seconds from now.
    FromNow(i64),
    /// This value.
    Value(Value),
}

/// A token to obtain: the key by which the broker keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    /// Name of the issuer in the inventory.
    pub issuer: String,
    /// Scopes in the order of the step; group scopes are in `groups`.
    pub scopes: Vec<String>,
    /// Whom it is for.
    pub audience: Audience<String>,
    /// Groups to assert.
    pub groups: Vec<String>,
    /// Claims that differ, by name.
    pub claims: BTreeMap<String, Alteration>,
}

impl fmt::Display for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.scopes.is_empty() {
            parts.push(format!("scope \"{}\"", self.scopes.join(" ")));
        }
        if !self.groups.is_empty() {
            parts.push(format!("groups {}", self.groups.join(", ")));
        }
        parts.push(format!("audience {}", self.audience));
        for (claim, alteration) in &self.claims {
            parts.push(match alteration {
                Alteration::Remove => format!("no {claim}"),
                Alteration::FromNow(seconds) => format!("{claim} = now {seconds:+} s"),
                Alteration::Value(value) => format!("{claim} = {value}"),
            });
        }
        f.write_str(&parts.join(", "))
    }
}
