use serde_json::Value;
use url::Url;

use super::super::Judge;
use super::{FINDINGS, object, shown, value};
use touchstone_model::{Answer, Finding};

const VERSION: &str = "v1";

/// Where the API is, by its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeApi {
    /// Where its calls start; its scheme is https, and it has no trailing slash.
    pub uri: Url,
}

/// Reads from the document where version 1 is.
///
/// # Errors
/// Why nobody can say, in words.
pub fn tape_api(answer: &Answer) -> Result<TapeApi, String> {
    if answer.status != 200 {
        return Err(format!("it was answered {}", answer.status));
    }
    let document = object(answer).map_err(|reason| format!("it is {reason}"))?;
    let endpoints = document.get("endpoints").and_then(Value::as_array);
    let mut endpoints = endpoints.into_iter().flatten();
    let first = endpoints.find(|one| one.get("version").and_then(Value::as_str) == Some(VERSION));
    let uri = first.and_then(|one| one.get("uri")?.as_str());
    let Some(text) = uri else {
        return Err(format!("it names no uri of the version {VERSION}"));
    };
    let unfit = |why: &str| format!("the uri {} of the version {VERSION} {why}", shown(text));
    let uri = secure(text).ok_or_else(|| unfit("is no plain https URL"))?;
    let clean = uri.as_str().trim_end_matches('/');
    let uri = Url::parse(clean).map_err(|_| unfit("is no URL"))?;
    Ok(TapeApi { uri })
}

fn secure(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    (plain && url.scheme() == "https" && url.host_str().is_some()).then_some(url)
}

/// Whether the document is complete.
pub fn discovery(judge: Judge<'_>, answer: &Answer) -> Vec<Finding> {
    let document = match object(answer) {
        Ok(document) => document,
        Err(reason) => return vec![judge.of("TAPE-01", "a JSON object", reason)],
    };
    let mut findings = Vec::new();
    let mut wrong = |expected: &str, actual: String| {
        findings.push(judge.of("TAPE-02", expected, actual));
    };
    let sitename = document.get("sitename").and_then(Value::as_str);
    if sitename.is_none_or(|name| name.trim().is_empty()) {
        wrong("a sitename", value(document.get("sitename")));
    }
    let endpoints = match document.get("endpoints").and_then(Value::as_array) {
        Some(endpoints) if !endpoints.is_empty() => endpoints.as_slice(),
        _ => {
            wrong("a list of endpoints", value(document.get("endpoints")));
            &[]
        }
    };
    let mut versions = Vec::new();
    for endpoint in endpoints {
        let uri = endpoint.get("uri");
        let secure = uri.and_then(Value::as_str).and_then(secure);
        if secure.is_none() {
            wrong("an absolute https uri for each endpoint", value(uri));
        }
        let version = endpoint.get("version");
        match version.and_then(Value::as_str) {
            Some(version) if versions.contains(&version) => {
                wrong("each version once", format!("{} twice", shown(version)));
            }
            Some(version) => versions.push(version),
            None => wrong("a version for each endpoint", value(version)),
        }
    }
    if !endpoints.is_empty() && !versions.contains(&VERSION) {
        wrong("an endpoint of the version v1", "none".into());
    }
    findings.truncate(FINDINGS);
    findings
}
