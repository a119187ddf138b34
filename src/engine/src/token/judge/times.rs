use touchstone_model::Profile;

use super::claims::{ISSUERS_DUTY, shown};
use super::durations::{duration, moment_of};
use super::{Remarks, TokenKind};

/// Seconds by which clocks may differ (profile 4.3.1).
const SKEW: f64 = 60.0;
/// The longest time between nbf and iat that clock skew explains.
const BACKDATED: f64 = 300.0;
const SHORTEST: f64 = 15.0 * 60.0;
const LONGEST: f64 = 6.0 * 3600.0;
/// Later than this no NumericDate makes sense: the year 3000, in seconds.
const ABSURD: f64 = 32_503_680_000.0;

/// When it is valid, and for how long.
pub(super) fn judge(remarks: &mut Remarks<'_>) {
    let token = remarks.token;
    let now = remarks.now.as_second() as f64;
    let strict = remarks.kind != TokenKind::SciToken;
    match token.claim("exp") {
        None => remarks.must(
            "exp",
            "JWT-2.1.1-02",
            "it has no exp",
            "it would be valid for ever; storage has to refuse it",
        ),
        Some(value) if !value.is_number() => remarks.must(
            "exp",
            "JWT-2.1.1-03",
            format!("exp is {}, not a number", shown(value)),
            "it is a number of seconds since 1970 (RFC 7519 section 2); storage has to refuse it",
        ),
        Some(_) => {}
    }
    for name in ["nbf", "iat", "auth_time"] {
        if let Some(value) = token.claim(name)
            && !value.is_number()
        {
            remarks.must(
                name,
                if name == "iat" {
                    "ISS-TOK-02"
                } else {
                    "JWT-2.1.1-03"
                },
                format!("{name} is {}, not a number", shown(value)),
                "it is a number of seconds since 1970 (RFC 7519 section 2)",
            );
        }
    }
    if strict && token.claim("iat").is_none() {
        remarks.must(
            "iat",
            "ISS-TOK-02",
            "it has no iat",
            format!("{ISSUERS_DUTY}; storage should refuse it (JWT-2.1.1-08)"),
        );
    }
    let (exp, nbf, iat) = (
        token.seconds("exp"),
        token.seconds("nbf"),
        token.seconds("iat"),
    );
    for (name, time) in [("exp", exp), ("nbf", nbf), ("iat", iat)] {
        if time.is_some_and(|time| time > ABSURD) {
            remarks.should(
                name,
                "ISS-TOK-10",
                format!("{name} lies after the year 3000"),
                "are these milliseconds? NumericDate counts seconds",
            );
        }
    }
    if let Some(exp) = exp
        && exp <= now
    {
        remarks.must(
            "exp",
            "JWT-2.1.1-01",
            format!("it expired {}", moment_of(exp, remarks.now)),
            "storage has to refuse it; obtain a new one",
        );
    }
    if let Some(nbf) = nbf
        && nbf > now
    {
        if nbf - now <= SKEW {
            remarks.note(
                "nbf",
                "JWT-2.1.1-06",
                format!("it is valid only {}", moment_of(nbf, remarks.now)),
                "clocks differ: storage should tolerate about a minute",
            );
        } else {
            remarks.must(
                "nbf",
                "JWT-2.1.1-04",
                format!("it is valid only {}", moment_of(nbf, remarks.now)),
                "storage has to refuse it until then; is the clock right, here and at the issuer?",
            );
        }
    }
    if let Some(iat) = iat
        && iat > now + SKEW
    {
        remarks.should(
            "iat",
            "ISS-TOK-10",
            format!("it is issued {}", moment_of(iat, remarks.now)),
            "is the clock right, here and at the issuer?",
        );
    }
    if let (Some(nbf), Some(iat)) = (nbf, iat)
        && remarks.profile >= Profile::V1_1
        && !(0.0..=BACKDATED).contains(&(iat - nbf))
    {
        remarks.should(
            "nbf",
            "ISS-TOK-09",
            if nbf > iat {
                "nbf lies after iat"
            } else {
                "nbf lies more than 5 min before iat"
            },
            "a minute before iat is what makes fresh tokens work everywhere",
        );
    }
    lifetime(remarks, exp, iat.or(nbf));
}

fn lifetime(remarks: &mut Remarks<'_>, exp: Option<f64>, start: Option<f64>) {
    let (Some(exp), Some(start)) = (exp, start) else {
        return;
    };
    let life = exp - start;
    let old = remarks.profile == Profile::V1_0;
    if life <= 0.0 {
        remarks.should(
            "exp",
            "ISS-TOK-10",
            "it ends before it begins",
            "it was never valid",
        );
    } else if life >= LONGEST && old {
        remarks.must(
            "exp",
            "JWT-4.3.1-01",
            format!("it lives for {}", duration(life)),
            "profile 1.0 has storage refuse what lives for six hours or more",
        );
    } else if life > LONGEST {
        remarks.should(
            "exp",
            "ISS-TOK-08",
            format!("it lives for {}", duration(life)),
            "6 h is the most without a risk assessment; it cannot be revoked, so whoever steals it has that long",
        );
    } else if life < SHORTEST && !old {
        remarks.should(
            "exp",
            "ISS-TOK-08",
            format!("it lives for {}", duration(life)),
            "15 min is the least and 1 h is recommended; clients have to ask too often, and long transfers fail",
        );
    }
}
