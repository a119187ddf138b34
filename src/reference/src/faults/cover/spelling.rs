//! Spellings of a path that are resolved in one operation, once the right was judged by what is written.

use super::super::super::path::{ObjectPath, RequestPath, WrittenPath};
use super::super::super::rules::Rules;
use super::super::destination::almighty;
use super::super::{Apply, Fault};
use super::{Base, Overlooked};

pub(in super::super) const FAULTS: &[Fault] = overlooked! {
    in "spellings";
    "spelled-dots" on "delete", "JWT-2.2.1-45": Base::Spelled(dots);
    "spelled-dots-deep" on "copy-to", "JWT-2.2.1-45": Base::Spelled(dots);
    "spelled-dot-and-dots" on "put-over", "JWT-2.2.1-45": Base::Spelled(dots);
    "spelled-slash-and-dots" on "move-to", "JWT-2.2.1-45": Base::Spelled(dots);
    "spelled-dots-escaped" on "get", "JWT-2.2.1-45": Base::Spelled(escaped_dots);
    "spelled-dots-escaped-upper" on "put", "JWT-2.2.1-45": Base::Spelled(escaped_dots);
    "spelled-dot-escaped" on "mkcol", "JWT-2.2.1-45": Base::Spelled(escaped_dots);
    "spelled-slash-escaped" on "copy", "JWT-2.2.1-45": Base::Spelled(escaped_slashes);
    "spelled-slashes-escaped" on "head", "JWT-2.2.1-45": Base::Spelled(escaped_slashes);
    "spelled-dots-escaped-twice" on "propfind-0", "JWT-2.2.1-45": Base::Spelled(escaped_twice);
    "spelled-slash-escaped-twice" on "move", "JWT-2.2.1-45": Base::Spelled(escaped_twice);
    "spelled-semicolon" on "delete", "JWT-2.2.1-45": Base::Spelled(parameters);
    "spelled-parameter" on "propfind-0", "JWT-2.2.1-45": Base::Spelled(parameters);
    "spelled-backslash" on "head", "JWT-2.2.1-45": Base::Spelled(backslashes);
    "spelled-backslash-escaped" on "copy", "JWT-2.2.1-45": Base::Spelled(backslashes);
    "spelled-nul" on "get", "JWT-2.2.1-45": Base::Spelled(nul_dropped);
    "spelled-dots-overlong" on "delete", "JWT-2.2.1-45": Base::Spelled(overlong);
    "spelled-slash-overlong" on "move", "JWT-2.2.1-45": Base::Spelled(overlong);
    "spelled-slashes" on "head", "JWT-2.2.1-45": Base::Of("request-doubled-slashes-open");
    "spelled-dot" on "get", "JWT-2.2.1-45": Base::By(dot_opens);
    "spelled-letter-escaped" on "delete", "JWT-2.2.1-45": Base::By(escape_opens);
    "spelled-end" on "mkcol", "JWT-2.2.1-45": Base::By(end_opens);
};

/// The rules under which the words of a path count as others once the right was judged.
macro_rules! resolving {
    ($( $(#[$about:meta])* $name:ident: $words:expr; )*) => { $(
        $(#[$about])*
        fn $name(rules: &mut Rules) {
            rules.request_path = |text, _| resolved(text, $words);
        }
    )* };
}

resolving! {
    /// Dot segments.
    dots: &[];
    /// The same where their dots are escaped.
    escaped_dots: &[("%2e", "."), ("%2E", ".")];
    /// Slashes that are escaped.
    escaped_slashes: &[("%2f", "/")];
    /// What is escaped twice.
    escaped_twice: &[("%252e", "."), ("%252f", "/")];
    /// Parameters of segments (RFC 3986 section 3.3).
    parameters: &[("..;x=y/", "../"), ("..;/", "../")];
    /// Backslashes, for slashes.
    backslashes: &[("\\", "/"), ("%5c", "/")];
    /// NUL, for nothing.
    nul_dropped: &[("%00", "")];
    /// Dots and slashes in two bytes where UTF-8 has one (RFC 3629 section 3).
    overlong: &[("%c0%ae", "."), ("%c0%af", "/")];
}

/// Judged with each first word as the second one, and meant with its dot segments resolved.
fn resolved(text: &str, words: &[(&str, &str)]) -> Option<RequestPath> {
    let shaped = words
        .iter()
        .fold(text.to_owned(), |text, (word, by)| text.replace(word, by));
    let climbs = shaped.split('/').any(|name| name == "..");
    // Without such a word there is nothing special about dots: they are refused as ever.
    if !climbs || shaped == text && !words.is_empty() {
        return RequestPath::parse(text);
    }
    let names = || shaped.split('/').filter(|name| !matches!(*name, "" | "."));
    let mut meant: Vec<&str> = Vec::new();
    for name in names() {
        match name {
            ".." => drop(meant.pop()),
            name => meant.push(name),
        }
    }
    Some(RequestPath {
        judged: ObjectPath::of(names().map(str::to_owned).collect()),
        meant: WrittenPath::parse(&format!("/{}", meant.join("/")))?.path,
        slash: text.ends_with('/'),
    })
}

/// The rules under which whatever token there is opens everything by a path of some kind.
macro_rules! opening {
    ($( $(#[$about:meta])* $name:ident: $odd:expr; )*) => { $(
        $(#[$about])*
        fn $name(rules: &mut Rules) {
            rules.authenticate = |_, parts, bearer| {
                let odd: fn(&str) -> bool = $odd;
                let bearer = bearer?;
                Ok(match odd(parts.uri.path()) {
                    true => almighty(bearer),
                    false => bearer,
                })
            };
        }
    )* };
}

opening! {
    /// One with an escaped letter.
    escape_opens: |path| path.contains("%74");
    /// One with a slash at its end.
    end_opens: |path| path.ends_with('/');
    /// One with a dot segment, which is left out.
    dot_segment_opens: |path| path.contains("/./");
}

fn dot_opens(rules: &mut Rules) {
    rules.request_path = |text, _| RequestPath::parse(&text.replace("/./", "/"));
    dot_segment_opens(rules);
}
