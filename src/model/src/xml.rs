//! What XML from others may be like before it is parsed at all.

/// Elements inside one another.
const DEPTH: usize = 200;
/// Declarations of namespaces that hold in one place: the parser compares each with each, for every element.
const NAMESPACES: usize = 50;
/// Attributes of one element, which are compared as well.
const ATTRIBUTES: usize = 500;

/// Why a parser may take endless time or memory for `text`; `None` for all that makes sense.
pub fn tangled(text: &str) -> Option<&'static str> {
    let mut open = Vec::new();
    let mut namespaces = 0;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let skipped = [
            ("<!--", "-->"),
            ("<![CDATA[", "]]>"),
            ("<?", "?>"),
            ("<!", ">"),
        ];
        let other = skipped.iter().find(|(start, _)| rest.starts_with(start));
        if let Some((start, end)) = other {
            let inner = &rest[start.len()..];
            let Some(at) = inner.find(end) else {
                break;
            };
            rest = &inner[at + end.len()..];
            continue;
        }
        let length = end(rest);
        let (tag, after) = rest.split_at(length);
        rest = after;
        if tag.starts_with("</") {
            namespaces -= open.pop().unwrap_or_default();
            continue;
        }
        if tag.matches('=').take(ATTRIBUTES + 1).count() > ATTRIBUTES {
            return Some("it has too many attributes in one element");
        }
        let own = tag.matches("xmlns").count();
        if namespaces + own > NAMESPACES {
            return Some("it declares too many namespaces");
        }
        if !tag.ends_with("/>") {
            open.push(own);
            namespaces += own;
        }
        if open.len() > DEPTH {
            return Some("its elements stand too deep in one another");
        }
    }
    None
}

/// Where the tag at the start of `text` ends, which a `>` in a value does not end.
fn end(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_not_tangled() {
        let many =
            "<r xmlns='DAV:' xmlns:a='a'><b c='>' d=\"</x>\"/><!-- </r> --></r>".repeat(5000);
        for text in ["", "no XML", "<", "<a", "</a></a>", "<!--", many.as_str()] {
            assert_eq!(tangled(text), None);
        }
    }

    #[test]
    fn what_would_take_endless_time_is() {
        let attributes: String = (0..600).map(|n| format!(" a{n}=''")).collect();
        let namespaces: String = (0..60).map(|n| format!(" xmlns:a{n}='n'")).collect();
        let nested: String = (0..60)
            .map(|n| format!("<a xmlns:a{n}='n' b='>'><!-- </a> -->"))
            .collect();
        for (text, why) in [
            (format!("<a{attributes}/>"), "attributes"),
            (format!("<a{namespaces}>"), "namespaces"),
            (nested, "namespaces"),
            ("<a><![CDATA[</a></a>]]>".repeat(201), "deep"),
        ] {
            assert!(
                tangled(&text).is_some_and(|said| said.contains(why)),
                "{why}"
            );
        }
    }
}
