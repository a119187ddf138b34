//! The two clients of the first endpoint of a file, with a token that goes onto the wire.

use std::sync::Arc;
use std::time::Instant;

use secrecy::SecretString;
use touchstone_engine::http::{
    Caller, Client, Failure, Guard, HostLimiter, Outgoing, RawClient, RawRequest,
};
use touchstone_engine::token::Token;
use touchstone_model::redact::Redactor;
use touchstone_model::{Answer, Exchange, Marker, Method, Purpose, RunId, TokenRef};
use touchstone_suite::config::{load_catalogue, load_inventory};
use touchstone_yaml::SourceFile;

use super::waiting::HANGS;

pub struct Sender {
    client: Client,
    wire: RawClient,
    token: Token,
    authorization: (String, String),
    origin: String,
    /// Of the file `f` of a run.
    path: String,
}

impl Sender {
    pub fn new(endpoints: &SourceFile, token: &str) -> Self {
        let catalogue = load_catalogue(&[]).expect("the suites");
        let loaded =
            load_inventory(endpoints, &catalogue).unwrap_or_else(|problems| panic!("{problems}"));
        let endpoint = &loaded.inventory.endpoints[0];
        let redactor = Redactor::default();
        let secret = SecretString::from(token);
        redactor.add(&secret);
        let shown = TokenRef {
            what: "a token".into(),
            issuer: "https://issuer.example.org/".into(),
            jti: None,
            hash: String::new(),
            how: String::new(),
        };
        let limiter = Arc::new(HostLimiter::new(&endpoint.limits));
        let run: RunId = "20261122t072848z-4f2a9c".parse().expect("a run");
        let marker = Marker::new(&run, &[&endpoint.name]);
        let guard = Guard::of_run(endpoint, &run, std::iter::empty());
        Self {
            client: Client::new(endpoint, &limiter, &redactor, guard.clone()).expect("a client"),
            wire: RawClient::new(endpoint, &limiter, &redactor, guard).expect("a client"),
            authorization: ("Authorization".into(), format!("Bearer {token}")),
            token: Token::new(secret, shown),
            origin: endpoint.origin(),
            path: format!("{}/{marker}/f", endpoint.area),
        }
    }

    /// Sends `method` for the file with both clients: the ordinary one, and the one that
    /// sends what it is told to the byte.
    pub async fn send(
        &self,
        method: Method,
        body: Option<&[u8]>,
    ) -> [(Result<Answer, Failure>, Exchange); 2] {
        let caller = Caller {
            run: "r",
            case: "c",
        };
        let deadline = Instant::now() + HANGS;
        let url = format!("{}{}", self.origin, self.path);
        let outgoing = Outgoing {
            method,
            verb: None,
            url: &url,
            headers: &[],
            body,
            token: Some(&self.token),
            deadline,
        };
        let ordinary = self.client.send(Purpose::Step, caller, outgoing).await;
        let raw = RawRequest {
            method,
            verb: method.as_str(),
            target: &self.path,
            headers: std::slice::from_ref(&self.authorization),
            body,
            tokens: &[&self.token],
            expect_continue: false,
            http_1_0: false,
            chunked: false,
            cut_body_at: None,
            deadline,
        };
        let exact = self.wire.send(Purpose::Step, caller, raw).await;
        [
            (ordinary.answer, ordinary.exchange),
            (exact.answer, exact.exchange),
        ]
    }
}
