//! Requests that are too large for a datagram go over TCP (RFC 3261 18.1.1), and over UDP after all where the
//! peer has no TCP.

use std::net::SocketAddr;

use hashbrown::HashMap;

use crate::arena::Id;
use crate::endpoint::Endpoint;
use crate::timer::{Nanos, Timer, T1};
use crate::transaction::table::{Client, ClientMachine};
use crate::transport::{Flow, Transport, DATAGRAM_MAX};

/// For how long a peer that has refused TCP is not asked again.
const REFUSED: Nanos = 600_000_000_000;
/// Peers that are remembered so; they are gateways, of which there are fewer.
const REMEMBERED_MAX: usize = 4096;

/// When to switch.
pub(crate) struct Large {
    /// Requests of calls longer than this go over TCP.
    pub above: usize,
    /// Who has refused, until when.
    refused: HashMap<SocketAddr, Nanos>,
}

impl Default for Large {
    fn default() -> Self {
        Large {
            above: usize::MAX,
            refused: HashMap::new(),
        }
    }
}

impl Endpoint {
    /// Requests longer than `bytes` that would go over UDP go over TCP, ACKs left out; never, until this is called.
    /// Section 18.1.1 says 1300 where the path MTU is not known. An ACK has no transaction that would know of the
    /// refusal.
    pub fn set_tcp_above(&mut self, bytes: usize) {
        self.large.above = bytes;
    }

    /// The flow for a printed request, which says in its top Via what carries it.
    pub(crate) fn flow_for_length(&mut self, flow: Flow, request: &mut [u8]) -> Flow {
        let Large { above, refused } = &self.large;
        if flow.transport != Transport::Udp || request.len() <= *above {
            return flow;
        }
        if refused
            .get(&flow.peer)
            .is_some_and(|until| *until > self.now)
        {
            return flow;
        }
        rename_transport(request, Transport::Tcp);
        Flow {
            transport: Transport::Tcp,
            ..flow
        }
    }

    /// TCP was refused to a request that had gone there for its length alone. False: no datagram can hold it.
    pub(crate) fn fall_back(&mut self, id: Id<Client>) -> bool {
        let Some(client) = self.table.clients.get_mut(id) else {
            return false;
        };
        let refused = &mut self.large.refused;
        if refused.len() >= REMEMBERED_MAX {
            refused.retain(|_, until| *until > self.now);
        }
        if refused.len() < REMEMBERED_MAX {
            refused.insert(client.flow.peer, self.now + REFUSED);
        }
        if client.request.len() > DATAGRAM_MAX {
            return false;
        }
        rename_transport(&mut client.request, Transport::Udp);
        client.switched = false;
        client.flow = Flow::udp(client.flow.listener, client.flow.peer);
        self.outbox.push(client.flow, &client.request);
        let timer = match client.machine {
            ClientMachine::Invite(_) => Timer::A,
            ClientMachine::NonInvite(_) => Timer::E,
        };
        self.arm(T1, timer, id.raw());
        true
    }
}

/// Our Via is the first; the names are of one length.
fn rename_transport(request: &mut [u8], transport: Transport) {
    const START: &[u8] = b"\r\nVia: SIP/2.0/";
    let Some(at) = memchr::memmem::find(request, START) else {
        return;
    };
    let at = at + START.len();
    if let Some(name) = request.get_mut(at..at + 3) {
        name.copy_from_slice(transport.name().as_bytes());
    }
}
