//! Where tokens come from, and what can be asked for there.

use std::path::PathBuf;

use super::SecretRef;

/// One way to obtain tokens of an issuer; an issuer may have several, for instance to read and write, to
/// read only, and as member of a group.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name below `accounts`, or the kind of its source.
    pub name: String,
    /// How tokens are obtained.
    pub source: TokenSource,
    /// The scopes that it may ask for, or those below them; `None` for whatever it likes.
    pub scopes: Option<Vec<String>>,
    /// The groups that it may ask for; `None` for whatever it likes.
    pub groups: Option<Vec<String>>,
}

impl Account {
    /// The only account of an issuer.
    pub fn only(source: TokenSource) -> Self {
        Self {
            name: source.kind().to_owned(),
            source,
            scopes: None,
            groups: None,
        }
    }
}

/// Where ordinary tokens come from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// OAuth client credentials (RFC 6749 section 4.4).
    ClientCredentials(OAuthClient),
    /// A refresh token (RFC 6749 section 6) in a file, which is written anew when the issuer rotates it.
    RefreshToken {
        /// Whose refresh token it is.
        client: OAuthClient,
        /// Where it is kept.
        file: PathBuf,
    },
    /// Token exchange (RFC 8693): a token is turned into others.
    TokenExchange {
        /// Who exchanges.
        client: OAuthClient,
        /// The access token that is exchanged.
        subject: SecretRef,
    },
    /// oidc-agent over its socket.
    OidcAgent {
        /// The account's short name there; without one the agent chooses by the issuer's URL.
        account: Option<String>,
        /// The socket; without one that of OIDC_SOCK, or the agent's usual place.
        socket: Option<PathBuf>,
    },
    /// WLCG Bearer Token Discovery: BEARER_TOKEN and the places after it.
    BearerDiscovery,
    /// A mytoken server.
    Mytoken {
        /// Its https URL.
        server: String,
        /// The mytoken, as JWT or short token.
        mytoken: MytokenRef,
    },
    /// Vault with the plugins of htvault-config, as htgettoken uses it.
    Vault {
        /// Its https URL.
        server: String,
        /// The issuer's name in Vault.
        issuer: String,
        /// The role there.
        role: String,
        /// The name under which the refresh token is kept; without one the file of htgettoken tells.
        credkey: Option<String>,
        /// The Vault token; without one where htgettoken leaves it.
        token: Option<PathBuf>,
    },
    /// A program that prints a token. `{scopes}`, `{audience}`, `{issuer}` in its words stand for what is asked.
    Command {
        /// The program and its arguments; no shell reads them.
        words: Vec<String>,
        /// The environment variables that it gets beside those that any program needs.
        environment: Vec<String>,
    },
    /// A token that somebody else obtained. A file is read again when its token has expired.
    Given {
        /// Where it is.
        token: SecretRef,
    },
}

/// Where a mytoken is.
#[derive(Clone, Debug)]
pub enum MytokenRef {
    /// In an environment variable: it cannot be replaced when the server rotates it.
    Env(String),
    /// In a file, which is written anew when the server rotates it.
    File(PathBuf),
}

/// A registered client of an issuer.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    /// Client id.
    pub id: SecretRef,
    /// How it shows that it is that client.
    pub authentication: ClientAuthentication,
}

/// How a client authenticates (RFC 6749 section 2.3, RFC 7523 section 2.2).
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// Its secret in the `Authorization` header.
    Basic(SecretRef),
    /// Its secret in the form.
    Body(SecretRef),
    /// A JWT signed with its private key.
    PrivateKeyJwt {
        /// PEM, PKCS#8; EC P-256 signs ES256, RSA signs RS256.
        key: SecretRef,
        /// The `kid` that the issuer knows; by default the RFC 7638 thumbprint.
        kid: Option<String>,
    },
    /// Not at all: a public client.
    None,
}

impl TokenSource {
    /// Its name as the endpoints file has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ClientCredentials(_) => "client-credentials",
            Self::RefreshToken { .. } => "refresh-token",
            Self::TokenExchange { .. } => "token-exchange",
            Self::OidcAgent { .. } => "oidc-agent",
            Self::BearerDiscovery => "bearer-token-discovery",
            Self::Mytoken { .. } => "mytoken",
            Self::Vault { .. } => "vault",
            Self::Command { .. } => "command",
            Self::Given {
                token: SecretRef::File(_),
            } => "token-file",
            Self::Given { .. } => "token-env",
        }
    }

    /// What can be asked for. Groups are asked for by scopes everywhere.
    pub fn expresses(&self) -> Expresses {
        match self {
            Self::ClientCredentials(_)
            | Self::RefreshToken { .. }
            | Self::TokenExchange { .. }
            | Self::OidcAgent { .. }
            | Self::Mytoken { .. }
            | Self::Vault { .. } => Expresses {
                scopes: true,
                audience: true,
            },
            Self::Command { words, .. } => {
                let says = |placeholder| words.iter().any(|word| word.contains(placeholder));
                Expresses {
                    scopes: says("{scopes}"),
                    audience: says("{audience}"),
                }
            }
            Self::BearerDiscovery | Self::Given { .. } => Expresses {
                scopes: false,
                audience: false,
            },
        }
    }

    /// Whether each token costs somebody on the network a request.
    pub fn remote(&self) -> bool {
        !matches!(self, Self::BearerDiscovery | Self::Given { .. })
    }
}

/// What can be asked for at a token source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expresses {
    /// Scopes of our choice, groups among them.
    pub scopes: bool,
    /// An audience of our choice.
    pub audience: bool,
}
