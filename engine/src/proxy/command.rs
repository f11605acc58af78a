//! What policy orders, once it has judged: forward, refuse, pass on the best refusal, let a held message go,
//! hang up, know a call again.

use std::net::SocketAddr;

use crate::dialog::{self, Held, Leg, Phase};
use crate::endpoint::{Endpoint, SEQUENCE_BITS};
use crate::message::Message;
use crate::parse::MAX_MESSAGE;
use crate::proxy::forward;
use crate::proxy::response::redirects;
use crate::proxy::validate::SIPS_NOT_ALLOWED;
use crate::timer::{Nanos, Timer};
use crate::transport::{listener_for, Flow, Transport, DATAGRAM_MAX};

/// A routing gateway as the engine needs it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the INVITE goes.
    pub peer: SocketAddr,
    /// `host:port` for the request URI, or the name that the address was found by.
    pub host: String,
    /// The listener that it leaves from.
    pub listener: u16,
    /// What carries it there.
    pub transport: Transport,
    /// Whose certificate a TLS connection to it must show ([`Flow::gateway`]).
    pub gateway: u32,
    /// No response at all within this time: the gateway has failed.
    pub answer_timeout: Nanos,
    /// Timer C.
    pub ring_timeout: Nanos,
    /// It takes the number to call from To: To is made to name the judged one.
    pub dials_by_to: bool,
    /// A caller may send it REFER inside a call, and so have it call a number that nobody has judged.
    pub takes_refer: bool,
    /// Within our trust domain (RFC 3325 2.3): it is told who calls though the caller asks for privacy.
    pub trusted: bool,
    /// Neither it nor its callers see the other in Via, Record-Route and Contact.
    pub hides_topology: bool,
    /// With that: it is given another Call-ID.
    pub hides_call_id: bool,
    /// Where a phone has registered; None: a gateway, called by number.
    pub contact: Option<Contact>,
}

/// A registered contact: what the INVITE for it says, and the connection that it has registered over.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The request URI (16.6 step 2).
    pub uri: String,
    /// Value of the Route header: the Path that it registered by (RFC 3327 section 5.1); empty: none.
    pub routes: String,
    /// The flow of RFC 5626 where it came over a connection; 0: none.
    pub connection: u32,
}

impl Endpoint {
    /// Refuse a call that nothing was forwarded for. `extra`: whole header lines.
    pub fn reject(&mut self, id: u64, status: u16, phrase: &str, extra: &[u8]) -> bool {
        let Some(call) = self.calls.get(&id) else {
            return self.reject_request(id, status, phrase, extra);
        };
        let Some(server) = call.server else {
            return false;
        };
        if !matches!(call.phase, Phase::Deciding | Phase::Proceeding) || call.client.is_some() {
            return false;
        }
        self.answer(server, status, phrase, extra);
        self.remove_call(id);
        true
    }

    /// Give up a call that was forwarded and not answered: CANCEL below, `status` above.
    pub fn cancel(&mut self, id: u64, status: u16, phrase: &str, extra: &[u8]) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        if !matches!(call.phase, Phase::Deciding | Phase::Proceeding) {
            return false;
        }
        let pending: Vec<_> = call.branches().collect();
        (call.client, call.beside) = (None, Vec::new());
        for client in pending {
            self.abandon(client);
        }
        self.reject(id, status, phrase, extra)
    }

    /// Pass the best refusal on (16.7 step 6); returns its status, 0 if the call is gone.
    pub fn finish(&mut self, id: u64) -> u16 {
        let Some(call) = self.calls.get_mut(&id) else {
            return 0;
        };
        let (Some(server), None) = (call.server, call.client) else {
            return 0;
        };
        let cancelled = call.cancelled;
        let best = call.best.take();
        let status = match best {
            _ if cancelled && best.as_ref().is_none_or(|best| best.bytes.is_empty()) => {
                self.answer(server, 487, "Request Terminated", b"");
                487
            }
            // A 503 of one gateway must not take us out of the caller's service (step 6, checklist O-06).
            Some(best) if best.status == 503 => {
                self.answer(server, 500, "Server Internal Error", b"");
                500
            }
            // A redirection is neither followed nor shown: whoever called its Contact would not be judged.
            Some(best) if best.bytes.is_empty() && redirects(best.status) => {
                self.answer(server, 480, "Temporarily Unavailable", b"");
                480
            }
            Some(best) if !best.bytes.is_empty() => {
                self.respond(server, best.status, best.bytes);
                best.status
            }
            // A sips URI, and no gateway that speaks TLS (RFC 5630 section 5.3).
            Some(best) if best.status == 480 => {
                self.answer(server, 480, "Temporarily Unavailable", SIPS_NOT_ALLOWED);
                480
            }
            Some(best) if best.status == 440 => {
                self.answer(server, 440, "Max-Breadth Exceeded", b"");
                440
            }
            Some(best) if best.status == 500 => {
                self.answer(server, 500, "Server Internal Error", b"");
                500
            }
            Some(best) if best.status == 513 => {
                self.answer(server, 513, "Message Too Large", b"");
                513
            }
            _ => {
                self.answer(server, 408, "Request Timeout", b"");
                408
            }
        };
        self.remove_call(id);
        status
    }

    /// Let the oldest held message of the call go; of BYEs that crossed, all.
    pub fn release(&mut self, id: u64) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        match call.held.pop_front() {
            Some(Held::Response { status, leg, bytes }) => {
                let begins = call.phase == Phase::Answering;
                if begins {
                    call.phase = Phase::Live;
                }
                if let Some(leg) = call.legs.get_mut(leg) {
                    leg.heard = Some(self.now);
                }
                if let Some(server) = call.server {
                    self.respond(server, status, bytes);
                }
                if begins {
                    self.watch(id);
                    self.pass_forks(id);
                }
                true
            }
            Some(Held::Request {
                server,
                branch,
                bytes,
                flow,
            }) => {
                self.relay(server, branch, bytes, flow, id, false);
                self.release(id);
                true
            }
            None => false,
        }
    }

    /// End an answered call from here: BYE to every end that is still up. An answer that is still held goes no
    /// further: who gave it is told that nobody wants it.
    pub fn hangup(&mut self, id: u64, reason: &str) -> bool {
        if self
            .calls
            .get(&id)
            .is_some_and(|call| call.phase == Phase::Answering)
        {
            self.release(id); // whoever hangs up has recorded the answer before
        }
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        if call.phase != Phase::Live {
            // An end hung up while ours was being recorded: what it said goes instead of ours.
            while self.release(id) {}
            return false;
        }
        call.phase = Phase::Ended;
        call.forks.clear();
        let up: Vec<usize> = (0..call.legs.len())
            .filter(|at| call.legs.get(*at).is_some_and(Leg::is_up))
            .collect();
        for at in up {
            if let Some(leg) = self.leg_mut(id, at) {
                leg.ended = true;
            }
            self.end_leg(id, at, reason.as_bytes());
        }
        self.arm(Self::LINGER, Timer::Linger, id);
        true
    }

    /// Make an answered call known again after a restart. False where the bytes cannot be read.
    pub fn restore(&mut self, id: u64, bytes: &[u8]) -> bool {
        let Some(mut call) = dialog::restore(id, bytes) else {
            return false;
        };
        if self.calls.contains_key(&id)
            || call.caller.flow.listener as usize >= self.listeners.len()
        {
            return false;
        }
        // What was kept may be behind what has been used since; each restart begins behind the one before.
        let restarts = (self.next_call >> SEQUENCE_BITS).saturating_sub(id >> SEQUENCE_BITS);
        let skipped = u32::try_from(restarts.max(1)).unwrap_or(u32::MAX);
        for leg in &mut call.legs {
            leg.from_caller
                .skip(skipped.saturating_mul(NUMBERS_PER_RUN));
            leg.from_callee
                .skip(skipped.saturating_mul(NUMBERS_PER_RUN));
        }
        let dropped: Vec<usize> = (0..call.legs.len())
            .filter(|at| call.legs.get(*at).is_some_and(|leg| leg.dropped))
            .collect();
        self.insert_call(Box::new(call));
        for at in dropped {
            self.end_leg(id, at, b""); // once more, should it have been lost
        }
        self.watch_restored(id);
        true
    }
}

impl Endpoint {
    /// Have a datagram sent that means nothing and keeps the way to a phone open (RFC 5626 section 3.5.1): a
    /// NAT in between forgets it otherwise. Nothing for a connection, whose phone does that.
    pub fn keep_alive(&mut self, target: &Target) {
        if target.transport == Transport::Udp {
            let flow = self.flow_to(target);
            self.outbox.push(flow, b"\r\n\r\n");
        }
    }

    /// The way to a target.
    pub(crate) fn flow_to(&self, target: &Target) -> Flow {
        let (transport, peer) = (target.transport, target.peer);
        Flow {
            listener: listener_for(&self.listeners, transport, peer, target.listener),
            transport,
            connection: target
                .contact
                .as_ref()
                .map_or(0, |contact| contact.connection),
            gateway: if transport == Transport::Tls {
                target.gateway
            } else {
                0
            },
            peer,
        }
    }
}

/// The request URI towards a target (16.6 step 2).
pub(crate) fn request_uri_for(request: &Message, target: &Target, user: Option<&str>) -> Vec<u8> {
    if let Some(contact) = &target.contact {
        return forward::as_request_uri(contact.uri.as_bytes());
    }
    match user {
        Some(user) => {
            let scheme = if request.is_sips() { "sips" } else { "sip" };
            format!("{scheme}:{user}@{}", target.host).into_bytes()
        }
        None => forward::as_request_uri(request.index.request_uri().of(&request.bytes)),
    }
}

/// The longest message that a peer can be expected to read.
pub(crate) fn longest(transport: Transport) -> usize {
    match transport {
        Transport::Udp => DATAGRAM_MAX,
        Transport::Tcp | Transport::Tls => MAX_MESSAGE,
    }
}

/// CSeq numbers that the requests of one run inside one dialog may use up.
const NUMBERS_PER_RUN: u32 = 1000;
