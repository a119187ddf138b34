use std::error::Error as _;
use std::path::PathBuf;

use touchstone_engine::trace::{Collector, chrome, critical};
use touchstone_model::redact::Redactor;

use super::args::Command;
use super::{output, write};

/// `--trace FILE`
pub struct Trace {
    path: PathBuf,
    collector: Collector,
}

impl Trace {
    /// Begins one if it is asked for.
    pub fn of(command: &Command) -> Option<Self> {
        let judging = match command {
            Command::Run(arguments) => &arguments.judging,
            Command::Demo(arguments) => &arguments.judging,
            _ => return None,
        };
        judging.trace.as_ref().map(|path| Self {
            path: path.clone(),
            collector: Collector::default(),
        })
    }

    /// Who takes down what it shows.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// Writes it and tells the critical path; says whether it is there.
    pub fn write(self, redactor: &Redactor) -> bool {
        let mut spans = self.collector.spans();
        for span in &mut spans {
            span.name = redactor.text(&span.name);
            for (_, value) in &mut span.fields {
                *value = redactor.text(value);
            }
        }
        let path = critical(&spans);
        let written = chrome(&spans, &path)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                let written = write::write_file(&self.path, text.as_bytes());
                written.map_err(|error| error.source().unwrap_or(&error).to_string())
            });
        for line in path.text(&spans).lines() {
            output::note(line);
        }
        match &written {
            Ok(()) => output::note(&format!(
                "trace: {} (https://ui.perfetto.dev draws it)",
                self.path.display()
            )),
            Err(error) => output::problem(&format!(
                "cannot write the trace {}: {error}; choose another file with --trace",
                self.path.display()
            )),
        }
        written.is_ok()
    }
}
