use secrecy::SecretString;

use super::TokenRef;

/// A bearer token together with what may be shown of it.
#[derive(Clone, Debug)]
pub struct BearerToken {
    /// The token itself.
    pub secret: SecretString,
    /// Its description.
    pub shown: TokenRef,
}
