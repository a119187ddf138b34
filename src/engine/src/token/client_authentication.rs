//! A registered client that shows who it is.

use secrecy::{ExposeSecret, SecretString};

use touchstone_model::redact::Redactor;
use touchstone_model::{ClientAuthentication, OAuthClient};

use super::key::SigningKey;
use super::source::assertion;
use super::{BrokerError, SecretError, load};

/// A client whose secrets are read.
pub struct RegisteredClient {
    /// Its id.
    pub id: SecretString,
    pub(super) method: AuthenticationMethod,
}

/// With what it shows that.
pub(super) enum AuthenticationMethod {
    Basic(SecretString),
    Body(SecretString),
    Key(Box<SigningKey>),
    None,
}

/// What goes along with a request (RFC 6749 section 2.3, RFC 7523 section 2.2).
pub enum RequestAuthentication {
    /// The secret in the `Authorization` header.
    Basic(SecretString),
    /// The secret in the form.
    Body(SecretString),
    /// An assertion in the form.
    Assertion(SecretString),
    /// Nothing but the id.
    Nothing,
}

impl RegisteredClient {
    /// Reads the secrets of a client of `issuer`; `redactor` learns them.
    ///
    /// # Errors
    /// Which of them cannot be read or used.
    pub fn load(
        client: &OAuthClient,
        issuer: &str,
        redactor: &Redactor,
    ) -> Result<Self, BrokerError> {
        let wrong = |error| BrokerError::Secret(issuer.to_owned(), error);
        let read = |secret, what| load(secret, what).map_err(wrong);
        let id = read(&client.id, "a client id")?;
        let secret = |secret| {
            let key = read(secret, "a client secret")?;
            redactor.add_pair(id.expose_secret(), &key);
            Ok::<_, BrokerError>(key)
        };
        let proof = match &client.authentication {
            ClientAuthentication::Basic(key) => AuthenticationMethod::Basic(secret(key)?),
            ClientAuthentication::Body(key) => AuthenticationMethod::Body(secret(key)?),
            ClientAuthentication::PrivateKeyJwt { key: place, kid } => {
                let what = "the client's private key in PEM";
                let pem = read(place, what)?;
                redactor.add(&pem);
                let key = SigningKey::new(&pem, kid.clone()).map_err(|problem| {
                    let place = place.to_string();
                    wrong(SecretError::Content {
                        place,
                        what,
                        problem,
                    })
                })?;
                AuthenticationMethod::Key(Box::new(key))
            }
            ClientAuthentication::None => AuthenticationMethod::None,
        };
        Ok(Self { id, method: proof })
    }

    /// What goes along with a request to `endpoint`.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn authenticate(
        &self,
        endpoint: &str,
        redactor: &Redactor,
    ) -> Result<RequestAuthentication, String> {
        Ok(match &self.method {
            AuthenticationMethod::Basic(secret) => RequestAuthentication::Basic(secret.clone()),
            AuthenticationMethod::Body(secret) => RequestAuthentication::Body(secret.clone()),
            AuthenticationMethod::Key(key) => {
                let made = assertion(key, self.id.expose_secret(), endpoint)?;
                redactor.add(&made);
                RequestAuthentication::Assertion(made)
            }
            AuthenticationMethod::None => RequestAuthentication::Nothing,
        })
    }

    /// The secret, where it has one.
    pub fn secret(&self) -> Option<&SecretString> {
        match &self.method {
            AuthenticationMethod::Basic(secret) | AuthenticationMethod::Body(secret) => {
                Some(secret)
            }
            AuthenticationMethod::Key(_) | AuthenticationMethod::None => None,
        }
    }
}
