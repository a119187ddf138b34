//! What a service answers to a request for a macaroon.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use touchstone_model::{Answer, Finding, Flavour, MacaroonRequest, duration};

use super::{Judge, StepRole};

/// How far clocks may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// The right that goes with every other.
const IMPLIED: &str = "READ_METADATA";
/// What a caveat's text is cut to where it is shown.
const SHOWN: usize = 120;

/// The macaroon in an answer: `macaroon`, or `access_token` in that of OAuth (RFC 6749 section 5.1).
pub fn macaroon_in(flavour: Flavour, answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let member = match flavour {
        Flavour::Native => "macaroon",
        Flavour::Oauth => "access_token",
    };
    let text = body.get(member)?.as_str()?;
    // It has to go into a header as it is.
    let sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    sendable.then(|| text.to_owned())
}

/// A success without a macaroon.
///
/// # Errors
/// Why the case cannot be judged, where the macaroon was to show something else.
pub fn no_macaroon(judge: Judge<'_>) -> Result<Finding, String> {
    let finding = judge.own("JSON with a macaroon", "a body without one");
    match judge.role {
        StepRole::Control(see) => Err(format!(
            "the request for a macaroon was answered with {}, where {} was expected (see {see})",
            finding.actual, finding.expected
        )),
        _ => Ok(finding),
    }
}

/// Judges the answer with which a macaroon came that was asked for at `sent` for `path`. Only cases that
/// cite a clause about it judge what is beside the matter of the others. `caveats` are `None` where the
/// macaroon cannot be taken apart.
pub fn macaroon(
    judge: Judge<'_>,
    request: &MacaroonRequest,
    path: &str,
    caveats: Option<&[String]>,
    answer: &Answer,
    sent: Timestamp,
) -> Vec<Finding> {
    let cites = |id: &str| {
        judge
            .case
            .clauses
            .iter()
            .any(|clause| clause.as_str() == id)
    };
    let stored = answer.header("cache-control").unwrap_or("none");
    let kept = !directives(stored).any(|directive| directive.eq_ignore_ascii_case("no-store"));
    let kept = (kept && cites("MAC-04")).then(|| {
        judge.of(
            "MAC-04",
            "Cache-Control: no-store",
            format!("Cache-Control: {stored}"),
        )
    });
    let caveats = caveats.filter(|_| cites("MAC-03"));
    let wider = caveats.and_then(|caveats| {
        activities(request, caveats)
            .or_else(|| before(request, caveats, sent))
            .or_else(|| reaches(path, caveats))
    });
    let wider = wider.map(|(expected, actual)| judge.of("MAC-03", expected, actual));
    kept.into_iter().chain(wider).collect()
}

fn directives(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').map(str::trim)
}

type Difference = (String, String);

/// Whether the caveats allow activities that nobody asked for.
fn activities(request: &MacaroonRequest, caveats: &[String]) -> Option<Difference> {
    let asked = &request.activities;
    if asked.is_empty() {
        return None;
    }
    let expected = || format!("a caveat for {} at most", asked.join(","));
    let Some(left) = allowed(caveats) else {
        return Some((expected(), "no caveat about activities".into()));
    };
    let beyond = left
        .iter()
        .find(|one| **one != IMPLIED && !asked.iter().any(|asked| asked == *one))?;
    Some((expected(), format!("it allows {}", cut(beyond))))
}

/// The activities that all caveats name; `None` if there is no such caveat.
fn allowed(caveats: &[String]) -> Option<Vec<&str>> {
    let lists = values(caveats, "activity:").map(|list| list.split(',').map(str::trim).collect());
    lists.reduce(|left: Vec<&str>, these: Vec<&str>| {
        left.into_iter().filter(|one| these.contains(one)).collect()
    })
}

/// What of the activities that were asked for the macaroon does not allow, as a finding where that is what
/// the case is about, and in words. Looking goes with every other activity.
pub fn macaroon_lacks(
    judge: Judge<'_>,
    request: &MacaroonRequest,
    caveats: &[String],
) -> Option<Result<Finding, String>> {
    let left = allowed(caveats)?;
    let asked = request.activities.iter().map(String::as_str);
    let held = |one: &&str| left.contains(one) || (*one == IMPLIED && !left.is_empty());
    let missing: Vec<_> = asked.filter(|one| !held(one)).collect();
    if missing.is_empty() {
        return None;
    }
    let missing = missing.join(", ");
    let about = judge
        .case
        .clauses
        .iter()
        .any(|clause| clause.as_str() == "MAC-01");
    Some(match about {
        true => Ok(judge.of(
            "MAC-01",
            format!("a macaroon for {}", request.activities.join(", ")),
            format!("its caveats leave out {missing}"),
        )),
        false => Err(format!(
            "the macaroon that the service issues for this token leaves out {missing}, which the case needs"
        )),
    })
}

/// Whether it is good for longer than was asked.
fn before(request: &MacaroonRequest, caveats: &[String], sent: Timestamp) -> Option<Difference> {
    let validity = duration(&request.validity)?;
    let latest = sent.checked_add(validity).ok()?;
    let times = values(caveats, "before:").filter_map(|time| time.parse::<Timestamp>().ok());
    let expected = format!("a caveat before:{latest:.0} at the latest");
    match times.min() {
        None => Some((expected, "no caveat about the time".into())),
        Some(end) if latest.checked_add(SKEW).is_ok_and(|latest| end > latest) => {
            Some((expected, format!("before:{end:.0}")))
        }
        Some(_) => None,
    }
}

/// Whether it is for more than the path that was asked. A root is what a path is relative to at dCache.
fn reaches(path: &str, caveats: &[String]) -> Option<Difference> {
    let root = values(caveats, "root:").next().unwrap_or_default();
    let root = root.trim_end_matches('/');
    let within = |below: &str| {
        let below = below.trim_end_matches('/');
        let rest = below.strip_prefix(path.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut paths = values(caveats, "path:").peekable();
    let first = paths.peek().copied();
    if paths.any(|one| within(one) || within(&format!("{root}{one}"))) || within(root) {
        return None;
    }
    let actual = match first {
        Some(first) => format!("path:{}", cut(first)),
        None => "no caveat about the path".into(),
    };
    Some((format!("a caveat path:{path}"), actual))
}

fn values<'a>(caveats: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    caveats
        .iter()
        .filter_map(move |caveat| caveat.strip_prefix(name))
}

fn cut(text: &str) -> String {
    text.chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(activities: &[&str], validity: &str) -> MacaroonRequest {
        MacaroonRequest {
            activities: activities.iter().map(|&one| one.into()).collect(),
            validity: validity.into(),
            caveats: Vec::new(),
            flavour: Flavour::Native,
        }
    }

    fn texts(caveats: &[&str]) -> Vec<String> {
        caveats.iter().map(|&one| one.into()).collect()
    }

    #[test]
    fn a_macaroon_is_found_where_it_belongs() {
        let answer = |body: &str| Answer {
            body: body.into(),
            ..Answer::default()
        };
        let native = |body: &str| macaroon_in(Flavour::Native, &answer(body));
        assert_eq!(native(r#"{"macaroon": "MDAx"}"#).as_deref(), Some("MDAx"));
        for none in [
            "",
            "MDAx",
            "{}",
            "[\"macaroon\"]",
            r#"{"access_token": "x"}"#,
            r#"{"macaroon": ""}"#,
            r#"{"macaroon": 7}"#,
            r#"{"macaroon": "a b"}"#,
            r#"{"macaroon": "a\r\nX: b"}"#,
        ] {
            assert_eq!(native(none), None, "{none}");
        }
        let form = answer(r#"{"access_token": "MDAx", "macaroon": "other"}"#);
        assert_eq!(macaroon_in(Flavour::Oauth, &form).as_deref(), Some("MDAx"));
    }

    #[test]
    fn activities_are_those_that_all_caveats_name() {
        let request = asked(&["DOWNLOAD", "LIST"], "PT10M");
        for (caveats, right) in [
            (&["activity:DOWNLOAD,LIST"][..], true),
            (&["activity:LIST"], true),
            (&["activity:READ_METADATA"], true),
            (
                &["activity:READ_METADATA,UPLOAD,LIST", "activity:LIST"],
                true,
            ),
            (&["activity:LIST,UPLOAD", "activity:UPLOAD,LIST"], false),
            (&["activity:DOWNLOAD,DELETE"], false),
            (&["path:/x"], false),
            (&[], false),
        ] {
            let found = activities(&request, &texts(caveats));
            assert_eq!(found.is_none(), right, "{caveats:?}: {found:?}");
        }
        assert_eq!(activities(&asked(&[], ""), &[]), None);
    }

    #[test]
    fn what_is_left_out_is_named() {
        for (caveats, left) in [
            (
                &["activity:DOWNLOAD,LIST"][..],
                Some(vec!["DOWNLOAD", "LIST"]),
            ),
            (&["activity:A,B", "path:/", "activity:B,C"], Some(vec!["B"])),
            (&["activity:A", "activity:B"], Some(vec![])),
            (&["path:/"], None),
        ] {
            assert_eq!(allowed(&texts(caveats)), left, "{caveats:?}");
        }
    }

    #[test]
    fn the_earliest_end_counts() {
        let sent: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let request = asked(&[], "PT10M");
        for (caveats, right) in [
            (&["before:2026-01-01T00:10:00Z"][..], true),
            (&["before:2026-01-01T00:10:59.5Z"], true),
            (&["before:2026-01-01T00:12:00Z"], false),
            (
                &["before:2027-01-01T00:00:00Z", "before:2026-01-01T00:05:00Z"],
                true,
            ),
            (&["before:soon"], false),
            (&[], false),
        ] {
            let found = before(&request, &texts(caveats), sent);
            assert_eq!(found.is_none(), right, "{caveats:?}: {found:?}");
        }
        assert_eq!(before(&asked(&[], "forever"), &[], sent), None);
    }

    #[test]
    fn a_path_is_reached_by_itself_and_by_what_is_below() {
        for (caveats, right) in [
            (&["path:/a/b"][..], true),
            (&["path:/a/b/"], true),
            (&["path:/a/b/c"], true),
            (&["path:/", "path:/a/b"], true),
            (&["root:/a", "path:/b"], true),
            (&["root:/a/b"], true),
            (&["path:/a"], false),
            (&["path:/a/bc"], false),
            (&["root:/x", "path:/b"], false),
            (&[], false),
        ] {
            let found = reaches("/a/b", &texts(caveats));
            assert_eq!(found.is_none(), right, "{caveats:?}: {found:?}");
        }
    }
}
