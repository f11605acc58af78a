//! Requests inside the dialog of a call that is over: it was charged, so no session may go on in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, from_gateway, in_dialog, Wire, CALLER, GATEWAY};

const GONE: &str = "SIP/2.0 481 Call/Transaction Does Not Exist";

/// A call that the caller has hung up; the BYE was passed on and answered.
fn ended() -> Wire {
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye"));
    wire.events();
    assert!(wire.sg.release(call));
    let (_, bye) = wire.sent().pop().unwrap();
    wire.send(GATEWAY, &answer(&bye, "200 OK", ""));
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
    wire
}

#[test]
fn nothing_of_a_session_passes_in_a_call_that_is_over() {
    for method in ["INVITE", "UPDATE", "INFO", "OPTIONS", "REFER", "MESSAGE"] {
        let mut wire = ended();
        wire.send(CALLER, &in_dialog(method, 3, "gw1", "late"));
        assert_eq!(wire.lines(), [format!("{CALLER} {GONE}")], "{method}");
        wire.send(GATEWAY, &from_gateway(method, 9));
        assert_eq!(wire.lines(), [format!("{GATEWAY} {GONE}")], "{method}");
        assert!(wire.events().is_empty(), "{method}");
    }
}

#[test]
fn the_ack_of_a_refused_re_invite_stays_here() {
    let mut wire = ended();
    let invite = in_dialog("INVITE", 3, "gw1", "late");
    wire.send(CALLER, &invite);
    wire.send(CALLER, &invite);
    let refused = format!("{CALLER} {GONE}");
    assert_eq!(wire.lines(), [refused.clone(), refused], "repeated");
    let ack = in_dialog("ACK", 3, "gw1", "late");
    wire.send(CALLER, &ack);
    wire.wait(40_000);
    assert!(wire.lines().is_empty(), "neither passed on nor waited for");
}

#[test]
fn a_call_that_sipguard_has_ended_is_over_at_once() {
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    assert!(wire.sg.hangup(call, "SIP;cause=402"));
    wire.sent();
    wire.send(GATEWAY, &from_gateway("INVITE", 9));
    assert_eq!(wire.lines(), [format!("{GATEWAY} {GONE}")]);
}

#[test]
fn a_call_is_over_while_its_bye_waits_for_the_record() {
    let mut wire = Wire::new();
    wire.answered();
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye"));
    wire.send(GATEWAY, &from_gateway("INVITE", 9));
    assert_eq!(wire.lines(), [format!("{GATEWAY} {GONE}")]);
}

#[test]
fn the_answer_of_a_re_invite_that_the_bye_overtook_still_passes_and_so_does_its_ack() {
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    wire.send(CALLER, &in_dialog("INVITE", 2, "gw1", "re"));
    let (_, invite) = wire.sent().pop().unwrap();
    wire.send(CALLER, &in_dialog("BYE", 3, "gw1", "bye"));
    assert!(wire.sg.release(call));
    wire.sent();
    wire.send(GATEWAY, &answer(&invite, "200 OK", ""));
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
    wire.send(CALLER, &in_dialog("ACK", 2, "gw1", "ack"));
    let acked = format!("{GATEWAY} ACK sip:gw@198.51.100.1:5060 SIP/2.0");
    assert_eq!(wire.lines(), [acked]);
}

#[test]
fn who_transferred_a_call_and_left_it_still_hears_how_that_went() {
    let mut wire = ended();
    wire.send(GATEWAY, &from_gateway("NOTIFY", 9));
    let told = format!("{CALLER} NOTIFY sip:a@192.0.2.10:5060 SIP/2.0");
    assert_eq!(wire.lines(), [told]);
}
