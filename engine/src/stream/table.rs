//! The connections: which there are, what waits for each, how many a peer may have.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::stream::framing::Framing;
use crate::timer::{Nanos, T1, TRANSACTION};
use crate::transport::{Flow, Streamed, Transport};

/// What a driver has to do with its sockets, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order {
    /// Open a connection from the address of a listener.
    Connect {
        /// Our id of it.
        stream: u32,
        /// Index of the listener.
        listener: u16,
        /// TCP, or TLS.
        transport: Transport,
        /// Whose certificate has to be shown over TLS ([`Flow::gateway`]).
        gateway: u32,
        /// Where to.
        peer: SocketAddr,
    },
    /// Write.
    Send {
        /// Our id of the connection.
        stream: u32,
        /// Whole messages.
        bytes: Vec<u8>,
    },
    /// Close it once what was written is sent; nothing more will be said of it.
    Close {
        /// Our id of the connection.
        stream: u32,
    },
}

/// What peers may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections that peers have opened; and as many more that we have, so that no crowd of callers keeps
    /// a gateway from being reached.
    pub total: usize,
    /// Connections with one address, whoever opened them.
    pub per_source: usize,
    /// A connection that has not sent a whole message by then closes: from its beginning, and from the first
    /// byte of any later message.
    pub message: Nanos,
    /// A connection that was not used for so long closes; at least 64*T1 (18, checklist T-08).
    pub idle: Nanos,
    /// Connections of peers that are in their TLS handshake: each costs a millisecond of computing.
    pub handshakes: usize,
    /// A handshake that a peer has begun is over by then.
    pub handshake: Nanos,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            total: 2048,
            per_source: 64,
            message: 10_000_000_000,
            idle: 300_000_000_000,
            handshakes: 256,
            handshake: 5_000_000_000,
        }
    }
}

/// A connection is there by then, or not at all: one repeated SYN, and time left for another gateway within
/// the usual answer timeout of 4 s.
pub const CONNECT: Nanos = 2_000_000_000;

/// A message that lasts to the end has ended when so long nothing came: its sender waits for the answer, and
/// would send again after T1 over UDP.
pub const QUIET: Nanos = T1;

/// Bytes that may wait for a connection to open; what comes beyond is lost, as it would be on the wire.
const WAITING_MAX: usize = 4 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Connecting,
    /// A peer has opened it, and TLS is being agreed.
    Securing,
    Open,
    /// What is queued goes, and then it is closed.
    Closing,
}

/// A request on its way, whose transaction is to hear if the connection fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub branch: u64,
    /// The connection was opened for it, so that another would fail as well.
    pub fresh: bool,
}

/// One connection.
pub(crate) struct Stream {
    pub listener: u16,
    pub transport: Transport,
    pub gateway: u32,
    pub peer: SocketAddr,
    /// Names in the verified certificate of the peer.
    pub certificate: Option<Arc<[String]>>,
    inbound: bool,
    pub state: State,
    pub framing: Framing,
    out: Vec<u8>,
    /// It stands in `Streams::ready`.
    queued: bool,
    pub pending: Vec<Pending>,
    /// Length of `pending` at which those that are over are taken out.
    pub prune_at: usize,
    opened: Nanos,
    pub used: Nanos,
    /// Since when a message is waited for.
    pub message_since: Option<Nanos>,
    /// Its last message lasts to the end, which is then unless more comes.
    pub ends: Option<Nanos>,
    /// Its last message was read: what else comes is not.
    pub ended: bool,
    /// The timer that counts; others of this connection are stale.
    pub wake: Nanos,
}

impl Stream {
    /// What a message on it came by; `id` is its own.
    pub fn flow(&self, id: u32) -> Flow {
        Flow {
            listener: self.listener,
            transport: self.transport,
            connection: id,
            gateway: self.gateway,
            peer: self.peer,
        }
    }

    /// When it is to be closed, as things stand.
    pub fn deadline(&self, limits: &Limits) -> Nanos {
        let idle = self.used + limits.idle.max(TRANSACTION);
        let message = self.message_since.map(|since| since + limits.message);
        match self.state {
            State::Connecting => self.opened + CONNECT,
            State::Securing => self.opened + limits.handshake,
            _ => [message, self.ends]
                .into_iter()
                .flatten()
                .fold(idle, Nanos::min),
        }
    }
}

/// The key of the connection that we keep to where a flow goes.
fn kept(flow: Flow) -> Flow {
    Flow {
        connection: 0,
        ..flow
    }
}

/// All of them.
#[derive(Default)]
pub struct Streams {
    pub(crate) limits: Limits,
    table: HashMap<u32, Stream>,
    /// The connection that we have opened to an address, used for all requests to it.
    to_peer: HashMap<Flow, u32>,
    per_source: HashMap<IpAddr, usize>,
    inbound: usize,
    securing: usize,
    last: u32,
    ready: Vec<u32>,
    orders: Vec<Order>,
}

impl Streams {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// A peer has opened one; None: it may not.
    pub(crate) fn accept(&mut self, now: Nanos, flow: Flow) -> Option<u32> {
        let secures = flow.transport == Transport::Tls;
        if self.inbound >= self.limits.total || secures && self.securing >= self.limits.handshakes {
            return None;
        }
        let state = if secures {
            State::Securing
        } else {
            State::Open
        };
        let id = self.insert(now, flow, state)?;
        self.securing += usize::from(secures);
        Some(id)
    }

    /// TLS is agreed on one that a peer has opened, with the names that its certificate was verified to bear.
    /// False where it is not waited for.
    pub(crate) fn secured(
        &mut self,
        now: Nanos,
        id: u32,
        certificate: Option<Arc<[String]>>,
    ) -> bool {
        let Some(stream) = self.table.get_mut(&id) else {
            return false;
        };
        if stream.state != State::Securing {
            return false;
        }
        self.securing -= 1;
        stream.state = State::Open;
        stream.certificate = certificate;
        (stream.used, stream.message_since) = (now, Some(now));
        true
    }

    /// What the peer has shown on the connection that a message came by.
    pub(crate) fn certificate(&self, flow: Flow) -> Option<Arc<[String]>> {
        if flow.transport != Transport::Tls {
            return None;
        }
        self.table.get(&flow.connection)?.certificate.clone()
    }

    /// Open one; None: there are too many.
    fn open(&mut self, now: Nanos, flow: Flow) -> Option<u32> {
        if self.table.len() - self.inbound >= self.limits.total {
            return None;
        }
        let id = self.insert(now, flow, State::Connecting)?;
        self.to_peer.insert(kept(flow), id);
        let Flow {
            listener,
            transport,
            gateway,
            peer,
            ..
        } = flow;
        self.orders.push(Order::Connect {
            stream: id,
            listener,
            transport,
            gateway,
            peer,
        });
        Some(id)
    }

    fn insert(&mut self, now: Nanos, flow: Flow, state: State) -> Option<u32> {
        let Flow {
            listener,
            transport,
            gateway,
            peer,
            ..
        } = flow;
        let known = self.per_source.get(&peer.ip()).copied().unwrap_or(0);
        if known >= self.limits.per_source {
            return None;
        }
        self.per_source.insert(peer.ip(), known + 1);
        let id = self.fresh_id();
        let inbound = state != State::Connecting;
        self.inbound += usize::from(inbound);
        self.table.insert(
            id,
            Stream {
                listener,
                transport,
                gateway,
                peer,
                certificate: None,
                inbound,
                state,
                framing: Framing::default(),
                out: Vec::new(),
                queued: false,
                pending: Vec::new(),
                prune_at: 64,
                opened: now,
                used: now,
                message_since: inbound.then_some(now),
                ends: None,
                ended: false,
                wake: Nanos::MAX,
            },
        );
        Some(id)
    }

    /// Ids come again after four billion connections; 0 stands for none.
    fn fresh_id(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && !self.table.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    pub(crate) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        self.table.get_mut(&id)
    }

    /// Forget one; it is closed, or about to be.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.table.remove(&id)?;
        self.inbound -= usize::from(stream.inbound);
        self.securing -= usize::from(stream.state == State::Securing);
        let key = kept(stream.flow(id));
        if self.to_peer.get(&key) == Some(&id) {
            self.to_peer.remove(&key);
        }
        if let Some(count) = self.per_source.get_mut(&stream.peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&stream.peer.ip());
            }
        }
        Some(stream)
    }

    /// Give a message to its connection: that which it came in on (18.2.2), else the one that we keep to the
    /// address, else a new one. None where that may not be opened.
    pub(crate) fn send(&mut self, now: Nanos, message: &Streamed) -> Option<u32> {
        let id = self
            .find(message.flow)
            .or_else(|| self.open(now, message.flow))?;
        let stream = self.table.get_mut(&id)?;
        if stream.out.len() + message.bytes.len() > WAITING_MAX {
            return None;
        }
        stream.used = now;
        if message.branch != 0 {
            stream.pending.push(Pending {
                branch: message.branch,
                fresh: stream.state == State::Connecting,
            });
        }
        self.write(id, &message.bytes);
        Some(id)
    }

    fn find(&self, flow: Flow) -> Option<u32> {
        let named = self.table.get(&flow.connection);
        if named.is_some_and(|stream| {
            stream.peer.ip() == flow.peer.ip() && stream.transport == flow.transport
        }) {
            return Some(flow.connection);
        }
        self.to_peer.get(&kept(flow)).copied()
    }

    /// Queue bytes.
    pub(crate) fn write(&mut self, id: u32, bytes: &[u8]) {
        if let Some(stream) = self.table.get_mut(&id) {
            stream.out.extend_from_slice(bytes);
        }
        self.ready(id);
    }

    /// There is something to do for it.
    pub(crate) fn ready(&mut self, id: u32) {
        if let Some(stream) = self.table.get_mut(&id) {
            if !stream.queued && stream.state != State::Connecting {
                stream.queued = true;
                self.ready.push(id);
            }
        }
    }

    /// Close one once what is queued is sent.
    pub(crate) fn close(&mut self, id: u32) {
        if let Some(stream) = self.table.get_mut(&id) {
            if stream.state == State::Connecting {
                stream.out.clear();
            }
            self.securing -= usize::from(stream.state == State::Securing);
            stream.state = State::Closing;
        }
        self.ready(id);
    }

    /// Everything to be done, and the connections that are no more because of it.
    pub(crate) fn drain(&mut self) -> (Vec<Order>, Vec<Stream>) {
        let mut orders = std::mem::take(&mut self.orders);
        let mut gone = Vec::new();
        for id in std::mem::take(&mut self.ready) {
            let Some(stream) = self.table.get_mut(&id) else {
                continue;
            };
            stream.queued = false;
            if !stream.out.is_empty() {
                let bytes = std::mem::take(&mut stream.out);
                orders.push(Order::Send { stream: id, bytes });
            }
            if stream.state == State::Closing {
                orders.push(Order::Close { stream: id });
                gone.extend(self.remove(id));
            }
        }
        (orders, gone)
    }

    /// Whether [`Streams::drain`] has anything to tell.
    pub(crate) fn is_quiet(&self) -> bool {
        self.orders.is_empty() && self.ready.is_empty()
    }
}
