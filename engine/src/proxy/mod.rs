//! The stateful proxy of RFC 3261 section 16.
//!
//! What comes in: [`request`] (16.3, 16.4), [`validate`], [`loops`], [`ack`], [`cancel`] (16.10), [`in_dialog`],
//! [`out_of_dialog`], [`response`] (16.7), [`answered`], [`pass_back`], [`refresh`] (12.2), [`timeout`] (16.8). Who it is from:
//! [`challenge`] (22.3). What policy orders: [`command`], and what an INVITE
//! becomes by it: [`branch`] (16.6), [`breadth`]. How it is printed: [`forward`], [`reply`], [`derive`],
//! [`originate`], [`probe`]; what an end may not tell the other: [`sieve`], [`screen`], [`connected`]; what it is told of the caller:
//! [`identity`], [`privacy`]; what each side is shown of the other: [`hide`]. Calls whose ends vanish: [`ping`],
//! [`session`]. How it leaves: [`respond`], [`send`].

pub mod ack;
pub mod answered;
pub mod branch;
pub mod breadth;
pub mod cancel;
pub mod challenge;
pub mod command;
pub mod connected;
pub mod derive;
pub mod fork;
pub mod forward;
pub mod hide;
pub mod identity;
pub mod in_dialog;
pub mod loops;
pub mod originate;
pub mod out_of_dialog;
pub mod pass_back;
pub mod ping;
pub mod privacy;
pub mod probe;
pub mod refresh;
pub mod refused;
pub mod reply;
pub mod request;
pub mod resolve;
pub mod respond;
pub mod response;
pub mod screen;
pub mod send;
pub mod session;
pub mod sieve;
pub mod timeout;
pub mod validate;
