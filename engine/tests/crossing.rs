//! Ends that hang up in the same moment, and one that does while sipguard ends the call itself: nothing of it
//! leaves before the record.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, from_gateway, in_dialog, Wire, CALLER, GATEWAY};
use sipguard_engine::event::{Event, Side};

const TO_CALLER: &str = "BYE sip:a@192.0.2.10:5060 SIP/2.0";
const TO_GATEWAY: &str = "BYE sip:gw@198.51.100.1:5060 SIP/2.0";

#[test]
fn a_bye_that_crosses_another_waits_for_the_record_with_it() {
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye1"));
    wire.send(GATEWAY, &from_gateway("BYE", 1));
    wire.send(GATEWAY, &from_gateway("BYE", 1));
    assert!(
        matches!(
            wire.events()[..],
            [Event::Ended {
                by: Side::Caller,
                ..
            }]
        ),
        "the call ends once"
    );
    assert!(wire.lines().is_empty(), "nothing before the record");
    assert!(wire.sg.release(call));
    let sent = wire.sent();
    let lines: Vec<_> = sent
        .iter()
        .map(|(to, text)| format!("{to} {}", text.lines().next().unwrap()))
        .collect();
    assert_eq!(
        lines,
        [
            format!("{GATEWAY} {TO_GATEWAY}"),
            format!("{CALLER} {TO_CALLER}")
        ]
    );
    assert!(!wire.sg.release(call));
    wire.send(GATEWAY, &answer(&sent[0].1, "200 OK", ""));
    wire.send(CALLER, &answer(&sent[1].1, "200 OK", ""));
    assert_eq!(
        wire.lines(),
        [
            format!("{CALLER} SIP/2.0 200 OK"),
            format!("{GATEWAY} SIP/2.0 200 OK")
        ]
    );
    wire.wait(70_000);
    assert_eq!(wire.sg.sizes(), (0, 0, 0), "nothing is left");
}

#[test]
fn a_bye_that_comes_after_the_record_goes_at_once() {
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye1"));
    wire.events();
    assert!(wire.sg.release(call));
    wire.lines();
    wire.send(GATEWAY, &from_gateway("BYE", 1));
    assert!(wire.events().is_empty());
    assert_eq!(wire.lines(), [format!("{CALLER} {TO_CALLER}")]);
}

#[test]
fn a_bye_that_overtakes_the_answer_ends_the_call_when_it_comes_again() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.lines();
    wire.events();
    wire.send(GATEWAY, &from_gateway("BYE", 1));
    assert!(wire.events().is_empty() && wire.lines().is_empty());
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    assert!(matches!(wire.events()[..], [Event::Answered { .. }]));
    assert!(wire.sg.release(call));
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "ack1"));
    wire.lines();
    wire.send(GATEWAY, &from_gateway("BYE", 1));
    assert!(matches!(
        wire.events()[..],
        [Event::Ended {
            by: Side::Callee,
            ..
        }]
    ));
    assert!(wire.sg.release(call));
    assert_eq!(wire.lines(), [format!("{CALLER} {TO_CALLER}")]);
}

#[test]
fn a_hang_up_that_an_end_was_quicker_than_lets_its_bye_go() {
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    wire.send(GATEWAY, &from_gateway("BYE", 1));
    assert!(matches!(wire.events()[..], [Event::Ended { .. }]));
    assert!(wire.lines().is_empty());
    assert!(!wire.sg.hangup(call, "SIP;cause=402"));
    assert_eq!(wire.lines(), [format!("{CALLER} {TO_CALLER}")]);
}
