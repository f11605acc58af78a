//! The SIP engine of sipguard: sans-IO, told the time, mutated once and then drained. It knows SIP and no money.

pub mod arena;
pub mod calls;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod event;
pub mod header;
pub mod message;
pub mod overload;
pub mod parse;
pub mod prefix;
pub mod prefix_book;
pub mod print;
pub mod proxy;
#[cfg(feature = "python")]
mod python;
pub mod queue;
pub mod redo;
pub mod refusals;
pub mod registration;
pub mod sdp;
pub mod stream;
pub mod tap;
pub mod timer;
pub mod transaction;
pub mod transport;
pub mod udp;
pub mod uri;
pub mod wake;
pub mod worker;
