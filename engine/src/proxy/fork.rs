//! Several ends answer one INVITE (RFC 3261 13.2.2.4, 16.7 step 5): the first 2xx makes the call, each further one
//! waits for its own record, and one that comes when nobody wants it any more is acknowledged and ended here.

use crate::arena::Id;
use crate::dialog::{self, Call, Fork, Leg, Phase, Trust};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::{Event, Side};
use crate::message::Name;
use crate::proxy::answered::{answerer, confirm};
use crate::proxy::originate::{self, Own};
use crate::timer::{Timer, TRANSACTION};
use crate::transaction::table::Client;
use crate::transport::{Flow, Hop};

impl Endpoint {
    /// Another end has answered a call that is answered already: its 2xx is held until that is recorded.
    pub(crate) fn further_answer(
        &mut self,
        id: u64,
        trust: Trust,
        message: Incoming,
        status: u16,
        bytes: Box<[u8]>,
    ) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let server = call.server;
        let leg = confirm(call, message, trust, now, &self.listeners);
        call.forks.push(Fork {
            status,
            leg,
            bytes,
            recorded: false,
        });
        self.session_begins(id, leg, message, server);
        self.ask_names(id);
        self.changed(id, true);
    }

    /// The oldest answer of a further fork that is held is recorded: it goes to the caller, behind the first.
    /// False where the call is over, or holds none.
    pub fn release_fork(&mut self, id: u64) -> bool {
        let call = self.calls.get_mut(&id);
        let fork = call.and_then(|call| call.forks.iter_mut().find(|fork| !fork.recorded));
        let Some(fork) = fork else { return false };
        fork.recorded = true;
        self.pass_forks(id);
        true
    }

    /// Those that are recorded go, once the first has gone.
    pub(crate) fn pass_forks(&mut self, id: u64) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.phase != Phase::Live {
            return;
        }
        let (passed, held) = std::mem::take(&mut call.forks)
            .into_iter()
            .partition(|fork| fork.recorded);
        call.forks = held;
        let (server, passed): (_, Vec<Fork>) = (call.server, passed);
        for fork in passed {
            if let Some(leg) = self.leg_mut(id, fork.leg) {
                leg.heard = Some(now);
            }
            if let Some(server) = server {
                self.respond(server, fork.status, fork.bytes);
            }
            self.arm(TRANSACTION, Timer::NoAck, id);
        }
    }

    /// The caller has hung up before it heard of the further answers: they are ended here.
    pub(crate) fn drop_forks(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        for fork in std::mem::take(&mut call.forks) {
            if let Some(leg) = self.leg_mut(id, fork.leg).filter(|leg| leg.is_up()) {
                leg.ended = true;
                self.end_leg(id, fork.leg, b"");
            }
        }
    }

    /// ACK for the answering end of a leg, as if the caller had sent it (13.2.2.4).
    pub(crate) fn acknowledge_leg(&mut self, id: u64, at: usize) {
        let branch = self.keys.random();
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let Some(leg) = call.legs.get(at) else {
            return;
        };
        let cseq = leg.from_caller.of_invite(call.invite_cseq);
        let (from, to, call_id) = call.spoken(Side::Callee, &leg.party);
        let flow = to.flow;
        let mut out = Vec::with_capacity(512);
        originate::print(
            &mut out,
            &Own {
                method: b"ACK",
                cseq,
                from: &from,
                to: &to,
                call_id: &call_id,
                hop: Hop::of(&self.listeners, flow),
                branch,
                reason: b"",
            },
        );
        self.outbox.push(flow, &out);
    }

    /// Nobody wants this answer any more (its call went to another gateway, or is over): ACK and BYE, so that it
    /// does not stay up unjudged and uncharged. 13.2.2.4.
    pub(crate) fn disown(&mut self, id: Id<Client>, message: Incoming) {
        let Some(client) = self.table.clients.get_mut(id) else {
            return;
        };
        let (flow, call) = (client.flow, client.call);
        // A fork further down may have several answers; each repeats until its ACK, and is ended once.
        let tag = message.index.to.tag.of(message.bytes);
        let known = client.disowned.iter().find(|(known, _)| **known == *tag);
        if let Some((_, unwanted)) = known {
            let unwanted = *unwanted;
            return self.acknowledge_leg(unwanted, 0);
        }
        client.disowned.push((tag.into(), self.next_call));
        self.unwanted(call, flow, message);
    }

    /// An answer as a call of its own, whose caller has not heard of it: it is ended at once.
    /// `of`: the call that it was for; `flow`: where its INVITE went.
    pub(crate) fn unwanted(&mut self, of: u64, flow: Flow, message: Incoming) {
        let Incoming { bytes, index, .. } = message;
        let id = self.next_call;
        self.next_call += 1;
        let trusted = !self.calls.get(&of).is_some_and(|call| call.to_phone);
        let party = answerer(message, flow, &self.listeners, trusted, false);
        let mut caller = party.clone();
        caller.flow = flow;
        caller.identity = index
            .first(Name::From)
            .map_or(&[][..], |field| field.value.of(bytes))
            .into();
        caller.tag = index.from.tag.of(bytes).into();
        let mut leg = Leg::early(party, index.cseq.number);
        leg.confirmed = true;
        leg.unwanted = true;
        let call_id = index.call_id.of(bytes);
        let mut call = Call::new(id, self.keys.random(), call_id, index.cseq.number, caller);
        call.phase = Phase::Live;
        call.to_phone = !trusted;
        call.legs.push(leg);
        let dialog = dialog::save(&call);
        self.insert_call(Box::new(call));
        self.events.push(Event::Unwanted { call: id, dialog });
        self.hangup(id, "");
    }
}
