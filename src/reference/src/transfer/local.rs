use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};

use super::super::answers::{COLLECTION_METHODS, Outcome};
use super::super::element::{Element, Visit};
use super::super::namespace::{Namespace, Node, Obstacle};
use super::super::webdav::RequestContext;
use super::rules::Scrutiny;
use super::{Direction, Order};

/// The half of a transfer that is here: where a pull goes, or what a push sends.
pub(super) struct Local<'a> {
    element: &'a Element,
    namespace: &'a Namespace,
    visit: &'a Visit,
    order: &'a Order,
}

impl<'a> Local<'a> {
    pub(super) fn new(
        element: &'a Element,
        namespace: &'a Namespace,
        visit: &'a Visit,
        order: &'a Order,
    ) -> Self {
        Self {
            element,
            namespace,
            visit,
            order,
        }
    }

    /// When the right is asked for.
    pub(super) fn scrutiny(&self) -> Scrutiny {
        self.element.rules.transfer().scrutiny(
            self.order.direction,
            self.node(),
            &self.visit.bearer,
        )
    }

    /// Whether the bearer may.
    pub(super) fn right(&self) -> Result<(), Outcome> {
        let needed = self
            .element
            .rules
            .transfer()
            .needs(self.order.direction, self.node());
        let context = RequestContext {
            element: self.element,
            namespace: self.namespace,
            visit: self.visit,
            headers: &HeaderMap::new(),
        };
        context.require(needed, &self.visit.target)
    }

    /// What a push sends; nothing for a pull, which nothing here stands in the way of.
    pub(super) fn content(&self) -> Result<Option<Bytes>, Outcome> {
        let target = &self.visit.target;
        let node = self.node();
        if self.order.direction == Direction::Push {
            let node = node.filter(|node| node.is_directory() || !target.slash);
            let content = node.ok_or_else(Outcome::missing)?.content.clone();
            let file = content.ok_or(Outcome::NotAllowed(COLLECTION_METHODS))?;
            return Ok(Some(file));
        }
        if node.is_some() && !self.order.overwrite {
            return Err(Outcome::text(
                StatusCode::PRECONDITION_FAILED,
                "there is something at this path\n",
            ));
        }
        if target.slash || node.is_some_and(Node::is_directory) {
            return Err(Obstacle::IsDirectory.into());
        }
        if !self.namespace.has_parent_of(&target.path) {
            return Err(Obstacle::NoParent.into());
        }
        Ok(None)
    }

    fn node(&self) -> Option<&'a Node> {
        self.namespace.get(&self.visit.target.path)
    }
}
