//! Longest match among a million prefixes: all in one space, and in 1,000 spaces.

#![allow(missing_docs)] // criterion_group makes a function without any

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, Criterion};
use sipguard_engine::prefix::PrefixMap;

const ROWS: u64 = 1_000_000;

/// A fixed sequence that looks random (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// A million different prefixes of 7 to 9 digits, over so many spaces.
fn map(spaces: u64) -> PrefixMap {
    let ids: Vec<_> = (0..ROWS).map(|row| row % spaces).collect();
    // Seven digits that no other row has, and up to two more.
    let texts: Vec<_> = (0..ROWS)
        .map(|row| format!("{row:07}{}", &"42"[..(row % 3) as usize]))
        .collect();
    let values: Vec<_> = (0..ROWS as u32).collect();
    match PrefixMap::build(&ids, texts.iter().map(String::as_bytes), &values) {
        Ok(map) => map,
        Err(error) => unreachable!("the rows are right: {error}"),
    }
}

fn bench(criterion: &mut Criterion) {
    let numbers: Vec<_> = (0..65_536)
        .map(|at| format!("{:07}425550100", mixed(at) % ROWS))
        .collect();
    for spaces in [1, 1000] {
        let map = map(spaces);
        println!(
            "{} prefixes, {:.1} bytes each",
            map.len(),
            map.heap_bytes() as f64 / map.len() as f64
        );
        let mut at = 0;
        criterion.bench_function(&format!("longest of 1M in {spaces} spaces"), |bencher| {
            bencher.iter(|| {
                at = (at + 1) % numbers.len();
                let row = mixed(at as u64) % ROWS;
                map.longest(black_box(row % spaces), numbers[at].as_bytes())
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
