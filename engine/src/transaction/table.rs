//! All transactions, found by key (server side) and by branch (client side).

use std::sync::Arc;

use hashbrown::HashMap;

use crate::arena::{Arena, Id};
use crate::dialog::{Reveal, Trust};
use crate::event::Side;
use crate::message::Message;
use crate::transaction::{invite_client, invite_server, non_invite_client, non_invite_server};
use crate::transport::Flow;

/// Which machine a server transaction runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerMachine {
    /// 17.2.1
    Invite(invite_server::State),
    /// 17.2.2
    NonInvite(non_invite_server::State),
}

/// A request that came in, and what was answered.
pub struct Server {
    /// Key in the table.
    pub key: u128,
    /// Its state.
    pub machine: ServerMachine,
    /// Where responses go (18.2.2, RFC 3581).
    pub reply: Flow,
    /// Where the request came from.
    pub source: std::net::SocketAddr,
    /// The top Via value with received and rport filled in; None: it stands as it came.
    pub via: Option<Box<[u8]>>,
    /// The request, kept until a final response was sent.
    pub request: Option<Arc<Message>>,
    /// The last response, for retransmissions.
    pub response: Option<Box<[u8]>>,
    /// Call that it belongs to; 0: none.
    pub call: u64,
    /// What responses to it carry in place of what comes back; None: that as it is.
    pub reveal: Option<Box<Reveal>>,
    /// The branch that it was relayed on, for requests inside a dialog.
    pub client: Option<Id<Client>>,
    /// CSeq number of the request, which its responses bear.
    pub cseq: u32,
    /// The session interval that was asked for below, in seconds, where the sender can keep it (RFC 4028 8.2).
    pub session_seconds: u32,
}

impl Server {
    /// A response is about to be sent. False: the machine must not send it.
    pub fn send(&mut self, status: u16) -> bool {
        match &mut self.machine {
            ServerMachine::Invite(state) => state.send(status),
            ServerMachine::NonInvite(state) => state.send(status),
        }
    }
}

/// Which machine a client transaction runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMachine {
    /// 17.1.1
    Invite(invite_client::State),
    /// 17.1.2
    NonInvite(non_invite_client::State),
}

/// On whose behalf a request was sent.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// The INVITE of a call that is being set up.
    Call,
    /// A request inside a dialog; responses go back through this server transaction.
    Relay(Id<Server>),
    /// Our own: BYE of a hang-up, CANCEL. Responses end here.
    Own,
    /// Our own OPTIONS that asks whether a gateway is there; the number is policy's.
    Probe(u64),
    /// Our OPTIONS inside a dialog, to this end of this leg; the flag: its time was over once already.
    Ping(Side, u16, bool),
    /// An INVITE whose call went elsewhere: a late 2xx is acknowledged and ended here (no free call).
    Abandoned,
}

/// Where our CANCEL for an INVITE stands (9.1: never before a provisional response).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// Not asked for.
    No,
    /// As soon as a provisional response comes.
    Wanted,
    /// Sent.
    Sent,
}

/// A request that went out, and what came back.
pub struct Client {
    /// The random part of its branch.
    pub branch: u64,
    /// Its state.
    pub machine: ClientMachine,
    /// Where it went; only this peer may answer.
    pub flow: Flow,
    /// As sent: for retransmission, ACK and CANCEL.
    pub request: Box<[u8]>,
    /// Whose it is.
    pub origin: Origin,
    /// Call that it belongs to; 0: none.
    pub call: u64,
    /// State of the CANCEL.
    pub cancel: Cancel,
    /// Reason header lines for the CANCEL.
    pub cancel_reason: Box<[u8]>,
    /// When timer C is to fire; moved by every provisional response (16.7 step 2).
    pub deadline_c: u64,
    /// Length of timer C.
    pub ring_timeout: u64,
    /// It went over TCP for its length alone, and may go over UDP where TCP is refused (18.1.1).
    pub switched: bool,
    /// The answers that nobody wanted, by their tags: each has got its one BYE, as the call of that id.
    pub disowned: Vec<(Box<[u8]>, u64)>,
    /// How far who was asked is believed, where no dialog knows it.
    pub trust: Trust,
}

/// The tables.
#[derive(Default)]
pub struct Table {
    /// Server transactions.
    pub servers: Arena<Server>,
    /// Client transactions.
    pub clients: Arena<Client>,
    by_key: HashMap<u128, Id<Server>>,
    by_branch: HashMap<u64, Id<Client>>,
}

impl Table {
    /// The server transaction of this key.
    pub fn server(&self, key: u128) -> Option<Id<Server>> {
        self.by_key.get(&key).copied()
    }

    /// The client transaction of this branch.
    pub fn client(&self, branch: u64) -> Option<Id<Client>> {
        self.by_branch.get(&branch).copied()
    }

    /// Begin a server transaction.
    pub fn insert_server(&mut self, server: Server) -> Id<Server> {
        let key = server.key;
        let id = self.servers.insert(server);
        self.by_key.insert(key, id);
        id
    }

    /// Begin a client transaction.
    pub fn insert_client(&mut self, client: Client) -> Id<Client> {
        let branch = client.branch;
        let id = self.clients.insert(client);
        self.by_branch.insert(branch, id);
        id
    }

    /// Terminated: forget it.
    pub fn remove_server(&mut self, id: Id<Server>) -> Option<Server> {
        let server = self.servers.remove(id)?;
        if self.by_key.get(&server.key) == Some(&id) {
            self.by_key.remove(&server.key);
        }
        Some(server)
    }

    /// Terminated: forget it.
    pub fn remove_client(&mut self, id: Id<Client>) -> Option<Client> {
        let client = self.clients.remove(id)?;
        self.by_branch.remove(&client.branch);
        Some(client)
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
