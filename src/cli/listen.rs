//! Our own server as a host to which tokens point.

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;

use crate::reference::{Authority, Foreign, Listening};
use crate::run::{Ear, Listener};
use crate::token;

use super::output::Failed;

/// `--listen HOST[:PORT]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The name under which storage elements reach this machine.
    pub host: String,
    /// 0 for any free one.
    pub port: u16,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "expected a name or an IPv4 address of this machine, perhaps with `:PORT`";
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (
                host,
                port.parse().ok().filter(|port| *port != 0).ok_or(wrong)?,
            ),
            None => (text, 0),
        };
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
        if host.is_empty() || !host.bytes().all(legal) {
            return Err(wrong);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// What opens servers at `address`, or for this machine alone, with certificates of `authority`.
pub fn listener(
    authority: &Authority,
    address: Option<&Address>,
) -> Result<Arc<dyn Listener>, Failed> {
    let failed = |reason: String| Failed::Undecided(format!("no listener: {reason}"));
    let key = token::rogue_key().map_err(failed)?;
    let host = address.map(|address| address.host.clone());
    let port = address.map_or(0, |address| address.port);
    let foreign = Foreign::new(authority, host, port, key);
    Ok(Arc::new(Opener(
        foreign.map_err(|error| failed(error.to_string()))?,
    )))
}

struct Opener(Foreign);

#[async_trait]
impl Listener for Opener {
    async fn open(&self) -> Result<Box<dyn Ear>, String> {
        let listening = self.0.open().await.map_err(|error| error.to_string())?;
        Ok(Box::new(Open(listening)))
    }
}

struct Open(Listening);

impl Ear for Open {
    fn origin(&self) -> &str {
        self.0.origin()
    }

    fn heard(&self) -> (usize, String) {
        self.0.heard()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port() {
        let address = |host: &str, port| Address {
            host: host.into(),
            port,
        };
        assert_eq!("me.example.org".parse(), Ok(address("me.example.org", 0)));
        assert_eq!("192.0.2.7:8446".parse(), Ok(address("192.0.2.7", 8446)));
        for wrong in [
            "",
            ":1",
            "h:",
            "h:0",
            "h:65536",
            "h:1:2",
            "https://h",
            "h/x",
            "[::1]",
            "a b",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
