use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::text as token;
use crate::args::OutputFormat;
use crate::exit;
use crate::output::{self, Failed};
use touchstone_engine::files::open_regular;
use touchstone_engine::token::form::{self, Form, Inside};
use touchstone_engine::token::judge::{
    Class, Decoded, Inspection, TokenKind, Unreadable, decode, judge,
};
use touchstone_engine::token::{IssuerClient, SignatureCheck, discover, verify};
use touchstone_model::redact::Redactor;
use touchstone_model::{IssuerLimits, Trust};

use super::InspectArgs;

/// Longer texts are not read to their end: they are no tokens.
const LARGEST: u64 = 64 * 1024;
/// A signature that is shorter may be a word of the output.
const SIGNATURE: usize = 20;

/// `touchstone token inspect`
pub async fn main(arguments: &InspectArgs, redactor: &Redactor) -> Result<u8, Failed> {
    let token = read(arguments.file.as_deref())?;
    let decoded = decode(&token);
    let form = match &decoded {
        Ok(_) => None,
        Err(_) => form::of(token.expose_secret()),
    };
    // What a token says opens nothing without its signature, and is what is to be read here. Of what is no token a word may be
    // told, such as the code of a refusal.
    if !matches!(&form, Some(form) if matches!(form.inside, Inside::Said(_) | Inside::Nothing)) {
        redactor.add(&token);
    }
    match (decoded, form) {
        (Ok(decoded), _) => token_alone(arguments, &decoded, redactor).await,
        (Err(found), Some(form)) => within(arguments, &form, &found, redactor).await,
        (Err(found), None) => unreadable(arguments, &found, redactor),
    }
}

async fn token_alone(
    arguments: &InspectArgs,
    decoded: &Decoded,
    redactor: &Redactor,
) -> Result<u8, Failed> {
    let (inspection, verified) = judged(arguments, decoded, redactor).await?;
    output::result(&match arguments.format {
        OutputFormat::Table => token::text(&inspection, output::style_of_stdout()),
        OutputFormat::Json => token::json(&inspection),
    })?;
    Ok(code(arguments, &inspection, verified))
}

/// A text that holds a token, or what one says, and is none.
async fn within(
    arguments: &InspectArgs,
    form: &Form,
    found: &Unreadable,
    redactor: &Redactor,
) -> Result<u8, Failed> {
    let opened;
    let decoded = match &form.inside {
        Inside::Token(inside) => {
            redactor.add(inside);
            opened = decode(inside);
            match &opened {
                Ok(decoded) => decoded,
                Err(_) => return unreadable(arguments, found, redactor),
            }
        }
        Inside::Said(decoded) => decoded,
        Inside::Nothing if found.class == Class::Broken => {
            return unreadable(arguments, found, redactor);
        }
        Inside::Nothing => {
            let other = Unreadable {
                what: form.what.clone(),
                means: form.mend.clone(),
                class: Class::NoToken,
            };
            return unreadable(arguments, &other, redactor);
        }
    };
    let (inspection, verified) = judged(arguments, decoded, redactor).await?;
    output::result(&match arguments.format {
        OutputFormat::Table => format!(
            "{}\n{}",
            token::mend(form),
            token::text(&inspection, output::style_of_stdout())
        ),
        OutputFormat::Json => token::json_within(&inspection, form),
    })?;
    Ok(match (&form.inside, found.class) {
        (_, Class::Broken) => exit::FAILED,
        (Inside::Said(_), _) => code(arguments, &inspection, verified),
        (Inside::Token(_) | Inside::Nothing, _) => exit::USAGE,
    })
}

fn unreadable(
    arguments: &InspectArgs,
    found: &Unreadable,
    redactor: &Redactor,
) -> Result<u8, Failed> {
    output::result(&redactor.text(&match arguments.format {
        OutputFormat::Table => token::unreadable(found),
        OutputFormat::Json => token::unreadable_json(found),
    }))?;
    Ok(match found.class {
        Class::Broken => exit::FAILED,
        Class::Sealed => exit::UNDECIDED,
        Class::NoToken => exit::USAGE,
    })
}

/// What is to be said of it, and whether its signature was verified.
async fn judged(
    arguments: &InspectArgs,
    decoded: &Decoded,
    redactor: &Redactor,
) -> Result<(Inspection, bool), Failed> {
    if decoded.signature().expose_secret().len() >= SIGNATURE {
        redactor.add(decoded.signature());
    }
    let proof = proof(arguments, decoded, redactor).await?;
    let verified = matches!(proof, SignatureCheck::Verified { .. });
    // Tokens count in seconds.
    let now = Timestamp::now();
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let now = arguments.at.unwrap_or(now);
    let mut inspection = judge(decoded, proof, now, arguments.profile);
    inspection.pass(&|text| redactor.text(text));
    Ok((inspection, verified))
}

fn code(arguments: &InspectArgs, inspection: &Inspection, verified: bool) -> u8 {
    if !inspection.right() {
        exit::FAILED
    } else if arguments.verify && !verified {
        exit::UNDECIDED
    } else {
        exit::OK
    }
}

async fn proof(
    arguments: &InspectArgs,
    token: &Decoded,
    redactor: &Redactor,
) -> Result<SignatureCheck, Failed> {
    let trust: Vec<_> = arguments.ca.iter().cloned().map(Trust::Path).collect();
    let http = IssuerClient::trusting(&trust, IssuerLimits::default().answer, redactor)
        .map_err(|error| Failed::Usage(format!("--ca: {error}")))?;
    if !token.signed() {
        return Ok(SignatureCheck::unknown("there is none"));
    }
    if let Some(reason) = token.cut() {
        return Ok(SignatureCheck::Wrong {
            clause: "JWT-4.2-01",
            reason,
        });
    }
    if arguments.offline {
        return Ok(SignatureCheck::unknown("--offline asks nobody"));
    }
    if matches!(
        TokenKind::of(token),
        TokenKind::Refresh | TokenKind::Mytoken
    ) {
        return Ok(SignatureCheck::unknown(
            "only whoever made it has to read it",
        ));
    }
    Ok(verify(token, &http).await)
}

/// The text that may be a token.
fn read(file: Option<&Path>) -> Result<SecretString, Failed> {
    let Some(path) = file else {
        let uid = rustix::process::geteuid().as_raw();
        let found = discover(&|name| std::env::var_os(name), uid, Path::new("/tmp"))
            .map_err(|error| Failed::Usage(error.to_string()))?;
        output::note(&format!("note: this is the token in {}", found.place));
        for note in found.notes {
            output::note(&format!("note: {note}"));
        }
        return Ok(found.token);
    };
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
    } else {
        open_regular(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failed::Usage(format!("cannot read {}: {error}", path.display())))?;
    // What is no text is no token either, and is told so.
    Ok(SecretString::from(
        String::from_utf8_lossy(&bytes).into_owned(),
    ))
}
