//! A tap on the wire: what it copies, and for whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, target, Wire, CALLER, GATEWAY, INVITE};
use sipguard_engine::event::Event;
use sipguard_engine::proxy::command::Target;

fn first_lines(wire: &mut Wire) -> Vec<String> {
    let (traced, dropped) = wire.sg.traced();
    assert_eq!(dropped, 0);
    let line = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    traced
        .iter()
        .map(|one| {
            format!(
                "{} {}",
                if one.incoming { "<" } else { ">" },
                line(&one.bytes)
            )
        })
        .collect()
}

#[test]
fn without_a_tap_nothing_is_kept() {
    let mut wire = Wire::new();
    wire.answered();
    assert!(wire.sg.traced().0.is_empty());
}

#[test]
fn a_call_is_traced_from_its_invite_once_it_is_known_whose_it_is() {
    let mut wire = Wire::new();
    wire.sg.trace(1 << 20);
    wire.send(CALLER, &INVITE.replace("one@", "other@"));
    wire.send(CALLER, &INVITE.replace("z9hG4bKinv", "z9hG4bKmine"));
    assert!(wire.sg.traced().0.is_empty(), "nobody has judged it yet");
    let events = wire.events();
    let [_, Event::Invite { call, .. }] = events[..] else {
        panic!("{events:?}")
    };
    wire.sg.trace_call(b"one@192.0.2.10");
    // By the time that it is looked at, the call is over, and the gateway knew it by another Call-ID.
    let hiding = Target {
        hides_topology: true,
        hides_call_id: true,
        ..target(GATEWAY)
    };
    assert!(wire.sg.forward(call, &hiding, Some("880")));
    let invite = wire.sent().pop().unwrap().1;
    wire.send(GATEWAY, &answer(&invite, "486 Busy Here", "gw"));
    wire.events();
    assert_eq!(wire.sg.finish(call), 486);
    assert_eq!(
        first_lines(&mut wire),
        [
            "< INVITE sip:+880-1711-000000@203.0.113.5 SIP/2.0",
            "> SIP/2.0 100 Trying",
            "> INVITE sip:880@198.51.100.1:5060 SIP/2.0",
            "< SIP/2.0 486 Busy Here",
            "> ACK sip:880@198.51.100.1:5060 SIP/2.0",
            "> SIP/2.0 486 Busy Here",
        ]
    );
    wire.sg.trace(0);
    wire.send(CALLER, INVITE);
    assert!(wire.sg.traced().0.is_empty());
}

#[test]
fn a_peer_is_traced_beside_its_calls() {
    let mut wire = Wire::new();
    wire.sg.trace(1 << 20);
    wire.sg
        .trace_peers(vec![("192.0.2.0".parse().unwrap(), 24)], false);
    let options = INVITE.replace("INVITE", "OPTIONS");
    wire.send(CALLER, &options);
    wire.send(GATEWAY, &options.replace("z9hG4bKinv", "z9hG4bKgw"));
    let lines = first_lines(&mut wire);
    assert_eq!(lines.len(), 2, "{lines:?}");
    wire.sg.trace_peers(Vec::new(), true);
    wire.send(GATEWAY, "garbage");
    assert_eq!(first_lines(&mut wire), ["< garbage"], "everything");
}

#[test]
fn what_finds_no_room_is_counted() {
    let mut wire = Wire::new();
    wire.sg.trace(2000);
    wire.sg.trace_peers(Vec::new(), true);
    for number in 0..100 {
        wire.send(
            CALLER,
            &INVITE
                .replace("INVITE", "OPTIONS")
                .replace("inv", &number.to_string()),
        );
    }
    let (traced, dropped) = wire.sg.traced();
    assert_eq!(traced.len() as u64 + dropped, 200);
    assert!(traced.iter().map(|one| one.bytes.len()).sum::<usize>() <= 2000);
    assert_eq!(wire.sg.traced().1, 0, "told once");
    wire.send(
        CALLER,
        &INVITE.replace("INVITE", "OPTIONS").replace("inv", "again"),
    );
    assert_eq!(wire.sg.traced().0.len(), 2, "and there is room again");
}
