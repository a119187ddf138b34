//! Whether an issuer takes a client for one: the control of what it answers to that client.

use crate::token::RequestAuthentication;
use touchstone_model::{Account, ClientProof, Method, Purpose};
use touchstone_protocol::issuer::no_client;

use super::super::http_client::Field;
use super::{Asking, Request, Stop};

impl Asking<'_> {
    /// Ends the case where the issuer does not take the client of `account`: a plain request for a token is answered like that
    /// as well. Each client is tried once.
    pub(super) async fn taken(&mut self, account: &Account) -> Result<(), Stop> {
        let url = self.endpoint("token_endpoint")?;
        let clients = &self.site.clients;
        let mut clients = clients.lock().await;
        let told = match clients.get(&account.name) {
            Some(told) => told.clone(),
            None => {
                let control = Request {
                    method: Method::Post,
                    url,
                    fields: vec![Field::plain("grant_type", "client_credentials")],
                    proof: ClientProof::Good,
                    account,
                    purpose: Purpose::Control,
                };
                let answered = self.sent(control).await?;
                let status = answered.answer.status;
                let told = no_client(&answered.answer).then(|| self.untaken(account, status));
                clients.insert(account.name.clone(), told.clone());
                told
            }
        };
        match told {
            Some(reason) => Err(Stop::Undecided(reason)),
            None => Ok(()),
        }
    }

    /// What is said of a client that the issuer does not take, and what may help.
    fn untaken(&self, account: &Account, status: u16) -> String {
        let reason = format!(
            "the issuer does not accept the client: it answers {status} to a plain request for a token; check its id and secret"
        );
        let methods = self.site.document.as_ref();
        let methods = methods.and_then(|document| {
            let list = document.get("token_endpoint_auth_methods_supported")?;
            list.as_array()
        });
        let known = |name: &str| methods.is_none_or(|all| all.iter().any(|one| one == name));
        let shows = self.client(account).ok().and_then(|client| {
            let url = self.site.named("token_endpoint")?;
            client.authenticate(url, &self.site.shared.redactor).ok()
        });
        match shows {
            Some(RequestAuthentication::Basic(_))
                if !known("client_secret_basic") && known("client_secret_post") =>
            {
                format!(
                    "{reason}; its metadata know no client_secret_basic: write `authentication: body`"
                )
            }
            Some(RequestAuthentication::Body(_))
                if !known("client_secret_post") && known("client_secret_basic") =>
            {
                format!(
                    "{reason}; its metadata know no client_secret_post: leave out `authentication: body`"
                )
            }
            Some(RequestAuthentication::Assertion(_)) if !known("private_key_jwt") => {
                format!("{reason}; its metadata know no private_key_jwt: give it a secret")
            }
            _ => reason,
        }
    }
}
