//! `touchstone merge`

use std::path::{Path, PathBuf};

use crate::report::json;
use crate::report::merge::{self, Part};
use crate::report::text::count;

use super::args::MergeArgs;
use super::formats::Output;
use super::output::{self, Failed};
use super::remember::Memory;
use super::run::{Folder, conclude};

/// What a record is called in the folder of a run.
const RECORD: &str = "run.json";
/// Far more than 300 cases at 200 endpoints need.
const MOST: u64 = 4 << 30;

/// `touchstone merge`
pub async fn main(arguments: &MergeArgs) -> Result<u8, Failed> {
    let output = Output::of_run(&arguments.formats)?;
    let parts = arguments.shards.iter().map(|path| read(path));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let homes = parts.iter().map(|part| Path::new(&part.name).parent());
    let homes: Vec<PathBuf> = homes.flatten().map(Path::to_owned).collect();
    let merged =
        merge::merge(parts, arguments.partial).map_err(|error| Failed::Usage(error.to_string()))?;
    let record = merged.record;
    if !merged.missing.is_empty() {
        let of = merged.missing.len() + arguments.shards.len();
        output::note(&format!(
            "without shard {}: {} missing",
            merge::list(&merged.missing, of),
            count(merged.cases_missing, "case")
        ));
    }
    let name = format!("{}-merged", record.run.id);
    let folder = Folder::new(arguments.report_dir.as_deref(), &name);
    let same =
        |home: &&PathBuf| absolute(home).is_some_and(|home| Some(home) == absolute(folder.path()));
    if let Some(taken) = homes.iter().find(same) {
        return Err(Failed::Usage(format!(
            "{}: a shard has its reports there; choose another folder with --report-dir",
            taken.display()
        )));
    }
    let memory = Memory::of(&arguments.remembering, arguments.report_dir.is_none());
    conclude(record, &folder, &output, memory).await
}

/// The record at `path`, or in the folder there.
fn read(path: &Path) -> Result<Part, Failed> {
    let path: PathBuf = match path.is_dir() {
        true => path.join(RECORD),
        false => path.to_owned(),
    };
    let name = path.display().to_string();
    let wrong = |problem: String| Failed::Usage(format!("{name}: {problem}"));
    let unreadable = |error: std::io::Error| {
        wrong(format!(
            "{error}; give the {RECORD} that `run --shard` left, or its folder"
        ))
    };
    let file = std::fs::metadata(&path).map_err(unreadable)?;
    if !file.is_file() || file.len() > MOST {
        return Err(wrong(format!("it is no {RECORD}: too large, or no file")));
    }
    let text = std::fs::read_to_string(&path).map_err(unreadable)?;
    let record = json::read(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(Part { name, record })
}

/// The folder that is meant, if it is there.
fn absolute(folder: &Path) -> Option<PathBuf> {
    let folder = match folder == Path::new("") {
        true => Path::new("."),
        false => folder,
    };
    folder.canonicalize().ok()
}
