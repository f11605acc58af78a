"""Traces as others read them: pcap, HEP 3, and without secrets. Both are read here by code of their own."""

from __future__ import annotations

import asyncio
import io
import socket
import struct
from ipaddress import ip_address

import pytest

from sipguard.sip.hep import Exporter, packet
from sipguard.sip.pcap import Writer
from sipguard.sip.traced import Traced, masked

MESSAGE = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nContent-Length: 0\r\n\r\n"
FOUR, FOUR2 = ("192.0.2.1", 5060), ("192.0.2.2", 40_000)
SIX = ("2001:db8::1", 5062)


def traced(transport: str = "udp", data: bytes = MESSAGE, source=FOUR, destination=FOUR2) -> Traced:
    return Traced(1_700_000_000_123_456, transport, source, destination, data, "call@h")


def sums_to_zero(data: bytes) -> bool:
    """RFC 1071: with its checksum in it, a header sums to all ones."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return total % 0xFFFF == 0


def packets(file: bytes) -> list[tuple[int, bytes]]:
    magic, major, minor, _, _, snaplen, link = struct.unpack_from("<IHHiIII", file)
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 101)
    at, found = 24, []
    while at < len(file):
        seconds, micros, length, original = struct.unpack_from("<IIII", file, at)
        assert length == original <= snaplen
        found.append((seconds * 1_000_000 + micros, file[at + 16 : at + 16 + length]))
        at += 16 + length
    return found


def read(data: bytes) -> tuple[str, str, int, bytes]:
    """Source, destination, protocol and segment of an IP packet, whose checksums must hold."""
    if data[0] >> 4 == 4:
        assert sums_to_zero(data[:20])
        assert struct.unpack("!H", data[2:4])[0] == len(data)
        addresses, protocol, segment = data[12:20], data[9], data[20:]
    else:
        assert struct.unpack("!H", data[4:6])[0] == len(data) - 40
        addresses, protocol, segment = data[8:40], data[6], data[40:]
    assert sums_to_zero(addresses + struct.pack("!II", len(segment), protocol) + segment)
    half = len(addresses) // 2
    return str(ip_address(addresses[:half])), str(ip_address(addresses[half:])), protocol, segment


@pytest.mark.parametrize(
    ("source", "destination", "seen"),
    [
        (FOUR, FOUR2, ("192.0.2.1", "192.0.2.2")),
        (SIX, ("2001:db8::2", 5060), ("2001:db8::1", "2001:db8::2")),
        (FOUR, SIX, (str(ip_address("::ffff:192.0.2.1")), "2001:db8::1")),
    ],
)
@pytest.mark.parametrize("data", [MESSAGE, MESSAGE + b"x", b"", b"\xff" * 65_507])
def test_a_datagram(source, destination, seen: tuple[str, str], data: bytes) -> None:
    file = io.BytesIO()
    Writer(file).write(traced("udp", data, source, destination))
    ((moment, whole),) = packets(file.getvalue())
    assert moment == 1_700_000_000_123_456
    here, there, protocol, segment = read(whole)
    assert (here, there, protocol) == (*seen, 17)
    ports = struct.unpack("!HHH", segment[:6])
    assert ports == (source[1], destination[1], 8 + len(data))
    assert segment[8:] == data


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_stream_goes_on_where_it_was(transport: str) -> None:
    file = io.BytesIO()
    writer = Writer(file)
    long = b"y" * 150_000
    writer.write(traced(transport, MESSAGE))
    writer.write(traced(transport, long))
    writer.write(traced(transport, MESSAGE, FOUR2, FOUR))
    received = {FOUR[1]: b"", FOUR2[1]: b""}
    for _, whole in packets(file.getvalue()):
        _, _, protocol, segment = read(whole)
        source, destination, sequence, acknowledged = struct.unpack("!HHII", segment[:12])
        assert protocol == 6
        assert sequence == 1 + len(received[source])
        assert acknowledged == 1 + len(received[destination])
        received[source] += segment[20:]
    assert received == {FOUR[1]: MESSAGE + long, FOUR2[1]: MESSAGE}


def chunks(data: bytes) -> dict[int, bytes]:
    assert data[:4] == b"HEP3"
    assert struct.unpack("!H", data[4:6])[0] == len(data)
    at, found = 6, {}
    while at < len(data):
        vendor, kind, length = struct.unpack_from("!HHH", data, at)
        assert vendor == 0
        assert kind not in found
        found[kind] = data[at + 6 : at + length]
        at += length
    return found


def test_a_hep_packet() -> None:
    found = chunks(packet(traced(), 7, "secret", "node"))
    assert found == {
        1: b"\x02",
        2: b"\x11",
        3: bytes([192, 0, 2, 1]),
        4: bytes([192, 0, 2, 2]),
        7: struct.pack("!H", 5060),
        8: struct.pack("!H", 40_000),
        9: struct.pack("!I", 1_700_000_000),
        10: struct.pack("!I", 123_456),
        11: b"\x01",
        12: struct.pack("!I", 7),
        14: b"secret",
        15: MESSAGE,
        17: b"call@h",
        19: b"node",
    }
    found = chunks(packet(traced("tls", MESSAGE, SIX, FOUR), 7))
    assert (found[1], found[2], found[5]) == (b"\x0a", b"\x06", ip_address(SIX[0]).packed)
    assert found[6] == ip_address("::ffff:192.0.2.1").packed
    assert not {3, 4, 14, 19} & found.keys()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'Authorization: Digest username="a", realm="r", response="0123abcd", nc=1, cnonce="c"',
            'Authorization: Digest username="a", realm="r", response="xxxxxxxx", nc=1, cnonce="c"',
        ),
        (
            "PROXY-AUTHORIZATION : digest\r\n RESPONSE = 0123",
            "PROXY-AUTHORIZATION : digest\r\n RESPONSE = xxxx",
        ),
        ("authorization: Basic QWxhZGRpbg==", "authorization: Basic xxxxxxxxxxxx"),
        ("Authorization: Bearer a.b c", "Authorization: Bearer xxx x"),
        ('WWW-Authenticate: Digest nonce="n"', 'WWW-Authenticate: Digest nonce="n"'),
        ("Subject: Authorization: Digest response=1", "Subject: Authorization: Digest response=1"),
    ],
)
def test_credentials_are_made_unreadable(line: str, expected: str) -> None:
    message = "REGISTER sip:a SIP/2.0\r\n{}\r\nTo: <sip:a>\r\n\r\n"
    assert masked(message.format(line).encode()) == message.format(expected).encode()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_collector_gets_every_message(transport: str) -> None:
    asyncio.run(exported(transport))


async def exported(transport: str) -> None:
    came: asyncio.Queue[bytes] = asyncio.Queue()
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    listener = socket.socket(socket.AF_INET, kind)
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    loop = asyncio.get_running_loop()

    async def collect() -> None:
        if transport == "udp":
            while True:
                came.put_nowait(await loop.sock_recv(listener, 65_535))
        listener.listen()
        stream, _ = await loop.sock_accept(listener)
        with stream:
            while data := await loop.sock_recv(stream, 65_535):
                came.put_nowait(data)

    exporter = Exporter("127.0.0.1", listener.getsockname()[1], transport=transport)
    exporter.send(traced())
    assert (exporter.sent, exporter.dropped) == (0, 1), "nobody is there yet"
    tasks = [loop.create_task(collect()), loop.create_task(exporter.run())]
    secret = b"A sip:a SIP/2.0\r\nAuthorization: Digest response=12\r\n\r\n"
    async with asyncio.timeout(10):
        while exporter.sent == 0:
            await asyncio.sleep(0)
            exporter.send(traced(data=secret))
        found = chunks(await came.get())
    assert found[15] == secret.replace(b"=12", b"=xx")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    listener.close()


def test_a_message_beyond_the_packet_is_counted() -> None:
    asyncio.run(too_long())


async def too_long() -> None:
    exporter = Exporter("127.0.0.1", 9)
    task = asyncio.create_task(exporter.run())
    async with asyncio.timeout(10):
        while exporter.sent == 0:
            await asyncio.sleep(0)
            exporter.send(traced())
    before = exporter.dropped
    exporter.send(traced(data=b"x" * 65_500))
    assert exporter.dropped == before + 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
