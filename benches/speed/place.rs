//! An issuer and storage elements to measure against, near or far, and the files that name them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use touchstone_reference::{Authority, IssuerOptions, ReferenceIssuer, Storage, StorageOptions};

use crate::common::delay::Relay;
use crate::common::test_bed::{SECRET, two_areas};
use crate::common::xrootd::{Xrootd, XrootdOptions};
use crate::measure::binary;

/// Whence the tokens of a run come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// The issuer is asked, as gently as by default. With `key`, what no honest issuer signs is made with its key.
    Asked { key: bool },
    /// The same without a limit.
    AskedAtOnce,
    /// All are made with the key of a test issuer.
    Made,
}

/// Everything lives as long as the value.
pub struct Place {
    pub runtime: Runtime,
    pub authority: Authority,
    pub issuer: ReferenceIssuer,
    neighbour: ReferenceIssuer,
    pub folder: TempDir,
    round_trip: Option<Duration>,
    to_issuer: Option<Relay>,
    storages: Vec<Storage>,
    xrootd: Option<Xrootd>,
    /// One for each storage element, when they are far away.
    pub relays: Vec<Relay>,
}

impl Place {
    /// With a round trip, everything is behind a relay; without one, clients connect directly.
    pub fn new(round_trip: Option<Duration>) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let authority = Authority::new().expect("a certificate authority");
        let reserved = round_trip.map(|time| Relay::reserve(&runtime, time).expect("a relay"));
        let options = IssuerOptions {
            public_port: reserved.as_ref().map_or(0, Relay::port),
            ..IssuerOptions::default()
        };
        let start = |options| {
            runtime
                .block_on(ReferenceIssuer::start(&authority, options))
                .expect("an issuer")
        };
        let issuer = start(options);
        let neighbour = start(IssuerOptions {
            path: "/neighbour".into(),
            ..IssuerOptions::default()
        });
        if let Some(relay) = &reserved {
            relay.forward(loopback(issuer.port()));
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Self {
            runtime,
            authority,
            issuer,
            neighbour,
            folder,
            round_trip,
            to_issuer: reserved,
            storages: Vec::new(),
            xrootd: None,
            relays: Vec::new(),
        };
        place.write("ca.pem", place.authority.ca_pem());
        for (name, issuer) in [("key.pem", &place.issuer), ("other.pem", &place.neighbour)] {
            place.write(name, issuer.test_key_pem().expose_secret());
        }
        place
    }

    /// Starts a reference storage element, and tells its URL. `counted` ones remember their requests.
    pub fn storage(&mut self, counted: bool) -> String {
        let relay = self.relay();
        let options = StorageOptions {
            public_port: relay.as_ref().map_or(0, Relay::port),
            recorded: counted,
            ..two_areas(&self.authority, &self.issuer, &self.neighbour)
        };
        let started = Storage::start(&self.authority, options);
        let storage = self.runtime.block_on(started).expect("a storage element");
        let url = storage.url().to_owned();
        if let Some(relay) = relay {
            relay.forward(loopback(storage.port()));
            self.relays.push(relay);
        }
        self.storages.push(storage);
        url
    }

    /// Starts an XRootD, and tells its URL.
    pub fn xrootd(&mut self) -> String {
        let certificate = self.authority.certificate().expect("a certificate");
        let mut server = Xrootd::start(XrootdOptions {
            issuer: self.issuer.url(),
            second_issuer: self.neighbour.url(),
            ca_pem: self.authority.ca_pem(),
            certificate_pem: &certificate.certificate_pem,
            key_pem: certificate.key_pem.expose_secret(),
        });
        let mut url = server.url();
        if let Some(relay) = self.relay() {
            url = relay.origin();
            server.also_known_as(&url);
            relay.forward(loopback(server.port()));
            self.relays.push(relay);
        }
        self.xrootd = Some(server);
        url
    }

    fn relay(&self) -> Option<Relay> {
        let reserve = |time| Relay::reserve(&self.runtime, time).expect("a relay");
        self.round_trip.map(reserve)
    }

    /// Connections that were opened to storage, where they went through relays.
    pub fn connections(&self) -> usize {
        let relays = self.relays.iter();
        relays.map(|relay| relay.counters().opened).sum()
    }

    /// Connections that were opened to the issuer, in the same way.
    pub fn issuer_connections(&self) -> usize {
        let relay = self.to_issuer.as_ref();
        relay.map_or(0, |relay| relay.counters().opened)
    }

    /// Requests that the reference storage elements have remembered.
    pub fn requests(&self) -> usize {
        let storages = self.storages.iter();
        storages.map(|storage| storage.requests().len()).sum()
    }

    /// Writes endpoints.yaml with these endpoints, by name.
    pub fn endpoints(&self, urls: &[(String, String)], tokens: Tokens) {
        let credentials = format!(
            "    client-credentials: {{id: {}, secret-env: {SECRET}}}\n",
            self.issuer.client_id()
        );
        let key = format!(
            "    test-key: {{file: key.pem, kid: {}}}\n",
            self.issuer.test_key_id()
        );
        let source = match tokens {
            Tokens::Asked { key: false } => credentials,
            Tokens::Asked { key: true } => credentials + &key,
            Tokens::AskedAtOnce => credentials + "    limits: {rate: 10000}\n",
            Tokens::Made => key,
        };
        let mut text = format!(
            "issuers:\n  lab:\n    url: {}\n    ca: ca.pem\n{source}  neighbour:\n    url: {}\n    ca: ca.pem\n    test-key: {{file: other.pem}}\nendpoints:\n",
            self.issuer.url(),
            self.neighbour.url(),
        );
        for (name, url) in urls {
            text.push_str(&format!(
                "  {name}:\n    endpoint: {url}\n    paths: {{wlcg: /wlcg}}\n    issuer: lab\n    second: {{path: /wlcg2, issuer: neighbour}}\n    ca: ca.pem\n    traits: {{macaroons: true}}\n"
            ));
        }
        self.write("endpoints.yaml", &text);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file in the folder");
    }

    /// `touchstone run`, with the reports in `reports`.
    pub fn run(&self, cases: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(["run", "--report-dir", "reports"]);
        if !cases.is_empty() {
            command.arg("--case").args(cases);
        }
        command
            .current_dir(self.folder.path())
            .env(SECRET, self.issuer.client_secret().expose_secret())
            .env_remove("RUST_LOG");
        command
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
