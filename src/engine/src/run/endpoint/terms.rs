//! What tokens have to be like for an endpoint that does not take those that the profile allows: found out once, and kept to
//! for the whole run there, so that one fault of a service does not hide all others.

use std::borrow::Cow;

use serde_json::Value;

use crate::run::Shared;
use crate::token::{Fit, Token, TokenError, causes};
use touchstone_model::{
    ANY_AUDIENCE, Alteration, Audience, Case, Endpoint, Expect, Level, Method, Plan, Signature,
    TokenRequest,
};

/// One thing in which tokens differ from what they usually are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run) enum Rung {
    /// Signed with this kind of key, not with the issuer's first.
    Key(Signature),
    /// Meant for this service alone, not for every one.
    OwnAudience,
    /// Meant for another one of the audiences that the endpoint declares; which one, from 1 for the second.
    OtherAudience(usize),
    /// With `nbf`.
    NotBefore,
    /// With one scope each, where one that serves for everything would have several.
    OneScope,
    /// With storage.create beside storage.modify.
    Create,
    /// A new one for each request.
    Fresh,
}

impl Rung {
    /// The clause that a service breaks that needs it, and the case that is about it.
    pub fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::Key(Signature::Es256) => ("JWT-4.2-13", "authentication.algorithm.rs256"),
            Self::Key(_) => ("JWT-4.2-14", "authentication.algorithm.es256"),
            Self::OwnAudience => ("JWT-2.1.1-17", "audience.any"),
            Self::OtherAudience(_) => ("JWT-2.1.1-16", "audience.array.first"),
            Self::NotBefore => ("JWT-2.1.1-05", "authentication.not-before.absent"),
            Self::OneScope => ("JWT-2.2.1-31", "capability.several.add-up"),
            Self::Create => ("JWT-2.2.1-16", "capability.modify.create-superset"),
            Self::Fresh => ("JWT-2.1.1-11", "authentication.reuse"),
        }
    }

    /// What the service does not take, and what it is given instead.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Key(Signature::Es256) => (
                "tokens that are signed with RS256",
                "those of this run are signed with ES256",
            ),
            Self::Key(_) => (
                "tokens that are signed with ES256",
                "those of this run are signed with RS256",
            ),
            Self::OwnAudience => (
                "the audience that means every service",
                "the tokens of this run name the endpoint, as with `traits: {any-audience: false}`",
            ),
            Self::OtherAudience(_) => (
                "the first of the audiences that are declared for it",
                "the tokens of this run have another one of `audience:`",
            ),
            Self::NotBefore => ("tokens without nbf", "those of this run have it"),
            Self::OneScope => (
                "more than one scope of a token",
                "those that arrange objects and serve as controls have one each",
            ),
            Self::Create => (
                "storage.modify for what is new",
                "the tokens that arrange objects and serve as controls have storage.create as well",
            ),
            Self::Fresh => (
                "a token that it has seen before",
                "each request of this run has a new one, as with `fresh-tokens: true`",
            ),
        }
    }
}

/// In what tokens for an endpoint differ; in nothing for one that conforms.
#[derive(Clone, Debug, Default)]
pub(in crate::run) struct Terms {
    rungs: Vec<Rung>,
    origin: String,
    /// Those that the endpoint declares.
    audiences: Vec<String>,
}

/// Asks a service whether it takes a token.
pub(in crate::run) trait Trial {
    /// Whether it does.
    fn takes(&mut self, token: Token) -> impl Future<Output = bool> + Send;
}

impl Terms {
    fn has(&self, rung: Rung) -> bool {
        self.rungs.contains(&rung)
    }

    fn of(rungs: Vec<Rung>, endpoint: &Endpoint) -> Self {
        Self {
            rungs,
            origin: endpoint.origin(),
            audiences: endpoint.audience.clone().unwrap_or_default(),
        }
    }

    /// The endpoint as it is to be treated on these terms.
    pub fn endpoint<'e>(&self, endpoint: &'e Endpoint) -> Cow<'e, Endpoint> {
        match self.has(Rung::Fresh) && !endpoint.fresh_tokens {
            false => Cow::Borrowed(endpoint),
            true => Cow::Owned(Endpoint {
                fresh_tokens: true,
                ..endpoint.clone()
            }),
        }
    }

    /// The same for `case`, which may be about what would be left out.
    pub fn endpoint_for<'e>(&self, endpoint: &'e Endpoint, case: &Case) -> Cow<'e, Endpoint> {
        match self.has(Rung::Fresh) && cites(case, Rung::Fresh) {
            false => Cow::Borrowed(endpoint),
            true => Cow::Owned(Endpoint {
                fresh_tokens: false,
                ..endpoint.clone()
            }),
        }
    }

    /// The token that is to be asked for instead of `request`, which is for `case`. A case that is about one of the terms is run
    /// without that one. One that is no good, whatever it allows, allows what the service wants of those that are: what is wrong
    /// with it has to be what it is refused for.
    pub fn applied<'r>(
        &self,
        request: &'r TokenRequest,
        case: &Case,
        expect: Expect,
    ) -> Cow<'r, TokenRequest> {
        let rungs = self.rungs.iter().filter(|rung| !cites(case, **rung));
        let mut request = self.on(request, rungs, None);
        if expect == Expect::Unauthenticated && self.has(Rung::Create) {
            create(&mut request);
        }
        if expect.any_refusal() && self.has(Rung::Create) {
            create_as_written(&mut request);
        }
        request
    }

    /// The same for one that only has to succeed, for a request with that method.
    pub fn enough<'r>(&self, request: &'r TokenRequest, method: Method) -> Cow<'r, TokenRequest> {
        self.on(request, self.rungs.iter(), Some(method))
    }

    fn on<'r, 's>(
        &self,
        request: &'r TokenRequest,
        rungs: impl Iterator<Item = &'s Rung>,
        enough: Option<Method>,
    ) -> Cow<'r, TokenRequest> {
        let mut request = Cow::Borrowed(request);
        for rung in rungs {
            match (rung, enough) {
                // Of a kind that it names itself it stays.
                (Rung::Key(_), _) if request.key.is_some() => {}
                (Rung::Key(kind), _) => request.to_mut().key = Some(*kind),
                (Rung::OwnAudience, _) => {
                    if request.audience == Audience::One(ANY_AUDIENCE.to_owned()) {
                        request.to_mut().audience = Audience::One(self.origin.clone());
                    }
                }
                (Rung::OtherAudience(which), _) => {
                    let mut names = self.audiences.iter();
                    let usual = names.next().map(|name| Audience::One(name.clone()));
                    let other = self.audiences.get(*which).cloned();
                    if let Some(other) = other.filter(|_| usual.as_ref() == Some(&request.audience))
                    {
                        request.to_mut().audience = Audience::One(other);
                    }
                }
                (Rung::NotBefore, _) if !request.claims.contains_key("nbf") => {
                    let now = Alteration::FromNow(0);
                    request.to_mut().claims.insert("nbf".to_owned(), now);
                }
                (Rung::Create, Some(_)) => create(&mut request),
                (Rung::NotBefore | Rung::Create | Rung::OneScope | Rung::Fresh, _) => {}
            }
        }
        if let Some(method) = enough.filter(|_| self.has(Rung::OneScope)) {
            one_scope(&mut request, method);
        }
        request
    }

    /// The observer's token on these terms: one for everything, unless that has to be several.
    ///
    /// # Errors
    /// The issuer does not give such a one.
    pub async fn observer(
        &self,
        shared: &Shared,
        endpoint: &Endpoint,
        request: &TokenRequest,
    ) -> Result<Token, TokenError> {
        let endpoint = self.endpoint(endpoint);
        let token = async |method| {
            let request = self.enough(request, method);
            shared.token(&endpoint, &request, Fit::AtLeast).await
        };
        let read = token(Method::Get).await?;
        if !self.has(Rung::OneScope) {
            return Ok(read);
        }
        let write = token(Method::Delete).await?;
        let make = token(Method::Mkcol).await?;
        Ok(read.with(write, make))
    }

    /// What an endpoint does not take, what is done instead, and which case tells more: a line for each of the terms.
    pub fn limitations(&self, plan: &Plan, said: Option<&str>) -> Vec<String> {
        let told = self.rungs.iter().map(|rung| {
            let (clause, case) = rung.about();
            let mut known = plan.clauses.iter();
            let level = known.find(|known| known.id.as_str() == clause);
            let level = level.map_or(Level::Must, |known| known.level);
            let (not, instead) = rung.words();
            let words = said.map_or(String::new(), |said| format!(" ({said})"));
            format!("it does not take {not}{words}: {clause} {level}, see {case}; {instead}")
        });
        told.collect()
    }
}

/// Whether a status may mean that the token is not taken. Some servers cannot serve one that they do not understand.
pub(in crate::run) fn refuses(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 500)
}

/// Whether `case` is about what a service that needs this does not take.
fn cites(case: &Case, rung: Rung) -> bool {
    let (clause, _) = rung.about();
    case.clauses.iter().any(|cited| cited.as_str() == clause)
}

/// Adds storage.create where there is storage.modify.
fn create(request: &mut Cow<'_, TokenRequest>) {
    let wanted: Vec<_> = request
        .scopes
        .iter()
        .filter_map(|scope| scope.strip_prefix("storage.modify:"))
        .map(|path| format!("storage.create:{path}"))
        .filter(|scope| !request.scopes.contains(scope))
        .collect();
    if !wanted.is_empty() {
        request.to_mut().scopes.extend(wanted);
    }
}

/// The same where a case writes the claim itself: what it writes of storage.modify is there of storage.create as well.
fn create_as_written(request: &mut Cow<'_, TokenRequest>) {
    let Some(Alteration::Value(Value::String(scope))) = request.claims.get("scope") else {
        return;
    };
    if !scope.contains("storage.modify") || scope.contains("storage.create") {
        return;
    }
    let create = scope.replace("storage.modify", "storage.create");
    let both = Alteration::Value(format!("{scope} {create}").into());
    request.to_mut().claims.insert("scope".to_owned(), both);
}

/// Keeps the scope that a request with that method needs most.
fn one_scope(request: &mut Cow<'_, TokenRequest>, method: Method) {
    let wanted: &[&str] = match method {
        Method::Put | Method::Mkcol => &["storage.create:", "storage.modify:"],
        method if method.writes() => &["storage.modify:"],
        _ => &["storage.read:"],
    };
    // Those of other services go along: what they are about is no storage.
    let found = wanted.iter().find_map(|begin| {
        let mut scopes = request.scopes.iter();
        scopes.find(|scope| scope.starts_with(begin)).cloned()
    });
    if let Some(found) = found.filter(|_| request.scopes.len() > 1) {
        request.to_mut().scopes = vec![found];
    }
}

/// The terms on which an endpoint takes the token for `request`, which it has refused, and that token. What is not needed is
/// left out again. `None` where nothing helps.
pub(in crate::run) async fn climb(
    shared: &Shared,
    endpoint: &Endpoint,
    request: &TokenRequest,
    refused: &Token,
    trial: &mut impl Trial,
) -> Option<(Terms, Token)> {
    let all = rungs(shared, endpoint, request, refused).await;
    let without = |left_out: &[fn(&Rung) -> bool]| {
        let kept = all.iter().copied();
        let kept = kept.filter(|rung| !left_out.iter().any(|out| out(rung)));
        kept.collect::<Vec<_>>()
    };
    let key: fn(&Rung) -> bool = |rung| matches!(rung, Rung::Key(_));
    let audience: fn(&Rung) -> bool = |rung| matches!(rung, Rung::OwnAudience);
    // The other kind of key, and the other audience, may be what is not taken.
    let mut tries = vec![
        all.clone(),
        without(&[key]),
        without(&[audience]),
        without(&[key, audience]),
    ];
    tries.dedup();
    let declared = endpoint.audience.as_ref().map_or(0, Vec::len);
    let audiences = (1..declared).map(|which| Some(Rung::OtherAudience(which)));
    let mut found = None;
    'tried: for other in std::iter::once(None).chain(audiences) {
        for rungs in &tries {
            let rungs: Vec<_> = rungs.iter().copied().chain(other).collect();
            if rungs.is_empty() {
                continue;
            }
            found = takes(shared, endpoint, request, rungs, trial).await;
            if found.is_some() {
                break 'tried;
            }
        }
    }
    let (mut terms, mut token) = found?;
    for rung in all {
        let fewer: Vec<_> = terms
            .rungs
            .iter()
            .copied()
            .filter(|one| *one != rung)
            .collect();
        if fewer.len() == terms.rungs.len() {
            continue;
        }
        if let Some(simpler) = takes(shared, endpoint, request, fewer, trial).await {
            (terms, token) = simpler;
        }
    }
    Some((terms, token))
}

async fn takes(
    shared: &Shared,
    endpoint: &Endpoint,
    request: &TokenRequest,
    rungs: Vec<Rung>,
    trial: &mut impl Trial,
) -> Option<(Terms, Token)> {
    let terms = Terms::of(rungs, endpoint);
    let token = terms.observer(shared, endpoint, request).await.ok()?;
    let taken = trial.takes(token.clone()).await;
    taken.then_some((terms, token))
}

/// What can be tried, given what the refused token is and what its issuer gives.
async fn rungs(
    shared: &Shared,
    endpoint: &Endpoint,
    request: &TokenRequest,
    refused: &Token,
) -> Vec<Rung> {
    let causes = causes(refused);
    let has = |clause: &str| causes.iter().any(|cause| cause.clause == clause);
    let mut rungs = Vec::new();
    let of_token = [
        ("JWT-4.2-13", Rung::Key(Signature::Es256)),
        ("JWT-4.2-14", Rung::Key(Signature::Rs256)),
        ("JWT-2.1.1-17", Rung::OwnAudience),
        ("JWT-2.1.1-05", Rung::NotBefore),
    ];
    rungs.extend(
        of_token
            .iter()
            .filter(|(clause, _)| has(clause))
            .map(|(_, rung)| *rung),
    );
    if request.scopes.len() > 1 {
        rungs.push(Rung::OneScope);
    }
    if request.has("storage.modify") {
        rungs.push(Rung::Create);
    }
    if !endpoint.fresh_tokens {
        rungs.push(Rung::Fresh);
    }
    let mut given = Vec::new();
    for rung in rungs {
        let terms = Terms::of(vec![rung], endpoint);
        match terms.observer(shared, endpoint, request).await {
            Ok(token) if kept(rung, &token) => given.push(rung),
            Ok(_) => {}
            Err(error) => tracing::debug!(?rung, "cannot be tried: {error}"),
        }
    }
    given
}

/// Whether the issuer has given what that rung asks for, and not something else that holds enough.
fn kept(rung: Rung, token: &Token) -> bool {
    let (clause, _) = rung.about();
    let mine = match rung {
        Rung::Key(_)
        | Rung::OwnAudience
        | Rung::OtherAudience(_)
        | Rung::NotBefore
        | Rung::OneScope => true,
        Rung::Create | Rung::Fresh => return true,
    };
    mine && causes(token).iter().all(|cause| cause.clause != clause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(rungs: &[Rung]) -> Terms {
        Terms {
            rungs: rungs.to_vec(),
            origin: "https://se.example.org".into(),
            audiences: Vec::new(),
        }
    }

    fn request(scopes: &str) -> TokenRequest {
        TokenRequest::good(
            "lab".into(),
            scopes.split(' ').map(str::to_owned).collect(),
            Audience::One(ANY_AUDIENCE.into()),
        )
    }

    #[test]
    fn without_terms_nothing_is_altered() {
        let asked = request("storage.read:/ storage.modify:/");
        let given = terms(&[]).enough(&asked, Method::Put);
        assert!(matches!(given, Cow::Borrowed(_)));
    }

    #[test]
    fn each_request_has_the_scope_that_it_needs() {
        let asked = request("storage.read:/ storage.modify:/a");
        let scopes = |rungs: &[Rung], method| terms(rungs).enough(&asked, method).scopes.join(" ");
        assert_eq!(
            scopes(&[Rung::OneScope], Method::Propfind),
            "storage.read:/"
        );
        assert_eq!(
            scopes(&[Rung::OneScope], Method::Mkcol),
            "storage.modify:/a"
        );
        assert_eq!(
            scopes(&[Rung::OneScope], Method::Delete),
            "storage.modify:/a"
        );
        let both = [Rung::Create, Rung::OneScope];
        assert_eq!(scopes(&both, Method::Mkcol), "storage.create:/a");
        assert_eq!(scopes(&both, Method::Delete), "storage.modify:/a");
        assert_eq!(
            scopes(&[Rung::Create], Method::Put),
            "storage.read:/ storage.modify:/a storage.create:/a"
        );
    }

    #[test]
    fn a_scope_that_a_case_writes_itself_is_there_for_making_as_well() {
        let both = "storage.modify:/ storage.create:/";
        for (written, there) in [
            (
                "storage.read:/x,storage.modify",
                "storage.read:/x,storage.modify storage.read:/x,storage.create",
            ),
            (both, both),
            ("storage.read:/", "storage.read:/"),
        ] {
            let mut asked = request("openid");
            let scope = Alteration::Value(written.into());
            asked.claims.insert("scope".to_owned(), scope);
            let mut given = Cow::Owned(asked);
            create_as_written(&mut given);
            let there = Alteration::Value(there.into());
            assert_eq!(given.claims["scope"], there);
        }
    }

    #[test]
    fn audience_and_key_are_for_every_token() {
        let asked = request("storage.read:/");
        let on = terms(&[Rung::OwnAudience, Rung::Key(Signature::Es256)]);
        let given = on.enough(&asked, Method::Get);
        assert_eq!(
            given.audience,
            Audience::One("https://se.example.org".into())
        );
        assert_eq!(given.key, Some(Signature::Es256));
        let foreign = TokenRequest {
            audience: Audience::One("https://elsewhere.example.org".into()),
            ..asked
        };
        assert_eq!(on.enough(&foreign, Method::Get).audience, foreign.audience);
    }
}
