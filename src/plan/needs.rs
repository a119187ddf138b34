use crate::model::{
    ANY_AUDIENCE, Alteration, Arrangement, Audience, Case, Clause, Method, TokenTemplate, Variable,
};

use super::Site;

/// What keeps `case` from running at `site`, in words; inferred from what the case says.
pub(super) fn lacking(site: &Site<'_>, case: &Case, clauses: &[Clause]) -> Option<String> {
    too_new(site, case, clauses)
        .or_else(|| token_source(site, case))
        .or_else(|| traits(site, case))
}

fn too_new(site: &Site<'_>, case: &Case, clauses: &[Clause]) -> Option<String> {
    let first = case.clauses.first()?;
    let clause = clauses.iter().find(|clause| clause.id == *first)?;
    let since = clause.since.filter(|since| *since > site.profile)?;
    Some(format!(
        "{first} is a rule since profile {since}; the endpoint is judged by {}",
        site.profile
    ))
}

fn token_source(site: &Site<'_>, case: &Case) -> Option<String> {
    let Some(name) = &site.endpoint.issuer else {
        return Some("the endpoint has no issuer; name one with `issuer:` or --issuer".into());
    };
    let Some(issuer) = site.inventory.issuer(name) else {
        return Some(format!(
            "the issuer `{name}` is not defined below `issuers:`"
        ));
    };
    let abilities = issuer.abilities();
    if !abilities.any {
        return Some(format!(
            "no way to obtain tokens of the issuer `{name}`; give client-credentials, a token or a test-key below `issuers:`, or the flags of `touchstone run --help`"
        ));
    }
    let alters = |token: &TokenTemplate| !token.claims.is_empty();
    if !abilities.forge && tokens(case).any(alters) {
        let claims: Vec<_> = tokens(case)
            .flat_map(|token| &token.claims)
            .map(|(claim, alteration)| match alteration {
                Alteration::Remove => format!("without {claim}"),
                Alteration::FromNow(_) | Alteration::Value(_) => format!("with another {claim}"),
            })
            .collect();
        return Some(format!(
            "needs a token {}, which only a test issuer whose key we hold can make; give `test-key:` for `{name}`",
            claims.join(" and ")
        ));
    }
    None
}

fn traits(site: &Site<'_>, case: &Case) -> Option<String> {
    let traits = &site.endpoint.traits;
    let makes_directories = case
        .given
        .iter()
        .any(|given| matches!(given, Arrangement::Directory(_)))
        || case.steps.iter().any(|step| step.method == Method::Mkcol);
    if makes_directories && !traits.directories {
        return Some("the endpoint declares that it has no directories".into());
    }
    let grouped = |variable| {
        matches!(
            variable,
            Variable::Group | Variable::PrivilegedGroup | Variable::Protected
        )
    };
    if traits.groups.is_none() && variables(case).any(grouped) {
        return Some(
            "the endpoint declares no authorisation by group (`traits: {groups: …}`)".into(),
        );
    }
    if !traits.any_audience && tokens(case).any(names_everybody) {
        return Some(format!(
            "the endpoint declares that it does not accept the audience {ANY_AUDIENCE}"
        ));
    }
    None
}

fn names_everybody(token: &TokenTemplate) -> bool {
    match &token.audience {
        None => false,
        Some(Audience::One(one)) => one.to_string() == ANY_AUDIENCE,
        Some(Audience::Many(many)) => many.iter().any(|one| one.to_string() == ANY_AUDIENCE),
    }
}

fn tokens(case: &Case) -> impl Iterator<Item = &TokenTemplate> {
    case.steps
        .iter()
        .flat_map(|step| step.token.iter().chain(&step.control))
}

pub(super) fn variables(case: &Case) -> impl Iterator<Item = Variable> + '_ {
    let given = case.given.iter().flat_map(|given| given.path().variables());
    let paths = case
        .steps
        .iter()
        .flat_map(|step| std::iter::once(&step.path).chain(&step.destination))
        .flat_map(|path| path.variables());
    given
        .chain(paths)
        .chain(tokens(case).flat_map(|token| token.variables()))
}
