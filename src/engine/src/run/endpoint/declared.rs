//! What the inventory says of an endpoint, and the endpoint does not bear out: told once, as a note, for cases were left out because
//! of it.

use crate::http::Outgoing;
use crate::run::case::WELL_KNOWN;
use crate::run::observer::Observer;
use crate::token::Fit;
use touchstone_model::{
    ANY_AUDIENCE, Ability, Answer, Audience, Endpoint, Flavour, Method, Purpose, TokenRequest,
};
use touchstone_protocol::{macaroon_in, reason, tape_api};

use super::preflight::{Scout, Store, checksum_header, send};

/// An audience that is nobody's here.
const ELSEWHERE: &str = "https://elsewhere.example.org";
/// The directory that is made where there are said to be none.
const DIRECTORY: &str = "directory";

impl Scout<'_> {
    /// What is `declared` and is not so, asked as harmlessly as what is missing is asked for.
    pub async fn contradictions<S: Store>(&self, declared: &Endpoint, store: &S) -> Vec<String> {
        let mut notes = Vec::new();
        for ability in &declared.traits.denied {
            // Whether MKCOL is more than a name in a list is as easily seen.
            let offers = self.offers(*ability);
            let there = match offers.filter(|_| *ability != Ability::Directories) {
                Some(method) => Some(format!("its answer to OPTIONS offers {method}")),
                None => self.there(*ability, store).await,
            };
            notes.extend(there.map(|there| {
                format!(
                    "{} is declared, and yet {there}: what needs that is not judged",
                    ability.denied()
                )
            }));
        }
        notes.extend(self.any_audience().await);
        if declared.traits.public_read {
            notes.extend(self.public_read(store).await);
        }
        notes
    }

    /// What shows that it is there; `None` where nothing does.
    async fn there<S: Store>(&self, ability: Ability, store: &S) -> Option<String> {
        match ability {
            Ability::Directories => self.makes_directories(store).await,
            Ability::Propfind | Ability::Move | Ability::ThirdPartyCopy => {
                let (method, answer) = self.asked(ability).await?;
                known(&answer).then(|| answered(method, answer.status))
            }
            // No name is left to ask with.
            Ability::Groups => None,
            Ability::Digests => {
                let answer = self.checksum(store).await?;
                let name = checksum_header(&answer).filter(|_| answer.success())?;
                Some(format!(
                    "HEAD with Want-Digest: adler32 was answered with a checksum ({name})"
                ))
            }
            Ability::Macaroons => {
                let answer = self.macaroon().await?;
                let issued = answer.success() && macaroon_in(Flavour::Native, &answer).is_some();
                issued.then(|| {
                    format!(
                        "POST of a macaroon request was answered {} with a macaroon",
                        reason(answer.status)
                    )
                })
            }
            Ability::Tape => {
                let answer = self.announcement().await?;
                tape_api(&answer)
                    .is_ok()
                    .then(|| format!("GET {WELL_KNOWN} says where its tape REST API is"))
            }
        }
    }

    /// MKCOL beside a file of the run, so that what is above it is there.
    async fn makes_directories<S: Store>(&self, store: &S) -> Option<String> {
        self.probe(store).await?;
        let path = format!("{}/{DIRECTORY}", self.plan.directory);
        let status = store.directory(&path).await?;
        (status == 201).then(|| answered(Method::Mkcol, status))
    }

    /// That the audience which means everybody is taken, though it is declared that it is not.
    async fn any_audience(&self) -> Option<String> {
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
            caller: self.caller("audience.any"),
            token: &token,
            deadline: self.deadline,
        };
        let path = endpoint.existing().unwrap_or_else(|| self.nothing());
        send(&observer, Method::Get, &path, &[]).await
    }

    /// That nobody reads without a token, though it is declared that everybody does.
    async fn public_read<S: Store>(&self, store: &S) -> Option<String> {
        let path = self.probe(store).await?;
        let url = self.plan.endpoint.url_of(&path);
        let outgoing = Outgoing::bare(Method::Get, &url, self.deadline);
        let caller = self.caller("bearer.none.get");
        let sent = self.client.send(Purpose::Preflight, caller, outgoing).await;
        let status = sent.answer.ok()?.status;
        matches!(status, 401 | 403).then(|| {
            format!(
                "`traits: {{public-read: true}}` is declared, and yet GET without a token was answered {}: what a token does not let its bearer read is not judged",
                reason(status)
            )
        })
    }
}

/// Whether an answer comes from somebody who knows the method and would have done what was asked, if something were there.
fn known(answer: &Answer) -> bool {
    answer.success() || matches!(answer.status, 404 | 409 | 410)
}

fn answered(method: Method, status: u16) -> String {
    format!("{method} was answered {}", reason(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_would_have_done_it_has_shown_that_it_can() {
        let answer = |status| Answer {
            status,
            ..Answer::default()
        };
        for status in [201, 204, 207, 404, 409] {
            assert!(known(&answer(status)), "{status}");
        }
        for status in [302, 400, 401, 403, 405, 500, 501, 502] {
            assert!(!known(&answer(status)), "{status}");
        }
    }
}
