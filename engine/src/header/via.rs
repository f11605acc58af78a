//! Via (RFC 3261 sections 18.2 and 20.42, RFC 3581, RFC 5118).

use super::chars::{self, HOST, TOKEN};
use super::cursor::Cursor;
use super::param::Params;
use crate::message::Span;
use crate::uri;

/// The start of every branch that RFC 3261 transactions carry (section 8.1.1.7).
pub const COOKIE: &[u8] = b"z9hG4bK";

/// One Via value. The spans count from the start of the message; an empty span is a part that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Via {
    /// UDP, TCP, TLS, ... as written.
    pub transport: Span,
    /// Host of sent-by, IPv6 with its brackets.
    pub host: Span,
    /// Port of sent-by, never 0.
    pub port: Option<u16>,
    /// The transaction's branch.
    pub branch: Span,
    /// IPv6 with or without brackets (RFC 5118 section 4.5).
    pub received: Span,
    /// An empty span where the parameter has no value; it then stands right behind the name.
    pub rport: Option<Span>,
    /// Host that answers go to by multicast.
    pub maddr: Span,
    /// This one element, trimmed. Parameters can be added at its end.
    pub value: Span,
    /// The elements behind it in the same field, trimmed; empty where it is the last.
    pub rest: Span,
    /// Number of its field in `Index::fields`.
    pub field: u32,
    /// To remove it: drop the line where true, else write the field's label and `rest`.
    pub last_in_field: bool,
}

impl Via {
    /// Reads one element. Fills in what stands before the first error, so that a response can still be sent.
    /// `rest`, `field` and `last_in_field` are left to the caller, who knows the field.
    pub fn read(&mut self, bytes: &[u8], element: Span) -> Result<(), &'static str> {
        self.value = element;
        let mut cursor = Cursor::new(bytes, element);
        cursor.skip_lws();
        let protocol = cursor.take_while(TOKEN);
        cursor.skip_lws();
        if !protocol.of(bytes).eq_ignore_ascii_case(b"SIP") || !cursor.eat(b'/') {
            return Err("Via without SIP/2.0");
        }
        cursor.skip_lws();
        let version = cursor.take_while(TOKEN);
        cursor.skip_lws();
        if !cursor.eat(b'/') {
            return Err("Via without a transport");
        }
        cursor.skip_lws();
        self.transport = cursor.take_while(TOKEN);
        if self.transport.is_empty() || !cursor.skip_lws() {
            return Err("Via without a transport");
        }
        self.read_sent_by(bytes, &mut cursor)?;
        if !cursor.at_end() {
            if !cursor.eat(b';') {
                return Err("text behind the Via's sent-by");
            }
            self.read_params(bytes, cursor.rest())?;
        }
        if version.of(bytes) != b"2.0" {
            return Err("Via without SIP/2.0");
        }
        Ok(())
    }

    fn read_sent_by(&mut self, bytes: &[u8], cursor: &mut Cursor<'_>) -> Result<(), &'static str> {
        let start = cursor.here();
        if cursor.eat(b'[') {
            cursor.take_until(b']', chars::VALUE);
            cursor.eat(b']');
        } else {
            cursor.take_while(HOST);
        }
        let host = Span {
            start: start.start,
            end: cursor.here().end,
        };
        if !uri::is_host(host.of(bytes)) {
            return Err("Via without a host");
        }
        self.host = host;
        cursor.skip_lws();
        if cursor.eat(b':') {
            cursor.skip_lws();
            let digits = cursor.take_while(TOKEN);
            self.port = Some(uri::port(digits.of(bytes)).ok_or("Via port out of range")?);
            cursor.skip_lws();
        }
        Ok(())
    }

    fn read_params(&mut self, bytes: &[u8], span: Span) -> Result<(), &'static str> {
        for param in Params::new(bytes, span) {
            let param = param?;
            let name = param.name.of(bytes);
            // Only the five lengths that can matter are compared.
            let place = match name.len() {
                6 if name.eq_ignore_ascii_case(b"branch") => &mut self.branch,
                8 if name.eq_ignore_ascii_case(b"received") => &mut self.received,
                5 if name.eq_ignore_ascii_case(b"maddr") => &mut self.maddr,
                5 if name.eq_ignore_ascii_case(b"rport") => {
                    if param
                        .value
                        .is_some_and(|value| uri::port(value.of(bytes)).is_none())
                    {
                        return Err("Via rport out of range");
                    }
                    let value = param.value.unwrap_or(Span {
                        start: param.name.end,
                        end: param.name.end,
                    });
                    if self.rport.replace(value).is_some() {
                        return Err("Via parameter twice");
                    }
                    continue;
                }
                _ => continue,
            };
            let value = param
                .value
                .filter(|value| !value.of(bytes).starts_with(b"\""))
                .ok_or("Via parameter without a value")?;
            if !place.is_empty() {
                return Err("Via parameter twice");
            }
            *place = value;
        }
        Ok(())
    }

    /// Whether the branch names the transaction by itself (section 17.2.3). Where not, the rules of RFC 2543
    /// apply. The bare cookie names nothing (RFC 4475 section 3.3.1).
    pub fn has_unique_branch(&self, bytes: &[u8]) -> bool {
        let branch = self.branch.of(bytes);
        branch.len() > COOKIE.len() && branch[..COOKIE.len()].eq_ignore_ascii_case(COOKIE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Via, Result<(), &'static str>) {
        let mut via = Via::default();
        let result = via.read(text.as_bytes(), Span::new(0, text.len()));
        (via, result)
    }

    #[test]
    fn parts() {
        let text = "SIP / 2.0\r\n /UDP  [2001:db8::9:1] : 5070 ; rport;received=2001:db8::9;maddr=a.b ;branch=\r\n z9hG4bKx;ttl=1";
        let (via, result) = read(text);
        assert_eq!(result, Ok(()));
        let cut = |span: Span| &text[span.start as usize..span.end as usize];
        assert_eq!(cut(via.transport), "UDP");
        assert_eq!(cut(via.host), "[2001:db8::9:1]");
        assert_eq!(via.port, Some(5070));
        assert_eq!(cut(via.branch), "z9hG4bKx");
        assert_eq!(cut(via.received), "2001:db8::9");
        assert_eq!(cut(via.maddr), "a.b");
        let rport = via.rport.unwrap_or(via.branch);
        assert!(rport.is_empty());
        assert!(
            text[..rport.start as usize].ends_with("rport"),
            "an empty rport span shows where its value goes"
        );
    }

    #[test]
    fn accepted() {
        for text in [
            "SIP/2.0/UDP a",
            "sip/2.0/udp a:5060;branch=z9hG4bK",
            "SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en",
            "SIP/2.0/UDP my_pbx.local;rport=5062",
            "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;received=[2001:db8::9:255]",
            "SIP/2.0/TCP host;branch=z9hG4bK-.!%66*_+`'~",
        ] {
            assert_eq!(read(text).1, Ok(()), "{text}");
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 UDP a",
            "HTTP/2.0/UDP a",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP a;",
            "SIP/2.0/UDP 192.0.2.15;;",
            "SIP/2.0/UDP a;branch",
            "SIP/2.0/UDP a;branch=",
            "SIP/2.0/UDP a;branch=\"z9\"",
            "SIP/2.0/UDP a;branch=1;branch=2",
            "SIP/2.0/UDP a;rport;rport",
            "SIP/2.0/UDP a;rport=0",
            "SIP/2.0/UDP a;rport=x",
            "SIP/2.0/UDP a:0",
            "SIP/2.0/UDP a:65536",
            "SIP/2.0/UDP a:-1",
            "SIP/2.0/UDP a:",
            "SIP/2.0/UDP :5060",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP [2001:db8::1",
            "SIP/2.0/UDP [2001:db8:::1]",
            "SIP/2.0/UDP 300.1.1.1",
            "SIP/2.0/UDP a (comment)",
            "SIP/7.0/UDP a",
        ] {
            assert!(read(text).1.is_err(), "{text}");
        }
    }

    #[test]
    fn a_broken_tail_leaves_the_sent_by() {
        for text in [
            "SIP/2.0/UDP 192.0.2.15:5070;;",
            "SIP/7.0/UDP 192.0.2.15:5070;branch=z9hG4bKx",
        ] {
            let (via, result) = read(text);
            assert!(result.is_err());
            assert_eq!(
                (via.host.of(text.as_bytes()), via.port),
                (&b"192.0.2.15"[..], Some(5070)),
                "{text}"
            );
        }
    }

    #[test]
    fn x12_a_bare_cookie_is_not_unique() {
        for (branch, unique) in [
            ("z9hG4bK", false),
            ("z9hG4bKa", true),
            ("390skdjuw", false),
            ("Z9HG4BKa", true),
        ] {
            let text = format!("SIP/2.0/UDP a;branch={branch}");
            assert_eq!(
                read(&text).0.has_unique_branch(text.as_bytes()),
                unique,
                "{branch}"
            );
        }
    }
}
