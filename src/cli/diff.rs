use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use crate::model::RunOutcome;
use crate::report::brief::{Brief, Details, read_error};
use crate::report::diff;

use super::args::{DiffArgs, DiffFormat};
use super::exit;
use super::output::{self, Failed};

/// `touchstone diff`
pub fn main(arguments: &DiffArgs) -> Result<u8, Failed> {
    let (old, _) = outcome(&arguments.old)?;
    let (new, details) = outcome(&arguments.new)?;
    let comparison = diff::compare(&old, &new, &details);
    let text = match arguments.format {
        DiffFormat::Text => diff::text(&comparison, output::style_of_stdout()),
        DiffFormat::Markdown => diff::markdown(&comparison),
        DiffFormat::Json => {
            diff::json(&comparison).map_err(|error| Failed::Undecided(error.to_string()))?
        }
    };
    output::result(&text)?;
    Ok(match comparison.new_failures() {
        true => exit::FAILED,
        false => exit::OK,
    })
}

/// What a run found, by the argument that names it: a record, or a folder that holds one.
fn outcome(argument: &Path) -> Result<(RunOutcome, Details), Failed> {
    let path = match argument.is_dir() {
        true => argument.join("run.json"),
        false => argument.to_owned(),
    };
    match read(&path) {
        Ok(brief) => Ok(brief.split()),
        Err(message) => Err(Failed::Usage(message)),
    }
}

fn read(path: &PathBuf) -> Result<Brief, String> {
    let cannot = |error: io::Error| {
        format!(
            "cannot read {}: {error}; expected a run.json, or a folder that holds one, such as reports/latest",
            path.display()
        )
    };
    let open = || File::open(path).map(BufReader::new);
    match Brief::read(open().map_err(cannot)?) {
        Ok(brief) => Ok(brief),
        Err(error) if error.is_io() => Err(cannot(error.into())),
        Err(error) => {
            let error = read_error(error, open().map_err(cannot)?);
            Err(format!(
                "{}: {error}; expected the run.json of a run, or a folder that holds one",
                path.display()
            ))
        }
    }
}
