//! One kind of token source for the lab's issuer: before a storage element, and without one.

use std::sync::Arc;
use std::time::Duration;

use touchstone_engine::token::{Broker, Fit, Token, TokenError};
use touchstone_model::redact::Redactor;
use touchstone_model::{
    Account, Audience, Inventory, Issuer, IssuerLimits, TokenRequest, TokenSource, Trust,
};
use touchstone_reference::Storage;

use super::test_bed::TestBed;
use super::waiting::{HANGS, NEVER};

/// A storage element that takes tokens of the lab's issuer, and an endpoints file in which they come from
/// `source`: one line.
pub fn site(bed: &TestBed, source: &str) -> Storage {
    let storage = bed.storage(&[]);
    bed.write(
        "endpoints.yaml",
        &format!(
            "issuers:\n  lab:\n    url: {}\n    ca: ca.pem\n    limits: {{rate: 100, answer: {NEVER}}}\n    {source}\nendpoints:\n  se:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: lab\n    ca: ca.pem\n",
            bed.issuer.url(),
            storage.url(),
        ),
    );
    storage
}

/// Whom to ask, in this process.
pub fn broker(bed: &TestBed, source: TokenSource) -> Broker {
    broker_within(bed, source, HANGS)
}

/// The same, where an answer that never comes is waited for so long.
pub fn broker_within(bed: &TestBed, source: TokenSource, answer: Duration) -> Broker {
    let limits = IssuerLimits {
        rate: 100,
        answer,
        patience: Duration::from_millis(100),
    };
    let issuer = Issuer {
        accounts: vec![Account::only(source)],
        ca: vec![Trust::Path(bed.path("ca.pem"))],
        limits,
        ..Issuer::bare("lab", bed.issuer.url())
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
    bed: &TestBed,
    source: TokenSource,
    scope: &str,
    audience: &str,
) -> Result<Token, TokenError> {
    // The broker may leave tasks behind, for which there has to be a runtime.
    let broker = {
        let _inside = bed.runtime.enter();
        broker(bed, source)
    };
    bed.runtime
        .block_on(broker.token(&request(scope, audience), Fit::Exact))
}

/// What it says when there is none.
pub fn told(bed: &TestBed, source: TokenSource) -> String {
    let asked = ask(bed, source, "storage.read:/a", "https://se.example.org");
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
