//! Non-INVITE server transaction: RFC 3261 17.2.2.

/// States of figure 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was sent.
    Trying,
    /// A provisional response was sent.
    Proceeding,
    /// A final response was sent; timer J repeats it for every retransmission of the request.
    Completed,
}

impl State {
    /// A response is about to be sent. False: a final one was sent before (the later one is dropped).
    pub fn send(&mut self, status: u16) -> bool {
        match *self {
            State::Completed => false,
            _ => {
                *self = if status < 200 {
                    State::Proceeding
                } else {
                    State::Completed
                };
                true
            }
        }
    }

    /// The request came again. True: repeat the last response.
    pub fn retransmitted(self) -> bool {
        self != State::Trying
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x11_the_first_final_response_stands() {
        let mut state = State::Trying;
        assert!(!state.retransmitted());
        assert!(state.send(200) && state.retransmitted());
        assert!(!state.send(500));
    }
}
