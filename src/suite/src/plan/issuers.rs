//! Issuers as what is judged.

use std::sync::Arc;

use jiff::civil::Date;

use super::select::{Selection, SelectionError};
use super::{known_failure, needs};
use touchstone_model::{
    Account, Action, Case, CasePlan, Clause, ClientProof, ExchangeStep, Inventory, Issuer,
    IssuerExpectation, IssuerPlan, IssuerRequest, IssuerStep, IssuerVariable, Profile,
    RequestingClient, Script, SubjectToken,
};

/// The issuers that are judged, with their cases. `alone` says that nothing else is.
pub(super) fn plans(
    inventory: &Inventory,
    cases: &[&Arc<Case>],
    selection: &Selection,
    alone: bool,
    clauses: &[Clause],
    today: Date,
) -> Result<Vec<IssuerPlan>, SelectionError> {
    let cases: Vec<&Arc<Case>> = cases
        .iter()
        .copied()
        .filter(|case| !case.asks.is_empty())
        .collect();
    let chosen = selection.endpoints(inventory)?;
    let on_trial =
        |issuer: &Issuer| selection.on_trial.contains(&issuer.name) || selection.names(issuer);
    let concerned = |issuer: &Issuer| {
        let asked = alone || selection.issuers || issuer.subject.always;
        let of_endpoints = || {
            let mut names = chosen.iter().flat_map(|endpoint| endpoint.issuers());
            names.any(|name| name == issuer.name)
        };
        on_trial(issuer) || asked && (!selection.some_endpoints() || of_endpoints())
    };
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    let judged_by = |issuer: &Issuer| {
        let own = selection.profile.or(issuer.subject.profile);
        own.unwrap_or_default()
    };
    let plan = |issuer: &Arc<Issuer>| IssuerPlan {
        issuer: Arc::clone(issuer),
        profile: judged_by(issuer),
        cases: cases
            .iter()
            .map(|case| {
                let (known, expired) = known_failure(&issuer.known_failures, case, today);
                CasePlan {
                    case: Arc::clone(case),
                    partner: None,
                    known,
                    expired,
                    needs: Vec::new(),
                    action: action(issuer, judged_by(issuer), case, clauses, selection),
                }
            })
            .collect(),
    };
    let issuers = inventory.issuers.iter();
    Ok(issuers
        .filter(|issuer| concerned(issuer))
        .map(plan)
        .collect())
}

fn action(
    issuer: &Issuer,
    profile: Profile,
    case: &Case,
    clauses: &[Clause],
    selection: &Selection,
) -> Action {
    let lacking = needs::unasked(case, selection)
        .or_else(|| needs::other_time(profile, "issuer", case, clauses))
        .or_else(|| case.asks.iter().find_map(|ask| lacking(issuer, ask)));
    if let Some(reason) = lacking {
        return Action::Skip(reason);
    }
    let mut asks = case.asks.clone();
    for ask in &mut asks {
        let account = ask.what.asker().and_then(|asker| issuer.asker(asker));
        for text in ask.what.texts_mut() {
            match filled(issuer, account, text) {
                Ok(filled) => *text = filled,
                Err(reason) => return Action::Skip(reason),
            }
        }
    }
    Action::Run(Script {
        directories: Vec::new(),
        given: Vec::new(),
        steps: Vec::new(),
        asks,
    })
}

/// What keeps us from asking that, in words.
fn lacking(issuer: &Issuer, ask: &IssuerStep) -> Option<String> {
    let what = &ask.what;
    if let Some(asker) = what.asker() {
        let Some(account) = issuer.asker(asker) else {
            return Some(no_account(issuer, asker));
        };
        if what.proof() == ClientProof::Other && issuer.other_client(account).is_none() {
            let name = &issuer.name;
            return Some(format!(
                "needs a second client; give `{name}` a further account with `client-credentials`"
            ));
        }
    }
    if what.spends() && issuer.asker(RequestingClient::User).is_none() {
        return Some(no_account(issuer, RequestingClient::User));
    }
    if let IssuerRequest::Exchange(ExchangeStep {
        subject: SubjectToken::Expired,
        ..
    }) = what
        && issuer.test_keys.is_empty()
    {
        return Some(format!(
            "needs an expired token, which only a test issuer whose key we hold can make; give `test-key:` for `{}`",
            issuer.name
        ));
    }
    ask.expect.iter().find_map(|word| undeclared(issuer, *word))
}

fn no_account(issuer: &Issuer, asker: RequestingClient) -> String {
    let name = &issuer.name;
    match asker {
        RequestingClient::Client | RequestingClient::Member => format!(
            "needs a client of the issuer; give `client-credentials` for `{name}` below `issuers:`"
        ),
        RequestingClient::Narrow => format!(
            "needs a client that may not ask for everything; give `{name}` an account with `client-credentials` and `scopes: [\"storage.read:/path\"]`"
        ),
        RequestingClient::User => format!(
            "needs a login in a browser: `touchstone token login {name}`, and an account with `refresh-token` for it"
        ),
    }
}

/// What has to be said of the issuer for that word.
fn undeclared(issuer: &Issuer, word: IssuerExpectation) -> Option<String> {
    let subject = &issuer.subject;
    let missing = match word {
        IssuerExpectation::GroupsOfVo if subject.vo.is_none() => "vo: NAME",
        IssuerExpectation::GroupsAsAsked
        | IssuerExpectation::GroupsInOrder
        | IssuerExpectation::NoForeignGroups
            if subject.default_groups.is_empty() && subject.optional_groups.is_empty() =>
        {
            "default-groups: [/vo], optional-groups: [/vo/name]"
        }
        IssuerExpectation::SetComplete if subject.capability_sets.is_empty() => {
            "capability-sets: {/vo: [SCOPE, …]}"
        }
        _ => return None,
    };
    Some(unsaid(issuer, &format!("`{missing}`")))
}

fn unsaid(issuer: &Issuer, what: &str) -> String {
    format!(
        "nobody has said what is right here; write {what} below `issuers: {}: judge:`",
        issuer.name
    )
}

/// The text with what its variables stand for where `account` asks.
fn filled(issuer: &Issuer, account: Option<&Account>, text: &str) -> Result<String, String> {
    let mut filled = text.to_owned();
    for variable in IssuerVariable::ALL {
        let name = format!("{{{}}}", variable.name());
        if !filled.contains(&name) {
            continue;
        }
        let Some(value) = value(issuer, account, *variable) else {
            return Err(match variable {
                IssuerVariable::Scope | IssuerVariable::Scopes | IssuerVariable::OtherOperation => {
                    let name = account.map_or("", |account| account.name.as_str());
                    format!("the `scopes` of the account `{name}` name no storage scope")
                }
                IssuerVariable::Narrow | IssuerVariable::NarrowPath => {
                    no_account(issuer, RequestingClient::Narrow)
                }
                _ => unsaid(issuer, variable.lacking()),
            });
        };
        filled = filled.replace(&name, &value);
    }
    Ok(filled)
}

fn value(issuer: &Issuer, account: Option<&Account>, variable: IssuerVariable) -> Option<String> {
    let subject = &issuer.subject;
    let set = |at: usize| Some(subject.capability_sets.get(at)?.0.clone());
    let vo = || Some(subject.vo.as_ref()?.trim_start_matches('/').to_owned());
    let obtainable = |most: usize| {
        let mut scopes = account?.obtainable()?;
        scopes.truncate(most);
        Some(scopes.join(" "))
    };
    match variable {
        IssuerVariable::Scope => obtainable(1),
        IssuerVariable::Scopes => obtainable(3),
        IssuerVariable::OtherOperation => account?.other_operation(),
        IssuerVariable::Vo => vo(),
        IssuerVariable::VoCapitals => vo().map(|vo| vo.to_uppercase()),
        IssuerVariable::DefaultGroup => subject.default_groups.first().cloned(),
        IssuerVariable::OptionalGroup => subject.optional_groups.first().cloned(),
        IssuerVariable::OtherGroup => subject.optional_groups.get(1).cloned(),
        IssuerVariable::ForeignGroup => subject.foreign_group.clone(),
        IssuerVariable::Set => set(0),
        IssuerVariable::OtherSet => set(1),
        IssuerVariable::Narrow => {
            let (name, path) = issuer.asker(RequestingClient::Narrow)?.narrow()?;
            Some(format!("{name}:{}", path.trim_end_matches('/')))
        }
        IssuerVariable::NarrowPath => {
            let (_, path) = issuer.asker(RequestingClient::Narrow)?.narrow()?;
            Some(path.trim_end_matches('/').to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EMBEDDED;
    use crate::plan::{Material, plan};
    use touchstone_model::{Plan, RunId};

    /// Two issuers, of which one says that it is always judged.
    fn planned(cases: &[&str], issuers: bool) -> Plan {
        let catalogue = &*EMBEDDED;
        let mut always = Issuer::bare("always", "https://a.example.org/");
        always.subject.always = true;
        let asked = Issuer::bare("asked", "https://b.example.org/");
        let inventory = Inventory {
            downtimes: Vec::new(),
            issuers: vec![Arc::new(always), Arc::new(asked)],
            endpoints: Vec::new(),
        };
        let cases: Vec<String> = cases.iter().map(|case| (*case).to_owned()).collect();
        let mut selection = Selection::new(&[], &cases).unwrap();
        selection.issuers = issuers;
        let started = "2026-11-22T07:28:48Z".parse().unwrap();
        let material = Material {
            suites: &catalogue.suites,
            clauses: &catalogue.clauses.clone().into(),
        };
        let run = RunId::new(started, 1);
        plan(&inventory, &material, &selection, &run, started).unwrap()
    }

    fn names(plan: &Plan) -> Vec<String> {
        plan.rows().map(|row| row.name).collect()
    }

    #[test]
    fn issuers_are_judged_where_somebody_wants_it() {
        assert_eq!(names(&planned(&[], false)), ["issuer:always"]);
        assert_eq!(
            names(&planned(&[], true)),
            ["issuer:always", "issuer:asked"]
        );
        let alone = planned(&["issuer.keys.*"], false);
        assert_eq!(names(&alone), ["issuer:always", "issuer:asked"]);
        assert_eq!(names(&planned(&["path.*"], true)), [""; 0]);
        let row = alone.rows().next().unwrap();
        assert!(!row.kind.is_storage());
        assert!(row.cases.iter().all(|case| !case.case.asks.is_empty()));
    }

    #[test]
    fn without_an_account_only_what_is_published_is_judged() {
        let plan = planned(&["issuer.*"], true);
        for planned in &plan.issuers[1].cases {
            let published = planned
                .case
                .asks
                .iter()
                .all(|ask| ask.what.asker().is_none());
            match &planned.action {
                Action::Run(script) => assert!(published && !script.asks.is_empty()),
                Action::Skip(reason) => assert!(!published && !reason.is_empty()),
            }
        }
    }
}
