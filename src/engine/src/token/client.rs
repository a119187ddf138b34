use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::http::{self, TlsError};
use touchstone_model::redact::Redactor;
use touchstone_model::{Issuer, Trust};

/// Larger than any answer of an issuer that makes sense.
const LARGEST: usize = 256 * 1024;

/// HTTP to one issuer, or to whoever gives its tokens: no redirects, answers capped and bounded in time,
/// errors without secrets.
#[derive(Clone)]
pub struct IssuerClient {
    http: reqwest::Client,
    redactor: Redactor,
    deadline: Duration,
}

/// What came.
pub(super) struct Answer {
    pub status: u16,
    pub content_type: Option<String>,
    /// Where a redirect leads, which nobody follows.
    pub location: Option<String>,
    /// How long `Retry-After` asks to wait (RFC 9110 section 10.2.3).
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, if it is JSON of that shape.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body in words, where it is none that can be read: what it looks like.
    pub fn looks(&self) -> String {
        let kind = self.content_type.as_deref().unwrap_or("no type");
        let kind: String = kind.chars().take(80).flat_map(char::escape_debug).collect();
        format!("{} with {} bytes of {kind}", self.status, self.body.len())
    }
}

impl IssuerClient {
    /// A client that trusts what the issuer's configuration says.
    ///
    /// # Errors
    /// Whom to trust cannot be read.
    pub fn new(issuer: &Issuer, redactor: &Redactor) -> Result<Self, TlsError> {
        Self::trusting(&issuer.ca, issuer.limits.answer, redactor)
    }

    /// A client that trusts these beside the system's roots, with a deadline for each request.
    ///
    /// # Errors
    /// Whom to trust cannot be read.
    pub fn trusting(
        ca: &[Trust],
        deadline: Duration,
        redactor: &Redactor,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            http: http::plain_client(ca, deadline)?,
            redactor: redactor.clone(),
            deadline,
        })
    }

    pub(super) async fn get(&self, url: &str) -> Result<Answer, String> {
        self.send(self.http.get(url)).await
    }

    /// A GET with one secret header.
    pub(super) async fn get_with(
        &self,
        url: &Url,
        header: &str,
        secret: &SecretString,
    ) -> Result<Answer, String> {
        let value = http::secret_value("", secret)
            .ok_or_else(|| format!("what is to stand in {header} cannot stand in a header"))?;
        self.send(self.http.get(url.clone()).header(header, value))
            .await
    }

    pub(super) async fn post_json(
        &self,
        url: &Url,
        document: &serde_json::Value,
    ) -> Result<Answer, String> {
        self.send(self.http.post(url.clone()).json(document)).await
    }

    pub(super) async fn post_form(
        &self,
        url: &Url,
        form: &[(&str, String)],
        basic: Option<(&SecretString, &SecretString)>,
    ) -> Result<Answer, String> {
        let mut request = self.http.post(url.clone()).form(form);
        if let Some((id, secret)) = basic {
            // RFC 6749 section 2.3.1: both are form-encoded before they become user and password.
            let encode = |text: &SecretString| -> String {
                url::form_urlencoded::byte_serialize(text.expose_secret().as_bytes()).collect()
            };
            request = request.basic_auth(encode(id), Some(encode(secret)));
        }
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        let request = request.header("accept", "application/json");
        let work = async {
            let mut response = request
                .send()
                .await
                .map_err(|error| http::explain(&error))?;
            let header = |name: &str| {
                let value = response.headers().get(name)?;
                value.to_str().ok().map(ToOwned::to_owned)
            };
            let mut answer = Answer {
                status: response.status().as_u16(),
                content_type: header("content-type"),
                location: header("location"),
                retry_after: header("retry-after").and_then(|text| http::retry_after(&text)),
                body: Vec::new(),
            };
            while let Some(piece) = response
                .chunk()
                .await
                .map_err(|error| http::explain(&error))?
            {
                if answer.body.len() + piece.len() > LARGEST {
                    return Err(format!("its answer is larger than {LARGEST} bytes"));
                }
                answer.body.extend_from_slice(&piece);
            }
            Ok(answer)
        };
        match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => result.map_err(|reason| self.redactor.text(&reason)),
            Err(_) => Err(format!(
                "no answer within {}",
                humantime::format_duration(self.deadline)
            )),
        }
    }
}
