mod common;
use common::lab::Lab;
use common::xrootd::{Xrootd, XrootdOptions};
use secrecy::ExposeSecret;
#[test]
fn probe() {
    let lab = Lab::new();
    let certificate = lab.authority.certificate().expect("a certificate");
    let server = Xrootd::start(XrootdOptions {
        issuer: lab.issuer.url(),
        second_issuer: lab.neighbour.url(),
        ca_pem: lab.authority.ca_pem(),
        certificate_pem: &certificate.certificate_pem,
        key_pem: certificate.key_pem.expose_secret(),
    });
    lab.endpoints(
        &[("se-xrootd", &server.url())],
        "    traits: {macaroons: true}\n",
    );
    let ended = lab.run(&["run", "--slow", "--case", "macaroon.*"]);
    std::fs::write(
        "/tmp/maca_x.out",
        format!("{}\n{}\n{}", ended.stdout, ended.stderr, server.log_tail()),
    )
    .unwrap();
    let _ = std::process::Command::new("cp")
        .args([
            "-rL",
            &lab.path("reports/latest").display().to_string(),
            "/tmp/maca_xrep",
        ])
        .status();
    let t = |scope: &str| {
        let out = std::process::Command::new("curl")
            .args([
                "-s",
                "--cacert",
                &lab.path("ca.pem").display().to_string(),
                "-u",
                &format!(
                    "{}:{}",
                    lab.issuer.client_id(),
                    lab.issuer.client_secret().expose_secret()
                ),
                "-d",
                "grant_type=client_credentials",
                "-d",
                &format!("scope={scope}"),
                "-d",
                "audience=https://wlcg.cern.ch/jwt/v1/any",
                &format!("{}token", lab.issuer.url()),
            ])
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    std::fs::write("/tmp/maca_tok", t("storage.read:/ storage.modify:/")).unwrap();
    std::fs::write(
        "/tmp/maca_url",
        format!("{} {}", server.url(), lab.path("ca.pem").display()),
    )
    .unwrap();
    if std::env::var("MACA_HOLD").is_ok() {
        while std::path::Path::new("/tmp/maca_hold").exists() {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }
    let _ = std::process::Command::new("sh")
        .args([
            "-c",
            &format!(
                "cat {}/server/server.log > /tmp/maca_x.log",
                server
                    .area_root()
                    .parent()
                    .unwrap()
                    .parent()
                    .unwrap()
                    .display()
            ),
        ])
        .status();
}
