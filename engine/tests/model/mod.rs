//! Any sequence of messages, times and orders: no panic, nothing forwarded that was not ordered, and when all
//! timers have run out nothing is left. The property tests and the fuzz target run this same file.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs
)]

mod peer;
mod step;

use std::collections::BTreeMap;

use sipguard_engine::digest::{Algorithm, Authenticator, Ha1, Outcome};
use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::Event;
use sipguard_engine::proxy::command::{Contact, Target};
use sipguard_engine::proxy::identity::Caller;
use sipguard_engine::proxy::ping::Pings;
use sipguard_engine::proxy::session::SessionTimers;
use sipguard_engine::stream::table::Order;
use sipguard_engine::transport::{Flow, Listener, Transport};
use step::{Setup, Step};

const MS: u64 = 1_000_000;
/// Unix milliseconds at the beginning.
const T0: u64 = 1_700_000_000_000;
const PEERS: [&str; 3] = ["192.0.2.10:5060", "198.51.100.1:5060", "198.51.100.2:5060"];
/// The only user part that any call is ordered with.
const JUDGED: &str = "880";
const FOR_TLS: u16 = 1;

struct World {
    setup: Setup,
    sg: Endpoint,
    runs: u64,
    now: u64,
    sent: Vec<(Flow, Vec<u8>)>,
    received: Vec<(Flow, Vec<u8>)>,
    calls: Vec<u64>,
    /// What is kept of the calls that are up, as a store would.
    saved: BTreeMap<u64, Box<[u8]>>,
    /// Connections that are open, ours and theirs, with their peers.
    streams: Vec<(u32, usize)>,
    messages: u64,
    /// Gateways that were asked for each call.
    tries: BTreeMap<u64, u32>,
}

/// Run what these bytes stand for; how many messages were received. Panics where something must not be.
pub fn run(bytes: &[u8]) -> u64 {
    let (setup, steps) = step::read(bytes);
    let mut world = World {
        setup,
        sg: endpoint(setup, 1, 0),
        runs: 1,
        now: 0,
        sent: vec![],
        received: vec![],
        calls: vec![],
        saved: BTreeMap::new(),
        streams: vec![],
        messages: 0,
        tries: BTreeMap::new(),
    };
    for step in steps {
        world.take(step);
        world.settle();
    }
    world.end();
    world.messages
}

fn endpoint(setup: Setup, epoch: u64, now: u64) -> Endpoint {
    let mut sg = Endpoint::new(epoch, &[5; 32], now);
    sg.add_listener(Listener::new("203.0.113.5", 5060));
    sg.add_listener(Listener {
        tls: true,
        ..Listener::new("203.0.113.5", 5061)
    });
    sg.ask_requests(setup.asks_requests);
    sg.ask_registers(setup.asks_registers);
    sg.resolve_names(setup.resolves_names);
    if setup.pings_and_session_timers {
        sg.set_pings(Pings::new(10_000 * MS, 100, 1000 * MS));
        sg.set_session_timers(SessionTimers {
            expires: 100,
            min_se: 90,
        });
    }
    if setup.authenticates {
        let offered = [Algorithm::Sha256, Algorithm::Md5];
        let mut authenticator = Authenticator::new(peer::REALM, &[7; 32], &offered, 30_000);
        authenticator.limit_used(4);
        sg.set_authenticator(authenticator);
    }
    if setup.switches_large {
        sg.set_tcp_above(500);
    }
    if setup.traces {
        sg.trace(1 << 12);
        sg.trace_peers(Vec::new(), true);
    }
    sg
}

impl World {
    fn take(&mut self, step: Step) {
        match step {
            Step::Request(request) => {
                let transport = self.setup.caller;
                let bytes = peer::request(request, true, transport.name(), PEERS[0]);
                self.bring(0, transport, bytes);
            }
            Step::FromGateway(request) => {
                let transport = self.setup.gateway;
                let bytes = peer::request(request, false, transport.name(), PEERS[1]);
                self.bring(1, transport, bytes);
            }
            Step::Respond(at, status, tag, extra) if !self.sent.is_empty() => {
                let (flow, bytes) = self.sent[at % self.sent.len()].clone();
                if let Some(response) = peer::respond(&bytes, status, tag, extra) {
                    self.receive(flow, response);
                }
            }
            Step::Repeat(at, change) if !self.received.is_empty() => {
                let (flow, mut bytes) = self.received[at % self.received.len()].clone();
                if let (Some((at, to)), false) = (change, bytes.is_empty()) {
                    let at = at % bytes.len();
                    bytes[at] = to;
                }
                self.receive(flow, bytes);
            }
            Step::Undeliverable(at) if !self.sent.is_empty() => {
                let (flow, bytes) = self.sent[at % self.sent.len()].clone();
                let quoted = &bytes[..bytes.len().min(500)];
                self.sg.undeliverable(self.now, flow.peer, quoted);
            }
            Step::Wait(ms) => {
                self.now += ms * MS;
                self.sg.advance(self.now);
            }
            Step::Release(at) if !self.calls.is_empty() => {
                let call = self.calls[at % self.calls.len()];
                self.sg.release(call);
            }
            Step::Hangup(at) if !self.calls.is_empty() => {
                let call = self.calls[at % self.calls.len()];
                self.sg.hangup(call, "SIP;cause=200");
                self.saved.remove(&call);
            }
            Step::Cancel(at) if !self.calls.is_empty() => {
                let call = self.calls[at % self.calls.len()];
                self.sg.cancel(call, 480, "Gone", b"");
            }
            Step::Bytes(bytes) => self.receive(udp(0), bytes),
            Step::Authorize(at) => self.authorize(at),
            Step::Accept => {
                self.accept(0, self.setup.caller);
            }
            Step::Write(at, bytes) if !self.streams.is_empty() => {
                let (stream, _) = self.streams[at % self.streams.len()];
                self.messages += 1;
                self.sg.stream_received(self.now, stream, &bytes);
            }
            Step::Close(at, half) if !self.streams.is_empty() => {
                let (stream, _) = self.streams[at % self.streams.len()];
                if !half || !self.sg.stream_finished(self.now, stream) {
                    self.close(stream);
                }
            }
            Step::Restart => self.restart(),
            _ => {}
        }
    }

    /// From a peer, by a connection of its own where one is needed.
    fn bring(&mut self, peer: usize, transport: Transport, bytes: Vec<u8>) {
        if transport == Transport::Udp {
            return self.receive(udp(peer), bytes);
        }
        let known = self.streams.iter().find(|stream| stream.1 == peer);
        let stream = match known {
            Some(stream) => stream.0,
            None => self.accept(peer, transport),
        };
        let flow = Flow {
            transport,
            connection: stream,
            ..udp(peer)
        };
        self.receive(flow, bytes);
    }

    fn receive(&mut self, flow: Flow, bytes: Vec<u8>) {
        self.messages += 1;
        if flow.transport == Transport::Udp {
            self.sg.receive(self.now, flow, &bytes);
        } else {
            // In two pieces, as the network may have it.
            let (front, rest) = bytes.split_at(bytes.len() / 2);
            self.sg.stream_received(self.now, flow.connection, front);
            self.sg.stream_received(self.now, flow.connection, rest);
        }
        self.received.push((flow, bytes));
    }

    fn accept(&mut self, peer: usize, transport: Transport) -> u32 {
        let tls = transport == Transport::Tls;
        let listener = if tls { FOR_TLS } else { 0 };
        let at = PEERS[peer].parse().unwrap();
        let stream = self.sg.stream_accepted(self.now, listener, at);
        if stream != 0 {
            self.streams.push((stream, peer));
        }
        if tls {
            let names = ["pbx.example".to_owned()];
            let shown = (self.streams.len() % 2 == 0).then(|| names.into());
            self.sg.stream_secured(self.now, stream, shown);
        }
        stream
    }

    fn close(&mut self, stream: u32) {
        self.streams.retain(|open| open.0 != stream);
        self.sg.stream_closed(self.now, stream);
    }

    fn authorize(&mut self, at: usize) {
        let is_challenge = |sent: &&(Flow, Vec<u8>)| {
            sent.1.starts_with(b"SIP/2.0 407") || sent.1.starts_with(b"SIP/2.0 401")
        };
        let challenges: Vec<_> = self.sent.iter().filter(is_challenge).collect();
        if challenges.is_empty() || self.received.is_empty() {
            return;
        }
        let challenge = &challenges[at % challenges.len()].1;
        let (flow, request) = &self.received[at % self.received.len()];
        if let Some(request) = peer::authorized(request, challenge, self.received.len()) {
            self.receive(*flow, request);
        }
    }

    fn restart(&mut self) {
        self.runs += 1;
        self.sg = endpoint(self.setup, self.runs, self.now);
        self.streams.clear();
        self.calls.clear();
        for (call, dialog) in &self.saved {
            assert!(self.sg.restore(*call, dialog), "saved, and not restored");
            self.calls.push(*call);
        }
    }

    /// Decide on everything, as a policy would, and send; the choice depends on the event alone.
    fn settle(&mut self) {
        loop {
            while let Some(event) = self.sg.next_event() {
                self.decide(event);
            }
            let orders = self.sg.stream_orders();
            if orders.is_empty() {
                break;
            }
            for order in orders {
                self.carry_out(order);
            }
        }
        let out: Vec<_> = self
            .sg
            .outbox()
            .iter()
            .map(|(flow, bytes)| (flow, bytes.to_vec()))
            .collect();
        self.sg.outbox().sent(out.len());
        for (flow, bytes) in out {
            self.note(flow, bytes);
        }
    }

    fn decide(&mut self, event: Event) {
        let setup = self.setup;
        let target = |peer| target(peer, setup);
        match event {
            Event::Invite { call, .. } => {
                self.calls.push(call);
                if !self.is_known(call) {
                    return;
                }
                if call % 5 == 0 {
                    assert!(self.sg.reject(call, 403, "Forbidden", b""));
                } else {
                    self.forward(call, 1);
                }
            }
            Event::Request { call, .. } => {
                if !self.is_known(call) {
                    return;
                }
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
                let tries = self.tries.entry(call).or_default();
                *tries += 1;
                if cancelled || call % 2 == 0 || *tries > 3 || !self.try_forward(call, 2) {
                    self.sg.finish(call);
                }
            }
            Event::Answered { call, dialog, .. } => {
                self.saved.insert(call, dialog);
                self.sg.probe(call, &target(2));
                if call % 3 == 0 {
                    self.sg.release(call);
                }
            }
            Event::Changed {
                call,
                dialog,
                answered,
            } => {
                if let Some(saved) = self.saved.get_mut(&call) {
                    *saved = dialog;
                }
                if answered && call % 2 == 0 {
                    self.sg.release_fork(call);
                }
            }
            Event::Unwanted { .. } => {}
            Event::Ended { call, .. } => {
                self.saved.remove(&call);
                self.sg.probe(call, &target(2));
                if call % 3 == 0 {
                    self.sg.release(call);
                }
            }
            Event::Lost { call, .. } => {
                self.saved.remove(&call);
                assert!(
                    self.sg.hangup(call, "SIP;cause=408"),
                    "found in a call that is up"
                );
            }
            Event::Resolve(name) => {
                let Target {
                    peer, transport, ..
                } = target(2);
                self.sg.resolved(&name, transport, peer);
            }
            Event::Probed { .. } => {}
        }
    }

    /// Whether an undecided request is from somebody; otherwise it was asked who it is from, or refused.
    fn is_known(&mut self, call: u64) -> bool {
        if !self.setup.authenticates {
            return true;
        }
        let unix_ms = T0 + self.now / MS;
        let Some(_user) = self.sg.credentials_user(call) else {
            assert!(self.sg.challenge(call, false, unix_ms));
            return false;
        };
        let hashes = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256].map(peer::ha1);
        let ha1 = Ha1 {
            md5: &hashes[0],
            sha256: &hashes[1],
            sha512_256: &hashes[2],
        };
        match self.sg.authenticate(call, ha1, unix_ms) {
            Outcome::Right => return true,
            Outcome::Stale | Outcome::Replayed => {
                assert!(self.sg.challenge(call, true, unix_ms));
            }
            _ => assert!(self.sg.reject(call, 403, "Forbidden", b"")),
        }
        false
    }

    fn forward(&mut self, call: u64, peer: usize) {
        assert!(self.try_forward(call, peer));
    }

    fn try_forward(&mut self, call: u64, peer: usize) -> bool {
        let caller = self.setup.presents.then(|| Caller {
            user: (call % 7 != 0).then(|| (if call % 2 == 0 { "" } else { "44" }).to_owned()),
            keeps_name: call % 3 == 0,
            asserted: (call % 4 != 0).then(|| "44".to_owned()),
            by_remote_party: call % 4 == 1,
        });
        let (one, other) = (target(peer, self.setup), target(2, self.setup));
        let trusted = self.setup.trusts_caller;
        // Some ring in two or three places at once.
        let all = [&one, &other, &one];
        let asked = all.get(..(call % 4).max(1) as usize).unwrap_or_default();
        self.sg
            .fork(call, asked, Some(JUDGED), trusted, caller.as_ref())
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Connect { stream, peer, .. } => {
                // One in four is refused, one in four stays in the making, as the peer's port has it.
                let known = PEERS.iter().position(|at| *at == peer.to_string());
                match (stream % 4, known) {
                    (1, _) => self.sg.stream_closed(self.now, stream),
                    (2, _) => {}
                    (_, at) => {
                        self.streams.push((stream, at.unwrap_or(2)));
                        self.sg.stream_connected(self.now, stream);
                    }
                }
            }
            Order::Send { stream, bytes } => {
                let peer = self.streams.iter().find(|open| open.0 == stream);
                if let Some(&(_, peer)) = peer {
                    let flow = Flow {
                        transport: Transport::Tcp,
                        connection: stream,
                        ..udp(peer)
                    };
                    self.note(flow, bytes);
                }
            }
            Order::Close { stream } => self.streams.retain(|open| open.0 != stream),
        }
    }

    /// Judged = sent: what asks for a new call leaves only as it was ordered.
    fn note(&mut self, flow: Flow, bytes: Vec<u8>) {
        if bytes.starts_with(b"INVITE ") {
            let text = String::from_utf8_lossy(&bytes);
            let begins = text
                .lines()
                .find(|line| line.starts_with("To:") || line.starts_with("t:"))
                .is_some_and(|to| !to.contains("tag"));
            let ordered = [
                "INVITE sip:880@198.51.100.",
                "INVITE sips:880@198.51.100.",
                "INVITE sip:phone@",
            ];
            let as_ordered = ordered.iter().any(|start| text.starts_with(start));
            assert!(!begins || as_ordered, "{text}");
        }
        // Nobody is trusted (and requests outside a dialog, which pass unjudged here, do not pass): nobody names anybody.
        if !self.setup.trusts_caller && !self.setup.asks_requests {
            let text = String::from_utf8_lossy(&bytes);
            let head = text.split("\r\n\r\n").next().unwrap_or_default();
            let head = if head.contains(" REGISTER\r\n") {
                ""
            } else {
                head
            };
            let named = head.split("\r\n").find(|line| peer::NAMES.contains(line));
            assert_eq!(named, None, "{text}");
        }
        self.sent.push((flow, bytes));
    }

    /// Everything ends: release what is held, hang up what is up, let the timers run out.
    fn end(&mut self) {
        for round in 0..40 {
            for call in self.calls.clone() {
                while self.sg.release(call) {}
                self.sg.hangup(call, "");
                if round == 0 {
                    self.sg.cancel(call, 480, "Gone", b"");
                }
            }
            self.settle();
            self.now += 30_000 * MS;
            self.sg.advance(self.now);
            self.settle();
        }
        assert_eq!(
            self.sg.sizes(),
            (0, 0, 0),
            "transactions, calls, live calls"
        );
        assert_eq!(self.sg.streams(), 0, "connections that nobody uses");
        assert_eq!(self.sg.deadline(), None, "a timer without an owner");
        assert!(self.sg.is_idle(), "something is kept for nobody");
    }
}

fn udp(peer: usize) -> Flow {
    Flow::udp(0, PEERS[peer].parse().unwrap())
}

fn target(peer: usize, setup: Setup) -> Target {
    let contact = || Contact {
        uri: format!("sip:phone@{};ob", PEERS[peer]),
        routes: "<sip:198.51.100.2;lr>".to_owned(),
        connection: 0,
    };
    Target {
        peer: PEERS[peer].parse().unwrap(),
        host: PEERS[peer].to_owned(),
        listener: 0,
        transport: setup.gateway,
        gateway: 0,
        answer_timeout: 4000 * MS,
        ring_timeout: 181_000 * MS,
        dials_by_to: setup.presents,
        takes_refer: setup.trusts_caller,
        trusted: setup.asks_requests,
        hides_topology: setup.hides_topology,
        hides_call_id: setup.hides_call_id,
        contact: setup.to_phone.then(contact),
    }
}
