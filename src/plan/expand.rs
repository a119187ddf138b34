use sha2::{Digest, Sha256};

use crate::model::{
    Arrangement, Audience, Case, Method, Object, Script, State, Step, StepPlan, Template,
    TokenRequest, TokenTemplate, Variable,
};

use super::{Site, needs};

/// Fills in everything that `case` leaves open.
pub(super) fn script(site: &Site<'_>, case: &Case) -> Script {
    let filler = Filler::new(site, case);
    let real_directories = site.endpoint.traits.directories;
    let mut directories = vec![filler.directory.clone()];
    if needs::variables(case).any(|variable| variable == Variable::Protected) {
        directories.push(filler.protected.clone());
    }
    let mut given: Vec<Object> = Vec::new();
    for arrangement in &case.given {
        let path = filler.path(arrangement.path());
        if real_directories {
            for parent in parents(&path, &directories) {
                add(&mut given, parent, State::Directory);
            }
        }
        let state = match arrangement {
            Arrangement::File(_) => State::File(filler.content(&path, "given")),
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
        steps: case.steps.iter().map(|step| filler.step(step)).collect(),
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

fn add(given: &mut Vec<Object>, path: String, state: State) {
    if !given.iter().any(|object| object.path == path) {
        given.push(Object { path, state });
    }
}

struct Filler<'a> {
    site: &'a Site<'a>,
    case: &'a Case,
    directory: String,
    protected: String,
}

impl<'a> Filler<'a> {
    fn new(site: &'a Site<'a>, case: &'a Case) -> Self {
        let protected = match &site.endpoint.traits.groups {
            Some(groups) => format!("{}{}.{}", groups.protected, site.directory, case.id),
            None => String::new(),
        };
        Self {
            site,
            case,
            directory: format!("{}/{}", site.directory, case.id),
            protected,
        }
    }

    fn value(&self, variable: Variable) -> String {
        let groups = self.site.endpoint.traits.groups.as_ref();
        match variable {
            Variable::Dir => self.directory.clone(),
            Variable::Endpoint => self.site.endpoint.origin(),
            Variable::Group => groups.map(|g| g.member.clone()).unwrap_or_default(),
            Variable::PrivilegedGroup => groups.map(|g| g.privileged.clone()).unwrap_or_default(),
            Variable::Protected => self.protected.clone(),
        }
    }

    fn text(&self, template: &Template) -> String {
        template.expand(|variable| self.value(variable))
    }

    /// Absolute below the area: a path that does not start with a variable is in the case's directory.
    fn path(&self, template: &Template) -> String {
        let text = self.text(template);
        if text.starts_with('/') {
            text
        } else {
            format!("{}/{text}", self.directory)
        }
    }

    /// Bytes that occur nowhere else, so that finding them in an answer proves a read.
    fn content(&self, path: &str, word: &str) -> Vec<u8> {
        let seed = format!("{} {} {path} {word}", self.site.run, self.case.id);
        let digest: String = Sha256::digest(seed.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("touchstone test object {digest}").into_bytes()
    }

    fn step(&self, step: &Step) -> StepPlan {
        let path = self.path(&step.path);
        StepPlan {
            method: step.method,
            destination: step.destination.as_ref().map(|path| self.path(path)),
            body: (step.method == Method::Put).then(|| self.content(&path, &step.body)),
            token: step.token.as_ref().map(|token| self.token(token)),
            expect: step.expect,
            control: step.control.as_ref().map(|token| self.token(token)),
            at: step.at.clone(),
            path,
        }
    }

    fn token(&self, token: &TokenTemplate) -> TokenRequest {
        let audience = match &token.audience {
            None => self.site.audience.clone(),
            Some(Audience::One(one)) => Audience::One(self.text(one)),
            Some(Audience::Many(many)) => {
                Audience::Many(many.iter().map(|one| self.text(one)).collect())
            }
        };
        TokenRequest {
            issuer: self.site.endpoint.issuer.clone().unwrap_or_default(),
            scopes: self
                .text(&token.scope)
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            audience,
            groups: token.groups.iter().map(|group| self.text(group)).collect(),
            claims: token.claims.clone(),
        }
    }
}
