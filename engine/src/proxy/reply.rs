//! Responses: our own (RFC 3261 8.2.6), and those that pass through (16.7).

use crate::dialog::Reveal;
use crate::message::{Index, Name, Start};
use crate::print;
use crate::proxy::forward::{changes, write_changed};
use crate::proxy::sieve::Sieve;
use crate::transport::Transport;

/// A response of our own.
pub struct Reply<'a> {
    /// SIP status.
    pub status: u16,
    /// Reason phrase.
    pub phrase: &'a str,
    /// The top Via value with received and rport; None: as it came.
    pub via: Option<&'a [u8]>,
    /// Added to the To header if it has no tag; None for 100 (17.2.1).
    pub tag: Option<u64>,
    /// Whole header lines.
    pub extra: &'a [u8],
    /// Whole Server header line; empty: none.
    pub server: &'a [u8],
}

/// Print it, for the request that it answers.
pub fn print(out: &mut Vec<u8>, bytes: &[u8], index: &Index, reply: &Reply) {
    let Reply {
        status,
        phrase,
        via,
        tag,
        extra,
        server,
    } = *reply;
    out.extend_from_slice(b"SIP/2.0 ");
    print::decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(phrase.as_bytes());
    out.extend_from_slice(b"\r\n");
    write_vias(out, bytes, index, via);
    for field in &index.fields {
        match field.name {
            Name::To if index.to.tag.is_empty() && tag.is_some() => {
                out.extend_from_slice(b"To: ");
                out.extend_from_slice(field.value.of(bytes));
                out.extend_from_slice(b";tag=sg");
                print::hex(out, tag.unwrap_or_default());
                out.extend_from_slice(b"\r\n");
            }
            Name::From | Name::To | Name::CallId | Name::CSeq => {
                out.extend_from_slice(field.line.of(bytes))
            }
            // 8.2.6.1: a 100 copies the Timestamp.
            Name::Other
                if status == 100 && field.label.of(bytes).eq_ignore_ascii_case(b"Timestamp") =>
            {
                out.extend_from_slice(field.line.of(bytes));
            }
            _ => {}
        }
    }
    out.extend_from_slice(extra);
    out.extend_from_slice(server);
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// The Via lines of a request as its responses carry them; `top`: the topmost value, None: as it came.
pub(crate) fn write_vias(out: &mut Vec<u8>, bytes: &[u8], index: &Index, mut top: Option<&[u8]>) {
    for field in index.all(Name::Via) {
        match top.take() {
            Some(fixed) => {
                out.extend_from_slice(b"Via: ");
                out.extend_from_slice(fixed);
                // Further values of the same line follow as they stand.
                out.extend_from_slice(
                    bytes
                        .get(index.via.value.end as usize..field.line.end as usize)
                        .unwrap_or(b"\r\n"),
                );
            }
            None => out.extend_from_slice(field.line.of(bytes)),
        }
    }
}

/// Whether a response has a Via behind the top one: without, it was meant for us and goes no further (16.7 step 3).
pub fn passes(index: &Index) -> bool {
    !index.via.last_in_field || index.all(Name::Via).nth(1).is_some()
}

/// What becomes of a response on its way back.
pub struct Back<'a> {
    /// What carries it.
    pub transport: Transport,
    /// CSeq number of the request that it answers, as its sender gave it.
    pub cseq: u32,
    /// What it carries in place of what came back; None: that as it is.
    pub reveal: Option<&'a Reveal>,
    /// What its sender may not tell.
    pub sieve: &'a Sieve,
    /// Whole header lines that are added.
    pub extra: &'a [u8],
}

/// Print a response that came in, without its top Via (16.7 step 3); nothing else changes, but for what `back`
/// says, and that a stream needs a Content-Length.
///
/// Returns false where no further Via is left: such a response was meant for us and goes no further.
pub fn pass(out: &mut Vec<u8>, bytes: &[u8], index: &Index, back: &Back) -> bool {
    let mask = back.reveal.map(|reveal| reveal.mask(bytes, index));
    let mask = mask.as_ref();
    let hidden = mask.and_then(|mask| mask.hidden.as_ref());
    if hidden.is_none() && !passes(index) {
        return false;
    }
    let mut copied = 0;
    if let Some(hidden) = hidden {
        out.extend_from_slice(index.start_line.of(bytes));
        out.extend_from_slice(&hidden.vias);
        out.extend_from_slice(&hidden.record_routes);
        copied = index.start_line.end as usize;
    }
    // A Contact beyond 2xx names places to call instead, and none of those is ours.
    let mut contact = matches!(index.start, Start::Response { status, .. } if status < 300);
    let mut top_via = true;
    for field in &index.fields {
        let via = field.name == Name::Via;
        let top = via && (hidden.is_some() || std::mem::take(&mut top_via));
        let renumbered = field.name == Name::CSeq && index.cseq.number != back.cseq;
        let masked = mask.is_some_and(|mask| changes(mask, field.name));
        let dropped = !masked && back.sieve.drops(index.method, field, bytes);
        if !(top || renumbered || masked || dropped) {
            continue;
        }
        out.extend_from_slice(
            bytes
                .get(copied..field.line.start as usize)
                .unwrap_or_default(),
        );
        copied = field.line.end as usize;
        if renumbered {
            out.extend_from_slice(b"CSeq: ");
            print::decimal(out, u64::from(back.cseq));
            out.push(b' ');
            out.extend_from_slice(index.cseq.method.of(bytes));
            out.extend_from_slice(b"\r\n");
        } else if masked {
            write_changed(out, bytes, field, mask, &mut contact);
        } else if top && hidden.is_none() && !index.via.last_in_field {
            print::header(out, b"Via", index.via.rest.of(bytes));
        }
    }
    out.extend_from_slice(
        bytes
            .get(copied..index.blank.start as usize)
            .unwrap_or_default(),
    );
    out.extend_from_slice(back.extra);
    out.extend_from_slice(&back.sieve.lines);
    let body = index.body.of(bytes);
    if back.transport.is_reliable() && index.content_length.is_none() {
        print::content_length(out, body.len());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    true
}
