//! Parameters of header values: `name [= value]`, separated by `;`.

use super::chars::{TOKEN, VALUE};
use super::cursor::Cursor;
use crate::message::Span;

/// One parameter. The spans count from the start of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param {
    /// Its name as written.
    pub name: Span,
    /// Its value as written, a quoted string with its quotes; None where there is no `=`.
    pub value: Option<Span>,
}

/// Reads the text behind the first `;` of a value. After an error nothing follows.
pub struct Params<'a> {
    cursor: Cursor<'a>,
    done: bool,
}

impl<'a> Params<'a> {
    /// `span`: what stands behind the first `;`. An empty span is a parameter that is missing, thus an error.
    pub fn new(bytes: &'a [u8], span: Span) -> Self {
        Params {
            cursor: Cursor::new(bytes, span),
            done: false,
        }
    }

    fn read(&mut self) -> Result<Param, &'static str> {
        self.cursor.skip_lws();
        let name = self.cursor.take_while(TOKEN);
        if name.is_empty() {
            return Err("parameter without a name");
        }
        self.cursor.skip_lws();
        let value = if self.cursor.eat(b'=') {
            self.cursor.skip_lws();
            let value = match self.cursor.peek() {
                Some(b'"') => self.cursor.quoted().ok_or("quotes not closed")?,
                _ => self.cursor.take_while(VALUE),
            };
            if value.is_empty() {
                return Err("parameter without a value behind =");
            }
            self.cursor.skip_lws();
            Some(value)
        } else {
            None
        };
        if self.cursor.at_end() {
            self.done = true;
        } else if !self.cursor.eat(b';') {
            return Err("text behind a parameter");
        }
        Ok(Param { name, value })
    }
}

impl Iterator for Params<'_> {
    type Item = Result<Param, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let param = self.read();
        self.done |= param.is_err();
        Some(param)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(&str, Option<&str>)>, &'static str> {
        let cut = |span: Span| &text[span.start as usize..span.end as usize];
        Params::new(text.as_bytes(), Span::new(0, text.len()))
            .map(|param| param.map(|p| (cut(p.name), p.value.map(cut))))
            .collect()
    }

    #[test]
    fn parameters_with_and_without_values() {
        assert_eq!(read("tag=1"), Ok(vec![("tag", Some("1"))]));
        assert_eq!(
            read(" rport ; branch =\r\n z9 "),
            Ok(vec![("rport", None), ("branch", Some("z9"))])
        );
        assert_eq!(
            read(r#"a="; \" ,";b"#),
            Ok(vec![("a", Some(r#""; \" ,""#)), ("b", None)])
        );
        assert_eq!(
            read("received=2001:db8::9"),
            Ok(vec![("received", Some("2001:db8::9"))])
        );
    }

    #[test]
    fn malformed_parameters() {
        for text in [
            "",
            ";",
            "a;",
            "a;;b",
            "a=",
            "a=;b",
            "a b",
            "a=1 2",
            "=1",
            r#"a="1"#,
            r#"a="1"2"#,
            "a,b",
            "a=<b>",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
