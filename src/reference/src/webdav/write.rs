use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode};

use super::super::answers::{Outcome, Refusal};
use super::super::authorisation::Operation;
use super::super::element::{Element, Target};
use super::super::namespace::{Act, Node, Obstacle};
use super::super::path::End;
use super::{Plan, RequestContext};

/// RFC 9110 section 9.3.4.
pub(super) fn put(context: &RequestContext) -> Result<Plan, Outcome> {
    let target = &context.visit.target;
    let node = context.node(target);
    context.require(
        context.element.rules.own().uploading(node, context.headers),
        target,
    )?;
    if node.is_some() && context.header("if-none-match") == Some("*") {
        return Err(precondition_failed("there is something at this path\n"));
    }
    matches(context, node)?;
    if context.headers.contains_key("content-range") && !context.element.rules.own().takes_parts() {
        // RFC 9110 section 14.5: never take a part for the whole.
        return Err(Outcome::text(
            StatusCode::BAD_REQUEST,
            "parts of a file cannot be uploaded\n",
        ));
    }
    if target.slash || node.is_some_and(Node::is_directory) {
        return Err(Obstacle::IsDirectory.into());
    }
    let makes_parents = context.element.rules.own().makes_parents();
    if !makes_parents && !context.namespace.has_parent_of(&target.path) {
        return Err(Obstacle::NoParent.into());
    }
    Ok(Plan::Change(Act::Put {
        path: target.path.clone(),
        content: Bytes::new(),
    }))
}

/// RFC 4918 section 9.3.
pub(super) fn make_directory(context: &RequestContext) -> Result<Plan, Outcome> {
    let target = &context.visit.target;
    context.require(Operation::MakeDirectory, target)?;
    Ok(Plan::Change(Act::MakeDirectory {
        path: target.path.clone(),
    }))
}

/// RFC 9110 section 9.3.5; a directory goes with everything in it (RFC 4918 section 9.6.1).
pub(super) fn delete(context: &RequestContext) -> Result<Plan, Outcome> {
    let target = &context.visit.target;
    context.require(Operation::Delete, target)?;
    movable(target)?;
    let node = context.existing(target)?;
    matches(context, Some(node))?;
    if node.is_directory() {
        whole(context)?;
    }
    emptied(context, target, Operation::Delete)?;
    Ok(Plan::Change(Act::Delete {
        path: target.path.clone(),
    }))
}

/// RFC 4918 section 9.9.
pub(super) fn rename(context: &RequestContext) -> Result<Plan, Outcome> {
    let from = &context.visit.target;
    let to = destination(context)?;
    let directory = context.node(from).map_or(from.slash, Node::is_directory);
    let (taking, making) = if directory {
        (Operation::RenameDirectory, Operation::MakeDirectory)
    } else {
        (Operation::RenameFile, Operation::Create)
    };
    let replaced = context.node(&to);
    let writing = replaced.map_or(making, |_| Operation::Overwrite);
    context.require(taking, from)?;
    context.require(writing, &to)?;
    movable(from)?;
    movable(&to)?;
    matches(context, Some(context.existing(from)?))?;
    if directory {
        whole(context)?;
        context.require_below(taking, from)?;
    }
    if to.slash && !directory && replaced.is_none() {
        return Err(Obstacle::NoParent.into());
    }
    overwrites(context, replaced)?;
    emptied(context, &to, Operation::Overwrite)?;
    Ok(Plan::Change(Act::Move {
        from: from.path.clone(),
        to: to.path,
    }))
}

/// RFC 4918 section 9.8, inside the service; other copies are transfers.
pub(super) fn copy(context: &RequestContext) -> Result<Plan, Outcome> {
    let from = &context.visit.target;
    let to = destination(context)?;
    let directory = context.node(from).is_some_and(Node::is_directory);
    let making = match directory {
        true => Operation::MakeDirectory,
        false => Operation::Create,
    };
    let replaced = context.node(&to);
    let writing = replaced.map_or(making, |_| Operation::Overwrite);
    context.require(Operation::Read, from)?;
    context.require(writing, &to)?;
    movable(&to)?;
    context.existing(from)?;
    let deep = directory && copied_whole(context, from)?;
    overwrites(context, replaced)?;
    if to.slash && !directory && replaced.is_none() {
        return Err(Obstacle::NoParent.into());
    }
    emptied(context, &to, Operation::Overwrite)?;
    Ok(Plan::Change(Act::Copy {
        from: from.path.clone(),
        to: to.path,
        deep,
    }))
}

/// Whether a directory is copied with everything in it (RFC 4918 section 9.8.3), all of which may be read.
fn copied_whole(context: &RequestContext, from: &Target) -> Result<bool, Outcome> {
    if !context.element.rules.own().copies_directories() {
        return Err(Outcome::text(
            StatusCode::NOT_IMPLEMENTED,
            "only files are copied\n",
        ));
    }
    match context.header("depth") {
        Some("0") => Ok(false),
        _ => {
            whole(context)?;
            context.require_below(Operation::Read, from)?;
            Ok(true)
        }
    }
}

/// Fills in what the request's body says.
pub(super) fn with_body(element: &Element, act: Act, body: Bytes) -> Result<Act, Outcome> {
    match act {
        Act::Put { path, .. } => Ok(Act::Put {
            path,
            content: body,
        }),
        // RFC 4918 section 9.3: a body that is not understood.
        Act::MakeDirectory { .. }
            if !body.is_empty() && element.rules.own().reads_directory_bodies() =>
        {
            Err(Outcome::text(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "MKCOL has no body\n",
            ))
        }
        other => Ok(other),
    }
}

/// Who changes a directory changes all of it (RFC 4918 sections 9.6.1, 9.8.3 and 9.9.2).
fn whole(context: &RequestContext) -> Result<(), Outcome> {
    let depths = context.headers.get_all("depth").iter();
    let odd = |depth: &HeaderValue| !depth.as_bytes().eq_ignore_ascii_case(b"infinity");
    match depths.into_iter().any(odd) {
        true => Err(Outcome::text(
            StatusCode::BAD_REQUEST,
            "the depth of this is infinity\n",
        )),
        false => Ok(()),
    }
}

/// Whether what is below `target` may go as well.
fn emptied(context: &RequestContext, target: &Target, operation: Operation) -> Result<(), Outcome> {
    let full = context.namespace.has_full_directory(&target.path);
    if full && !context.element.rules.own().empties_directories() {
        return Err(Obstacle::NotEmpty.into());
    }
    context.require_below(operation, target)
}

/// An area as a whole stays where it is.
fn movable(target: &Target) -> Result<(), Outcome> {
    if target.below.is_root() {
        Err(Outcome::text(
            StatusCode::FORBIDDEN,
            "an area cannot be taken away\n",
        ))
    } else {
        Ok(())
    }
}

/// Where a MOVE or COPY goes: an absolute path, or a URI of this service.
fn destination(context: &RequestContext) -> Result<Target, Outcome> {
    let bad = |text| Outcome::text(StatusCode::BAD_REQUEST, text);
    let text = context
        .header("destination")
        .ok_or_else(|| bad("a Destination is needed\n"))?;
    let path = if text.starts_with('/') {
        text
    } else if text.contains("://") {
        context.element.own_path(text).ok_or_else(|| {
            Outcome::text(
                StatusCode::BAD_GATEWAY,
                "the destination is another service\n",
            )
        })?
    } else {
        return Err(bad("the Destination is no absolute URI or path\n"));
    };
    let target = context
        .element
        .locate(path, End::Destination)
        .map_err(|_| bad("the Destination's path is ambiguous\n"))?;
    target.ok_or_else(|| Refusal::InsufficientScope.into())
}

/// Whether what is at the destination may go (RFC 4918 section 10.6).
fn overwrites(context: &RequestContext, replaced: Option<&Node>) -> Result<(), Outcome> {
    if context.headers.get_all("overwrite").iter().count() > 1 {
        return Err(Outcome::text(
            StatusCode::BAD_REQUEST,
            "Overwrite is there twice\n",
        ));
    }
    match context.header("overwrite") {
        Some("F" | "f") if replaced.is_some() => Err(precondition_failed(
            "there is something at the destination\n",
        )),
        None | Some("F" | "f" | "T" | "t") => Ok(()),
        Some(_) => Err(Outcome::text(
            StatusCode::BAD_REQUEST,
            "Overwrite is T or F\n",
        )),
    }
}

/// RFC 9110 section 13.1.1. This service tells no entity tags, so that none that is named is that of what is here.
fn matches(context: &RequestContext, node: Option<&Node>) -> Result<(), Outcome> {
    let met = match context.headers.get("if-match") {
        None => true,
        Some(value) => node.is_some() && value == "*",
    };
    met.then_some(())
        .ok_or_else(|| precondition_failed("nothing at this path matches\n"))
}

fn precondition_failed(text: &'static str) -> Outcome {
    Outcome::text(StatusCode::PRECONDITION_FAILED, text)
}
