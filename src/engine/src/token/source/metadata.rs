//! What an issuer says about itself (OpenID Connect Discovery 1.0 section 4).

use std::time::Duration;

use url::Url;

use crate::http::RedirectPolicy;
use crate::token::IssuerClient;
use crate::token::error::Origin;
use crate::token::verify::{BY_SLASH, by_slash};

use super::oauth::members;

const DOWN: &str = "see whether the issuer is up and reachable from here";
const OTHER: &str =
    "write its URL in the endpoints file character by character as tokens have it in `iss`";
/// What to do about an endpoint at another host.
pub(crate) const STAY: &str = "credentials stay with the issuer's own host; if that one is right, name it below `credential-hosts` of the issuer";
const TELL: &str = "credentials go nowhere else; tell whoever runs the issuer";

/// What of the metadata is used, checked.
pub(super) struct Metadata {
    pub token_endpoint: Url,
    /// RFC 8628 section 4.
    pub device_endpoint: Option<Url>,
}

/// What came instead.
pub(super) enum NoMetadata {
    /// It will not be better next time: what came, and what to do.
    Lasting(String, &'static str),
    /// It may be better later.
    Busy(String, Option<Duration>),
}

/// Asks the issuer; it has to call itself as we do.
pub(super) async fn discover(
    http: &IssuerClient,
    origin: &Origin,
    issuer: &str,
    trusted: &RedirectPolicy,
) -> Result<Metadata, NoMetadata> {
    let lasting = NoMetadata::Lasting;
    let url = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let answer = http.get(&url).await.map_err(|came| lasting(came, DOWN))?;
    match answer.status {
        200 => {}
        429 | 503 => {
            let came = format!("{url} answered {}", answer.status);
            return Err(NoMetadata::Busy(came, answer.retry_after));
        }
        status => {
            let came = format!("{url} answered {status}{}", origin.led(&answer));
            return Err(lasting(came, OTHER));
        }
    }
    let members = members(&answer);
    let text = |name: &str| members.as_ref()?.get(name)?.as_str();
    let Some(named) = text("issuer") else {
        let came = format!("{url} answered {}, no metadata in JSON", answer.looks());
        return Err(lasting(came, OTHER));
    };
    if named != issuer {
        let named_so = origin.quoted(named);
        let came = match by_slash(named, issuer) {
            true => format!("it calls itself {named_so}, and is `{issuer}` here: {BY_SLASH}"),
            false => format!("it calls itself {named_so}, not `{issuer}`"),
        };
        return Err(lasting(came, OTHER));
    }
    let secure = |name| {
        Url::parse(text(name)?)
            .ok()
            .filter(|url| url.scheme() == "https" && plain(url))
    };
    let token_endpoint = secure("token_endpoint").ok_or_else(|| {
        let came = "its metadata name no token endpoint with https".to_owned();
        lasting(came, TELL)
    })?;
    if !trusted.trusts(&token_endpoint) {
        let place = origin.quoted(&token_endpoint.origin().ascii_serialization());
        let came = format!("its metadata name a token endpoint at {place}");
        return Err(lasting(came, STAY));
    }
    Ok(Metadata {
        token_endpoint,
        device_endpoint: secure("device_authorization_endpoint").filter(|url| trusted.trusts(url)),
    })
}

/// Whether nobody is named in it: that would become a credential of the request.
fn plain(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}
