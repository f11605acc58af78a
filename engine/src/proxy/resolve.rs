//! Ends of calls that name themselves by a host name, in Contact or Record-Route: policy is asked for the address
//! (RFC 3261 8.1.2, RFC 3263), and until it has said, requests go where the end was heard from.

use std::net::SocketAddr;

use crate::dialog::{believed, next_hop, Party};
use crate::endpoint::Endpoint;
use crate::event::{Event, Named, Side};
use crate::transport::Transport;

/// Legs of a forked call that are looked up: beyond it somebody answers only to make us ask.
const LEGS_MAX: usize = 8;

impl Endpoint {
    /// Whether policy is asked for the addresses of names; else they are never looked up.
    pub fn resolve_names(&mut self, ask: bool) {
        self.resolves_names = ask;
    }

    /// Ask for the addresses of every end of a call that is named.
    pub(crate) fn ask_names(&mut self, id: u64) {
        if !self.resolves_names {
            return;
        }
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let legs = call.legs.iter().take(LEGS_MAX);
        let callees = legs.map(|leg| (Side::Callee, &leg.party));
        let ends = std::iter::once((Side::Caller, &call.caller)).chain(callees);
        for (side, party) in ends {
            if let Some(name) = named(id, side, party) {
                self.events.push(Event::Resolve(name));
            }
        }
    }

    /// What the name of an end stands for. False where that is known no more, or may not be believed: a caller is
    /// reached at no other address than its own.
    pub fn resolved(&mut self, name: &Named, transport: Transport, peer: SocketAddr) -> bool {
        let Some(call) = self.calls.get_mut(&name.call) else {
            return false;
        };
        let (secure, to_phone) = (call.secure, call.to_phone);
        let party = match name.side {
            Side::Caller => Some(&mut call.caller),
            Side::Callee => call.leg(&name.tag).map(|leg| &mut leg.party),
        };
        let Some(party) = party.filter(|party| *party.tag == *name.tag) else {
            return false;
        };
        // A re-INVITE may have moved the end meanwhile.
        let asked = named(name.call, name.side, party).is_some_and(|now| now == *name);
        let trusted = name.side == Side::Callee && !to_phone;
        if !asked || (secure && transport != Transport::Tls) {
            return false;
        }
        let Some(flow) = believed(&self.listeners, peer, transport, party.flow, trusted) else {
            return false;
        };
        if party.flow != flow {
            party.flow = flow;
            self.changed(name.call, false);
        }
        true
    }
}

/// What has to be looked up before a party is reached; None: it names an address, or nothing that we speak.
fn named(call: u64, side: Side, party: &Party) -> Option<Named> {
    let next = next_hop(&party.routes, &party.target)?;
    if next.ip().is_some() || next.host.is_empty() {
        return None;
    }
    Some(Named {
        call,
        side,
        tag: party.tag.clone(),
        host: next.host.into(),
        port: next.port,
        transport: next.transport(),
    })
}
