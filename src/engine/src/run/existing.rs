//! Endpoints where nothing may be written: the file that is there to be read.

use touchstone_model::{Exchange, Existing, Method, Purpose};
use touchstone_protocol::said;

use super::observer::Observer;

/// Fewer bytes would turn up in answers by chance, and have no room for ranges.
const LEAST: usize = 32;

/// Why the file cannot be read.
pub(super) struct Unfit {
    /// In words.
    pub reason: String,
    /// What the service answered, if it did.
    pub status: Option<u16>,
    /// Its own words, where it refused.
    pub said: Option<String>,
    /// What was sent.
    pub exchanges: Vec<Exchange>,
}

/// The file's path on the service and its bytes, read once with the observer's token: from here on they
/// are known, as those of a file that was arranged.
///
/// # Errors
/// It is not there, not the one that is meant, or not fit.
pub(super) async fn read(
    observer: &Observer<'_>,
    existing: &Existing,
) -> Result<(String, Vec<u8>), Unfit> {
    let path = observer.endpoint.existing().unwrap_or_default();
    let mut log = Vec::new();
    let answer = observer
        .send(Purpose::Arrange, Method::Get, &path, &[], None, &mut log)
        .await;
    let status = answer.as_ref().ok().map(|answer| answer.status);
    let refused = answer.as_ref().ok().filter(|answer| answer.status >= 400);
    let said = refused.and_then(said);
    let bytes = answer.and_then(|answer| {
        let sum = adler2::adler32_slice(&answer.body);
        if answer.status != 200 {
            Err(format!("GET {path} was answered {}", answer.status))
        } else if answer.truncated {
            Err(format!(
                "it is larger than the {} bytes that are read of an answer; name a small file, or raise `limits: {{body: …}}`",
                answer.body.len()
            ))
        } else if answer.body.len() < LEAST {
            Err(format!(
                "it has {} bytes; to be recognised it needs at least {LEAST}",
                answer.body.len()
            ))
        } else if sum != existing.adler32 {
            Err(format!(
                "its checksum is adler32:{sum:08x}, and adler32:{:08x} was declared",
                existing.adler32
            ))
        } else {
            Ok(answer.body)
        }
    });
    bytes.map(|bytes| (path, bytes)).map_err(|reason| Unfit {
        reason: format!("the existing file of the read-only endpoint: {reason}"),
        status,
        said,
        exchanges: log,
    })
}
