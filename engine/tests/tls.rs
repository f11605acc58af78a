//! TLS as the engine sees it: which way a message may take, and what it says of that (RFC 3261 26.2.2, 5630, 5658).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod streams;

use sipguard_engine::event::{Cause, Event};
use sipguard_engine::proxy::command::Target;
use sipguard_engine::stream::table::{Limits, Order};
use sipguard_engine::transport::{Listener, Transport};
use streams::*;

const SIXTH: &str = "[2001:db8::77]:5060";

fn over_tls(peer: &str, gateway: u32) -> Target {
    Target {
        gateway,
        ..target(peer, Transport::Tls)
    }
}

fn sips(branch: &str) -> String {
    invite("TLS", branch).replace("INVITE sip:", "INVITE sips:")
}

#[test]
fn f06_every_crossing_of_transport_or_family_has_two_record_routes() {
    let udp = "<sip:203.0.113.5:5060;lr;";
    let tcp = "<sip:203.0.113.5:5060;transport=tcp;lr;";
    let tls = "<sip:203.0.113.5:5061;transport=tls;lr;";
    let ipv6 = "<sip:[2001:db8::5]:5060;lr;";
    for (from, to, peer, expected) in [
        (Transport::Udp, Transport::Tls, GATEWAY, vec![tls, udp]),
        (Transport::Tcp, Transport::Tls, GATEWAY, vec![tls, tcp]),
        (Transport::Tls, Transport::Udp, GATEWAY, vec![udp, tls]),
        (Transport::Tls, Transport::Tcp, GATEWAY, vec![tcp, tls]),
        (Transport::Tls, Transport::Tls, GATEWAY, vec![tls]),
        (Transport::Udp, Transport::Udp, SIXTH, vec![ipv6, udp]),
        (Transport::Tls, Transport::Udp, SIXTH, vec![ipv6, tls]),
    ] {
        let mut wire = Wire::new();
        let text = invite(from.name(), "1");
        match from {
            Transport::Udp => wire.datagram("192.0.2.10:5060", &text),
            Transport::Tcp => {
                let caller = wire.accept(CALLER);
                wire.write(caller, &text);
            }
            Transport::Tls => {
                let caller = wire.accept_tls(CALLER, &[]);
                wire.write(caller, &text);
            }
        }
        let call = wire.invited();
        assert!(wire.sg.forward(call, &target(peer, to), Some("880")));
        let mut sent: Vec<String> = wire.streamed().into_iter().map(|(_, text)| text).collect();
        sent.extend(wire.datagrams().into_iter().map(|(_, text)| text));
        let invite = sent.iter().find(|text| text.starts_with("INVITE")).unwrap();
        let routes = headers_of(invite, "Record-Route");
        assert_eq!(routes.len(), expected.len(), "{from:?} {to:?} {routes:?}");
        for (route, expected) in routes.iter().zip(expected) {
            assert!(route.starts_with(expected), "{from:?} {to:?} {routes:?}");
        }
        let (name, port) = (to.name(), if to == Transport::Tls { 5061 } else { 5060 });
        let host = if peer == SIXTH {
            "[2001:db8::5]"
        } else {
            "203.0.113.5"
        };
        let via = format!("SIP/2.0\r\nVia: SIP/2.0/{name} {host}:{port};branch=");
        assert!(invite.contains(&via), "{invite}");
    }
}

#[test]
fn s14_both_values_of_a_crossing_come_off_in_both_directions() {
    let mut wire = Wire::new();
    let caller = wire.accept_tls(CALLER, &[]);
    wire.write(caller, &invite("TLS", "1"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Udp), Some("880")));
    wire.streamed();
    let sent = wire.datagrams();
    let ok = answer(&sent[0].1, "200 OK", "sip:gw@198.51.100.1:5060");
    wire.datagram(GATEWAY, &ok);
    wire.events();
    assert!(wire.sg.release(call));
    let answered = wire.streamed().remove(0);
    assert_eq!(answered.0, caller);
    let mut routes: Vec<&str> = headers_of(&answered.1, "Record-Route");
    routes.reverse();
    assert!(
        routes[0].contains(";transport=tls;lr"),
        "the caller's side first"
    );
    wire.write(caller, &in_dialog("ACK", 1, "TLS", &routes));
    let sent = wire.datagrams();
    assert!(sent[0].1.starts_with("ACK ") && !sent[0].1.contains("\r\nRoute:"));
    let bye = format!(
        "BYE sip:a@192.0.2.10:5070;transport=tls SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKbye\nMax-Forwards: 70\nRoute: {}, {}\nFrom: <sip:b@203.0.113.5>;tag=gw1\nTo: <sip:a@192.0.2.10>;tag=caller1\nCall-ID: 1@192.0.2.10\nCSeq: 1 BYE\n\n",
        routes[1], routes[0]
    );
    wire.datagram(GATEWAY, &bye);
    wire.events();
    assert!(wire.sg.release(call));
    let sent = wire.streamed();
    assert_eq!(sent[0].0, caller, "over its own connection");
    assert!(!sent[0].1.contains("\r\nRoute:"));
    assert!(sent[0].1.contains("\r\nVia: SIP/2.0/TLS 203.0.113.5:5061;"));
}

#[test]
fn f06_a_sips_call_is_sips_on_the_next_hop_and_record_routed_so() {
    let mut wire = Wire::new();
    let caller = wire.accept_tls(CALLER, &[]);
    wire.write(caller, &sips("1"));
    let call = wire.invited();
    assert!(wire.sg.forward(call, &over_tls(GATEWAY, 4), Some("880")));
    let sent = wire.streamed();
    let invite = &sent[1].1;
    assert!(invite.starts_with("INVITE sips:880@198.51.100.1:5060 SIP/2.0\r\n"));
    let routes = headers_of(invite, "Record-Route");
    assert_eq!(routes.len(), 1);
    assert!(
        routes[0].starts_with("<sips:203.0.113.5:5061;lr;sg="),
        "{routes:?}"
    );
    // A Contact that would lead the rest of the call out of TLS is not followed there.
    let gateway = sent[1].0;
    wire.write(
        gateway,
        &answer(invite, "200 OK", "sip:gw@198.51.100.1:5060;transport=udp"),
    );
    wire.events();
    assert!(wire.sg.release(call));
    wire.streamed();
    wire.write(caller, &in_dialog("INVITE", 2, "TLS", &[]));
    let sent = wire.streamed();
    assert!(wire.datagrams().is_empty(), "nothing over UDP");
    let reinvite = &sent
        .iter()
        .find(|(_, text)| text.starts_with("INVITE"))
        .unwrap()
        .1;
    let routes = headers_of(reinvite, "Record-Route");
    assert!(
        routes.iter().all(|route| route.starts_with("<sips:")),
        "{routes:?}"
    );
}

#[test]
fn f06_a_sips_call_goes_to_no_gateway_without_tls() {
    let mut wire = Wire::new();
    let caller = wire.accept_tls(CALLER, &[]);
    wire.write(caller, &sips("1"));
    let call = wire.invited();
    for transport in [Transport::Udp, Transport::Tcp] {
        assert!(wire
            .sg
            .forward(call, &target(GATEWAY, transport), Some("880")));
        assert!(wire.datagrams().is_empty());
        assert!(matches!(
            wire.events()[..],
            [Event::Failed {
                status: 480,
                cause: Cause::Transport,
                ..
            }]
        ));
    }
    assert_eq!(wire.sg.finish(call), 480);
    let sent = wire.streamed();
    assert_eq!(
        first_lines(&sent),
        ["SIP/2.0 100 Trying", "SIP/2.0 480 Temporarily Unavailable"]
    );
    assert!(header_of(&sent[1].1, "Warning").starts_with("380 "));
}

#[test]
fn v05_sips_is_480_without_tls_and_416_where_there_is_none() {
    let mut wire = Wire::new();
    let caller = wire.accept(CALLER);
    wire.write(caller, &sips("1").replace("/TLS", "/TCP"));
    let sent = wire.streamed();
    assert_eq!(first_lines(&sent), ["SIP/2.0 480 Temporarily Unavailable"]);
    assert!(header_of(&sent[0].1, "Warning").starts_with("380 "));
    let mut wire = Wire::new();
    wire.sg = sipguard_engine::endpoint::Endpoint::new(3, &[9; 32], 0);
    wire.sg.add_listener(Listener::new("203.0.113.5", 5060));
    let caller = wire.accept(CALLER);
    wire.write(caller, &sips("1").replace("/TLS", "/TCP"));
    assert_eq!(
        first_lines(&wire.streamed()),
        ["SIP/2.0 416 Unsupported URI Scheme"]
    );
}

/// RFC 5923: a connection is for the peer whose name was asked for, not for its address.
#[test]
fn t09_two_gateways_at_one_address_share_no_connection() {
    let mut wire = Wire::new();
    let mut opened = Vec::new();
    for (branch, gateway) in [("1", 4), ("2", 5), ("3", 4)] {
        wire.datagram("192.0.2.10:5060", &invite("UDP", branch));
        let call = wire.invited();
        assert!(wire
            .sg
            .forward(call, &over_tls(GATEWAY, gateway), Some("880")));
        for order in wire.sg.stream_orders() {
            if let Order::Connect {
                stream,
                transport,
                gateway,
                listener,
                ..
            } = order
            {
                assert_eq!((transport, listener), (Transport::Tls, 1));
                opened.push(gateway);
                wire.sg.stream_connected(wire.now, stream);
            }
        }
    }
    assert_eq!(opened, [4, 5], "the third call takes the first connection");
}

#[test]
fn t09_the_names_that_a_caller_has_proved_come_with_its_calls() {
    let mut wire = Wire::new();
    let caller = wire.accept_tls(CALLER, &["pbx.example"]);
    wire.write(caller, &invite("TLS", "1"));
    let plain = wire.accept_tls("192.0.2.11:4000", &[]);
    wire.write(plain, &invite("TLS", "2"));
    wire.datagram("192.0.2.10:5060", &invite("UDP", "3"));
    let named: Vec<_> = wire
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Invite { certificate, .. } => certificate.map(|names| names.to_vec()),
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(named, [Some(vec!["pbx.example".to_owned()]), None, None]);
}

#[test]
fn t08_a_handshake_has_its_time_and_its_number() {
    let mut wire = Wire::new();
    wire.sg.set_stream_limits(Limits {
        handshakes: 2,
        handshake: 3_000 * MS,
        ..Limits::default()
    });
    let peer = |port: u16| format!("192.0.2.10:{port}").parse().unwrap();
    let first = wire.sg.stream_accepted(0, 1, peer(1));
    let second = wire.sg.stream_accepted(0, 1, peer(2));
    assert_eq!(wire.sg.stream_accepted(0, 1, peer(3)), 0, "two at once");
    assert_ne!(wire.accept("192.0.2.10:4"), 0, "TCP has none");
    wire.write(first, &invite("TLS", "1"));
    assert!(
        wire.events().is_empty(),
        "nothing is read before it is over"
    );
    wire.sg.stream_secured(0, first, None);
    let third = wire.sg.stream_accepted(0, 1, peer(3));
    assert_ne!(third, 0);
    wire.sg.stream_closed(0, third);
    wire.wait(3_100);
    wire.streamed();
    assert_eq!(wire.closed, [second]);
    assert_ne!(wire.sg.stream_accepted(wire.now, 1, peer(5)), 0);
    assert_ne!(wire.sg.stream_accepted(wire.now, 1, peer(6)), 0);
    wire.sg.stream_secured(wire.now, second, None);
    assert_eq!(wire.sg.stream_accepted(wire.now, 1, peer(7)), 0);
}

/// What went out over TLS is answered over TLS.
#[test]
fn s18_a_datagram_answers_no_request_of_tls() {
    let mut wire = Wire::new();
    wire.datagram("192.0.2.10:5060", &invite("UDP", "1"));
    let call = wire.invited();
    assert!(wire.sg.forward(call, &over_tls(GATEWAY, 4), Some("880")));
    let sent = wire.streamed();
    let busy = answer(&sent[0].1, "486 Busy Here", "sip:x@y");
    wire.datagram(GATEWAY, &busy);
    let plain = wire.accept(GATEWAY);
    wire.write(plain, &busy);
    assert!(wire.events().is_empty());
    wire.write(sent[0].0, &busy);
    assert!(matches!(
        wire.events()[..],
        [Event::Failed { status: 486, .. }]
    ));
}
