//! Books of prefixes against a plain map: whatever is patched, and the books before stay as they were.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use sipguard_engine::prefix_book::{Book, Sheet};

/// Space and key to prefix and value.
type Rows = BTreeMap<(u64, i64), (String, i64)>;

#[derive(Clone, Debug)]
struct Patch {
    cleared: Vec<u64>,
    gone: Vec<(u64, i64)>,
    rows: Vec<(u64, i64, String, i64)>,
}

fn text(space: u64, key: i64, prefix: &str, value: i64) -> String {
    format!(
        "{key}\t{space}\t{prefix}\t1\t{value}\tshape {}\tlabel\t{key}",
        key % 3
    )
}

fn patched(book: &Book, patch: &Patch) -> Book {
    let mut rows = book.rows();
    for (space, key, prefix, value) in &patch.rows {
        assert_eq!(rows.add(&text(*space, *key, prefix, *value)), Ok(()));
    }
    book.patched(&patch.cleared, &patch.gone, rows)
}

fn apply(rows: &mut Rows, patch: &Patch) {
    rows.retain(|place, _| !patch.cleared.contains(&place.0) && !patch.gone.contains(place));
    for (space, key, prefix, value) in &patch.rows {
        rows.insert((*space, *key), (prefix.clone(), *value));
    }
}

/// Keys of the rows of each prefix of the digits that has some, the longest first, as a sheet has to give them.
fn oracle(rows: &Rows, space: u64, digits: &str) -> Vec<Vec<i64>> {
    let known: String = digits.chars().take_while(char::is_ascii_digit).collect();
    (0..=known.len())
        .rev()
        .map(|length| {
            let mut here: Vec<_> = rows
                .iter()
                .filter(|((of, _), (prefix, _))| *of == space && *prefix == known[..length])
                .map(|((_, key), (_, value))| (*value, *key))
                .collect();
            here.sort_unstable();
            here.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
        })
        .filter(|keys| !keys.is_empty())
        .collect()
}

fn keys(sheet: &Sheet, digits: &str) -> Vec<Vec<i64>> {
    sheet
        .all(digits.as_bytes())
        .map(|(first, end)| {
            (first..end)
                .map(|at| sheet.row(at).map_or(-1, |row| row.key))
                .collect()
        })
        .collect()
}

fn check(book: &Book, rows: &Rows, asked: &[(u64, String)]) {
    assert_eq!(book.len(), rows.len());
    let mut spaces: Vec<u64> = rows.keys().map(|place| place.0).collect();
    spaces.dedup();
    let mut found = book.spaces();
    found.sort_unstable();
    assert_eq!(found, spaces);
    for (space, digits) in asked {
        let found = book
            .sheet(*space)
            .map_or(vec![], |sheet| keys(&sheet, digits));
        assert_eq!(found, oracle(rows, *space, digits), "{digits} in {space}");
    }
    for ((space, key), (prefix, value)) in rows {
        let sheet = book.sheet(*space);
        let told = sheet
            .iter()
            .flat_map(|sheet| (0..sheet.len()).filter_map(|at| sheet.row(at)));
        let told = told.into_iter().find(|row| row.key == *key);
        assert!(told.is_some(), "no row {key} in space {space}");
        let (Some(sheet), Some(told)) = (sheet.clone(), told) else {
            return;
        };
        assert_eq!((&told.prefix, told.value), (prefix, *value));
        assert_eq!(&*told.shape, format!("shape {}", key % 3));
        assert_eq!(&*told.label, format!("label\t{key}"));
        assert!(sheet.has(*value) && !sheet.has(99));
    }
}

fn prefixes() -> impl Strategy<Value = String> {
    prop_oneof!["[12]{0,5}", "[0-9]{0,18}"]
}

fn patches() -> impl Strategy<Value = Patch> {
    // Spaces that share a shard are met as well: 1024 apart is not enough, but many are.
    let space = || 0..6_u64;
    (
        vec(space(), 0..2),
        vec((space(), 0..20_i64), 0..6),
        vec((space(), 0..20_i64, prefixes(), 0..3_i64), 0..12),
    )
        .prop_map(|(cleared, gone, mut rows)| {
            rows.sort();
            rows.dedup_by_key(|row| (row.0, row.1)); // a key stands once in a space
            Patch {
                cleared,
                gone,
                rows,
            }
        })
}

proptest! {
    #[test]
    fn a_book_is_what_was_put_in_it(
        patches in vec(patches(), 1..8),
        asked in vec((0..7_u64, prop_oneof!["[12]{0,8}", "[0-9]{0,24}", "[0-9]{0,5}[-+a][0-9]{0,5}"]), 10)
    ) {
        let mut books = vec![(Book::default(), Rows::new())];
        for patch in &patches {
            let (book, mut rows) = books[books.len() - 1].clone();
            apply(&mut rows, patch);
            books.push((patched(&book, patch), rows));
        }
        for (book, rows) in &books {
            check(book, rows, &asked);
        }
    }
}

#[test]
fn rows_that_count_as_they_stand_are_told_from_others() {
    let book = Book::default();
    let mut rows = book.rows();
    for row in [
        "1\t5\t44\t1\t7\t\t",
        "2\t5\t45\t0\t7\t\t",
        "3\t5\t46\t1\t7\t\t",
        "4\t5\t46\t1\t8\t\t",
    ] {
        assert_eq!(rows.add(row), Ok(()));
    }
    let book = book.patched(&[], &[], rows);
    let sheet = book.sheet(5).unwrap_or_else(|| panic!("no sheet"));
    let plain = |digits: &str| {
        sheet
            .longest(digits.as_bytes())
            .map(|group| sheet.is_plain(group))
    };
    assert_eq!(plain("447"), Some(true));
    assert_eq!(plain("457"), Some(false), "it says so");
    assert_eq!(plain("467"), Some(false), "two rows of one prefix");
    assert_eq!(plain("47"), None);
}

#[test]
fn what_is_no_row_is_named() {
    let cases = [
        ("", "no key"),
        ("x\t1\t44\t1\t0\t\t", "no key"),
        ("7\t-1\t44\t1\t0\t\t", "row 7: its space"),
        (
            "7\t1\t44\t1\t9999999999999999999\t\t",
            "row 7: its space and its value",
        ),
        (
            "7\t1\t4x\t1\t0\t\t",
            "row 7: prefix is not 0 to 18 digits: \"4x\"",
        ),
        ("7\t1\t1234567890123456789\t1\t0\t\t", "row 7: prefix"),
    ];
    for (row, message) in cases {
        let told = Book::default().rows().add(row);
        assert!(
            told.as_ref().is_err_and(|text| text.starts_with(message)),
            "{row:?}: {told:?}"
        );
    }
}

#[test]
fn ten_million_rows_take_less_than_400_megabytes() {
    let mut rows = Book::default().rows();
    let count = 20_000;
    for key in 0..count {
        assert_eq!(
            rows.add(&text(
                key as u64 / 10_000,
                key,
                &(100_000 + key).to_string(),
                7
            )),
            Ok(())
        );
    }
    let book = Book::default().patched(&[], &[], rows);
    assert!(
        book.heap_bytes() / count as usize <= 40,
        "{} bytes",
        book.heap_bytes()
    );
}
