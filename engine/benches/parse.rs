//! Reading one realistic INVITE (964 bytes, 16 fields, SDP) and its 200, with a reused index and into a kept message.

#![allow(missing_docs)] // criterion_group makes a function without any

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use sipguard_engine::message::{Index, Message};
use sipguard_engine::parse::{self, Kind};

const FIELDS: &str = "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK776asdhds8f7a6sd;rport\r\n\
Max-Forwards: 70\r\n\
From: \"+12025550143\" <sip:+12025550143@198.51.100.7;user=phone>;tag=as6b3f2c11\r\n\
To: <sip:442079460000@203.0.113.10;user=phone>\r\n\
Contact: <sip:+12025550143@198.51.100.7:5060;transport=udp>\r\n\
Call-ID: 5f8d04e3a1b74c6699d2c0ffee123456@198.51.100.7\r\n\
CSeq: 102 INVITE\r\n\
User-Agent: Example PBX 20.4.1\r\n\
Date: Tue, 14 Jan 2025 10:11:12 GMT\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE\r\n\
Supported: replaces, timer\r\n\
Session-Expires: 1800\r\n\
Min-SE: 90\r\n\
P-Asserted-Identity: <sip:+12025550143@198.51.100.7>\r\n\
Content-Type: application/sdp\r\n";

const SDP: &str = "v=0\r\n\
o=pbx 1736849472 1736849472 IN IP4 198.51.100.7\r\n\
s=call\r\n\
c=IN IP4 198.51.100.7\r\n\
t=0 0\r\n\
m=audio 14822 RTP/AVP 8 0 101\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-15\r\n\
a=ptime:20\r\n\
a=sendrecv\r\n";

fn message(start: &str) -> Vec<u8> {
    format!(
        "{start}\r\n{FIELDS}Content-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
    .into_bytes()
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    let mut index = Index::new();
    for (name, start, kind) in [
        (
            "invite",
            "INVITE sip:442079460000@203.0.113.10;user=phone SIP/2.0",
            Kind::Request,
        ),
        ("response", "SIP/2.0 200 OK", Kind::Response),
    ] {
        let bytes = message(start);
        assert_eq!(
            parse::datagram(&bytes, &mut index),
            kind,
            "{:?}",
            index.fault
        );
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| parse::datagram(black_box(&bytes), &mut index));
        });
    }
    let bytes = message("INVITE sip:442079460000@203.0.113.10;user=phone SIP/2.0");
    group.bench_function("invite and keep", |bencher| {
        bencher.iter(|| {
            parse::datagram(black_box(&bytes), &mut index);
            Message::keep(&bytes, &index)
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
