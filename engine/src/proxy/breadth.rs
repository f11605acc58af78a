//! Max-Breadth, RFC 5393 section 5: how many branches of one request there may be at once, beyond all proxies.

use crate::header::chars;
use crate::message::{Message, Name};

/// What a request without the header may have (section 5.3.3).
const DEFAULT: u64 = 60;

/// The value for each of so many branches at once: together no more than what came. For one it stays as it is.
/// None: it came with less than one for each, which is 440.
pub fn shared(invite: &Message, branches: usize) -> Option<Vec<Option<u64>>> {
    if branches < 2 {
        return Some(vec![None; branches]);
    }
    let count = branches as u64;
    let had = invite
        .index
        .first(Name::MaxBreadth)
        .map_or(DEFAULT, |field| {
            let value = field.value.of(&invite.bytes);
            chars::decimal(value.trim_ascii()).map_or(0, u64::from)
        });
    if had < count {
        return None;
    }
    let (each, over) = (had / count, had % count);
    Some(
        (0..count)
            .map(|at| Some(each + u64::from(at < over)))
            .collect(),
    )
}
