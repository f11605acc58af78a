//! What is learned of gateways beside calls: whether they are there, and what they say when they refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, header, target, Wire, GATEWAY, MS};
use sipguard_engine::event::{Cause, Event};

fn probed(wire: &mut Wire) -> (u64, u16, Cause, Option<u32>) {
    match wire.events()[..] {
        [Event::Probed {
            probe,
            status,
            cause,
            retry_after,
        }] => (probe, status, cause, retry_after),
        ref other => panic!("{other:?}"),
    }
}

/// The answer to a request of ours, with further header lines.
fn reply(request: &str, status: &str, lines: &str) -> String {
    answer(request, status, "gw").replacen("Content-Length", &format!("{lines}Content-Length"), 1)
}

#[test]
fn an_options_of_our_own_is_whole_and_answered_once() {
    let mut wire = Wire::new();
    wire.sg.probe(7, &target(GATEWAY));
    let (to, options) = wire.sent().pop().unwrap();
    assert_eq!(to, GATEWAY.parse().unwrap());
    assert!(options.starts_with("OPTIONS sip:198.51.100.1:5060 SIP/2.0\r\n"));
    assert!(header(&options, "Via").starts_with("SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK"));
    assert_eq!(header(&options, "CSeq"), "1 OPTIONS");
    assert_eq!(header(&options, "To"), "<sip:198.51.100.1:5060>");
    assert!(header(&options, "From").starts_with("<sip:203.0.113.5:5060>;tag="));
    wire.send(GATEWAY, &reply(&options, "200 OK", ""));
    wire.send(GATEWAY, &reply(&options, "200 OK", ""));
    assert_eq!(probed(&mut wire), (7, 200, Cause::Response, None));
    wire.wait(40_000);
    assert!(wire.events().is_empty() && wire.sg.sizes() == (0, 0, 0));
}

#[test]
fn probes_differ_and_each_hears_its_own_answer() {
    let mut wire = Wire::new();
    wire.sg.probe(1, &target(GATEWAY));
    wire.sg.probe(2, &target(GATEWAY));
    let sent = wire.sent();
    assert_ne!(header(&sent[0].1, "Call-ID"), header(&sent[1].1, "Call-ID"));
    wire.send(GATEWAY, &reply(&sent[1].1, "404 Not Found", ""));
    assert_eq!(probed(&mut wire), (2, 404, Cause::Response, None));
}

#[test]
fn t06_a_silent_gateway_is_asked_again_until_its_time_is_over() {
    let mut wire = Wire::new();
    wire.sg.probe(7, &target(GATEWAY));
    wire.wait(3_900);
    assert!(wire.events().is_empty());
    assert!(wire.lines().len() > 2, "timer E repeats it over UDP");
    wire.wait(200);
    assert_eq!(probed(&mut wire), (7, 408, Cause::Timeout, None));
    wire.wait(40_000);
    assert!(wire.events().is_empty() && wire.lines().is_empty());
}

#[test]
fn t10_a_probe_that_cannot_be_delivered_fails_at_once() {
    let mut wire = Wire::new();
    wire.sg.probe(7, &target(GATEWAY));
    let (peer, options) = wire.sent().pop().unwrap();
    let elsewhere = "198.51.100.9:5060".parse().unwrap();
    wire.sg
        .undeliverable(wire.now, elsewhere, options.as_bytes());
    assert!(wire.events().is_empty(), "of another address");
    wire.sg.undeliverable(wire.now, peer, options.as_bytes());
    assert_eq!(probed(&mut wire), (7, 503, Cause::Transport, None));
}

#[test]
fn the_name_that_an_address_was_found_by_stands_in_the_request_uri() {
    let mut wire = Wire::new();
    let mut named = target(GATEWAY);
    named.host = "gw.example.net".to_owned();
    wire.sg.probe(7, &named);
    let (to, options) = wire.sent().pop().unwrap();
    assert_eq!(to, GATEWAY.parse().unwrap());
    assert!(options.starts_with("OPTIONS sip:gw.example.net SIP/2.0\r\n"));
}

#[test]
fn retry_after_is_read_with_whatever_stands_behind_it() {
    for (value, seconds) in [
        ("120", Some(120)),
        ("18000;duration=3600", Some(18_000)),
        ("120 (I'm in a meeting)", Some(120)),
        ("99999999999999", Some(u32::MAX)),
        ("0", Some(0)),
        ("soon", None),
        ("-1", None),
        ("12x", None),
        ("", None),
    ] {
        let mut wire = Wire::new();
        let (_, invite) = wire.invite();
        let line = format!("Retry-After: {value}\n");
        wire.send(GATEWAY, &reply(&invite, "503 Service Unavailable", &line));
        let events = wire.events();
        let [Event::Failed {
            status: 503,
            retry_after,
            ..
        }] = events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(retry_after, seconds, "{value:?}");
    }
}

fn contacts(lines: &str, status: &str) -> Vec<String> {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    let refusal = reply(&invite, status, lines);
    let refusal = refusal.replacen("Contact: <sip:gw@198.51.100.1:5060>\n", "", 1);
    wire.send(GATEWAY, &refusal);
    let mut events = wire.events();
    let Some(Event::Failed { contacts, .. }) = events.pop() else {
        panic!("{events:?}")
    };
    let text = |uri: &[u8]| String::from_utf8(uri.to_vec()).unwrap();
    contacts.iter().map(|uri| text(uri)).collect()
}

#[test]
fn s05_the_contacts_of_a_redirection_are_told_by_preference() {
    let lines = "Contact: <sip:880111@a>;q=0.2, \"B\" <sip:880222@b>\nm: sip:880333@c;q=0.9\n";
    assert_eq!(
        contacts(lines, "302 Moved Temporarily"),
        ["sip:880222@b", "sip:880333@c", "sip:880111@a"]
    );
    assert!(contacts("Contact: *\n", "300 Multiple Choices").is_empty());
    assert!(contacts(lines, "486 Busy Here").is_empty());
    let many = "Contact: <sip:1@a>\n".repeat(100);
    assert_eq!(contacts(&many, "302 Moved Temporarily").len(), 8);
}

#[test]
fn a_probe_over_a_stream_that_cannot_be_had_fails_at_once() {
    let mut wire = Wire::new();
    let mut over_tcp = target(GATEWAY);
    over_tcp.transport = sipguard_engine::transport::Transport::Tcp;
    wire.sg.probe(7, &over_tcp);
    let orders = wire.sg.stream_orders();
    let [sipguard_engine::stream::table::Order::Connect { stream, .. }] = orders[..] else {
        panic!("{orders:?}")
    };
    wire.sg.stream_closed(wire.now + MS, stream);
    assert_eq!(probed(&mut wire), (7, 503, Cause::Transport, None));
}
