use axum::body::Bytes;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use super::super::answers::{Outcome, Refusal};
use super::super::authorisation::{Operation, Question};
use super::super::element::Element;
use super::super::namespace::Node;
use super::super::path::ObjectPath;
use super::super::scope::Action;
use super::super::token::Bearer;
use super::store::{Entry, EntryState, MAX_REQUESTS, Nearline, Recall};
use super::{API, Ask, Asked, Named, TapeError};
use touchstone_model::TapeOperation;

/// Files of one call.
const MAX_FILES: usize = 10_000;

type Called = Result<Outcome, TapeError>;

fn wrong(title: &'static str) -> TapeError {
    TapeError::Wrong(StatusCode::BAD_REQUEST, title)
}

fn done() -> Outcome {
    Outcome::Plain(StatusCode::OK, Bytes::new())
}

/// The texts in a list that may not be empty.
fn list<'v>(
    body: &'v Value,
    name: &str,
    text: fn(&'v Value) -> Option<&'v str>,
) -> Result<Vec<&'v str>, TapeError> {
    let items = body.get(name).and_then(Value::as_array);
    let items = items.ok_or(wrong("the list of files is missing"))?;
    if items.is_empty() || items.len() > MAX_FILES {
        return Err(wrong("the list of files is empty, or too long"));
    }
    let texts: Option<Vec<_>> = items.iter().map(text).collect();
    texts.ok_or(wrong("a file of the list has no path"))
}

impl Element {
    /// Carries a call out for whom its token names.
    pub(super) fn call(&self, asked: &Asked, bearer: &Bearer, body: &Value) -> Called {
        let Some(tape) = &self.tape else {
            return Err(TapeError::Wrong(StatusCode::NOT_FOUND, "no tape here"));
        };
        self.rules.tape().understands(asked.operation, body)?;
        match asked.operation {
            TapeOperation::Discover => Ok(self.describe()),
            TapeOperation::Stage => self.stage(tape, bearer, body),
            TapeOperation::Poll => self.poll(tape, bearer, &asked.id),
            TapeOperation::Cancel => self.cancel(tape, bearer, &asked.id, body),
            TapeOperation::Release => self.release(tape, bearer, &asked.id, body),
            TapeOperation::Delete => self.forget(tape, bearer, &asked.id),
            TapeOperation::Archiveinfo => self.locate_files(tape, bearer, body),
        }
    }

    fn origin(&self) -> &str {
        self.origins.first().map_or("", String::as_str)
    }

    fn describe(&self) -> Outcome {
        let uri = format!("{}{API}", self.origin());
        let document = json!({
            "sitename": "touchstone-reference",
            "description": "the built-in storage element",
            "endpoints": [{"uri": uri, "version": "v1", "metadata": {}}],
        });
        Outcome::Json(StatusCode::OK, document, Vec::new())
    }

    fn stage(&self, tape: &Nearline, bearer: &Bearer, body: &Value) -> Called {
        let operation = TapeOperation::Stage;
        let texts = list(body, "files", |file| file.get("path")?.as_str())?;
        let mut files: Vec<Entry> = Vec::new();
        let mut allowed = 0;
        let mut state = tape.state();
        let namespace = self.namespace();
        for text in texts {
            let named = self.named(operation, text)?;
            let may = self.may(operation, bearer, &named.judged, Operation::Recall, allowed);
            allowed += usize::from(may);
            let object = named.meant;
            if files.iter().any(|entry| entry.object == object) {
                continue;
            }
            let there = object.starts_with(&tape.directory) && !state.staged.contains(&object);
            let entry = match namespace.get(&object) {
                _ if !may => EntryState::Failed("the token does not allow this"),
                None => EntryState::Failed("no such file"),
                Some(node) if node.is_directory() => EntryState::Failed("it is a directory"),
                Some(node) if node.size() == Some(0) => EntryState::Failed("it is empty"),
                Some(_) if there => EntryState::Pending,
                Some(_) => EntryState::OnDisk,
            };
            files.push(Entry {
                path: object.to_string(),
                object: object.clone(),
                state: self.rules.tape().takes(entry, &object),
                released: false,
            });
        }
        if files
            .iter()
            .any(|file| self.rules.tape().refuses(file.state))
        {
            return Err(wrong("a file cannot be staged"));
        }
        if allowed == 0 {
            if self.rules.tape().does(operation, false) {
                let objects = files.iter().map(|entry| entry.object.clone());
                state.staged.extend(objects);
            }
            if self.rules.tape().queues_denied() {
                let id = uuid::Uuid::new_v4().to_string();
                let title = "the token does not allow this";
                let body = json!({"title": title, "status": 403, "requestId": id});
                state
                    .requests
                    .insert(id, Recall::new(files, &bearer.token_id));
                return Ok(Outcome::Json(StatusCode::FORBIDDEN, body, Vec::new()));
            }
            return Err(Refusal::InsufficientScope.into());
        }
        if state.requests.len() >= MAX_REQUESTS {
            let full = "too many requests";
            return Err(TapeError::Wrong(StatusCode::TOO_MANY_REQUESTS, full));
        }
        let id = uuid::Uuid::new_v4().to_string();
        if self.rules.tape().keeps() {
            let recall = Recall::new(files, &bearer.token_id);
            state.requests.insert(id.clone(), recall);
        }
        let location = format!("{}{API}/stage/{id}", self.origin());
        Ok(Outcome::Json(
            StatusCode::CREATED,
            json!({"requestId": id}),
            vec![(header::LOCATION, location)],
        ))
    }

    fn poll(&self, tape: &Nearline, bearer: &Bearer, id: &str) -> Called {
        let mut state = tape.state();
        let recall = state.requests.get_mut(id).ok_or(UNKNOWN)?;
        self.may_all(TapeOperation::Poll, bearer, recall, Operation::Follow)?;
        let observer = bearer.has(Action::Stage) && bearer.has(Action::Poll);
        if self.rules.tape().breaks_for_others() && !observer && recall.made_with != bearer.token_id
        {
            let broken = "it was somebody else";
            return Err(TapeError::Wrong(StatusCode::INTERNAL_SERVER_ERROR, broken));
        }
        let was_there = recall.arrived();
        let come = recall.look();
        let mut told = recall.tell(id);
        if self.rules.tape().goes_back() && was_there {
            let files = told["files"].as_array_mut();
            for file in files.into_iter().flatten() {
                *file = json!({"path": file["path"], "state": "SUBMITTED"});
            }
        }
        state.staged.extend(come);
        Ok(Outcome::Json(StatusCode::OK, told, Vec::new()))
    }

    fn cancel(&self, tape: &Nearline, bearer: &Bearer, id: &str, body: &Value) -> Called {
        let operation = TapeOperation::Cancel;
        let rules = self.rules.tape();
        let mut state = tape.state();
        let recall = state.requests.get_mut(id).ok_or(UNKNOWN)?;
        let may = self.may_all(operation, bearer, recall, Operation::Recall);
        let objects = match self.objects(operation, body) {
            Ok(objects) => objects,
            Err(error) => return may.and(Err(error)),
        };
        let member = |recall: &Recall, object: &ObjectPath| {
            let mut files = recall.files.iter();
            files.position(|entry| entry.object == *object)
        };
        let strangers = objects
            .iter()
            .any(|object| member(recall, object).is_none());
        if rules.does(operation, may.is_ok()) && (!strangers || rules.cancels_members_first()) {
            for object in &objects {
                let entry = member(recall, object).and_then(|at| recall.files.get_mut(at));
                if let Some(entry) = entry.filter(|entry| entry.state == EntryState::Pending) {
                    entry.state = EntryState::Cancelled;
                }
            }
        }
        may?;
        match strangers {
            true => Err(wrong("a file is not part of the request")),
            false => Ok(done()),
        }
    }

    fn release(&self, tape: &Nearline, bearer: &Bearer, id: &str, body: &Value) -> Called {
        let operation = TapeOperation::Release;
        let mut state = tape.state();
        let recall = state.requests.get(id).ok_or(UNKNOWN)?;
        let may = self.may_all(operation, bearer, recall, Operation::Recall);
        let objects = match self.objects(operation, body) {
            Ok(objects) => objects,
            Err(error) => return may.and(Err(error)),
        };
        let holds = |recall: &Recall, object: &ObjectPath| {
            let done = [EntryState::Completed, EntryState::OnDisk];
            let mut files = recall.files.iter();
            files.any(|entry| {
                entry.object == *object && done.contains(&entry.state) && !entry.released
            })
        };
        if self.rules.tape().does(operation, may.is_ok()) {
            for object in objects {
                let mut others = state.requests.iter().filter(|(other, _)| *other != id);
                let held = others.any(|(_, other)| holds(other, &object));
                let Some(own) = state.requests.get_mut(id) else {
                    continue;
                };
                if !holds(own, &object) {
                    continue;
                }
                let entries = own.files.iter_mut();
                for entry in entries.filter(|entry| entry.object == object) {
                    entry.released = true;
                }
                if !held {
                    state.staged.remove(&object);
                }
            }
        }
        may.map(|()| done())
    }

    fn forget(&self, tape: &Nearline, bearer: &Bearer, id: &str) -> Called {
        let operation = TapeOperation::Delete;
        let mut state = tape.state();
        let recall = state.requests.get(id).ok_or(UNKNOWN)?;
        let may = self.may_all(operation, bearer, recall, Operation::Recall);
        if self.rules.tape().does(operation, may.is_ok()) && self.rules.tape().forgets() {
            state.requests.remove(id);
        }
        may.map(|()| done())
    }

    fn locate_files(&self, tape: &Nearline, bearer: &Bearer, body: &Value) -> Called {
        let operation = TapeOperation::Archiveinfo;
        let texts = list(body, "paths", Value::as_str)?;
        if texts.len() > self.rules.tape().most_paths() {
            let long = "too many paths";
            return Err(TapeError::Wrong(StatusCode::PAYLOAD_TOO_LARGE, long));
        }
        let state = tape.state();
        let namespace = self.namespace();
        let mut entries = Vec::new();
        let mut allowed = 0;
        for text in texts {
            let Named { judged, meant } = self.named(operation, text)?;
            let may = self.may(operation, bearer, &judged, Operation::Locate, allowed);
            allowed += usize::from(may);
            let path = meant.to_string();
            let error = |error: &str| json!({"path": path, "error": error});
            let at = |locality: &str| json!({"path": path, "locality": locality});
            entries.push(match namespace.get(&meant) {
                _ if !may => error("the token does not allow this"),
                None => error("no such file"),
                Some(node) if node.is_directory() => error("it is a directory"),
                Some(node) => at(locality(tape, &state.staged, &meant, node)),
            });
        }
        match allowed {
            0 => Err(Refusal::InsufficientScope.into()),
            _ => Ok(Outcome::Json(
                StatusCode::OK,
                Value::Array(entries),
                Vec::new(),
            )),
        }
    }

    fn named(&self, operation: TapeOperation, text: &str) -> Result<Named, TapeError> {
        self.rules
            .tape()
            .names(operation, text)
            .ok_or(wrong("a path is not absolute"))
    }

    fn objects(
        &self,
        operation: TapeOperation,
        body: &Value,
    ) -> Result<Vec<ObjectPath>, TapeError> {
        let texts = list(body, "paths", Value::as_str)?;
        let named = |text| self.named(operation, text).map(|named| named.meant);
        texts.into_iter().map(named).collect()
    }

    /// Whether the bearer may for every file of a request that was taken into it.
    fn may_all(
        &self,
        operation: TapeOperation,
        bearer: &Bearer,
        recall: &Recall,
        asked: Operation,
    ) -> Result<(), TapeError> {
        let taken = |entry: &&Entry| !matches!(entry.state, EntryState::Failed(_));
        let mut files: Vec<&Entry> = recall.files.iter().filter(taken).collect();
        if files.is_empty() {
            files = recall.files.iter().collect();
        }
        let may = |entry: &&Entry| self.may(operation, bearer, &entry.object, asked, 0);
        match files.iter().all(may) {
            true => Ok(()),
            false => Err(Refusal::InsufficientScope.into()),
        }
    }

    fn may(
        &self,
        operation: TapeOperation,
        bearer: &Bearer,
        path: &ObjectPath,
        asked: Operation,
        allowed: usize,
    ) -> bool {
        let target = self.place(path.clone());
        let may = target.as_ref().is_some_and(|target| {
            let question = Question {
                operation: asked,
                method: operation.method(),
                path: &target.below,
                directory: false,
                made_with: None,
                part: false,
            };
            self.allows(bearer, target, &question)
        });
        let ask = Ask {
            operation,
            bearer,
            below: target.as_ref().map(|target| &target.below),
            allowed,
        };
        self.rules.tape().may(&ask, may)
    }
}

const UNKNOWN: TapeError = TapeError::Wrong(StatusCode::NOT_FOUND, "no such request");

/// Where a file is.
fn locality(
    tape: &Nearline,
    staged: &std::collections::BTreeSet<ObjectPath>,
    path: &ObjectPath,
    node: &Node,
) -> &'static str {
    if node.size() == Some(0) {
        "NONE"
    } else if !path.starts_with(&tape.directory) {
        "DISK"
    } else if staged.contains(path) {
        "DISK_AND_TAPE"
    } else {
        "TAPE"
    }
}
