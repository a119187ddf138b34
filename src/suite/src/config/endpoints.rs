//! The `endpoints` of an inventory.

use super::catalogue::Catalogue;
use super::issuers::{Issuers, name, refused};
use super::{
    accounts, clauses, hosts, known_failures, limits, paths, read_only, secrets, tape_area,
};
use touchstone_model::{Ability, Endpoint, Groups, Limits, SecondArea, Traits};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::suggestions::{listed, suggestion};
use touchstone_yaml::tree::Kind;

pub(super) const KEYS: &[&str] = &[
    "desc",
    "type",
    "endpoint",
    "paths",
    "issuer",
    "area",
    "ca",
    "crl",
    "profile",
    "audience",
    "traits",
    "known-failures",
    "second",
    "limits",
    "tpc-partner",
    "fresh-tokens",
    "redirect-hosts",
];
pub(super) const TRAIT_KEYS: &[&str] = &[
    "directories",
    "any-audience",
    "groups",
    "third-party-copy",
    "tape",
    "macaroons",
    "read-only",
    "move",
    "propfind",
    "digests",
    "public-read",
];
pub(super) const GROUP_KEYS: [&str; 3] = ["member", "privileged", "protected"];
pub(super) const SECOND_KEYS: [&str; 2] = ["path", "issuer"];

/// The area that is meant where nothing is said: the reference suite's.
const USUAL_AREA: &str = "wlcg";

/// Rows of the table that are no endpoints.
pub(super) const TAGS: [&str; 2] = ["critical", "not-critical"];

/// Reads one endpoint.
pub(super) fn read(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    names: &[&str],
    issuers: &Issuers,
    catalogue: &Catalogue,
) -> Option<Endpoint> {
    let name = name(d, entry).filter(|name| {
        let free = !TAGS.contains(&name.as_str());
        if !free {
            d.error(entry.key, format!("`{name}` is a row of the table already"))
                .help("give the endpoint another name");
        }
        free
    });
    let fields = entry.fields(d, "an endpoint", KEYS)?;
    let url = fields.require(d, "endpoint").and_then(|entry| {
        let text = entry.text(d)?;
        refused(d, entry, paths::endpoint_url(text))
    });
    let area = area(d, &fields);
    let issuer = issuer(d, &fields, issuers);
    let ca = secrets::trust(d, &fields);
    let profile = fields
        .get("profile")
        .map(|entry| clauses::profile(d, entry));
    let audience = fields.get("audience").map(|entry| audiences(d, entry));
    let traits = traits(d, &fields);
    let second = second(d, &fields, issuers);
    let known_failures = known_failures::read(d, &fields, known_failures::Of::Endpoint, catalogue);
    let limits = match fields.get("limits") {
        Some(entry) => limits::read(d, entry),
        None => Some(Limits::default()),
    };
    let tpc_partner = fields
        .get("tpc-partner")
        .map(|entry| partner(d, entry, names));
    let fresh_tokens = fields
        .get("fresh-tokens")
        .and_then(|entry| entry.boolean(d));
    let redirect_hosts = hosts::read(d, &fields, "redirect-hosts");
    Some(Endpoint {
        name: name?,
        description: remark(d, &fields, "desc"),
        software: remark(d, &fields, "type"),
        url: url?,
        area: area?,
        issuer: issuer?,
        ca: ca?,
        profile: profile.flatten(),
        audience: audience.flatten(),
        traits: traits?,
        known_failures,
        second: second?,
        limits: limits?,
        tpc_partner: tpc_partner.flatten(),
        fresh_tokens: fresh_tokens.unwrap_or_default(),
        redirect_hosts,
        address: None,
    })
}

/// One of the endpoints of the file; it may be the endpoint itself.
fn partner(d: &mut Diagnostics<'_>, entry: Entry<'_>, names: &[&str]) -> Option<String> {
    let name = entry.text(d)?;
    if names.contains(&name) {
        return Some(name.to_owned());
    }
    let draft = d.error(entry.mark(), format!("there is no endpoint `{name}`"));
    if let Some(help) = suggestion(name, names.iter().copied()) {
        draft.help(help);
    }
    None
}

/// One audience, or several by which it is known.
fn audiences(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Vec<String>> {
    let audiences = accounts::texts(d, entry)?;
    if audiences.is_empty() {
        d.error(entry.mark(), "`audience` is an empty list")
            .help("name at least one, or leave `audience` out");
        return None;
    }
    Some(audiences)
}

/// Text that may be missing or empty, as files of the reference suite have it.
fn remark(d: &mut Diagnostics<'_>, fields: &Fields<'_>, name: &str) -> Option<String> {
    let entry = fields.get(name).filter(|entry| !entry.is_null())?;
    entry.text(d).map(ToOwned::to_owned)
}

/// The area that is meant of those under `paths`.
fn area(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<String> {
    let areas = fields.require(d, "paths")?;
    let areas: Vec<(Entry<'_>, Option<String>)> = areas
        .named(d)?
        .into_iter()
        .map(|entry| {
            let path = entry
                .text(d)
                .and_then(|text| refused(d, entry, paths::area(text)));
            (entry, path)
        })
        .collect();
    let names: Vec<&str> = areas.iter().map(|(entry, _)| entry.name).collect();
    let chosen = |name: &str| areas.iter().find(|(entry, _)| entry.name == name);
    let found = match fields.get("area") {
        Some(entry) => {
            let name = entry.text(d)?;
            let found = chosen(name);
            if found.is_none() {
                let draft = d.error(entry.mark(), format!("`paths` has no `{name}`"));
                if let Some(help) = suggestion(name, names) {
                    draft.help(help);
                }
            }
            found
        }
        None => {
            let found = chosen(USUAL_AREA).or(match areas.as_slice() {
                [only] => Some(only),
                _ => None,
            });
            if found.is_none() && !fields.misspelt("area") {
                let at = fields.get("paths").map_or(fields.at, |entry| entry.key);
                let draft = d.error(at, "it is open which of `paths` is meant");
                match names.as_slice() {
                    [] => draft.help("name one, such as `wlcg: /wlcg`"),
                    names => draft.help(format!("say so with `area`; there is {}", listed(names))),
                };
            }
            found
        }
    };
    found.and_then(|(_, path)| path.clone())
}

fn issuer(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    issuers: &Issuers,
) -> Option<Option<String>> {
    let names: Vec<&str> = issuers.names.iter().map(String::as_str).collect();
    let Some(entry) = fields.get("issuer") else {
        if issuers.open && !fields.misspelt("issuer") {
            d.error(fields.at, "it is open which issuer is meant")
                .help(format!("say so with `issuer`; there is {}", listed(&names)));
            return None;
        }
        return Some(issuers.default.clone());
    };
    let name = entry.text(d)?;
    if !names.contains(&name) {
        let draft = d.error(entry.mark(), format!("there is no issuer `{name}`"));
        match suggestion(name, names) {
            Some(help) => draft.help(help),
            None => draft.help("describe it under `issuers`"),
        };
        return None;
    }
    Some(Some(name.to_owned()))
}

/// The area of another VO, if one is named.
fn second(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    issuers: &Issuers,
) -> Option<Option<SecondArea>> {
    let Some(entry) = fields.get("second") else {
        return Some(None);
    };
    let fields = entry.fields(d, "`second`", &SECOND_KEYS)?;
    let path = fields.require(d, "path").and_then(|entry| {
        let text = entry.text(d)?;
        refused(d, entry, paths::area(text))
    });
    fields.require(d, "issuer")?;
    let issuer = issuer(d, &fields, issuers)?;
    Some(Some(SecondArea {
        path: path?,
        issuer: issuer?,
    }))
}

fn traits(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<Traits> {
    let usual = Traits {
        groups: Some(Groups::default()),
        ..Traits::default()
    };
    let Some(entry) = fields.get("traits") else {
        return Some(usual);
    };
    let fields = entry.fields(d, "`traits`", TRAIT_KEYS)?;
    let mut flag = |name: &str, usual: bool| {
        let entry = fields.get(name);
        entry.and_then(|entry| entry.boolean(d)).unwrap_or(usual)
    };
    let [directories, any_audience, third_party_copy, macaroons] = [
        flag("directories", usual.directories),
        flag("any-audience", usual.any_audience),
        flag("third-party-copy", usual.third_party_copy),
        flag("macaroons", usual.macaroons),
    ];
    let [moves, propfind, digests, public_read] = [
        flag("move", usual.moves),
        flag("propfind", usual.propfind),
        flag("digests", usual.digests),
        flag("public-read", usual.public_read),
    ];
    let tape = match fields.get("tape") {
        Some(entry) => tape_area::read(d, entry),
        None => Some(usual.tape),
    };
    let denies = |ability: &Ability| {
        let entry = fields.get(ability.key());
        entry.is_some_and(|entry| entry.value.kind == Kind::Bool(false))
    };
    let denied = Ability::ALL.into_iter().filter(denies).collect();
    Some(Traits {
        denied,
        directories,
        any_audience,
        third_party_copy,
        macaroons,
        moves,
        propfind,
        digests,
        public_read,
        groups: match fields.get("groups") {
            Some(entry) => groups(d, entry)?,
            None => usual.groups,
        },
        tape: tape?,
        read_only: match fields.get("read-only") {
            Some(entry) => read_only::read(d, entry)?,
            None => usual.read_only,
        },
    })
}

fn groups(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Option<Groups>> {
    match entry.value.kind {
        Kind::Bool(false) => return Some(None),
        Kind::Map(_) => {}
        _ => {
            d.error(entry.mark(), "`groups`: expected `false` or a mapping")
                .help(format!("the mapping has the keys {}", listed(&GROUP_KEYS)));
            return None;
        }
    }
    let fields = entry.fields(d, "`groups`", &GROUP_KEYS)?;
    let usual = Groups::default();
    let protected = fields.get("protected").and_then(|entry| {
        let text = entry.text(d)?;
        let path = refused(d, entry, paths::area(text))?;
        if path.is_empty() {
            d.error(entry.mark(), "the protected path cannot be the whole area");
        }
        Some(path)
    });
    Some(Some(Groups {
        member: group(d, &fields, "member").unwrap_or(usual.member),
        privileged: group(d, &fields, "privileged").unwrap_or(usual.privileged),
        protected: protected.unwrap_or(usual.protected),
    }))
}

fn group(d: &mut Diagnostics<'_>, fields: &Fields<'_>, name: &str) -> Option<String> {
    let entry = fields.get(name)?;
    let text = entry.text(d)?;
    if !text.starts_with('/') || text.contains(char::is_whitespace) {
        d.error(
            entry.mark(),
            "a group starts with a slash and has no spaces",
        )
        .help("write it as tokens have it in `wlcg.groups`, such as `/wlcg/test`");
        return None;
    }
    Some(text.to_owned())
}
