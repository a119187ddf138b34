//! Words about replies of the token endpoint and of those beside it.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::scope::covers;
use super::{
    Flaw, Found, Jwt, Mute, View, json_type, looks, object, refused_at_all, several, shown, value,
};
use crate::expectation::decides_nothing;
use touchstone_model::{Answer, ClientProof, IssuerRequest, Profile};

/// The errors of RFC 6749 section 5.2 and of those that add some (RFC 6750, 7009, 8628, 8693, 8707, OpenID
/// Connect).
const REGISTERED: [&str; 17] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "access_denied",
    "invalid_target",
    "authorization_pending",
    "slow_down",
    "expired_token",
    "unsupported_token_type",
    "invalid_token",
    "insufficient_scope",
    "server_error",
    "temporarily_unavailable",
    "unsupported_response_type",
];

/// A good reply (RFC 6749 section 5.1).
#[derive(Clone, Debug)]
pub struct Grant {
    /// Its members, without the tokens.
    pub members: Map<String, Value>,
    /// The access token; an opaque one says why nothing can be seen in it.
    pub token: Result<Jwt, String>,
    /// The ID token.
    pub id_token: Option<Result<Jwt, String>>,
    /// The access token as it came.
    pub access: SecretString,
    /// The refresh token as it came.
    pub refresh: Option<SecretString>,
}

/// An error (RFC 6749 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthErrorReply {
    /// The code.
    pub error: String,
    /// What it says beside.
    pub description: Option<String>,
}

/// Reads a good reply.
pub fn grant(answer: &Answer) -> Option<Grant> {
    if !answer.success() {
        return None;
    }
    let mut members = object(answer).ok()?;
    let take = |members: &mut Map<String, Value>, name: &str| match members.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let access = take(&mut members, "access_token")?;
    let refresh = take(&mut members, "refresh_token");
    let id_token = take(&mut members, "id_token");
    Some(Grant {
        token: Jwt::of(&access),
        access: SecretString::from(access),
        refresh: refresh.map(SecretString::from),
        id_token: id_token.map(|text| Jwt::of(&text)),
        members,
    })
}

/// Reads a refusal.
pub fn refusal(answer: &Answer) -> Option<OAuthErrorReply> {
    refused_at_all(answer)?;
    let members = object(answer).ok()?;
    let text = |name: &str| Some(members.get(name)?.as_str()?.to_owned());
    Some(OAuthErrorReply {
        error: text("error")?,
        description: text("error_description"),
    })
}

/// Whether an answer may say that who asks is no client: so by its status, or by its code (RFC 6749 section 5.2). Some
/// issuers have the code for another client that is asked about, as Keycloak for an audience that it does not know.
pub fn no_client(answer: &Answer) -> bool {
    let code = || refusal(answer).is_some_and(|refusal| refusal.error == "invalid_client");
    answer.status == 401 || code()
}

/// Why nothing is judged where no token came.
pub(super) fn mute(view: &View<'_>, answer: &Answer) -> Mute {
    match refusal(answer) {
        Some(refusal) => {
            let told = refusal.description.as_deref().map(shown);
            let told = told.map(|text| format!(" ({text})")).unwrap_or_default();
            Mute::Skip(format!(
                "the issuer did not give what was asked for: {}{told}",
                shown(&refusal.error)
            ))
        }
        None if matches!(view.ask.what, IssuerRequest::Userinfo(_))
            && matches!(answer.status, 401 | 403) =>
        {
            Mute::Skip(format!(
                "the issuer does not take its own access token there: it was answered {}",
                answer.status
            ))
        }
        None if answer.status == 404 || answer.status == 405 => {
            Mute::Undecided(format!("it was answered {}", answer.status))
        }
        // A refusal is one without the words for it as well: that they are missing is told where errors are judged.
        None if refused_at_all(answer).is_some() => Mute::Skip(format!(
            "the issuer did not give what was asked for: it was answered {} with {}",
            answer.status,
            looks(answer)
        )),
        None => Mute::Undecided(format!(
            "it was answered {} with {}, neither a token nor an error",
            answer.status,
            looks(answer)
        )),
    }
}

/// Whether a token came, or a proper refusal, which is another matter.
fn token_or_refusal(view: &View<'_>) -> Result<(), Mute> {
    for one in view.answers {
        if one.grant.is_none() && refused_at_all(&one.answer).is_some() {
            return Err(mute(view, &one.answer));
        }
        if decides_nothing(one.answer.status) {
            return Err(mute(view, &one.answer));
        }
    }
    Ok(())
}

pub(super) fn reply(view: &View<'_>) -> Found {
    token_or_refusal(view)?;
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        let answer = &one.answer;
        let mut wrong = |expected: &str, actual: String| {
            flaws.push(Flaw::new(expected, actual).of(number));
        };
        if answer.status != 200 {
            wrong("200", format!("{}", answer.status));
            continue;
        }
        if !json_type(answer) {
            let kind = answer.header("content-type").unwrap_or("none");
            wrong("the type application/json", shown(kind));
        }
        let Some(grant) = &one.grant else {
            let actual = match object(answer) {
                Ok(members) => format!(
                    "the members {}",
                    several(members.keys().map(String::as_str))
                ),
                Err(reason) => reason,
            };
            wrong("an `access_token` in JSON", actual);
            continue;
        };
        let kind = grant.members.get("token_type");
        let bearer = kind.and_then(Value::as_str);
        if !bearer.is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            wrong("the `token_type` Bearer", value(kind));
        }
    }
    Ok(flaws)
}

pub(super) fn uncached(view: &View<'_>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        let cache = one.answer.header("cache-control").unwrap_or_default();
        let no_store = |directive: &str| directive.trim().eq_ignore_ascii_case("no-store");
        if !cache.split(',').any(no_store) {
            let actual = match cache {
                "" => "none".to_owned(),
                cache => shown(cache),
            };
            flaws.push(Flaw::new("`Cache-Control: no-store`", actual).of(number));
        }
    }
    flaws
}

pub(super) fn granted(view: &View<'_>) -> Found {
    view.answered()?;
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        if one.grant.is_none() {
            if not_for_this_client(view, &one.answer) {
                return Err(mute(view, &one.answer));
            }
            not_held(view)?;
            flaws.push(Flaw::new("a token", refused_with(&one.answer)).of(number));
        }
    }
    Ok(flaws)
}

/// Whether an exchange was refused because the client, or anybody, may make none: no sentence says that everybody may.
fn not_for_this_client(view: &View<'_>, answer: &Answer) -> bool {
    let codes = ["unauthorized_client", "unsupported_grant_type"];
    matches!(view.ask.what, IssuerRequest::Exchange(_))
        && refusal(answer).is_some_and(|refusal| codes.contains(&refusal.error.as_str()))
}

/// A refresh that asks for what the refresh token is not good for is refused rightly.
fn not_held(view: &View<'_>) -> Result<(), Mute> {
    let (IssuerRequest::Refresh(_), Some(held)) = (&view.ask.what, view.held) else {
        return Ok(());
    };
    let own = held.scopes();
    let mut asked = view.ask.what.scope().unwrap_or_default().split_whitespace();
    match asked.find(|asked| !own.iter().any(|own| covers(own, asked))) {
        None => Ok(()),
        Some(more) => Err(Mute::Skip(format!(
            "the refresh token that may be spent was not given for {}, nor for more",
            shown(more)
        ))),
    }
}

fn refused_with(answer: &Answer) -> String {
    match refusal(answer) {
        Some(refusal) => format!("{} with the error {}", answer.status, shown(&refusal.error)),
        None => format!("{}", answer.status),
    }
}

pub(super) fn refused(view: &View<'_>) -> Found {
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        if one.grant.is_some() {
            flaws.push(Flaw::new("a refusal", "a token came").of(number));
        } else if one.answer.success() && !view.ask.what.for_token() {
            let actual = format!("{}: it was accepted", one.answer.status);
            flaws.push(Flaw::new("a refusal", actual).of(number));
        } else if refused_at_all(&one.answer).is_none() {
            let answered = one.answer.status;
            let text = format!(
                "it was answered {answered} with {}, neither a token nor a refusal",
                looks(&one.answer)
            );
            return Err(Mute::Undecided(text));
        }
    }
    Ok(flaws)
}

pub(super) fn error_json(view: &View<'_>) -> Found {
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        let answer = &one.answer;
        if one.grant.is_some() || decides_nothing(answer.status) {
            continue;
        }
        let mut wrong = |flaw: Flaw| flaws.push(flaw.of(number));
        let members = match object(answer) {
            Ok(members) => members,
            Err(reason) => {
                let actual = format!("{} with {reason}", answer.status);
                wrong(Flaw::new("an error as JSON", actual));
                continue;
            }
        };
        let error = members.get("error");
        let code = error.and_then(Value::as_str).unwrap_or_default();
        if !REGISTERED.contains(&code) {
            wrong(Flaw::new("a registered code as `error`", value(error)));
        }
        // Who a client is has to be shown first: 401 is right of it, and only the code may be another.
        let unproven = matches!(
            view.ask.what.proof(),
            ClientProof::None | ClientProof::WrongSecret
        );
        match (answer.status, code) {
            (401, _) if unproven => {}
            (400, _) | (401, "invalid_client" | "invalid_token") => {}
            (403, "access_denied" | "insufficient_scope") => {
                wrong(Flaw::new("400", "403").minor());
            }
            (status, _) => {
                let right = match code {
                    "invalid_client" => "401 or 400",
                    _ => "400",
                };
                wrong(Flaw::new(right, format!("{status}")));
            }
        }
        if !json_type(answer) {
            let kind = answer.header("content-type").unwrap_or("none");
            wrong(Flaw::new("the type application/json", shown(kind)).minor());
        }
    }
    Ok(flaws)
}

/// Where it was refused, the code is one of these. One without a code is told where the form of errors is judged.
pub(super) fn error_is(view: &View<'_>, codes: &[&str]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        let Some(refusal) = refusal(&one.answer).filter(|_| one.grant.is_none()) else {
            continue;
        };
        if codes.contains(&refusal.error.as_str()) {
            continue;
        }
        let actual = shown(&refusal.error);
        let expected = format!("the error `{}`", codes.join("` or `"));
        flaws.push(Flaw::new(expected, actual).minor().of(number));
    }
    flaws
}

/// Profile 3.1 and 3.3: refused with that error, or the difference is told.
pub(super) fn access_denied(view: &View<'_>) -> Found {
    view.answered()?;
    let Some(grant) = view.answers.last().and_then(|one| one.grant.as_ref()) else {
        // Version 1.0 left the error open.
        return Ok(match view.profile {
            Profile::V1_0 => Vec::new(),
            _ => error_is(view, &["access_denied"]),
        });
    };
    let scope = grant.members.get("scope");
    let told: Option<Vec<&str>> = scope
        .and_then(Value::as_str)
        .map(|scope| scope.split_whitespace().collect());
    let asked = view.ask.what.scope().unwrap_or_default();
    let honest =
        told.is_some_and(|told| !asked.split_whitespace().all(|word| told.contains(&word)));
    let last = view.answers.len().saturating_sub(1);
    Ok(if honest {
        let expected = "the error `access_denied`";
        let silent = view.profile == Profile::V1_0;
        let flaw = Flaw::new(expected, "a token with less than was asked for").minor();
        if silent {
            Vec::new()
        } else {
            vec![flaw.of(last)]
        }
    } else {
        let expected = "a refusal, or a reply whose `scope` tells what was left out";
        vec![Flaw::new(expected, value(scope)).grave().of(last)]
    })
}

pub(super) fn accepted(view: &View<'_>) -> Found {
    let Some(answer) = view.answer() else {
        return Ok(Vec::new());
    };
    if decides_nothing(answer.status) {
        return Err(mute(view, answer));
    }
    let right = answer.status == 200;
    Ok(match right {
        true => Vec::new(),
        false => vec![Flaw::new("200", refused_with(answer))],
    })
}

pub(super) fn unauthenticated(view: &View<'_>) -> Found {
    let Some(answer) = view.answer() else {
        return Ok(Vec::new());
    };
    match answer.status {
        400 | 401 | 403 => Ok(Vec::new()),
        status if answer.success() => Ok(vec![Flaw::new(
            "400, 401 or 403",
            format!("{status}: it was accepted"),
        )]),
        status => Err(Mute::Undecided(format!("it was answered {status}"))),
    }
}

pub(super) fn device(view: &View<'_>) -> Found {
    let Some(answer) = view.answer() else {
        return Ok(Vec::new());
    };
    if !answer.success() {
        return Err(mute(view, answer));
    }
    let members = match object(answer) {
        Ok(members) => members,
        Err(reason) => return Ok(vec![Flaw::new("a JSON object", reason)]),
    };
    let mut flaws = Vec::new();
    for name in ["device_code", "user_code", "verification_uri"] {
        let found = members.get(name).and_then(Value::as_str);
        if found.is_none_or(str::is_empty) {
            flaws.push(Flaw::new(format!("a text as `{name}`"), "none"));
        }
    }
    if let Some(uri) = members.get("verification_uri").and_then(Value::as_str)
        && !uri.starts_with("https://")
    {
        flaws.push(Flaw::new("https for `verification_uri`", shown(uri)));
    }
    let expires = members.get("expires_in");
    if expires
        .and_then(Value::as_f64)
        .is_none_or(|seconds| seconds <= 0.0)
    {
        flaws.push(Flaw::new("a number as `expires_in`", value(expires)));
    }
    Ok(flaws)
}

pub(super) fn pending(view: &View<'_>) -> Found {
    let Some(one) = view.answers.last() else {
        return Ok(Vec::new());
    };
    if one.grant.is_some() {
        let flaw = Flaw::new(
            "`authorization_pending`",
            "a token, though nobody logged in",
        );
        return Ok(vec![flaw.grave()]);
    }
    match refusal(&one.answer) {
        Some(refusal)
            if matches!(
                refusal.error.as_str(),
                "authorization_pending" | "slow_down"
            ) =>
        {
            Ok(Vec::new())
        }
        Some(refusal) => Ok(vec![Flaw::new(
            "`authorization_pending`",
            shown(&refusal.error),
        )]),
        None => Ok(vec![Flaw::new(
            "`authorization_pending`",
            format!("{} with {}", one.answer.status, looks(&one.answer)),
        )]),
    }
}

pub(super) fn exchanged(view: &View<'_>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (number, one) in view.answers.iter().enumerate() {
        let Some(grant) = &one.grant else { continue };
        for name in ["issued_token_type", "token_type"] {
            let found = grant.members.get(name);
            if found.and_then(Value::as_str).is_none_or(str::is_empty) {
                let expected = format!("a text as `{name}`");
                flaws.push(Flaw::new(expected, value(found)).of(number));
            }
        }
    }
    flaws
}

pub(super) fn expires_in(view: &View<'_>) -> Found {
    let mut flaws = Vec::new();
    for (number, jwt) in view.tokens()? {
        let Some(grant) = &view.answers[number].grant else {
            continue;
        };
        let told = grant.members.get("expires_in");
        let Some(seconds) = told.and_then(Value::as_f64) else {
            let flaw = Flaw::new("a number as `expires_in`", value(told));
            flaws.push(flaw.of(number));
            continue;
        };
        if let (Some(issued), Some(end)) = (jwt.time("iat"), jwt.time("exp"))
            && (end - issued - seconds).abs() > 5.0
        {
            let expected = format!("{} seconds, from iat to exp", end - issued);
            flaws.push(Flaw::new(expected, format!("{seconds}")).of(number));
        }
    }
    Ok(flaws)
}

pub(super) fn refresh_lifetime(view: &View<'_>) -> Found {
    const DAY: f64 = 86_400.0;
    let Some(jwt) = view.refresh else {
        return Err(Mute::Skip(
            "its refresh tokens are opaque, so that their lifetime cannot be seen".into(),
        ));
    };
    let (Some(issued), Some(end)) = (jwt.time("iat"), jwt.time("exp")) else {
        return Err(Mute::Skip("its refresh tokens tell no lifetime".into()));
    };
    let days = (end - issued) / DAY;
    let most = match view.profile {
        Profile::V1_0 => 30.0,
        _ => 400.0,
    };
    Ok(if (1.0..=most).contains(&days) {
        Vec::new()
    } else {
        let expected = format!("1 to {most} days");
        vec![Flaw::new(expected, format!("{days:.2} days"))]
    })
}
