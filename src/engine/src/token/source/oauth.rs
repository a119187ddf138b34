//! The token endpoint of an issuer (RFC 6749 section 3.2) for every source that is an OAuth client.

use std::fmt::Display;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use url::Url;

use crate::http::RedirectPolicy;
use crate::token::client::Answer;
use crate::token::client_authentication::{
    AuthenticationMethod, RegisteredClient, RequestAuthentication,
};
use crate::token::error::{Origin, TokenErrorKind};
use crate::token::shown;
use crate::token::{BrokerError, IssuerClient, TokenError};
use touchstone_model::redact::Redactor;
use touchstone_model::{OAuthClient, SecretRef, TokenRequest, shell_word};

use super::Context;
use super::assertion::JWT_BEARER;
use super::metadata::{Metadata, NoMetadata, discover};

/// Longer than any token that a server takes in a header.
const LONGEST_TOKEN: usize = 64 * 1024;
const UNREACHABLE: &str = "see whether its token endpoint is up and reachable from here";
const ODD: &str = "see what answers at its token endpoint";
const LATER: &str = "try again later, or lower `limits: {rate: …}`";

/// Members of a form.
pub(super) type Form = Vec<(&'static str, String)>;
/// What is asked for, in words.
pub(super) type Asked<'a> = &'a (dyn Display + Sync);

/// A client at the token endpoint of its issuer.
pub(super) struct TokenEndpoint {
    pub origin: Origin,
    /// The identifier, as configured.
    issuer: String,
    trusted: RedirectPolicy,
    client: RegisteredClient,
    http: IssuerClient,
    metadata: OnceCell<Result<Metadata, (String, &'static str)>>,
    redactor: Redactor,
    /// What to do when what is turned into a token does not count any more.
    renew: String,
}

/// A good answer of the token endpoint (RFC 6749 section 5.1).
pub(super) struct Granted {
    /// Or why it is of no use: a refresh token that came with it is to be kept all the same.
    pub access_token: Result<SecretString, TokenError>,
    pub refresh_token: Option<SecretString>,
    /// The whole answer: the tokens are in it.
    pub members: Map<String, Value>,
}

/// Why nothing was granted.
pub(super) enum Denied {
    /// The issuer said so (RFC 6749 section 5.2).
    Said(OAuthRefusal),
    /// Anything else.
    Otherwise(TokenError),
}

/// RFC 6749 section 5.2.
pub(super) struct OAuthRefusal {
    pub status: u16,
    pub error: String,
    pub description: Option<String>,
}

impl OAuthRefusal {
    /// Whether it says so; there is no code for that.
    fn is_about_the_audience(&self) -> bool {
        let description = self.description.as_deref().unwrap_or_default();
        description.to_ascii_lowercase().contains("audience")
    }
}

impl TokenEndpoint {
    /// `renew` says what to do when the issuer takes the grant itself for void.
    pub fn new(
        context: &Context<'_>,
        client: &OAuthClient,
        renew: String,
    ) -> Result<Self, BrokerError> {
        Ok(Self {
            origin: context.origin.clone(),
            issuer: context.issuer.url.clone(),
            trusted: RedirectPolicy::of_issuer(context.issuer),
            client: RegisteredClient::load(client, &context.issuer.name, context.redactor)?,
            http: context.http()?,
            metadata: OnceCell::new(),
            redactor: context.redactor.clone(),
            renew,
        })
    }

    /// Sends `form` with the client's authentication.
    pub async fn ask(&self, asked: Asked<'_>, form: Form) -> Result<Granted, TokenError> {
        match self.attempt(asked, form).await {
            Ok(granted) => Ok(granted),
            Err(Denied::Said(refusal)) => Err(self.in_words(asked, &refusal)),
            Err(Denied::Otherwise(error)) => Err(error),
        }
    }

    /// The same for who wants to know the code of a refusal.
    pub async fn attempt(&self, asked: Asked<'_>, form: Form) -> Result<Granted, Denied> {
        let url = &self.metadata(asked).await?.token_endpoint;
        let answer = self.send(asked, url, form, url).await?;
        self.understand(asked, &answer)
    }

    /// Sends a form of the client to one of the issuer's endpoints.
    pub async fn send(
        &self,
        asked: Asked<'_>,
        url: &Url,
        mut form: Form,
        token_endpoint: &Url,
    ) -> Result<Answer, TokenError> {
        let shows = self
            .client
            .authenticate(token_endpoint.as_str(), &self.redactor);
        let shows = shows.map_err(|reason| {
            let help = "give another `key-file`";
            self.origin.unavailable(asked, reason, help)
        })?;
        let mut basic = None;
        let id = || ("client_id", self.client.id.expose_secret().to_owned());
        match &shows {
            RequestAuthentication::Basic(secret) => basic = Some((&self.client.id, secret)),
            RequestAuthentication::Body(secret) => {
                form.extend([id(), ("client_secret", secret.expose_secret().into())]);
            }
            RequestAuthentication::Assertion(made) => form.extend([
                id(),
                ("client_assertion_type", JWT_BEARER.into()),
                ("client_assertion", made.expose_secret().into()),
            ]),
            RequestAuthentication::Nothing => form.push(id()),
        }
        let sent = self.http.post_form(url, &form, basic).await;
        sent.map_err(|reason| self.origin.general(asked, reason, UNREACHABLE))
    }

    /// Asked once: an issuer that is down is found out once, not for each token.
    pub async fn metadata(&self, asked: Asked<'_>) -> Result<&Metadata, TokenError> {
        let once = || async {
            match discover(&self.http, &self.origin, &self.issuer, &self.trusted).await {
                Ok(metadata) => Ok(Ok(metadata)),
                Err(NoMetadata::Lasting(came, help)) => Ok(Err((came, help))),
                Err(NoMetadata::Busy(came, pause)) => Err(self.busy(asked, came, pause)),
            }
        };
        let found = self.metadata.get_or_try_init(once).await?;
        found
            .as_ref()
            .map_err(|(came, help)| self.origin.general(asked, came.clone(), help))
    }

    fn busy(&self, asked: Asked<'_>, came: String, pause: Option<Duration>) -> TokenError {
        self.origin
            .error(TokenErrorKind::Busy(pause), asked, came, LATER)
    }

    fn understand(&self, asked: Asked<'_>, answer: &Answer) -> Result<Granted, Denied> {
        let status = answer.status;
        if matches!(status, 429 | 503) {
            let came = format!("its token endpoint answered {status}");
            return Err(self.busy(asked, came, answer.retry_after).into());
        }
        let unavailable = |came: String, help: &str| {
            Denied::Otherwise(self.origin.unavailable(asked, came, help))
        };
        let members = members(answer);
        let refusal = members
            .as_ref()
            .and_then(|members| refused(status, members));
        match (members, refusal) {
            (_, Some(refusal)) => Err(Denied::Said(refusal)),
            (Some(members), None) if status == 200 => Ok(self.granted(asked, members)),
            (_, None) if status == 200 => {
                let looks = answer.looks();
                let came = format!("its token endpoint answered {looks}, no access_token in JSON");
                Err(unavailable(came, ODD))
            }
            (_, None) if (300..400).contains(&status) => {
                let came = format!(
                    "its token endpoint answered {status}, a redirect{}",
                    self.origin.led(answer)
                );
                Err(unavailable(
                    came,
                    "credentials follow none; see what its metadata say",
                ))
            }
            (_, None) => {
                let came = format!("its token endpoint answered {}", answer.looks());
                Err(unavailable(came, ODD))
            }
        }
    }

    fn granted(&self, asked: Asked<'_>, members: Map<String, Value>) -> Granted {
        let secret = |name: &str| members.get(name)?.as_str().map(SecretString::from);
        let refresh_token =
            secret("refresh_token").filter(|token| !token.expose_secret().is_empty());
        let all = [secret("access_token"), secret("id_token")];
        for token in all.iter().chain([&refresh_token]).flatten() {
            self.redactor.add(token);
        }
        let access_token = self.access(&members).map_err(|came| {
            let help = "tell whoever runs the issuer";
            self.origin.unavailable(asked, came, help)
        });
        Granted {
            access_token,
            refresh_token,
            members,
        }
    }

    fn access(&self, members: &Map<String, Value>) -> Result<SecretString, String> {
        let token = members.get("access_token").and_then(Value::as_str);
        let token = token.ok_or("its answer has no access_token that is a string")?;
        presentable(token).map_err(|problem| format!("the access_token that came {problem}"))?;
        match members.get("token_type") {
            None => Ok(token.into()),
            Some(Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => Ok(token.into()),
            Some(other) => {
                let other = other.as_str().map_or(other.to_string(), str::to_owned);
                let other = self.origin.quoted(&other);
                Err(format!("a token of type {other} came, not Bearer"))
            }
        }
    }

    /// A refusal for people.
    pub fn in_words(&self, asked: Asked<'_>, refusal: &OAuthRefusal) -> TokenError {
        let origin = &self.origin;
        let mut came = format!(
            "it answered {} {}",
            refusal.status,
            origin.quoted(&refusal.error)
        );
        if let Some(description) = &refusal.description {
            came.push_str(&format!(" ({})", origin.quoted(description)));
        }
        match refusal.error.as_str() {
            _ if refusal.status >= 500 => {
                origin.unavailable(asked, came, "tell whoever runs the issuer")
            }
            // Keycloak has the code for the audience of an exchange that is no client of its own, with 400; who is not known
            // by Basic authentication is answered 401 (RFC 6749 section 5.2).
            "invalid_client" if refusal.status == 400 && refusal.is_about_the_audience() => origin.refused(
                asked,
                came,
                "not the client but the audience may be unknown there: ask whoever runs the issuer for it",
            ),
            "invalid_client" | "unauthorized_client" => origin.general(
                asked,
                came,
                "check client id, secret or key, `authentication`, and that the client may use this grant",
            ),
            "invalid_grant" | "expired_token" => origin.general(asked, came, &self.renew),
            "unsupported_grant_type" => {
                origin.unavailable(asked, came, "use another source of tokens")
            }
            _ => origin.refused(
                asked,
                came,
                "ask whoever runs the issuer for these rights, or leave such cases out",
            ),
        }
    }

    /// A shell line that does the same as [`Self::ask`]; what stands in `secrets` the shell looks up.
    pub fn how(&self, form: &Form, secrets: &[(&str, String)]) -> String {
        let mut words = vec!["curl -s".to_owned()];
        let mut note = "";
        let id = r#"--data-urlencode "client_id=$CLIENT_ID""#;
        match &self.client.method {
            AuthenticationMethod::Basic(_) => {
                words.push(r#"-u "$CLIENT_ID:$CLIENT_SECRET""#.into())
            }
            AuthenticationMethod::Body(_) => {
                words.push(id.into());
                words.push(r#"--data-urlencode "client_secret=$CLIENT_SECRET""#.into());
            }
            AuthenticationMethod::Key(_) => {
                words.push(id.into());
                words.push(format!(
                    "--data-urlencode client_assertion_type={JWT_BEARER}"
                ));
                words.push(r#"--data-urlencode "client_assertion=$ASSERTION""#.into());
                note = "  # ASSERTION: a JWT signed with the client's key, iss and sub the client id, aud the token endpoint, with jti and exp";
            }
            AuthenticationMethod::None => words.push(id.into()),
        }
        for (name, value) in form {
            words.push(format!(
                "--data-urlencode {}",
                shell_word(&format!("{name}={value}"))
            ));
        }
        for (name, expression) in secrets {
            words.push(format!("--data-urlencode \"{name}={expression}\""));
        }
        words.push(match self.metadata.get() {
            Some(Ok(metadata)) => shell_word(metadata.token_endpoint.as_str()),
            _ => "TOKEN-ENDPOINT".into(),
        });
        format!("TOKEN=$({} | jq -r .access_token){note}", words.join(" "))
    }
}

impl From<TokenError> for Denied {
    fn from(error: TokenError) -> Self {
        Self::Otherwise(error)
    }
}

/// What a grant asks for beside itself.
pub(super) fn wishes(request: &TokenRequest) -> impl Iterator<Item = (&'static str, String)> {
    let scope = ("scope", request.all_scopes().join(" "));
    let audience = ("audience", request.audience.each().join(" "));
    [scope, audience]
        .into_iter()
        .filter(|(_, words)| !words.is_empty())
}

/// The members of an answer that is a JSON object.
pub(super) fn members(answer: &Answer) -> Option<Map<String, Value>> {
    serde_json::from_slice(&answer.body).ok()
}

/// Whether the issuer said no, by its status or, as some do, with 200.
pub(super) fn refused(status: u16, members: &Map<String, Value>) -> Option<OAuthRefusal> {
    let text = |name: &str| members.get(name)?.as_str().map(str::to_owned);
    let told = status >= 400 || (status == 200 && !members.contains_key("access_token"));
    Some(OAuthRefusal {
        status,
        error: text("error").filter(|_| told)?,
        description: text("error_description"),
    })
}

/// The shell looks this up.
pub(super) fn looked_up(secret: &SecretRef) -> String {
    match secret {
        SecretRef::Env(name) => format!("${name}"),
        SecretRef::File(path) => format!("$(cat {})", shell_word(&shown(path))),
        SecretRef::Held(_) => "$SECRET".into(),
    }
}

/// Whether it can stand in a header (RFC 6749 appendix A.12).
fn presentable(token: &str) -> Result<(), String> {
    if token.is_empty() {
        return Err("is empty".into());
    }
    if token.len() > LONGEST_TOKEN {
        return Err(format!("has {} bytes, which no server takes", token.len()));
    }
    match token.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(()),
        false => Err("has characters that cannot stand in a header".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_model::{ClientAuthentication, Issuer};

    fn how(authentication: ClientAuthentication) -> String {
        let redactor = Redactor::default();
        let issuer = Issuer::bare("vo", "https://issuer.example/");
        let context = Context {
            issuer: &issuer,
            redactor: &redactor,
            origin: Origin::new("vo", "test", &redactor),
        };
        let client = OAuthClient {
            id: SecretRef::Held("the-client".into()),
            authentication,
        };
        let endpoint = TokenEndpoint::new(&context, &client, String::new()).unwrap();
        let form = vec![("scope", "storage.read:/it's".to_owned())];
        let secrets = [("subject_token", looked_up(&SecretRef::File("/a b".into())))];
        endpoint.how(&form, &secrets)
    }

    fn held(secret: &str) -> SecretRef {
        SecretRef::Held(secret.into())
    }

    #[test]
    fn what_a_person_types_has_each_authentication_and_no_secret() {
        let wishes = r#"--data-urlencode 'scope=storage.read:/it'\''s' --data-urlencode "subject_token=$(cat '/a b')" TOKEN-ENDPOINT"#;
        let key = SecretString::from(rcgen::KeyPair::generate().unwrap().serialize_pem());
        let key = ClientAuthentication::PrivateKeyJwt {
            key: SecretRef::Held(key),
            kid: None,
        };
        for (authentication, shown) in [
            (
                ClientAuthentication::Basic(held("swordfish")),
                r#"-u "$CLIENT_ID:$CLIENT_SECRET""#,
            ),
            (
                ClientAuthentication::Body(held("swordfish")),
                r#"--data-urlencode "client_id=$CLIENT_ID" --data-urlencode "client_secret=$CLIENT_SECRET""#,
            ),
            (
                key,
                r#"--data-urlencode "client_id=$CLIENT_ID" --data-urlencode client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer --data-urlencode "client_assertion=$ASSERTION""#,
            ),
            (
                ClientAuthentication::None,
                r#"--data-urlencode "client_id=$CLIENT_ID""#,
            ),
        ] {
            let line = how(authentication);
            let expected = format!("TOKEN=$(curl -s {shown} {wishes} | jq -r .access_token)");
            assert_eq!(line.split("  #").next(), Some(expected.as_str()));
            let read = std::process::Command::new("sh")
                .args(["-n", "-c", &line])
                .status();
            assert!(read.unwrap().success(), "{line}");
        }
    }

    #[test]
    fn tokens_that_no_header_takes_are_refused() {
        assert!(presentable("a.b-c_~+/=").is_ok());
        for odd in [
            "",
            "a b",
            "a\nb",
            "a\u{0}",
            "ä",
            &"x".repeat(LONGEST_TOKEN + 1),
        ] {
            assert!(presentable(odd).is_err(), "{odd:.20}");
        }
    }
}
