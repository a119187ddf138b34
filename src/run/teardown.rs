//! Removes what a run made, and nothing else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::check::properties;
use crate::http::{Caller, Client};
use crate::model::{Endpoint, Leftover, Method, Purpose, RunId};
use crate::token::Token;

use super::case::{depth, observer_of};
use super::ledger::Ledger;
use super::observer::Observer;

/// How often an object is asked to go away.
const TRIES: u32 = 3;
/// For all that one call removes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How deep leftovers are followed; nothing of ours is deeper.
const DEPTH: usize = 16;

/// What a path component may hold as it is (RFC 3986 section 3.3).
const COMPONENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Removes objects below one endpoint's area.
pub struct Cleaner<'a> {
    /// The way there.
    pub client: &'a Client,
    /// Where.
    pub endpoint: &'a Endpoint,
    /// On whose behalf.
    pub caller: Caller<'a>,
    /// The observer's token.
    pub token: &'a Token,
    /// The one of the second area.
    pub second: Option<&'a Token>,
}

/// Whether `path` is one of a run's own directories or lies below one. Everything else is refused,
/// whatever a ledger or a server says.
pub fn deletable(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else {
        return false;
    };
    let plain = inner.split('/').all(|component| {
        let lower = component.to_ascii_lowercase();
        !component.is_empty()
            && !lower.replace("%2e", ".").trim_matches('.').is_empty()
            && !lower.contains("%2f")
            && !lower.contains("%5c")
            && !component.contains(['\\', '?', '#'])
    });
    plain
        && inner
            .split('/')
            .any(|component| RunId::of_directory(component).is_some())
}

impl Cleaner<'_> {
    /// Removes `paths`, the deepest first and those of one depth side by side, each with what is below it; says
    /// what stayed.
    pub async fn remove<'p>(
        &self,
        paths: impl Iterator<Item = &'p str>,
        ledger: Option<&Ledger>,
    ) -> Vec<Leftover> {
        let deadline = Instant::now() + PATIENCE;
        let mut levels: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for path in paths {
            levels.entry(depth(path)).or_default().push(path);
        }
        let mut stayed = Vec::new();
        for level in levels.into_values().rev() {
            let removed =
                level
                    .iter()
                    .map(async |path| match self.tree(path, deadline, DEPTH).await {
                        Ok(()) => {
                            if let Some(ledger) = ledger {
                                ledger.gone(self.endpoint.listed_name(), path);
                            }
                            None
                        }
                        Err(reason) => Some(Leftover {
                            url: self.endpoint.url_of(path),
                            reason,
                        }),
                    });
            stayed.extend(join_all(removed).await.into_iter().flatten());
        }
        stayed
    }

    /// The directories of earlier runs directly below `parent`, a path on the service, with the run that made each.
    ///
    /// # Errors
    /// The listing cannot be had.
    pub async fn marked(&self, parent: &str) -> Result<Vec<(RunId, String)>, String> {
        let observer = self.observer(parent, Instant::now() + PATIENCE);
        let members = self.members(&observer, parent).await?;
        Ok(members
            .into_iter()
            .filter_map(|name| {
                let run = RunId::of_directory(&name)?;
                Some((run, format!("{}/{name}", parent.trim_end_matches('/'))))
            })
            .collect())
    }

    async fn tree(&self, path: &str, deadline: Instant, depth: usize) -> Result<(), String> {
        if !deletable(path) {
            return Err("refused: it does not lie below a directory that a run made".into());
        }
        let observer = self.observer(path, deadline);
        let mut reason = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            }
            match observer
                .send(
                    Purpose::Teardown,
                    Method::Delete,
                    path,
                    &[],
                    None,
                    &mut Vec::new(),
                )
                .await
            {
                Ok(answer) if answer.success() || matches!(answer.status, 404 | 410) => {
                    return Ok(());
                }
                Ok(answer) => reason = format!("DELETE was answered {}", answer.status),
                Err(error) => reason = error,
            }
            if Instant::now() >= deadline {
                return Err(format!("{reason}; the time for teardown is over"));
            }
            if depth == 0 {
                continue;
            }
            // A directory that is not empty: something came to be that nobody asked for.
            if let Ok(members) = self.members(&observer, path).await {
                for name in members {
                    let member = format!("{path}/{}", utf8_percent_encode(&name, COMPONENT));
                    Box::pin(self.tree(&member, deadline, depth - 1)).await?;
                }
            }
        }
        Err(reason)
    }

    /// Names of what is directly in `path`; names that could lead elsewhere are left out.
    async fn members(&self, observer: &Observer<'_>, path: &str) -> Result<Vec<String>, String> {
        let headers = [("depth".to_owned(), "1".to_owned())];
        let answer = observer
            .send(
                Purpose::Teardown,
                Method::Propfind,
                path,
                &headers,
                None,
                &mut Vec::new(),
            )
            .await?;
        if answer.status != 207 {
            return Err(format!("PROPFIND {path} was answered {}", answer.status));
        }
        let own = path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let mut members = properties(&answer.body)?;
        // The first member is the collection itself, whatever it is called.
        if members
            .first()
            .is_some_and(|first| first.name == own || own.is_empty() || first.collection)
        {
            members.remove(0);
        }
        Ok(members
            .into_iter()
            .map(|member| member.name)
            .filter(|name| !name.is_empty() && name != "." && name != ".." && !name.contains('/'))
            .collect())
    }

    fn observer(&self, path: &str, deadline: Instant) -> Observer<'_> {
        Observer {
            client: self.client,
            endpoint: self.endpoint,
            caller: self.caller,
            token: observer_of(self.endpoint, path, self.token, self.second),
            deadline,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_run_made_is_deleted() {
        for own in [
            "/touchstone-20261122t072848z-4f2a9c",
            "/touchstone-20261122t072848z-4f2a9c/path.outside.read/b/f",
            "/protected/touchstone-20261122t072848z-4f2a9c.group.member.read/f",
        ] {
            assert!(deletable(own), "{own}");
        }
        for foreign in [
            "",
            "/",
            "/data",
            "/touchstone-notes/x",
            "touchstone-20261122t072848z-4f2a9c",
            "/touchstone-20261122t072848z-4f2a9c/../data",
            "/touchstone-20261122t072848z-4f2a9c/%2e%2E/data",
            "/touchstone-20261122t072848z-4f2a9c/..%2fdata",
            "/touchstone-20261122t072848z-4f2a9c//data",
            "/touchstone-20261122t072848z-4f2a9c/..\\data",
        ] {
            assert!(!deletable(foreign), "{foreign}");
        }
    }
}
