use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use touchstone_model::Method;

/// What may stand in a path unescaped (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A normalised path, component by component; the root has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectPath(Vec<String>);

/// A path as somebody wrote it: the same, and whether it ended in a slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WrittenPath {
    pub(super) path: ObjectPath,
    /// A trailing slash says that it names a directory. The root needs none to be one.
    pub(super) slash: bool,
}

/// Which of a request's paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its target.
    Target(Method),
    /// Its `Destination`.
    Destination,
}

/// The object that a path of a request names. Both paths are one; a fault may tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestPath {
    /// By which rights are judged.
    pub(super) judged: ObjectPath,
    /// On which the request acts.
    pub(super) meant: ObjectPath,
    pub(super) slash: bool,
}

impl RequestPath {
    /// As [`WrittenPath::parse`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        let written = WrittenPath::parse(text)?;
        Some(Self {
            judged: written.path.clone(),
            meant: written.path,
            slash: written.slash,
        })
    }
}

impl WrittenPath {
    /// Reads an absolute, URL-escaped path. Escapes are decoded once; doubled slashes count as one.
    ///
    /// Refused are dot segments (also escaped ones), an escaped slash, control characters, broken
    /// escapes and names that are not UTF-8: nobody agrees on what they mean.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let components = text
            .strip_prefix('/')?
            .split('/')
            .filter(|component| !component.is_empty())
            .map(decode)
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            slash: text.ends_with('/') && !components.is_empty(),
            path: ObjectPath(components),
        })
    }
}

fn decode(component: &str) -> Option<String> {
    let mut bytes = component.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' && !(bytes.next()?.is_ascii_hexdigit() && bytes.next()?.is_ascii_hexdigit())
        {
            return None;
        }
    }
    let name = percent_decode_str(component).decode_utf8().ok()?;
    let sound = name != "." && name != ".." && !name.contains(|c: char| c == '/' || c.is_control());
    sound.then(|| name.into_owned())
}

impl ObjectPath {
    /// Of these names, which may be odd.
    pub(super) fn of(names: Vec<String>) -> Self {
        Self(names)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.0
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// How many components it has.
    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }

    /// Whether it is `other` or lies below it, compared by whole components.
    pub(super) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// What remains of it below `other`.
    pub(super) fn below(&self, other: &Self) -> Option<Self> {
        let rest = self.0.strip_prefix(other.0.as_slice())?;
        Some(Self(rest.to_vec()))
    }

    pub(super) fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Self(parent.to_vec()))
    }

    pub(super) fn join(&self, other: &Self) -> Self {
        Self([self.0.as_slice(), &other.0].concat())
    }

    /// URL-escaped, as PROPFIND names it; the root is empty.
    pub(super) fn escaped(&self) -> String {
        self.0
            .iter()
            .map(|name| format!("/{}", utf8_percent_encode(name, ESCAPED)))
            .collect()
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (String, bool) {
        let written = WrittenPath::parse(text).unwrap();
        (written.path.to_string(), written.slash)
    }

    #[test]
    fn escapes_are_decoded_once_and_slashes_joined() {
        assert_eq!(written("/"), (String::new(), false));
        assert_eq!(written("//a///b/"), ("/a/b".into(), true));
        assert_eq!(written("/%61%20b"), ("/a b".into(), false));
        assert_eq!(written("/a%252e%252e"), ("/a%2e%2e".into(), false));
        assert_eq!(written("/..a/b.."), ("/..a/b..".into(), false));
    }

    #[test]
    fn paths_that_could_mean_two_things_are_refused() {
        for text in [
            "",
            "a",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2fb",
            "/a%00b",
            "/a%0ab",
            "/%",
            "/%4",
            "/%zz",
            "/%ff",
        ] {
            assert_eq!(WrittenPath::parse(text), None, "{text}");
        }
    }

    #[test]
    fn components_are_whole() {
        let path = |text: &str| WrittenPath::parse(text).unwrap().path;
        assert!(path("/foo/bar").starts_with(&path("/foo")));
        assert!(!path("/foobar").starts_with(&path("/foo")));
        assert_eq!(path("/a/b").below(&path("/a")), Some(path("/b")));
        assert_eq!(path("/ab").below(&path("/a")), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_escaped_is_read_back(names in proptest::collection::vec("[^/\\p{Cc}]{1,8}", 1..4)) {
            proptest::prop_assume!(names.iter().all(|name| name != "." && name != ".."));
            let path = ObjectPath(names);
            let back = WrittenPath::parse(&path.escaped()).map(|written| written.path);
            proptest::prop_assert_eq!(back, Some(path));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Some(written) = WrittenPath::parse(&text) {
                proptest::prop_assert!(!written.path.to_string().split('/').any(|name| name == ".."));
            }
        }
    }
}
