"""Whom a certificate is for (RFC 5922 section 7)."""

from __future__ import annotations

import pytest

from sipguard.model import certificate

SUBJECT = ((("organizationName", "Operator"),), (("commonName", "CN.example"),))


@pytest.mark.item("T-09")
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([("DNS", "GW.Example")], ["gw.example"], id="DNS names in any case"),
        pytest.param(
            [("DNS", "www.example"), ("URI", "sip:gw.example")],
            ["gw.example"],
            id="a sip URI before DNS names",
        ),
        pytest.param(
            [("URI", "SIP:a.example"), ("URI", "sip:b.example;x=y")], ["a.example", "b.example"], id="several"
        ),
        pytest.param([("URI", "sip:alice@gw.example")], [], id="a user is no domain"),
        pytest.param([("URI", "sips:gw.example"), ("URI", "https://gw.example")], [], id="other schemes"),
        pytest.param(
            [("URI", "sip:alice@gw.example"), ("DNS", "gw.example")], ["gw.example"], id="a user beside DNS"
        ),
        pytest.param([("DNS", "*.gw.example")], ["*.gw.example"], id="a pattern is a name like any other"),
        pytest.param(
            [("IP Address", "192.0.2.1"), ("IP Address", "2001:DB8:0:0:0:0:0:1")],
            ["192.0.2.1", "2001:db8::1"],
            id="addresses",
        ),
        pytest.param([("email", "a@b.example")], [], id="the common name is not asked beside other names"),
        pytest.param([], ["cn.example"], id="the common name alone"),
    ],
)
def test_identities(names: list[tuple[str, str]], expected: list[str]) -> None:
    shown: dict[str, object] = {"subject": SUBJECT}
    if names:
        shown["subjectAltName"] = tuple(names)
    assert certificate.identities(shown) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PBX.Example.com.", "pbx.example.com"),
        ("sip:pbx.example.com", "pbx.example.com"),
        ("*.pstn.example.com", "*.pstn.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("SHA256:" + "AB:" * 31 + "AB", "sha256:" + "ab" * 32),
    ],
)
def test_a_name_is_written_in_one_way(text: str, expected: str) -> None:
    assert certificate.normal(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a..b",
        "-a.example",
        "a b",
        "alice@gw.example",
        "*.*.example",
        "sha256:12",
        "sha256:xy",
        "a" * 64,
        "ä.example",
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"domain|digits|hexadecimal"):
        certificate.normal(text)
