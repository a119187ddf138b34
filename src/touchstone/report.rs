use std::io::Read as _;
use std::path::{Path, PathBuf};

use touchstone_engine::files::open_regular;
use touchstone_model::{Mode, RunRecord};
use touchstone_report::json::{self, FILE as RECORD};
use touchstone_report::mode;

use super::args::ReportArgs;
use super::exit;
use super::formats::Output;
use super::output::{self, Failed};

/// No record is read that has more bytes.
const LARGEST: u64 = 2 << 30;

/// `touchstone report`
pub async fn main(arguments: &ReportArgs) -> Result<u8, Failed> {
    let folder = arguments.report_dir.as_deref();
    let output = Output::of_report(&arguments.formats, folder.is_some())?;
    let mut record = read(&arguments.from)?;
    // Without an option what the run was told stands.
    if arguments.weight.mode() != Mode::Normal {
        mode::judge_again(&mut record, arguments.weight.mode());
    }
    let written = output.write(&record, folder).await;
    if let (true, Some(folder)) = (written, folder) {
        output::note(&format!("reports: {}", folder.display()));
    }
    output.print(&record, exit::OK, written)
}

/// The record in a file, or in the folder of its run.
pub fn read(path: &Path) -> Result<RunRecord, Failed> {
    let path = place(path);
    let text = text(&path)?;
    json::read(&text).map_err(|error| {
        Failed::Usage(format!(
            "{}: {error}; expected the {RECORD} of a run",
            path.display()
        ))
    })
}

/// Where a record is that is named by itself or by its folder.
pub fn place(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join(RECORD),
        false => path.to_owned(),
    }
}

fn text(path: &Path) -> Result<String, Failed> {
    let refused = |why: &dyn std::fmt::Display| {
        Failed::Usage(format!(
            "cannot read {}: {why}; expected the {RECORD} of a run, or its folder",
            path.display()
        ))
    };
    let file = open_regular(path).map_err(|error| refused(&error))?;
    let mut text = String::new();
    let read = file.take(LARGEST + 1).read_to_string(&mut text);
    match read.map_err(|error| refused(&error))? as u64 > LARGEST {
        true => Err(refused(&"it is larger than 2 GiB")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use touchstone_model::sample;
    use touchstone_report::record::Recorder;

    fn refused(path: &Path) -> String {
        match read(path) {
            Err(Failed::Usage(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    fn record() -> RunRecord {
        let mut recorder = Recorder::default();
        for event in sample::events() {
            recorder.take(event);
        }
        recorder.finish().unwrap()
    }

    #[test]
    fn a_record_is_found_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(RECORD);
        let message = refused(folder.path());
        assert!(message.contains("run.json") && message.contains("cannot read"));
        let json = json::write(&record()).unwrap();
        std::fs::write(&path, &json).unwrap();
        for from in [folder.path(), &path] {
            assert_eq!(json::write(&read(from).unwrap()).unwrap(), json);
        }
        std::fs::write(&path, json.replace("run/1", "run/9")).unwrap();
        let message = refused(&path);
        assert!(message.contains("touchstone/run/9"), "{message}");
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert!(refused(&path).contains("UTF-8"));
        assert!(refused(Path::new("/dev/null")).contains("no regular file"));
    }
}
