//! Transactions: the state machines of RFC 3261 section 17, one file each, and the table that holds them.

pub mod invite_client;
pub mod invite_server;
pub mod key;
pub mod non_invite_client;
pub mod non_invite_server;
pub mod table;
