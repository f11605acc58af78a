//! A REGISTER as a registrar reads it (RFC 3261 section 10.3, RFC 3327, RFC 5626). Reading only: what becomes of it
//! is policy's matter.

use crate::header::{self, NameAddr, Params};
use crate::message::{Message, Name, Span};
use crate::uri::{self, Scheme};

/// Contacts that one request may bring; more are a mistake or an attack.
pub const CONTACTS_MAX: usize = 32;

/// One contact that is to be bound, or unbound.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contact {
    /// As it stands between the brackets.
    pub uri: Vec<u8>,
    /// Equal for URIs that are equivalent (19.1.4) but for escapes.
    pub key: Vec<u8>,
    /// Preference in thousandths; None: not told (20.10).
    pub q: Option<u16>,
    /// Seconds; None: not told, or not readable, which is the same (10.2.1.1).
    pub expires: Option<u32>,
    /// Value of `+sip.instance`, without quotes and brackets (RFC 5626 section 4.1); empty: none.
    pub instance: Vec<u8>,
    /// Value of `reg-id`; None: no outbound registration.
    pub reg_id: Option<u32>,
}

/// What the Contact header fields ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// To bind these; none: only to tell what is bound.
    Contacts(Vec<Contact>),
    /// `*`: to unbind all.
    Wildcard,
    /// Nothing that can be carried out; 400.
    Malformed,
}

/// Read the Contact header fields of a REGISTER.
pub fn asked(request: &Message) -> Asked {
    let bytes = &request.bytes;
    let mut contacts = Vec::new();
    let mut wildcard = false;
    for field in request.index.all(Name::Contact) {
        for element in header::element_spans(bytes, field.value) {
            if element.of(bytes) == b"*" {
                wildcard = true;
                continue;
            }
            match contact(bytes, element) {
                Some(contact) if contacts.len() < CONTACTS_MAX => contacts.push(contact),
                _ => return Asked::Malformed,
            }
        }
    }
    match (wildcard, contacts.is_empty()) {
        (true, true) => Asked::Wildcard,
        (true, false) => Asked::Malformed,
        (false, _) => Asked::Contacts(contacts),
    }
}

/// Seconds of the Expires header field; None where it is not there or not readable.
pub fn expires(request: &Message) -> Option<u32> {
    let field = request.index.first(Name::Expires)?;
    seconds(field.value.of(&request.bytes))
}

/// The elements of all Path header fields, in order (RFC 3327 section 5.3).
pub fn path(request: &Message) -> Vec<Vec<u8>> {
    values(request, b"Path")
}

/// The option tags of all Supported header fields, in lower case.
pub fn supported(request: &Message) -> Vec<Vec<u8>> {
    let fields = request.index.all(Name::Supported);
    fields
        .flat_map(|field| header::elements(field.value.of(&request.bytes)))
        .map(<[u8]>::to_ascii_lowercase)
        .collect()
}

fn values(request: &Message, label: &[u8]) -> Vec<Vec<u8>> {
    let fields = request
        .index
        .fields
        .iter()
        .filter(|field| field.label.of(&request.bytes).eq_ignore_ascii_case(label));
    fields
        .flat_map(|field| header::elements(field.value.of(&request.bytes)))
        .map(<[u8]>::to_vec)
        .collect()
}

/// None: not readable, or nothing that can be called.
fn contact(bytes: &[u8], element: Span) -> Option<Contact> {
    let address = NameAddr::parse(bytes, element).ok()?;
    let text = address.uri.of(bytes);
    let mut contact = Contact {
        uri: text.to_vec(),
        key: key(text)?,
        ..Contact::default()
    };
    if address.params.is_empty() {
        return Some(contact);
    }
    for param in Params::new(bytes, address.params) {
        let param = param.ok()?;
        let (name, value) = (
            param.name.of(bytes),
            param.value.map(|value| value.of(bytes)),
        );
        if name.eq_ignore_ascii_case(b"q") {
            contact.q = Some(q(value?)?);
        } else if name.eq_ignore_ascii_case(b"expires") {
            contact.expires = value.and_then(seconds);
        } else if name.eq_ignore_ascii_case(b"reg-id") {
            contact.reg_id = value.and_then(seconds).filter(|id| *id > 0);
        } else if name.eq_ignore_ascii_case(b"+sip.instance") {
            let quoted = value.unwrap_or_default();
            let inner = quoted
                .strip_prefix(b"\"<")
                .and_then(|rest| rest.strip_suffix(b">\""));
            contact.instance = inner.unwrap_or_default().to_vec();
        }
    }
    Some(contact)
}

/// User, host, port and the parameters that equivalent URIs agree in (19.1.4).
fn key(text: &[u8]) -> Option<Vec<u8>> {
    let uri = uri::parse(text).ok()?;
    let mut key = match uri.scheme {
        Scheme::Sip => b"sip:".to_vec(),
        Scheme::Sips => b"sips:".to_vec(),
        Scheme::Tel | Scheme::Other => return None,
    };
    key.extend_from_slice(uri.user.unwrap_or_default());
    key.push(b'@');
    key.extend_from_slice(&uri.host.to_ascii_lowercase());
    key.extend_from_slice(format!(":{}", uri.port.unwrap_or(0)).as_bytes());
    for name in [&b"user"[..], b"ttl", b"maddr", b"transport"] {
        if let Some(value) = uri.param(name) {
            key.push(b';');
            key.extend_from_slice(name);
            key.push(b'=');
            key.extend_from_slice(&value.unwrap_or_default().to_ascii_lowercase());
        }
    }
    Some(key)
}

/// delta-seconds; what is longer than 2^32 - 1 is as long as that (20.19).
fn seconds(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(text).ok()?;
    Some(digits.parse().unwrap_or(u32::MAX))
}

/// qvalue of section 25.1, in thousandths.
fn q(text: &[u8]) -> Option<u16> {
    let (whole, rest) = match text {
        [b'0', rest @ ..] => (0, rest),
        [b'1', rest @ ..] => (1000, rest),
        _ => return None,
    };
    let digits = match rest {
        [] => rest,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut thousandths = 0;
    for at in 0..3 {
        let digit = digits.get(at).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths = thousandths * 10 + u16::from(digit - b'0');
    }
    Some(whole + thousandths).filter(|q| *q <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Index;
    use crate::parse::{self, Kind};

    fn register(lines: &str) -> Message {
        let text = format!(
            "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:a@h>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{lines}\r\n"
        );
        let mut index = Index::new();
        assert_eq!(parse::datagram(text.as_bytes(), &mut index), Kind::Request);
        Message::keep(text.as_bytes(), &index)
    }

    fn contacts(lines: &str) -> Vec<Contact> {
        match asked(&register(lines)) {
            Asked::Contacts(contacts) => contacts,
            other => panic!("{lines}: {other:?}"),
        }
    }

    #[test]
    fn contacts_with_all_that_belongs_to_them() {
        let found = contacts(
            "Contact: \"A\" <sip:a@192.0.2.1:5070;transport=TCP;ob>;q=0.7;expires=60;reg-id=2;\
             +sip.instance=\"<urn:uuid:1>\", sip:b@H;expires=0\r\nm: <sips:c@h>;expires=x\r\n",
        );
        let [first, second, third] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(first.uri, b"sip:a@192.0.2.1:5070;transport=TCP;ob");
        assert_eq!(
            (first.q, first.expires, first.reg_id),
            (Some(700), Some(60), Some(2))
        );
        assert_eq!(first.instance, b"urn:uuid:1");
        assert_eq!((second.q, second.expires), (None, Some(0)));
        assert_eq!((third.expires, third.instance.len()), (None, 0));
        assert_eq!(contacts("").len(), 0);
    }

    #[test]
    fn equivalent_uris_have_one_key() {
        let one = |uri: &str| contacts(&format!("Contact: <{uri}>\r\n"))[0].key.clone();
        for (left, right, same) in [
            ("sip:a@H", "SIP:a@h", true),
            ("sip:a@h;x=1", "sip:a@h;y=2", true),
            ("sip:a@h;transport=UDP", "sip:a@h;transport=udp", true),
            ("sip:a@h;transport=tcp", "sip:a@h", false),
            ("sip:a@h", "sip:A@h", false),
            ("sip:a@h", "sip:a@h:5060", false),
            ("sip:a@h", "sips:a@h", false),
        ] {
            assert_eq!(one(left) == one(right), same, "{left} {right}");
        }
    }

    #[test]
    fn what_cannot_be_carried_out_is_malformed() {
        for lines in [
            "Contact: *, <sip:a@h>\r\n",
            "Contact: *\r\nContact: <sip:a@h>\r\n",
            "Contact: <tel:123>\r\n",
            "Contact: <mailto:a@h>\r\n",
            "Contact: <sip:a@h\r\n",
            "Contact: <sip:a@h>;q=2\r\n",
            "Contact: <sip:a@h>;q=1.001\r\n",
            "Contact: <sip:a@h>;q=0.1234\r\n",
            "Contact: <sip:a@h>;q\r\n",
            "Contact: a b\r\n",
            &format!(
                "Contact: {}<sip:a@h>\r\n",
                "<sip:a@h>, ".repeat(CONTACTS_MAX)
            ),
        ] {
            assert_eq!(asked(&register(lines)), Asked::Malformed, "{lines}");
        }
        assert_eq!(asked(&register("Contact: *\r\n")), Asked::Wildcard);
    }

    #[test]
    fn expiry_path_and_options() {
        let request = register(
            "Expires: 99999999999\r\nPath: <sip:p1;lr>, <sip:p2;lr>\r\npath: <sip:p3;lr>\r\n\
             Supported: Path, OUTBOUND\r\nk: gruu\r\n",
        );
        assert_eq!(expires(&request), Some(u32::MAX));
        assert_eq!(expires(&register("Expires: -1\r\n")), None);
        assert_eq!(expires(&register("")), None);
        let words = |all: Vec<Vec<u8>>| {
            let words: Vec<_> = all
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            words.join(" ")
        };
        assert_eq!(words(path(&request)), "<sip:p1;lr> <sip:p2;lr> <sip:p3;lr>");
        assert_eq!(words(supported(&request)), "path outbound gruu");
    }
}
