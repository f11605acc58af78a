//! The ends of a dialog, as requests towards them need them (RFC 3261 12.1), and what is known of their life.

use super::cseq::Numbers;
use super::trust::Trust;
use crate::event::Side;
use crate::timer::Nanos;
use crate::transport::Flow;

/// One end of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Where requests to it go, worked out once from its route set, its Contact and where it sent from.
    pub flow: Flow,
    /// Its From or To header value, tag included.
    pub identity: Box<[u8]>,
    /// Its tag.
    pub tag: Box<[u8]>,
    /// Its remote target: the URI of its Contact.
    pub target: Box<[u8]>,
    /// Its route set as the value of one Route header; empty: none.
    pub routes: Box<[u8]>,
}

/// One of the dialogs that an INVITE may have made where it was forked: the answering end, and its ties to the
/// caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The end itself.
    pub party: Party,
    /// How far it is believed.
    pub trust: Trust,
    /// A 2xx came from it.
    pub confirmed: bool,
    /// A BYE passed.
    pub ended: bool,
    /// It was ours, and the call went on: a restart says it again, for it may have been lost.
    pub dropped: bool,
    /// When its 2xx was passed on to the caller; 0: before this run. None: the caller has not heard of it.
    pub heard: Option<Nanos>,
    /// Nobody wants it, and the caller will not hear of it.
    pub unwanted: bool,
    /// The ACK of its 2xx has passed.
    pub acknowledged: bool,
    /// CSeq numbers of the caller's requests to it.
    pub from_caller: Numbers,
    /// CSeq numbers of its requests to the caller.
    pub from_callee: Numbers,
    /// The session interval that the ends have agreed on, in seconds (RFC 4028); 0: none.
    pub session_seconds: u32,
    /// When the session expires unless it is refreshed; 0: never.
    pub session_expires: Nanos,
    /// When the caller last showed in this dialog that it is there; 0: not in this run.
    pub caller_proved: Nanos,
    /// When the answering end last did.
    pub callee_proved: Nanos,
    /// Our OPTIONS to the caller is not answered yet.
    pub caller_asked: bool,
    /// Our OPTIONS to the answering end is not answered yet.
    pub callee_asked: bool,
}

impl Leg {
    /// An early dialog with this end (12.1), of which nothing is believed; `invite`: CSeq number of the INVITE.
    pub fn early(party: Party, invite: u32) -> Self {
        Leg {
            party,
            trust: Trust::default(),
            confirmed: false,
            ended: false,
            dropped: false,
            heard: None,
            unwanted: false,
            acknowledged: false,
            from_caller: Numbers::after_invite(invite),
            from_callee: Numbers::default(),
            session_seconds: 0,
            session_expires: 0,
            caller_proved: 0,
            callee_proved: 0,
            caller_asked: false,
            callee_asked: false,
        }
    }

    /// Answered, and not over.
    pub fn is_up(&self) -> bool {
        self.confirmed && !self.ended
    }

    /// CSeq numbers of the requests of one end.
    pub fn numbers(&mut self, from: Side) -> &mut Numbers {
        match from {
            Side::Caller => &mut self.from_caller,
            Side::Callee => &mut self.from_callee,
        }
    }

    /// One of its ends has just shown that it is there.
    pub fn prove(&mut self, side: Side, now: Nanos) {
        match side {
            Side::Caller => self.caller_proved = now,
            Side::Callee => self.callee_proved = now,
        }
    }

    /// Until when both ends are known to have been there; 0: in this run not at all.
    pub fn proved(&self) -> Nanos {
        self.caller_proved.min(self.callee_proved)
    }
}
