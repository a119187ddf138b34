use core::net::IpAddr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use globset::{Glob, GlobMatcher};
use thiserror::Error;

use touchstone_model::{
    Case, CaseId, Downtime, Endpoint, ISSUER, Inventory, Issuer, Mode, Profile,
};

use super::ShardPart;

/// Which part of the inventory and the suites to run, and how to judge.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    endpoints: Vec<GlobMatcher>,
    cases: Vec<GlobMatcher>,
    /// Judge by this version whatever the endpoints declare.
    pub profile: Option<Profile>,
    /// How missed clauses count.
    pub mode: Mode,
    /// Cases run that could hurt a service.
    pub intrusive: bool,
    /// Cases run that take long.
    pub slow: bool,
    /// Covers are left out.
    pub quick: bool,
    /// Cases run in an order of their own for each of these numbers.
    pub shuffle: Option<u64>,
    /// Our listener has a name under which every endpoint can reach it.
    pub listen: bool,
    /// Our own other side of transfers has a certificate that storage trusts.
    pub side: bool,
    /// Cases that have an endpoint ask itself at the loopback address of its machine run although it is there anyway: it knows
    /// better.
    pub itself: bool,
    /// The names of issuers that are judged whatever else is selected.
    pub on_trial: Vec<String>,
    /// The issuers are judged, whatever the file says of them.
    pub issuers: bool,
    /// Endpoints in one of these are left alone.
    pub downtimes: Vec<Downtime>,
    /// Every endpoint copies from and to every other one, in at most so many ordered pairs.
    pub pairs: Option<usize>,
    /// The addresses that are judged on their own, by the name of the endpoint whose host they belong to;
    /// an endpoint that has none here is judged as one.
    pub addresses: HashMap<String, Vec<IpAddr>>,
    /// Only one of several parts of all that.
    pub shard: Option<ShardPart>,
    /// The only cases at an endpoint of that name; of one that has none here, nothing is left out.
    pub chosen: HashMap<String, HashSet<CaseId>>,
}

/// Why nothing can be selected.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SelectionError {
    /// No pattern at all.
    #[error("`{0}` is no pattern: {1}")]
    Pattern(String, String),
    /// A pattern without a match.
    #[error("no {what} matches `{pattern}`")]
    Nothing {
        /// `endpoint`, `case` or `fault`.
        what: &'static str,
        /// What was asked for.
        pattern: String,
        /// What there is instead.
        names: Vec<String>,
    },
}

impl Selection {
    /// Reads the patterns: `*`, `?`, `[…]` and `{…,…}`; no pattern selects everything.
    ///
    /// # Errors
    /// The first pattern that is none.
    pub fn new(endpoints: &[String], cases: &[String]) -> Result<Self, SelectionError> {
        Ok(Self {
            endpoints: patterns(endpoints)?,
            cases: patterns(cases)?,
            ..Self::default()
        })
    }

    /// The endpoints that match, in the order of the inventory.
    ///
    /// # Errors
    /// A pattern without a match.
    pub fn endpoints<'a>(
        &self,
        inventory: &'a Inventory,
    ) -> Result<Vec<&'a Arc<Endpoint>>, SelectionError> {
        let endpoints = inventory.endpoints.iter();
        let names = endpoints.clone().map(|endpoint| endpoint.name.clone());
        let issuers = inventory.issuers.iter();
        let names: Vec<_> = names
            .chain(issuers.map(|issuer| format!("{ISSUER}{}", issuer.name)))
            .collect();
        let chosen: Vec<_> = names.iter().collect();
        let chosen = pick("endpoint", &self.endpoints, &chosen, String::as_str)?;
        Ok(endpoints
            .filter(|endpoint| chosen.contains(&&endpoint.name))
            .collect())
    }

    /// The endpoint, or one for each of its addresses.
    pub(super) fn at_each_address(&self, endpoint: &Arc<Endpoint>) -> Vec<Arc<Endpoint>> {
        match self.addresses.get(&endpoint.name).map(Vec::as_slice) {
            None | Some([]) => vec![Arc::clone(endpoint)],
            Some(addresses) => {
                let at = addresses.iter().map(|address| endpoint.at(*address));
                at.map(Arc::new).collect()
            }
        }
    }

    /// Whether the issuer was chosen by the name that it has in reports.
    pub(super) fn names(&self, issuer: &Issuer) -> bool {
        let name = format!("{ISSUER}{}", issuer.name);
        let about_issuers = |pattern: &&GlobMatcher| pattern.glob().glob().starts_with(ISSUER);
        let mut patterns = self.endpoints.iter().filter(about_issuers);
        patterns.any(|pattern| pattern.is_match(&name))
    }

    /// Whether somebody chose endpoints.
    pub(super) fn some_endpoints(&self) -> bool {
        !self.endpoints.is_empty()
    }

    pub(super) fn cases<'a>(
        &self,
        all: &[&'a Arc<Case>],
    ) -> Result<Vec<&'a Arc<Case>>, SelectionError> {
        pick("case", &self.cases, all, |case| case.id.as_str())
    }
}

/// Reads patterns, in the notation of [`Selection::new`].
///
/// # Errors
/// The first that is none.
pub fn patterns(texts: &[String]) -> Result<Vec<GlobMatcher>, SelectionError> {
    let read = |text: &String| {
        Glob::new(text)
            .map(|glob| glob.compile_matcher())
            .map_err(|error| SelectionError::Pattern(text.clone(), error.kind().to_string()))
    };
    texts.iter().map(read).collect()
}

/// Those of `all` whose name matches one of the patterns; without a pattern, all.
///
/// # Errors
/// A pattern without a match; `what` says of which things.
pub fn pick<'a, T>(
    what: &'static str,
    patterns: &[GlobMatcher],
    all: &[&'a T],
    name: impl Fn(&T) -> &str,
) -> Result<Vec<&'a T>, SelectionError> {
    for pattern in patterns {
        if !all.iter().any(|item| pattern.is_match(name(item))) {
            return Err(SelectionError::Nothing {
                what,
                pattern: pattern.glob().glob().to_owned(),
                names: all.iter().map(|item| name(item).to_owned()).collect(),
            });
        }
    }
    Ok(all
        .iter()
        .filter(|item| patterns.is_empty() || patterns.iter().any(|p| p.is_match(name(item))))
        .copied()
        .collect())
}
