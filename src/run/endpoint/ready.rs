//! Before the first case: whether the endpoint is there, which tokens it takes, the run's directory, and what it has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument as _;

use crate::check::{self, Observed};
use crate::http::{Client, Wire, software};
use crate::model::{
    Ability, Endpoint, EndpointPlan, Exchange, Marker, Purpose, Script, State, Verdict,
};
use crate::token::{Fit, Token, TokenError, cause, causes};
use crate::trace::stretch;

use super::super::case::TapeDoor;
use super::super::event::Event;
use super::super::existing;
use super::super::ledger::Remaining;
use super::super::made::Made;
use super::super::observer::Observer;
use super::preflight::{Absent, Scout, Store, offered};
use super::terms::{Terms, Trial, climb};
use super::{INTERRUPTED, NotReady, Ready, UNREACHABLE, Visit, disagreement, told, with};

/// What the preflight itself found.
struct Reached {
    client: Client,
    clocks: Option<String>,
    offered: Vec<String>,
}

/// Why nothing could be made for the run.
enum Hindrance {
    /// The service does not take the token.
    Refused(Refused),
    /// It has no MKCOL; how that came out.
    NoMkcol(String),
    /// Anything else.
    Other(String),
}

/// A token that was not taken.
struct Refused {
    /// What was asked, and what was answered.
    what: String,
    /// The service's own words.
    said: Option<String>,
    /// Whether the directory was made before that, and could not be seen.
    made: bool,
}

/// Whether a status may mean that the token is not taken. Some servers cannot serve one that they do not understand.
fn refuses(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 500)
}

impl Visit {
    /// Preflight, the observer's token, the run's directory, and what is there of what `scripts` need.
    pub(super) async fn prepare(
        &self,
        made: &Made,
        scripts: &[(usize, &Script)],
    ) -> Result<Ready, (NotReady, Option<Ready>)> {
        let plan = self.plan();
        let first = async {
            let reached = self.preflight().instrument(stretch!("preflight")).await?;
            let observer = self.observer().instrument(stretch!("tokens")).await?;
            Ok((reached, observer))
        };
        let (reached, observer) = tokio::select! {
            ready = first => ready,
            // Nothing is there yet, and nobody waits for silent storage or a silent issuer.
            () = self.shared.cancel.cancelled() => {
                Err(NotReady::error(INTERRUPTED.into(), Vec::new()))
            }
        }
        .map_err(|problem| (problem, None))?;
        let manners = self.shared.manners.at(&plan.endpoint);
        let guard = self.shared.guard(&plan.endpoint);
        let wire = Wire::new(&plan.endpoint, &manners, &self.shared.redactor, guard)
            .map_err(|error| (NotReady::error(error.to_string(), Vec::new()), None))?;
        let limit = Instant::now() + plan.endpoint.limits.endpoint;
        let mut ready = Ready {
            plan: EndpointPlan {
                cases: Vec::new(),
                ..plan.clone()
            },
            terms: Terms::default(),
            absent: Vec::new(),
            offered: reached.offered,
            client: reached.client,
            wire,
            observer,
            second: None,
            existing: None,
            tape: TapeDoor::default(),
            deadline: limit.min(self.shared.deadline),
            clocks: reached.clocks,
        };
        let arranged = self.arranged(&mut ready, made);
        let arranged = arranged.instrument(stretch!("arrange")).await;
        if let Err(problem) = arranged {
            // Nothing was made where only something was to be read.
            let there = plan.endpoint.traits.read_only.is_none();
            return Err((problem, there.then_some(ready)));
        }
        ready.second = self.second(&ready).instrument(stretch!("tokens")).await;
        self.look_around(&mut ready, made, scripts)
            .instrument(stretch!("preflight"))
            .await;
        Ok(ready)
    }

    /// Finds out once whether the endpoint is there, so that it is not found out by every case, and whether its clock
    /// is ours.
    async fn preflight(&self) -> Result<Reached, NotReady> {
        let endpoint = &self.plan().endpoint;
        let unreachable = |reason: String, exchanges: Vec<Exchange>| {
            let reason = told(&self.shared.redactor.text(&reason));
            self.shared.tell(Event::EndpointUnreachable {
                endpoint: endpoint.name.clone(),
                reason: reason.clone(),
            });
            NotReady::error(format!("{UNREACHABLE}{reason}"), exchanges)
        };
        let manners = self.shared.manners.at(endpoint);
        let guard = self.shared.guard(endpoint);
        let client = Client::new(endpoint, &manners, &self.shared.redactor, guard)
            .map_err(|error| unreachable(error.to_string(), Vec::new()))?;
        let outcome = client.preflight(endpoint, self.caller("preflight")).await;
        if let Err(failure) = outcome.answer {
            return Err(unreachable(failure.reason, vec![outcome.exchange]));
        }
        let headers = &outcome.exchange.response_headers;
        self.shared.tell(Event::EndpointReached {
            endpoint: endpoint.name.clone(),
            software: software(headers),
        });
        let date = headers.iter().find(|(name, _)| name == "date");
        let clocks = date.and_then(|(_, date)| disagreement(date, outcome.exchange.started));
        Ok(Reached {
            client,
            clocks,
            offered: offered(headers),
        })
    }

    async fn observer(&self) -> Result<Token, NotReady> {
        let Some(request) = &self.plan().observer else {
            return Err(NotReady::error(
                "no issuer gives the observer a token".into(),
                Vec::new(),
            ));
        };
        let token = self
            .shared
            .token(&self.plan().endpoint, request, Fit::AtLeast);
        token.await.map_err(|error: TokenError| NotReady {
            verdict: match error.refused() {
                true => Verdict::Skip,
                false => Verdict::Error,
            },
            ..NotReady::error(
                format!(
                    "the observer, who arranges objects and sees effects, has no token: {error}"
                ),
                Vec::new(),
            )
        })
    }

    /// The observer of the second area. Cases that need it find out themselves that it is not to be had.
    async fn second(&self, ready: &Ready) -> Option<Token> {
        let request = self.plan().second.as_ref()?;
        let endpoint = &ready.plan.endpoint;
        let token = ready.terms.observer(&self.shared, endpoint, request);
        token.await.ok()
    }

    /// Makes what the run needs, or reads what is there, with a token that the service takes.
    async fn arranged(&self, ready: &mut Ready, made: &Made) -> Result<(), NotReady> {
        let mut log = Vec::new();
        let established = self.established(ready, &ready.observer, made, &mut log);
        let hindrance = match established.await {
            Ok(existing) => {
                ready.existing = existing;
                return Ok(());
            }
            Err(Hindrance::Refused(refused)) => {
                return self.on_other_terms(ready, made, refused, log).await;
            }
            Err(hindrance) => hindrance,
        };
        match hindrance {
            Hindrance::NoMkcol(shown) => self.without_directories(ready, made, shown, log).await,
            Hindrance::Other(reason) => Err(NotReady::error(reason, log)),
            Hindrance::Refused(refused) => Err(NotReady::error(refused.what, log)),
        }
    }

    /// With tokens that differ in what the service does not take, if that helps.
    async fn on_other_terms(
        &self,
        ready: &mut Ready,
        made: &Made,
        refused: Refused,
        mut log: Vec<Exchange>,
    ) -> Result<(), NotReady> {
        let plan = self.plan();
        let hopeless = |refused: &Refused, log: Vec<Exchange>| {
            let said = refused.said.as_deref();
            let named = said.and_then(|said| {
                let causes = causes(&ready.observer).into_iter();
                let mut named = causes.filter(|cause| cause.named(said));
                named.next()
            });
            let words = said.map_or(String::new(), |said| format!(": {said}"));
            let what = Some(format!("{}{words}", refused.what));
            let cause = cause(&ready.observer, said);
            NotReady {
                broken: named.map(|cause| cause.clause),
                ..NotReady::error(with(what, cause.as_deref()).unwrap_or_default(), log)
            }
        };
        let Some(request) = &plan.observer else {
            return Err(hopeless(&refused, log));
        };
        let mut trial = Attempt {
            visit: self,
            ready,
            made,
            log: Vec::new(),
            without: None,
            existing: None,
            done: refused.made,
            number: 0,
        };
        let (shared, endpoint) = (&self.shared, &plan.endpoint);
        let found = climb(shared, endpoint, request, &ready.observer, &mut trial).await;
        let (without, existing) = (trial.without.take(), trial.existing.take());
        let Some((terms, token)) = found else {
            return Err(hopeless(&refused, log));
        };
        log.append(&mut trial.log);
        for line in terms.told(&self.shared.plan, refused.said.as_deref()) {
            self.note(line);
        }
        ready.plan.endpoint = Arc::new(terms.endpoint(&ready.plan.endpoint).into_owned());
        ready.existing = existing;
        ready.terms = terms;
        ready.observer = token;
        match without {
            Some(shown) => self.without_directories(ready, made, shown, log).await,
            None => Ok(()),
        }
    }

    /// Goes on as at an endpoint that is declared to have none, if PUT makes what is missing above a file.
    async fn without_directories(
        &self,
        ready: &mut Ready,
        made: &Made,
        shown: String,
        mut log: Vec<Exchange>,
    ) -> Result<(), NotReady> {
        let mut endpoint = Endpoint::clone(&ready.plan.endpoint);
        endpoint.traits.directories = false;
        ready.plan.endpoint = Arc::new(endpoint);
        // What MKCOL did not make is made by whoever stores below it.
        self.announce(&self.looking(ready), &ready.plan.directory, made)
            .map_err(|reason| NotReady::error(reason, log.clone()))?;
        let path = format!("{}/{FIRST}", ready.plan.directory);
        let cupboard = Cupboard {
            visit: self,
            ready,
            made,
        };
        match cupboard.put(&path, &mut log).await {
            Ok(()) => {
                let ability = Ability::Directories;
                ready.absent.push(Absent { ability, shown });
                Ok(())
            }
            Err(reason) => Err(NotReady::error(
                format!(
                    "the run has no place: the service makes no directories ({shown}), and does not make those above a file either: {reason}"
                ),
                log,
            )),
        }
    }

    /// What is there of what the cases need, and what is there that is declared not to be.
    async fn look_around(&self, ready: &mut Ready, made: &Made, scripts: &[(usize, &Script)]) {
        let cases = &self.plan().cases;
        let needed: BTreeSet<Ability> = scripts
            .iter()
            .flat_map(|(index, _)| cases[*index].needs.iter().copied())
            .collect();
        let scout = Scout {
            shared: &self.shared,
            plan: &ready.plan,
            client: &ready.client,
            observer: &ready.observer,
            terms: &ready.terms,
            offered: &ready.offered,
            deadline: ready.deadline,
        };
        for note in scout.surplus() {
            // What was found out here was not declared.
            if ready.absent.is_empty() {
                self.note(note);
            }
        }
        if let Some(note) = scout.any_audience().await {
            self.note(note);
        }
        let absent = match ready.plan.endpoint.traits.read_only {
            Some(_) => Vec::new(),
            None => {
                let cupboard = Cupboard {
                    visit: self,
                    ready,
                    made,
                };
                scout.absent(&needed, &cupboard).await
            }
        };
        if absent
            .iter()
            .any(|absent| absent.ability == Ability::Propfind)
        {
            let mut endpoint = Endpoint::clone(&ready.plan.endpoint);
            endpoint.traits.propfind = false;
            ready.plan.endpoint = Arc::new(endpoint);
        }
        ready.absent.extend(absent);
    }

    /// One attempt to have what a run needs with that token; the file that is there, where nothing may be written.
    async fn established(
        &self,
        ready: &Ready,
        token: &Token,
        made: &Made,
        log: &mut Vec<Exchange>,
    ) -> Result<Option<(String, Vec<u8>)>, Hindrance> {
        let observer = self.with_token(ready, token);
        if let Some(existing) = &ready.plan.endpoint.traits.read_only {
            return match existing::read(&observer, existing).await {
                Ok(found) => Ok(Some(found)),
                Err((reason, mut seen)) => {
                    let status = seen.last().and_then(|exchange| exchange.status);
                    log.append(&mut seen);
                    Err(match status {
                        Some(401 | 403) => Hindrance::Refused(Refused {
                            what: reason,
                            said: None,
                            made: false,
                        }),
                        _ => Hindrance::Other(reason),
                    })
                }
            };
        }
        let directory = &ready.plan.directory;
        if ready.plan.endpoint.traits.directories {
            self.root(&observer, directory, made, log).await?;
        } else {
            // A service that makes it by itself leaves it as well.
            self.announce(&observer, directory, made)
                .map_err(Hindrance::Other)?;
        }
        Ok(None)
    }

    /// Makes a directory of the run and looks whether it is there: an endpoint that says yes to everything is found out
    /// here.
    async fn root(
        &self,
        observer: &Observer<'_>,
        path: &str,
        made: &Made,
        log: &mut Vec<Exchange>,
    ) -> Result<(), Hindrance> {
        let other = |reason: String| {
            Hindrance::Other(format!("the run's directory could not be made: {reason}"))
        };
        self.announce(observer, path, made).map_err(other)?;
        if let Err(why) = observer.make(path, &State::Directory, log).await {
            if made.not_made(path, &why) {
                self.shared.gone(&self.plan().endpoint, path);
            }
            return Err(match why.status {
                Some(405) if !absent(observer, path, log).await => other(why.reason),
                Some(status @ (405 | 501)) => {
                    Hindrance::NoMkcol(format!("MKCOL was answered {}", check::reason(status)))
                }
                Some(status) if refuses(status) => Hindrance::Refused(Refused {
                    what: format!("the run's directory could not be made: {}", why.reason),
                    said: why.said,
                    made: false,
                }),
                _ => other(why.reason),
            });
        }
        self.there(observer, path, log).await
    }

    /// Whether the directory shows as one.
    async fn there(
        &self,
        observer: &Observer<'_>,
        path: &str,
        log: &mut Vec<Exchange>,
    ) -> Result<(), Hindrance> {
        let other = |reason: String| {
            Hindrance::Other(format!("the run's directory could not be made: {reason}"))
        };
        let seen = observer
            .look(Purpose::Arrange, path, &State::Directory, log)
            .await;
        let status = log.last().and_then(|exchange| exchange.status);
        match (seen, status) {
            (Ok(Observed::Directory), _) => Ok(()),
            (Ok(seen), _) => Err(other(format!(
                "after MKCOL {path} succeeded, there is {}",
                seen.describe(&State::Directory)
            ))),
            (Err(reason), Some(401 | 403)) => Err(Hindrance::Refused(Refused {
                what: format!("the run's directory could not be seen: {reason}"),
                said: None,
                made: true,
            })),
            (Err(reason), _) => Err(other(reason)),
        }
    }

    /// Has it written down that `path` may come to be there.
    fn announce(&self, observer: &Observer<'_>, path: &str, made: &Made) -> Result<(), String> {
        let endpoint = observer.endpoint;
        let object = Remaining {
            endpoint: endpoint.listed_name().to_owned(),
            area: endpoint.area_url(),
            path: path.to_owned(),
        };
        let url = endpoint.url_of(path);
        observer.client.guard().permits(&url)?;
        self.shared.will_create(&object)?;
        made.sending(path);
        Ok(())
    }
}

/// The first file of a run without directories.
const FIRST: &str = "first";
/// What it holds.
const BYTES: &[u8] = b"made by touchstone to find out what is possible here\n";

/// Whether nothing is at `path` that MKCOL is said not to be allowed for.
async fn absent(observer: &Observer<'_>, path: &str, log: &mut Vec<Exchange>) -> bool {
    let purpose = Purpose::Arrange;
    let seen = observer.look(purpose, path, &State::Absent, log).await;
    matches!(seen, Ok(Observed::Absent))
}

/// Where the preflight stores what it asks about.
struct Cupboard<'a> {
    visit: &'a Visit,
    ready: &'a Ready,
    made: &'a Made,
}

impl Cupboard<'_> {
    async fn put(&self, path: &str, log: &mut Vec<Exchange>) -> Result<(), String> {
        let observer = self.visit.looking(self.ready);
        self.visit.announce(&observer, path, self.made)?;
        let file = State::File(BYTES.to_vec());
        let stored = observer.make(path, &file, log).await;
        stored.map_err(|why| {
            self.made.not_made(path, &why);
            // What is not stored makes no directories either.
            let refused = why.status.filter(|_| !observer.endpoint.traits.directories);
            for above in Marker::above(path) {
                refused
                    .into_iter()
                    .for_each(|status| self.made.answered(above, status));
            }
            let words = why.said.map_or(String::new(), |said| format!(": {said}"));
            format!("{}{words}", why.reason)
        })
    }
}

impl Store for Cupboard<'_> {
    async fn store(&self, path: &str) -> Result<(), String> {
        self.put(path, &mut Vec::new()).await
    }
}

/// Tries tokens with what the run needs, and once that is there, with a directory of their own in it.
struct Attempt<'a> {
    visit: &'a Visit,
    ready: &'a Ready,
    made: &'a Made,
    log: Vec<Exchange>,
    /// That the token was taken for MKCOL, which the service does not have.
    without: Option<String>,
    /// What was read, where nothing may be written.
    existing: Option<(String, Vec<u8>)>,
    /// Whether the run's directory is there.
    done: bool,
    number: usize,
}

impl Trial for Attempt<'_> {
    async fn takes(&mut self, token: Token) -> bool {
        let (visit, ready) = (self.visit, self.ready);
        let log = &mut self.log;
        let tried = match self.done {
            false => visit.established(ready, &token, self.made, log).await,
            true => {
                self.number += 1;
                let path = format!("{}/terms-{}", ready.plan.directory, self.number);
                let observer = visit.with_token(ready, &token);
                let made = visit.root(&observer, &path, self.made, log).await;
                made.map(|()| None)
            }
        };
        match tried {
            Ok(existing) => {
                let traits = &ready.plan.endpoint.traits;
                self.done = traits.directories && existing.is_none();
                self.existing = existing.or(self.existing.take());
                true
            }
            Err(Hindrance::Refused(refused)) => {
                self.done |= refused.made;
                false
            }
            Err(Hindrance::NoMkcol(shown)) => {
                self.without = Some(shown);
                true
            }
            Err(Hindrance::Other(_)) => false,
        }
    }
}
