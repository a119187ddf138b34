//! Storage of WLCG CRIC: `/api/core/service/query/?json&type=SE`, also grouped by site, and whatever else
//! has the same storage elements inside.

use serde_json::{Map, Value};

use super::file::{Endpoint, File, known_issuer};
use super::{LISTED, short, text};
use crate::config::split_area_url;

/// Levels of lists and groups above the storage elements.
const LEVELS: usize = 4;

pub(super) fn read(root: &Value) -> Result<File, String> {
    let mut file = File::default();
    let mut found = 0;
    walk(
        root,
        "storage",
        LEVELS,
        &mut |name, storage, protocols| match protocols {
            Some(protocols) => {
                found += 1;
                element(&mut file, name, storage, protocols);
            }
            None => file.left(&described(name, storage), "no protocols are told"),
        },
    );
    if found == 0 {
        return Err("there is no storage element with `protocols` in it; expected the answer of https://wlcg-cric.cern.ch/api/core/service/query/?json&type=SE".into());
    }
    Ok(file)
}

type Members = Map<String, Value>;

/// Every object that has `protocols`, with its name.
///
/// Says how many there were. What looks like a storage element and has no protocols that can be read is taken with `None`.
fn walk(
    value: &Value,
    name: &str,
    levels: usize,
    take: &mut impl FnMut(&str, &Value, Option<&Members>),
) -> usize {
    match value {
        Value::Object(object) => {
            let name = text(value, "name").unwrap_or(short(name));
            if let Some(Value::Object(protocols)) = object.get("protocols") {
                take(name, value, Some(protocols));
                return 1;
            }
            let below = match levels {
                0 => 0,
                _ => object
                    .iter()
                    .map(|(name, value)| walk(value, name, levels - 1, take))
                    .sum(),
            };
            let storage = ["protocols", "impl", "rcsite", "resources"];
            if below == 0 && storage.iter().any(|key| object.contains_key(*key)) {
                take(name, value, None);
                return 1;
            }
            below
        }
        Value::Array(items) if levels > 0 => items
            .iter()
            .map(|item| walk(item, name, levels - 1, take))
            .sum(),
        _ => 0,
    }
}

fn site(storage: &Value) -> Option<&str> {
    text(storage, "rcsite").or_else(|| text(storage, "site"))
}

/// Its name and that of its site, for people.
fn described(name: &str, storage: &Value) -> String {
    match site(storage) {
        Some(site) => format!("{name} of {site}"),
        None => name.to_owned(),
    }
}

/// What a protocol speaks.
enum Kind<'a> {
    /// https, with what stands behind the scheme.
    Https(&'a str),
    Plain,
    Other(&'a str),
}

/// By the scheme of its URL, or by its flavour where there is none: a host alone, or with a port.
fn kind(protocol: &Value) -> Kind<'_> {
    let url = text(protocol, "endpoint").unwrap_or_default();
    let flavour = text(protocol, "flavour").unwrap_or_default();
    match url.split_once("://") {
        Some(("davs" | "https", rest)) => Kind::Https(rest),
        Some(("http" | "dav", _)) => Kind::Plain,
        Some((other, _)) => Kind::Other(other),
        None if url.is_empty() => Kind::Other("doors without a URL"),
        None => match flavour.to_ascii_lowercase().as_str() {
            "webdav" | "davs" | "https" => Kind::Https(url),
            "" => Kind::Other("a host without a scheme"),
            _ => Kind::Other(flavour),
        },
    }
}

fn element(file: &mut File, name: &str, storage: &Value, protocols: &Members) {
    let site = site(storage);
    let what = described(name, storage);
    if let Some(state) = inactive(storage) {
        return file.left(&what, &format!("its state is {state}"));
    }
    if let Some(state) = text(storage, "rcsite_state").filter(|state| *state != "ACTIVE") {
        return file.left(&what, &format!("the state of its site is {state}"));
    }
    let mut others = Vec::new();
    let mut doors = Vec::new();
    for (key, protocol) in protocols {
        let key = short(key);
        let rest = match kind(protocol) {
            Kind::Https(rest) => rest,
            Kind::Plain => {
                let why = "it is plain http, over which tokens are never sent";
                file.left(&format!("{key} of {what}"), why);
                others.push("http");
                continue;
            }
            Kind::Other(other) => {
                others.push(other);
                continue;
            }
        };
        if let Some(state) = inactive(protocol) {
            file.left(
                &format!("{key} of {what}"),
                &format!("its state is {state}"),
            );
            continue;
        }
        doors.push((key, protocol, format!("https://{rest}")));
    }
    if doors.is_empty() && !others.is_empty() {
        others.sort_unstable();
        others.dedup();
        others.truncate(LISTED);
        return file.left(&what, &format!("no https door, only {}", others.join(", ")));
    }
    if doors.is_empty() {
        return file.left(&what, "no https door");
    }
    let (issuer, remarks) = issuer(file, name, storage);
    for (key, protocol, url) in doors {
        let mut remarks = remarks.clone();
        let base = text(protocol, "basepath").unwrap_or_default();
        let whole = match base {
            // The whole service is an area; it is told that this can hardly be meant.
            "" => format!("{}/", url.trim_end_matches('/')),
            base => format!(
                "{}/{}",
                url.trim_end_matches('/'),
                base.trim_start_matches('/')
            ),
        };
        match split_area_url(&whole) {
            Ok((endpoint_url, area)) => {
                if area.is_empty() {
                    remarks.push("no path of the VO is told: write it instead of `/`".into());
                }
                file.endpoint(Endpoint {
                    name: name.to_owned(),
                    remarks,
                    description: site.map(|site| format!("{site}, {key}")),
                    software: software(storage, protocol),
                    endpoint_url: endpoint_url.origin().ascii_serialization(),
                    area: if area.is_empty() { "/".into() } else { area },
                    issuer: issuer.clone(),
                });
            }
            Err(reason) => file.left(&format!("{key} of {what}"), &reason),
        }
    }
}

fn software(storage: &Value, protocol: &Value) -> Option<String> {
    let name = text(storage, "impl").or_else(|| text(protocol, "impl"))?;
    let version = text(protocol, "version").or_else(|| text(storage, "version"));
    Some(match version {
        Some(version) => format!("{name} {version}"),
        None => name.to_owned(),
    })
}

/// The issuer of the first VO that everybody knows, and what there is to say about the others.
fn issuer(file: &mut File, name: &str, storage: &Value) -> (Option<String>, Vec<String>) {
    let mut vos: Vec<String> = Vec::new();
    for key in ["vos", "vo", "vo_name"] {
        match storage.get(key) {
            Some(Value::String(vo)) => vos.push(short(vo).to_lowercase()),
            Some(Value::Array(items)) => {
                let names = items.iter().filter_map(|item| match item {
                    Value::Object(_) => text(item, "name"),
                    item => item.as_str().map(short),
                });
                vos.extend(names.map(str::to_lowercase));
            }
            _ => {}
        }
    }
    if let Some(Value::Object(usage)) = storage.get("usage") {
        vos.extend(usage.keys().map(|vo| short(vo).to_lowercase()));
    }
    let mut remarks = Vec::new();
    if vos.is_empty() {
        let words = name.split(|c: char| !c.is_ascii_alphanumeric());
        vos.extend(
            words
                .map(str::to_lowercase)
                .filter(|word| known_issuer(word).is_some()),
        );
        if !vos.is_empty() {
            remarks.push("no VO is told: this one is guessed from the name".into());
        }
    }
    vos.retain(|vo| !vo.is_empty());
    vos.sort_unstable();
    vos.dedup();
    let Some(known) = vos.iter().find_map(|vo| known_issuer(vo)) else {
        remarks.push(match vos.is_empty() {
            true => "no VO is told: name its issuer".into(),
            false => format!("the issuer of {} is not known here: name it", listed(&vos)),
        });
        return (None, remarks);
    };
    vos.retain(|vo| vo != known.0);
    if !vos.is_empty() {
        remarks.push(format!(
            "also for {}: an endpoint has one issuer",
            listed(&vos)
        ));
    }
    (Some(file.proposed(known)), remarks)
}

/// The first few.
fn listed(names: &[String]) -> String {
    let first = names.iter().take(LISTED).map(String::as_str);
    first.collect::<Vec<_>>().join(", ")
}

fn inactive(object: &Value) -> Option<&str> {
    text(object, "state").filter(|state| *state != "ACTIVE")
}
