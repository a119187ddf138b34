//! Where the readers of a file leave what they find wrong, until all of it is known.

use std::sync::Arc;

use crate::problem::{Excerpt, Problem, ProblemSeverity, Spot};
use crate::source::{SourceFile, lines};
use crate::tree::{Node, Position};
use touchstone_model::is_invisible_or_control;

/// More problems than anybody reads.
const MOST: usize = 200;
/// Characters of a line that are shown.
const WINDOW: usize = 120;
/// Characters of a message that are shown.
const SENTENCE: usize = 400;

/// What is wrong with one file.
pub struct Diagnostics<'s> {
    /// The file.
    pub source: &'s SourceFile,
    /// Whether secrets might stand in the file, though they should not.
    discreet: bool,
    drafts: Vec<Draft>,
    omitted: usize,
    /// Whether anything has to be mended.
    refused: bool,
    hidden: Vec<(Position, Position)>,
    /// Where each key and scalar starts, in order.
    pub starts: Vec<Position>,
}

/// A key or value to point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where it begins.
    pub at: Position,
    /// Characters of its value, which are those of the text unless it is quoted.
    pub chars: usize,
}

/// A problem before it is known what may be shown of its line.
#[derive(Debug)]
pub struct Draft {
    mark: Option<Mark>,
    fragment: Option<String>,
    weight: ProblemSeverity,
    message: String,
    help: Option<String>,
}

impl Draft {
    /// Says what to do about it.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Points at this part of the value only.
    pub fn on(&mut self, fragment: impl Into<String>) -> &mut Self {
        self.fragment = Some(fragment.into());
        self
    }
}

impl<'s> Diagnostics<'s> {
    /// For a file of cases or clauses.
    pub fn new(source: &'s SourceFile) -> Self {
        Self {
            source,
            discreet: false,
            drafts: Vec::new(),
            omitted: 0,
            refused: false,
            hidden: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// For a file in which secrets might stand, though they should not.
    pub fn discreet(source: &'s SourceFile) -> Self {
        Self {
            discreet: true,
            ..Self::new(source)
        }
    }

    /// Something that has to be mended, at a place or in the file as a whole.
    pub fn error(
        &mut self,
        mark: impl Into<Option<Mark>>,
        message: impl Into<String>,
    ) -> &mut Draft {
        self.add(mark.into(), ProblemSeverity::Error, message.into())
    }

    /// How much was found so far.
    pub fn problems(&self) -> usize {
        self.drafts.len() + self.omitted
    }

    /// Something to know.
    pub fn note(
        &mut self,
        mark: impl Into<Option<Mark>>,
        message: impl Into<String>,
    ) -> &mut Draft {
        self.add(mark.into(), ProblemSeverity::Note, message.into())
    }

    fn add(&mut self, mark: Option<Mark>, weight: ProblemSeverity, message: String) -> &mut Draft {
        self.refused |= weight == ProblemSeverity::Error;
        if self.drafts.len() > MOST {
            self.drafts.pop();
            self.omitted += 1;
        }
        self.drafts.push(Draft {
            mark,
            fragment: None,
            weight,
            message,
            help: None,
        });
        let last = self.drafts.len() - 1;
        &mut self.drafts[last]
    }

    /// Keeps a value out of every excerpt of this file.
    pub fn hide(&mut self, node: &Node) {
        if node.is_empty() {
            return;
        }
        let last = node.last();
        let next = self.starts.partition_point(|start| *start <= last);
        let end = self.starts.get(next).copied().unwrap_or(Position {
            line: usize::MAX,
            column: 1,
        });
        self.hidden.push((node.at, end));
    }

    /// Keeps a value that nobody expects out of excerpts, since it might be a secret.
    pub fn hide_if_discreet(&mut self, node: &Node) {
        if self.discreet {
            self.hide(node);
        }
    }

    /// Keeps the whole file out of its excerpts.
    pub fn hide_all(&mut self) {
        let end = Position {
            line: usize::MAX,
            column: 1,
        };
        self.hidden.push((Position::START, end));
    }

    /// Everything found, in the order of the lines: errors, and notes.
    pub fn finish(self) -> (Vec<Problem>, Vec<Problem>) {
        if self.drafts.is_empty() {
            return Default::default();
        }
        let lines = lines(self.source.body());
        let mut drafts: Vec<&Draft> = self.drafts.iter().collect();
        drafts.sort_by_key(|draft| draft.mark.map(|mark| mark.at));
        let mut problems: Vec<Problem> = drafts
            .into_iter()
            .map(|draft| Problem {
                file: Arc::clone(&self.source.name),
                spot: draft.mark.map(|mark| self.spot(&lines, mark, draft)),
                weight: draft.weight,
                message: tame(&draft.message),
                help: draft.help.as_deref().map(tame),
            })
            .collect();
        problems.dedup();
        if self.omitted > 0 {
            let message = format!("and {} problems more", self.omitted);
            problems.push(Problem {
                weight: if self.refused {
                    ProblemSeverity::Error
                } else {
                    ProblemSeverity::Note
                },
                ..Problem::of_file(&self.source.name, message, "mend those above first")
            });
        }
        problems
            .into_iter()
            .partition(|problem| problem.weight == ProblemSeverity::Error)
    }

    fn spot(&self, lines: &[&str], mut mark: Mark, draft: &Draft) -> Spot {
        // What is missed at the end is missed behind the last line.
        if mark.at.line > lines.len() {
            mark.at.line = lines.len().max(1);
            mark.at.column = lines.last().map_or(0, |line| line.chars().count()) + 1;
        }
        let line = lines.get(mark.at.line - 1).copied().unwrap_or_default();
        let rest: String = line.chars().skip(mark.at.column - 1).collect();
        let whole = extent(&rest, mark.chars);
        let part = draft.fragment.as_deref().and_then(|fragment| {
            let value: String = rest.chars().take(whole).collect();
            let before = value.find(fragment)?;
            Some((
                value.get(..before)?.chars().count(),
                fragment.chars().count(),
            ))
        });
        let (offset, length) = part.unwrap_or((0, whole));
        let column = mark.at.column + offset;
        let length = length.max(1);
        let excerpt = self.visible(mark.at.line, line).and_then(|visible| {
            excerpt(
                &self.source.name,
                mark.at.line,
                line,
                visible,
                column,
                length,
            )
        });
        Spot {
            line: mark.at.line,
            column,
            length,
            excerpt,
        }
    }

    /// How many characters of a line may be shown; `None`: not even where it ends.
    fn visible(&self, number: usize, line: &str) -> Option<usize> {
        let mut visible = usize::MAX;
        for (from, to) in &self.hidden {
            if number == from.line {
                visible = visible.min(from.column - 1);
            } else if number > from.line && number < to.line {
                return None;
            } else if number == to.line {
                // The end of a secret of several lines may stand before the next key.
                let mut before = line.chars().take(to.column - 1);
                if !before.all(|c| c == ' ' || c == '-') {
                    return None;
                }
            }
        }
        Some(visible)
    }
}

/// A message that quotes a file, without control characters and not endlessly long.
fn tame(message: &str) -> String {
    let mut tame: String = message
        .chars()
        .take(SENTENCE)
        .map(|c| {
            if is_invisible_or_control(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    if message.chars().nth(SENTENCE).is_some() {
        tame.push('…');
    }
    tame
}

/// How many characters a value takes from the start of `rest`.
fn extent(rest: &str, chars: usize) -> usize {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        let mut escaped = false;
        let end = rest.chars().skip(1).position(|c| {
            let end = c == quote && !escaped;
            escaped = quote == '"' && c == '\\' && !escaped;
            end
        });
        return end.map_or(rest.chars().count(), |end| end + 2);
    }
    if chars > 0 && chars <= rest.chars().count() {
        return chars;
    }
    let delimiter = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}' | ':');
    rest.chars().take_while(|c| !delimiter(*c)).count()
}

/// The part of a line around `column`, of which `visible` characters may be shown.
fn excerpt(
    file: &Arc<str>,
    number: usize,
    line: &str,
    visible: usize,
    column: usize,
    length: usize,
) -> Option<Excerpt> {
    let all = line.chars().count();
    let mut start = column - 1;
    if start >= visible {
        return None;
    }
    let first = if all > WINDOW {
        start.saturating_sub(WINDOW / 2)
    } else {
        0
    };
    let end = all.min(visible).min(first + WINDOW);
    let length = length.min(end.saturating_sub(start)).max(1);
    let mut text = String::new();
    if first > 0 {
        text.push('…');
        start += 1;
    }
    text.extend(
        line.chars()
            .skip(first)
            .take(end.saturating_sub(first))
            .map(|c| match c {
                '\t' => '→',
                c if is_invisible_or_control(c) => '\u{fffd}',
                c => c,
            }),
    );
    if end < all {
        text.push('…');
    }
    if text.trim().is_empty() {
        return None;
    }
    Some(Excerpt {
        file: Arc::clone(file),
        line: number,
        column,
        text: text.trim_end().to_owned(),
        start: start - first,
        length,
    })
}
