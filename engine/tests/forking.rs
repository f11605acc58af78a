//! Contacts that ring at the same time: RFC 3261 16.6 and 16.7, RFC 5393 section 5.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, header, in_dialog, target, Wire, CALLER, GATEWAY, INVITE, SECOND};
use sipguard_engine::event::{Cause, Event};

const THIRD: &str = "198.51.100.3:5060";

/// An INVITE that was forwarded to three at once: the call, and what each of them got.
fn forked(wire: &mut Wire, invite: &str) -> (u64, Vec<String>) {
    wire.send(CALLER, invite);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("no invite")
    };
    let targets = [GATEWAY, SECOND, THIRD].map(target);
    let all: Vec<_> = targets.iter().collect();
    assert!(wire.sg.fork(call, &all, Some("8801"), false, None));
    let sent = wire.sent();
    assert!(sent[0].1.starts_with("SIP/2.0 100 "));
    let asked: Vec<_> = sent[1..].iter().map(|(_, text)| text.clone()).collect();
    (call, asked)
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap()
}

#[test]
fn all_are_asked_at_once_and_each_rings() {
    let mut wire = Wire::new();
    let (_, asked) = forked(&mut wire, INVITE);
    assert_eq!(asked.len(), 3);
    let mut branches: Vec<_> = asked.iter().map(|text| header(text, "Via")).collect();
    branches.dedup();
    assert_eq!(branches.len(), 3, "each has a branch of its own");
    wire.send(GATEWAY, &answer(&asked[0], "180 Ringing", "one"));
    wire.send(SECOND, &answer(&asked[1], "180 Ringing", "two"));
    let tags: Vec<_> = wire
        .sent()
        .iter()
        .map(|(_, text)| header(text, "To").split(";tag=").last().unwrap().to_owned())
        .collect();
    assert_eq!(tags, ["one", "two"], "two early dialogs");
    assert!(wire.events().is_empty());
}

#[test]
fn who_answers_first_has_the_call_and_the_others_are_told_so() {
    let mut wire = Wire::new();
    let (call, asked) = forked(&mut wire, INVITE);
    wire.send(GATEWAY, &answer(&asked[0], "180 Ringing", "one"));
    wire.send(SECOND, &answer(&asked[1], "180 Ringing", "two"));
    wire.sent();
    wire.send(SECOND, &answer(&asked[1], "200 OK", "two"));
    let sent = wire.sent();
    assert_eq!(
        sent.len(),
        1,
        "the third is cancelled when it shows life: {sent:?}"
    );
    let (to, cancel) = &sent[0];
    assert_eq!(to.to_string(), GATEWAY);
    assert!(first_line(cancel).starts_with("CANCEL "));
    assert_eq!(header(cancel, "Via"), header(&asked[0], "Via"), "9.1");
    assert!(header(cancel, "Reason").starts_with("SIP;cause=200;"));
    assert!(matches!(wire.events()[..], [Event::Answered { .. }]));
    wire.sg.release(call);
    assert_eq!(first_line(&wire.sent()[0].1), "SIP/2.0 200 OK");

    wire.send(CALLER, &in_dialog("ACK", 1, "two", "ack1"));
    wire.sent();

    // What the others say now is none of the caller's business, nor of policy's.
    wire.send(GATEWAY, &answer(cancel, "200 OK", "one"));
    wire.send(GATEWAY, &answer(&asked[0], "487 Request Terminated", "one"));
    let lines = wire.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("{GATEWAY} ACK ")));
    wire.send(THIRD, &answer(&asked[2], "180 Ringing", "three"));
    let lines = wire.lines();
    assert!(
        lines[0].starts_with(&format!("{THIRD} CANCEL ")),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 1);
    wire.wait(40_000);
    assert!(wire.events().is_empty());
}

#[test]
fn one_that_stays_silent_harms_nobody_who_has_answered() {
    let mut wire = Wire::new();
    let (call, asked) = forked(&mut wire, INVITE);
    wire.send(GATEWAY, &answer(&asked[0], "200 OK", "one"));
    assert!(matches!(wire.events()[..], [Event::Answered { .. }]));
    wire.sg.release(call);
    wire.send(CALLER, &in_dialog("ACK", 1, "one", "ack1"));
    wire.wait(70_000);
    assert!(wire.events().is_empty());
    wire.sent();
    wire.send(CALLER, &in_dialog("BYE", 2, "one", "bye"));
    assert!(matches!(wire.events()[..], [Event::Ended { .. }]));
    wire.sg.release(call);
    assert_eq!(
        wire.lines(),
        [format!("{GATEWAY} BYE sip:gw@198.51.100.1:5060 SIP/2.0")]
    );
}

#[test]
fn policy_hears_of_a_failure_when_all_have_failed_and_the_caller_of_the_best() {
    let mut wire = Wire::new();
    let (call, asked) = forked(&mut wire, INVITE);
    wire.send(GATEWAY, &answer(&asked[0], "480 Away", "one"));
    wire.send(SECOND, &answer(&asked[1], "486 Busy Here", "two"));
    assert!(wire.events().is_empty());
    wire.wait(4_100);
    let events = wire.events();
    let [Event::Failed {
        status: 408,
        cause: Cause::Timeout,
        ..
    }] = events[..]
    else {
        panic!("{events:?}")
    };
    wire.sent();
    assert_eq!(
        wire.sg.finish(call),
        486,
        "the latest of those that are equal, and no silence of ours"
    );
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 486 Busy Here")]);
}

#[test]
fn a_6xx_speaks_for_all_when_the_others_are_over() {
    let mut wire = Wire::new();
    let (call, asked) = forked(&mut wire, INVITE);
    for (peer, text) in [GATEWAY, SECOND, THIRD].iter().zip(&asked) {
        wire.send(peer, &answer(text, "180 Ringing", "x"));
    }
    wire.sent();
    wire.send(SECOND, &answer(&asked[1], "603 Decline", "two"));
    let lines = wire.lines();
    assert!(wire.events().is_empty(), "16.7 step 5: not at once");
    let cancels = lines
        .iter()
        .filter(|line| line.contains(" CANCEL "))
        .count();
    assert_eq!(cancels, 2, "{lines:?}");
    for (peer, text) in [(GATEWAY, &asked[0]), (THIRD, &asked[2])] {
        wire.send(peer, &answer(text, "487 Request Terminated", "x"));
    }
    assert!(matches!(
        wire.events()[..],
        [Event::Failed { status: 603, .. }]
    ));
    assert_eq!(wire.sg.finish(call), 603);
}

#[test]
fn a_2xx_that_crosses_a_6xx_is_the_answer() {
    let mut wire = Wire::new();
    let (_, asked) = forked(&mut wire, INVITE);
    wire.send(GATEWAY, &answer(&asked[0], "180 Ringing", "one"));
    wire.send(SECOND, &answer(&asked[1], "603 Decline", "two"));
    wire.send(GATEWAY, &answer(&asked[0], "200 OK", "one"));
    assert!(matches!(wire.events()[..], [Event::Answered { .. }]));
}

#[test]
fn a_second_answer_goes_to_the_caller_too() {
    let mut wire = Wire::new();
    let (call, asked) = forked(&mut wire, INVITE);
    wire.send(GATEWAY, &answer(&asked[0], "200 OK", "one"));
    wire.send(SECOND, &answer(&asked[1], "200 OK", "two"));
    wire.events();
    wire.sg.release(call);
    assert!(wire.sg.release_fork(call));
    let answers: Vec<_> = wire
        .sent()
        .into_iter()
        .filter(|(_, text)| text.starts_with("SIP/2.0 200"))
        .map(|(_, text)| header(&text, "To").to_owned())
        .collect();
    assert_eq!(answers.len(), 2, "16.7 step 5: it may choose: {answers:?}");
}

#[test]
fn the_caller_cancels_them_all() {
    let mut wire = Wire::new();
    let (call, asked) = forked(&mut wire, INVITE);
    for (peer, text) in [GATEWAY, SECOND, THIRD].iter().zip(&asked) {
        wire.send(peer, &answer(text, "180 Ringing", "x"));
    }
    wire.sent();
    let cancel = in_dialog("CANCEL", 1, "x", "inv").replace(";tag=x", "");
    wire.send(CALLER, &cancel);
    let lines = wire.lines();
    for peer in [GATEWAY, SECOND, THIRD] {
        let theirs = format!("{peer} CANCEL ");
        assert!(
            lines.iter().any(|line| line.starts_with(&theirs)),
            "{lines:?}"
        );
    }
    for (peer, text) in [GATEWAY, SECOND, THIRD].iter().zip(&asked) {
        assert!(wire.events().is_empty());
        wire.send(peer, &answer(text, "487 Request Terminated", "x"));
    }
    assert!(matches!(
        wire.events()[..],
        [Event::Failed {
            cancelled: true,
            ..
        }]
    ));
    assert_eq!(wire.sg.finish(call), 487);
}

#[test]
fn policy_gives_them_all_up() {
    let mut wire = Wire::new();
    let (call, asked) = forked(&mut wire, INVITE);
    for (peer, text) in [GATEWAY, SECOND, THIRD].iter().zip(&asked) {
        wire.send(peer, &answer(text, "180 Ringing", "x"));
    }
    wire.sent();
    assert!(wire.sg.cancel(call, 480, "Temporarily Unavailable", b""));
    let lines = wire.lines();
    let cancels = lines
        .iter()
        .filter(|line| line.contains(" CANCEL "))
        .count();
    assert_eq!(cancels, 3, "{lines:?}");
    // An answer that crosses is ended: nobody pays for it.
    wire.send(SECOND, &answer(&asked[1], "200 OK", "two"));
    let lines = wire.lines();
    assert!(lines.iter().any(|line| line.contains(" ACK ")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains(" BYE ")), "{lines:?}");
    assert!(matches!(wire.events()[..], [Event::Unwanted { .. }]));
}

#[test]
fn l03_branches_share_the_breadth_of_what_came() {
    let with =
        |line: &str| INVITE.replace("Max-Forwards: 70", &format!("Max-Forwards: 70\n{line}"));
    for (came, sum, values) in [
        (INVITE.to_owned(), 60, ["20", "20", "20"]),
        (with("Max-Breadth: 7"), 7, ["3", "2", "2"]),
        (with("Max-Breadth:  3"), 3, ["1", "1", "1"]),
    ] {
        let (_, asked) = forked(&mut Wire::new(), &came);
        let told: Vec<_> = asked
            .iter()
            .map(|text| header(text, "Max-Breadth"))
            .collect();
        assert_eq!(told, values);
        let total: u32 = told.iter().map(|value| value.parse::<u32>().unwrap()).sum();
        assert_eq!(total, sum);
    }
}

#[test]
fn l03_too_little_breadth_is_440() {
    for value in ["2", "0", "x", "-1"] {
        let mut wire = Wire::new();
        let narrow = INVITE.replace(
            "Max-Forwards: 70",
            &format!("Max-Forwards: 70\nMax-Breadth: {value}"),
        );
        let (call, asked) = forked(&mut wire, &narrow);
        assert!(asked.is_empty());
        assert!(matches!(
            wire.events()[..],
            [Event::Failed { status: 440, .. }]
        ));
        assert_eq!(wire.sg.finish(call), 440);
        assert_eq!(
            wire.lines(),
            [format!("{CALLER} SIP/2.0 440 Max-Breadth Exceeded")]
        );
    }
}
