//! What answers tell about credentials and about what is hidden (RFC 6750 sections 3 and 5.3).

use core::fmt;
use core::net::IpAddr;

use touchstone_model::{Answer, Contact, Exchange, Finding, Level, Method, Touch};

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

/// Judges, in a case about that, whether a success that a token has brought lets shared caches keep it (RFC 9111 section 3.5).
pub fn cacheable(judge: Judge<'_>, answer: &Answer) -> Option<Finding> {
    const CLAUSE: &str = "RFC6750-23";
    if !judge.cites(CLAUSE) || !answer.success() {
        return None;
    }
    let told = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "cache-control");
    let told = told
        .map(|(_, value)| value.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let says = |wanted: &[&str]| {
        told.split(',').any(|one| {
            let name = one.split('=').next().unwrap_or_default().trim();
            wanted
                .iter()
                .any(|wanted| name.eq_ignore_ascii_case(wanted))
        })
    };
    let kept = says(&["public", "s-maxage"]) && !says(&["no-store", "private"]);
    kept.then(|| {
        let expected = "an answer that is for nobody else";
        judge.of(CLAUSE, expected, format!("Cache-Control: {told}"))
    })
}

/// Judges a redirect whose Location had the token, in a case about that: it is told once (RFC 6750 section 5.3).
pub fn carried(judge: Judge<'_>) -> Option<Finding> {
    const CLAUSE: &str = "RFC6750-14";
    let expected = "a redirect without the token in its Location";
    let about = judge.cites(CLAUSE);
    about.then(|| judge.of(CLAUSE, expected, "the Location holds it"))
}

/// Header fields that describe an object, which are there only where it is.
const DESCRIBING: [&str; 6] = [
    "content-range",
    "digest",
    "etag",
    "last-modified",
    "repr-digest",
    "x-size",
];

/// What an answer tells whoever is refused: how it is answered, at what length, and with which fields that describe an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    status: u16,
    length: usize,
    fields: Vec<String>,
}

impl Outline {
    /// That of the answer to a `method` request.
    pub fn of(method: Method, answer: &Answer) -> Self {
        let present = |name: &&str| answer.header(name).is_some();
        let mut fields: Vec<_> = DESCRIBING
            .into_iter()
            .filter(present)
            .map(str::to_owned)
            .collect();
        // Of HEAD it is the length of what GET would say (RFC 9110 section 8.6).
        if method == Method::Head
            && let Some(length) = answer.header("content-length")
        {
            fields.push(format!("content-length {length}"));
        }
        Self {
            status: answer.status,
            length: answer.body.len(),
            fields,
        }
    }
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with a body of {} bytes", self.status, self.length)?;
        match self.fields.is_empty() {
            true => Ok(()),
            false => write!(f, " and {}", self.fields.join(", ")),
        }
    }
}

/// Judges whether an answer tells more than the one before.
pub fn alike(
    judge: Judge<'_>,
    before: &Outline,
    method: Method,
    answer: &Answer,
) -> Option<Finding> {
    let now = Outline::of(method, answer);
    (*before != now).then(|| judge.own(format!("{before}, as before"), now.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter();
        Answer {
            status,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.into(),
            ..Answer::default()
        }
    }

    #[test]
    fn an_outline_has_what_tells_of_an_object() {
        let of = |method, answer: &Answer| Outline::of(method, answer).to_string();
        let plain = answer(
            403,
            &[("content-length", "9"), ("date", "now")],
            "forbidden",
        );
        assert_eq!(of(Method::Get, &plain), "403 with a body of 9 bytes");
        let telling = answer(403, &[("etag", "\"1\""), ("content-length", "35")], "");
        assert_eq!(
            of(Method::Head, &telling),
            "403 with a body of 0 bytes and etag, content-length 35"
        );
        // A tag may differ from object to object, or be one of the refusal; a length says which.
        let other = answer(403, &[("etag", "\"2\"")], "");
        assert_eq!(
            Outline::of(Method::Get, &telling),
            Outline::of(Method::Get, &other)
        );
        assert_ne!(
            Outline::of(Method::Head, &telling),
            Outline::of(Method::Head, &other)
        );
    }

    #[test]
    fn only_what_shared_caches_may_keep_is_told_of_cache_control() {
        let mut bench = Bench::builtin();
        let told = |bench: &Bench, status, value: &str| {
            let answer = answer(status, &[("cache-control", value)], "");
            cacheable(bench.judge(), &answer).is_some()
        };
        assert!(!told(&bench, 200, "public"), "another case tells it");
        bench.case.clauses.push("RFC6750-23".parse().unwrap());
        for (value, kept) in [
            ("public, max-age=3600", true),
            ("max-age=60,S-MaxAge=60", true),
            ("public, no-store", false),
            ("private", false),
            ("max-age=3600", false),
            ("x=public", false),
        ] {
            assert_eq!(told(&bench, 200, value), kept, "{value}");
            assert!(!told(&bench, 403, value), "{value}");
        }
    }

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
