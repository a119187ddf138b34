//! `touchstone import`

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use touchstone_engine::files::open_regular;
use touchstone_report::text::{count, line};
use touchstone_suite::config::{self};
use touchstone_suite::import::{ImportError, Imported, LARGEST, Origin, import};
use touchstone_yaml::SourceFile;

use super::args::{ImportArgs, ImportFrom};
use super::output::{self, Failed};
use super::{exit, inputs};

/// How many of the entries that were left out are told beside the file.
const TOLD: usize = 10;

/// `touchstone import`
pub fn main(arguments: &ImportArgs) -> Result<u8, Failed> {
    let origin = match arguments.from {
        ImportFrom::Robot => Origin::Robot,
        ImportFrom::Cric => Origin::Cric,
        ImportFrom::Osg => Origin::Osg,
    };
    let source = read(&arguments.file)?;
    let imported = import(origin, &source).map_err(|error| match error {
        ImportError::Yaml(problems) => Failed::Problems(problems),
        other => Failed::Usage(line(&other.to_string())),
    })?;
    expect_good(&imported)?;
    for what in imported.left_out.iter().take(TOLD) {
        output::note(&format!("left out: {}", line(what)));
    }
    if imported.left_out.len() > TOLD {
        let more = imported.left_out.len() - TOLD;
        output::note(&format!("and {more} more, which the file names"));
    }
    let told = format!(
        "{} and {} on what was not carried over",
        count(imported.endpoints, "endpoint"),
        count(imported.left, "remark")
    );
    match &arguments.output {
        None => {
            output::result(&imported.text)?;
            output::note(&told);
        }
        Some(path) => {
            write(path, &imported.text)?;
            let path = path.display();
            output::note(&format!(
                "{path}: {told}; `touchstone check -e {path}` reads it"
            ));
        }
    }
    Ok(exit::OK)
}

fn read(path: &Path) -> Result<SourceFile, Failed> {
    let name = path.display().to_string();
    let failed = |message: &str| Failed::Usage(format!("{name}: {message}"));
    let mut bytes = Vec::new();
    open_regular(path)
        .and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => failed("there is no such file"),
            _ => failed(&format!("it cannot be read: {error}")),
        })?;
    if bytes.len() > LARGEST {
        return Err(failed(&format!("it holds more than {} MiB", LARGEST >> 20)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceFile {
            name: name.into(),
            text: text.into(),
        }),
        Err(_) => Err(failed("it is not UTF-8")),
    }
}

/// What we have made is what we read ourselves.
fn expect_good(imported: &Imported) -> Result<(), Failed> {
    let source = SourceFile {
        name: "what was made".into(),
        text: imported.text.as_str().into(),
    };
    let catalogue = inputs::catalogue(None)?;
    config::load_inventory(&source, &catalogue)?;
    Ok(())
}

/// A file that is there already may be the work of a day.
fn write(path: &Path, text: &str) -> Result<(), Failed> {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            let path = path.display();
            match error.kind() {
                ErrorKind::AlreadyExists => Failed::Usage(format!(
                    "{path}: it is there already, and is not replaced; name another file with -o"
                )),
                _ => Failed::Usage(format!("{path}: it cannot be written: {error}")),
            }
        })
}
