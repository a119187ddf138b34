//! An issuer whose tokens are signed, the storage element that trusts it, and runs against both.

use std::collections::HashMap;
use std::sync::Mutex;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use touchstone_reference::{ServerCertificate, Storage};

use crate::common::issuer::{Asked, METADATA, Reply, ScriptedIssuer, metadata};
use crate::common::test_bed::{Ended, SECRET, TestBed, expect_no_secret};
use crate::common::waiting::HANGS;
use crate::common::wild::{self, Act, Wild};

/// Cases with a few distinct tokens, which make objects.
pub const FEW: [&str; 3] = ["--case", "capability.read.*", "capability.create.*"];
/// One of them, where nothing goes beyond the start.
pub const ONE: [&str; 2] = ["--case", "capability.read.get"];
/// So many answers are good before the trouble begins.
pub const GOOD: usize = 2;

/// The limit of an answer that never comes, in seconds.
pub const SHORT: u64 = 3;

/// A key, and what an issuer with it says.
pub struct Signer {
    key: EncodingKey,
    kid: &'static str,
    /// The issuer's identifier.
    pub url: String,
}

impl Signer {
    fn new(kid: &'static str, url: String) -> Self {
        let pair = rcgen::KeyPair::generate().expect("a key");
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a key");
        Self { key, kid, url }
    }

    /// The same issuer with another key.
    pub fn rotated(&self) -> Self {
        Self::new("rotated", self.url.clone())
    }

    /// Its public key as it is published.
    pub fn keys(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).expect("a JWK");
        jwk.common.key_id = Some(self.kid.into());
        json!({"keys": [jwk]})
    }

    /// What it says about itself.
    pub fn metadata(&self) -> Value {
        metadata(self.url.trim_end_matches('/'))
    }

    /// A good token, which `change` spoils.
    pub fn token(&self, asked: &Asked, change: impl FnOnce(&mut Value)) -> String {
        let form = asked.form();
        let said = |name: &str| form.get(name).cloned().unwrap_or_default();
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "wlcg.ver": "1.0", "iss": self.url, "sub": "somebody", "aud": said("audience"), "scope": said("scope"),
            "jti": uuid::Uuid::new_v4().to_string(), "iat": now, "nbf": now, "exp": now + 1200,
        });
        change(&mut claims);
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.into());
        encode(&header, &claims, &self.key).expect("a token")
    }

    /// The answer with such a token.
    pub fn grants(&self, asked: &Asked, change: impl FnOnce(&mut Value)) -> Reply {
        granted(&self.token(asked, change))
    }
}

/// The answer with that as token.
pub fn granted(token: &str) -> Reply {
    Reply::json(
        200,
        &json!({"access_token": token, "token_type": "Bearer", "expires_in": 1200}),
    )
}

/// Who stands in front of the issuer: with that certificate, and what he does to which request.
pub type Front = (
    ServerCertificate,
    Box<dyn Fn(&str, &str) -> Act + Send + Sync>,
);

/// The issuer, perhaps behind somebody who breaks exchanges, and storage that trusts it.
pub struct Site<'l> {
    pub bed: &'l TestBed,
    pub server: ScriptedIssuer,
    pub storage: Storage,
    /// The issuer's identifier.
    pub url: String,
    /// The limit of an answer, in seconds: it does not matter but where one never comes, as [`SHORT`].
    pub answer: u64,
    /// Added to the issuer and to the endpoint in the file, indented by four.
    pub of_issuer: String,
    pub of_endpoint: String,
    _wild: Option<Wild>,
    before: Vec<String>,
}

impl<'l> Site<'l> {
    /// The script gets how often the same path was asked for before; what it leaves open is answered well.
    pub fn new(
        bed: &'l TestBed,
        script: impl Fn(usize, &Signer, &Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::set_up(bed, None, script)
    }

    /// The issuer answers well, but somebody stands in front of it.
    pub fn behind(bed: &'l TestBed, front: Front) -> Self {
        Self::set_up(bed, Some(front), |_, _, _| None)
    }

    fn set_up(
        bed: &'l TestBed,
        front: Option<Front>,
        script: impl Fn(usize, &Signer, &Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let server = ScriptedIssuer::start(&bed.runtime, &bed.authority, |_| None);
        let wild = front.map(|(certificate, act)| {
            let key = certificate.key_pem.expose_secret();
            let config = wild::server(&certificate.certificate_pem, key);
            Wild::with(bed, config, server.port(), act)
        });
        let url = wild
            .as_ref()
            .map_or(server.url(), |wild| format!("{}/", wild.url()));
        let signer = Signer::new("k", url.clone());
        let seen: Mutex<HashMap<String, usize>> = Mutex::default();
        server.script(move |asked| {
            let number = {
                let mut seen = seen.lock().expect("a count");
                let count = seen.entry(asked.path.clone()).or_default();
                *count += 1;
                *count - 1
            };
            script(number, &signer, asked).or_else(|| match asked.path.as_str() {
                METADATA => Some(Reply::json(200, &signer.metadata())),
                "/jwks" => Some(Reply::json(200, &signer.keys())),
                "/token" => Some(signer.grants(asked, |_| {})),
                _ => None,
            })
        });
        let storage = bed.start(bed.trusting(&url));
        Self {
            before: storage.paths(),
            bed,
            server,
            storage,
            url,
            answer: HANGS.as_secs(),
            of_issuer: String::new(),
            of_endpoint: String::new(),
            _wild: wild,
        }
    }

    /// Runs these cases.
    pub fn run(&self, arguments: &[&str]) -> Came<'_> {
        self.bed.write(
            "endpoints.yaml",
            &format!(
                "issuers:\n  testing:\n    url: {}\n    ca: ca.pem\n    limits: {{answer: {}s, patience: 2s, rate: 1000}}\n    client-credentials: {{id: me, secret-env: {SECRET}}}\n{}endpoints:\n  se:\n    endpoint: {}\n    paths: {{wlcg: /wlcg}}\n    issuer: testing\n    ca: ca.pem\n{}",
                self.url,
                self.answer,
                self.of_issuer,
                self.storage.url(),
                self.of_endpoint,
            ),
        );
        let ended = self.bed.run(&[&["run"], arguments].concat());
        Came {
            site: self,
            record: self.bed.record(),
            ended,
        }
    }

    /// How many token requests came.
    pub fn asked(&self) -> usize {
        let asked = self.server.asked();
        asked.iter().filter(|asked| asked.path == "/token").count()
    }

    /// What is on the storage that was not there from the start.
    pub fn left(&self) -> Vec<String> {
        let paths = self.storage.paths().into_iter();
        paths.filter(|path| !self.before.contains(path)).collect()
    }
}

/// What came of a run.
pub struct Came<'s> {
    site: &'s Site<'s>,
    pub ended: Ended,
    pub record: Value,
}

impl Came<'_> {
    /// The verdicts but skip and error, and the reasons of those, each after its verdict.
    pub fn outcome(&self) -> (Vec<&str>, Vec<String>) {
        let (mut verdicts, mut reasons) = (Vec::new(), Vec::new());
        for result in self.record["results"].as_array().expect("results") {
            match result["verdict"].as_str().expect("a verdict") {
                verdict @ ("skip" | "error") => {
                    let reason = result["reason"].as_str().unwrap_or_default();
                    reasons.push(format!("{verdict} {reason}"));
                }
                other => verdicts.push(other),
            }
        }
        (verdicts, reasons)
    }

    /// Fails unless it ended so, judged nothing but `pass`, and each of these is in a reason.
    pub fn expect(&self, what: &str, code: i32, says: &[&str]) {
        let (verdicts, reasons) = self.outcome();
        let ended = &self.ended;
        assert_eq!(ended.code, Some(code), "{what}: {reasons:#?} {ended:?}");
        let passed = verdicts.iter().all(|verdict| *verdict == "pass");
        assert!(passed, "{what}: {verdicts:?} {ended:?}");
        assert!(!reasons.is_empty(), "{what}: {ended:?}");
        for part in says {
            let told = reasons.iter().any(|reason| reason.contains(part));
            assert!(told, "{what}: {part:?} is not in {reasons:#?}");
        }
    }

    /// Fails if anything is left on the storage, or told to be.
    pub fn expect_nothing_left(&self, what: &str) {
        assert_eq!(self.site.left(), [""; 0], "{what}: {:?}", self.ended);
        let leftovers = &self.record["endpoints"][0]["leftovers"];
        let told = leftovers.as_array().map_or(0, Vec::len);
        assert_eq!(told, 0, "{what}: {leftovers}");
    }

    /// Fails where a secret is told.
    pub fn expect_no_secret(self) {
        expect_no_secret(self.site.bed, &self.site.bed.texts(self.ended));
    }
}

/// Runs each row of a table, four side by side, each of the four in a lab of its own.
pub fn side_by_side<T: Sync>(rows: &[T], each: impl Fn(&TestBed, &T) + Sync) {
    std::thread::scope(|scope| {
        for part in rows.chunks(rows.len().div_ceil(4).max(1)) {
            scope.spawn(|| {
                let bed = TestBed::new();
                part.iter().for_each(|row| each(&bed, row));
            });
        }
    });
}
