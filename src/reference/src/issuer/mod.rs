//! The embedded issuer: metadata, keys, and tokens for clients and for a test user (profile sections
//! 2 to 4).

mod answer;
mod cleartext;
mod client;
mod device;
mod error;
mod form;
mod grant;
mod handlers;
mod key;
mod metadata;
mod mint;
mod place;
mod rules;
mod scope;
mod service;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use secrecy::SecretString;

use self::client::{Client, ClientKey};
use self::device::Patience;
use self::form::Form;
use self::handlers::{IssuerServer, User};
use self::key::Keys;
use self::mint::{Holder, Login};
use self::store::Store;
use super::probe::{Probe, Ruled, Sensitivity, Version};
use super::server::{self, Port, Server};
use super::{Authority, Fault, ReferenceError, faults};

pub(super) use self::answer::{Answer, Content};
pub(super) use self::client::Proven;
pub(super) use self::error::OAuthError;
pub(super) use self::key::Genuine;
pub(super) use self::mint::{Telling, sign};
pub(super) use self::rules::{IssuerRules, Occasion, Place};
pub(super) use self::scope::{
    Granted, Membership, capability, capability_set, covers, groups, known,
};

/// What every test user may agree to, beside the groups.
const CONSENT: &str = "openid offline_access wlcg wlcg.groups storage.read:/ storage.create:/ storage.modify:/ storage.stage:/ storage.poll:/ compute.read compute.modify compute.create compute.cancel";

/// How an issuer is to be.
#[derive(Clone, Debug)]
pub struct IssuerOptions {
    /// Port on 127.0.0.1; 0 is any free one.
    pub port: u16,
    /// Port by which clients know it, where a relay stands in front of it; 0 is its own.
    pub public_port: u16,
    /// Path of its identifier, `/…` without a trailing slash; empty for none.
    pub path: String,
    /// The client that is entitled to everything.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// Its public key for ES256 or RS256, PEM, if it may authenticate by `private_key_jwt`.
    pub client_key_pem: Option<String>,
    /// A second client, without groups.
    pub narrow_client_id: String,
    /// Its secret.
    pub narrow_client_secret: SecretString,
    /// The scopes to which it is entitled, with whatever is below their paths.
    pub narrow_scopes: Vec<String>,
    /// `sub` of the test user.
    pub user: String,
    /// The scopes to which the test user is entitled, as above; everything if there are none.
    pub user_scopes: Option<Vec<String>>,
    /// Groups of the test user and of the first client that come with every request for groups.
    pub default_groups: Vec<String>,
    /// Groups of them that come only when they are asked for by name.
    pub optional_groups: Vec<String>,
    /// The capabilities of groups, for `wlcg.capabilityset:<group>` (profile 3.3).
    pub capability_sets: BTreeMap<String, Vec<String>>,
    /// How long the user has to approve a device.
    pub device_lifetime: Duration,
    /// How often a device may ask; whole seconds.
    pub device_interval: Duration,
    /// Whether RS256 signs its tokens and is the algorithm of its test key, where ES256 does otherwise.
    pub rs256: bool,
    /// How it misbehaves; several add up.
    pub faults: Vec<&'static Fault>,
    /// Where to take down which faults would have answered otherwise, if anybody wants to know.
    pub probe: Option<Arc<Sensitivity>>,
}

impl Default for IssuerOptions {
    /// Client `touchstone` with a random secret, member of `/wlcg`, and on request of `/wlcg/test` and
    /// `/wlcg/pilot`, like the test user; and client `touchstone-narrow`, which may only read `/a`.
    fn default() -> Self {
        let secret = || uuid::Uuid::new_v4().simple().to_string().into();
        let set = ["storage.read:/", "storage.create:/test", "compute.read"];
        Self {
            port: 0,
            public_port: 0,
            path: String::new(),
            client_id: "touchstone".into(),
            client_secret: secret(),
            client_key_pem: None,
            narrow_client_id: "touchstone-narrow".into(),
            narrow_client_secret: secret(),
            narrow_scopes: vec!["storage.read:/a".into()],
            user: "7d3c1f6e-52a8-4b0e-9c44-1e0f6a2b8d95".into(),
            user_scopes: None,
            default_groups: vec!["/wlcg".into()],
            optional_groups: vec!["/wlcg/test".into(), "/wlcg/pilot".into()],
            capability_sets: [
                ("/wlcg/test", &set[..]),
                (
                    "/wlcg/pilot",
                    &["storage.read:/pilot", "storage.stage:/pilot"],
                ),
                // Nobody here is a member of it.
                ("/wlcg/production", &["storage.modify:/production"]),
            ]
            .map(|(group, set)| {
                let set = set.iter().map(|&scope| scope.to_owned());
                (group.to_owned(), set.collect())
            })
            .into(),
            device_lifetime: Duration::from_secs(600),
            device_interval: Duration::from_secs(5),
            rs256: false,
            faults: Vec::new(),
            probe: None,
        }
    }
}

/// The built-in issuer. Its key for ES256 is new with every start; it ends when it is dropped.
pub struct ReferenceIssuer {
    state: Arc<IssuerServer>,
    port: u16,
    _server: Server,
}

impl ReferenceIssuer {
    /// Starts it in the current tokio runtime.
    pub async fn start(
        authority: &Authority,
        options: IssuerOptions,
    ) -> Result<Self, ReferenceError> {
        let port = Port::take(options.port)?.known_as(options.public_port);
        let number = port.number();
        let url = match options.path.as_str() {
            "" => format!("{}/", port.origin()),
            path => format!("{}{path}", port.origin()),
        };
        faults::compatible(&options.faults).map_err(ReferenceError::Option)?;
        let rules = IssuerRules::default();
        let version = |fault: &Fault| {
            let mut version = rules.clone();
            fault.apply_to_issuer(&mut version);
            fault.of_issuer().then_some(version)
        };
        let probe = options
            .probe
            .map(|sensitivity| Probe::new(sensitivity, version));
        let deviations = options.faults.iter().filter_map(|fault| {
            Some(Version {
                rules: version(fault)?,
                only: None,
            })
        });
        let rules = Ruled::new(rules.clone(), probe).deviating(deviations.collect());
        let membership = Membership {
            default: options.default_groups,
            optional: options.optional_groups,
        };
        let key = options.client_key_pem.as_deref().map(ClientKey::from_pem);
        let clients = [
            Client {
                id: options.client_id,
                secret: options.client_secret,
                key: key.transpose()?,
                entitled: None,
                membership: membership.clone(),
            },
            Client {
                id: options.narrow_client_id,
                secret: options.narrow_client_secret,
                key: None,
                entitled: Some(options.narrow_scopes),
                membership: Membership::default(),
            },
        ];
        let state = Arc::new(IssuerServer {
            url,
            keys: Keys::new(&options.path, options.rs256)?,
            path: options.path,
            rules,
            clients,
            user: User {
                subject: options.user,
                membership,
                entitled: options.user_scopes,
            },
            sets: options.capability_sets,
            patience: Patience {
                lifetime: options.device_lifetime,
                interval: options.device_interval,
            },
            store: Store::default(),
            counts: Default::default(),
        });
        let router = Router::new()
            .fallback(handlers::answer)
            .with_state(Arc::clone(&state));
        let server = match state.rules.own().cleartext() {
            true => {
                let tls = server::with_tls(server::tls(authority)?);
                port.serve_accepting(cleartext::Either(tls), router)?
            }
            false => port.serve(authority, router)?,
        };
        Ok(Self {
            state,
            port: number,
            _server: server,
        })
    }

    /// The port on 127.0.0.1 on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The issuer's identifier, `https://localhost:PORT/` or `https://localhost:PORT/PATH`, exactly as
    /// tokens have it in `iss`.
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// The client's id.
    pub fn client_id(&self) -> &str {
        &self.state.clients[0].id
    }

    /// The client's secret.
    pub fn client_secret(&self) -> &SecretString {
        &self.state.clients[0].secret
    }

    /// The id of the client that is entitled to little.
    pub fn narrow_client_id(&self) -> &str {
        &self.state.clients[1].id
    }

    /// Its secret.
    pub fn narrow_client_secret(&self) -> &SecretString {
        &self.state.clients[1].secret
    }

    /// `sub` of the test user.
    pub fn user(&self) -> &str {
        &self.state.user.subject
    }

    /// Where the test user approves devices.
    pub fn verification_url(&self) -> String {
        self.state.at(place::VERIFICATION)
    }

    /// All that the test user may agree to, separated by spaces.
    pub fn consent(&self) -> String {
        let membership = &self.state.user.membership;
        let groups = membership.default.iter().chain(&membership.optional);
        let groups = groups.flat_map(|group| {
            let set = self.state.sets.contains_key(group);
            let set = set.then(|| format!("wlcg.capabilityset:{group}"));
            [format!("wlcg.groups:{group}")].into_iter().chain(set)
        });
        let consent = CONSENT.split(' ').map(str::to_owned).chain(groups);
        consent.collect::<Vec<_>>().join(" ")
    }

    /// A new refresh token of the test user for [`ReferenceIssuer::client_id`].
    ///
    /// `scope` is what the user agreed to, separated by spaces. It is an error to ask for what the
    /// user may not have.
    pub fn refresh_token(&self, scope: &str) -> Result<SecretString, ReferenceError> {
        let refused = |error: OAuthError| {
            ReferenceError::Option(format!("no refresh token for `{scope}`: {}", error.code))
        };
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("scope", scope).finish();
        let granted = Form::parse(form.as_bytes())
            .and_then(|form| self.state.for_user(&form))
            .map_err(refused)?;
        let telling = Telling {
            granted: &granted,
            holder: &Holder {
                subject: self.state.user.subject.clone(),
                login: Some(Login {
                    at: jiff::Timestamp::now().as_second(),
                    nonce: None,
                }),
            },
            client: self.client_id(),
        };
        let token = self.state.refresh(telling, grant::family());
        token.map(SecretString::from).map_err(refused)
    }

    /// Approves the device with that code as the test user; `false` if none waits with it.
    pub fn approve(&self, user_code: &str) -> bool {
        self.state.decided(user_code, true)
    }

    /// The same, but the user says no.
    pub fn deny(&self, user_code: &str) -> bool {
        self.state.decided(user_code, false)
    }

    /// The private key with which it signs, PKCS#8 PEM: with it any token can be made.
    pub fn test_key_pem(&self) -> &SecretString {
        &self.state.keys.usual().pem
    }

    /// The `kid` of [`ReferenceIssuer::test_key_pem`], its RFC 7638 thumbprint.
    pub fn test_key_id(&self) -> &str {
        &self.state.keys.usual().id
    }

    /// The private half of the key of the other algorithm, which it publishes as well, PKCS#8 PEM.
    pub fn other_key_pem(&self) -> &SecretString {
        &self.state.keys.other().pem
    }

    /// The `kid` of [`ReferenceIssuer::other_key_pem`].
    pub fn other_key_id(&self) -> &str {
        &self.state.keys.other().id
    }

    /// The private half of the RS256 key that it publishes as well, PKCS#8 PEM.
    pub fn rsa_key_pem(&self) -> &SecretString {
        &self.state.keys.rsa.pem
    }

    /// The `kid` of [`ReferenceIssuer::rsa_key_pem`].
    pub fn rsa_key_id(&self) -> &str {
        &self.state.keys.rsa.id
    }
}
