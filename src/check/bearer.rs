//! What answers tell about credentials and about what is hidden (RFC 6750 sections 3 and 5.3).

use core::net::IpAddr;

use crate::model::{Answer, Contact, Exchange, Finding, Level, Touch};

use super::{Judge, observed};

/// Shorter texts occur by chance, or are no secret.
const TELLING: usize = 32;

/// What came to where a token points, while a storage element had it; `own` are its addresses. What it cannot have been, or
/// what anybody may have been who looks for open ports, is a note.
pub fn fetched(judge: Judge<'_>, heard: &[Contact], own: &[IpAddr]) -> Option<Finding> {
    let from = |contact: &Contact| contact.from;
    let asked: Vec<_> = heard
        .iter()
        .filter_map(|contact| match &contact.what {
            Touch::Asked(what) => Some(format!("{} for {what}", from(contact))),
            _ => None,
        })
        .collect();
    let begun: Vec<_> = heard
        .iter()
        .filter(|contact| contact.what == Touch::Handshake && own.contains(&contact.from))
        .map(|contact| format!("{} with the beginning of a TLS handshake", from(contact)))
        .collect();
    let expected = "a refusal without a connection to the host that is named";
    let told = |times: &[String]| {
        let last = times.last().map(String::as_str).unwrap_or_default();
        match times.len() {
            1 => format!("it connected there: once, from {last}"),
            count => format!("it connected there: {count} times, last from {last}"),
        }
    };
    match (asked.as_slice(), begun.as_slice(), heard.last()) {
        ([], [], None) => None,
        ([], [], Some(last)) => Some(Finding {
            level: Level::May,
            ..judge.own(
                expected,
                format!(
                    "somebody connected there, last from {}, but asked for nothing that the token names",
                    last.from
                ),
            )
        }),
        ([], begun, _) => Some(judge.own(expected, told(begun))),
        (asked, _, _) => Some(judge.own(expected, told(asked))),
    }
}

/// Judges whether an exchange that had a token was sent on to plain HTTP (RFC 6750 section 5.3): as a redirect
/// that the client refused to follow, or one that was left at that.
pub fn cleartext(judge: Judge<'_>, exchange: &Exchange) -> Option<Finding> {
    exchange.token.as_ref()?;
    let hop = exchange.hops.last().map(|hop| hop.location.as_str());
    let redirect = exchange
        .status
        .is_some_and(|status| (300..400).contains(&status));
    let mut headers = exchange.response_headers.iter().filter(|_| redirect);
    let named = headers.find(|(name, _)| name == "location");
    let location = hop
        .into_iter()
        .chain(named.map(|(_, value)| value.as_str()));
    let plain = |to: &&str| {
        let scheme = to.trim_start().get(..5);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"))
    };
    let mut location = location;
    location.find(|to| plain(to)).map(|to| {
        let expected = "no redirect, or one to https, which can be enabled at the pools";
        judge.of("RFC6750-13", expected, format!("a redirect to {to}"))
    })
}

/// Judges the challenges of a 401: `bearer` asks for the scheme without an error, for requests that
/// had no token (RFC 6750 section 3.1), `invalid_token` for that error. Other statuses have none.
pub fn challenge(judge: Judge<'_>, wanted: &str, answer: &Answer) -> Option<Finding> {
    if answer.status != 401 {
        return None;
    }
    let told: Vec<&str> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "www-authenticate")
        .map(|(_, value)| value.as_str())
        .collect();
    let told = told.join(", ");
    let bearer = bearer_parameters(&told);
    let error = bearer.as_ref().and_then(|parameters| {
        let error = parameters.iter().find(|(name, _)| name == "error");
        error.map(|(_, value)| value.as_str())
    });
    let actual = || match told.is_empty() {
        true => "401 without WWW-Authenticate".to_owned(),
        false => format!("WWW-Authenticate: {told}"),
    };
    match wanted {
        "invalid_token" => (error != Some("invalid_token")).then(|| {
            judge.of(
                "RFC6750-05",
                "WWW-Authenticate: Bearer … error=\"invalid_token\"",
                actual(),
            )
        }),
        _ if bearer.is_none() => {
            Some(judge.of("RFC6750-04", "WWW-Authenticate: Bearer …", actual()))
        }
        _ => error.is_some().then(|| {
            judge.of(
                "RFC6750-22",
                "WWW-Authenticate: Bearer …, without an error",
                actual(),
            )
        }),
    }
}

/// The parameters of the first Bearer challenge, names in lower case (RFC 9110 section 11.6.1).
pub(super) fn bearer_parameters(challenges: &str) -> Option<Vec<(String, String)>> {
    let mut found: Option<Vec<(String, String)>> = None;
    let mut within = false;
    for item in items(challenges) {
        let item = item.trim();
        let (first, rest) = item.split_once(' ').unwrap_or((item, ""));
        // A parameter has its `=` in the first word; a challenge starts with a scheme.
        let parameter = if first.contains('=') || rest.trim_start().starts_with('=') {
            item
        } else if first.is_empty() {
            continue;
        } else {
            within = found.is_none() && first.eq_ignore_ascii_case("bearer");
            if within {
                found = Some(Vec::new());
            }
            rest
        };
        if let Some((name, value)) = parameter.split_once('=')
            && let Some(parameters) = found.as_mut().filter(|_| within)
        {
            let value = value.trim().trim_matches('"').to_owned();
            parameters.push((name.trim().to_ascii_lowercase(), value));
        }
    }
    found
}

/// What stands between commas that are not quoted.
fn items(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|c| {
        let comma = c == ',' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        comma
    })
    .collect()
}

/// Judges whether the answer holds one of `tokens`, or the payload of one (RFC 6750 section 5.3). A token that a denial repeats is
/// graver: denials end up in logs, tickets and on pages. It is told in the cases about it, and an observation elsewhere.
pub fn echo(judge: Judge<'_>, tokens: &[&str], answer: &Answer) -> Option<Finding> {
    let (whole, actual) = echoed(tokens, answer)?;
    let (clause, actual) = match whole && answer.status >= 400 {
        true => (
            "RFC6750-21",
            format!("the answer is {}, and {actual}", answer.status),
        ),
        false => ("RFC6750-14", actual),
    };
    Some(told_once(judge, judge.of(clause, WITHOUT, actual)))
}

/// The same of the answer to a COPY, whose report ends up in the logs of those who ordered it, with the credential for the other side.
pub fn repeated(judge: Judge<'_>, tokens: &[&str], answer: &Answer) -> Option<Finding> {
    const CLAUSE: &str = "TPC-33";
    if !judge.cites(CLAUSE) {
        return echo(judge, tokens, answer);
    }
    let (_, actual) = echoed(tokens, answer)?;
    let actual = format!("the answer is {}, and {actual}", answer.status);
    Some(judge.of(CLAUSE, WITHOUT, actual))
}

/// What an answer has to be.
const WITHOUT: &str = "an answer without the token or its payload";

/// Where the answer holds one of `tokens`, or at least the payload of one; and whether it is a whole one.
fn echoed(tokens: &[&str], answer: &Answer) -> Option<(bool, String)> {
    let place = |text: &str| {
        let header = answer
            .headers
            .iter()
            .find(|(_, value)| value.contains(text));
        let body = || {
            answer
                .body
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        match header {
            Some((name, _)) => Some(format!("the header {name} holds it")),
            None => body().then(|| "the body holds it".to_owned()),
        }
    };
    let telling = |text: &&str| text.len() >= TELLING;
    let whole = tokens.iter().copied().filter(telling).find_map(place);
    let payloads = tokens.iter().filter_map(|token| token.split('.').nth(1));
    match whole {
        Some(actual) => Some((true, actual)),
        None => Some((false, payloads.filter(telling).find_map(place)?)),
    }
}

/// What many answers of one server have in common counts in the cases about it.
fn told_once(judge: Judge<'_>, finding: Finding) -> Finding {
    match judge.cites(finding.clause.as_str()) {
        true => finding,
        false => observed(finding),
    }
}

/// Judges a redirect whose Location had the token, in a case about that: it is told once (RFC 6750 section 5.3).
pub fn carried(judge: Judge<'_>) -> Option<Finding> {
    const CLAUSE: &str = "RFC6750-14";
    let expected = "a redirect without the token in its Location";
    let about = judge.cites(CLAUSE);
    about.then(|| judge.of(CLAUSE, expected, "the Location holds it"))
}

/// Judges whether an answer tells more than the one before, of which `before` has status and length.
pub fn alike(judge: Judge<'_>, before: (u16, usize), answer: &Answer) -> Option<Finding> {
    let told = |(status, length)| format!("{status} with a body of {length} bytes");
    let now = (answer.status, answer.body.len());
    (before != now).then(|| judge.own(format!("{}, as before", told(before)), told(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_taken_apart() {
        let error = |text: &str| {
            bearer_parameters(text).map(|found| {
                let error = found.into_iter().find(|(name, _)| name == "error");
                error.map(|(_, value)| value).unwrap_or_default()
            })
        };
        let given = |text: &str| Some(text.to_owned());
        assert_eq!(error(""), None);
        assert_eq!(error("Basic realm=\"Bearer\""), None);
        assert_eq!(error("Basic realm=\"x, Bearer y\""), None);
        assert_eq!(error("Bearer"), given(""));
        assert_eq!(error("bearer realm=x"), given(""));
        assert_eq!(error("Negotiate, Bearer realm=\"a, error=b\""), given(""));
        assert_eq!(
            error("Bearer realm=\"a\", error=\"invalid_token\""),
            given("invalid_token")
        );
        assert_eq!(
            error("Basic realm=\"a\\\"b\", Bearer Error = \"x\""),
            given("x")
        );
        assert_eq!(error("Bearer realm=a, Basic error=x"), given(""));
    }
}
