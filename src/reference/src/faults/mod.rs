//! Named misbehaviours of the storage element and of the issuer: what the suite has to find.
//!
//! Each is as small as it can be, and leaves what the runner itself needs intact: tokens that may both
//! read and modify work, so that objects can be arranged and effects be seen.

mod aftermath;
mod audience;
mod authentication;
mod bearer;
mod capability;
mod claim;
mod connection;
mod content;
mod copy;
mod cover;
mod destination;
mod digest;
mod effect;
mod fetching;
mod form;
mod form_bearer;
mod form_signature;
mod form_spelling;
mod group;
mod isolation;
mod issuer_endpoint;
mod issuer_grant;
mod issuer_keys;
mod issuer_published;
mod issuer_scope;
mod issuer_token;
mod issuer_user;
mod lacking;
mod macaroon;
mod membership;
mod path;
mod reach;
mod reading;
mod rights;
mod scopes;
mod service;
mod signature;
mod special;
mod tape;
mod telling;
mod transfer_order;
mod transfer_report;
mod transfer_rights;
mod transfer_trust;
mod webdav;

use std::sync::LazyLock;

use super::issuer::IssuerRules;
use super::macaroons::MacaroonRules;
use super::probe::Excludes;
use super::rules::{Rules, Service};
use super::tape::TapeRules;
use super::transfer::TransferRules;
use cover::Overlooked;
use touchstone_model::{Case, Credential, Interface, Method};

/// One misbehaviour.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its name, in kebab-case.
    pub name: &'static str,
    /// What the storage element or the issuer does, in a sentence.
    pub about: &'static str,
    /// The clauses that it violates; none if the whole service is out of order.
    pub clauses: &'static [&'static str],
    /// The cases that fail because of it; none if the whole service is out of order.
    pub cases: &'static [&'static str],
    pub(super) apply: Apply,
}

/// The decisions that a fault replaces. One of a single interface disturbs nobody who does not use that
/// interface, whatever it does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Apply {
    /// Any.
    Element(fn(&mut Rules)),
    /// Those of the issuer.
    Issuer(fn(&mut IssuerRules)),
    /// Those about macaroons.
    Macaroons(fn(&mut MacaroonRules)),
    /// Those about tape.
    Tape(fn(&mut TapeRules)),
    /// Those about copies between servers.
    Transfer(fn(&mut TransferRules)),
    /// Those about one defect, in one operation.
    Overlooked(&'static Overlooked),
}

/// Faults of what most cases build on: that a good token is taken, that a change is made and kept, that
/// a refusal is one. Cases that judge something else fail on them as well.
const WIDE: &[&str] = &[
    "audience-any-refused",
    "create-lies",
    "create-refused",
    "create-stores-nothing",
    "denied-is-error",
    "denied-is-unauthenticated",
    "denied-leaks",
    "es256-refused",
    "head-refused",
    "head-wrong-length",
    "modify-needs-create",
    "put-lies",
    "put-never-creates",
    "put-truncates",
    "read-corrupts",
    "read-is-empty",
    "read-needs-modify",
    "read-stats-not",
    "root-scope-refused",
    "scope-covers-no-uploads",
    "scope-is-exact",
    "tpc-credential-none-refused",
    "tpc-pull-truncates",
    "writing-forbidden",
];

/// Faults that keep something from call to call beside what their hooks are given: what they answer depends on who
/// else has asked, and to ask them is not without effect.
const KEEPING: &[&str] = &[
    "issuer-token-id-counts",
    "issuer-token-id-returns",
    "signature-remembered",
];

impl Fault {
    /// Whether its hooks keep something from call to call beside what they are given.
    pub(super) fn keeps(&self) -> bool {
        KEEPING.contains(&self.name)
    }

    /// Whether cases that judge something else fail because of it as well.
    pub fn wide(&self) -> bool {
        WIDE.contains(&self.name)
    }

    /// Whether `case` uses what the fault is about. No other case can see it.
    pub fn concerns(&self, case: &Case) -> bool {
        if case.asks.is_empty() == self.of_issuer() {
            return false;
        }
        // A cover has faults of its own: what others change in it the lists show as well.
        if case.cover.is_some() && self.operation().is_none() {
            return false;
        }
        let mut steps = case.steps.iter();
        match self.apply {
            Apply::Element(_) | Apply::Issuer(_) => true,
            Apply::Overlooked(overlooked) => overlooked.concerns(case),
            Apply::Macaroons(_) => steps.any(|step| {
                matches!(step.interface, Interface::Macaroons(_))
                    || matches!(step.token, Credential::Macaroon(_))
            }),
            Apply::Tape(_) => steps.any(|step| matches!(step.interface, Interface::Tape(_))),
            Apply::Transfer(_) => steps.any(|step| step.method == Method::Copy),
        }
    }

    pub(super) fn apply(&self, rules: &mut Rules) {
        match self.apply {
            Apply::Element(apply) => apply(rules),
            Apply::Issuer(_) => {}
            Apply::Macaroons(apply) => apply(&mut rules.macaroons),
            Apply::Tape(apply) => apply(&mut rules.tape),
            Apply::Transfer(apply) => apply(&mut rules.transfer),
            Apply::Overlooked(overlooked) => overlooked.apply(rules),
        }
    }

    /// The only operation that it is about, where it is about one.
    pub(super) fn operation(&self) -> Option<&'static str> {
        match self.apply {
            Apply::Overlooked(overlooked) => Some(overlooked.operation()),
            _ => None,
        }
    }

    /// The suite, the cover, the row and the column that it is about, where it is about a cell.
    #[cfg(test)]
    fn cell(&self) -> Option<[&'static str; 4]> {
        match self.apply {
            Apply::Overlooked(one) => Some([
                one.suite,
                one.cover.unwrap_or_default(),
                one.row,
                one.column,
            ]),
            _ => None,
        }
    }

    /// Whether it is one of a service that does not look at requests at all.
    fn out_of_order(&self) -> bool {
        let mut rules = Rules::default();
        self.apply(&mut rules);
        rules.service != Service::Attentive
    }

    /// The decision of which it and another one want different things that do not go together.
    fn excludes(
        &self,
        other: &Self,
        element: &Rules,
        issuer: &IssuerRules,
    ) -> Option<&'static str> {
        let versions = [self, other].map(|fault| {
            let (mut rules, mut of_issuer) = (element.clone(), issuer.clone());
            fault.apply(&mut rules);
            fault.apply_to_issuer(&mut of_issuer);
            (rules, of_issuer)
        });
        let [(one, one_issuer), (two, two_issuer)] = &versions;
        let parts = [
            element.excluded(one, two),
            element.token.excluded(&one.token, &two.token),
            element.transfer.excluded(&one.transfer, &two.transfer),
            element.tape.excluded(&one.tape, &two.tape),
            element.macaroons.excluded(&one.macaroons, &two.macaroons),
            issuer.excluded(one_issuer, two_issuer),
        ];
        parts.into_iter().flatten().next()
    }

    /// Whether it is one of the issuer, and none of the storage element.
    pub fn of_issuer(&self) -> bool {
        matches!(self.apply, Apply::Issuer(_))
    }

    /// What it makes of an issuer; nothing if it is one of the storage element.
    pub(super) fn apply_to_issuer(&self, rules: &mut IssuerRules) {
        if let Apply::Issuer(apply) = self.apply {
            apply(rules);
        }
    }
}

/// Whether one service can have these faults at the same time: why not otherwise.
///
/// What a fault of the issuer and one of the storage element do has nothing to do with each other.
pub fn compatible(faults: &[&Fault]) -> Result<(), String> {
    let (element, issuer) = (Rules::default(), IssuerRules::default());
    for (at, one) in faults.iter().enumerate() {
        let beside = faults.iter().enumerate().filter(|(other, _)| *other != at);
        let mut beside = beside.map(|(other, fault)| (other, *fault));
        if one.out_of_order()
            && let Some((_, other)) = beside.clone().find(|(_, other)| !other.of_issuer())
        {
            return Err(format!(
                "`{}` puts the whole storage element out of order: nothing would be seen of `{}`",
                one.name, other.name
            ));
        }
        let later = beside.find_map(|(other, fault)| {
            let why = match one.name == fault.name {
                true => "the same twice".to_owned(),
                false => format!("both decide `{}`", one.excludes(fault, &element, &issuer)?),
            };
            (other > at).then_some((fault, why))
        });
        if let Some((other, why)) = later {
            return Err(format!(
                "`{}` and `{}` cannot be had together: {why}",
                one.name, other.name
            ));
        }
    }
    Ok(())
}

/// Every fault, by theme.
pub fn faults() -> &'static [Fault] {
    static ALL: LazyLock<Vec<Fault>> = LazyLock::new(|| {
        [
            audience::FAULTS,
            authentication::FAULTS,
            signature::FAULTS,
            fetching::FAULTS,
            capability::FAULTS,
            reading::FAULTS,
            effect::FAULTS,
            claim::FAULTS,
            rights::FAULTS,
            path::FAULTS,
            reach::FAULTS,
            group::FAULTS,
            bearer::FAULTS,
            connection::FAULTS,
            content::FAULTS,
            webdav::FAULTS,
            copy::FAULTS,
            destination::FAULTS,
            special::FAULTS,
            aftermath::FAULTS,
            digest::FAULTS,
            membership::FAULTS,
            isolation::FAULTS,
            tape::FAULTS,
            telling::FAULTS,
            macaroon::FAULTS,
            transfer_rights::FAULTS,
            transfer_order::FAULTS,
            transfer_trust::FAULTS,
            transfer_report::FAULTS,
            lacking::FAULTS,
            service::FAULTS,
            issuer_published::FAULTS,
            issuer_keys::FAULTS,
            issuer_token::FAULTS,
            issuer_scope::FAULTS,
            issuer_user::FAULTS,
            issuer_grant::FAULTS,
            issuer_endpoint::FAULTS,
            cover::FAULTS,
            form::FAULTS,
            form_signature::FAULTS,
            form_spelling::FAULTS,
            form_bearer::FAULTS,
            cover::CAPABILITIES,
            cover::ENDS,
            cover::SPELLINGS,
        ]
        .concat()
    });
    &ALL
}

/// The fault of that name.
pub fn fault(name: &str) -> Option<&'static Fault> {
    faults().iter().find(|fault| fault.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use touchstone_suite::config::{Catalogue, EMBEDDED};

    fn catalogue() -> &'static Catalogue {
        &EMBEDDED
    }

    #[test]
    fn names_are_kebab_case_and_unique() {
        let mut seen = BTreeSet::new();
        for fault in faults() {
            let word = |word: &str| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            };
            assert!(fault.name.split('-').all(word), "{}", fault.name);
            assert!(seen.insert(fault.name), "{} is there twice", fault.name);
            assert!(fault.about.ends_with('.'), "{}", fault.name);
        }
    }

    #[test]
    fn faults_name_cases_and_clauses_that_exist() {
        let catalogue = catalogue();
        for fault in faults() {
            for id in fault.cases {
                let found = catalogue.cases().any(|case| case.id.as_str() == *id);
                assert!(found, "{}: {id}", fault.name);
            }
            for id in fault.clauses {
                let mut clauses = catalogue.clauses.iter();
                let found = clauses.any(|clause| clause.id.as_str() == *id);
                assert!(found, "{}: {id}", fault.name);
            }
            assert_eq!(
                fault.cases.is_empty(),
                fault.clauses.is_empty(),
                "{}",
                fault.name
            );
        }
    }

    #[test]
    fn faults_with_something_special_exist() {
        let named = WIDE.iter().chain(KEEPING);
        let missing: Vec<_> = named.filter(|name| fault(name).is_none()).collect();
        assert_eq!(missing, Vec::<&&str>::new());
    }

    /// Whoever adds another one has to add its fault to those that keep something.
    #[test]
    fn nothing_else_is_kept() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/faults");
        let (mut folders, mut kept) = (vec![folder.into()], Vec::new());
        let files = std::iter::from_fn(|| {
            let folder: std::path::PathBuf = folders.pop()?;
            let paths = std::fs::read_dir(folder).unwrap();
            let paths = paths.map(|entry| entry.unwrap().path());
            let (inner, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
            folders.extend(inner);
            Some(files)
        });
        for file in files.flatten() {
            let text = std::fs::read_to_string(file).unwrap();
            let names = text.lines().filter_map(|line| {
                let (name, _) = line.trim().strip_prefix("static ")?.split_once(':')?;
                Some(name.to_owned())
            });
            kept.extend(names);
        }
        kept.sort();
        assert_eq!(kept, ["ALL", "KNOWN", "TOKENS"]);
    }

    #[test]
    fn every_case_has_a_fault() {
        let caught: BTreeSet<&str> = faults()
            .iter()
            .flat_map(|fault| fault.cases)
            .copied()
            .collect();
        let catalogue = catalogue();
        let listed = catalogue.cases().filter(|case| case.cover.is_none());
        let cases: BTreeSet<&str> = listed.map(|case| case.id.as_str()).collect();
        let missed: Vec<_> = cases.difference(&caught).collect();
        assert!(!cases.is_empty() && missed.is_empty(), "{missed:?}");
    }

    #[test]
    fn every_row_and_every_column_of_a_cover_has_a_fault() {
        let catalogue = catalogue();
        let overlooked = || faults().iter().filter_map(Fault::cell);
        // Of some suites each cover has faults of its own, with names that other covers have too.
        let several: BTreeSet<&str> = overlooked()
            .filter(|[_, cover, ..]| !cover.is_empty())
            .map(|[suite, ..]| suite)
            .collect();
        let cells = catalogue.cases().filter_map(|case| {
            let cell = case.cover.as_ref()?;
            let cover = match several.contains(case.suite.as_str()) {
                true => cell.cover.as_str(),
                false => "",
            };
            Some([case.suite.as_str(), cover, &cell.row, &cell.column])
        });
        assert_eq!(parts(cells), parts(overlooked()));
    }

    /// The rows and the columns of cells, each with its suite and its cover.
    fn parts<'a>(cells: impl Iterator<Item = [&'a str; 4]>) -> BTreeSet<[&'a str; 4]> {
        let parts = cells.flat_map(|[suite, cover, row, column]| {
            [[suite, cover, "row", row], [suite, cover, "column", column]]
        });
        parts.collect()
    }

    #[test]
    fn every_clause_that_a_case_cites_has_a_fault() {
        let catalogue = catalogue();
        let broken: BTreeSet<&str> = faults()
            .iter()
            .flat_map(|fault| fault.clauses)
            .copied()
            .collect();
        let cited: BTreeSet<&str> = catalogue
            .cases()
            .flat_map(|case| &case.clauses)
            .map(|clause| clause.as_str())
            .collect();
        let whole: Vec<_> = cited.difference(&broken).collect();
        assert!(whole.is_empty(), "no fault breaks {whole:?}");
    }

    #[test]
    fn each_fault_is_found_by_its_name() {
        assert!(
            faults()
                .iter()
                .all(|one| fault(one.name).is_some_and(|found| found.about == one.about))
        );
        assert!(fault("no-such-fault").is_none());
    }
}
