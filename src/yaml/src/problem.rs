//! What is wrong with a file, and how it is shown.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, Severity, SourceCode, SourceSpan,
    SpanContents,
};

/// What is wrong with the files of a user: all of it, in the order of the files and their lines.
///
/// `Display` is plain text. For colours, hand each [`Problem`] to a `miette` report handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Each problem, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The problems of several files as one; `Ok` when there are none.
    pub fn none_of(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self(problems))
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// One thing that is wrong with a file, or that its author may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user knows it.
    pub file: Arc<str>,
    /// Where in it; `None` when it is about the file as a whole.
    pub spot: Option<Spot>,
    /// Whether it has to be mended.
    pub weight: ProblemSeverity,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Whether a problem has to be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemSeverity {
    /// The file cannot be used so.
    Error,
    /// The file can be used.
    Note,
}

/// A stretch of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// In characters, at least 1.
    pub length: usize,
    /// What may be shown of the line; `None` when a secret stands there.
    pub excerpt: Option<Excerpt>,
}

/// A line made fit for showing: no control characters, not endlessly long, no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The name of the file.
    pub file: Arc<str>,
    /// Its line, from 1.
    pub line: usize,
    /// In the file's line, counted from 1.
    pub column: usize,
    /// The part of the line that is shown.
    pub text: String,
    /// Characters before the stretch that is meant.
    pub start: usize,
    /// How many characters are meant.
    pub length: usize,
}

impl Excerpt {
    fn span(&self) -> SourceSpan {
        let bytes = |chars: usize| self.text.chars().take(chars).map(char::len_utf8).sum();
        let start: usize = bytes(self.start);
        let end: usize = bytes(self.start + self.length);
        (start, end - start).into()
    }
}

impl Problem {
    /// A problem of the file as a whole.
    pub fn of_file(file: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            spot: None,
            weight: ProblemSeverity::Error,
            message: message.into(),
            help: Some(help.into()),
        }
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    /// Plain text of several lines, without a line feed at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(spot) = &self.spot {
            write!(f, ":{}:{}", spot.line, spot.column)?;
        }
        let note = match self.weight {
            ProblemSeverity::Error => "",
            ProblemSeverity::Note => "note: ",
        };
        write!(f, ": {note}{}", self.message)?;
        if let Some(excerpt) = self.spot.as_ref().and_then(|spot| spot.excerpt.as_ref()) {
            let (blank, carets) = (" ".repeat(excerpt.start), "^".repeat(excerpt.length));
            write!(f, "\n{:5} | {}", excerpt.line, excerpt.text)?;
            write!(f, "\n      | {blank}{carets}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

/// `Display` of a [`Problem`] already shows the line, so that report handlers, which draw it
/// themselves, get this view of it.
#[derive(Debug)]
pub struct ProblemReport<'a>(&'a Problem);

impl Problem {
    /// The view of it for `miette`'s report handlers.
    pub fn report(&self) -> ProblemReport<'_> {
        ProblemReport(self)
    }
}

impl std::error::Error for ProblemReport<'_> {}

impl fmt::Display for ProblemReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, spot, .. } = self.0;
        match spot {
            // The handler prints the place above the line, if there is a line.
            Some(spot) if spot.excerpt.is_none() => {
                write!(f, "{file}:{}:{}: ", spot.line, spot.column)?;
            }
            Some(_) => {}
            None => write!(f, "{file}: ")?,
        }
        f.write_str(&self.0.message)
    }
}

impl Diagnostic for ProblemReport<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(match self.0.weight {
            ProblemSeverity::Error => Severity::Error,
            ProblemSeverity::Note => Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.0.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let excerpt = self.0.spot.as_ref()?.excerpt.as_ref()?;
        Some(excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.0.spot.as_ref()?.excerpt.as_ref()?;
        let label = LabeledSpan::new_with_span(Some("here".into()), excerpt.span());
        Some(Box::new(std::iter::once(label)))
    }
}

impl SourceCode for Excerpt {
    /// One line, whatever context is asked for: the lines around it may hold a secret.
    fn read_span<'a>(
        &'a self,
        _span: &SourceSpan,
        _before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.to_string(),
            self.text.as_bytes(),
            (0, self.text.len()).into(),
            self.line - 1,
            self.column - 1,
            1,
        )))
    }
}

#[cfg(test)]
mod tests {
    use miette::{GraphicalReportHandler, GraphicalTheme};

    use super::*;

    fn problem() -> Problem {
        Problem {
            file: "endpoints.yaml".into(),
            spot: Some(Spot {
                line: 12,
                column: 6,
                length: 5,
                excerpt: Some(Excerpt {
                    file: "endpoints.yaml".into(),
                    line: 12,
                    column: 6,
                    text: "  é: isuer".into(),
                    start: 5,
                    length: 5,
                }),
            }),
            weight: ProblemSeverity::Error,
            message: "unknown key `isuer`".into(),
            help: Some("did you mean `issuer`?".into()),
        }
    }

    #[test]
    fn plain_text_points_at_the_line() {
        insta::assert_snapshot!(Problems(vec![problem(), problem()]), @r"
        endpoints.yaml:12:6: unknown key `isuer`
           12 |   é: isuer
              |      ^^^^^
          help: did you mean `issuer`?

        endpoints.yaml:12:6: unknown key `isuer`
           12 |   é: isuer
              |      ^^^^^
          help: did you mean `issuer`?
        ");
    }

    #[test]
    fn report_handlers_draw_the_line_with_its_number() {
        let mut drawn = String::new();
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .render_report(&mut drawn, &problem().report())
            .unwrap();
        insta::assert_snapshot!(drawn, @"
         × unknown key `isuer`
           ╭─[endpoints.yaml:12:6]
        12 │   é: isuer
           ·      ──┬──
           ·        ╰── here
           ╰────
         help: did you mean `issuer`?
        ");
    }
}
