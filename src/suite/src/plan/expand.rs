use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use sha2::{Digest, Sha256};

use touchstone_model::{
    Alteration, Arrangement, Audience, Case, CopySide, Credential, Direction, Filling, Interface,
    LISTENER, LISTENER_HOST, MacaroonRequest, Marker, Method, PeerBehaviour, PlannedObject,
    Presented, RawOptions, Script, Signature, State, Step, StepPlan, TapeCall, Template,
    TokenRequest, TokenTemplate, Transfer, Variable,
};

use super::{Site, covers, macaroons, needs};

/// How many bytes a large file has at least: more than one buffer of 1 MiB.
const LARGE: usize = (1 << 20) + 4321;

/// Fills in everything that `case` leaves open. Where it runs with several partners, `partner` keeps them
/// apart.
pub(super) fn script(site: &Site<'_>, case: &Case, partner: Option<&str>) -> Script {
    let filler = Filler::new(site, case, partner);
    let real_directories = site.endpoint.traits.directories;
    let mut directories = vec![filler.directory.clone()];
    for (variable, directory) in [
        (Variable::Protected, &filler.protected),
        (Variable::Second, &filler.second),
        (Variable::Tape, &filler.tape),
    ] {
        if needs::path_variables(case).any(|used| used == variable) {
            directories.push(directory.clone());
        }
    }
    let mut given: Vec<PlannedObject> = Vec::new();
    for arrangement in &case.given {
        let path = filler.path(arrangement.path());
        if real_directories {
            for parent in parents(&path, &directories) {
                add(&mut given, parent, State::Directory);
            }
        }
        let state = match arrangement {
            Arrangement::File(_) => State::File(filler.content(&path, "given", Filling::Line)),
            Arrangement::Directory(_) => State::Directory,
        };
        add(&mut given, path, state);
    }
    if !real_directories {
        directories.clear();
    }
    Script {
        directories,
        given,
        steps: case
            .steps
            .iter()
            .flat_map(|step| filler.steps(step))
            .collect(),
        asks: Vec::new(),
    }
}

/// The directories between one of `roots` and `path`, outermost first.
fn parents(path: &str, roots: &[String]) -> Vec<String> {
    let Some(root) = roots
        .iter()
        .find(|root| path.starts_with(&format!("{root}/")))
    else {
        return Vec::new();
    };
    path.match_indices('/')
        .map(|(at, _)| at)
        .filter(|at| *at > root.len())
        .map(|at| path[..at].to_owned())
        .collect()
}

fn add(given: &mut Vec<PlannedObject>, path: String, state: State) {
    if !given.iter().any(|object| object.path == path) {
        given.push(PlannedObject { path, state });
    }
}

#[derive(Clone)]
struct Filler<'a> {
    site: &'a Site<'a>,
    /// The case, or those with which it shares its directories.
    name: String,
    /// The case's directories, on the service.
    directory: String,
    protected: String,
    second: String,
    tape: String,
    /// The audience that is tried.
    audience: String,
    /// Whether the test key signs what the issuer would give.
    mints: bool,
}

impl<'a> Filler<'a> {
    fn new(site: &'a Site<'a>, case: &'a Case, partner: Option<&str>) -> Self {
        let endpoint = site.endpoint;
        let shared = case.cover.as_ref().and_then(|cell| cell.group.as_deref());
        let name = shared.unwrap_or(case.id.as_str());
        let name = match partner {
            Some(partner) => format!("{name}.with-{partner}"),
            None => name.to_owned(),
        };
        // Each case has its own there, so that no two of them have to agree on who makes and who removes it.
        let own = Marker::new(site.run, &[&endpoint.name, &name]);
        let below = |area: &str| format!("{area}/{own}");
        Self {
            site,
            directory: format!("{}{}/{name}", endpoint.area, site.directory),
            protected: match &endpoint.traits.groups {
                Some(groups) => below(&format!("{}{}", endpoint.area, groups.protected)),
                None => String::new(),
            },
            second: match &endpoint.second {
                Some(second) => below(&second.path),
                None => String::new(),
            },
            tape: match &endpoint.traits.tape {
                Some(tape) => below(&format!("{}{}", endpoint.area, tape.path)),
                None => String::new(),
            },
            name,
            mints: case.cover.is_some() && covers::has_key(site),
            audience: endpoint
                .own_audiences()
                .into_iter()
                .next()
                .unwrap_or_default(),
        }
    }

    /// What a variable stands for where scopes, audiences and claims are written.
    fn value(&self, variable: Variable) -> String {
        let endpoint = self.site.endpoint;
        let groups = endpoint.traits.groups.as_ref();
        let below = |area: &str, path: &str| path.strip_prefix(area).unwrap_or(path).to_owned();
        let issuer = |name: Option<&str>| {
            let issuer = name.and_then(|name| self.site.inventory.issuer(name));
            issuer.map(|issuer| issuer.url.clone()).unwrap_or_default()
        };
        let second = endpoint.second.as_ref();
        let second_area = second.map_or("", |second| &second.path);
        match variable {
            Variable::Dir => below(&endpoint.area, &self.directory),
            Variable::Endpoint => endpoint.origin(),
            Variable::Host => endpoint.url.host_str().unwrap_or_default().to_owned(),
            Variable::Audience => self.audience.clone(),
            Variable::Area => endpoint.area.clone(),
            Variable::Issuer => issuer(endpoint.issuer.as_deref()),
            Variable::Group => groups.map(|g| g.member.clone()).unwrap_or_default(),
            Variable::PrivilegedGroup => groups.map(|g| g.privileged.clone()).unwrap_or_default(),
            Variable::Protected => below(&endpoint.area, &self.protected),
            Variable::Second => below(second_area, &self.second),
            Variable::SecondArea => second_area.to_owned(),
            Variable::SecondIssuer => issuer(second.map(|second| second.issuer.as_str())),
            Variable::Tape => below(&endpoint.area, &self.tape),
            Variable::Nearline => self.nearline().to_owned(),
            Variable::Marker => Marker::beside(self.site.run, endpoint.listed_name()).to_string(),
            Variable::Listener => LISTENER.to_owned(),
            Variable::ListenerHost => LISTENER_HOST.to_owned(),
        }
    }

    fn text(&self, template: &Template) -> String {
        template.expand(|variable| self.value(variable))
    }

    /// Text that goes on the wire as it is, where it is no template.
    fn verbatim(&self, text: &str) -> String {
        Template::parse(text).map_or_else(|_| text.to_owned(), |template| self.text(&template))
    }

    fn each(&self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.verbatim(text)).collect()
    }

    /// A path on the service; one that does not start with a variable is in the case's directory.
    fn path(&self, template: &Template) -> String {
        let text = template.expand(|variable| match variable {
            Variable::Protected => self.protected.clone(),
            Variable::Second => self.second.clone(),
            Variable::Tape => self.tape.clone(),
            Variable::Nearline => format!("{}{}", self.site.endpoint.area, self.nearline()),
            other => self.value(other),
        });
        if text.starts_with('/') {
            text
        } else {
            format!("{}/{text}", self.directory)
        }
    }

    /// Bytes that occur nowhere else, so that finding them in an answer proves a read.
    fn content(&self, path: &str, word: &str, filling: Filling) -> Vec<u8> {
        if word.is_empty() {
            return Vec::new();
        }
        let seed = format!("{} {} {path} {word}", self.site.run, self.name);
        let digest: String = Sha256::digest(seed.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let line = format!("touchstone test object {digest}").into_bytes();
        match filling {
            Filling::Line => line,
            Filling::EveryByte => [
                line.as_slice(),
                b"\r\n\r\n\n\r.\r\n",
                &(0..=u8::MAX).collect::<Vec<_>>(),
            ]
            .concat(),
            Filling::Large => line.repeat(LARGE / line.len() + 1),
        }
    }

    /// The step once for each audience that it is about.
    fn steps(&self, step: &Step) -> Vec<StepPlan> {
        let names_it = |token: &TokenTemplate| {
            let mut variables = token.variables();
            variables.any(|variable| variable == Variable::Audience)
        };
        let mut tokens = step.token.token().into_iter().chain(&step.control);
        if !tokens.any(names_it) {
            return vec![self.step(step)];
        }
        let audiences = self.site.endpoint.own_audiences().into_iter();
        audiences
            .map(|audience| {
                let filler = Self {
                    audience,
                    ..self.clone()
                };
                filler.step(step)
            })
            .collect()
    }

    fn step(&self, step: &Step) -> StepPlan {
        let path = self.path(&step.path);
        let brings = step.method == Method::Put
            || matches!(&step.interface, Interface::Transfer(t) if t.direction == Direction::Pull);
        let empty = matches!(&step.interface, Interface::Transfer(t) if t.side == CopySide::Ours(PeerBehaviour::Empty));
        let written = || {
            brings.then(|| match empty {
                true => Vec::new(),
                false => self.content(&path, &step.body, step.filling),
            })
        };
        let interface = self.interface(&step.interface);
        let headers = step.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), self.verbatim(value)));
        StepPlan {
            method: step.method,
            destination: step.destination.as_ref().map(|path| self.path(path)),
            verb: step.verb.clone(),
            body: match (&step.content, &interface) {
                (Some(content), _) => Some(content.clone().into_bytes()),
                (None, Interface::Macaroons(request)) => {
                    Some(macaroons::body(request, &path).into_bytes())
                }
                (None, _) => written(),
            },
            headers: macaroons::headers(&interface, headers.collect()),
            wire: step.wire.as_ref().map(|wire| self.wire(wire)),
            wait: step.wait,
            optional: step.optional,
            redirected: step.redirected,
            token: self.credential(&step.token),
            expect: step.expect,
            tells: step.tells.clone(),
            terms: step.terms.clone(),
            control: step.control.as_ref().map(|token| self.token(token)),
            at: step.at.clone(),
            interface,
            path,
        }
    }

    fn interface(&self, interface: &Interface) -> Interface {
        match interface {
            Interface::Transfer(transfer) => Interface::Transfer(self.transfer(transfer)),
            Interface::Webdav => Interface::Webdav,
            Interface::Tape(call) => Interface::Tape(self.tape_call(call)),
            Interface::Macaroons(request) => Interface::Macaroons(MacaroonRequest {
                caveats: self.each(&request.caveats),
                ..request.clone()
            }),
        }
    }

    fn tape_call(&self, call: &TapeCall) -> TapeCall {
        // The API escapes nothing in its paths.
        let plain = |path: &String| {
            let path = Template::parse(path).map_or_else(|_| path.clone(), |path| self.path(&path));
            percent_decode_str(&path).decode_utf8_lossy().into_owned()
        };
        TapeCall {
            files: call.files.iter().map(plain).collect(),
            except: call.except.iter().map(plain).collect(),
            json: call.json.as_ref().map(|json| self.json(json)),
            ..call.clone()
        }
    }

    /// Below the area.
    fn nearline(&self) -> &str {
        let tape = self.site.endpoint.traits.tape.as_ref();
        tape.map_or("", |tape| &tape.file)
    }

    fn transfer(&self, transfer: &Transfer) -> Transfer {
        let side = match &transfer.side {
            CopySide::Url(url) => CopySide::Url(self.verbatim(url)),
            side => side.clone(),
        };
        Transfer {
            side,
            ..transfer.clone()
        }
    }

    fn wire(
        &self,
        wire: &RawOptions<Credential<TokenTemplate>>,
    ) -> RawOptions<Credential<TokenRequest>> {
        RawOptions {
            target: wire.target.as_ref().map(|target| {
                let target = self.verbatim(target);
                if target.starts_with('/') || target.starts_with("https://") {
                    target
                } else {
                    format!("{}/{target}", self.directory)
                }
            }),
            present: wire.present.clone(),
            query: wire.query.clone(),
            other: self.credential(&wire.other),
            expect_continue: wire.expect_continue,
            http_1_0: wire.http_1_0,
            kept: wire.kept,
            cut: wire.cut,
            chunked: wire.chunked,
        }
    }

    fn credential(&self, credential: &Credential<TokenTemplate>) -> Credential<TokenRequest> {
        match credential {
            Credential::None => Credential::None,
            Credential::Text(text) => Credential::Text(text.clone()),
            Credential::Token(token) => Credential::Token(self.token(token)),
            Credential::Macaroon(presented) => Credential::Macaroon(Presented {
                add: self.each(&presented.add),
                tamper: presented.tamper,
            }),
        }
    }

    fn token(&self, token: &TokenTemplate) -> TokenRequest {
        let endpoint = self.site.endpoint;
        let audience = match &token.audience {
            None => self.site.audience.clone(),
            Some(Audience::One(one)) => Audience::One(self.text(one)),
            Some(Audience::Many(many)) => {
                Audience::Many(many.iter().map(|one| self.text(one)).collect())
            }
        };
        let scopes = self.text(&token.scope);
        let second = endpoint.second.as_ref().map(|second| second.issuer.clone());
        let own = endpoint.issuer.clone().unwrap_or_default();
        TokenRequest {
            issuer: if token.second {
                second.clone().unwrap_or_default()
            } else {
                own
            },
            scopes: scopes.split_ascii_whitespace().map(str::to_owned).collect(),
            audience,
            groups: token.groups.iter().map(|group| self.text(group)).collect(),
            claims: self.altered(&token.claims),
            header: self.altered(&token.header),
            repeated: token
                .repeated
                .iter()
                .map(|(claim, value)| (claim.clone(), self.json(value)))
                .collect(),
            trailing: token.trailing.clone(),
            signature: token.signature,
            key: token.key,
            signer: second.filter(|_| token.signature == Signature::Second),
            minted: self.mints && !token.second,
        }
    }

    fn altered(&self, alterations: &BTreeMap<String, Alteration>) -> BTreeMap<String, Alteration> {
        let fill = |alteration: &Alteration| match alteration {
            Alteration::Value(value) => Alteration::Value(self.json(value)),
            Alteration::Remove
            | Alteration::FromNow(_)
            | Alteration::Raw(_)
            | Alteration::Edited(_) => alteration.clone(),
        };
        alterations
            .iter()
            .map(|(name, alteration)| (name.clone(), fill(alteration)))
            .collect()
    }

    /// A value with the variables in its texts filled in.
    fn json(&self, value: &Value) -> Value {
        match value {
            // A text that is no template has passed the loader as it is.
            Value::String(text) => Value::String(self.verbatim(text)),
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), self.json(value)))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}
