//! Ends of calls that name themselves by a host name: looked up beside the call, believed as far as an address is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, in_dialog, Wire, CALLER, GATEWAY, INVITE};
use sipguard_engine::event::{Event, Named, Side};
use sipguard_engine::transport::Transport;

const ELSEWHERE: &str = "198.51.100.77:5070";

/// A call that is up, whose ends said what they are called; and what was to be looked up.
fn answered(wire: &mut Wire, caller: &str, callee: &str, lines: &str) -> (u64, Vec<Named>) {
    wire.send(
        CALLER,
        &INVITE.replace("Contact: <sip:a@192.0.2.10:5060>", caller),
    );
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("no invite")
    };
    wire.sg
        .forward(call, &between::target(GATEWAY), Some("8801711000000"));
    let invite = wire.sent().pop().unwrap().1;
    let reply = answer(&invite, "200 OK", "gw1")
        .replace("Contact: <sip:gw@198.51.100.1:5060>", callee)
        .replacen("Content-Length", &format!("{lines}Content-Length"), 1);
    wire.send(GATEWAY, &reply);
    let mut events = wire.events();
    assert!(
        matches!(events.pop(), Some(Event::Answered { .. })),
        "told before the answer, so that policy may wait for it"
    );
    let asked = events.into_iter().map(|event| match event {
        Event::Resolve(named) => named,
        other => panic!("{other:?}"),
    });
    let asked = asked.collect();
    assert!(wire.sg.release(call));
    wire.sent();
    (call, asked)
}

/// Where the next request of the caller goes, and its request URI.
fn bye(wire: &mut Wire) -> (String, String) {
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "ack"));
    let (to, ack) = wire.sent().pop().unwrap();
    let uri = ack.split(' ').nth(1).unwrap().to_owned();
    (to.to_string(), uri)
}

fn resolving() -> Wire {
    let mut wire = Wire::new();
    wire.sg.resolve_names(true);
    wire
}

const PLAIN: &str = "Contact: <sip:a@192.0.2.10:5060>";

#[test]
fn f10_a_gateway_that_names_itself_is_reached_where_its_name_leads() {
    let mut wire = resolving();
    let contact = "Contact: <sip:gw@gw.example.net;transport=udp>";
    let (call, asked) = answered(&mut wire, PLAIN, contact, "");
    let [name] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!((name.call, name.side), (call, Side::Callee));
    assert_eq!((&name.host[..], name.port), (&b"gw.example.net"[..], None));
    assert_eq!(name.transport, Some(Transport::Udp));
    let uri = "sip:gw@gw.example.net;transport=udp".to_owned();
    assert_eq!(
        bye(&mut wire),
        (GATEWAY.to_owned(), uri.clone()),
        "until then"
    );
    assert!(wire
        .sg
        .resolved(name, Transport::Udp, ELSEWHERE.parse().unwrap()));
    assert_eq!(bye(&mut wire), (ELSEWHERE.to_owned(), uri));
    let [Event::Changed { dialog, .. }] = &wire.events()[..] else {
        panic!("kept for a restart")
    };
    let mut after = Wire::new();
    assert!(after.sg.restore(call, dialog));
    assert_eq!(bye(&mut after).0, ELSEWHERE);
}

#[test]
fn f10_the_first_route_is_looked_up_and_not_the_contact_behind_it() {
    let mut wire = resolving();
    wire.send(CALLER, INVITE);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("no invite")
    };
    wire.sg
        .forward(call, &between::target(GATEWAY), Some("8801711000000"));
    let invite = wire.sent().pop().unwrap().1;
    // What a proxy below us puts in front of ours.
    let edge = "Record-Route: <sip:edge.example.net:5080;lr>\nRecord-Route: ";
    let reply = answer(&invite, "200 OK", "gw1")
        .replacen("Record-Route: ", edge, 1)
        .replace("sip:gw@198.51.100.1:5060", "sip:gw@inner.example.net");
    wire.send(GATEWAY, &reply);
    let events = wire.events();
    let [Event::Resolve(name), Event::Answered { .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (&name.host[..], name.port),
        (&b"edge.example.net"[..], Some(5080))
    );
}

#[test]
fn d34_a_caller_is_reached_at_no_other_address_than_its_own() {
    let mut wire = resolving();
    let contact = "Contact: <sip:a@pbx.example.org>";
    let (_, asked) = answered(
        &mut wire,
        contact,
        "Contact: <sip:gw@198.51.100.1:5060>",
        "",
    );
    let [name] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(name.side, Side::Caller);
    for (peer, believed) in [
        (ELSEWHERE, false),
        ("127.0.0.1:5060", false),
        ("192.0.2.10:5090", true),
    ] {
        let peer = peer.parse().unwrap();
        assert_eq!(
            wire.sg.resolved(name, Transport::Udp, peer),
            believed,
            "{peer}"
        );
    }
    wire.send(GATEWAY, &gateways_bye());
    wire.events();
    let call = name.call;
    assert!(wire.sg.release(call));
    assert_eq!(wire.sent()[0].0, "192.0.2.10:5090".parse().unwrap());
}

fn gateways_bye() -> String {
    "BYE sip:a@pbx.example.org SIP/2.0
Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKbye
Max-Forwards: 70
From: <sip:b@203.0.113.5>;tag=gw1
To: \"A\" <sip:a@192.0.2.10>;tag=caller
Call-ID: one@192.0.2.10
CSeq: 1 BYE
Content-Length: 0

"
    .to_owned()
}

#[test]
fn d34_a_name_leads_to_unicast_addresses_only() {
    let mut wire = resolving();
    let (_, asked) = answered(&mut wire, PLAIN, "Contact: <sip:gw@gw.example.net>", "");
    for peer in [
        "127.0.0.1:5060",
        "224.0.0.1:5060",
        "0.0.0.0:5060",
        "[fe80::1]:5060",
    ] {
        assert!(!wire
            .sg
            .resolved(&asked[0], Transport::Udp, peer.parse().unwrap()));
    }
}

#[test]
fn an_answer_for_an_end_that_has_moved_or_gone_changes_nothing() {
    let mut wire = resolving();
    let (call, asked) = answered(&mut wire, PLAIN, "Contact: <sip:gw@gw.example.net>", "");
    let peer = ELSEWHERE.parse().unwrap();
    let mut moved = asked[0].clone();
    moved.host = b"old.example.net"[..].into();
    assert!(!wire.sg.resolved(&moved, Transport::Udp, peer));
    let mut forked = asked[0].clone();
    forked.tag = b"gw2"[..].into();
    assert!(!wire.sg.resolved(&forked, Transport::Udp, peer));
    assert!(wire.sg.hangup(call, ""));
    wire.wait(80_000);
    assert!(!wire.sg.resolved(&asked[0], Transport::Udp, peer));
}

#[test]
fn nobody_is_asked_unless_somebody_answers() {
    let mut wire = Wire::new();
    let (_, asked) = answered(&mut wire, PLAIN, "Contact: <sip:gw@gw.example.net>", "");
    assert!(asked.is_empty());
}
