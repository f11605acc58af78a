//! A message is its bytes plus an index of where things stand in them. Nothing is copied and nothing is lost:
//! start line, fields in order, blank line and body, put one behind the other, are the message again.

use crate::header::{CSeq, NameAddr, Via};

/// A piece of a message, as offsets from its first byte. Empty where the piece is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// From offsets; messages are far shorter than 4 GiB (`parse::MAX_MESSAGE`).
    #[inline]
    pub fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The bytes themselves; none where the span does not lie within `bytes`.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Length in bytes.
    #[inline]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether there is nothing.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Without white space and folds at both ends.
    #[inline]
    pub fn trim(self, bytes: &[u8]) -> Span {
        let text = self.of(bytes);
        let Some(first) = text.iter().position(|&byte| !is_lws(byte)) else {
            return Span {
                start: self.start,
                end: self.start,
            };
        };
        let behind = text
            .iter()
            .rev()
            .position(|&byte| !is_lws(byte))
            .unwrap_or(0);
        Span {
            start: self.start + first as u32,
            end: self.end - behind as u32,
        }
    }
}

#[inline]
fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Header field names that somebody here asks for, and all that have a compact form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
#[allow(missing_docs)] // each is the field's own name
pub enum Name {
    Via,
    From,
    To,
    CallId,
    CSeq,
    MaxForwards,
    ContentLength,
    Contact,
    Route,
    RecordRoute,
    ContentType,
    ContentEncoding,
    ProxyRequire,
    Require,
    Supported,
    Unsupported,
    Allow,
    Reason,
    UserAgent,
    Server,
    PAssertedIdentity,
    PPreferredIdentity,
    Privacy,
    RemotePartyId,
    Diversion,
    HistoryInfo,
    Identity,
    IdentityInfo,
    Authorization,
    ProxyAuthorization,
    WwwAuthenticate,
    ProxyAuthenticate,
    ReferTo,
    ReferredBy,
    Replaces,
    Join,
    TargetDialog,
    SessionExpires,
    MinSe,
    Expires,
    RetryAfter,
    MaxBreadth,
    ResourcePriority,
    RAck,
    RSeq,
    Subject,
    Event,
    AllowEvents,
    AcceptContact,
    RejectContact,
    RequestDisposition,
    #[default]
    Other,
}

/// Names with their spellings in lower case, per length: a look-up compares a handful of equal length.
type Spellings = &'static [(&'static [u8], Name)];

static SPELLINGS: [Spellings; 20] = [
    &[],
    // The compact forms of the IANA registry.
    &[
        (b"v", Name::Via),
        (b"f", Name::From),
        (b"t", Name::To),
        (b"i", Name::CallId),
        (b"m", Name::Contact),
        (b"l", Name::ContentLength),
        (b"c", Name::ContentType),
        (b"k", Name::Supported),
        (b"a", Name::AcceptContact),
        (b"b", Name::ReferredBy),
        (b"d", Name::RequestDisposition),
        (b"e", Name::ContentEncoding),
        (b"j", Name::RejectContact),
        (b"n", Name::IdentityInfo),
        (b"o", Name::Event),
        (b"r", Name::ReferTo),
        (b"s", Name::Subject),
        (b"u", Name::AllowEvents),
        (b"x", Name::SessionExpires),
        (b"y", Name::Identity),
    ],
    &[(b"to", Name::To)],
    &[(b"via", Name::Via)],
    &[
        (b"from", Name::From),
        (b"cseq", Name::CSeq),
        (b"rack", Name::RAck),
        (b"rseq", Name::RSeq),
        (b"join", Name::Join),
    ],
    &[
        (b"route", Name::Route),
        (b"allow", Name::Allow),
        (b"event", Name::Event),
    ],
    &[
        (b"reason", Name::Reason),
        (b"server", Name::Server),
        (b"min-se", Name::MinSe),
    ],
    &[
        (b"call-id", Name::CallId),
        (b"contact", Name::Contact),
        (b"require", Name::Require),
        (b"expires", Name::Expires),
        (b"privacy", Name::Privacy),
        (b"subject", Name::Subject),
    ],
    &[
        (b"identity", Name::Identity),
        (b"refer-to", Name::ReferTo),
        (b"replaces", Name::Replaces),
    ],
    &[
        (b"supported", Name::Supported),
        (b"diversion", Name::Diversion),
    ],
    &[(b"user-agent", Name::UserAgent)],
    &[
        (b"unsupported", Name::Unsupported),
        (b"retry-after", Name::RetryAfter),
        (b"max-breadth", Name::MaxBreadth),
        (b"referred-by", Name::ReferredBy),
    ],
    &[
        (b"max-forwards", Name::MaxForwards),
        (b"content-type", Name::ContentType),
        (b"record-route", Name::RecordRoute),
        (b"allow-events", Name::AllowEvents),
        (b"history-info", Name::HistoryInfo),
    ],
    &[
        (b"proxy-require", Name::ProxyRequire),
        (b"authorization", Name::Authorization),
        (b"identity-info", Name::IdentityInfo),
        (b"target-dialog", Name::TargetDialog),
    ],
    &[
        (b"content-length", Name::ContentLength),
        (b"accept-contact", Name::AcceptContact),
        (b"reject-contact", Name::RejectContact),
    ],
    &[
        (b"session-expires", Name::SessionExpires),
        (b"remote-party-id", Name::RemotePartyId),
    ],
    &[
        (b"content-encoding", Name::ContentEncoding),
        (b"www-authenticate", Name::WwwAuthenticate),
    ],
    &[(b"resource-priority", Name::ResourcePriority)],
    &[(b"proxy-authenticate", Name::ProxyAuthenticate)],
    &[
        (b"p-asserted-identity", Name::PAssertedIdentity),
        (b"proxy-authorization", Name::ProxyAuthorization),
        (b"request-disposition", Name::RequestDisposition),
    ],
];

impl Name {
    /// Long or compact form, in any case (RFC 3261 section 7.3.1).
    #[inline]
    pub fn from_bytes(label: &[u8]) -> Name {
        if label.len() == 20 && label.eq_ignore_ascii_case(b"P-Preferred-Identity") {
            return Name::PPreferredIdentity;
        }
        let spellings = SPELLINGS.get(label.len()).copied().unwrap_or_default();
        // Only one side needs folding, and most comparisons end at the first letter.
        let is_label = |spelling: &[u8]| {
            let mut pairs = label.iter().zip(spelling);
            pairs.all(|(byte, expected)| byte.to_ascii_lowercase() == *expected)
        };
        let found = spellings.iter().find(|(spelling, _)| is_label(spelling));
        found.map_or(Name::Other, |&(_, name)| name)
    }

    /// Whether a response copies it from the request (RFC 3261 section 8.2.6.2).
    #[inline]
    pub fn is_copied_to_responses(self) -> bool {
        matches!(
            self,
            Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq
        )
    }
}

/// One header field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Which it is.
    pub name: Name,
    /// The whole field with its folds and its last CRLF.
    pub line: Span,
    /// Its name as written.
    pub label: Span,
    /// Its value, trimmed; folds within it are left as they are.
    pub value: Span,
}

/// Request line or status line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// A request line.
    Request {
        /// As written; `Index::method` has it as an enum.
        method: Span,
        /// The request URI.
        uri: Span,
    },
    /// A status line.
    Response {
        /// 100 to 699.
        status: u16,
        /// Reason phrase, may be empty.
        phrase: Span,
    },
}

impl Default for Start {
    fn default() -> Self {
        Start::Request {
            method: Span::default(),
            uri: Span::default(),
        }
    }
}

/// Methods; case matters (RFC 3261 section 7.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
#[allow(missing_docs)] // each is the method's own name
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Update,
    Prack,
    Info,
    Refer,
    Notify,
    Subscribe,
    Message,
    Publish,
    #[default]
    Other,
}

impl Method {
    /// The method of that name, `Other` where it is none of the known.
    pub fn from_bytes(text: &[u8]) -> Method {
        match text {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"OPTIONS" => Method::Options,
            b"REGISTER" => Method::Register,
            b"UPDATE" => Method::Update,
            b"PRACK" => Method::Prack,
            b"INFO" => Method::Info,
            b"REFER" => Method::Refer,
            b"NOTIFY" => Method::Notify,
            b"SUBSCRIBE" => Method::Subscribe,
            b"MESSAGE" => Method::Message,
            b"PUBLISH" => Method::Publish,
            _ => Method::Other,
        }
    }
}

/// The first thing wrong with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What a UAS answers: 400, 505 or 513.
    pub status: u16,
    /// Short and for the operator, such as "CSeq out of range".
    pub what: &'static str,
    /// Whether a response can be sent: there are Vias with a sent-by to answer to, and nothing that it copies
    /// holds stray control characters.
    pub answerable: bool,
}

/// Where everything stands. Reuse it from message to message: then reading allocates nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Index {
    /// What the first line says.
    pub start: Start,
    /// The first line with its CRLF. Empty lines before it (RFC 3261 section 7.5) are left out.
    pub start_line: Span,
    /// All fields in order.
    pub fields: Vec<Field>,
    /// The empty line behind the fields; empty itself where it is missing.
    pub blank: Span,
    /// The body. Over UDP it ends where Content-Length says; what follows is not part of the message.
    pub body: Span,
    /// Method of the request; of a response, the method of its CSeq.
    pub method: Method,
    /// The topmost Via value.
    pub via: Via,
    /// CSeq.
    pub cseq: CSeq,
    /// Value of Call-ID.
    pub call_id: Span,
    /// From.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Max-Forwards; None where it is not there.
    pub max_forwards: Option<u32>,
    /// Content-Length; None where it is not there.
    pub content_length: Option<u32>,
    /// What is wrong with the message. Parts that could not be read are left at their defaults.
    pub fault: Option<Fault>,
}

impl Index {
    /// An empty index.
    pub fn new() -> Index {
        Index::default()
    }

    /// The request URI; empty for a response.
    pub fn request_uri(&self) -> Span {
        match self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => Span::default(),
        }
    }

    /// The method as written; empty for a response.
    pub fn method_name(&self) -> Span {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => Span::default(),
        }
    }

    /// Empties it, keeping the memory of `fields`.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Index {
            fields,
            ..Index::default()
        };
    }

    /// All fields of that name, in order.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.name == name)
    }

    /// The first field of that name.
    pub fn first(&self, name: Name) -> Option<&Field> {
        self.all(name).next()
    }
}

/// A message that can be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The bytes as received.
    pub bytes: Box<[u8]>,
    /// Where everything stands in them.
    pub index: Index,
}

impl Message {
    /// Copies bytes and index; both take just the memory that they need.
    pub fn keep(bytes: &[u8], index: &Index) -> Message {
        Message {
            bytes: bytes.into(),
            index: index.clone(),
        }
    }

    /// A request whose URI is `sips`: it goes over TLS or not at all (26.2.2).
    pub fn is_sips(&self) -> bool {
        let uri = self.text(self.index.request_uri());
        uri.get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"sips:"))
    }

    /// The bytes of a span.
    #[inline]
    pub fn text(&self, span: Span) -> &[u8] {
        span.of(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_stand_under_their_length() {
        for (length, spellings) in SPELLINGS.iter().enumerate() {
            for (spelling, name) in *spellings {
                assert_eq!(spelling.len(), length, "{name:?}");
                assert_eq!(Name::from_bytes(&spelling.to_ascii_uppercase()), *name);
                assert_eq!(Name::from_bytes(&spelling.to_ascii_lowercase()), *name);
            }
        }
    }

    #[test]
    fn m04_all_compact_forms() {
        assert_eq!(SPELLINGS[1].len(), 20);
        for letter in "ghpqwz".bytes() {
            assert_eq!(Name::from_bytes(&[letter]), Name::Other);
        }
        for label in [
            "",
            "Vi",
            "Viaa",
            "To\u{1}",
            "Call ID",
            "X-Via",
            "P-Preferred-Identitz",
        ] {
            assert_eq!(Name::from_bytes(label.as_bytes()), Name::Other, "{label}");
        }
        assert_eq!(
            Name::from_bytes(b"p-preferred-IDENTITY"),
            Name::PPreferredIdentity
        );
    }

    #[test]
    fn m06_methods_are_case_sensitive() {
        assert_eq!(Method::from_bytes(b"INVITE"), Method::Invite);
        assert_eq!(Method::from_bytes(b"invite"), Method::Other);
        assert_eq!(Method::from_bytes(b"%49NVITE"), Method::Other);
    }

    #[test]
    fn spans_never_reach_outside() {
        let bytes = b" ab\r\n ";
        assert_eq!(Span::new(0, 6).trim(bytes).of(bytes), b"ab");
        assert_eq!(Span::new(3, 6).trim(bytes), Span::new(3, 3));
        for span in [Span::new(4, 9), Span::new(9, 9), Span { start: 3, end: 2 }] {
            assert_eq!(span.of(bytes), b"");
        }
    }
}
