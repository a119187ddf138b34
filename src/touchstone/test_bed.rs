//! The embedded servers on which `demo` and `prove` play.

use std::sync::Arc;

use touchstone_engine::run::{CallbackServers, TransferPeer};
use touchstone_model::{
    Account, ClientAuthentication, Endpoint, Groups, Inventory, Issuer as Issuing, IssuerLimits,
    IssuerSubject, Limits, OAuthClient, Profile, SecondArea, SecretRef, Tape, TestKey, TokenSource,
    Traits, Trust,
};
use touchstone_reference::{
    Area, Authority, Fault, IssuerOptions, Like, ReferenceError, ReferenceIssuer, Sensitivity,
    Storage, StorageOptions,
};

use super::output::Failed;
use super::{servers, write};

/// Begins like the name of the first one, so that areas compared as strings are found out.
const SECOND_AREA: &str = "/wlcg2";

/// The name of the storage element with which all others exchange files.
pub const PARTNER: &str = "partner";

/// What of the first area goes to tape.
fn tape() -> Tape {
    Tape {
        path: "/nearline".into(),
        file: "/nearline/some-file".into(),
    }
}

/// Somebody on trial.
pub struct Service {
    /// Its name as an endpoint or issuer.
    pub name: String,
    /// How it misbehaves.
    pub faults: Vec<&'static Fault>,
    /// The software that it imitates, with these faults among its deviations.
    pub like: Option<&'static Like>,
    /// The version of the profile that it declares.
    pub profile: Option<Profile>,
    /// Where it takes down which faults would have answered otherwise.
    pub probe: Option<Arc<Sensitivity>>,
}

impl Service {
    /// A faultless one.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            faults: Vec::new(),
            like: None,
            profile: None,
            probe: None,
        }
    }

    /// An imitation of software.
    pub fn like(like: &'static Like) -> Self {
        Self {
            faults: like.deviations(),
            like: Some(like),
            ..Self::new(like.name)
        }
    }

    /// What its endpoint declares.
    fn traits(&self) -> Traits {
        Traits {
            groups: self
                .like
                .is_none_or(|like| like.groups)
                .then(Groups::default),
            tape: self.like.is_none().then(tape),
            macaroons: self.like.is_none_or(|like| like.macaroons),
            ..Traits::default()
        }
    }
}

/// Who is on trial beside the issuers that every stage has.
#[derive(Default)]
pub struct TestBedOptions {
    /// As storage elements.
    pub storages: Vec<Service>,
    /// As issuers.
    pub issuers: Vec<Service>,
}

/// The embedded servers, up for as long as this lives.
pub struct TestBed {
    authority: Arc<Authority>,
    issuer: ReferenceIssuer,
    /// The issuer of the second area; its identifier has a path.
    neighbour: ReferenceIssuer,
    storages: Vec<(Service, Storage)>,
    issuers: Vec<(Service, ReferenceIssuer)>,
    /// The other endpoint of transfers; nobody judges it.
    partner: (Service, Storage),
    /// Where the refresh tokens of the issuers' test users are kept.
    folder: tempfile::TempDir,
}

impl TestBed {
    /// Starts the two issuers of every stage, and a server for each role.
    pub async fn start(options: TestBedOptions) -> Result<Self, Failed> {
        let folder = tempfile::Builder::new()
            .prefix("touchstone-stage-")
            .tempdir()
            .map_err(|error| Failed::Undecided(format!("no temporary directory: {error}")))?;
        Self::started(options, folder).await.map_err(|error| {
            Failed::Undecided(format!("the embedded servers did not start: {error}"))
        })
    }

    async fn started(
        options: TestBedOptions,
        folder: tempfile::TempDir,
    ) -> Result<Self, ReferenceError> {
        let authority = Arc::new(Authority::new()?);
        let likes = options.storages.iter().filter_map(|service| service.like);
        let rs256 = likes.clone().any(|like| like.rs256);
        let issuer = IssuerOptions {
            rs256,
            ..IssuerOptions::default()
        };
        let issuer = ReferenceIssuer::start(&authority, issuer).await?;
        let neighbour = IssuerOptions {
            path: "/neighbour".into(),
            rs256,
            ..IssuerOptions::default()
        };
        let neighbour = ReferenceIssuer::start(&authority, neighbour).await?;
        let storage_options = |faults: &[&'static Fault]| StorageOptions {
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
        let storages = options.storages.into_iter().map(|service| {
            let authority = Arc::clone(&authority);
            let options = StorageOptions {
                probe: service.probe.clone(),
                tape: service.traits().tape,
                ..storage_options(&service.faults)
            };
            async move { Ok((service, Storage::start(&authority, options).await?)) }
        });
        let storages = all(storages).await?;
        let issuers = options.issuers.into_iter().map(|service| {
            let authority = Arc::clone(&authority);
            let options = IssuerOptions {
                path: "/trial".into(),
                faults: service.faults.clone(),
                probe: service.probe.clone(),
                ..IssuerOptions::default()
            };
            async move { Ok((service, ReferenceIssuer::start(&authority, options).await?)) }
        });
        let issuers = all(issuers).await?;
        let partner = Storage::start(&authority, storage_options(&[])).await?;
        Ok(Self {
            authority,
            issuer,
            neighbour,
            storages,
            issuers,
            partner: (Service::new(PARTNER), partner),
            folder,
        })
    }

    /// Where everybody is, in a line.
    pub fn places(&self) -> String {
        let issuers = self.issuers.iter().map(|(_, issuer)| issuer.url());
        let issuers = [self.issuer.url(), self.neighbour.url()]
            .into_iter()
            .chain(issuers);
        let storages = self.storages.iter().map(|(_, storage)| storage.url());
        format!(
            "issuers {}, storage {}",
            issuers.collect::<Vec<_>>().join(" and "),
            storages.collect::<Vec<_>>().join(" and ")
        )
    }

    /// Servers to which tokens point, with certificates that everybody on the stage trusts.
    pub fn listener(&self) -> Result<Arc<dyn CallbackServers>, Failed> {
        servers::listener(&self.authority, None)
    }

    /// The names of the endpoints that are judged.
    pub fn judged(&self) -> Vec<String> {
        let names = self
            .storages
            .iter()
            .map(|(service, _)| service.name.clone());
        names.collect()
    }

    /// The names of the issuers that are there to be judged.
    pub fn issuers_on_trial(&self) -> Vec<String> {
        let names = self.issuers.iter().map(|(service, _)| service.name.clone());
        names.collect()
    }

    /// Our own other side of their transfers.
    pub fn side(&self) -> Arc<dyn TransferPeer> {
        servers::own_side(&self.authority)
    }

    /// Who is on the stage, as endpoints in the order of the cast.
    pub fn inventory(&self) -> Result<Inventory, Failed> {
        let ca = vec![Trust::Pem(self.authority.ca_pem().to_owned())];
        let issuer = self.issuing("embedded", &self.issuer, None)?;
        let neighbour = self.issuing("neighbour", &self.neighbour, None)?;
        let mut issuers = vec![Arc::new(issuer.clone()), Arc::new(neighbour.clone())];
        for (service, issuer) in &self.issuers {
            issuers.push(Arc::new(self.issuing(
                &service.name,
                issuer,
                service.profile,
            )?));
        }
        let endpoints = self
            .storages
            .iter()
            .chain([&self.partner])
            .map(|(service, storage)| {
                let url = storage.url().parse().map_err(|error| {
                    Failed::Undecided(format!("{} is no URL: {error}", storage.url()))
                })?;
                Ok(Arc::new(Endpoint {
                    name: service.name.clone(),
                    description: None,
                    software: None,
                    url,
                    area: "/wlcg".into(),
                    issuer: Some(issuer.name.clone()),
                    ca: ca.clone(),
                    profile: service.profile,
                    audience: None,
                    traits: service.traits(),
                    known_failures: Vec::new(),
                    second: Some(SecondArea {
                        path: SECOND_AREA.into(),
                        issuer: neighbour.name.clone(),
                    }),
                    // It is our own: nobody else waits for it.
                    limits: Limits {
                        rate: u32::MAX,
                        ..Limits::default()
                    },
                    tpc_partner: Some(PARTNER.to_owned()),
                    fresh_tokens: false,
                    redirect_hosts: Vec::new(),
                    address: None,
                }))
            })
            .collect::<Result<_, Failed>>()?;
        Ok(Inventory {
            issuers,
            endpoints,
            downtimes: Vec::new(),
        })
    }

    /// What a file would say of the issuer.
    fn issuing(
        &self,
        name: &str,
        issuer: &ReferenceIssuer,
        profile: Option<Profile>,
    ) -> Result<Issuing, Failed> {
        let client = |id: &str, secret: &secrecy::SecretString| OAuthClient {
            id: SecretRef::Held(id.into()),
            authentication: ClientAuthentication::Basic(SecretRef::Held(secret.clone())),
        };
        let own = client(issuer.client_id(), issuer.client_secret());
        let narrow = client(issuer.narrow_client_id(), issuer.narrow_client_secret());
        let options = IssuerOptions::default();
        Ok(Issuing {
            accounts: vec![
                Account::only(TokenSource::ClientCredentials(own.clone())),
                Account {
                    name: "narrow".into(),
                    scopes: Some(options.narrow_scopes.clone()),
                    groups: Some(Vec::new()),
                    ..Account::only(TokenSource::ClientCredentials(narrow))
                },
                Account {
                    name: "user".into(),
                    ..Account::only(TokenSource::RefreshToken {
                        client: own,
                        file: self.refresh_token(name, issuer)?,
                    })
                },
            ],
            test_keys: vec![
                TestKey {
                    pem: SecretRef::Held(issuer.test_key_pem().clone()),
                    kid: Some(issuer.test_key_id().to_owned()),
                },
                TestKey {
                    pem: SecretRef::Held(issuer.other_key_pem().clone()),
                    kid: Some(issuer.other_key_id().to_owned()),
                },
            ],
            ca: vec![Trust::Pem(self.authority.ca_pem().to_owned())],
            // It is our own.
            limits: IssuerLimits {
                rate: 10_000,
                ..IssuerLimits::default()
            },
            subject: IssuerSubject {
                always: false,
                profile,
                vo: Some("wlcg".into()),
                default_groups: options.default_groups.clone(),
                optional_groups: options.optional_groups.clone(),
                foreign_group: options
                    .capability_sets
                    .keys()
                    .find(|group| !known(&options, group))
                    .cloned(),
                capability_sets: sets_of_user(&options).collect(),
            },
            ..Issuing::bare(name, issuer.url())
        })
    }

    /// Obtains a refresh token of the test user, and keeps it in a file as a login does.
    fn refresh_token(
        &self,
        name: &str,
        issuer: &ReferenceIssuer,
    ) -> Result<std::path::PathBuf, Failed> {
        let failed = |error: &dyn std::fmt::Display| {
            Failed::Undecided(format!("no refresh token of the embedded issuer: {error}"))
        };
        let token = issuer
            .refresh_token(&issuer.consent())
            .map_err(|error| failed(&error))?;
        let path = self.folder.path().join(name);
        write::write_secret(&path, &token).map_err(|error| failed(&error))?;
        Ok(path)
    }
}

/// What comes of everything, side by side: a certificate for each of hundreds takes its time.
async fn all<T: Send + 'static>(
    starting: impl Iterator<Item = impl Future<Output = Result<T, ReferenceError>> + Send + 'static>,
) -> Result<Vec<T>, ReferenceError> {
    let starting: Vec<_> = starting.map(tokio::spawn).collect();
    let mut started = Vec::with_capacity(starting.len());
    for task in starting {
        let ended = task.await;
        started.push(ended.map_err(|error| ReferenceError::Option(error.to_string()))??);
    }
    Ok(started)
}

/// Whether the test user is a member.
fn known(options: &IssuerOptions, group: &String) -> bool {
    options.default_groups.contains(group) || options.optional_groups.contains(group)
}

/// The capability sets of the test user's groups.
fn sets_of_user(options: &IssuerOptions) -> impl Iterator<Item = (String, Vec<String>)> + '_ {
    let sets = options.capability_sets.iter();
    let own = sets.filter(|(group, _)| known(options, group));
    own.map(|(group, set)| (group.clone(), set.clone()))
}
