use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use touchstone_model::{Expect, Finding, Purpose, TapeCall, TapeOperation};
use touchstone_protocol::{Judge, Locality, RecallProgress};

use super::super::{Running, Stop};
use super::{Patience, Request};

/// How long something granted may take.
const SOON: Duration = Duration::from_secs(3);

/// What the observer of tape sees.
#[derive(Default)]
pub(super) struct TapeState {
    /// The request, if it is there.
    progress: Option<RecallProgress>,
    /// Where its files are.
    localities: BTreeMap<String, Locality>,
}

impl Running<'_> {
    /// What is there before a call that must not change it.
    pub(super) async fn state_before(
        &mut self,
        call: &TapeCall,
        expect: Expect,
        request: Option<&Request>,
    ) -> Result<TapeState, Stop> {
        if call.operation != TapeOperation::Discover {
            // Whoever gives no such token has no case judged.
            self.tape_observer().await?;
        }
        let looks = expect.harmless() || !call.except.is_empty();
        match looks && call.operation.changes() {
            true => self.look_at_tape(call, request).await,
            false => Ok(TapeState::default()),
        }
    }

    async fn look_at_tape(
        &mut self,
        call: &TapeCall,
        request: Option<&Request>,
    ) -> Result<TapeState, Stop> {
        let files = match request {
            Some(request) => self.own(&request.files),
            None => self.own(&call.files),
        };
        let moves = matches!(
            call.operation,
            TapeOperation::Stage | TapeOperation::Release
        );
        Ok(TapeState {
            progress: match request {
                Some(request) if !moves => self.request_seen(&request.id).await?,
                _ => None,
            },
            localities: match moves && !files.is_empty() {
                true => self.where_they_are(&files).await?,
                false => BTreeMap::new(),
            },
        })
    }

    /// The case's own files: others may be staged by another case at the same time.
    fn own(&self, files: &[String]) -> Vec<String> {
        let shared = self.site.plan.endpoint.traits.tape.as_ref();
        let shared = shared.map(|tape| {
            let path = format!("{}{}", self.site.plan.endpoint.area, tape.file);
            let path = percent_encoding::percent_decode_str(&path);
            path.decode_utf8_lossy().into_owned()
        });
        let own = files.iter().filter(|file| Some(*file) != shared.as_ref());
        own.cloned().collect()
    }

    /// The request of that id, as the observer sees it; `None` if it is not there.
    async fn request_seen(&mut self, id: &str) -> Result<Option<RecallProgress>, Stop> {
        let answer = self.observe(TapeOperation::Poll, id, None).await?;
        match answer.status {
            404 | 410 => Ok(None),
            200 => touchstone_protocol::read_progress(&answer)
                .map(Some)
                .map_err(|reason| unseen(&format!("a poll was answered with {reason}"))),
            status => Err(unseen(&format!("a poll was answered {status}"))),
        }
    }

    async fn where_they_are(
        &mut self,
        files: &[String],
    ) -> Result<BTreeMap<String, Locality>, Stop> {
        let body = json!({"paths": files}).to_string().into_bytes();
        let operation = TapeOperation::Archiveinfo;
        let answer = self.observe(operation, "", Some(body)).await?;
        match answer.status {
            200 => touchstone_protocol::localities(&answer)
                .map_err(|reason| unseen(&format!("archiveinfo was answered with {reason}"))),
            status => Err(unseen(&format!("archiveinfo was answered {status}"))),
        }
    }

    async fn observe(
        &mut self,
        operation: TapeOperation,
        id: &str,
        body: Option<Vec<u8>>,
    ) -> Result<touchstone_model::Answer, Stop> {
        let token = self.tape_observer().await?;
        let url = self.tape_endpoint().await?.url(operation, id);
        self.send_tape(Purpose::Effect, operation, &url, &[], body, Some(&token))
            .await
            .map_err(|reason| unseen(&reason))
    }

    /// Looks at what a call has changed. Returns whether a refused one changed anything.
    pub(super) async fn tape_effects(
        &mut self,
        judge: Judge<'_>,
        call: &TapeCall,
        expect: Expect,
        (before, request, id): (TapeState, Option<Request>, Option<String>),
        success: bool,
    ) -> Result<bool, Stop> {
        if !call.operation.changes() {
            return Ok(false);
        }
        let whole = expect == Expect::Ok && call.whole && !success;
        let found = if expect.harmless() || whole {
            self.unchanged(judge, call, before, request.as_ref(), id)
                .await?
        } else if expect == Expect::Ok && success {
            self.done(judge, call, before, request.as_ref()).await?
        } else {
            None
        };
        let changed = expect.harmless() && found.is_some();
        self.findings.extend(found);
        Ok(changed)
    }

    async fn unchanged(
        &mut self,
        judge: Judge<'_>,
        call: &TapeCall,
        before: TapeState,
        request: Option<&Request>,
        id: Option<String>,
    ) -> Result<Option<Finding>, Stop> {
        if let Some(id) = id.filter(|id| super::usable(id))
            && self.request_seen(&id).await?.is_some()
        {
            return Ok(Some(
                judge.own("nothing queued", "a request that can be polled"),
            ));
        }
        let after = self.look_at_tape(call, request).await?;
        if let Some(finding) = moved(judge, &before, &after) {
            return Ok(Some(finding));
        }
        let Some(was) = &before.progress else {
            return Ok(None);
        };
        let Some(is) = &after.progress else {
            return Ok(Some(judge.own("the request is still there", "it is gone")));
        };
        let cancelled = was.files.iter().find(|entry| {
            let now = is.of(&entry.path);
            !entry.cancelled() && now.is_none_or(|now| now.cancelled())
        });
        Ok(cancelled.map(|entry| {
            let expected = format!("{} goes on", entry.path);
            judge.own(expected, "it was cancelled")
        }))
    }

    /// Whether a granted call did what it says.
    async fn done(
        &mut self,
        judge: Judge<'_>,
        call: &TapeCall,
        before: TapeState,
        request: Option<&Request>,
    ) -> Result<Option<Finding>, Stop> {
        match (call.operation, request) {
            (TapeOperation::Stage, _) => self.queued(judge, call, before).await,
            (TapeOperation::Cancel, Some(request)) => self.given_up(judge, call, request).await,
            (TapeOperation::Delete, Some(request)) => {
                let mut patience = Patience::new(self.deadline, SOON);
                while self.request_seen(&request.id).await?.is_some() {
                    let Some(pause) = patience.next() else {
                        let actual = "it can still be polled";
                        return Ok(Some(judge.own("the request is gone", actual)));
                    };
                    self.wait(pause).await.map_err(Stop::Undecided)?;
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// A staged request is there with its files; those that must not be staged come to nothing.
    async fn queued(
        &mut self,
        judge: Judge<'_>,
        call: &TapeCall,
        before: TapeState,
    ) -> Result<Option<Finding>, Stop> {
        let Some(request) = self.taped.last.clone() else {
            return Ok(None);
        };
        let mut patience = Patience::new(self.deadline, super::PATIENCE);
        loop {
            let Some(progress) = self.request_seen(&request.id).await? else {
                let actual = "it is not there";
                return Ok(Some(judge.own("a request that can be polled", actual)));
            };
            let wanted = call.files.iter().filter(|file| !call.except.contains(file));
            let lost = wanted.clone().find(|file| progress.of(file).is_none());
            if let Some(lost) = lost {
                let expected = format!("{lost} is part of the request");
                return Ok(Some(judge.own(expected, "it is not")));
            }
            let mut refused = call.except.iter().filter_map(|file| progress.of(file));
            let open = refused.clone().any(|entry| !entry.settled());
            let pause = patience.next().filter(|_| open);
            let Some(pause) = pause else {
                if let Some(entry) = refused.find(|entry| !entry.failed()) {
                    let expected = format!("an error for {}", entry.path);
                    return Ok(Some(judge.own(expected, entry.describe())));
                }
                break;
            };
            self.wait(pause).await.map_err(Stop::Undecided)?;
        }
        if call.except.is_empty() {
            return Ok(None);
        }
        let files = self.own(&call.except);
        let after = TapeState {
            localities: match files.is_empty() {
                true => BTreeMap::new(),
                false => self.where_they_are(&files).await?,
            },
            progress: None,
        };
        Ok(moved(judge, &before, &after))
    }

    /// The files of a granted cancel are given up, or it came too late.
    async fn given_up(
        &mut self,
        judge: Judge<'_>,
        call: &TapeCall,
        request: &Request,
    ) -> Result<Option<Finding>, Stop> {
        let mut patience = Patience::new(self.deadline, SOON);
        let mut went_on = BTreeSet::new();
        loop {
            let progress = self.request_seen(&request.id).await?.unwrap_or_default();
            let mut files = call.files.iter().filter_map(|file| progress.of(file));
            let open = files.clone().find(|entry| !entry.settled());
            let late = files.find(|entry| went_on.contains(&entry.path) && !entry.failed());
            if let Some(entry) = late.filter(|_| open.is_none()) {
                let expected = format!("{} is cancelled", entry.path);
                return Ok(Some(judge.own(expected, "it went on and came to disk")));
            }
            let Some(entry) = open else {
                return Ok(None);
            };
            went_on.insert(entry.path.clone());
            let described = entry.describe();
            let Some(pause) = patience.next() else {
                return Ok(Some(judge.own("CANCELLED", described)));
            };
            self.wait(pause).await.map_err(Stop::Undecided)?;
        }
    }
}

/// Whether a file has come to disk or left it.
fn moved(judge: Judge<'_>, before: &TapeState, after: &TapeState) -> Option<Finding> {
    after.localities.iter().find_map(|(path, now)| {
        let was = before.localities.get(path);
        let (word, moved) = match () {
            () if touchstone_protocol::came_to_disk(was, Some(now)) => {
                ("stays on tape", "it came to disk")
            }
            () if touchstone_protocol::left_disk(was, Some(now)) => {
                ("stays on disk", "it was dropped from disk")
            }
            () => return None,
        };
        Some(judge.own(format!("{path} {word}"), moved))
    })
}

fn unseen(reason: &str) -> Stop {
    Stop::Undecided(format!("the effect cannot be seen: {reason}"))
}
