//! Calls whose ends vanish: OPTIONS inside the dialog, ACKs that never come, and the CSeq numbers of those that
//! we have spoken for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, from_gateway, header, in_dialog, Wire, CALLER, GATEWAY, MS};
use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::{Event, Loss, Side};
use sipguard_engine::proxy::ping::Pings;
use sipguard_engine::transport::Listener;

const SECOND: u64 = 1000 * MS;

/// Calls are asked after 45 to 75 seconds.
fn wire() -> Wire {
    let mut wire = Wire::new();
    wire.sg.set_pings(Pings::new(60 * SECOND, 100, 30 * SECOND));
    wire
}

/// Wait until both ends are asked: the OPTIONS to the caller, and that to the gateway.
fn asked(wire: &mut Wire) -> (String, String) {
    for _ in 0..900 {
        wire.wait(100);
        let sent = wire.sent();
        if !sent.is_empty() {
            let to = |peer: &str| {
                let mut found = sent.iter().filter(|(to, _)| to.to_string() == peer);
                found.next().expect("asked").1.clone()
            };
            assert_eq!(sent.len(), 2, "{sent:?}");
            return (to(CALLER), to(GATEWAY));
        }
    }
    panic!("nobody was asked")
}

fn lost(wire: &mut Wire) -> Vec<(Option<Side>, Loss, u64)> {
    let events = wire.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::Lost {
                side, how, proved, ..
            } => Some((side, how, proved)),
            _ => None,
        })
        .collect()
}

#[test]
fn both_ends_are_asked_inside_the_dialog_and_answers_prove_them() {
    let mut wire = wire();
    let (call, _) = wire.answered();
    let (to_caller, to_gateway) = asked(&mut wire);
    assert!((45 * SECOND..76 * SECOND).contains(&wire.now));
    assert!(to_gateway.starts_with("OPTIONS sip:gw@198.51.100.1:5060 SIP/2.0\r\n"));
    assert!(to_caller.starts_with("OPTIONS sip:a@192.0.2.10:5060 SIP/2.0\r\n"));
    assert_eq!(header(&to_gateway, "CSeq"), "2 OPTIONS");
    assert_eq!(header(&to_caller, "CSeq"), "1 OPTIONS");
    assert!(header(&to_gateway, "From").ends_with(";tag=caller"));
    assert!(header(&to_gateway, "To").ends_with(";tag=gw1"));
    assert!(header(&to_caller, "From").ends_with(";tag=gw1"));
    let (first, at) = (wire.sg.proved(call), wire.now);
    wire.send(GATEWAY, &answer(&to_gateway, "200 OK", ""));
    assert_eq!(wire.sg.proved(call), first, "the caller has not answered");
    wire.send(CALLER, &answer(&to_caller, "405 Method Not Allowed", ""));
    assert_eq!(wire.sg.proved(call), at, "who knows the dialog is there");
    assert!(lost(&mut wire).is_empty() && wire.lines().is_empty());
    asked(&mut wire);
}

#[test]
fn an_end_that_does_not_know_the_dialog_ends_the_call() {
    for (status, code) in [("481 No Such Call", 481), ("408 Timeout", 408)] {
        let mut wire = wire();
        let (call, _) = wire.answered();
        let proved = wire.sg.proved(call);
        let (_, to_gateway) = asked(&mut wire);
        wire.send(GATEWAY, &answer(&to_gateway, status, ""));
        assert_eq!(
            lost(&mut wire),
            [(Some(Side::Callee), Loss::Refused(code), proved)]
        );
        assert!(wire.sg.hangup(call, "SIP;cause=481"));
        let byes = wire.sent();
        let numbers: Vec<_> = byes.iter().map(|(_, bye)| header(bye, "CSeq")).collect();
        assert_eq!(numbers, ["3 BYE", "2 BYE"], "behind the OPTIONS");
    }
}

#[test]
fn an_end_that_says_nothing_in_64_t1_ends_the_call() {
    let mut wire = wire();
    let (_, _) = wire.answered();
    let (_, to_gateway) = asked(&mut wire);
    wire.send(GATEWAY, &answer(&to_gateway, "200 OK", ""));
    wire.wait(31_900);
    assert!(lost(&mut wire).is_empty());
    wire.wait(1_000);
    let found = lost(&mut wire);
    assert!(
        matches!(found[..], [(Some(Side::Caller), Loss::Silent, _)]),
        "{found:?}"
    );
}

#[test]
fn answers_that_a_stopped_process_finds_waiting_count() {
    let mut wire = wire();
    wire.answered();
    let (to_caller, to_gateway) = asked(&mut wire);
    wire.now += 40 * SECOND;
    wire.sg.advance(wire.now);
    wire.send(GATEWAY, &answer(&to_gateway, "200 OK", ""));
    wire.send(CALLER, &answer(&to_caller, "200 OK", ""));
    wire.wait(5_000);
    assert!(lost(&mut wire).is_empty());
}

#[test]
fn no_more_calls_are_asked_at_once_than_is_allowed() {
    let mut wire = Wire::new();
    wire.sg.set_pings(Pings::new(20 * SECOND, 2, 0));
    for number in 0..40 {
        let call_id = format!("call{number}@192.0.2.10");
        let other = |text: String| text.replace("one@192.0.2.10", &call_id);
        wire.send(
            CALLER,
            &other(between::INVITE.replace("z9hG4bKinv", &format!("z9hG4bK{number}"))),
        );
        let [Event::Invite { call, .. }] = wire.events()[..] else {
            panic!()
        };
        wire.sg.forward(call, &between::target(GATEWAY), Some("1"));
        let invite = wire.sent().pop().unwrap().1;
        wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
        wire.events();
        wire.sg.release(call);
        let ack = in_dialog("ACK", 1, "gw1", &format!("ack{number}"));
        wire.send(CALLER, &other(ack));
        wire.sent();
    }
    let mut asked = std::collections::HashMap::new();
    while wire.now < 44 * SECOND {
        wire.wait(1000);
        let sent = wire.sent();
        let new = sent.iter().filter(|(to, _)| to.to_string() == GATEWAY);
        let new = new.filter(|(_, text)| {
            asked
                .insert(header(text, "Call-ID").to_owned(), ())
                .is_none()
        });
        assert!(new.count() <= 3, "two a second, and one on the edge");
        for (to, text) in &sent {
            if text.starts_with("OPTIONS") {
                wire.send(&to.to_string(), &answer(text, "200 OK", ""));
            }
        }
    }
    assert_eq!(asked.len(), 40, "and all of them");
}

#[test]
fn ends_that_have_just_shown_themselves_are_not_asked() {
    let mut wire = wire();
    wire.answered();
    for cseq in 2..12 {
        wire.wait(20_000);
        wire.send(
            CALLER,
            &in_dialog("UPDATE", cseq, "gw1", &format!("u{cseq}")),
        );
        let (_, update) = wire.sent().pop().expect("relayed");
        assert!(update.starts_with("UPDATE"), "no OPTIONS between");
        wire.send(GATEWAY, &answer(&update, "200 OK", ""));
        assert_eq!(wire.lines().len(), 1);
    }
}

#[test]
fn requests_after_ours_go_on_with_higher_numbers_and_their_answers_with_the_old_ones() {
    let mut wire = wire();
    let (call, _) = wire.answered();
    let (to_caller, to_gateway) = asked(&mut wire);
    wire.send(GATEWAY, &answer(&to_gateway, "200 OK", ""));
    wire.send(CALLER, &answer(&to_caller, "200 OK", ""));

    wire.send(CALLER, &in_dialog("INVITE", 2, "gw1", "re"));
    let sent = wire.sent();
    let again = &sent[1].1;
    assert_eq!(header(again, "CSeq"), "3 INVITE");
    wire.send(GATEWAY, &answer(again, "183 Session Progress", ""));
    let early = wire.sent();
    assert_eq!(header(&early[0].1, "CSeq"), "2 INVITE");
    let prack = in_dialog("PRACK", 3, "gw1", "prack")
        .replace("Content-Length", "RAck: 776656 2 INVITE\nContent-Length");
    wire.send(CALLER, &prack);
    let (_, prack) = wire.sent().pop().unwrap();
    assert_eq!(header(&prack, "CSeq"), "4 PRACK");
    assert_eq!(header(&prack, "RAck"), "776656 3 INVITE", "RFC 3262 7.2");
    wire.send(GATEWAY, &answer(&prack, "200 OK", ""));
    assert_eq!(header(&wire.sent()[0].1, "CSeq"), "3 PRACK");

    for _ in 0..2 {
        wire.send(GATEWAY, &answer(again, "200 OK", ""));
        assert_eq!(
            header(&wire.sent()[0].1, "CSeq"),
            "2 INVITE",
            "repeated too"
        );
    }
    wire.send(CALLER, &in_dialog("ACK", 2, "gw1", "reack"));
    assert_eq!(header(&wire.sent()[0].1, "CSeq"), "3 ACK");

    wire.send(GATEWAY, &from_gateway("INFO", 77));
    let (_, info) = wire.sent().pop().unwrap();
    assert_eq!(
        header(&info, "CSeq"),
        "79 INFO",
        "behind the OPTIONS with 1"
    );
    wire.send(CALLER, &answer(&info, "200 OK", ""));
    assert_eq!(header(&wire.sent()[0].1, "CSeq"), "77 INFO");

    wire.send(CALLER, &in_dialog("BYE", 4, "gw1", "bye"));
    wire.sg.release(call);
    let (_, bye) = wire.sent().pop().unwrap();
    assert_eq!(header(&bye, "CSeq"), "5 BYE");
}

#[test]
fn a_refused_reinvite_with_a_new_number_is_acknowledged_and_cancelled_with_it() {
    let mut wire = wire();
    wire.answered();
    let (to_caller, to_gateway) = asked(&mut wire);
    wire.send(GATEWAY, &answer(&to_gateway, "200 OK", ""));
    wire.send(CALLER, &answer(&to_caller, "200 OK", ""));
    wire.send(CALLER, &in_dialog("INVITE", 2, "gw1", "re"));
    let again = wire.sent().pop().unwrap().1;
    wire.send(GATEWAY, &answer(&again, "180 Ringing", ""));
    wire.sent();
    wire.send(CALLER, &in_dialog("CANCEL", 2, "gw1", "re"));
    let sent = wire.sent();
    let cancel = sent.iter().find(|(_, text)| text.starts_with("CANCEL"));
    assert_eq!(header(&cancel.expect("passed on").1, "CSeq"), "3 CANCEL");
    wire.send(GATEWAY, &answer(&again, "487 Request Terminated", ""));
    let sent = wire.sent();
    assert_eq!(header(&sent[0].1, "CSeq"), "3 ACK");
    assert_eq!(header(&sent[1].1, "CSeq"), "2 INVITE");
}

#[test]
fn a_2xx_whose_ack_never_comes_ends_its_call() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    wire.events();
    wire.sg.release(call);
    wire.wait(31_900);
    assert!(lost(&mut wire).is_empty());
    wire.wait(200);
    assert_eq!(
        lost(&mut wire),
        [(Some(Side::Caller), Loss::NoAck, 0)],
        "13.3.1.4; the caller never showed itself"
    );
    wire.sent();
    assert!(wire.sg.hangup(call, "SIP;cause=408"));
    assert_eq!(wire.lines().len(), 2);
}

#[test]
fn a_fork_that_is_lost_is_ended_alone() {
    let mut wire = wire();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    wire.events();
    wire.sg.release(call);
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw2"));
    let [Event::Changed { ref dialog, .. }] = wire.events()[..] else {
        panic!("the second leg is to be kept")
    };
    let kept = dialog.clone();
    assert!(wire.sg.release_fork(call));
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "ack1"));
    wire.sent();
    wire.wait(32_200);
    let byes = wire.lines();
    assert_eq!(byes.len(), 2, "13.3.1.4 for the second leg: {byes:?}");
    let events = wire.events();
    assert!(
        matches!(events[..], [Event::Changed { .. }]),
        "the call goes on: {events:?}"
    );

    // What was kept before knows both legs after a restart.
    let mut after = Endpoint::new(4, &[1; 32], wire.now);
    after.add_listener(Listener::new("203.0.113.5", 5060));
    assert!(after.restore(call, &kept));
    let mut after = Wire {
        sg: after,
        now: wire.now,
    };
    after.send(CALLER, &in_dialog("BYE", 2, "gw2", "bye2"));
    assert!(after.events().is_empty(), "the other leg is still up");
    assert_eq!(
        after.lines(),
        [format!("{GATEWAY} BYE sip:gw@198.51.100.1:5060 SIP/2.0")]
    );
}

#[test]
fn calls_of_an_earlier_run_are_asked_soon_with_numbers_that_nobody_has_used() {
    let mut before = Wire::new();
    let (call, invite) = before.invite();
    before.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    let [Event::Answered { ref dialog, .. }] = before.events()[..] else {
        panic!()
    };
    let mut last = 0;
    for epoch in [4, 5] {
        let mut sg = Endpoint::new(epoch, &[epoch as u8; 32], 0);
        sg.add_listener(Listener::new("203.0.113.5", 5060));
        sg.set_pings(Pings::new(600 * SECOND, 100, 30 * SECOND));
        assert!(sg.restore(call, dialog));
        let mut wire = Wire { sg, now: 0 };
        let (to_caller, to_gateway) = asked(&mut wire);
        assert!(
            (10 * SECOND..31 * SECOND).contains(&wire.now),
            "{}",
            wire.now
        );
        let number: u32 = header(&to_gateway, "CSeq")
            .trim_end_matches(" OPTIONS")
            .parse()
            .unwrap();
        assert!(number > last + 900, "{number} after {last}");
        last = number;
        assert_eq!(wire.sg.proved(call), 0);
        wire.send(CALLER, &answer(&to_caller, "481 Gone", ""));
        assert_eq!(
            lost(&mut wire),
            [(Some(Side::Caller), Loss::Refused(481), 0)]
        );
    }
}
