//! What was refused without a word to policy, in few words: who, what, how often. Sources can be forged by the
//! million, so there is room for some kinds only; the rest is counted.

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::endpoint::Incoming;
use crate::message::Method;

/// Kinds that are told apart between two looks: those of an attack, and far more than peers in order have.
const KINDS: usize = 256;
/// Bytes of a method and of a Call-ID that are kept: enough to find the request in a trace.
const TEXT_BYTES: usize = 64;

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where they came from.
    pub source: IpAddr,
    /// As the first of them has it.
    pub method: Box<[u8]>,
    /// 400 to 699.
    pub status: u16,
    /// How many.
    pub count: u64,
    /// Of the first of them.
    pub call_id: Box<[u8]>,
}

/// Since the last look.
#[derive(Debug, Default)]
pub struct Refusals {
    kinds: HashMap<(IpAddr, Method, u16), Refused>,
    rest: u64,
}

impl Refusals {
    /// Another one.
    pub(crate) fn note(&mut self, message: Incoming, status: u16) {
        let (source, method) = (message.flow.peer.ip(), message.index.method);
        let key = (source, method, status);
        if let Some(known) = self.kinds.get_mut(&key) {
            known.count += 1;
        } else if self.kinds.len() < KINDS {
            let short = |text: &[u8]| text[..text.len().min(TEXT_BYTES)].into();
            let refused = Refused {
                source,
                method: short(message.index.method_name().of(message.bytes)),
                status,
                count: 1,
                call_id: short(message.index.call_id.of(message.bytes)),
            };
            self.kinds.insert(key, refused);
        } else {
            self.rest += 1;
        }
    }

    /// What there was since the last call, and how many were of further kinds.
    pub fn take(&mut self) -> (Vec<Refused>, u64) {
        let kinds = self.kinds.drain().map(|(_, refused)| refused).collect();
        (kinds, std::mem::take(&mut self.rest))
    }
}
