//! Reading a message from the wire into an `Index`: one pass, linear in the length, never a panic.
//!
//! The rule for everything doubtful: a message must not be read one way here and another way by the next hop.
//! What can be read in more than one way is a fault, and nobody forwards a message with a fault:
//! - a line that ends in LF alone, CR elsewhere than before LF, a continuation line of blanks alone (to some
//!   readers the end of the header), a continuation of the start line;
//! - control characters, NUL among them, outside of quoted pairs;
//! - a field name that is no token, such as `To\x01` or `To x`; but `To :` is `To` (section 7.3.1);
//! - a second field of a kind that may stand only once, be it equal to the first.
//!
//! What a proxy does not use (Date, Contact, ...) is not looked into (section 16.3).

use crate::header::chars::{self, TOKEN};
use crate::header::{element_spans, CSeq, NameAddr};
use crate::message::{Fault, Field, Index, Method, Name, Span, Start};
use crate::uri::{self, Scheme};

/// The longest message that is read: all that fits into a UDP datagram (RFC 3261 section 18.1.1).
pub const MAX_MESSAGE: usize = 65_535;

/// The most fields that are indexed. Ordinary messages have 15 to 40; the index of a kept message stays below
/// 30 kB. Beyond it only what a response copies is indexed.
pub const MAX_FIELDS: usize = 1024;

/// What a datagram holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A request. Where `Index::fault` is set it may be answered, but not used.
    Request,
    /// A response without fault.
    Response,
    /// Only line ends or NULs, or nothing.
    KeepAlive,
    /// Not SIP, or a response with a fault. `Index::fault` says which, if it got so far.
    Garbage,
}

/// Reads the one message of a datagram. `index` is cleared first.
pub fn datagram(bytes: &[u8], index: &mut Index) -> Kind {
    index.clear();
    if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Kind::KeepAlive;
    }
    if bytes.len() > MAX_MESSAGE {
        return Kind::Garbage;
    }
    let mut start = 0;
    while bytes[start..].starts_with(b"\r\n") {
        start += 2; // section 7.5
    }
    let mut reader = Reader {
        bytes,
        index,
        seen: 0,
        line_end_bytes: 0,
    };
    let Some(after_start) = reader.start_line(start) else {
        return Kind::Garbage;
    };
    let after_headers = reader.headers(after_start);
    reader.controls(Span::new(start, after_headers));
    reader.body(after_headers);
    reader.whole();
    match (index.start, index.fault) {
        (Start::Request { .. }, None) => Kind::Request,
        (Start::Response { .. }, None) => Kind::Response,
        (Start::Request { .. }, Some(ref mut fault)) => {
            fault.answerable = is_answerable(bytes, index);
            index.fault = Some(*fault);
            Kind::Request
        }
        (Start::Response { .. }, Some(_)) => Kind::Garbage,
    }
}

/// Reads the fields of a response whose status line means nothing, so that a stream can skip it by its length.
/// Nothing else than a response: what is no SIP at all has no length that we could trust.
pub(crate) fn skipped_start_line(bytes: &[u8], index: &mut Index) {
    if !is_version_like(bytes) {
        return;
    }
    index.clear();
    let mut reader = Reader {
        bytes,
        index,
        seen: 0,
        line_end_bytes: 0,
    };
    if let Some((end, _)) = reader.line_end(0) {
        reader.headers(end);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    index: &'a mut Index,
    /// Bit set of the names met.
    seen: u64,
    /// Bytes of the line ends met.
    line_end_bytes: usize,
}

impl Reader<'_> {
    /// Keeps the first fault; those behind it may be its consequences.
    fn fault(&mut self, status: u16, what: &'static str) {
        self.index.fault.get_or_insert(Fault {
            status,
            what,
            answerable: false,
        });
    }

    /// The offset behind the line that starts at `start`, and behind its text.
    fn line_end(&mut self, start: usize) -> Option<(usize, usize)> {
        let lf = start + memchr::memchr(b'\n', self.bytes.get(start..)?)?;
        if lf > start && self.bytes[lf - 1] == b'\r' {
            self.line_end_bytes += 2;
            return Some((lf + 1, lf - 1));
        }
        self.line_end_bytes += 1;
        self.fault(400, "line end without CR");
        Some((lf + 1, lf))
    }

    /// Request line or status line; the offset behind it. None where it is neither.
    fn start_line(&mut self, start: usize) -> Option<usize> {
        let (end, text_end) = self.line_end(start)?;
        self.index.start_line = Span::new(start, end);
        let text = Span::new(start, text_end);
        if is_version_like(text.of(self.bytes)) {
            self.status_line(text)?;
        } else {
            self.request_line(text)?;
        }
        Some(end)
    }

    /// `SIP/2.0 SP 3DIGIT SP phrase` (section 7.2). The last SP is not insisted on where no phrase follows.
    fn status_line(&mut self, line: Span) -> Option<()> {
        let text = line.of(self.bytes);
        if !text.get(..8)?.eq_ignore_ascii_case(b"SIP/2.0 ") {
            return None;
        }
        let status =
            chars::decimal(text.get(8..11)?).filter(|status| (100..700).contains(status))?;
        let phrase = match text.get(11..)? {
            [] => Span::new(line.end as usize, line.end as usize),
            [b' ', ..] => Span {
                start: line.start + 12,
                end: line.end,
            },
            _ => return None,
        };
        self.index.start = Start::Response {
            status: status as u16,
            phrase,
        };
        Some(())
    }

    /// `Method SP Request-URI SP SIP-Version` (section 7.1). It is one where the last word says SIP.
    fn request_line(&mut self, line: Span) -> Option<()> {
        let trimmed = line.trim(self.bytes);
        let text = trimmed.of(self.bytes);
        let last = memchr::memrchr2(b' ', b'\t', text)?;
        let version = text.get(last + 1..)?;
        if !is_version_like(version) {
            return None;
        }
        let first = memchr::memchr2(b' ', b'\t', text)?;
        let at = trimmed.start as usize;
        let method = Span::new(at, at + first);
        let uri = Span::new(at + first + 1, (at + last).max(at + first + 1));
        self.index.start = Start::Request {
            method,
            uri: uri.trim(self.bytes),
        };
        self.index.method = Method::from_bytes(method.of(self.bytes));
        let is_token = !method.is_empty() && chars::all(method.of(self.bytes), TOKEN);
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.fault(505, "SIP version other than 2.0");
        } else if !is_token {
            self.fault(400, "method is no token");
        } else if trimmed != line
            || text[first] != b' '
            || text[last] != b' '
            || uri.trim(self.bytes) != uri
        {
            self.fault(400, "white space in the request line");
        } else if let Err(what) = check_request_uri(uri.of(self.bytes)) {
            self.fault(400, what);
        }
        Some(())
    }

    /// All fields and the blank line; the offset behind it.
    fn headers(&mut self, mut at: usize) -> usize {
        loop {
            let start = at;
            let (mut end, mut text_end) = match self.line_end(start) {
                Some(ends) => ends,
                None => {
                    self.fault(400, "header section without an end");
                    if start < self.bytes.len() {
                        self.field(start, self.bytes.len(), self.bytes.len());
                    }
                    return self.bytes.len();
                }
            };
            if text_end == start {
                self.index.blank = Span::new(start, end);
                return end;
            }
            while let Some(b' ' | b'\t') = self.bytes.get(end) {
                let line = end;
                let Some(ends) = self.line_end(line) else {
                    break;
                };
                (end, text_end) = ends;
                if Span::new(line, text_end).trim(self.bytes).is_empty() {
                    self.fault(400, "continuation line of blanks alone");
                }
            }
            self.field(start, text_end, end);
            at = end;
        }
    }

    /// One field: its text from `start` to `text_end`, its line up to `end`.
    fn field(&mut self, start: usize, text_end: usize, end: usize) {
        let text = &self.bytes[start..text_end];
        let label_len = text
            .iter()
            .position(|&byte| !chars::is(byte, TOKEN))
            .unwrap_or(text.len());
        let blanks = text[label_len..]
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t'));
        let colon = label_len + blanks.unwrap_or(0);
        let well_named = label_len > 0 && text.get(colon) == Some(&b':');
        let (label, value) = if well_named {
            (
                Span::new(start, start + label_len),
                Span::new(start + colon + 1, text_end).trim(self.bytes),
            )
        } else {
            self.fault(400, "field name is no token");
            (Span::new(start, start), Span::new(start, text_end))
        };
        let name = Name::from_bytes(label.of(self.bytes));
        if self.index.fields.len() >= MAX_FIELDS {
            self.fault(513, "too many header fields");
            if !name.is_copied_to_responses() {
                return;
            }
        }
        let field = Field {
            name,
            line: Span::new(start, end),
            label,
            value,
        };
        self.index.fields.push(field);
        self.read_field(field);
    }

    /// Where all control characters are line ends, none is where it must not be: one count for the whole header
    /// instead of a look into each field.
    fn controls(&mut self, header: Span) {
        if chars::count_controls(header.of(self.bytes)) == self.line_end_bytes {
            return;
        }
        if has_stray_control(self.index.start_line.of(self.bytes)) {
            self.fault(400, "control character in the start line");
        }
        let mut fields = self.index.fields.iter();
        if fields.any(|field| has_stray_control(field.line.of(self.bytes))) {
            self.fault(400, "control character in a header field");
        }
    }

    /// Reads the fields that every proxy needs.
    fn read_field(&mut self, field: Field) {
        let bytes = self.bytes;
        let bit = 1u64 << field.name as u8;
        let first = self.seen & bit == 0;
        self.seen |= bit;
        let result = match field.name {
            Name::Via if first => self.read_top_via(field.value),
            Name::From if first => {
                NameAddr::parse(bytes, field.value).map(|from| self.index.from = from)
            }
            Name::To if first => NameAddr::parse(bytes, field.value).map(|to| self.index.to = to),
            Name::CSeq if first => {
                CSeq::parse(bytes, field.value).map(|cseq| self.index.cseq = cseq)
            }
            Name::CallId if first => self.read_call_id(field.value),
            Name::MaxForwards if self.is_response() => Ok(()),
            Name::MaxForwards if first => self.read_max_forwards(field.value),
            Name::ContentLength if first => self.read_content_length(field.value),
            Name::Route if self.is_response() => Ok(()),
            Name::Route | Name::RecordRoute => check_route(bytes, field.value),
            Name::From
            | Name::To
            | Name::CSeq
            | Name::CallId
            | Name::MaxForwards
            | Name::ContentLength => Err("header field twice"),
            _ => Ok(()),
        };
        if let Err(what) = result {
            self.fault(400, what);
        }
    }

    fn is_response(&self) -> bool {
        matches!(self.index.start, Start::Response { .. })
    }

    fn read_top_via(&mut self, value: Span) -> Result<(), &'static str> {
        let mut elements = element_spans(self.bytes, value);
        let top = elements.next().unwrap_or_default();
        let via = &mut self.index.via;
        via.field = (self.index.fields.len() - 1) as u32;
        via.last_in_field = true;
        if let Some(second) = elements.next() {
            via.last_in_field = false;
            via.rest = Span {
                start: second.start,
                end: value.end,
            };
            if second.is_empty() || elements.any(Span::is_empty) {
                via.read(self.bytes, top)?;
                return Err("empty Via value");
            }
        }
        via.read(self.bytes, top)
    }

    fn read_call_id(&mut self, value: Span) -> Result<(), &'static str> {
        self.index.call_id = value;
        let text = value.of(self.bytes);
        if text.is_empty() || !text.iter().all(u8::is_ascii_graphic) {
            return Err("Call-ID empty or with white space");
        }
        Ok(())
    }

    fn read_max_forwards(&mut self, value: Span) -> Result<(), &'static str> {
        let number = chars::decimal(value.of(self.bytes)).filter(|&number| number <= 255);
        self.index.max_forwards = number.map(|number| number as u32);
        number.map(drop).ok_or("Max-Forwards out of range")
    }

    fn read_content_length(&mut self, value: Span) -> Result<(), &'static str> {
        let number =
            chars::decimal(value.of(self.bytes)).and_then(|number| u32::try_from(number).ok());
        self.index.content_length = number;
        number.map(drop).ok_or("Content-Length out of range")
    }

    /// Section 18.3: over UDP the body ends with the datagram, unless Content-Length says sooner.
    fn body(&mut self, start: usize) {
        let there = self.bytes.len() - start;
        let length = match self.index.content_length {
            Some(length) if length as usize > there => {
                self.fault(400, "body shorter than Content-Length");
                there
            }
            Some(length) => length as usize,
            None => there,
        };
        self.index.body = Span::new(start, start + length);
    }

    /// What only the whole message shows (section 8.1.1).
    fn whole(&mut self) {
        for (name, what) in [
            (Name::Via, "no Via"),
            (Name::From, "no From"),
            (Name::To, "no To"),
            (Name::CallId, "no Call-ID"),
            (Name::CSeq, "no CSeq"),
        ] {
            if self.seen & 1 << name as u8 == 0 {
                self.fault(400, what);
            }
        }
        let cseq_method = self.index.cseq.method.of(self.bytes);
        match self.index.start {
            Start::Request { method, .. } if method.of(self.bytes) != cseq_method => {
                self.fault(400, "CSeq method differs from the request's");
            }
            Start::Request { .. } => {}
            Start::Response { .. } => self.index.method = Method::from_bytes(cseq_method),
        }
    }
}

/// Whether the text starts like a SIP version, whichever number follows.
fn is_version_like(text: &[u8]) -> bool {
    text.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
}

/// The least that a request URI must be. Whether its scheme is served is a question for later (416).
fn check_request_uri(text: &[u8]) -> Result<(), &'static str> {
    let uri = uri::parse(text).map_err(|_| "malformed request URI")?;
    // Headers must not stand in a request URI (section 19.1.1), and must not pass on unnoticed (RFC 4475 3.1.2.11).
    if matches!(uri.scheme, Scheme::Sip | Scheme::Sips) && !uri.headers.is_empty() {
        return Err("headers in the request URI");
    }
    Ok(())
}

fn check_route(bytes: &[u8], value: Span) -> Result<(), &'static str> {
    for element in element_spans(bytes, value) {
        if !NameAddr::parse(bytes, element)?.bracketed {
            return Err("route without < and >");
        }
    }
    Ok(())
}

/// Whether a field holds a control character where none may stand: anywhere but in folds and quoted pairs.
fn has_stray_control(text: &[u8]) -> bool {
    let mut quoted = false;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                if matches!(bytes.next(), Some(b'\r' | b'\n') | None) {
                    return true;
                }
            }
            // The lines were cut at every LF that no blank follows: CR LF here is a fold.
            b'\r' if bytes.peek() == Some(&b'\n') => drop(bytes.next()),
            b'\t' => {}
            0..0x20 => return true,
            _ => {}
        }
    }
    false
}

/// See `Fault::answerable`. Whole lines are looked at, because whole lines are copied.
pub(crate) fn is_answerable(bytes: &[u8], index: &Index) -> bool {
    let copied = |field: &&Field| field.name.is_copied_to_responses();
    // Without one of the others the sender is still told, with what there is (RFC 4475 section 3.3.1).
    index.first(Name::Via).is_some()
        && !index.via.host.is_empty()
        && index.fields.iter().filter(copied).all(|field| {
            let line = field.line.of(bytes);
            !field.value.is_empty() && line.ends_with(b"\r\n") && !has_stray_control(line)
        })
}
