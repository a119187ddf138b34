//! A token that lies where WLCG Bearer Token Discovery looks for it. Others put it there, and others renew it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use secrecy::SecretString;

use crate::token::discovery::discover;
use crate::token::error::Origin;
use crate::token::{BrokerError, TokenError};
use touchstone_model::TokenRequest;

use super::{Context, TokenSourceClient};

/// Where the specification puts what is found nowhere else.
const TEMPORARY: &str = "/tmp";

pub(super) struct Discovery {
    origin: Origin,
    /// What was said already.
    noted: Mutex<BTreeSet<String>>,
}

impl Discovery {
    pub fn new(context: &Context<'_>) -> Result<Self, BrokerError> {
        Ok(Self {
            origin: context.origin.clone(),
            noted: Mutex::default(),
        })
    }
}

#[async_trait]
impl TokenSourceClient for Discovery {
    async fn obtain(&self, request: &TokenRequest) -> Result<SecretString, TokenError> {
        let environment = |name: &str| std::env::var_os(name);
        let uid = rustix::process::geteuid().as_raw();
        let found = discover(&environment, uid, Path::new(TEMPORARY)).map_err(|error| {
            let help = "put a token there, for instance with htgettoken or `oidc-token … > FILE`";
            self.origin.unavailable(request, error.to_string(), help)
        })?;
        for note in found.notes {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.insert(note.clone()) {
                tracing::warn!("{note}");
            }
        }
        tracing::debug!(place = found.place, "token found");
        Ok(found.token)
    }

    fn how(&self, _: &TokenRequest) -> String {
        "TOKEN=$(cat \"${BEARER_TOKEN_FILE:-${XDG_RUNTIME_DIR:-/tmp}/bt_u$(id -u)}\"), or what is in BEARER_TOKEN"
            .into()
    }
}
