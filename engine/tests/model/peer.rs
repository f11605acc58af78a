//! What callers and gateways write.

use sipguard_engine::digest::Algorithm;

use super::step::Request;

pub const REALM: &str = "example";
const PASSWORD: &str = "wonder land";

/// Headers that have a proxy do something, in requests and in responses.
const EXTRAS: [&str; 22] = [
    "",
    "",
    "",
    "Record-Route: <sip:10.0.0.9;lr>\r\n",
    "Record-Route: <sip:strict@10.0.0.9>, <sip:proxy.example;lr>\r\n",
    "Route: <sip:203.0.113.5;lr>\r\n",
    "Route: <sip:203.0.113.5;lr>, <sip:198.51.100.2;lr>\r\n",
    "Privacy: id;critical\r\nP-Asserted-Identity: <sip:1@x>, <tel:+1>\r\n",
    "Privacy: header;user\r\n",
    "Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n",
    "Session-Expires: 30\r\nMin-SE: 20\r\n",
    "Require: 100rel\r\nRSeq: 1\r\nRAck: 1 1 INVITE\r\n",
    "Proxy-Require: foo\r\n",
    "Refer-To: <sip:900@x?Replaces=1>\r\n",
    "Replaces: 1@x;to-tag=g1;from-tag=caller\r\n",
    "Retry-After: 3\r\nReason: SIP;cause=503\r\n",
    "Proxy-Authorization: Digest realm=\"example\",username=\"alice\",nonce=\"0\",uri=\"sip:x\",response=\"0\"\r\n",
    "Diversion: <sip:1@x>\r\nHistory-Info: <sip:2@x>;index=1\r\nRemote-Party-ID: <sip:3@x>\r\n",
    "Path: <sip:198.51.100.2;lr;ob>\r\nExpires: 60\r\n",
    "Max-Breadth: 1\r\nTimestamp: 54\r\n",
    "v: SIP/2.0/UDP behind.example:5080;branch=z9hG4bKbehind;rport;received=10.0.0.9\r\n",
    "Subject: a\r\n folded\r\n line\r\n",
];
/// Of those, what a proxy believes of trusted peers alone.
pub const NAMES: [&str; 4] = [
    "P-Asserted-Identity: <sip:1@x>, <tel:+1>",
    "Diversion: <sip:1@x>",
    "History-Info: <sip:2@x>;index=1",
    "Remote-Party-ID: <sip:3@x>",
];
const CONTACTS: [&str; 5] = [
    "sip:a@HERE",
    "sip:a@10.0.0.7:5070",
    "sip:a@pbx.example;transport=tcp",
    "sips:a@[2001:db8::7]",
    "sip:a@HERE>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=90;q=0.5;x=<y",
];
const TAGS: [&str; 4] = ["", ";tag=g1", ";tag=g2", ";tag=g3"];
const URIS: [&str; 6] = [
    "sip:88017110@203.0.113.5",
    "sip:gw@198.51.100.1:5060",
    "sips:88017110@203.0.113.5",
    "sip:203.0.113.5",
    "tel:+880-17110",
    "sip:+880(17)110;ext=1:secret@203.0.113.5;user=phone;maddr=203.0.113.5",
];

/// A request of the caller, or of the gateway it called, with Via and Contact at `here`.
pub fn request(of: Request, from_caller: bool, transport: &str, here: &str) -> Vec<u8> {
    let Request {
        method,
        call,
        cseq,
        branch,
        tag,
        extra,
    } = of;
    let tag = TAGS[usize::from(tag) % TAGS.len()];
    let (from, to) = match from_caller {
        true => (";tag=caller", tag),
        false => (tag, ";tag=caller"),
    };
    let branch = if from_caller { branch } else { branch + 100 };
    let extra = usize::from(extra);
    let uri = URIS[if extra > 200 { extra % URIS.len() } else { 0 }];
    let contact = CONTACTS[if extra > 100 {
        extra % CONTACTS.len()
    } else {
        0
    }];
    let contact = contact.replace("HERE", here);
    let body = if extra % 7 == 3 {
        "v=0\r\nm=audio 1 RTP/AVP 0 96\r\n"
    } else {
        ""
    };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {here};branch=z9hG4bKc{call}b{branch}\r\n\
         Max-Forwards: 70\r\nFrom: \"A\" <sip:a@b>{from}\r\nTo: <sip:c@d>{to}\r\nCall-ID: {call}@x\r\n\
         CSeq: {cseq} {method}\r\nContact: <{contact}>\r\n{}Content-Length: {}\r\n\r\n{body}",
        EXTRAS[extra % EXTRAS.len()],
        body.len()
    )
    .into_bytes()
}

/// The answer to what was sent; None where it is nothing that is answered.
pub fn respond(sent: &[u8], status: u16, tag: u8, extra: u8) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(sent).ok()?;
    if text.starts_with("SIP/2.0") || text.starts_with("ACK") {
        return None;
    }
    let mut out = format!("SIP/2.0 {status} X\r\n");
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next()?;
        if ["Via", "v", "From", "Call-ID", "CSeq", "Record-Route"].contains(&name) {
            out.push_str(line);
            out.push_str("\r\n");
        } else if name == "To" {
            out.push_str(line);
            if !line.contains(";tag=") && tag > 0 {
                out.push_str(TAGS[usize::from(tag) % TAGS.len()]);
            }
            out.push_str("\r\n");
        }
    }
    let extra = usize::from(extra);
    let contact = match extra % 5 {
        4 => "sip:gw@gw.example",
        3 => "sip:gw@198.51.100.2;transport=tcp",
        _ => "sip:gw@198.51.100.1:5060",
    };
    let body = if extra % 3 == 1 {
        "v=0\r\nm=audio 1 RTP/AVP 0\r\n"
    } else {
        ""
    };
    out.push_str(&format!(
        "Contact: <{contact}>\r\n{}Content-Length: {}\r\n\r\n{body}",
        EXTRAS[extra % EXTRAS.len()],
        body.len()
    ));
    Some(out.into_bytes())
}

/// What Ha1 holds for alice.
pub fn ha1(algorithm: Algorithm) -> Vec<u8> {
    algorithm.hash(&[b"alice", REALM.as_bytes(), PASSWORD.as_bytes()])
}

/// The request again with the credentials that a challenge asked for (RFC 7616 section 3.4); None: nothing that can
/// be answered so.
pub fn authorized(request: &[u8], challenge: &[u8], serial: usize) -> Option<Vec<u8>> {
    let (request, challenge) = (
        std::str::from_utf8(request).ok()?,
        std::str::from_utf8(challenge).ok()?,
    );
    let nonce = challenge.split_once("nonce=\"")?.1.split_once('"')?.0;
    let mut words = request.split(' ');
    let (method, uri) = (words.next()?, words.next()?);
    let ha2 = Algorithm::Sha256.hash(&[method.as_bytes(), uri.as_bytes()]);
    let count = format!("{serial:08x}");
    let parts: [&[u8]; 6] = [
        &ha1(Algorithm::Sha256),
        nonce.as_bytes(),
        count.as_bytes(),
        b"c",
        b"auth",
        &ha2,
    ];
    let response = Algorithm::Sha256.hash(&parts);
    let name = match method {
        "REGISTER" => "Authorization",
        _ => "Proxy-Authorization",
    };
    let credentials = format!(
        "{name}: Digest username=\"alice\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{}\", \
         algorithm=SHA-256, qop=auth, nc={count}, cnonce=\"c\"\r\nContent-Length:",
        String::from_utf8_lossy(&response)
    );
    let again = request
        .replacen("Content-Length:", &credentials, 1)
        .replacen("z9hG4bK", &format!("z9hG4bKauth{serial}"), 1);
    Some(again.into_bytes())
}
