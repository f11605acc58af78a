//! A call: what is kept of its dialogs, from the INVITE to the last BYE, and how it is saved and restored.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::arena::Id;
use crate::message::Message;
use crate::proxy::screen::Screen;
use crate::transaction::table::{Client, Server};
use crate::transport::{Flow, Transport};
use crate::uri;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Policy was asked and has not said; nothing has left.
    Deciding,
    /// A gateway was asked.
    Proceeding,
    /// A 2xx is held until it is recorded.
    Answering,
    /// Answered.
    Live,
    /// A BYE came, or was sent from here; kept for late requests of its dialog.
    Ended,
}

/// One end of a dialog, as requests towards it need it (RFC 3261 12.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Where requests to it go, worked out once from its route set, its Contact and where it sent from.
    pub flow: Flow,
    /// Its From or To header value, tag included.
    pub identity: Box<[u8]>,
    /// Its tag.
    pub tag: Box<[u8]>,
    /// Its remote target: the URI of its Contact.
    pub target: Box<[u8]>,
    /// Its route set as the value of one Route header; empty: none.
    pub routes: Box<[u8]>,
    /// Highest CSeq number that it has used in the dialog.
    pub cseq: u32,
}

/// The answering end of one of the dialogs that a forked INVITE may have made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The end itself.
    pub party: Party,
    /// A 2xx came from it.
    pub confirmed: bool,
    /// A BYE passed.
    pub ended: bool,
}

/// A message that waits for `release`.
pub enum Held {
    /// A 2xx for the caller, our Via taken off.
    Response {
        /// 200 to 299.
        status: u16,
        /// As it will be sent.
        bytes: Box<[u8]>,
    },
    /// A BYE, printed for the other side but for its branch.
    Request {
        /// Where its responses go.
        server: Id<Server>,
        /// The random part of the branch that it was printed with.
        branch: u64,
        /// As it will be sent.
        bytes: Box<[u8]>,
        /// Where it goes.
        flow: Flow,
    },
}

/// The best refusal so far (16.7 step 6).
pub struct Best {
    /// 300 to 699.
    pub status: u16,
    /// Our Via taken off; empty: no response came, one of ours stands for it.
    pub bytes: Box<[u8]>,
}

/// A call and its dialogs.
pub struct Call {
    /// Our own id.
    pub id: u64,
    /// Another call with the same Call-ID; 0: none.
    pub sibling: u64,
    /// Unguessable key in our Record-Route.
    pub token: u64,
    /// Where it stands.
    pub phase: Phase,
    /// The INVITE, until a final response was sent.
    pub invite: Option<Arc<Message>>,
    /// The INVITE's server transaction.
    pub server: Option<Id<Server>>,
    /// The INVITE's present client transaction.
    pub client: Option<Id<Client>>,
    /// The caller has cancelled.
    pub cancelled: bool,
    /// A provisional response other than 100 was passed on.
    pub ringing: bool,
    /// One of them had a body: media may be flowing already.
    pub early_media: bool,
    /// What of the caller's headers the gateway may see; Open: nobody has judged the call.
    pub screen: Screen,
    /// The gateway may be sent REFER.
    pub takes_refer: bool,
    /// Known from the store, not from an INVITE of this run.
    pub restored: bool,
    /// Best refusal so far.
    pub best: Option<Best>,
    /// What waits for `release`, oldest first.
    pub held: VecDeque<Held>,
    /// Answers of further forks that came while the first one was held; they follow it.
    pub forked: Vec<(u16, Box<[u8]>)>,
    /// Call-ID.
    pub call_id: Box<[u8]>,
    /// Who called.
    pub caller: Party,
    /// Who answered; several where the INVITE was forked further down.
    pub legs: Vec<Leg>,
}

impl Call {
    /// The leg with this tag.
    pub fn leg(&mut self, tag: &[u8]) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| *leg.party.tag == *tag)
    }

    /// Policy has judged its number; else it only passes through, as a relay's would.
    pub fn is_judged(&self) -> bool {
        self.screen != Screen::Open
    }

    /// Some answered leg has not ended.
    pub fn is_up(&self) -> bool {
        self.legs.iter().any(|leg| leg.confirmed && !leg.ended)
    }
}

/// Where requests to a party go: its first route or its target, if that may be believed.
///
/// A caller's Contact is not believed beyond the address that it sent from: it is behind NAT as often
/// as not, and a forged one would let it aim our requests at anybody (bypass D34). A gateway's Contact
/// is followed to any unicast address, as RFC 3261 wants. Host names stay with the learned flow.
///
/// The URI may name the transport; where it does not, what was learned stays: RFC 3263 4.1 would say UDP,
/// but a peer that called over a connection is often reached by nothing else. The connection is kept for a
/// caller, and for a gateway as long as it leads to the address that is meant.
pub fn reach(routes: &[u8], target: &[u8], learned: Flow, trusted: bool) -> Flow {
    let next = crate::header::elements(routes)
        .next()
        .and_then(route_uri)
        .unwrap_or(target);
    let Ok(next) = uri::parse(next) else {
        return learned;
    };
    let Some(ip) = next.ip() else { return learned };
    let ip = SocketAddr::new(ip, next.port.unwrap_or(5060));
    let peer = crate::transport::canonical(ip);
    if peer.ip() != learned.peer.ip() && !(trusted && routable(peer.ip())) {
        return learned;
    }
    let transport = next
        .param(b"transport")
        .flatten()
        .and_then(Transport::from_param)
        .unwrap_or(learned.transport);
    let keeps = transport == learned.transport && (!trusted || peer == learned.peer);
    Flow {
        listener: learned.listener,
        transport,
        connection: if keeps { learned.connection } else { 0 },
        peer,
    }
}

/// The URI inside a route element.
pub fn route_uri(element: &[u8]) -> Option<&[u8]> {
    let start = memchr::memchr(b'<', element)? + 1;
    let len = memchr::memchr(b'>', &element[start..])?;
    Some(&element[start..start + len])
}

fn routable(ip: IpAddr) -> bool {
    let local = match ip {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.is_link_local(),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0) == 0xfe80,
    };
    !(local || ip.is_loopback() || ip.is_multicast() || ip.is_unspecified())
}

const VERSION: u8 = 3;
/// Saved before there was more than one transport: without it, and all of UDP.
const UDP_ONLY: u8 = 2;
/// Calls of this version had no flags: nobody was trusted, no REFER was allowed on purpose.
const WITHOUT_FLAGS: u8 = 1;

const TRUSTED: u8 = 1;
const TAKES_REFER: u8 = 2;
const OPEN: u8 = 4;

/// Save what a restart needs to know the call again.
pub fn save(call: &Call) -> Box<[u8]> {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags = flag(call.screen == Screen::Trusted, TRUSTED)
        | flag(call.screen == Screen::Open, OPEN)
        | flag(call.takes_refer, TAKES_REFER);
    let mut out = vec![VERSION, flags];
    out.extend_from_slice(&call.token.to_be_bytes());
    write_bytes(&mut out, &call.call_id);
    write_party(&mut out, &call.caller);
    for leg in call.legs.iter().filter(|leg| leg.confirmed) {
        write_party(&mut out, &leg.party);
    }
    out.into_boxed_slice()
}

/// Read a saved call back; None where the bytes are not of this version, or damaged.
pub fn restore(id: u64, bytes: &[u8]) -> Option<Call> {
    let mut rest = bytes;
    let version = *take(&mut rest, 1)?.first()?;
    let flags = match version {
        VERSION | UDP_ONLY => *take(&mut rest, 1)?.first()?,
        WITHOUT_FLAGS => 0,
        _ => return None,
    };
    let token = u64::from_be_bytes(take(&mut rest, 8)?.try_into().ok()?);
    let call_id = read_bytes(&mut rest)?;
    let caller = read_party(&mut rest, version)?;
    let mut legs = Vec::new();
    while !rest.is_empty() {
        legs.push(Leg {
            party: read_party(&mut rest, version)?,
            confirmed: true,
            ended: false,
        });
    }
    (!legs.is_empty()).then_some(Call {
        id,
        sibling: 0,
        token,
        phase: Phase::Live,
        invite: None,
        server: None,
        client: None,
        cancelled: false,
        ringing: true,
        early_media: false,
        screen: match flags & (TRUSTED | OPEN) {
            0 => Screen::Untrusted,
            TRUSTED => Screen::Trusted,
            _ => Screen::Open,
        },
        takes_refer: flags & TAKES_REFER != 0,
        restored: true,
        best: None,
        held: VecDeque::new(),
        forked: Vec::new(),
        call_id,
        caller,
        legs,
    })
}

fn write_party(out: &mut Vec<u8>, party: &Party) {
    out.extend_from_slice(&party.flow.listener.to_be_bytes());
    out.push(party.flow.transport as u8);
    out.extend_from_slice(&party.cseq.to_be_bytes());
    write_bytes(out, party.flow.peer.to_string().as_bytes());
    for field in [&party.identity, &party.tag, &party.target, &party.routes] {
        write_bytes(out, field);
    }
}

fn read_party(rest: &mut &[u8], version: u8) -> Option<Party> {
    let listener = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    let transport = match version {
        WITHOUT_FLAGS | UDP_ONLY => Transport::Udp,
        _ => Transport::from_number(*take(rest, 1)?.first()?)?,
    };
    let cseq = u32::from_be_bytes(take(rest, 4)?.try_into().ok()?);
    let peer = std::str::from_utf8(&read_bytes(rest)?).ok()?.parse().ok()?;
    Some(Party {
        // The connection did not outlive the process that had it.
        flow: Flow {
            listener,
            transport,
            connection: 0,
            peer,
        },
        cseq,
        identity: read_bytes(rest)?,
        tag: read_bytes(rest)?,
        target: read_bytes(rest)?,
        routes: read_bytes(rest)?,
    })
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

    fn reached(routes: &str, target: &str, trusted: bool) -> Option<String> {
        let learned = flow("192.0.2.1:5080")?;
        Some(
            reach(routes.as_bytes(), target.as_bytes(), learned, trusted)
                .peer
                .to_string(),
        )
    }

    #[test]
    fn d34_a_callers_contact_is_not_believed_beyond_its_own_address() {
        for target in [
            "sip:x@127.0.0.1:8080",
            "sip:x@169.254.169.254",
            "sip:x@255.255.255.255",
            "sip:x@198.51.100.7",
        ] {
            assert_eq!(
                reached("", target, false).as_deref(),
                Some("192.0.2.1:5080"),
                "{target}"
            );
        }
        assert_eq!(
            reached("", "sip:x@192.0.2.1:5090", false).as_deref(),
            Some("192.0.2.1:5090")
        );
        assert_eq!(
            reached("", "sip:x@pbx.example", true).as_deref(),
            Some("192.0.2.1:5080")
        );
    }

    #[test]
    fn a_gateways_contact_is_followed_to_unicast_addresses_only() {
        assert_eq!(
            reached("", "sip:gw@198.51.100.7", true).as_deref(),
            Some("198.51.100.7:5060")
        );
        assert_eq!(
            reached(
                "<sip:198.51.100.9;lr>, <sip:a;lr>",
                "sip:x@198.51.100.7",
                true
            )
            .as_deref(),
            Some("198.51.100.9:5060")
        );
        for target in [
            "sip:x@127.0.0.1:8080",
            "sip:x@224.0.0.1",
            "sip:x@0.0.0.0",
            "sip:x@[fe80::1]",
        ] {
            assert_eq!(
                reached("", target, true).as_deref(),
                Some("192.0.2.1:5080"),
                "{target}"
            );
        }
    }

    #[test]
    fn t05_the_transport_and_the_connection_of_a_contact() {
        let learned = Flow {
            listener: 3,
            transport: Transport::Tcp,
            connection: 7,
            peer: SocketAddr::from(([192, 0, 2, 1], 40_000)),
        };
        for (target, trusted, transport, connection, peer) in [
            // A caller keeps its connection; its Contact is where to connect once that is gone.
            (
                "sip:x@192.0.2.1:5090",
                false,
                Transport::Tcp,
                7,
                "192.0.2.1:5090",
            ),
            (
                "sip:x@192.0.2.1;transport=udp",
                false,
                Transport::Udp,
                0,
                "192.0.2.1:5060",
            ),
            (
                "sip:x@198.51.100.7;transport=udp",
                false,
                Transport::Tcp,
                7,
                "192.0.2.1:40000",
            ),
            // A gateway names another address than the one that it is connected from.
            (
                "sip:x@192.0.2.1:5060;transport=TCP",
                true,
                Transport::Tcp,
                0,
                "192.0.2.1:5060",
            ),
            (
                "sip:x@198.51.100.7",
                true,
                Transport::Tcp,
                0,
                "198.51.100.7:5060",
            ),
            (
                "sip:x@192.0.2.1:40000",
                true,
                Transport::Tcp,
                7,
                "192.0.2.1:40000",
            ),
            (
                "sip:x@192.0.2.1:40000;transport=sctp",
                true,
                Transport::Tcp,
                7,
                "192.0.2.1:40000",
            ),
        ] {
            let flow = reach(b"", target.as_bytes(), learned, trusted);
            assert_eq!(
                (flow.transport, flow.connection, flow.peer.to_string()),
                (transport, connection, peer.to_owned()),
                "{target}"
            );
        }
    }

    /// As the version before the transport, or the one before the flags as well, has saved it.
    fn saved_as(call: &Call, version: u8) -> Vec<u8> {
        let mut old = vec![version];
        if version > WITHOUT_FLAGS {
            old.push(0);
        }
        old.extend_from_slice(&call.token.to_be_bytes());
        write_bytes(&mut old, &call.call_id);
        let legs = call.legs.iter().filter(|leg| leg.confirmed);
        for party in std::iter::once(&call.caller).chain(legs.map(|leg| &leg.party)) {
            let mut saved = Vec::new();
            write_party(&mut saved, party);
            saved.remove(2); // the transport, behind the listener
            old.extend_from_slice(&saved);
        }
        old
    }

    #[test]
    fn a_call_saved_before_there_was_tcp_is_read_as_udp() {
        let mut call = call().expect("a call");
        call.legs.truncate(1);
        call.caller.flow.transport = Transport::Tcp;
        let restored = restore(9, &save(&call)).expect("restored");
        assert_eq!(restored.caller.flow.transport, Transport::Tcp);
        let restored = restore(9, &saved_as(&call, UDP_ONLY)).expect("restored");
        assert_eq!(restored.caller.flow.transport, Transport::Udp);
        assert_eq!(restored.legs, call.legs);
    }

    fn call() -> Option<Call> {
        let party = |tag: &str| -> Option<Party> {
            Some(Party {
                flow: flow("[2001:db8::1]:5060")?,
                identity: format!("<sip:a@b>;tag={tag}").into_bytes().into(),
                tag: tag.as_bytes().into(),
                target: b"sip:c@d".as_slice().into(),
                routes: b"<sip:e;lr>".as_slice().into(),
                cseq: 7,
            })
        };
        let mut call = Call {
            id: 9,
            sibling: 0,
            token: 0xfeed,
            phase: Phase::Live,
            invite: None,
            server: None,
            client: None,
            cancelled: false,
            ringing: false,
            early_media: false,
            screen: Screen::Trusted,
            takes_refer: false,
            restored: false,
            best: None,
            held: VecDeque::new(),
            forked: Vec::new(),
            call_id: b"id@host".as_slice().into(),
            caller: party("one")?,
            legs: Vec::new(),
        };
        call.legs.push(Leg {
            party: party("two")?,
            confirmed: true,
            ended: false,
        });
        call.legs.push(Leg {
            party: party("early")?,
            confirmed: false,
            ended: false,
        });
        Some(call)
    }

    #[test]
    fn a_saved_call_is_the_same_call_without_its_early_legs() {
        let before = call().expect("a call");
        let after = restore(9, &save(&before)).expect("restored");
        assert_eq!(
            (after.token, &after.call_id, &after.caller),
            (before.token, &before.call_id, &before.caller)
        );
        assert_eq!((after.screen, after.takes_refer), (Screen::Trusted, false));
        assert_eq!(after.legs, before.legs[..1]);
    }

    #[test]
    fn a_call_saved_before_there_were_flags_is_known_and_not_trusted() {
        let mut saved = saved_as(&call().expect("a call"), WITHOUT_FLAGS);
        let after = restore(9, &saved).expect("restored");
        assert_eq!(
            (after.token, after.screen, after.takes_refer),
            (0xfeed, Screen::Untrusted, false)
        );
        saved[0] = VERSION + 1;
        assert!(restore(9, &saved).is_none());
    }

    #[test]
    fn damaged_state_is_refused_and_never_panics() {
        let saved = save(&call().expect("a call"));
        for cut in 0..saved.len() {
            assert!(restore(1, &saved[..cut]).is_none(), "{cut}");
        }
    }
}
