//! Where a redirect may lead, and whether the token goes along.

use globset::{Glob, GlobSet, GlobSetBuilder};
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use url::Url;

use touchstone_model::{Answer, BearerToken, Issuer};

use touchstone_model::excerpt;

/// More than any service needs.
pub(super) const HOPS: usize = 5;
/// As long as a URL may be for all to take it (RFC 9110 section 4.1).
pub(super) const LONGEST: usize = 8000;

/// Why a redirect from there is one too many.
pub(super) fn endless(from: &Url) -> String {
    let mut last = from.clone();
    last.set_query(None);
    let last = excerpt(last.as_str(), 200);
    format!("more than {HOPS} redirects, and still one from {last}")
}

/// Whether it names several places, of which each client would take another.
pub(super) fn ambiguous(answer: &Answer) -> bool {
    let mut places = answer.headers.iter().filter(|(name, _)| name == "location");
    let first = places.next();
    places.any(|place| Some(place) != first)
}

/// Whether `token` stands in the URL.
pub(super) fn holds(url: &Url, token: &BearerToken) -> bool {
    let text = percent_decode_str(url.as_str()).collect::<Vec<_>>();
    let secret = token.secret.expose_secret().as_bytes();
    text.windows(secret.len()).any(|part| part == secret)
}

/// What would let the token go to `host`, as the file of endpoints has it.
pub(super) fn allowing(host: &str) -> String {
    // An address of IPv6 has what means something else in a pattern and in YAML.
    let host = match host.starts_with('[') {
        true => format!("'{}'", host.replace([':', '[', ']'], "?")),
        false => excerpt(host, 253),
    };
    format!("`redirect-hosts: [{host}]` at the endpoint would allow it")
}

/// Why the refusal of somebody at `host` decides nothing, in the same words whatever its status: it may be one of the token, or
/// one for want of it.
pub(super) fn without_token(host: &str) -> String {
    format!(
        "it redirects to {host}, to which the token may not go (`redirect-hosts`), and what is refused there without it decides nothing; {}",
        allowing(host)
    )
}

/// Why `verb`, which may remove or replace something, is not sent on to `host`, and what would let it go there.
pub(super) fn away(verb: &str, host: &str) -> String {
    format!(
        "it redirects {verb} to {host}, and what may remove or replace something goes to no host but its own and those of `redirect-hosts`; {}",
        allowing(host)
    )
}

/// An endpoint's policy: the token goes to the endpoint's own host, on any port, and to the hosts
/// that the configuration names; never over plain http.
#[derive(Clone, Debug)]
pub struct RedirectPolicy {
    own: String,
    also: GlobSet,
}

/// What to do with a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectStep {
    /// Go there, with or without the token.
    Follow {
        /// Without user and password: what a server wrote there would become a credential of the request.
        to: Url,
        /// Whether the token goes along.
        token: bool,
    },
    /// Do not, for this reason.
    Refuse(String),
}

impl RedirectPolicy {
    /// The policy of the endpoint at `own`, with globs of further hosts; what is no glob is passed over.
    pub fn new(own: &Url, also: &[String]) -> Self {
        Self {
            own: own.host_str().unwrap_or_default().to_owned(),
            also: globs(also),
        }
    }

    /// That of an issuer: its client's credentials go where its metadata say, as long as that is so.
    pub fn of_issuer(issuer: &Issuer) -> Self {
        Self::of_server(&issuer.url, issuer)
    }

    /// That of another server that gives the issuer's tokens.
    pub fn of_server(server: &str, issuer: &Issuer) -> Self {
        Self {
            own: Url::parse(server)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned))
                .unwrap_or_default(),
            also: globs(&issuer.credential_hosts),
        }
    }

    /// Whether credentials may go to that host at all.
    pub fn trusts(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "https" && (host == self.own || self.also.is_match(host))
    }

    /// Judges the `Location` that `from` answered with.
    pub fn step(&self, from: &Url, location: &str) -> RedirectStep {
        if location.len() > LONGEST {
            return RedirectStep::Refuse(format!(
                "its Location has {} bytes, and no more than {LONGEST} are followed",
                location.len()
            ));
        }
        let mut to = match from.join(location) {
            Ok(to) => to,
            Err(error) => return RedirectStep::Refuse(format!("its Location is no URL: {error}")),
        };
        if to.scheme() != "https" {
            return RedirectStep::Refuse(format!(
                "it redirects to {}:, and tokens and data go over https only",
                to.scheme().get(..20).unwrap_or(to.scheme())
            ));
        }
        if to.set_username("").and(to.set_password(None)).is_err() {
            return RedirectStep::Refuse("its Location has no host".into());
        }
        let allowed = self.trusts(&to);
        let carried = to.query_pairs().any(|(name, _)| name == "authz");
        RedirectStep::Follow {
            token: allowed && !carried,
            to,
        }
    }
}

fn globs(texts: &[String]) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for glob in texts.iter().filter_map(|text| Glob::new(text).ok()) {
        builder.add(glob);
    }
    builder.build().unwrap_or_else(|_| GlobSet::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_allow_a_host_allows_it() {
        for host in ["ds.example.org", "192.0.2.1", "[2001:db8::1]"] {
            let line = allowing(host);
            let (_, glob) = line.split_once('[').unwrap();
            let (glob, _) = glob.split_once("]`").unwrap();
            let own = Url::parse("https://se.example.org").unwrap();
            let also = [glob.trim_matches('\'').to_owned()];
            let policy = RedirectPolicy::new(&own, &also);
            let there = Url::parse(&format!("https://{host}:1/f")).unwrap();
            assert!(policy.trusts(&there), "{line}");
        }
    }

    fn step(location: &str) -> RedirectStep {
        let own = Url::parse("https://se.example.org:8443").unwrap();
        RedirectPolicy::new(&own, &["*.pool.example.org".into()])
            .step(&own.join("/wlcg/f").unwrap(), location)
    }

    fn follow(to: &str, token: bool) -> RedirectStep {
        RedirectStep::Follow {
            to: Url::parse(to).unwrap(),
            token,
        }
    }

    #[test]
    fn a_host_is_trusted_by_name_and_only_over_tls() {
        let own = Url::parse("https://se.example.org:8443").unwrap();
        let policy = RedirectPolicy::new(&own, &["*.pool.example.org".into()]);
        for (url, trusted) in [
            ("https://se.example.org/api/v1", true),
            ("https://a.pool.example.org:8444/", true),
            ("https://evil.example.org/", false),
            ("https://se.example.org.evil.org/", false),
            ("http://se.example.org/", false),
        ] {
            assert_eq!(policy.trusts(&Url::parse(url).unwrap()), trusted, "{url}");
        }
    }

    #[test]
    fn the_token_stays_with_the_endpoint() {
        assert_eq!(step("/x"), follow("https://se.example.org:8443/x", true));
        assert_eq!(
            step("https://se.example.org:1095/x"),
            follow("https://se.example.org:1095/x", true)
        );
        assert_eq!(
            step("https://user:password@se.example.org:1095/x"),
            follow("https://se.example.org:1095/x", true)
        );
        assert_eq!(
            step("https://d1.pool.example.org/x"),
            follow("https://d1.pool.example.org/x", true)
        );
        assert_eq!(
            step("https://evil.example.com/x"),
            follow("https://evil.example.com/x", false)
        );
        assert_eq!(
            step("https://se.example.org.evil.example/x"),
            follow("https://se.example.org.evil.example/x", false)
        );
        assert_eq!(
            step("https://se.example.org:1095/x?authz=Bearer%20t"),
            follow("https://se.example.org:1095/x?authz=Bearer%20t", false)
        );
    }

    #[test]
    fn plain_http_and_other_schemes_are_refused() {
        for location in [
            "http://se.example.org/x",
            "file:///etc/passwd",
            "https://",
            "http:",
        ] {
            assert!(
                matches!(step(location), RedirectStep::Refuse(_)),
                "{location}"
            );
        }
    }
}
