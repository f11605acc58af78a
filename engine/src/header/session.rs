//! Session-Expires and Min-SE (RFC 4028 sections 4 and 5), and whether the sender keeps session timers.

use super::elements;
use crate::message::{Index, Name};

/// A Session-Expires or Min-SE shorter than this is not allowed, and stands for this where Min-SE is absent
/// (RFC 4028 section 5).
pub const LEAST_SECONDS: u32 = 90;

/// The interval of a message's Session-Expires, in seconds; None where it has none that can be read.
pub fn session_expires(bytes: &[u8], index: &Index) -> Option<u32> {
    delta_seconds(index.first(Name::SessionExpires)?.value.of(bytes))
}

/// The Min-SE of a message, in seconds.
pub fn min_se(bytes: &[u8], index: &Index) -> u32 {
    index
        .first(Name::MinSe)
        .and_then(|field| delta_seconds(field.value.of(bytes)))
        .map_or(LEAST_SECONDS, |seconds| seconds.max(LEAST_SECONDS))
}

/// Whether the sender says that it keeps session timers: Supported or Require lists `timer`.
pub fn supports_timer(bytes: &[u8], index: &Index) -> bool {
    [Name::Supported, Name::Require].into_iter().any(|name| {
        index
            .all(name)
            .flat_map(|field| elements(field.value.of(bytes)))
            .any(|option| option.eq_ignore_ascii_case(b"timer"))
    })
}

/// The part of a Session-Expires or Min-SE value behind its number: parameters, as they stand.
pub fn behind_seconds(value: &[u8]) -> &[u8] {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    value.get(digits.count()..).unwrap_or_default()
}

fn delta_seconds(value: &[u8]) -> Option<u32> {
    let rest = behind_seconds(value).trim_ascii_start();
    if !(rest.is_empty() || rest.starts_with(b";")) {
        return None;
    }
    let digits = value.get(..value.len() - behind_seconds(value).len())?;
    let text = std::str::from_utf8(digits).ok()?;
    // More than fits is as good as for ever.
    (!text.is_empty()).then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn read(lines: &str) -> (Option<u32>, u32, bool) {
        let text = format!(
            "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{lines}\r\n\r\n"
        );
        let mut index = Index::new();
        parse::datagram(text.as_bytes(), &mut index);
        let bytes = text.as_bytes();
        (
            session_expires(bytes, &index),
            min_se(bytes, &index),
            supports_timer(bytes, &index),
        )
    }

    #[test]
    fn i05_session_headers_in_their_spellings() {
        for (lines, expected) in [
            ("Subject: 1", (None, 90, false)),
            ("Session-Expires: 1800", (Some(1800), 90, false)),
            ("x:1800 ;refresher=uac", (Some(1800), 90, false)),
            ("SESSION-EXPIRES: 99999999999", (Some(u32::MAX), 90, false)),
            ("Session-Expires: soon", (None, 90, false)),
            ("Session-Expires: 18x", (None, 90, false)),
            ("Session-Expires:", (None, 90, false)),
            ("Min-SE: 300;x=1", (None, 300, false)),
            ("Min-SE: 5", (None, 90, false)),
            ("Supported: 100rel, Timer", (None, 90, true)),
            ("k: timer", (None, 90, true)),
            ("Require: timer", (None, 90, true)),
            ("Supported: timers", (None, 90, false)),
        ] {
            assert_eq!(read(lines), expected, "{lines}");
        }
    }
}
