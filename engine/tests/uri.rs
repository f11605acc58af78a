//! URIs: parts, what is refused, parameters, escapes and comparison (RFC 3261 section 19.1, RFC 3966).

use sipguard_engine::uri::{self, Scheme, Uri, UriError};

fn text(part: &[u8]) -> &str {
    std::str::from_utf8(part).unwrap_or("not UTF-8")
}

/// User, password, host, port, parameters, headers.
type Parts<'a> = (
    Option<&'a str>,
    Option<&'a str>,
    &'a str,
    Option<u16>,
    &'a str,
    &'a str,
);

fn parts<'a>(uri: &Uri<'a>) -> Parts<'a> {
    (
        uri.user.map(text),
        uri.password.map(text),
        text(uri.host),
        uri.port,
        text(uri.params),
        text(uri.headers),
    )
}

#[test]
fn parts_of_uris() {
    let cases: [(&str, Scheme, Parts<'_>); 14] = [
        ("sip:b", Scheme::Sip, (None, None, "b", None, "", "")),
        (
            "SIP:a@B.example.",
            Scheme::Sip,
            (Some("a"), None, "B.example.", None, "", ""),
        ),
        (
            "sips:a:pw@b:5061;x",
            Scheme::Sips,
            (Some("a"), Some("pw"), "b", Some(5061), "x", ""),
        ),
        (
            "sip:a:@b",
            Scheme::Sip,
            (Some("a"), Some(""), "b", None, "", ""),
        ),
        (
            "sip:a@b;lr;p=1?h=v&i=",
            Scheme::Sip,
            (Some("a"), None, "b", None, "lr;p=1", "h=v&i="),
        ),
        (
            "sip:a;b=1?c/d@e?f=g",
            Scheme::Sip,
            (Some("a;b=1?c/d"), None, "e", None, "", "f=g"),
        ),
        (
            "sip:888#4420@192.0.2.1:05060",
            Scheme::Sip,
            (Some("888#4420"), None, "192.0.2.1", Some(5060), "", ""),
        ),
        (
            "sip:[2001:db8::1]:5070;lr",
            Scheme::Sip,
            (None, None, "[2001:db8::1]", Some(5070), "lr", ""),
        ),
        (
            "sip:a@my_pbx",
            Scheme::Sip,
            (Some("a"), None, "my_pbx", None, "", ""),
        ),
        (
            "sip:a@5c2f1a9d8b",
            Scheme::Sip,
            (Some("a"), None, "5c2f1a9d8b", None, "", ""),
        ),
        (
            "tel:+1-201-555-0123",
            Scheme::Tel,
            (Some("+1-201-555-0123"), None, "", None, "", ""),
        ),
        (
            "TEL:7042;phone-context=b.c",
            Scheme::Tel,
            (Some("7042"), None, "", None, "phone-context=b.c", ""),
        ),
        (
            "soap.beep://192.0.2.103:3002",
            Scheme::Other,
            (None, None, "", None, "", ""),
        ),
        (
            "nobodyKnowsThisScheme:totallyopaque",
            Scheme::Other,
            (None, None, "", None, "", ""),
        ),
    ];
    for (uri, scheme, expected) in cases {
        let found = uri::parse(uri.as_bytes());
        assert_eq!(
            found.as_ref().map(|uri| (uri.scheme, parts(uri))),
            Ok((scheme, expected)),
            "{uri}"
        );
    }
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    use UriError::{Byte, Escape, Headers, Host, Parameter, Port, Scheme, User};
    let cases = [
        ("", Scheme),
        ("sip:", Scheme),
        ("sip", Scheme),
        (":a@b", Scheme),
        ("1sip:a@b", Scheme),
        ("<sip:a@b>", Scheme),
        (" sip:a@b", Scheme),
        ("sip:442079460000@evil@sg", User),
        ("sip:@b", User),
        ("sip::pw@b", User),
        ("sip:a:b:c@d", User),
        ("sip:a b@c", User),
        ("sip:a\"b@c", User),
        ("sip:a<b@c", User),
        ("sip:\u{661}\u{662}@c", User),
        ("sip:[::1];x=a@b", User),
        ("sip:a%@b", Escape),
        ("sip:a%4@b", Escape),
        ("sip:%Z%45@b", Escape),
        ("sip:a@b;p=%4", Escape),
        ("sip:a@", Host),
        ("sip:a@.b", Host),
        ("sip:a@b..c", Host),
        ("sip:a@-b", Host),
        ("sip:a@b c", Host),
        ("sip:a@b#f", Host),
        ("sip:a@b,c", Host),
        ("sip:2001:db8::10", Host),
        ("sip:a@[::1", Host),
        ("sip:a@[::1]x", Host),
        ("sip:a@[2001:db8:::192.0.2.1]", Host),
        ("sip:a@[192.0.2.1]", Host),
        ("sip:a@[fe80::1%eth0]", Host),
        ("sip:a@127.1", Host),
        ("sip:a@2130706433", Host),
        ("sip:a@0x7f000001", Host),
        ("sip:a@127.0.0.0x1", Host),
        ("sip:a@010.0.0.1", Host),
        ("sip:a@256.0.0.1", Host),
        ("sip:a@1.2.3.4.", Host),
        ("sip:a@b:", Port),
        ("sip:a@b:0", Port),
        ("sip:a@b:65536", Port),
        ("sip:a@b:+5060", Port),
        ("sip:a@b:5060x", Port),
        ("sip:a@b:18446744073709556676", Port),
        ("sip:a@b;", Parameter),
        ("sip:a@b;;lr", Parameter),
        ("sip:a@b;p=", Parameter),
        ("sip:a@b;=v", Parameter),
        ("sip:a@b;p=\"v\"", Parameter),
        ("sip:a@b;p=<v>", Parameter),
        ("sip:a@b;maddr=c;maddr=d", Parameter),
        ("sip:a@b;transport=udp;%74ransport=tcp", Parameter),
        ("sip:a@b?", Headers),
        ("sip:a@b?h=<v>", Headers),
        ("tel:", Scheme),
        ("tel:+", User),
        ("tel:-", User),
        ("tel:+1 201", User),
        ("tel:1;x=", Parameter),
        ("isbn:1 2", Byte),
    ];
    for (uri, expected) in cases {
        assert_eq!(uri::parse(uri.as_bytes()).err(), Some(expected), "{uri}");
    }
}

#[test]
fn parameters_by_name() {
    let Ok(uri) = uri::parse(b"sip:h;%6C%72;n%61me=v%61lue%25%34%31;Transport=TCP") else {
        panic!("esc01's Contact must parse");
    };
    assert_eq!(uri.param(b"name"), Some(Some(&b"v%61lue%25%34%31"[..])));
    assert_eq!(uri.param(b"transport"), Some(Some(&b"TCP"[..])));
    assert_eq!(uri.param(b"lr"), Some(None));
    assert!(uri.is_loose_router());
    assert_eq!(uri.param(b"maddr"), None);
    assert_eq!(uri.param(b""), None);
    assert_eq!(
        uri::parse(b"sip:lr@h?lr").map(|uri| uri.is_loose_router()),
        Ok(false)
    );
}

#[test]
fn addresses_and_names() {
    for (uri, expected) in [
        ("sip:192.0.2.1:5060", Some("192.0.2.1")),
        ("sip:a@[2001:DB8::1]", Some("2001:db8::1")),
        ("sip:a@example.com", None),
        ("tel:123", None),
    ] {
        let found = uri::parse(uri.as_bytes()).map(|uri| uri.ip().map(|ip| ip.to_string()));
        assert_eq!(found, Ok(expected.map(str::to_owned)), "{uri}");
    }
}

#[test]
fn m15_unescape_once() {
    let once = |text: &str| {
        let mut out = Vec::new();
        uri::unescape(text.as_bytes(), &mut out).map(|()| out)
    };
    assert_eq!(
        once("sips%3Auser%40example.com"),
        Ok(b"sips:user@example.com".to_vec())
    );
    assert_eq!(once("%2541"), Ok(b"%41".to_vec()));
    assert_eq!(once("a%00b"), Ok(b"a\0b".to_vec()));
    assert_eq!(once(""), Ok(vec![]));
    for text in ["%", "%4", "%4g", "%%41"] {
        assert_eq!(once(text), Err(UriError::Escape), "{text}");
    }
}

/// The examples of section 19.1.4, and some more of their kinds.
#[test]
fn m15_comparison() {
    let equal = [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:carol@chicago.com;newparam=5",
            "sip:carol@chicago.com;security=on",
        ),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@a.com?subject=project%20x&priority=urgent",
            "sip:alice@a.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@b;lr", "sip:a@b"),
        // Against 19.1.1, and yet no reason to differ from itself.
        ("sip:a;p=u%41a;p=u", "sip:a;p=u%41a;p=u"),
        ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
    ];
    let different = [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:a;p=x;p=y", "sip:a;p=x;p=z"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("sip:a:pw@b", "sip:a@b"),
        ("sip:a@b", "sip:a@b;maddr=c"),
        ("sip:a%2Bb@c", "sip:a+b@c"),
        ("sip:a@b?x=1&x=1", "sip:a@b?x=1&x=2"),
        ("tel:+1201", "tel:1201"),
        ("tel:7042;phone-context=a.b", "tel:7042"),
        ("isbn:1", "isbn:1"),
    ];
    for (pairs, expected) in [(&equal[..], true), (&different[..], false)] {
        for (a, b) in pairs {
            let (Ok(first), Ok(second)) = (uri::parse(a.as_bytes()), uri::parse(b.as_bytes()))
            else {
                panic!("{a} or {b} does not parse");
            };
            assert_eq!(first.is_equivalent(&second), expected, "{a} {b}");
            assert_eq!(second.is_equivalent(&first), expected, "{b} {a}");
        }
    }
}

#[test]
fn c11_ten_thousand_parameters_are_read_but_not_compared() {
    let long = format!("sip:a@b{}", ";p=1".repeat(10_000));
    let uri = uri::parse(long.as_bytes());
    assert_eq!(uri.map(|uri| uri.param(b"q")), Ok(None));
    assert_eq!(uri.map(|uri| uri.is_equivalent(&uri)), Ok(false));
}
