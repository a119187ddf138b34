//! The decisions of the issuer, of which a fault replaces one or a few.

use std::time::Duration;

use serde_json::{Map, Value};

use super::super::jwt::Header;
use super::super::probe::{Hooks, Part, Ruled, hooks};
use super::answer::Answer;
use super::client::Proven;
use super::error::OAuthError;
use super::form::Form;
use super::key::{Genuine, Keys};
use super::mint::{self, Telling};
use super::scope::{self, Granted, Membership, Sets};

/// Refresh tokens work that long after another took their place (profile 4.3.2).
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The metadata below the identifier.
    Metadata,
    /// The metadata where RFC 8414 has them.
    OtherMetadata,
    Keys,
    Token,
    Device,
    Verification,
    Revocation,
    Introspection,
    UserInfo,
    Nowhere,
}

impl Place {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Nowhere as usize + 1;
}

/// An answer's surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion {
    pub(crate) place: Place,
    /// How many requests for the same came before.
    pub(crate) count: u64,
}

/// A client that tries to authenticate.
pub(crate) struct Attempt<'a> {
    pub(crate) place: Place,
    pub(crate) form: &'a Form,
}

impl Attempt<'_> {
    /// Whether it asks the token endpoint for that grant.
    pub(crate) fn grant(&self, name: &str) -> bool {
        self.place == Place::Token && self.form.get("grant_type") == Some(name)
    }
}

hooks! {
    /// The decisions.
    struct IssuerRules {
        /// A last look at the answer.
        edit finish(; answer: Answer; occasion: Occasion);
        /// A last look at the key set.
        edit published(; keys: Vec<Value>; own: &Keys);
        /// A last look at the claims of an access token.
        edit claims(; claims: Map<String, Value>; telling: Telling);
        /// A last look at the claims of an ID token.
        edit identity(; claims: Map<String, Value>; telling: Telling);
        /// A last look at the claims of a refresh token.
        edit refresh_claims(; claims: Map<String, Value>; telling: Telling);
        /// Makes a token of its header and claims.
        count sign(header: Header, claims: &Map<String, Value>, keys: &Keys) -> Option<String>;
        /// For how many seconds access tokens are good.
        value lifetime(i64);
        /// For how many seconds refresh tokens are good.
        value refresh_lifetime(i64);
        /// Whether it is a scope of this issuer.
        ask known(scope: &str) -> bool;
        /// Whether what a client is entitled to covers a scope.
        ask entitled(held: &[String], asked: &str) -> bool;
        /// Whether what is not due is left out, where the request is to be refused.
        value drops_what_is_not_due(bool);
        /// What becomes of the scopes that are asked for, which come first, and their expansion.
        pass expanded(asked: &[String]; scope: Vec<String>; );
        /// Whether only the first scope is compared with what somebody is entitled to.
        value compares_first_only(bool);
        /// The groups that a scope brings.
        ask groups(scope: &[String], membership: &Membership) -> Result<Vec<String>, OAuthError>;
        /// The capabilities of a set.
        ask capability_set(group: &str, membership: &Membership, sets: &Sets) -> Result<Vec<String>, OAuthError>;
        /// Whether a client with that proof is let in.
        ask admitted(proven: Proven, attempt: &Attempt) -> bool;
        /// Whether the scopes of a subject token cover one that is asked for.
        ask exchanges(held: &[String], asked: &str) -> bool;
        /// What is given for a subject token that allows the first, when the second was asked for.
        pass exchanged(held: &Granted; asked: Granted; );
        /// Whether a subject token with that signature is taken.
        ask subject_is_genuine(genuine: Genuine) -> bool;
        /// Whether a subject token that ends then, now being now, is good.
        ask subject_is_alive(end: i64, now: i64) -> bool;
        /// Whether a subject token of that issuer, which comes first, is ours.
        ask subject_is_own(issuer: &str, own: &str) -> bool;
        /// Whether the scopes of a refresh token cover one that is asked for.
        ask refreshes(held: &[String], asked: &str) -> bool;
        /// What is given for a refresh token that allows the first, when the second was asked for.
        pass refreshed(held: &Granted; asked: Granted; );
        /// Whether a refresh token of the first client works for the second.
        ask bound(owner: &str, client: &str) -> bool;
        /// For how long a refresh token works once another took its place.
        value grace(Duration);
        /// Whether a refresh token is taken where an access token is due.
        value refresh_is_bearer(bool);
        /// Whether revoking has consequences.
        value revokes(bool);
        /// What to say of a token to be revoked, known or not.
        ask revocation(known: bool) -> Result<(), OAuthError>;
        /// Whether tokens are given to GET.
        value gets(bool);
        /// Whether credentials are taken from the query.
        value reads_query(bool);
        /// Whether it serves without TLS as well.
        value cleartext(bool);
    }
}

impl Default for IssuerRules {
    /// The right ones.
    fn default() -> Self {
        Self {
            finish: |_, _| {},
            published: |_, _| {},
            claims: |_, _| {},
            identity: |_, _| {},
            refresh_claims: |_, _| {},
            sign: mint::sign,
            lifetime: mint::LIFETIME,
            refresh_lifetime: mint::REFRESH_LIFETIME,
            known: scope::known,
            entitled: scope::covers,
            drops_what_is_not_due: false,
            compares_first_only: false,
            expanded: |_, scope| scope,
            groups: scope::groups,
            capability_set: scope::capability_set,
            admitted: |proven, _| proven == Proven::Right,
            exchanges: scope::covers,
            exchanged: |_, asked| asked,
            subject_is_genuine: |genuine| genuine == Genuine::Right,
            subject_is_alive: |end, now| now < end,
            subject_is_own: |issuer, own| issuer == own,
            refreshes: scope::covers,
            refreshed: |_, asked| asked,
            bound: |owner, client| owner == client,
            grace: GRACE,
            refresh_is_bearer: false,
            revokes: true,
            revocation: |_| Ok(()),
            gets: false,
            reads_query: false,
            cleartext: false,
        }
    }
}

impl Ruled<IssuerRules> {
    /// All of them.
    pub(crate) fn own(&self) -> Hooks<'_, IssuerRules, IssuerRules> {
        self.part(Part {
            name: "issuer",
            of: |rules| rules,
        })
    }
}
