//! What a caller asks to be kept from others, RFC 3323 and its further values (RFC 3325 9.3, RFC 7044 10.1).

use crate::header;
use crate::message::{Index, Name};

/// The values of all Privacy fields of a request. `none` takes back all others (RFC 3323 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The caller is not to be told: `id`, `user` or `header`. We do all three for any of them, because a From
    /// that hides and a Contact that tells hide nothing.
    pub hides_caller: bool,
    /// `history`: neither is by whom the call was passed on.
    pub hides_history: bool,
    /// What was asked for cannot be done here (`session` needs the media, RFC 3323 5.2; or it is unknown), and
    /// `critical` says that the call shall rather fail.
    pub fails: bool,
}

impl Privacy {
    /// Of a request. `trusted`: its sender may ask by Remote-Party-ID too, as was done before RFC 3325.
    pub fn of(bytes: &[u8], index: &Index, trusted: bool) -> Privacy {
        let mut asked = Privacy::default();
        let (mut none, mut critical, mut beyond) = (false, false, false);
        for field in index.all(Name::Privacy) {
            let value = field.value.of(bytes);
            // The separator is `;`; the comma is what proxies make of two fields.
            for word in value.split(|byte| matches!(byte, b';' | b',')) {
                let word = word.trim_ascii();
                let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
                match () {
                    () if word.is_empty() => {}
                    () if is(b"none") => none = true,
                    () if is(b"critical") => critical = true,
                    () if is(b"id") || is(b"user") || is(b"header") => asked.hides_caller = true,
                    () if is(b"history") => asked.hides_history = true,
                    () => beyond = true,
                }
            }
        }
        if none {
            return Privacy::default();
        }
        if trusted && !asked.hides_caller {
            asked.hides_caller = index
                .all(Name::RemotePartyId)
                .flat_map(|field| header::elements(field.value.of(bytes)))
                .any(asks_by_remote_party);
        }
        asked.fails = critical && beyond;
        asked
    }
}

/// `;privacy=full` of a Remote-Party-ID, or one of its narrower values.
fn asks_by_remote_party(element: &[u8]) -> bool {
    let behind = memchr::memrchr(b'>', element).map_or(0, |at| at + 1);
    let params = element.get(behind..).unwrap_or_default();
    params.split(|byte| *byte == b';').any(|param| {
        let mut sides = param.splitn(2, |byte| *byte == b'=');
        let name = sides.next().unwrap_or_default().trim_ascii();
        let value = sides.next().unwrap_or_default().trim_ascii();
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let value = value.strip_suffix(b"\"").unwrap_or(value);
        name.eq_ignore_ascii_case(b"privacy")
            && !value.is_empty()
            && !value.eq_ignore_ascii_case(b"off")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn read(lines: &str, trusted: bool) -> Privacy {
        let text = format!(
            "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: c\r\nCSeq: 1 INVITE\r\n{lines}\r\n"
        );
        let mut index = Index::new();
        assert_eq!(
            parse::datagram(text.as_bytes(), &mut index),
            parse::Kind::Request
        );
        Privacy::of(text.as_bytes(), &index, trusted)
    }

    #[test]
    fn i04_the_values_of_privacy() {
        for (lines, hides_caller, hides_history, fails) in [
            ("", false, false, false),
            ("Privacy: id\r\n", true, false, false),
            ("privacy : USER ; critical\r\n", true, false, false),
            ("Privacy: header;history\r\n", true, true, false),
            ("Privacy: history\r\n", false, true, false),
            ("Privacy: session\r\n", false, false, false),
            ("Privacy: id;session;critical\r\n", true, false, true),
            ("Privacy: critical;new-one\r\n", false, false, true),
            (
                "Privacy: critical\r\nPrivacy: session, id\r\n",
                true,
                false,
                true,
            ),
            ("Privacy: none\r\n", false, false, false),
            (
                "Privacy: id;critical;session\r\nPrivacy: none\r\n",
                false,
                false,
                false,
            ),
            ("Privacy:\r\n", false, false, false),
            ("Privacy: ;;,\r\n", false, false, false),
        ] {
            let expected = Privacy {
                hides_caller,
                hides_history,
                fails,
            };
            assert_eq!(read(lines, true), expected, "{lines}");
        }
    }

    #[test]
    fn i04_remote_party_id_asks_where_it_is_believed() {
        let asked =
            "Remote-Party-ID: \"A;privacy=off\" <sip:1@h;privacy=x>;party=calling;privacy=full\r\n";
        assert!(read(asked, true).hides_caller);
        assert!(!read(asked, false).hides_caller);
        for lines in [
            "Remote-Party-ID: <sip:1@h;privacy=full>;privacy=off\r\n",
            "Remote-Party-ID: <sip:1@h>\r\n",
        ] {
            assert!(!read(lines, true).hides_caller, "{lines}");
        }
    }
}
