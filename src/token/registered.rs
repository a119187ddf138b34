//! A registered client that shows who it is, for whoever sends its own requests.

use secrecy::{ExposeSecret, SecretString};

use crate::model::{ClientAuthentication, OAuthClient};
use crate::redact::Redactor;

use super::key::SigningKey;
use super::load;
use super::source::assertion;

/// A client whose secrets are read.
pub struct Registered {
    /// Its id.
    pub id: SecretString,
    proof: Proof,
}

enum Proof {
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
    /// Reads the secrets; `redactor` learns them.
    ///
    /// # Errors
    /// Which of them cannot be read or used.
    pub fn load(client: &OAuthClient, redactor: &Redactor) -> Result<Self, String> {
        let read = |secret, what| load(secret, what).map_err(|error| error.to_string());
        let id = read(&client.id, "a client id")?;
        let secret = |secret| {
            let key = read(secret, "a client secret")?;
            redactor.add_pair(id.expose_secret(), &key);
            Ok::<_, String>(key)
        };
        let proof = match &client.authentication {
            ClientAuthentication::Basic(key) => Proof::Basic(secret(key)?),
            ClientAuthentication::Body(key) => Proof::Body(secret(key)?),
            ClientAuthentication::PrivateKeyJwt { key, kid } => {
                let pem = read(key, "the client's private key in PEM")?;
                redactor.add(&pem);
                Proof::Key(Box::new(SigningKey::new(&pem, kid.clone())?))
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
