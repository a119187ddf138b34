//! What stays of a token in memory when it is dropped, and who may look there while it lives.
#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::sending::Sender;
use common::test_bed::{SECRET, TestBed, source_file};
use common::waiting::wait_until;
use secrecy::ExposeSecret;
use touchstone_engine::token::{Broker, Fit, Token, load, tampered};
use touchstone_model::redact::Redactor;
use touchstone_model::{Answer, Audience, Method, SecretRef, Signature, TokenRef, TokenRequest};
use touchstone_protocol::issuer::grant;
use touchstone_suite::config::{load_catalogue, load_inventory};

/// As in the program: what is freed is overwritten first.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<mimalloc::MiMalloc> =
    zeroizing_alloc::ZeroAlloc(mimalloc::MiMalloc);

const MASK: u8 = 0xa5;
/// Bytes of a secret that are looked for.
const TELLING: usize = 20;

/// A part of a secret, in a form that is not found itself.
struct Needle([u8; TELLING]);

impl Needle {
    /// Of the bytes from `at` on.
    fn of(secret: &str, at: usize) -> Self {
        let mut bytes = [0; TELLING];
        for (byte, secret) in bytes.iter_mut().zip(&secret.as_bytes()[at..]) {
            *byte = secret ^ MASK;
        }
        Self(bytes)
    }

    /// The places of a process's memory in which it stands.
    fn places(&self, process: &str) -> Vec<String> {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("its maps");
        let mut memory = File::open(format!("/proc/{process}/mem")).expect("its memory");
        let mut pages = File::open(format!("/proc/{process}/pagemap")).expect("its pages");
        let mut found = Vec::new();
        for map in maps.lines().filter(|map| map.contains(" rw")) {
            let range = map
                .split(' ')
                .next()
                .and_then(|range| range.split_once('-'));
            let (from, to) = range.expect("a range");
            let number = |text| u64::from_str_radix(text, 16).expect("an address");
            for (at, end) in held(&mut pages, number(from), number(to)) {
                let mut bytes = vec![0; (end - at) as usize];
                memory.seek(SeekFrom::Start(at)).expect("a place");
                // A stretch that went away meanwhile holds nothing.
                if memory.read_exact(&mut bytes).is_ok() {
                    found.extend((0..self.count(&bytes)).map(|_| map.to_owned()));
                }
            }
        }
        found
    }

    fn count(&self, bytes: &[u8]) -> usize {
        let first = self.0[0] ^ MASK;
        let (mut rest, mut count) = (bytes, 0);
        while rest.skip_until(first).is_ok_and(|skipped| skipped > 0) {
            let at = bytes.len() - rest.len() - 1;
            let window = bytes.get(at..at + TELLING);
            let masked = |window: &[u8]| {
                window
                    .iter()
                    .zip(&self.0)
                    .all(|(byte, masked)| byte ^ MASK == *masked)
            };
            count += usize::from(window.is_some_and(masked));
        }
        count
    }

    fn expect_gone(&self, what: &str) {
        let places = self.places("self");
        assert!(places.is_empty(), "{what} is still in memory: {places:#?}");
    }
}

/// The stretches of a range that are there at all: most of what an allocator has asked for is not.
fn held(pages: &mut File, from: u64, to: u64) -> Vec<(u64, u64)> {
    const PAGE: u64 = 4096;
    const THERE: u64 = 0b11 << 62;
    let mut entries = vec![0; ((to - from) / PAGE * 8) as usize];
    let read = pages
        .seek(SeekFrom::Start(from / PAGE * 8))
        .and_then(|_| pages.read_exact(&mut entries));
    if read.is_err() {
        return Vec::new();
    }
    let mut held: Vec<(u64, u64)> = Vec::new();
    for (index, entry) in entries.chunks_exact(8).enumerate() {
        if u64::from_le_bytes(entry.try_into().expect("eight bytes")) & THERE == 0 {
            continue;
        }
        let at = from + index as u64 * PAGE;
        match held.last_mut() {
            Some((_, end)) if *end == at => *end += PAGE,
            _ => held.push((at, at + PAGE)),
        }
    }
    held
}

/// Different in each run, and nowhere in the program.
fn canary() -> String {
    format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    )
}

fn shown() -> TokenRef {
    TokenRef {
        what: "a token".into(),
        issuer: "https://iam.example.org/".into(),
        jti: None,
        hash: String::new(),
        how: String::new(),
    }
}

/// A runtime's threads keep what they last did on their stacks for as long as they live.
fn within<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

#[test]
fn what_is_read_is_gone_when_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    let needle = {
        let text = canary();
        std::fs::write(&path, format!(" {text}\n")).expect("a file");
        Needle::of(&text, 8)
    };
    needle.expect_gone("what the test wrote");
    let secret = load(&SecretRef::File(path), "a token").expect("a secret");
    assert!(
        !needle.places("self").is_empty(),
        "a secret that lives is found"
    );
    let redactor = Redactor::default();
    redactor.add(&secret);
    assert!(redactor.text(secret.expose_secret()).contains("[redacted]"));
    let token = Token::new(secret, shown());
    drop((token.clone(), token, redactor));
    needle.expect_gone("a secret of a file");
}

#[test]
fn what_an_issuer_gave_is_gone_when_dropped() {
    let needle = {
        let text = canary();
        let body = format!(
            "{{\"access_token\":\"{text}\",\"token_type\":\"Bearer\",\"refresh_token\":\"r\"}}"
        );
        let answer = Answer {
            status: 200,
            body: body.into_bytes(),
            ..Answer::default()
        };
        let granted = grant(&answer).expect("a token");
        assert_eq!(granted.access.expose_secret(), text);
        Needle::of(&text, 8)
    };
    needle.expect_gone("a granted token");
}

#[test]
fn what_was_sent_is_gone_when_dropped() {
    let bed = TestBed::new();
    // Nobody answers there: what is sent ends in our own buffers.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    bed.endpoints(
        &[(
            "se",
            &format!("https://{}", port.local_addr().expect("an address")),
        )],
        "    limits: {connect: 1s}\n",
    );
    let source = source_file(&bed.path("endpoints.yaml"));
    drop(port);
    let needle = {
        let text = canary();
        let sender = Sender::new(&source, &text);
        for (answer, _) in within(sender.send(Method::Put, Some(b"x"))) {
            assert!(answer.is_err());
        }
        Needle::of(&text, 8)
    };
    needle.expect_gone("a token that was sent");
}

#[test]
fn what_we_minted_is_gone_when_dropped() {
    let bed = TestBed::new();
    bed.endpoints(&[("se", "https://localhost:1")], "");
    let source = source_file(&bed.path("endpoints.yaml"));
    let loaded =
        load_inventory(&source, &load_catalogue(&[]).expect("suites")).expect("an inventory");
    let needles = {
        let redactor = Redactor::default();
        let broker = Broker::new(&loaded.inventory, &["neighbour"], &redactor).expect("a broker");
        let mut needles = Vec::new();
        for signature in [Signature::Good, Signature::Rogue, Signature::Kept] {
            let mut request = TokenRequest::good(
                "neighbour".into(),
                vec!["storage.read:/".into()],
                Audience::One("https://wlcg.cern.ch/jwt/v1/any".into()),
            );
            request.signature = signature;
            let Ok(token) = within(broker.token(&request, Fit::Exact)) else {
                continue;
            };
            let altered = tampered(&token.secret).expect("an altered token");
            for secret in [&token.secret, &altered] {
                let text = secret.expose_secret();
                needles.push(Needle::of(text, id_in(text)));
                needles.push(Needle::of(text, text.rfind('.').expect("a signature") + 8));
            }
        }
        assert!(needles.len() >= 8, "tokens were made");
        needles
    };
    for needle in needles {
        needle.expect_gone("a minted token");
    }
}

/// Where in a token its `jti` stands: the tests of this process make tokens that have all else in common.
fn id_in(token: &str) -> usize {
    let start = token.find('.').expect("a payload") + 1;
    let end = token.rfind('.').expect("a signature");
    let payload = URL_SAFE_NO_PAD.decode(&token[start..end]).expect("base64");
    let id = b"\"jti\":\"";
    let before = payload.windows(id.len()).position(|window| window == id);
    start + (before.expect("a jti") + id.len()).div_ceil(3) * 4
}

/// The redactor has to know every secret for as long as something may be printed, and the broker keeps tokens for the
/// next step. Beside these nothing of a token is there when a run is over, however often it was sent.
#[test]
fn a_run_keeps_no_copies_of_what_it_sent() {
    if std::fs::metadata("/proc/self").expect("this process").uid() != 0 {
        #[expect(clippy::print_stderr, reason = "a test that did not test says so")]
        {
            eprintln!("NOT TESTED: only root may look into the memory of touchstone");
        }
        return;
    }
    let bed = TestBed::new();
    let storage = bed.storage(&[]);
    bed.endpoints(&[("se", storage.url())], "");
    let mut command = bed.touchstone(&["run", "--case", "capability.*", "--format", "json=-"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a run");
    // Its report does not fit into the pipe: it waits for a reader.
    let mut out = child.stdout.take().expect("a pipe");
    let mut first = [0; 16];
    out.read_exact(&mut first).expect("a report begins");
    let secret = bed.issuer.client_secret();
    let secret = Needle::of(secret.expose_secret(), 0);
    let places = secret.places(&child.id().to_string());
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).expect("the report");
    let code = child.wait().expect("its end").code();
    assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&rest));
    assert!(
        rest.len() > 1 << 16,
        "the report is long enough to stop the run"
    );
    // The environment, the client's own, and the redactor's.
    assert!(
        (1..=4).contains(&places.len()),
        "{SECRET} stands in {places:#?}"
    );
}

#[test]
fn nobody_else_sees_the_memory_and_no_core_is_written() {
    /// An ordinary user, where the test is root and all files belong to root anyway.
    const NOBODY: u32 = 65_534;
    let root = std::fs::metadata("/proc/self").expect("this process").uid() == 0;
    let start = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.spawn().expect("a process")
    };
    let folder = tempfile::Builder::new()
        .prefix("touchstone")
        .tempdir_in("/tmp")
        .expect("a folder");
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), everybody).expect("a folder for everybody");
    let program = folder.path().join("touchstone");
    std::fs::copy(env!("CARGO_BIN_EXE_touchstone"), &program)
        .expect("a copy that everybody may run");
    let mut other = start("/bin/cat", &[]);
    let program = program.to_str().expect("a path");
    let mut ours = start(program, &["token", "inspect", "--offline", "-"]);
    let owner = |process: u32| {
        std::fs::metadata(format!("/proc/{process}/mem"))
            .expect("it runs")
            .uid()
    };
    let limits =
        || std::fs::read_to_string(format!("/proc/{}/limits", ours.id())).expect("its limits");
    // It is about to read a token, which does not come yet.
    wait_until("its memory does not belong to the system", || {
        owner(ours.id()) == 0
    });
    let core = limits();
    let core = core
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("a limit");
    let numbers: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(numbers, ["0", "0"], "{core}");
    assert_ne!(owner(other.id()), 0, "that of another process does not");
    ours.stdin
        .take()
        .expect("a pipe")
        .write_all(b"no token")
        .expect("a word");
    let ended = ours.wait_with_output().expect("its end");
    assert_eq!(
        ended.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    drop(other.stdin.take());
    other.wait().expect("its end");
}
