//! INVITE server transaction: RFC 3261 17.2.1 with RFC 6026 section 7.1.

use crate::timer::{Nanos, T1, T2};

/// States of figure 7, with Accepted of RFC 6026.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No final response was sent.
    Proceeding,
    /// A refusal was sent; timer G repeats it, timer H gives up waiting for the ACK.
    Completed {
        /// Current interval of timer G.
        interval: Nanos,
    },
    /// The ACK of a refusal came; timer I absorbs further ones.
    Confirmed,
    /// A 2xx was sent; timer L absorbs retransmissions of the INVITE.
    Accepted,
}

impl State {
    /// A response is about to be sent. False: this state must not send it.
    pub fn send(&mut self, status: u16) -> bool {
        match (*self, status) {
            (State::Proceeding, 100..=199) => true,
            (State::Proceeding | State::Accepted, 200..=299) => {
                *self = State::Accepted;
                true
            }
            (State::Proceeding, 300..=699) => {
                *self = State::Completed { interval: T1 };
                true
            }
            _ => false,
        }
    }

    /// The INVITE came again. True: repeat the last response.
    pub fn retransmitted(self) -> bool {
        matches!(self, State::Proceeding | State::Completed { .. })
    }

    /// An ACK of this transaction came. True: it is absorbed; false: it is none of ours.
    pub fn acknowledged(&mut self) -> Acknowledged {
        match self {
            State::Completed { .. } => {
                *self = State::Confirmed;
                Acknowledged::Confirmed
            }
            State::Confirmed => Acknowledged::Absorbed,
            State::Accepted => Acknowledged::PassOn,
            State::Proceeding => Acknowledged::Absorbed,
        }
    }

    /// Timer G fired: Some(next interval) to repeat the refusal and arm again.
    pub fn timer_g(&mut self) -> Option<Nanos> {
        match self {
            State::Completed { interval } => {
                *interval = (*interval * 2).min(T2);
                Some(*interval)
            }
            _ => None,
        }
    }
}

/// What an ACK with the branch of the INVITE means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// The first ACK of a refusal: arm timer I.
    Confirmed,
    /// Another one, or one that nothing asked for.
    Absorbed,
    /// The peer used the branch of its INVITE for the ACK of a 2xx: treat it as one (13.2.2.4).
    PassOn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x09_a_refusal_is_repeated_until_its_ack() {
        let mut state = State::Proceeding;
        assert!(state.send(180) && state.send(486));
        let intervals: Vec<_> = (0..5)
            .filter_map(|_| state.timer_g())
            .map(|i| i / T1)
            .collect();
        assert_eq!(intervals, [2, 4, 8, 8, 8]);
        assert!(state.retransmitted());
        assert_eq!(state.acknowledged(), Acknowledged::Confirmed);
        assert_eq!(
            (state.timer_g(), state.acknowledged()),
            (None, Acknowledged::Absorbed)
        );
        assert!(!state.send(200) && !state.retransmitted());
    }

    #[test]
    fn x10_accepted_absorbs_the_invite_and_lets_further_2xx_and_the_ack_through() {
        let mut state = State::Proceeding;
        assert!(state.send(200) && state.send(200));
        assert!(!state.send(486) && !state.send(180) && !state.retransmitted());
        assert_eq!(state.acknowledged(), Acknowledged::PassOn);
    }
}
