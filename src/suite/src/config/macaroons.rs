//! Requests for macaroons, and the macaroons that later steps present.

use super::steps::template;
use touchstone_model::{
    Credential, Flavour, Interface, MacaroonRequest, Presented, Step, Tampering, TokenTemplate,
    Variable,
};
use touchstone_yaml::diagnostics::{Diagnostics, Mark};
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::tree::Kind;

/// The keys of a step that only a request for a macaroon has.
pub(super) const KEYS: [&str; 4] = ["activities", "validity", "caveats", "flavour"];
pub(super) const PRESENTED: [&str; 3] = ["macaroon", "add", "tamper"];
pub(super) const FLAVOURS: [(&str, Flavour); 2] =
    [("native", Flavour::Native), ("oauth", Flavour::Oauth)];
pub(super) const WHICH: [(&str, ()); 1] = [("last", ())];
/// What suites ask for where they do not say.
const VALIDITY: &str = "PT10M";

/// Reads what a step says of it.
pub(super) fn read(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<MacaroonRequest> {
    let activities = fields
        .get("activities")
        .map(|entry| each(d, entry, activity));
    let caveats = fields.get("caveats").map(|entry| each(d, entry, caveat));
    let validity = match fields.get("validity") {
        Some(entry) => plain(d, entry),
        None => Some(VALIDITY.to_owned()),
    };
    let flavour = match fields.get("flavour") {
        Some(entry) => entry.word(d, &FLAVOURS),
        None => Some(Flavour::Native),
    };
    let oauth = flavour == Some(Flavour::Oauth);
    if let Some(entry) = fields.get("caveats").or(fields.get("content"))
        && oauth
    {
        d.error(
            entry.key,
            format!("`flavour: oauth` has no `{}`", entry.name),
        )
        .help("its form names activities and the path in the scope");
    }
    if oauth && fields.get("activities").is_none() {
        d.error(fields.at, "`flavour: oauth` needs the key `activities`")
            .help("its form has no scope without them");
    }
    Some(MacaroonRequest {
        activities: activities.unwrap_or_else(|| Some(Vec::new()))?,
        validity: validity?,
        caveats: caveats.unwrap_or_else(|| Some(Vec::new()))?,
        flavour: flavour?,
    })
}

/// Complains of keys that only a request for a macaroon has, and of those that it cannot have.
pub(super) fn check_keys(d: &mut Diagnostics<'_>, fields: &Fields<'_>, wire: &[&str]) {
    if fields.get("macaroon").is_none() {
        for entry in KEYS.iter().filter_map(|key| fields.get(key)) {
            d.error(entry.key, format!("only `macaroon` has `{}`", entry.name));
        }
        return;
    }
    for entry in wire
        .iter()
        .chain(&["verb"])
        .filter_map(|key| fields.get(key))
    {
        d.error(entry.key, format!("`macaroon` has no `{}`", entry.name))
            .help("`content` and `headers` make odd requests");
    }
}

/// Whether a mapping is a macaroon and no token.
pub(super) fn is_one(entry: Entry<'_>) -> bool {
    let Kind::Map(entries) = &entry.value.kind else {
        return false;
    };
    entries.iter().any(|(key, _)| key.text == "macaroon")
}

/// Reads the macaroon that a step presents.
pub(super) fn presented(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
) -> Option<Credential<TokenTemplate>> {
    let fields = entry.fields(d, "a macaroon", &PRESENTED)?;
    let which = fields
        .require(d, "macaroon")
        .and_then(|entry| entry.word(d, &WHICH));
    let add = fields.get("add").map(|entry| each(d, entry, caveat));
    let tamper = fields.get("tamper").map(|entry| {
        let words = Tampering::ALL.map(|tampering| (tampering.as_str(), tampering));
        entry.word(d, &words)
    });
    which?;
    Some(Credential::Macaroon(Presented {
        add: add.unwrap_or_else(|| Some(Vec::new()))?,
        tamper: match tamper {
            Some(tamper) => Some(tamper?),
            None => None,
        },
    }))
}

/// Complains of steps that present a macaroon before one was asked for.
pub(super) fn check_order(d: &mut Diagnostics<'_>, steps: &[(Mark, Step)]) {
    let mut asked = false;
    for (mark, step) in steps {
        if matches!(step.token, Credential::Macaroon(_)) && !asked {
            d.error(*mark, "no earlier step asks for a macaroon")
                .help("add a step `macaroon: PATH` before it");
        }
        asked |= matches!(step.interface, Interface::Macaroons(_));
    }
}

fn each(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
    read: fn(&mut Diagnostics<'_>, Entry<'_>) -> Option<String>,
) -> Option<Vec<String>> {
    let items: Vec<_> = entry
        .items(d)?
        .into_iter()
        .map(|item| read(d, item))
        .collect();
    items.into_iter().collect()
}

fn activity(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let text = entry.text(d)?;
    let word = text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if !word {
        d.error(entry.mark(), format!("`{text}` is no activity"))
            .help("an activity is a word such as `DOWNLOAD`; odd ones stand in `caveats`");
    }
    word.then(|| text.to_owned())
}

/// Text with the variables that macaroons may need.
fn caveat(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    let text = plain(d, entry)?;
    let known = |variable| matches!(variable, Variable::Area | Variable::Dir);
    if !template(d, entry)?.variables().all(known) {
        d.error(entry.mark(), "this variable cannot stand in a caveat")
            .help("a path is `{area}{dir}/…`");
        return None;
    }
    Some(text)
}

/// Text that may be odd.
fn plain(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<String> {
    match &entry.value.kind {
        Kind::Text(text) => Some(text.clone()),
        _ => entry.text(d).map(ToOwned::to_owned),
    }
}
