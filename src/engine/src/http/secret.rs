//! Secrets on their way into a request.

use hyper::body::Bytes;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// A header's value that ends with a secret; `None` if no header can carry it. No log shows it, and its bytes are
/// overwritten when the last copy of the value is dropped.
///
/// Whoever sends it copies it: hyper into its write buffer, rustls into a record. These are freed with the
/// connection, and overwritten then if the program's allocator does that, as the one of `touchstone` does.
pub(crate) fn secret_value(scheme: &str, secret: &SecretString) -> Option<HeaderValue> {
    let bytes = Zeroizing::new([scheme, secret.expose_secret()].concat().into_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_sent_and_not_shown() {
        let value = secret_value("Bearer ", &SecretString::from("a-secret")).unwrap();
        assert_eq!(value.as_bytes(), b"Bearer a-secret");
        assert_eq!(format!("{value:?}"), "Sensitive");
        for odd in ["a\nb", "a\rb", "\0", "\u{7f}"] {
            assert!(
                secret_value("", &SecretString::from(odd)).is_none(),
                "{odd:?}"
            );
        }
    }
}
