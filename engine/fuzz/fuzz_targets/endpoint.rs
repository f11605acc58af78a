//! Any sequence of messages, times and orders: no panic, no leak, nothing unjudged; what the sequences test holds.
#![no_main]

#[path = "../../tests/model/mod.rs"]
mod model;

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use model::{Step, METHODS, STATUSES};

/// As long as a call with every mishap; longer ones only run slower.
const STEPS_MAX: usize = 60;

#[derive(Debug)]
struct Steps(Vec<Step>);

impl<'a> Arbitrary<'a> for Steps {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let mut steps = Vec::new();
        while !bytes.is_empty() && steps.len() < STEPS_MAX {
            steps.push(step(bytes)?);
        }
        Ok(Steps(steps))
    }
}

fn step(bytes: &mut Unstructured) -> Result<Step> {
    let method = |bytes: &mut Unstructured| bytes.int_in_range(0..=METHODS.len() - 1);
    Ok(match bytes.int_in_range(0..=15u8)? {
        0..=2 => Step::Request(
            method(bytes)?,
            bytes.int_in_range(0..=2)?,
            bytes.int_in_range(1..=4)?,
            bytes.int_in_range(0..=4)?,
            bytes.int_in_range(0..=3)?,
        ),
        3 | 4 => Step::FromGateway(
            method(bytes)?,
            bytes.int_in_range(0..=2)?,
            bytes.int_in_range(1..=4)?,
            bytes.int_in_range(0..=3)?,
        ),
        5..=7 => Step::Respond(
            usize::from(u8::arbitrary(bytes)?),
            *bytes.choose(&STATUSES)?,
            bytes.int_in_range(0..=3)?,
        ),
        8 => Step::Repeat(usize::from(u8::arbitrary(bytes)?), None),
        9 => {
            let change = (usize::from(u16::arbitrary(bytes)?), u8::arbitrary(bytes)?);
            Step::Repeat(usize::from(u8::arbitrary(bytes)?), Some(change))
        }
        10 => Step::Undeliverable(usize::from(u8::arbitrary(bytes)?)),
        11 | 12 => Step::Wait(u64::from(u16::arbitrary(bytes)?)),
        13 => Step::Release(usize::from(u8::arbitrary(bytes)?)),
        14 => match bool::arbitrary(bytes)? {
            true => Step::Hangup(usize::from(u8::arbitrary(bytes)?)),
            false => Step::Cancel(usize::from(u8::arbitrary(bytes)?)),
        },
        _ => Step::Bytes(Vec::arbitrary(bytes)?),
    })
}

libfuzzer_sys::fuzz_target!(|steps: Steps| model::run(steps.0));
