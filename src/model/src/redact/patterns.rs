use std::ops::Range;

use super::steps::counted;

/// Names, in lower case, whose values are credentials wherever they stand.
const SECRET_KEYS: [&str; 12] = [
    "access_token",
    "actor_token",
    "authz",
    "bearer_token",
    "client_assertion",
    "client_secret",
    "id_token",
    "macaroon",
    "password",
    "refresh_token",
    "subject_token",
    "x-vault-token",
];
/// Authentication schemes whose credentials are tokens (RFC 9110 section 11.4).
const SCHEMES: [&str; 2] = ["bearer", "basic"];
/// How long a piece of a JWT without its signature has to be in order to count as one.
const TELLING_JWT: usize = 20;
/// Backslashes before a quote inside JSON inside JSON inside JSON.
const DEEPEST_QUOTE: usize = 3;
/// Longer than the words of prose that may follow the name of a scheme.
const WORD: usize = 20;

/// Tells where something stands that looks like a credential. Takes time linear in the text,
/// whatever a hostile server put into it.
pub(super) fn find(text: &[u8], mut hit: impl FnMut(Range<usize>)) {
    let mut runs = Runs::default();
    for at in counted(0..text.len()) {
        let found = match text[at] {
            b'e' => jwt(text, at, &mut runs.jwt),
            b'b' | b'B' => scheme(text, at, &mut runs.token),
            b'=' | b':' => value(text, at, &mut runs.value).or_else(|| password(text, at)),
            _ => None,
        };
        if let Some(range) = found {
            hit(range);
        }
    }
}

/// The last run of legal characters of each kind, so that none is walked again from each of its
/// characters.
#[derive(Default)]
struct Runs {
    jwt: Range<usize>,
    token: Range<usize>,
    value: Range<usize>,
}

/// A JWS or JWE in compact form (RFC 7515 section 7.1), with its last parts or without.
fn jwt(text: &[u8], at: usize, last: &mut Range<usize>) -> Option<Range<usize>> {
    // What starts within the last one has no more parts than that.
    if last.contains(&at) || !text[at..].starts_with(b"eyJ") {
        return None;
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    *last = at..run_end(text, at, legal);
    let dots = counted(text[last.clone()].iter()).filter(|byte| **byte == b'.');
    let parts = dots.count() + 1;
    (parts >= 3 || (parts == 2 && last.len() >= TELLING_JWT)).then(|| last.clone())
}

/// What follows `Bearer` or `Basic`, unless it is an auth-param of a challenge, or prose.
fn scheme(text: &[u8], at: usize, last: &mut Range<usize>) -> Option<Range<usize>> {
    let name = SCHEMES
        .iter()
        .find(|name| starts_with(&text[at..], name.as_bytes()))?;
    let after = at + name.len();
    let start = run_end(text, after, |byte| b" \t+".contains(&byte));
    if start == after || (at > 0 && text[at - 1].is_ascii_alphanumeric()) {
        return None;
    }
    if !last.contains(&start) {
        *last = start..run_end(text, start, |byte| {
            byte.is_ascii_alphanumeric() || b"-._~+/%".contains(&byte)
        });
    }
    let token = &text[start..last.end];
    let rest = &text[last.end..];
    let padding = counted(rest.iter().take(3))
        .take_while(|byte| **byte == b'=')
        .count();
    let parameter = padding == 1
        && rest.len() > 1
        && counted(token.iter()).all(|byte| byte.is_ascii_lowercase() || b"_-".contains(byte));
    (!token.is_empty() && !parameter && (padding > 0 || !word(token)))
        .then(|| start..last.end + padding)
}

/// Whether these characters may be a word of prose.
fn word(token: &[u8]) -> bool {
    let letters = token.strip_suffix(b".").unwrap_or(token);
    letters.len() <= WORD
        && counted(letters.iter()).enumerate().all(|(at, byte)| {
            byte.is_ascii_lowercase() || *byte == b'-' || (at == 0 && byte.is_ascii_uppercase())
        })
}

/// The value behind the `=` or `:` at this place if its name is a credential's: in a URL, a form, a
/// header or JSON, which may itself be quoted once or twice more.
fn value(text: &[u8], at: usize, last: &mut Range<usize>) -> Option<Range<usize>> {
    let between = |byte: &u8| b"\"'\\ \t".contains(byte);
    let name = &text[..=counted(text[..at].iter()).rposition(|byte| !between(byte))?];
    SECRET_KEYS
        .iter()
        .find(|key| ends_with(name, key.as_bytes()))?;

    let start = run_end(text, at + 1, |byte| b" \t\r\n".contains(&byte));
    let quote_at = run_end(text, start, |byte| byte == b'\\');
    let backslashes = quote_at - start;
    let range = match text.get(quote_at) {
        Some(quote @ (b'"' | b'\'')) if backslashes <= DEEPEST_QUOTE => {
            quote_at + 1..quoted_end(text, quote_at + 1, *quote, backslashes)
        }
        // Without quotes a colon is prose: "authz: permission denied".
        _ if text[at] == b':' => return None,
        _ => {
            if !last.contains(&start) {
                let legal = |byte: u8| !b"&\"'<>;,)} \t\r\n#|\\".contains(&byte);
                *last = start..run_end(text, start, legal);
            }
            start..last.end
        }
    };
    (!range.is_empty() && !variable(&text[range.clone()])).then_some(range)
}

/// The password in a URL whose `://` is at this place (RFC 3986 section 3.2.1).
fn password(text: &[u8], at: usize) -> Option<Range<usize>> {
    if !text[at..].starts_with(b"://") {
        return None;
    }
    let start = at + 3;
    let legal = |byte: u8| byte.is_ascii_graphic() && !b"/?#\"'<>\\".contains(&byte);
    let authority = &text[start..run_end(text, start, legal)];
    let end = counted(authority.iter()).rposition(|byte| *byte == b'@')?;
    let colon = counted(authority[..end].iter()).position(|byte| *byte == b':')?;
    let range = start + colon + 1..start + end;
    (!range.is_empty() && !variable(&text[range.clone()])).then_some(range)
}

/// Whether that is the name of a shell variable, as curl lines have it in a secret's place.
fn variable(value: &[u8]) -> bool {
    let name = value.strip_prefix(b"$").unwrap_or_default();
    let legal = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
    !name.is_empty() && name.len() <= WORD && counted(name.iter()).all(legal)
}

/// Where the quote is closed that was opened behind so many backslashes.
fn quoted_end(text: &[u8], start: usize, quote: u8, backslashes: usize) -> usize {
    let mut escapes = 0;
    for (at, byte) in (start..).zip(counted(text[start..].iter())) {
        if *byte == quote && escapes <= backslashes {
            return at - escapes;
        }
        escapes = if *byte == b'\\' { escapes + 1 } else { 0 };
    }
    text.len()
}

fn run_end(text: &[u8], start: usize, legal: impl Fn(u8) -> bool) -> usize {
    counted(text[start..].iter())
        .position(|byte| !legal(*byte))
        .map_or(text.len(), |length| start + length)
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.len()
        .checked_sub(end.len())
        .is_some_and(|from| text[from..].eq_ignore_ascii_case(end))
}
