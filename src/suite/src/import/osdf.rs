//! Namespaces of the OSDF as OSG topology serves them (`/osdf/namespaces`): of what topology publishes, this
//! alone has storage with URLs, paths and issuers. Origins are storage; caches only copy what is there.

use serde_json::Value;
use url::Url;

use super::file::{Endpoint, File};
use super::{LISTED, LONGEST, text};
use crate::config::{check_issuer_url, split_area_url};

pub(super) fn read(root: &Value) -> Result<File, String> {
    let Some(namespaces) = root.get("namespaces").and_then(Value::as_array) else {
        return Err("it has no list `namespaces`; expected the answer of https://topology.opensciencegrid.org/osdf/namespaces".into());
    };
    let mut file = File::default();
    file.notes
        .push("Caches are not carried over: they copy what origins store.".into());
    for namespace in namespaces {
        one(&mut file, namespace);
    }
    Ok(file)
}

fn one(file: &mut File, namespace: &Value) {
    let path = text(namespace, "path").unwrap_or_default();
    let what = format!("namespace {path}");
    if namespace.get("usetokenonread").and_then(Value::as_bool) == Some(false)
        && text(namespace, "writebackhost").is_none()
    {
        return file.left(&what, "it is read without a token, and nowhere written");
    }
    let mut remarks = Vec::new();
    let (issuer, base) = issuer(namespace, &mut remarks);
    let doors = doors(namespace);
    if doors.is_empty() {
        return file.left(&what, "it names no origin with an https door");
    }
    let issuer = match issuer.map(|url| (url, check_issuer_url(url))) {
        Some((url, Ok(()))) => {
            let name = Url::parse(url).map(|url| {
                let host = url.host_str().unwrap_or_default();
                format!("{host}{}", url.path().trim_end_matches('/'))
            });
            Some(file.issuer(&name.unwrap_or_default(), url))
        }
        Some((_, Err(reason))) => {
            remarks.push(format!("its issuer was not carried over: {reason}"));
            None
        }
        None => {
            remarks.push("no issuer of its tokens is told: name it".into());
            None
        }
    };
    // The paths of scopes begin where the issuer's base path ends.
    let area = match base {
        Some(base) if base != path => {
            remarks.push(format!("the namespace is {path}; scopes count from {base}"));
            base
        }
        _ => path,
    };
    for (resource, url) in doors {
        match split_area_url(&format!("{}/{}", url, area.trim_start_matches('/'))) {
            Ok((endpoint_url, area)) => file.endpoint(Endpoint {
                name: format!("{resource}{}", if area.is_empty() { "" } else { &area })
                    .replace('/', "-"),
                remarks: remarks.clone(),
                description: Some(format!("OSDF origin {resource}, {what}")),
                software: None,
                endpoint_url: endpoint_url.origin().ascii_serialization(),
                area: if area.is_empty() { "/".into() } else { area },
                issuer: issuer.clone(),
            }),
            Err(reason) => file.left(&format!("{resource}, {what}"), &reason),
        }
    }
}

/// The first issuer and the path from which its scopes count.
fn issuer<'a>(
    namespace: &'a Value,
    remarks: &mut Vec<String>,
) -> (Option<&'a str>, Option<&'a str>) {
    let all = namespace.get("scitokens").and_then(Value::as_array);
    if let Some(all) = all.filter(|all| all.len() > 1) {
        let others = all.iter().skip(1).filter_map(|one| text(one, "issuer"));
        let others: Vec<&str> = others.take(LISTED).collect();
        remarks.push(format!(
            "also for {}: an endpoint has one issuer",
            others.join(", ")
        ));
    }
    let generated = namespace.get("credential_generation");
    let Some(first) = all.and_then(|all| all.first()).or(generated) else {
        return (None, None);
    };
    let base = match first.get("base_path") {
        Some(Value::Array(all)) => all.first().and_then(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    let base = base.filter(|base| base.starts_with('/') && base.len() <= LONGEST);
    (text(first, "issuer"), base)
}

/// Names and https URLs, without a path, of where the data are.
fn doors(namespace: &Value) -> Vec<(String, String)> {
    let origins = namespace.get("origins").and_then(Value::as_array);
    let origins = origins.map(Vec::as_slice).unwrap_or_default();
    let origins = origins.iter().filter_map(|origin| {
        let url = https(text(origin, "auth_endpoint")?)?;
        Some((text(origin, "resource").unwrap_or("origin").to_owned(), url))
    });
    let mut doors: Vec<(String, String)> = origins.collect();
    if let Some(url) = text(namespace, "writebackhost").and_then(https)
        && !doors.iter().any(|(_, known)| *known == url)
    {
        let host = Url::parse(&url).ok();
        let host = host.as_ref().and_then(Url::host_str).unwrap_or("writeback");
        doors.push((host.to_owned(), url));
    }
    doors
}

/// `host:port` and https URLs as URLs without a trailing slash.
fn https(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    match text.split_once("://") {
        Some(("https", _)) => Some(text.to_owned()),
        Some(_) => None,
        None => Some(format!("https://{text}")),
    }
}
