//! A tape REST API that says something else than it does.

use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::answers::Outcome;
use super::super::scope::Action;
use super::super::tape::Said;
use super::{Apply, Fault};
use touchstone_model::TapeOperation::{
    self, Archiveinfo, Cancel, Delete, Discover, Poll, Release, Stage,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "tape-discovery-missing",
        about: "Nothing is at the well-known place of the tape REST API.",
        clauses: &["TAPE-01"],
        cases: &["tape.discovery.document"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| match said.operation {
                Discover => problem(StatusCode::NOT_FOUND),
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-discovery-breaks",
        about: "Who looks for the tape REST API without a token is met by an error of the server.",
        clauses: &["TAPE-01"],
        cases: &["tape.discovery.no-token"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| match (said.operation, said.token) {
                (Discover, false) => problem(StatusCode::INTERNAL_SERVER_ERROR),
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-discovery-html",
        about: "At the well-known place of the tape REST API is a page for people.",
        clauses: &["TAPE-01"],
        cases: &["tape.discovery.document"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| match said.operation {
                Discover => Outcome::text(StatusCode::OK, "<html>tape</html>"),
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-discovery-without-v1",
        about: "Only another version of the tape REST API is offered.",
        clauses: &["TAPE-02"],
        cases: &["tape.discovery.document"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                discovered(said, outcome, |it| {
                    it["endpoints"][0]["version"] = json!("v0")
                })
            };
        }),
    },
    Fault {
        name: "tape-discovery-http",
        about: "The tape REST API is said to be at an http URL.",
        clauses: &["TAPE-02"],
        cases: &["tape.discovery.document"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                discovered(said, outcome, |it| {
                    let uri = it["endpoints"][0]["uri"].as_str().unwrap_or_default();
                    it["endpoints"][0]["uri"] = json!(uri.replacen("https:", "http:", 1));
                })
            };
        }),
    },
    Fault {
        name: "tape-discovery-without-sitename",
        about: "The document about the tape REST API names no site.",
        clauses: &["TAPE-02"],
        cases: &["tape.discovery.document"],
        apply: Apply::Tape(|rules| {
            rules.on_response =
                |said, outcome| discovered(said, outcome, |it| it["sitename"] = Value::Null);
        }),
    },
    Fault {
        name: "tape-discovery-version-twice",
        about: "The document about the tape REST API has version v1 twice.",
        clauses: &["TAPE-02"],
        cases: &["tape.discovery.document"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                discovered(said, outcome, |it| {
                    let again = it["endpoints"][0].clone();
                    if let Some(endpoints) = it["endpoints"].as_array_mut() {
                        endpoints.push(again);
                    }
                })
            };
        }),
    },
    Fault {
        name: "tape-stage-says-ok",
        about: "A staged request is answered with 200.",
        clauses: &["TAPE-03"],
        cases: &["tape.stage.granted"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| match outcome {
                Outcome::Json(StatusCode::CREATED, body, headers) if said.operation == Stage => {
                    Outcome::Json(StatusCode::OK, body, headers)
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-stage-without-location",
        about: "A staged request is answered without its Location.",
        clauses: &["TAPE-03"],
        cases: &["tape.stage.granted"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |_, outcome| match outcome {
                Outcome::Json(StatusCode::CREATED, body, _) => {
                    Outcome::Json(StatusCode::CREATED, body, Vec::new())
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-poll-other-id",
        about: "A poll is answered with the id in another spelling.",
        clauses: &["TAPE-06"],
        cases: &["tape.poll.progress"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                polled(said, outcome, |it| {
                    let id = it["id"].as_str().unwrap_or_default().to_uppercase();
                    it["id"] = json!(format!("urn:{id}"));
                })
            };
        }),
    },
    Fault {
        name: "tape-poll-times-as-text",
        about: "A poll is answered with times as text.",
        clauses: &["TAPE-06"],
        cases: &["tape.poll.progress"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                polled(said, outcome, |it| {
                    it["createdAt"] = json!("2026-11-22T14:00:00Z")
                })
            };
        }),
    },
    Fault {
        name: "tape-poll-leaves-out",
        about: "A poll of several files leaves out the last.",
        clauses: &["TAPE-06"],
        cases: &[
            "tape.poll.progress",
            "tape.stage.mixed",
            "tape.stage.unstageable",
            "tape.request.stage-alone",
        ],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                polled(said, outcome, |it| {
                    if let Some(files) = it["files"].as_array_mut().filter(|f| f.len() > 1) {
                        files.pop();
                    }
                })
            };
        }),
    },
    Fault {
        name: "tape-poll-repeats",
        about: "A poll names the first of several files twice.",
        clauses: &["TAPE-06"],
        cases: &["tape.poll.progress"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                polled(said, outcome, |it| {
                    if let Some(files) = it["files"].as_array_mut().filter(|f| f.len() > 1) {
                        let first = files[0].clone();
                        files.push(first);
                    }
                })
            };
        }),
    },
    Fault {
        name: "tape-poll-both",
        about: "A file that is there has onDisk and state.",
        clauses: &["TAPE-07"],
        cases: &["tape.poll.entries"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                each_file(said, outcome, |file| {
                    if file["state"] == "COMPLETED" {
                        file["onDisk"] = json!(true);
                    }
                })
            };
        }),
    },
    Fault {
        name: "tape-poll-other-state",
        about: "A file that is there has a state that nobody knows.",
        clauses: &["TAPE-07"],
        cases: &["tape.poll.entries"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                each_file(said, outcome, |file| {
                    if file["state"] == "COMPLETED" {
                        file["state"] = json!("DONE");
                    }
                })
            };
        }),
    },
    Fault {
        name: "tape-poll-error-on-success",
        about: "A file that is there has an error.",
        clauses: &["TAPE-07"],
        cases: &[
            "tape.poll.entries",
            "tape.stage.mixed",
            "tape.stage.unstageable",
            "tape.stage.on-disk",
            "tape.release.needs-stage",
        ],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                each_file(said, outcome, |file| {
                    if file["state"] == "COMPLETED" {
                        file["error"] = json!("success");
                    }
                })
            };
        }),
    },
    Fault {
        name: "tape-poll-breaks-polls",
        about: "A poll with storage.poll alone breaks the service.",
        clauses: &["TAPE-10"],
        cases: &["tape.poll.with-poll"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                let poll = said
                    .bearer
                    .is_some_and(|bearer| bearer.has_only(Action::Poll));
                match poll && said.operation == Poll {
                    true => problem(StatusCode::INTERNAL_SERVER_ERROR),
                    false => outcome,
                }
            };
        }),
    },
    Fault {
        name: "tape-tells-missing-outside",
        about: "Whether files outside the path are there is told.",
        clauses: &["TAPE-13"],
        cases: &["tape.archiveinfo.outside"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                located(said, outcome, |entry| {
                    let missing = entry["path"]
                        .as_str()
                        .is_some_and(|p| p.ends_with("/missing"));
                    if missing && entry["error"].is_string() {
                        entry["error"] = json!("no such file");
                    }
                })
            };
        }),
    },
    Fault {
        name: "tape-missing-is-none",
        about: "A missing file has the locality NONE.",
        clauses: &["TAPE-14"],
        cases: &["tape.archiveinfo.missing"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                located(said, outcome, |entry| {
                    if entry["error"] == "no such file" {
                        *entry = json!({"path": entry["path"], "locality": "NONE"});
                    }
                })
            };
        }),
    },
    Fault {
        name: "tape-missing-fails-call",
        about: "A missing file makes the whole call fail.",
        clauses: &["TAPE-14"],
        cases: &["tape.archiveinfo.missing"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| match &outcome {
                Outcome::Json(_, Value::Array(entries), _)
                    if said.operation == Archiveinfo
                        && entries.len() == 2
                        && entries.iter().any(|entry| entry["error"] == "no such file") =>
                {
                    problem(StatusCode::NOT_FOUND)
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-other-locality",
        about: "A file on tape has a locality that nobody knows.",
        clauses: &["TAPE-14"],
        cases: &["tape.archiveinfo.missing"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                located(said, outcome, |entry| {
                    if entry["locality"] == "TAPE" {
                        entry["locality"] = json!("NEARLINE");
                    }
                })
            };
        }),
    },
    Fault {
        name: "tape-cancel-ignores-strangers",
        about: "A cancel that names a stranger passes over it.",
        clauses: &["TAPE-20"],
        cases: &["tape.cancel.stranger"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| match (said.operation, &outcome) {
                (Cancel, Outcome::Json(StatusCode::BAD_REQUEST, ..)) => {
                    Outcome::Plain(StatusCode::OK, Bytes::new())
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-deleted-is-bad-request",
        about: "A request that is not there is answered with 400.",
        clauses: &["TAPE-21", "TAPE-23"],
        cases: &["tape.delete.gone"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| match (said.operation, &outcome) {
                // The observer has to see what is there.
                _ if said.bearer.is_none_or(|bearer| bearer.has(Action::Poll)) => outcome,
                (Poll | Delete, Outcome::Json(StatusCode::NOT_FOUND, ..)) => {
                    problem(StatusCode::BAD_REQUEST)
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-release-unknown",
        about: "There is no release.",
        clauses: &["TAPE-22"],
        cases: &["tape.request.stage-alone"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| match said.operation {
                Release => problem(StatusCode::NOT_FOUND),
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-release-breaks",
        about: "To release what nobody has staged breaks the service.",
        clauses: &["TAPE-22"],
        cases: &["tape.release.request"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| match (said.operation, &outcome) {
                (Release, Outcome::Json(StatusCode::NOT_FOUND, ..)) => {
                    problem(StatusCode::INTERNAL_SERVER_ERROR)
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-errors-in-html",
        about: "Errors of the tape REST API are pages for people.",
        clauses: &["TAPE-23"],
        cases: &["tape.error.bad-request"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |_, outcome| match &outcome {
                Outcome::Json(status, _, headers) if status.as_u16() >= 400 => {
                    let page = json!("<html>error</html>");
                    Outcome::Json(*status, page, headers.clone())
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-errors-without-title",
        about: "What is not found is told without a title.",
        clauses: &["TAPE-23"],
        cases: &["tape.error.not-found"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |_, outcome| match outcome {
                Outcome::Json(StatusCode::NOT_FOUND, _, headers) => {
                    Outcome::Json(StatusCode::NOT_FOUND, json!({"status": 404}), headers)
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-errors-other-status",
        about: "A refusal speaks of another status than its own.",
        clauses: &["TAPE-23"],
        cases: &["tape.error.denied"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |_, outcome| match outcome {
                Outcome::Json(StatusCode::FORBIDDEN, mut body, headers) => {
                    body["status"] = json!(401);
                    Outcome::Json(StatusCode::FORBIDDEN, body, headers)
                }
                _ => outcome,
            };
        }),
    },
    Fault {
        name: "tape-empty-list-taken",
        about: "A call about no files at all is taken.",
        clauses: &["TAPE-23"],
        cases: &["tape.error.bad-request"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                let empty = said.body["paths"].as_array().is_some_and(Vec::is_empty);
                match empty && said.operation == Archiveinfo {
                    true => Outcome::Json(StatusCode::OK, json!([]), Vec::new()),
                    false => outcome,
                }
            };
        }),
    },
    Fault {
        name: "tape-odd-lifetime-breaks",
        about: "A time on disk that is a number breaks the service.",
        clauses: &["TAPE-24"],
        cases: &["tape.stage.odd-lifetime"],
        apply: Apply::Tape(|rules| {
            rules.on_response = |said, outcome| {
                let odd = said.body["files"][0]["diskLifetime"].is_number();
                match odd {
                    true => problem(StatusCode::INTERNAL_SERVER_ERROR),
                    false => outcome,
                }
            };
        }),
    },
];

fn problem(status: StatusCode) -> Outcome {
    let body = json!({"title": "wrong", "status": status.as_u16()});
    Outcome::Json(status, body, Vec::new())
}

/// With another body, where the call went well.
fn changed(
    said: &Said,
    outcome: Outcome,
    operation: TapeOperation,
    change: impl Fn(&mut Value),
) -> Outcome {
    match outcome {
        Outcome::Json(StatusCode::OK, mut body, headers) if said.operation == operation => {
            change(&mut body);
            Outcome::Json(StatusCode::OK, body, headers)
        }
        _ => outcome,
    }
}

fn discovered(said: &Said, outcome: Outcome, change: fn(&mut Value)) -> Outcome {
    changed(said, outcome, Discover, change)
}

fn polled(said: &Said, outcome: Outcome, change: fn(&mut Value)) -> Outcome {
    changed(said, outcome, Poll, change)
}

fn each_file(said: &Said, outcome: Outcome, change: fn(&mut Value)) -> Outcome {
    changed(said, outcome, Poll, |body| {
        let files = body["files"].as_array_mut();
        files.into_iter().flatten().for_each(change);
    })
}

fn located(said: &Said, outcome: Outcome, change: fn(&mut Value)) -> Outcome {
    changed(said, outcome, Archiveinfo, |body| {
        let entries = body.as_array_mut();
        entries.into_iter().flatten().for_each(change);
    })
}
