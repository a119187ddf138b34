//! Tables for a terminal, or for a page.

use crate::say;

/// Arguments of a run whose critical path is to be told.
pub const TRACE: [&str; 2] = ["--trace", "trace.json"];

/// What is printed, section by section, and which targets were reached.
pub struct Page {
    markdown: bool,
    targets: Vec<[String; 4]>,
}

impl Page {
    pub fn new(markdown: bool) -> Self {
        Self {
            markdown,
            targets: Vec::new(),
        }
    }

    /// A line between the tables.
    pub fn note(&self, text: &str) {
        say(&format!("{text}\n"));
    }

    /// What a run with [`TRACE`] has told of its critical path on stderr.
    pub fn critical_path(&self, of: &str, stderr: &str) {
        let path = stderr.find("critical path").unwrap_or(stderr.len());
        say(&format!("{of}:\n"));
        for line in stderr[path..].lines() {
            say(&format!("    {line}"));
        }
        say("");
    }

    /// A table; all columns but the first are numbers.
    pub fn table(&self, title: &str, header: &[&str], rows: &[Vec<String>]) {
        say(&match self.markdown {
            true => format!("### {title}\n"),
            false => title.to_owned(),
        });
        let header: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
        let width = |column: usize| {
            let all = std::iter::once(&header).chain(rows);
            all.filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        self.row(&header, &widths);
        if self.markdown {
            let line = widths.iter().enumerate().map(|(column, &width)| {
                let end = if column == 0 { "-" } else { ":" };
                format!("{}{end}", "-".repeat(width.max(3) - 1))
            });
            self.row(&line.collect::<Vec<_>>(), &widths);
        }
        for row in rows {
            self.row(row, &widths);
        }
        say("");
    }

    fn row(&self, cells: &[String], widths: &[usize]) {
        let padded = cells.iter().zip(widths).enumerate();
        let padded: Vec<_> = padded
            .map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        say(&match self.markdown {
            true => format!("| {} |", padded.join(" | ")),
            false => format!("  {}", padded.join("  ")).trim_end().to_owned(),
        });
    }

    /// Notes what was to be reached. It is shown at the end, and never an error.
    pub fn target(&mut self, what: &str, target: &str, measured: String, reached: bool) {
        let verdict = if reached { "reached" } else { "missed" };
        let row = [what.to_owned(), target.to_owned(), measured, verdict.into()];
        self.targets.push(row);
    }

    /// All that was noted.
    pub fn targets(&self) {
        let rows: Vec<_> = self.targets.iter().map(|row| row.to_vec()).collect();
        let header = ["target", "to reach", "measured", ""];
        self.table("Targets", &header, &rows);
    }
}

/// Seconds.
pub fn seconds(duration: std::time::Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Milliseconds.
pub fn milliseconds(duration: std::time::Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// Of so many, each.
pub fn each(duration: std::time::Duration, count: usize) -> std::time::Duration {
    duration.div_f64(f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX)))
}
