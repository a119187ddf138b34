//! One ask in words: what an issuer is asked, who asks, and what is right.

use std::fmt::Write;

use touchstone_model::{
    ClientProof, IssuerRequest, IssuerStep, IssuerVariable, PublishedDocument, RequestingClient,
    RevokedToken, SpareToken, SubjectToken, UserInfoBearer,
};

/// Appends what there is to say of `ask`.
pub(super) fn explain(text: &mut String, ask: &IssuerStep) {
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
            IssuerRequest::Token(token) if token.audience.is_empty() => "resource",
            _ => "audience",
        };
        row(name, &ask.what.audience().join(" "));
    }
    if let IssuerRequest::Token(token) = &ask.what {
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

fn title(what: &IssuerRequest) -> String {
    let place = |which: &PublishedDocument| match which {
        PublishedDocument::Shared => String::new(),
        PublishedDocument::Again(times) => format!(", {times} times anew"),
        PublishedDocument::Inserted => {
            ", where well-known stands before the path of the issuer's URL".into()
        }
        PublishedDocument::Authorization => ", as `oauth-authorization-server` of RFC 8414".into(),
        PublishedDocument::Cleartext => ", by http without TLS".into(),
    };
    match what {
        IssuerRequest::Metadata(which) => format!("the metadata{}", place(which)),
        IssuerRequest::Keys(which) => format!("the key set{}", place(which)),
        IssuerRequest::Token(_) => "a token".into(),
        IssuerRequest::Exchange(exchange) => format!(
            "a token in exchange for {}",
            match exchange.subject {
                SubjectToken::Last => "the one before",
                SubjectToken::Tampered => "the one before, altered, with its old signature",
                SubjectToken::UnknownKey => "the one before, signed with an unknown key",
                SubjectToken::Foreign => "a token of another issuer",
                SubjectToken::Expired => "the one before, long expired (needs `test-key:`)",
                SubjectToken::RefreshToken => "a refresh token",
            }
        ),
        IssuerRequest::Refresh(refresh) => format!(
            "a token for {}",
            match refresh.token {
                SpareToken::Last => "a spare refresh token",
                SpareToken::Old => "the spare refresh token that was replaced",
            }
        ),
        IssuerRequest::Revoke(revoke) => format!(
            "the end of {}",
            match revoke.token {
                RevokedToken::Refresh => "a spare refresh token",
                RevokedToken::Unknown => "a text that is no token",
            }
        ),
        IssuerRequest::Userinfo(UserInfoBearer::Access) => {
            "who the bearer of the access token is".into()
        }
        IssuerRequest::Userinfo(UserInfoBearer::Refresh) => {
            "who the bearer of a refresh token is".into()
        }
        IssuerRequest::Device { .. } => "a login on another device".into(),
        IssuerRequest::Poll => "whether that login took place, which it did not".into(),
    }
}

fn who(asker: RequestingClient) -> &'static str {
    match asker {
        RequestingClient::Client => "the first account with client credentials",
        RequestingClient::Narrow => {
            "the first account with client credentials that may not ask for everything"
        }
        RequestingClient::User => "the account with a refresh token",
        RequestingClient::Member => {
            "the account with a refresh token, or else the first with client credentials"
        }
    }
}

fn proof(proof: ClientProof) -> Option<&'static str> {
    match proof {
        ClientProof::Good => None,
        ClientProof::WrongSecret => Some("shows a secret that is none"),
        ClientProof::None => Some("shows no secret"),
        ClientProof::InQuery => Some("shows its secret in the query of the URL"),
        ClientProof::Other => Some("is another one than that of the account"),
    }
}

/// What the braces in `text` stand for.
pub(super) fn legend(text: &mut String) {
    let used = |variable: &&IssuerVariable| text.contains(&format!("{{{}}}", variable.name()));
    let used: Vec<_> = IssuerVariable::ALL.iter().filter(used).collect();
    if used.is_empty() {
        return;
    }
    text.push_str("\nWhat stands in braces\n");
    for variable in used {
        let name = format!("{{{}}}", variable.name());
        let _ = writeln!(text, "  {name:18} {}", variable.meaning());
    }
}
