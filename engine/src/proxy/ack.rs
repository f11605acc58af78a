//! ACK: of a refusal, absorbed by its transaction; of a 2xx, passed on inside the dialog (13.2.2.4, 16.11).
//! It is never answered (17.1.1.3).

use crate::endpoint::{Endpoint, Incoming};
use crate::message::Method;
use crate::timer::{Timer, T4};
use crate::transaction::invite_server::Acknowledged;
use crate::transaction::table::ServerMachine;

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
                Acknowledged::Confirmed => return self.arm(T4, Timer::I, id.raw()),
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
        let branch = self.keys.random();
        if let Some((bytes, flow)) = self.print_in_dialog(message, call, side, leg, branch, None) {
            self.outbox.push(flow, &bytes);
        }
    }
}
