//! Where an issuer's tokens come from: one key for each kind of source.

use std::path::PathBuf;

use super::issuers::{name, refused};
use super::{paths, secrets};
use touchstone_model::{
    Account, ClientAuthentication, MytokenRef, OAuthClient, SecretRef, TokenSource,
};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::tree::Kind;

/// The kinds of source, as keys of an issuer or of one of its accounts.
pub(super) const SOURCES: [&str; 10] = [
    "client-credentials",
    "refresh-token",
    "token-exchange",
    "oidc-agent",
    "bearer-token-discovery",
    "mytoken",
    "vault",
    "command",
    "token-env",
    "token-file",
];
pub(super) const CLIENT_KEYS: [&str; 8] = [
    "id",
    "id-env",
    "id-file",
    "secret-env",
    "secret-file",
    "key-file",
    "kid",
    "authentication",
];
/// The keys of an account beside its source.
pub(super) const ACCOUNT_KEYS: [&str; 3] = ["environment", "scopes", "groups"];
pub(super) const REFRESH_KEYS: [&str; 1] = ["file"];
pub(super) const EXCHANGE_KEYS: [&str; 2] = ["subject-env", "subject-file"];
pub(super) const AGENT_KEYS: [&str; 2] = ["account", "socket"];
pub(super) const MYTOKEN_KEYS: [&str; 3] = ["server", "mytoken-env", "mytoken-file"];
pub(super) const VAULT_KEYS: [&str; 5] = ["server", "issuer", "role", "credkey", "token-file"];

/// How a client authenticates, as the word says it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    Basic,
    Body,
    PrivateKeyJwt,
    None,
}

pub(super) const WAYS: [(&str, Way); 4] = [
    ("basic", Way::Basic),
    ("body", Way::Body),
    ("private-key-jwt", Way::PrivateKeyJwt),
    ("none", Way::None),
];

/// The accounts of an issuer: the one of its source key, or those below `accounts`.
pub(super) fn read(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Vec<Account>> {
    let single = fields.one_of(d, &SOURCES, false);
    if let (Some(entry), None) = (fields.get("environment"), &single) {
        d.error(entry.key, "`environment` stands beside no `command`")
            .help("it names the variables that the program of a `command` gets, and stands in the same account");
        return None;
    }
    match (fields.get("accounts"), single) {
        (None, None) => Some(Vec::new()),
        (None, Some(entry)) => source(d, fields, entry).map(|source| vec![Account::only(source)]),
        (Some(entry), Some(other)) => {
            let message = format!("`accounts` and `{}` exclude each other", other.name);
            d.error(entry.key, message)
                .help(format!("give `{}` a name below `accounts`", other.name));
            None
        }
        (Some(entry), None) => {
            let accounts: Vec<_> = entry
                .named(d)?
                .into_iter()
                .map(|entry| account(d, entry))
                .collect();
            accounts.into_iter().collect()
        }
    }
}

fn account(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Account> {
    let name = name(d, entry);
    let fields = entry.fields(d, "an account", &with(&[], &SOURCES, &ACCOUNT_KEYS))?;
    let source = fields
        .one_of(d, &SOURCES, true)
        .and_then(|entry| source(d, &fields, entry));
    let [scopes, groups] = ["scopes", "groups"].map(|key| match fields.get(key) {
        Some(entry) => texts(d, entry).map(Some),
        None => Some(None),
    });
    Some(Account {
        name: name?,
        source: source?,
        scopes: scopes?,
        groups: groups?,
    })
}

/// Keys together with those before and after them.
pub(super) fn with(
    before: &[&'static str],
    keys: &[&'static str],
    after: &[&'static str],
) -> Vec<&'static str> {
    [before, keys, after].concat()
}

/// A text or a list of them.
pub(super) fn texts(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Vec<String>> {
    let texts: Vec<_> = entry
        .one_or_more()
        .into_iter()
        .map(|item| item.text(d).map(ToOwned::to_owned))
        .collect();
    texts.into_iter().collect()
}

/// A source, with what stands beside it for a `command`.
fn source(d: &mut Diagnostics<'_>, beside: &Fields<'_>, entry: Entry<'_>) -> Option<TokenSource> {
    let environment = match beside.get("environment") {
        Some(other) if entry.name == "command" => secrets::variables(d, other)?,
        Some(other) => {
            d.error(
                other.key,
                format!("`{}` takes nothing from the environment", entry.name),
            )
            .help("`environment` names the variables that the program of a `command` gets");
            return None;
        }
        None => Vec::new(),
    };
    match entry.name {
        "client-credentials" => {
            let fields = mapping(d, entry, "`client-credentials`", &CLIENT_KEYS)?;
            client(d, &fields).map(TokenSource::ClientCredentials)
        }
        "refresh-token" => {
            let fields = mapping(
                d,
                entry,
                "`refresh-token`",
                &with(&REFRESH_KEYS, &CLIENT_KEYS, &[]),
            )?;
            let file = fields
                .require(d, "file")
                .and_then(|entry| secret_file(d, entry));
            Some(TokenSource::RefreshToken {
                client: client(d, &fields)?,
                file: file?,
            })
        }
        "token-exchange" => {
            let fields = mapping(
                d,
                entry,
                "`token-exchange`",
                &with(&EXCHANGE_KEYS, &CLIENT_KEYS, &[]),
            )?;
            let subject = fields
                .one_of(d, &EXCHANGE_KEYS, true)
                .and_then(|entry| secrets::of(d, entry));
            Some(TokenSource::TokenExchange {
                client: client(d, &fields)?,
                subject: subject?,
            })
        }
        "oidc-agent" => {
            let fields = mapping(d, entry, "`oidc-agent`", &AGENT_KEYS)?;
            let account = fields.get("account").map(|entry| entry.text(d));
            let socket = fields.get("socket").map(|entry| secrets::file(d, entry));
            Some(TokenSource::OidcAgent {
                account: given(account)?.map(ToOwned::to_owned),
                socket: given(socket)?,
            })
        }
        "bearer-token-discovery" => {
            if !matches!(entry.value.kind, Kind::Bool(_)) {
                d.hide(entry.value);
            }
            if entry.boolean(d)? {
                return Some(TokenSource::BearerDiscovery);
            }
            d.error(
                entry.mark(),
                "`bearer-token-discovery` is `true` or not there",
            );
            None
        }
        "mytoken" => {
            let fields = mapping(d, entry, "`mytoken`", &MYTOKEN_KEYS)?;
            let server = fields.require(d, "server").and_then(|entry| url(d, entry));
            let mytoken = fields
                .one_of(d, &["mytoken-env", "mytoken-file"], true)
                .and_then(|entry| secrets::of(d, entry));
            Some(TokenSource::Mytoken {
                server: server?,
                mytoken: match mytoken? {
                    SecretRef::File(path) => MytokenRef::File(path),
                    SecretRef::Env(name) => MytokenRef::Env(name),
                    SecretRef::Held(_) => return None,
                },
            })
        }
        "vault" => vault(d, entry),
        "command" => {
            let words = texts(d, entry)?;
            if words.iter().all(|word| !word.trim().is_empty()) && !words.is_empty() {
                return Some(TokenSource::Command { words, environment });
            }
            d.error(entry.mark(), "`command` has an empty word")
                .help("write the program and its arguments as a list; no shell reads them");
            None
        }
        _ => secrets::of(d, entry).map(|token| TokenSource::Given { token }),
    }
}

fn vault(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<TokenSource> {
    let fields = mapping(d, entry, "`vault`", &VAULT_KEYS)?;
    let server = fields.require(d, "server").and_then(|entry| url(d, entry));
    let issuer = fields
        .require(d, "issuer")
        .and_then(|entry| segment(d, entry));
    let role = fields.get("role").map(|entry| segment(d, entry));
    let credkey = fields.get("credkey").map(|entry| credkey(d, entry));
    let token = fields.get("token-file").map(|entry| secret_file(d, entry));
    Some(TokenSource::Vault {
        server: server?,
        issuer: issuer?,
        role: given(role)?.unwrap_or_else(|| "default".into()),
        credkey: given(credkey)?,
        token: given(token)?,
    })
}

/// The file of a secret. The secret itself, in its place, is not shown.
fn secret_file(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<PathBuf> {
    match secrets::of(d, entry)? {
        SecretRef::File(path) => Some(path),
        SecretRef::Env(_) | SecretRef::Held(_) => None,
    }
}

/// A word that becomes one component of a path in a URL.
fn segment(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let text = entry.text(d)?;
    let help = "it has letters, digits, `.`, `_`, `-` and `@`";
    path(d, entry, component(text), help)
}

/// The name of a credential in Vault: that of a robot has several components.
fn credkey(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let text = entry.text(d)?;
    let help = "it has letters, digits, `.`, `_`, `-`, `@`, and `/` between them";
    path(d, entry, text.split('/').all(component), help)
}

fn component(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._@".contains(c);
    !text.is_empty() && text.chars().all(legal) && text != "." && text != ".."
}

fn path(d: &mut Diagnostics<'_>, entry: Entry<'_>, fits: bool, help: &str) -> Option<String> {
    if fits {
        return entry.text(d).map(ToOwned::to_owned);
    }
    d.error(
        entry.mark(),
        format!("`{}` cannot stand in a path", entry.name),
    )
    .help(help);
    None
}

fn url(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let text = entry.text(d)?;
    refused(d, entry, paths::issuer(text))
}

/// What an optional key holds: `None` if it is there and wrong.
fn given<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        Some(value) => value.map(Some),
        None => Some(None),
    }
}

/// The keys of a source. What stands there instead of a mapping may be a secret, and is not shown.
fn mapping<'n>(
    d: &mut Diagnostics<'_>,
    entry: Entry<'n>,
    what: &'static str,
    keys: &[&'static str],
) -> Option<Fields<'n>> {
    if !matches!(entry.value.kind, Kind::Map(_)) {
        d.hide(entry.value);
    }
    entry.fields(d, what, keys)
}

fn client(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<OAuthClient> {
    let id = secrets::client_id(d, fields);
    let way = match fields.get("authentication") {
        Some(entry) => entry.word(d, &WAYS),
        None if fields.get("key-file").is_some() => Some(Way::PrivateKeyJwt),
        None => Some(Way::Basic),
    };
    let authentication = match way? {
        Way::Basic => secret(d, fields).map(ClientAuthentication::Basic),
        Way::Body => secret(d, fields).map(ClientAuthentication::Body),
        Way::PrivateKeyJwt => {
            let key = fields
                .require(d, "key-file")
                .and_then(|entry| secrets::file(d, entry));
            let kid = fields.get("kid").map(|entry| entry.text(d));
            match (key, given(kid)) {
                (Some(key), Some(kid)) => Some(ClientAuthentication::PrivateKeyJwt {
                    key: SecretRef::File(key),
                    kid: kid.map(ToOwned::to_owned),
                }),
                _ => None,
            }
        }
        Way::None => Some(ClientAuthentication::None),
    };
    unused(d, fields, way?);
    Some(OAuthClient {
        id: id?,
        authentication: authentication?,
    })
}

fn secret(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<SecretRef> {
    fields
        .one_of(d, &["secret-env", "secret-file"], true)
        .and_then(|entry| secrets::of(d, entry))
}

/// Says so if a secret or key is there which the authentication does not use.
fn unused(d: &mut Diagnostics<'_>, fields: &Fields<'_>, way: Way) {
    let keys: &[&str] = match way {
        Way::Basic | Way::Body => &["key-file", "kid"],
        Way::PrivateKeyJwt => &["secret-env", "secret-file"],
        Way::None => &["secret-env", "secret-file", "key-file", "kid"],
    };
    for entry in keys.iter().filter_map(|key| fields.get(key)) {
        d.error(
            entry.key,
            format!("`{}` is not used with this `authentication`", entry.name),
        )
        .help("`basic` and `body` take a secret, `private-key-jwt` a key, `none` neither");
    }
}
