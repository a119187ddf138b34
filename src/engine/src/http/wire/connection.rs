use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::client::TlsStream;

use crate::http::{answer, cause};
use touchstone_model::{Answer, BrokeOff, Limits};

use super::message::Message;

/// How long a server may still say something about a farewell.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// More informational responses than any server has to say before its answer.
const MAX_INTERIM: usize = 16;

type Stream = TlsStream<TcpStream>;

/// One connection. What is said is written here; hyper hears the answers.
pub(super) struct Connection {
    writer: WriteHalf<Stream>,
    response: SendRequest<Empty<Bytes>>,
    /// Told when hyper waits for an answer: before that it would take one for a breach.
    listening: Arc<Notify>,
    reader_task: AbortHandle,
    used: bool,
    /// Whether the next request may follow on the last.
    clean: bool,
}

/// What happened on the way.
#[derive(Default)]
pub(super) struct Progress {
    /// A 100 came.
    pub continued: bool,
    /// The whole body went out.
    pub body: bool,
    /// The connection had carried a request before.
    pub reused: bool,
}

/// Why there is no answer.
pub(super) struct ExchangeFailure {
    pub reason: String,
    /// Nothing came back, and at once.
    pub again: bool,
    /// What had come of an answer that did not come to its end.
    pub broke_off: Option<BrokeOff>,
}

impl Connection {
    /// # Errors
    /// In words.
    pub async fn new(stream: Stream) -> Result<Self, String> {
        let (read, writer) = tokio::io::split(stream);
        let listening = Arc::new(Notify::new());
        let io = TokioIo::new(ResponseReader {
            stream: read,
            listening: Arc::clone(&listening),
        });
        let (response, connection) = http1::handshake(io).await.map_err(|error| cause(&error))?;
        let listener = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {}", cause(&error));
            }
        });
        Ok(Self {
            writer,
            response,
            listening,
            reader_task: listener.abort_handle(),
            used: false,
            clean: true,
        })
    }

    /// Whether it can take another request.
    pub fn open(&self) -> bool {
        self.clean && !self.response.is_closed()
    }

    /// Waits until the last answer is done with; false if the server has closed the connection.
    pub async fn ready(&mut self) -> bool {
        self.clean
            && matches!(
                timeout(CLOSE_TIMEOUT, self.response.ready()).await,
                Ok(Ok(()))
            )
    }

    /// Sends a request and reads its answer.
    pub async fn exchange(
        &mut self,
        message: &Message,
        limits: &Limits,
        deadline: Instant,
        said: &mut Progress,
    ) -> Result<Answer, ExchangeFailure> {
        said.reused = self.used;
        self.used = true;
        self.clean = false;
        let (response, complete) = self.exchange_head(message, limits, deadline, said).await?;
        let (head, body) = response.into_parts();
        let mut answer = answer::head(head.status.as_u16(), &head.headers);
        answer.head = Some(Instant::now());
        let body = body.into_data_stream();
        let answer = answer::read(answer, body, limits, deadline, |error| cause(error))
            .await
            .map_err(|unread| ExchangeFailure {
                reason: unread.reason,
                again: false,
                broke_off: unread.broke_off,
            })?;
        self.clean = complete && !answer.truncated && answer.status != 101;
        Ok(answer)
    }

    /// The head of the answer, and whether everything was said by then.
    async fn exchange_head(
        &mut self,
        message: &Message,
        limits: &Limits,
        deadline: Instant,
        said: &mut Progress,
    ) -> Result<(Response<Incoming>, bool), ExchangeFailure> {
        let interim = Arc::new(Interim::default());
        let mut request = Request::new(Empty::new());
        *request.method_mut() = message.method.clone();
        let seen = Arc::clone(&interim);
        hyper::ext::on_informational(&mut request, move |response| {
            seen.take(response.status().as_u16());
        });

        let wait = limits.first_byte.min(answer::left(deadline));
        let until = Instant::now() + wait;
        let mut hearing = pin!(self.response.send_request(request));
        let speaking = write_request(
            &mut self.writer,
            &self.listening,
            message,
            &interim,
            &mut said.body,
        );
        let mut speaking = pin!(speaking);
        let mut spoken = None;
        let ended = loop {
            tokio::select! {
                biased;
                heard = &mut hearing => break heard.map_err(|error| ExchangeFailure {
                    reason: format!("the exchange broke: {}", cause(&error)),
                    // What could not be read is an answer all the same.
                    again: !error.is_parse(),
                    broke_off: None,
                }),
                () = interim.enough.notified() => break Err(ExchangeFailure {
                    reason: format!("more than {MAX_INTERIM} informational responses and no answer"),
                    again: false,
                    broke_off: None,
                }),
                // A server may answer and then hang up on the rest: its answer counts.
                // What it says to an upload that was cut is waited for as any answer: what is found does not depend
                // on how busy the server is, and one that has nothing to say closes the connection.
                done = &mut speaking, if spoken.is_none() => spoken = Some(done.is_ok()),
                () = sleep_until(until.into()) => break Err(ExchangeFailure {
                    reason: format!("no answer within {}", answer::seconds(wait)),
                    again: false,
                    broke_off: None,
                }),
            }
        };
        said.continued = interim.continued.load(Ordering::Relaxed);
        match (ended, message.cut) {
            (Ok(response), cut) => Ok((response, cut.is_none() && spoken == Some(true))),
            (Err(_), Some((at, of))) if spoken == Some(true) => Err(ExchangeFailure {
                reason: format!(
                    "the connection was closed on purpose after {at} of {of} bytes of the body; no answer came"
                ),
                again: false,
                broke_off: None,
            }),
            (Err(broken), _) => Err(broken),
        }
    }

    /// Takes leave of the server, which need not hear it.
    pub async fn close(mut self) {
        let _ = timeout(CLOSE_TIMEOUT, self.writer.shutdown()).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader_task.abort();
    }
}

/// Says everything, as far as it is wanted.
async fn write_request(
    writer: &mut WriteHalf<Stream>,
    listening: &Notify,
    message: &Message,
    interim: &Interim,
    all: &mut bool,
) -> io::Result<()> {
    listening.notified().await;
    let Some(body) = &message.body else {
        writer.write_all(&message.head).await?;
        return writer.flush().await;
    };
    if let Some(patience) = message.expects {
        writer.write_all(&message.head).await?;
        writer.flush().await?;
        tokio::select! {
            () = interim.go_on.notified() => {}
            () = sleep(patience) => {}
        }
        writer.write_all(body).await?;
    } else {
        // In one piece, as small uploads mostly come: some servers take no chunk that follows the head alone.
        writer
            .write_all(&[message.head.as_slice(), body].concat())
            .await?;
    }
    writer.flush().await?;
    if message.cut.is_some() {
        return writer.shutdown().await;
    }
    *all = true;
    Ok(())
}

/// The informational responses to one request.
#[derive(Default)]
struct Interim {
    count: AtomicUsize,
    continued: AtomicBool,
    go_on: Notify,
    enough: Notify,
}

impl Interim {
    fn take(&self, status: u16) {
        if status == 100 {
            self.continued.store(true, Ordering::Relaxed);
            self.go_on.notify_one();
        }
        if self.count.fetch_add(1, Ordering::Relaxed) >= MAX_INTERIM {
            self.enough.notify_one();
        }
    }
}

/// The connection as hyper has it: it reads, and what it would write goes nowhere.
struct ResponseReader {
    stream: ReadHalf<Stream>,
    listening: Arc<Notify>,
}

impl AsyncRead for ResponseReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ResponseReader {
    /// hyper writes the head of a request without a body in one piece, and then listens.
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.listening.notify_one();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
