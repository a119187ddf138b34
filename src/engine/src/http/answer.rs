//! Answers as they come in: capped, and nobody is waited for without end.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use reqwest::header::HeaderMap;
use tokio::time::timeout;

use touchstone_model::{Answer, BrokeOff, Limits};

/// An answer whose body is still to come.
pub(super) fn head(status: u16, headers: &HeaderMap) -> Answer {
    Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        ..Answer::default()
    }
}

/// Why the body of an answer did not come to its end.
#[derive(Debug)]
pub(super) struct Unread {
    /// In words.
    pub reason: String,
    /// What had come when the other side ended it.
    pub broke_off: Option<BrokeOff>,
}

/// The answer with its body, up to the cap.
///
/// # Errors
/// The body stopped or broke off.
pub(super) async fn read<B: AsRef<[u8]>, E>(
    mut answer: Answer,
    body: impl Stream<Item = Result<B, E>>,
    limits: &Limits,
    deadline: Instant,
    explain: impl Fn(&E) -> String,
) -> Result<Answer, Unread> {
    let mut body = pin!(body);
    loop {
        let wait = limits.idle.min(left(deadline));
        let begun = Instant::now();
        let piece = timeout(wait, body.next()).await;
        answer.pause = answer.pause.max(begun.elapsed());
        let piece = match piece {
            Err(_) => {
                return Err(Unread {
                    reason: format!("the answer's body stopped for {}", seconds(wait)),
                    broke_off: None,
                });
            }
            Ok(None) => return Ok(answer),
            Ok(Some(Err(error))) => {
                return Err(Unread {
                    reason: format!("the answer's body broke off: {}", explain(&error)),
                    broke_off: Some(BrokeOff {
                        status: answer.status,
                        received: answer.body.len(),
                    }),
                });
            }
            Ok(Some(Ok(piece))) => piece,
        };
        let piece = piece.as_ref();
        let room = limits.body - answer.body.len();
        answer
            .body
            .extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            answer.truncated = true;
            return Ok(answer);
        }
    }
}

/// How much time there is until then.
pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// For messages.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;
    use crate::waiting::HANGS;

    fn come(pieces: &[Vec<u8>], cap: usize) -> Answer {
        let limits = Limits {
            body: cap,
            ..Limits::default()
        };
        let body = stream::iter(pieces.iter().map(Ok::<_, Infallible>));
        let deadline = Instant::now() + HANGS;
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time();
        let reading = read(Answer::default(), body, &limits, deadline, |_| {
            String::new()
        });
        runtime.build().unwrap().block_on(reading).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_body_is_the_same_wherever_it_was_split(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..12),
            cap in 1_usize..120,
        ) {
            let whole = pieces.concat();
            let (split, once) = (come(&pieces, cap), come(std::slice::from_ref(&whole), cap));
            prop_assert_eq!(&split.body, &whole[..whole.len().min(cap)]);
            prop_assert_eq!(split.truncated, whole.len() > cap);
            prop_assert_eq!((&split.body, split.truncated), (&once.body, once.truncated));
        }
    }
}
