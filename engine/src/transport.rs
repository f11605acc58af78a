//! Where messages come from and go to, and the queue of what is to be sent. No sockets here.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::tap::Tap;

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Transport {
    /// Datagrams: a message may be lost or come twice.
    #[default]
    Udp = 0,
    /// A byte stream over a connection.
    Tcp = 1,
    /// The same, through TLS: nobody on the way reads it, and the peer may have shown who it is.
    Tls = 2,
}

/// All that we speak.
const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

impl Transport {
    /// Nothing is lost or comes twice, so nothing is retransmitted (RFC 3261 section 17).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// As Via has it (20.42).
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// Where a peer listens that names no port (19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }

    /// Value of a URI's `transport` parameter, in any case (19.1.1); None for one that we do not speak.
    pub fn from_param(value: &[u8]) -> Option<Self> {
        ALL.into_iter()
            .find(|transport| value.eq_ignore_ascii_case(transport.name().as_bytes()))
    }

    /// From its number, as saved.
    pub fn from_number(number: u8) -> Option<Self> {
        ALL.into_iter().find(|transport| *transport as u8 == number)
    }
}

/// The two ends of a hop: one of our listeners, and the peer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Index of the listener that it came in on, and goes out from.
    pub listener: u16,
    /// What carries it.
    pub transport: Transport,
    /// The connection that it came in on. Where that is gone, or 0, a message takes the connection that we
    /// keep to `peer`, or a new one. Always 0 over UDP.
    pub connection: u32,
    /// The routing gateway that has to be at the other end of a new TLS connection, by its key, so that a driver
    /// knows which name its certificate must bear; 0: none, and the peer is asked for its address. 0 but over TLS.
    pub gateway: u32,
    /// The peer.
    pub peer: SocketAddr,
}

impl Flow {
    /// Datagrams.
    pub fn udp(listener: u16, peer: SocketAddr) -> Self {
        Flow {
            listener,
            transport: Transport::Udp,
            connection: 0,
            gateway: 0,
            peer,
        }
    }
}

/// How we name ourselves towards one side, in Via and Record-Route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop<'a> {
    /// What carries it.
    pub transport: Transport,
    /// `host:port`.
    pub sent_by: &'a str,
}

impl<'a> Hop<'a> {
    /// Where `flow` goes.
    pub(crate) fn of(listeners: &'a [Listener], flow: Flow) -> Self {
        let listener = listeners.get(flow.listener as usize);
        Hop {
            transport: flow.transport,
            sent_by: listener.map_or("", |listener| &listener.sent_by),
        }
    }
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
    /// Whether it has a UDP socket.
    pub udp: bool,
    /// Whether its connections are TLS, else TCP.
    pub tls: bool,
    /// Whether its address is of IPv6.
    pub ipv6: bool,
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
            udp: true,
            tls: false,
            ipv6: host.contains(':'),
        }
    }

    /// Whether a host, in brackets or not, and a port are what peers know it by.
    pub fn is_named(&self, host: &[u8], port: u16) -> bool {
        let host = host.strip_prefix(b"[").unwrap_or(host);
        let host = host.strip_suffix(b"]").unwrap_or(host);
        self.port == port && host.eq_ignore_ascii_case(self.host.as_bytes())
    }

    /// Whether messages over this transport come in here.
    pub fn serves(&self, transport: Transport) -> bool {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => !self.tls,
            Transport::Tls => self.tls,
        }
    }
}

/// The listener from which a message goes to a peer: the wanted one if it serves the transport and has an address
/// of the peer's family, else the first such. A connection can be opened from any listener of the family, though
/// the peer cannot answer on another then.
pub fn listener_for(
    listeners: &[Listener],
    transport: Transport,
    peer: SocketAddr,
    wanted: u16,
) -> u16 {
    let reaches = |listener: &Listener| listener.ipv6 == peer.is_ipv6();
    let fits = |listener: &Listener| reaches(listener) && listener.serves(transport);
    if listeners.get(wanted as usize).is_some_and(fits) {
        return wanted;
    }
    let first = |test: &dyn Fn(&Listener) -> bool| listeners.iter().position(test);
    first(&fits)
        .or_else(|| {
            let stream = transport.is_reliable();
            first(&|listener| listener.serves(transport) || stream && reaches(listener))
        })
        .map_or(wanted, |at| at as u16)
}

/// What is to be sent: datagrams back to back in one buffer that is used again for every batch, and messages
/// for connections, which find theirs when they are handed out (stream/).
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    queue: Vec<(Flow, Range<usize>)>,
    pub(crate) streamed: Vec<Streamed>,
    /// Copies what is queued, while somebody wants it.
    pub(crate) tap: Option<Box<Tap>>,
}

/// A message for a connection.
pub(crate) struct Streamed {
    /// Where it goes.
    pub flow: Flow,
    /// Branch of a request whose sender wants to know if it cannot be sent; 0: nobody asks.
    pub branch: u64,
    /// The message.
    pub bytes: Box<[u8]>,
}

/// The largest UDP payload over IPv4 (65,535 less 8 of UDP and 20 of IP header).
pub const DATAGRAM_MAX: usize = 65_507;

impl Outbox {
    /// Queue one message.
    pub fn push(&mut self, flow: Flow, message: &[u8]) {
        self.push_request(flow, 0, message);
    }

    /// Queue the request of a client transaction.
    pub(crate) fn push_request(&mut self, flow: Flow, branch: u64, message: &[u8]) {
        if let Some(tap) = &mut self.tap {
            tap.record(false, flow, message);
        }
        if flow.transport.is_reliable() {
            return self.streamed.push(Streamed {
                flow,
                branch,
                bytes: message.into(),
            });
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(message);
        self.queue.push((flow, start..self.bytes.len()));
    }

    /// Print a message into the queue without a copy of its own.
    pub fn print(&mut self, flow: Flow, write: impl FnOnce(&mut Vec<u8>)) {
        if flow.transport.is_reliable() {
            let mut bytes = Vec::with_capacity(512);
            write(&mut bytes);
            return self.push(flow, &bytes);
        }
        let start = self.bytes.len();
        write(&mut self.bytes);
        if let Some(tap) = &mut self.tap {
            tap.record(false, flow, &self.bytes[start..]);
        }
        self.queue.push((flow, start..self.bytes.len()));
    }

    /// How many datagrams wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no datagram waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Each waiting datagram with where it goes.
    pub fn iter(&self) -> impl Iterator<Item = (Flow, &[u8])> {
        self.queue
            .iter()
            .map(|(flow, range)| (*flow, &self.bytes[range.clone()]))
    }

    /// Move the datagrams into an outbox that has none, and take its memory in exchange.
    pub fn take_datagrams(&mut self, into: &mut Outbox) {
        std::mem::swap(&mut self.bytes, &mut into.bytes);
        std::mem::swap(&mut self.queue, &mut into.queue);
    }

    /// The first `count` datagrams are gone.
    pub fn sent(&mut self, count: usize) {
        self.queue.drain(..count.min(self.queue.len()));
        if self.queue.is_empty() {
            self.bytes.clear();
        }
    }
}
