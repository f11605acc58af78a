//! The one door in and out. Sans-IO: it is told the time, the bytes and the randomness; it answers with
//! datagrams in its outbox, with orders for connections (stream/) and with events. The steps are in proxy/, the states in transaction/.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::arena::Id;
use crate::dialog::{Call, Phase};
use crate::event::Event;
use crate::header::Params;
use crate::message::{Index, Message, Method, Span, Start};
use crate::parse::{self, Kind};
use crate::proxy::reply::{self, Reply};
use crate::stream::large::Large;
use crate::stream::table::Streams;
use crate::timer::{Due, Nanos, Timer, Wheel, T1, T4, TRANSACTION};
use crate::transaction::key::Keys;
use crate::transaction::table::{
    Cancel, Client, ClientMachine, Origin, Server, ServerMachine, Table,
};
use crate::transaction::{invite_client, invite_server, non_invite_client};
use crate::transport::{Flow, Hop, Listener, Outbox, Transport};

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Datagrams read.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Messages that could not be read, answered or not.
    pub malformed: u64,
    /// Requests that were answered here without a word to policy (16.3, no dialog, no such method).
    pub refused: u64,
    /// Messages that belonged to nothing: stray responses, ACKs, keep-alives.
    pub dropped: u64,
}

/// A message that is being looked at.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// As received.
    pub bytes: &'a [u8],
    /// What is where in it.
    pub index: &'a Index,
    /// Where it came from, and on which listener.
    pub flow: Flow,
}

/// A request that is about to leave.
pub(crate) struct Outgoing {
    /// The random part of its branch.
    pub branch: u64,
    /// Where it goes.
    pub flow: Flow,
    /// As printed.
    pub bytes: Box<[u8]>,
    /// On whose behalf.
    pub origin: Origin,
    /// Call that it belongs to; 0: none.
    pub call: u64,
    /// Timer C, for an INVITE; None: another method.
    pub ring_timeout: Option<Nanos>,
}

/// A stateful proxy.
pub struct Endpoint {
    pub(crate) now: Nanos,
    pub(crate) keys: Keys,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) table: Table,
    pub(crate) calls: HashMap<u64, Box<Call>>,
    /// First call of each Call-ID; further ones hang on [`Call::sibling`].
    pub(crate) by_call_id: HashMap<u64, u64>,
    pub(crate) wheel: Wheel,
    pub(crate) outbox: Outbox,
    pub(crate) streams: Streams,
    pub(crate) large: Large,
    pub(crate) events: VecDeque<Event>,
    pub(crate) next_call: u64,
    pub(crate) max_transactions: usize,
    /// Policy decides on requests outside a dialog other than INVITE.
    pub(crate) asks_requests: bool,
    /// Such requests that wait for the decision.
    pub(crate) asked: HashMap<u64, Id<Server>>,
    /// A whole Server header line for our own responses.
    server: Vec<u8>,
    /// Counters since the start.
    pub counters: Counters,
    pub(crate) index: Index,
    fired: Vec<Due>,
}

/// How many transactions there may be before new calls are refused. A call holds four for half a minute, so
/// this is 8,000 calls per second, and about 1 GB.
pub const MAX_TRANSACTIONS: usize = 1 << 20;

/// Bits of a call id below the epoch.
pub const SEQUENCE_BITS: u32 = 40;

impl Endpoint {
    /// `epoch`: no other run may have used it. `seed`: 32 random bytes. `now`: monotonic nanoseconds.
    pub fn new(epoch: u64, seed: &[u8; 32], now: Nanos) -> Self {
        Endpoint {
            now,
            keys: Keys::new(seed),
            listeners: Vec::new(),
            table: Table::default(),
            calls: HashMap::new(),
            by_call_id: HashMap::new(),
            wheel: Wheel::new(now),
            outbox: Outbox::default(),
            streams: Streams::default(),
            large: Large::default(),
            events: VecDeque::new(),
            next_call: epoch << SEQUENCE_BITS | 1,
            max_transactions: MAX_TRANSACTIONS,
            asks_requests: false,
            asked: HashMap::new(),
            server: Vec::new(),
            counters: Counters::default(),
            index: Index::default(),
            fired: Vec::new(),
        }
    }

    /// What we call ourselves in the Server header of our own responses (20.35).
    pub fn set_server_name(&mut self, name: &str) {
        self.server = format!("Server: {name}\r\n").into_bytes();
    }

    /// Whether policy is asked about requests outside a dialog other than INVITE; else they are answered 405.
    pub fn ask_requests(&mut self, ask: bool) {
        self.asks_requests = ask;
    }

    /// How many transactions there may be before new calls are refused; at first [`MAX_TRANSACTIONS`].
    pub fn limit_transactions(&mut self, limit: usize) {
        self.max_transactions = limit;
    }

    /// A socket was opened; returns the index that flows name it by.
    pub fn add_listener(&mut self, listener: Listener) -> u16 {
        self.listeners.push(listener);
        (self.listeners.len() - 1) as u16
    }

    /// Tell the time before an order that does not follow an event of the same moment.
    pub fn set_now(&mut self, now: Nanos) {
        self.now = self.now.max(now);
    }

    /// A datagram came in.
    pub fn receive(&mut self, now: Nanos, flow: Flow, bytes: &[u8]) {
        self.set_now(now);
        self.counters.received += 1;
        let mut index = std::mem::take(&mut self.index);
        let kind = parse::datagram(bytes, &mut index);
        let message = Incoming {
            bytes,
            index: &index,
            flow,
        };
        self.dispatch(kind, message);
        self.index = index;
    }

    pub(crate) fn dispatch(&mut self, kind: Kind, message: Incoming) {
        match kind {
            Kind::Request => self.receive_request(message),
            Kind::Response => self.receive_response(message),
            Kind::KeepAlive => self.counters.dropped += 1,
            Kind::Garbage => self.counters.malformed += 1,
        }
    }

    /// A datagram could not be delivered to `peer`; `bytes` is the beginning of it, as ICMP quotes it.
    pub fn undeliverable(&mut self, now: Nanos, peer: SocketAddr, bytes: &[u8]) {
        self.set_now(now);
        self.transport_error(peer, bytes);
    }

    /// Run every timer that is due by `now`.
    pub fn advance(&mut self, now: Nanos) {
        self.set_now(now);
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.advance(self.now, &mut fired);
        for due in fired.drain(..) {
            self.fire(due);
        }
        self.fired = fired;
    }

    /// When [`Endpoint::advance`] wants to be called next; at once while events wait.
    pub fn deadline(&self) -> Option<Nanos> {
        if self.events.is_empty() {
            self.wheel.deadline()
        } else {
            Some(self.now)
        }
    }

    /// The next event for policy.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What is to be sent.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Transactions, calls, and calls that are up.
    pub fn sizes(&self) -> (usize, usize, usize) {
        let live = self
            .calls
            .values()
            .filter(|call| matches!(call.phase, Phase::Live | Phase::Answering))
            .count();
        (self.table.len(), self.calls.len(), live)
    }

    // ---- shared by the steps ----

    /// Whether a host and port are what peers know one of our sockets by.
    pub(crate) fn is_own_address(&self, host: &[u8], port: Option<u16>) -> bool {
        let host = host.strip_prefix(b"[").unwrap_or(host);
        let host = host.strip_suffix(b"]").unwrap_or(host);
        self.listeners.iter().any(|listener| {
            listener.port == port.unwrap_or(5060)
                && host.eq_ignore_ascii_case(listener.host.as_bytes())
        })
    }

    /// How we name ourselves where `flow` goes.
    pub(crate) fn hop(&self, flow: Flow) -> Hop<'_> {
        Hop::of(&self.listeners, flow)
    }

    /// The wanted listener, or the first that has what the transport needs: a connection can be opened from
    /// any, a datagram leaves from a UDP socket.
    pub(crate) fn listener_for(&self, transport: Transport, wanted: u16) -> u16 {
        let serves = |listener: &Listener| listener.udp || transport != Transport::Udp;
        if self.listeners.get(wanted as usize).is_some_and(serves) {
            return wanted;
        }
        let first = self.listeners.iter().position(serves);
        first.map_or(wanted, |at| at as u16)
    }

    pub(crate) fn arm(&mut self, after: Nanos, timer: Timer, owner: u64) {
        self.wheel.arm(self.now + after, timer, owner);
    }

    /// Begin a server transaction for a request that policy or a peer has to answer.
    pub(crate) fn open_server(
        &mut self,
        key: u128,
        message: Incoming,
        machine: ServerMachine,
        call: u64,
        request: Arc<Message>,
    ) -> Id<Server> {
        let (reply, via) = reply_path(message);
        self.table.insert_server(Server {
            key,
            machine,
            reply,
            source: message.flow.peer,
            via,
            request: Some(request),
            response: None,
            call,
            client: None,
        })
    }

    /// Send a printed response through its server transaction, and arm what its new state needs.
    pub(crate) fn respond(&mut self, id: Id<Server>, status: u16, bytes: Box<[u8]>) {
        let now = self.now;
        let Some(server) = self.table.servers.get_mut(id) else {
            return;
        };
        let accepted = server.machine == ServerMachine::Invite(invite_server::State::Accepted);
        if !server.send(status) {
            return;
        }
        self.outbox.push(server.reply, &bytes);
        let reliable = server.reply.transport.is_reliable();
        let raw = id.raw();
        if status < 200 {
            server.response = Some(bytes);
            return;
        }
        server.request = None;
        match server.machine {
            // RFC 6026 7.1: retransmissions of an accepted INVITE are absorbed; repeating the 2xx is the
            // callee's business.
            ServerMachine::Invite(invite_server::State::Accepted) => {
                server.response = None;
                if !accepted {
                    self.wheel.arm(now + TRANSACTION, Timer::L, raw);
                }
            }
            ServerMachine::Invite(_) => {
                server.response = Some(bytes);
                if !reliable {
                    self.wheel.arm(now + T1, Timer::G, raw);
                }
                self.wheel.arm(now + TRANSACTION, Timer::H, raw);
            }
            // Timer J is zero over a stream (17.2.2).
            ServerMachine::NonInvite(_) if reliable => {
                self.table.remove_server(id);
            }
            ServerMachine::NonInvite(_) => {
                server.response = Some(bytes);
                self.wheel.arm(now + TRANSACTION, Timer::J, raw);
            }
        }
    }

    /// Answer a request from here through its server transaction.
    pub(crate) fn answer(&mut self, id: Id<Server>, status: u16, phrase: &str, extra: &[u8]) {
        let Some(server) = self.table.servers.get(id) else {
            return;
        };
        let Some(request) = server.request.clone() else {
            return;
        };
        let tag = (status != 100).then(|| self.keys.tag(server.key, server.source));
        let mut out = Vec::with_capacity(512);
        let via = server.via.as_deref();
        let reply = Reply {
            status,
            phrase,
            via,
            tag,
            extra,
            server: &self.server,
        };
        reply::print(&mut out, &request.bytes, &request.index, &reply);
        self.respond(id, status, out.into_boxed_slice());
    }

    /// Answer a request without keeping any state: each retransmission is answered anew, the same way.
    pub(crate) fn answer_stateless(
        &mut self,
        message: Incoming,
        status: u16,
        phrase: &str,
        extra: &[u8],
    ) {
        self.counters.refused += u64::from(status >= 400);
        let (flow, via) = reply_path(message);
        let key = self
            .keys
            .server(message.bytes, message.index, message.index.method, b"");
        let tag = self.keys.tag(key, message.flow.peer);
        let (via, tag) = (via.as_deref(), Some(tag));
        let reply = Reply {
            status,
            phrase,
            via,
            tag,
            extra,
            server: &self.server,
        };
        self.outbox.print(flow, |out| {
            reply::print(out, message.bytes, message.index, &reply);
        });
    }

    /// Send a printed request and begin its client transaction.
    pub(crate) fn send_request(&mut self, request: Outgoing) -> Id<Client> {
        let Outgoing {
            branch,
            flow,
            bytes,
            origin,
            call,
            ring_timeout,
        } = request;
        self.outbox.push_request(flow, branch, &bytes);
        let reliable = flow.transport.is_reliable();
        let invite = ring_timeout.is_some();
        let ring_timeout = ring_timeout.unwrap_or_default();
        let machine = if invite {
            ClientMachine::Invite(invite_client::State::new())
        } else {
            ClientMachine::NonInvite(non_invite_client::State::new())
        };
        let deadline_c = self.now + ring_timeout;
        let id = self.table.insert_client(Client {
            branch,
            machine,
            flow,
            request: bytes,
            origin,
            call,
            cancel: Cancel::No,
            cancel_reason: Box::default(),
            deadline_c,
            ring_timeout,
            switched: false,
        });
        // 17.1.1.2, 17.1.2.2: timers A and E are for unreliable transports.
        if !reliable {
            self.arm(T1, if invite { Timer::A } else { Timer::E }, id.raw());
        }
        if invite {
            self.arm(TRANSACTION, Timer::B, id.raw());
            self.arm(ring_timeout, Timer::C, id.raw());
        } else {
            self.arm(TRANSACTION, Timer::F, id.raw());
        }
        id
    }

    pub(crate) fn retransmit(&mut self, id: Id<Client>, timer: Timer, interval: Nanos) {
        if let Some(client) = self.table.clients.get(id) {
            self.outbox.push(client.flow, &client.request);
            self.arm(interval, timer, id.raw());
        }
    }

    pub(crate) fn linger(&mut self, id: Id<Client>, method_invite: bool) {
        // D waits at least 32 s over UDP, K for T4; both are zero over a stream.
        let reliable = |client: &Client| client.flow.transport.is_reliable();
        if self.table.clients.get(id).is_some_and(reliable) {
            self.table.remove_client(id);
            return;
        }
        let (timer, wait) = if method_invite {
            (Timer::D, TRANSACTION)
        } else {
            (Timer::K, T4)
        };
        self.arm(wait, timer, id.raw());
    }

    // ---- calls by their Call-ID ----

    pub(crate) fn insert_call(&mut self, mut call: Box<Call>) {
        let key = self.keys.call_id(&call.call_id);
        call.sibling = self.by_call_id.insert(key, call.id).unwrap_or(0);
        self.calls.insert(call.id, call);
    }

    pub(crate) fn remove_call(&mut self, id: u64) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        let key = self.keys.call_id(&call.call_id);
        let mut at = self.by_call_id.get(&key).copied().unwrap_or(0);
        if at == id {
            if call.sibling == 0 {
                self.by_call_id.remove(&key);
            } else {
                self.by_call_id.insert(key, call.sibling);
            }
            return;
        }
        while let Some(other) = self.calls.get_mut(&at) {
            if other.sibling == id {
                other.sibling = call.sibling;
                return;
            }
            at = other.sibling;
        }
    }

    /// Call ids with this Call-ID, the newest first.
    pub(crate) fn calls_with(&self, call_id: &[u8]) -> impl Iterator<Item = &Call> {
        let mut at = self
            .by_call_id
            .get(&self.keys.call_id(call_id))
            .copied()
            .unwrap_or(0);
        let call_id = call_id.to_vec();
        std::iter::from_fn(move || {
            let call = self.calls.get(&at)?;
            at = call.sibling;
            Some(call.as_ref())
        })
        .filter(move |call| *call.call_id == *call_id)
    }

    pub(crate) fn method_name<'a>(message: Incoming<'a>) -> &'a [u8] {
        message.index.method_name().of(message.bytes)
    }

    pub(crate) fn server_key(&self, message: Incoming, method: Method) -> u128 {
        self.keys.server(
            message.bytes,
            message.index,
            method,
            Self::method_name(message),
        )
    }
}

impl Index {
    /// The request URI; empty for a response.
    pub fn request_uri(&self) -> Span {
        match self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => Span::default(),
        }
    }

    /// The method as written; empty for a response.
    pub fn method_name(&self) -> Span {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => Span::default(),
        }
    }
}

/// Where the answer to a request goes (18.2.2, RFC 3581 section 4), and its top Via value as the answer
/// carries it: None where it may stand as it came.
fn reply_path(message: Incoming) -> (Flow, Option<Box<[u8]>>) {
    let via = &message.index.via;
    let bytes = message.bytes;
    let peer = message.flow.peer;
    let host = via.host.of(bytes);
    let same = std::str::from_utf8(host)
        .ok()
        .and_then(|host| {
            host.trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .ok()
        })
        .is_some_and(|ip| ip == peer.ip());
    // Over a stream the address is only for a connection that is gone: then a new one goes to sent-by's port.
    let port = if via.rport.is_some() && !message.flow.transport.is_reliable() {
        peer.port()
    } else {
        via.port.unwrap_or(5060)
    };
    let flow = Flow {
        peer: SocketAddr::new(peer.ip(), port),
        ..message.flow
    };
    if same && via.rport.is_none() && via.received.is_empty() {
        return (flow, None);
    }
    // What a peer wrote into received and rport itself is dropped: only what was seen counts.
    let mut fixed = Vec::with_capacity(via.value.len() + 48);
    let text = via.value.of(bytes);
    let sent_by = memchr::memchr(b';', text).unwrap_or(text.len());
    fixed.extend_from_slice(text[..sent_by].trim_ascii_end());
    if sent_by < text.len() {
        let params = Span {
            start: via.value.start + sent_by as u32 + 1,
            end: via.value.end,
        };
        for param in Params::new(bytes, params).flatten() {
            let name = param.name.of(bytes);
            if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
                continue;
            }
            fixed.push(b';');
            fixed.extend_from_slice(name);
            if let Some(value) = param.value {
                fixed.push(b'=');
                fixed.extend_from_slice(value.of(bytes));
            }
        }
    }
    if via.rport.is_some() {
        fixed.extend_from_slice(b";rport=");
        crate::print::decimal(&mut fixed, u64::from(peer.port()));
    }
    fixed.extend_from_slice(b";received=");
    fixed.extend_from_slice(peer.ip().to_string().as_bytes());
    (flow, Some(fixed.into_boxed_slice()))
}
