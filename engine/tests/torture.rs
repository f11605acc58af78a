//! The torture messages of RFC 4475 and RFC 5118, and what the parser alone must say to each.
//!
//! "Fine" says that nothing stands in the way of forwarding as far as the syntax goes; 416, 420, 483 and the
//! policy are decided later. Where the RFCs leave a choice between repairing and refusing, refusing is chosen.

use std::fs;
use std::path::PathBuf;

use sipguard_engine::header::route::route_elements;
use sipguard_engine::message::{Index, Method, Name, Start};
use sipguard_engine::parse::{self, Kind};
use sipguard_engine::uri;

#[derive(Debug, PartialEq)]
enum Verdict {
    Fine,
    /// Status and whether a response can be built.
    Fault(u16, bool),
    /// A response that is used.
    Response(u16),
    Garbage,
}

use Verdict::{Fault, Fine, Garbage, Response};

const EXPECTED: [(&str, Verdict); 61] = [
    // RFC 4475 section 3.1.1, valid
    ("rfc4475/wsinv.dat", Fine),
    ("rfc4475/intmeth.dat", Fine),
    ("rfc4475/esc01.dat", Fine),
    ("rfc4475/escnull.dat", Fine),
    ("rfc4475/esc02.dat", Fine),
    ("rfc4475/lwsdisp.dat", Fine),
    ("rfc4475/longreq.dat", Fine),
    ("rfc4475/dblreq.dat", Fine),
    ("rfc4475/semiuri.dat", Fine),
    ("rfc4475/transports.dat", Fine),
    ("rfc4475/mpart01.dat", Fine),
    ("rfc4475/unreason.dat", Response(200)), // dropped later: no transaction of ours
    ("rfc4475/noreason.dat", Response(100)), // likewise
    // Section 3.1.2, invalid
    ("rfc4475/badinv01.dat", Fault(400, true)),
    ("rfc4475/clerr.dat", Fault(400, true)),
    ("rfc4475/ncl.dat", Fault(400, true)),
    ("rfc4475/scalar02.dat", Fault(400, true)),
    ("rfc4475/scalarlg.dat", Garbage),
    ("rfc4475/quotbal.dat", Fault(400, true)),
    ("rfc4475/ltgtruri.dat", Fault(400, true)),
    ("rfc4475/lwsruri.dat", Fault(400, true)),
    ("rfc4475/lwsstart.dat", Fault(400, true)),
    ("rfc4475/trws.dat", Fault(400, true)),
    ("rfc4475/escruri.dat", Fault(400, true)),
    ("rfc4475/baddate.dat", Fine),  // a proxy has no use for Date
    ("rfc4475/regbadct.dat", Fine), // nor for Contact
    ("rfc4475/badaspec.dat", Fault(400, true)),
    ("rfc4475/baddn.dat", Fault(400, true)),
    ("rfc4475/badvers.dat", Fault(505, true)),
    ("rfc4475/mismatch01.dat", Fault(400, true)),
    ("rfc4475/mismatch02.dat", Fault(400, true)),
    ("rfc4475/bigcode.dat", Garbage),
    // Section 3.2, transaction layer
    ("rfc4475/badbranch.dat", Fine),
    // Section 3.3, application layer
    ("rfc4475/insuf.dat", Fault(400, true)),
    ("rfc4475/unkscm.dat", Fine),  // 416 is the proxy's
    ("rfc4475/novelsc.dat", Fine), // likewise
    ("rfc4475/unksm2.dat", Fine),
    ("rfc4475/bext01.dat", Fine), // 420 is the proxy's
    ("rfc4475/invut.dat", Fine),
    ("rfc4475/regaut01.dat", Fine),
    ("rfc4475/multi01.dat", Fault(400, true)),
    ("rfc4475/mcl01.dat", Fault(400, true)),
    ("rfc4475/bcast.dat", Response(200)), // dropped later: not our Via
    ("rfc4475/zeromf.dat", Fine),         // 483 is the proxy's
    ("rfc4475/cparam01.dat", Fine),
    ("rfc4475/cparam02.dat", Fine),
    ("rfc4475/regescrt.dat", Fine),
    ("rfc4475/sdp01.dat", Fine),
    // Section 3.4, backward compatibility
    ("rfc4475/inv2543.dat", Fine),
    // RFC 5118 section 4
    ("rfc5118/ipv6-good", Fine),
    ("rfc5118/ipv6-bad", Fault(400, true)),
    ("rfc5118/port-ambiguous", Fine),
    ("rfc5118/port-unambiguous", Fine),
    ("rfc5118/via-received-param-with-delim", Fine),
    ("rfc5118/via-received-param-no-delim", Fine),
    ("rfc5118/ipv6-in-sdp", Fine),
    ("rfc5118/mult-ip-in-header", Fine),
    ("rfc5118/mult-ip-in-sdp", Fine),
    ("rfc5118/ipv4-mapped-ipv6", Fine),
    ("rfc5118/ipv6-bug-abnf-3-colons", Fault(400, true)),
    ("rfc5118/ipv6-correct-abnf-2-colons", Fine),
];

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

/// Bytes of a message, its kind and its index.
fn read(name: &str) -> (Vec<u8>, Kind, Index) {
    let bytes = fs::read(directory().join(name)).unwrap_or_default();
    assert!(!bytes.is_empty(), "{name} is missing");
    let mut index = Index::new();
    let kind = parse::datagram(&bytes, &mut index);
    (bytes, kind, index)
}

fn verdict(kind: Kind, index: &Index) -> Verdict {
    match (kind, index.start, index.fault) {
        (Kind::Request, _, None) => Fine,
        (Kind::Request, _, Some(fault)) => Fault(fault.status, fault.answerable),
        (Kind::Response, Start::Response { status, .. }, None) => Response(status),
        _ => Garbage,
    }
}

fn request_uri(bytes: &[u8], index: &Index) -> String {
    match index.start {
        Start::Request { uri, .. } => String::from_utf8_lossy(uri.of(bytes)).into_owned(),
        Start::Response { .. } => String::new(),
    }
}

#[test]
fn every_message_gets_its_verdict() {
    let mut wrong = Vec::new();
    for (name, expected) in &EXPECTED {
        let (_, kind, index) = read(name);
        let found = verdict(kind, &index);
        if found != *expected {
            wrong.push(format!(
                "{name}: {found:?} {:?}, expected {expected:?}",
                index.fault
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_message_is_left_out() {
    let mut files = Vec::new();
    for rfc in ["rfc4475", "rfc5118"] {
        for entry in fs::read_dir(directory().join(rfc))
            .into_iter()
            .flatten()
            .flatten()
        {
            files.push(format!("{rfc}/{}", entry.file_name().to_string_lossy()));
        }
    }
    files.sort();
    let mut expected: Vec<_> = EXPECTED
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    expected.sort();
    assert_eq!(files, expected);
}

#[test]
fn every_fault_names_its_cause() {
    for (name, what) in [
        ("rfc4475/badinv01.dat", "parameter without a name"),
        ("rfc4475/clerr.dat", "body shorter than Content-Length"),
        ("rfc4475/ncl.dat", "Content-Length out of range"),
        ("rfc4475/scalar02.dat", "CSeq out of range"),
        ("rfc4475/scalarlg.dat", "CSeq out of range"),
        ("rfc4475/quotbal.dat", "quotes not closed"),
        ("rfc4475/ltgtruri.dat", "malformed request URI"),
        ("rfc4475/lwsruri.dat", "malformed request URI"),
        ("rfc4475/lwsstart.dat", "white space in the request line"),
        ("rfc4475/trws.dat", "white space in the request line"),
        ("rfc4475/escruri.dat", "headers in the request URI"),
        ("rfc4475/badaspec.dat", "address not closed by >"),
        ("rfc4475/baddn.dat", "comma in an address without brackets"),
        ("rfc4475/badvers.dat", "SIP version other than 2.0"),
        (
            "rfc4475/mismatch01.dat",
            "CSeq method differs from the request's",
        ),
        (
            "rfc4475/mismatch02.dat",
            "CSeq method differs from the request's",
        ),
        ("rfc4475/insuf.dat", "no From"),
        ("rfc4475/multi01.dat", "header field twice"),
        ("rfc4475/mcl01.dat", "header field twice"),
        ("rfc5118/ipv6-bad", "malformed request URI"),
    ] {
        let (_, _, index) = read(name);
        assert_eq!(index.fault.map(|fault| fault.what), Some(what), "{name}");
    }
}

#[test]
fn m15_request_uris_are_left_as_they_are() {
    for (name, expected) in [
        (
            "rfc4475/wsinv.dat",
            "sip:vivekg@chair-dnrc.example.com;unknownparam",
        ),
        (
            "rfc4475/esc01.dat",
            "sip:sips%3Auser%40example.com@example.net",
        ),
        (
            "rfc4475/semiuri.dat",
            "sip:user;par=u%40example.net@example.com",
        ),
        ("rfc5118/port-ambiguous", "sip:[2001:db8::10:5070]"),
        ("rfc5118/port-unambiguous", "sip:[2001:db8::10]:5070"),
    ] {
        let (bytes, _, index) = read(name);
        assert_eq!(request_uri(&bytes, &index), expected, "{name}");
    }
}

#[test]
fn users_and_hosts_of_odd_request_uris() {
    let crazy = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*";
    for (name, user, host, port) in [
        (
            "rfc4475/esc01.dat",
            "sips%3Auser%40example.com",
            "example.net",
            None,
        ),
        (
            "rfc4475/semiuri.dat",
            "user;par=u%40example.net",
            "example.com",
            None,
        ),
        ("rfc4475/intmeth.dat", crazy, "example.com", None),
        ("rfc5118/port-ambiguous", "", "[2001:db8::10:5070]", None),
        ("rfc5118/port-unambiguous", "", "[2001:db8::10]", Some(5070)),
    ] {
        let (bytes, _, index) = read(name);
        let text = request_uri(&bytes, &index);
        let uri = uri::parse(text.as_bytes());
        let found = uri.map(|uri| (uri.user.unwrap_or_default(), uri.host, uri.port));
        assert_eq!(
            found,
            Ok((user.as_bytes(), host.as_bytes(), port)),
            "{name}"
        );
    }
}

/// Folds, blanks before colons, odd case, compact forms and two Vias in one field, all in one message.
#[test]
fn m03_wsinv_is_read_like_its_plain_form() {
    let (bytes, _, index) = read("rfc4475/wsinv.dat");
    assert_eq!(index.method, Method::Invite);
    assert_eq!(index.to.tag.of(&bytes), b"1918181833n");
    assert_eq!(index.from.tag.of(&bytes), b"98asjd8");
    assert_eq!(index.from.display.of(&bytes), br#""J Rosenberg \\\"""#);
    assert_eq!(index.from.uri.of(&bytes), b"sip:jdrosen@example.com");
    assert_eq!(index.max_forwards, Some(68));
    assert_eq!(index.call_id.of(&bytes), b"wsinv.ndaksdj@192.0.2.1");
    assert_eq!(
        (index.cseq.number, index.cseq.method.of(&bytes)),
        (9, &b"INVITE"[..])
    );
    assert_eq!(index.content_length, Some(150));
    assert_eq!(index.body.len(), 150);
    assert_eq!(index.via.transport.of(&bytes), b"UDP");
    assert_eq!(index.via.host.of(&bytes), b"192.0.2.2");
    assert_eq!(index.via.branch.of(&bytes), b"390skdjuw");
    assert!(index.via.last_in_field);
    assert_eq!(index.all(Name::Via).count(), 2);
    let routes: Vec<_> = route_elements(&bytes, &index, Name::Route).collect();
    assert_eq!(routes.len(), 1);
    assert!(routes[0].only);
    let route = uri::parse(routes[0].uri.of(&bytes)).map(|uri| (uri.host, uri.is_loose_router()));
    assert_eq!(route, Ok((&b"services.example.com"[..], true)));
}

#[test]
fn m08_bytes_behind_content_length_are_no_part_of_the_message() {
    let (bytes, _, index) = read("rfc4475/dblreq.dat");
    assert_eq!(index.method, Method::Register);
    assert!(index.body.is_empty());
    assert!(bytes.len() > index.body.end as usize);
}

#[test]
fn m17_bodies_are_whole() {
    for (name, length) in [
        ("rfc4475/mpart01.dat", 553),
        ("rfc4475/invut.dat", 40),
        ("rfc4475/sdp01.dat", 150),
    ] {
        let (bytes, _, index) = read(name);
        assert_eq!(index.body.len(), length, "{name}");
        assert_eq!(bytes.len(), index.body.end as usize, "{name}");
    }
}

#[test]
fn m20_ipv6_in_every_place() {
    let (bytes, _, index) = read("rfc5118/via-received-param-with-delim");
    assert_eq!(index.via.received.of(&bytes), b"[2001:db8::9:255]");
    let (bytes, _, index) = read("rfc5118/via-received-param-no-delim");
    assert_eq!(index.via.received.of(&bytes), b"2001:db8::9:255");
    let (bytes, _, index) = read("rfc5118/ipv4-mapped-ipv6");
    assert_eq!(
        (index.via.host.of(&bytes), index.via.port),
        (&b"[::ffff:192.0.2.10]"[..], Some(19823))
    );
}

#[test]
fn x12_badbranch_has_no_unique_branch() {
    let (bytes, _, index) = read("rfc4475/badbranch.dat");
    assert!(!index.via.has_unique_branch(&bytes));
    let (bytes, _, index) = read("rfc4475/esc02.dat");
    assert!(index.via.has_unique_branch(&bytes));
}

#[test]
fn a_message_without_fault_is_its_pieces() {
    for (name, _) in EXPECTED {
        let (bytes, kind, index) = read(name);
        if index.fault.is_some() || kind == Kind::Garbage {
            continue;
        }
        let mut pieces = index.start_line.of(&bytes).to_vec();
        for field in &index.fields {
            pieces.extend_from_slice(field.line.of(&bytes));
        }
        pieces.extend_from_slice(index.blank.of(&bytes));
        pieces.extend_from_slice(index.body.of(&bytes));
        assert_eq!(pieces, bytes[..index.body.end as usize], "{name}");
    }
}
