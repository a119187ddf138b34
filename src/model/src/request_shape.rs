//! Which requests cannot write, whatever server they meet.

/// What of a request decides whether it could write.
#[derive(Clone, Copy, Debug)]
pub struct RequestShape<'a> {
    /// The method on the wire.
    pub verb: &'a str,
    /// Header fields, those with credentials included.
    pub headers: &'a [(String, String)],
    /// The request target or URL.
    pub target: &'a str,
    /// Whether a body goes along.
    pub body: bool,
}

/// Methods that are safe (RFC 9110 section 9.2.1, RFC 4918 section 9.1), as they are written.
const SAFE: [&str; 4] = ["GET", "HEAD", "PROPFIND", "OPTIONS"];
/// Members of a query that carry a credential and nothing else.
const CREDENTIALS: [&str; 2] = ["access_token", "authz"];
/// Parts of names of headers with which a safe method may stand for another, or frame a second request.
const TELLING: [&str; 7] = [
    "method",
    "destination",
    "source",
    "overwrite",
    "upgrade",
    "content-length",
    "transfer-encoding",
];

impl RequestShape<'_> {
    /// Why the request could write, in words; `None` if it can only read.
    pub fn could_write(&self) -> Option<String> {
        if !SAFE.contains(&self.verb) {
            return Some(format!("the method {}", self.verb.escape_debug()));
        }
        // Only PROPFIND has a use for one.
        if self.body && self.verb != "PROPFIND" {
            return Some(format!("{} with a body", self.verb));
        }
        let telling = |name: &str| {
            let name = name.to_ascii_lowercase();
            TELLING.iter().any(|part| name.contains(part))
        };
        if let Some((name, _)) = self.headers.iter().find(|(name, _)| telling(name)) {
            return Some(format!("the header {}", name.escape_debug()));
        }
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let stranger = |member: &&str| {
            let name = member.split('=').next().unwrap_or_default();
            !member.is_empty() && !CREDENTIALS.contains(&name)
        };
        let stranger = query.split(['&', ';']).find(stranger);
        stranger.map(|_| "a query beyond a credential".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: RequestShape<'_> = RequestShape {
        verb: "GET",
        headers: &[],
        target: "/wlcg/d/f",
        body: false,
    };

    #[test]
    fn reading_is_reading() {
        for verb in SAFE {
            assert_eq!(RequestShape { verb, ..PLAIN }.could_write(), None, "{verb}");
        }
        let target = "https://se.example.org/f?access_token=a.b-c_&authz=Bearer%20x";
        assert_eq!(RequestShape { target, ..PLAIN }.could_write(), None);
        let headers = ["Authorization", "Depth", "Range", "Cookie", "X-Auth-Token"];
        let headers = headers.map(|name| (name.to_owned(), "x".to_owned()));
        let headers = &headers[..];
        assert_eq!(RequestShape { headers, ..PLAIN }.could_write(), None);
        let asked = RequestShape {
            verb: "PROPFIND",
            body: true,
            ..PLAIN
        };
        assert_eq!(asked.could_write(), None);
    }

    #[test]
    fn everything_else_could_write() {
        for verb in [
            "PUT", "DELETE", "MKCOL", "MOVE", "COPY", "PATCH", "POST", "FOO", "get", "Get", "",
        ] {
            assert!(
                RequestShape { verb, ..PLAIN }.could_write().is_some(),
                "{verb}"
            );
        }
        for name in [
            "X-HTTP-Method-Override",
            "x-method",
            "Destination",
            "Source",
            "Overwrite",
            "Content-Length",
            "transfer-encoding",
            "Upgrade",
        ] {
            let headers = &[(name.to_owned(), "PUT".to_owned())][..];
            assert!(
                RequestShape { headers, ..PLAIN }.could_write().is_some(),
                "{name}"
            );
        }
        for target in [
            "/f?_method=DELETE",
            "/f?authz=x&delete",
            "/f?x",
            "/f?authz=x;op=RENAME",
        ] {
            assert!(
                RequestShape { target, ..PLAIN }.could_write().is_some(),
                "{target}"
            );
        }
        assert!(
            RequestShape {
                body: true,
                ..PLAIN
            }
            .could_write()
            .is_some()
        );
    }
}
