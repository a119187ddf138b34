//! Which software answers, as far as its headers say.

use touchstone_model::excerpt;

/// Characters of a name that are kept.
const NAME: usize = 200;

/// Beginnings of names of headers, in lower case, by which software is told.
const MARKS: [(&str, &str); 7] = [
    // What Pelican's directors, origins and caches tell their clients.
    ("x-pelican-", "Pelican"),
    ("x-dcache", "dCache"),
    ("dcache", "dCache"),
    ("x-eos-", "EOS"),
    ("x-xrootd-", "XRootD"),
    ("x-storm-", "StoRM"),
    // Not whose it is, but its own word for it.
    ("x-storage", ""),
];

/// The software, by the `Server` header, and by others where a front of another make answers for it or none is there. Names of
/// `headers` are in lower case.
pub fn software(headers: &[(String, String)]) -> Option<String> {
    let mut servers = headers.iter().filter(|(name, _)| name == "server");
    let server = servers.find_map(|(_, value)| word(value));
    let told = headers.iter().find_map(|(name, value)| marked(name, value));
    let known = |told: &str| {
        let (name, _) = told.split_once('/').unwrap_or((told, ""));
        let name = name.to_lowercase();
        let server = server.as_deref().unwrap_or_default();
        server.to_lowercase().contains(&name)
    };
    match (told.filter(|told| !known(told)), server.clone()) {
        (Some(told), Some(server)) => Some(format!("{told} ({server})")),
        (Some(told), None) => Some(told),
        (None, server) => server,
    }
}

/// What a header beside `Server` says of the software.
fn marked(name: &str, value: &str) -> Option<String> {
    let (_, software) = MARKS.iter().find(|(mark, _)| name.starts_with(mark))?;
    let value = word(value);
    if software.is_empty() {
        // Other things are told by such names as well: sizes, addresses, switches.
        let named = |value: &String| {
            let begins = value.starts_with(|c: char| c.is_ascii_alphabetic());
            begins && (value.contains('/') || name.ends_with("software") || name.ends_with("name"))
        };
        return value.filter(named).filter(|value| !value.contains("://"));
    }
    let version = |value: &String| value.starts_with(|c: char| c.is_ascii_digit());
    let whole = |value: &String| {
        let start = value.get(..software.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(software))
    };
    Some(match value {
        Some(value) if whole(&value) => value,
        Some(value) if version(&value) && !value.contains(' ') => format!("{software}/{value}"),
        _ => (*software).to_owned(),
    })
}

/// Text that says something.
fn word(value: &str) -> Option<String> {
    let value = value.trim();
    (!value.is_empty()).then(|| excerpt(value, NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_is_told_by_server_and_by_others() {
        for (headers, told) in [
            (&[("server", "XrootD/v5.5.3")][..], Some("XrootD/v5.5.3")),
            (&[("date", "x")], None),
            (&[("server", " ")], None),
            // The first of several is the service itself.
            (
                &[("server", "StoRM-WebDAV/1.9"), ("server", "milton.io-3")],
                Some("StoRM-WebDAV/1.9"),
            ),
            (
                &[
                    ("server", "nginx/1.24"),
                    ("x-pelican-namespace", "namespace=/x"),
                ],
                Some("Pelican (nginx/1.24)"),
            ),
            (&[("x-pelican-authorization", "issuer=y")], Some("Pelican")),
            (
                &[("server", "Pelican/7.1"), ("x-pelican-broker", "z")],
                Some("Pelican/7.1"),
            ),
            (&[("dcache", "9.2.10")], Some("dCache/9.2.10")),
            (&[("x-dcache-version", "dCache/9.2")], Some("dCache/9.2")),
            (
                &[
                    ("x-storage-software", "ExampleStore/3"),
                    ("server", "envoy"),
                ],
                Some("ExampleStore/3 (envoy)"),
            ),
            (&[("x-storage-free", "1000")], None),
            (&[("x-storage-class", "STANDARD")], None),
            (&[("x-storage-url", "https://se.example.org/x")], None),
        ] {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(software(&headers).as_deref(), told, "{headers:?}");
        }
        let long = [("server".to_owned(), "x".repeat(10_000))];
        assert!(software(&long).is_some_and(|name| name.len() < 300));
    }
}
