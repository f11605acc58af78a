//! The writing end of the redo log: groups of records appended to a segment, and what waited for them let go.
//!
//! Records are bytes here. Which segment is written to, and what follows a failure, is decided in
//! sipguard/store/redo; so is what a record says.

pub mod appender;
pub mod frame;
