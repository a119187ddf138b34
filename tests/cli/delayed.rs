//! The relay that plays a far-away server: what it delays, what it does not, and what it passes on.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::common::delay::{Counters, Relay};
use crate::common::waiting::{HANGS, wait_until};

const ROUND_TRIP: Duration = Duration::from_millis(200);

/// A server that serves one connection, in a thread of its own.
fn server<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(HANGS)).expect("a socket");
        serve(stream)
    });
    (address, thread)
}

fn connect(relay: &Relay) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", relay.port())).expect("the relay");
    stream.set_read_timeout(Some(HANGS)).expect("a socket");
    stream
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        stream.write_all(&buffer[..length]).expect("an echo");
    }
}

#[test]
fn an_exchange_takes_a_round_trip_and_the_first_one_more() {
    let runtime = Runtime::new().expect("a runtime");
    let (address, _) = server(echo);
    let relay = Relay::start(&runtime, address, ROUND_TRIP).expect("a relay");
    let started = Instant::now();
    let mut stream = connect(&relay);
    let mut answer = [0; 4];
    let mut exchange = || {
        stream.write_all(b"ping").expect("a request");
        stream.read_exact(&mut answer).expect("an answer");
    };
    exchange();
    let first = started.elapsed();
    let again = Instant::now();
    exchange();
    let second = again.elapsed();
    // The handshake is a round trip, the exchange another one.
    assert!(first >= 2 * ROUND_TRIP, "{first:?}");
    assert!(second >= ROUND_TRIP, "{second:?}");
    let counters = relay.counters();
    let seen = Counters {
        opened: 1,
        open: 1,
        most: 1,
        up: 8,
        down: 8,
    };
    assert_eq!(counters, seen);
    drop(stream);
    wait_until("not closed", || relay.counters().open == 0);
}

#[test]
fn what_is_sent_together_travels_together() {
    const MANY: usize = 100;
    const LARGE: usize = 48 << 20;
    let runtime = Runtime::new().expect("a runtime");
    let (address, thread) = server(|mut stream| {
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("all of it");
        got
    });
    let relay = Relay::start(&runtime, address, ROUND_TRIP).expect("a relay");
    let mut stream = connect(&relay);
    for number in 0..MANY {
        stream.write_all(&[number as u8]).expect("a byte");
        thread::sleep(Duration::from_millis(1));
    }
    // More than may be on its way at a time.
    stream.write_all(&vec![7; LARGE]).expect("a lot");
    stream.shutdown(Shutdown::Write).expect("an end");
    let got = thread.join().expect("the server");
    assert_eq!(got.len(), MANY + LARGE);
    assert!(got[..MANY].iter().copied().eq(0..MANY as u8));
    // One after another, there would be one.
    assert!(relay.together() > 10, "{}", relay.together());
    assert_eq!(relay.counters().up, (MANY + LARGE) as u64);
}

#[test]
fn one_direction_ends_before_the_other() {
    let runtime = Runtime::new().expect("a runtime");
    let (address, _) = server(|mut stream| {
        let mut got = String::new();
        stream.read_to_string(&mut got).expect("a question");
        write!(stream, "you said {got}").expect("an answer");
    });
    let relay = Relay::start(&runtime, address, ROUND_TRIP / 10).expect("a relay");
    let mut stream = connect(&relay);
    stream.write_all(b"hello").expect("a question");
    stream.shutdown(Shutdown::Write).expect("an end");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "you said hello");
    wait_until("not closed", || relay.counters().open == 0);
}

#[test]
fn a_reset_arrives_as_a_reset() {
    let runtime = Runtime::new().expect("a runtime");
    // Closing a socket with bytes that nobody read resets the connection.
    let (address, _) = server(|stream| {
        stream.peek(&mut [0; 1]).expect("a byte");
    });
    let relay = Relay::start(&runtime, address, ROUND_TRIP).expect("a relay");
    let mut stream = connect(&relay);
    let started = Instant::now();
    stream.write_all(b"unread").expect("a request");
    let error = stream.read(&mut [0; 1]).expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(started.elapsed() >= 2 * ROUND_TRIP - ROUND_TRIP / 10);
}

#[test]
fn nobody_there_is_a_reset_and_stopping_ends_what_is_open() {
    let runtime = Runtime::new().expect("a runtime");
    let relay = Relay::reserve(&runtime, ROUND_TRIP / 10).expect("a relay");
    let error = connect(&relay).read(&mut [0; 1]).expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let (address, thread) = server(|mut stream| stream.read(&mut [0; 1]).is_err());
    relay.forward(address);
    let mut stream = connect(&relay);
    wait_until("not connected", || relay.counters().opened == 2);
    // So that the connection to the server is there as well.
    stream.write_all(b"").expect("nothing");
    wait_until("not relayed", || relay.counters().open == 1);
    relay.stop();
    let error = stream.read(&mut [0; 1]).expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let refused = || TcpStream::connect(("127.0.0.1", relay.port())).is_err();
    wait_until("somebody still listens", refused);
    drop(thread);
}
