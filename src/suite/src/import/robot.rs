//! `variables.yaml` of the reference suite.

use url::Url;

use super::file::{Endpoint, File};
use crate::config::{check_issuer_url, split_area_url};
use touchstone_yaml::{RawNode, is_secret};

/// The area that the reference suite uses.
const AREA: &str = "wlcg";

pub(super) fn read(root: &RawNode) -> Result<File, String> {
    let Some(endpoints) = root.get("endpoints") else {
        return Err(
            "it has no key `endpoints`; expected the file variables.yaml of the reference suite"
                .into(),
        );
    };
    let mut file = File::default();
    for (key, value) in root.entries() {
        match key.as_str() {
            "endpoints" => {}
            "oauth" => unused(&mut file.notes, "`oauth`", value, &["token"]),
            "oidc-agent" => file.notes.push(format!(
                "`oidc-agent` (line {}) was not carried over: name the account in the issuer's entry, with `oidc-agent: {{ account: NAME }}`.",
                value.line
            )),
            key => file.notes.push(lost("the file", key, value)),
        }
    }
    let token = root.get("oauth").and_then(|oauth| oauth.get("token"));
    if let Some(token) = token {
        unused(&mut file.notes, "`oauth: token:`", token, &["issuer"]);
    }
    let issuer = token
        .and_then(|token| token.get("issuer"))
        .and_then(RawNode::text);
    let issuer = match issuer.map(|url| (url, check_issuer_url(url))) {
        Some((url, Ok(()))) => {
            let host = Url::parse(url).ok();
            let host = host.as_ref().and_then(Url::host_str).unwrap_or("issuer");
            Some(file.issuer(host, url))
        }
        Some((_, Err(reason))) => {
            file.notes.push(format!(
                "The issuer of `oauth: token:` was not carried over: {reason}."
            ));
            None
        }
        None => None,
    };
    for (name, value) in endpoints.entries() {
        match one(name, value) {
            Ok(endpoint) => file.endpoint(Endpoint {
                issuer: issuer.clone(),
                ..endpoint
            }),
            Err(reason) => file.left(&format!("`{name}` (line {})", value.line), &reason),
        }
    }
    Ok(file)
}

fn one(name: &str, value: &RawNode) -> Result<Endpoint, String> {
    let mut remarks = Vec::new();
    unused(
        &mut remarks,
        "the endpoint",
        value,
        &["desc", "type", "endpoint", "paths"],
    );
    let text = |key: &str| value.get(key).and_then(RawNode::text);
    let endpoint_url = text("endpoint").ok_or("it has no `endpoint`")?;
    let areas = value.get("paths").map(RawNode::entries).unwrap_or_default();
    let chosen = areas
        .iter()
        .find(|(name, _)| name == AREA)
        .or(areas.first())
        .ok_or("it has no `paths`")?;
    for (name, _) in areas.iter().filter(|(name, _)| *name != chosen.0) {
        remarks.push(format!(
            "the path `{name}` was not carried over: an endpoint has one area"
        ));
    }
    let area = chosen.1.text().ok_or("its path is no text")?;
    if endpoint_url.contains('@') {
        return Err("there is a user in its URL".into());
    }
    let (url, area) = split_area_url(&format!("{}{area}", endpoint_url.trim_end_matches('/')))?;
    Ok(Endpoint {
        name: name.to_owned(),
        remarks,
        description: text("desc").map(ToOwned::to_owned),
        software: text("type").map(ToOwned::to_owned),
        endpoint_url: url.origin().ascii_serialization(),
        area: if area.is_empty() { "/".into() } else { area },
        issuer: None,
    })
}

fn unused(remarks: &mut Vec<String>, what: &str, value: &RawNode, used: &[&str]) {
    for (key, value) in value.entries() {
        if !used.contains(&key.as_str()) {
            remarks.push(lost(what, key, value));
        }
    }
}

/// Never says what stood there.
fn lost(what: &str, key: &str, value: &RawNode) -> String {
    let line = value.line;
    match is_secret(key) {
        true => format!(
            "`{key}` of {what} (line {line}) was not carried over: a secret stands in the environment or in a file of its own."
        ),
        false => {
            format!("`{key}` of {what} (line {line}) was not carried over: it has no counterpart.")
        }
    }
}
