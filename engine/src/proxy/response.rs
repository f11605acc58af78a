//! A response came in, RFC 3261 16.7: find its branch, tell policy what it has to know, pass it on.

use crate::arena::Id;
use crate::dialog::{self, reach, route_uri, Best, Held, Leg, Party, Phase};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::{Cause, Event};
use crate::header;
use crate::message::{Index, Method, Name, Start};
use crate::proxy::cancel::cancel_key;
use crate::proxy::originate::{self, Own};
use crate::proxy::refused::{retry_after, Said};
use crate::proxy::request::{contact, join};
use crate::proxy::send::Outgoing;
use crate::proxy::{derive, forward, reply};
use crate::timer::{Timer, TRANSACTION};
use crate::transaction::key::{read_branch, read_hex};
use crate::transaction::table::{Cancel, Client, ClientMachine, Origin, Server};
use crate::transaction::{invite_client, non_invite_client};
use crate::transport::{Flow, Listener, Transport};
use crate::uri;

impl Endpoint {
    pub(crate) fn receive_response(&mut self, message: Incoming) {
        let Start::Response { status, .. } = message.index.start else {
            return;
        };
        let method = Method::from_bytes(message.index.cseq.method.of(message.bytes));
        let Some(branch) = read_branch(message.index.via.branch.of(message.bytes)) else {
            self.counters.dropped += 1; // not our Via: step 1
            return;
        };
        let key = if method == Method::Cancel {
            cancel_key(branch)
        } else {
            branch
        };
        let Some(id) = self.table.client(key) else {
            return self.stray(message, status, method);
        };
        let Some(client) = self.table.clients.get_mut(id) else {
            return;
        };
        // Only the peer that was asked may answer (checklist S-18).
        let secure = |flow: Flow| flow.transport == Transport::Tls;
        if client.flow.peer.ip() != message.flow.peer.ip()
            || secure(client.flow) && !secure(message.flow)
        {
            self.counters.dropped += 1;
            return;
        }
        // What cannot be passed on must not move the transaction either: the call would wait for nothing.
        let passes_on = matches!(client.origin, Origin::Call | Origin::Relay(_));
        if passes_on && !reply::passes(message.index) {
            self.counters.dropped += 1;
            return;
        }
        match &mut client.machine {
            ClientMachine::Invite(state) if method == Method::Invite => {
                let received = state.receive(status);
                self.invite_response(id, message, status, received);
            }
            ClientMachine::NonInvite(state) if method != Method::Invite => {
                let received = state.receive(status);
                self.non_invite_response(id, message, status, received);
            }
            _ => self.counters.dropped += 1,
        }
    }

    fn invite_response(
        &mut self,
        id: Id<Client>,
        message: Incoming,
        status: u16,
        received: invite_client::Received,
    ) {
        use invite_client::Received as R;
        let Some(client) = self.table.clients.get_mut(id) else {
            return;
        };
        let (call, origin, cancel) = (client.call, client.origin, client.cancel);
        match received {
            R::Ignored => self.counters.dropped += 1,
            R::RefusedAgain => self.acknowledge(id, message),
            R::Provisional => {
                if status > 100 {
                    client.deadline_c = self.now + client.ring_timeout; // step 2
                }
                if cancel == Cancel::Wanted {
                    self.cancel_client(id, b"");
                }
                match origin {
                    Origin::Call if status > 100 => self.ring(call, message, status),
                    Origin::Relay(server) if status > 100 => {
                        self.pass_back(server, message, status)
                    }
                    _ => {}
                }
            }
            R::Refused => {
                self.acknowledge(id, message);
                self.linger(id, true);
                match origin {
                    Origin::Call => self.refused(call, id, message, status),
                    Origin::Relay(server) => self.relay_back(call, server, message, status),
                    Origin::Own | Origin::Probe(_) | Origin::Abandoned => {}
                }
            }
            R::Accepted | R::AcceptedAgain => {
                if received == R::Accepted {
                    self.arm(TRANSACTION, Timer::M, id.raw());
                }
                match origin {
                    Origin::Call => self.accepted(call, message, status),
                    Origin::Relay(server) => {
                        self.refresh(call, server, message);
                        self.pass_back(server, message, status);
                    }
                    Origin::Own | Origin::Probe(_) | Origin::Abandoned => {
                        self.disown(id, message, received == R::Accepted)
                    }
                }
            }
        }
    }

    fn non_invite_response(
        &mut self,
        id: Id<Client>,
        message: Incoming,
        status: u16,
        received: non_invite_client::Received,
    ) {
        use non_invite_client::Received as R;
        let Some(client) = self.table.clients.get(id) else {
            return;
        };
        let (call, origin) = (client.call, client.origin);
        if received == R::Final {
            self.linger(id, false);
        }
        // RFC 4320 4.1: no provisional but 100 for a non-INVITE, and 100 is never forwarded.
        if let (R::Final, Origin::Relay(server)) = (received, origin) {
            if (200..300).contains(&status) {
                self.refresh(call, server, message);
            }
            self.relay_back(call, server, message, status);
        }
        if let (R::Final, Origin::Probe(probe)) = (received, origin) {
            self.probed(probe, status, Cause::Response, retry_after(message));
        }
    }

    /// The final response to a request inside a dialog. A redirection has no place there (see [`redirects`]).
    fn relay_back(&mut self, call: u64, server: Id<Server>, message: Incoming, status: u16) {
        if redirects(status) && self.calls.get(&call).is_some_and(|call| call.is_judged()) {
            self.answer(server, 480, "Temporarily Unavailable", b"");
        } else {
            self.pass_back(server, message, status);
        }
    }

    /// Pass a response on through a server transaction (steps 3, 9 and 10).
    fn pass_back(&mut self, server: Id<Server>, message: Incoming, status: u16) {
        let Some(transport) = self.reply_transport(server) else {
            return self.counters.dropped += 1;
        };
        let mut out = Vec::with_capacity(message.bytes.len());
        if reply::pass(&mut out, message.bytes, message.index, transport) {
            self.respond(server, status, out.into_boxed_slice());
        } else {
            self.counters.dropped += 1;
        }
    }

    /// What carries the answers of a server transaction; None where it is gone.
    fn reply_transport(&self, server: Id<Server>) -> Option<Transport> {
        let server = self.table.servers.get(server)?;
        Some(server.reply.transport)
    }

    /// A provisional response of a call that is being set up: an early dialog, and ringing.
    fn ring(&mut self, id: u64, message: Incoming, status: u16) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.phase != Phase::Proceeding {
            return;
        }
        if !message.index.to.tag.is_empty() {
            learn(call, message, &self.listeners);
        }
        call.ringing.get_or_insert(now);
        call.early_media |= !message.index.body.is_empty();
        if let Some(server) = call.server {
            self.pass_back(server, message, status);
        }
    }

    /// A refusal of a gateway: kept as a candidate for the best response; policy says what next.
    fn refused(&mut self, id: u64, client: Id<Client>, message: Incoming, status: u16) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        if call.client != Some(client) {
            return;
        }
        let transport = call.server.and_then(|server| self.reply_transport(server));
        let mut bytes = Vec::with_capacity(message.bytes.len());
        let transport = transport.unwrap_or_default();
        if call.is_judged() && redirects(status)
            || !reply::pass(&mut bytes, message.bytes, message.index, transport)
        {
            bytes.clear();
        }
        self.branch_failed(
            id,
            status,
            Cause::Response,
            Said::by(message, status, bytes),
        );
    }

    /// The present branch of a call is over without an answer.
    pub(crate) fn branch_failed(&mut self, id: u64, status: u16, cause: Cause, said: Said) {
        let bytes = said.bytes;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.client = None;
        // A response beats none of the same rank: what a gateway said tells more than our silence about it.
        let judged = call.is_judged();
        let better = call.best.as_ref().is_none_or(|best| {
            (rank(status, judged), bytes.is_empty())
                <= (rank(best.status, judged), best.bytes.is_empty())
        });
        if better {
            call.best = Some(Best { status, bytes });
        }
        let (cancelled, early_media, ringing) = (call.cancelled, call.early_media, call.ringing);
        self.events.push_back(Event::Failed {
            call: id,
            status,
            cause,
            cancelled,
            early_media,
            ringing,
            reason: said.reason,
            retry_after: said.retry_after,
            contacts: said.contacts,
        });
    }

    /// A 2xx: held until it is recorded; further ones follow the first.
    fn accepted(&mut self, id: u64, message: Incoming, status: u16) {
        let transport = self
            .calls
            .get(&id)
            .and_then(|call| self.reply_transport(call.server?));
        let Some(call) = self.calls.get_mut(&id) else {
            self.counters.dropped += 1;
            return;
        };
        let tag = message.index.to.tag.of(message.bytes);
        let known = call.leg(tag).is_some_and(|leg| leg.confirmed);
        let mut bytes = Vec::with_capacity(message.bytes.len());
        let transport = transport.unwrap_or_default();
        if !reply::pass(&mut bytes, message.bytes, message.index, transport) || tag.is_empty() {
            self.counters.dropped += 1;
            return;
        }
        match call.phase {
            Phase::Proceeding => {
                learn(call, message, &self.listeners);
                confirm(call, tag);
                call.phase = Phase::Answering;
                call.invite = None;
                call.best = None;
                call.held.push_back(Held::Response {
                    status,
                    bytes: bytes.into_boxed_slice(),
                });
                let (ringing, dialog) = (call.ringing, dialog::save(call));
                self.events.push_back(Event::Answered {
                    call: id,
                    status,
                    ringing,
                    dialog,
                });
            }
            // A retransmission of what is still held.
            Phase::Answering if known => {}
            // Another fork answered as well: it waits for the same record.
            Phase::Answering => {
                learn(call, message, &self.listeners);
                confirm(call, tag);
                call.forked.push((status, bytes.into_boxed_slice()));
            }
            Phase::Live => {
                if !known {
                    learn(call, message, &self.listeners);
                    confirm(call, tag);
                }
                if let Some(server) = call.server {
                    self.respond(server, status, bytes.into_boxed_slice());
                }
            }
            Phase::Deciding | Phase::Ended => self.counters.dropped += 1,
        }
    }

    /// Nobody wants this answer any more (its call went to another gateway): ACK and BYE, so that it does
    /// not stay up unjudged and uncharged. 13.2.2.4.
    fn disown(&mut self, id: Id<Client>, message: Incoming, first: bool) {
        let Some(client) = self.table.clients.get(id) else {
            return;
        };
        let flow = client.flow;
        let party = answerer(message, flow, 0, &self.listeners, false);
        let from: Box<[u8]> = message
            .index
            .first(Name::From)
            .map_or(&[][..], |field| field.value.of(message.bytes))
            .into();
        let call_id: Box<[u8]> = message.index.call_id.of(message.bytes).into();
        let cseq = message.index.cseq.number;
        for (method, cseq) in [(&b"ACK"[..], cseq), (&b"BYE"[..], cseq.saturating_add(1))] {
            let branch = self.keys.random();
            let mut out = Vec::with_capacity(512);
            originate::print(
                &mut out,
                &Own {
                    method,
                    cseq,
                    from: &from,
                    to: &party,
                    call_id: &call_id,
                    hop: self.hop(flow),
                    branch,
                    reason: b"",
                },
            );
            if method == b"ACK" {
                self.outbox.push(party.flow, &out);
            } else if first {
                self.send_request(Outgoing {
                    branch,
                    flow: party.flow,
                    bytes: out.into_boxed_slice(),
                    origin: Origin::Own,
                    call: 0,
                    ring_timeout: None,
                });
            }
        }
    }

    /// ACK of a refusal, on the way that the INVITE went (17.1.1.3).
    fn acknowledge(&mut self, id: Id<Client>, message: Incoming) {
        let Some(client) = self.table.clients.get(id) else {
            return;
        };
        let to = message
            .index
            .first(Name::To)
            .map_or(&[][..], |field| field.value.of(message.bytes));
        let (outbox, request) = (&mut self.outbox, &client.request);
        outbox.print(client.flow, |out| {
            derive::print(out, request, b"ACK", Some(to), b"");
        });
    }

    /// A response to nothing that we sent in this run. Dropped (RFC 6026 7.3), unless it is the 2xx of a call
    /// that was recorded and then lost its proxy: the caller has a right to it.
    fn stray(&mut self, message: Incoming, status: u16, method: Method) {
        let found = (method == Method::Invite && (200..300).contains(&status)).then(|| {
            let (from, to) = (
                message.index.from.tag.of(message.bytes),
                message.index.to.tag.of(message.bytes),
            );
            self.calls_with(message.index.call_id.of(message.bytes))
                .find(|call| {
                    call.restored
                        && call.phase == Phase::Live
                        && *call.caller.tag == *from
                        && call.legs.iter().any(|leg| {
                            *leg.party.tag == *to
                                && leg.party.flow.peer.ip() == message.flow.peer.ip()
                        })
                })
                .map(|call| call.caller.flow)
        });
        let mut out = Vec::new();
        match found.flatten() {
            Some(flow) if reply::pass(&mut out, message.bytes, message.index, flow.transport) => {
                self.outbox.push(flow, &out)
            }
            _ => self.counters.dropped += 1,
        }
    }

    /// Target refresh (12.2): a 2xx to an INVITE or UPDATE moves the remote targets of both ends.
    fn refresh(&mut self, id: u64, server: Id<Server>, message: Incoming) {
        let Some(request) = self
            .table
            .servers
            .get(server)
            .and_then(|server| server.request.clone())
        else {
            return;
        };
        if !matches!(request.index.method, Method::Invite | Method::Update) {
            return;
        }
        let asked = Incoming {
            bytes: &request.bytes,
            index: &request.index,
            flow: message.flow,
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let secure = call.secure;
        let caller_asks = *call.caller.tag == *request.index.from.tag.of(&request.bytes);
        let far_tag = if caller_asks {
            request.index.to.tag
        } else {
            request.index.from.tag
        };
        let (near, far) = if caller_asks {
            (contact(asked), contact(message))
        } else {
            (contact(message), contact(asked))
        };
        if let Some(target) = near {
            retarget(
                &mut call.caller,
                target,
                false,
                &self.listeners,
                call.secure,
            );
        }
        let far_tag: Box<[u8]> = far_tag.of(&request.bytes).into();
        if let (Some(target), Some(leg)) = (far, call.leg(&far_tag)) {
            retarget(&mut leg.party, target, true, &self.listeners, secure);
        }
    }
}

fn retarget(
    party: &mut Party,
    target: Box<[u8]>,
    trusted: bool,
    listeners: &[Listener],
    secure: bool,
) {
    if *party.target != *target {
        party.flow = reach(
            listeners,
            &party.routes,
            &target,
            party.flow,
            trusted,
            secure,
        );
        party.target = target;
    }
}

/// Whether a response offers other places to call, in its Contact (21.3, 21.4.23). Nobody has judged them, so
/// they are neither followed (16.7 step 4 leaves that open) nor shown to the caller.
pub(crate) fn redirects(status: u16) -> bool {
    matches!(status, 300..=399 | 485)
}

/// 16.7 step 6: 6xx before all, then the lowest class; within 4xx those that tell the caller what to mend.
fn rank(status: u16, judged: bool) -> u16 {
    match status {
        600..=699 => 0,
        401 | 407 | 415 | 420 | 484 => 20,
        _ if judged && redirects(status) => 22,
        300..=399 => 10,
        400..=499 => 21,
        503 => 31,
        _ => 30,
    }
}

/// Keep the answering end of a response: a new leg, or the leg that it belongs to.
fn learn(call: &mut dialog::Call, message: Incoming, listeners: &[Listener]) {
    let tag = message.index.to.tag.of(message.bytes);
    let (flow, secure) = (message.flow, call.secure);
    match call.leg(tag) {
        Some(leg) => {
            let cseq = leg.party.cseq;
            leg.party = answerer(message, flow, cseq, listeners, secure);
        }
        None => call.legs.push(Leg {
            party: answerer(message, flow, 0, listeners, secure),
            confirmed: false,
            ended: false,
        }),
    }
}

fn confirm(call: &mut dialog::Call, tag: &[u8]) {
    if let Some(leg) = call.leg(tag) {
        leg.confirmed = true;
    }
}

/// The answering end as requests towards it need it: its route set is the Record-Route of the response
/// above ours, backwards (12.1.2).
fn answerer(
    message: Incoming,
    learned: Flow,
    cseq: u32,
    listeners: &[Listener],
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
        flow: reach(listeners, &routes, &target, learned, true, secure),
        identity: index
            .first(Name::To)
            .map_or(&[][..], |field| field.value.of(bytes))
            .into(),
        tag: index.to.tag.of(bytes).into(),
        target,
        routes,
        cseq,
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
