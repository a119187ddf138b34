//! The device flow, with a page on which the test user agrees (RFC 8628).

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::Answer;
use super::client::Client;
use super::error::OAuthError;
use super::form::Form;
use super::mint::Login;
use super::store::{Decision, Device};
use super::{IssuerServer, place};

pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Letters that nobody confuses and that make no words (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How patient it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How long a code is good.
    pub(super) lifetime: Duration,
    /// How often a client may ask.
    pub(super) interval: Duration,
}

impl IssuerServer {
    /// The device authorization endpoint (RFC 8628 section 3.1).
    pub(super) fn begun(&self, client: &Client, form: &Form) -> Result<Value, OAuthError> {
        let granted = self.for_user(form)?;
        let code = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        let user_code = user_code();
        let device = Device {
            user_code: user_code.clone(),
            client: client.id.clone(),
            granted,
            nonce: form.get("nonce").map(str::to_owned),
            end: Instant::now() + self.patience.lifetime,
            polled: None,
            decision: Decision::Open,
        };
        self.store.lock().devices.insert(code.clone(), device);
        let page = self.at(place::VERIFICATION);
        Ok(json!({
            "device_code": code,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?user_code={user_code}"),
            "expires_in": self.patience.lifetime.as_secs(),
            "interval": self.patience.interval.as_secs(),
        }))
    }

    /// The token endpoint (RFC 8628 section 3.4).
    pub(super) fn polled(&self, client: &Client, form: &Form) -> Result<Value, OAuthError> {
        let code = form.need("device_code", "device_code is missing")?;
        let (granted, login) = {
            let mut state = self.store.lock();
            let device = state
                .devices
                .get_mut(code)
                .filter(|device| device.client == client.id)
                .ok_or(OAuthError::invalid_grant("no such device code"))?;
            let now = Instant::now();
            if device.end <= now {
                return Err(OAuthError::new("expired_token", "the code has expired"));
            }
            let before = device.polled.replace(now);
            let at = match device.decision {
                Decision::Approved(at) => at,
                Decision::Denied => return Err(OAuthError::access_denied("the user said no")),
                Decision::Open => {
                    let soon = before.is_some_and(|at| now - at < self.patience.interval);
                    return Err(match soon {
                        true => OAuthError::new("slow_down", "asked too often"),
                        false => OAuthError::new("authorization_pending", "the user is awaited"),
                    });
                }
            };
            let nonce = device.nonce.clone();
            let granted = device.granted.clone();
            state.devices.remove(code);
            (granted, Login { at, nonce })
        };
        self.logged_in(&client.id, &granted, login)
    }

    /// Notes what the user says; `false` if no device waits with that code.
    pub(super) fn decided(&self, user_code: &str, approved: bool) -> bool {
        let mut state = self.store.lock();
        let Some(device) = state.device_of(user_code) else {
            return false;
        };
        device.decision = match approved {
            true => Decision::Approved(Timestamp::now().as_second()),
            false => Decision::Denied,
        };
        true
    }

    /// The page on which the test user agrees. Everybody who can reach it is the test user.
    pub(super) fn verification(&self, query: &str) -> Answer {
        let typed = url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "user_code")
            .map(|(_, code)| code.into_owned())
            .unwrap_or_default();
        page(
            StatusCode::OK,
            &format!(
                "<p>A device asks for access as the test user {}.</p>\
                <form method=\"post\" action=\"{}\">\
                <label>Code <input name=\"user_code\" value=\"{}\" autocomplete=\"off\"></label> \
                <button name=\"decision\" value=\"approve\">Approve</button> \
                <button name=\"decision\" value=\"deny\">Deny</button></form>",
                escaped(&self.user.subject),
                escaped(&self.at(place::VERIFICATION)),
                escaped(&typed)
            ),
        )
    }

    /// What the form of that page sends.
    pub(super) fn verified(&self, form: &Form) -> Answer {
        let approved = form.get("decision") != Some("deny");
        let known = form
            .get("user_code")
            .is_some_and(|code| self.decided(code, approved));
        match (known, approved) {
            (false, _) => page(
                StatusCode::BAD_REQUEST,
                "<p>No device waits with that code.</p>",
            ),
            (true, true) => page(StatusCode::OK, "<p>The device has access now.</p>"),
            (true, false) => page(StatusCode::OK, "<p>The device gets no access.</p>"),
        }
    }
}

fn page(status: StatusCode, content: &str) -> Answer {
    Answer::page(
        status,
        format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
            <title>Device login</title></head><body><h1>Device login</h1>{content}</body></html>"
        ),
    )
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn user_code() -> String {
    let random = uuid::Uuid::new_v4();
    // The bytes between are fixed in part.
    let bytes = random.as_bytes();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    let part = |bytes: &[u8]| bytes.iter().map(letter).collect::<String>();
    format!("{}-{}", part(&bytes[..4]), part(&bytes[12..]))
}
