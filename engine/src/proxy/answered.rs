//! A 2xx to the INVITE of a call: its answering end is learned, and it is held until it is recorded.

use crate::arena::Id;
use crate::dialog::{self, reach, route_uri, Held, Leg, Party, Phase, Trust};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::{Event, Side};
use crate::header;
use crate::message::{Index, Method, Name};
use crate::proxy::forward;
use crate::proxy::pass_back::Asked;
use crate::proxy::reply::{self, Back};
use crate::proxy::request::{contact, join};
use crate::sdp;
use crate::timer::Nanos;
use crate::transaction::key::read_hex;
use crate::transaction::table::Client;
use crate::transport::{Flow, Listener};
use crate::uri;

impl Endpoint {
    /// A 2xx: held until it is recorded, and so is each further one of a fork.
    pub(crate) fn accepted(
        &mut self,
        client: Id<Client>,
        id: u64,
        trust: Trust,
        message: Incoming,
        status: u16,
    ) {
        let tag = message.index.to.tag.of(message.bytes);
        let Some(call) = self.calls.get_mut(&id).filter(|_| !tag.is_empty()) else {
            self.counters.dropped += 1;
            return;
        };
        let leg = call.leg(tag);
        let (known, heard) = (
            leg.as_ref().is_some_and(|leg| leg.confirmed),
            leg.as_ref().is_some_and(|leg| leg.heard.is_some()),
        );
        let (phase, server) = (call.phase, call.server);
        if phase == Phase::Ended && !known {
            // It would talk to a caller that has gone, and at whose expense?
            return self.disown(client, message);
        }
        if phase == Phase::Deciding || phase == Phase::Ended {
            self.counters.dropped += 1;
            return;
        }
        let asked = Asked {
            call: id,
            server,
            trust,
        };
        let (sieve, trust) = self.sieve_answer(asked, message);
        let mut bytes = Vec::with_capacity(message.bytes.len());
        if !self.print_back(&mut bytes, server, &sieve, message) {
            self.counters.dropped += 1;
            return;
        }
        let bytes = bytes.into_boxed_slice();
        if phase == Phase::Proceeding {
            return self.first_answer(client, id, trust, message, status, bytes);
        }
        if !known {
            return self.further_answer(id, trust, message, status, bytes);
        }
        // A retransmission; of what is still held, nothing is passed on.
        if let (Phase::Live, true, Some(server)) = (phase, heard, server) {
            self.respond(server, status, bytes);
        }
    }

    fn first_answer(
        &mut self,
        client: Id<Client>,
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
        call.phase = Phase::Answering;
        call.invite = None;
        call.best = None;
        // Step 10: the others are cancelled. One whose 2xx crosses that is a fork that has answered, too.
        call.end_branch(client);
        let others: Vec<_> = call.branches().collect();
        call.beside.clear();
        call.client = Some(client);
        call.held.push_back(Held::Response { status, leg, bytes });
        self.cancel_all(&others, ELSEWHERE);
        self.session_begins(id, leg, message, server);
        self.ask_names(id);
        if let Some(call) = self.calls.get(&id) {
            let (ringing, dialog) = (call.ringing, dialog::save(call));
            self.events.push(Event::Answered {
                call: id,
                status,
                ringing,
                codecs: sdp::codecs(message.bytes, message.index),
                user_agent: user_agent(message).into(),
                dialog,
            });
        }
    }

    /// What was kept of a call is no longer all of it: another fork has `answered`, an end has moved.
    pub(crate) fn changed(&mut self, id: u64, answered: bool) {
        if let Some(call) = self.calls.get(&id) {
            let dialog = dialog::save(call);
            self.events.push(Event::Changed {
                call: id,
                dialog,
                answered,
            });
        }
    }

    /// A response to nothing that we sent in this run. Dropped (RFC 6026 7.3), unless it is the 2xx of a call
    /// that was recorded and then lost its proxy: the caller has a right to it.
    pub(crate) fn stray(&mut self, message: Incoming, status: u16, method: Method) {
        let number = message.index.cseq.number;
        let tag = message.index.to.tag.of(message.bytes);
        if method != Method::Invite || !(200..300).contains(&status) || tag.is_empty() {
            return self.counters.dropped += 1;
        }
        let from = message.index.from.tag.of(message.bytes);
        let peer = message.flow.peer.ip();
        let of_peer = |leg: &Leg| leg.party.flow.peer.ip() == peer;
        let mut sibling = None;
        let mut found = None;
        for call in self.calls_with(message.index.call_id.of(message.bytes)) {
            if !call.restored && !call.is_unwanted() || *call.caller.tag != *from {
                continue;
            }
            let mut legs = call.legs.iter().enumerate().filter(|(_, leg)| of_peer(leg));
            if let Some((at, leg)) = legs.clone().find(|(_, leg)| *leg.party.tag == *tag) {
                let (up, trust) = (leg.is_up(), leg.trust);
                found = Some((call.id, at, up, trust, call.phase, call.caller.flow));
                break;
            }
            if call.restored && call.invite_cseq == number && legs.next().is_some() {
                sibling = Some(call.id);
            }
        }
        let Some((id, at, up, trust, phase, flow)) = found else {
            // A fork of a call that was answered, whose own answer was not recorded when the proxy was lost.
            return match sibling {
                Some(of) => self.unwanted(of, message.flow, message),
                None => self.counters.dropped += 1,
            };
        };
        if !up || phase != Phase::Live {
            return self.acknowledge_leg(id, at); // its BYE is on the way
        }
        if let Some(leg) = self.leg_mut(id, at) {
            leg.from_caller.knows_invite(number); // for its ACK
        }
        let asked = Asked {
            call: id,
            server: None,
            trust,
        };
        let (sieve, _) = self.sieve_answer(asked, message);
        let call = self.calls.get(&id);
        let veil = call.and_then(|call| call.veil.as_ref());
        if veil.is_some_and(|veil| veil.hides && veil.vias.is_empty()) {
            // The way back would have to be shown: hidden only later, when the caller had long been answered.
            return self.counters.dropped += 1;
        }
        let reveal = call.and_then(|call| self.reveal_restored(call));
        let back = Back {
            transport: flow.transport,
            cseq: number,
            reveal: reveal.as_ref(),
            sieve: &sieve,
            extra: b"",
        };
        let mut out = Vec::new();
        if reply::pass(&mut out, message.bytes, message.index, &back) {
            self.outbox.push(flow, &out);
        } else {
            self.counters.dropped += 1;
        }
    }
}

/// Told to those who were asked beside who answered, so that it is no missed call there (RFC 3326 section 3.1).
const ELSEWHERE: &[u8] = b"Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n";

/// Keep the answering end of a response: a new leg, or the leg that it belongs to. Its place among the legs.
pub(crate) fn learn(
    call: &mut dialog::Call,
    message: Incoming,
    trust: Trust,
    listeners: &[Listener],
) -> usize {
    let tag = message.index.to.tag.of(message.bytes);
    let party = answerer(
        message,
        message.flow,
        listeners,
        !call.to_phone,
        call.secure,
    );
    let known = call.legs.iter().position(|leg| *leg.party.tag == *tag);
    if let Some((at, leg)) = known.and_then(|at| Some((at, call.legs.get_mut(at)?))) {
        leg.party = party;
        leg.trust = trust;
        return at;
    }
    call.legs.push(Leg {
        trust,
        ..Leg::early(party, call.invite_cseq)
    });
    call.legs.len() - 1
}

/// The same for a 2xx.
pub(crate) fn confirm(
    call: &mut dialog::Call,
    message: Incoming,
    trust: Trust,
    now: Nanos,
    listeners: &[Listener],
) -> usize {
    let at = learn(call, message, trust, listeners);
    if let Some(leg) = call.legs.get_mut(at) {
        leg.confirmed = true;
        leg.prove(Side::Callee, now);
    }
    at
}

/// The answering end as requests towards it need it: its route set is the Record-Route of the response
/// above ours, backwards (12.1.2).
pub(crate) fn answerer(
    message: Incoming,
    learned: Flow,
    listeners: &[Listener],
    trusted: bool,
    secure: bool,
) -> Party {
    let Incoming { bytes, index, .. } = message;
    let mut below: Vec<&[u8]> = index
        .all(Name::RecordRoute)
        .flat_map(|field| header::elements(field.value.of(bytes)))
        .take_while(|element| !is_ours(element))
        .collect();
    if !has_ours(bytes, index) {
        below.clear();
    }
    below.reverse();
    let routes = join(below.into_iter());
    let target = contact(message).unwrap_or_else(|| index.to.uri.of(bytes).into());
    Party {
        flow: reach(listeners, &routes, &target, learned, trusted, secure),
        identity: index
            .first(Name::To)
            .map_or(&[][..], |field| field.value.of(bytes))
            .into(),
        tag: index.to.tag.of(bytes).into(),
        target,
        routes,
    }
}

fn is_ours(element: &[u8]) -> bool {
    route_uri(element)
        .and_then(|text| uri::parse(text).ok())
        .and_then(|uri| uri.param(forward::TOKEN))
        .flatten()
        .is_some_and(|token| read_hex(token).is_some())
}

fn has_ours(bytes: &[u8], index: &Index) -> bool {
    index
        .all(Name::RecordRoute)
        .flat_map(|field| header::elements(field.value.of(bytes)))
        .any(is_ours)
}

/// What the side that answered says it is.
fn user_agent<'a>(message: Incoming<'a>) -> &'a [u8] {
    let field = message.index.first(Name::Server);
    let field = field.or_else(|| message.index.first(Name::UserAgent));
    field.map_or(&[], |field| field.value.of(message.bytes))
}
