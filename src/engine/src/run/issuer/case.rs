//! One case at one issuer: its asks in order, each judged before the next one.

mod taken;

use std::time::Instant;

use crate::token::{self, RegisteredClient, RequestAuthentication, STAY};
use secrecy::{ExposeSecret, SecretString};
use touchstone_model::{
    Account, Answer, CasePlan, ClientProof, Exchange, ExchangeStep, Finding, IssuerRequest,
    IssuerStep, Method, PublishedDocument, Purpose, RefreshStep, RequestingClient, RevocationStep,
    RevokedToken, SpareToken, SubjectToken, TokenStep, UserInfoBearer, Verdict,
};
use touchstone_protocol::issuer::{Answered, Grant, Jwt, Mute, View, grant};
use url::Url;

use super::http_client::{Authorization, Field, Outcome as Sent, Outgoing};
use super::user::wrong_secret;
use super::{Fetched, Outcome, Site, well_known};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What a spare refresh token is good for, where the user agreed to that or more.
const SPARE: &str = "offline_access storage.read:/touchstone";

/// Why a case stops before its last ask.
enum Stop {
    Skip(String),
    Undecided(String),
    Broken,
}

impl From<Mute> for Stop {
    fn from(mute: Mute) -> Self {
        match mute {
            Mute::Skip(reason) => Self::Skip(reason),
            Mute::Undecided(reason) => Self::Undecided(reason),
        }
    }
}

/// Runs the asks of a case.
pub(super) async fn run(
    site: &Site,
    planned: &CasePlan,
    asks: &[IssuerStep],
    deadline: Instant,
) -> Outcome {
    let mut asking = Asking {
        site,
        planned,
        deadline,
        exchanges: Vec::new(),
        findings: Vec::new(),
        own: None,
        tokens: Vec::new(),
        spares: Vec::new(),
        spare: None,
        device: None,
    };
    let stop = asking.all(asks).await.err();
    asking.outcome(stop)
}

struct Asking<'a> {
    site: &'a Site,
    planned: &'a CasePlan,
    deadline: Instant,
    exchanges: Vec<Exchange>,
    findings: Vec<Finding>,
    /// The last access token that did not come from another one.
    own: Option<Grant>,
    /// Every access token of the case that can be looked into.
    tokens: Vec<Jwt>,
    /// Refresh tokens that may be spent, the newest last.
    spares: Vec<SecretString>,
    /// The access token that came with the first of them.
    spare: Option<Jwt>,
    device: Option<SecretString>,
}

/// A request before it is known who sends it.
struct Request<'r> {
    method: Method,
    url: &'r str,
    fields: Vec<Field>,
    proof: ClientProof,
    account: &'r Account,
    purpose: Purpose,
}

impl<'r> Request<'r> {
    /// A form of a client as it is registered.
    fn post(account: &'r Account, url: &'r str, fields: Vec<Field>) -> Self {
        Self {
            method: Method::Post,
            url,
            fields,
            proof: ClientProof::Good,
            account,
            purpose: Purpose::Step,
        }
    }
}

impl<'a> Asking<'a> {
    async fn all(&mut self, asks: &[IssuerStep]) -> Result<(), Stop> {
        for ask in asks {
            if self.site.shared.cancel.is_cancelled() {
                return Err(Stop::Undecided("interrupted".into()));
            }
            self.ask(ask).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, ask: &IssuerStep) -> Result<(), Stop> {
        let before = self.tokens.len();
        let held = match &ask.what {
            IssuerRequest::Exchange(_) => self.own.as_ref().and_then(|own| own.token.clone().ok()),
            _ => None,
        };
        let account = ask.what.asker().and_then(|asker| self.account(asker).ok());
        let answers = self.answers(ask).await?;
        let held = match &ask.what {
            IssuerRequest::Refresh(_) => self.spare.clone(),
            _ => held,
        };
        let client = account.and_then(|account| self.site.users.client(account).ok());
        let refresh = self.spares.last();
        let refresh = refresh.and_then(|token| Jwt::of(token.expose_secret()).ok());
        let plan = self.site.plan();
        let view = View {
            issuer: &plan.issuer.url,
            profile: plan.profile,
            subject: &plan.issuer.subject,
            ask,
            account,
            client: client.map(|client| client.id.expose_secret()),
            metadata: self.site.document.as_ref(),
            keys: self.site.key_set.as_ref(),
            answers: &answers,
            before: &self.tokens[..before.min(self.tokens.len())],
            held: held.as_ref(),
            refresh: refresh.as_ref(),
        };
        let (findings, mute) = touchstone_protocol::issuer::ask(
            &self.planned.case,
            &self.site.shared.plan.clauses,
            &view,
        );
        let binding = findings.iter().any(|finding| finding.level.binding());
        self.findings.extend(findings);
        match mute {
            Some(mute) => Err(mute.into()),
            None if binding => Err(Stop::Broken),
            None => Ok(()),
        }
    }

    async fn answers(&mut self, ask: &IssuerStep) -> Result<Vec<Answered>, Stop> {
        match &ask.what {
            IssuerRequest::Metadata(which) => self.metadata(*which).await,
            IssuerRequest::Keys(which) => self.keys(*which).await,
            IssuerRequest::Token(ask) => self.token(ask).await,
            IssuerRequest::Exchange(ask) => self.exchange(ask).await,
            IssuerRequest::Refresh(ask) => self.refresh(ask).await,
            IssuerRequest::Revoke(ask) => self.revoke(ask).await,
            IssuerRequest::Userinfo(bearer) => self.userinfo(*bearer).await,
            IssuerRequest::Device { scope } => self.start_device(scope).await,
            IssuerRequest::Poll => self.poll().await,
        }
    }

    async fn metadata(&mut self, which: PublishedDocument) -> Result<Vec<Answered>, Stop> {
        let url = well_known(&self.site.plan().issuer.url);
        match which {
            PublishedDocument::Shared => Ok(vec![self.shared(&self.site.metadata)]),
            PublishedDocument::Inserted => {
                let url = self.inserted("openid-configuration")?;
                self.fetch(&url, 1, false).await
            }
            PublishedDocument::Authorization => {
                let url = self.inserted("oauth-authorization-server")?;
                self.fetch(&url, 1, false).await
            }
            PublishedDocument::Again(times) => self.fetch(&url, times, false).await,
            PublishedDocument::Cleartext => self.fetch(&cleartext(&url), 1, true).await,
        }
    }

    async fn keys(&mut self, which: PublishedDocument) -> Result<Vec<Answered>, Stop> {
        let fetched = self.site.keys.as_ref();
        let fetched = fetched.map_err(|reason| Stop::Undecided(reason.clone()))?;
        let url = self.site.named("jwks_uri").unwrap_or_default().to_owned();
        match which {
            PublishedDocument::Again(times) => self.fetch(&url, times, false).await,
            PublishedDocument::Cleartext => self.fetch(&cleartext(&url), 1, true).await,
            _ => Ok(vec![self.shared(fetched)]),
        }
    }

    /// What was fetched for everybody.
    fn shared(&mut self, fetched: &Fetched) -> Answered {
        self.exchanges.push(fetched.exchange.clone());
        Answered {
            answer: fetched.answer.clone(),
            at: fetched.at,
            grant: None,
            exchange: self.exchanges.len() - 1,
        }
    }

    /// Where RFC 8414 section 3.1 has the document of that name.
    fn inserted(&self, name: &str) -> Result<String, Stop> {
        let issuer = &self.site.plan().issuer.url;
        let parsed = Url::parse(issuer).map_err(|error| Stop::Undecided(error.to_string()))?;
        let path = parsed.path().trim_end_matches('/');
        if path.is_empty() && name == "openid-configuration" {
            return Err(Stop::Skip(
                "its URL has no path, so that there is no other place".into(),
            ));
        }
        let origin = parsed.origin().ascii_serialization();
        Ok(format!("{origin}/.well-known/{name}{path}"))
    }

    async fn fetch(
        &mut self,
        url: &str,
        times: usize,
        silence: bool,
    ) -> Result<Vec<Answered>, Stop> {
        let mut answers = Vec::new();
        for _ in 0..times {
            let sent = self.send(Outgoing {
                purpose: Purpose::Step,
                method: Method::Get,
                url,
                query: Vec::new(),
                form: Vec::new(),
                authorization: Authorization::None,
                case: self.planned.case.id.as_str(),
                deadline: self.deadline,
            });
            let sent = sent.await;
            answers.push(self.answered(sent, silence)?);
        }
        Ok(answers)
    }

    async fn send(&self, outgoing: Outgoing<'_>) -> Sent {
        self.site.http.send(&outgoing).await
    }

    /// Takes an exchange in. Where `silence` is fine nobody need answer.
    fn answered(&mut self, sent: Sent, silence: bool) -> Result<Answered, Stop> {
        self.exchanges.push(sent.exchange);
        let answer = match sent.answer {
            Ok(answer) => answer,
            Err(_) if silence => Answer::default(),
            Err(reason) => return Err(Stop::Undecided(reason)),
        };
        let grant = grant(&answer);
        if let Some(grant) = &grant {
            let redactor = &self.site.shared.redactor;
            redactor.add(&grant.access);
            if let Some(refresh) = &grant.refresh {
                redactor.add(refresh);
            }
        }
        Ok(Answered {
            answer,
            at: sent.at,
            grant,
            exchange: self.exchanges.len() - 1,
        })
    }

    fn account(&self, asker: RequestingClient) -> Result<&'a Account, Stop> {
        let account = self.site.plan().issuer.asker(asker);
        account.ok_or_else(|| Stop::Skip("no account asks like that".into()))
    }

    /// An account with another client than that of `account`.
    fn other(&self, account: &Account) -> Result<&'a Account, Stop> {
        let own = self.client(account)?.id.expose_secret();
        let accounts = self.site.plan().issuer.accounts.iter();
        let other = accounts
            .filter(|other| other.credentials().is_some())
            .find(|other| {
                let client = self.site.users.client(other);
                client.is_ok_and(|client| client.id.expose_secret() != own)
            });
        other.ok_or_else(|| Stop::Skip("there is no second client with another id".into()))
    }

    fn client(&self, account: &Account) -> Result<&'a RegisteredClient, Stop> {
        self.site.users.client(account).map_err(Stop::Undecided)
    }

    /// An endpoint that the metadata name; credentials go nowhere but by https.
    fn endpoint(&self, member: &str) -> Result<&'a str, Stop> {
        if self.site.document.is_none() {
            let status = self.site.metadata.answer.status;
            let reason = format!("its metadata cannot be used (they were answered {status})");
            return Err(Stop::Undecided(reason));
        }
        let https = |url: &Url| url.scheme() == "https";
        match self.site.named(member) {
            Some(url) => match Url::parse(url).ok().filter(https) {
                Some(parsed) if self.site.trusted.trusts(&parsed) => Ok(url),
                Some(other) => Err(Stop::Undecided(format!(
                    "its {member} is at {}: {STAY}",
                    other.origin().ascii_serialization()
                ))),
                None => Err(Stop::Undecided(format!("its {member} is no https URL"))),
            },
            None if member == "token_endpoint" => {
                Err(Stop::Undecided(format!("its metadata name no {member}")))
            }
            None => Err(Stop::Skip(format!("its metadata name no {member}"))),
        }
    }

    /// Whether the metadata leave a grant out.
    fn supported(&self, grant: &str) -> Result<(), Stop> {
        let document = self.site.document.as_ref();
        let grants =
            document.and_then(|document| document.get("grant_types_supported")?.as_array());
        match grants {
            Some(grants) if !grants.iter().any(|one| one == grant) => Err(Stop::Skip(format!(
                "its metadata do not name the grant `{grant}`"
            ))),
            _ => Ok(()),
        }
    }

    /// Sends a request of a client and takes the answer in. Whoever is not taken for a client at all is told so whatever the
    /// request is: that says nothing of it.
    async fn request(&mut self, request: Request<'_>) -> Result<Answered, Stop> {
        let (account, good) = (request.account, request.proof == ClientProof::Good);
        let answered = self.sent(request).await?;
        if good && touchstone_protocol::issuer::no_client(&answered.answer) {
            self.taken(account).await?;
        }
        Ok(answered)
    }

    /// Sends a request of a client, and takes the answer in.
    async fn sent(&mut self, request: Request<'_>) -> Result<Answered, Stop> {
        let redactor = &self.site.shared.redactor;
        let account = match request.proof {
            ClientProof::Other => self.other(request.account)?,
            _ => request.account,
        };
        let client = self.client(account)?;
        let (mut fields, mut query) = (request.fields, Vec::new());
        let id = || Field::secret("client_id", &client.id, "$CLIENT_ID");
        let mut authority = Authorization::None;
        let shows = client
            .authenticate(request.url, redactor)
            .map_err(Stop::Undecided)?;
        match (request.proof, shows) {
            (ClientProof::Good | ClientProof::Other, RequestAuthentication::Basic(secret)) => {
                let shown = "$CLIENT_ID:$CLIENT_SECRET";
                authority = Authorization::Basic(client.id.clone(), secret, shown);
            }
            (ClientProof::Good | ClientProof::Other, RequestAuthentication::Body(secret)) => {
                fields.push(id());
                fields.push(Field::secret("client_secret", &secret, "$CLIENT_SECRET"));
            }
            (
                ClientProof::Good | ClientProof::Other,
                RequestAuthentication::Assertion(assertion),
            ) => {
                fields.push(id());
                fields.push(Field::plain("client_assertion_type", ASSERTION));
                fields.push(Field::secret("client_assertion", &assertion, "$ASSERTION"));
            }
            (ClientProof::Good | ClientProof::Other, RequestAuthentication::Nothing)
            | (ClientProof::None, _) => fields.push(id()),
            (ClientProof::WrongSecret, RequestAuthentication::Basic(_)) => {
                let shown = "$CLIENT_ID:wrong-secret";
                authority = Authorization::Basic(client.id.clone(), wrong_secret(), shown);
            }
            (ClientProof::WrongSecret, _) => {
                fields.push(id());
                fields.push(Field::secret(
                    "client_secret",
                    &wrong_secret(),
                    "wrong-secret",
                ));
            }
            (ClientProof::InQuery, _) => {
                let Some(secret) = client.secret() else {
                    return Err(Stop::Skip("the client has no secret".into()));
                };
                query.push(id());
                query.push(Field::secret("client_secret", secret, "$CLIENT_SECRET"));
            }
        }
        let (query, form) = match request.method {
            Method::Get => (fields.into_iter().chain(query).collect(), Vec::new()),
            _ => (query, fields),
        };
        let sent = self.send(Outgoing {
            purpose: request.purpose,
            method: request.method,
            url: request.url,
            query,
            form,
            authorization: authority,
            case: self.planned.case.id.as_str(),
            deadline: self.deadline,
        });
        let sent = sent.await;
        self.answered(sent, false)
    }

    async fn token(&mut self, ask: &TokenStep) -> Result<Vec<Answered>, Stop> {
        let account = self.account(ask.by)?;
        let url = self.endpoint("token_endpoint")?;
        if account.credentials().is_none() {
            let answered = self.user_token(account, url, ask).await?;
            return Ok(vec![answered]);
        }
        if ask.grant.is_none() {
            self.supported("client_credentials")?;
        }
        let mut answers = Vec::new();
        for _ in 0..ask.times.max(1) {
            let grant = ask.grant.as_deref().unwrap_or("client_credentials");
            let mut fields = vec![Field::plain("grant_type", grant)];
            fields.extend(wishes(ask.scope.as_deref(), &ask.audience, &ask.resource));
            let answered = self
                .request(Request {
                    method: if ask.get { Method::Get } else { Method::Post },
                    url,
                    fields,
                    proof: ask.proof,
                    account,
                    purpose: Purpose::Step,
                })
                .await?;
            self.keep(&answered, true);
            answers.push(answered);
        }
        Ok(answers)
    }

    /// Remembers what came. `own` says that it was not made of another token of the case.
    fn keep(&mut self, answered: &Answered, own: bool) {
        let Some(grant) = &answered.grant else { return };
        if let Ok(jwt) = &grant.token {
            self.tokens.push(jwt.clone());
        }
        if own {
            self.own = Some(grant.clone());
        }
    }

    /// A token of the user by the user's own refresh token, which is kept when it is replaced.
    async fn user_token(
        &mut self,
        account: &'a Account,
        url: &'a str,
        ask: &TokenStep,
    ) -> Result<Answered, Stop> {
        let trouble = |(came, help): (String, String)| Stop::Undecided(format!("{came}; {help}"));
        let kept = self.site.users.kept().map_err(Stop::Skip)?;
        let mut turn = kept.lock().await.map_err(trouble)?;
        let old = turn.read().await.map_err(trouble)?;
        let mut fields = vec![
            Field::plain("grant_type", "refresh_token"),
            Field::secret("refresh_token", &old, "$REFRESH_TOKEN"),
        ];
        fields.extend(wishes(ask.scope.as_deref(), &ask.audience, &ask.resource));
        let answered = self.request(Request::post(account, url, fields)).await?;
        if let Some(new) = answered
            .grant
            .as_ref()
            .and_then(|grant| grant.refresh.as_ref())
            && new.expose_secret() != old.expose_secret()
        {
            turn.replace(new).await.map_err(trouble)?;
        }
        drop(turn);
        self.keep(&answered, true);
        Ok(answered)
    }

    /// The user's own refresh token as it is now.
    async fn held(&self) -> Result<SecretString, Stop> {
        let trouble = |(came, help): (String, String)| Stop::Undecided(format!("{came}; {help}"));
        let kept = self.site.users.kept().map_err(Stop::Skip)?;
        let mut turn = kept.lock().await.map_err(trouble)?;
        turn.read().await.map_err(trouble)
    }

    async fn exchange(&mut self, ask: &ExchangeStep) -> Result<Vec<Answered>, Stop> {
        let account = self.account(RequestingClient::Client)?;
        let url = self.endpoint("token_endpoint")?;
        self.supported(EXCHANGE)?;
        let Some(own) = &self.own else {
            return Err(Stop::Undecided("there is no token to exchange".into()));
        };
        let last = own.access.clone();
        let altered = match ask.subject {
            SubjectToken::Last => Ok(last),
            SubjectToken::Tampered => token::tampered(&last),
            SubjectToken::UnknownKey => token::unknown_key(&last),
            SubjectToken::Foreign => token::foreign(&last),
            SubjectToken::RefreshToken => {
                self.spare().await?;
                let spare = self.spares.last().cloned();
                spare.ok_or_else(|| "there is no refresh token".to_owned())
            }
            SubjectToken::Expired => match self.site.plan().issuer.test_keys.first() {
                Some(key) => token::expired(&last, key),
                None => return Err(Stop::Skip("its key is not at hand".into())),
            },
        };
        let subject = altered.map_err(Stop::Undecided)?;
        self.site.shared.redactor.add(&subject);
        let mut fields = exchanged(&subject);
        fields.extend(wishes(ask.scope.as_deref(), &ask.audience, &[]));
        let answered = self.request(Request::post(account, url, fields)).await?;
        self.keep(&answered, false);
        Ok(vec![answered])
    }

    /// A refresh token of the user that may be spent: the user's own one never is.
    async fn spare(&mut self) -> Result<(), Stop> {
        if !self.spares.is_empty() {
            return Ok(());
        }
        let none = |why: &str| {
            let name = &self.site.plan().issuer.name;
            Stop::Skip(format!(
                "needs a refresh token that may be spent, and {why}; another one needs a login in a browser: `touchstone token login {name}`"
            ))
        };
        let account = self.account(RequestingClient::User)?;
        let url = self.endpoint("token_endpoint")?;
        let user = self.user_token(account, url, &TokenStep::default()).await?;
        let Some(user) = user.grant else {
            return Err(none("the user's own one gives no token"));
        };
        self.supported(EXCHANGE)
            .map_err(|_| none("token exchange is not offered"))?;
        let told = user.token.as_ref().ok().and_then(|jwt| jwt.text("scope"));
        let whole = format!("offline_access {}", told.unwrap_or_default());
        for scope in [SPARE, whole.as_str()] {
            let mut fields = exchanged(&user.access);
            let mut words: Vec<&str> = scope.split_whitespace().collect();
            words.dedup();
            let scope = words.join(" ");
            fields.extend(wishes(Some(&scope), &[], &[]));
            let answered = self
                .request(Request {
                    purpose: Purpose::Arrange,
                    ..Request::post(account, url, fields)
                })
                .await?;
            let Some(grant) = answered.grant else {
                continue;
            };
            if let Some(refresh) = grant.refresh {
                self.spares.push(refresh);
                self.spare = grant.token.ok();
                return Ok(());
            }
        }
        Err(none("token exchange with offline_access gives none"))
    }

    async fn refresh(&mut self, ask: &RefreshStep) -> Result<Vec<Answered>, Stop> {
        self.spare().await?;
        let account = self.account(RequestingClient::User)?;
        let url = self.endpoint("token_endpoint")?;
        let token = match ask.token {
            SpareToken::Last => self.spares.last(),
            SpareToken::Old => {
                let before = self.spares.iter().rev().nth(1);
                if before.is_none() {
                    return Err(Stop::Skip("it does not replace refresh tokens".into()));
                }
                before
            }
        };
        let token = token.cloned();
        let token = token.ok_or_else(|| Stop::Undecided("there is no refresh token".into()))?;
        let mut fields = vec![
            Field::plain("grant_type", "refresh_token"),
            Field::secret("refresh_token", &token, "$REFRESH_TOKEN"),
        ];
        fields.extend(wishes(ask.scope.as_deref(), &[], &[]));
        let answered = self
            .request(Request {
                proof: ask.proof,
                ..Request::post(account, url, fields)
            })
            .await?;
        self.keep(&answered, false);
        let new = answered
            .grant
            .as_ref()
            .and_then(|grant| grant.refresh.clone());
        if let Some(new) = new
            && new.expose_secret() != token.expose_secret()
        {
            self.spares.push(new);
        }
        Ok(vec![answered])
    }

    async fn revoke(&mut self, ask: &RevocationStep) -> Result<Vec<Answered>, Stop> {
        let url = self.endpoint("revocation_endpoint")?;
        let (account, token) = match ask.token {
            RevokedToken::Refresh => {
                self.spare().await?;
                let last = self.spares.last().cloned();
                let last =
                    last.ok_or_else(|| Stop::Undecided("there is no refresh token".into()))?;
                let account = self.account(RequestingClient::User)?;
                (account, Field::secret("token", &last, "$REFRESH_TOKEN"))
            }
            RevokedToken::Unknown => {
                let account = self.account(RequestingClient::Client)?;
                let unknown = format!("unknown-{}", uuid::Uuid::new_v4().simple());
                (account, Field::plain("token", &unknown))
            }
        };
        let fields = vec![token, Field::plain("token_type_hint", "refresh_token")];
        let answered = self
            .request(Request {
                proof: ask.proof,
                ..Request::post(account, url, fields)
            })
            .await?;
        Ok(vec![answered])
    }

    async fn userinfo(&mut self, bearer: UserInfoBearer) -> Result<Vec<Answered>, Stop> {
        let url = self.endpoint("userinfo_endpoint")?;
        let (token, shown) = match bearer {
            UserInfoBearer::Access => {
                let own = self.own.as_ref().map(|own| own.access.clone());
                (own, "$TOKEN")
            }
            UserInfoBearer::Refresh => {
                let token = match self.spare().await {
                    Ok(()) => self.spares.last().cloned(),
                    // Who only shows it does not spend it.
                    Err(Stop::Skip(_)) => Some(self.held().await?),
                    Err(stop) => return Err(stop),
                };
                (token, "$REFRESH_TOKEN")
            }
        };
        let token = token.ok_or_else(|| Stop::Undecided("there is no token to show".into()))?;
        let sent = self.send(Outgoing {
            purpose: Purpose::Step,
            method: Method::Get,
            url,
            query: Vec::new(),
            form: Vec::new(),
            authorization: Authorization::Bearer(token, shown),
            case: self.planned.case.id.as_str(),
            deadline: self.deadline,
        });
        let sent = sent.await;
        Ok(vec![self.answered(sent, false)?])
    }

    async fn start_device(&mut self, scope: &str) -> Result<Vec<Answered>, Stop> {
        let url = self.endpoint("device_authorization_endpoint")?;
        let account = self.account(RequestingClient::Client)?;
        let client = self.client(account)?;
        let fields = vec![
            Field::secret("client_id", &client.id, "$CLIENT_ID"),
            Field::plain("scope", scope),
        ];
        let answered = self.request(Request::post(account, url, fields)).await?;
        let document: Option<serde_json::Value> =
            serde_json::from_slice(&answered.answer.body).ok();
        let code =
            document.and_then(|document| Some(document.get("device_code")?.as_str()?.to_owned()));
        self.device = code.map(SecretString::from);
        Ok(vec![answered])
    }

    async fn poll(&mut self) -> Result<Vec<Answered>, Stop> {
        let url = self.endpoint("token_endpoint")?;
        let account = self.account(RequestingClient::Client)?;
        let Some(code) = self.device.clone() else {
            return Err(Stop::Undecided("there is no device code".into()));
        };
        let fields = vec![
            Field::plain("grant_type", DEVICE),
            Field::secret("device_code", &code, "$DEVICE_CODE"),
        ];
        let answered = self.request(Request::post(account, url, fields)).await?;
        Ok(vec![answered])
    }

    fn outcome(mut self, stop: Option<Stop>) -> Outcome {
        let mode = self.site.shared.plan.mode;
        let decided = touchstone_protocol::verdict(&self.findings, mode);
        // What was proven stays proven, even if something later could not be decided.
        let (verdict, reason) = match stop {
            Some(Stop::Undecided(reason)) if decided != Verdict::Fail => {
                (Verdict::Error, Some(reason))
            }
            Some(Stop::Skip(reason)) if decided == Verdict::Pass => (Verdict::Skip, Some(reason)),
            Some(Stop::Undecided(reason) | Stop::Skip(reason)) => (decided, Some(reason)),
            Some(Stop::Broken) | None => (decided, None),
        };
        self.findings
            .sort_by_key(|finding| !finding.level.binding());
        Outcome {
            verdict,
            reason,
            findings: self.findings,
            exchanges: self.exchanges,
            stayed: Vec::new(),
        }
    }
}

/// The form of an exchange (RFC 8693 section 2.1).
fn exchanged(subject: &SecretString) -> Vec<Field> {
    vec![
        Field::plain("grant_type", EXCHANGE),
        Field::secret("subject_token", subject, "$TOKEN"),
        Field::plain("subject_token_type", ACCESS_TOKEN),
    ]
}

fn wishes(scope: Option<&str>, audience: &[String], resource: &[String]) -> Vec<Field> {
    let mut fields = Vec::new();
    fields.extend(scope.map(|scope| Field::plain("scope", scope)));
    if !audience.is_empty() {
        fields.push(Field::plain("audience", &audience.join(" ")));
    }
    fields.extend(resource.iter().map(|one| Field::plain("resource", one)));
    fields
}

fn cleartext(url: &str) -> String {
    url.replacen("https://", "http://", 1)
}
