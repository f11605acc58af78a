//! Where requests to an end of a dialog go, and how far what it says of itself is believed.

use std::net::{IpAddr, SocketAddr};

use crate::transport::{listener_for, Flow, Listener, Transport};
use crate::uri;

/// Where requests to a party go: its first route or its target, if that may be believed.
///
/// A caller's Contact is not believed beyond the address that it sent from: it is behind NAT as often
/// as not, and a forged one would let it aim our requests at anybody (bypass D34). A gateway's Contact
/// is followed to any unicast address, as RFC 3261 wants. Host names stay with the learned flow until they are
/// resolved (proxy/resolve.rs).
///
/// The URI may name the transport; where it does not, what was learned stays: RFC 3263 4.1 would say UDP,
/// but a peer that called over a connection is often reached by nothing else. The connection is kept for a
/// caller, and for a gateway as long as it leads to the address that is meant. What came over TLS for a `sips` URI
/// never goes on over less, whatever the URI says (26.2.2).
pub fn reach(
    listeners: &[Listener],
    routes: &[u8],
    target: &[u8],
    learned: Flow,
    trusted: bool,
    secure: bool,
) -> Flow {
    let Some(next) = next_hop(routes, target) else {
        return learned;
    };
    let Some(ip) = next.ip() else { return learned };
    let transport = match next.transport() {
        _ if secure => Transport::Tls,
        told => told.unwrap_or(learned.transport),
    };
    let port = next.port.unwrap_or(transport.default_port());
    let peer = SocketAddr::new(ip, port);
    believed(listeners, peer, transport, learned, trusted).unwrap_or(learned)
}

/// The URI that requests to a party go to: its first route or its target; None where it cannot be read.
pub fn next_hop<'a>(routes: &'a [u8], target: &'a [u8]) -> Option<uri::Uri<'a>> {
    let first = crate::header::elements(routes).next().and_then(route_uri);
    uri::parse(first.unwrap_or(target)).ok()
}

/// The way to the address that a party has named; None where it is not believed.
pub fn believed(
    listeners: &[Listener],
    peer: SocketAddr,
    transport: Transport,
    learned: Flow,
    trusted: bool,
) -> Option<Flow> {
    let peer = crate::transport::canonical(peer);
    if peer.ip() != learned.peer.ip() && !(trusted && routable(peer.ip())) {
        return None;
    }
    let keeps = transport == learned.transport && (!trusted || peer == learned.peer);
    Some(Flow {
        listener: listener_for(listeners, transport, peer, learned.listener),
        transport,
        connection: if keeps { learned.connection } else { 0 },
        gateway: learned.gateway,
        peer,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(peer: &str) -> Option<Flow> {
        Some(Flow::udp(0, peer.parse().ok()?))
    }

    fn reached(routes: &str, target: &str, trusted: bool) -> Option<String> {
        let learned = flow("192.0.2.1:5080")?;
        Some(
            reach(
                &[],
                routes.as_bytes(),
                target.as_bytes(),
                learned,
                trusted,
                false,
            )
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
            gateway: 0,
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
            let flow = reach(&[], b"", target.as_bytes(), learned, trusted, false);
            assert_eq!(
                (flow.transport, flow.connection, flow.peer.to_string()),
                (transport, connection, peer.to_owned()),
                "{target}"
            );
        }
    }

    #[test]
    fn f06_sips_and_transport_tls_are_tls_and_a_secure_call_is_never_less() {
        let learned = Flow {
            listener: 0,
            transport: Transport::Tls,
            connection: 7,
            gateway: 9,
            peer: SocketAddr::from(([192, 0, 2, 1], 5061)),
        };
        let listeners = [
            Listener::new("203.0.113.5", 5060),
            Listener {
                tls: true,
                ..Listener::new("203.0.113.5", 5061)
            },
            Listener::new("2001:db8::5", 5060),
        ];
        for (target, trusted, secure, transport, connection, listener, peer) in [
            (
                "sips:x@192.0.2.1",
                true,
                false,
                Transport::Tls,
                7,
                1,
                "192.0.2.1:5061",
            ),
            (
                "sip:x@192.0.2.1;transport=TLS",
                true,
                false,
                Transport::Tls,
                7,
                1,
                "192.0.2.1:5061",
            ),
            (
                "sip:x@192.0.2.1:5061",
                true,
                false,
                Transport::Tls,
                7,
                1,
                "192.0.2.1:5061",
            ),
            (
                "sips:x@192.0.2.2:5071",
                true,
                false,
                Transport::Tls,
                0,
                1,
                "192.0.2.2:5071",
            ),
            (
                "sip:x@192.0.2.1;transport=udp",
                true,
                false,
                Transport::Udp,
                0,
                0,
                "192.0.2.1:5060",
            ),
            (
                "sip:x@192.0.2.1;transport=udp",
                false,
                true,
                Transport::Tls,
                7,
                1,
                "192.0.2.1:5061",
            ),
            (
                "sip:x@[2001:db8::9];transport=udp",
                true,
                false,
                Transport::Udp,
                0,
                2,
                "[2001:db8::9]:5060",
            ),
        ] {
            let flow = reach(&listeners, b"", target.as_bytes(), learned, trusted, secure);
            assert_eq!(
                (
                    flow.transport,
                    flow.connection,
                    flow.listener,
                    flow.peer.to_string()
                ),
                (transport, connection, listener, peer.to_owned()),
                "{target}"
            );
            assert_eq!(flow.gateway, 9, "whose certificate it must be");
        }
    }
}
