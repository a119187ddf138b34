//! The report of a COPY between servers: performance markers, and the line that tells how it ended, after which clients ignore
//! everything (draft-http-tpc section "server response").

use url::Host;

use jiff::Timestamp;

use touchstone_model::Answer;

/// Longer lines are nobody's; what is beyond is not looked at.
const LINE: usize = 8 << 10;
/// Problems that are told; a stream that is wrong throughout needs no more.
const PROBLEMS: usize = 5;
/// Seconds by which the clock of a service may be wrong here.
const CLOCKS: u64 = 86_400;

/// How a COPY ended, as the answer tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By its status.
    Refused(u16),
    /// By a line: everything is there.
    Succeeded,
    /// By a line: it failed, for this reason.
    Failed(String),
    /// Not at all, or not clearly.
    Untold(String),
}

/// What the markers told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markers {
    /// How many came to their end.
    pub count: usize,
    /// How many of them told the connections of the transfer.
    pub connected: usize,
    /// What was wrong with them.
    pub problems: Vec<String>,
    /// What was wrong with the connections.
    pub odd_connections: Vec<String>,
    /// Whether a carriage return stands at the end of lines.
    pub carriage_returns: bool,
}

/// How the COPY that was answered so ended.
pub fn ending(answer: &Answer) -> Ending {
    if !answer.success() {
        return Ending::Refused(answer.status);
    }
    if answer.truncated {
        return Ending::Untold(format!(
            "the report was not over after {} bytes",
            answer.body.len()
        ));
    }
    let text = String::from_utf8_lossy(&answer.body);
    let told = lines(&text).find_map(outcome);
    told.unwrap_or_else(|| Ending::Untold("no line tells how it ended".into()))
}

/// How many lines follow the one that tells how it ended, for example with the reasons of a failure.
pub fn afterwards(answer: &Answer) -> usize {
    let text = String::from_utf8_lossy(&answer.body);
    let told = lines(&text).skip_while(|line| outcome(line).is_none());
    told.skip(1).count()
}

/// The markers of `answer`, which came at `now`, each of them looked at.
pub fn markers(answer: &Answer, now: Timestamp) -> Markers {
    let mut found = Markers {
        carriage_returns: answer.body.windows(2).any(|pair| pair == b"\r\n"),
        ..Markers::default()
    };
    let text = match std::str::from_utf8(&answer.body) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            found.problems.push("the report is not UTF-8".into());
            String::from_utf8_lossy(&answer.body).into_owned()
        }
    };
    let mut open: Option<Marker> = None;
    let mut transferred = 0;
    for line in lines(&text) {
        let line = line.trim();
        match (line, open.take()) {
            ("Perf Marker", None) => open = Some(Marker::default()),
            ("Perf Marker", Some(_)) => {
                found.wrong("a marker begins before the one before it ended");
                open = Some(Marker::default());
            }
            ("End", Some(marker)) => {
                transferred = found.close(&marker, transferred, now);
            }
            ("End", None) => found.wrong("an `End` without a marker"),
            (_, Some(mut marker)) => {
                if outcome(line).is_some() {
                    found.wrong("a marker does not end");
                    break;
                }
                marker.take(line);
                open = Some(marker);
            }
            (_, None) if outcome(line).is_some() => break,
            (_, None) => {}
        }
    }
    if open.is_some() {
        found.wrong("a marker does not end");
    }
    found
}

#[derive(Default)]
struct Marker {
    timestamp: Option<Option<u64>>,
    index: Option<Option<u64>>,
    bytes: Option<Option<u64>>,
    stripes: Option<Option<u64>>,
    connections: Option<String>,
}

impl Marker {
    /// `Key: value`; keys that nobody knows are skipped.
    fn take(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(':') else {
            return;
        };
        let value = value.trim();
        let number = || value.parse::<u64>().ok();
        match key.trim() {
            "Timestamp" => self.timestamp = Some(number()),
            "Stripe Index" => self.index = Some(number()),
            "Stripe Bytes Transferred" => self.bytes = Some(number()),
            "Total Stripe Count" => self.stripes = Some(number()),
            "RemoteConnections" => self.connections = Some(value.to_owned()),
            _ => {}
        }
    }
}

impl Markers {
    fn wrong(&mut self, problem: impl Into<String>) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(problem.into());
        }
    }

    /// Judges a marker that came to its end; `before` bytes were told of by the one before it.
    fn close(&mut self, marker: &Marker, before: u64, now: Timestamp) -> u64 {
        self.count += 1;
        for (name, value) in [
            ("Timestamp", marker.timestamp),
            ("Stripe Index", marker.index),
            ("Stripe Bytes Transferred", marker.bytes),
            ("Total Stripe Count", marker.stripes),
        ] {
            match value {
                None => self.wrong(format!("a marker without `{name}`")),
                Some(None) => self.wrong(format!("`{name}` is no number")),
                Some(Some(_)) => {}
            }
        }
        if let Some(seconds) = marker.timestamp.flatten()
            && !at_about(seconds, now)
        {
            self.wrong(format!(
                "`Timestamp` is {seconds}, which are not the seconds since 1970"
            ));
        }
        if let Some(connections) = &marker.connections {
            self.connected += 1;
            let odd = connections.split(',').find(|one| !connection(one.trim()));
            if let Some(odd) = odd
                && self.odd_connections.len() < PROBLEMS
            {
                self.odd_connections.push(shown(odd));
            }
        }
        // Only one stripe has one sequence of numbers.
        let bytes = marker.bytes.flatten().unwrap_or(before);
        if marker.stripes == Some(Some(1)) && bytes < before {
            self.wrong(format!("{bytes} bytes after {before} bytes"));
        }
        bytes
    }
}

/// Whether so many seconds since 1970 are about `now`; clocks that are a day wrong are judged elsewhere.
fn at_about(seconds: u64, now: Timestamp) -> bool {
    let now = now.as_second();
    i64::try_from(seconds).is_ok_and(|seconds| seconds.abs_diff(now) <= CLOCKS)
}

/// `tcp:192.0.2.1:443` or `tcp:[2001:db8::1]:443`.
fn connection(text: &str) -> bool {
    let Some((host, port)) = text
        .strip_prefix("tcp:")
        .and_then(|address| address.rsplit_once(':'))
    else {
        return false;
    };
    let address = matches!(Host::parse(host), Ok(Host::Ipv4(_) | Host::Ipv6(_)));
    address && port.parse::<u16>().is_ok()
}

/// What a line says of the outcome; the words are those of the draft and of the implementations, in any case.
fn outcome(line: &str) -> Option<Ending> {
    let lower: String = line
        .chars()
        .take(16)
        .collect::<String>()
        .to_ascii_lowercase();
    let ends = |word: &str| {
        let rest = lower.strip_prefix(word)?;
        let bounded = rest.is_empty() || rest.starts_with([':', ' ', '.']);
        bounded.then_some(())
    };
    if ends("success").is_some() {
        return Some(Ending::Succeeded);
    }
    ["failure", "failed", "aborted"]
        .iter()
        .any(|word| ends(word).is_some())
        .then(|| Ending::Failed(shown(line)))
}

/// Lines that say something, without the spaces around them, each cut to what a line may be.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .map(|line| match line.char_indices().nth(LINE) {
            Some((end, _)) => &line[..end],
            None => line,
        })
        .map(str::trim)
        .filter(|line| !line.is_empty())
}

/// A line as findings show it.
fn shown(line: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    line.trim().chars().take(200).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer {
            status: 202,
            body: body.into(),
            ..Answer::default()
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_060).unwrap()
    }

    fn marker(bytes: &str) -> String {
        format!(
            "Perf Marker\n\tTimestamp: 1700000000\n\tStripe Index: 0\n\tStripe Bytes Transferred: {bytes}\n\tTotal Stripe Count: 1\n\tRemoteConnections: tcp:192.0.2.1:443,tcp:[2001:db8::1]:443\n\tState: x\nEnd\n"
        )
    }

    #[test]
    fn the_line_tells_in_any_spelling() {
        for (body, success) in [
            ("success: Created\n", true),
            ("Success\r\n", true),
            ("SUCCESS: x", true),
            ("failure: no such file\n\n", false),
            ("Failed: x\n", false),
            ("aborted: by the client\n", false),
        ] {
            let body = format!("{}{body}", marker("1"));
            match ending(&answer(&body)) {
                Ending::Succeeded => assert!(success, "{body}"),
                Ending::Failed(text) => assert!(!success && !text.is_empty(), "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_first_line_that_tells_decides_and_the_rest_is_ignored() {
        for (body, success, more) in [
            ("success: Created\nfailure: not really\n", true, 1),
            ("success: Created\nPerf Marker\nEnd\n", true, 2),
            (
                "failure: PKIX path building failed\n: unable to find\n\nvalid path\n",
                false,
                2,
            ),
            ("Failed: no\nsuccess: yes\n", false, 1),
            ("success: Created\n", true, 0),
        ] {
            let answer = answer(&format!("{}{body}", marker("1")));
            match ending(&answer) {
                Ending::Succeeded => assert!(success, "{body}"),
                Ending::Failed(_) => assert!(!success, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
            assert_eq!(afterwards(&answer), more, "{body}");
            assert_eq!(markers(&answer, now()).count, 1, "{body}");
        }
    }

    #[test]
    fn what_does_not_tell_clearly_tells_nothing() {
        for body in [
            "",
            "Perf Marker\nEnd\n",
            "successfully begun\n",
            "<html>200 OK</html>",
            "\u{0}\u{1}\u{2}",
        ] {
            assert!(
                matches!(ending(&answer(body)), Ending::Untold(_)),
                "{body:?}"
            );
        }
        let endless = Answer {
            truncated: true,
            ..answer("success: Created\n")
        };
        assert!(matches!(ending(&endless), Ending::Untold(_)));
        let refused = Answer {
            status: 403,
            ..answer("success: Created\n")
        };
        assert_eq!(ending(&refused), Ending::Refused(403));
    }

    #[test]
    fn markers_are_complete_and_grow() {
        let good = format!("{}{}success: x\n", marker("1"), marker("1"));
        let found = markers(&answer(&good), now());
        assert_eq!((found.count, found.connected), (2, 2));
        assert_eq!(found.problems, Vec::<String>::new());
        assert_eq!(found.odd_connections, Vec::<String>::new());

        for (body, problem) in [
            (format!("{}{}", marker("5"), marker("4")), "4 bytes after 5 bytes"),
            (marker("1").replace("1700000000", "1700000000000"), "`Timestamp` is 1700000000000, which are not the seconds since 1970"),
            (marker("many"), "`Stripe Bytes Transferred` is no number"),
            (marker("-1"), "`Stripe Bytes Transferred` is no number"),
            ("Perf Marker\nTimestamp: 1\nsuccess: x\n".into(), "a marker does not end"),
            ("Perf Marker\nPerf Marker\nEnd\n".into(), "a marker begins before the one before it ended"),
            ("End\n".into(), "an `End` without a marker"),
            ("Perf Marker\nStripe Index: 0\nStripe Bytes Transferred: 1\nTotal Stripe Count: 1\nEnd\n".into(), "a marker without `Timestamp`"),
        ] {
            let found = markers(&answer(&body), now());
            assert_eq!(found.problems.first().map(String::as_str), Some(problem), "{body}");
        }
        assert!(!markers(&answer(&marker("1")), now()).carriage_returns);
        let returned = markers(&answer(&marker("1").replace('\n', "\r\n")), now());
        assert!(returned.carriage_returns && returned.problems.is_empty());
        let odd = marker("1").replace("tcp:192.0.2.1:443", "192.0.2.1");
        assert_eq!(markers(&answer(&odd), now()).odd_connections, ["192.0.2.1"]);
    }

    #[test]
    fn long_lines_and_many_problems_are_cut() {
        let long = format!("failure: {}", "x".repeat(1 << 20));
        match ending(&answer(&long)) {
            Ending::Failed(text) => assert!(text.len() <= 200),
            other => panic!("{other:?}"),
        }
        let many = "End\n".repeat(1000);
        assert_eq!(markers(&answer(&many), now()).problems.len(), PROBLEMS);
    }
}
