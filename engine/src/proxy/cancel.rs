//! CANCEL, RFC 3261 9.2 and 16.10: answered at once, and sent on for the pending branch.

use crate::arena::Id;
use crate::dialog::Phase;
use crate::endpoint::{Endpoint, Incoming};
use crate::message::{Method, Name};
use crate::print;
use crate::proxy::derive;
use crate::proxy::send::Outgoing;
use crate::timer::{Timer, TRANSACTION};
use crate::transaction::table::{Cancel, Client, ClientMachine, Origin, ServerMachine};
use crate::transaction::{invite_client, invite_server};

impl Endpoint {
    pub(crate) fn receive_cancel(&mut self, message: Incoming) {
        let key = self.server_key(message, Method::Invite);
        // Only who sent the INVITE may cancel it: a branch can be overheard (bypass D11).
        let found = self.table.server(key).and_then(|id| {
            let server = self.table.servers.get(id)?;
            (server.source.ip() == message.flow.peer.ip()).then_some((
                server.machine,
                server.call,
                server.client,
            ))
        });
        let Some((machine, call, client)) = found else {
            // 16.10 would forward it statelessly; nothing leaves here that was not judged.
            return self.answer_stateless(message, 481, "Call/Transaction Does Not Exist", b"");
        };
        self.answer_stateless(message, 200, "OK", b"");
        if machine != ServerMachine::Invite(invite_server::State::Proceeding) {
            return; // 9.2: no effect after a final response
        }
        let reason = reason_line(message);
        if let Some(client) = client {
            return self.cancel_client(client, &reason); // a re-INVITE
        }
        let Some(call) = self.calls.get_mut(&call) else {
            return;
        };
        if matches!(call.phase, Phase::Deciding | Phase::Proceeding) {
            call.cancelled = true;
        }
        let pending: Vec<_> = call.branches().collect();
        self.cancel_all(&pending, &reason);
    }

    /// The same for all of several. `reason`: whole header lines.
    pub(crate) fn cancel_all(&mut self, clients: &[Id<Client>], reason: &[u8]) {
        for client in clients {
            self.cancel_client(*client, reason);
        }
    }

    /// Send a CANCEL for an INVITE that is pending, or as soon as a provisional response allows it (9.1).
    pub(crate) fn cancel_client(&mut self, id: Id<Client>, reason: &[u8]) {
        let Some(client) = self.table.clients.get_mut(id) else {
            return;
        };
        let ClientMachine::Invite(state) = client.machine else {
            return;
        };
        if !state.pending() || client.cancel == Cancel::Sent {
            return;
        }
        if !reason.is_empty() {
            client.cancel_reason = reason.into();
        }
        if state != invite_client::State::Proceeding {
            client.cancel = Cancel::Wanted;
            return;
        }
        client.cancel = Cancel::Sent;
        let (branch, flow) = (client.branch, client.flow);
        let mut bytes = Vec::with_capacity(512);
        if derive::print(
            &mut bytes,
            &client.request,
            b"CANCEL",
            None,
            &client.cancel_reason,
        ) {
            self.send_cancel(branch, flow, bytes.into_boxed_slice());
        }
        self.arm(TRANSACTION, Timer::Cancelled, id.raw());
    }

    /// The CANCEL has the branch of its INVITE (9.1), so it cannot stand beside it in the table of
    /// branches: it is retransmitted under a key of its own, and its response is told by the CSeq method.
    fn send_cancel(&mut self, branch: u64, flow: crate::transport::Flow, bytes: Box<[u8]>) {
        self.send_request(Outgoing {
            branch: cancel_key(branch),
            flow,
            bytes,
            origin: Origin::Own,
            call: 0,
            ring_timeout: None,
        });
    }
}

/// Table key of the CANCEL that shares the branch of an INVITE.
pub(crate) fn cancel_key(branch: u64) -> u64 {
    !branch
}

/// The Reason headers of a CANCEL go along (RFC 3326; checklist C-10).
fn reason_line(message: Incoming) -> Vec<u8> {
    let mut out = Vec::new();
    for field in message.index.all(Name::Reason) {
        print::header(&mut out, b"Reason", field.value.of(message.bytes));
    }
    out
}
