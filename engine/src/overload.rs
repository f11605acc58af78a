//! Overload control (RFC 5390, RFC 6357): new requests are refused by the engine itself, at a twentieth of the price of
//! a decision, while policy is behind with those that wait. What is judged then is judged in time, and no work is
//! spent on requests whose callers have begun to repeat them. Requests inside dialogs are never refused.

use hashbrown::HashSet;

use crate::endpoint::{Endpoint, Incoming};
use crate::print;
use crate::timer::{Nanos, T1, T2};
use crate::uri;

/// A delay has to last so long before it is one: a single halt of policy is over sooner, and what waited is
/// decided faster than it came.
const LASTS: Nanos = T1;
/// Delays of this many times what is allowed need not last.
const FAR_ABOVE: Nanos = 5;
/// So long without any delay is the end of it.
const OVER: Nanos = T2;
/// Fewer new requests than that are no crowd, however long they have waited: policy takes twice as many at a time.
const CROWD: usize = 64;
/// Emergency calls that pass in one second. Anybody can dial their number; more than that are an attack.
const EMERGENCIES_PER_SECOND: Nanos = 100;
/// Refused requests that are remembered: those of the last second or so, in 128 kB.
const REMEMBERED: usize = 1 << 14;
/// Seconds of Retry-After, each as often: callers that all came back at once would be the next overload.
const RETRY_AFTER: std::ops::RangeInclusive<u64> = 1..=5;

/// Whether new requests are taken.
#[derive(Default)]
pub struct Overload {
    /// How long policy may be behind; 0: for ever.
    allowed: Nanos,
    emergency: HashSet<Vec<u8>>,
    is_on: bool,
    /// Even refusing takes too long: messages wait in the sockets.
    is_flooded: bool,
    above_since: Option<Nanos>,
    last_above: Nanos,
    /// When the next emergency call could have come at the rate that is allowed.
    emergency_due: Nanos,
    /// Keys of refused requests, each in the slot of its low bits. A repeat that was under way when the refusal was
    /// sent has to be refused too: its caller has given the call up, and would never end one that was taken.
    refused: Vec<u64>,
}

impl Overload {
    /// `allowed`: how long new requests may wait for policy, 0 for ever. `emergency`: numbers, as they are dialled,
    /// that come before all others.
    pub fn new(allowed: Nanos, emergency: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Overload {
            allowed,
            emergency: emergency.into_iter().collect(),
            ..Overload::default()
        }
    }

    /// Whether requests are being refused, or were a moment ago.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// A new request has come while others wait: is it refused? `delay`: how long it would wait.
    fn refuses(&mut self, now: Nanos, key: u64, waiting: usize, delay: Nanos) -> bool {
        if self.allowed == 0 {
            return false;
        }
        if delay < self.allowed || waiting < CROWD {
            self.above_since = None;
            if self.is_on && now.saturating_sub(self.last_above) > OVER {
                self.is_on = false;
                self.refused = Vec::new();
            }
            return self.is_on && self.refused.get(slot(key)) == Some(&key);
        }
        self.last_above = now;
        let since = *self.above_since.get_or_insert(now);
        self.is_on |= delay >= FAR_ABOVE * self.allowed || now.saturating_sub(since) >= LASTS;
        if self.is_on {
            self.refused.resize(REMEMBERED, 0);
            self.refused[slot(key)] = key;
        }
        self.is_on
    }

    /// Whether an emergency call passes, by the rate of those before it.
    fn admits_emergency(&mut self, now: Nanos) -> bool {
        const SECOND: Nanos = 1_000_000_000;
        let due = self.emergency_due.max(now);
        let passes = due - now < SECOND;
        if passes {
            self.emergency_due = due + SECOND / EMERGENCIES_PER_SECOND;
        }
        passes
    }
}

fn slot(key: u64) -> usize {
    key as usize % REMEMBERED
}

/// How a new request goes on.
pub(crate) enum Rank {
    /// Before other new ones.
    First,
    /// In its turn.
    InTurn,
    /// It has been answered 503.
    Refused,
}

impl Endpoint {
    /// Messages have been waiting in the sockets for longer than they should, or do so no more.
    pub fn set_flooded(&mut self, flooded: bool) {
        self.overload.is_flooded = flooded;
    }

    /// Control overload by this from now on.
    pub fn set_overload(&mut self, overload: Overload) {
        self.overload = overload;
    }

    /// Whether new requests are being refused because policy is behind, or were a moment ago.
    pub fn is_overloaded(&self) -> bool {
        self.overload.is_on()
    }

    /// A datagram that is not worth reading now: a new call, and no emergency, while not even refusals get out in time.
    /// What belongs to calls that are up is not left in the sockets for it.
    pub(crate) fn passes_over(&mut self, datagram: &[u8]) -> bool {
        let Overload {
            is_on: true,
            is_flooded: true,
            ref emergency,
            ..
        } = self.overload
        else {
            return false;
        };
        let Some(uri) = datagram.strip_prefix(b"INVITE ") else {
            return false;
        };
        // From has a tag, and To has one inside a dialog (12.2.1.1).
        let begins = memchr::memmem::find_iter(datagram, b";tag=")
            .nth(1)
            .is_none();
        let uri = &uri[..memchr::memchr(b' ', uri).unwrap_or(uri.len())];
        let passes = begins && !is_emergency(emergency, uri);
        self.counters.shed += u64::from(passes);
        passes
    }

    /// Where a new request that policy has to judge is to wait. `key`: of its transaction.
    pub(crate) fn rank(&mut self, message: Incoming, key: u128) -> Rank {
        let waiting = self.events.new_waiting();
        // Nobody is overtaken where nobody waits; the number need not be read then.
        if waiting >= CROWD
            && is_emergency(
                &self.overload.emergency,
                message.index.request_uri().of(message.bytes),
            )
            && self.overload.admits_emergency(self.now)
        {
            return Rank::First;
        }
        let key = (key >> 64) as u64;
        let delay = self.events.delay(self.now);
        if !self.overload.refuses(self.now, key, waiting, delay) {
            return Rank::InTurn;
        }
        self.counters.shed += 1;
        let spread = RETRY_AFTER.end() - RETRY_AFTER.start() + 1;
        let mut line = b"Retry-After: ".to_vec();
        print::decimal(&mut line, RETRY_AFTER.start() + (key >> 32) % spread);
        line.extend_from_slice(b"\r\n");
        self.answer_stateless(message, 503, "Service Unavailable", &line);
        Rank::Refused
    }
}

/// The request is for an emergency number, whatever its visual separators (RFC 3966 section 5.1.1). Policy says
/// later whether it really is one: for this it must come from a peer that is known.
fn is_emergency(numbers: &HashSet<Vec<u8>>, request_uri: &[u8]) -> bool {
    if numbers.is_empty() {
        return false;
    }
    let Ok(uri) = uri::parse(request_uri) else {
        return false;
    };
    let user = uri.user.unwrap_or_default();
    let number = &user[..memchr::memchr(b';', user).unwrap_or(user.len())];
    let mut digits = Vec::new();
    if uri::unescape(number, &mut digits).is_err() {
        return false;
    }
    digits.retain(|byte| !b"-.()".contains(byte));
    numbers.contains(&digits)
}
