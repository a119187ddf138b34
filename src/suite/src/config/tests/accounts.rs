//! Where an issuer's tokens come from, read and refused.

use std::path::Path;

use crate::config::tests::inventory::{ENDPOINT, load, told};
use touchstone_model::{Account, ClientAuthentication, MytokenRef, SecretRef, TokenSource};

fn accounts(issuer: &str) -> Vec<Account> {
    let text =
        format!("issuers:\n  wlcg:\n    url: https://wlcg.example.org/\n{issuer}\n{ENDPOINT}");
    let loaded = load(&text).unwrap_or_else(|problems| panic!("{problems}"));
    loaded.inventory.issuers[0].accounts.clone()
}

fn source(issuer: &str) -> TokenSource {
    let mut accounts = accounts(issuer);
    let account = accounts.pop().unwrap();
    assert_eq!(account.name, account.source.kind());
    account.source
}

/// The problems of an issuer with these lines, each indented by four.
fn refused(issuer: &str) -> String {
    told(&format!(
        "issuers:\n  wlcg:\n    url: https://wlcg.example.org/\n{issuer}\n{ENDPOINT}"
    ))
}

#[test]
fn every_kind_is_read() {
    let credentials = source("    client-credentials: {id: me, secret-env: SECRET}");
    assert!(matches!(
        credentials,
        TokenSource::ClientCredentials(client)
            if matches!(&client.authentication, ClientAuthentication::Basic(SecretRef::Env(name)) if name == "SECRET")
    ));

    let refresh = source(
        "    refresh-token: {file: secrets/refresh, id-env: ID, key-file: client.pem, kid: one}",
    );
    assert!(matches!(
        refresh,
        TokenSource::RefreshToken { client, file }
            if file == Path::new("site/secrets/refresh")
                && matches!(&client.id, SecretRef::Env(name) if name == "ID")
                && matches!(&client.authentication, ClientAuthentication::PrivateKeyJwt { key: SecretRef::File(key), kid: Some(kid) } if key == Path::new("site/client.pem") && kid == "one")
    ));

    let exchange =
        source("    token-exchange: {subject-file: /run/token, id: me, authentication: none}");
    assert!(matches!(
        exchange,
        TokenSource::TokenExchange { client, subject: SecretRef::File(file) }
            if file == Path::new("/run/token") && matches!(client.authentication, ClientAuthentication::None)
    ));

    let agent = source("    oidc-agent: {account: wlcg, socket: /run/agent.sock}");
    assert!(matches!(
        agent,
        TokenSource::OidcAgent { account: Some(name), socket: Some(socket) }
            if name == "wlcg" && socket == Path::new("/run/agent.sock")
    ));
    let agent = source("    oidc-agent: {}");
    assert!(matches!(
        agent,
        TokenSource::OidcAgent {
            account: None,
            socket: None
        }
    ));

    let discovery = source("    bearer-token-discovery: true");
    assert!(matches!(discovery, TokenSource::BearerDiscovery));

    let mytoken = source("    mytoken: {server: 'https://mytoken.example.org', mytoken-file: my}");
    assert!(matches!(
        mytoken,
        TokenSource::Mytoken { server, mytoken: MytokenRef::File(file) }
            if server == "https://mytoken.example.org" && file == Path::new("site/my")
    ));
    let mytoken = source("    mytoken: {server: 'https://mytoken.example.org', mytoken-env: MY}");
    assert!(matches!(
        mytoken,
        TokenSource::Mytoken { mytoken: MytokenRef::Env(name), .. } if name == "MY"
    ));

    let vault = source("    vault: {server: 'https://vault.example.org:8200', issuer: dune}");
    assert!(matches!(
        vault,
        TokenSource::Vault { server, issuer, role, credkey: None, token: None }
            if server == "https://vault.example.org:8200" && issuer == "dune" && role == "default"
    ));
    let vault = source(
        "    vault: {server: 'https://vault.example.org:8200', issuer: dune, role: production, credkey: dunepro/managed/gpvm01.example.org, token-file: vt}",
    );
    assert!(matches!(
        vault,
        TokenSource::Vault { role, credkey: Some(credkey), token: Some(token), .. }
            if role == "production" && credkey == "dunepro/managed/gpvm01.example.org" && token == Path::new("site/vt")
    ));

    let command = source("    command: [get-token, --scope, '{scopes}', '--aud={audience}']");
    let expresses = command.expresses();
    assert!(expresses.scopes && expresses.audience);
    assert!(
        matches!(command, TokenSource::Command { words, environment } if words.len() == 4 && environment.is_empty())
    );
    let command = source("    command: [get]\n    environment: [X509_USER_PROXY, KRB5_CONFIG]");
    assert!(
        matches!(command, TokenSource::Command { environment, .. } if environment == ["X509_USER_PROXY", "KRB5_CONFIG"])
    );
    for (issuer, told) in [
        (
            "    token-env: X\n    environment: [Y]",
            "`token-env` takes nothing from the environment",
        ),
        (
            "    environment: [Y]",
            "`environment` stands beside no `command`",
        ),
        (
            "    command: [get]\n    environment: [s3cret-value]",
            "the value of `environment` is no name of an environment variable",
        ),
    ] {
        let refused = refused(issuer);
        assert!(refused.contains(told), "{refused}");
        assert!(!refused.contains("s3cret"), "{refused}");
    }
    let command = source("    command: get-token");
    assert!(!command.expresses().scopes && !command.expresses().audience);

    let given = source("    token-env: TOKEN");
    assert_eq!(given.kind(), "token-env");
    let given = source("    token-file: token");
    assert_eq!(given.kind(), "token-file");
}

#[test]
fn several_accounts_have_names_and_bounds() {
    let accounts = accounts(
        "    accounts:
      write: {client-credentials: {id: me, secret-env: SECRET}, scopes: ['storage.modify:/', 'storage.read:/']}
      read: {oidc-agent: {account: reader}, scopes: storage.read:/}
      member: {command: [get], groups: [/wlcg, /wlcg/test]}",
    );
    let shown: Vec<_> = accounts
        .iter()
        .map(|account| {
            let kind = account.source.kind();
            format!(
                "{} {kind} {:?} {:?}",
                account.name, account.scopes, account.groups
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    write client-credentials Some(["storage.modify:/", "storage.read:/"]) None
    read oidc-agent Some(["storage.read:/"]) None
    member command None Some(["/wlcg", "/wlcg/test"])
    "#);
}

#[test]
fn accounts_that_make_no_sense_are_refused() {
    insta::assert_snapshot!(refused("    token-env: TOKEN
    accounts:
      one: {token-env: ONE}"), @"
    site/endpoints.yaml:5:5: `accounts` and `token-env` exclude each other
        5 |     accounts:
          |     ^^^^^^^^
      help: give `token-env` a name below `accounts`
    ");
    insta::assert_snapshot!(refused("    accounts:
      no source: {scopes: a}
      two: {token-env: ONE, token-file: two}
      none: {}
      typo: {comand: [get]}
      scopes: {token-env: ONE, scopes: {a: b}, groups: 3}"), @"
    site/endpoints.yaml:5:7: `no source` cannot be a name
        5 |       no source: {scopes: a}
          |       ^^^^^^^^^
      help: names have letters, digits, `.`, `_` and `-`, and at most 80 of them

    site/endpoints.yaml:5:7: an account needs one of the keys `client-credentials`, `refresh-token`, `token-exchange`, `oidc-agent`, `bearer-token-discovery`, `mytoken`, `vault`, `command`, `token-env` or `token-file`
        5 |       no source: {scopes: a}
          |       ^^^^^^^^^

    site/endpoints.yaml:6:29: `token-env` and `token-file` exclude each other
        6 |       two: {token-env: ONE, token-file: two}
          |                             ^^^^^^^^^^

    site/endpoints.yaml:7:7: an account needs one of the keys `client-credentials`, `refresh-token`, `token-exchange`, `oidc-agent`, `bearer-token-discovery`, `mytoken`, `vault`, `command`, `token-env` or `token-file`
        7 |       none: {}
          |       ^^^^

    site/endpoints.yaml:8:14: an account has no key `comand`
        8 |       typo: {comand: […
          |              ^^^^^^
      help: did you mean `command`?

    site/endpoints.yaml:9:32: `scopes`: expected text, found a mapping
        9 |       scopes: {token-env: ONE, scopes: {a: b}, groups: 3}
          |                                ^^^^^^

    site/endpoints.yaml:9:56: `groups`: expected text, found a number
        9 |       scopes: {token-env: ONE, scopes: {a: b}, groups: 3}
          |                                                        ^
      help: put it in quotes
    ");
    insta::assert_snapshot!(refused("    accounts: [{token-env: ONE}]"), @"
    site/endpoints.yaml:4:5: `accounts`: expected a mapping, found a list
        4 |     accounts: [{token-env: ONE}]
          |     ^^^^^^^^
    ");
    insta::assert_snapshot!(refused("    token-env: ONE
    command: [get]"), @"
    site/endpoints.yaml:4:5: `command` and `token-env` exclude each other
        4 |     token-env: ONE
          |     ^^^^^^^^^
    ");
}

#[test]
fn wrong_clients_are_refused() {
    insta::assert_snapshot!(refused("    client-credentials: {id: me}"), @"
    site/endpoints.yaml:4:5: `client-credentials` needs one of the keys `secret-env` or `secret-file`
        4 |     client-credentials: {id: me}
          |     ^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(refused("    client-credentials: {id: me, id-env: ME, secret-env: A, secret-file: b}"), @"
    site/endpoints.yaml:4:34: `id` and `id-env` exclude each other
        4 |     client-credentials: {id: me, id-env: ME, secret-env: A, secret-file: b}
          |                                  ^^^^^^

    site/endpoints.yaml:4:61: `secret-env` and `secret-file` exclude each other
        4 |     client-credentials: {id: me, id-env: ME, secret-env: A, secret-file: b}
          |                                                             ^^^^^^^^^^^
    ");
    insta::assert_snapshot!(refused("    client-credentials: {id: me, secret-env: A, key-file: key.pem}"), @"
    site/endpoints.yaml:4:34: `secret-env` is not used with this `authentication`
        4 |     client-credentials: {id: me, secret-env: A, key-file: key.pem}
          |                                  ^^^^^^^^^^
      help: `basic` and `body` take a secret, `private-key-jwt` a key, `none` neither
    ");
    insta::assert_snapshot!(refused("    client-credentials: {id: me, secret-env: A, authentication: bsic}"), @"
    site/endpoints.yaml:4:65: `authentication` cannot be `bsic`
        4 |     client-credentials: {id: me, secret-env: A, authentication: bsic}
          |                                                                 ^^^^
      help: did you mean `basic`?
    ");
    insta::assert_snapshot!(refused("    refresh-token: {id: me, authentication: none}"), @"
    site/endpoints.yaml:4:5: `refresh-token` needs the key `file`
        4 |     refresh-token: {id: me, authentication: none}
          |     ^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(refused("    token-exchange: {id: me, secret-env: A, subject: eyJhbGciOiJub25lIn0.eyJhIjoxfQ.}"), @"
    site/endpoints.yaml:4:5: `token-exchange` needs one of the keys `subject-env` or `subject-file`
        4 |     token-exchange: {id: me, secret-env: A, subject: …
          |     ^^^^^^^^^^^^^^

    site/endpoints.yaml:4:45: `token-exchange` has no key `subject`
        4 |     token-exchange: {id: me, secret-env: A, subject: …
          |                                             ^^^^^^^
      help: there is `subject-env`, `subject-file`, `id`, `id-env`, `id-file`, `secret-env`, `secret-file`, `key-file`, `kid` and `authentication`
    ");
}

#[test]
fn wrong_sources_are_refused() {
    insta::assert_snapshot!(refused("    oidc-agent: {acount: wlcg, socket: ~/agent.sock}"), @"
    site/endpoints.yaml:4:18: `oidc-agent` has no key `acount`
        4 |     oidc-agent: {acount: …
          |                  ^^^^^^
      help: did you mean `account`?

    site/endpoints.yaml:4:40: neither `~` nor variables are expanded in paths
      help: write the path out; it may be relative to the folder of this file
    ");
    insta::assert_snapshot!(refused("    bearer-token-discovery: false"), @"
    site/endpoints.yaml:4:29: `bearer-token-discovery` is `true` or not there
        4 |     bearer-token-discovery: false
          |                             ^^^^^
    ");
    insta::assert_snapshot!(refused("    bearer-token-discovery: BEARER_TOKEN"), @"site/endpoints.yaml:4:29: `bearer-token-discovery`: expected `true` or `false`, found text");
    insta::assert_snapshot!(refused("    mytoken: {mytoken-env: $MY}"), @"
    site/endpoints.yaml:4:5: `mytoken` needs the key `server`
        4 |     mytoken: {mytoken-env: …
          |     ^^^^^^^

    site/endpoints.yaml:4:15: the value of `mytoken-env` is no name of an environment variable
        4 |     mytoken: {mytoken-env: …
          |               ^^^^^^^^^^^
      help: name the variable that holds it, such as TOUCHSTONE_SECRET, without `$`
    ");
    insta::assert_snapshot!(refused("    mytoken: {server: mytoken.example.org, mytoken-file: $HOME/my, mytoken-env: MY}"), @"
    site/endpoints.yaml:4:23: this is no URL: relative URL without a base
        4 |     mytoken: {server: mytoken.example.org, mytoken-file: $HOME/my, mytoken-env: MY}
          |                       ^^^^^^^^^^^^^^^^^^^
      help: write it like https://se.example.org:8443

    site/endpoints.yaml:4:44: `mytoken-env` and `mytoken-file` exclude each other
        4 |     mytoken: {server: mytoken.example.org, mytoken-file: $HOME/my, mytoken-env: MY}
          |                                            ^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(refused("    vault: {server: 'http://vault.example.org:8200', issuer: a/b, role: ../x, credkey: a//b, vaulttokenfile: vt}"), @"
    site/endpoints.yaml:4:21: the URL has to start with https://
        4 |     vault: {server: 'http://vault.example.org:8200', issuer: a/b, role: ../x, credkey: a//b, vaulttokenfile: …
          |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: tokens are never sent over anything else

    site/endpoints.yaml:4:62: `issuer` cannot stand in a path
        4 |     vault: {server: 'http://vault.example.org:8200', issuer: a/b, role: ../x, credkey: a//b, vaulttokenfile: …
          |                                                              ^^^
      help: it has letters, digits, `.`, `_`, `-` and `@`

    site/endpoints.yaml:4:73: `role` cannot stand in a path
        4 |     vault: {server: 'http://vault.example.org:8200', issuer: a/b, role: ../x, credkey: a//b, vaulttokenfile: …
          |                                                                         ^^^^
      help: it has letters, digits, `.`, `_`, `-` and `@`

    site/endpoints.yaml:4:88: `credkey` cannot stand in a path
        4 |     vault: {server: 'http://vault.example.org:8200', issuer: a/b, role: ../x, credkey: a//b, vaulttokenfile: …
          |                                                                                        ^^^^
      help: it has letters, digits, `.`, `_`, `-`, `@`, and `/` between them

    site/endpoints.yaml:4:94: `vault` has no key `vaulttokenfile`
        4 |     vault: {server: 'http://vault.example.org:8200', issuer: a/b, role: ../x, credkey: a//b, vaulttokenfile: …
          |                                                                                              ^^^^^^^^^^^^^^
      help: there is `server`, `issuer`, `role`, `credkey` and `token-file`
    ");
    insta::assert_snapshot!(refused("    command: []"), @"
    site/endpoints.yaml:4:5: `command` has an empty word
        4 |     command: []
          |     ^^^^^^^
      help: write the program and its arguments as a list; no shell reads them
    ");
    insta::assert_snapshot!(refused("    command: [get-token, '', {a: b}]"), @"
    site/endpoints.yaml:4:26: `command` is empty
        4 |     command: [get-token, '', {a: b}]
          |                          ^^

    site/endpoints.yaml:4:31: `command`: expected text, found a mapping
        4 |     command: [get-token, '', {a: b}]
          |                               ^
    ");
    insta::assert_snapshot!(refused("    token-file: ~/token"), @"
    site/endpoints.yaml:4:17: neither `~` nor variables are expanded in paths
        4 |     token-file: ~/token
          |                 ^^^^^^^
      help: write the path out; it may be relative to the folder of this file
    ");
    insta::assert_snapshot!(refused("    token-env: [ONE, TWO]"), @"
    site/endpoints.yaml:4:5: the value of `token-env` is no name of an environment variable
        4 |     token-env: […
          |     ^^^^^^^^^
      help: name the variable that holds it, such as TOUCHSTONE_SECRET, without `$`
    ");
}

/// Whoever writes a secret where its place belongs reads it nowhere.
#[test]
fn secrets_in_the_wrong_place_are_not_shown() {
    const SECRET: &str = "hunter2-hunter2-hunter2";
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJqdGkiOiJodW50ZXIyIn0.c2lnbmF0dXJl";
    let mytoken = "server: 'https://mytoken.example.org'";
    for (line, secret) in [
        (format!("client-credentials: {SECRET}"), SECRET),
        (
            format!("client-credentials: {{id: me, secret-env: {SECRET}}}"),
            SECRET,
        ),
        (
            format!("client-credentials: {{id: me, secret-file: {TOKEN}}}"),
            TOKEN,
        ),
        (
            format!("client-credentials: {{id: me, secret: {SECRET}}}"),
            SECRET,
        ),
        (format!("refresh-token: {SECRET}"), SECRET),
        (
            format!("refresh-token: {{id: me, authentication: none, file: {TOKEN}}}"),
            TOKEN,
        ),
        (format!("token-exchange: {TOKEN}"), TOKEN),
        (
            format!("token-exchange: {{id: me, authentication: none, subject-env: {TOKEN}}}"),
            TOKEN,
        ),
        (
            format!("token-exchange: {{id: me, authentication: none, subject: {TOKEN}}}"),
            TOKEN,
        ),
        (format!("oidc-agent: {SECRET}"), SECRET),
        (format!("bearer-token-discovery: {TOKEN}"), TOKEN),
        (format!("bearer-token-discovery: {SECRET}"), SECRET),
        (format!("mytoken: {SECRET}"), SECRET),
        (format!("mytoken: {{{mytoken}, mytoken: {SECRET}}}"), SECRET),
        (
            format!("mytoken: {{{mytoken}, mytoken-env: {TOKEN}}}"),
            TOKEN,
        ),
        (
            format!("mytoken: {{{mytoken}, mytoken-file: {TOKEN}}}"),
            TOKEN,
        ),
        (
            format!(
                "mytoken: {{server: 'https://me:{SECRET}@mytoken.example.org', mytoken-env: MY}}"
            ),
            SECRET,
        ),
        (format!("vault: {SECRET}"), SECRET),
        (
            format!("vault: {{server: 'https://me:{SECRET}@vault.example.org', issuer: a}}"),
            SECRET,
        ),
        (
            format!(
                "vault: {{server: 'https://vault.example.org', issuer: a, token-file: {TOKEN}}}"
            ),
            TOKEN,
        ),
        (
            format!("vault: {{server: 'https://vault.example.org', issuer: a, token: {SECRET}}}"),
            SECRET,
        ),
        (format!("token-env: {TOKEN}"), TOKEN),
        (format!("token-env: {SECRET}"), SECRET),
        (format!("token-file: {TOKEN}"), TOKEN),
        (format!("token: {TOKEN}"), TOKEN),
    ] {
        let text = refused(&format!("    {line}"));
        assert!(!text.contains(secret), "{line}:\n{text}");
        assert!(text.contains("site/endpoints.yaml:4:"), "{line}:\n{text}");
    }
}
