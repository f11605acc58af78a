//! The codecs that a session description names (RFC 8866), for call records. Bounded, and never in the way: what
//! cannot be read is left out.

use crate::message::{Index, Name};

/// Bytes of a body that are looked at: no real offer is longer, and longer ones cost no more.
const READ_BYTES: usize = 4096;
/// Codecs that are told.
const CODECS: usize = 16;
/// The longest name that is told; the longest registered one has 19 characters.
const NAME_BYTES: usize = 24;

/// Encoding names of a message's session description in their order, with commas between: "PCMA,PCMU,telephone-event".
///
/// Streams that are refused (port 0) are left out, and so is what was named before. Empty without a description.
#[must_use]
pub fn codecs(bytes: &[u8], index: &Index) -> String {
    let body = index.body.of(bytes);
    let kind = index
        .first(Name::ContentType)
        .map(|field| field.value.of(bytes));
    if body.is_empty()
        || !kind.is_some_and(describes)
        || index.first(Name::ContentEncoding).is_some()
    {
        return String::new();
    }
    let mut codecs = Codecs::default();
    for line in body[..body.len().min(READ_BYTES)].split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(media) = line.strip_prefix(b"m=") {
            codecs.tell();
            codecs.media(media);
        } else if let Some(map) = line.strip_prefix(b"a=rtpmap:") {
            codecs.map(map);
        }
    }
    codecs.tell();
    codecs.told
}

/// A description, or several bodies of which one may be it (RFC 3261 section 7.4).
fn describes(kind: &[u8]) -> bool {
    [&b"application/sdp"[..], b"multipart/"]
        .iter()
        .any(|front| {
            kind.get(..front.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(front))
        })
}

#[derive(Default)]
struct Codecs<'a> {
    told: String,
    count: usize,
    /// Formats of the present stream, each with its name.
    formats: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Codecs<'a> {
    /// "audio 49170 RTP/AVP 0 8 97": media, port, transport, formats (section 5.14).
    fn media(&mut self, line: &'a [u8]) {
        let mut words = line
            .split(|&byte| byte == b' ')
            .filter(|word| !word.is_empty());
        let (Some(_), Some(port), Some(_)) = (words.next(), words.next(), words.next()) else {
            return;
        };
        if port != b"0" {
            self.formats.extend(
                words
                    .take(CODECS)
                    .map(|format| (format, well_known(format))),
            );
        }
    }

    /// "97 iLBC/8000" (section 6.6).
    fn map(&mut self, line: &'a [u8]) {
        let mut words = line.splitn(2, |&byte| byte == b' ');
        let (Some(format), Some(encoding)) = (words.next(), words.next()) else {
            return;
        };
        let name = encoding
            .split(|&byte| byte == b'/')
            .next()
            .unwrap_or_default();
        for known in &mut self.formats {
            if known.0 == format {
                known.1 = name;
            }
        }
    }

    /// The present stream is complete.
    fn tell(&mut self) {
        for (_, name) in std::mem::take(&mut self.formats) {
            let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b',';
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            if self.count == CODECS
                || name.is_empty()
                || name.len() > NAME_BYTES
                || !name.as_bytes().iter().all(plain)
                || self
                    .told
                    .split(',')
                    .any(|told| told.eq_ignore_ascii_case(name))
            {
                continue;
            }
            if self.count > 0 {
                self.told.push(',');
            }
            self.told.push_str(name);
            self.count += 1;
        }
    }
}

/// The name of a payload type that needs no rtpmap (RFC 3551 section 6); any other is its own name.
fn well_known(format: &[u8]) -> &[u8] {
    match format {
        b"0" => b"PCMU",
        b"3" => b"GSM",
        b"4" => b"G723",
        b"5" | b"6" | b"16" | b"17" => b"DVI4",
        b"7" => b"LPC",
        b"8" => b"PCMA",
        b"9" => b"G722",
        b"10" | b"11" => b"L16",
        b"12" => b"QCELP",
        b"13" => b"CN",
        b"14" => b"MPA",
        b"15" => b"G728",
        b"18" => b"G729",
        b"26" => b"JPEG",
        b"31" => b"H261",
        b"32" => b"MPV",
        b"33" => b"MP2T",
        b"34" => b"H263",
        other => other,
    }
}
