use proptest::prelude::*;

use super::*;
use crate::config::{Catalogue, EMBEDDED, load_inventory};

fn source(name: &str, text: &str) -> SourceFile {
    SourceFile {
        name: name.into(),
        text: text.into(),
    }
}

/// The text that was made, which our own reader takes.
fn made(origin: Origin, name: &str, text: &str) -> String {
    let imported = import(origin, &source(name, text)).unwrap();
    let catalogue = &*EMBEDDED;
    read_back(catalogue, &imported);
    imported.text
}

fn read_back(catalogue: &Catalogue, imported: &Imported) {
    let loaded = load_inventory(&source("made.yaml", &imported.text), catalogue);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{}", imported.text));
    assert_eq!(loaded.inventory.endpoints.len(), imported.endpoints);
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
}

#[test]
fn the_file_of_the_reference_suite() {
    let text = include_str!("../../../../tests/import/variables.yaml");
    let made = made(Origin::Robot, "site/variables.yaml", text);
    assert!(!made.contains("do-not-carry-me"), "{made}");
    insta::assert_snapshot!(made, @r#"
    # Made of variables.yaml, which the reference suite publishes, by `touchstone import`.
    # What could not be carried over is said in its place. `touchstone check -e FILE` reads the file.
    # `scope` of `oauth` (line 5) was not carried over: it has no counterpart.
    # `oidc-agent` (line 8) was not carried over: name the account in the issuer's entry, with `oidc-agent: { account: NAME }`.
    # `bearer_token` of the file (line 10) was not carried over: a secret stands in the environment or in a file of its own.
    # `client-secret` of `oauth: token:` (line 4) was not carried over: a secret stands in the environment or in a file of its own.

    # How to obtain an issuer's tokens stands in its entry, such as
    #   client-credentials: { id: touchstone, secret-env: NAME_OF_A_VARIABLE }
    # docs/token-sources.md has every way. Secrets never stand in this file.
    issuers:
      wlcg.example.org:
        url: https://wlcg.example.org/

    endpoints:
      # the path `tf` was not carried over: an endpoint has one area
      se-storm:
        desc: "Local #1: \"StoRM\" \\ instance"
        type: StoRM
        endpoint: https://storm.example.org:8443
        paths: { wlcg: /wlcg }
        issuer: wlcg.example.org
      # `password` of the endpoint (line 26) was not carried over: a secret stands in the environment or in a file of its own.
      se-eos:
        type: EOS
        endpoint: https://eospps.example.org
        paths: { wlcg: /eos/opstest/tpc/https }
        issuer: wlcg.example.org
      # called `se xrootd` there
      se-xrootd:
        desc: "- a list? yes no: it is text"
        endpoint: https://ceph.example.org:1094
        paths: { wlcg: "/dteam:other" }
        issuer: wlcg.example.org
      # the name `critical` is taken already
      critical-2:
        endpoint: https://critical.example.org
        paths: { wlcg: / }
        issuer: wlcg.example.org
      # Left out: `se-http` (line 36): the URL has to start with https://; tokens are never sent over anything else
      # Left out: `se-nowhere` (line 39): it has no `endpoint`
    "#);
}

#[test]
fn hosts_without_a_scheme_are_doors_by_their_flavour() {
    let text = r#"{"A": {"name": "A", "state": "ACTIVE", "impl": "dcache", "vos": ["atlas"], "protocols": {
        "bare": {"flavour": "WEBDAV", "endpoint": "bare.example.org", "basepath": "/atlas", "state": "ACTIVE"},
        "port": {"flavour": "HTTPS", "endpoint": "port.example.org:2880/atlas", "state": "ACTIVE"},
        "plain": {"flavour": "HTTP", "endpoint": "http://plain.example.org/atlas", "state": "ACTIVE"}}},
      "B": {"name": "B", "state": "ACTIVE", "impl": "xrootd", "protocols": {
        "x": {"flavour": "XROOTD", "endpoint": "x.example.org:1094", "state": "ACTIVE"},
        "y": {"endpoint": "y.example.org", "state": "ACTIVE"},
        "z": {"flavour": "WEBDAV", "endpoint": "", "state": "ACTIVE"}}}}"#;
    let made = import(Origin::Cric, &source("cric.json", text)).unwrap();
    for part in [
        "endpoint: https://bare.example.org\n",
        "endpoint: https://port.example.org:2880\n",
        "paths: { wlcg: /atlas }",
        "Left out: plain of A: it is plain http, over which tokens are never sent",
        "Left out: B: no https door, only XROOTD, a host without a scheme, doors without a URL",
    ] {
        assert!(made.text.contains(part), "{part}\n{}", made.text);
    }
}

#[test]
fn storage_of_cric() {
    let text = include_str!("../../../../tests/import/cric.json");
    insta::assert_snapshot!(made(Origin::Cric, "cric.json", text), @r#"
    # Made of cric.json, which WLCG CRIC publishes, by `touchstone import`.
    # What could not be carried over is said in its place. `touchstone check -e FILE` reads the file.

    # How to obtain an issuer's tokens stands in its entry, such as
    #   client-credentials: { id: touchstone, secret-env: NAME_OF_A_VARIABLE }
    # docs/token-sources.md has every way. Secrets never stand in this file.
    issuers:
      # Proposed for its VO: compare the URL with `iss` in a token.
      atlas:
        url: https://atlas-auth.cern.ch/
      # Proposed for its VO: compare the URL with `iss` in a token.
      cms:
        url: https://cms-auth.cern.ch/
      # Stands for issuers that the source does not name: describe them, and name them at the endpoints.
      to-be-named:
        url: https://issuer.invalid/

    endpoints:
      # Left out: EXAMPLE_SE-OLD of EXAMPLE_SE of EXAMPLE-T2: its state is DISABLED
      # also for biomed: an endpoint has one issuer
      EXAMPLE_SE:
        desc: "EXAMPLE-T2, EXAMPLE_SE-WEBDAV"
        type: "dCache 11.2.1"
        endpoint: https://webdav.example.org:2880
        paths: { wlcg: /pnfs/example.org/data/atlas }
        issuer: atlas
      # Left out: EXAMPLE_SRM of EXAMPLE-T2: no https door, only root, srm
      # Left out: GONE_SE of GONE-T3: its state is DISABLED
      # no VO is told: this one is guessed from the name
      OTHER_SE_CMS:
        desc: "OTHER-T2, one"
        type: XRootD
        endpoint: https://one.example.edu:1094
        paths: { wlcg: /store }
        issuer: cms
      # no VO is told: this one is guessed from the name
      # no path of the VO is told: write it instead of `/`
      # the name `OTHER_SE_CMS` is taken already
      OTHER_SE_CMS-2:
        desc: "OTHER-T2, two"
        type: XRootD
        endpoint: https://two.example.edu
        paths: { wlcg: / }
        issuer: cms
      # Left out: one of STRANGE_SE: `..` in a path is rewritten before it is sent; cases about dot segments need the byte-exact client
      # the issuer of belle is not known here: name it
      STRANGE_SE:
        endpoint: https://strange.example.org:444
        paths: { wlcg: /belle }
        issuer: to-be-named
    "#);
}

#[test]
fn namespaces_of_the_osdf() {
    let text = include_str!("../../../../tests/import/osdf.json");
    insta::assert_snapshot!(made(Origin::Osg, "osdf.json", text), @r#"
    # Made of osdf.json, which OSG topology publishes, by `touchstone import`.
    # What could not be carried over is said in its place. `touchstone check -e FILE` reads the file.
    # Caches are not carried over: they copy what origins store.

    # How to obtain an issuer's tokens stands in its entry, such as
    #   client-credentials: { id: touchstone, secret-env: NAME_OF_A_VARIABLE }
    # docs/token-sources.md has every way. Secrets never stand in this file.
    issuers:
      issuer.example.edu-science:
        url: https://issuer.example.edu/science
      # Stands for issuers that the source does not name: describe them, and name them at the endpoints.
      to-be-named:
        url: https://issuer.invalid/

    endpoints:
      # also for https://second.example.edu: an endpoint has one issuer
      # the namespace is /science/protected; scopes count from /science
      EXAMPLE_ORIGIN-science:
        desc: "OSDF origin EXAMPLE_ORIGIN, namespace /science/protected"
        endpoint: https://origin1.example.edu:1095
        paths: { wlcg: /science }
        issuer: issuer.example.edu-science
      # also for https://second.example.edu: an endpoint has one issuer
      # the namespace is /science/protected; scopes count from /science
      # the name `EXAMPLE_ORIGIN-science` is taken already
      EXAMPLE_ORIGIN-science-2:
        desc: "OSDF origin EXAMPLE_ORIGIN, namespace /science/protected"
        endpoint: https://origin2.example.edu:8443
        paths: { wlcg: /science }
        issuer: issuer.example.edu-science
      # Left out: namespace /open: it is read without a token, and nowhere written
      # Left out: namespace /lost: it names no origin with an https door
      # no issuer of its tokens is told: name it
      write.example.edu-unsaid:
        desc: "OSDF origin write.example.edu, namespace /unsaid"
        endpoint: https://write.example.edu:8443
        paths: { wlcg: /unsaid }
        issuer: to-be-named
    "#);
}

#[test]
fn storage_grouped_by_site_is_the_same_storage() {
    let text = include_str!("../../../../tests/import/cric.json");
    let flat: serde_json::Value = serde_json::from_str(text).unwrap();
    let all = flat.as_object().unwrap().iter().map(|(name, storage)| {
        let mut storage = storage.clone();
        storage["name"] = name.as_str().into();
        storage
    });
    let all: Vec<_> = all.collect();
    let grouped = serde_json::json!({"EXAMPLE-T2": {"services": all}});
    let of = |text: &str| import(Origin::Cric, &source("cric.json", text)).unwrap();
    let (flat, grouped) = (of(text), of(&grouped.to_string()));
    assert_eq!(flat.text, grouped.text);
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let deep = "[".repeat(1000);
    let empty = r#"{"X": {"protocols": {"a": {"endpoint": "root://x.example.org"}}}}"#;
    let told = |(origin, text): (Origin, &str)| {
        import(origin, &source("file", text))
            .unwrap_err()
            .to_string()
    };
    let reasons: Vec<String> = [
        (Origin::Cric, ""),
        (Origin::Cric, "{\n  \"a\": 1,\n}"),
        (Origin::Cric, &deep),
        (Origin::Cric, "<html>"),
        (Origin::Cric, "{}"),
        (Origin::Cric, empty),
        (Origin::Osg, empty),
        (Origin::Robot, "endpoints: {se: {token: x"),
        (Origin::Robot, "[]"),
        (Origin::Robot, "endpoints: {}"),
    ]
    .map(told)
    .into();
    insta::assert_snapshot!(reasons.join("\n"), @"
    file:1:1: this is not JSON: EOF while parsing a value; save the answer of the registry as it came
    file:3:1: this is not JSON: trailing comma; save the answer of the registry as it came
    file:1:128: this is not JSON: recursion limit exceeded; save the answer of the registry as it came
    file:1:1: this is not JSON: expected value; save the answer of the registry as it came
    file: there is no storage element with `protocols` in it; expected the answer of https://wlcg-cric.cern.ch/api/core/service/query/?json&type=SE
    file: no storage element with an https door in it; first: X: no https door, only root
    file: it has no list `namespaces`; expected the answer of https://topology.opensciencegrid.org/osdf/namespaces
    file:1:26: this is not YAML: did not find expected ',' or '}', while parsing a flow mapping at line 1 column 17
      help: close the bracket
    file: it has no key `endpoints`; expected the file variables.yaml of the reference suite
    file: no storage element with an https door in it
    ");
}

#[test]
fn endless_files_come_to_an_end() {
    let long = "x".repeat(100_000);
    let many: Vec<_> = (0..30_000)
        .map(|number| {
            serde_json::json!({
                "name": "same", "rcsite": long.get(..900), "vos": [number.to_string()],
                "protocols": {"a": {"endpoint": "davs://se.example.org"}},
            })
        })
        .collect();
    let told = |storage: serde_json::Value| {
        import(Origin::Cric, &source("file", &storage.to_string()))
            .unwrap_err()
            .to_string()
    };
    let all = told(many[..8_000].into());
    assert!(
        all.contains("8000 endpoints make a file larger than 1024 KiB"),
        "{all}"
    );
    let all = told(many.into());
    assert!(
        all.contains("more in it than a file of ours can hold"),
        "{all}"
    );

    let mut protocols = serde_json::Map::new();
    for number in 0..500 {
        let key = format!("{number}{long}");
        protocols.insert(
            key,
            serde_json::json!({"endpoint": "davs://se.example.org"}),
        );
    }
    let vos: Vec<String> = (0..5_000).map(|number| format!("vo{number}")).collect();
    let storage =
        serde_json::json!({long.clone(): {"protocols": protocols, "vos": vos, "impl": long}});
    let imported = import(Origin::Cric, &source("file", &storage.to_string())).unwrap();
    assert_eq!(imported.endpoints, 500);
    assert!(imported.text.len() < 500_000, "{}", imported.text.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn hostile_names_and_texts_stay_texts(
        names in proptest::collection::vec("(?s).{0,20}", 1..4),
        site in "(?s)[-#:'\"\\\\{\n \t\u{85}\u{2028}\u{feff}a]{0,12}",
        software in "(?s).{0,20}",
        path in "[a-z/%. #]{0,8}",
    ) {
        let mut root = serde_json::Map::new();
        for name in &names {
            root.insert(name.clone(), serde_json::json!({
                "rcsite": site, "impl": software, "vos": [site, software],
                "protocols": {
                    software.as_str(): {"endpoint": "davs://se.example.org", "version": site},
                    "fine door": {"endpoint": "davs://se.example.org"},
                    "other": {"endpoint": "davs://se.example.org", "basepath": path},
                    site.as_str(): {"endpoint": format!("https://{path}{site}")},
                },
            }));
        }
        let text = serde_json::Value::Object(root).to_string();
        let imported = import(Origin::Cric, &source(&site, &text)).unwrap();
        let body: Vec<&str> = imported.text.lines().collect();
        prop_assert!(body[0].starts_with("# Made of "));
        read_back(&EMBEDDED, &imported);
    }
}
