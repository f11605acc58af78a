//! Requests outside a dialog other than INVITE. Nothing of them passes that policy has not ordered: a REFER or
//! a MESSAGE could dial or cost as a call does. Unless policy wants to be asked they are answered 405.

use std::sync::Arc;

use crate::arena::Id;
use crate::endpoint::{Endpoint, Incoming};
use crate::event::Event;
use crate::message::{Message, Method};
use crate::overload::Rank;
use crate::proxy::command::{longest, request_uri_for, Target};
use crate::proxy::forward::{self, Edits};
use crate::proxy::screen::Screen;
use crate::proxy::send::Outgoing;
use crate::proxy::session::SessionEdit;
use crate::proxy::sieve::Sieve;
use crate::transaction::non_invite_server;
use crate::transaction::table::{Origin, Server, ServerMachine};
use crate::uri;

/// What we can do with requests outside a dialog (20.5), and with those that only a dialog can have.
const ALLOW: &[u8] = b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO\r\n";

impl Endpoint {
    pub(crate) fn receive_out_of_dialog(&mut self, message: Incoming, key: u128) {
        // 11.2, 16.3: an OPTIONS at us asks whether we are there. While policy is not asked, every one is.
        if message.index.method == Method::Options && (!self.asks_requests || self.at_us(message)) {
            return self.answer_stateless(message, 200, "OK", ALLOW);
        }
        let is_register = message.index.method == Method::Register;
        let is_asked = self.asks_requests || (self.asks_registers && is_register);
        if !is_asked {
            // 12.2.2, 15.1.2: these belong to a dialog, and this one names none.
            if matches!(
                message.index.method,
                Method::Bye | Method::Prack | Method::Update | Method::Info
            ) {
                return self.answer_stateless(message, 481, "Call/Transaction Does Not Exist", b"");
            }
            return self.answer_stateless(message, 405, "Method Not Allowed", ALLOW);
        }
        if matches!(self.rank(message, key), Rank::Refused) {
            return;
        }
        let id = self.next_call;
        self.next_call += 1;
        let request = Arc::new(Message::keep(message.bytes, message.index));
        let machine = ServerMachine::NonInvite(non_invite_server::State::Trying);
        let server = self.open_server(key, message, machine, 0, request.clone());
        self.asked.insert(id, server);
        let event = Event::Request {
            call: id,
            flow: message.flow,
            message: request,
        };
        self.events.push_new(self.now, event);
    }

    /// The request URI names one of our listeners, and nobody behind it.
    fn at_us(&self, message: Incoming) -> bool {
        uri::parse(message.index.request_uri().of(message.bytes)).is_ok_and(|uri| {
            uri.user.is_none() && self.is_own_address(uri.host, uri.port_or_default())
        })
    }

    /// Send such a request to a target; its responses go back the same way. False if it is gone.
    pub(crate) fn forward_request(&mut self, id: u64, target: &Target, user: Option<&str>) -> bool {
        let Some((server_id, server)) = self.undecided(id) else {
            return false;
        };
        let Some(request) = server.request.clone() else {
            return false;
        };
        let (via, source) = (server.via.clone(), server.source);
        self.asked.remove(&id);
        let branch = self.keys.random();
        let loop_key = self
            .keys
            .loop_key(&request.bytes, &request.index, source.ip());
        let flow = self.flow_to(target);
        let mut out = Vec::with_capacity(request.bytes.len() + 256);
        forward::print(
            &mut out,
            &request.bytes,
            &request.index,
            &Edits {
                request_uri: &request_uri_for(&request, target, user),
                hop: self.hop(flow),
                branch,
                loop_key: Some(loop_key),
                via: via.as_deref(),
                record_route: None,
                routes: b"",
                sieve: &Sieve::of_screen(user.map_or(Screen::Open, |_| Screen::Untrusted)),
                authenticator: self.authenticator.as_ref(),
                mask: None,
                breadth: None,
                renumber: None,
                session: SessionEdit::default(),
            },
        );
        if out.len() > longest(flow.transport) {
            self.answer(server_id, 513, "Message Too Large", b"");
            return true;
        }
        let client = self.send_request(Outgoing {
            branch,
            flow,
            bytes: out.into_boxed_slice(),
            origin: Origin::Relay(server_id),
            call: 0,
            ring_timeout: None,
        });
        if let Some(sent) = self.table.clients.get_mut(client) {
            sent.trust.open = user.is_none();
        }
        if let Some(server) = self.table.servers.get_mut(server_id) {
            server.client = Some(client);
        }
        true
    }

    /// Answer such a request from here. False if it is gone.
    pub(crate) fn reject_request(
        &mut self,
        id: u64,
        status: u16,
        phrase: &str,
        extra: &[u8],
    ) -> bool {
        let Some(server) = self.asked.remove(&id) else {
            return false;
        };
        self.answer(server, status, phrase, extra);
        true
    }

    fn undecided(&self, id: u64) -> Option<(Id<Server>, &Server)> {
        let server = *self.asked.get(&id)?;
        Some((server, self.table.servers.get(server)?))
    }
}
