//! What a PROPFIND answer says (RFC 4918 section 14). The XML comes from the network.

use percent_encoding::percent_decode_str;

use touchstone_model::tangled;

const DAV: &str = "DAV:";
/// More members than any directory of ours has.
const MEMBERS: usize = 10_000;
/// Characters of the parser's complaint that are shown.
const TOLD: usize = 160;

/// One member of a multi-status answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Last component of its href, decoded once; empty for the root.
    pub name: String,
    /// Whether it is a collection.
    pub collection: bool,
    /// `getcontentlength`, where it is a number.
    pub length: Option<u64>,
}

/// The members of a multi-status body, in its order.
///
/// # Errors
/// Says what is wrong with the body: not UTF-8, not XML, no multistatus, too many members.
pub fn properties(body: &[u8]) -> Result<Vec<Properties>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "a body that is not UTF-8".to_owned())?;
    if let Some(why) = tangled(text) {
        return Err(format!("XML that nobody should parse: {why}"));
    }
    let document = roxmltree::Document::parse(text)
        .map_err(|error| format!("a body that is not well-formed XML ({})", short(&error)))?;
    let root = document.root_element();
    if !root.has_tag_name((DAV, "multistatus")) {
        return Err("XML without a DAV: multistatus".into());
    }
    let responses: Vec<_> = root
        .children()
        .filter(|node| node.has_tag_name((DAV, "response")))
        .take(MEMBERS + 1)
        .collect();
    if responses.len() > MEMBERS {
        return Err(format!("more than {MEMBERS} members"));
    }
    Ok(responses.into_iter().map(member).collect())
}

/// What the parser says, which repeats names of the body.
fn short(error: &roxmltree::Error) -> String {
    let text = error.to_string();
    text.chars()
        .take(TOLD)
        .flat_map(char::escape_debug)
        .collect()
}

fn member(response: roxmltree::Node<'_, '_>) -> Properties {
    let find = |name: &str| {
        response
            .descendants()
            .find(|node| node.has_tag_name((DAV, name)))
    };
    let href = find("href")
        .and_then(|node| node.text())
        .unwrap_or_default()
        .trim();
    let name = href
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    Properties {
        name: percent_decode_str(name).decode_utf8_lossy().into_owned(),
        collection: find("collection").is_some(),
        length: find("getcontentlength")
            .and_then(|node| node.text())
            .and_then(|text| text.trim().parse().ok()),
    }
}
