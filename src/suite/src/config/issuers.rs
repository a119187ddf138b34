//! The `issuers` of an inventory, and the one of the reference suite's file.

use std::sync::Arc;

use super::catalogue::Catalogue;
use super::{accounts, hosts, issuer_profile, known_failures, limits, paths, secrets};
use touchstone_model::{Issuer, IssuerLimits, IssuerSubject, SecretRef, TestKey};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};

pub(super) const BEFORE: [&str; 2] = ["url", "accounts"];
pub(super) const AFTER: [&str; 8] = [
    "environment",
    "test-key",
    "ca",
    "crl",
    "credential-hosts",
    "limits",
    "judge",
    "known-failures",
];
pub(super) const OAUTH_KEYS: [&str; 1] = ["token"];
pub(super) const OAUTH_TOKEN_KEYS: [&str; 1] = ["issuer"];
pub(super) const TEST_KEY_KEYS: [&str; 2] = ["file", "kid"];

/// Who issues tokens, and who does it for endpoints that name nobody.
#[derive(Default)]
pub(super) struct Issuers {
    pub all: Vec<Arc<Issuer>>,
    pub default: Option<String>,
    /// Every name, those of entries with problems as well.
    pub names: Vec<String>,
    /// Whether endpoints have to say which one they mean.
    pub open: bool,
}

/// Reads `issuers` and `oauth.token.issuer`.
pub(super) fn read(d: &mut Diagnostics<'_>, file: &Fields<'_>, catalogue: &Catalogue) -> Issuers {
    let mut issuers = Issuers::default();
    for entry in file
        .get("issuers")
        .and_then(|entry| entry.named(d))
        .unwrap_or_default()
    {
        issuers.names.push(entry.name.to_owned());
        issuers
            .all
            .extend(issuer(d, entry, catalogue).map(Arc::new));
    }
    if let [only] = issuers.names.as_slice() {
        issuers.default = Some(only.clone());
    }
    issuers.open = issuers.names.len() > 1 && file.get("oauth").is_none();
    if let Some((entry, url)) = reference_issuer(d, file) {
        let name = adopt(d, &mut issuers.all, entry, url);
        issuers.names.push(name.clone());
        issuers.default = Some(name);
    }
    issuers
}

fn issuer(d: &mut Diagnostics<'_>, entry: Entry<'_>, catalogue: &Catalogue) -> Option<Issuer> {
    let name = name(d, entry);
    let fields = entry.fields(
        d,
        "an issuer",
        &accounts::with(&BEFORE, &accounts::SOURCES, &AFTER),
    )?;
    let url = fields
        .require(d, "url")
        .and_then(|entry| issuer_url(d, entry));
    let accounts = accounts::read(d, &fields);
    let test_key = match fields.get("test-key") {
        Some(entry) => test_keys(d, entry),
        None => Some(Vec::new()),
    };
    let ca = secrets::trust(d, &fields);
    let credential_hosts = hosts::read(d, &fields, "credential-hosts");
    let limits = match fields.get("limits") {
        Some(entry) => limits::of_issuer(d, entry),
        None => Some(IssuerLimits::default()),
    };
    let subject = match fields.get("judge") {
        Some(entry) => issuer_profile::read(d, entry),
        None => Some(IssuerSubject::default()),
    };
    let known_failures = known_failures::read(d, &fields, known_failures::Of::Issuer, catalogue);
    Some(Issuer {
        name: name?,
        url: url?,
        accounts: accounts?,
        test_keys: test_key?,
        ca: ca?,
        credential_hosts,
        limits: limits?,
        subject: subject?,
        known_failures,
    })
}

/// The name of an issuer or endpoint, which reports and file names repeat.
pub(super) fn name(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let name = entry.name;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.len() <= 80
        && name.chars().all(legal)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
    {
        return Some(name.to_owned());
    }
    d.error(
        entry.key,
        format!("`{}` cannot be a name", name.escape_debug()),
    )
    .help("names have letters, digits, `.`, `_` and `-`, and at most 80 of them");
    None
}

fn issuer_url(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let text = entry.text(d)?;
    refused(d, entry, paths::issuer(text))
}

/// Makes a problem of a refusal; a URL with a user in it is not shown.
pub(super) fn refused<T>(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    result: Result<T, paths::Refusal>,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(refusal) => {
            // A user, a password or a query: tokens are put there.
            if entry
                .text(d)
                .is_some_and(|text| text.contains(['@', '?', '#']))
            {
                d.hide(entry.value);
                d.error(entry.key, format!("`{}`: {}", entry.name, refusal.message))
                    .help(refusal.help);
                return None;
            }
            let draft = d.error(entry.mark(), refusal.message);
            draft.help(refusal.help);
            if let Some(part) = refusal.part {
                draft.on(part);
            }
            None
        }
    }
}

/// One key, or a list of them.
fn test_keys(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Vec<TestKey>> {
    let keys: Vec<_> = entry
        .one_or_more()
        .into_iter()
        .map(|entry| test_key(d, entry))
        .collect();
    keys.into_iter().collect()
}

fn test_key(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<TestKey> {
    let fields = entry.fields(d, "`test-key`", &TEST_KEY_KEYS)?;
    let pem = fields
        .require(d, "file")
        .and_then(|entry| secrets::file(d, entry));
    let kid = match fields.get("kid") {
        Some(entry) => entry.text(d).map(|kid| Some(kid.to_owned())),
        None => Some(None),
    };
    Some(TestKey {
        pem: SecretRef::File(pem?),
        kid: kid?,
    })
}

/// `oauth.token.issuer`, as the reference suite's file has it.
fn reference_issuer<'n>(d: &mut Diagnostics<'_>, file: &Fields<'n>) -> Option<(Entry<'n>, String)> {
    let oauth = file.get("oauth")?.fields(d, "`oauth`", &OAUTH_KEYS)?;
    let token = oauth
        .get("token")?
        .fields(d, "`oauth.token`", &OAUTH_TOKEN_KEYS)?;
    let entry = token.get("issuer")?;
    Some((entry, issuer_url(d, entry)?))
}

/// The name of the issuer with that URL, which is added if nobody has described it.
fn adopt(
    d: &mut Diagnostics<'_>,
    all: &mut Vec<Arc<Issuer>>,
    entry: Entry<'_>,
    url: String,
) -> String {
    if let Some(issuer) = all.iter().find(|issuer| issuer.url == url) {
        return issuer.name.clone();
    }
    let bare = |url: &str| url.trim_end_matches('/').to_owned();
    if let Some(near) = all.iter().find(|issuer| bare(&issuer.url) == bare(&url)) {
        d.note(entry.mark(), format!("this differs from the URL of the issuer `{}` by a slash", near.name))
            .help("issuers are compared character by character; write both as the tokens have it in `iss`");
    }
    let host = url::Url::parse(&url)
        .ok()
        .and_then(|url| url.host_str().map(ToOwned::to_owned));
    let name = host
        .filter(|host| !all.iter().any(|issuer| issuer.name == *host))
        .unwrap_or_else(|| url.clone());
    all.push(Arc::new(Issuer::bare(name.clone(), url)));
    name
}
