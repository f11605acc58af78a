//! Non-INVITE client transaction: RFC 3261 17.1.2.

use crate::timer::{Nanos, T1, T2};

/// States of figure 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Sent; nothing came back.
    Trying {
        /// Current interval of timer E.
        interval: Nanos,
    },
    /// A provisional response came; timer E runs at T2.
    Proceeding,
    /// A final response came; timer K absorbs its retransmissions.
    Completed,
}

/// What a response means to the transaction user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Pass it up.
    Provisional,
    /// Pass it up.
    Final,
    /// A retransmission, or late.
    Ignored,
}

impl State {
    /// The request has just been sent.
    pub fn new() -> Self {
        State::Trying { interval: T1 }
    }

    /// A response with this status came in.
    pub fn receive(&mut self, status: u16) -> Received {
        match (*self, status) {
            (State::Completed, _) => Received::Ignored,
            (_, 100..=199) => {
                *self = State::Proceeding;
                Received::Provisional
            }
            _ => {
                *self = State::Completed;
                Received::Final
            }
        }
    }

    /// Timer E fired: Some(next interval) to retransmit and arm again, None to let it rest.
    pub fn timer_e(&mut self) -> Option<Nanos> {
        match self {
            State::Trying { interval } => {
                *interval = (*interval * 2).min(T2);
                Some(*interval)
            }
            State::Proceeding => Some(T2),
            State::Completed => None,
        }
    }

    /// No final response has come yet.
    pub fn pending(self) -> bool {
        self != State::Completed
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x05_timer_e_doubles_to_t2_and_stays_there_in_proceeding() {
        let mut state = State::new();
        let intervals: Vec<_> = (0..4)
            .filter_map(|_| state.timer_e())
            .map(|i| i / T1)
            .collect();
        assert_eq!(intervals, [2, 4, 8, 8]);
        assert_eq!(state.receive(182), Received::Provisional);
        assert_eq!(state.timer_e(), Some(T2));
        assert_eq!(state.receive(200), Received::Final);
        assert_eq!(
            (state.timer_e(), state.receive(200)),
            (None, Received::Ignored)
        );
    }
}
