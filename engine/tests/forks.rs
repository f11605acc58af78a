//! Several ends answer one INVITE: each answer is recorded before it is passed on, and ended when the call is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, from_gateway, header, in_dialog, Wire, CALLER, GATEWAY};
use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::Event;
use sipguard_engine::transport::Listener;

/// The tags of those who were sent ACK, and BYE, at the gateway.
fn ended(wire: &mut Wire) -> (Vec<String>, Vec<String>) {
    let sent = wire.sent();
    let tags = |method: &str| {
        let to_gateway = sent
            .iter()
            .filter(|(to, text)| to.to_string() == GATEWAY && text.starts_with(method));
        let tag = |text: &str| header(text, "To").split("tag=").nth(1).unwrap().to_string();
        to_gateway.map(|(_, text)| tag(text)).collect()
    };
    (tags("ACK"), tags("BYE"))
}

/// A call that `gw1` has answered, and then `gw2`, whose answer is held.
fn forked() -> (Wire, u64, String, Box<[u8]>) {
    let mut wire = Wire::new();
    let (call, invite) = wire.answered();
    wire.sent();
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw2"));
    let events = wire.events();
    let [Event::Changed {
        ref dialog,
        answered: true,
        ..
    }] = events[..]
    else {
        panic!("{events:?}")
    };
    let dialog = dialog.clone();
    (wire, call, invite, dialog)
}

fn restarted(wire: &Wire, call: u64, dialog: &[u8]) -> Wire {
    let mut sg = Endpoint::new(4, &[1; 32], wire.now);
    sg.add_listener(Listener::new("203.0.113.5", 5060));
    assert!(sg.restore(call, dialog));
    Wire { sg, now: wire.now }
}

#[test]
fn a_further_answer_is_passed_on_once_it_is_recorded() {
    let (mut wire, call, invite, _) = forked();
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw2"));
    assert!(wire.lines().is_empty(), "held, and so is its repetition");
    assert!(wire.sg.release_fork(call));
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
    assert!(!wire.sg.release_fork(call), "once");
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw2"));
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
}

#[test]
fn both_legs_hear_a_bye_in_both_directions_when_the_call_is_cut() {
    let (mut wire, call, _, _) = forked();
    wire.sg.release_fork(call);
    wire.send(CALLER, &in_dialog("ACK", 1, "gw2", "ack2"));
    wire.send(CALLER, &in_dialog("INFO", 7, "gw2", "info"));
    wire.sent();
    let reason = "SIP;cause=402;text=\"Payment Required\"";
    assert!(wire.sg.hangup(call, reason));
    let sent = wire.sent();
    let byes: Vec<_> = sent
        .iter()
        .map(|(to, text)| {
            assert!(text.starts_with("BYE "), "{text}");
            assert_eq!(header(text, "Reason"), reason);
            let number = header(text, "CSeq").replace(" BYE", "");
            (to.to_string(), header(text, "To").to_string(), number)
        })
        .collect();
    let at = |to: &str, tag: &str| {
        let of = |one: &&(String, String, String)| one.0 == to && one.1.ends_with(tag);
        byes.iter().find(of).map(|one| one.2.clone())
    };
    assert_eq!(at(GATEWAY, "gw1").as_deref(), Some("2"));
    assert_eq!(at(GATEWAY, "gw2").as_deref(), Some("8"), "behind the INFO");
    assert_eq!(byes.iter().filter(|bye| bye.0 == CALLER).count(), 2);
    assert_eq!(byes.len(), 4);
}

#[test]
fn an_answer_that_is_still_held_is_ended_with_its_call() {
    let (mut wire, call, invite, _) = forked();
    assert!(wire.sg.hangup(call, ""));
    let (acks, byes) = ended(&mut wire);
    assert_eq!((&acks[..], byes.len()), (&["gw2".to_string()][..], 2));
    assert!(
        !wire.sg.release_fork(call),
        "the caller hears nothing of it"
    );
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw2"));
    assert!(wire.lines().is_empty());

    // The caller hangs up in that moment.
    let (mut wire, call, _, _) = forked();
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye"));
    assert!(matches!(wire.events()[..], [Event::Ended { .. }]));
    let (acks, byes) = ended(&mut wire);
    assert_eq!((acks, byes), (vec!["gw2".into()], vec!["gw2".into()]));
    assert!(wire.sg.release(call));
    assert_eq!(ended(&mut wire).1, ["gw1"]);
}

#[test]
fn an_answer_to_a_call_that_is_over_is_ended_once() {
    let mut wire = Wire::new();
    let (call, invite) = wire.answered();
    assert!(wire.sg.hangup(call, "SIP;cause=402"));
    wire.sent();
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw2"));
    let events = wire.events();
    let [Event::Unwanted {
        call: unwanted,
        ref dialog,
    }] = events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(ended(&mut wire), (vec!["gw2".into()], vec!["gw2".into()]));
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw2"));
    assert_eq!(ended(&mut wire), (vec!["gw2".into()], vec![]));
    assert!(wire.events().is_empty());

    // Its own BYE crosses ours, and concerns nobody else.
    wire.send(GATEWAY, &from_gateway("BYE", 1).replace("gw1", "gw2"));
    assert_eq!(wire.lines(), [format!("{GATEWAY} SIP/2.0 200 OK")]);

    // A kill may have come before the BYE arrived: the next run says it again, and to nobody but the gateway.
    let mut after = restarted(&wire, unwanted, dialog);
    assert!(after.sg.hangup(unwanted, ""));
    let lines = after.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.starts_with(GATEWAY)),
        "{lines:?}"
    );
}

#[test]
fn a_leg_that_was_ended_here_is_ended_again_after_a_restart() {
    let (mut wire, call, _, _) = forked();
    wire.sg.release_fork(call);
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "ack1"));
    wire.wait(32_200);
    let events = wire.events();
    let [Event::Changed {
        ref dialog,
        answered: false,
        ..
    }] = events[..]
    else {
        panic!("no ACK for the second leg: {events:?}")
    };
    let mut after = restarted(&wire, call, dialog);
    let sent = after.sent();
    assert!(sent.iter().all(|(_, text)| text.starts_with("BYE ")));
    let ends: Vec<_> = sent.iter().map(|(to, _)| to.to_string()).collect();
    assert_eq!(ends, [GATEWAY, CALLER], "the second leg alone");
    after.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye"));
    assert!(matches!(after.events()[..], [Event::Ended { .. }]));
}

#[test]
fn a_further_answer_has_its_own_time_to_be_acknowledged() {
    let mut wire = Wire::new();
    let (call, invite) = wire.answered();
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "ack1"));
    wire.wait(31_000);
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw2"));
    wire.sg.release_fork(call);
    wire.sent();
    wire.wait(2_000);
    assert!(wire.lines().is_empty(), "it has waited two seconds");
    wire.wait(30_400);
    assert_eq!(ended(&mut wire).1, ["gw2"]);
}

#[test]
fn who_answers_first_need_not_be_who_rang_first() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    for tag in ["gw1", "gw2"] {
        wire.send(GATEWAY, &answer(&invite, "180 Ringing", tag));
    }
    for tag in ["gw2", "gw1"] {
        wire.send(GATEWAY, &answer(&invite, "200 OK", tag));
    }
    wire.events();
    wire.sg.release(call);
    wire.sg.release_fork(call);
    for tag in ["gw1", "gw2"] {
        assert!(wire.events().is_empty(), "a leg is up");
        wire.send(CALLER, &in_dialog("BYE", 2, tag, tag));
    }
    assert!(matches!(wire.events()[..], [Event::Ended { .. }]));
}
