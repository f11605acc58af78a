//! Rows that are found by the longest prefix, in millions of spaces that change one by one: a book of sheets.
//!
//! A sheet is the rows of one space, sorted, and never changes. A book is changed by making the next one, which
//! has new sheets where something changed and shares all others; so whoever still reads the old book reads one
//! state. Spaces are spread over shards, and only the shards of changed spaces are copied.
//!
//! 32 bytes per row. Texts that many rows have in common are kept once per book and its successors.

use std::collections::HashSet;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::prefix::{digits_of, key_of, place, MAX_DIGITS};

/// Shards of a book: few enough to copy the list of them, and with two million spaces still few spaces in each.
const SHARDS: usize = 1024;

/// Set in `Row::shape` where the row alone does not say whether it counts.
const ASK: u32 = 1 << 31;

/// One row of a sheet. What value, shape and label mean is the matter of who put it there.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// The prefix as a number: see `prefix.rs`.
    prefix: u64,
    key: i64,
    value: i64,
    /// Number of a text, and `ASK`.
    shape: u32,
    /// Number of a text.
    label: u32,
}

/// A row as it is read back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// What it is known by outside.
    pub key: i64,
    /// 0 to 18 digits.
    pub prefix: String,
    /// See [`Row`].
    pub value: i64,
    /// A text that it shares with most rows.
    pub shape: Arc<str>,
    /// A text that it shares with some rows.
    pub label: Arc<str>,
}

#[derive(Debug, Default)]
struct Interned {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

/// Texts by number. They are never forgotten, so that every book of a line reads them alike.
#[derive(Debug, Default)]
struct Texts(Mutex<Interned>);

impl Texts {
    fn number(&self, text: &str) -> Option<u32> {
        let mut interned = self.0.lock();
        if let Some(&number) = interned.numbers.get(text) {
            return Some(number);
        }
        let number = u32::try_from(interned.texts.len()).ok()?;
        if number & ASK != 0 {
            return None;
        }
        let text: Arc<str> = text.into();
        interned.texts.push(text.clone());
        interned.numbers.insert(text, number);
        Some(number)
    }

    fn text(&self, number: u32) -> Arc<str> {
        self.0
            .lock()
            .texts
            .get(number as usize)
            .cloned()
            .unwrap_or_default()
    }
}

/// Rows on their way into a book.
#[derive(Debug)]
pub struct Rows {
    texts: Arc<Texts>,
    rows: Vec<(u64, Row)>,
    known: HashSet<u32>,
    shapes: Vec<(u32, i64)>,
    /// A space for every run of rows of one.
    runs: Vec<u64>,
}

impl Rows {
    /// Takes a row in: `key`, `space`, `prefix`, `1` or `0` (whether it counts as it stands), `value`, `shape`,
    /// `label`, with a tab between each; the label is what is left, whatever is in it.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let mut parts = text.splitn(7, '\t');
        let mut part = || parts.next().unwrap_or_default();
        let (key, space, prefix, plain, value, shape, label) =
            (part(), part(), part(), part(), part(), part(), part());
        let key: i64 = key
            .parse()
            .map_err(|_| format!("no key begins the row {text:?}"))?;
        let space = space.parse();
        let value = value.parse();
        let (Ok(space), Ok(value)) = (space, value) else {
            return Err(format!("row {key}: its space and its value are no numbers"));
        };
        let Some(prefix) = key_of(prefix.as_bytes()) else {
            return Err(format!(
                "row {key}: prefix is not 0 to 18 digits: {prefix:?}"
            ));
        };
        let (Some(shape), Some(label)) = (self.texts.number(shape), self.texts.number(label))
        else {
            return Err(format!("row {key}: too many different texts"));
        };
        if self.known.insert(shape) {
            self.shapes.push((shape, key));
        }
        let row = Row {
            prefix,
            key,
            value,
            shape: if plain == "1" { shape } else { shape | ASK },
            label,
        };
        if self.rows.last().is_none_or(|last| last.0 != space) {
            self.runs.push(space);
        }
        self.rows.push((space, row));
        Ok(())
    }

    /// Every shape among them, with the key of the first row that has it.
    pub fn shapes(&self) -> Vec<(Arc<str>, i64)> {
        self.shapes
            .iter()
            .map(|&(shape, key)| (self.texts.text(shape), key))
            .collect()
    }

    /// The spaces that they are of, in no order.
    pub fn spaces(&self) -> Vec<u64> {
        let distinct: HashSet<u64> = self.runs.iter().copied().collect();
        distinct.into_iter().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

type Shard = HashMap<u64, Arc<[Row]>>;

/// Sheets by space. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Book {
    shards: Arc<[Arc<Shard>]>,
    texts: Arc<Texts>,
    rows: usize,
}

impl Default for Book {
    fn default() -> Self {
        let empty = Arc::new(Shard::new());
        Book {
            shards: (0..SHARDS).map(|_| empty.clone()).collect(),
            texts: Arc::default(),
            rows: 0,
        }
    }
}

impl Book {
    /// Rows for the next book of this line.
    pub fn rows(&self) -> Rows {
        Rows {
            texts: self.texts.clone(),
            rows: Vec::new(),
            known: HashSet::new(),
            shapes: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// The next book: without the sheets of `cleared`, without the rows `gone` (space and key), with `rows`.
    /// A row takes the place of one with its key in its space.
    pub fn patched(&self, cleared: &[u64], gone: &[(u64, i64)], rows: Rows) -> Book {
        let mut shards: Vec<Arc<Shard>> = self.shards.to_vec();
        let mut count = self.rows;
        for space in cleared {
            if shards[shard_of(*space)].contains_key(space) {
                if let Some(sheet) = Arc::make_mut(&mut shards[shard_of(*space)]).remove(space) {
                    count -= sheet.len();
                }
            }
        }
        let mut leaving: HashMap<u64, HashSet<i64>> = HashMap::new();
        for &(space, key) in gone {
            leaving.entry(space).or_default().insert(key);
        }
        let mut rows = rows.rows;
        rows.sort_unstable_by_key(|&(space, row)| (space, row.prefix, row.value, row.key));
        // From the end, so that what is taken over can be given back: there may be gigabytes.
        while let Some(&(space, _)) = rows.last() {
            let start = rows.partition_point(|&(other, _)| other < space);
            let added = &rows[start..];
            let shard = Arc::make_mut(&mut shards[shard_of(space)]);
            let going = leaving.remove(&space);
            let sheet: Arc<[Row]> = match shard.get(&space) {
                None => added.iter().map(|&(_, row)| row).collect(),
                Some(before) => merged(before, going.as_ref(), added),
            };
            count += sheet.len();
            count -= shard.insert(space, sheet).map_or(0, |before| before.len());
            rows.truncate(start);
            if rows.capacity() > 2 * rows.len() + (1 << 20) {
                rows.shrink_to_fit();
            }
        }
        for (space, keys) in leaving {
            let shard = &mut shards[shard_of(space)];
            let Some(before) = shard.get(&space) else {
                continue;
            };
            let sheet = merged(before, Some(&keys), &[]);
            count = count + sheet.len() - before.len();
            if sheet.is_empty() {
                Arc::make_mut(shard).remove(&space);
            } else {
                Arc::make_mut(shard).insert(space, sheet);
            }
        }
        Book {
            shards: shards.into(),
            texts: self.texts.clone(),
            rows: count,
        }
    }

    /// The rows of a space; None where it has none.
    pub fn sheet(&self, space: u64) -> Option<Sheet> {
        let rows = self.shards[shard_of(space)].get(&space)?;
        Some(Sheet {
            rows: rows.clone(),
            texts: self.texts.clone(),
        })
    }

    /// The spaces that have rows, in no order.
    pub fn spaces(&self) -> Vec<u64> {
        self.shards
            .iter()
            .flat_map(|shard| shard.keys().copied())
            .collect()
    }

    /// How many rows there are in all spaces.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether giving it back means giving back many sheets, which no other book has.
    pub fn is_large_and_alone(&self) -> bool {
        let alone = |shard: &&Arc<Shard>| Arc::strong_count(shard) == 1;
        self.rows > 100_000 && self.shards.iter().filter(alone).count() > SHARDS / 16
    }

    /// Bytes that it holds on the heap, those that it shares with other books included; without texts.
    pub fn heap_bytes(&self) -> usize {
        let entry = size_of::<(u64, Arc<[Row]>)>() + 1;
        // Two counters before the rows of each sheet.
        let sheets: usize = self
            .shards
            .iter()
            .map(|shard| shard.capacity() * entry + shard.len() * 2 * size_of::<usize>())
            .sum();
        SHARDS * size_of::<Arc<Shard>>() + sheets + self.rows * size_of::<Row>()
    }
}

/// The rows of one space.
#[derive(Clone, Debug)]
pub struct Sheet {
    rows: Arc<[Row]>,
    texts: Arc<Texts>,
}

/// The rows of one prefix, by their positions in the sheet: first and behind the last.
pub type Group = (usize, usize);

impl Sheet {
    /// The rows of the longest prefix of `digits`: looks at the ASCII digits in front, up to the first other
    /// byte; only the empty prefix matches where there are none.
    pub fn longest(&self, digits: &[u8]) -> Option<Group> {
        self.all(digits).next()
    }

    /// The rows of all prefixes of `digits`, the longest first.
    pub fn all(&self, digits: &[u8]) -> Matches<'_> {
        let mut wanted = [0; MAX_DIGITS + 1];
        let mut length = 0;
        for &byte in digits
            .iter()
            .take(MAX_DIGITS)
            .take_while(|byte| byte.is_ascii_digit())
        {
            wanted[length + 1] = wanted[length] + place(byte, length);
            length += 1;
        }
        Matches {
            rows: &self.rows,
            wanted,
            left: length + 1,
        }
    }

    /// Whether these rows count without asking more: one alone of its prefix, which counts as it stands.
    pub fn is_plain(&self, group: Group) -> bool {
        group.1 - group.0 == 1 && self.rows[group.0].shape & ASK == 0
    }

    /// The value of the first of these rows; they are ordered by their values.
    pub fn value(&self, group: Group) -> i64 {
        self.rows[group.0].value
    }

    /// Whether some row has the value.
    pub fn has(&self, value: i64) -> bool {
        self.rows.iter().any(|row| row.value == value)
    }

    /// The row at a position; None beyond the last.
    pub fn row(&self, at: usize) -> Option<Told> {
        let row = self.rows.get(at)?;
        Some(Told {
            key: row.key,
            prefix: digits_of(row.prefix),
            value: row.value,
            shape: self.texts.text(row.shape & !ASK),
            label: self.texts.text(row.label),
        })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Iterator of [`Sheet::all`].
#[derive(Clone, Debug)]
pub struct Matches<'a> {
    rows: &'a [Row],
    /// The number of each prefix of the digits, by its length.
    wanted: [u64; MAX_DIGITS + 1],
    /// How many of them, from the shortest on, are still looked for.
    left: usize,
}

impl Iterator for Matches<'_> {
    type Item = Group;

    /// The last row that is not greater than the digits either is a prefix of them, or has with them in front
    /// all that any prefix of them here can have: every turn leaves off at least one digit.
    fn next(&mut self) -> Option<Group> {
        while let Some(length) = self.left.checked_sub(1) {
            let number = self.wanted[length];
            let end = self.rows.partition_point(|row| row.prefix <= number);
            let last = self.rows[..end].last()?.prefix;
            if last == number {
                let start = self.rows[..end].partition_point(|row| row.prefix < number);
                self.left = length;
                return Some((start, end));
            }
            while self.left > 0 && self.wanted[self.left - 1] > last {
                self.left -= 1;
            }
            self.rows = &self.rows[..end];
        }
        None
    }
}

fn shard_of(space: u64) -> usize {
    // Fibonacci hashing: spaces are often numbered one by one, or by twos.
    (space.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % SHARDS
}

/// Rows of a sheet less those that go or are replaced, with those that come, in order.
fn merged(before: &[Row], gone: Option<&HashSet<i64>>, added: &[(u64, Row)]) -> Arc<[Row]> {
    let new: HashSet<i64> = added.iter().map(|(_, row)| row.key).collect();
    let stays =
        |row: &&Row| !new.contains(&row.key) && !gone.is_some_and(|keys| keys.contains(&row.key));
    let mut rows: Vec<Row> = Vec::with_capacity(before.len() + added.len());
    rows.extend(before.iter().filter(stays));
    rows.extend(added.iter().map(|&(_, row)| row));
    // Two sorted runs: a merge.
    rows.sort_by_key(|row| (row.prefix, row.value, row.key));
    rows.into()
}
