//! The parser's rules, one by one, on messages that differ from a plain INVITE in one place.

use sipguard_engine::header::{self, route::route_elements};
use sipguard_engine::message::{Index, Message, Method, Name, Start};
use sipguard_engine::parse::{self, Kind, MAX_FIELDS, MAX_MESSAGE};

const START: &str = "INVITE sip:442079460000@sg.example SIP/2.0";
const FIELDS: [&str; 7] = [
    "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;rport",
    "Max-Forwards: 70",
    "From: \"A\" <sip:a@example.com>;tag=1",
    "To: <sip:442079460000@sg.example>",
    "Call-ID: c@192.0.2.1",
    "CSeq: 1 INVITE",
    "Content-Length: 4",
];

/// The plain INVITE with another start line, and with the fields of `changes` in place of those of the same name,
/// or behind the others where there is none.
fn message(start: &str, changes: &[&str]) -> Vec<u8> {
    let name = |field: &str| field.split(':').next().unwrap_or_default().to_owned();
    let mut fields: Vec<String> = FIELDS.iter().map(|&field| field.to_owned()).collect();
    for &change in changes {
        match fields.iter_mut().find(|field| name(field) == name(change)) {
            Some(field) => *field = change.to_owned(),
            None => fields.push(change.to_owned()),
        }
    }
    fields.retain(|field| !field.ends_with(":-"));
    format!("{start}\r\n{}\r\n\r\nbody", fields.join("\r\n")).into_bytes()
}

fn read(bytes: &[u8]) -> (Kind, Index) {
    let mut index = Index::new();
    (parse::datagram(bytes, &mut index), index)
}

/// Status and cause of the fault, and whether it can be answered. None where there is no fault.
fn fault(bytes: &[u8]) -> Option<(u16, &'static str, bool)> {
    let (kind, index) = read(bytes);
    assert_eq!(kind, Kind::Request, "{}", String::from_utf8_lossy(bytes));
    index
        .fault
        .map(|fault| (fault.status, fault.what, fault.answerable))
}

#[track_caller]
fn assert_fine(bytes: &[u8]) {
    assert_eq!(fault(bytes), None, "{}", String::from_utf8_lossy(bytes));
}

#[track_caller]
fn assert_bad(bytes: &[u8], what: &str) {
    assert_eq!(
        fault(bytes).map(|fault| (fault.0, fault.1)),
        Some((400, what)),
        "{}",
        String::from_utf8_lossy(bytes)
    );
}

#[test]
fn a_plain_invite() {
    let bytes = message(START, &[]);
    let (kind, index) = read(&bytes);
    assert_eq!(
        (kind, index.fault, index.method),
        (Kind::Request, None, Method::Invite)
    );
    assert_eq!(index.body.of(&bytes), b"body");
    assert_eq!(
        index.start_line.of(&bytes),
        format!("{START}\r\n").as_bytes()
    );
    assert_eq!(index.blank.of(&bytes), b"\r\n");
    assert_eq!(
        index.first(Name::To).map(|to| to.line.of(&bytes)),
        Some(&b"To: <sip:442079460000@sg.example>\r\n"[..])
    );
    assert_eq!(index.first(Name::Contact), None);
    let kept = Message::keep(&bytes, &index);
    assert_eq!(kept.text(kept.index.call_id), b"c@192.0.2.1");
}

#[test]
fn what_is_no_sip() {
    for (bytes, expected) in [
        (&b""[..], Kind::KeepAlive),
        (b"\r\n\r\n", Kind::KeepAlive),
        (b"\0\0\0\0", Kind::KeepAlive),
        (b"jaK\0", Kind::Garbage),
        (b"\r\n\r\nx", Kind::Garbage),
        (b"GET / HTTP/1.1\r\n\r\n", Kind::Garbage),
        (b"INVITE sip:a@b\r\n\r\n", Kind::Garbage),
        (b"SIP/2.0\r\n\r\n", Kind::Garbage),
        (b"INVITE sip:a@b SIP/2.0", Kind::Garbage),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            Kind::Garbage,
        ),
        (b"\x00\x01\x00\x08\x21\x12\xa4\x42", Kind::Garbage),
    ] {
        assert_eq!(read(bytes).0, expected, "{bytes:?}");
    }
    assert_eq!(read(&vec![b'x'; MAX_MESSAGE + 1]).0, Kind::Garbage);
}

#[test]
fn m01_the_longest_datagram() {
    let mut bytes = message(START, &["Content-Length:-"]);
    bytes.resize(MAX_MESSAGE, b'x');
    assert_fine(&bytes);
}

#[test]
fn m04_every_header_in_compact_form() {
    let bytes =
        b"INVITE sip:b@c SIP/2.0\r\nv:SIP/2.0/UDP a\r\nF :sip:a@b\r\nt\t: sip:b@c\r\ni: 1\r\n\
        CSEQ: 1 INVITE\r\nL:0\r\nm: <sip:a@b>\r\n\r\n";
    let (_, index) = read(bytes);
    assert_eq!(index.fault, None);
    assert_eq!(
        index
            .first(Name::Contact)
            .map(|contact| contact.label.of(bytes)),
        Some(&b"m"[..])
    );
}

#[test]
fn m07_empty_lines_in_front() {
    let bytes = [b"\r\n\r\n", &message(START, &[])[..]].concat();
    assert_fine(&bytes);
    assert_eq!(read(&bytes).1.start_line.start, 4);
}

#[test]
fn m08_m09_content_length_over_udp() {
    let bytes = message(START, &["Content-Length: 2"]);
    assert_fine(&bytes);
    assert_eq!(read(&bytes).1.body.of(&bytes), b"bo");
    assert_fine(&message(START, &["Content-Length:-"]));
    assert_eq!(
        fault(&message(START, &["Content-Length: 5"])),
        Some((400, "body shorter than Content-Length", true))
    );
}

#[test]
fn content_length_is_digits_alone() {
    for value in [
        "-1",
        "+5",
        "0x10",
        "5 5",
        "1e3",
        "4294967328",
        "18446744073709551617",
        "",
        "4,4",
        "4;a",
        "\u{664}",
    ] {
        let field = format!("Content-Length: {value}");
        assert_bad(&message(START, &[&field]), "Content-Length out of range");
    }
}

#[test]
fn m11_a_second_single_value_field_even_if_equal() {
    for (second, value) in [
        ("l", "4"),
        ("f", "\"A\" <sip:a@example.com>;tag=1"),
        ("T ", "<sip:442079460000@sg.example>"),
        ("i", "c@192.0.2.1"),
        ("CSEQ", "1 INVITE"),
        ("max-forwards", "70"),
    ] {
        assert_bad(
            &message(START, &[&format!("{second}: {value}")]),
            "header field twice",
        );
    }
}

#[test]
fn m12_what_must_be_there() {
    for (missing, what, answerable) in [
        ("Via:-", "no Via", false),
        ("From:-", "no From", true),
        ("To:-", "no To", true),
        ("Call-ID:-", "no Call-ID", true),
        ("CSeq:-", "no CSeq", true),
    ] {
        assert_eq!(
            fault(&message(START, &[missing])),
            Some((400, what, answerable))
        );
    }
    assert_fine(&message(START, &["Max-Forwards:-"]));
}

#[test]
fn m13_cseq_and_start_line_agree() {
    for field in ["CSeq: 1 invite", "CSeq: 1 BYE", "CSeq: 1 NEW"] {
        assert_bad(
            &message(START, &[field]),
            "CSeq method differs from the request's",
        );
    }
    assert_bad(
        &message("NEW sip:a@b SIP/2.0", &[]),
        "CSeq method differs from the request's",
    );
    assert_bad(
        &message(START, &["CSeq: 2147483648 INVITE"]),
        "CSeq out of range",
    );
}

#[test]
fn m14_versions() {
    for version in [
        "SIP/1.0", "SIP/3.0", "SIP/2.1", "SIP/2", "SIP/", "SIP/20.0", "sip/7.0",
    ] {
        let bytes = message(&format!("INVITE sip:a@b {version}"), &[]);
        assert_eq!(
            fault(&bytes),
            Some((505, "SIP version other than 2.0", true)),
            "{version}"
        );
    }
    assert_fine(&message("INVITE sip:a@b sip/2.0", &[]));
}

#[test]
fn m19_request_lines_are_not_repaired() {
    for (start, what) in [
        ("INVITE  sip:a@b SIP/2.0", "white space in the request line"),
        ("INVITE sip:a@b  SIP/2.0", "white space in the request line"),
        ("INVITE\tsip:a@b SIP/2.0", "white space in the request line"),
        ("INVITE sip:a@b\tSIP/2.0", "white space in the request line"),
        (" INVITE sip:a@b SIP/2.0", "white space in the request line"),
        ("INVITE sip:a@b SIP/2.0 ", "white space in the request line"),
        (
            "INVITE sip:a@b SIP/2.0\t",
            "white space in the request line",
        ),
        ("INVITE SIP/2.0", "malformed request URI"),
        ("INVITE sip:a b@c SIP/2.0", "malformed request URI"),
        ("INVITE <sip:a@b> SIP/2.0", "malformed request URI"),
        ("INVITE sip:a@b@c SIP/2.0", "malformed request URI"),
        ("INVITE sip:\u{664}@c SIP/2.0", "malformed request URI"),
        (
            "INVITE sip:a@b?Route=%3Csip:c%3E SIP/2.0",
            "headers in the request URI",
        ),
        ("IN<VITE sip:a@b SIP/2.0", "method is no token"),
        ("INVITE sip:a@b\u{1} SIP/2.0", "malformed request URI"),
        ("INV\rITE sip:a@b SIP/2.0", "method is no token"),
    ] {
        assert_bad(&message(start, &[]), what);
    }
    assert_fine(&message("INVITE tel:+442079460000 SIP/2.0", &[]));
}

#[test]
fn b14_field_names_are_tokens() {
    for field in [
        "To\u{1}: <sip:x@y>;tag=x",
        "To\u{b}: <sip:x@y>",
        "T o: <sip:x@y>",
        "\"To\": <sip:x@y>",
        "To/: <sip:x@y>",
        ": <sip:x@y>",
        "To",
        "T\u{f6}: x",
        "X\r\n : y",
    ] {
        assert_bad(&message(START, &[field]), "field name is no token");
    }
    // The fault comes before a second To is thought of: the message can be answered by the first.
    assert_eq!(
        fault(&message(START, &["To\u{1}: <sip:x@y>"])),
        Some((400, "field name is no token", true))
    );
    assert_bad(&message(START, &["To \t: <sip:x@y>"]), "header field twice");
}

#[test]
fn line_ends_are_cr_lf() {
    let plain = String::from_utf8_lossy(&message(START, &["Subject: x"])).into_owned();
    for (from, to, what) in [
        ("SIP/2.0\r\n", "SIP/2.0\n", "line end without CR"),
        ("Subject: x\r\n", "Subject: x\n", "line end without CR"),
        (
            "Subject: x\r\n",
            "Subject: x\nTo: <sip:x@y>\r\n",
            "line end without CR",
        ),
        (
            "Subject: x\r\n",
            "Subject: x\n folded\r\n",
            "line end without CR",
        ),
        (
            "Subject: x\r\n\r\n",
            "Subject: x\r\n\n",
            "line end without CR",
        ),
        (
            "Subject: x",
            "Subject: x\rTo: <sip:x@y>",
            "control character in a header field",
        ),
        (
            "Subject: x",
            "Subject: x\r",
            "control character in a header field",
        ),
        (
            "Subject: x",
            "Subject: x\0",
            "control character in a header field",
        ),
        (
            "Subject: x",
            "Subject: \"x\0\"",
            "control character in a header field",
        ),
        (
            "Subject: x\r\n",
            "Subject: x\r\n \r\n",
            "continuation line of blanks alone",
        ),
        (
            "Subject: x\r\n",
            "Subject: x\r\n\t\r\n To: <sip:x@y>\r\n",
            "continuation line of blanks alone",
        ),
        (
            "SIP/2.0\r\n",
            "SIP/2.0\r\n folded\r\n",
            "field name is no token",
        ),
        ("\r\n\r\nbody", "\r\n", "header section without an end"),
        ("\r\n\r\nbody", "", "header section without an end"),
        ("\r\n\r\nbody", "\r\n ", "header section without an end"),
    ] {
        assert!(plain.contains(from));
        assert_bad(plain.replace(from, to).as_bytes(), what);
    }
    for (from, to) in [
        ("Subject: x", "Subject:"),
        ("Subject: x", "Subject: \"x\\\r\n y\""),
        ("Subject: x", "Subject:\r\n x\r\n\ty"),
        ("Subject: x", "Subject: \"x\\\0\\\u{7}\""),
        (
            "Subject: x",
            "Subject: \u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}",
        ),
        ("body", "b\0\r\n\r"),
    ] {
        assert_fine(
            plain
                .replace(from, to)
                .replace("Length: 4", "Length: 3")
                .as_bytes(),
        );
    }
}

#[test]
fn what_would_split_a_response_is_not_answered() {
    for field in [
        "Call-ID: a\rVia: b",
        "From: <sip:a@b>\0;tag=1",
        "To: \rx <sip:a@b>",
        "CSeq: 1\r INVITE",
        "Call-ID:",
    ] {
        let found = fault(&message(START, &[field]));
        assert_eq!(
            found.map(|fault| (fault.0, fault.2)),
            Some((400, false)),
            "{field}"
        );
    }
}

#[test]
fn from_to_call_id_and_max_forwards() {
    for field in [
        "To: \"x <sip:a@b>",
        "To: <sip:a@b>;tag=1;tag=2",
        "To: <sip:a@b>, <sip:c@d>",
        "To: <sip:a@b> x",
        "To:",
        "From: <sip:a@b",
        "From: Bell, Alexander <sip:a@b>;tag=1",
        "Call-ID:",
        "Call-ID: a b",
        "Max-Forwards: 256",
        "Max-Forwards: -1",
        "Max-Forwards: 7x",
        "Max-Forwards:",
        "Max-Forwards: 18446744073709551686",
        "Via: SIP/2.0/UDP a:99999",
        "Via: SIP/2.0/UDP a,",
        "Via: SIP/2.0/UDP a,,SIP/2.0/UDP b",
        "Via: SIP/2.0/UDP",
        "Route: <sip:a;lr>, sip:b",
        "Route: <sip:a;lr",
        "Route:",
        "Record-Route: \"<sip:a;lr>",
    ] {
        assert_eq!(
            fault(&message(START, &[field])).map(|fault| fault.0),
            Some(400),
            "{field}"
        );
    }
    assert_eq!(
        read(&message(START, &["Max-Forwards: 00255"]))
            .1
            .max_forwards,
        Some(255)
    );
}

#[test]
fn m16_schemes_that_nobody_knows_are_no_fault_outside_the_request_uri() {
    for field in [
        "From: <isbn:2983792873>;tag=1",
        "To: <nobodyKnowsThisScheme:totallyopaquecontent>",
        "Contact: <name:John_Smith>",
        "Reply-To: <urn:service:sos>",
    ] {
        assert_fine(&message(START, &[field]));
    }
}

#[test]
fn m18_what_a_proxy_does_not_use_is_left_alone() {
    for field in [
        "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        "Contact: \"Joe\" <sip:joe@example.org>;;;;",
        "Date: Fri, 01 Jan 2010 16:00:00 EST",
        "Expires: 10000000000000000000000000",
        "Warning: 1812 overture \"In Progress",
        "UnknownHeaderWithUnusualValue: ;;,,;;,;",
        "User-Agent: \u{43f}",
    ] {
        assert_fine(&message(START, &[field]));
    }
}

#[test]
fn m21_responses_are_right_or_dropped() {
    for start in [
        "SIP/2.0 100 ",
        "SIP/2.0 180",
        "SIP/2.0 200 OK",
        "SIP/2.0 699 \u{43f} = 2**3",
        "sip/2.0 404 x",
    ] {
        assert_eq!(
            read(&message(start, &["Max-Forwards: 999"])).0,
            Kind::Response,
            "{start}"
        );
    }
    let (_, index) = read(&message("SIP/2.0 486 Busy Here", &[]));
    assert!(matches!(index.start, Start::Response { status: 486, .. }));
    assert_eq!(index.method, Method::Invite);
    for start in [
        "SIP/2.0 99 x",
        "SIP/2.0 099 x",
        "SIP/2.0 700 x",
        "SIP/2.0 4294967496 x",
        "SIP/2.0 2000 x",
        "SIP/2.0 -20 x",
        "SIP/2.0  200 x",
        "SIP/2.0 200\tx",
        "SIP/3.0 200 x",
        "SIP/2.0 200 a\rb",
        "SIP/2.0 ",
    ] {
        assert_eq!(read(&message(start, &[])).0, Kind::Garbage, "{start}");
    }
    for field in [
        "Content-Length: 5",
        "To:-",
        "Via:-",
        "CSeq: 4294967295 INVITE",
        "To\u{1}: <sip:x@y>",
        "l: 4",
    ] {
        assert_eq!(
            read(&message("SIP/2.0 200 OK", &[field])).0,
            Kind::Garbage,
            "{field}"
        );
    }
}

#[test]
fn the_topmost_of_several_vias() {
    let bytes = message(
        START,
        &["Via: SIP/2.0/UDP a;branch=1 ,SIP/2.0/TCP b:1\r\n ;branch=\"2,\" , SIP/2.0/TLS c"],
    );
    let (_, index) = read(&bytes);
    assert_eq!(index.via.value.of(&bytes), b"SIP/2.0/UDP a;branch=1");
    assert_eq!(
        index.via.rest.of(&bytes),
        b"SIP/2.0/TCP b:1\r\n ;branch=\"2,\" , SIP/2.0/TLS c"
    );
    assert_eq!((index.via.field, index.via.last_in_field), (0, false));
    let (_, index) = read(&message(START, &["Foo: y"]));
    assert!(index.via.last_in_field && index.via.rest.is_empty());
}

#[test]
fn routes_over_fields_and_lists() {
    let bytes = message(
        START,
        &[
            "Route: <sip:a;lr>;x=\",\" , \"b, c\" <sip:d,e@f>",
            "ROUTE: <sip:g>",
            "Record-Route: <sip:h>",
        ],
    );
    let (kind, index) = read(&bytes);
    assert_eq!((kind, index.fault), (Kind::Request, None));
    let text = |span: sipguard_engine::message::Span| {
        String::from_utf8_lossy(span.of(&bytes)).into_owned()
    };
    let found: Vec<_> = route_elements(&bytes, &index, Name::Route)
        .map(|route| {
            (
                route.field,
                text(route.element),
                text(route.uri),
                route.only,
                text(route.rest),
            )
        })
        .collect();
    let expected = [
        (
            7,
            "<sip:a;lr>;x=\",\"",
            "sip:a;lr",
            false,
            "\"b, c\" <sip:d,e@f>",
        ),
        (7, "\"b, c\" <sip:d,e@f>", "sip:d,e@f", false, ""),
        (8, "<sip:g>", "sip:g", true, ""),
    ];
    let expected: Vec<_> = expected
        .map(|(f, e, u, o, r)| (f, e.to_owned(), u.to_owned(), o, r.to_owned()))
        .into();
    assert_eq!(found, expected);
}

/// What a response copies is indexed whole, so that the refusal carries every Via.
#[test]
fn c11_too_many_fields_are_513() {
    let vias = vec!["Via: SIP/2.0/UDP a"; 2000].join("\r\n");
    let others = vec!["Foo: y"; 2000].join("\r\n");
    let bytes = format!(
        "{START}\r\n{others}\r\n{vias}\r\n{}\r\n\r\nbody",
        FIELDS.join("\r\n")
    );
    assert_eq!(
        fault(bytes.as_bytes()),
        Some((513, "too many header fields", true))
    );
    let (_, index) = read(bytes.as_bytes());
    assert_eq!(index.all(Name::Via).count(), 2001);
    assert_eq!(index.all(Name::Other).count(), MAX_FIELDS);
}

#[test]
fn c11_long_lists_are_read_once() {
    for count in [1_000, 2_000] {
        let list = vec!["<sip:a;lr>"; count].join(",");
        assert_eq!(header::elements(list.as_bytes()).count(), count);
        let bytes = message(START, &[&format!("Route: {list}")]);
        assert_eq!(
            route_elements(&bytes, &read(&bytes).1, Name::Route).count(),
            count
        );
    }
}
