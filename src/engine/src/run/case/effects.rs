//! What a step ought to have changed, and what it did.

use touchstone_model::{Answer, Expect, Marker, Method, Purpose, State, StepPlan};
use touchstone_protocol::{Judge, Tried};

use super::{Running, Stop};

impl Running<'_> {
    /// Looks at what really happened. Returns whether a refused write changed anything.
    pub(super) async fn effects(
        &mut self,
        judge: Judge<'_>,
        step: &StepPlan,
        expect: Expect,
        answer: &Answer,
    ) -> Result<bool, Stop> {
        let mut changed = false;
        let expected = self.expected(step, expect, answer.status);
        let objects = expected.iter().map(|(path, state)| (path.as_str(), state));
        let seen = self.look(Purpose::Effect, objects).await;
        let seen = seen
            .map_err(|why| self.unanswered(&step.at, why.keeping("the effect cannot be seen")))?;
        let tried = Tried {
            step,
            expect,
            answered: answer.status,
        };
        for ((path, expected), seen) in expected.into_iter().zip(seen) {
            let before = self.left.remove(&path);
            let finding = touchstone_protocol::effect(judge, tried, &path, &expected, &seen);
            let Some(finding) = finding else {
                self.world.insert(path, expected);
                continue;
            };
            // What an earlier step has left is told already, and none of this one's doing.
            if expect.harmless() && before.as_ref() == Some(&seen) {
                self.left.insert(path.clone(), seen);
                self.world.insert(path, expected);
                continue;
            }
            match touchstone_protocol::remains(judge, tried, answer, (&expected, &seen), &finding) {
                Some(finding) => {
                    changed |= finding.level.binding();
                    self.findings.push(finding);
                    self.left.insert(path.clone(), seen);
                }
                None => {
                    changed |= expect.harmless();
                    self.findings.push(finding);
                }
            }
            self.world.insert(path, expected);
        }
        Ok(changed)
    }

    /// What ought to be where after the step.
    pub(super) fn expected(
        &self,
        step: &StepPlan,
        expect: Expect,
        status: u16,
    ) -> Vec<(String, State)> {
        let paths = std::iter::once(&step.path).chain(&step.destination);
        let either = matches!(expect, Expect::CreatedOrConflict | Expect::DeletedOrRefused);
        if expect.harmless() || (either && status >= 400) {
            let mut expected: Vec<_> = paths.clone().flat_map(|path| self.tree(path)).collect();
            for above in paths.flat_map(|path| self.missing_above(path)) {
                if !expected.iter().any(|(path, _)| *path == above) {
                    expected.push((above, State::Absent));
                }
            }
            return expected;
        }
        let source = step.path.clone();
        match (step.method, &step.destination, &step.body) {
            (Method::Put, _, Some(body)) => vec![(source, State::File(body.clone()))],
            (Method::Mkcol, ..) => vec![(source, State::Directory)],
            (Method::Delete, ..) => {
                let tree = self.tree(&source).into_iter();
                tree.map(|(path, _)| (path, State::Absent)).collect()
            }
            (Method::Move, Some(destination), _) => {
                let moved = |(path, state): (String, State)| {
                    let below = path.strip_prefix(&source).unwrap_or_default();
                    [
                        (format!("{destination}{below}"), state),
                        (path, State::Absent),
                    ]
                };
                self.tree(&source).into_iter().flat_map(moved).collect()
            }
            (Method::Copy, Some(destination), _) => {
                let copied = self.known(&source).clone();
                vec![(destination.clone(), copied.clone()), (source, copied)]
            }
            (Method::Copy, None, Some(body)) => vec![(source, State::File(body.clone()))],
            (Method::Copy, None, None) => vec![(source.clone(), self.known(&source).clone())],
            _ => Vec::new(),
        }
    }

    /// What is at `path` and, as far as is known, below it.
    pub(super) fn tree(&self, path: &str) -> Vec<(String, State)> {
        let inside = |other: &str| {
            let rest = other.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let mut below: Vec<_> = self
            .world
            .iter()
            .filter(|(other, _)| inside(other))
            .map(|(other, state)| (other.clone(), state.clone()))
            .collect();
        below.sort_by(|(one, _), (other, _)| one.cmp(other));
        below.insert(0, (path.to_owned(), self.known(path).clone()));
        below
    }

    /// The directories above `path` that are not there, and that a request which comes to nothing does not make.
    fn missing_above(&self, path: &str) -> Vec<String> {
        let holds = |root: &&String| {
            let rest = path.strip_prefix(root.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let Some(root) = self.roots.iter().find(holds) else {
            return Vec::new();
        };
        let missing = |above: &&str| {
            let inside = |other: &String| {
                let rest = other.strip_prefix(*above);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let mut there = self
                .world
                .iter()
                .filter(|(_, state)| **state != State::Absent);
            !there.any(|(other, _)| inside(other))
        };
        let above = Marker::above(path).filter(|above| above.len() > root.len());
        above.filter(missing).map(str::to_owned).collect()
    }

    pub(super) fn known(&self, path: &str) -> &State {
        self.world.get(path).unwrap_or(&State::Absent)
    }
}
