//! Vault as htvault-config sets it up, as far as access tokens go: the `sts` path of the oauthapp plugin, with
//! Vault's own errors around it.

use serde_json::{Value, json};

use super::issuer::{Asked, Reply};
use super::signed::Give;

/// One credential that it keeps, and the token that opens it.
pub struct Credential {
    /// The issuer's name.
    pub issuer: String,
    pub credkey: String,
    pub role: String,
    /// The Vault token with which it may be read.
    pub token: String,
    /// What the issuer gives.
    pub give: Give,
    /// What the plugin says instead of giving a token.
    pub refused: Option<&'static str>,
}

impl Credential {
    /// The answer to a request.
    pub fn played(&self, asked: &Asked) -> Option<Reply> {
        let path = asked.path.strip_prefix("/v1/")?;
        let shown = asked.headers.get("x-vault-token");
        if shown.and_then(|value| value.to_str().ok()) != Some(&self.token) {
            let text = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";
            return Some(errors(403, &[text]));
        }
        let (way, name) = path.strip_prefix("secret/oauth/")?.split_once('/')?;
        let own = format!("{}/{}:{}", self.issuer, self.credkey, self.role);
        if name != own {
            // The policy opens one path for each user.
            return Some(errors(
                403,
                &["1 error occurred:\n\t* permission denied\n\n"],
            ));
        }
        let said = asked.parameters();
        let list = |name: &str| said.get(name).map(|text| text.replace(',', " "));
        let seconds = said.get("minimum_seconds").map(|text| text.parse::<u32>());
        if let Some(Err(_)) = seconds {
            return Some(errors(
                400,
                &["error converting input for field \"minimum_seconds\""],
            ));
        }
        if let Some(refused) = self.refused {
            return Some(errors(400, &[refused]));
        }
        // `creds` gives what the refresh token gives, whatever is asked.
        let (scopes, audiences) = match way {
            "sts" => (list("scopes"), list("audiences")),
            _ => (None, None),
        };
        let token = (self.give)(
            &scopes.unwrap_or_else(|| "openid".into()),
            &audiences.unwrap_or_else(|| "everybody".into()),
        );
        let answer = json!({
            "request_id": uuid::Uuid::new_v4().to_string(),
            "lease_id": "",
            "renewable": false,
            "lease_duration": 0,
            "data": {"access_token": token, "expire_time": "2099-01-01T00:00:00Z", "type": "Bearer"},
            "wrap_info": Value::Null,
            "warnings": Value::Null,
            "auth": Value::Null,
        });
        Some(Reply::json(200, &answer))
    }
}

pub fn errors(status: u16, errors: &[&str]) -> Reply {
    Reply::json(status, &json!({"errors": errors}))
}
