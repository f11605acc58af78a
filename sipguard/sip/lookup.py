"""Asks the DNS, by dnspython: the only file that knows the library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from sipguard.sip.locate import Answer, LookupFailedError, Naptr, Srv

NEGATIVE_TTL = 60
"""Seconds for which an empty answer without a SOA record is believed: RFC 2308 section 5 would not keep it
at all, and then every look would be a question."""


class DnsLookup:
    """Questions to the configured name servers, or to those of the system."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] = (), timeout_seconds: float = 5.0) -> None:
        """`nameservers`: IP address and port of each; empty: those of /etc/resolv.conf, read once.

        `timeout_seconds` is for all of them together. Raises ValueError where the system names none.
        """
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        except dns.resolver.NoResolverConfiguration as error:
            raise ValueError(f"no name server: {error}") from error
        if nameservers:
            self._resolver.nameservers = [dns.nameserver.Do53Nameserver(*each) for each in nameservers]
        self._resolver.lifetime = timeout_seconds
        # Several tries within the lifetime: a datagram is easily lost.
        self._resolver.timeout = timeout_seconds / 3

    async def __call__(self, name: str, kind: str) -> Answer:
        """As `locate.Lookup` says."""
        try:
            absolute = dns.name.from_text(name)
            answer = await self._resolver.resolve(absolute, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            return Answer((), _negative_ttl(error))
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise LookupFailedError(f"{kind} of {name}: {_told(error)}") from error
        if answer.rrset is None:
            return Answer((), _bounded(answer.chaining_result.minimum_ttl if _has_soa(answer) else None))
        return Answer([_record(each) for each in answer.rrset], answer.chaining_result.minimum_ttl)


def _record(rdata: Any) -> Naptr | Srv | str:
    if rdata.rdtype == dns.rdatatype.NAPTR:
        return Naptr(
            rdata.order, rdata.preference, rdata.flags.decode("ascii", "replace"),
            rdata.service.decode("ascii", "replace"), _plain(rdata.replacement),
        )  # fmt: skip
    if rdata.rdtype == dns.rdatatype.SRV:
        return Srv(rdata.priority, rdata.weight, rdata.port, _plain(rdata.target))
    return str(rdata.address)


def _plain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)


def _has_soa(answer: dns.resolver.Answer) -> bool:
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in answer.response.authority)


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> int:
    """RFC 2308 section 5: the TTL of the SOA record or its MINIMUM, whichever is less."""
    responses: Mapping[object, dns.message.Message] = error.responses()  # type: ignore[no-untyped-call]
    for response in responses.values():
        for rrset in response.authority:
            if rrset.rdtype == dns.rdatatype.SOA:
                return _bounded(min(rrset.ttl, rrset[0].minimum))
    return NEGATIVE_TTL


def _bounded(ttl: int | None) -> int:
    return NEGATIVE_TTL if ttl is None else ttl


def _told(error: Exception) -> str:
    match error:
        case dns.resolver.LifetimeTimeout():
            return "no name server answers"
        case dns.resolver.NoNameservers():
            return "no name server can say"
        case _:
            return str(error) or type(error).__name__
