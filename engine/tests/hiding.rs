//! What each side of a call is shown of the other: topology hiding, numbers in From and To, privacy (RFC 3323).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use between::{answer, header, in_dialog, target, Wire, CALLER, GATEWAY, INVITE};
use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::Event;
use sipguard_engine::proxy::command::Target;
use sipguard_engine::proxy::identity::Caller;
use sipguard_engine::transport::Listener;

const OURS: &str = "203.0.113.5:5060";
/// Of the caller's side, none of which the gateway may see; and of the gateway's.
const CALLERS: [&str; 3] = ["192.0.2.10", "10.0.0.9", "pbx.example"];
const GATEWAYS: [&str; 2] = ["198.51.100.1", "10.9.9.9"];

fn hiding() -> Target {
    Target {
        hides_topology: true,
        hides_call_id: true,
        ..target(GATEWAY)
    }
}

/// The INVITE of a caller behind a proxy of its own.
fn invite() -> String {
    INVITE
        .replacen(
            "Max-Forwards",
            "Via: SIP/2.0/UDP 10.0.0.9:5080;branch=z9hG4bKbehind\nRecord-Route: <sip:10.0.0.9;lr>\nMax-Forwards",
            1,
        )
        .replace("<sip:a@192.0.2.10:5060>", "<sip:a@192.0.2.10:5060>;+sip.instance=\"<urn:uuid:1>\";isfocus")
        .replace("sip:a@192.0.2.10>;tag", "sip:a@pbx.example>;tag")
}

fn sent_for(
    wire: &mut Wire,
    message: &str,
    target: &Target,
    trusted: bool,
    caller: Option<&Caller>,
) -> (u64, String) {
    wire.send(CALLER, message);
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("refused: {:?}", wire.lines())
    };
    assert!(wire
        .sg
        .forward_for(call, target, Some("880"), trusted, caller));
    (call, wire.sent().pop().unwrap().1)
}

/// Headers without the body; what an end could learn of the other.
fn names_none_of(message: &str, names: &[&str]) {
    let head = message.split("\r\n\r\n").next().unwrap();
    for name in names {
        assert!(!head.contains(name), "{name} in\n{head}");
    }
}

fn all<'a>(message: &'a str, name: &str) -> Vec<&'a str> {
    let lines = message.lines().map(str::trim_end);
    lines
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .collect()
}

/// A gateway's answer with proxies of its own behind it.
fn hidden_answer(request: &str, status: &str) -> String {
    answer(request, status, "gw1").replacen(
        "Record-Route: ",
        "Record-Route: <sip:10.9.9.9;lr>, ",
        1,
    )
}

/// A call through a gateway that hides: its id, the INVITE as it left, the 200 as the caller got it.
fn answered(wire: &mut Wire) -> (u64, String, String) {
    let (call, left) = sent_for(wire, &invite(), &hiding(), false, None);
    wire.send(GATEWAY, &hidden_answer(&left, "200 OK"));
    assert!(matches!(wire.events()[..], [Event::Answered { .. }]));
    assert!(wire.sg.release(call));
    let (to, ok) = wire.sent().pop().unwrap();
    assert_eq!(to.to_string(), CALLER);
    (call, left, ok)
}

/// A request of either end as it would make it of what it was sent.
fn request(method: &str, cseq: u32, uri: &str, seen: [&str; 4], extra: &str) -> String {
    let [sent_by, from, to, call_id] = seen;
    format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP {sent_by};branch=z9hG4bK{method}{cseq}\nMax-Forwards: 70\n\
         From: {from}\nTo: {to}\nCall-ID: {call_id}\nCSeq: {cseq} {method}\nContact: <sip:x@{sent_by}>\n{extra}Content-Length: 0\n\n"
    )
}

fn of_caller(method: &str, cseq: u32, ok: &str, extra: &str) -> String {
    let uri = header(ok, "Contact").trim_matches(['<', '>']).to_owned();
    request(
        method,
        cseq,
        &uri,
        [
            CALLER,
            header(ok, "From"),
            header(ok, "To"),
            header(ok, "Call-ID"),
        ],
        extra,
    )
}

fn of_gateway(method: &str, cseq: u32, left: &str, extra: &str) -> String {
    let uri = header(left, "Contact")
        .split(['<', '>'])
        .nth(1)
        .unwrap()
        .to_owned();
    let to = format!("{};tag=gw1", header(left, "To"));
    request(
        method,
        cseq,
        &uri,
        [GATEWAY, &to, header(left, "From"), header(left, "Call-ID")],
        extra,
    )
}

#[test]
fn a_hidden_invite_names_nobody_but_us() {
    let mut wire = Wire::new();
    let (_, left) = sent_for(&mut wire, &invite(), &hiding(), false, None);
    names_none_of(&left, &CALLERS);
    assert_eq!(all(&left, "Via").len(), 1);
    assert!(header(&left, "Via").starts_with(&format!("SIP/2.0/UDP {OURS};branch=")));
    assert_eq!(all(&left, "Record-Route").len(), 1);
    assert!(header(&left, "Record-Route").starts_with(&format!("<sip:{OURS};lr;sg=")));
    assert!(header(&left, "Contact").starts_with(&format!("<sip:{OURS};sg=")));
    assert!(header(&left, "Contact").ends_with(">;isfocus"));
    assert_eq!(
        header(&left, "From"),
        format!("\"A\" <sip:a@{OURS}>;tag=caller")
    );
    assert_eq!(header(&left, "To"), "<sip:880@198.51.100.1:5060>");
    assert_eq!(
        header(&left, "X-Odd"),
        "kept   as it is".trim(),
        "the rest is left alone"
    );
    let (_, kept) = sent_for(
        &mut Wire::new(),
        &invite(),
        &Target {
            hides_call_id: false,
            ..hiding()
        },
        false,
        None,
    );
    assert_eq!(header(&kept, "Call-ID"), "one@192.0.2.10");
}

#[test]
fn the_caller_hears_its_own_words_in_every_response() {
    for status in ["183 Session Progress", "200 OK", "486 Busy Here"] {
        let mut wire = Wire::new();
        let (call, left) = sent_for(&mut wire, &invite(), &hiding(), false, None);
        wire.send(GATEWAY, &hidden_answer(&left, status));
        wire.events();
        if status.starts_with('2') {
            assert!(wire.sg.release(call));
        } else if status.starts_with('4') {
            assert_eq!(wire.sg.finish(call), 486);
        }
        let (to, back) = wire.sent().pop().unwrap();
        assert_eq!(to.to_string(), CALLER, "{status}");
        names_none_of(&back, &GATEWAYS);
        assert_eq!(
            all(&back, "Via"),
            [
                "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKinv;rport=5060;received=192.0.2.10",
                "SIP/2.0/UDP 10.0.0.9:5080;branch=z9hG4bKbehind"
            ]
        );
        for (name, value) in [
            ("From", "\"A\" <sip:a@pbx.example>;tag=caller"),
            ("To", "<sip:b@203.0.113.5>;tag=gw1"),
            ("Call-ID", "one@192.0.2.10"),
        ] {
            assert_eq!(header(&back, name), value, "{status}");
        }
        let routes = all(&back, "Record-Route");
        assert!(
            routes[0].starts_with(&format!("<sip:{OURS};lr;sg=")),
            "{routes:?}"
        );
        assert_eq!(
            routes[1..],
            ["<sip:10.0.0.9;lr>"],
            "its own proxies stay in the way"
        );
        let contact = header(&back, "Contact");
        assert_eq!(contact.is_empty(), status.starts_with('4'), "{contact}");
        assert!(contact.is_empty() || contact.starts_with(&format!("<sip:{OURS};sg=")));
    }
}

#[test]
fn requests_inside_the_dialog_are_mapped_in_both_directions() {
    let mut wire = Wire::new();
    let (_, left, ok) = answered(&mut wire);
    wire.send(CALLER, &of_caller("ACK", 1, &ok, ""));
    let (to, ack) = wire.sent().pop().unwrap();
    assert_eq!(
        to.to_string(),
        "10.9.9.9:5060",
        "along the gateway's own route"
    );
    assert!(
        ack.starts_with("ACK sip:gw@198.51.100.1:5060 SIP/2.0"),
        "{ack}"
    );
    names_none_of(&ack, &CALLERS);

    for (method, cseq) in [("INVITE", 2), ("UPDATE", 3), ("INFO", 4)] {
        wire.send(CALLER, &of_caller(method, cseq, &ok, ""));
        let (_, asked) = wire.sent().pop().unwrap();
        names_none_of(&asked, &CALLERS);
        assert_eq!(header(&asked, "From"), header(&left, "From"));
        assert_eq!(header(&asked, "Call-ID"), header(&left, "Call-ID"));
        let reply = answer(&asked, "200 OK", "").replace("gw@198.51.100.1", "moved@198.51.100.1");
        wire.send("10.9.9.9:5060", &reply);
        let (to, back) = wire.sent().pop().unwrap();
        assert_eq!(to.to_string(), CALLER);
        names_none_of(&back, &GATEWAYS);
        assert_eq!(header(&back, "Call-ID"), "one@192.0.2.10");
        assert_eq!(
            all(&back, "Via"),
            [
                "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK".to_owned()
                    + method
                    + &cseq.to_string()
            ]
        );
    }
    wire.send(CALLER, &of_caller("INFO", 5, &ok, ""));
    assert!(
        wire.sent()
            .pop()
            .unwrap()
            .1
            .starts_with("INFO sip:moved@198.51.100.1:5060 "),
        "the target was refreshed"
    );

    wire.send(GATEWAY, &of_gateway("INVITE", 1, &left, ""));
    let (to, asked) = wire.sent().pop().unwrap();
    assert_eq!(
        to.to_string(),
        CALLER,
        "a caller is reached where it called from (D34)"
    );
    assert!(
        asked.starts_with("INVITE sip:x@192.0.2.10:5060 SIP/2.0"),
        "{asked}"
    );
    names_none_of(&asked, &GATEWAYS);
    assert_eq!(header(&asked, "To"), "\"A\" <sip:a@pbx.example>;tag=caller");
    assert_eq!(header(&asked, "From"), "<sip:b@203.0.113.5>;tag=gw1");
    assert_eq!(header(&asked, "Call-ID"), "one@192.0.2.10");
}

#[test]
fn each_side_knows_the_call_by_its_own_call_id_alone() {
    let mut wire = Wire::new();
    let (_, left, ok) = answered(&mut wire);
    let crossed = of_caller("INFO", 2, &ok, "").replace("one@192.0.2.10", header(&left, "Call-ID"));
    wire.send(CALLER, &crossed);
    assert_eq!(
        wire.lines(),
        [format!(
            "{CALLER} SIP/2.0 481 Call/Transaction Does Not Exist"
        )]
    );
    let crossed =
        of_gateway("INFO", 1, &left, "").replace(header(&left, "Call-ID"), "one@192.0.2.10");
    wire.send(GATEWAY, &crossed);
    assert_eq!(
        wire.lines(),
        [format!(
            "{GATEWAY} SIP/2.0 481 Call/Transaction Does Not Exist"
        )]
    );
}

#[test]
fn a_hidden_call_survives_a_restart() {
    let mut before = Wire::new();
    let (call, left) = sent_for(&mut before, &invite(), &hiding(), false, None);
    before.send(GATEWAY, &answer(&left, "200 OK", "gw1"));
    let [Event::Answered { dialog, .. }] = &before.events()[..] else {
        panic!("not answered")
    };
    assert!(before.sg.release(call));
    let ok = before.sent().pop().unwrap().1;

    let mut wire = Wire::new();
    wire.sg = Endpoint::new(4, &[8; 32], 0);
    wire.sg.add_listener(Listener::new("203.0.113.5", 5060));
    assert!(wire.sg.restore(call, dialog));
    wire.send(GATEWAY, &answer(&left, "200 OK", "gw1"));
    let (_, again) = wire.sent().pop().expect("the 200 again");
    assert_eq!(again, ok, "as the caller would have had it");
    wire.send(GATEWAY, &of_gateway("BYE", 1, &left, ""));
    assert!(matches!(wire.events()[..], [Event::Ended { .. }]));
    assert!(wire.sg.release(call));
    let (_, bye) = wire.sent().pop().unwrap();
    assert_eq!(header(&bye, "Call-ID"), "one@192.0.2.10");
    names_none_of(&bye, &GATEWAYS);
}

#[test]
fn a_hang_up_speaks_to_each_side_in_its_own_words() {
    let mut wire = Wire::new();
    let (call, left, ok) = answered(&mut wire);
    assert!(wire.sg.hangup(call, "SIP;cause=402"));
    let sent = wire.sent();
    let to_gateway = sent
        .iter()
        .find(|(to, _)| to.to_string() == "10.9.9.9:5060")
        .unwrap();
    let to_caller = sent
        .iter()
        .find(|(to, _)| to.to_string() == CALLER)
        .unwrap();
    names_none_of(&to_gateway.1, &CALLERS);
    names_none_of(&to_caller.1, &GATEWAYS);
    for name in ["From", "Call-ID"] {
        assert_eq!(header(&to_gateway.1, name), header(&left, name));
    }
    assert_eq!(header(&to_caller.1, "To"), header(&ok, "From"));
    assert_eq!(header(&to_caller.1, "From"), header(&ok, "To"));
    assert_eq!(header(&to_caller.1, "Call-ID"), header(&ok, "Call-ID"));
}

#[test]
fn cancel_and_forks_pass_a_veil() {
    let mut wire = Wire::new();
    let (call, left) = sent_for(&mut wire, &invite(), &hiding(), false, None);
    for tag in ["gw1", "gw2"] {
        wire.send(GATEWAY, &answer(&left, "180 Ringing", tag));
        let ringing = wire.sent().pop().unwrap().1;
        assert_eq!(
            header(&ringing, "To"),
            format!("<sip:b@203.0.113.5>;tag={tag}")
        );
    }
    wire.send(CALLER, &invite().replace("INVITE", "CANCEL"));
    let sent = wire.sent();
    let cancel = sent
        .iter()
        .find(|(to, _)| to.to_string() == GATEWAY)
        .unwrap();
    assert_eq!(header(&cancel.1, "Via"), header(&left, "Via"));
    for name in ["From", "To", "Call-ID"] {
        assert_eq!(header(&cancel.1, name), header(&left, name));
    }
    wire.send(GATEWAY, &answer(&left, "487 Request Terminated", "gw1"));
    wire.events();
    assert_eq!(wire.sg.finish(call), 487);
    let last = wire.sent().pop().unwrap().1;
    assert_eq!(header(&last, "Call-ID"), "one@192.0.2.10");
}

#[test]
fn a_hidden_loop_is_found() {
    let mut wire = Wire::new();
    let mut round = invite();
    let mut source = CALLER;
    for passes in 1.. {
        wire.send(source, &round);
        let events = wire.events();
        let [Event::Invite { call, .. }] = events[..] else {
            let reply = wire.sent().pop().unwrap().1;
            assert!(reply.starts_with("SIP/2.0 482 "), "{reply}");
            assert_eq!(
                passes, 3,
                "once to be judged as the caller's, once as the gateway's"
            );
            return;
        };
        assert!(wire.sg.forward(call, &hiding(), Some("880")));
        // The gateway sends it back as it came, with a Via of its own.
        let left = wire.sent().pop().unwrap().1.replace("\r\n", "\n");
        round = left.replacen(
            "Via: ",
            &format!("Via: SIP/2.0/UDP {GATEWAY};branch=z9hG4bKgw{passes}\nVia: "),
            1,
        );
        source = GATEWAY;
    }
}

#[test]
fn a_refer_names_the_other_call_as_the_far_end_knows_it() {
    let mut wire = Wire::new();
    let (_, _, _) = answered(&mut wire);
    // The same caller has a second call up, by another Call-ID, and joins the two.
    let second = invite()
        .replace("one@192.0.2.10", "two@192.0.2.10")
        .replace("z9hG4bKinv", "z9hG4bKtwo");
    let (call, other) = sent_for(
        &mut wire,
        &second,
        &Target {
            takes_refer: true,
            ..hiding()
        },
        false,
        None,
    );
    wire.send(GATEWAY, &answer(&other, "200 OK", "gw9"));
    wire.events();
    assert!(wire.sg.release(call));
    let ok = wire.sent().pop().unwrap().1;
    let ours = header(&ok, "Contact").trim_matches(['<', '>']).to_owned();
    let refer = format!(
        "Refer-To: <{ours}?Replaces=two%40192.0.2.10%3Bto-tag%3Dgw9%3Bfrom-tag%3Dcaller&X=1>\n"
    );
    wire.send(CALLER, &of_caller("REFER", 2, &ok, &refer));
    let asked = wire.sent().pop().unwrap().1;
    assert!(asked.starts_with("REFER "), "{asked}");
    assert_eq!(
        header(&asked, "Refer-To"),
        format!(
            "<sip:gw@198.51.100.1:5060?Replaces={}%3Bto-tag%3Dgw9%3Bfrom-tag%3Dcaller&X=1>",
            header(&other, "Call-ID")
        )
    );
}

fn number(user: &str) -> Caller {
    Caller {
        user: Some(user.to_owned()),
        keeps_name: true,
        asserted: Some(user.to_owned()),
        by_remote_party: false,
    }
}

#[test]
fn f15_i04_the_judged_number_is_what_from_and_the_assertion_say() {
    let mut wire = Wire::new();
    let message = INVITE.replacen(
        "Max-Forwards",
        "P-Asserted-Identity: <sip:+53@x>\nDiversion: <sip:1@x>\nMax-Forwards",
        1,
    );
    let (call, left) = sent_for(
        &mut wire,
        &message,
        &target(GATEWAY),
        true,
        Some(&number("+4420")),
    );
    assert_eq!(
        header(&left, "From"),
        "\"A\" <sip:+4420@192.0.2.10>;tag=caller"
    );
    assert_eq!(
        all(&left, "P-Asserted-Identity"),
        [format!("<sip:+4420@{OURS};user=phone>")]
    );
    assert_eq!(
        header(&left, "Diversion"),
        "<sip:1@x>",
        "of a trusted caller"
    );
    wire.send(GATEWAY, &answer(&left, "200 OK", "gw1"));
    wire.events();
    wire.sg.release(call);
    assert_eq!(
        header(&wire.sent().pop().unwrap().1, "From"),
        "\"A\" <sip:a@192.0.2.10>;tag=caller",
        "8.2.6.2"
    );
    wire.send(CALLER, &in_dialog("BYE", 2, "gw1", "bye"));
    wire.events();
    wire.sg.release(call);
    assert_eq!(
        header(&wire.sent().pop().unwrap().1, "From"),
        "\"A\" <sip:+4420@192.0.2.10>;tag=caller"
    );
}

#[test]
fn i04_privacy_hides_the_caller_from_gateways_that_are_not_trusted() {
    let trusting = Target {
        trusted: true,
        ..target(GATEWAY)
    };
    let message = |privacy: &str| {
        INVITE.replacen(
            "Max-Forwards",
            &format!("P-Asserted-Identity: <sip:+4420@x>\nPrivacy: {privacy}\nHistory-Info: <sip:7@x>;index=1\nIdentity: abc\nMax-Forwards"),
            1,
        )
    };
    for privacy in ["id", "user;critical", "header", "ID ; history"] {
        let (_, left) = sent_for(
            &mut Wire::new(),
            &message(privacy),
            &target(GATEWAY),
            true,
            Some(&number("+4420")),
        );
        assert_eq!(
            header(&left, "From"),
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=caller"
        );
        names_none_of(
            &left,
            &["4420", "192.0.2.10:", "sip:a@", "History-Info", "Identity"],
        );
        assert_eq!(
            header(&left, "Privacy"),
            privacy,
            "those behind it shall know"
        );
        let (_, told) = sent_for(&mut Wire::new(), &message(privacy), &trusting, true, None);
        assert_eq!(
            header(&told, "P-Asserted-Identity"),
            "<sip:+4420@x>",
            "within the trust domain"
        );
        assert_eq!(header(&told, "From"), "\"A\" <sip:a@192.0.2.10>;tag=caller");
        assert_eq!(header(&told, "History-Info"), "<sip:7@x>;index=1");
    }
    for privacy in ["none", "id;none", "critical", "session"] {
        let (_, left) = sent_for(
            &mut Wire::new(),
            &message(privacy),
            &target(GATEWAY),
            true,
            None,
        );
        assert_eq!(
            header(&left, "P-Asserted-Identity"),
            "<sip:+4420@x>",
            "{privacy}"
        );
    }
    let (_, left) = sent_for(
        &mut Wire::new(),
        &message("history"),
        &target(GATEWAY),
        true,
        None,
    );
    assert_eq!(
        (
            header(&left, "P-Asserted-Identity"),
            header(&left, "History-Info")
        ),
        ("<sip:+4420@x>", "")
    );
}

#[test]
fn i04_privacy_that_cannot_be_had_fails_the_call_where_it_is_critical() {
    for trusted in [false, true] {
        let mut wire = Wire::new();
        wire.send(
            CALLER,
            &INVITE.replacen("Max-Forwards", "Privacy: session;critical\nMax-Forwards", 1),
        );
        let [Event::Invite { call, .. }] = wire.events()[..] else {
            panic!("refused")
        };
        let target = Target {
            trusted,
            ..target(GATEWAY)
        };
        assert!(wire.sg.forward_for(call, &target, Some("880"), false, None));
        let sent = wire.sent();
        assert_eq!(sent.len(), 1 + usize::from(trusted), "{sent:?}");
        if !trusted {
            assert!(matches!(
                wire.events()[..],
                [Event::Failed { status: 500, .. }]
            ));
            assert_eq!(wire.sg.finish(call), 500);
        }
    }
}

#[test]
fn b04_a_third_assertion_of_a_trusted_caller_stays_behind() {
    let message = INVITE.replacen(
        "Max-Forwards",
        "P-Asserted-Identity: <sip:+1@x>, <tel:+1>\nP-Asserted-Identity: <tel:+5355550100>\nMax-Forwards",
        1,
    );
    let (_, left) = sent_for(&mut Wire::new(), &message, &target(GATEWAY), true, None);
    assert_eq!(
        all(&left, "P-Asserted-Identity"),
        ["<sip:+1@x>", "<tel:+1>"]
    );
}

#[test]
fn c14_a_response_for_a_third_host_goes_nowhere() {
    let forged = |request: &str, via: &str| {
        let ours = request
            .lines()
            .find(|line| line.starts_with("Via:"))
            .unwrap()
            .trim();
        let text = answer(request, "200 OK", "gw1").replace('\r', "");
        let rest: String = text
            .lines()
            .filter(|line| !line.starts_with("Via:"))
            .map(|line| format!("{line}\n"))
            .collect();
        rest.replacen(
            "SIP/2.0 200 OK\n",
            &format!("SIP/2.0 200 OK\n{ours}\n{via}"),
            1,
        )
    };
    for via in [
        "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKinv\n",
        "Via: SIP/2.0/UDP 203.0.113.99:5060;branch=z9hG4bKinv\n",
        "Via: SIP/2.0/UDP 192.0.2.10:5061;branch=z9hG4bKinv\n",
        "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKother\n",
        "Via: SIP/2.0/UDP 255.255.255.255;branch=1\n",
        "Via: garbage\n",
        "",
    ] {
        let mut wire = Wire::new();
        let (_, left) = wire.invite();
        wire.send(GATEWAY, &forged(&left, via));
        assert!(wire.events().is_empty(), "{via}");
        assert!(wire.sent().is_empty(), "{via}");
        // The transaction has not moved: the true answer still counts.
        wire.send(GATEWAY, &answer(&left, "200 OK", "gw1"));
        assert!(
            matches!(wire.events()[..], [Event::Answered { .. }]),
            "{via}"
        );
    }
    // RFC 2543: no branch of ours to know it by, so it is told by its address.
    let mut wire = Wire::new();
    wire.send(CALLER, &INVITE.replace("z9hG4bKinv", "old"));
    let [Event::Invite { call, .. }] = wire.events()[..] else {
        panic!("refused")
    };
    wire.sg.forward(call, &target(GATEWAY), Some("880"));
    let left = wire.sent().pop().unwrap().1;
    wire.send(
        GATEWAY,
        &forged(&left, "Via: SIP/2.0/UDP 203.0.113.99;branch=old\n"),
    );
    assert!(wire.events().is_empty());
    wire.send(GATEWAY, &answer(&left, "200 OK", "gw1"));
    assert!(matches!(wire.events()[..], [Event::Answered { .. }]));
}
