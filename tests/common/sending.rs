//! The two clients of the first endpoint of a file, with a token that goes onto the wire.

use std::sync::Arc;
use std::time::Instant;

use secrecy::SecretString;
use touchstone::config::{Source, load_catalogue, load_inventory};
use touchstone::http::{Caller, Client, Failure, Manners, Outgoing, RawRequest, Wire};
use touchstone::model::{Answer, Exchange, Method, Purpose, TokenRef};
use touchstone::redact::Redactor;
use touchstone::token::Token;

use super::waiting::HANGS;

pub struct Sender {
    client: Client,
    wire: Wire,
    token: Token,
    authorization: (String, String),
    area: String,
}

impl Sender {
    pub fn new(endpoints: &Source, token: &str) -> Self {
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
        let manners = Arc::new(Manners::new(&endpoint.limits));
        Self {
            client: Client::new(endpoint, &manners, &redactor).expect("a client"),
            wire: Wire::new(endpoint, &manners, &redactor).expect("a client"),
            authorization: ("Authorization".into(), format!("Bearer {token}")),
            token: Token::new(secret, shown),
            area: endpoint.area_url(),
        }
    }

    /// Sends `method` for the file `f` of the area with both clients: the ordinary one, and the one that
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
        let url = format!("{}/f", self.area);
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
            target: "/f",
            headers: std::slice::from_ref(&self.authorization),
            body,
            tokens: &[&self.token],
            expect_continue: false,
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
