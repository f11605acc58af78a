//! The thread that owns the wire: it reads, answers what needs no decision, keeps the timers, and sends.
//!
//! Policy lives on an event loop of its own and is woken only for events. Both work on one endpoint, each
//! under its lock for the length of a batch. Datagrams are sent without that lock, in the order in which
//! they were queued, by whoever comes first: see [`Shared::send`].
//!
//! Under load, waking for every datagram costs more than the datagram. So while datagrams come faster than
//! `gather`, the sockets are read once per `gather` for all that came meanwhile, as network cards moderate
//! their interrupts, and the event loop is woken no oftener than that; for events that nobody hears a delay
//! of, [`PATIENCE`] times more rarely, unless others wake it. The first datagram after a pause is read, and
//! told, at once.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Mutex, MutexGuard};

use crate::endpoint::Endpoint;
use crate::timer::Nanos;
use crate::transport::Outbox;
use crate::udp::{self, Read, Reader};
use crate::wake::{clock, wait, Wake};

/// When a full socket is tried again: a buffer of megabytes empties faster on any link that carries calls.
const FULL_SOCKET_RETRY: Nanos = 1_000_000;

/// How much rarer policy is woken for events that are not urgent: at 500 calls a second every new call
/// wakes it within two milliseconds, and takes the others along.
const PATIENCE: u64 = 8;

/// So long without a moment in which a socket was empty, messages wait in it: what a refusal may take to be sent.
const FLOODED: Nanos = 50_000_000;

/// An endpoint with its sockets, for all threads.
pub struct Shared {
    core: Mutex<Core>,
    sender: Mutex<Sender>,
    /// Raised while policy has something to do.
    pub policy: Wake,
    /// Raised when the worker has to look again: an earlier timer, a full socket, the end.
    worker: Wake,
    stop: AtomicBool,
}

struct Core {
    endpoint: Endpoint,
    /// When the worker looks again by itself.
    wakes_at: Nanos,
    /// How many events the worker has seen, and tells of in its own time.
    seen: u64,
}

#[derive(Default)]
struct Sender {
    writer: udp::Writer,
    /// What is being sent: exchanged with the endpoint's own when it is empty.
    outbox: Outbox,
}

impl Shared {
    /// Around an endpoint that has no listener yet.
    pub fn new(endpoint: Endpoint) -> io::Result<Self> {
        Ok(Shared {
            core: Mutex::new(Core {
                endpoint,
                // Until it has looked, the worker sleeps without end: any timer is sooner.
                wakes_at: Nanos::MAX,
                seen: 0,
            }),
            sender: Mutex::new(Sender::default()),
            policy: Wake::new()?,
            worker: Wake::new()?,
            stop: AtomicBool::new(false),
        })
    }

    /// The endpoint, for as long as the guard lives.
    pub fn endpoint(&self) -> impl std::ops::DerefMut<Target = Endpoint> + '_ {
        MutexGuard::map(self.core.lock(), |core| &mut core.endpoint)
    }

    /// Send to this socket too, as that of the next listener.
    pub fn add_socket(&self, socket: Option<Arc<UdpSocket>>) {
        self.sender.lock().writer.add(socket);
    }

    /// Send what is queued, after orders from outside the worker.
    pub fn flush(&self) {
        let core = self.core.lock();
        let new = core.endpoint.events_so_far() != core.seen;
        if (new && core.endpoint.wants_policy()) || core.endpoint.has_stream_orders() {
            self.policy.raise();
        }
        drop(core);
        if self.send() {
            self.worker.raise();
        }
    }

    /// Send what is queued; true if a socket was full.
    ///
    /// Who finds another thread sending leaves it to that one, which looks again before it lets go: so what
    /// is queued first is sent first, and nobody holds the endpoint while the kernel copies.
    fn send(&self) -> bool {
        loop {
            let Some(mut sender) = self.sender.try_lock() else {
                return false;
            };
            let mut core = self.core.lock();
            let again = core.endpoint.timer_deadline() < core.wakes_at;
            if again {
                core.wakes_at = 0;
                self.worker.raise();
            }
            if sender.outbox.is_empty() {
                core.endpoint.take_datagrams(&mut sender.outbox);
            }
            if sender.outbox.is_empty() {
                // Let go while the endpoint is still held: what is queued after this finds nobody sending.
                drop(sender);
                return false;
            }
            drop(core);
            let Sender { writer, outbox } = &mut *sender;
            let (sent, lost) = writer.write(outbox);
            let full = !outbox.is_empty();
            let mut core = self.core.lock();
            core.endpoint.counters.sent += sent;
            let undeliverable = !lost.is_empty();
            for (peer, bytes) in lost {
                let now = clock();
                core.endpoint.undeliverable(now, peer, &bytes);
            }
            // What failed here is news that neither `look` nor `flush` has seen.
            if undeliverable && core.endpoint.wants_policy() {
                self.policy.raise();
            }
            if full {
                drop(sender);
                return true;
            }
        }
    }
}

/// The running thread.
pub struct Worker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Begin to read. `gather`: how long a datagram under load may wait for others; 0: not at all.
    pub fn start(shared: Arc<Shared>, reader: Reader, gather: Nanos) -> io::Result<Self> {
        shared.stop.store(false, Ordering::Release);
        let run = Run {
            shared: shared.clone(),
            reader,
            gather,
            last_told: 0,
            behind_since: None,
        };
        let thread = std::thread::Builder::new()
            .name("sipguard-wire".to_owned())
            .spawn(move || run.until_stopped())?;
        Ok(Worker {
            shared,
            thread: Some(thread),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.worker.raise();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it can only have ended
        }
    }
}

struct Run {
    shared: Arc<Shared>,
    reader: Reader,
    gather: Nanos,
    /// When policy was last woken.
    last_told: Nanos,
    /// Since when there was always more to read; None: there is not.
    behind_since: Option<Nanos>,
}

impl Run {
    fn until_stopped(mut self) {
        let shared = self.shared.clone();
        let mut last_read = 0;
        // Nothing before this is looked at, but for an early wake-up. At first at once: timers of calls that were
        // restored are armed by now, and no datagram need ever come.
        let mut next: Option<Nanos> = Some(0);
        let mut gathering = false;
        loop {
            let watched = [shared.worker.fd(), self.reader.fd()];
            let watched = if gathering {
                &watched[..1]
            } else {
                &watched[..]
            };
            let timeout = next.map(|next| next.saturating_sub(clock()));
            if timeout != Some(0) {
                wait(watched, timeout);
            }
            shared.worker.clear();
            if shared.stop.load(Ordering::Acquire) {
                return;
            }
            let now = clock();
            let (count, more) = self.read(now);
            let dense = count > 0 && now.saturating_sub(last_read) < 2 * self.gather;
            if count > 0 {
                last_read = now;
            }
            gathering = dense && !more;
            next = self.look(now, gathering.then_some(now + self.gather));
            if more {
                next = Some(now);
            }
            if shared.send() {
                next = Some(
                    next.map_or(Nanos::MAX, |at| at)
                        .min(now + FULL_SOCKET_RETRY),
                );
            }
        }
    }

    /// Read every socket once. How many datagrams, and whether one may have more.
    fn read(&mut self, now: Nanos) -> (usize, bool) {
        let (mut all, mut more) = (0, false);
        let behind = self
            .behind_since
            .is_some_and(|since| now - since >= FLOODED);
        for listener in 0..self.reader.listeners() {
            let count = self.reader.fill(listener);
            let mut core = None;
            self.reader.each(listener, |read| {
                // Locked at the first: a socket with nothing to say costs nobody anything.
                let core = core.get_or_insert_with(|| {
                    let mut core = self.shared.core.lock();
                    core.endpoint.set_flooded(behind);
                    core
                });
                match read {
                    Read::Datagram(flow, bytes) => core.endpoint.receive(now, flow, bytes),
                    Read::Undeliverable(peer, bytes) => {
                        core.endpoint.undeliverable(now, peer, bytes);
                    }
                }
            });
            all += count;
            more |= count == udp::BATCH;
        }
        self.behind_since = more.then(|| self.behind_since.unwrap_or(now));
        (all, more)
    }

    /// Run the timers and tell policy; when to look again.
    fn look(&mut self, now: Nanos, next: Option<Nanos>) -> Option<Nanos> {
        let mut core = self.shared.core.lock();
        core.endpoint.advance(now);
        let mut at = core.endpoint.timer_deadline();
        core.seen = core.endpoint.events_so_far();
        if core.endpoint.wants_policy() && !self.shared.policy.is_raised() {
            let patience = if core.endpoint.is_policy_urgent() {
                1
            } else {
                PATIENCE
            };
            let tell_at = self.last_told + patience * self.gather;
            if tell_at <= now {
                self.last_told = now;
                self.shared.policy.raise();
            } else {
                at = at.min(tell_at);
            }
        }
        if let Some(next) = next {
            at = at.min(next);
        }
        core.wakes_at = at;
        (at != Nanos::MAX).then_some(at)
    }
}
