//! Responses of our own, through a server transaction or without one (16.7, 17.2, 18.2.2, RFC 3581).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::arena::Id;
use crate::endpoint::{Endpoint, Incoming};
use crate::header::Params;
use crate::message::{Message, Span};
use crate::proxy::reply::{self, Reply};
use crate::timer::{Timer, T1, TRANSACTION};
use crate::transaction::invite_server;
use crate::transaction::table::{Server, ServerMachine};
use crate::transport::Flow;

impl Endpoint {
    /// Begin a server transaction for a request that policy or a peer has to answer.
    pub(crate) fn open_server(
        &mut self,
        key: u128,
        message: Incoming,
        machine: ServerMachine,
        call: u64,
        request: Arc<Message>,
    ) -> Id<Server> {
        let (reply, via) = reply_path(message);
        self.table.insert_server(Server {
            key,
            machine,
            reply,
            source: message.flow.peer,
            via,
            request: Some(request),
            response: None,
            call,
            reveal: None,
            client: None,
            cseq: message.index.cseq.number,
            session_seconds: 0,
        })
    }

    /// Send a printed response through its server transaction, and arm what its new state needs.
    pub(crate) fn respond(&mut self, id: Id<Server>, status: u16, bytes: Box<[u8]>) {
        let now = self.now;
        let Some(server) = self.table.servers.get_mut(id) else {
            return;
        };
        let accepted = server.machine == ServerMachine::Invite(invite_server::State::Accepted);
        if !server.send(status) {
            return;
        }
        self.outbox.push(server.reply, &bytes);
        let reliable = server.reply.transport.is_reliable();
        let raw = id.raw();
        if status < 200 {
            server.response = Some(bytes);
            return;
        }
        server.request = None;
        match server.machine {
            // RFC 6026 7.1: retransmissions of an accepted INVITE are absorbed; repeating the 2xx is the
            // callee's business.
            ServerMachine::Invite(invite_server::State::Accepted) => {
                server.response = None;
                if !accepted {
                    self.wheel.arm(now + TRANSACTION, Timer::L, raw);
                }
            }
            ServerMachine::Invite(_) => {
                server.response = Some(bytes);
                if !reliable {
                    self.wheel.arm(now + T1, Timer::G, raw);
                }
                self.wheel.arm(now + TRANSACTION, Timer::H, raw);
            }
            // Timer J is zero over a stream (17.2.2).
            ServerMachine::NonInvite(_) if reliable => {
                self.table.remove_server(id);
            }
            ServerMachine::NonInvite(_) => {
                server.response = Some(bytes);
                self.wheel.arm(now + TRANSACTION, Timer::J, raw);
            }
        }
    }

    /// Answer a request from here through its server transaction.
    pub(crate) fn answer(&mut self, id: Id<Server>, status: u16, phrase: &str, extra: &[u8]) {
        let Some(server) = self.table.servers.get(id) else {
            return;
        };
        let Some(request) = server.request.clone() else {
            return;
        };
        let tag = (status != 100).then(|| self.keys.tag(server.key, server.source));
        let mut out = Vec::with_capacity(512);
        let via = server.via.as_deref();
        let reply = Reply {
            status,
            phrase,
            via,
            tag,
            extra,
            server: &self.server,
        };
        reply::print(&mut out, &request.bytes, &request.index, &reply);
        self.respond(id, status, out.into_boxed_slice());
    }

    /// Answer a request without keeping any state: each retransmission is answered anew, the same way.
    pub(crate) fn answer_stateless(
        &mut self,
        message: Incoming,
        status: u16,
        phrase: &str,
        extra: &[u8],
    ) {
        if status >= 400 {
            self.counters.refused += 1;
            self.refusals.note(message, status);
        }
        let (flow, via) = reply_path(message);
        let key = self
            .keys
            .server(message.bytes, message.index, message.index.method, b"");
        let tag = self.keys.tag(key, message.flow.peer);
        let (via, tag) = (via.as_deref(), Some(tag));
        let reply = Reply {
            status,
            phrase,
            via,
            tag,
            extra,
            server: &self.server,
        };
        self.outbox.print(flow, |out| {
            reply::print(out, message.bytes, message.index, &reply);
        });
    }
}

/// Whether a host is this address, IPv6 with or without its brackets.
fn is_address(host: &[u8], ip: IpAddr) -> bool {
    let text = std::str::from_utf8(host).unwrap_or_default();
    text.trim_matches(['[', ']']).parse::<IpAddr>() == Ok(ip)
}

/// Where the answer to a request goes (18.2.2, RFC 3581 section 4), and its top Via value as the answer
/// carries it: None where it may stand as it came.
fn reply_path(message: Incoming) -> (Flow, Option<Box<[u8]>>) {
    let via = &message.index.via;
    let bytes = message.bytes;
    let peer = message.flow.peer;
    let same = is_address(via.host.of(bytes), peer.ip());
    // 18.2.2: maddr counts before received and rport. But an answer that followed it to another host could be aimed at
    // anybody, so it only ever counts where it names the host that asked; then sent-by has the port.
    let maddr = is_address(via.maddr.of(bytes), peer.ip());
    // Over a stream the address is only for a connection that is gone: then a new one goes to sent-by's port.
    let port = if via.rport.is_some() && !maddr && !message.flow.transport.is_reliable() {
        peer.port()
    } else {
        via.port.unwrap_or(message.flow.transport.default_port())
    };
    let flow = Flow {
        peer: SocketAddr::new(peer.ip(), port),
        ..message.flow
    };
    if same && via.rport.is_none() && via.received.is_empty() {
        return (flow, None);
    }
    // What a peer wrote into received and rport itself is dropped: only what was seen counts.
    let mut fixed = Vec::with_capacity(via.value.len() + 48);
    let text = via.value.of(bytes);
    let sent_by = memchr::memchr(b';', text).unwrap_or(text.len());
    fixed.extend_from_slice(text[..sent_by].trim_ascii_end());
    if sent_by < text.len() {
        let params = Span {
            start: via.value.start + sent_by as u32 + 1,
            end: via.value.end,
        };
        for param in Params::new(bytes, params).flatten() {
            let name = param.name.of(bytes);
            if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
                continue;
            }
            fixed.push(b';');
            fixed.extend_from_slice(name);
            if let Some(value) = param.value {
                fixed.push(b'=');
                fixed.extend_from_slice(value.of(bytes));
            }
        }
    }
    if via.rport.is_some() {
        fixed.extend_from_slice(b";rport=");
        crate::print::decimal(&mut fixed, u64::from(peer.port()));
    }
    fixed.extend_from_slice(b";received=");
    fixed.extend_from_slice(peer.ip().to_string().as_bytes());
    (flow, Some(fixed.into_boxed_slice()))
}
