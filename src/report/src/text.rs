//! The gate for text that came from a server, or from a file, on its way into a report.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use touchstone_model::is_invisible_or_control;

/// Text for XML attributes: characters that no XML document may hold (XML 1.0 section 2.2), and those that would steer
/// a terminal, become U+FFFD.
pub fn xml(text: &str) -> String {
    text.chars()
        .map(|c| if xml_legal(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Text for the inside of a CDATA section, which it cannot end: `]]>` is divided between two.
pub fn cdata(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    xml(&lines).replace("]]>", "]]]]><![CDATA[>")
}

/// Text for a terminal: what would move the cursor, change colours or reverse the direction is
/// shown as `\u{…}`; line ends and nothing else stay as they are.
pub fn terminal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push(c),
            '\t' => shown.push_str("    "),
            _ if is_invisible_or_control(c) => _ = write!(shown, "{}", c.escape_unicode()),
            _ => shown.push(c),
        }
    }
    shown
}

/// Text for a terminal that is coloured: as [`terminal`], but colours stay.
pub fn coloured(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\x1b[") {
        let (before, sequence) = rest.split_at(start);
        shown.push_str(&terminal(before));
        let inner = sequence.get(2..).unwrap_or_default();
        let numbers = inner.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        let (kept, after) = match numbers.strip_prefix('m') {
            Some(after) => sequence.split_at(sequence.len() - after.len()),
            None => ("\\u{1b}[", inner),
        };
        shown.push_str(kept);
        rest = after;
    }
    shown + &terminal(rest)
}

/// JSON in which what would steer a terminal is escaped: outside of strings it has none (RFC 8259 section 7).
pub fn json(document: String) -> String {
    if !document
        .chars()
        .any(|c| c != '\n' && is_invisible_or_control(c))
    {
        return document;
    }
    let mut shown = String::with_capacity(document.len());
    let mut units = [0; 2];
    for c in document.chars() {
        if c == '\n' || !is_invisible_or_control(c) {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

/// Text for one line of a terminal: as [`terminal`], line ends shown as `\n`, and no more
/// than [`LINE`] bytes of it.
pub fn line(text: &str) -> String {
    let text = cap(text.trim(), LINE).replace("\r\n", "\n");
    terminal(&text).replace('\n', "\\n")
}

/// How many bytes of a text [`line()`] shows.
pub const LINE: usize = 1000;

/// The beginning of a text, and how much of it is missing.
pub fn cap(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    let kept = text.floor_char_boundary(bytes);
    let start = text.get(..kept).unwrap_or_default();
    Cow::Owned(format!("{start}… ({} more bytes)", text.len() - kept))
}

/// How many bytes of a name [`file_name`] keeps.
const FILE_NAME: usize = 80;

/// The name of a file that belongs to an endpoint, without its extension: another one for each endpoint, of letters,
/// digits, `.`, `-`, `_` and `~` only, and neither hidden nor the name of a folder. A name of such characters, `~`
/// excepted, stays as it is; any other gets a part of its SHA-256 after a `~`.
pub fn file_name(name: &str) -> String {
    let harmless = |(place, c): (usize, char)| {
        c.is_ascii_alphanumeric() || c == '_' || place > 0 && matches!(c, '.' | '-')
    };
    if !name.is_empty() && name.len() <= FILE_NAME && name.char_indices().all(harmless) {
        return name.to_owned();
    }
    let mut file = String::with_capacity(FILE_NAME + 13);
    for (place, c) in name.char_indices().take(FILE_NAME) {
        file.push(if harmless((place, c)) { c } else { '_' });
    }
    // Shells take a `~` at the start for somebody's home.
    file.push_str(if file.is_empty() { "_~" } else { "~" });
    for byte in Sha256::digest(name).iter().take(6) {
        _ = write!(file, "{byte:02x}");
    }
    file
}

/// `1 case`, `2 cases`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn xml_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        // Legal but discouraged; terminals act on them.
        && (matches!(c, '\t' | '\n' | '\r') || !is_invisible_or_control(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terminals_are_not_steered() {
        assert_eq!(
            terminal("a\x1b[31m\u{202e}b\u{9b}c\td\r\ne"),
            "a\\u{1b}[31m\\u{202e}b\\u{9b}c    d\\u{d}\ne"
        );
        assert_eq!(line(" a\r\nb\n"), "a\\nb");
        assert_eq!(terminal("Köln, 東京"), "Köln, 東京");
    }

    #[test]
    fn colours_stay_and_nothing_else_of_what_steers() {
        assert_eq!(
            coloured("\x1b[1;31mred\x1b[0m\x1b[2J\x1b]52;c;eA\x07\u{9b}5m\n\x1b[31"),
            "\x1b[1;31mred\x1b[0m\\u{1b}[2J\\u{1b}]52;c;eA\\u{7}\\u{9b}5m\n\\u{1b}[31"
        );
    }

    #[test]
    fn json_stays_the_same_document() {
        let document = serde_json::json!({"a\u{202e}": "b\u{9b}\u{7f}\u{e0041}\u{2028}ä\n"});
        let text = json(serde_json::to_string_pretty(&document).unwrap());
        assert!(
            !text
                .chars()
                .any(|c| c != '\n' && is_invisible_or_control(c)),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            document
        );
    }

    #[test]
    fn long_text_says_how_much_is_missing() {
        assert_eq!(cap("äöü", 6), "äöü");
        assert_eq!(cap("äöü", 3), "ä… (4 more bytes)");
        assert!(line(&"x".repeat(1 << 20)).len() < LINE + 40);
    }

    #[test]
    fn xml_holds_only_what_it_may() {
        assert_eq!(
            xml("a\0\x1b\u{ffff}\u{85}b\n"),
            "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}b\n"
        );
        assert_eq!(cdata("x]]>y"), "x]]]]><![CDATA[>y");
    }

    #[test]
    fn files_of_endpoints_are_harmless_and_apart() {
        assert_eq!(file_name("se-CERN_1.example"), "se-CERN_1.example");
        assert_eq!(file_name("issuer:lab"), "issuer_lab~7b7e6f083d39");
        assert_eq!(file_name("../../etc/passwd").find(['/', '\\']), None);
        let names = [
            "", ".", "..", "-rf", "a/b", "a\\b", "a_b", "a b", "a\0b", "A", "a", "ä",
        ];
        let mut files: Vec<_> = names.into_iter().map(file_name).collect();
        files.push(file_name(&file_name("a/b")));
        files.push(file_name(&"x".repeat(4000)));
        files.push(file_name(&"x".repeat(4001)));
        files.sort();
        let all = files.len();
        files.dedup();
        assert_eq!(files.len(), all);
        for file in files {
            assert!(!file.starts_with(['.', '-', '~']), "{file}");
            assert!(file.len() < 100);
        }
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_folder(name in "(?s).{0,120}") {
            let file = file_name(&name);
            prop_assert!(!file.is_empty() && !file.starts_with(['.', '-', '~']));
            prop_assert!(file.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-~".contains(&b)));
        }

        #[test]
        fn cdata_comes_back(text in "(?s)(.|\\]|>|<|&){0,60}") {
            let document = format!("<a><![CDATA[{}]]></a>", cdata(&text));
            let document = roxmltree::Document::parse(&document).unwrap();
            let inner: String = document
                .descendants()
                .filter(|node| node.is_text())
                .filter_map(|node| node.text())
                .collect();
            let expected = xml(&text).replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(inner, expected);
            prop_assert_eq!(document.descendants().filter(|node| node.is_element()).count(), 1);
        }
    }
}
