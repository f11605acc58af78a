//! Connections, sans-IO (RFC 3261 18): a driver owns the sockets, tells what came over them, and does what
//! [`Endpoint::stream_orders`] says. Framing, limits, reuse and what becomes of a message whose connection
//! fails are all here.

pub mod framing;
pub mod large;
pub mod table;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::endpoint::{Endpoint, Incoming};
use crate::event::Cause;
use crate::stream::framing::Next;
use crate::stream::table::{Limits, Order, Pending, State};
use crate::timer::{Nanos, Timer};
use crate::transaction::table::{ClientMachine, Origin};
use crate::transaction::{invite_client, non_invite_client};
use crate::transport::{canonical, Flow, Listener, Transport};

impl Endpoint {
    /// What peers may have.
    pub fn set_stream_limits(&mut self, limits: Limits) {
        self.streams.limits = limits;
    }

    /// A peer has connected to a listener. Returns our id of the connection; 0: close it at once.
    pub fn stream_accepted(&mut self, now: Nanos, listener: u16, peer: SocketAddr) -> u32 {
        self.set_now(now);
        let tls = |listener: &Listener| listener.serves(Transport::Tls);
        let flow = Flow {
            transport: match self.listeners.get(listener as usize).is_some_and(tls) {
                true => Transport::Tls,
                false => Transport::Tcp,
            },
            ..Flow::udp(listener, canonical(peer))
        };
        let id = self.streams.accept(self.now, flow);
        if let Some(id) = id {
            self.watch_stream(id);
        }
        id.unwrap_or(0)
    }

    /// TLS is agreed on a connection that a peer has opened. `certificate`: the names in the certificate that it
    /// has shown, if that was verified. Until then nothing is read from it.
    pub fn stream_secured(&mut self, now: Nanos, id: u32, certificate: Option<Arc<[String]>>) {
        self.set_now(now);
        if self.streams.secured(self.now, id, certificate) {
            self.watch_stream(id);
        }
    }

    /// A connection that was ordered is there; with TLS, the peer has shown whom it was opened to.
    pub fn stream_connected(&mut self, now: Nanos, id: u32) {
        self.set_now(now);
        if let Some(stream) = self.streams.get(id) {
            if stream.state == State::Connecting {
                stream.state = State::Open;
                stream.used = now;
                self.streams.ready(id);
                self.watch_stream(id);
            }
        }
    }

    /// A connection is gone, or could not be opened.
    pub fn stream_closed(&mut self, now: Nanos, id: u32) {
        self.set_now(now);
        if let Some(stream) = self.streams.remove(id) {
            self.lost(&stream.pending);
        }
    }

    /// Bytes came in.
    pub fn stream_received(&mut self, now: Nanos, id: u32, bytes: &[u8]) {
        self.set_now(now);
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        if stream.state != State::Open {
            return;
        }
        if stream.ended {
            return self.streams.close(id);
        }
        let flow = stream.flow(id);
        let mut framing = std::mem::take(&mut stream.framing);
        framing.push(bytes);
        let mut index = std::mem::take(&mut self.index);
        let (mut whole, mut broken) = (false, false);
        while !broken {
            let (kind, range) = match framing.next(&mut index) {
                Next::More => break,
                Next::Ping => {
                    self.outbox.push(flow, b"\r\n");
                    continue;
                }
                Next::Message(kind, range) => (kind, range),
                Next::Broken(kind, range) => {
                    broken = true;
                    (kind, range)
                }
            };
            whole = true;
            self.counters.received += 1;
            let message = Incoming {
                bytes: framing.bytes(range),
                index: &index,
                flow,
            };
            self.dispatch(kind, message);
        }
        self.index = index;
        framing.rest();
        if broken {
            return self.streams.close(id);
        }
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        stream.used = now;
        let partial = framing.is_partial();
        stream.framing = framing;
        if whole {
            stream.message_since = None;
        }
        stream.ends = stream
            .framing
            .lasts_to_the_end()
            .then_some(now + table::QUIET);
        if partial && stream.message_since.is_none() {
            stream.message_since = Some(now);
        }
        if partial {
            self.watch_stream(id);
        }
    }

    /// The peer will send no more. Returns whether it may still be answered; else the connection is to be closed.
    pub fn stream_finished(&mut self, now: Nanos, id: u32) -> bool {
        self.set_now(now);
        self.finish_message(id)
    }

    /// Read the message that lasts to the end of a connection; false where there is none.
    fn finish_message(&mut self, id: u32) -> bool {
        let Some(stream) = self.streams.get(id) else {
            return false;
        };
        let flow = stream.flow(id);
        let mut framing = std::mem::take(&mut stream.framing);
        let mut index = std::mem::take(&mut self.index);
        let message = framing.finish(&mut index);
        if let Some((kind, range)) = &message {
            (stream.ends, stream.message_since, stream.ended) = (None, None, true);
            self.counters.received += 1;
            let message = Incoming {
                bytes: framing.bytes(range.clone()),
                index: &index,
                flow,
            };
            self.dispatch(*kind, message);
        }
        self.index = index;
        message.is_some()
    }

    /// Whether [`Endpoint::stream_orders`] has any.
    pub fn has_stream_orders(&self) -> bool {
        !self.outbox.streamed.is_empty() || !self.streams.is_quiet()
    }

    /// What is to be done with the connections, in order. To be asked before
    /// datagrams are flushed: a request may become one.
    pub fn stream_orders(&mut self) -> Vec<Order> {
        if !self.has_stream_orders() {
            return Vec::new();
        }
        let mut orders = Vec::new();
        // Twice at most: what fails the first time goes over a connection of its own or not at all.
        while self.has_stream_orders() {
            for message in std::mem::take(&mut self.outbox.streamed) {
                match self.streams.send(self.now, &message) {
                    Some(id) => {
                        self.counters.sent += 1;
                        self.watch_stream(id);
                        self.prune_pending(id);
                    }
                    None => self.lost(&[Pending {
                        branch: message.branch,
                        fresh: true,
                    }]),
                }
            }
            let (more, gone) = self.streams.drain();
            orders.extend(more);
            for stream in gone {
                self.lost(&stream.pending);
            }
        }
        orders
    }

    /// How many connections there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    pub(crate) fn timer_stream(&mut self, id: u32) {
        let (now, limits) = (self.now, self.streams.limits);
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        if stream.wake > now {
            return; // another timer counts
        }
        let deadline = stream.deadline(&limits);
        if deadline > now {
            return self.rewatch_stream(id);
        }
        if stream.ends == Some(deadline) && self.finish_message(id) {
            return self.rewatch_stream(id);
        }
        self.streams.close(id);
    }

    /// The timer that counted has fired.
    fn rewatch_stream(&mut self, id: u32) {
        if let Some(stream) = self.streams.get(id) {
            stream.wake = Nanos::MAX;
        }
        self.watch_stream(id);
    }

    /// Have a timer armed for the next moment at which this connection may have to be closed.
    fn watch_stream(&mut self, id: u32) {
        let limits = self.streams.limits;
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        let deadline = stream.deadline(&limits);
        if deadline < stream.wake {
            stream.wake = deadline;
            self.wheel.arm(deadline, Timer::Stream, u64::from(id));
        }
    }

    /// Requests that have their answer are of no interest any more.
    fn prune_pending(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        if stream.pending.len() >= stream.prune_at {
            let table = &self.table;
            stream
                .pending
                .retain(|pending| table.client(pending.branch).is_some());
            stream.prune_at = (2 * stream.pending.len()).max(64);
        }
    }

    /// These requests were on a connection that is gone: those that nothing was heard about have failed
    /// (18.4, 16.9). One that had been given to a connection of earlier use is tried once more on a new one:
    /// the peer may have closed it at that moment.
    fn lost(&mut self, pending: &[Pending]) {
        for &Pending { branch, fresh } in pending {
            let Some(id) = self.table.client(branch) else {
                continue;
            };
            let Some(client) = self.table.clients.get_mut(id) else {
                continue;
            };
            let unheard = match client.machine {
                ClientMachine::Invite(state) => {
                    matches!(state, invite_client::State::Calling { .. })
                }
                ClientMachine::NonInvite(state) => {
                    matches!(state, non_invite_client::State::Trying { .. })
                }
            };
            let origin = client.origin;
            if !unheard || matches!(origin, Origin::Abandoned) {
                continue;
            }
            if fresh && matches!(client.origin, Origin::Ping(..)) {
                continue; // timer F is its time: who lost a connection may come back by another
            }
            if !fresh {
                client.flow.connection = 0;
                self.outbox
                    .push_request(client.flow, branch, &client.request);
                continue;
            }
            let invite = matches!(client.machine, ClientMachine::Invite(_));
            if client.switched && self.fall_back(id) {
                continue;
            }
            if invite {
                self.branch_over(id, Cause::Transport);
            } else if !self.probe_over(id, Cause::Transport) {
                self.table.remove_client(id);
                if let Origin::Relay(server) = origin {
                    // As if 503 had come (16.9), which nobody should hear from us (16.7 step 6).
                    self.answer(server, 500, "Server Internal Error", b"");
                }
            }
        }
    }
}
