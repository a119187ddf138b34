//! What is in a token, and whether it is what was asked for. The signature is the storage's to check.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use touchstone_model::{ANY_AUDIENCE, TokenRequest};

/// The claims of a token, unverified.
#[derive(Clone, Debug)]
pub struct Claims(Map<String, Value>);

/// Reads the payload of a JWS in compact form (RFC 7515 section 7.1).
///
/// # Errors
/// Says what it is not; the text has nothing of the token.
pub fn claims(token: &SecretString) -> Result<Claims, String> {
    let mut parts = token.expose_secret().split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("it is not a JWT: it does not have three parts".into());
    };
    let payload = URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| "it is not a JWT: its payload is not base64url".to_owned())?;
    match serde_json::from_slice(&payload) {
        Ok(Value::Object(claims)) => Ok(Claims(claims)),
        _ => Err("it is not a JWT: its payload is not a JSON object".into()),
    }
}

impl Claims {
    /// A claim that is a string.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.0.get(claim)?.as_str()
    }

    /// `exp`, where it is a number of seconds.
    pub fn expires(&self) -> Option<Timestamp> {
        self.time("exp")
    }

    /// A claim that is a number of seconds; the last second that there is where it is beyond.
    pub fn time(&self, claim: &str) -> Option<Timestamp> {
        let seconds = self.0.get(claim)?.as_f64()?;
        let last = Timestamp::MAX.as_second();
        Timestamp::from_second((seconds as i64).min(last)).ok()
    }

    /// A claim that is a text or a list of them.
    pub fn list(&self, claim: &str) -> BTreeSet<&str> {
        match self.0.get(claim) {
            Some(Value::String(one)) => BTreeSet::from([one.as_str()]),
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The capabilities: scopes that name storage or compute rights (profile 2.2.1).
    fn capabilities(&self) -> BTreeSet<&str> {
        capabilities(
            self.text("scope")
                .unwrap_or_default()
                .split_ascii_whitespace(),
        )
    }

    /// What of `request` the token does not hold, or holds too much of; exactly what was asked for is
    /// what a step needs.
    pub(super) fn differs(&self, request: &TokenRequest) -> Option<String> {
        let asked = capabilities(request.scopes.iter().map(String::as_str));
        let got = self.capabilities();
        let missing: Vec<_> = asked.difference(&got).copied().collect();
        if !missing.is_empty() {
            return Some(format!("the token lacks {}", missing.join(" ")));
        }
        let more: Vec<_> = got.difference(&asked).copied().collect();
        if !more.is_empty() {
            return Some(format!("the token also holds {}", more.join(" ")));
        }
        if let Some(more) = self.more_groups(request) {
            return Some(format!("the token also holds the group {more}"));
        }
        self.lacks_besides(request)
    }

    /// What of `request` the token does not hold; more rights than asked for do no harm.
    pub(super) fn lacks(&self, request: &TokenRequest) -> Option<String> {
        let got = self.capabilities();
        let missing: Vec<_> = capabilities(request.scopes.iter().map(String::as_str))
            .into_iter()
            .filter(|asked| !got.iter().any(|got| covers(got, asked)))
            .collect();
        if !missing.is_empty() {
            return Some(format!("the token lacks {}", missing.join(" ")));
        }
        self.lacks_besides(request)
    }

    /// A group that was not asked for. Those above an asked one come with it at many issuers.
    fn more_groups(&self, request: &TokenRequest) -> Option<&str> {
        let expected = |group: &&str| {
            let above = format!("{group}/");
            let mut asked = request.groups.iter();
            asked.any(|asked| asked == group || asked.starts_with(&above))
        };
        self.list("wlcg.groups")
            .into_iter()
            .find(|group| !expected(group))
    }

    fn lacks_besides(&self, request: &TokenRequest) -> Option<String> {
        let groups = self.list("wlcg.groups");
        if let Some(missing) = request
            .groups
            .iter()
            .find(|group| !groups.contains(group.as_str()))
        {
            return Some(format!("the token lacks the group {missing}"));
        }
        let audiences = self.list("aud");
        let asked: BTreeSet<_> = request.audience.each().iter().map(String::as_str).collect();
        if audiences != asked {
            let got: Vec<_> = audiences.into_iter().collect();
            return Some(match got.as_slice() {
                [] => "the token has no audience".to_owned(),
                got => format!("the token is for {}", got.join(" and ")),
            });
        }
        None
    }

    /// Whether its audience is one that `request`'s would stand for: the same, or everybody.
    pub(super) fn for_everybody(&self) -> bool {
        self.list("aud").contains(ANY_AUDIENCE)
    }
}

fn capabilities<'a>(scopes: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    scopes
        .filter(|scope| scope.starts_with("storage.") || scope.starts_with("compute."))
        .collect()
}

/// Whether the scope `wide` gives all that `narrow` gives.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    let (Some((wide_name, wide_path)), Some((name, path))) =
        (wide.split_once(':'), narrow.split_once(':'))
    else {
        return wide == narrow;
    };
    let names = wide_name == name || (wide_name == "storage.modify" && name == "storage.create");
    let below = wide_path.trim_end_matches('/');
    let path = path.trim_end_matches('/');
    names
        && (path == below
            || path
                .strip_prefix(below)
                .is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_model::Audience;

    fn token(payload: &str) -> SecretString {
        SecretString::from(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload)))
    }

    fn request(scopes: &[&str]) -> TokenRequest {
        TokenRequest::good(
            "test".into(),
            scopes.iter().map(|s| (*s).to_owned()).collect(),
            Audience::One(ANY_AUDIENCE.into()),
        )
    }

    #[test]
    fn a_step_needs_exactly_what_it_asked_for() {
        let got = claims(&token(&format!(
            r#"{{"aud":"{ANY_AUDIENCE}","scope":"storage.read:/ openid"}}"#
        )))
        .unwrap();
        assert_eq!(got.differs(&request(&["storage.read:/"])), None);
        assert_eq!(
            got.differs(&request(&["storage.modify:/"])).unwrap(),
            "the token lacks storage.modify:/"
        );
        assert_eq!(
            got.differs(&request(&[])).unwrap(),
            "the token also holds storage.read:/"
        );
        let mut other = request(&["storage.read:/"]);
        other.audience = Audience::Many(vec!["https://a".into(), ANY_AUDIENCE.into()]);
        assert!(got.differs(&other).unwrap().starts_with("the token is for"));
        let mut grouped = request(&["storage.read:/"]);
        grouped.groups = vec!["/wlcg".into()];
        assert_eq!(
            got.differs(&grouped).unwrap(),
            "the token lacks the group /wlcg"
        );
    }

    #[test]
    fn groups_that_nobody_asked_for_would_blame_the_storage() {
        let got = claims(&token(&format!(
            r#"{{"aud":"{ANY_AUDIENCE}","scope":"wlcg.groups","wlcg.groups":["/wlcg/test","/wlcg"]}}"#
        )))
        .unwrap();
        let differs = |groups: &[&str]| {
            let mut request = request(&[]);
            request.groups = groups.iter().map(|group| (*group).to_owned()).collect();
            got.differs(&request)
        };
        assert_eq!(differs(&["/wlcg/test"]), None);
        let more = "the token also holds the group /wlcg/test";
        assert_eq!(differs(&["/wlcg"]).unwrap(), more);
        assert_eq!(differs(&["/wlcg", "/wlcg/tests"]).unwrap(), more);
        assert!(differs(&[]).is_some());
    }

    #[test]
    fn a_control_may_have_more_rights() {
        let got = claims(&token(&format!(
            r#"{{"aud":"{ANY_AUDIENCE}","scope":"storage.read:/a storage.modify:/"}}"#
        )))
        .unwrap();
        assert_eq!(
            got.lacks(&request(&["storage.read:/a/b", "storage.create:/x"])),
            None
        );
        assert!(got.lacks(&request(&["storage.read:/ab"])).is_some());
        assert!(got.lacks(&request(&["storage.read:/"])).is_some());
    }

    #[test]
    fn odd_tokens_are_refused_without_repeating_them() {
        for odd in [
            "",
            "a.b",
            "a.!.c",
            "a.bm90IGpzb24.c",
            "a.W10.c",
            "a.e30.c.d",
        ] {
            let message = claims(&SecretString::from(odd)).unwrap_err();
            assert!(message.starts_with("it is not a JWT"), "{message}");
        }
    }
}
