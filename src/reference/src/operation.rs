//! What a request asks for, in the words of the covers' columns.

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::element::Element;
use super::path::End;
use touchstone_model::Method;

/// A HEAD, or a PROPFIND of one object.
pub(super) const LOOK: &str = "look";

/// Whether a fault that is about `whole` is about that operation.
pub(super) fn within(operation: &str, whole: &str) -> bool {
    operation == whole || whole == LOOK && matches!(operation, "head" | "propfind-0")
}

/// The column of the covers in which a request stands; nothing where it stands in none.
pub(super) fn of(element: &Element, asked: &Parts) -> Option<&'static str> {
    let headers = &asked.headers;
    let there = |path: &str, method| {
        let target = element.locate(path, End::Target(method)).ok().flatten()?;
        let namespace = element.namespace();
        let node = namespace.get(&target.path)?;
        let full = node.is_directory() && namespace.tree(&target.path).nth(1).is_some();
        Some((node.is_directory(), full))
    };
    let path = asked.uri.path();
    match asked.method.as_str() {
        "GET" => Some(get(headers)),
        "HEAD" => Some(match headers.contains_key("want-digest") {
            true => "head-digest",
            false => "head",
        }),
        "PROPFIND" => match text(headers, "depth") {
            "0" => Some("propfind-0"),
            "1" => Some("propfind-1"),
            "infinity" => Some("propfind-infinity"),
            _ => None,
        },
        "PUT" => Some(put(headers, there(path, Method::Put).is_some())),
        "MKCOL" => Some("mkcol"),
        "MOVE" => Some(
            match destination(headers).and_then(|to| there(to, Method::Move)) {
                Some(_) => "move-over",
                None => "move",
            },
        ),
        "COPY" if headers.contains_key("source") => Some("pull"),
        "COPY" => Some(match destination(headers) {
            Some(to) if there(to, Method::Copy).is_some() => "copy-over",
            Some(_) => "copy",
            None => "push",
        }),
        "DELETE" => Some(match there(path, Method::Delete) {
            Some((_, true)) => "delete-full",
            Some((true, false)) => "delete-directory",
            _ => "delete",
        }),
        "POST" => Some("post"),
        "PATCH" => Some("patch"),
        "PROPPATCH" => Some("proppatch"),
        "LOCK" => Some("lock"),
        _ => None,
    }
}

fn get(headers: &HeaderMap) -> &'static str {
    let range = text(headers, "range");
    match range.strip_prefix("bytes=") {
        Some(ranges) if ranges.contains(',') => "get-ranges",
        Some(ranges) if ranges.starts_with('-') => "get-range-suffix",
        // The files of the suites are far shorter.
        Some(ranges) if ranges.len() > 6 => "get-range-beyond",
        Some(_) => "get-range",
        None if headers.contains_key(header::IF_NONE_MATCH) => "get-if-none-match",
        None if headers.contains_key(header::IF_MODIFIED_SINCE) => "get-if-modified-since",
        None if headers.contains_key("want-digest") => "get-digest",
        None => "get",
    }
}

fn put(headers: &HeaderMap, there: bool) -> &'static str {
    let has = |name: &str| headers.contains_key(name);
    let empty = !has("transfer-encoding") && matches!(text(headers, "content-length"), "0" | "");
    match () {
        () if has("if-match") => "put-if-match",
        () if has("if-none-match") => "put-if-none-match",
        () if has("content-range") => "put-content-range",
        () if has("transfer-encoding") => "put-chunked",
        () if has("expect") => "put-expect",
        () if empty && there => "put-empty-over",
        () if empty => "put-empty",
        () if there => "put-over",
        () => "put",
    }
}

/// The path of a `Destination` on this server.
fn destination(headers: &HeaderMap) -> Option<&str> {
    let to = text(headers, "destination");
    let rest = match to.split_once("://") {
        Some((_, rest)) if rest.starts_with("localhost") || rest.starts_with("127.0.0.1") => {
            rest.get(rest.find('/')?..)?
        }
        Some(_) => return None,
        None => to,
    };
    (!rest.is_empty()).then_some(rest)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let value = headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
