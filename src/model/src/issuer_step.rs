use super::{Account, Issuer, OAuthClient, Place, TokenSource};

/// One request to an issuer that is judged, or a look at what it publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerStep {
    /// What is asked.
    pub what: IssuerRequest,
    /// What is right of the answer.
    pub expect: Vec<IssuerExpectation>,
    /// Whether an issuer need not give what is asked: the case is skipped then, whatever the words say.
    pub optional: bool,
    /// Its line in the suite file.
    pub at: Place,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerRequest {
    /// The metadata.
    Metadata(PublishedDocument),
    /// The set of keys.
    Keys(PublishedDocument),
    /// A token from the token endpoint.
    Token(TokenStep),
    /// A token for another one (RFC 8693).
    Exchange(ExchangeStep),
    /// A token for a refresh token (RFC 6749 section 6).
    Refresh(RefreshStep),
    /// The end of a token (RFC 7009).
    Revoke(RevocationStep),
    /// Who the bearer is (OpenID Connect Core section 5.3).
    Userinfo(UserInfoBearer),
    /// A login on another device (RFC 8628 section 3.1).
    Device {
        /// The scope that is asked for.
        scope: String,
    },
    /// Whether that login took place (RFC 8628 section 3.4).
    Poll,
}

/// Which of the published documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishedDocument {
    /// The one at its place, as it was fetched for the whole run.
    Shared,
    /// The same, fetched anew so many times.
    Again(usize),
    /// The place of RFC 8414 section 3.1 for an issuer with a path: well-known first, then the path.
    Inserted,
    /// The same for `oauth-authorization-server`.
    Authorization,
    /// The same document over HTTP without TLS.
    Cleartext,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestingClient {
    /// The first account with client credentials.
    #[default]
    Client,
    /// The first account with client credentials whose `scopes` leave something out.
    Narrow,
    /// The account with a refresh token.
    User,
    /// Who has groups: the user where there is one, otherwise the client.
    Member,
}

/// How a client shows who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientProof {
    /// As it is registered.
    #[default]
    Good,
    /// With a secret that is none.
    WrongSecret,
    /// Its id without a secret.
    None,
    /// In the query of the URL.
    InQuery,
    /// As another client, which proves itself.
    Other,
}

/// A request for a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenStep {
    /// Who asks.
    pub by: RequestingClient,
    /// The scope; without one none is sent.
    pub scope: Option<String>,
    /// Values of `audience`, separated by spaces (as issuers of the field understand it).
    pub audience: Vec<String>,
    /// Values of `resource` (RFC 8707).
    pub resource: Vec<String>,
    /// How the client shows who it is.
    pub proof: ClientProof,
    /// Another grant than that of the account.
    pub grant: Option<String>,
    /// With GET.
    pub get: bool,
    /// How many times.
    pub times: usize,
}

/// A request to exchange a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeStep {
    /// What is exchanged.
    pub subject: SubjectToken,
    /// The scope.
    pub scope: Option<String>,
    /// The audience.
    pub audience: Vec<String>,
}

/// An access token that is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectToken {
    /// The last one of the case.
    Last,
    /// The last one with another payload and its old signature.
    Tampered,
    /// The last one signed by a key of ours, which the header says.
    UnknownKey,
    /// The same, and of another issuer.
    Foreign,
    /// One that has expired; only the issuer's own key makes it.
    Expired,
    /// The case's refresh token.
    RefreshToken,
}

/// A request to refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshStep {
    /// Which refresh token.
    pub token: SpareToken,
    /// The scope.
    pub scope: Option<String>,
    /// How the client shows who it is.
    pub proof: ClientProof,
}

/// A refresh token that may be spent. The user's own one never is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpareToken {
    /// The newest of the case; the first one is obtained for it.
    #[default]
    Last,
    /// The one before the newest.
    Old,
}

/// A request to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationStep {
    /// What.
    pub token: RevokedToken,
    /// How the client shows who it is.
    pub proof: ClientProof,
}

/// What is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedToken {
    /// The case's refresh token.
    Refresh,
    /// A text that is no token.
    Unknown,
}

/// What is shown as bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserInfoBearer {
    /// The last access token.
    Access,
    /// The case's refresh token.
    Refresh,
}

impl IssuerRequest {
    /// Who asks, where a client does.
    pub fn asker(&self) -> Option<RequestingClient> {
        match self {
            Self::Metadata(_) | Self::Keys(_) => None,
            Self::Token(token) => Some(token.by),
            Self::Exchange(_) | Self::Device { .. } | Self::Poll => Some(RequestingClient::Client),
            Self::Refresh(_) | Self::Userinfo(_) => Some(RequestingClient::User),
            Self::Revoke(revoke) => Some(match revoke.token {
                RevokedToken::Refresh => RequestingClient::User,
                RevokedToken::Unknown => RequestingClient::Client,
            }),
        }
    }

    /// How it shows who it is.
    pub fn proof(&self) -> ClientProof {
        match self {
            Self::Token(token) => token.proof,
            Self::Refresh(refresh) => refresh.proof,
            Self::Revoke(revoke) => revoke.proof,
            _ => ClientProof::Good,
        }
    }

    /// The scope that is asked for.
    pub fn scope(&self) -> Option<&str> {
        match self {
            Self::Token(TokenStep { scope, .. })
            | Self::Exchange(ExchangeStep { scope, .. })
            | Self::Refresh(RefreshStep { scope, .. }) => scope.as_deref(),
            Self::Device { scope } => Some(scope),
            _ => None,
        }
    }

    /// The audiences that are asked for.
    pub fn audience(&self) -> &[String] {
        match self {
            Self::Token(token) if token.audience.is_empty() => &token.resource,
            Self::Token(token) => &token.audience,
            Self::Exchange(exchange) => &exchange.audience,
            _ => &[],
        }
    }

    /// Whether a good answer is a token.
    pub fn for_token(&self) -> bool {
        matches!(self, Self::Token(_) | Self::Exchange(_) | Self::Refresh(_))
    }

    /// Whether a refresh token is needed that may be spent.
    pub fn spends(&self) -> bool {
        match self {
            Self::Refresh(_) | Self::Userinfo(UserInfoBearer::Refresh) => true,
            Self::Exchange(exchange) => exchange.subject == SubjectToken::RefreshToken,
            Self::Revoke(revoke) => revoke.token == RevokedToken::Refresh,
            _ => false,
        }
    }

    /// Its texts that may hold variables.
    pub fn texts_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Token(token) => token
                .scope
                .iter_mut()
                .chain(&mut token.audience)
                .chain(&mut token.resource)
                .collect(),
            Self::Exchange(exchange) => exchange
                .scope
                .iter_mut()
                .chain(&mut exchange.audience)
                .collect(),
            Self::Refresh(refresh) => refresh.scope.iter_mut().collect(),
            Self::Device { scope } => vec![scope],
            _ => Vec::new(),
        }
    }
}

impl Issuer {
    /// The account that asks as `asker`.
    pub fn asker(&self, asker: RequestingClient) -> Option<&Account> {
        let mut accounts = self.accounts.iter();
        match asker {
            RequestingClient::Client => accounts.find(|account| account.credentials().is_some()),
            RequestingClient::Narrow => accounts
                .find(|account| account.credentials().is_some() && account.narrow().is_some()),
            RequestingClient::User => {
                accounts.find(|account| matches!(account.source, TokenSource::RefreshToken { .. }))
            }
            RequestingClient::Member => self
                .asker(RequestingClient::User)
                .or_else(|| self.asker(RequestingClient::Client)),
        }
    }

    /// An account with another client than that of `account`.
    pub fn other_client(&self, account: &Account) -> Option<&Account> {
        let mut others = self.accounts.iter();
        others.find(|other| other.name != account.name && other.credentials().is_some())
    }
}

impl Account {
    /// Its client, where it has client credentials.
    pub fn credentials(&self) -> Option<&OAuthClient> {
        match &self.source {
            TokenSource::ClientCredentials(client) => Some(client),
            _ => None,
        }
    }

    /// Storage scopes that can be had by it, what only reads first; many issuers know certain scopes alone, and none below them.
    /// `None` where its `scopes` name no such.
    pub fn obtainable(&self) -> Option<Vec<&str>> {
        let Some(scopes) = &self.scopes else {
            return Some(vec![
                "storage.read:/",
                "storage.create:/",
                "storage.modify:/",
            ]);
        };
        let storage = |scope: &&str| scope.starts_with("storage.");
        let mut scopes: Vec<&str> = scopes
            .iter()
            .flat_map(|scope| scope.split_ascii_whitespace())
            .filter(storage)
            .collect();
        scopes.sort_by_key(|scope| !scope.starts_with("storage.read:"));
        (!scopes.is_empty()).then_some(scopes)
    }

    /// A storage scope for another operation than the first of [`Self::obtainable`]: the last such one, or, where it can have
    /// one operation alone, another in the same path.
    pub fn other_operation(&self) -> Option<String> {
        let scopes = self.obtainable()?;
        let (operation, path) = scopes.first()?.split_once(':')?;
        let other = |scope: &&&str| scope.split(':').next() != Some(operation);
        let none = || match operation {
            "storage.modify" => format!("storage.read:{path}"),
            _ => format!("storage.modify:{path}"),
        };
        let last = scopes.iter().rev().find(other);
        Some(last.map_or_else(none, |scope| (*scope).to_owned()))
    }

    /// Its first storage scope, name and path, where its `scopes` leave something out.
    pub fn narrow(&self) -> Option<(&str, &str)> {
        let scopes = self.scopes.as_ref()?;
        let mut storage = scopes
            .iter()
            .filter(|scope| scope.starts_with("storage."))
            .filter_map(|scope| scope.split_once(':'));
        let first = storage.clone().next()?;
        let whole = storage.any(|(_, path)| path.trim_end_matches('/').is_empty());
        (!whole).then_some(first)
    }
}

macro_rules! variables {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal $meaning:literal $lacking:literal,)*) => {
        /// A value that the planner knows of an issuer and a suite file refers to in braces.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum IssuerVariable { $($(#[doc = $doc])* $variant,)* }

        impl IssuerVariable {
            /// Every variable.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name between the braces.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it stands for.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to write where nobody has said what it stands for.
            pub fn lacking(self) -> &'static str {
                match self { $(Self::$variant => $lacking,)* }
            }
        }
    };
}

variables! {
    /// What the account can get.
    Scope "scope" "a storage scope that the account can get: the first of its `scopes`, one to read before others, or storage.read:/" "`scopes: [\"storage.read:/\"]` at the account",
    /// Several of these.
    Scopes "scopes" "storage scopes that the account can get: the first three of its `scopes`, or storage.read:/ storage.create:/ storage.modify:/" "`scopes: [\"storage.read:/\"]` at the account",
    /// One for another operation than that.
    OtherOperation "other-operation" "a storage scope for another operation than {scope}: the last such one of the account's `scopes`, or storage.modify: (storage.read: beside that) with the same path" "`scopes: [\"storage.read:/\"]` at the account",
    /// The VO.
    Vo "vo" "the name of the VO (`judge: {vo}`)" "`vo: NAME`",
    /// The VO in capitals.
    VoCapitals "vo-capitals" "the same in capitals" "`vo: NAME`",
    /// The first default group.
    DefaultGroup "default-group" "the first group that comes unasked (`judge: {default-groups}`)" "`default-groups: [/vo]`",
    /// The first optional group.
    OptionalGroup "optional-group" "the first group that comes on request (`judge: {optional-groups}`)" "`optional-groups: [/vo/name]`",
    /// The second optional group.
    OtherGroup "other-group" "the second group that comes on request (`judge: {optional-groups}`)" "two groups in `optional-groups: [/vo/one, /vo/two]`",
    /// A group of others.
    ForeignGroup "foreign-group" "a group that is there, and whose member we are not (`judge: {foreign-group}`)" "`foreign-group: /vo/name`",
    /// The first capability set.
    Set "set" "the first group with a capability set (`judge: {capability-sets}`)" "`capability-sets: {/vo: [SCOPE, …]}`",
    /// The second capability set.
    OtherSet "other-set" "the second group with a capability set (`judge: {capability-sets}`)" "two groups in `capability-sets: {/vo: [SCOPE, …]}`",
    /// What the narrow client is entitled to.
    Narrow "narrow" "the first storage scope of the client that may not ask for everything" "an account with client credentials and `scopes: [\"storage.read:/path\"]`",
    /// The path of it.
    NarrowPath "narrow-path" "the path of that scope" "an account with client credentials and `scopes: [\"storage.read:/path\"]`",
}

macro_rules! words {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal $about:literal,)*) => {
        /// The words for what is right of an issuer's answer. `check::issuer` defines each of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum IssuerExpectation { $($(#[doc = $doc])* $variant,)* }

        impl IssuerExpectation {
            /// Every word.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word as suite files have it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it says, in a sentence without its stop.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

words! {
    // Documents.
    /// A JSON object.
    Document "document" "it is answered 200 with a JSON object of type application/json",
    /// META-02.
    NamesIssuer "names-issuer" "`issuer` is the issuer's URL, character by character",
    /// META-03.
    NamesKeys "names-keys" "`jwks_uri` is an absolute https URL",
    /// META-04.
    HttpsOnly "https-only" "every URL of an endpoint in it is https",
    /// META-06.
    NamesTokenEndpoint "names-token-endpoint" "`token_endpoint` is an absolute https URL",
    /// META-06.
    NamesGrants "names-grants" "`grant_types_supported` lists client credentials, refresh token and token exchange",
    /// META-06.
    NamesScopes "names-scopes" "`scopes_supported` is a list of scopes, each once and without spaces",
    /// META-06.
    NamesAuthentication "names-authentication" "`token_endpoint_auth_methods_supported` says how clients prove themselves, with a way other than `none`",
    /// REV-01.
    NamesRevocation "names-revocation" "`revocation_endpoint` is an absolute https URL",
    /// META-06.
    NamesIntrospection "names-introspection" "`introspection_endpoint` is an absolute https URL",
    /// EP-04.
    NamesDevice "names-device" "`device_authorization_endpoint` is an absolute https URL",
    /// META-05.
    SameIfServed "same-if-served" "if anything is served there, it is the same document",
    /// META-04.
    NotServed "not-served" "nothing is served there",
    /// EP-05.
    Same "same" "it is the same document as before",
    // Keys.
    /// JWKS-01.
    KeySet "key-set" "it is a JSON object whose `keys` are keys that decode, points of curves among them",
    /// JWKS-02.
    KeyIds "key-ids" "every key for signatures has a `kid`, and none is there twice",
    /// JWKS-03.
    PublicOnly "public-only" "no key is symmetric or has a private member",
    /// JWKS-04.
    StrongKeys "strong-keys" "RSA keys have at least 2048 bits and an odd exponent above 1, EC keys a curve of the NIST",
    /// JWKS-04.
    UsableKey "usable-key" "a key is there for RS256 or ES256",
    /// JWKS-05.
    KeptAWhile "kept-a-while" "Cache-Control or Expires lets it be kept for 1 to 6 hours",
    // Replies of the token endpoint.
    /// EP-01.
    Reply "reply" "it is JSON with `access_token` and the `token_type` Bearer",
    /// EP-01.
    Uncached "uncached" "Cache-Control says no-store",
    /// A token came.
    Granted "granted" "a token comes",
    /// No token came.
    Refused "refused" "no token comes",
    /// EP-02.
    ErrorJson "error-json" "the error is JSON with a registered code, status 400, or 401 for `invalid_client`",
    /// The client is not known.
    InvalidClient "invalid-client" "the error is `invalid_client`",
    /// The grant is no good.
    InvalidGrant "invalid-grant" "the error is `invalid_grant` or `invalid_request`",
    /// REF-01.
    InvalidScope "invalid-scope" "where it is refused, the error is `invalid_scope` or `access_denied`",
    /// GRP-07.
    AccessDenied "access-denied" "the error is `access_denied`, or the reply tells which scope was given",
    // The token.
    /// TOK-01.
    Signed "signed" "the token is a compact JWS, signed with the published key that `kid` names",
    /// TOK-01.
    UsualAlgorithm "usual-algorithm" "it is signed with RS256 or ES256",
    /// TOK-02.
    Claims "claims" "sub, exp, iss, wlcg.ver, aud, iat and jti are there and of the right types",
    /// TOK-03.
    Version "version" "wlcg.ver is 1.0",
    /// TOK-04.
    IssuerUrl "issuer-url" "iss is an https URL without query and fragment",
    /// META-02.
    IssuerExact "issuer-exact" "iss is the issuer's URL, character by character, as in the metadata",
    /// TOK-05.
    SubjectForm "subject-form" "sub is ASCII and has 1 to 255 characters",
    /// TOK-05.
    SameSubject "same-subject" "all tokens of the case have the same sub",
    /// TOK-06.
    Anonymous "anonymous" "sub looks neither like an e-mail address nor like a DN, and is no name from the ID token",
    /// TOK-07.
    UniqueIds "unique-ids" "no jti is there twice, and they vary by 64 bits",
    /// TOK-08.
    Lifetime "lifetime" "the token lives for 15 minutes to 6 hours",
    /// TOK-09.
    NotBefore "not-before" "nbf, if it is there, lies at most 5 minutes before iat and not after it",
    /// TOK-10.
    IssuedNow "issued-now" "iat is now, to 60 seconds",
    /// TOK-10.
    ExpiresIn "expires-in" "`expires_in` is the time from iat to exp, to 5 seconds",
    /// TOK-11.
    ScopeForm "scope-form" "scope is one text of scopes separated by single spaces, none twice",
    /// TOK-12.
    StoragePaths "storage-paths" "every storage scope has an absolute, normalised and URL-escaped path",
    /// TOK-13.
    NoBrokenScope "no-broken-scope" "no storage scope without a good path is in a token",
    /// TOK-14.
    AudienceAsAsked "audience-as-asked" "aud is what was asked for: one text, or a list of several",
    /// TOK-15.
    HasAudience "has-audience" "aud is there and not empty",
    /// TOK-16.
    HasRights "has-rights" "scope or wlcg.groups is there",
    /// TOK-17.
    Small "small" "the token has less than 2048 bytes",
    // Groups.
    /// GRP-01.
    GroupsForm "groups-form" "wlcg.groups is a list of group names, none twice",
    /// GRP-02.
    GroupsOfVo "groups-of-vo" "every group is the VO or below it",
    /// GRP-04.
    NoGroups "no-groups" "no groups are there",
    /// GRP-05.
    GroupsAsAsked "groups-as-asked" "the groups are those asked for and the default ones, whatever their order",
    /// GRP-06.
    GroupsInOrder "groups-in-order" "the groups are in the order of the request, default ones last where `wlcg.groups` is not in it",
    /// GRP-03.
    GroupsInIdToken "groups-in-id-token" "the ID token has the same groups",
    /// GRP-07.
    NoForeignGroups "no-foreign-groups" "no group is there that the member does not have",
    // Capabilities.
    /// CAP-01.
    ScopeAsAsked "scope-as-asked" "the capabilities are exactly those asked for",
    /// CAP-02.
    NoMore "no-more" "no capability is there beyond what was asked for",
    /// CAP-02.
    NotBeyond "not-beyond" "no capability is there beyond what the client is entitled to",
    /// EX-02, REF-01.
    NotWider "not-wider" "no capability or group is there beyond those of the token before",
    /// CAP-03.
    DifferenceTold "difference-told" "where the scope is another than asked for, the reply tells it as the token has it",
    /// CAP-05.
    SetComplete "set-complete" "all capabilities of the sets asked for are there, and explicit scopes beside them",
    /// CAP-06.
    NoSet "no-set" "no capability is there",
    // The rest.
    /// VER-01.
    KnownVersion "known-version" "the token, if one comes, has a wlcg.ver that exists",
    /// HOST-01.
    ClientSubject "client-subject" "sub is the client's id",
    /// HOST-01.
    HostScope "host-scope" "the scope has host.auth",
    /// ASS-01.
    Assurance "assurance" "eduperson_assurance is a list of texts and acr a text",
    /// IDT-01.
    IdToken "id-token" "the ID token is signed, of this issuer, for this client, and of the same subject",
    /// EX-01.
    Exchanged "exchanged" "the reply has `issued_token_type` and `token_type`",
    /// REF-04.
    RefreshLifetime "refresh-lifetime" "a refresh token that is a JWT lives for 1 to 400 days",
    /// REV-01, REV-02.
    Accepted "accepted" "it is answered 200",
    /// REF-05.
    Unauthenticated "unauthenticated" "it is refused with 400, 401 or 403",
    /// EP-04.
    DeviceReply "device-reply" "the reply has device_code, user_code, verification_uri and expires_in",
    /// EP-04.
    Pending "pending" "the error is `authorization_pending` or `slow_down`",
}

impl IssuerExpectation {
    /// Whether it is about the token that came, so that it says nothing where none did.
    pub fn about_token(self) -> bool {
        use IssuerExpectation as W;
        matches!(
            self,
            W::Signed
                | W::UsualAlgorithm
                | W::Claims
                | W::Version
                | W::IssuerUrl
                | W::IssuerExact
                | W::SubjectForm
                | W::SameSubject
                | W::Anonymous
                | W::UniqueIds
                | W::Lifetime
                | W::NotBefore
                | W::IssuedNow
                | W::ExpiresIn
                | W::ScopeForm
                | W::StoragePaths
                | W::AudienceAsAsked
                | W::HasAudience
                | W::HasRights
                | W::Small
                | W::GroupsForm
                | W::GroupsOfVo
                | W::NoGroups
                | W::GroupsAsAsked
                | W::GroupsInOrder
                | W::GroupsInIdToken
                | W::ScopeAsAsked
                | W::SetComplete
                | W::ClientSubject
                | W::HostScope
                | W::Assurance
                | W::IdToken
                | W::Exchanged
                | W::RefreshLifetime
                | W::Uncached
        )
    }

    /// Whether it is about what is published.
    pub fn about_document(self) -> bool {
        (self as usize) <= (Self::KeptAWhile as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_variables_are_told_apart() {
        let mut names: Vec<_> = IssuerExpectation::ALL
            .iter()
            .map(|word| word.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), IssuerExpectation::ALL.len());
        for word in IssuerExpectation::ALL {
            assert!(!word.about().ends_with('.'), "{}", word.as_str());
            assert!(!(word.about_document() && word.about_token()));
        }
        assert!(
            IssuerExpectation::KeptAWhile.about_document()
                && !IssuerExpectation::Reply.about_document()
        );
        assert_eq!(IssuerVariable::ALL.len(), 13);
    }
}
