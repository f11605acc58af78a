//! Requests that are made out of an INVITE that was sent: ACK of a refusal (17.1.1.3) and CANCEL (9.1).

use crate::message::{Index, Name, Start};
use crate::parse::{self, Kind};
use crate::print;

/// Print an ACK or a CANCEL for `request`, an INVITE as we sent it.
///
/// `to`: value of the response's To header, for an ACK; None: the request's own. `extra`: whole header lines.
/// False where the request cannot be read back, which would be a mistake of ours: nothing is printed then.
pub fn print(
    out: &mut Vec<u8>,
    request: &[u8],
    method: &[u8],
    to: Option<&[u8]>,
    extra: &[u8],
) -> bool {
    let mut index = Index::default();
    if parse::datagram(request, &mut index) != Kind::Request {
        return false;
    }
    let Start::Request { uri, .. } = index.start else {
        return false;
    };
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(uri.of(request));
    out.extend_from_slice(b" SIP/2.0\r\n");
    let mut vias = 0;
    for field in &index.fields {
        match field.name {
            Name::Via => {
                vias += 1;
                // A single Via, equal to the top one of the INVITE; we print ours on a line of its own.
                if vias == 1 {
                    out.extend_from_slice(field.line.of(request));
                }
            }
            Name::To => match to {
                Some(value) => print::header(out, b"To", value),
                None => out.extend_from_slice(field.line.of(request)),
            },
            Name::From | Name::CallId | Name::Route => {
                out.extend_from_slice(field.line.of(request))
            }
            _ => {}
        }
    }
    out.extend_from_slice(b"CSeq: ");
    print::decimal(out, u64::from(index.cseq.number));
    out.push(b' ');
    out.extend_from_slice(method);
    out.extend_from_slice(b"\r\nMax-Forwards: 70\r\n");
    out.extend_from_slice(extra);
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    true
}
