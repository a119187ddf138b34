use crate::config::{EMBEDDED, load_catalogue, load_inventory};
use touchstone_model::{Interface, Tape, TapeOperation};
use touchstone_yaml::SourceFile;

const HEAD: &str = "suite: own\nabout: x\ncases:\n- id: own.one\n  title: t\n  risk: r\n  clauses: [TAPE-03]\n  severity: critical\n  steps:\n";

/// The first case's first step, or what is wrong with the suite.
fn step(text: &str) -> Result<touchstone_model::TapeCall, String> {
    let source = SourceFile {
        name: "own.yaml".into(),
        text: format!("{HEAD}{text}").into(),
    };
    let catalogue = load_catalogue(&[source]).map_err(|problems| problems.to_string())?;
    let case = catalogue.case(&"own.one".parse().unwrap()).unwrap();
    match &case.steps[0].interface {
        Interface::Tape(call) => {
            assert_eq!(case.steps[0].method, call.operation.method());
            Ok(call.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_are_read() {
    let call = step("  - {tape: stage, files: ['{tape}/f', '{nearline}'], except: ['{tape}/f'], whole: true, token: a, expect: ok}").unwrap();
    assert_eq!(call.operation, TapeOperation::Stage);
    assert_eq!(call.files, ["{tape}/f", "{nearline}"]);
    assert!(call.whole && !call.settled && call.json.is_none());
    let call = step("  - {tape: stage, json: {files: [1, {a: null}]}, token: none, expect: bad-request, problem: true}").unwrap();
    assert_eq!(
        call.json,
        Some(serde_json::json!({"files": [1, {"a": null}]}))
    );
    assert!(
        step("  - {tape: poll, except: ['{tape}/f'], settled: true, token: a, expect: ok}").is_ok()
    );
    assert!(step("  - {tape: delete, request: unknown, token: a, expect: not-found}").is_ok());
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    for (text, position, message) in [
        (
            "tape: stag, files: [f], token: a, expect: ok",
            "10:12",
            "`tape` cannot be `stag`",
        ),
        (
            "tape: stage, token: a, expect: ok",
            "10:6",
            "`tape: stage` needs the key `files`",
        ),
        (
            "tape: stage, files: [/a], token: a, expect: ok",
            "10:27",
            "a path does not start with a slash",
        ),
        (
            "tape: stage, files: [f, f], token: a, expect: ok",
            "10:30",
            "`f` is there twice",
        ),
        (
            "tape: stage, files: [f], except: [g], token: a, expect: ok",
            "10:31",
            "`g` is not one of `files`",
        ),
        (
            "tape: stage, files: [f], whole: true, token: a, expect: ok",
            "10:31",
            "has no use for `whole`",
        ),
        (
            "tape: stage, files: [f], body: x, token: a, expect: ok",
            "10:31",
            "a step with `tape` has no key `body`",
        ),
        (
            "tape: stage, files: [f], json: {}, content: x, token: a, expect: ok",
            "10:41",
            "exclude each other",
        ),
        (
            "tape: stage, files: [f], token: a, expect: created",
            "10:49",
            "`tape: stage` cannot be `created`",
        ),
        (
            "tape: stage, files: [f], token: a, expect: denied",
            "10:6",
            "needs the key `control`",
        ),
        (
            "tape: discover, files: [f], token: a, expect: ok",
            "10:22",
            "has no use for `files`",
        ),
        (
            "tape: archiveinfo, files: [f], further: 50000, token: a, expect: ok",
            "10:46",
            "at most 20000",
        ),
        (
            "tape: poll, request: other, token: a, expect: ok",
            "10:27",
            "`request` cannot be `other`",
        ),
        (
            "tape: poll, settled: yes, token: a, expect: ok",
            "10:27",
            "expected `true` or `false`",
        ),
        (
            "put: f, files: [f], token: a, expect: created",
            "10:14",
            "only a step with `tape` has the key `files`",
        ),
        (
            "get: '{nearline}', token: a, expect: not-found",
            "10:11",
            "a path has no variables",
        ),
    ] {
        let problems = step(&format!("  - {{{text}}}")).unwrap_err();
        assert!(
            problems.contains(&format!("own.yaml:{position}:")),
            "{text}\n{problems}"
        );
        assert!(problems.contains(message), "{text}\n{problems}");
    }
}

fn tape(value: &str) -> Result<Option<Tape>, String> {
    let text = format!(
        "endpoints:\n  se:\n    endpoint: https://se.example.org\n    paths: {{wlcg: /wlcg}}\n    traits: {{tape: {value}}}\n"
    );
    let source = SourceFile {
        name: "endpoints.yaml".into(),
        text: text.into(),
    };
    let catalogue = &*EMBEDDED;
    let inventory = load_inventory(&source, catalogue).map_err(|problems| problems.to_string())?;
    Ok(inventory.inventory.endpoints[0].traits.tape.clone())
}

#[test]
fn tape_is_declared_by_a_path_and_a_file() {
    let declared = tape("{path: /nearline/, file: /nearline/some%20file}")
        .unwrap()
        .unwrap();
    assert_eq!(declared.path, "/nearline");
    assert_eq!(declared.file, "/nearline/some%20file");
    assert_eq!(tape("false").unwrap(), None);
    for (value, message) in [
        (
            "true",
            "write `tape: {path: /nearline, file: /nearline/some-file}`",
        ),
        ("{path: /nearline}", "`tape` needs the key `file`"),
        ("{path: /, file: /f}", "`path` cannot be the whole area"),
        (
            "{path: /n, file: /n/}",
            "this is a directory; a file is needed",
        ),
        (
            "{path: /n/../m, file: /f}",
            "is rewritten before it is sent",
        ),
        ("{path: n, file: /f}", "the path has to start with a slash"),
        ("{path: /n, fil: /f}", "did you mean `file`?"),
    ] {
        let problems = tape(value).unwrap_err();
        assert!(problems.contains(message), "{value}\n{problems}");
        assert!(problems.contains("endpoints.yaml:5:"), "{problems}");
    }
}
