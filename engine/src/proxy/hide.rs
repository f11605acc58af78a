//! What each side of a call is shown of the other (dialog/veil.rs), worked out when the INVITE leaves and kept to in
//! every later message: numbers in From and To, privacy (RFC 3323), topology hiding.
//!
//! Vias of our own earlier passes stay in a hidden request, so that loops are found all the same (RFC 5393 4.2), and
//! a Call-ID of ours is not replaced once more, which would make every pass look new.

use std::sync::Arc;

use crate::arena::Id;
use crate::dialog::{address_of, Call, Faces, Hidden, Mask, Reveal, Trust, Veil};
use crate::endpoint::Endpoint;
use crate::event::Side;
use crate::header::{self, element_spans, NameAddr, Via};
use crate::message::{Index, Message, Name, Span};
use crate::print;
use crate::proxy::command::Target;
use crate::proxy::identity::{self, Caller};
use crate::proxy::privacy::Privacy;
use crate::proxy::screen::{self, Screen};
use crate::proxy::sieve::Sieve;
use crate::proxy::{forward, reply};
use crate::transaction::key::read_branch;
use crate::transaction::table::Server;
use crate::transport::{Flow, Hop, Listener};
use crate::uri;

/// What our URI says of a call.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    token: u64,
    secure: bool,
}

impl Key {
    pub fn of(call: &Call) -> Key {
        Key {
            token: call.token,
            secure: call.secure,
        }
    }
}

/// What a judged INVITE is shown as to one gateway.
pub(crate) struct Shown {
    /// How far the caller is believed; kept with the call.
    pub trust: Trust,
    /// What of the caller's fields passes.
    pub sieve: Sieve,
    /// Kept with the call; None: both sides know all by the same names.
    pub veil: Option<Arc<Veil>>,
    /// What the INVITE carries; None: what came in.
    pub mask: Option<Mask>,
}

impl Shown {
    /// Of a call that nobody has judged: as it came.
    pub fn all() -> Shown {
        Shown {
            trust: Trust {
                open: true,
                ..Trust::default()
            },
            sieve: Sieve::of_screen(Screen::Open),
            veil: None,
            mask: None,
        }
    }
}

impl Endpoint {
    /// Keep how a call is shown to the gateway that is asked now, and how its responses go back.
    pub(crate) fn unveil(
        &mut self,
        call: u64,
        server: Id<Server>,
        trust: Trust,
        veil: Option<Arc<Veil>>,
    ) {
        let Some(call) = self.calls.get_mut(&call) else {
            return;
        };
        call.trust = trust;
        if let Some(server) = self.table.servers.get_mut(server) {
            server.reveal = veil.as_ref().and_then(|veil| {
                let routes = &call.caller.routes;
                reveal(
                    &self.listeners,
                    veil,
                    Side::Caller,
                    Key::of(call),
                    server,
                    routes,
                )
            });
        }
        call.veil = veil;
    }

    /// How a judged INVITE appears to a gateway. None: not at all, because the caller asks for privacy that it
    /// cannot have there, and would rather not call (RFC 3323 5, `critical`).
    pub(crate) fn show(
        &mut self,
        call: u64,
        target: &Target,
        flow: Flow,
        request_uri: &[u8],
        trusted: bool,
        caller: Option<&Caller>,
    ) -> Option<Shown> {
        let record = self.calls.get(&call)?;
        let (invite, key, alias) = (
            record.invite.clone()?,
            Key::of(record),
            record.alias.clone(),
        );
        let server = record.server;
        let Message { bytes, index } = invite.as_ref();
        let privacy = Privacy::of(bytes, index, trusted);
        if privacy.fails && !target.trusted {
            return None;
        }
        let trust = Trust {
            open: false,
            trusted,
            asserted: caller.is_some_and(|caller| caller.asserted.is_some()),
            private: privacy.hides_caller,
        };
        let gateway = Trust {
            trusted: target.trusted,
            ..Trust::default()
        };
        let mut sieve = Sieve::between(trust, gateway, privacy, bytes, index);
        let private = sieve.screen == Screen::Private;
        let hides = target.hides_topology || private;
        let hop = self.hop(flow);
        let host = hides.then_some(hop.sent_by);
        let from = if private {
            Some(identity::ANONYMOUS.to_vec())
        } else {
            let address = identity::from_address(bytes, index, caller, host);
            match trusted {
                true => address,
                false => {
                    let own = address_of(bytes, index, Name::From, &index.from);
                    identity::unverified(address.as_deref().unwrap_or(own)).or(address)
                }
            }
        };
        let to = if hides || target.dials_by_to {
            Some(screen::wrapped(request_uri))
        } else {
            screen::to_address(bytes, index)
        };
        if let Some(caller) = caller.filter(|_| trust.asserted && !private) {
            let lines = &mut sieve.lines;
            identity::assert(lines, caller, hop.sent_by, privacy.hides_caller);
        }
        let mut veil = Veil {
            hides,
            from: faces(bytes, index, Name::From, &index.from, from),
            to: faces(bytes, index, Name::To, &index.to, to),
            call_id: None,
            vias: Box::default(),
        };
        if target.hides_topology && target.hides_call_id {
            veil.call_id = self.hidden_call_id(call, index.call_id.of(bytes), alias);
        }
        if !veil.is_any() {
            return Some(Shown {
                trust,
                sieve,
                veil: None,
                mask: None,
            });
        }
        let server = server.and_then(|id| self.table.servers.get(id))?;
        if hides {
            let mut vias = Vec::new();
            reply::write_vias(&mut vias, bytes, index, server.via.as_deref());
            veil.vias = vias.into();
        }
        let mut mask = veil.mask(Side::Callee, Side::Caller, bytes, index);
        mask.hidden = hides.then(|| hidden(&self.listeners, flow, key, bytes, index));
        Some(Shown {
            trust,
            sieve,
            veil: Some(Arc::new(veil)),
            mask: Some(mask),
        })
    }

    /// How the 2xx of a call goes back whose transaction did not outlive the process.
    pub(crate) fn reveal_restored(&self, call: &Call) -> Option<Reveal> {
        let veil = call.veil.clone()?;
        let hidden = veil.hides.then(|| {
            let (flow, routes) = (call.caller.flow, &call.caller.routes);
            hidden_reveal(
                &self.listeners,
                flow,
                Key::of(call),
                veil.vias.to_vec(),
                routes,
            )
        });
        Some(Reveal {
            veil,
            to: Side::Caller,
            hidden,
        })
    }

    /// The Call-ID of a call as hiding gateways are given it, the same for all of them.
    fn hidden_call_id(&mut self, call: u64, own: &[u8], alias: Option<Box<[u8]>>) -> Option<Faces> {
        if self.keys.is_alias(own) {
            return None; // it has been here before, and names nobody
        }
        let alias = match alias {
            Some(alias) => alias,
            None => {
                let alias: Box<[u8]> = self.keys.alias().into();
                self.name_also(call, &alias);
                alias
            }
        };
        Some(Faces {
            caller: own.into(),
            callee: alias,
        })
    }

    /// A Refer-To towards the callee's side, if it names a call that this side knows otherwise: its Replaces (RFC 3891)
    /// names the Call-ID of the far end, and our Contact in it becomes the far end itself, which the side can reach.
    pub(crate) fn refer_to(&self, bytes: &[u8], index: &Index, sender: Side) -> Option<Vec<u8>> {
        let field = index.first(Name::ReferTo)?;
        let address = NameAddr::parse(bytes, field.value).ok()?;
        let text = address.uri.of(bytes);
        let uri = uri::parse(text).ok()?;
        let (start, replaces) = replaces_in(uri.headers)?;
        let plain = unescape(replaces);
        let mut parts = plain.split(|byte| *byte == b';');
        let call_id = parts.next()?.trim_ascii();
        let tags: Vec<&[u8]> = parts
            .filter_map(|part| {
                let part = part.trim_ascii();
                part.strip_prefix(b"to-tag=")
                    .or_else(|| part.strip_prefix(b"from-tag="))
            })
            .collect();
        let (call, leg) = self.calls_with(call_id).find_map(|call| {
            let leg = call
                .legs
                .iter()
                .find(|leg| tags.contains(&&*leg.party.tag) && tags.contains(&&*call.caller.tag))?;
            Some((call, leg))
        })?;
        let veil = call.veil.as_ref()?;
        // The sender is on the same side of that call as of this one, or the Call-ID would not be its own.
        let far = sender.other();
        if veil.call_id(sender, &call.call_id) != call_id {
            return None;
        }
        let mut out = b"<".to_vec();
        let ours = self.is_own_address(uri.host, uri.port_or_default());
        let target = match far {
            Side::Callee if ours && veil.hides => leg.party.target.as_ref(),
            _ => text
                .get(..text.len() - uri.headers.len() - 1)
                .unwrap_or_default(),
        };
        out.extend_from_slice(target);
        out.push(b'?');
        out.extend_from_slice(uri.headers.get(..start)?);
        escape(&mut out, veil.call_id(far, &call.call_id));
        let rest = memchr::memchr(b';', &plain).map_or(&b""[..], |at| &plain[at..]);
        escape(&mut out, rest);
        out.extend_from_slice(uri.headers.get(start + replaces.len()..)?);
        out.push(b'>');
        if !address.params.is_empty() {
            out.push(b';');
            out.extend_from_slice(address.params.of(bytes));
        }
        Some(out)
    }
}

/// How responses to a request go back to the side that sent it. `routes`: Record-Route values of that side's own
/// proxies, as one value.
pub(crate) fn reveal(
    listeners: &[Listener],
    veil: &Arc<Veil>,
    to: Side,
    key: Key,
    server: &Server,
    routes: &[u8],
) -> Option<Box<Reveal>> {
    let hidden = match (&server.request, veil.hides) {
        (Some(request), true) => {
            let mut vias = Vec::new();
            reply::write_vias(
                &mut vias,
                &request.bytes,
                &request.index,
                server.via.as_deref(),
            );
            Some(hidden_reveal(listeners, server.reply, key, vias, routes))
        }
        (None, true) => return None,
        (_, false) => None,
    };
    Some(Box::new(Reveal {
        veil: veil.clone(),
        to,
        hidden,
    }))
}

/// The hidden part of a response towards `flow`.
pub(crate) fn hidden_reveal(
    listeners: &[Listener],
    flow: Flow,
    key: Key,
    vias: Vec<u8>,
    routes: &[u8],
) -> Hidden {
    let hop = Hop::of(listeners, flow);
    let mut record_routes = Vec::new();
    forward::write_record_route(&mut record_routes, hop, key.token, key.secure);
    if !routes.is_empty() {
        print::header(&mut record_routes, b"Record-Route", routes);
    }
    Hidden {
        vias,
        record_routes,
        contact: contact(hop, key),
    }
}

/// The hidden part of a request that leaves by `flow`: of Vias, our own.
pub(crate) fn hidden(
    listeners: &[Listener],
    flow: Flow,
    key: Key,
    bytes: &[u8],
    index: &Index,
) -> Hidden {
    let mut vias = Vec::new();
    for element in index
        .all(Name::Via)
        .flat_map(|field| element_spans(bytes, field.value))
    {
        let mut via = Via::default();
        let ours = via.read(bytes, element).is_ok()
            && read_branch(via.branch.of(bytes)).is_some()
            && listeners.iter().any(|listener| {
                listener.is_named(via.host.of(bytes), via.port.unwrap_or_default())
            });
        if ours {
            print::header(&mut vias, b"Via", element.of(bytes));
        }
    }
    Hidden {
        vias,
        record_routes: Vec::new(),
        contact: contact(Hop::of(listeners, flow), key),
    }
}

fn contact(hop: Hop, key: Key) -> Vec<u8> {
    let mut uri = Vec::with_capacity(64);
    forward::write_own_uri(&mut uri, hop, b"", key.token, key.secure);
    uri
}

fn faces(
    bytes: &[u8],
    index: &Index,
    name: Name,
    address: &NameAddr,
    shown: Option<Vec<u8>>,
) -> Option<Faces> {
    let own = address_of(bytes, index, name, address);
    let shown = shown.filter(|shown| shown != own)?;
    Some(Faces {
        caller: own.into(),
        callee: shown.into(),
    })
}

/// Where the value of Replaces begins among the header fields of a URI, and the value, escaped.
fn replaces_in(headers: &[u8]) -> Option<(usize, &[u8])> {
    let mut at = 0;
    for part in headers.split(|byte| *byte == b'&') {
        if let Some(equals) = memchr::memchr(b'=', part) {
            if part[..equals].eq_ignore_ascii_case(b"Replaces") {
                return Some((at + equals + 1, &part[equals + 1..]));
            }
        }
        at += part.len() + 1;
    }
    None
}

/// Header fields of a URI, without their escapes; what is none stays as it is.
pub(crate) fn unescape(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        match (byte, behind) {
            (b'%', [high, low, ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                plain.push(digit(*high).unwrap_or_default() << 4 | digit(*low).unwrap_or_default());
                rest = &behind[2..];
            }
            _ => {
                plain.push(byte);
                rest = behind;
            }
        }
    }
    plain
}

/// As a header value within a URI (RFC 3261 25.1, `hvalue`).
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/?:+$".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

/// The value behind our Via in a response: that of who asked (16.7 step 3).
pub(crate) fn second_via(bytes: &[u8], index: &Index) -> Option<Via> {
    let element: Span = if index.via.last_in_field {
        let field = index.all(Name::Via).nth(1)?;
        element_spans(bytes, field.value).next()?
    } else {
        element_spans(bytes, index.via.rest).next()?
    };
    let mut via = Via::default();
    via.read(bytes, element).ok()?;
    Some(via)
}

/// The Record-Route values of a request as one value.
pub(crate) fn routes_of(bytes: &[u8], index: &Index) -> Box<[u8]> {
    crate::proxy::request::join(
        index
            .all(Name::RecordRoute)
            .flat_map(|field| header::elements(field.value.of(bytes))),
    )
}
