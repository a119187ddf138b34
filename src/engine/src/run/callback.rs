//! A server of ours to which tokens point, and which nobody should ever ask.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use touchstone_model::{Contact, LISTENER, LISTENER_HOST, Script, Touch};

/// Opens such servers.
#[async_trait]
pub trait CallbackServers: Send + Sync {
    /// One for a case of its own; it listens until what is returned is dropped.
    ///
    /// # Errors
    /// Why there is none, in words.
    async fn open(&self) -> Result<Box<dyn CallbackServer>, String>;
}

/// Hears who connects.
pub trait CallbackServer: Send + Sync {
    /// Its URL without a slash at the end; nobody can guess its path.
    fn origin(&self) -> &str;
    /// Who came so far, and what for, in order.
    fn contacts(&self) -> Vec<Contact>;
}

/// How long somebody who has connected may take until the first word.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks whether it has come.
const PAUSE: Duration = Duration::from_millis(10);

/// Who came so far. Whoever has just connected may be about to say what for: the answer to the step that set it off can be here
/// before that.
pub(super) async fn settled_contacts(callback: &dyn CallbackServer) -> Vec<Contact> {
    let patience = Instant::now() + PATIENCE;
    loop {
        let heard = callback.contacts();
        let silent = heard
            .last()
            .is_some_and(|contact| contact.what == Touch::Connected);
        if !silent || Instant::now() >= patience {
            return heard;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether `script` has a token that points to the listener.
pub(super) fn needs_callback(script: &Script) -> bool {
    let mut needed = false;
    let _ = script.map_texts(&mut |text| {
        needed |= text.contains(LISTENER) || text.contains(LISTENER_HOST);
        String::new()
    });
    needed
}

/// `script` with the listener's URL filled in.
pub(super) fn fill_callback(script: &Script, origin: &str) -> Script {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    script.map_texts(&mut |text| text.replace(LISTENER, origin).replace(LISTENER_HOST, host))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Somebody whose first word is there at the third look, if ever.
    struct Slow {
        looks: AtomicUsize,
        speaks: bool,
    }

    impl CallbackServer for Slow {
        fn origin(&self) -> &str {
            "https://localhost"
        }

        fn contacts(&self) -> Vec<Contact> {
            let late = self.looks.fetch_add(1, Ordering::Relaxed) >= 2;
            let said = Touch::Asked("…/marker".into());
            let words = (late && self.speaks).then_some(said);
            let all = std::iter::once(Touch::Connected).chain(words);
            let from = std::net::Ipv4Addr::LOCALHOST.into();
            all.map(|what| Contact { from, what }).collect()
        }
    }

    #[tokio::test]
    async fn the_first_word_of_whoever_has_connected_is_waited_for() {
        for (speaks, contacts) in [(true, 2), (false, 1)] {
            let callback = Slow {
                looks: AtomicUsize::new(0),
                speaks,
            };
            assert_eq!(settled_contacts(&callback).await.len(), contacts);
        }
    }
}
