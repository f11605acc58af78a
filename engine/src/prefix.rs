//! Longest match over millions of digit prefixes in many spaces (one per rate table, account, gateway, ...).
//!
//! A prefix becomes a number in base 11, left-aligned to 18 places, digit d as d + 1 and 0 for "no digit": so the
//! order of the numbers is the order of the texts, and every prefix stands before all that begin with it. Per
//! space the numbers are sorted, and each knows its parent, the longest other prefix that it begins with.
//!
//! A look-up finds the last number that is not greater than that of the digits. Every prefix of the digits is
//! that one or one of its ancestors: being a prefix, it is not greater than the digits; what lies between it and
//! the digits begins with it too. So one binary search and a walk of at most 18 steps give all matches.
//!
//! 16 bytes per prefix and 12 per space; a look-up allocates nothing.

/// The most digits of a prefix: 11^18 is the largest power of 11 that fits 64 bits.
pub const MAX_DIGITS: usize = 18;

/// No parent.
const NONE: u32 = u32::MAX;

pub(crate) const POWERS: [u64; MAX_DIGITS + 1] = powers();

const fn powers() -> [u64; MAX_DIGITS + 1] {
    let mut powers = [1; MAX_DIGITS + 1];
    let mut i = 1;
    while i <= MAX_DIGITS {
        powers[i] = powers[i - 1] * 11;
        i += 1;
    }
    powers
}

/// An immutable map from (space, digit prefix) to a value.
#[derive(Debug, Default)]
pub struct PrefixMap {
    /// Space ids, ascending.
    spaces: Vec<u64>,
    /// Per space, where its prefixes start; one more at the end.
    starts: Vec<u32>,
    /// Prefixes as numbers, ascending per space.
    keys: Vec<u64>,
    /// Per prefix, the position of its parent, or `NONE`.
    parents: Vec<u32>,
    /// Per prefix, its value.
    values: Vec<u32>,
}

/// Why a map cannot be built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BuildError {
    /// Number of the row, counted from 0.
    pub row: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "row {}: {}", self.row, self.what)
    }
}

impl std::error::Error for BuildError {}

struct Row {
    space: u64,
    key: u64,
    row: u32,
}

impl PrefixMap {
    /// Builds a map from three columns of equal length: a space, 0 to 18 ASCII digits, and a value below
    /// 2^32 - 1. Takes 24 bytes per row beside the map while it runs.
    pub fn build<'a>(
        spaces: &[u64],
        prefixes: impl IntoIterator<Item = &'a [u8]>,
        values: &[u32],
    ) -> Result<PrefixMap, BuildError> {
        let mut rows = Vec::with_capacity(spaces.len());
        for prefix in prefixes {
            let row = rows.len();
            let fail = |what| Err(BuildError { row, what });
            let (Some(&space), Some(&value)) = (spaces.get(row), values.get(row)) else {
                return fail("columns of unequal length");
            };
            if value == u32::MAX {
                return fail("value out of range");
            }
            let number = match u32::try_from(row) {
                Ok(number) if number != NONE => number,
                _ => return fail("too many rows"),
            };
            let Some(key) = key_of(prefix) else {
                return fail("prefix is not 0 to 18 digits");
            };
            rows.push(Row {
                space,
                key,
                row: number,
            });
        }
        if rows.len() != spaces.len() || rows.len() != values.len() {
            return Err(BuildError {
                row: rows.len(),
                what: "columns of unequal length",
            });
        }
        rows.sort_unstable_by_key(|row| (row.space, row.key, row.row));
        let is_same = |pair: &&[Row]| (pair[0].space, pair[0].key) == (pair[1].space, pair[1].key);
        if let Some(pair) = rows
            .windows(2)
            .filter(is_same)
            .min_by_key(|pair| pair[1].row)
        {
            return Err(BuildError {
                row: pair[1].row as usize,
                what: "prefix twice in its space",
            });
        }
        Ok(PrefixMap::from_sorted(&rows, values))
    }

    fn from_sorted(rows: &[Row], values: &[u32]) -> PrefixMap {
        let mut map = PrefixMap {
            spaces: Vec::new(),
            starts: Vec::new(),
            keys: rows.iter().map(|row| row.key).collect(),
            parents: Vec::with_capacity(rows.len()),
            values: rows.iter().map(|row| values[row.row as usize]).collect(),
        };
        // The ancestors of the current prefix: position, and the first number that no longer begins with it.
        let mut ancestors: Vec<(u32, u64)> = Vec::with_capacity(MAX_DIGITS + 1);
        for (at, row) in rows.iter().enumerate() {
            if map.spaces.last() != Some(&row.space) {
                map.spaces.push(row.space);
                map.starts.push(at as u32);
                ancestors.clear();
            }
            while ancestors.last().is_some_and(|&(_, end)| row.key >= end) {
                ancestors.pop();
            }
            map.parents
                .push(ancestors.last().map_or(NONE, |&(parent, _)| parent));
            ancestors.push((at as u32, row.key + width(row.key)));
        }
        map.starts.push(rows.len() as u32);
        map.spaces.shrink_to_fit();
        map.starts.shrink_to_fit();
        map
    }

    /// Value of the longest prefix of `digits` in `space`. Looks at the ASCII digits in front, up to the first
    /// other byte; only the empty prefix matches where there are none.
    pub fn longest(&self, space: u64, digits: &[u8]) -> Option<u32> {
        self.all(space, digits).next()
    }

    /// Values of all prefixes of `digits` in `space`, the longest first.
    pub fn all(&self, space: u64, digits: &[u8]) -> Matches<'_> {
        Matches {
            map: self,
            at: self.find(space, digits).unwrap_or(NONE),
        }
    }

    /// Position of the longest prefix of `digits`.
    fn find(&self, space: u64, digits: &[u8]) -> Option<u32> {
        let ordinal = self.spaces.binary_search(&space).ok()?;
        let (start, end) = (
            self.starts[ordinal] as usize,
            self.starts[ordinal + 1] as usize,
        );
        // The number of each prefix of the digits, by length: what a match must be equal to.
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
        let behind = self.keys[start..end].partition_point(|&key| key <= wanted[length]);
        let mut at = (start + behind.checked_sub(1)?) as u32;
        // Both sides only shrink: at most 18 steps each.
        loop {
            let key = self.keys[at as usize];
            while wanted[length] > key {
                length -= 1; // wanted[0] is 0, which is greater than no number
            }
            if wanted[length] == key {
                return Some(at);
            }
            at = self.parents[at as usize];
            if at == NONE {
                return None;
            }
        }
    }

    /// How many prefixes there are in all spaces.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes that it holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        8 * (self.spaces.capacity() + self.keys.capacity())
            + 4 * (self.starts.capacity() + self.parents.capacity() + self.values.capacity())
    }
}

/// Iterator of [`PrefixMap::all`].
#[derive(Clone, Debug)]
pub struct Matches<'a> {
    map: &'a PrefixMap,
    at: u32,
}

impl Iterator for Matches<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let value = *self.map.values.get(self.at as usize)?;
        // Ancestors of a match are prefixes of it, and so matches.
        self.at = self.map.parents[self.at as usize];
        Some(value)
    }
}

/// What an ASCII digit adds to the number at that place, counted from the left.
pub(crate) fn place(byte: u8, at: usize) -> u64 {
    u64::from(byte - b'0' + 1) * POWERS[MAX_DIGITS - 1 - at]
}

/// The number of a prefix; None unless it is 0 to 18 digits.
pub(crate) fn key_of(prefix: &[u8]) -> Option<u64> {
    if prefix.len() > MAX_DIGITS || !prefix.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        prefix
            .iter()
            .enumerate()
            .map(|(at, &byte)| place(byte, at))
            .sum(),
    )
}

/// The digits of the prefix that has this number.
pub(crate) fn digits_of(key: u64) -> String {
    (0..MAX_DIGITS)
        .map(|at| key / POWERS[MAX_DIGITS - 1 - at] % 11)
        .take_while(|&place| place != 0)
        .map(|place| char::from(b'0' + (place - 1) as u8))
        .collect()
}

/// How many numbers begin with the prefix: the largest power of 11 that divides its number.
fn width(key: u64) -> u64 {
    POWERS
        .iter()
        .rev()
        .copied()
        .find(|power| key % power == 0)
        .unwrap_or(1)
}
