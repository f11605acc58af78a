//! INVITE client transaction: RFC 3261 17.1.1 with RFC 6026 section 7.2.

use crate::timer::{Nanos, T1};

/// States of figure 5, with Accepted of RFC 6026.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The request was sent; nothing came back. Timer A retransmits, timer B gives up.
    Calling {
        /// Current interval of timer A.
        interval: Nanos,
    },
    /// A provisional response came.
    Proceeding,
    /// A refusal came and was acknowledged; timer D absorbs its retransmissions.
    Completed,
    /// A 2xx came; timer M lets further 2xx through.
    Accepted,
}

/// What a response means to the transaction user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Pass it up.
    Provisional,
    /// Pass it up; the first one of its branch.
    Accepted,
    /// Pass it up; a further 2xx (a retransmission, or another fork).
    AcceptedAgain,
    /// Acknowledge it and pass it up.
    Refused,
    /// Acknowledge it again; a retransmission.
    RefusedAgain,
    /// Not for this state.
    Ignored,
}

impl State {
    /// The INVITE has just been sent.
    pub fn new() -> Self {
        State::Calling { interval: T1 }
    }

    /// A response with this status came in.
    pub fn receive(&mut self, status: u16) -> Received {
        match (*self, status) {
            (State::Calling { .. } | State::Proceeding, 100..=199) => {
                *self = State::Proceeding;
                Received::Provisional
            }
            (State::Calling { .. } | State::Proceeding, 200..=299) => {
                *self = State::Accepted;
                Received::Accepted
            }
            (State::Calling { .. } | State::Proceeding, 300..=699) => {
                *self = State::Completed;
                Received::Refused
            }
            (State::Completed, 300..=699) => Received::RefusedAgain,
            (State::Accepted, 200..=299) => Received::AcceptedAgain,
            _ => Received::Ignored,
        }
    }

    /// Timer A fired: Some(next interval) to retransmit and arm again, None to let it rest.
    pub fn timer_a(&mut self) -> Option<Nanos> {
        match self {
            State::Calling { interval } => {
                *interval *= 2;
                Some(*interval)
            }
            _ => None,
        }
    }

    /// No final response has come yet.
    pub fn pending(self) -> bool {
        matches!(self, State::Calling { .. } | State::Proceeding)
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
    fn x01_timer_a_doubles_until_a_provisional_response() {
        let mut state = State::new();
        assert_eq!(state.timer_a(), Some(2 * T1));
        assert_eq!(state.timer_a(), Some(4 * T1));
        assert_eq!(state.receive(180), Received::Provisional);
        assert_eq!(state.timer_a(), None);
    }

    #[test]
    fn x02_a_refusal_is_acknowledged_each_time_and_passed_up_once() {
        let mut state = State::new();
        assert_eq!(state.receive(486), Received::Refused);
        assert_eq!(state.receive(486), Received::RefusedAgain);
        assert_eq!(state.receive(200), Received::Ignored);
    }

    #[test]
    fn x04_accepted_passes_every_2xx_and_nothing_else() {
        let mut state = State::new();
        assert_eq!(state.receive(200), Received::Accepted);
        assert_eq!(state.receive(200), Received::AcceptedAgain);
        assert_eq!(state.receive(180), Received::Ignored);
        assert_eq!(state.receive(486), Received::Ignored);
    }
}
