//! A request's form.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};

use super::error::OAuthError;

/// Parameters that have no place in a URL, where everybody logs them.
const KEPT_OUT_OF_URLS: [&str; 9] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "refresh_token",
    "subject_token",
    "device_code",
    "access_token",
    "token",
];

/// Parameters by name; those without a value were left out (RFC 6749 section 3.1).
pub(crate) struct Form {
    fields: HashMap<String, String>,
    /// `audience` and `resource`, which may be repeated (RFC 8693 section 2.1, RFC 8707 section 2).
    audiences: Vec<String>,
}

impl Form {
    /// Reads a body of that type.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        let kind = headers.get(header::CONTENT_TYPE);
        let is_form = kind
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| {
                kind.trim()
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        if !is_form {
            return Err(OAuthError::invalid_request("the body is no form"));
        }
        Self::parse(body)
    }

    /// The same of text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        let mut form = Self {
            fields: HashMap::new(),
            audiences: Vec::new(),
        };
        for (name, value) in url::form_urlencoded::parse(text) {
            match &*name {
                "audience" => form.audiences.extend(
                    value
                        .split(' ')
                        .filter(|one| !one.is_empty())
                        .map(str::to_owned),
                ),
                "resource" => form.audiences.push(resource(&value)?),
                _ if value.is_empty() => {}
                _ => {
                    let before = form.fields.insert(name.into_owned(), value.into_owned());
                    if before.is_some() {
                        return Err(OAuthError::invalid_request("a parameter is there twice"));
                    }
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        form.audiences.retain(|one| seen.insert(one.clone()));
        Ok(form)
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The same, which has to be there.
    pub(super) fn need(&self, name: &str, missing: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::invalid_request(missing))
    }

    /// For whom the token is to be, in order; nobody in particular if there are none.
    pub(super) fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Takes in what another form has, where this one has nothing.
    pub(super) fn add(&mut self, other: Self) {
        for (name, value) in other.fields {
            self.fields.entry(name).or_insert(value);
        }
        if self.audiences.is_empty() {
            self.audiences = other.audiences;
        }
    }
}

/// Whether a query has what belongs into the body (RFC 6749 section 2.3.1).
pub(super) fn indiscreet(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| KEPT_OUT_OF_URLS.contains(&&*name))
}

/// An absolute URI without a fragment (RFC 8707 section 2).
fn resource(value: &str) -> Result<String, OAuthError> {
    match url::Url::parse(value) {
        Ok(url) if url.fragment().is_none() => Ok(value.to_owned()),
        _ => Err(OAuthError::new(
            "invalid_target",
            "a resource is an absolute URI without a fragment",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Form, &'static str> {
        Form::parse(text.as_bytes()).map_err(|error| error.code)
    }

    #[test]
    fn parameters_are_there_once() {
        let form = read("a=1&b=&audience=x+y&audience=z&audience=x&resource=https://r/").unwrap();
        assert_eq!((form.get("a"), form.get("b")), (Some("1"), None));
        assert_eq!(form.audiences(), ["x", "y", "z", "https://r/"]);
        assert_eq!(read("a=1&a=1").err(), Some("invalid_request"));
    }

    #[test]
    fn resources_are_absolute() {
        for wrong in ["r", "/r", "https://r/%23#x"] {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("resource", wrong)
                .finish();
            assert_eq!(read(&form).err(), Some("invalid_target"), "{wrong}");
        }
    }

    #[test]
    fn secrets_in_urls_are_seen() {
        for query in ["client_secret=x", "x=1&token=y", "client%5Fsecret=x"] {
            assert!(indiscreet(query), "{query}");
        }
        assert!(!indiscreet("scope=x&user_code=y"));
    }
}
