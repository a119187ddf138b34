use std::sync::Arc;

use crate::model::{
    Account, ClientAuthentication, Endpoint, Groups, Inventory, Issuer as Issuing, IssuerLimits,
    Limits, OAuthClient, Profile, SecondArea, SecretRef, Tape, TestKey, TokenSource, Traits, Trust,
};
use crate::redact::Redactor;
use crate::reference::{
    Area, Authority, Fault, Issuer, IssuerOptions, ReferenceError, Storage, StorageOptions,
};
use crate::run::{Listener, OtherSide};

use super::args::{DemoArgs, Judging};
use super::output::{self, Failed};
use super::run::Ears;
use super::{inputs, listen, run};

/// Begins like the name of the first one, so that areas compared as strings are found out.
const SECOND_AREA: &str = "/wlcg2";

/// The name of the other endpoint of transfers.
const PARTNER: &str = "partner";
/// What of the first area goes to tape.
fn tape() -> Tape {
    Tape {
        path: "/nearline".into(),
        file: "/nearline/some-file".into(),
    }
}

/// `touchstone demo`
pub async fn main(arguments: &DemoArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let faults = faults(&arguments.faults)?;
    let catalogue = inputs::catalogue(None)?;
    let mut cast = vec![Role::new("reference")];
    if !faults.is_empty() {
        cast.push(Role {
            faults,
            ..Role::new("faulty")
        });
    }
    let stage = Stage::start(cast).await?;
    output::note(&format!(
        "issuers {} and {}, storage {}",
        stage.issuer.url(),
        stage.neighbour.url(),
        stage
            .storages
            .iter()
            .map(|(_, s)| s.url())
            .collect::<Vec<_>>()
            .join(" and ")
    ));
    // These servers are our own: nothing can hurt them.
    let judging = Judging {
        intrusive: true,
        ..arguments.judging.clone()
    };
    let ears = Ears {
        listener: stage.listener()?,
        everywhere: false,
        side: Some(stage.side()),
        pairs: None,
        issuers: false,
    };
    let inventory = stage.inventory()?;
    let only = stage.judged();
    run::judge(inventory, &catalogue, &only, &judging, ears, redactor).await
}

/// The faults of those names.
pub fn faults(names: &[String]) -> Result<Vec<&'static Fault>, Failed> {
    names.iter().map(|name| fault(name)).collect()
}

fn fault(name: &str) -> Result<&'static Fault, Failed> {
    crate::reference::fault(name).ok_or_else(|| {
        let names: Vec<_> = crate::reference::faults()
            .iter()
            .map(|fault| fault.name)
            .collect();
        Failed::Usage(inputs::unknown(
            &format!("there is no fault `{name}`"),
            name,
            &names,
            "faults",
        ))
    })
}

/// One of the storage elements of a stage.
pub struct Role {
    /// Its name as an endpoint.
    pub name: String,
    /// How it misbehaves.
    pub faults: Vec<&'static Fault>,
    /// The version of the profile that it declares.
    pub profile: Option<Profile>,
}

impl Role {
    /// A faultless one.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            faults: Vec::new(),
            profile: None,
        }
    }
}

/// The embedded servers, up for as long as this lives.
pub struct Stage {
    authority: Arc<Authority>,
    issuer: Issuer,
    /// The issuer of the second area; its identifier has a path.
    neighbour: Issuer,
    storages: Vec<(Role, Storage)>,
    /// The other endpoint of transfers; nobody judges it.
    partner: (Role, Storage),
}

impl Stage {
    /// Starts an issuer and a storage element for each role.
    pub async fn start(cast: Vec<Role>) -> Result<Self, Failed> {
        Self::started(cast).await.map_err(|error| {
            Failed::Undecided(format!("the embedded servers did not start: {error}"))
        })
    }

    async fn started(cast: Vec<Role>) -> Result<Self, ReferenceError> {
        let authority = Arc::new(Authority::new()?);
        let issuer = Issuer::start(&authority, IssuerOptions::default()).await?;
        let neighbour = IssuerOptions {
            path: "/neighbour".into(),
            ..IssuerOptions::default()
        };
        let neighbour = Issuer::start(&authority, neighbour).await?;
        let options = |faults: &[&'static Fault]| StorageOptions {
            issuer: issuer.url().to_owned(),
            issuer_ca_pem: authority.ca_pem().to_owned(),
            others: vec![Area {
                path: SECOND_AREA.into(),
                issuer: neighbour.url().to_owned(),
                issuer_ca_pem: authority.ca_pem().to_owned(),
                groups: Groups::default(),
            }],
            tape: Some(tape()),
            faults: faults.to_vec(),
            ..StorageOptions::default()
        };
        let mut storages = Vec::new();
        for role in cast {
            let storage = Storage::start(&authority, options(&role.faults)).await?;
            storages.push((role, storage));
        }
        let partner = Storage::start(&authority, options(&[])).await?;
        Ok(Self {
            authority,
            issuer,
            neighbour,
            storages,
            partner: (Role::new(PARTNER), partner),
        })
    }

    /// Servers to which tokens point, with certificates that everybody on the stage trusts.
    pub fn listener(&self) -> Result<Arc<dyn Listener>, Failed> {
        listen::listener(&self.authority, None)
    }

    /// The names of those who are judged.
    pub fn judged(&self) -> Vec<String> {
        let names = self.storages.iter().map(|(role, _)| role.name.clone());
        names.collect()
    }

    /// Our own other side of their transfers.
    pub fn side(&self) -> Arc<dyn OtherSide> {
        listen::own_side(&self.authority)
    }

    /// Who is on the stage, as endpoints in the order of the cast.
    pub fn inventory(&self) -> Result<Inventory, Failed> {
        let ca = vec![Trust::Pem(self.authority.ca_pem().to_owned())];
        let issuing = |name: &str, issuer: &Issuer| Issuing {
            accounts: vec![Account::only(TokenSource::ClientCredentials(OAuthClient {
                id: SecretRef::Held(issuer.client_id().into()),
                authentication: ClientAuthentication::Basic(SecretRef::Held(
                    issuer.client_secret().clone(),
                )),
            }))],
            test_keys: vec![
                TestKey {
                    pem: SecretRef::Held(issuer.test_key_pem().clone()),
                    kid: Some(issuer.test_key_id().to_owned()),
                },
                TestKey {
                    pem: SecretRef::Held(issuer.rsa_key_pem().clone()),
                    kid: Some(issuer.rsa_key_id().to_owned()),
                },
            ],
            ca: ca.clone(),
            // It is our own.
            limits: IssuerLimits {
                rate: 10_000,
                ..IssuerLimits::default()
            },
            ..Issuing::bare(name, issuer.url())
        };
        let issuer = issuing("embedded", &self.issuer);
        let neighbour = issuing("neighbour", &self.neighbour);
        let endpoints = self
            .storages
            .iter()
            .chain([&self.partner])
            .map(|(role, storage)| {
                let url = storage.url().parse().map_err(|error| {
                    Failed::Undecided(format!("{} is no URL: {error}", storage.url()))
                })?;
                Ok(Arc::new(Endpoint {
                    name: role.name.clone(),
                    description: None,
                    software: None,
                    url,
                    area: "/wlcg".into(),
                    issuer: Some(issuer.name.clone()),
                    ca: ca.clone(),
                    profile: role.profile,
                    audience: None,
                    traits: Traits {
                        groups: Some(Groups::default()),
                        tape: Some(tape()),
                        macaroons: true,
                        ..Traits::default()
                    },
                    known_failures: Vec::new(),
                    second: Some(SecondArea {
                        path: SECOND_AREA.into(),
                        issuer: neighbour.name.clone(),
                    }),
                    limits: Limits::default(),
                    tpc_partner: Some(PARTNER.to_owned()),
                    fresh_tokens: false,
                    redirect_hosts: Vec::new(),
                }))
            })
            .collect::<Result<_, Failed>>()?;
        Ok(Inventory {
            issuers: vec![Arc::new(issuer), Arc::new(neighbour)],
            endpoints,
        })
    }
}
