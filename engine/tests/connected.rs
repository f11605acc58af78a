//! Who answers, and what both ends say of themselves later: identities and privacy in answers and in requests inside
//! a dialog (RFC 3325, RFC 5876, RFC 3323, RFC 7044).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{
    answer, from_gateway, header, in_dialog, target, Wire, CALLER, GATEWAY, INVITE, SECOND,
};
use sipguard_engine::event::Event;
use sipguard_engine::proxy::command::Target;

/// By which an end could be told, in spellings that peers use.
const TELLS: [&str; 7] = [
    "P-Asserted-Identity: <sip:+4420@x>",
    "p-asserted-identity \t:\n <tel:+4420>",
    "P-Preferred-Identity: <sip:+4420@x>",
    "REMOTE-PARTY-ID: \"A\" <sip:+4420@x>;party=called;privacy=off",
    "Diversion: <sip:+4420@x>;reason=unconditional",
    "History-Info: <sip:+4420@x>;index=1",
    "P-Charge-Info: <sip:+4420@x>",
];

fn trusting(peer: &str, trusted: bool) -> Target {
    Target {
        trusted,
        ..target(peer)
    }
}

/// A call that was sent to a gateway: its id, and the INVITE as it left.
fn asked(wire: &mut Wire, message: &str, gateway: &Target, trusted: bool) -> (u64, String) {
    wire.send(CALLER, message);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("refused: {:?}", wire.lines())
    };
    assert!(wire
        .sg
        .forward_for(call, gateway, Some("880"), trusted, None));
    (call, wire.sent().pop().unwrap().1)
}

/// Behind the other header fields.
fn with(message: &str, lines: &str) -> String {
    message.replacen("Content-Length", &format!("{lines}\nContent-Length"), 1)
}

/// What arrived at a peer last.
fn last(wire: &mut Wire, peer: &str) -> String {
    let sent = wire.sent();
    let found = sent
        .into_iter()
        .rev()
        .find(|(to, _)| to.to_string() == peer);
    found.expect("sent").1
}

/// A call that is up, of ends that are trusted or not; the lines stand in its 200.
fn up(wire: &mut Wire, gateway: bool, caller: bool, lines: &str) -> (u64, String) {
    let (call, left) = asked(wire, INVITE, &trusting(GATEWAY, gateway), caller);
    wire.send(GATEWAY, &with(&answer(&left, "200 OK", "gw1"), lines));
    assert!(matches!(wire.events()[..], [Event::Answered { .. }]));
    assert!(wire.sg.release(call));
    let ok = last(wire, CALLER);
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "ack"));
    assert!(last(wire, GATEWAY).starts_with("ACK "));
    (call, ok)
}

#[test]
fn i04_identities_in_answers_pass_from_trusted_gateways_only() {
    for trusted in [true, false] {
        for line in TELLS {
            let mut wire = Wire::new();
            let (call, left) = asked(&mut wire, INVITE, &trusting(GATEWAY, trusted), false);
            for status in ["183 Session Progress", "486 Busy Here"] {
                wire.send(GATEWAY, &with(&answer(&left, status, "gw1"), line));
                if status.starts_with('4') {
                    wire.events();
                    wire.sg.finish(call);
                }
                let heard = last(&mut wire, CALLER);
                assert!(heard.starts_with(&format!("SIP/2.0 {status}")), "{heard}");
                assert_eq!(heard.contains("+4420"), trusted, "{heard}");
            }
            let (_, ok) = up(&mut Wire::new(), trusted, false, line);
            assert_eq!(ok.contains("+4420"), trusted, "{ok}");
        }
    }
}

#[test]
fn i04_a_relay_that_judges_nothing_passes_all() {
    let mut wire = Wire::new();
    wire.send(CALLER, INVITE);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("refused: {:?}", wire.lines())
    };
    assert!(wire.sg.forward(call, &target(GATEWAY), None));
    let left = wire.sent().pop().unwrap().1;
    for line in TELLS {
        let line = format!("{line}\nPrivacy: id");
        wire.send(GATEWAY, &with(&answer(&left, "180 Ringing", "gw1"), &line));
        assert!(last(&mut wire, CALLER).contains("+4420"), "{line}");
    }
}

#[test]
fn i04_each_gateway_is_believed_for_itself() {
    let mut wire = Wire::new();
    let (call, first) = asked(&mut wire, INVITE, &trusting(GATEWAY, true), false);
    wire.send(
        GATEWAY,
        &with(&answer(&first, "183 Session Progress", "gw1"), TELLS[0]),
    );
    assert!(last(&mut wire, CALLER).contains("+4420"));
    wire.send(GATEWAY, &answer(&first, "503 Service Unavailable", "gw1"));
    wire.events();
    assert!(wire
        .sg
        .forward_for(call, &trusting(SECOND, false), Some("880"), false, None));
    let second = last(&mut wire, SECOND);
    wire.send(
        SECOND,
        &with(&answer(&second, "183 Session Progress", "gw2"), TELLS[0]),
    );
    assert!(!last(&mut wire, CALLER).contains("+4420"));
    // Each early dialog remembers whose it is.
    for (tag, believed) in [("gw1", true), ("gw2", false)] {
        let update = from_gateway("UPDATE", 1)
            .replace("gw1", tag)
            .replace("gwUPDATE", tag);
        wire.send(GATEWAY, &with(&update, TELLS[0]));
        assert_eq!(last(&mut wire, CALLER).contains("+4420"), believed, "{tag}");
    }
}

#[test]
fn i04_privacy_in_an_answer_hides_who_answers_from_callers_that_are_not_trusted() {
    let names = ["+4420", "198.51.100.1", "Maker", "elsewhere"];
    for privacy in ["id", "USER ; critical", "header"] {
        let lines = format!(
            "{}\nPrivacy: {privacy}\nServer: Maker 1\ns: Maker\nWarning: 399 elsewhere \"x\"\n\
             Call-Info: <http://elsewhere>\nOrganization: Maker\nReply-To: <sip:elsewhere>",
            TELLS[0]
        );
        let (_, ok) = up(&mut Wire::new(), true, true, &lines);
        for name in names {
            assert!(ok.contains(name), "the caller is trusted\n{ok}");
        }
        let mut wire = Wire::new();
        let (call, ok) = up(&mut wire, true, false, &lines);
        for name in names {
            assert!(!ok.contains(name), "{name} in\n{ok}");
        }
        assert_eq!(header(&ok, "Privacy"), privacy, "who hears it has to know");
        // The dialog goes on behind it, and nobody hears of the other.
        let ours = header(&ok, "Contact").trim_matches(['<', '>']).to_owned();
        let bye = in_dialog("BYE", 2, "gw1", "bye").replace("sip:gw@198.51.100.1:5060", &ours);
        wire.send(CALLER, &bye);
        wire.events();
        assert!(wire.sg.release(call));
        let bye = last(&mut wire, GATEWAY);
        assert!(bye.starts_with("BYE sip:gw@198.51.100.1:5060 "), "{bye}");
        wire.send(GATEWAY, &with(&answer(&bye, "200 OK", ""), "Server: Maker"));
        let ok = last(&mut wire, CALLER);
        assert_eq!(
            header(&ok, "Via").split(';').nth(1),
            Some("branch=z9hG4bKbye")
        );
        for name in names {
            assert!(!ok.contains(name), "{name} in\n{ok}");
        }
    }
}

#[test]
fn i04_privacy_that_was_asked_for_once_holds_in_the_whole_dialog_and_over_a_restart() {
    let mut wire = Wire::new();
    let (call, left) = asked(&mut wire, INVITE, &trusting(GATEWAY, true), false);
    wire.send(
        GATEWAY,
        &with(&answer(&left, "180 Ringing", "gw1"), "Privacy: id"),
    );
    assert!(!last(&mut wire, CALLER).contains("198.51.100.1"));
    wire.send(GATEWAY, &with(&answer(&left, "200 OK", "gw1"), TELLS[0]));
    let events = wire.events();
    let [Event::Answered { dialog, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert!(wire.sg.release(call));
    let ok = last(&mut wire, CALLER);
    assert!(
        !ok.contains("+4420") && !ok.contains("198.51.100.1"),
        "{ok}"
    );
    let mut after = Wire::new();
    assert!(after.sg.restore(call, dialog));
    for wire in [&mut wire, &mut after] {
        wire.send(GATEWAY, &with(&from_gateway("UPDATE", 1), TELLS[0]));
        let update = last(wire, CALLER);
        assert!(update.starts_with("UPDATE "), "{update}");
        assert!(
            !update.contains("+4420") && !update.contains("198.51.100.1"),
            "{update}"
        );
    }
}

#[test]
fn i04_requests_inside_a_dialog_tell_what_their_sender_is_believed() {
    for believed in [true, false] {
        for line in TELLS {
            let mut wire = Wire::new();
            let (_, _) = up(&mut wire, believed, !believed, "X-Odd: 1");
            wire.send(GATEWAY, &with(&from_gateway("UPDATE", 1), line));
            let update = last(&mut wire, CALLER);
            assert_eq!(update.contains("+4420"), believed, "{update}");
            // What the caller answers is its own word.
            wire.send(CALLER, &with(&answer(&update, "200 OK", ""), line));
            let ok = last(&mut wire, GATEWAY);
            assert_eq!(ok.contains("+4420"), !believed, "{ok}");

            wire.send(CALLER, &with(&in_dialog("INVITE", 2, "gw1", "re"), line));
            let again = last(&mut wire, GATEWAY);
            assert_eq!(again.contains("+4420"), !believed, "{again}");
            wire.send(GATEWAY, &with(&answer(&again, "200 OK", ""), line));
            let ok = last(&mut wire, CALLER);
            assert_eq!(ok.contains("+4420"), believed, "{ok}");
            wire.send(CALLER, &with(&in_dialog("ACK", 2, "gw1", "reack"), line));
            let ack = last(&mut wire, GATEWAY);
            assert_eq!(ack.contains("+4420"), !believed, "{ack}");
        }
    }
}

#[test]
fn i04_trust_of_both_ends_outlives_a_restart() {
    for (gateway, caller) in [(true, false), (false, true)] {
        let mut wire = Wire::new();
        let (call, left) = asked(&mut wire, INVITE, &trusting(GATEWAY, gateway), caller);
        wire.send(GATEWAY, &answer(&left, "200 OK", "gw1"));
        let events = wire.events();
        let [Event::Answered { dialog, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        let mut after = Wire::new();
        assert!(after.sg.restore(call, dialog));
        after.send(GATEWAY, &with(&from_gateway("UPDATE", 1), TELLS[0]));
        assert_eq!(last(&mut after, CALLER).contains("+4420"), gateway);
        after.send(
            CALLER,
            &with(&in_dialog("UPDATE", 9, "gw1", "up"), TELLS[0]),
        );
        assert_eq!(last(&mut after, GATEWAY).contains("+4420"), caller);
        // The 2xx that was lost with the process, and comes again.
        let mut after = Wire::new();
        assert!(after.sg.restore(call, dialog));
        after.send(GATEWAY, &with(&answer(&left, "200 OK", "gw1"), TELLS[0]));
        let ok = last(&mut after, CALLER);
        assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
        assert_eq!(ok.contains("+4420"), gateway, "{ok}");
    }
}

#[test]
fn i04_privacy_inside_a_dialog_hides_its_sender_from_then_on() {
    let lines = format!("{}\nPrivacy: id\nUser-Agent: Maker", TELLS[0]);
    let mut wire = Wire::new();
    up(&mut wire, true, true, "X-Odd: 1");
    // Both ends are trusted: they are told all the same.
    wire.send(GATEWAY, &with(&from_gateway("UPDATE", 1), &lines));
    assert!(last(&mut wire, CALLER).contains("+4420"));

    let mut wire = Wire::new();
    up(&mut wire, true, false, "X-Odd: 1");
    let update = with(
        &from_gateway("UPDATE", 1),
        "Contact: <sip:new@198.51.100.1:5062>",
    );
    wire.send(GATEWAY, &with(&update, &lines));
    assert!(
        matches!(wire.events()[..], [Event::Changed { .. }]),
        "kept for a restart"
    );
    let update = last(&mut wire, CALLER);
    for name in ["+4420", "Maker", "198.51.100.1"] {
        assert!(!update.contains(name), "{name} in\n{update}");
    }
    wire.send(CALLER, &answer(&update, "200 OK", ""));
    let ok = last(&mut wire, GATEWAY);
    assert!(header(&ok, "Via").contains("z9hG4bKgwUPDATE1"), "{ok}");
    wire.send(CALLER, &in_dialog("INVITE", 2, "gw1", "re"));
    let again = last(&mut wire, "198.51.100.1:5062");
    assert!(
        again.starts_with("INVITE sip:new@198.51.100.1:5062 "),
        "{again}"
    );
    wire.send(GATEWAY, &with(&answer(&again, "200 OK", ""), TELLS[0]));
    let ok = last(&mut wire, CALLER);
    for name in ["+4420", "198.51.100.1"] {
        assert!(!ok.contains(name), "{name} in\n{ok}");
    }
    assert!(header(&ok, "Via").contains("z9hG4bKre"), "{ok}");

    // The answer to a request that went before anybody asked.
    let mut wire = Wire::new();
    up(&mut wire, true, false, "X-Odd: 1");
    wire.send(CALLER, &in_dialog("INVITE", 2, "gw1", "re"));
    let again = last(&mut wire, GATEWAY);
    assert!(again.contains("192.0.2.10"), "not hidden yet");
    wire.send(GATEWAY, &with(&answer(&again, "200 OK", ""), &lines));
    let ok = last(&mut wire, CALLER);
    for name in ["+4420", "Maker", "198.51.100.1"] {
        assert!(!ok.contains(name), "{name} in\n{ok}");
    }
    assert!(header(&ok, "Via").contains("z9hG4bKre"), "{ok}");
}

#[test]
fn i04_a_history_that_is_to_be_hidden_stays_behind_in_answers() {
    for (privacy, passes) in [("history", false), ("none", true), ("critical", true)] {
        let lines = format!("{}\nPrivacy: {privacy}", TELLS[5]);
        let (_, ok) = up(&mut Wire::new(), true, false, &lines);
        assert_eq!(ok.contains("History-Info"), passes, "{ok}");
        assert!(ok.contains("198.51.100.1"), "that alone hides nobody");
        let (_, ok) = up(&mut Wire::new(), true, true, &lines);
        assert!(ok.contains("History-Info"), "{ok}");
    }
}

#[test]
fn b04_a_third_assertion_of_a_trusted_gateway_stays_behind() {
    let lines = "P-Asserted-Identity: <sip:1@h>, <sip:2@h>\nP-Asserted-Identity: <tel:+3>";
    let mut wire = Wire::new();
    let (_, ok) = up(&mut wire, true, false, lines);
    wire.send(GATEWAY, &with(&from_gateway("UPDATE", 1), lines));
    for message in [ok, last(&mut wire, CALLER)] {
        assert!(
            message.contains("<sip:1@h>") && message.contains("<tel:+3>"),
            "{message}"
        );
        assert!(!message.contains("<sip:2@h>"), "{message}");
    }
}

#[test]
fn i04_a_name_that_changes_inside_a_dialog_is_that_of_the_invite_unless_it_is_believed() {
    let new = "\"Police\" <sip:+1911@x>";
    for believed in [true, false] {
        let mut wire = Wire::new();
        up(&mut wire, believed, believed, "X-Odd: 1");
        let renamed = |text: String, from: &str| {
            text.replace(&format!("From: {from}"), &format!("From: {new}"))
        };
        // RFC 4916, of the caller.
        let update = renamed(
            in_dialog("UPDATE", 2, "gw1", "up"),
            "\"A\" <sip:a@192.0.2.10>",
        );
        wire.send(CALLER, &update);
        let saved = wire.events();
        let update = last(&mut wire, GATEWAY);
        let from = if believed {
            new
        } else {
            "\"A\" <sip:a@192.0.2.10>"
        };
        assert_eq!(header(&update, "From"), format!("{from};tag=caller"));
        wire.send(GATEWAY, &answer(&update, "200 OK", ""));
        let ok = last(&mut wire, CALLER);
        assert_eq!(header(&ok, "From"), format!("{new};tag=caller"), "8.2.6.2");
        // And of who answered.
        let update = renamed(from_gateway("UPDATE", 1), "<sip:b@203.0.113.5>");
        wire.send(GATEWAY, &update);
        let update = last(&mut wire, CALLER);
        let from = if believed { new } else { "<sip:b@203.0.113.5>" };
        assert_eq!(header(&update, "From"), format!("{from};tag=gw1"));
        wire.send(CALLER, &answer(&update, "200 OK", ""));
        let ok = last(&mut wire, GATEWAY);
        assert_eq!(header(&ok, "From"), format!("{new};tag=gw1"), "8.2.6.2");
        let saved = saved.into_iter().rev().find_map(|event| match event {
            Event::Changed { call, dialog, .. } => Some((call, dialog)),
            _ => None,
        });
        assert_eq!(saved.is_some(), !believed);
        if let Some((call, dialog)) = saved {
            let mut after = Wire::new();
            assert!(after.sg.restore(call, &dialog));
            after.send(
                CALLER,
                &renamed(
                    in_dialog("UPDATE", 9, "gw1", "up"),
                    "\"A\" <sip:a@192.0.2.10>",
                ),
            );
            let update = last(&mut after, GATEWAY);
            assert_eq!(
                header(&update, "From"),
                "\"A\" <sip:a@192.0.2.10>;tag=caller"
            );
        }
    }
}

#[test]
fn i04_an_answer_names_who_was_called_unless_it_is_believed() {
    let renamed =
        |text: String| text.replace("To: <sip:b@203.0.113.5>", "To: \"Police\" <sip:+1911@x>");
    let called = "<sip:b@203.0.113.5>;tag=gw1";
    for believed in [true, false] {
        let mut wire = Wire::new();
        let (call, left) = asked(&mut wire, INVITE, &trusting(GATEWAY, believed), false);
        for status in ["180 Ringing", "200 OK", "200 OK"] {
            wire.send(GATEWAY, &renamed(answer(&left, status, "gw1")));
            wire.sg.release(call);
            let heard = last(&mut wire, CALLER);
            assert_eq!(header(&heard, "To") == called, !believed, "{heard}");
        }
        wire.events();
        // A BYE of ours speaks for who was called.
        assert!(wire.sg.hangup(call, ""));
        let bye = last(&mut wire, CALLER);
        assert_eq!(header(&bye, "From") == called, !believed, "{bye}");

        let mut wire = Wire::new();
        up(&mut wire, believed, false, "X-Odd: 1");
        wire.send(CALLER, &in_dialog("INVITE", 2, "gw1", "re"));
        let again = last(&mut wire, GATEWAY);
        wire.send(GATEWAY, &renamed(answer(&again, "200 OK", "")));
        let ok = last(&mut wire, CALLER);
        assert_eq!(header(&ok, "To") == called, !believed, "{ok}");
    }
}
