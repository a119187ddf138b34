//! TLS for who speaks it, and none for the others: what no issuer may do.

use std::future::Future;
use std::io;
use std::pin::Pin;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// With what every TLS connection begins (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// Takes connections with TLS as `A` does, and others as they are.
#[derive(Clone)]
pub(crate) struct Either<A>(pub(crate) A);

/// A connection of either kind.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type Accepted<S> = io::Result<(Box<dyn Duplex>, S)>;

impl<A, S> Accept<TcpStream, S> for Either<A>
where
    A: Accept<TcpStream, S, Service = S> + Clone + Send + 'static,
    A::Stream: Duplex + 'static,
    A::Future: Send,
    S: Send + 'static,
{
    type Stream = Box<dyn Duplex>;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = Accepted<S>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self(inner) = self.clone();
        Box::pin(async move {
            let mut first = [0];
            stream.peek(&mut first).await?;
            if first != [HANDSHAKE] {
                return Ok((Box::new(stream) as Box<dyn Duplex>, service));
            }
            let (stream, service) = inner.accept(stream, service).await?;
            Ok((Box::new(stream) as Box<dyn Duplex>, service))
        })
    }
}
