//! Which bytes the grammar allows where (RFC 3261 section 25.1): one table, one look-up per byte.

/// `token`: header names, methods, transports, parameter names.
pub(crate) const TOKEN: u8 = 1;
/// White space inside a header value. CR and LF stand there only as part of a fold, because lines are cut before.
pub(crate) const LWS: u8 = 1 << 1;
/// An unquoted parameter value. Wider than `gen-value`: base64 with `=`, IPv6 without brackets (RFC 5118 section 4.5).
pub(crate) const VALUE: u8 = 1 << 2;
/// A display name without quotes. Wider than `*(token LWS)`, but without what could start or end an address.
pub(crate) const DISPLAY: u8 = 1 << 3;
/// What may stand between `<` and `>`.
pub(crate) const ADDRESS: u8 = 1 << 4;
/// User and password of a SIP URI. `#` is not in the RFC's set, but technical prefixes carry it unescaped.
pub(crate) const USER: u8 = 1 << 5;
/// Parameters and headers of a SIP URI, `;`, `?` and `&` being cut before.
pub(crate) const URI_PARAM: u8 = 1 << 6;
/// Host names and IPv4 addresses. `_` is not in the RFC's set, but in many a network.
pub(crate) const HOST: u8 = 1 << 7;

static CLASS: [u8; 256] = classes();

const fn within(byte: u8, set: &[u8]) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        let alphanumeric = b.is_ascii_alphanumeric();
        let visible = b > 0x20 && b != 0x7f;
        let unreserved = alphanumeric || within(b, b"-_.!~*'()");
        let mut class = 0;
        if alphanumeric || within(b, b"-.!%*_+`'~") {
            class |= TOKEN;
        }
        if within(b, b" \t\r\n") {
            class |= LWS;
        }
        if visible && !within(b, b";,\"<>\\") {
            class |= VALUE;
        }
        if visible && !within(b, b"\"\\,;:@<>") {
            class |= DISPLAY;
        }
        if visible && !within(b, b"<>\"") {
            class |= ADDRESS;
        }
        if unreserved || within(b, b"&=+$,;?/%#") {
            class |= USER;
        }
        if unreserved || within(b, b"[]/:&+$%=") {
            class |= URI_PARAM;
        }
        if alphanumeric || within(b, b"-._") {
            class |= HOST;
        }
        table[i] = class;
        i += 1;
    }
    table
}

#[inline]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASS[byte as usize] & class != 0
}

/// Whether every byte is of the class; true for no bytes.
#[inline]
pub(crate) fn all(text: &[u8], class: u8) -> bool {
    text.iter().all(|&byte| is(byte, class))
}

/// How many control characters other than HTAB there are. Counted in bytes of at most 255, so that it vectorises.
#[inline]
pub(crate) fn count_controls(text: &[u8]) -> usize {
    let is_control = |byte: &u8| u8::from((*byte < 0x20) & (*byte != b'\t'));
    let count = |chunk: &[u8]| {
        chunk
            .iter()
            .map(is_control)
            .fold(0u8, |sum, one| sum.wrapping_add(one))
    };
    text.chunks(224)
        .map(|chunk| usize::from(count(chunk)))
        .sum()
}

/// The value of a scalar (`1*DIGIT`), saturating; None where anything but digits stands there.
#[inline]
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        byte.is_ascii_digit().then(|| {
            value
                .saturating_mul(10)
                .saturating_add(u64::from(byte - b'0'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_digits_alone() {
        let cases: [(&[u8], Option<u64>); 9] = [
            (b"0068", Some(68)),
            (b"0", Some(0)),
            (b"36893488147419103232", Some(u64::MAX)),
            (b"", None),
            (b"-1", None),
            (b"+5", None),
            (b"0x10", None),
            (b"5 5", None),
            (b"1e3", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decimal(text), expected, "{text:?}");
        }
    }

    #[test]
    fn controls_are_counted_at_every_place() {
        for length in [0, 1, 31, 223, 224, 225, 255, 256, 1000] {
            assert_eq!(count_controls(&vec![0x1f; length]), length);
            assert_eq!(count_controls(&vec![b'\t'; length]), 0);
            assert_eq!(count_controls(&vec![b' '; length]), 0);
            assert_eq!(count_controls(&vec![0xff; length]), 0);
        }
        for at in 0..300 {
            let mut text = vec![b'a'; 300];
            text[at] = 0;
            assert_eq!(count_controls(&text), 1, "at {at}");
        }
    }
}
