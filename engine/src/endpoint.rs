//! The one door in and out. Sans-IO: it is told the time, the bytes and the randomness; it answers with
//! datagrams in its outbox, with orders for connections (stream/) and with events. The steps are in proxy/, the states in transaction/.

use std::collections::VecDeque;
use std::net::SocketAddr;

use hashbrown::HashMap;

use crate::arena::Id;
use crate::dialog::{Call, Phase};
use crate::digest::Authenticator;
use crate::event::Event;
use crate::message::{Index, Method};
use crate::overload::Overload;
use crate::parse::{self, Kind};
use crate::proxy::ping::Pings;
use crate::proxy::session::SessionTimers;
use crate::queue::Queue;
use crate::refusals::Refusals;
use crate::stream::large::Large;
use crate::stream::table::Streams;
use crate::timer::{Due, Nanos, Timer, Wheel};
use crate::transaction::key::Keys;
use crate::transaction::table::{Server, Table};
use crate::transport::{Flow, Hop, Listener, Outbox};

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
    /// Of those, new requests for which policy was too far behind.
    pub shed: u64,
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

/// A stateful proxy.
pub struct Endpoint {
    pub(crate) now: Nanos,
    pub(crate) keys: Keys,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) table: Table,
    pub(crate) calls: HashMap<u64, Box<Call>>,
    /// First call of each Call-ID; further ones hang on [`Call::sibling`].
    pub(crate) by_call_id: HashMap<u64, u64>,
    /// The call of each Call-ID that we gave one side in the place of its own.
    pub(crate) by_alias: HashMap<u64, u64>,
    pub(crate) wheel: Wheel,
    /// What was refused here since policy last asked.
    pub refusals: Refusals,
    pub(crate) outbox: Outbox,
    pub(crate) streams: Streams,
    pub(crate) large: Large,
    pub(crate) events: Queue,
    pub(crate) overload: Overload,
    pub(crate) next_call: u64,
    pub(crate) max_transactions: usize,
    pub(crate) pings: Pings,
    pub(crate) session_timers: SessionTimers,
    /// Policy decides on requests outside a dialog other than INVITE.
    pub(crate) asks_requests: bool,
    /// Policy is asked for the addresses of names.
    pub(crate) resolves_names: bool,
    /// Policy decides on REGISTER.
    pub(crate) asks_registers: bool,
    /// Such requests that wait for the decision.
    pub(crate) asked: HashMap<u64, Id<Server>>,
    /// Who may send requests by a password; None: nobody is asked for one.
    pub(crate) authenticator: Option<Authenticator>,
    /// A whole Server header line for our own responses.
    pub(crate) server: Vec<u8>,
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
            by_alias: HashMap::new(),
            wheel: Wheel::new(now),
            outbox: Outbox::default(),
            streams: Streams::default(),
            large: Large::default(),
            events: Queue::default(),
            overload: Overload::default(),
            next_call: epoch << SEQUENCE_BITS | 1,
            max_transactions: MAX_TRANSACTIONS,
            pings: Pings::default(),
            session_timers: SessionTimers::default(),
            asks_requests: false,
            resolves_names: false,
            asks_registers: false,
            asked: HashMap::new(),
            authenticator: None,
            server: Vec::new(),
            counters: Counters::default(),
            refusals: Refusals::default(),
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

    /// Whether policy is asked about REGISTER, whatever is done with others.
    pub fn ask_registers(&mut self, ask: bool) {
        self.asks_registers = ask;
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
        if let Some(tap) = &mut self.outbox.tap {
            tap.now = self.now;
        }
    }

    /// A datagram came in.
    pub fn receive(&mut self, now: Nanos, flow: Flow, bytes: &[u8]) {
        self.set_now(now);
        self.counters.received += 1;
        if self.passes_over(bytes) {
            return;
        }
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
        if let Some(tap) = &mut self.outbox.tap {
            tap.record(true, message.flow, message.bytes);
        }
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

    /// When the next timer is due; [`Nanos::MAX`] while none is armed.
    pub fn timer_deadline(&self) -> Nanos {
        self.wheel.deadline().unwrap_or(Nanos::MAX)
    }

    /// Whether events wait, or orders for connections.
    pub fn wants_policy(&self) -> bool {
        !self.events.is_empty() || self.has_stream_orders()
    }

    /// Whether one of these should not wait for others: see [`Event::is_urgent`].
    pub fn is_policy_urgent(&self) -> bool {
        self.events.are_urgent() || self.has_stream_orders()
    }

    /// How many events there have been.
    pub fn events_so_far(&self) -> u64 {
        self.events.pushed
    }

    /// When [`Endpoint::advance`] wants to be called next; at once while events wait.
    pub fn deadline(&self) -> Option<Nanos> {
        if self.events.is_empty() {
            self.wheel.deadline()
        } else {
            Some(self.now)
        }
    }

    /// The next events for policy, `limit` at most, and whether there are more.
    pub fn take_events(&mut self, limit: usize) -> (VecDeque<Event>, bool) {
        let taken = self.events.take(self.now, limit);
        (taken, !self.events.is_empty())
    }

    /// The next event for policy.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Datagrams that are to be sent, without what is for connections.
    pub fn take_datagrams(&mut self, into: &mut Outbox) {
        self.outbox.take_datagrams(into);
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

    /// Whether nothing is kept for anybody any more: no transaction, call, connection, event or timer.
    pub fn is_idle(&self) -> bool {
        let maps = [&self.by_call_id, &self.by_alias];
        self.sizes() == (0, 0, 0)
            && maps.iter().all(|map| map.is_empty())
            && self.asked.is_empty()
            && self.streams.is_empty()
            && self.deadline().is_none()
    }

    // ---- shared by the steps ----

    /// Whether a host and port are what peers know one of our sockets by.
    pub(crate) fn is_own_address(&self, host: &[u8], port: u16) -> bool {
        let mut listeners = self.listeners.iter();
        listeners.any(|listener| listener.is_named(host, port))
    }

    /// How we name ourselves where `flow` goes.
    pub(crate) fn hop(&self, flow: Flow) -> Hop<'_> {
        Hop::of(&self.listeners, flow)
    }

    pub(crate) fn arm(&mut self, after: Nanos, timer: Timer, owner: u64) {
        self.wheel.arm(self.now + after, timer, owner);
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
