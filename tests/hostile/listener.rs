//! Who comes to a port on which a run listens is not always the storage element.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use crate::common::middle::Middle;
use crate::common::test_bed::TestBed;

const CASE: &str = "authentication.issuer.foreign.unasked.read";

/// Whoever looks for open ports connects, sends nothing or what it always sends, and goes.
#[test]
fn noise_at_an_open_port_accuses_nobody() {
    for (said, verdict, told) in [
        (&b""[..], "pass", "asked for nothing that the token names"),
        (
            b"GET / HTTP/1.0\r\n\r\n",
            "pass",
            "asked for nothing that the token names",
        ),
        // Its address is that of the storage element.
        (
            &[22, 3, 1, 0, 1, 1],
            "fail",
            "with the beginning of a TLS handshake",
        ),
    ] {
        let bed = TestBed::new();
        let storage = bed.storage(&[]);
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let middle = Middle::start(&bed, &storage, move |_| {
            // Only the case with the token listens.
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                stream.write_all(said).expect("some bytes");
            }
            None
        });
        let more = format!("    audience: {}\n", storage.url());
        bed.endpoints(&[("se", middle.url())], &more);
        let listen = format!("localhost:{port}");
        let run = bed.run(&["run", "--case", CASE, "--listen", &listen]);
        let result = &bed.record()["results"][0];
        assert_eq!(result["verdict"], verdict, "{said:?}: {run:?}");
        let findings = result["findings"].to_string();
        assert!(findings.contains(told), "{said:?}: {findings}");
    }
}
