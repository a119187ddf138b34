use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::middleware::from_fn_with_state;

use super::element::{self, Element, ServedArea};
use super::faults::{self, Fault};
use super::keys::KeyRing;
use super::macaroons::MacaroonStore;
use super::namespace::{Act, Namespace};
use super::path::{ObjectPath, WrittenPath};
use super::probe::{Probe, Ruled, Sensitivity, Version};
use super::rules::{Rules, Service};
use super::server::{Port, Server};
use super::tape::Nearline;
use super::transfer::{TransferOptions, Transfers};
use super::{Authority, ReferenceError};
use touchstone_model::{Groups, Tape};

/// How a storage element is to be.
#[derive(Clone, Debug)]
pub struct StorageOptions {
    /// Port on 127.0.0.1; 0 is any free one.
    pub port: u16,
    /// Port by which clients know it, where a relay stands in front of it; 0 is its own.
    pub public_port: u16,
    /// Path of the area, `/…`; made at the start, with the protected directory in it.
    pub area: String,
    /// Whose tokens count there, character by character as in `iss`.
    pub issuer: String,
    /// Whom to trust when the issuer's keys are fetched, PEM; empty for the system's roots.
    pub issuer_ca_pem: String,
    /// What groups may do there.
    pub groups: Groups,
    /// Areas of other issuers.
    pub others: Vec<Area>,
    /// How it is to misbehave; several add up.
    pub faults: Vec<&'static Fault>,
    /// Files that are there from the start, by their path on the service.
    pub files: Vec<(String, Vec<u8>)>,
    /// What goes to tape.
    pub tape: Option<Tape>,
    /// Whether each token is good for one request.
    pub single_use: bool,
    /// Whether it remembers every request.
    pub recorded: bool,
    /// How it carries out third-party copies.
    pub transfer: TransferOptions,
    /// Where to take down which faults would have answered otherwise, if anybody wants to know.
    pub probe: Option<Arc<Sensitivity>>,
}

/// A further area, of another issuer.
#[derive(Clone, Debug)]
pub struct Area {
    /// Its path.
    pub path: String,
    /// Whose tokens count there.
    pub issuer: String,
    /// Whom to trust when the issuer's keys are fetched.
    pub issuer_ca_pem: String,
    /// What groups may do there.
    pub groups: Groups,
}

impl Default for StorageOptions {
    /// `/wlcg` of no issuer yet, on any port.
    fn default() -> Self {
        Self {
            port: 0,
            public_port: 0,
            area: "/wlcg".into(),
            issuer: String::new(),
            issuer_ca_pem: String::new(),
            groups: Groups::default(),
            others: Vec::new(),
            faults: Vec::new(),
            files: Vec::new(),
            tape: None,
            single_use: false,
            recorded: false,
            transfer: TransferOptions::default(),
            probe: None,
        }
    }
}

/// The built-in storage element. What it stores is in memory, and gone when it is dropped.
pub struct Storage {
    url: String,
    port: u16,
    element: Arc<Element>,
    _running: Running,
}

/// What is held for as long as the element lives.
#[expect(dead_code, reason = "held for their Drop")]
enum Running {
    /// It listens.
    Server(Server),
    /// It is down, and nobody else shall get its port.
    Port(Port),
}

impl Storage {
    /// Starts it in the current tokio runtime.
    pub async fn start(
        authority: &Authority,
        options: StorageOptions,
    ) -> Result<Self, ReferenceError> {
        let port = Port::take(options.port)?.known_as(options.public_port);
        let number = port.number();
        let url = port.origin();
        let element = Arc::new(element(&options, &port, authority)?);
        let running = if element.rules.own().service() == Service::Down {
            Running::Port(port)
        } else {
            let router = Router::new()
                .fallback(element::answer)
                .with_state(Arc::clone(&element));
            let router = if options.recorded {
                let remember = element::remember;
                router.layer(from_fn_with_state(Arc::clone(&element), remember))
            } else {
                router
            };
            Running::Server(port.serve(authority, router)?)
        };
        Ok(Self {
            url,
            port: number,
            element,
            _running: running,
        })
    }

    /// Scheme, host and port, `https://localhost:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1 on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every request so far, where they are remembered: method, path and names of the headers.
    pub fn requests(&self) -> Vec<String> {
        self.element.requests()
    }

    /// How many requests have come so far, where they are remembered.
    pub fn request_count(&self) -> usize {
        self.element.request_count()
    }

    /// Every object in the store by its path, areas included, directories with a trailing slash.
    pub fn paths(&self) -> Vec<String> {
        self.element.paths()
    }
}

fn element(
    options: &StorageOptions,
    port: &Port,
    authority: &Authority,
) -> Result<Element, ReferenceError> {
    let first = Area {
        path: options.area.clone(),
        issuer: options.issuer.clone(),
        issuer_ca_pem: options.issuer_ca_pem.clone(),
        groups: options.groups.clone(),
    };
    let mut namespace = Namespace::default();
    let mut areas: Vec<ServedArea> = Vec::new();
    let mut issuers: Vec<KeyRing> = Vec::new();
    for area in std::iter::once(&first).chain(&options.others) {
        let path = absolute(&area.path)?;
        let protected = absolute(&area.groups.protected)?;
        if areas.iter().any(|other| other.path == path) {
            let text = format!("the area `{}` is there twice", area.path);
            return Err(ReferenceError::Option(text));
        }
        namespace.make_directories(&path.join(&protected));
        if !issuers.iter().any(|ring| ring.issuer() == area.issuer) {
            issuers.push(KeyRing::new(&area.issuer, &area.issuer_ca_pem)?);
        }
        areas.push(ServedArea {
            path,
            issuer: area.issuer.clone(),
            groups: area.groups.clone(),
        });
    }
    for (path, bytes) in &options.files {
        let path = absolute(path)?;
        if let Some(parent) = path.parent() {
            namespace.make_directories(&parent);
        }
        let content = Bytes::from(bytes.clone());
        let put = Act::Put { path, content };
        let full = |_| ReferenceError::Option("a file cannot be stored".into());
        namespace.apply(&put, "").map_err(full)?;
    }
    let tape = match &options.tape {
        Some(tape) => Some(nearline(&first, tape, &mut namespace)?),
        None => None,
    };
    faults::compatible(&options.faults).map_err(ReferenceError::Option)?;
    let rules = Rules::default();
    let version = |fault: &Fault| {
        let mut version = rules.clone();
        fault.apply(&mut version);
        (!fault.of_issuer()).then_some(version)
    };
    let probe = options
        .probe
        .as_ref()
        .map(|sensitivity| Probe::new(Arc::clone(sensitivity), version));
    let deviations = options.faults.iter().filter_map(|fault| {
        Some(Version {
            rules: version(fault)?,
            only: fault.operation(),
        })
    });
    let rules = Ruled::new(rules.clone(), probe).deviating(deviations.collect());
    let rules = Arc::new(rules);
    let transfers = Transfers::new(&options.transfer, authority.ca_pem(), &rules)?;
    Ok(Element {
        rules,
        areas,
        issuers,
        origins: vec![
            port.origin(),
            format!("https://127.0.0.1:{}", port.number()),
        ],
        namespace: Mutex::new(namespace),
        memory: Mutex::default(),
        spent: options.single_use.then(Mutex::default),
        requests: Mutex::default(),
        transfers,
        tape,
        macaroons: MacaroonStore::new()?,
    })
}

/// The nearline directory of that area, with the file that is on tape from the start.
fn nearline(
    area: &Area,
    tape: &Tape,
    namespace: &mut Namespace,
) -> Result<Nearline, ReferenceError> {
    let area = absolute(&area.path)?;
    let directory = area.join(&absolute(&tape.path)?);
    let path = area.join(&absolute(&tape.file)?);
    namespace.make_directories(&directory);
    if let Some(parent) = path.parent() {
        namespace.make_directories(&parent);
    }
    let content = Bytes::from_static(b"on tape from the start\n");
    let full = |_| ReferenceError::Option("a file cannot be stored".into());
    namespace
        .apply(&Act::Put { path, content }, "")
        .map_err(full)?;
    Ok(Nearline::new(directory))
}

fn absolute(path: &str) -> Result<ObjectPath, ReferenceError> {
    WrittenPath::parse(path)
        .map(|written| written.path)
        .ok_or_else(|| ReferenceError::Option(format!("`{path}` is no absolute path")))
}
