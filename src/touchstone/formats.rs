//! `--format`: which reports are made, and where they go.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;

use touchstone_model::RunRecord;
use touchstone_report::{FORMATS, File, Made, ReportFormat, nagios};

use super::output::{self, Failed};
use super::{exit, write};

/// How long the reader of a named pipe may take.
const PIPE: Duration = Duration::from_secs(10);
/// The format that plugins speak.
const NAGIOS: &str = "nagios";
/// The commands that make reports.
const COMMANDS: [&str; 4] = ["run", "demo", "merge", "report"];

/// `NAME`, `NAME=PATH` or `NAME=-`.
#[derive(Clone, Debug)]
pub struct Choice {
    format: &'static ReportFormat,
    to: Option<To>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum To {
    Stdout,
    Path(PathBuf),
}

/// One item of `--format`.
pub fn choice(text: &str) -> Result<Choice, String> {
    let (name, to) = match text.split_once('=') {
        None => (text, None),
        Some((name, "-")) => (name, Some(To::Stdout)),
        Some((name, "")) => {
            return Err(format!("there is no path behind `{name}=`; `-` is stdout"));
        }
        Some((name, path)) => (name, Some(To::Path(path.into()))),
    };
    let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    let Some(format) = FORMATS.iter().find(|format| format.name == name) else {
        let near = touchstone_yaml::suggestion(name, names.iter().copied());
        let near = near
            .filter(|near| near.starts_with("did"))
            .map(|near| near + " ");
        return Err(format!(
            "there is no format `{name}`; {}there are {}",
            near.unwrap_or_default(),
            names.join(", ")
        ));
    };
    Ok(Choice { format, to })
}

/// Whether these arguments ask for a plugin's line on stdout, so that also what goes wrong has to be told there.
pub fn plugin(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let arguments = arguments.into_iter().skip(1);
    let arguments: Vec<_> = arguments
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let Some((command, rest)) = arguments.split_first() else {
        return false;
    };
    let plain = |list: &str| {
        let mut items = list.split(',');
        items.any(|item| item == NAGIOS || item.strip_prefix(NAGIOS) == Some("=-"))
    };
    COMMANDS.contains(&command.as_str())
        && rest.iter().enumerate().any(|(place, word)| {
            let value = match word.strip_prefix("--format") {
                Some("") => rest.get(place + 1).map(String::as_str),
                Some(value) => value.strip_prefix('='),
                None => None,
            };
            value.is_some_and(plain)
        })
}

/// What is made of a record, and where it goes.
#[derive(Debug, Default)]
pub struct Output {
    /// Into the folder, under the usual names.
    folder: Vec<&'static ReportFormat>,
    /// Elsewhere.
    paths: Vec<(&'static ReportFormat, PathBuf)>,
    /// To stdout, in place of the tables.
    stdout: Option<&'static ReportFormat>,
    /// Whether the tables are printed.
    tables: bool,
}

impl Output {
    /// After a run: the record in any case, and the usual reports unless others are named.
    pub fn of_run(choices: &[Choice]) -> Result<Self, Failed> {
        let record = FORMATS.iter().filter(|format| format.name == "json");
        let usual = FORMATS.iter().filter(|format| format.usual);
        let mut output = match choices.is_empty() {
            true => Self::into_folder(usual),
            false => Self::into_folder(record),
        };
        for choice in choices {
            match &choice.to {
                Some(to) => output.add(choice.format, to.clone())?,
                None if choice.format.name == NAGIOS => output.add(choice.format, To::Stdout)?,
                None => output.add_to_folder(choice.format),
            }
        }
        output.tables = output.stdout.is_none();
        Ok(output)
    }

    /// From a record that is there: what is named. One alone goes to stdout if there is no folder for it, and without
    /// any name the tables go there.
    pub fn of_report(choices: &[Choice], folder: bool) -> Result<Self, Failed> {
        if choices.is_empty() {
            let usual = FORMATS.iter().filter(|format| folder && format.usual);
            return Ok(Self {
                tables: true,
                ..Self::into_folder(usual)
            });
        }
        let mut output = Self::default();
        for choice in choices {
            let name = choice.format.name;
            match &choice.to {
                Some(to) => output.add(choice.format, to.clone())?,
                None if name == NAGIOS => output.add(choice.format, To::Stdout)?,
                None if folder => output.add_to_folder(choice.format),
                None if choices.len() == 1 && choice.format.single() => {
                    output.add(choice.format, To::Stdout)?;
                }
                None => {
                    return Err(Failed::Usage(format!(
                        "where does `{name}` go? Give `--format {name}=PATH`, or --report-dir for all formats"
                    )));
                }
            }
        }
        Ok(output)
    }

    fn into_folder(formats: impl Iterator<Item = &'static ReportFormat>) -> Self {
        Self {
            folder: formats.collect(),
            ..Self::default()
        }
    }

    fn add_to_folder(&mut self, format: &'static ReportFormat) {
        if !self.folder.iter().any(|other| other.name == format.name) {
            self.folder.push(format);
        }
    }

    fn add(&mut self, format: &'static ReportFormat, to: To) -> Result<(), Failed> {
        let name = format.name;
        let refused = |why: String| Err(Failed::Usage(format!("--format {name}: {why}")));
        match to {
            To::Stdout if matches!(format.made, Made::Each(_)) => refused(format!(
                "it makes a file for each endpoint, which cannot all go to stdout; give `{name}=FOLDER`"
            )),
            To::Stdout => match self.stdout {
                Some(other) if other.name != name => refused(format!(
                    "only one format can go to stdout, and `{}` does; give `{name}=PATH`",
                    other.name
                )),
                _ => {
                    self.stdout = Some(format);
                    Ok(())
                }
            },
            To::Path(path) => {
                if let Some((other, _)) = self.paths.iter().find(|(_, taken)| *taken == path) {
                    return refused(format!(
                        "`{}` goes to {} already",
                        other.name,
                        path.display()
                    ));
                }
                if let Some(why) = unfit(format, &path) {
                    return refused(why);
                }
                self.paths.push((format, path));
                Ok(())
            }
        }
    }

    /// Whether stdout gets a plugin's line, and the exit code is a plugin's.
    pub fn plugin(&self) -> bool {
        self.stdout.is_some_and(|format| format.name == NAGIOS)
    }

    /// Writes the files, whatever becomes of single ones; says whether all were written. Those for the folder need one.
    pub async fn write(&self, record: &RunRecord, folder: Option<&Path>) -> bool {
        let mut written = true;
        if let Some(folder) = folder {
            for format in &self.folder {
                written &= match format.made {
                    Made::Streamed(stream) => {
                        write::streamed(&folder.join(format.file), record, stream)
                    }
                    Made::One(_) | Made::Each(_) => write::reports(folder, format.files(record)),
                };
            }
        }
        for (format, path) in &self.paths {
            written &= match format.made {
                Made::Each(files) => write::reports(path, files(record)),
                _ if is_pipe(path) => to_pipe(format, path, record).await,
                Made::Streamed(stream) => write::streamed(path, record, stream),
                Made::One(make) => write::reports(
                    path.parent().unwrap_or(Path::new("")),
                    vec![File {
                        name: (path.file_name().unwrap_or_default())
                            .to_string_lossy()
                            .into_owned(),
                        content: make(record),
                    }],
                ),
            };
        }
        written
    }

    /// Prints what belongs to stdout, and says which exit code the command has that would otherwise end with `code`.
    /// `written` tells whether all files were.
    pub fn print(&self, record: &RunRecord, code: u8, written: bool) -> Result<u8, Failed> {
        let code = match code {
            exit::OK if !written => exit::REPORT,
            code => code,
        };
        if self.tables {
            let style = output::style_of_stdout();
            output::result(&touchstone_report::failures::write(record, style))?;
            output::result(&touchstone_report::table::write(record, style))?;
        }
        let Some(format) = self.stdout else {
            return Ok(code);
        };
        let health = nagios::health(record);
        match format.text(record) {
            Ok(text)
                if self.plugin() && !written && health == touchstone_report::health::Health::Ok =>
            {
                let reason = "a report could not be written, see stderr; otherwise ";
                output::result(&format!("UNKNOWN - {reason}{text}"))?;
                Ok(exit::PLUGIN_UNKNOWN)
            }
            Ok(text) => {
                output::result(&text)?;
                Ok(if self.plugin() { health.code() } else { code })
            }
            Err(error) => {
                output::problem(&format!("{}: {error}", format.name));
                Ok(if code == exit::OK { exit::REPORT } else { code })
            }
        }
    }
}

/// Why a report cannot go there, as far as that can be seen before it is made.
fn unfit(format: &ReportFormat, path: &Path) -> Option<String> {
    let kind = fs::metadata(path).ok().map(|metadata| metadata.file_type());
    let shown = path.display();
    match (format.made, kind) {
        (Made::Each(_), Some(kind)) if !kind.is_dir() => Some(format!(
            "{shown} is no folder, and there is a file for each endpoint"
        )),
        (Made::Each(_), _) => None,
        (_, None) if path.file_name().is_none() || ends_as_folder(path) => {
            Some(format!("{shown} names no file"))
        }
        (_, Some(kind)) if kind.is_dir() => Some(format!(
            "{shown} is a folder; name a file, for instance {}",
            path.join(format.file).display()
        )),
        (_, Some(kind)) if !kind.is_file() && !kind.is_fifo() => Some(format!(
            "{shown} is neither a file nor a pipe; for stdout give `{}=-`",
            format.name
        )),
        _ => None,
    }
}

fn ends_as_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Writes into a named pipe, such as the command file of Nagios, that somebody reads already.
async fn to_pipe(format: &ReportFormat, path: &Path, record: &RunRecord) -> bool {
    let sent = async {
        for file in format.files(record) {
            let content = file.content.map_err(io::Error::other)?;
            let mut sender = pipe::OpenOptions::new().open_sender(path)?;
            // Whole lines at a time, which other writers cannot divide.
            for line in content.split_inclusive('\n') {
                sender.write_all(line.as_bytes()).await?;
            }
        }
        io::Result::Ok(())
    };
    let result = tokio::time::timeout(PIPE, sent).await;
    let why = match result {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("nobody read it within {} seconds", PIPE.as_secs()),
    };
    output::problem(&format!(
        "cannot write to the pipe {}: {why}; is its reader running?",
        path.display()
    ));
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(items: &[&str]) -> Vec<Choice> {
        items.iter().map(|item| choice(item).unwrap()).collect()
    }

    fn refused(result: Result<Output, Failed>) -> String {
        match result {
            Err(Failed::Usage(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    fn names(formats: &[&'static ReportFormat]) -> Vec<&'static str> {
        formats.iter().map(|format| format.name).collect()
    }

    #[test]
    fn every_format_can_be_named() {
        for format in FORMATS {
            assert_eq!(choice(format.name).unwrap().format.name, format.name);
        }
        let message = choice("jnit=x").unwrap_err();
        assert!(message.contains("did you mean `junit`?"), "{message}");
        let message = choice("perfection").unwrap_err();
        assert!(message.contains("there are json, junit"), "{message}");
        assert!(choice("csv=").unwrap_err().contains("no path"));
    }

    #[test]
    fn a_run_leaves_its_record_in_any_case() {
        let usual = Output::of_run(&[]).unwrap();
        assert!(usual.tables && names(&usual.folder).contains(&"junit"));
        let named = Output::of_run(&choices(&["csv", "csv", "junit=-", "badge=b"])).unwrap();
        assert_eq!(names(&named.folder), ["json", "csv"]);
        assert!(!named.tables && !named.plugin());
        assert_eq!(named.paths[0].1, Path::new("b"));
        assert!(Output::of_run(&choices(&["nagios"])).unwrap().plugin());
        assert!(!Output::of_run(&choices(&["nagios=x"])).unwrap().plugin());
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        let folder = format!("csv={}", folder.path().display());
        for (items, part) in [
            (&["csv=-", "nagios"][..], "only one format can go to stdout"),
            (&["badge=-"], "give `badge=FOLDER`"),
            (&["csv=x", "junit=x"], "`csv` goes to x already"),
            (&["csv=/dev/null"], "neither a file nor a pipe"),
            (&["badge=/dev/null"], "no folder"),
            (&["csv=out/"], "names no file"),
            (&[&folder], "is a folder; name a file"),
        ] {
            let message = refused(Output::of_run(&choices(items)));
            assert!(message.contains(part), "{items:?}: {message}");
        }
    }

    #[test]
    fn of_a_record_one_format_goes_to_stdout() {
        let one = Output::of_report(&choices(&["csv"]), false).unwrap();
        assert_eq!(one.stdout.unwrap().name, "csv");
        let kept = Output::of_report(&choices(&["csv", "badge"]), true).unwrap();
        assert_eq!(names(&kept.folder), ["csv", "badge"]);
        for items in [&["csv", "junit"][..], &["badge"]] {
            let message = refused(Output::of_report(&choices(items), false));
            assert!(message.contains("--report-dir"), "{message}");
        }
        let tables = Output::of_report(&[], false).unwrap();
        assert!(tables.tables && tables.folder.is_empty());
    }

    #[test]
    fn plugins_are_recognised_by_their_arguments() {
        let asks = |line: &str| plugin(line.split(' ').map(OsString::from));
        for line in [
            "touchstone run --format nagios",
            "touchstone report --from x --format=csv=a,nagios",
            "touchstone demo --frobnicate --format nagios=-",
        ] {
            assert!(asks(line), "{line}");
        }
        for line in [
            "touchstone",
            "touchstone run --format nagios=x",
            "touchstone run --format nagios-passive",
            "touchstone run --endpoint nagios --format",
            "touchstone list --format nagios",
        ] {
            assert!(!asks(line), "{line}");
        }
    }
}
