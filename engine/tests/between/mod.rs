//! A proxy between a caller and a gateway: fake wire, fake clock, no sockets.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs
)]

use std::net::SocketAddr;

use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::Event;
use sipguard_engine::proxy::command::Target;
use sipguard_engine::transport::{Flow, Listener, Transport};

pub const CALLER: &str = "192.0.2.10:5060";
pub const GATEWAY: &str = "198.51.100.1:5060";
pub const SECOND: &str = "198.51.100.2:5060";
pub const MS: u64 = 1_000_000;

pub struct Wire {
    pub sg: Endpoint,
    pub now: u64,
}

pub fn target(peer: &str) -> Target {
    Target {
        peer: peer.parse().unwrap(),
        host: peer.to_owned(),
        listener: 0,
        transport: Transport::Udp,
        gateway: 0,
        answer_timeout: 4000 * MS,
        ring_timeout: 181_000 * MS,
        dials_by_to: false,
        takes_refer: false,
        trusted: false,
        hides_topology: false,
        hides_call_id: false,
        contact: None,
    }
}

impl Wire {
    pub fn new() -> Self {
        let mut sg = Endpoint::new(3, &[9; 32], 0);
        sg.add_listener(Listener::new("203.0.113.5", 5060));
        Wire { sg, now: 0 }
    }

    pub fn send(&mut self, from: &str, message: &str) {
        let flow = Flow::udp(0, from.parse().unwrap());
        self.sg
            .receive(self.now, flow, message.replace('\n', "\r\n").as_bytes());
    }

    pub fn wait(&mut self, ms: u64) {
        for _ in 0..(ms / 100) {
            self.now += 100 * MS;
            self.sg.advance(self.now);
        }
    }

    pub fn sent(&mut self) -> Vec<(SocketAddr, String)> {
        let out: Vec<_> = self
            .sg
            .outbox()
            .iter()
            .map(|(flow, bytes)| (flow.peer, String::from_utf8(bytes.to_vec()).unwrap()))
            .collect();
        let count = out.len();
        self.sg.outbox().sent(count);
        out
    }

    /// What was sent, as "destination first-line".
    pub fn lines(&mut self) -> Vec<String> {
        self.sent()
            .iter()
            .map(|(to, text)| format!("{to} {}", text.lines().next().unwrap()))
            .collect()
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.sg.next_event()).collect()
    }

    /// INVITE in, forwarded to the gateway: the call id and the INVITE as it left.
    pub fn invite(&mut self) -> (u64, String) {
        self.send(CALLER, INVITE);
        let [Event::Invite { call, .. }] = self.events()[..] else {
            panic!("no invite")
        };
        assert!(self
            .sg
            .forward(call, &target(GATEWAY), Some("8801711000000")));
        let sent = self.sent();
        assert!(sent[0].1.starts_with("SIP/2.0 100 "), "{sent:?}");
        assert_eq!(sent.len(), 2);
        (call, sent[1].1.clone())
    }

    /// A call that is up.
    pub fn answered(&mut self) -> (u64, String) {
        let (call, invite) = self.invite();
        self.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
        assert!(matches!(
            self.events()[..],
            [Event::Answered { status: 200, .. }]
        ));
        assert!(self.sg.release(call));
        self.sent();
        self.send(CALLER, &in_dialog("ACK", 1, "gw1", "ack1"));
        assert_eq!(
            self.lines(),
            [format!("{GATEWAY} ACK sip:gw@198.51.100.1:5060 SIP/2.0")]
        );
        (call, invite)
    }
}

pub const INVITE: &str = "INVITE sip:+880-1711-000000@203.0.113.5 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKinv;rport
Max-Forwards: 70
From: \"A\" <sip:a@192.0.2.10>;tag=caller
To: <sip:b@203.0.113.5>
Call-ID: one@192.0.2.10
CSeq: 1 INVITE
Contact: <sip:a@192.0.2.10:5060>
X-Odd:  kept   as it is
Content-Type: application/sdp
Content-Length: 4

v=0
";

pub fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_default()
        .trim()
}

/// A response of the gateway to a request that reached it.
pub fn answer(request: &str, status: &str, tag: &str) -> String {
    let vias: String = request
        .lines()
        .filter(|line| line.starts_with("Via:"))
        .map(|line| format!("{line}\n"))
        .collect();
    let route = header(request, "Record-Route");
    let to = header(request, "To");
    let to = if to.contains(";tag=") || tag.is_empty() {
        to.to_owned()
    } else {
        format!("{to};tag={tag}")
    };
    let record = if route.is_empty() {
        String::new()
    } else {
        format!("Record-Route: {route}\n")
    };
    format!(
        "SIP/2.0 {status}\n{vias}{record}From: {}\nTo: {to}\nCall-ID: {}\nCSeq: {}\nContact: <sip:gw@198.51.100.1:5060>\nContent-Length: 0\n\n",
        header(request, "From"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
    )
}

/// A request of the caller inside the dialog.
pub fn in_dialog(method: &str, cseq: u32, tag: &str, branch: &str) -> String {
    format!(
        "{method} sip:gw@198.51.100.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{branch}\nMax-Forwards: 70\nFrom: \"A\" <sip:a@192.0.2.10>;tag=caller\nTo: <sip:b@203.0.113.5>;tag={tag}\nCall-ID: one@192.0.2.10\nCSeq: {cseq} {method}\nContact: <sip:a@192.0.2.10:5060>\nContent-Length: 0\n\n"
    )
}

/// A request of the gateway inside the dialog.
pub fn from_gateway(method: &str, cseq: u32) -> String {
    format!(
        "{method} sip:a@192.0.2.10:5060 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKgw{method}{cseq}\nMax-Forwards: 70\nFrom: <sip:b@203.0.113.5>;tag=gw1\nTo: \"A\" <sip:a@192.0.2.10>;tag=caller\nCall-ID: one@192.0.2.10\nCSeq: {cseq} {method}\nContent-Length: 0\n\n"
    )
}
