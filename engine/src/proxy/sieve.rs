//! What of one message passes from one end of a call to the other, in requests and in answers alike (RFC 3325
//! section 5, RFC 5876, RFC 3323 section 5, RFC 7044 section 10.1). screen.rs knows the fields; here is whose they are.

use std::sync::Arc;

use crate::dialog::{Phase, Trust, Veil};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::Side;
use crate::message::{Field, Index, Method, Name};
use crate::proxy::identity;
use crate::proxy::in_dialog::match_tags;
use crate::proxy::pass_back::Asked;
use crate::proxy::privacy::Privacy;
use crate::proxy::reply;
use crate::proxy::screen::Screen;

/// For one message.
#[derive(Clone, Debug)]
pub struct Sieve {
    /// Which fields stay behind.
    pub screen: Screen,
    /// So do those that tell by whom the call was passed on.
    pub drops_history: bool,
    /// P-Asserted-Identity stands in `lines`.
    pub replaces_assertions: bool,
    /// Whole header lines that are added.
    pub lines: Vec<u8>,
}

impl Sieve {
    /// Which only keeps back what `screen` does.
    pub fn of_screen(screen: Screen) -> Sieve {
        Sieve {
            screen,
            drops_history: false,
            replaces_assertions: false,
            lines: Vec::new(),
        }
    }

    /// For a message of `sender` that goes to `hearer`; `privacy`: what the message asks for.
    pub fn between(
        sender: Trust,
        hearer: Trust,
        privacy: Privacy,
        bytes: &[u8],
        index: &Index,
    ) -> Sieve {
        let mut sieve = Sieve::of_screen(Screen::between(sender, hearer));
        sieve.drops_history = privacy.hides_history && !hearer.trusted;
        if sieve.screen == Screen::Trusted {
            if let Some(lines) = identity::sound_assertions(bytes, index) {
                (sieve.lines, sieve.replaces_assertions) = (lines, true);
            }
        }
        sieve
    }

    /// Whether this field of a `method` message stays behind.
    pub fn drops(&self, method: Method, field: &Field, bytes: &[u8]) -> bool {
        match field.name {
            Name::HistoryInfo | Name::Diversion if self.drops_history => true,
            Name::PAssertedIdentity if self.replaces_assertions => true,
            _ => self.screen.drops(method, field, bytes),
        }
    }
}

impl Endpoint {
    /// For an answer, and how far its sender is believed: of a request inside a dialog, the dialog knows that.
    pub(crate) fn sieve_answer(&mut self, asked: Asked, message: Incoming) -> (Sieve, Trust) {
        let Asked {
            call: id,
            server,
            trust,
        } = asked;
        let Incoming { bytes, index, .. } = message;
        let (from, to) = (index.from.tag.of(bytes), index.to.tag.of(bytes));
        let (mut sender, mut side, mut leg) = (trust, Side::Callee, None);
        let mut hearer = Trust {
            open: trust.open,
            ..Trust::default()
        };
        if let Some(call) = self.calls.get(&id) {
            hearer = call.trust;
            let known = match_tags(call, from, to);
            let known = known.and_then(|(asker, at)| Some((asker, at, call.legs.get(at)?.trust)));
            match known {
                Some((Side::Caller, at, trust)) if call.server == server => {
                    sender.private |= trust.private;
                    leg = Some(at);
                }
                Some((Side::Caller, at, trust)) => (sender, leg) = (trust, Some(at)),
                Some((Side::Callee, at, trust)) => {
                    (sender, hearer) = (call.trust, trust);
                    (side, leg) = (Side::Caller, Some(at));
                }
                None => {}
            }
        }
        if sender.open || hearer.open {
            return (Sieve::of_screen(Screen::Open), sender);
        }
        let privacy = Privacy::of(bytes, index, sender.trusted);
        sender.private |= privacy.hides_caller;
        let sieve = Sieve::between(sender, hearer, privacy, bytes, index);
        if sender.private {
            let stands = sieve.screen == Screen::Private;
            self.hide_from_now(id, side, leg, stands);
        }
        if !sender.trusted {
            self.keep_to(id, side, leg, server, message);
        }
        self.veil_answers(id, server, side.other());
        (sieve, sender)
    }

    /// For a request inside the dialog.
    pub(crate) fn sieve_request(
        &mut self,
        id: u64,
        side: Side,
        leg: usize,
        message: Incoming,
    ) -> Sieve {
        let Incoming { bytes, index, .. } = message;
        let ends = self.calls.get(&id).and_then(|call| {
            let far = call.legs.get(leg)?.trust;
            Some(match side {
                Side::Caller => (call.trust, far),
                Side::Callee => (far, call.trust),
            })
        });
        let (mut sender, hearer) = ends.unwrap_or_default();
        if sender.open || hearer.open {
            return Sieve::of_screen(Screen::Open);
        }
        let privacy = Privacy::of(bytes, index, sender.trusted);
        sender.private |= privacy.hides_caller;
        let sieve = Sieve::between(sender, hearer, privacy, bytes, index);
        if sender.private {
            self.hide_from_now(id, side, Some(leg), sieve.screen == Screen::Private);
        }
        if !sender.trusted {
            self.keep_from(id, side, leg, message);
        }
        sieve
    }

    /// This end wants not to be told, from now on. Where `stands`: neither end sees Via, Record-Route and Contact of the
    /// other any more (RFC 3323 5.1), for a name that is kept back beside a Contact that tells would hide nothing.
    fn hide_from_now(&mut self, id: u64, side: Side, leg: Option<usize>, stands: bool) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let trust = match side {
            Side::Caller => Some(&mut call.trust),
            Side::Callee => leg.and_then(|at| Some(&mut call.legs.get_mut(at)?.trust)),
        };
        let mut news = trust.is_some_and(|trust| !std::mem::replace(&mut trust.private, true));
        if stands && !call.veil.as_ref().is_some_and(|veil| veil.hides) {
            let veil = call.veil.as_deref();
            let mut veil = veil.map_or_else(Veil::default, Veil::clone);
            veil.hides = true;
            let server = call.server.and_then(|id| self.table.servers.get(id));
            let invite = server.and_then(|server| Some((server.request.as_ref()?, &server.via)));
            if let Some((invite, via)) = invite {
                let mut vias = Vec::new();
                reply::write_vias(&mut vias, &invite.bytes, &invite.index, via.as_deref());
                veil.vias = vias.into();
            }
            call.veil = Some(Arc::new(veil));
            news = true;
        }
        if news && call.phase == Phase::Live && call.is_up() {
            self.changed(id, false);
        }
    }
}
