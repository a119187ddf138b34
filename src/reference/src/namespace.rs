//! What is stored, in memory.

use std::collections::BTreeMap;

use axum::body::Bytes;
use jiff::Timestamp;

use super::path::ObjectPath;

/// All contents together.
const MAX_BYTES: usize = 512 << 20;
const MAX_OBJECTS: usize = 200_000;

/// Files and directories by path. The root is always there.
#[derive(Default)]
pub(super) struct Namespace {
    nodes: BTreeMap<ObjectPath, Node>,
    bytes: usize,
    /// What was at each path before it was changed, in order, while something is only tried.
    journal: Option<Vec<(ObjectPath, Option<Node>)>>,
}

/// What would be otherwise after something that was only tried.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes(BTreeMap<ObjectPath, Option<Node>>);

/// A file or a directory.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What a file holds; a directory has none.
    pub(super) content: Option<Bytes>,
    pub(super) modified: Timestamp,
    /// `jti` of the token with which it was made.
    pub(super) made_with: String,
}

/// When it was made is chance.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        (&self.content, &self.made_with) == (&other.content, &other.made_with)
    }
}

impl Node {
    pub(super) fn is_directory(&self) -> bool {
        self.content.is_none()
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.content.as_ref().map(|content| content.len() as u64)
    }
}

/// A change that somebody asks for. Paths are those of the namespace, area included.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A file's content, or a directory, under another name as well.
    Copy {
        from: ObjectPath,
        to: ObjectPath,
        /// Whether a directory takes along what it holds (RFC 4918 section 9.8.3).
        deep: bool,
    },
    /// With everything below it.
    Delete {
        path: ObjectPath,
    },
    MakeDirectory {
        path: ObjectPath,
    },
    Move {
        from: ObjectPath,
        to: ObjectPath,
    },
    Put {
        path: ObjectPath,
        content: Bytes,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Removed,
    Replaced,
}

/// Why nothing came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The target is there already.
    Exists,
    /// No room.
    Full,
    /// A directory would be moved into itself, or the target is its own source.
    Inside,
    /// A directory is where a file would have to be.
    IsDirectory,
    /// The object is not there.
    Missing,
    /// The directory above is not there, or is no directory.
    NoParent,
    /// The directory is not empty.
    NotEmpty,
}

impl Namespace {
    pub(super) fn get(&self, path: &ObjectPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Whether there is a directory at `path`.
    pub(super) fn has_directory(&self, path: &ObjectPath) -> bool {
        path.is_root() || self.get(path).is_some_and(Node::is_directory)
    }

    /// Whether something could be made at `path`.
    pub(super) fn has_parent_of(&self, path: &ObjectPath) -> bool {
        path.parent()
            .is_some_and(|parent| self.has_directory(&parent))
    }

    /// Whether there is a directory at `path` that holds something.
    pub(super) fn has_full_directory(&self, path: &ObjectPath) -> bool {
        self.tree(path).nth(1).is_some()
    }

    /// The path itself and everything below it, in order.
    pub(super) fn tree<'a>(
        &'a self,
        path: &'a ObjectPath,
    ) -> impl Iterator<Item = (&'a ObjectPath, &'a Node)> {
        self.nodes
            .range(path..)
            .take_while(move |(found, _)| found.starts_with(path))
    }

    /// Makes `path` and all directories above it, where they are missing.
    pub(super) fn make_directories(&mut self, path: &ObjectPath) {
        if let Some(parent) = path.parent() {
            self.make_directories(&parent);
            if !self.nodes.contains_key(path) {
                self.set(path.clone(), Some(new_node(None, "")));
            }
        }
    }

    /// Carries out `act` as a whole or not at all; what it makes carries `made_with`.
    pub(super) fn apply(&mut self, act: &Act, made_with: &str) -> Result<Change, Obstacle> {
        match act {
            Act::Copy { from, to, deep } => self.copy(from, to, *deep, made_with),
            Act::Delete { path } => self.delete(path),
            Act::MakeDirectory { path } => self.make_directory(path, made_with),
            Act::Move { from, to } => self.rename(from, to),
            Act::Put { path, content } => self.put(path, content, made_with),
        }
    }

    fn copy(
        &mut self,
        from: &ObjectPath,
        to: &ObjectPath,
        deep: bool,
        made_with: &str,
    ) -> Result<Change, Obstacle> {
        let node = self.get(from).ok_or(Obstacle::Missing)?;
        let into_itself = deep && node.is_directory() && to.starts_with(from);
        if into_itself || from.starts_with(to) {
            return Err(Obstacle::Inside);
        }
        if !self.has_parent_of(to) {
            return Err(Obstacle::NoParent);
        }
        let copied: Vec<(ObjectPath, Node)> = self
            .tree(from)
            .filter(|(path, _)| deep || *path == from)
            .filter_map(|(path, node)| {
                let path = to.join(&path.below(from)?);
                Some((path, new_node(node.content.clone(), made_with)))
            })
            .collect();
        self.has_room_for(&copied, to)?;
        let change = match self.clear(to) {
            true => Change::Replaced,
            false => Change::Created,
        };
        for (path, node) in copied {
            self.insert(path, node)?;
        }
        Ok(change)
    }

    /// Whether there is room for objects in the place of everything at `replaced`.
    fn has_room_for(
        &self,
        objects: &[(ObjectPath, Node)],
        replaced: &ObjectPath,
    ) -> Result<(), Obstacle> {
        let freed: usize = self.tree(replaced).map(|(_, node)| length(node)).sum();
        let needed: usize = objects.iter().map(|(_, node)| length(node)).sum();
        let count = self.nodes.len() - self.tree(replaced).count() + objects.len();
        match self.bytes - freed + needed > MAX_BYTES || count > MAX_OBJECTS {
            true => Err(Obstacle::Full),
            false => Ok(()),
        }
    }

    fn delete(&mut self, path: &ObjectPath) -> Result<Change, Obstacle> {
        match self.clear(path) {
            true => Ok(Change::Removed),
            false => Err(Obstacle::Missing),
        }
    }

    /// Takes away what is at `path` with everything below it; whether there was anything.
    fn clear(&mut self, path: &ObjectPath) -> bool {
        let tree: Vec<ObjectPath> = self.tree(path).map(|(path, _)| path.clone()).collect();
        for path in &tree {
            self.remove(path);
        }
        !tree.is_empty()
    }

    fn make_directory(&mut self, path: &ObjectPath, made_with: &str) -> Result<Change, Obstacle> {
        if path.is_root() || self.get(path).is_some() {
            return Err(Obstacle::Exists);
        }
        if !self.has_parent_of(path) {
            return Err(Obstacle::NoParent);
        }
        self.insert(path.clone(), new_node(None, made_with))?;
        Ok(Change::Created)
    }

    fn rename(&mut self, from: &ObjectPath, to: &ObjectPath) -> Result<Change, Obstacle> {
        if self.get(from).is_none() {
            return Err(Obstacle::Missing);
        }
        if to.starts_with(from) || from.starts_with(to) {
            return Err(Obstacle::Inside);
        }
        if !self.has_parent_of(to) {
            return Err(Obstacle::NoParent);
        }
        let change = match self.clear(to) {
            true => Change::Replaced,
            false => Change::Created,
        };
        let moved: Vec<ObjectPath> = self.tree(from).map(|(path, _)| path.clone()).collect();
        for old in moved {
            let rest = old.below(from);
            if let (Some(node), Some(rest)) = (self.set(old, None), rest) {
                self.set(to.join(&rest), Some(node));
            }
        }
        Ok(change)
    }

    fn put(
        &mut self,
        path: &ObjectPath,
        content: &Bytes,
        made_with: &str,
    ) -> Result<Change, Obstacle> {
        if self.has_directory(path) {
            return Err(Obstacle::IsDirectory);
        }
        if !self.has_parent_of(path) {
            return Err(Obstacle::NoParent);
        }
        let node = new_node(Some(content.clone()), made_with);
        Ok(if self.insert(path.clone(), node)? {
            Change::Replaced
        } else {
            Change::Created
        })
    }

    /// Whether something was replaced.
    fn insert(&mut self, path: ObjectPath, node: Node) -> Result<bool, Obstacle> {
        let freed = self.get(&path).map_or(0, length);
        let bytes = self.bytes - freed + length(&node);
        if bytes > MAX_BYTES || self.nodes.len() >= MAX_OBJECTS {
            return Err(Obstacle::Full);
        }
        self.bytes = bytes;
        Ok(self.set(path, Some(node)).is_some())
    }

    fn remove(&mut self, path: &ObjectPath) {
        if let Some(Node {
            content: Some(content),
            ..
        }) = self.set(path.clone(), None)
        {
            self.bytes -= content.len();
        }
    }

    /// Puts something there, or takes it away; what was there before.
    fn set(&mut self, path: ObjectPath, node: Option<Node>) -> Option<Node> {
        let noted = self.journal.is_some().then(|| path.clone());
        let before = match node {
            Some(node) => self.nodes.insert(path, node),
            None => self.nodes.remove(&path),
        };
        if let (Some(path), Some(journal)) = (noted, &mut self.journal) {
            journal.push((path, before.clone()));
        }
        before
    }

    /// What `change` comes to, and what would be otherwise after it: everything is as it was.
    pub(super) fn tried<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> (T, Changes) {
        let bytes = self.bytes;
        self.journal = Some(Vec::new());
        let answer = change(self);
        let journal = self.journal.take().unwrap_or_default();
        let now = |(path, _): &(ObjectPath, _)| (path.clone(), self.nodes.get(path).cloned());
        let mut changes: BTreeMap<_, _> = journal.iter().map(now).collect();
        for (path, before) in journal.into_iter().rev() {
            self.set(path, before);
        }
        changes.retain(|path, node| self.nodes.get(path) != node.as_ref());
        self.bytes = bytes;
        (answer, Changes(changes))
    }
}

/// How many bytes it takes.
fn length(node: &Node) -> usize {
    node.content.as_ref().map_or(0, Bytes::len)
}

fn new_node(content: Option<Bytes>, made_with: &str) -> Node {
    Node {
        content,
        modified: Timestamp::now(),
        made_with: made_with.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::WrittenPath;
    use super::*;

    fn path(text: &str) -> ObjectPath {
        WrittenPath::parse(text).unwrap().path
    }

    fn put(text: &str, content: &'static str) -> Act {
        let content = Bytes::from_static(content.as_bytes());
        Act::Put {
            path: path(text),
            content,
        }
    }

    fn mkcol(text: &str) -> Act {
        Act::MakeDirectory { path: path(text) }
    }

    fn delete(text: &str) -> Act {
        Act::Delete { path: path(text) }
    }

    fn rename(from: &str, to: &str) -> Act {
        Act::Move {
            from: path(from),
            to: path(to),
        }
    }

    fn copy(from: &str, to: &str, deep: bool) -> Act {
        Act::Copy {
            from: path(from),
            to: path(to),
            deep,
        }
    }

    fn names(namespace: &Namespace) -> Vec<String> {
        let root = path("/");
        let everything = namespace.tree(&root);
        everything.map(|(path, _)| path.to_string()).collect()
    }

    #[test]
    fn objects_need_their_parents() {
        let mut namespace = Namespace::default();
        assert_eq!(
            namespace.apply(&put("/a/f", "x"), ""),
            Err(Obstacle::NoParent)
        );
        assert_eq!(namespace.apply(&mkcol("/a/b"), ""), Err(Obstacle::NoParent));
        assert_eq!(namespace.apply(&mkcol("/a"), ""), Ok(Change::Created));
        assert_eq!(namespace.apply(&mkcol("/a"), ""), Err(Obstacle::Exists));
        assert_eq!(
            namespace.apply(&put("/a", "x"), ""),
            Err(Obstacle::IsDirectory)
        );
        assert_eq!(namespace.apply(&put("/a/f", "x"), ""), Ok(Change::Created));
        assert_eq!(
            namespace.apply(&put("/a/f", "yy"), ""),
            Ok(Change::Replaced)
        );
        assert_eq!(
            namespace.apply(&put("/a/f/g", "x"), ""),
            Err(Obstacle::NoParent)
        );
        assert_eq!(namespace.get(&path("/a/f")).unwrap().size(), Some(2));
        assert_eq!(namespace.apply(&delete("/a/f"), ""), Ok(Change::Removed));
        assert_eq!(namespace.apply(&delete("/a/f"), ""), Err(Obstacle::Missing));
        assert_eq!(namespace.apply(&delete("/a"), ""), Ok(Change::Removed));
        assert_eq!(namespace.bytes, 0);
    }

    #[test]
    fn what_is_tried_leaves_no_trace() {
        let mut namespace = Namespace::default();
        for act in [mkcol("/a"), put("/a/f", "x"), mkcol("/b")] {
            assert_eq!(namespace.apply(&act, ""), Ok(Change::Created));
        }
        let everything = |namespace: &Namespace| {
            let nodes = namespace.nodes.clone();
            (nodes.into_iter().collect::<Vec<_>>(), namespace.bytes)
        };
        let before = everything(&namespace);
        let acts = [
            put("/a/f", "long"),
            put("/a/g", "y"),
            rename("/a", "/b"),
            delete("/a/f"),
        ];
        let mut changed = Vec::new();
        for act in &acts {
            let (answer, changes) = namespace.tried(|namespace| namespace.apply(act, "j"));
            assert!(answer.is_ok(), "{act:?}");
            changed.push(
                changes
                    .0
                    .keys()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>(),
            );
            assert_eq!(everything(&namespace), before, "{act:?}");
        }
        assert_eq!(changed[0], ["/a/f"]);
        assert_eq!(changed[1], ["/a/g"]);
        assert_eq!(changed[2], ["/a", "/a/f", "/b/f"]);
        assert_eq!(changed[3], ["/a/f"]);
        // Nothing has changed where the same is there afterwards.
        let (_, changes) = namespace.tried(|namespace| {
            let gone = namespace.apply(&delete("/a/f"), "");
            gone.and_then(|_| namespace.apply(&put("/a/f", "x"), ""))
        });
        assert_eq!(changes, Changes::default());
    }

    #[test]
    fn a_directory_moves_with_everything_in_it_and_not_into_itself() {
        let mut namespace = Namespace::default();
        for act in [
            mkcol("/a"),
            mkcol("/a/b"),
            put("/a/b/f", "x"),
            put("/ab", "y"),
        ] {
            assert_eq!(namespace.apply(&act, ""), Ok(Change::Created));
        }
        assert_eq!(
            namespace.apply(&rename("/a", "/a/b/c"), ""),
            Err(Obstacle::Inside)
        );
        assert_eq!(
            namespace.apply(&rename("/a/b/f", "/a"), ""),
            Err(Obstacle::Inside)
        );
        assert_eq!(
            namespace.apply(&rename("/a", "/z/y"), ""),
            Err(Obstacle::NoParent)
        );
        assert_eq!(
            namespace.apply(&rename("/a", "/c"), ""),
            Ok(Change::Created)
        );
        assert_eq!(names(&namespace), ["/ab", "/c", "/c/b", "/c/b/f"]);
        assert_eq!(
            namespace.apply(&rename("/ab", "/c/b/f"), ""),
            Ok(Change::Replaced)
        );
        assert_eq!(names(&namespace), ["/c", "/c/b", "/c/b/f"]);
        assert_eq!(namespace.bytes, 1);
        // What is in the way goes with everything that it holds.
        for act in [mkcol("/d"), put("/g", "zz")] {
            assert_eq!(namespace.apply(&act, ""), Ok(Change::Created));
        }
        assert_eq!(
            namespace.apply(&rename("/d", "/c"), ""),
            Ok(Change::Replaced)
        );
        assert_eq!(names(&namespace), ["/c", "/g"]);
        assert_eq!(namespace.bytes, 2);
        assert_eq!(
            namespace.apply(&rename("/g", "/c"), ""),
            Ok(Change::Replaced)
        );
        assert_eq!(names(&namespace), ["/c"]);
    }

    #[test]
    fn a_directory_goes_with_everything_in_it() {
        let mut namespace = Namespace::default();
        for act in [mkcol("/a"), put("/a/f", "x"), put("/ab", "y"), delete("/a")] {
            assert!(namespace.apply(&act, "").is_ok(), "{act:?}");
        }
        assert_eq!(names(&namespace), ["/ab"]);
        assert_eq!(namespace.bytes, 1);
    }

    #[test]
    fn a_directory_is_copied_with_what_it_holds_or_alone_and_not_into_itself() {
        let mut namespace = Namespace::default();
        for act in [
            mkcol("/a"),
            mkcol("/a/b"),
            put("/a/b/f", "x"),
            mkcol("/c"),
            put("/c/old", "yyy"),
        ] {
            assert_eq!(namespace.apply(&act, ""), Ok(Change::Created));
        }
        for (from, to, deep, obstacle) in [
            ("/a", "/a", true, Obstacle::Inside),
            ("/a", "/a/b/c", true, Obstacle::Inside),
            ("/a/b", "/a", true, Obstacle::Inside),
            ("/a/b/f", "/a", true, Obstacle::Inside),
            ("/a", "/z/y", true, Obstacle::NoParent),
            ("/a/b/f", "/a/b/f/g", true, Obstacle::NoParent),
            ("/z", "/y", true, Obstacle::Missing),
        ] {
            let copied = namespace.apply(&copy(from, to, deep), "");
            assert_eq!(copied, Err(obstacle), "{from} to {to}");
        }
        // The members afterwards are those of the source, and no others.
        assert_eq!(
            namespace.apply(&copy("/a", "/c", true), "j"),
            Ok(Change::Replaced)
        );
        assert_eq!(
            namespace.apply(&copy("/a", "/a/b/e", false), "j"),
            Ok(Change::Created)
        );
        assert_eq!(
            names(&namespace),
            ["/a", "/a/b", "/a/b/e", "/a/b/f", "/c", "/c/b", "/c/b/f"]
        );
        assert_eq!(namespace.bytes, 2);
        assert_eq!(namespace.get(&path("/c/b/f")).unwrap().made_with, "j");
    }
}
