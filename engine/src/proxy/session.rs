//! Session timers as a proxy may use them (RFC 4028 section 8): asked for in INVITE and UPDATE, lowered, refused
//! where they are too short, completed in the 2xx where only the caller keeps them, and watched.

use crate::arena::Id;
use crate::endpoint::{Endpoint, Incoming};
use crate::event::Loss;
use crate::header::session::{
    behind_seconds, min_se, session_expires, supports_timer, LEAST_SECONDS,
};
use crate::message::{Field, Index, Method, Name, Start};
use crate::print;
use crate::timer::{Nanos, Timer};
use crate::transaction::table::Server;

const SECOND: Nanos = 1_000_000_000;

/// What is asked of the sessions that pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionTimers {
    /// Longest interval, in seconds: asked for where nobody asks, and put in the place of longer ones. 0: session
    /// timers are watched and left as they are.
    pub expires: u32,
    /// Shortest interval that is allowed, in seconds.
    pub min_se: u32,
}

/// What of a request's session headers changes on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionEdit {
    /// New interval of Session-Expires, in seconds; 0: as it came.
    pub expires: u32,
    /// New Min-SE, in seconds; 0: as it came.
    pub min_se: u32,
}

impl SessionTimers {
    /// 8.1: what becomes of a request. Err: it is refused with 422, and this Min-SE in seconds.
    pub fn request(self, bytes: &[u8], index: &Index) -> Result<SessionEdit, u32> {
        let none = SessionEdit::default();
        if self.expires == 0 || !matches!(index.method, Method::Invite | Method::Update) {
            return Ok(none);
        }
        let least = min_se(bytes, index);
        let Some(asked) = session_expires(bytes, index) else {
            let expires = self.expires.max(least);
            return Ok(SessionEdit { expires, ..none });
        };
        if asked < self.min_se {
            if supports_timer(bytes, index) {
                return Err(self.min_se);
            }
            // A sender that knows no 422 is helped along instead.
            let min_se = least.max(self.min_se);
            let expires = asked.max(min_se);
            return Ok(SessionEdit { expires, min_se });
        }
        let most = self.expires.max(least);
        Ok(match asked > most {
            true => SessionEdit {
                expires: most,
                ..none
            },
            false => none,
        })
    }
}

impl SessionEdit {
    /// Whether this field is printed anew; then it has been.
    pub fn replaces(&mut self, out: &mut Vec<u8>, bytes: &[u8], field: &Field) -> bool {
        let seconds = match field.name {
            Name::SessionExpires => &mut self.expires,
            Name::MinSe => &mut self.min_se,
            _ => return false,
        };
        if *seconds == 0 {
            return false;
        }
        out.extend_from_slice(match field.name {
            Name::SessionExpires => b"Session-Expires: ".as_slice(),
            _ => b"Min-SE: ",
        });
        print::decimal(out, u64::from(std::mem::take(seconds)));
        out.extend_from_slice(behind_seconds(field.value.of(bytes)));
        out.extend_from_slice(b"\r\n");
        true
    }

    /// What no field was there for.
    pub fn append(self, out: &mut Vec<u8>) {
        for (label, seconds) in [
            ("Session-Expires: ", self.expires),
            ("Min-SE: ", self.min_se),
        ] {
            if seconds > 0 {
                out.extend_from_slice(label.as_bytes());
                print::decimal(out, u64::from(seconds));
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// Whole header lines that a 2xx without Session-Expires gets (8.2): the caller alone refreshes.
pub(crate) fn refreshed_by_caller(seconds: u32) -> Vec<u8> {
    let lines = format!("Session-Expires: {seconds};refresher=uac\r\nRequire: timer\r\n");
    lines.into_bytes()
}

impl Endpoint {
    /// What is asked of the sessions that pass from now on.
    pub fn set_session_timers(&mut self, timers: SessionTimers) {
        self.session_timers = SessionTimers {
            min_se: timers.min_se.max(LEAST_SECONDS),
            ..timers
        };
    }

    /// What is changed in a request that goes on; a 422 was sent before. Also noted for its 2xx.
    pub(crate) fn session_edit(
        &mut self,
        server: Id<Server>,
        bytes: &[u8],
        index: &Index,
    ) -> SessionEdit {
        if self.session_timers.expires == 0 {
            return SessionEdit::default();
        }
        let edit = self.session_timers.request(bytes, index);
        let edit = edit.unwrap_or_default();
        if let Some(server) = self.table.servers.get_mut(server) {
            server.session_seconds = match supports_timer(bytes, index) {
                false => 0,
                true if edit.expires > 0 => edit.expires,
                true => session_expires(bytes, index).unwrap_or_default(),
            };
        }
        edit
    }

    /// The session interval that is missing in a 2xx; None: it needs none from us (8.2).
    pub(crate) fn session_missing(&self, server: &Server, message: Incoming) -> Option<u32> {
        let Incoming { bytes, index, .. } = message;
        let method = index.cseq.method.of(bytes);
        (server.session_seconds > 0
            && matches!(
                index.start,
                Start::Response {
                    status: 200..=299,
                    ..
                }
            )
            && matches!(Method::from_bytes(method), Method::Invite | Method::Update)
            && index.first(Name::SessionExpires).is_none())
        .then_some(server.session_seconds)
    }

    /// A 2xx to INVITE or UPDATE begins the session anew, or ends its timer (8.2, 9).
    pub(crate) fn session_begins(
        &mut self,
        call: u64,
        leg: usize,
        message: Incoming,
        server: Option<Id<Server>>,
    ) {
        let missing = server
            .and_then(|server| self.table.servers.get(server))
            .and_then(|server| self.session_missing(server, message));
        let seconds = session_expires(message.bytes, message.index)
            .map(|seconds| seconds.max(LEAST_SECONDS))
            .or(missing)
            .unwrap_or_default();
        self.begin_session(call, leg, seconds);
    }

    pub(crate) fn begin_session(&mut self, call: u64, leg: usize, seconds: u32) {
        let now = self.now;
        let Some(leg) = self
            .calls
            .get_mut(&call)
            .and_then(|call| call.legs.get_mut(leg))
        else {
            return;
        };
        let wait = u64::from(seconds) * SECOND;
        leg.session_seconds = seconds;
        leg.session_expires = if seconds == 0 { 0 } else { now + wait };
        if seconds > 0 {
            self.arm(wait, Timer::Session, call);
        }
    }

    /// Section 10: nobody has refreshed, so the ends are gone or will not know the dialog any more.
    pub(crate) fn timer_session(&mut self, call: u64) {
        let now = self.now;
        let Some(found) = self.calls.get(&call) else {
            return;
        };
        let expired =
            |leg: &crate::dialog::Leg| leg.is_up() && (1..=now).contains(&leg.session_expires);
        let legs: Vec<usize> = (0..found.legs.len())
            .filter(|at| found.legs.get(*at).is_some_and(expired))
            .collect();
        for leg in legs {
            self.leg_lost(call, leg, None, Loss::SessionExpired);
        }
    }
}
