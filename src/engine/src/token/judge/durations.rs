use jiff::Timestamp;
use serde_json::Value;

use super::TokenMember;

/// Claims that are times.
const TIMES: [&str; 5] = ["exp", "nbf", "iat", "auth_time", "updated_at"];

/// A length of time, coarse where it is long: `90 s`, `38 min`, `2 h 5 min`, `8 years`.
pub fn duration(seconds: f64) -> String {
    // A cast saturates, and makes nothing of what is no number.
    let seconds = seconds.abs().round() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{minutes} min"),
        7200..172_800 => match minutes % 60 {
            0 => format!("{hours} h"),
            rest => format!("{hours} h {rest} min"),
        },
        172_800..63_072_000 => format!("{days} days"),
        _ => format!("{} years", days / 365),
    }
}

/// A time of the token: `2018-04-10T13:07:16Z, 8 years ago`.
pub fn moment(seconds: f64, now: Timestamp) -> Option<String> {
    let time = Timestamp::from_second(seconds as i64).ok()?;
    Some(format!("{time}, {}", moment_of(seconds, now)))
}

/// `8 years ago`, `in 38 min`.
pub(super) fn moment_of(seconds: f64, now: Timestamp) -> String {
    let from_now = seconds - now.as_second() as f64;
    let length = duration(from_now);
    if from_now > 0.0 {
        format!("in {length}")
    } else {
        format!("{length} ago")
    }
}

/// Members with words beside those that need some.
pub(super) fn entries(members: &[(String, Value)], now: Timestamp) -> Vec<TokenMember> {
    let entry = |(name, value): &(String, Value)| TokenMember {
        name: name.clone(),
        value: value.clone(),
        words: match value.as_f64() {
            Some(seconds) if TIMES.contains(&name.as_str()) => moment(seconds, now),
            _ => None,
        },
    };
    members.iter().map(entry).collect()
}
