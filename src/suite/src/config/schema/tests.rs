use jsonschema::Validator;
use serde_json::Value;

use super::{endpoints_schema, suite_schema};
use crate::config::catalogue::load;
use crate::config::{EMBEDDED, builtin_clauses, builtin_suites, load_inventory};
use touchstone_yaml::{Problems, SourceFile};

fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).unwrap()
}

fn value(text: &str) -> Value {
    serde_json::to_value(serde_yaml::from_str::<serde_yaml::Value>(text).unwrap()).unwrap()
}

fn complaints(validator: &Validator, text: &str) -> Vec<String> {
    let value = value(text);
    let errors = validator.iter_errors(&value);
    errors
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect()
}

fn source(text: &str) -> SourceFile {
    SourceFile {
        name: "site/file.yaml".into(),
        text: text.into(),
    }
}

fn load_endpoints(text: &str) -> Result<(), Problems> {
    load_inventory(&source(text), &EMBEDDED).map(drop)
}

fn load_suite(text: &str) -> Result<(), Problems> {
    load(&[builtin_clauses(), source(text)]).map(drop)
}

/// Every property of a schema, with the way to it.
fn properties(schema: &Value, way: &str, found: &mut Vec<(String, Value)>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                if let ("properties", Value::Object(inner)) = (key.as_str(), value) {
                    for (name, value) in inner {
                        found.push((format!("{way}/{name}"), value.clone()));
                        properties(value, &format!("{way}/{name}"), found);
                    }
                } else {
                    properties(value, way, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, way, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_readers_is_described() {
    let others = [
        touchstone_model::Expect::Ok,
        touchstone_model::Expect::Refused,
    ];
    let permitted = serde_json::json!({"enum": others.map(touchstone_model::Expect::as_str)});
    for (schema, least) in [(endpoints_schema(), 100), (suite_schema(), 100)] {
        let mut found = Vec::new();
        properties(&schema, "", &mut found);
        assert!(found.len() > least, "{}", found.len());
        let mute: Vec<_> = found
            .iter()
            // The conditions on `expect` are no properties of their own.
            .filter(|(_, value)| value.get("description").is_none())
            .filter(|(_, value)| value != &refusals() && value != &permitted)
            .map(|(way, _)| way)
            .collect();
        assert!(
            mute.is_empty(),
            "a reader in src/config knows keys that src/config/schema does not: {mute:?}"
        );
    }
}

/// The words of refusals, as the condition for a control has them.
fn refusals() -> Value {
    let words = touchstone_model::Expect::ALL.into_iter();
    let words: Vec<_> = words
        .filter(|word| word.refusal())
        .map(|word| word.as_str())
        .collect();
    serde_json::json!({"enum": words})
}

#[test]
fn the_schemas_are_schemas() {
    for schema in [endpoints_schema(), suite_schema()] {
        jsonschema::meta::validate(&schema).unwrap();
    }
}

#[test]
fn our_own_files_are_valid() {
    let suites = validator(&suite_schema());
    for file in builtin_suites().into_iter().chain([builtin_clauses()]) {
        assert_eq!(complaints(&suites, &file.text), [""; 0], "{}", file.name);
    }
    let endpoints = validator(&endpoints_schema());
    assert_eq!(
        complaints(&endpoints, include_str!("../../../../../endpoints.yaml")),
        [""; 0]
    );
}

#[test]
fn what_the_documentation_shows_is_valid() {
    let (endpoints, suites) = (validator(&endpoints_schema()), validator(&suite_schema()));
    let mut shown = 0;
    let top = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let pages = std::fs::read_dir(top.join("docs")).unwrap();
    let pages = pages
        .map(|entry| entry.unwrap().path())
        .chain([top.join("README.md")]);
    for page in pages.filter(|page| page.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            // Some show issuers only.
            for text in [block.to_owned(), format!("{block}{SE}")] {
                if load_endpoints(&text).is_ok() {
                    assert_eq!(complaints(&endpoints, &text), [""; 0], "{page:?}\n{text}");
                } else if load_suite(&text).is_ok() {
                    assert_eq!(complaints(&suites, &text), [""; 0], "{page:?}\n{text}");
                } else {
                    continue;
                }
                shown += 1;
            }
        }
    }
    assert!(shown > 0, "the documentation shows no file");
}

const SE: &str = "endpoints:
  se:
    endpoint: https://se.example.org:8443
    paths: {wlcg: /wlcg}
";

#[test]
fn odd_files_that_the_reader_takes_are_valid() {
    let validator = validator(&endpoints_schema());
    let reference = "oauth: {token: {issuer: \"https://wlcg.example.org/\"}}
oidc-agent: {provider-alias: wlcg}
endpoints:
  se: {desc: , type: EOS, endpoint: \"https://se.example.org\", paths: {wlcg: /eos/x}}
";
    for text in [
        reference.to_owned(),
        format!("{SE}    profile: 1.2\n"),
        format!("{SE}    profile: \"1.2\"\n"),
        format!("{SE}    ca: [a.pem, /etc/grid-security/certificates]\n"),
        format!("{SE}    traits: {{groups: false, tape: false, read-only: false}}\n"),
        format!("{SE}    limits: {{connect: 1h 30m, jobs: 1}}\n"),
        format!(
            "{SE}    known-failures: [{{case: path.sibling-prefix.read, reason: r, ticket: 4711}}]\n"
        ),
        format!(
            "{SE}issuers: {{i: {{url: \"HTTPS://i.example.org/\", command: get-token, judge: true}}}}\n"
        ),
        format!(
            "{SE}issuers: {{i: {{url: \"https://i.example.org/\", bearer-token-discovery: true}}}}\n"
        ),
        format!(
            "{SE}issuers: {{i: {{url: \"https://i.example.org/\", test-key: [{{file: a}}, {{file: b}}]}}}}\n"
        ),
        format!("{SE}issuers: {{i: {{url: \"https://i.example.org/\"}}}}\n"),
    ] {
        load_endpoints(&text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
        assert_eq!(complaints(&validator, &text), [""; 0], "{text}");
    }
}

#[test]
fn wrong_endpoints_are_refused_by_both() {
    let validator = validator(&endpoints_schema());
    let issuer =
        |rest: &str| format!("{SE}issuers: {{i: {{url: \"https://i.example.org/\", {rest}}}}}\n");
    for text in [
        "issuers: {}\n".to_owned(),
        "endpoints: {}\n".to_owned(),
        "endpoints: []\n".to_owned(),
        format!("{SE}colour: blue\n"),
        format!("{SE}    colour: blue\n"),
        format!("{SE}    profile: 2.0\n"),
        format!("{SE}    audience: 5\n"),
        format!("{SE}    audience: \"\"\n"),
        format!("{SE}    audience: []\n"),
        format!("{SE}    audience: [LIGO, \"\"]\n"),
        format!("{SE}    fresh-tokens: \"yes\"\n"),
        format!("{SE}    limits: {{connect: 10}}\n"),
        format!("{SE}    limits: {{connect: soon}}\n"),
        format!("{SE}    limits: {{jobs: 0}}\n"),
        format!("{SE}    limits: {{speed: 5}}\n"),
        format!("{SE}    traits: {{groups: true}}\n"),
        format!("{SE}    traits: {{groups: {{member: wlcg}}}}\n"),
        format!("{SE}    traits: {{tape: {{path: /t}}}}\n"),
        format!("{SE}    traits: {{read-only: {{file: /a, checksum: \"adler32:0\"}}}}\n"),
        format!("{SE}    traits: {{read-only: {{file: /a/b, checksum: \"md5:0\"}}}}\n"),
        format!("{SE}    known-failures: [{{case: path.sibling-prefix.read}}]\n"),
        format!(
            "{SE}    known-failures: [{{case: path.sibling-prefix.read, reason: r, expires: soon}}]\n"
        ),
        format!("{SE}    second: {{path: /x}}\n"),
        "endpoints: {se: {endpoint: \"https://se.example.org\"}}\n".to_owned(),
        "endpoints: {se: {endpoint: \"http://se.example.org\", paths: {wlcg: /w}}}\n".to_owned(),
        "endpoints: {se: {endpoint: \"https://se.example.org\", paths: {wlcg: w}}}\n".to_owned(),
        "endpoints: {critical: {endpoint: \"https://se.example.org\", paths: {wlcg: /w}}}\n"
            .to_owned(),
        "endpoints: {\"a b\": {endpoint: \"https://se.example.org\", paths: {wlcg: /w}}}\n"
            .to_owned(),
        issuer("secret: x"),
        issuer("token-env: A, token-file: b"),
        issuer("token-env: A, accounts: {a: {token-env: B}}"),
        issuer("token-env: $A"),
        issuer("token-file: ~/token"),
        issuer("accounts: {a: {}}"),
        issuer("accounts: {a: {token-env: A, token-file: b}}"),
        issuer("bearer-token-discovery: false"),
        issuer("client-credentials: {secret-env: A}"),
        issuer("client-credentials: {id: a, id-env: A, secret-env: A}"),
        issuer("client-credentials: {id: a, secret-env: A, authentication: basically}"),
        issuer("refresh-token: {id: a, secret-env: A}"),
        issuer("token-exchange: {id: a, secret-env: A}"),
        issuer("mytoken: {server: \"https://m.example.org\"}"),
        issuer("vault: {server: \"https://v.example.org\"}"),
        issuer("command: []"),
        issuer("test-key: {kid: a}"),
        issuer("judge: {colour: blue}"),
        issuer("limits: {rate: 0}"),
    ] {
        assert!(
            load_endpoints(&text).is_err(),
            "the reader takes it:\n{text}"
        );
        assert_ne!(
            complaints(&validator, &text),
            [""; 0],
            "the schema takes it:\n{text}"
        );
    }
}

#[test]
fn wrong_suites_are_refused_by_both() {
    let validator = validator(&suite_schema());
    let case = |rest: &str| {
        format!(
            "suite: site\nabout: Ours\ncases:\n  - id: site.one\n    title: One\n    risk: Some\n    clauses: [JWT-2.2.1-04]\n    severity: critical\n    {rest}\n"
        )
    };
    let step = |rest: &str| case(&format!("steps: [{{{rest}}}]"));
    let right = step("put: f, token: \"storage.create:{dir}\", expect: created");
    load_suite(&right).unwrap();
    assert_eq!(complaints(&validator, &right), [""; 0]);
    for text in [
        "suite: site\nabout: Ours\n".to_owned(),
        "suite: site\nabout: Ours\ncases: []\n".to_owned(),
        "clauses: {}\n".to_owned(),
        "clauses: [{id: X-1}]\n".to_owned(),
        "clauses: [{id: X-1, source: s, basis: felt, level: MUST, severity: critical, requirement: r}]\n".to_owned(),
        right.replace("suite: site", "suite: Site"),
        right.replace("severity: critical", "severity: grave"),
        right.replace("id: site.one", "id: site"),
        right.replace("    title: One\n", ""),
        right.replace("[JWT-2.2.1-04]", "[]"),
        right.replace("[JWT-2.2.1-04]", "[JWT-2.2.1-04, JWT-2.2.1-04]"),
        right.replace("    steps:", "    colour: blue\n    steps:"),
        right.replace("    steps:", "    since: 3.0\n    steps:"),
        right.replace("    steps:", "    given: [{file: a, directory: b}]\n    steps:"),
        case("given: [{file: a}]"),
        case("steps: []"),
        step("token: none, expect: any"),
        step("put: f, get: f, token: none, expect: any"),
        step("put: f, expect: created"),
        step("put: f, token: \"storage.create:{dir}\""),
        step("put: /f, token: \"storage.create:{dir}\", expect: created"),
        step("put: f, token: \"storage.create:{dir}\", expect: great"),
        step("put: f, token: \"storage.create:{dir}\", expect: created, speed: 5"),
        step("put: f, token: \"storage.read:{dir}\", expect: denied"),
        step("put: f, token: \"storage.create:{dir}\", expect: created, control: \"storage.modify:{dir}\""),
        step("put: f, token: {scope: \"storage.create:{dir}\", colour: blue}, expect: created"),
        step("put: f, token: {scope: \"storage.create:{dir}\", signature: great}, expect: created"),
        step("put: f, body: New, token: \"storage.create:{dir}\", expect: created"),
        step("put: f, wait: 0, token: \"storage.create:{dir}\", expect: created"),
        step("pull: f, side: moon, token: \"storage.create:{dir}\", expect: created"),
        step("tape: rewind, token: \"storage.stage:{dir}\", expect: ok"),
        step("macaroon: f, activities: [download], token: \"storage.read:{dir}\", expect: ok"),
        case("asks: []"),
        case("asks: [{metadata: published}]"),
        case("asks: [{metadata: published, keys: published, expect: [json]}]"),
        case("asks: [{metadata: somewhere, expect: [json]}]"),
        case("asks: [{metadata: {again: 1000}, expect: [json]}]"),
        case("asks: [{token: {scope: wlcg, colour: blue}, expect: [issued]}]"),
        case("asks: [{token: wlcg, expect: [great]}]"),
        case("asks: [{exchange: {scope: wlcg}, expect: [issued]}]"),
        case("asks: [{metadata: published, expect: [json]}]\n    slow: maybe"),
        case("asks: [{metadata: published, expect: [json]}]\n    issuer-path: true"),
    ] {
        assert!(load_suite(&text).is_err(), "the reader takes it:\n{text}");
        assert_ne!(complaints(&validator, &text), [""; 0], "the schema takes it:\n{text}");
    }
}
