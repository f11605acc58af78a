//! Requests that leave, and the client transactions that begin with them (16.6 step 10, 17.1).

use crate::arena::Id;
use crate::dialog::Trust;
use crate::endpoint::Endpoint;
use crate::timer::{Nanos, Timer, T1, T4, TRANSACTION};
use crate::transaction::table::{Cancel, Client, ClientMachine, Origin};
use crate::transaction::{invite_client, non_invite_client};
use crate::transport::Flow;

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

impl Endpoint {
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
            disowned: Vec::new(),
            trust: Trust::default(),
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
}
