//! A registered client that shows who it is.

use secrecy::{ExposeSecret, SecretString};

use crate::model::{ClientAuthentication, OAuthClient};
use crate::redact::Redactor;

use super::key::SigningKey;
use super::source::assertion;
use super::{BrokerError, SecretError, load};

/// A client whose secrets are read.
pub struct Registered {
    /// Its id.
    pub id: SecretString,
    pub(super) proof: Proof,
}

/// With what it shows that.
pub(super) enum Proof {
    Basic(SecretString),
    Body(SecretString),
    Key(Box<SigningKey>),
    None,
}

/// What goes along with a request (RFC 6749 section 2.3, RFC 7523 section 2.2).
pub enum Shows {
    /// The secret in the `Authorization` header.
    Basic(SecretString),
    /// The secret in the form.
    Body(SecretString),
    /// An assertion in the form.
    Assertion(SecretString),
    /// Nothing but the id.
    Nothing,
}

impl Registered {
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
            ClientAuthentication::Basic(key) => Proof::Basic(secret(key)?),
            ClientAuthentication::Body(key) => Proof::Body(secret(key)?),
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
                Proof::Key(Box::new(key))
            }
            ClientAuthentication::None => Proof::None,
        };
        Ok(Self { id, proof })
    }

    /// What goes along with a request to `endpoint`.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn shows(&self, endpoint: &str, redactor: &Redactor) -> Result<Shows, String> {
        Ok(match &self.proof {
            Proof::Basic(secret) => Shows::Basic(secret.clone()),
            Proof::Body(secret) => Shows::Body(secret.clone()),
            Proof::Key(key) => {
                let made = assertion(key, self.id.expose_secret(), endpoint)?;
                redactor.add(&made);
                Shows::Assertion(made)
            }
            Proof::None => Shows::Nothing,
        })
    }

    /// The secret, where it has one.
    pub fn secret(&self) -> Option<&SecretString> {
        match &self.proof {
            Proof::Basic(secret) | Proof::Body(secret) => Some(secret),
            Proof::Key(_) | Proof::None => None,
        }
    }
}
