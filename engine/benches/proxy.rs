//! What an INVITE costs the proxy: received and forwarded, and a retransmission that finds its transaction among many.

#![allow(missing_docs)] // criterion_group makes a function without any

use std::hint::black_box;
use std::net::SocketAddr;

use criterion::{criterion_group, criterion_main, BatchSize, Criterion, Throughput};
use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::Event;
use sipguard_engine::proxy::command::Target;
use sipguard_engine::transport::{Flow, Listener, Outbox, Transport};

const TRANSACTIONS: [u64; 2] = [1_000, 100_000];

fn invite(number: u64) -> Vec<u8> {
    format!(
        "INVITE sip:442079460000@203.0.113.10 SIP/2.0\r\n\
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK{number};rport\r\n\
Max-Forwards: 70\r\n\
From: \"+12025550143\" <sip:+12025550143@198.51.100.7>;tag={number}\r\n\
To: <sip:442079460000@203.0.113.10>\r\n\
Contact: <sip:+12025550143@198.51.100.7:5060>\r\n\
Call-ID: {number}@198.51.100.7\r\n\
CSeq: 102 INVITE\r\n\
User-Agent: Example PBX 20.4.1\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE\r\n\
Supported: replaces, timer\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn target() -> Target {
    Target {
        peer: SocketAddr::from(([203, 0, 113, 77], 5060)),
        host: "203.0.113.77:5060".to_owned(),
        listener: 0,
        transport: Transport::Udp,
        gateway: 0,
        answer_timeout: 4_000_000_000,
        ring_timeout: 181_000_000_000,
        dials_by_to: false,
        takes_refer: false,
        trusted: false,
        hides_topology: false,
        hides_call_id: false,
        contact: None,
    }
}

fn endpoint() -> Endpoint {
    let mut endpoint = Endpoint::new(1, &[9; 32], 0);
    endpoint.add_listener(Listener::new("203.0.113.10", 5060));
    endpoint
}

fn flow() -> Flow {
    Flow::udp(0, SocketAddr::from(([198, 51, 100, 7], 5060)))
}

fn forward(criterion: &mut Criterion) {
    const CALLS: u64 = 100;
    let invites: Vec<Vec<u8>> = (0..CALLS).map(invite).collect();
    let target = target();
    let mut group = criterion.benchmark_group("proxy");
    group.throughput(Throughput::Elements(CALLS));
    group.bench_function("100 INVITEs received and forwarded", |bencher| {
        bencher.iter_batched(
            || (endpoint(), Outbox::default()),
            |(mut endpoint, mut outbox)| {
                for bytes in &invites {
                    endpoint.receive(0, flow(), black_box(bytes));
                    if let Some(Event::Invite { call, .. }) = endpoint.next_event() {
                        assert!(endpoint.forward(call, &target, Some("442079460000")));
                    }
                }
                endpoint.take_datagrams(&mut outbox);
                (endpoint, outbox)
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// What a gateway says to an INVITE as it left.
fn answer(left: &[u8], status: &str) -> Vec<u8> {
    let left = String::from_utf8_lossy(left);
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in left.lines() {
        let name = line.split(':').next().unwrap_or_default();
        match name {
            "To" => text.push_str(&format!("{line};tag=gateway\r\n")),
            "Via" | "Record-Route" | "From" | "Call-ID" | "CSeq" => {
                text.push_str(&format!("{line}\r\n"));
            }
            _ => {}
        }
    }
    text.push_str(
        "Contact: <sip:442079460000@203.0.113.77:5060>\r\nServer: Example SBC 9.1\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE, INFO\r\nSupported: timer\r\n\
         Session-Expires: 1800;refresher=uas\r\nContent-Length: 0\r\n\r\n",
    );
    text.into_bytes()
}

fn answers(criterion: &mut Criterion) {
    const CALLS: u64 = 100;
    let gateway = Flow::udp(0, target().peer);
    let mut group = criterion.benchmark_group("proxy");
    group.throughput(Throughput::Elements(CALLS));
    group.bench_function("100 INVITEs rung by 5 answers each", |bencher| {
        bencher.iter_batched(
            || {
                let (mut endpoint, mut outbox) = (endpoint(), Outbox::default());
                for number in 0..CALLS {
                    endpoint.receive(0, flow(), &invite(number));
                    if let Some(Event::Invite { call, .. }) = endpoint.next_event() {
                        assert!(endpoint.forward(call, &target(), Some("442079460000")));
                    }
                }
                endpoint.take_datagrams(&mut outbox);
                let answers: Vec<Vec<u8>> = outbox
                    .iter()
                    .filter(|(_, bytes)| bytes.starts_with(b"INVITE"))
                    .map(|(_, bytes)| answer(bytes, "180 Ringing"))
                    .collect();
                assert_eq!(answers.len() as u64, CALLS);
                (endpoint, answers, Outbox::default())
            },
            |(mut endpoint, answers, mut outbox)| {
                for _ in 0..5 {
                    for bytes in &answers {
                        endpoint.receive(0, gateway, black_box(bytes));
                    }
                }
                endpoint.take_datagrams(&mut outbox);
                (endpoint, answers, outbox)
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transaction");
    for transactions in TRANSACTIONS {
        let mut endpoint = endpoint();
        for number in 0..transactions {
            endpoint.receive(0, flow(), &invite(number));
        }
        while endpoint.next_event().is_some() {}
        let again: Vec<Vec<u8>> = (0..1_000)
            .map(|at| invite(at * 7_919 % transactions))
            .collect();
        let mut at = 0;
        group.bench_function(format!("retransmission among {transactions}"), |bencher| {
            bencher.iter(|| {
                at = (at + 1) % again.len();
                endpoint.receive(0, flow(), black_box(&again[at]));
            });
        });
        assert!(endpoint.next_event().is_none(), "none of them is new");
    }
    group.finish();
}

criterion_group!(benches, forward, answers, lookup);
criterion_main!(benches);
