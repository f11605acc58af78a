//! PrefixMap against a map of strings, and its bounds.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use sipguard_engine::prefix::{BuildError, PrefixMap};

/// Space, prefix, value.
type Row<'a> = (u64, &'a str, u32);

/// The three columns, and the row that is at fault.
type Columns<'a> = (&'a [u64], &'a [&'a [u8]], &'a [u32], usize);

fn build(rows: &[Row<'_>]) -> Result<PrefixMap, BuildError> {
    let spaces: Vec<_> = rows.iter().map(|row| row.0).collect();
    let values: Vec<_> = rows.iter().map(|row| row.2).collect();
    PrefixMap::build(&spaces, rows.iter().map(|row| row.1.as_bytes()), &values)
}

/// Values of all prefixes of `digits`, the longest first, by trying every length.
fn oracle(rows: &BTreeMap<(u64, String), u32>, space: u64, digits: &str) -> Vec<u32> {
    let known: String = digits.chars().take_while(char::is_ascii_digit).collect();
    let cut = |length: usize| (space, known[..length].to_owned());
    (0..=known.len())
        .rev()
        .filter_map(|length| rows.get(&cut(length)).copied())
        .collect()
}

#[test]
fn longest_and_all() {
    let map = build(&[
        (1, "", 10),
        (1, "44", 11),
        (1, "447", 12),
        (1, "447911123456789012", 13),
        (1, "45", 14),
        (2, "44", 20),
        (u64::MAX, "0", 30),
    ]);
    let Ok(map) = map else { panic!("{map:?}") };
    let cases: [(u64, &str, &[u32]); 15] = [
        (1, "442079460000", &[11, 10]),
        (1, "447911123456", &[12, 11, 10]),
        (1, "447911123456789012", &[13, 12, 11, 10]),
        (1, "4479111234567890129999", &[13, 12, 11, 10]),
        (1, "44", &[11, 10]),
        (1, "4", &[10]),
        (1, "46", &[10]),
        (1, "", &[10]),
        (1, "+44", &[10]),
        (1, "44-7", &[11, 10]),
        (1, "4\u{667}", &[10]),
        (2, "447", &[20]),
        (2, "45", &[]),
        (3, "44", &[]),
        (u64::MAX, "00", &[30]),
    ];
    for (space, digits, expected) in cases {
        assert_eq!(
            map.all(space, digits.as_bytes()).collect::<Vec<_>>(),
            expected,
            "{space} {digits}"
        );
        assert_eq!(
            map.longest(space, digits.as_bytes()),
            expected.first().copied(),
            "{space} {digits}"
        );
    }
    assert_eq!(map.len(), 7);
}

#[test]
fn the_empty_map_matches_nothing() {
    let Ok(map) = build(&[]) else {
        panic!("no rows are no error")
    };
    assert!(map.is_empty());
    assert_eq!(map.longest(0, b"1"), None);
    assert_eq!(PrefixMap::default().longest(0, b"1"), None);
}

#[test]
fn errors_name_the_row() {
    let cases: [(&[Row<'_>], usize, &str); 5] = [
        (
            &[(1, "1", 0), (1, "1a", 0)],
            1,
            "prefix is not 0 to 18 digits",
        ),
        (
            &[(1, "1234567890123456789", 0)],
            0,
            "prefix is not 0 to 18 digits",
        ),
        (
            &[(1, "1", 0), (1, "\u{661}", 0)],
            1,
            "prefix is not 0 to 18 digits",
        ),
        (
            &[
                (1, "9", 0),
                (1, "1", 0),
                (2, "9", 0),
                (1, "9", 1),
                (1, "1", 1),
            ],
            3,
            "prefix twice in its space",
        ),
        (&[(1, "1", u32::MAX)], 0, "value out of range"),
    ];
    for (rows, row, what) in cases {
        assert_eq!(
            build(rows).err(),
            Some(BuildError { row, what }),
            "{rows:?}"
        );
    }
    let uneven: [Columns<'_>; 3] = [
        (&[1, 1], &[b"1"], &[1, 1], 1),
        (&[1], &[b"1", b"2"], &[1, 1], 1),
        (&[1, 1], &[b"1", b"2"], &[1], 1),
    ];
    for (spaces, prefixes, values, row) in uneven {
        let error = PrefixMap::build(spaces, prefixes.iter().copied(), values).err();
        assert_eq!(
            error,
            Some(BuildError {
                row,
                what: "columns of unequal length"
            })
        );
    }
}

#[test]
fn at_most_20_bytes_per_prefix_in_many_spaces() {
    let rows = 200_000u32;
    let spaces: Vec<_> = (0..rows).map(|row| u64::from(row / 20)).collect();
    let texts: Vec<_> = (0..rows).map(|row| format!("{row:09}")).collect();
    let values: Vec<_> = (0..rows).collect();
    match PrefixMap::build(&spaces, texts.iter().map(String::as_bytes), &values) {
        Ok(map) => assert!(
            map.heap_bytes() <= 20 * map.len(),
            "{} bytes",
            map.heap_bytes()
        ),
        Err(error) => panic!("{error}"),
    }
}

proptest! {
    /// Few digits and few spaces, so that prefixes nest and miss each other by one digit.
    #[test]
    fn agrees_with_a_map_of_strings(
        rows in proptest::collection::btree_map((0u64..4, "[0189]{0,6}|[0-9]{0,18}"), 0u32..1000, 0..60),
        queries in vec((0u64..5, "[0189]{0,8}|[0-9]{0,25}|[0-9]{0,4}[+a ][0-9]{0,4}"), 1..40),
    ) {
        let flat: Vec<_> = rows.iter().map(|((space, prefix), &value)| (*space, prefix.as_str(), value)).collect();
        let map = build(&flat).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(map.len(), rows.len());
        // What is stored, and what begins with it, is asked for too: random digits seldom match.
        let stored = flat.iter().flat_map(|row| [(row.0, row.1.to_owned()), (row.0, format!("{}9", row.1))]);
        for (space, digits) in queries.into_iter().chain(stored) {
            let expected = oracle(&rows, space, &digits);
            prop_assert_eq!(map.longest(space, digits.as_bytes()), expected.first().copied());
            prop_assert_eq!(map.all(space, digits.as_bytes()).collect::<Vec<_>>(), expected);
        }
    }
}
