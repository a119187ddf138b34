//! A mytoken server as far as access tokens go, after oidc-mytoken/server 0.10: its configuration, its
//! access token endpoint, the order of its checks, its errors, and its rotation.

use std::sync::{Arc, Mutex};

use axum::http::Method;
use serde_json::{Value, json};

use super::issuer::{Asked, Reply};
use super::signed::Give;

pub const CONFIGURATION: &str = "/.well-known/mytoken-configuration";
pub const ACCESS: &str = "/api/v0/token/access";
/// `MinShortTokenLen` of its API.
const SHORTEST: usize = 32;

/// One mytoken on the server.
pub struct Mytoken {
    /// The issuer whose tokens it stands for.
    pub issuer: String,
    /// What the issuer gives.
    pub give: Give,
    /// It, as it is valid now.
    pub current: String,
    /// What it was before rotations.
    pub spent: Vec<String>,
    /// Whether each access token comes with the next one.
    pub rotates: bool,
    /// Whether it has the capability AT.
    pub capable: bool,
    /// The only scopes that its restrictions allow.
    pub restricted: Option<Vec<String>>,
    /// What the issuer says to the server instead of giving a token.
    pub refused: Option<(u16, &'static str)>,
}

impl Mytoken {
    pub fn new(issuer: &str, give: Give) -> Self {
        Self {
            issuer: issuer.to_owned(),
            give,
            current: fresh(),
            spent: Vec::new(),
            rotates: false,
            capable: true,
            restricted: None,
            refused: None,
        }
    }

    /// The script of a server at `origin` that has this mytoken.
    pub fn played(
        this: Arc<Mutex<Self>>,
        origin: &str,
    ) -> impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static + use<> {
        let origin = origin.to_owned();
        move |asked| match (&asked.method, asked.path.as_str()) {
            (&Method::GET, CONFIGURATION) => Some(Reply::json(200, &configuration(&origin))),
            (&Method::POST, ACCESS) => {
                let mut mytoken = this.lock().expect("a mytoken");
                let (status, body) = mytoken.access(&asked.json());
                Some(Reply::json(status, &body))
            }
            _ => None,
        }
    }

    fn access(&mut self, asked: &Value) -> (u16, Value) {
        let said = |name: &str| asked[name].as_str().unwrap_or_default();
        let words = |name: &str| -> Vec<_> { said(name).split(' ').map(str::to_owned).collect() };
        if said("mytoken").len() < SHORTEST {
            return refused(400, "invalid_request", "token not valid");
        }
        if said("grant_type") != "mytoken" {
            return refused(400, "invalid_grant", "Unsupported grant_type");
        }
        if self.spent.iter().any(|spent| spent == said("mytoken")) {
            return (401, json!({"error": "invalid_token"}));
        }
        if said("mytoken") != self.current {
            return refused(401, "invalid_token", "token not valid");
        }
        if !self.capable {
            let text =
                "The provided token does not have the required capability for this operation";
            return refused(403, "insufficient_capabilities", text);
        }
        let within = |allowed: &Vec<String>| words("scope").iter().all(|one| allowed.contains(one));
        if !self.restricted.as_ref().is_none_or(within) {
            let text = "The restrictions of this token does not allow this usage";
            return refused(403, "usage_restricted", text);
        }
        if !matches!(said("oidc_issuer"), "") && said("oidc_issuer") != self.issuer {
            return refused(400, "invalid_request", "token not for specified issuer");
        }
        if let Some((status, text)) = self.refused {
            return refused(status, "oidc_error", text);
        }
        let mut answer = json!({
            "access_token": (self.give)(said("scope"), said("audience")),
            "token_type": "Bearer",
            "expires_in": 1200,
            "scope": said("scope"),
            "audience": words("audience"),
        });
        if self.rotates {
            let old = std::mem::replace(&mut self.current, fresh());
            self.spent.push(old);
            answer["token_update"] = json!({
                "mytoken": self.current,
                "mytoken_type": "token",
                "capabilities": ["AT"],
                "rotation": {"on_AT": true, "lifetime": 3600},
            });
        }
        (200, answer)
    }
}

/// A short token: what a JWT of the server is to its clients, a text without meaning.
fn fresh() -> String {
    let part = || uuid::Uuid::new_v4().simple().to_string();
    format!("mytoken{}{}", part(), part())
}

fn refused(status: u16, error: &str, description: &str) -> (u16, Value) {
    let body = json!({"error": error, "error_description": description});
    (status, body)
}

fn configuration(origin: &str) -> Value {
    json!({
        "issuer": origin,
        "access_token_endpoint": format!("{origin}{ACCESS}"),
        "mytoken_endpoint": format!("{origin}/api/v0/token/my"),
        "jwks_uri": format!("{origin}/jwks"),
        "access_token_endpoint_grant_types_supported": ["mytoken"],
        "token_endpoint": format!("{origin}{ACCESS}"),
    })
}
