//! A far-away server: a TCP relay on loopback that delays each direction by half of a round trip. What is
//! sent within that time is on its way together, so the delay limits no throughput.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

const CHUNK: usize = 64 << 10;
/// How much may be on its way in one direction of a connection; then the sender waits.
const ON_ITS_WAY: usize = 16 << 20;
/// What a chunk costs at least, so that very many tiny ones are bounded too.
const CHUNK_COST: usize = 256;

/// What went through a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections that clients opened.
    pub opened: usize,
    /// How many are open now.
    pub open: usize,
    /// How many were open at the same time, at most.
    pub most: usize,
    /// Bytes that reached the server.
    pub up: u64,
    /// Bytes that reached clients.
    pub down: u64,
}

/// The relay. It stops, and resets its connections, when it is dropped.
pub struct Relay {
    port: u16,
    inner: Arc<Inner>,
    accepting: JoinHandle<()>,
}

struct Inner {
    round_trip: Duration,
    target: Mutex<Option<SocketAddr>>,
    opened: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
    up: AtomicU64,
    down: AtomicU64,
    together: AtomicUsize,
}

impl Relay {
    /// Listens on a free port of 127.0.0.1, in front of `target`.
    pub fn start(runtime: &Runtime, target: SocketAddr, round_trip: Duration) -> io::Result<Self> {
        let relay = Self::reserve(runtime, round_trip)?;
        relay.forward(target);
        Ok(relay)
    }

    /// Listens already, for servers that have to be told their public port before they start. Until
    /// [`Relay::forward`] is called, connections are reset.
    pub fn reserve(runtime: &Runtime, round_trip: Duration) -> io::Result<Self> {
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let port = listener.local_addr()?.port();
        let inner = Arc::new(Inner {
            round_trip,
            target: Mutex::new(None),
            opened: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            together: AtomicUsize::new(0),
        });
        let accepting = runtime.spawn(accept(listener, Arc::clone(&inner)));
        Ok(Self {
            port,
            inner,
            accepting,
        })
    }

    /// New connections go to `target` from now on.
    pub fn forward(&self, target: SocketAddr) {
        *self.inner.target.lock().expect("a target") = Some(target);
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://localhost:PORT`.
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// What went through so far.
    pub fn counters(&self) -> Counters {
        let inner = &self.inner;
        Counters {
            opened: inner.opened.load(Ordering::SeqCst),
            open: inner.open.load(Ordering::SeqCst),
            most: inner.most.load(Ordering::SeqCst),
            up: inner.up.load(Ordering::SeqCst),
            down: inner.down.load(Ordering::SeqCst),
        }
    }

    /// How many pieces were on their way in one direction at the same time, at most.
    pub fn together(&self) -> usize {
        self.inner.together.load(Ordering::SeqCst)
    }

    /// Nobody listens there any more, and what is open is reset.
    pub fn stop(&self) {
        self.accepting.abort();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Counts a connection as open for as long as it lives.
struct Open(Arc<Inner>);

impl Open {
    fn new(inner: &Arc<Inner>) -> Self {
        inner.opened.fetch_add(1, Ordering::SeqCst);
        let open = inner.open.fetch_add(1, Ordering::SeqCst) + 1;
        inner.most.fetch_max(open, Ordering::SeqCst);
        Self(Arc::clone(inner))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The connections end with this task.
async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let open = Open::new(&inner);
                    connections.spawn(relay(client, open));
                }
                // Out of descriptors: some have to be closed first.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A socket that is reset when it is dropped, unless both directions came to an orderly end.
struct End {
    stream: TcpStream,
    orderly: bool,
}

impl End {
    fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            orderly: false,
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.orderly {
            let _ = self.stream.set_zero_linger();
        }
    }
}

async fn relay(client: TcpStream, open: Open) {
    let inner = &open.0;
    // On a real network the client hears of its connection a round trip after it asked.
    let opened = Instant::now() + inner.round_trip;
    let mut client = End::new(client);
    let target = *inner.target.lock().expect("a target");
    let connected = match target {
        Some(target) => TcpStream::connect(target).await,
        None => Err(io::ErrorKind::ConnectionRefused.into()),
    };
    let Ok(server) = connected else {
        sleep_until(opened).await;
        return;
    };
    let mut server = End::new(server);
    let half = inner.round_trip / 2;
    let ended = {
        let (from_client, to_client) = client.stream.split();
        let (from_server, to_server) = server.stream.split();
        tokio::try_join!(
            carry(
                from_client,
                to_server,
                half,
                opened,
                (&inner.up, &inner.together)
            ),
            carry(
                from_server,
                to_client,
                half,
                opened,
                (&inner.down, &inner.together)
            ),
        )
    };
    client.orderly = ended.is_ok();
    server.orderly = ended.is_ok();
}

enum Sent {
    Bytes(Vec<u8>, OwnedSemaphorePermit),
    End,
    Reset(io::Error),
}

/// One direction, until its end has been delivered. Fails when it was reset, once the other side can know.
async fn carry(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    delay: Duration,
    not_before: Instant,
    (count, together): (&AtomicU64, &AtomicUsize),
) -> io::Result<()> {
    let (sender, mut queue) = mpsc::unbounded_channel::<(Instant, Sent)>();
    let room = Arc::new(Semaphore::new(ON_ITS_WAY));
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let got = from.read(&mut buffer).await;
            let due = Instant::now().max(not_before) + delay;
            let sent = match got {
                Ok(0) => Sent::End,
                Ok(length) => {
                    let cost = u32::try_from(length.max(CHUNK_COST)).unwrap_or(u32::MAX);
                    let Ok(permit) = Arc::clone(&room).acquire_many_owned(cost).await else {
                        break;
                    };
                    Sent::Bytes(buffer[..length].to_vec(), permit)
                }
                Err(error) => Sent::Reset(error),
            };
            let last = !matches!(sent, Sent::Bytes(..));
            if sender.send((due, sent)).is_err() || last {
                break;
            }
        }
        // The other half decides when this direction is over.
        pending::<io::Result<()>>().await
    };
    let write = async {
        while let Some((due, sent)) = queue.recv().await {
            sleep_until(due).await;
            together.fetch_max(queue.len() + 1, Ordering::SeqCst);
            match sent {
                Sent::Bytes(bytes, _permit) => {
                    count.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                    to.write_all(&bytes).await?;
                }
                Sent::End => {
                    to.shutdown().await?;
                    return Ok(());
                }
                Sent::Reset(error) => return Err(error),
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
    }
}
