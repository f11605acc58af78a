//! CSeq (RFC 3261 sections 8.1.1.5 and 20.16).

use super::chars::{self, TOKEN};
use super::cursor::Cursor;
use crate::message::Span;

/// A CSeq value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CSeq {
    /// Below 2^31.
    pub number: u32,
    /// The method, as written.
    pub method: Span,
}

impl CSeq {
    /// Reads a value; the error says what is wrong with it.
    pub fn parse(bytes: &[u8], value: Span) -> Result<CSeq, &'static str> {
        let mut cursor = Cursor::new(bytes, value);
        let digits = cursor.take_while(TOKEN);
        let number = chars::decimal(digits.of(bytes)).ok_or("CSeq without a number")?;
        if !cursor.skip_lws() {
            return Err("CSeq without a method");
        }
        let method = cursor.take_while(TOKEN);
        if method.is_empty() {
            return Err("CSeq without a method");
        }
        cursor.skip_lws();
        if !cursor.at_end() {
            return Err("text behind the CSeq method");
        }
        match u32::try_from(number) {
            Ok(number) if number < 1 << 31 => Ok(CSeq { number, method }),
            _ => Err("CSeq out of range"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(u32, &str), &'static str> {
        let cseq = CSeq::parse(text.as_bytes(), Span::new(0, text.len()))?;
        Ok((
            cseq.number,
            &text[cseq.method.start as usize..cseq.method.end as usize],
        ))
    }

    #[test]
    fn m13_range_and_form() {
        assert_eq!(read("1 INVITE"), Ok((1, "INVITE")));
        assert_eq!(read("0009\r\n  INVITE"), Ok((9, "INVITE")));
        assert_eq!(read("2147483647 BYE"), Ok((2_147_483_647, "BYE")));
        assert_eq!(read("2147483648 BYE"), Err("CSeq out of range"));
        assert_eq!(read("4294967297 BYE"), Err("CSeq out of range"));
        assert_eq!(read("36893488147419103232 BYE"), Err("CSeq out of range"));
        for text in [
            "",
            "1",
            "1 ",
            "INVITE",
            "-1 INVITE",
            "+1 INVITE",
            "1INVITE",
            "1 INVITE x",
            "1 IN<VITE",
            "1,2 BYE",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
