//! A socket that answers like oidc-agent, or not at all.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// What comes back before the connection is closed.
pub enum Says {
    /// A text, perhaps none, after a while.
    Text(String, Duration),
    /// A text byte by byte, without closing.
    Slowly(String),
    /// Nothing, and the connection stays.
    Silence,
}

impl Says {
    pub fn json(document: &Value) -> Self {
        Self::Text(document.to_string(), Duration::ZERO)
    }

    pub fn failure(error: &str, info: &str) -> Self {
        match info {
            "" => Self::json(&json!({"status": "failure", "error": error})),
            info => Self::json(&json!({"status": "failure", "error": error, "info": info})),
        }
    }

    pub fn token(token: &str, issuer: &str) -> Self {
        let expires = jiff::Timestamp::now().as_second() + 1200;
        Self::json(&json!({
            "status": "success",
            "access_token": token,
            "issuer": issuer,
            "expires_at": expires,
        }))
    }
}

/// Ends when it is dropped; the socket's file stays, as it does when an agent is killed.
pub struct FakeAgent {
    asked: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl FakeAgent {
    pub fn start(
        runtime: &Runtime,
        socket: &Path,
        says: impl Fn(&Value) -> Says + Send + Sync + 'static,
    ) -> Self {
        let _inside = runtime.enter();
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).expect("a socket");
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (list, says) = (Arc::clone(&asked), Arc::new(says));
        let task = runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (list, says) = (Arc::clone(&list), Arc::clone(&says));
                tokio::spawn(async move {
                    // The agent reads once.
                    let mut bytes = vec![0; 64 << 10];
                    let read = stream.read(&mut bytes).await.unwrap_or_default();
                    let question: Value =
                        serde_json::from_slice(&bytes[..read]).unwrap_or_default();
                    list.lock().expect("a list").push(question.clone());
                    match says(&question) {
                        Says::Text(text, pause) => {
                            tokio::time::sleep(pause).await;
                            let _ = stream.write_all(text.as_bytes()).await;
                        }
                        Says::Slowly(text) => {
                            for byte in text.bytes() {
                                let _ = stream.write_all(&[byte]).await;
                                tokio::task::yield_now().await;
                            }
                            std::future::pending::<()>().await;
                        }
                        Says::Silence => std::future::pending().await,
                    }
                });
            }
        });
        Self { asked, task }
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("a list").clone()
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.task.abort();
    }
}
