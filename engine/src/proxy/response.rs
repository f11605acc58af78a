//! A response came in, RFC 3261 16.7: find its branch, tell policy what it has to know, pass it on.

use crate::arena::Id;
use crate::dialog::{self, reach, route_uri, Best, Held, Leg, Party, Phase};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::{Cause, Event, Side};
use crate::header;
use crate::message::{Index, Method, Name, Start};
use crate::proxy::cancel::cancel_key;
use crate::proxy::hide::second_via;
use crate::proxy::refused::{retry_after, Said};
use crate::proxy::reply::Back;
use crate::proxy::request::{contact, join};
use crate::proxy::session::refreshed_by_caller;
use crate::proxy::{derive, forward, reply};
use crate::sdp;
use crate::timer::{Nanos, Timer, TRANSACTION};
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
        let Some(client) = self.table.clients.get(id) else {
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
        let (origin, call) = (client.origin, client.call);
        if !self.leads_back(origin, call, message, method) {
            self.counters.dropped += 1;
            return;
        }
        let Some(client) = self.table.clients.get_mut(id) else {
            return;
        };
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

    /// Whether a response goes to who asked by its own Vias too: behind ours stands the one that the request came
    /// with. A third party's there would have the caller, or a proxy in front of it, send the answer on to an
    /// address of the gateway's choice (16.7 step 3, bypass C14).
    fn leads_back(&self, origin: Origin, call: u64, message: Incoming, method: Method) -> bool {
        let server = match origin {
            Origin::Call => self.calls.get(&call).and_then(|call| call.server),
            Origin::Relay(server) => Some(server),
            Origin::Own | Origin::Abandoned | Origin::Probe(_) | Origin::Ping(..) => return true,
        };
        let Some(server) = server.and_then(|id| self.table.servers.get(id)) else {
            return reply::passes(message.index);
        };
        if server
            .reveal
            .as_ref()
            .is_some_and(|reveal| reveal.hidden.is_some())
        {
            return true; // it left with our Vias alone, and those of who asked are put back
        }
        let Incoming { bytes, index, .. } = message;
        let Some(via) = second_via(bytes, index) else {
            return false;
        };
        match self.keys.server_of(bytes, index, &via, method) {
            Some(key) => key == server.key,
            // RFC 2543: told by its address, which the request's Via had, or was given as `received`.
            None => [via.received, via.host].iter().any(|host| {
                let text = std::str::from_utf8(host.of(bytes)).unwrap_or_default();
                let ip = text.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                ip.is_ok_and(|ip| ip == server.source.ip())
            }),
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
                    Origin::Own | Origin::Probe(_) | Origin::Ping(..) | Origin::Abandoned => {}
                }
            }
            R::Accepted | R::AcceptedAgain => {
                if received == R::Accepted {
                    self.arm(TRANSACTION, Timer::M, id.raw());
                }
                match origin {
                    Origin::Call => self.accepted(id, call, message, status),
                    Origin::Relay(server) => {
                        self.refresh(call, server, message);
                        self.pass_back(server, message, status);
                    }
                    Origin::Own | Origin::Probe(_) | Origin::Ping(..) | Origin::Abandoned => {
                        self.disown(id, message)
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
        match (received, origin) {
            (R::Final, Origin::Relay(server)) => {
                if (200..300).contains(&status) {
                    self.refresh(call, server, message);
                }
                self.relay_back(call, server, message, status);
            }
            (R::Final, Origin::Ping(side, leg, _)) => self.pinged(call, side, leg, status),
            (R::Final, Origin::Probe(probe)) => {
                self.probed(probe, status, Cause::Response, retry_after(message));
            }
            _ => {}
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
        let mut out = Vec::with_capacity(message.bytes.len());
        if self.print_back(&mut out, Some(server), message) {
            self.respond(server, status, out.into_boxed_slice());
        } else {
            self.counters.dropped += 1;
        }
    }

    /// Print a response as it goes on through a server transaction. False where that is gone, or where no Via
    /// is left.
    fn print_back(&self, out: &mut Vec<u8>, server: Option<Id<Server>>, message: Incoming) -> bool {
        let Some(server) = server.and_then(|server| self.table.servers.get(server)) else {
            return false;
        };
        let missing = self.session_missing(server, message);
        let back = Back {
            transport: server.reply.transport,
            cseq: server.cseq,
            reveal: server.reveal.as_deref(),
            extra: &missing.map_or_else(Vec::new, refreshed_by_caller),
        };
        reply::pass(out, message.bytes, message.index, &back)
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
        if !call.branches().any(|branch| branch == client) {
            return;
        }
        let mut bytes = Vec::with_capacity(message.bytes.len());
        if call.is_judged() && redirects(status)
            || !self.print_back(&mut bytes, call.server, message)
        {
            bytes.clear();
        }
        self.branch_failed(
            id,
            Some(client),
            status,
            Cause::Response,
            Said::by(message, status, bytes),
        );
    }

    /// A branch of a call is over without an answer, or none could be begun; policy is told when none is left.
    pub(crate) fn branch_failed(
        &mut self,
        id: u64,
        client: Option<Id<Client>>,
        status: u16,
        cause: Cause,
        said: Said,
    ) {
        let bytes = said.bytes;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.phase != Phase::Proceeding || client.is_some_and(|client| !call.end_branch(client))
        {
            return;
        }
        // A response beats none of the same rank: what a gateway said tells more than our silence about it.
        let judged = call.is_judged();
        let better = call.best.as_ref().is_none_or(|best| {
            (rank(status, judged), bytes.is_empty())
                <= (rank(best.status, judged), best.bytes.is_empty())
        });
        if better {
            call.best = Some(Best { status, bytes });
        }
        if call.client.is_some() {
            // 16.7 step 5: with a 6xx nobody else need go on, and yet a 2xx that comes is still the answer.
            if status >= 600 {
                call.declined = Some(status);
                let pending: Vec<_> = call.branches().collect();
                self.cancel_all(&pending, b"");
            }
            return;
        }
        let status = call.declined.take().unwrap_or(status);
        let (cancelled, early_media, ringing) = (call.cancelled, call.early_media, call.ringing);
        self.events.push(Event::Failed {
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

    /// A 2xx: held until it is recorded, and so is each further one of a fork.
    fn accepted(&mut self, client: Id<Client>, id: u64, message: Incoming, status: u16) {
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
        let mut bytes = Vec::with_capacity(message.bytes.len());
        if phase == Phase::Deciding
            || phase == Phase::Ended
            || !self.print_back(&mut bytes, server, message)
        {
            self.counters.dropped += 1;
            return;
        }
        let bytes = bytes.into_boxed_slice();
        if phase == Phase::Proceeding {
            return self.first_answer(client, id, message, status, bytes);
        }
        if !known {
            return self.further_answer(id, message, status, bytes);
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
        message: Incoming,
        status: u16,
        bytes: Box<[u8]>,
    ) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let server = call.server;
        let leg = confirm(call, message, now, &self.listeners);
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
                found = Some((call.id, at, leg.is_up(), call.phase, call.caller.flow));
                break;
            }
            if call.restored && call.invite_cseq == number && legs.next().is_some() {
                sibling = Some(call.id);
            }
        }
        let Some((id, at, up, phase, flow)) = found else {
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
        let reveal = self
            .calls
            .get(&id)
            .and_then(|call| self.reveal_restored(call));
        let back = Back {
            transport: flow.transport,
            cseq: number,
            reveal: reveal.as_ref(),
            extra: b"",
        };
        let mut out = Vec::new();
        if reply::pass(&mut out, message.bytes, message.index, &back) {
            self.outbox.push(flow, &out);
        } else {
            self.counters.dropped += 1;
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
        let now = self.now;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
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
        let (listeners, secure, trusted) = (&self.listeners, call.secure, !call.to_phone);
        let mut moved =
            near.is_some_and(|target| retarget(&mut call.caller, target, false, listeners, secure));
        let far_tag = far_tag.of(&request.bytes);
        let at = call.legs.iter().position(|leg| *leg.party.tag == *far_tag);
        let Some((at, leg)) = at.and_then(|at| Some((at, call.legs.get_mut(at)?))) else {
            return;
        };
        moved |=
            far.is_some_and(|target| retarget(&mut leg.party, target, trusted, listeners, secure));
        leg.prove(Side::Caller, now);
        leg.prove(Side::Callee, now);
        let (up, session) = (leg.is_up(), leg.session_seconds);
        self.session_begins(id, at, message, Some(server));
        let agreed = self.leg_mut(id, at).map(|leg| leg.session_seconds);
        if up && (moved || agreed != Some(session)) {
            self.changed(id, false);
        }
        if moved {
            self.ask_names(id);
        }
    }
}

/// Told to those who were asked beside who answered, so that it is no missed call there (RFC 3326 section 3.1).
const ELSEWHERE: &[u8] = b"Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n";

/// Whether that is news.
fn retarget(
    party: &mut Party,
    target: Box<[u8]>,
    trusted: bool,
    listeners: &[Listener],
    secure: bool,
) -> bool {
    let moved = *party.target != *target;
    if moved {
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
    moved
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

/// Keep the answering end of a response: a new leg, or the leg that it belongs to. Its place among the legs.
fn learn(call: &mut dialog::Call, message: Incoming, listeners: &[Listener]) -> usize {
    let tag = message.index.to.tag.of(message.bytes);
    let trusted = !call.to_phone;
    let party = answerer(message, message.flow, listeners, trusted, call.secure);
    let known = call.legs.iter().position(|leg| *leg.party.tag == *tag);
    if let Some((at, leg)) = known.and_then(|at| Some((at, call.legs.get_mut(at)?))) {
        leg.party = party;
        return at;
    }
    call.legs.push(Leg::early(party, call.invite_cseq));
    call.legs.len() - 1
}

/// The same for a 2xx.
pub(crate) fn confirm(
    call: &mut dialog::Call,
    message: Incoming,
    now: Nanos,
    listeners: &[Listener],
) -> usize {
    let at = learn(call, message, listeners);
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
