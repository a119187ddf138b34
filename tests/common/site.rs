//! One kind of token source for the lab's issuer: before a storage element, and without one.

use std::sync::Arc;
use std::time::Duration;

use touchstone::model::{
    Account, Audience, Inventory, Issuer, IssuerLimits, TokenRequest, TokenSource, Trust,
};
use touchstone::redact::Redactor;
use touchstone::reference::Storage;
use touchstone::token::{Broker, Fit, Token, TokenError};

use super::lab::Lab;
use super::waiting::{HANGS, NEVER};

/// A storage element that takes tokens of the lab's issuer, and an endpoints file in which they come from
/// `source`: one line.
pub fn site(lab: &Lab, source: &str) -> Storage {
    let storage = lab.storage(&[]);
    lab.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  lab:\n    url: {}\n    ca: ca.pem\n    limits: {{rate: 100, answer: {NEVER}}}\n    {source}\nendpoints:\n  se:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: lab\n    ca: ca.pem\n",
            lab.issuer.url(),
            storage.url(),
        ),
    );
    storage
}

/// Whom to ask, in this process.
pub fn broker(lab: &Lab, source: TokenSource) -> Broker {
    broker_within(lab, source, HANGS)
}

/// The same, where an answer that never comes is waited for so long.
pub fn broker_within(lab: &Lab, source: TokenSource, answer: Duration) -> Broker {
    let limits = IssuerLimits {
        rate: 100,
        answer,
        patience: Duration::from_millis(100),
    };
    let issuer = Issuer {
        accounts: vec![Account::only(source)],
        ca: vec![Trust::Path(lab.path("ca.pem"))],
        limits,
        ..Issuer::bare("lab", lab.issuer.url())
    };
    let inventory = Inventory {
        downtimes: Vec::new(),
        issuers: vec![Arc::new(issuer)],
        endpoints: Vec::new(),
    };
    Broker::new(&inventory, &["lab"], &Redactor::default()).expect("a broker")
}

pub fn request(scope: &str, audience: &str) -> TokenRequest {
    let scopes = scope.split(' ').map(str::to_owned).collect();
    TokenRequest::good("lab".into(), scopes, Audience::One(audience.into()))
}

/// Asks once for such a token.
pub fn ask(
    lab: &Lab,
    source: TokenSource,
    scope: &str,
    audience: &str,
) -> Result<Token, TokenError> {
    // The broker may leave tasks behind, for which there has to be a runtime.
    let broker = {
        let _inside = lab.runtime.enter();
        broker(lab, source)
    };
    lab.runtime
        .block_on(broker.token(&request(scope, audience), Fit::Exact))
}

/// What it says when there is none.
pub fn told(lab: &Lab, source: TokenSource) -> String {
    let asked = ask(lab, source, "storage.read:/a", "https://se.example.org");
    let error = asked.expect_err("no token").to_string();
    for part in ["`lab`", "storage.read:/a", "https://se.example.org"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    error
}

/// Each part is in the text.
pub fn expect_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}
