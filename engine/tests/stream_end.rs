//! What a connection that ends, or a request that no datagram should carry, makes of messages (RFC 3261 18).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod streams;

use sipguard_engine::event::Event;
use sipguard_engine::transport::Transport;
use streams::*;

/// A request of RFC 2543: no branch, no Content-Length.
fn old() -> String {
    invite("UDP", "1")
        .replace(";branch=z9hG4bKinv1", "")
        .replace("Content-Length: 5\n", "")
}

fn body_of(event: &Event) -> String {
    match event {
        Event::Invite { message, .. } => {
            String::from_utf8(message.text(message.index.body).to_vec()).unwrap()
        }
        event => panic!("{event:?}"),
    }
}

#[test]
fn m10_a_request_of_rfc_2543_ends_where_its_sender_ends() {
    let mut wire = Wire::new();
    let caller = wire.accept(CALLER);
    wire.write(caller, &old());
    assert!(wire.events().is_empty(), "more may come");
    wire.write(caller, "s=-\n");
    assert!(
        wire.sg.stream_finished(wire.now, caller),
        "it waits for its answer"
    );
    assert_eq!(body_of(&wire.events()[0]), "v=0\r\ns=-\r\n");
    assert!(!wire.sg.stream_finished(wire.now, caller), "once");
}

#[test]
fn m10_a_request_of_rfc_2543_ends_with_half_a_second_of_silence() {
    let mut wire = Wire::new();
    let caller = wire.accept(CALLER);
    wire.write(caller, &old());
    wire.wait(400);
    wire.write(caller, "s=-\n");
    wire.wait(400);
    assert!(wire.events().is_empty(), "the silence began anew");
    wire.wait(200);
    let events = wire.events();
    assert_eq!(body_of(&events[0]), "v=0\r\ns=-\r\n");
    let Event::Invite { call, .. } = events[0] else {
        panic!("{events:?}")
    };
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Tcp), Some("880")));
    let sent = wire.streamed();
    assert_eq!(header_of(&sent[1].1, "Content-Length"), "10", "F-13");
    assert_eq!(header_of(&sent[1].1, "Max-Forwards"), "69");
    wire.wait(9_500);
    assert!(wire.closed.is_empty(), "it has sent its message in time");
}

/// Bypass C01: two readers could part such a message in two ways, so one reader reads nothing behind it.
#[test]
fn m10_nothing_behind_a_request_of_rfc_2543_is_a_request() {
    let smuggled = invite("TCP", "2").replace("8801711000000", "5355550100");
    let mut wire = Wire::new();
    let caller = wire.accept(CALLER);
    wire.write(caller, &format!("{}{smuggled}", old()));
    wire.wait(600);
    let events = wire.events();
    assert_eq!(events.len(), 1);
    assert!(
        body_of(&events[0]).contains("INVITE sip:5355550100"),
        "all of it is its body"
    );
    wire.write(caller, &smuggled);
    wire.streamed();
    assert!(wire.events().is_empty());
    assert_eq!(wire.closed, [caller], "late bytes end the connection");
    // What never rests has the time of any message.
    let drip = wire.accept(CALLER);
    wire.write(drip, &old());
    for _ in 0..101 {
        wire.write(drip, "x");
        wire.wait(100);
    }
    wire.streamed();
    assert!(wire.events().is_empty());
    assert_eq!(wire.closed, [caller, drip]);
}

/// A call over UDP on both sides, answered, and large requests go over TCP.
fn answered_over_udp() -> Wire {
    let mut wire = Wire::new();
    wire.sg.set_tcp_above(1300);
    wire.datagram("192.0.2.10:5060", &invite("UDP", "1"));
    let call = wire.invited();
    assert!(wire
        .sg
        .forward(call, &target(GATEWAY, Transport::Udp), Some("880")));
    let sent = wire.datagrams();
    wire.datagram(
        GATEWAY,
        &answer(&sent[1].1, "200 OK", "sip:gw@198.51.100.1:5060"),
    );
    wire.events();
    assert!(wire.sg.release(call));
    wire.datagrams();
    wire
}

fn large(method: &str, cseq: u32) -> String {
    let long = format!("Max-Forwards: 70\nX-Long: {}\n", "x".repeat(1300));
    in_dialog(method, cseq, "UDP", &[]).replace("Max-Forwards: 70\n", &long)
}

#[test]
fn t02_a_large_request_inside_a_dialog_goes_over_tcp_and_over_udp_where_that_is_refused() {
    for (method, first) in [("INVITE", 1), ("INFO", 0)] {
        let mut wire = answered_over_udp();
        wire.datagram("192.0.2.10:5060", &large(method, 2));
        assert_eq!(wire.datagrams().len(), first, "{method}: 100 at most");
        let stream = wire.connecting();
        wire.sg.stream_connected(wire.now, stream);
        let sent = wire.streamed();
        let via = "SIP/2.0\r\nVia: SIP/2.0/TCP 203.0.113.5:5060;";
        assert!(sent[0].1.contains(via), "{}", sent[0].1);
        wire.write(stream, &answer(&sent[0].1, "488 Not Here", "sip:x@y"));
        let back = wire.datagrams();
        assert!(back[0].1.starts_with("SIP/2.0 488 "), "{method}: {back:?}");

        let mut wire = answered_over_udp();
        wire.datagram("192.0.2.10:5060", &large(method, 2));
        wire.datagrams();
        let stream = wire.connecting();
        wire.sg.stream_closed(wire.now, stream);
        let sent = wire.datagrams();
        assert_eq!(sent[0].0.to_string(), GATEWAY);
        assert!(sent[0]
            .1
            .contains("SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;"));
        wire.wait(600);
        let again = wire.datagrams();
        assert!(
            again.iter().any(|(_, text)| *text == sent[0].1),
            "{method}: timer A or E"
        );
    }
}

#[test]
fn t02_a_request_that_no_datagram_holds_fails_where_tcp_is_refused() {
    let mut wire = answered_over_udp();
    let text = large("INFO", 2);
    // As long as a datagram may be, and our Via makes it longer.
    let filler = 1300 + 65_507 - text.replace('\n', "\r\n").len();
    let huge = text.replace(&"x".repeat(1300), &"x".repeat(filler));
    wire.datagram("192.0.2.10:5060", &huge);
    let stream = wire.connecting();
    wire.sg.stream_closed(wire.now, stream);
    let sent = wire.datagrams();
    assert_eq!(sent.len(), 1);
    assert!(
        sent[0].1.starts_with("SIP/2.0 500 "),
        "{}",
        &sent[0].1[..40]
    );
}

#[test]
fn t02_a_large_ack_stays_on_udp() {
    let mut wire = answered_over_udp();
    wire.datagram("192.0.2.10:5060", &large("ACK", 1));
    assert!(wire.sg.stream_orders().is_empty());
    assert_eq!(wire.datagrams()[0].0.to_string(), GATEWAY);
}
