//! One address: From, To, or an element of Contact, Route, Record-Route (RFC 3261 sections 20.10 and 25.1).
//!
//! Read strictly, because From and To decide which dialog a message belongs to: what another element could
//! read another way is an error, not a guess.

use super::chars::{ADDRESS, DISPLAY, LWS};
use super::cursor::Cursor;
use super::param::Params;
use crate::message::Span;
use crate::uri;

/// A name-addr or addr-spec with its parameters. The spans count from the start of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NameAddr {
    /// Display name as written, quotes included; empty where there is none.
    pub display: Span,
    /// The URI without its brackets.
    pub uri: Span,
    /// What stands behind the first `;` of the header parameters; empty where there are none.
    pub params: Span,
    /// Value of the tag parameter; empty where there is none.
    pub tag: Span,
    /// Whether the URI stands between `<` and `>`. Where not, all parameters are the header's.
    pub bracketed: bool,
}

impl NameAddr {
    /// Reads one element; the error says what is wrong with it. `Contact: *` is none.
    pub fn parse(bytes: &[u8], element: Span) -> Result<NameAddr, &'static str> {
        let mut cursor = Cursor::new(bytes, element);
        cursor.skip_lws();
        let mut address = NameAddr::default();
        let start = cursor.here();
        if cursor.peek() == Some(b'"') {
            address.display = cursor.quoted().ok_or("quotes not closed")?;
            cursor.skip_lws();
        } else {
            address.display = cursor.take_while(DISPLAY | LWS).trim(bytes);
        }
        if cursor.eat(b'<') {
            address.bracketed = true;
            address.uri = cursor.take_while(ADDRESS);
            if !cursor.eat(b'>') {
                return Err("address not closed by >");
            }
        } else {
            if bytes.get(start.start as usize) == Some(&b'"') {
                return Err("no address behind the display name");
            }
            cursor.rewind(start);
            address.display = Span::default();
            address.uri = cursor.take_until(b';', ADDRESS);
            if memchr::memchr(b',', address.uri.of(bytes)).is_some() {
                return Err("comma in an address without brackets");
            }
        }
        if uri::scheme(address.uri.of(bytes)).is_none() {
            return Err("address without a URI");
        }
        cursor.skip_lws();
        if cursor.at_end() {
            return Ok(address);
        }
        if !cursor.eat(b';') {
            return Err("text behind the address");
        }
        address.params = cursor.rest().trim(bytes);
        for param in Params::new(bytes, address.params) {
            let param = param?;
            if param.name.of(bytes).eq_ignore_ascii_case(b"tag") {
                let value = param
                    .value
                    .filter(|value| !value.of(bytes).starts_with(b"\""))
                    .ok_or("tag without a value")?;
                if !address.tag.is_empty() {
                    return Err("two tags");
                }
                address.tag = value;
            }
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<[&str; 4], &'static str> {
        let address = NameAddr::parse(text.as_bytes(), Span::new(0, text.len()))?;
        let cut = |span: Span| &text[span.start as usize..span.end as usize];
        Ok([
            cut(address.display),
            cut(address.uri),
            cut(address.params),
            cut(address.tag),
        ])
    }

    #[test]
    fn addresses() {
        let cases = [
            ("sip:a@b", ["", "sip:a@b", "", ""]),
            ("sip:a@b;user=phone", ["", "sip:a@b", "user=phone", ""]),
            ("<sip:a@b;user=phone>", ["", "sip:a@b;user=phone", "", ""]),
            (
                "<sip:a@b;tag=no>;TAG=yes",
                ["", "sip:a@b;tag=no", "TAG=yes", "yes"],
            ),
            (
                "caller<sip:a@b>;tag=323",
                ["caller", "sip:a@b", "tag=323", "323"],
            ),
            (
                "T. J. Watson \t<sip:a@b>",
                ["T. J. Watson", "sip:a@b", "", ""],
            ),
            (
                "J\u{f6}rg (B\u{fc}ro) <sip:a@b>",
                ["J\u{f6}rg (B\u{fc}ro)", "sip:a@b", "", ""],
            ),
            (
                r#""a \" <sip:x@y>" <sip:a@b>"#,
                [r#""a \" <sip:x@y>""#, "sip:a@b", "", ""],
            ),
            (
                "sip:a@b\r\n  ;\r\n  tag = 98asjd8",
                ["", "sip:a@b", "tag = 98asjd8", "98asjd8"],
            ),
            (
                "<sip:a@b>;p=\"x;tag=no\";tag=1",
                ["", "sip:a@b", "p=\"x;tag=no\";tag=1", "1"],
            ),
            ("isbn:2983792873", ["", "isbn:2983792873", "", ""]),
            ("<sip:a,b;c@d>", ["", "sip:a,b;c@d", "", ""]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_can_be_read_two_ways_is_refused() {
        let cases = [
            ("", "nothing"),
            ("sip", "no scheme"),
            ("<>", "no URI"),
            ("\"Mr. J. User <sip:a@b>", "quotbal"),
            ("Bell, Alexander <sip:a@b>", "baddn"),
            ("< sip:a@b >", "badaspec"),
            ("<sip:a@b", "not closed"),
            ("sip:a@b>", "closed, not opened"),
            ("sip:a@b <sip:c@d>", "two addresses"),
            ("<sip:a@b> <sip:c@d>", "two addresses"),
            ("<sip:a@b>, <sip:c@d>", "two addresses"),
            ("sip:a@b,sip:c@d", "two addresses"),
            ("<sip:a@b>x", "text behind"),
            ("\"x\" y <sip:a@b>", "token behind quotes"),
            ("<sip:a@b>;", "empty parameter"),
            ("<sip:a@b>;;tag=1", "empty parameter"),
            ("<sip:a@b>;tag=1;tag=2", "two tags"),
            ("<sip:a@b>;tag=1;Tag=1", "two tags"),
            ("<sip:a@b>;tag", "empty tag"),
            ("<sip:a@b>;tag=", "empty tag"),
            ("<sip:a@b>;tag=\"1\"", "quoted tag"),
            ("<sip:a@b>;tag=1 2", "text behind the tag"),
            ("<sip:a\"@b>", "quote in a URI"),
            ("\"x\\\r\n y\" <sip:a@b>", "quoted-pair of a line end"),
        ];
        for (text, why) in cases {
            assert!(read(text).is_err(), "{why}: {text}");
        }
    }
}
