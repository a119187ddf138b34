//! Every fault of the issuer shows, where it should, to who asks.

use std::collections::{BTreeMap, BTreeSet};

use super::issuer_lab::{DEVICE, Lab, Who};
use super::*;
use crate::{Fault, faults};

/// What was seen, by the name of the look.
type Seen = BTreeMap<String, String>;

/// Looks at an issuer and notes what there is, without what is new with every start.
struct Eye<'a> {
    lab: &'a Lab,
    seen: Seen,
}

impl Eye<'_> {
    fn note(&mut self, look: &str, what: impl ToString) {
        let what = what.to_string();
        let origin = self.lab.issuer.url().trim_end_matches('/');
        let bare = origin.replacen("https:", "http:", 1);
        let what = what.replace(origin, "ISSUER").replace(&bare, "CLEARTEXT");
        let before = self.seen.insert(look.to_owned(), what);
        assert_eq!(before, None, "{look} is there twice");
    }

    /// Status, the headers that matter, and what the token in a reply says.
    async fn reply(&mut self, look: &str, reply: &Reply) {
        let told = self.told(reply).await;
        self.note(look, told);
    }

    async fn told(&self, reply: &Reply) -> Value {
        let mut document = reply.value();
        for name in ["access_token", "id_token", "refresh_token"] {
            if let Some(token) = document.get_mut(name) {
                *token = self.lab.described(token.as_str().unwrap_or_default()).await;
            }
        }
        if let Some(reply) = document.as_object_mut() {
            reply.remove("error_description");
        }
        json!({
            "status": reply.status,
            "type": reply.header("content-type"),
            "cache": reply.header("cache-control"),
            "document": document,
        })
    }

    async fn published(&mut self) {
        let nobody = Who::Nobody;
        let clear = self.lab.at("jwks").replacen("https:", "http:", 1);
        let clear = self.lab.client.get(clear).send().await;
        self.note("cleartext", clear.is_ok());
        for (look, path) in [
            ("metadata", ".well-known/openid-configuration"),
            ("other-metadata", ".well-known/oauth-authorization-server"),
            ("keys", "jwks"),
        ] {
            // As many as there are replicas that take turns.
            let mut answers = Vec::new();
            for _ in 0..4 {
                answers.push(self.lab.get(path, nobody).await);
            }
            let same = answers.iter().all(|other| other.body == answers[0].body);
            let mut told = self.told(&answers[0]).await;
            for key in told["document"]["keys"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                self.anonymise(key);
            }
            self.note(look, told);
            self.note(&format!("{look}-again"), same);
        }
    }

    /// Leaves of a key what does not change with it.
    fn anonymise(&self, key: &mut Value) {
        for name in ["x", "y", "n", "d", "p", "q"] {
            if let Some(number) = key.get_mut(name) {
                *number = json!(number.as_str().map(str::len));
            }
        }
        if let Some(kid) = key.get_mut("kid") {
            let ec = *kid == self.lab.issuer.test_key_id();
            *kid = json!(ec);
        }
    }

    async fn asked(&mut self, look: &str, who: Who<'_>, scope: &str, audience: &str) {
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", scope),
            ("audience", audience),
        ];
        let reply = self.lab.post("token", who, &form).await;
        self.reply(look, &reply).await;
    }

    async fn tokens(&mut self) {
        let three = "storage.read:/a storage.create:/b storage.read:/c";
        self.asked("plain", Who::Main, three, "").await;
        let se = "https://se.example:8443";
        self.asked("audience", Who::Main, "storage.modify:/a", se)
            .await;
        let two = "https://se.example:8443 other";
        self.asked("audiences", Who::Main, "storage.read:/", two)
            .await;
        let mut ids = BTreeSet::new();
        let mut longest = 0;
        for _ in 0..3 {
            let token = self.lab.token("openid").await;
            longest = longest.max(token.len());
            if let Ok(claims) =
                jsonwebtoken::dangerous::insecure_decode_claims::<Value>(token.as_bytes())
            {
                ids.insert((claims["jti"].to_string(), claims["sub"].to_string()));
            }
        }
        let jti: BTreeSet<_> = ids.iter().map(|(id, _)| id).collect();
        let sub: BTreeSet<_> = ids.iter().map(|(_, sub)| sub).collect();
        self.note("ids", format!("{} {}", jti.len(), sub.len()));
        self.note("size", longest > 1500);
        for (look, scope) in [
            ("bare", "storage.read"),
            ("empty", "storage.read:"),
            ("relative", "storage.read:foo"),
            ("dots", "storage.read:/a/../b"),
            ("slashes", "storage.read:/a//b"),
            ("escaped", "storage.read:/%2e%2e/x"),
            ("deep", "storage.read:/a/b/c/d"),
            ("unknown-beside", "storage.read:/a other:/x"),
            ("version", "wlcg:1.0"),
            ("other-version", "wlcg:9.9"),
            ("host", "host.auth storage.read:/"),
            ("set", "wlcg.capabilityset:/wlcg/test"),
            (
                "set-and-more",
                "wlcg.capabilityset:/wlcg/test storage.stage:/x",
            ),
            ("foreign-set", "wlcg.capabilityset:/wlcg/production"),
        ] {
            self.asked(look, Who::Main, scope, "").await;
        }
        for (look, scope) in [
            ("narrower", "storage.read:/a/b"),
            ("root", "storage.read:/"),
            ("sibling", "storage.read:/ab"),
            ("operation", "storage.modify:/a"),
            ("upwards", "storage.read:/a/../b"),
            ("escaped-upwards", "storage.read:/a/%2e%2e/b"),
            ("capitals", "STORAGE.MODIFY:/"),
            ("partly", "storage.read:/a storage.modify:/a"),
        ] {
            self.asked(look, Who::Narrow, scope, "").await;
        }
    }

    async fn users(&mut self) {
        for (look, scope) in [
            ("no-groups", "openid storage.read:/"),
            ("default", "openid wlcg.groups"),
            ("optional", "wlcg.groups:/wlcg/test"),
            ("optional-first", "wlcg.groups:/wlcg/test wlcg.groups"),
            ("two", "wlcg.groups:/wlcg/test wlcg.groups:/wlcg/pilot"),
            ("foreign", "wlcg.groups:/other"),
            ("foreign-dots", "wlcg.groups:/wlcg/test/../admin"),
            ("foreign-capitals", "wlcg.groups:/WLCG"),
        ] {
            self.asked(look, Who::Main, scope, "").await;
        }
        let form = [
            ("scope", "openid wlcg.groups:/wlcg/test storage.read:/"),
            ("nonce", "n-1"),
        ];
        let begun = self.lab.post("devicecode", Who::Main, &form).await;
        let mut told = begun.value();
        for name in ["device_code", "user_code", "verification_uri_complete"] {
            if let Some(code) = told.get_mut(name) {
                *code = json!(code.as_str().map(str::len));
            }
        }
        told["verification_uri_complete"] = Value::Null;
        self.note("device", told);
        let code = begun.text("device_code");
        let poll = [("grant_type", DEVICE), ("device_code", &*code)];
        let pending = self.lab.post("token", Who::Main, &poll).await;
        self.reply("pending", &pending).await;
        self.lab.issuer.approve(&begun.text("user_code"));
        let login = self.lab.post("token", Who::Main, &poll).await;
        self.reply("login", &login).await;
    }

    async fn exchanges(&mut self) {
        let other = Lab::new().await;
        let (lab, ours) = (self.lab, self.lab.issuer.url());
        let subject = lab.forge(json!({"wlcg.groups": ["/wlcg"], "sub": lab.issuer.client_id()}));
        let now = jiff::Timestamp::now().as_second();
        let wider = lab.forge(json!({"scope": "storage.read:/"}));
        let parts: Vec<&str> = subject.split('.').collect();
        let payload = wider.split('.').nth(1).unwrap();
        let tampered = format!("{}.{payload}.{}", parts[0], parts[2]);
        let stranger = other.forge(json!({"iss": ours}));
        let expired = lab.forge(json!({"exp": now - 60}));
        let foreign = other.forge(json!({}));
        for (look, token, scope) in [
            ("exchange", &subject, "storage.read:/a/b"),
            ("exchange-root", &subject, "storage.read:/"),
            ("exchange-sibling", &subject, "storage.read:/ab"),
            ("exchange-dots", &subject, "storage.read:/a/../b"),
            ("exchange-unasked", &subject, "storage.read:/a"),
            ("exchange-operation", &subject, "storage.modify:/a"),
            ("exchange-groups", &subject, "wlcg.groups:/wlcg/test"),
            ("exchange-expired", &expired, "storage.read:/a"),
            ("exchange-tampered", &tampered, "storage.read:/a"),
            ("exchange-stranger", &stranger, "storage.read:/a"),
            ("exchange-foreign", &foreign, "storage.read:/a"),
        ] {
            let more = [("scope", scope), ("audience", "https://se:1")];
            let reply = lab.exchange(token, &more).await;
            self.reply(look, &reply).await;
        }
    }

    async fn refreshes(&mut self) {
        let lab = self.lab;
        let main = lab.issuer.client_id();
        let token = lab.consent("openid storage.read:/a wlcg.groups");
        self.note("refresh-token", lab.described(&token).await);
        for (look, scope) in [
            ("refresh", "storage.read:/a/b"),
            ("refresh-root", "storage.read:/"),
            ("refresh-sibling", "storage.read:/ab"),
            ("refresh-operation", "storage.modify:/a"),
            ("refresh-unasked", "openid storage.read:/a wlcg.groups"),
            ("refresh-groups", "wlcg.groups:/wlcg/test"),
        ] {
            let token = lab.consent("openid storage.read:/a wlcg.groups");
            let reply = lab.refresh(Who::Main, &token, Some(scope)).await;
            self.reply(look, &reply).await;
        }
        for (look, who) in [
            ("refresh-other", Who::Narrow),
            ("refresh-wrong", Who::Basic(main, "wrong")),
        ] {
            let reply = lab.refresh(who, &token, None).await;
            self.reply(look, &reply).await;
        }
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*token),
            ("client_id", main),
        ];
        let reply = lab.post("token", Who::Nobody, &form).await;
        self.reply("refresh-nobody", &reply).await;
        let bearer = lab.get("userinfo", Who::Bearer(&token)).await;
        self.note("bearer", bearer.status);
        let first = lab.refresh(Who::Main, &token, None).await.status;
        let again = lab.refresh(Who::Main, &token, None).await.status;
        self.note("rotation", format!("{first} {again}"));

        for (look, who) in [
            ("revoke", Who::Main),
            ("revoke-wrong", Who::Basic(main, "wrong")),
            ("revoke-nobody", Who::Nobody),
        ] {
            let token = lab.consent("storage.read:/");
            let form = [("token", &*token), ("client_id", main)];
            let revoked = lab.post("revoke", who, &form).await.status;
            let after = lab.refresh(Who::Main, &token, None).await.status;
            self.note(look, format!("{revoked} {after}"));
        }
        let unknown = lab.post("revoke", Who::Main, &[("token", "unknown")]).await;
        self.note("revoke-unknown", unknown.status);
    }

    async fn endpoint(&mut self) {
        let lab = self.lab;
        let secret = lab.issuer.client_secret().expose_secret();
        let main = lab.issuer.client_id();
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "storage.read:/"),
        ];
        let wrong = lab.post("token", Who::Basic(main, "wrong"), &form).await;
        self.reply("wrong-secret", &wrong).await;
        self.note("wrong-secret-body", String::from_utf8_lossy(&wrong.body));
        let password = lab
            .post("token", Who::Main, &[("grant_type", "password")])
            .await;
        self.reply("unknown-grant", &password).await;
        self.asked("unknown-scope", Who::Main, "nonsense", "").await;
        let query = format!("token?client_id={main}&client_secret={secret}");
        let post = lab.post(&query, Who::Nobody, &form).await;
        self.reply("query", &post).await;
        let get = format!("{query}&grant_type=client_credentials&scope=storage.read:/");
        let get = lab.get(&get, Who::Nobody).await;
        self.reply("get", &get).await;
    }
}

/// What is looked at together.
const VIEWS: usize = 6;

/// What there is to see of an issuer with that fault in one view.
async fn look(fault: Option<&'static Fault>, view: usize) -> Seen {
    let lab = Lab::faulty(fault).await;
    let mut eye = Eye {
        lab: &lab,
        seen: Seen::new(),
    };
    match view {
        0 => eye.published().await,
        1 => eye.tokens().await,
        2 => eye.users().await,
        3 => eye.exchanges().await,
        4 => eye.refreshes().await,
        _ => eye.endpoint().await,
    }
    eye.seen
}

/// The look at which each fault has to show. It may show elsewhere as well.
const SHOWS: &[(&str, &str)] = &[
    ("issuer-metadata-is-text", "metadata"),
    ("issuer-metadata-slash", "metadata"),
    ("issuer-metadata-http", "metadata"),
    ("issuer-token-slash", "plain"),
    ("issuer-keys-unnamed", "metadata"),
    ("issuer-keys-relative", "metadata"),
    ("issuer-keys-over-http", "metadata"),
    ("issuer-tokens-over-http", "metadata"),
    ("issuer-introspection-over-http", "metadata"),
    ("issuer-other-metadata", "other-metadata"),
    ("issuer-tokens-unnamed", "metadata"),
    ("issuer-introspection-unnamed", "metadata"),
    ("issuer-grants-unnamed", "metadata"),
    ("issuer-exchange-unnamed", "metadata"),
    ("issuer-scopes-in-one", "metadata"),
    ("issuer-authentication-unnamed", "metadata"),
    ("issuer-metadata-alternate", "metadata-again"),
    ("issuer-keys-alternate", "keys-again"),
    ("issuer-keys-off-curve", "keys"),
    ("issuer-keys-padded", "keys"),
    ("issuer-keys-untyped", "keys"),
    ("issuer-keys-nameless", "keys"),
    ("issuer-keys-of-one-name", "keys"),
    ("issuer-keys-twice", "keys"),
    ("issuer-keys-private", "keys"),
    ("issuer-keys-primes", "keys"),
    ("issuer-keys-symmetric", "keys"),
    ("issuer-keys-short", "keys"),
    ("issuer-keys-exponent", "keys"),
    ("issuer-keys-uncached", "keys"),
    ("issuer-keys-for-a-minute", "keys"),
    ("issuer-keys-for-a-year", "keys"),
    ("issuer-keys-for-how-long", "keys"),
    ("issuer-token-names-no-key", "plain"),
    ("issuer-token-names-other-key", "plain"),
    ("issuer-token-names-wrong-key", "plain"),
    ("issuer-token-symmetric", "plain"),
    ("issuer-token-half-signed", "plain"),
    ("issuer-token-without-jti", "plain"),
    ("issuer-token-without-iat", "plain"),
    ("issuer-token-times-are-text", "plain"),
    ("issuer-token-without-version", "plain"),
    ("issuer-token-version-is-number", "plain"),
    ("issuer-token-version-is-short", "plain"),
    ("issuer-token-version-is-that-of-text", "plain"),
    ("issuer-token-issuer-has-query", "plain"),
    ("issuer-token-issuer-is-http", "plain"),
    ("issuer-subject-changes", "ids"),
    ("issuer-subject-has-accents", "plain"),
    ("issuer-subject-is-long", "plain"),
    ("issuer-subject-is-address", "login"),
    ("issuer-subject-is-name", "login"),
    ("issuer-token-id-returns", "ids"),
    ("issuer-token-id-counts", "plain"),
    ("issuer-token-lives-a-week", "plain"),
    ("issuer-token-lives-a-shift", "plain"),
    ("issuer-token-lives-minutes", "plain"),
    ("issuer-token-begins-late", "plain"),
    ("issuer-token-begins-early", "plain"),
    ("issuer-token-clock-is-slow", "plain"),
    ("issuer-token-ends-before", "plain"),
    ("issuer-scope-is-list", "plain"),
    ("issuer-scope-has-commas", "plain"),
    ("issuer-scope-doubled", "plain"),
    ("issuer-scope-spaced", "plain"),
    ("issuer-scope-loses-paths", "plain"),
    ("issuer-scope-doubles-slashes", "plain"),
    ("issuer-scope-is-relative", "plain"),
    ("issuer-audience-ignored", "audience"),
    ("issuer-audience-is-list", "audience"),
    ("issuer-audience-first-only", "audiences"),
    ("issuer-audience-joined", "audiences"),
    ("issuer-audience-without-port", "audience"),
    ("issuer-audience-missing", "plain"),
    ("issuer-audience-empty", "plain"),
    ("issuer-token-without-scope", "plain"),
    ("issuer-token-is-big", "size"),
    ("issuer-takes-bare-scope", "bare"),
    ("issuer-takes-empty-path", "empty"),
    ("issuer-takes-relative-path", "relative"),
    ("issuer-takes-dots", "dots"),
    ("issuer-takes-double-slashes", "slashes"),
    ("issuer-takes-escaped-dots", "escaped"),
    ("issuer-gives-one-capability", "plain"),
    ("issuer-gives-one-of-a-name", "plain"),
    ("issuer-adds-reading", "plain"),
    ("issuer-adds-creating", "audience"),
    ("issuer-entitles-by-prefix", "sibling"),
    ("issuer-entitles-above", "root"),
    ("issuer-entitles-by-path", "operation"),
    ("issuer-entitles-dots", "upwards"),
    ("issuer-entitles-capitals", "capitals"),
    ("issuer-partial-untold", "partly"),
    ("issuer-narrower-refused", "narrower"),
    ("issuer-set-incomplete", "set"),
    ("issuer-set-alone", "set-and-more"),
    ("issuer-set-for-anybody", "foreign-set"),
    ("issuer-set-is-unknown", "foreign-set"),
    ("issuer-claims-any-version", "other-version"),
    ("issuer-host-has-no-scope", "host"),
    ("issuer-client-has-other-name", "host"),
    ("issuer-groups-doubled", "default"),
    ("issuer-groups-without-slash", "default"),
    ("issuer-groups-are-text", "default"),
    ("issuer-groups-of-other-vo", "default"),
    ("issuer-groups-not-in-id-token", "login"),
    ("issuer-groups-only-in-id-token", "login"),
    ("issuer-groups-unasked", "no-groups"),
    ("issuer-groups-all-at-once", "default"),
    ("issuer-groups-default-only", "optional"),
    ("issuer-groups-sorted", "two"),
    ("issuer-groups-reversed", "two"),
    ("issuer-groups-without-default", "optional"),
    ("issuer-groups-of-others", "foreign"),
    ("issuer-groups-by-prefix", "foreign-dots"),
    ("issuer-groups-in-any-case", "foreign-capitals"),
    ("issuer-groups-of-others-untold", "foreign"),
    ("issuer-groups-refused-as-scope", "foreign"),
    ("issuer-assurance-missing", "login"),
    ("issuer-assurance-is-text", "login"),
    ("issuer-identity-for-anybody", "login"),
    ("issuer-identity-of-another", "login"),
    ("issuer-identity-from-elsewhere", "login"),
    ("issuer-without-tls", "cleartext"),
    ("issuer-keys-unusual", "keys"),
    ("issuer-entitles-escaped-dots", "escaped-upwards"),
    ("issuer-entitles-by-first", "partly"),
    ("issuer-unknown-untold", "unknown-beside"),
    ("issuer-deep-paths-refused", "deep"),
    ("issuer-exchange-widens-by-dots", "exchange-dots"),
    ("issuer-exchange-widens-unasked", "exchange-unasked"),
    ("issuer-refresh-widens-unasked", "refresh-unasked"),
    ("issuer-exchange-untyped", "exchange"),
    ("issuer-exchange-narrows-nothing", "exchange"),
    ("issuer-exchange-keeps-audience", "exchange"),
    ("issuer-exchange-widens-by-prefix", "exchange-sibling"),
    ("issuer-exchange-widens-upwards", "exchange-root"),
    ("issuer-exchange-widens-operations", "exchange-operation"),
    ("issuer-exchange-widens-groups", "exchange-groups"),
    ("issuer-exchange-takes-expired", "exchange-expired"),
    ("issuer-exchange-takes-tampered", "exchange-tampered"),
    ("issuer-exchange-takes-any-key", "exchange-stranger"),
    ("issuer-exchange-takes-foreign", "exchange-foreign"),
    ("issuer-refresh-widens-by-prefix", "refresh-sibling"),
    ("issuer-refresh-widens-upwards", "refresh-root"),
    ("issuer-refresh-widens-operations", "refresh-operation"),
    ("issuer-refresh-widens", "refresh-operation"),
    ("issuer-refresh-narrows-nothing", "refresh"),
    ("issuer-refresh-for-other-client", "refresh-other"),
    ("issuer-refresh-without-secret", "refresh-nobody"),
    ("issuer-refresh-with-wrong-secret", "refresh-wrong"),
    ("issuer-refresh-without-grace", "rotation"),
    ("issuer-refresh-lives-years", "refresh-token"),
    ("issuer-refresh-lives-hours", "refresh-token"),
    ("issuer-refresh-is-bearer", "bearer"),
    ("issuer-refresh-is-access", "bearer"),
    ("issuer-revokes-nothing", "revoke"),
    ("issuer-revocation-unnamed", "metadata"),
    ("issuer-revocation-refused", "revoke"),
    ("issuer-revocation-needs-token", "revoke-unknown"),
    ("issuer-revokes-for-anybody", "revoke-nobody"),
    ("issuer-revokes-for-wrong-secret", "revoke-wrong"),
    ("issuer-reply-cacheable", "plain"),
    ("issuer-reply-kept-a-minute", "plain"),
    ("issuer-reply-untyped", "plain"),
    ("issuer-reply-of-other-type", "plain"),
    ("issuer-reply-is-html", "plain"),
    ("issuer-reply-tells-other-time", "plain"),
    ("issuer-error-is-200", "wrong-secret"),
    ("issuer-error-is-500", "wrong-secret"),
    ("issuer-error-is-html", "wrong-secret"),
    ("issuer-error-has-own-code", "wrong-secret"),
    ("issuer-error-of-scope-has-own-code", "unknown-scope"),
    ("issuer-error-of-grant-has-own-code", "unknown-grant"),
    ("issuer-tokens-by-get", "get"),
    ("issuer-secrets-in-query", "query"),
    ("issuer-devices-unnamed", "metadata"),
    ("issuer-device-without-user-code", "device"),
    ("issuer-device-without-page", "device"),
    ("issuer-device-is-refused", "pending"),
];

#[tokio::test]
async fn every_fault_shows() {
    let mut right = Vec::new();
    for view in 0..VIEWS {
        let seen = look(None, view).await;
        assert_eq!(
            look(None, view).await,
            seen,
            "a look at the same is the same"
        );
        right.push(seen);
    }
    let mut hidden = Vec::new();
    for fault in faults().iter().filter(|fault| fault.of_issuer()) {
        let place = SHOWS.iter().find(|(name, _)| *name == fault.name);
        let place = place.map_or("", |(_, place)| place);
        let view = right.iter().position(|seen| seen.contains_key(place));
        let shows = match view {
            Some(view) => look(Some(fault), view).await.get(place) != right[view].get(place),
            None => false,
        };
        if !shows {
            hidden.push(fault.name);
        }
    }
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn faults_of_the_issuer_are_named_and_filed_as_such() {
    for fault in faults() {
        let about_issuers = fault.clauses.iter().any(|id| id.starts_with("ISS-"));
        assert_eq!(about_issuers, fault.of_issuer(), "{}", fault.name);
        if fault.of_issuer() {
            let mut clauses = fault.clauses.iter();
            assert!(clauses.all(|id| id.starts_with("ISS-")), "{}", fault.name);
            assert!(fault.name.starts_with("issuer-"), "{}", fault.name);
        }
    }
    let shown: BTreeSet<_> = SHOWS.iter().map(|(name, _)| name).collect();
    assert_eq!(shown.len(), SHOWS.len());
    assert!(shown.iter().all(|name| fault(name).is_some()));
}
