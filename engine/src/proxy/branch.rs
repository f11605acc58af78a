//! An INVITE that policy has judged becomes branches (RFC 3261 16.6): one to a gateway, or one to each contact of a
//! phone that is to ring at the same time.

use crate::arena::Id;
use crate::dialog::{Phase, Trust};
use crate::endpoint::Endpoint;
use crate::event::Cause;
use crate::message::Message;
use crate::proxy::breadth;
use crate::proxy::command::{longest, request_uri_for, Target};
use crate::proxy::forward::{self, Edits, RecordRoute};
use crate::proxy::hide::Shown;
use crate::proxy::identity::Caller;
use crate::proxy::refused::Said;
use crate::proxy::send::Outgoing;
use crate::timer::Timer;
use crate::transaction::table::{Client, Origin, Server};
use crate::transport::Transport;

impl Endpoint {
    /// Send the INVITE of a call to a gateway. False if the call is gone.
    ///
    /// `user` is the only user part that leaves; None keeps the request URI and all headers that came in, which is
    /// for relays that judge no numbers. A request outside a dialog that policy was asked about goes the same way.
    pub fn forward(&mut self, id: u64, target: &Target, user: Option<&str>) -> bool {
        self.forward_for(id, target, user, false, None)
    }

    /// The same for a caller that may be `trusted`: what it says of identities goes along then, now and in every
    /// later request of the call. `caller`: who calls, where a gateway is told other things of it.
    pub fn forward_for(
        &mut self,
        id: u64,
        target: &Target,
        user: Option<&str>,
        trusted: bool,
        caller: Option<&Caller>,
    ) -> bool {
        self.fork(id, &[target], user, trusted, caller)
    }

    /// The same for several targets that are asked at once (16.6): contacts of one phone. Who answers first has the
    /// call, the others are cancelled; policy hears of a failure when all have failed.
    pub fn fork(
        &mut self,
        id: u64,
        targets: &[&Target],
        user: Option<&str>,
        trusted: bool,
        caller: Option<&Caller>,
    ) -> bool {
        let Some(&first) = targets.first() else {
            return false;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return self.forward_request(id, first, user);
        };
        let (Some(invite), Some(server), None) = (call.invite.clone(), call.server, call.client)
        else {
            return false;
        };
        if !matches!(call.phase, Phase::Deciding | Phase::Proceeding)
            || self.table.servers.get(server).is_none()
        {
            return false;
        }
        let (is_first, cancelled) = (call.phase == Phase::Deciding, call.cancelled);
        call.phase = Phase::Proceeding;
        call.takes_refer = first.takes_refer;
        call.to_phone = first.contact.is_some();
        if is_first {
            self.answer(server, 100, "Trying", b"");
        }
        if cancelled {
            // The CANCEL came before the decision: nothing leaves.
            self.branch_failed(id, None, 487, Cause::Response, Said::default());
            return true;
        }
        let Some(breadths) = breadth::shared(&invite, targets.len()) else {
            self.branch_failed(id, None, 440, Cause::Response, Said::default());
            return true;
        };
        let mut fault = None;
        for (target, breadth) in targets.iter().zip(breadths) {
            let asked = self.branch(id, server, &invite, target, user, trusted, caller, breadth);
            match (asked, self.calls.get_mut(&id)) {
                (Ok(client), Some(call)) if call.client.is_none() => call.client = Some(client),
                (Ok(client), Some(call)) => call.beside.push(client),
                (Err(why), _) => fault = fault.or(Some(why)),
                (Ok(_), None) => {}
            }
        }
        let fails = self
            .calls
            .get(&id)
            .is_some_and(|call| call.client.is_none());
        if let (Some((status, cause)), true) = (fault, fails) {
            self.branch_failed(id, None, status, cause, Said::default());
        }
        true
    }

    /// Print and send the INVITE of a call to one target. The status that stands for it where it cannot go.
    #[allow(clippy::too_many_arguments)] // of `fork`, and what one branch has of its own
    fn branch(
        &mut self,
        id: u64,
        server_id: Id<Server>,
        invite: &Message,
        target: &Target,
        user: Option<&str>,
        trusted: bool,
        caller: Option<&Caller>,
        breadth: Option<u64>,
    ) -> Result<Id<Client>, (u16, Cause)> {
        let gone = (500, Cause::Response);
        let call = self.calls.get(&id).ok_or(gone)?;
        let (secure, token) = (call.secure, call.token);
        if secure && target.transport != Transport::Tls {
            return Err((480, Cause::Transport));
        }
        let flow = self.flow_to(target);
        let request_uri = request_uri_for(invite, target, user);
        let shown = match user {
            Some(_) => self.show(id, target, flow, &request_uri, trusted, caller),
            None => Some(Shown::all()),
        };
        // RFC 3323 5: privacy that cannot be had, and the caller would rather not call.
        let Shown {
            trust,
            sieve,
            veil,
            mask,
        } = shown.ok_or((500, Cause::Response))?;
        self.unveil(id, server_id, trust, veil);
        let branch = self.keys.random();
        let server = self.table.servers.get(server_id).ok_or(gone)?;
        let (via, inbound) = (server.via.clone(), server.reply);
        let loop_key = self
            .keys
            .loop_key(&invite.bytes, &invite.index, server.source.ip());
        let session = self.session_edit(server_id, &invite.bytes, &invite.index);
        let mut out = Vec::with_capacity(invite.bytes.len() + 256);
        forward::print(
            &mut out,
            &invite.bytes,
            &invite.index,
            &Edits {
                request_uri: &request_uri,
                hop: self.hop(flow),
                branch,
                loop_key: Some(loop_key),
                via: via.as_deref(),
                record_route: Some(RecordRoute {
                    token,
                    inbound: self.hop(inbound),
                    secure,
                }),
                routes: target
                    .contact
                    .as_ref()
                    .map_or(&b""[..], |contact| contact.routes.as_bytes()),
                sieve: &sieve,
                authenticator: self.authenticator.as_ref(),
                mask: mask.as_ref(),
                renumber: None,
                session,
                breadth,
            },
        );
        let flow = self.flow_for_length(flow, &mut out);
        if out.len() > longest(flow.transport) {
            return Err((513, Cause::Transport));
        }
        let client = self.send_request(Outgoing {
            branch,
            flow,
            bytes: out.into_boxed_slice(),
            origin: Origin::Call,
            call: id,
            ring_timeout: Some(target.ring_timeout),
        });
        self.arm(target.answer_timeout, Timer::NoAnswer, client.raw());
        if let Some(sent) = self.table.clients.get_mut(client) {
            sent.trust = Trust {
                open: user.is_none(),
                trusted: target.trusted,
                ..Trust::default()
            };
            sent.switched = flow.transport != target.transport;
        }
        Ok(client)
    }
}
