//! Macaroons: what they allow, and to whom they are issued.

mod caveat;
mod request;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::json;

pub(super) use caveat::{Activity, Meaning, Surroundings, means, permits};
pub(super) use request::{FORM, NATIVE, Wanted, wanted, written};

use super::ReferenceError;
use super::answers::{Outcome, Refusal};
use super::authorisation::Question;
use super::element::{Ambiguous, Element, Target};
use super::macaroon::Macaroon;
use super::namespace::Node;
use super::path::{End, ObjectPath};
use super::probe::hooks;
use super::rules::{ElementHooks, Service, Verified};
use super::server::Connection;
use super::token::Bearer;
use touchstone_model::Method;

/// Where the token endpoint is told (RFC 8414 section 3), and where it is.
const METADATA: &str = "/.well-known/oauth-authorization-server";
const TOKEN_ENDPOINT: &str = "/.oauth2/token";
/// Nobody gets a longer one.
const LONGEST: f64 = 86_400.0;
/// How many are remembered, and for how many seconds after their end.
const MOST: usize = 10_000;
const KEPT: f64 = 600.0;

hooks! {
    /// The decisions about macaroons. A fault replaces one or a few of them.
    struct MacaroonRules {
        /// Whether a body of this type is a request, sent to the token endpoint or not.
        ask understood(kind: Option<&str>, form: bool) -> bool;
        /// To whom one is issued, once the credential was verified, or none was there.
        ask asker(verified: Verified) -> Verified;
        /// What the body asks for, sent to the token endpoint or not.
        ask wanted(body: &[u8], form: bool) -> Option<Wanted>;
        /// Whether a caveat may stand in it that was asked for.
        ask written(caveat: &str) -> bool;
        /// What is granted of the activities that were asked for, of those that the asker may.
        ask granted(asked: &[Activity], held: &[Activity], bearer: &Bearer) -> Vec<Activity>;
        /// For how many seconds, of those that were asked for and those that the asker has left.
        ask lasts(asked: f64, left: f64) -> f64;
        /// What the caveat about the path names, for the path of the request.
        ask place(path: &ObjectPath) -> String;
        /// Whether caches are told to keep off.
        value unstored(bool);
        /// Whether it comes from that root key, with nothing changed since.
        ask genuine(macaroon: &Macaroon, key: &[u8]) -> bool;
        /// What a caveat means.
        ask means(caveat: &str, around: &Surroundings) -> Meaning;
        /// Which of the caveats count, in their order.
        pass counts(; meanings: Vec<Meaning>; );
        /// Whether an activity is one for this operation.
        ask permits(activity: Activity, asked: &Question) -> bool;
        /// Whether the path of a caveat, which comes first, reaches the object.
        ask reaches(caveat: &ObjectPath, path: &ObjectPath, asked: &Question) -> bool;
        /// Whether the bearer may, given whether the token behind the macaroon may.
        pass bounded(; allowed: bool; bearer: &Bearer, asked: &Question);
        /// Whether an identifier that was issued, which comes first, is the one that is presented.
        ask same(issued: &str, presented: &str) -> bool;
    }
}

impl Default for MacaroonRules {
    /// The right ones.
    fn default() -> Self {
        Self {
            understood,
            asker: |verified| verified,
            wanted,
            written,
            granted,
            lasts: |asked, left| asked.min(left).min(LONGEST),
            place: ObjectPath::escaped,
            unstored: true,
            genuine,
            means,
            counts: |meanings| meanings,
            permits,
            reaches,
            bounded: |allowed, _, _| allowed,
            same: |issued, presented| issued == presented,
        }
    }
}

/// Types are compared without their parameters and without regard to case (RFC 9110 section 8.3.1).
pub(super) fn understood(kind: Option<&str>, form: bool) -> bool {
    let kind = kind.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(if form { FORM } else { NATIVE })
}

/// Those of both; who asks for none in particular gets what there is.
pub(super) fn granted(asked: &[Activity], held: &[Activity], _: &Bearer) -> Vec<Activity> {
    let wanted = |one: &&Activity| asked.is_empty() || asked.contains(one);
    held.iter().filter(wanted).copied().collect()
}

/// Whether the macaroon comes from that root key. What its caveats mean depends on the request, and is asked afterwards.
pub(super) fn genuine(macaroon: &Macaroon, root_key: &[u8]) -> bool {
    macaroon.verify(root_key, |_| true)
}

/// What lies there and below, and the directories that lead there, so that they can be made.
pub(super) fn reaches(caveat: &ObjectPath, path: &ObjectPath, asked: &Question) -> bool {
    use super::authorisation::Operation::MakeDirectory;
    path.starts_with(caveat) || (asked.operation == MakeDirectory && caveat.starts_with(path))
}

/// Whether all of the caveats that count allow it.
pub(super) fn allow(
    rules: ElementHooks<MacaroonRules>,
    meanings: &[Meaning],
    path: &ObjectPath,
    asked: &Question,
) -> bool {
    meanings.iter().all(|meaning| match meaning {
        Meaning::Activities(list) => list.iter().any(|one| rules.permits(*one, asked)),
        Meaning::Path(caveat) => rules.reaches(caveat, path, asked),
        Meaning::Before(_) | Meaning::Holds => true,
        Meaning::Past | Meaning::Unmet => false,
    })
}

/// The root key, and on whose behalf each macaroon was issued.
pub(super) struct MacaroonStore {
    key: [u8; 32],
    /// By identifier, with the time until when they may be asked for.
    issued: Mutex<BTreeMap<String, (Bearer, f64)>>,
}

impl MacaroonStore {
    pub(super) fn new() -> Result<Self, ReferenceError> {
        let mut key = [0; 32];
        rand::fill(&mut key)
            .map_err(|_| ReferenceError::Option("the system gives no randomness".into()))?;
        Ok(Self {
            key,
            issued: Mutex::default(),
        })
    }

    fn issued_to(&self, is: impl Fn(&str) -> bool) -> Option<Bearer> {
        let issued = self.issued();
        let found = issued.iter().find(|(id, _)| is(id));
        found.map(|(_, (bearer, _))| bearer.clone())
    }

    fn issued(&self) -> MutexGuard<'_, BTreeMap<String, (Bearer, f64)>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the request is the one for the metadata of the token endpoint.
pub(super) fn asks_for_metadata(parts: &Parts) -> bool {
    parts.method == axum::http::Method::GET && parts.uri.path() == METADATA
}

impl Element {
    /// The metadata of the token endpoint.
    pub(super) fn metadata(&self) -> Outcome {
        let endpoint = self
            .origins
            .first()
            .map(|origin| format!("{origin}{TOKEN_ENDPOINT}"));
        let body = json!({ "token_endpoint": endpoint });
        Outcome::Json(StatusCode::OK, body, Vec::new())
    }

    /// For whom a macaroon stands.
    pub(super) fn holder(&self, macaroon: &Macaroon, parts: &Parts) -> Verified {
        let rules = self.rules.macaroons();
        if !rules.genuine(macaroon, &self.macaroons.key) {
            return Err(Refusal::InvalidToken("it is no macaroon of this service"));
        }
        let issued = std::str::from_utf8(macaroon.identifier())
            .ok()
            .and_then(|id| self.macaroons.issued_to(|issued| rules.same(issued, id)));
        let Some(mut bearer) = issued else {
            return Err(Refusal::InvalidToken("nobody was given this macaroon"));
        };
        let around = Surroundings {
            now: unix_now(),
            peer: peer(parts),
        };
        let caveats = macaroon.caveats().iter();
        let meanings = rules.counts(caveats.map(|text| rules.means(text, &around)).collect());
        for meaning in &meanings {
            match meaning {
                Meaning::Past => return Err(Refusal::InvalidToken("it has expired")),
                Meaning::Unmet => return Err(Refusal::InvalidToken("a caveat is not met")),
                Meaning::Before(end) => {
                    bearer.expires = Some(bearer.expires.map_or(*end, |sooner| sooner.min(*end)));
                }
                Meaning::Activities(_) | Meaning::Path(_) | Meaning::Holds => {}
            }
        }
        bearer.caveats.get_or_insert_default().extend(meanings);
        Ok(bearer)
    }

    /// Answers a request for a macaroon.
    pub(super) async fn issue(&self, parts: &Parts, body: Body) -> Outcome {
        match self.asker(parts).await {
            Ok(bearer) => match self.read(&parts.headers, body).await {
                Ok(body) => self
                    .issue_to(bearer, parts, &body)
                    .unwrap_or_else(|outcome| outcome),
                Err(outcome) => outcome,
            },
            Err(outcome) => {
                self.drain(&parts.headers, body).await;
                outcome
            }
        }
    }

    /// Who asks, in a way that is understood.
    async fn asker(&self, parts: &Parts) -> Result<Bearer, Outcome> {
        let rules = self.rules.macaroons();
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok());
        if !rules.understood(kind, at_token_endpoint(parts)) {
            let text = "this is no request for a macaroon\n";
            return Err(Outcome::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        if self.rules.own().service() == Service::Open {
            return Ok(Bearer::default());
        }
        let verified = self.verified(Method::Post, parts).await;
        let bearer = rules.asker(verified)?;
        if !self
            .rules
            .own()
            .audience_accepted(&bearer, &self.origins, Method::Post)
        {
            return Err(Refusal::InvalidToken("it is meant for another service").into());
        }
        Ok(bearer)
    }

    fn issue_to(&self, bearer: Bearer, parts: &Parts, body: &[u8]) -> Result<Outcome, Outcome> {
        let rules = self.rules.macaroons();
        let bad = |text| Outcome::text(StatusCode::BAD_REQUEST, text);
        let form = at_token_endpoint(parts);
        let open = self.rules.own().service() == Service::Open;
        let wanted = match rules.wanted(body, form) {
            Some(wanted) => wanted,
            None if open => Wanted::default(),
            None => return Err(bad("the request is not understood\n")),
        };
        if !open && !wanted.caveats.iter().all(|caveat| rules.written(caveat)) {
            return Err(bad("a caveat cannot be asked for\n"));
        }
        let path = wanted.path.as_deref().unwrap_or(parts.uri.path());
        let target = self
            .locate(path, End::Target(Method::Post))
            .map_err(|Ambiguous| bad("the path is ambiguous\n"))?
            .ok_or(Refusal::InsufficientScope)?;
        let held = self.activities(&bearer, &target);
        let granted = rules.granted(&wanted.activities, &held, &bearer);
        if granted.is_empty() {
            return Err(Refusal::InsufficientScope.into());
        }
        let now = unix_now();
        let left = bearer.expires.map_or(LONGEST, |end| end - now);
        let seconds = rules.lasts(wanted.seconds, left);
        let names: Vec<&str> = granted.iter().map(|one| one.name()).collect();
        let mut caveats = vec![format!("activity:{}", names.join(","))];
        caveats.extend(wanted.caveats);
        caveats.push(format!("path:{}", rules.place(&target.path)));
        caveats.push(format!("before:{}", time(now + seconds)));
        let text = self.remember(bearer, &caveats, now, now + seconds);
        let text = text.ok_or(bad("the caveats are too long\n"))?;
        let member = if form { "access_token" } else { "macaroon" };
        let body = json!({ member: text, "expires_in": seconds as i64 });
        let headers = match rules.unstored() {
            true => vec![(header::CACHE_CONTROL, "no-store".to_owned())],
            false => Vec::new(),
        };
        Ok(Outcome::Json(StatusCode::OK, body, headers))
    }

    /// A new macaroon with these caveats, known from now on.
    fn remember(&self, bearer: Bearer, caveats: &[String], now: f64, end: f64) -> Option<String> {
        let location = self.origins.first().map_or("", String::as_str);
        let identifier = uuid::Uuid::new_v4().to_string();
        let mut macaroon = Macaroon::new(&self.macaroons.key, location, &identifier).ok()?;
        for caveat in caveats {
            macaroon.add_caveat(caveat).ok()?;
        }
        let mut issued = self.macaroons.issued();
        // Whether one has ended is for its caveats to say.
        issued.retain(|_, (_, end)| *end + KEPT > now);
        while issued.len() >= MOST {
            issued.pop_first();
        }
        issued.insert(identifier, (bearer, end));
        Some(macaroon.serialize())
    }

    /// The activities that the bearer may carry out there.
    fn activities(&self, bearer: &Bearer, target: &Target) -> Vec<Activity> {
        let directory = self.is_directory(target);
        let may = |one: &Activity| {
            let asked = Question {
                operation: one.operation(),
                method: Method::Post,
                path: &target.below,
                directory,
                made_with: None,
                part: false,
            };
            self.allows(bearer, target, &asked)
        };
        Activity::ALL.into_iter().filter(may).collect()
    }

    fn is_directory(&self, target: &Target) -> bool {
        let node = self.namespace().get(&target.path).map(Node::is_directory);
        node.unwrap_or(target.slash)
    }
}

fn at_token_endpoint(parts: &Parts) -> bool {
    parts.uri.path() == TOKEN_ENDPOINT
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    let info = parts.extensions.get::<ConnectInfo<Connection>>();
    info.map(|ConnectInfo(connection)| connection.peer.ip())
}

/// A time of RFC 3339, to the second.
fn time(seconds: f64) -> String {
    Timestamp::from_second(seconds.floor() as i64)
        .map(|time| time.to_string())
        .unwrap_or_default()
}

fn unix_now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}
