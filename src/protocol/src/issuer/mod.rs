//! Answers of an issuer in, findings out. Pure; each word of [`IssuerExpectation`] is defined here once.

mod document;
mod group;
mod jwt;
mod keys;
mod reply;
mod scope;
mod token;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Judge, StepRole};
use touchstone_model::{
    Account, Answer, Clause, ClauseId, Finding, IssuerExpectation, IssuerStep, IssuerSubject,
    Level, Profile,
};

pub use jwt::Jwt;
pub use reply::{Grant, OAuthErrorReply, grant, no_client, refusal};

/// Characters of a text of the issuer's that are shown.
const SHOWN: usize = 120;
/// No more findings of one word than this: an answer may be full of them.
const FINDINGS: usize = 8;

/// One answer of an issuer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What came; status 0 where nobody answered and that may be.
    pub answer: Answer,
    /// When it came, by our clock.
    pub at: Timestamp,
    /// The token in it.
    pub grant: Option<Grant>,
    /// Index of the exchange.
    pub exchange: usize,
}

/// What is known when answers are judged.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The issuer's URL.
    pub issuer: &'a str,
    /// The profile version by which it is judged.
    pub profile: Profile,
    /// What is declared of it.
    pub subject: &'a IssuerSubject,
    /// What was asked.
    pub ask: &'a IssuerStep,
    /// Who asked.
    pub account: Option<&'a Account>,
    /// The id of the client that asked.
    pub client: Option<&'a str>,
    /// The metadata, where they are a JSON object.
    pub metadata: Option<&'a Value>,
    /// The key set, where it is a JSON object.
    pub keys: Option<&'a Value>,
    /// What came, one for each time that it was asked.
    pub answers: &'a [Answered],
    /// The tokens that came before in this case.
    pub before: &'a [Jwt],
    /// The token from which the new one comes.
    pub held: Option<&'a Jwt>,
    /// The newest refresh token of the case.
    pub refresh: Option<&'a Jwt>,
}

/// Why a word says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mute {
    /// It does not apply.
    Skip(String),
    /// It cannot be decided.
    Undecided(String),
}

/// What words find.
type Found = Result<Vec<Flaw>, Mute>;

/// A deviation before it is a finding: what is right, what came, how grave it is where the clause does not
/// say it, and which answer shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flaw {
    expected: String,
    actual: String,
    level: Option<Level>,
    /// The clause that it breaks, where that is not the one that the case is about.
    clause: Option<ClauseId>,
    answer: usize,
}

impl Flaw {
    fn new(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            actual: actual.into(),
            level: None,
            clause: None,
            answer: 0,
        }
    }

    /// A missed recommendation, whatever the clause.
    fn minor(self) -> Self {
        Self {
            level: Some(Level::Should),
            ..self
        }
    }

    /// A missed requirement, whatever the clause.
    fn grave(self) -> Self {
        Self {
            level: Some(Level::Must),
            ..self
        }
    }

    /// A deviation from the clause named `id`.
    fn from(self, id: &str) -> Self {
        Self {
            clause: id.parse().ok(),
            ..self
        }
    }

    fn of(self, answer: usize) -> Self {
        Self { answer, ..self }
    }
}

/// Judges what came by every word of the ask, in their order.
///
/// # Errors
/// Why that cannot be done; what was found before stays found.
pub fn ask(
    case: &touchstone_model::Case,
    clauses: &[Clause],
    view: &View<'_>,
) -> (Vec<Finding>, Option<Mute>) {
    let mut findings = Vec::new();
    for word in &view.ask.expect {
        let flaws = match judged(*word, view) {
            Ok(flaws) => flaws,
            Err(mute) => return (findings, Some(mute)),
        };
        for flaw in flaws.into_iter().take(FINDINGS) {
            let answered = view.answers.get(flaw.answer);
            let judge = Judge {
                case,
                clauses,
                clause: flaw.clause.as_ref(),
                at: &view.ask.at,
                role: StepRole::Permitted,
                exchange: answered.map_or(0, |answered| answered.exchange),
            };
            let finding = judge.own(flaw.expected, flaw.actual);
            findings.push(Finding {
                level: flaw.level.unwrap_or(finding.level),
                ..finding
            });
        }
    }
    (findings, None)
}

fn judged(word: IssuerExpectation, view: &View<'_>) -> Found {
    use IssuerExpectation as W;
    if word.about_token() || view.ask.optional {
        view.came()?;
    }
    match word {
        W::Document => Ok(document::document(view)),
        W::NamesIssuer => document::names_issuer(view),
        W::NamesKeys => document::names_url(view, "jwks_uri"),
        W::HttpsOnly => document::https_only(view),
        W::NamesTokenEndpoint => document::names_url(view, "token_endpoint"),
        W::NamesGrants => document::names_grants(view),
        W::NamesScopes => document::names_scopes(view),
        W::NamesAuthentication => document::names_authentication(view),
        W::NamesRevocation => document::names_url(view, "revocation_endpoint"),
        W::NamesIntrospection => document::names_url(view, "introspection_endpoint"),
        W::NamesDevice => document::names_url(view, "device_authorization_endpoint"),
        W::SameIfServed => Ok(document::same_if_served(view)),
        W::NotServed => Ok(document::not_served(view)),
        W::Same => document::same(view),
        W::KeySet => Ok(keys::key_set(view)),
        W::KeyIds => keys::key_ids(view),
        W::PublicOnly => keys::public_only(view),
        W::StrongKeys => keys::strong_keys(view),
        W::UsableKey => keys::usable_key(view),
        W::KeptAWhile => Ok(keys::kept_a_while(view)),
        W::Reply => reply::reply(view),
        W::Uncached => Ok(reply::uncached(view)),
        W::Granted => reply::granted(view),
        W::Refused => reply::refused(view),
        W::ErrorJson => reply::error_json(view),
        W::InvalidClient => Ok(reply::error_is(view, &["invalid_client"])),
        W::InvalidGrant => Ok(reply::error_is(view, &["invalid_grant", "invalid_request"])),
        W::InvalidScope => Ok(reply::error_is(view, &["invalid_scope", "access_denied"])),
        W::AccessDenied => reply::access_denied(view),
        W::Accepted => reply::accepted(view),
        W::Unauthenticated => reply::unauthenticated(view),
        W::DeviceReply => reply::device(view),
        W::Pending => reply::pending(view),
        W::Exchanged => Ok(reply::exchanged(view)),
        W::ExpiresIn => reply::expires_in(view),
        W::RefreshLifetime => reply::refresh_lifetime(view),
        W::Signed => token::signed(view),
        W::UsualAlgorithm => token::usual_algorithm(view),
        W::Claims => token::claims(view),
        W::Version => token::version(view),
        W::IssuerUrl => token::issuer_url(view),
        W::IssuerExact => token::issuer_exact(view),
        W::SubjectForm => token::subject_form(view),
        W::SameSubject => token::same_subject(view),
        W::Anonymous => token::anonymous(view),
        W::UniqueIds => token::unique_ids(view),
        W::Lifetime => token::lifetime(view),
        W::NotBefore => token::not_before(view),
        W::IssuedNow => token::issued_now(view),
        W::AudienceAsAsked => token::audience_as_asked(view),
        W::HasAudience => token::has_audience(view),
        W::HasRights => token::has_rights(view),
        W::Small => token::small(view),
        W::ClientSubject => token::client_subject(view),
        W::Assurance => token::assurance(view),
        W::IdToken => token::id_token(view),
        W::KnownVersion => token::known_version(view),
        W::ScopeForm => scope::scope_form(view),
        W::StoragePaths => scope::storage_paths(view),
        W::NoBrokenScope => scope::no_broken_scope(view),
        W::ScopeAsAsked => scope::scope_as_asked(view),
        W::NoMore => scope::no_more(view),
        W::NotBeyond => scope::not_beyond(view),
        W::NotWider => scope::not_wider(view),
        W::DifferenceTold => scope::difference_told(view),
        W::SetComplete => scope::set_complete(view),
        W::NoSet => scope::no_set(view),
        W::HostScope => scope::host_scope(view),
        W::GroupsForm => group::groups_form(view),
        W::GroupsOfVo => group::groups_of_vo(view),
        W::NoGroups => group::no_groups(view),
        W::GroupsAsAsked => group::groups_as_asked(view),
        W::GroupsInOrder => group::groups_in_order(view),
        W::GroupsInIdToken => group::groups_in_id_token(view),
        W::NoForeignGroups => group::no_foreign_groups(view),
    }
}

impl<'a> View<'a> {
    /// The last answer. There always is one.
    fn answer(&self) -> Option<&'a Answer> {
        self.answers.last().map(|answered| &answered.answer)
    }

    /// Nothing to judge where no token came: the issuer may refuse what it likes.
    fn came(&self) -> Result<(), Mute> {
        match self.answers.iter().find(|one| one.grant.is_none()) {
            Some(one) if self.ask.what.for_token() => Err(reply::mute(self, &one.answer)),
            Some(one) if !one.answer.success() => Err(reply::mute(self, &one.answer)),
            _ => Ok(()),
        }
    }

    /// Nothing to judge where neither a token nor a refusal came.
    fn answered(&self) -> Result<(), Mute> {
        for one in self.answers {
            if one.grant.is_none()
                && (one.answer.success() || refused_at_all(&one.answer).is_none())
            {
                return Err(reply::mute(self, &one.answer));
            }
        }
        Ok(())
    }

    /// The access tokens that came, each with the number of its answer.
    fn tokens(&self) -> Result<Vec<(usize, &'a Jwt)>, Mute> {
        let mut tokens = Vec::new();
        for (number, answered) in self.answers.iter().enumerate() {
            match &answered.grant {
                None => {}
                Some(Grant { token: Ok(jwt), .. }) => tokens.push((number, jwt)),
                Some(Grant {
                    token: Err(reason), ..
                }) => {
                    return Err(Mute::Undecided(format!(
                        "its access token cannot be looked into: {reason}"
                    )));
                }
            }
        }
        Ok(tokens)
    }

    /// What `judge` says of each access token.
    fn each(&self, judge: impl Fn(&'a Jwt) -> Vec<Flaw>) -> Found {
        let tokens = self.tokens()?;
        Ok(tokens
            .into_iter()
            .flat_map(|(number, jwt)| {
                let flaws = judge(jwt).into_iter();
                flaws.map(move |flaw| flaw.of(number))
            })
            .collect())
    }
}

/// A 4xx, other than one that asks to come again.
fn refused_at_all(answer: &Answer) -> Option<u16> {
    let refused = (400..500).contains(&answer.status) && !matches!(answer.status, 408 | 429);
    refused.then_some(answer.status)
}

/// The body as a JSON object; the error says what came instead.
fn object(answer: &Answer) -> Result<Map<String, Value>, String> {
    if answer.truncated {
        return Err(format!(
            "more than {} bytes, which are not read",
            answer.body.len()
        ));
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("JSON that is no object".into()),
        Err(_) => Err(format!("no JSON but {}", looks(answer))),
    }
}

/// What an answer looks like, in a few words.
fn looks(answer: &Answer) -> String {
    let bytes = match answer.body.len() {
        0 => return "an empty body".to_owned(),
        1 => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    };
    match answer.header("content-type") {
        Some(kind) => format!("{bytes} of {}", shown(kind)),
        None => format!("{bytes} of no type"),
    }
}

/// Whether it says that it is JSON.
fn json_type(answer: &Answer) -> bool {
    let kind = answer.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// A text of the issuer's, short and without surprises.
fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug())
}

/// A value of the issuer's, short.
fn value(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => shown(text),
        Some(value) => shown(&value.to_string()),
    }
}

/// Several texts of the issuer's.
fn several<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<_> = texts.into_iter().collect();
    match texts.as_slice() {
        [] => "none".to_owned(),
        texts => shown(&texts.join(" ")),
    }
}
