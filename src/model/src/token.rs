use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
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
    /// Members of the JOSE header that differ.
    pub header: BTreeMap<String, Alteration>,
    /// Claims that stand in the payload once more, after the others.
    pub repeated: BTreeMap<String, Value>,
    /// What comes in the payload behind its JSON object.
    pub trailing: String,
    /// How it is signed.
    pub signature: Signature,
    /// Which of the issuer's keys it is about: [`Signature::Es256`] or [`Signature::Rs256`]; whichever there is without.
    pub key: Option<Signature>,
    /// Whether the second area's issuer gives it.
    pub second: bool,
}

impl TokenTemplate {
    /// A good token of the endpoint's issuer with these scopes.
    pub fn of(scope: Template) -> Self {
        Self {
            scope,
            audience: None,
            groups: Vec::new(),
            claims: BTreeMap::new(),
            header: BTreeMap::new(),
            repeated: BTreeMap::new(),
            trailing: String::new(),
            signature: Signature::Good,
            key: None,
            second: false,
        }
    }

    /// What has to be at hand to make it.
    pub fn means(&self) -> Means {
        let altered = !self.claims.is_empty()
            || !self.header.is_empty()
            || !self.repeated.is_empty()
            || !self.trailing.is_empty();
        self.signature.means(altered)
    }

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
            .chain(
                self.claims
                    .values()
                    .chain(self.header.values())
                    .flat_map(in_alteration),
            )
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

/// How one claim or header member differs from that of a good token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Alteration {
    /// It is absent.
    Remove,
    /// A time, in thousandths of a second from now.
    FromNow(i64),
    /// This value.
    Value(Value),
    /// This JSON text, byte for byte: numbers that no library writes so, for example.
    Raw(String),
    /// A text in which these stand for the value that a good token has: [`GOOD`], [`SWAPPED`] and [`TOGGLED`].
    Edited(String),
}

/// The value of a good token.
pub const GOOD: &str = "{good}";
/// The same with small letters for capital ones, and capital ones for small ones.
pub const SWAPPED: &str = "{swapped}";
/// The same without the slash at its end, or with one where there is none.
pub const TOGGLED: &str = "{toggled}";

/// How a token is signed, or mangled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// With the issuer's key, after all alterations.
    Good,
    /// With the issuer's EC P-256 key.
    Es256,
    /// With the issuer's RSA key.
    Rs256,
    /// The one of the unaltered token.
    Kept,
    /// One bit of the good one is another.
    Flipped,
    /// As long as the good one, at random.
    Random,
    /// All zero.
    Zero,
    /// Nothing after the last dot.
    Empty,
    /// Neither the last dot nor a signature.
    Missing,
    /// One byte less.
    Short,
    /// One byte more.
    Long,
    /// ES256 in DER instead of two numbers of 32 bytes.
    Der,
    /// ES256 with both numbers the order of the curve.
    Order,
    /// The good one with a space in its middle.
    Spaced,
    /// The good one in the alphabet of plain base64 (RFC 4648 section 4), without padding.
    Standard,
    /// With a key of the issuer that is another one than its header names.
    Other,
    /// With a key that nobody has published, of the kind that the token is about, otherwise EC P-256; its public half is in the
    /// header where `jwk` or `x5c` is asked for.
    Rogue,
    /// HMAC with the issuer's public key in PEM as secret.
    HmacPem,
    /// The same without the final line end.
    HmacPemBare,
    /// HMAC with the issuer's public key in DER as secret.
    HmacDer,
    /// HMAC with the issuer's JWK, as JSON text, as secret.
    HmacJwk,
    /// HMAC with an empty secret.
    HmacEmpty,
    /// HMAC with the key id as secret.
    HmacKid,
    /// With the second issuer's key.
    Second,
}

impl Signature {
    /// Every way.
    pub const ALL: [Self; 24] = [
        Self::Good,
        Self::Es256,
        Self::Rs256,
        Self::Kept,
        Self::Flipped,
        Self::Random,
        Self::Zero,
        Self::Empty,
        Self::Missing,
        Self::Short,
        Self::Long,
        Self::Der,
        Self::Order,
        Self::Spaced,
        Self::Standard,
        Self::Other,
        Self::Rogue,
        Self::HmacPem,
        Self::HmacPemBare,
        Self::HmacDer,
        Self::HmacJwk,
        Self::HmacEmpty,
        Self::HmacKid,
        Self::Second,
    ];

    /// The word as suite files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Es256 => "es256",
            Self::Rs256 => "rs256",
            Self::Kept => "kept",
            Self::Flipped => "flipped",
            Self::Random => "random",
            Self::Zero => "zero",
            Self::Empty => "empty",
            Self::Missing => "missing",
            Self::Short => "short",
            Self::Long => "long",
            Self::Der => "der",
            Self::Order => "order",
            Self::Spaced => "spaced",
            Self::Standard => "standard",
            Self::Other => "other",
            Self::Rogue => "rogue",
            Self::HmacPem => "hmac-pem",
            Self::HmacPemBare => "hmac-pem-bare",
            Self::HmacDer => "hmac-der",
            Self::HmacJwk => "hmac-jwk",
            Self::HmacEmpty => "hmac-empty",
            Self::HmacKid => "hmac-kid",
            Self::Second => "second",
        }
    }

    /// What has to be at hand, given that claims or header are altered or not.
    pub fn means(self, altered: bool) -> Means {
        match self {
            Self::Good if !altered => Means::Honest,
            Self::Good => Means::Key,
            Self::Es256 => Means::EcKey,
            Self::Rs256 => Means::RsaKey,
            Self::Der | Self::Order => Means::EcToken,
            Self::HmacPem | Self::HmacPemBare | Self::HmacDer | Self::HmacJwk => Means::PublicKey,
            Self::Second => Means::SecondKey,
            Self::Kept
            | Self::Flipped
            | Self::Random
            | Self::Zero
            | Self::Empty
            | Self::Missing
            | Self::Short
            | Self::Long
            | Self::Spaced
            | Self::Standard
            | Self::Other
            | Self::Rogue
            | Self::HmacEmpty
            | Self::HmacKid => Means::Tampering,
        }
    }
}

/// What has to be at hand to make a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Means {
    /// The issuer gives it.
    Honest,
    /// A good token of the issuer, which is tampered with.
    Tampering,
    /// A good token that is signed with an EC key.
    EcToken,
    /// A good token, and the issuer's public key, which the test key has as well.
    PublicKey,
    /// A signing key of the issuer.
    Key,
    /// Its EC P-256 key.
    EcKey,
    /// Its RSA key.
    RsaKey,
    /// The key of the second issuer.
    SecondKey,
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
    /// Members of the JOSE header that differ, by name.
    pub header: BTreeMap<String, Alteration>,
    /// Claims that stand in the payload once more.
    pub repeated: BTreeMap<String, Value>,
    /// What comes in the payload behind its JSON object.
    pub trailing: String,
    /// How it is signed.
    pub signature: Signature,
    /// Which of the issuer's keys signs where `signature` leaves that open: [`Signature::Es256`] or [`Signature::Rs256`];
    /// the first one where this says nothing.
    pub key: Option<Signature>,
    /// Name of the issuer whose key signs, for [`Signature::Second`].
    pub signer: Option<String>,
    /// Whether the test key signs it though the issuer would give it, so that the issuer is not asked for so many.
    pub minted: bool,
}

impl TokenRequest {
    /// Whether it asks for a capability of that name, for whatever path (profile 2.2.1).
    pub fn has(&self, capability: &str) -> bool {
        let paths = self
            .scopes
            .iter()
            .map(|scope| scope.strip_prefix(capability));
        paths.flatten().any(|rest| rest.starts_with(':'))
    }

    /// A good token.
    pub fn good(issuer: String, scopes: Vec<String>, audience: Audience<String>) -> Self {
        Self {
            issuer,
            scopes,
            audience,
            groups: Vec::new(),
            claims: BTreeMap::new(),
            header: BTreeMap::new(),
            repeated: BTreeMap::new(),
            trailing: String::new(),
            signature: Signature::Good,
            key: None,
            signer: None,
            minted: false,
        }
    }

    /// Whether it says something about the time at which it is made, so that it is made anew each time.
    pub fn timed(&self) -> bool {
        let timed = |alteration: &Alteration| matches!(alteration, Alteration::FromNow(_));
        self.claims.values().any(timed)
    }

    /// The good token that this one is made from.
    pub fn honest(&self) -> Self {
        Self {
            groups: self.groups.clone(),
            key: self.key,
            minted: self.minted,
            ..Self::good(
                self.issuer.clone(),
                self.scopes.clone(),
                self.audience.clone(),
            )
        }
    }

    /// Its scopes, those that ask for groups among them (profile 3.1).
    pub fn all_scopes(&self) -> Vec<String> {
        let groups = self.groups.iter();
        let groups = groups.map(|group| format!("wlcg.groups:{group}"));
        self.scopes.iter().cloned().chain(groups).collect()
    }

    /// What has to be at hand to make it.
    pub fn means(&self) -> Means {
        let altered = !self.claims.is_empty()
            || !self.header.is_empty()
            || !self.repeated.is_empty()
            || !self.trailing.is_empty();
        self.signature.means(altered || self.minted)
    }
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
        parts.extend(altered(&self.claims));
        parts.extend(altered(&self.header).map(|text| format!("header {text}")));
        for (claim, value) in &self.repeated {
            parts.push(format!("{claim} once more = {}", shown(value)));
        }
        if !self.trailing.is_empty() {
            parts.push(format!("{} behind the payload", cut(&self.trailing)));
        }
        if self.signature != Signature::Good {
            parts.push(format!("signature {}", self.signature.as_str()));
        }
        if let Some(key) = self.key {
            parts.push(format!("key {}", key.as_str()));
        }
        f.write_str(&parts.join(", "))
    }
}

/// Each alteration in words.
pub fn altered(alterations: &BTreeMap<String, Alteration>) -> impl Iterator<Item = String> + '_ {
    alterations
        .iter()
        .map(|(name, alteration)| match alteration {
            Alteration::Remove => format!("no {name}"),
            Alteration::FromNow(thousandths) => {
                format!("{name} = now {:+} s", *thousandths as f64 / 1000.0)
            }
            Alteration::Value(value) => format!("{name} = {}", shown(value)),
            Alteration::Raw(text) => format!("{name} = {}", cut(text)),
            Alteration::Edited(text) => format!("{name} = {}", shown(&Value::from(text.as_str()))),
        })
}

/// A value as JSON, cut where it is long.
fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

/// A text, cut where it is long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}

/// The variables in the texts of an alteration.
fn in_alteration(alteration: &Alteration) -> Vec<Variable> {
    fn collect(value: &Value, found: &mut Vec<Variable>) {
        match value {
            Value::String(text) => {
                if let Ok(template) = Template::parse(text) {
                    found.extend(template.variables());
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(members) => members.values().for_each(|value| collect(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    if let Alteration::Value(value) = alteration {
        collect(value, &mut found);
    }
    found
}
