//! Deviations of third-party copies that a proxy makes in front of a real XRootD: they are told as they are where a storage
//! element of our own makes them.

use crate::common::test_bed::{TestBed, outcomes};
use crate::common::wild::{Act, Edit, Wild};
use crate::common::xrootd::{PATIENT, Xrootd, XrootdOptions};
use secrecy::ExposeSecret;

/// A deviation, and the cases that tell it.
struct Row {
    name: &'static str,
    /// What becomes of a COPY; at hand is a token that may everything.
    act: fn(&str) -> Act,
    cases: &'static [&'static str],
}

/// Carries the credential for the other side.
const CREDENTIAL: &str = "TransferHeaderAuthorization";

const ROWS: &[Row] = &[
    Row {
        name: "nothing",
        act: |_| Act::Pass,
        cases: &[],
    },
    Row {
        name: "no markers",
        act: |_| {
            Act::Instead(
                b"HTTP/1.1 201 Created\r\nContent-Length: 17\r\nConnection: close\r\n\r\nsuccess: Created\n".to_vec(),
            )
        },
        cases: &["tpc.markers"],
    },
    Row {
        name: "no query",
        act: |_| Act::Edit(Edit::new(|head| each_line(head, without_query))),
        cases: &["tpc.query.pull", "tpc.query.push"],
    },
    Row {
        name: "another token",
        act: |token| {
            let token = token.to_owned();
            Act::Edit(Edit::new(move |head| {
                each_line(head, |line| match header(line, "authorization") {
                    true => format!("Authorization: Bearer {token}"),
                    false => line.to_owned(),
                })
            }))
        },
        cases: &[
            "tpc.pull.expired",
            "tpc.pull.forged",
            "tpc.pull.other-audience",
            "tpc.push.expired",
            "tpc.push.forged",
            "tpc.push.other-audience",
        ],
    },
    Row {
        name: "another credential",
        act: |token| {
            let token = token.to_owned();
            Act::Edit(Edit::new(move |head| {
                let head = each_line(head, |line| match header(line, CREDENTIAL) {
                    true => "X-Removed: credential".to_owned(),
                    false => line.to_owned(),
                });
                let more = format!("\r\n{CREDENTIAL}: Bearer {token}\r\n\r\n");
                head.trim_end().to_owned() + &more
            }))
        },
        cases: &["tpc.forward.pull", "tpc.forward.push"],
    },
];

fn header(line: &str, name: &str) -> bool {
    let named = line.split_once(':').map(|(named, _)| named);
    named.is_some_and(|named| named.eq_ignore_ascii_case(name))
}

fn each_line(head: &str, edit: impl Fn(&str) -> String) -> String {
    let lines = head.split("\r\n").map(edit);
    lines.collect::<Vec<_>>().join("\r\n")
}

fn without_query(line: &str) -> String {
    let names = header(line, "source") || header(line, "destination");
    let end = line.find('?').filter(|_| names);
    line[..end.unwrap_or(line.len())].to_owned()
}

#[test]
fn what_a_proxy_spoils_of_third_party_copies_is_told() {
    let bed = TestBed::new();
    let certificate = bed.authority.certificate().expect("a certificate");
    let server = Xrootd::start(XrootdOptions {
        issuer: bed.issuer.url(),
        second_issuer: bed.neighbour.url(),
        ca_pem: bed.authority.ca_pem(),
        certificate_pem: &certificate.certificate_pem,
        key_pem: certificate.key_pem.expose_secret(),
    });
    bed.endpoints(&[("se", &server.url())], PATIENT);
    let scope = "storage.read:/ storage.create:/ storage.modify:/";
    let given = bed.run(&["token", "get", "--issuer", "lab", "--scope", scope]);
    let token = given.expect(0).stdout.trim().to_owned();
    let cases: Vec<_> = ROWS.iter().flat_map(|row| row.cases).copied().collect();
    let mut honest = None;
    let told_as = |told: &str| ["fail ", "warn "].iter().any(|word| told.starts_with(word));
    for row in ROWS {
        let (act, token) = (row.act, token.clone());
        let front = Wild::start(&bed, server.port(), move |method, _| match method {
            "COPY" => act(&token),
            _ => Act::Pass,
        });
        bed.endpoints(&[("se", front.url())], PATIENT);
        let asked = if honest.is_none() { &cases } else { row.cases };
        let run = [&["run", "--case"], asked, &bed.listening()].concat();
        let ended = bed.run(&run);
        let found = outcomes(&bed.record_of(&ended));
        assert_eq!(found.len(), asked.len(), "{ended:?}");
        let honest = honest.get_or_insert_with(|| found.clone());
        for case in row.cases {
            let (was, told) = (&honest[*case], &found[*case]);
            assert!(
                told_as(told) && told != was,
                "{}: {case}: {told}, and without it {was}",
                row.name
            );
        }
    }
    assert_eq!(server.deaths(), 0, "{}", server.log_tail());
}
