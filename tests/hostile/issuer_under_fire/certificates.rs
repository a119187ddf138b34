//! Issuers whose certificate is not to be trusted: no secret is sent, and what to do is told.

use touchstone_reference::{Authority, ServerCertificate};

use super::site::{ONE, Site, side_by_side};
use crate::common::wild::Act;

#[derive(Clone, Copy, Debug)]
enum Certificate {
    Expired,
    SelfSigned,
    OtherName,
    UnknownAuthority,
}

fn made(certificate: Certificate, authority: &Authority) -> ServerCertificate {
    match certificate {
        Certificate::Expired => authority.expired_certificate().expect("a certificate"),
        Certificate::OtherName => authority
            .certificate_for(&["issuer.example.org"])
            .expect("a certificate"),
        Certificate::UnknownAuthority => Authority::new()
            .and_then(|other| other.certificate())
            .expect("a certificate"),
        Certificate::SelfSigned => {
            let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
            let signed = signed.expect("a certificate");
            ServerCertificate {
                certificate_pem: signed.cert.pem(),
                key_pem: signed.signing_key.serialize_pem().into(),
            }
        }
    }
}

#[test]
fn a_certificate_that_is_not_trusted_gets_no_secret() {
    let rows: [(Certificate, &[&str]); 4] = [
        (
            Certificate::Expired,
            &["has been expired since 2020-", "it needs a new one"],
        ),
        (
            Certificate::SelfSigned,
            &["a CA that is not trusted here", "name the CA in `ca`"],
        ),
        (
            Certificate::OtherName,
            &[
                "not for localhost but for issuer.example.org",
                "ask it by a name in its certificate",
            ],
        ),
        (
            Certificate::UnknownAuthority,
            &["a CA that is not trusted here", "name the CA in `ca`"],
        ),
    ];
    side_by_side(&rows, |bed, (certificate, says)| {
        let front = made(*certificate, &bed.authority);
        let site = Site::behind(bed, (front, Box::new(|_, _| Act::Pass)));
        let what = format!("{certificate:?}");
        let came = site.run(&ONE);
        came.expect(&what, 3, &[&["error the observer"], *says].concat());
        assert!(
            site.server.asked().is_empty(),
            "{what}: {:?}",
            site.server.asked()
        );
        came.expect_nothing_left(&what);
        came.expect_no_secret();
    });
}
