//! The token endpoint of an issuer (RFC 6749 section 3.2), found by its metadata (OpenID Connect Discovery
//! section 4), for every source that is an OAuth client.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use url::Url;

use crate::model::{ClientAuthentication, OAuthClient, TokenRequest};
use crate::token::client::Answer;
use crate::token::error::{Origin, Refusal};
use crate::token::{BrokerError, IssuerClient, TokenError};

use super::Context;

/// A client at the token endpoint of its issuer.
pub(super) struct TokenEndpoint {
    pub origin: Origin,
    /// The identifier, as configured.
    issuer: String,
    id: SecretString,
    proof: Proof,
    http: IssuerClient,
    metadata: OnceCell<Result<Metadata, Trouble>>,
}

/// How the client shows who it is.
enum Proof {
    Basic(SecretString),
    Body(SecretString),
    None,
}

/// What came instead of metadata, and what to do.
type Trouble = (String, &'static str);

/// What of the metadata is used, checked.
pub(super) struct Metadata {
    pub token_endpoint: Url,
}

#[derive(Deserialize)]
struct RawMetadata {
    issuer: String,
    token_endpoint: String,
}

/// A good answer of the token endpoint (RFC 6749 section 5.1).
#[derive(Deserialize)]
pub(super) struct Granted {
    pub access_token: SecretString,
    #[serde(default)]
    pub refresh_token: Option<SecretString>,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
pub(super) struct OAuthRefusal {
    pub error: String,
    #[serde(default)]
    pub error_description: Option<String>,
}

impl TokenEndpoint {
    pub fn new(context: &Context<'_>, client: &OAuthClient) -> Result<Self, BrokerError> {
        let id = context.secret(&client.id, "a client id")?;
        let secret = |secret| {
            let key = context.secret(secret, "a client secret")?;
            context.redactor.add_pair(id.expose_secret(), &key);
            Ok(key)
        };
        let proof = match &client.authentication {
            ClientAuthentication::Basic(key) => Proof::Basic(secret(key)?),
            ClientAuthentication::Body(key) => Proof::Body(secret(key)?),
            ClientAuthentication::PrivateKeyJwt { .. } | ClientAuthentication::None => Proof::None,
        };
        Ok(Self {
            origin: context.origin.clone(),
            issuer: context.issuer.url.clone(),
            id,
            proof,
            http: context.http()?,
            metadata: OnceCell::new(),
        })
    }

    /// Sends `form` with the client's authentication.
    pub async fn ask(
        &self,
        request: &TokenRequest,
        form: Vec<(&'static str, String)>,
    ) -> Result<Granted, TokenError> {
        let metadata = self.metadata(request).await?;
        let mut form = form;
        let basic = match &self.proof {
            Proof::Basic(secret) => Some((&self.id, secret)),
            Proof::Body(secret) => {
                form.push(("client_id", self.id.expose_secret().into()));
                form.push(("client_secret", secret.expose_secret().into()));
                None
            }
            Proof::None => {
                form.push(("client_id", self.id.expose_secret().into()));
                None
            }
        };
        let answer = self
            .http
            .post_form(&metadata.token_endpoint, &form, basic)
            .await
            .map_err(|reason| {
                let help = "see whether its token endpoint is up and reachable from here";
                self.origin.unavailable(request, reason, help)
            })?;
        self.understand(request, &answer)
    }

    /// Asked once: an issuer that is down is found out once, not for each token.
    async fn metadata(&self, request: &TokenRequest) -> Result<&Metadata, TokenError> {
        self.metadata
            .get_or_init(|| self.discover())
            .await
            .as_ref()
            .map_err(|(came, help)| self.origin.unavailable(request, came.clone(), help))
    }

    async fn discover(&self) -> Result<Metadata, Trouble> {
        let url = format!(
            "{}/.well-known/openid-configuration",
            self.issuer.trim_end_matches('/')
        );
        let down = "see whether the issuer is up and reachable from here";
        let other =
            "write its URL in the endpoints file character by character as tokens have it in `iss`";
        let answer = self.http.get(&url).await.map_err(|reason| (reason, down))?;
        if answer.status != 200 {
            return Err((format!("{url} answered {}", answer.status), other));
        }
        let Ok(raw) = serde_json::from_slice::<RawMetadata>(&answer.body) else {
            let came = format!("{url} answered {}, no metadata in JSON", answer.looks());
            return Err((came, other));
        };
        if raw.issuer != self.issuer {
            let came = format!(
                "it calls itself {}, not `{}`",
                self.origin.quoted(&raw.issuer),
                self.issuer
            );
            return Err((came, other));
        }
        match Url::parse(&raw.token_endpoint) {
            Ok(token_endpoint) if token_endpoint.scheme() == "https" => {
                Ok(Metadata { token_endpoint })
            }
            _ => Err((
                "its metadata name no token endpoint with https".into(),
                "credentials go nowhere else; tell whoever runs the issuer",
            )),
        }
    }

    fn understand(&self, request: &TokenRequest, answer: &Answer) -> Result<Granted, TokenError> {
        let origin = &self.origin;
        if answer.status == 200 {
            return json(answer).ok_or_else(|| {
                let came = format!(
                    "its token endpoint answered {}, no access_token in JSON",
                    answer.looks()
                );
                origin.unavailable(request, came, "see what answers at its token endpoint")
            });
        }
        if matches!(answer.status, 429 | 503) {
            let came = format!("its token endpoint answered {}", answer.status);
            let kind = Refusal::Busy(answer.retry_after);
            return Err(origin.error(
                kind,
                request,
                came,
                "try again later, or lower `limits: {rate: …}`",
            ));
        }
        match json::<OAuthRefusal>(answer) {
            Some(refusal) if (400..500).contains(&answer.status) => {
                let mut came = format!(
                    "it answered {} {}",
                    answer.status,
                    origin.quoted(&refusal.error)
                );
                if let Some(description) = &refusal.error_description {
                    came.push_str(&format!(" ({})", origin.quoted(description)));
                }
                Err(match refusal.error.as_str() {
                    "invalid_client" | "unauthorized_client" => origin.unavailable(
                        request,
                        came,
                        "check client id, secret or key, `authentication`, and that the client may use this grant",
                    ),
                    "invalid_grant" => origin.unavailable(
                        request,
                        came,
                        "what the token was to be made from has expired or was revoked; get a new one",
                    ),
                    _ => origin.refused(
                        request,
                        came,
                        "ask whoever runs the issuer for these rights, or leave such cases out",
                    ),
                })
            }
            _ => {
                let came = format!("its token endpoint answered {}", answer.looks());
                Err(origin.unavailable(request, came, "see what answers at its token endpoint"))
            }
        }
    }

    /// A shell line that does the same as [`Self::ask`].
    pub fn how(&self, form: &[(&'static str, String)]) -> String {
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| format!("--data-urlencode '{name}={value}'"))
            .collect();
        let endpoint = match self.metadata.get() {
            Some(Ok(metadata)) => metadata.token_endpoint.as_str(),
            _ => "TOKEN-ENDPOINT",
        };
        format!(
            "TOKEN=$(curl -s -u \"$CLIENT_ID:$CLIENT_SECRET\" {} {endpoint} | jq -r .access_token)",
            form.join(" ")
        )
    }
}

/// What a grant asks for beside itself.
pub(super) fn wishes(request: &TokenRequest) -> [(&'static str, String); 2] {
    [
        ("scope", super::scopes(request).join(" ")),
        ("audience", request.audience.each().join(" ")),
    ]
}

fn json<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_slice(&answer.body).ok()
}
