//! A call as bytes, so that a restart knows it again: versioned, and readable by every later version.

use std::sync::Arc;

use super::call::{Call, Phase};
use super::cseq::Numbers;
use super::party::{Leg, Party};
use super::trust::Trust;
use super::veil::{Faces, Veil};
use crate::transport::{Flow, Transport};

const VERSION: u8 = 6;
/// Saved before it was kept how far the ends that answer are believed, and of a caller only one thing at a time: of
/// somebody who wants to be hidden not whether it is trusted.
const ONE_TRUST: u8 = 5;
/// Saved before legs said how they stand: all were up.
const ALL_UP: u8 = 4;
/// Saved before a side could be shown other things than the other said, and before we sent requests of our own
/// inside dialogs: one CSeq number for each end, behind its transport.
const ONE_NUMBER: u8 = 3;
/// Saved before there was more than one transport: without it, and all of UDP.
const UDP_ONLY: u8 = 2;
/// Calls of this version had no flags: nobody was trusted, no REFER was allowed on purpose.
const WITHOUT_FLAGS: u8 = 1;

const TRUSTED: u8 = 1;
const TAKES_REFER: u8 = 2;
const OPEN: u8 = 4;
const SECURE: u8 = 8;
const ASSERTED: u8 = 16;
const PRIVATE: u8 = 32;
/// A veil stands behind the Call-ID.
const VEILED: u8 = 64;
const TO_PHONE: u8 = 128;

/// How a leg stands: we have ended it, and the call went on.
const DROPPED: u8 = 1;
/// The caller has not heard of it, and will not.
const UNHEARD: u8 = 2;
/// Its end is trusted.
const TRUSTED_END: u8 = 4;
/// Its end wants not to be told.
const PRIVATE_END: u8 = 8;

/// Save what a restart needs to know the call again.
pub fn save(call: &Call) -> Box<[u8]> {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags = flag(call.trust.trusted, TRUSTED)
        | flag(call.trust.open, OPEN)
        | flag(call.trust.asserted, ASSERTED)
        | flag(call.trust.private, PRIVATE)
        | flag(call.veil.is_some(), VEILED)
        | flag(call.takes_refer, TAKES_REFER)
        | flag(call.to_phone, TO_PHONE)
        | flag(call.secure, SECURE);
    let mut out = vec![VERSION, flags];
    out.extend_from_slice(&call.token.to_be_bytes());
    write_bytes(&mut out, &call.call_id);
    out.extend_from_slice(&call.invite_cseq.to_be_bytes());
    if let Some(veil) = &call.veil {
        write_veil(&mut out, veil);
    }
    write_party(&mut out, &call.caller);
    for leg in call.legs.iter().filter(|leg| leg.is_up() || leg.dropped) {
        write_party(&mut out, &leg.party);
        write_numbers(&mut out, leg.from_caller);
        write_numbers(&mut out, leg.from_callee);
        out.extend_from_slice(&leg.session_seconds.to_be_bytes());
        out.push(
            flag(leg.dropped, DROPPED)
                | flag(leg.unwanted, UNHEARD)
                | flag(leg.trust.trusted, TRUSTED_END)
                | flag(leg.trust.private, PRIVATE_END),
        );
    }
    out.into_boxed_slice()
}

/// Read a saved call back; None where the bytes are not of this version, or damaged.
pub fn restore(id: u64, bytes: &[u8]) -> Option<Call> {
    let mut rest = bytes;
    let version = *take(&mut rest, 1)?.first()?;
    let flags = match version {
        VERSION | ONE_TRUST | ALL_UP | ONE_NUMBER | UDP_ONLY => *take(&mut rest, 1)?.first()?,
        WITHOUT_FLAGS => 0,
        _ => return None,
    };
    let token = u64::from_be_bytes(take(&mut rest, 8)?.try_into().ok()?);
    let call_id = read_bytes(&mut rest)?;
    let mut invite_cseq = match version {
        VERSION | ONE_TRUST | ALL_UP => read_number(&mut rest)?,
        _ => 0,
    };
    let veil = match flags & VEILED {
        0 => None,
        _ => Some(read_veil(&mut rest)?),
    };
    let (caller, number) = read_party(&mut rest, version)?;
    if version < ALL_UP {
        invite_cseq = number;
    }
    let mut legs = Vec::new();
    while !rest.is_empty() {
        let (party, number) = read_party(&mut rest, version)?;
        let mut leg = Leg::early(party, invite_cseq);
        if version >= ALL_UP {
            leg.from_caller = read_numbers(&mut rest)?;
            leg.from_callee = read_numbers(&mut rest)?;
            leg.session_seconds = read_number(&mut rest)?;
        } else if number > 0 {
            leg.from_callee = Numbers::after(number);
        }
        let stands = match version {
            VERSION | ONE_TRUST => *take(&mut rest, 1)?.first()?,
            _ => 0,
        };
        leg.dropped = stands & DROPPED != 0;
        leg.ended = leg.dropped;
        leg.unwanted = stands & UNHEARD != 0;
        leg.trust = Trust {
            open: flags & OPEN != 0,
            trusted: stands & TRUSTED_END != 0,
            private: stands & PRIVATE_END != 0,
            asserted: false,
        };
        leg.heard = (!leg.unwanted).then_some(0);
        leg.confirmed = true;
        leg.acknowledged = true;
        legs.push(leg);
    }
    (!legs.is_empty()).then_some(Call {
        phase: Phase::Live,
        trust: Trust {
            open: flags & OPEN != 0,
            trusted: flags & TRUSTED != 0 || version < VERSION && flags & ASSERTED != 0,
            asserted: flags & ASSERTED != 0,
            private: flags & PRIVATE != 0,
        },
        takes_refer: flags & TAKES_REFER != 0,
        to_phone: flags & TO_PHONE != 0,
        secure: flags & SECURE != 0,
        alias: veil
            .as_ref()
            .and_then(|veil| Some(veil.call_id.as_ref()?.callee.clone())),
        veil: veil.map(Arc::new),
        restored: true,
        legs,
        ..Call::new(id, token, &call_id, invite_cseq, caller)
    })
}

const HIDES: u8 = 1;
const FROM: u8 = 2;
const TO: u8 = 4;
const CALL_ID: u8 = 8;

fn write_veil(out: &mut Vec<u8>, veil: &Veil) {
    let faces = [(&veil.from, FROM), (&veil.to, TO), (&veil.call_id, CALL_ID)];
    let known = faces.iter().filter(|(faces, _)| faces.is_some());
    let flags = known.fold(0, |flags, (_, bit)| flags | bit);
    out.push(flags | if veil.hides { HIDES } else { 0 });
    for faces in faces.iter().filter_map(|(faces, _)| faces.as_ref()) {
        write_bytes(out, &faces.caller);
        write_bytes(out, &faces.callee);
    }
    write_bytes(out, &veil.vias);
}

fn read_veil(rest: &mut &[u8]) -> Option<Veil> {
    let flags = *take(rest, 1)?.first()?;
    let mut faces = |bit: u8| -> Option<Option<Faces>> {
        if flags & bit == 0 {
            return Some(None);
        }
        let (caller, callee) = (read_bytes(rest)?, read_bytes(rest)?);
        Some(Some(Faces { caller, callee }))
    };
    Some(Veil {
        hides: flags & HIDES != 0,
        from: faces(FROM)?,
        to: faces(TO)?,
        call_id: faces(CALL_ID)?,
        vias: read_bytes(rest)?,
    })
}

fn write_party(out: &mut Vec<u8>, party: &Party) {
    out.extend_from_slice(&party.flow.listener.to_be_bytes());
    out.push(party.flow.transport as u8);
    if party.flow.transport == Transport::Tls {
        out.extend_from_slice(&party.flow.gateway.to_be_bytes());
    }
    write_bytes(out, party.flow.peer.to_string().as_bytes());
    for field in [&party.identity, &party.tag, &party.target, &party.routes] {
        write_bytes(out, field);
    }
}

/// A party, and the one CSeq number that older versions kept of it.
fn read_party(rest: &mut &[u8], version: u8) -> Option<(Party, u32)> {
    let listener = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    let transport = match version {
        WITHOUT_FLAGS | UDP_ONLY => Transport::Udp,
        _ => Transport::from_number(*take(rest, 1)?.first()?)?,
    };
    let gateway = match transport {
        Transport::Tls => u32::from_be_bytes(take(rest, 4)?.try_into().ok()?),
        _ => 0,
    };
    let number = match version {
        VERSION | ONE_TRUST | ALL_UP => 0,
        _ => read_number(rest)?,
    };
    let peer = std::str::from_utf8(&read_bytes(rest)?).ok()?.parse().ok()?;
    let party = Party {
        // The connection did not outlive the process that had it.
        flow: Flow {
            listener,
            transport,
            connection: 0,
            gateway,
            peer,
        },
        identity: read_bytes(rest)?,
        tag: read_bytes(rest)?,
        target: read_bytes(rest)?,
        routes: read_bytes(rest)?,
    };
    Some((party, number))
}

fn write_numbers(out: &mut Vec<u8>, numbers: Numbers) {
    let Numbers { next, free, invite } = numbers;
    for number in [next, free, invite.0, invite.1] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn read_numbers(rest: &mut &[u8]) -> Option<Numbers> {
    Some(Numbers {
        next: read_number(rest)?,
        free: read_number(rest)?,
        invite: (read_number(rest)?, read_number(rest)?),
    })
}

fn read_number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn read_bytes(rest: &mut &[u8]) -> Option<Box<[u8]>> {
    let len = u32::from_be_bytes(take(rest, 4)?.try_into().ok()?);
    Some(take(rest, len as usize)?.into())
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    if rest.len() < len {
        return None;
    }
    let (head, tail) = rest.split_at(len);
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(peer: &str) -> Option<Flow> {
        Some(Flow::udp(0, peer.parse().ok()?))
    }

    /// As an older version has saved it; each end had used CSeq number 7.
    fn saved_as(call: &Call, version: u8) -> Vec<u8> {
        let mut old = vec![version];
        if version > WITHOUT_FLAGS {
            old.push(0);
        }
        old.extend_from_slice(&call.token.to_be_bytes());
        write_bytes(&mut old, &call.call_id);
        let legs = call.legs.iter().filter(|leg| leg.is_up());
        for party in std::iter::once(&call.caller).chain(legs.map(|leg| &leg.party)) {
            let mut saved = Vec::new();
            write_party(&mut saved, party);
            let numbered = if version < ONE_NUMBER {
                saved.remove(2); // the transport, behind the listener
                2
            } else {
                3
            };
            saved.splice(numbered..numbered, 7u32.to_be_bytes());
            old.extend_from_slice(&saved);
        }
        old
    }

    #[test]
    fn a_call_saved_with_one_number_for_each_end_goes_on_from_there() {
        let mut call = call().expect("a call");
        call.legs.truncate(1);
        let mut restored = restore(9, &saved_as(&call, ONE_NUMBER)).expect("restored");
        let leg = restored.legs.first_mut().expect("a leg");
        assert_eq!((leg.from_caller.own(), leg.from_callee.own()), (8, 8));
        assert_eq!(restored.invite_cseq, 7);
    }

    #[test]
    fn a_call_saved_before_there_was_tcp_is_read_as_udp() {
        let mut call = call().expect("a call");
        call.legs.truncate(1);
        call.caller.flow.transport = Transport::Tcp;
        let restored = restore(9, &save(&call)).expect("restored");
        assert_eq!(restored.caller.flow.transport, Transport::Tcp);
        call.caller.flow.transport = Transport::Tls;
        call.caller.flow.gateway = 70_000;
        let restored = restore(9, &save(&call)).expect("restored");
        assert_eq!(restored.caller.flow, call.caller.flow);
        assert!(restored.secure);
        call.caller.flow = Flow::udp(0, call.caller.flow.peer);
        let restored = restore(9, &saved_as(&call, UDP_ONLY)).expect("restored");
        assert_eq!(restored.caller.flow.transport, Transport::Udp);
        assert_eq!(restored.legs[0].party, call.legs[0].party);
    }

    fn call() -> Option<Call> {
        let party = |tag: &str| -> Option<Party> {
            Some(Party {
                flow: flow("[2001:db8::1]:5060")?,
                identity: format!("<sip:a@b>;tag={tag}").into_bytes().into(),
                tag: tag.as_bytes().into(),
                target: b"sip:c@d".as_slice().into(),
                routes: b"<sip:e;lr>".as_slice().into(),
            })
        };
        let mut call = Call {
            phase: Phase::Live,
            trust: Trust {
                trusted: true,
                private: true,
                ..Trust::default()
            },
            secure: true,
            ..Call::new(9, 0xfeed, b"id@host", 7, party("one")?)
        };
        for tag in ["two", "fork", "over", "early"] {
            let mut leg = Leg::early(party(tag)?, 7);
            leg.confirmed = tag != "early";
            leg.acknowledged = leg.confirmed;
            leg.heard = leg.confirmed.then_some(0);
            leg.ended = tag == "over";
            leg.session_seconds = 90;
            leg.trust.trusted = tag == "two";
            leg.trust.private = tag == "fork";
            leg.from_callee.own();
            call.legs.push(leg);
        }
        Some(call)
    }

    #[test]
    fn a_saved_call_is_the_same_call_without_the_legs_that_are_not_up() {
        let before = call().expect("a call");
        let after = restore(9, &save(&before)).expect("restored");
        assert_eq!(
            (after.token, &after.call_id, &after.caller),
            (before.token, &before.call_id, &before.caller)
        );
        assert_eq!((after.trust, after.takes_refer), (before.trust, false));
        assert_eq!(after.invite_cseq, 7);
        assert_eq!(after.legs, before.legs[..2]);
    }

    #[test]
    fn a_call_saved_before_there_were_flags_is_known_and_not_trusted() {
        let mut saved = saved_as(&call().expect("a call"), WITHOUT_FLAGS);
        let after = restore(9, &saved).expect("restored");
        assert_eq!(
            (after.token, after.trust, after.takes_refer),
            (0xfeed, Trust::default(), false)
        );
        saved[0] = VERSION + 1;
        assert!(restore(9, &saved).is_none());
    }

    #[test]
    fn damaged_state_is_refused_and_never_panics() {
        let mut call = call().expect("a call");
        call.legs.truncate(1); // with two, the first alone is a whole call
        let saved = save(&call);
        for cut in 0..saved.len() {
            assert!(restore(1, &saved[..cut]).is_none(), "{cut}");
        }
    }
}
