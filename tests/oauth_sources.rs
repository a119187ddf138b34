//! Tokens of OAuth clients, through the real binary, real sockets and TLS.

mod common;

use common::issuer::{Reply, ScriptedIssuer};
use common::lab::{Lab, SECRET};
use common::trouble::{Account, Came, Row, expect_sense, usual};
use serde_json::json;

/// A server whose token endpoint gives what `came` says.
fn answers(server: &ScriptedIssuer, came: Came) {
    let url = server.url();
    server.script(move |asked| {
        if asked.path != "/token" {
            return None;
        }
        let form = asked.form();
        let said = |name: &str| form.get(name).cloned().unwrap_or_default();
        let token = came.token(&url, &said("scope"), &said("audience"));
        let good = json!({"access_token": token, "token_type": "Bearer", "expires_in": 1200});
        let no = json!({"error": "invalid_scope", "error_description": "not for you"});
        Some(came.reply(&good, Reply::json(400, &no)))
    });
}

fn client_credentials(_: &Lab, server: &ScriptedIssuer, came: Came) -> Account {
    answers(server, came);
    Account {
        yaml: format!("    client-credentials: {{id: me, secret-env: {SECRET}}}\n"),
        ..Account::default()
    }
}

fn refresh_token(lab: &Lab, server: &ScriptedIssuer, came: Came) -> Account {
    answers(server, came);
    lab.write("refresh", "a-refresh-token-of-this-test\n");
    Account {
        yaml: "    refresh-token: {file: refresh, id: me, authentication: none}\n".into(),
        ..Account::default()
    }
}

fn token_exchange(_: &Lab, server: &ScriptedIssuer, came: Came) -> Account {
    answers(server, came);
    let subject = Came::Html.token(&server.url(), "openid", "me");
    Account {
        yaml: format!(
            "    token-exchange: {{subject-env: SUBJECT, id: me, secret-env: {SECRET}}}\n"
        ),
        environment: vec![("SUBJECT".into(), subject)],
        ..Account::default()
    }
}

#[test]
fn whatever_comes_is_told_and_blamed_on_nobody_else() {
    let lab = Lab::new();
    let row = |name, arrange| Row {
        name,
        arrange,
        says: &usual,
    };
    expect_sense(
        &lab,
        &[
            row("client-credentials", &client_credentials),
            row("refresh-token", &refresh_token),
            row("token-exchange", &token_exchange),
        ],
    );
}
