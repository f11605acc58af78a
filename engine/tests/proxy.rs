//! The proxy between a caller and a gateway.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{
    answer, from_gateway, header, in_dialog, target, Wire, CALLER, GATEWAY, INVITE, SECOND,
};
use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::{Cause, Event, Side};
use sipguard_engine::transport::Listener;

#[test]
fn f01_f02_f03_f04_an_invite_leaves_edited_and_not_rebuilt() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    assert!(invite.starts_with("INVITE sip:8801711000000@198.51.100.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKsg"), "{invite}");
    assert!(invite.contains("\r\nRecord-Route: <sip:203.0.113.5:5060;lr;sg="));
    assert!(invite.contains("\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKinv;rport=5060;received=192.0.2.10\r\nMax-Forwards: 69\r\n"), "{invite}");
    assert!(invite.contains("\r\nX-Odd:  kept   as it is\r\n"));
    assert!(
        invite.ends_with("\r\n\r\nv=0\r"),
        "M-08: cut at Content-Length: {invite:?}"
    );
}

#[test]
fn the_answer_waits_for_its_record_and_so_does_the_bye() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    let sent = wire.sent();
    assert!(
        sent[0].1.starts_with(
            "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKinv"
        ),
        "S-04: {sent:?}"
    );
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    assert!(
        matches!(
            wire.events()[..],
            [Event::Answered {
                ringing: Some(_),
                ..
            }]
        ),
        "once, however often it is repeated"
    );
    assert!(wire.lines().is_empty(), "nothing before the record");
    assert!(wire.sg.release(call));
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
    assert!(!wire.sg.release(call));
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "ack1"));
    wire.sent();
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye1"));
    assert!(matches!(
        wire.events()[..],
        [Event::Ended {
            by: Side::Caller,
            ..
        }]
    ));
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye1"));
    assert!(wire.events().is_empty() && wire.lines().is_empty());
    assert!(wire.sg.release(call));
    let sent = wire.sent();
    assert_eq!((sent.len(), sent[0].0.to_string().as_str()), (1, GATEWAY));
    wire.send(GATEWAY, &answer(&sent[0].1, "200 OK", ""));
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
    wire.wait(70_000);
    assert_eq!(wire.sg.sizes(), (0, 0, 0), "nothing is left");
    assert!(wire.lines().is_empty());
}

#[test]
fn the_callee_may_end_the_call_too() {
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    wire.send(GATEWAY, &from_gateway("BYE", 1));
    assert!(matches!(
        wire.events()[..],
        [Event::Ended {
            by: Side::Callee,
            ..
        }]
    ));
    wire.sg.release(call);
    assert_eq!(
        wire.lines(),
        [format!("{CALLER} BYE sip:a@192.0.2.10:5060 SIP/2.0")]
    );
}

#[test]
fn x09_a_refusal_is_repeated_until_the_ack_and_leaves_nothing() {
    let mut wire = Wire::new();
    wire.send(CALLER, INVITE);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!()
    };
    assert!(wire
        .sg
        .reject(call, 403, "Forbidden", b"Reason: Q.850;cause=21\r\n"));
    let sent = wire.sent();
    assert!(sent[0].1.starts_with("SIP/2.0 403 Forbidden\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKinv;rport=5060;received=192.0.2.10\r\n"));
    assert!(
        sent[0].1.contains(";tag=sg") && sent[0].1.contains("Reason: Q.850;cause=21\r\n"),
        "V-09"
    );
    wire.send(CALLER, INVITE);
    assert_eq!(
        wire.lines(),
        [format!("{CALLER} SIP/2.0 403 Forbidden")],
        "the same answer to a retransmission"
    );
    assert!(wire.events().is_empty());
    wire.wait(1000);
    assert_eq!(wire.lines().len(), 1, "timer G");
    wire.send(CALLER, &in_dialog("ACK", 1, "x", "inv"));
    wire.wait(31_000);
    assert!(wire.lines().is_empty());
    assert_eq!(wire.sg.sizes(), (0, 0, 0));
    assert!(
        !wire.sg.forward(call, &target(GATEWAY), Some("1")),
        "no way back from a refusal"
    );
}

#[test]
fn c03_c05_a_cancel_waits_for_a_provisional_response() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(
        CALLER,
        &in_dialog("CANCEL", 1, "x", "inv").replace(";tag=x", ""),
    );
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
    wire.send(GATEWAY, &answer(&invite, "100 Trying", ""));
    let sent = wire.sent();
    assert_eq!(sent.len(), 1);
    let cancel = &sent[0].1;
    assert!(
        cancel.starts_with("CANCEL sip:8801711000000@198.51.100.1:5060 SIP/2.0\r\n"),
        "C-06"
    );
    assert_eq!(header(cancel, "Via"), header(&invite, "Via"), "C-06");
    wire.send(GATEWAY, &answer(cancel, "200 OK", "c"));
    wire.send(GATEWAY, &answer(&invite, "487 Request Terminated", "gw1"));
    let events = wire.events();
    assert!(
        matches!(
            events[..],
            [Event::Failed {
                status: 487,
                cancelled: true,
                ..
            }]
        ),
        "{events:?}"
    );
    assert_eq!(wire.sg.finish(call), 487);
    let lines = wire.lines();
    assert_eq!(
        lines,
        [
            format!("{GATEWAY} ACK sip:8801711000000@198.51.100.1:5060 SIP/2.0"),
            format!("{CALLER} SIP/2.0 487 Request Terminated")
        ]
    );
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "inv"));
    wire.wait(70_000);
    assert_eq!(wire.sg.sizes(), (0, 0, 0));
}

#[test]
fn a_cancel_before_the_decision_lets_nothing_leave() {
    let mut wire = Wire::new();
    wire.send(CALLER, INVITE);
    wire.send(
        CALLER,
        &in_dialog("CANCEL", 1, "x", "inv").replace(";tag=x", ""),
    );
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!()
    };
    assert!(wire.sg.forward(call, &target(GATEWAY), Some("880")));
    assert!(matches!(
        wire.events()[..],
        [Event::Failed {
            status: 487,
            cancelled: true,
            ..
        }]
    ));
    assert_eq!(wire.sg.finish(call), 487);
    assert!(wire.lines().iter().all(|line| line.starts_with(CALLER)));
}

#[test]
fn d11_c04_only_the_caller_cancels() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.sent();
    wire.send(
        "192.0.2.66:5060",
        &in_dialog("CANCEL", 1, "x", "inv").replace(";tag=x", ""),
    );
    wire.send(
        CALLER,
        &in_dialog("CANCEL", 1, "x", "other").replace(";tag=x", ""),
    );
    let refused = "SIP/2.0 481 Call/Transaction Does Not Exist";
    assert_eq!(
        wire.lines(),
        [
            format!("192.0.2.66:5060 {refused}"),
            format!("{CALLER} {refused}")
        ]
    );
}

#[test]
fn c09_d21_an_answer_that_crosses_the_cancel_is_a_call() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.send(
        CALLER,
        &in_dialog("CANCEL", 1, "x", "inv").replace(";tag=x", ""),
    );
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    let events = wire.events();
    assert!(matches!(events[..], [Event::Answered { .. }]), "{events:?}");
    wire.sent();
    wire.sg.release(call);
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
}

#[test]
fn a_silent_gateway_fails_in_its_time_and_its_late_answer_is_ended() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.wait(4_200);
    assert!(matches!(
        wire.events()[..],
        [Event::Failed {
            status: 408,
            cause: Cause::Timeout,
            cancelled: false,
            ..
        }]
    ));
    assert_eq!(wire.lines().len(), 3, "timer A at 0.5, 1.5 and 3.5 s");
    assert!(wire
        .sg
        .forward(call, &target(SECOND), Some("8801711000000")));
    let second = wire.sent();
    assert_eq!(
        (second.len(), second[0].0.to_string().as_str()),
        (1, SECOND),
        "100 Trying goes out once"
    );
    assert_ne!(
        header(&second[0].1, "Via"),
        header(&invite, "Via"),
        "F-10: a branch of its own"
    );
    wire.send(GATEWAY, &answer(&invite, "200 OK", "late"));
    assert!(
        matches!(wire.events()[..], [Event::Unwanted { .. }]),
        "C18: not an answer to the caller"
    );
    let lines = wire.lines();
    assert_eq!(
        lines,
        [
            format!("{GATEWAY} ACK sip:gw@198.51.100.1:5060 SIP/2.0"),
            format!("{GATEWAY} BYE sip:gw@198.51.100.1:5060 SIP/2.0")
        ]
    );
    wire.send(SECOND, &answer(&second[0].1, "200 OK", "gw2"));
    assert!(matches!(wire.events()[..], [Event::Answered { .. }]));
}

#[test]
fn c02_an_undeliverable_invite_fails_at_once() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.sg
        .undeliverable(wire.now, SECOND.parse().unwrap(), invite.as_bytes());
    assert!(wire.events().is_empty(), "not where it went");
    wire.sg.undeliverable(
        wire.now,
        GATEWAY.parse().unwrap(),
        &invite.as_bytes()[..200],
    );
    assert!(matches!(
        wire.events()[..],
        [Event::Failed {
            status: 503,
            cause: Cause::Transport,
            ..
        }]
    ));
    assert_eq!(wire.sg.finish(call), 500, "S-11: a lone 503 becomes 500");
    assert_eq!(
        wire.lines(),
        [format!("{CALLER} SIP/2.0 500 Server Internal Error")]
    );
}

#[test]
fn s09_the_best_refusal_of_all_gateways_is_passed_on() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "484 Address Incomplete", "gw1"));
    wire.sg.forward(call, &target(SECOND), Some("1"));
    let second = wire.sent();
    wire.send(
        SECOND,
        &answer(&second.last().unwrap().1, "503 Service Unavailable", "gw2"),
    );
    wire.sent();
    assert_eq!(wire.sg.finish(call), 484);
    assert_eq!(
        wire.lines(),
        [format!("{CALLER} SIP/2.0 484 Address Incomplete")]
    );
}

#[test]
fn s18_only_the_peer_that_was_asked_may_answer() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    wire.send("192.0.2.66:5060", &answer(&invite, "200 OK", "evil"));
    assert!(wire.events().is_empty() && wire.lines().is_empty());
}

#[test]
fn d01_nothing_that_a_request_says_about_its_way_is_followed() {
    let mut wire = Wire::new();
    wire.answered();
    let request = in_dialog("INVITE", 2, "gw1", "re")
        .replace(
            "INVITE sip:gw@198.51.100.1:5060",
            "INVITE sip:5355550100@198.51.100.66",
        )
        .replace(
            "Max-Forwards",
            "Route: <sip:203.0.113.5;lr>, <sip:198.51.100.66;lr>\nMax-Forwards",
        );
    wire.send(CALLER, &request);
    let sent = wire.sent();
    assert!(sent[0].1.starts_with("SIP/2.0 100 "));
    assert_eq!(sent[1].0.to_string(), GATEWAY);
    assert!(
        sent[1]
            .1
            .starts_with("INVITE sip:gw@198.51.100.1:5060 SIP/2.0\r\n")
            && !sent[1].1.contains("198.51.100.66")
    );
}

#[test]
fn requests_of_unknown_calls_are_never_forwarded() {
    let mut wire = Wire::new();
    for method in ["BYE", "INVITE", "REFER", "INFO"] {
        wire.send(CALLER, &in_dialog(method, 2, "gw1", method));
    }
    assert_eq!(
        wire.lines(),
        ["192.0.2.10:5060 SIP/2.0 481 Call/Transaction Does Not Exist"; 4]
    );
    wire.send(CALLER, &in_dialog("ACK", 2, "gw1", "a"));
    assert!(wire.lines().is_empty(), "V-10");
    for method in ["REFER", "MESSAGE", "REGISTER", "XYZZY"] {
        wire.send(
            CALLER,
            &in_dialog(method, 1, "", method).replace(";tag=\n", "\n"),
        );
    }
    assert_eq!(
        wire.lines(),
        ["192.0.2.10:5060 SIP/2.0 405 Method Not Allowed"; 4]
    );
}

#[test]
fn a_forged_route_key_is_no_dialog() {
    let mut wire = Wire::new();
    wire.answered();
    let forged = in_dialog("BYE", 2, "gw1", "f").replace(
        "Max-Forwards",
        "Route: <sip:203.0.113.5;lr;sg=00000000deadbeef>\nMax-Forwards",
    );
    wire.send(CALLER, &forged);
    assert_eq!(
        wire.lines(),
        [format!(
            "{CALLER} SIP/2.0 481 Call/Transaction Does Not Exist"
        )]
    );
}

#[test]
fn a_restored_call_is_ended_by_its_bye_and_gets_its_lost_answer() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    let events = wire.events();
    let [Event::Answered { dialog, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    let mut after = Wire::new();
    after.sg = Endpoint::new(4, &[1; 32], after.now);
    after.sg.add_listener(Listener::new("203.0.113.5", 5060));
    assert!(after.sg.restore(call, dialog) && !after.sg.restore(call, dialog));
    after.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    assert_eq!(after.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
    let to_gateway = |method: &str| format!("{GATEWAY} {method} sip:gw@198.51.100.1:5060 SIP/2.0");
    for first in [true, false] {
        after.send(GATEWAY, &answer(&invite, "200 OK", "other"));
        let mut ended = vec![to_gateway("ACK"), to_gateway("BYE")];
        ended.truncate(if first { 2 } else { 1 });
        assert_eq!(after.lines(), ended, "a fork that was not recorded");
    }
    assert!(matches!(after.events()[..], [Event::Unwanted { .. }]));
    after.send(CALLER, &in_dialog("ACK", 1, "gw1", "a"));
    after.send(CALLER, &in_dialog("BYE", 2, "gw1", "b"));
    assert!(matches!(after.events()[..], [Event::Ended { .. }]));
    assert!(after.sg.release(call));
    assert_eq!(after.lines(), [to_gateway("ACK"), to_gateway("BYE")]);
}

#[test]
fn a_hang_up_says_bye_to_both_with_the_next_cseq() {
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    wire.send(CALLER, &in_dialog("INFO", 7, "gw1", "i"));
    wire.send(GATEWAY, &from_gateway("INFO", 3));
    wire.sent();
    assert!(wire.sg.hangup(call, "SIP;cause=402;text=\"no money\"") && !wire.sg.hangup(call, ""));
    let sent = wire.sent();
    let gateway = &sent
        .iter()
        .find(|(to, _)| to.to_string() == GATEWAY)
        .unwrap()
        .1;
    let caller = &sent
        .iter()
        .find(|(to, _)| to.to_string() == CALLER)
        .unwrap()
        .1;
    assert!(
        gateway.starts_with("BYE sip:gw@198.51.100.1:5060 ")
            && caller.starts_with("BYE sip:a@192.0.2.10:5060 ")
    );
    assert_eq!(
        (header(gateway, "CSeq"), header(caller, "CSeq")),
        ("8 BYE", "4 BYE")
    );
    assert_eq!(
        (header(gateway, "From"), header(caller, "From")),
        (
            "\"A\" <sip:a@192.0.2.10>;tag=caller",
            "<sip:b@203.0.113.5>;tag=gw1"
        )
    );
    assert!(caller.contains("Reason: SIP;cause=402;text=\"no money\"\r\n"));
    wire.send(GATEWAY, &answer(gateway, "200 OK", ""));
    wire.send(CALLER, &answer(caller, "481 Gone", ""));
    assert!(wire.events().is_empty());
    wire.wait(70_000);
    assert_eq!(wire.sg.sizes(), (0, 0, 0));
}

#[test]
fn v05_v06_v07_what_16_3_refuses() {
    let mut wire = Wire::new();
    for (from, to, status) in [
        ("sip:+880", "http:+880", "416"),
        ("Max-Forwards: 70", "Max-Forwards: 0", "483"),
        ("X-Odd:  kept   as it is", "Proxy-Require: a, b", "420"),
        ("SIP/2.0\nVia", "SIP/7.0\nVia", "505"),
        ("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE", "400"),
    ] {
        wire.send(
            CALLER,
            &INVITE
                .replacen(from, to, 1)
                .replace("z9hG4bKinv", &format!("z9hG4bK{status}")),
        );
        let sent = wire.sent();
        assert!(
            sent[0].1.starts_with(&format!("SIP/2.0 {status} ")),
            "{status}: {sent:?}"
        );
        if status == "420" {
            assert!(sent[0].1.contains("Unsupported: a\r\nUnsupported: b\r\n"));
        }
    }
    assert!(wire.events().is_empty());
    assert_eq!(
        wire.sg.sizes(),
        (0, 0, 0),
        "no state for what is refused here"
    );
}

#[test]
fn c01_timer_c_cancels_a_gateway_that_only_rings() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.events();
    wire.wait(100_000);
    wire.send(GATEWAY, &answer(&invite, "183 Session Progress", "gw1"));
    wire.wait(170_000);
    wire.sent();
    assert!(
        wire.events().is_empty(),
        "S-03: a provisional response moves timer C"
    );
    wire.wait(12_000);
    assert!(wire.lines().iter().any(|line| line.contains("CANCEL")));
    wire.wait(33_000);
    assert!(
        matches!(wire.events()[..], [Event::Failed { status: 408, .. }]),
        "C-08"
    );
    assert_eq!(wire.sg.finish(call), 408);
}

#[test]
fn a_second_fork_that_answers_is_passed_on_too() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw2"));
    assert!(matches!(
        wire.events()[..],
        [
            Event::Answered { .. },
            Event::Changed { answered: true, .. }
        ]
    ));
    assert!(wire.sg.release_fork(call));
    assert!(wire.lines().is_empty(), "not before the first");
    wire.sg.release(call);
    assert_eq!(wire.lines().len(), 2, "S-06: every 2xx");
    wire.send(CALLER, &in_dialog("BYE", 2, "gw2", "b2"));
    assert!(wire.events().is_empty(), "one leg is still up");
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "b1"));
    assert!(matches!(wire.events()[..], [Event::Ended { .. }]));
}

#[test]
fn what_is_refused_here_is_summed_up_and_bounded() {
    let mut wire = Wire::new();
    let looping = INVITE.replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert!(looping.contains("Max-Forwards: 0"));
    for _ in 0..3 {
        wire.send(CALLER, &looping);
    }
    let (kinds, rest) = wire.sg.refusals.take();
    assert_eq!(rest, 0);
    let [one] = &kinds[..] else {
        panic!("{kinds:?}")
    };
    assert_eq!(
        (one.status, one.count, &one.method[..]),
        (483, 3, &b"INVITE"[..])
    );
    assert_eq!(one.source.to_string(), CALLER.split(':').next().unwrap());
    assert!(
        looping.contains(std::str::from_utf8(&one.call_id).unwrap()) && !one.call_id.is_empty()
    );
    for number in 0..1000 {
        wire.send(
            &format!("10.0.{}.{}:5060", number / 250, number % 250),
            &looping,
        );
    }
    let (kinds, rest) = wire.sg.refusals.take();
    assert_eq!((kinds.len(), rest), (256, 744));
    assert!(wire.sg.refusals.take().0.is_empty());
}
