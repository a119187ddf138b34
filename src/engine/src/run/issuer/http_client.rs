//! Requests to one issuer: gentle, capped, bounded in time, and recorded without what is secret.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tracing::Instrument as _;

use crate::http;
use crate::token::RateLimiter;
use crate::trace::span;
use touchstone_model::redact::Redactor;
use touchstone_model::{Answer, Exchange, Issuer, Method, Purpose, excerpt, millis};

/// Larger than any answer of an issuer that makes sense.
const LARGEST: usize = 256 * 1024;
/// Characters of a body that are kept.
const EXCERPT: usize = 1024;
/// Characters of a header that are kept.
const HEADER: usize = 512;
/// Headers that are kept.
const HEADERS: usize = 40;
/// How often one that is busy is asked again.
const AGAIN: u32 = 3;
/// Members of replies that nobody may see.
const SECRET: [&str; 5] = [
    "access_token",
    "refresh_token",
    "id_token",
    "device_code",
    "client_secret",
];

/// The way to an issuer.
pub(super) struct IssuerHttpClient {
    http: reqwest::Client,
    limiter: Arc<RateLimiter>,
    redactor: Redactor,
    answer: Duration,
    patience: Duration,
    agent: String,
}

/// One field of a form.
pub(super) struct Field {
    pub name: &'static str,
    pub value: SecretString,
    /// What reports have in its place, where it is secret: the name of a shell variable.
    pub shown: Option<&'static str>,
}

impl Field {
    pub fn plain(name: &'static str, value: &str) -> Self {
        Self {
            name,
            value: SecretString::from(value),
            shown: None,
        }
    }

    pub fn secret(name: &'static str, value: &SecretString, shown: &'static str) -> Self {
        Self {
            name,
            value: value.clone(),
            shown: Some(shown),
        }
    }
}

/// What stands in `Authorization`.
pub(super) enum Authorization {
    None,
    /// Id and secret, and what reports have in their place.
    Basic(SecretString, SecretString, &'static str),
    /// A token, and the shell variable that reports have in its place.
    Bearer(SecretString, &'static str),
}

/// One request.
pub(super) struct Outgoing<'a> {
    pub purpose: Purpose,
    pub method: Method,
    pub url: &'a str,
    pub query: Vec<Field>,
    pub form: Vec<Field>,
    pub authorization: Authorization,
    /// The case.
    pub case: &'a str,
    pub deadline: Instant,
}

/// How it ended.
pub(super) struct Outcome {
    pub answer: Result<Answer, String>,
    pub exchange: Exchange,
    pub at: Timestamp,
}

impl IssuerHttpClient {
    pub fn new(
        issuer: &Issuer,
        limiter: Arc<RateLimiter>,
        redactor: &Redactor,
        run: &str,
    ) -> Result<Self, String> {
        let connect = issuer.limits.answer;
        let http = http::plain_client(&issuer.ca, connect).map_err(|error| error.to_string())?;
        Ok(Self {
            http,
            limiter,
            redactor: redactor.clone(),
            answer: issuer.limits.answer,
            patience: issuer.limits.patience,
            agent: format!("touchstone/{} (run {run}", env!("CARGO_PKG_VERSION")),
        })
    }

    /// Sends it; an issuer that asks to come again later is asked again, a few times.
    pub async fn send(&self, outgoing: &Outgoing<'_>) -> Outcome {
        let begun = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut outcome = self.once(outgoing).await;
            outcome.exchange.attempts = attempts;
            let pause = match &outcome.answer {
                Ok(answer) if matches!(answer.status, 429 | 503) => {
                    let told = answer.header("retry-after").and_then(http::retry_after);
                    told.unwrap_or(Duration::from_secs(1))
                }
                _ => return outcome,
            };
            let patience = self.patience.saturating_sub(begun.elapsed());
            let left = outgoing.deadline.saturating_duration_since(Instant::now());
            if attempts > AGAIN || pause > patience || pause > left {
                return outcome;
            }
            self.limiter.pause(pause);
        }
    }

    async fn once(&self, outgoing: &Outgoing<'_>) -> Outcome {
        let turn = tokio::time::timeout_at(outgoing.deadline.into(), self.limiter.acquire());
        let passed = turn
            .instrument(span!("queue", name = "for a request's turn"))
            .await;
        let begun = Instant::now();
        let mut exchange = self.record(outgoing);
        let left = outgoing.deadline.saturating_duration_since(begun);
        let limit = self.answer.min(left);
        let result = match passed {
            Err(_) => Err("the case took too long".to_owned()),
            Ok(()) => match tokio::time::timeout(limit, self.exchange(outgoing))
                .instrument(span!(
                    "request",
                    name = http::named(outgoing.method, outgoing.url)
                ))
                .await
            {
                Ok(result) => result,
                Err(_) => Err(format!(
                    "no whole answer within {}",
                    humantime::format_duration(limit)
                )),
            },
        };
        let answer = result.map_err(|reason| self.redactor.text(&reason));
        exchange.duration_ms = millis(begun.elapsed());
        match &answer {
            Ok(answer) => self.fill(&mut exchange, answer),
            Err(reason) => exchange.error = Some(reason.clone()),
        }
        tracing::debug!(
            case = outgoing.case,
            method = %exchange.method,
            url = exchange.url,
            status = exchange.status,
            error = exchange.error,
            "issuer exchange"
        );
        Outcome {
            answer,
            exchange,
            at: Timestamp::now(),
        }
    }

    async fn exchange(&self, outgoing: &Outgoing<'_>) -> Result<Answer, String> {
        let url = match encoded(&outgoing.query, |field| field.value.expose_secret().into()) {
            empty if empty.is_empty() => outgoing.url.to_owned(),
            query => joined(outgoing.url, &query),
        };
        let mut request = match outgoing.method {
            Method::Post => self.http.post(url),
            _ => self.http.get(url),
        };
        request = request.header("accept", "application/json").header(
            "user-agent",
            format!("{}; case {})", self.agent, outgoing.case),
        );
        if outgoing.method == Method::Post {
            let form = encoded(&outgoing.form, |field| field.value.expose_secret().into());
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form);
        }
        let value = match &outgoing.authorization {
            Authorization::None => None,
            Authorization::Basic(id, secret, _) => {
                use base64::Engine;
                // RFC 6749 section 2.3.1: both are form-encoded before they become user and password.
                let encode = |text: &SecretString| -> String {
                    url::form_urlencoded::byte_serialize(text.expose_secret().as_bytes()).collect()
                };
                let pair = format!("{}:{}", encode(id), encode(secret));
                let pair = base64::engine::general_purpose::STANDARD.encode(pair);
                Some(format!("Basic {pair}"))
            }
            Authorization::Bearer(token, _) => Some(format!("Bearer {}", token.expose_secret())),
        };
        if let Some(value) = value {
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| "a credential cannot stand in a header".to_owned())?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut response = request
            .send()
            .await
            .map_err(|error| http::explain(&error))?;
        let mut answer = Answer {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.as_str().to_owned(), value)
                })
                .collect(),
            ..Answer::default()
        };
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| http::explain(&error))?
        {
            let room = LARGEST.saturating_sub(answer.body.len());
            answer
                .body
                .extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() > room {
                answer.truncated = true;
                break;
            }
        }
        Ok(answer)
    }

    /// What was sent, with shell variables in the places of what is secret.
    fn record(&self, outgoing: &Outgoing<'_>) -> Exchange {
        let shown = |field: &Field| match field.shown {
            Some(variable) => variable.to_owned(),
            None => field.value.expose_secret().to_owned(),
        };
        let form = encoded(&outgoing.form, shown);
        let query = encoded(&outgoing.query, shown);
        let url = match query.as_str() {
            "" => outgoing.url.to_owned(),
            query => joined(outgoing.url, query),
        };
        let mut request_headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if outgoing.method == Method::Post {
            let kind = "application/x-www-form-urlencoded";
            request_headers.push(("content-type".into(), kind.into()));
        }
        let presented = match &outgoing.authorization {
            Authorization::None => Vec::new(),
            Authorization::Basic(_, _, pair) => vec![format!("Authorization: Basic {pair}")],
            Authorization::Bearer(_, variable) => vec![format!("Authorization: Bearer {variable}")],
        };
        let credentials = !presented.is_empty() || form.contains('$') || query.contains('$');
        Exchange {
            purpose: outgoing.purpose,
            method: outgoing.method.into(),
            url: self.redactor.text(&url),
            request_headers,
            request_body: (outgoing.method == Method::Post).then(|| self.redactor.text(&form)),
            token: None,
            other: None,
            presented: credentials.then_some(presented),
            status: None,
            response_headers: Vec::new(),
            response_body: String::new(),
            response_bytes: 0,
            hops: Vec::new(),
            error: None,
            attempts: 1,
            started: Timestamp::now(),
            duration_ms: 0,
        }
    }

    /// What came, once what is secret in it is known.
    fn fill(&self, exchange: &mut Exchange, answer: &Answer) {
        exchange.status = Some(answer.status);
        exchange.response_bytes = answer.body.len() as u64;
        let body = self.body(answer);
        let first = answer.headers.get(..HEADERS).unwrap_or(&answer.headers);
        let redacted = self.redactor.headers(first).into_iter();
        exchange.response_headers = redacted
            .map(|(name, value)| (excerpt(&name, HEADER), excerpt(&value, HEADER)))
            .collect();
        exchange.response_body = excerpt(&self.redactor.text(&body), EXCERPT);
    }

    fn body(&self, answer: &Answer) -> String {
        match serde_json::from_slice::<Value>(&answer.body) {
            Ok(mut document) if !answer.truncated => {
                if let Some(members) = document.as_object_mut() {
                    for name in SECRET {
                        if let Some(value) = members.get_mut(name) {
                            if let Some(text) = value.as_str() {
                                self.redactor.add(&SecretString::from(text));
                            }
                            *value = Value::String(touchstone_model::redact::REDACTED.into());
                        }
                    }
                }
                document.to_string()
            }
            _ => {
                let text =
                    String::from_utf8_lossy(&answer.body[..answer.body.len().min(16 * EXCERPT)]);
                // Nobody knows where the tokens end in it.
                if SECRET.iter().any(|name| text.contains(name)) {
                    return format!("({} bytes that are no JSON)", answer.body.len());
                }
                text.into_owned()
            }
        }
    }
}

fn joined(url: &str, query: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}

/// Form-encoded; what stands for secrets is left as it is.
fn encoded(fields: &[Field], value: impl Fn(&Field) -> String) -> String {
    let encode =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pairs: Vec<String> = fields
        .iter()
        .map(|field| {
            let value = value(field);
            let value = match field.shown {
                Some(shown) if shown == value => value,
                _ => encode(&value),
            };
            format!("{}={value}", encode(field.name))
        })
        .collect();
    pairs.join("&")
}
