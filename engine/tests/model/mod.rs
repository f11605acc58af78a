//! Any sequence of messages, times and orders: no panic, nothing forwarded that was not ordered, and when all
//! timers have run out nothing is left. The property tests and the fuzz target run this same file.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs
)]

use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::Event;
use sipguard_engine::proxy::command::Target;
use sipguard_engine::proxy::ping::Pings;
use sipguard_engine::proxy::session::SessionTimers;
use sipguard_engine::transport::{Flow, Listener, Transport};

const MS: u64 = 1_000_000;
const PEERS: [&str; 3] = ["192.0.2.10:5060", "198.51.100.1:5060", "198.51.100.2:5060"];

#[derive(Clone, Debug)]
pub enum Step {
    /// A request of the caller: method, call, CSeq, branch, To tag.
    Request(usize, u8, u32, u8, u8),
    /// A request of a gateway inside a dialog.
    FromGateway(usize, u8, u32, u8),
    /// A response of a gateway to something that was sent to it.
    Respond(usize, u16, u8),
    /// The same bytes again, perhaps with one changed.
    Repeat(usize, Option<(usize, u8)>),
    /// ICMP for something that was sent.
    Undeliverable(usize),
    Wait(u64),
    Release(usize),
    Hangup(usize),
    Cancel(usize),
    Bytes(Vec<u8>),
}

pub const METHODS: [&str; 9] = [
    "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "PRACK", "INFO", "XYZZY",
];
pub const STATUSES: [u16; 11] = [100, 180, 183, 200, 202, 302, 404, 486, 487, 503, 603];

fn request(
    method: &str,
    call: u8,
    cseq: u32,
    branch: u8,
    from: &str,
    to: &str,
    via: &str,
) -> Vec<u8> {
    format!(
        "{method} sip:88017110@203.0.113.5 SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bKc{call}b{branch}\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>{from}\r\nTo: <sip:c@d>{to}\r\nCall-ID: {call}@x\r\nCSeq: {cseq} {method}\r\nContact: <sip:a@{via}>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn respond(sent: &[u8], status: u16, tag: u8) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(sent).ok()?;
    if text.starts_with("SIP/2.0") || text.starts_with("ACK") {
        return None;
    }
    let mut out = format!("SIP/2.0 {status} X\r\n");
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next()?;
        if ["Via", "From", "Call-ID", "CSeq", "Record-Route"].contains(&name) {
            out.push_str(line);
            out.push_str("\r\n");
        } else if name == "To" {
            out.push_str(line);
            if !line.contains(";tag=") && tag > 0 {
                out.push_str(&format!(";tag=g{tag}"));
            }
            out.push_str("\r\n");
        }
    }
    out.push_str("Contact: <sip:gw@198.51.100.1:5060>\r\nContent-Length: 0\r\n\r\n");
    Some(out.into_bytes())
}

struct World {
    sg: Endpoint,
    now: u64,
    sent: Vec<(Flow, Vec<u8>)>,
    received: Vec<(Flow, Vec<u8>)>,
    calls: Vec<u64>,
    forwarded: std::collections::HashSet<String>,
}

impl World {
    fn receive(&mut self, peer: usize, bytes: Vec<u8>) {
        let flow = Flow::udp(0, PEERS[peer % PEERS.len()].parse().unwrap());
        self.sg.receive(self.now, flow, &bytes);
        self.received.push((flow, bytes));
    }

    /// Decide on everything, as a policy would; the choice depends on the event alone.
    fn settle(&mut self) {
        while let Some(event) = self.sg.next_event() {
            match event {
                Event::Invite { call, .. } => {
                    self.calls.push(call);
                    if call % 5 == 0 {
                        assert!(self.sg.reject(call, 403, "Forbidden", b""));
                    } else {
                        assert!(self.sg.forward(call, &target(1), Some("880")));
                    }
                }
                Event::Request { call, .. } => {
                    if call % 3 == 0 {
                        assert!(self.sg.reject(call, 405, "Method Not Allowed", b""));
                    } else {
                        assert!(self.sg.forward(call, &target(1), None));
                    }
                    assert!(!self.sg.forward(call, &target(1), None), "decided once");
                }
                Event::Failed {
                    call, cancelled, ..
                } => {
                    if cancelled || call % 2 == 0 {
                        self.sg.finish(call);
                    } else {
                        let _ = self.sg.forward(call, &target(2), Some("880"))
                            || self.sg.finish(call) > 0;
                    }
                }
                Event::Answered { call, .. } | Event::Ended { call, .. } => {
                    self.sg.probe(call, &target(2));
                    if call % 3 == 0 {
                        self.sg.release(call);
                    }
                }
                Event::Lost { call, .. } => {
                    assert!(
                        self.sg.hangup(call, "SIP;cause=408"),
                        "found in a call that is up"
                    );
                }
                Event::Resolve(name) => {
                    let peer = target(2).peer;
                    self.sg.resolved(&name, Transport::Udp, peer);
                }
                Event::Probed { .. } | Event::Changed { .. } => {}
            }
        }
        let out: Vec<_> = self
            .sg
            .outbox()
            .iter()
            .map(|(flow, bytes)| (flow, bytes.to_vec()))
            .collect();
        let count = out.len();
        self.sg.outbox().sent(count);
        for (flow, bytes) in out {
            let line = String::from_utf8_lossy(&bytes)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            if line.starts_with("INVITE") {
                self.forwarded.insert(line);
            }
            self.sent.push((flow, bytes));
        }
    }
}

fn target(peer: usize) -> Target {
    Target {
        peer: PEERS[peer].parse().unwrap(),
        host: PEERS[peer].to_owned(),
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

pub fn run(steps: Vec<Step>) {
    let mut sg = Endpoint::new(1, &[5; 32], 0);
    sg.add_listener(Listener::new("203.0.113.5", 5060));
    sg.ask_requests(steps.len() % 2 == 0);
    if steps.len() % 3 > 0 {
        sg.set_pings(Pings::new(10_000_000_000, 100, 1_000_000_000));
        sg.set_session_timers(SessionTimers {
            expires: 100,
            min_se: 90,
        });
    }
    let mut world = World {
        sg,
        now: 0,
        sent: vec![],
        received: vec![],
        calls: vec![],
        forwarded: Default::default(),
    };
    let tags = ["", ";tag=g1", ";tag=g2", ";tag=g3"];
    for step in steps {
        match step {
            Step::Request(method, call, cseq, branch, tag) => {
                world.receive(
                    0,
                    request(
                        METHODS[method],
                        call,
                        cseq,
                        branch,
                        ";tag=caller",
                        tags[tag as usize],
                        "192.0.2.10:5060",
                    ),
                );
            }
            Step::FromGateway(method, call, cseq, tag) => {
                world.receive(
                    1,
                    request(
                        METHODS[method],
                        call,
                        cseq,
                        9,
                        tags[tag as usize],
                        ";tag=caller",
                        "198.51.100.1:5060",
                    ),
                );
            }
            Step::Respond(at, status, tag) if !world.sent.is_empty() => {
                let (flow, bytes) = world.sent[at % world.sent.len()].clone();
                if let Some(response) = respond(&bytes, status, tag) {
                    world.sg.receive(world.now, flow, &response);
                    world.received.push((flow, response));
                }
            }
            Step::Repeat(at, change) if !world.received.is_empty() => {
                let (flow, mut bytes) = world.received[at % world.received.len()].clone();
                if let (Some((at, to)), false) = (change, bytes.is_empty()) {
                    let at = at % bytes.len();
                    bytes[at] = to;
                }
                world.sg.receive(world.now, flow, &bytes);
            }
            Step::Undeliverable(at) if !world.sent.is_empty() => {
                let (flow, bytes) = world.sent[at % world.sent.len()].clone();
                world
                    .sg
                    .undeliverable(world.now, flow.peer, &bytes[..bytes.len().min(500)]);
            }
            Step::Wait(ms) => {
                world.now += ms * MS;
                world.sg.advance(world.now);
            }
            Step::Release(at) if !world.calls.is_empty() => {
                let call = world.calls[at % world.calls.len()];
                world.sg.release(call);
            }
            Step::Hangup(at) if !world.calls.is_empty() => {
                let call = world.calls[at % world.calls.len()];
                world.sg.hangup(call, "SIP;cause=200");
            }
            Step::Cancel(at) if !world.calls.is_empty() => {
                let call = world.calls[at % world.calls.len()];
                world.sg.cancel(call, 480, "Gone", b"");
            }
            Step::Bytes(bytes) => world.receive(0, bytes),
            _ => {}
        }
        world.settle();
    }
    // Judged = sent: an INVITE leaves only as it was ordered, or inside a dialog to its remote target.
    for line in &world.forwarded {
        assert!(
            line.starts_with("INVITE sip:880@198.51.100.")
                || line.starts_with("INVITE sip:gw@")
                || line.starts_with("INVITE sip:a@"),
            "{line}"
        );
    }
    // Everything ends: release what is held, hang up what is up, let the timers run out.
    for call in world.calls.clone() {
        while world.sg.release(call) {}
        world.sg.hangup(call, "");
        world.sg.cancel(call, 480, "Gone", b"");
    }
    for _ in 0..20 {
        world.now += 30_000 * MS;
        world.sg.advance(world.now);
        world.settle();
        for call in world.calls.clone() {
            while world.sg.release(call) {}
            world.sg.hangup(call, "");
        }
    }
    assert_eq!(
        world.sg.sizes(),
        (0, 0, 0),
        "transactions, calls, live calls"
    );
    assert_eq!(world.sg.deadline(), None, "a timer without an owner");
}
