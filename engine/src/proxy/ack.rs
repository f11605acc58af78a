//! ACK: of a refusal, absorbed by its transaction; of a 2xx, passed on inside the dialog (13.2.2.4, 16.11).
//! It is never answered (17.1.1.3).

use crate::arena::Id;
use crate::endpoint::{Endpoint, Incoming};
use crate::event::Side;
use crate::message::Method;
use crate::timer::{Timer, T4};
use crate::transaction::invite_server::Acknowledged;
use crate::transaction::table::{Server, ServerMachine};

impl Endpoint {
    pub(crate) fn receive_ack(&mut self, message: Incoming) {
        let key = self.server_key(message, Method::Invite);
        if let Some(id) = self.table.server(key) {
            let acknowledged = match self
                .table
                .servers
                .get_mut(id)
                .map(|server| &mut server.machine)
            {
                Some(ServerMachine::Invite(state)) => state.acknowledged(),
                _ => Acknowledged::Absorbed,
            };
            match acknowledged {
                Acknowledged::Confirmed => return self.confirmed(id),
                Acknowledged::Absorbed => return,
                Acknowledged::PassOn => {}
            }
        }
        if message.index.fault.is_some()
            || message.index.max_forwards == Some(0)
            || self.came_from_here(message)
        {
            self.counters.dropped += 1;
            return;
        }
        let Some((call, side, leg)) = self.find_dialog(message) else {
            self.counters.dropped += 1;
            return;
        };
        if let (Side::Caller, Some(leg)) = (side, self.leg_mut(call, leg)) {
            leg.acknowledged = true;
        }
        let branch = self.keys.random();
        if let Some((bytes, flow)) = self.print_in_dialog(message, call, side, leg, branch, None) {
            self.outbox.push(flow, &bytes);
        }
    }

    /// Timer I absorbs further ACKs over UDP; over a stream there are none (17.2.1).
    fn confirmed(&mut self, id: Id<Server>) {
        let reply = self.table.servers.get(id).map(|server| server.reply);
        if reply.is_some_and(|reply| reply.transport.is_reliable()) {
            self.table.remove_server(id);
        } else {
            self.arm(T4, Timer::I, id.raw());
        }
    }
}
