use std::sync::Arc;

use crate::model::{
    ClientAuthentication, Endpoint, Groups, Inventory, Issuer as Issuing, Limits, SecondArea,
    SecretRef, TestKey, TokenSource, Traits, Trust,
};
use crate::redact::Redactor;
use crate::reference::{
    Area, Authority, Fault, Issuer, IssuerOptions, ReferenceError, Storage, StorageOptions,
};

use super::args::{DemoArgs, Judging};
use super::output::{self, Failed};
use super::{inputs, run};

/// Begins like the name of the first one, so that areas compared as strings are found out.
const SECOND_AREA: &str = "/wlcg2";

/// `touchstone demo`
pub async fn main(arguments: &DemoArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let faults = faults(&arguments.faults)?;
    let catalogue = inputs::catalogue(None)?;
    let stage = Stage::start(faults).await.map_err(|error| {
        Failed::Undecided(format!("the embedded servers did not start: {error}"))
    })?;
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
        slow: true,
        ..arguments.judging.clone()
    };
    run::judge(stage.inventory()?, &catalogue, &[], &judging, redactor).await
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

/// The embedded servers, up for as long as this lives.
struct Stage {
    authority: Authority,
    issuer: Issuer,
    /// The issuer of the second area; its identifier has a path.
    neighbour: Issuer,
    storages: Vec<(&'static str, Storage)>,
}

impl Stage {
    async fn start(faults: Vec<&'static Fault>) -> Result<Self, ReferenceError> {
        let authority = Authority::new()?;
        let issuer = Issuer::start(&authority, IssuerOptions::default()).await?;
        let neighbour = IssuerOptions {
            path: "/neighbour".into(),
            ..IssuerOptions::default()
        };
        let neighbour = Issuer::start(&authority, neighbour).await?;
        let options = |faults| StorageOptions {
            issuer: issuer.url().to_owned(),
            issuer_ca_pem: authority.ca_pem().to_owned(),
            others: vec![Area {
                path: SECOND_AREA.into(),
                issuer: neighbour.url().to_owned(),
                issuer_ca_pem: authority.ca_pem().to_owned(),
                groups: Groups::default(),
            }],
            faults,
            ..StorageOptions::default()
        };
        let mut storages = vec![(
            "reference",
            Storage::start(&authority, options(Vec::new())).await?,
        )];
        if !faults.is_empty() {
            storages.push(("faulty", Storage::start(&authority, options(faults)).await?));
        }
        Ok(Self {
            authority,
            issuer,
            neighbour,
            storages,
        })
    }

    fn inventory(&self) -> Result<Inventory, Failed> {
        let ca = vec![Trust::Pem(self.authority.ca_pem().to_owned())];
        let issuing = |name: &str, issuer: &Issuer| Issuing {
            name: name.into(),
            url: issuer.url().to_owned(),
            source: Some(TokenSource::ClientCredentials {
                id: SecretRef::Held(issuer.client_id().into()),
                secret: SecretRef::Held(issuer.client_secret().clone()),
                authentication: ClientAuthentication::Basic,
            }),
            test_keys: vec![TestKey {
                pem: SecretRef::Held(issuer.test_key_pem().clone()),
                kid: Some(issuer.test_key_id().to_owned()),
            }],
            ca: ca.clone(),
        };
        let issuer = issuing("embedded", &self.issuer);
        let neighbour = issuing("neighbour", &self.neighbour);
        let endpoints = self
            .storages
            .iter()
            .map(|(name, storage)| {
                let url = storage.url().parse().map_err(|error| {
                    Failed::Undecided(format!("{} is no URL: {error}", storage.url()))
                })?;
                Ok(Arc::new(Endpoint {
                    name: (*name).to_owned(),
                    description: None,
                    software: None,
                    url,
                    area: "/wlcg".into(),
                    issuer: Some(issuer.name.clone()),
                    ca: ca.clone(),
                    profile: None,
                    audience: None,
                    traits: Traits {
                        groups: Some(Groups::default()),
                        ..Traits::default()
                    },
                    known_failures: Vec::new(),
                    second: Some(SecondArea {
                        path: SECOND_AREA.into(),
                        issuer: neighbour.name.clone(),
                    }),
                    limits: Limits::default(),
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
