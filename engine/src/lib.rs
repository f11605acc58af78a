//! The SIP engine of sipguard: sans-IO, told the time, mutated once and then drained. It knows SIP and no money.

pub mod header;
pub mod message;
pub mod parse;
pub mod prefix;
pub mod print;
pub mod uri;
