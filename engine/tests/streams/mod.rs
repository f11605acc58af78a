//! A proxy between a caller and a gateway over connections: fake wire, fake clock, no sockets.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs
)]

use std::collections::HashMap;
use std::net::SocketAddr;

use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::Event;
use sipguard_engine::proxy::command::Target;
use sipguard_engine::stream::table::Order;
use sipguard_engine::transport::{Flow, Listener, Transport};

pub const CALLER: &str = "192.0.2.10:40000";
pub const GATEWAY: &str = "198.51.100.1:5060";
pub const SECOND: &str = "198.51.100.2:5060";
pub const MS: u64 = 1_000_000;

pub struct Wire {
    pub sg: Endpoint,
    pub now: u64,
    /// Peer of each connection that sipguard has opened.
    pub opened: HashMap<u32, SocketAddr>,
    pub closed: Vec<u32>,
}

pub fn target(peer: &str, transport: Transport) -> Target {
    Target {
        peer: peer.parse().unwrap(),
        host: peer.to_owned(),
        listener: 0,
        transport,
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
        sg.add_listener(Listener {
            tls: true,
            ..Listener::new("203.0.113.5", 5061)
        });
        sg.add_listener(Listener::new("2001:db8::5", 5060));
        Wire {
            sg,
            now: 0,
            opened: HashMap::new(),
            closed: Vec::new(),
        }
    }

    pub fn accept(&mut self, peer: &str) -> u32 {
        self.sg.stream_accepted(self.now, 0, peer.parse().unwrap())
    }

    /// A connection to the listener for TLS, its handshake done, on which the peer has proved these names.
    pub fn accept_tls(&mut self, peer: &str, names: &[&str]) -> u32 {
        let id = self.sg.stream_accepted(self.now, 1, peer.parse().unwrap());
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        self.sg
            .stream_secured(self.now, id, (!names.is_empty()).then(|| names.into()));
        id
    }

    pub fn write(&mut self, stream: u32, text: &str) {
        let bytes = text.replace('\n', "\r\n");
        self.sg.stream_received(self.now, stream, bytes.as_bytes());
    }

    pub fn datagram(&mut self, from: &str, text: &str) {
        let flow = Flow::udp(0, from.parse().unwrap());
        let bytes = text.replace('\n', "\r\n");
        self.sg.receive(self.now, flow, bytes.as_bytes());
    }

    pub fn wait(&mut self, ms: u64) {
        for _ in 0..(ms / 100) {
            self.now += 100 * MS;
            self.sg.advance(self.now);
        }
    }

    /// Do what is ordered; every connection opens at once. Returns what was written: (connection, message).
    pub fn streamed(&mut self) -> Vec<(u32, String)> {
        let mut written = Vec::new();
        loop {
            let orders = self.sg.stream_orders();
            if orders.is_empty() {
                return written;
            }
            for order in orders {
                match order {
                    Order::Connect { stream, peer, .. } => {
                        self.opened.insert(stream, peer);
                        self.sg.stream_connected(self.now, stream);
                    }
                    Order::Send { stream, bytes } => {
                        let text = String::from_utf8(bytes).unwrap();
                        written.extend(messages(&text).into_iter().map(|text| (stream, text)));
                    }
                    Order::Close { stream } => self.closed.push(stream),
                }
            }
        }
    }

    /// The connection that is being opened, which the test has to answer.
    pub fn connecting(&mut self) -> u32 {
        match self.sg.stream_orders()[..] {
            [Order::Connect { stream, .. }] => stream,
            ref orders => panic!("{orders:?}"),
        }
    }

    pub fn datagrams(&mut self) -> Vec<(SocketAddr, String)> {
        let sent: Vec<_> = self
            .sg
            .outbox()
            .iter()
            .map(|(flow, bytes)| (flow.peer, String::from_utf8(bytes.to_vec()).unwrap()))
            .collect();
        self.sg.outbox().sent(sent.len());
        sent
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.sg.next_event()).collect()
    }

    pub fn invited(&mut self) -> u64 {
        match self.events()[..] {
            [Event::Invite { call, .. }] => call,
            ref events => panic!("{events:?}"),
        }
    }

    /// A call over TCP on both sides, up to the INVITE at the gateway: caller's and gateway's connection.
    pub fn invite_over_tcp(&mut self) -> (u64, u32, u32, String) {
        let caller = self.accept(CALLER);
        self.write(caller, &invite("TCP", "1"));
        let call = self.invited();
        assert!(self.sg.forward(
            call,
            &target(GATEWAY, Transport::Tcp),
            Some("8801711000000")
        ));
        let sent = self.streamed();
        assert_eq!(first_lines(&sent)[0], "SIP/2.0 100 Trying");
        assert_eq!((sent.len(), sent[0].0), (2, caller));
        let (gateway, invite) = sent[1].clone();
        assert_eq!(self.opened[&gateway].to_string(), GATEWAY);
        (call, caller, gateway, invite)
    }
}

/// The messages of a text, cut at their Content-Length.
pub fn messages(mut text: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(header) = text.find("\r\n\r\n") {
        if header == 0 || text.starts_with("\r\n") {
            break;
        }
        let length: usize = header_of(&text[..header], "Content-Length")
            .parse()
            .unwrap();
        let end = header + 4 + length;
        found.push(text[..end].to_owned());
        text = &text[end..];
    }
    if !text.is_empty() {
        found.push(text.to_owned());
    }
    found
}

pub fn first_lines(sent: &[(u32, String)]) -> Vec<&str> {
    sent.iter()
        .map(|(_, text)| text.lines().next().unwrap())
        .collect()
}

pub fn header_of<'a>(message: &'a str, name: &str) -> &'a str {
    message
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_default()
        .trim()
}

pub fn headers_of<'a>(message: &'a str, name: &str) -> Vec<&'a str> {
    message
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .collect()
}

pub fn invite(transport: &str, branch: &str) -> String {
    format!(
        "INVITE sip:8801711000000@203.0.113.5 SIP/2.0
Via: SIP/2.0/{transport} 192.0.2.10:5060;branch=z9hG4bKinv{branch}
Max-Forwards: 70
From: <sip:a@192.0.2.10>;tag=caller{branch}
To: <sip:b@203.0.113.5>
Call-ID: {branch}@192.0.2.10
CSeq: 1 INVITE
Contact: <sip:a@192.0.2.10:5070;transport={}>
Content-Length: 5

v=0
",
        transport.to_lowercase()
    )
}

/// A response of the gateway to a request that reached it.
pub fn answer(request: &str, status: &str, contact: &str) -> String {
    let copied: String = request
        .lines()
        .filter(|line| {
            ["Via:", "Record-Route:", "From:", "Call-ID:", "CSeq:"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let to = header_of(request, "To");
    let tag = if to.contains(";tag=") { "" } else { ";tag=gw1" };
    format!("SIP/2.0 {status}\n{copied}To: {to}{tag}\nContact: <{contact}>\nContent-Length: 0\n\n")
}

pub fn in_dialog(method: &str, cseq: u32, transport: &str, routes: &[&str]) -> String {
    let routes: String = routes
        .iter()
        .map(|route| format!("Route: {route}\n"))
        .collect();
    format!(
        "{method} sip:gw@198.51.100.1:5060 SIP/2.0\nVia: SIP/2.0/{transport} 192.0.2.10:5060;branch=z9hG4bK{method}{cseq}\nMax-Forwards: 70\n{routes}From: <sip:a@192.0.2.10>;tag=caller1\nTo: <sip:b@203.0.113.5>;tag=gw1\nCall-ID: 1@192.0.2.10\nCSeq: {cseq} {method}\nContact: <sip:a@192.0.2.10:5070;transport=tcp>\nContent-Length: 0\n\n"
    )
}
