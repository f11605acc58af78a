//! Loops and spirals (RFC 5393), and what leaves for policy other than calls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, header, in_dialog, target, Wire, CALLER, GATEWAY, INVITE};
use sipguard_engine::event::Event;

/// The INVITE as a proxy behind us would send it back: a Via of its own on top.
fn sent_back(forwarded: &str, branch: &str) -> String {
    forwarded.replace("\r\n", "\n").replacen(
        "Via:",
        &format!("Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK{branch}\nVia:"),
        1,
    )
}

fn forward(wire: &mut Wire, user: Option<&str>) -> String {
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("no invite")
    };
    assert!(wire.sg.forward(call, &target(GATEWAY), user));
    wire.sent().pop().unwrap().1
}

#[test]
fn l01_l04_an_invite_that_comes_round_again_unchanged_is_refused_and_leaves_nothing() {
    let mut wire = Wire::new();
    let (call, first) = wire.invite();
    wire.send(GATEWAY, &sent_back(&first, "one"));
    let second = forward(&mut wire, Some("8801711000000"));
    wire.send(GATEWAY, &sent_back(&second, "two"));
    assert!(wire.events().is_empty());
    let refusal = wire.sent().pop().unwrap();
    assert!(refusal.1.starts_with("SIP/2.0 482 Loop Detected\r\n"));
    // The refusal goes back the way it came: both calls end, and nothing of them stays.
    wire.send(GATEWAY, &answer(&second, "482 Loop Detected", "l"));
    wire.send(GATEWAY, &answer(&first, "482 Loop Detected", "l"));
    let events = wire.events();
    assert_eq!(events.len(), 2);
    for event in events {
        let Event::Failed { call, status, .. } = event else {
            panic!("{event:?}")
        };
        assert_eq!((status, wire.sg.finish(call)), (482, 482));
    }
    assert!(!wire.sg.release(call));
    wire.wait(70_000);
    assert_eq!(wire.sg.sizes(), (0, 0, 0));
}

#[test]
fn l02_a_spiral_passes() {
    for (from, to) in [
        ("INVITE sip:8801711000000@", "INVITE sip:8801711000001@"),
        ("Max-Forwards", "Route: <sip:203.0.113.5;lr>\nMax-Forwards"),
        ("CSeq: 1 INVITE", "CSeq: 2 INVITE"),
    ] {
        let mut wire = Wire::new();
        let (_, first) = wire.invite();
        wire.send(GATEWAY, &sent_back(&first, "one"));
        let second = forward(&mut wire, Some("8801711000000"));
        wire.send(GATEWAY, &sent_back(&second, "two").replacen(from, to, 1));
        assert!(matches!(wire.events()[..], [Event::Invite { .. }]), "{to}");
    }
    // The same request from elsewhere is judged anew: who sent it decides who pays.
    let mut wire = Wire::new();
    let (_, first) = wire.invite();
    wire.send(GATEWAY, &sent_back(&first, "one"));
    let second = forward(&mut wire, Some("8801711000000"));
    wire.send("198.51.100.9:5060", &sent_back(&second, "two"));
    assert!(matches!(wire.events()[..], [Event::Invite { .. }]));
}

#[test]
fn l04_what_comes_from_ourselves_is_refused_at_once() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    wire.send("203.0.113.5:5060", &invite.replace("\r\n", "\n"));
    assert!(wire.events().is_empty());
    assert_eq!(wire.lines(), ["203.0.113.5:5060 SIP/2.0 482 Loop Detected"]);
    // A Contact of ours would send an ACK round until Max-Forwards ends it.
    let mut wire = Wire::new();
    wire.answered();
    let via = format!("Via: {}\nVia: ", header(&invite, "Via"));
    let ack = in_dialog("ACK", 1, "gw1", "again").replacen("Via: ", &via, 1);
    wire.send("203.0.113.5:5060", &ack);
    assert!(wire.lines().is_empty());
}

#[test]
fn f12_the_loop_key_of_a_branch_is_that_of_its_ack_and_cancel_too() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.send(
        CALLER,
        &in_dialog("CANCEL", 1, "x", "inv").replace(";tag=x", ""),
    );
    wire.send(GATEWAY, &answer(&invite, "487 Request Terminated", "gw1"));
    let sent = wire.sent();
    for method in ["CANCEL", "ACK"] {
        let request = sent.iter().find(|(_, text)| text.starts_with(method));
        assert_eq!(header(&request.unwrap().1, "Via"), header(&invite, "Via"));
    }
}

#[test]
fn f02_a_kept_request_uri_loses_what_may_not_stand_in_one() {
    for (came, leaves) in [
        ("sip:a;b=c@host", "sip:a;b=c@host"),
        (
            "sip:a@host;x;method=INVITE;transport=udp",
            "sip:a@host;x;transport=udp",
        ),
        ("sip:a@host;METHOD=BYE", "sip:a@host"),
        ("tel:+880;phone-context=x", "tel:+880;phone-context=x"),
    ] {
        let mut wire = Wire::new();
        wire.send(
            CALLER,
            &INVITE.replacen("sip:+880-1711-000000@203.0.113.5", came, 1),
        );
        let forwarded = forward(&mut wire, None);
        assert!(
            forwarded.starts_with(&format!("INVITE {leaves} SIP/2.0\r\n")),
            "{forwarded}"
        );
    }
}

#[test]
fn v03_unknown_methods_pass_where_policy_says_so() {
    let mut wire = Wire::new();
    let request = |method: &str| in_dialog(method, 1, "", method).replace(";tag=\n", "\n");
    wire.send(CALLER, &request("XYZZY"));
    assert_eq!(
        wire.lines(),
        [format!("{CALLER} SIP/2.0 405 Method Not Allowed")]
    );
    wire.sg.ask_requests(true);
    for method in ["NEWMETHOD", "MESSAGE"] {
        wire.send(CALLER, &request(method));
        wire.send(CALLER, &request(method));
        let [Event::Request { call, .. }] = wire.events()[..] else {
            panic!("one event for a request and its retransmission")
        };
        assert!(wire.sg.forward(call, &target(GATEWAY), None));
        assert!(!wire.sg.reject(call, 403, "Forbidden", b""), "decided once");
        let sent = wire.sent();
        assert_eq!(sent.len(), 1);
        assert!(sent[0].1.starts_with(&format!("{method} sip:gw@")));
        wire.send(GATEWAY, &answer(&sent[0].1, "202 Accepted", "x"));
        assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 202 Accepted")]);
    }
    wire.wait(70_000);
    assert_eq!(wire.sg.sizes(), (0, 0, 0));
}

#[test]
fn an_options_at_us_is_answered_and_one_through_us_is_asked_about() {
    let mut wire = Wire::new();
    wire.sg.ask_requests(true);
    let options = |uri: &str, branch: &str| {
        in_dialog("OPTIONS", 1, "", branch)
            .replace(";tag=\n", "\n")
            .replacen("sip:gw@198.51.100.1:5060", uri, 1)
    };
    wire.send(CALLER, &options("sip:203.0.113.5", "a"));
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
    for uri in ["sip:a@203.0.113.5", "sip:203.0.113.5:5061", "sip:elsewhere"] {
        wire.send(CALLER, &options(uri, uri.trim_start_matches("sip:")));
        let [Event::Request { call, .. }] = wire.events()[..] else {
            panic!("{uri}")
        };
        assert!(wire.sg.reject(call, 404, "Not Found", b""));
        assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 404 Not Found")]);
    }
}

#[test]
fn x12_one_branch_for_two_calls_is_two_transactions() {
    let mut wire = Wire::new();
    let (_, _) = wire.invite();
    wire.send(CALLER, &INVITE.replace("one@192.0.2.10", "two@192.0.2.10"));
    assert!(matches!(wire.events()[..], [Event::Invite { .. }]));
}
