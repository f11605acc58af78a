//! Requests: how they are checked (RFC 3261 16.3 to 16.5) and how they leave (16.6).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, from_gateway, header, in_dialog, target, Wire, CALLER, GATEWAY, INVITE};
use sipguard_engine::event::Event;
use sipguard_engine::proxy::command::Target;

/// The INVITE with header lines before its Max-Forwards.
fn with(lines: &str) -> String {
    INVITE.replacen("Max-Forwards", &format!("{lines}\nMax-Forwards"), 1)
}

/// The INVITE as it leaves for the gateway.
fn forwarded(message: &str) -> String {
    let mut wire = Wire::new();
    wire.send(CALLER, message);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("refused: {:?}", wire.lines())
    };
    assert!(wire.sg.forward(call, &target(GATEWAY), Some("880")));
    wire.sent().pop().unwrap().1
}

fn refused(message: &str) -> String {
    let mut wire = Wire::new();
    wire.send(CALLER, message);
    assert!(wire.events().is_empty(), "{message}");
    wire.sent().pop().map(|sent| sent.1).unwrap_or_default()
}

#[test]
fn v01_an_invite_is_answered_100_and_another_request_is_not() {
    let mut wire = Wire::new();
    wire.invite(); // asserts the 100
    let mut wire = Wire::new();
    wire.answered();
    wire.send(CALLER, &in_dialog("INFO", 2, "gw1", "i"));
    assert_eq!(
        wire.lines(),
        [format!("{GATEWAY} INFO sip:gw@198.51.100.1:5060 SIP/2.0")]
    );
}

#[test]
fn v02_the_first_check_that_fails_answers() {
    // Each message keeps the faults of those behind it.
    let bad_extension = with("Proxy-Require: nothing");
    let too_many_hops = bad_extension.replacen("Max-Forwards: 70", "Max-Forwards: 0", 1);
    let bad_scheme = too_many_hops.replacen("sip:+880-1711-000000@", "http://x/", 1);
    let bad_syntax = bad_scheme.replacen("CSeq: 1", "CSeq: x", 1);
    for (message, status) in [
        (&bad_extension, "420"),
        (&too_many_hops, "483"),
        (&bad_scheme, "416"),
        (&bad_syntax, "400"),
    ] {
        assert!(
            refused(message).starts_with(&format!("SIP/2.0 {status} ")),
            "{status}"
        );
    }
}

#[test]
fn v02_a_retransmission_is_no_new_request() {
    let mut wire = Wire::new();
    let (_, _) = wire.invite();
    wire.send(CALLER, INVITE);
    assert!(wire.events().is_empty());
    assert_eq!(
        wire.lines(),
        [format!("{CALLER} SIP/2.0 100 Trying")],
        "X-08: the last provisional response again"
    );
}

#[test]
fn v04_merged_requests_are_two_attempts() {
    let mut wire = Wire::new();
    wire.send(CALLER, INVITE);
    wire.send(CALLER, &INVITE.replace("z9hG4bKinv", "z9hG4bKother"));
    assert_eq!(wire.events().len(), 2);
}

#[test]
fn v09_a_refusal_copies_what_8_2_6_wants() {
    let request = with("Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKbelow\nTimestamp: 54").replacen(
        "Max-Forwards: 70",
        "Max-Forwards: 0",
        1,
    );
    let reply = refused(&request);
    for name in ["From", "Call-ID", "CSeq"] {
        assert_eq!(header(&reply, name), header(&request, name));
    }
    assert!(header(&reply, "To").starts_with(&format!("{};tag=", header(&request, "To"))));
    let vias: Vec<_> = reply
        .lines()
        .filter(|line| line.starts_with("Via: "))
        .collect();
    assert_eq!(
        vias,
        [
            "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKinv;rport=5060;received=192.0.2.10",
            "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKbelow"
        ]
    );
    assert_eq!(header(&reply, "Timestamp"), "", "8.2.6.1: of a 100 alone");
    let again = refused(&request);
    assert_eq!(header(&reply, "To"), header(&again, "To"), "8.2.7");
}

#[test]
fn v10_an_ack_is_never_answered_whatever_is_wrong_with_it() {
    let ack = INVITE
        .replace("INVITE", "ACK")
        .replace("z9hG4bKinv", "z9hG4bKack");
    for (from, to) in [
        ("Max-Forwards: 70", "Max-Forwards: 0"),
        ("CSeq: 1", "CSeq: x"),
        ("From:", "X-From:"),
        ("SIP/2.0\nVia", "SIP/9.0\nVia"),
        ("Max-Forwards", "Proxy-Require: x\nMax-Forwards"),
        ("ACK sip:", "ACK http:"),
    ] {
        assert_eq!(refused(&ack.replacen(from, to, 1)), "", "{to}");
    }
}

#[test]
fn v10_no_response_is_answered() {
    let mut wire = Wire::new();
    for response in [
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKsg0000000000000000\n\n",
        "SIP/2.0 999 X\n\n",
        "SIP/2.0 200 OK\nCSeq: x\n\n",
    ] {
        wire.send(GATEWAY, response);
    }
    assert!(wire.lines().is_empty() && wire.events().is_empty());
}

#[test]
fn r01_a_strict_routers_request_uri_is_ours_and_the_call_is_found_by_it() {
    let mut wire = Wire::new();
    let (_, invite) = wire.answered();
    let route = header(&invite, "Record-Route").trim_matches(['<', '>']);
    let request = in_dialog("INFO", 2, "gw1", "strict")
        .replacen("sip:gw@198.51.100.1:5060", route, 1)
        .replacen(
            "Max-Forwards",
            "Route: <sip:gw@198.51.100.1:5060>\nMax-Forwards",
            1,
        );
    wire.send(CALLER, &request);
    let sent = wire.sent();
    assert_eq!(sent[0].0.to_string(), GATEWAY);
    assert!(sent[0]
        .1
        .starts_with("INFO sip:gw@198.51.100.1:5060 SIP/2.0\r\n"));
    assert_eq!(header(&sent[0].1, "Route"), "", "it went into the URI");
}

#[test]
fn r02_r04_of_a_request_uri_only_the_judged_number_is_left() {
    for uri in [
        "sip:+880@203.0.113.5:5060;maddr=203.0.113.5;transport=udp",
        "sip:+880@203.0.113.5;maddr=192.0.2.99",
        "sip:+880@somewhere.else.example;transport=tcp",
    ] {
        let sent = forwarded(&INVITE.replacen("sip:+880-1711-000000@203.0.113.5", uri, 1));
        assert!(sent.starts_with("INVITE sip:880@198.51.100.1:5060 SIP/2.0\r\n"));
        assert!(!sent.contains("maddr") && !sent.contains("somewhere"));
    }
}

#[test]
fn r03_r04_f09_no_route_of_a_new_request_is_followed_or_kept() {
    for routes in [
        "Route: <sip:203.0.113.5;lr>",
        "Route: <sip:203.0.113.5:5060;lr>, <sip:203.0.113.5:5060;lr;r2=on>",
        "Route: <sip:203.0.113.5;lr>\nRoute: <sip:192.0.2.99;lr>",
        "Route: <sip:192.0.2.99>",
    ] {
        let sent = forwarded(&with(routes));
        assert!(sent.starts_with("INVITE sip:880@198.51.100.1:5060 SIP/2.0\r\n"));
        assert_eq!(header(&sent, "Route"), "", "{routes}");
    }
}

#[test]
fn m02_m05_f01_unknown_and_repeated_headers_keep_bytes_and_order() {
    let odd = "x-UNKNOWN :  a\n  b\nX-Two: 1\nAuthorization: Digest a=\"1\", b=2\nX-Two: 2, 3\ns:\ni-Do-Not-Know: \"\\\"\"";
    let sent = forwarded(&with(odd));
    assert!(
        sent.contains(&format!("\r\n{}\r\n", odd.replace('\n', "\r\n"))),
        "{sent}"
    );
}

#[test]
fn f03_max_forwards() {
    assert!(forwarded(INVITE).contains("\r\nMax-Forwards: 69\r\n"));
    let absent = INVITE.replacen("Max-Forwards: 70\n", "", 1);
    assert!(forwarded(&absent).contains("\r\nMax-Forwards: 70\r\n"));
    let one = INVITE.replacen("Max-Forwards: 70", "max-forwards : 1", 1);
    assert!(forwarded(&one).contains("\r\nMax-Forwards: 0\r\n"));
}

#[test]
fn f04_f07_our_record_route_stands_before_all_others_and_tells_nothing() {
    let sent = forwarded(&with(
        "Route: <sip:203.0.113.5;lr>\nRecord-Route: <sip:192.0.2.1;lr>",
    ));
    let routes: Vec<_> = sent
        .lines()
        .filter(|line| line.starts_with("Record-Route"))
        .collect();
    assert_eq!(routes.len(), 2);
    assert_eq!(routes[1], "Record-Route: <sip:192.0.2.1;lr>");
    let own = routes[0]
        .strip_prefix("Record-Route: <sip:203.0.113.5:5060;lr;sg=")
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap();
    assert!(own.len() == 16 && own.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_ne!(
        own,
        header(&forwarded(&with("X: y")), "Record-Route"),
        "F-07: a key per call"
    );
}

#[test]
fn f05_requests_that_move_a_dialog_are_record_routed_too() {
    let mut wire = Wire::new();
    let (_, invite) = wire.answered();
    for (method, ours) in [("INVITE", 1), ("UPDATE", 1), ("INFO", 0), ("BYE", 0)] {
        wire.send(CALLER, &in_dialog(method, 2, "gw1", method));
        if let [Event::Ended { call, .. }] = wire.events()[..] {
            wire.sg.release(call);
        }
        let sent = wire.sent().pop().unwrap().1;
        assert!(sent.starts_with(method));
        let routes: Vec<_> = sent
            .lines()
            .filter(|line| line.starts_with("Record-Route: "))
            .collect();
        assert_eq!(routes.len(), ours, "{method}");
        assert!(routes.iter().all(|line| invite.contains(line)));
    }
}

#[test]
fn f08_a_strict_router_of_the_callee_becomes_the_request_uri() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    let reply = answer(&invite, "200 OK", "gw1").replacen(
        "Record-Route: ",
        "Record-Route: <sip:198.51.100.7:5070>, ",
        1,
    );
    wire.send(GATEWAY, &reply);
    wire.events();
    wire.sg.release(call);
    wire.sent();
    wire.send(CALLER, &in_dialog("INFO", 2, "gw1", "i"));
    let sent = wire.sent();
    assert_eq!(sent[0].0.to_string(), "198.51.100.7:5070");
    assert!(sent[0].1.starts_with("INFO sip:198.51.100.7:5070 SIP/2.0"));
    assert_eq!(header(&sent[0].1, "Route"), "<sip:gw@198.51.100.1:5060>");
}

#[test]
fn f08_r03_a_loose_router_of_the_callee_is_the_next_hop() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    let reply = answer(&invite, "200 OK", "gw1").replacen(
        "Record-Route: ",
        "Record-Route: <sip:198.51.100.8;lr>, <sip:198.51.100.7:5070;lr>, ",
        1,
    );
    wire.send(GATEWAY, &reply);
    wire.events();
    wire.sg.release(call);
    wire.sent();
    wire.send(CALLER, &in_dialog("INFO", 2, "gw1", "i"));
    let sent = wire.sent();
    assert_eq!(sent[0].0.to_string(), "198.51.100.7:5070");
    assert!(sent[0]
        .1
        .starts_with("INFO sip:gw@198.51.100.1:5060 SIP/2.0"));
    assert_eq!(
        header(&sent[0].1, "Route"),
        "<sip:198.51.100.7:5070;lr>, <sip:198.51.100.8;lr>"
    );
}

#[test]
fn f14_every_forward_is_a_client_transaction_that_ends_by_timer_c_or_before() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    assert_eq!(wire.sg.sizes().0, 2, "server and client transaction");
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.events();
    wire.wait(180_000);
    assert!(wire.events().is_empty(), "more than three minutes");
    wire.wait(40_000);
    assert!(matches!(wire.events()[..], [Event::Failed { .. }]));
    wire.sg.finish(call);
    wire.wait(70_000);
    assert_eq!(wire.sg.sizes(), (0, 0, 0));
}

#[test]
fn l03_max_breadth_passes_unchanged_where_nothing_forks() {
    assert_eq!(
        header(&forwarded(&with("Max-Breadth: 7")), "Max-Breadth"),
        "7"
    );
    assert_eq!(header(&forwarded(INVITE), "Max-Breadth"), "");
}

#[test]
fn i09_i10_i11_what_others_agree_on_passes_as_it_is() {
    let lines = "Path: <sip:edge.example;lr;ob>
Service-Route: <sip:home.example;lr>
Supported: gruu, outbound, path, timer, 100rel, replaces
Allow-Events: talk, hold
Accept-Contact: *;audio;require
Identity: eyJhbGciOiJFUzI1NiJ9..sig;info=<https://x.example/c.pem>;alg=ES256;ppt=shaken
Session-Expires: 1800;refresher=uac
Min-SE: 90
Require: 100rel
Resource-Priority: ets.0";
    let contact = "Contact: <sip:a@192.0.2.10:5060;gr=urn:uuid:f81d4fae;ob>;+sip.instance=\"<urn:uuid:f81d4fae>\";reg-id=1";
    let message = with(lines).replacen("Contact: <sip:a@192.0.2.10:5060>", contact, 1);
    let sent = forwarded(&message);
    for line in lines.lines().chain([contact]) {
        assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line}");
    }
}

#[test]
fn i07_requests_inside_a_dialog_go_both_ways_statefully() {
    let mut wire = Wire::new();
    wire.answered();
    let methods = [
        "PRACK",
        "UPDATE",
        "INFO",
        "NOTIFY",
        "MESSAGE",
        "SUBSCRIBE",
        "OPTIONS",
        "XYZZY",
    ];
    for (cseq, method) in (2..).zip(methods) {
        for (from, to, request) in [
            (CALLER, GATEWAY, in_dialog(method, cseq, "gw1", method)),
            (GATEWAY, CALLER, from_gateway(method, cseq)),
        ] {
            wire.send(from, &request);
            wire.send(from, &request);
            let sent = wire.sent();
            assert_eq!((sent.len(), sent[0].0.to_string().as_str()), (1, to));
            assert!(sent[0].1.starts_with(&format!("{method} sip:")));
            wire.send(to, &answer(&sent[0].1, "200 OK", ""));
            assert_eq!(wire.lines(), [format!("{from} SIP/2.0 200 OK")]);
            wire.send(from, &request);
            assert_eq!(
                wire.lines(),
                [format!("{from} SIP/2.0 200 OK")],
                "X-11: the final response again"
            );
        }
    }
    // The ends' targets have moved, and nothing else has happened.
    let mut events = wire.events().into_iter();
    assert!(events.all(|event| matches!(event, Event::Changed { .. })));
}

#[test]
fn d08_no_other_call_is_named_to_a_gateway() {
    let lines =
        "Replaces: other@host;to-tag=1;from-tag=2\nJoin: third@host;to-tag=1;from-tag=2\nX-Last: 1";
    let sent = forwarded(&with(lines));
    assert!(!sent.contains("@host"), "{sent}");
    assert!(sent.contains("\r\nX-Last: 1\r\n"), "{sent}");
}

#[test]
fn f15_identity_passes_from_trusted_callers_only() {
    let message = with("P-Asserted-Identity : <sip:1@x>");
    for trusted in [true, false] {
        let mut wire = Wire::new();
        wire.send(CALLER, &message);
        let [Event::Invite { call, .. }] = wire.events()[..] else {
            panic!("refused: {:?}", wire.lines())
        };
        assert!(wire
            .sg
            .forward_for(call, &target(GATEWAY), Some("880"), trusted, None));
        let sent = wire.sent().pop().unwrap().1;
        assert_eq!(
            sent.contains("\r\nP-Asserted-Identity : <sip:1@x>\r\n"),
            trusted
        );
    }
}

#[test]
fn a64_a_gateway_that_dials_by_to_gets_the_judged_number_there() {
    let mut wire = Wire::new();
    wire.send(CALLER, INVITE);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("refused: {:?}", wire.lines())
    };
    let by_to = Target {
        dials_by_to: true,
        ..target(GATEWAY)
    };
    assert!(wire.sg.forward(call, &by_to, Some("880")));
    let sent = wire.sent().pop().unwrap().1;
    assert_eq!(header(&sent, "To"), "<sip:880@198.51.100.1:5060>");
}

#[test]
fn d04_a_refer_reaches_only_a_gateway_that_is_marked_for_it() {
    for takes_refer in [false, true] {
        let mut wire = Wire::new();
        wire.send(CALLER, INVITE);
        let [Event::Invite { call, .. }] = wire.events()[..] else {
            panic!("refused: {:?}", wire.lines())
        };
        let marked = Target {
            takes_refer,
            ..target(GATEWAY)
        };
        assert!(wire.sg.forward(call, &marked, Some("880")));
        let invite = wire.sent().pop().unwrap().1;
        wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
        wire.sg.release(call);
        wire.sent();
        let refer = in_dialog("REFER", 2, "gw1", "r")
            .replace("Contact:", "Refer-To: <tel:+5355550100>\nContact:");
        wire.send(CALLER, &refer);
        let (to, text) = wire.sent().pop().unwrap();
        if takes_refer {
            assert_eq!(to.to_string(), GATEWAY);
            assert!(text.contains("Refer-To: <tel:+5355550100>"), "{text}");
        } else {
            assert_eq!(to.to_string(), CALLER);
            assert!(text.starts_with("SIP/2.0 403 "), "{text}");
        }
        wire.send(GATEWAY, &from_gateway("REFER", 1));
        assert_eq!(
            wire.lines(),
            [format!("{CALLER} REFER sip:a@192.0.2.10:5060 SIP/2.0")]
        );
    }
}
