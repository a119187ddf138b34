//! `touchstone merge`

use std::path::{Path, PathBuf};

use touchstone_report::merge::{self, ShardRecord};
use touchstone_report::text::count;

use super::args::MergeArgs;
use super::formats::Output;
use super::output::{self, Failed};
use super::remember::Memory;
use super::report::{place, read};
use super::run::{Folder, conclude};

/// `touchstone merge`
pub async fn main(arguments: &MergeArgs) -> Result<u8, Failed> {
    let output = Output::of_run(&arguments.formats)?;
    let places: Vec<PathBuf> = arguments.shards.iter().map(|path| place(path)).collect();
    let parts = places.iter().map(|place| {
        Ok(ShardRecord {
            name: place.display().to_string(),
            record: read(place)?,
        })
    });
    let parts = parts.collect::<Result<Vec<_>, Failed>>()?;
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
        |home: &&Path| absolute(home).is_some_and(|home| Some(home) == absolute(folder.path()));
    if let Some(taken) = places.iter().filter_map(|place| place.parent()).find(same) {
        return Err(Failed::Usage(format!(
            "{}: a shard has its reports there; choose another folder with --report-dir",
            taken.display()
        )));
    }
    let memory = Memory::of(&arguments.remembering, arguments.report_dir.is_none());
    conclude(record, &folder, &output, memory).await
}

/// The folder that is meant, if it is there.
fn absolute(folder: &Path) -> Option<PathBuf> {
    let folder = match folder == Path::new("") {
        true => Path::new("."),
        false => folder,
    };
    folder.canonicalize().ok()
}
