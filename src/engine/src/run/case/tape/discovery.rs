use std::sync::Arc;

use tokio::sync::OnceCell;
use url::Url;

use crate::http::{Caller, Client, Outgoing};
use crate::token::Token;
use touchstone_model::{Method, Purpose, TapeOperation};
use touchstone_protocol::TapeApi;

use super::super::{Running, Stop};
use super::component;

pub(in crate::run) const WELL_KNOWN: &str = "/.well-known/wlcg-tape-rest-api";

/// Where an endpoint's tape REST API is, once somebody has asked; nobody asks twice.
#[derive(Default)]
pub(in crate::run) struct TapeDiscovery(OnceCell<Result<TapeEndpoint, String>>);

/// Where it is.
#[derive(Clone)]
pub(super) struct TapeEndpoint {
    base: Url,
    /// For its calls and nothing else.
    pub client: Arc<Client>,
}

impl TapeDiscovery {
    pub(super) fn found(&self) -> Option<TapeEndpoint> {
        self.0.get()?.as_ref().ok().cloned()
    }
}

impl TapeEndpoint {
    /// Where that call goes.
    pub(super) fn url(&self, operation: TapeOperation, id: &str) -> String {
        let base = self.base.as_str().trim_end_matches('/');
        let id = component(id);
        match operation {
            TapeOperation::Discover => base.to_owned(),
            TapeOperation::Stage => format!("{base}/stage"),
            TapeOperation::Poll | TapeOperation::Delete => format!("{base}/stage/{id}"),
            TapeOperation::Cancel => format!("{base}/stage/{id}/cancel"),
            TapeOperation::Release => format!("{base}/release/{id}"),
            TapeOperation::Archiveinfo => format!("{base}/archiveinfo"),
        }
    }
}

/// An id for messages.
pub(super) fn shown(id: &str) -> String {
    component(id)
}

impl Running<'_> {
    /// Where the API is.
    pub(super) async fn tape_endpoint(&mut self) -> Result<TapeEndpoint, Stop> {
        let mut log = Vec::new();
        let found = self.site.tape.0.get_or_init(|| self.find(&mut log)).await;
        let found = found.clone();
        self.exchanges.append(&mut log);
        found
            .map_err(|reason| Stop::Undecided(format!("the tape REST API was not found: {reason}")))
    }

    async fn find(
        &self,
        log: &mut Vec<touchstone_model::Exchange>,
    ) -> Result<TapeEndpoint, String> {
        let url = self.site.plan.endpoint.url_of(WELL_KNOWN);
        let token = self.tape_token().await?;
        // Whether a token is needed is left open: the document is public first.
        let mut reason = String::new();
        for token in [None, Some(&token)] {
            let outgoing = Outgoing {
                token: token.map(|token| &**token),
                ..Outgoing::bare(Method::Get, &url, self.site.deadline)
            };
            // It is asked once and for all cases, not for the one that happens to come first.
            let caller = Caller {
                case: "discovery",
                ..self.caller()
            };
            let sent = self.site.client.send(Purpose::Arrange, caller, outgoing);
            let sent = sent.await;
            log.push(sent.exchange);
            let answer = sent.answer.map_err(|failure| failure.to_string())?;
            match touchstone_protocol::tape_api(&answer) {
                Ok(api) => return self.trusted(api),
                Err(why) if matches!(answer.status, 401 | 403) => reason = why,
                Err(why) => return Err(format!("{WELL_KNOWN}: {why}")),
            }
        }
        Err(format!("{WELL_KNOWN}: {reason}"))
    }

    fn trusted(&self, api: TapeApi) -> Result<TapeEndpoint, String> {
        if self.site.client.trusts(&api.uri) {
            let client = self.site.client;
            let client = client.guarded(client.guard().api(&api.uri));
            return Ok(TapeEndpoint {
                base: api.uri,
                client: Arc::new(client),
            });
        }
        let host = api.uri.host_str().unwrap_or_default();
        Err(format!(
            "it is said to be at the host {host}, which is neither the endpoint's nor one of its `redirect-hosts`, so that no token is sent there"
        ))
    }

    /// The token of who looks at requests and takes them back.
    pub(super) async fn tape_token(&self) -> Result<Token, String> {
        let Some(request) = &self.site.plan.tape else {
            return Err("nobody gives the observer of tape a token".into());
        };
        let token = self.enough(request, Method::Get).await;
        token.map_err(|error| error.to_string())
    }

    /// The same; without it a case says nothing.
    pub(super) async fn tape_observer(&self) -> Result<Token, Stop> {
        let Some(request) = &self.site.plan.tape else {
            return Err(Stop::Skip(
                "nobody gives the observer of tape a token".into(),
            ));
        };
        let token = self.enough(request, Method::Get).await;
        token.map_err(|error| {
            let reason = format!(
                "the observer of tape, who needs storage.stage:/ and storage.poll:/, has no token: {error}"
            );
            match error.refused() {
                true => Stop::Skip(reason),
                false => Stop::Undecided(reason),
            }
        })
    }
}
