//! All that leaves the engine towards policy. Fields are read from the kept message when asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::message::Message;
use crate::timer::Nanos;

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
        /// Where it came from.
        source: SocketAddr,
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
    /// A 2xx is held until `release`.
    Answered {
        /// The call.
        call: u64,
        /// 200 to 299.
        status: u16,
        /// When the first provisional response other than 100 was passed on.
        ringing: Option<Nanos>,
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
}
