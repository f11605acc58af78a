//! Where answers go (RFC 3261 18.2, RFC 3581), and what happens when there is too much of everything.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{header, in_dialog, target, Wire, CALLER, GATEWAY, INVITE};
use sipguard_engine::event::Event;

const OPTIONS: &str = "OPTIONS sip:203.0.113.5 SIP/2.0
Via: @VIA@
Max-Forwards: 70
From: <sip:a@b>;tag=1
To: <sip:203.0.113.5>
Call-ID: o@192.0.2.10
CSeq: 1 OPTIONS
Content-Length: 0

";

/// Where the answer goes, and the Via that it carries, for a request from 192.0.2.10:4000.
fn answered(via: &str) -> (String, String) {
    let mut wire = Wire::new();
    wire.send("192.0.2.10:4000", &OPTIONS.replace("@VIA@", via));
    let (to, text) = wire.sent().pop().unwrap();
    (to.to_string(), header(&text, "Via").to_owned())
}

#[test]
fn t04_t05_received_and_rport() {
    let branch = "branch=z9hG4bKo";
    for (via, to, back) in [
        ("192.0.2.10:5070;B", "192.0.2.10:5070", "192.0.2.10:5070;B"),
        ("192.0.2.10;B", "192.0.2.10:5060", "192.0.2.10;B"),
        // sent-by is a name, or another address
        (
            "pbx.example;B",
            "192.0.2.10:5060",
            "pbx.example;B;received=192.0.2.10",
        ),
        (
            "10.0.0.1:5070;B",
            "192.0.2.10:5070",
            "10.0.0.1:5070;B;received=192.0.2.10",
        ),
        // RFC 3581: the source port, and received even where sent-by is right
        (
            "192.0.2.10;rport;B",
            "192.0.2.10:4000",
            "192.0.2.10;B;rport=4000;received=192.0.2.10",
        ),
        (
            "10.0.0.1:5070;B;RPORT",
            "192.0.2.10:4000",
            "10.0.0.1:5070;B;rport=4000;received=192.0.2.10",
        ),
        // what a peer claims there counts for nothing, and an answer never goes to a third party
        (
            "192.0.2.10;received=192.0.2.99;B",
            "192.0.2.10:5060",
            "192.0.2.10;B;received=192.0.2.10",
        ),
        (
            "192.0.2.10;B;rport=99",
            "192.0.2.10:4000",
            "192.0.2.10;B;rport=4000;received=192.0.2.10",
        ),
        // 18.2.2: maddr before rport, as far as it names the host that asked
        (
            "10.0.0.1:5070;rport;maddr=192.0.2.10;B",
            "192.0.2.10:5070",
            "10.0.0.1:5070;maddr=192.0.2.10;B;rport=4000;received=192.0.2.10",
        ),
        (
            "192.0.2.10;maddr=192.0.2.99;B",
            "192.0.2.10:5060",
            "192.0.2.10;maddr=192.0.2.99;B",
        ),
    ] {
        let via = format!("SIP/2.0/UDP {}", via.replace('B', branch));
        let back = format!("SIP/2.0/UDP {}", back.replace('B', branch));
        assert_eq!(answered(&via), (to.to_owned(), back), "{via}");
    }
}

#[test]
fn t05_an_answer_leaves_from_the_listener_that_was_asked() {
    use sipguard_engine::transport::{Flow, Listener};
    let mut wire = Wire::new();
    let second = wire.sg.add_listener(Listener::new("203.0.113.6", 5080));
    let flow = Flow::udp(second, CALLER.parse().unwrap());
    let text = OPTIONS.replace("@VIA@", "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKo");
    wire.sg
        .receive(0, flow, text.replace('\n', "\r\n").as_bytes());
    let listeners: Vec<_> = wire
        .sg
        .outbox()
        .iter()
        .map(|(flow, _)| flow.listener)
        .collect();
    assert_eq!(listeners, [second]);
}

#[test]
fn t03_our_via_names_the_listener_that_it_leaves_from() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    assert!(header(&invite, "Via").starts_with("SIP/2.0/UDP 203.0.113.5:5060;branch="));
}

#[test]
fn m20_an_ipv6_peer_is_answered_and_named_in_received() {
    let mut wire = Wire::new();
    let text = OPTIONS.replace("@VIA@", "SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bKo");
    wire.send("[2001:db8::9]:5070", &text);
    wire.send("[2001:db8::a]:5070", &text);
    let sent = wire.sent();
    assert_eq!(sent[0].0.to_string(), "[2001:db8::9]:5070");
    assert!(!sent[0].1.contains("received"));
    assert!(sent[1].1.contains(";received=2001:db8::a\r\n"));
}

#[test]
fn x16_o01_o03_a_full_table_refuses_new_calls_without_state_and_keeps_those_that_are_up() {
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    wire.sg.limit_transactions(2);
    for number in 0..100 {
        wire.send(
            CALLER,
            &INVITE.replace("z9hG4bKinv", &format!("z9hG4bKnew{number}")),
        );
        let sent = wire.sent();
        assert_eq!(sent.len(), 1);
        assert!(sent[0].1.starts_with("SIP/2.0 503 Service Unavailable\r\n"));
        assert_eq!(header(&sent[0].1, "Retry-After"), "5");
    }
    assert!(wire.events().is_empty());
    assert_eq!(wire.sg.sizes(), (2, 1, 1), "no state for what is refused");
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye"));
    assert!(matches!(wire.events()[..], [Event::Ended { .. }]));
    assert!(wire.sg.release(call));
    assert_eq!(
        wire.lines(),
        [format!("{GATEWAY} BYE sip:gw@198.51.100.1:5060 SIP/2.0")]
    );
}

#[test]
fn x16_calls_that_are_up_go_on_longer_than_new_ones_are_taken() {
    let mut wire = Wire::new();
    wire.answered();
    wire.sg.limit_transactions(4);
    for (number, passes) in (0..4).zip([true, true, false, false]) {
        wire.send(
            CALLER,
            &in_dialog("INFO", 2 + number, "gw1", &format!("i{number}")),
        );
        let sent = wire.sent().pop().unwrap().1;
        assert_eq!(sent.starts_with("INFO"), passes, "{number}: {sent}");
    }
}

#[test]
fn a_message_that_grows_too_long_is_513() {
    let mut wire = Wire::new();
    let head = INVITE.replacen(
        "X-Odd:  kept   as it is",
        &format!("X: {}", "x".repeat(65_080)),
        1,
    );
    wire.send(CALLER, &head);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("M-01: a long message is read")
    };
    wire.sg.forward(call, &target(GATEWAY), Some("880"));
    wire.events();
    assert_eq!(wire.sg.finish(call), 513);
    assert_eq!(
        wire.lines()[1],
        format!("{CALLER} SIP/2.0 513 Message Too Large")
    );
}
