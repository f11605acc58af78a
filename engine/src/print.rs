//! Writing into a message under construction. Nothing here allocates beyond `out`.

use crate::message::Span;

/// A number in decimal.
pub fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A number in sixteen lower-case hexadecimal digits.
pub fn hex(out: &mut Vec<u8>, number: u64) {
    let digits: [u8; 16] =
        std::array::from_fn(|at| b"0123456789abcdef"[(number >> (60 - 4 * at) & 0xf) as usize]);
    out.extend_from_slice(&digits);
}

/// A piece of another message, as it stands there.
pub fn copy(out: &mut Vec<u8>, bytes: &[u8], span: Span) {
    out.extend_from_slice(span.of(bytes));
}

/// `label: value` and CRLF. The value must hold no line end; from the wire that is so for trimmed, unfolded
/// spans of a message without fault, and for folded ones, which stay folded.
pub fn header(out: &mut Vec<u8>, label: &[u8], value: &[u8]) {
    for part in [label, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// A whole Content-Length line, for a message that came without one and goes over a stream (18.3).
pub fn content_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(b"Content-Length: ");
    decimal(out, length as u64);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b">".to_vec();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn numbers() {
        for number in [0, 9, 10, 4_294_967_296, u64::MAX] {
            assert_eq!(written(|out| decimal(out, number)), format!(">{number}"));
            assert_eq!(written(|out| hex(out, number)), format!(">{number:016x}"));
        }
    }

    #[test]
    fn headers_and_copies() {
        assert_eq!(
            written(|out| header(out, b"Max-Forwards", b"69")),
            ">Max-Forwards: 69\r\n"
        );
        assert_eq!(written(|out| copy(out, b"abcdef", Span::new(1, 3))), ">bc");
        assert_eq!(written(|out| copy(out, b"abcdef", Span::new(4, 9))), ">");
    }
}
