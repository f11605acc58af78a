//! A request came in: a retransmission, part of a dialog, or new (RFC 3261 16.3, 16.4, 17.2.3).

use std::sync::Arc;

use crate::dialog::{reach, Call, Party};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::Event;
use crate::header::{self, NameAddr};
use crate::message::{Index, Message, Method, Name};
use crate::overload::Rank;
use crate::proxy::validate::{self, Problem, Ways};
use crate::transaction::table::ServerMachine;
use crate::transaction::{invite_server, non_invite_server};
use crate::transport::{Flow, Listener};

/// A full table empties within the 32 s that most transactions stay; part of it sooner.
const RETRY_AFTER: &[u8] = b"Retry-After: 5\r\n";

impl Endpoint {
    pub(crate) fn receive_request(&mut self, message: Incoming) {
        let index = message.index;
        if index.fault.as_ref().is_some_and(|fault| !fault.answerable) {
            self.counters.malformed += 1;
            return;
        }
        match index.method {
            Method::Ack => return self.receive_ack(message),
            Method::Cancel if index.fault.is_none() => return self.receive_cancel(message),
            _ => {}
        }
        let key = self.server_key(message, index.method);
        if let Some(id) = self.table.server(key) {
            return self.retransmitted(id);
        }
        let ways = Ways {
            arrived: message.flow.transport,
            tls: self.listeners.iter().any(|listener| listener.tls),
        };
        if let Err(problem) = validate::check(message.bytes, index, ways, || self.is_loop(message))
        {
            return self.refuse(message, &problem);
        }
        if self.is_full(index) {
            return self.answer_stateless(message, 503, "Service Unavailable", RETRY_AFTER);
        }
        if let Err(min_se) = self.session_timers.request(message.bytes, index) {
            let extra = format!("Min-SE: {min_se}\r\n");
            let phrase = "Session Interval Too Small";
            return self.answer_stateless(message, 422, phrase, extra.as_bytes());
        }
        if !index.to.tag.is_empty() {
            return self.receive_in_dialog(message, key);
        }
        match index.method {
            Method::Invite => self.receive_invite(message, key),
            _ => self.receive_out_of_dialog(message, key),
        }
    }

    /// No transaction is ever thrown out for another, for money may hang on it; new ones are refused instead.
    /// Calls that are up go on longer than new ones are taken, and a BYE is never refused.
    fn is_full(&self, index: &Index) -> bool {
        let limit = match (index.method, index.to.tag.is_empty()) {
            (Method::Bye, _) => return false,
            (_, true) => self.max_transactions,
            (_, false) => self.max_transactions + self.max_transactions / 4,
        };
        self.table.len() >= limit
    }

    fn refuse(&mut self, message: Incoming, problem: &Problem) {
        if problem.status == 400 {
            self.counters.malformed += 1;
        }
        self.answer_stateless(message, problem.status, problem.phrase, &problem.extra);
    }

    fn retransmitted(&mut self, id: crate::arena::Id<crate::transaction::table::Server>) {
        let Some(server) = self.table.servers.get(id) else {
            return;
        };
        let repeat = match server.machine {
            ServerMachine::Invite(state) => state.retransmitted(),
            ServerMachine::NonInvite(state) => state.retransmitted(),
        };
        if let (true, Some(response)) = (repeat, &server.response) {
            self.outbox.push(server.reply, response);
        }
    }

    /// A call attempt. Nothing leaves before policy has judged it.
    fn receive_invite(&mut self, message: Incoming, key: u128) {
        let rank = self.rank(message, key);
        if matches!(rank, Rank::Refused) {
            return;
        }
        let id = self.next_call;
        self.next_call += 1;
        let request = Arc::new(Message::keep(message.bytes, message.index));
        let server = self.open_server(
            key,
            message,
            ServerMachine::Invite(invite_server::State::Proceeding),
            id,
            request.clone(),
        );
        let reply = self
            .table
            .servers
            .get(server)
            .map_or(message.flow, |server| server.reply);
        let token = self.keys.random();
        let secure = request.is_sips();
        let certificate = self.streams.certificate(message.flow);
        let caller = caller(message, reply, &self.listeners, secure);
        let call_id = message.index.call_id.of(message.bytes);
        self.insert_call(Box::new(Call {
            invite: Some(request.clone()),
            server: Some(server),
            secure,
            ..Call::new(id, token, call_id, message.index.cseq.number, caller)
        }));
        let invite = Event::Invite {
            call: id,
            source: message.flow.peer,
            message: request,
            certificate,
        };
        match rank {
            Rank::First => self.events.push(invite),
            _ => self.events.push_new(self.now, invite),
        }
    }

    /// Begin the server transaction of a request inside a dialog.
    pub(crate) fn open_in_dialog(
        &mut self,
        key: u128,
        message: Incoming,
        call: u64,
    ) -> crate::arena::Id<crate::transaction::table::Server> {
        let machine = if message.index.method == Method::Invite {
            ServerMachine::Invite(invite_server::State::Proceeding)
        } else {
            ServerMachine::NonInvite(non_invite_server::State::Trying)
        };
        let request = Arc::new(Message::keep(message.bytes, message.index));
        self.open_server(key, message, machine, call, request)
    }
}

/// The calling end, as requests towards it need it. Its route set is the Record-Route of the INVITE in order.
fn caller(message: Incoming, reply: Flow, listeners: &[Listener], secure: bool) -> Party {
    let Incoming { bytes, index, .. } = message;
    let routes = join(
        index
            .all(Name::RecordRoute)
            .flat_map(|field| header::elements(field.value.of(bytes))),
    );
    let target = contact(message).unwrap_or_else(|| index.from.uri.of(bytes).into());
    Party {
        flow: reach(listeners, &routes, &target, reply, false, secure),
        identity: index
            .first(Name::From)
            .map_or(&[][..], |field| field.value.of(bytes))
            .into(),
        tag: index.from.tag.of(bytes).into(),
        target,
        routes,
    }
}

/// URI of the first Contact.
pub(crate) fn contact(message: Incoming) -> Option<Box<[u8]>> {
    let field = message.index.first(Name::Contact)?;
    let element = header::element_spans(message.bytes, field.value).next()?;
    let address = NameAddr::parse(message.bytes, element).ok()?;
    Some(address.uri.of(message.bytes).into())
}

/// Header elements as the value of one header.
pub(crate) fn join<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Box<[u8]> {
    let mut value = Vec::new();
    for element in elements {
        if !value.is_empty() {
            value.extend_from_slice(b", ");
        }
        value.extend_from_slice(element.trim_ascii());
    }
    value.into_boxed_slice()
}
