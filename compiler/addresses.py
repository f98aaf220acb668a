"""Addresses and ranges as people write them, and what makes one unusable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from compiler.address_text import prefix_text
from compiler.catalogue import found
from compiler.elements import Element
from compiler.model import Address, Prefix
from compiler.problem import Problem
from compiler.wording import cut

# IANA's special-purpose registries (RFC 6890): what a Linux host treats apart from ordinary addresses.
_RESERVED: Sequence[tuple[Prefix, str]] = (
    (IPv4Network("0.0.0.0/8"), "unspecified"),
    (IPv4Network("127.0.0.0/8"), "loopback"),
    (IPv4Network("169.254.0.0/16"), "link-local"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
    (IPv6Network("::/8"), "loopback, IPv4-mapped and other reserved"),
    (IPv6Network("fe80::/10"), "link-local"),
    (IPv6Network("ff00::/8"), "multicast"),
)
_PREFIX = re.compile(r"[0-9a-fA-F.:]+/(0|[1-9][0-9]{0,2})")
_ADDRESS = re.compile(r"[0-9a-fA-F.:]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """The prefix lengths that a range may have, both ends included."""

    v4: range
    v6: range


SUBNET = Lengths(v4=range(8, 31), v6=range(48, 125))
ANY_LENGTH = Lengths(v4=range(33), v6=range(129))


def prefix_of(
    element: Element, subject: str, problems: list[Problem], *, lengths: Lengths = ANY_LENGTH
) -> Prefix | None:
    """The range that the text says; None, and a problem added, if it is none or not usable."""
    text = element.text()
    prefix = _prefix(text)
    if prefix is None:
        reason = f"`{element.field}` is `{cut(text)}`, which is not a range in CIDR notation"
        problems.append(found("ATL401", origin=element.origin, subject=subject, reason=reason))
        return None
    faults = _length_faults(prefix, lengths) or _reserved_faults(prefix)[:1]
    if not _is_canonical(text, prefix):
        reason = f"`{cut(text)}` has bits set beyond its first {prefix.prefixlen}"
        faults.append(("ATL402", reason, f"Write `{prefix_text(prefix)}`"))
    problems += [
        found(code, origin=element.origin, subject=subject, reason=reason, remedy=remedy)
        for code, reason, remedy in faults
    ]
    return None if faults else prefix


def address_of(element: Element, subject: str, problems: list[Problem]) -> Address | None:
    """The address that the text says; None, and a problem added, if it is none or not reachable.

    Link-local IPv4 addresses are accepted: node-local DNS caches listen on them.
    """
    text = element.text()
    try:
        address = ip_address(text) if _ADDRESS.fullmatch(text) else None
    except (AddressValueError, ValueError):
        address = None
    if address is None:
        reason, code = f"`{element.field}` is `{cut(text)}`, which is not an address", "ATL401"
        remedy = "Write an IPv4 or IPv6 address without a prefix length"
        problems.append(found(code, origin=element.origin, subject=subject, reason=reason, remedy=remedy))
        return None
    reserved = _reservation(address)
    if reserved is not None and not (address.version == 4 and address.is_link_local):
        reason = f"`{text}` is in {reserved[0]}, whose addresses are {reserved[1]}"
        remedy = "Write an address that nodes can reach"
        problems.append(found("ATL404", origin=element.origin, subject=subject, reason=reason, remedy=remedy))
        return None
    return address


def _prefix(text: str) -> Prefix | None:
    if not _PREFIX.fullmatch(text):
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_canonical(text: str, prefix: Prefix) -> bool:
    return ip_address(text.partition("/")[0]) == prefix.network_address


def _length_faults(prefix: Prefix, lengths: Lengths) -> list[tuple[str, str, str | None]]:
    allowed = lengths.v4 if prefix.version == 4 else lengths.v6
    if prefix.prefixlen in allowed:
        return []
    must = f"must have {allowed[0]} to {allowed[-1]}"
    reason = f"`{prefix_text(prefix)}` has prefix length {prefix.prefixlen}, and {must}"
    return [("ATL403", reason, None)]


def _reserved_faults(prefix: Prefix) -> list[tuple[str, str, str | None]]:
    return [
        ("ATL404", f"`{prefix_text(prefix)}` overlaps {reserved}, whose addresses are {what}", None)
        for reserved, what in _RESERVED
        if overlap(prefix, reserved)
    ]


def _reservation(address: IPv4Address | IPv6Address) -> tuple[Prefix, str] | None:
    for reserved, what in _RESERVED:
        if address in reserved:
            return reserved, what
    return None


def overlap(one: Prefix, other: Prefix) -> bool:
    """Whether the two have an address in common; never across families."""
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)
