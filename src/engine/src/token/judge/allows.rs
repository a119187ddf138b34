use jiff::Timestamp;

use touchstone_model::{ANY_AUDIENCE, Profile};

use super::decode::Decoded;
use super::durations::{duration, moment};
use super::scope::{self, Scope};
use super::{Statement, StatementWeight, TokenKind, groups};

/// What a token allows, a phrase each.
pub(super) fn allows(
    token: &Decoded,
    kind: TokenKind,
    statements: &[Statement],
    now: Timestamp,
    profile: Profile,
) -> Vec<String> {
    let mut phrases = Vec::new();
    match kind {
        TokenKind::Id => {
            phrases.push("nothing at services: it tells a client who has logged in".to_owned());
            return phrases;
        }
        TokenKind::Refresh => {
            phrases.push(
                "to obtain access tokens from its issuer, with the client it was given to"
                    .to_owned(),
            );
            return phrases;
        }
        TokenKind::Mytoken => {
            phrases.push("to obtain access tokens from its mytoken server".to_owned());
            return phrases;
        }
        TokenKind::Wlcg | TokenKind::SciToken | TokenKind::Entitlements | TokenKind::Other => {}
    }
    let mut rights = rights(token, kind, profile);
    if rights.is_empty() {
        phrases.push(match kind {
            TokenKind::Entitlements => {
                "nothing by the profile; what a service gives for its entitlements, where one maps them"
            }
            _ => "nothing: it holds no capability and no group",
        }
        .to_owned());
        return phrases;
    }
    rights.push(at(token));
    rights.extend(until(token, now));
    if let Some(reason) = statements.iter().find(|statement| refused(statement, kind)) {
        phrases.push(format!(
            "nothing, as storage has to refuse it ({}); otherwise:",
            reason.wrong
        ));
    }
    phrases.extend(rights);
    phrases
}

/// Whether every service that follows the profile refuses a token with that.
fn refused(statement: &Statement, kind: TokenKind) -> bool {
    statement.weight == StatementWeight::Must
        && match statement.clause {
            Some(clause) => clause.starts_with("JWT-") || clause == "ISS-TOK-01",
            None => kind == TokenKind::SciToken,
        }
}

fn rights(token: &Decoded, kind: TokenKind, profile: Profile) -> Vec<String> {
    let mut rights = Vec::new();
    let mut add = |right: String| {
        if !rights.contains(&right) {
            rights.push(right);
        }
    };
    let scopes = scope::of(token);
    for scope in &scopes {
        match *scope {
            Scope::Storage(right, path) => add(storage(right, path, profile)),
            Scope::Compute(right) => add(compute(right).to_owned()),
            Scope::SciTokens(right, path) if kind == TokenKind::SciToken => {
                add(scitokens(right, path))
            }
            Scope::Host => add(format!(
                "to be recognised by its subject, {}, where a service was told to go by that (host.auth)",
                token.text("sub").unwrap_or("which is missing")
            )),
            _ => {}
        }
    }
    let metadata =
        |scope: &Scope<'_>| matches!(scope, Scope::Storage(right, _) if *right != "poll");
    if scopes.iter().any(metadata) {
        add("to see size, checksum and other metadata of what these paths cover".to_owned());
    }
    if scopes
        .iter()
        .any(|scope| matches!(scope, Scope::Storage(..)))
    {
        add(
            "all these paths start at the area that a storage element has for this issuer"
                .to_owned(),
        );
    }
    let members: Vec<&str> = token
        .list("wlcg.groups")
        .into_iter()
        .filter(|group| groups::well_formed(group))
        .collect();
    if !members.is_empty() {
        let ignored = scopes.iter().any(|scope| scope.capability());
        add(format!(
            "what a service gives to members of {}{}",
            members.join(", "),
            if ignored {
                ", if it does not know capabilities"
            } else {
                ""
            }
        ));
    }
    rights
}

fn storage(right: &str, path: &str, profile: Profile) -> String {
    let place = place(path);
    match right {
        "read" => format!("to read {place}"),
        "create" => format!(
            "to create files and directories {}, with those that lead there, and to rename files; replacing, changing and deleting take storage.modify",
            within(path)
        ),
        "modify" => format!(
            "to create, replace, change, rename and delete {place}; reading takes storage.read"
        ),
        "stage" if profile < Profile::V1_2 => {
            format!("to have {place} brought from tape, and to read it")
        }
        "stage" => format!("to have {place} brought from tape; reading takes storage.read"),
        _ => format!("to ask whether {place} is on disk or on tape, and nothing more"),
    }
}

/// What a scope path covers.
fn place(path: &str) -> String {
    match path {
        "/" => "everything".to_owned(),
        path if path.ends_with('/') => format!("everything below {path}"),
        path => format!("{path} and everything below it"),
    }
}

fn within(path: &str) -> String {
    match path {
        "/" => "anywhere".to_owned(),
        path if path.ends_with('/') => format!("below {path}"),
        path => format!("at and below {path}"),
    }
}

fn compute(right: &str) -> &'static str {
    match right {
        "read" => "to ask about jobs",
        "create" => "to submit jobs",
        "modify" => "to change jobs",
        _ => "to cancel jobs",
    }
}

fn scitokens(right: &str, path: Option<&str>) -> String {
    match (right, path) {
        ("read", path) => format!("to read {}", place(path.unwrap_or("/"))),
        ("write", path) => format!(
            "to create, replace and delete {}; reading takes the scope read",
            place(path.unwrap_or("/"))
        ),
        ("condor", Some(path)) => format!(
            "to use HTCondor daemons with the right {}",
            path.trim_start_matches('/')
        ),
        ("condor", None) => "to use HTCondor daemons".to_owned(),
        ("queue", _) => "to submit and manage jobs".to_owned(),
        (_, Some(path)) => format!("to run {path}"),
        (_, None) => "to run programs".to_owned(),
    }
}

/// Where.
fn at(token: &Decoded) -> String {
    let audiences = token.list("aud");
    if audiences.contains(&ANY_AUDIENCE) || audiences.contains(&"ANY") {
        return "at every service that trusts the issuer (its audience is any)".to_owned();
    }
    match audiences.as_slice() {
        [] => "at no service, as it has no audience".to_owned(),
        [one] => format!("only at the service that calls itself {one}"),
        some => format!(
            "only at the services that call themselves {}",
            some.join(" or ")
        ),
    }
}

/// For how long.
fn until(token: &Decoded, now: Timestamp) -> Option<String> {
    let exp = token.seconds("exp")?;
    let left = exp - now.as_second() as f64;
    let moment = moment(exp, now)?;
    Some(if left > 0.0 {
        let moment = moment.split(',').next().unwrap_or_default();
        format!("for another {}, until {moment}", duration(left))
    } else {
        format!("until {moment}")
    })
}
