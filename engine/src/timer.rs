//! Timers of RFC 3261 (appendix A), RFC 6026 and our own, on one hashed wheel.
//!
//! A timer is never cancelled: when it fires, its owner looks at its state and ignores what no longer
//! matters. That keeps arming and firing free of lookups.

use std::collections::BinaryHeap;

/// Monotonic nanoseconds, told from outside.
pub type Nanos = u64;

const MS: Nanos = 1_000_000;
/// Round-trip time estimate (17.1.1.1).
pub const T1: Nanos = 500 * MS;
/// Longest retransmission interval of non-INVITE requests and INVITE responses (17.1.2.2).
pub const T2: Nanos = 4_000 * MS;
/// Longest time that a message stays in the network (17.1.2.2).
pub const T4: Nanos = 5_000 * MS;
/// The life of a transaction: 64*T1.
pub const TRANSACTION: Nanos = 64 * T1;

/// What a timer is for. The letters are RFC 3261's and RFC 6026's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// INVITE request retransmission, UDP only (17.1.1.2).
    A,
    /// INVITE transaction without any response (17.1.1.2).
    B,
    /// Proxied INVITE without a final response (16.6 step 11).
    C,
    /// Wait for retransmissions of a refusal to our INVITE (17.1.1.2).
    D,
    /// Non-INVITE request retransmission, UDP only (17.1.2.2).
    E,
    /// Non-INVITE transaction without a final response (17.1.2.2).
    F,
    /// INVITE refusal retransmission, UDP only (17.2.1).
    G,
    /// Wait for the ACK of a refusal (17.2.1).
    H,
    /// Wait for retransmissions of that ACK (17.2.1).
    I,
    /// Wait for retransmissions of a non-INVITE request (17.2.2).
    J,
    /// Wait for retransmissions of a non-INVITE response (17.1.2.2).
    K,
    /// Wait for retransmissions of an accepted INVITE (RFC 6026 7.1).
    L,
    /// Wait for further 2xx to our INVITE (RFC 6026 7.2).
    M,
    /// The gateway has said nothing at all: ask the next one (policy, not RFC).
    NoAnswer,
    /// No final response in 64*T1 after our CANCEL: the branch is over (9.1).
    Cancelled,
    /// An ended call is kept this long for late requests of its dialog.
    Linger,
    /// The ACK of a 2xx that was passed on has not come in 64*T1 (13.3.1.4).
    NoAck,
    /// An answered call wants to be asked whether its ends are still there.
    Ping,
    /// It is its turn: no more calls are asked at once than was allowed.
    PingTurn,
    /// A session may not have been refreshed in time (RFC 4028 10).
    Session,
    /// A connection may have been idle, silent or not to be had for too long (18, "limits" in stream/).
    Stream,
}

/// A timer that has come due: what for, and the raw id of its owner in the owner's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// What it was armed for.
    pub timer: Timer,
    /// Raw arena id, a connection, or a call id for those of a call from [`Timer::Linger`] on.
    pub owner: u64,
}

/// Width of a slot, about 4 ms: far below the 50 ms that the timers of a loaded proxy may be off.
const TICK_SHIFT: u32 = 22;
/// 16,384 slots of 4.2 ms reach 68 s: past every timer of a transaction. Longer ones wait in the heap.
const SLOTS: usize = 16_384;
const WORDS: usize = SLOTS / 64;

/// A hashed timing wheel with a heap for what lies beyond its horizon.
pub struct Wheel {
    slots: Vec<Vec<Due>>,
    occupied: Vec<u64>,
    /// First tick that has not been fired.
    cursor: u64,
    armed: usize,
    beyond: BinaryHeap<std::cmp::Reverse<(u64, Due)>>,
}

impl Wheel {
    /// An empty wheel that starts at `now`.
    pub fn new(now: Nanos) -> Self {
        Wheel {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: vec![0; WORDS],
            cursor: now >> TICK_SHIFT,
            armed: 0,
            beyond: BinaryHeap::new(),
        }
    }

    /// Arm `timer` of `owner` at `at`; never fires early, and at most one slot late.
    pub fn arm(&mut self, at: Nanos, timer: Timer, owner: u64) {
        let due = Due { timer, owner };
        let tick = ((at >> TICK_SHIFT) + 1).max(self.cursor);
        if tick - self.cursor >= SLOTS as u64 {
            self.beyond.push(std::cmp::Reverse((tick, due)));
        } else {
            self.insert(tick, due);
        }
    }

    fn insert(&mut self, tick: u64, due: Due) {
        let slot = (tick as usize) & (SLOTS - 1);
        self.slots[slot].push(due);
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.armed += 1;
    }

    /// Move everything due by `now` into `fired`, in the order of slots.
    pub fn advance(&mut self, now: Nanos, fired: &mut Vec<Due>) {
        let end = now >> TICK_SHIFT;
        while self.cursor <= end {
            let Some(tick) = self.next_tick() else {
                self.cursor = end + 1;
                break;
            };
            if tick > end {
                self.cursor = end + 1;
                break;
            }
            self.cursor = tick;
            self.pull();
            let slot = (tick as usize) & (SLOTS - 1);
            self.armed -= self.slots[slot].len();
            fired.append(&mut self.slots[slot]);
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            self.cursor = tick + 1;
        }
        self.pull();
    }

    /// Bring what came within the horizon from the heap onto the wheel.
    fn pull(&mut self) {
        while let Some(std::cmp::Reverse((tick, due))) = self.beyond.peek().copied() {
            if tick >= self.cursor + SLOTS as u64 {
                break;
            }
            self.beyond.pop();
            self.insert(tick.max(self.cursor), due);
        }
    }

    /// The earliest moment at which something may be due; None when nothing is armed.
    pub fn deadline(&self) -> Option<Nanos> {
        self.next_tick().map(|tick| tick << TICK_SHIFT)
    }

    fn next_tick(&self) -> Option<u64> {
        let far = self.beyond.peek().map(|r| r.0 .0);
        if self.armed == 0 {
            return far;
        }
        let start = (self.cursor as usize) & (SLOTS - 1);
        let near = (0..=WORDS).find_map(|step| {
            let word = (start / 64 + step) % WORDS;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= !0 << (start % 64);
            } else if step == WORDS {
                bits &= !(!0 << (start % 64));
            }
            (bits != 0).then(|| {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                self.cursor + ((slot + SLOTS - start) % SLOTS) as u64
            })
        });
        match (near, far) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(wheel: &mut Wheel, now: Nanos) -> Vec<u64> {
        let mut fired = Vec::new();
        wheel.advance(now, &mut fired);
        fired.iter().map(|due| due.owner).collect()
    }

    #[test]
    fn x17_fires_never_early_and_at_most_a_slot_late() {
        for at in [
            1,
            499 * MS,
            T1,
            T2,
            TRANSACTION,
            180_000 * MS,
            3_600_000 * MS,
        ] {
            let mut wheel = Wheel::new(7 * MS);
            wheel.arm(7 * MS + at, Timer::A, 1);
            assert!(
                drain(&mut wheel, 7 * MS + at - 1).is_empty(),
                "early at {at}"
            );
            assert_eq!(
                drain(&mut wheel, 7 * MS + at + (2 << TICK_SHIFT)),
                [1],
                "lost at {at}"
            );
            assert_eq!(wheel.deadline(), None);
        }
    }

    #[test]
    fn the_deadline_is_when_something_is_due() {
        let mut wheel = Wheel::new(0);
        assert_eq!(wheel.deadline(), None);
        wheel.arm(T1, Timer::A, 1);
        wheel.arm(200_000 * MS, Timer::C, 2);
        let first = wheel.deadline().unwrap_or(0);
        assert!((T1..T1 + (2 << TICK_SHIFT)).contains(&first));
        assert_eq!(drain(&mut wheel, first), [1]);
        let second = wheel.deadline().unwrap_or(0);
        assert!(second >= 200_000 * MS);
        assert_eq!(drain(&mut wheel, second), [2]);
    }

    #[test]
    fn a_stopped_clock_loses_nothing() {
        let mut wheel = Wheel::new(0);
        for owner in 0..1000 {
            wheel.arm(owner * 100 * MS, Timer::B, owner);
        }
        assert_eq!(drain(&mut wheel, 1_000_000 * MS).len(), 1000);
    }

    #[test]
    fn a_timer_in_the_past_fires_at_once() {
        let mut wheel = Wheel::new(1_000_000 * MS);
        wheel.arm(5, Timer::A, 1);
        assert_eq!(drain(&mut wheel, 1_000_000 * MS + (2 << TICK_SHIFT)), [1]);
    }

    proptest::proptest! {
        #[test]
        fn x17_every_timer_fires_once_and_in_time(
            ats in proptest::collection::vec(0u64..300_000, 1..60),
            steps in proptest::collection::vec(1u64..90_000, 1..40),
        ) {
            let mut wheel = Wheel::new(0);
            for (owner, at) in ats.iter().enumerate() {
                wheel.arm(at * MS, Timer::A, owner as u64);
            }
            let mut seen = vec![None; ats.len()];
            let mut now = 0;
            for step in steps.into_iter().chain([600_000]) {
                now += step * MS;
                for owner in drain(&mut wheel, now) {
                    proptest::prop_assert!(seen[owner as usize].replace(now).is_none());
                }
                for (owner, at) in ats.iter().enumerate() {
                    let due = at * MS + (2 << TICK_SHIFT) <= now;
                    proptest::prop_assert!(!due || seen[owner].is_some());
                    proptest::prop_assert!(seen[owner].is_none_or(|t| t >= at * MS));
                }
            }
        }
    }
}
