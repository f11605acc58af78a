"""Traces as pcap files for Wireshark (draft-ietf-opsawg-pcap): IP packets made around messages.

The packets never were on a wire: what came in several segments or through TLS is one readable message here.
TLS is written as TCP, so Wireshark has to be told to decode port 5061 as SIP.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import IO

from sipguard.sip.traced import Address, Traced

_LINKTYPE_RAW = 101
_SNAPLEN = 262_144
_TCP, _UDP = 6, 17
_DATAGRAM, _SEGMENT = 65_507, 65_495
"""Payload of one packet: with its headers an IP packet has 65,535 bytes at most."""

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _SNAPLEN, _LINKTYPE_RAW)
"""Of the file: microseconds, little-endian."""


class Writer:
    """Writes messages into a file open for writing bytes; keeps TCP sequence numbers per direction."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sequences: dict[tuple[Address, Address], int] = {}
        file.write(HEADER)

    def write(self, message: Traced) -> None:
        """Add one message, as one packet or, beyond what a packet holds, several."""
        data = message.data
        most = _DATAGRAM if message.transport == "udp" else _SEGMENT
        for start in range(0, max(len(data), 1), most):
            packet = self._packet(message, data[start : start + most])
            seconds, micros = divmod(message.unix_us, 1_000_000)
            self._file.write(struct.pack("<IIII", seconds & 0xFFFFFFFF, micros, len(packet), len(packet)))
            self._file.write(packet)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._file.flush()

    def _packet(self, message: Traced, data: bytes) -> bytes:
        source, destination = _pair(message.source, message.destination)
        ports = struct.pack("!HH", message.source[1], message.destination[1])
        if message.transport == "udp":
            protocol = _UDP
            segment = ports + struct.pack("!HH", 8 + len(data), 0) + data
            checksum_at = 6
        else:
            protocol = _TCP
            here, there = (message.source, message.destination), (message.destination, message.source)
            sequence = self._sequences.setdefault(here, 1)
            self._sequences[here] = (sequence + len(data)) & 0xFFFFFFFF
            acknowledged = self._sequences.setdefault(there, 1)
            # Data offset 5 words; PSH and ACK.
            segment = ports + struct.pack("!IIHHHH", sequence, acknowledged, 0x5018, 0xFFFF, 0, 0) + data
            checksum_at = 16
        pseudo = source.packed + destination.packed + struct.pack("!II", len(segment), protocol)
        checksum = _checksum(pseudo + segment) or 0xFFFF
        segment = segment[:checksum_at] + struct.pack("!H", checksum) + segment[checksum_at + 2 :]
        return _header(source, destination, protocol, len(segment)) + segment


def _pair(
    source: Address, destination: Address
) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
    """Both addresses in one family: a packet has but one. The other is written as IPv4-mapped (RFC 4291)."""
    one, other = ip_address(source[0]), ip_address(destination[0])
    if one.version == other.version:
        return one, other
    return tuple(  # type: ignore[return-value]  # of two elements
        IPv6Address(f"::ffff:{address}") if isinstance(address, IPv4Address) else address
        for address in (one, other)
    )


def _header(
    source: IPv4Address | IPv6Address, destination: IPv4Address | IPv6Address, protocol: int, length: int
) -> bytes:
    if source.version == 6:
        return struct.pack("!IHBB", 0x60000000, length, protocol, 64) + source.packed + destination.packed
    addresses = source.packed + destination.packed
    fixed = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0x4000, 64, protocol)
    checksum = _checksum(fixed + b"\0\0" + addresses)
    return fixed + struct.pack("!H", checksum) + addresses


def _checksum(data: bytes) -> int:
    """Of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
