//! The bytes of a group in a segment. sipguard/store/redo/frame.py describes them, and reads them.

/// What a frame is longer than its payload: magic, length, sequence, CRC-32.
pub const OVERHEAD: usize = 20;

const MAGIC: [u8; 4] = *b"\xf5RG\n";

/// How many elements a MessagePack array has, and where the first begins; None: it is no array.
pub fn array(bytes: &[u8]) -> Option<(u32, usize)> {
    match *bytes {
        [tag @ 0x90..=0x9f, ..] => Some((u32::from(tag & 0x0f), 1)),
        [0xdc, a, b, ..] => Some((u32::from(u16::from_be_bytes([a, b])), 3)),
        [0xdd, a, b, c, d, ..] => Some((u32::from_be_bytes([a, b, c, d]), 5)),
        _ => None,
    }
}

/// How a MessagePack array of `count` elements begins.
fn array_header(count: u32, into: &mut Vec<u8>) {
    match (u8::try_from(count), u16::try_from(count)) {
        (Ok(few @ 0..=15), _) => into.push(0x90 | few),
        (_, Ok(some)) => {
            into.push(0xdc);
            into.extend(some.to_be_bytes());
        }
        _ => {
            into.push(0xdd);
            into.extend(count.to_be_bytes());
        }
    }
}

/// One frame in place of what `into` holds: an array of `count` records, which stand in `parts` one behind
/// the other. `seed`: with what the CRC begins, so that a frame belongs to its segment alone.
pub fn pack<'a>(
    into: &mut Vec<u8>,
    sequence: u64,
    seed: u32,
    count: u32,
    parts: impl Iterator<Item = &'a [u8]>,
) {
    into.clear();
    into.extend(MAGIC);
    into.extend([0; OVERHEAD - MAGIC.len()]);
    array_header(count, into);
    for part in parts {
        into.extend_from_slice(part);
    }
    let length = (into.len() - OVERHEAD) as u32;
    into[4..8].copy_from_slice(&length.to_le_bytes());
    into[8..16].copy_from_slice(&sequence.to_le_bytes());
    let crc = crc32(crc32(seed, &into[4..16]), &into[OVERHEAD..]);
    into[16..20].copy_from_slice(&crc.to_le_bytes());
}

/// CRC-32 as in ISO 3309 and zlib, continued from that of what stands before.
pub fn crc32(before: u32, bytes: &[u8]) -> u32 {
    let mut crc = !before;
    let mut eights = bytes.chunks_exact(8);
    for eight in &mut eights {
        let low = crc ^ u32::from_le_bytes([eight[0], eight[1], eight[2], eight[3]]);
        crc = TABLES[7][(low & 0xff) as usize]
            ^ TABLES[6][(low >> 8 & 0xff) as usize]
            ^ TABLES[5][(low >> 16 & 0xff) as usize]
            ^ TABLES[4][(low >> 24) as usize]
            ^ TABLES[3][eight[4] as usize]
            ^ TABLES[2][eight[5] as usize]
            ^ TABLES[1][eight[6] as usize]
            ^ TABLES[0][eight[7] as usize];
    }
    for byte in eights.remainder() {
        crc = crc >> 8 ^ TABLES[0][((crc ^ u32::from(*byte)) & 0xff) as usize];
    }
    !crc
}

/// Of each byte, followed by 0 to 7 zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 {
                crc >> 1
            } else {
                crc >> 1 ^ 0xedb8_8320
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_that_of_zlib_and_goes_on() {
        let bytes = b"123456789";
        assert_eq!(crc32(0, bytes), 0xcbf4_3926, "the check value");
        let long: Vec<u8> = (0..1000u32).map(|at| (at * 7) as u8).collect();
        for cut in [0, 1, 8, 13, 999] {
            assert_eq!(
                crc32(crc32(0, &long[..cut]), &long[cut..]),
                crc32(0, &long),
                "{cut}"
            );
        }
    }

    #[test]
    fn arrays_of_every_length_begin_as_they_are_read() {
        for count in [0, 1, 15, 16, 65_535, 65_536] {
            let mut bytes = Vec::new();
            array_header(count, &mut bytes);
            assert_eq!(array(&bytes), Some((count, bytes.len())));
        }
        for not in [&b""[..], b"\x80", b"\xdc\x00", b"\xc4\x01a"] {
            assert_eq!(array(not), None);
        }
    }
}
