//! Any datagram: no panic, and all invariants of the property tests. Good seeds: engine/tests/torture.
#![no_main]

#[path = "../../tests/invariants/mod.rs"]
mod invariants;
mod watch;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watch::input(|| {
    invariants::hold(bytes);
    1
}));
