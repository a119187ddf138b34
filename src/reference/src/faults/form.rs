//! Claims in forms that they do not have: each is taken for a good one, in one operation alone.

use serde_json::{Map, Value};

use super::super::scope::{Scope, claimed};
use super::super::token::{claim_fits, groups};
use super::authentication::object;
use super::cover::{Base, Overlooked};
use super::scopes::rewritten;
use super::signature::FirstWins;
use super::{Apply, Fault};

/// The operation of a column, which its name ends with.
pub(super) const fn operation(column: &'static str) -> &'static str {
    match column.as_bytes() {
        [.., b'p', b'u', b't'] => "put",
        _ => "get",
    }
}

/// One fault for each line: a row and a column of the suite `form`, the clause, and what is overlooked there.
macro_rules! forms {
    ($( $row:literal on $column:literal, $($clause:literal),+: $base:expr; )*) => {
        &[$(
            Fault {
                name: concat!("form-", $row, "-on-", $column),
                about: concat!("What `form.", $row, "` is about is taken for good in `form.", $row, ".", $column, "` alone."),
                clauses: &[$($clause),+],
                cases: &[concat!("form.", $row, ".", $column)],
                apply: Apply::Overlooked(&Overlooked {
                    suite: "form",
                    cover: None,
                    row: $row,
                    column: $column,
                    operation: $crate::faults::form::operation($column),
                    base: $base,
                }),
            }
        ),*]
    };
}
pub(super) use forms;

/// A claim that is judged by itself need not be right where it is of that form.
macro_rules! claim {
    ($name:literal, $form:expr) => {
        Base::By(|rules| {
            rules.token.claim = |name, jws, now| {
                let form: fn(Option<&Value>) -> bool = $form;
                (name == $name && form(jws.claims.get($name))) || claim_fits(name, jws, now)
            }
        })
    };
}

/// An issuer of that form is taken for the trusted one.
macro_rules! issuer {
    ($form:expr) => {
        Base::By(|rules| {
            rules.token.same_issuer = |trusted, iss| {
                let form: fn(Option<&Value>) -> bool = $form;
                form(iss) || iss.and_then(Value::as_str) == Some(trusted)
            }
        })
    };
}

pub(super) use issuer;

/// An audience of that form names the service.
macro_rules! audience {
    ($form:expr) => {
        Base::By(|rules| {
            rules.token.object = |json| {
                let form: fn(Option<&Value>) -> bool = $form;
                let mut map = object(json)?;
                if form(map.get("aud")) {
                    map.insert(
                        "aud".to_owned(),
                        Value::from(touchstone_model::ANY_AUDIENCE),
                    );
                }
                Some(map)
            }
        })
    };
}

pub(super) use audience;

pub(super) const FAULTS: &[Fault] = forms! {
    "absent" on "version-get", "JWT-2.1.1-27": Base::Of("version-absent-accepted");
    "json-null" on "exp-get", "JWT-2.1.1-03": claim!("exp", null);
    "json-null" on "iat-get", "JWT-2.1.1-08": claim!("iat", null);
    "json-null" on "nbf-put", "JWT-2.1.1-32": claim!("nbf", null);
    "number" on "sub-put", "JWT-2.1.1-09": claim!("sub", |claim| claim.is_some_and(Value::is_number));
    "number" on "groups-put", "JWT-2.2.2-05": Base::By(groups_by_number);
    "text" on "nbf-get", "JWT-2.1.1-32": claim!("nbf", |claim| claim.is_some_and(|nbf| !empty(nbf) && nbf.is_string()));
    "truth" on "iss-put", "JWT-2.1.1-30": issuer!(|iss| iss == Some(&Value::Bool(true)));
    "list" on "aud-get", "JWT-2.1.1-12": audience!(|aud| aud.and_then(Value::as_array).is_some_and(Vec::is_empty));
    "list" on "sub-get", "JWT-2.1.1-09": claim!("sub", |claim| claim.and_then(Value::as_array).is_some_and(Vec::is_empty));
    "in-list" on "scope-put", "JWT-2.2.1-36": Base::By(scope_in_list);
    "object" on "iss-get", "JWT-2.1.1-30": issuer!(|iss| iss.and_then(Value::as_object).is_some_and(Map::is_empty));
    "object" on "aud-put", "JWT-2.1.1-12": audience!(|aud| aud.and_then(Value::as_object).is_some_and(Map::is_empty));
    "in-object" on "groups-get", "JWT-2.2.2-05": Base::By(groups_in_object);
    "empty" on "iat-put", "JWT-2.1.1-08": claim!("iat", |claim| claim.is_some_and(empty));
    "twice" on "exp-put", "JWT-4.2-22": Base::By(first_end);
    "zero" on "exp-get", "JWT-2.1.1-01": claim!("exp", |claim| claim.and_then(Value::as_i64) == Some(0));
    "negative" on "exp-put", "JWT-2.1.1-01": claim!("exp", |claim| claim.and_then(Value::as_i64).is_some_and(|exp| exp < 0));
    "fraction-over" on "exp-get", "JWT-2.1.1-01": claim!("exp", |claim| float(claim).is_some_and(|exp| exp.fract() != 0.0));
    "exponent-over" on "exp-put", "JWT-2.1.1-01": claim!("exp", |claim| float(claim).is_some_and(|exp| exp.fract() == 0.0));
    "fraction-future" on "nbf-put", "JWT-2.1.1-04": claim!("nbf", |claim| float(claim).is_some_and(|nbf| nbf.fract() != 0.0));
    "beyond-2-53" on "nbf-get", "JWT-2.1.1-04": claim!("nbf", |claim| claim.and_then(Value::as_i64).is_some_and(|nbf| nbf > 1 << 53));
    "beyond-2-63" on "nbf-put", "JWT-2.1.1-04": claim!("nbf", |claim| claim.is_some_and(|nbf| nbf.is_u64() && !nbf.is_i64()));
    "beyond-2-64" on "nbf-get", "JWT-2.1.1-04": claim!("nbf", |claim| float(claim).is_some_and(|nbf| (1e19..1e20).contains(&nbf)));
    "exponent" on "nbf-put", "JWT-2.1.1-04": claim!("nbf", |claim| float(claim).is_some_and(|nbf| nbf > 1e200));
    "infinity" on "exp-get", "JWT-4.2-10": Base::By(|rules| rules.token.object = |json| leniently(json, "Infinity"));
    "no-number" on "exp-put", "JWT-4.2-10": Base::By(|rules| rules.token.object = |json| leniently(json, "NaN"));
    "mixed" on "groups-put", "JWT-2.2.2-05": Base::By(texts_among_groups);
    "mixed" on "aud-put", "JWT-2.1.1-32": audience!(|aud| aud.and_then(Value::as_array).is_some_and(|each| each.len() > 1 && each.iter().any(Value::is_number)));
    "tab" on "scope-get", "JWT-2.2.1-37": Base::By(|rules| rules.token.scope = |claim, _| rewritten(claim, |text| text.replace('\t', " ")));
    "line-feed" on "scope-put", "JWT-2.2.1-37": Base::By(|rules| rules.token.scope = |claim, _| rewritten(claim, |text| text.replace('\n', " ")));
    "semicolon" on "scope-get", "JWT-2.2.1-37": Base::By(|rules| rules.token.scope = |claim, _| rewritten(claim, |text| text.replace(';', " ")));
    "short" on "version-put", "JWT-2.1.1-28": claim!("wlcg.ver", |claim| claim == Some(&Value::from("1")));
    "letter" on "version-get", "JWT-2.1.1-28": claim!("wlcg.ver", |claim| claim == Some(&Value::from("1.x")));
    "longer" on "version-put", "JWT-2.1.1-28": claim!("wlcg.ver", |claim| claim == Some(&Value::from("1.0.0")));
    "spaced" on "version-get", "JWT-2.1.1-28": claim!("wlcg.ver", |claim| claim == Some(&Value::from("1.0 ")));
    "line-end" on "version-put", "JWT-2.1.1-28": claim!("wlcg.ver", |claim| claim == Some(&Value::from("1.0\n")));
    "other-digits" on "version-get", "JWT-2.1.1-28": claim!("wlcg.ver", |claim| claim == Some(&Value::from("\u{ff11}.0")));
    "ten" on "version-put", "JWT-4.3.3-02": claim!("wlcg.ver", |claim| claim == Some(&Value::from("10.0")));
    "another-object" on "scope-put", "JWT-4.2-10": Base::By(first_object);
    "another-object" on "scope-get", "JWT-4.2-10": Base::By(first_object);
};

fn null(claim: Option<&Value>) -> bool {
    claim.is_some_and(Value::is_null)
}

fn empty(claim: &Value) -> bool {
    claim.as_str().is_some_and(str::is_empty)
}

/// A number that was not written as a whole one of 64 bits.
fn float(claim: Option<&Value>) -> Option<f64> {
    claim.filter(|claim| claim.is_f64())?.as_f64()
}

/// A list of texts is as good as one text with spaces between them.
fn scope_in_list(rules: &mut super::Rules) {
    rules.token.scope = |claim, _| match claim.and_then(Value::as_array) {
        Some(words) => {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            Scope::parse(&words.join(" "))
        }
        None => claimed(claim),
    };
}

/// Groups are known by number, too, and each is that of the members.
fn groups_by_number(rules: &mut super::Rules) {
    rules.token.groups = |claims| match claims.get("wlcg.groups") {
        Some(Value::Number(_)) => members(),
        _ => groups(claims),
    };
}

/// Groups are looked for inside of an object as well.
fn groups_in_object(rules: &mut super::Rules) {
    rules.token.groups = |claims| match claims.get("wlcg.groups") {
        Some(Value::Object(inside)) if !inside.is_empty() => members(),
        _ => groups(claims),
    };
}

fn members() -> Vec<String> {
    vec![touchstone_model::Groups::default().member]
}

/// Of a list the texts count.
fn texts_among_groups(rules: &mut super::Rules) {
    rules.token.groups = |claims| {
        let list = claims.get("wlcg.groups").and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
}

/// Reads what other readers take for a number as well, which is a time that never comes.
fn leniently(json: &[u8], word: &str) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(json).ok()?;
    object(text.replace(&format!(":{word}"), ":1e300").as_bytes())
}

/// Of an end that is there twice the first counts.
fn first_end(rules: &mut super::Rules) {
    rules.token.object = |json| {
        let mut last = object(json)?;
        let FirstWins(first) = serde_json::from_slice(json).ok()?;
        if let Some(exp) = first.get("exp") {
            last.insert("exp".to_owned(), exp.clone());
        }
        Some(last)
    };
}

/// Of several objects the first counts.
fn first_object(rules: &mut super::Rules) {
    rules.token.object = |json| {
        let mut objects = serde_json::Deserializer::from_slice(json).into_iter();
        objects.next()?.ok()
    };
}
