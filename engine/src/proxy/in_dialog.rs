//! Requests inside a dialog. They go to the other end of a call that is known, along the route set that was
//! learned when it was made: nothing that a request says about its way (request URI, Route) is followed, so
//! no header can lead a judged call to another number or gateway (bypass D01).

use crate::arena::Id;
use crate::dialog::{Call, Held, Numbers, Phase};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::{Event, Side};
use crate::header;
use crate::message::{Method, Name};
use crate::proxy::forward::{self, Edits, RecordRoute, Renumber};
use crate::proxy::hide::{self, Key};
use crate::proxy::originate;
use crate::proxy::send::Outgoing;
use crate::proxy::session::SessionEdit;
use crate::timer::{Timer, TRANSACTION};
use crate::transaction::key::read_hex;
use crate::transaction::table::{Origin, Server};
use crate::transport::{Flow, Hop};
use crate::uri;

impl Endpoint {
    /// A request with a To tag that is no retransmission.
    pub(crate) fn receive_in_dialog(&mut self, message: Incoming, key: u128) {
        let Some((id, side, leg)) = self.find_dialog(message) else {
            return self.answer_stateless(message, 481, "Call/Transaction Does Not Exist", b"");
        };
        if self.is_unwanted(id, leg) && message.index.method == Method::Bye {
            // It crosses ours. There is nobody else to tell.
            let server = self.open_in_dialog(key, message, id);
            return self.answer(server, 200, "OK", b"");
        }
        if self.is_over(id, leg) && !outlives_the_call(message.index.method) {
            // Through a transaction: it absorbs the ACK, which would else go on to an end that knows of nothing.
            self.counters.refused += 1;
            self.refusals.note(message, 481);
            let server = self.open_in_dialog(key, message, id);
            return self.answer(server, 481, "Call/Transaction Does Not Exist", b"");
        }
        if message.index.method == Method::Refer && !self.may_refer(id, side) {
            return self.answer_stateless(message, 403, "Forbidden", b"");
        }
        if message.index.method == Method::Bye
            && side == Side::Callee
            && !self.has_answered(id, leg)
        {
            // Only a callee that has answered may hang up (RFC 3261 15): its 2xx was lost or overtaken. Passed
            // on now, the BYE would end nothing here; it comes again, after the 2xx.
            self.counters.dropped += 1;
            return;
        }
        let server = self.open_in_dialog(key, message, id);
        let branch = self.keys.random();
        let Some((bytes, flow)) =
            self.print_in_dialog(message, id, side, leg, branch, Some(server))
        else {
            return;
        };
        let bye = message.index.method == Method::Bye;
        if bye && self.waits_for_record(id) {
            // The other end hung up in the same moment: neither BYE goes before the end is recorded.
            if let Some(call) = self.calls.get_mut(&id) {
                call.held.push_back(Held::Request {
                    server,
                    branch,
                    bytes,
                    flow,
                });
            }
            return;
        }
        if bye && self.hangs_up(id, leg) {
            let reason = message
                .index
                .first(Name::Reason)
                .map_or(&[][..], |field| field.value.of(message.bytes))
                .into();
            if let Some(call) = self.calls.get_mut(&id) {
                call.phase = Phase::Ended;
                call.held.push_back(Held::Request {
                    server,
                    branch,
                    bytes,
                    flow,
                });
            }
            self.drop_forks(id);
            self.arm(2 * TRANSACTION, Timer::Linger, id);
            self.events.push(Event::Ended {
                call: id,
                by: side,
                reason,
            });
            return;
        }
        self.relay(
            server,
            branch,
            bytes,
            flow,
            id,
            message.index.method == Method::Invite,
        );
    }

    /// Send a request of a dialog on, for the server transaction that it came in by.
    pub(crate) fn relay(
        &mut self,
        server: Id<Server>,
        branch: u64,
        mut bytes: Box<[u8]>,
        flow: Flow,
        call: u64,
        invite: bool,
    ) {
        if invite {
            self.answer(server, 100, "Trying", b"");
        }
        let way = self.flow_for_length(flow, &mut bytes);
        let client = self.send_request(Outgoing {
            branch,
            flow: way,
            bytes,
            origin: Origin::Relay(server),
            call,
            ring_timeout: invite.then_some(RELAY_RING),
        });
        if let Some(sent) = self.table.clients.get_mut(client) {
            sent.switched = way.transport != flow.transport;
        }
        if let Some(server) = self.table.servers.get_mut(server) {
            server.client = Some(client);
        }
    }

    /// Whether a REFER may pass. A gateway that obeys one calls a number that nobody has judged; what a caller
    /// calls because a gateway asks it to comes here as an INVITE like any other.
    fn may_refer(&self, id: u64, side: Side) -> bool {
        side == Side::Callee
            || self
                .calls
                .get(&id)
                .is_some_and(|call| call.takes_refer || !call.is_judged())
    }

    /// Whether this leg was hung up, by a BYE of an end or by us; its record is still known, for late messages.
    fn is_over(&self, id: u64, leg: usize) -> bool {
        self.calls.get(&id).is_some_and(|call| {
            call.phase == Phase::Ended || call.legs.get(leg).is_some_and(|leg| leg.ended)
        })
    }

    /// Whether the caller never heard of this leg, which was ended here.
    fn is_unwanted(&self, id: u64, leg: usize) -> bool {
        let call = self.calls.get(&id);
        let leg = call.and_then(|call| call.legs.get(leg));
        leg.is_some_and(|leg| leg.ended && leg.heard.is_none())
    }

    /// Whether a 2xx of this leg has come, and is not one that is held while the call is up by another.
    fn has_answered(&self, id: u64, leg: usize) -> bool {
        self.calls.get(&id).is_some_and(|call| {
            let leg = call.legs.get(leg);
            leg.is_some_and(|leg| {
                leg.confirmed && (call.phase != Phase::Live || leg.heard.is_some())
            })
        })
    }

    /// A BYE of the call is held already.
    fn waits_for_record(&self, id: u64) -> bool {
        self.calls.get(&id).is_some_and(|call| {
            call.held
                .iter()
                .any(|held| matches!(held, Held::Request { .. }))
        })
    }

    /// A BYE ends this leg; true if that ends the call, once.
    fn hangs_up(&mut self, id: u64, leg: usize) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        if !matches!(call.phase, Phase::Live | Phase::Answering) {
            return false;
        }
        if let Some(leg) = call.legs.get_mut(leg).filter(|leg| leg.confirmed) {
            leg.ended = true;
            return !call.is_heard();
        }
        false
    }

    /// The call, the sending side and the leg that a request belongs to: Call-ID and both tags must match,
    /// and our key in its Route if there is one.
    pub(crate) fn find_dialog(&self, message: Incoming) -> Option<(u64, Side, usize)> {
        let Incoming { bytes, index, .. } = message;
        let (from, to) = (index.from.tag.of(bytes), index.to.tag.of(bytes));
        let token = route_token(message);
        self.calls_with(index.call_id.of(bytes)).find_map(|call| {
            if token.is_some_and(|token| token != call.token) {
                return None;
            }
            let (side, leg) = match_tags(call, from, to)?;
            // Each side knows the call by one Call-ID, which need not be the other's.
            let known = call
                .veil
                .as_ref()
                .map(|veil| veil.call_id(side, &call.call_id));
            if known.is_some_and(|known| known != index.call_id.of(bytes)) {
                return None;
            }
            Some((call.id, side, leg))
        })
    }

    /// Print a request for the other end of its dialog; also notes the CSeq number that was used, and that its
    /// sender is there. `server`: None for an ACK.
    pub(crate) fn print_in_dialog(
        &mut self,
        message: Incoming,
        id: u64,
        side: Side,
        leg: usize,
        branch: u64,
        server: Option<Id<Server>>,
    ) -> Option<(Box<[u8]>, Flow)> {
        let session = server.map_or_else(SessionEdit::default, |server| {
            self.session_edit(server, message.bytes, message.index)
        });
        let sieve = self.sieve_request(id, side, leg, message);
        let key = self.server_key(message, message.index.method);
        let now = self.now;
        let refer_to = (message.index.method == Method::Refer)
            .then(|| self.refer_to(message.bytes, message.index, side))
            .flatten();
        let server_id = self.table.server(key);
        let call = self.calls.get_mut(&id)?;
        if let (Some(veil), Some(server)) = (
            &call.veil,
            server_id.and_then(|id| self.table.servers.get_mut(id)),
        ) {
            let routes = match veil.hides {
                true => hide::routes_of(message.bytes, message.index),
                false => Box::default(),
            };
            server.reveal =
                hide::reveal(&self.listeners, veil, side, Key::of(call), server, &routes);
        }
        let server = server_id.and_then(|id| self.table.servers.get(id));
        let via = server.and_then(|server| server.via.as_deref());
        let leg = call.legs.get_mut(leg)?;
        leg.prove(side, now);
        let renumber = renumbered(leg.numbers(side), message);
        let (from, to) = match side {
            Side::Caller => (&mut call.caller, &leg.party),
            Side::Callee => (&mut leg.party, &call.caller),
        };
        // Step 4: requests that make or move a dialog say again that we stay in it.
        let record_route = matches!(
            message.index.method,
            Method::Invite | Method::Update | Method::Refer | Method::Subscribe | Method::Notify
        )
        .then_some((call.token, call.secure));
        let inbound = Hop::of(&self.listeners, message.flow);
        // A caller that has connected anew is reached by that; its Contact may lie behind a NAT.
        let arrived = message.flow;
        if side == Side::Caller
            && arrived.transport.is_reliable()
            && arrived.transport == from.flow.transport
            && arrived.peer.ip() == from.flow.peer.ip()
        {
            from.flow.connection = arrived.connection;
        }
        let flow = to.flow;
        let (request_uri, routes) = originate::route_plan(to);
        let mask = call.veil.as_ref().map(|veil| {
            let mut mask = veil.mask(side.other(), side, message.bytes, message.index);
            mask.refer_to = refer_to;
            mask.hidden = veil.hides.then(|| {
                hide::hidden(
                    &self.listeners,
                    flow,
                    Key::of(call),
                    message.bytes,
                    message.index,
                )
            });
            mask
        });
        let hop = Hop::of(&self.listeners, flow);
        let mut out = Vec::with_capacity(message.bytes.len() + 256);
        forward::print(
            &mut out,
            message.bytes,
            message.index,
            &Edits {
                request_uri: &request_uri,
                hop,
                branch,
                loop_key: None,
                via,
                record_route: record_route.map(|(token, secure)| RecordRoute {
                    token,
                    inbound,
                    secure,
                }),
                routes: &routes,
                sieve: &sieve,
                authenticator: self.authenticator.as_ref(),
                mask: mask.as_ref(),
                renumber,
                session,
                breadth: None,
            },
        );
        Some((out.into_boxed_slice(), flow))
    }
}

/// What may still pass in the dialog of a call that was ended and charged. A BYE of the other end crosses ours;
/// the subscription that a REFER made lives on, and tells how the transfer went (RFC 5057 section 3.1, RFC 3515
/// section 2.4.5). All else would go on with a session that nobody pays for.
fn outlives_the_call(method: Method) -> bool {
    matches!(method, Method::Bye | Method::Notify | Method::Subscribe)
}

/// A re-INVITE may ring as long as a call (timer C, 16.6 step 11).
const RELAY_RING: u64 = 181_000_000_000;

/// The numbers that a request goes on with, where they are not those that it came with.
fn renumbered(numbers: &mut Numbers, message: Incoming) -> Option<Renumber> {
    let Incoming { bytes, index, .. } = message;
    let asked = index.cseq.number;
    let cseq = numbers.relay(index.method, asked);
    let rack = match index.method {
        // RFC 3262 7.2: the number of the response, then that of the INVITE.
        Method::Prack => index
            .first(Name::RAck)
            .and_then(|field| std::str::from_utf8(field.value.of(bytes)).ok())
            .and_then(|value| value.split_ascii_whitespace().nth(1)?.parse().ok())
            .map(|invite: u32| (invite, numbers.of_invite(invite))),
        _ => None,
    };
    let moved = cseq != asked || rack.is_some_and(|(invite, sent)| invite != sent);
    moved.then_some(Renumber {
        cseq,
        rack: rack.map(|(_, sent)| sent),
    })
}

/// The side that has sent a request with these tags, and the place of its leg.
pub(crate) fn match_tags(call: &Call, from: &[u8], to: &[u8]) -> Option<(Side, usize)> {
    let (side, tag) = if *call.caller.tag == *from {
        (Side::Caller, to)
    } else if *call.caller.tag == *to {
        (Side::Callee, from)
    } else {
        return None;
    };
    Some((
        side,
        call.legs.iter().position(|leg| *leg.party.tag == *tag)?,
    ))
}

/// The key in the topmost Route, or in the request URI of a strict router (16.4), if it is one of ours.
fn route_token(message: Incoming) -> Option<u64> {
    let Incoming { bytes, index, .. } = message;
    let route = index
        .first(Name::Route)
        .and_then(|field| header::elements(field.value.of(bytes)).next())
        .and_then(crate::dialog::route_uri);
    [route, Some(index.request_uri().of(bytes))]
        .into_iter()
        .flatten()
        .find_map(|text| read_hex(uri::parse(text).ok()?.param(forward::TOKEN)??))
}
