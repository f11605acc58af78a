//! Events on their way to policy, in two ranks: what belongs to calls that are there comes before what is new, so
//! that calls are answered, ended and charged in time however many more are wanted (RFC 5390 section 6, REQ 15).
//! No event of a call overtakes its own beginning: until policy has judged that, there is none.

use std::collections::VecDeque;

use crate::event::Event;
use crate::timer::Nanos;

/// Both ranks, each in the order of arrival.
#[derive(Default)]
pub struct Queue {
    known: VecDeque<Event>,
    /// How many of these are urgent; new requests all are.
    urgent: usize,
    /// How many events there have been.
    pub pushed: u64,
    /// With the moment of arrival.
    new: VecDeque<(Nanos, Event)>,
    /// Time that a new request costs policy, with all that else it does meanwhile: a moving average.
    price: Nanos,
    /// When policy last took new requests, how many, and whether it left some.
    taken_at: Nanos,
    taken: usize,
    left: bool,
}

/// Turns of policy that the average is of, roughly.
const TURNS: Nanos = 8;

impl Queue {
    /// Behind all that belongs to calls that are there.
    pub fn push(&mut self, event: Event) {
        self.urgent += usize::from(event.is_urgent());
        self.pushed += 1;
        self.known.push_back(event);
    }

    /// Behind everything: a request that policy has yet to judge.
    pub fn push_new(&mut self, now: Nanos, event: Event) {
        self.pushed += 1;
        self.new.push_back((now, event));
    }

    /// The next event.
    pub fn pop_front(&mut self) -> Option<Event> {
        let Some(event) = self.known.pop_front() else {
            return self.new.pop_front().map(|(_, event)| event);
        };
        self.urgent -= usize::from(event.is_urgent());
        Some(event)
    }

    /// The next events, `limit` at most.
    pub fn take(&mut self, now: Nanos, limit: usize) -> VecDeque<Event> {
        if self.known.len() >= limit {
            let left = self.known.split_off(limit);
            let taken = std::mem::replace(&mut self.known, left);
            self.urgent -= taken.iter().filter(|event| event.is_urgent()).count();
            return taken;
        }
        self.urgent = 0;
        let mut taken = std::mem::take(&mut self.known);
        let count = (limit - taken.len()).min(self.new.len());
        if count > 0 {
            self.learn(now, count);
            taken.extend(self.new.drain(..count).map(|(_, event)| event));
        }
        taken
    }

    /// What was taken the last time has been dealt with by `now`, for only then policy comes again. A time in which it
    /// had nothing to do says nothing.
    fn learn(&mut self, now: Nanos, count: usize) {
        if self.left {
            let price = now.saturating_sub(self.taken_at) / self.taken as Nanos;
            self.price = match self.price {
                0 => price,
                known => (known * (TURNS - 1) + price) / TURNS,
            };
        }
        (self.taken_at, self.taken) = (now, count);
        self.left = count < self.new.len();
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && self.new.is_empty()
    }

    /// Whether one waits that should not: see [`Event::is_urgent`].
    pub fn are_urgent(&self) -> bool {
        self.urgent > 0 || !self.new.is_empty()
    }

    /// How many new requests wait.
    pub fn new_waiting(&self) -> usize {
        self.new.len()
    }

    /// How long a new request would wait, by what policy needs for those before it; at least as long as policy has
    /// not come for the oldest.
    pub fn delay(&self, now: Nanos) -> Nanos {
        let oldest = self.new.front().map_or(now, |(since, _)| *since);
        let halted = now.saturating_sub(oldest.max(self.taken_at));
        self.price
            .saturating_mul(self.new.len() as Nanos)
            .max(halted)
    }
}
