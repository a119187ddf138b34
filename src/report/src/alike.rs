//! Which reasons are the same but for a path, a port or an id, so that what happened to many cases is told once.

/// What stands for a part that differs from case to case.
const PART: &str = "…";
/// Shorter words of hexadecimal digits are words, or numbers that tell something.
const ID: usize = 8;
/// Shorter numbers tell something: statuses, counts, seconds.
const NUMBER: usize = 5;

/// The reason without what differs from case to case. Two that are alike have the same cause, as far as words tell.
pub fn kind(reason: &str) -> String {
    let words = reason.split_whitespace().map(word);
    words.collect::<Vec<_>>().join(" ")
}

/// A word, without what is a name in it. The punctuation around it stays.
fn word(word: &str) -> String {
    let begin = word.len() - word.trim_start_matches(is_mark).len();
    let (before, rest) = word.split_at(begin);
    let (core, after) = rest.split_at(rest.trim_end_matches(is_mark).len());
    // A word for several things, such as `and/or`, is no path: those begin with a slash, or with a scheme or a host.
    if core.contains("://") || rest.starts_with('/') || core.matches('/').count() > 1 {
        return format!("{before}{PART}{after}");
    }
    let (host, port) = core.rsplit_once(':').unwrap_or((core, ""));
    let core = match port.is_empty() || !digits(port) {
        true => part(core),
        false => format!("{}:{PART}", part(host)),
    };
    format!("{before}{core}{after}")
}

/// A word that is an id, or a number that is one.
fn part(core: &str) -> String {
    let number = core.len() >= NUMBER && digits(core);
    let hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    let id =
        core.len() >= ID && core.chars().all(hex) && core.contains(|c: char| c.is_ascii_digit());
    match number || id {
        true => PART.to_owned(),
        false => core.to_owned(),
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What stands around words. A slash is a part of them, and so is what begins an escape.
fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '/' | '\\' | '%' | '-' | '_' | '~' | '{' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_ports_and_ids_do_not_keep_reasons_apart() {
        for (one, other) in [
            (
                "PUT /wlcg/touchstone-20261122t072848z-4f2a9c/a/f: it redirects to http:",
                "PUT /wlcg/touchstone-20261122t072848z-4f2a9c/b/g: it redirects to http:",
            ),
            (
                "connect to localhost:18514 (os error 111)",
                "connect to localhost:18515 (os error 111)",
            ),
            (
                "request 550e8400-e29b-41d4-a716-446655440000 failed",
                "request 00ff8400-e29b-41d4-a716-446655440000 failed",
            ),
            (
                "see (https://se.example.org/a?b=c), please",
                "see (https://se.example.org/d), please",
            ),
            ("\"error 1234567\"", "\"error 7654321\""),
        ] {
            assert_eq!(kind(one), kind(other));
        }
    }

    #[test]
    fn what_tells_something_does() {
        for (one, other) in [
            ("MKCOL was answered 401", "MKCOL was answered 403"),
            ("MKCOL was answered 401", "PROPFIND was answered 401"),
            ("no answer within 10s", "no answer within 30s"),
            ("read and/or write", "read or write"),
            ("deadbeef", "feedbeef"),
            ("host a.example.org refused", "host b.example.org refused"),
        ] {
            assert_ne!(kind(one), kind(other));
        }
        assert_eq!(kind("a  b (c): 404"), "a b (c): 404");
        assert_eq!(kind(""), "");
    }
}
