//! CSeq numbers of a dialog, where requests of our own stand among those of its ends.
//!
//! Each end counts its requests by itself (RFC 3261 12.2.1.1), and the other end refuses a number that it has
//! seen before (12.2.2). Once we have spoken for an end, it goes on from a number that we have used up, so its
//! later requests are passed on with a higher one, and their responses with the one that it asked with.

use crate::message::Method;

/// The highest number that a CSeq may have (8.1.1.5).
const MAX: u32 = 0x7fff_ffff;

/// The numbers of one direction: of what one end sends, and of what the other end is sent for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Lowest number that the sender has not used yet.
    pub(super) next: u32,
    /// Lowest number that the receiver has not seen yet.
    pub(super) free: u32,
    /// The sender's latest INVITE: its number, and that which the receiver has seen.
    pub(super) invite: (u32, u32),
}

impl Numbers {
    /// Of an end whose first request was the INVITE with this number.
    pub fn after_invite(number: u32) -> Self {
        Numbers {
            invite: (number, number),
            ..Self::after(number)
        }
    }

    /// Of an end whose last request had this number.
    pub fn after(number: u32) -> Self {
        let next = number.saturating_add(1).min(MAX);
        Numbers {
            next,
            free: next,
            invite: (0, 0),
        }
    }

    /// The number that a request of the sender goes on with.
    pub fn relay(&mut self, method: Method, number: u32) -> u32 {
        if method == Method::Ack {
            return self.of_invite(number);
        }
        let sent = self.shifted(number);
        if number >= self.next {
            self.next = number.saturating_add(1).min(MAX);
            self.free = sent.saturating_add(1).min(MAX);
        }
        if method == Method::Invite {
            self.invite = (number, sent);
        }
        sent
    }

    /// The number that the receiver knows an INVITE of the sender by: what ACK (13.2.2.4) and RAck
    /// (RFC 3262 7.2) refer to.
    pub fn of_invite(&self, number: u32) -> u32 {
        if number == self.invite.0 {
            self.invite.1
        } else {
            self.shifted(number)
        }
    }

    /// A response to an INVITE of this number was passed on as it is: the receiver knows it by that.
    pub fn knows_invite(&mut self, number: u32) {
        self.invite = (number, number);
    }

    /// The number of a request of ours for the sender.
    pub fn own(&mut self) -> u32 {
        let number = self.free.max(1);
        self.free = number.saturating_add(1).min(MAX);
        number
    }

    /// What was kept may be behind what has been used since. A gap is allowed (12.2.2), a step back is not.
    pub fn skip(&mut self, count: u32) {
        self.free = self.free.saturating_add(count).min(MAX);
    }

    fn shifted(&self, number: u32) -> u32 {
        number
            .saturating_add(self.free.saturating_sub(self.next))
            .min(MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_pass_as_they_are_until_we_have_spoken() {
        let mut numbers = Numbers::after_invite(7);
        assert_eq!(numbers.relay(Method::Ack, 7), 7);
        assert_eq!(numbers.relay(Method::Info, 8), 8);
        assert_eq!(numbers.relay(Method::Invite, 30), 30, "a gap stays a gap");
        assert_eq!(numbers.relay(Method::Ack, 30), 30);
    }

    #[test]
    fn later_numbers_go_up_by_what_we_have_used() {
        let mut numbers = Numbers::after_invite(7);
        assert_eq!((numbers.own(), numbers.own()), (8, 9));
        assert_eq!(numbers.relay(Method::Info, 8), 10);
        assert_eq!(numbers.own(), 11);
        assert_eq!(numbers.relay(Method::Bye, 9), 12);
        assert_eq!(
            numbers.relay(Method::Info, 8),
            11,
            "late, and still no higher"
        );
    }

    #[test]
    fn an_ack_bears_the_number_of_its_invite_whatever_we_have_sent_since() {
        let mut numbers = Numbers::after_invite(1);
        assert_eq!(numbers.own(), 2);
        assert_eq!(numbers.relay(Method::Ack, 1), 1);
        assert_eq!(numbers.relay(Method::Invite, 2), 3);
        assert_eq!(numbers.own(), 4);
        assert_eq!(numbers.relay(Method::Ack, 2), 3);
        assert_eq!(numbers.of_invite(2), 3, "RAck");
    }

    #[test]
    fn an_end_that_has_sent_nothing_may_begin_with_any_number() {
        for first in [0, 1, 5000] {
            let mut numbers = Numbers::default();
            assert_eq!(numbers.own(), 1);
            assert!(numbers.relay(Method::Bye, first) > 1, "{first}");
        }
        assert_eq!(Numbers::default().relay(Method::Bye, 5000), 5000);
    }

    #[test]
    fn numbers_at_the_end_of_their_range_do_not_wrap() {
        let mut numbers = Numbers::after_invite(MAX);
        assert_eq!((numbers.own(), numbers.own()), (MAX, MAX));
        assert_eq!(numbers.relay(Method::Bye, MAX), MAX);
    }

    proptest::proptest! {
        #[test]
        fn the_receiver_never_sees_a_number_twice(
            first in 0u32..1 << 30,
            steps in proptest::collection::vec((proptest::bool::ANY, 1u32..5), 1..50),
        ) {
            let mut numbers = Numbers::after_invite(first);
            let (mut used, mut last) = (first, first);
            for (ours, step) in steps {
                let sent = if ours {
                    numbers.own()
                } else {
                    used += step;
                    numbers.relay(Method::Info, used)
                };
                proptest::prop_assert!(sent > last);
                last = sent;
            }
        }
    }
}
