//! A tap on the wire: copies of the messages of some calls and peers, for whoever looks for a fault.
//!
//! While there is no tap a message costs one comparison. While there is one, every message is copied, up to a
//! bound, until policy has judged what came in by then: only that tells whose call a message belongs to.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use crate::endpoint::Endpoint;
use crate::message::Index;
use crate::parse;
use crate::timer::Nanos;
use crate::transport::Flow;

/// Calls that are watched at most; beyond it the oldest are forgotten. A session that runs for days must not grow.
const CALLS_MAX: usize = 65_536;

/// One message, in either direction.
#[derive(Clone, Debug)]
pub struct Traced {
    /// When, by the endpoint's clock.
    pub at: Nanos,
    /// It came from the peer; else it went there.
    pub incoming: bool,
    /// Between which ends.
    pub flow: Flow,
    /// As received or sent.
    pub bytes: Box<[u8]>,
    /// The Call-ID that the caller knows the call by; empty where there is none.
    pub call_id: Box<[u8]>,
}

/// What is copied, and for whom.
pub(crate) struct Tap {
    pub now: Nanos,
    limit: usize,
    used: usize,
    dropped: u64,
    records: Vec<Traced>,
    watched: HashSet<u64>,
    order: VecDeque<u64>,
    peers: Vec<(IpAddr, u8)>,
    everything: bool,
    /// Call-IDs that sides were given since, with those that the callers know: a call may be over by the time
    /// that its messages are looked at.
    aliases: HashMap<u64, Box<[u8]>>,
}

impl Tap {
    /// Copy a message, or count it where there is no more room.
    pub fn record(&mut self, incoming: bool, flow: Flow, bytes: &[u8]) {
        if self.used + bytes.len() > self.limit {
            self.dropped += 1;
            return;
        }
        self.used += bytes.len();
        self.records.push(Traced {
            at: self.now,
            incoming,
            flow,
            bytes: bytes.into(),
            call_id: Box::default(),
        });
    }

    /// A side knows a call by another Call-ID.
    pub fn name_also(&mut self, alias: u64, call_id: &[u8]) {
        if self.aliases.len() >= CALLS_MAX {
            self.aliases.clear();
        }
        self.aliases.insert(alias, call_id.into());
    }

    fn watch(&mut self, call_id: u64) {
        if !self.watched.insert(call_id) {
            return;
        }
        self.order.push_back(call_id);
        if self.order.len() > CALLS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.watched.remove(&oldest);
            }
        }
    }
}

impl Endpoint {
    /// Begin to copy messages, `limit` bytes of them at most between two calls of [`Endpoint::traced`]; 0: no more.
    pub fn trace(&mut self, limit: usize) {
        let now = self.now;
        self.outbox.tap = (limit > 0).then(|| {
            Box::new(Tap {
                now,
                limit,
                used: 0,
                dropped: 0,
                records: Vec::new(),
                watched: HashSet::new(),
                order: VecDeque::new(),
                peers: Vec::new(),
                everything: false,
                aliases: HashMap::new(),
            })
        });
    }

    /// Whose messages are wanted, beside those of watched calls: peers by network, or all.
    pub fn trace_peers(&mut self, peers: Vec<(IpAddr, u8)>, everything: bool) {
        if let Some(tap) = &mut self.outbox.tap {
            (tap.peers, tap.everything) = (peers, everything);
        }
    }

    /// The messages of calls with this Call-ID are wanted, as the caller knows it.
    pub fn trace_call(&mut self, call_id: &[u8]) {
        let key = self.keys.call_id(call_id);
        if let Some(tap) = &mut self.outbox.tap {
            tap.watch(key);
        }
    }

    /// What was wanted of the messages until now, in order, and how many found no room. None while policy has
    /// events to judge: then nobody knows yet whose they are.
    pub fn traced(&mut self) -> (Vec<Traced>, u64) {
        if !self.events.is_empty() {
            return (Vec::new(), 0);
        }
        let Some(tap) = &mut self.outbox.tap else {
            return (Vec::new(), 0);
        };
        let dropped = std::mem::take(&mut tap.dropped);
        let records = std::mem::take(&mut tap.records);
        tap.used = 0;
        let mut index = Index::default();
        let named: Vec<Traced> = records
            .into_iter()
            .map(|mut record| {
                parse::datagram(&record.bytes, &mut index);
                record.call_id = self.true_call_id(index.call_id.of(&record.bytes));
                record
            })
            .collect();
        let Some(tap) = &self.outbox.tap else {
            return (Vec::new(), dropped);
        };
        let wanted = |record: &Traced| {
            tap.everything
                || tap.watched.contains(&self.keys.call_id(&record.call_id))
                || tap
                    .peers
                    .iter()
                    .any(|peer| lies_in(record.flow.peer.ip(), *peer))
        };
        (named.into_iter().filter(wanted).collect(), dropped)
    }

    fn true_call_id(&self, seen: &[u8]) -> Box<[u8]> {
        let key = self.keys.call_id(seen);
        let call = self.by_alias.get(&key).and_then(|id| self.calls.get(id));
        let tapped = || self.outbox.tap.as_ref()?.aliases.get(&key);
        let known = call.map(|call| &call.call_id).or_else(tapped);
        known.map_or(seen, |known| known).into()
    }
}

fn lies_in(ip: IpAddr, (network, bits): (IpAddr, u8)) -> bool {
    let (ip, network, width) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => (
            u128::from(u32::from(ip)),
            u128::from(u32::from(network)),
            32,
        ),
        (IpAddr::V6(ip), IpAddr::V6(network)) => (u128::from(ip), u128::from(network), 128),
        _ => return false,
    };
    let host_bits = width - u32::from(bits).min(width);
    ip.checked_shr(host_bits).unwrap_or_default()
        == network.checked_shr(host_bits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (ip, network, bits, expected) in [
            ("192.0.2.7", "192.0.2.0", 24, true),
            ("192.0.3.7", "192.0.2.0", 24, false),
            ("192.0.2.7", "192.0.2.7", 32, true),
            ("192.0.2.8", "192.0.2.7", 99, false),
            ("192.0.2.8", "0.0.0.0", 0, true),
            ("2001:db8::1", "2001:db8::", 32, true),
            ("2001:db9::1", "2001:db8::", 32, false),
            ("2001:db8::1", "::", 0, true),
            ("192.0.2.8", "::", 0, false),
        ] {
            let found = lies_in(
                ip.parse().expect("an address"),
                (network.parse().expect("an address"), bits),
            );
            assert_eq!(found, expected, "{ip} in {network}/{bits}");
        }
    }
}
