//! What storage elements answer.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use touchstone_engine::http::{RedirectPolicy, RedirectStep};
use touchstone_model::{Answer, Method};
use touchstone_protocol::{
    Ending, ending, localities, markers, properties, read_progress, tape_api,
};
use touchstone_reference::Authority;
use touchstone_yaml::SourceFile;
use url::Url;

use super::engine::Target;
use crate::common::sending::Sender;
use crate::common::waiting::NEVER;

fn answer(status: u16, body: &[u8]) -> Answer {
    Answer {
        status,
        body: body.to_vec(),
        ..Answer::default()
    }
}

#[test]
fn propfind() {
    let target = Target {
        name: "propfind",
        seeds: tangles(),
        words: &[
            "<D:response>",
            "</D:response>",
            "<D:href>",
            "</D:href>",
            "<D:collection/>",
            "<D:getcontentlength>",
            "xmlns:D=\"DAV:\"",
            "xmlns=\"DAV:\"",
            "xmlns:D=\"\"",
            "xmlns:xml=\"x\"",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<?xml ?>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]>",
            "&b;",
            "&amp;",
            "&#0;",
            "&#x10ffff;",
            "&#xd800;",
            "%2e%2e%2f",
            "%ff",
        ],
        grammar: "(<D:multistatus xmlns:D=\"DAV:\">)?(<(D:)?[a-z]{1,8}( [a-z:]{1,5}=\"[a-z&;]{0,5}\")?/?>[a-z0-9%/&;]{0,12}(</(D:)?[a-z]{1,8}>)?){0,12}(</D:multistatus>)?",
        inputs: 1_500,
        longest: 64 << 10,
    };
    target.fuzz(|input| match properties(input) {
        Err(reason) => {
            assert!(reason.len() < 1 << 10, "{} bytes", reason.len());
            reason
        }
        Ok(members) => {
            let odd = members
                .iter()
                .find(|member| member.name.contains('/') && !input.contains(&b'%'));
            assert_eq!(odd, None);
            format!("{} members", members.len().min(3))
        }
    });
}

/// As large as a body may be, and hard to parse.
fn tangles() -> Vec<Vec<u8>> {
    let many =
        |count: usize, one: &dyn Fn(usize) -> String| -> String { (0..count).map(one).collect() };
    let namespaces = many(20_000, &|n| format!(" xmlns:n{n}='n'"));
    let children = many(20_000, &|n| format!("<a xmlns:m{n}='m'/>"));
    vec![
        "<a>".repeat(300_000).into_bytes(),
        "<!-- </a> --><a>".repeat(60_000).into_bytes(),
        format!("<a{namespaces}>{children}</a>").into_bytes(),
        format!("<a{}/>", many(100_000, &|n| format!(" a{n}=''"))).into_bytes(),
        many(30_000, &|n| format!("<a xmlns:n{n}='n' b='>'>")).into_bytes(),
    ]
}

#[test]
fn performance_markers() {
    let target = Target {
        name: "markers",
        seeds: Vec::new(),
        words: &[
            "Perf Marker\n",
            "End\n",
            "Timestamp: ",
            "Stripe Index: ",
            "Stripe Bytes Transferred: ",
            "Total Stripe Count: ",
            "RemoteConnections: ",
            "tcp:",
            "[::1]:",
            "success",
            "failure: ",
            "aborted",
            "\r",
            "\n",
            ": ",
            ",",
        ],
        grammar: "((Perf Marker|End|success|failure: [a-z]{0,9}|[A-Z][a-z ]{0,12}: [a-z0-9:.,\\[\\]-]{0,20})\r?\n){0,12}",
        inputs: 2_000,
        longest: 64 << 10,
    };
    target.fuzz(|input| {
        let found = markers(&answer(202, input), Timestamp::UNIX_EPOCH);
        assert!(found.problems.len() <= 5 && found.odd_connections.len() <= 5);
        let texts = found.problems.iter().chain(&found.odd_connections);
        for text in texts {
            assert!(
                text.chars().count() <= 200 && !text.contains(char::is_control),
                "{text:?}"
            );
        }
        let ended = ending(&answer(202, input));
        if let Ending::Failed(text) = &ended {
            assert!(
                text.chars().count() <= 200 && !text.contains(char::is_control),
                "{text:?}"
            );
        }
        assert_eq!(ending(&answer(500, input)), Ending::Refused(500));
        // What is cut is never a success.
        let cut = Answer {
            truncated: true,
            ..answer(202, input)
        };
        assert!(matches!(ending(&cut), Ending::Untold(_)));
        format!("{ended:?} {:?}", found.problems)
    });
}

#[test]
fn tape() {
    let target = Target {
        name: "tape",
        seeds: Vec::new(),
        words: &[
            "\"files\":",
            "\"path\":",
            "\"onDisk\":",
            "\"state\":",
            "\"COMPLETED\"",
            "\"locality\":",
            "\"TAPE\"",
            "\"endpoints\":",
            "\"uri\":",
            "\"version\":\"v1\"",
            "\"https://[::1]/\"",
            "\"https://a:b@c/\"",
            "null",
            "[]",
            "{}",
            "//",
            "..",
            "\\u0000",
        ],
        grammar: "(\\[|\\{\"files\":\\[)(\\{(\"(path|state|locality|onDisk|error)\":(\"[A-Z/.a-z]{0,12}\"|true|null|[0-9]{1,4}),?){0,5}\\},?){0,4}(\\]|\\]\\})",
        inputs: 3_000,
        longest: 64 << 10,
    };
    target.fuzz(|input| {
        let answer = answer(200, input);
        let mut said = String::new();
        match tape_api(&answer) {
            Ok(api) => {
                assert_eq!(api.uri.scheme(), "https");
                assert!(api.uri.username().is_empty() && api.uri.query().is_none());
            }
            Err(reason) => said.push_str(&reason),
        }
        match read_progress(&answer) {
            Ok(progress) => said.push_str(if progress.settled() {
                "settled"
            } else {
                "open"
            }),
            Err(reason) => said.push_str(&reason),
        }
        match localities(&answer) {
            Ok(_) => said.push_str("localities"),
            Err(reason) => said.push_str(&reason),
        }
        assert!(said.len() < 4 << 10, "{} bytes", said.len());
        said
    });
}

/// Wherever a server sends us: never off https, and with the token only to hosts that may have it.
#[test]
fn redirects() {
    let target = Target {
        name: "redirect",
        seeds: Vec::new(),
        words: &[
            "https://",
            "http://",
            "//",
            "\\\\",
            "@",
            ":",
            "?authz=x",
            "#",
            "%2e",
            "%00",
            "se.example.org",
            ".pool.example.org",
            "evil.example.org",
            "file:",
            "data:,",
            "javascript:",
            "[::1]",
            "127.1",
            "0x7f000001",
            "\u{3002}",
            "ｓｅ",
            "\t",
            "\n",
            "..",
            ":443",
            ":0",
            ":99999",
            "blob:https://se.example.org/",
        ],
        grammar: "(https?:)?[/\\\\]{0,3}([a-z0-9]{0,6}(:[a-z]{0,4})?@)?(se|a\\.pool|evil|[a-z]{1,5})(\\.example)?\\.org(\\.|:[0-9]{0,6})?(/[a-z.%0-9]{0,9}){0,3}(\\?[a-z=&%0-9]{0,12})?",
        inputs: 6_000,
        longest: 4 << 10,
    };
    let own = Url::parse("https://se.example.org:8443").expect("a URL");
    let policy = RedirectPolicy::new(&own, &["*.pool.example.org".into(), "[".into()]);
    let from = own.join("/wlcg/dir/f?x=1").expect("a URL");
    target.fuzz(|input| {
        let location = String::from_utf8_lossy(input);
        match policy.step(&from, &location) {
            RedirectStep::Refuse(reason) => {
                assert!(reason.len() < 1 << 10, "{} bytes", reason.len());
                reason
            }
            RedirectStep::Follow { to, token } => {
                assert_eq!(to.scheme(), "https");
                assert!(to.username().is_empty() && to.password().is_none(), "{to}");
                let host = to.host_str().expect("a host");
                let allowed = host == "se.example.org" || host.ends_with(".pool.example.org");
                assert!(!token || allowed, "{location:?} leads to {to}");
                // The text that goes onto the wire is read back as the same place.
                assert_eq!(Url::parse(to.as_str()).expect("a URL"), to);
                assert_eq!(policy.trusts(&to), allowed, "{to}");
                format!("followed {token} {allowed}")
            }
        }
    });
}

/// What comes instead of HTTP over TLS, to both clients: an answer or a reason, soon, and never the token.
#[test]
fn wire() {
    const TOKEN: &str = "Q7zX9kVt3pLmW8aB-of-the-wire";
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let authority = Authority::new().expect("a certificate authority");
    let said = Arc::new(Mutex::new(Vec::new()));
    let port = runtime.block_on(parrot(&authority, Arc::clone(&said)));
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.ca_pem()).expect("a file");
    let text = format!(
        "issuers: {{i: {{url: 'https://i.example.org/', token-file: t}}}}\nendpoints:\n  se:\n    endpoint: https://localhost:{port}\n    paths: {{a: /a}}\n    issuer: i\n    ca: {}\n    limits: {{connect: {NEVER}, first-byte: 5s, idle: 5s, body: 4096}}\n",
        ca.display()
    );
    let source = SourceFile {
        name: "endpoints.yaml".into(),
        text: text.into(),
    };
    let sender = Sender::new(&source, TOKEN);
    let target = Target {
        name: "wire",
        seeds: Vec::new(),
        words: &[
            "HTTP/1.1 ",
            "HTTP/1.0 ",
            "HTTP/2 ",
            "\r\n",
            "\n",
            "Content-Length: ",
            "Transfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
            "Connection: close\r\n",
            "Content-Encoding: gzip\r\n",
            "100 Continue\r\n\r\n",
            "307 x\r\nLocation: ",
            "ffffffffffffffff\r\n",
            " \t",
            ":",
            "\0",
            "Upgrade: h2c\r\n",
            "101 Switching Protocols\r\n",
            TOKEN,
            "Retry-After: 99999999999\r\n",
        ],
        grammar: "HTTP/1\\.[019] [0-9]{1,4}( [a-z]{0,6})?\r\n([A-Za-z-]{1,12}: ?[a-z0-9 ;=]{0,12}\r\n){0,5}\r\n[a-z0-9\r\n]{0,40}",
        inputs: 100,
        longest: 24 << 10,
    };
    target.fuzz(|input| {
        *said.lock().expect("the word") = input.to_vec();
        let mut told = String::new();
        for (ended, exchange) in runtime.block_on(sender.send(Method::Get, None)) {
            let recorded = serde_json::to_string(&exchange).expect("JSON");
            assert!(!recorded.contains(TOKEN), "{recorded}");
            match ended {
                Ok(answer) => {
                    assert!(answer.body.len() <= 4 << 10);
                    told.push_str(&format!("answered {}", answer.status / 100));
                }
                Err(failure) => {
                    let reason = failure.to_string();
                    assert!(
                        !reason.contains(TOKEN) && reason.len() < 1 << 10,
                        "{reason}"
                    );
                    assert!(!reason.contains("within"), "it was waited for: {reason}");
                    told.push_str(&reason);
                }
            }
        }
        told
    });
}

/// A server that hears the head of a request, says what it was told, and hangs up.
async fn parrot(authority: &Authority, said: Arc<Mutex<Vec<u8>>>) -> u16 {
    let certificate = authority.certificate().expect("a certificate");
    let chain =
        CertificateDer::from_pem_slice(certificate.certificate_pem.as_bytes()).expect("PEM");
    let key = certificate.key_pem.expose_secret().as_bytes();
    let key = PrivateKeyDer::from_pem_slice(key).expect("PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a server");
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (tls, said) = (tls.clone(), Arc::clone(&said));
            tokio::spawn(async move {
                let Ok(mut stream) = tls.accept(tcp).await else {
                    return;
                };
                let mut head = Vec::new();
                let mut piece = [0; 2048];
                while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                    match stream.read(&mut piece).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => head.extend_from_slice(&piece[..count]),
                    }
                }
                let words = said.lock().expect("the word").clone();
                let _ = stream.write_all(&words).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}
