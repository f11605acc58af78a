//! Calls whose ends vanish: OPTIONS inside the dialog, to both ends, finds those that have gone without a BYE
//! (RFC 3261 12.2.1.2); a 2xx whose ACK never comes ends its call (13.3.1.4).

use crate::arena::Id;
use crate::dialog::{Leg, Phase};
use crate::endpoint::Endpoint;
use crate::event::{Event, Loss, Side};
use crate::proxy::originate::{self, Own};
use crate::proxy::send::Outgoing;
use crate::timer::{Nanos, Timer, T1, TRANSACTION};
use crate::transaction::table::{Client, Origin};

/// How answered calls are asked whether their ends are still there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pings {
    /// Nanoseconds from one time to the next, give or take a quarter; 0: never.
    pub interval: Nanos,
    /// Least nanoseconds between two calls that are asked: where there are more, the interval stretches.
    pub spacing: Nanos,
    /// Within how many nanoseconds calls of an earlier run are asked for the first time.
    pub restored: Nanos,
    /// No call is asked before.
    next: Nanos,
}

impl Pings {
    /// `interval`, `restored`: nanoseconds. `per_second`: calls, at least 1.
    pub fn new(interval: Nanos, per_second: u32, restored: Nanos) -> Self {
        Pings {
            interval,
            spacing: 1_000_000_000 / u64::from(per_second.max(1)),
            restored,
            next: 0,
        }
    }
}

impl Endpoint {
    /// How answered calls are asked from now on.
    pub fn set_pings(&mut self, pings: Pings) {
        self.pings = pings;
    }

    /// Until when both ends of a call are known to have been there, monotonic; 0: in this run not at all.
    pub fn proved(&self, call: u64) -> Nanos {
        self.calls.get(&call).map_or(0, |call| call.proved())
    }

    /// Whether a call is answered and not over.
    pub fn is_up(&self, call: u64) -> bool {
        let call = self.calls.get(&call);
        call.is_some_and(|call| matches!(call.phase, Phase::Answering | Phase::Live))
    }

    /// The 2xx of a call was passed on: from here on it is watched.
    pub(crate) fn watch(&mut self, call: u64) {
        self.arm(TRANSACTION, Timer::NoAck, call);
        if self.pings.interval > 0 {
            self.arm_ping(call, self.pings.interval);
        }
    }

    /// A call of an earlier run: its BYE may have come while nobody was here.
    pub(crate) fn watch_restored(&mut self, call: u64) {
        let sessions = self.calls.get(&call).map_or_else(Vec::new, |call| {
            call.legs.iter().map(|leg| leg.session_seconds).collect()
        });
        for (leg, seconds) in sessions.into_iter().enumerate() {
            self.begin_session(call, leg, seconds);
        }
        if self.pings.interval > 0 {
            let window = self.pings.restored;
            let wait = window / 3 + self.keys.random() % (window * 2 / 3).max(1);
            self.arm(wait, Timer::Ping, call);
        }
    }

    /// BYE to the ends of a leg; a caller that has not heard of it is none, and has not acknowledged it either.
    pub(crate) fn end_leg(&mut self, id: u64, at: usize, reason: &[u8]) {
        let heard = self.leg_mut(id, at).is_some_and(|leg| leg.heard.is_some());
        if !heard {
            self.acknowledge_leg(id, at);
        }
        self.originate(id, at, Side::Callee, b"BYE", reason, Origin::Own);
        if heard {
            self.originate(id, at, Side::Caller, b"BYE", reason, Origin::Own);
        }
    }

    fn arm_ping(&mut self, call: u64, interval: Nanos) {
        // Calls that were answered together are not asked together.
        let jitter = self.keys.random() % (interval / 2).max(1);
        self.arm(interval - interval / 4 + jitter, Timer::Ping, call);
    }

    pub(crate) fn timer_ping(&mut self, id: u64) {
        let interval = self.pings.interval;
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        if call.phase != Phase::Live || interval == 0 {
            return;
        }
        let proved = call.proved();
        if proved > 0 && self.now - proved < interval / 2 {
            // Its ends have just shown themselves by requests of their own.
            return self.arm_ping(id, interval);
        }
        if self.pings.next <= self.now {
            self.pings.next = self.now + self.pings.spacing;
            return self.timer_ping_turn(id);
        }
        self.arm(self.pings.next - self.now, Timer::PingTurn, id);
        self.pings.next += self.pings.spacing;
    }

    pub(crate) fn timer_ping_turn(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        if call.phase != Phase::Live {
            return;
        }
        let up = |leg: &Leg| leg.is_up() && leg.heard.is_some();
        let legs: Vec<usize> = (0..call.legs.len())
            .filter(|at| call.legs.get(*at).is_some_and(up))
            .collect();
        for leg in legs {
            self.ask(id, leg, Side::Callee);
            self.ask(id, leg, Side::Caller);
        }
        self.arm_ping(id, self.pings.interval);
    }

    /// Ask one end whether it is there, as if the other had.
    fn ask(&mut self, id: u64, at: usize, side: Side) {
        let Some(leg) = self
            .calls
            .get_mut(&id)
            .and_then(|call| call.legs.get_mut(at))
        else {
            return;
        };
        let asked = match side {
            Side::Caller => &mut leg.caller_asked,
            Side::Callee => &mut leg.callee_asked,
        };
        if !std::mem::replace(asked, true) {
            let leg_number = at as u16; // a call has a handful of them
            self.originate(
                id,
                at,
                side,
                b"OPTIONS",
                b"",
                Origin::Ping(side, leg_number, false),
            );
        }
    }

    /// Send a request of our own to one end of a leg, as if the other had sent it.
    pub(crate) fn originate(
        &mut self,
        id: u64,
        leg: usize,
        to: Side,
        method: &[u8],
        reason: &[u8],
        origin: Origin,
    ) {
        let branch = self.keys.random();
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(leg) = call.legs.get_mut(leg) else {
            return;
        };
        let cseq = leg.numbers(to.other()).own();
        let leg = leg.party.clone();
        let (from, to, call_id) = call.spoken(to, &leg);
        let flow = to.flow;
        let mut out = Vec::with_capacity(512);
        originate::print(
            &mut out,
            &Own {
                method,
                cseq,
                from: &from,
                to: &to,
                call_id: &call_id,
                hop: crate::transport::Hop::of(&self.listeners, flow),
                branch,
                reason,
            },
        );
        self.send_request(Outgoing {
            branch,
            flow,
            bytes: out.into_boxed_slice(),
            origin,
            call: id,
            ring_timeout: None,
        });
    }

    /// The final response to our OPTIONS. Whatever it says, an end that knows the dialog is there.
    pub(crate) fn pinged(&mut self, call: u64, side: Side, leg: u16, status: u16) {
        self.answered_ping(call, side, leg, !matches!(status, 408 | 481));
        if matches!(status, 408 | 481) {
            self.leg_lost(call, usize::from(leg), Some(side), Loss::Refused(status));
        }
    }

    /// 64*T1 without a response. After a stop of the process, responses may still wait to be read: once more.
    pub(crate) fn ping_unanswered(&mut self, id: Id<Client>) {
        let Some(client) = self.table.clients.get_mut(id) else {
            return;
        };
        let (call, Origin::Ping(side, leg, again)) = (client.call, client.origin) else {
            return;
        };
        if !again {
            client.origin = Origin::Ping(side, leg, true);
            return self.arm(T1, Timer::F, id.raw());
        }
        self.table.remove_client(id);
        self.answered_ping(call, side, leg, false);
        self.leg_lost(call, usize::from(leg), Some(side), Loss::Silent);
    }

    fn answered_ping(&mut self, call: u64, side: Side, leg: u16, there: bool) {
        let now = self.now;
        let leg = self
            .calls
            .get_mut(&call)
            .and_then(|call| call.legs.get_mut(usize::from(leg)));
        let Some(leg) = leg else { return };
        match side {
            Side::Caller => leg.caller_asked = false,
            Side::Callee => leg.callee_asked = false,
        }
        if there {
            leg.prove(side, now);
        }
    }

    /// 13.3.1.4: the callee would end the call now, and is often gone itself.
    pub(crate) fn timer_no_ack(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        if call.phase != Phase::Live {
            return;
        }
        let now = self.now;
        let waited = |heard: Nanos| now.saturating_sub(heard) >= TRANSACTION;
        let waits = |leg: &Leg| leg.is_up() && !leg.acknowledged && leg.heard.is_some_and(waited);
        let legs: Vec<usize> = (0..call.legs.len())
            .filter(|at| call.legs.get(*at).is_some_and(waits))
            .collect();
        for leg in legs {
            self.leg_lost(id, leg, Some(Side::Caller), Loss::NoAck);
        }
    }

    /// An end of a leg is gone. The last leg is policy's to end; another one is ended here, and the call goes on.
    pub(crate) fn leg_lost(&mut self, id: u64, at: usize, side: Option<Side>, how: Loss) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.phase != Phase::Live || !call.legs.get(at).is_some_and(Leg::is_up) {
            return;
        }
        let proved = call.proved();
        let up = call.legs.iter().filter(|leg| leg.is_up()).count();
        if up <= 1 {
            if !std::mem::replace(&mut call.lost, true) {
                self.events.push(Event::Lost {
                    call: id,
                    side,
                    how,
                    proved,
                });
            }
            return;
        }
        if let Some(leg) = call.legs.get_mut(at) {
            leg.ended = true;
            leg.dropped = true;
        }
        self.end_leg(id, at, LOST);
        self.changed(id, false);
    }
}

const LOST: &[u8] = b"SIP;cause=408;text=\"Call lost\"";
