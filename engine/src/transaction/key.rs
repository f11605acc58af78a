//! What makes two messages one transaction (RFC 3261 17.1.3, 17.2.3), and where unguessable values come from.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher128};

use crate::header::Via;
use crate::message::{Index, Method, Name};
use crate::print;

/// Marks a branch as ours, so that a response to somebody else's request costs no lookup.
pub const OURS: &[u8] = b"z9hG4bKsg";
/// Start of every Call-ID that we give out in the place of another.
const ALIAS: &[u8] = b"sg";

/// Keyed hashes: lookups that nobody can aim at one bucket, and random values from one seed.
///
/// SipHash is a pseudo-random function, so hashing a counter under a secret key gives values that
/// cannot be foretold (RFC 3261 8.1.1.7 asks for branches unique in space and time; checklist F-07, F-11).
pub struct Keys {
    lookup: (u64, u64),
    secret: (u64, u64),
    counter: u64,
}

impl Keys {
    /// From 32 random bytes.
    pub fn new(seed: &[u8; 32]) -> Self {
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&seed[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Keys {
            lookup: (word(0), word(8)),
            secret: (word(16), word(24)),
            counter: 0,
        }
    }

    /// 64 bits that nobody has seen before.
    pub fn random(&mut self) -> u64 {
        self.counter += 1;
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write_u64(self.counter);
        hasher.finish()
    }

    /// Key of the server transaction of a request. ACK and CANCEL are looked up as `Method::Invite`.
    ///
    /// The source address is no part of it: a retransmission may take another path (17.2.3 names branch,
    /// sent-by and method only); who may cancel is checked apart. The Call-ID is part of it: a peer that gives
    /// two calls one branch (RFC 4475 does) must not get the one's answer for the other.
    pub fn server(&self, bytes: &[u8], index: &Index, method: Method, method_name: &[u8]) -> u128 {
        let mut hasher = self.server_hasher(bytes, index, method, method_name);
        if index.via.has_unique_branch(bytes) {
            write_via(&mut hasher, bytes, &index.via);
        } else {
            // RFC 2543: request URI, From tag, Call-ID, CSeq number and top Via. The To tag is left out:
            // the INVITE has none and its ACK has one (17.2.3), and the rest tells transactions apart.
            hasher.write_u8(2);
            write_part(&mut hasher, index.request_uri().of(bytes));
            write_part(&mut hasher, index.from.tag.of(bytes));
            hasher.write_u32(index.cseq.number);
            write_part(&mut hasher, index.via.value.of(bytes));
        }
        hasher.finish128().as_u128()
    }

    /// The same key, of a response whose second Via is `via`; None where its branch names no transaction.
    pub fn server_of(
        &self,
        bytes: &[u8],
        index: &Index,
        via: &Via,
        method: Method,
    ) -> Option<u128> {
        if !via.has_unique_branch(bytes) {
            return None;
        }
        let method_name = index.cseq.method.of(bytes);
        let mut hasher = self.server_hasher(bytes, index, method, method_name);
        write_via(&mut hasher, bytes, via);
        Some(hasher.finish128().as_u128())
    }

    fn server_hasher(
        &self,
        bytes: &[u8],
        index: &Index,
        method: Method,
        method_name: &[u8],
    ) -> SipHasher128 {
        let mut hasher = SipHasher128::new_with_keys(self.lookup.0, self.lookup.1);
        let invite = method == Method::Invite;
        hasher.write_u8(u8::from(invite));
        if !invite {
            write_part(&mut hasher, method_name);
        }
        write_part(&mut hasher, index.call_id.of(bytes));
        hasher
    }

    /// What a request that comes round again unchanged is known by (RFC 5393 4.2): all that where it goes and
    /// who pays depend on, the source among them. A spiral differs in one of them.
    pub fn loop_key(&self, bytes: &[u8], index: &Index, source: IpAddr) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        match source {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        for part in [
            index.request_uri(),
            index.from.tag,
            index.to.tag,
            index.call_id,
        ] {
            write_part(&mut hasher, part.of(bytes));
        }
        hasher.write_u32(index.cseq.number);
        for name in [Name::Route, Name::ProxyRequire, Name::ProxyAuthorization] {
            for field in index.all(name) {
                write_part(&mut hasher, field.value.of(bytes));
            }
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }

    /// Key of a Call-ID.
    pub fn call_id(&self, call_id: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.lookup.0, self.lookup.1);
        hasher.write(call_id);
        hasher.finish()
    }

    /// A Call-ID that tells nothing, for a side that is not to see the true one.
    pub fn alias(&mut self) -> Vec<u8> {
        let random = self.random();
        let mut alias = ALIAS.to_vec();
        print::hex(&mut alias, random);
        print::hex(&mut alias, self.alias_proof(random));
        alias
    }

    /// Whether a Call-ID is such an alias, made in this run.
    pub fn is_alias(&self, call_id: &[u8]) -> bool {
        let read = || {
            let text = call_id.strip_prefix(ALIAS)?;
            Some((read_hex(text.get(..16)?)?, read_hex(text.get(16..)?)?))
        };
        read().is_some_and(|(random, proof)| proof == self.alias_proof(random))
    }

    fn alias_proof(&self, random: u64) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write(ALIAS);
        hasher.write_u64(random);
        hasher.finish()
    }

    /// To tag of our own responses to one request: the same for every retransmission, without state.
    pub fn tag(&self, key: u128, peer: SocketAddr) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write_u128(key);
        hasher.write_u16(peer.port());
        hasher.finish()
    }
}

fn write_via(hasher: &mut impl Hasher, bytes: &[u8], via: &Via) {
    write_part(hasher, via.branch.of(bytes));
    for byte in via.host.of(bytes) {
        hasher.write_u8(byte.to_ascii_lowercase());
    }
    hasher.write_u16(via.port.unwrap_or(5060));
}

fn write_part(hasher: &mut impl Hasher, part: &[u8]) {
    hasher.write_usize(part.len());
    hasher.write(part);
}

/// Print a branch of ours.
pub fn write_branch(out: &mut Vec<u8>, branch: u64) {
    out.extend_from_slice(OURS);
    print::hex(out, branch);
}

/// Read 16 hexadecimal digits.
pub fn read_hex(text: &[u8]) -> Option<u64> {
    if text.len() != 16 {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        Some(value << 4 | u64::from((*byte as char).to_digit(16)?))
    })
}

/// Read a branch of ours back; what follows its random part is the key of [`Keys::loop_key`].
pub fn read_branch(text: &[u8]) -> Option<u64> {
    let text = text.strip_prefix(OURS)?;
    match text.len() {
        16 => read_hex(text),
        32 => read_hex(text.get(16..)?).and_then(|_| read_hex(text.get(..16)?)),
        _ => None,
    }
}

/// The loop key in a branch of ours.
pub fn read_loop_key(text: &[u8]) -> Option<u64> {
    read_hex(text.strip_prefix(OURS)?.get(16..)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f11_a_branch_can_be_read_back_and_none_repeats() {
        let mut keys = Keys::new(&[7; 32]);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let branch = keys.random();
            assert!(seen.insert(branch));
            let mut text = Vec::new();
            write_branch(&mut text, branch);
            assert!(text.starts_with(crate::header::via::COOKIE));
            assert_eq!(read_branch(&text), Some(branch));
        }
        assert_eq!(read_branch(b"z9hG4bKsg123"), None);
        assert_eq!(read_branch(b"z9hG4bKsg000000000000000g"), None);
    }
}
