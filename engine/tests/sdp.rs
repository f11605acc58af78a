//! Codecs of session descriptions, for call records (RFC 8866, RFC 3551).

use proptest::prelude::*;
use sipguard_engine::message::Index;
use sipguard_engine::{parse, sdp};

/// Codecs of an INVITE with this Content-Type and body.
fn codecs(kind: &str, body: &[u8]) -> String {
    let mut message = format!(
        "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
         To: <sip:1@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{kind}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    let mut index = Index::default();
    let _ = parse::datagram(&message, &mut index);
    sdp::codecs(&message, &index)
}

const SDP: &str = "Content-Type: application/sdp\r\n";

#[test]
fn codecs_of_descriptions() {
    let audio = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 h\r\nt=0 0\r\nm=audio 4000 RTP/AVP";
    let cases = [
        // kind, description, codecs
        (SDP, format!("{audio} 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"), "PCMA,PCMU,telephone-event"),
        ("c: Application/SDP;x=1\r\n", format!("{audio} 18\r\n"), "G729"),
        // Bare line feeds, as some peers send; a map that renames; one of no format.
        (SDP, format!("{audio} 97 0\na=rtpmap:97 opus/48000/2\na=rtpmap:98 iLBC/8000\n").replace('\r', ""), "opus,PCMU"),
        // A number without a map is told as it is; a name once.
        (SDP, format!("{audio} 99 8 96\r\na=rtpmap:96 pcma/8000\r\n"), "99,PCMA"),
        // A map belongs to its own stream; a refused stream counts for nothing.
        (
            SDP,
            format!("{audio} 96\r\na=rtpmap:96 AMR/8000\r\nm=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"),
            "AMR,H264",
        ),
        (SDP, format!("{audio} 0\r\nm=video 0 RTP/AVP 31\r\nm=image 6000 udptl t38\r\n"), "PCMU,t38"),
        (
            "Content-Type: multipart/mixed;boundary=b\r\n",
            format!("--b\r\nContent-Type: application/isup\r\n\r\n\u{1}\u{0}\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{audio} 3\r\n--b--\r\n"),
            "GSM",
        ),
        // Nothing to read, and what would stand in the way of a list.
        (SDP, String::new(), ""),
        (SDP, format!("{audio}\r\nm=\r\nm=audio 1\r\na=rtpmap:\r\na=rtpmap:0\r\n"), ""),
        (SDP, format!("{audio} 96 97 98\r\na=rtpmap:96 a,b/8000\r\na=rtpmap:97 \u{7f}/1\r\na=rtpmap:98 x y/1\r\n"), ""),
        (SDP, format!("{audio} 96\r\na=rtpmap:96 {}/8000\r\n", "n".repeat(25)), ""),
        ("Content-Type: text/plain\r\n", format!("{audio} 0\r\n"), ""),
        ("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", format!("{audio} 0\r\n"), ""),
        ("", format!("{audio} 0\r\n"), ""),
    ];
    for (kind, body, expected) in cases {
        assert_eq!(codecs(kind, body.as_bytes()), expected, "{kind}{body}");
    }
}

#[test]
fn a_description_of_any_length_is_told_in_a_few_words() {
    let formats: Vec<String> = (20..2000).map(|number| number.to_string()).collect();
    let body = format!("m=audio 4000 RTP/AVP {}\r\n", formats.join(" ")).repeat(2);
    assert_eq!(codecs(SDP, body.as_bytes()).split(',').count(), 16);
    let late = format!("a={}\r\nm=audio 4000 RTP/AVP 0\r\n", "x".repeat(5000));
    assert_eq!(codecs(SDP, late.as_bytes()), "");
}

proptest! {
    #[test]
    fn any_body_is_read(body in prop::collection::vec(any::<u8>(), 0..600)) {
        let found = codecs(SDP, &[b"m=audio 1 RTP/AVP 0 96\r\na=rtpmap:96 ", &body[..]].concat());
        prop_assert!(found.starts_with("PCMU"));
        prop_assert!(found.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
