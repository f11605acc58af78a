//! Requests of our own inside a dialog: the BYE of a hang-up, the ACK and BYE of an answer that nobody
//! wants any more. We speak for the one end to the other, so CSeq goes on where that end stopped.

use crate::dialog::{route_uri, Party};
use crate::header;
use crate::print;
use crate::proxy::forward::write_via;
use crate::transport::Hop;
use crate::uri;

/// Request URI and Route value for requests towards a party (12.2.1.1).
///
/// A strict router in front (no `lr`) becomes the request URI, and the remote target the last route.
pub fn route_plan(party: &Party) -> (Vec<u8>, Vec<u8>) {
    let mut elements = header::elements(&party.routes);
    let strict = elements
        .next()
        .and_then(route_uri)
        .filter(|first| uri::parse(first).is_ok_and(|first| !first.is_loose_router()));
    match strict {
        None => (party.target.to_vec(), party.routes.to_vec()),
        Some(first) => {
            let mut routes = Vec::new();
            for element in elements {
                routes.extend_from_slice(element.trim_ascii());
                routes.extend_from_slice(b", ");
            }
            routes.push(b'<');
            routes.extend_from_slice(&party.target);
            routes.push(b'>');
            (first.to_vec(), routes)
        }
    }
}

/// A request of our own, as if `from` had sent it to `to`.
pub struct Own<'a> {
    /// ACK or BYE.
    pub method: &'a [u8],
    /// CSeq number.
    pub cseq: u32,
    /// Whom we speak for.
    pub from: &'a [u8],
    /// Whom we speak to.
    pub to: &'a Party,
    /// Call-ID.
    pub call_id: &'a [u8],
    /// What we call ourselves where it goes.
    pub hop: Hop<'a>,
    /// Random part of the branch.
    pub branch: u64,
    /// Value of a Reason header (RFC 3326); empty: none.
    pub reason: &'a [u8],
}

/// Print it.
pub fn print(out: &mut Vec<u8>, own: &Own) {
    let (request_uri, routes) = route_plan(own.to);
    out.extend_from_slice(own.method);
    out.push(b' ');
    out.extend_from_slice(&request_uri);
    out.extend_from_slice(b" SIP/2.0\r\n");
    write_via(out, own.hop, own.branch, None);
    if !routes.is_empty() {
        print::header(out, b"Route", &routes);
    }
    out.extend_from_slice(b"Max-Forwards: 70\r\n");
    print::header(out, b"From", own.from);
    print::header(out, b"To", &own.to.identity);
    print::header(out, b"Call-ID", own.call_id);
    out.extend_from_slice(b"CSeq: ");
    print::decimal(out, u64::from(own.cseq));
    out.push(b' ');
    out.extend_from_slice(own.method);
    out.extend_from_slice(b"\r\n");
    if !own.reason.is_empty() {
        print::header(out, b"Reason", own.reason);
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}
