//! What is refused, and what goes first, while policy is behind (RFC 5390).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{header, in_dialog, Wire, CALLER, INVITE, MS};
use sipguard_engine::event::Event;
use sipguard_engine::overload::Overload;

const ALLOWED: u64 = 100 * MS;
/// A batch of policy's; see worker.rs.
const TURN: usize = 128;

fn wire() -> Wire {
    let mut wire = Wire::new();
    wire.sg
        .set_overload(Overload::new(ALLOWED, [b"112".to_vec()]));
    wire.sg.ask_registers(true);
    wire
}

fn invite(number: usize) -> String {
    INVITE
        .replace("z9hG4bKinv", &format!("z9hG4bKnew{number}"))
        .replace("one@", &format!("new{number}@"))
}

/// One new call each `every` ms while policy takes none; how many are refused.
fn arrivals(wire: &mut Wire, numbers: std::ops::Range<usize>, every: u64) -> usize {
    let mut refused = 0;
    for number in numbers {
        wire.now += every * MS;
        wire.send(CALLER, &invite(number));
        let lines = wire.lines();
        refused += usize::from(
            lines
                .iter()
                .any(|line| line.ends_with("503 Service Unavailable")),
        );
    }
    refused
}

#[test]
fn o01_o02_new_calls_are_refused_while_policy_is_behind_and_taken_once_it_is_not() {
    let mut wire = wire();
    assert_eq!(arrivals(&mut wire, 0..90, 5), 0);
    // Policy is no faster than they come.
    let mut refused = Vec::new();
    for number in 90..210 {
        refused.push(arrivals(&mut wire, number..number + 1, 5));
        assert_eq!(wire.sg.take_events(1).0.len(), 1);
    }
    let first = refused.iter().position(|refused| *refused == 1).unwrap();
    assert_eq!(
        first, 102,
        "half a second after the first that waited too long"
    );
    assert_eq!(refused[first..], [1; 18]);
    assert!(wire.sg.is_overloaded());
    assert_eq!(wire.sg.counters.shed, 18);
    assert_eq!(wire.sg.sizes().1, 192, "nothing is kept of what is refused");
    wire.send(CALLER, &invite(200));
    let refusal = wire.sent().pop().unwrap().1;
    assert!((1..=5).contains(&header(&refusal, "Retry-After").parse().unwrap()));
    // Policy takes all that waits.
    wire.sg.take_events(TURN);
    assert_eq!(arrivals(&mut wire, 300..364, 1), 0);
    // Once begun it is judged by the delay alone: no second halt is waited for.
    wire.now += ALLOWED;
    assert_eq!(arrivals(&mut wire, 364..374, 1), 10);
    assert_eq!(wire.sg.take_events(TURN).0.len(), 64);
    wire.now += 5_000 * MS;
    assert_eq!(arrivals(&mut wire, 400..464, 1), 0);
    assert!(!wire.sg.is_overloaded());
    wire.now += ALLOWED;
    assert_eq!(arrivals(&mut wire, 464..474, 1), 0, "as at first");
}

#[test]
fn o02_a_single_halt_of_policy_refuses_nobody() {
    let mut wire = wire();
    arrivals(&mut wire, 0..64, 1);
    wire.now += ALLOWED;
    assert_eq!(arrivals(&mut wire, 64..94, 10), 0);
    assert_eq!(wire.sg.take_events(TURN).0.len(), 94);
}

#[test]
fn o02_a_delay_far_above_what_is_allowed_need_not_last() {
    let mut wire = wire();
    arrivals(&mut wire, 0..64, 1);
    wire.now += 5 * ALLOWED;
    assert_eq!(arrivals(&mut wire, 64..65, 1), 1);
}

#[test]
fn o02_a_few_calls_are_no_crowd_however_long_they_wait() {
    let mut wire = wire();
    assert_eq!(arrivals(&mut wire, 0..63, 200), 0);
}

#[test]
fn o02_the_repeat_of_a_refused_call_is_refused_though_there_is_room_again() {
    let mut wire = wire();
    arrivals(&mut wire, 0..64, 1);
    wire.now += 5 * ALLOWED;
    assert_eq!(arrivals(&mut wire, 64..65, 1), 1);
    wire.sg.take_events(TURN);
    assert_eq!(arrivals(&mut wire, 64..65, 1), 1);
    assert_eq!(arrivals(&mut wire, 65..66, 1), 0);
}

#[test]
fn o02_a_registration_is_a_new_request_too() {
    let mut wire = wire();
    arrivals(&mut wire, 0..64, 1);
    wire.now += 5 * ALLOWED;
    let register = invite(70).replace("INVITE", "REGISTER");
    wire.send(CALLER, &register);
    assert!(wire.sent()[0].1.starts_with("SIP/2.0 503 "));
}

#[test]
fn o03_calls_that_are_up_go_before_new_ones_and_are_never_refused() {
    let mut wire = wire();
    wire.answered();
    arrivals(&mut wire, 0..64, 1);
    wire.now += 5 * ALLOWED;
    assert_eq!(arrivals(&mut wire, 64..65, 1), 1);
    wire.send(CALLER, &in_dialog("INFO", 2, "gw1", "info"));
    assert!(wire.sent()[0].1.starts_with("INFO "));
    wire.send(CALLER, &in_dialog("BYE", 3, "gw1", "bye"));
    let (events, more) = wire.sg.take_events(1);
    assert!(matches!(events[0], Event::Ended { .. }));
    assert!(more);
}

#[test]
fn i12_emergency_calls_go_first_but_no_flood_of_them() {
    let mut wire = wire();
    arrivals(&mut wire, 0..64, 1);
    wire.now += 5 * ALLOWED;
    assert_eq!(arrivals(&mut wire, 64..65, 1), 1);
    let emergency = |number| invite(number).replace("+880-1711-000000", "1-1%32;phone-context=x");
    wire.send(CALLER, &emergency(100));
    assert!(wire.sent().is_empty(), "not refused");
    let Some(Event::Invite { message, .. }) = wire.sg.next_event() else {
        panic!("no call");
    };
    let uri = message.index.request_uri().of(&message.bytes).to_vec();
    assert!(uri.starts_with(b"sip:1-1%32"));
    // 100 a second, and as many at once.
    for number in 101..400 {
        wire.send(CALLER, &emergency(number));
    }
    assert_eq!(wire.sent().len(), 299 - 99);
}

#[test]
fn o02_without_a_limit_everything_waits() {
    let mut wire = Wire::new();
    assert_eq!(arrivals(&mut wire, 0..200, 100), 0);
}

#[test]
fn o02_what_policy_needs_for_those_that_wait_counts_and_not_only_how_long_they_have() {
    let mut wire = wire();
    // 100 calls in a millisecond, of which policy takes 10 every 10 ms.
    for number in 0..100 {
        wire.send(CALLER, &invite(number));
    }
    for _ in 0..3 {
        wire.sg.take_events(10);
        wire.now += 10 * MS;
        wire.sg.advance(wire.now);
    }
    wire.sent();
    // So 570 would take 570 ms, of which 30 are over.
    let refused: Vec<_> = (100..1000)
        .map(|number| arrivals(&mut wire, number..number + 1, 0))
        .collect();
    let taken = refused.iter().position(|refused| *refused == 1).unwrap();
    assert_eq!(taken, 430);
    // From then on no more than 100 ms.
    let mut waiting = 500;
    while waiting > 0 {
        wire.now += 10 * MS;
        wire.sg.advance(wire.now);
        waiting -= wire.sg.take_events(10).0.len();
        let refused = arrivals(&mut wire, 2000 + waiting..2001 + waiting, 0);
        assert_eq!(refused, usize::from(waiting >= 100), "{waiting} wait");
        if refused == 0 {
            break;
        }
    }
}

#[test]
fn o02_in_a_flood_new_calls_go_unread_and_nothing_else_does() {
    let mut wire = wire();
    wire.answered();
    wire.sg.set_flooded(true);
    assert_eq!(arrivals(&mut wire, 0..64, 1), 0, "policy is not behind");
    assert_eq!(wire.sg.sizes().1, 65);
    wire.now += 5 * ALLOWED;
    assert_eq!(arrivals(&mut wire, 64..65, 1), 1);
    for number in 65..75 {
        wire.send(CALLER, &invite(number));
    }
    assert!(wire.lines().is_empty());
    assert_eq!(wire.sg.counters.shed, 11);
    let emergency = invite(100).replace("+880-1711-000000", "112");
    wire.send(CALLER, &emergency);
    assert!(matches!(wire.sg.next_event(), Some(Event::Invite { .. })));
    wire.send(CALLER, &in_dialog("INVITE", 2, "gw1", "again"));
    let lines = wire.lines();
    assert!(
        lines.iter().any(|line| line.contains(" INVITE sip:gw@")),
        "{lines:?}"
    );
    wire.sg.set_flooded(false);
    assert_eq!(arrivals(&mut wire, 200..201, 1), 1);
}
