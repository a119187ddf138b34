//! Client credentials (RFC 6749 section 4.4), with the endpoint from the issuer's metadata
//! (OpenID Connect Discovery section 4).

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use crate::model::{ClientAuthentication, TokenRequest};

use super::{IssuerClient, Source, TokenError};

/// A registered client of one issuer.
pub(super) struct ClientCredentials {
    pub name: String,
    /// The identifier, as configured.
    pub issuer: String,
    pub id: SecretString,
    pub secret: SecretString,
    pub authentication: ClientAuthentication,
    pub http: IssuerClient,
    pub token_endpoint: OnceCell<Result<Url, TokenError>>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

impl ClientCredentials {
    /// Asked once: an issuer that is down is found out once, not for each token.
    async fn token_endpoint(&self) -> Result<&Url, TokenError> {
        self.token_endpoint
            .get_or_init(|| self.discover())
            .await
            .as_ref()
            .map_err(Clone::clone)
    }

    async fn discover(&self) -> Result<Url, TokenError> {
        let url = format!(
            "{}/.well-known/openid-configuration",
            self.issuer.trim_end_matches('/')
        );
        let (status, body) = self
            .http
            .get(&url)
            .await
            .map_err(|reason| self.unavailable(reason))?;
        if status != 200 {
            return Err(self.unavailable(format!("{url} answered {status}")));
        }
        let metadata: Metadata = serde_json::from_slice(&body).map_err(|_| {
            self.unavailable(format!(
                "{url} did not answer with metadata in JSON; is this the issuer's URL?"
            ))
        })?;
        if metadata.issuer != self.issuer {
            return Err(self.unavailable(format!(
                "it calls itself `{}`, and the configuration calls it `{}`; the two have to agree character by character",
                metadata.issuer,
                self.issuer
            )));
        }
        match Url::parse(&metadata.token_endpoint) {
            Ok(endpoint) if endpoint.scheme() == "https" => Ok(endpoint),
            _ => Err(self.unavailable(
                "its metadata name no token endpoint with https, and credentials go nowhere else"
                    .into(),
            )),
        }
    }

    fn form(&self, request: &TokenRequest) -> Vec<(&'static str, String)> {
        let groups = request
            .groups
            .iter()
            .map(|group| format!("wlcg.groups:{group}"));
        let scopes: Vec<_> = request.scopes.iter().cloned().chain(groups).collect();
        vec![
            ("grant_type", "client_credentials".into()),
            ("scope", scopes.join(" ")),
            ("audience", request.audience.each().join(" ")),
        ]
    }

    fn unavailable(&self, reason: String) -> TokenError {
        TokenError::Unavailable {
            issuer: self.name.clone(),
            reason,
        }
    }
}

#[async_trait]
impl Source for ClientCredentials {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let endpoint = self.token_endpoint().await?;
        let mut form = self.form(request);
        let basic = match self.authentication {
            ClientAuthentication::Basic => Some((&self.id, &self.secret)),
            ClientAuthentication::Body => {
                form.push(("client_id", self.id.expose_secret().into()));
                form.push(("client_secret", self.secret.expose_secret().into()));
                None
            }
        };
        let (status, body) = self
            .http
            .post_form(endpoint, &form, basic)
            .await
            .map_err(|reason| self.unavailable(reason))?;
        if status == 200 {
            return serde_json::from_slice::<Granted>(&body)
                .map(|granted| granted.access_token)
                .map_err(|_| {
                    self.unavailable(
                        "its token endpoint answered 200 without an access_token in JSON".into(),
                    )
                });
        }
        let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
        match refusal {
            Some(refusal) if refusal.error == "invalid_client" => Err(self.unavailable(
                "it does not know this client (invalid_client); check client id, secret and authentication".into(),
            )),
            Some(refusal) if (400..500).contains(&status) => Err(TokenError::Refused {
                issuer: self.name.clone(),
                asked: request.to_string(),
                reason: match refusal.error_description {
                    Some(description) => format!("{} ({description})", refusal.error),
                    None => refusal.error,
                },
            }),
            _ => Err(self.unavailable(format!("its token endpoint answered {status}"))),
        }
    }

    fn how(&self, request: &TokenRequest) -> String {
        let form: Vec<_> = self
            .form(request)
            .into_iter()
            .map(|(name, value)| format!("--data-urlencode '{name}={value}'"))
            .collect();
        let endpoint = match self.token_endpoint.get() {
            Some(Ok(endpoint)) => endpoint.as_str(),
            _ => "TOKEN-ENDPOINT",
        };
        format!(
            "TOKEN=$(curl -s -u \"$CLIENT_ID:$CLIENT_SECRET\" {} {endpoint} | jq -r .access_token)",
            form.join(" ")
        )
    }
}
