use serde_json::Value;

use super::decode::Decoded;
use super::{Remarks, StatementWeight, claims, scope, times};

/// What a JWT is, as far as its claims tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token of the WLCG profile, or one that wants to be.
    Wlcg,
    /// An access token of the SciTokens language.
    SciToken,
    /// An ID token of OpenID Connect.
    Id,
    /// A refresh token.
    Refresh,
    /// A mytoken.
    Mytoken,
    /// An access token with entitlements, as EGI Check-in and others give them.
    Entitlements,
    /// An access token of another profile.
    Other,
}

impl TokenKind {
    /// What `token` is.
    pub fn of(token: &Decoded) -> Self {
        let word = |value: Option<&Value>| {
            let text = value.and_then(Value::as_str).unwrap_or_default();
            text.to_ascii_lowercase()
        };
        let (header_type, type_) = (word(token.header("typ")), word(token.claim("typ")));
        let has = |names: &[&str]| names.iter().any(|name| token.claim(name).is_some());
        if word(token.claim("token_type")) == "mytoken" {
            return Self::Mytoken;
        }
        // IAM's refresh tokens are unsigned JWT that hold little more than a jti.
        let bare = word(token.header("alg")) == "none" && !has(&["iss", "aud", "scope", "sub"]);
        if header_type == "rt+jwt" || matches!(type_.as_str(), "refresh" | "offline") || bare {
            return Self::Refresh;
        }
        let scope = token.claim("scope").is_some();
        if type_ == "id" || (!scope && has(&["nonce", "at_hash", "c_hash"])) {
            return Self::Id;
        }
        if has(&["wlcg.ver"]) {
            return Self::Wlcg;
        }
        let scopes = token.text("scope").unwrap_or_default();
        let begins = |names: &[&str]| {
            let mut scopes = scopes.split_ascii_whitespace();
            scopes.any(|scope| names.iter().any(|name| scope.starts_with(name)))
        };
        if word(token.claim("ver")).starts_with("scitoken") || begins(&["read:/", "write:/"]) {
            return Self::SciToken;
        }
        if has(&["wlcg.groups"]) || begins(&["storage.", "compute."]) {
            return Self::Wlcg;
        }
        if has(&["eduperson_entitlement", "entitlements"]) {
            return Self::Entitlements;
        }
        Self::Other
    }

    /// What it is, with its article.
    pub fn words(self) -> &'static str {
        match self {
            Self::Wlcg => "a WLCG access token",
            Self::SciToken => "a SciToken",
            Self::Id => "an ID token",
            Self::Refresh => "a refresh token",
            Self::Mytoken => "a mytoken",
            Self::Entitlements => "an access token with entitlements, not of the WLCG profile",
            Self::Other => "a JWT of another profile than that of WLCG",
        }
    }

    /// The word for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wlcg => "wlcg",
            Self::SciToken => "scitoken",
            Self::Id => "id-token",
            Self::Refresh => "refresh-token",
            Self::Mytoken => "mytoken",
            Self::Entitlements => "entitlements",
            Self::Other => "other",
        }
    }

    /// Whether the profile's rules for common claims apply.
    pub(super) fn judged(self) -> bool {
        matches!(
            self,
            Self::Wlcg | Self::Id | Self::Entitlements | Self::Other
        )
    }

    /// Whether it is shown to services, so that its header matters to them.
    pub(super) fn signed(self) -> bool {
        !matches!(self, Self::Refresh | Self::Mytoken)
    }

    /// Whether its scopes are rights.
    pub(super) fn access(self) -> bool {
        matches!(self, Self::Wlcg | Self::Entitlements | Self::Other)
    }
}

/// Tokens to which the profile does not apply.
pub(super) fn judge(remarks: &mut Remarks<'_>) {
    match remarks.kind {
        TokenKind::Refresh => remarks.note(
            "token",
            "ISS-REF-05",
            "it is a refresh token",
            "it is for the issuer's token endpoint alone; storage has to refuse it, and whoever holds it can obtain tokens for a long time",
        ),
        TokenKind::Mytoken => remarks.add(
            StatementWeight::Note,
            "token",
            None,
            "it is a mytoken",
            "it is for the mytoken server alone, which gives access tokens for it; storage has to refuse it",
        ),
        TokenKind::SciToken => scitoken(remarks),
        TokenKind::Wlcg | TokenKind::Id | TokenKind::Entitlements | TokenKind::Other => {}
    }
}

/// The SciTokens language asks for less: `sub`, `jti` and `wlcg.ver` may be absent.
fn scitoken(remarks: &mut Remarks<'_>) {
    claims::issuer(remarks);
    times::judge(remarks);
    let token = remarks.token;
    let source = "SciTokens language";
    match token
        .claim("ver")
        .map(|ver| ver.as_str().unwrap_or_default())
    {
        Some(ver @ ("scitoken:2.0" | "scitokens:2.0")) if token.list("aud").is_empty() => remarks
            .add(
                StatementWeight::Must,
                "aud",
                None,
                format!("it has no audience, and says ver {ver}, which has one always"),
                format!("services have to refuse it ({source} 2.0)"),
            ),
        None | Some("scitoken:2.0" | "scitokens:2.0" | "scitokens:1.0") => {}
        Some(_) => remarks.add(
            StatementWeight::Must,
            "ver",
            None,
            "ver is none of scitoken:2.0 and scitokens:1.0",
            format!("services do not know its rules and have to refuse it ({source})"),
        ),
    }
    if !matches!(token.claim("scope"), Some(Value::String(text)) if !text.trim().is_empty()) {
        remarks.add(
            StatementWeight::Must,
            "scope",
            None,
            "it has no scope that is a string",
            format!("it allows nothing ({source})"),
        );
    }
    scope::scitoken(remarks);
    if remarks.token.claim("wlcg.ver").is_none() {
        remarks.note(
            "wlcg.ver",
            "JWT-2.1.1-27",
            "it is no WLCG token: it has no wlcg.ver",
            "storage that accepts SciTokens takes it; storage that knows the WLCG profile alone should not",
        );
    }
}
