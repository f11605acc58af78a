//! Target refresh (RFC 3261 12.2): a 2xx to an INVITE or UPDATE inside a dialog moves its ends.

use crate::arena::Id;
use crate::dialog::{reach, Party};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::Side;
use crate::message::Method;
use crate::proxy::request::contact;
use crate::transaction::table::Server;
use crate::transport::Listener;

impl Endpoint {
    /// Target refresh (12.2): a 2xx to an INVITE or UPDATE moves the remote targets of both ends.
    pub(crate) fn refresh(&mut self, id: u64, server: Id<Server>, message: Incoming) {
        let Some(request) = self
            .table
            .servers
            .get(server)
            .and_then(|server| server.request.clone())
        else {
            return;
        };
        if !matches!(request.index.method, Method::Invite | Method::Update) {
            return;
        }
        let asked = Incoming {
            bytes: &request.bytes,
            index: &request.index,
            flow: message.flow,
        };
        let now = self.now;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let caller_asks = *call.caller.tag == *request.index.from.tag.of(&request.bytes);
        let far_tag = if caller_asks {
            request.index.to.tag
        } else {
            request.index.from.tag
        };
        let (near, far) = if caller_asks {
            (contact(asked), contact(message))
        } else {
            (contact(message), contact(asked))
        };
        let (listeners, secure, trusted) = (&self.listeners, call.secure, !call.to_phone);
        let mut moved =
            near.is_some_and(|target| retarget(&mut call.caller, target, false, listeners, secure));
        let far_tag = far_tag.of(&request.bytes);
        let at = call.legs.iter().position(|leg| *leg.party.tag == *far_tag);
        let Some((at, leg)) = at.and_then(|at| Some((at, call.legs.get_mut(at)?))) else {
            return;
        };
        moved |=
            far.is_some_and(|target| retarget(&mut leg.party, target, trusted, listeners, secure));
        leg.prove(Side::Caller, now);
        leg.prove(Side::Callee, now);
        let (up, session) = (leg.is_up(), leg.session_seconds);
        self.session_begins(id, at, message, Some(server));
        let agreed = self.leg_mut(id, at).map(|leg| leg.session_seconds);
        if up && (moved || agreed != Some(session)) {
            self.changed(id, false);
        }
        if moved {
            self.ask_names(id);
        }
    }
}

/// Whether that is news.
fn retarget(
    party: &mut Party,
    target: Box<[u8]>,
    trusted: bool,
    listeners: &[Listener],
    secure: bool,
) -> bool {
    let moved = *party.target != *target;
    if moved {
        party.flow = reach(
            listeners,
            &party.routes,
            &target,
            party.flow,
            trusted,
            secure,
        );
        party.target = target;
    }
    moved
}
