//! By what a step is judged, where that is not the first clause of its case and its word alone.

use super::clauses::clause_id;
use super::steps::fits;
use touchstone_model::{
    Alteration, Alternative, ClauseId, Credential, Expect, Interface, Lapsing, Step, StepTerms,
};
use touchstone_yaml::diagnostics::{Diagnostics, Mark};
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::tree::Kind;

/// The keys of another outcome.
pub(super) const OR_KEYS: [&str; 2] = ["expect", "clause"];

/// How something is asked for with a token that is over.
pub(super) const LAPSES: [(&str, Lapsing); 2] =
    [("polled", Lapsing::Polled), ("once", Lapsing::Once)];

/// Reads them; whether they fit their case and its other steps is for [`check`].
pub(super) fn read(d: &mut Diagnostics<'_>, fields: &Fields<'_>) -> Option<StepTerms> {
    let clause = match fields.get("clause") {
        Some(entry) => Some(clause_id(d, entry)?),
        None => None,
    };
    let or = match fields.get("or") {
        Some(entry) => Some(alternative(d, entry)?),
        None => None,
    };
    let otherwise = fields.get("otherwise");
    let otherwise = otherwise.and_then(|entry| entry.boolean(d));
    let lapse = match fields.get("lapse") {
        Some(entry) => Some(entry.word(d, &LAPSES)?),
        None => None,
    };
    Some(StepTerms {
        clause,
        or,
        otherwise: otherwise.unwrap_or_default(),
        lapse,
    })
}

/// A word, or a word and the clause that this outcome breaks.
fn alternative(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<Alternative> {
    let words = Expect::ALL.map(|word| (word.as_str(), word));
    if let Kind::Text(_) = entry.value.kind {
        return Some(Alternative {
            expect: entry.word(d, &words)?,
            clause: None,
        });
    }
    let fields = entry.fields(d, "another outcome", &OR_KEYS)?;
    let expect = fields
        .require(d, "expect")
        .and_then(|entry| entry.word(d, &words));
    let clause = fields
        .require(d, "clause")
        .and_then(|entry| clause_id(d, entry));
    Some(Alternative {
        expect: expect?,
        clause: Some(clause?),
    })
}

/// Complains of terms that mean nothing in their case, whose clauses are `judged`.
pub(super) fn check(d: &mut Diagnostics<'_>, judged: &[ClauseId], steps: &[(Mark, Step)]) {
    for (mark, step) in steps {
        let or = step.terms.or.as_ref();
        let named = step
            .terms
            .clause
            .iter()
            .chain(or.and_then(|or| or.clause.as_ref()));
        for clause in named.filter(|clause| !judged.contains(clause)) {
            d.error(
                *mark,
                format!("the clause `{clause}` is none of those of the case"),
            )
            .help("add it to `clauses`");
        }
        if or.is_some() && step.interface != Interface::Webdav {
            d.error(*mark, "only a plain request has an `or`");
        } else if let Some(or) = or.filter(|or| !fits(or.expect, step.method)) {
            let method = step.method.as_str().to_lowercase();
            d.error(*mark, format!("`{method}` cannot be `{}`", or.expect));
        }
        if step.terms.lapse.is_some() && !ends(step) {
            d.error(*mark, "a step with `lapse` expects `unauthenticated`, with a token whose `exp` is some seconds from now")
                .help("it is asked for when that token is over");
        }
    }
    let mut other = false;
    for (mark, step) in steps {
        if step.terms.otherwise && !other {
            d.error(*mark, "`otherwise` follows a step with an `or`")
                .help("it is sent only where that step had its other outcome");
        }
        other = step.terms.or.is_some() || (other && step.terms.otherwise);
    }
}

/// Whether the step waits for the end of its token.
fn ends(step: &Step) -> bool {
    let token = match &step.token {
        Credential::Token(token) => token.claims.get("exp"),
        _ => None,
    };
    step.expect == Expect::Unauthenticated
        && matches!(token, Some(Alteration::FromNow(later)) if *later > 0)
}
