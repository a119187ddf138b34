//! What a service has, found out before its cases run: what it does not have is told once, and not by every case that needs
//! it. Nothing is asked that could change anything but in the run's own directory.

use std::collections::BTreeSet;
use std::time::Instant;

use tokio::sync::OnceCell;

use crate::http::{Caller, Client};
use crate::run::Shared;
use crate::run::case::WELL_KNOWN;
use crate::run::observer::Observer;
use crate::token::{Fit, Token};
use touchstone_model::{Ability, Answer, EndpointPlan, Exchange, Method, Purpose, TokenRequest};
use touchstone_protocol::reason;

use super::terms::Terms;

/// A name in the run's directory at which nothing is.
pub(super) const NOTHING: &str = "nothing-is-here";
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
    /// Where a file of the run is, once somebody has asked.
    pub probe: OnceCell<Option<String>>,
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
                Ability::Groups => self.groups(store).await,
                Ability::Digests => self.digests(store).await,
                Ability::Macaroons => self.macaroons().await,
                Ability::Tape => self.tape().await,
            };
            let ability = *ability;
            absent.extend(shown.map(|shown| Absent { ability, shown }));
        }
        absent
    }

    /// Asks for something that is not there: who stands in front may answer OPTIONS for others.
    async fn method(&self, ability: Ability) -> Option<String> {
        let (method, answer) = self.asked(ability).await?;
        let shown = unknown(method, &answer)?;
        Some(match self.offers(ability) {
            Some(_) => format!("{shown}, though OPTIONS offers it"),
            None => shown,
        })
    }

    /// That OPTIONS names the method that comes with it. That it does not says nothing: some services leave out what they have.
    pub(super) fn offers(&self, ability: Ability) -> Option<Method> {
        let method = ability.method()?;
        let mut offered = self.offered.iter();
        offered
            .any(|offered| offered == method.as_str())
            .then_some(method)
    }

    /// What is answered to its method, for something that is not there.
    pub(super) async fn asked(&self, ability: Ability) -> Option<(Method, Answer)> {
        let method = ability.method()?;
        let here = self.nothing();
        let headers = match method {
            Method::Propfind => vec![("Depth".to_owned(), "0".to_owned())],
            _ => {
                let there = self.plan.endpoint.url_of(&format!("{here}-either"));
                vec![("Destination".to_owned(), there)]
            }
        };
        let observer = self.observer(ability, self.observer);
        Some((method, send(&observer, method, &here, &headers).await?))
    }

    /// A path at which nothing is.
    pub(super) fn nothing(&self) -> String {
        format!("{}/{NOTHING}", self.plan.directory)
    }

    /// A file that is there: one of the run, or where nothing may be written the one that is declared.
    pub(super) async fn probe<S: Store>(&self, store: &S) -> Option<String> {
        let probe = self.probe.get_or_init(async || {
            if let Some(path) = self.plan.endpoint.existing() {
                return Some(path);
            }
            let path = format!("{}/{PROBE}", self.plan.directory);
            store.store(&path).await.ok().map(|()| path)
        });
        probe.await.clone()
    }

    /// A group alone neither reads what is there nor removes anything.
    async fn groups<S: Store>(&self, store: &S) -> Option<String> {
        let member = &self.plan.endpoint.traits.groups.as_ref()?.member;
        let there = self.probe(store).await?;
        let read = self.as_member(member, Method::Get, &there).await?;
        let removed = self
            .as_member(member, Method::Delete, &self.nothing())
            .await?;
        grants_nothing(read.status, removed.status).then(|| {
            format!(
                "to a token with the group {member} and no capability GET was answered {} and DELETE was answered {}",
                reason(read.status),
                reason(removed.status)
            )
        })
    }

    /// What a token of that group and without a capability is answered.
    async fn as_member(&self, group: &str, method: Method, path: &str) -> Option<Answer> {
        let observer = self.plan.observer.as_ref()?;
        let request = TokenRequest {
            groups: vec![group.to_owned()],
            ..TokenRequest::good(
                observer.issuer.clone(),
                Vec::new(),
                observer.audience.clone(),
            )
        };
        let endpoint = self.terms.endpoint(&self.plan.endpoint);
        let request = self.terms.enough(&request, method);
        let token = self.shared.token(&endpoint, &request, Fit::Exact);
        let token = token.await.ok()?;
        let observer = self.observer(Ability::Groups, &token);
        send(&observer, method, path, &[]).await
    }

    /// No checksum comes for a file of ours, in neither of the two ways to ask for it.
    async fn digests<S: Store>(&self, store: &S) -> Option<String> {
        let answer = self.checksum(store).await?;
        (answer.status == 200 && checksum_header(&answer).is_none())
            .then(|| "HEAD with Want-Digest: adler32 was answered without one".to_owned())
    }

    /// The answer to somebody who asks for the checksum of a file.
    pub(super) async fn checksum<S: Store>(&self, store: &S) -> Option<Answer> {
        let path = self.probe(store).await?;
        let wanted = [
            ("Want-Digest".to_owned(), "adler32".to_owned()),
            (
                "Want-Repr-Digest".to_owned(),
                "adler=10, sha-256=5".to_owned(),
            ),
        ];
        let observer = self.observer(Ability::Digests, self.observer);
        send(&observer, Method::Head, &path, &wanted).await
    }

    /// Whoever issues none does not know the method, or the kind of body.
    async fn macaroons(&self) -> Option<String> {
        unknown(Method::Post, &self.macaroon().await?)
    }

    /// The answer to somebody who asks for a macaroon that does nothing but list.
    pub(super) async fn macaroon(&self) -> Option<Answer> {
        let asked = serde_json::json!({"caveats": ["activity:LIST"], "validity": "PT1M"});
        let body = asked.to_string();
        let headers = [(
            "Content-Type".to_owned(),
            "application/macaroon-request".to_owned(),
        )];
        let observer = self.observer(Ability::Macaroons, self.observer);
        let mut log = Vec::new();
        let sent = observer.send(
            Purpose::Preflight,
            Method::Post,
            &self.plan.directory,
            &headers,
            Some(body.as_bytes()),
            &mut log,
        );
        sent.await.ok()
    }

    /// Whoever has a tape REST API announces it.
    async fn tape(&self) -> Option<String> {
        let answer = self.announcement().await?;
        (answer.status == 404)
            .then(|| format!("GET {WELL_KNOWN} was answered {}", reason(answer.status)))
    }

    /// The document that announces a tape REST API.
    pub(super) async fn announcement(&self) -> Option<Answer> {
        let observer = self.observer(Ability::Tape, self.observer);
        send(&observer, Method::Get, WELL_KNOWN, &[]).await
    }

    pub(super) fn observer<'o>(&'o self, ability: Ability, token: &'o Token) -> Observer<'o> {
        Observer {
            client: self.client,
            endpoint: &self.plan.endpoint,
            caller: self.caller(ability.witness()),
            token,
            deadline: self.deadline,
        }
    }

    /// Logs show for whose sake something was asked.
    pub(super) fn caller<'o>(&'o self, case: &'o str) -> Caller<'o> {
        Caller {
            run: self.shared.plan.run.as_str(),
            case,
        }
    }
}

/// Puts something somewhere, so that it is removed in the end.
pub(super) trait Store {
    /// Puts a file there.
    fn store(&self, path: &str) -> impl Future<Output = Result<(), String>> + Send;

    /// Makes a directory there with MKCOL. What the answer was; `None` where nobody answered.
    fn directory(&self, path: &str) -> impl Future<Output = Option<u16>> + Send;
}

/// The checksum that an answer tells, by the header that has it.
pub(super) fn checksum_header(answer: &Answer) -> Option<&'static str> {
    let mut names = ["digest", "repr-digest"].into_iter();
    names.find(|name| answer.header(name).is_some())
}

pub(super) async fn send(
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

/// Whether a file that is there is not `read`, and nothing is not `removed`, by whoever was answered with these statuses. Some
/// services say 404 where they let nobody know; to a DELETE of nothing everybody does who allows it.
fn grants_nothing(read: u16, removed: u16) -> bool {
    let refused = |status| matches!(status, 400 | 401 | 403 | 405 | 501);
    match read {
        404 => refused(removed) || removed == 404,
        read => refused(read) && refused(removed),
    }
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
    fn a_denial_is_recognised_however_it_is_told() {
        for (read, removed) in [(403, 403), (401, 405), (404, 404), (404, 403), (400, 400)] {
            assert!(grants_nothing(read, removed), "{read} {removed}");
        }
        for (read, removed) in [(200, 403), (403, 404), (403, 204), (503, 403), (200, 404)] {
            assert!(!grants_nothing(read, removed), "{read} {removed}");
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
