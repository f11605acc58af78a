//! OPTIONS of our own outside a dialog, to learn whether a gateway is there (RFC 3261 section 11).

use crate::arena::Id;
use crate::endpoint::Endpoint;
use crate::event::{Cause, Event};
use crate::print;
use crate::proxy::command::Target;
use crate::proxy::forward::write_via;
use crate::proxy::send::Outgoing;
use crate::timer::Timer;
use crate::transaction::table::{Client, ClientMachine, Origin};
use crate::transport::{Flow, Transport};

impl Endpoint {
    /// Ask `target` whether it is there. One [`Event::Probed`] with this `probe` follows, at the latest when the
    /// target's answer timeout is over.
    pub fn probe(&mut self, probe: u64, target: &Target) {
        let branch = self.keys.random();
        let (tag, call_id) = (self.keys.random(), self.keys.random());
        let flow = self.flow_to(target);
        let bytes = self.print_probe(target, flow, branch, tag, call_id);
        let client = self.send_request(Outgoing {
            branch,
            flow,
            bytes: bytes.into_boxed_slice(),
            origin: Origin::Probe(probe),
            call: 0,
            ring_timeout: None,
        });
        self.arm(target.answer_timeout, Timer::NoAnswer, client.raw());
    }

    fn print_probe(
        &self,
        target: &Target,
        flow: Flow,
        branch: u64,
        tag: u64,
        call_id: u64,
    ) -> Vec<u8> {
        let hop = self.hop(flow);
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(b"OPTIONS sip:");
        out.extend_from_slice(target.host.as_bytes());
        out.extend_from_slice(b" SIP/2.0\r\n");
        write_via(&mut out, hop, branch, None);
        out.extend_from_slice(b"Max-Forwards: 70\r\nFrom: <sip:");
        out.extend_from_slice(hop.sent_by.as_bytes());
        out.extend_from_slice(b">;tag=");
        print::hex(&mut out, tag);
        out.extend_from_slice(b"\r\nTo: <sip:");
        out.extend_from_slice(target.host.as_bytes());
        out.extend_from_slice(b">\r\nCall-ID: ");
        print::hex(&mut out, call_id);
        out.extend_from_slice(b"\r\nCSeq: 1 OPTIONS\r\nContact: <sip:");
        out.extend_from_slice(hop.sent_by.as_bytes());
        if hop.transport != Transport::Udp {
            out.extend_from_slice(b";transport=");
            out.extend(
                hop.transport
                    .name()
                    .bytes()
                    .map(|byte| byte.to_ascii_lowercase()),
            );
        }
        // 11.1: a body is described in the answer only to those who say that they would read it.
        out.extend_from_slice(b">\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n");
        out
    }

    /// A probe has its answer, or will have none.
    pub(crate) fn probed(
        &mut self,
        probe: u64,
        status: u16,
        cause: Cause,
        retry_after: Option<u32>,
    ) {
        self.events.push(Event::Probed {
            probe,
            status,
            cause,
            retry_after,
        });
    }

    /// No answer to a probe can be expected any more. False where `id` is none, or had its answer.
    pub(crate) fn probe_over(&mut self, id: Id<Client>, cause: Cause) -> bool {
        let Some(client) = self.table.clients.get(id) else {
            return false;
        };
        let (Origin::Probe(probe), ClientMachine::NonInvite(state)) =
            (client.origin, client.machine)
        else {
            return false;
        };
        if state.pending() {
            self.table.remove_client(id);
            let status = if cause == Cause::Transport { 503 } else { 408 };
            self.probed(probe, status, cause, None);
        }
        true
    }
}
