use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

use super::{CaseId, RunId};

/// What every name that a run makes on a storage element begins with.
pub const MARKER: &str = "touchstone-";

/// Characters of the hash in a name.
const HASH: usize = 8;

/// Name of a directory of a run, `touchstone-20261122t072848z-4f2a9c-1b2c3d4e`: the run, and a hash of whose it is, so that two
/// endpoints which lead to one storage do not meet there. Nothing is written to a storage element but below such names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marker {
    run: RunId,
    name: String,
}

impl Marker {
    /// The name for what `run` makes for `owner`: an endpoint, and what else tells it apart.
    pub fn new(run: &RunId, owner: &[&str]) -> Self {
        let mut name = format!("{MARKER}{run}-");
        // Names have no line ends.
        for byte in &Sha256::digest(owner.join("\n"))[..HASH / 2] {
            // Writing to a String never fails.
            let _ = write!(name, "{byte:02x}");
        }
        Self {
            run: run.clone(),
            name,
        }
    }

    /// The name of the one object that a run may try to make beside the area of that endpoint, to see that it is refused.
    pub fn beside(run: &RunId, endpoint: &str) -> Self {
        Self::new(run, &[endpoint, "beside the area"])
    }

    /// Reads the name of a directory, as this version and earlier ones make it: those had `touchstone-RUN`, and in protected areas
    /// `touchstone-RUN.CASE`.
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(MARKER)?;
        let (run, owner) = rest.split_at_checked(RunId::LENGTH)?;
        let known = match (owner.strip_prefix('-'), owner.strip_prefix('.')) {
            (Some(hash), _) => hash.len() == HASH && hash.bytes().all(lower_hex),
            (_, Some(case)) => case.parse::<CaseId>().is_ok(),
            (None, None) => owner.is_empty(),
        };
        let run = run.parse().ok().filter(|_| known)?;
        Some(Self {
            run,
            name: name.to_owned(),
        })
    }

    /// The directories of a run in which `path` lies, the highest first: what a service makes by itself that stores a file where
    /// no directory is. `path` is absolute, and none of them.
    pub fn above(path: &str) -> impl Iterator<Item = &str> {
        let mut ours = false;
        path.match_indices('/').filter_map(move |(end, _)| {
            let above = &path[..end];
            let name = above.rsplit('/').next()?;
            ours |= Self::parse(name).is_some();
            // What is sent byte for byte may name no directory.
            let named = !matches!(name, "" | "." | "..") && end + 1 < path.len();
            (ours && named).then_some(above)
        })
    }

    /// Whether a name begins as those do that [`Marker::parse`] reads.
    pub fn resembles(name: &str) -> bool {
        let run = name
            .strip_prefix(MARKER)
            .and_then(|rest| rest.get(..RunId::LENGTH));
        run.is_some_and(|run| run.parse::<RunId>().is_ok())
    }

    /// Whose it is.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

pub(super) fn lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_run_and_whose_it_is() {
        let run: RunId = "20261122t072848z-4f2a9c".parse().unwrap();
        let one = Marker::new(&run, &["se"]);
        assert_eq!(one.as_str().len(), MARKER.len() + RunId::LENGTH + 1 + HASH);
        assert_eq!(Marker::parse(one.as_str()), Some(one.clone()));
        assert_eq!(one.run(), &run);
        for other in [&["se-redir"][..], &["se", "path.outside.read"]] {
            assert_ne!(Marker::new(&run, other), one);
        }
        assert_eq!(Marker::new(&run, &["se"]), one);
    }

    #[test]
    fn directories_of_a_run_are_known_by_its_name() {
        let name = "touchstone-20261122t072848z-4f2a9c-0123abcd";
        let above = |path: &str| Vec::from_iter(Marker::above(path).map(str::to_owned));
        assert_eq!(
            above(&format!("/wlcg/{name}/case/f")),
            [format!("/wlcg/{name}"), format!("/wlcg/{name}/case")]
        );
        assert_eq!(above(&format!("/{name}/d/")), [format!("/{name}")]);
        assert_eq!(above(&format!("/{name}/./f")), [format!("/{name}")]);
        assert_eq!(above("/wlcg/data/f"), [""; 0]);
        assert_eq!(above(&format!("/wlcg/{name}")), [""; 0]);
    }

    #[test]
    fn names_are_exact() {
        let run = "touchstone-20261122t072848z-4f2a9c";
        for ours in ["", "-0123abcd", ".group.protected.member-read"] {
            let name = format!("{run}{ours}");
            assert!(Marker::parse(&name).is_some(), "{name}");
        }
        for foreign in [
            "-",
            "-0123abc",
            "-0123abcd0",
            "-0123ABCD",
            "-0123abcg",
            ".",
            ".backup-of-physics",
            ".192.0.2.1",
            "..",
            ".group.read/..",
            "/",
            " ",
            "~",
            "é",
            "-0123abcé",
        ] {
            let name = format!("{run}{foreign}");
            assert_eq!(Marker::parse(&name), None, "{name}");
        }
        for foreign in [
            "",
            "x",
            "touchstone-",
            "touchstone-notes",
            "Touchstone-20261122t072848z-4f2a9c",
            "touchstone-20261399t072848z-4f2a9c",
            "touchstone-20261122t072848z-4F2A9C",
            "touchstone-20261122t072848z-4f2a9",
            "touchstone-20261122t0728é8z-4f2a9c",
        ] {
            assert_eq!(Marker::parse(foreign), None, "{foreign}");
        }
    }
}
