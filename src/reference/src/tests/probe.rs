//! What the probes find out about faults.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::authorisation::{Operation, Question};
use super::super::faults::{Apply, Fault};
use super::super::issuer::IssuerRules;
use super::super::macaroons::MacaroonRules;
use super::super::path::WrittenPath;
use super::super::probe::{Hook, Sensitivity};
use super::super::rules::Rules;
use super::super::scope::Scope;
use super::super::tape::TapeRules;
use super::super::token::{Bearer, TokenRules};
use super::super::transfer::TransferRules;
use super::*;
use crate::faults;
use touchstone_model::{Groups, Method as Verb};

/// A faultless world in which these faults are asked beside.
async fn probed(faults: Vec<&'static Fault>) -> (World, Arc<Sensitivity>) {
    let sensitivity = Arc::new(Sensitivity::new(faults));
    let world = World::with_options(StorageOptions {
        probe: Some(Arc::clone(&sensitivity)),
        ..StorageOptions::default()
    });
    (world.await, sensitivity)
}

fn made(name: &'static str, apply: fn(&mut Rules)) -> &'static Fault {
    Box::leak(Box::new(Fault {
        name,
        about: "",
        clauses: &[],
        cases: &[],
        apply: Apply::Element(apply),
    }))
}

/// The faults that would have answered somebody otherwise.
fn found(sensitivity: &Sensitivity, agent: Option<&str>) -> Vec<&'static str> {
    let found = sensitivity.found().into_iter();
    let own = found.filter(|(other, _)| other.as_deref() == agent);
    own.flat_map(|(_, faults)| faults)
        .map(|fault| fault.name)
        .collect()
}

#[tokio::test]
async fn a_fault_is_found_where_it_answers_otherwise_and_nowhere_else() {
    let names = ["scope-prefix-match", "create-overwrites", "put-lies"];
    let faults = names.map(|name| fault(name).unwrap());
    let (world, sensitivity) = probed(faults.to_vec()).await;
    let get = async |path: &str, scope: &str, agent: &str| {
        let token = world.token(scope);
        let agent = format!("User-Agent: {agent}");
        world.send("GET", path, &token, &[&agent], "").await.status
    };
    // Below its scope all are of one mind, and beside it one is not.
    assert_eq!(get("/foobar/f", "storage.read:/foobar", "right").await, 404);
    assert_eq!(get("/foobar/f", "storage.read:/foo", "beside").await, 403);
    assert_eq!(found(&sensitivity, Some("right")), [""; 0]);
    assert_eq!(found(&sensitivity, Some("beside")), ["scope-prefix-match"]);
    assert_eq!(found(&sensitivity, None), [""; 0]);
}

#[tokio::test]
async fn what_would_be_written_counts_and_is_not_written() {
    let lies = fault("put-lies").unwrap();
    let (world, sensitivity) = probed(vec![lies]).await;
    for (scope, agent) in [("storage.create:/", "one"), ("storage.modify:/", "other")] {
        let token = world.token(scope);
        let agent = format!("User-Agent: {agent}");
        let path = format!("/{}", agent.len());
        let reply = world.send("PUT", &path, &token, &[&agent], "x").await;
        assert_eq!(reply.status, 201);
        assert_eq!(world.content(&path).await.as_deref(), Some("x"));
    }
    assert_eq!(found(&sensitivity, Some("one")), [""; 0]);
    assert_eq!(found(&sensitivity, Some("other")), ["put-lies"]);
}

#[tokio::test]
async fn what_cannot_be_asked_beside_counts_for_all_who_call_it() {
    let keeps = made("keeps", |rules| {
        rules.authenticate = |memory, _, verified| {
            if let Ok(bearer) = &verified {
                memory.tokens.insert(String::new(), bearer.clone());
            }
            verified
        }
    });
    let redeems = made("redeems", |rules| rules.redeems = |_, _, _| None);
    let value = made("value", |rules| rules.takes_parts = true);
    let (world, sensitivity) = probed(vec![keeps, redeems, value]).await;
    let token = world.token(OBSERVER);
    let send = async |method: &str, agent: &str, more: &str| {
        let agent = format!("User-Agent: {agent}");
        let headers = [agent.as_str(), more];
        world.send(method, "/f", &token, &headers, "x").await;
    };
    send("OPTIONS", "nobody", "X: y").await;
    send("PUT", "somebody", "X: y").await;
    send("PUT", "in parts", "Content-Range: bytes 0-0/1").await;
    assert_eq!(found(&sensitivity, Some("nobody")), [""; 0]);
    assert_eq!(found(&sensitivity, Some("somebody")), ["keeps"]);
    assert_eq!(found(&sensitivity, Some("in parts")), ["keeps", "value"]);
}

#[tokio::test]
async fn a_version_is_asked_with_its_own_rules_and_nested_hooks_count() {
    let nested = made("nested", |rules| rules.permits = |_, _| false);
    let never = made("never", |rules| rules.groups_permit = |_, _, _| false);
    let both = made("both", |rules| {
        rules.allows = |rules, bearer, groups, asked| {
            super::super::authorisation::allows(rules, bearer, groups, asked)
        };
        rules.covers = |_, _| false;
    });
    let (world, sensitivity) = probed(vec![nested, never, both]).await;
    let token = world.token("storage.read:/");
    world
        .send("GET", "/f", &token, &["User-Agent: a"], "")
        .await;
    assert_eq!(found(&sensitivity, Some("a")), ["nested", "both"]);
}

#[tokio::test]
async fn what_has_no_sender_is_found_for_nobody_in_particular() {
    let refuses = made("refuses", |rules| rules.allows = |_, _, _, _| false);
    let (world, sensitivity) = probed(vec![refuses]).await;
    // This client says nothing about itself.
    world.put("/f", "x").await;
    assert_eq!(found(&sensitivity, None), ["refuses"]);
    let token = world.token(OBSERVER);
    let two = ["User-Agent: a", "User-Agent: b"];
    world.send("GET", "/f", &token, &two, "").await;
    assert_eq!(sensitivity.found().len(), 1);
}

#[tokio::test]
async fn an_issuer_is_probed_as_well() {
    let names = [
        "issuer-tokens-by-get",
        "issuer-device-without-user-code",
        "put-lies",
    ];
    let faults = names.map(|name| fault(name).unwrap());
    let sensitivity = Arc::new(Sensitivity::new(faults.to_vec()));
    let authority = Authority::new().unwrap();
    let options = IssuerOptions {
        probe: Some(Arc::clone(&sensitivity)),
        ..IssuerOptions::default()
    };
    let issuer = ReferenceIssuer::start(&authority, options).await.unwrap();
    let client = server::client(authority.ca_pem()).unwrap();
    let url = format!("{}token", issuer.url());
    for (method, agent) in [(Method::GET, "get"), (Method::POST, "post")] {
        let request = client.request(method, &url).header("user-agent", agent);
        request.send().await.unwrap();
    }
    assert_eq!(found(&sensitivity, Some("get")), ["issuer-tokens-by-get"]);
    assert_eq!(found(&sensitivity, Some("post")), [""; 0]);
}

/// The decisions of these hooks in which two versions differ.
fn differing<R>(hooks: &[Hook<R>], one: &R, other: &R) -> Vec<(&'static str, &'static str)> {
    let differ = hooks.iter().filter(|hook| (hook.differs)(one, other));
    differ.map(|hook| (hook.kind, hook.name)).collect()
}

/// Those of all rules of a storage element.
fn of_element(right: &Rules, other: &Rules) -> Vec<(&'static str, &'static str)> {
    let token = |rules: &Rules| rules.tape.token.clone().unwrap_or(rules.token.clone());
    let mut found = differing(Rules::HOOKS, right, other);
    found.extend(differing(TokenRules::HOOKS, &right.token, &other.token));
    found.extend(differing(TokenRules::HOOKS, &token(right), &token(other)));
    found.extend(differing(TapeRules::HOOKS, &right.tape, &other.tape));
    let (one, two) = (&right.macaroons, &other.macaroons);
    found.extend(differing(MacaroonRules::HOOKS, one, two));
    let (one, two) = (&right.transfer, &other.transfer);
    found.extend(differing(TransferRules::HOOKS, one, two));
    found.extend(other.tape.audience.map(|_| ("ask", "audience")));
    found
}

#[test]
fn every_fault_replaces_a_decision_that_is_probed() {
    let (element, issuer) = (Rules::default(), IssuerRules::default());
    let mut kinds = BTreeSet::new();
    for fault in faults() {
        let found = if fault.of_issuer() {
            let mut version = issuer.clone();
            fault.apply_to_issuer(&mut version);
            differing(IssuerRules::HOOKS, &issuer, &version)
        } else {
            let mut version = element.clone();
            fault.apply(&mut version);
            of_element(&element, &version)
        };
        assert!((1..10).contains(&found.len()), "{}: {found:?}", fault.name);
        kinds.extend(found.into_iter().map(|(kind, _)| kind));
    }
    let all = [
        "ask", "count", "edit", "nested", "own", "pass", "remember", "value", "write",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}

/// `allows` gets the rules and could ask any of them; only three are compared on its behalf.
#[test]
fn who_is_given_the_rules_asks_no_others_than_those_that_are_named() {
    let mut asked = 0;
    for fault in faults().iter().filter(|fault| !fault.of_issuer()) {
        let mut rules = Rules::default();
        fault.apply(&mut rules);
        rules.audience_accepted = |_, _, _| unreachable!("audience_accepted");
        rules.act = |_, _, _| unreachable!("act");
        rules.on_outcome = |_, _| unreachable!("tell");
        rules.on_request = |_| unreachable!("hears");
        rules.method = |_| unreachable!("method");
        rules.request_path = |_, _| unreachable!("request_path");
        rules.within = |_, _| unreachable!("within");
        rules.authenticate = |_, _, _| unreachable!("admits");
        rules.speaks_for = |_, _, _, _| unreachable!("speaks_for");
        rules.uploading = |_, _| unreachable!("uploading");
        rules.broke_off = |_, _| unreachable!("broke_off");
        rules.on_response = |_, _| unreachable!("says");
        rules.redeems = |_, _, _| unreachable!("redeems");
        rules.token.scope = |_, _| unreachable!("token.scope");
        rules.macaroons.permits = |_, _| unreachable!("macaroons.permits");
        rules.transfer.needs = |_, _| unreachable!("transfer.needs");
        for scope in [
            "storage.read:/a",
            "storage.create:/a/b",
            "storage.modify:/",
            "",
        ] {
            for operation in [
                Operation::Create,
                Operation::Delete,
                Operation::List,
                Operation::MakeDirectory,
                Operation::Overwrite,
                Operation::Read,
                Operation::RenameDirectory,
                Operation::RenameFile,
                Operation::Stat,
            ] {
                let bearer = Bearer {
                    scope: Scope::parse(scope).unwrap(),
                    groups: vec!["/wlcg".into()],
                    ..Bearer::default()
                };
                let written = WrittenPath::parse("/a/b").unwrap();
                let question = Question {
                    operation,
                    method: Verb::Get,
                    path: &written.path,
                    directory: false,
                    made_with: None,
                    part: false,
                };
                (rules.allows)(&rules, &bearer, &Groups::default(), &question);
                asked += 1;
            }
        }
    }
    assert!(asked > 10_000, "{asked}");
}
