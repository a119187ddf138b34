//! The rules for paths in both kinds of file, which stand in URLs as they are written.

use std::ops::Not;

use percent_encoding::percent_decode_str;
use url::Url;

/// Why a text was refused, and what to do about it. It never repeats more than a path component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub message: String,
    pub help: &'static str,
    /// The part that is wrong, if it is only a part.
    pub part: Option<String>,
}

impl Refusal {
    fn new(message: impl Into<String>, help: &'static str) -> Self {
        Self {
            message: message.into(),
            help,
            part: None,
        }
    }

    fn on(mut self, part: &str) -> Self {
        self.part = Some(part.to_owned());
        self
    }
}

/// One component of a path: not empty, no dot segment, nothing that a URL does not hold (RFC 3986
/// section 3.3).
pub(super) fn component(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::new(
            "a component of the path is empty",
            "remove the slash",
        ));
    }
    let dots = text.to_ascii_lowercase().replace("%2e", ".");
    if dots == "." || dots == ".." {
        return Err(Refusal::new(
            format!("`{text}` in a path is rewritten before it is sent"),
            "cases about dot segments need the byte-exact client",
        )
        .on(text));
    }
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let escape = rest
            .strip_prefix('%')
            .and_then(|hex| hex.get(..2))
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let width = if escape.is_some() {
            3
        } else if c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c) {
            1
        } else {
            let part = c.to_string();
            return Err(Refusal::new(
                format!("`{}` cannot stand in the path of a URL", c.escape_debug()),
                "write it as % and two hexadecimal digits for each of its bytes",
            )
            .on(&part));
        };
        rest = rest.get(width..).unwrap_or_default();
    }
    Ok(())
}

/// An area: empty for the root, otherwise `/…` without a trailing slash.
pub(super) fn area(text: &str) -> Result<String, Refusal> {
    let Some(inner) = text.strip_prefix('/') else {
        return Err(Refusal::new(
            "the path has to start with a slash",
            "write it from the root of the service",
        ));
    };
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() {
        return Ok(String::new());
    }
    inner.split('/').try_for_each(component)?;
    let lower = inner.to_ascii_lowercase();
    let decoded = percent_decode_str(inner).decode_utf8();
    if decoded
        .is_ok_and(|decoded| !decoded.contains(char::is_control))
        .not()
    {
        return Err(Refusal::new(
            "the path has escapes of controls, or of what is not UTF-8",
            "cases write and delete below this path, and it has to be clear which one it is; choose another directory",
        ));
    }
    let ambiguous = |part: &&str| Some(lower.find(part)?..lower.find(part)? + part.len());
    match AMBIGUOUS.iter().find_map(ambiguous).and_then(|at| inner.get(at)) {
        Some(part) => Err(Refusal::new(
            format!("servers read `{part}` in a path in more than one way"),
            "cases write and delete below this path, and it has to be clear which one it is; choose another directory",
        )
        .on(part)),
        None => Ok(format!("/{inner}")),
    }
}

/// Parameters of components (RFC 3986 section 3.3), and escapes of what has a meaning in paths or makes an escape of what follows.
const AMBIGUOUS: [&str; 9] = [";", "%00", "%23", "%25", "%3f", "%2e", "%2f", "%3b", "%5c"];

/// An `https` URL without what has no place in any of ours.
fn secure(text: &str) -> Result<Url, Refusal> {
    if text.contains(char::is_whitespace) {
        return Err(Refusal::new("there is white space in the URL", "remove it"));
    }
    let url = Url::parse(text).map_err(|error| {
        Refusal::new(
            format!("this is no URL: {error}"),
            "write it like https://se.example.org:8443",
        )
    })?;
    if url.scheme() != "https" || !text.to_ascii_lowercase().starts_with("https://") {
        return Err(Refusal::new(
            "the URL has to start with https://",
            "tokens are never sent over anything else",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::new(
            "there is a user or a password in the URL",
            "remove it; tokens are what opens a service",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Refusal::new(
            "there is a query or a fragment in the URL",
            "remove it",
        ));
    }
    Ok(url)
}

/// The door of a storage element: scheme, host and port, with at most a single slash behind them.
pub(super) fn endpoint_url(text: &str) -> Result<Url, Refusal> {
    let url = secure(text)?;
    if url.path() != "/" {
        return Err(Refusal::new(
            "there is a path in the endpoint's URL",
            "give the path of the area under `paths`",
        )
        .on(url.path()));
    }
    Ok(url)
}

/// The identifier of an issuer; it is compared character by character and therefore kept as it is.
pub(super) fn issuer(text: &str) -> Result<String, Refusal> {
    secure(text).map(|_| text.to_owned())
}

/// Splits the URL of an area into the door of its storage element and the area's path.
///
/// The error is a sentence for people.
pub fn split_area_url(text: &str) -> Result<(Url, String), String> {
    let split = || {
        let mut url = secure(text)?;
        let host = text.get("https://".len()..).unwrap_or_default();
        // From the text, because a parsed URL has lost its dot segments.
        let Some(path) = host.find('/').and_then(|at| host.get(at..)) else {
            return Err(Refusal::new(
                "the URL has no path, and it is open below which one cases may write and delete",
                "write the area of the VO behind the host, or a slash alone where the whole service is meant",
            ));
        };
        let area = area(path)?;
        url.set_path("/");
        Ok((url, area))
    };
    split().map_err(|refusal: Refusal| format!("{}; {}", refusal.message, refusal.help))
}

/// Whether a text can be the identifier of an issuer. The error is a sentence for people.
pub fn check_issuer_url(text: &str) -> Result<(), String> {
    issuer(text)
        .map(drop)
        .map_err(|refusal| format!("{}; {}", refusal.message, refusal.help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_lose_their_trailing_slash() {
        for (text, wanted) in [
            ("/", ""),
            ("/wlcg/", "/wlcg"),
            ("/dteam:wlcg", "/dteam:wlcg"),
            ("/eos/opstest/tpc/https", "/eos/opstest/tpc/https"),
            ("/a%20b", "/a%20b"),
        ] {
            assert_eq!(area(text).as_deref(), Ok(wanted), "{text}");
        }
        for text in [
            "wlcg",
            "",
            "/a//b",
            "/a/../b",
            "/a/%2E%2e",
            "/a b",
            "/a?b",
            "/%4",
            "/%é0",
            "/ü",
            "/a;b",
            "/a%3Bb",
            "/a%2Fb",
            "/a%5cb",
            "/a%2eb",
            "/a%252eb",
            "/a%00",
            "/a%3fb",
            "/a%23b",
            "/a%0d%0ab",
            "/a%c0%aeb",
            "/a%ff",
        ] {
            assert!(area(text).is_err(), "{text}");
        }
    }

    #[test]
    fn area_urls_are_split() {
        let (endpoint_url, area) = split_area_url("https://localhost:8443/data/x/").unwrap();
        assert_eq!(
            (endpoint_url.as_str(), area.as_str()),
            ("https://localhost:8443/", "/data/x")
        );
        let (_, root) = split_area_url("https://[::1]:8443/").unwrap();
        assert_eq!(root, "");
        for text in [
            "http://localhost/",
            "https:localhost",
            "localhost:8443",
            "https://u:p@localhost/",
            "https://localhost/a/../b",
            "https://localhost/?authz=x",
            "https://localhost/ a",
            // It is open whether the whole service is meant.
            "https://localhost:8443",
            "",
        ] {
            assert!(split_area_url(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_path_or_is_refused(text in "\\PC*") {
            let _ = area(&text);
            let _ = split_area_url(&text);
            let _ = split_area_url(&format!("https://localhost/{text}"));
        }
    }
}
