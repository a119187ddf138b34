//! An exchange as a line for the shell, with `$TOKEN` in the token's place.

use percent_encoding::{CONTROLS, utf8_percent_encode};
use url::Url;

use touchstone_model::redact::secret_header;
use touchstone_model::{Exchange, Method, TokenRef, shell_word};

/// Header fields, in lower case, that curl sets by itself, or that belong to our connection or to
/// our run.
const OURS: [&str; 6] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "te",
    "user-agent",
];

/// The beginning of a line that carries a client's id and secret.
const BASIC: &str = "Authorization: Basic ";

/// What stands in the places of what is secret.
const VARIABLES: [&str; 7] = [
    "$TOKEN",
    "$OTHER",
    "$CLIENT_ID",
    "$CLIENT_SECRET",
    "$REFRESH_TOKEN",
    "$DEVICE_CODE",
    "$ASSERTION",
];

/// Longer bodies are no part of the line; `FILE` stands for them.
const INLINE: usize = 2000;

/// The commands that send the same request again, one for each place to which it was redirected: to follow redirects is left to
/// nobody, for they may lead elsewhere the next time, with the reader's own token. A POSIX shell takes each as it is; they never
/// hold a token.
pub fn curl(exchange: &Exchange) -> Vec<String> {
    let mut lines = vec![one(exchange)];
    let mut moved = exchange.clone();
    for hop in &exchange.hops {
        let place = Url::parse(&hop.url).and_then(|url| url.join(&hop.location));
        // A token is not sent on to plain HTTP just to see it again.
        let place = place.ok().filter(|place| place.scheme() == "https");
        let Some(mut place) = place else { break };
        // They have a host, and so take both.
        let _ = place.set_username("").and(place.set_password(None));
        moved.url = place.into();
        if !hop.token_forwarded {
            moved.token = None;
            moved.presented = None;
        }
        let mut reads = [Method::Get, Method::Head, Method::Propfind].iter();
        let reads = reads.any(|method| moved.method == *method);
        if hop.status == 303 && !reads {
            moved.method = Method::Get.into();
            moved.request_body = None;
            moved.request_headers.clear();
        }
        lines.push(one(&moved));
    }
    lines
}

fn one(exchange: &Exchange) -> String {
    // No URL may hold control characters, and curl refuses them.
    let url = utf8_percent_encode(&exchange.url, CONTROLS).to_string();
    let mut words = vec!["curl".to_owned()];
    words.push(match exchange.method == Method::Head {
        true => "-I".into(),
        false => "-i".into(),
    });
    let plain = exchange.method == Method::Head
        || exchange.method == Method::Get && exchange.request_body.is_none();
    if !plain {
        words.extend(["-X".into(), shell_word(exchange.method.as_str())]);
    }
    // By itself curl squeezes dot segments, and expands braces and brackets.
    if dot_segments(&url) {
        words.push("--path-as-is".into());
    }
    if url.contains(['{', '}', '[', ']']) {
        words.push("-g".into());
    }
    match &exchange.presented {
        Some(lines) => words.extend(
            lines
                .iter()
                // curl takes it for the name of a file.
                .filter(|line| !line.starts_with('@'))
                .flat_map(|line| match line.strip_prefix(BASIC) {
                    // curl encodes the two.
                    Some(pair) => ["-u".into(), variable(pair)],
                    None => ["-H".into(), variable(line)],
                }),
        ),
        None if exchange.token.is_some() => {
            words.extend(["-H".into(), "\"Authorization: Bearer $TOKEN\"".into()]);
        }
        None => {}
    }
    words.extend(headers(exchange).flat_map(|header| ["-H".into(), shell_word(&header)]));
    if let Some(body) = &exchange.request_body {
        // By itself curl calls every body a form, and takes one that starts with `@` for a file.
        let mut names = exchange.request_headers.iter().map(|(name, _)| name);
        if !names.any(|name| is(name, "content-type")) {
            words.extend(["-H".into(), "Content-Type:".into()]);
        }
        words.extend(match body {
            long if long.len() > INLINE => ["--data-binary".into(), "@FILE".into()],
            at if at.starts_with('@') => ["--data-raw".into(), shell_word(at)],
            form if exchange.presented.is_some() => ["--data-binary".into(), variable(form)],
            plain => ["--data-binary".into(), shell_word(plain)],
        });
    }
    // Named, it is no option, whatever it begins with.
    words.extend([
        "--url".into(),
        match exchange.presented {
            Some(_) => variable(&url),
            None => shell_word(&url),
        },
    ]);
    words.join(" ")
}

/// How to obtain such a token as was sent.
pub fn obtain(token: &TokenRef) -> String {
    format!("{}, issued by {}: {}", token.what, token.issuer, token.how)
}

/// The header fields that matter, as curl wants them.
fn headers(exchange: &Exchange) -> impl Iterator<Item = String> {
    exchange
        .request_headers
        .iter()
        .filter(|(name, value)| {
            let token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let ours = OURS.iter().any(|ours| is(name, ours));
            let legal = !name.is_empty()
                && name.bytes().all(token)
                && !value.contains(|c: char| c.is_control() && c != '\t');
            legal && !ours && !secret_header(name)
        })
        .map(|(name, value)| match value.as_str() {
            "" => format!("{name};"),
            _ => format!("{name}: {value}"),
        })
}

/// Whether the path has `.` or `..` for a segment, escaped or not.
fn dot_segments(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.to_ascii_lowercase().replace("%2e", ".");
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

fn is(name: &str, lower: &str) -> bool {
    name.eq_ignore_ascii_case(lower)
}

/// One word for a POSIX shell, in which `$TOKEN` and its like are variables and all else is as it is.
fn variable(text: &str) -> String {
    if !VARIABLES.iter().any(|name| text.contains(name)) {
        return shell_word(text);
    }
    let escaped = |c: char| match c {
        '\0' => "\u{fffd}".to_owned(),
        '"' | '\\' | '`' | '$' => format!("\\{c}"),
        other => other.to_string(),
    };
    let plain: String = text.chars().map(escaped).collect();
    let with = |text: String, name: &&str| text.replace(&format!("\\{name}"), name);
    format!("\"{}\"", VARIABLES.iter().fold(plain, with))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sample;
    use touchstone_model::{Hop, SentMethod};

    /// The only line, where nothing was redirected.
    fn line_of(exchange: &Exchange) -> String {
        let [line] = &super::curl(exchange)[..] else {
            panic!("one line")
        };
        line.clone()
    }

    /// The arguments that curl would get, from a real shell.
    fn arguments(line: &str) -> Vec<String> {
        let script =
            format!("curl() {{ printf '%s\\0' \"$@\"; }}; TOKEN='a b'; OTHER='c d'; {line}");
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{line}: {output:?}"
        );
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    #[test]
    fn it_reads_well() {
        let put = sample::exchange("se-alpha", Method::Put, 201);
        insta::assert_snapshot!(line_of(&put), @r#"
curl -i -X PUT -H "Authorization: Bearer $TOKEN" -H 'content-type: text/plain' --data-binary 'it'\''s new' --url https://se-alpha.example.org:8443/wlcg/touchstone-x/f
"#);
        let mut head = sample::exchange("se-alpha", Method::Head, 200);
        head.token = None;
        head.url += "?a=b&c";
        insta::assert_snapshot!(line_of(&head), @r#"
curl -I -H 'content-type: text/plain' --url 'https://se-alpha.example.org:8443/wlcg/touchstone-x/f?a=b&c'
"#);
    }

    #[test]
    fn a_shell_passes_every_argument_on_as_it_is() {
        for nasty in [
            "it's",
            "$HOME `id` $(id) \\ \"",
            "a\nb\r\n\tc",
            "",
            "-o/etc/x",
            "*?[a]~{1,2}!;&|<>#",
            "'''",
            "ä € 𝄞 \u{202e}",
            "\\'; id; '",
        ] {
            let mut exchange = sample::exchange("se-alpha", Method::Put, 201);
            let header = nasty.replace(['\n', '\r'], " ");
            exchange.url = format!("https://se.example.org/{header}");
            exchange.request_headers = vec![("x-nasty".into(), format!("={header}="))];
            exchange.request_body = Some(nasty.into());
            let line = line_of(&exchange);
            let words = arguments(&line);
            let expected = [
                "-H".to_owned(),
                "Authorization: Bearer a b".into(),
                "-H".into(),
                format!("x-nasty: ={header}="),
                "-H".into(),
                "Content-Type:".into(),
                "--data-binary".into(),
                nasty.into(),
                "--url".into(),
                utf8_percent_encode(&format!("https://se.example.org/{header}"), CONTROLS)
                    .to_string(),
            ];
            assert_eq!(words[words.len() - expected.len()..], expected, "{line}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn a_word_stays_a_word(text in "(?s)(.|'|\\\\|\\$|`|\"){0,20}") {
            let words = arguments(&format!("curl {}", shell_word(&text)));
            proptest::prop_assert_eq!(words, [text.replace('\0', "\u{fffd}")]);
        }
    }

    #[test]
    fn credentials_and_what_is_ours_stay_out() {
        let mut exchange = sample::exchange("se-alpha", Method::Get, 200);
        exchange.request_headers = [
            "Authorization",
            "cookie",
            "User-Agent",
            "host",
            "bad name",
            "@f",
        ]
        .map(|name| (name.to_owned(), "canary".to_owned()))
        .into();
        exchange
            .request_headers
            .push(("x-empty".into(), String::new()));
        let line = line_of(&exchange);
        assert!(!line.contains("canary"), "{line}");
        assert!(arguments(&line).contains(&"x-empty;".to_owned()));
    }

    #[test]
    fn curl_is_told_to_leave_the_path_alone() {
        let mut exchange = sample::exchange("se-alpha", Method::Get, 200);
        for (url, option) in [
            ("https://se/a/../b", "--path-as-is"),
            ("https://se/a/%2E%2e/b", "--path-as-is"),
            ("https://se/a{b}", "-g"),
        ] {
            exchange.url = url.into();
            assert!(
                arguments(&line_of(&exchange)).contains(&option.to_owned()),
                "{url}"
            );
        }
        exchange.url = "https://se/a..b?x=/../".into();
        assert!(!arguments(&line_of(&exchange)).contains(&"--path-as-is".to_owned()));
        exchange.method = Method::Put.into();
        exchange.request_body = Some("x".repeat(10_000));
        assert!(arguments(&line_of(&exchange)).contains(&"@FILE".to_owned()));
        exchange.request_body = Some("@/etc/passwd".into());
        assert!(arguments(&line_of(&exchange)).contains(&"--data-raw".to_owned()));
    }

    #[test]
    fn tokens_stand_where_they_were_sent() {
        let mut exchange = sample::exchange("se-alpha", Method::Get, 401);
        exchange.request_headers.clear();
        exchange.presented = Some(vec![
            "authorization: bearer $TOKEN".into(),
            "Cookie: a=\"$OTHER\"; b=`id`; c=$HOME".into(),
            "X-Plain: it's".into(),
        ]);
        exchange.url += "?authz=$TOKEN&x=$(id)";
        let line = line_of(&exchange);
        let words = arguments(&line);
        assert_eq!(
            words[1..],
            [
                "-H",
                "authorization: bearer a b",
                "-H",
                "Cookie: a=\"c d\"; b=`id`; c=$HOME",
                "-H",
                "X-Plain: it's",
                "--url",
                "https://se-alpha.example.org:8443/wlcg/touchstone-x/f?authz=a b&x=$(id)",
            ],
            "{line}"
        );
        exchange.presented = Some(Vec::new());
        assert!(!line_of(&exchange).contains("Bearer"));
    }

    #[test]
    fn secrets_of_clients_are_variables() {
        let mut exchange = sample::exchange("se-alpha", Method::Post, 400);
        exchange.request_headers = vec![("content-type".into(), "x/form".into())];
        exchange.presented = Some(vec![
            "Authorization: Basic $CLIENT_ID:$CLIENT_SECRET".into(),
        ]);
        exchange.request_body = Some("refresh_token=$REFRESH_TOKEN&scope=a+$HOME".into());
        exchange.url = "https://iam.example.org/token".into();
        insta::assert_snapshot!(line_of(&exchange), @r#"curl -i -X POST -u "$CLIENT_ID:$CLIENT_SECRET" -H 'content-type: x/form' --data-binary "refresh_token=$REFRESH_TOKEN&scope=a+\$HOME" --url https://iam.example.org/token"#);
    }

    #[test]
    fn bodies_methods_and_framing_are_those_that_were_sent() {
        let mut exchange = sample::exchange("se-alpha", Method::Put, 201);
        exchange.method = SentMethod::new("PATCH").unwrap();
        exchange.request_headers = vec![("Transfer-Encoding".into(), "chunked".into())];
        let line = line_of(&exchange);
        assert!(
            line.contains("-X PATCH") && line.contains("'Transfer-Encoding: chunked'"),
            "{line}"
        );
        let mut get = sample::exchange("se-alpha", Method::Get, 200);
        get.request_body = Some("x".into());
        assert!(
            line_of(&get).contains("-X GET"),
            "or curl would make it a POST"
        );
    }

    #[test]
    fn each_place_has_a_line_and_the_token_goes_where_it_went() {
        let hop = |url: &str, status, location: &str, token_forwarded| Hop {
            url: url.into(),
            status,
            location: location.into(),
            token_forwarded,
        };
        let mut exchange = sample::exchange("se-alpha", Method::Put, 201);
        exchange.url = "https://se.example.org/f".into();
        exchange.hops = vec![
            hop(
                "https://se.example.org/f",
                307,
                "https://user:word@se.example.org:1/f",
                true,
            ),
            hop(
                "https://se.example.org:1/f",
                302,
                "https://disk.example.org/f?id=1&x",
                false,
            ),
            hop("https://disk.example.org/f?id=1&x", 303, "/done", false),
            hop(
                "https://disk.example.org/done",
                307,
                "HTTP://disk.example.org/",
                false,
            ),
        ];
        insta::assert_snapshot!(curl(&exchange).join("\n"), @r#"
        curl -i -X PUT -H "Authorization: Bearer $TOKEN" -H 'content-type: text/plain' --data-binary 'it'\''s new' --url https://se.example.org/f
        curl -i -X PUT -H "Authorization: Bearer $TOKEN" -H 'content-type: text/plain' --data-binary 'it'\''s new' --url https://se.example.org:1/f
        curl -i -X PUT -H 'content-type: text/plain' --data-binary 'it'\''s new' --url 'https://disk.example.org/f?id=1&x'
        curl -i --url https://disk.example.org/done
        "#);
        exchange.method = SentMethod::new("GET|touch`x`").unwrap();
        exchange.presented = Some(vec!["@/etc/passwd".into()]);
        exchange.hops.clear();
        let words = arguments(&line_of(&exchange));
        assert!(words.contains(&"GET|touch`x`".to_owned()));
        assert!(!words.contains(&"@/etc/passwd".to_owned()));
    }
}
