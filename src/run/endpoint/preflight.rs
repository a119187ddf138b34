//! What a service has, found out before its cases run: what it does not have is told once, and not by every case that needs
//! it. Nothing is asked that could change anything but in the run's own directory.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::check::reason;
use crate::http::{Caller, Client};
use crate::model::{
    ANY_AUDIENCE, Ability, Answer, Audience, EndpointPlan, Exchange, Groups, Method, Purpose,
    TokenRequest,
};
use crate::run::Shared;
use crate::run::case::WELL_KNOWN;
use crate::run::observer::Observer;
use crate::token::{Fit, Token};

use super::terms::Terms;

/// A name in the run's directory at which nothing is.
const NOTHING: &str = "nothing-is-here";
/// An audience that is nobody's here.
const ELSEWHERE: &str = "https://elsewhere.example.org";
/// A file there whose checksum is asked for.
const PROBE: &str = "probe";

/// Something that cases need and the service does not have, though it is not declared so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absent {
    pub ability: Ability,
    /// How that came out.
    pub shown: String,
}

impl Absent {
    /// What it means for the cases that need it; `witness` tells it as its finding.
    pub fn put_down(&self, witness: &str) -> String {
        format!(
            "put down to {witness}: the service {} ({}); if that is meant to be so, {} declares it",
            self.ability.lacking(),
            self.shown,
            self.ability.denied()
        )
    }

    /// What is added to the finding of the witness.
    pub fn remedy(&self) -> String {
        format!(
            "if the service is meant to be one that {}, {} declares it",
            self.ability.lacking(),
            self.ability.denied()
        )
    }
}

/// Looks around at an endpoint, in the run's directory, which is there.
pub(super) struct Scout<'a> {
    pub shared: &'a Shared,
    pub plan: &'a EndpointPlan,
    pub client: &'a Client,
    pub observer: &'a Token,
    pub terms: &'a Terms,
    /// What `Allow` of the answer to OPTIONS names.
    pub offered: &'a [String],
    pub deadline: Instant,
}

impl Scout<'_> {
    /// Of what the cases need, what the service does not have. `store` puts a file where it is asked to.
    pub async fn absent<S: Store>(&self, needed: &BTreeSet<Ability>, store: &S) -> Vec<Absent> {
        let mut absent = Vec::new();
        for ability in needed {
            let shown = match ability {
                // Found out by the run's own directory.
                Ability::Directories => None,
                Ability::Propfind | Ability::Move | Ability::ThirdPartyCopy => {
                    self.method(*ability).await
                }
                Ability::Groups => self.groups().await,
                Ability::Digests => self.digests(store).await,
                Ability::Macaroons => self.macaroons().await,
                Ability::Tape => self.tape().await,
            };
            let ability = *ability;
            absent.extend(shown.map(|shown| Absent { ability, shown }));
        }
        absent
    }

    /// What is declared not to be there, and is offered all the same.
    pub fn surplus(&self) -> Vec<String> {
        let endpoint = &self.plan.endpoint;
        let more = Ability::ALL.into_iter().filter_map(|ability| {
            let method = ability.method()?.as_str();
            let there = self.offered.iter().any(|offered| offered == method);
            (there && !ability.declared(endpoint)).then(|| {
                format!(
                    "{} is declared, and yet its answer to OPTIONS offers {method}: what needs that is not judged",
                    ability.denied()
                )
            })
        });
        more.collect()
    }

    /// That the audience which means everybody is taken, though it is declared that it is not.
    pub async fn any_audience(&self) -> Option<String> {
        let endpoint = &self.plan.endpoint;
        if endpoint.traits.any_audience {
            return None;
        }
        // Where somebody else's token does as well, nobody's audience was looked at.
        let foreign = self.read_as(ELSEWHERE).await?;
        let answer = self.read_as(ANY_AUDIENCE).await?;
        let taken = matches!(answer.status, 200 | 404) && matches!(foreign.status, 401 | 403);
        taken.then(|| {
            format!(
                "`traits: {{any-audience: false}}` is declared, and yet a token for {ANY_AUDIENCE} is taken (GET was answered {}, and {} to one for {ELSEWHERE}): cases about that audience are not judged",
                reason(answer.status),
                reason(foreign.status)
            )
        })
    }

    /// What a token for that audience is answered that may read everything.
    async fn read_as(&self, audience: &str) -> Option<Answer> {
        let endpoint = &self.plan.endpoint;
        let request = TokenRequest::good(
            self.plan.observer.as_ref()?.issuer.clone(),
            vec!["storage.read:/".to_owned()],
            Audience::One(audience.to_owned()),
        );
        let token = self.shared.token(endpoint, &request, Fit::Exact);
        let token = token.await.ok()?;
        let observer = Observer {
            client: self.client,
            endpoint,
            caller: Caller {
                run: self.shared.plan.run.as_str(),
                case: "audience.any",
            },
            token: &token,
            deadline: self.deadline,
        };
        let nothing = || format!("{}/{NOTHING}", self.plan.directory);
        let path = endpoint.existing().unwrap_or_else(nothing);
        send(&observer, Method::Get, &path, &[]).await
    }

    /// Asks for something that is not there, where OPTIONS has not said that the method is.
    async fn method(&self, ability: Ability) -> Option<String> {
        let method = ability.method()?;
        if self
            .offered
            .iter()
            .any(|offered| offered == method.as_str())
        {
            return None;
        }
        let here = format!("{}/{NOTHING}", self.plan.directory);
        let headers = match method {
            Method::Propfind => vec![("Depth".to_owned(), "0".to_owned())],
            _ => {
                let there = self.plan.endpoint.url_of(&format!("{here}-either"));
                vec![("Destination".to_owned(), there)]
            }
        };
        let observer = self.observer(ability, self.observer);
        let answer = send(&observer, method, &here, &headers).await?;
        unknown(method, &answer)
    }

    /// A group alone neither reads nor writes.
    async fn groups(&self) -> Option<String> {
        let groups = self.plan.endpoint.traits.groups.as_ref()?;
        let request = self.of_group(groups)?;
        let endpoint = self.terms.endpoint(&self.plan.endpoint);
        let request = self.terms.enough(&request, Method::Get);
        let token = self
            .shared
            .token(&endpoint, &request, Fit::Exact)
            .await
            .ok()?;
        let observer = self.observer(Ability::Groups, &token);
        let here = format!("{}/{NOTHING}", self.plan.directory);
        let mut shown = Vec::new();
        for method in [Method::Get, Method::Delete] {
            let answer = send(&observer, method, &here, &[]).await?;
            if !matches!(answer.status, 401 | 403) {
                return None;
            }
            shown.push(format!("{method} was answered {}", reason(answer.status)));
        }
        Some(format!(
            "to a token with the group {} and no capability {}",
            groups.member,
            shown.join(" and ")
        ))
    }

    fn of_group(&self, groups: &Groups) -> Option<TokenRequest> {
        let observer = self.plan.observer.as_ref()?;
        let request = TokenRequest::good(
            observer.issuer.clone(),
            Vec::new(),
            observer.audience.clone(),
        );
        Some(TokenRequest {
            groups: vec![groups.member.clone()],
            ..request
        })
    }

    /// No checksum comes for a file of ours, in neither of the two ways to ask for it.
    async fn digests<S: Store>(&self, store: &S) -> Option<String> {
        let path = format!("{}/{PROBE}", self.plan.directory);
        store.store(&path).await.ok()?;
        let wanted = [
            ("Want-Digest".to_owned(), "adler32".to_owned()),
            (
                "Want-Repr-Digest".to_owned(),
                "adler=10, sha-256=5".to_owned(),
            ),
        ];
        let observer = self.observer(Ability::Digests, self.observer);
        let answer = send(&observer, Method::Head, &path, &wanted).await?;
        let told = ["digest", "repr-digest"];
        let none = told.iter().all(|name| answer.header(name).is_none());
        (answer.status == 200 && none)
            .then(|| "HEAD with Want-Digest: adler32 was answered without one".to_owned())
    }

    /// Whoever issues none does not know the method, or the kind of body.
    async fn macaroons(&self) -> Option<String> {
        let asked = serde_json::json!({"caveats": ["activity:LIST"], "validity": "PT1M"});
        let body = asked.to_string();
        let url = url::Url::parse(&self.plan.endpoint.url_of(&self.plan.directory)).ok()?;
        let client = self.client.guarded(self.client.guard().posting(&url));
        let headers = [(
            "Content-Type".to_owned(),
            "application/macaroon-request".to_owned(),
        )];
        let observer = Observer {
            client: &client,
            ..self.observer(Ability::Macaroons, self.observer)
        };
        let mut log = Vec::new();
        let sent = observer.send(
            Purpose::Preflight,
            Method::Post,
            &self.plan.directory,
            &headers,
            Some(body.as_bytes()),
            &mut log,
        );
        unknown(Method::Post, &sent.await.ok()?)
    }

    /// Whoever has a tape REST API announces it.
    async fn tape(&self) -> Option<String> {
        let observer = self.observer(Ability::Tape, self.observer);
        let answer = send(&observer, Method::Get, WELL_KNOWN, &[]).await?;
        (answer.status == 404)
            .then(|| format!("GET {WELL_KNOWN} was answered {}", reason(answer.status)))
    }

    fn observer<'o>(&'o self, ability: Ability, token: &'o Token) -> Observer<'o> {
        Observer {
            client: self.client,
            endpoint: &self.plan.endpoint,
            // Logs show for whose sake it was asked.
            caller: Caller {
                run: self.shared.plan.run.as_str(),
                case: ability.witness(),
            },
            token,
            deadline: self.deadline,
        }
    }
}

/// Puts a file somewhere, so that it is removed in the end.
pub(super) trait Store {
    fn store(&self, path: &str) -> impl Future<Output = Result<(), String>> + Send;
}

async fn send(
    observer: &Observer<'_>,
    method: Method,
    path: &str,
    headers: &[(String, String)],
) -> Option<Answer> {
    let mut log: Vec<Exchange> = Vec::new();
    let sent = observer.send(Purpose::Preflight, method, path, headers, None, &mut log);
    // Who does not answer says nothing about what there is.
    sent.await.ok()
}

/// That a service does not know a method; that it finds nothing or lets nobody says that it does.
fn unknown(method: Method, answer: &Answer) -> Option<String> {
    matches!(answer.status, 405 | 501)
        .then(|| format!("{method} was answered {}", reason(answer.status)))
}

/// The methods that an answer to OPTIONS names.
pub(super) fn offered(headers: &[(String, String)]) -> Vec<String> {
    let named = |name: &str| name == "allow";
    let lists = headers.iter().filter(|(name, _)| named(name));
    let methods = lists.flat_map(|(_, value)| value.split(','));
    methods
        .map(|method| method.trim().to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_is_not_known_is_told_from_one_that_is_refused() {
        let answer = |status| Answer {
            status,
            ..Answer::default()
        };
        for status in [405, 501] {
            assert!(unknown(Method::Move, &answer(status)).is_some());
        }
        for status in [200, 201, 400, 401, 403, 404, 409, 500, 502] {
            assert!(unknown(Method::Move, &answer(status)).is_none());
        }
    }

    #[test]
    fn what_options_offer_is_read_from_allow() {
        let header = |value: &str| ("allow".to_owned(), value.to_owned());
        let headers = [header("GET,put , Propfind"), header("MOVE")];
        assert_eq!(offered(&headers), ["GET", "PUT", "PROPFIND", "MOVE"]);
        assert!(offered(&[("public".to_owned(), "MOVE".to_owned())]).is_empty());
    }
}
