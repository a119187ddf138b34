//! What a case needs to be there, and what is there.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use touchstone_model::{Exchange, Place, PlannedObject, Purpose, Script, State};

use super::super::unanswered::Unanswered;
use super::{Running, Stop, depth};

impl Running<'_> {
    pub(super) async fn arrange(&mut self, script: &Script) -> Result<(), Stop> {
        // Where there are none, what lies in them is stored all the same.
        let real = self.site.plan.endpoint.traits.directories;
        let wanted = |object: &&PlannedObject| real || object.state != State::Directory;
        let directories = script.directories.iter().filter(|_| real);
        let directories = directories.map(|path| (path.as_str(), &State::Directory));
        let given = || {
            let given = script.given.iter().filter(wanted);
            given.map(|o| (o.path.as_str(), &o.state))
        };
        for level in levels(directories.chain(given())) {
            let made = self.make(&level).await;
            made.map_err(|why| self.not_arranged(why))?;
        }
        let seen = self.look(Purpose::Arrange, given()).await;
        let seen = seen.map_err(|why| self.not_arranged(why))?;
        for (object, seen) in script.given.iter().filter(wanted).zip(seen) {
            let judge = self.judge(&self.case.case.at, self.last_exchange_of(&object.path));
            if let Some(lie) =
                touchstone_protocol::unconfirmed(judge, &object.path, &object.state, &seen)
            {
                self.findings.push(lie);
                return Err(Stop::Broken);
            }
            self.world.insert(object.path.clone(), object.state.clone());
        }
        Ok(())
    }

    fn not_arranged(&mut self, why: Unanswered) -> Stop {
        let at = self.case.case.at.clone();
        self.unanswered(
            &at,
            why.keeping("what the case needs could not be arranged"),
        )
    }

    /// What it means that what was arranged or looked at, for the line at that place, has no answer: one that breaks off each time
    /// that it is asked for is a failure of the service, and the rest decides nothing.
    pub(super) fn unanswered(&mut self, at: &Place, why: Unanswered) -> Stop {
        let Some((method, broke)) = why.broke_off.filter(|_| self.go_on().is_ok()) else {
            return Stop::Undecided(why.reason);
        };
        let broken = |exchange: &Exchange| exchange.error.is_some() && exchange.method == method;
        let exchange = self.exchanges.iter().rposition(broken);
        let judge = self.judge(at, exchange.unwrap_or_default());
        let finding = touchstone_protocol::broke_off(judge, method, broke);
        self.findings.push(finding);
        Stop::Broken
    }

    /// Makes objects side by side; their parents are there.
    async fn make(&mut self, objects: &[(&str, &State)]) -> Result<(), Unanswered> {
        self.go_on()?;
        for (path, _) in objects {
            self.will_create(path)?;
        }
        let made = objects.iter().map(async |(path, state)| {
            let mut log = Vec::new();
            let result = self.observer(path).make(path, state, &mut log).await;
            let result = result.map_err(|why| {
                if self.made.not_made(path, &why) {
                    self.site.shared.gone(&self.site.plan.endpoint, path);
                }
                Unanswered::from(why)
            });
            (result, log)
        });
        let made = join_all(made).await;
        self.all(made).map(drop)
    }

    /// Looks at objects side by side; what is there, in their order.
    pub(super) async fn look<'s>(
        &mut self,
        purpose: Purpose,
        objects: impl Iterator<Item = (&'s str, &'s State)>,
    ) -> Result<Vec<touchstone_protocol::Observed>, Unanswered> {
        self.go_on()?;
        let seen = objects.map(async |(path, state)| {
            let mut log = Vec::new();
            let observer = self.observer(path);
            let result = observer.look(purpose, path, state, &mut log).await;
            (result.map_err(Unanswered::from), log)
        });
        let seen = join_all(seen).await;
        self.all(seen)
    }

    /// Records what was exchanged side by side, as if it had been one after another.
    fn all<T>(
        &mut self,
        ended: Vec<(Result<T, Unanswered>, Vec<Exchange>)>,
    ) -> Result<Vec<T>, Unanswered> {
        let (results, logs): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
        self.exchanges.extend(logs.into_iter().flatten());
        results.into_iter().collect()
    }
}

/// Objects in groups, those nearest to the root first: a group needs nothing but the groups before it.
fn levels<'s>(
    objects: impl Iterator<Item = (&'s str, &'s State)>,
) -> impl Iterator<Item = Vec<(&'s str, &'s State)>> {
    let mut levels: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for object in objects {
        levels.entry(depth(object.0)).or_default().push(object);
    }
    levels.into_values()
}
