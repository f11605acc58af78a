//! A reading position in a header value. All spans it gives count from the start of the message.

use super::chars::{self, LWS};
use crate::message::Span;

pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    pos: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    /// Reads `span` of `bytes`; what lies behind the end of `bytes` is not there.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], span: Span) -> Self {
        let end = (span.end as usize).min(bytes.len());
        Cursor {
            bytes,
            pos: (span.start as usize).min(end),
            end,
        }
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        if self.pos < self.end {
            self.bytes.get(self.pos).copied()
        } else {
            None
        }
    }

    #[inline]
    pub(crate) fn at_end(&self) -> bool {
        self.pos >= self.end
    }

    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    #[inline]
    pub(crate) fn take_while(&mut self, class: u8) -> Span {
        let start = self.pos;
        let rest = self.bytes.get(start..self.end).unwrap_or_default();
        self.pos += rest
            .iter()
            .position(|&byte| !chars::is(byte, class))
            .unwrap_or(rest.len());
        Span::new(start, self.pos)
    }

    /// Like `take_while`, but ends before `stop` too.
    #[inline]
    pub(crate) fn take_until(&mut self, stop: u8, class: u8) -> Span {
        let start = self.pos;
        let rest = self.bytes.get(start..self.end).unwrap_or_default();
        self.pos += rest
            .iter()
            .position(|&byte| byte == stop || !chars::is(byte, class))
            .unwrap_or(rest.len());
        Span::new(start, self.pos)
    }

    /// Skips white space and folds; true where there was any.
    #[inline]
    pub(crate) fn skip_lws(&mut self) -> bool {
        !self.take_while(LWS).is_empty()
    }

    /// A quoted string, its quotes included. None where none starts here or its end is missing.
    pub(crate) fn quoted(&mut self) -> Option<Span> {
        let start = self.pos;
        if !self.eat(b'"') {
            return None;
        }
        loop {
            match self.peek()? {
                b'"' => {
                    self.pos += 1;
                    return Some(Span::new(start, self.pos));
                }
                b'\\' => {
                    self.pos += 1;
                    // quoted-pair excludes CR and LF: a backslash cannot swallow the start of a fold.
                    if matches!(self.peek()?, b'\r' | b'\n') {
                        return None;
                    }
                    self.pos += 1;
                }
                _ => self.pos += 1,
            }
        }
    }

    #[inline]
    pub(crate) fn here(&self) -> Span {
        Span::new(self.pos, self.pos)
    }

    #[inline]
    pub(crate) fn rewind(&mut self, span: Span) {
        self.pos = span.start as usize;
    }

    /// All that is left.
    #[inline]
    pub(crate) fn rest(&self) -> Span {
        Span::new(self.pos, self.end)
    }
}
