use std::fmt::Write;

use axum::http::StatusCode;
use jiff::Timestamp;
use roxmltree::{Document, ParsingOptions};

use super::super::answers::Outcome;
use super::super::authorisation::Operation;
use super::super::namespace::Node;
use super::super::path::ObjectPath;
use super::read::http_date;
use super::{Plan, RequestContext};

/// What PROPFIND tells of one object.
#[derive(Clone, PartialEq)]
pub(in super::super) struct Property {
    path: ObjectPath,
    /// `None` for a directory.
    pub(in super::super) size: Option<u64>,
    pub(in super::super) directory: bool,
    modified: Timestamp,
}

/// Whatever the request's body asks for, everything is told.
pub(super) fn plan(context: &RequestContext) -> Result<Plan, Outcome> {
    let target = &context.visit.target;
    let children = match context.header("depth") {
        Some("0") => false,
        Some("1") => true,
        Some("infinity") | None => {
            return Err(Outcome::text(
                StatusCode::FORBIDDEN,
                "only a depth of 0 or 1 is served\n",
            ));
        }
        Some(_) => return Err(Outcome::text(StatusCode::BAD_REQUEST, "no such depth\n")),
    };
    let listed = children && context.node(target).is_none_or(Node::is_directory);
    let operation = if listed {
        Operation::List
    } else {
        Operation::Stat
    };
    context.require(operation, target)?;
    context.existing(target)?;
    let depth = target.path.depth() + usize::from(children);
    let found = context
        .namespace
        .tree(&target.path)
        .filter(|(path, _)| path.depth() <= depth)
        .map(|(path, node)| Property {
            path: path.clone(),
            size: node.size(),
            directory: node.is_directory(),
            modified: node.modified,
        });
    Ok(Plan::List(found.collect()))
}

/// Whether a request's body is XML, with its namespaces, or nothing at all (RFC 4918 sections 8.2 and 9.1). A document
/// type has no place in it (section 20.6).
pub(super) fn well_formed(body: &[u8]) -> Result<(), Outcome> {
    /// More than anybody asks for, in bytes and in elements, attributes and texts.
    const LONGEST: usize = 64 << 10;
    const NODES: u32 = 4096;
    if body.len() > LONGEST {
        return Err(Outcome::text(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the query is too long\n",
        ));
    }
    let options = ParsingOptions {
        nodes_limit: NODES,
        ..ParsingOptions::default()
    };
    // A prefix that stands for nothing is no declaration (Namespaces in XML 1.0, section 2.2).
    let declared = |document: &Document| {
        let mut namespaces = document.descendants().flat_map(|node| node.namespaces());
        namespaces.all(|namespace| namespace.name().is_none() || !namespace.uri().is_empty())
    };
    let read = |text| Document::parse_with_options(text, options).is_ok_and(|it| declared(&it));
    match body.is_empty() || std::str::from_utf8(body).is_ok_and(read) {
        true => Ok(()),
        false => Err(Outcome::text(
            StatusCode::BAD_REQUEST,
            "the query is no well-formed XML\n",
        )),
    }
}

/// The answer's body (RFC 4918 section 14.16). Escaped paths hold no character that XML minds.
pub(in super::super) fn multistatus(found: &[Property]) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n",
    );
    for property in found {
        let slash = if property.directory { "/" } else { "" };
        let kind = if property.directory {
            "<D:collection/>"
        } else {
            ""
        };
        let size = property.size.map_or_else(String::new, |size| {
            format!("<D:getcontentlength>{size}</D:getcontentlength>")
        });
        // Writing to a string cannot fail.
        let _ = writeln!(
            xml,
            "<D:response><D:href>{}{slash}</D:href><D:propstat><D:prop>\
             <D:resourcetype>{kind}</D:resourcetype>{size}\
             <D:getlastmodified>{}</D:getlastmodified>\
             </D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>",
            property.path.escaped(),
            http_date(property.modified),
        );
    }
    xml.push_str("</D:multistatus>\n");
    xml
}

#[cfg(test)]
mod tests {
    use super::super::super::path::WrittenPath;
    use super::*;

    #[test]
    fn queries_are_xml_with_namespaces() {
        let status = |body: &str| match well_formed(body.as_bytes()) {
            Ok(()) => 200,
            Err(outcome) => outcome.status().as_u16(),
        };
        let query = r#"<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>"#;
        let long = format!("{query}<!--{}-->", "x".repeat(64 << 10));
        for (body, right) in [
            (query, 200),
            ("", 200),
            ("<foo>", 400),
            ("no XML", 400),
            (r#"<D:propfind xmlns:D="DAV:"><D:prop>"#, 400),
            (
                r#"<D:propfind xmlns:D="DAV:"/><D:propfind xmlns:D="DAV:"/>"#,
                400,
            ),
            // A prefix that stands for nothing, and one that is not declared.
            (
                r#"<propfind xmlns="DAV:" xmlns:b=""><b:c/></propfind>"#,
                400,
            ),
            ("<D:propfind/>", 400),
            (r#"<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>"#, 400),
            (&format!("<a>{}</a>", "<b/>".repeat(5000)), 400),
            (&long, 413),
        ] {
            assert_eq!(status(body), right, "{}", body.get(..80).unwrap_or(body));
        }
        assert!(well_formed(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn names_cannot_break_the_xml() {
        let path = WrittenPath::parse("/a/%3CD:href%3E&\"'%5D%5D%3E%F0%9F%98%80")
            .unwrap()
            .path;
        let property = Property {
            path: path.clone(),
            size: Some(3),
            directory: false,
            modified: Timestamp::UNIX_EPOCH,
        };
        let xml = multistatus(&[property]);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let text = |name| {
            document
                .descendants()
                .find(|node| node.has_tag_name(("DAV:", name)))
                .and_then(|node| node.text())
        };
        assert_eq!(
            WrittenPath::parse(text("href").unwrap()).unwrap().path,
            path
        );
        assert_eq!(text("getcontentlength"), Some("3"));
        assert_eq!(
            text("getlastmodified"),
            Some("Thu, 01 Jan 1970 00:00:00 GMT")
        );
    }
}
