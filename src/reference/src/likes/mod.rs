//! Imitations of real software: each a bundle of deviations, made from what that software was seen to do.
//!
//! A deviation is a fault of the list, or rules of the imitation's own where no fault does the same. What no fact tells
//! is as the embedded storage element does it.

mod storm;
mod xrootd;

use super::faults::{self, Apply, Fault};

/// An imitation of real software.
#[derive(Debug)]
pub struct Like {
    /// Its name, in kebab-case, with the version.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// Where its facts are from.
    pub source: &'static str,
    /// Whether it takes no other algorithm than RS256, so that an issuer has to sign with it.
    pub rs256: bool,
    /// Whether it issues macaroons for tokens.
    pub macaroons: bool,
    /// Whether it knows groups.
    pub groups: bool,
    /// Faults of the list, by name.
    faults: &'static [&'static str],
    /// What no fault of the list does.
    own: &'static [Fault],
}

impl Like {
    /// All of its deviations, in the order in which they add up.
    pub fn deviations(&self) -> Vec<&'static Fault> {
        let named = self.faults.iter().filter_map(|name| faults::fault(name));
        named.chain(self.own).collect()
    }
}

/// A deviation that is none of the list of faults.
const fn deviation(name: &'static str, about: &'static str, apply: Apply) -> Fault {
    Fault {
        name,
        about,
        clauses: &[],
        cases: &[],
        apply,
    }
}

/// Every imitation.
pub fn likes() -> &'static [Like] {
    const ALL: &[Like] = &[storm::LIKE, xrootd::LIKE_5, xrootd::LIKE_6];
    ALL
}

/// The imitation of that name.
pub fn like(name: &str) -> Option<&'static Like> {
    likes().iter().find(|like| like.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imitations_name_faults_that_exist_and_go_together() {
        for like in likes() {
            let missing: Vec<_> = like
                .faults
                .iter()
                .filter(|name| faults::fault(name).is_none())
                .collect();
            assert!(missing.is_empty(), "{}: {missing:?}", like.name);
            assert_eq!(faults::compatible(&like.deviations()), Ok(()));
            assert!(like.about.ends_with('.'), "{}", like.name);
            assert!(!like.source.is_empty(), "{}", like.name);
        }
    }

    #[test]
    fn each_imitation_is_found_by_its_name() {
        for one in likes() {
            let found = like(one.name).map(|found| found.about);
            assert_eq!(found, Some(one.about));
        }
        assert!(like("no-such-software").is_none());
    }
}
