//! The token endpoint (RFC 6749 section 3.2).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::error::OAuthError;
use super::form::Form;
use super::key::Genuine;
use super::mint::{Holder, Login, REFRESH_TYPE, Telling};
use super::scope::{self, Bounds, Granted, Membership};
use super::store::Refresh;
use super::{IssuerServer, device};
use touchstone_model::Audience;

pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(super) const REFRESH: &str = "refresh_token";
pub(super) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const OFFLINE: &str = "offline_access";

/// An access token of this issuer.
pub(super) struct Subject {
    pub(super) granted: Granted,
    pub(super) holder: Holder,
    pub(super) claims: Map<String, Value>,
}

impl IssuerServer {
    /// A token, for a client that has authenticated.
    pub(super) fn grant(&self, client: &Client, form: &Form) -> Result<Value, OAuthError> {
        match form.need("grant_type", "grant_type is missing")? {
            CLIENT_CREDENTIALS => self.client_credentials(client, form),
            REFRESH => self.refreshed(client, form),
            EXCHANGE => self.exchanged(client, form),
            device::GRANT => self.polled(client, form),
            _ => Err(OAuthError::new(
                "unsupported_grant_type",
                "no such grant here",
            )),
        }
    }

    fn client_credentials(&self, client: &Client, form: &Form) -> Result<Value, OAuthError> {
        let words = scope::words(self.rules.own(), form.get("scope").unwrap_or_default())?;
        let bounds = Bounds {
            membership: &client.membership,
            sets: &self.sets,
            entitled: client.entitled.as_deref(),
            held: None,
            host: true,
        };
        let audience = scope::audience(form.audiences());
        let granted = scope::decide(self.rules.own(), words, audience, &bounds)?;
        self.answer(Telling {
            granted: &granted,
            holder: &Holder::service(&client.id),
            client: &client.id,
        })
    }

    /// RFC 6749 section 6.
    fn refreshed(&self, client: &Client, form: &Form) -> Result<Value, OAuthError> {
        let token = form.need("refresh_token", "refresh_token is missing")?;
        let useless = OAuthError::invalid_grant("not a refresh token that works here");
        let (id, held) = self.known_refresh(token).ok_or(useless)?;
        if !self.rules.own().bound(&held.client, &client.id) || !held.alive(self.grace()) {
            return Err(useless);
        }
        let covers = |held: &[String], asked: &str| self.rules.own().refreshes(held, asked);
        let granted = self.narrowed(form, &held.granted, &held.holder, &covers)?;
        let granted = self.rules.own().refreshed(&held.granted, granted);
        let telling = Telling {
            granted: &granted,
            holder: &held.holder,
            client: &client.id,
        };
        let mut answer = self.answer(telling)?;
        if granted.has("openid")
            && let Some(identity) = self.identity(telling)?
        {
            answer["id_token"] = json!(identity);
        }
        // The next one has the scope of this one, however little was asked for (RFC 6749 section 6).
        let whole = Telling {
            granted: &held.granted,
            ..telling
        };
        answer["refresh_token"] = json!(self.refresh(whole, held.family)?);
        if let Some(old) = self.store.lock().refresh.get_mut(&id) {
            old.replaced.get_or_insert_with(std::time::Instant::now);
        }
        Ok(answer)
    }

    /// RFC 8693.
    fn exchanged(&self, client: &Client, form: &Form) -> Result<Value, OAuthError> {
        let token = form.need("subject_token", "subject_token is missing")?;
        if form.need("subject_token_type", "subject_token_type is missing")? != ACCESS_TOKEN {
            return Err(OAuthError::invalid_request("no such subject_token_type"));
        }
        if form
            .get("requested_token_type")
            .is_some_and(|kind| kind != ACCESS_TOKEN)
        {
            return Err(OAuthError::invalid_request("no such requested_token_type"));
        }
        if form.get("actor_token").is_some() {
            return Err(OAuthError::invalid_request("nobody acts for others here"));
        }
        let subject = self.subject(token).ok_or(OAuthError::invalid_request(
            "the subject token is none that works here",
        ))?;
        let covers = |held: &[String], asked: &str| self.rules.own().exchanges(held, asked);
        let granted = self.narrowed(form, &subject.granted, &subject.holder, &covers)?;
        let granted = self.rules.own().exchanged(&subject.granted, granted);
        let telling = Telling {
            granted: &granted,
            holder: &subject.holder,
            client: &client.id,
        };
        let mut answer = self.answer(telling)?;
        answer["issued_token_type"] = json!(ACCESS_TOKEN);
        // A refresh token is given to who asks for one, whatever the subject token says.
        if granted.has(OFFLINE) && form.get("scope").is_some() {
            answer["refresh_token"] = json!(self.refresh(telling, family())?);
        }
        Ok(answer)
    }

    /// The first answer after a login (RFC 8628 section 3.5, OpenID Connect Core 1.0 section 3.1.3.3).
    pub(super) fn logged_in(
        &self,
        client: &str,
        granted: &Granted,
        login: Login,
    ) -> Result<Value, OAuthError> {
        let holder = Holder {
            subject: self.user.subject.clone(),
            login: Some(login),
        };
        let telling = Telling {
            granted,
            holder: &holder,
            client,
        };
        let mut answer = self.answer(telling)?;
        if granted.has("openid")
            && let Some(identity) = self.identity(telling)?
        {
            answer["id_token"] = json!(identity);
        }
        if granted.has(OFFLINE) {
            answer["refresh_token"] = json!(self.refresh(telling, family())?);
        }
        Ok(answer)
    }

    /// What the test user may have of a scope.
    pub(super) fn for_user(&self, form: &Form) -> Result<Granted, OAuthError> {
        let words = scope::words(self.rules.own(), form.get("scope").unwrap_or_default())?;
        let bounds = Bounds {
            membership: &self.user.membership,
            sets: &self.sets,
            entitled: self.user.entitled.as_deref(),
            held: None,
            host: false,
        };
        let audience = scope::audience(form.audiences());
        scope::decide(self.rules.own(), words, audience, &bounds)
    }

    /// What a token allows, or that part of it which is asked for.
    fn narrowed(
        &self,
        form: &Form,
        held: &Granted,
        holder: &Holder,
        covers: &scope::Covers,
    ) -> Result<Granted, OAuthError> {
        let audience = match form.audiences() {
            [] => held.audience.clone(),
            asked => scope::audience(asked),
        };
        let Some(asked) = form.get("scope") else {
            return Ok(Granted {
                audience,
                ..held.clone()
            });
        };
        let bounds = Bounds {
            membership: self.membership(holder),
            sets: &self.sets,
            entitled: None,
            held: Some((held, covers)),
            host: true,
        };
        let words = scope::words(self.rules.own(), asked)?;
        scope::decide(self.rules.own(), words, audience, &bounds)
    }

    fn membership(&self, holder: &Holder) -> &Membership {
        static NONE: Membership = Membership {
            default: Vec::new(),
            optional: Vec::new(),
        };
        let client = || self.clients.iter().find(|one| one.id == holder.subject);
        match holder.login {
            Some(_) => &self.user.membership,
            None => client().map_or(&NONE, |client| &client.membership),
        }
    }

    /// A refresh token that it remembers, with its id.
    pub(super) fn known_refresh(&self, token: &str) -> Option<(String, Refresh)> {
        let (_, claims, genuine) = self.keys.read(token)?;
        let id = claims.get("jti")?.as_str()?;
        let alive = claims.get("exp")?.as_i64()? > Timestamp::now().as_second();
        let entry = self.store.lock().refresh.get(id).cloned()?;
        let genuine = genuine == Genuine::Right;
        (genuine && alive).then(|| (id.to_owned(), entry))
    }

    /// An access token of this issuer that is good.
    pub(super) fn subject(&self, token: &str) -> Option<Subject> {
        let rules = self.rules.own();
        let (header, claims, genuine) = self.keys.read(token)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        // ID tokens have no scope, and refresh tokens are of another type.
        let access = header.typ.as_deref() != Some(REFRESH_TYPE);
        let scope = text("scope")?.split(' ').filter(|word| !word.is_empty());
        let scope: Vec<String> = scope.map(str::to_owned).collect();
        let own = rules.subject_is_own(text("iss")?, &self.url);
        let now = Timestamp::now().as_second();
        let alive = rules.subject_is_alive(claims.get("exp")?.as_i64()?, now);
        let revoked = text("jti").is_none_or(|id| self.store.lock().revoked.get(id).is_some());
        if !access || !rules.subject_is_genuine(genuine) || !own || !alive || revoked {
            return None;
        }
        Some(Subject {
            granted: Granted {
                scope,
                groups: strings(claims.get("wlcg.groups")),
                audience: match claims.get("aud")? {
                    Value::String(one) => Audience::One(one.clone()),
                    many => scope::audience(&strings(Some(many))),
                },
            },
            holder: Holder {
                subject: text("sub")?.to_owned(),
                login: (text("sub")? == self.user.subject).then_some(Login {
                    at: now,
                    nonce: None,
                }),
            },
            claims,
        })
    }

    pub(super) fn grace(&self) -> Duration {
        self.rules.own().grace()
    }
}

impl Granted {
    fn has(&self, scope: &str) -> bool {
        self.scope.iter().any(|one| one == scope)
    }
}

impl Holder {
    /// A client that acts for itself (profile 2.2.4).
    fn service(client: &str) -> Self {
        Self {
            subject: client.to_owned(),
            login: None,
        }
    }
}

pub(super) fn family() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array);
    let list = list.into_iter().flatten().filter_map(Value::as_str);
    list.map(str::to_owned).collect()
}
