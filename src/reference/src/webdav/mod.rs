//! The methods: what each needs to be allowed, what stands in its way, and what it does.

mod digest;
mod propfind;
mod read;
mod write;

pub(super) use digest::{digests, digests_fit, matches_digests};
pub(super) use propfind::{Property, multistatus};
pub(super) use read::Content;

use axum::body::Bytes;
use axum::http::HeaderMap;

use super::answers::{METHODS, Outcome, Refusal};
use super::authorisation::{Operation, Question};
use super::element::{Element, Target, Visit};
use super::namespace::{Act, Change, Namespace, Node};
use touchstone_model::Method;

/// What is to be done for a request that is allowed and sensible.
pub(super) enum Plan {
    Change(Act),
    List(Vec<Property>),
    Show(Content),
}

/// Decides about a request without its body; nothing has changed when it returns.
pub(super) fn plan(
    element: &Element,
    namespace: &Namespace,
    visit: &Visit,
    headers: &HeaderMap,
) -> Result<Plan, Outcome> {
    let context = RequestContext {
        element,
        namespace,
        visit,
        headers,
    };
    match visit.method {
        Method::Get | Method::Head => read::plan(&context),
        Method::Propfind => propfind::plan(&context),
        Method::Put => write::put(&context),
        Method::Mkcol => write::make_directory(&context),
        Method::Delete => write::delete(&context),
        Method::Move => write::rename(&context),
        Method::Copy => write::copy(&context),
        Method::Options => Err(Outcome::Options),
        Method::Post => Err(Outcome::NotAllowed(METHODS)),
    }
}

/// Does what was planned.
pub(super) fn carry_out(
    element: &Element,
    namespace: &mut Namespace,
    visit: &Visit,
    plan: Plan,
    body: Bytes,
) -> Result<Outcome, Outcome> {
    let act = match plan {
        Plan::List(found) => {
            if element.rules.own().reads_queries() {
                propfind::well_formed(&body)?;
            }
            return Ok(Outcome::Properties(found));
        }
        Plan::Show(content) => return Ok(Outcome::Content(content)),
        Plan::Change(act) => write::with_body(element, act, body)?,
    };
    match element.rules.own().act(namespace, &act, &visit.bearer)? {
        Change::Created => Ok(Outcome::Created),
        Change::Removed | Change::Replaced => Ok(Outcome::Done),
    }
}

/// What a method may look at while it makes up its mind.
pub(super) struct RequestContext<'a> {
    pub(super) element: &'a Element,
    pub(super) namespace: &'a Namespace,
    pub(super) visit: &'a Visit,
    pub(super) headers: &'a HeaderMap,
}

impl RequestContext<'_> {
    fn node(&self, target: &Target) -> Option<&Node> {
        self.namespace.get(&target.path)
    }

    /// Refuses unless the bearer may do `operation` to `target`.
    pub(super) fn require(&self, operation: Operation, target: &Target) -> Result<(), Outcome> {
        let node = self.node(target);
        let asked = Question {
            operation,
            method: self.visit.method,
            path: &target.below,
            directory: operation == Operation::MakeDirectory
                || node.map_or(target.slash, Node::is_directory),
            made_with: node.map(|node| node.made_with.as_str()),
            part: self.headers.contains_key("range"),
        };
        if self.element.allows(&self.visit.bearer, target, &asked) {
            Ok(())
        } else {
            Err(Refusal::InsufficientScope.into())
        }
    }

    /// Refuses unless the bearer may do `operation` to everything below `target`. Who may do it to a directory may do it
    /// there, but for what is another area or protected.
    pub(super) fn require_below(
        &self,
        operation: Operation,
        target: &Target,
    ) -> Result<(), Outcome> {
        let below = self.namespace.tree(&target.path).skip(1);
        for (path, _) in below {
            let member = self.element.place(path.clone());
            self.require(operation, &member.ok_or(Refusal::InsufficientScope)?)?;
        }
        Ok(())
    }

    /// The object at `target`. A file is not found under a name with a trailing slash.
    fn existing(&self, target: &Target) -> Result<&Node, Outcome> {
        self.node(target)
            .filter(|node| node.is_directory() || !target.slash)
            .ok_or_else(Outcome::missing)
    }

    /// The value of a header that is text.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
