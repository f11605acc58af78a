//! What a gateway that refuses a call says beside its status: why, for how long, and who else might take it.

use crate::endpoint::Incoming;
use crate::header::{self, NameAddr, Params};
use crate::message::Name;
use crate::proxy::response::redirects;

/// Contacts of one redirection that are looked at: nobody waits for more of them to be tried.
const CONTACTS_MAX: usize = 8;

/// The refusal of one branch; empty where no response came.
#[derive(Default)]
pub(crate) struct Said {
    /// The response with our Via taken off; empty: one of ours stands for it.
    pub bytes: Box<[u8]>,
    /// Value of the Reason header (RFC 3326).
    pub reason: Box<[u8]>,
    /// Seconds of a Retry-After header (20.33).
    pub retry_after: Option<u32>,
    /// URIs of a redirection, the most wanted first (8.1.3.4, 20.10).
    pub contacts: Vec<Box<[u8]>>,
}

impl Said {
    /// What a response says; `bytes`: as it may be passed on.
    pub fn by(message: Incoming, status: u16, bytes: Vec<u8>) -> Self {
        Said {
            bytes: bytes.into_boxed_slice(),
            reason: message
                .index
                .first(Name::Reason)
                .map_or(&[][..], |field| field.value.of(message.bytes))
                .into(),
            retry_after: retry_after(message),
            contacts: if redirects(status) {
                contacts(message)
            } else {
                Vec::new()
            },
        }
    }
}

/// 20.33: delta-seconds, with a comment or parameters behind them that say nothing to a proxy. More than the
/// number holds is as long as it can say.
pub(crate) fn retry_after(message: Incoming) -> Option<u32> {
    let field = message.index.first(Name::RetryAfter)?;
    let value = field.value.of(message.bytes).trim_ascii_start();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    let seconds = digits
        .map(|digit| u32::from(digit - b'0'))
        .fold(None, |sum: Option<u32>, digit| {
            Some(sum.unwrap_or(0).saturating_mul(10).saturating_add(digit))
        })?;
    let rest = value.iter().find(|byte| !byte.is_ascii_digit());
    matches!(rest, None | Some(b' ' | b'\t' | b';' | b'(' | b'\r')).then_some(seconds)
}

fn contacts(message: Incoming) -> Vec<Box<[u8]>> {
    let Incoming { bytes, index, .. } = message;
    let mut found: Vec<(u16, Box<[u8]>)> = index
        .all(Name::Contact)
        .flat_map(|field| header::element_spans(bytes, field.value))
        .filter_map(|element| NameAddr::parse(bytes, element).ok())
        .map(|address| (preference(bytes, &address), address.uri.of(bytes).into()))
        .take(CONTACTS_MAX)
        .collect();
    // Stable: those that are wanted alike stay in the order in which they stand.
    found.sort_by_key(|(preference, _)| std::cmp::Reverse(*preference));
    found.into_iter().map(|(_, uri)| uri).collect()
}

/// The q parameter in thousandths (25.1: at most three decimals); 1 where there is none that can be read.
fn preference(bytes: &[u8], address: &NameAddr) -> u16 {
    Params::new(bytes, address.params)
        .flatten()
        .find(|param| param.name.of(bytes).eq_ignore_ascii_case(b"q"))
        .and_then(|param| {
            std::str::from_utf8(param.value?.of(bytes))
                .ok()?
                .parse::<f32>()
                .ok()
        })
        .filter(|q| (0.0..=1.0).contains(q))
        .map_or(1000, |q| (q * 1000.0) as u16)
}
