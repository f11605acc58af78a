//! Any sequence of messages, times and orders: no panic, no leak, nothing unjudged; what the sequences test holds.
#![no_main]

#[path = "../../tests/model/mod.rs"]
mod model;
mod watch;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watch::input(|| model::run(bytes)));
