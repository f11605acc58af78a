//! Messages out of a byte stream (RFC 3261 18.3): cut by Content-Length, in pieces of any size.
//!
//! Where a message ends must be beyond doubt, or what one side reads as a body the other judges as a request
//! (bypass C01). So whatever leaves room for two readings of the length ends the connection: a header section
//! that does not end at the first CRLF CRLF, a line end without CR, no Content-Length, two of them, or one that
//! is no plain number (M-10, C04).
//!
//! One kind of message may lack its Content-Length: the request of an element that is older than RFC 3261, as its
//! Via without a branch shows. RFC 2543 section 6.15 has its body last until the connection ends. It is the last
//! message of its connection, whatever follows, so that nothing behind it can be read as a request.

use std::ops::Range;

use crate::header::via::COOKIE;
use crate::message::{Fault, Index, Name};
use crate::parse::{self, Kind, MAX_MESSAGE};

/// Kept by an empty buffer, so that a quiet connection costs little and a busy one allocates nothing.
const KEPT: usize = 8 << 10;

/// What the bytes so far hold next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// Nothing whole.
    More,
    /// The double CRLF of RFC 5626 3.5.1, which wants a CRLF back.
    Ping,
    /// A message; the index is of these bytes.
    Message(Kind, Range<usize>),
    /// Nothing behind this can be read. The request in it, if it is one, may be answered.
    Broken(Kind, Range<usize>),
}

/// Bytes of one connection that were not used yet.
#[derive(Default)]
pub struct Framing {
    buffer: Vec<u8>,
    /// What lies before was used.
    start: usize,
    /// Bytes behind `start` in which the header section does not end.
    scanned: usize,
    /// Length of the message at `start`, once its header section was read.
    length: Option<usize>,
    /// CRLFs seen since the last message, of which two make a ping.
    line_ends: u8,
    /// The message at `start` is the last, and its body what comes until the end.
    lasts: bool,
}

impl Framing {
    /// Whether a message has begun that only the end of the connection, or of its sender's patience, will end:
    /// [`Framing::finish`] has it then.
    pub fn lasts_to_the_end(&self) -> bool {
        self.lasts
    }

    /// The message that lasts to the end, which is now. Nothing may be pushed any more.
    pub fn finish(&mut self, index: &mut Index) -> Option<(Kind, Range<usize>)> {
        if !std::mem::take(&mut self.lasts) {
            return None;
        }
        let (start, end) = (self.start, self.buffer.len());
        self.start = end;
        Some((parse::datagram(&self.buffer[start..end], index), start..end))
    }

    /// Bytes came in.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The bytes of a message that [`Framing::next`] found; valid until the next [`Framing::push`].
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Whether a message has begun and not ended.
    pub fn is_partial(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// Nothing more will be asked of what is here, until more comes.
    pub fn rest(&mut self) {
        if !self.is_partial() && self.buffer.capacity() > KEPT {
            *self = Framing {
                line_ends: self.line_ends,
                ..Framing::default()
            };
        }
    }

    /// The next message or ping. `index` is filled for a message.
    pub fn next(&mut self, index: &mut Index) -> Next {
        if self.scanned == 0 && self.length.is_none() {
            while let [b'\r', b'\n', ..] = self.buffer[self.start..] {
                self.start += 2;
                self.line_ends += 1;
                if self.line_ends == 2 {
                    self.line_ends = 0;
                    return Next::Ping;
                }
            }
        }
        let (start, rest) = (self.start, &self.buffer[self.start..]);
        if rest.is_empty() || *rest == *b"\r" {
            return Next::More;
        }
        self.line_ends = 0;
        if self.length.is_some_and(|length| rest.len() < length) {
            return Next::More;
        }
        if self.lasts {
            if rest.len() <= MAX_MESSAGE {
                return Next::More;
            }
            return broken(rest, start, index, 513, "Message Too Large");
        }
        let Some(header) = header_end(rest, self.scanned) else {
            if has_bare_line_end(rest, self.scanned) {
                return broken(rest, start, index, 400, "line end without CR");
            }
            self.scanned = rest.len();
            if rest.len() <= MAX_MESSAGE {
                return Next::More;
            }
            return broken(rest, start, index, 513, "header section too long");
        };
        let window = &rest[..rest.len().min(MAX_MESSAGE)];
        let kind = parse::datagram(window, index);
        match length(window, index, header) {
            Err(NO_LENGTH) if kind == Kind::Request && is_older_than_rfc3261(window, index) => {
                self.lasts = true;
                Next::More
            }
            Err(what) => broken(rest, start, index, 400, what),
            Ok(length) if length > MAX_MESSAGE => {
                broken(rest, start, index, 513, "Message Too Large")
            }
            Ok(length) if rest.len() < length => {
                // The header section is found at once the next time.
                self.scanned = header.saturating_sub(1);
                self.length = Some(length);
                Next::More
            }
            Ok(length) => {
                self.start += length;
                self.scanned = 0;
                self.length = None;
                Next::Message(kind, start..start + length)
            }
        }
    }
}

const NO_LENGTH: &str = "no Content-Length";

/// A request without fault whose sender makes no branches (8.1.1.7).
fn is_older_than_rfc3261(bytes: &[u8], index: &Index) -> bool {
    index.fault.is_none() && !index.via.branch.of(bytes).starts_with(COOKIE)
}

/// The offset behind the first CRLF CRLF, if it ends behind `scanned`.
fn header_end(bytes: &[u8], scanned: usize) -> Option<usize> {
    let from = scanned.saturating_sub(3);
    let at = memchr::memmem::find(bytes.get(from..)?, b"\r\n\r\n")?;
    Some(from + at + 4)
}

/// The length of a whole message, whose header section is `header` bytes long and was read into `index`.
fn length(bytes: &[u8], index: &mut Index, header: usize) -> Result<usize, &'static str> {
    if header > bytes.len() {
        return Err("header section too long");
    }
    if index.blank.is_empty() {
        parse::skipped_start_line(bytes, index);
    }
    if index.blank.end as usize != header {
        return Err("end of the header section in doubt");
    }
    if index.fault.is_some() && has_bare_line_end(&bytes[..header], 0) {
        return Err("line end without CR");
    }
    match index.all(Name::ContentLength).count() {
        0 => Err(NO_LENGTH),
        1 => {
            let body = index.content_length.ok_or("Content-Length out of range")?;
            Ok(header.saturating_add(body as usize))
        }
        _ => Err("Content-Length twice"),
    }
}

/// Whether a LF from `from` on follows no CR.
fn has_bare_line_end(bytes: &[u8], from: usize) -> bool {
    memchr::memchr_iter(b'\n', bytes.get(from..).unwrap_or_default())
        .map(|at| from + at)
        .any(|at| at == 0 || bytes[at - 1] != b'\r')
}

/// The end of a connection, with what it broke on, so far as it can be read.
fn broken(rest: &[u8], start: usize, index: &mut Index, status: u16, what: &'static str) -> Next {
    let window = &rest[..rest.len().min(MAX_MESSAGE)];
    let kind = parse::datagram(window, index);
    // What is too long is told so, whatever else is wrong with the part that was read.
    let fault = Fault {
        status,
        what,
        answerable: parse::is_answerable(window, index),
    };
    if status == 513 {
        index.fault = Some(fault);
    } else {
        index.fault.get_or_insert(fault);
    }
    Next::Broken(kind, start..start + window.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bKd\r\nFrom: <sip:e@f>;tag=g\r\nTo: <sip:a@b>\r\nCall-ID: h\r\nCSeq: 1 OPTIONS\r\n";

    fn with_length(lines: &str, body: &str) -> String {
        format!("{HEAD}{lines}\r\n{body}")
    }

    fn all(framing: &mut Framing) -> Vec<Next> {
        let mut index = Index::default();
        let mut found = Vec::new();
        loop {
            match framing.next(&mut index) {
                Next::More => return found,
                next @ Next::Broken(..) => {
                    found.push(next);
                    return found;
                }
                next => found.push(next),
            }
        }
    }

    fn first(text: &str) -> Option<(Next, Option<Fault>)> {
        let mut framing = Framing::default();
        framing.push(text.as_bytes());
        let mut index = Index::default();
        match framing.next(&mut index) {
            Next::More => None,
            next => Some((next, index.fault)),
        }
    }

    #[test]
    fn t07_pieces_of_one_byte_and_several_messages_at_once() {
        let one = with_length("Content-Length: 3\r\n", "abc");
        let other = with_length("l : 0\r\n", "");
        let whole = format!("{one}{other}{one}");
        let lengths = |found: Vec<Next>| -> Vec<usize> {
            found
                .into_iter()
                .map(|next| match next {
                    Next::Message(Kind::Request, range) => range.len(),
                    next => panic!("{next:?}"),
                })
                .collect()
        };
        let expected = [one.len(), other.len(), one.len()];
        let mut framing = Framing::default();
        framing.push(whole.as_bytes());
        assert_eq!(lengths(all(&mut framing)), expected);
        let mut found = Vec::new();
        for byte in whole.as_bytes() {
            framing.push(&[*byte]);
            found.extend(all(&mut framing));
        }
        assert_eq!(lengths(found), expected);
        assert!(!framing.is_partial());
    }

    #[test]
    fn rfc5626_a_double_crlf_is_a_ping_and_a_single_one_nothing() {
        let message = with_length("Content-Length: 0\r\n", "");
        let mut framing = Framing::default();
        framing.push(b"\r\n");
        assert_eq!(all(&mut framing), []);
        framing.push(b"\r");
        assert_eq!(all(&mut framing), []);
        framing.push(b"\n");
        assert_eq!(all(&mut framing), [Next::Ping]);
        // M-07: a CRLF before the start line is skipped, and does not count any more behind the message.
        framing.push(format!("\r\n{message}\r\n").as_bytes());
        assert!(matches!(
            all(&mut framing)[..],
            [Next::Message(Kind::Request, _)]
        ));
        framing.push(b"\r\n");
        assert_eq!(all(&mut framing), [Next::Ping]);
    }

    #[test]
    fn m10_no_doubt_about_the_length() {
        for lines in [
            "",
            "Content-Length: -1\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 0x10\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length: 1e3\r\n",
            "Content-Length: 4294967328\r\n",
            "Content-Length: 18446744073709551617\r\n",
            "Content-Length:\r\n",
            "Content-Length: 3\r\nl: 3\r\n",
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "X: a\nContent-Length: 3\r\n",
            "Content-Length: 3\n",
            "X: a\n\nContent-Length: 3\r\n",
        ] {
            let text = with_length(lines, "abc");
            let (next, fault) = first(&text).expect(lines);
            assert!(matches!(next, Next::Broken(Kind::Request, _)), "{lines:?}");
            let fault = fault.expect(lines);
            assert_eq!(fault.status, 400, "{lines:?}");
        }
    }

    #[test]
    fn m10_a_request_of_rfc_2543_lasts_to_the_end_of_its_connection() {
        let old = with_length("", "").replace(";branch=z9hG4bKd", "");
        let mut index = Index::default();
        let mut framing = Framing::default();
        for piece in [
            &old[..],
            "v=0\r\n",
            &with_length("Content-Length: 0\r\n", ""),
        ] {
            framing.push(piece.as_bytes());
            assert_eq!(framing.next(&mut index), Next::More);
            assert!(framing.lasts_to_the_end());
        }
        let (kind, range) = framing.finish(&mut index).expect("a message");
        assert_eq!((kind, range.len()), (Kind::Request, framing.buffer.len()));
        assert_eq!(index.body.len(), range.len() - old.len());
        assert_eq!(framing.finish(&mut index), None);

        framing = Framing::default();
        framing.push(format!("{old}{}", "x".repeat(MAX_MESSAGE)).as_bytes());
        let mut next = framing.next(&mut index);
        if next == Next::More {
            next = framing.next(&mut index);
        }
        assert!(matches!(next, Next::Broken(Kind::Request, _)));
        assert_eq!(index.fault.map(|fault| fault.status), Some(513));
        for unclear in [
            old.replace("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 200 OK"),
            old.replace("\r\n\r\n", "\r\nContent-Length: x\r\n\r\n"),
            old.replace("Call-ID: h\r\n", ""),
        ] {
            let (next, _) = first(&unclear).expect("an end");
            assert!(matches!(next, Next::Broken(..)), "{unclear:?}");
        }
    }

    #[test]
    fn m10_what_is_too_long_is_not_waited_for() {
        let text = with_length("Content-Length: 65536\r\n", "abc");
        let (next, fault) = first(&text).expect("an end");
        assert!(matches!(next, Next::Broken(Kind::Request, _)));
        assert_eq!(
            fault.map(|fault| (fault.status, fault.answerable)),
            Some((513, true))
        );
        let text = format!("{HEAD}X: {}", "x".repeat(MAX_MESSAGE));
        let (next, fault) = first(&text).expect("an end");
        assert!(matches!(next, Next::Broken(..)));
        assert_eq!(fault.map(|fault| fault.status), Some(513));
    }

    #[test]
    fn a_response_that_means_nothing_is_skipped_and_other_protocols_are_not() {
        let good = with_length("Content-Length: 0\r\n", "");
        let bad = good.replacen("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 4294967301 big", 1);
        let mut framing = Framing::default();
        framing.push(format!("{bad}{good}").as_bytes());
        assert!(matches!(
            all(&mut framing)[..],
            [
                Next::Message(Kind::Garbage, _),
                Next::Message(Kind::Request, _)
            ]
        ));
        let (next, _) = first("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").expect("an end");
        assert!(matches!(next, Next::Broken(Kind::Garbage, _)));
    }
}
