//! Storage with which no TLS comes about, or only some.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use secrecy::ExposeSecret;

use crate::common::test_bed::TestBed;
use crate::common::wild::{Act, Wild, identity};

use super::gate::{Fate, Gate};
use super::rows::{self, CASE, Row};

/// The lab's good certificate with other ways in TLS.
fn server(
    bed: &TestBed,
    versions: &[&'static SupportedProtocolVersion],
    client: bool,
    must: bool,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("versions");
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(bed.authority.ca_pem().as_bytes()).expect("a CA");
    roots.add(ca).expect("a root");
    let asking = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let asking = match must {
        true => asking,
        false => asking.allow_unauthenticated(),
    };
    let builder = match client {
        true => builder.with_client_cert_verifier(asking.build().expect("a verifier")),
        false => builder.with_no_client_auth(),
    };
    let certificate = bed.authority.certificate().expect("a certificate");
    let (chain, key) = identity(
        &certificate.certificate_pem,
        certificate.key_pem.expose_secret(),
    );
    builder.with_single_cert(chain, key).expect("a server")
}

const DEMANDED: &str =
    "the server demands a client certificate, and tokens are all that is shown here";

#[test]
fn versions_of_tls_and_client_certificates() {
    use rustls::version::{TLS12, TLS13};
    let bed = TestBed::new();
    let table = [
        ("tls-1.2", &[&TLS12][..], false, false, "pass"),
        ("tls-1.3", &[&TLS13], false, false, "pass"),
        ("asks-for-a-client-1.2", &[&TLS12], true, false, "pass"),
        ("asks-for-a-client-1.3", &[&TLS13], true, false, "pass"),
        ("demands-a-client-1.2", &[&TLS12], true, true, DEMANDED),
        ("demands-a-client-1.3", &[&TLS13], true, true, DEMANDED),
    ];
    let rows = table.map(|(name, versions, client, must, _)| {
        let storage = bed.storage(&[]);
        let config = server(&bed, versions, client, must);
        let front = Wild::with(&bed, config, storage.port(), |_, _| Act::Pass);
        Row::new(name, front.url().to_owned(), storage, front)
    });
    let came = rows::run(&bed, &rows, &["--case", CASE]);
    for ((row, result), (.., told)) in rows.iter().zip(&came.results).zip(table) {
        let heard = row.front.heard().len();
        match told == "pass" {
            true => assert_eq!((result.text.as_str(), heard > 5), ("pass", true)),
            false => {
                let unreachable = result.text.starts_with("error unreachable: ");
                assert!(unreachable, "{}: {}", row.name, result.text);
                assert!(result.text.contains(told), "{}: {}", row.name, result.text);
                assert_eq!(heard, 0, "{}", row.name);
            }
        }
        result.expect_nothing_left(&row.name);
    }
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
    assert!(came.ended.stdout.contains(DEMANDED), "{:?}", came.ended);
}

const OLD: &str = "the server speaks no TLS that is safe enough (ServerDoesNotSupportTls12Or13): it needs TLS 1.2 or 1.3";
const NO_TLS: &str = "what came is not TLS: see whether the port is right and speaks https";
const HUNG_UP: &str = "the server hung up in the TLS handshake: its log may say why";

/// An alert of that number (RFC 8446 section 6), fatal.
fn alert(number: u8) -> Fate {
    Fate::Say(vec![21, 3, 1, 0, 2, 2, number])
}

/// A ServerHello of that version, with the suite TLS_RSA_WITH_AES_128_CBC_SHA.
fn old_hello(minor: u8) -> Fate {
    let mut hello = vec![22, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    Fate::Say(hello)
}

fn broken() -> Vec<(&'static str, Fate, &'static str)> {
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let tenth = Duration::from_millis(100);
    vec![
        ("tls-1.0", old_hello(1), OLD),
        ("tls-1.1", old_hello(2), OLD),
        ("ssl-3", old_hello(0), OLD),
        (
            "old-alert",
            alert(70),
            "the server refuses TLS 1.2 and 1.3, and nothing older is spoken here",
        ),
        (
            "no-common-cipher",
            alert(40),
            "(HandshakeFailure): it demands a client certificate, which is not shown here, or has no cipher in common",
        ),
        (
            "unknown-name",
            alert(112),
            "the server does not know itself by this name: ask it by another one",
        ),
        (
            "internal-error",
            alert(80),
            "the server broke off TLS (InternalError): its log may say why",
        ),
        (
            "reset-at-once",
            Fate::Reset(0),
            "no connection: Connection reset by peer",
        ),
        (
            "reset-after-hello",
            Fate::Reset(1),
            "no connection: Connection reset by peer",
        ),
        ("closed-after-hello", Fate::Say(Vec::new()), HUNG_UP),
        (
            "garbage",
            Fate::Say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            NO_TLS,
        ),
        ("zeros", Fate::Say(vec![0; 64]), NO_TLS),
        ("http", Fate::Say(http.to_vec()), NO_TLS),
        (
            "huge-record",
            Fate::Say([&[22, 3, 3, 0xff, 0xff][..], &[0; 70_000]].concat()),
            "no proper TLS (received corrupt message of type MessageTooLarge): see whether the port",
        ),
        ("silence", Fate::Silence, "no connection in time"),
        (
            "endless",
            Fate::Again(vec![b'x'; 65_536], Duration::ZERO),
            NO_TLS,
        ),
        (
            "endless-records",
            Fate::Again(vec![22, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff], Duration::ZERO),
            "no proper TLS (received corrupt message of type HandshakePayloadTooLarge): see",
        ),
        (
            "endless-warnings",
            Fate::Again([21, 3, 3, 0, 2, 1, 90].repeat(512), Duration::ZERO),
            "no proper TLS (peer misbehaved: TooManyWarningAlertsReceived): see",
        ),
        (
            "slow-nonsense",
            Fate::Again(vec![22], tenth),
            "no proper TLS (received corrupt message of type UnknownProtocolVersion): see",
        ),
        (
            "slow-handshake",
            Fate::Trickle(Duration::from_secs(60)),
            "no connection in time",
        ),
        ("closed-in-hello", Fate::CutAfter(40), HUNG_UP),
        ("closed-in-certificate", Fate::CutAfter(500), HUNG_UP),
    ]
}

#[test]
fn a_handshake_that_breaks_is_told() {
    let bed = TestBed::new();
    let table = broken();
    let rows = table.iter().map(|(name, fate, _)| {
        let storage = bed.storage(&[]);
        let front = Gate::start(&bed, "127.0.0.1:0", &storage, fate);
        let row = Row::new(name, front.url("localhost"), storage, front);
        // The others break at once; over these the handshake would never come about.
        let limits = match fate {
            Fate::Silence | Fate::Trickle(_) => ", connect: 2s",
            _ => "",
        };
        Row { limits, ..row }
    });
    let rows: Vec<_> = rows.collect();
    let came = rows::run(&bed, &rows, &["--case", CASE]);
    for ((row, result), (_, _, told)) in rows.iter().zip(&came.results).zip(table) {
        let text = &result.text;
        let unreachable = text.starts_with("error unreachable: no connection");
        assert!(unreachable, "{}: {text}", row.name);
        assert!(text.contains(told), "{}: {text}", row.name);
        assert!((1..=2).contains(&row.front.come()), "{}: {text}", row.name);
        result.expect_nothing_left(&row.name);
    }
    assert_eq!(came.ended.code, Some(3), "{:?}", came.ended);
}
