//! The thread that owns the wire and the one that decides: who wakes whom. Real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod between;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use between::{target, CALLER, GATEWAY, INVITE, MS};
use sipguard_engine::endpoint::Endpoint;
use sipguard_engine::event::{Cause, Event};
use sipguard_engine::proxy::command::Target;
use sipguard_engine::transport::{Flow, Listener};
use sipguard_engine::udp;
use sipguard_engine::wake;
use sipguard_engine::worker::{Shared, Worker};

/// Nothing on a loopback socket can be sent there, and the system says so at once.
const OFF_THE_LOOPBACK: &str = "198.51.100.1:5060";

#[test]
fn x15_what_cannot_be_sent_wakes_policy() {
    let shared = Shared::new(Endpoint::new(3, &[9; 32], 0)).unwrap();
    let (socket, listener) = udp::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None).unwrap();
    let own = socket.local_addr().unwrap();
    shared.add_socket(Some(socket));
    shared.endpoint().add_listener(listener);
    shared.endpoint().receive(
        0,
        Flow::udp(0, own),
        INVITE.replace('\n', "\r\n").as_bytes(),
    );
    let Some(Event::Invite { call, .. }) = shared.endpoint().next_event() else {
        panic!("no call");
    };
    shared.policy.clear();
    let forwarded = shared
        .endpoint()
        .forward(call, &target(OFF_THE_LOOPBACK), Some("880"));
    assert!(forwarded);
    assert!(!shared.endpoint().wants_policy());
    shared.flush();
    assert!(shared.policy.is_raised());
    let event = shared.endpoint().next_event();
    assert!(
        matches!(event, Some(Event::Failed { call: failed, cause: Cause::Transport, .. }) if failed == call),
        "{event:?}"
    );
}

#[test]
fn x17_timers_that_were_armed_before_the_start_need_no_datagram() {
    let shared = Arc::new(Shared::new(Endpoint::new(3, &[9; 32], wake::clock())).unwrap());
    shared
        .endpoint()
        .add_listener(Listener::new("203.0.113.5", 5060));
    let caller = Flow::udp(0, CALLER.parse().unwrap());
    let invite = INVITE.replace('\n', "\r\n");
    shared
        .endpoint()
        .receive(wake::clock(), caller, invite.as_bytes());
    let Some(Event::Invite { call, .. }) = shared.endpoint().next_event() else {
        panic!("no call");
    };
    let silent = Target {
        answer_timeout: MS,
        ..target(GATEWAY)
    };
    assert!(shared.endpoint().forward(call, &silent, Some("880")));
    let _worker = Worker::start(shared.clone(), udp::Reader::new().unwrap(), 0).unwrap();
    let begun = Instant::now();
    while !shared.policy.is_raised() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody looked");
        std::thread::sleep(Duration::from_millis(1));
    }
    let event = shared.endpoint().next_event();
    assert!(
        matches!(
            event,
            Some(Event::Failed {
                cause: Cause::Timeout,
                ..
            })
        ),
        "{event:?}"
    );
}
