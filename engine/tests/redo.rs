//! The appender: what is durable is whole and in order, and what cannot be appended is left to others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use between::{answer, Wire, GATEWAY};
use sipguard_engine::redo::appender::{Appender, Segment, Trouble};
use sipguard_engine::redo::frame::{self, OVERHEAD};
use sipguard_engine::worker::Shared;

const LIMIT: u64 = 400;
const SEED: u32 = 77;
const LONG: Option<Duration> = Some(Duration::from_secs(20));

/// A file of zeros that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::write(&path, vec![0; LIMIT as usize]).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn segment(path: &Path, sequence: u64) -> Segment {
    Segment {
        file: File::options().write(true).open(path).unwrap(),
        sequence,
        end: 0,
        limit: LIMIT,
        seed: SEED,
    }
}

/// Two records: MessagePack strings of one byte.
fn pair(of: u8) -> Vec<u8> {
    vec![0x92, 0xa1, of, 0xa1, of]
}

/// What the frames of a segment hold, as long as they are whole and follow each other.
fn frames(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let mut found = Vec::new();
    let mut rest = &bytes[..];
    while rest.len() > OVERHEAD && rest[..4] == *b"\xf5RG\n" {
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        let sequence = u64::from_le_bytes(rest[8..16].try_into().unwrap());
        let crc = u32::from_le_bytes(rest[16..20].try_into().unwrap());
        let payload = &rest[OVERHEAD..OVERHEAD + length];
        assert_eq!(crc, frame::crc32(frame::crc32(SEED, &rest[4..16]), payload));
        found.push((sequence, payload.to_vec()));
        rest = &rest[OVERHEAD + length..];
    }
    found
}

fn appender() -> Appender {
    Appender::start(None, Duration::ZERO, 100).unwrap()
}

#[test]
fn what_is_pushed_stands_in_the_segment_in_its_order() {
    let scratch = Scratch::new("order");
    let appender = appender();
    for of in b'a'..=b'e' {
        assert!(appender.push(&pair(of), Vec::new(), false));
    }
    assert!(!appender.push(b"\xa1x", Vec::new(), false), "no array");
    assert_eq!(appender.counts(), (0, 0), "there is no segment yet");
    appender.resume(segment(&scratch.0, 9));
    appender.wait(8, 10, LONG);
    let (records, groups) = appender.counts();
    assert_eq!(records, 10);
    let written = frames(&scratch.0);
    assert_eq!(written.len() as u64, groups);
    assert!(written
        .iter()
        .map(|(sequence, _)| *sequence)
        .eq(9..9 + groups));
    let bodies: Vec<u8> = written
        .iter()
        .flat_map(|(_, payload)| payload[1..].to_vec())
        .collect();
    assert_eq!(
        bodies,
        b"\xa1a\xa1a\xa1b\xa1b\xa1c\xa1c\xa1d\xa1d\xa1e\xa1e"
    );
    let told = appender.groups(8);
    assert_eq!(told.iter().map(|group| group.records).sum::<u32>(), 10);
    assert_eq!(
        appender.behind().1,
        appender.end(),
        "nothing of it is applied"
    );
    appender.applied(8 + groups);
    assert_eq!(appender.behind(), (0, 0));
    assert_eq!(appender.groups(8), []);
}

#[test]
fn a_window_gathers_and_whoever_hurries_waits_for_none() {
    let scratch = Scratch::new("window");
    let hour = Duration::from_secs(3_600);
    let appender = Appender::start(None, hour, 4).unwrap();
    appender.resume(segment(&scratch.0, 1));
    appender.push(&pair(b'a'), Vec::new(), false);
    appender.wait(0, 2, LONG);
    assert_eq!(
        appender.counts(),
        (2, 1),
        "the first after a pause waits for nobody"
    );
    for of in b'b'..=b'd' {
        appender.push(&pair(of), Vec::new(), false);
    }
    appender.wait(1, 1, Some(Duration::from_millis(30)));
    assert_eq!(appender.counts(), (2, 1));
    appender.hurry();
    appender.wait(1, 6, LONG);
    assert_eq!(appender.counts(), (8, 3), "four records make a group");
}

#[test]
fn a_full_segment_gets_nothing_more_and_nothing_is_lost() {
    let (first, second) = (Scratch::new("full"), Scratch::new("next"));
    let appender = appender();
    appender.resume(segment(&first.0, 1));
    let long = [&[0x91, 0xda, 0x00, 0xfa][..], &[b'x'; 250]].concat();
    appender.push(&long, Vec::new(), false);
    appender.wait(0, 1, LONG);
    let end = appender.end();
    appender.push(&long, Vec::new(), false);
    let trouble = appender.trouble().unwrap();
    assert_eq!(
        trouble,
        Trouble {
            records: 1,
            sequence: 2,
            end,
            error: 0
        }
    );
    appender.push(&pair(b'y'), Vec::new(), false);
    assert_eq!(appender.counts(), (1, 1));
    appender.resume(segment(&second.0, 2));
    appender.wait(1, 3, LONG);
    assert_eq!(frames(&first.0).len(), 1);
    let all: usize = frames(&second.0)
        .iter()
        .map(|(_, payload)| payload.len())
        .sum();
    assert!(all > 250 + 4, "both that waited");
}

#[test]
fn a_file_that_was_removed_is_no_place() {
    let scratch = Scratch::new("removed");
    let appender = appender();
    appender.resume(segment(&scratch.0, 5));
    fs::remove_file(&scratch.0).unwrap();
    appender.push(&pair(b'a'), Vec::new(), false);
    let trouble = appender.trouble().unwrap();
    assert_eq!((trouble.sequence, trouble.error), (5, 0));
    assert_eq!(appender.counts(), (0, 0));
}

#[test]
fn k03_what_failed_is_not_durable_until_somebody_else_made_it_so() {
    // One takes no byte, the other takes them all and cannot be synced.
    for (device, error) in [("/dev/full", libc::ENOSPC), ("/dev/null", libc::EINVAL)] {
        let appender = appender();
        appender.resume(segment(Path::new(device), 3));
        appender.push(&pair(b'a'), Vec::new(), true);
        let trouble = appender.trouble().unwrap();
        assert_eq!(
            trouble,
            Trouble {
                records: 2,
                sequence: 3,
                end: 0,
                error
            },
            "{device}"
        );
        appender.push(&pair(b'b'), Vec::new(), true);
        assert_eq!(appender.counts(), (0, 0));
        appender.appended(2, 3, 50);
        assert_eq!(appender.counts(), (2, 1), "and the others wait on");
        let next = appender.trouble().unwrap();
        assert_eq!(
            (next.records, next.sequence, next.error),
            (2, 0, 0),
            "told once"
        );
    }
}

#[test]
fn nobody_waits_for_one_that_is_closed() {
    let appender = Arc::new(appender());
    let waiting = {
        let appender = appender.clone();
        std::thread::spawn(move || {
            appender.wait(0, 1, None);
            appender.trouble()
        })
    };
    appender.close();
    assert_eq!(waiting.join().unwrap(), None);
}

#[test]
fn what_is_held_goes_when_its_record_is_durable_and_not_before() {
    let mut wire = Wire::new();
    let (call, invite) = wire.invite();
    wire.send(GATEWAY, &answer(&invite, "200 OK", "gw1"));
    assert_eq!(wire.lines(), [""; 0]);
    let shared = Arc::new(Shared::new(wire.sg).unwrap());

    let appender = Appender::start(Some(shared.clone()), Duration::ZERO, 100).unwrap();
    appender.push(&pair(b'a'), vec![call, call + 1], false);
    appender.trouble().unwrap();
    assert!(shared.endpoint().outbox().is_empty(), "not durable yet");
    appender.appended(2, 1, 50);
    assert!(
        !shared.endpoint().release(call),
        "it was let go as soon as it was"
    );
}

#[test]
fn records_that_nobody_waits_for_go_with_the_next_that_somebody_does() {
    let scratch = Scratch::new("unawaited");
    // Theirs alone would be due after ten windows, which is not waited for here.
    let window = Duration::from_millis(500);
    let appender = Appender::start(None, window, 100).unwrap();
    appender.resume(segment(&scratch.0, 1));
    appender.push(&pair(b'a'), Vec::new(), false);
    appender.wait(0, 2, LONG);
    appender.push(&pair(b'b'), Vec::new(), false);
    appender.push(&pair(b'c'), Vec::new(), true);
    appender.wait(1, 4, Some(9 * window));
    assert_eq!(appender.counts(), (6, 2), "one group");
}
