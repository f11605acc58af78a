//! Responses and CANCEL: RFC 3261 16.7 to 16.10, RFC 6026, RFC 4320.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, header, in_dialog, target, Wire, CALLER, GATEWAY, INVITE, SECOND};
use sipguard_engine::event::Event;

fn cancel() -> String {
    in_dialog("CANCEL", 1, "x", "inv").replace(";tag=x", "")
}

#[test]
fn s01_only_responses_to_a_branch_of_ours_with_its_method_count() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    let reply = answer(&invite, "200 OK", "gw1");
    for wrong in [
        reply.replace("z9hG4bKsg", "z9hG4bKxx"),
        reply.replacen("branch=z9hG4bKsg", "branch=z9hG4bKsg1", 1),
        reply.replacen("CSeq: 1 INVITE", "CSeq: 1 BYE", 1),
        reply.replacen("CSeq: 1 INVITE", "CSeq: 1 CANCEL", 1),
    ] {
        wire.send(GATEWAY, &wrong);
        assert!(
            wire.events().is_empty() && wire.lines().is_empty(),
            "{wrong}"
        );
    }
}

#[test]
fn s02_a_response_without_a_transaction_is_dropped() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "486 Busy Here", "gw1"));
    wire.events();
    wire.sg.finish(call);
    wire.wait(70_000);
    wire.sent();
    for status in ["180 Ringing", "200 OK", "486 Busy Here"] {
        wire.send(GATEWAY, &answer(&invite, status, "gw1"));
    }
    assert!(wire.events().is_empty() && wire.lines().is_empty());
}

#[test]
fn s04_s12_s15_a_response_passes_without_our_via_and_otherwise_untouched() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    let odd = "X-Odd :  as  it is\nServer: a (b\nX-Odd: 2\nTo: <sip:b@203.0.113.5>;tag=Gw.1";
    let reply = answer(&invite, "183 Session Progress", "")
        .replacen("To: <sip:b@203.0.113.5>", odd, 1)
        .replacen("Content-Length: 0\n\n", "Content-Length: 4\n\nv=0\n", 1);
    wire.send(GATEWAY, &reply);
    let sent = wire.sent().pop().unwrap().1;
    // The body ends where Content-Length says.
    let expected = reply.replace('\r', "").replace('\n', "\r\n");
    let (first, rest) = expected.split_once("\r\n").unwrap();
    let (via, rest) = rest.split_once("\r\n").unwrap();
    assert!(via.starts_with("Via: SIP/2.0/UDP 203.0.113.5:5060;"));
    assert_eq!(sent, format!("{first}\r\n{}", rest.trim_end_matches('\n')));
    assert!(sent.contains(";received=192.0.2.10\r\n"), "T-04, S-15");
}

#[test]
fn s04_a_response_with_no_further_via_goes_nowhere() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    let reply = answer(&invite, "180 Ringing", "gw1");
    let own = reply
        .lines()
        .filter(|line| !line.contains("192.0.2.10:5060;branch"))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    wire.send(GATEWAY, &(own + "\n"));
    assert!(wire.lines().is_empty());
}

#[test]
fn s04_nor_does_it_move_the_transaction() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    let accepted = answer(&invite, "200 OK", "gw1");
    let own = accepted
        .lines()
        .filter(|line| !line.contains("192.0.2.10:5060;branch"))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    wire.send(GATEWAY, &(own + "\n"));
    assert!(wire.events().is_empty());
    wire.send(GATEWAY, &answer(&invite, "486 Busy Here", "gw1"));
    assert!(
        matches!(wire.events()[..], [Event::Failed { status: 486, .. }]),
        "the call does not wait for an answer that nobody can get"
    );
}

#[test]
fn s05_a_redirection_is_neither_followed_nor_shown() {
    for status in [
        "300 Multiple Choices",
        "302 Moved Temporarily",
        "305 Use Proxy",
        "485 Ambiguous",
    ] {
        let mut wire = Wire::new();
        let (call, invite) = wire.invite();
        let reply = answer(&invite, status, "gw1").replacen(
            "Contact: <sip:gw@198.51.100.1:5060>",
            "Contact: <sip:5355550100@198.51.100.66>",
            1,
        );
        wire.send(GATEWAY, &reply);
        let events = wire.events();
        assert!(
            matches!(
                events[..],
                [Event::Failed {
                    status: 300..=399 | 485,
                    ..
                }]
            ),
            "policy decides: {events:?}"
        );
        let lines = wire.lines();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with(&format!("{GATEWAY} ACK ")));
        assert_eq!(wire.sg.finish(call), 480);
        let (to, text) = wire.sent().pop().unwrap();
        assert_eq!(to.to_string(), CALLER);
        assert!(!text.contains("Contact"), "{text}");
    }
}

#[test]
fn s05_nor_inside_a_call() {
    let mut wire = Wire::new();
    wire.answered();
    for (cseq, method) in [(2, "INVITE"), (3, "UPDATE")] {
        wire.send(CALLER, &in_dialog(method, cseq, "gw1", method));
        let asked = wire.sent().pop().unwrap().1;
        wire.send(GATEWAY, &answer(&asked, "302 Moved Temporarily", ""));
        let text = wire.sent().pop().unwrap().1;
        assert!(text.starts_with("SIP/2.0 480 "), "{text}");
        assert!(!text.contains("Contact"), "{text}");
    }
}

#[test]
fn s06_s07_provisional_responses_pass_at_once_but_100() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    for status in [
        "100 Trying",
        "180 Ringing",
        "181 Call Is Being Forwarded",
        "182 Queued",
        "199 Early Dialog Terminated",
    ] {
        wire.send(GATEWAY, &answer(&invite, status, "gw1"));
        let expected: &[String] = if status.starts_with("100") {
            &[]
        } else {
            &[format!("{CALLER} SIP/2.0 {status}")]
        };
        assert_eq!(wire.lines(), expected, "I-10");
    }
}

#[test]
fn s06_after_a_refusal_nothing_more_is_passed_on() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "486 Busy Here", "gw1"));
    wire.events();
    wire.sg.finish(call);
    wire.sent();
    for status in ["180 Ringing", "486 Busy Here", "404 Not Found"] {
        wire.send(GATEWAY, &answer(&invite, status, "gw1"));
    }
    let lines = wire.lines();
    assert_eq!(lines.len(), 2);
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with(&format!("{GATEWAY} ACK "))),
        "X-02: each retransmission is acknowledged: {lines:?}"
    );
}

#[test]
fn s08_s17_a_branch_that_is_given_up_is_cancelled() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.wait(4_200);
    wire.events();
    wire.sg.forward(call, &target(SECOND), Some("880"));
    let second = wire.sent().pop().unwrap().1;
    wire.send(SECOND, &answer(&second, "603 Decline", "gw2"));
    assert!(matches!(
        wire.events()[..],
        [Event::Failed { status: 603, .. }]
    ));
    assert_eq!(wire.sg.finish(call), 603);
    wire.sent();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    let lines = wire.lines();
    assert_eq!(
        lines,
        [format!(
            "{GATEWAY} CANCEL sip:8801711000000@198.51.100.1:5060 SIP/2.0"
        )]
    );
}

#[test]
fn s09_s13_of_two_challenges_one_is_passed_on_whole() {
    // Aggregation is for branches that the caller has at once; ours follow each other, and a second one is
    // only tried where policy does not take the challenge for an answer.
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    let challenge = |request: &str, realm: &str| {
        let lines = format!("Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"1\"\nWWW-Authenticate: Digest realm=\"{realm}\", nonce=\"2\"\nContact:");
        answer(request, "407 Proxy Authentication Required", "gw").replacen("Contact:", &lines, 1)
    };
    wire.send(GATEWAY, &challenge(&invite, "first"));
    wire.events();
    wire.sg.forward(call, &target(SECOND), Some("880"));
    let second = wire.sent().pop().unwrap().1;
    wire.send(SECOND, &challenge(&second, "second"));
    wire.events();
    wire.sent();
    assert_eq!(wire.sg.finish(call), 407);
    let sent = wire.sent().pop().unwrap().1;
    assert_eq!(sent.matches("realm=\"second\"").count(), 2);
    assert!(!sent.contains("first"));
}

#[test]
fn s09_6xx_first_then_the_lowest_class_then_what_helps_the_caller() {
    for (statuses, best) in [
        (["404", "603"], 603),
        (["603", "404"], 603),
        (["500", "404"], 404),
        (["404", "302"], 404), // a redirection is no help: nobody has judged where it leads
        (["302", "500"], 480),
        (["404", "484"], 484),
        (["484", "404"], 484),
        (["503", "500"], 500),
    ] {
        let mut wire = Wire::new();
        let (call, invite) = wire.invite();
        wire.send(
            GATEWAY,
            &answer(&invite, &format!("{} X", statuses[0]), "g1"),
        );
        wire.sg.forward(call, &target(SECOND), Some("880"));
        let second = wire.sent().pop().unwrap().1;
        wire.send(
            SECOND,
            &answer(&second, &format!("{} X", statuses[1]), "g2"),
        );
        assert_eq!(wire.sg.finish(call), best, "{statuses:?}");
    }
}

#[test]
fn s10_s11_o06_silence_is_408_and_a_503_of_a_gateway_is_not_ours() {
    let mut wire = Wire::new();
    let (call, _) = wire.invite();
    wire.wait(4_200);
    wire.sent();
    assert_eq!(wire.sg.finish(call), 408);
    assert_eq!(
        wire.lines(),
        [format!("{CALLER} SIP/2.0 408 Request Timeout")]
    );
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    let reply = answer(&invite, "503 Service Unavailable", "gw1");
    wire.send(
        GATEWAY,
        &reply.replacen("Contact:", "Retry-After: 60\nContact:", 1),
    );
    wire.sent();
    assert_eq!(wire.sg.finish(call), 500);
    let sent = wire.sent().pop().unwrap().1;
    assert!(sent.starts_with("SIP/2.0 500 ") && !sent.contains("Retry-After"));
}

#[test]
fn s16_the_context_of_a_call_stays_until_its_transactions_end() {
    let mut wire = Wire::new();
    wire.answered();
    wire.send(CALLER, INVITE);
    assert!(
        wire.lines().is_empty() && wire.events().is_empty(),
        "X-10: absorbed by the accepted transaction"
    );
    wire.wait(33_000);
    assert_eq!(
        wire.sg.sizes(),
        (0, 1, 1),
        "the call is up, its INVITE is over"
    );
}

#[test]
fn i08_c10_a_reason_goes_along_with_refusal_cancel_and_bye() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    let reason = "Reason: Q.850;cause=16;text=\"Terminated\"";
    let with_reason = cancel().replacen("Contact:", &format!("{reason}\nContact:"), 1);
    wire.send(CALLER, &with_reason);
    wire.sent();
    // Only a provisional response lets it go, and the reason is not lost over the wait.
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    let sent = wire.sent();
    let sent = sent
        .iter()
        .find(|(_, text)| text.starts_with("CANCEL"))
        .unwrap();
    assert!(sent.1.contains(&format!("\r\n{reason}\r\n")));
    let refusal = answer(&invite, "487 Request Terminated", "gw1");
    wire.send(
        GATEWAY,
        &refusal.replacen("Contact:", &format!("{reason}\nContact:"), 1),
    );
    let events = wire.events();
    let [.., Event::Failed { reason: told, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        &told[..],
        reason.strip_prefix("Reason: ").unwrap().as_bytes()
    );
    wire.sg.finish(call);
    assert!(wire.sent().pop().unwrap().1.contains(reason));
    let mut wire = Wire::new();
    let (call, _) = wire.answered();
    let bye =
        in_dialog("BYE", 2, "gw1", "b").replacen("Contact:", &format!("{reason}\nContact:"), 1);
    wire.send(CALLER, &bye);
    wire.events();
    wire.sg.release(call);
    assert!(wire.sent().pop().unwrap().1.contains(reason));
}

#[test]
fn c06_a_cancel_copies_what_9_1_names_and_nothing_more() {
    let mut wire = Wire::new();
    wire.send(
        CALLER,
        &INVITE.replacen(
            "X-Odd",
            "Require: 100rel\nProxy-Authorization: Digest x=1\nX-Odd",
            1,
        ),
    );
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!()
    };
    wire.sg.forward(call, &target(GATEWAY), Some("880"));
    let invite = wire.sent().pop().unwrap().1;
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.sent();
    wire.send(CALLER, &cancel());
    let sent = wire.sent().pop().unwrap().1;
    let names: Vec<_> = sent
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "Via",
            "From",
            "To",
            "Call-ID",
            "CSeq",
            "Max-Forwards",
            "Content-Length"
        ]
    );
    for name in ["Via", "From", "To", "Call-ID"] {
        assert_eq!(header(&sent, name), header(&invite, name));
    }
    assert_eq!(header(&sent, "CSeq"), "1 CANCEL");
}

#[test]
fn c07_a_cancel_after_the_final_response_has_no_effect() {
    let mut wire = Wire::new();
    wire.answered();
    wire.send(CALLER, &cancel());
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 200 OK")]);
    assert!(wire.events().is_empty());
    assert_eq!(wire.sg.sizes().2, 1, "the call is up");
}

#[test]
fn c07_a_cancel_of_another_request_than_invite_finds_nothing() {
    let mut wire = Wire::new();
    wire.answered();
    wire.send(CALLER, &in_dialog("INFO", 2, "gw1", "info"));
    wire.sent();
    wire.send(CALLER, &in_dialog("CANCEL", 2, "gw1", "info"));
    assert_eq!(
        wire.lines(),
        [format!(
            "{CALLER} SIP/2.0 481 Call/Transaction Does Not Exist"
        )]
    );
}

#[test]
fn c08_a_branch_that_ignores_its_cancel_ends_after_64_t1() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.send(CALLER, &cancel());
    wire.events();
    wire.wait(31_500);
    assert!(wire.events().is_empty());
    wire.wait(1_000);
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
fn x03_the_ack_of_a_refusal_is_made_of_invite_and_response() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "486 Busy Here", "gw1"));
    let (to, ack) = wire.sent().pop().unwrap();
    assert_eq!(to.to_string(), GATEWAY);
    let uri = invite.split(' ').nth(1).unwrap();
    assert!(ack.starts_with(&format!("ACK {uri} SIP/2.0\r\n")));
    for name in ["Via", "From", "Call-ID"] {
        assert_eq!(header(&ack, name), header(&invite, name));
    }
    assert_eq!(
        header(&ack, "To"),
        format!("{};tag=gw1", header(&invite, "To"))
    );
    assert_eq!(header(&ack, "CSeq"), "1 ACK");
}

#[test]
fn x06_a_response_to_the_cancel_is_none_to_the_invite() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.events();
    wire.send(CALLER, &cancel());
    let sent = wire.sent().pop().unwrap().1;
    assert!(sent.starts_with("CANCEL"));
    wire.send(GATEWAY, &answer(&sent, "200 OK", "gw1"));
    assert!(wire.events().is_empty() && wire.lines().is_empty());
}

#[test]
fn x07_the_100_comes_with_the_decision_and_has_no_to_tag() {
    let mut wire = Wire::new();
    wire.send(CALLER, INVITE);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!()
    };
    wire.sg.forward(call, &target(GATEWAY), Some("880"));
    let sent = wire.sent();
    assert!(sent[0].1.starts_with("SIP/2.0 100 Trying\r\n"));
    assert_eq!(header(&sent[0].1, "To"), header(INVITE, "To"));
}

#[test]
fn x08_a_retransmitted_invite_gets_the_last_provisional_response() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.sent();
    wire.send(CALLER, INVITE);
    assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 180 Ringing")]);
}

#[test]
fn x12_without_a_cookie_the_rules_of_rfc_2543_tell_transactions_apart() {
    for branch in ["", ";branch=1", ";branch=z9hG4bK"] {
        let mut wire = Wire::new();
        let invite = INVITE.replacen(";branch=z9hG4bKinv;rport", branch, 1);
        wire.send(CALLER, &invite);
        let [Event::Invite { call, .. }] = wire.events()[..] else {
            panic!("{invite}")
        };
        wire.send(CALLER, &invite);
        assert!(wire.events().is_empty(), "a retransmission");
        wire.sg.reject(call, 403, "Forbidden", b"");
        wire.sent();
        wire.send(CALLER, &invite);
        assert_eq!(wire.lines(), [format!("{CALLER} SIP/2.0 403 Forbidden")]);
        let ack = invite.replace("INVITE", "ACK").replacen(
            "To: <sip:b@203.0.113.5>",
            "To: <sip:b@203.0.113.5>;tag=sg1",
            1,
        );
        wire.send(CALLER, &ack);
        wire.wait(33_000);
        assert!(wire.lines().is_empty(), "the ACK was found: {branch:?}");
        // Another CSeq number, Call-ID, From tag or top Via is another request.
        for (from, to) in [
            ("CSeq: 1", "CSeq: 2"),
            ("one@", "two@"),
            ("tag=caller", "tag=other"),
            ("UDP 192.0.2.10:5060", "UDP 192.0.2.10:5061"),
        ] {
            let other = invite.replacen(from, to, 1);
            wire.send(CALLER, &other);
            assert_eq!(wire.events().len(), 1, "{to}");
        }
    }
}

#[test]
fn x13_the_ack_of_a_2xx_goes_to_the_remote_target_with_a_branch_of_its_own_and_no_state() {
    let mut wire = Wire::new();
    let (_, invite) = wire.answered();
    let before = wire.sg.sizes().0;
    wire.send(CALLER, &in_dialog("ACK", 1, "gw1", "second"));
    let (to, ack) = wire.sent().pop().unwrap();
    assert_eq!(to.to_string(), GATEWAY);
    assert!(ack.starts_with("ACK sip:gw@198.51.100.1:5060 SIP/2.0\r\n"));
    assert_ne!(header(&ack, "Via"), header(&invite, "Via"));
    assert_eq!(wire.sg.sizes().0, before);
    assert!(wire.lines().is_empty());
}

#[test]
fn x14_a_request_that_gets_no_answer_gets_a_100_after_3_5_s_and_never_a_408() {
    let mut wire = Wire::new();
    wire.answered();
    wire.send(CALLER, &in_dialog("INFO", 2, "gw1", "i"));
    wire.wait(3_300);
    assert!(wire.lines().iter().all(|line| line.starts_with(GATEWAY)));
    wire.wait(600);
    let lines = wire.lines();
    assert!(
        lines.contains(&format!("{CALLER} SIP/2.0 100 Trying")),
        "{lines:?}"
    );
    wire.wait(40_000);
    let lines = wire.lines();
    assert!(
        lines.iter().all(|line| line.starts_with(GATEWAY)),
        "{lines:?}"
    );
}

#[test]
fn x14_no_provisional_response_but_100_and_no_late_one_passes_for_a_non_invite() {
    let mut wire = Wire::new();
    wire.answered();
    wire.send(CALLER, &in_dialog("INFO", 2, "gw1", "i"));
    let info = wire.sent().pop().unwrap().1;
    for status in ["100 Trying", "180 Ringing", "183 Session Progress"] {
        wire.send(GATEWAY, &answer(&info, status, ""));
    }
    assert!(wire.lines().is_empty());
    wire.wait(40_000);
    wire.sent();
    wire.send(GATEWAY, &answer(&info, "200 OK", ""));
    assert!(
        wire.lines().is_empty(),
        "no server transaction, no response"
    );
}

#[test]
fn x15_c02_an_unreachable_gateway_ends_its_branch_at_once() {
    let mut wire = Wire::new();
    let (_, invite) = wire.invite();
    wire.sg
        .undeliverable(wire.now, GATEWAY.parse().unwrap(), invite.as_bytes());
    assert!(matches!(
        wire.events()[..],
        [Event::Failed { status: 503, .. }]
    ));
    wire.wait(4_000);
    assert!(
        wire.lines().iter().all(|line| !line.contains("INVITE")),
        "nothing is sent to it any more"
    );
}

#[test]
fn i05_session_timers_are_agreed_between_the_ends() {
    // RFC 4028 section 8: a proxy that asks for no timer of its own changes nothing of theirs.
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    let refusal = answer(&invite, "422 Session Interval Too Small", "gw1");
    wire.send(
        GATEWAY,
        &refusal.replacen("Contact:", "Min-SE: 3600\nContact:", 1),
    );
    wire.events();
    assert_eq!(wire.sg.finish(call), 422);
    assert_eq!(header(&wire.sent().pop().unwrap().1, "Min-SE"), "3600");
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    let timer = "Session-Expires: 1800;refresher=uas\nRequire: timer\nContact:";
    wire.send(
        GATEWAY,
        &answer(&invite, "200 OK", "gw1").replacen("Contact:", timer, 1),
    );
    wire.events();
    wire.sg.release(call);
    let sent = wire.sent().pop().unwrap().1;
    assert_eq!(header(&sent, "Session-Expires"), "1800;refresher=uas");
    assert_eq!(header(&sent, "Require"), "timer");
}

#[test]
fn c18_each_answer_of_a_fork_that_nobody_wants_is_ended_once() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "180 Ringing", "gw1"));
    wire.events();
    assert!(wire.sg.cancel(call, 480, "Temporarily Unavailable", b""));
    wire.sent();
    for tag in ["gw1", "gw2", "gw1", "gw2"] {
        wire.send(GATEWAY, &answer(&invite, "200 OK", tag));
    }
    let sent = wire.sent();
    for tag in ["gw1", "gw2"] {
        let ended = format!(";tag={tag}");
        let count = |method: &str| {
            let of = sent.iter().filter(|(_, text)| text.starts_with(method));
            of.filter(|(_, text)| header(text, "To").ends_with(&ended))
                .count()
        };
        assert_eq!((count("ACK"), count("BYE")), (2, 1), "{tag}: {sent:?}");
    }
}
