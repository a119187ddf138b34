use std::io::{self, BufReader};
use std::path::Path;

use touchstone_engine::files::open_regular;
use touchstone_model::{RunId, RunOutcome};
use touchstone_report::brief::{Brief, Details, read_error};
use touchstone_report::{diff, json};

use super::args::{DiffArgs, DiffFormat};
use super::exit;
use super::output::{self, Failed};
use super::report::place;

/// `touchstone diff`
pub fn main(arguments: &DiffArgs) -> Result<u8, Failed> {
    let (mut old, _) = outcome(&arguments.old, &arguments.history, super::history::base)?;
    let (new, details) = outcome(&arguments.new, &arguments.history, super::history::outcome)?;
    // What a run of a part left out is as the runs before it had found it, where a history has them.
    if old.partial
        && let Ok(base) = super::history::base(&arguments.history, old.run.as_str())
    {
        old = base;
    }
    let given = details.is_some();
    let mut comparison = diff::compare(&old, &new, &details.unwrap_or_default());
    if !given
        && comparison.new_failures()
        && let Some(details) = remembered(&new.run, &arguments.history)
    {
        comparison = diff::compare(&old, &new, &details);
    }
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

/// What a run found, by the argument that names it: a record, a folder that holds one, or a run of the history.
fn outcome(
    argument: &Path,
    history: &Path,
    remembered: fn(&Path, &str) -> Result<RunOutcome, Failed>,
) -> Result<(RunOutcome, Option<Details>), Failed> {
    let path = place(argument);
    let name = argument.to_str().filter(|name| !name.contains('/'));
    if let Some(name) = name.filter(|_| !argument.exists()) {
        let unknown = |why: &str| {
            Failed::Usage(format!(
                "{name} is no run.json and no folder that holds one; as a run of the history: {why}"
            ))
        };
        let outcome = remembered(history, name).map_err(|error| match error {
            Failed::Usage(why) => unknown(&why),
            error => error,
        })?;
        return Ok((outcome, None));
    }
    match read(&path) {
        Ok(brief) => {
            let (outcome, details) = brief.split();
            Ok((outcome, Some(details)))
        }
        Err(message) => Err(Failed::Usage(message)),
    }
}

/// What the record of a run of the history says beyond its verdicts, if its folder is still there.
fn remembered(run: &RunId, history: &Path) -> Option<Details> {
    let folder = history.parent()?.join(run.as_str());
    let brief = read(&folder.join(json::FILE)).ok()?;
    let (outcome, details) = brief.split();
    (outcome.run == *run).then_some(details)
}

fn read(path: &Path) -> Result<Brief, String> {
    let cannot = |error: io::Error| {
        format!(
            "cannot read {}: {error}; expected a run.json, or a folder that holds one, such as reports/latest",
            path.display()
        )
    };
    let open = || open_regular(path).map(BufReader::new);
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
