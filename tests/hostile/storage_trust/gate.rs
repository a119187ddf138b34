//! What stands on the port of a storage element before TLS: bytes pass to the storage, or something else happens to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use touchstone_reference::Storage;

use crate::common::test_bed::TestBed;

/// What becomes of a connection.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Its bytes go to the storage and back.
    Pass,
    /// It is reset, once so many bytes have come.
    Reset(usize),
    /// These bytes are said, and then it is closed.
    Say(Vec<u8>),
    /// Nothing is ever said.
    Silence,
    /// These bytes are said again and again, with such a pause between them.
    Again(Vec<u8>, Duration),
    /// What the storage says passes slowly: one byte after each pause.
    Trickle(Duration),
    /// So many bytes of what the storage says pass, and then it is closed.
    CutAfter(usize),
}

/// What happens to connections beyond a limit.
#[derive(Clone, Copy, Debug)]
pub enum Beyond {
    /// They are reset.
    Reset,
    /// They wait unaccepted.
    Wait,
    /// They are accepted and never heard.
    Ignore,
}

/// Stands in front of storage for as long as it lives.
pub struct Gate {
    port: u16,
    task: JoinHandle<()>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    come: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Gate {
    pub fn start(bed: &TestBed, at: &str, storage: &Storage, fate: &Fate) -> Self {
        let fate = fate.clone();
        Self::limited(bed, at, storage, fate, Semaphore::MAX_PERMITS, Beyond::Wait)
    }

    /// No more than `limit` connections at a time have that fate.
    pub fn limited(
        bed: &TestBed,
        at: &str,
        storage: &Storage,
        fate: Fate,
        limit: usize,
        beyond: Beyond,
    ) -> Self {
        let listener = bed.runtime.block_on(TcpListener::bind(at)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let there = SocketAddr::from(([127, 0, 0, 1], storage.port()));
        let counts: Arc<Counts> = Arc::default();
        let counting = Arc::clone(&counts);
        let room = Arc::new(Semaphore::new(limit));
        let task = bed.runtime.spawn(async move {
            let mut ignored = Vec::new();
            loop {
                let waited = match beyond {
                    Beyond::Wait => Some(Arc::clone(&room).acquire_owned().await.expect("room")),
                    Beyond::Reset | Beyond::Ignore => None,
                };
                let Ok((tcp, _)) = listener.accept().await else {
                    return;
                };
                counting.come.fetch_add(1, Ordering::SeqCst);
                let Some(permit) = waited.or_else(|| Arc::clone(&room).try_acquire_owned().ok())
                else {
                    match beyond {
                        Beyond::Ignore => ignored.push(tcp),
                        _ => drop(tcp.set_zero_linger()),
                    }
                    continue;
                };
                let (fate, counting) = (fate.clone(), Arc::clone(&counting));
                tokio::spawn(async move {
                    let open = counting.open.fetch_add(1, Ordering::SeqCst) + 1;
                    counting.most.fetch_max(open, Ordering::SeqCst);
                    // Whoever hangs up in the middle is no concern of ours.
                    meet(&fate, tcp, there).await.ok();
                    counting.open.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                });
            }
        });
        Self { port, task, counts }
    }

    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }

    /// How many connections came.
    pub fn come(&self) -> usize {
        self.counts.come.load(Ordering::SeqCst)
    }

    /// How many were open at the same time at most.
    pub fn most(&self) -> usize {
        self.counts.most.load(Ordering::SeqCst)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn meet(fate: &Fate, mut tcp: TcpStream, there: SocketAddr) -> std::io::Result<()> {
    let mut said = vec![0; 4096];
    match fate {
        Fate::Pass => {
            let mut storage = TcpStream::connect(there).await?;
            tokio::io::copy_bidirectional(&mut tcp, &mut storage).await?;
        }
        Fate::Reset(after) => {
            let mut come = 0;
            while come < *after {
                match tcp.read(&mut said).await? {
                    0 => break,
                    count => come += count,
                }
            }
            tcp.set_zero_linger()?;
        }
        Fate::Say(bytes) => {
            // Closing with something unread would be a reset.
            let _ = tcp.read(&mut said).await?;
            tcp.write_all(bytes).await?;
            tcp.shutdown().await?;
            while tcp.read(&mut said).await? > 0 {}
        }
        Fate::Silence => while tcp.read(&mut said).await? > 0 {},
        Fate::Again(piece, pause) => loop {
            tcp.write_all(piece).await?;
            tokio::time::sleep(*pause).await;
        },
        Fate::Trickle(pause) => {
            let (mut storage, pause) = (TcpStream::connect(there).await?, *pause);
            let (mut hear, mut say) = storage.split();
            let (mut from, mut to) = tcp.split();
            let slowly = async {
                let mut byte = [0];
                while hear.read(&mut byte).await? > 0 {
                    to.write_all(&byte).await?;
                    tokio::time::sleep(pause).await;
                }
                Ok::<_, std::io::Error>(())
            };
            tokio::select! {
                ended = slowly => ended?,
                ended = tokio::io::copy(&mut from, &mut say) => drop(ended?),
            }
        }
        Fate::CutAfter(most) => {
            let mut storage = TcpStream::connect(there).await?;
            let count = tcp.read(&mut said).await?;
            storage.write_all(&said[..count]).await?;
            let mut first = vec![0; *most];
            storage.read_exact(&mut first).await?;
            tcp.write_all(&first).await?;
            tcp.shutdown().await?;
            while tcp.read(&mut said).await? > 0 {}
        }
    }
    Ok(())
}
