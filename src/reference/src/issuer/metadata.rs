//! What it publishes about itself (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).

use serde_json::{Value, json};

use super::{IssuerServer, device, grant, place, scope};

impl IssuerServer {
    pub(super) fn metadata(&self) -> Value {
        let authentication = [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ];
        let algorithms = ["ES256", "RS256"];
        json!({
            "issuer": self.url,
            "jwks_uri": self.at(place::KEYS),
            "token_endpoint": self.at(place::TOKEN),
            "device_authorization_endpoint": self.at(place::DEVICE),
            "revocation_endpoint": self.at(place::REVOCATION),
            "introspection_endpoint": self.at(place::INTROSPECTION),
            "userinfo_endpoint": self.at(place::USER_INFO),
            "grant_types_supported": [
                grant::CLIENT_CREDENTIALS,
                grant::REFRESH,
                grant::EXCHANGE,
                device::GRANT,
            ],
            "token_endpoint_auth_methods_supported": authentication,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": authentication,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": authentication,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "scopes_supported": scope::SCOPES,
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "acr",
                "eduperson_assurance", "scope", "client_id", "wlcg.ver", "wlcg.groups",
            ],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.keys.usual().algorithm.name()],
        })
    }

    pub(super) fn key_set(&self) -> Value {
        let keys = [&self.keys.signing.public, &self.keys.rsa.public];
        let mut keys: Vec<Value> = keys.iter().map(|key| key.to_json()).collect();
        self.rules.own().published(&mut keys, &self.keys);
        json!({ "keys": keys })
    }

    /// Where one of its services is.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }
}
