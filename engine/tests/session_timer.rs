//! Session timers as a proxy may use them, RFC 4028 sections 8 and 10.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, header, in_dialog, target, Wire, CALLER, GATEWAY, INVITE};
use sipguard_engine::event::{Event, Loss};
use sipguard_engine::proxy::session::SessionTimers;

/// At most 1800 s, at least 120.
fn wire() -> Wire {
    let mut wire = Wire::new();
    wire.sg.set_session_timers(SessionTimers {
        expires: 1800,
        min_se: 120,
    });
    wire
}

fn with(message: &str, lines: &str) -> String {
    message.replacen("Content-Length", &format!("{lines}Content-Length"), 1)
}

/// What reaches the gateway, or what the caller is told instead.
fn invited(wire: &mut Wire, lines: &str) -> Result<String, String> {
    wire.send(CALLER, &with(INVITE, lines));
    let Some(Event::Invite { call, .. }) = wire.events().pop() else {
        return Err(wire.sent().pop().unwrap().1);
    };
    wire.sg.forward(call, &target(GATEWAY), Some("1"));
    Ok(wire.sent().pop().unwrap().1)
}

#[test]
fn i05_requests_ask_for_the_interval_that_is_configured() {
    for (lines, expires, min_se) in [
        ("", "1800", ""),
        ("Supported: timer\n", "1800", ""),
        ("Supported: timer\nMin-SE: 3600\n", "3600", "3600"),
        (
            "Supported: timer\nSession-Expires: 600;refresher=uac\n",
            "600;refresher=uac",
            "",
        ),
        (
            "k: timer\nx: 7200;refresher=uas\n",
            "1800;refresher=uas",
            "",
        ),
        (
            "Supported: timer\nSession-Expires: 7200\nMin-SE: 3600\n",
            "3600",
            "3600",
        ),
        // 8.1: who knows no 422 is helped along.
        ("Session-Expires: 90\n", "120", "120"),
        ("Session-Expires: 100\nMin-SE: 300\n", "300", "300"),
    ] {
        let invite = invited(&mut wire(), lines).expect("forwarded");
        assert_eq!(
            (
                header(&invite, "Session-Expires"),
                header(&invite, "Min-SE")
            ),
            (expires, min_se),
            "{lines:?}"
        );
        let fields = invite.matches("ession-Expires:").count() + invite.matches("\r\nx:").count();
        assert_eq!(fields, 1, "{invite}");
    }
}

#[test]
fn i05_an_interval_that_is_too_short_is_refused_with_ours() {
    let refusal =
        invited(&mut wire(), "Supported: timer\nSession-Expires: 90\n").expect_err("too short");
    assert!(refusal.starts_with("SIP/2.0 422 Session Interval Too Small\r\n"));
    assert_eq!(header(&refusal, "Min-SE"), "120");
}

#[test]
fn f01_without_a_setting_session_headers_pass_as_they_came() {
    let invite = invited(
        &mut Wire::new(),
        "Supported: timer\nSession-Expires: 30\nMin-SE: 10\n",
    );
    let invite = invite.expect("forwarded");
    assert_eq!(header(&invite, "Session-Expires"), "30");
    assert_eq!(header(&invite, "Min-SE"), "10");
}

#[test]
fn i05_a_2xx_without_a_timer_gets_one_where_the_caller_keeps_it() {
    for (lines, added) in [("Supported: timer\n", true), ("", false)] {
        let mut wire = wire();
        let invite = invited(&mut wire, lines).expect("forwarded");
        wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
        let [Event::Answered { call, .. }] = wire.events()[..] else {
            panic!()
        };
        wire.sg.release(call);
        wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
        let sent = wire.sent();
        assert_eq!(sent.len(), 2, "and its repetition");
        for (_, ok) in sent {
            let (expires, require) = if added {
                ("1800;refresher=uac", "timer")
            } else {
                ("", "")
            };
            assert_eq!(header(&ok, "Session-Expires"), expires);
            assert_eq!(header(&ok, "Require"), require);
        }
    }
    let mut wire = wire();
    let invite = invited(&mut wire, "Supported: timer\n").expect("forwarded");
    let ok = with(
        &answer(&invite, "200 OK", "gw1"),
        "Session-Expires: 900;refresher=uas\n",
    );
    wire.send(GATEWAY, &ok);
    let [Event::Answered { call, .. }] = wire.events()[..] else {
        panic!()
    };
    wire.sg.release(call);
    let passed = wire.sent().pop().unwrap().1;
    assert_eq!(header(&passed, "Session-Expires"), "900;refresher=uas");
    assert!(!passed.contains("Require"), "8.2: not ours to change");
}

/// A call whose session expires in 900 seconds.
fn session(wire: &mut Wire) -> u64 {
    let invite = invited(wire, "Supported: timer\n").expect("forwarded");
    let ok = answer(&invite, "200 OK", "gw1");
    wire.send(GATEWAY, &with(&ok, "Session-Expires: 900;refresher=uac\n"));
    let Some(Event::Answered { call, .. }) = wire.events().pop() else {
        panic!()
    };
    wire.sg.release(call);
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "ack"));
    wire.sent();
    call
}

#[test]
fn i06_a_session_that_nobody_refreshes_is_over() {
    let mut wire = wire();
    let call = session(&mut wire);
    let proved = wire.sg.proved(call);
    wire.wait(899_900);
    assert!(wire.events().is_empty());
    wire.wait(200);
    let events = wire.events();
    assert!(
        matches!(
            events[..],
            [Event::Lost { side: None, how: Loss::SessionExpired, proved: at, .. }] if at == proved
        ),
        "{events:?}"
    );
    assert!(wire.sg.hangup(call, "SIP;cause=408"));
    assert_eq!(wire.lines().len(), 2);
}

#[test]
fn i06_each_refresh_begins_the_interval_anew_and_its_2xx_may_end_it() {
    let mut wire = wire();
    let call = session(&mut wire);
    for (cseq, method) in [(2, "UPDATE"), (3, "INVITE"), (4, "UPDATE")] {
        wire.wait(800_000);
        assert!(wire.events().is_empty(), "before {cseq} {method}");
        let refresh = in_dialog(method, cseq, "gw1", &format!("r{cseq}"));
        wire.send(CALLER, &with(&refresh, "Supported: timer\n"));
        let (_, refresh) = wire.sent().pop().unwrap();
        assert_eq!(header(&refresh, "Session-Expires"), "1800", "8.1 again");
        let ok = answer(&refresh, "200 OK", "");
        wire.send(GATEWAY, &with(&ok, "Session-Expires: 900;refresher=uac\n"));
        assert_eq!(wire.sg.proved(call), wire.now);
        wire.send(CALLER, &in_dialog("ACK", cseq, "gw1", &format!("a{cseq}")));
        wire.sent();
    }
    // A refresh by an end that keeps no timer, answered without one: there is none any more (8.2).
    wire.send(CALLER, &in_dialog("UPDATE", 5, "gw1", "r5"));
    let (_, refresh) = wire.sent().pop().unwrap();
    wire.send(GATEWAY, &answer(&refresh, "200 OK", ""));
    wire.wait(2_000_000);
    let lost = wire.events().into_iter();
    assert_eq!(
        lost.filter(|event| matches!(event, Event::Lost { .. }))
            .count(),
        0
    );
}
