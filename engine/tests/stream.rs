//! SIP over connections: fake wire, fake clock, no sockets (RFC 3261 17 and 18; checklist 8).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod streams;

use proptest::prelude::*;
use sipguard_engine::event::{Cause, Event};
use sipguard_engine::stream::table::{Limits, Order, CONNECT};
use sipguard_engine::transport::Transport;
use streams::*;

#[test]
fn f06_f13_tcp_in_and_udp_out_has_two_record_routes_and_takes_both_off() {
    let mut wire = Wire::new();
    let caller = wire.accept(CALLER);
    wire.write(caller, &invite("TCP", "1"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Udp), Some("880")));
    let sent = wire.datagrams();
    let invite = &sent[0].1;
    assert!(invite.contains("\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKsg"));
    let routes = headers_of(invite, "Record-Route");
    assert_eq!(routes.len(), 2, "RFC 5658: one for each side");
    assert!(
        routes[0].starts_with("<sip:203.0.113.5:5060;lr;sg="),
        "the gateway's side on top: {routes:?}"
    );
    assert!(routes[1].starts_with("<sip:203.0.113.5:5060;transport=tcp;lr;sg="));
    // No Content-Length came over UDP: the stream gets one (F-13).
    let ok =
        answer(invite, "200 OK", "sip:gw@198.51.100.1:5060").replace("Content-Length: 0\n", "");
    wire.datagram(GATEWAY, &ok);
    assert!(matches!(wire.events()[..], [Event::Answered { .. }]));
    assert!(wire.sg.release(call));
    let sent = wire.streamed();
    assert_eq!(first_lines(&sent)[1..], ["SIP/2.0 200 OK"]);
    assert_eq!(sent[1].0, caller, "T-05: on the connection of the request");
    assert_eq!(header_of(&sent[1].1, "Content-Length"), "0");
    let back: Vec<_> = headers_of(&sent[1].1, "Record-Route")
        .into_iter()
        .rev()
        .map(str::to_owned)
        .collect();
    assert_eq!(back.len(), 2);
    let route: Vec<&str> = back.iter().map(String::as_str).collect();
    wire.write(caller, &in_dialog("ACK", 1, "TCP", &route));
    let sent = wire.datagrams();
    assert_eq!(sent[0].0.to_string(), GATEWAY);
    assert!(!sent[0].1.contains("\r\nRoute:"), "R-03: {}", sent[0].1);
    // And back: the gateway's BYE goes over the caller's connection.
    let bye = format!(
        "BYE sip:a@192.0.2.10:5070;transport=tcp SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKbye\nMax-Forwards: 70\nRoute: {}, {}\nFrom: <sip:b@203.0.113.5>;tag=gw1\nTo: <sip:a@192.0.2.10>;tag=caller1\nCall-ID: 1@192.0.2.10\nCSeq: 1 BYE\n\n",
        route[1], route[0]
    );
    wire.datagram(GATEWAY, &bye);
    assert!(matches!(wire.events()[..], [Event::Ended { .. }]));
    assert!(wire.sg.release(call));
    let sent = wire.streamed();
    assert_eq!(sent[0].0, caller);
    assert!(sent[0].1.starts_with(
        "BYE sip:a@192.0.2.10:5070;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP 203.0.113.5:5060;"
    ));
    assert_eq!(header_of(&sent[0].1, "Content-Length"), "0", "F-13");
    assert!(!sent[0].1.contains("\r\nRoute:"));
}

#[test]
fn f06_udp_in_and_tcp_out() {
    let mut wire = Wire::new();
    wire.datagram("192.0.2.10:5060", &invite("UDP", "1"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Tcp), Some("880")));
    let sent = wire.streamed();
    let routes = headers_of(&sent[0].1, "Record-Route");
    assert!(routes[0].starts_with("<sip:203.0.113.5:5060;transport=tcp;lr;sg="));
    assert!(routes[1].starts_with("<sip:203.0.113.5:5060;lr;sg="));
    assert!(sent[0]
        .1
        .contains("\r\nVia: SIP/2.0/TCP 203.0.113.5:5060;branch="));
}

#[test]
fn one_transport_has_one_record_route() {
    let mut wire = Wire::new();
    let (_, _, _, invite) = wire.invite_over_tcp();
    assert_eq!(headers_of(&invite, "Record-Route").len(), 1);
}

#[test]
fn x01_x02_x09_nothing_is_repeated_over_a_stream() {
    let mut wire = Wire::new();
    let (call, caller, gateway, invite) = wire.invite_over_tcp();
    wire.wait(3_500);
    assert_eq!(wire.streamed(), [], "timer A");
    wire.write(gateway, &answer(&invite, "486 Busy Here", "sip:x@y"));
    let sent = wire.streamed();
    assert_eq!(sent[0].0, gateway);
    assert!(sent[0]
        .1
        .starts_with("ACK sip:8801711000000@198.51.100.1:5060 SIP/2.0\r\n"));
    assert!(matches!(
        wire.events()[..],
        [Event::Failed { status: 486, .. }]
    ));
    assert_eq!(wire.sg.finish(call), 486);
    let sent = wire.streamed();
    assert_eq!((sent.len(), sent[0].0), (1, caller));
    assert_eq!(wire.sg.sizes().0, 1, "X-02: timer D is zero");
    wire.wait(5_000);
    assert_eq!(wire.streamed(), [], "X-09: no timer G");
    let mut ack = in_dialog("ACK", 1, "TCP", &[]).replace("z9hG4bKACK1", "z9hG4bKinv1");
    ack = ack.replace("sip:gw@198.51.100.1:5060", "sip:8801711000000@203.0.113.5");
    wire.write(caller, &ack);
    assert_eq!(wire.sg.sizes().0, 0, "X-09: timer I is zero");
}

#[test]
fn x05_x11_timers_j_and_k_are_zero() {
    let mut wire = Wire::new();
    let (call, caller, gateway, invite) = wire.invite_over_tcp();
    wire.write(
        gateway,
        &answer(&invite, "200 OK", "sip:gw@198.51.100.1:5060"),
    );
    assert!(wire.sg.release(call));
    wire.streamed();
    let transactions = wire.sg.sizes().0;
    wire.write(caller, &in_dialog("INFO", 2, "TCP", &[]));
    let sent = wire.streamed();
    assert_eq!(sent[0].0, gateway, "one connection is kept for a gateway");
    wire.wait(3_000);
    assert_eq!(wire.streamed(), [], "timer E");
    wire.write(gateway, &answer(&sent[0].1, "200 OK", "sip:x@y"));
    assert_eq!(first_lines(&wire.streamed()), ["SIP/2.0 200 OK"]);
    assert_eq!(wire.sg.sizes().0, transactions);
}

#[test]
fn t05_an_answer_whose_connection_is_gone_goes_to_the_port_of_sent_by() {
    let mut wire = Wire::new();
    let (call, caller, gateway, invite) = wire.invite_over_tcp();
    wire.sg.stream_closed(wire.now, caller);
    wire.write(
        gateway,
        &answer(&invite, "200 OK", "sip:gw@198.51.100.1:5060"),
    );
    wire.events();
    assert!(wire.sg.release(call));
    let sent = wire.streamed();
    assert_eq!(first_lines(&sent), ["SIP/2.0 200 OK"]);
    assert_eq!(wire.opened[&sent[0].0].to_string(), "192.0.2.10:5060");
    // The dialog: a request towards the caller goes to its Contact.
    assert!(wire.sg.hangup(call, ""));
    let sent = wire.streamed();
    let to_caller = sent
        .iter()
        .find(|(_, text)| text.contains("BYE sip:a@"))
        .unwrap();
    assert_eq!(wire.opened[&to_caller.0].to_string(), "192.0.2.10:5070");
}

#[test]
fn a_caller_that_has_connected_anew_is_reached_there() {
    let mut wire = Wire::new();
    let (call, caller, gateway, invite) = wire.invite_over_tcp();
    wire.write(
        gateway,
        &answer(&invite, "200 OK", "sip:gw@198.51.100.1:5060"),
    );
    assert!(wire.sg.release(call));
    wire.sg.stream_closed(wire.now, caller);
    let again = wire.accept("192.0.2.10:40001");
    wire.write(again, &in_dialog("ACK", 1, "TCP", &[]));
    wire.streamed();
    assert!(wire.sg.hangup(call, ""));
    let sent = wire.streamed();
    let to_caller = sent
        .iter()
        .find(|(_, text)| text.contains("BYE sip:a@"))
        .unwrap();
    assert_eq!(to_caller.0, again);
}

#[test]
fn a_restored_call_is_ended_over_new_connections() {
    let mut wire = Wire::new();
    let (_, _, gateway, invite) = wire.invite_over_tcp();
    wire.write(
        gateway,
        &answer(&invite, "200 OK", "sip:gw@198.51.100.1:5060"),
    );
    let events = wire.events();
    let [Event::Answered { call, dialog, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    let mut after = Wire::new();
    assert!(after.sg.restore(*call, dialog));
    assert!(after.sg.hangup(*call, ""));
    let sent = after.streamed();
    let mut peers: Vec<_> = sent
        .iter()
        .map(|(stream, _)| after.opened[stream].to_string())
        .collect();
    peers.sort();
    assert_eq!(peers, ["192.0.2.10:5070", GATEWAY]);
}

#[test]
fn t06_a_refused_connection_is_a_transport_error() {
    let mut wire = Wire::new();
    wire.datagram("192.0.2.10:5060", &invite("UDP", "1"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Tcp), Some("880")));
    let stream = wire.connecting();
    wire.sg.stream_closed(wire.now, stream);
    assert!(matches!(
        wire.events()[..],
        [Event::Failed {
            status: 503,
            cause: Cause::Transport,
            ..
        }]
    ));
    assert!(wire
        .sg
        .forward(call, &target(SECOND, Transport::Tcp), Some("880")));
    assert_eq!(wire.streamed().len(), 1);
}

#[test]
fn a_connection_that_does_not_open_in_time_is_a_transport_error() {
    let mut wire = Wire::new();
    wire.datagram("192.0.2.10:5060", &invite("UDP", "1"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Tcp), Some("880")));
    let stream = wire.connecting();
    wire.wait(CONNECT / MS - 100);
    assert_eq!(wire.sg.stream_orders(), []);
    wire.wait(200);
    assert_eq!(wire.sg.stream_orders(), [Order::Close { stream }]);
    assert!(matches!(
        wire.events()[..],
        [Event::Failed {
            cause: Cause::Transport,
            ..
        }]
    ));
    assert_eq!(wire.sg.streams(), 0);
}

#[test]
fn a_kept_connection_that_the_peer_has_closed_is_opened_once_more() {
    let mut wire = Wire::new();
    let (first, caller, gateway, request) = wire.invite_over_tcp();
    wire.write(gateway, &answer(&request, "404 Not Found", "sip:x@y"));
    wire.events();
    wire.sg.finish(first);
    wire.streamed();
    wire.write(caller, &invite("TCP", "2"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Tcp), Some("880")));
    assert_eq!(wire.streamed()[1].0, gateway, "kept");
    wire.sg.stream_closed(wire.now, gateway);
    let sent = wire.streamed();
    assert_eq!(
        first_lines(&sent),
        ["INVITE sip:880@198.51.100.1:5060 SIP/2.0"]
    );
    assert_ne!(sent[0].0, gateway);
    wire.sg.stream_closed(wire.now, sent[0].0);
    assert_eq!(wire.streamed(), [], "but not twice");
    assert!(matches!(
        wire.events()[..],
        [Event::Failed {
            cause: Cause::Transport,
            ..
        }]
    ));
}

#[test]
fn t03_a_gateway_that_has_said_something_may_close_its_connection() {
    let mut wire = Wire::new();
    let (_, caller, gateway, invite) = wire.invite_over_tcp();
    wire.write(
        gateway,
        &answer(&invite, "180 Ringing", "sip:gw@198.51.100.1"),
    );
    wire.streamed();
    wire.events();
    wire.sg.stream_closed(wire.now, gateway);
    assert!(wire.events().is_empty() && wire.streamed().is_empty());
    // 18.2.2: its answer comes over a connection of its own.
    let other = wire.accept("198.51.100.1:33333");
    wire.write(other, &answer(&invite, "486 Busy Here", "sip:x@y"));
    assert!(matches!(
        wire.events()[..],
        [Event::Failed { status: 486, .. }]
    ));
    assert_ne!(caller, other);
}

#[test]
fn t02_a_large_invite_goes_over_tcp_and_over_udp_where_that_is_refused() {
    let mut wire = Wire::new();
    wire.sg.set_tcp_above(1300);
    let large = |branch: &str| {
        invite("UDP", branch).replace(
            "Max-Forwards: 70\n",
            &format!("Max-Forwards: 70\nX-Long: {}\n", "x".repeat(1300)),
        )
    };
    wire.datagram("192.0.2.10:5060", &large("1"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Udp), Some("880")));
    assert_eq!(wire.datagrams().len(), 1, "the 100");
    let stream = wire.connecting();
    wire.sg.stream_connected(wire.now, stream);
    let sent = wire.streamed();
    assert!(sent[0]
        .1
        .contains("SIP/2.0\r\nVia: SIP/2.0/TCP 203.0.113.5"));
    wire.write(stream, &answer(&sent[0].1, "486 Busy Here", "sip:x@y"));
    wire.streamed();
    wire.events();
    assert_eq!(wire.sg.finish(call), 486);
    wire.datagrams();
    // Another gateway refuses the connection.
    wire.datagram("192.0.2.10:5060", &large("2"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(SECOND, Transport::Udp), Some("880")));
    wire.datagrams();
    let stream = wire.connecting();
    wire.sg.stream_closed(wire.now, stream);
    let sent = wire.datagrams();
    assert_eq!(sent[0].0.to_string(), SECOND);
    assert!(sent[0]
        .1
        .contains("SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5"));
    assert!(wire.events().is_empty());
    wire.wait(600);
    let repeated = wire.datagrams();
    assert!(
        repeated
            .iter()
            .any(|(to, text)| to.to_string() == SECOND && text.starts_with("INVITE")),
        "timer A runs"
    );
    // And is not asked for TCP again soon.
    wire.datagram("192.0.2.10:5060", &large("3"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(SECOND, Transport::Udp), Some("880")));
    assert!(wire.sg.stream_orders().is_empty());
    assert!(wire
        .datagrams()
        .iter()
        .any(|(_, text)| text.starts_with("INVITE")));
}

/// Bypass C01.
#[test]
fn what_lies_behind_the_content_length_is_judged_by_itself() {
    let mut wire = Wire::new();
    let caller = wire.accept(CALLER);
    let smuggled = invite("TCP", "2").replace("8801711000000", "5355550100");
    let text = format!(
        "{}{smuggled}",
        invite("TCP", "1")
            .replace("v=0\n", "")
            .replace("Length: 5", "Length: 0")
    );
    wire.write(caller, &text);
    let events = wire.events();
    let uris: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Invite { message, .. } => {
                String::from_utf8(message.text(message.index.request_uri()).to_vec()).unwrap()
            }
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(
        uris,
        [
            "sip:8801711000000@203.0.113.5",
            "sip:5355550100@203.0.113.5"
        ]
    );
}

/// Bypass C04.
#[test]
fn m10_a_length_in_doubt_is_answered_and_ends_the_connection() {
    for length in ["-1", "+5", "0x10", "5 5", "1e3", "4294967328", ""] {
        let mut wire = Wire::new();
        let caller = wire.accept(CALLER);
        let bad = invite("TCP", "1").replace("Length: 5", &format!("Length: {length}"));
        let next = invite("TCP", "2");
        wire.write(caller, &format!("{bad}{next}"));
        let sent = wire.streamed();
        assert_eq!(
            first_lines(&sent),
            ["SIP/2.0 400 Bad Request"],
            "{length:?}"
        );
        assert_eq!(wire.closed, [caller], "{length:?}");
        assert!(wire.events().is_empty(), "{length:?}");
    }
}

#[test]
fn a_ping_is_answered() {
    let mut wire = Wire::new();
    let caller = wire.accept(CALLER);
    wire.write(caller, "\n\n");
    assert_eq!(wire.streamed(), [(caller, "\r\n".to_owned())]);
}

#[test]
fn t08_limits_in_all_and_per_source() {
    let mut wire = Wire::new();
    wire.sg.set_stream_limits(Limits {
        total: 4,
        per_source: 2,
        ..Limits::default()
    });
    assert_ne!(wire.accept("192.0.2.1:1"), 0);
    let second = wire.accept("192.0.2.1:2");
    assert_eq!(wire.accept("192.0.2.1:3"), 0);
    assert_ne!(wire.accept("192.0.2.2:1"), 0);
    assert_ne!(wire.accept("192.0.2.3:1"), 0);
    assert_eq!(wire.accept("192.0.2.4:1"), 0);
    wire.sg.stream_closed(wire.now, second);
    assert_ne!(wire.accept("192.0.2.1:4"), 0);
    // A gateway is reached all the same.
    wire.datagram("192.0.2.10:5060", &invite("UDP", "1"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Tcp), Some("880")));
    assert_eq!(wire.streamed().len(), 1);
}

#[test]
fn t08_silence_slowness_and_idleness_end_a_connection() {
    let mut wire = Wire::new();
    let silent = wire.accept("192.0.2.1:1");
    let pinging = wire.accept("192.0.2.2:1");
    wire.wait(5_000);
    wire.write(pinging, "\n\n");
    wire.wait(5_100);
    wire.streamed();
    wire.closed.sort_unstable();
    assert_eq!(
        wire.closed,
        [silent, pinging],
        "not a whole message in 10 s"
    );

    let mut wire = Wire::new();
    let slow = wire.accept("192.0.2.3:1");
    let options = invite("TCP", "1").replace("INVITE", "OPTIONS");
    wire.write(slow, &options);
    wire.wait(60_000);
    wire.streamed();
    assert!(wire.closed.is_empty());
    wire.write(slow, "OPTIONS");
    for _ in 0..99 {
        wire.write(slow, " ");
        wire.wait(100);
    }
    wire.streamed();
    assert!(wire.closed.is_empty());
    wire.wait(300);
    wire.streamed();
    assert_eq!(wire.closed, [slow], "10 s for a message that has begun");

    let mut wire = Wire::new();
    let idle = wire.accept("192.0.2.4:1");
    wire.write(idle, &options);
    wire.wait(200_000);
    wire.write(idle, "\n\n");
    wire.streamed();
    wire.wait(299_000);
    wire.streamed();
    assert!(wire.closed.is_empty(), "a ping is a use");
    wire.wait(1_200);
    wire.streamed();
    assert_eq!((wire.closed.clone(), wire.sg.streams()), (vec![idle], 0));
}

proptest! {
    /// T-07: what is answered, and asked of policy, is the same however the bytes are cut.
    #[test]
    fn t07_any_chunking_gives_the_same_messages(
        picks in prop::collection::vec(0usize..8, 1..8),
        cuts in prop::collection::vec(1usize..400, 1..60),
    ) {
        let text: String = picks.iter().enumerate().map(|(at, pick)| {
            let at = at.to_string();
            match pick {
                0 => "\n\n".to_owned(),
                1 => "\n".to_owned(),
                2 => invite("TCP", &at).replace("INVITE", "OPTIONS"),
                3 => invite("TCP", &at).replace("Content-Length: 5", "l:\n  5"),
                4 => invite("TCP", &at).replace("CSeq: 1", "CSeq: x"),
                5 => invite("TCP", &at).replace("INVITE sip:8801711000000@203.0.113.5 SIP/2.0", "SIP/2.0 999 Odd"),
                6 => invite("TCP", &at).replace("Content-Length: 5\n", ""),
                _ => invite("TCP", &at),
            }
        }).collect();
        let bytes = text.replace('\n', "\r\n");
        let run = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut wire = Wire::new();
            let caller = wire.accept(CALLER);
            let mut written = String::new();
            let mut closed = false;
            for piece in pieces {
                wire.sg.stream_received(0, caller, piece);
                for order in wire.sg.stream_orders() {
                    match order {
                        Order::Send { bytes, .. } => written.push_str(&String::from_utf8(bytes).unwrap()),
                        Order::Close { .. } => closed = true,
                        Order::Connect { .. } => panic!("nobody is called"),
                    }
                }
            }
            let asked: Vec<_> = wire.events().iter().map(|event| format!("{event:?}")).collect();
            (written, closed, asked)
        };
        let whole = run(&mut std::iter::once(bytes.as_bytes()));
        prop_assert_eq!(&run(&mut bytes.as_bytes().chunks(1)), &whole);
        let mut rest = bytes.as_bytes();
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        prop_assert_eq!(&run(&mut pieces.into_iter()), &whole);
    }

    /// Network data never panics, and no connection outlives its limits.
    #[test]
    fn any_bytes_end_well(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let mut wire = Wire::new();
        let caller = wire.accept(CALLER);
        for chunk in &chunks {
            wire.sg.stream_received(wire.now, caller, chunk);
            wire.streamed();
        }
        wire.wait(400_000);
        wire.streamed();
        prop_assert_eq!(wire.sg.streams(), 0);
    }
}
