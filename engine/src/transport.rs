//! Where messages come from and go to, and the queue of what is to be sent. No sockets here.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// The two ends of a hop: one of our listeners, and the peer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Index of the listener that it came in on, and goes out from.
    pub listener: u16,
    /// The peer.
    pub peer: SocketAddr,
}

/// IPv4-mapped IPv6 addresses are the IPv4 address that they stand for.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or(addr, |v4| SocketAddr::new(IpAddr::V4(v4), addr.port())),
        IpAddr::V4(_) => addr,
    }
}

/// What peers are told about one of our sockets.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `host:port` as it stands in Via and Record-Route; IPv6 in brackets.
    pub sent_by: String,
    /// Host part of `sent_by`, without brackets.
    pub host: String,
    /// Port part of `sent_by`.
    pub port: u16,
}

impl Listener {
    /// `host` without brackets.
    pub fn new(host: &str, port: u16) -> Self {
        let bracketed = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Listener {
            sent_by: format!("{bracketed}:{port}"),
            host: host.to_owned(),
            port,
        }
    }
}

/// Datagrams to be sent, back to back in one buffer that is used again for every batch.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    queue: Vec<(Flow, Range<usize>)>,
}

/// The largest UDP payload over IPv4 (65,535 less 8 of UDP and 20 of IP header).
pub const DATAGRAM_MAX: usize = 65_507;

impl Outbox {
    /// Queue one message.
    pub fn push(&mut self, flow: Flow, message: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(message);
        self.queue.push((flow, start..self.bytes.len()));
    }

    /// Print a message into the queue without a copy of its own.
    pub fn print(&mut self, flow: Flow, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.queue.push((flow, start..self.bytes.len()));
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Each waiting message with where it goes.
    pub fn iter(&self) -> impl Iterator<Item = (Flow, &[u8])> {
        self.queue
            .iter()
            .map(|(flow, range)| (*flow, &self.bytes[range.clone()]))
    }

    /// The first `count` are gone.
    pub fn sent(&mut self, count: usize) {
        self.queue.drain(..count.min(self.queue.len()));
        if self.queue.is_empty() {
            self.bytes.clear();
        }
    }
}
