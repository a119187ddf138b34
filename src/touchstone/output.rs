//! Results to stdout, everything else to stderr.

use std::io::{IsTerminal, Write};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use touchstone_engine::http::remedy;
use touchstone_engine::trace::{self, Collector};
use touchstone_model::redact::Redactor;
use touchstone_report::style::Style;
use touchstone_report::text::{coloured, terminal};
use touchstone_yaml::Problems;

/// Why a command ends before it has a result of its own.
#[derive(Debug)]
pub enum Failed {
    /// Whoever read the output has had enough.
    BrokenPipe,
    /// A signal came before there was anything to tear down.
    Interrupted,
    /// Wrong usage or configuration, in a sentence.
    Usage(String),
    /// Wrong files, each with its place.
    Problems(Problems),
    /// It could not be done.
    Undecided(String),
}

impl From<Problems> for Failed {
    fn from(problems: Problems) -> Self {
        Self::Problems(problems)
    }
}

/// Prints a result.
///
/// # Errors
/// [`Failed::BrokenPipe`] when nobody reads any more; other errors of stdout as such.
pub fn result(text: &str) -> Result<(), Failed> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failed::BrokenPipe),
        Err(error) => Err(Failed::Undecided(format!(
            "cannot write to stdout: {error}"
        ))),
    }
}

/// Tells what went wrong.
pub fn problem(text: &str) {
    say(&format!("error: {}{}\n", terminal(text), remedy(text)));
}

/// Tells something on the side.
pub fn note(text: &str) {
    say(&format!("{}\n", terminal(text)));
}

/// Shows wrong places in files.
pub fn problems(problems: &Problems) {
    if style_of_stderr() == Style::Plain {
        say(&format!("{}\n", terminal(&problems.to_string())));
        return;
    }
    let handler = miette::GraphicalReportHandler::new();
    let mut drawn = String::new();
    for problem in problems {
        if handler
            .render_report(&mut drawn, &problem.report())
            .is_err()
        {
            drawn.push_str(&problem.to_string());
        }
        drawn.push('\n');
    }
    say(&coloured(&drawn));
}

/// Whether results are coloured.
pub fn style_of_stdout() -> Style {
    style(&std::io::stdout())
}

/// Whether messages are coloured.
pub fn style_of_stderr() -> Style {
    style(&std::io::stderr())
}

fn style(stream: &impl IsTerminal) -> Style {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal() && !refused {
        Style::Colour
    } else {
        Style::Plain
    }
}

fn say(text: &str) {
    // A closed stderr is nobody's business.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// What a panic says goes through the redactor as well.
pub fn redact_panics(redactor: &Redactor) {
    let redactor = redactor.clone();
    std::panic::set_hook(Box::new(move |panic| {
        say(&panicked(&redactor, panic));
    }));
}

fn panicked(redactor: &Redactor, panic: &impl std::fmt::Display) -> String {
    format!("{}\n", terminal(&redactor.text(&panic.to_string())))
}

/// Sends the log to stderr, through the redactor, whatever crate a line comes from; and spans of time to whoever
/// collects them.
pub fn log_to_stderr(redactor: &Redactor, spans: Option<&Collector>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let style = style_of_stderr();
    let redactor = redactor.clone();
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(style == Style::Colour)
        // It would panic where stderr is gone.
        .log_internal_errors(false)
        .with_writer(move || Log {
            inner: std::io::stderr(),
            redactor: redactor.clone(),
            style,
        })
        .with_filter(trace::only(false))
        .with_filter(filter);
    let _ = tracing_subscriber::registry()
        .with(log)
        .with(spans.map(Collector::layer))
        .try_init();
}

/// One line for each event, whatever texts of others it holds. An event comes in one piece.
struct Log<W: Write> {
    inner: W,
    redactor: Redactor,
    style: Style,
}

impl<W: Write> Write for Log<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let event = self.redactor.text(text.strip_suffix('\n').unwrap_or(&text));
        let shown = match self.style {
            Style::Colour => coloured(&event),
            Style::Plain => terminal(&event),
        };
        let line = format!("{}\n", shown.replace('\n', "\\n"));
        self.inner.write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use secrecy::SecretString;

    use super::*;

    const WORD: &str = "TOUCHSTONE_TEST_PANIC";

    /// For the process that the other test starts: a hook is for all threads.
    #[test]
    #[ignore = "it panics, as the other test asks"]
    fn a_panic_with_a_token() {
        let Ok(token) = std::env::var(WORD) else {
            return;
        };
        let redactor = Redactor::default();
        redact_panics(&redactor);
        redactor.add(&SecretString::from(token.as_str()));
        panic!("Bearer {token} at https://se/?authz={token}");
    }

    #[test]
    fn no_panic_shows_a_token() {
        let token = uuid::Uuid::new_v4().to_string();
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "output::tests::a_panic_with_a_token"])
            .args(["--ignored", "--nocapture"])
            .env(WORD, &token)
            .env("RUST_BACKTRACE", "full")
            .output()
            .unwrap();
        assert!(!ended.status.success());
        let told = [ended.stdout, ended.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(
            told.contains("panicked at src/touchstone/output.rs"),
            "{told}"
        );
        assert!(told.contains("[redacted]"), "{told}");
        assert!(!told.contains(&token), "{told}");
    }

    #[test]
    fn a_panic_tells_no_secret() {
        let redactor = Redactor::default();
        redactor.add(&"correct horse battery".to_owned().into());
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
        let panic =
            format!("panicked at src/x.rs:1:2:\ncorrect horse battery, Bearer {token}\u{1b}[2J");
        let told = panicked(&redactor, &panic);
        assert!(told.starts_with("panicked at src/x.rs:1:2:"), "{told}");
        assert!(!told.contains("horse") && !told.contains("eyJ"), "{told}");
        assert!(!told.contains('\u{1b}'), "{told}");
    }
}
