use crate::config::catalogue::load;
use crate::config::{Catalogue, builtin_clauses, builtin_suites, load_catalogue};
use serde_json::Value;
use touchstone_model::{
    Alteration, Arrangement, Audience, Direction, Expect, Interface, Method, Signature,
    TokenTemplate,
};
use touchstone_yaml::SourceFile;

/// A suite with this text for its cases, after the register of the binary.
pub(super) fn suite(text: &str) -> Result<Catalogue, String> {
    let source = SourceFile {
        name: "own.yaml".into(),
        text: text.into(),
    };
    load(&[builtin_clauses(), source]).map_err(|problems| problems.to_string())
}

fn told(text: &str) -> String {
    suite(text).unwrap_err()
}

/// A good case up to its objects and steps.
pub(super) const HEAD: &str = "suite: own\nabout: x\ncases:\n- id: own.one\n  title: t\n  risk: r\n  clauses: [JWT-2.2.1-01]\n  severity: critical\n";

pub(super) fn steps(text: &str) -> String {
    told(&format!("{HEAD}{text}"))
}

#[test]
fn the_suites_of_the_binary_load() {
    let catalogue = load_catalogue(&[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(catalogue.suites.iter().all(|suite| !suite.cases.is_empty()));
    for clause in catalogue.cases().flat_map(|case| &case.clauses) {
        assert!(catalogue.clause(clause).is_some(), "{clause}");
    }
}

#[test]
fn every_suite_file_is_in_the_binary() {
    let mut wanted: Vec<String> =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../suites"))
            .unwrap()
            .map(|entry| format!("suites/{}", entry.unwrap().file_name().to_str().unwrap()))
            .collect();
    wanted.sort();
    let mut found: Vec<String> = builtin_suites()
        .iter()
        .chain([&builtin_clauses()])
        .map(|source| source.name.to_string())
        .collect();
    found.sort();
    assert_eq!(found, wanted);
}

#[test]
fn places_are_the_lines_of_cases_and_steps() {
    let catalogue = load_catalogue(&[]).unwrap();
    for source in builtin_suites() {
        let lines: Vec<&str> = source.text.lines().collect();
        for case in catalogue.cases().filter(|case| case.at.file == source.name) {
            let entry = match &case.cover {
                Some(cell) => format!("- row: {}", cell.row),
                None => format!("- id: {}", case.id),
            };
            assert_eq!(lines[case.at.line - 1].trim(), entry);
            for step in &case.steps {
                let method = match &step.interface {
                    Interface::Transfer(transfer) => match transfer.direction {
                        Direction::Pull => "pull".to_owned(),
                        Direction::Push => "push".to_owned(),
                    },
                    Interface::Tape(_) => "tape".to_owned(),
                    Interface::Macaroons(_) => "macaroon".to_owned(),
                    _ => step.method.as_str().to_lowercase(),
                };
                let path = step.path.to_string();
                // A column stands in one line, or its step begins behind the line that is named.
                let line = lines[step.at.line - 1..].iter().take(2);
                if case.cover.is_some() {
                    let written = format!("{method}: {path}");
                    assert!(
                        line.into_iter().any(|line| line.contains(&written)),
                        "{}",
                        step.at
                    );
                    continue;
                }
                let line = lines[step.at.line - 1].trim().replace('"', "");
                let line = line.trim_start_matches(['-', ' ', '{']);
                let rest = line.strip_prefix(&format!("{method}: {path}"));
                let rest = rest.unwrap_or_else(|| panic!("{}: {line}", step.at));
                assert!(rest.is_empty() || rest.starts_with(','), "{}", step.at);
            }
        }
    }
}

#[test]
fn a_case_means_what_it_says() {
    let catalogue = load_catalogue(&[]).unwrap();
    let case = catalogue.case(&"audience.absent".parse().unwrap()).unwrap();
    assert_eq!(case.suite, "audience");
    assert_eq!(case.given.len(), 1);
    assert!(matches!(&case.given[0], Arrangement::File(path) if path.to_string() == "f"));
    let [step] = case.steps.as_slice() else {
        panic!("one step")
    };
    assert_eq!(
        (step.method, step.expect),
        (Method::Get, Expect::Unauthenticated)
    );
    let token = step.token.token().unwrap();
    assert_eq!(token.scope.to_string(), "storage.read:/");
    assert_eq!(token.claims["aud"], Alteration::Remove);
    assert!(step.control.as_ref().unwrap().claims.is_empty());

    let array = catalogue
        .case(&"audience.array.first".parse().unwrap())
        .unwrap();
    let audience = array.steps[0].token.token().unwrap().audience.clone();
    assert!(matches!(audience, Some(Audience::Many(many)) if many.len() == 2));
}

#[test]
fn claims_and_words_are_read() {
    let catalogue = suite(&format!(
        "{HEAD}  steps:
  - put: a%20b
    token: {{claims: {{exp: -600, nbf: null, n: 5, x: [a, {{y: true}}], iat: tomorrow}}}}
    expect: unauthenticated
    control: storage.modify:/
  - {{put: '{{protected}}/c', token: none, expect: denied, control: 'storage.modify:/', body: other-1}}
"
    ))
    .unwrap();
    let case = catalogue.cases().next().unwrap();
    let token = case.steps[0].token.token().unwrap();
    insta::assert_debug_snapshot!(token.claims, @r#"
    {
        "exp": FromNow(
            -600000,
        ),
        "iat": Value(
            String("tomorrow"),
        ),
        "n": Value(
            Number(5),
        ),
        "nbf": Remove,
        "x": Value(
            Array [
                String("a"),
                Object {
                    "y": Bool(true),
                },
            ],
        ),
    }
    "#);
    assert_eq!(case.steps[0].body, "new");
    assert_eq!(
        (case.steps[1].body.as_str(), &case.steps[1].token),
        ("other-1", &touchstone_model::Credential::None)
    );
    assert_eq!(
        (case.at.line, case.steps[0].at.line, case.steps[1].at.line),
        (4, 10, 14)
    );
}

#[test]
fn a_site_adds_suites_and_clauses() {
    let source = |name: &str, text: String| SourceFile {
        name: name.into(),
        text: text.into(),
    };
    let register = "clauses:\n- {id: SITE-01, source: house, basis: derived, level: MUST, severity: critical, requirement: r}\n";
    let own = HEAD.replace("JWT-2.2.1-01", "SITE-01")
        + "  steps: [{put: n, token: a, expect: created}]\n";
    let catalogue = load_catalogue(&[
        source("own.yaml", own),
        source("rules.yaml", register.into()),
    ])
    .unwrap();
    let shipped = load_catalogue(&[]).unwrap().cases().count();
    assert_eq!(catalogue.cases().count(), shipped + 1);
    assert_eq!(catalogue.clauses.last().unwrap().id.as_str(), "SITE-01");
}

#[test]
fn all_problems_are_told_at_once() {
    insta::assert_snapshot!(told("suite: Own
about:
colour: red
cases:
- id: other.one
  title: t
  title: u
  clauses: [JWT-2.2.1-1, JWT-2.2.1-01, JWT-2.2.1-01, nonsense]
  severity: kritical
  given: [{flie: x}, {file: a, directory: b}]
  steps:
  - get: a
    put: b
    tokn: openid
    expect: okay
- id: 7
"), @"
    own.yaml:1:8: `Own` is no name of a suite
        1 | suite: Own
          |        ^^^
      help: a suite is named by a lower-case word, such as `path`

    own.yaml:2:1: `about` has no value; expected text
        2 | about:
          | ^^^^^

    own.yaml:3:1: a suite has no key `colour`
        3 | colour: red
          | ^^^^^^
      help: there is `suite`, `about`, `cases` and `covers`

    own.yaml:5:3: a case needs the key `risk`
        5 | - id: other.one
          |   ^^

    own.yaml:7:3: the key `title` is there twice, first on line 6
        7 |   title: u
          |   ^^^^^

    own.yaml:8:13: there is no clause `JWT-2.2.1-1`
        8 |   clauses: [JWT-2.2.1-1, JWT-2.2.1-01, JWT-2.2.1-01, nonsense]
          |             ^^^^^^^^^^^
      help: did you mean `JWT-2.2.1-01`?

    own.yaml:8:40: the clause `JWT-2.2.1-01` is there twice
        8 |   clauses: [JWT-2.2.1-1, JWT-2.2.1-01, JWT-2.2.1-01, nonsense]
          |                                        ^^^^^^^^^^^^

    own.yaml:8:54: `nonsense` is no id of a clause
        8 |   clauses: [JWT-2.2.1-1, JWT-2.2.1-01, JWT-2.2.1-01, nonsense]
          |                                                      ^^^^^^^^
      help: a clause id looks like `JWT-2.2.1-04`

    own.yaml:9:13: `severity` cannot be `kritical`
        9 |   severity: kritical
          |             ^^^^^^^^
      help: did you mean `critical`?

    own.yaml:10:12: an object has no key `flie`
       10 |   given: [{flie: x}, {file: a, directory: b}]
          |            ^^^^
      help: did you mean `file`?

    own.yaml:10:32: `file` and `directory` exclude each other
       10 |   given: [{flie: x}, {file: a, directory: b}]
          |                                ^^^^^^^^^

    own.yaml:13:5: `get` and `put` exclude each other
       13 |     put: b
          |     ^^^

    own.yaml:14:5: a step has no key `tokn`
       14 |     tokn: openid
          |     ^^^^
      help: did you mean `token`?

    own.yaml:15:13: `expect` cannot be `okay`
       15 |     expect: okay
          |             ^^^^

    own.yaml:16:3: a case needs the key `title`
       16 | - id: 7
          |   ^^

    own.yaml:16:3: a case needs the key `risk`
       16 | - id: 7
          |   ^^

    own.yaml:16:3: a case needs the key `clauses`
       16 | - id: 7
          |   ^^

    own.yaml:16:3: a case needs the key `severity`
       16 | - id: 7
          |   ^^

    own.yaml:16:3: a case needs the key `steps`
       16 | - id: 7
          |   ^^

    own.yaml:16:7: `id`: expected text, found a number
       16 | - id: 7
          |       ^
      help: put it in quotes
    ");
}

#[test]
fn duplicates_are_told_across_files() {
    let good = format!("{HEAD}  steps: [{{put: n, token: a, expect: created}}]\n");
    let source = |name: &str| SourceFile {
        name: name.into(),
        text: good.as_str().into(),
    };
    let problems = load(&[
        builtin_clauses(),
        builtin_clauses(),
        source("a.yaml"),
        source("b.yaml"),
    ])
    .unwrap_err();
    let ours: Vec<String> = problems
        .iter()
        .filter(|problem| &*problem.file == "b.yaml")
        .map(ToString::to_string)
        .collect();
    insta::assert_snapshot!(ours.join("\n"), @"
    b.yaml:1:8: the suite `own` is there twice, first in a.yaml:1
        1 | suite: own
          |        ^^^
      help: give this one another name
    b.yaml:4:7: the case `own.one` is there twice, first in a.yaml:4
        4 | - id: own.one
          |       ^^^^^^^
    ");
    assert!(problems.len() > 30, "the clauses are there twice as well");
}

#[test]
fn variables_and_paths() {
    insta::assert_snapshot!(steps("  given:
  - file: /abs
  - file: a/../b
  - file: a/%2E/b
  - file: a//b
  - directory: d/
  - file: '{dir}/a'
  - file: a b
  steps:
  - get: '{protectd}/f'
    token: {scope: 'storage.read:{dri}', groups: ['{grup}', wlcg], audience: []}
    expect: ok
  - get: f
    token: 'a  b'
    expect: ok
  - get: f
    token: 'storage.read:{dir'
    expect: ok
"), @"
    own.yaml:10:11: a path does not start with a slash
       10 |   - file: /abs
          |           ^^^^
      help: it is relative to the directory of the case

    own.yaml:11:13: `..` in a path is rewritten before it is sent
       11 |   - file: a/../b
          |             ^^
      help: cases about dot segments need the byte-exact client

    own.yaml:12:13: `%2E` in a path is rewritten before it is sent
       12 |   - file: a/%2E/b
          |             ^^^
      help: cases about dot segments need the byte-exact client

    own.yaml:13:11: a component of the path is empty
       13 |   - file: a//b
          |           ^^^^
      help: remove the slash

    own.yaml:14:16: a component of the path is empty
       14 |   - directory: d/
          |                ^^
      help: remove the slash

    own.yaml:15:11: a path has no variables
       15 |   - file: '{dir}/a'
          |           ^^^^^^^^^
      help: only `{protected}/`, `{second}/` or `{tape}/` may stand at its start

    own.yaml:16:12: ` ` cannot stand in the path of a URL
       16 |   - file: a b
          |            ^
      help: write it as % and two hexadecimal digits for each of its bytes

    own.yaml:18:11: there is no variable `{protectd}`
       18 |   - get: '{protectd}/f'
          |           ^^^^^^^^^^
      help: did you mean `{protected}`?

    own.yaml:19:34: there is no variable `{dri}`
       19 |     token: {scope: 'storage.read:{dri}', groups: ['{grup}', wlcg], audience: []}
          |                                  ^^^^^
      help: did you mean `{dir}`?

    own.yaml:19:52: there is no variable `{grup}`
       19 |     token: {scope: 'storage.read:{dri}', groups: ['{grup}', wlcg], audience: []}
          |                                                    ^^^^^^
      help: did you mean `{group}`?

    own.yaml:19:61: a group starts with a slash
       19 |     token: {scope: 'storage.read:{dri}', groups: ['{grup}', wlcg], audience: []}
          |                                                             ^^^^

    own.yaml:19:68: `audience` is empty
       19 |     token: {scope: 'storage.read:{dri}', groups: ['{grup}', wlcg], audience: []}
          |                                                                    ^^^^^^^^
      help: write `claims: {aud: []}` for a token with an empty list

    own.yaml:22:12: scopes are separated by single spaces
       22 |     token: 'a  b'
          |            ^^^^^^

    own.yaml:25:12: a brace lacks its partner
       25 |     token: 'storage.read:{dir'
          |            ^^^^^^^^^^^^^^^^^^^
      help: braces stand around variables only
    ");
}

#[test]
fn expectations_fit_methods_and_controls() {
    insta::assert_snapshot!(steps("  given: [{file: f}]
  steps:
  - get: f
    token: a
    expect: created
  - get: f
    token: a
    expect: denied
  - get: f
    token: a
    expect: denied
    control: a
  - get: f
    token: a
    expect: denied
    control: none
  - get: f
    token: a
    expect: denied
    control: {scope: b, claims: {aud: null}}
  - get: f
    to: g
    body: x
    token: a
    expect: not-found
    control: b
  - move: f
    token: a
    expect: created
  - move: f
    to: f
    token: a
    expect: created
  - put: g
    body: Not a word
    token: {scope: a, audience: x, claims: {aud: y, exp: 1.5, f: .nan, t: '{dir}'}}
    expect: created
"), @"
       own.yaml:13:13: `get` cannot be `created`
          13 |     expect: created
             |             ^^^^^^^
         help: it can be `any`, `bad-request`, `conflict`, `denied`, `not-allowed`, `not-found`, `ok`, `ok-or-not-found`, `partial`, `precondition-failed`, `refused`, `unauthenticated`, `unsatisfiable` and `unsupported-type`

       own.yaml:14:5: a step that expects `denied` needs the key `control`
          14 |   - get: f
             |     ^^^
         help: name the token with which the very same request succeeds; without it a dead service would pass

       own.yaml:20:14: `control` is the same token as `token`
          20 |     control: a
             |              ^
         help: it is the token with which the request succeeds

       own.yaml:24:14: `control` has to be a token
          24 |     control: none
             |              ^^^^

       own.yaml:30:5: only `move` and `copy` have a `to`
          30 |     to: g
             |     ^^

       own.yaml:31:5: only `put` and `pull` have a `body`
          31 |     body: x
             |     ^^^^

       own.yaml:34:5: `control` is for steps that expect `ok`, `denied`, `refused` or `unauthenticated`
          34 |     control: b
             |     ^^^^^^^
         help: remove it

       own.yaml:35:5: a step needs the key `to`
          35 |   - move: f
             |     ^^^^

       own.yaml:39:9: this moves an object onto itself
          39 |     to: f
             |         ^

       own.yaml:43:11: a `body` is a lower-case word
          43 |     body: Not a word
             |           ^^^^^^^^^^
         help: the runner makes the content from it

       own.yaml:44:45: `audience` and the claim `aud` exclude each other
          44 |     token: {scope: a, audience: x, claims: {aud: y, exp: 1.5, f: .nan, t: '{dir}'}}
             |                                             ^^^

       own.yaml:44:66: JSON has no such number
          44 |     token: {scope: a, audience: x, claims: {aud: y, exp: 1.5, f: .nan, t: '{dir}'}}
             |                                                                  ^^^^
       ");
}

#[test]
fn objects_have_to_be_known() {
    insta::assert_snapshot!(steps("  given: [{file: f}, {directory: d}, {file: f/g}, {file: d}]
  steps: [{get: e, token: a, expect: ok}]
"), @"
    own.yaml:9:45: `f` is given as a file
        9 |   given: [{file: f}, {directory: d}, {file: f/g}, {file: d}]
          |                                             ^^^

    own.yaml:9:58: `d` is given twice
        9 |   given: [{file: f}, {directory: d}, {file: f/g}, {file: d}]
          |                                                          ^

    own.yaml:10:12: there is nothing at `e`
       10 |   steps: [{get: e, token: a, expect: ok}]
          |            ^^^
      help: add it to `given`, or make it in an earlier step
    ");
    insta::assert_snapshot!(steps("  given: [{file: f}, {directory: d}, {file: s/t/u}]
  steps:
  - {get: missing, token: a, expect: ok}
  - {get: missing, token: a, expect: denied, control: b}
  - {get: d, token: a, expect: ok}
  - {put: d, token: a, expect: created}
  - {put: f, token: a, expect: created}
  - {put: new, token: a, expect: replaced}
  - {mkcol: s/t, token: a, expect: created}
  - {get: f, token: a, expect: not-found}
  - {move: none, to: x, token: a, expect: created}
  - {move: f, to: s/t/u, token: a, expect: created}
  - {delete: s, token: a, expect: deleted}
  - {get: s/t/u, token: a, expect: ok}
"), @"
    own.yaml:11:6: there is nothing at `missing`
       11 |   - {get: missing, token: a, expect: ok}
          |      ^^^
      help: add it to `given`, or make it in an earlier step

    own.yaml:12:6: there is nothing at `missing`
       12 |   - {get: missing, token: a, expect: denied, control: b}
          |      ^^^
      help: add it to `given`, or make it in an earlier step

    own.yaml:13:6: `d` is a directory
       13 |   - {get: d, token: a, expect: ok}
          |      ^^^
      help: name a file in it

    own.yaml:14:6: `d` is a directory
       14 |   - {put: d, token: a, expect: created}
          |      ^^^
      help: name a file in it

    own.yaml:15:6: `f` is already there
       15 |   - {put: f, token: a, expect: created}
          |      ^^^
      help: expect `replaced`

    own.yaml:16:6: there is nothing at `new`
       16 |   - {put: new, token: a, expect: replaced}
          |      ^^^
      help: add it to `given`, or make it in an earlier step

    own.yaml:17:6: `s/t` is already there
       17 |   - {mkcol: s/t, token: a, expect: created}
          |      ^^^^^
      help: name a new directory

    own.yaml:18:6: `f` is there
       18 |   - {get: f, token: a, expect: not-found}
          |      ^^^
      help: name something that is neither given nor made

    own.yaml:19:6: there is nothing at `none`
       19 |   - {move: none, to: x, token: a, expect: created}
          |      ^^^^
      help: add it to `given`, or make it in an earlier step

    own.yaml:20:6: `s/t/u` is already there
       20 |   - {move: f, to: s/t/u, token: a, expect: created}
          |      ^^^^
      help: expect `replaced`

    own.yaml:22:6: there is nothing at `s/t/u`
       22 |   - {get: s/t/u, token: a, expect: ok}
          |      ^^^
      help: add it to `given`, or make it in an earlier step
    ");
}

#[test]
fn objects_follow_the_steps() {
    let good = "  given: [{file: s/f}]
  steps:
  - {propfind: s, token: a, expect: ok}
  - {move: s/f, to: s/g, token: a, expect: created}
  - {get: s/f, token: a, expect: not-found}
  - {get: s/g, token: a, expect: ok}
  - {delete: s, token: a, expect: deleted}
  - {get: s/g, token: a, expect: not-found}
  - {mkcol: s, token: a, expect: created}
  - {delete: s, token: a, expect: denied, control: b}
  - {mkcol: s, token: a, expect: created}
";
    suite(&format!("{HEAD}{good}")).unwrap();
}

#[test]
fn files_that_are_no_suites() {
    insta::assert_snapshot!(told(""), @"
    own.yaml: the file is empty
      help: a suite has the keys `suite`, `about`, and `cases` or `covers`
    ");
    insta::assert_snapshot!(told("# only this\n"), @"
    own.yaml: the file is empty
      help: a suite has the keys `suite`, `about`, and `cases` or `covers`
    ");
    insta::assert_snapshot!(told("just text"), @"
    own.yaml:1:1: a suite is a mapping, found text
        1 | just text
          | ^^^^^^^^^
      help: its keys are `suite`, `about`, `cases` and `covers`
    ");
    insta::assert_snapshot!(told("- a\n- b\n"), @"
    own.yaml:1:3: a suite is a mapping, found a list
        1 | - a
          |   ^
      help: its keys are `suite`, `about`, `cases` and `covers`
    ");
    insta::assert_snapshot!(told("suite: own\n\tabout: x\n"), @"
    own.yaml:2:1: this is not YAML: found a tab character that violates indentation, while scanning a plain scalar at line 1 column 8
        2 | →about: x
          | ^
      help: this is a tab; YAML is indented with spaces
    ");
    insta::assert_snapshot!(told("suite: own\n---\nsuite: two\n"), @"
    own.yaml:2:1: there is more than one document in the file
        2 | ---
          | ^^^
      help: remove the lines `---`, and text before the first key
    ");
    insta::assert_snapshot!(told("suite: own\nabout: a: b\n"), @"
    own.yaml:2:9: this is not YAML: mapping values are not allowed in this context
        2 | about: a: b
          |         ^
      help: check the indentation; text with `: ` in it has to be in quotes
    ");
    insta::assert_snapshot!(told("suite: own\nabout: @x\n"), @"
    own.yaml:2:8: this is not YAML: found character that cannot start any token, while scanning for the next token
        2 | about: @x
          |        ^
      help: put text that starts so in quotes
    ");
    insta::assert_snapshot!(told("suite: 'own\nabout: x\n"), @"
    own.yaml:3:1: this is not YAML: found unexpected end of stream, while scanning a quoted scalar at line 1 column 8
      help: close the quotes
    ");
    insta::assert_snapshot!(told("suite: [own\nabout: x\n"), @"
    own.yaml:2:6: this is not YAML: did not find expected ',' or ']', while parsing a flow sequence at line 1 column 8
        2 | about: x
          |      ^
      help: close the bracket
    ");
    insta::assert_snapshot!(told("suite: *own\n"), @"
    own.yaml:1:8: this is not YAML: unknown anchor
        1 | suite: *own
          |        ^
      help: put text that starts so in quotes
    ");
    insta::assert_snapshot!(told("suite: own\nabout: \u{7}x\n"), @"
    own.yaml:2:8: the character U+0007 cannot stand in YAML
        2 | about: �x
          |        ^
    ");
    insta::assert_snapshot!(told("suite: !own x\nabout: !!int x\ncases: [1, {a: b}]\n"), @"
    own.yaml:2:8: the value does not fit its tag
        2 | about: !!int x
          |        ^
      help: remove the tag
    ");
    insta::assert_snapshot!(told("true: a\n3: b\n? [a]\n: b\nsuite: ~\nabout: 3\ncases: {}\n"), @r#"
    own.yaml:1:1: a key is text; write "true" with the quotes
        1 | true: a
          | ^^^^

    own.yaml:1:1: a suite has no key `true`
        1 | true: a
          | ^^^^
      help: there is `suite`, `about`, `cases` and `covers`

    own.yaml:2:1: a key is text; write "3" with the quotes
        2 | 3: b
          | ^

    own.yaml:2:1: a suite has no key `3`
        2 | 3: b
          | ^
      help: there is `suite`, `about`, `cases` and `covers`

    own.yaml:3:4: a key is text, found a list
        3 | ? [a]
          |    ^

    own.yaml:5:1: `suite` has no value; expected text
        5 | suite: ~
          | ^^^^^

    own.yaml:6:8: `about`: expected text, found a number
        6 | about: 3
          |        ^
      help: put it in quotes

    own.yaml:7:1: `cases`: expected a list, found a mapping
        7 | cases: {}
          | ^^^^^
    "#);
}

#[test]
fn clauses_are_checked() {
    let told = told(
        "clauses:
- id: JWT-2.2.1-01
  source: s
  since: 1.4
  basis: said
  level: must
  severity: high
- id: lower
  requirement: ''
",
    );
    // Where it stands in the register changes with each clause before it.
    let register = builtin_clauses().text;
    let mut lines = register.lines();
    let line = lines.position(|line| line == "  - id: JWT-2.2.1-01");
    let there = format!("clauses.yaml:{}\n", line.expect("it is there") + 1);
    assert!(told.contains(&there), "{told}");
    insta::assert_snapshot!(told.replace(&there, "clauses.yaml:LINE\n"), @"
    own.yaml:2:3: a clause needs the key `requirement`
        2 | - id: JWT-2.2.1-01
          |   ^^

    own.yaml:2:7: the clause `JWT-2.2.1-01` is there twice, first in suites/clauses.yaml:LINE
        2 | - id: JWT-2.2.1-01
          |       ^^^^^^^^^^^^

    own.yaml:4:10: `1.4` is no version of the profile
        4 |   since: 1.4
          |          ^^^
      help: a profile version is 1.0, 1.1, 1.2 or 1.3

    own.yaml:5:10: `basis` cannot be `said`
        5 |   basis: said
          |          ^^^^
      help: there is `stated`, `rfc` and `derived`

    own.yaml:6:10: `level` cannot be `must`
        6 |   level: must
          |          ^^^^
      help: did you mean `MUST`?

    own.yaml:7:13: `severity` cannot be `high`
        7 |   severity: high
          |             ^^^^
      help: there is `critical` and `not-critical`

    own.yaml:8:3: a clause needs the key `source`
        8 | - id: lower
          |   ^^

    own.yaml:8:3: a clause needs the key `basis`
        8 | - id: lower
          |   ^^

    own.yaml:8:3: a clause needs the key `level`
        8 | - id: lower
          |   ^^

    own.yaml:8:3: a clause needs the key `severity`
        8 | - id: lower
          |   ^^

    own.yaml:8:7: `lower` is no id of a clause
        8 | - id: lower
          |       ^^^^^
      help: a clause id looks like `JWT-2.2.1-04`

    own.yaml:9:16: `requirement` is empty
        9 |   requirement: ''
          |                ^^
    ");
}

#[test]
fn clauses_quote_what_their_register_names() {
    let clause = "- {id: SITE-01, source: house, basis: derived, level: MUST, severity: critical, requirement: r, text: [";
    let quote = "{document: rules, place: page 3, quote: 'Nobody may.'}, {document: profile, place: line 1, quote: Words}";
    let documents = "documents:\n  rules: {title: House rules, url: 'https://example.org/rules'}\n";
    let catalogue = suite(&format!("{documents}clauses:\n{clause}{quote}]}}\n"));
    let catalogue = catalogue.unwrap_or_else(|problems| panic!("{problems}"));
    let quoted = catalogue
        .clause(&"SITE-01".parse().unwrap())
        .map(|clause| clause.text.iter().map(ToString::to_string).collect());
    let quoted: Vec<String> = quoted.unwrap();
    assert_eq!(
        quoted,
        [
            "\"Nobody may.\" (House rules, page 3)",
            "\"Words\" (WLCG Common JWT Profiles 1.3, line 1)"
        ]
    );
    for (documents, quote, problem) in [
        (
            documents,
            "{document: rule, place: p, quote: q}",
            "there is no document `rule`",
        ),
        (
            documents,
            "{document: rules, place: p}",
            "needs the key `quote`",
        ),
        (
            documents,
            "{document: rules, place: p, quote: ''}",
            "`quote` is empty",
        ),
        (
            "documents:\n  rules: {url: u}\n",
            "",
            "needs the key `title`",
        ),
        (
            "documents:\n  profile: {title: t, url: u}\n",
            "",
            "the document `profile` is there twice",
        ),
        ("documents: [rules]\n", "", "expected a mapping"),
    ] {
        let told = told(&format!("{documents}clauses:\n{clause}{quote}]}}\n"));
        assert!(told.contains(problem), "{problem}: {told}");
    }
}

#[test]
fn what_may_be_missing_or_lead_elsewhere_is_marked_in_steps() {
    let told = |step: &str| {
        let text = format!("{HEAD}  given: [{{file: f}}]\n  steps:\n  - {{{step}}}\n");
        suite(&text).map(|catalogue| {
            let mut cases = catalogue.cases();
            let step = cases.next().map(|case| case.steps[0].clone()).unwrap();
            (step.optional, step.redirected)
        })
    };
    for (step, marks) in [
        ("get: f, token: none, expect: refused", (false, false)),
        (
            "get: f, redirected: true, token: none, expect: refused",
            (false, true),
        ),
        (
            "copy: f, to: g, optional: true, token: none, expect: any",
            (true, false),
        ),
    ] {
        assert_eq!(told(step).as_ref(), Ok(&marks), "{step}");
    }
    for (step, part) in [
        (
            "head: f, redirected: true, token: none, expect: any",
            "only a plain `get`",
        ),
        (
            "get: f, as: g, redirected: true, token: none, expect: any",
            "only a plain `get`",
        ),
        (
            "get: f, redirected: maybe, token: none, expect: any",
            "redirected: maybe",
        ),
        (
            "get: f, optional: maybe, token: none, expect: any",
            "optional: maybe",
        ),
        (
            "copy: f, to: f, token: none, expect: any",
            "copies an object onto itself",
        ),
    ] {
        let problem = told(step).unwrap_err();
        assert!(problem.contains(part), "{problem}");
    }
}

/// The first step's token, in a case of that step.
fn token_of(token: &str) -> Result<TokenTemplate, String> {
    let catalogue = suite(&format!(
        "suite: own\nabout: x\ncases:\n- id: own.one\n  title: t\n  risk: r\n  clauses: [JWT-2.1.1-01]\n  severity: critical\n  steps:\n  - {{get: f, token: {token}, expect: any}}\n"
    ))?;
    let case = catalogue.cases().next().expect("a case");
    Ok(case.steps[0].token.token().expect("a token").clone())
}

#[test]
fn claims_can_have_texts_that_no_library_writes() {
    let token = token_of(
        "{key: rs256, trailing: '{}', claims: {exp: {raw: '1e300'}, nbf: {literal: null}, iss: {edited: '{toggled}'}}, header: {kid: {edited: '../{good}'}}}",
    )
    .unwrap();
    assert_eq!(token.key, Some(Signature::Rs256));
    assert_eq!(token.trailing, "{}");
    assert_eq!(token.claims["exp"], Alteration::Raw("1e300".to_owned()));
    assert_eq!(token.claims["nbf"], Alteration::Value(Value::Null));
    let edited = |text: &str| Alteration::Edited(text.to_owned());
    assert_eq!(token.claims["iss"], edited("{toggled}"));
    assert_eq!(token.header["kid"], edited("../{good}"));
    for (wrong, message) in [
        ("{key: es384}", "`es384`"),
        (
            "{claims: {exp: {raw: 1}}}",
            "`raw` is one JSON value, in quotes",
        ),
        (
            "{header: {kid: {edited: 1}}}",
            "`edited` is a text with `{good}` in it, in quotes",
        ),
    ] {
        let told = token_of(wrong).unwrap_err();
        assert!(told.contains(message), "{wrong}: {told}");
    }
}
