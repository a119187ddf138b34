//! What an issuer's entry says of it as something to judge.

use super::accounts::texts;
use super::clauses;
use touchstone_model::IssuerSubject;
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::Entry;
use touchstone_yaml::tree::Kind;

pub(super) const KEYS: [&str; 7] = [
    "always",
    "profile",
    "vo",
    "default-groups",
    "optional-groups",
    "foreign-group",
    "capability-sets",
];

/// Reads `judge`: `true` for every run, or what is known of the issuer.
pub(super) fn read(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<IssuerSubject> {
    if !matches!(entry.value.kind, Kind::Map(_)) {
        let always = entry.boolean(d)?;
        return Some(IssuerSubject {
            always,
            ..IssuerSubject::default()
        });
    }
    let fields = entry.fields(d, "`judge`", &KEYS)?;
    let [vo, foreign_group] = ["vo", "foreign-group"].map(|key| {
        let text = fields.get(key).and_then(|entry| entry.text(d));
        text.map(ToOwned::to_owned)
    });
    let [default_groups, optional_groups] = ["default-groups", "optional-groups"].map(|key| {
        let texts = fields.get(key).and_then(|entry| texts(d, entry));
        texts.unwrap_or_default()
    });
    let sets = fields
        .get("capability-sets")
        .and_then(|entry| entry.named(d));
    let capability_sets = sets
        .into_iter()
        .flatten()
        .filter_map(|set| Some((set.name.to_owned(), texts(d, set)?)))
        .collect();
    let always = fields.get("always").and_then(|entry| entry.boolean(d));
    let profile = fields
        .get("profile")
        .map(|entry| clauses::profile(d, entry));
    // A problem ends the loading, so that what is used in a wrong value's place does not matter.
    Some(IssuerSubject {
        always: always.unwrap_or_default(),
        profile: profile.flatten(),
        vo,
        default_groups,
        optional_groups,
        foreign_group,
        capability_sets,
    })
}
