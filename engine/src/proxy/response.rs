//! A response came in, RFC 3261 16.7: find its branch, tell policy what it has to know, pass it on.

use crate::arena::Id;
use crate::dialog::{Best, Phase, Trust};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::{Cause, Event};
use crate::message::{Method, Name, Start};
use crate::proxy::answered::learn;
use crate::proxy::cancel::cancel_key;
use crate::proxy::derive;
use crate::proxy::pass_back::Asked;
use crate::proxy::refused::{retry_after, Said};
use crate::timer::{Timer, TRANSACTION};
use crate::transaction::key::read_branch;
use crate::transaction::table::{Cancel, Client, ClientMachine, Origin};
use crate::transaction::{invite_client, non_invite_client};
use crate::transport::{Flow, Transport};

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
        let trust = client.trust;
        let asked = |server| Asked {
            call,
            server: Some(server),
            trust,
        };
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
                    Origin::Call if status > 100 => self.ring(call, trust, message, status),
                    Origin::Relay(server) if status > 100 => {
                        let (sieve, _) = self.sieve_answer(asked(server), message);
                        self.pass_back(server, &sieve, message, status)
                    }
                    _ => {}
                }
            }
            R::Refused => {
                self.acknowledge(id, message);
                self.linger(id, true);
                match origin {
                    Origin::Call => self.refused(call, id, trust, message, status),
                    Origin::Relay(server) => {
                        self.relay_back(asked(server), server, message, status)
                    }
                    Origin::Own | Origin::Probe(_) | Origin::Ping(..) | Origin::Abandoned => {}
                }
            }
            R::Accepted | R::AcceptedAgain => {
                if received == R::Accepted {
                    self.arm(TRANSACTION, Timer::M, id.raw());
                }
                match origin {
                    Origin::Call => self.accepted(id, call, trust, message, status),
                    Origin::Relay(server) => {
                        self.refresh(call, server, message);
                        let (sieve, _) = self.sieve_answer(asked(server), message);
                        self.pass_back(server, &sieve, message, status);
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
        let (call, origin, trust) = (client.call, client.origin, client.trust);
        if received == R::Final {
            self.linger(id, false);
        }
        // RFC 4320 4.1: no provisional but 100 for a non-INVITE, and 100 is never forwarded.
        match (received, origin) {
            (R::Final, Origin::Relay(server)) => {
                if (200..300).contains(&status) {
                    self.refresh(call, server, message);
                }
                let asked = Asked {
                    call,
                    server: Some(server),
                    trust,
                };
                self.relay_back(asked, server, message, status);
            }
            (R::Final, Origin::Ping(side, leg, _)) => self.pinged(call, side, leg, status),
            (R::Final, Origin::Probe(probe)) => {
                self.probed(probe, status, Cause::Response, retry_after(message));
            }
            _ => {}
        }
    }

    /// A provisional response of a call that is being set up: an early dialog, and ringing.
    fn ring(&mut self, id: u64, trust: Trust, message: Incoming, status: u16) {
        let now = self.now;
        let call = self.calls.get(&id);
        let Some(call) = call.filter(|call| call.phase == Phase::Proceeding) else {
            return;
        };
        let asked = Asked {
            call: id,
            server: call.server,
            trust,
        };
        let (sieve, trust) = self.sieve_answer(asked, message);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if !message.index.to.tag.is_empty() {
            learn(call, message, trust, &self.listeners);
        }
        call.ringing.get_or_insert(now);
        call.early_media |= !message.index.body.is_empty();
        if let Some(server) = call.server {
            self.pass_back(server, &sieve, message, status);
        }
    }

    /// A refusal of a gateway: kept as a candidate for the best response; policy says what next.
    fn refused(
        &mut self,
        id: u64,
        client: Id<Client>,
        trust: Trust,
        message: Incoming,
        status: u16,
    ) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        if !call.branches().any(|branch| branch == client) {
            return;
        }
        let (is_judged, server) = (call.is_judged(), call.server);
        let asked = Asked {
            call: id,
            server,
            trust,
        };
        let (sieve, _) = self.sieve_answer(asked, message);
        let mut bytes = Vec::with_capacity(message.bytes.len());
        if is_judged && redirects(status) || !self.print_back(&mut bytes, server, &sieve, message) {
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
