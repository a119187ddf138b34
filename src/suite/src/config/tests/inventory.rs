use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::config::{EMBEDDED, Loaded, load_inventory};
use touchstone_model::{
    ClientAuthentication, Groups, Issuer, Profile, SecretRef, TokenSource, Trust,
};
use touchstone_yaml::{Problems, SourceFile};

pub(super) fn load(text: &str) -> Result<Loaded, Problems> {
    let source = SourceFile {
        name: "site/endpoints.yaml".into(),
        text: text.into(),
    };
    load_inventory(&source, &EMBEDDED)
}

pub(super) fn told(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

fn notes(loaded: &Loaded) -> String {
    let notes: Vec<String> = loaded.notes.iter().map(ToString::to_string).collect();
    notes.join("\n")
}

/// An endpoint that is complete, for more keys behind it.
pub(super) const ENDPOINT: &str = "endpoints:
  se:
    endpoint: https://se.example.org:8443
    paths: {wlcg: /wlcg}
";

/// The file of the reference suite, its hosts replaced.
const REFERENCE: &str = "oauth:
  token:
    issuer: https://wlcg.example.org/

oidc-agent:
  provider-alias: wlcg

endpoints:
  se-storm:
    desc: Local StoRM development instance
    type: StoRM
    endpoint: https://storm.example.org:8443
    paths:
      wlcg: /wlcg
      tf: /tf
  se-eos:
    desc:
    type: EOS
    endpoint: https://eospps.example.org
    paths:
      wlcg: /eos/opstest/tpc/https
  se-xrootd:
    desc: Test gateway for Echo
    type: XRootD
    endpoint: https://ceph.example.org:1094
    paths:
      wlcg: /dteam:wlcg
";

#[test]
fn the_file_of_the_reference_suite_is_read_as_it_is() {
    let loaded = load(REFERENCE).unwrap();
    let shown: Vec<String> = loaded
        .inventory
        .endpoints
        .iter()
        .map(|se| {
            format!(
                "{} {} {:?} {:?} {:?}",
                se.name,
                se.area_url(),
                se.description,
                se.software,
                se.issuer
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
se-storm https://storm.example.org:8443/wlcg Some("Local StoRM development instance") Some("StoRM") Some("wlcg.example.org")
se-eos https://eospps.example.org/eos/opstest/tpc/https None Some("EOS") Some("wlcg.example.org")
se-xrootd https://ceph.example.org:1094/dteam:wlcg Some("Test gateway for Echo") Some("XRootD") Some("wlcg.example.org")
"#);
    let [issuer] = loaded.inventory.issuers.as_slice() else {
        panic!("one issuer")
    };
    assert_eq!(issuer.name, "wlcg.example.org");
    assert_eq!(issuer.url, "https://wlcg.example.org/");
    assert!(!issuer.abilities().any);
    let se = &loaded.inventory.endpoints[0];
    assert_eq!(se.traits.groups, Some(Groups::default()));
    insta::assert_snapshot!(notes(&loaded), @"
    site/endpoints.yaml:5:1: note: `oidc-agent` is not used
        5 | oidc-agent:
          | ^^^^^^^^^^
      help: name the source of the tokens under `issuers`
    ");
}

#[test]
fn every_key_is_read() {
    let text = r#"
oauth: {token: {issuer: "https://wlcg.example.org/"}}
issuers:
  wlcg:
    url: https://wlcg.example.org/
    client-credentials: {id: touchstone, secret-env: WLCG_SECRET, authentication: body}
    ca: [ca.pem, /etc/grid-security/certificates]
  given:
    url: https://given.example.org
    token-file: tokens/given
  test:
    url: https://test.example.org
    client-credentials: {id-file: id, secret-file: secret}
    test-key: {file: keys/test.pem, kid: one}
    ca: ca.pem
endpoints:
  first:
    endpoint: https://se.example.org/
    paths: {a: /a, wlcg: /w/}
  second:
    endpoint: https://se.example.org:8443
    paths: {a: /a, root: /}
    issuer: test
    area: root
    ca: /etc/grid-security/certificates
    profile: 1.0
    audience: https://se.example.org
    traits:
      directories: false
      any-audience: false
      groups: {member: /vo, protected: /vo/production/}
      tape: {path: /nearline, file: /nearline/some%20file}
      macaroons: true
    known-failures:
    - case: path.sibling-prefix.read
      reason: prefixes are compared as strings
      ticket: 4711
      expires: 2027-01-31
    - {case: path.sibling-prefix.put, reason: the same}
    limits: {jobs: 2, preflight: 1s, connect: 2s, first-byte: 3s, idle: 500ms, case: 2m, endpoint: 1h, body: 4096}
    redirect-hosts: ["*.example.org", "pool[0-9].example.com"]
  third:
    endpoint: https://se.example.org
    paths: {b: /b}
    profile: "1.2"
    traits: {groups: false}
"#;
    let loaded = load(text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(notes(&loaded), "");
    let issuers = &loaded.inventory.issuers;
    assert_eq!(issuers.len(), 3);
    let source = |issuer: usize| &issuers[issuer].accounts.first().unwrap().source;
    let TokenSource::ClientCredentials(client) = source(0) else {
        panic!("client credentials")
    };
    assert!(matches!(&client.id, SecretRef::Held(id) if id.expose_secret() == "touchstone"));
    assert!(matches!(
        &client.authentication,
        ClientAuthentication::Body(SecretRef::Env(name)) if name == "WLCG_SECRET"
    ));
    let path = |text: &str| Trust::Path(Path::new(text).into());
    assert_eq!(
        issuers[0].ca,
        [path("site/ca.pem"), path("/etc/grid-security/certificates")]
    );
    let is_file = |reference: &SecretRef, wanted: &str| matches!(reference, SecretRef::File(file) if file == Path::new(wanted));
    assert!(
        matches!(source(1), TokenSource::Given { token } if is_file(token, "site/tokens/given"))
    );
    let key = issuers[2].test_keys.first().unwrap();
    assert!(is_file(&key.pem, "site/keys/test.pem"));
    assert_eq!(key.kid.as_deref(), Some("one"));

    let [first, second, third] = loaded.inventory.endpoints.as_slice() else {
        panic!("three")
    };
    assert_eq!(
        (first.area.as_str(), first.issuer.as_deref()),
        ("/w", Some("wlcg"))
    );
    assert_eq!(
        (second.area.as_str(), second.issuer.as_deref()),
        ("", Some("test"))
    );
    assert_eq!(
        (second.profile, third.profile),
        (Some(Profile::V1_0), Some(Profile::V1_2))
    );
    assert_eq!(third.traits.groups, None);
    insta::assert_debug_snapshot!((&second.audience, &second.traits, &second.known_failures, &second.redirect_hosts), @r#"
    (
        Some(
            [
                "https://se.example.org",
            ],
        ),
        Traits {
            directories: false,
            any_audience: false,
            groups: Some(
                Groups {
                    member: "/vo",
                    privileged: "/wlcg/test",
                    protected: "/vo/production",
                },
            ),
            third_party_copy: true,
            tape: Some(
                Tape {
                    path: "/nearline",
                    file: "/nearline/some%20file",
                },
            ),
            macaroons: true,
            moves: true,
            propfind: true,
            digests: true,
            public_read: false,
            read_only: None,
            denied: [
                Directories,
            ],
        },
        [
            KnownFailure {
                case: CaseId(
                    "path.sibling-prefix.read",
                ),
                reason: "prefixes are compared as strings",
                ticket: Some(
                    "4711",
                ),
                expires: Some(
                    2027-01-31,
                ),
                at: Place {
                    file: "site/endpoints.yaml",
                    line: 35,
                },
            },
            KnownFailure {
                case: CaseId(
                    "path.sibling-prefix.put",
                ),
                reason: "the same",
                ticket: None,
                expires: None,
                at: Place {
                    file: "site/endpoints.yaml",
                    line: 39,
                },
            },
        ],
        [
            "*.example.org",
            "pool[0-9].example.com",
        ],
    )
    "#);
    assert_eq!(second.limits.first_byte, Duration::from_secs(3));
    assert_eq!((second.limits.jobs, second.limits.body), (2, 4096));
}

/// XRootD has whoever asks for a checksum wait for 30 s when it computes too many others.
#[test]
fn an_answer_that_is_put_off_for_half_a_minute_is_waited_for() {
    let loaded = load(ENDPOINT).unwrap().inventory;
    assert!(loaded.endpoints[0].limits.first_byte > Duration::from_secs(30));
}

#[test]
fn issuers_stand_in_for_each_other() {
    let names = |text: &str| {
        let inventory = load(text).unwrap().inventory;
        let issuers: Vec<&Issuer> = inventory.issuers.iter().map(AsRef::as_ref).collect();
        let all: Vec<String> = issuers.iter().map(|issuer| issuer.name.clone()).collect();
        (all, inventory.endpoints[0].issuer.clone())
    };
    let (none, default) = names(ENDPOINT);
    assert_eq!((none.len(), default), (0, None));
    let (one, default) = names(&format!(
        "issuers: {{a: {{url: https://a.example.org}}}}\n{ENDPOINT}"
    ));
    assert_eq!((one.len(), default.as_deref()), (1, Some("a")));
    let slash = format!(
        "oauth: {{token: {{issuer: https://a.example.org/}}}}\nissuers: {{a: {{url: https://a.example.org}}}}\n{ENDPOINT}"
    );
    let (two, default) = names(&slash);
    assert_eq!((two.len(), default.as_deref()), (2, Some("a.example.org")));
    insta::assert_snapshot!(notes(&load(&slash).unwrap()), @"
    site/endpoints.yaml:1:25: note: this differs from the URL of the issuer `a` by a slash
        1 | oauth: {token: {issuer: https://a.example.org/}}
          |                         ^^^^^^^^^^^^^^^^^^^^^^
      help: issuers are compared character by character; write both as the tokens have it in `iss`
    ");
}

#[test]
fn unknown_keys_and_names_get_a_suggestion() {
    insta::assert_snapshot!(told("isuers: {}
oauth: {token: {issuer: http://wlcg.example.org}}
issuers:
  wlcg: {url: 'https://wlcg.example.org', ca: ~/ca.pem}
  wlgc test: {url: 'https://user:hunter2@wlcg.example.org', token-env: A, token-file: b}
endpoints:
  se:
    endpoint: https://se.example.org:8443/dteam
    paths: {wlgc: /wlcg, tf: tf, dots: /a/../b}
    area: wlcg
    isuer: wlcg
    known_failures: []
    traits: {director: yes, groups: true, tape: yes}
  critical:
    endpoint: se.example.org:8443
    paths: {a: /a, b: /b}
    issuer: wlgc
"), @"
    site/endpoints.yaml:1:1: the file has no key `isuers`
        1 | isuers: {}
          | ^^^^^^
      help: did you mean `issuers`?

    site/endpoints.yaml:2:25: the URL has to start with https://
        2 | oauth: {token: {issuer: http://wlcg.example.org}}
          |                         ^^^^^^^^^^^^^^^^^^^^^^^
      help: tokens are never sent over anything else

    site/endpoints.yaml:4:47: neither `~` nor variables are expanded in paths
        4 |   wlcg: {url: 'https://wlcg.example.org', ca: ~/ca.pem}
          |                                               ^^^^^^^^
      help: write the path out; it may be relative to the folder of this file

    site/endpoints.yaml:5:3: `wlgc test` cannot be a name
        5 |   wlgc test: {url: …
          |   ^^^^^^^^^
      help: names have letters, digits, `.`, `_` and `-`, and at most 80 of them

    site/endpoints.yaml:5:15: `url`: there is a user or a password in the URL
        5 |   wlgc test: {url: …
          |               ^^^
      help: remove it; tokens are what opens a service

    site/endpoints.yaml:5:75: `token-env` and `token-file` exclude each other

    site/endpoints.yaml:8:42: there is a path in the endpoint's URL
        8 |     endpoint: https://se.example.org:8443/dteam
          |                                          ^^^^^^
      help: give the path of the area under `paths`

    site/endpoints.yaml:9:30: the path has to start with a slash
        9 |     paths: {wlgc: /wlcg, tf: tf, dots: /a/../b}
          |                              ^^
      help: write it from the root of the service

    site/endpoints.yaml:9:43: `..` in a path is rewritten before it is sent
        9 |     paths: {wlgc: /wlcg, tf: tf, dots: /a/../b}
          |                                           ^^
      help: cases about dot segments need the byte-exact client

    site/endpoints.yaml:10:11: `paths` has no `wlcg`
       10 |     area: wlcg
          |           ^^^^
      help: did you mean `wlgc`?

    site/endpoints.yaml:11:5: an endpoint has no key `isuer`
       11 |     isuer: …
          |     ^^^^^
      help: did you mean `issuer`?

    site/endpoints.yaml:12:5: an endpoint has no key `known_failures`
       12 |     known_failures: []
          |     ^^^^^^^^^^^^^^
      help: did you mean `known-failures`?

    site/endpoints.yaml:13:14: `traits` has no key `director`
       13 |     traits: {director: …
          |              ^^^^^^^^
      help: did you mean `directories`?

    site/endpoints.yaml:13:37: `groups`: expected `false` or a mapping
      help: the mapping has the keys `member`, `privileged` and `protected`

    site/endpoints.yaml:13:49: `tape`: expected `false` or a mapping
      help: write `tape: {path: /nearline, file: /nearline/some-file}`, both below the area: a directory where the cases may write and whose files go to tape, and a file that is on tape already

    site/endpoints.yaml:14:3: `critical` is a row of the table already
       14 |   critical:
          |   ^^^^^^^^
      help: give the endpoint another name

    site/endpoints.yaml:15:15: the URL has to start with https://
       15 |     endpoint: se.example.org:8443
          |               ^^^^^^^^^^^^^^^^^^^
      help: tokens are never sent over anything else

    site/endpoints.yaml:16:5: it is open which of `paths` is meant
       16 |     paths: {a: /a, b: /b}
          |     ^^^^^
      help: say so with `area`; there is `a` and `b`

    site/endpoints.yaml:17:13: there is no issuer `wlgc`
       17 |     issuer: wlgc
          |             ^^^^
      help: did you mean `wlcg`?
    ");
}

#[test]
fn wrong_values_are_told_one_by_one() {
    insta::assert_snapshot!(told(&format!("{ENDPOINT}
    profile: 1.4
    audience: ''
    ca: [3]
    traits: {{groups: {{member: wlcg, protected: /}}}}
    known-failures:
    - case: path.*
      reason: all
    - case: path.sibling.read
      reason: 3
      expires: 31.1.2027
    - case: path.outside.put
    - {{case: path.outside.put, reason: a}}
    - {{case: path.outside.put, reason: b, expires: 2027-01-31T12:00}}
    limits: {{jobs: 0, idle: 10, case: 0s, connect: soon, endpoint: 30 days, body: 1.5}}
    redirect-hosts: ['https://a', 'a[', '*']
")), @"
    site/endpoints.yaml:6:14: `1.4` is no version of the profile
        6 |     profile: 1.4
          |              ^^^
      help: a profile version is 1.0, 1.1, 1.2 or 1.3

    site/endpoints.yaml:7:15: `audience` is empty
        7 |     audience: ''
          |               ^^

    site/endpoints.yaml:8:10: `ca`: expected text, found a number
        8 |     ca: [3]
          |          ^
      help: put it in quotes

    site/endpoints.yaml:9:31: a group starts with a slash and has no spaces
        9 |     traits: {groups: {member: wlcg, protected: /}}
          |                               ^^^^
      help: write it as tokens have it in `wlcg.groups`, such as `/wlcg/test`

    site/endpoints.yaml:9:48: the protected path cannot be the whole area
        9 |     traits: {groups: {member: wlcg, protected: /}}
          |                                                ^

    site/endpoints.yaml:11:13: a known failure names one case, not several
       11 |     - case: path.*
          |             ^^^^^^
      help: a pattern would hide failures that nobody knows yet

    site/endpoints.yaml:13:13: there is no case `path.sibling.read`
       13 |     - case: path.sibling.read
          |             ^^^^^^^^^^^^^^^^^
      help: did you mean `path.file.read`?

    site/endpoints.yaml:14:15: `reason`: expected text, found a number
       14 |       reason: 3
          |               ^
      help: put it in quotes

    site/endpoints.yaml:15:16: `31.1.2027` is no day
       15 |       expires: 31.1.2027
          |                ^^^^^^^^^
      help: write it like 2027-01-31

    site/endpoints.yaml:16:7: a known failure needs the key `reason`
       16 |     - case: path.outside.put
          |       ^^^^

    site/endpoints.yaml:18:8: `path.outside.put` is known already, on line 17
       18 |     - {case: path.outside.put, reason: b, expires: 2027-01-31T12:00}
          |        ^^^^

    site/endpoints.yaml:18:52: `2027-01-31T12:00` is no day
       18 |     - {case: path.outside.put, reason: b, expires: 2027-01-31T12:00}
          |                                                    ^^^^^^^^^^^^^^^^
      help: write it like 2027-01-31

    site/endpoints.yaml:19:20: `jobs` has to be at least 1
       19 |     limits: {jobs: 0, idle: 10, case: 0s, connect: soon, endpoint: 30 days, body: 1.5}
          |                    ^

    site/endpoints.yaml:19:29: `idle` needs a unit
       19 |     limits: {jobs: 0, idle: 10, case: 0s, connect: soon, endpoint: 30 days, body: 1.5}
          |                             ^^
      help: write `10s` for seconds

    site/endpoints.yaml:19:39: `case` cannot be zero
       19 |     limits: {jobs: 0, idle: 10, case: 0s, connect: soon, endpoint: 30 days, body: 1.5}
          |                                       ^^

    site/endpoints.yaml:19:52: `soon` is no duration
       19 |     limits: {jobs: 0, idle: 10, case: 0s, connect: soon, endpoint: 30 days, body: 1.5}
          |                                                    ^^^^
      help: write it like `500ms`, `10s` or `2m`

    site/endpoints.yaml:19:68: `endpoint` is at most 7 days
       19 |     limits: {jobs: 0, idle: 10, case: 0s, connect: soon, endpoint: 30 days, body: 1.5}
          |                                                                    ^^^^^^^

    site/endpoints.yaml:19:83: `body`: expected a whole number, found a decimal number
       19 |     limits: {jobs: 0, idle: 10, case: 0s, connect: soon, endpoint: 30 days, body: 1.5}
          |                                                                                   ^^^

    site/endpoints.yaml:20:22: this is no pattern for a host
       20 |     redirect-hosts: ['https://a', 'a[', '*']
          |                      ^^^^^^^^^^^
      help: write the host alone, such as `*.example.org`: no scheme, port or path

    site/endpoints.yaml:20:35: this is no pattern: unclosed character class; missing ']'
       20 |     redirect-hosts: ['https://a', 'a[', '*']
          |                                   ^^^^
    ");
}

#[test]
fn an_open_choice_is_told() {
    insta::assert_snapshot!(told("issuers: {a: {url: 'https://a.example.org'}, b: {url: 'https://b.example.org'}}
endpoints:
  se: {endpoint: 'https://se.example.org', paths: {a: /a, b: /b}}
  no: {endpoint: 'https://se.example.org', paths: {}}
"), @"
    site/endpoints.yaml:3:3: it is open which issuer is meant
        3 |   se: {endpoint: 'https://se.example.org', paths: {a: /a, b: /b}}
          |   ^^
      help: say so with `issuer`; there is `a` and `b`

    site/endpoints.yaml:3:44: it is open which of `paths` is meant
        3 |   se: {endpoint: 'https://se.example.org', paths: {a: /a, b: /b}}
          |                                            ^^^^^
      help: say so with `area`; there is `a` and `b`

    site/endpoints.yaml:4:3: it is open which issuer is meant
        4 |   no: {endpoint: 'https://se.example.org', paths: {}}
          |   ^^
      help: say so with `issuer`; there is `a` and `b`

    site/endpoints.yaml:4:44: it is open which of `paths` is meant
        4 |   no: {endpoint: 'https://se.example.org', paths: {}}
          |                                            ^^^^^
      help: name one, such as `wlcg: /wlcg`
    ");
}

#[test]
fn files_that_are_no_inventory() {
    insta::assert_snapshot!(told("# nothing\n"), @"
    site/endpoints.yaml: the file is empty
      help: it needs the key `endpoints`; the README has an example
    ");
    insta::assert_snapshot!(told("oauth: {}\n"), @"
    site/endpoints.yaml:1:1: the file needs the key `endpoints`
        1 | oauth: {}
          | ^^^^^
    ");
    insta::assert_snapshot!(told("endpoints:\n"), @"
    site/endpoints.yaml:1:1: there is no endpoint in `endpoints`
        1 | endpoints:
          | ^^^^^^^^^
      help: each is a name with at least the keys `endpoint` and `paths`
    ");
    insta::assert_snapshot!(told("endpoints: []\n"), @"
    site/endpoints.yaml:1:1: `endpoints`: expected a mapping, found a list
        1 | endpoints: []
          | ^^^^^^^^^
    ");
    insta::assert_snapshot!(told("endpoints: {se: https://se.example.org}\n"), @"
    site/endpoints.yaml:1:17: an endpoint is a mapping, found text
        1 | endpoints: {se: https://se.example.org}
          |                 ^^^^^^^^^^^^^^^^^^^^^^
      help: its keys are `desc`, `type`, `endpoint`, `paths`, `issuer`, `area`, `ca`, `crl`, `profile`, `audience`, `traits`, `known-failures`, `second`, `limits`, `tpc-partner`, `fresh-tokens` and `redirect-hosts`
    ");
    insta::assert_snapshot!(told("endpoints:\n\tse: {}\n"), @"
    site/endpoints.yaml:2:1: this is not YAML: found character that cannot start any token, while scanning for the next token
        2 | →se: {}
          | ^
      help: this is a tab; YAML is indented with spaces
    ");
    insta::assert_snapshot!(told("endpoints:\r\n  se: {}\r\n  se: {}\r\n"), @"
    site/endpoints.yaml:2:3: an endpoint needs the key `endpoint`
        2 |   se: {}
          |   ^^

    site/endpoints.yaml:2:3: an endpoint needs the key `paths`
        2 |   se: {}
          |   ^^

    site/endpoints.yaml:3:3: the key `se` is there twice, first on line 2
        3 |   se: {}
          |   ^^
    ");
}

#[test]
fn marks_and_line_ends_do_not_matter() {
    let windows = format!("\u{feff}{}", ENDPOINT.replace('\n', "\r\n"));
    assert_eq!(load(&windows).unwrap().inventory.endpoints.len(), 1);
    let told = told(&format!("{windows}    colour: red\r\n"));
    assert!(
        told.starts_with("site/endpoints.yaml:5:5: an endpoint has no key `colour`"),
        "{told}"
    );
}

#[test]
fn anchors_bring_what_they_stand_for() {
    let loaded = load(
        "endpoints:
  a: {endpoint: 'https://a.example.org', paths: {wlcg: /w}, limits: &gentle {jobs: 2}}
  b: {endpoint: 'https://b.example.org', paths: {wlcg: /w}, limits: *gentle}
",
    )
    .unwrap();
    assert!(
        loaded
            .inventory
            .endpoints
            .iter()
            .all(|se| se.limits.jobs == 2)
    );
}

#[test]
fn secrets_are_refused_and_never_shown() {
    let texts = [
        "issuers:\n  a:\n    url: https://a.example.org\n    client-credentials:\n      id: x\n      secret: hunter2-canary\n",
        "issuers: {a: {url: 3, client-credentials: {id: x, secret: hunter2-canary, x: y}}}\n",
        "issuers: {a: {url: 3, client-credentials: {id: x, secret: \"hunter2\n\n  hunter2-canary\", x: y}}}\n",
        "issuers:\n  a:\n    token: |\n      hunter2-canary\n      hunter2\n    ulr: x\n",
        "issuers:\n  a:\n    url: https://a.example.org\n    token-env: hunter2-canary\n",
        "issuers:\n  a:\n    url: https://a.example.org\n    tokne: hunter2-canary\n",
        "issuers:\n  a: {url: 'https://a:hunter2-canary@a.example.org'}\n",
        "issuers:\n  a:\n    client_secret: {x: hunter2-canary, y: [hunter2]}\n    ulr: 3\n",
        "issuers:\n  a:\n    secret: hunter2-canary\n    url: [\n",
        "issuers:\n  a:\n    secret: 'hunter2\n  hunter2-canary\n",
        "issuers:\n  a: {secret: @hunter2-canary}\n",
        "password: &p hunter2-canary\nissuers: {a: {url: *p, secret: *p}}\n",
        "endpoints: {se: {token: [hunter2-canary], endpoint: 3}}\n",
        "issuers:\n  a:\n    token-env: [hunter2-canary]\n",
        "issuers:\n  a: {token-file: eyJhunter2, url: 3, test-key: {file: 3}}\n",
        "endpoints:\n  se: {endpoint: 3, apikey: hunter2-canary, 7: x}\n",
        "issuers:\n  a:\n    secret: !x hunter2-canary\n    secret: hunter2\n",
    ];
    for text in texts {
        let problems = load(text).unwrap_err();
        let mut shown = format!("{problems}\n{problems:?}");
        for problem in &problems {
            miette::GraphicalReportHandler::new()
                .render_report(&mut shown, &problem.report())
                .unwrap();
        }
        assert!(!shown.contains("hunter2"), "{text}\n{shown}");
    }
    insta::assert_snapshot!(told(texts[0]), @"
    site/endpoints.yaml:1:1: the file needs the key `endpoints`
        1 | issuers:
          | ^^^^^^^

    site/endpoints.yaml:4:5: `client-credentials` needs one of the keys `secret-env` or `secret-file`
        4 |     client-credentials:
          |     ^^^^^^^^^^^^^^^^^^

    site/endpoints.yaml:6:7: a secret (`secret`) does not belong into this file
        6 |       secret: …
          |       ^^^^^^
      help: secrets come from the environment or from a file of their own: see `secret-env`, `secret-file` and `key-file`
    ");
    insta::assert_snapshot!(told(texts[3]), @"
    site/endpoints.yaml:1:1: the file needs the key `endpoints`
        1 | issuers:
          | ^^^^^^^

    site/endpoints.yaml:3:5: a secret (`token`) does not belong into this file
        3 |     token: …
          |     ^^^^^
      help: secrets come from the environment or from a file of their own: see `token-env` and `token-file`

    site/endpoints.yaml:6:5: an issuer has no key `ulr`
        6 |     ulr: …
          |     ^^^
      help: did you mean `url`?
    ");
    insta::assert_snapshot!(told(texts[4]), @"
    site/endpoints.yaml:1:1: the file needs the key `endpoints`
        1 | issuers:
          | ^^^^^^^

    site/endpoints.yaml:4:5: the value of `token-env` is no name of an environment variable
        4 |     token-env: …
          |     ^^^^^^^^^
      help: name the variable that holds it, such as TOUCHSTONE_SECRET, without `$`
    ");
    insta::assert_snapshot!(told(texts[12]), @"
    site/endpoints.yaml:1:13: an endpoint needs the key `paths`
        1 | endpoints: {se: {token: […
          |             ^^

    site/endpoints.yaml:1:18: a secret (`token`) does not belong into this file
        1 | endpoints: {se: {token: […
          |                  ^^^^^
      help: secrets come from the environment or from a file of their own: see the keys of `issuers`

    site/endpoints.yaml:1:53: `endpoint`: expected text, found a number
      help: put it in quotes
    ");
}

#[test]
fn the_example_loads() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("endpoints.yaml");
    let source = SourceFile {
        name: path.display().to_string().into(),
        text: std::fs::read_to_string(&path).unwrap().into(),
    };
    let loaded = load_inventory(&source, &EMBEDDED).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(notes(&loaded), "");
    assert!(loaded.inventory.endpoints.len() >= 2);
    let hosts: Vec<&str> = loaded
        .inventory
        .endpoints
        .iter()
        .filter_map(|se| se.url.host_str())
        .collect();
    for host in hosts {
        assert!(
            host.ends_with(".example.org") || host == "localhost",
            "{host}"
        );
    }
}

#[test]
fn a_read_only_endpoint_names_a_file_and_its_checksum() {
    let loaded = load(&format!(
        "{ENDPOINT}    traits: {{read-only: {{file: /run7/raw.dat, checksum: adler32:0A1b2c}}}}
"
    ))
    .unwrap();
    let se = &loaded.inventory.endpoints[0];
    assert_eq!(se.existing().as_deref(), Some("/wlcg/run7/raw.dat"));
    assert_eq!(se.traits.read_only.as_ref().unwrap().adler32, 0x0a_1b2c);
    let loaded = load(&format!("{ENDPOINT}    traits: {{read-only: false}}\n")).unwrap();
    assert_eq!(loaded.inventory.endpoints[0].traits.read_only, None);
}

#[test]
fn what_is_wrong_with_an_existing_file_is_told() {
    let wrong = |read_only: &str| {
        told(&format!(
            "{ENDPOINT}    traits: {{read-only: {read_only}}}\n"
        ))
    };
    for (read_only, message) in [
        ("true", "expected `false` or a mapping"),
        ("{checksum: adler32:1}", "`file`"),
        ("{file: /d/f}", "`checksum`"),
        (
            "{file: /d/f, checksum: adler32:1, size: 3}",
            "no key `size`",
        ),
        (
            "{file: d/f, checksum: adler32:1}",
            "has to start with a slash",
        ),
        ("{file: /d/f/, checksum: adler32:1}", "this is a directory"),
        ("{file: /f, checksum: adler32:1}", "directly in the area"),
        (
            "{file: /d/../f, checksum: adler32:1}",
            "rewritten before it is sent",
        ),
        ("{file: /d/f, checksum: 12345678}", "checksum"),
        (
            "{file: /d/f, checksum: abcdef01}",
            "does not name its algorithm",
        ),
        (
            "{file: /d/f, checksum: md5:abcdef01}",
            "`md5` is no algorithm known here",
        ),
        (
            "{file: /d/f, checksum: adler32:123456789}",
            "up to 8 hexadecimal digits",
        ),
        (
            "{file: /d/f, checksum: adler32:xyz}",
            "up to 8 hexadecimal digits",
        ),
        (
            "{file: /d/f, checksum: \"adler32:\"}",
            "up to 8 hexadecimal digits",
        ),
    ] {
        let told = wrong(read_only);
        assert!(told.contains(message), "{read_only}\n{told}");
        assert!(told.contains("site/endpoints.yaml:5:"), "{told}");
    }
}
