//! What a caller asks to be kept from others, RFC 3323 and its further values (RFC 3325 9.3, RFC 7044 10.1).

use crate::header;
use crate::message::{Index, Name};
use crate::proxy::hide::unescape;

/// The values of all Privacy fields of a request. `none` takes back all others (RFC 3323 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The caller is not to be told: `id`, `user` or `header`. We do all three for any of them, because a From
    /// that hides and a Contact that tells hide nothing.
    pub hides_caller: bool,
    /// `history`, or an entry that says so of itself: neither is by whom the call was passed on (RFC 7044 10.1.2,
    /// RFC 5806 section 5).
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
        // An entry speaks for somebody else: for who was called before, whatever this sender wants for itself.
        let history = asked.hides_history && !none || trusted && tells_hidden_history(bytes, index);
        if none {
            return Privacy {
                hides_history: history,
                ..Privacy::default()
            };
        }
        asked.hides_history = history;
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

/// Whether an entry of the history asks not to be told: `?Privacy=history` of a History-Info (RFC 7044 5.2), or
/// `;privacy=full` of a Diversion.
fn tells_hidden_history(bytes: &[u8], index: &Index) -> bool {
    index.fields.iter().any(|field| {
        let mut elements = header::elements(field.value.of(bytes));
        match field.name {
            Name::HistoryInfo => elements.any(asks_by_history),
            Name::Diversion => elements.any(asks_by_remote_party),
            _ => false,
        }
    })
}

/// `Privacy` among the header fields of the URI of an entry, with another value than `none`.
fn asks_by_history(element: &[u8]) -> bool {
    let Some(headers) = memchr::memchr(b'?', element).and_then(|at| element.get(at + 1..)) else {
        return false;
    };
    let end = memchr::memchr(b'>', headers).unwrap_or(headers.len());
    let plain = unescape(headers.get(..end).unwrap_or_default());
    plain.split(|byte| *byte == b'&').any(|part| {
        let mut sides = part.splitn(2, |byte| *byte == b'=');
        let name = sides.next().unwrap_or_default().trim_ascii();
        let value = sides.next().unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(b"Privacy") && !value.eq_ignore_ascii_case(b"none")
    })
}

/// `;privacy=full` of a Remote-Party-ID or a Diversion, or one of its narrower values.
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
    fn i04_an_entry_of_the_history_asks_for_itself() {
        for (lines, hides) in [
            (
                "History-Info: <sip:1@h>;index=1, <sip:2@h?Privacy=history>;index=1.1",
                true,
            ),
            (
                "History-Info: <sip:1@h?Reason=x&%50rivacy%3Dheader>;index=1",
                true,
            ),
            (
                "Privacy: none\r\nhistory-info: <sip:1@h?privacy=HISTORY>;index=1",
                true,
            ),
            ("History-Info: <sip:1@h?Privacy=none>;index=1", false),
            ("History-Info: \"Privacy=history\" <sip:1@h>;index=1", false),
            (
                "Diversion: <sip:1@h>;privacy=off, <sip:2@h>;reason=x;privacy=full",
                true,
            ),
            ("Diversion: <sip:1@h>;privacy=off", false),
            ("Diversion: <sip:1@h>;reason=no-answer", false),
        ] {
            let lines = format!("{lines}\r\n");
            assert_eq!(read(&lines, true).hides_history, hides, "{lines}");
            assert!(
                !read(&lines, false).hides_history,
                "of a stranger none passes"
            );
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
