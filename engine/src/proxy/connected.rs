//! From and To inside a dialog name who the INVITE named (RFC 3261 12.2.1.1, 8.2.6.2). Another name there is a connected
//! identity (RFC 4916), which nobody has judged: the other end is given it by an end that is trusted, and else goes on
//! hearing the name that it knows. Whoever changed its name hears its own words again (dialog/veil.rs).

use std::sync::Arc;

use crate::arena::Id;
use crate::dialog::{address_of, Call, Faces, Phase, Reveal, Veil};
use crate::endpoint::{Endpoint, Incoming};
use crate::event::Side;
use crate::header::NameAddr;
use crate::message::{Name, Span};
use crate::proxy::hide::{self, Key};
use crate::transaction::table::Server;

impl Endpoint {
    /// A request inside the dialog, of an end that is not believed: its From stays what it was.
    pub(crate) fn keep_from(&mut self, id: u64, side: Side, leg: usize, message: Incoming) {
        let Incoming { bytes, index, .. } = message;
        let said = index.first(Name::From).map(|field| field.value.of(bytes));
        let known = match self.calls.get(&id) {
            Some(call) if is_free(call, side) => identity(call, side, leg),
            _ => return,
        };
        let Some(known) = known.filter(|known| Some(*known) != said) else {
            return;
        };
        let (own, known) = (
            address_of(bytes, index, Name::From, &index.from).into(),
            Box::from(address(known)),
        );
        self.keep_name(id, side, own, known);
    }

    /// An answer of such an end: its To stays that of the request. `leg`: its place, where it is known.
    pub(crate) fn keep_to(
        &mut self,
        id: u64,
        side: Side,
        leg: Option<usize>,
        server: Option<Id<Server>>,
        message: Incoming,
    ) {
        let Incoming { bytes, index, .. } = message;
        let Some(call) = self.calls.get(&id).filter(|call| is_free(call, side)) else {
            return;
        };
        let own = address_of(bytes, index, Name::To, &index.to);
        let server = server.and_then(|id| self.table.servers.get(id));
        let request = server.and_then(|server| server.request.as_ref());
        let known = match (request, leg) {
            (Some(request), _) => {
                let index = &request.index;
                address_of(&request.bytes, index, Name::To, &index.to)
            }
            // A 2xx once more; the request is no longer kept.
            (None, Some(leg)) => address(identity(call, side, leg).unwrap_or_default()),
            (None, None) => return,
        };
        if known != own {
            let (own, known) = (own.into(), known.into());
            self.keep_name(id, side, own, known);
        }
    }

    /// What one end calls itself from now on, and as what the other knows it.
    fn keep_name(&mut self, id: u64, side: Side, own: Box<[u8]>, known: Box<[u8]>) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let veil = call.veil.as_deref();
        let mut veil = veil.map_or_else(Veil::default, Veil::clone);
        match side {
            Side::Caller => {
                veil.from = Some(Faces {
                    caller: own,
                    callee: known,
                });
            }
            Side::Callee => {
                veil.to = Some(Faces {
                    caller: known,
                    callee: own,
                });
            }
        }
        call.veil = Some(Arc::new(veil));
        if call.phase == Phase::Live && call.is_up() {
            self.changed(id, false);
        }
    }

    /// The request went on before its call got the veil that it has now: its answers go back behind it all the same.
    pub(crate) fn veil_answers(&mut self, id: u64, server: Option<Id<Server>>, to: Side) {
        let (Some(call), Some(server)) = (
            self.calls.get(&id),
            server.and_then(|id| self.table.servers.get_mut(id)),
        ) else {
            return;
        };
        let Some(veil) = &call.veil else { return };
        let before = server.reveal.as_deref();
        if before.is_some_and(|before| Arc::ptr_eq(&before.veil, veil)) {
            return;
        }
        server.reveal = match &server.request {
            Some(request) => {
                let routes = hide::routes_of(&request.bytes, &request.index);
                hide::reveal(&self.listeners, veil, to, Key::of(call), server, &routes)
            }
            None => Some(Box::new(Reveal {
                veil: veil.clone(),
                to,
                hidden: before.and_then(|before| before.hidden.clone()),
            })),
        };
    }
}

/// Whether that end is known to the other by its own words.
fn is_free(call: &Call, side: Side) -> bool {
    !call.veil.as_ref().is_some_and(|veil| match side {
        Side::Caller => veil.from.is_some(),
        Side::Callee => veil.to.is_some(),
    })
}

/// The From or To value of an end, as it stands in the dialog.
fn identity(call: &Call, side: Side, leg: usize) -> Option<&[u8]> {
    match side {
        Side::Caller => Some(&call.caller.identity),
        Side::Callee => call.legs.get(leg).map(|leg| &*leg.party.identity),
    }
}

/// Such a value up to its parameters.
fn address(value: &[u8]) -> &[u8] {
    let params = NameAddr::parse(value, Span::new(0, value.len())).map(|address| address.params);
    match params {
        Ok(params) if !params.is_empty() => {
            let text = value.get(..params.start as usize).unwrap_or_default();
            let text = text.trim_ascii_end();
            text.strip_suffix(b";").unwrap_or(text).trim_ascii_end()
        }
        _ => value,
    }
}
