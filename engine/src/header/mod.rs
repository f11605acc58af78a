//! The header fields that a proxy reads, one file each, and what they have in common: lists and parameters.

pub(crate) mod chars;
pub mod cseq;
pub(crate) mod cursor;
pub mod name_addr;
pub mod param;
pub mod route;
pub mod session;
pub mod via;

pub use cseq::CSeq;
pub use name_addr::NameAddr;
pub use param::{Param, Params};
pub use via::Via;

use crate::message::Span;

/// The comma-separated elements of a header value, trimmed, in order (RFC 3261 section 7.3.1).
///
/// Commas within quoted strings and within `<` and `>` do not separate. Parentheses are not looked at: the
/// grammar has comments only in Server and User-Agent, which are no lists, and honouring them here would hide
/// elements from us that the next hop sees. Empty elements are given as such. Where a quote or bracket is not
/// closed, the rest is one element; it will not parse.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    element_spans(value, Span::new(0, value.len())).map(|span| span.of(value))
}

/// Like [`elements`], for a value within a message: the spans count from the start of `bytes`.
pub fn element_spans(bytes: &[u8], value: Span) -> Elements<'_> {
    Elements {
        bytes,
        rest: Some(value),
    }
}

/// Iterator of [`element_spans`].
pub struct Elements<'a> {
    bytes: &'a [u8],
    rest: Option<Span>,
}

impl Iterator for Elements<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let rest = self.rest.take()?;
        let text = rest.of(self.bytes);
        let comma = comma(text);
        let element = match comma {
            Some(at) => {
                let at = rest.start as usize + at;
                self.rest = Some(Span::new(at + 1, rest.end as usize));
                Span::new(rest.start as usize, at)
            }
            None => rest,
        };
        Some(element.trim(self.bytes))
    }
}

/// Where the first comma is that separates.
fn comma(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr3(b',', b'"', b'<', text.get(at..)?)?;
        match text[at] {
            b',' => return Some(at),
            b'<' => at += memchr::memchr(b'>', &text[at..])? + 1,
            _ => at = behind_quotes(text, at)?,
        }
    }
}

/// The offset behind the quoted string that starts at `at`.
fn behind_quotes(text: &[u8], mut at: usize) -> Option<usize> {
    at += 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_a_list() {
        let cases: [(&str, &[&str]); 10] = [
            ("a", &["a"]),
            ("a, b ,\r\n c", &["a", "b", "c"]),
            ("", &[""]),
            ("a,,b,", &["a", "", "b", ""]),
            ("<sip:a,b@c>, <sip:d>", &["<sip:a,b@c>", "<sip:d>"]),
            (r#""x, \" y" <sip:a>, b"#, &[r#""x, \" y" <sip:a>"#, "b"]),
            (r#"a;p="1,2",b"#, &[r#"a;p="1,2""#, "b"]),
            (r#"a, "open, b"#, &["a", r#""open, b"#]),
            ("a, <open, b", &["a", "<open, b"]),
            ("(a, b)", &["(a", "b)"]),
        ];
        for (value, expected) in cases {
            let found: Vec<_> = elements(value.as_bytes())
                .map(String::from_utf8_lossy)
                .collect();
            assert_eq!(found, expected, "{value}");
        }
    }
}
