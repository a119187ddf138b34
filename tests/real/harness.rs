//! Whether the harness of the other tests does what they take for granted.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::TcpStream;
use std::process::Command;
use std::{fs, io};

use crate::common::xrootd::{AREA, Entry, Xrootd, XrootdOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

#[test]
fn xrootd_answers_shows_its_tree_and_stops() {
    let certificates = Certificates::new().unwrap();
    let mut server = Xrootd::start(certificates.options());
    let other = Xrootd::start(certificates.options());
    assert_ne!(server.url(), other.url());

    let answer = certificates
        .curl(&["--request", "OPTIONS", &format!("{}{AREA}/", server.url())])
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // With its version, or without since 6.
    let lower = answer.to_ascii_lowercase();
    assert!(lower.contains("\nserver: xrootd"), "{answer}");
    let file = format!("{}{AREA}/protected/file", server.url());
    let answer = certificates.curl(&["--request", "GET", &file]).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");

    let empty: BTreeMap<_, _> = ["wlcg", "wlcg/protected", "wlcg2"]
        .map(|path| (path.to_owned(), Entry::Directory))
        .into();
    assert_eq!(server.snapshot(), empty);
    fs::write(server.area_root().join("protected/file"), "content").unwrap();
    let content = Entry::File(b"content".to_vec());
    assert_eq!(server.snapshot().get("wlcg/protected/file"), Some(&content));
    assert_eq!(other.snapshot(), empty);

    assert!(server.alive());
    let address = server.url().replace("https://", "");
    let area = server.area_root();
    drop(server);
    assert!(TcpStream::connect(&address).is_err());
    assert!(!area.exists());
}

#[test]
fn xrootd_is_started_again_when_it_dies() {
    let certificates = Certificates::new().unwrap();
    let mut server = Xrootd::start(certificates.options());
    let url = server.url();
    fs::write(server.area_root().join("protected/file"), "content").unwrap();
    let before = server.snapshot();
    for deaths in 1..3 {
        server.restart();
        assert_eq!(server.deaths(), deaths);
    }
    assert_eq!((server.url(), server.snapshot()), (url.clone(), before));
    let answer = certificates
        .curl(&["--request", "OPTIONS", &format!("{url}{AREA}/")])
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    assert!(server.alive());
    drop(server);
    assert!(TcpStream::connect(url.replace("https://", "")).is_err());
}

struct Certificates {
    ca: String,
    leaf: String,
    key: String,
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Result<Self, Box<dyn Error>> {
        let mut authority = CertificateParams::new([])?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With one name for both, OpenSSL takes the leaf for a self-signed certificate.
        authority
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(["localhost".to_owned()])?;
        let leaf = leaf.signed_by(&key, &authority)?;
        let certificates = Self {
            ca: authority.pem(),
            leaf: leaf.pem(),
            key: key.serialize_pem(),
            folder: tempfile::tempdir()?,
        };
        fs::write(certificates.folder.path().join("ca.pem"), &certificates.ca)?;
        Ok(certificates)
    }

    fn options(&self) -> XrootdOptions<'_> {
        XrootdOptions {
            issuer: "https://localhost:9/",
            second_issuer: "https://localhost:9/second",
            ca_pem: &self.ca,
            certificate_pem: &self.leaf,
            key_pem: &self.key,
        }
    }

    /// The answer's head and body.
    fn curl(&self, arguments: &[&str]) -> io::Result<String> {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--include", "--noproxy", "*"])
            .arg("--cacert")
            .arg(self.folder.path().join("ca.pem"))
            .args(arguments)
            .output()?;
        assert!(output.status.success(), "{output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
