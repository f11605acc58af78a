//! Request forwarding, RFC 3261 16.6: the message that came in is edited, not rebuilt. What is not named
//! here or held back by screen.rs leaves byte for byte as it came, in its order (16.6 step 1; F-01, M-17).

use crate::dialog::{Hidden, Mask};
use crate::digest::Authenticator;
use crate::header::{self, NameAddr, Params};
use crate::message::{Field, Index, Name, Start};
use crate::print;
use crate::proxy::session::SessionEdit;
use crate::proxy::sieve::Sieve;
use crate::transaction::key::write_branch;
use crate::transport::{Hop, Transport};

/// The edits of one forwarding.
pub struct Edits<'a> {
    /// Step 2.
    pub request_uri: &'a [u8],
    /// Step 8: what we call ourselves where it goes.
    pub hop: Hop<'a>,
    /// Step 8: random part of the branch.
    pub branch: u64,
    /// Step 8: what a later request is told a loop by (RFC 5393 4.2); None: it cannot come round again.
    pub loop_key: Option<u64>,
    /// The top Via as it was received, with received and rport (18.2.1, RFC 3581); None: as it stands.
    pub via: Option<&'a [u8]>,
    /// Step 4; None: not dialog-forming.
    pub record_route: Option<RecordRoute<'a>>,
    /// Steps 6 and 7: value of the Route header that replaces all that came in; empty: none.
    pub routes: &'a [u8],
    /// What the sender may not tell.
    pub sieve: &'a Sieve,
    /// Credentials for its realm were for us, and go no further (22.3, checklist I-02).
    pub authenticator: Option<&'a Authenticator>,
    /// What it carries in place of what came in; None: all of that.
    pub mask: Option<&'a Mask>,
    /// New numbers for CSeq and RAck; None: as they came.
    pub renumber: Option<Renumber>,
    /// What of the session timers changes (RFC 4028 8.1).
    pub session: SessionEdit,
    /// How many branches it may become further on (RFC 5393 5.3); None: as many as it came with.
    pub breadth: Option<u64>,
}

/// Numbers of a request in a dialog in which we have sent requests of our own.
#[derive(Clone, Copy)]
pub struct Renumber {
    /// Number for CSeq.
    pub cseq: u32,
    /// Number of an INVITE for RAck (RFC 3262 7.2); None: the request has none.
    pub rack: Option<u32>,
}

/// What we put into Record-Route.
pub struct RecordRoute<'a> {
    /// The key of the call.
    pub token: u64,
    /// What we call ourselves where the request came from. Where that is not what we call ourselves where it
    /// goes, each side gets a value of its own: the inner one is for the caller (RFC 5658, section 4).
    pub inbound: Hop<'a>,
    /// The request URI is `sips`, so ours is too (16.6 step 4).
    pub secure: bool,
}

/// Print the request as it leaves.
pub fn print(out: &mut Vec<u8>, bytes: &[u8], index: &Index, edits: &Edits) {
    let Start::Request { method, .. } = index.start else {
        return;
    };
    out.extend_from_slice(method.of(bytes));
    out.push(b' ');
    out.extend_from_slice(edits.request_uri);
    out.extend_from_slice(b" SIP/2.0\r\n");
    write_via(out, edits.hop, edits.branch, edits.loop_key);
    let hidden = edits.mask.and_then(|mask| mask.hidden.as_ref());
    if let Some(hidden) = hidden {
        out.extend_from_slice(&hidden.vias);
    }
    if let Some(route) = &edits.record_route {
        write_record_route(out, edits.hop, route.token, route.secure);
        if route.inbound != edits.hop && hidden.is_none() {
            write_record_route(out, route.inbound, route.token, route.secure);
        }
    }
    if !edits.routes.is_empty() {
        print::header(out, b"Route", edits.routes);
    }
    let mut copied = index.start_line.end as usize;
    let mut top_via = edits.via;
    let mut session = edits.session;
    let mut contact = true;
    let mut keep_until = |out: &mut Vec<u8>, until: u32, next: u32| {
        out.extend_from_slice(bytes.get(copied..until as usize).unwrap_or_default());
        copied = next as usize;
    };
    for field in &index.fields {
        match field.name {
            Name::Via if hidden.is_some() => keep_until(out, field.line.start, field.line.end),
            Name::Via => {
                if let Some(fixed) = top_via.take() {
                    keep_until(out, field.line.start, field.line.end);
                    out.extend_from_slice(b"Via: ");
                    out.extend_from_slice(fixed);
                    // Further values of the same line follow as they stand.
                    out.extend_from_slice(
                        bytes
                            .get(index.via.value.end as usize..field.line.end as usize)
                            .unwrap_or(b"\r\n"),
                    );
                }
            }
            Name::MaxForwards => {
                keep_until(out, field.line.start, field.line.end);
                out.extend_from_slice(b"Max-Forwards: ");
                print::decimal(
                    out,
                    u64::from(index.max_forwards.unwrap_or(70).saturating_sub(1)),
                );
                out.extend_from_slice(b"\r\n");
            }
            Name::MaxBreadth if edits.breadth.is_some() => {
                keep_until(out, field.line.start, field.line.end);
            }
            Name::Route => keep_until(out, field.line.start, field.line.end),
            _ if edits.mask.is_some_and(|mask| changes(mask, field.name)) => {
                keep_until(out, field.line.start, field.line.end);
                write_changed(out, bytes, field, edits.mask, &mut contact);
            }
            Name::ProxyAuthorization | Name::Authorization
                if edits
                    .authenticator
                    .is_some_and(|ours| ours.is_ours(field.value.of(bytes))) =>
            {
                keep_until(out, field.line.start, field.line.end);
            }
            Name::CSeq | Name::RAck if edits.renumber.is_some() => {
                let numbers = edits.renumber.unwrap_or(Renumber {
                    cseq: 0,
                    rack: None,
                });
                keep_until(out, field.line.start, field.line.end);
                renumber(out, field.name, field.value.of(bytes), numbers);
            }
            Name::SessionExpires | Name::MinSe => {
                let (mut line, start, end) = (Vec::new(), field.line.start, field.line.end);
                if session.replaces(&mut line, bytes, field) {
                    keep_until(out, start, end);
                    out.extend_from_slice(&line);
                }
            }
            _ if edits.sieve.drops(index.method, field, bytes) => {
                keep_until(out, field.line.start, field.line.end);
            }
            _ => {}
        }
    }
    keep_until(out, index.blank.start, index.blank.end);
    if index.max_forwards.is_none() {
        out.extend_from_slice(b"Max-Forwards: 70\r\n");
    }
    if let Some(breadth) = edits.breadth {
        out.extend_from_slice(b"Max-Breadth: ");
        print::decimal(out, breadth);
        out.extend_from_slice(b"\r\n");
    }
    session.append(out);
    out.extend_from_slice(&edits.sieve.lines);
    let body = index.body.of(bytes);
    if index.content_length.is_none() && (edits.hop.transport.is_reliable() || body.len() > LARGE) {
        print::content_length(out, body.len()); // step 10
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// Whether a field of that name is another one behind a mask.
pub(crate) fn changes(mask: &Mask, name: Name) -> bool {
    match name {
        Name::From => mask.from.is_some(),
        Name::To => mask.to.is_some(),
        Name::CallId => mask.call_id.is_some(),
        Name::ReferTo => mask.refer_to.is_some(),
        Name::Contact | Name::RecordRoute => mask.hidden.is_some(),
        _ => false,
    }
}

/// Print such a field as the mask has it. `contact`: whether a Contact may still be printed; there is one of us.
pub(crate) fn write_changed(
    out: &mut Vec<u8>,
    bytes: &[u8],
    field: &Field,
    mask: Option<&Mask>,
    contact: &mut bool,
) {
    let Some(mask) = mask else { return };
    let (label, value): (&[u8], Option<&[u8]>) = match field.name {
        Name::From => (b"From", mask.from.as_deref()),
        Name::To => (b"To", mask.to.as_deref()),
        Name::CallId => (b"Call-ID", mask.call_id.as_deref()),
        Name::ReferTo => (b"Refer-To", mask.refer_to.as_deref()),
        Name::Contact => {
            if let (Some(hidden), true) = (&mask.hidden, std::mem::take(contact)) {
                write_contact(out, bytes, field, hidden);
            }
            return;
        }
        _ => return,
    };
    if let Some(value) = value {
        print::header(out, label, value);
    }
}

/// Our Contact in the place of a peer's, with what that says of its abilities (RFC 3840), but for what names the
/// peer itself (RFC 5626, RFC 5627).
fn write_contact(out: &mut Vec<u8>, bytes: &[u8], field: &Field, hidden: &Hidden) {
    out.extend_from_slice(b"Contact: <");
    out.extend_from_slice(&hidden.contact);
    out.push(b'>');
    let first = header::element_spans(bytes, field.value).next();
    let params = first
        .and_then(|element| NameAddr::parse(bytes, element).ok())
        .map(|address| address.params)
        .unwrap_or_default();
    for param in Params::new(bytes, params).flatten() {
        let name = param.name.of(bytes);
        let tells = [&b"+sip.instance"[..], b"reg-id", b"pub-gruu", b"temp-gruu"]
            .iter()
            .any(|one| name.eq_ignore_ascii_case(one));
        if !tells {
            out.push(b';');
            out.extend_from_slice(name);
            if let Some(value) = param.value {
                out.push(b'=');
                out.extend_from_slice(value.of(bytes));
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// A request URI as it came, without the parameter that may not stand in one (19.1.1, table 1).
pub fn as_request_uri(text: &[u8]) -> Vec<u8> {
    // After the last '@', for a user part may hold a ';' of its own.
    let host = memchr::memrchr(b'@', text).map_or(0, |at| at + 1);
    let Some(params) = memchr::memchr(b';', &text[host..]).map(|at| host + at) else {
        return text.to_vec();
    };
    let mut uri = text[..params].to_vec();
    for param in text[params + 1..].split(|byte| *byte == b';') {
        let name = param.split(|byte| *byte == b'=').next().unwrap_or_default();
        if !name.eq_ignore_ascii_case(b"method") {
            uri.push(b';');
            uri.extend_from_slice(param);
        }
    }
    uri
}

/// CSeq and RAck with their new numbers; the rest of the value stays.
fn renumber(out: &mut Vec<u8>, name: Name, value: &[u8], numbers: Renumber) {
    let mut words = value
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty());
    let (label, number): (&[u8], _) = match name {
        Name::RAck => (b"RAck: ", numbers.rack),
        _ => (b"CSeq: ", Some(numbers.cseq)),
    };
    out.extend_from_slice(label);
    if name == Name::RAck {
        out.extend_from_slice(words.next().unwrap_or_default());
        out.push(b' ');
    }
    let old = words.next().unwrap_or_default();
    match number {
        Some(number) => print::decimal(out, u64::from(number)),
        None => out.extend_from_slice(old),
    }
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
    out.extend_from_slice(b"\r\n");
}

/// A body beyond this may make the request too large for UDP (18.1.1).
const LARGE: usize = 256;

/// `Via: SIP/2.0/UDP host:port;branch=...`
pub fn write_via(out: &mut Vec<u8>, hop: Hop, branch: u64, loop_key: Option<u64>) {
    out.extend_from_slice(b"Via: SIP/2.0/");
    out.extend_from_slice(hop.transport.name().as_bytes());
    out.push(b' ');
    out.extend_from_slice(hop.sent_by.as_bytes());
    out.extend_from_slice(b";branch=");
    write_branch(out, branch);
    if let Some(key) = loop_key {
        print::hex(out, key);
    }
    out.extend_from_slice(b"\r\n");
}

/// Name of the parameter that carries the key of a call in our Record-Route URI.
pub const TOKEN: &[u8] = b"sg";

/// `Record-Route: <...>` with our URI.
pub(crate) fn write_record_route(out: &mut Vec<u8>, hop: Hop, token: u64, secure: bool) {
    out.extend_from_slice(b"Record-Route: <");
    write_own_uri(out, hop, b";lr", token, secure);
    out.extend_from_slice(b">\r\n");
}

/// Our URI with the key of a call, as one side reaches it.
pub(crate) fn write_own_uri(out: &mut Vec<u8>, hop: Hop, params: &[u8], token: u64, secure: bool) {
    out.extend_from_slice(if secure { &b"sips:"[..] } else { b"sip:" });
    out.extend_from_slice(hop.sent_by.as_bytes());
    // RFC 5630 3.1.3: of a sips URI TLS goes without saying. In a sip URI transport=tls is what peers understand,
    // though RFC 3261 26.2.2 had deprecated it.
    match hop.transport {
        Transport::Tcp => out.extend_from_slice(b";transport=tcp"),
        Transport::Tls if !secure => out.extend_from_slice(b";transport=tls"),
        Transport::Udp | Transport::Tls => {}
    }
    out.extend_from_slice(params);
    out.extend_from_slice(b";sg=");
    print::hex(out, token);
}
