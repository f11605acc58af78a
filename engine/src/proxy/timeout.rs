//! Timers that fired, and datagrams that could not be delivered: RFC 3261 16.8, 16.9 and section 17.

use std::net::SocketAddr;

use crate::arena::Id;
use crate::endpoint::Endpoint;
use crate::event::Cause;
use crate::proxy::refused::Said;
use crate::timer::{Due, Timer, T2, TRANSACTION};
use crate::transaction::key::read_branch;
use crate::transaction::table::{Client, ClientMachine, Origin, Server, ServerMachine};
use crate::transaction::{invite_client, invite_server, non_invite_server};

impl Endpoint {
    pub(crate) fn fire(&mut self, due: Due) {
        let client: Id<Client> = Id::from_raw(due.owner);
        let server: Id<Server> = Id::from_raw(due.owner);
        match due.timer {
            Timer::A => self.timer_a(client),
            Timer::E => self.timer_e(client),
            Timer::G => self.timer_g(server),
            Timer::B => self.timer_b(client),
            Timer::F => self.timer_f(client),
            Timer::C => self.timer_c(client),
            Timer::NoAnswer => self.no_answer(client),
            Timer::Cancelled => self.branch_over(client, Cause::Timeout),
            Timer::D | Timer::K | Timer::M => {
                self.table.remove_client(client);
            }
            Timer::H => self.timer_h(server),
            Timer::I | Timer::J | Timer::L => {
                self.table.remove_server(server);
            }
            Timer::Linger => self.linger_over(due.owner),
            Timer::NoAck => self.timer_no_ack(due.owner),
            Timer::Ping => self.timer_ping(due.owner),
            Timer::PingTurn => self.timer_ping_turn(due.owner),
            Timer::Session => self.timer_session(due.owner),
            Timer::Stream => self.timer_stream(due.owner as u32),
        }
    }

    /// An ended call is forgotten, unless something of it still waits for its record.
    fn linger_over(&mut self, call: u64) {
        if self
            .calls
            .get(&call)
            .is_some_and(|call| !call.held.is_empty())
        {
            self.arm(Self::LINGER, Timer::Linger, call);
        } else {
            self.remove_call(call);
        }
    }

    fn timer_a(&mut self, id: Id<Client>) {
        let Some(client) = self.table.clients.get_mut(id) else {
            return;
        };
        if matches!(client.origin, Origin::Abandoned) {
            return;
        }
        if let ClientMachine::Invite(state) = &mut client.machine {
            if let Some(interval) = state.timer_a() {
                self.retransmit(id, Timer::A, interval);
            }
        }
    }

    fn timer_e(&mut self, id: Id<Client>) {
        let Some(client) = self.table.clients.get_mut(id) else {
            return;
        };
        let ClientMachine::NonInvite(state) = &mut client.machine else {
            return;
        };
        let Some(interval) = state.timer_e() else {
            return;
        };
        let origin = client.origin;
        self.retransmit(id, Timer::E, interval);
        if let (T2, Origin::Relay(server)) = (interval, origin) {
            self.say_trying(server);
        }
    }

    /// RFC 4320 4.1: a non-INVITE gets a 100, but not before the sender's timer E has come to T2. Ours runs from
    /// the same moment.
    fn say_trying(&mut self, id: Id<Server>) {
        let silent = self.table.servers.get(id).is_some_and(|server| {
            server.machine == ServerMachine::NonInvite(non_invite_server::State::Trying)
        });
        if silent {
            self.answer(id, 100, "Trying", b"");
        }
    }

    fn timer_g(&mut self, id: Id<Server>) {
        let Some(server) = self.table.servers.get_mut(id) else {
            return;
        };
        let ServerMachine::Invite(state) = &mut server.machine else {
            return;
        };
        let Some(interval) = state.timer_g() else {
            return;
        };
        if let Some(response) = &server.response {
            self.outbox.push(server.reply, response);
        }
        self.arm(interval, Timer::G, id.raw());
    }

    /// The ACK of a refusal never came: the transaction is over all the same.
    fn timer_h(&mut self, id: Id<Server>) {
        let confirmed = self.table.servers.get(id).is_some_and(|server| {
            server.machine == ServerMachine::Invite(invite_server::State::Confirmed)
        });
        if !confirmed {
            self.table.remove_server(id);
        }
    }

    fn timer_b(&mut self, id: Id<Client>) {
        let Some(client) = self.table.clients.get(id) else {
            return;
        };
        if let ClientMachine::Invite(invite_client::State::Calling { .. }) = client.machine {
            self.branch_over(id, Cause::Timeout);
        }
    }

    /// 16.8: with a provisional response, CANCEL and wait for the 487; without one, as if 408 had come.
    fn timer_c(&mut self, id: Id<Client>) {
        let Some(client) = self.table.clients.get(id) else {
            return;
        };
        let ClientMachine::Invite(state) = client.machine else {
            return;
        };
        if !state.pending() {
            return;
        }
        if client.deadline_c > self.now {
            let wait = client.deadline_c - self.now;
            return self.arm(wait, Timer::C, id.raw());
        }
        if state == invite_client::State::Proceeding {
            self.cancel_client(id, b"");
        } else {
            self.branch_over(id, Cause::Timeout);
        }
    }

    /// A gateway that says nothing at all is given up long before timer B; a late answer of it is undone.
    fn no_answer(&mut self, id: Id<Client>) {
        if self.probe_over(id, Cause::Timeout) {
            return;
        }
        let Some(client) = self.table.clients.get_mut(id) else {
            return;
        };
        if matches!(
            client.machine,
            ClientMachine::Invite(invite_client::State::Calling { .. })
        ) && matches!(client.origin, Origin::Call)
        {
            let call = client.call;
            self.abandon(id);
            self.branch_failed(call, Some(id), 408, Cause::Timeout, Said::default());
        }
    }

    /// The call goes on without this branch: cancelled as soon as it shows life, its 2xx ended.
    pub(crate) fn abandon(&mut self, id: Id<Client>) {
        self.cancel_client(id, b"");
        if let Some(client) = self.table.clients.get_mut(id) {
            client.origin = Origin::Abandoned;
        }
    }

    fn timer_f(&mut self, id: Id<Client>) {
        if self.probe_over(id, Cause::Timeout) {
            return;
        }
        let Some(client) = self.table.clients.get(id) else {
            return;
        };
        let ClientMachine::NonInvite(state) = client.machine else {
            return;
        };
        if !state.pending() {
            return;
        }
        if let Origin::Ping(..) = client.origin {
            return self.ping_unanswered(id);
        }
        // RFC 4320 4.2: no 408 to a non-INVITE; its server transaction just ends.
        if let Origin::Relay(server) = client.origin {
            self.table.remove_server(server);
        }
        self.table.remove_client(id);
    }

    /// A branch ended without a final response.
    pub(crate) fn branch_over(&mut self, id: Id<Client>, cause: Cause) {
        let Some(client) = self.table.clients.get(id) else {
            return;
        };
        let ClientMachine::Invite(state) = client.machine else {
            return;
        };
        if !state.pending() {
            return;
        }
        let (call, origin) = (client.call, client.origin);
        let status = if cause == Cause::Transport { 503 } else { 408 };
        match origin {
            Origin::Call => self.branch_failed(call, Some(id), status, cause, Said::default()),
            Origin::Relay(server) => self.answer(server, 408, "Request Timeout", b""),
            Origin::Own | Origin::Probe(_) | Origin::Ping(..) | Origin::Abandoned => {}
        }
        if cause == Cause::Timeout {
            self.table.remove_client(id);
        } else if let Some(client) = self.table.clients.get_mut(id) {
            // ICMP can be forged or late: the branch stays known for a while, so that an answer after all
            // is ended and not lost.
            client.origin = Origin::Abandoned;
        }
    }

    /// 16.9, RFC 3261 18.4: the peer cannot be reached; as if 503 had come.
    pub(crate) fn transport_error(&mut self, peer: SocketAddr, quoted: &[u8]) {
        let Some(branch) = quoted_branch(quoted) else {
            return;
        };
        let Some(id) = self.table.client(branch) else {
            return;
        };
        let Some(client) = self.table.clients.get(id) else {
            return;
        };
        if client.flow.peer != peer {
            return;
        }
        match client.machine {
            ClientMachine::Invite(invite_client::State::Calling { .. }) => {
                self.branch_over(id, Cause::Transport);
            }
            ClientMachine::NonInvite(_) => {
                self.probe_over(id, Cause::Transport);
            }
            ClientMachine::Invite(_) => {}
        }
    }

    /// For how long a call that has ended stays known.
    pub(crate) const LINGER: u64 = TRANSACTION;
}

/// Our branch in the first Via of a quoted request.
fn quoted_branch(quoted: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(quoted, b"branch=z9hG4bKsg")? + b"branch=".len();
    let end = quoted[at..]
        .iter()
        .position(|byte| matches!(byte, b'\r' | b';'))
        .map_or(quoted.len(), |len| at + len);
    read_branch(&quoted[at..end])
}
