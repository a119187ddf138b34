//! Why TLS did not come about, in words that say what helps.

use std::error::Error;
use std::io;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Names of a certificate that are told.
const NAMES: usize = 5;

const PORT: &str = "see whether the port is right and speaks https";

/// What is said of `error` if TLS is what broke.
pub(super) fn describe(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(outer) = error.downcast_ref::<io::Error>() {
        let inner = outer.get_ref()?;
        // The TLS stream has no type for it.
        return match outer.kind() == io::ErrorKind::UnexpectedEof
            && inner.to_string() == "tls handshake eof"
        {
            true => Some("the server hung up in the TLS handshake: its log may say why".to_owned()),
            false => describe(inner),
        };
    }
    match error.downcast_ref()? {
        rustls::Error::InvalidCertificate(wrong) => certificate(wrong),
        rustls::Error::AlertReceived(alert) => Some(heard(*alert)),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Some(format!("what came is not TLS: {PORT}"))
        }
        wrong @ (rustls::Error::InvalidMessage(_) | rustls::Error::PeerMisbehaved(_)) => {
            Some(format!("what came is no proper TLS ({wrong}): {PORT}"))
        }
        rustls::Error::DecryptError => Some(
            "what came over TLS cannot be decrypted: the server, or something before it, mixes up connections".to_owned(),
        ),
        rustls::Error::PeerIncompatible(what) => Some(format!(
            "the server speaks no TLS that is safe enough ({what:?}): it needs TLS 1.2 or 1.3"
        )),
        _ => None,
    }
}

fn certificate(wrong: &CertificateError) -> Option<String> {
    let told = match wrong {
        CertificateError::UnknownIssuer => "its certificate comes from a CA that is not trusted here, or the server leaves out the intermediate certificates: name the CA in `ca`, or have the server send its whole chain".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "its certificate has been expired since {}: it needs a new one, unless the clock of this machine is wrong",
            date(*not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "its certificate is not valid before {}: it needs another one, unless the clock of this machine is wrong",
            date(*not_before)
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "its certificate is not for {} but for {}: ask it by a name in its certificate, or have one made with this name",
            expected.to_str(),
            names(presented)
        ),
        CertificateError::Revoked => {
            "its certificate was revoked by its CA: it needs a new one".to_owned()
        }
        CertificateError::ExpiredRevocationListContext { next_update, .. } => format!(
            "its certificate cannot be checked: the revocation list of its CA has been out of date since {}; fetch-crl gets a new one, and `crl: lenient` takes the old one",
            date(*next_update)
        ),
        CertificateError::InvalidPurposeContext { .. } => {
            format!("its {wrong}: it needs one for servers")
        }
        // The library behind the TLS library has no type for it here.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is that of a CA: it needs one for servers".to_owned()
        }
        _ => return None,
    };
    Some(told)
}

/// What the other side did not like.
fn heard(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the server demands a client certificate, and tokens are all that is shown here: it must ask for one at most".to_owned()
        }
        AlertDescription::HandshakeFailure => {
            "the server broke off TLS (HandshakeFailure): it demands a client certificate, which is not shown here, or has no cipher in common; its log may say which".to_owned()
        }
        AlertDescription::ProtocolVersion => {
            "the server refuses TLS 1.2 and 1.3, and nothing older is spoken here".to_owned()
        }
        AlertDescription::UnrecognisedName => {
            "the server does not know itself by this name: ask it by another one, or have it configured".to_owned()
        }
        other => format!("the server broke off TLS ({other:?}): its log may say why"),
    }
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || "a time beyond all dates".to_owned(),
        |time| time.to_string(),
    )
}

/// As the library writes them: `DnsName("se.example.org")`.
fn names(presented: &[String]) -> String {
    let mut told: Vec<_> = presented
        .iter()
        .take(NAMES)
        .map(|name| name.split('"').nth(1).unwrap_or(name).to_owned())
        .collect();
    match presented.len() {
        0 => return "no name at all (subjectAltName)".to_owned(),
        count if count > NAMES => told.push(format!("{} more", count - NAMES)),
        _ => {}
    }
    told.join(", ")
}
