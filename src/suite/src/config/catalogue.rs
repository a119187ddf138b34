use std::sync::Arc;

use super::{clauses, suites};
use touchstone_model::{Case, CaseId, Clause, ClauseId, Document, Suite};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::Entry;
use touchstone_yaml::parse as yaml;
use touchstone_yaml::problem::Problems;
use touchstone_yaml::source::SourceFile;
use touchstone_yaml::tree::{Kind, Node};

/// Everything that can be tested, and why.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The documents from which the clauses are quoted.
    pub documents: Vec<Document>,
    /// The register of clauses.
    pub clauses: Vec<Clause>,
    /// The suites: those of the binary first, then a site's own.
    pub suites: Vec<Suite>,
}

impl Catalogue {
    /// The clause of that id.
    pub fn clause(&self, id: &ClauseId) -> Option<&Clause> {
        self.clauses.iter().find(|clause| clause.id == *id)
    }

    /// The case of that id.
    pub fn case(&self, id: &CaseId) -> Option<&Arc<Case>> {
        self.cases().find(|case| case.id == *id)
    }

    /// The cases that cite the clause.
    pub fn cases_of(&self, id: &ClauseId) -> Vec<&Arc<Case>> {
        let cases = self.cases();
        cases.filter(|case| case.clauses.contains(id)).collect()
    }

    /// Every case, in the order of the suites.
    pub fn cases(&self) -> impl Iterator<Item = &Arc<Case>> {
        self.suites.iter().flat_map(|suite| &suite.cases)
    }
}

/// What is inside the binary, read once for all tests of a process.
pub static EMBEDDED: std::sync::LazyLock<Catalogue> = std::sync::LazyLock::new(|| {
    load_catalogue(&[]).unwrap_or_else(|problems| panic!("{problems}"))
});

/// The suites inside the binary.
pub fn builtin_suites() -> Vec<SourceFile> {
    [
        (
            "suites/authentication.yaml",
            include_str!("../../../../suites/authentication.yaml"),
        ),
        (
            "suites/audience.yaml",
            include_str!("../../../../suites/audience.yaml"),
        ),
        (
            "suites/capability.yaml",
            include_str!("../../../../suites/capability.yaml"),
        ),
        (
            "suites/path.yaml",
            include_str!("../../../../suites/path.yaml"),
        ),
        (
            "suites/group.yaml",
            include_str!("../../../../suites/group.yaml"),
        ),
        (
            "suites/bearer.yaml",
            include_str!("../../../../suites/bearer.yaml"),
        ),
        (
            "suites/connection.yaml",
            include_str!("../../../../suites/connection.yaml"),
        ),
        (
            "suites/webdav.yaml",
            include_str!("../../../../suites/webdav.yaml"),
        ),
        (
            "suites/digest.yaml",
            include_str!("../../../../suites/digest.yaml"),
        ),
        (
            "suites/tpc.yaml",
            include_str!("../../../../suites/tpc.yaml"),
        ),
        (
            "suites/isolation.yaml",
            include_str!("../../../../suites/isolation.yaml"),
        ),
        (
            "suites/tape.yaml",
            include_str!("../../../../suites/tape.yaml"),
        ),
        (
            "suites/macaroon.yaml",
            include_str!("../../../../suites/macaroon.yaml"),
        ),
        (
            "suites/issuer.yaml",
            include_str!("../../../../suites/issuer.yaml"),
        ),
        (
            "suites/cover.yaml",
            include_str!("../../../../suites/cover.yaml"),
        ),
        (
            "suites/form.yaml",
            include_str!("../../../../suites/form.yaml"),
        ),
    ]
    .into_iter()
    .map(builtin)
    .collect()
}

/// The register of clauses inside the binary.
pub fn builtin_clauses() -> SourceFile {
    builtin((
        "suites/clauses.yaml",
        include_str!("../../../../suites/clauses.yaml"),
    ))
}

fn builtin((name, text): (&str, &str)) -> SourceFile {
    SourceFile {
        name: name.into(),
        text: text.into(),
    }
}

/// Reads the suites of the binary and a site's own. A file of the site with the key `clauses` is a
/// register that adds to the one of the binary.
pub fn load_catalogue(extra: &[SourceFile]) -> Result<Catalogue, Problems> {
    let mut sources = vec![builtin_clauses()];
    sources.extend(builtin_suites());
    sources.extend_from_slice(extra);
    load(&sources)
}

/// Reads registers and suites; registers first, since suites refer to them.
pub(super) fn load(sources: &[SourceFile]) -> Result<Catalogue, Problems> {
    let mut files = parsed(sources);
    let mut known = suites::Known::default();
    let mut registers = clauses::Registers::default();
    for (d, root) in &mut files {
        if let Some(root) = root.as_ref().filter(|root| is_register(root)) {
            let found = clauses::read(d, Entry::root(root), &mut registers);
            known.clauses.extend(found);
        }
    }
    let mut suites = Vec::new();
    for (d, root) in &mut files {
        match root.as_ref() {
            Some(root) if root.kind == Kind::Null => {
                d.error(None, "the file is empty")
                    .help("a suite has the keys `suite`, `about`, and `cases` or `covers`");
            }
            Some(root) if !is_register(root) => {
                suites.extend(suites::read(d, Entry::root(root), &mut known));
            }
            _ => {}
        }
    }
    let problems = files.into_iter().flat_map(|(d, _)| d.finish().0).collect();
    Problems::none_of(problems).map(|()| Catalogue {
        documents: registers.documents,
        clauses: known.clauses,
        suites,
    })
}

/// Reads all sources side by side: most of what a command takes to start is this.
fn parsed(sources: &[SourceFile]) -> Vec<(Diagnostics<'_>, Option<Node>)> {
    std::thread::scope(|scope| {
        let readers: Vec<_> = sources
            .iter()
            .map(|source| {
                scope.spawn(|| {
                    let mut d = Diagnostics::new(source);
                    let root = yaml::parse(&mut d);
                    (d, root)
                })
            })
            .collect();
        let read = readers.into_iter().map(|reader| reader.join());
        read.map(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn is_register(root: &Node) -> bool {
    matches!(&root.kind, Kind::Map(entries) if entries.iter().any(|(key, _)| key.text == "clauses"))
}
