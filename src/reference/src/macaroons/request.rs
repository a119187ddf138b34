//! What a request for a macaroon says.

use jiff::SignedDuration;
use serde::Deserialize;
use url::form_urlencoded;

use super::caveat::Activity;
use touchstone_model::duration;

/// The type of a request that is sent to the path itself, and that of the form for the token endpoint.
pub(in super::super) const NATIVE: &str = "application/macaroon-request";
pub(in super::super) const FORM: &str = "application/x-www-form-urlencoded";
/// How long one lasts if nobody says, in seconds.
const USUAL: f64 = 3600.0;
/// Of caveats, and of bytes in one.
const MOST: usize = 50;
const LONGEST: usize = 1000;

/// What is asked for.
#[derive(Debug, Default, PartialEq)]
pub(in super::super) struct Wanted {
    /// None in particular if there are none.
    pub(in super::super) activities: Vec<Activity>,
    /// Further caveats.
    pub(in super::super) caveats: Vec<String>,
    pub(in super::super) seconds: f64,
    /// Where the form names it.
    pub(in super::super) path: Option<String>,
}

#[derive(Deserialize)]
struct Native {
    #[serde(default)]
    caveats: Vec<String>,
    validity: Option<String>,
}

/// Reads a body; `None` if it is not understood.
pub(in super::super) fn wanted(body: &[u8], form: bool) -> Option<Wanted> {
    if form { of_form(body) } else { of_json(body) }
}

/// Whether a caveat may be asked for: one that is understood and only narrows, on one line.
pub(in super::super) fn written(caveat: &str) -> bool {
    let known = ["before:", "ip:", "path:"];
    let line = caveat.len() <= LONGEST && !caveat.contains(char::is_control);
    line && known.iter().any(|name| caveat.starts_with(name))
}

fn of_json(body: &[u8]) -> Option<Wanted> {
    let native: Native = serde_json::from_slice(body).ok()?;
    if native.caveats.len() > MOST {
        return None;
    }
    let mut wanted = Wanted {
        seconds: match native.validity {
            Some(text) => seconds(duration(&text)?)?,
            None => USUAL,
        },
        ..Wanted::default()
    };
    for caveat in native.caveats {
        match caveat.strip_prefix("activity:") {
            Some(list) => {
                let list: Option<Vec<_>> = list.split(',').map(Activity::of).collect();
                let list = list?;
                match wanted.activities.as_slice() {
                    [] => wanted.activities = list,
                    _ => wanted.activities.retain(|one| list.contains(one)),
                }
                if wanted.activities.is_empty() {
                    return None;
                }
            }
            None => wanted.caveats.push(caveat),
        }
    }
    Some(wanted)
}

/// RFC 6749 section 4.4.2, with XRootD's `expire_in`. All scopes name the same path.
fn of_form(body: &[u8]) -> Option<Wanted> {
    let pairs: Vec<_> = form_urlencoded::parse(body).collect();
    let value = |name: &str| {
        let mut values = pairs.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_ref());
        values.next().is_none().then_some(value)
    };
    let granted = value("grant_type")? == Some("client_credentials");
    let mut wanted = Wanted {
        seconds: match value("expire_in")? {
            Some(text) => seconds(SignedDuration::from_secs(text.parse().ok()?))?,
            None => USUAL,
        },
        ..Wanted::default()
    };
    for scope in value("scope")??.split(' ') {
        let (activity, path) = scope.split_once(':')?;
        wanted.activities.push(Activity::of(activity)?);
        if wanted.path.get_or_insert_with(|| path.to_owned()) != path {
            return None;
        }
    }
    granted.then_some(wanted)
}

fn seconds(duration: SignedDuration) -> Option<f64> {
    duration.is_positive().then(|| duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        let native = |text: &str| wanted(text.as_bytes(), false);
        let read = native(
            r#"{"caveats":["activity:DOWNLOAD,LIST","activity:LIST","ip:::1"],"validity":"PT1M30S"}"#,
        );
        let read = read.unwrap();
        assert_eq!(read.activities, [Activity::List]);
        assert_eq!(
            (read.caveats, read.seconds),
            (vec!["ip:::1".to_owned()], 90.0)
        );
        assert_eq!(native("{}").unwrap().seconds, USUAL);
        for odd in [
            "",
            "[1]",
            "{",
            r#"{"validity":"forever"}"#,
            r#"{"validity":"PT0S"}"#,
            r#"{"validity":"-PT5M"}"#,
            r#"{"caveats":"activity:LIST"}"#,
            r#"{"caveats":[1]}"#,
            r#"{"caveats":["activity:FLY"]}"#,
            r#"{"caveats":["activity:"]}"#,
            r#"{"caveats":["activity:LIST","activity:UPLOAD"]}"#,
        ] {
            assert_eq!(native(odd), None, "{odd}");
        }
        let many = format!(r#"{{"caveats":[{}""]}}"#, r#""path:/","#.repeat(MOST));
        assert_eq!(native(&many), None);
    }

    #[test]
    fn forms_are_read() {
        let form = |text: &str| wanted(text.as_bytes(), true);
        let good = "grant_type=client_credentials&expire_in=60&scope=LIST%3A%2Fa+DOWNLOAD%3A%2Fa";
        let read = form(good).unwrap();
        assert_eq!(read.activities, [Activity::List, Activity::Download]);
        assert_eq!((read.path.as_deref(), read.seconds), (Some("/a"), 60.0));
        for odd in [
            "",
            "scope=LIST:/a",
            "grant_type=client_credentials",
            "grant_type=password&scope=LIST:/a",
            "grant_type=client_credentials&scope=LIST",
            "grant_type=client_credentials&scope=LIST:/a+LIST:/b",
            "grant_type=client_credentials&scope=LIST:/a&scope=LIST:/",
            "grant_type=client_credentials&scope=LIST:/a&expire_in=-1",
            "grant_type=client_credentials&scope=FLY:/a",
        ] {
            assert_eq!(form(odd), None, "{odd}");
        }
    }

    #[test]
    fn only_caveats_that_narrow_can_be_asked_for() {
        assert!(written("path:/a") && written("ip:::1") && written("before:2030-01-01T00:00:00Z"));
        for odd in [
            "name:root",
            "id:0;0",
            "colour:blue",
            "path:/a\nname:root",
            "",
        ] {
            assert!(!written(odd), "{odd:?}");
        }
        assert!(!written(&format!("path:/{}", "a".repeat(LONGEST))));
    }
}
