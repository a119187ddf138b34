//! The serial way: the requests of a run again, one curl process after another, with fresh tokens for each
//! test, as the reference suite does.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use touchstone_model::{Exchange, RunRecord};

use crate::place::Place;

/// What the serial way took.
pub struct Serial {
    pub wall: Duration,
    pub requests: usize,
    pub tokens: usize,
    /// How many answers had the same status as in the run.
    pub same: usize,
}

/// Sends all requests of `record` again, below a directory of their own.
pub fn repeat(place: &Place, record: &RunRecord) -> Serial {
    let ours = format!("touchstone-{}", record.run.id);
    let theirs = format!("serial-{}", uuid::Uuid::new_v4().simple());
    let curl = Curl { place };
    let here = |text: &str| text.replace(&ours, &theirs);
    directories(&curl, record, &ours, &here);
    let mut serial = Serial {
        wall: Duration::ZERO,
        requests: 0,
        tokens: 0,
        same: 0,
    };
    let begun = Instant::now();
    for result in &record.results {
        // A test has its own tokens and uses each for as many requests as it likes.
        let mut tokens: BTreeMap<String, String> = BTreeMap::new();
        for exchange in &result.exchanges {
            let how = exchange.token.as_ref().map(|token| token.how.clone());
            let token = how.map(|how| {
                let token = tokens.entry(how.clone()).or_insert_with(|| {
                    serial.tokens += 1;
                    curl.token(&here(&how))
                });
                token.clone()
            });
            let status = curl.send(&exchange, token.as_deref(), &here);
            serial.requests += 1;
            serial.same += usize::from(status == exchange.status);
        }
    }
    serial.wall = begun.elapsed();
    serial
}

/// The run's own directories, made before the clock starts.
fn directories(curl: &Curl<'_>, record: &RunRecord, ours: &str, here: &dyn Fn(&str) -> String) {
    let exchanges = || record.results.iter().flat_map(|result| &result.exchanges);
    let observer = exchanges()
        .filter(|exchange| exchange.purpose == touchstone_model::Purpose::Arrange)
        .find_map(|exchange| exchange.token);
    let token = observer.map(|token| curl.token(&token.how));
    let roots = exchanges().filter_map(|exchange| {
        let end = exchange.url.find(ours)? + ours.len();
        Some(here(&exchange.url[..end]))
    });
    let roots: std::collections::BTreeSet<_> = roots.collect();
    for root in roots {
        let arguments = ["-X", "MKCOL", root.as_str()];
        curl.run(&arguments, &header(token.as_deref()));
    }
}

struct Curl<'a> {
    place: &'a Place,
}

impl Curl<'_> {
    /// Asks as the record says how: the words of its curl command.
    fn token(&self, how: &str) -> String {
        let words = words(how);
        let data = words
            .windows(2)
            .filter(|pair| pair[0] == "--data-urlencode");
        let mut arguments: Vec<&str> = data.flatten().map(String::as_str).collect();
        let endpoint = words.iter().find(|word| word.starts_with("https://"));
        arguments.push(endpoint.expect("a token endpoint"));
        let issuer = &self.place.issuer;
        let secret = issuer.client_secret().expose_secret();
        let user = format!("user = \"{}:{secret}\"\n", issuer.client_id());
        let answer = self.run(&arguments, &user);
        let answer: serde_json::Value = serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("no token of {how}: {error}: {answer}"));
        let token = answer["access_token"].as_str();
        token.expect("an access token").to_owned()
    }

    /// Sends a request and tells the status.
    fn send(
        &self,
        exchange: &Exchange,
        token: Option<&str>,
        here: &dyn Fn(&str) -> String,
    ) -> Option<u16> {
        let method = exchange.method.as_str();
        let mut arguments = match method {
            "HEAD" => vec!["--head".to_owned()],
            _ => vec!["-X".to_owned(), method.to_owned()],
        };
        for (name, value) in &exchange.request_headers {
            arguments.extend(["-H".into(), format!("{name}: {}", here(value))]);
        }
        if let Some(body) = &exchange.request_body {
            arguments.extend(["-H".into(), "Content-Type:".into()]);
            arguments.extend(["--data-raw".into(), body.clone()]);
        }
        arguments.extend(["-o", "/dev/null", "-w", "%{http_code}"].map(str::to_owned));
        arguments.push(here(&exchange.url));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.run(&arguments, &header(token)).parse().ok()
    }

    /// A process; what is secret reaches it on its standard input.
    fn run(&self, arguments: &[&str], config: &str) -> String {
        let mut child = Command::new("curl")
            .args(["--silent", "--cacert", "ca.pem", "--config", "-"])
            .args(arguments)
            .current_dir(self.place.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl runs");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(config.as_bytes()).expect("a configuration");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn header(token: Option<&str>) -> String {
    token.map_or_else(String::new, |token| {
        format!("header = \"Authorization: Bearer {token}\"\n")
    })
}

/// The words of a shell's line, as far as records quote them.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().expect("a word").push(letter),
        }
    }
    words
}
