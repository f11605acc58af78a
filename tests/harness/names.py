"""A small DNS server on loopback, UDP and TCP, in a thread of its own: real questions get real answers."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections import Counter

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

ZONE = "test."
NEGATIVE_TTL = 7
"""Seconds, of the SOA record."""


class NameServer:
    """Authoritative for everything; what it has not does not exist."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        """Questions by name (without the last dot) and type."""
        self.broken = False
        """Answer SERVFAIL to everything."""
        self.mute = False
        """Answer nothing at all."""
        self.truncates = False
        """Say over UDP that the answer is too long for it."""
        self._records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
        self._udp = socketserver.ThreadingUDPServer((host, 0), self._handler(stream=False))
        self.host = host
        self.port: int = self._udp.server_address[1]
        self._tcp = _TcpServer((host, self.port), self._handler(stream=True))
        for server in (self._udp, self._tcp):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def set(self, name: str, kind: str, *values: str, ttl: int = 60) -> None:
        """Have these records, as a zone file writes them, instead of those of that name and type."""
        key = (dns.name.from_text(name), dns.rdatatype.from_text(kind))
        if values:
            self._records[key] = dns.rrset.from_text(name + ".", ttl, "IN", kind, *values)
        else:
            self._records.pop(key, None)

    def close(self) -> None:
        """Answer no more."""
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def __enter__(self) -> NameServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, question: bytes, stream: bool) -> bytes | None:
        """The reply to one message."""
        query = dns.message.from_wire(question)
        asked = query.question[0]
        self.asked[asked.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(asked.rdtype)] += 1
        if self.mute:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA | dns.flags.RA
        if self.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif self.truncates and not stream:
            reply.flags |= dns.flags.TC
        else:
            self._fill(reply, asked.name, asked.rdtype)
        return reply.to_wire()

    def _fill(self, reply: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        cname = self._records.get((name, dns.rdatatype.CNAME))
        if cname is not None and kind != dns.rdatatype.CNAME:
            reply.answer.append(cname)
            name = cname[0].target
        if (found := self._records.get((name, kind))) is not None:
            reply.answer.append(found)
            return
        if not any(known == name for known, _ in self._records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        soa = f"ns.{ZONE} admin.{ZONE} 1 60 60 60 {NEGATIVE_TTL}"
        reply.authority.append(dns.rrset.from_text(ZONE, 600, "IN", "SOA", soa))

    def _handler(self, stream: bool) -> type[socketserver.BaseRequestHandler]:
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if not stream:
                    data, bound = self.request
                    reply = server.answer(data, stream=False)
                    if reply is not None:
                        bound.sendto(reply, self.client_address)
                    return
                connection: socket.socket = self.request
                while len(length := connection.recv(2, socket.MSG_WAITALL)) == 2:
                    data = connection.recv(struct.unpack("!H", length)[0], socket.MSG_WAITALL)
                    reply = server.answer(data, stream=True)
                    if reply is None:
                        return
                    connection.sendall(struct.pack("!H", len(reply)) + reply)

        return Handler


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
