use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::Judge;
use super::{FINDINGS, object, plain, shown, value};
use touchstone_model::{Answer, Finding, TapeCall};

/// How far a file of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileState {
    /// Nobody has begun.
    Submitted,
    /// It is being fetched.
    Started,
    /// It was given up.
    Cancelled,
    /// It could not be fetched.
    Failed,
    /// It is on disk.
    Completed,
}

impl FileState {
    const ALL: [(&str, Self); 5] = [
        ("SUBMITTED", Self::Submitted),
        ("STARTED", Self::Started),
        ("CANCELLED", Self::Cancelled),
        ("FAILED", Self::Failed),
        ("COMPLETED", Self::Completed),
    ];

    fn of(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(name, _)| *name == word);
        found.map(|(_, state)| *state)
    }

    fn last(self) -> bool {
        !matches!(self, Self::Submitted | Self::Started)
    }

    /// Whether it may become `next`.
    fn may_become(self, next: Self) -> bool {
        self == next || (!self.last() && next != Self::Submitted)
    }
}

/// What each file of a request was seen to be.
pub type Transitions = BTreeMap<String, FileState>;

/// What the answer to a poll says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecallProgress {
    /// By file; the paths are cleaned.
    pub files: Vec<FileEntry>,
}

/// What it says of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileEntry {
    /// Its path, cleaned.
    pub path: String,
    /// Whether it is on disk, where that is said.
    pub on_disk: Option<bool>,
    /// How far it is, where that is said.
    pub state: Option<FileState>,
    /// Whether there is an error.
    pub error: bool,
}

impl RecallProgress {
    /// What is said of that file.
    pub fn of(&self, path: &str) -> Option<&FileEntry> {
        let path = plain(path);
        self.files.iter().find(|entry| entry.path == path)
    }

    /// Whether nothing is open.
    pub fn settled(&self) -> bool {
        self.files.iter().all(FileEntry::settled)
    }
}

impl FileEntry {
    /// Whether nothing more will happen.
    pub fn settled(&self) -> bool {
        self.error || self.on_disk == Some(true) || self.state.is_some_and(FileState::last)
    }

    /// Whether it was not fetched and will not be.
    pub fn failed(&self) -> bool {
        let state = self
            .state
            .is_some_and(|state| matches!(state, FileState::Failed | FileState::Cancelled));
        (self.error || state) && self.on_disk != Some(true)
    }

    /// Whether it was given up.
    pub fn cancelled(&self) -> bool {
        self.state == Some(FileState::Cancelled)
    }

    /// For messages.
    pub fn describe(&self) -> String {
        let state = FileState::ALL
            .iter()
            .find(|(_, state)| Some(*state) == self.state);
        match (state, self.on_disk, self.error) {
            (Some((word, _)), ..) => (*word).to_owned(),
            (None, Some(on_disk), _) => format!("onDisk: {on_disk}"),
            (None, None, true) => "an error".into(),
            (None, None, false) => "nothing".into(),
        }
    }
}

/// Reads the answer to a poll as far as it makes sense.
///
/// # Errors
/// What it is instead, in words.
pub fn read_progress(answer: &Answer) -> Result<RecallProgress, String> {
    let body = object(answer)?;
    let Some(files) = body.get("files").and_then(Value::as_array) else {
        return Err("JSON without a list of files".into());
    };
    let entry = |file: &Value| {
        let file = file.as_object()?;
        Some(FileEntry {
            path: plain(file.get("path")?.as_str()?),
            on_disk: file.get("onDisk").and_then(Value::as_bool),
            state: file
                .get("state")
                .and_then(Value::as_str)
                .and_then(FileState::of),
            error: member(file, "error").is_some_and(|error| error != &Value::from("")),
        })
    };
    Ok(RecallProgress {
        files: files.iter().filter_map(entry).collect(),
    })
}

/// A member that is there and not null.
fn member<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    members.get(name).filter(|value| !value.is_null())
}

/// Whether the files fare as they should by the answer to a poll; and where the case is about that, whether
/// it is complete and consistent with what was `seen` before, to which it is added.
pub fn progress(
    judge: Judge<'_>,
    call: &TapeCall,
    (id, asked): (&str, &[String]),
    answer: &Answer,
    seen: &mut Transitions,
) -> Vec<Finding> {
    let body = match object(answer) {
        Ok(body) => body,
        Err(reason) => return vec![judge.of("TAPE-06", "a JSON object", reason)],
    };
    let mut findings = Vec::new();
    let mut missed = |expected: String, actual: String| {
        findings.push(judge.of("TAPE-06", expected, actual));
    };
    if body.get("id").and_then(Value::as_str) != Some(id) {
        missed(format!("the id {}", shown(id)), value(body.get("id")));
    }
    if body.get("createdAt").and_then(Value::as_i64).is_none() {
        missed("createdAt, an integer".into(), value(body.get("createdAt")));
    }
    for name in ["startedAt", "completedAt"] {
        if let Some(time) = member(&body, name).filter(|time| time.as_i64().is_none()) {
            missed(format!("{name}, an integer"), value(Some(time)));
        }
    }
    let files = body.get("files").and_then(Value::as_array);
    if files.is_none() {
        missed("a list of files".into(), value(body.get("files")));
    }
    let files = files.map_or(&[][..], Vec::as_slice);
    let paths: Vec<String> = files
        .iter()
        .filter_map(|file| Some(plain(file.get("path")?.as_str()?)))
        .collect();
    for path in asked.iter().map(|path| plain(path)) {
        let count = paths.iter().filter(|one| **one == path).count();
        // What is refused on its own need not be part of the request.
        let absent = count == 0 && call.except.iter().any(|other| plain(other) == path);
        if count != 1 && !absent {
            missed(format!("{path} once"), format!("{count} times"));
        }
    }
    let strange = |path: &&String| !asked.iter().any(|asked| plain(asked) == **path);
    if let Some(stranger) = paths.iter().find(strange) {
        missed("only the files of the request".into(), shown(stranger));
    }
    if member(&body, "startedAt").is_none() {
        let expected = "startedAt, an integer".to_owned();
        findings.push(judge.status(Some("TAPE-06"), expected, "none".into()));
    }
    for file in files {
        findings.extend(entry(judge, file, seen));
    }
    // Other cases only need to know how the files fare.
    findings.retain(|finding| judge.cites(finding.clause.as_str()));
    findings.truncate(FINDINGS);
    let told = read_progress(answer).unwrap_or_default();
    findings.extend(ends(judge, call, asked, &told));
    findings
}

/// The rules for one file.
fn entry(judge: Judge<'_>, file: &Value, seen: &mut Transitions) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong = |expected: &str, actual: String| {
        findings.push(judge.of("TAPE-07", expected, actual));
    };
    let Some(file) = file.as_object() else {
        wrong("an object for each file", value(Some(file)));
        return findings;
    };
    let (on_disk, state, error) = (
        member(file, "onDisk"),
        member(file, "state"),
        member(file, "error"),
    );
    match (on_disk, state) {
        (Some(_), Some(_)) => wrong("either onDisk or state", "both".into()),
        (None, None) if error.is_none() => wrong("either onDisk or state", "neither".into()),
        _ => {}
    }
    if let Some(value) = on_disk.filter(|value| !value.is_boolean()) {
        wrong("onDisk, true or false", super::value(Some(value)));
    }
    let word = state.and_then(Value::as_str).and_then(FileState::of);
    if state.is_some() && word.is_none() {
        let known = FileState::ALL.map(|(word, _)| word).join(", ");
        wrong(&format!("a state of {known}"), value(state));
    }
    for name in ["startedAt", "finishedAt"] {
        match member(file, name) {
            Some(_) if state.is_none() => wrong(&format!("{name} only with a state"), name.into()),
            Some(time) if time.as_i64().is_none() => {
                wrong(&format!("{name}, an integer"), value(Some(time)));
            }
            _ => {}
        }
    }
    let fetched = on_disk == Some(&Value::Bool(true)) || word == Some(FileState::Completed);
    if fetched && error.is_some_and(|error| error != &Value::from("")) {
        wrong("error only where something is wrong", value(error));
    }
    if let (Some(path), Some(word)) = (file.get("path").and_then(Value::as_str), word) {
        let before = seen.insert(plain(path), word);
        if let Some(before) = before.filter(|before| !before.may_become(word)) {
            wrong(
                "a state that may follow",
                format!("{word:?} after {before:?}"),
            );
        }
    }
    findings
}

/// Whether what had to fail has failed, and nothing else.
fn ends(
    judge: Judge<'_>,
    call: &TapeCall,
    asked: &[String],
    progress: &RecallProgress,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in asked {
        let Some(entry) = progress.of(path) else {
            continue;
        };
        let meant = call.except.contains(path);
        let done = entry.settled() && !entry.failed();
        if meant && (done || (call.settled && !entry.failed())) {
            let expected = format!("an error for {path}");
            findings.push(judge.own(expected, entry.describe()));
        } else if !meant && entry.error {
            findings.push(judge.own(format!("no error for {path}"), entry.describe()));
        }
    }
    findings.truncate(FINDINGS);
    findings
}
