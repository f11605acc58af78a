//! The invariants of `invariants/mod.rs` over random bytes, and over valid messages with a few things spoilt.

mod invariants;

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, Index as At};

/// What breaks parsers: line ends, separators, second fields, numbers out of range.
const NASTY: [&[u8]; 50] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\n ",
    b"\r\n\t",
    b" \r\n",
    b"\r\n \r\n",
    b"\0",
    b"\x01",
    b"\x0b",
    b" ",
    b"\t",
    b",",
    b";",
    b":",
    b"=",
    b"<",
    b">",
    b"\"",
    b"\\",
    b"\"\\\r\n",
    b"\\\"",
    b"@",
    b"%",
    b"%00",
    b"%3",
    b"?",
    b"[::1]",
    b"[",
    b"\xff",
    b"\xc3\xbc",
    b"-1",
    b"+5",
    b"4294967296",
    b"18446744073709551617",
    b"0x10",
    b"()",
    b"\r\nTo: <sip:x@y>",
    b"\r\nTo\x01: <sip:x@y>",
    b"\r\nTo : <sip:x@y>;tag=1",
    b"\r\nt:sip:x@y",
    b"\r\nContent-Length: 0",
    b"\r\nl :5",
    b"\r\nVia: SIP/2.0/UDP a",
    b"\r\nRoute: <sip:a;lr>,<sip:b>",
    b"\r\nCSeq:1 BYE",
    b"SIP/2.0",
    b";tag=x",
];

/// All torture messages: the widest choice of valid and invalid forms at hand.
fn seeds() -> &'static Vec<Vec<u8>> {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let torture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
        let mut files = Vec::new();
        for rfc in ["rfc4475", "rfc5118"] {
            files.extend(
                fs::read_dir(torture.join(rfc))
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|entry| entry.path()),
            );
        }
        files.sort();
        files
            .iter()
            .filter_map(|file| fs::read(file).ok())
            .collect()
    })
}

#[derive(Clone, Debug)]
enum Spoil {
    Flip(At, u8),
    Insert(At, &'static [u8]),
    Remove(At, usize),
    Repeat(At, usize),
    Cut(At),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        (any::<At>(), any::<u8>()).prop_map(|(at, byte)| Spoil::Flip(at, byte)),
        (any::<At>(), select(&NASTY[..])).prop_map(|(at, text)| Spoil::Insert(at, text)),
        (any::<At>(), 1usize..20).prop_map(|(at, length)| Spoil::Remove(at, length)),
        (any::<At>(), 1usize..80).prop_map(|(at, length)| Spoil::Repeat(at, length)),
        any::<At>().prop_map(Spoil::Cut),
    ]
}

fn spoilt(mut message: Vec<u8>, spoils: &[Spoil]) -> Vec<u8> {
    for spoil in spoils {
        if message.is_empty() {
            break;
        }
        let length = message.len();
        match *spoil {
            Spoil::Flip(at, byte) => message[at.index(length)] = byte,
            Spoil::Insert(at, text) => {
                drop(message.splice(at.index(length)..at.index(length), text.iter().copied()))
            }
            Spoil::Remove(at, count) => {
                drop(message.drain(at.index(length)..(at.index(length) + count).min(length)))
            }
            Spoil::Repeat(at, count) => {
                let piece =
                    message[at.index(length)..(at.index(length) + count).min(length)].to_vec();
                message.splice(at.index(length)..at.index(length), piece);
            }
            Spoil::Cut(at) => message.truncate(at.index(length)),
        }
    }
    message
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200)) {
        invariants::hold(&bytes);
    }

    #[test]
    fn random_pieces(pieces in vec(select(&NASTY[..]), 0..30)) {
        invariants::hold(&pieces.concat());
    }

    #[test]
    fn spoilt_messages(seed in any::<At>(), spoils in vec(spoil(), 0..5)) {
        invariants::hold(&spoilt(seeds()[seed.index(seeds().len())].clone(), &spoils));
    }
}

#[test]
fn seeds_hold_as_they_are() {
    assert_eq!(seeds().len(), 61);
    for seed in seeds() {
        invariants::hold(seed);
    }
}
