//! Requests that are sent on: byte for byte as they were, to where a redirect leads, and without their credentials
//! wherever those may not go.

use secrecy::ExposeSecret;
use url::Url;

use crate::http::guard::Kept;
use crate::http::redirect::{
    HOPS, LONGEST, RedirectPolicy, RedirectStep, allowing, ambiguous, away, endless, holds,
    without_token,
};
use touchstone_model::redact::Redactor;
use touchstone_model::{Answer, BearerToken, Hop, Method, excerpt};

use super::RawRequest;
use super::message::sendable;

/// Methods that ask and change nothing, as they stand in a request line.
const READS: [&str; 4] = ["GET", "HEAD", "PROPFIND", "OPTIONS"];

/// One request on its way from server to server.
pub(super) struct Trail<'a> {
    first: RawRequest<'a>,
    /// Whether it is a COPY between servers, whose headers belong together.
    transfer: bool,
    target: String,
    headers: Vec<(String, String)>,
    /// Whether it was told to look somewhere else for what came of it.
    looking: bool,
    kept: Option<Kept>,
    /// Where credentials did not go along although there were some.
    withheld: Option<String>,
    /// Whether a place it was sent to had a credential in its address that its own did not have.
    pub carried: bool,
    /// The redirects so far.
    pub hops: Vec<Hop>,
}

/// What says where it may go.
pub(super) struct Policy<'d> {
    /// Scheme, host and port of whoever has answered.
    pub origin: &'d str,
    pub redirects: &'d RedirectPolicy,
    pub redactor: &'d Redactor,
}

impl<'a> Trail<'a> {
    pub fn new(first: RawRequest<'a>, transfer: bool, kept: Option<Kept>) -> Self {
        Self {
            first,
            transfer,
            target: first.target.to_owned(),
            headers: first.headers.to_vec(),
            looking: false,
            kept,
            withheld: None,
            carried: false,
            hops: Vec::new(),
        }
    }

    /// What is sent now.
    pub fn request(&self) -> RawRequest<'_> {
        let same = RawRequest {
            target: &self.target,
            headers: &self.headers,
            ..self.first
        };
        match self.looking {
            false => same,
            // RFC 9110 section 15.4.4: the other place is only looked at.
            true => RawRequest {
                method: Method::Get,
                verb: Method::Get.as_str(),
                body: None,
                expect_continue: false,
                chunked: false,
                cut_body_at: None,
                ..same
            },
        }
    }

    /// Where it goes on, if `answer` sends it somewhere.
    ///
    /// # Errors
    /// In words: it may not go there.
    pub fn next(&mut self, policy: &Policy<'_>, answer: &Answer) -> Result<Option<Url>, String> {
        let location = match answer.header("location") {
            // After 303 there would be something to look at, and nothing to copy.
            Some(_) if self.transfer && answer.status == 303 => return Ok(None),
            Some(location) if matches!(answer.status, 301 | 302 | 303 | 307 | 308) => location,
            _ => return Ok(None),
        };
        // One in absolute form names its origin itself.
        let from = match self.target.starts_with('/') {
            true => format!("{}{}", policy.origin, self.target),
            false => self.target.clone(),
        };
        let from = Url::parse(&from).map_err(|error| error.to_string())?;
        if self.hops.len() == HOPS {
            return Err(endless(&from));
        }
        let see_other = answer.status == 303 && !self.reads();
        let step = match ambiguous(answer) {
            true => RedirectStep::Refuse("it redirects to two places at once (Location)".into()),
            false => policy.redirects.step(&from, location),
        };
        let step = match step {
            RedirectStep::Follow { to, token } if !see_other => {
                self.onward(policy, location, to, token)
            }
            step => step,
        };
        let step = match step {
            RedirectStep::Follow { to, token } => self.without_secrets(policy, &from, to, token),
            step => step,
        };
        let forwarded = matches!(step, RedirectStep::Follow { .. }) && self.presents();
        self.hops.push(Hop {
            url: policy.redactor.text(from.as_str()),
            status: answer.status,
            location: excerpt(&policy.redactor.text(location), LONGEST),
            token_forwarded: forwarded,
        });
        match step {
            RedirectStep::Refuse(reason) => Err(reason),
            RedirectStep::Follow { to, .. } => {
                self.target = as_written(location, &to);
                if see_other {
                    self.looking = true;
                    self.kept = None;
                    let credentials = |(name, _): &(String, String)| authorizes(name);
                    self.headers.retain(credentials);
                }
                Ok(Some(to))
            }
        }
    }

    /// Why nobody knows whether `answer` says no to the token or to its absence, if that is so.
    pub fn doubt(&self, answer: &Answer) -> Option<String> {
        let host = self.withheld.as_ref().filter(|_| answer.status >= 400)?;
        Some(without_token(host))
    }

    fn reads(&self) -> bool {
        READS.contains(&self.request().verb)
    }

    /// Whether it may be sent there at all, with whatever it carries.
    fn onward(&self, policy: &Policy<'_>, location: &str, to: Url, token: bool) -> RedirectStep {
        let Some(kept) = &self.kept else {
            return match self.transfer && !policy.redirects.trusts(&to) {
                true => RedirectStep::Refuse(untrusted(&to)),
                false => RedirectStep::Follow { to, token },
            };
        };
        let verb = self.first.verb;
        let host = to.host_str().unwrap_or_default();
        if !kept.in_place_as_written(&to, &as_written(location, &to)) {
            return RedirectStep::Refuse(format!(
                "it redirects {} to another object, {host}{}: it was not sent there",
                if self.transfer { "" } else { verb },
                excerpt(to.path(), 200)
            ));
        }
        if policy.redirects.trusts(&to) {
            return RedirectStep::Follow { to, token };
        }
        match (self.transfer, self.reads() || verb == Method::Put.as_str()) {
            (true, _) => RedirectStep::Refuse(untrusted(&to)),
            // Where dCache and others send uploads nobody needs a token.
            (false, true) => RedirectStep::Follow { to, token },
            (false, false) => RedirectStep::Refuse(away(verb, host)),
        }
    }

    /// Takes out of the request what may not go to `to`, or stands in its address already.
    fn without_secrets(
        &mut self,
        policy: &Policy<'_>,
        from: &Url,
        to: Url,
        token: bool,
    ) -> RedirectStep {
        let tokens = self.first.tokens;
        let in_address = |token: &&&BearerToken| holds(&to, token);
        let carried = tokens.iter().any(|token| in_address(&token));
        self.carried |= tokens
            .iter()
            .filter(in_address)
            .any(|token| !holds(from, token));
        if !policy.redirects.trusts(&to) {
            let host = to.host_str().unwrap_or_default();
            if carried {
                return RedirectStep::Refuse(format!(
                    "it redirects to {host} with the token in the URL, and the token may not go there (`redirect-hosts`); {}",
                    allowing(host)
                ));
            }
            let in_body = |token: &&&BearerToken| {
                let secret = token.secret.expose_secret().as_bytes();
                let body = self.request().body.unwrap_or_default();
                body.windows(secret.len()).any(|part| part == secret)
            };
            if tokens.iter().any(|token| in_body(&token)) {
                return RedirectStep::Refuse(format!(
                    "it redirects to {host}, and the token in its body may not go there (`redirect-hosts`); {}",
                    allowing(host)
                ));
            }
            if !tokens.is_empty() {
                self.withheld.get_or_insert_with(|| host.to_owned());
            }
            self.headers.retain(|(name, value)| {
                !authorizes(name) && !tokens.iter().any(|t| says(value, t))
            });
            return RedirectStep::Follow { to, token: false };
        }
        // Some carry the token in the new place's query; the other side's would be missing there.
        if !token && !self.transfer {
            let ticket = to.query_pairs().any(|(name, _)| name == "authz") && !carried;
            let there = |value: &str| {
                let mut said = tokens.iter().filter(|token| says(value, token));
                said.any(|token| ticket || holds(&to, token))
            };
            self.headers
                .retain(|(name, value)| !authorizes(name) || !there(value));
        }
        RedirectStep::Follow { to, token: true }
    }

    /// Whether a credential is in what is sent now, beside its address.
    fn presents(&self) -> bool {
        let mut tokens = self.first.tokens.iter();
        tokens.any(|token| self.headers.iter().any(|(_, value)| says(value, token)))
    }
}

/// Why a COPY does not go where its headers may not go.
fn untrusted(to: &Url) -> String {
    let host = to.host_str().unwrap_or_default();
    format!(
        "it redirects to {host}, to which the credentials may not go (`redirect-hosts`); {}",
        allowing(host)
    )
}

/// Whether a header of that name is where credentials are presented (RFC 6750 section 2.1).
fn authorizes(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization")
}

/// Whether `token` stands in a header's value.
fn says(value: &str, token: &BearerToken) -> bool {
    value.contains(token.secret.expose_secret())
}

/// The request target that a Location names: byte for byte, where what the server wrote is one and reads as `to`.
fn as_written(location: &str, to: &Url) -> String {
    let usual = || match to.query() {
        Some(query) => format!("{}?{query}", to.path()),
        None => to.path().to_owned(),
    };
    let text = location.split('#').next().unwrap_or_default();
    let after_host = |rest: &str| match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => rest[at..].to_owned(),
        Some(at) => format!("/{}", &rest[at..]),
        None => "/".to_owned(),
    };
    let written = match (text.split_once("://"), text.strip_prefix("//")) {
        (Some((scheme, rest)), _) if scheme.eq_ignore_ascii_case("https") => after_host(rest),
        (_, Some(rest)) => after_host(rest),
        _ if text.starts_with('/') => text.to_owned(),
        _ => return usual(),
    };
    let origin = to.origin().ascii_serialization();
    let read = Url::parse(&format!("{origin}{written}"));
    let same = read.is_ok_and(|read| (read.path(), read.query()) == (to.path(), to.query()));
    match same && written.is_ascii() && sendable(&written) && !written.contains('\\') {
        true => written,
        false => usual(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_asked_for_as_its_server_wrote_it() {
        let from = Url::parse("https://se.example.org:1094/a/f").unwrap();
        for (location, target) in [
            ("https://ds.example.org:1/a/../b//f?&x=1", "/a/../b//f?&x=1"),
            ("https://ds.example.org//a/%2e%2E/f", "//a/%2e%2E/f"),
            ("HTTPS://ds.example.org", "/"),
            ("https://ds.example.org?x", "/?x"),
            ("https://user:word@ds.example.org/f#part", "/f"),
            ("//ds.example.org/./f", "/./f"),
            ("/a/./f?here", "/a/./f?here"),
            ("../g", "/g"),
            ("?here", "/a/f?here"),
            // What nobody can send is sent as URLs have it.
            ("/a b/ä", "/a%20b/%C3%A4"),
            ("/a\\..\\b", "/b"),
        ] {
            let to = from.join(location).unwrap();
            assert_eq!(as_written(location, &to), target, "{location}");
        }
    }
}
