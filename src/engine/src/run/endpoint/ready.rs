//! Before the first case: whether the endpoint is there, which tokens it takes, the run's directory, and what it has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OnceCell;
use tracing::Instrument as _;

use crate::http::{Client, RawClient, software};
use crate::token::{Fit, Token, TokenError, cause, causes};
use crate::trace::span;
use touchstone_model::{
    Ability, Endpoint, EndpointPlan, Exchange, Marker, Method, Purpose, Script, State, Verdict,
};
use touchstone_protocol::Observed;

use super::super::case::{TapeDiscovery, plainly, to_plain_http};
use super::super::existing;
use super::super::ledger::Remaining;
use super::super::made::Made;
use super::super::observer::{NotMade, Observer};
use super::preflight::{Absent, NOTHING, Scout, Store, offered};
use super::terms::{Terms, Trial, climb, refuses};
use super::{INTERRUPTED, NotReady, Ready, UNREACHABLE, Visit, disagreement, with, with_remedy};
use touchstone_model::Event;

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
    /// How MKCOL was answered, where it was that.
    mkcol: Option<u16>,
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
            let reached = self.preflight().instrument(span!("preflight")).await?;
            let observer = self.observer().instrument(span!("tokens")).await?;
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
        let limiter = self.shared.limiter.limiter_of(&plan.endpoint);
        let guard = self.shared.guard(&plan.endpoint);
        let wire = RawClient::new(&plan.endpoint, &limiter, &self.shared.redactor, guard)
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
            tape: TapeDiscovery::default(),
            deadline: limit.min(self.shared.deadline),
            clocks: reached.clocks,
        };
        let arranged = self.arranged(&mut ready, made);
        let arranged = arranged.instrument(span!("arrange")).await;
        if let Err(problem) = arranged {
            // Nothing was made where only something was to be read.
            let there = plan.endpoint.traits.read_only.is_none();
            return Err((problem, there.then_some(ready)));
        }
        ready.second = self.second(&ready).instrument(span!("tokens")).await;
        self.look_around(&mut ready, made, scripts)
            .instrument(span!("preflight"))
            .await;
        Ok(ready)
    }

    /// Finds out once whether the endpoint is there, so that it is not found out by every case, and whether its clock
    /// is ours.
    async fn preflight(&self) -> Result<Reached, NotReady> {
        let endpoint = &self.plan().endpoint;
        let unreachable = |reason: String, exchanges: Vec<Exchange>| {
            let reason = with_remedy(&self.shared.redactor.text(&reason));
            self.shared.tell(Event::EndpointUnreachable {
                endpoint: endpoint.name.clone(),
                reason: reason.clone(),
            });
            NotReady::error(format!("{UNREACHABLE}{reason}"), exchanges)
        };
        let limiter = self.shared.limiter.limiter_of(endpoint);
        let guard = self.shared.guard(endpoint);
        let client = Client::new(endpoint, &limiter, &self.shared.redactor, guard)
            .map_err(|error| unreachable(error.to_string(), Vec::new()))?;
        let caller = self.caller("preflight");
        let mut outcome = client.preflight(endpoint, caller).await;
        let options = outcome.answer.is_ok();
        if let Err(failure) = outcome.answer {
            // What is wrong with OPTIONS alone is for the case about it to say.
            let other = match failure.connected {
                true => Some(client.knock(endpoint, caller, Method::Head).await),
                false => None,
            };
            outcome = match other.filter(|other| other.answer.is_ok()) {
                Some(other) => other,
                None => return Err(unreachable(failure.reason, vec![outcome.exchange])),
            };
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
            offered: match options {
                true => offered(headers),
                false => Vec::new(),
            },
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
        let mut established = self.established(ready, made, &mut log).await;
        if let Err(Hindrance::NoMkcol(shown)) = established {
            ready.without_directories(shown);
            established = self.established(ready, made, &mut log).await;
        }
        match established {
            Ok(existing) => {
                ready.existing = existing;
                Ok(())
            }
            Err(Hindrance::Refused(refused)) => {
                self.on_other_terms(ready, made, refused, log).await
            }
            Err(Hindrance::NoMkcol(reason) | Hindrance::Other(reason)) => {
                let reason = match log.last().is_some_and(to_plain_http) {
                    true => plainly(),
                    false => ready.placeless(reason),
                };
                Err(NotReady::error(reason, log))
            }
        }
    }

    /// What the run needs, with the observer's token.
    async fn established(
        &self,
        ready: &Ready,
        made: &Made,
        log: &mut Vec<Exchange>,
    ) -> Result<Option<(String, Vec<u8>)>, Hindrance> {
        let place = Place::of(&ready.plan.directory);
        self.place(&self.looking(ready), &place, made, log).await
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
        let hopeless = |ready: &Ready, refused: &Refused, log: Vec<Exchange>| {
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
            return Err(hopeless(ready, &refused, log));
        };
        let mut trial = Attempt {
            visit: self,
            ready,
            endpoint: Arc::clone(&ready.plan.endpoint),
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
            if self.stores_alone(ready, made, &refused).await {
                return Ok(());
            }
            return Err(hopeless(ready, &refused, log));
        };
        log.append(&mut trial.log);
        for line in terms.limitations(&self.shared.plan, refused.said.as_deref()) {
            self.note(line);
        }
        if let Some(shown) = without {
            ready.without_directories(shown);
        }
        ready.plan.endpoint = Arc::new(terms.endpoint(&ready.plan.endpoint).into_owned());
        ready.existing = existing;
        ready.terms = terms;
        ready.observer = token;
        Ok(())
    }

    /// Whether it is MKCOL alone that is refused, and a file can be stored where nothing is above it; then the run goes on without
    /// directories.
    async fn stores_alone(&self, ready: &mut Ready, made: &Made, refused: &Refused) -> bool {
        let Some(status) = refused.mkcol else {
            return false;
        };
        let endpoint = without_directories(&ready.plan.endpoint);
        let observer = Observer {
            endpoint: &endpoint,
            ..self.looking(ready)
        };
        let place = Place::of(&ready.plan.directory);
        let mut log = Vec::new();
        let stored = self.place(&observer, &place, made, &mut log).await.is_ok();
        if stored {
            ready.without_directories(format!(
                "MKCOL was answered {}",
                touchstone_protocol::reason(status)
            ));
        }
        stored
    }

    /// What is there of what the cases need, and what is otherwise than it is declared.
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
            probe: OnceCell::new(),
        };
        let cupboard = Cupboard {
            visit: self,
            ready,
            made,
        };
        let declared = &self.plan().endpoint;
        for note in scout.contradictions(declared, &cupboard).await {
            self.note(note);
        }
        let absent = match declared.traits.read_only {
            Some(_) => Vec::new(),
            None => scout.absent(&needed, &cupboard).await,
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

    /// One attempt to have what a run needs, with that observer's token; the file that is there, where nothing may be written.
    async fn place(
        &self,
        observer: &Observer<'_>,
        place: &Place,
        made: &Made,
        log: &mut Vec<Exchange>,
    ) -> Result<Option<(String, Vec<u8>)>, Hindrance> {
        let traits = &observer.endpoint.traits;
        if let Some(existing) = &traits.read_only {
            let read = existing::read(observer, existing).await;
            return read.map(Some).map_err(|mut unfit| {
                log.append(&mut unfit.exchanges);
                match unfit.status {
                    Some(401 | 403) => Hindrance::Refused(Refused {
                        what: unfit.reason,
                        said: unfit.said,
                        made: false,
                        mkcol: None,
                    }),
                    _ => Hindrance::Other(unfit.reason),
                }
            });
        }
        match traits.directories {
            true => self.root(observer, &place.directory, made, log).await?,
            false => self.first(observer, place, made, log).await?,
        }
        Ok(None)
    }

    /// Stores a file of the run where the service has no MKCOL: whether a token is taken comes out by it, and whether what is above
    /// a file is made.
    async fn first(
        &self,
        observer: &Observer<'_>,
        place: &Place,
        made: &Made,
        log: &mut Vec<Exchange>,
    ) -> Result<(), Hindrance> {
        let failed = |reason: String| format!("the run's first file could not be stored: {reason}");
        if let Some(above) = &place.above {
            // A service that makes it by itself leaves it as well.
            self.announce(observer, above, made)
                .map_err(|reason| Hindrance::Other(failed(reason)))?;
        }
        let stored = self.stored(observer, &place.file, made, log).await;
        stored.map_err(|why| match why.status {
            Some(status) if refuses(status) => Hindrance::Refused(Refused {
                what: failed(why.reason),
                said: why.said,
                made: false,
                mkcol: None,
            }),
            _ => Hindrance::Other(failed(why.in_full())),
        })?;
        let state = State::File(BYTES.to_vec());
        let seen = observer
            .look(Purpose::Arrange, &place.file, &state, log)
            .await;
        match seen {
            Err(unseen) if matches!(unseen.status, Some(401 | 403)) => {
                Err(Hindrance::Refused(Refused {
                    what: format!("the run's first file could not be seen: {}", unseen.reason),
                    said: unseen.said,
                    made: true,
                    mkcol: None,
                }))
            }
            // What else is wrong with it is for the cases to say.
            _ => Ok(()),
        }
    }

    /// Stores a file that tells nobody anything.
    async fn stored(
        &self,
        observer: &Observer<'_>,
        path: &str,
        made: &Made,
        log: &mut Vec<Exchange>,
    ) -> Result<(), NotMade> {
        let announced = self.announce(observer, path, made);
        announced.map_err(NotMade::before)?;
        let file = State::File(BYTES.to_vec());
        let stored = observer.make(path, &file, log).await;
        stored.inspect_err(|why| {
            made.not_made(path, why);
            // What is not stored makes no directories either.
            let refused = why.status.filter(|_| !observer.endpoint.traits.directories);
            for above in Marker::above(path) {
                refused
                    .into_iter()
                    .for_each(|status| made.answered(above, status));
            }
        })
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
                Some(status @ (405 | 501)) => Hindrance::NoMkcol(format!(
                    "MKCOL was answered {}",
                    touchstone_protocol::reason(status)
                )),
                Some(status) if refuses(status) => Hindrance::Refused(Refused {
                    what: format!("the run's directory could not be made: {}", why.reason),
                    said: why.said,
                    made: false,
                    mkcol: Some(status),
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
        match seen {
            Ok(Observed::Directory) => match self.tells_apart(observer, path, log).await {
                true => Ok(()),
                false => Err(other(
                    "a name that nobody has made shows as well: what is there cannot be told from what is not".into(),
                )),
            },
            Ok(seen) => Err(other(format!(
                "after MKCOL {path} succeeded, there is {}",
                seen.describe(&State::Directory)
            ))),
            Err(unseen) if matches!(unseen.status, Some(401 | 403)) => {
                Err(Hindrance::Refused(Refused {
                    what: format!("the run's directory could not be seen: {}", unseen.reason),
                    said: unseen.said,
                    made: true,
                    mkcol: None,
                }))
            }
            Err(unseen) => Err(other(unseen.reason)),
        }
    }

    /// Whether something that nobody has made in the directory is not there, where it is HEAD alone that shows what is: an
    /// endpoint that says yes to everything is found out here.
    async fn tells_apart(
        &self,
        observer: &Observer<'_>,
        directory: &str,
        log: &mut Vec<Exchange>,
    ) -> bool {
        let listed = |exchange: &Exchange| exchange.status == Some(207);
        if log.last().is_some_and(listed) {
            return true;
        }
        let nothing = format!("{directory}/{NOTHING}");
        let seen = observer
            .look(Purpose::Arrange, &nothing, &State::Absent, log)
            .await;
        !matches!(
            seen,
            Ok(Observed::Sized(_) | Observed::Present(_) | Observed::Directory)
        )
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

/// Where something is made to see whether a token is taken.
struct Place {
    /// The directory, where there are directories.
    directory: String,
    /// The file, where there are none.
    file: String,
    /// What comes to be with that file, and is not written down yet.
    above: Option<String>,
}

impl Place {
    /// The run's own.
    fn of(directory: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            file: format!("{directory}/{FIRST}"),
            above: Some(directory.to_owned()),
        }
    }

    /// Another one in the run's directory, which is there.
    fn inside(directory: &str, number: usize) -> Self {
        let path = format!("{directory}/terms-{number}");
        Self {
            directory: path.clone(),
            file: path,
            above: None,
        }
    }
}

impl Ready {
    /// Goes on as at an endpoint that is declared to have none, where PUT makes what is missing above a file.
    fn without_directories(&mut self, shown: String) {
        self.plan.endpoint = without_directories(&self.plan.endpoint);
        let ability = Ability::Directories;
        self.absent.push(Absent { ability, shown });
    }

    /// Why there is no place for the run, with what was found out before.
    fn placeless(&self, reason: String) -> String {
        match self.absent.first() {
            Some(absent) => format!(
                "the run has no place: the service makes no directories ({}), and does not make those above a file either: {reason}",
                absent.shown
            ),
            None => reason,
        }
    }
}

fn without_directories(endpoint: &Endpoint) -> Arc<Endpoint> {
    let mut endpoint = endpoint.clone();
    endpoint.traits.directories = false;
    Arc::new(endpoint)
}

/// Whether nothing is at `path` that MKCOL is said not to be allowed for, or who asks may not know.
async fn absent(observer: &Observer<'_>, path: &str, log: &mut Vec<Exchange>) -> bool {
    let purpose = Purpose::Arrange;
    match observer.look(purpose, path, &State::Absent, log).await {
        Ok(seen) => seen == Observed::Absent,
        Err(unseen) => unseen.status.is_some_and(refuses),
    }
}

/// Where the preflight stores what it asks about.
struct Cupboard<'a> {
    visit: &'a Visit,
    ready: &'a Ready,
    made: &'a Made,
}

impl Store for Cupboard<'_> {
    async fn store(&self, path: &str) -> Result<(), String> {
        let observer = self.visit.looking(self.ready);
        let mut log = Vec::new();
        let stored = self.visit.stored(&observer, path, self.made, &mut log);
        stored.await.map_err(|why| why.reason)
    }

    async fn directory(&self, path: &str) -> Option<u16> {
        let observer = self.visit.looking(self.ready);
        self.visit.announce(&observer, path, self.made).ok()?;
        let mut log = Vec::new();
        let made = observer.make(path, &State::Directory, &mut log).await;
        match made {
            Ok(()) => log.last().and_then(|exchange| exchange.status),
            Err(why) => {
                self.made.not_made(path, &why);
                why.status
            }
        }
    }
}

/// Tries tokens with what the run needs, and once that is there, with a directory of their own in it.
struct Attempt<'a> {
    visit: &'a Visit,
    ready: &'a Ready,
    /// As it is known by now.
    endpoint: Arc<Endpoint>,
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
        let endpoint = Arc::clone(&self.endpoint);
        let tried = match self.at(&endpoint, &token).await {
            Err(Hindrance::NoMkcol(shown)) => {
                self.endpoint = without_directories(&endpoint);
                self.without = Some(shown);
                let endpoint = Arc::clone(&self.endpoint);
                self.at(&endpoint, &token).await
            }
            tried => tried,
        };
        match tried {
            Ok(existing) => {
                self.done = existing.is_none();
                self.existing = existing.or(self.existing.take());
                true
            }
            Err(Hindrance::Refused(refused)) => {
                self.done |= refused.made;
                false
            }
            Err(Hindrance::NoMkcol(_) | Hindrance::Other(_)) => false,
        }
    }
}

impl Attempt<'_> {
    /// One attempt with that token.
    async fn at(
        &mut self,
        endpoint: &Endpoint,
        token: &Token,
    ) -> Result<Option<(String, Vec<u8>)>, Hindrance> {
        let directory = &self.ready.plan.directory;
        let place = match self.done {
            false => Place::of(directory),
            true => {
                self.number += 1;
                Place::inside(directory, self.number)
            }
        };
        let observer = Observer {
            endpoint,
            ..self.visit.with_token(self.ready, token)
        };
        let made = self.made;
        self.visit
            .place(&observer, &place, made, &mut self.log)
            .await
    }
}
