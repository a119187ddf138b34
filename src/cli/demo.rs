use std::sync::Arc;

use crate::model::{
    ClientAuthentication, Endpoint, Groups, Inventory, Issuer as Issuing, Limits, SecretRef,
    TestKey, TokenSource, Traits, Trust,
};
use crate::redact::Redactor;
use crate::reference::{
    Authority, Fault, Issuer, IssuerOptions, ReferenceError, Storage, StorageOptions,
};

use super::args::DemoArgs;
use super::output::{self, Failed};
use super::{inputs, run};

/// `touchstone demo`
pub async fn main(arguments: &DemoArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let faults = faults(&arguments.faults)?;
    let catalogue = inputs::catalogue(None)?;
    let stage = Stage::start(faults).await.map_err(|error| {
        Failed::Undecided(format!("the embedded servers did not start: {error}"))
    })?;
    output::note(&format!(
        "issuer {}, storage {}",
        stage.issuer.url(),
        stage
            .storages
            .iter()
            .map(|(_, s)| s.url())
            .collect::<Vec<_>>()
            .join(" and ")
    ));
    run::judge(
        stage.inventory()?,
        &catalogue,
        &[],
        &arguments.judging,
        redactor,
    )
    .await
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
    storages: Vec<(&'static str, Storage)>,
}

impl Stage {
    async fn start(faults: Vec<&'static Fault>) -> Result<Self, ReferenceError> {
        let authority = Authority::new()?;
        let issuer = Issuer::start(&authority, IssuerOptions::default()).await?;
        let options = |faults| StorageOptions {
            issuer: issuer.url().to_owned(),
            issuer_ca_pem: authority.ca_pem().to_owned(),
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
            storages,
        })
    }

    fn inventory(&self) -> Result<Inventory, Failed> {
        let ca = vec![Trust::Pem(self.authority.ca_pem().to_owned())];
        let issuer = Issuing {
            name: "embedded".into(),
            url: self.issuer.url().to_owned(),
            source: Some(TokenSource::ClientCredentials {
                id: SecretRef::Held(self.issuer.client_id().into()),
                secret: SecretRef::Held(self.issuer.client_secret().clone()),
                authentication: ClientAuthentication::Basic,
            }),
            test_keys: vec![
                TestKey {
                    pem: SecretRef::Held(self.issuer.test_key_pem().clone()),
                    kid: Some(self.issuer.test_key_id().to_owned()),
                },
                TestKey {
                    pem: SecretRef::Held(self.issuer.rsa_key_pem().clone()),
                    kid: Some(self.issuer.rsa_key_id().to_owned()),
                },
            ],
            ca: ca.clone(),
        };
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
                    second: None,
                    limits: Limits::default(),
                    redirect_hosts: Vec::new(),
                }))
            })
            .collect::<Result<_, Failed>>()?;
        Ok(Inventory {
            issuers: vec![Arc::new(issuer)],
            endpoints,
        })
    }
}
