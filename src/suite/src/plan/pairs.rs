//! Who copies from and to whom.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use touchstone_model::{Case, CopySide, Endpoint, Inventory, PairCounts};

use super::{Selection, needs};

/// Whether `case` copies between two endpoints.
pub(super) fn about(case: &Case) -> bool {
    needs::sides(case).any(|side| *side == CopySide::Partner)
}

/// The ordered pairs of a run of all with all, by name, at most as many as the selection allows; those
/// are a sample that depends on `seed`.
pub(super) fn all(
    inventory: &Inventory,
    endpoints: &[&Arc<Endpoint>],
    selection: &Selection,
    seed: &str,
) -> (Vec<(String, String)>, PairCounts) {
    let can = |endpoint: &&Arc<Endpoint>| {
        endpoint.traits.third_party_copy && endpoint.traits.read_only.is_none()
    };
    let able: Vec<_> = endpoints.iter().copied().filter(can).collect();
    let mut pairs: Vec<(String, String)> = able
        .iter()
        .flat_map(|one| able.iter().map(move |other| (one, other)))
        .filter(|(one, other)| one.name != other.name)
        .map(|(one, other)| (one.name.clone(), other.name.clone()))
        .collect();
    let of = pairs.len();
    let most = selection.pairs.unwrap_or(of);
    if of > most {
        pairs.sort_by_cached_key(|(one, other)| {
            let mut hasher = DefaultHasher::new();
            (seed, one, other).hash(&mut hasher);
            hasher.finish()
        });
        pairs.truncate(most);
        let place = |name: &str| {
            let mut all = inventory.endpoints.iter();
            all.position(|endpoint| endpoint.name == name)
        };
        pairs.sort_by_cached_key(|(one, other)| (place(one), place(other)));
    }
    let counted = PairCounts {
        tried: pairs.len(),
        of,
    };
    (pairs, counted)
}
