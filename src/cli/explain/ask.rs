//! One ask in words: what an issuer is asked, who asks, and what is right.

use std::fmt::Write;

use crate::model::{
    Ask, AskVariable, Asked, Asker, Bearer, Proof, Published, Revoked, Spare, Subject,
};

/// Appends what there is to say of `ask`.
pub(super) fn explain(text: &mut String, ask: &Ask) {
    let _ = writeln!(text, "  {}", title(&ask.what));
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "    {name:10}{value}");
    };
    if let Some(asker) = ask.what.asker() {
        row("asked by", who(asker));
    }
    if let Some(proof) = proof(ask.what.proof()) {
        row("client", proof);
    }
    if let Some(scope) = ask.what.scope() {
        row("scope", scope);
    }
    if !ask.what.audience().is_empty() {
        let name = match &ask.what {
            Asked::Token(token) if token.audience.is_empty() => "resource",
            _ => "audience",
        };
        row(name, &ask.what.audience().join(" "));
    }
    if let Asked::Token(token) = &ask.what {
        if let Some(grant) = &token.grant {
            row("grant", grant);
        }
        if token.get {
            row("method", "GET instead of POST");
        }
        if token.times > 1 {
            row("times", &token.times.to_string());
        }
    }
    if ask.optional {
        row("skipped", "where the issuer refuses it");
    }
    for word in &ask.expect {
        row("right", &format!("{} ({})", word.about(), word.as_str()));
    }
}

fn title(what: &Asked) -> String {
    let place = |which: &Published| match which {
        Published::Shared => String::new(),
        Published::Again(times) => format!(", {times} times anew"),
        Published::Inserted => {
            ", where well-known stands before the path of the issuer's URL".into()
        }
        Published::Authorization => ", as `oauth-authorization-server` of RFC 8414".into(),
        Published::Cleartext => ", by http without TLS".into(),
    };
    match what {
        Asked::Metadata(which) => format!("the metadata{}", place(which)),
        Asked::Keys(which) => format!("the key set{}", place(which)),
        Asked::Token(_) => "a token".into(),
        Asked::Exchange(exchange) => format!(
            "a token in exchange for {}",
            match exchange.subject {
                Subject::Last => "the one before",
                Subject::Tampered => "the one before, altered, with its old signature",
                Subject::UnknownKey => "the one before, signed with an unknown key",
                Subject::Foreign => "a token of another issuer",
                Subject::Expired => "the one before, long expired (needs `test-key:`)",
                Subject::RefreshToken => "a refresh token",
            }
        ),
        Asked::Refresh(refresh) => format!(
            "a token for {}",
            match refresh.token {
                Spare::Last => "a spare refresh token",
                Spare::Old => "the spare refresh token that was replaced",
            }
        ),
        Asked::Revoke(revoke) => format!(
            "the end of {}",
            match revoke.token {
                Revoked::Refresh => "a spare refresh token",
                Revoked::Unknown => "a text that is no token",
            }
        ),
        Asked::Userinfo(Bearer::Access) => "who the bearer of the access token is".into(),
        Asked::Userinfo(Bearer::Refresh) => "who the bearer of a refresh token is".into(),
        Asked::Device { .. } => "a login on another device".into(),
        Asked::Poll => "whether that login took place, which it did not".into(),
    }
}

fn who(asker: Asker) -> &'static str {
    match asker {
        Asker::Client => "the first account with client credentials",
        Asker::Narrow => {
            "the first account with client credentials that may not ask for everything"
        }
        Asker::User => "the account with a refresh token",
        Asker::Member => {
            "the account with a refresh token, or else the first with client credentials"
        }
    }
}

fn proof(proof: Proof) -> Option<&'static str> {
    match proof {
        Proof::Good => None,
        Proof::WrongSecret => Some("shows a secret that is none"),
        Proof::None => Some("shows no secret"),
        Proof::InQuery => Some("shows its secret in the query of the URL"),
        Proof::Other => Some("is another one than that of the account"),
    }
}

/// What the braces in `text` stand for.
pub(super) fn legend(text: &mut String) {
    let used = |variable: &&AskVariable| text.contains(&format!("{{{}}}", variable.name()));
    let used: Vec<_> = AskVariable::ALL.iter().filter(used).collect();
    if used.is_empty() {
        return;
    }
    text.push_str("\nWhat stands in braces\n");
    for variable in used {
        let name = format!("{{{}}}", variable.name());
        let _ = writeln!(text, "  {name:18} {}", variable.meaning());
    }
}
