use std::net::IpAddr;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use url::{Host, Url};

use super::super::answers::Outcome;
use super::super::element::{Element, Visit};
use super::super::pool;
use super::Direction;
use super::rules::Word;
use touchstone_model::Method;

/// The query of a COPY that was sent on.
const HERE: &str = "here";
/// Begins the name of a header for the other side.
const PREFIX: &str = "transferheader";
/// What would break the protocol, or change what the data are; `proxy-…` as well.
const WITHHELD: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A COPY that concerns another service.
pub(in super::super) struct Order {
    pub(super) direction: Direction,
    /// The other side.
    pub(super) url: Url,
    /// Whether something at the destination may be replaced.
    pub(super) overwrite: bool,
    /// Whether the other side has to tell a digest.
    pub(super) verified: bool,
    /// In how many streams the data may come.
    pub(super) streams: u32,
    /// What the client says that the data are: nothing but `Repr-Digest`.
    pub(super) claimed: HeaderMap,
    /// For the other side.
    pub(super) headers: HeaderMap,
}

impl Order {
    /// What a request asks for, unless it is no COPY, or one to a `Destination` on this service.
    pub(in super::super) fn of(
        element: &Element,
        visit: &Visit,
        parts: &Parts,
    ) -> Option<Result<Self, Outcome>> {
        let headers = &parts.headers;
        let source = headers.contains_key("source");
        let here = |value: &HeaderValue| {
            value
                .to_str()
                .is_ok_and(|text| text.starts_with('/') || element.own_path(text).is_some())
        };
        let local = headers.get("destination").is_some_and(here);
        let concerned = visit.method == Method::Copy && (source || !local);
        concerned.then(|| {
            let order = Self::read(element, parts).map_err(bad)?;
            match element.rules.transfer().detour(parts) {
                Some(response) => Err(Outcome::Made(Box::new(response))),
                None => Ok(order),
            }
        })
    }

    fn read(element: &Element, parts: &Parts) -> Word<Self> {
        let rules = element.rules.transfer();
        let headers = &parts.headers;
        let direction = rules.asks(
            headers.contains_key("source"),
            headers.contains_key("destination"),
        )?;
        let named = match direction {
            Direction::Pull => value(headers, "source")?,
            Direction::Push => value(headers, "destination")?,
        };
        let mut url = rules.understands(named)
            .filter(|url| rules.accepts(url))
            .filter(|url| rules.accepts_itself() || !itself(&element.origins, url))
            .ok_or("the other side is no absolute https URL of a public host without user and fragment")?;
        rules.credential(value(headers, "credential")?)?;
        let streams = rules.streams(value(headers, "x-number-of-streams")?)?;
        let overwrite = rules.overwrite(value(headers, "overwrite")?)?;
        let verified = rules.verification(value(headers, "requirechecksumverification")?)?;
        rules.addresses(parts, &mut url);
        let mut claimed = HeaderMap::new();
        for value in headers.get_all("repr-digest") {
            claimed.append("repr-digest", value.clone());
        }
        Ok(Self {
            direction,
            url,
            overwrite,
            verified,
            streams,
            claimed,
            headers: rules.forwards(parts),
        })
    }
}

fn bad(text: &'static str) -> Outcome {
    Outcome::Plain(StatusCode::BAD_REQUEST, format!("{text}\n").into())
}

/// The text of a header that may be there once.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> Word<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err("a header is there twice");
    }
    let text = |value: &'a HeaderValue| value.to_str().map(str::trim);
    first
        .map(text)
        .transpose()
        .map_err(|_| "a header is no text")
}

/// A COPY has one other side.
pub(in super::super) fn direction(source: bool, destination: bool) -> Word<Direction> {
    match (source, destination) {
        (true, false) => Ok(Direction::Pull),
        (false, true) => Ok(Direction::Push),
        _ => Err("a COPY has either a Source or a Destination"),
    }
}

pub(in super::super) fn understands(named: Option<&str>) -> Option<Url> {
    Url::parse(named?).ok()
}

/// Only https, nothing in the URL that is for somebody else, and no host that is only for the site itself.
pub(in super::super) fn accepts(url: &Url) -> bool {
    let user = !url.username().is_empty() || url.password().is_some();
    let plain = !user && url.fragment().is_none();
    url.scheme() == "https" && url.host().is_some() && plain && !internal(url)
}

/// Whether the host is an address that is nobody's outside: link-local, multicast or unspecified. That of
/// the machine itself is none of them: there the tests are.
pub(in super::super) fn internal(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        // An IPv4 address may be written as one of IPv6.
        Some(Host::Ipv6(address)) => address.to_canonical(),
        Some(Host::Domain(_)) | None => return false,
    };
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    link_local || address.is_multicast() || address.is_unspecified()
}

/// Whether it is a service of `origins` at the loopback address of its machine, where it asks for nobody.
fn itself(origins: &[String], url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    let ports = origins.iter().filter_map(|origin| Url::parse(origin).ok());
    let mut ports = ports.map(|origin| origin.port_or_known_default());
    loopback && ports.any(|port| port == url.port_or_known_default())
}

/// RFC 4918 section 10.6: T unless it says otherwise.
pub(in super::super) fn overwrite(value: Option<&str>) -> Word<bool> {
    match value {
        None | Some("T" | "t") => Ok(true),
        Some("F" | "f") => Ok(false),
        Some(_) => Err("Overwrite is T or F"),
    }
}

pub(in super::super) fn verification(value: Option<&str>) -> Word<bool> {
    match value {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
        Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err("RequireChecksumVerification is true or false"),
    }
}

/// One stream is what a client gets that asks for nothing, or that leaves the number to the service: with 0, which gfal2
/// sends unless it is told a number. XRootD takes 0 for one stream as well; the draft does not know the header.
pub(in super::super) fn streams(value: Option<&str>) -> Word<u32> {
    let Some(text) = value else {
        return Ok(1);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u32>().ok().filter(|_| digits);
    number
        .map(|number| number.max(1))
        .ok_or("X-Number-Of-Streams is a number")
}

/// Nothing is ever delegated, so that nothing else can be asked for.
pub(in super::super) fn credential(value: Option<&str>) -> Word<()> {
    match value {
        Some(word) if !word.eq_ignore_ascii_case("none") => Err("Credential is none"),
        _ => Ok(()),
    }
}

/// What the COPY wants the other side to be sent: `TransferHeader…` without the prefix, and nothing else.
pub(in super::super) fn forwarded(parts: &Parts) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &parts.headers {
        let name = name.as_str().strip_prefix(PREFIX);
        if let Some(name) = name.and_then(|name| HeaderName::try_from(name).ok())
            && !withheld(&name)
        {
            headers.append(name, value.clone());
        }
    }
    headers
}

/// A COPY of what is in the pool is asked for once more, as at services whose pools do the copying.
pub(in super::super) fn sent_on(parts: &Parts) -> Option<Response<Body>> {
    let location = format!("{}?{HERE}", pooled(parts)?);
    let response = Response::builder().status(StatusCode::TEMPORARY_REDIRECT);
    let response = response.header(header::LOCATION, location);
    response.body(Body::empty()).ok()
}

/// The path of something in the pool, unless it was sent on already.
pub(in super::super) fn pooled(parts: &Parts) -> Option<&str> {
    let path = parts.uri.path();
    let directory = path.rsplit('/').nth(1);
    let here = parts.uri.query() == Some(HERE);
    (directory == Some(pool::POOLED) && !here).then_some(path)
}

/// Whether a header of that name is never forwarded.
pub(in super::super) fn withheld(name: &HeaderName) -> bool {
    WITHHELD.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sides_are_https_urls_and_nothing_more() {
        for (text, good) in [
            ("https://host/f", true),
            ("https://host:8443/f?authz=x", true),
            ("https://[::1]:1/f", true),
            ("http://host/f", false),
            ("https://127.0.0.1:1/f", true),
            ("https://192.0.2.1/f", true),
            ("https://169.254.7.9/f", false),
            ("https://0xa9fe0709/f", false),
            ("https://0.0.0.0/f", false),
            ("https://224.0.0.1/f", false),
            ("https://[::]/f", false),
            ("https://[fe80::1]/f", false),
            ("https://[ff02::1]/f", false),
            ("https://[::ffff:169.254.7.9]/f", false),
            ("https://user@host/f", false),
            ("https://:pw@host/f", false),
            ("https://host/f#x", false),
            ("file:///etc/f", false),
            ("ftp://host/f", false),
            ("davs://host/f", false),
        ] {
            assert_eq!(accepts(&Url::parse(text).unwrap()), good, "{text}");
        }
    }

    #[test]
    fn words() {
        assert_eq!((streams(Some("4")), streams(None)), (Ok(4), Ok(1)));
        assert_eq!(streams(Some("0")), Ok(1));
        for text in ["", "-1", "+1", "abc", "1.5", "99999999999"] {
            assert!(streams(Some(text)).is_err(), "{text}");
        }
        assert_eq!(verification(Some("True")), Ok(true));
        assert!(verification(Some("maybe")).is_err());
        assert!(credential(Some("None")).is_ok() && credential(Some("gridsite")).is_err());
        assert_eq!(
            (overwrite(None), overwrite(Some("F"))),
            (Ok(true), Ok(false))
        );
        assert!(overwrite(Some("X")).is_err());
    }

    #[test]
    fn a_copy_of_what_is_pooled_is_sent_on_once() {
        for (target, location) in [
            ("/a/pooled/f", Some("/a/pooled/f?here")),
            ("/a/pooled/f?here", None),
            ("/a/f", None),
            ("/pooled/a/f", None),
        ] {
            let request = axum::http::Request::builder().uri(target).body(()).unwrap();
            let response = sent_on(&request.into_parts().0);
            let told = response.as_ref().map(|response| {
                assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
                response.headers()["location"].to_str().unwrap()
            });
            assert_eq!(told, location, "{target}");
        }
    }

    #[test]
    fn only_transfer_headers_are_forwarded() {
        let request = axum::http::Request::builder()
            .header("Authorization", "Bearer own")
            .header("Cookie", "own")
            .header("TransferHeaderAuthorization", "Bearer theirs")
            .header("transferheaderx-test", "1")
            .header("transferheaderX-TEST", "2")
            .header("TransferHeader", "x")
            .header("TransferHeaderContent-Length", "3")
            .header("TransferHeaderProxy-Authorization", "x")
            .header("TransferHeaderHost", "evil")
            .body(())
            .unwrap();
        let headers = forwarded(&request.into_parts().0);
        let sent: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(sent.len(), 3, "{sent:?}");
        for header in ["authorization: Bearer theirs", "x-test: 1", "x-test: 2"] {
            assert!(sent.iter().any(|sent| sent == header), "{header}");
        }
    }
}
