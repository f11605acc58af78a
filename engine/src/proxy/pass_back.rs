//! A response goes back to who asked (RFC 3261 16.7 steps 3, 9 and 10).

use crate::arena::Id;
use crate::dialog::Trust;
use crate::endpoint::{Endpoint, Incoming};
use crate::message::Method;
use crate::proxy::hide::second_via;
use crate::proxy::reply::{self, Back};
use crate::proxy::response::redirects;
use crate::proxy::session::refreshed_by_caller;
use crate::proxy::sieve::Sieve;
use crate::transaction::table::{Origin, Server};

/// The request that a response answers.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    /// The call that it belongs to; 0: none.
    pub call: u64,
    /// What it came in by.
    pub server: Option<Id<Server>>,
    /// What is known of who was asked, where no dialog knows more.
    pub trust: Trust,
}

impl Endpoint {
    /// Whether a response goes to who asked by its own Vias too: behind ours stands the one that the request came
    /// with. A third party's there would have the caller, or a proxy in front of it, send the answer on to an
    /// address of the gateway's choice (16.7 step 3, bypass C14).
    pub(crate) fn leads_back(
        &self,
        origin: Origin,
        call: u64,
        message: Incoming,
        method: Method,
    ) -> bool {
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

    /// The final response to a request inside a dialog. A redirection has no place there (see [`redirects`]).
    pub(crate) fn relay_back(
        &mut self,
        asked: Asked,
        server: Id<Server>,
        message: Incoming,
        status: u16,
    ) {
        let call = self.calls.get(&asked.call);
        if redirects(status) && call.is_some_and(|call| call.is_judged()) {
            self.answer(server, 480, "Temporarily Unavailable", b"");
        } else {
            let (sieve, _) = self.sieve_answer(asked, message);
            self.pass_back(server, &sieve, message, status);
        }
    }

    /// Pass a response on through a server transaction (steps 3, 9 and 10).
    pub(crate) fn pass_back(
        &mut self,
        server: Id<Server>,
        sieve: &Sieve,
        message: Incoming,
        status: u16,
    ) {
        let mut out = Vec::with_capacity(message.bytes.len());
        if self.print_back(&mut out, Some(server), sieve, message) {
            self.respond(server, status, out.into_boxed_slice());
        } else {
            self.counters.dropped += 1;
        }
    }

    /// Print a response as it goes on through a server transaction. False where that is gone, or where no Via
    /// is left.
    pub(crate) fn print_back(
        &self,
        out: &mut Vec<u8>,
        server: Option<Id<Server>>,
        sieve: &Sieve,
        message: Incoming,
    ) -> bool {
        let Some(server) = server.and_then(|server| self.table.servers.get(server)) else {
            return false;
        };
        let missing = self.session_missing(server, message);
        let back = Back {
            transport: server.reply.transport,
            cseq: server.cseq,
            reveal: server.reveal.as_deref(),
            sieve,
            extra: &missing.map_or_else(Vec::new, refreshed_by_caller),
        };
        reply::pass(out, message.bytes, message.index, &back)
    }
}
