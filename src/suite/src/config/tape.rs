//! Calls of the tape REST API.

use super::{steps, tokens};
use touchstone_model::{Expect, Method, TapeCall, TapeOperation, TapeRequest, Template};
use touchstone_yaml::diagnostics::Diagnostics;
use touchstone_yaml::fields::{Entry, Fields};
use touchstone_yaml::suggestions::listed;

/// Keys that only calls have.
const OWN: [&str; 8] = [
    "files", "except", "whole", "further", "json", "request", "settled", "problem",
];
/// Keys of steps that mean something for a call.
const SHARED: [&str; 9] = [
    "tape", "content", "headers", "wait", "token", "expect", "control", "alike", "clause",
];
pub(super) const REQUESTS: [(&str, TapeRequest); 2] = [
    ("last", TapeRequest::Last),
    ("unknown", TapeRequest::Unknown),
];
/// More than any service has to take in one call.
pub(super) const FURTHER: usize = 20_000;
/// The file that is on tape already, as a path.
const NEARLINE: &str = "{nearline}";

/// Which call it is.
pub(super) fn operation(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<TapeOperation> {
    let words = TapeOperation::ALL.map(|operation| (operation.as_str(), operation));
    entry.word(d, &words)
}

/// Its method and what stands for its path, which is the word for it.
pub(super) fn request(
    d: &mut Diagnostics<'_>,
    entry: Entry<'_>,
) -> Option<(Method, Option<Template>)> {
    let operation = operation(d, entry)?;
    let word = Template::parse(operation.as_str()).ok();
    Some((operation.method(), word))
}

/// Complains about keys of calls in other steps.
pub(super) fn absent(d: &mut Diagnostics<'_>, fields: &Fields<'_>) {
    for entry in OWN.into_iter().filter_map(|key| fields.get(key)) {
        d.error(
            entry.key,
            format!("only a step with `tape` has the key `{}`", entry.name),
        );
    }
}

/// Reads what a step says of its call; `keys` are those of steps.
pub(super) fn read(
    d: &mut Diagnostics<'_>,
    fields: &Fields<'_>,
    keys: &[&'static str],
) -> Option<TapeCall> {
    let operation = operation_quietly(fields.get("tape")?)?;
    for entry in keys.iter().filter_map(|key| fields.get(key)) {
        if !OWN.contains(&entry.name) && !SHARED.contains(&entry.name) {
            d.error(
                entry.key,
                format!("a step with `tape` has no key `{}`", entry.name),
            )
            .help(format!(
                "it has {}",
                listed(&[&OWN[..], &SHARED[..]].concat())
            ));
        }
    }
    let files = paths(d, fields, "files");
    let except = paths(d, fields, "except");
    let further = fields.get("further").map(|entry| further(d, entry));
    let json = fields
        .get("json")
        .map(|entry| tokens::json(d, entry, entry.value));
    let request = match fields.get("request") {
        None => Some(TapeRequest::Last),
        Some(entry) => entry.word(d, &REQUESTS),
    };
    let [whole, settled, problem] = ["whole", "settled", "problem"].map(|key| {
        let entry = fields.get(key);
        entry.and_then(|entry| entry.boolean(d)).unwrap_or_default()
    });
    let call = TapeCall {
        operation,
        files: files?,
        except: except?,
        whole,
        further: some(further)?.unwrap_or_default(),
        json: some(json)?,
        request: request?,
        settled,
        problem,
    };
    sensible(d, fields, &call);
    Some(call)
}

/// The call, once [`request`] has said what is wrong with it.
fn operation_quietly(entry: Entry<'_>) -> Option<TapeOperation> {
    let mut all = TapeOperation::ALL.into_iter();
    all.find(|operation| {
        let word = operation.as_str();
        matches!(&entry.value.kind, touchstone_yaml::tree::Kind::Text(text) if text == word)
    })
}

fn some<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn paths(d: &mut Diagnostics<'_>, fields: &Fields<'_>, key: &str) -> Option<Vec<String>> {
    let Some(entry) = fields.get(key) else {
        return Some(Vec::new());
    };
    let mut paths = Vec::new();
    for item in entry.items(d)? {
        let text = item.text(d)?;
        if text != NEARLINE {
            steps::path(d, item)?;
        }
        if paths.iter().any(|path| path == text) {
            d.error(item.mark(), format!("`{text}` is there twice"));
        }
        paths.push(text.to_owned());
    }
    Some(paths)
}

fn further(d: &mut Diagnostics<'_>, entry: Entry<'_>) -> Option<usize> {
    let count = entry.count(d)?;
    if count > FURTHER {
        d.error(
            entry.mark(),
            format!("`further` has to be at most {FURTHER}"),
        );
        return None;
    }
    Some(count)
}

/// Complains about what the call has no use for.
fn sensible(d: &mut Diagnostics<'_>, fields: &Fields<'_>, call: &TapeCall) {
    let operation = call.operation;
    let body = operation.method() == Method::Post;
    let wrong = |key: &str| match key {
        "json" | "content" => !body,
        "files" => operation == TapeOperation::Discover,
        "further" => operation != TapeOperation::Archiveinfo,
        "except" => !matches!(
            operation,
            TapeOperation::Stage | TapeOperation::Poll | TapeOperation::Archiveinfo
        ),
        "request" => !operation.by_id(),
        "whole" => call.except.is_empty(),
        "settled" => operation != TapeOperation::Poll,
        "alike" => operation != TapeOperation::Archiveinfo,
        _ => false,
    };
    for entry in OWN
        .into_iter()
        .chain(SHARED)
        .filter_map(|key| fields.get(key))
    {
        if wrong(entry.name) {
            d.error(
                entry.key,
                format!("`tape: {operation}` has no use for `{}`", entry.name),
            );
        }
    }
    let plain = call.json.is_none() && fields.get("content").is_none();
    if body && plain && call.files.is_empty() {
        d.error(fields.at, format!("`tape: {operation}` needs the key `files`"))
            .help("name the files that it is about, such as `files: [\"{tape}/f\"]`; `json` or `content` is sent instead of the usual body");
    }
    if let (Some(json), Some(content)) = (fields.get("json"), fields.get("content")) {
        let message = format!("`{}` and `{}` exclude each other", json.name, content.name);
        d.error(content.key, message);
    }
    for path in &call.except {
        // A poll is about the files that were staged before.
        if !call.files.contains(path)
            && operation != TapeOperation::Poll
            && let Some(entry) = fields.get("except")
        {
            d.error(entry.key, format!("`{path}` is not one of `files`"));
        }
    }
}

/// Whether the call can have that end.
pub(super) fn fits(expect: Expect, operation: TapeOperation) -> bool {
    use TapeOperation::{Cancel, Delete, Discover, Poll, Release};
    match expect {
        Expect::Ok | Expect::Any => true,
        Expect::BadRequest | Expect::Denied | Expect::Refused | Expect::Unauthenticated => {
            operation != Discover
        }
        Expect::NotFound => matches!(operation, Cancel | Delete | Poll | Release),
        _ => false,
    }
}
