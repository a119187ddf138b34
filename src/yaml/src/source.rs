//! The text of a file, and its lines.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most that a file may hold, in bytes: some thousand endpoints or cases.
pub const FILE_CAP: usize = 1 << 20;

/// A file of the user.
#[derive(Clone)]
pub struct SourceFile {
    /// Its name as the user knows it; relative paths inside the file start at its folder.
    pub name: Arc<str>,
    /// Everything in it.
    pub text: Arc<str>,
}

/// Without the text, which may hold a secret that does not belong there.
impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl SourceFile {
    /// The text without a byte order mark.
    pub fn body(&self) -> &str {
        self.text.strip_prefix('\u{feff}').unwrap_or(&self.text)
    }

    /// A path as the file has it, made relative to the file's folder.
    pub fn beside(&self, path: &str) -> PathBuf {
        match Path::new(&*self.name).parent() {
            Some(folder) => folder.join(path),
            None => path.into(),
        }
    }
}

/// The lines of `text`, broken where YAML breaks them.
pub fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        let (line, end) = rest.split_at(at);
        lines.push(line);
        rest = end.strip_prefix("\r\n").unwrap_or_else(|| {
            let mut chars = end.chars();
            chars.next();
            chars.as_str()
        });
    }
    lines.push(rest);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_yaml_breaks_them() {
        assert_eq!(
            lines("a\nb\r\nc\rd\u{2028}e\n"),
            ["a", "b", "c", "d", "e", ""]
        );
    }
}
