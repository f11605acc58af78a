//! All that leaves the engine towards policy. Fields are read from the kept message when asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::message::Message;
use crate::timer::Nanos;
use crate::transport::{Flow, Transport};

/// Why a gateway did not take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It said so.
    Response,
    /// It said nothing in time.
    Timeout,
    /// The request could not be delivered (RFC 3261 16.9).
    Transport,
}

/// Which side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The side that sent the INVITE.
    Caller,
    /// The side that answered it.
    Callee,
}

impl Side {
    /// The one that it talks to.
    pub fn other(self) -> Side {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }
}

/// An end of a call that is reached by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The call.
    pub call: u64,
    /// Which end.
    pub side: Side,
    /// Its tag.
    pub tag: Box<[u8]>,
    /// The name.
    pub host: Box<[u8]>,
    /// Its port; None: the DNS says.
    pub port: Option<u16>,
    /// What the URI says of the transport; None: the DNS says.
    pub transport: Option<Transport>,
}

/// One thing that policy has to know or decide.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new INVITE outside any dialog.
    Invite {
        /// Our id of the call.
        call: u64,
        /// Where it came from.
        source: SocketAddr,
        /// As received.
        message: Arc<Message>,
        /// The names in the certificate that the peer has shown and the driver has verified; None: it has shown none.
        certificate: Option<Arc<[String]>>,
    },
    /// Another request outside any dialog; only where the endpoint was told to ask about them.
    Request {
        /// Our id of the request.
        call: u64,
        /// Where it came from, and how.
        flow: Flow,
        /// As received.
        message: Arc<Message>,
    },
    /// The gateway that was asked did not take the call.
    Failed {
        /// The call.
        call: u64,
        /// 300 to 699.
        status: u16,
        /// Why.
        cause: Cause,
        /// The caller has cancelled.
        cancelled: bool,
        /// A provisional response with a body was passed on: the caller may be hearing this gateway.
        early_media: bool,
        /// When the first provisional response other than 100 was passed on for the call.
        ringing: Option<Nanos>,
        /// Value of the Reason header (RFC 3326).
        reason: Box<[u8]>,
        /// Seconds of a Retry-After header (20.33).
        retry_after: Option<u32>,
        /// Where a redirection leads, the most wanted first.
        contacts: Vec<Box<[u8]>>,
    },
    /// A probe has its answer, or will have none.
    Probed {
        /// The number that it was sent with.
        probe: u64,
        /// 200 to 699.
        status: u16,
        /// Why.
        cause: Cause,
        /// Seconds of a Retry-After header (20.33).
        retry_after: Option<u32>,
    },
    /// The address of an end is wanted. Nothing waits for it.
    Resolve(Named),
    /// A 2xx is held until `release`.
    Answered {
        /// The call.
        call: u64,
        /// 200 to 299.
        status: u16,
        /// When the first provisional response other than 100 was passed on.
        ringing: Option<Nanos>,
        /// Codecs of the answer, by name.
        codecs: String,
        /// Value of the Server header, else of User-Agent (RFC 3261 sections 20.35, 20.41).
        user_agent: Box<[u8]>,
        /// Saved dialog state.
        dialog: Box<[u8]>,
    },
    /// A BYE is held until `release`.
    Ended {
        /// The call.
        call: u64,
        /// Who sent it.
        by: Side,
        /// Value of the Reason header (RFC 3326).
        reason: Box<[u8]>,
    },
    /// What is to be kept of an answered call has changed.
    Changed {
        /// The call.
        call: u64,
        /// Saved dialog state.
        dialog: Box<[u8]>,
        /// Another fork has answered: its 2xx is held until `release`.
        answered: bool,
    },
    /// Somebody has answered whom nobody wants any more, and is told so: ACK and BYE.
    Unwanted {
        /// Our id of this answer, as of a call.
        call: u64,
        /// Saved dialog state, for `restore` and `hangup`.
        dialog: Box<[u8]>,
    },
    /// An end of the call is gone. `hangup` is expected, once that is recorded.
    Lost {
        /// The call.
        call: u64,
        /// Which end; None: the session of both has expired.
        side: Option<Side>,
        /// How it was found.
        how: Loss,
        /// Until when both ends are known to have been there, monotonic; 0: in this run not at all.
        proved: Nanos,
    },
}

/// How it was found that an end of a call is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It does not know the dialog any more: 481 or 408 to our OPTIONS (12.2.1.2).
    Refused(u16),
    /// It has not answered our OPTIONS in 64*T1 (12.2.1.2).
    Silent,
    /// The ACK of its 2xx has not come in 64*T1 (13.3.1.4).
    NoAck,
    /// The session was not refreshed in time (RFC 4028 10).
    SessionExpired,
}

impl Event {
    /// Whether somebody hears a delay of milliseconds: a caller who waits for the first gateway, or the next.
    ///
    /// A 2xx and a BYE wait for their record, which is written with others; the rest waits for nothing.
    pub fn is_urgent(&self) -> bool {
        match self {
            Event::Invite { .. } | Event::Request { .. } | Event::Failed { .. } => true,
            Event::Probed { .. }
            | Event::Resolve(_)
            | Event::Answered { .. }
            | Event::Ended { .. }
            | Event::Changed { .. }
            | Event::Unwanted { .. }
            | Event::Lost { .. } => false,
        }
    }
}
